/* buf.h - a growing byte buffer. A failed growth sets `failed` and makes every later call a no-op, so that an encoder
 * may write a whole record and check once. */
#ifndef CUBBY_BASE_BUF_H
#define CUBBY_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct cubby__buf {
    uint8_t *data;
    size_t len, cap;
    int failed; /* out of memory */
};

#define CUBBY__BUF_INIT ((struct cubby__buf){0})

void cubby__buf_release(struct cubby__buf *b); /* frees the bytes; the buffer is empty and usable again */
void cubby__buf_clear(struct cubby__buf *b);   /* length 0, memory kept, failed reset */
/* Room for n more bytes; returns where they go, or NULL. Does not change len. */
uint8_t *cubby__buf_reserve(struct cubby__buf *b, size_t n);
/* n more bytes, uninitialised; returns them, or NULL. */
uint8_t *cubby__buf_extend(struct cubby__buf *b, size_t n);
void cubby__buf_add(struct cubby__buf *b, const void *p, size_t n);
void cubby__buf_byte(struct cubby__buf *b, uint8_t v);
void cubby__buf_varint(struct cubby__buf *b, uint64_t v);
void cubby__buf_signed(struct cubby__buf *b, int64_t v);

#endif
