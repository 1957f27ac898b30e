/* incoming.h - a message on its way in: bytes in any chunks become the list group, pieces and an OBJECT, in bounded memory and with no
 * lock held (FORMAT.md "Messages"). */
#ifndef CUBBY_MAIL_INCOMING_H
#define CUBBY_MAIL_INCOMING_H

#include <stddef.h>
#include <stdint.h>

#include "cubby.h"
#include "mail/object.h"
#include "store/store.h"

struct cubby__incoming;

/* Owner frees; before the store is closed. */
int cubby__incoming_new(struct cubby__store *s, struct cubby__incoming **out, cubby_error *err);
void cubby__incoming_free(struct cubby__incoming **in);
/* Back to empty; memory is kept. */
void cubby__incoming_reset(struct cubby__incoming *in);

/* EINVAL behind finish. Any other failure spoils the message until reset: every later call returns it again. */
int cubby__incoming_write(struct cubby__incoming *in, const void *data, size_t n, cubby_error *err);
int cubby__incoming_finish(struct cubby__incoming *in, cubby_error *err);
int cubby__incoming_finished(const struct cubby__incoming *in);

/* Of a finished message; borrowed until reset. Its object.id and piece ids are not set. */
const struct cubby__object *cubby__incoming_object(const struct cubby__incoming *in);
const uint8_t *cubby__incoming_list(const struct cubby__incoming *in, size_t *len); /* the list fields */

/* Logs the PIECEs and the OBJECT of a finished message and gives the object's id. `token` names the transaction, uniquely in the process: a second
 * call with the same one logs nothing and gives the same id. */
int cubby__incoming_log(struct cubby__incoming *in, struct cubby__txn *txn, uint64_t token, uint64_t *object);

#endif
