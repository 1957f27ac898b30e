/* records.h - payloads of the records that carry state: structs to bytes and back (FORMAT.md 6.2). OBJECT: object.h.
 *
 * Encoders append to a buffer and cannot fail but for memory (buf.failed). Decoders borrow from their input, check every bound and return
 * CUBBY_ECORRUPT for whatever the encoder does not write. */
#ifndef CUBBY_MAIL_RECORDS_H
#define CUBBY_MAIL_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/varint.h"
#include "mail/row.h"

/* Bytes of extensions that a FOLDER may carry: with the name they must fit into an index value. */
#define CUBBY__FOLDER_EXT_MAX 256
/* A record that would grow beyond this is split. */
#define CUBBY__RECORD_SPLIT (1u << 20)

struct cubby__folder_rec {
    uint64_t id;
    int deleted;      /* then nothing else counts */
    uint64_t parent;
    uint32_t uidvalidity;
    uint32_t special_use;
    uint64_t attributes; /* reserved: 0 */
    uint64_t created; /* commit that made the folder; 0: this one */
    const char *name;
    size_t name_len;
    const uint8_t *ext;
    size_t ext_len;
};

/* Every field merges by maximum, so 0 says nothing. */
struct cubby__mark_rec {
    uint64_t folder, uidnext, highestmodseq, tombstone_floor, recent_uid;
};

struct cubby__entry_rec {
    uint64_t folder;
    uint32_t uid;
    uint64_t object;
    int64_t internaldate, save_date;
    int16_t zone;
    uint8_t flags;
    const uint8_t *ext;
    size_t ext_len;
};

struct cubby__keyword_rec {
    uint16_t id;
    const char *name;
    size_t name_len;
};

struct cubby__subscription_rec {
    int on;
    const char *path; /* components, each followed by a NUL */
    size_t path_len;
};

void cubby__folder_encode(const struct cubby__folder_rec *r, struct cubby__buf *out);
int cubby__folder_decode(const uint8_t *p, size_t n, struct cubby__folder_rec *r);
void cubby__mark_encode(const struct cubby__mark_rec *r, struct cubby__buf *out);
int cubby__mark_decode(const uint8_t *p, size_t n, struct cubby__mark_rec *r);
void cubby__entry_encode(const struct cubby__entry_rec *r, const struct cubby__keywords *k, struct cubby__buf *out);
int cubby__entry_decode(const uint8_t *p, size_t n, struct cubby__entry_rec *r, struct cubby__keywords *k);
void cubby__keyword_encode(const struct cubby__keyword_rec *r, struct cubby__buf *out);
int cubby__keyword_decode(const uint8_t *p, size_t n, struct cubby__keyword_rec *r);
void cubby__subscription_encode(const struct cubby__subscription_rec *r, struct cubby__buf *out);
int cubby__subscription_decode(const uint8_t *p, size_t n, struct cubby__subscription_rec *r);

/* Sorted keyword numbers as bytes: `n << 1` and n differences, or `bytes << 1 | 1` and a bitmap (bit id - 1), whichever is shorter. */
#define CUBBY__KEYWORDS_BYTES (CUBBY__KEYWORDS_MAX / 8 + 2)
size_t cubby__keywords_put(const struct cubby__keywords *k, uint8_t *p); /* CUBBY__KEYWORDS_BYTES of room; returns the length */
void cubby__keywords_read(struct cubby__reader *r, struct cubby__keywords *k);

/* Uid ranges as bytes: ascending, disjoint, not adjacent; each is its distance from the end of the one before, and its length - 1. */
struct cubby__ranges {
    uint64_t last; /* of the range before; 0: none */
};
void cubby__range_put(struct cubby__ranges *s, uint32_t first, uint32_t last, struct cubby__buf *out);
void cubby__range_read(struct cubby__ranges *s, struct cubby__reader *r, uint32_t *first, uint32_t *last);

/* FLAGS: the head, then runs to the end. A run: system flags, keywords, number of ranges, ranges. */
void cubby__flags_head(uint64_t folder, struct cubby__buf *out); /* principal 0 */
void cubby__flags_run_put(uint8_t flags, const struct cubby__keywords *k, uint32_t first, uint32_t last, struct cubby__buf *out); /* a run of one range */
int cubby__flags_decode(const uint8_t *p, size_t n, uint64_t *folder, uint64_t *principal, struct cubby__reader *runs);
/* The head of the next run; its ranges follow with cubby__range_read from a fresh state. CUBBY_DONE at the end. */
int cubby__flags_run(struct cubby__reader *runs, uint8_t *flags, struct cubby__keywords *k, uint64_t *ranges);
/* Reads all of it: 0, or CUBBY_ECORRUPT. So that a handler that starts does not stop half-way. */
int cubby__flags_valid(struct cubby__reader runs);

/* EXPUNGE: the head, then ranges to the end. */
void cubby__expunge_head(uint64_t folder, int64_t time, struct cubby__buf *out);
void cubby__expunge_encode(uint64_t folder, int64_t time, uint32_t uid, struct cubby__buf *out); /* all of it, for one uid */
int cubby__expunge_decode(const uint8_t *p, size_t n, uint64_t *folder, int64_t *time, struct cubby__reader *ranges);

#endif
