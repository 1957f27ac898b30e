#include "mime/header.h"

#include <stdio.h>
#include <string.h>

#include "base/varint.h"
#include "cubby.h"
#include "unit/mime/linear.h"
#include "unit/unit.h"

#define U(s) ((const uint8_t *)(s))

/* The fields as "name|bytes behind the colon" lines; what is no field has no name. */
static void check_fields(const char *header, const char *want)
{
    char got[2000];
    size_t pos = 0, n = 0, end = 0;
    struct cubby__field f;
    while (cubby__field_next(U(header), strlen(header), &pos, &f)) {
        ck_assert_uint_eq(f.start, end); /* every byte belongs to one of them */
        ck_assert_uint_eq(f.end, pos);
        end = f.end;
        n += (size_t)sprintf(got + n, "%.*s|%.*s~", (int)f.name_len, header + f.start, (int)(f.end - f.value), header + f.value);
    }
    got[n] = 0;
    ck_assert_uint_eq(end, strlen(header));
    ck_assert_str_eq(got, want);
}

START_TEST(fields)
{
    check_fields("", "");
    check_fields("\n", "|\n~");
    check_fields("A: b\n\n", "A| b\n~|\n~");
    check_fields("A:b\r\n c\r\n\td\r\nE-f \t: g\r\n\r\n", "A|b\r\n c\r\n\td\r\n~E-f| g\r\n~|\r\n~");
    check_fields("From x@y Sat\n>From z\n more\nTo: a", "|From x@y Sat\n~|>From z\n more\n~To| a~");
    check_fields(" folded nothing\nA: b\n", "| folded nothing\n~A| b\n~");
    check_fields("no field\n:empty\nA\n:b\n", "|no field\n~|:empty\n~|A\n~|:b\n~");
    check_fields("A: b\rC: d\n", "A| b\rC: d\n~"); /* a bare CR is a byte like others */
    check_fields("\xc3\xa4: b\n", "|\xc3\xa4: b\n~");
    check_fields("A:", "A|~");
    check_fields("A", "|A~");
    check_fields("\n x\n", "|\n~| x\n~"); /* an empty line is not continued */
    check_fields("A::b\n", "A|:b\n~");
}
END_TEST

START_TEST(list_fields)
{
    static const char *const list[] = {
        "Date", "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Subject", "Message-ID", "In-Reply-To", "References", "Content-Type", "Content-X",
        "Content-", "MIME-Version", "List-Id", "List-Unsubscribe-Post", "List-", "Priority", "X-Priority", "Importance", "Newsgroups", "Lines",
        "Mail-Followup-To", "X-Label", "Disposition-Notification-To", "X-Original-To", "Delivered-To", "X-Uniform-Type-Identifier",
        "X-Universally-Unique-Identifier", "X-K9mail-Identity", "Chat-Version"};
    static const char *const rest[] = {
        "", "D", "T", "Dat", "Dates", "Received", "Resent-From", "Resent-Date", "Autocrypt", "X-Spam-Status", "X-Mailer", "Status", "X-Status",
        "X-Keywords", "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys", "Return-Path", "DKIM-Signature", "List", "Content", "XList-Id",
        "Contenttype", "Message_ID", "X-Universally-Unique-Identifier-", "Messagd-IE"};
    char upper[64], lower[64];
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        size_t n = strlen(list[i]);
        for (size_t k = 0; k <= n; k++) {
            upper[k] = list[i][k] >= 'a' && list[i][k] <= 'z' ? (char)(list[i][k] - 32) : list[i][k];
            lower[k] = list[i][k] >= 'A' && list[i][k] <= 'Z' ? (char)(list[i][k] + 32) : list[i][k];
        }
        ck_assert_msg(cubby__is_list_field(list[i], n) && cubby__is_list_field(upper, n) && cubby__is_list_field(lower, n), "%s", list[i]);
        upper[n - 1] = '.';
        if (upper[0] != 'L' && strncmp(upper, "CONTENT-", 8) != 0)
            ck_assert_msg(!cubby__is_list_field(upper, n), "%s", upper);
    }
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++)
        ck_assert_msg(!cubby__is_list_field(rest[i], strlen(rest[i])), "%s", rest[i]);
    ck_assert_int_eq(cubby__is_list_field("From\0", 5), 0);
}
END_TEST

struct groups {
    struct cubby__buf list, rest, runs, joined;
};

static void release(struct groups *g)
{
    cubby__buf_release(&g->list);
    cubby__buf_release(&g->rest);
    cubby__buf_release(&g->runs);
    cubby__buf_release(&g->joined);
}

static void split_and_join(const uint8_t *header, size_t n, struct groups *g)
{
    *g = (struct groups){CUBBY__BUF_INIT, CUBBY__BUF_INIT, CUBBY__BUF_INIT, CUBBY__BUF_INIT};
    cubby__header_split(header, n, &g->list, &g->rest, &g->runs);
    ck_assert_int_eq(cubby__header_join(g->list.data, g->list.len, g->rest.data, g->rest.len, g->runs.data, g->runs.len, &g->joined), 0);
    ck_assert_uint_eq(g->joined.len, n);
    if (n)
        ck_assert_mem_eq(g->joined.data, header, n);
}

static void check_buf(const struct cubby__buf *b, const char *want, size_t n)
{
    ck_assert_uint_eq(b->len, n);
    if (n)
        ck_assert_mem_eq(b->data, want, n);
}

