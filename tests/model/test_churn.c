/* test_churn.c - snapshots read whole, again and again, while their pages are used anew: writers append, flag, expunge and checkpoint over a tiny page
 * cache; readers and writers are stopped, go on, are killed and replaced. Every row that is read is compared with what it must be:
 *
 *  - flags and keyword follow from the row's modseq, content and size from its date, whatever was done to the row since;
 *  - the rows add up to what the folder says of itself, by uid and by modseq; a snapshot that is read again is the same;
 *  - what was acknowledged is in every later snapshot, what was expunged in none, and nothing else is missing.
 *
 * test_churn [SEED [SECONDS]], or CUBBY_SEED; CUBBY_READS=N goes on until N rows were read and found right. `make soak` runs it by CUBBY_SOAK_DIR. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "model/common.h"
#include "soak.h"

enum { FOLDERS = 2, LIVE = 500, UIDS = 1 << 17, MAILS = 256, KEYWORDS = 4, CHILDREN = 7, BURST = 100, WRITERS = 3, GLANCER = WRITERS, ROUND_SECONDS = 3,
       INDEX_MAX = 32 << 20 };

static const char *const keyword[KEYWORDS] = {"alpha", "beta", "gamma", "delta"};

/* What outlives the children. A uid is dying before the commit that expunges it, born and gone once that is acknowledged. */
struct fate {
    _Atomic uint64_t born, gone;
    atomic_int dying;
};

struct board {
    atomic_uint_fast64_t acknowledged; /* modseq */
    atomic_uint_fast64_t reads, snapshots, held, messages, commits, revoked;
    atomic_uint low[FOLDERS];          /* all uids below are dying */
    _Alignas(4096) struct fate fate[FOLDERS][UIDS];
};

struct sums {
    uint64_t messages, unseen, deleted, bytes, deleted_bytes, highest, hash;
};

struct worker {
    cubby_store *s;
    cubby_message *message;
    uint64_t rng, last;
    char buf[1 << 15];
};

static struct board *board;
static char store_dir[600];
static uint64_t base_seed, folder[FOLDERS], index_bytes;
static uint16_t keyword_number[KEYWORDS];
static struct mail mails[MAILS];
static atomic_int stop;

/* ---- what a row must be ---- */

static uint64_t mix(uint64_t x)
{
    return next_random(&x);
}

static uint32_t flags_of(uint64_t modseq)
{
    return (uint32_t)mix(modseq) & CUBBY_FLAGS_ALL;
}

static unsigned keyword_of(uint64_t modseq)
{
    return (unsigned)(mix(modseq) >> 8) % KEYWORDS;
}

/* A message is known by its date, which copies keep. */
static int64_t date_of(int f, uint32_t uid)
{
    return 1000000000 + (int64_t)uid * FOLDERS + f;
}

static const struct mail *mail_of(int64_t date)
{
    return &mails[mix((uint64_t)date) % MAILS];
}

static void make_mails(void)
{
    for (int i = 0; i < MAILS; i++) {
        make_mail(mix(base_seed * MAILS + (uint64_t)i), 0, &mails[i]);
        CHECK(mails[i].len < sizeof((struct worker *)0)->buf, "a message of %zu bytes", mails[i].len);
    }
}

static void churn_options(cubby_options *o, uint64_t *r)
{
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    o->segment_bytes = below(r, 2) ? 65536 : 0;
    o->checkpoint_bytes = 2048;
    o->cache_bytes = 65536;
    o->snapshot_max_ms = below(r, 2) ? 20 : 0; /* held ones may be revoked */
    o->lock_timeout_ms = 60000; /* a busy machine is no failure */
}

/* ---- reading ---- */

/* ESTALE: the snapshot took too long and was revoked; all else that is no success ends the test. */
static int must_or_stale(struct worker *w, int line, const char *call, int rc)
{
    if (rc < 0 && rc != CUBBY_ESTALE)
        die_call(__FILE__, line, call, rc, w->s);
    return rc;
}
#define TRY(w, call) must_or_stale(w, __LINE__, #call, call)

