#include "mail/row_scan.h"

#include <string.h>

#include "unit/unit.h"

static uint64_t seed = 1;

static uint64_t rnd(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return seed >> 11;
}

/* Numbers of every length. */
static uint64_t any(unsigned bits)
{
    return rnd() & ((1ull << rnd() % bits << 1) - 1);
}

static void make(struct cubby__message_row *r)
{
    *r = (struct cubby__message_row){.flags = (uint8_t)(rnd() & CUBBY_FLAGS_ALL), .zone = (int16_t)(rnd() % 2879) - 1439, .modseq = any(50)};
    r->created = r->modseq ? rnd() % r->modseq : 0;
    r->internaldate = (int64_t)any(40) - (1ll << 38);
    r->save_date = (int64_t)any(53) - (1ll << 50);
    r->sent_date = rnd() % 8 ? r->internaldate - (int64_t)any(20) : INT64_MIN;
    r->size = any(40), r->object = any(50), r->thread = any(50);
    r->place = (struct cubby__place){(uint32_t)any(32), (uint32_t)any(32), any(50)};
    for (uint16_t id = 1; rnd() % 2 && id < 40; id = (uint16_t)(id + 1 + rnd() % 9))
        r->keywords.id[r->keywords.count++] = id;
}

static void compare(const struct cubby__message_row *want, const cubby_row *row, const struct cubby__place *place)
{
    ck_assert_uint_eq(row->flags, want->flags);
    ck_assert_uint_eq(row->modseq, want->modseq);
    ck_assert_uint_eq(row->created_modseq, want->created);
    ck_assert_int_eq(row->internaldate, want->internaldate);
    ck_assert_int_eq(row->internaldate_zone, want->zone);
    ck_assert_int_eq(row->save_date, want->save_date);
    ck_assert_int_eq(row->sent_date, want->sent_date == INT64_MIN ? want->internaldate : want->sent_date);
    ck_assert_uint_eq(row->size, want->size);
    ck_assert_uint_eq(row->object, want->object);
    ck_assert_uint_eq(place->seg, want->place.seg);
    ck_assert_uint_eq(place->off, want->place.off);
    ck_assert_uint_eq(place->len, want->place.len);
    ck_assert_uint_eq(row->keyword_count, want->keywords.count);
    if (row->keyword_count)
        ck_assert_mem_eq(row->keywords, want->keywords.id, row->keyword_count * 2);
}

START_TEST(same_as_decode)
{
    for (int i = 0; i < 50000; i++) {
        struct cubby__message_row in, out;
        struct cubby__keywords k;
        struct cubby__place place;
        cubby_row row;
        uint8_t value[CUBBY__TREE_VALUE_MAX];
        make(&in);
        size_t n = cubby__message_row_encode(&in, value);
        ck_assert_int_eq(cubby__message_row_decode(value, n, &out), 0);
        ck_assert_int_eq(cubby__message_row_scan(value, n, &row, &k, &place), 0);
        compare(&out, &row, &place);
    }
}
END_TEST

START_TEST(refuses_what_decode_refuses)
{
    for (int i = 0; i < 200000; i++) {
        struct cubby__message_row in, out;
        struct cubby__keywords k;
        struct cubby__place place;
        cubby_row row;
        uint8_t value[CUBBY__TREE_VALUE_MAX];
        make(&in);
        size_t n = cubby__message_row_encode(&in, value);
        uint8_t *p = malloc(n); /* its own, so that a sanitizer sees every step outside */
        memcpy(p, value, n);
        for (int j = 0; j < i % 3; j++)
            p[rnd() % n] = (uint8_t)rnd();
        if (i % 4 == 0)
            n = rnd() % n;
        int rc = cubby__message_row_decode(p, n, &out);
        ck_assert_int_eq(cubby__message_row_scan(p, n, &row, &k, &place), rc);
        if (!rc)
            compare(&out, &row, &place);
        free(p);
    }
}
END_TEST

UNIT_MAIN("mail/row_scan", same_as_decode, refuses_what_decode_refuses)
