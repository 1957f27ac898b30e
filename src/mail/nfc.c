#include "mail/nfc.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cubby.h"
#include "mail/name.h"

/* Below it nothing decomposes without composing again, and nothing combines. */
#define PLAIN 0x300
/* A character decomposes into at most so many. */
#define EXPANSION 4

/* Hangul syllables are arithmetic. */
#define S_BASE 0xac00u
#define L_BASE 0x1100u
#define V_BASE 0x1161u
#define T_BASE 0x11a7u
#define L_COUNT 19u
#define V_COUNT 21u
#define T_COUNT 28u
#define S_COUNT (L_COUNT * V_COUNT * T_COUNT)

static int pair_cmp(const void *key, const void *item)
{
    uint32_t a = *(const uint32_t *)key, b = ((const struct cubby__nfc_pair *)item)->composed;
    return (a > b) - (a < b);
}

static int class_cmp(const void *key, const void *item)
{
    uint32_t a = *(const uint32_t *)key;
    const struct cubby__nfc_class *b = item;
    return (a >= b->first + b->count) - (a < b->first);
}

static unsigned class_of(uint32_t c)
{
    if (c < PLAIN)
        return 0;
    const struct cubby__nfc_class *k = bsearch(&c, cubby__nfc_classes, cubby__nfc_class_count, sizeof *k, class_cmp);
    return k ? k->combining : 0;
}

/* Writes the full canonical decomposition of c behind out[n]; returns the new n. */
static size_t decompose(uint32_t c, uint32_t *out, size_t n)
{
    if (c - S_BASE < S_COUNT) {
        uint32_t s = c - S_BASE;
        out[n++] = L_BASE + s / (V_COUNT * T_COUNT);
        out[n++] = V_BASE + s % (V_COUNT * T_COUNT) / T_COUNT;
        if (s % T_COUNT)
            out[n++] = T_BASE + s % T_COUNT;
        return n;
    }
    const struct cubby__nfc_pair *p = bsearch(&c, cubby__nfc_pairs, cubby__nfc_pair_count, sizeof *p, pair_cmp);
    if (!p) {
        out[n++] = c;
        return n;
    }
    n = decompose(p->first, out, n); /* the second never decomposes further than itself */
    return p->second ? decompose(p->second, out, n) : n;
}

/* Runs of combining characters into the order of their classes, otherwise as they are. */
static void reorder(uint32_t *c, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        unsigned k = class_of(c[i]);
        uint32_t v = c[i];
        size_t j = i;
        for (; k && j > 0 && class_of(c[j - 1]) > k; j--)
            c[j] = c[j - 1];
        c[j] = v;
    }
}

/* What two characters compose to, or 0. */
static uint32_t pair_up(uint32_t a, uint32_t b)
{
    if (a - L_BASE < L_COUNT && b - V_BASE < V_COUNT)
        return S_BASE + ((a - L_BASE) * V_COUNT + (b - V_BASE)) * T_COUNT;
    if (a - S_BASE < S_COUNT && (a - S_BASE) % T_COUNT == 0 && b - T_BASE - 1 < T_COUNT - 1)
        return a + (b - T_BASE);
    size_t lo = 0, hi = cubby__nfc_composition_count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct cubby__nfc_pair *p = &cubby__nfc_pairs[cubby__nfc_compositions[mid]];
        if (p->first == a && p->second == b)
            return p->composed;
        if (p->first < a || (p->first == a && p->second < b))
            lo = mid + 1;
        else
            hi = mid;
    }
    return 0;
}

/* In place; returns the new length. A character joins the last starter if nothing between them blocks it. */
static size_t compose(uint32_t *c, size_t n)
{
    size_t out = 0, starter = SIZE_MAX;
    unsigned last = 0; /* class of what was kept last behind the starter */
    for (size_t i = 0; i < n; i++) {
        unsigned k = class_of(c[i]);
        int adjacent = starter != SIZE_MAX && out == starter + 1;
        uint32_t joined = starter != SIZE_MAX && (adjacent || (last < k && last)) ? pair_up(c[starter], c[i]) : 0;
        if (joined) {
            c[starter] = joined;
            continue;
        }
        if (!k)
            starter = out;
        last = k;
        c[out++] = c[i];
    }
    return out;
}

static int write_utf8(const uint32_t *c, size_t count, uint8_t *out, size_t max, size_t *len)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t bytes[4];
        size_t more = cubby__utf8_put(c[i], bytes);
        if (n + more > max)
            return CUBBY_EINVAL;
        memcpy(out + n, bytes, more);
        n += more;
    }
    *len = n;
    return CUBBY_OK;
}

int cubby__nfc(const uint32_t *c, size_t count, uint8_t *out, size_t max, size_t *len)
{
    size_t i = 0, n = 0;
    while (i < count && c[i] < PLAIN)
        i++;
    if (i == count)
        return write_utf8(c, count, out, max, len);
    uint32_t *work = cubby__malloc(count * EXPANSION * sizeof *work);
    if (!work)
        return CUBBY_ENOMEM;
    for (i = 0; i < count; i++)
        n = decompose(c[i], work, n);
    reorder(work, n);
    int rc = write_utf8(work, compose(work, n), out, max, len);
    cubby__free(work);
    return rc;
}
