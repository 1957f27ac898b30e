/* Encoded words (RFC 2047) to UTF-8.
 *
 * The bytes of neighbouring words of one charset are joined before they are converted: many mailers split a character between two
 * words. What cannot be converted becomes U+FFFD; a word in a charset that nobody knows is left as it stands. */
#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* A word without an end is looked for no further than this: hostile headers must not cost the square of their length. */
enum { CHARSET_MAX = 40, WORD_MAX = 8192 };

/* ---- charsets ------------------------------------------------------------------------------------------------------------------------ */

/* Names seen in mail that iconv does not know, or takes too narrowly. */
static const char *const aliases[][2] = {
    {"gb2312", "gb18030"},          {"gbk", "gb18030"},           {"x-gbk", "gb18030"},     {"ks_c_5601-1987", "cp949"},
    {"euc-kr", "cp949"},            {"iso-8859-1", "cp1252"},     {"latin1", "cp1252"},     {"iso-8859-8-i", "iso-8859-8"},
    {"x-sjis", "shift_jis"},        {"shift_jis", "cp932"},       {"cp-850", "cp850"},      {"iso8859-15", "iso-8859-15"},
    {"us-ascii", "cp1252"},         {"ascii", "cp1252"},          {"x-mac-roman", "macintosh"}, {"unicode-1-1-utf-7", "utf-7"},
    {"eucgb2312_cn", "gb18030"},
};

static int is_utf8_name(const char *charset)
{
    return strcasecmp(charset, "utf-8") == 0 || strcasecmp(charset, "utf8") == 0;
}

static int is_charset_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("-_.:+", s[i]))
            return 0;
    return n > 0 && n < CHARSET_MAX;
}

static iconv_t converter(const char *charset)
{
    static iconv_t last = (iconv_t)-1;
    static char last_name[CHARSET_MAX];
    if (strcasecmp(charset, last_name) == 0)
        return last;
    if (last != (iconv_t)-1)
        iconv_close(last);
    const char *name = charset;
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
        if (strcasecmp(aliases[i][0], charset) == 0)
            name = aliases[i][1];
    last = iconv_open("UTF-8", name);
    snprintf(last_name, sizeof last_name, "%s", charset);
    return last;
}

static int is_known(const char *charset)
{
    return is_utf8_name(charset) || converter(charset) != (iconv_t)-1;
}

static void convert(struct text *out, const char *charset, char *bytes, size_t n)
{
    char part[512];
    if (is_utf8_name(charset)) {
        text_add(out, bytes, n);
        return;
    }
    iconv_t cd = converter(charset);
    iconv(cd, NULL, NULL, NULL, NULL);
    while (n > 0) {
        char *to = part;
        size_t room = sizeof part;
        size_t r = iconv(cd, &bytes, &n, &to, &room);
        int failed = errno;
        text_add(out, part, (size_t)(to - part));
        if (r != (size_t)-1 || failed == E2BIG)
            continue;
        text_rune(out, 0xfffd);
        bytes++;
        n--;
    }
    char *to = part;
    size_t room = sizeof part;
    iconv(cd, NULL, NULL, &to, &room);
    text_add(out, part, (size_t)(to - part));
}

/* ---- words ------------------------------------------------------------------------------------------------------------------------------ */

struct word {
    char charset[CHARSET_MAX];
    char encoding; /* 'q', 'b' */
    const char *text;
    size_t text_len, whole_len;
};

/* Where the last word without an end was looked for, none ends in front of this: the marks behind that one need not look there again. */
static const char *barren;

