#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

uint64_t cubby__hash64(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

static struct cubby__hash128 canonical(XXH128_hash_t h)
{
    XXH128_canonical_t c;
    struct cubby__hash128 out;
    XXH128_canonicalFromHash(&c, h);
    memcpy(out.b, c.digest, sizeof out.b);
    return out;
}

struct cubby__hash128 cubby__hash128(const void *p, size_t n)
{
    return canonical(XXH3_128bits(p, n));
}

struct cubby__hasher *cubby__hasher_new(void)
{
    XXH3_state_t *s = XXH3_createState();
    if (s)
        XXH3_128bits_reset(s);
    return (struct cubby__hasher *)s;
}

void cubby__hasher_reset(struct cubby__hasher *h)
{
    XXH3_128bits_reset((XXH3_state_t *)h);
}

void cubby__hasher_add(struct cubby__hasher *h, const void *p, size_t n)
{
    XXH3_128bits_update((XXH3_state_t *)h, p, n);
}

struct cubby__hash128 cubby__hasher_end(const struct cubby__hasher *h)
{
    return canonical(XXH3_128bits_digest((const XXH3_state_t *)h));
}

void cubby__hasher_free(struct cubby__hasher **h)
{
    XXH3_freeState((XXH3_state_t *)*h);
    *h = NULL;
}
