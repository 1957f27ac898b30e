/* Heaps, trees in heaps, lists of properties, tables. */
#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/check_own.h"

typedef unsigned long long ull;

/* ---- heaps ----------------------------------------------------------------------------------------------------------------------------- */

static uint32_t head_of(uint32_t index)
{
    return index == 0 ? 12 : index % 128 == 8 ? 66 : 2;
}

static void check_heap_block(struct check *c, uint32_t nid, uint32_t index, const struct pst_block *b)
{
    uint32_t head = head_of(index), map = b->len >= head ? pst_get16(b->data) : 0, zero = 0;
    if (map < head || map + 4 > b->len) {
        CHECK_ERROR(c, b->ib, "heap 0x%x, block %u: the page map does not lie in it", nid, index);
        return;
    }
    uint32_t count = pst_get16(b->data + map), unused = pst_get16(b->data + map + 2), last = head;
    if (map + 4 + 2 * (count + 1) > b->len) {
        CHECK_ERROR(c, b->ib, "heap 0x%x, block %u: the page map of %u items does not fit into it", nid, index, count);
        return;
    }
    for (uint32_t i = 0; i <= count; i++) {
        uint32_t end = pst_get16(b->data + map + 4 + 2 * i);
        if (end < last || end > map || (!i && end != head)) {
            CHECK_ERROR(c, b->ib, "heap 0x%x, block %u: item %u is at %u, after %u", nid, index, i, end, last);
            return;
        }
        zero += i && end == last;
        last = end;
    }
    if (zero != unused)
        CHECK_WARNING(c, b->ib, "heap 0x%x, block %u: %u items are empty, not %u", nid, index, zero, unused);
}

static int check_heap(struct check *c, const struct pst_node *node, int client)
{
    struct pst_heap h;
    uint64_t before = c->out->errors;
    if (pst_heap_open(c->p, node, client, &h) < 0) {
        check_say_error(c, "node 0x%x", node->nid);
        return 0;
    }
    for (uint32_t i = 0; i < h.data.count; i++) {
        struct pst_block *b;
        if (pst_data_block(&h.data, i, &b) < 0) {
            check_say_error(c, "heap 0x%x", node->nid);
            break;
        }
        check_heap_block(c, node->nid, i, b);
        pst_block_put(c->p, &b);
    }
    pst_heap_close(&h);
    return c->out->errors == before;
}

/* ---- trees ------------------------------------------------------------------------------------------------------------------------------ */

static uint64_t number(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    while (n--)
        v = v << 8 | p[n];
    return v;
}

/* An index item and what its records lead to: each child begins with the key of its record. */
static int check_level(struct check *c, struct pst_bth *b, uint32_t hid, unsigned level, const uint64_t *first)
{
    const uint8_t *item;
    uint32_t len, record = b->key + (level ? 4 : b->value);
    uint64_t last = 0;
    if (!b->budget-- || pst_heap_item(b->h, hid, &item, &len) < 0) {
        check_say_error(c, "tree in heap 0x%x", b->h->node.nid);
        return 0;
    }
    uint64_t at = pst_heap_at(b->h);
    if (!len || len % record) {
        CHECK_ERROR(c, at, "tree in heap 0x%x: item 0x%x has %u bytes, its records %u", b->h->node.nid, hid, len, record);
        return 0;
    }
    for (uint32_t i = 0; i < len / record; i++) {
        if (pst_heap_item(b->h, hid, &item, &len) < 0)
            return 0;
        uint64_t key = number(item + (size_t)i * record, b->key);
        if (i == 0 && first && key != *first)
            CHECK_ERROR(c, at, "tree in heap 0x%x: an item begins with key 0x%llx, the one above says 0x%llx", b->h->node.nid, (ull)key, (ull)*first);
        if (i && key <= last) {
            /* Some programs leave a record of zeros behind the last one; everybody passes over it. */
            int empty = !level && i + 1 == len / record && !number(item + (size_t)i * record, 8);
            check_say(c, empty ? PST_CHECK_WARNING : PST_CHECK_ERROR, at, "tree in heap 0x%x: keys do not ascend: 0x%llx after 0x%llx",
                      b->h->node.nid, (ull)key,
                      (ull)last);
            return !level;
        }
        last = key;
        if (level && !check_level(c, b, pst_get32(item + (size_t)i * record + b->key), level - 1, &key))
            return 0;
    }
    return 1;
}

static void check_bth(struct check *c, struct pst_heap *h, uint32_t hid)
{
    struct pst_bth b;
    if (pst_bth_open(h, hid, &b) < 0)
        check_say_error(c, "heap 0x%x", h->node.nid);
    else if (b.root)
        check_level(c, &b, b.root, b.levels, NULL);
}

/* ---- properties -------------------------------------------------------------------------------------------------------------------------- */

static void check_value(struct check *c, struct mapi_object *o, uint32_t nid, uint64_t at, const struct mapi_prop *x)
{
    struct mapi_prop one;
    for (uint32_t i = 0; i < x->count; i++) {
        if (o->ops->element(o, x, i, &one) < 0) {
            CHECK_ERROR(c, at, "node 0x%x: property 0x%04x%04x, element %u: %s", nid, x->id, x->type, i, o->ops->error(o));
            return;
        }
    }
}

