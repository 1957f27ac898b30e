/* entry.h - messages in folders: adding, copying, moving, expunging. */
#ifndef CUBBY_MAIL_ENTRY_H
#define CUBBY_MAIL_ENTRY_H

#include "cubby.h"
#include "store/store.h"

#define CUBBY__ZONE_MAX 1439 /* minutes from UTC */

/* Whether cubby__entry_add would take these arguments: asked before the object is logged, so that a refusal leaves nothing behind.
 * options may be NULL. */
int cubby__entry_check(struct cubby__txn *txn, uint64_t folder, const cubby_add_options *options);
/* Puts an object that has been logged (earlier, or in this transaction) into a folder. *uid may be NULL. */
int cubby__entry_add(struct cubby__txn *txn, uint64_t folder, uint64_t object, const cubby_add_options *options, uint32_t *uid);

/* cubby_copy, cubby_move, cubby_expunge. */
int cubby__entry_copy(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to);
int cubby__entry_move(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to);
int cubby__entry_expunge(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, int only_deleted, cubby_uidset **gone);

#endif
