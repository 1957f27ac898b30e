/* How full pages are after loads of every kind, and what separators look like. */
#include "unit/tree/tree_util.h"

struct load {
    struct cubby__pager *p;
    struct cubby__root root;
};

static void load_init(struct load *l)
{
    memset(l, 0, sizeof *l);
    l->p = memory_pager();
    tree_begin(l->p, &l->root);
}

static void load_release(struct load *l)
{
    cubby__pager_close(&l->p);
}

/* Key: one byte group, then a number. */
static size_t key_of(uint8_t *k, unsigned group, uint64_t n)
{
    k[0] = (uint8_t)group;
    cubby__put32be(k + 1, (uint32_t)n);
    return 5;
}

static void put(struct load *l, unsigned group, uint64_t n)
{
    static const uint8_t value[60];
    uint8_t k[8];
    EXPECT(cubby__tree_put(l->p, k, key_of(k, group, n), value, sizeof value, NULL) == 0);
}

static void del(struct load *l, unsigned group, uint64_t n)
{
    uint8_t k[8];
    EXPECT(cubby__tree_del(l->p, k, key_of(k, group, n), NULL) == 0);
}

static int count_used(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    struct page_count *n = arg;
    (void)page;
    n->bad += problem != NULL;
    n->pages += level == 0;
    return 0;
}

/* Percent of the leaves' space that `rows` rows take. */
static unsigned fill(struct load *l, uint64_t rows)
{
    struct page_count n = {0};
    cubby__tree_commit(l->p, &l->root);
    EXPECT(cubby__tree_check(l->p, &l->root, count_used, &n, NULL) == 0 && n.bad == 0);
    tree_begin(l->p, &l->root);
    return n.pages ? (unsigned)(100 * rows * (60 + 5 + 2 + 2) / (n.pages * CUBBY__NODE_SPACE)) : 0;
}

START_TEST(ascending)
{
    struct load l;
    load_init(&l);
    for (uint64_t i = 0; i < 20000; i++)
        put(&l, 1, i);
    ck_assert_uint_ge(fill(&l, 20000), 95);
    load_release(&l);
}
END_TEST

/* Many folders grow at their ends at once, in the middle of the key space. */
START_TEST(ascending_in_the_middle)
{
    struct load l;
    load_init(&l);
    put(&l, 200, 0);
    for (uint64_t i = 0; i < 20000; i++)
        put(&l, 100, i);
    ck_assert_uint_ge(fill(&l, 20001), 90);
    load_release(&l);
    load_init(&l);
    for (unsigned g = 0; g < 40; g++)
        put(&l, g, 0);
    for (uint64_t i = 1; i < 1000; i++) /* in one after the other, a few at a time */
        for (unsigned g = 0; g < 40; g++)
            for (uint64_t j = 0; j < 5; j++)
                put(&l, g, 5 * i + j);
    ck_assert_uint_ge(fill(&l, 40 * 999 * 5), 75);
    load_release(&l);
}
END_TEST

START_TEST(random_order)
{
    struct load l;
    load_init(&l);
    uint64_t rows = 0;
    for (uint64_t i = 0; i < 40000; i++, rows++)
        put(&l, 1, (i * 2654435761u) & 0xffffffff);
    ck_assert_uint_ge(fill(&l, rows), 60);
    load_release(&l);
}
END_TEST

START_TEST(descending)
{
    struct load l;
    load_init(&l);
    for (uint64_t i = 20000; i-- > 0;)
        put(&l, 1, i);
    ck_assert_uint_ge(fill(&l, 20000), 45);
    load_release(&l);
}
END_TEST

START_TEST(thinned_out)
{
    struct load l;
    load_init(&l);
    for (uint64_t i = 0; i < 40000; i++)
        put(&l, 1, i);
    uint64_t rows = 40000;
    for (uint64_t i = 0; i < 40000; i++)
        if (mix(i) % 20) {
            del(&l, 1, i);
            rows--;
        }
    ck_assert_uint_ge(fill(&l, rows), 30);
    for (uint64_t i = 0; i < 40000; i++)
        if (mix(i) % 20 == 0)
            del(&l, 1, i);
    ck_assert_uint_eq(fill(&l, 0), 0);
    ck_assert_uint_eq(l.root.page, 0);
    ck_assert_uint_eq(l.root.level, 0);
    load_release(&l);
}
END_TEST

