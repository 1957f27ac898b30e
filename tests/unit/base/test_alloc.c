#include "base/alloc.h"

#include <stdint.h>

#include "unit/heap.h"
#include "unit/unit.h"

START_TEST(an_array_grows)
{
    uint32_t *at = NULL;
    size_t count = 0, cap = 0, moves = 0;
    for (; count < 100000; count++) {
        size_t before = cap;
        at = cubby__grow(at, count, &cap, sizeof *at);
        ck_assert_ptr_nonnull(at);
        ck_assert_uint_lt(count, cap);
        moves += cap != before;
        at[count] = (uint32_t)count;
    }
    for (size_t i = 0; i < count; i++)
        ck_assert_uint_eq(at[i], i);
    ck_assert_uint_lt(moves, 20); /* in all it is linear */
    cubby__free(at);
}
END_TEST

/* What is there stays there, and is still the caller's to free. */
START_TEST(out_of_memory)
{
    size_t cap = 0;
    heap_install();
    uint64_t *at = cubby__grow(NULL, 0, &cap, sizeof *at);
    ck_assert_ptr_nonnull(at);
    at[0] = 7;
    const size_t before = cap;
    heap_fail(0, 1);
    ck_assert_ptr_eq(cubby__grow(at, before - 1, &cap, sizeof *at), at); /* there is room */
    ck_assert_ptr_null(cubby__grow(at, before, &cap, sizeof *at));
    heap_fail(1 << 30, 0);
    ck_assert_uint_eq(cap, before);
    ck_assert_uint_eq(at[0], 7);
    cap = SIZE_MAX / 8; /* twice as many have more bytes than a size can say */
    ck_assert_ptr_null(cubby__grow(at, cap, &cap, sizeof *at));
    ck_assert_uint_eq(cap, SIZE_MAX / 8);
    cubby__free(at);
    ck_assert_int_eq(heap.live, 0);
}
END_TEST

START_TEST(nothing_is_not_null)
{
    void *a = cubby__malloc(0), *b = cubby__calloc(0, 8);
    ck_assert(a && b);
    ck_assert_ptr_null(cubby__calloc(SIZE_MAX / 2, 4));
    a = cubby__realloc(a, 0);
    ck_assert_ptr_nonnull(a);
    cubby__free(a);
    cubby__free(b);
}
END_TEST

UNIT_MAIN("base/alloc", an_array_grows, out_of_memory, nothing_is_not_null)
