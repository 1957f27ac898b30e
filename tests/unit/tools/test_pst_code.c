#include "archive/pst/code.h"

#include <string.h>

#include "unit/unit.h"

START_TEST(checksum)
{
    ck_assert_uint_eq(pst_crc(0, "123456789", 9), 0x2DFD2D88);
    ck_assert_uint_eq(pst_crc(0, "test", 4), 0xF93BA110);
    ck_assert_uint_eq(pst_crc(0, "secret", 6), 0xED604946);
    ck_assert_uint_eq(pst_crc(pst_crc(0, "1234", 4), "56789", 5), 0x2DFD2D88);
    ck_assert_uint_eq(pst_crc(5, NULL, 0), 5);
}
END_TEST

START_TEST(signature)
{
    ck_assert_uint_eq(pst_signature(0x7E00, 0x148), 0x7E00 ^ 0x148);
    ck_assert_uint_eq(pst_signature(0x123457E00, 0x148), (0x23457E00 >> 16 ^ 0x7E00 ^ 0x148) & 0xFFFF);
}
END_TEST

static void all_bytes(uint8_t *p)
{
    for (int i = 0; i < 256; i++)
        p[i] = (uint8_t)i;
}

/* The checksums are those of the tables in the format's description. */
START_TEST(tables)
{
    uint8_t p[256], q[256];
    all_bytes(p);
    all_bytes(q);
    pst_encode(PST_CRYPT_PERMUTE, 4, p, sizeof p);
    pst_decode(PST_CRYPT_PERMUTE, 4, q, sizeof q);
    ck_assert_uint_eq(pst_crc(0, p, sizeof p), 0x82A02835u);
    for (int i = 0; i < 256; i++)
        ck_assert_uint_eq(q[p[i]], i);
    all_bytes(p);
    pst_encode(PST_CRYPT_CYCLIC, 0x12345678, p, sizeof p);
    ck_assert_uint_eq(pst_crc(0, p, sizeof p), 0xB2F5B135u);
}
END_TEST

START_TEST(there_and_back)
{
    for (int method = PST_CRYPT_NONE; method <= PST_CRYPT_CYCLIC; method++) {
        uint8_t p[256], q[256];
        all_bytes(p);
        all_bytes(q);
        pst_encode(method, 0x12345678, q, sizeof q);
        ck_assert_int_eq(memcmp(p, q, sizeof p) == 0, method == PST_CRYPT_NONE);
        pst_decode(method, 0x12345678, q, sizeof q);
        ck_assert_int_eq(memcmp(p, q, sizeof p), 0);
    }
}
END_TEST

UNIT_MAIN("tools/pst_code", checksum, signature, tables, there_and_back)
