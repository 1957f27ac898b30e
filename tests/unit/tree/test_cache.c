#include "tree/cache.h"

#include "unit/tree/tree_util.h"

static struct cubby__page *page(uint64_t number, uint64_t sum)
{
    struct cubby__page *p = cubby__page_new(number);
    p->sum = sum;
    return p;
}

static int has(struct cubby__cache *c, uint64_t number, uint64_t sum)
{
    struct cubby__page *p = cubby__cache_find(c, number, sum);
    cubby__page_unref(p);
    return p != NULL;
}

START_TEST(a_hit_needs_number_and_checksum)
{
    struct cubby__cache c;
    ck_assert_int_eq(cubby__cache_init(&c, 1 << 20), 0);
    cubby__cache_insert(&c, page(5, 100));
    ck_assert_int_eq(has(&c, 5, 100), 1);
    ck_assert_int_eq(has(&c, 5, 101), 0);
    ck_assert_int_eq(has(&c, 6, 100), 0);
    cubby__cache_insert(&c, page(5, 200)); /* written again: the old one is gone */
    ck_assert_int_eq(has(&c, 5, 100), 0);
    ck_assert_int_eq(has(&c, 5, 200), 1);
    ck_assert_uint_eq(cubby__cache_pages(&c), 1);
    cubby__cache_release(&c);
}
END_TEST

START_TEST(a_reference_outlives_its_place)
{
    struct cubby__cache c;
    cubby__cache_init(&c, 1 << 20);
    cubby__cache_insert(&c, page(5, 100));
    struct cubby__page *held = cubby__cache_find(&c, 5, 100);
    cubby__cache_insert(&c, page(5, 200));
    ck_assert_uint_eq(held->sum, 100);
    cubby__cache_release(&c);
    ck_assert_uint_eq(held->sum, 100);
    cubby__page_unref(held);
}
END_TEST

START_TEST(bounded)
{
    struct cubby__cache c;
    size_t limit = (1 << 20) / sizeof(struct cubby__page);
    cubby__cache_init(&c, 1 << 20);
    for (uint64_t i = 2; i < 5000; i++)
        cubby__cache_insert(&c, page(i, i));
    ck_assert_uint_le(cubby__cache_pages(&c), limit);
    ck_assert_uint_ge(cubby__cache_pages(&c), limit * 3 / 4);
    cubby__cache_release(&c);
}
END_TEST

START_TEST(what_is_used_stays)
{
    struct cubby__cache c;
    cubby__cache_init(&c, 100 * sizeof(struct cubby__page));
    cubby__cache_insert(&c, page(2, 2));
    for (uint64_t i = 3; i < 3000; i++) {
        cubby__cache_insert(&c, page(i, i));
        EXPECT(has(&c, 2, 2));
    }
    cubby__cache_release(&c);
}
END_TEST

START_TEST(held_pages_are_not_evicted)
{
    struct cubby__cache c;
    struct cubby__page *held[50];
    cubby__cache_init(&c, 0); /* at least the pages of a path */
    for (uint64_t i = 0; i < 50; i++) {
        cubby__cache_insert(&c, page(2 + i, 7));
        held[i] = cubby__cache_find(&c, 2 + i, 7);
    }
    for (uint64_t i = 0; i < 50; i++)
        ck_assert_int_eq(has(&c, 2 + i, 7), 1);
    for (uint64_t i = 0; i < 50; i++)
        cubby__page_unref(held[i]);
    cubby__cache_release(&c);
}
END_TEST

START_TEST(permanent_pages_stay_beside_the_bound)
{
    struct cubby__cache c;
    cubby__cache_init(&c, 0);
    for (uint64_t i = 0; i < 500; i++) {
        struct cubby__page *p = page(2 + i, 7);
        p->permanent = 1;
        cubby__cache_insert(&c, p);
    }
    for (uint64_t i = 0; i < 500; i++)
        cubby__cache_insert(&c, page(1000 + i, 7));
    ck_assert_uint_le(cubby__cache_pages(&c), 520);
    for (uint64_t i = 0; i < 500; i++)
        ck_assert_int_eq(has(&c, 2 + i, 7), 1);
    /* A reader that brings an old page from the file keeps it to itself. */
    struct cubby__page *mine = cubby__cache_share(&c, page(2, 6));
    ck_assert_uint_eq(mine->sum, 6);
    cubby__page_unref(mine);
    ck_assert_int_eq(has(&c, 2, 6), 0);
    ck_assert_int_eq(has(&c, 2, 7), 1);
    struct cubby__page *found = cubby__cache_find_permanent(&c, 2, 7);
    ck_assert_ptr_nonnull(found);
    cubby__page_unref(found);
    ck_assert_ptr_null(cubby__cache_find_permanent(&c, 1499, 7));
    cubby__cache_release(&c);
}
END_TEST

START_TEST(share_gives_the_one_that_is_there)
{
    struct cubby__cache c;
    cubby__cache_init(&c, 1 << 20);
    struct cubby__page *first = cubby__cache_share(&c, page(5, 100));
    struct cubby__page *second = cubby__cache_share(&c, page(5, 100));
    ck_assert_ptr_eq(first, second);
    cubby__page_unref(first);
    cubby__page_unref(second);
    ck_assert_uint_eq(cubby__cache_pages(&c), 1);
    cubby__cache_release(&c);
}
END_TEST

UNIT_MAIN("tree/cache", a_hit_needs_number_and_checksum, a_reference_outlives_its_place, bounded, what_is_used_stays, held_pages_are_not_evicted,
          permanent_pages_stay_beside_the_bound, share_gives_the_one_that_is_there)
