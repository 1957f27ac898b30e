#include "base/bytes.h"

#include "unit/unit.h"

START_TEST(both_orders)
{
    uint8_t b[8];
    cubby__put16(b, 0x1234);
    ck_assert(b[0] == 0x34 && b[1] == 0x12 && cubby__get16(b) == 0x1234);
    cubby__put32(b, 0x12345678);
    ck_assert(b[0] == 0x78 && b[3] == 0x12 && cubby__get32(b) == 0x12345678);
    cubby__put64(b, 0x123456789abcdef0);
    ck_assert(b[0] == 0xf0 && b[7] == 0x12 && cubby__get64(b) == 0x123456789abcdef0);
    cubby__put32be(b, 0x12345678);
    ck_assert(b[0] == 0x12 && b[3] == 0x78 && cubby__get32be(b) == 0x12345678);
}
END_TEST

START_TEST(all_zero)
{
    uint8_t b[9] = {0};
    ck_assert(cubby__all_zero(b, sizeof b) && cubby__all_zero(NULL, 0));
    for (size_t i = 0; i < sizeof b; i++) {
        b[i] = 0x80;
        ck_assert(!cubby__all_zero(b, i + 1) && cubby__all_zero(b, i));
        b[i] = 0;
    }
}
END_TEST

UNIT_MAIN("base/bytes", both_orders, all_zero)
