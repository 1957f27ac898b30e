/* test_threads.c - many at once: threads that append durably (they share syncs), threads that read whole snapshots while pages are used again, snapshots
 * held over many commits; then the same with processes. Clean under ThreadSanitizer.
 *
 * test_threads [SEED [SECONDS]], or CUBBY_SEED. What it did is added to the totals of a soak. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "model/common.h"
#include "soak.h"

enum { WRITERS = 6, READERS = 3, LIVE = 150 };

static char store_dir[600];
static uint64_t base_seed, inbox, other;
static atomic_int stop;

/* Of all processes. */
static struct counts {
    atomic_uint_fast64_t added, commits, snapshots, rows, verified;
} *counts;

struct worker {
    cubby_store *s;
    uint64_t rng;
    int id;
    struct mail mail;
    cubby_message *message;
};

static void tight_options(cubby_options *o, uint64_t *r)
{
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    o->flags = CUBBY_CREATE;
    o->segment_bytes = below(r, 2) ? 16384 : 0;
    o->checkpoint_bytes = 4096;
    o->cache_bytes = 65536;
}

/* ---- writing ---- */

static uint32_t add_one(struct worker *w, cubby_txn *txn, uint64_t folder)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    uint32_t uid;
    o.flags = (uint32_t)below(&w->rng, 32);
    MUST(w->s, cubby_add(txn, folder, w->message, &o, &uid));
    return uid;
}

static void write_message(struct worker *w)
{
    make_mail(next_random(&w->rng), below(&w->rng, 60) == 0, &w->mail);
    cubby_message_reset(w->message);
    MUST(w->s, cubby_message_write(w->message, w->mail.data, w->mail.len));
    MUST(w->s, cubby_message_finish(w->message));
}

/* What was acknowledged is seen by the next snapshot, with the flags that it was given or that somebody gave it since. */
static void must_be_seen(struct worker *w, uint64_t folder, uint32_t uid, uint64_t modseq)
{
    cubby_snapshot *snap;
    const cubby_row *row;
    MUST(w->s, cubby_snapshot_begin(w->s, &snap));
    CHECK(cubby_snapshot_modseq(snap) >= modseq, "seed %" PRIu64 ": commit %" PRIu64 " was acknowledged, a snapshot is of %" PRIu64, base_seed, modseq,
          cubby_snapshot_modseq(snap));
    int rc = cubby_row_get(snap, folder, uid, CUBBY_WANT_OBJECT, &row);
    if (rc < 0)
        die_call(__FILE__, __LINE__, "cubby_row_get", rc, w->s);
    if (rc == 0)
        CHECK(row->created_modseq == modseq && row->original_size == w->mail.len && memcmp(row->hash, cubby_message_hash(w->message), 16) == 0,
              "seed %" PRIu64 ": uid %u is another message (created %" PRIu64 ", not %" PRIu64 ")", base_seed, uid, row->created_modseq, modseq);
    cubby_snapshot_end(&snap);
}

static void append(struct worker *w)
{
    cubby_txn *txn;
    uint64_t modseq, folder = below(&w->rng, 2) ? inbox : other, number;
    write_message(w);
    MUST(w->s, cubby_txn_begin(w->s, 0, &txn));
    number = cubby_txn_modseq(txn);
    uint32_t uid = add_one(w, txn, folder);
    MUST(w->s, cubby_txn_commit(&txn, &modseq));
    CHECK(modseq == number, "seed %" PRIu64 ": commit %" PRIu64 " says that it is %" PRIu64, base_seed, number, modseq);
    atomic_fetch_add(&counts->added, 1);
    if (below(&w->rng, 4) == 0)
        must_be_seen(w, folder, uid, modseq);
}

/* Moves, flags, expunges: the counters of two folders change together. */
static void shuffle(struct worker *w)
{
    cubby_txn *txn;
    cubby_folder a, b;
    cubby_uidset *set;
    uint64_t lazy = below(&w->rng, 3) == 0, abort = below(&w->rng, 8) == 0;
    MUST(w->s, cubby_txn_begin(w->s, lazy ? CUBBY_LAZY : 0, &txn));
    MUST(w->s, cubby_folder_get(cubby_txn_snapshot(txn), inbox, &a));
    MUST(w->s, cubby_folder_get(cubby_txn_snapshot(txn), other, &b));
    uint64_t folder = a.messages > b.messages ? inbox : other;
    uint32_t next = (uint32_t)(folder == inbox ? a.uidnext : b.uidnext);
    uint32_t first = 1 + (uint32_t)below(&w->rng, next);
    MUST(w->s, cubby_uidset_new(&set));
    MUST(w->s, cubby_uidset_add(set, first, first + (uint32_t)below(&w->rng, 30)));
    if (a.messages + b.messages > LIVE && !lazy) {
        MUST(w->s, cubby_uidset_add(set, 1, next - next / 6));
        MUST(w->s, cubby_expunge(txn, folder, set, 0, NULL));
    } else if (lazy || below(&w->rng, 2)) {
        MUST(w->s, cubby_flag(txn, folder, set, (int)below(&w->rng, 3), (uint32_t)below(&w->rng, 32), NULL, 0, NULL));
    } else {
        MUST(w->s, cubby_move(txn, folder, set, folder == inbox ? other : inbox, NULL, NULL));
    }
    cubby_uidset_free(&set);
    if (abort)
        cubby_txn_abort(&txn);
    else
        MUST(w->s, cubby_txn_commit(&txn, NULL));
}

