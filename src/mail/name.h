/* name.h - what a folder name may be: one component, 1 to 255 bytes of UTF-8 in NFC, no control characters. */
#ifndef CUBBY_MAIL_NAME_H
#define CUBBY_MAIL_NAME_H

#include <stddef.h>
#include <stdint.h>

#include "format/format.h"

struct cubby__name {
    char bytes[CUBBY__NAME_MAX + 1]; /* NUL-terminated */
    size_t len;
};

/* Checks a name, brings it into NFC and, at the top level, writes any spelling of INBOX as "INBOX". CUBBY_EINVAL. */
int cubby__name_make(uint64_t parent, const char *name, size_t len, struct cubby__name *out);
int cubby__name_is_inbox(uint64_t parent, const char *name, size_t len);

/* The character at p (n > 0 bytes left): its length 1 to 4, or 0 if this is not UTF-8. */
size_t cubby__utf8_get(const uint8_t *p, size_t n, uint32_t *c);
size_t cubby__utf8_put(uint32_t c, uint8_t *p); /* room for 4; returns the length */

#endif
