/* scan.h - message rows of a folder, in either order, filtered, with what is wanted of their headers: no body is read. */
#ifndef CUBBY_MAIL_SCAN_H
#define CUBBY_MAIL_SCAN_H

#include <stdint.h>

#include "cubby.h"
#include "store/store.h"

struct cubby__scan;

/* Borrows the view and options->uids until close. ENOENT: no such folder. */
int cubby__scan_open(struct cubby__view *view, uint64_t folder, const cubby_scan_options *options, struct cubby__scan **out);
/* The next row; borrowed until the next call. DONE at the end. A row whose wanted extras cannot be read comes without them, with `damage`. */
int cubby__scan_next(struct cubby__scan *s, const cubby_row **out);
void cubby__scan_close(struct cubby__scan **s);

/* One row: DONE if it is not there, ENOENT if the folder is not. *state is made at the first call, reused, and ended with cubby__scan_close. */
int cubby__scan_row(struct cubby__view *view, uint64_t folder, uint32_t uid, unsigned want, struct cubby__scan **state, const cubby_row **out);

#endif