static void *writer(void *arg)
{
    struct worker *w = arg;
    MUST(w->s, cubby_message_new(w->s, &w->message));
    while (!atomic_load(&stop)) {
        uint64_t d = below(&w->rng, 16);
        if (d < 10)
            append(w);
        else if (d < 15)
            shuffle(w);
        else
            MUST(w->s, below(&w->rng, 4) ? cubby_sync(w->s) : cubby_checkpoint(w->s));
        atomic_fetch_add(&counts->commits, 1);
    }
    cubby_message_free(&w->message);
    free(w->mail.data);
    return NULL;
}

/* ---- reading ---- */

struct sums {
    uint64_t messages, unseen, deleted, bytes, highest, hash;
};

static void read_messages(struct worker *w, cubby_snapshot *snap, uint64_t folder, uint32_t uid, const uint8_t hash[16])
{
    cubby_reader *reader;
    MUST(w->s, cubby_reader_open(snap, folder, uid, &reader));
    MUST(w->s, cubby_reader_verify(reader));
    CHECK(memcmp(cubby_reader_hash(reader), hash, 16) == 0, "seed %" PRIu64 ": uid %u has two hashes", base_seed, uid);
    cubby_reader_close(&reader);
    atomic_fetch_add(&counts->verified, 1);
}

static struct sums read_folder(struct worker *w, cubby_snapshot *snap, uint64_t folder, unsigned one_in)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    struct sums sum = {0};
    cubby_folder f;
    cubby_scan *scan;
    const cubby_row *row;
    int rc;
    o.want = CUBBY_WANT_OBJECT | (below(&w->rng, 2) ? CUBBY_WANT_HEADER : 0);
    MUST(w->s, cubby_folder_get(snap, folder, &f));
    MUST(w->s, cubby_scan_open(snap, folder, &o, &scan));
    while ((rc = cubby_scan_next(scan, &row)) == 0) {
        CHECK(row->damage == 0, "seed %" PRIu64 ": uid %u: %s", base_seed, row->uid, cubby_strerror(row->damage));
        CHECK(row->uid < f.uidnext && row->modseq <= f.highestmodseq, "seed %" PRIu64 ": uid %u is from the future", base_seed, row->uid);
        sum.messages++;
        sum.unseen += !(row->flags & CUBBY_SEEN);
        sum.deleted += (row->flags & CUBBY_DELETED) != 0;
        sum.bytes += row->size;
        sum.highest = row->modseq > sum.highest ? row->modseq : sum.highest;
        sum.hash = (sum.hash ^ row->uid ^ row->modseq << 20 ^ (uint64_t)row->flags << 50) * 0x9e3779b97f4a7c15u;
        if (below(&w->rng, one_in) == 0)
            read_messages(w, snap, folder, row->uid, row->hash);
    }
    if (rc != CUBBY_DONE)
        die_call(__FILE__, __LINE__, "cubby_scan_next", rc, w->s);
    cubby_scan_close(&scan);
    CHECK(sum.messages == f.messages && sum.unseen == f.unseen && sum.deleted == f.deleted && sum.bytes == f.bytes,
          "seed %" PRIu64 ": a snapshot does not agree with itself: %" PRIu64 " messages, the folder says %" PRIu64, base_seed, sum.messages, f.messages);
    atomic_fetch_add(&counts->rows, sum.messages);
    return sum;
}

static void must_stay(const struct sums *a, const struct sums *b)
{
    CHECK(memcmp(a, b, sizeof *a) == 0, "seed %" PRIu64 ": a snapshot changed under its reader", base_seed);
}