START_TEST(groups)
{
    static const struct {
        const char *header, *list, *rest, *runs;
        size_t run_bytes;
    } cases[] = {
        {"", "", "", "", 0},
        {"To: a\n", "To: a\n", "", "\x00\x06", 2},
        {"X: a\n", "", "X: a\n", "\x05", 1},
        {"Received: x\nTo: a\nCc: b\nX: c\nY: d\n\n", "To: a\nCc: b\n", "Received: x\nX: c\nY: d\n\n", "\x0c\x0c\x0b", 3},
        {"To: a\nX: b\n c\nsubject :\n\td\n", "To: a\nsubject :\n\td\n", "X: b\n c\n", "\x00\x06\x08\x0d", 4},
        {"rubbish\nTo: a\n>From b\nTo: c\r\n\r\n", "To: a\nTo: c\r\n", "rubbish\n>From b\n\r\n", "\x08\x06\x08\x07\x02", 5},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct groups g;
        split_and_join(U(cases[i].header), strlen(cases[i].header), &g);
        check_buf(&g.list, cases[i].list, strlen(cases[i].list));
        check_buf(&g.rest, cases[i].rest, strlen(cases[i].rest));
        check_buf(&g.runs, cases[i].runs, cases[i].run_bytes);
        release(&g);
    }
}
END_TEST

START_TEST(groups_of_any_bytes)
{
    static const char *const pieces[] = {"To", "X", ":", " ", "\n", "\r\n", "\r", "Date: x\n", "Received: y\n", "\xff", "From a\n", "\t"};
    uint64_t r = 2463534242;
    for (int round = 0; round < 2000; round++) {
        struct cubby__buf b = CUBBY__BUF_INIT;
        struct groups g;
        for (int i = 0; i < 30; i++) {
            r = r * 6364136223846793005u + 1442695040888963407u;
            const char *p = pieces[(r >> 33) % (sizeof pieces / sizeof *pieces)];
            cubby__buf_add(&b, p, strlen(p));
        }
        cubby__buf_byte(&b, 0);
        split_and_join(b.data, b.len, &g);
        release(&g);
        cubby__buf_release(&b);
    }
}
END_TEST

START_TEST(join_refuses)
{
    static const struct {
        const char *runs;
        size_t n;
    } bad[] = {
        {"", 0},                                             /* nothing used */
        {"\x03", 1},                                         /* the list group is left over */
        {"\x03\x02", 2},                                     /* too little of it */
        {"\x03\x04", 2},                                     /* too much */
        {"\x04\x03", 2},                                     /* too much of the rest */
        {"\x03\x00\x00\x03", 4},                             /* empty runs inside */
        {"\x03\x03\x00", 3},                                 /* ... and at the end */
        {"\x83\x00\x03", 3},                                 /* not the shortest form */
        {"\x03\x83", 2},                                     /* cut off */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x03", 11} /* 2^64 - 1 */
    };
    struct cubby__buf out = CUBBY__BUF_INIT;
    cubby__buf_byte(&out, '!');
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(cubby__header_join(U("lis"), 3, U("res"), 3, U(bad[i].runs), bad[i].n, &out) == CUBBY_ECORRUPT, "case %zu", i);
        ck_assert_uint_eq(out.len, 1); /* what was there stays, nothing comes behind */
    }
    ck_assert_int_eq(cubby__header_join(U(""), 0, U(""), 0, U("\x00"), 1, &out), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__header_join(U("lis"), 3, U("res"), 3, U("\x01\x03\x02"), 3, &out), 0);
    ck_assert_uint_eq(out.len, 7);
    ck_assert_mem_eq(out.data, "!rlises", 7);
    out.failed = 1;
    ck_assert_int_eq(cubby__header_join(U("lis"), 3, U("res"), 3, U("\x01\x03\x02"), 3, &out), CUBBY_ENOMEM);
    cubby__buf_release(&out);
}
END_TEST

START_TEST(find)
{
    const char h[] = "From x\nSUBJECT:  one\r\n two \r\nsubject: second\nA:\nB: \t\n\n";
    const uint8_t *v;
    size_t n;
    ck_assert_int_eq(cubby__header_find(U(h), strlen(h), "Subject", &v, &n), 1);
    ck_assert_uint_eq(n, strlen("one\r\n two"));
    ck_assert_mem_eq(v, "one\r\n two", n);
    ck_assert_int_eq(cubby__header_find(U(h), strlen(h), "a", &v, &n), 1);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(cubby__header_find(U(h), strlen(h), "b", &v, &n), 1);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(cubby__header_find(U(h), strlen(h), "From", &v, &n), 0);
    ck_assert_int_eq(cubby__header_find(U(h), strlen(h), "Subjec", &v, &n), 0);
    ck_assert_int_eq(cubby__header_find(U(h), strlen(h), "", &v, &n), 0);
    ck_assert_int_eq(cubby__header_find(NULL, 0, "a", &v, &n), 0);
}
END_TEST

static void split_it(void *header)
{
    struct cubby__buf *b = header;
    struct groups g;
    split_and_join(b->data, b->len, &g);
    release(&g);
}

START_TEST(time_is_linear)
{
    static const char *const lines[] = {"a", "To: a\nX: b\n", " \n", "a ", ":", "\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct cubby__buf once = CUBBY__BUF_INIT, twice = CUBBY__BUF_INIT;
        for (size_t k = 0; k < 400000; k++) {
            if (k < 200000)
                cubby__buf_add(&once, lines[i], strlen(lines[i]));
            cubby__buf_add(&twice, lines[i], strlen(lines[i]));
        }
        ck_assert_msg(is_linear(split_it, &once, &twice), "case %zu", i);
        cubby__buf_release(&once);
        cubby__buf_release(&twice);
    }
}
END_TEST

UNIT_MAIN("mime/header", fields, list_fields, groups, groups_of_any_bytes, join_refuses, find, time_is_linear)
