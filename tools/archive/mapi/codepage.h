/* codepage.h - text in Windows code pages, to UTF-8. */
#ifndef CUBBY_TOOLS_MAPI_CODEPAGE_H
#define CUBBY_TOOLS_MAPI_CODEPAGE_H

#include <stddef.h>
#include <stdint.h>

#include "text.h"

#define CODEPAGE_UTF16 1200
#define CODEPAGE_WESTERN 1252
#define CODEPAGE_ASCII 20127
#define CODEPAGE_UTF8 65001

/* The name for a charset= parameter, NULL if there is none that mail programs know. */
const char *codepage_charset(uint32_t codepage);
int codepage_known(uint32_t codepage);

/* A converter for text that comes in pieces. */
struct decoder;
/* A code page that is not known is read as windows-1252. */
struct decoder *decoder_new(uint32_t codepage);
void decoder_free(struct decoder **d);
/* Appends what the bytes mean; what they do not mean becomes U+FFFD. A character that is cut at the end waits for the next call;
 * decoder_end: there is none. */
void decoder_add(struct decoder *d, const void *p, size_t n, struct text *out);
void decoder_end(struct decoder *d, struct text *out);
uint64_t decoder_bad(const struct decoder *d); /* U+FFFD that were put in */

/* All of that at once. codepage 0 or unknown: UTF-8 if it is valid, else windows-1252. */
void codepage_decode(uint32_t codepage, const void *p, size_t n, struct text *out);

/* Is p..n part of UTF-8? *state begins at 0 and goes through the pieces; at the end it must be 0. Returns 0 at the first byte that
 * cannot be. */
int utf8_valid(const void *p, size_t n, uint32_t *state);

#endif
