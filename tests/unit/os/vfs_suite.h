/* vfs_suite.h - what any table of cubby_vfs.h must do; run over each of them. The including file defines suite_begin (a table, and an empty
 * directory of it in `root`) and suite_end, and lists VFS_SUITE in its UNIT_MAIN. */
#ifndef CUBBY_TESTS_VFS_SUITE_H
#define CUBBY_TESTS_VFS_SUITE_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cubby_vfs.h"
#include "unit/unit.h"

static const cubby_vfs *suite_begin(char root[256]);
static void suite_end(void);

#define NEW (CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL)

static const cubby_vfs *vfs;
static char root[256];

static void begin(void)
{
    vfs = suite_begin(root);
}

static const char *path(const char *name)
{
    static char buf[4][640];
    static unsigned next;
    char *p = buf[next++ % 4];
    snprintf(p, sizeof buf[0], "%s/%s", root, name);
    return p;
}

static cubby_file *open_ok(const char *name, unsigned flags)
{
    cubby_file *f = NULL;
    ck_assert_int_eq(vfs->open(vfs->ctx, path(name), flags, &f), 0);
    ck_assert_ptr_nonnull(f);
    return f;
}

static void close_it(cubby_file *f)
{
    vfs->close(vfs->ctx, f);
}

static void put(cubby_file *f, const char *text, uint64_t off)
{
    ck_assert_int_eq(vfs->pwrite(vfs->ctx, f, text, strlen(text), off), 0);
}

static void make(const char *name, const char *text)
{
    cubby_file *f = open_ok(name, NEW);
    put(f, text, 0);
    close_it(f);
}

static void expect(cubby_file *f, uint64_t off, const char *bytes, size_t n)
{
    char buf[256];
    memset(buf, 0x55, sizeof buf);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, buf, n, off), (int64_t)n);
    ck_assert_mem_eq(buf, bytes, n);
}

static void expect_file(const char *name, const char *text)
{
    char buf[256];
    cubby_file *f = open_ok(name, CUBBY_OPEN_READ);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, buf, sizeof buf, 0), (int64_t)strlen(text));
    ck_assert_mem_eq(buf, text, strlen(text));
    close_it(f);
}

static cubby_vfs_stat stat_of(const char *name)
{
    cubby_vfs_stat st;
    ck_assert_int_eq(vfs->stat(vfs->ctx, path(name), &st), 0);
    return st;
}

static int stat_rc(const char *name)
{
    cubby_vfs_stat st;
    return vfs->stat(vfs->ctx, path(name), &st);
}

/* ---- opening ---- */

START_TEST(open_flags)
{
    begin();
    cubby_file *f = NULL;
    ck_assert_int_eq(vfs->open(vfs->ctx, path("a"), CUBBY_OPEN_READ, &f), -ENOENT);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("a"), CUBBY_OPEN_WRITE, &f), -ENOENT);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("a"), CUBBY_OPEN_CREATE, &f), -EINVAL);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("no/a"), NEW, &f), -ENOENT);
    ck_assert_int_eq(vfs->open(vfs->ctx, "", NEW, &f), -ENOENT);
    make("a", "one");
    ck_assert_int_eq(vfs->open(vfs->ctx, path("a"), NEW, &f), -EEXIST);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("a/b"), NEW, &f), -ENOTDIR);
    ck_assert_ptr_null(f);
    close_it(open_ok("a", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE));
    close_it(open_ok("b", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE));
    expect_file("a", "one");
    expect_file("b", "");
    f = open_ok("a", CUBBY_OPEN_READ);
    ck_assert_int_eq(vfs->pwrite(vfs->ctx, f, "x", 1, 0), -EBADF);
    ck_assert_int_lt(vfs->truncate(vfs->ctx, f, 0), 0);
    expect(f, 0, "one", 3);
    close_it(f);
    suite_end();
}
END_TEST

START_TEST(open_directory)
{
    begin();
    cubby_file *f = NULL;
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d")), 0);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("d"), CUBBY_OPEN_READ, &f), -EINVAL);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("d"), CUBBY_OPEN_WRITE, &f), -EINVAL);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("d"), CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f), -EINVAL);
    ck_assert_int_eq(vfs->open(vfs->ctx, path("d"), NEW, &f), -EEXIST);
    suite_end();
}
END_TEST

