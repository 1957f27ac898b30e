/* processes.h - for the programs about processes that share a store: the other process, messages that know what became of them, looking at all of
 * them, and each test in a process of its own. For one test program: it has state. */
#ifndef CUBBY_TESTS_PROCESSES_H
#define CUBBY_TESTS_PROCESSES_H

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "model/common.h"

enum { MESSAGES = 1 << 14, DATE = 1000000000, SKIPPED = 77, SHARED_PAGE = 8192 }; /* FORMAT.md 3 */

/* Every message that anybody tried to store, and what became of it. Its date is its number. */
enum fate { UNDER_WAY, ACKNOWLEDGED, REFUSED, UNKNOWN };

struct board {
    atomic_uint count;
    struct {
        atomic_uint fate, uid;
        atomic_int rc; /* of a refusal */
    } message[MESSAGES];
};

static struct board *board;
static const char *program_name;
static char base_dir[512], store_dir[560], index_file[600], id_file[600];

/* ---- the other process ---- */

struct peer {
    pid_t pid;
    int in, out;
};

static inline void tell(struct peer *p)
{
    CHECK(write(p->out, "x", 1) == 1, "a peer does not listen: %s", strerror(errno));
}

static inline void hear(struct peer *p)
{
    char c;
    ssize_t n = read(p->in, &c, 1);
    CHECK(n == 1, "a peer has ended");
}

