/* mailcheck.h - what check proves about folders and messages, read-only (what it can find: cubby-fsck(1)). */
#ifndef CUBBY_MAIL_MAILCHECK_H
#define CUBBY_MAIL_MAILCHECK_H

#include "cubby.h"
#include "mail/fetch.h"
#include "store/store.h"

/* FOLDER_COUNTERS: a folder's counters are not what its rows add up to. FOLDER_UNREADABLE: the index gives no rows. With CUBBY_CHECK_FULL every
 * message is read and hashed: MESSAGE_UNREADABLE, MESSAGE_HASH. Adds to *result. CUBBY_ECANCEL: fn asked to stop. */
int cubby__mail_check(struct cubby__store *s, unsigned flags, cubby_finding_fn fn, void *arg, cubby_check_result *result, cubby_error *err);
/* ... and it is told of every message read how many that are, and of how many there are; may be NULL. suspects: messages of these segments are looked at
 * without CUBBY_CHECK_FULL, too, as far as to say whether they are all there; NULL: none. */
int cubby__mail_check_told(struct cubby__store *s, unsigned flags, const struct cubby__suspects *suspects, cubby_finding_fn fn, void *arg,
                           cubby_progress_fn progress, void *progress_arg, cubby_check_result *result, cubby_error *err);

#endif
