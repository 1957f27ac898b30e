/* check_report.h - `cubby check-archive` on PST files: what it prints. */
#ifndef CUBBY_TOOLS_PST_CHECK_REPORT_H
#define CUBBY_TOOLS_PST_CHECK_REPORT_H

#include <stdint.h>

/* Is it a PST or OST file, by its first bytes? */
int pst_is_one(const char *path);

/* Checks and prints. CLI_OK, CLI_LEFT: it has errors, CLI_FAIL: it cannot be read. */
int pst_check_report(const char *path, uint64_t *messages, uint64_t *bytes);

#endif
