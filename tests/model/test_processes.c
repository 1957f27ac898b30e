/* test_processes.c - processes that share a store: forks, containers, two handles in one process, snapshots that are too old, slots.
 *
 * test_processes [TEST...]: those whose name begins like that. */
#include <sched.h>
#include <sys/resource.h>

#include "model/processes.h"

/* ---- fork ---- */

static int run_child(const char *const *argv)
{
    int status;
    pid_t pid = fork();
    CHECK(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        if (argv)
            execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(argv ? 127 : 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid, "waitpid: %s", strerror(errno));
    return status;
}

static void must_stay_locked(struct peer *parent)
{
    for (int i = 0; i < 2; i++) {
        hear(parent);
        must_be_busy();
        tell(parent);
    }
}

static void killed_with_child(struct peer *parent)
{
    cubby_store *s = open_here();
    cubby_txn *txn;
    MUST(s, cubby_txn_begin(s, 0, &txn));
    if (fork() == 0) {
        execl("/bin/sleep", "sleep", "3", (char *)NULL);
        _exit(127);
    }
    usleep(100000);
    tell(parent);
    for (;;)
        pause();
}

/* A child that ends or execs takes nothing with it, and keeps nothing. */
static void forked(void)
{
    struct peer p = spawn(must_stay_locked);
    cubby_store *s = open_here();
    cubby_txn *txn;
    cubby_message *m;
    unsigned number = atomic_fetch_add(&board->count, 1);
    static const char *const names[] = {"/bin/sh", "-c", "! ls -l /proc/self/fd | grep -q 'cubby.id\\|segments\\|index'", NULL};
    must_store(s, 10);
    MUST(s, cubby_message_new(s, &m));
    MUST(s, cubby_message_write(m, "\r\n", 2));
    MUST(s, cubby_message_finish(m));
    MUST(s, cubby_txn_begin(s, 0, &txn));
    CHECK(run_child(NULL) == 0, "a child that ends");
    tell(&p);
    hear(&p);
    CHECK(run_child(names) == 0, "a child that execs inherits files of the store");
    tell(&p);
    hear(&p);
    join_peer(&p);
    struct mail mail = {0};
    make_mail(number, 0, &mail);
    cubby_message_reset(m);
    MUST(s, cubby_message_write(m, mail.data, mail.len));
    MUST(s, cubby_message_finish(m));
    MUST(s, add_in(s, txn, m, number));
    MUST(s, cubby_txn_commit(&txn, NULL));
    atomic_store(&board->message[number].fate, ACKNOWLEDGED);
    free(mail.data);
    cubby_message_free(&m);
    p = spawn(killed_with_child);
    hear(&p);
    kill_peer(&p);
    double began = seconds();
    must_store(s, 1);
    CHECK(seconds() - began < 2.5, "what a dead process started holds the lock");
    must_look(s);
    close_store(&s);
    check_all();
}

/* ---- containers ---- */

static void contained(struct peer *parent)
{
    if (unshare(CLONE_NEWPID) != 0)
        _exit(SKIPPED);
    fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        _exit(SKIPPED);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        CHECK(getpid() == 1, "in a pid space of its own the first process is %ld", (long)getpid());
        cubby_store *s = open_here();
        tell(parent);
        hear(parent);
        for (int i = 0; i < 60; i++) {
            must_store(s, 1);
            if (i % 8 == 0)
                must_look(s);
        }
        close_store(&s);
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    _exit(status ? 1 : 0);
}

static void containers(void)
{
    struct peer p[2];
    int status;
    char c;
    for (int i = 0; i < 2; i++)
        p[i] = spawn(contained);
    for (int i = 0; i < 2; i++)
        if (read(p[i].in, &c, 1) != 1) {
            waitpid(p[i].pid, &status, 0);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED, "a container ended with status %x", status);
                printf("skip - processes: two pid spaces: not permitted here\n");
            fflush(stdout);
            _exit(SKIPPED);
        }
    for (int i = 0; i < 2; i++)
        tell(&p[i]);
    for (int i = 0; i < 2; i++)
        join_peer(&p[i]);
    CHECK(atomic_load(&board->count) == 120, "%u messages", atomic_load(&board->count));
    check_all();
}

/* ---- two handles ---- */

static void *write_thread(void *s)
{
    must_store(s, 60);
    return NULL;
}

static void *read_thread(void *s)
{
    for (int i = 0; i < 30; i++)
        must_look(s);
    return NULL;
}

static void wait_for_close(struct peer *parent)
{
    hear(parent);
    must_be_busy();
    tell(parent);
}

