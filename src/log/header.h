/* header.h - the header of a segment, twice in the file (FORMAT.md 4). */
#ifndef CUBBY_LOG_HEADER_H
#define CUBBY_LOG_HEADER_H

#include <stdint.h>

#include "base/buf.h"
#include "log/ident.h"

/* Highest numbers ever given; next = floor + 1. In the order of CUBBY__SEG_FLOORS_OFF. */
struct cubby__floors {
    uint64_t commit, object, piece, folder, keyword, uidvalidity, thread, reserved;
};

/* Floors only rise. */
static inline void cubby__raise(uint64_t *v, uint64_t to)
{
    if (*v < to)
        *v = to;
}

void cubby__floors_encode(const struct cubby__floors *f, uint8_t out[64]);
void cubby__floors_decode(const uint8_t *p, struct cubby__floors *out);
/* None is above CUBBY__NUMBER_MAX: that does not come about by counting. */
int cubby__floors_fit(const struct cubby__floors *f);

struct cubby__seg_header {
    struct cubby__ident ident;
    uint32_t number, kind;
    uint64_t nonce;
    uint32_t pred; /* 0: none */
    uint64_t pred_nonce, pred_end;
    uint64_t last_commit, last_chain; /* at the predecessor's accepted end */
    uint64_t proven, proven_commit;   /* what was synced before the segment got its name */
    struct cubby__floors floors;
    int64_t created_ns;
    struct cubby__buf defs; /* definitions; owned */
    uint32_t copy_min;      /* for encoding: bytes that a copy takes at least, so that frames stay where they are */
    uint64_t frames;        /* decoded: file offset of the first frame */
    int damaged_copies;     /* decoded: 1 if one of the two did not verify */
};

void cubby__seg_header_release(struct cubby__seg_header *h);

/* A repair made this header and could not know the chain before it: the first commit is taken at its word. */
static inline int cubby__seg_header_adopts(const struct cubby__seg_header *h)
{
    return h->last_commit && !h->last_chain;
}

/* What was found of a segment, to its end. */
struct cubby__seg_end {
    uint32_t number; /* 0: its header cannot be read */
    int unsure;      /* damage has left less there than was */
    uint64_t nonce;
    uint64_t began;  /* the commit that it began behind */
    uint64_t commit, chain;
};

/* 0: it names another segment, or another end of it, than is there in its place. What a repair has put in the place of a segment holds no commit, and nobody
 * names its nonce: it may stand before any. */
int cubby__seg_header_names(const struct cubby__seg_header *h, const struct cubby__seg_end *before);

/* Bytes of both copies. */
uint64_t cubby__seg_header_size(size_t defs_len);
/* Both copies, appended to *out; h->frames is set. CUBBY_ENOMEM; CUBBY_ELIMIT: too long, or a number above CUBBY__NUMBER_MAX. */
int cubby__seg_header_encode(struct cubby__seg_header *h, struct cubby__buf *out);
/* Reads and verifies the header of an open file. ECORRUPT, EVERSION, EIO. */
int cubby__seg_header_read(const cubby_vfs *vfs, cubby_file *f, const char *path, struct cubby__seg_header *out, cubby_error *err);
/* The same of one segment of one store: a copy of another's header, or of another store's, counts as damaged. */
int cubby__seg_header_read_of(const cubby_vfs *vfs, cubby_file *f, const char *path, const struct cubby__ident *store, uint32_t number,
                              struct cubby__seg_header *out, cubby_error *err);

#endif
