/* vfs_posix.c - the table of cubby_vfs.h over POSIX and Linux (OFD locks). The only file of the library that calls the system. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "cubby_vfs.h"
#include "os/fs.h"

struct cubby_file {
    int fd;
    int writable;
    atomic_int settled; /* what is mapped of it has blocks, and keeps them */
};

static int fail(int rc)
{
    return rc < 0 ? -errno : 0;
}

static int bad_range(uint64_t off, uint64_t n)
{
    return off > INT64_MAX || n > INT64_MAX - off;
}

/* ---- owners and modes ---- */

/* The directory that holds path; -ENAMETOOLONG if it does not fit. */
static int parent_of(const char *path, char dir[PATH_MAX])
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    while (n > 0 && path[n - 1] != '/')
        n--;
    while (n > 1 && path[n - 1] == '/')
        n--;
    if (n >= PATH_MAX)
        return -ENAMETOOLONG;
    memcpy(dir, n ? path : ".", n ? n : 1);
    dir[n ? n : 1] = 0;
    return 0;
}

/* Files that root makes belong to the owner of the directory they are in, so that a tool run as root never locks the owner out. */
static int give_to_parent_owner(int fd, const struct stat *st, const char *path)
{
    char dir[PATH_MAX];
    struct stat parent;
    if (geteuid() != 0)
        return 0;
    int rc = parent_of(path, dir);
    if (rc)
        return rc;
    if (stat(dir, &parent) < 0)
        return -errno;
    if (parent.st_uid == st->st_uid && parent.st_gid == st->st_gid)
        return 0;
    return fail(fchown(fd, parent.st_uid, parent.st_gid));
}

/* A new file or directory gets exactly this mode, whatever the umask, and its owner. */
static int adopt(int fd, const char *path, mode_t mode)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if ((st.st_mode & 0777) != mode && fchmod(fd, mode) < 0)
        return -errno;
    return give_to_parent_owner(fd, &st, path);
}

/* ---- open files ---- */

/* Where a program has closed its standard output, the next open gets its number, and what is then printed lands in that file: never in a store's. */
static int beyond_standard(int fd)
{
    if (fd > STDERR_FILENO)
        return fd;
    int above = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1), rc = above < 0 ? -errno : above;
    close(fd);
    return rc;
}

