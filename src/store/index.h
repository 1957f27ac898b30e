/* index.h - what index.c, takeover.c and renew.c share. With the writer lock. */
#ifndef CUBBY_STORE_INDEX_H
#define CUBBY_STORE_INDEX_H

#include "store/internal.h"

/* A new index, of the segments alone, and of what the old one says of numbers. evidence: a commit known to have been synced; seq: of the first checkpoint
 * at least. */
int cubby__index_rebuild(struct cubby__store *s, uint64_t evidence, uint64_t seq, cubby_error *err);
/* Writes the pages of what recovery put into the pending version, and makes it visible. */
int cubby__index_publish_recovered(struct cubby__store *s, cubby_error *err);
/* 1: rc and *err, of something that used the index, say that it must be built anew: it is damaged, or ends before damage that only a rebuild passes
 * over. */
int cubby__index_is_of_no_use(struct cubby__store *s, int rc, const cubby_error *err);
/* X6: removes tmp/old-index, for the new index has a checkpoint. */
void cubby__index_drop_old(struct cubby__store *s);
/* The next checkpoint, of this state in the index of that nonce. */
struct cubby__meta cubby__index_meta(const struct cubby__published *p, uint64_t nonce);
/* X2, X4: a checkpoint may name it. */
int cubby__index_may_checkpoint(const struct cubby__published *p);
/* X7: a sync of this index has failed; all who are attached know it. */
int cubby__index_sync_failed(const struct cubby__store *s);
void cubby__index_set_sync_failed(struct cubby__store *s);
/* renew.c: replaces the index by a copy of the pending version, if that is durable and flushed. On failure the index stays, unless it was found damaged. */
int cubby__index_renew(struct cubby__store *s, cubby_error *err);

#endif
