/* Messages, recipients and attachments as MAPI objects (mapi.h). */
#include <stdlib.h>
#include <string.h>

#include "archive/mapi/codepage.h"
#include "archive/pst/bytes.h"
#include "archive/pst/store.h"

/* Objects within one message, whatever its depth: more are damage, or meant to take for ever. */
enum { OBJECTS_MAX = 200000, ROWS_MAX = 100000 };

#define GIVEN_FREE (UINT64_C(1) << 30)
#define GIVEN_TIMES 256

enum { P_ATTACH_DATA = 0x3701, P_CODEPAGE = 0x3FFD };

/* What `at` found: kept, since values are asked for by id again and again. */
struct known {
    struct mapi_prop prop;
    int rc; /* 2: not looked at */
};

struct rows {
    int state; /* 0: not looked at, 1: there, -1: not readable */
    struct pst_tc table;
    uint32_t *list; /* recipients: rows; attachments: node ids */
    size_t count;
};

struct object {
    struct mapi_object base;
    struct pst_store *s;
    struct object *parent;
    struct pst_node node;
    int depth; /* of embedded messages */
    struct pst_pc pc;
    struct pst_heap *heap; /* where its values are */
    struct known *known;
    size_t count;
    struct rows recipients, attachments;
    struct pst_tc *table; /* of a recipient, with its row */
    uint8_t *row;
    uint8_t *columns;     /* those that have a value */
};

static const struct mapi_ops operations;

static struct object *self(struct mapi_object *o)
{
    return (struct object *)o;
}

