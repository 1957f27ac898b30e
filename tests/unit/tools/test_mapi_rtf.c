/* Compressed RTF, and the HTML and text in RTF. */
#include <zlib.h>

#include "archive/mapi/flow.h"
#include "archive/mapi/rtf.h"
#include "unit/unit.h"

#include <string.h>

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

/* A compressor without cleverness: references to what came up to 17 bytes before, in the ring that begins with the 207 bytes. */
static struct text compressed(const char *s, size_t n)
{
    struct text t = {0}, body = {0};
    uint8_t header[16] = {0};
    size_t ring = 207, flags_at = 0;
    int bits = 8;
    for (size_t i = 0; i <= n;) {
        if (bits == 8) {
            flags_at = body.len;
            text_byte(&body, 0);
            bits = 0;
        }
        size_t len = 0, back = 0;
        for (size_t d = 1; d <= 17 && d <= i && i < n; d++) {
            size_t k = 0;
            while (k < 17 && i + k < n && s[i + k] == s[i + k - d])
                k++;
            if (k > len) {
                len = k;
                back = d;
            }
        }
        if (i == n || len >= 2) { /* the end is a reference to the place that comes next */
            size_t ref = i == n ? ring % 4096 : (ring + 4096 - back) % 4096;
            len = i == n ? 2 : len;
            body.data[flags_at] = (char)(body.data[flags_at] | 1 << bits);
            text_byte(&body, (char)(ref >> 4));
            text_byte(&body, (char)((ref & 15) << 4 | (len - 2)));
            if (i == n)
                break;
        } else {
            text_byte(&body, s[i]);
            len = 1;
        }
        bits++;
        i += len;
        ring += len;
    }
    put32(header, (uint32_t)body.len + 12);
    put32(header + 4, (uint32_t)n);
    put32(header + 8, 0x75465a4c);
    put32(header + 12, (uint32_t)~crc32(0xffffffff, (const uint8_t *)body.data, (unsigned)body.len));
    text_add(&t, header, sizeof header);
    text_add(&t, body.data, body.len);
    text_release(&body);
    return t;
}

static struct text unpacked(const void *p, size_t n, const char **error)
{
    static char kept[200];
    struct text out = {0};
    struct flow *f = flow_lzfu(flow_bytes(p, n));
    ck_assert_int_eq(flow_all(f, 1 << 24, &out), 0);
    *error = flow_error(f) ? strcpy(kept, flow_error(f)) : NULL;
    flow_close(&f);
    text_add(&out, "", 0);
    return out;
}

START_TEST(known_bytes)
{
    static const uint8_t z[] = {0x2d, 0, 0, 0, 0x2b, 0, 0, 0, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00, 0x0a, 0x00, 0x72, 0x63, 0x70, 0x67,
                                0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09, 0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d,
                                0x0a, 0x80, 0x0f, 0xa0};
    const char *error;
    struct text t = unpacked(z, sizeof z, &error);
    ck_assert_str_eq(t.data, "{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n");
    ck_assert_ptr_null(error);
    text_release(&t);
}
END_TEST

START_TEST(there_and_back)
{
    char s[20000];
    const char *error;
    for (size_t n = 0; n <= sizeof s; n = n * 2 + 1) {
        for (size_t i = 0; i < n; i++)
            s[i] = (char)(i % 7 < 4 ? 'a' + i % 3 : i * 31 >> 3);
        struct text z = compressed(s, n), t = unpacked(z.data, z.len, &error);
        ck_assert_ptr_null(error);
        ck_assert_uint_eq(t.len, n);
        ck_assert_int_eq(memcmp(t.data, s, n), 0);
        text_release(&t);
        t = unpacked(z.data, z.len - 1, &error); /* nothing but the end mark is missing */
        ck_assert_ptr_null(error);
        ck_assert_uint_eq(t.len, n);
        text_release(&t);
        t = unpacked(z.data, z.len / 2, &error);
        ck_assert_ptr_nonnull(n ? error : "");
        text_release(&t);
        z.data[z.len - 1] ^= 1; /* the length in the end mark counts for nothing but the checksum */
        t = unpacked(z.data, z.len, &error);
        ck_assert_ptr_nonnull(strstr(error ? error : "", "checksum"));
        ck_assert_uint_eq(t.len, n);
        text_release(&t);
        text_release(&z);
    }
}
END_TEST

START_TEST(kinds_of_compression)
{
    uint8_t z[40] = {0};
    const char *error;
    put32(z, 12 + 5);
    put32(z + 4, 5);
    put32(z + 8, 0x414c454d);
    memcpy(z + 16, "{\\rtfjunk", 9);
    struct text t = unpacked(z, 25, &error);
    ck_assert_str_eq(t.data, "{\\rtf");
    ck_assert_ptr_null(error);
    text_release(&t);
    put32(z + 4, 17); /* of two sizes that differ, the smaller one */
    t = unpacked(z, 21, &error);
    ck_assert_str_eq(t.data, "{\\rtf");
    ck_assert_ptr_null(error);
    text_release(&t);
    t = unpacked(z, 20, &error);
    ck_assert_ptr_nonnull(error);
    text_release(&t);
    put32(z + 8, 1);
    t = unpacked(z, 25, &error);
    ck_assert_uint_eq(t.len, 0);
    ck_assert_ptr_nonnull(error);
    text_release(&t);
    t = unpacked(z, 7, &error);
    ck_assert_ptr_nonnull(error);
    text_release(&t);
}
END_TEST

