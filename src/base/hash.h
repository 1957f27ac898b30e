/* hash.h - xxHash behind names that say what for. A checksum is never an identity. */
#ifndef CUBBY_BASE_HASH_H
#define CUBBY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* XXH3-64 of n bytes with a seed (0: the plain one). */
uint64_t cubby__hash64(const void *p, size_t n, uint64_t seed);

/* A 128-bit XXH3, in the canonical (big-endian) byte order in which people print it. */
struct cubby__hash128 {
    uint8_t b[16];
};

struct cubby__hash128 cubby__hash128(const void *p, size_t n);

/* The same, fed in pieces. Owner frees. */
struct cubby__hasher;
struct cubby__hasher *cubby__hasher_new(void); /* NULL: out of memory */
void cubby__hasher_reset(struct cubby__hasher *h);
void cubby__hasher_add(struct cubby__hasher *h, const void *p, size_t n);
struct cubby__hash128 cubby__hasher_end(const struct cubby__hasher *h);
void cubby__hasher_free(struct cubby__hasher **h);

#endif
