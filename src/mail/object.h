/* object.h - the OBJECT record: an immutable message without its bodies (FORMAT.md 6.4). */
#ifndef CUBBY_MAIL_OBJECT_H
#define CUBBY_MAIL_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"
#include "store/store.h"

#define CUBBY__STRUCTURE_MAX (4u << 20) /* bytes of an encoded MIME structure */
#define CUBBY__NO_DATE INT64_MIN /* a sent_date: the header has no sensible Date */

/* One stretch of the body, in order: together they are the message behind its stored header. */
struct cubby__piece_ref {
    uint64_t id;
    uint32_t orig_len; /* bytes of the message that it gives */
    uint32_t crlf_len; /* the same with CRLF line ends */
};

struct cubby__object {
    uint64_t id, thread;     /* thread 0: none given yet */
    uint64_t size, crlf_size;
    int64_t sent_date;       /* or CUBBY__NO_DATE */
    uint8_t eol, traits;
    uint8_t hash[16];
    uint64_t header_len;     /* of the message */
    uint32_t stored_header;  /* bytes of the header kept as groups; less than header_len only for enormous headers */
    const uint8_t *runs;     /* see cubby__header_join */
    size_t runs_len;
    uint8_t list_codec;      /* list group: stored bytes */
    uint32_t list_orig_len;
    const uint8_t *list;
    size_t list_len;
    uint64_t rest_piece;     /* 0: no such bytes */
    uint32_t rest_orig_len;
    const uint8_t *pieces;   /* encoded references; cubby__object_piece reads them */
    size_t pieces_len;
    uint64_t piece_count;
    const uint8_t *structure; /* see cubby__structure_decode; codec as the list group's */
    size_t structure_len;
    uint8_t structure_codec;
    uint32_t structure_orig_len;
};

void cubby__object_encode(const struct cubby__object *o, const struct cubby__piece_ref *refs, struct cubby__buf *out);
/* Everything borrowed from p. Checks bounds and that the pieces add up to the size: CUBBY_ECORRUPT. */
int cubby__object_decode(const uint8_t *p, size_t n, struct cubby__object *o);
/* Reads reference by reference: *pos starts at 0; 0 at the end. */
int cubby__object_piece(const struct cubby__object *o, size_t *pos, struct cubby__piece_ref *out);

#endif
