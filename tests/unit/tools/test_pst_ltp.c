/* Heaps, trees in them, properties, tables, names. */
#include "archive/pst/ltp.h"

#include "pst_build.h"

static struct build b;
static struct pst *p;
static unsigned problems;

static void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    (void)arg;
    (void)severity;
    (void)offset;
    (void)text;
    problems++;
}

static void setup(void)
{
    problems = 0;
    build_begin(&b);
}

/* The node 0x21 of the file with this data. */
static struct pst_node open_with(uint64_t data, uint64_t sub)
{
    struct pst_node node;
    build_node(&b, 0x21, data, sub, 0);
    build_end(&b);
    build_write(&b, BUILD_SIZE);
    ck_assert_int_eq(pst_open(build_path(), on_problem, NULL, &p), 0);
    ck_assert_int_eq(pst_find_node(p, 0x21, &node), 1);
    return node;
}

static void end(void)
{
    pst_close(&p);
    build_release(&b);
}

START_TEST(properties)
{
    const struct build_prop props[] = {{0x0017, PST_PT_INT32, 2, NULL, 0},          {0x0037, PST_PT_STRING, 0, "A subject", 0},
                                       {0x0E06, PST_PT_TIME, 0, "\1\2\3\4\5\6\7\10", 8}, {0x0E07, PST_PT_INT16, 0xFFFF, NULL, 0},
                                       {0x0E1B, PST_PT_BOOLEAN, 1, NULL, 0},        {0x300B, PST_PT_BINARY, 0, "bytes", 5}};
    struct pst_pc pc;
    uint8_t buf[20];
    setup();
    struct pst_node node = open_with(build_pc(&b, props, 6), 0);
    ck_assert_int_eq(pst_pc_open(p, &node, &pc), 0);
    ck_assert_uint_eq(pc.count, 6);
    ck_assert_int_eq(pst_pc_int(&pc, 0x0017, -9), 2);
    ck_assert_int_eq(pst_pc_int(&pc, 0x0E07, -9), -1);
    ck_assert_int_eq(pst_pc_int(&pc, 0x0E1B, -9), 1);
    ck_assert_int_eq(pst_pc_int(&pc, 0x0E06, -9), 0x0807060504030201);
    ck_assert_int_eq(pst_pc_int(&pc, 0x0037, -9), -9);
    ck_assert_int_eq(pst_pc_int(&pc, 0x9999, -9), -9);
    ck_assert_int_eq((int)pst_pc_bytes(&pc, 0x300B, buf, sizeof buf), 5);
    ck_assert_int_eq(memcmp(buf, "bytes", 5), 0);
    ck_assert_int_eq((int)pst_pc_bytes(&pc, 0x300B, buf, 4), -1);
    const struct pst_prop *x = pst_pc_find(&pc, 0x0037);
    ck_assert_int_eq((int)pst_value_read(&pc.heap, x->value, 2, buf, 4), 4);
    ck_assert_int_eq(memcmp(buf, " \0s\0", 4), 0);
    pst_pc_close(&pc);
    ck_assert_uint_eq(problems, 0);
    end();
}
END_TEST

/* Out of order, twice the same, and an empty record at the end: what can be told apart is kept. */
START_TEST(properties_in_disorder)
{
    const struct build_prop props[] = {{0x0E07, PST_PT_INT32, 7, NULL, 0}, {0x0017, PST_PT_INT32, 2, NULL, 0},
                                       {0x0E07, PST_PT_INT32, 8, NULL, 0}, {0, 0, 0, NULL, 0}};
    struct pst_pc pc;
    setup();
    struct pst_node node = open_with(build_pc(&b, props, 4), 0);
    ck_assert_int_eq(pst_pc_open(p, &node, &pc), 0);
    ck_assert_uint_eq(pc.count, 2);
    ck_assert_int_eq(pst_pc_int(&pc, 0x0017, -9), 2);
    ck_assert_int_eq(pst_pc_int(&pc, 0x0E07, -9), 7);
    ck_assert_uint_eq(problems, 1);
    pst_pc_close(&pc);
    end();
}
END_TEST

