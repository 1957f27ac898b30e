/* ltp.h - what lies in nodes: heaps, trees in heaps, lists of properties, tables, and the names of properties. */
#ifndef CUBBY_TOOLS_PST_LTP_H
#define CUBBY_TOOLS_PST_LTP_H

#include "archive/pst/ndb.h"

/* ---- heaps ----------------------------------------------------------------------------------------------------------------------- */

struct pst_heap {
    struct pst *p;
    struct pst_node node;
    struct pst_data data;
    int client;              /* PST_HN_... */
    uint32_t root;           /* the id of its main item */
    struct pst_block *block; /* the one looked at last, and what its page map says */
    uint32_t index, map, count;
    struct pst_data stream;  /* the value read last, if it is in a subnode */
    uint32_t stream_nid;
};

enum { PST_HEAP_BLOCKS = 65536 };

/* client: which kind it has to be; -1: any. The struct is fit for pst_heap_close in any case. */
int pst_heap_open(struct pst *p, const struct pst_node *node, int client, struct pst_heap *out);
void pst_heap_close(struct pst_heap *h);

/* An item, borrowed until the next call with this heap; id 0: empty. */
int pst_heap_item(struct pst_heap *h, uint32_t hid, const uint8_t **item, uint32_t *len);
/* The same with a length it has to have. NULL: it has another, or cannot be read. */
const uint8_t *pst_heap_exact(struct pst_heap *h, uint32_t hid, uint32_t len);

/* Values: in the heap if the lowest five bits of the id are 0, else in the subnode of that id; 0: empty. */
int pst_value_size(struct pst_heap *h, uint32_t hnid, uint64_t *size);
int64_t pst_value_read(struct pst_heap *h, uint32_t hnid, uint64_t offset, void *buf, size_t n);

/* Place of an item in the file, as far as that is known: for reports. */
uint64_t pst_heap_at(const struct pst_heap *h);

/* ---- trees ----------------------------------------------------------------------------------------------------------------------- */

enum { PST_BTH_LEVELS = 4 };

struct pst_bth {
    struct pst_heap *h;
    unsigned key, value, levels; /* bytes of a key and a value; levels above the leaves */
    uint32_t root;
    int depth;                   /* of the walk */
    int begun;
    int lax;                     /* set behind open: go on where keys do not ascend; who asks counts how often */
    uint64_t last;
    uint64_t budget;             /* items: no more than the heap can have */
    struct {
        uint32_t hid, at;
    } stack[PST_BTH_LEVELS + 1];
};

/* hid: its header. Keys are numbers of up to 8 bytes. */
int pst_bth_open(struct pst_heap *h, uint32_t hid, struct pst_bth *out);
/* The next record; value is borrowed from the heap. 1, 0 at the end, -1: it ends here, though there may be more. */
int pst_bth_next(struct pst_bth *b, uint64_t *key, const uint8_t **value);

/* ---- properties ------------------------------------------------------------------------------------------------------------------ */

struct pst_prop {
    uint16_t id, type;
    uint32_t value; /* itself, or where it is */
    uint32_t place; /* its number in the file */
};

struct pst_pc {
    struct pst_heap heap;
    struct pst_prop *props; /* ascending */
    size_t count;
    int cut;                /* not all of it could be read, which was told */
};

/* -1: nothing of it can be read. */
int pst_pc_open(struct pst *p, const struct pst_node *node, struct pst_pc *out);
void pst_pc_close(struct pst_pc *pc);
const struct pst_prop *pst_pc_find(const struct pst_pc *pc, uint16_t id); /* NULL: none */
/* A number of any width; `otherwise` if there is none. */
int64_t pst_pc_int(struct pst_pc *pc, uint16_t id, int64_t otherwise);
/* Bytes of a binary value of at most max bytes; -1: none, or longer. */
int64_t pst_pc_bytes(struct pst_pc *pc, uint16_t id, void *buf, size_t max);

/* ---- tables ---------------------------------------------------------------------------------------------------------------------- */

struct pst_column {
    uint32_t tag;
    uint16_t at; /* in the row */
    uint8_t width, bit;
};

struct pst_tc {
    struct pst_heap heap;
    struct pst_column columns[255];
    unsigned column_count;
    uint16_t ends[4];  /* of the 8- and 4-byte columns, of the 2-byte, of the 1-byte ones, of the row */
    uint32_t hid_rows; /* header of the row index */
    uint32_t rows_at;  /* the value that holds the rows */
    struct pst_data data;
    uint32_t per_block;
    uint32_t row_count; /* rows that the matrix has room for */
};

enum { PST_COLUMN_ROW_ID = 0x67F20003, PST_COLUMN_ROW_VERSION = 0x67F30003 };

int pst_tc_open(struct pst *p, const struct pst_node *node, struct pst_tc *out);
void pst_tc_close(struct pst_tc *t);
/* A walk over the row ids, ascending; the value is the number of the row. */
int pst_tc_index(struct pst_tc *t, struct pst_bth *out);
uint32_t pst_tc_row_number(const struct pst_bth *b, const uint8_t *value);
/* A row of ends[3] bytes; borrowed until the next call with this table. */
int pst_tc_row(struct pst_tc *t, uint32_t number, const uint8_t **row);
/* Is there a value in this column? */
int pst_tc_has(const struct pst_tc *t, const uint8_t *row, const struct pst_column *c);
const struct pst_column *pst_tc_column(const struct pst_tc *t, uint32_t tag); /* NULL */

/* ---- names ----------------------------------------------------------------------------------------------------------------------- */

struct pst_names {
    uint8_t *sets, *entries, *strings; /* the three streams */
    size_t sets_len, entries_len, strings_len;
};

/* Missing or broken names are told; then there are none. */
void pst_names_load(struct pst *p, struct pst_names *out);
void pst_names_free(struct pst_names *n);
/* The id of set and name, or set and number if name is NULL; 0: there is none. */
uint16_t pst_names_find(const struct pst_names *n, const uint8_t set[16], uint32_t number, const char *name);
/* 1 with set and number, or set and name (bytes of UTF-16LE, borrowed); 0. */
int pst_names_get(const struct pst_names *n, uint16_t id, uint8_t set[16], uint32_t *number, const uint8_t **name, size_t *len);

#endif
