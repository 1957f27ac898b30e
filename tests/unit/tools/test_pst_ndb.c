/* Pages, B-trees, blocks, data trees and subnodes: sound ones, and such as no program writes. */
#include "archive/pst/ndb.h"

#include "pst_build.h"

static struct build b;
static struct pst *p;
static unsigned warnings, damages;
static char last[512];

static void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    (void)arg;
    (void)offset;
    if (severity == PST_DAMAGE)
        damages++;
    else
        warnings++;
    snprintf(last, sizeof last, "%s", text);
}

static void setup(void)
{
    warnings = damages = 0;
    last[0] = 0;
    build_begin(&b);
}

static int open_built(size_t n)
{
    build_write(&b, n);
    return pst_open(build_path(), on_problem, NULL, &p);
}

static void end(void)
{
    pst_close(&p);
    build_release(&b);
}

/* A data tree of three blocks, in one list or in a list of lists. */
static uint64_t three_blocks(int level)
{
    static uint8_t data[PST_BLOCK_MAX];
    uint64_t bids[3], x[2];
    for (int i = 0; i < 3; i++) {
        memset(data, 'a' + i, sizeof data);
        bids[i] = build_block(&b, data, i < 2 ? sizeof data : 100, 0);
    }
    if (level == 1)
        return build_list(&b, 1, bids, 3, 2 * PST_BLOCK_MAX + 100);
    x[0] = build_list(&b, 1, bids, 2, 2 * PST_BLOCK_MAX);
    x[1] = build_list(&b, 1, bids + 2, 1, 100);
    return build_list(&b, 2, x, 2, 2 * PST_BLOCK_MAX + 100);
}

START_TEST(reads_data_trees)
{
    setup();
    build_node(&b, 0x21, three_blocks(1), 0, 0);
    build_node(&b, 0x41, three_blocks(2), 0, 0);
    build_node(&b, 0x61, 0, 0, 0);
    build_end(&b);
    ck_assert_int_eq(open_built(BUILD_SIZE), 0);
    for (uint32_t nid = 0x21; nid <= 0x61; nid += 0x20) {
        struct pst_node node;
        struct pst_data d;
        char buf[300];
        ck_assert_int_eq(pst_find_node(p, nid, &node), 1);
        ck_assert_int_eq(pst_data_open(p, node.data, &d), 0);
        ck_assert_uint_eq(d.size, nid == 0x61 ? 0 : 2 * PST_BLOCK_MAX + 100);
        if (d.size) {
            ck_assert_int_eq(pst_data_read(&d, 2 * PST_BLOCK_MAX - 50, buf, 300), 150);
            ck_assert_int_eq(buf[0], 'b');
            ck_assert_int_eq(buf[50], 'c');
            ck_assert_int_eq(pst_data_read(&d, PST_BLOCK_MAX - 1, buf, 2), 2); /* back again */
            ck_assert_int_eq(buf[0] * 256 + buf[1], 'a' * 256 + 'b');
        }
        ck_assert_int_eq(pst_data_read(&d, d.size, buf, 1), 0);
        pst_data_close(&d);
    }
    ck_assert_uint_eq(damages + warnings, 0);
    end();
}
END_TEST

START_TEST(walks_and_finds)
{
    struct pst_walk w;
    const uint8_t *entry;
    struct pst_node node;
    uint32_t last_nid = 0, count = 0;
    setup();
    for (uint32_t i = 1; i <= 60; i++)
        build_node(&b, i << 5 | 1, 0, 0, i);
    build_end(&b);
    ck_assert_int_eq(open_built(BUILD_SIZE), 0);
    pst_walk_begin(&w, p, PST_PAGE_NBT, 10 << 5);
    while (pst_walk_next(&w, &entry) == 1) {
        pst_node_of(p, entry, &node);
        ck_assert_uint_gt(node.nid, last_nid);
        last_nid = node.nid;
        count++;
    }
    ck_assert_uint_eq(count, 51 + (b.node_count > 60)); /* perhaps the filler */
    for (uint32_t i = 1; i <= 60; i++) {
        ck_assert_int_eq(pst_find_node(p, i << 5 | 1, &node), 1);
        ck_assert_uint_eq(node.parent, i);
        ck_assert_int_eq(pst_find_node(p, i << 5 | 2, &node), 0);
    }
    end();
}
END_TEST

