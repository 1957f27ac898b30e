/* fuzz_index.h - the checksums of a changed index put right, so that a fuzzer reaches what lies behind them. */
#ifndef CUBBY_TESTS_FUZZ_INDEX_H
#define CUBBY_TESTS_FUZZ_INDEX_H

#include "base/bytes.h"
#include "base/hash.h"
#include "tree/node.h"

/* Leaves first, then the branches above them, whose cells get the sums of their children; at last the meta slots. */
static inline void fix_index(uint8_t *p, size_t n, uint64_t salt)
{
    enum { PAGE_BYTES = CUBBY__PAGE_SIZE };
    size_t pages = n / PAGE_BYTES;
    for (unsigned level = 0; level < CUBBY__TREE_DEPTH_MAX; level++)
        for (size_t i = CUBBY__META_SLOTS; i < pages; i++) {
            uint8_t *d = p + i * PAGE_BYTES;
            if (d[CUBBY__TREE_LEVEL_OFF] != level)
                continue;
            if (level && !cubby__node_problem(d, 1))
                for (unsigned c = 0; c < cubby__node_count(d); c++) {
                    uint64_t child = cubby__branch_page(d, c);
                    if (child < pages)
                        cubby__branch_set(d, c, child, cubby__get64(p + child * PAGE_BYTES + CUBBY__TREE_SUM_OFF));
                }
            cubby__put64(d + CUBBY__TREE_SUM_OFF, cubby__node_sum(d, i, salt));
        }
    for (size_t i = 0; i < CUBBY__META_SLOTS && i < pages; i++) {
        uint8_t *d = p + i * PAGE_BYTES;
        uint64_t root = cubby__get64(d + CUBBY__META_ROOT_OFF);
        if (root && root < pages)
            cubby__put64(d + CUBBY__META_ROOT_SUM_OFF, cubby__get64(p + root * PAGE_BYTES + CUBBY__TREE_SUM_OFF));
        cubby__put64(d + CUBBY__META_CHECKSUM_OFF, cubby__hash64(d, CUBBY__META_CHECKSUM_OFF, salt));
    }
}

#endif
