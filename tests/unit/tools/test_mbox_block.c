#include "archive/block.h"

#include "archive/digest.h"
#include "archive/letter.h"
#include "mbox_util.h"

static void add_text(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

START_TEST(exact_text)
{
    struct text t = {0};
    static const char *const keywords[] = {"$Forwarded", "a%b"};
    struct block b = {.uid = 7, .date = 1546394645, .zone = 60, .flags = {CUBBY_SEEN | CUBBY_FLAGGED | CUBBY_DELETED, NULL, 0, 0}};
    memset(b.hash, 0xab, sizeof b.hash);
    block_format(&t, &b, keywords, 2, 0);
    ck_assert_str_eq(t.data, "Status: RO\nX-Status: FD\nX-Keywords: $Forwarded a%25b\n"
                             "X-Cubby: v1 uid=7 date=2019-01-02T03:04:05+01:00 hash=abababababababababababababababab\n");
    text_clear(&t);
    b.flags.system = 0;
    b.added = BLOCK_ADDED_LF;
    block_format(&t, &b, NULL, 0, 1);
    ck_assert_str_eq(t.data, "Status: O\r\nX-Status:\r\nX-Keywords:\r\n"
                             "X-Cubby: v1 uid=7 date=2019-01-02T03:04:05+01:00 hash=abababababababababababababababab added=lf\r\n");
    text_release(&t);
}
END_TEST

START_TEST(round_trip)
{
    static const int64_t dates[] = {0, 1546394645, -1, -99999999999999, 99999999999999, INT64_MAX, 253402300799, -62167219200};
    uint32_t seed = 3;
    for (int round = 0; round < 500; round++) {
        struct text t = {0};
        char words[40][256];
        const char *keywords[40];
        size_t count = next_random(&seed) % 40;
        struct block in = {.uid = next_random(&seed), .date = dates[round % 8], .zone = (int16_t)(next_random(&seed) % 2879) - 1439,
                           .added = (int)(next_random(&seed) % 3), .flags = {next_random(&seed) & CUBBY_FLAGS_ALL, NULL, 0, 0}}, out;
        for (size_t i = 0; i < count; i++) {
            size_t len = 1 + next_random(&seed) % 250;
            snprintf(words[i], sizeof words[i], "%02zu", i);
            memset(words[i] + 2, 'a' + (int)(i % 26), len);
            words[i][2 + len] = 0;
            keywords[i] = words[i];
        }
        for (int i = 0; i < 16; i++)
            in.hash[i] = (uint8_t)next_random(&seed);
        block_format(&t, &in, keywords, count, round & 1);
        size_t len = t.len;
        for (const char *line = t.data, *nl; (nl = strchr(line, '\n')); line = nl + 1)
            ck_assert_int_lt(nl - line, 998);
        add_text(&t, "Subject: x\n");
        ck_assert_int_eq(block_parse(t.data, t.len, &out), 1);
        ck_assert_uint_eq(out.len, len);
        ck_assert_uint_eq(out.uid, in.uid);
        ck_assert_int_eq(out.date, in.date);
        ck_assert_int_eq(out.zone, in.zone);
        ck_assert_int_eq(out.added, in.added);
        ck_assert_uint_eq(out.flags.system, in.flags.system);
        ck_assert_uint_eq(out.flags.keyword_count, count);
        ck_assert_int_eq(memcmp(out.hash, in.hash, 16), 0);
        cli_flags_release(&out.flags);
        for (size_t cut = 0; cut < len; cut += cut < 200 ? 1 : 37)
            ck_assert_int_eq(block_parse(t.data, cut, &out), 0);
        text_release(&t);
    }
}
END_TEST

#define HASH "hash=00112233445566778899aabbccddeeff"
#define TOP  "Status: O\nX-Status:\nX-Keywords:\n"

START_TEST(refused)
{
    static const char *const t[] = {
        "", "Status: RO\n", TOP, TOP "X-Cubby: v2 uid=1 date=2019-01-02T03:04:05Z " HASH "\n", TOP "X-Cubby: v1 uid= date=2019-01-02T03:04:05Z " HASH "\n",
        TOP "X-Cubby: v1 uid=4294967296 date=2019-01-02T03:04:05Z " HASH "\n", TOP "X-Cubby: v1 uid=1 date=2019-13-02T03:04:05Z " HASH "\n",
        TOP "X-Cubby: v1 uid=1 date= " HASH "\n", TOP "X-Cubby: v1 uid=1 date=@ " HASH "\n", TOP "X-Cubby: v1 uid=1 date=@5+24:00 " HASH "\n",
        TOP "X-Cubby: v1 uid=1 date=@99999999999999999999+00:00 " HASH "\n", TOP "X-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z hash=00\n",
        TOP "X-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH "0\n", TOP "X-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH " x\n",
        TOP "X-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH, "X-Status:\nStatus: O\nX-Keywords:\nX-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH "\n",
        "Status: X\nX-Status:\nX-Keywords:\nX-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH "\n",
        "Status: O\nX-Status:\nX-Keywords: a%2\nX-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH "\n",
        "Status: O\nX-Status:\nX-Keywords: a  b\nX-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH "\n",
        "Status: O\nX-Status:\nSubject: x\nX-Keywords:\nX-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH "\n",
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct block b;
        ck_assert_msg(block_parse(t[i], strlen(t[i]), &b) == 0, "%s", t[i]);
    }
    struct block b;
    static const char good[] = TOP "X-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH "\n";
    ck_assert_int_eq(block_parse(good, sizeof good - 1, &b), 1);
}
END_TEST

START_TEST(damaged_anywhere)
{
    static const char good[] = "Status: RO\nX-Status: AF\nX-Keywords: one two\nX-Cubby: v1 uid=1 date=2019-01-02T03:04:05Z " HASH " added=crlf\n";
    char text[sizeof good];
    for (size_t i = 0; i < sizeof good - 1; i++) {
        for (int c = 0; c < 256; c++) {
            struct block b;
            memcpy(text, good, sizeof good);
            text[i] = (char)c;
            if (block_parse(text, sizeof good - 1, &b)) { /* then it is another block, of the same length at most */
                ck_assert_uint_le(b.len, sizeof good - 1);
                cli_flags_release(&b.flags);
            }
        }
    }
}
END_TEST

/* ---- with a message behind it ------------------------------------------------------------------------------------------------------ */

static void with_block(struct text *out, const char *message, int added, uint32_t flags, const char *const *keywords, size_t count)
{
    struct block b = {.uid = 1, .date = 1000, .zone = -90, .added = added, .flags = {flags, NULL, 0, 0}};
    digest_of(message, strlen(message), b.hash);
    block_format(out, &b, keywords, count, 0);
    add_text(out, message);
    add_text(out, added == BLOCK_ADDED_LF ? "\n" : added == BLOCK_ADDED_CRLF ? "\r\n" : "");
}

START_TEST(taken_off_again)
{
    static const char *const keywords[] = {"one", "Two"};
    static const char *const messages[] = {"", "Subject: x\n\nbody\n", "no line end", "Status: R\n\nx\n", "cr\r"};
    struct reader_item item = {.has_date = 1, .date = 5};
    for (size_t i = 0; i < 5; i++) {
        for (int added = 0; added < 3; added++) {
            struct text t = {0};
            struct letter l;
            with_block(&t, messages[i], added, CUBBY_ANSWERED, keywords, 2);
            letter_decode((uint8_t *)t.data, t.len, &item, LABELS_IGNORE, &l);
            ck_assert_int_eq(l.restored, 1);
            ck_assert_uint_eq(l.n, strlen(messages[i]));
            ck_assert_int_eq(memcmp(l.p, messages[i], l.n), 0);
            ck_assert_int_eq(l.date, 1000);
            ck_assert_int_eq(l.zone, -90);
            ck_assert_uint_eq(l.flags.system, CUBBY_ANSWERED);
            ck_assert_uint_eq(l.flags.keyword_count, 2);
            ck_assert_str_eq(l.flags.keywords[1], "Two");
            letter_release(&l);
            text_release(&t);
        }
    }
}
END_TEST

START_TEST(kept_if_it_is_not_true)
{
    static const char message[] = "Subject: x\nStatus: O\n\nbody\n";
    struct reader_item item = {.has_date = 1, .date = 5, .zone = 60};
    struct text t = {0};
    struct letter l;
    with_block(&t, message, 0, CUBBY_SEEN | CUBBY_FLAGGED, NULL, 0);
    t.data[t.len - 2] ^= 1; /* the message was changed */
    letter_decode((uint8_t *)t.data, t.len, &item, LABELS_IGNORE, &l);
    ck_assert_int_eq(l.restored, 0);
    ck_assert_uint_eq(l.n, t.len);
    ck_assert_ptr_eq(l.p, t.data);
    ck_assert_int_eq(l.date, 5);
    ck_assert_int_eq(l.zone, 60);
    ck_assert_uint_eq(l.flags.system, CUBBY_SEEN | CUBBY_FLAGGED); /* the first Status counts */
    letter_release(&l);
    text_release(&t);
}
END_TEST

START_TEST(only_one_is_taken_off)
{
    struct text inner = {0}, outer = {0};
    struct reader_item item = {0};
    struct letter l;
    with_block(&inner, "Subject: x\n\n", 0, 0, NULL, 0);
    with_block(&outer, inner.data, 0, CUBBY_SEEN, NULL, 0);
    letter_decode((uint8_t *)outer.data, outer.len, &item, LABELS_IGNORE, &l);
    ck_assert_uint_eq(l.n, inner.len);
    ck_assert_uint_eq(l.flags.system, CUBBY_SEEN);
    letter_release(&l);
    text_release(&inner);
    text_release(&outer);
}
END_TEST

UNIT_MAIN("tools/mbox_block", exact_text, round_trip, refused, damaged_anywhere, taken_off_again, kept_if_it_is_not_true, only_one_is_taken_off)
