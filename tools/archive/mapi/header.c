#include "archive/mapi/header.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "calendar.h"

enum { WIDTH = 76, WORD_BYTES = 45, RAW_WORD_MAX = 900 };

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static int is_token(char c)
{
    return c > 0x20 && c < 0x7f && !strchr("()<>@,;:\\\"/[]?=", c);
}

static int is_ascii(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] < 0x20 || p[i] > 0x7e)
            return 0;
    }
    return 1;
}

void header_clean(struct text *t)
{
    size_t o = 0;
    int blank = 0;
    for (size_t i = 0; i < t->len; i++) {
        unsigned char c = (unsigned char)t->data[i];
        if (c <= 0x20 || c == 0x7f) {
            blank = o > 0;
            continue;
        }
        if (blank)
            t->data[o++] = ' ';
        blank = 0;
        t->data[o++] = (char)c;
    }
    t->len = o;
    if (t->data)
        t->data[o] = 0;
}

int header_is_type(const char *p, size_t n)
{
    const char *slash = memchr(p, '/', n);
    if (!slash || slash == p || slash + 1 == p + n || n > 200)
        return 0;
    for (size_t i = 0; i < n; i++) {
        if (p + i != slash && !is_token(p[i]))
            return 0;
    }
    return 1;
}

/* ---- encoded words -------------------------------------------------------------------------------------------------------------------- */

static void base64(struct text *out, const char *p, size_t n)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *u = (const unsigned char *)p;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)u[i] << 16 | (uint32_t)(i + 1 < n ? u[i + 1] : 0) << 8 | (i + 2 < n ? u[i + 2] : 0);
        text_byte(out, letters[v >> 18]);
        text_byte(out, letters[v >> 12 & 63]);
        text_byte(out, i + 1 < n ? letters[v >> 6 & 63] : '=');
        text_byte(out, i + 2 < n ? letters[v & 63] : '=');
    }
}

/* Letters that stand for themselves in a Q word, also within a phrase. */
static int is_q(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '!' || c == '*' || c == '+' || c == '/';
}

static void fold(struct text *out, size_t *column)
{
    text_add(out, "\r\n ", 3);
    *column = 1;
}

static void word(struct text *out, const char *p, size_t n, int q)
{
    text_add(out, q ? "=?utf-8?Q?" : "=?utf-8?B?", 10);
    for (size_t i = 0; q && i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        char b[4];
        if (c == ' ') {
            text_byte(out, '_');
        } else if (is_q(c)) {
            text_byte(out, (char)c);
        } else {
            snprintf(b, sizeof b, "=%02X", c);
            text_add(out, b, 3);
        }
    }
    if (!q)
        base64(out, p, n);
    text_add(out, "?=", 2);
}

/* Bytes of valid UTF-8 to be put into words of at most 75 letters, each of whole characters. */
static void words(struct text *out, size_t *column, const char *p, size_t n)
{
    size_t plain = 0;
    for (size_t i = 0; i < n; i++)
        plain += p[i] == ' ' || is_q((unsigned char)p[i]);
    int q = plain * 3 >= n * 2, first = 1;
    while (n) {
        size_t len = 0, cost = 0;
        while (len < n) {
            uint32_t code;
            size_t step = text_next(p + len, n - len, &code);
            cost += q ? (step == 1 && (p[len] == ' ' || is_q((unsigned char)p[len])) ? 1 : 3 * step) : step;
            if (len && cost > (q ? 60u : (unsigned)WORD_BYTES))
                break;
            len += step;
        }
        size_t size = 12 + (q ? cost : (len + 2) / 3 * 4);
        if (!first)
            fold(out, column);
        else if (*column + size > WIDTH && *column > 1 && out->len && out->data[out->len - 1] == ' ') {
            out->len--; /* the blank moves behind the line end */
            fold(out, column);
        }
        first = 0;
        size_t before = out->len;
        word(out, p, len, q);
        *column += out->len - before;
        p += len;
        n -= len;
    }
}