static int read_message(struct worker *w, cubby_snapshot *snap, int f, const cubby_row *row)
{
    const struct mail *m = mail_of(row->internaldate);
    uint32_t uid = row->uid;
    cubby_reader *r;
    size_t got = 0;
    int rc = TRY(w, cubby_reader_open(snap, folder[f], uid, &r));
    CHECK(rc != CUBBY_DONE, "seed %" PRIu64 ": a scan found uid %u, a reader does not", base_seed, uid);
    if (rc != 0)
        return rc;
    rc = TRY(w, cubby_reader_read(r, 0, w->buf, sizeof w->buf, &got));
    CHECK(rc != 0 || (got == m->len && (got == 0 || memcmp(w->buf, m->data, got) == 0)), "seed %" PRIu64 ": uid %u is not what was stored", base_seed, uid);
    cubby_reader_close(&r);
    atomic_fetch_add(&board->messages, rc == 0);
    return rc;
}

static void check_row(const cubby_row *row, int f, uint64_t number, uint32_t before)
{
    CHECK(row->uid > before, "seed %" PRIu64 ": uid %u after %u", base_seed, row->uid, before);
    CHECK(row->modseq <= number && row->created_modseq <= row->modseq, "seed %" PRIu64 ": uid %u has modseq %" PRIu64 ", created %" PRIu64
          ", in a snapshot of %" PRIu64, base_seed, row->uid, row->modseq, row->created_modseq, number);
    CHECK(row->flags == flags_of(row->modseq), "seed %" PRIu64 ": uid %u of modseq %" PRIu64 " has flags %u", base_seed, row->uid, row->modseq, row->flags);
    CHECK(row->keyword_count == 1 && row->keywords[0] == keyword_number[keyword_of(row->modseq)], "seed %" PRIu64 ": uid %u of modseq %" PRIu64
          " has %zu keywords", base_seed, row->uid, row->modseq, row->keyword_count);
    CHECK(row->size == mail_of(row->internaldate)->crlf_size, "seed %" PRIu64 ": uid %u has size %" PRIu64, base_seed, row->uid, row->size);
    uint64_t gone = row->uid < UIDS ? atomic_load(&board->fate[f][row->uid].gone) : 0;
    CHECK(!gone || gone > number, "seed %" PRIu64 ": uid %u was expunged by %" PRIu64 ", a snapshot of %" PRIu64 " has it", base_seed, row->uid, gone, number);
}

/* No row for [from, to): none of these was acknowledged and left alone. */
static void check_gap(int f, uint32_t from, uint32_t to, uint64_t number)
{
    uint32_t low = atomic_load(&board->low[f]);
    for (uint32_t uid = from > low ? from : low; uid < to && uid < UIDS; uid++) {
        uint64_t born = atomic_load(&board->fate[f][uid].born);
        CHECK(!born || born > number || atomic_load(&board->fate[f][uid].dying), "seed %" PRIu64 ": uid %u came with %" PRIu64 ", a snapshot of %" PRIu64
              " lacks it", base_seed, uid, born, number);
    }
}

static uint64_t row_hash(uint32_t uid, uint64_t modseq, uint64_t created, uint32_t flags)
{
    return mix(uid ^ modseq << 20 ^ (uint64_t)flags << 58) ^ mix(created);
}

static void add_up(struct sums *sum, const cubby_row *row)
{
    sum->messages++;
    sum->bytes += row->size;
    sum->unseen += !(row->flags & CUBBY_SEEN);
    sum->deleted += (row->flags & CUBBY_DELETED) != 0;
    sum->deleted_bytes += row->flags & CUBBY_DELETED ? row->size : 0;
    sum->highest = row->modseq > sum->highest ? row->modseq : sum->highest;
    sum->hash += row_hash(row->uid, row->modseq, row->created_modseq, row->flags);
}

