/* text.h - text for people: header values decoded to UTF-8, columns, sizes, dates. */
#ifndef CUBBY_TOOLS_TEXT_H
#define CUBBY_TOOLS_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* Growing bytes, always followed by a NUL that is not counted. Start with {0}; release with text_release. */
struct text {
    char *data;
    size_t len, cap;
};
void text_add(struct text *t, const void *p, size_t n);
void text_byte(struct text *t, char c);
void text_rune(struct text *t, uint32_t code); /* as UTF-8 */
void text_clear(struct text *t);
void text_release(struct text *t);

/* 0 to 15, or -1: no hexadecimal digit. */
int text_hex(char c);

/* A header field's value without its folding: line ends removed, white space around it removed. Appended to out. */
void text_unfold(struct text *out, const char *value, size_t len);
/* The same, with encoded words (RFC 2047) decoded to UTF-8. What is not UTF-8 in the raw value stays as it is; unknown charsets leave
 * the encoded word. Replaces what out held. */
void text_decode(struct text *out, const char *value, size_t len);
/* From a From field's value (decoded): the display name if there is one, else the address. Replaces what out held. */
void text_sender(struct text *out, const char *decoded, size_t len);

/* Decodes one character of UTF-8: bytes used (at least 1), *code U+FFFD if they are wrong. */
size_t text_next(const char *s, size_t len, uint32_t *code);
int text_rune_width(uint32_t code); /* columns: 0, 1 or 2 */
size_t text_width(const char *s, size_t len);
/* Exactly `width` columns of the text: cut with an ellipsis or filled with spaces; control characters and direction overrides never reach
 * a terminal. Appended to out. */
void text_column(struct text *out, const char *s, size_t len, size_t width);
/* All of it, made safe for a terminal; appended. */
void text_safe(struct text *out, const char *s, size_t len);

/* "5.0K", "811"; buf of 16 bytes at least. */
const char *text_size(uint64_t bytes, char *buf, size_t n);

/* "2019-01-02T03:04:05+01:00", "...Z" for zone 0; buf of TEXT_DATE bytes at least. */
#define TEXT_DATE 48
const char *text_date(int64_t seconds, int zone_minutes, char *buf, size_t n);
/* RFC 3339; a date without a time is its midnight, a time without a zone UTC. 0 or -1. */
int text_date_parse(const char *s, int64_t *seconds, int16_t *zone_minutes);
/* "2019-01-02 03:04" in the message's own zone. */
const char *text_date_short(int64_t seconds, int zone_minutes, char *buf, size_t n);
/* "3:07" or "1:02:03"; buf of 24 bytes at least. */
const char *text_duration(uint64_t seconds, char *buf, size_t n);

#endif