/* Valid UTF-8 without control characters, appended. */
static void sanitize(struct text *out, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t code;
        i += text_next(p + i, n - i, &code);
        text_rune(out, code < 0x20 || code == 0x7f ? ' ' : code);
    }
}

/* ---- folding -------------------------------------------------------------------------------------------------------------------------- */

/* Text that may be broken before a blank that has something else behind it. */
static void folded(struct text *out, size_t *column, const char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t k = i + 1;
        while (k < n && !(p[k] == ' ' && k + 1 < n && p[k + 1] != ' '))
            k++;
        if (*column + (k - i) > WIDTH && p[i] == ' ' && i + 1 < n && *column > 1) {
            text_add(out, "\r\n", 2);
            *column = 0;
        }
        text_add(out, p + i, k - i);
        *column += k - i;
        i = k;
    }
}

static size_t begin(struct text *out, const char *name, size_t n)
{
    text_add(out, name, n);
    text_add(out, ": ", 2);
    return n + 2;
}

static size_t longest_word(const char *p, size_t n)
{
    size_t longest = 0, at = 0;
    for (size_t i = 0; i <= n; i++) {
        if (i == n || p[i] == ' ') {
            longest = i - at > longest ? i - at : longest;
            at = i + 1;
        }
    }
    return longest;
}

void header_text(struct text *out, const char *name, const char *value, size_t n)
{
    struct text t = {0};
    sanitize(&t, value, n);
    size_t column = begin(out, name, strlen(name));
    int edge = t.len && (t.data[0] == ' ' || t.data[t.len - 1] == ' ');
    if (t.len && (!is_ascii(t.data, t.len) || edge || memmem(t.data, t.len, "=?", 2) || longest_word(t.data, t.len) > RAW_WORD_MAX))
        words(out, &column, t.data, t.len);
    else
        folded(out, &column, t.data, t.len);
    text_add(out, "\r\n", 2);
    text_release(&t);
}

void header_raw(struct text *out, const char *name, const char *value, size_t n)
{
    struct text t = {0};
    sanitize(&t, value, n);
    header_clean(&t);
    if (t.len) {
        size_t column = begin(out, name, strlen(name));
        folded(out, &column, t.data, t.len);
        text_add(out, "\r\n", 2);
    }
    text_release(&t);
}

/* ---- fields of others --------------------------------------------------------------------------------------------------------------- */

/* A quoted string at p: its length with both quotes (0: it does not end), its text without quoting. */
static size_t quoted(const char *p, size_t n, struct text *out)
{
    for (size_t i = 1; i < n; i++) {
        if (p[i] == '"')
            return i + 1;
        if (p[i] == '\\' && i + 1 < n)
            i++;
        text_byte(out, p[i]);
    }
    return 0;
}

static size_t until_space(const char *p, size_t n)
{
    size_t i = 0;
    while (i < n && !is_space(p[i]))
        i++;
    return i;
}

/* One line without its end. Quoted strings and words that hold other than ASCII become encoded words; neighbours become one. */
static void foreign_line(struct text *out, size_t *column, const char *p, size_t n)
{
    struct text run = {0};
    for (size_t i = 0; i < n;) {
        struct text inner = {0};
        size_t len = p[i] == '"' ? quoted(p + i, n - i, &inner) : 0;
        if (!len) {
            text_clear(&inner);
            len = is_space(p[i]) ? 1 : until_space(p + i, n - i);
            const char *quote = len > 1 ? memchr(p + i + 1, '"', len - 1) : NULL;
            if (quote)
                len = (size_t)(quote - (p + i));
            text_add(&inner, p + i, len);
        }
        if (is_ascii(inner.data ? inner.data : "", inner.len) || is_space(p[i])) {
            folded(out, column, p + i, len);
        } else {
            sanitize(&run, inner.data, inner.len);
            words(out, column, run.data, run.len);
            text_clear(&run);
        }
        text_release(&inner);
        i += len;
        /* Blanks between two words that are encoded are not shown: they go into the second. */
        if (out->len >= 2 && memcmp(out->data + out->len - 2, "?=", 2) == 0 && i < n && is_space(p[i])) {
            size_t k = i;
            while (k < n && is_space(p[k]))
                k++;
            if (k < n && p[k] != '"' && !is_ascii(p + k, until_space(p + k, n - k)) && !memchr(p + k, '"', until_space(p + k, n - k))) {
                text_byte(out, ' ');
                ++*column;
                text_byte(&run, ' ');
                i = k;
            }
        }
    }
    text_release(&run);
}