static int read_rows(struct worker *w, cubby_snapshot *snap, int f, uint64_t uidnext, struct sums *sum)
{
    uint64_t number = cubby_snapshot_modseq(snap);
    uint32_t before = 0;
    cubby_scan *scan;
    const cubby_row *row;
    memset(sum, 0, sizeof *sum);
    int rc = TRY(w, cubby_scan_open(snap, folder[f], NULL, &scan));
    if (rc != 0)
        return rc;
    while ((rc = TRY(w, cubby_scan_next(scan, &row))) == 0) {
        check_row(row, f, number, before);
        check_gap(f, before + 1, row->uid, number);
        before = row->uid;
        add_up(sum, row);
        if (below(&w->rng, 40) == 0 && (rc = read_message(w, snap, f, row)) != 0)
            break;
    }
    cubby_scan_close(&scan);
    if (rc != CUBBY_DONE)
        return rc;
    check_gap(f, before + 1, (uint32_t)uidnext, number);
    CHECK(before < uidnext, "seed %" PRIu64 ": uid %u, uidnext %" PRIu64, base_seed, before, uidnext);
    return 0;
}

/* The same rows by modseq. What vanished is not among them: the sums agree. */
static int read_changes(struct worker *w, cubby_snapshot *snap, int f, const struct sums *want)
{
    uint64_t modseq = 0, count = 0, hash = 0;
    cubby_changes *c;
    cubby_change ch;
    int rc = TRY(w, cubby_changes_open(snap, folder[f], 0, &c));
    if (rc != 0)
        return rc;
    while ((rc = TRY(w, cubby_changes_next(c, &ch))) == 0) {
        CHECK(ch.modseq >= modseq, "seed %" PRIu64 ": change %" PRIu64 " after %" PRIu64, base_seed, ch.modseq, modseq);
        modseq = ch.modseq;
        if (ch.kind == CUBBY_CHANGE_VANISHED)
            continue;
        count++;
        hash += row_hash(ch.uid, ch.modseq, ch.created_modseq, ch.flags);
    }
    cubby_changes_close(&c);
    if (rc != CUBBY_DONE)
        return rc;
    CHECK(count == want->messages && hash == want->hash, "seed %" PRIu64 ": %" PRIu64 " rows by modseq, %" PRIu64 " by uid, or others", base_seed, count,
          want->messages);
    atomic_fetch_add(&board->reads, count);
    return 0;
}

static int read_folder(struct worker *w, cubby_snapshot *snap, int f, struct sums *sum)
{
    cubby_folder info;
    int rc = TRY(w, cubby_folder_get(snap, folder[f], &info));
    CHECK(rc != CUBBY_DONE, "seed %" PRIu64 ": folder %d is gone", base_seed, f);
    if (rc != 0 || (rc = read_rows(w, snap, f, info.uidnext, sum)) != 0)
        return rc;
    CHECK(sum->messages == info.messages && sum->unseen == info.unseen && sum->deleted == info.deleted && sum->bytes == info.bytes &&
          sum->deleted_bytes == info.deleted_bytes && sum->highest <= info.highestmodseq && info.highestmodseq <= cubby_snapshot_modseq(snap),
          "seed %" PRIu64 ": a snapshot does not agree with itself: %" PRIu64 " messages, the folder says %" PRIu64, base_seed, sum->messages, info.messages);
    atomic_fetch_add(&board->reads, sum->messages);
    return below(&w->rng, 4) == 0 ? read_changes(w, snap, f, sum) : 0;
}

static cubby_snapshot *begin_snapshot(struct worker *w)
{
    cubby_snapshot *snap;
    uint64_t acknowledged = atomic_load(&board->acknowledged);
    MUST(w->s, cubby_snapshot_begin(w->s, &snap));
    uint64_t number = cubby_snapshot_modseq(snap);
    CHECK(number >= acknowledged, "seed %" PRIu64 ": %" PRIu64 " was acknowledged, a snapshot is of %" PRIu64, base_seed, acknowledged, number);
    CHECK(number >= w->last, "seed %" PRIu64 ": a snapshot of %" PRIu64 " after one of %" PRIu64, base_seed, number, w->last);
    w->last = number;
    return snap;
}

