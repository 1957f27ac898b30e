#include <string.h>

#include "archive/mapi/from_mime.h"
#include "unit/unit.h"

START_TEST(types)
{
    static const char *const t[][2] = {
        {"text/plain", "text/plain"}, {" Text/HTML; charset=x", "text/html"}, {"(a(b)c) text/x (d)", "text/x"}, {"text", ""}, {"", ""},
        {"text/plain charset=us-ascii", "text/plain"}, {"a/b/c", ""}, {"\r\n\tmultipart/mixed;\r\n boundary=x", "multipart/mixed"},
    };
    char out[64];
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        mime_type(t[i][0], strlen(t[i][0]), out, sizeof out);
        ck_assert_str_eq(out, t[i][1]);
    }
}
END_TEST

START_TEST(params)
{
    static const char *const t[][2] = {
        {"a/b; name=x", "x"},
        {"a/b; NAME = \"x y\"", "x y"},
        {"a/b; name=\"a\\\"b;c\"; other=1", "a\"b;c"},
        {"a/b; names=1; name=2", "2"},
        {"a/b; x=\"; name=no\"; name=yes", "yes"},
        {"a/b; name=\"=?utf-8?B?w6TDtg==?=\"", "\xc3\xa4\xc3\xb6"},
        {"a/b; name*=iso-8859-1'de'%E4b", "\xc3\xa4" "b"},
        {"a/b; name*0*=utf-8''%C3; name*1*=%A4; name*2=\"c d\"", "\xc3\xa4" "c d"},
        {"a/b; name*1=b; name*0=a", "ab"},
        {"a/b; name=old; name*=utf-8''new", "new"},
        {"a/b; name=\"a\r\n\tb\"", "a b"},
        {"a/b; name=\"\"", NULL},
        {"a/b; name", NULL},
        {"a/b; name=", NULL},
        {"a/b;;;", NULL},
        {"a/b; name*x=1", NULL},
        {"a/b; name=\"unended", "unended"},
        {"a/b; name*=nonsense''a%zz%4", "a%zz%4"},
        {"a/b; name=two words.doc ; x=y", "two words.doc"}, /* should be in quotes */
        {"a/b; name=word x=y", "word"},
        {"a/b; name=word (comment) more", "word"},
        {"a/b; name=\xe4", "\xc3\xa4"}, /* no character set is named */
    };
    struct text out = {0};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        int rc = mime_param(t[i][0], strlen(t[i][0]), "name", &out);
        ck_assert_int_eq(rc, t[i][1] != NULL);
        ck_assert_msg(!rc || strcmp(out.data, t[i][1]) == 0, "%s: %s", t[i][0], out.data);
    }
    text_release(&out);
}
END_TEST

static void note(void *arg, const char *name, const char *address)
{
    struct text *t = arg;
    text_add(t, name, strlen(name));
    text_byte(t, '|');
    text_add(t, address, strlen(address));
    text_byte(t, '\n');
}

START_TEST(addresses)
{
    static const char *const t[][2] = {
        {"a@b", "|a@b\n"},
        {"A B <a@b>", "A B|a@b\n"},
        {"a@b (A B)", "A B|a@b\n"},
        {"\"B, A\" <a@b>, c@d", "B, A|a@b\n|c@d\n"},
        {"=?utf-8?Q?=C3=A4?= <a@b>", "\xc3\xa4|a@b\n"},
        {"team: a@b, C <c@d>;, e@f", "|a@b\nC|c@d\n|e@f\n"},
        {"undisclosed-recipients:;", ""},
        {"A <@x,@y:a@b>", "A|a@b\n"},
        {"<a@b>", "|a@b\n"},
        {"A\r\n B\r\n <a@b>", "A B|a@b\n"},
        {"\"A \\\"x\\\" B\" <a@b>", "A \"x\" B|a@b\n"},
        {"A <a@b", "A|a@b\n"},
        {"only words", "|only words\n"},
        {",,;,", ""},
        {"", ""},
        {"A (c (d) e) <a@b>", "A|a@b\n"},
        {"A\001B <a@b>", "A B|a@b\n"},
        {"\xa3 =?utf-8?Q?=C3=A4?= <\xe4@b>", "\xc2\xa3 \xc3\xa4|\xc3\xa4@b\n"},
        {"\xc2\xa3 <a@b>", "\xc2\xa3|a@b\n"},
        {"<\"a@b\"@c>, \"d e\"@f", "|\"a@b\"@c\n|\"d e\"@f\n"}, /* a local part keeps the quotes that it needs */
        {"\"A, B\" <\"x\"@c>, \"y\"@c", "A, B|x@c\n|y@c\n"},
        {"\"a@b\" <c@d>, <@x:\"q \\\" \\\\\"@y>", "a@b|c@d\n|\"q \\\" \\\\\"@y\n"},
        {"\"no address@all\"", "|no address@all\n"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct text out = {0};
        text_add(&out, "", 0);
        mime_addresses(t[i][0], strlen(t[i][0]), note, &out);
        ck_assert_msg(strcmp(out.data, t[i][1]) == 0, "%s: %s", t[i][0], out.data);
        text_release(&out);
    }
}
END_TEST

/* Whatever the pieces are in which the bytes come, the result is the same. */
/* Encoded words, and bytes that nobody says the character set of: UTF-8 if they are that, else windows-1252. */
START_TEST(words)
{
    static const char *const t[][2] = {
        {"plain", "plain"},
        {"\xa3" "7,000", "\xc2\xa3" "7,000"},
        {"\xc2\xa3" "7,000", "\xc2\xa3" "7,000"},
        {"\xa3 =?utf-8?Q?=C3=A4?=", "\xc2\xa3 \xc3\xa4"},
        {"\x80\x99", "\xe2\x82\xac\xe2\x84\xa2"},
    };
    struct text out = {0};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        mime_words(t[i][0], strlen(t[i][0]), &out);
        ck_assert_str_eq(out.data, t[i][1]);
    }
    text_release(&out);
}
END_TEST

