/* json.h - JSON Lines on stdout: one object a line, keys in the order of the calls, no spaces.
 *
 * Inside an array the key is NULL. Strings that are not UTF-8 get U+FFFD where they are wrong and, if they have a key, a twin
 * KEY_raw with the exact bytes in base64. */
#ifndef CUBBY_TOOLS_JSON_H
#define CUBBY_TOOLS_JSON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Begins an object; with an event it starts {"event":"..."}. */
void json_begin(const char *event);
/* Ends it and writes the line. */
void json_end(void);

void json_str(const char *key, const char *text); /* NULL: null */
void json_bytes(const char *key, const void *p, size_t n);
void json_base64(const char *key, const void *p, size_t n);
void json_hex(const char *key, const void *p, size_t n);
void json_uint(const char *key, uint64_t v);
void json_int(const char *key, int64_t v);
void json_bool(const char *key, int v);
void json_null(const char *key);
void json_double(const char *key, double v); /* at most six digits behind the point, no trailing zeros; null if it is no number */

void json_array(const char *key);
void json_array_end(void);
void json_object(const char *key);
void json_object_end(void);

/* 1 if the bytes are UTF-8 (no surrogates, no overlong forms). */
int json_is_utf8(const void *p, size_t n);

/* Where lines go; stdout unless told otherwise (tests). */
void json_stream(FILE *f);

#endif
