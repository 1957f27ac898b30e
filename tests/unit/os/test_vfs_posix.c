#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit/os/vfs_suite.h"

static const cubby_vfs *suite_begin(char dir[256])
{
    const char *base = getenv("TEST_TMP");
    snprintf(dir, 256, "%s/vfs-posix.XXXXXX", base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    return cubby_vfs_posix();
}

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(name);
}

static void suite_end(void)
{
    ck_assert_int_eq(nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static int open_rc(const char *name, unsigned flags)
{
    cubby_file *f = NULL;
    int rc = vfs->open(vfs->ctx, path(name), flags, &f);
    if (!rc)
        close_it(f);
    return rc;
}

static const unsigned ways_to_open[] = {CUBBY_OPEN_READ, CUBBY_OPEN_WRITE, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE};

START_TEST(refuses_symbolic_links)
{
    begin();
    make("target", "secret");
    ck_assert_int_eq(symlink("target", path("link")), 0);
    ck_assert_int_eq(symlink("nowhere", path("dangling")), 0);
    for (size_t i = 0; i < 3; i++) {
        ck_assert_int_eq(open_rc("link", ways_to_open[i]), -EINVAL);
        ck_assert_int_eq(open_rc("dangling", ways_to_open[i]), -EINVAL);
    }
    ck_assert_int_eq(open_rc("dangling", NEW), -EEXIST);
    ck_assert_int_eq(stat_rc("nowhere"), -ENOENT); /* nothing was made through it */
    ck_assert_int_eq(stat_of("link").is_dir, -1);
    suite_end();
}
END_TEST

START_TEST(refuses_special_files)
{
    begin();
    ck_assert_int_eq(mkfifo(path("fifo"), 0600), 0);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_lt((int)strlen(path("sock")), (int)sizeof addr.sun_path);
    strcpy(addr.sun_path, path("sock"));
    ck_assert_int_eq(bind(s, (struct sockaddr *)&addr, sizeof addr), 0);
    for (size_t i = 0; i < 3; i++) { /* opening a FIFO without a peer would hang: the test's timeout tells */
        ck_assert_int_eq(open_rc("fifo", ways_to_open[i]), -EINVAL);
        ck_assert_int_eq(open_rc("sock", ways_to_open[i]), -EINVAL);
    }
    ck_assert_int_eq(stat_of("fifo").is_dir, -1);
    close(s);
    suite_end();
}
END_TEST

START_TEST(modes_whatever_the_umask)
{
    static const mode_t masks[] = {000, 022, 077, 0777};
    begin();
    for (size_t i = 0; i < sizeof masks / sizeof *masks; i++) {
        struct stat st;
        char file[32], dir[32];
        snprintf(file, sizeof file, "f%zu", i);
        snprintf(dir, sizeof dir, "d%zu", i);
        mode_t old = umask(masks[i]);
        ck_assert_int_eq(open_rc(file, NEW), 0);
        ck_assert_int_eq(vfs->mkdir(vfs->ctx, path(dir)), 0);
        umask(old);
        ck_assert_int_eq(stat(path(file), &st), 0);
        ck_assert_uint_eq(st.st_mode & 07777, 0600);
        ck_assert_int_eq(stat(path(dir), &st), 0);
        ck_assert_uint_eq(st.st_mode & 0777, 0700);
    }
    ck_assert_int_eq(chmod(path("f0"), 0640), 0); /* an existing file keeps what its owner gave it */
    ck_assert_int_eq(open_rc("f0", CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE), 0);
    struct stat st;
    ck_assert_int_eq(stat(path("f0"), &st), 0);
    ck_assert_uint_eq(st.st_mode & 07777, 0640);
    suite_end();
}
END_TEST

START_TEST(root_gives_files_to_the_owner)
{
    if (geteuid() != 0)
        return;
    begin();
    struct stat st;
    ck_assert_int_eq(chown(root, 12345, 23456), 0);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, path("d/")), 0);
    ck_assert_int_eq(open_rc("d/f", NEW), 0);
    ck_assert_int_eq(stat(path("d"), &st), 0);
    ck_assert_uint_eq(st.st_uid, 12345);
    ck_assert_uint_eq(st.st_gid, 23456);
    ck_assert_int_eq(stat(path("d/f"), &st), 0);
    ck_assert_uint_eq(st.st_uid, 12345);
    ck_assert_uint_eq(st.st_gid, 23456);
    ck_assert_int_eq(chdir(root), 0); /* a name without a slash is in the current directory */
    cubby_file *f = NULL;
    ck_assert_int_eq(vfs->open(vfs->ctx, "bare", NEW, &f), 0);
    close_it(f);
    ck_assert_int_eq(stat("bare", &st), 0);
    ck_assert_uint_eq(st.st_uid, 12345);
    ck_assert_int_eq(chdir("/"), 0);
    suite_end();
}
END_TEST

START_TEST(closes_on_exec)
{
    begin();
    cubby_file *f = open_ok("f", NEW);
    char cmd[1024];
    snprintf(cmd, sizeof cmd, "ls -l /proc/self/fd 2>/dev/null | grep -q '%s/f'", root);
    ck_assert_int_ne(system(cmd), 0);
    close_it(f);
    suite_end();
}
END_TEST

