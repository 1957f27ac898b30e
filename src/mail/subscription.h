/* subscription.h - subscribed paths, which need not exist. */
#ifndef CUBBY_MAIL_SUBSCRIPTION_H
#define CUBBY_MAIL_SUBSCRIPTION_H

#include <stddef.h>

#include "cubby.h"
#include "store/store.h"

/* A path is a key of the index, so it has at most this many bytes. */
#define CUBBY__SUBSCRIPTION_MAX (CUBBY__TREE_KEY_MAX - 1)

/* The first path behind `after` in byte order, to path (CUBBY__SUBSCRIPTION_MAX + 1 bytes, NUL behind it). DONE at the end. */
int cubby__subscription_next(struct cubby__view *view, const char *after, size_t after_len, char *path, size_t *path_len);
/* cubby_subscribe. ELIMIT: too long. */
int cubby__subscribe(struct cubby__txn *txn, const char *path, size_t path_len, int on);

#endif