START_TEST(name_too_long)
{
    begin();
    cubby_file *f = NULL;
    char name[300];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    ck_assert_int_eq(vfs->open(vfs->ctx, path(name), NEW, &f), -ENAMETOOLONG);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path(name)), -ENAMETOOLONG);
    name[255] = 0;
    close_it(open_ok(name, NEW));
    suite_end();
}
END_TEST

/* ---- bytes ---- */

START_TEST(read_write)
{
    begin();
    char buf[64];
    cubby_file *f = open_ok("f", NEW);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, buf, 8, 0), 0);
    put(f, "hello world", 0);
    put(f, "W", 6);
    expect(f, 0, "hello World", 11);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, buf, sizeof buf, 6), 5);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, buf, sizeof buf, 11), 0);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, buf, sizeof buf, (uint64_t)1 << 40), 0);
    ck_assert_int_eq(vfs->pwrite(vfs->ctx, f, buf, 0, 1000), 0);
    ck_assert_uint_eq(stat_of("f").size, 11);
    put(f, "x", 15);
    expect(f, 9, "ld\0\0\0\0x", 7);
    ck_assert_int_eq(vfs->sync(vfs->ctx, f), 0);
    cubby_file *g = open_ok("f", CUBBY_OPEN_READ);
    expect(g, 9, "ld\0\0\0\0x", 7);
    close_it(g);
    close_it(f);
    suite_end();
}
END_TEST

START_TEST(offsets_out_of_range)
{
    begin();
    char b = 0;
    cubby_file *f = open_ok("f", NEW);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, &b, 1, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, &b, 1, INT64_MAX), -EINVAL);
    ck_assert_int_eq(vfs->pwrite(vfs->ctx, f, &b, 1, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(vfs->pwrite(vfs->ctx, f, &b, 1, INT64_MAX), -EINVAL);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, UINT64_MAX), -EINVAL);
    ck_assert_int_eq(vfs->lock(vfs->ctx, f, UINT64_MAX, 1, CUBBY_LOCK_SHARED), -EINVAL);
    ck_assert_int_eq(vfs->lock(vfs->ctx, f, 0, 0, CUBBY_LOCK_SHARED), -EINVAL);
    ck_assert_int_eq(vfs->lock_test(vfs->ctx, f, 0, 0), -EINVAL);
    ck_assert_uint_eq(stat_of("f").size, 0);
    close_it(f);
    suite_end();
}
END_TEST

START_TEST(allocating)
{
    begin();
    cubby_file *f = open_ok("f", NEW);
    put(f, "0123456789", 0);
    int rc = vfs->allocate(vfs->ctx, f, 4, 8192);
    if (rc != -EOPNOTSUPP) { /* not every file system can */
        ck_assert_int_eq(rc, 0);
        ck_assert_uint_eq(stat_of("f").size, 8196); /* it grows, and what is there stays */
        expect(f, 0, "0123456789\0\0", 12);
        expect(f, 8192, "\0\0\0\0", 4);
        ck_assert_int_eq(vfs->allocate(vfs->ctx, f, 0, 100), 0);
        ck_assert_uint_eq(stat_of("f").size, 8196); /* never shrinks */
    }
    ck_assert_int_eq(vfs->allocate(vfs->ctx, f, 0, 0), -EINVAL);
    ck_assert_int_eq(vfs->allocate(vfs->ctx, f, UINT64_MAX, 1), -EINVAL);
    close_it(f);
    f = open_ok("f", CUBBY_OPEN_READ);
    ck_assert_int_lt(vfs->allocate(vfs->ctx, f, 0, 100), 0);
    close_it(f);
    suite_end();
}
END_TEST

START_TEST(truncating)
{
    begin();
    cubby_file *f = open_ok("f", NEW);
    put(f, "0123456789", 0);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 4), 0);
    ck_assert_uint_eq(stat_of("f").size, 4);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 8), 0);
    expect(f, 0, "0123\0\0\0\0", 8); /* what was cut off does not come back */
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, (uint64_t)1 << 33), 0);
    ck_assert_uint_eq(stat_of("f").size, (uint64_t)1 << 33);
    expect(f, ((uint64_t)1 << 33) - 4, "\0\0\0\0", 4);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 0), 0);
    ck_assert_uint_eq(stat_of("f").size, 0);
    close_it(f);
    suite_end();
}
END_TEST

