#include "archive/digest.h"

#include <string.h>
#include <xxhash.h>

#include "cli.h"

static void canonical(XXH128_hash_t h, uint8_t out[16])
{
    XXH128_canonical_t c;
    XXH128_canonicalFromHash(&c, h);
    memcpy(out, c.digest, 16);
}

void digest_of(const void *p, size_t n, uint8_t out[16])
{
    canonical(XXH3_128bits(p, n), out);
}

struct digest *digest_new(void)
{
    XXH3_state_t *s = XXH3_createState();
    if (!s)
        cli_no_memory();
    XXH3_128bits_reset(s);
    return (struct digest *)s;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
    XXH3_128bits_update((XXH3_state_t *)d, p, n);
}

void digest_end(const struct digest *d, uint8_t out[16])
{
    canonical(XXH3_128bits_digest((const XXH3_state_t *)d), out);
}

void digest_free(struct digest **d)
{
    XXH3_freeState((XXH3_state_t *)*d);
    *d = NULL;
}