static int known_type(unsigned type)
{
    static const uint16_t known[] = {PST_PT_INT16, PST_PT_INT32, PST_PT_FLOAT32, PST_PT_FLOAT64, PST_PT_CURRENCY, PST_PT_APPTIME,
                                     PST_PT_ERROR, PST_PT_BOOLEAN, PST_PT_INT64, PST_PT_STRING8, PST_PT_STRING, PST_PT_TIME, PST_PT_GUID,
                                     PST_PT_BINARY, PST_PT_OBJECT};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i] == (type & ~PST_PT_MULTI))
            return 1;
    return 0;
}

int check_pc(struct check *c, const struct pst_node *node)
{
    struct mapi_object *o;
    struct mapi_prop x;
    struct pst_heap h;
    int rc;
    if (!check_heap(c, node, PST_HN_PC))
        return 0;
    if (pst_heap_open(c->p, node, PST_HN_PC, &h) == 0)
        check_bth(c, &h, h.root);
    pst_heap_close(&h);
    if (pst_message_open(&c->store, node, &o) < 0) {
        check_say_error(c, "node 0x%x", node->nid);
        return 0;
    }
    uint64_t at = check_block_at(c, node->data);
    for (size_t i = 0; (rc = o->ops->at(o, i, &x)) != 0; i++) {
        if (rc < 0)
            CHECK_ERROR(c, at, "node 0x%x: property 0x%04x%04x: %s", node->nid, x.id, x.type, o->ops->error(o));
        else if (!known_type(x.type))
            CHECK_WARNING(c, at, "node 0x%x: property 0x%04x%04x is of an unknown type", node->nid, x.id, x.type);
        else
            check_value(c, o, node->nid, at, &x);
    }
    mapi_close(&o);
    return 1;
}

/* ---- tables ------------------------------------------------------------------------------------------------------------------------------ */

static int is_reference(const struct pst_column *col)
{
    unsigned type = col->tag & 0xFFFF;
    return type & PST_PT_MULTI || type == PST_PT_STRING || type == PST_PT_STRING8 || type == PST_PT_BINARY || type == PST_PT_GUID;
}

static void check_row(struct check *c, struct pst_tc *t, uint32_t id, uint32_t number_of_row)
{
    const uint8_t *row;
    uint8_t *copy = c->buf; /* the row itself lives until the next block is read */
    uint64_t size;
    if (pst_tc_row(t, number_of_row, &row) < 0) {
        check_say_error(c, "table 0x%x, row 0x%x", t->heap.node.nid, id);
        return;
    }
    memcpy(copy, row, t->ends[3]);
    if (t->column_count && t->columns[0].width && pst_tc_column(t, PST_COLUMN_ROW_ID) && pst_get32(copy) != id)
        CHECK_ERROR(c, pst_heap_at(&t->heap), "table 0x%x: row %u has the id 0x%x, its index says 0x%x", t->heap.node.nid, number_of_row,
                    pst_get32(copy), id);
    for (unsigned i = 0; i < t->column_count; i++) {
        const struct pst_column *col = &t->columns[i];
        if (pst_tc_has(t, copy, col) && is_reference(col) && col->width == 4 && pst_value_size(&t->heap, pst_get32(copy + col->at), &size) < 0)
            check_say_error(c, "table 0x%x, row 0x%x, column 0x%08x", t->heap.node.nid, id, col->tag);
    }
}

static void check_columns(struct check *c, struct pst_tc *t, uint64_t at)
{
    uint8_t bits[32] = {0};
    for (unsigned i = 0; i < t->column_count; i++) {
        const struct pst_column *col = &t->columns[i];
        if (i && col->tag <= t->columns[i - 1].tag)
            CHECK_WARNING(c, at, "table 0x%x: columns are not in order: 0x%08x after 0x%08x", t->heap.node.nid, col->tag, t->columns[i - 1].tag);
        if (bits[col->bit / 8] & 1u << col->bit % 8)
            CHECK_ERROR(c, at, "table 0x%x: two columns have bit %u", t->heap.node.nid, col->bit);
        bits[col->bit / 8] |= (uint8_t)(1u << col->bit % 8);
    }
    const struct pst_column *id = pst_tc_column(t, PST_COLUMN_ROW_ID);
    if (id && (id->at || id->width != 4 || id->bit))
        CHECK_ERROR(c, at, "table 0x%x: the row id is not at the begin of the row", t->heap.node.nid);
}

int check_tc(struct check *c, const struct pst_node *node)
{
    struct pst_tc *t = cli_malloc(sizeof *t);
    struct pst_bth rows;
    uint64_t id;
    uint32_t count = 0;
    const uint8_t *value;
    int rc = -1;
    if (check_heap(c, node, PST_HN_TC)) {
        rc = pst_tc_open(c->p, node, t);
        if (rc < 0)
            check_say_error(c, "table 0x%x", node->nid);
    }
    if (rc == 0) {
        check_columns(c, t, pst_heap_at(&t->heap));
        if (t->hid_rows)
            check_bth(c, &t->heap, t->hid_rows);
        rc = pst_tc_index(t, &rows);
        while (rc >= 0 && !c->stopped && (rc = pst_bth_next(&rows, &id, &value)) == 1) {
            check_row(c, t, (uint32_t)id, pst_tc_row_number(&rows, value));
            count++;
        }
        if (rc < 0)
            check_say_error(c, "table 0x%x", node->nid);
        else if (count != t->row_count)
            CHECK_WARNING(c, pst_heap_at(&t->heap), "table 0x%x has room for %u rows, but %u", node->nid, t->row_count, count);
        pst_tc_close(t);
    }
    free(t);
    return rc >= 0;
}
