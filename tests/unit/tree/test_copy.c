/* An index in another file: the same version, or nothing of use. */
#include "unit/tree/tree_util.h"

enum { KEYS = 16000 };

struct copying {
    struct disk from_disk, to_disk;
    struct cubby__pager *from, *to;
    struct cubby__root root;
    struct cubby__pager_stat st;
};

static void copying_begin(struct copying *c, int keys)
{
    memset(c, 0, sizeof *c);
    disk_init(&c->from_disk);
    disk_init(&c->to_disk);
    c->from = disk_pager(&c->from_disk, 1);
    c->to = disk_pager(&c->to_disk, 1);
    if (keys)
        tree_fill(c->from, &c->root, keys, "some value");
    cubby__pager_get_stat(c->from, &c->st);
}

static void copying_end(struct copying *c)
{
    cubby__pager_close(&c->from);
    cubby__pager_close(&c->to);
    disk_release(&c->from_disk);
    disk_release(&c->to_disk);
}

static int copy(struct copying *c, uint64_t more, cubby_error *err)
{
    return cubby__pager_copy(c->from, &c->root, c->st.pages + more, c->to, err);
}

static void same_keys(struct copying *c, int keys)
{
    struct cubby__cursor at;
    int n = 0;
    cubby__cursor_init(&at, c->to, &c->root, NULL);
    for (int rc = cubby__cursor_seek(&at, "k", 1); rc == 0; rc = cubby__cursor_next(&at), n++) {
        char key[32];
        snprintf(key, sizeof key, "key %06d", n);
        EXPECT(cubby__cursor_key(&at).n == strlen(key) && memcmp(cubby__cursor_key(&at).p, key, strlen(key)) == 0);
    }
    cubby__cursor_release(&at);
    ck_assert_int_eq(n, keys);
}

START_TEST(a_copy_is_the_same)
{
    for (int keys = 0; keys <= KEYS; keys += KEYS / 2)
        for (uint64_t more = 0; more < 300; more += 100) { /* pages that were never written */
            struct copying c;
            cubby_error err = {0};
            copying_begin(&c, keys);
            ck_assert_int_eq(copy(&c, more, &err), 0);
            same_keys(&c, keys);
            ck_assert_int_eq(cubby__pager_damaged(c.from), 0);
            copying_end(&c);
        }
}
END_TEST

/* What the file holds counts, not what is in memory. */
START_TEST(a_page_that_is_damaged)
{
    struct copying c;
    cubby_error err = {0};
    copying_begin(&c, KEYS);
    disk_flip(&c.from_disk, c.root.page * CUBBY__PAGE_SIZE - 100, 1);
    ck_assert_int_eq(copy(&c, 0, &err), CUBBY_ECORRUPT);
    ck_assert_int_eq(err.code, CUBBY_ECORRUPT);
    ck_assert_str_eq(err.path, "index");
    ck_assert_int_eq(cubby__pager_damaged(c.from), 1);
    copying_end(&c);
}
END_TEST

START_TEST(calls_that_fail)
{
    for (int kind = 0; kind < 2; kind++)
        for (int after = 0, failed = 1; failed; after++) {
            struct copying c;
            cubby_error err = {0};
            copying_begin(&c, KEYS);
            struct disk *d = kind ? &c.to_disk : &c.from_disk;
            *(kind ? &d->writes_left : &d->reads_left) = after;
            failed = copy(&c, 0, &err) != 0;
            ck_assert_int_eq(err.code, !failed ? 0 : kind ? CUBBY_ENOSPC : CUBBY_EIO);
            ck_assert(failed || after > 1);
            ck_assert_int_eq(cubby__pager_damaged(c.from), 0);
            copying_end(&c);
        }
    struct copying c;
    cubby_error err = {0};
    copying_begin(&c, KEYS);
    c.to_disk.reads_left = 1; /* what was written cannot be read again */
    ck_assert_int_eq(copy(&c, 0, &err), CUBBY_EIO);
    ck_assert_int_eq(cubby__pager_damaged(c.from), 0);
    copying_end(&c);
}
END_TEST

UNIT_MAIN("tree/copy", a_copy_is_the_same, a_page_that_is_damaged, calls_that_fail)