/* ---- names ---- */

START_TEST(stat_and_mkdir)
{
    begin();
    cubby_vfs_stat st;
    ck_assert_int_eq(stat_rc("d"), -ENOENT);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d")), 0);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d")), -EEXIST);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("x/y")), -ENOENT);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("e/")), 0);
    make("d/f", "abc");
    ck_assert_int_eq(stat_of("d").is_dir, 1);
    ck_assert_int_eq(stat_of("e").is_dir, 1);
    st = stat_of("d/f");
    ck_assert_int_eq(st.is_dir, 0);
    ck_assert_uint_eq(st.size, 3);
    ck_assert_uint_eq(st.links, 1);
    ck_assert_int_eq(stat_rc("d/f/g"), -ENOTDIR);
    ck_assert_int_eq(stat_rc("d/../d/./f"), 0);
    ck_assert_uint_ne(st.inode, stat_of("d").inode);
    cubby_vfs_stat open_st;
    cubby_file *f = open_ok("d/f", CUBBY_OPEN_READ);
    ck_assert_int_eq(vfs->fstat(vfs->ctx, f, &open_st), 0);
    ck_assert_uint_eq(open_st.inode, st.inode);
    ck_assert_uint_eq(open_st.device, st.device);
    close_it(f);
    suite_end();
}
END_TEST

START_TEST(unlinking)
{
    begin();
    cubby_vfs_stat st;
    ck_assert_int_eq(vfs->unlink(vfs->ctx, path("f")), -ENOENT);
    cubby_file *f = open_ok("f", NEW);
    put(f, "still here", 0);
    ck_assert_int_eq(vfs->unlink(vfs->ctx, path("f")), 0);
    ck_assert_int_eq(stat_rc("f"), -ENOENT);
    ck_assert_int_eq(vfs->fstat(vfs->ctx, f, &st), 0);
    ck_assert_uint_eq(st.links, 0);
    make("f", "another");
    put(f, "STILL", 0);
    expect(f, 0, "STILL here", 10);
    expect_file("f", "another");
    ck_assert_uint_ne(stat_of("f").inode, st.inode);
    close_it(f);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d")), 0);
    ck_assert_int_lt(vfs->unlink(vfs->ctx, path("d")), 0);
    ck_assert_int_eq(stat_rc("d"), 0);
    suite_end();
}
END_TEST

START_TEST(renaming)
{
    begin();
    cubby_vfs_stat st;
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d")), 0);
    make("a", "a");
    make("d/b", "b");
    uint64_t inode = stat_of("a").inode;
    cubby_file *old = open_ok("d/b", CUBBY_OPEN_READ);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("no"), path("d/b")), -ENOENT);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("a"), path("no/b")), -ENOENT);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("a"), path("d/b")), 0);
    ck_assert_int_eq(stat_rc("a"), -ENOENT);
    ck_assert_uint_eq(stat_of("d/b").inode, inode);
    expect_file("d/b", "a");
    expect(old, 0, "b", 1);
    ck_assert_int_eq(vfs->fstat(vfs->ctx, old, &st), 0);
    ck_assert_uint_eq(st.links, 0);
    close_it(old);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("d/b"), path("d/b")), 0);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("d/b"), path("c")), 0);
    expect_file("c", "a");
    suite_end();
}
END_TEST

START_TEST(renaming_directories)
{
    begin();
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d")), 0);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d/e")), 0);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("empty")), 0);
    make("d/e/f", "deep");
    make("file", "x");
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("d"), path("d/e/d")), -EINVAL);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("file"), path("d")), -EISDIR);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("d"), path("file")), -ENOTDIR);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("empty"), path("d")), -ENOTEMPTY);
    ck_assert_int_eq(vfs->rename(vfs->ctx, path("d"), path("empty")), 0);
    ck_assert_int_eq(stat_rc("d"), -ENOENT);
    expect_file("empty/e/f", "deep");
    expect_file("empty/e/../e/f", "deep");
    suite_end();
}
END_TEST

