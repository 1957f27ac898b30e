/* resync.h - what clients must hear of when records were lost that had told them something: so that what they hold and what is there agree again, and no
 * uidvalidity has to change for it (P6 of FORMAT.md 9.1). For repair, which has the state as the segments say it. */
#ifndef CUBBY_MAIL_RESYNC_H
#define CUBBY_MAIL_RESYNC_H

#include "mail/row.h"
#include "store/store.h"

/* An EXPUNGE of every uid below uidnext that is not there and that no EXPUNGE has: some ENTRY may have given it, and an EXPUNGE may have taken it
 * back. *ranges: how many stretches of uids that were; 0: nothing was written. One transaction. May be repeated: then there are none. */
int cubby__resync_uids(struct cubby__store *s, uint64_t folder, uint64_t *ranges, cubby_error *err);

/* Keywords that messages may have and that have no definition any more: clients know them by another name. */
struct cubby__unnamed {
    uint8_t bit[CUBBY__KEYWORDS_MAX / 8 + 1];
    int any;
};
int cubby__unnamed_keywords(struct cubby__store *s, struct cubby__unnamed *out, cubby_error *err);

/* The flags of every message whose modseq is at most `through`, or that has an unnamed keyword, logged again as they are: a FLAGS behind them may be
 * lost. *count: the messages. In steps; may be repeated. */
int cubby__resync_flags(struct cubby__store *s, uint64_t folder, uint64_t through, const struct cubby__unnamed *unnamed, uint64_t *count, cubby_error *err);

#endif