/* One snapshot; now and then another, which is older and read again and again while it is held. */
static void read_snapshots(struct worker *w)
{
    struct sums first[FOLDERS], sum;
    cubby_snapshot *old = NULL, *snap;
    int rc = 0;
    if (below(&w->rng, 3) == 0) {
        old = begin_snapshot(w);
        for (int f = 0; f < FOLDERS && rc == 0; f++)
            rc = read_folder(w, old, f, &first[f]);
    }
    for (uint64_t i = below(&w->rng, 6) + 1; i; i--) {
        int now = 0;
        snap = begin_snapshot(w);
        for (int f = 0; f < FOLDERS && now == 0; f++)
            now = read_folder(w, snap, f, &sum);
        cubby_snapshot_end(&snap);
        atomic_fetch_add(&board->snapshots, 1);
        atomic_fetch_add(&board->revoked, now != 0);
        if (old && below(&w->rng, 2))
            usleep((useconds_t)below(&w->rng, 4000));
        for (int f = 0; old && f < FOLDERS && rc == 0; f++) {
            rc = read_folder(w, old, f, &sum);
            CHECK(rc != 0 || memcmp(&sum, &first[f], sizeof sum) == 0, "seed %" PRIu64 ": a snapshot changed under its reader", base_seed);
        }
    }
    atomic_fetch_add(&board->held, old != NULL && rc == 0);
    atomic_fetch_add(&board->revoked, rc != 0);
    cubby_snapshot_end(&old);
}

static void *reader(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load(&stop))
        read_snapshots(w);
    return NULL;
}

/* Little but begin and end: whoever is stopped here is likely to be stopped within begin. Rows from anywhere, which are in no cache. */
static int glance(struct worker *w, cubby_snapshot *snap, int f)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_folder info;
    cubby_scan *scan;
    const cubby_row *row;
    cubby_uidset *set;
    uint32_t before = 0, read = 0;
    int rc = TRY(w, cubby_folder_get(snap, folder[f], &info));
    if (rc != 0)
        return rc;
    uint32_t next = (uint32_t)info.uidnext, first = next > LIVE ? next - (uint32_t)below(&w->rng, LIVE) : 1;
    MUST(w->s, cubby_uidset_new(&set));
    MUST(w->s, cubby_uidset_add(set, first, next));
    o.uids = set;
    o.limit = 3;
    rc = TRY(w, cubby_scan_open(snap, folder[f], &o, &scan));
    while (rc == 0 && (rc = TRY(w, cubby_scan_next(scan, &row))) == 0) {
        check_row(row, f, cubby_snapshot_modseq(snap), before);
        before = row->uid;
        read++;
    }
    cubby_scan_close(&scan);
    cubby_uidset_free(&set);
    atomic_fetch_add(&board->reads, read);
    return rc;
}

static void *glancer(void *arg)
{
    struct worker *w = arg;
    while (!atomic_load(&stop)) {
        cubby_snapshot *snap = begin_snapshot(w);
        int rc = glance(w, snap, (int)below(&w->rng, FOLDERS));
        atomic_fetch_add(&board->revoked, rc == CUBBY_ESTALE);
        cubby_snapshot_end(&snap);
        atomic_fetch_add(&board->snapshots, 1);
    }
    return NULL;
}

/* ---- writing ---- */

struct change {
    int f, is_add, is_expunge;
    uint32_t first, last; /* uids: added, or dying */
};

