/* content.h - what the structure of a message hangs on: Content-Type (RFC 2045 5.1, RFC 2231) and Content-Transfer-Encoding. */
#ifndef CUBBY_MIME_CONTENT_H
#define CUBBY_MIME_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#define CUBBY__BOUNDARY_MAX 255 /* RFC 2046 allows 70; a longer one than this is none */

struct cubby__content_type {
    uint8_t kind;   /* CUBBY_PART_...: MULTIPART only with a boundary */
    uint8_t digest; /* multipart/digest: children are messages unless they say otherwise */
    uint8_t boundary_len;
    uint8_t boundary[CUBBY__BOUNDARY_MAX];
};

/* From the field's value; whatever it is, *out is filled in: what cannot be read is a leaf. */
void cubby__content_type_parse(const uint8_t *value, size_t len, struct cubby__content_type *out);

/* CUBBY_CTE_... */
uint8_t cubby__content_encoding_parse(const uint8_t *value, size_t len);

#endif
