/* row.h - the values that the index keeps of messages and objects, as structs and as bytes (FORMAT.md 7.6). */
#ifndef CUBBY_MAIL_ROW_H
#define CUBBY_MAIL_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "format/format.h"
#include "store/store.h"

/* Sorted keyword numbers. */
struct cubby__keywords {
    uint16_t id[CUBBY__KEYWORDS_MAX];
    size_t count;
};

int cubby__same_keywords(const struct cubby__keywords *a, const struct cubby__keywords *b);

#define CUBBY__HAS_KEYWORDS 0x20 /* beside the system flags in the first byte of a value, there and in KS_CHANGE */

/* KS_MESSAGE: (folder, uid) -> everything a scan without headers gives. The first byte of the value is the system flags, so that the uid+flags scan
 * decodes next to nothing. Keywords are a list or a bitmap, whichever is shorter. */
struct cubby__message_row {
    uint8_t flags;
    int16_t zone;
    uint64_t modseq, created;
    int64_t internaldate, save_date, sent_date;
    uint64_t size; /* CRLF */
    uint64_t object, thread;
    struct cubby__place place; /* of the OBJECT frame */
    struct cubby__keywords keywords;
};

/* System flags and keywords. */
int cubby__same_flags(const struct cubby__message_row *a, const struct cubby__message_row *b);

/* KS_OBJECT: object -> where it is and what an ENTRY needs of it without reading it. */
struct cubby__object_row {
    struct cubby__place place;
    uint64_t refs;    /* entries */
    uint64_t stored;  /* bytes of its frames and its pieces' frames: what becomes retained when refs falls to 0 */
    uint64_t size;    /* CRLF */
    uint64_t original; /* as it came */
    int64_t sent_date; /* or CUBBY__NO_DATE (object.h) */
    uint64_t thread;
};

/* KS_PIECE: piece -> place and references. */
struct cubby__piece_row {
    struct cubby__place place;
    uint64_t refs;
    uint32_t orig_len;
};

/* Encode to buf (CUBBY__TREE_VALUE_MAX bytes), return the length. Decode: 0 or CUBBY_ECORRUPT. */
size_t cubby__message_row_encode(const struct cubby__message_row *row, uint8_t *buf);
int cubby__message_row_decode(const uint8_t *p, size_t n, struct cubby__message_row *row);
size_t cubby__object_row_encode(const struct cubby__object_row *row, uint8_t *buf);
int cubby__object_row_decode(const uint8_t *p, size_t n, struct cubby__object_row *row);
size_t cubby__piece_row_encode(const struct cubby__piece_row *row, uint8_t *buf);
int cubby__piece_row_decode(const uint8_t *p, size_t n, struct cubby__piece_row *row);

/* Keys; each writes to buf (CUBBY__TREE_KEY_MAX bytes) and returns the length. */
size_t cubby__key_message(uint8_t *buf, uint64_t folder, uint32_t uid); /* KS, keynum folder, uid as 4 bytes big-endian */
size_t cubby__key_object(uint8_t *buf, uint64_t object);                /* KS, keynum */
size_t cubby__key_entry(uint8_t *buf, uint64_t object, uint64_t folder, uint32_t uid);
size_t cubby__key_piece(uint8_t *buf, uint64_t piece);

#endif