static void add_messages(struct worker *w, cubby_txn *txn, struct change *c, uint64_t uidnext)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    uint64_t number = cubby_txn_modseq(txn);
    uint32_t uid = (uint32_t)uidnext - 1;
    o.flags = flags_of(number);
    o.keywords = &keyword[keyword_of(number)];
    o.keyword_count = 1;
    o.has_date = 1;
    c->is_add = 1;
    c->first = uid + 1;
    for (uint64_t i = 1 + below(&w->rng, 6); i; i--) {
        o.internaldate = date_of(c->f, uid + 1);
        const struct mail *m = mail_of(o.internaldate);
        cubby_message_reset(w->message);
        MUST(w->s, cubby_message_write(w->message, m->data, m->len));
        MUST(w->s, cubby_message_finish(w->message));
        MUST(w->s, cubby_add(txn, folder[c->f], w->message, &o, &uid));
    }
    c->last = uid;
}

static void flag_some(struct worker *w, cubby_txn *txn, const struct change *c, uint32_t first, uint32_t last)
{
    uint64_t number = cubby_txn_modseq(txn);
    cubby_uidset *set;
    MUST(w->s, cubby_uidset_new(&set));
    MUST(w->s, cubby_uidset_add(set, first, last));
    MUST(w->s, cubby_flag(txn, folder[c->f], set, CUBBY_FLAGS_REPLACE, flags_of(number), &keyword[keyword_of(number)], 1, NULL));
    cubby_uidset_free(&set);
}

/* first to last; the fates are on the board before the commit. */
static void expunge_some(struct worker *w, cubby_txn *txn, struct change *c, uint32_t first, uint32_t last)
{
    cubby_uidset *set;
    for (uint32_t uid = first; uid <= last && uid < UIDS; uid++)
        atomic_store(&board->fate[c->f][uid].dying, 1);
    MUST(w->s, cubby_uidset_new(&set));
    MUST(w->s, cubby_uidset_add(set, first, last));
    MUST(w->s, cubby_expunge(txn, folder[c->f], set, 0, NULL));
    cubby_uidset_free(&set);
    c->is_expunge = 1;
    c->first = first;
    c->last = last;
}

static void acknowledge(const struct change *c, uint64_t number)
{
    for (uint32_t uid = c->first; (c->is_add || c->is_expunge) && uid <= c->last && uid < UIDS; uid++)
        atomic_store(c->is_add ? &board->fate[c->f][uid].born : &board->fate[c->f][uid].gone, number);
    uint64_t last = atomic_load(&board->acknowledged);
    while (last < number && !atomic_compare_exchange_weak(&board->acknowledged, &last, number))
        ;
    atomic_fetch_add(&board->commits, 1);
}

/* Too many: the oldest go. Who is below the mark has been dying before it was raised; it may have been raised by one that was killed before its commit, and
 * uids that it saw came to nothing, too. */
static void trim(struct worker *w, cubby_txn *txn, struct change *c, const cubby_folder *f)
{
    uint32_t low = atomic_load(&board->low[c->f]), keep = (uint32_t)f->uidnext - LIVE / 3;
    expunge_some(w, txn, c, low && low <= keep ? low : 1, keep);
    if (keep < UIDS && keep > low)
        atomic_store(&board->low[c->f], keep);
}

static void write_commit(struct worker *w)
{
    struct change c = {.f = (int)below(&w->rng, FOLDERS)};
    uint64_t number, what = below(&w->rng, 20), lazy = what < 5;
    cubby_folder f;
    cubby_txn *txn;
    MUST(w->s, cubby_txn_begin(w->s, lazy ? CUBBY_LAZY : 0, &txn));
    MUST(w->s, cubby_folder_get(cubby_txn_snapshot(txn), folder[c.f], &f));
    uint32_t next = (uint32_t)f.uidnext, span = next < LIVE ? next : LIVE;
    uint32_t first = next > 1 ? next - 1 - (uint32_t)below(&w->rng, span - 1) : 1, some = (uint32_t)below(&w->rng, 40);
    if (what >= 5 && f.messages > LIVE)
        trim(w, txn, &c, &f);
    else if (what >= 18 && first + some / 8 < next)
        expunge_some(w, txn, &c, first, first + some / 8);
    else if (what >= 9 && next < UIDS)
        add_messages(w, txn, &c, f.uidnext);
    else
        flag_some(w, txn, &c, first, first + some);
    if (below(&w->rng, 50) == 0) {
        cubby_txn_abort(&txn);
        return;
    }
    MUST(w->s, cubby_txn_commit(&txn, &number));
    acknowledge(&c, number);
    if (below(&w->rng, 60) == 0)
        MUST(w->s, cubby_checkpoint(w->s));
}