static int fail(struct object *o, const char *what)
{
    return pst_fail(o->s->p, o->heap ? pst_heap_at(o->heap) : 0, "node 0x%x: %s", o->node.nid, what);
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------ */

/* Bytes of a value that is not a multi-value; 0: of any length. */
static unsigned width_of(unsigned type)
{
    switch (type) {
    case PST_PT_INT16:
        return 2;
    case PST_PT_INT32:
    case PST_PT_FLOAT32:
    case PST_PT_ERROR:
        return 4;
    case PST_PT_BOOLEAN:
        return 1;
    case PST_PT_FLOAT64:
    case PST_PT_CURRENCY:
    case PST_PT_APPTIME:
    case PST_PT_INT64:
    case PST_PT_TIME:
        return 8;
    case PST_PT_GUID:
        return 16;
    default:
        return 0;
    }
}

static uint64_t number(const uint8_t *p, unsigned width)
{
    uint64_t v = 0;
    while (width--)
        v = v << 8 | p[width];
    return v;
}

static int measure_multi(struct object *o, struct mapi_prop *out)
{
    unsigned single = out->type & ~PST_PT_MULTI, width = width_of(single);
    uint8_t count[4];
    uint64_t size;
    if (pst_value_size(o->heap, (uint32_t)out->cookie[0], &size) < 0)
        return -1;
    if (width) {
        out->count = (uint32_t)(size / width < UINT32_MAX ? size / width : UINT32_MAX);
        return 1;
    }
    if (!size)
        return 1;
    if (pst_value_read(o->heap, (uint32_t)out->cookie[0], 0, count, 4) != 4)
        return fail(o, "a multi-value is too short");
    out->count = pst_get32(count);
    if (4 + 4 * (uint64_t)out->count > size) {
        out->count = 0;
        return fail(o, "a multi-value has more elements than bytes");
    }
    return 1;
}

static int measure_object(struct object *o, struct mapi_prop *out)
{
    const uint8_t *item = pst_heap_exact(o->heap, (uint32_t)out->cookie[0], 8);
    if (!item)
        return -1;
    out->cookie[0] = pst_get32(item);
    if (!(out->cookie[0] & 0x1F))
        return fail(o, "an object without a subnode");
    return pst_value_size(o->heap, (uint32_t)out->cookie[0], &out->size) < 0 ? -1 : 1;
}

/* Type and id are set; raw: the number itself, or where the value is. */
static int measure(struct object *o, uint64_t raw, int whole, struct mapi_prop *out)
{
    unsigned width = width_of(out->type);
    out->cookie[0] = (uint32_t)raw;
    if (out->type & PST_PT_MULTI)
        return measure_multi(o, out);
    if (out->type == PST_PT_OBJECT)
        return measure_object(o, out);
    if (!width || width == 16)
        return pst_value_size(o->heap, (uint32_t)raw, &out->size) < 0 ? -1 : 1;
    if (width == 8 && !whole) {
        const uint8_t *item = pst_heap_exact(o->heap, (uint32_t)raw, 8);
        if (!item)
            return -1;
        raw = pst_get64(item);
    }
    out->value = width == 8 ? raw : raw & ((UINT64_C(1) << 8 * width) - 1);
    if (out->type == PST_PT_BOOLEAN)
        out->value = out->value != 0;
    return 1;
}

static int measure_cell(struct object *o, const struct pst_column *c, struct mapi_prop *out)
{
    unsigned width = width_of(out->type), need = out->type & PST_PT_MULTI || !width || width == 16 ? 4 : width;
    if (c->width != need)
        return fail(o, "a column of an unknown width");
    return measure(o, number(o->row + c->at, c->width), 1, out);
}

static int object_at(struct mapi_object *base, size_t i, struct mapi_prop *out)
{
    struct object *o = self(base);
    *out = (struct mapi_prop){0};
    if (i >= o->count)
        return 0;
    struct known *k = &o->known[i];
    if (k->rc == 2) {
        const struct pst_column *c = o->table ? &o->table->columns[o->columns[i]] : NULL;
        k->prop.id = c ? (uint16_t)(c->tag >> 16) : o->pc.props[i].id;
        k->prop.type = c ? (uint16_t)c->tag : o->pc.props[i].type;
        k->rc = c ? measure_cell(o, c, &k->prop) : measure(o, o->pc.props[i].value, 0, &k->prop);
        if (k->rc < 0)
            k->prop = (struct mapi_prop){.id = k->prop.id, .type = k->prop.type};
    }
    *out = k->prop;
    return k->rc;
}

static int object_element(struct mapi_object *base, const struct mapi_prop *p, uint32_t i, struct mapi_prop *out)
{
    struct object *o = self(base);
    uint32_t hnid = (uint32_t)p->cookie[0];
    uint8_t raw[8];
    uint64_t all, end;
    *out = (struct mapi_prop){.id = p->id, .type = p->type & (uint16_t)~PST_PT_MULTI, .cookie = {hnid, 0}};
    unsigned width = width_of(out->type);
    if (i >= p->count || !(p->type & PST_PT_MULTI))
        return fail(o, "a multi-value has not so many elements");
    if (width == 16) {
        out->size = 16;
        out->cookie[1] = (uint64_t)i * 16;
        return 1;
    }
    if (width) {
        if (pst_value_read(o->heap, hnid, (uint64_t)i * width, raw, width) != (int)width)
            return -1;
        out->value = number(raw, width);
        return 1;
    }
    int last = i + 1 == p->count;
    if (pst_value_size(o->heap, hnid, &all) < 0 || pst_value_read(o->heap, hnid, 4 + 4 * (uint64_t)i, raw, last ? 4 : 8) != (last ? 4 : 8))
        return -1;
    out->cookie[1] = pst_get32(raw);
    end = last ? all : pst_get32(raw + 4);
    if (out->cookie[1] > end || end > all)
        return fail(o, "an element of a multi-value lies outside of it");
    out->size = end - out->cookie[1];
    return 1;
}

static int64_t object_read(struct mapi_object *base, const struct mapi_prop *p, uint64_t offset, void *buf, size_t n)
{
    struct object *o = self(base);
    if (offset >= p->size)
        return 0;
    if (n > p->size - offset)
        n = (size_t)(p->size - offset);
    o->s->given += n;
    if (o->s->given > GIVEN_FREE && (o->s->given - GIVEN_FREE) / GIVEN_TIMES > o->s->p->size)
        return fail(o, "the file's values are longer than it can be");
    return pst_value_read(o->heap, (uint32_t)p->cookie[0], p->cookie[1] + offset, buf, n);
}

/* ---- objects ----------------------------------------------------------------------------------------------------------------------- */

static void object_close(struct mapi_object *base)
{
    struct object *o = self(base);
    for (struct rows *r = &o->recipients;; r = &o->attachments) {
        if (r->state > 0)
            pst_tc_close(&r->table);
        free(r->list);
        if (r == &o->attachments)
            break;
    }
    if (o->heap == &o->pc.heap)
        pst_pc_close(&o->pc);
    free(o->known);
    free(o->row);
    free(o->columns);
    free(o);
}

static struct object *object_new(struct pst_store *s, struct object *parent, const struct pst_node *node)
{
    struct object *o = cli_malloc(sizeof *o);
    memset(o, 0, sizeof *o);
    o->base.ops = &operations;
    o->s = s;
    o->parent = parent;
    o->node = *node;
    o->depth = parent ? parent->depth : 0;
    return o;
}

static void object_take(struct object *o, struct pst_heap *heap, size_t count)
{
    o->heap = heap;
    o->count = count;
    o->known = cli_malloc((count + 1) * sizeof *o->known);
    memset(o->known, 0, (count + 1) * sizeof *o->known);
    for (size_t i = 0; i < count; i++)
        o->known[i].rc = 2;
}

static int object_open(struct pst_store *s, struct object *parent, const struct pst_node *node, struct mapi_object **out)
{
    *out = NULL;
    if (++s->opened > OBJECTS_MAX)
        return pst_fail(s->p, 0, "node 0x%x: the message has too many parts", node->nid);
    struct object *o = object_new(s, parent, node);
    if (pst_pc_open(s->p, node, &o->pc) < 0) {
        object_close(&o->base);
        return -1;
    }
    object_take(o, &o->pc.heap, o->pc.count);
    *out = &o->base;
    return 0;
}

int pst_message_open(struct pst_store *s, const struct pst_node *node, struct mapi_object **out)
{
    s->opened = 0;
    return object_open(s, NULL, node, out);
}

/* ---- recipients and attachments ---------------------------------------------------------------------------------------------------- */

struct row {
    uint32_t number, id;
};

static int by_number(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

/* The rows of a table in their order: numbers, or ids. */
static int list_rows(struct pst_tc *t, int ids, struct rows *out)
{
    struct pst_bth walk;
    uint64_t id;
    const uint8_t *value;
    struct row *rows = NULL;
    size_t count = 0, cap = 0;
    int rc = pst_tc_index(t, &walk);
    while (rc >= 0 && (rc = pst_bth_next(&walk, &id, &value)) == 1) {
        struct row r = {pst_tc_row_number(&walk, value), (uint32_t)id};
        if (count == cap) {
            cap = cap ? 2 * cap : 16;
            rows = cli_realloc(rows, cap * sizeof *rows);
        }
        rows[count++] = r;
        if (count == ROWS_MAX)
            rc = pst_fail(t->heap.p, pst_heap_at(&t->heap), "table 0x%x: too many rows", t->heap.node.nid);
    }
    if (rc < 0 && count)
        pst_tell_error(t->heap.p, "node 0x%x: rows after the first %zu", t->heap.node.nid, count);
    if (count)
        qsort(rows, count, sizeof *rows, by_number);
    out->list = cli_malloc((count + 1) * sizeof *out->list);
    for (size_t i = 0; i < count; i++)
        out->list[i] = ids ? rows[i].id : rows[i].number;
    out->count = count;
    free(rows);
    return rc < 0 && !count ? -1 : 0;
}

/* 1: the table is there; 0: there is none. */
static int open_rows(struct object *o, uint32_t nid, int ids, struct rows *r)
{
    struct pst_node node;
    int rc = pst_sub_find(o->s->p, o->node.sub, nid, &node);
    if (rc <= 0)
        return rc;
    if (pst_tc_open(o->s->p, &node, &r->table) < 0)
        return -1;
    r->state = 1;
    return list_rows(&r->table, ids, r) < 0 ? -1 : 1;
}

static int64_t object_recipients(struct mapi_object *base)
{
    struct object *o = self(base);
    struct rows *r = &o->recipients;
    if (o->table)
        return fail(o, "a recipient has no recipients");
    if (!r->state && !r->list && open_rows(o, PST_NID_RECIPIENTS, 0, r) < 0) {
        if (r->state > 0)
            pst_tc_close(&r->table);
        r->state = -1;
        return -1;
    }
    return r->state < 0 ? fail(o, "its recipients cannot be read") : (int64_t)r->count;
}

static int object_recipient(struct mapi_object *base, size_t i, struct mapi_object **out)
{
    struct object *o = self(base);
    struct pst_tc *t = &o->recipients.table;
    const uint8_t *row;
    *out = NULL;
    if (o->recipients.state != 1 || i >= o->recipients.count)
        return fail(o, "it has no such recipient");
    if (pst_tc_row(t, o->recipients.list[i], &row) < 0)
        return -1;
    if (++o->s->opened > OBJECTS_MAX)
        return fail(o, "too many recipients");
    struct object *r = object_new(o->s, o, &o->node);
    size_t count = 0;
    r->table = t;
    r->row = cli_malloc(t->ends[3]);
    memcpy(r->row, row, t->ends[3]);
    r->columns = cli_malloc(256);
    for (unsigned c = 0; c < t->column_count; c++)
        if (pst_tc_has(t, r->row, &t->columns[c]))
            r->columns[count++] = (uint8_t)c;
    object_take(r, &t->heap, count);
    *out = &r->base;
    return 0;
}

/* Without a table that can be read: all subnodes that are attachments. */
static int scan_attachments(struct object *o, struct rows *r)
{
    struct pst_node node;
    uint32_t from = 0;
    int rc;
    size_t cap = 0;
    free(r->list);
    r->list = NULL;
    r->count = 0;
    while ((rc = pst_sub_next(o->s->p, o->node.sub, from, &node)) == 1 && r->count < ROWS_MAX) {
        if (PST_NID_TYPE(node.nid) == PST_NT_ATTACHMENT) {
            if (r->count == cap) {
                cap = cap ? 2 * cap : 16;
                r->list = cli_realloc(r->list, cap * sizeof *r->list);
            }
            r->list[r->count++] = node.nid;
        }
        from = node.nid + 1;
        if (!from)
            break;
    }
    return rc < 0 && !r->count ? -1 : 0;
}

static int64_t object_attachments(struct mapi_object *base)
{
    struct object *o = self(base);
    struct rows *r = &o->attachments;
    if (o->table)
        return fail(o, "a recipient has no attachments");
    if (!r->state && !r->list) {
        int rc = open_rows(o, PST_NID_ATTACHMENTS, 1, r);
        if (rc < 0) {
            pst_tell_error(o->s->p, "node 0x%x: table of attachments", o->node.nid);
            if (r->state > 0)
                pst_tc_close(&r->table);
            r->state = 0;
        }
        if (rc <= 0 && scan_attachments(o, r) < 0) {
            r->state = -1;
            return -1;
        }
        if (!r->list)
            r->list = cli_malloc(1);
    }
    return r->state < 0 ? fail(o, "its attachments cannot be read") : (int64_t)r->count;
}

static int object_attachment(struct mapi_object *base, size_t i, struct mapi_object **out)
{
    struct object *o = self(base);
    struct pst_node node;
    *out = NULL;
    if (o->table || o->attachments.state < 0 || i >= o->attachments.count)
        return fail(o, "it has no such attachment");
    int rc = pst_sub_find(o->s->p, o->node.sub, o->attachments.list[i], &node);
    if (rc <= 0)
        return rc < 0 ? -1 : pst_fail(o->s->p, 0, "node 0x%x: attachment 0x%x is not there", o->node.nid, o->attachments.list[i]);
    return object_open(o->s, o, &node, out);
}

static int object_embedded(struct mapi_object *base, struct mapi_object **out)
{
    struct object *o = self(base);
    struct pst_node node;
    const struct pst_prop *x = o->table ? NULL : pst_pc_find(&o->pc, P_ATTACH_DATA);
    *out = NULL;
    if (!x || x->type != PST_PT_OBJECT)
        return fail(o, "there is no message in it");
    if (o->depth >= MAPI_DEPTH_MAX)
        return fail(o, "messages within messages: too deep");
    const uint8_t *item = pst_heap_exact(o->heap, x->value, 8);
    if (!item)
        return -1;
    uint32_t nid = pst_get32(item);
    int rc = pst_sub_find(o->s->p, o->node.sub, nid, &node);
    if (rc <= 0)
        return rc < 0 ? -1 : pst_fail(o->s->p, pst_heap_at(o->heap), "node 0x%x has no subnode 0x%x", o->node.nid, nid);
    for (struct object *up = o; up; up = up->parent)
        if (up->node.data == node.data)
            return fail(o, "a message that holds itself");
    rc = object_open(o->s, o, &node, out);
    if (rc == 0)
        self(*out)->depth = o->depth + 1;
    return rc;
}

/* ---- the rest ---------------------------------------------------------------------------------------------------------------------- */

static uint16_t object_named(struct mapi_object *base, const uint8_t set[16], uint32_t id, const char *name)
{
    return pst_names_find(&self(base)->s->names, set, id, name);
}

static int object_name_of(struct mapi_object *base, uint16_t id, struct mapi_name *out)
{
    const uint8_t *name;
    size_t len;
    memset(out, 0, sizeof *out);
    if (!pst_names_get(&self(base)->s->names, id, out->set, &out->number, &name, &len))
        return 0;
    if (name) {
        struct text t = {0};
        codepage_decode(CODEPAGE_UTF16, name, len < 2 * sizeof out->name ? len : 2 * sizeof out->name, &t);
        snprintf(out->name, sizeof out->name, "%s", t.data ? t.data : "");
        text_release(&t);
    }
    return 1;
}

static uint32_t object_codepage(struct mapi_object *base)
{
    for (struct object *o = self(base); o; o = o->parent) {
        int64_t page = o->table ? 0 : pst_pc_int(&o->pc, P_CODEPAGE, 0);
        if (page > 0)
            return (uint32_t)page;
    }
    return self(base)->s->codepage;
}

static const char *object_error(struct mapi_object *base)
{
    return pst_error(self(base)->s->p);
}

static const struct mapi_ops operations = {
    .at = object_at, .element = object_element, .read = object_read,
    .recipients = object_recipients, .recipient = object_recipient,
    .attachments = object_attachments, .attachment = object_attachment, .embedded = object_embedded,
    .named = object_named, .name_of = object_name_of,
    .codepage = object_codepage, .error = object_error, .close = object_close,
};
