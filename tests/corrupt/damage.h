/* damage.h - every way to damage a store with one change, numbered. */
#ifndef CUBBY_TESTS_CORRUPT_DAMAGE_H
#define CUBBY_TESTS_CORRUPT_DAMAGE_H

#include "corrupt/image.h"

enum damage_kind {
    D_FLIP,    /* one bit of every byte */
    D_BIT,     /* every bit */
    D_CUT,     /* a file cut to every length */
    D_MORE,    /* garbage behind a file */
    D_ZERO,    /* a 512-byte block of zeros */
    D_OLD,     /* a block as it was earlier */
    D_BLOCK,   /* a block as another one of any file */
    D_GONE,    /* a file missing */
    D_STALE,   /* a file as it was earlier */
    D_FOREIGN, /* a file of another store, of the same name */
    D_TWIN,    /* a segment with the contents of another one */
    D_ALONE,   /* all segments but one missing */
    DAMAGES
};
extern const char *const damage_names[DAMAGES];

struct scene {
    const struct image *im;      /* sound */
    const struct image *earlier; /* EARLIER of them */
    const struct image *foreign;
};

struct damage {
    enum damage_kind kind;
    struct image im;     /* the damaged store; its files are those of the scene but for the changed ones */
    uint8_t *owned;      /* the file made for it, if one was */
    int same;            /* nothing is different after all */
    char what[160];
};

uint64_t damage_count(const struct scene *s, enum damage_kind kind);
/* Number n < damage_count. */
void damage_make(const struct scene *s, enum damage_kind kind, uint64_t n, struct damage *out);
void damage_drop(struct damage *d);

#endif
