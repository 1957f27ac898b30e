#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cli.h"

/* ---- bytes ------------------------------------------------------------------------------------------------------------------------ */

void text_add(struct text *t, const void *p, size_t n)
{
    if (t->cap - t->len <= n) {
        size_t cap = t->cap ? t->cap * 2 : 256;
        while (cap - t->len <= n)
            cap *= 2;
        t->data = cli_realloc(t->data, cap);
        t->cap = cap;
    }
    if (n)
        memcpy(t->data + t->len, p, n);
    t->len += n;
    t->data[t->len] = 0;
}

void text_byte(struct text *t, char c)
{
    if (t->cap - t->len < 2) {
        text_add(t, &c, 1);
        return;
    }
    t->data[t->len++] = c;
    t->data[t->len] = 0;
}

void text_rune(struct text *t, uint32_t c)
{
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n; i-- > 1; c >>= 6)
        b[i] = (char)(0x80 | (c & 63));
    b[0] = (char)(lead[n] | c);
    text_add(t, b, n);
}

void text_clear(struct text *t)
{
    t->len = 0;
    if (t->data)
        t->data[0] = 0;
}

void text_release(struct text *t)
{
    free(t->data);
    *t = (struct text){0};
}

int text_hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* ---- characters -------------------------------------------------------------------------------------------------------------------- */

size_t text_next(const char *s, size_t len, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *)s;
    size_t n = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;
    *code = 0xfffd;
    if (n == 0 || n > len)
        return 1;
    uint32_t c = n == 1 ? u[0] : u[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (u[i] & 63);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return 1;
    *code = c;
    return n;
}

struct range {
    uint32_t first, last;
};

static int in(const struct range *r, size_t n, uint32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last)
            return 1;
    return 0;
}

int text_rune_width(uint32_t c)
{
    static const struct range none[] = {
        {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f}, {0x06d6, 0x06dc}, {0x0e31, 0x0e31},
        {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x2060, 0x2064}, {0x20d0, 0x20ff},
        {0x302a, 0x302d}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0000, 0xe01ef},
    };
    static const struct range wide[] = {
        {0x1100, 0x115f}, {0x231a, 0x231b}, {0x2329, 0x232a}, {0x23e9, 0x23ec}, {0x25fd, 0x25fe}, {0x2614, 0x2615}, {0x2648, 0x2653},
        {0x26aa, 0x26ab}, {0x26bd, 0x26be}, {0x26c4, 0x26c5}, {0x2705, 0x2705}, {0x270a, 0x270b}, {0x2728, 0x2728}, {0x274c, 0x274c},
        {0x2753, 0x2755}, {0x2757, 0x2757}, {0x2795, 0x2797}, {0x2b1b, 0x2b1c}, {0x2b50, 0x2b50}, {0x2e80, 0x303e}, {0x3041, 0xa4cf},
        {0xa960, 0xa97c}, {0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f004, 0x1f004},
        {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f7e0, 0x1f7eb}, {0x1f90c, 0x1f9ff},
        {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
    };
    if (c < 0x300)
        return 1;
    if (in(none, sizeof none / sizeof *none, c))
        return 0;
    return in(wide, sizeof wide / sizeof *wide, c) ? 2 : 1;
}

/* The character that a terminal may get: controls become spaces, what overrides the direction of text disappears (0). */
static uint32_t harmless(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029)
        return ' ';
    if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x061c || c == 0x200e || c == 0x200f)
        return 0;
    return c;
}

size_t text_width(const char *s, size_t len)
{
    size_t width = 0;
    for (size_t i = 0; i < len;) {
        uint32_t c;
        i += text_next(s + i, len - i, &c);
        c = harmless(c);
        width += c ? (size_t)text_rune_width(c) : 0;
    }
    return width;
}

static void pad(struct text *out, size_t n)
{
    while (n-- > 0)
        text_byte(out, ' ');
}

void text_column(struct text *out, const char *s, size_t len, size_t width)
{
    size_t used = 0, mark = out->len, mark_used = 0; /* mark: where the ellipsis fits */
    for (size_t i = 0; i < len;) {
        uint32_t c;
        i += text_next(s + i, len - i, &c);
        c = harmless(c);
        if (c == 0)
            continue;
        size_t w = (size_t)text_rune_width(c);
        if (used + w > width) {
            if (width == 0)
                return;
            out->len = mark;
            text_rune(out, 0x2026);
            pad(out, width - mark_used - 1);
            return;
        }
        text_rune(out, c);
        used += w;
        if (used < width) {
            mark = out->len;
            mark_used = used;
        }
    }
    pad(out, width - used);
}

void text_safe(struct text *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        uint32_t c;
        i += text_next(s + i, len - i, &c);
        c = harmless(c);
        if (c)
            text_rune(out, c);
    }
}

/* ---- header values ------------------------------------------------------------------------------------------------------------------ */

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void text_unfold(struct text *out, const char *value, size_t len)
{
    while (len && is_space(value[0]))
        value++, len--;
    while (len && is_space(value[len - 1]))
        len--;
    for (size_t i = 0; i < len;) {
        size_t run = i;
        while (run < len && value[run] != '\n' && value[run] != '\r')
            run++;
        text_add(out, value + i, run - i);
        i = run;
        while (i < len && (value[i] == '\n' || (value[i] == '\r' && value[i + 1] == '\n')))
            i++;
        if (i == run && i < len)
            text_byte(out, value[i++]); /* a bare CR */
    }
    text_add(out, "", 0);
}

void text_sender(struct text *out, const char *s, size_t len)
{
    const char *angle = memchr(s, '<', len);
    size_t n = angle ? (size_t)(angle - s) : len;
    text_clear(out);
    while (n && is_space(s[n - 1]))
        n--;
    while (n && is_space(s[0]))
        s++, n--;
    if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
        for (size_t i = 1; i < n - 1; i++) {
            if (s[i] == '\\' && i + 1 < n - 1)
                i++;
            text_byte(out, s[i]);
        }
    } else {
        text_add(out, s, n);
    }
    if (out->len == 0 && angle) {
        const char *end = s + len > angle ? memchr(angle, '>', (size_t)(s + len - angle)) : NULL;
        text_add(out, angle + 1, end ? (size_t)(end - angle - 1) : 0);
    }
    text_add(out, "", 0);
}

/* ---- sizes, durations ------------------------------------------------------------------------------------------------------------------ */

const char *text_size(uint64_t bytes, char *buf, size_t n)
{
    static const char units[] = "KMGTPE";
    if (bytes < 1024) {
        snprintf(buf, n, "%u", (unsigned)bytes);
        return buf;
    }
    double v = (double)bytes / 1024;
    int unit = 0;
    while (v >= 1023.95 && units[unit + 1]) {
        v /= 1024;
        unit++;
    }
    snprintf(buf, n, v < 9.95 ? "%.1f%c" : "%.0f%c", v, units[unit]);
    return buf;
}

const char *text_duration(uint64_t seconds, char *buf, size_t n)
{
    unsigned h = (unsigned)(seconds / 3600), m = (unsigned)(seconds / 60 % 60), s = (unsigned)(seconds % 60);
    if (h)
        snprintf(buf, n, "%u:%02u:%02u", h, m, s);
    else
        snprintf(buf, n, "%u:%02u", m, s);
    return buf;
}