/* Folders are read one after the other, more than once, with time in between: it is one state all the same. */
static void read_snapshot(struct worker *w, uint64_t *last)
{
    cubby_snapshot *snap;
    MUST(w->s, cubby_snapshot_begin(w->s, &snap));
    uint64_t modseq = cubby_snapshot_modseq(snap);
    CHECK(modseq >= *last, "seed %" PRIu64 ": a snapshot of %" PRIu64 " after one of %" PRIu64, base_seed, modseq, *last);
    *last = modseq;
    struct sums a = read_folder(w, snap, inbox, 10), b = read_folder(w, snap, other, 10);
    for (uint64_t i = below(&w->rng, 4); i; i--) {
        usleep((useconds_t)below(&w->rng, 20000));
        struct sums c = read_folder(w, snap, inbox, 30), d = read_folder(w, snap, other, 30);
        must_stay(&a, &c);
        must_stay(&b, &d);
    }
    CHECK(cubby_snapshot_modseq(snap) == modseq, "a snapshot's modseq moved");
    cubby_snapshot_end(&snap);
    atomic_fetch_add(&counts->snapshots, 1);
}

static void *reader(void *arg)
{
    struct worker *w = arg;
    uint64_t last = 0;
    while (!atomic_load(&stop))
        read_snapshot(w, &last);
    return NULL;
}

/* ---- threads ---- */

static cubby_store *begin_store(uint64_t *rng)
{
    cubby_options o;
    cubby_snapshot *snap;
    cubby_folder f;
    cubby_txn *txn;
    tight_options(&o, rng);
    remove_tree(store_dir);
    cubby_store *s = open_store(store_dir, &o);
    MUST(s, cubby_snapshot_begin(s, &snap));
    MUST(s, cubby_folder_find(snap, CUBBY_ROOT, "INBOX", 5, &f));
    cubby_snapshot_end(&snap);
    inbox = f.id;
    MUST(s, cubby_txn_begin(s, 0, &txn));
    MUST(s, cubby_folder_create(txn, CUBBY_ROOT, "other", 5, &other));
    MUST(s, cubby_txn_commit(&txn, NULL));
    return s;
}

static void crowd(cubby_store *s, uint64_t *rng, int writers, int readers, double span)
{
    pthread_t thread[WRITERS + READERS];
    static struct worker worker[WRITERS + READERS];
    atomic_store(&stop, 0);
    for (int i = 0; i < writers + readers; i++) {
        worker[i] = (struct worker){.s = s, .rng = next_random(rng), .id = i};
        int rc = pthread_create(&thread[i], NULL, i < writers ? writer : reader, &worker[i]);
        CHECK(rc == 0, "pthread_create: %s", strerror(rc));
    }
    usleep((useconds_t)(span * 1e6));
    atomic_store(&stop, 1);
    for (int i = 0; i < writers + readers; i++)
        pthread_join(thread[i], NULL);
}

static void with_threads(uint64_t *rng, double span)
{
    cubby_stat st;
    cubby_store *s = begin_store(rng);
    struct counts before = *counts;
    crowd(s, rng, WRITERS, READERS, span);
    MUST(s, cubby_store_stat(s, &st));
    close_store(&s);
    check_store(store_dir, CUBBY_CHECK_FULL, "after the threads");
    same_after_rebuild(store_dir, "rebuilt after the crowd");
    CHECK(counts->snapshots > before.snapshots && counts->verified > before.verified, "seed %" PRIu64 ": nothing was read beside the writers", base_seed);
    printf("ok - threads: %d appending, %d reading: %" PRIuFAST64 " commits, %" PRIu64 " syncs, %" PRIuFAST64 " snapshots, %" PRIuFAST64 " rows\n", WRITERS, READERS,
           counts->commits - before.commits, st.syncs, counts->snapshots - before.snapshots, counts->rows - before.rows);
    fflush(stdout);
}

/* Longer than it takes all the others to have a commit ready. */
static int slow_sync(void *ctx, cubby_file *f)
{
    usleep(10000);
    return cubby_vfs_posix()->sync(ctx, f);
}

/* All write, at the same time: one sync serves several (unit/store/test_group counts them). Under a sanitizer nobody is fast enough. */
static void group_commit(uint64_t *rng, double span)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_stat before, after;
    cubby_vfs slow = *cubby_vfs_posix();
    slow.sync = slow_sync;
    o.vfs = &slow;
    close_store(&(cubby_store *){begin_store(rng)});
    cubby_store *s = open_store(store_dir, &o);
    MUST(s, cubby_store_stat(s, &before));
    uint64_t added = counts->added;
    crowd(s, rng, WRITERS, 0, span);
    MUST(s, cubby_store_stat(s, &after));
    close_store(&s);
    check_store(store_dir, 0, "after the group");
    added = counts->added - added;
    uint64_t syncs = after.syncs - before.syncs;
    CHECK(SANITIZED || syncs < added, "seed %" PRIu64 ": %" PRIu64 " appends took %" PRIu64 " syncs", base_seed, added, syncs);
    printf("ok - group commit: %" PRIu64 " appends, %" PRIu64 " syncs\n", added, syncs);
    fflush(stdout);
}

