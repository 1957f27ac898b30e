/* frame.h - one frame of a segment: header, payload, padding; and the framer, which lines frames up into commits (FORMAT.md 5). */
#ifndef CUBBY_LOG_FRAME_H
#define CUBBY_LOG_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"
#include "format/format.h"

/* Where a frame is. The index's business: never inside a record. */
struct cubby__place {
    uint32_t seg;
    uint32_t len; /* payload bytes */
    uint64_t off; /* of the frame header */
};

/* What a PIECE's frame header says beyond the others'. */
struct cubby__piece {
    uint64_t id;
    uint32_t orig_len;
    uint8_t codec; /* CUBBY__CODEC_... */
    uint8_t kind;  /* CUBBY__PIECE_... */
    uint8_t hash[16];
};

struct cubby__frame {
    uint8_t type, flags;
    uint32_t len;
    uint64_t commit;
    uint64_t paysum;
    struct cubby__piece piece; /* of a PIECE */
};

/* What seeds the checksums of one segment. */
struct cubby__seed {
    uint64_t salt, nonce;
};

/* Bytes of the header, and of the whole frame with padding. */
size_t cubby__frame_header_size(uint8_t type);
uint64_t cubby__frame_size(uint8_t type, uint32_t len);
/* Bytes of it that a replay has to look at: not the content of a piece. */
uint64_t cubby__replay_size(uint8_t type, uint32_t len);

/* Writes the header of a frame at file offset off; f->paysum is already right. Returns its size. */
size_t cubby__frame_encode(const struct cubby__frame *f, const struct cubby__seed *seed, uint64_t off, uint8_t *out);

/* 0: the header verifies. CUBBY_DONE: 32 zero bytes, nothing was ever written here. CUBBY_ECORRUPT: neither. avail: bytes at p. */
int cubby__frame_decode(const uint8_t *p, size_t avail, const struct cubby__seed *seed, uint64_t off, struct cubby__frame *out);

uint64_t cubby__payload_sum(const void *p, size_t n, const struct cubby__seed *seed, uint64_t off, uint64_t commit);

/* The chain value of a commit: over the previous chain and this commit's frame headers in order, the COMMIT's own left out. */
uint64_t cubby__chain(uint64_t prev, const struct cubby__buf *headers, const struct cubby__seed *seed);

/* ---- COMMIT payload ---- */

struct cubby__commit {
    uint64_t chain, prev, durable_through, ceiling, bytes;
    int64_t time_ns;
};

void cubby__commit_encode(const struct cubby__commit *c, uint8_t out[CUBBY__COMMIT_LEN]);
int cubby__commit_decode(const uint8_t *p, size_t n, struct cubby__commit *out);

/* ---- the framer: the bytes of one commit, ready to be written at a known place ---- */

/* A stretch of payload that is not in memory: it belongs at position `at` of the bytes. */
struct cubby__extent {
    size_t at;      /* bytes in buf before it */
    void *source;   /* the caller's; read back with the framer's read function */
    uint64_t off;
    uint32_t len;
};

struct cubby__framer {
    struct cubby__seed seed;
    uint64_t base;      /* file offset of the first byte */
    uint64_t commit;
    uint64_t outside;   /* bytes in extents */
    uint64_t record_bytes; /* what a replay has to look at */
    struct cubby__buf buf;
    struct cubby__buf headers; /* for the chain */
    struct cubby__extent *extents;
    size_t extent_count, extent_cap;
};

void cubby__framer_init(struct cubby__framer *f, const struct cubby__seed *seed, uint64_t base, uint64_t commit);
void cubby__framer_release(struct cubby__framer *f);
uint64_t cubby__framer_end(const struct cubby__framer *f); /* file offset of the next frame */
/* Appends a frame; piece only for a PIECE. *off gets its file offset. CUBBY_ENOMEM. */
int cubby__framer_add(struct cubby__framer *f, uint8_t type, uint8_t flags, const void *payload, uint32_t len, const struct cubby__piece *piece,
                      uint64_t *off);
/* The same for a payload that stays outside; paysum as cubby__payload_sum gives it for cubby__framer_end(f). */
int cubby__framer_add_outside(struct cubby__framer *f, const struct cubby__piece *piece, void *source, uint64_t source_off, uint32_t len, uint64_t paysum,
                              uint64_t *off);
/* Ends with the COMMIT frame; *chain gets the new chain value. */
int cubby__framer_commit(struct cubby__framer *f, struct cubby__commit *c, uint64_t prev_chain);

#endif
