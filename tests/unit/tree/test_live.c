#include "unit/tree/tree_util.h"

struct fixture {
    struct disk disk;
    struct cubby__pager *p;
    struct cubby__root old, mid, now;
};

static void change(struct fixture *f, struct cubby__root *root, const char *key, const char *value)
{
    tree_begin(f->p, root);
    tree_put(f->p, key, value);
    cubby__tree_commit(f->p, root);
    tree_flush(f->p, root);
}

static void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    disk_init(&f->disk);
    f->p = disk_pager(&f->disk, 1);
    tree_fill(f->p, &f->now, 5000, "value");
    f->old = f->now;
    change(f, &f->now, "key 000001", "changed");
    f->mid = f->now;
    change(f, &f->now, "key 004000", "changed");
    change(f, &f->now, "key 002000", "changed");
    cubby__pager_close(&f->p);
    f->p = disk_pager(&f->disk, 0);
}

static void fixture_release(struct fixture *f)
{
    cubby__pager_close(&f->p);
    disk_release(&f->disk);
}

static uint64_t file_pages(struct fixture *f)
{
    return disk_size(&f->disk) / CUBBY__PAGE_SIZE;
}

START_TEST(what_no_version_reaches_is_free_at_once)
{
    struct fixture f;
    fixture_init(&f);
    struct cubby__root roots[] = {f.old, f.now};
    uint64_t commits[] = {f.old.commit, f.now.commit}, before = file_pages(&f);
    ck_assert_int_eq(cubby__pager_load_live(f.p, roots, 2, f.now.commit, before, NULL), 0);
    expect_accounted(f.p, &f.now);
    ck_assert_int_eq(cubby__pager_protect(f.p, commits, 2, UINT64_MAX, NULL), 0);
    struct cubby__root next = f.now;
    change(&f, &next, "key 003000", "again");
    ck_assert_uint_eq(file_pages(&f), before);
    expect_sound(f.p, &f.old);
    expect_sound(f.p, &f.now);
    expect_sound(f.p, &next);
    fixture_release(&f);
}
END_TEST

START_TEST(a_version_that_was_not_walked_holds_everything)
{
    struct fixture f;
    fixture_init(&f);
    uint64_t commits[] = {f.mid.commit, f.now.commit}, before = file_pages(&f);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, before, NULL), 0);
    ck_assert_int_eq(cubby__pager_protect(f.p, commits, 2, UINT64_MAX, NULL), 0);
    struct cubby__root next = f.now;
    for (int i = 0; i < 10; i++) {
        change(&f, &next, "key 003000", i % 2 ? "again" : "and again");
        expect_sound(f.p, &f.mid);
    }
    ck_assert_uint_gt(file_pages(&f), before);
    ck_assert_int_eq(cubby__pager_protect(f.p, &next.commit, 1, UINT64_MAX, NULL), 0);
    struct cubby__pager_stat stat;
    cubby__pager_get_stat(f.p, &stat);
    uint64_t pages = stat.pages;
    change(&f, &next, "key 003000", "once more");
    cubby__pager_get_stat(f.p, &stat);
    ck_assert_uint_eq(stat.pages, pages);
    expect_accounted(f.p, &next);
    fixture_release(&f);
}
END_TEST

START_TEST(checkpoint_pages_come_free_later)
{
    struct fixture f;
    fixture_init(&f);
    struct cubby__root roots[] = {f.now, f.mid}, next = f.now;
    uint64_t both[] = {f.mid.commit, f.now.commit};
    ck_assert_int_eq(cubby__pager_load_live(f.p, roots, 2, f.now.commit, file_pages(&f), NULL), 0);
    for (int i = 0; i < 20; i++) {
        both[1] = next.commit;
        ck_assert_int_eq(cubby__pager_protect(f.p, both, 2, UINT64_MAX, NULL), 0);
        change(&f, &next, "key 001500", i % 2 ? "x" : "yy");
        expect_sound(f.p, &f.mid);
    }
    for (int i = 0; i < 20; i++) { /* the checkpoint is no more: its pages are taken, and only they */
        ck_assert_int_eq(cubby__pager_protect(f.p, &next.commit, 1, UINT64_MAX, NULL), 0);
        change(&f, &next, "key 001500", i % 2 ? "x" : "yy");
        expect_accounted(f.p, &next);
    }
    fixture_release(&f);
}
END_TEST

