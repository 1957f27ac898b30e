#include "unit/tree/tree_util.h"

static void expect_value_of(struct cubby__pager *p, const char *key, const char *value)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n;
    struct cubby__root now = cubby__tree_now(p);
    EXPECT(cubby__tree_get(p, &now, key, strlen(key), buf, &n, NULL) == 0);
    EXPECT(n == strlen(value) && memcmp(buf, value, n) == 0);
}

START_TEST(replace_by_any_length)
{
    struct cubby__pager *p = memory_pager();
    struct cubby__root root = {0};
    char value[CUBBY__TREE_VALUE_MAX + 1];
    tree_fill(p, &root, 300, "start");
    tree_begin(p, &root);
    for (int round = 0; round < 200; round++) {
        size_t n = mix((uint64_t)round) % CUBBY__TREE_VALUE_MAX;
        memset(value, 'a' + round % 26, n);
        value[n] = 0;
        tree_put(p, "key 000150", value);
        expect_value_of(p, "key 000150", value);
        expect_value_of(p, "key 000149", "start");
        expect_value_of(p, "key 000151", "start");
    }
    cubby__tree_commit(p, &root);
    tree_flush(p, &root);
    expect_sound(p, &root);
    cubby__pager_close(&p);
}
END_TEST

START_TEST(keys_that_are_prefixes)
{
    struct cubby__pager *p = memory_pager();
    struct cubby__root root = {0};
    char key[CUBBY__TREE_KEY_MAX + 1];
    memset(key, 0, sizeof key);
    tree_begin(p, &root);
    for (size_t n = CUBBY__TREE_KEY_MAX; n > 0; n--) /* NUL bytes only */
        ck_assert_int_eq(cubby__tree_put(p, key, n, &n, sizeof n, NULL), 0);
    struct cubby__cursor c;
    struct cubby__root now = cubby__tree_now(p);
    cubby__cursor_init(&c, p, &now, NULL);
    int rc = cubby__cursor_seek(&c, NULL, 0);
    for (size_t n = 1; n <= CUBBY__TREE_KEY_MAX; n++, rc = cubby__cursor_next(&c)) {
        ck_assert_int_eq(rc, 0);
        ck_assert_uint_eq(cubby__cursor_key(&c).n, n);
        ck_assert_int_eq(memcmp(cubby__cursor_value(&c).p, &n, sizeof n), 0);
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    cubby__cursor_release(&c);
    cubby__pager_close(&p);
}
END_TEST

/* Runs of changes in one leaf, then in another and back: the remembered path must be the right one. */
START_TEST(jumping_between_leaves)
{
    struct cubby__pager *p = memory_pager();
    struct cubby__root root = {0};
    char key[32], value[32];
    tree_fill(p, &root, 20000, "start");
    tree_begin(p, &root);
    for (int i = 0; i < 2000; i++) {
        int n = i % 2 ? i : 19999 - i;
        snprintf(key, sizeof key, "key %06d", n);
        snprintf(value, sizeof value, "value %d", n);
        tree_put(p, key, value);
        snprintf(key, sizeof key, "key %06d", (n + 7000) % 20000);
        EXPECT(cubby__tree_del(p, "no such key", 11, NULL) == CUBBY_DONE);
    }
    for (int i = 0; i < 2000; i++) {
        int n = i % 2 ? i : 19999 - i;
        snprintf(key, sizeof key, "key %06d", n);
        snprintf(value, sizeof value, "value %d", n);
        expect_value_of(p, key, value);
    }
    cubby__tree_commit(p, &root);
    tree_flush(p, &root);
    expect_sound(p, &root);
    cubby__pager_close(&p);
}
END_TEST

/* A damaged page stops the change that needs it, and abort goes back. */
START_TEST(damage_stops_a_change)
{
    struct disk d;
    cubby_error err = {0};
    struct cubby__root root = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 3000, "value");
    cubby__pager_close(&p);
    p = disk_pager(&d, 0);
    disk_flip(&d, 2 * CUBBY__PAGE_SIZE + 3000, 4); /* the first leaf */
    tree_begin(p, &root);
    tree_put(p, "key 002999", "changed");
    ck_assert_int_eq(cubby__tree_put(p, "key 000000", 10, "x", 1, &err), CUBBY_ECORRUPT);
    ck_assert_uint_eq(err.offset, 2 * CUBBY__PAGE_SIZE);
    ck_assert_int_eq(cubby__tree_del(p, "key 000000", 10, &err), CUBBY_ECORRUPT);
    cubby__tree_abort(p);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n;
    ck_assert_int_eq(cubby__tree_get(p, &root, "key 002999", 10, buf, &n, NULL), 0);
    ck_assert_uint_eq(n, 5);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

/* Makes one of the leaves what a hostile file may hold, checksums and all. */
static void overlap(uint8_t *leaf)
{
    forge_overlap(leaf, 3, 4);
}

static void twice_the_same_key(uint8_t *leaf)
{
    memcpy(forge_key(leaf, 3), forge_key(leaf, 4), 10);
}

static void below_the_bounds(uint8_t *leaf)
{
    forge_key(leaf, 0)[4] = '/';
}

static void above_the_bounds(uint8_t *leaf)
{
    forge_key(leaf, cubby__node_count(leaf) - 1)[4] = '1';
}

/* Checksums do not say that a page may be changed: its cells may overlap, and its keys be out of order, or belong elsewhere. Lookups need none of that; a
 * put and a del refuse the page, and the index is to be replaced. */
START_TEST(a_forged_leaf_is_not_changed)
{
    void (*const forge[])(uint8_t *) = {overlap, twice_the_same_key, below_the_bounds, above_the_bounds};
    static const char *const why[] = {"cells overlap", "keys are out of order", "keys lie outside", "keys lie outside"};
    for (int i = 0; i < 4; i++) {
        struct disk d;
        cubby_error err = {0};
        struct cubby__root root = {0};
        uint8_t leaf[CUBBY__PAGE_SIZE];
        disk_init(&d);
        struct cubby__pager *p = disk_pager(&d, 1);
        tree_fill(p, &root, 1500, "some value");
        cubby__pager_close(&p);
        forge_peek(&d, &root, 2, leaf);
        char key[16] = "";
        memcpy(key, cubby__leaf_cell(leaf, 10).key.p, 10);
        forge[i](leaf);
        forge_leaf(&d, &root, 2, leaf);
        p = disk_pager(&d, 0);
        tree_begin(p, &root);
        expect_value_of(p, key, "some value");
        tree_put(p, "key 000000", "another leaf");
        tree_put(p, key, "some value"); /* as it is: no change */
        ck_assert_int_eq(cubby__pager_damaged(p), 0);
        ck_assert_int_eq(cubby__tree_put(p, key, 10, "x", 1, &err), CUBBY_ECORRUPT);
        ck_assert_msg(strstr(err.message, why[i]) != NULL, "%s", err.message);
        ck_assert_int_eq(cubby__tree_del(p, key, 10, &err), CUBBY_ECORRUPT);
        ck_assert_int_eq(cubby__pager_damaged(p), 1);
        cubby__tree_abort(p);
        cubby__pager_close(&p);
        disk_release(&d);
    }
}
END_TEST

/* The same for a branch: keys of the root out of order. */
START_TEST(a_forged_branch_is_not_changed)
{
    struct disk d;
    cubby_error err = {0};
    struct cubby__root root = {0};
    uint8_t top[CUBBY__PAGE_SIZE];
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 1500, "some value");
    cubby__pager_close(&p);
    disk_peek(&d, root.page * CUBBY__PAGE_SIZE, top, sizeof top);
    ck_assert_uint_eq(root.level, 1);
    top[cubby__branch_key(top, 3).p + 4 - top] = '/';
    forge_root(&d, &root, top);
    p = disk_pager(&d, 0);
    tree_begin(p, &root);
    ck_assert_int_eq(cubby__tree_put(p, "key 000000", 10, "x", 1, &err), CUBBY_ECORRUPT);
    ck_assert_uint_eq(err.offset, root.page * CUBBY__PAGE_SIZE);
    ck_assert_int_eq(cubby__pager_damaged(p), 1);
    cubby__tree_abort(p);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(nothing_of_a_deleted_row_stays_in_the_file)
{
    struct disk d;
    struct cubby__root root = {0};
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_begin(p, &root);
    for (int i = 0; i < 20; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i);
        tree_put(p, key, "the secret");
    }
    for (int i = 0; i < 20; i += 2) {
        char key[32];
        snprintf(key, sizeof key, "key %d", i);
        if (i % 4)
            ck_assert_int_eq(cubby__tree_del(p, key, strlen(key), NULL), 0);
        else
            tree_put(p, key, "short");
    }
    cubby__tree_commit(p, &root);
    tree_flush(p, &root);
    uint8_t page[CUBBY__PAGE_SIZE];
    disk_peek(&d, root.page * CUBBY__PAGE_SIZE, page, sizeof page);
    int secrets = 0;
    for (size_t i = 0; i + 10 <= sizeof page; i++)
        secrets += memcmp(page + i, "the secret", 10) == 0;
    ck_assert_int_eq(secrets, 10);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

UNIT_MAIN("tree/modify", replace_by_any_length, keys_that_are_prefixes, jumping_between_leaves, damage_stops_a_change, a_forged_leaf_is_not_changed,
          a_forged_branch_is_not_changed, nothing_of_a_deleted_row_stays_in_the_file)
