/* A store among other files and processes, on a real file system. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cubby.h"
#include "unit/unit.h"

struct place {
    char dir[64], store[96];
    cubby_store *s;
    cubby_error err;
};

static int try_open(struct place *p, unsigned flags)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    o.flags = flags;
    memset(&p->err, 0, sizeof p->err);
    return cubby_open(p->store, &o, &p->s, &p->err);
}

static void begin(struct place *p)
{
    memset(p, 0, sizeof *p);
    strcpy(p->dir, "/tmp/cubby-files.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(p->dir));
    snprintf(p->store, sizeof p->store, "%.60s/s", p->dir);
    ck_assert_int_eq(try_open(p, CUBBY_CREATE), 0);
}

static void run(const char *fmt, const char *a)
{
    char cmd[512];
    snprintf(cmd, sizeof cmd, fmt, a, a, a, a);
    ck_assert_int_eq(system(cmd), 0);
}

static void end(struct place *p)
{
    ck_assert_int_eq(cubby_close(&p->s), 0);
    run("rm -rf '%s'", p->dir);
}

static int make_folder(cubby_store *s, const char *name)
{
    cubby_txn *t;
    uint64_t id;
    int rc = cubby_txn_begin(s, 0, &t);
    if (rc)
        return rc;
    rc = cubby_folder_create(t, 0, name, strlen(name), &id);
    if (rc) {
        cubby_txn_abort(&t);
        return rc;
    }
    return cubby_txn_commit(&t, NULL);
}

static int has_folder(cubby_store *s, const char *name)
{
    cubby_snapshot *snap;
    cubby_folder f;
    ck_assert_int_eq(cubby_snapshot_begin(s, &snap), 0);
    int rc = cubby_folder_find(snap, 0, name, strlen(name), &f);
    cubby_snapshot_end(&snap);
    return rc == 0;
}

/* What a child does with the handles of its parent: 0 if all of it is refused. */
static int misuse(struct place *p, cubby_snapshot *snap, cubby_txn *txn)
{
    cubby_snapshot *another;
    cubby_txn *t;
    cubby_stat st;
    if (cubby_snapshot_begin(p->s, &another) != CUBBY_EINVAL)
        return 1;
    if (cubby_sync(p->s) != CUBBY_EINVAL || cubby_checkpoint(p->s) != CUBBY_EINVAL || cubby_store_stat(p->s, &st) != CUBBY_EINVAL)
        return 2;
    cubby_snapshot_end(&snap);
    if (txn && cubby_txn_commit(&txn, NULL) != CUBBY_EINVAL)
        return 3;
    if (cubby_txn_begin(p->s, 0, &t) != CUBBY_EINVAL)
        return 4;
    cubby_atfork_child(&p->s);
    return p->s ? 5 : 0;
}

START_TEST(a_forked_child)
{
    for (int with_txn = 0; with_txn < 2; with_txn++) {
        struct place place, *p = &place;
        cubby_snapshot *snap;
        cubby_txn *txn = NULL;
        cubby_store *second;
        uint64_t id;
        int status;
        begin(p);
        ck_assert_int_eq(cubby_snapshot_begin(p->s, &snap), 0);
        if (with_txn) {
            ck_assert_int_eq(cubby_txn_begin(p->s, 0, &txn), 0);
            ck_assert_int_eq(cubby_folder_create(txn, 0, "mine", 4, &id), 0);
        }
        pid_t pid = fork();
        if (pid == 0)
            _exit(misuse(p, snap, txn));
        ck_assert_int_eq(waitpid(pid, &status, 0), pid);
        ck_assert_int_eq(status, 0);
        cubby_atfork_child(&p->s); /* here it does nothing */
        ck_assert_ptr_nonnull(p->s);
        cubby_options o = CUBBY_OPTIONS_INIT;
        o.lock_timeout_ms = UINT32_MAX;
        ck_assert_int_eq(cubby_open(p->store, &o, &second, &p->err), 0);
        if (with_txn) { /* the writer lock is still the parent's */
            ck_assert_int_eq(make_folder(second, "other"), CUBBY_EBUSY);
            ck_assert_int_eq(cubby_txn_commit(&txn, NULL), 0);
            ck_assert_int_eq(has_folder(second, "mine"), 1);
        }
        ck_assert_int_eq(make_folder(second, "other"), 0);
        ck_assert_int_eq(make_folder(p->s, "more"), 0);
        cubby_snapshot_end(&snap);
        ck_assert_int_eq(cubby_close(&second), 0);
        end(p);
    }
}
END_TEST