static int count_names(void *arg, const char *name)
{
    ck_assert_str_ne(name, ".");
    ck_assert_str_ne(name, "..");
    ck_assert_int_eq(stat_rc(name), 0);
    ck_assert_int_eq(vfs->unlink(vfs->ctx, path(name)), 0); /* a callback may use the VFS */
    ++*(int *)arg;
    return 0;
}

static int stop_at_once(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
    return 77;
}

START_TEST(listing)
{
    begin();
    int n = 0;
    ck_assert_int_eq(vfs->list(vfs->ctx, root, count_names, &n), 0);
    ck_assert_int_eq(n, 0);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.seg", i);
        make(name, "");
    }
    ck_assert_int_eq(vfs->list(vfs->ctx, root, stop_at_once, &n), 77);
    ck_assert_int_eq(n, 1);
    ck_assert_int_eq(vfs->list(vfs->ctx, path("1.seg"), stop_at_once, &n), -ENOTDIR);
    ck_assert_int_eq(vfs->list(vfs->ctx, path("none"), stop_at_once, &n), -ENOENT);
    n = 0;
    ck_assert_int_eq(vfs->list(vfs->ctx, root, count_names, &n), 0);
    ck_assert_int_eq(n, 100);
    ck_assert_int_eq(stat_rc("1.seg"), -ENOENT);
    suite_end();
}
END_TEST

START_TEST(dirsync)
{
    begin();
    make("f", "");
    ck_assert_int_eq(vfs->dirsync(vfs->ctx, root), 0);
    ck_assert_int_eq(vfs->dirsync(vfs->ctx, path("none")), -ENOENT);
    ck_assert_int_eq(vfs->dirsync(vfs->ctx, path("f")), -ENOTDIR);
    suite_end();
}
END_TEST

/* ---- locks ---- */

static int lock(cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    return vfs->lock(vfs->ctx, f, start, len, kind);
}

START_TEST(locked_directories)
{
    begin();
    cubby_file *a, *b, *c = NULL;
    make("f", "");
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d")), 0);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("no"), CUBBY_LOCK_SHARED, &c), -ENOENT);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("f"), CUBBY_LOCK_SHARED, &c), -ENOTDIR);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("d"), CUBBY_LOCK_SHARED, &a), 0);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("d"), CUBBY_LOCK_SHARED, &b), 0);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("d"), CUBBY_LOCK_EXCLUSIVE, &c), -EAGAIN);
    close_it(a);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("d"), CUBBY_LOCK_EXCLUSIVE, &c), -EAGAIN);
    close_it(b);
    ck_assert_ptr_null(c);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("d"), CUBBY_LOCK_EXCLUSIVE, &c), 0);
    ck_assert_int_eq(vfs->lock_dir(vfs->ctx, path("d"), CUBBY_LOCK_SHARED, &a), -EAGAIN);
    close_it(c);
    suite_end();
}
END_TEST

static int test_lock(cubby_file *f, uint64_t start, uint64_t len)
{
    return vfs->lock_test(vfs->ctx, f, start, len);
}

START_TEST(lock_kinds)
{
    begin();
    cubby_file *a = open_ok("f", NEW), *b = open_ok("f", CUBBY_OPEN_WRITE), *c = open_ok("f", CUBBY_OPEN_READ);
    ck_assert_int_eq(lock(a, 0, 1, CUBBY_LOCK_SHARED), 0);
    ck_assert_int_eq(lock(b, 0, 1, CUBBY_LOCK_SHARED), 0);
    ck_assert_int_eq(lock(c, 0, 1, CUBBY_LOCK_SHARED), 0);
    ck_assert_int_eq(lock(a, 0, 1, CUBBY_LOCK_EXCLUSIVE), -EAGAIN); /* and keeps its shared lock: */
    ck_assert_int_eq(lock(b, 0, 1, CUBBY_UNLOCK), 0);
    ck_assert_int_eq(lock(c, 0, 1, CUBBY_UNLOCK), 0);
    ck_assert_int_eq(test_lock(b, 0, 1), 1);
    ck_assert_int_eq(test_lock(a, 0, 1), 0); /* its own does not count */
    ck_assert_int_eq(lock(b, 0, 1, CUBBY_LOCK_EXCLUSIVE), -EAGAIN);
    ck_assert_int_eq(lock(a, 0, 1, CUBBY_LOCK_EXCLUSIVE), 0); /* upgrade */
    ck_assert_int_eq(lock(b, 0, 1, CUBBY_LOCK_SHARED), -EAGAIN);
    ck_assert_int_eq(lock(b, 1, 1, CUBBY_LOCK_EXCLUSIVE), 0); /* the neighbour is free */
    ck_assert_int_eq(lock(a, 0, 1, CUBBY_LOCK_SHARED), 0);    /* downgrade */
    ck_assert_int_eq(lock(b, 0, 1, CUBBY_LOCK_SHARED), 0);
    ck_assert_int_eq(lock(c, 5, 1, CUBBY_LOCK_EXCLUSIVE), -EBADF); /* opened for reading */
    ck_assert_int_eq(test_lock(c, 0, 100), 1);
    close_it(c);
    close_it(b);
    close_it(a);
    suite_end();
}
END_TEST

