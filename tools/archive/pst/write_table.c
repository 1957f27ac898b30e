/* Tables: rows of the same columns, with an index by row id. */
#include <stdlib.h>
#include <string.h>

#include "archive/mapi/props.h"
#include "archive/pst/bytes.h"
#include "archive/pst/write_ltp.h"
#include "cli.h"

enum { COLUMNS_MAX = 64, ROW_MAX = COLUMNS_MAX * 9, INDEX_ENTRY = 8, INDEX_FULL = PST_HN_ITEM_MAX / INDEX_ENTRY, INDEX_LEVELS = 4 };

struct column {
    uint32_t tag;
    uint16_t at;
    uint8_t width, bit;
};

/* A level of the row index: entries of 8 bytes, in an item of the heap when it is full. */
struct index_level {
    size_t count;
    uint8_t entries[INDEX_FULL * INDEX_ENTRY];
};

struct pstw_table {
    struct pstw *w;
    struct pstw_heap *heap;
    struct column columns[COLUMNS_MAX];
    size_t count, row_size, per_block;
    uint16_t ends[4];
    struct pstw_data rows;
    size_t in_block;
    uint64_t row_count;
    uint8_t row[ROW_MAX];
    struct index_level index[INDEX_LEVELS];
    int top;
};

static int compare(const void *a, const void *b)
{
    uint32_t x = ((const struct column *)a)->tag, y = ((const struct column *)b)->tag;
    return x < y ? -1 : x > y;
}

static uint8_t width_of(uint32_t tag)
{
    switch (tag & 0xffff) {
    case MAPI_FLOAT64:
    case MAPI_CURRENCY:
    case MAPI_APPTIME:
    case MAPI_INT64:
    case MAPI_TIME:
        return 8;
    case MAPI_INT16:
        return 2;
    case MAPI_BOOL:
        return 1;
    default:
        return 4;
    }
}

/* Wide cells first; the row id stands at 0, the row version at 4. */
static void lay_out(struct pstw_table *t)
{
    uint16_t at = 8;
    uint8_t bit = 2;
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < t->count; i++) {
            struct column *c = &t->columns[i];
            int group = c->width >= 4 ? 0 : c->width == 2 ? 1 : 2;
            if (group != pass || c->tag >> 16 == MAPI_P_ROW_ID || c->tag >> 16 == MAPI_P_ROW_VERSION)
                continue;
            c->at = at;
            c->bit = bit++;
            at = (uint16_t)(at + c->width);
        }
        t->ends[pass] = at;
    }
    t->row_size = at + (t->count + 7) / 8;
    t->ends[3] = (uint16_t)t->row_size;
    t->per_block = PST_BLOCK_MAX / t->row_size;
}

static void write_info(struct pstw_table *t)
{
    uint8_t header[8] = {PST_HN_BTH, 4, 4}, info[22 + 8 * COLUMNS_MAX] = {PST_HN_TC, (uint8_t)t->count};
    pstw_heap_add(t->heap, header, sizeof header); /* readers expect it to be the first item */
    for (int i = 0; i < 4; i++)
        pst_put16(info + 2 + 2 * i, t->ends[i]);
    pst_put32(info + 10, 0x20);
    for (size_t i = 0; i < t->count; i++) {
        uint8_t *p = info + 22 + 8 * i;
        pst_put32(p, t->columns[i].tag);
        pst_put16(p + 4, t->columns[i].at);
        p[6] = t->columns[i].width;
        p[7] = t->columns[i].bit;
    }
    pstw_heap_add(t->heap, info, 22 + 8 * t->count);
}

struct pstw_table *pstw_table_new(struct pstw *w, const uint32_t *tags, size_t count)
{
    struct pstw_table *t = cli_malloc(sizeof *t);
    memset(t, 0, offsetof(struct pstw_table, rows));
    t->w = w;
    t->heap = pstw_heap_new(w, PST_HN_TC);
    t->count = count + 2;
    for (size_t i = 0; i < count; i++)
        t->columns[i] = (struct column){tags[i], 0, width_of(tags[i]), 0};
    t->columns[count] = (struct column){(uint32_t)MAPI_P_ROW_ID << 16 | MAPI_INT32, 0, 4, 0};
    t->columns[count + 1] = (struct column){(uint32_t)MAPI_P_ROW_VERSION << 16 | MAPI_INT32, 4, 4, 1};
    qsort(t->columns, t->count, sizeof *t->columns, compare);
    lay_out(t);
    write_info(t);
    pstw_data_init(&t->rows, w);
    t->in_block = 0;
    t->row_count = 0;
    t->top = 0;
    for (int i = 0; i < INDEX_LEVELS; i++)
        t->index[i].count = 0;
    return t;
}

/* ---- the row index ----------------------------------------------------------------------------------------------------------------------- */

static void index_add(struct pstw_table *t, int level, uint32_t key, uint32_t value);

/* Writes a level's item and names it on the level above. */
static void index_flush(struct pstw_table *t, int level)
{
    struct index_level *l = &t->index[level];
    uint32_t hid = pstw_heap_add(t->heap, l->entries, l->count * INDEX_ENTRY);
    l->count = 0;
    if (t->top == level)
        t->top++;
    index_add(t, level + 1, pst_get32(l->entries), hid);
}

static void index_add(struct pstw_table *t, int level, uint32_t key, uint32_t value)
{
    struct index_level *l = &t->index[level];
    if (l->count == INDEX_FULL)
        index_flush(t, level);
    pst_put32(l->entries + l->count * INDEX_ENTRY, key);
    pst_put32(l->entries + l->count * INDEX_ENTRY + 4, value);
    l->count++;
}