static void *writer(void *arg)
{
    struct worker *w = arg;
    MUST(w->s, cubby_message_new(w->s, &w->message));
    while (!atomic_load(&stop)) { /* many at once, for it costs pages when another process takes over */
        for (uint64_t i = below(&w->rng, BURST); i && !atomic_load(&stop); i--)
            write_commit(w);
        usleep((useconds_t)below(&w->rng, 60000));
    }
    cubby_message_free(&w->message);
    return NULL;
}

/* ---- processes ---- */

static void crowd(cubby_store *s, uint64_t *rng, int writers, int readers, int glancers, double span)
{
    enum { MOST = 7 };
    static struct worker worker[MOST];
    pthread_t thread[MOST];
    atomic_store(&stop, 0);
    for (int i = 0; i < writers + readers + glancers; i++) {
        worker[i] = (struct worker){.s = s, .rng = next_random(rng)};
        int rc = pthread_create(&thread[i], NULL, i < writers ? writer : i < writers + readers ? reader : glancer, &worker[i]);
        CHECK(rc == 0, "pthread_create: %s", strerror(rc));
    }
    usleep((useconds_t)(span * 1e6));
    atomic_store(&stop, 1);
    for (int i = 0; i < writers + readers + glancers; i++)
        pthread_join(thread[i], NULL);
}

/* Comes and goes, until it is killed. The first are writers, the last reads without the right to write. */
static void __attribute__((noreturn)) child(int id, uint64_t seed, pid_t parent)
{
    uint64_t rng = seed;
    cubby_options o;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* none outlives a test that fails, also not one that has failed by now */
    if (getppid() != parent)
        raise(SIGKILL);
    for (;;) {
        churn_options(&o, &rng);
        o.flags = id == CHILDREN - 1 ? CUBBY_READ_ONLY : 0;
        cubby_store *s = open_store(store_dir, &o);
        int writers = id < WRITERS ? 1 + id % 2 : 0, readers = id == 0 || id == GLANCER ? 0 : id < WRITERS ? 1 : 2;
        crowd(s, &rng, writers, readers, id == GLANCER, (double)(1 + below(&rng, 20)) / 20);
        close_store(&s);
    }
}

static pid_t start_child(int id, uint64_t *rng)
{
    uint64_t seed = next_random(rng);
    fflush(stdout);
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0)
        child(id, seed, parent);
    return pid;
}

static void end_child(pid_t pid)
{
    int status;
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "seed %" PRIu64 ": a child ended with status %x; the store is %s", base_seed, status, store_dir);
}

