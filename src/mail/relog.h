/* relog.h - what a sound index still knows and damaged segments do not say any more, logged again. */
#ifndef CUBBY_MAIL_RELOG_H
#define CUBBY_MAIL_RELOG_H

#include "store/store.h"

/* s has an index that is whole (cubby__index_is_whole); fresh is what the segments say, read when commit `known` was there. Others may write meanwhile.
 * Logs the difference: folders, keywords, subscriptions, annotations, entries of objects that are there, flags, expunges. After that a rebuild comes to
 * the state of the index, but for messages whose objects are lost: their uids are expunged. *records: how many were logged. May be repeated. */
int cubby__relog(struct cubby__store *s, struct cubby__store *fresh, uint64_t known, uint64_t *records, cubby_error *err);
/* The same with an index that knows a part (CUBBY__INDEX_PART): only entries that the segments lack, of objects that are there, unless the segments know
 * that the uid was expunged or the folder deleted; and their folders. */
int cubby__relog_entries(struct cubby__store *s, struct cubby__store *fresh, uint64_t known, uint64_t *records, cubby_error *err);

#endif
