/* Bodies to text: transfer encodings and charsets. */
#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/mapi/codepage.h"
#include "archive/mapi/from_mime.h"
#include "cli.h"
#include "text.h"

/* ---- base64, quoted-printable ------------------------------------------------------------------------------------------------------------ */

enum { NO_LETTER = 0xff };

enum { DATA, ENDED, TEXT }; /* mime_decoder.ended */
enum { LINE_MAX_BYTES = 1000 };

static const uint8_t *base64_table(void)
{
    static uint8_t table[256];
    static int made;
    if (made)
        return table;
    memset(table, NO_LETTER, sizeof table);
    for (int i = 0; i < 26; i++) {
        table['A' + i] = (uint8_t)i;
        table['a' + i] = (uint8_t)(26 + i);
    }
    for (int i = 0; i < 10; i++)
        table['0' + i] = (uint8_t)(52 + i);
    table['+'] = table['-'] = 62;
    table['/'] = table['_'] = 63;
    made = 1;
    return table;
}

/* Everything that is no letter of base64 is passed over. Bytes taken: up to the first '=', which ends the data. */
static size_t decode_letters(struct mime_decoder *d, const uint8_t *p, size_t n, struct text *out)
{
    const uint8_t *table = base64_table();
    char part[3 * 1024];
    size_t len = 0, i = 0;
    for (; i < n && p[i] != '='; i++) {
        if (d->have == 0 && i + 4 <= n && len + 3 <= sizeof part) {
            uint32_t a = table[p[i]], b = table[p[i + 1]], c = table[p[i + 2]], e = table[p[i + 3]];
            if ((a | b | c | e) < 64) {
                uint32_t v = a << 18 | b << 12 | c << 6 | e;
                part[len++] = (char)(v >> 16);
                part[len++] = (char)(v >> 8);
                part[len++] = (char)v;
                i += 3;
                continue;
            }
        }
        if (len + 3 > sizeof part) {
            text_add(out, part, len);
            len = 0;
        }
        uint32_t v = table[p[i]];
        if (v == NO_LETTER)
            continue;
        d->bits = d->bits << 6 | v;
        d->have += 6;
        if (d->have >= 8) {
            d->have -= 8;
            part[len++] = (char)(d->bits >> d->have);
            d->bits &= (1u << d->have) - 1;
        }
    }
    text_add(out, part, len);
    if (i == n)
        return n;
    d->bits = 0; /* padding: what is left of bits is none of the data */
    d->have = 0;
    d->ended = ENDED;
    return i + 1;
}

/* Behind the end: more base64, as some programs join it, or the text that mailing lists append to a body, whatever its encoding. */
static void end_line(struct mime_decoder *d, struct text *out)
{
    const uint8_t *p = (const uint8_t *)d->line.data, *table = base64_table();
    size_t n = d->line.len, i = 0;
    while (n && isspace(p[n - 1]))
        n--;
    while (i < n && isspace(p[i]))
        i++;
    while (i < n && p[i] != '-' && p[i] != '_' && (table[p[i]] != NO_LETTER || p[i] == '='))
        i++;
    if (i < n)
        d->ended = TEXT;
    else
        for (i = 0; i < n;)
            i += decode_letters(d, p + i, n - i, out);
    text_clear(&d->line);
}

static void decode_base64(struct mime_decoder *d, const uint8_t *p, size_t n, struct text *out)
{
    size_t i = 0;
    while (i < n && d->ended != TEXT) {
        if (d->ended == DATA) {
            i += decode_letters(d, p + i, n - i, out);
        } else {
            text_byte(&d->line, (char)p[i]);
            if (p[i++] == '\n' || d->line.len == LINE_MAX_BYTES)
                end_line(d, out);
        }
    }
}

