#include "base/hash.h"

#include <string.h>

#define XXH_STATIC_LINKING_ONLY /* the size of a state */
#include <xxhash.h>

#include "base/alloc.h"

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

/* The state wants its place aligned, and its own constructor would allocate past our hooks. Another version of the library may want some more room. */
enum { STATE_MAX = 1024, STATE_ALIGN = 64 };
_Static_assert(sizeof(XXH3_state_t) <= STATE_MAX && _Alignof(XXH3_state_t) <= STATE_ALIGN, "the state fits");

struct cubby__hasher {
    XXH3_state_t *state; /* within room */
    uint8_t room[STATE_MAX + STATE_ALIGN];
};

struct cubby__hasher *cubby__hasher_new(void)
{
    struct cubby__hasher *h = cubby__calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->state = (XXH3_state_t *)(void *)(h->room + (STATE_ALIGN - (uintptr_t)h->room % STATE_ALIGN) % STATE_ALIGN);
    XXH3_128bits_reset(h->state);
    return h;
}

void cubby__hasher_reset(struct cubby__hasher *h)
{
    XXH3_128bits_reset(h->state);
}

void cubby__hasher_add(struct cubby__hasher *h, const void *p, size_t n)
{
    XXH3_128bits_update(h->state, p, n);
}

struct cubby__hash128 cubby__hasher_end(const struct cubby__hasher *h)
{
    return canonical(XXH3_128bits_digest(h->state));
}

void cubby__hasher_free(struct cubby__hasher **h)
{
    cubby__free(*h);
    *h = NULL;
}
