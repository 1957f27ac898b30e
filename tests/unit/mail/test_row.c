#include "mail/row.h"

#include <string.h>

#include "unit/unit.h"

static int try_message(const uint8_t *p, size_t n)
{
    struct cubby__message_row row;
    return cubby__message_row_decode(p, n, &row);
}

static int try_object(const uint8_t *p, size_t n)
{
    struct cubby__object_row row;
    return cubby__object_row_decode(p, n, &row);
}

static int try_piece(const uint8_t *p, size_t n)
{
    struct cubby__piece_row row;
    return cubby__piece_row_decode(p, n, &row);
}

static void same(const struct cubby__message_row *a, const struct cubby__message_row *b)
{
    ck_assert_uint_eq(a->flags, b->flags);
    ck_assert_int_eq(a->zone, b->zone);
    ck_assert_uint_eq(a->modseq, b->modseq);
    ck_assert_uint_eq(a->created, b->created);
    ck_assert_int_eq(a->internaldate, b->internaldate);
    ck_assert_int_eq(a->save_date, b->save_date);
    ck_assert_int_eq(a->sent_date, b->sent_date);
    ck_assert_uint_eq(a->size, b->size);
    ck_assert_uint_eq(a->object, b->object);
    ck_assert_uint_eq(a->thread, b->thread);
    ck_assert_uint_eq(a->place.seg, b->place.seg);
    ck_assert_uint_eq(a->place.off, b->place.off);
    ck_assert_uint_eq(a->place.len, b->place.len);
    ck_assert_uint_eq(a->keywords.count, b->keywords.count);
    ck_assert_mem_eq(a->keywords.id, b->keywords.id, a->keywords.count * sizeof *a->keywords.id);
}

static void round_trip(const struct cubby__message_row *row)
{
    uint8_t p[CUBBY__TREE_VALUE_MAX + 1];
    struct cubby__message_row back;
    size_t n = cubby__message_row_encode(row, p);
    ck_assert_uint_le(n, CUBBY__TREE_VALUE_MAX);
    ck_assert_int_eq(cubby__message_row_decode(p, n, &back), 0);
    same(row, &back);
    ck_assert_uint_eq(p[0] & CUBBY_FLAGS_ALL, row->flags);
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(try_message(p, cut), CUBBY_ECORRUPT);
    p[n] = 0;
    ck_assert_int_eq(try_message(p, n + 1), CUBBY_ECORRUPT);
}

START_TEST(message)
{
    struct cubby__message_row row = {.flags = CUBBY_SEEN, .zone = 60, .modseq = 100, .created = 90, .internaldate = 1700000000,
                                     .save_date = 1700000005, .sent_date = 1699999000, .size = 4711, .object = 77, .thread = 0,
                                     .place = {2, 900, 123456}};
    uint8_t p[CUBBY__TREE_VALUE_MAX];
    static const uint8_t want[] = {0x01, 100, 10, 0x80, 0xc4, 0x9f, 0xd5, 0x0c, 120, 10, 0xcf, 0x0f, 0xe7, 0x24, 77, 0, 2, 0xc0, 0xc4, 7, 0x84, 7};
    ck_assert_uint_eq(cubby__message_row_encode(&row, p), sizeof want);
    ck_assert_mem_eq(p, want, sizeof want);
    round_trip(&row);
    row.keywords = (struct cubby__keywords){{1, 9, 1024}, 3};
    round_trip(&row);
}
END_TEST

START_TEST(message_extremes)
{
    struct cubby__message_row row = {.flags = CUBBY_FLAGS_ALL, .zone = INT16_MIN, .modseq = UINT64_MAX, .created = 0, .internaldate = INT64_MIN,
                                     .save_date = INT64_MAX, .sent_date = INT64_MIN, .size = UINT64_MAX, .object = UINT64_MAX, .thread = UINT64_MAX,
                                     .place = {UINT32_MAX, UINT32_MAX, UINT64_MAX}};
    round_trip(&row);
    row.internaldate = INT64_MAX;
    row.save_date = INT64_MIN;
    row.zone = INT16_MAX;
    for (unsigned i = 0; i < CUBBY__KEYWORDS_MAX; i++)
        row.keywords.id[i] = (uint16_t)(i + 1);
    row.keywords.count = CUBBY__KEYWORDS_MAX;
    round_trip(&row);
}
END_TEST