static void begin_store(uint64_t *rng)
{
    cubby_options o;
    cubby_snapshot *snap;
    cubby_folder f;
    cubby_txn *txn;
    cubby_message *m;
    remove_tree(store_dir);
    CHECK(madvise(board->fate, sizeof board->fate, MADV_REMOVE) == 0, "madvise: %s", strerror(errno)); /* all zero */
    atomic_store(&board->acknowledged, 0);
    churn_options(&o, rng);
    o.flags = CUBBY_CREATE;
    cubby_store *s = open_store(store_dir, &o);
    MUST(s, cubby_txn_begin(s, 0, &txn));
    MUST(s, cubby_folder_find(cubby_txn_snapshot(txn), CUBBY_ROOT, "INBOX", 5, &f));
    folder[0] = f.id;
    MUST(s, cubby_folder_create(txn, CUBBY_ROOT, "other", 5, &folder[1]));
    MUST(s, cubby_message_new(s, &m)); /* one with all the keywords, so that they have numbers */
    MUST(s, cubby_message_finish(m));
    cubby_add_options a = CUBBY_ADD_INIT;
    uint32_t uid;
    cubby_uidset *set;
    a.keywords = keyword;
    a.keyword_count = KEYWORDS;
    MUST(s, cubby_add(txn, folder[0], m, &a, &uid));
    MUST(s, cubby_uidset_parse("1", 1, &set));
    MUST(s, cubby_expunge(txn, folder[0], set, 0, NULL));
    cubby_uidset_free(&set);
    MUST(s, cubby_txn_commit(&txn, NULL));
    cubby_message_free(&m);
    MUST(s, cubby_snapshot_begin(s, &snap));
    for (int i = 0; i < KEYWORDS; i++)
        MUST(s, cubby_keyword_find(snap, keyword[i], &keyword_number[i]));
    cubby_snapshot_end(&snap);
    close_store(&s);
    for (int i = 0; i < FOLDERS; i++)
        atomic_store(&board->low[i], 0);
}

/* Pages are used again, whoever wrote before: what readers hold for some 100 ms, and stopped ones for longer, is all that makes the index larger than
 * a few hundred KiB (unit/store/test_anchor has no clock, and so a closer bound). */
static void note_size(void)
{
    cubby_options o = CUBBY_OPTIONS_INIT;
    cubby_stat st;
    cubby_store *s = open_store(store_dir, &o);
    MUST(s, cubby_store_stat(s, &st));
    close_store(&s);
    index_bytes = st.index_bytes > index_bytes ? st.index_bytes : index_bytes;
    CHECK(index_bytes <= INDEX_MAX, "seed %" PRIu64 ": the index has grown to %" PRIu64 " KiB", base_seed, index_bytes >> 10);
}

struct toll {
    uint64_t kills, stops;
};

/* One of them is stopped for a while, or killed and replaced. */
static void disturb(pid_t *pid, uint64_t *rng, struct toll *t)
{
    int i = below(rng, 3) ? (int)below(rng, CHILDREN) : GLANCER;
    usleep((useconds_t)below(rng, SANITIZED ? 60000 : 12000));
    if (below(rng, 3)) {
        kill(pid[i], SIGSTOP);
        usleep((useconds_t)below(rng, 25000));
        if (below(rng, 4)) {
            kill(pid[i], SIGCONT);
            t->stops++;
            return;
        }
    }
    end_child(pid[i]);
    t->kills++;
    pid[i] = start_child(i, rng);
}

static void one_round(uint64_t *rng, double until, uint64_t reads, struct toll *t)
{
    pid_t pid[CHILDREN];
    begin_store(rng);
    for (int i = 0; i < CHILDREN; i++)
        pid[i] = start_child(i, rng);
    while (seconds() < until && (!reads || atomic_load(&board->reads) < reads))
        disturb(pid, rng, t);
    for (int i = 0; i < CHILDREN; i++)
        end_child(pid[i]);
    check_store(store_dir, CUBBY_CHECK_FULL, "after the churn");
    note_size();
    same_after_rebuild(store_dir, "rebuilt after the churn");
    check_store(store_dir, 0, "rebuilt");
}

/* Threads alone, over one handle: what a thread sanitizer sees best. */
static void threads_alone(uint64_t *rng, double span)
{
    cubby_options o;
    begin_store(rng);
    churn_options(&o, rng);
    cubby_store *s = open_store(store_dir, &o);
    crowd(s, rng, 3, 3, 1, span);
    close_store(&s);
    check_store(store_dir, CUBBY_CHECK_FULL, "after the threads");
    printf("ok - churn: 3 threads writing, 4 reading\n");
    fflush(stdout);
}

