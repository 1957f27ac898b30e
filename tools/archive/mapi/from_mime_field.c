/* Structured header fields: Content-Type and its parameters, lists of addresses. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "archive/mapi/codepage.h"
#include "archive/mapi/from_mime.h"
#include "text.h"

enum { ADDRESS_BYTES = 500, SEGMENTS_MAX = 64 };

/* Bytes of a field that are neither ASCII nor UTF-8 as windows-1252, in *made: as the text of a part that names no character set. */
static void readable(const char **p, size_t *n, struct text *made)
{
    uint32_t state = 0;
    if (utf8_valid(*p, *n, &state) && state == 0)
        return;
    codepage_decode(CODEPAGE_WESTERN, *p, *n, made);
    *p = made->data;
    *n = made->len;
}

void mime_words(const char *value, size_t n, struct text *out)
{
    struct text made = {0};
    readable(&value, &n, &made);
    text_decode(out, value, n);
    text_release(&made);
}

void mime_clean(struct text *t, size_t max)
{
    size_t n = 0, from = 0;
    while (from < t->len && (uint8_t)t->data[from] <= ' ')
        from++;
    for (size_t i = from; i < t->len; i++)
        t->data[n++] = (uint8_t)t->data[i] < ' ' || t->data[i] == 127 ? ' ' : t->data[i];
    if (n > max) {
        n = max;
        while (n > 0 && ((uint8_t)t->data[n] & 0xc0) == 0x80)
            n--;
    }
    while (n > 0 && t->data[n - 1] == ' ')
        n--;
    t->len = n;
    if (t->data)
        t->data[n] = 0;
    else
        text_add(t, "", 0);
}

/* ---- Content-Type --------------------------------------------------------------------------------------------------------------------- */

/* Behind white space and comments. */
static size_t skip_blank(const char *s, size_t n, size_t i)
{
    int depth = 0;
    for (; i < n; i++) {
        if (s[i] == '(')
            depth++;
        else if (s[i] == ')' && depth)
            depth--;
        else if (s[i] == '\\' && depth && i + 1 < n)
            i++;
        else if (!depth && !isspace((unsigned char)s[i]))
            break;
    }
    return i;
}

static int is_token(char c)
{
    return (uint8_t)c > ' ' && c != 127 && !strchr("()<>@,;:\\\"[]?=", c);
}

void mime_type(const char *value, size_t n, char *out, size_t room)
{
    size_t i = skip_blank(value, n, 0), len = 0;
    int slash = 0;
    while (i < n && len + 1 < room && (is_token(value[i]) || value[i] == '/')) {
        slash += value[i] == '/';
        out[len++] = (char)tolower((unsigned char)value[i++]);
    }
    out[slash == 1 ? len : 0] = 0;
}

struct segment {
    const char *value;
    size_t len;
    int quoted, percent, number; /* number: -1 for a parameter in one piece */
};

/* The end of a value without quotes, from the end of its first word on. Some programs put no quotes around names with blanks in them: words up to the
 * semicolon belong to it, unless there is another parameter or a comment among them. */
static size_t words_end(const char *s, size_t n, size_t i)
{
    size_t end = i;
    for (size_t k = i; k < n && s[k] != ';'; k++) {
        if (strchr("=\"()", s[k]))
            return i;
        if (!isspace((unsigned char)s[k]))
            end = k + 1;
    }
    return end;
}

/* The value at i: a quoted string or what goes up to the semicolon. */
static size_t read_value(const char *s, size_t n, size_t i, struct segment *out)
{
    out->quoted = i < n && s[i] == '"';
    if (!out->quoted) {
        out->value = s + i;
        while (i < n && s[i] != ';' && !isspace((unsigned char)s[i]))
            i++;
        i = words_end(s, n, i);
        out->len = (size_t)(s + i - out->value);
        return i;
    }
    out->value = s + ++i;
    while (i < n && s[i] != '"')
        i += s[i] == '\\' && i + 1 < n ? 2 : 1;
    out->len = (size_t)(s + (i < n ? i : n) - out->value);
    return i < n ? i + 1 : n;
}

