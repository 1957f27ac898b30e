/* segment_util.h - the bytes of a segment, and a header that says something else under a right checksum. */
#ifndef CUBBY_TESTS_SEGMENT_UTIL_H
#define CUBBY_TESTS_SEGMENT_UTIL_H

#include "base/hash.h"
#include "store/repair.h"
#include "unit/store/store_util.h"

static inline uint8_t *file_bytes(struct bed *b, const char *path, uint64_t *n)
{
    *n = bed_size(b, path);
    uint8_t *p = malloc(*n + 1);
    bed_read(b, path, 0, p, *n);
    return p;
}

static inline void bed_zero(struct bed *b, const char *path, uint64_t off, uint64_t n)
{
    uint8_t *zeros = calloc(1, n + 1);
    bed_write(b, path, off, zeros, n);
    free(zeros);
}

/* The caller releases it. */
static inline struct cubby__seg_header header_of(struct bed *b, uint32_t seg)
{
    struct cubby__seg_header h;
    cubby_file *f;
    MUST(b->vfs->open(b->vfs->ctx, seg_path(seg), CUBBY_OPEN_READ, &f));
    MUST(cubby__seg_header_read(b->vfs, f, seg_path(seg), &h, &b->err));
    b->vfs->close(b->vfs->ctx, f);
    return h;
}

/* Over the old one, in as much room. */
static inline void write_header(struct bed *b, const char *path, struct cubby__seg_header *h)
{
    struct cubby__buf head = CUBBY__BUF_INIT;
    h->copy_min = (uint32_t)(h->frames / 2);
    MUST(cubby__seg_header_encode(h, &head));
    bed_write(b, path, 0, head.data, head.len);
    cubby__buf_release(&head);
}

/* A number of `size` bytes in both copies of a header, whose checksums are put right. */
static inline void forge(struct bed *b, uint32_t seg, size_t at, size_t size, uint64_t value)
{
    struct cubby__seg_header h = header_of(b, seg);
    size_t len = (size_t)h.frames / 2;
    uint8_t *p = malloc(len);
    for (uint64_t copy = 0; copy < 2; copy++) {
        bed_read(b, seg_path(seg), copy * len, p, len);
        if (size == 4)
            cubby__put32(p + at, (uint32_t)value);
        else
            cubby__put64(p + at, value);
        uint64_t sum = cubby__hash64(p, CUBBY__SEG_CHECKSUM_OFF, 0);
        cubby__put64(p + CUBBY__SEG_CHECKSUM_OFF, cubby__hash64(p + CUBBY__SEG_HEADER_FIXED, len - CUBBY__SEG_HEADER_FIXED, sum));
        bed_write(b, seg_path(seg), copy * len, p, len);
    }
    free(p);
    cubby__seg_header_release(&h);
}

enum { PLACES_MAX = 2000 };

struct places {
    size_t n;
    struct cubby__place at[PLACES_MAX];
    uint8_t type[PLACES_MAX];
    uint64_t commit[PLACES_MAX], end; /* of the last frame */
};

/* Every frame of a segment up to the first that does not verify. */
static inline void frames_of(struct bed *b, uint32_t seg, struct places *out)
{
    struct cubby__seg_header h = header_of(b, seg);
    struct cubby__seed seed = {h.ident.salt, h.nonce};
    struct cubby__frame f;
    uint64_t n, off = h.frames;
    uint8_t *p = file_bytes(b, seg_path(seg), &n);
    out->n = 0;
    while (off < n && out->n < PLACES_MAX && cubby__frame_decode(p + off, (size_t)(n - off), &seed, off, &f) == 0) {
        out->type[out->n] = f.type;
        out->commit[out->n] = f.commit;
        out->at[out->n++] = (struct cubby__place){seg, f.len, off};
        off += cubby__frame_size(f.type, f.len);
    }
    out->end = off;
    free(p);
    cubby__seg_header_release(&h);
}

#endif
