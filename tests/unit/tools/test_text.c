#include "../../../tools/text.h"

#include <stdio.h>
#include <string.h>

#include "unit/unit.h"

static const char *decoded(const char *value)
{
    static struct text t;
    text_decode(&t, value, strlen(value));
    return t.data;
}

START_TEST(encoded_words)
{
    ck_assert_str_eq(decoded(" plain =?  "), "plain =?");
    ck_assert_str_eq(decoded("=?iso-8859-1?Q?J=FCrgen_Klein?="), "J\xc3\xbcrgen Klein");
    ck_assert_str_eq(decoded("=?UTF-8?B?SsO8cmdlbg==?= <a@b>"), "J\xc3\xbcrgen <a@b>");
    ck_assert_str_eq(decoded("=?utf-8*de?q?gr=C3=BCn?="), "gr\xc3\xbcn");
    ck_assert_str_eq(decoded("=?windows-1252?q?=80?="), "\xe2\x82\xac");
    ck_assert_str_eq(decoded("=?koi8-r?B?8NLJ18XU?="), "\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82");
    ck_assert_str_eq(decoded("=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?="), "\xe6\x97\xa5\xe6\x9c\xac");
    ck_assert_str_eq(decoded("=?gb2312?B?1tDOxA==?="), "\xe4\xb8\xad\xe6\x96\x87");
}
END_TEST

START_TEST(neighbouring_words)
{
    ck_assert_str_eq(decoded("=?utf-8?q?a?= =?utf-8?q?b?= c"), "ab c");
    ck_assert_str_eq(decoded("=?utf-8?q?a?=\r\n =?iso-8859-1?q?=E4?=\r\n c"), "a\xc3\xa4 c");
    /* a character cut in two */
    ck_assert_str_eq(decoded("=?utf-8?b?4oI=?= =?utf-8?b?rA==?="), "\xe2\x82\xac");
    ck_assert_str_eq(decoded("=?utf-8?q?a?= =?x-none?q?b?="), "a =?x-none?q?b?=");
}
END_TEST

START_TEST(broken_words_stay)
{
    static const char *const same[] = {
        "=?utf-8?q?no end", "=?utf-8?x?a?=", "=?nonsense-9?q?a?=", "=??q?a?=", "=?utf-8?q", "=?", "=?=?=?=?", "=?utf-8/../x?q?a?=", "=?utf-8?q?a?",
    };
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        ck_assert_str_eq(decoded(same[i]), same[i]);
    ck_assert_str_eq(decoded("=?utf-8?q?a=?="), "a=");
    ck_assert_str_eq(decoded("=?utf-8?b?!?="), "");
    ck_assert_str_eq(decoded("=?shift_jis?b?gQ==?="), "\xef\xbf\xbd"); /* half a character */
    ck_assert_str_eq(decoded("caf\xe9"), "caf\xe9");
    ck_assert_str_eq(decoded(""), "");
}
END_TEST

START_TEST(hostile_words_take_no_time)
{
    size_t n = 2 << 20;
    char *s = malloc(n);
    for (size_t i = 0; i < n; i++)
        s[i] = "=?a?q?x"[i % 7];
    struct text t = {0};
    text_decode(&t, s, n);
    ck_assert_uint_eq(t.len, n);
    text_release(&t);
    free(s);
}
END_TEST

/* A word ends within 8192 bytes, or is none; then a word behind it is one, wherever the search for the end of the first was given up. */
START_TEST(a_word_without_an_end)
{
    static char s[8300], want[8400];
    struct text t = {0};
    for (int n = 8100; n < 8200; n++) {
        int whole = snprintf(s, sizeof s, "=?utf-8?q?%0*d =?utf-8?q?y?=", n, 0) <= 8192;
        snprintf(want, sizeof want, "%s%0*d %sy", whole ? "" : "=?utf-8?q?", n, 0, whole ? "=?utf-8?q?" : "");
        text_decode(&t, s, strlen(s));
        ck_assert_str_eq(t.data, want);
    }
    text_release(&t);
}
END_TEST

START_TEST(unfolding)
{
    struct text t = {0};
    text_unfold(&t, " a\r\n\tb\n c \r\n", 12);
    ck_assert_str_eq(t.data, "a\tb c");
    text_clear(&t);
    text_unfold(&t, "a\rb", 3);
    ck_assert_str_eq(t.data, "a\rb");
    text_clear(&t);
    text_unfold(&t, " \r\n ", 4);
    ck_assert_str_eq(t.data, "");
    text_release(&t);
}
END_TEST

START_TEST(senders)
{
    static const char *const cases[][2] = {
        {"Jane Roe <jane@example.org>", "Jane Roe"},  {"\"Roe, J. \\\"X\\\"\" <j@x>", "Roe, J. \"X\""}, {"<j@x>", "j@x"},
        {"j@x (Jane)", "j@x (Jane)"},                 {"", ""},                                         {"<unclosed", ""},
        {"\"\" <j@x>", "j@x"},
    };
    struct text t = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_sender(&t, cases[i][0], strlen(cases[i][0]));
        ck_assert_str_eq(t.data, cases[i][1]);
    }
    text_release(&t);
}
END_TEST

