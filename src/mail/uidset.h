/* uidset.h - the inside of cubby_uidset, for loops over its ranges. */
#ifndef CUBBY_MAIL_UIDSET_H
#define CUBBY_MAIL_UIDSET_H

#include <stddef.h>
#include <stdint.h>

#include "cubby.h"

struct cubby__uidrange {
    uint32_t first, last;
};

struct cubby_uidset {
    struct cubby__uidrange *range; /* ascending, disjoint, not adjacent */
    size_t count, cap;
};

/* Index of the first range that ends at or behind uid; set->count if there is none. */
size_t cubby__uidset_seek(const struct cubby_uidset *set, uint32_t uid);
/* The same in ascending, disjoint ranges that are no set. */
size_t cubby__uidranges_seek(const struct cubby__uidrange *range, size_t count, uint64_t uid);

#endif
