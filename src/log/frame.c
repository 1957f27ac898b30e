#include "log/frame.h"

#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/hash.h"

/* Of a frame at offset off: one that stands elsewhere, or is an older commit's, does not verify. */
static uint64_t frame_seed(const struct cubby__seed *seed, uint64_t off, uint64_t commit)
{
    uint8_t b[32];
    cubby__put64(b, seed->salt);
    cubby__put64(b + 8, seed->nonce);
    cubby__put64(b + 16, off);
    cubby__put64(b + 24, commit);
    return cubby__hash64(b, sizeof b, 0);
}

size_t cubby__frame_header_size(uint8_t type)
{
    return type == CUBBY__REC_PIECE ? CUBBY__PIECE_FRAME_SIZE : CUBBY__FRAME_SIZE;
}

static uint64_t align(uint64_t n)
{
    return (n + (CUBBY__FRAME_ALIGN - 1)) & ~(uint64_t)(CUBBY__FRAME_ALIGN - 1);
}

uint64_t cubby__frame_size(uint8_t type, uint32_t len)
{
    return align(cubby__frame_header_size(type) + (uint64_t)len);
}

uint64_t cubby__replay_size(uint8_t type, uint32_t len)
{
    return type == CUBBY__REC_PIECE ? CUBBY__PIECE_FRAME_SIZE : cubby__frame_size(type, len);
}

/* The header's checksum leaves out itself: bytes 0..23, and of a PIECE 32..63. */
static uint64_t head_sum(const uint8_t *h, size_t size, uint64_t seed)
{
    uint8_t b[CUBBY__PIECE_FRAME_SIZE - 8];
    memcpy(b, h, CUBBY__FRAME_HEADSUM_OFF);
    memcpy(b + CUBBY__FRAME_HEADSUM_OFF, h + CUBBY__FRAME_SIZE, size - CUBBY__FRAME_SIZE);
    return cubby__hash64(b, size - 8, seed);
}

size_t cubby__frame_encode(const struct cubby__frame *f, const struct cubby__seed *seed, uint64_t off, uint8_t *out)
{
    size_t size = cubby__frame_header_size(f->type);
    cubby__put32(out + CUBBY__FRAME_LEN_OFF, f->len);
    out[CUBBY__FRAME_TYPE_OFF] = f->type;
    out[CUBBY__FRAME_FLAGS_OFF] = f->flags;
    cubby__put16(out + CUBBY__FRAME_ZERO_OFF, 0);
    cubby__put64(out + CUBBY__FRAME_COMMIT_OFF, f->commit);
    cubby__put64(out + CUBBY__FRAME_PAYSUM_OFF, f->paysum);
    if (f->type == CUBBY__REC_PIECE) {
        cubby__put64(out + CUBBY__PIECE_ID_OFF, f->piece.id);
        cubby__put32(out + CUBBY__PIECE_ORIG_LEN_OFF, f->piece.orig_len);
        out[CUBBY__PIECE_CODEC_OFF] = f->piece.codec;
        out[CUBBY__PIECE_KIND_OFF] = f->piece.kind;
        cubby__put16(out + CUBBY__PIECE_ZERO_OFF, 0);
        memcpy(out + CUBBY__PIECE_HASH_OFF, f->piece.hash, sizeof f->piece.hash);
    }
    cubby__put64(out + CUBBY__FRAME_HEADSUM_OFF, head_sum(out, size, frame_seed(seed, off, f->commit)));
    return size;
}