/* cubby.id, a segment, the index: a FIFO, a link, a directory. Nothing waits, and the codes say what it is. */
START_TEST(files_that_are_none)
{
    static const char *const makers[] = {"mkfifo '%s'", "ln -s /etc/passwd '%s'", "mkdir '%s'"};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        struct place place, *p = &place;
        char path[160];
        begin(p);
        ck_assert_int_eq(make_folder(p->s, "here"), 0);
        ck_assert_int_eq(cubby_close(&p->s), 0);
        snprintf(path, sizeof path, "%.90s/index", p->store);
        run("rm '%s'", path);
        run(makers[i], path);
        ck_assert_int_eq(try_open(p, CUBBY_READ_ONLY), 0);
        ck_assert_int_eq(has_folder(p->s, "here"), 1);
        ck_assert_int_eq(cubby_close(&p->s), 0);
        ck_assert_int_eq(try_open(p, 0), 0); /* it is put aside */
        ck_assert_int_eq(has_folder(p->s, "here"), 1);
        ck_assert_int_eq(cubby_close(&p->s), 0);
        run("[ -f '%s' ] && [ ! -L '%s' ] && ls \"$(dirname '%s')\"/quarantine/index-* > /dev/null", path);
        snprintf(path, sizeof path, "%.90s/cubby.id", p->store);
        run("mv '%s' '%s.kept'", path);
        run(makers[i], path);
        ck_assert_int_eq(try_open(p, 0), CUBBY_ENOTSTORE);
        ck_assert_int_eq(try_open(p, CUBBY_READ_ONLY), CUBBY_ENOTSTORE);
        run("rm -r '%s'; mv '%s.kept' '%s'", path);
        snprintf(path, sizeof path, "%.90s/segments/00000001.seg", p->store);
        run("mv '%s' \"$(dirname '%s')\"/../kept", path);
        run(makers[i], path);
        ck_assert_int_eq(try_open(p, 0), CUBBY_ECORRUPT);
        ck_assert_str_ne(p->err.message, "");
        run("rm -r '%s'; mv \"$(dirname '%s')\"/../kept '%s'", path);
        ck_assert_int_eq(try_open(p, 0), 0);
        ck_assert_int_eq(has_folder(p->s, "here"), 1);
        end(p);
    }
}
END_TEST

/* Its files may be linked, as some backups do; it is one store all the same, and the copy is not open beside it. */
START_TEST(hard_links)
{
    struct place place, copy, *p = &place;
    begin(p);
    copy = *p;
    snprintf(copy.store, sizeof copy.store, "%.60s/copy", p->dir);
    run("cp -al '%s/s' '%s/copy'", p->dir);
    ck_assert_int_eq(make_folder(p->s, "here"), 0);
    ck_assert_int_eq(try_open(&copy, 0), CUBBY_EBUSY);
    ck_assert_int_eq(cubby_close(&p->s), 0);
    ck_assert_int_eq(try_open(p, 0), 0);
    ck_assert_int_eq(has_folder(p->s, "here"), 1);
    end(p);
}
END_TEST

/* A copy of a store that is open, as it is at some moment, opens, whatever its shared page says. */
START_TEST(a_copy_of_a_live_store)
{
    struct place place, copy, *p = &place;
    begin(p);
    ck_assert_int_eq(make_folder(p->s, "here"), 0);
    copy = *p;
    snprintf(copy.store, sizeof copy.store, "%.60s/copy", p->dir);
    run("cp -a '%s/s' '%s/copy'", p->dir);
    ck_assert_int_eq(make_folder(p->s, "later"), 0);
    ck_assert_int_eq(try_open(&copy, 0), 0);
    ck_assert_int_eq(has_folder(copy.s, "here"), 1);
    ck_assert_int_eq(has_folder(copy.s, "later"), 0);
    ck_assert_int_eq(make_folder(copy.s, "there"), 0);
    ck_assert_int_eq(cubby_close(&copy.s), 0);
    ck_assert_int_eq(has_folder(p->s, "there"), 0);
    end(p);
}
END_TEST

