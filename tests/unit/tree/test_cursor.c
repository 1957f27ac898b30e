#include "unit/tree/tree_util.h"

struct fixture {
    struct disk disk;
    struct cubby__pager *p;
    struct cubby__root root;
    struct keys keys;
    uint32_t *values;
};

static void fixture_init(struct fixture *f, enum shape shape, int n, int on_disk, int flushed)
{
    memset(f, 0, sizeof *f);
    disk_init(&f->disk);
    f->p = on_disk ? disk_pager(&f->disk, 1) : memory_pager();
    keys_init(&f->keys, n, 3, shape);
    f->values = calloc((size_t)f->keys.n, sizeof *f->values);
    tree_begin(f->p, &f->root);
    for (int i = 0; i < f->keys.n; i++) {
        uint8_t value[CUBBY__TREE_VALUE_MAX];
        if (mix((uint64_t)i + 99) % 3 == 0) /* a third of the keys is missing */
            continue;
        f->values[i] = (uint32_t)i + 1;
        size_t len = value_make(&f->keys, f->values[i], value);
        EXPECT(cubby__tree_put(f->p, f->keys.at[i].b, f->keys.at[i].len, value, len, NULL) == 0);
    }
    cubby__tree_commit(f->p, &f->root);
    if (flushed)
        tree_flush(f->p, &f->root);
}

static void fixture_release(struct fixture *f)
{
    cubby__pager_close(&f->p);
    disk_release(&f->disk);
    free(f->keys.at);
    free(f->values);
}

/* The nearest key that is there, from i on in direction step; -1: none. */
static int nearest(const struct fixture *f, int i, int step)
{
    while (i >= 0 && i < f->keys.n && !f->values[i])
        i += step;
    return i >= 0 && i < f->keys.n ? i : -1;
}

static void expect_stand(struct fixture *f, struct cubby__cursor *c, int rc, int i)
{
    EXPECT(rc == (i < 0 ? CUBBY_DONE : 0));
    EXPECT(c->valid == (i >= 0));
    if (i >= 0)
        expect_at(&f->keys, f->values, i, c);
}

static void seeks(enum shape shape, int n, int on_disk, int flushed)
{
    struct fixture f;
    struct cubby__cursor c;
    fixture_init(&f, shape, n, on_disk, flushed);
    expect_tree(f.p, &f.root, &f.keys, f.values);
    cubby__cursor_init(&c, f.p, &f.root, NULL);
    for (int round = 0; round < 3000; round++) {
        int i = (int)(mix((uint64_t)round) % (uint64_t)f.keys.n);
        const struct key *k = &f.keys.at[i];
        expect_stand(&f, &c, cubby__cursor_seek(&c, k->b, k->len), nearest(&f, i, 1));
        int at = nearest(&f, i, 1);
        for (int step = 0; at >= 0 && step < 5; step++) {
            at = nearest(&f, at + 1, 1);
            expect_stand(&f, &c, cubby__cursor_next(&c), at);
        }
        at = nearest(&f, i, -1);
        expect_stand(&f, &c, cubby__cursor_seek_back(&c, k->b, k->len), at);
        for (int step = 0; at >= 0 && step < 5; step++) {
            at = nearest(&f, at - 1, -1);
            expect_stand(&f, &c, cubby__cursor_prev(&c), at);
        }
    }
    cubby__cursor_release(&c);
    cubby__cursor_release(&c);
    fixture_release(&f);
}

START_TEST(seeks_short)
{
    seeks(SHAPE_SHORT, 20000, 1, 1);
}
END_TEST

START_TEST(seeks_mixed)
{
    seeks(SHAPE_MIXED, 5000, 1, 1);
    seeks(SHAPE_MIXED, 5000, 1, 0);
    seeks(SHAPE_MIXED, 10, 0, 0);
}
END_TEST

START_TEST(seeks_deep)
{
    struct fixture f;
    fixture_init(&f, SHAPE_HUGE, 1500, 1, 1);
    ck_assert_uint_ge(f.root.level, 3); /* keys of 512 bytes, values of 1024 */
    fixture_release(&f);
    seeks(SHAPE_HUGE, 1500, 0, 1);
    seeks(SHAPE_HUGE, 1500, 1, 1);
}
END_TEST