START_TEST(transfer_encodings)
{
    static const struct {
        int encoding;
        const char *in, *out;
    } t[] = {
        {CUBBY_CTE_BASE64, "aGVsbG8=", "hello"},
        {CUBBY_CTE_BASE64, "aGVs\r\nbG8gd29y\r\nbGQ=\r\n", "hello world"},
        {CUBBY_CTE_BASE64, "aGVsbG8=d29ybGQ=", "helloworld"},
        {CUBBY_CTE_BASE64, "a G!V*s", "hel"},
        {CUBBY_CTE_BASE64, "aGVsbG8", "hello"},
        {CUBBY_CTE_BASE64, "=", ""},
        {CUBBY_CTE_BASE64, "aGVsbG8=\r\n\r\n d29ybGQ= \n", "helloworld"},
        {CUBBY_CTE_BASE64, "aGVsbG8=\n\n____\nlist mailing list\naGVs", "hello"}, /* a mailing list's own words */
        {CUBBY_CTE_BASE64, "aGU=\n--\naGVs", "he"},
        {CUBBY_CTE_BASE64, "aGU=\nSee http", "he"},
        {CUBBY_CTE_QP, "a=3Db=\nc", "a=bc"},
        {CUBBY_CTE_QP, "a=\r\nb = \r\nc\r\n", "ab c\r\n"},
        {CUBBY_CTE_QP, "a  \r\nb\t\nc ", "a\r\nb\nc"},
        {CUBBY_CTE_QP, "a=zz=4", "a=zz=4"},
        {CUBBY_CTE_QP, "=c3=A4", "\xc3\xa4"},
        {CUBBY_CTE_QP, "=", ""},
        {CUBBY_CTE_8BIT, "a =3D b ", "a =3D b "},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = 1; step <= strlen(t[i].in); step++) {
            struct mime_decoder d = {.encoding = t[i].encoding};
            struct text out = {0};
            size_t n = strlen(t[i].in);
            for (size_t at = 0; at < n; at += step)
                mime_decode(&d, (const uint8_t *)t[i].in + at, n - at < step ? n - at : step, &out);
            mime_decode_end(&d, &out);
            ck_assert_msg(out.len == strlen(t[i].out) && (out.len == 0 || memcmp(out.data, t[i].out, out.len) == 0), "%s in %zu: %s", t[i].in, step,
                          out.data);
            text_release(&out);
        }
}
END_TEST