/* ---- processes ---- */

static void __attribute__((noreturn)) process(int id, int writes, uint64_t seed, double span)
{
    uint64_t rng = seed;
    double until = seconds() + span;
    cubby_options o;
    while (seconds() < until) { /* comes and goes */
        double left = until - seconds(), some = (double)(1 + below(&rng, 20)) / 40 * span;
        tight_options(&o, &rng);
        if (below(&rng, 4) == 0)
            o.flags |= CUBBY_REBUILD; /* under the others */
        cubby_store *s = open_store(store_dir, &o);
        crowd(s, &rng, writes ? 1 + id % 2 : 0, writes ? 0 : 1, left < some ? left : some);
        close_store(&s);
    }
    _exit(0);
}

/* Looks on from outside: attached to nothing, while the others write, check and throw away their indexes. */
static void __attribute__((noreturn)) onlooker(uint64_t seed, double span)
{
    struct worker w = {.rng = seed};
    double until = seconds() + span;
    for (int n = 0; seconds() < until; n++) {
        uint64_t last = 0;
        cubby_options o;
        tight_options(&o, &w.rng);
        o.flags = CUBBY_READ_ONLY;
        w.s = open_store(store_dir, &o);
        for (uint64_t i = 1 + below(&w.rng, 3); i; i--)
            read_snapshot(&w, &last);
        close_store(&w.s);
        check_store(store_dir, below(&w.rng, 4) ? 0 : CUBBY_CHECK_FULL, "beside writers");
    }
    _exit(0);
}

static void with_processes(uint64_t *rng, int writers, int readers, double span)
{
    pid_t pid[8];
    int failed = 0, n = writers + readers + 1;
    close_store(&(cubby_store *){begin_store(rng)});
    fflush(stdout);
    for (int i = 0; i < n; i++) {
        pid[i] = fork();
        CHECK(pid[i] >= 0, "fork: %s", strerror(errno));
        if (pid[i] == 0)
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a test that fails */
        if (pid[i] == 0 && i == n - 1)
            onlooker(base_seed * 100, span);
        if (pid[i] == 0)
            process(i, i < writers, base_seed * 100 + (uint64_t)i, span);
    }
    for (int i = 0; i < n; i++) {
        int status;
        waitpid(pid[i], &status, 0);
        failed += status != 0;
    }
    CHECK(!failed, "seed %" PRIu64 ": %d of %d processes failed; the store is %s", base_seed, failed, n, store_dir);
    check_store(store_dir, CUBBY_CHECK_FULL, "after the processes");
    same_after_rebuild(store_dir, "rebuilt after the crowd");
    printf("ok - processes: %d writing, %d reading\n", writers, readers);
    fflush(stdout);
}

static void report(void)
{
    struct soak soak;
    printf("# %" PRIuFAST64 " snapshots, %" PRIuFAST64 " rows, %" PRIuFAST64 " messages verified, %" PRIuFAST64 " commits\n", counts->snapshots, counts->rows,
           counts->verified, counts->commits);
    if (!soak_begin(&soak, "reads"))
        return;
    *soak_total(&soak, "verified_reads") += counts->verified;
    *soak_total(&soak, "rows") += counts->rows;
    *soak_total(&soak, "snapshots") += counts->snapshots;
    *soak_total(&soak, "commits") += counts->commits;
    CHECK(soak_save(&soak) == 0, "cannot write %s", soak.path);
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED"), *dir = scratch_dir("threads");
    base_seed = argc > 1 ? strtoull(argv[1], NULL, 0) : env ? strtoull(env, NULL, 0) : 1;
    double span = argc > 2 ? atof(argv[2]) : 4;
    uint64_t rng = base_seed;
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(counts != MAP_FAILED, "mmap: %s", strerror(errno));
    snprintf(store_dir, sizeof store_dir, "%s/store", dir);
    printf("# seed %" PRIu64 ", %.0f s; again with: test_threads %" PRIu64 " %.0f (the order differs)\n", base_seed, span, base_seed, span);
    with_processes(&rng, 2, 3, span / 3); /* first: a child of a process with threads may only exec */
    with_threads(&rng, span / 3);
    group_commit(&rng, span / 6);
    report();
    remove_tree(dir);
    return 0;
}
