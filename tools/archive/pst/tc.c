/* Tables. */
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/ltp.h"

static int fail(struct pst_tc *t, const char *what)
{
    return pst_fail(t->heap.p, pst_heap_at(&t->heap), "table 0x%x: %s", t->heap.node.nid, what);
}

static int check_columns(struct pst_tc *t)
{
    uint32_t bits = 0;
    for (unsigned i = 0; i < t->column_count; i++) {
        const struct pst_column *c = &t->columns[i];
        if (c->at + c->width > t->ends[2])
            return fail(t, "a column lies behind the end of the row");
        bits = c->bit + 1u > bits ? c->bit + 1u : bits;
    }
    if (t->ends[0] > t->ends[1] || t->ends[1] > t->ends[2] || !t->ends[3] || t->ends[3] < t->ends[2] + (bits + 7) / 8)
        return fail(t, "the parts of a row do not follow each other");
    return 0;
}

static int read_columns(struct pst_tc *t)
{
    const uint8_t *info;
    uint32_t len;
    if (pst_heap_item(&t->heap, t->heap.root, &info, &len) < 0)
        return -1;
    if (len < 22 || info[0] != PST_HN_TC || len < 22u + 8u * info[1])
        return fail(t, "its description is too short");
    t->column_count = info[1];
    for (int i = 0; i < 4; i++)
        t->ends[i] = pst_get16(info + 2 + 2 * i);
    t->hid_rows = pst_get32(info + 10);
    t->rows_at = pst_get32(info + 14);
    for (unsigned i = 0; i < t->column_count; i++) {
        const uint8_t *c = info + 22 + 8 * i;
        t->columns[i] = (struct pst_column){pst_get32(c), pst_get16(c + 4), c[6], c[7]};
    }
    return check_columns(t);
}

static int open_rows(struct pst_tc *t)
{
    struct pst *p = t->heap.p;
    struct pst_node node;
    struct pst_block *last;
    const uint8_t *item;
    uint32_t len, row = t->ends[3];
    if (!(t->rows_at & 0x1F)) {
        if (pst_heap_item(&t->heap, t->rows_at, &item, &len) < 0)
            return -1;
        t->row_count = len / row;
        return 0;
    }
    int rc = pst_sub_find(p, t->heap.node.sub, t->rows_at, &node);
    if (rc <= 0)
        return rc < 0 ? -1 : fail(t, "the subnode with its rows is not there");
    if (pst_data_open(p, node.data, &t->data) < 0)
        return -1;
    t->per_block = p->shape->payload / row;
    if (!t->data.count)
        return 0;
    if (!t->per_block)
        return fail(t, "a row is longer than a block");
    if (pst_data_block(&t->data, t->data.count - 1, &last) < 0)
        return -1;
    uint64_t count = (uint64_t)(t->data.count - 1) * t->per_block + last->len / row;
    pst_block_put(p, &last);
    if (count > UINT32_MAX)
        return fail(t, "more rows than can be");
    t->row_count = (uint32_t)count;
    return 0;
}

int pst_tc_open(struct pst *p, const struct pst_node *node, struct pst_tc *out)
{
    memset(out, 0, sizeof *out);
    out->data.p = p;
    if (pst_heap_open(p, node, PST_HN_TC, &out->heap) < 0)
        return -1;
    if (read_columns(out) == 0 && open_rows(out) == 0)
        return 0;
    pst_tc_close(out);
    return -1;
}

void pst_tc_close(struct pst_tc *t)
{
    pst_heap_close(&t->heap);
    pst_data_close(&t->data);
}

int pst_tc_index(struct pst_tc *t, struct pst_bth *out)
{
    *out = (struct pst_bth){.h = &t->heap};
    if (!t->hid_rows)
        return 0;
    if (pst_bth_open(&t->heap, t->hid_rows, out) < 0)
        return -1;
    if (out->key == 4 && (out->value == 4 || out->value == 2))
        return 0;
    out->depth = 0;
    return fail(t, "its row index has records of an unknown form");
}

uint32_t pst_tc_row_number(const struct pst_bth *b, const uint8_t *value)
{
    return b->value == 2 ? pst_get16(value) : pst_get32(value);
}

int pst_tc_row(struct pst_tc *t, uint32_t number, const uint8_t **row)
{
    uint32_t size = t->ends[3], len;
    const uint8_t *item;
    struct pst_block *b;
    *row = NULL;
    if (number >= t->row_count)
        return fail(t, "it has fewer rows than its index says");
    if (!t->per_block) {
        if (pst_heap_item(&t->heap, t->rows_at, &item, &len) < 0)
            return -1;
        *row = item + (size_t)number * size;
        return 0;
    }
    if (pst_data_block(&t->data, number / t->per_block, &b) < 0)
        return -1;
    uint64_t at = (uint64_t)(number % t->per_block) * size;
    int rc = at + size <= b->len ? 0 : fail(t, "a block of rows is too short");
    if (rc == 0)
        *row = b->data + at; /* stays in the cache until another block is read */
    pst_block_put(t->heap.p, &b);
    return rc;
}

int pst_tc_has(const struct pst_tc *t, const uint8_t *row, const struct pst_column *c)
{
    return (row[t->ends[2] + c->bit / 8] & 0x80 >> c->bit % 8) != 0;
}

const struct pst_column *pst_tc_column(const struct pst_tc *t, uint32_t tag)
{
    for (unsigned i = 0; i < t->column_count; i++)
        if (t->columns[i].tag == tag)
            return &t->columns[i];
    return NULL;
}