static void report(const struct toll *t)
{
    printf("# %" PRIuFAST64 " verified reads, %" PRIuFAST64 " messages, %" PRIuFAST64 " snapshots, %" PRIuFAST64 " held, %" PRIuFAST64 " revoked, %" PRIuFAST64
           " commits, %" PRIu64 " kills, %" PRIu64 " stops, index up to %" PRIu64 " KiB\n", atomic_load(&board->reads), atomic_load(&board->messages), atomic_load(&board->snapshots),
           atomic_load(&board->held), atomic_load(&board->revoked), atomic_load(&board->commits), t->kills, t->stops, index_bytes >> 10);
}

/* Has all happened that this program is about? Under a sanitizer too little is committed while a snapshot is held. */
static int saw_all(const struct toll *t)
{
    return t->kills && t->stops && atomic_load(&board->held) && (SANITIZED || atomic_load(&board->revoked));
}

/* Rounds until the time is up, or so many rows were read; and then a few more, should one of these things not have happened yet. */
static void rounds(uint64_t *rng, double until, double at_most, uint64_t reads, struct toll *t)
{
    int more = 1;
    while (more) {
        double now = seconds(), end = now + ROUND_SECONDS;
        one_round(rng, !reads && now < until && end > until ? until : end, reads, t);
        more = reads ? atomic_load(&board->reads) < reads : seconds() < until || (!saw_all(t) && seconds() < at_most);
    }
    CHECK(reads || saw_all(t), "seed %" PRIu64 ": %" PRIu64 " kills, %" PRIu64 " stops, %" PRIuFAST64 " snapshots held, %" PRIuFAST64 " revoked: none of one kind", base_seed,
          t->kills, t->stops, atomic_load(&board->held), atomic_load(&board->revoked));
}

static void remember(struct soak *k, const struct toll *t)
{
    *soak_total(k, "verified_reads") += atomic_load(&board->reads);
    *soak_total(k, "snapshots") += atomic_load(&board->snapshots);
    *soak_total(k, "commits") += atomic_load(&board->commits);
    *soak_total(k, "kills") += t->kills;
    *soak_total(k, "stops") += t->stops;
    CHECK(soak_save(k) == 0, "cannot write %s", k->path);
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED"), *wanted = getenv("CUBBY_READS"), *dir = scratch_dir("churn");
    struct soak soak;
    struct toll toll = {0};
    int soaking = soak_begin(&soak, "churn");
    base_seed = argc > 1 ? strtoull(argv[1], NULL, 0) : env ? strtoull(env, NULL, 0) : 1;
    if (soaking && argc < 2)
        base_seed = *soak_total(&soak, "seed") + 1;
    uint64_t rng = base_seed, reads = wanted ? strtoull(wanted, NULL, 0) : 0;
    double span = argc > 2 ? atof(argv[2]) : soaking ? soak.end - soak_now() : 3, start = seconds();
    snprintf(store_dir, sizeof store_dir, "%s/store", dir);
    board = mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(board != MAP_FAILED, "mmap: %s", strerror(errno));
    printf("# seed %" PRIu64 "; again with: test_churn %" PRIu64 " %.0f (the order differs)\n", base_seed, base_seed, span);
    if (soaking) { /* the next run goes on behind it, however this one ends */
        *soak_total(&soak, "seed") = base_seed;
        CHECK(soak_save(&soak) == 0, "cannot write %s", soak.path);
    }
    make_mails();
    rounds(&rng, start + span * 4 / 5, start + span * 4 / 5 + 30, reads, &toll);
    printf("ok - churn: processes stopped, killed and replaced, snapshots held and revoked\n");
    threads_alone(&rng, span / 5 > 5 ? 5 : span / 5); /* last: a child of a process with threads may only exec */
    report(&toll);
    if (soaking)
        remember(&soak, &toll);
    remove_tree(dir);
    return 0;
}
