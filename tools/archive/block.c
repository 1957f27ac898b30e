#include "archive/block.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/state.h"
#include "calendar.h"
#include "text.h"

#define LINE_MAX_BYTES 900

/* ---- writing ----------------------------------------------------------------------------------------------------------------------- */

static void add(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

/* A keyword as one word: what could not stand there, and '%', becomes %XX. */
static void add_keyword(struct text *t, const char *s)
{
    char hex[4];
    for (; *s; s++) {
        unsigned char c = (unsigned char)*s;
        snprintf(hex, sizeof hex, "%%%02X", c);
        if (c > ' ' && c < 0x7f && c != '%')
            text_byte(t, *s);
        else
            add(t, hex);
    }
}

static void add_keywords(struct text *t, const char *const *keywords, size_t count, const char *eol)
{
    size_t line = t->len;
    add(t, "X-Keywords:");
    for (size_t i = 0; i < count; i++) {
        if (t->len - line + strlen(keywords[i]) > LINE_MAX_BYTES) {
            add(t, eol);
            line = t->len;
        }
        add(t, " ");
        add_keyword(t, keywords[i]);
    }
    add(t, eol);
}

static void add_date(struct text *t, int64_t seconds, int zone)
{
    char buf[TEXT_DATE];
    const int64_t first = calendar_days(0, 1, 2) * 86400, last = calendar_days(9999, 12, 31) * 86400;
    if (seconds >= first && seconds < last) {
        add(t, text_date(seconds, zone, buf, sizeof buf));
        return;
    }
    int east = zone < 0 ? -zone : zone;
    snprintf(buf, sizeof buf, "@%lld%c%02d:%02d", (long long)seconds, zone < 0 ? '-' : '+', east / 60, east % 60);
    add(t, buf);
}

void block_format(struct text *out, const struct block *b, const char *const *keywords, size_t keyword_count, int crlf)
{
    static const char *const added[] = {"", " added=lf", " added=crlf"};
    const char *eol = crlf ? "\r\n" : "\n";
    char buf[40];
    uint32_t f = b->flags.system;
    add(out, f & CUBBY_SEEN ? "Status: RO" : "Status: O");
    add(out, eol);
    add(out, f & ~(uint32_t)CUBBY_SEEN ? "X-Status: " : "X-Status:");
    add(out, f & CUBBY_ANSWERED ? "A" : "");
    add(out, f & CUBBY_FLAGGED ? "F" : "");
    add(out, f & CUBBY_DRAFT ? "T" : "");
    add(out, f & CUBBY_DELETED ? "D" : "");
    add(out, eol);
    add_keywords(out, keywords, keyword_count, eol);
    snprintf(buf, sizeof buf, "X-Cubby: v1 uid=%u date=", b->uid);
    add(out, buf);
    add_date(out, b->date, b->zone);
    add(out, " hash=");
    for (int i = 0; i < 16; i++) {
        snprintf(buf, sizeof buf, "%02x", b->hash[i]);
        add(out, buf);
    }
    add(out, added[b->added]);
    add(out, eol);
}

void block_of_message(struct text *out, const struct writer_message *m, int crlf, int ends)
{
    int open = ends && m->tail_len && m->tail[m->tail_len - 1] != '\n';
    struct block b = {.uid = m->uid, .date = m->date, .zone = m->zone, .flags = {.system = m->flags}};
    memcpy(b.hash, m->hash, sizeof b.hash);
    b.added = !open ? BLOCK_ADDED_NONE : crlf ? BLOCK_ADDED_CRLF : BLOCK_ADDED_LF;
    block_format(out, &b, m->keywords, m->keyword_count, crlf);
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------------- */

struct cursor {
    const char *p, *end;
};

static int take(struct cursor *c, const char *s)
{
    size_t n = strlen(s);
    if ((size_t)(c->end - c->p) < n || memcmp(c->p, s, n) != 0)
        return 0;
    c->p += n;
    return 1;
}

static int take_eol(struct cursor *c)
{
    return take(c, "\n") || take(c, "\r\n");
}

static int take_letters(struct cursor *c, const char *allowed, uint32_t *flags)
{
    const char *start = c->p;
    while (c->p < c->end && *c->p && strchr(allowed, *c->p))
        c->p++;
    *flags |= state_of_letters(start, (size_t)(c->p - start));
    return take_eol(c);
}

/* One word of X-Keywords, decoded. */
static int take_keyword(struct cursor *c, struct cli_flags *out)
{
    char word[256];
    size_t n = 0;
    for (; c->p < c->end && *c->p > ' '; c->p++) {
        int v = (unsigned char)*c->p;
        if (v == '%') {
            if (c->end - c->p < 3 || text_hex(c->p[1]) < 0 || text_hex(c->p[2]) < 0)
                return 0;
            v = text_hex(c->p[1]) * 16 + text_hex(c->p[2]);
            c->p += 2;
        }
        if (n == sizeof word)
            return 0;
        word[n++] = (char)v;
    }
    if (n && word[0] != '\\')
        cli_flag_add(out, word, n); /* one that this store does not take is dropped */
    return n > 0;
}

static int take_keywords(struct cursor *c, struct cli_flags *out)
{
    if (!take(c, "X-Keywords:"))
        return 0;
    for (;;) {
        if (take(c, " ")) {
            if (!take_keyword(c, out))
                return 0;
        } else if (!take_eol(c)) {
            return 0;
        } else if (c->p == c->end || *c->p != ' ') {
            return 1;
        }
    }
}

static int take_number(struct cursor *c, uint64_t max, uint64_t *out)
{
    const char *start = c->p;
    for (*out = 0; c->p < c->end && *c->p >= '0' && *c->p <= '9'; c->p++) {
        unsigned digit = (unsigned)(*c->p - '0');
        if (*out > (max - digit) / 10)
            return 0;
        *out = *out * 10 + digit;
    }
    return c->p > start;
}

/* "@SECONDS+HH:MM" */
static int take_raw_date(struct cursor *c, struct block *out)
{
    uint64_t seconds, hours, minutes;
    int before = take(c, "-");
    if (!take_number(c, INT64_MAX, &seconds))
        return 0;
    int west = take(c, "-");
    if (!(west || take(c, "+")) || !take_number(c, 23, &hours) || !take(c, ":") || !take_number(c, 59, &minutes))
        return 0;
    out->date = before ? -(int64_t)seconds : (int64_t)seconds;
    out->zone = (int16_t)((west ? -1 : 1) * (int)(hours * 60 + minutes));
    return 1;
}

static int take_date(struct cursor *c, struct block *out)
{
    if (take(c, "@"))
        return take_raw_date(c, out);
    char word[TEXT_DATE];
    size_t n = 0;
    while (c->p < c->end && *c->p > ' ' && n < sizeof word - 1)
        word[n++] = *c->p++;
    word[n] = 0;
    return text_date_parse(word, &out->date, &out->zone) == 0;
}

static int take_hash(struct cursor *c, uint8_t out[16])
{
    if (c->end - c->p < 32)
        return 0;
    for (int i = 0; i < 16; i++, c->p += 2) {
        int high = text_hex(c->p[0]), low = text_hex(c->p[1]);
        if (high < 0 || low < 0)
            return 0;
        out[i] = (uint8_t)(high << 4 | low);
    }
    return 1;
}

static int take_cubby(struct cursor *c, struct block *out)
{
    uint64_t uid;
    if (!take(c, "X-Cubby: v1 uid=") || !take_number(c, UINT32_MAX, &uid) || !take(c, " date=") || !take_date(c, out) ||
        !take(c, " hash=") || !take_hash(c, out->hash))
        return 0;
    out->uid = (uint32_t)uid;
    if (take(c, " added=crlf"))
        out->added = BLOCK_ADDED_CRLF;
    else if (take(c, " added=lf"))
        out->added = BLOCK_ADDED_LF;
    return take_eol(c);
}

int block_parse(const char *p, size_t n, struct block *out)
{
    struct cursor c = {p, p + n};
    struct block b = {.flags = CLI_FLAGS_INIT};
    int ok = take(&c, "Status: ") && take_letters(&c, "RO", &b.flags.system) && take(&c, "X-Status:") &&
             (take(&c, " ") || 1) && take_letters(&c, "AFTD", &b.flags.system) && take_keywords(&c, &b.flags) && take_cubby(&c, &b);
    if (!ok) {
        cli_flags_release(&b.flags);
        return 0;
    }
    b.len = (size_t)(c.p - p);
    cli_flags_sort(&b.flags);
    *out = b;
    return 1;
}