static void two_handles(void)
{
    struct peer p = spawn(wait_for_close);
    cubby_store *s[2] = {open_here(), open_here()};
    pthread_t thread[6];
    cubby_txn *txn;
    for (int i = 0; i < 6; i++)
        CHECK(pthread_create(&thread[i], NULL, i < 4 ? write_thread : read_thread, s[i % 2]) == 0, "pthread_create");
    for (int i = 0; i < 6; i++)
        pthread_join(thread[i], NULL);
    must_store(s[0], 1);
    must_look(s[1]);
    MUST(s[1], cubby_txn_begin(s[1], 0, &txn));
    must_be_busy();
    close_store(&s[0]); /* one of several opens of a file: the locks of the others stay */
    must_be_busy();
    tell(&p);
    hear(&p);
    join_peer(&p);
    cubby_txn_abort(&txn);
    must_store(s[1], 1);
    must_look(s[1]);
    close_store(&s[1]);
    check_all();
}

/* ---- snapshots that are revoked ---- */

enum { CHURNED = SANITIZED ? 20 << 20 : 40 << 20 };

/* All rows as a number; the code of what failed. */
static int sum_rows(cubby_snapshot *snap, uint64_t *sum)
{
    cubby_folder f;
    cubby_scan *scan;
    const cubby_row *row;
    *sum = cubby_snapshot_modseq(snap);
    int rc = cubby_folder_find(snap, CUBBY_ROOT, "INBOX", 5, &f);
    CHECK(rc != CUBBY_DONE, "there is no INBOX");
    if (rc != 0 || (rc = cubby_scan_open(snap, f.id, NULL, &scan)) != 0)
        return rc;
    while ((rc = cubby_scan_next(scan, &row)) == 0)
        *sum = next_random(&(uint64_t){*sum ^ row->uid ^ row->modseq << 24 ^ (uint64_t)row->flags << 56});
    cubby_scan_close(&scan);
    return rc == CUBBY_DONE ? 0 : rc;
}

static void holds_snapshot(struct peer *parent)
{
    cubby_store *s = open_here();
    cubby_snapshot *snap, *young;
    cubby_scan *scan;
    const cubby_row *row;
    uint64_t before, now;
    int stale = 0;
    MUST(s, cubby_snapshot_begin(s, &snap));
    MUST(s, sum_rows(snap, &before));
    MUST(s, cubby_scan_open(snap, inbox_of(s, snap), NULL, &scan));
    MUST(s, cubby_scan_next(scan, &row));
    uint32_t uid = row->uid;
    tell(parent);
    hear(parent); /* stopped meanwhile */
    for (int rc; (rc = cubby_scan_next(scan, &row)) != CUBBY_DONE && !stale; uid = row ? row->uid : 0) {
        CHECK(rc == 0 || rc == CUBBY_ESTALE, "a scan that was revoked: %d", rc);
        stale |= rc == CUBBY_ESTALE;
        CHECK(rc != 0 || row->uid > uid, "uid %u after %u", row->uid, uid);
    }
    cubby_scan_close(&scan);
    for (int i = 0; i < 3; i++) {
        int rc = sum_rows(snap, &now);
        CHECK(rc == CUBBY_ESTALE || (rc == 0 && now == before), "an old snapshot: %d, or other rows", rc);
        CHECK(rc != 0 || !stale, "a revoked snapshot comes back");
        stale |= rc == CUBBY_ESTALE;
    }
    MUST(s, cubby_snapshot_begin(s, &young));
    MUST(s, sum_rows(young, &now));
    CHECK(cubby_snapshot_modseq(young) > cubby_snapshot_modseq(snap), "a new snapshot is old");
    cubby_snapshot_end(&young);
    cubby_snapshot_end(&snap);
    must_look(s);
    close_store(&s);
    _exit(stale ? 1 : 0);
}

/* Writes index pages until so many bytes of them were written. */
static uint64_t write_pages(cubby_store *s, uint64_t bytes)
{
    cubby_stat st;
    uint64_t first;
    uint32_t flags = 0;
    cubby_uidset *set;
    MUST(s, cubby_uidset_parse("1:*", 1 << 20, &set));
    MUST(s, cubby_store_stat(s, &st));
    first = st.pages_written;
    do {
        for (int i = 0; i < 20; i++) {
            cubby_txn *txn;
            MUST(s, cubby_txn_begin(s, 0, &txn));
            MUST(s, cubby_flag(txn, inbox_of(s, cubby_txn_snapshot(txn)), set, CUBBY_FLAGS_REPLACE, ++flags % 32, NULL, 0, NULL));
            MUST(s, cubby_txn_commit(&txn, NULL));
        }
        MUST(s, cubby_store_stat(s, &st));
    } while ((st.pages_written - first) * 4096 < bytes);
    cubby_uidset_free(&set);
    return st.index_bytes;
}