static int open_retry(const char *path, int oflags)
{
    int fd;
    do
        fd = open(path, oflags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : beyond_standard(fd);
}

/* Opens, and says whether the file is new: O_CREAT alone would not tell, nor refuse a dangling symbolic link. */
static int open_fd(const char *path, unsigned flags, int *created)
{
    int oflags = flags & CUBBY_OPEN_WRITE ? O_RDWR : O_RDONLY;
    *created = 0;
    if (!(flags & CUBBY_OPEN_CREATE))
        return open_retry(path, oflags);
    for (int tries = 0;; tries++) {
        int fd = flags & CUBBY_OPEN_EXCL ? -ENOENT : open_retry(path, oflags);
        if (fd != -ENOENT)
            return fd;
        fd = open_retry(path, oflags | O_CREAT | O_EXCL);
        *created = fd >= 0;
        if (fd != -EEXIST || flags & CUBBY_OPEN_EXCL || tries == 8)
            return fd; /* else somebody made it in between: open that one */
    }
}

/* What open(2) says of a symbolic link, a directory or a socket: all are "not a regular file" here. */
static int not_regular(int rc)
{
    return rc == -ELOOP || rc == -EISDIR || rc == -ENXIO ? -EINVAL : rc;
}

static int posix_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    (void)ctx;
    if (flags & (CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL) && !(flags & CUBBY_OPEN_WRITE))
        return -EINVAL;
    struct cubby_file *f = cubby__malloc(sizeof *f);
    if (!f)
        return -ENOMEM;
    int created, rc;
    struct stat st;
    f->writable = (flags & CUBBY_OPEN_WRITE) != 0;
    atomic_init(&f->settled, 0);
    f->fd = open_fd(path, flags, &created);
    if (f->fd < 0) {
        rc = not_regular(f->fd);
        cubby__free(f);
        return rc;
    }
    if (created)
        rc = adopt(f->fd, path, 0600);
    else
        rc = fstat(f->fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
    if (rc) {
        close(f->fd);
        if (created)
            unlink(path);
        cubby__free(f);
        return rc;
    }
    *out = f;
    return 0;
}

static void posix_close(void *ctx, cubby_file *f)
{
    (void)ctx;
    close(f->fd); /* never retried: on Linux the descriptor is gone whatever it returns */
    cubby__free(f);
}

static int64_t posix_pread(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off)
{
    (void)ctx;
    if (bad_range(off, n))
        return -EINVAL;
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(f->fd, (char *)buf + done, n - done, (off_t)(off + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

static int posix_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    (void)ctx;
    if (bad_range(off, n))
        return -EINVAL;
    size_t done = 0;
    while (done < n) {
        ssize_t put = pwrite(f->fd, (const char *)buf + done, n - done, (off_t)(off + done));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        if (put == 0)
            return -EIO;
        done += (size_t)put;
    }
    return 0;
}

static int posix_sync(void *ctx, cubby_file *f)
{
    (void)ctx;
    int rc = fail(fdatasync(f->fd)); /* not even EINTR is retried: success would say nothing about the bytes before */
    int reads = rc == -EINVAL && (fcntl(f->fd, F_GETFL) & O_ACCMODE) == O_RDONLY;
    return reads ? 0 : rc; /* a file system that is never written to cannot sync, and need not */
}

static int posix_truncate(void *ctx, cubby_file *f, uint64_t size)
{
    (void)ctx;
    int rc;
    if (bad_range(size, 0))
        return -EINVAL;
    do
        rc = ftruncate(f->fd, (off_t)size);
    while (rc < 0 && errno == EINTR);
    return fail(rc);
}

static int posix_allocate(void *ctx, cubby_file *f, uint64_t off, uint64_t len)
{
    (void)ctx;
    int rc;
    if (!len || bad_range(off, len))
        return -EINVAL;
    do
        rc = fallocate(f->fd, 0, (off_t)off, (off_t)len);
    while (rc < 0 && errno == EINTR);
    return rc < 0 && (errno == ENOSYS || errno == EINVAL) ? -EOPNOTSUPP : fail(rc);
}

/* Where a sandbox older than statx forbids it. */
static int ask_as_ever(int dir, const char *path, cubby_vfs_stat *out)
{
    struct stat st;
    if (fstatat(dir, path, &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    out->size = (uint64_t)st.st_size;
    out->inode = st.st_ino;
    out->device = st.st_dev;
    out->links = (uint32_t)st.st_nlink;
    out->is_dir = S_ISDIR(st.st_mode) ? 1 : S_ISREG(st.st_mode) ? 0 : -1;
    return 0;
}

/* Times are not asked for: a file system that keeps fine-grained ones must change the inode at the first write after each question for them, and a
 * commit that looked at a file first took 40 % longer on ext4. dir is a descriptor, path is below it, or "" for the descriptor itself. */
static int ask(int dir, const char *path, cubby_vfs_stat *out, int *immutable)
{
    struct statx st;
    if (statx(dir, path, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_NLINK | STATX_INO | STATX_SIZE, &st) < 0)
        return errno == ENOSYS || errno == EPERM ? ask_as_ever(dir, path, out) : -errno;
    out->size = st.stx_size;
    out->inode = st.stx_ino;
    out->device = makedev(st.stx_dev_major, st.stx_dev_minor);
    out->links = st.stx_nlink;
    *immutable = (st.stx_attributes & STATX_ATTR_IMMUTABLE) != 0;
    out->is_dir = S_ISDIR(st.stx_mode) ? 1 : S_ISREG(st.stx_mode) ? 0 : -1;
    return 0;
}

static int posix_fstat(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    (void)ctx;
    int immutable = 0, rc = ask(f->fd, "", out, &immutable);
    if (immutable) /* somebody has made it so since it was opened: ext4 answers the next write to what is mapped with SIGBUS */
        atomic_store_explicit(&f->settled, 0, memory_order_relaxed);
    return rc;
}

/* ---- names ---- */

static int posix_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    (void)ctx;
    int unused;
    return *path ? ask(AT_FDCWD, path, out, &unused) : -ENOENT;
}

static int open_dir(const char *path, int oflags)
{
    int fd;
    do
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | oflags);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static int posix_mkdir(void *ctx, const char *path)
{
    (void)ctx;
    if (mkdir(path, 0700) < 0)
        return -errno;
    int fd = open_dir(path, O_NOFOLLOW);
    if (fd == -EACCES && chmod(path, 0700) == 0) /* a umask that takes our own read permission away */
        fd = open_dir(path, O_NOFOLLOW);
    int rc = fd < 0 ? fd : adopt(fd, path, 0700);
    if (fd >= 0)
        close(fd);
    if (rc)
        rmdir(path);
    return rc;
}

static int posix_rename(void *ctx, const char *from, const char *to)
{
    (void)ctx;
    return fail(rename(from, to));
}

static int posix_unlink(void *ctx, const char *path)
{
    (void)ctx;
    return fail(unlink(path));
}

static int posix_dirsync(void *ctx, const char *path)
{
    (void)ctx;
    int fd = open_dir(path, 0);
    if (fd < 0)
        return fd;
    int rc = fail(fsync(fd));
    close(fd);
    return rc == -EINVAL ? 0 : rc; /* EINVAL: a file system that cannot sync directories; there is nothing else to ask of it */
}

static int posix_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    (void)ctx;
    DIR *d = opendir(path);
    if (!d)
        return -errno;
    int rc = 0;
    while (!rc) {
        errno = 0;
        struct dirent *e = readdir(d);
        if (!e) {
            rc = -errno;
            break;
        }
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            rc = fn(arg, e->d_name);
    }
    closedir(d);
    return rc;
}

/* ---- locks and shared memory ---- */

static int lock_range(struct flock *l, uint64_t start, uint64_t len, short type)
{
    if (len == 0 || bad_range(start, len))
        return -EINVAL; /* 0 would mean "to the end" to fcntl */
    *l = (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)start, .l_len = (off_t)len};
    return 0;
}

static int posix_lock(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    (void)ctx;
    struct flock l;
    short type = kind == CUBBY_LOCK_EXCLUSIVE ? F_WRLCK : kind == CUBBY_LOCK_SHARED ? F_RDLCK : F_UNLCK;
    int rc = lock_range(&l, start, len, type);
    if (rc)
        return rc;
    do
        rc = fcntl(f->fd, F_OFD_SETLK, &l);
    while (rc < 0 && errno == EINTR);
    return rc < 0 && errno == EACCES ? -EAGAIN : fail(rc);
}

static int posix_lock_test(void *ctx, cubby_file *f, uint64_t start, uint64_t len)
{
    (void)ctx;
    struct flock l;
    int rc = lock_range(&l, start, len, F_WRLCK);
    if (rc)
        return rc;
    if (fcntl(f->fd, F_OFD_GETLK, &l) < 0)
        return -errno;
    return l.l_type != F_UNLCK;
}

static int posix_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    (void)ctx;
    struct cubby_file *f = cubby__malloc(sizeof *f);
    if (!f)
        return -ENOMEM;
    f->writable = 0;
    atomic_init(&f->settled, 0);
    f->fd = open_dir(path, 0);
    int rc = f->fd < 0 ? f->fd : (f->fd = beyond_standard(f->fd)) < 0 ? f->fd : 0;
    while (rc == 0 && flock(f->fd, LOCK_NB | (kind == CUBBY_LOCK_EXCLUSIVE ? LOCK_EX : LOCK_SH)) < 0)
        rc = errno == EINTR ? 0 : errno == EWOULDBLOCK ? -EAGAIN : -errno;
    if (rc != 0) {
        if (f->fd >= 0)
            close(f->fd);
        cubby__free(f);
        return rc;
    }
    *out = f;
    return 0;
}

/* The kernel's pages may be larger than the 4,096 bytes that are asked for (arm64, ppc64: 16 and 64 KiB): it maps whole ones, from a multiple of them on. */
static size_t in_page(uint64_t at)
{
    return (size_t)(at % (uint64_t)sysconf(_SC_PAGESIZE));
}

static int posix_map(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out)
{
    (void)ctx;
    struct stat st;
    if (!len || off % 4096 || len % 4096 || bad_range(off, len))
        return -EINVAL;
    if (fstat(f->fd, &st) < 0)
        return -errno;
    if (off + len > (uint64_t)st.st_size)
        return -EINVAL; /* touching it would be SIGBUS */
    size_t before = in_page(off);
    char *p = mmap(NULL, before + len, f->writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, f->fd, (off_t)(off - before));
    if (p == MAP_FAILED)
        return -errno;
    *out = p + before;
    return 0;
}

static void posix_unmap(void *ctx, void *addr, size_t len)
{
    (void)ctx;
    size_t before = in_page((uintptr_t)addr);
    munmap((char *)addr - before, before + len);
}

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

/* Does what a write would do, but where that would be SIGBUS it is EFAULT. Whatever else it says (EINVAL: an older kernel) is no reason not to write. */
static int posix_ready(void *ctx, cubby_file *f, void *addr, size_t len)
{
    (void)ctx;
    if (atomic_load_explicit(&f->settled, memory_order_relaxed))
        return 0;
    size_t before = in_page((uintptr_t)addr);
    int rc = madvise((char *)addr - before, before + len, MADV_POPULATE_WRITE) == 0 ? 0 : -errno;
    if (rc == -EFAULT)
        return -ENOSPC;
    if (rc == 0 && cubby__fs_keeps_blocks(f->fd))
        atomic_store_explicit(&f->settled, 1, memory_order_relaxed);
    return 0;
}

/* ---- time and randomness ---- */

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t posix_now_ns(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_REALTIME);
}