START_TEST(message_hostile)
{
    struct cubby__message_row row = {.modseq = 5, .created = 5};
    uint8_t p[CUBBY__TREE_VALUE_MAX];
    size_t n = cubby__message_row_encode(&row, p);
    ck_assert_int_eq(try_message(p, n), 0);
    p[0] = 0x40; /* no such bit */
    ck_assert_int_eq(try_message(p, n), CUBBY_ECORRUPT);
    p[0] = 0;
    p[2] = 6; /* created before the beginning */
    ck_assert_int_eq(try_message(p, n), CUBBY_ECORRUPT);
    p[2] = 0;
    p[0] = 0x20; /* keywords, but none */
    p[n] = 0;
    ck_assert_int_eq(try_message(p, n + 1), CUBBY_ECORRUPT);
}
END_TEST

START_TEST(object)
{
    struct cubby__object_row row = {.place = {1, 300, 4096}, .refs = 2, .stored = 5000, .size = 6000, .original = 5900, .sent_date = INT64_MIN,
                                    .thread = 3}, back;
    uint8_t p[CUBBY__TREE_VALUE_MAX + 1];
    size_t n = cubby__object_row_encode(&row, p);
    ck_assert_int_eq(cubby__object_row_decode(p, n, &back), 0);
    ck_assert_int_eq(back.sent_date, INT64_MIN);
    ck_assert_uint_eq(back.refs, 2);
    ck_assert_uint_eq(back.stored, 5000);
    ck_assert_uint_eq(back.size, 6000);
    ck_assert_uint_eq(back.original, 5900);
    ck_assert_uint_eq(back.thread, 3);
    ck_assert_uint_eq(back.place.off, 4096);
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(try_object(p, cut), CUBBY_ECORRUPT);
    row.sent_date = -5;
    n = cubby__object_row_encode(&row, p);
    ck_assert_int_eq(cubby__object_row_decode(p, n, &back), 0);
    ck_assert_int_eq(back.sent_date, -5);
    p[n] = 0;
    ck_assert_int_eq(try_object(p, n + 1), CUBBY_ECORRUPT);
}
END_TEST

START_TEST(piece)
{
    struct cubby__piece_row row = {.place = {3, 70000, 1u << 20}, .refs = 1, .orig_len = 131072}, back;
    uint8_t p[CUBBY__TREE_VALUE_MAX + 1];
    size_t n = cubby__piece_row_encode(&row, p);
    ck_assert_int_eq(cubby__piece_row_decode(p, n, &back), 0);
    ck_assert_uint_eq(back.refs, 1);
    ck_assert_uint_eq(back.orig_len, 131072);
    ck_assert_uint_eq(back.place.len, 70000);
    for (size_t cut = 0; cut < n; cut++)
        ck_assert_int_eq(try_piece(p, cut), CUBBY_ECORRUPT);
    p[n] = 0;
    ck_assert_int_eq(try_piece(p, n + 1), CUBBY_ECORRUPT);
}
END_TEST

static int compare(const uint8_t *a, size_t an, const uint8_t *b, size_t bn)
{
    int c = memcmp(a, b, an < bn ? an : bn);
    return c ? c : (an > bn) - (an < bn);
}

/* Keys sort as their numbers do. */
START_TEST(keys)
{
    static const uint64_t ids[] = {1, 2, 255, 256, 65535, 65536, 1ull << 40, UINT64_MAX};
    static const uint32_t uids[] = {1, 255, 256, 70000, UINT32_MAX};
    uint8_t before[CUBBY__TREE_KEY_MAX], key[CUBBY__TREE_KEY_MAX];
    size_t before_len = 0;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        for (size_t j = 0; j < sizeof uids / sizeof *uids; j++) {
            size_t n = cubby__key_message(key, ids[i], uids[j]);
            ck_assert_int_lt(compare(before, before_len, key, n), 0);
            memcpy(before, key, before_len = n);
        }
    static const uint8_t want[] = {0x10, 1, 5, 0, 0, 1, 2};
    ck_assert_uint_eq(cubby__key_message(key, 5, 258), sizeof want);
    ck_assert_mem_eq(key, want, sizeof want);
    static const uint8_t entry[] = {0x21, 2, 1, 0, 1, 5, 0, 0, 1, 2};
    ck_assert_uint_eq(cubby__key_entry(key, 256, 5, 258), sizeof entry);
    ck_assert_mem_eq(key, entry, sizeof entry);
    static const uint8_t object[] = {0x20, 2, 1, 0}, piece[] = {0x28, 1, 9};
    ck_assert_uint_eq(cubby__key_object(key, 256), sizeof object);
    ck_assert_mem_eq(key, object, sizeof object);
    ck_assert_uint_eq(cubby__key_piece(key, 9), sizeof piece);
    ck_assert_mem_eq(key, piece, sizeof piece);
}
END_TEST

UNIT_MAIN("mail/row", message, message_extremes, message_hostile, object, piece, keys)