/* One byte of quoted-printable. */
static void decode_qp_byte(struct mime_decoder *d, uint8_t c, struct text *out)
{
    if (d->held_len == 0) {
        if (c == ' ' || c == '\t') {
            text_byte(&d->blanks, (char)c);
            return;
        }
        if (c != '\n' && c != '\r')
            text_add(out, d->blanks.data, d->blanks.len);
        text_clear(&d->blanks);
        if (c == '=')
            d->held[d->held_len++] = '=';
        else
            text_byte(out, (char)c);
        return;
    }
    d->held[d->held_len++] = (char)c;
    if (d->held_len == 2 && c == '\n') { /* soft line end */
        d->held_len = 0;
    } else if (d->held_len == 2 && (c == ' ' || c == '\t')) {
        d->held_len = 1; /* blanks between = and the line end */
    } else if (d->held_len == 3 && d->held[1] == '\r' && c == '\n') {
        d->held_len = 0;
    } else if (d->held_len == 3 || (c != '\r' && text_hex((char)c) < 0)) {
        int high = text_hex(d->held[1]), low = d->held_len == 3 ? text_hex(d->held[2]) : -1;
        if (high >= 0 && low >= 0)
            text_byte(out, (char)(high * 16 + low));
        else
            text_add(out, d->held, d->held_len);
        d->held_len = 0;
    }
}

static void decode_qp(struct mime_decoder *d, const uint8_t *p, size_t n, struct text *out)
{
    size_t i = 0;
    while (i < n) {
        size_t run = i;
        while (d->held_len == 0 && d->blanks.len == 0 && run < n && p[run] != '=' && p[run] != ' ' && p[run] != '\t')
            run++;
        text_add(out, p + i, run - i);
        i = run;
        if (i < n)
            decode_qp_byte(d, p[i++], out);
    }
}

void mime_decode(struct mime_decoder *d, const uint8_t *p, size_t n, struct text *out)
{
    if (d->encoding == CUBBY_CTE_BASE64)
        decode_base64(d, p, n, out);
    else if (d->encoding == CUBBY_CTE_QP)
        decode_qp(d, p, n, out);
    else
        text_add(out, p, n);
}

void mime_decode_end(struct mime_decoder *d, struct text *out)
{
    if (d->held_len > 1)
        text_add(out, d->held, d->held_len);
    if (d->line.len)
        end_line(d, out);
    text_release(&d->line);
    text_release(&d->blanks);
}

/* ---- charsets -------------------------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint32_t codepage;
    const char *iconv; /* NULL: the name itself */
} charsets[] = {
    {"utf-8", 65001, NULL}, {"utf8", 65001, "UTF-8"}, {"us-ascii", 20127, "CP1252"}, {"ascii", 20127, "CP1252"}, {"iso-8859-1", 28591, "CP1252"},
    {"latin1", 28591, "CP1252"}, {"iso-8859-2", 28592, NULL}, {"iso-8859-3", 28593, NULL}, {"iso-8859-4", 28594, NULL}, {"iso-8859-5", 28595, NULL},
    {"iso-8859-6", 28596, NULL}, {"iso-8859-7", 28597, NULL}, {"iso-8859-8", 28598, NULL}, {"iso-8859-8-i", 38598, "ISO-8859-8"},
    {"iso-8859-9", 28599, NULL}, {"iso-8859-13", 28603, NULL}, {"iso-8859-15", 28605, NULL}, {"windows-1250", 1250, NULL}, {"windows-1251", 1251, NULL},
    {"windows-1252", 1252, NULL}, {"windows-1253", 1253, NULL}, {"windows-1254", 1254, NULL}, {"windows-1255", 1255, NULL}, {"windows-1256", 1256, NULL},
    {"windows-1257", 1257, NULL}, {"windows-1258", 1258, NULL}, {"windows-874", 874, "CP874"}, {"koi8-r", 20866, NULL}, {"koi8-u", 21866, NULL},
    {"gb2312", 936, "GB18030"}, {"gbk", 936, "GB18030"}, {"x-gbk", 936, "GB18030"}, {"gb18030", 54936, NULL}, {"hz-gb-2312", 52936, NULL},
    {"big5", 950, NULL}, {"chinesebig5", 950, "BIG5"}, {"shift_jis", 932, "CP932"}, {"x-sjis", 932, "CP932"}, {"euc-jp", 51932, NULL}, {"iso-2022-jp", 50220, NULL},
    {"euc-kr", 51949, "CP949"}, {"ks_c_5601-1987", 949, "CP949"}, {"iso-2022-kr", 50225, NULL}, {"utf-7", 65000, NULL}, {"unicode-1-1-utf-7", 65000, "UTF-7"},
    {"utf-16", 1200, NULL}, {"utf-16le", 1200, NULL}, {"utf-16be", 1201, NULL}, {"macintosh", 10000, NULL}, {"x-mac-roman", 10000, "MACINTOSH"},
    {"ibm437", 437, NULL}, {"ibm850", 850, NULL}, {"cp850", 850, NULL}, {"cp-850", 850, "CP850"}, {"tis-620", 874, NULL},
};
enum { CHARSETS = sizeof charsets / sizeof *charsets };

