#include "pst_write_util.h"

#include "archive/mapi/props.h"
#include "archive/pst/bytes.h"

#define TAG(id, type) ((uint32_t)(id) << 16 | (uint32_t)(type))

/* ---- heaps ------------------------------------------------------------------------------------------------------------------------------- */

static size_t item_size(size_t i)
{
    return i % 11 == 0 ? PST_HN_ITEM_MAX : 1 + i * 37 % 700;
}

START_TEST(heaps)
{
    static const size_t counts[] = {1, 7, 9, 60, 2000, 6000}; /* the last has more than 8 + 2 * 128 blocks */
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        size_t n = counts[c];
        uint32_t *hids = calloc(n, sizeof *hids);
        uint8_t item[PST_HN_ITEM_MAX];
        struct made m;
        made_begin(&m, scratch_pst("heap"), PST_CRYPT_NONE);
        struct pstw_heap *h = pstw_heap_new(m.w, PST_HN_PC);
        for (size_t i = 0; i < n; i++) {
            memset(item, (int)pattern(i), item_size(i));
            hids[i] = pstw_heap_add(h, item, item_size(i));
        }
        pstw_heap_item(h, hids[0])[0] = 99; /* the first block stays at hand */
        pstw_heap_item(h, hids[n - 1])[0] = 99;
        size_t blocks = pstw_heap_blocks(h);
        uint64_t bytes = pstw_heap_bytes(h);
        struct pstw_node node = {pstw_heap_end(&h, hids[n / 2]), 0, bytes};
        pstw_node(m.w, 0x21, node.data, 0, 0);
        made_end(&m);
        struct pst_heap r;
        struct pst_node at = made_node(&m, 0x21);
        ck_assert_int_eq(pst_heap_open(m.p, &at, PST_HN_PC, &r), 0);
        ck_assert_uint_eq(r.root, hids[n / 2]);
        ck_assert_uint_eq(r.data.count, blocks);
        ck_assert_uint_eq(r.data.size, bytes);
        for (size_t i = 0; i < n; i++) {
            const uint8_t *p = pst_heap_exact(&r, hids[i], (uint32_t)item_size(i));
            if (!p)
                ck_abort_msg("item %zu", i);
            memset(item, (int)pattern(i), item_size(i));
            item[0] = i == 0 || i + 1 == n ? 99 : item[0];
            if (memcmp(p, item, item_size(i)) != 0)
                ck_abort_msg("item %zu", i);
        }
        pst_heap_close(&r);
        made_close(&m);
        free(hids);
    }
}
END_TEST

/* ---- values -------------------------------------------------------------------------------------------------------------------------------- */

START_TEST(values)
{
    /* Around a heap item, a block, a list of blocks. */
    static const size_t sizes[] = {0, 1, 3580, 3581, 8176, 8177, 16352, 1021 * 8176, 1021 * 8176 + 1, 1500 * 8176 + 5};
    enum { SIZES = sizeof sizes / sizeof *sizes };
    struct made m;
    struct pstw_node node;
    made_begin(&m, scratch_pst("values"), PST_CRYPT_PERMUTE);
    struct pstw_object *o = pstw_object_new(m.w);
    struct pstw_value *v[SIZES];
    for (size_t i = 0; i < SIZES; i++)
        v[i] = pstw_value_new(o, TAG(0x6000 + i, MAPI_BINARY));
    for (size_t i = 0; i < SIZES; i++) {
        uint8_t *bytes = malloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            bytes[k] = pattern(k + i);
        for (size_t at = 0, step = 1 + i * 5000; at < sizes[i]; at += step)
            pstw_value_add(v[i], bytes + at, sizes[i] - at < step ? sizes[i] - at : step);
        pstw_value_end(&v[i]);
        ck_assert_ptr_null(v[i]);
        free(bytes);
    }
    pstw_object_end(&o, 0, &node, NULL);
    pstw_node(m.w, 0x21, node.data, node.sub, 0);
    made_end(&m);
    struct pst_pc pc;
    struct pst_node at = made_node(&m, 0x21);
    ck_assert_int_eq(pst_pc_open(m.p, &at, &pc), 0);
    ck_assert_uint_eq(pc.count, SIZES);
    for (size_t i = 0; i < SIZES; i++) {
        const struct pst_prop *p = pst_pc_find(&pc, (uint16_t)(0x6000 + i));
        uint64_t size;
        uint8_t buf[4096];
        ck_assert_ptr_nonnull(p);
        ck_assert_int_eq(p->type, MAPI_BINARY);
        ck_assert_int_eq(pst_value_size(&pc.heap, p->value, &size), 0);
        ck_assert_uint_eq(size, sizes[i]);
        for (uint64_t done = 0; done < size;) {
            int64_t got = pst_value_read(&pc.heap, p->value, done, buf, sizeof buf);
            ck_assert_int_gt(got, 0);
            for (int64_t k = 0; k < got; k++)
                if (buf[k] != pattern(done + (uint64_t)k + i))
                    ck_abort_msg("byte %llu", (unsigned long long)done + (unsigned long long)k);
            done += (uint64_t)got;
        }
    }
    pst_pc_close(&pc);
    made_close(&m);
}
END_TEST

