/* Objects: the properties of a message, folder or attachment, in a heap and subnodes. */
#include <stdlib.h>
#include <string.h>

#include "archive/mapi/props.h"
#include "archive/pst/bytes.h"
#include "archive/pst/write_ltp.h"
#include "cli.h"

/* Properties of one object fit one leaf of its B-tree. */
enum { LEAF_ENTRY = 8, PROPS_MAX = PST_HN_ITEM_MAX / LEAF_ENTRY, FIRST_VALUE = 0x401 };

enum { INLINE, HEAP, SUBNODE };

struct prop {
    uint16_t id, type;
    int where;
    uint32_t value; /* INLINE; SUBNODE: nid */
    uint8_t le[4];  /* INLINE: the same */
    size_t at, len; /* HEAP: in bytes */
    uint64_t size;  /* of the value, as MAPI_P_ATTACH_SIZE counts it */
};

struct pstw_object {
    struct pstw *w;
    struct prop props[PROPS_MAX];
    size_t count;
    struct text bytes;
    struct pstw_subs subs;
    uint32_t next_value;
};

struct pstw_value {
    struct pstw_object *o;
    uint32_t tag;
    struct pstw_data data;
};

struct pstw_object *pstw_object_new(struct pstw *w)
{
    struct pstw_object *o = cli_malloc(sizeof *o);
    o->w = w;
    o->count = 0;
    o->bytes = (struct text){0};
    o->subs = (struct pstw_subs){0};
    o->next_value = FIRST_VALUE;
    return o;
}

void pstw_object_free(struct pstw_object **handle)
{
    struct pstw_object *o = *handle;
    if (!o)
        return;
    text_release(&o->bytes);
    free(o->subs.list);
    free(o);
    *handle = NULL;
}

static struct prop *find(const struct pstw_object *o, uint16_t id)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->props[i].id == id)
            return (struct prop *)(uintptr_t)&o->props[i];
    return NULL;
}

int pstw_has(const struct pstw_object *o, uint16_t id)
{
    return find(o, id) != NULL;
}

/* More properties than fit are left out: no caller has so many. */
static struct prop *put(struct pstw_object *o, uint32_t tag)
{
    static struct prop nowhere;
    struct prop *p = find(o, (uint16_t)(tag >> 16));
    if (!p)
        p = o->count < PROPS_MAX ? &o->props[o->count++] : &nowhere;
    *p = (struct prop){.id = (uint16_t)(tag >> 16), .type = (uint16_t)tag};
    return p;
}

void pstw_set32(struct pstw_object *o, uint32_t tag, uint32_t v)
{
    struct prop *p = put(o, tag);
    p->value = v;
    pst_put32(p->le, v);
    p->size = p->type == MAPI_BOOL ? 1 : p->type == MAPI_INT16 ? 2 : 4;
}

static void put_heap(struct pstw_object *o, uint32_t tag, const void *data, size_t n)
{
    struct prop *p = put(o, tag);
    p->where = n ? HEAP : INLINE; /* nothing is HID 0 */
    p->at = o->bytes.len;
    p->len = p->size = n;
    text_add(&o->bytes, data, n);
}

void pstw_set64(struct pstw_object *o, uint32_t tag, uint64_t v)
{
    uint8_t b[8];
    pst_put64(b, v);
    put_heap(o, tag, b, sizeof b);
}

void pstw_set_bytes(struct pstw_object *o, uint32_t tag, const void *p, size_t n)
{
    if (n <= PST_HN_ITEM_MAX) {
        put_heap(o, tag, p, n);
        return;
    }
    struct pstw_value *v = pstw_value_new(o, tag);
    pstw_value_add(v, p, n);
    pstw_value_end(&v);
}

void pstw_set_text(struct pstw_object *o, uint32_t tag, const char *utf8, size_t n)
{
    struct text wide = {0};
    pstw_utf16(&wide, utf8, n);
    pstw_set_bytes(o, tag, wide.data, wide.len);
    text_release(&wide);
}

void pstw_set_texts(struct pstw_object *o, uint32_t tag, const char *const *list, size_t count)
{
    struct text strings = {0}, all = {0};
    uint8_t b[4];
    pst_put32(b, (uint32_t)count);
    text_add(&all, b, sizeof b);
    for (size_t i = 0; i < count; i++) {
        pst_put32(b, (uint32_t)(4 + 4 * count + strings.len));
        text_add(&all, b, sizeof b);
        pstw_utf16(&strings, list[i], strlen(list[i]));
    }
    text_add(&all, strings.data ? strings.data : "", strings.len);
    pstw_set_bytes(o, tag, all.data, all.len);
    text_release(&strings);
    text_release(&all);
}