START_TEST(locks_end_with_close)
{
    begin();
    cubby_file *a = open_ok("f", NEW), *b = open_ok("f", CUBBY_OPEN_WRITE), *c = open_ok("f", CUBBY_OPEN_WRITE);
    ck_assert_int_eq(lock(a, 3, 2, CUBBY_LOCK_EXCLUSIVE), 0);
    close_it(c); /* another open: a's lock stays (POSIX locks would be lost here) */
    ck_assert_int_eq(test_lock(b, 4, 1), 1);
    ck_assert_int_eq(test_lock(b, 5, 1), 0);
    close_it(a);
    ck_assert_int_eq(test_lock(b, 0, 100), 0);
    ck_assert_int_eq(lock(b, 0, 100, CUBBY_LOCK_EXCLUSIVE), 0);
    close_it(b);
    suite_end();
}
END_TEST

/* Which bytes of 0..9 does a hold, as b sees it? */
static void expect_held(cubby_file *b, const char *want)
{
    char got[11] = {0};
    for (uint64_t i = 0; i < 10; i++)
        got[i] = !test_lock(b, i, 1) ? '.' : lock(b, i, 1, CUBBY_LOCK_SHARED) == 0 ? 's' : 'x';
    lock(b, 0, 10, CUBBY_UNLOCK);
    ck_assert_str_eq(got, want);
}

START_TEST(lock_ranges)
{
    begin();
    cubby_file *a = open_ok("f", NEW), *b = open_ok("f", CUBBY_OPEN_WRITE);
    lock(a, 0, 10, CUBBY_LOCK_SHARED);
    expect_held(b, "ssssssssss");
    lock(a, 4, 2, CUBBY_UNLOCK); /* splits */
    expect_held(b, "ssss..ssss");
    lock(a, 3, 4, CUBBY_LOCK_EXCLUSIVE); /* cuts both ends, takes the hole */
    expect_held(b, "sssxxxxsss");
    lock(a, 0, 4, CUBBY_UNLOCK);
    expect_held(b, "....xxxsss");
    lock(a, 6, 4, CUBBY_LOCK_SHARED);
    expect_held(b, "....xxssss");
    lock(b, 0, 2, CUBBY_LOCK_EXCLUSIVE);
    ck_assert_int_eq(lock(a, 0, 10, CUBBY_LOCK_EXCLUSIVE), -EAGAIN);
    lock(b, 0, 10, CUBBY_UNLOCK);
    expect_held(b, "....xxssss"); /* a refused lock changes nothing */
    lock(a, 0, 10, CUBBY_UNLOCK);
    expect_held(b, "..........");
    close_it(a);
    close_it(b);
    suite_end();
}
END_TEST

/* ---- shared memory ---- */

