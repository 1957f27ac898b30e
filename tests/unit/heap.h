/* heap.h - an allocator that fails where a test says so: heap_install() first, then heap_fail(n, forever). Counts what is not freed. */
#ifndef CUBBY_TESTS_HEAP_H
#define CUBBY_TESTS_HEAP_H

#include <stdatomic.h>
#include <stdlib.h>

#include "cubby.h"

static struct {
    int after, armed, forever, hits; /* so many allocations succeed, then one fails, or all */
    atomic_long live;
} heap;

static inline int heap_due(void)
{
    if (!heap.armed || heap.after-- > 0)
        return 0;
    heap.hits++;
    heap.armed = heap.forever;
    heap.after = 0;
    return 1;
}

static inline void *heap_malloc(size_t n)
{
    void *p = heap_due() ? NULL : malloc(n);
    heap.live += p != NULL;
    return p;
}

static inline void *heap_realloc(void *old, size_t n)
{
    void *p = heap_due() ? NULL : realloc(old, n);
    heap.live += p && !old;
    return p;
}

static inline void heap_free(void *p)
{
    heap.live -= p != NULL;
    free(p);
}

static inline void heap_install(void)
{
    static const cubby_allocator a = {heap_malloc, heap_realloc, heap_free};
    cubby_set_allocator(&a);
}

static inline void heap_fail(int after, int forever)
{
    heap.after = after;
    heap.forever = forever;
    heap.hits = 0;
    heap.armed = 1;
}

/* How often it has failed since then. */
static inline int heap_works(void)
{
    heap.armed = 0;
    return heap.hits;
}

#endif
