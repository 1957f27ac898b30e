/* test_failures.c - several processes, and the disk fails one of them, or it is stopped, or it has no memory and no descriptors left: what it is told is
 * true, the others read right rows, take over, and miss nothing that was acknowledged.
 *
 * test_failures [TEST...]: those whose name begins like that. */
#include <sys/resource.h>

#include "model/processes.h"

/* ---- a sync that fails ---- */

static atomic_int sync_fails, sync_stops, sync_waits, append_fails, stat_waits, waiting;

/* Until the switch is off; who waits is counted. */
static void wait_while(atomic_int *on)
{
    int counted = atomic_load(on) != 0;
    atomic_fetch_add(&waiting, counted);
    while (atomic_load(on))
        usleep(500);
    atomic_fetch_sub(&waiting, counted);
}

static void until_waiting(int n)
{
    for (int i = 0; atomic_load(&waiting) < n; i++, usleep(1000))
        CHECK(i < 20000, "nobody comes to wait");
}

static int tricky_sync(void *ctx, cubby_file *f)
{
    if (atomic_exchange(&sync_stops, 0))
        raise(SIGSTOP);
    wait_while(&sync_waits);
    if (atomic_load(&sync_fails))
        return -EIO;
    return cubby_vfs_posix()->sync(ctx, f);
}

/* Index pages are whole pages, appends to the log are not; and they are not all zeros. */
static int tricky_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    const char *p = buf;
    int is_append = n % 4096 && (*p || memcmp(p, p + 1, n - 1) != 0);
    return is_append && atomic_exchange(&append_fails, 0) ? -EIO : cubby_vfs_posix()->pwrite(ctx, f, buf, n, off);
}

static int tricky_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    wait_while(&stat_waits);
    return cubby_vfs_posix()->stat(ctx, path, out);
}

static cubby_store *open_tricky(void)
{
    static cubby_vfs vfs;
    cubby_options o;
    vfs = *cubby_vfs_posix();
    vfs.sync = tricky_sync;
    vfs.pwrite = tricky_pwrite;
    vfs.stat = tricky_stat;
    small_options(&o);
    o.vfs = &vfs;
    o.segment_bytes = 0; /* a roll would meet the failure first, and undo what it interrupts */
    return open_store(store_dir, &o);
}

static void failing_peer(struct peer *parent)
{
    cubby_store *s = open_tricky();
    for (int round = 0; round < 6; round++) {
        hear(parent);
        must_store(s, 2);
        atomic_store(&sync_fails, 1);
        int rc = store_one(s);
        CHECK(rc == CUBBY_EUNKNOWN, "a commit whose sync failed: %d", rc);
        CHECK(shared_word(16) != 0, "the log is not latched");
        if (round % 3 == 1) { /* it tries again, and cannot recover either */
            rc = store_one(s);
            CHECK(rc < 0 && rc != CUBBY_EUNKNOWN, "a transaction on a disk that does not sync: %d", rc);
        }
        if (round % 3 != 2)
            atomic_store(&sync_fails, 0);
        must_look(s);
        tell(parent);
        hear(parent); /* it has recovered, or leaves that to us */
        atomic_store(&sync_fails, 0);
        must_store(s, 1);
        CHECK(shared_word(16) == 0, "the latch stays");
        must_look(s);
        tell(parent);
    }
    close_store(&s);
}

static void failed_sync(void)
{
    cubby_store *s = open_here();
    must_store(s, 3);
    struct peer p = spawn(failing_peer);
    for (int round = 0; round < 6; round++) {
        tell(&p);
        hear(&p);
        must_look(s);
        if (round < 3) {
            must_store(s, 2);
            CHECK(shared_word(16) == 0, "the next writer does not recover");
            must_look(s);
        }
        tell(&p);
        hear(&p);
        must_look(s);
        must_store(s, 1);
    }
    join_peer(&p);
    close_store(&s);
    check_all();
}