uint32_t mime_codepage(const char *charset)
{
    for (size_t i = 0; i < CHARSETS; i++)
        if (strcasecmp(charsets[i].name, charset) == 0)
            return charsets[i].codepage;
    return 0;
}

static const char *iconv_name(const char *charset)
{
    for (size_t i = 0; i < CHARSETS; i++)
        if (strcasecmp(charsets[i].name, charset) == 0 && charsets[i].iconv)
            return charsets[i].iconv;
    return charset;
}

static int is_plain_name(const char *s)
{
    for (size_t i = 0; s[i]; i++)
        if (i > 40 || !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:+", s[i]))
            return 0;
    return *s != 0;
}

enum { GUESS, UTF8, ICONV, LATER /* as ICONV, when there is more than ASCII */ };

struct mime_charset {
    int kind;
    int wide;      /* bytes are not to be looked at before they are converted */
    int last_cr;
    const char *name; /* LATER */
    iconv_t cd;
    struct text in; /* cleaned; what a character lacks at its end waits here */
};

/* Single bytes of which the lower half is ASCII: opening a converter costs more than most messages. */
static const char *byte_charset(const char *name)
{
    for (size_t i = 0; i < CHARSETS; i++)
        if (strcasecmp(charsets[i].name, name) == 0 || (charsets[i].iconv && strcmp(charsets[i].iconv, name) == 0)) {
            const char *known = charsets[i].iconv ? charsets[i].iconv : charsets[i].name;
            if (strncasecmp(known, "iso-8859", 8) == 0 || strncasecmp(known, "windows-", 8) == 0 || strncasecmp(known, "CP125", 5) == 0 ||
                strncasecmp(known, "koi8", 4) == 0)
                return known;
        }
    return NULL;
}

struct mime_charset *mime_charset_new(const char *charset)
{
    struct mime_charset *c = cli_malloc(sizeof *c);
    *c = (struct mime_charset){.kind = GUESS, .cd = (iconv_t)-1};
    const char *name = iconv_name(charset);
    if (strcasecmp(name, "UTF-8") == 0)
        c->kind = UTF8;
    else if ((c->name = byte_charset(name)) != NULL)
        c->kind = LATER;
    else if (is_plain_name(name) && (c->cd = iconv_open("UTF-16LE", name)) != (iconv_t)-1)
        c->kind = ICONV;
    c->wide = strncasecmp(name, "utf-16", 6) == 0 || strncasecmp(name, "utf-32", 6) == 0 || strncasecmp(name, "ucs", 3) == 0;
    return c;
}

/* Without NULs, with CRLF. */
static void clean_lines(struct mime_charset *c, const char *p, size_t n)
{
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        const char *mark = p + i;
        while (mark < p + n && *mark != '\n' && *mark != 0)
            mark++;
        i = (size_t)(mark - p);
        text_add(&c->in, p + from, i - from);
        from = i + 1;
        int after_cr = i > 0 ? p[i - 1] == '\r' : c->last_cr;
        if (i < n && p[i] == '\n')
            text_add(&c->in, after_cr ? "\n" : "\r\n", after_cr ? 1 : 2);
    }
    if (n)
        c->last_cr = p[n - 1] == '\r';
}

