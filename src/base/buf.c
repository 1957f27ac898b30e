#include "base/buf.h"

#include <string.h>

#include "base/alloc.h"
#include "base/varint.h"

void cubby__buf_release(struct cubby__buf *b)
{
    cubby__free(b->data);
    *b = CUBBY__BUF_INIT;
}

void cubby__buf_clear(struct cubby__buf *b)
{
    b->len = 0;
    b->failed = 0;
}

uint8_t *cubby__buf_reserve(struct cubby__buf *b, size_t n)
{
    size_t need;
    if (b->failed || __builtin_add_overflow(b->len, n, &need))
        goto fail;
    if (need > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < need && cap < SIZE_MAX / 2)
            cap *= 2;
        uint8_t *data = cubby__realloc(b->data, cap < need ? need : cap);
        if (!data)
            goto fail;
        b->data = data;
        b->cap = cap < need ? need : cap;
    }
    return b->data + b->len;
fail:
    b->failed = 1;
    return NULL;
}

uint8_t *cubby__buf_extend(struct cubby__buf *b, size_t n)
{
    uint8_t *p = cubby__buf_reserve(b, n);
    if (p)
        b->len += n;
    return p;
}

void cubby__buf_add(struct cubby__buf *b, const void *p, size_t n)
{
    uint8_t *to = n ? cubby__buf_extend(b, n) : NULL;
    if (to)
        memcpy(to, p, n);
}

void cubby__buf_byte(struct cubby__buf *b, uint8_t v)
{
    cubby__buf_add(b, &v, 1);
}

void cubby__buf_varint(struct cubby__buf *b, uint64_t v)
{
    uint8_t tmp[CUBBY__VARINT_MAX];
    cubby__buf_add(b, tmp, cubby__varint_put(tmp, v));
}

void cubby__buf_signed(struct cubby__buf *b, int64_t v)
{
    cubby__buf_varint(b, cubby__zigzag(v));
}
