/* write_ltp.h - the middle layer of a PST file on its way out: values as data trees, heaps, objects with properties, tables.
 *
 * Everything streams: what does not fit a heap item goes to a data tree of its own as it comes, and full blocks of heaps and row matrices
 * are written at once. Failures are those of write_ndb.h. */
#ifndef CUBBY_TOOLS_PST_WRITE_LTP_H
#define CUBBY_TOOLS_PST_WRITE_LTP_H

#include "archive/pst/format.h"
#include "archive/pst/write_ndb.h"
#include "text.h"

/* Where something was written. */
struct pstw_node {
    uint64_t data, sub; /* block ids; 0: nothing */
    uint64_t bytes;     /* of data trees: its own, and all below */
};

/* ---- data trees, subnodes ------------------------------------------------------------------------------------------------------------- */

struct pstw_data {
    struct pstw *w;
    uint64_t *bids;
    size_t count, len; /* blocks; bytes in buf */
    uint64_t total;
    uint8_t buf[PST_BLOCK_MAX];
};
void pstw_data_init(struct pstw_data *d, struct pstw *w);
void pstw_data_add(struct pstw_data *d, const void *p, size_t n);
/* Fills the block at hand with zeros. */
void pstw_data_pad(struct pstw_data *d);
/* Its root; 0 if it is empty. Releases it. */
uint64_t pstw_data_end(struct pstw_data *d);
/* One tree over blocks that are written already. */
uint64_t pstw_data_over(struct pstw *w, const uint64_t *bids, size_t count, uint64_t total);

struct pstw_sub {
    uint32_t nid;
    struct pstw_node node;
};
struct pstw_subs {
    struct pstw_sub *list;
    size_t count;
    uint64_t bytes; /* of all of them */
};
void pstw_subs_add(struct pstw_subs *s, uint32_t nid, const struct pstw_node *node);
/* The tree of them; 0: there are none. Releases it. */
uint64_t pstw_subs_end(struct pstw_subs *s, struct pstw *w);

/* ---- heaps -------------------------------------------------------------------------------------------------------------------------------- */

struct pstw_heap;
struct pstw_heap *pstw_heap_new(struct pstw *w, int client);
/* An item of 1 to PST_HN_ITEM_MAX bytes: its HID. */
uint32_t pstw_heap_add(struct pstw_heap *h, const void *p, size_t n);
/* An item of the first block, or the item that was added last, to be changed. */
uint8_t *pstw_heap_item(struct pstw_heap *h, uint32_t hid);
size_t pstw_heap_blocks(const struct pstw_heap *h);
uint64_t pstw_heap_bytes(const struct pstw_heap *h); /* if it ended now */
uint64_t pstw_heap_end(struct pstw_heap **h, uint32_t root); /* the data tree */

/* ---- objects ------------------------------------------------------------------------------------------------------------------------------- */

struct pstw_object;
struct pstw_object *pstw_object_new(struct pstw *w);
void pstw_object_free(struct pstw_object **o);

/* Each property once; the last one of an id stands. Types: the tag's lower half. */
void pstw_set32(struct pstw_object *o, uint32_t tag, uint32_t v); /* also booleans */
void pstw_set64(struct pstw_object *o, uint32_t tag, uint64_t v);
void pstw_set_bytes(struct pstw_object *o, uint32_t tag, const void *p, size_t n);
void pstw_set_text(struct pstw_object *o, uint32_t tag, const char *utf8, size_t n);
/* MAPI_STRING | MAPI_MULTI. */
void pstw_set_texts(struct pstw_object *o, uint32_t tag, const char *const *list, size_t count);
/* An object that stands in the subnode nid. */
void pstw_set_object(struct pstw_object *o, uint32_t tag, uint32_t nid, const struct pstw_node *node);
void pstw_object_sub(struct pstw_object *o, uint32_t nid, const struct pstw_node *node);
int pstw_has(const struct pstw_object *o, uint16_t id);

/* The bytes of the value of one property as they come; several may be open at the same time. */
struct pstw_value;
struct pstw_value *pstw_value_new(struct pstw_object *o, uint32_t tag);
void pstw_value_add(struct pstw_value *v, const void *p, size_t n);
void pstw_value_end(struct pstw_value **v);  /* sets the property */
void pstw_value_drop(struct pstw_value **v); /* does not; what was written stays behind */

/* The value of a fixed property or, up to PST_HN_ITEM_MAX bytes, of another: for table rows. NULL: none (or it is 0 bytes). */
const uint8_t *pstw_get(const struct pstw_object *o, uint32_t tag, size_t *n);

/* Writes it. size_tag: 0, MAPI_P_MESSAGE_SIZE or MAPI_P_ATTACH_SIZE, which is set by the rule for it; *size gets it (may be NULL). Frees o. */
void pstw_object_end(struct pstw_object **o, uint16_t size_id, struct pstw_node *out, uint32_t *size);

/* ---- tables -------------------------------------------------------------------------------------------------------------------------------- */

struct pstw_table;
/* tags: the columns, in any order, without those of row id and row version. */
struct pstw_table *pstw_table_new(struct pstw *w, const uint32_t *tags, size_t count);
/* Rows come in ascending order of their ids. */
void pstw_row(struct pstw_table *t, uint32_t id, uint32_t version);
void pstw_row32(struct pstw_table *t, uint32_t tag, uint32_t v);
void pstw_row64(struct pstw_table *t, uint32_t tag, uint64_t v);
void pstw_row_bytes(struct pstw_table *t, uint32_t tag, const void *p, size_t n); /* n: up to PST_HN_ITEM_MAX */
void pstw_row_text(struct pstw_table *t, uint32_t tag, const char *utf8, size_t n);
/* All columns that the object has. */
void pstw_row_object(struct pstw_table *t, const struct pstw_object *o);
void pstw_row_end(struct pstw_table *t);
uint64_t pstw_table_rows(const struct pstw_table *t);
size_t pstw_table_blocks(const struct pstw_table *t); /* of its heap */
void pstw_table_end(struct pstw_table **t, struct pstw_node *out);

/* UTF-8 to UTF-16LE, appended; what is not UTF-8 becomes U+FFFD. */
void pstw_utf16(struct text *out, const char *utf8, size_t n);

#endif
