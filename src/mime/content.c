#include "mime/content.h"

#include <string.h>

#include "cubby.h"
#include "mime/ascii.h"

/* Bytes up to white space or one of `stops`. */
static struct ascii_text take_until(struct ascii_text *t, const char *stops)
{
    struct ascii_text word = {t->p, t->p};
    while (t->p < t->end && !ascii_space(*t->p) && !(*t->p && strchr(stops, *t->p)))
        t->p++;
    word.end = t->p;
    return word;
}

static int take_char(struct ascii_text *t, char c)
{
    ascii_skip_cfws(t);
    if (t->p == t->end || *t->p != (uint8_t)c)
        return 0;
    t->p++;
    ascii_skip_cfws(t);
    return 1;
}

static int equals(struct ascii_text word, const char *lower)
{
    size_t n = strlen(lower);
    return (size_t)(word.end - word.p) == n && ascii_equal(word.p, lower, n);
}

/* A boundary being put together; one that grows too long is none. */
struct value {
    uint8_t b[CUBBY__BOUNDARY_MAX];
    size_t len;
};

static void value_add(struct value *v, uint8_t c)
{
    if (v->len < sizeof v->b)
        v->b[v->len] = c;
    v->len += v->len <= sizeof v->b;
}

/* Appends a token or quoted string; folding inside quotes loses its line ends. */
static void take_value(struct ascii_text *t, struct value *v)
{
    if (t->p == t->end || *t->p != '"') {
        struct ascii_text word = take_until(t, ";(\"");
        while (word.p < word.end)
            value_add(v, *word.p++);
        return;
    }
    for (t->p++; t->p < t->end && *t->p != '"'; t->p++) {
        if (*t->p == '\r' || *t->p == '\n')
            continue;
        if (*t->p == '\\' && t->p + 1 < t->end)
            t->p++;
        value_add(v, *t->p);
    }
    t->p += t->p < t->end;
}

static int hex(uint8_t c)
{
    return ascii_digit(c) ? c - '0' : ascii_fold(c) >= 'a' && ascii_fold(c) <= 'f' ? ascii_fold(c) - 'a' + 10 : -1;
}

/* RFC 2231: charset'language'text with %XX; only the first segment has the charset. Appends to out. */
static void add_extended(struct value *out, const struct value *raw, int first)
{
    size_t i = 0, n = raw->len < sizeof raw->b ? raw->len : sizeof raw->b;
    if (raw->len > sizeof raw->b)
        out->len = sizeof out->b + 1;
    for (int quotes = 0; first && i < n && quotes < 2; i++)
        quotes += raw->b[i] == '\'';
    for (; i < n; i++) {
        int high = raw->b[i] == '%' && n - i > 2 ? hex(raw->b[i + 1]) : -1;
        int low = high >= 0 ? hex(raw->b[i + 2]) : -1;
        value_add(out, low >= 0 ? (uint8_t)(high << 4 | low) : raw->b[i]);
        i += low >= 0 ? 2 : 0;
    }
}

/* "*", "*3" or "*3*" behind the attribute name: *segment is 0 where there is no number. 0 if it is none of these. */
static int extension(struct ascii_text suffix, unsigned *segment, int *extended)
{
    *segment = 0;
    *extended = 1;
    if (suffix.end - suffix.p < 1 || *suffix.p++ != '*')
        return 0;
    if (suffix.p == suffix.end)
        return 1;
    while (suffix.p < suffix.end && ascii_digit(*suffix.p) && *segment < 1000)
        *segment = *segment * 10 + (*suffix.p++ - '0');
    *extended = suffix.p < suffix.end && *suffix.p == '*';
    suffix.p += *extended;
    return suffix.p == suffix.end;
}

struct boundary {
    struct value plain, parts; /* boundary=; boundary*...= put together */
    int has_plain;
    unsigned next; /* segment that comes next; others are passed over */
};

static void take_parameter(struct ascii_text *t, struct boundary *b)
{
    struct ascii_text name = take_until(t, ";=(\""), suffix;
    struct value v;
    unsigned segment;
    int extended, boundary = 0;
    v.len = 0;
    if (!take_char(t, '='))
        return;
    take_value(t, &v);
    suffix.p = name.p + 8;
    suffix.end = name.end;
    if (name.end - name.p >= 8) {
        name.end = name.p + 8;
        boundary = equals(name, "boundary");
    }
    if (!boundary)
        return;
    if (suffix.p == suffix.end && !b->has_plain) {
        b->has_plain = 1;
        b->plain = v;
    } else if (extension(suffix, &segment, &extended) && segment == b->next) {
        b->next++;
        for (size_t i = 0; !extended && i < v.len && i <= sizeof v.b; i++)
            value_add(&b->parts, i < sizeof v.b ? v.b[i] : 0);
        if (extended)
            add_extended(&b->parts, &v, segment == 0);
    }
}

static void find_boundary(struct ascii_text *t, struct cubby__content_type *out)
{
    struct boundary b;
    b.plain.len = b.parts.len = b.next = 0;
    b.has_plain = 0;
    while (t->p < t->end) {
        ascii_skip_cfws(t);
        if (t->p < t->end && *t->p == ';') {
            t->p++;
            ascii_skip_cfws(t);
            take_parameter(t, &b);
        } else if (t->p < t->end && *t->p == '"') {
            struct value ignored;
            ignored.len = 0;
            take_value(t, &ignored);
        } else if (t->p < t->end) {
            t->p++; /* rubbish between parameters */
        }
    }
    const struct value *v = b.has_plain ? &b.plain : &b.parts;
    size_t n = v->len;
    if (n > sizeof v->b)
        return;
    while (n && ascii_space(v->b[n - 1]))
        n--;
    memcpy(out->boundary, v->b, n);
    out->boundary_len = (uint8_t)n;
}

void cubby__content_type_parse(const uint8_t *value, size_t len, struct cubby__content_type *out)
{
    out->kind = CUBBY_PART_LEAF;
    out->digest = out->boundary_len = 0;
    if (len == 0)
        return;
    struct ascii_text t = {value, value + len};
    ascii_skip_cfws(&t);
    struct ascii_text type = take_until(&t, "/;(\"");
    if (!take_char(&t, '/'))
        return;
    struct ascii_text subtype = take_until(&t, ";(\"");
    if (equals(type, "message")) {
        if (equals(subtype, "rfc822") || equals(subtype, "global"))
            out->kind = CUBBY_PART_MESSAGE;
        return;
    }
    if (!equals(type, "multipart"))
        return;
    find_boundary(&t, out);
    if (out->boundary_len) {
        out->kind = CUBBY_PART_MULTIPART;
        out->digest = (uint8_t)equals(subtype, "digest");
    }
}

uint8_t cubby__content_encoding_parse(const uint8_t *value, size_t len)
{
    static const char names[][17] = {"7bit", "8bit", "binary", "quoted-printable", "base64"};
    static const uint8_t codes[] = {CUBBY_CTE_7BIT, CUBBY_CTE_8BIT, CUBBY_CTE_BINARY, CUBBY_CTE_QP, CUBBY_CTE_BASE64};
    if (len == 0)
        return CUBBY_CTE_7BIT;
    struct ascii_text t = {value, value + len};
    ascii_skip_cfws(&t);
    struct ascii_text word = take_until(&t, ";(\"");
    for (size_t i = 0; i < sizeof codes; i++)
        if (equals(word, names[i]))
            return codes[i];
    return word.p == word.end ? CUBBY_CTE_7BIT : CUBBY_CTE_OTHER;
}
