#include "mail/records.h"

#include <string.h>

#include "unit/unit.h"

/* The bytes that FORMAT.md shows, and that no prefix of them and nothing longer is a record (where the end of the payload is not the end of a
 * name or of a list). */
#define EXPECT(b, ...)                                                                                                                               \
    do {                                                                                                                                             \
        static const uint8_t want[] = {__VA_ARGS__};                                                                                                 \
        ck_assert_uint_eq((b).len, sizeof want);                                                                                                     \
        ck_assert_int_eq(memcmp((b).data, want, sizeof want), 0);                                                                                    \
    } while (0)

#define WHOLE_ONLY(b, decode)                                                                                                                        \
    do {                                                                                                                                             \
        for (size_t cut = 0; cut < (b).len; cut++)                                                                                                   \
            ck_assert_int_eq(decode((b).data, cut), CUBBY_ECORRUPT);                                                                                 \
        cubby__buf_byte(&(b), 0);                                                                                                                    \
        ck_assert_int_eq(decode((b).data, (b).len), CUBBY_ECORRUPT);                                                                                 \
        (b).len--;                                                                                                                                   \
    } while (0)

static int try_folder(const uint8_t *p, size_t n)
{
    struct cubby__folder_rec r;
    return cubby__folder_decode(p, n, &r);
}