/* Is the attribute `name`, `name*`, `name*0`, `name*0*`? */
static int is_named(const char *p, size_t n, const char *name, struct segment *out)
{
    size_t len = strlen(name);
    if (n < len || strncasecmp(p, name, len) != 0)
        return 0;
    out->number = -1;
    out->percent = 0;
    p += len;
    n -= len;
    if (n && p[n - 1] == '*') {
        out->percent = 1;
        n--;
    }
    if (n == 0)
        return 1;
    if (p[0] != '*' || n < 2 || n > 4)
        return 0;
    out->number = 0;
    for (size_t i = 1; i < n; i++) {
        if (!isdigit((unsigned char)p[i]))
            return 0;
        out->number = out->number * 10 + p[i] - '0';
    }
    return 1;
}

static size_t find_segments(const char *s, size_t n, const char *name, struct segment *list)
{
    size_t count = 0, i = 0;
    while (i < n && count < SEGMENTS_MAX) {
        const char *semi = memchr(s + i, ';', n - i);
        if (!semi)
            break;
        i = skip_blank(s, n, (size_t)(semi - s) + 1);
        size_t at = i;
        while (i < n && is_token(s[i]))
            i++;
        size_t len = i - at;
        i = skip_blank(s, n, i);
        if (i >= n || s[i] != '=')
            continue;
        struct segment found = {0}, value;
        i = read_value(s, n, skip_blank(s, n, i + 1), &value);
        if (is_named(s + at, len, name, &found)) {
            value.percent = found.percent;
            value.number = found.number;
            list[count++] = value;
        }
    }
    return count;
}

static void add_segment(struct text *bytes, const struct segment *s, size_t from)
{
    for (size_t i = from; i < s->len; i++) {
        char c = s->value[i];
        if (s->percent && c == '%' && i + 2 < s->len && text_hex(s->value[i + 1]) >= 0 && text_hex(s->value[i + 2]) >= 0) {
            text_byte(bytes, (char)(text_hex(s->value[i + 1]) * 16 + text_hex(s->value[i + 2])));
            i += 2;
        } else if (s->quoted && c == '\\' && i + 1 < s->len) {
            text_byte(bytes, s->value[++i]);
        } else if (c != '\r' && c != '\n') {
            text_byte(bytes, c);
        }
    }
}

/* The charset in front of the first segment: charset'language'value. Bytes that it takes. */
static size_t take_charset(const struct segment *s, char *charset, size_t room)
{
    const char *a = memchr(s->value, '\'', s->len);
    const char *b = a ? memchr(a + 1, '\'', (size_t)(s->value + s->len - a - 1)) : NULL;
    *charset = 0;
    if (!b)
        return 0;
    if ((size_t)(a - s->value) < room)
        snprintf(charset, room, "%.*s", (int)(a - s->value), s->value);
    return (size_t)(b + 1 - s->value);
}

int mime_param(const char *value, size_t n, const char *name, struct text *out)
{
    struct segment list[SEGMENTS_MAX];
    struct text bytes = {0};
    char charset[48] = "";
    size_t count = find_segments(value, n, name, list);
    const struct segment *plain = NULL, *single = NULL;
    text_clear(out);
    for (size_t i = 0; i < count; i++) {
        if (list[i].number < 0 && list[i].percent && !single)
            single = &list[i];
        else if (list[i].number < 0 && !plain)
            plain = &list[i];
    }
    if (single) {
        add_segment(&bytes, single, take_charset(single, charset, sizeof charset));
        mime_utf8(charset, bytes.data ? bytes.data : "", bytes.len, out);
    } else if (plain) {
        add_segment(&bytes, plain, 0);
        mime_words(bytes.data ? bytes.data : "", bytes.len, out);
    } else {
        for (int k = 0; k < SEGMENTS_MAX; k++)
            for (size_t i = 0; i < count; i++)
                if (list[i].number == k)
                    add_segment(&bytes, &list[i], k == 0 && list[i].percent ? take_charset(&list[i], charset, sizeof charset) : 0);
        if (count)
            mime_utf8(charset, bytes.data ? bytes.data : "", bytes.len, out);
    }
    text_release(&bytes);
    mime_clean(out, 1000);
    return out->len > 0;
}

