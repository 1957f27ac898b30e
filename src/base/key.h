/* key.h - integers inside index keys: one byte that says how many follow (0 to 8), then those, big-endian, no leading zero.
 * Compares as bytes in the order of the numbers; small numbers are short. */
#ifndef CUBBY_BASE_KEY_H
#define CUBBY_BASE_KEY_H

#include <stddef.h>
#include <stdint.h>

#define CUBBY__KEYNUM_MAX 9

static inline size_t cubby__keynum_put(uint8_t *p, uint64_t v)
{
    size_t n = v ? (size_t)(71 - __builtin_clzll(v)) / 8 : 0;
    p[0] = (uint8_t)n;
    for (size_t i = 0; i < n; i++)
        p[1 + i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    return 1 + n;
}

/* Length used, or 0 if the bytes are no such number. */
static inline size_t cubby__keynum_get(const uint8_t *p, size_t len, uint64_t *v)
{
    if (len < 1 || p[0] > 8 || len < 1u + p[0] || (p[0] && !p[1]))
        return 0;
    *v = 0;
    for (size_t i = 1; i <= p[0]; i++)
        *v = *v << 8 | p[i];
    return 1u + p[0];
}

#endif
