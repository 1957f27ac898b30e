/* emlx.h - Apple Mail's file of one message: a line with its length, the message, a property list with its state. */
#ifndef CUBBY_TOOLS_EMLX_H
#define CUBBY_TOOLS_EMLX_H

#include <stddef.h>
#include <stdint.h>

#include "cli.h"

/* The first line: 1, with the message's length and where it begins. */
int emlx_first_line(const char *p, size_t n, uint64_t *length, size_t *start);

struct emlx_state {
    int has_flags;
    struct cli_flags flags; /* released with cli_flags_release */
    int has_date;
    int64_t date; /* when it was received */
};
/* The property list behind the message. */
void emlx_state_of(const char *plist, size_t n, struct emlx_state *out);

#endif
