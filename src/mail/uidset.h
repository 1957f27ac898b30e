/* uidset.h - the inside of cubby_uidset, for loops over its ranges. */
#ifndef CUBBY_MAIL_UIDSET_H
#define CUBBY_MAIL_UIDSET_H

#include <stddef.h>
#include <stdint.h>

#include "base/range.h"
#include "cubby.h"

struct cubby_uidset {
    struct cubby__range *range; /* ascending, disjoint, not adjacent */
    size_t count, cap;
};

/* Index of the first range that ends at or behind uid; set->count if there is none. */
size_t cubby__uidset_seek(const struct cubby_uidset *set, uint32_t uid);

#endif