static const char *column(const char *s, size_t width)
{
    static struct text t;
    text_clear(&t);
    text_column(&t, s, strlen(s), width);
    ck_assert_uint_eq(text_width(t.data, t.len), width);
    return t.data;
}

START_TEST(columns)
{
    ck_assert_str_eq(column("abc", 5), "abc  ");
    ck_assert_str_eq(column("abcde", 5), "abcde");
    ck_assert_str_eq(column("abcdef", 5), "abcd\xe2\x80\xa6");
    ck_assert_str_eq(column("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5), "\xe6\x97\xa5\xe6\x9c\xac\xe2\x80\xa6");
    ck_assert_str_eq(column("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 4), "\xe6\x97\xa5\xe2\x80\xa6 ");
    ck_assert_str_eq(column("e\xcc\x81", 2), "e\xcc\x81 ");
    ck_assert_str_eq(column("abc", 0), ""); /* filled the memory with spaces */
    ck_assert_str_eq(column("a\x1b[31m\x07\n", 8), "a [31m  ");
    ck_assert_str_eq(column("\xe2\x80\xae"
                            "abc",
                            3),
                     "abc");
    ck_assert_str_eq(column("\xff\xfe", 3), "\xef\xbf\xbd\xef\xbf\xbd ");
}
END_TEST

START_TEST(sizes)
{
    char b[16];
    ck_assert_str_eq(text_size(0, b, sizeof b), "0");
    ck_assert_str_eq(text_size(1023, b, sizeof b), "1023");
    ck_assert_str_eq(text_size(1024, b, sizeof b), "1.0K");
    ck_assert_str_eq(text_size(1048575, b, sizeof b), "1.0M");
    ck_assert_str_eq(text_size(10 << 20, b, sizeof b), "10M");
    ck_assert_str_eq(text_size(UINT64_MAX, b, sizeof b), "16E");
}
END_TEST

START_TEST(hex_digits)
{
    for (int c = -128; c < 128; c++) {
        const char *all = "0123456789abcdef0123456789ABCDEF", *at = c ? strchr(all, c) : NULL;
        ck_assert_int_eq(text_hex((char)c), at ? (int)(at - all) % 16 : -1);
    }
}
END_TEST

START_TEST(dates)
{
    char b[TEXT_DATE];
    int64_t s;
    int16_t z;
    ck_assert_str_eq(text_date(0, 0, b, sizeof b), "1970-01-01T00:00:00Z");
    ck_assert_str_eq(text_date(1546394645, 60, b, sizeof b), "2019-01-02T03:04:05+01:00");
    ck_assert_str_eq(text_date(-1, -330, b, sizeof b), "1969-12-31T18:29:59-05:30");
    ck_assert_str_eq(text_date(951782400, 0, b, sizeof b), "2000-02-29T00:00:00Z");
    ck_assert_str_eq(text_date_short(1546394645, 60, b, sizeof b), "2019-01-02 03:04");
    ck_assert_int_eq(text_date_parse("2019-01-02T03:04:05+01:00", &s, &z), 0);
    ck_assert_int_eq(s, 1546394645);
    ck_assert_int_eq(z, 60);
    ck_assert_int_eq(text_date_parse("2019-01-02t02:04:05.25z", &s, &z), 0);
    ck_assert_int_eq(s, 1546394645);
    ck_assert_int_eq(z, 0);
    ck_assert_int_eq(text_date_parse("2000-02-29", &s, &z), 0);
    ck_assert_int_eq(s, 951782400);
    ck_assert_int_eq(text_date_parse("1969-12-31 18:29:59-05:30", &s, &z), 0);
    ck_assert_int_eq(s, -1);
    ck_assert_int_eq(z, -330);
    static const char *const bad[] = {"",           "2019",       "2019-13-01", "2019-02-29", "1900-02-29", "2019-01-02T", "2019-01-02T25:00Z",
                                      "2019-1-2",   "2019-01-02T03:04:05+1:00", "2019-01-02T03:04:05 ", "2019-01-02x", "yesterday",
                                      "2019-00-01", "2019-01-00", "2019-01-02T03:04:05.Z", "2019-01-02T03:04:05+24:00"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(text_date_parse(bad[i], &s, &z), -1);
}
END_TEST

START_TEST(dates_go_round)
{
    char b[TEXT_DATE];
    for (int64_t s = -62135596800 + 86400; s < 253402300000; s += 86399 * 37 + 11) {
        int64_t back;
        int16_t zone = (int16_t)(s % 1439), got;
        ck_assert_int_eq(text_date_parse(text_date(s, zone, b, sizeof b), &back, &got), 0);
        ck_assert_int_eq(back, s);
        ck_assert_int_eq(got, zone);
    }
    /* no crash on what no calendar holds */
    text_date(INT64_MAX, 1439, b, sizeof b);
    text_date(INT64_MIN, -1439, b, sizeof b);
}
END_TEST

START_TEST(durations)
{
    char b[24];
    ck_assert_str_eq(text_duration(7, b, sizeof b), "0:07");
    ck_assert_str_eq(text_duration(3723, b, sizeof b), "1:02:03");
}
END_TEST

UNIT_MAIN("tools/text", encoded_words, neighbouring_words, broken_words_stay, hostile_words_take_no_time, a_word_without_an_end, unfolding, senders,
          columns, sizes, hex_digits, dates, dates_go_round, durations)
