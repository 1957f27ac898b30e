/* test_die.c - every scenario by a real process on real files, which kills itself (SIGKILL) at one of its calls of the operating system; then the checks of
 * play_check, by another process. What the dead one had been told stands in memory that both share.
 *
 * usage: test_die [-k N] [-S SCENARIO [-n CALL]]   -k: about so many kills a scenario, spread over its calls (CUBBY_DIE; 6); -n: at this one */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash/scenario.h"

/* The POSIX table below a scratch directory, at a fixed time, whose caller dies at call number `kill_at`. */
static struct {
    cubby_vfs vfs;
    char dir[600];
    uint64_t calls, kill_at;
} below_dir;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KILLS = 2 };
#else
enum { KILLS = 6 };
#endif

struct shared {
    struct play play;
    uint64_t calls;
    int ended;
};

static const cubby_vfs *posix;
static uint64_t died;

static void remove_tree(const char *path)
{
    char cmd[800];
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", path);
    if (system(cmd) != 0)
        abort();
}

/* In memory if there is such a place: a kill does not care what is below. */
static void make_scratch(void)
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TEST_TMP");
    snprintf(below_dir.dir, sizeof below_dir.dir, "%s/cubby-die.XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(below_dir.dir))
        abort();
}

static void tick(void)
{
    if (++below_dir.calls == below_dir.kill_at)
        kill(getpid(), SIGKILL);
}

static const char *place(const char *path, char buf[900])
{
    tick();
    snprintf(buf, 900, "%s%s", below_dir.dir, path);
    return buf;
}

static int d_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    char buf[900];
    return posix->open(ctx, place(path, buf), flags, out);
}

static int d_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    tick();
    size_t half = below_dir.calls + 1 == below_dir.kill_at ? n / 2 : n; /* within a write, too */
    int rc = posix->pwrite(ctx, f, buf, half, off);
    if (half == n || rc != 0)
        return rc;
    tick();
    return rc;
}

static int d_sync(void *ctx, cubby_file *f)
{
    tick();
    return posix->sync(ctx, f);
}

static int d_truncate(void *ctx, cubby_file *f, uint64_t size)
{
    tick();
    return posix->truncate(ctx, f, size);
}

static int d_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    char buf[900];
    return posix->stat(ctx, place(path, buf), out);
}

static int d_mkdir(void *ctx, const char *path)
{
    char buf[900];
    return posix->mkdir(ctx, place(path, buf));
}

static int d_rename(void *ctx, const char *from, const char *to)
{
    char buf[900], buf2[900];
    snprintf(buf2, sizeof buf2, "%s%s", below_dir.dir, to);
    return posix->rename(ctx, place(from, buf), buf2);
}

static int d_unlink(void *ctx, const char *path)
{
    char buf[900];
    return posix->unlink(ctx, place(path, buf));
}

static int d_dirsync(void *ctx, const char *path)
{
    char buf[900];
    return posix->dirsync(ctx, place(path, buf));
}

static int d_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    char buf[900];
    return posix->list(ctx, place(path, buf), fn, arg);
}

static int d_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    char buf[900];
    return posix->lock_dir(ctx, place(path, buf), kind, out);
}

/* That of the simulated disk, on which the oracle was recorded: uidvalidities come from it. */
static int64_t d_now_ns(void *ctx)
{
    (void)ctx;
    return (int64_t)1577836800 * 1000000000;
}

static void make_table(void)
{
    posix = cubby_vfs_posix();
    below_dir.vfs = *posix;
    below_dir.vfs.open = d_open;
    below_dir.vfs.pwrite = d_pwrite;
    below_dir.vfs.sync = d_sync;
    below_dir.vfs.truncate = d_truncate;
    below_dir.vfs.stat = d_stat;
    below_dir.vfs.mkdir = d_mkdir;
    below_dir.vfs.rename = d_rename;
    below_dir.vfs.unlink = d_unlink;
    below_dir.vfs.dirsync = d_dirsync;
    below_dir.vfs.list = d_list;
    below_dir.vfs.now_ns = d_now_ns;
    if (posix->lock_dir)
        below_dir.vfs.lock_dir = d_lock_dir;
}

