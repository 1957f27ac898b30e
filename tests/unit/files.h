/* files.h - the bytes of a file, read and changed behind the back of what is tested. */
#ifndef CUBBY_TESTS_FILES_H
#define CUBBY_TESTS_FILES_H

#include <check.h>
#include <stdint.h>

#include "cubby_vfs.h"

/* Makes the file if it is missing. */
static inline void file_write(const cubby_vfs *vfs, const char *path, uint64_t off, const void *p, size_t n)
{
    cubby_file *f;
    ck_assert_int_eq(vfs->open(vfs->ctx, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f), 0);
    ck_assert_int_eq(vfs->pwrite(vfs->ctx, f, p, n, off), 0);
    vfs->close(vfs->ctx, f);
}

/* All n bytes are there. */
static inline void file_read(const cubby_vfs *vfs, const char *path, uint64_t off, void *p, size_t n)
{
    cubby_file *f;
    ck_assert_int_eq(vfs->open(vfs->ctx, path, CUBBY_OPEN_READ, &f), 0);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, p, n, off), (int64_t)n);
    vfs->close(vfs->ctx, f);
}

static inline void file_flip(const cubby_vfs *vfs, const char *path, uint64_t off, uint8_t mask)
{
    uint8_t c;
    file_read(vfs, path, off, &c, 1);
    c ^= mask;
    file_write(vfs, path, off, &c, 1);
}

/* Up to 16 KiB become zeros. */
static inline void file_zero(const cubby_vfs *vfs, const char *path, uint64_t off, size_t n)
{
    static const uint8_t zeros[16 << 10];
    ck_assert_uint_le(n, sizeof zeros);
    file_write(vfs, path, off, zeros, n);
}

static inline void file_truncate(const cubby_vfs *vfs, const char *path, uint64_t size)
{
    cubby_file *f;
    ck_assert_int_eq(vfs->open(vfs->ctx, path, CUBBY_OPEN_WRITE, &f), 0);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, size), 0);
    vfs->close(vfs->ctx, f);
}

#endif
