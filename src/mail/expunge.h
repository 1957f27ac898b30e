/* expunge.h - EXPUNGE records of any number of uid ranges: one, or more where it would grow too long. */
#ifndef CUBBY_MAIL_EXPUNGE_H
#define CUBBY_MAIL_EXPUNGE_H

#include "mail/records.h"

/* The first two are the caller's, the rest begins as zeros. */
struct cubby__expunge_writer {
    struct cubby__txn *txn;
    uint64_t folder;
    struct cubby__buf record; /* not logged yet */
    struct cubby__ranges state;
};

/* Ascending, disjoint, not adjacent. */
int cubby__expunge_add(struct cubby__expunge_writer *w, uint32_t first, uint32_t last);
/* Logs what is left, if anything is and rc, which is returned then, is 0. The writer is empty afterwards. */
int cubby__expunge_end(struct cubby__expunge_writer *w, int rc);

#endif