/* Is there an encoded word at s? In one text, never called for an earlier place than before. */
static int find_word(const char *s, size_t len, struct word *w)
{
    if (len < 8 || s[0] != '=' || s[1] != '?')
        return 0;
    const char *end = s + (len < WORD_MAX ? len : WORD_MAX), *name = s + 2;
    const char *q = memchr(name, '?', (size_t)(end - name));
    if (!q || q + 3 >= end || q[2] != '?')
        return 0;
    const char *star = memchr(name, '*', (size_t)(q - name)); /* a language tag (RFC 2231) */
    size_t n = (size_t)((star ? star : q) - name);
    w->encoding = (char)(q[1] | 0x20);
    if (!is_charset_name(name, n) || (w->encoding != 'q' && w->encoding != 'b'))
        return 0;
    memcpy(w->charset, name, n);
    w->charset[n] = 0;
    w->text = q + 3;
    const char *from = barren && w->text < barren ? barren : w->text, *p = memmem(from, (size_t)(end - from), "?=", 2);
    if (!p) {
        barren = end - 1;
        return 0;
    }
    w->text_len = (size_t)(p - w->text);
    w->whole_len = (size_t)(p + 2 - s);
    return is_known(w->charset);
}

static void decode_q(struct text *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '=' && i + 2 < n && text_hex(s[i + 1]) >= 0 && text_hex(s[i + 2]) >= 0) {
            text_byte(out, (char)(text_hex(s[i + 1]) << 4 | text_hex(s[i + 2])));
            i += 2;
        } else {
            text_byte(out, s[i] == '_' ? ' ' : s[i]);
        }
    }
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

static void decode_b(struct text *out, const char *s, size_t n)
{
    uint32_t bits = 0;
    int have = 0;
    for (size_t i = 0; i < n && s[i] != '='; i++) {
        int v = base64_value(s[i]);
        if (v < 0)
            continue;
        bits = bits << 6 | (uint32_t)v;
        have += 6;
        if (have >= 8) {
            have -= 8;
            text_byte(out, (char)(bits >> have & 0xff));
        }
    }
}

/* Words that stand next to each other with white space between them, of one charset: their bytes go to `bytes`; returns what they
 * take of s. */
static size_t join_words(const char *s, size_t len, const struct word *first, struct text *bytes)
{
    struct word w = *first;
    size_t used = 0;
    text_clear(bytes);
    for (;;) {
        if (w.encoding == 'q')
            decode_q(bytes, w.text, w.text_len);
        else
            decode_b(bytes, w.text, w.text_len);
        used += w.whole_len;
        size_t next = used;
        while (next < len && (s[next] == ' ' || s[next] == '\t'))
            next++;
        if (next == used || !find_word(s + next, len - next, &w) || strcasecmp(w.charset, first->charset) != 0)
            return used;
        used = next;
    }
}

/* White space behind a word counts only if no other word follows. */
static size_t skip_space_between(const char *s, size_t len)
{
    struct word w;
    size_t n = 0;
    while (n < len && (s[n] == ' ' || s[n] == '\t'))
        n++;
    return n && find_word(s + n, len - n, &w) ? n : 0;
}

static void decode_words(struct text *out, const char *s, size_t len)
{
    static struct text bytes;
    for (size_t i = 0; i < len;) {
        struct word w;
        const char *mark = memchr(s + i, '=', len - i);
        size_t plain = mark ? (size_t)(mark - s) - i : len - i;
        text_add(out, s + i, plain);
        i += plain;
        if (i == len)
            break;
        if (!find_word(s + i, len - i, &w)) {
            text_byte(out, s[i++]);
            continue;
        }
        i += join_words(s + i, len - i, &w, &bytes);
        convert(out, w.charset, bytes.data, bytes.len);
        i += skip_space_between(s + i, len - i);
    }
}

/* Threads that import read headers too: buffers and the last converter are kept, for one at a time. */
static pthread_mutex_t decoding = PTHREAD_MUTEX_INITIALIZER;

static void decode(struct text *out, const char *value, size_t len)
{
    static struct text flat;
    barren = NULL;
    text_clear(out);
    text_clear(&flat);
    text_unfold(&flat, value, len);
    const char *mark = memmem(flat.data, flat.len, "=?", 2);
    if (!mark) {
        text_add(out, flat.data, flat.len);
        return;
    }
    size_t plain = (size_t)(mark - flat.data);
    text_add(out, flat.data, plain);
    decode_words(out, mark, flat.len - plain);
    text_add(out, "", 0);
}

void text_decode(struct text *out, const char *value, size_t len)
{
    pthread_mutex_lock(&decoding);
    decode(out, value, len);
    pthread_mutex_unlock(&decoding);
}