static void index_end(struct pstw_table *t)
{
    uint32_t root = 0;
    for (int level = 0; level < t->top; level++)
        index_flush(t, level);
    if (t->row_count)
        root = pstw_heap_add(t->heap, t->index[t->top].entries, t->index[t->top].count * INDEX_ENTRY);
    uint8_t *header = pstw_heap_item(t->heap, 0x20);
    header[3] = (uint8_t)t->top;
    pst_put32(header + 4, root);
}

/* ---- rows ------------------------------------------------------------------------------------------------------------------------------------ */

static const struct column *column(const struct pstw_table *t, uint32_t tag)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->columns[i].tag == tag)
            return &t->columns[i];
    return NULL;
}

static uint8_t *cell(struct pstw_table *t, const struct column *c)
{
    t->row[t->ends[2] + c->bit / 8] |= (uint8_t)(0x80 >> c->bit % 8);
    return t->row + c->at;
}

void pstw_row32(struct pstw_table *t, uint32_t tag, uint32_t v)
{
    const struct column *c = column(t, tag);
    if (!c)
        return;
    uint8_t *p = cell(t, c);
    if (c->width == 4)
        pst_put32(p, v);
    else if (c->width == 2)
        pst_put16(p, (uint16_t)v);
    else
        *p = (uint8_t)v;
}

void pstw_row64(struct pstw_table *t, uint32_t tag, uint64_t v)
{
    const struct column *c = column(t, tag);
    if (c)
        pst_put64(cell(t, c), v);
}

void pstw_row_bytes(struct pstw_table *t, uint32_t tag, const void *p, size_t n)
{
    const struct column *c = column(t, tag);
    if (c && n <= PST_HN_ITEM_MAX)
        pst_put32(cell(t, c), n ? pstw_heap_add(t->heap, p, n) : 0);
}

void pstw_row_text(struct pstw_table *t, uint32_t tag, const char *utf8, size_t n)
{
    struct text wide = {0};
    pstw_utf16(&wide, utf8, n);
    pstw_row_bytes(t, tag, wide.data, wide.len);
    text_release(&wide);
}

void pstw_row_object(struct pstw_table *t, const struct pstw_object *o)
{
    for (size_t i = 0; i < t->count; i++) {
        const struct column *c = &t->columns[i];
        size_t n;
        const uint8_t *p = pstw_get(o, c->tag, &n);
        if (!p)
            continue;
        int bytes = c->width == 4 && (c->tag & 0xffff) != MAPI_INT32 && (c->tag & 0xffff) != MAPI_FLOAT32;
        if (bytes)
            pstw_row_bytes(t, c->tag, p, n);
        else
            memcpy(cell(t, c), p, c->width);
    }
}

void pstw_row(struct pstw_table *t, uint32_t id, uint32_t version)
{
    memset(t->row, 0, t->row_size);
    pstw_row32(t, (uint32_t)MAPI_P_ROW_ID << 16 | MAPI_INT32, id);
    pstw_row32(t, (uint32_t)MAPI_P_ROW_VERSION << 16 | MAPI_INT32, version);
}

/* Rows do not cross blocks: the rest of a full one is zeros, if another comes behind it. */
void pstw_row_end(struct pstw_table *t)
{
    if (t->in_block == t->per_block) {
        pstw_data_pad(&t->rows);
        t->in_block = 0;
    }
    pstw_data_add(&t->rows, t->row, t->row_size);
    t->in_block++;
    index_add(t, 0, pst_get32(t->row), (uint32_t)t->row_count++);
}

uint64_t pstw_table_rows(const struct pstw_table *t)
{
    return t->row_count;
}

size_t pstw_table_blocks(const struct pstw_table *t)
{
    return pstw_heap_blocks(t->heap);
}

void pstw_table_end(struct pstw_table **handle, struct pstw_node *out)
{
    struct pstw_table *t = *handle;
    struct pstw_subs subs = {0};
    uint32_t rows = 0;
    index_end(t);
    if (t->rows.total > PST_HN_ITEM_MAX) {
        uint64_t size = t->rows.total;
        struct pstw_node matrix = {pstw_data_end(&t->rows), 0, size};
        rows = PST_NID(0x401, PST_NT_LTP);
        pstw_subs_add(&subs, rows, &matrix);
    } else if (t->rows.total) {
        rows = pstw_heap_add(t->heap, t->rows.buf, (size_t)t->rows.total);
        free(t->rows.bids);
    }
    pst_put32(pstw_heap_item(t->heap, 0x40) + 14, rows);
    out->bytes = pstw_heap_bytes(t->heap) + subs.bytes;
    out->data = pstw_heap_end(&t->heap, 0x40);
    out->sub = pstw_subs_end(&subs, t->w);
    free(t);
    *handle = NULL;
}

/* ---- text ------------------------------------------------------------------------------------------------------------------------------------ */

static size_t ascii_run(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n && !(s[i] & 0x80))
        i++;
    return i;
}

static void add_unit(struct text *out, uint32_t unit)
{
    text_byte(out, (char)unit);
    text_byte(out, (char)(unit >> 8));
}

void pstw_utf16(struct text *out, const char *utf8, size_t n)
{
    char part[512];
    while (n) {
        size_t run = ascii_run(utf8, n < 256 ? n : 256);
        for (size_t i = 0; i < run; i++) {
            part[2 * i] = utf8[i];
            part[2 * i + 1] = 0;
        }
        text_add(out, part, 2 * run);
        utf8 += run;
        n -= run;
        if (!n || !(*utf8 & 0x80))
            continue;
        uint32_t code;
        size_t used = text_next(utf8, n, &code);
        if (code >= 0x10000) {
            add_unit(out, 0xd800 + ((code - 0x10000) >> 10));
            add_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
        } else {
            add_unit(out, code);
        }
        utf8 += used;
        n -= used;
    }
}
