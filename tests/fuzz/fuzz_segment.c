/* fuzz_segment.c - any bytes as a segment: its header and frames are refused or sound, the scan ends, and what it yields verifies.
 *
 * The first byte says how much is put right before: nothing, the checksums of the header, those of the frames too, so that meaning is reached. */
#include "base/bytes.h"
#include "base/hash.h"
#include "fuzz/fuzz.h"
#include "log/log.h"
#include "log/segscan.h"
#include "os/vfs_mem.h"

static const struct cubby__ident ident = {.uuid = {1}, .account = {2}, .salt = 3};

/* Both copies get the length, identity and checksum that they should have. Returns where frames begin. */
static size_t fix_header(uint8_t *p, size_t n)
{
    size_t len = CUBBY__SEG_HEADER_ALIGN * (1 + (n > CUBBY__SEG_HEADER_LEN_OFF + 4 ? p[CUBBY__SEG_HEADER_LEN_OFF + 1] % 4u : 0));
    if (n < 2 * len)
        return 0;
    for (unsigned copy = 0; copy < 2; copy++, p += len) {
        memcpy(p, CUBBY__SEG_MAGIC, 8);
        cubby__put32(p + CUBBY__SEG_HEADER_LEN_OFF, (uint32_t)len);
        cubby__put32(p + CUBBY__SEG_COPY_OFF, copy);
        cubby__ident_encode(&ident, p + CUBBY__SEG_ID_OFF);
        cubby__put32(p + CUBBY__SEG_NUMBER_OFF, 1);
        uint8_t *whole = exact_copy(p, len);
        memmove(whole + CUBBY__SEG_CHECKSUM_OFF, whole + CUBBY__SEG_CHECKSUM_OFF + 8, len - CUBBY__SEG_CHECKSUM_OFF - 8);
        cubby__put64(p + CUBBY__SEG_CHECKSUM_OFF, cubby__hash64(whole, len - 8, 0));
        free(whole);
    }
    return 2 * len;
}

/* Frames one behind the other get their checksums, COMMITs their chain. Lengths are brought into bounds. */
static void fix_frames(uint8_t *p, size_t n, size_t at, uint64_t nonce)
{
    const struct cubby__seed seed = {ident.salt, nonce};
    struct cubby__buf headers = CUBBY__BUF_INIT;
    uint64_t chain = 0, commit = 0;
    while (at + CUBBY__FRAME_SIZE <= n) {
        struct cubby__frame f = {.type = p[at + CUBBY__FRAME_TYPE_OFF] % 24u, .flags = p[at + CUBBY__FRAME_FLAGS_OFF]};
        size_t head = cubby__frame_header_size(f.type);
        if (at + head > n)
            break;
        f.len = (uint32_t)(cubby__get32(p + at + CUBBY__FRAME_LEN_OFF) % 300u);
        f.len = f.type == CUBBY__REC_COMMIT ? CUBBY__COMMIT_LEN : f.type == CUBBY__REC_PROOF ? CUBBY__PROOF_LEN : f.len;
        if (cubby__frame_size(f.type, f.len) > n - at)
            break;
        if (p[at + CUBBY__FRAME_ZERO_OFF] & 1)
            commit += p[at + CUBBY__FRAME_COMMIT_OFF] % 3u;
        f.commit = commit + 1;
        if (head > CUBBY__FRAME_SIZE) {
            f.piece.id = cubby__get64(p + at + CUBBY__PIECE_ID_OFF);
            f.piece.orig_len = cubby__get32(p + at + CUBBY__PIECE_ORIG_LEN_OFF);
            f.piece.codec = p[at + CUBBY__PIECE_CODEC_OFF];
        }
        if (f.type == CUBBY__REC_COMMIT) {
            chain = cubby__chain(chain, &headers, &seed);
            cubby__put64(p + at + head + CUBBY__COMMIT_CHAIN_OFF, chain);
            cubby__put64(p + at + head + CUBBY__COMMIT_PREV_OFF, commit);
            commit = f.commit;
        } else if (f.type == CUBBY__REC_PROOF) {
            f.commit = commit;
            cubby__put64(p + at + head, chain);
        }
        f.paysum = cubby__payload_sum(p + at + head, f.len, &seed, at, f.commit);
        cubby__frame_encode(&f, &seed, at, p + at);
        if (f.type == CUBBY__REC_COMMIT)
            cubby__buf_clear(&headers);
        else if (f.type != CUBBY__REC_PROOF)
            cubby__buf_add(&headers, p + at, head);
        at += (size_t)cubby__frame_size(f.type, f.len);
    }
    cubby__buf_release(&headers);
}

static void scan(struct cubby__log *log, uint64_t nonce, uint64_t from, size_t n)
{
    struct cubby__segscan s;
    cubby_error err;
    uint64_t nonzero, pos = 0;
    int rc = cubby__segscan_open(&s, log, 1, nonce, ident.salt, from, UINT64_MAX, 0, 0, &err);
    must(rc == 0);
    s.pieces = (int)(nonce & 1);
    for (size_t steps = 0; rc == 0; steps++) {
        must(steps <= n / 8 + 2);
        rc = cubby__segscan_next(&s);
        if (rc == 0) {
            must(s.pos > pos && s.pos <= n && s.begin < s.pos);
            for (size_t i = 0; i < s.count; i++)
                must(s.records[i].place.off >= from && s.records[i].place.off + s.records[i].place.len <= n);
            pos = s.pos;
        } else if (rc == CUBBY_ECORRUPT) {
            rc = cubby__segscan_resync(&s);
        }
    }
    must(rc == CUBBY_DONE || rc == CUBBY_ECORRUPT);
    must(cubby__segscan_nonzero(&s, from, &nonzero) == 0 && (nonzero == UINT64_MAX || nonzero < n));
    cubby__segscan_close(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    unsigned fix = (unsigned)take(&in, 1) % 3;
    uint8_t *p = exact_copy(in.p, in.n);
    struct cubby__memfs *fs = cubby__memfs_new();
    const cubby_vfs *v = cubby__memfs_vfs(fs);
    struct cubby__log *log;
    struct cubby__seg_header h;
    cubby_error err;
    cubby_file *f;
    size_t frames = fix ? fix_header(p, in.n) : 0;
    if (frames && fix == 2)
        fix_frames(p, in.n, frames, cubby__get64(p + CUBBY__SEG_NONCE_OFF));
    must(v->mkdir(v->ctx, "/s") == 0 && v->mkdir(v->ctx, "/s/segments") == 0);
    must(v->open(v->ctx, "/s/segments/00000001.seg", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f) == 0 && v->pwrite(v->ctx, f, p, in.n, 0) == 0);
    v->close(v->ctx, f);
    must(cubby__log_new(v, "/s", &ident, 0, &log, &err) == 0);
    if (cubby__log_header(log, 1, &h, &err) == 0) {
        must(h.frames <= in.n && h.number == 1);
        scan(log, h.nonce, h.frames, in.n);
        cubby__seg_header_release(&h);
    } else {
        must(err.code == CUBBY_ECORRUPT || err.code == CUBBY_EVERSION || err.code == CUBBY_ENOTSTORE);
    }
    cubby__log_free(&log);
    cubby__memfs_free(&fs);
    free(p);
    return 0;
}