static void *store_late(void *s)
{
    return (void *)(intptr_t)store_one(s);
}

static int join_late(pthread_t thread)
{
    void *rc;
    pthread_join(thread, &rc);
    return (int)(intptr_t)rc;
}

/* A transaction begins while the sync of another thread is under way, and looks at the store when that has failed. What it would go on from is not
 * there: it is refused, and the next one does not go on from it either. */
static void latched_within_begin(void)
{
    pthread_t first, second;
    cubby_store *s = open_tricky();
    must_store(s, 2);
    for (int i = 0; i < 3; i++) {
        atomic_store(&sync_waits, 1);
        CHECK(pthread_create(&first, NULL, store_late, s) == 0, "pthread_create");
        until_waiting(1); /* in its sync */
        atomic_store(&stat_waits, 1);
        CHECK(pthread_create(&second, NULL, store_late, s) == 0, "pthread_create");
        until_waiting(2); /* in its begin */
        atomic_store(&sync_fails, 1);
        atomic_store(&sync_waits, 0);
        for (int n = 0; shared_word(16) == 0; n++, usleep(1000))
            CHECK(n < 10000, "the log is not latched");
        atomic_store(&sync_fails, 0);
        atomic_store(&stat_waits, 0);
        int rc = join_late(first);
        CHECK(rc == CUBBY_EUNKNOWN, "a commit whose sync failed: %d", rc);
        rc = join_late(second);
        CHECK(rc == CUBBY_ELATCHED || rc == 0, "beside it: %d", rc);
        must_look(s);
        must_store(s, 2);
        must_look(s);
    }
    close_store(&s);
    check_all();
}

static void append_fails_once(struct peer *parent)
{
    cubby_store *s = open_tricky();
    must_store(s, 3);
    for (int i = 0; i < 3; i++) {
        cubby_message *m;
        cubby_txn *txn;
        MUST(s, cubby_message_new(s, &m));
        MUST(s, cubby_txn_begin(s, 0, &txn));
        for (int k = 0; k < 8; k++) { /* more numbers than the next one takes */
            char text[40];
            unsigned number = atomic_fetch_add(&board->count, 1);
            atomic_store(&board->message[number].fate, REFUSED);
            snprintf(text, sizeof text, "Subject: %u\r\n\r\n%u\r\n", number, number);
            cubby_message_reset(m);
            MUST(s, cubby_message_write(m, text, strlen(text)));
            MUST(s, cubby_message_finish(m));
            MUST(s, add_in(s, txn, m, number));
        }
        atomic_store(&append_fails, 1);
        int rc = cubby_txn_commit(&txn, NULL);
        cubby_message_free(&m);
        CHECK(rc == CUBBY_EIO, "a commit that could not be appended: %d", rc);
        must_store(s, 1);
    }
    MUST(s, cubby_checkpoint(s));
    tell(parent);
    for (;;)
        pause();
}

/* The segment that cut it off says more numbers used than the index does: the next transaction finds one that is free. */
static void failed_append(void)
{
    struct peer p = spawn(append_fails_once);
    hear(&p);
    kill_peer(&p);
    cubby_store *s = open_here();
    must_look(s);
    must_store(s, 2);
    must_look(s);
    close_store(&s);
    check_all();
}

/* ---- failures and kills at random ---- */

static atomic_uint_fast64_t trouble; /* counts calls; every so many-th fails, by chance */
static unsigned sync_odds, write_odds;
static atomic_int stop;

static int strikes(unsigned odds)
{
    return odds && next_random(&(uint64_t){atomic_fetch_add(&trouble, 1)}) % odds == 0;
}

static int frail_sync(void *ctx, cubby_file *f)
{
    return strikes(sync_odds) ? -EIO : cubby_vfs_posix()->sync(ctx, f);
}

