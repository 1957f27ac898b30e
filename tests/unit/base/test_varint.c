#include "base/varint.h"

#include "base/buf.h"
#include "unit/unit.h"

START_TEST(round_trip)
{
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX - 1, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        uint8_t b[CUBBY__VARINT_MAX];
        size_t n = cubby__varint_put(b, values[i]);
        ck_assert_uint_eq(n, cubby__varint_len(values[i]));
        struct cubby__reader r = cubby__reader(b, n);
        ck_assert_uint_eq(cubby__read_varint(&r), values[i]);
        ck_assert_int_eq(r.bad, 0);
        ck_assert_uint_eq(cubby__read_left(&r), 0);
        for (size_t cut = 0; cut < n; cut++) {
            r = cubby__reader(b, cut);
            cubby__read_varint(&r);
            ck_assert_int_eq(r.bad, 1);
        }
    }
}
END_TEST

START_TEST(signed_round_trip)
{
    static const int64_t values[] = {0, -1, 1, -64, 64, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct cubby__buf b = CUBBY__BUF_INIT;
        cubby__buf_signed(&b, values[i]);
        struct cubby__reader r = cubby__reader(b.data, b.len);
        ck_assert_int_eq(cubby__read_signed(&r), values[i]);
        cubby__buf_release(&b);
    }
}
END_TEST

START_TEST(refuses_long_forms)
{
    static const uint8_t longer[] = {0x81, 0x00};
    struct cubby__reader r = cubby__reader(longer, sizeof longer);
    cubby__read_varint(&r);
    ck_assert_int_eq(r.bad, 1);
    static const uint8_t too_big[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02};
    r = cubby__reader(too_big, sizeof too_big);
    cubby__read_varint(&r);
    ck_assert_int_eq(r.bad, 1);
}
END_TEST

START_TEST(stays_bad)
{
    struct cubby__reader r = cubby__reader("\x05", 1);
    ck_assert_ptr_null(cubby__read_bytes(&r, 2));
    ck_assert_uint_eq(cubby__read_varint(&r), 0);
    ck_assert_uint_eq(cubby__read_left(&r), 0);
}
END_TEST

START_TEST(complete)
{
    struct cubby__reader r = cubby__reader("\x05\x06", 2);
    ck_assert_int_eq(cubby__read_complete(&r), 0);
    cubby__read_varint(&r);
    ck_assert_int_eq(cubby__read_complete(&r), 0);
    cubby__read_byte(&r);
    ck_assert_int_eq(cubby__read_complete(&r), 1);
    cubby__read_byte(&r); /* behind the end */
    ck_assert_int_eq(cubby__read_complete(&r), 0);
}
END_TEST

UNIT_MAIN("base/varint", round_trip, signed_round_trip, refuses_long_forms, stays_bad, complete)