/* Bytes at the end that may be the start of a character. */
static size_t cut_utf8(const char *p, size_t n)
{
    for (size_t back = 1; back <= 3 && back <= n; back++) {
        uint8_t b = (uint8_t)p[n - back];
        if (b < 0x80)
            return 0;
        if (b >= 0xc0)
            return back < (b >= 0xf0 ? 4u : b >= 0xe0 ? 3u : 2u) ? back : 0;
    }
    return 0;
}

static void add_utf8(struct mime_charset *c, struct text *out, int last)
{
    size_t rest = last ? 0 : cut_utf8(c->in.data, c->in.len), n = c->in.len - rest;
    pstw_utf16(out, c->in.data, n);
    memmove(c->in.data, c->in.data + n, rest);
    c->in.len = rest;
}

static void add_iconv(struct mime_charset *c, struct text *out, int last)
{
    char part[4096], *in = c->in.data;
    size_t left = c->in.len;
    while (left) {
        char *to = part;
        size_t room = sizeof part, r = iconv(c->cd, &in, &left, &to, &room);
        int failed = errno;
        text_add(out, part, (size_t)(to - part));
        if (r != (size_t)-1 || failed == E2BIG)
            continue;
        if (failed == EINVAL && !last && left < 16)
            break;
        text_add(out, "\xfd\xff", 2);
        in++;
        left--;
    }
    memmove(c->in.data, in, left);
    c->in.len = left;
    if (!last)
        return;
    char *to = part;
    size_t room = sizeof part;
    iconv(c->cd, NULL, NULL, &to, &room);
    text_add(out, part, (size_t)(to - part));
}

/* What nobody named, and LATER: by the first bytes that are not ASCII. */
static void guess(struct mime_charset *c)
{
    uint32_t state = 0;
    size_t i = 0;
    while (i < c->in.len && !(c->in.data[i] & 0x80))
        i++;
    if (i == c->in.len)
        return;
    if (c->kind == LATER || !utf8_valid(c->in.data, c->in.len, &state))
        c->cd = iconv_open("UTF-16LE", c->name ? c->name : "CP1252");
    c->kind = c->cd != (iconv_t)-1 ? ICONV : UTF8;
}

void mime_charset_add(struct mime_charset *c, const char *p, size_t n, struct text *out)
{
    if (c->wide)
        text_add(&c->in, p, n);
    else
        clean_lines(c, p, n);
    if (c->in.len == 0)
        return;
    if (c->kind == GUESS || c->kind == LATER)
        guess(c);
    if (c->kind == ICONV)
        add_iconv(c, out, 0);
    else
        add_utf8(c, out, 0);
}

void mime_charset_end(struct mime_charset **handle, struct text *out)
{
    struct mime_charset *c = *handle;
    if (c->in.data) {
        if (c->kind == ICONV)
            add_iconv(c, out, 1);
        else
            add_utf8(c, out, 1);
    }
    if (c->cd != (iconv_t)-1)
        iconv_close(c->cd);
    text_release(&c->in);
    free(c);
    *handle = NULL;
}

void mime_utf8(const char *charset, const char *p, size_t n, struct text *out)
{
    uint32_t state = 0, codepage = mime_codepage(charset);
    char part[512], *in = (char *)(uintptr_t)p; /* iconv does not change it */
    iconv_t cd = (iconv_t)-1;
    if (codepage != 65001 && is_plain_name(iconv_name(charset)))
        cd = iconv_open("UTF-8", iconv_name(charset));
    if (cd == (iconv_t)-1) {
        codepage_decode(utf8_valid(p, n, &state) && state == 0 ? CODEPAGE_UTF8 : CODEPAGE_WESTERN, p, n, out);
        return;
    }
    while (n) {
        char *to = part;
        size_t room = sizeof part, r = iconv(cd, &in, &n, &to, &room);
        int failed = errno;
        text_add(out, part, (size_t)(to - part));
        if (r == (size_t)-1 && failed != E2BIG) {
            text_rune(out, 0xfffd);
            in++;
            n--;
        }
    }
    iconv_close(cd);
}
