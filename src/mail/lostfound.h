/* lostfound.h - what a repair can save of damaged messages: it goes to the folder lost+found, and what cannot be read is expunged where it was. */
#ifndef CUBBY_MAIL_LOSTFOUND_H
#define CUBBY_MAIL_LOSTFOUND_H

#include "mail/orphan.h"
#include "mail/row.h"
#include "mail/spy.h"
#include "store/repair.h"

#define CUBBY__LOST_FOUND "lost+found"

struct cubby__lostfound {
    struct cubby__store *store;
    struct cubby__repairs *told;
    cubby_error *err;
};

/* rc says that something of the segments cannot be read, and not only that a page of the index does not verify: that costs a new index, no message. */
int cubby__lost_for_good(const struct cubby__view *view, int rc);

/* An object that no entry names gets one. */
int cubby__lost_object(struct cubby__lostfound *lf, const struct cubby__orphan *o);
/* Pieces that no object names become a message. */
int cubby__lost_pieces(struct cubby__lostfound *lf, const struct cubby__orphan *pieces, size_t count);
/* What can be read of a message becomes a new one; the old one is expunged. */
int cubby__lost_message(struct cubby__lostfound *lf, uint64_t folder, uint32_t uid);
/* An entry whose object is gone is expunged. */
int cubby__lost_uid(struct cubby__lostfound *lf, const struct cubby__lost_entry *e);

#endif
