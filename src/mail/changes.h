/* changes.h - KS_CHANGE: what changed in a folder since a modseq. */
#ifndef CUBBY_MAIL_CHANGES_H
#define CUBBY_MAIL_CHANGES_H

#include "base/key.h"
#include "cubby.h"
#include "mail/row.h"
#include "store/store.h"

/* A walk over the changes of one folder. Must not move between open and close; the cursor is the view's. */
struct cubby__changes {
    struct cubby__cursor cursor;
    uint8_t prefix[1 + CUBBY__KEYNUM_MAX]; /* of the folder's keys */
    size_t prefix_len;
    uint64_t since;
    int exact, started;
    struct cubby__keywords keywords;
};

/* ENOENT: no such folder; then there is nothing to close. */
int cubby__changes_open(struct cubby__view *view, uint64_t folder, uint64_t since, struct cubby__changes *c);
/* DONE at the end. out->keywords live until the next call. */
int cubby__changes_next(struct cubby__changes *c, cubby_change *out);
void cubby__changes_close(struct cubby__changes *c);

/* Values: of a message, of a range of vanished uids, of a folder (under folder 0). To buf (CUBBY__TREE_VALUE_MAX), return the length. */
size_t cubby__change_message(uint8_t *buf, const struct cubby__message_row *row);
size_t cubby__change_vanished(uint8_t *buf, uint32_t first, uint32_t last);
size_t cubby__change_folder(uint8_t *buf, uint64_t modseq, uint64_t created, int deleted);
/* first, modseq: from the key. 0 or CUBBY_ECORRUPT. Fills kind (NEW for any message), uid, uid_last, modseq, created_modseq, flags, keywords. */
int cubby__change_decode(const uint8_t *p, size_t n, uint64_t modseq, uint32_t first, struct cubby__keywords *k, cubby_change *out);

#endif
