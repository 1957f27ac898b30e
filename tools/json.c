#include "json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "text.h"

/* The line being built. A comma is due before the next value unless something has just been opened. */
static struct text line;
static int comma;
static FILE *stream;

void json_stream(FILE *f)
{
    stream = f;
}

static size_t sequence_length(unsigned char c)
{
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* Length of the valid character at s, 0 if there is none. */
static size_t valid_character(const unsigned char *s, size_t n)
{
    size_t len = sequence_length(s[0]);
    if (len == 0 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

int json_is_utf8(const void *p, size_t n)
{
    const unsigned char *s = p;
    for (size_t i = 0; i < n;) {
        size_t len = s[i] < 0x80 ? 1 : valid_character(s + i, n - i);
        if (len == 0)
            return 0;
        i += len;
    }
    return 1;
}

static void add(const char *s)
{
    text_add(&line, s, strlen(s));
}

static void escape(unsigned char c)
{
    static const char names[] = "btn\0fr"; /* 8 to 13 */
    char b[8];
    if (c == '"' || c == '\\')
        snprintf(b, sizeof b, "\\%c", c);
    else if (c >= 8 && c <= 13 && c != 11)
        snprintf(b, sizeof b, "\\%c", names[c - 8]);
    else
        snprintf(b, sizeof b, "\\u%04x", c);
    add(b);
}

/* What stands between the quotes of a string; 0 if something was not UTF-8. DEL and the C1 controls are escaped too: JSON goes to terminals. */
static int escaped(const unsigned char *s, size_t n)
{
    int good = 1;
    for (size_t i = 0; i < n;) {
        size_t run = i;
        while (run < n && s[run] >= 0x20 && s[run] < 0x7f && s[run] != '"' && s[run] != '\\')
            run++;
        text_add(&line, s + i, run - i);
        i = run;
        if (i == n)
            break;
        if (s[i] < 0x80) {
            escape(s[i++]);
            continue;
        }
        size_t len = valid_character(s + i, n - i);
        if (len == 0) {
            text_rune(&line, 0xfffd);
            good = 0;
            i++;
        } else if (len == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0) {
            escape(s[i + 1]);
            i += 2;
        } else {
            text_add(&line, s + i, len);
            i += len;
        }
    }
    return good;
}

static int quoted(const unsigned char *s, size_t n)
{
    text_byte(&line, '"');
    int good = escaped(s, n);
    text_byte(&line, '"');
    return good;
}

static void begin_value(const char *key, const char *suffix)
{
    if (comma)
        text_byte(&line, ',');
    comma = 1;
    if (!key)
        return;
    text_byte(&line, '"');
    escaped((const unsigned char *)key, strlen(key));
    add(suffix);
    add("\":");
}

void json_begin(const char *event)
{
    text_clear(&line);
    text_byte(&line, '{');
    comma = 0;
    if (event)
        json_str("event", event);
}

void json_end(void)
{
    add("}\n");
    fwrite(line.data, 1, line.len, stream ? stream : stdout);
    text_clear(&line);
    comma = 0;
}

void json_str(const char *key, const char *text)
{
    if (text)
        json_bytes(key, text, strlen(text));
    else
        json_null(key);
}

static void base64(const unsigned char *s, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    text_byte(&line, '"');
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t v = (uint32_t)s[i] << 16 | (left > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (left > 2 ? s[i + 2] : 0);
        char b[4] = {digits[v >> 18], digits[v >> 12 & 63], left > 1 ? digits[v >> 6 & 63] : '=', left > 2 ? digits[v & 63] : '='};
        text_add(&line, b, 4);
    }
    text_byte(&line, '"');
}

void json_bytes(const char *key, const void *p, size_t n)
{
    begin_value(key, "");
    if (!quoted(p, n) && key) {
        begin_value(key, "_raw");
        base64(p, n);
    }
}

void json_base64(const char *key, const void *p, size_t n)
{
    begin_value(key, "");
    base64(p, n);
}

void json_hex(const char *key, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *s = p;
    begin_value(key, "");
    text_byte(&line, '"');
    for (size_t i = 0; i < n; i++) {
        text_byte(&line, digits[s[i] >> 4]);
        text_byte(&line, digits[s[i] & 15]);
    }
    text_byte(&line, '"');
}

void json_uint(const char *key, uint64_t v)
{
    char b[24];
    begin_value(key, "");
    snprintf(b, sizeof b, "%" PRIu64, v);
    add(b);
}

void json_int(const char *key, int64_t v)
{
    char b[24];
    begin_value(key, "");
    snprintf(b, sizeof b, "%" PRId64, v);
    add(b);
}

void json_bool(const char *key, int v)
{
    begin_value(key, "");
    add(v ? "true" : "false");
}

void json_null(const char *key)
{
    begin_value(key, "");
    add("null");
}

void json_double(const char *key, double v)
{
    char b[344];
    if (!isfinite(v)) {
        json_null(key);
        return;
    }
    int n = snprintf(b, sizeof b, "%.6f", v);
    while (b[n - 1] == '0')
        n--;
    if (b[n - 1] == '.')
        n--;
    b[n] = 0;
    begin_value(key, "");
    add(strcmp(b, "-0") == 0 ? "0" : b);
}

static void open_value(const char *key, char c)
{
    begin_value(key, "");
    text_byte(&line, c);
    comma = 0;
}

static void close_value(char c)
{
    text_byte(&line, c);
    comma = 1;
}

void json_array(const char *key)
{
    open_value(key, '[');
}

void json_array_end(void)
{
    close_value(']');
}

void json_object(const char *key)
{
    open_value(key, '{');
}

void json_object_end(void)
{
    close_value('}');
}
