/* Header fields, and the flows below them: encodings and line ends. */
#include "archive/mapi/header.h"

#include <string.h>

#include "archive/mapi/codepage.h"
#include "archive/mapi/flow.h"
#include "unit/unit.h"

static struct text out;

static const char *text_field(const char *value)
{
    text_clear(&out);
    header_text(&out, "Subject", value, strlen(value));
    return out.data;
}

/* Lines are short, none is blank, and unfolded it says what it said before. */
static void check_text(const char *value)
{
    struct text back = {0};
    text_field(value);
    size_t line = 0;
    for (size_t i = 0; i < out.len; i++) {
        line = out.data[i] == '\n' ? 0 : line + 1;
        ck_assert_msg(line <= 78, "%s", out.data);
    }
    ck_assert_int_eq(memcmp(out.data + out.len - 2, "\r\n", 2), 0);
    text_decode(&back, out.data + 8, out.len - 8);
    ck_assert_str_eq(back.data, value);
    text_release(&back);
}

START_TEST(free_text)
{
    ck_assert_str_eq(text_field("Hello"), "Subject: Hello\r\n");
    ck_assert_str_eq(text_field(""), "Subject: \r\n");
    ck_assert_str_eq(text_field("a\r\nb\tc"), "Subject: a  b c\r\n");
    check_text("=?utf-8?q?not encoded?=");
    check_text("caf\xc3\xa9");
    check_text(" edge ");
    check_text("word word word word word word word word word word word word word word word word word word word word word word word");
    check_text("\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80 \xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80 "
               "\xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xd0\xbc\xd0\xb8\xd1\x80 \xd0\xbf\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82 \xf0\x9f\x98\x80");
    check_text("a long subject with one \xc3\xa9 in it, and then so much more text that several encoded words are needed for all of it, really");
}
END_TEST

