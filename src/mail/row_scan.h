/* row_scan.h - a message row straight into the row of a scan: cubby__message_row_decode for tight loops. */
#ifndef CUBBY_MAIL_ROW_SCAN_H
#define CUBBY_MAIL_ROW_SCAN_H

#include <stddef.h>
#include <stdint.h>

#include "cubby.h"
#include "mail/row.h"

/* Fills what the index knows of a row but its uid; row->keywords points into k. 0 or CUBBY_ECORRUPT. Takes every value that
 * cubby__message_row_decode takes, and says the same. */
int cubby__message_row_scan(const uint8_t *p, size_t n, cubby_row *row, struct cubby__keywords *k, struct cubby__place *place);

#endif
