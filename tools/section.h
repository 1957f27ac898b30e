/* section.h - IMAP's part numbers (RFC 3501 6.4.5). */
#ifndef CUBBY_TOOLS_SECTION_H
#define CUBBY_TOOLS_SECTION_H

#include "cubby.h"

/* The part that "2.1" names: its index in parts, or -1 if there is none. Parts count from 1; part 1 of a message that is not multipart is its
 * body; below a message/rfc822 part the count is that of the message in it. */
long section_find(const cubby_part *parts, size_t count, const char *number);

#endif