static int frail_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    if (!strikes(write_odds))
        return cubby_vfs_posix()->pwrite(ctx, f, buf, n, off);
    cubby_vfs_posix()->pwrite(ctx, f, buf, n / 2, off); /* a part of it */
    return n % 2 ? -EIO : -ENOSPC;
}

static void *frail_writer(void *s)
{
    while (!atomic_load(&stop)) {
        int rc = store_one(s);
        CHECK(rc == 0 || rc == CUBBY_EIO || rc == CUBBY_ENOSPC || rc == CUBBY_EUNKNOWN || rc == CUBBY_ELATCHED, "a failing disk: %d", rc);
        rc = look(s);
        CHECK(rc == 0 || rc == CUBBY_EIO || rc == CUBBY_ENOSPC || rc == CUBBY_ELATCHED, "reading beside a failing disk: %d", rc);
    }
    return NULL;
}

/* Opens, writes with two threads for a while, closes; until it is killed. */
static void frail_peer(struct peer *parent)
{
    cubby_vfs vfs = *cubby_vfs_posix();
    cubby_options o;
    pthread_t thread[2];
    small_options(&o);
    vfs.sync = frail_sync;
    vfs.pwrite = frail_pwrite;
    o.vfs = &vfs;
    o.flags = 0;
    atomic_store(&trouble, (uint64_t)getpid() << 32);
    tell(parent);
    for (int n = 0;; n++) {
        cubby_store *s = NULL;
        cubby_error e = {0};
        sync_odds = n % 3 ? 15 : 0;
        write_odds = n % 3 == 1 ? 40 : 0;
        int rc = cubby_open(store_dir, &o, &s, &e);
        CHECK(rc == 0 || rc == CUBBY_EIO || rc == CUBBY_ENOSPC, "opening on a failing disk: %d (%s: %s)", rc, e.path, e.message);
        if (rc != 0)
            continue;
        atomic_store(&stop, 0);
        for (int i = 0; i < 2; i++)
            CHECK(pthread_create(&thread[i], NULL, frail_writer, s) == 0, "pthread_create");
        usleep(20000 + 7000 * (unsigned)(n % 5));
        atomic_store(&stop, 1);
        for (int i = 0; i < 2; i++)
            pthread_join(thread[i], NULL);
        cubby_close(&s);
    }
}

static unsigned count_of(unsigned fate)
{
    unsigned n = 0;
    for (unsigned i = 0; i < atomic_load(&board->count); i++)
        n += atomic_load(&board->message[i].fate) == fate;
    return n;
}

/* Now and then all are gone, and who comes next finds what they left; or they come all at once. Until every end was met. */
static void at_random(void)
{
    struct peer p[4];
    uint64_t rng = 1;
    unsigned n = sizeof p / sizeof *p, acknowledged = 0, refused = 0, unknown = 0;
    double start = seconds();
    close_store(&(cubby_store *){open_here()});
    while (seconds() < start + 1.5 || (seconds() < start + 30 && (acknowledged <= 20 || !refused || !unknown))) {
        for (unsigned i = 0; i < n; i++)
            p[i] = spawn(frail_peer);
        for (unsigned i = 0; i < n; i++)
            hear(&p[i]);
        for (unsigned i = 0; i < 20; i++) {
            unsigned k = (unsigned)below(&rng, n);
            usleep((useconds_t)below(&rng, 20000));
            kill_peer(&p[k]);
            p[k] = spawn(frail_peer);
        }
        for (unsigned i = 0; i < n; i++)
            kill_peer(&p[i]);
        cubby_store *s = open_here();
        must_look(s);
        must_store(s, 1);
        close_store(&s);
        acknowledged = count_of(ACKNOWLEDGED);
        refused = count_of(REFUSED);
        unknown = count_of(UNKNOWN);
    }
    check_all();
    printf("# %u messages acknowledged, %u refused, %u unknown\n", acknowledged, refused, unknown);
    CHECK(acknowledged > 20 && refused && unknown, "too few");
}

/* ---- a commit that changes nothing ---- */