/* A version that need not be whole is kept if it is; if not, it is no damage, and its pages are free. */
START_TEST(a_version_that_may_be_gone)
{
    for (int gone = 0; gone < 2; gone++) {
        struct fixture f;
        int whole = -1;
        fixture_init(&f);
        uint64_t commits[] = {f.mid.commit, f.now.commit}, before = file_pages(&f);
        if (gone)
            disk_flip(&f.disk, f.mid.page * CUBBY__PAGE_SIZE + 100, 1);
        ck_assert_int_eq(cubby__pager_load_live_and(f.p, &f.now, 1, &f.mid, &whole, f.now.commit, before, NULL), 0);
        ck_assert_int_eq(whole, !gone);
        ck_assert_int_eq(cubby__pager_damaged(f.p), 0);
        ck_assert_int_eq(cubby__pager_protect(f.p, gone ? &f.now.commit : commits, gone ? 1 : 2, UINT64_MAX, NULL), 0);
        struct cubby__root next = f.now;
        for (int i = 0; i < 10; i++) {
            change(&f, &next, "key 003000", i % 2 ? "again" : "and again");
            expect_sound(f.p, &f.now);
            if (!gone)
                expect_sound(f.p, &f.mid);
        }
        fixture_release(&f);
    }
}
END_TEST

/* The newest version has the page that was its root: what is below it now says nothing of what the older one had. */
START_TEST(a_version_whose_root_was_used_again)
{
    struct fixture f;
    struct cubby__page *page;
    char key[16];
    int whole = -1;
    fixture_init(&f);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, file_pages(&f), NULL), 0);
    ck_assert_int_eq(cubby__pager_protect(f.p, &f.now.commit, 1, UINT64_MAX, NULL), 0);
    struct cubby__root next = f.now;
    tree_begin(f.p, &next);
    for (int i = 0; i < 5000; i += 100) {
        snprintf(key, sizeof key, "key %06d", i);
        tree_put(f.p, key, "again");
    }
    cubby__tree_commit(f.p, &next);
    tree_flush(f.p, &next);
    ck_assert_int_eq(cubby__pager_get_fresh(f.p, cubby__link_root(&f.mid), &page, NULL), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__pager_load_live_and(f.p, &next, 1, &f.mid, &whole, next.commit, file_pages(&f), NULL), 0);
    ck_assert_int_eq(whole, 0);
    ck_assert_int_eq(cubby__pager_damaged(f.p), 0);
    expect_accounted(f.p, &next);
    fixture_release(&f);
}
END_TEST

START_TEST(damage_and_limits)
{
    struct fixture f;
    cubby_error err = {0};
    fixture_init(&f);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, 5, &err), CUBBY_ECORRUPT); /* pages behind the end */
    ck_assert_int_eq(cubby__pager_load_live(f.p, NULL, 0, 1, file_pages(&f), &err), 0);
    tree_begin(f.p, &f.now);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, file_pages(&f), &err), CUBBY_EINVAL);
    tree_put(f.p, "x", "y");
    struct cubby__root next;
    cubby__tree_commit(f.p, &next);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, file_pages(&f), &err), CUBBY_EINVAL);
    cubby__pager_discard(f.p);
    cubby__pager_close(&f.p);
    f.p = disk_pager(&f.disk, 0);
    disk_flip(&f.disk, f.now.page * CUBBY__PAGE_SIZE + 100, 1);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, file_pages(&f), &err), CUBBY_ECORRUPT);
    ck_assert_uint_eq(err.offset, f.now.page * CUBBY__PAGE_SIZE);
    fixture_release(&f);
}
END_TEST