static inline struct peer spawn(void (*fn)(struct peer *parent))
{
    int up[2], down[2];
    CHECK(pipe2(up, O_CLOEXEC) == 0 && pipe2(down, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    fflush(stdout);
    struct peer p = {fork(), up[0], down[1]};
    CHECK(p.pid >= 0, "fork: %s", strerror(errno));
    if (p.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(up[0]);
        close(down[1]);
        fn(&(struct peer){0, down[0], up[1]});
        _exit(0);
    }
    close(up[1]);
    close(down[0]);
    return p;
}

static inline void leave(struct peer *p)
{
    close(p->in);
    close(p->out);
}

static inline void join_peer(struct peer *p)
{
    int status;
    CHECK(waitpid(p->pid, &status, 0) == p->pid, "waitpid: %s", strerror(errno));
    CHECK(status == 0, "a peer ended with status %x", status);
    leave(p);
}

static inline void kill_peer(struct peer *p)
{
    int status;
    kill(p->pid, SIGKILL);
    CHECK(waitpid(p->pid, &status, 0) == p->pid && WIFSIGNALED(status), "a peer ended by itself");
    leave(p);
}

static inline void stop_peer(struct peer *p)
{
    int status;
    kill(p->pid, SIGSTOP);
    CHECK(waitpid(p->pid, &status, WUNTRACED) == p->pid && WIFSTOPPED(status), "a peer does not stop");
}

/* ---- storing and looking ---- */

static inline void small_options(cubby_options *o)
{
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    o->flags = CUBBY_CREATE;
    o->cache_bytes = 65536;
    o->segment_bytes = 16384;
    o->checkpoint_bytes = 4096;
    o->lock_timeout_ms = 30000;
}

static inline cubby_store *open_here(void)
{
    cubby_options o;
    small_options(&o);
    return open_store(store_dir, &o);
}

static inline uint64_t inbox_of(cubby_store *s, cubby_snapshot *snap)
{
    cubby_folder f;
    MUST(s, cubby_folder_find(snap, CUBBY_ROOT, "INBOX", 5, &f));
    return f.id;
}

/* Steps of a transaction that may fail; what was begun is ended. */
static inline int add_in(cubby_store *s, cubby_txn *txn, cubby_message *m, unsigned number)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    cubby_folder f;
    uint32_t uid;
    o.has_date = 1;
    o.internaldate = DATE + number;
    int rc = cubby_folder_find(cubby_txn_snapshot(txn), CUBBY_ROOT, "INBOX", 5, &f);
    CHECK(rc != CUBBY_DONE, "there is no INBOX");
    if (rc == 0)
        rc = cubby_add(txn, f.id, m, &o, &uid);
    if (rc == 0)
        atomic_store(&board->message[number].uid, uid);
    (void)s;
    return rc;
}

/* Stores one message; the code of what failed. */
static inline int store_one(cubby_store *s)
{
    struct mail mail = {0};
    unsigned number = atomic_fetch_add(&board->count, 1);
    cubby_message *m = NULL;
    cubby_txn *txn = NULL;
    CHECK(number < MESSAGES, "too many messages");
    make_mail(number, 0, &mail);
    int rc = cubby_message_new(s, &m);
    if (rc == 0)
        rc = cubby_message_write(m, mail.data, mail.len);
    if (rc == 0)
        rc = cubby_message_finish(m);
    if (rc == 0)
        rc = cubby_txn_begin(s, 0, &txn);
    if (rc == 0)
        rc = add_in(s, txn, m, number);
    if (rc == 0)
        rc = cubby_txn_commit(&txn, NULL);
    else
        cubby_txn_abort(&txn);
    atomic_store(&board->message[number].rc, rc);
    atomic_store(&board->message[number].fate, rc == 0 ? ACKNOWLEDGED : rc == CUBBY_EUNKNOWN ? UNKNOWN : REFUSED);
    cubby_message_free(&m);
    free(mail.data);
    return rc;
}

static inline void must_store(cubby_store *s, int n)
{
    for (int i = 0; i < n; i++)
        MUST(s, store_one(s));
}

/* A message that is there: is it the one that it says it is? The code of what failed. */
static inline int look_at(cubby_snapshot *snap, uint64_t inbox, uint32_t uid, unsigned number)
{
    char buf[1 << 15];
    struct mail mail = {0};
    cubby_reader *r;
    size_t got = 0;
    unsigned fate = atomic_load(&board->message[number].fate);
    CHECK(fate != REFUSED, "uid %u: message %u was refused (%d) and is there", uid, number, atomic_load(&board->message[number].rc));
    CHECK(uid == atomic_load(&board->message[number].uid), "message %u has uid %u, it was given %u", number, uid, atomic_load(&board->message[number].uid));
    make_mail(number, 0, &mail);
    int rc = cubby_reader_open(snap, inbox, uid, &r);
    if (rc == 0) {
        rc = cubby_reader_read(r, 0, buf, sizeof buf, &got);
        CHECK(rc != 0 || (got == mail.len && (got == 0 || memcmp(buf, mail.data, got) == 0)), "message %u, uid %u: other bytes", number, uid);
        cubby_reader_close(&r);
    }
    free(mail.data);
    return rc;
}

static inline int look_at_all(cubby_snapshot *snap, uint8_t *seen)
{
    cubby_folder f;
    cubby_scan *scan;
    const cubby_row *row;
    uint64_t rows = 0;
    int rc = cubby_folder_find(snap, CUBBY_ROOT, "INBOX", 5, &f);
    CHECK(rc != CUBBY_DONE, "there is no INBOX");
    if (rc != 0 || (rc = cubby_scan_open(snap, f.id, NULL, &scan)) != 0)
        return rc;
    while ((rc = cubby_scan_next(scan, &row)) == 0) {
        int64_t number = row->internaldate - DATE;
        CHECK(number >= 0 && number < (int64_t)atomic_load(&board->count) && !seen[number], "uid %u has date %" PRId64, row->uid, row->internaldate);
        seen[number] = 1;
        rows++;
        if ((rc = look_at(snap, f.id, row->uid, (unsigned)number)) != 0)
            break;
    }
    cubby_scan_close(&scan);
    CHECK(rc != CUBBY_DONE || rows == f.messages, "%" PRIu64 " rows, the folder says %" PRIu64, rows, f.messages);
    return rc == CUBBY_DONE ? 0 : rc;
}

/* Looks at everything: right, or the code of what failed. */
static inline int look(cubby_store *s)
{
    static _Thread_local uint8_t seen[MESSAGES], due[MESSAGES];
    cubby_snapshot *snap;
    for (unsigned i = 0; i < MESSAGES; i++)
        due[i] = atomic_load(&board->message[i].fate) == ACKNOWLEDGED;
    int rc = cubby_snapshot_begin(s, &snap);
    if (rc != 0)
        return rc;
    memset(seen, 0, sizeof seen);
    rc = look_at_all(snap, seen);
    cubby_snapshot_end(&snap);
    for (unsigned i = 0; rc == 0 && i < MESSAGES; i++)
        CHECK(seen[i] || !due[i], "message %u was acknowledged and is not there", i);
    return rc;
}

static inline void must_look(cubby_store *s)
{
    MUST(s, look(s));
}

/* All is closed: everything is there, the check finds nothing, the index adds nothing to the segments. */
static inline void check_all(void)
{
    struct text before = {0}, after = {0};
    cubby_store *s = open_here();
    must_look(s);
    dump_store(s, &before);
    close_store(&s);
    check_store(store_dir, CUBBY_CHECK_FULL, "at the end");
    unlink(index_file);
    s = open_here();
    dump_store(s, &after);
    must_equal(&before, &after, "without the index");
    must_store(s, 1);
    close_store(&s);
    text_free(&before);
    text_free(&after);
}

static inline uint64_t shared_word(int off)
{
    uint64_t v = 0;
    int fd = open(id_file, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && pread(fd, &v, sizeof v, SHARED_PAGE + off) == (ssize_t)sizeof v, "%s: %s", id_file, strerror(errno));
    close(fd);
    return v;
}

/* A command that must succeed. */
#define shell(...) CHECK(run_shell(__VA_ARGS__) == 0, __VA_ARGS__)

static inline int is_refusal(int rc)
{
    return rc == CUBBY_ECORRUPT || rc == CUBBY_ESTALE || rc == CUBBY_EIO || rc == CUBBY_ENOENT || rc == CUBBY_ELATCHED;
}

/* While another handle has the lock: EBUSY after the time that was asked for; readers do not notice. */
static inline void must_be_busy(void)
{
    cubby_options o;
    small_options(&o);
    for (int i = 0; i < 2; i++) {
        cubby_txn *txn;
        o.lock_timeout_ms = i ? UINT32_MAX : 150;
        cubby_store *s = open_store(store_dir, &o);
        double began = seconds();
        int rc = cubby_txn_begin(s, 0, &txn);
        double took = seconds() - began;
        CHECK(rc == CUBBY_EBUSY, "beside a writer that is stopped: %d", rc);
        CHECK(i || took >= 0.149, "it gave up after %.3f s", took);
        CHECK(took < 5, "it took %.3f s to give up", took);
        began = seconds();
        must_look(s);
        CHECK(seconds() - began < 5, "a reader waits for a writer");
        close_store(&s);
    }
}

/* ---- one after the other ---- */

struct test {
    const char *name;
    void (*run)(void);
};

/* Each in a process of its own, so that none is hindered by threads or limits of another. */
static inline int run_test(const struct test *t)
{
    int status;
    memset(board, 0, sizeof *board);
    snprintf(store_dir, sizeof store_dir, "%s/store", base_dir);
    snprintf(index_file, sizeof index_file, "%s/index", store_dir);
    snprintf(id_file, sizeof id_file, "%s/cubby.id", store_dir);
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        alarm(120);
        t->run();
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
    if (status == 0)
        printf("ok - %s: %s\n", program_name, t->name);
    else if (!WIFEXITED(status) || (WEXITSTATUS(status) != SKIPPED && WEXITSTATUS(status) != 1))
        printf("not ok - %s: %s: status %x\n", program_name, t->name, status);
    if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED)) {
        printf("# again with: test_%s '%s'; the store is below %s\n", program_name, t->name, base_dir);
        return 1;
    }
    shell("rm -rf '%s'/*", base_dir);
    return 0;
}

/* All, or those whose name begins like an argument. */
static inline int run_tests(const char *program, const struct test *tests, size_t n, int argc, char **argv)
{
    program_name = program;
    snprintf(base_dir, sizeof base_dir, "%s", scratch_dir(program));
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(board != MAP_FAILED, "mmap: %s", strerror(errno));
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < n; i++) {
        int chosen = argc < 2;
        for (int a = 1; a < argc; a++)
            chosen |= strncmp(tests[i].name, argv[a], strlen(argv[a])) == 0;
        if (chosen && run_test(&tests[i]) != 0)
            return 1;
    }
    remove_tree(base_dir);
    return 0;
}

#endif