static int flag_first(cubby_store *s, uint64_t *modseq)
{
    cubby_txn *txn;
    cubby_uidset *set;
    int rc = cubby_txn_begin(s, 0, &txn);
    if (rc != 0)
        return rc;
    MUST(s, cubby_uidset_parse("1", 1, &set));
    MUST(s, cubby_flag(txn, inbox_of(s, cubby_txn_snapshot(txn)), set, CUBBY_FLAGS_ADD, CUBBY_FLAGGED, NULL, 0, NULL));
    cubby_uidset_free(&set);
    return cubby_txn_commit(&txn, modseq);
}

static atomic_int flagging_done, flagging_failed;

static void *flagging(void *arg)
{
    atomic_fetch_add(&flagging_failed, flag_first(arg, NULL) < 0);
    atomic_fetch_add(&flagging_done, 1);
    return NULL;
}

/* Two threads set the same flag. The second has nothing to do, but must not say so before the first is durable. */
static void no_change(void)
{
    pthread_t first, second;
    uint64_t modseq, highest;
    cubby_snapshot *snap;
    cubby_store *s = open_tricky();
    must_store(s, 1);
    for (int fails = 0; fails < 2; fails++) {
        cubby_txn *txn;
        cubby_uidset *set;
        MUST(s, cubby_txn_begin(s, 0, &txn));
        MUST(s, cubby_uidset_parse("1", 1, &set));
        MUST(s, cubby_flag(txn, inbox_of(s, cubby_txn_snapshot(txn)), set, CUBBY_FLAGS_REMOVE, CUBBY_FLAGGED, NULL, 0, NULL));
        cubby_uidset_free(&set);
        MUST(s, cubby_txn_commit(&txn, NULL));
        atomic_store(&flagging_done, 0);
        atomic_store(&flagging_failed, 0);
        atomic_store(&sync_waits, 1);
        pthread_create(&first, NULL, flagging, s);
        until_waiting(1);
        pthread_create(&second, NULL, flagging, s);
        usleep(100000);
        CHECK(atomic_load(&flagging_done) == 0, "acknowledged before the flag is durable");
        atomic_store(&sync_fails, fails);
        atomic_store(&sync_waits, 0);
        pthread_join(first, NULL);
        pthread_join(second, NULL);
        atomic_store(&sync_fails, 0);
        int failed = atomic_load(&flagging_failed);
        CHECK(failed == (fails ? 2 : 0), "%d of 2 threads were told of a sync that %s", failed, fails ? "failed" : "succeeded");
        MUST(s, flag_first(s, &modseq));
        MUST(s, cubby_snapshot_begin(s, &snap));
        highest = cubby_snapshot_modseq(snap);
        cubby_snapshot_end(&snap);
        CHECK(highest == modseq, "modseq %" PRIu64 " was acknowledged, a snapshot is of %" PRIu64, modseq, highest);
    }
    close_store(&s);
    check_all();
}

/* ---- writers that are stopped ---- */

static void open_transaction(struct peer *parent)
{
    cubby_store *s = open_here();
    cubby_message *m;
    cubby_txn *txn;
    unsigned number = atomic_fetch_add(&board->count, 1);
    must_look(s);
    MUST(s, cubby_message_new(s, &m));
    MUST(s, cubby_message_finish(m));
    MUST(s, cubby_txn_begin(s, 0, &txn));
    MUST(s, add_in(s, txn, m, number));
    atomic_store(&board->message[number].fate, REFUSED); /* never committed */
    tell(parent);
    for (;;)
        pause();
}

static void stops_in_sync(struct peer *parent)
{
    cubby_store *s = open_tricky();
    must_store(s, 1);
    tell(parent);
    atomic_store(&sync_stops, 1);
    must_store(s, 1);
    tell(parent);
    hear(parent);
    must_look(s);
    close_store(&s);
}

