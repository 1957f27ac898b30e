/* log_util.h - one store directory in memory with a segment or two, written frame by frame, and the means to damage it. */
#ifndef CUBBY_TESTS_LOG_UTIL_H
#define CUBBY_TESTS_LOG_UTIL_H

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "log/segmake.h"
#include "log/segscan.h"
#include "os/vfs_mem.h"
#include "unit/files.h"
#include "unit/unit.h"

#define SEGMENT "/s/segments/00000001.seg"

struct bed {
    struct cubby__memfs *fs;
    const cubby_vfs *vfs;
    struct cubby__ident ident;
    struct cubby__log *log;
    struct cubby__seed seed; /* of segment 1 */
    uint64_t frames;         /* offset of its first frame */
    uint64_t end, commit, chain;
    uint64_t start[32];      /* [n]: where commit n begins */
    cubby_error err;
};

#define MUST(x)                                                                \
    do {                                                                       \
        int must_rc = (x);                                                     \
        ck_assert_msg(must_rc == 0, "%s: %d %s", #x, must_rc, b->err.message); \
    } while (0)

static inline struct cubby__ident test_ident(void)
{
    struct cubby__ident id = {.salt = 0x1122334455667788u, .epoch = 3, .created_ns = 1700000000000000000, .compat = 5, .rocompat = 6};
    memcpy(id.uuid, "0123456789abcdef", 16);
    memcpy(id.account, "ACCOUNTACCOUNT!!", 16);
    return id;
}

static inline struct cubby__seg_header bed_header(struct bed *b, uint32_t number, uint64_t nonce)
{
    return (struct cubby__seg_header){.ident = b->ident, .number = number, .kind = CUBBY__SEG_LOG, .nonce = nonce, .created_ns = 42};
}

static inline int bed_make(struct bed *b, uint32_t number, uint64_t nonce, const void *body, size_t n, uint64_t *frames)
{
    struct cubby__seg_header h = bed_header(b, number, nonce);
    struct cubby__seg_maker *m;
    int named, rc = cubby__seg_make_begin(b->log, &h, &m, &b->err);
    if (rc != 0)
        return rc;
    if (n && (rc = cubby__seg_make_add(m, body, n, &b->err)) != 0) {
        cubby__seg_make_abort(&m);
        return rc;
    }
    rc = cubby__seg_make_end(&m, 0, &named, &b->err);
    *frames = h.frames;
    cubby__seg_header_release(&h);
    return rc;
}

static inline void bed_begin(struct bed *b)
{
    memset(b, 0, sizeof *b);
    b->fs = cubby__memfs_new();
    b->vfs = cubby__memfs_vfs(b->fs);
    b->ident = test_ident();
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s"));
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/segments"));
    MUST(cubby__log_new(b->vfs, "/s", &b->ident, 1, &b->log, &b->err));
    b->seed = (struct cubby__seed){b->ident.salt, 0xabcdef};
    MUST(bed_make(b, 1, b->seed.nonce, NULL, 0, &b->frames));
    b->end = b->frames;
}

static inline void bed_end(struct bed *b)
{
    cubby__log_free(&b->log);
    cubby__memfs_free(&b->fs);
}

static inline void bed_write(struct bed *b, const char *path, uint64_t off, const void *p, size_t n)
{
    file_write(b->vfs, path, off, p, n);
}

static inline void bed_read(struct bed *b, const char *path, uint64_t off, void *p, size_t n)
{
    file_read(b->vfs, path, off, p, n);
}

static inline void bed_flip(struct bed *b, const char *path, uint64_t off, uint8_t mask)
{
    file_flip(b->vfs, path, off, mask);
}

static inline void bed_truncate(struct bed *b, const char *path, uint64_t size)
{
    file_truncate(b->vfs, path, size);
}

/* The bytes of commit `number` with `records` records of `len` bytes and one piece of `piece` bytes (0: none), at the end of the log. */
static inline void bed_frame(struct bed *b, struct cubby__framer *f, uint64_t number, int records, uint32_t len, uint32_t piece, uint64_t durable)
{
    struct cubby__piece p = {.id = number, .orig_len = piece, .codec = CUBBY__CODEC_STORED, .kind = CUBBY__PIECE_BODY};
    uint8_t *bytes = cubby__calloc(1, (len > piece ? len : piece) + 1);
    uint64_t off;
    memset(f, 0, sizeof *f);
    cubby__framer_init(f, &b->seed, b->end, number);
    for (int i = 0; i < records; i++) {
        memset(bytes, (int)number + i + 1, len);
        MUST(cubby__framer_add(f, CUBBY__REC_OBJECT, 0, bytes, len, NULL, &off));
    }
    memset(bytes, (int)number + 100, piece);
    if (piece)
        MUST(cubby__framer_add(f, CUBBY__REC_PIECE, 0, bytes, piece, &p, &off));
    struct cubby__commit c = {.prev = b->commit, .durable_through = durable, .ceiling = 9, .time_ns = 0x7777777777777777};
    MUST(cubby__framer_commit(f, &c, b->chain));
    b->chain = c.chain;
    cubby__free(bytes);
}

static inline void bed_commit(struct bed *b, int records, uint32_t len, uint32_t piece, uint64_t durable)
{
    struct cubby__framer f;
    uint64_t number = b->commit + 1;
    bed_frame(b, &f, number, records, len, piece, durable);
    MUST(cubby__log_write(b->log, 1, f.buf.data, f.buf.len, b->end, &b->err));
    b->start[number] = b->end;
    b->end = cubby__framer_end(&f);
    b->start[number + 1] = b->end;
    b->commit = number;
    cubby__framer_release(&f);
}

/* Proves the last commit. */
static inline void bed_proof(struct bed *b)
{
    struct cubby__framer f = {0};
    uint8_t chain[8];
    uint64_t off;
    for (int i = 0; i < 8; i++)
        chain[i] = (uint8_t)(b->chain >> (8 * i));
    cubby__framer_init(&f, &b->seed, b->end, b->commit);
    MUST(cubby__framer_add(&f, CUBBY__REC_PROOF, 0, chain, sizeof chain, NULL, &off));
    MUST(cubby__log_write(b->log, 1, f.buf.data, f.buf.len, b->end, &b->err));
    b->end = cubby__framer_end(&f);
    b->start[b->commit + 1] = b->end;
    cubby__framer_release(&f);
}

#endif