static struct text shown(const char *rtf)
{
    struct text out = {0};
    struct flow *f = flow_rtf(flow_bytes(rtf, strlen(rtf)), rtf_kind(rtf, strlen(rtf)));
    flow_all(f, 1 << 24, &out);
    flow_close(&f);
    text_add(&out, "", 0);
    return out;
}

START_TEST(html)
{
    static const char *const t[][2] = {
        {"{\\rtf1\\ansi\\ansicpg1252\\fromhtml1 \\deff0{\\fonttbl{\\f0\\fswiss Arial;}{\\f1\\fmodern\\fcharset204 X;}}{\\colortbl;}{\\*\\generator g;}"
         "{\\*\\htmltag18 <html>}\\htmlrtf hidden\\par \\htmlrtf0 {\\*\\htmltag64 <p class=\"a\\'e9\">}text\\tab x{\\*\\htmltag84 <br>}\\htmlrtf\\line\\htmlrtf0\r\n"
         "{\\*\\mhtmltag84 <no>}\\f1 \\'cf\\f0\\'e9 \\u8364 ? \\{\\}\\\\ \\lquote\\~{\\*\\htmltag72 </p>\\par}{\\*\\unknown no}{\\pict 00}}",
         "<html><p class=\"a\xc3\xa9\">text\tx<br>\xd0\x9f\xc3\xa9 \xe2\x82\xac {}\\ &lsquo;&nbsp;</p>\r\n"},
        {"{\\rtf1\\fromhtml1 {\\htmlrtf {\\b\\htmlrtf0 bold}\\htmlrtf }\\htmlrtf0 x}}", "boldx"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        ck_assert_int_eq(rtf_kind(t[i][0], strlen(t[i][0])), RTF_HTML);
        struct text out = shown(t[i][0]);
        ck_assert_str_eq(out.data, t[i][1]);
        text_release(&out);
    }
}
END_TEST

START_TEST(text)
{
    static const char *const t[][2] = {
        {"{\\rtf1\\ansi\\fromtext \\fs20 a\\par b\\tab c\\par}", "a\r\nb\tc\r\n"},
        {"{\\rtf1 \\u-10179?\\u-8704?}", "\xf0\x9f\x98\x80"},
        {"{\\rtf1 \\u-10179?x}", "\xef\xbf\xbdx"},
        {"{\\rtf1\\uc2 \\u233\\'c3\\'a9z\\uc0\\u233 z}", "\xc3\xa9z\xc3\xa9z"},
        {"{\\rtf1{\\fonttbl{\\f7\\fcharset128 M;}}\\f7\\'93\\'fa\\'96{}\\'7b\\'96\\tab x}", "\xe6\x97\xa5\xe6\x9c\xac\xef\xbf\xbd\tx"},
        {"{\\rtf1{\\fonttbl{\\f7\\fcharset128 M;}}\\f7\\'83A\\'83\\'43}", "\xe3\x82\xa2\xe3\x82\xa4"},
        {"{\\rtf1 a{\\field{\\*\\fldinst HYPERLINK \"x\"}{\\fldrslt link}}\\bin3 }}}b}c", "alinkb"},
        {"{\\rtf1 a\\cell b\\row}", "a\tb\r\n"},
        {"{\\rtf1 \\'4", ""},
        {"{\\rtf1 a}}}}}b{c", "a"},
        {"{\\rtf1 \\u55296", ""},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct text out = shown(t[i][0]);
        ck_assert_msg(strcmp(out.data, t[i][1]) == 0, "%s: %s", t[i][0], out.data);
        text_release(&out);
    }
    ck_assert_int_eq(rtf_kind("<html>", 6), RTF_NONE);
}
END_TEST

START_TEST(deep_groups_and_long_runs)
{
    struct text s = {0};
    text_add(&s, "{\\rtf1 ", 7);
    for (int i = 0; i < 5000; i++)
        text_byte(&s, '{');
    text_byte(&s, 'x');
    for (int i = 0; i < 5000; i++)
        text_byte(&s, '}');
    text_byte(&s, 'y');
    struct text out = shown(s.data);
    ck_assert_str_eq(out.data, "xy");
    text_release(&out);
    text_clear(&s);
    text_add(&s, "{\\rtf1\\ansicpg932 ", 18); /* characters of two bytes on both sides of every buffer's end */
    text_byte(&s, 'a');
    for (int i = 0; i < 5000; i++)
        text_add(&s, "\\'93\\'fa", 8);
    out = shown(s.data);
    ck_assert_uint_eq(out.len, 1 + 3 * 5000);
    ck_assert_ptr_null(strstr(out.data, "\xef\xbf\xbd"));
    text_release(&out);
    text_release(&s);
}
END_TEST

UNIT_MAIN("tools/mapi_rtf", known_bytes, there_and_back, kinds_of_compression, html, text, deep_groups_and_long_runs)
