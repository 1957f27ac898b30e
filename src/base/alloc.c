#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "cubby.h"

/* Set once, before the first call of the library (cubby_set_allocator); read by all threads after that. */
static cubby_allocator hooks = {malloc, realloc, free};

void cubby_set_allocator(const cubby_allocator *a)
{
    hooks = a ? *a : (cubby_allocator){malloc, realloc, free};
}

void *cubby__malloc(size_t n)
{
    return hooks.malloc(n ? n : 1);
}

void *cubby__calloc(size_t n, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(n, size, &total))
        return NULL;
    void *p = cubby__malloc(total);
    if (p)
        memset(p, 0, total);
    return p;
}

void *cubby__realloc(void *p, size_t n)
{
    return hooks.realloc(p, n ? n : 1);
}

void cubby__free(void *p)
{
    hooks.free(p);
}

char *cubby__strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *p = cubby__malloc(n);
    if (p)
        memcpy(p, s, n);
    return p;
}

void *cubby__grow(void *array, size_t count, size_t *cap, size_t size)
{
    size_t more = *cap ? 2 * *cap : 16, bytes;
    if (count < *cap)
        return array;
    if (__builtin_mul_overflow(more, size, &bytes))
        return NULL;
    void *p = cubby__realloc(array, bytes);
    if (p)
        *cap = more;
    return p;
}
