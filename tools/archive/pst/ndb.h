/* ndb.h - the node database of a PST or OST file: header, pages, B-trees, blocks, data trees, subnodes. Read-only.
 *
 * Everything in the file is taken for hostile: a place is looked at only if it lies within the file, every walk goes down a bounded number
 * of levels and ahead in its keys, and nothing is allocated by a length that the file claims. Failures are -1, with pst_error; what is
 * wrong but can be read past (a checksum) goes to the problem function. A struct pst belongs to one thread at a time. */
#ifndef CUBBY_TOOLS_PST_NDB_H
#define CUBBY_TOOLS_PST_NDB_H

#include <stddef.h>
#include <stdint.h>

#include "archive/pst/format.h"

/* ---- the file -------------------------------------------------------------------------------------------------------------------- */

enum { PST_ANSI = 0, PST_UNICODE = 1, PST_BIG = 2 /* 4 KiB pages */ };

/* Where things lie in each of the three kinds of file. */
struct pst_shape {
    int kind;
    const char *name;
    uint32_t page, body;        /* bytes of a page; before its trailer */
    uint32_t meta;              /* count and so on of a B-tree page */
    uint32_t id;                /* bytes of a block id, an offset, a key */
    uint32_t inner, node, block; /* entries of B-tree pages; node and block in leaves */
    uint32_t trailer;           /* of a block */
    uint32_t payload;           /* most bytes of a block */
    uint32_t slot;              /* blocks begin and end on it; a bit of an allocation map */
    uint32_t dlist_at, amap_at; /* the first map */
    uint32_t amap_from;         /* where the bits begin in its page */
    uint32_t amap_bytes;
    uint64_t amap_span;
    unsigned hid_index_bits;
    uint32_t sub_header;        /* bytes before the entries of a subnode block */
};

struct pst_ref {
    uint64_t bid, ib;
};

struct pst_header {
    unsigned version, client, crypt, amap_valid;
    uint64_t next_page, next_block; /* ids */
    uint32_t nids[32];
    uint64_t eof, amap_last, amap_free;
    struct pst_ref nbt, bbt;
};

enum { PST_WARNING = 0, PST_DAMAGE = 1 };
/* text: one line, without a place. offset: of the page or block in the file. */
typedef void (*pst_problem_fn)(void *arg, int severity, uint64_t offset, const char *text);

struct pst_page; /* a page and its place */
struct pst_cache;

struct pst {
    int fd;
    uint64_t size; /* of the file */
    const struct pst_shape *shape;
    struct pst_header header;
    struct pst_cache *cache;
    pst_problem_fn problem;
    void *problem_arg;
    int checked;         /* checksums and signatures were looked at already: not to be told again */
    uint64_t told[256]; /* places whose problems were told: each place once, as far as this remembers */
    uint64_t error_at, missing_at;
    char error[256];
    char missing[160]; /* see pst_miss; "": nothing */
};

/* *out is made in any case, for pst_error, and to be closed. -1: no such file, not a PST file, or its header cannot be used. */
int pst_open(const char *path, pst_problem_fn problem, void *arg, struct pst **out);
void pst_close(struct pst **p);
/* Looks for the B-trees if they are not where the header says: reads the whole file. */
void pst_mend(struct pst *p);
/* Of the last failure. */
const char *pst_error(const struct pst *p);
uint64_t pst_error_at(const struct pst *p);

