/* structure.h - the MIME structure of a message, found while its bytes stream by (RFC 2045, 2046).
 *
 * Offsets count bytes of the message as it came. Bounded: at most CUBBY__MIME_PARTS_MAX parts, CUBBY__MIME_DEPTH_MAX deep,
 * CUBBY__MIME_FIELDS_MAX bytes of kept fields; beyond that the rest is one leaf. Memory and time do not depend on line lengths or on
 * the number of open boundaries times lines (no quadratic work). */
#ifndef CUBBY_MIME_STRUCTURE_H
#define CUBBY_MIME_STRUCTURE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"

struct cubby__scanner;

struct cubby__structure {
    const cubby_part *parts; /* parts[i].fields point into the scanner, or into what cubby__structure_decode was given */
    size_t count;
    uint64_t size;       /* bytes */
    uint64_t crlf_size;  /* with every bare LF as CRLF: RFC822.SIZE. A bare CR stays one byte */
    uint64_t header_len; /* of the whole message, with the empty line */
    uint8_t eol;         /* CUBBY_EOL_... */
    uint8_t traits;      /* CUBBY_HAS_... */
};

/* Owner frees. NULL: out of memory. */
struct cubby__scanner *cubby__scanner_new(void);
void cubby__scanner_reset(struct cubby__scanner *s);
void cubby__scanner_free(struct cubby__scanner **s);
/* CUBBY_ENOMEM, else 0: any bytes are a message. */
int cubby__scanner_add(struct cubby__scanner *s, const void *data, size_t n);
/* 1 once the empty line that ends the message's own header has been seen; *len is then its length. */
int cubby__scanner_header_done(const struct cubby__scanner *s, uint64_t *len);
/* After the last byte; *out lives until reset. */
int cubby__scanner_end(struct cubby__scanner *s, struct cubby__structure *out);

/* Parts to bytes and back (FORMAT.md "MIME structure"). Decode allocates *parts (owner: the caller, cubby__free); fields point into `in`. Refuses
 * parts that lie outside the message of `size` bytes, wrong order, too many: CUBBY_ECORRUPT. */
void cubby__structure_encode(const struct cubby__structure *s, struct cubby__buf *out);
int cubby__structure_decode(const uint8_t *in, size_t n, uint64_t size, cubby_part **parts, size_t *count);

#endif