START_TEST(the_directory_is_locked)
{
    struct place place, *p = &place;
    begin(p);
    int fd = open(p->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), -1);
    ck_assert_int_eq(cubby_close(&p->s), 0);
    ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    ck_assert_int_eq(try_open(p, 0), 0);
    end(p);
}
END_TEST

/* Whoever still has it open is told so, whatever is asked. */
START_TEST(a_store_that_went)
{
    static const char *const ways[] = {"rm -r '%s'", "mv '%s' '%s.moved'"};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct place place, *p = &place;
        cubby_snapshot *snap = NULL;
        cubby_txn *txn = NULL;
        cubby_stat stat;
        begin(p);
        ck_assert_int_eq(make_folder(p->s, "here"), 0);
        ck_assert_int_eq(cubby_store_stat(p->s, &stat), 0);
        run(ways[i], p->store);
        ck_assert_int_eq(cubby_store_stat(p->s, &stat), CUBBY_ESTALE);
        cubby_last_error(p->s, &p->err);
        ck_assert_int_eq(p->err.code, CUBBY_ESTALE);
        ck_assert_int_eq(cubby_txn_begin(p->s, 0, &txn), CUBBY_ESTALE);
        if (i == 0)
            ck_assert_int_eq(cubby_snapshot_begin(p->s, &snap), CUBBY_ESTALE);
        cubby_close(&p->s);
        run("rm -rf '%s'", p->dir);
    }
}
END_TEST

static long network; /* what statfs says; below 0: nothing */

int statfs(const char *path, struct statfs *out)
{
    int rc = (int)syscall(SYS_statfs, path, out);
    if (network < 0) {
        errno = EPERM;
        return -1;
    }
    if (network)
        out->f_type = network;
    return rc;
}

/* A sandbox that does not let it ask: that is no network. */
START_TEST(nobody_says_where)
{
    struct place place, *p = &place;
    begin(p);
    ck_assert_int_eq(cubby_close(&p->s), 0);
    network = -1;
    ck_assert_msg(try_open(p, 0) == 0, "%s", p->err.message);
    network = 0;
    end(p);
}
END_TEST

/* One flag opens, makes, checks and repairs a store where without it nothing does. */
START_TEST(on_a_network)
{
    struct place place, *p = &place;
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_check_result checked;
    cubby_repair_result repaired;
    begin(p);
    ck_assert_int_eq(make_folder(p->s, "here"), 0);
    ck_assert_int_eq(cubby_close(&p->s), 0);
    network = 0x6969;
    ck_assert_int_eq(try_open(p, 0), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_check(p->store, &o, 0, NULL, NULL, &checked, &p->err), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_repair(p->store, &o, 0, NULL, NULL, NULL, &repaired, &p->err), CUBBY_EINVAL);
    for (unsigned other = 0; other < CUBBY_ON_NETWORK; other = 2 * other + !other) { /* what else is asked of an open means nothing here */
        o.flags = CUBBY_ON_NETWORK | other;
        ck_assert_msg(cubby_check(p->store, &o, CUBBY_CHECK_FULL, NULL, NULL, &checked, &p->err) == 0, "%s", p->err.message);
        ck_assert_uint_eq(checked.findings, 0);
    }
    run("printf x | dd of='%s/segments/00000001.seg' bs=1 seek=1116 conv=notrunc 2> /dev/null", p->store); /* a letter of INBOX */
    o.flags = CUBBY_ON_NETWORK;
    ck_assert_msg(cubby_repair(p->store, &o, 0, NULL, NULL, NULL, &repaired, &p->err) == 0, "%s", p->err.message);
    ck_assert_uint_gt(repaired.findings, 0);
    ck_assert_uint_eq(repaired.left, 0);
    ck_assert_int_eq(try_open(p, CUBBY_ON_NETWORK), 0);
    network = 0;
    end(p);
}
END_TEST

UNIT_MAIN("api/files", a_forked_child, files_that_are_none, hard_links, a_copy_of_a_live_store, the_directory_is_locked, a_store_that_went,
          on_a_network, nobody_says_where)
