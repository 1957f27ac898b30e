#include "base/key.h"

#include <string.h>

#include "unit/unit.h"

START_TEST(keeps_order)
{
    static const uint64_t v[] = {0, 1, 2, 254, 255, 256, 65535, 65536, 1u << 24, UINT32_MAX, 1ull << 32, 1ull << 56, UINT64_MAX};
    uint8_t prev[CUBBY__KEYNUM_MAX];
    size_t prev_len = 0;
    for (size_t i = 0; i < sizeof v / sizeof *v; i++) {
        uint8_t b[CUBBY__KEYNUM_MAX];
        size_t n = cubby__keynum_put(b, v[i]);
        uint64_t back = 1;
        ck_assert_uint_eq(cubby__keynum_get(b, n, &back), n);
        ck_assert_uint_eq(back, v[i]);
        if (i) {
            int c = memcmp(prev, b, prev_len < n ? prev_len : n);
            ck_assert_msg(c < 0 || (c == 0 && prev_len < n), "%llu sorts wrong", (unsigned long long)v[i]);
        }
        ck_assert_uint_eq(cubby__keynum_get(b, n - 1, &back), 0);
        memcpy(prev, b, n);
        prev_len = n;
    }
}
END_TEST

START_TEST(refuses_other_forms)
{
    uint64_t v;
    ck_assert_uint_eq(cubby__keynum_get((const uint8_t *)"\x02\x00\x01", 3, &v), 0);
    ck_assert_uint_eq(cubby__keynum_get((const uint8_t *)"\x09", 1, &v), 0);
}
END_TEST

UNIT_MAIN("base/key", keeps_order, refuses_other_forms)