static int64_t posix_ticks_ms(void *ctx)
{
    (void)ctx;
    return clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static void posix_sleep_ms(void *ctx, uint32_t ms)
{
    (void)ctx;
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR)
        ;
}

static int posix_random(void *ctx, void *buf, size_t n)
{
    (void)ctx;
    size_t done = 0;
    while (done < n) {
        ssize_t got = getrandom((char *)buf + done, n - done, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        done += got < 0 ? 0 : (size_t)got;
    }
    return 0;
}

const cubby_vfs *cubby_vfs_posix(void)
{
    static const cubby_vfs table = {
        .open = posix_open,
        .close = posix_close,
        .pread = posix_pread,
        .pwrite = posix_pwrite,
        .sync = posix_sync,
        .truncate = posix_truncate,
        .fstat = posix_fstat,
        .stat = posix_stat,
        .mkdir = posix_mkdir,
        .rename = posix_rename,
        .unlink = posix_unlink,
        .dirsync = posix_dirsync,
        .list = posix_list,
        .lock = posix_lock,
        .lock_test = posix_lock_test,
        .map = posix_map,
        .unmap = posix_unmap,
        .now_ns = posix_now_ns,
        .ticks_ms = posix_ticks_ms,
        .sleep_ms = posix_sleep_ms,
        .random = posix_random,
        .allocate = posix_allocate,
        .lock_dir = posix_lock_dir,
        .ready = posix_ready,
    };
    return &table;
}