/* The value, line by line, with blanks where control characters were and no lines that hold only blanks. */
void header_field(struct text *out, const char *name, size_t name_len, const char *value, size_t n)
{
    struct text line = {0};
    size_t column = begin(out, name, name_len), lines = 0;
    while (n && is_space(value[0]) && value[0] != '\r' && value[0] != '\n') {
        value++;
        n--;
    }
    for (size_t i = 0; i < n; i++) {
        size_t len = 0, blanks = 0;
        while (i + len < n && value[i + len] != '\n')
            blanks += is_space(value[i + len++]);
        if (blanks < len) {
            text_clear(&line);
            sanitize(&line, value + i, len);
            while (line.len && line.data[line.len - 1] == ' ')
                line.len--;
            if (lines++) {
                text_add(out, "\r\n", 2);
                column = 0;
                if (line.data[0] != ' ') {
                    text_byte(out, ' ');
                    column = 1;
                }
            }
            if (is_ascii(line.data, line.len) && line.len < RAW_WORD_MAX) {
                text_add(out, line.data, line.len);
                column += line.len;
            } else {
                foreign_line(out, &column, line.data, line.len);
            }
        }
        i += len;
    }
    text_add(out, "\r\n", 2);
    text_release(&line);
}

/* ---- dates ---------------------------------------------------------------------------------------------------------------------------- */

void header_date_value(struct text *out, int64_t seconds)
{
    static const char days[][4] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    int64_t day = seconds / 86400 - (seconds % 86400 < 0), rest = seconds - day * 86400, year;
    int month, mday;
    char buf[64];
    calendar_date(day, &year, &month, &mday);
    int n = snprintf(buf, sizeof buf, "%s, %d %s %04d %02d:%02d:%02d +0000", days[(day % 7 + 7) % 7], mday, months[(month - 1) % 12], (int)year,
                     (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60));
    text_add(out, buf, (size_t)n);
}

void header_date(struct text *out, const char *name, int64_t seconds)
{
    begin(out, name, strlen(name));
    header_date_value(out, seconds);
    text_add(out, "\r\n", 2);
}

/* ---- addresses -------------------------------------------------------------------------------------------------------------------------- */

static int is_atext(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr("!#$%&'*+-/=?^_`{|}~", c)) || (c & 0x80);
}

static int is_dot_atom(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '.' ? i == 0 || i + 1 == n || p[i - 1] == '.' : !is_atext(p[i]))
            return 0;
    }
    return n > 0;
}

static void quote(struct text *out, const char *p, size_t n)
{
    text_byte(out, '"');
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '"' || p[i] == '\\')
            text_byte(out, '\\');
        text_byte(out, p[i]);
    }
    text_byte(out, '"');
}

/* local@domain so that it parses as what it is. */
static void addr_spec(struct text *out, const char *p, size_t n)
{
    const char *at = memrchr(p, '@', n);
    size_t local = at ? (size_t)(at - p) : n;
    int is_quoted = local > 2 && p[0] == '"' && p[local - 1] == '"' && !memchr(p + 1, '"', local - 2) && !memchr(p, '\\', local);
    if (is_dot_atom(p, local) || is_quoted)
        text_add(out, p, local);
    else
        quote(out, p, local);
    text_byte(out, '@');
    size_t start = out->len;
    for (size_t i = local + 1; i < n; i++) {
        if (is_atext(p[i]) || p[i] == '.' || p[i] == '[' || p[i] == ']' || p[i] == ':')
            text_byte(out, p[i]);
    }
    if (out->len == start)
        text_add(out, "invalid", 7);
}

