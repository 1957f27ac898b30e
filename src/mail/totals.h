/* totals.h - sums over the objects of a store. */
#ifndef CUBBY_MAIL_TOTALS_H
#define CUBBY_MAIL_TOTALS_H

#include <stdint.h>

#include "store/store.h"

/* Messages that are in some folder, each counted once, and their bytes as they came. Walks all object rows. */
int cubby__object_totals(struct cubby__view *view, uint64_t *objects, uint64_t *original_bytes);

#endif
