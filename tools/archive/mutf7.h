/* mutf7.h - IMAP's modified UTF-7 (RFC 3501 5.1.3), which Maildir++ servers use for the names of directories. */
#ifndef CUBBY_TOOLS_MUTF7_H
#define CUBBY_TOOLS_MUTF7_H

#include <stddef.h>

#include "text.h"

/* Appends UTF-8 to out. 0, or -1: it is not modified UTF-7 (out is as before). */
int mutf7_decode(const char *p, size_t n, struct text *out);
/* Appends the name, UTF-8, in modified UTF-7. Characters that `also` holds are encoded too, though ASCII (may be ""). */
void mutf7_encode(const char *p, size_t n, const char *also, struct text *out);

#endif