/* A page that is its own child, and one whose level does not fall: searches and walks come to an end. */
START_TEST(trees_without_end)
{
    for (int variant = 0; variant < 3; variant++) {
        struct pst_walk w;
        const uint8_t *entry;
        struct pst_node node;
        int rc, steps = 0;
        setup();
        for (uint32_t i = 1; i <= 60; i++)
            build_node(&b, i << 5 | 1, 0, 0, i);
        build_end(&b);
        uint8_t *root = b.p + b.nbt;
        pst_put64(root + 24 + 8, pst_get64(root + 496 + 8)); /* its second child is itself */
        pst_put64(root + 24 + 16, b.nbt);
        if (variant == 1)
            root[491] = 7;
        if (variant == 2) /* the third is the first */
            memcpy(root + 48 + 8, root + 8, 16);
        build_fix_page(&b, b.nbt);
        ck_assert_int_eq(open_built(BUILD_SIZE), 0);
        pst_walk_begin(&w, p, PST_PAGE_NBT, 0);
        while ((rc = pst_walk_next(&w, &entry)) != 0)
            ck_assert_int_lt(steps++, 1000);
        ck_assert_int_eq(pst_find_node(p, 20 << 5 | 1, &node), -1);
        end();
    }
}
END_TEST

START_TEST(lists_that_lie)
{
    for (int variant = 0; variant < 5; variant++) {
        struct pst_data d;
        char buf[100];
        setup();
        uint64_t root = three_blocks(variant == 4 ? 2 : 1);
        build_node(&b, 0x21, root, 0, 0);
        build_end(&b);
        struct build_block *x = &b.blocks[b.block_count - 1];
        if (x->bid != root)
            x--; /* the filler is behind it */
        uint8_t *list = b.p + x->ib;
        if (variant == 0)
            pst_put64(list + 8, root); /* in itself */
        else if (variant == 1)
            pst_put32(list + 4, 0xFFFFFFFF);
        else if (variant == 2)
            pst_put16(list + 2, 0xFFFF);
        else if (variant == 3)
            list[1] = 9;
        else
            pst_put64(list + 8, root);
        build_seal_block(&b, x);
        ck_assert_int_eq(open_built(BUILD_SIZE), 0);
        int rc = pst_data_open(p, root, &d);
        if (rc == 0) { /* seen when its first block is asked for */
            ck_assert_int_eq(variant, 0);
            ck_assert_int_eq((int)pst_data_read(&d, 0, buf, sizeof buf), -1);
        }
        pst_data_close(&d);
        end();
    }
}
END_TEST

/* A wrong checksum is told once, and the bytes are given; another block's id is no block at all. */
START_TEST(damaged_blocks)
{
    struct pst_block *x;
    setup();
    uint64_t one = build_block(&b, "some bytes", 10, 0), two = build_block(&b, "other bytes", 11, 0);
    build_node(&b, 0x21, one, 0, 0);
    build_node(&b, 0x41, two, 0, 0);
    build_end(&b);
    b.p[b.blocks[0].ib] ^= 1;
    pst_put64(b.p + b.blocks[1].ib + b.blocks[1].extent - 8, 0x4444);
    ck_assert_int_eq(open_built(BUILD_SIZE), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(pst_block_get(p, one, &x), 0);
        ck_assert_uint_eq(x->len, 10);
        ck_assert_int_eq(memcmp(x->data + 1, "ome bytes", 9), 0);
        pst_block_put(p, &x);
    }
    ck_assert_uint_eq(damages, 1);
    ck_assert_str_eq(last, "block 0x4: the checksum is wrong");
    ck_assert_int_eq(pst_block_get(p, two, &x), -1);
    ck_assert_ptr_null(x);
    ck_assert_str_eq(pst_error(p), "block 0x8 was expected, block 0x4444 is there");
    ck_assert_int_eq(pst_block_get(p, 0x100, &x), -1);
    ck_assert_int_eq(pst_block_get(p, 0, &x), -1);
    end();
}
END_TEST

/* More blocks held at once than the cache has room for. */
START_TEST(many_blocks_held)
{
    struct pst_block *held[100];
    char text[20];
    setup();
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "block %d", i);
        build_node(&b, (uint32_t)(i + 1) << 5 | 1, build_block(&b, text, strlen(text), 0), 0, 0);
    }
    build_end(&b);
    ck_assert_int_eq(open_built(BUILD_SIZE), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(pst_block_get(p, b.blocks[i].bid, &held[i]), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(text, sizeof text, "block %d", i);
        ck_assert_uint_eq(held[i]->len, strlen(text));
        ck_assert_int_eq(memcmp(held[i]->data, text, held[i]->len), 0);
        pst_block_put(p, &held[i]);
    }
    end();
}
END_TEST