START_TEST(map_is_coherent)
{
    begin();
    static char page[3 * 4096];
    memset(page, 'p', sizeof page);
    cubby_file *a = open_ok("f", NEW), *b = open_ok("f", CUBBY_OPEN_WRITE);
    ck_assert_int_eq(vfs->pwrite(vfs->ctx, a, page, sizeof page, 0), 0);
    char *p = NULL, *q = NULL;
    ck_assert_int_eq(vfs->map(vfs->ctx, a, 8192, 4096, (void **)&p), 0);
    ck_assert_int_eq(vfs->map(vfs->ctx, b, 8192, 4096, (void **)&q), 0);
    ck_assert_uint_eq((uintptr_t)p % 4096, 0);
    ck_assert_int_eq(p[0], 'p');
    p[10] = 'm';
    ck_assert_int_eq(q[10], 'm');
    q[11] = 'n';
    expect(a, 8192 + 9, "pmnp", 4); /* stores are read */
    put(b, "WRITTEN", 8192 + 100);
    ck_assert_mem_eq(p + 99, "pWRITTENp", 9); /* writes are seen */
    put(a, "across", 8192 - 3);
    ck_assert_mem_eq(q, "ossp", 4);
    expect(b, 8192 - 4, "pacrossp", 8);
    close_it(a); /* the memory outlives the open */
    p[0] = 'Z';
    expect(b, 8192, "Z", 1);
    vfs->unmap(vfs->ctx, p, 4096);
    expect(b, 8192, "Zssp", 4);
    ck_assert_int_eq(q[0], 'Z');
    ck_assert_int_eq(vfs->truncate(vfs->ctx, b, 8192 + 10), 0);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, b, 8192 + 20), 0);
    expect(b, 8192 + 8, "pp\0\0\0\0", 6);
    vfs->unmap(vfs->ctx, q, 4096);
    close_it(b);
    suite_end();
}
END_TEST

START_TEST(map_refusals)
{
    begin();
    void *p = NULL;
    cubby_file *f = open_ok("f", NEW);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 8191), 0);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 4096, 4096, &p), -EINVAL); /* would reach beyond the end */
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 1, 4096, &p), -EINVAL);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 0, 100, &p), -EINVAL);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 0, 0, &p), -EINVAL);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, UINT64_MAX - 4095, 4096, &p), -EINVAL);
    ck_assert_ptr_null(p);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 0, 4096, &p), 0);
    vfs->unmap(vfs->ctx, p, 4096);
    close_it(f);
    suite_end();
}
END_TEST

START_TEST(map_outlives_the_file)
{
    begin();
    char *p = NULL;
    cubby_file *f = open_ok("f", NEW);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 4096), 0);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 0, 4096, (void **)&p), 0);
    ck_assert_int_eq(vfs->unlink(vfs->ctx, path("f")), 0);
    close_it(f);
    p[4095] = 1;
    ck_assert_int_eq(p[4095], 1);
    vfs->unmap(vfs->ctx, p, 4096);
    suite_end();
}
END_TEST

/* ---- time and randomness ---- */

START_TEST(clocks)
{
    begin();
    int64_t wall = vfs->now_ns(vfs->ctx), ticks = vfs->ticks_ms(vfs->ctx);
    ck_assert_int_gt(wall, (int64_t)1500000000 * 1000000000);
    vfs->sleep_ms(vfs->ctx, 20);
    ck_assert_int_ge(vfs->ticks_ms(vfs->ctx), ticks + 19);
    ck_assert_int_gt(vfs->now_ns(vfs->ctx), wall);
    suite_end();
}
END_TEST

START_TEST(randomness)
{
    begin();
    uint8_t a[1000] = {0}, b[1000] = {0};
    int set = 0;
    ck_assert_int_eq(vfs->random(vfs->ctx, a, sizeof a), 0);
    ck_assert_int_eq(vfs->random(vfs->ctx, b, sizeof b), 0);
    ck_assert_mem_ne(a, b, sizeof a);
    for (size_t i = 0; i < sizeof a; i++)
        set += __builtin_popcount(a[i]);
    ck_assert_int_gt(set, 3600);
    ck_assert_int_lt(set, 4400);
    ck_assert_int_eq(vfs->random(vfs->ctx, a, 0), 0);
    suite_end();
}
END_TEST

#define VFS_SUITE                                                                                                                                    \
    open_flags, open_directory, name_too_long, read_write, offsets_out_of_range, truncating, allocating, locked_directories, stat_and_mkdir,         \
        unlinking, renaming, renaming_directories, listing, dirsync, lock_kinds, locks_end_with_close, lock_ranges, map_is_coherent,                 \
        map_refusals, map_outlives_the_file, clocks, randomness

#endif
