#include "archive/variant.h"

#include <string.h>

int variant_fresh_message(cubby_store *store, cubby_message **m)
{
    if (!*m)
        return cubby_message_new(store, m);
    cubby_message_reset(*m);
    return 0;
}

static void put(struct variant *v, const uint8_t *p, size_t n)
{
    digest_add(v->digest, p, n);
    v->size += n;
    if (v->store && v->code == 0 && n)
        v->code = cubby_message_write(v->message, p, n);
}

void variant_add(struct variant *v, const uint8_t *p, size_t n)
{
    if (n >= v->hold) {
        put(v, v->held, v->held_len);
        put(v, p, n - v->hold);
        memcpy(v->held, p + n - v->hold, v->hold);
        v->held_len = v->hold;
        return;
    }
    for (size_t i = 0; i < n; i++) { /* here hold is 2 and n is 1 */
        if (v->held_len == v->hold) {
            put(v, v->held, 1);
            v->held[0] = v->held[1];
            v->held_len--;
        }
        v->held[v->held_len++] = p[i];
    }
}

void variant_begin(struct variant *v, cubby_store *store, cubby_message *reuse, size_t hold)
{
    *v = (struct variant){.store = store, .message = reuse, .digest = digest_new(), .hold = hold};
    if (store)
        v->code = variant_fresh_message(store, &v->message);
}

int variant_matches(const struct variant *v, const struct block *b)
{
    uint8_t hash[16];
    digest_end(v->digest, hash);
    return v->held_len == v->hold && memcmp(v->held, v->hold == 2 ? "\r\n" : "\n", v->hold) == 0 && memcmp(hash, b->hash, 16) == 0;
}