START_TEST(objects)
{
    static const char *const words[] = {"one", "", "dr\xc3\xa9i \xf0\x9f\x98\x80"};
    struct made m;
    struct pstw_node node;
    uint32_t size;
    size_t n;
    made_begin(&m, scratch_pst("object"), PST_CRYPT_NONE);
    struct pstw_object *o = pstw_object_new(m.w);
    pstw_set32(o, TAG(0x6003, MAPI_INT32), 0xfffffffe);
    pstw_set32(o, TAG(0x6001, MAPI_BOOL), 1);
    pstw_set64(o, TAG(0x6002, MAPI_INT64), 0x123456789abcdef0u);
    pstw_set_text(o, TAG(0x6004, MAPI_STRING), "x", 1);
    pstw_set_text(o, TAG(0x6004, MAPI_STRING), "\xc3\xa4" "b\xff\xf0\x9f\x98\x80", 8); /* the last one stands */
    pstw_set_text(o, TAG(0x6005, MAPI_STRING), "", 0);
    pstw_set_texts(o, TAG(0x6006, MAPI_STRING | MAPI_MULTI), words, 3);
    ck_assert_int_eq(pstw_has(o, 0x6003), 1);
    ck_assert_int_eq(pstw_has(o, 0x6009), 0);
    ck_assert_int_eq(pstw_get(o, TAG(0x6003, MAPI_INT32), &n)[0], 0xfe);
    ck_assert_uint_eq(n, 4);
    ck_assert_ptr_null(pstw_get(o, TAG(0x6003, MAPI_BOOL), &n));
    pstw_object_end(&o, MAPI_P_ATTACH_SIZE, &node, &size);
    /* INT32, BOOL, INT64, 5 units, nothing, multi: 4 + 12 + 6 + 14; the size itself */
    ck_assert_uint_eq(size, 4 + 1 + 8 + 10 + 0 + 36 + 4);
    pstw_node(m.w, 0x21, node.data, node.sub, 0);
    made_end(&m);
    struct pst_pc pc;
    struct pst_node at = made_node(&m, 0x21);
    uint8_t buf[64];
    ck_assert_int_eq(pst_pc_open(m.p, &at, &pc), 0);
    ck_assert_uint_eq(pc.count, 7);
    ck_assert_int_eq(pst_pc_int(&pc, 0x6003, 0), -2);
    ck_assert_int_eq(pst_pc_int(&pc, 0x6001, 0), 1);
    ck_assert_int_eq(pst_pc_int(&pc, MAPI_P_ATTACH_SIZE, 0), size);
    const struct pst_prop *p = pst_pc_find(&pc, 0x6004);
    ck_assert_int_eq(pst_value_read(&pc.heap, p->value, 0, buf, sizeof buf), 10);
    ck_assert_int_eq(memcmp(buf, "\xe4\0b\0\xfd\xff\x3d\xd8\x00\xde", 10), 0);
    ck_assert_uint_eq(pst_pc_find(&pc, 0x6005)->value, 0);
    pst_pc_close(&pc);
    made_close(&m);
}
END_TEST

/* The size of a message is that of its data trees, and all that hang on it. */
START_TEST(message_size)
{
    struct made m;
    struct pstw_node node, below = {0, 0, 1000};
    uint32_t size;
    made_begin(&m, scratch_pst("size"), PST_CRYPT_NONE);
    struct pstw_object *o = pstw_object_new(m.w);
    uint8_t big[10000] = {1};
    below.data = pstw_block(m.w, big, 1000, 0);
    pstw_set_bytes(o, TAG(0x6000, MAPI_BINARY), big, sizeof big); /* 10,000 in a subnode */
    pstw_object_sub(o, PST_NID_RECIPIENTS, &below);
    pstw_object_end(&o, MAPI_P_MESSAGE_SIZE, &node, &size);
    pstw_node(m.w, 0x21, node.data, node.sub, 0);
    made_end(&m);
    struct pst_node at = made_node(&m, 0x21);
    struct pst_data d;
    struct pst_pc pc;
    ck_assert_int_eq(pst_data_open(m.p, at.data, &d), 0);
    ck_assert_uint_eq(size, d.size + 10000 + 1000);
    ck_assert_uint_eq(node.bytes, size);
    pst_data_close(&d);
    ck_assert_int_eq(pst_pc_open(m.p, &at, &pc), 0);
    ck_assert_int_eq(pst_pc_int(&pc, MAPI_P_MESSAGE_SIZE, 0), size);
    pst_pc_close(&pc);
    made_close(&m);
}
END_TEST

