/* flags.h - changing flags of many messages with one record. */
#ifndef CUBBY_MAIL_FLAGS_H
#define CUBBY_MAIL_FLAGS_H

#include "cubby.h"
#include "store/store.h"

/* cubby_flag. */
int cubby__flags_change(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, int how, uint32_t flags, const char *const *keywords,
                        size_t keyword_count, cubby_uidset **changed);

#endif