static void phrase(struct text *out, const char *p, size_t n)
{
    int atoms = 1;
    for (size_t i = 0; i < n; i++)
        atoms = atoms && (p[i] == ' ' || (is_atext(p[i]) && !(p[i] & 0x80)));
    if (atoms && !memmem(p, n, "=?", 2))
        text_add(out, p, n);
    else
        quote(out, p, n);
}

void header_list_add(struct header_list *l, const char *display, size_t display_len, const char *address, size_t address_len)
{
    struct text name = {0}, addr = {0}, spec = {0}, item = {0};
    size_t column = 1;
    text_add(&name, "", 0); /* none of them is NULL from here on */
    text_add(&addr, "", 0);
    text_add(&item, "", 0);
    sanitize(&name, display, display_len);
    header_clean(&name);
    sanitize(&addr, address, address_len);
    header_clean(&addr);
    addr_spec(&spec, addr.data, addr.len);
    if (name.len == addr.len && strncasecmp(name.data, addr.data, addr.len) == 0)
        text_clear(&name);
    if (name.len && (!is_ascii(name.data, name.len) || memmem(name.data, name.len, "=?", 2) || longest_word(name.data, name.len) > RAW_WORD_MAX)) {
        words(&item, &column, name.data, name.len);
    } else if (name.len) {
        phrase(&item, name.data, name.len);
    }
    if (name.len) {
        text_add(&item, " <", 2);
        text_add(&item, spec.data, spec.len);
        text_byte(&item, '>');
    } else {
        text_add(&item, spec.data, spec.len);
    }
    if (l->count++ == 0) {
        l->column = begin(l->out, l->name, strlen(l->name));
    } else {
        text_byte(l->out, ',');
        if (++l->column + 1 + item.len > WIDTH)
            fold(l->out, &l->column);
        else {
            text_byte(l->out, ' ');
            l->column++;
        }
    }
    const char *last = memrchr(item.data, '\n', item.len);
    if (last) {
        text_add(l->out, item.data, item.len);
        l->column = (size_t)(item.data + item.len - last);
    } else {
        folded(l->out, &l->column, item.data, item.len);
    }
    text_release(&name);
    text_release(&addr);
    text_release(&spec);
    text_release(&item);
}

void header_list_end(struct header_list *l)
{
    if (l->count)
        text_add(l->out, "\r\n", 2);
}

/* ---- parameters -------------------------------------------------------------------------------------------------------------------------- */

/* name*0*=utf-8''..., a line each. */
static void extended(struct text *out, const char *name, const char *p, size_t n)
{
    size_t i = 0, part = 0;
    int split = n * 3 + strlen(name) > 60;
    do {
        char head[64];
        size_t room = 54;
        int len = split ? snprintf(head, sizeof head, ";\r\n %.32s*%zu*=%s", name, part, part ? "" : "utf-8''")
                        : snprintf(head, sizeof head, ";\r\n %.32s*=utf-8''", name);
        text_add(out, head, (size_t)len);
        for (part++; i < n && room >= 3; i++) {
            unsigned char c = (unsigned char)p[i];
            char b[4];
            if (is_q(c) && c != '*' && c != '/') {
                text_byte(out, (char)c);
                room--;
            } else if (c == '.' || c == '_') {
                text_byte(out, (char)c);
                room--;
            } else {
                snprintf(b, sizeof b, "%%%02X", c);
                text_add(out, b, 3);
                room -= 3;
            }
        }
    } while (i < n);
}

void header_parameter(struct text *out, const char *name, const char *value, size_t n)
{
    struct text t = {0};
    sanitize(&t, value, n);
    header_clean(&t);
    int token = t.len > 0;
    for (size_t i = 0; i < t.len; i++)
        token = token && is_token(t.data[i]) && t.data[i] != '\'' && t.data[i] != '*' && t.data[i] != '%';
    if (t.len > 60 || !is_ascii(t.data ? t.data : "", t.len)) {
        extended(out, name, t.data, t.len);
    } else {
        text_add(out, ";\r\n ", 4);
        text_add(out, name, strlen(name));
        text_byte(out, '=');
        if (token)
            text_add(out, t.data, t.len);
        else
            quote(out, t.data ? t.data : "", t.len);
    }
    text_release(&t);
}
