/* lostfound.h - what a repair can save of damaged messages: it goes to the folder lost+found, and what cannot be read is expunged where it was.
 * When the uids of that are used up, to lost+found_2, and so on (lost+found-2 may be what the folder 2 is called, whose name is lost). */
#ifndef CUBBY_MAIL_LOSTFOUND_H
#define CUBBY_MAIL_LOSTFOUND_H

#include "mail/orphan.h"
#include "mail/row.h"
#include "mail/spy.h"
#include "store/repair.h"

#define CUBBY__LOST_FOUND "lost+found"
enum { CUBBY__LOST_FOLDERS = 1000, CUBBY__LOST_NAME = 16 };

enum { CUBBY__LOST_BATCH = 256 }; /* orphans, or uids, that one transaction sees to */

struct cubby__lostfound {
    struct cubby__store *store;
    struct cubby__repairs *told;
    cubby_error *err;
    char name[CUBBY__LOST_NAME]; /* of the folder that the last transaction has put something into */
    uint8_t *seen; /* hashes of the messages that were in lost+found and the like, sorted, 16 bytes each: of earlier runs, which were interrupted */
    size_t seen_count;
    int seen_read;
    struct cubby__tombs tombs; /* of the folder whose lost uids were expunged last, before that */
};
void cubby__lostfound_release(struct cubby__lostfound *lf);

/* rc says that something of the segments cannot be read, and not only that a page of the index does not verify: that costs a new index, no message. */
int cubby__lost_for_good(const struct cubby__view *view, int rc);

/* Objects that no entry names get one: up to LOST_BATCH. */
int cubby__lost_objects(struct cubby__lostfound *lf, const struct cubby__orphan *o, size_t count);
/* Pieces that no object names, [first, *pos), become a message. Short ones behind them, too, in the same transaction: *pos is behind the last. */
int cubby__lost_pieces(struct cubby__lostfound *lf, const struct cubby__orphans *all, size_t first, size_t *pos);
/* What can be read of a message becomes a new one; the old one is expunged. */
int cubby__lost_message(struct cubby__lostfound *lf, uint64_t folder, uint32_t uid);
/* Entries whose objects are gone are expunged: up to LOST_BATCH. */
int cubby__lost_uids(struct cubby__lostfound *lf, const struct cubby__lost_entry *e, size_t count);

#endif
