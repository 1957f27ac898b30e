/* tomb.h - the uids that EXPUNGEs of a folder have: for check and repair, which ask of many uids. */
#ifndef CUBBY_MAIL_TOMB_H
#define CUBBY_MAIL_TOMB_H

#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "store/store.h"

/* 8 bytes for a range, which takes more in the index. Zero-initialised it is that of no folder. */
struct cubby__tombs {
    struct cubby__range *at; /* ascending, disjoint */
    size_t count, cap;
    uint64_t folder;
};

/* Reads those of a folder, unless it has them. ENOENT: there is no such folder. */
int cubby__tombs_of(struct cubby__tombs *t, struct cubby__view *view, uint64_t folder);
/* Index of the first range that ends at or behind uid; t->count: there is none. */
size_t cubby__tombs_seek(const struct cubby__tombs *t, uint64_t uid);
int cubby__tombs_have(const struct cubby__tombs *t, uint32_t uid);
void cubby__tombs_release(struct cubby__tombs *t);

#endif