START_TEST(a_queue_stays_small) /* what is added at one end goes at the other */
{
    struct load l;
    struct cubby__pager_stat stat;
    load_init(&l);
    for (uint64_t i = 0; i < 100000; i++) {
        put(&l, 1, i);
        if (i >= 500)
            del(&l, 1, i - 500);
    }
    ck_assert_uint_ge(fill(&l, 500), 50);
    ck_assert_uint_le(l.root.level, 1);
    cubby__pager_get_stat(l.p, &stat);
    ck_assert_uint_le(stat.pages, 40);
    load_release(&l);
}
END_TEST

START_TEST(separators_are_short)
{
    struct load l;
    struct cubby__page *page;
    uint8_t k[300], value[CUBBY__TREE_VALUE_MAX] = {0};
    load_init(&l);
    for (int i = 0; i < 100; i++) {
        memset(k, 10 + i, sizeof k);
        EXPECT(cubby__tree_put(l.p, k, sizeof k, value, sizeof value, NULL) == 0);
    }
    struct cubby__root root = cubby__tree_now(l.p);
    ck_assert_uint_eq(root.level, 1);
    ck_assert_int_eq(cubby__pager_get(l.p, cubby__link_root(&root), &page, NULL), 0);
    for (unsigned i = 1; i < cubby__node_count(page->data); i++)
        ck_assert_uint_eq(cubby__branch_key(page->data, i).n, 1);
    cubby__page_unref(page);
    fill(&l, 0);
    load_release(&l);
}
END_TEST

START_TEST(largest_cells_in_every_order)
{
    static const uint8_t value[CUBBY__TREE_VALUE_MAX];
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct load l;
        load_init(&l);
        for (uint64_t i = 0; i < 60; i++) {
            uint8_t k[CUBBY__TREE_KEY_MAX];
            uint64_t r = mix(seed * 1000 + i);
            memset(k, 'x', sizeof k);
            cubby__put64(k + (r % 2 ? 0 : sizeof k - 8), r);
            size_t n = r % 4 ? sizeof k : 8 + r % 100, v = r % 5 ? sizeof value : r % 50;
            EXPECT(cubby__tree_put(l.p, k, n, value, v, NULL) == 0);
        }
        fill(&l, 0); /* sound */
        load_release(&l);
    }
}
END_TEST

/* Keys of leaf `child` go, from the front, until `left` are left or it fails. */
static int thin_out(struct cubby__pager *p, struct disk *d, const struct cubby__root *root, unsigned child, unsigned left, cubby_error *err)
{
    uint8_t leaf[CUBBY__PAGE_SIZE];
    int rc = 0;
    forge_peek(d, root, child, leaf);
    for (unsigned i = 0; rc == 0 && i + left < cubby__node_count(leaf); i++) {
        struct cubby__slice key = cubby__leaf_cell(leaf, i).key;
        rc = cubby__tree_del(p, key.p, key.n, err);
    }
    return rc;
}

/* A neighbour with room for both whose checksum is right, and whose keys are not in order, or not its own: nothing of it comes into another page. */
START_TEST(a_forged_neighbour_is_not_joined)
{
    for (int i = 0; i < 6; i++) {
        struct disk d;
        cubby_error err = {0};
        struct cubby__root root = {0};
        uint8_t leaf[CUBBY__PAGE_SIZE];
        unsigned forged = i % 2 ? 3 : 2, page = 5 - forged;
        disk_init(&d);
        struct cubby__pager *p = disk_pager(&d, 1);
        tree_fill(p, &root, 1500, "some value");
        tree_begin(p, &root);
        ck_assert_int_eq(thin_out(p, &d, &root, forged, 50, &err), 0);
        cubby__tree_commit(p, &root);
        tree_flush(p, &root);
        cubby__pager_close(&p);
        forge_peek(&d, &root, forged, leaf);
        ck_assert_uint_eq(cubby__node_count(leaf), 50);
        if (i / 2 == 0)
            memcpy(forge_key(leaf, 3), forge_key(leaf, 4), 10);
        else
            forge_key(leaf, i / 2 == 1 ? 0 : 49)[4] = i / 2 == 1 ? '/' : '1';
        forge_leaf(&d, &root, forged, leaf);
        p = disk_pager(&d, 0);
        tree_begin(p, &root);
        ck_assert_int_eq(thin_out(p, &d, &root, page, 0, &err), CUBBY_ECORRUPT);
        ck_assert_msg(strstr(err.message, "keys") != NULL, "%s", err.message);
        ck_assert_int_eq(cubby__pager_damaged(p), 1);
        cubby__tree_abort(p);
        cubby__pager_close(&p);
        disk_release(&d);
    }
}
END_TEST

UNIT_MAIN("tree/balance", ascending, ascending_in_the_middle, random_order, descending, thinned_out, a_queue_stays_small, separators_are_short,
          largest_cells_in_every_order, a_forged_neighbour_is_not_joined)
