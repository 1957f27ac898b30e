#include "base/range.h"

#include "unit/unit.h"

START_TEST(every_number)
{
    static const struct cubby__range at[] = {{2, 2}, {4, 7}, {8, 8}, {20, 30}, {UINT32_MAX - 1, UINT32_MAX}};
    const size_t count = sizeof at / sizeof *at;
    for (size_t some = 0; some <= count; some++)
        for (uint64_t n = 0; n < 40; n++) {
            size_t want = 0;
            while (want < some && at[want].last < n)
                want++;
            ck_assert_uint_eq(cubby__range_seek(at, some, n), want);
            ck_assert_int_eq(cubby__range_has(at, some, (uint32_t)n), want < some && at[want].first <= n);
        }
    ck_assert_int_eq(cubby__range_has(at, count, UINT32_MAX), 1);
    ck_assert_uint_eq(cubby__range_seek(at, count, 1ull << 32), count); /* behind all that there can be */
    ck_assert_int_eq(cubby__range_has(NULL, 0, 1), 0);
}
END_TEST

UNIT_MAIN("base/range", every_number)
