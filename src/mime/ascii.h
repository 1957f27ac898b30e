/* ascii.h - characters as header fields see them, whatever the locale. */
#ifndef CUBBY_MIME_ASCII_H
#define CUBBY_MIME_ASCII_H

#include <stddef.h>
#include <stdint.h>

static inline uint8_t ascii_fold(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static inline int ascii_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

static inline int ascii_space(uint8_t c)
{
    return ascii_blank(c) || c == '\r' || c == '\n';
}

static inline int ascii_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline int ascii_alpha(uint8_t c)
{
    return ascii_fold(c) >= 'a' && ascii_fold(c) <= 'z';
}

/* Whether n bytes are `lower` (n bytes, lower case) in any case. */
static inline int ascii_equal(const uint8_t *p, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ascii_fold(p[i]) != (uint8_t)lower[i])
            return 0;
    return 1;
}

/* What is left of a field's value. */
struct ascii_text {
    const uint8_t *p, *end;
};

/* White space and nested comments (RFC 5322, CFWS). */
static inline void ascii_skip_cfws(struct ascii_text *t)
{
    unsigned depth = 0;
    for (; t->p < t->end; t->p++) {
        uint8_t c = *t->p;
        if (c == '(')
            depth++;
        else if (c == ')' && depth)
            depth--;
        else if (c == '\\' && depth && t->p + 1 < t->end)
            t->p++;
        else if (!depth && !ascii_space(c))
            return;
    }
}

#endif