/* What verifies page by page and is no tree: a page in two places would be given up twice, and taken twice. The index is damaged, and is replaced. */
START_TEST(a_page_in_two_places)
{
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        cubby_error err = {0};
        uint8_t top[CUBBY__PAGE_SIZE];
        fixture_init(&f);
        disk_peek(&f.disk, f.now.page * CUBBY__PAGE_SIZE, top, sizeof top);
        cubby__branch_set(top, 3, i ? file_pages(&f) : cubby__branch_page(top, 7), cubby__branch_sum(top, 7));
        forge_root(&f.disk, &f.now, top);
        ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, file_pages(&f), &err), CUBBY_ECORRUPT);
        ck_assert_msg(strstr(err.message, i ? "there cannot be such a page" : "it is reached twice") != NULL, "%s", err.message);
        ck_assert_int_eq(cubby__pager_damaged(f.p), 1);
        fixture_release(&f);
    }
}
END_TEST

START_TEST(a_root_that_is_named_twice)
{
    struct fixture f;
    fixture_init(&f);
    struct cubby__root roots[] = {f.now, f.mid, f.now, f.mid};
    ck_assert_int_eq(cubby__pager_load_live(f.p, roots, 4, f.now.commit, file_pages(&f), NULL), 0);
    ck_assert_int_eq(cubby__pager_damaged(f.p), 0);
    expect_accounted(f.p, &f.now);
    fixture_release(&f);
}
END_TEST

/* A file may be long and hold nothing: what is learned of it takes no room, and all of it can be used. */
START_TEST(a_long_file_of_holes)
{
    enum { HOLES = 10000 };
    struct fixture f;
    struct cubby__pager_stat stat;
    fixture_init(&f);
    uint64_t before = file_pages(&f);
    disk_truncate(&f.disk, (before + HOLES) * CUBBY__PAGE_SIZE);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, before + HOLES, NULL), 0);
    expect_accounted(f.p, &f.now);
    ck_assert_uint_lt(f.p->alloc.unread.len, 20);
    ck_assert_uint_gt(f.p->alloc.unread_pages, HOLES);
    ck_assert_int_eq(cubby__pager_protect(f.p, &f.now.commit, 1, UINT64_MAX, NULL), 0);
    struct cubby__root next = f.now;
    for (int i = 0; i < 20; i++)
        change(&f, &next, "key 003000", i % 2 ? "again" : "and again");
    expect_accounted(f.p, &next);
    cubby__alloc_read_all(&f.p->alloc);
    ck_assert_uint_eq(f.p->alloc.unread_pages, 0);
    expect_accounted(f.p, &next);
    cubby__pager_get_stat(f.p, &stat);
    ck_assert_uint_eq(stat.pages, before + HOLES);
    fixture_release(&f);
}
END_TEST

START_TEST(leaves_are_not_read)
{
    struct fixture f;
    fixture_init(&f);
    f.disk.reads_left = 3; /* a root and what is above the leaves */
    ck_assert_uint_eq(f.now.level, 1);
    ck_assert_int_eq(cubby__pager_load_live(f.p, &f.now, 1, f.now.commit, file_pages(&f), NULL), 0);
    ck_assert_int_eq(f.disk.reads_left, 2);
    fixture_release(&f);
}
END_TEST

UNIT_MAIN("tree/live", what_no_version_reaches_is_free_at_once, a_version_that_was_not_walked_holds_everything, checkpoint_pages_come_free_later,
          a_version_that_may_be_gone, a_version_whose_root_was_used_again, damage_and_limits, a_page_in_two_places,
          a_root_that_is_named_twice, a_long_file_of_holes, leaves_are_not_read)
