/* varint.h - unsigned integers of 1 to 10 bytes: seven bits a byte, lowest first, the high bit says that more follow.
 * Signed ones are zigzag-coded. One encoding a value: a longer one than needed is refused. */
#ifndef CUBBY_BASE_VARINT_H
#define CUBBY_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define CUBBY__VARINT_MAX 10

/* Writes v at p (room for CUBBY__VARINT_MAX bytes); returns its length. */
static inline size_t cubby__varint_put(uint8_t *p, uint64_t v)
{
    size_t n = 0;
    while (v >= 0x80) {
        p[n++] = (uint8_t)(v | 0x80);
        v >>= 7;
    }
    p[n++] = (uint8_t)v;
    return n;
}

static inline size_t cubby__varint_len(uint64_t v)
{
    size_t n = 1;
    while (v >= 0x80) {
        v >>= 7;
        n++;
    }
    return n;
}

static inline uint64_t cubby__zigzag(int64_t v)
{
    return ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);
}

static inline int64_t cubby__unzigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* A reader over bytes that may be hostile: after the first fault every get returns 0 and bad stays set, so that a decoder
 * may read a whole record and check once. */
struct cubby__reader {
    const uint8_t *p, *end;
    int bad;
};

static inline struct cubby__reader cubby__reader(const void *p, size_t n)
{
    static const uint8_t nothing[1];
    const uint8_t *at = n ? (const uint8_t *)p : nothing; /* p may be NULL then */
    return (struct cubby__reader){at, at + n, 0};
}

uint64_t cubby__read_varint_slow(struct cubby__reader *r);

static inline uint64_t cubby__read_varint(struct cubby__reader *r)
{
    if (r->p < r->end && *r->p < 0x80)
        return *r->p++;
    return cubby__read_varint_slow(r);
}

/* A varint that must be at most max. */
static inline uint64_t cubby__read_max(struct cubby__reader *r, uint64_t max)
{
    uint64_t v = cubby__read_varint(r);
    if (v <= max)
        return v;
    r->bad = 1;
    r->p = r->end;
    return 0;
}

static inline int64_t cubby__read_signed(struct cubby__reader *r)
{
    return cubby__unzigzag(cubby__read_varint(r));
}

/* n bytes, borrowed from the input; NULL (and bad) if they are not there. */
static inline const uint8_t *cubby__read_bytes(struct cubby__reader *r, size_t n)
{
    if (r->bad || (size_t)(r->end - r->p) < n) {
        r->bad = 1;
        r->p = r->end;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    return p;
}

static inline uint8_t cubby__read_byte(struct cubby__reader *r)
{
    if (!r->bad && r->p < r->end)
        return *r->p++;
    r->bad = 1;
    r->p = r->end;
    return 0;
}

static inline size_t cubby__read_left(const struct cubby__reader *r)
{
    return r->bad ? 0 : (size_t)(r->end - r->p);
}

/* 1: nothing was bad and nothing is left. */
static inline int cubby__read_complete(const struct cubby__reader *r)
{
    return !r->bad && r->p == r->end;
}

#endif