START_TEST(folder)
{
    struct cubby__folder_rec r = {.id = 2, .uidvalidity = 1700000000, .special_use = CUBBY_USE_SENT, .name = "Sent", .name_len = 4}, back;
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__folder_encode(&r, &b);
    EXPECT(b, 2, 0, 0, 0x80, 0xe2, 0xcf, 0xaa, 0x06, 0x20, 0, 0, 4, 'S', 'e', 'n', 't', 0);
    ck_assert_int_eq(cubby__folder_decode(b.data, b.len, &back), 0);
    ck_assert_uint_eq(back.id, 2);
    ck_assert_int_eq(back.deleted, 0);
    ck_assert_uint_eq(back.uidvalidity, 1700000000);
    ck_assert_uint_eq(back.special_use, CUBBY_USE_SENT);
    ck_assert_mem_eq(back.name, "Sent", 4);
    WHOLE_ONLY(b, try_folder);
    cubby__buf_clear(&b);
    r.deleted = 1;
    cubby__folder_encode(&r, &b);
    EXPECT(b, 2, 1);
    ck_assert_int_eq(cubby__folder_decode(b.data, b.len, &back), 0);
    ck_assert_int_eq(back.deleted, 1);
    WHOLE_ONLY(b, try_folder);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(folder_hostile)
{
    static const uint8_t no_id[] = {0, 0, 0, 1, 0, 0, 0, 1, 'x', 0}, no_validity[] = {2, 0, 0, 0, 0, 0, 0, 1, 'x', 0},
                         no_name[] = {2, 0, 0, 1, 0, 0, 0, 0, 0},
                         kind[] = {2, 2, 0, 1, 0, 0, 0, 1, 'x', 0}, good[] = {2, 0, 0, 1, 0, 0, 0, 1, 'x', 0};
    ck_assert_int_eq(try_folder(good, sizeof good), 0);
    ck_assert_int_eq(try_folder(no_id, sizeof no_id), CUBBY_ECORRUPT);
    ck_assert_int_eq(try_folder(no_validity, sizeof no_validity), CUBBY_ECORRUPT);
    ck_assert_int_eq(try_folder(no_name, sizeof no_name), CUBBY_ECORRUPT);
    ck_assert_int_eq(try_folder(kind, sizeof kind), CUBBY_ECORRUPT);
    uint8_t longer[600] = {2, 0, 0, 1, 0, 0, 0, 0x80, 2}; /* a name of 256 bytes */
    ck_assert_int_eq(try_folder(longer, 9 + 256 + 1), CUBBY_ECORRUPT);
}
END_TEST

static int try_mark(const uint8_t *p, size_t n)
{
    struct cubby__mark_rec r;
    return cubby__mark_decode(p, n, &r);
}

START_TEST(mark)
{
    const struct cubby__mark_rec r = {1, 300, 77, 5, 299};
    struct cubby__mark_rec back;
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__mark_encode(&r, &b);
    EXPECT(b, 1, 0xac, 2, 0x4d, 5, 0xab, 2);
    ck_assert_int_eq(cubby__mark_decode(b.data, b.len, &back), 0);
    ck_assert_mem_eq(&back, &r, sizeof r);
    WHOLE_ONLY(b, try_mark);
    static const uint8_t no_folder[] = {0, 1, 1, 1, 1}, full[] = {1, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0},
                         too_far[] = {1, 0x81, 0x80, 0x80, 0x80, 0x10, 0, 0, 0};
    ck_assert_int_eq(try_mark(no_folder, sizeof no_folder), CUBBY_ECORRUPT);
    ck_assert_int_eq(try_mark(full, sizeof full), 0);
    ck_assert_int_eq(try_mark(too_far, sizeof too_far), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

static int try_entry(const uint8_t *p, size_t n)
{
    struct cubby__entry_rec r;
    struct cubby__keywords k;
    return cubby__entry_decode(p, n, &r, &k);
}

START_TEST(entry)
{
    const struct cubby__entry_rec r = {.folder = 1, .uid = 7, .object = 9, .internaldate = 1700000000, .save_date = 1700000005,
                                      .zone = -300, .flags = CUBBY_SEEN};
    const struct cubby__keywords k = {{3, 4}, 2};
    struct cubby__entry_rec back;
    struct cubby__keywords kb;
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__entry_encode(&r, &k, &b);
    EXPECT(b, 1, 7, 9, 0x80, 0xc4, 0x9f, 0xd5, 0x0c, 0xd7, 4, 0x8a, 0xc4, 0x9f, 0xd5, 0x0c, 1, 3, 0x0c, 0);
    ck_assert_int_eq(cubby__entry_decode(b.data, b.len, &back, &kb), 0);
    ck_assert_uint_eq(back.uid, 7);
    ck_assert_uint_eq(back.object, 9);
    ck_assert_int_eq(back.internaldate, 1700000000);
    ck_assert_int_eq(back.save_date, 1700000005);
    ck_assert_int_eq(back.zone, -300);
    ck_assert_uint_eq(back.flags, CUBBY_SEEN);
    ck_assert_uint_eq(kb.count, 2);
    ck_assert_uint_eq(kb.id[1], 4);
    WHOLE_ONLY(b, try_entry);
    b.data[15] = 0x20; /* a sixth system flag */
    ck_assert_int_eq(try_entry(b.data, b.len), CUBBY_ECORRUPT);
    b.data[15] = 1;
    b.data[1] = 0; /* uid 0 */
    ck_assert_int_eq(try_entry(b.data, b.len), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(keyword)
{
    struct cubby__keyword_rec r = {1, "$Forwarded", 10}, back;
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__keyword_encode(&r, &b);
    EXPECT(b, 1, '$', 'F', 'o', 'r', 'w', 'a', 'r', 'd', 'e', 'd');
    ck_assert_int_eq(cubby__keyword_decode(b.data, b.len, &back), 0);
    ck_assert_uint_eq(back.id, 1);
    ck_assert_uint_eq(back.name_len, 10);
    static const uint8_t zero[] = {0, 'a'}, none[] = {1}, high[] = {0x81, 8, 'a'}, highest[] = {0x80, 8, 'a'}, nul[] = {1, 'a', 0, 'b'};
    ck_assert_int_eq(cubby__keyword_decode(zero, sizeof zero, &back), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__keyword_decode(none, sizeof none, &back), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__keyword_decode(high, sizeof high, &back), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__keyword_decode(highest, sizeof highest, &back), 0);
    ck_assert_int_eq(cubby__keyword_decode(nul, sizeof nul, &back), CUBBY_ECORRUPT);
    uint8_t longest[257] = {1};
    memset(longest + 1, 'k', 256);
    ck_assert_int_eq(cubby__keyword_decode(longest, 256, &back), 0);
    ck_assert_int_eq(cubby__keyword_decode(longest, 257, &back), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(subscription)
{
    struct cubby__subscription_rec r = {1, "a\0bc", 5}, back;
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__subscription_encode(&r, &b);
    EXPECT(b, 1, 'a', 0, 'b', 'c', 0);
    ck_assert_int_eq(cubby__subscription_decode(b.data, b.len, &back), 0);
    ck_assert_int_eq(back.on, 1);
    ck_assert_uint_eq(back.path_len, 5);
    ck_assert_int_eq(cubby__subscription_decode(b.data, b.len - 1, &back), CUBBY_ECORRUPT); /* no NUL behind it */
    ck_assert_int_eq(cubby__subscription_decode(b.data, 1, &back), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__subscription_decode(b.data, 0, &back), CUBBY_ECORRUPT);
    b.data[0] = 2;
    ck_assert_int_eq(cubby__subscription_decode(b.data, b.len, &back), CUBBY_ECORRUPT);
    uint8_t longest[CUBBY__TREE_KEY_MAX + 1] = {0};
    ck_assert_int_eq(cubby__subscription_decode(longest, CUBBY__TREE_KEY_MAX, &back), 0);
    ck_assert_int_eq(cubby__subscription_decode(longest, CUBBY__TREE_KEY_MAX + 1, &back), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(flags)
{
    static const struct cubby__keywords none, two = {{1, 2}, 2};
    struct cubby__keywords k;
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    struct cubby__reader runs;
    uint8_t kb[CUBBY__KEYWORDS_BYTES], f;
    uint64_t folder, principal, ranges;
    cubby__flags_head(1, &b);
    cubby__buf_byte(&b, CUBBY_SEEN);
    cubby__buf_add(&b, kb, cubby__keywords_put(&none, kb));
    cubby__buf_byte(&b, 2);
    cubby__range_put(&s, 4, 6, &b);
    cubby__range_put(&s, 9, 9, &b);
    cubby__buf_byte(&b, CUBBY_FLAGGED);
    cubby__buf_add(&b, kb, cubby__keywords_put(&two, kb));
    cubby__buf_byte(&b, 1);
    s = (struct cubby__ranges){0};
    cubby__range_put(&s, 7, 7, &b);
    EXPECT(b, 1, 0, 1, 0, 2, 4, 2, 3, 0, 4, 3, 3, 1, 7, 0);
    ck_assert_int_eq(cubby__flags_decode(b.data, b.len, &folder, &principal, &runs), 0);
    ck_assert_int_eq(cubby__flags_valid(runs), 0);
    ck_assert_int_eq(cubby__flags_run(&runs, &f, &k, &ranges), 0);
    ck_assert_uint_eq(f, CUBBY_SEEN);
    ck_assert_uint_eq(ranges, 2);
    uint32_t first, last;
    s = (struct cubby__ranges){0};
    cubby__range_read(&s, &runs, &first, &last);
    ck_assert_uint_eq(first, 4);
    ck_assert_uint_eq(last, 6);
    cubby__range_read(&s, &runs, &first, &last);
    ck_assert_uint_eq(first, 9);
    ck_assert_uint_eq(last, 9);
    ck_assert_int_eq(cubby__flags_run(&runs, &f, &k, &ranges), 0);
    ck_assert_uint_eq(k.count, 2);
    s = (struct cubby__ranges){0};
    cubby__range_read(&s, &runs, &first, &last);
    ck_assert_int_eq(cubby__flags_run(&runs, &f, &k, &ranges), CUBBY_DONE);
    for (size_t cut = 3; cut < b.len; cut++) /* the first run ends at 9 */
        ck_assert_int_eq(cubby__flags_valid(cubby__reader(b.data + 2, cut - 2)), cut == 9 ? 0 : CUBBY_ECORRUPT);
    static const uint8_t many[] = {1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 4, 2}; /* says that it has 2^32 ranges */
    ck_assert_int_eq(cubby__flags_valid(cubby__reader(many, sizeof many)), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(range_ends)
{
    static const struct {
        uint8_t bytes[12];
        size_t len;
        int bad;
    } cases[] = {
        {{1, 0}, 2, 0},
        {{0, 0}, 2, 1},                                                     /* uid 0 */
        {{1, 0, 1, 0}, 4, 1},                                               /* adjacent */
        {{1, 0, 2, 0}, 4, 0},
        {{0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 6, 0},                          /* the last uid */
        {{0xff, 0xff, 0xff, 0xff, 0x0f, 1}, 6, 1},                          /* and one more */
        {{0x80, 0x80, 0x80, 0x80, 0x10, 0}, 6, 1},
        {{1, 0xfe, 0xff, 0xff, 0xff, 0x0f}, 6, 0},                          /* all of them */
        {{1, 0xff, 0xff, 0xff, 0xff, 0x0f}, 6, 1},
        {{5, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0}, 8, 1},                    /* the distance passes the end */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cubby__reader r = cubby__reader(cases[i].bytes, cases[i].len);
        struct cubby__ranges s = {0};
        uint32_t first, last;
        while (cubby__read_left(&r))
            cubby__range_read(&s, &r, &first, &last);
        ck_assert_msg(r.bad == cases[i].bad, "case %zu", i);
    }
}
END_TEST

START_TEST(expunge)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    struct cubby__reader r;
    uint64_t folder;
    int64_t time;
    cubby__expunge_head(1, 1700000000, &b);
    cubby__range_put(&s, 3, 5, &b);
    EXPECT(b, 1, 0x80, 0xc4, 0x9f, 0xd5, 0x0c, 3, 2);
    ck_assert_int_eq(cubby__expunge_decode(b.data, b.len, &folder, &time, &r), 0);
    ck_assert_int_eq(time, 1700000000);
    ck_assert_uint_eq(cubby__read_left(&r), 2);
    for (size_t cut = 0; cut < 6; cut++)
        ck_assert_int_eq(cubby__expunge_decode(b.data, cut, &folder, &time, &r), CUBBY_ECORRUPT);
    b.data[0] = 0;
    ck_assert_int_eq(cubby__expunge_decode(b.data, b.len, &folder, &time, &r), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

/* Random sets; both forms come up, and each takes the fewer bytes of the two. */
START_TEST(keyword_sets)
{
    int lists = 0, bitmaps = 0;
    srandom(3);
    for (int round = 0; round < 3000; round++) {
        struct cubby__keywords k = {.count = 0}, back;
        uint8_t p[CUBBY__KEYWORDS_BYTES];
        unsigned share = 1 + (unsigned)random() % (round % 3 ? 200 : 3), top = 1 + (unsigned)random() % CUBBY__KEYWORDS_MAX;
        for (unsigned id = 1; id <= top; id++)
            if ((unsigned)random() % share == 0)
                k.id[k.count++] = (uint16_t)id;
        size_t n = cubby__keywords_put(&k, p);
        ck_assert_uint_le(n, sizeof p);
        struct cubby__reader r = cubby__reader(p, n);
        cubby__keywords_read(&r, &back);
        ck_assert_int_eq(r.bad, 0);
        ck_assert_uint_eq(cubby__read_left(&r), 0);
        ck_assert_uint_eq(back.count, k.count);
        ck_assert_mem_eq(back.id, k.id, k.count * sizeof *k.id);
        if (k.count)
            ck_assert_uint_le(n, 2 + (k.id[k.count - 1] + 7u) / 8);
        p[0] & 1 ? bitmaps++ : lists++;
        for (size_t cut = 0; cut < n; cut++) {
            r = cubby__reader(p, cut);
            cubby__keywords_read(&r, &back);
            ck_assert_int_eq(r.bad, 1);
            ck_assert_uint_eq(back.count, 0);
        }
    }
    ck_assert_int_gt(lists, 100);
    ck_assert_int_gt(bitmaps, 100);
}
END_TEST

START_TEST(keyword_sets_hostile)
{
    static const struct {
        uint8_t bytes[5];
        size_t len;
    } bad[] = {
        {{2, 0}, 2},                   /* number 0 */
        {{4, 1, 0}, 3},                /* the same twice */
        {{2, 0x81, 8}, 3},             /* 1025 */
        {{4, 0x80, 8, 1}, 4},          /* 1024, then 1025 */
        {{1}, 1},                      /* an empty bitmap */
        {{3, 0}, 2},                   /* ... with a useless byte */
        {{0x83, 2, 1, 1}, 4},          /* ... of 129 bytes */
        {{0x82, 0x10, 1, 1}, 4},       /* a list of 1025 */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct cubby__reader r = cubby__reader(bad[i].bytes, bad[i].len);
        struct cubby__keywords k;
        cubby__keywords_read(&r, &k);
        ck_assert_msg(r.bad, "case %zu", i);
        ck_assert_uint_eq(k.count, 0);
    }
}
END_TEST

UNIT_MAIN("mail/records", folder, folder_hostile, mark, entry, keyword, subscription, flags, range_ends, expunge, keyword_sets, keyword_sets_hostile)
