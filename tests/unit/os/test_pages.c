/* test_pages.c - kernels whose pages are larger than 4,096 bytes (arm64, ppc64): mmap and madvise take multiples of theirs alone. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cubby_vfs.h"
#include "unit/unit.h"

static uintptr_t page = 4096; /* of the kernel that the functions below make of this one */

extern long __sysconf(int name); /* the C library's own */

long sysconf(int name)
{
    return name == _SC_PAGESIZE ? (long)page : __sysconf(name);
}

void *mmap(void *addr, size_t n, int prot, int flags, int fd, off_t off)
{
    if ((uint64_t)off % page) {
        errno = EINVAL;
        return MAP_FAILED;
    }
    if (fd < 0)
        return (void *)syscall(SYS_mmap, addr, n, prot, flags, fd, off);
    /* at a multiple of its pages, too */
    char *room = (char *)syscall(SYS_mmap, NULL, n + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return (void *)syscall(SYS_mmap, room + (page - (uintptr_t)room % page) % page, n, prot, flags | MAP_FIXED, fd, off);
}

int munmap(void *addr, size_t n)
{
    if ((uintptr_t)addr % page) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_munmap, addr, n);
}

int madvise(void *addr, size_t n, int advice)
{
    if ((uintptr_t)addr % page) {
        errno = EINVAL;
        return -1;
    }
    return (int)syscall(SYS_madvise, addr, n, advice);
}

static void try_page(const cubby_vfs *v, cubby_file *f, size_t size)
{
    char *p = NULL, byte = 0;
    page = size;
    for (uint64_t off = 0; off < 7 * 4096; off += 4096) {
        const char mark = (char)(off / 4096 + size / 4096);
        ck_assert_int_eq(v->map(v->ctx, f, off, 4096, (void **)&p), 0);
        ck_assert_int_eq(v->ready(v->ctx, f, p, 4096), 0);
        p[100] = mark;
        ck_assert_int_eq(v->pread(v->ctx, f, &byte, 1, off + 100), 1);
        ck_assert_int_eq(byte, mark);
        v->unmap(v->ctx, p, 4096);
    }
    ck_assert_int_eq(v->map(v->ctx, f, 7 * 4096, 4096, (void **)&p), -EINVAL); /* behind the end, though in its last page */
    page = 4096;
}

START_TEST(large_pages)
{
    const cubby_vfs *v = cubby_vfs_posix();
    cubby_file *f;
    char name[300];
    const char *base = getenv("TEST_TMP");
    snprintf(name, sizeof name, "%.200s/pages.%d", base ? base : "/tmp", (int)getpid());
    ck_assert_int_eq(v->open(v->ctx, name, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f), 0);
    ck_assert_int_eq(v->truncate(v->ctx, f, 7 * 4096), 0);
    try_page(v, f, 4096);
    try_page(v, f, 16384);
    try_page(v, f, 65536);
    v->close(v->ctx, f);
    ck_assert_int_eq(unlink(name), 0);
}
END_TEST

UNIT_MAIN("os/pages", large_pages)
