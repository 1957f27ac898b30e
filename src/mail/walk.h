/* walk.h - the message rows of a folder whose uids are in a set, ascending. */
#ifndef CUBBY_MAIL_WALK_H
#define CUBBY_MAIL_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/key.h"
#include "mail/row.h"
#include "mail/uidset.h"
#include "store/store.h"

/* Must not move while open; in a transaction it is closed before the next change. */
struct cubby__walk {
    struct cubby__cursor cursor;
    uint8_t key[1 + CUBBY__KEYNUM_MAX + 4]; /* prefix and a uid */
    size_t prefix_len;
    const cubby_uidset *uids; /* NULL: all */
    size_t range;             /* of uids */
    uint64_t next, last;      /* uids wanted still */
    struct cubby__slice value; /* of the row it stands on */
    uint32_t uid;
};

/* Rows with first <= uid <= last and in uids (NULL: all). Nothing is read yet. */
void cubby__walk_open(struct cubby__walk *w, const struct cubby__view *view, uint64_t folder, const cubby_uidset *uids, uint32_t first,
                      uint32_t last);
/* To the next row: uid and value. DONE at the end. */
int cubby__walk_next(struct cubby__walk *w);
void cubby__walk_close(struct cubby__walk *w);

/* Rows read ahead of changes. */
#define CUBBY__BATCH 256
struct cubby__batch {
    uint32_t uid[CUBBY__BATCH];
    uint32_t off[CUBBY__BATCH + 1]; /* of the value in bytes; the next one is its end */
    size_t count;
    struct cubby__buf bytes;
    uint64_t next; /* where the next batch starts */
};
/* The first rows in [next, last] and in uids; DONE if there is none. next: 0 before the first call. */
int cubby__batch_read(struct cubby__batch *b, const struct cubby__view *view, uint64_t folder, const cubby_uidset *uids, uint32_t last);
/* Row i of the batch, decoded. ECORRUPT with the detail. */
int cubby__batch_row(const struct cubby__batch *b, size_t i, const struct cubby__view *view, uint64_t folder, struct cubby__message_row *row);
void cubby__batch_release(struct cubby__batch *b);

/* The row of one message. DONE: it is not there; ECORRUPT with the detail. */
int cubby__message_row_get(struct cubby__view *view, uint64_t folder, uint32_t uid, struct cubby__message_row *row);
/* Decodes a message row; ECORRUPT with the detail. */
int cubby__walk_row(const struct cubby__view *view, struct cubby__slice value, uint64_t folder, uint32_t uid, struct cubby__message_row *row);

#endif