int cubby__frame_decode(const uint8_t *p, size_t avail, const struct cubby__seed *seed, uint64_t off, struct cubby__frame *out)
{
    if (avail < CUBBY__FRAME_SIZE)
        return cubby__all_zero(p, avail) ? CUBBY_DONE : CUBBY_ECORRUPT;
    uint8_t type = p[CUBBY__FRAME_TYPE_OFF];
    uint32_t len = cubby__get32(p + CUBBY__FRAME_LEN_OFF);
    if (type == 0)
        return cubby__all_zero(p, CUBBY__FRAME_SIZE) ? CUBBY_DONE : CUBBY_ECORRUPT;
    size_t size = cubby__frame_header_size(type);
    if (len > CUBBY__FRAME_LEN_MAX || avail < size)
        return CUBBY_ECORRUPT;
    uint64_t commit = cubby__get64(p + CUBBY__FRAME_COMMIT_OFF);
    if (commit > CUBBY__NUMBER_MAX || cubby__get64(p + CUBBY__FRAME_HEADSUM_OFF) != head_sum(p, size, frame_seed(seed, off, commit)))
        return CUBBY_ECORRUPT;
    out->type = type;
    out->flags = p[CUBBY__FRAME_FLAGS_OFF];
    out->len = len;
    out->commit = commit;
    out->paysum = cubby__get64(p + CUBBY__FRAME_PAYSUM_OFF);
    if (type == CUBBY__REC_PIECE) {
        out->piece.id = cubby__get64(p + CUBBY__PIECE_ID_OFF);
        out->piece.orig_len = cubby__get32(p + CUBBY__PIECE_ORIG_LEN_OFF);
        out->piece.codec = p[CUBBY__PIECE_CODEC_OFF];
        out->piece.kind = p[CUBBY__PIECE_KIND_OFF];
        memcpy(out->piece.hash, p + CUBBY__PIECE_HASH_OFF, sizeof out->piece.hash);
        /* Part of what is a frame (FORMAT.md 5), so it must not change; that a piece has at most CUBBY__PIECE_MAX bytes is for who applies it to say. */
        if (out->piece.id > CUBBY__NUMBER_MAX || out->piece.orig_len > CUBBY__PIECE_MAX + CUBBY__HEADER_STORED_MAX)
            return CUBBY_ECORRUPT;
    }
    return 0;
}

uint64_t cubby__payload_sum(const void *p, size_t n, const struct cubby__seed *seed, uint64_t off, uint64_t commit)
{
    return cubby__hash64(p, n, frame_seed(seed, off, commit));
}

uint64_t cubby__chain(uint64_t prev, const struct cubby__buf *headers, const struct cubby__seed *seed)
{
    return cubby__hash64(headers->data, headers->len, frame_seed(seed, prev, headers->len));
}

void cubby__commit_encode(const struct cubby__commit *c, uint8_t out[CUBBY__COMMIT_LEN])
{
    cubby__put64(out + CUBBY__COMMIT_CHAIN_OFF, c->chain);
    cubby__put64(out + CUBBY__COMMIT_PREV_OFF, c->prev);
    cubby__put64(out + CUBBY__COMMIT_DURABLE_OFF, c->durable_through);
    cubby__put64(out + CUBBY__COMMIT_CEILING_OFF, c->ceiling);
    cubby__put64(out + CUBBY__COMMIT_BYTES_OFF, c->bytes);
    cubby__put64(out + CUBBY__COMMIT_TIME_OFF, (uint64_t)c->time_ns);
}

int cubby__commit_decode(const uint8_t *p, size_t n, struct cubby__commit *out)
{
    if (n != CUBBY__COMMIT_LEN)
        return CUBBY_ECORRUPT;
    out->chain = cubby__get64(p + CUBBY__COMMIT_CHAIN_OFF);
    out->prev = cubby__get64(p + CUBBY__COMMIT_PREV_OFF);
    out->durable_through = cubby__get64(p + CUBBY__COMMIT_DURABLE_OFF);
    out->ceiling = cubby__get64(p + CUBBY__COMMIT_CEILING_OFF);
    out->bytes = cubby__get64(p + CUBBY__COMMIT_BYTES_OFF);
    out->time_ns = (int64_t)cubby__get64(p + CUBBY__COMMIT_TIME_OFF);
    return out->prev > CUBBY__NUMBER_MAX || out->durable_through > CUBBY__NUMBER_MAX || out->ceiling > CUBBY__NUMBER_MAX ? CUBBY_ECORRUPT : 0;
}