START_TEST(the_empty_tree)
{
    struct cubby__pager *p = memory_pager();
    struct cubby__root root = {0};
    struct cubby__cursor c;
    cubby__cursor_init(&c, p, &root, NULL);
    ck_assert_int_eq(cubby__cursor_seek(&c, "a", 1), CUBBY_DONE);
    ck_assert_int_eq(cubby__cursor_seek_back(&c, "a", 1), CUBBY_DONE);
    ck_assert_int_eq(cubby__cursor_next(&c), CUBBY_DONE);
    ck_assert_int_eq(cubby__cursor_prev(&c), CUBBY_DONE);
    cubby__cursor_release(&c);
    cubby__pager_close(&p);
}
END_TEST

START_TEST(at_the_ends)
{
    struct cubby__pager *p = memory_pager();
    struct cubby__root root = {0};
    struct cubby__cursor c;
    tree_fill(p, &root, 1000, "v");
    cubby__cursor_init(&c, p, &root, NULL);
    ck_assert_int_eq(cubby__cursor_seek(&c, "key 000999", 10), 0);
    ck_assert_int_eq(cubby__cursor_next(&c), CUBBY_DONE);
    ck_assert_int_eq(c.valid, 0);
    ck_assert_int_eq(cubby__cursor_prev(&c), CUBBY_DONE); /* it stands nowhere */
    ck_assert_int_eq(cubby__cursor_seek(&c, "key 000999x", 11), CUBBY_DONE);
    ck_assert_int_eq(cubby__cursor_seek(&c, "key 000000", 10), 0);
    ck_assert_int_eq(cubby__cursor_prev(&c), CUBBY_DONE);
    ck_assert_int_eq(cubby__cursor_seek_back(&c, "key", 3), CUBBY_DONE);
    ck_assert_int_eq(cubby__cursor_seek_back(&c, NULL, 0), CUBBY_DONE);
    ck_assert_int_eq(cubby__cursor_seek_back(&c, "l", 1), 0);
    ck_assert_int_eq(memcmp(cubby__cursor_key(&c).p, "key 000999", 10), 0);
    cubby__cursor_release(&c);
    cubby__pager_close(&p);
}
END_TEST

/* After an error the cursor stands nowhere and can be used again. */
START_TEST(an_error_on_the_way)
{
    struct disk d;
    cubby_error err;
    struct cubby__root root = {0};
    struct cubby__cursor c;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 5000, "0123456789");
    cubby__pager_close(&p);
    p = disk_pager(&d, 0);
    cubby__cursor_init(&c, p, &root, &err);
    for (int good = 0; good < 20; good++) {
        d.reads_left = good;
        int rc = cubby__cursor_seek(&c, "key 000100", 10);
        while (rc == 0)
            rc = cubby__cursor_next(&c);
        ck_assert_int_eq(rc, CUBBY_EIO);
        ck_assert_int_eq(c.valid, 0);
        ck_assert_int_eq(cubby__cursor_next(&c), CUBBY_DONE);
    }
    d.reads_left = -1;
    ck_assert_int_eq(cubby__cursor_seek(&c, "key 004999", 10), 0);
    cubby__cursor_release(&c);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

/* What a cursor holds stays as it is while the writer goes on. */
START_TEST(an_old_version_stays)
{
    struct cubby__pager *p = memory_pager();
    struct cubby__root root = {0}, old;
    struct cubby__cursor c;
    tree_fill(p, &root, 3000, "old");
    old = root;
    cubby__cursor_init(&c, p, &old, NULL);
    int rc = cubby__cursor_seek(&c, NULL, 0), n = 0;
    for (; rc == 0; rc = cubby__cursor_next(&c), n++) {
        struct cubby__slice v = cubby__cursor_value(&c);
        EXPECT(v.n == 3 && memcmp(v.p, "old", 3) == 0);
        if (n % 500 == 0) {
            ck_assert_int_eq(cubby__pager_protect(p, NULL, 0, old.commit, NULL), 0);
            tree_fill(p, &root, 3000, n % 1000 ? "newer" : "a");
        }
    }
    ck_assert_int_eq(n, 3000);
    cubby__cursor_release(&c);
    cubby__pager_close(&p);
}
END_TEST

