#include "os/fs.h"

#include <errno.h>

#include "unit/unit.h"

START_TEST(local_and_missing)
{
    ck_assert_int_eq(cubby__fs_is_network("/proc"), 0);
    ck_assert_int_eq(cubby__fs_is_network("/"), 0);
    ck_assert_int_eq(cubby__fs_is_network("/no/such/place"), -ENOENT);
    ck_assert_int_eq(cubby__fs_is_network(""), -ENOENT);
}
END_TEST

UNIT_MAIN("os/fs", local_and_missing)