static void stopped_writer(void)
{
    cubby_store *s = open_here();
    must_store(s, 20);
    struct peer p = spawn(open_transaction);
    hear(&p);
    stop_peer(&p);
    must_be_busy();
    must_look(s);
    kill_peer(&p);
    must_store(s, 2);
    must_look(s);
    for (int killed = 0; killed < 2; killed++) {
        p = spawn(stops_in_sync);
        hear(&p);
        int status;
        CHECK(waitpid(p.pid, &status, WUNTRACED) == p.pid && WIFSTOPPED(status), "it does not stop in its sync");
        must_be_busy();
        must_look(s);
        if (killed) {
            kill_peer(&p);
        } else {
            kill(p.pid, SIGCONT);
            hear(&p);
            tell(&p);
            join_peer(&p);
        }
        must_store(s, 2);
        must_look(s);
    }
    close_store(&s);
    check_all();
}

/* ---- no descriptors, no memory ---- */

enum { POOR_ROUNDS = SANITIZED ? 60 : 240 };

static uint64_t odds; /* one in so many allocations fails; 0: none */
static atomic_uint_fast64_t asked;

static int denied(void)
{
    return odds && next_random(&(uint64_t){atomic_fetch_add(&asked, 1)}) % odds == 0;
}

static void *poor_malloc(size_t n)
{
    return denied() ? NULL : malloc(n);
}

static void *poor_realloc(void *p, size_t n)
{
    return denied() ? NULL : realloc(p, n);
}

static void poor_peer(struct peer *parent)
{
    static const cubby_allocator poor = {poor_malloc, poor_realloc, free};
    cubby_set_allocator(&poor);
    struct rlimit all, none;
    unsigned failed = 0;
    getrlimit(RLIMIT_NOFILE, &all);
    cubby_store *s = open_here();
    must_look(s);
    for (int i = 0; i < POOR_ROUNDS; i++) {
        int free_fd = dup(0);
        close(free_fd);
        none = all;
        none.rlim_cur = (rlim_t)free_fd + (rlim_t)(i % 3);
        odds = i % 2 ? 0 : (uint64_t)(5 + i);
        if (i % 2)
            setrlimit(RLIMIT_NOFILE, &none);
        cubby_store *t = NULL;
        cubby_options o;
        small_options(&o);
        int rc = i % 8 < 2 ? cubby_open(store_dir, &o, &t, NULL) : 0;
        failed += rc < 0;
        cubby_close(&t);
        rc = i % 3 ? store_one(s) : look(s);
        failed += rc < 0;
        CHECK(rc <= 0 && rc != CUBBY_ENOTSTORE, "without memory or files: %d", rc);
        odds = 0;
        setrlimit(RLIMIT_NOFILE, &all);
        if (i % 5 == 0) {
            must_store(s, 1);
            must_look(s);
        }
        tell(parent);
        hear(parent);
    }
    CHECK(failed > 8, "only %u calls failed", failed);
    close_store(&s);
}

static void poor_neighbour(void)
{
    cubby_store *s = open_here();
    must_store(s, 30);
    struct peer p = spawn(poor_peer);
    for (int i = 0; i < POOR_ROUNDS; i++) {
        hear(&p);
        if (i % 4 == 0)
            must_look(s);
        if (i % 4 == 1)
            must_store(s, 1);
        tell(&p);
    }
    join_peer(&p);
    close_store(&s);
    check_all();
}

/* ---- one after the other ---- */

int main(int argc, char **argv)
{
    static const struct test tests[] = {
        {"a failed sync is latched for all", failed_sync},
        {"latched within begin", latched_within_begin},
        {"an append that failed, then a kill", failed_append},
        {"failing disks and kills at random", at_random},
        {"no change, not acknowledged before what it has seen", no_change},
        {"writers stopped and killed", stopped_writer},
        {"neighbour without memory or files", poor_neighbour},
    };
    return run_tests("failures", tests, sizeof tests / sizeof *tests, argc, argv);
}
