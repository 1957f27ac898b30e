/* alloc.h - the only door to the heap, so that tests can make any allocation fail. */
#ifndef CUBBY_BASE_ALLOC_H
#define CUBBY_BASE_ALLOC_H

#include <stddef.h>

void *cubby__malloc(size_t n);
void *cubby__calloc(size_t n, size_t size);
void *cubby__realloc(void *p, size_t n);
void cubby__free(void *p);
char *cubby__strdup(const char *s);

#endif
