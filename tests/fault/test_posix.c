/* test_posix.c - every scenario over the table of POSIX, on a system that reads and writes less than it is asked for, and is interrupted all the time: nobody
 * notices. Linked with --wrap for the calls that do so.
 *
 * usage: test_posix [-s SEED] [-S SCENARIO] */
#include <errno.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crash/scenario.h"
#include "sweep.h"

static uint64_t chance = 7, calls, shorter, interrupted;

static uint64_t draw(uint64_t n)
{
    chance ^= chance >> 12;
    chance ^= chance << 25;
    chance ^= chance >> 27;
    return (chance * 0x2545f4914f6cdd1du >> 11) % n;
}

/* ---- the calls ---- */

ssize_t __real_pread(int fd, void *buf, size_t n, off_t off);
ssize_t __real_pwrite(int fd, const void *buf, size_t n, off_t off);
ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t off);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t off);

static int goes_wrong(size_t *n)
{
    calls++;
    if (draw(4) == 0) {
        interrupted++;
        errno = EINTR;
        return -1;
    }
    if (*n > 1 && draw(2) == 0) {
        shorter++;
        *n = 1 + (size_t)draw(*n - 1);
    }
    return 0;
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t off)
{
    return goes_wrong(&n) ? -1 : __real_pread(fd, buf, n, off);
}

ssize_t __wrap_pwrite(int fd, const void *buf, size_t n, off_t off)
{
    return goes_wrong(&n) ? -1 : __real_pwrite(fd, buf, n, off);
}

/* ---- the table: that of POSIX, below a scratch directory, with the clock of the recorded run ---- */

static char root[200];

static const char *below(const char *path, int i)
{
    static char full[2][1024];
    snprintf(full[i], sizeof full[i], "%s%s", root, path);
    return full[i];
}

static int t_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    return cubby_vfs_posix()->open(ctx, below(path, 0), flags, out);
}

static int t_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    return cubby_vfs_posix()->stat(ctx, below(path, 0), out);
}

static int t_mkdir(void *ctx, const char *path)
{
    return cubby_vfs_posix()->mkdir(ctx, below(path, 0));
}

static int t_rename(void *ctx, const char *from, const char *to)
{
    return cubby_vfs_posix()->rename(ctx, below(from, 0), below(to, 1));
}

static int t_unlink(void *ctx, const char *path)
{
    return cubby_vfs_posix()->unlink(ctx, below(path, 0));
}

static int t_dirsync(void *ctx, const char *path)
{
    return cubby_vfs_posix()->dirsync(ctx, below(path, 0));
}

static int t_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    return cubby_vfs_posix()->list(ctx, below(path, 0), fn, arg);
}

static int t_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    return cubby_vfs_posix()->lock_dir(ctx, below(path, 0), kind, out);
}

static int64_t t_now_ns(void *ctx)
{
    static int64_t now = (int64_t)1577836800 * 1000000000; /* as the simulated disk has it */
    (void)ctx;
    return now += 1000;
}

static cubby_vfs table(void)
{
    cubby_vfs v = *cubby_vfs_posix();
    v.open = t_open;
    v.stat = t_stat;
    v.mkdir = t_mkdir;
    v.rename = t_rename;
    v.unlink = t_unlink;
    v.dirsync = t_dirsync;
    v.list = t_list;
    v.now_ns = t_now_ns;
    if (v.lock_dir)
        v.lock_dir = t_lock_dir;
    return v;
}

/* ---- scenarios ---- */

static void remove_all(void)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    if (root[0] && system(command) != 0)
        printf("# %s stays\n", root);
}

static void make_root(void)
{
    const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TEST_TMP");
    snprintf(root, sizeof root, "%s/cubby-posix.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(root))
        abort();
}

static int run(const struct scenario *sc, uint64_t seed)
{
    char why[2048] = "";
    struct oracle *o = oracle_record(sc, seed, why, sizeof why);
    cubby_vfs v = table();
    struct play p;
    snprintf(sweep_now, sizeof sweep_now, "%s", sc->name);
    alarm(60);
    int rc = o ? 0 : -1;
    if (rc == 0) {
        play_begin(&p, sc, o, &v, seed);
        play_setup(&p);
        play_run(&p);
        play_end(&p);
        rc = p.rc ? -1 : play_check(&p, &v, CHECK_FULL | CHECK_KILLED, why, sizeof why);
        if (p.rc)
            snprintf(why, sizeof why, "%s fails: %d %s %s %.1000s", p.step, p.rc, p.error.path, p.error.message, p.wrong);
    }
    oracle_free(&o);
    printf("%s - posix/%s%s%s\n", rc ? "not ok" : "ok", sc->name, rc ? ": " : "", rc ? why : "");
    if (rc)
        printf("# again: test_posix -s %" PRIu64 " -S %s\n", seed, sc->name);
    return rc != 0;
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED"), *only = NULL;
    uint64_t seed = env ? strtoull(env, NULL, 10) : 7;
    int failed = 0;
    size_t count;
    for (int c; (c = getopt(argc, argv, "s:S:")) != -1;)
        switch (c) {
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'S': only = optarg; break;
        default: return 2;
        }
    sweep_begin("posix", "test_posix");
    const struct scenario *all = scenario_table(&count);
    for (size_t i = 0; i < count; i++) {
        if (only && strcmp(only, all[i].name) != 0)
            continue;
        chance = (seed + i) * 0x9e3779b97f4a7c15u | 1;
        make_root();
        failed |= run(&all[i], seed);
        remove_all();
    }
    printf("# seed %" PRIu64 "; %" PRIu64 " reads and writes, %" PRIu64 " of them shortened, %" PRIu64 " interrupted\n", seed, calls, shorter, interrupted);
    return failed;
}
