#include "os/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "unit/unit.h"

START_TEST(local_and_missing)
{
    ck_assert_int_eq(cubby__fs_is_network("/proc"), 0);
    ck_assert_int_eq(cubby__fs_is_network("/"), 0);
    ck_assert_int_eq(cubby__fs_is_network("/no/such/place"), -ENOENT);
    ck_assert_int_eq(cubby__fs_is_network(""), -ENOENT);
}
END_TEST

/* Only of some is it known: of others nothing is promised. */
START_TEST(keeps_blocks)
{
    struct statfs st;
    int fd = open("/tmp", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstatfs(fd, &st), 0);
    ck_assert_int_eq(cubby__fs_keeps_blocks(fd), st.f_type == EXT4_SUPER_MAGIC || st.f_type == TMPFS_MAGIC);
    close(fd);
    ck_assert_int_eq(cubby__fs_keeps_blocks(fd), 0);
    fd = open("/proc", O_RDONLY | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(cubby__fs_keeps_blocks(fd), 0);
    close(fd);
}
END_TEST

UNIT_MAIN("os/fs", local_and_missing, keeps_blocks)
