/* fsck.h - the whole check of a store, and the repair of what it finds. */
#ifndef CUBBY_MAIL_FSCK_H
#define CUBBY_MAIL_FSCK_H

#include "cubby.h"

/* cubby_check and cubby_repair; the options are checked already. err is not NULL. */
int cubby__fsck_check(const char *path, const cubby_options *o, unsigned flags, cubby_finding_fn fn, void *arg, cubby_check_result *result,
                      cubby_error *err);
int cubby__fsck_repair(const char *path, const cubby_options *o, unsigned flags, cubby_finding_fn fn, cubby_finding_fn done, void *arg,
                       cubby_repair_result *result, cubby_error *err);

#endif
