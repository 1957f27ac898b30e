#include "unit/tree/tree_util.h"

static void put_number(struct cubby__pager *p, int i, const char *value)
{
    char key[32];
    snprintf(key, sizeof key, "key %06d", i);
    tree_put(p, key, value);
}

static void expect_number(struct cubby__pager *p, const struct cubby__root *root, int i, const char *value)
{
    char key[32];
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n = 0;
    snprintf(key, sizeof key, "key %06d", i);
    int rc = cubby__tree_get(p, root, key, strlen(key), buf, &n, NULL);
    EXPECT(rc == (value ? 0 : CUBBY_DONE));
    EXPECT(!value || (n == strlen(value) && memcmp(buf, value, n) == 0));
}

static uint64_t dirty_pages(struct cubby__pager *p)
{
    struct cubby__pager_stat stat;
    cubby__pager_get_stat(p, &stat);
    return stat.dirty_pages;
}

START_TEST(neighbours_are_written_together)
{
    struct disk d;
    struct cubby__root root = {0};
    struct cubby__pager_stat stat;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 40000, "value");
    cubby__pager_get_stat(p, &stat);
    ck_assert_uint_ge(stat.pages_written, 100);
    ck_assert_uint_eq(stat.dirty_pages, 0);
    ck_assert_int_le(d.writes, (int)stat.pages_written / 64 + 2); /* one for the meta slots */
    tree_flush(p, &root); /* nothing left to do */
    struct cubby__pager_stat again;
    cubby__pager_get_stat(p, &again);
    ck_assert_uint_eq(again.pages_written, stat.pages_written);
    cubby__pager_close(&p);
    p = disk_pager(&d, 0);
    expect_sound(p, &root);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(stacked_commits_are_flushed_once)
{
    struct disk d;
    struct cubby__root root = {0}, published;
    struct cubby__pager_stat before, after;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 5000, "old");
    published = root;
    cubby__pager_get_stat(p, &before);
    for (int txn = 0; txn < 20; txn++) {
        ck_assert_int_eq(cubby__pager_protect(p, &published.commit, 1, UINT64_MAX, NULL), 0);
        tree_begin(p, &root);
        put_number(p, 2500 + txn, "new");
        if (txn % 3 == 1) {
            cubby__tree_abort(p);
            expect_number(p, &root, 2500 + txn - 1, "new");
            expect_number(p, &root, 2500 + txn, "old");
            continue;
        }
        cubby__tree_commit(p, &root);
        expect_number(p, &root, 2500 + txn, "new"); /* unflushed, the writer sees it */
        expect_number(p, &published, 2500 + txn, "old");
    }
    ck_assert_uint_le(dirty_pages(p), 8); /* what one commit supersedes of another that was never flushed goes at once */
    tree_flush(p, &root);
    cubby__pager_get_stat(p, &after);
    ck_assert_uint_le(after.pages_written - before.pages_written, 8);
    expect_accounted(p, &root);
    expect_sound(p, &published);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(a_failed_flush_leaves_everything_unflushed)
{
    struct disk d;
    struct cubby__root root = {0}, old;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 3000, "old");
    old = root;
    ck_assert_int_eq(cubby__pager_protect(p, &old.commit, 1, UINT64_MAX, NULL), 0);
    tree_begin(p, &root);
    for (int i = 0; i < 3000; i += 50)
        put_number(p, i, "new");
    cubby__tree_commit(p, &root);
    uint64_t dirty = dirty_pages(p);
    cubby_error err = {0};
    d.writes_left = 0;
    ck_assert_int_eq(cubby__pager_flush(p, &root, &err), CUBBY_ENOSPC);
    d.writes_left = -1;
    ck_assert_str_eq(err.path, "index");
    ck_assert_uint_eq(root.sum, 0);
    ck_assert_uint_eq(dirty_pages(p), dirty);
    expect_number(p, &root, 50, "new");
    expect_number(p, &old, 50, "old");
    struct cubby__root other = root; /* work goes on upon it */
    tree_begin(p, &other);
    put_number(p, 51, "newer");
    cubby__tree_commit(p, &other);
    tree_flush(p, &other);
    expect_number(p, &other, 50, "new");
    expect_number(p, &other, 51, "newer");
    expect_accounted(p, &other);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(discard_goes_back_to_what_was_flushed)
{
    struct disk d;
    struct cubby__root root = {0}, old;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 3000, "old");
    old = root;
    for (int txn = 0; txn < 3; txn++) {
        tree_begin(p, &root);
        for (int i = 0; i < 3000; i += 10)
            put_number(p, i, "new");
        cubby__tree_commit(p, &root);
    }
    d.writes_left = 0;
    ck_assert_int_eq(cubby__pager_flush(p, &root, NULL), CUBBY_ENOSPC);
    d.writes_left = -1;
    cubby__pager_discard(p);
    ck_assert_uint_eq(dirty_pages(p), 0);
    expect_accounted(p, &old);
    root = old;
    for (int txn = 0; txn < 5; txn++) { /* pages that the failed commits gave up live on: they are not taken */
        ck_assert_int_eq(cubby__pager_protect(p, &root.commit, 1, UINT64_MAX, NULL), 0);
        tree_begin(p, &root);
        put_number(p, 7, txn % 2 ? "a" : "b");
        cubby__tree_commit(p, &root);
        tree_flush(p, &root);
        expect_number(p, &root, 10, "old");
        expect_accounted(p, &root);
    }
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(spilling_bounds_memory)
{
    struct disk d;
    struct cubby__root root = {0};
    struct cubby__pager_stat stat;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    ck_assert_int_eq(cubby__pager_protect(p, NULL, 0, UINT64_MAX, NULL), 0);
    tree_begin(p, &root);
    for (int i = 0; i < 30000; i++) {
        put_number(p, (int)(mix((uint64_t)i) % 1000000), "a value of some length");
        ck_assert_int_eq(cubby__tree_spill(p, 50, NULL), 0);
        EXPECT(dirty_pages(p) <= 60);
        root = cubby__tree_now(p);
        if (i % 1000 == 0)
            expect_number(p, &root, (int)(mix((uint64_t)i) % 1000000), "a value of some length");
    }
    cubby__tree_commit(p, &root);
    tree_flush(p, &root);
    expect_accounted(p, &root);
    cubby__pager_get_stat(p, &stat);
    ck_assert_uint_le(stat.free_pages, 200); /* pages it spilled and changed again were used again */
    for (int i = 0; i < 30000; i++)
        expect_number(p, &root, (int)(mix((uint64_t)i) % 1000000), "a value of some length");
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

/* Neighbouring changes: the leaf just written must be copied, not changed where it is. */
START_TEST(a_spilled_page_is_copied_again)
{
    struct disk d;
    struct cubby__root root = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_begin(p, &root);
    for (int i = 0; i < 2000; i++) {
        put_number(p, i, "value");
        if (i % 3 == 0)
            ck_assert_int_eq(cubby__tree_spill(p, 0, NULL), 0);
    }
    cubby__tree_commit(p, &root);
    tree_flush(p, &root);
    expect_accounted(p, &root);
    cubby__pager_close(&p);
    p = disk_pager(&d, 0);
    for (int i = 0; i < 2000; i++)
        expect_number(p, &root, i, "value");
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(abort_after_spilling)
{
    struct disk d;
    struct cubby__root root = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 3000, "old");
    for (int round = 0; round < 5; round++) {
        ck_assert_int_eq(cubby__pager_protect(p, &root.commit, 1, UINT64_MAX, NULL), 0);
        tree_begin(p, &root);
        for (int i = 0; i < 3000; i += 2) {
            put_number(p, i, "new");
            ck_assert_int_eq(cubby__tree_spill(p, 10, NULL), 0);
        }
        cubby__tree_abort(p);
        for (int i = 0; i < 3000; i++)
            expect_number(p, &root, i, "old");
        expect_accounted(p, &root);
    }
    struct cubby__pager_stat stat;
    cubby__pager_get_stat(p, &stat);
    ck_assert_uint_le(stat.pages, 200);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(a_failed_spill_changes_nothing)
{
    struct disk d;
    struct cubby__root root = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_begin(p, &root);
    for (int i = 0; i < 3000; i++)
        put_number(p, i, "value");
    d.writes_left = 0;
    ck_assert_int_eq(cubby__tree_spill(p, 10, NULL), CUBBY_ENOSPC);
    d.writes_left = -1;
    for (int i = 0; i < 100; i++)
        put_number(p, i, "other");
    cubby__tree_commit(p, &root);
    tree_flush(p, &root);
    expect_number(p, &root, 99, "other");
    expect_number(p, &root, 2999, "value");
    expect_accounted(p, &root);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

/* On a version that was never flushed, abort must find its pages as they were. */
START_TEST(no_spill_on_an_unflushed_base)
{
    struct disk d;
    struct cubby__root root = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_begin(p, &root);
    for (int i = 0; i < 3000; i++)
        put_number(p, i, "old");
    cubby__tree_commit(p, &root);
    tree_begin(p, &root);
    put_number(p, 1, "new");
    ck_assert_int_eq(cubby__tree_spill(p, 0, NULL), 0);
    ck_assert_int_eq(d.writes, 1); /* the meta slots */
    cubby__tree_abort(p);
    expect_number(p, &root, 1, "old");
    expect_number(p, &root, 2999, "old");
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

/* A read-only handle replays in memory, over a file that it must not touch. */
START_TEST(pages_beside_the_file)
{
    struct disk d;
    struct cubby__root root = {0}, base;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 3000, "old");
    base = root;
    cubby__pager_close(&p);
    struct cubby__pager_config config = disk_config(&d, 0);
    config.writable = 0;
    ck_assert_int_eq(cubby__pager_open(&config, &p, NULL), 0);
    ck_assert_int_eq(cubby__pager_load_live(p, &root, 1, root.commit, disk_size(&d) / CUBBY__PAGE_SIZE, NULL), 0);
    d.writes_left = 0;
    for (int txn = 0; txn < 50; txn++) {
        ck_assert_int_eq(cubby__pager_protect(p, &root.commit, 1, UINT64_MAX, NULL), 0);
        tree_begin(p, &root);
        for (int i = 0; i < 100; i++)
            put_number(p, (txn * 100 + i) % 4000, "new");
        cubby__tree_commit(p, &root);
        tree_flush(p, &root);
    }
    for (int i = 0; i < 4000; i++)
        expect_number(p, &root, i, "new");
    expect_accounted(p, &root);
    cubby__pager_close(&p);
    d.writes_left = -1;
    p = disk_pager(&d, 0);
    expect_sound(p, &base);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

UNIT_MAIN("tree/flush", neighbours_are_written_together, stacked_commits_are_flushed_once, a_failed_flush_leaves_everything_unflushed,
          discard_goes_back_to_what_was_flushed, spilling_bounds_memory, a_spilled_page_is_copied_again, abort_after_spilling,
          a_failed_spill_changes_nothing, no_spill_on_an_unflushed_base, pages_beside_the_file)