/* ---- addresses -------------------------------------------------------------------------------------------------------------------------- */

struct address_parser {
    struct text phrase, angle, comment;
    int has_angle, quoted; /* quoted: the address has a quoted string in it */
    mime_address_fn fn;
    void *arg;
};

/* What a local part cannot be without its quotes (RFC 5322: more than atoms and dots) gets them back. */
static void add_address(struct text *out, const char *p, size_t n, int quoted)
{
    for (; n && *p == ' '; n--)
        p++;
    const char *at = n ? memrchr(p, '@', n) : NULL;
    size_t local = at ? (size_t)(at - p) : 0, plain = 0;
    while (plain < local && (is_token(p[plain]) || strchr("/?=", p[plain])))
        plain++;
    if (quoted && plain < local) {
        text_byte(out, '"');
        for (size_t i = 0; i < local; i++) {
            if (p[i] == '"' || p[i] == '\\')
                text_byte(out, '\\');
            text_byte(out, p[i]);
        }
        text_byte(out, '"');
        p += local;
        n -= local;
    }
    if (n)
        text_add(out, p, n);
}

static void emit(struct address_parser *a)
{
    struct text name = {0}, address = {0};
    const struct text *from = a->has_angle ? &a->angle : &a->phrase;
    const char *route = from->len && from->data[0] == '@' ? memchr(from->data, ':', from->len) : NULL;
    const char *first = route ? route + 1 : from->data;
    add_address(&address, first, from->len - (size_t)(first - from->data), a->quoted);
    const struct text *shown = a->has_angle && a->phrase.len ? &a->phrase : &a->comment;
    text_decode(&name, shown->data ? shown->data : "", shown->len);
    mime_clean(&name, ADDRESS_BYTES);
    mime_clean(&address, ADDRESS_BYTES);
    if (address.len || name.len)
        a->fn(a->arg, name.data, address.data);
    text_release(&name);
    text_release(&address);
    text_clear(&a->phrase);
    text_clear(&a->angle);
    text_clear(&a->comment);
    a->has_angle = a->quoted = 0;
}

/* A quoted string or, in a depth of parentheses, a comment: what it says is appended to out. */
static size_t read_delimited(const char *s, size_t n, size_t i, struct text *out)
{
    char close = s[i] == '"' ? '"' : ')';
    int depth = 1;
    for (i++; i < n; i++) {
        if (s[i] == '\\' && i + 1 < n)
            text_byte(out, s[++i]);
        else if (s[i] == close && --depth == 0)
            return i;
        else {
            depth += close == ')' && s[i] == '(';
            text_byte(out, s[i]);
        }
    }
    return n;
}

void mime_addresses(const char *s, size_t n, mime_address_fn fn, void *arg)
{
    struct address_parser a = {.fn = fn, .arg = arg};
    struct text made = {0};
    int in_angle = 0;
    readable(&s, &n, &made);
    for (size_t i = 0; i < n; i++) {
        struct text *to = in_angle ? &a.angle : &a.phrase;
        char c = s[i];
        if (c == '"') {
            i = read_delimited(s, n, i, to);
            a.quoted |= (!a.has_angle || in_angle) && i + 1 < n && (s[i + 1] == '@' || s[i + 1] == '.');
        } else if (c == '(') {
            i = read_delimited(s, n, i, &a.comment);
        } else if (c == '<' && !in_angle) {
            in_angle = a.has_angle = 1;
            a.quoted = 0; /* that was the name */
        } else if (c == '>' && in_angle) {
            in_angle = 0;
        } else if ((c == ',' || c == ';') && !in_angle) {
            emit(&a);
        } else if (c == ':' && !in_angle && !a.has_angle) { /* a group's name */
            text_clear(&a.phrase);
            text_clear(&a.comment);
        } else if (in_angle && isspace((unsigned char)c)) {
            continue;
        } else if (c == '\\' && i + 1 < n) {
            text_byte(to, s[++i]);
        } else {
            text_byte(to, c);
        }
    }
    emit(&a);
    text_release(&a.phrase);
    text_release(&a.angle);
    text_release(&a.comment);
    text_release(&made);
}