/* One heap, one byte pair of which is wrong. */
START_TEST(heaps_that_lie)
{
    const struct build_prop props[] = {{0x0017, PST_PT_INT32, 2, NULL, 0}, {0x0037, PST_PT_STRING, 0, "A subject", 0}};
    for (int variant = 0; variant < 8; variant++) {
        struct pst_pc pc;
        uint64_t size;
        setup();
        struct pst_node node = open_with(build_pc(&b, props, 2), 0);
        struct build_block *x = &b.blocks[0];
        uint8_t *h = b.p + x->ib;
        pst_decode(b.crypt, x->bid, h, x->len);
        uint32_t map = pst_get16(h);
        if (variant == 0)
            pst_put16(h, 0xFFFF);
        else if (variant == 1)
            pst_put16(h, 4);
        else if (variant == 2)
            pst_put16(h + map, 0xFFFF);
        else if (variant == 3)
            h[2] = 0;
        else if (variant == 4)
            h[3] = PST_HN_TC;
        else if (variant == 5)
            pst_put32(h + 4, 0xFFFFFFE0);
        else if (variant == 6)
            pst_put16(h + map + 6, 0xFFF0); /* the end of the first item */
        else
            pst_put16(h + map + 10, 5); /* the end of the string */
        pst_encode(b.crypt, x->bid, h, x->len);
        build_seal_block(&b, x);
        pst_close(&p);
        build_write(&b, BUILD_SIZE);
        ck_assert_int_eq(pst_open(build_path(), on_problem, NULL, &p), 0);
        ck_assert_int_eq(pst_pc_open(p, &node, &pc), variant == 7 ? 0 : -1);
        if (variant == 7)
            ck_assert_int_eq(pst_value_size(&pc.heap, pst_pc_find(&pc, 0x0037)->value, &size), -1);
        pst_pc_close(&pc);
        end();
    }
}
END_TEST

/* A tree of two levels; then one whose index leads to itself, and one that has no end but its keys. */
START_TEST(trees_in_heaps)
{
    for (int variant = 0; variant < 4; variant++) {
        struct build_heap h;
        struct pst_heap heap;
        struct pst_bth t;
        uint64_t key;
        const uint8_t *value;
        uint8_t leaf[2][24] = {{0}}, index[16] = {0};
        int rc, count = 0;
        setup();
        build_heap_begin(&h);
        for (uint32_t i = 0; i < 6; i++) {
            pst_put32(leaf[i / 3] + 8 * (i % 3), 10 * i);
            pst_put32(leaf[i / 3] + 8 * (i % 3) + 4, i);
        }
        uint32_t low = build_item(&h, leaf[0], 24), high = build_item(&h, leaf[1], 24);
        pst_put32(index + 4, low);
        pst_put32(index + 8, 30);
        pst_put32(index + 12, variant == 1 ? 3 << 5 : variant == 2 ? low : high);
        uint32_t root = build_item(&h, index, 16);
        uint32_t head = build_bth(&h, 4, 4, variant == 1 ? 4 : 1, root);
        struct pst_node node = open_with(build_heap_end(&b, &h, PST_HN_BTH, head), 0);
        ck_assert_int_eq(pst_heap_open(p, &node, -1, &heap), 0);
        ck_assert_int_eq(pst_bth_open(&heap, heap.root, &t), 0);
        t.lax = variant == 3;
        while ((rc = pst_bth_next(&t, &key, &value)) == 1) {
            ck_assert_uint_eq(key, 10 * (uint64_t)count);
            ck_assert_uint_eq(pst_get32(value), (uint32_t)count);
            ck_assert_int_lt(count++, 10);
        }
        if (variant == 0 || variant == 3) {
            ck_assert_int_eq(rc, 0);
            ck_assert_int_eq(count, 6);
        } else {
            ck_assert_int_eq(rc, variant == 2 ? -1 : rc);
            ck_assert_int_le(count, 3);
        }
        ck_assert_int_eq(pst_bth_next(&t, &key, &value), 0);
        pst_heap_close(&heap);
        end();
    }
}
END_TEST

