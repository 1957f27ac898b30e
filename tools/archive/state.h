/* state.h - flags and keywords of a message as mail programs note them in its header. */
#ifndef CUBBY_TOOLS_STATE_H
#define CUBBY_TOOLS_STATE_H

#include <stddef.h>

#include "cli.h"

/* Adds what Status, X-Status, X-Keywords, X-Mozilla-Status, X-Mozilla-Status2 and X-Mozilla-Keys say; of each the first in the header
 * counts. Words that are no keywords are passed over. */
void state_of_header(const char *header, size_t len, struct cli_flags *out);

/* Flags of a Status or X-Status value: R A F T D. */
uint32_t state_of_letters(const char *p, size_t n);

#endif
