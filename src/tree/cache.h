/* cache.h - the bounded cache of verified, flushed pages. Any thread; a lock per shard, held for a few instructions.
 *
 * A page is found only by number and checksum together, so a page that was overwritten since (by this or another process) is never
 * taken for its successor. Pages that live in no file (permanent) are held beside the bound. */
#ifndef CUBBY_TREE_CACHE_H
#define CUBBY_TREE_CACHE_H

#include <pthread.h>

#include "tree/page.h"

struct cubby__cache_shard {
    pthread_mutex_t lock;
    struct cubby__table table;
    struct cubby__page *hand; /* CLOCK ring of the pages that may be evicted */
    size_t ring, limit;       /* pages in it, at most (but for pages in use) */
    char pad[64];             /* neighbours' locks in other cache lines */
};

struct cubby__cache {
    struct cubby__cache_shard *shards;
    unsigned count; /* a power of two */
};

int cubby__cache_init(struct cubby__cache *c, size_t bytes); /* CUBBY_ENOMEM */
/* All references to pages have been given back. */
void cubby__cache_release(struct cubby__cache *c);

/* A reference, or NULL. */
struct cubby__page *cubby__cache_find(struct cubby__cache *c, uint64_t number, uint64_t sum);
/* Takes over the caller's reference to a flushed page, in place of any page with its number. */
void cubby__cache_insert(struct cubby__cache *c, struct cubby__page *page);
/* The same for a page just read, of which the caller keeps a reference: returned, it is this page or the same one that came earlier. */
struct cubby__page *cubby__cache_share(struct cubby__cache *c, struct cubby__page *page);
/* A reference to the permanent page of that number and checksum, or NULL. */
struct cubby__page *cubby__cache_find_permanent(struct cubby__cache *c, uint64_t number, uint64_t sum);
size_t cubby__cache_pages(struct cubby__cache *c);

#endif
