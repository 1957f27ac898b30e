/* folder_row.h - KS_FOLDER: a folder's row with all its counters, and KS_NAME. Inside mail/ only. */
#ifndef CUBBY_MAIL_FOLDER_ROW_H
#define CUBBY_MAIL_FOLDER_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "mail/folder.h"

struct cubby__folder_row {
    int dead;             /* deleted for ever: only commit counts */
    uint64_t commit;      /* of the FOLDER record */
    uint64_t parent;      /* where it is; not rec.parent if that was lost or would make a cycle */
    int displaced;        /* its name is somebody else's: see CUBBY__FOLDER_NAME_MAX */
    uint64_t uidnext, recent_uid, highestmodseq, tombstone_floor;
    uint64_t messages, unseen, deleted, bytes, deleted_bytes;
    const uint8_t *payload; /* the FOLDER record, word for word: a segment header repeats it */
    size_t payload_len;
    struct cubby__folder_rec rec; /* borrowed from it */
};

size_t cubby__folder_row_encode(const struct cubby__folder_row *row, uint8_t *buf);
int cubby__folder_row_decode(const uint8_t *p, size_t n, struct cubby__folder_row *row);
/* buf (CUBBY__TREE_VALUE_MAX bytes) is what the row borrows from. DONE: never heard of; a dead one is found, with `dead`. */
int cubby__folder_row_get(struct cubby__view *view, uint64_t id, uint8_t *buf, struct cubby__folder_row *row);
/* The first one behind *id, dead or not; *id becomes its own. DONE: there is none. */
int cubby__folder_row_next(struct cubby__view *view, uint64_t *id, uint8_t *buf, struct cubby__folder_row *row);
int cubby__folder_row_put(struct cubby__txn *txn, uint64_t id, const struct cubby__folder_row *row);
/* The row of a live folder, or ENOENT with the detail: for operations. */
int cubby__folder_row_need(struct cubby__view *view, uint64_t id, uint8_t *buf, struct cubby__folder_row *row);
/* A message with these flags and this size comes (by 1) or goes (by -1): the counters. Its flags change: it goes with the old ones and comes with the new. */
void cubby__folder_count(struct cubby__folder_row *row, uint8_t flags, uint64_t size, int by);
uint64_t cubby__folder_created(const struct cubby__folder_row *row);
/* The name as shown, to out (CUBBY__FOLDER_NAME_MAX + 1 bytes); returns its length. */
size_t cubby__folder_shown_name(const struct cubby__folder_row *row, char *out);

size_t cubby__key_folder(uint8_t *buf, uint64_t id);                                             /* KS, keynum */
size_t cubby__key_name(uint8_t *buf, uint64_t parent, const char *name, size_t len);             /* KS, keynum parent, name */
size_t cubby__key_change(uint8_t *buf, uint64_t folder, uint64_t modseq, uint32_t uid);          /* KS, keynum, keynum, 4 bytes */
size_t cubby__key_folder_change(uint8_t *buf, uint64_t modseq, uint64_t folder);                 /* KS, keynum 0, keynum, keynum */

/* The id behind a name; DONE. name is as stored. */
int cubby__name_get(struct cubby__view *view, uint64_t parent, const char *name, size_t len, uint64_t *id);
/* A child of parent behind `after` (DONE: none): its name goes to name (CUBBY__FOLDER_NAME_MAX bytes). */
int cubby__name_next(struct cubby__view *view, uint64_t parent, const char *after, size_t after_len, char *name, size_t *name_len, uint64_t *id);

#endif
