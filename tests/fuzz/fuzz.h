/* fuzz.h - what the fuzz targets share: an input taken piece by piece, and what must hold. A target is LLVMFuzzerTestOneInput; libFuzzer calls it, or
 * replay.c, which runs the corpus in `make check`. */
#ifndef CUBBY_TESTS_FUZZ_H
#define CUBBY_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define must(holds)                                                                  \
    do {                                                                             \
        if (!(holds)) {                                                              \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #holds); \
            abort();                                                                 \
        }                                                                            \
    } while (0)

/* Bytes not yet taken; zeros behind the end. */
struct input {
    const uint8_t *p;
    size_t n;
};

static inline uint64_t take(struct input *in, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes && in->n; i++, in->p++, in->n--)
        v |= (uint64_t)*in->p << 8 * i;
    return v;
}

/* Up to n bytes, borrowed. */
static inline struct input take_bytes(struct input *in, size_t n)
{
    struct input out = {in->p, n < in->n ? n : in->n};
    in->p += out.n;
    in->n -= out.n;
    return out;
}

/* A copy that ends where the heap block ends, so that a read behind it is seen. Owner: the caller, free(). */
static inline void *exact_copy(const void *p, size_t n)
{
    void *copy = malloc(n ? n : 1);
    must(copy != NULL);
    if (n)
        memcpy(copy, p, n);
    return copy;
}

/* The same as a string. */
static inline char *string_copy(const void *p, size_t n)
{
    char *copy = malloc(n + 1);
    must(copy != NULL);
    if (n)
        memcpy(copy, p, n);
    copy[n] = '\0';
    return copy;
}

#endif
