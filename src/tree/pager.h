/* pager.h - the inside of a pager, for the files of this layer.
 *
 * T1  A page is known by a link: number, checksum, level, newest birth. A link with a checksum leads to a flushed page, which never changes
 *     again and which any thread may read; a link without one leads to an unflushed page, which only the writer may follow.
 * T2  A transaction changes in place only pages that it made (owner). Every other page is copied to a new number first, so the version it
 *     began with stays whole until the transaction is committed; abort drops what it made.
 * T3  An unflushed page's parent is unflushed, and a page of the running transaction has a parent of the running transaction.
 * T4  A page that no version was ever published with (made and given up inside one transaction, or given up before it was flushed) is free at
 *     once; every other page is given up with its lifetime and waits in alloc.c. */
#ifndef CUBBY_TREE_PAGER_H
#define CUBBY_TREE_PAGER_H

#include "tree/alloc.h"
#include "tree/cache.h"
#include "tree/node.h"
#include "tree/page.h"
#include "tree/tree.h"

struct cubby__link {
    uint64_t page, sum, birth_max;
    unsigned level;
};

static inline struct cubby__link cubby__link_root(const struct cubby__root *root)
{
    return (struct cubby__link){root->page, root->sum, root->commit, root->level};
}

/* Of the child in cell i of a branch. */
static inline struct cubby__link cubby__link_child(const uint8_t *d, unsigned i)
{
    return (struct cubby__link){cubby__branch_page(d, i), cubby__branch_sum(d, i), cubby__node_birth(d), cubby__node_level(d) - 1};
}

struct cubby__given_up { /* by the running transaction */
    uint64_t page, birth;
};

/* From the root (0) to a leaf. Holds a reference to every page. */
struct cubby__path {
    unsigned depth; /* 0: none */
    int owned;      /* all of them are the running transaction's */
    struct {
        struct cubby__page *page;
        unsigned index; /* the child taken */
    } at[CUBBY__TREE_DEPTH_MAX];
};

struct cubby__tree_txn {
    int active;
    uint64_t id;       /* never given twice in this pager; 0 is nobody */
    uint64_t commit;
    struct cubby__root base, root;
    struct cubby__given_up *given_up;
    size_t given_up_len, given_up_cap;
    uint8_t *spilled;  /* a bit a page: made by this transaction and written already */
    size_t spilled_len;
    struct cubby__path path; /* to the leaf changed last, while it is owned: makes runs of puts cheap */
};

struct cubby__pager {
    const cubby_vfs *vfs;
    cubby_file *file; /* NULL: memory only */
    char *path;
    int writable;
    uint64_t nonce, salt;
    uint8_t uuid[16];
    struct cubby__cache cache;
    /* The writer's. */
    struct cubby__table dirty; /* unflushed pages, of the running and of committed transactions */
    struct cubby__page_alloc alloc;
    struct cubby__tree_txn txn;
    struct cubby__page *spares; /* so that a change that has begun needs no memory */
    unsigned spare_count;
    uint64_t room; /* pages that the file is known to have room for */
    _Atomic uint64_t dirty_pages, pages_written;
    _Atomic int damaged; /* a page that was asked for did not verify */
};

/* ---- pager.c ---- */

/* The page of a link, verified, with a reference. */
int cubby__pager_get(struct cubby__pager *p, struct cubby__link link, struct cubby__page **out, cubby_error *err);
/* The same for a reader of a version that may be taken away; lease may be NULL. */
int cubby__pager_get_leased(struct cubby__pager *p, struct cubby__link link, const struct cubby__lease *lease, struct cubby__page **out, cubby_error *err);
/* Past the cache: what the file holds now. No file, or a page that lives in none: like cubby__pager_get. */
int cubby__pager_get_fresh(struct cubby__pager *p, struct cubby__link link, struct cubby__page **out, cubby_error *err);
int cubby__pager_corrupt(const struct cubby__pager *p, cubby_error *err, uint64_t page, const char *problem);
/* The same for a page that verifies and must not be all the same: the index is damaged. */
int cubby__pager_refuse(struct cubby__pager *p, cubby_error *err, uint64_t page, const char *problem);

/* ---- meta.c ---- */

/* The first slot of a new file: its nonce. */
void cubby__meta_label(const struct cubby__pager *p, uint8_t *page);

/* ---- tree.c: pages of the running transaction ---- */

/* Takes memory for so many new pages and so many given up ones, so that the calls below cannot fail. */
int cubby__txn_reserve(struct cubby__pager *p, unsigned pages, unsigned given_up, cubby_error *err);
/* An unflushed page of the transaction, without cells, or as a copy of `from`. The table holds the reference. */
struct cubby__page *cubby__txn_new(struct cubby__pager *p, unsigned level);
struct cubby__page *cubby__txn_copy(struct cubby__pager *p, const struct cubby__page *from);
/* The transaction's tree does not contain this page any more. */
void cubby__txn_give_up(struct cubby__pager *p, struct cubby__page *page);
void cubby__path_release(struct cubby__path *path);

static inline int cubby__txn_owns(const struct cubby__pager *p, const struct cubby__page *page)
{
    return page->sum == 0 && page->owner == p->txn.id;
}

/* ---- modify.c ---- */

/* Of the page at depth l of the path. Good until a page above it changes. */
struct cubby__bounds cubby__path_bounds(const struct cubby__path *path, unsigned l);
/* Before anything of a page is changed, or goes to another page. ECORRUPT: its cells overlap, or its keys are out of order or out of bounds. */
int cubby__txn_may_change(struct cubby__pager *p, struct cubby__page *page, struct cubby__bounds bounds, cubby_error *err);

/* ---- flush.c ---- */

/* An unflushed page became clean or went away. */
void cubby__dirty_remove(struct cubby__pager *p, struct cubby__page *page);

/* ---- balance.c: the path is owned; it is released if the shape of the tree changes ---- */

/* Puts a cell at place pos of the leaf where the path ends, which is too full for it. Reserved: depth + 1 pages. */
void cubby__tree_split(struct cubby__pager *p, unsigned pos, const uint8_t *cell, size_t len);
/* After a removal from the leaf: joins pages that got too small, removes empty ones. */
int cubby__tree_shrink(struct cubby__pager *p, cubby_error *err);

#endif