void pstw_set_object(struct pstw_object *o, uint32_t tag, uint32_t nid, const struct pstw_node *node)
{
    uint8_t b[8];
    pst_put32(b, nid);
    pst_put32(b + 4, (uint32_t)node->bytes);
    put_heap(o, tag, b, sizeof b);
    find(o, (uint16_t)(tag >> 16))->size = node->bytes;
    pstw_object_sub(o, nid, node);
}

void pstw_object_sub(struct pstw_object *o, uint32_t nid, const struct pstw_node *node)
{
    pstw_subs_add(&o->subs, nid, node);
}

/* ---- values that stream ----------------------------------------------------------------------------------------------------------------- */

struct pstw_value *pstw_value_new(struct pstw_object *o, uint32_t tag)
{
    struct pstw_value *v = cli_malloc(sizeof *v);
    v->o = o;
    v->tag = tag;
    pstw_data_init(&v->data, o->w);
    return v;
}

void pstw_value_add(struct pstw_value *v, const void *p, size_t n)
{
    pstw_data_add(&v->data, p, n);
}

void pstw_value_end(struct pstw_value **handle)
{
    struct pstw_value *v = *handle;
    if (v->data.total <= PST_HN_ITEM_MAX) {
        put_heap(v->o, v->tag, v->data.buf, (size_t)v->data.total);
        free(v->data.bids);
    } else {
        uint64_t size = v->data.total;
        struct pstw_node node = {pstw_data_end(&v->data), 0, size};
        struct prop *p = put(v->o, v->tag);
        p->where = SUBNODE;
        p->value = PST_NID(v->o->next_value++, PST_NT_LTP);
        p->size = size;
        pstw_object_sub(v->o, p->value, &node);
    }
    free(v);
    *handle = NULL;
}

void pstw_value_drop(struct pstw_value **handle)
{
    if (!*handle)
        return;
    free((*handle)->data.bids);
    free(*handle);
    *handle = NULL;
}

const uint8_t *pstw_get(const struct pstw_object *o, uint32_t tag, size_t *n)
{
    const struct prop *p = find(o, (uint16_t)(tag >> 16));
    *n = 0;
    if (!p || p->type != (uint16_t)tag || p->where == SUBNODE)
        return NULL;
    *n = p->where == INLINE ? (size_t)p->size : p->len;
    return p->where == INLINE ? p->le : (const uint8_t *)o->bytes.data + p->at;
}

/* ---- writing ---------------------------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return ((const struct prop *)a)->id - ((const struct prop *)b)->id;
}

static uint32_t attach_size(const struct pstw_object *o)
{
    uint64_t size = 0;
    for (size_t i = 0; i < o->count; i++)
        size += o->props[i].size;
    return size > INT32_MAX ? INT32_MAX : (uint32_t)size;
}

/* The values, then the leaf, which is left in `leaf` as well. */
static uint32_t write_heap(const struct pstw_object *o, struct pstw_heap *h, uint8_t *leaf)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct prop *p = &o->props[i];
        uint8_t *e = leaf + i * LEAF_ENTRY;
        pst_put16(e, p->id);
        pst_put16(e + 2, p->type);
        pst_put32(e + 4, p->where == HEAP ? pstw_heap_add(h, o->bytes.data + p->at, p->len) : p->value);
    }
    return o->count ? pstw_heap_add(h, leaf, o->count * LEAF_ENTRY) : 0;
}

void pstw_object_end(struct pstw_object **handle, uint16_t size_id, struct pstw_node *out, uint32_t *size)
{
    struct pstw_object *o = *handle;
    uint8_t header[8] = {PST_HN_BTH, 2, 6}, leaf[PROPS_MAX * LEAF_ENTRY];
    uint32_t sum = 0;
    if (size_id)
        pstw_set32(o, (uint32_t)size_id << 16 | MAPI_INT32, 0);
    if (size_id == MAPI_P_ATTACH_SIZE)
        pstw_set32(o, (uint32_t)size_id << 16 | MAPI_INT32, sum = attach_size(o));
    qsort(o->props, o->count, sizeof *o->props, compare);
    struct pstw_heap *h = pstw_heap_new(o->w, PST_HN_PC);
    uint32_t top = pstw_heap_add(h, header, sizeof header), hid = write_heap(o, h, leaf);
    pst_put32(pstw_heap_item(h, top) + 4, hid);
    uint64_t bytes = pstw_heap_bytes(h) + o->subs.bytes;
    if (size_id == MAPI_P_MESSAGE_SIZE) { /* its value does not change the layout */
        sum = bytes > INT32_MAX ? INT32_MAX : (uint32_t)bytes;
        pst_put32(pstw_heap_item(h, hid) + (size_t)(find(o, size_id) - o->props) * LEAF_ENTRY + 4, sum);
    }
    out->bytes = bytes;
    out->data = pstw_heap_end(&h, top);
    out->sub = pstw_subs_end(&o->subs, o->w);
    if (size)
        *size = sum;
    pstw_object_free(handle);
}
