#include "os/memfile.h"

#include <errno.h>
#include <string.h>

#include "cubby_vfs.h"
#include "unit/unit.h"

START_TEST(bytes)
{
    struct cubby__memfile f = {0};
    char b[8];
    ck_assert_uint_eq(cubby__memfile_read(&f, b, 8, 0), 0);
    ck_assert_int_eq(cubby__memfile_write(&f, "abc", 3, 2), 0);
    ck_assert_uint_eq(cubby__memfile_read(&f, b, 8, 0), 5);
    ck_assert_mem_eq(b, "\0\0abc", 5);
    cubby__memfile_truncate(&f, (uint64_t)1 << 50); /* sparse */
    ck_assert_uint_eq(cubby__memfile_read(&f, b, 8, 3), 8);
    ck_assert_mem_eq(b, "bc\0\0\0\0\0\0", 8);
    ck_assert_int_eq(cubby__memfile_write(&f, "x", 1, INT64_MAX - 1), -ENOMEM);
    ck_assert_uint_eq(f.size, (uint64_t)1 << 50);
    cubby__memfile_release(&f);
    ck_assert_uint_eq(f.size, 0);
}
END_TEST

START_TEST(mapped_bytes_never_move)
{
    struct cubby__memfile f = {0};
    char *p = NULL, b[4];
    cubby__memfile_truncate(&f, 8192);
    ck_assert_int_eq(cubby__memfile_map(&f, 4096, 4096, (void **)&p), 0);
    p[1] = 'q';
    for (uint64_t off = 8192; off < 1 << 20; off += 1000)
        ck_assert_int_eq(cubby__memfile_write(&f, "grow", 4, off), 0);
    char *q = NULL;
    ck_assert_int_eq(cubby__memfile_map(&f, 4096, 4096, (void **)&q), 0);
    ck_assert_ptr_eq(p, q);
    ck_assert_uint_eq(cubby__memfile_read(&f, b, 3, 4096), 3);
    ck_assert_mem_eq(b, "\0q\0", 3);
    cubby__memfile_truncate(&f, 4097);
    ck_assert_int_eq(p[1], 0);
    cubby__memfile_release(&f);
}
END_TEST

START_TEST(locks_of_two_owners)
{
    struct cubby__memfile f = {0};
    int a = 0, b = 0;
    ck_assert_int_eq(cubby__memfile_lock(&f, &a, 0, 99, CUBBY_LOCK_SHARED), 0);
    ck_assert_int_eq(cubby__memfile_lock(&f, &b, 50, 149, CUBBY_LOCK_SHARED), 0);
    ck_assert_int_eq(cubby__memfile_lock(&f, &a, 10, 60, CUBBY_LOCK_EXCLUSIVE), -EAGAIN);
    ck_assert_int_eq(cubby__memfile_lock(&f, &a, 10, 49, CUBBY_LOCK_EXCLUSIVE), 0);
    ck_assert_int_eq(cubby__memfile_conflict(&f, &b, 0, 9, CUBBY_LOCK_SHARED), 0);
    ck_assert_int_eq(cubby__memfile_conflict(&f, &b, 0, 10, CUBBY_LOCK_SHARED), 1);
    cubby__memfile_unlock_all(&f, &a);
    ck_assert_int_eq(cubby__memfile_conflict(&f, &b, 0, UINT64_MAX, CUBBY_LOCK_EXCLUSIVE), 0);
    ck_assert_int_eq(cubby__memfile_conflict(&f, &a, 0, UINT64_MAX, CUBBY_LOCK_EXCLUSIVE), 1);
    cubby__memfile_release(&f);
}
END_TEST

UNIT_MAIN("os/memfile", bytes, mapped_bytes_never_move, locks_of_two_owners)
