/* alloc.h - the only door to the heap, so that tests can make any allocation fail. */
#ifndef CUBBY_BASE_ALLOC_H
#define CUBBY_BASE_ALLOC_H

#include <stddef.h>

/* As those of the C library, except that 0 bytes are never NULL. */
void *cubby__malloc(size_t n);
void *cubby__calloc(size_t n, size_t size);
void *cubby__realloc(void *p, size_t n);
void cubby__free(void *p);
char *cubby__strdup(const char *s);

/* An array of `count` elements of `size` bytes, with room for *cap, gets room for one more: returns where it is now. NULL: out of memory, and the
 * array is as it was. */
void *cubby__grow(void *array, size_t count, size_t *cap, size_t size);

#endif
