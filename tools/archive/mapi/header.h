/* header.h - header fields in the form of RFC 5322: folded, with encoded words, and nothing in a value can begin another field. */
#ifndef CUBBY_TOOLS_MAPI_HEADER_H
#define CUBBY_TOOLS_MAPI_HEADER_H

#include "text.h"

/* All append a whole field to out. Values are UTF-8 of any bytes. */

/* Free text: Subject and the like. */
void header_text(struct text *out, const char *name, const char *value, size_t n);
/* A value that is structured already (ids, tokens): folded at blanks; other than printable ASCII, blank and UTF-8 becomes a blank. Nothing if
 * it is empty then. */
void header_raw(struct text *out, const char *name, const char *value, size_t n);
/* A field of a header that somebody else made: folding stays where it was, text that is not ASCII becomes encoded words, also where it
 * stands in quoted strings. */
void header_field(struct text *out, const char *name, size_t name_len, const char *value, size_t n);
/* "Fri, 21 Nov 1997 09:55:06 +0000" */
void header_date(struct text *out, const char *name, int64_t seconds);
/* Only the value, appended. */
void header_date_value(struct text *out, int64_t seconds);

/* A list of addresses, given one by one; a field only if there is at least one. */
struct header_list {
    struct text *out;
    const char *name;
    size_t count, column;
};
/* display may be empty; address is "local@domain" of any bytes and never empty. */
void header_list_add(struct header_list *l, const char *display, size_t display_len, const char *address, size_t address_len);
void header_list_end(struct header_list *l);

/* "; name=value" behind a field's value whose line end is not written yet: a token or quoted string, else RFC 2231. */
void header_parameter(struct text *out, const char *name, const char *value, size_t n);

/* Without control characters, line ends, and blanks at both ends; runs of blanks become one. Replaces the text. */
void header_clean(struct text *t);
/* "type/subtype", both tokens. */
int header_is_type(const char *p, size_t n);

#endif