/* Sets the error; -1. */
#define pst_fail(p, offset, ...) (pst_set_error(p, offset, __VA_ARGS__), -1)
void pst_set_error(struct pst *p, uint64_t offset, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Tells a problem, once a place. */
void pst_tell(struct pst *p, int severity, uint64_t offset, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Tells the last error as damage, with the name of what it hit. */
void pst_tell_error(struct pst *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Notes that there may be messages that nothing names any more: what is read of such a file is not all of it. The first reason stays. */
void pst_miss(struct pst *p, uint64_t offset, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Exactly n bytes. */
int pst_pread(struct pst *p, uint64_t offset, void *buf, size_t n);

/* An id, an offset or a key at q: as wide as in this file. */
uint64_t pst_id(const struct pst *p, const uint8_t *q);

/* ---- B-trees --------------------------------------------------------------------------------------------------------------------- */

enum { PST_DEPTH_MAX = 8, PST_PAGE_MAX = 4096 };

struct pst_page {
    uint64_t ib, bid;
    int type;
    uint32_t count, entry, level; /* of a B-tree page */
    uint8_t p[PST_PAGE_MAX];
};

/* Reads and checks a page; type -1: any. The signature and the checksum are told, not failed on. bid 0: not known. */
int pst_page_read(struct pst *p, struct pst_ref ref, int type, struct pst_page *out);
/* The same for a page of a B-tree, with count, entry and level checked; level -1: any. Through the cache; borrowed until the next call. */
int pst_tree_page(struct pst *p, struct pst_ref ref, int type, int level, const struct pst_page **out);
uint64_t pst_entry_key(const struct pst *p, const struct pst_page *page, uint32_t i);
struct pst_ref pst_entry_child(const struct pst *p, const struct pst_page *page, uint32_t i);

struct pst_node { /* also a subnode; then parent is 0 */
    uint32_t nid, parent;
    uint64_t data, sub; /* block ids; 0: none */
};

struct pst_place { /* of a block */
    uint64_t bid, ib;
    uint32_t stored; /* bytes, without padding and trailer */
    uint32_t size;   /* bytes of the payload; another number only if it is compressed */
    uint32_t refs;
};

void pst_node_of(const struct pst *p, const uint8_t *entry, struct pst_node *out);
void pst_place_of(const struct pst *p, const uint8_t *entry, struct pst_place *out);

/* 1, 0: there is none, -1. */
int pst_find_node(struct pst *p, uint32_t nid, struct pst_node *out);
int pst_find_block(struct pst *p, uint64_t bid, struct pst_place *out);

/* All entries of a tree, in order of their keys. */
struct pst_walk {
    struct pst *p;
    int type;       /* PST_PAGE_NBT or PST_PAGE_BBT */
    int depth;
    uint64_t budget; /* pages: no more than the file has */
    uint64_t next;   /* keys below this one are not to come any more */
    struct {
        struct pst_ref ref;
        uint32_t level, at;
    } stack[PST_DEPTH_MAX + 1];
};
void pst_walk_begin(struct pst_walk *w, struct pst *p, int type, uint64_t from);
/* 1 with the entry, borrowed until the next call; 0 at the end; -1: a page cannot be read, it is passed over if one goes on. */
int pst_walk_next(struct pst_walk *w, const uint8_t **entry);

/* ---- blocks ---------------------------------------------------------------------------------------------------------------------- */

struct pst_block {
    uint64_t bid, ib;
    uint32_t len;
    uint8_t *data; /* decoded */
    uint32_t pins; /* the cache's */
    uint64_t used;
};

/* The payload of a block, decoded; kept till it is put back. */
int pst_block_get(struct pst *p, uint64_t bid, struct pst_block **out);
void pst_block_put(struct pst *p, struct pst_block **b);
/* Reads a block from its place, into buf of shape->payload bytes; problems of checksum and signature are told. */
int pst_block_read(struct pst *p, const struct pst_place *at, uint8_t *buf, uint32_t *len);
/* Bytes that it takes in the file, padding and trailer included. */
uint32_t pst_block_extent(const struct pst *p, uint32_t stored);

/* What a block says about the blocks below it. */
struct pst_list {
    int kind, level; /* PST_BLOCK_X or PST_BLOCK_S */
    uint32_t count, entry;
    uint64_t total;  /* X: bytes below */
    const uint8_t *entries;
};
/* kind: which one it has to be; level -1: any. The block is an internal one. */
int pst_list_of(struct pst *p, const struct pst_block *b, int kind, int level, struct pst_list *out);

/* ---- data trees ------------------------------------------------------------------------------------------------------------------ */

struct pst_data {
    struct pst *p;
    uint64_t root;
    int level;        /* 0: root is the data */
    uint64_t size;    /* bytes */
    uint32_t count;   /* blocks */
    uint32_t *ends;   /* of the lists below a root of level 2: blocks up to their end */
    uint32_t lists;
    uint32_t at;      /* where the last read was: block, and its offset */
    uint64_t at_offset;
};
/* bid 0: empty. The struct is fit for pst_data_close in any case. */
int pst_data_open(struct pst *p, uint64_t bid, struct pst_data *out);
void pst_data_close(struct pst_data *d);
/* The i-th block. */
int pst_data_block(struct pst_data *d, uint32_t i, struct pst_block **out);
/* Up to n bytes from an offset on; 0 at the end, -1. Cheap if called in order. */
int64_t pst_data_read(struct pst_data *d, uint64_t offset, void *buf, size_t n);

/* ---- subnodes -------------------------------------------------------------------------------------------------------------------- */

/* root: a node's `sub`. 1, 0, -1. */
int pst_sub_find(struct pst *p, uint64_t root, uint32_t nid, struct pst_node *out);
/* The first one with a nid of at least `from`: 1, 0: there is none, -1. */
int pst_sub_next(struct pst *p, uint64_t root, uint32_t from, struct pst_node *out);

#endif
