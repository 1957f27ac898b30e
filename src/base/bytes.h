/* bytes.h - integers in bytes: little-endian for files, big-endian for keys. The only way to and from on-disk bytes. */
#ifndef CUBBY_BASE_BYTES_H
#define CUBBY_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define CUBBY__LE16(x) (x)
#define CUBBY__LE32(x) (x)
#define CUBBY__LE64(x) (x)
#define CUBBY__BE32(x) __builtin_bswap32(x)
#else
#define CUBBY__LE16(x) __builtin_bswap16(x)
#define CUBBY__LE32(x) __builtin_bswap32(x)
#define CUBBY__LE64(x) __builtin_bswap64(x)
#define CUBBY__BE32(x) (x)
#endif

static inline uint16_t cubby__get16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof v);
    return CUBBY__LE16(v);
}

static inline uint32_t cubby__get32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return CUBBY__LE32(v);
}

static inline uint64_t cubby__get64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return CUBBY__LE64(v);
}

static inline void cubby__put16(void *p, uint16_t v)
{
    v = CUBBY__LE16(v);
    memcpy(p, &v, sizeof v);
}

static inline void cubby__put32(void *p, uint32_t v)
{
    v = CUBBY__LE32(v);
    memcpy(p, &v, sizeof v);
}

static inline void cubby__put64(void *p, uint64_t v)
{
    v = CUBBY__LE64(v);
    memcpy(p, &v, sizeof v);
}

static inline uint32_t cubby__get32be(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return CUBBY__BE32(v);
}

static inline void cubby__put32be(void *p, uint32_t v)
{
    v = CUBBY__BE32(v);
    memcpy(p, &v, sizeof v);
}

/* Whether n bytes are all zero. */
static inline int cubby__all_zero(const void *p, size_t n)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < n; i++)
        if (b[i])
            return 0;
    return 1;
}

#endif