/* A reader that is stopped with a snapshot in its hand does not make the index grow for ever; it gets ESTALE or what it had. Without a limit it does. */
static void revoked(void)
{
    for (int limited = 0; limited < 2; limited++) {
        cubby_options o;
        int status;
        small_options(&o);
        o.snapshot_max_ms = limited ? 100 : UINT32_MAX;
        cubby_store *s = open_store(store_dir, &o);
        must_store(s, 150);
        struct peer p = spawn(holds_snapshot);
        hear(&p);
        stop_peer(&p);
        write_pages(s, CHURNED / 2);
        usleep(250000); /* old enough, whenever a writer looked last */
        uint64_t before = write_pages(s, CHURNED / 8), bytes = write_pages(s, CHURNED);
        /* The limit is one of time: what is written meanwhile stays. */
        CHECK(limited ? bytes < before + CHURNED / 4 * 3 : bytes > CHURNED, "the index grew from %" PRIu64 " to %" PRIu64 " bytes, %s a limit", before, bytes,
              limited ? "with" : "without");
        tell(&p);
        kill(p.pid, SIGCONT);
        CHECK(waitpid(p.pid, &status, 0) == p.pid && WIFEXITED(status) && WEXITSTATUS(status) == limited, "the reader ended with %x", status);
        leave(&p);
        must_look(s);
        close_store(&s);
        check_all();
        remove_tree(store_dir);
        memset(board, 0, sizeof *board);
    }
}

/* ---- slots ---- */

enum { SLOTS = 448, CROWD = 125, COMERS = SANITIZED ? 500 : 2000 };

/* Many readers in one process, each with a snapshot. */
static void many_readers(struct peer *parent)
{
    static cubby_store *s[CROWD];
    static cubby_snapshot *snap[CROWD];
    struct rlimit r;
    getrlimit(RLIMIT_NOFILE, &r);
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    for (int i = 0; i < CROWD; i++) {
        s[i] = open_here();
        MUST(s[i], cubby_snapshot_begin(s[i], &snap[i]));
    }
    tell(parent);
    for (;;)
        pause();
}

/* 2,000 come and are killed with their snapshots; the next has a slot, and pages are used again. */
static void killed_readers(void)
{
    cubby_stat before, after;
    cubby_store *s = open_here();
    must_store(s, 30);
    MUST(s, cubby_store_stat(s, &before));
    for (int i = 0; i < COMERS / CROWD; i++) {
        struct peer p = spawn(many_readers);
        hear(&p);
        kill_peer(&p);
        must_store(s, 2);
    }
    must_look(s);
    must_store(s, 100);
    MUST(s, cubby_store_stat(s, &after));
    CHECK(after.index_bytes < before.index_bytes + (1u << 20), "the index grew from %" PRIu64 " to %" PRIu64 " bytes", before.index_bytes, after.index_bytes);
    close_store(&s);
    check_all();
}

static void no_slots_left(void)
{
    struct peer p[SLOTS / CROWD];
    static cubby_store *s[SLOTS];
    cubby_store *more = NULL;
    cubby_error e = {0};
    cubby_options o;
    int n = 0, rc = 0;
    small_options(&o);
    for (int i = 0; i < SLOTS / CROWD; i++) {
        p[i] = spawn(many_readers);
        hear(&p[i]);
    }
    while (n < SLOTS && (rc = cubby_open(store_dir, &o, &s[n], &e)) == 0)
        n++;
    CHECK(rc == CUBBY_EBUSY && n == SLOTS % CROWD, "after %d more readers: %d (%s)", n, rc, e.message);
    must_store(s[0], 3);
    must_look(s[1]);
    o.flags = CUBBY_READ_ONLY; /* works on what it finds */
    rc = cubby_open(store_dir, &o, &more, &e);
    CHECK(rc == 0, "a reader without a slot: %d (%s)", rc, e.message);
    rc = look(more);
    CHECK(rc == 0 || is_refusal(rc), "a reader without a slot: %d", rc);
    cubby_close(&more);
    kill_peer(&p[0]);
    o.flags = 0;
    more = open_store(store_dir, &o);
    must_store(more, 1);
    close_store(&more);
    while (n > 0)
        close_store(&s[--n]);
    for (int i = 1; i < SLOTS / CROWD; i++)
        kill_peer(&p[i]);
    check_all();
}

/* ---- one after the other ---- */

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"fork", forked},
        {"two pid spaces", containers},
        {"two handles in one process", two_handles},
        {"snapshots that are too old", revoked},
        {"killed readers leave their slots", killed_readers},
        {"no slots left", no_slots_left},
    };
    return run_tests("processes", tests, sizeof tests / sizeof *tests, argc, argv);
}