/* A process that plays, and may die. 1: it came to its end. */
static int play_and_die(const struct scenario *sc, const struct oracle *o, struct shared *sh, uint64_t kill_at)
{
    int status;
    char store[700];
    snprintf(store, sizeof store, "%s" PLAY_STORE, below_dir.dir);
    remove_tree(store);
    memset(sh, 0, sizeof *sh);
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        below_dir.calls = 0;
        below_dir.kill_at = kill_at;
        play_begin(&sh->play, sc, o, &below_dir.vfs, 7);
        play_setup(&sh->play);
        play_run(&sh->play);
        play_end(&sh->play);
        sh->calls = below_dir.calls;
        sh->ended = 1;
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        abort();
    if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGKILL : status != 0) {
        sh->ended = 1;
        snprintf(sh->play.wrong, sizeof sh->play.wrong, "it ends with status %x", (unsigned)status);
    }
    return sh->ended;
}

/* Killed at one call: 0, or -1 with the reason said. */
static int one(const struct scenario *sc, const struct oracle *o, struct shared *sh, uint64_t kill_at)
{
    char why[2500] = "";
    int ended = play_and_die(sc, o, sh, kill_at);
    struct play p = sh->play; /* of it only what is known is looked at: its pointers are those of a dead process */
    p.vfs = &below_dir.vfs;
    int rc = 0;
    died += !ended;
    if (ended && p.rc)
        snprintf(why, sizeof why, "%s: %d %s", p.step, p.rc, p.wrong);
    if (p.wrong[0] || p.rc)
        rc = -1;
    else
        rc = play_check(&p, &below_dir.vfs, CHECK_FULL | CHECK_KILLED | (p.state.made == MADE ? CHECK_QUIET : 0), why, sizeof why);
    if (rc != 0)
        printf("not ok - die/%s: killed at call %llu: %s%s\n# again: test_die -S %s -n %llu\n", sc->name, (unsigned long long)kill_at, why, p.wrong, sc->name,
               (unsigned long long)kill_at);
    return rc;
}

static int all(const struct scenario *sc, struct shared *sh, uint64_t kills, uint64_t only)
{
    char why[1500];
    struct oracle *o = oracle_record(sc, 7, why, sizeof why);
    if (!o) {
        printf("not ok - die/%s: %s\n", sc->name, why);
        return -1;
    }
    int rc = only ? 0 : one(sc, o, sh, UINT64_MAX); /* to the end: how many calls there are */
    uint64_t calls = sh->calls, n = 0, before = died, step = kills < calls ? kills : calls;
    for (uint64_t i = 0; rc == 0 && i < (only ? 1 : step); i++, n++)
        rc = one(sc, o, sh, only ? only : 1 + i * calls / step + (i * 7 + kills) % (calls / step));
    if (rc == 0 && died - before != n) {
        printf("not ok - die/%s: %llu were to die, and %llu did\n", sc->name, (unsigned long long)n, (unsigned long long)(died - before));
        rc = -1;
    }
    if (rc == 0)
        printf("ok - die/%s: killed at %llu of %llu calls\n", sc->name, (unsigned long long)n, (unsigned long long)calls);
    oracle_free(&o);
    return rc;
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_DIE"), *only = NULL;
    uint64_t kills = env ? strtoull(env, NULL, 10) : KILLS, call = 0;
    size_t count;
    const struct scenario *table = scenario_table(&count);
    int failed = 0;
    for (int c; (c = getopt(argc, argv, "k:S:n:")) != -1;) {
        switch (c) {
        case 'k': kills = strtoull(optarg, NULL, 10); break;
        case 'S': only = optarg; break;
        case 'n': call = strtoull(optarg, NULL, 10); break;
        default: return 2;
        }
    }
    struct shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sh == MAP_FAILED || !kills)
        return 2;
    make_scratch();
    make_table();
    for (size_t i = 0; i < count; i++)
        if (!only || strcmp(only, table[i].name) == 0)
            failed |= all(&table[i], sh, kills, call);
    remove_tree(below_dir.dir);
    printf("# %llu processes died\n", (unsigned long long)died);
    return failed != 0;
}