/* What is printed to a closed standard output must not land in a file of ours. */
START_TEST(stays_off_the_standard_files)
{
    begin();
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    cubby_file *f = open_ok("f", NEW);
    ck_assert_int_eq(fcntl(STDIN_FILENO, F_GETFD), -1);
    ck_assert_int_eq(fcntl(STDOUT_FILENO, F_GETFD), -1);
    put(f, "see", 0);
    close_it(f);
    suite_end();
}
END_TEST

START_TEST(map_of_a_read_only_file)
{
    begin();
    char *p = NULL;
    cubby_file *f = open_ok("f", NEW), *r = open_ok("f", CUBBY_OPEN_READ);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 4096), 0);
    put(f, "see", 0);
    ck_assert_int_eq(vfs->map(vfs->ctx, r, 0, 4096, (void **)&p), 0);
    ck_assert_mem_eq(p, "see", 3);
    vfs->unmap(vfs->ctx, p, 4096);
    close_it(r);
    close_it(f);
    suite_end();
}
END_TEST

static int set_immutable(const char *name, int on)
{
    int flags = 0, fd = open(path(name), O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 || ioctl(fd, FS_IOC_GETFLAGS, &flags);
    flags = on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    rc = rc || ioctl(fd, FS_IOC_SETFLAGS, &flags);
    close(fd);
    return rc;
}

/* A file that somebody makes immutable while it is mapped: ext4 answers the next write with SIGBUS. */
START_TEST(immutable_while_it_is_mapped)
{
    begin();
    char *p = NULL;
    cubby_vfs_stat st;
    cubby_file *f = open_ok("f", NEW);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 4096), 0);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 0, 4096, (void **)&p), 0);
    ck_assert_int_eq(vfs->ready(vfs->ctx, f, p, 4096), 0);
    *p = 1;
    ck_assert_int_eq(vfs->sync(vfs->ctx, f), 0); /* the kernel is asked again at the next write */
    if (set_immutable("f", 1) == 0) { /* only root may, and not everywhere */
        ck_assert_int_eq(vfs->fstat(vfs->ctx, f, &st), 0);
        if (vfs->ready(vfs->ctx, f, p, 4096) == 0)
            *p = 2;
        ck_assert_int_eq(set_immutable("f", 0), 0);
        ck_assert_int_eq(vfs->ready(vfs->ctx, f, p, 4096), 0);
        *p = 3;
    }
    vfs->unmap(vfs->ctx, p, 4096);
    close_it(f);
    suite_end();
}
END_TEST

/* The system writes what fits below the limit, and says so; only the next call fails. */
START_TEST(a_write_that_is_cut_short)
{
    begin();
    struct rlimit before, low;
    char bytes[8192] = "x", back[8192];
    cubby_file *f = open_ok("f", NEW);
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){5000, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &low), 0);
    int rc = vfs->pwrite(vfs->ctx, f, bytes, sizeof bytes, 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    ck_assert_int_eq(rc, -EFBIG);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, back, sizeof back, 0), 5000);
    signal(SIGXFSZ, SIG_DFL);
    close_it(f);
    suite_end();
}
END_TEST

/* From here on this process may not call statx: a sandbox made before there was one says EPERM. */
static int forbid_statx(int error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* 0: what is said without statx is what was said with it. */
static int says_the_same(const char *name, cubby_file *f, int error)
{
    cubby_vfs_stat by_name = {0}, by_file = {0}, here = {0}, open = {0};
    if (vfs->stat(vfs->ctx, path(name), &by_name) || vfs->fstat(vfs->ctx, f, &by_file))
        return 1;
    if (forbid_statx(error))
        return 77;
    if (vfs->stat(vfs->ctx, path(name), &here) || vfs->fstat(vfs->ctx, f, &open))
        return 2;
    if (vfs->stat(vfs->ctx, path("none"), &(cubby_vfs_stat){0}) != -ENOENT)
        return 3;
    return memcmp(&by_name, &here, sizeof here) || memcmp(&by_file, &open, sizeof open) ? 4 : 0;
}

START_TEST(sandboxes_without_statx)
{
    begin();
    make("f", "five!");
    cubby_file *f;
    ck_assert_int_eq(vfs->open(vfs->ctx, path("f"), CUBBY_OPEN_READ, &f), 0);
    static const int errors[] = {EPERM, ENOSYS};
    for (size_t i = 0; i < 2; i++) {
        int status = -1;
        pid_t child = fork();
        if (child == 0)
            _exit(says_the_same("f", f, errors[i]));
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert(WIFEXITED(status));
        ck_assert(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77); /* 77: no filters here */
    }
    close_it(f);
    suite_end();
}
END_TEST

UNIT_MAIN("os/vfs_posix", VFS_SUITE, sandboxes_without_statx, refuses_symbolic_links, refuses_special_files, modes_whatever_the_umask,
          root_gives_files_to_the_owner,
          closes_on_exec, stays_off_the_standard_files, map_of_a_read_only_file, immutable_while_it_is_mapped, a_write_that_is_cut_short)
