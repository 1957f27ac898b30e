/* page.h - a page in memory: counted references, and the hash table by page number that the cache and the unflushed pages share. */
#ifndef CUBBY_TREE_PAGE_H
#define CUBBY_TREE_PAGE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "format/format.h"

/* Flushed (sum set): never changes again, any thread may hold a reference. Unflushed: the writer's alone; while `owner` is the running
 * transaction it changes in place. */
struct cubby__page {
    uint64_t number;
    uint64_t sum;   /* 0: not flushed */
    uint64_t owner; /* the transaction that made it */
    _Atomic uint32_t refs;
    uint8_t recent;    /* CLOCK: used since the hand passed. Under the cache's lock */
    uint8_t permanent; /* lives in no file: never evicted */
    uint8_t ordered;   /* has passed cubby__node_order_problem, or was made of such. The writer's */
    uint16_t last_insert, run; /* hint: cell inserted last, and how many before it came in a row */
    struct cubby__page *chain; /* in a table */
    struct cubby__page *prev, *next; /* in the CLOCK ring */
    uint8_t data[CUBBY__PAGE_SIZE];
};

/* One reference, contents undefined. NULL: out of memory. */
struct cubby__page *cubby__page_new(uint64_t number);

static inline struct cubby__page *cubby__page_ref(struct cubby__page *page)
{
    atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
    return page;
}

/* The last one frees it. NULL is allowed. */
void cubby__page_unref(struct cubby__page *page);

/* Insertions one behind the other show where a split should be. */
static inline void cubby__page_note_insert(struct cubby__page *page, unsigned pos)
{
    page->run = (uint16_t)(pos == page->last_insert + 1u ? page->run + (page->run < UINT16_MAX) : 0);
    page->last_insert = (uint16_t)pos;
}

/* Inserting cannot fail: a table that cannot grow gets slower. */
struct cubby__table {
    struct cubby__page **buckets; /* NULL: only `single` */
    struct cubby__page *single;
    size_t mask, count;
};

struct cubby__page *cubby__table_find(const struct cubby__table *t, uint64_t number);
/* No page with its number is in there. */
void cubby__table_insert(struct cubby__table *t, struct cubby__page *page);
void cubby__table_remove(struct cubby__table *t, struct cubby__page *page);
/* Takes out every page for which fn is not 0, handing it over to fn. */
void cubby__table_sweep(struct cubby__table *t, int (*fn)(void *arg, struct cubby__page *page), void *arg);
void cubby__table_release(struct cubby__table *t); /* frees the buckets only */

#endif