void cubby__framer_init(struct cubby__framer *f, const struct cubby__seed *seed, uint64_t base, uint64_t commit)
{
    cubby__buf_clear(&f->buf);
    cubby__buf_clear(&f->headers);
    f->seed = *seed;
    f->base = base;
    f->commit = commit;
    f->outside = 0;
    f->record_bytes = 0;
    f->extent_count = 0;
}

void cubby__framer_release(struct cubby__framer *f)
{
    cubby__buf_release(&f->buf);
    cubby__buf_release(&f->headers);
    cubby__free(f->extents);
    f->extents = NULL;
    f->extent_count = f->extent_cap = 0;
}

uint64_t cubby__framer_end(const struct cubby__framer *f)
{
    return f->base + f->buf.len + f->outside;
}

/* The header; counts it in the chain unless it is the COMMIT's own. */
static int add_header(struct cubby__framer *f, const struct cubby__frame *frame, uint64_t off)
{
    uint8_t header[CUBBY__PIECE_FRAME_SIZE];
    size_t size = cubby__frame_encode(frame, &f->seed, off, header);
    cubby__buf_add(&f->buf, header, size);
    if (frame->type != CUBBY__REC_COMMIT && frame->type != CUBBY__REC_PROOF)
        cubby__buf_add(&f->headers, header, size);
    return f->buf.failed || f->headers.failed ? CUBBY_ENOMEM : 0;
}

static int add_padding(struct cubby__framer *f, uint64_t size, uint64_t used)
{
    static const uint8_t zeros[CUBBY__FRAME_ALIGN];
    cubby__buf_add(&f->buf, zeros, (size_t)(size - used));
    return f->buf.failed ? CUBBY_ENOMEM : 0;
}

int cubby__framer_add(struct cubby__framer *f, uint8_t type, uint8_t flags, const void *payload, uint32_t len, const struct cubby__piece *piece,
                      uint64_t *off)
{
    uint64_t at = cubby__framer_end(f);
    struct cubby__frame frame = {.type = type, .flags = flags, .len = len, .commit = f->commit};
    frame.paysum = cubby__payload_sum(payload, len, &f->seed, at, f->commit);
    if (piece)
        frame.piece = *piece;
    f->record_bytes += cubby__replay_size(type, len);
    if (add_header(f, &frame, at) != 0)
        return CUBBY_ENOMEM;
    cubby__buf_add(&f->buf, payload, len);
    *off = at;
    return add_padding(f, cubby__frame_size(type, len), cubby__frame_header_size(type) + (uint64_t)len);
}

int cubby__framer_add_outside(struct cubby__framer *f, const struct cubby__piece *piece, void *source, uint64_t source_off, uint32_t len, uint64_t paysum,
                              uint64_t *off)
{
    struct cubby__extent *e = cubby__grow(f->extents, f->extent_count, &f->extent_cap, sizeof *e);
    if (!e)
        return CUBBY_ENOMEM;
    f->extents = e;
    uint64_t at = cubby__framer_end(f);
    struct cubby__frame frame = {.type = CUBBY__REC_PIECE, .len = len, .commit = f->commit, .paysum = paysum, .piece = *piece};
    if (add_header(f, &frame, at) != 0)
        return CUBBY_ENOMEM;
    f->extents[f->extent_count++] = (struct cubby__extent){f->buf.len, source, source_off, len};
    f->outside += len;
    f->record_bytes += cubby__replay_size(CUBBY__REC_PIECE, len);
    *off = at;
    return add_padding(f, cubby__frame_size(CUBBY__REC_PIECE, len), CUBBY__PIECE_FRAME_SIZE + (uint64_t)len);
}

int cubby__framer_commit(struct cubby__framer *f, struct cubby__commit *c, uint64_t prev_chain)
{
    uint8_t payload[CUBBY__COMMIT_LEN];
    uint64_t off;
    c->chain = cubby__chain(prev_chain, &f->headers, &f->seed);
    c->bytes = cubby__framer_end(f) - f->base;
    cubby__commit_encode(c, payload);
    return cubby__framer_add(f, CUBBY__REC_COMMIT, 0, payload, sizeof payload, NULL, &off);
}
