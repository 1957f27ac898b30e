/* apply.h - the record handlers: the only code that changes mail's keys in the tree, live and in replay alike. */
#ifndef CUBBY_MAIL_APPLY_H
#define CUBBY_MAIL_APPLY_H

#include "store/store.h"

extern const struct cubby__handlers cubby__mail_handlers;

/* What cubby__mail_handlers.apply calls, by record type. */
int cubby__apply_folder(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__apply_mark(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__apply_object(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__apply_piece(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__apply_entry(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__apply_flags(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__apply_expunge(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__apply_annotation(struct cubby__txn *txn, const struct cubby__record *rec);

/* Makes a folder of this id, for messages whose FOLDER record was lost. */
int cubby__apply_lost_folder(struct cubby__txn *txn, const struct cubby__record *rec, uint64_t id);

/* CUBBY_ECORRUPT with the place of the record in the detail. */
int cubby__apply_broken(struct cubby__txn *txn, const struct cubby__record *rec, const char *what);
/* cubby__txn_del, and no error if the key is not there. */
int cubby__apply_del(struct cubby__txn *txn, const void *key, size_t key_len);

/* Takes a message out of its folder: its message and entry rows, and the reference to its object, whose bytes may become retained. The
 * change row and the folder's counters are the caller's. */
struct cubby__message_row;
int cubby__entry_forget(struct cubby__txn *txn, uint64_t folder, uint32_t uid, const struct cubby__message_row *row);

#endif