static struct cubby__pager *forged_pager(struct disk *d, struct cubby__root *root, const unsigned *children, unsigned n)
{
    uint8_t top[CUBBY__PAGE_SIZE], old[CUBBY__PAGE_SIZE];
    disk_peek(d, root->page * CUBBY__PAGE_SIZE, top, sizeof top);
    memcpy(old, top, sizeof old);
    for (unsigned i = 0; i < n; i++)
        cubby__branch_set(top, i, cubby__branch_page(old, children[i]), cubby__branch_sum(old, children[i]));
    forge_root(d, root, top);
    return disk_pager(d, 0);
}

static void expect_refused(struct cubby__cursor *c, int rc)
{
    ck_assert_int_eq(rc, CUBBY_ECORRUPT);
    ck_assert_int_eq(c->valid, 0);
    ck_assert_int_eq(cubby__pager_damaged(c->pager), 1);
    cubby__cursor_release(c);
    cubby__pager_close(&c->pager);
}

/* A page in two places makes many rows of few, and with more levels a walk without end: it stops where keys do not go on. */
START_TEST(a_page_in_two_places)
{
    static const unsigned twice[] = {0, 0}, later[] = {0, 5, 6};
    struct disk d;
    cubby_error err;
    char key[16];
    uint8_t leaf[CUBBY__PAGE_SIZE];
    struct cubby__root whole = {0}, root;
    struct cubby__cursor c;
    int rc, n = 0;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &whole, 1500, "some value");
    cubby__pager_close(&p);
    root = whole;
    cubby__cursor_init(&c, forged_pager(&d, &root, twice, 2), &root, &err);
    for (rc = cubby__cursor_seek(&c, NULL, 0); rc == 0; n++)
        rc = cubby__cursor_next(&c);
    ck_assert_int_lt(n, 200);
    expect_refused(&c, rc);
    cubby__cursor_init(&c, disk_pager(&d, 0), &root, &err);
    for (rc = cubby__cursor_seek_back(&c, "z", 1), n = 0; rc == 0; n++)
        rc = cubby__cursor_prev(&c);
    ck_assert_int_gt(n, 1000);
    ck_assert_int_lt(n, 1500);
    expect_refused(&c, rc);
    forge_peek(&d, &root, 0, leaf);
    struct cubby__slice last = cubby__leaf_cell(leaf, cubby__node_count(leaf) - 1).key;
    snprintf(key, sizeof key, "%.10s.", (const char *)last.p);
    cubby__cursor_init(&c, disk_pager(&d, 0), &root, &err);
    expect_refused(&c, cubby__cursor_seek(&c, key, 11)); /* what a seek finds is never below what was sought */
    root = whole;
    cubby__cursor_init(&c, forged_pager(&d, &root, later, 3), &root, &err);
    expect_refused(&c, cubby__cursor_seek_back(&c, "key 000400", 10)); /* nor above it, backwards */
    disk_release(&d);
}
END_TEST

/* A leaf whose first key is above its last could come after itself for ever. */
START_TEST(a_page_out_of_order_in_all_places)
{
    static const unsigned same[] = {4, 4, 4, 4, 4, 4, 4, 4};
    struct disk d;
    cubby_error err;
    uint8_t leaf[CUBBY__PAGE_SIZE];
    struct cubby__root root = {0};
    struct cubby__cursor c;
    int rc, n = 0;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    tree_fill(p, &root, 1500, "some value");
    cubby__pager_close(&p);
    forge_peek(&d, &root, 4, leaf);
    forge_key(leaf, 0)[4] = '9';
    forge_leaf(&d, &root, 4, leaf);
    cubby__cursor_init(&c, forged_pager(&d, &root, same, 8), &root, &err);
    for (rc = cubby__cursor_seek(&c, NULL, 0); rc == 0; n++)
        rc = cubby__cursor_next(&c);
    ck_assert_int_lt(n, 200);
    expect_refused(&c, rc);
    cubby__cursor_init(&c, disk_pager(&d, 0), &root, &err);
    for (rc = cubby__cursor_seek_back(&c, "key 001", 7), n = 0; rc == 0; n++)
        rc = cubby__cursor_prev(&c);
    ck_assert_int_lt(n, 200);
    expect_refused(&c, rc);
    disk_release(&d);
}
END_TEST

UNIT_MAIN("tree/cursor", seeks_short, seeks_mixed, seeks_deep, the_empty_tree, at_the_ends, an_error_on_the_way, an_old_version_stays,
          a_page_in_two_places, a_page_out_of_order_in_all_places)
