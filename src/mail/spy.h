/* spy.h - the record handlers, and beside them a list of what had no place: for check and repair, which rebuild with these. */
#ifndef CUBBY_MAIL_SPY_H
#define CUBBY_MAIL_SPY_H

#include "mail/tomb.h"
#include "store/repair.h"
#include "store/store.h"

/* An ENTRY whose object was not there: 48 bytes, and it takes that in the log, too. So the lists are never longer than such records of the log. */
struct cubby__lost_entry {
    uint64_t folder, object, commit;
    uint32_t uid;
    struct cubby__place place;
};

struct cubby__spy {
    struct cubby__handlers h; /* first: how the handlers find the rest */
    struct cubby__lost_entry *entries;
    size_t entry_count, entry_cap;
    struct cubby__misfit *broken; /* records that break their format */
    size_t broken_count, broken_cap;
};

void cubby__spy_init(struct cubby__spy *spy);
void cubby__spy_forget(struct cubby__spy *spy);
void cubby__spy_release(struct cubby__spy *spy);

/* Puts the entries in the order of folders and uids, each uid once (as the last commit has it), so that they can be asked about one by one. */
void cubby__spy_sort(struct cubby__spy *spy);
int cubby__spy_has(const struct cubby__spy *spy, uint64_t folder, uint32_t uid); /* once they are in order */
/* Is this one still lost at the end: its folder is there, its uid is not, and no EXPUNGE has it? OK: yes. DONE: no. tombs: the same for all. */
int cubby__spy_still_lost(struct cubby__view *view, struct cubby__tombs *tombs, const struct cubby__lost_entry *e);

#endif
