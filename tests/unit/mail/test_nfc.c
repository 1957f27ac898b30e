#include "mail/nfc.h"

#include <string.h>

#include "cubby.h"
#include "mail/name.h"
#include "unit/unit.h"

/* Cases of Unicode's NormalizationTest.txt and of the report (UAX 15): characters and their composed form, each ended by 0. */
static const struct {
    uint32_t in[8], out[8];
} cases[] = {
    {{0x41}, {0x41}},
    {{0x41, 0x30a}, {0xc5}},
    {{0x212b}, {0xc5}},                                     /* singleton */
    {{0x2126}, {0x3a9}},
    {{0x958}, {0x915, 0x93c}},                              /* excluded from composition */
    {{0x2adc}, {0x2add, 0x338}},
    {{0xfb1d}, {0x5d9, 0x5b4}},
    {{0x344}, {0x308, 0x301}},                              /* non-starter decomposition */
    {{0x1e0a, 0x323}, {0x1e0c, 0x307}},                     /* reordered, then the other one composes */
    {{0x44, 0x307, 0x323}, {0x1e0c, 0x307}},
    {{0x1e69}, {0x1e69}},
    {{0x73, 0x307, 0x323}, {0x1e69}},
    {{0x1e9b, 0x323}, {0x1e9b, 0x323}},
    {{0xe2, 0x323}, {0x1ead}},                              /* a precomposed letter gives its accent back */
    {{0x61, 0x315, 0x300, 0x5ae, 0x300, 0x62}, {0xe0, 0x5ae, 0x300, 0x315, 0x62}},
    {{0x61, 0x5ae, 0x300}, {0xe0, 0x5ae}},
    {{0x61, 0x300, 0x300}, {0xe0, 0x300}},                  /* blocked by its like */
    {{0x1100, 0x1161}, {0xac00}},                           /* Hangul */
    {{0x1100, 0x1161, 0x11a8}, {0xac01}},
    {{0xac00, 0x11a8}, {0xac01}},
    {{0xac00, 0x11a7}, {0xac00, 0x11a7}},
    {{0xac01, 0x11a8}, {0xac01, 0x11a8}},
    {{0x1100, 0x300, 0x1161}, {0x1100, 0x300, 0x1161}},
    {{0xd7a3}, {0xd7a3}},
    {{0x0b47, 0x0b3e}, {0x0b4b}},                           /* a starter that composes with the one before */
    {{0x0b47, 0x300, 0x0b3e}, {0x0b47, 0x300, 0x0b3e}},
    {{0x114b9, 0x114ba}, {0x114bb}},                        /* beyond the 16-bit characters */
    {{0x1d15e}, {0x1d157, 0x1d165}},
    {{0xf900}, {0x8c48}},
    {{0x2f800}, {0x4e3d}},
    {{0x300}, {0x300}},                                     /* no starter at all */
    {{0x323, 0x300}, {0x323, 0x300}},
    {{0x300, 0x323}, {0x323, 0x300}},
    {{0x10ffff}, {0x10ffff}},
};

static size_t utf8(const uint32_t *c, uint8_t *out)
{
    size_t n = 0;
    while (*c)
        n += cubby__utf8_put(*c++, out + n);
    return n;
}

static size_t length(const uint32_t *c)
{
    size_t n = 0;
    while (c[n])
        n++;
    return n;
}

START_TEST(known_cases)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t want[64], got[64];
        size_t want_len = utf8(cases[i].out, want), len;
        ck_assert_int_eq(cubby__nfc(cases[i].in, length(cases[i].in), got, sizeof got, &len), 0);
        ck_assert_msg(len == want_len && memcmp(got, want, len) == 0, "case %zu", i);
        /* what is composed stays so */
        ck_assert_int_eq(cubby__nfc(cases[i].out, length(cases[i].out), got, sizeof got, &len), 0);
        ck_assert_msg(len == want_len && memcmp(got, want, len) == 0, "case %zu again", i);
    }
}
END_TEST

START_TEST(too_long)
{
    const uint32_t plain[] = {'a', 'b'}, composed[] = {0x958};
    uint8_t got[6];
    size_t len;
    ck_assert_int_eq(cubby__nfc(plain, 2, got, 1, &len), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__nfc(plain, 2, got, 2, &len), 0);
    ck_assert_int_eq(cubby__nfc(composed, 1, got, 5, &len), CUBBY_EINVAL); /* grows from three bytes to six */
    ck_assert_int_eq(cubby__nfc(composed, 1, got, 6, &len), 0);
}
END_TEST

START_TEST(tables_are_sorted)
{
    for (size_t i = 1; i < cubby__nfc_pair_count; i++)
        ck_assert_uint_lt(cubby__nfc_pairs[i - 1].composed, cubby__nfc_pairs[i].composed);
    for (size_t i = 0; i < cubby__nfc_composition_count; i++) {
        const struct cubby__nfc_pair *p = &cubby__nfc_pairs[cubby__nfc_compositions[i]];
        const struct cubby__nfc_pair *q = i ? &cubby__nfc_pairs[cubby__nfc_compositions[i - 1]] : NULL;
        ck_assert_uint_lt(cubby__nfc_compositions[i], cubby__nfc_pair_count);
        ck_assert_uint_ne(p->second, 0);
        ck_assert(!q || q->first < p->first || (q->first == p->first && q->second < p->second));
    }
    for (size_t i = 1; i < cubby__nfc_class_count; i++)
        ck_assert_uint_le(cubby__nfc_classes[i - 1].first + cubby__nfc_classes[i - 1].count, cubby__nfc_classes[i].first);
}
END_TEST

/* Each character that has a decomposition: what it becomes must not change any more. */
START_TEST(is_idempotent)
{
    for (size_t i = 0; i < cubby__nfc_pair_count; i++) {
        uint8_t once[32], twice[32];
        uint32_t c[16];
        size_t n = 0, len, len2;
        ck_assert_int_eq(cubby__nfc(&cubby__nfc_pairs[i].composed, 1, once, sizeof once, &len), 0);
        for (size_t at = 0; at < len; n++)
            at += cubby__utf8_get(once + at, len - at, &c[n]);
        ck_assert_int_eq(cubby__nfc(c, n, twice, sizeof twice, &len2), 0);
        ck_assert(len == len2 && memcmp(once, twice, len) == 0);
    }
}
END_TEST

UNIT_MAIN("mail/nfc", known_cases, too_long, tables_are_sorted, is_idempotent)