START_TEST(charsets)
{
    static const uint16_t wide_1[] = {'a', 0xe4, '\r', '\n', 'b', 0}, wide_2[] = {0x20ac, 0}, wide_3[] = {0xfffd, 'x', 0},
                          wide_4[] = {0xd83d, 0xde00, 0}, wide_5[] = {0x3042, 0x3044, 0}, wide_6[] = {'a', 'b', 0};
    static const struct {
        const char *charset, *in;
        size_t n;
        const uint16_t *out;
    } t[] = {
        {"utf-8", "a\xc3\xa4\nb", 5, wide_1},
        {"ISO-8859-1", "a\xe4\r\nb", 5, wide_1},
        {"", "a\xe4\nb", 4, wide_1},
        {"x-unheard-of", "a\xc3\xa4\nb", 5, wide_1},
        {"us-ascii", "\x80", 1, wide_2},
        {"utf-8", "\xffx", 2, wide_3},
        {"utf-8", "\xf0\x9f\x98\x80", 4, wide_4},
        {"Shift_JIS", "\x82\xa0\x82\xa2", 4, wide_5},
        {"iso-2022-jp", "\x1b$B$\"$$\x1b(B", 10, wide_5},
        {"utf-16le", "\x42\x30\x44\x30", 4, wide_5},
        {"utf-8", "a\0b", 3, wide_6},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = i == 2 || i == 3 ? t[i].n : 1; step <= t[i].n; step++) { /* a guess needs to see it */
            struct mime_charset *c = mime_charset_new(t[i].charset);
            struct text out = {0};
            size_t units = 0;
            for (size_t at = 0; at < t[i].n; at += step)
                mime_charset_add(c, t[i].in + at, t[i].n - at < step ? t[i].n - at : step, &out);
            mime_charset_end(&c, &out);
            ck_assert_ptr_null(c);
            while (t[i].out[units])
                units++;
            ck_assert_msg(out.len == 2 * units, "%zu in %zu: %zu", i, step, out.len);
            for (size_t k = 0; k < units; k++)
                ck_assert_uint_eq((uint32_t)(uint8_t)out.data[2 * k] | (uint32_t)(uint8_t)out.data[2 * k + 1] << 8, t[i].out[k]);
            text_release(&out);
        }
    ck_assert_uint_eq(mime_codepage("UTF-8"), 65001);
    ck_assert_uint_eq(mime_codepage("koi8-r"), 20866);
    ck_assert_uint_eq(mime_codepage("x-unheard-of"), 0);
}
END_TEST

/* What Outlook is told about HTML: the MIME header's word, else the HTML's own, else what its bytes can be. */
START_TEST(html_charsets)
{
    static const struct {
        const char *charset, *html;
        uint32_t codepage;
    } t[] = {
        {"iso-8859-2", "<meta charset=big5>\xa4\xa4", 28592},
        {"", "<html><head><meta http-equiv=\"Content-Type\" content=\"text/html; charset=big5\"></head>\xa4\xa4", 950},
        {"", "<html><META\r\ncontent='text/html;CHARSET = KOI8-R' name=x>\xc1", 20866},
        {"x-unheard-of", "<meta name=a><meta charset='gb2312'/>\xb0\xa1", 936},
        {"", "<meta charset=x-unheard-of>\xc3\xa4", 65001},
        {"", "<meta charset=utf-16>\xc3\xa4", 65001},
        {"", "<meta charset=utf-7>+ADw-", 65001},
        {"", "charset=big5 \xe4", 1252},
        {"", "plain", 65001},
        {"", "\xc3\xa4", 65001},
        {"", "\xe4", 1252},
        {"", "half \xc3", 1252},
        {"us-ascii", "a", 20127},
        {"us-ascii", "<meta charset=windows-1251>\xc3\xa4", 1251},
        {"us-ascii", "\xc3\xa4", 65001},
        {"", "<meta charset", 65001},
        {"", "<meta charset=", 65001},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        for (size_t step = 1; step <= strlen(t[i].html); step++) {
            struct mime_html h = {0};
            for (size_t at = 0, n = strlen(t[i].html); at < n; at += step)
                mime_html_add(&h, t[i].html + at, n - at < step ? n - at : step);
            uint32_t codepage = mime_html_codepage(&h, t[i].charset);
            ck_assert_msg(codepage == t[i].codepage, "%zu in %zu: %u", i, step, codepage);
        }
}
END_TEST

START_TEST(cleaning)
{
    struct text t = {0};
    text_add(&t, " \ta\r\nb\x7f ", 8);
    mime_clean(&t, 100);
    ck_assert_str_eq(t.data, "a  b");
    text_clear(&t);
    text_add(&t, "ab\xc3\xa4", 4);
    mime_clean(&t, 3); /* no half characters */
    ck_assert_str_eq(t.data, "ab");
    text_release(&t);
    mime_clean(&t, 3);
    ck_assert_str_eq(t.data, "");
    text_release(&t);
}
END_TEST

UNIT_MAIN("tools/pst_write_fields", types, params, addresses, words, transfer_encodings, charsets, html_charsets, cleaning)