START_TEST(foreign_fields)
{
    static const char *const t[][2] = {
        {" \"J\xc3\xbcrgen \\\"X\\\" K\" <a@b>, Z <c@d>", "F: =?utf-8?Q?J=C3=BCrgen_=22X=22_K?= <a@b>, Z <c@d>\r\n"},
        {" \xc3\xbc \xc3\xa4 x", "F: =?utf-8?B?w7w=?= =?utf-8?B?IMOk?= x\r\n"},
        {" bad \xff", "F: bad =?utf-8?B?77+9?=\r\n"},
        {" a\r\n\tb\r\n  \r\nc", "F: a\r\n b\r\n c\r\n"},
        {" \"open \xc3\xbc", "F: \"open =?utf-8?B?w7w=?=\r\n"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        text_clear(&out);
        header_field(&out, "F", 1, t[i][0], strlen(t[i][0]));
        ck_assert_str_eq(out.data, t[i][1]);
    }
}
END_TEST

static const char *one_address(const char *name, const char *address)
{
    struct header_list l = {.out = &out, .name = "To"};
    text_clear(&out);
    header_list_add(&l, name, strlen(name), address, strlen(address));
    header_list_end(&l);
    return out.data;
}

START_TEST(address_lists)
{
    ck_assert_str_eq(one_address("", "a@b"), "To: a@b\r\n");
    ck_assert_str_eq(one_address("A@B", "a@b"), "To: a@b\r\n");
    ck_assert_str_eq(one_address("A, B", "a@b"), "To: \"A, B\" <a@b>\r\n");
    ck_assert_str_eq(one_address("A \"B\" \\", "a@b"), "To: \"A \\\"B\\\" \\\\\" <a@b>\r\n");
    ck_assert_str_eq(one_address("x", "a b@c"), "To: x <\"a b\"@c>\r\n");
    ck_assert_str_eq(one_address("x", "a>,<b@c>, d@e"), "To: x <\"a>,<b@c>, d\"@e>\r\n");
    ck_assert_str_eq(one_address("x", "nobody"), "To: x <nobody@invalid>\r\n");
    ck_assert_str_eq(one_address("x", "a@"), "To: x <a@invalid>\r\n");
    ck_assert_str_eq(one_address("x", "@"), "To: x <\"\"@invalid>\r\n");
    struct header_list l = {.out = &out, .name = "To"};
    text_clear(&out);
    header_list_end(&l);
    ck_assert_uint_eq(out.len, 0);
}
END_TEST

static const char *parameter(const char *value)
{
    text_clear(&out);
    header_parameter(&out, "name", value, strlen(value));
    return out.data;
}

START_TEST(parameters)
{
    ck_assert_str_eq(parameter("a.txt"), ";\r\n name=a.txt");
    ck_assert_str_eq(parameter(""), ";\r\n name=\"\"");
    ck_assert_str_eq(parameter("a \"b\".txt"), ";\r\n name=\"a \\\"b\\\".txt\"");
    ck_assert_str_eq(parameter("\xc3\xa9"), ";\r\n name*=utf-8''%C3%A9");
    const char *many = parameter("a name of more than sixty letters is cut into several parts, each on its own line.txt");
    ck_assert_ptr_nonnull(strstr(many, ";\r\n name*0*=utf-8''a%20name"));
    ck_assert_ptr_nonnull(strstr(many, ";\r\n name*1*="));
    ck_assert_int_eq(header_is_type("text/plain", 10), 1);
    ck_assert_int_eq(header_is_type("text/", 5) || header_is_type("/x", 2) || header_is_type("a/b c", 5) || header_is_type("a/b/c", 5), 0);
}
END_TEST

static const char *flowed(struct flow *f)
{
    text_clear(&out);
    flow_all(f, 1 << 20, &out);
    flow_close(&f);
    text_add(&out, "", 0);
    return out.data;
}

START_TEST(encodings)
{
    ck_assert_str_eq(flowed(flow_lines(flow_bytes("a\nb\rc\r\n\r\nd", 10))), "a\r\nb\r\nc\r\n\r\nd\r\n");
    ck_assert_str_eq(flowed(flow_lines(flow_bytes("", 0))), "");
    ck_assert_str_eq(flowed(flow_quoted(flow_bytes("a \r\nb\t\r\n=\xc3\x01 .\r\n", 15))), "a=20\r\nb=09\r\n=3D=C3=01 .\r\n");
    ck_assert_str_eq(flowed(flow_quoted(flow_bytes("no end ", 7))), "no end=20=\r\n");
    ck_assert_str_eq(flowed(flow_quoted(flow_bytes("x\ry\n", 4))), "x=0Dy=0A=\r\n");
    ck_assert_str_eq(flowed(flow_base64(flow_bytes("abcd", 4))), "YWJjZA==\r\n");
    ck_assert_str_eq(flowed(flow_base64(flow_bytes("", 0))), "");
    ck_assert_str_eq(flowed(flow_trim(flow_bytes("a\0b\0\0", 5))), "a");
    ck_assert_uint_eq(out.len, 3);
    char wide[300];
    memset(wide, 'x', sizeof wide);
    for (const char *p = flowed(flow_quoted(flow_bytes(wide, sizeof wide))), *nl; (nl = strchr(p, '\n')) != NULL; p = nl + 1)
        ck_assert_int_le(nl - p, 77);
}
END_TEST

START_TEST(looks)
{
    struct flow_look l;
    struct flow *f = flow_bytes("ab\r\n--=_x\r\n\xc3\xa9", 13);
    flow_look(f, &l);
    flow_close(&f);
    ck_assert(l.bytes == 13 && l.high == 2 && l.marks && l.utf8 && l.line_ends && l.longest == 6);
    f = flow_bytes("--\n-=_\n--=\n\xe9\n", 13);
    flow_look(f, &l);
    flow_close(&f);
    ck_assert(!l.marks && !l.utf8 && !l.line_ends);
}
END_TEST

START_TEST(decoding)
{
    text_clear(&out);
    codepage_decode(1200, "a\0\x00\xd8z\0", 6, &out);
    ck_assert_str_eq(out.data, "a\xef\xbf\xbdz");
    text_clear(&out);
    codepage_decode(1200, "a\0b", 3, &out);
    ck_assert_str_eq(out.data, "a\xef\xbf\xbd");
    struct decoder *d = decoder_new(65001);
    text_clear(&out);
    decoder_add(d, "\xe2\x82", 2, &out);
    decoder_add(d, "\xac\xe2", 2, &out);
    decoder_end(d, &out);
    ck_assert_str_eq(out.data, "\xe2\x82\xac\xef\xbf\xbd");
    ck_assert_uint_eq(decoder_bad(d), 1);
    decoder_free(&d);
    for (uint32_t page = 1; page < 66000; page++) { /* whatever is in the table works */
        if (codepage_known(page)) {
            text_clear(&out);
            codepage_decode(page, "A\0\0\0", 4, &out);
        }
    }
}
END_TEST

UNIT_MAIN("tools/mapi_header", free_text, foreign_fields, address_lists, parameters, encodings, looks, decoding)
