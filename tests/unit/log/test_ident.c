#include "log/ident.h"

#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "unit/log/log_util.h"

static int decode(const uint8_t *p, struct cubby__ident *out)
{
    cubby_error err = {0};
    int rc = cubby__ident_decode(p, out, "/s/cubby.id", 4096, &err);
    if (rc != 0) {
        ck_assert_int_eq(err.code, rc);
        ck_assert_str_eq(err.path, "/s/cubby.id");
        ck_assert_uint_eq(err.offset, 4096);
        ck_assert_str_ne(err.message, "");
    }
    return rc;
}

static void reseal(uint8_t *p)
{
    cubby__put64(p + CUBBY__ID_CHECKSUM_OFF, cubby__hash64(p, CUBBY__ID_CHECKSUM_OFF, 0));
}

START_TEST(round_trip)
{
    uint8_t b[CUBBY__ID_SIZE];
    struct cubby__ident id = test_ident(), out = {0};
    cubby__ident_encode(&id, b);
    ck_assert_int_eq(decode(b, &out), 0);
    ck_assert_mem_eq(out.uuid, id.uuid, 16);
    ck_assert_mem_eq(out.account, id.account, 16);
    ck_assert(out.salt == id.salt && out.epoch == id.epoch && out.created_ns == id.created_ns);
    ck_assert(out.compat == 5 && out.rocompat == 6 && out.incompat == 0);
    ck_assert_mem_eq(b, "cubbyid\n", 8);
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
    uint8_t b[CUBBY__ID_SIZE];
    struct cubby__ident id = test_ident(), out;
    cubby__ident_encode(&id, b);
    for (size_t i = 0; i < sizeof b; i++) {
        for (int bit = 0; bit < 8; bit++) {
            b[i] ^= (uint8_t)(1 << bit);
            ck_assert_int_eq(decode(b, &out), i < 8 ? CUBBY_ENOTSTORE : CUBBY_ECORRUPT);
            b[i] ^= (uint8_t)(1 << bit);
        }
    }
}
END_TEST

START_TEST(another_version_is_told_from_damage)
{
    uint8_t b[CUBBY__ID_SIZE];
    struct cubby__ident id = test_ident(), out;
    cubby__ident_encode(&id, b);
    cubby__put32(b + CUBBY__ID_VERSION_OFF, CUBBY__FORMAT_VERSION + 1);
    ck_assert_int_eq(decode(b, &out), CUBBY_ECORRUPT);
    reseal(b);
    ck_assert_int_eq(decode(b, &out), CUBBY_EVERSION);
    cubby__put32(b + CUBBY__ID_VERSION_OFF, 0);
    reseal(b);
    ck_assert_int_eq(decode(b, &out), CUBBY_EVERSION);
}
END_TEST

START_TEST(features)
{
    uint8_t b[CUBBY__ID_SIZE];
    struct cubby__ident id = test_ident(), out = {0};
    id.compat = id.rocompat = 0xffffffff;
    cubby__ident_encode(&id, b);
    ck_assert_int_eq(decode(b, &out), 0);
    ck_assert_uint_eq(out.compat, 0xffffffff);
    ck_assert_uint_eq(out.rocompat, 0xffffffff);
    id.incompat = 0x80000000;
    cubby__ident_encode(&id, b);
    ck_assert_int_eq(decode(b, &out), CUBBY_EVERSION);
}
END_TEST

START_TEST(zeros_and_other_files)
{
    uint8_t b[CUBBY__ID_SIZE] = {0};
    struct cubby__ident out;
    ck_assert_int_eq(decode(b, &out), CUBBY_ENOTSTORE);
    memset(b, 0xff, sizeof b);
    ck_assert_int_eq(decode(b, &out), CUBBY_ENOTSTORE);
    memcpy(b, "SQLite format 3", 16);
    ck_assert_int_eq(decode(b, &out), CUBBY_ENOTSTORE);
}
END_TEST

UNIT_MAIN("log/ident", round_trip, every_flipped_bit_is_refused, another_version_is_told_from_damage, features, zeros_and_other_files)