START_TEST(many_subnodes)
{
    static const size_t counts[] = {1, 340, 341, 2000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct made m;
        struct pstw_node node;
        made_begin(&m, scratch_pst("subs"), PST_CRYPT_NONE);
        struct pstw_object *o = pstw_object_new(m.w);
        for (size_t i = counts[c]; i-- > 0;) { /* in any order */
            uint8_t b[4];
            pst_put32(b, (uint32_t)i);
            struct pstw_node below = {pstw_block(m.w, b, sizeof b, 0), 0, 4};
            pstw_object_sub(o, PST_NID(0x401 + i, PST_NT_ATTACHMENT), &below);
        }
        pstw_object_end(&o, 0, &node, NULL);
        pstw_node(m.w, 0x21, node.data, node.sub, 0);
        made_end(&m);
        for (size_t i = 0; i < counts[c]; i++) {
            struct pst_node sub;
            struct pst_block *b;
            ck_assert_int_eq(pst_sub_find(m.p, made_node(&m, 0x21).sub, PST_NID(0x401 + i, PST_NT_ATTACHMENT), &sub), 1);
            ck_assert_int_eq(pst_block_get(m.p, sub.data, &b), 0);
            ck_assert_uint_eq(pst_get32(b->data), i);
            pst_block_put(m.p, &b);
        }
        made_close(&m);
    }
}
END_TEST

/* ---- tables -------------------------------------------------------------------------------------------------------------------------------- */

static const uint32_t columns[] = {0x0e330014, 0x0057000b, 0x0037001f, 0x0e070003, 0x00390040, 0x0058000b, 0x66660002};
enum { COLUMNS = sizeof columns / sizeof *columns };

static void check_row(struct pst_tc *t, uint32_t number, uint32_t k)
{
    const uint8_t *row;
    char want[64];
    uint8_t buf[300];
    ck_assert_int_eq(pst_tc_row(t, number, &row), 0);
    ck_assert_uint_eq(pst_get32(row), 0x200024 + k * 32);
    ck_assert_uint_eq(pst_get32(row + 4), k + 1);
    const struct pst_column *c = pst_tc_column(t, 0x0e330014);
    ck_assert_uint_eq(pst_get64(row + c->at), k * 1000003ull);
    ck_assert_int_eq(row[pst_tc_column(t, 0x0057000b)->at], k % 2);
    ck_assert_int_eq(pst_get16(row + pst_tc_column(t, 0x66660002)->at), k % 60000);
    ck_assert_int_eq(pst_tc_has(t, row, pst_tc_column(t, 0x0058000b)), 0);
    ck_assert_int_eq(pst_tc_has(t, row, pst_tc_column(t, 0x0e070003)), k % 3 == 0);
    int n = snprintf(want, sizeof want, "subject %u", k);
    ck_assert_int_eq(pst_value_read(&t->heap, pst_get32(row + pst_tc_column(t, 0x0037001f)->at), 0, buf, sizeof buf), 2 * n);
    for (int i = 0; i < n; i++)
        ck_assert_int_eq(buf[2 * i], want[i]);
}

START_TEST(tables)
{
    static const uint32_t counts[] = {0, 1, 50, 447, 448, 5000, 210000}; /* two levels above the leaves from 447 * 447 on */
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct made m;
        struct pstw_node node;
        char text[64];
        made_begin(&m, scratch_pst("table"), PST_CRYPT_NONE);
        struct pstw_table *t = pstw_table_new(m.w, columns, COLUMNS);
        for (uint32_t k = 0; k < counts[c]; k++) {
            pstw_row(t, 0x200024 + k * 32, k + 1);
            pstw_row64(t, 0x0e330014, k * 1000003ull);
            pstw_row32(t, 0x0057000b, k % 2);
            pstw_row32(t, 0x66660002, k % 60000);
            pstw_row32(t, 0x12340003, 5); /* no such column */
            if (k % 3 == 0)
                pstw_row32(t, 0x0e070003, k);
            pstw_row_text(t, 0x0037001f, text, (size_t)snprintf(text, sizeof text, "subject %u", k));
            pstw_row_end(t);
        }
        ck_assert_uint_eq(pstw_table_rows(t), counts[c]);
        pstw_table_end(&t, &node);
        pstw_node(m.w, 0x60e, node.data, node.sub, 0);
        made_end(&m);
        struct pst_tc r;
        struct pst_bth index;
        struct pst_node at = made_node(&m, 0x60e);
        uint64_t key, k = 0;
        const uint8_t *value;
        ck_assert_int_eq(pst_tc_open(m.p, &at, &r), 0);
        ck_assert_int_eq(pst_tc_index(&r, &index), 0);
        for (int rc; (rc = pst_bth_next(&index, &key, &value)) != 0; k++) {
            if (rc != 1 || key != 0x200024 + k * 32)
                ck_abort_msg("row %llu", (unsigned long long)k);
            uint32_t number = pst_tc_row_number(&index, value);
            if (k % 997 == 0 || counts[c] < 500)
                check_row(&r, number, (uint32_t)k);
        }
        ck_assert_uint_eq(k, counts[c]);
        pst_tc_close(&r);
        made_close(&m);
    }
}
END_TEST

UNIT_MAIN("tools/pst_write_ltp", heaps, values, objects, message_size, many_subnodes, tables)
