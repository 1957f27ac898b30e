#include "tree/page.h"

#include "unit/tree/tree_util.h"

START_TEST(table_finds_what_is_in_it)
{
    struct cubby__table t = {0};
    struct cubby__page *pages[1000];
    for (unsigned i = 0; i < 1000; i++) {
        pages[i] = cubby__page_new(2 + 3 * i);
        cubby__table_insert(&t, pages[i]);
    }
    ck_assert_uint_eq(t.count, 1000);
    for (unsigned i = 0; i < 1000; i++) {
        EXPECT(cubby__table_find(&t, 2 + 3 * i) == pages[i]);
        EXPECT(cubby__table_find(&t, 3 + 3 * i) == NULL);
    }
    for (unsigned i = 0; i < 1000; i += 2) {
        cubby__table_remove(&t, pages[i]);
        EXPECT(cubby__table_find(&t, 2 + 3 * i) == NULL);
        cubby__page_unref(pages[i]);
    }
    ck_assert_uint_eq(t.count, 500);
    for (unsigned i = 1; i < 1000; i += 2) {
        EXPECT(cubby__table_find(&t, 2 + 3 * i) == pages[i]);
        cubby__page_unref(pages[i]);
    }
    cubby__table_release(&t);
}
END_TEST

static int odd(void *arg, struct cubby__page *page)
{
    ++*(int *)arg;
    if (page->number % 2 == 0)
        return 0;
    cubby__page_unref(page);
    return 1;
}

static int all(void *arg, struct cubby__page *page)
{
    (void)arg;
    cubby__page_unref(page);
    return 1;
}

START_TEST(sweep_takes_out)
{
    struct cubby__table t = {0};
    int seen = 0;
    for (unsigned i = 0; i < 100; i++)
        cubby__table_insert(&t, cubby__page_new(i));
    cubby__table_sweep(&t, odd, &seen);
    ck_assert_int_eq(seen, 100);
    ck_assert_uint_eq(t.count, 50);
    for (unsigned i = 0; i < 100; i++)
        ck_assert_int_eq(cubby__table_find(&t, i) != NULL, i % 2 == 0);
    cubby__table_sweep(&t, all, NULL);
    ck_assert_uint_eq(t.count, 0);
    cubby__table_release(&t);
}
END_TEST

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

static void *no_memory_either(void *p, size_t n)
{
    (void)p;
    (void)n;
    return NULL;
}

START_TEST(table_works_without_memory)
{
    const cubby_allocator none = {no_memory, no_memory_either, free};
    struct cubby__table t = {0};
    struct cubby__page *pages[20];
    for (unsigned i = 0; i < 20; i++)
        pages[i] = cubby__page_new(i);
    cubby_set_allocator(&none);
    for (unsigned i = 0; i < 20; i++)
        cubby__table_insert(&t, pages[i]);
    ck_assert_ptr_null(cubby__page_new(1));
    cubby_set_allocator(NULL);
    for (unsigned i = 0; i < 20; i++)
        ck_assert_ptr_eq(cubby__table_find(&t, i), pages[i]);
    struct cubby__page *late = cubby__page_new(20);
    cubby__table_insert(&t, late); /* now it can grow */
    for (unsigned i = 0; i < 20; i++)
        ck_assert_ptr_eq(cubby__table_find(&t, i), pages[i]);
    cubby__table_sweep(&t, all, NULL);
    cubby__table_release(&t);
}
END_TEST

START_TEST(runs_are_noticed)
{
    struct cubby__page *page = cubby__page_new(2);
    cubby__page_note_insert(page, 5);
    ck_assert_uint_eq(page->run, 0);
    cubby__page_note_insert(page, 6);
    cubby__page_note_insert(page, 7);
    ck_assert_uint_eq(page->run, 2);
    cubby__page_note_insert(page, 7);
    ck_assert_uint_eq(page->run, 0);
    cubby__page_unref(page);
    cubby__page_unref(NULL);
}
END_TEST

UNIT_MAIN("tree/page", table_finds_what_is_in_it, sweep_takes_out, table_works_without_memory, runs_are_noticed)
