/* range.h - ascending, disjoint ranges of numbers: uids, segments. */
#ifndef CUBBY_BASE_RANGE_H
#define CUBBY_BASE_RANGE_H

#include <stddef.h>
#include <stdint.h>

struct cubby__range {
    uint32_t first, last; /* both included */
};

/* Index of the first range that ends at or behind n; count if there is none. */
static inline size_t cubby__range_seek(const struct cubby__range *at, size_t count, uint64_t n)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (at[mid].last < n)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static inline int cubby__range_has(const struct cubby__range *at, size_t count, uint32_t n)
{
    size_t i = cubby__range_seek(at, count, n);
    return i < count && at[i].first <= n;
}

#endif