START_TEST(tables)
{
    static const uint32_t ids[] = {0x200024, 0x200044, 0x200064}, values[] = {7, 8, 9};
    struct pst_tc t;
    struct pst_bth rows;
    uint64_t id;
    const uint8_t *value, *row;
    uint32_t i = 0;
    setup();
    struct pst_node node = open_with(build_table(&b, ids, 3, 0x0E070003, values), 0);
    ck_assert_int_eq(pst_tc_open(p, &node, &t), 0);
    ck_assert_uint_eq(t.row_count, 3);
    ck_assert_int_eq(pst_tc_index(&t, &rows), 0);
    for (; pst_bth_next(&rows, &id, &value) == 1; i++) {
        const struct pst_column *c = pst_tc_column(&t, 0x0E070003);
        ck_assert_uint_eq(id, ids[i]);
        ck_assert_int_eq(pst_tc_row(&t, pst_tc_row_number(&rows, value), &row), 0);
        ck_assert_int_eq(pst_tc_has(&t, row, c), 1);
        ck_assert_uint_eq(pst_get32(row + c->at), values[i]);
    }
    ck_assert_uint_eq(i, 3);
    ck_assert_int_eq(pst_tc_row(&t, 3, &row), -1);
    ck_assert_ptr_null(pst_tc_column(&t, 0x12340003));
    pst_tc_close(&t);
    end();
}
END_TEST

/* Descriptions of tables that would lead out of the row, or divide by nothing. */
START_TEST(tables_that_lie)
{
    static const uint32_t ids[] = {0x200024}, values[] = {7};
    for (int variant = 0; variant < 7; variant++) {
        struct pst_tc t;
        struct pst_bth rows;
        setup();
        struct pst_node node = open_with(build_table(&b, ids, 1, 0x0E070003, values), 0);
        struct build_block *x = &b.blocks[0];
        uint8_t *h = b.p + x->ib, *info;
        pst_decode(b.crypt, x->bid, h, x->len);
        info = h + pst_get16(h + pst_get16(h) + 6);
        ck_assert_uint_eq(info[0], PST_HN_TC);
        if (variant == 0)
            memset(info + 2, 0, 8);
        else if (variant == 1)
            pst_put16(info + 8, 12); /* no room for the bits */
        else if (variant == 2)
            pst_put16(info + 22 + 4, 10); /* a column behind the others */
        else if (variant == 3)
            info[22 + 7] = 200; /* a bit behind the row */
        else if (variant == 4)
            info[1] = 200; /* columns */
        else if (variant == 5)
            pst_put32(info + 14, 0x3F); /* rows in a subnode that is not there */
        else
            pst_put32(info + 10, 0x40); /* its index is no tree */
        pst_encode(b.crypt, x->bid, h, x->len);
        build_seal_block(&b, x);
        pst_close(&p);
        build_write(&b, BUILD_SIZE);
        ck_assert_int_eq(pst_open(build_path(), on_problem, NULL, &p), 0);
        int rc = pst_tc_open(p, &node, &t);
        ck_assert_int_eq(rc, variant == 6 ? 0 : -1);
        if (rc == 0)
            ck_assert_int_eq(pst_tc_index(&t, &rows), -1);
        pst_tc_close(&t);
        end();
    }
}
END_TEST

START_TEST(names)
{
    static const uint8_t mine[16] = {0x29, 3, 2, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x47};
    static const uint8_t public_strings[16] = {0x29, 3, 2, 0, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};
    struct pst_names n;
    uint8_t set[16];
    uint32_t number;
    const uint8_t *name;
    size_t len;
    setup();
    build_names(&b);
    open_with(0, 0);
    pst_names_load(p, &n);
    ck_assert_uint_eq(problems, 0);
    ck_assert_uint_eq(pst_names_find(&n, mine, 0x1234, NULL), 0x8000);
    ck_assert_uint_eq(pst_names_find(&n, public_strings, 0x1234, NULL), 0);
    ck_assert_uint_eq(pst_names_find(&n, public_strings, 0, "Keys"), 0x8001);
    ck_assert_uint_eq(pst_names_find(&n, public_strings, 0, "Key"), 0);
    ck_assert_uint_eq(pst_names_find(&n, public_strings, 0, "Keyst"), 0);
    ck_assert_int_eq(pst_names_get(&n, 0x8001, set, &number, &name, &len), 1);
    ck_assert_uint_eq(len, 8);
    ck_assert_int_eq(memcmp(set, public_strings, 16), 0);
    ck_assert_int_eq(pst_names_get(&n, 0x8002, set, &number, &name, &len), 0);
    ck_assert_int_eq(pst_names_get(&n, 0x37, set, &number, &name, &len), 0);
    pst_names_free(&n);
    end();
}
END_TEST

UNIT_MAIN("tools/pst_ltp", properties, properties_in_disorder, heaps_that_lie, trees_in_heaps, tables, tables_that_lie, names)
