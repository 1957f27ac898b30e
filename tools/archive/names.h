/* names.h - folder names as file names and back.
 *
 * A folder A/B is the file A/B.mbox. In a file name %XX stands for what must not be there: '/', '%', control characters, a dot at the start
 * (so no name is hidden, "." or ".."), the dot of an ending that an import would take off or act on, and the c of "cur" (beside "new" it would
 * make a Maildir). A name too long for one file name
 * is cut into directories whose names end with a bare '%'. */
#ifndef CUBBY_TOOLS_NAMES_H
#define CUBBY_TOOLS_NAMES_H

#include <stddef.h>

#include "text.h"

/* One folder name as (part of) a path without ".mbox", appended to out; it holds '/' only behind a bare '%'. */
void names_encode(const char *name, size_t len, struct text *out);
/* The same with its first `escaped` bytes as %XX; NAMES_PORTABLE: and what names may not hold on Windows. */
enum { NAMES_PORTABLE = 1 };
void names_encode_as(const char *name, size_t len, size_t escaped, int how, struct text *out);
/* Is there nothing in it that NAMES_PORTABLE would change? */
int names_is_portable(const char *name, size_t len);
/* A folder path (components with %2F and %25, as cli_path_next reads it) as a file path below a directory, without ".mbox"; appended.
 * 0 or -1: not a path. */
int names_encode_path(const char *folder, struct text *out);

/* File name to folder name: %XX decoded; appended. */
void names_unescape(const char *file, size_t len, struct text *out);
/* Any bytes made a valid folder name (UTF-8 in NFC, no control characters, 1 to 255 bytes); appended. 1 if they had to be changed for that, NFC
 * apart. */
int names_clean(const char *raw, size_t len, struct text *out);
/* Both. */
int names_decode(const char *file, size_t len, struct text *out);

/* Length of a file name without ".gz", ".xz", ".zst", ".bz2" and then ".mbox". */
size_t names_stem(const char *file);
/* Does the name end so (any case), with something before it? */
int names_ends(const char *file, size_t len, const char *ending);

#endif