START_TEST(subnodes)
{
    struct build_node subs[3] = {{0x25, 0, 0, 0}, {0x45, 0, 0, 0}, {0x671, 0, 0, 0}};
    struct pst_node node;
    uint8_t si[8 + 32] = {PST_BLOCK_S, 1, 2, 0};
    setup();
    for (int i = 0; i < 3; i++)
        subs[i].data = build_block(&b, "x", 1, 0);
    uint64_t low = build_subnodes(&b, subs, 2), high = build_subnodes(&b, subs + 2, 1);
    pst_put64(si + 8, 0x25);
    pst_put64(si + 16, low);
    pst_put64(si + 24, 0x671);
    pst_put64(si + 32, high);
    uint64_t root = build_block(&b, si, sizeof si, 1);
    build_node(&b, 0x21, 0, root, 0);
    build_end(&b);
    ck_assert_int_eq(open_built(BUILD_SIZE), 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(pst_sub_find(p, root, subs[i].nid, &node), 1);
        ck_assert_uint_eq(node.data, subs[i].data);
    }
    ck_assert_int_eq(pst_sub_find(p, root, 0x65, &node), 0);
    ck_assert_int_eq(pst_sub_next(p, root, 0x26, &node), 1);
    ck_assert_uint_eq(node.nid, 0x45);
    ck_assert_int_eq(pst_sub_next(p, root, 0x672, &node), 0);
    ck_assert_int_eq(pst_sub_next(p, 0, 0, &node), 0);
    ck_assert_int_eq(pst_sub_next(p, subs[0].data, 0, &node), -1);
    end();
}
END_TEST

START_TEST(files_that_are_none)
{
    setup();
    build_node(&b, 0x21, 0, 0, 0);
    build_end(&b);
    ck_assert_int_eq(open_built(100), -1);
    ck_assert_str_eq(pst_error(p), "the file is too short for a PST file");
    pst_close(&p);
    b.p[0] = 'x';
    ck_assert_int_eq(open_built(BUILD_SIZE), -1);
    ck_assert_str_eq(pst_error(p), "not a PST file");
    pst_close(&p);
    b.p[0] = '!';
    b.p[10] = 37;
    ck_assert_int_eq(open_built(BUILD_SIZE), -1);
    ck_assert_str_eq(pst_error(p), "protected by Windows Information Protection (version 37)");
    pst_close(&p);
    b.p[10] = 23;
    b.p[513] = 0x10;
    ck_assert_int_eq(open_built(BUILD_SIZE), -1);
    pst_close(&p);
    b.p[513] = 1;
    build_seal_header(&b);
    ck_assert_int_eq(open_built(BUILD_SIZE), 0);
    ck_assert_uint_eq(damages, 0);
    pst_close(&p);
    ck_assert_int_eq(pst_open("/nowhere/at/all", NULL, NULL, &p), -1);
    end();
}
END_TEST

/* The header leads to nothing: the trees are found by looking at all pages. */
START_TEST(lost_roots)
{
    struct pst_node node;
    setup();
    for (uint32_t i = 1; i <= 60; i++)
        build_node(&b, i << 5 | 1, 0, 0, i);
    build_end(&b);
    static const uint64_t places[] = {0x3F000, 0, 0x123456789000, UINT64_MAX};
    for (int i = 0; i < 5; i++) {
        pst_put64(b.p + 224, i < 4 ? places[i] : b.nbt - PST_PAGE_SIZE); /* the last one: a leaf of the same tree */
        build_seal_header(&b);
        ck_assert_int_eq(open_built(BUILD_SIZE), 0);
        damages = 0;
        ck_assert_int_eq(pst_find_node(p, 33, &node), i < 4 ? -1 : 0);
        pst_mend(p);
        ck_assert_uint_ge(damages, 1);
        ck_assert_uint_eq(p->header.nbt.ib, b.nbt);
        ck_assert_int_eq(pst_find_node(p, 33, &node), 1);
        pst_close(&p);
    }
    end();
}
END_TEST

UNIT_MAIN("tools/pst_ndb", reads_data_trees, walks_and_finds, trees_without_end, lists_that_lie, damaged_blocks, many_blocks_held, subnodes,
          files_that_are_none, lost_roots)
