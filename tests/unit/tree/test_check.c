#include "unit/tree/tree_util.h"

struct found {
    int pages, bad;
    uint64_t page;
    char problem[256];
};

static int note(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    struct found *f = arg;
    (void)level;
    f->pages++;
    if (problem) {
        f->bad++;
        f->page = page;
        snprintf(f->problem, sizeof f->problem, "%s", problem);
    }
    return 0;
}

static struct found check(struct disk *d, const struct cubby__root *root)
{
    struct found f = {0};
    struct cubby__pager *p = disk_pager(d, 0);
    struct cubby__meta m = {.nonce = 77, .seq = 1, .commit = root->commit, .pages = disk_size(d) / CUBBY__PAGE_SIZE, .root = *root};
    ck_assert_int_eq(cubby__meta_write(p, &m, NULL), 0);
    ck_assert_int_eq(cubby__meta_read(p, &m, NULL), 0);
    ck_assert_int_eq(cubby__tree_check(p, root, note, &f, NULL), 0);
    cubby__pager_close(&p);
    return f;
}

static struct cubby__root fixture(struct disk *d)
{
    struct cubby__root root = {0};
    disk_init(d);
    struct cubby__pager *p = disk_pager(d, 1);
    tree_fill(p, &root, 1500, "some value");
    cubby__pager_close(&p);
    return root;
}

START_TEST(a_sound_tree)
{
    struct disk d;
    struct cubby__root root = fixture(&d), empty = {0};
    struct found f = check(&d, &root);
    ck_assert_int_eq(f.bad, 0);
    ck_assert_uint_eq((unsigned)f.pages, disk_size(&d) / CUBBY__PAGE_SIZE - CUBBY__META_SLOTS);
    f = check(&d, &empty);
    ck_assert_int_eq(f.pages, 0);
    disk_release(&d);
}
END_TEST

START_TEST(damage_is_named_and_the_walk_goes_on)
{
    struct disk d;
    struct cubby__root root = fixture(&d);
    int pages = check(&d, &root).pages;
    disk_flip(&d, 3 * CUBBY__PAGE_SIZE + 2000, 1);
    struct found f = check(&d, &root);
    ck_assert_int_eq(f.pages, pages);
    ck_assert_int_eq(f.bad, 1);
    ck_assert_uint_eq(f.page, 3);
    ck_assert_ptr_nonnull(strstr(f.problem, "checksum"));
    disk_release(&d);
}
END_TEST

START_TEST(the_file_counts_and_not_the_cache)
{
    struct disk d;
    struct cubby__root root = fixture(&d);
    struct cubby__pager *p = disk_pager(&d, 0);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n;
    struct found f = {0};
    ck_assert_int_eq(cubby__tree_get(p, &root, "key 000001", 10, buf, &n, NULL), 0);
    disk_flip(&d, root.page * CUBBY__PAGE_SIZE + 2000, 1);
    ck_assert_int_eq(cubby__tree_check(p, &root, note, &f, NULL), 0);
    ck_assert_int_eq(f.bad, 1);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(keys_outside_the_parents_bounds)
{
    struct disk d;
    uint8_t leaf[CUBBY__PAGE_SIZE];
    struct cubby__root root = fixture(&d);
    forge_peek(&d, &root, 2, leaf);
    uint8_t *key = leaf + (cubby__leaf_cell(leaf, 0).key.p - leaf);
    key[4] = '/'; /* below every "key 0" */
    forge_leaf(&d, &root, 2, leaf);
    struct found f = check(&d, &root);
    ck_assert_int_eq(f.bad, 1);
    ck_assert_str_eq(f.problem, "keys lie outside what the parent says");
    disk_release(&d);
}
END_TEST

START_TEST(keys_out_of_order)
{
    struct disk d;
    uint8_t leaf[CUBBY__PAGE_SIZE];
    struct cubby__root root = fixture(&d);
    forge_peek(&d, &root, 2, leaf);
    uint8_t *key = leaf + (cubby__leaf_cell(leaf, 3).key.p - leaf);
    key[9] ^= 0x0f;
    forge_leaf(&d, &root, 2, leaf);
    struct found f = check(&d, &root);
    ck_assert_str_eq(f.problem, "keys are out of order");
    disk_release(&d);
}
END_TEST

START_TEST(a_page_in_two_places)
{
    struct disk d;
    uint8_t top[CUBBY__PAGE_SIZE];
    struct cubby__root root = fixture(&d);
    disk_peek(&d, root.page * CUBBY__PAGE_SIZE, top, sizeof top);
    cubby__branch_set(top, 1, cubby__branch_page(top, 0), cubby__branch_sum(top, 0));
    forge_root(&d, &root, top);
    struct found f = check(&d, &root);
    ck_assert_int_eq(f.bad, 1);
    disk_release(&d);
}
END_TEST

static int stop(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    (void)page;
    (void)level;
    (void)problem;
    return ++*(int *)arg == 3 ? CUBBY_ECANCEL : 0;
}

START_TEST(the_callback_can_stop)
{
    struct disk d;
    struct cubby__root root = fixture(&d);
    struct cubby__pager *p = disk_pager(&d, 0);
    int n = 0;
    ck_assert_int_eq(cubby__tree_check(p, &root, stop, &n, NULL), CUBBY_ECANCEL);
    ck_assert_int_eq(n, 3);
    cubby_error err = {0};
    d.reads_left = 2;
    struct found f = {0};
    ck_assert_int_eq(cubby__tree_check(p, &root, note, &f, &err), CUBBY_EIO);
    ck_assert_int_eq(err.sys_errno, EIO);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

UNIT_MAIN("tree/check", a_sound_tree, damage_is_named_and_the_walk_goes_on, the_file_counts_and_not_the_cache, keys_outside_the_parents_bounds,
          keys_out_of_order, a_page_in_two_places, the_callback_can_stop)
