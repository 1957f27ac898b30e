/* test_fault.c - every scenario, with every call of the operating system and every allocation going wrong in turn.
 *
 * After each: a step that failed says so, with the class of what failed; a step that succeeded told the truth; nothing is left open, locked, mapped or
 * allocated; the handle can still be read, and is latched or takes another commit (in every second run), which is believed; and for the next process all the
 * invariants of crash/scenario.h hold. In the part `power` only syncs fail, on a disk that loses what a failed sync does, and the power is cut: with the handle
 * still open, behind another commit of it, and in the end. What was acknowledged all the same must be there.
 *
 * usage: test_fault [-s SEED] [-n COUNT]     a sample of about COUNT (CUBBY_SEED; 6000)
 *        test_fault -a all [-p K/N] [-r FILE] [-S SCENARIO]   every call, every fault; the Kth of N shares; FILE holds how far it came
 *        test_fault -o SCENARIO:FAULT:MODE:N   one, verbosely; FAULT is one of fault_names, `heap` or `power`
 * CUBBY_FAULT=all in the environment is -a all. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <time.h>

#include "crash/scenario.h"
#include "crash/sim_disk.h"
#include "fault/fault_table.h"
#include "os/vfs_mem.h"
#include "sweep.h"

enum { HANG_S = 30, CUTS = 8, HEAP = FAULTS, POWER, KINDS };

/* once: one call. ever: all from there on. burst: all from there to the end of the scenario; closing the handles works again. */
enum mode { ONCE, EVER, BURST, MODES };
static const char *const mode_names[MODES] = {"once", "ever", "burst"};

struct point {
    const struct scenario *sc;
    int kind; /* enum fault_kind, or one of the above */
    enum mode mode;
    uint64_t n;
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { SAMPLE = 1000 };
#else
enum { SAMPLE = 6000 };
#endif

static uint64_t seed = 7;
static int verbose;
static uint64_t went_on;
static struct oracle *oracles[200];
static struct {
    uint64_t runs, succeeded, failed;
} tallies[KINDS];

static const char *kind_name(int kind)
{
    return kind == HEAP ? "heap" : kind == POWER ? "power" : fault_names[kind].name;
}

/* ---- a failure says which one it was ---- */

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *fmt, ...)
{
    char text[3000];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    printf("not ok - fault: %s: %s\n# again: test_fault -s %" PRIu64 " -o %s\n", sweep_now, text, seed, sweep_now);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t below(uint64_t *r, uint64_t n) /* xorshift64* */
{
    *r ^= *r >> 12;
    *r ^= *r << 25;
    *r ^= *r >> 27;
    return n ? (*r * 0x2545f4914f6cdd1du >> 11) % n : 0;
}

/* ---- what may be returned ---- */

static int is_one_of(int rc, const int *codes)
{
    while (*codes && *codes != rc)
        codes++;
    return *codes == rc;
}

static int begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* The log is in doubt behind a sync that failed, or a write of which not even the place could be given up (in a store that is just being made nobody tries);
 * behind a read never, nor for want of memory. what: fault_what. */
static int in_doubt(const struct point *x, const char *step, const char *what, int rc)
{
    if (x->kind == HEAP)
        return 0;
    if (rc == CUBBY_EUNKNOWN)
        return begins(what, "sync ") || (begins(what, "write ") && (x->mode != ONCE || strcmp(step, "commit") != 0)) ||
               (begins(what, "dirsync ") && x->mode != ONCE); /* then the sync behind it failed, too */
    return rc == CUBBY_ELATCHED && (begins(what, "sync ") || begins(what, "dirsync ") || x->mode != ONCE);
}

/* A failure of the system is never taken for another one, nor for damage, nor for a store that is not there. */
static int class_fits(const struct point *x, const char *step, const char *what, int rc)
{
    static const int space[] = {CUBBY_ENOSPC, CUBBY_EACCES, 0}; /* EACCES: opened read-only for want of space */
    static const int busy[] = {CUBBY_EBUSY, CUBBY_EIO, 0};
    if (in_doubt(x, step, what, rc))
        return 1;
    switch (x->kind) {
    case F_ENOSPC:
    case F_EDQUOT: return is_one_of(rc, space);
    case F_ENOMEM:
    case HEAP: return rc == CUBBY_ENOMEM;
    case F_EACCES: return rc == CUBBY_EACCES;
    case F_EAGAIN: return is_one_of(rc, busy);
    default: return rc == CUBBY_EIO;
    }
}

/* ---- one run ---- */

struct bed {
    struct cubby__memfs *fs; /* or, to cut the power, */
    struct sim *sim;
    struct fault_table *t;
    struct play p;
    struct oracle gone_on; /* see go_on */
};

static void arm(struct bed *b, const struct point *x)
{
    if (x->kind == HEAP)
        heap_arm(x->n, x->mode != ONCE);
    else
        fault_arm(b->t, x->kind == POWER ? SYNC_CALLS : ALL_CALLS, x->n, x->kind == POWER ? F_EIO : (enum fault_kind)x->kind, x->mode != ONCE);
}

static void disarm(struct bed *b)
{
    heap_disarm();
    fault_disarm(b->t);
}

static uint64_t hits(const struct bed *b, const struct point *x)
{
    return x->kind == HEAP ? heap_hits() : fault_hits(b->t);
}

static void lose(void *sim, int neg_errno)
{
    sim_fail_at(sim, sim_ops(sim) + 1, neg_errno, SIM_ONCE);
}

static void begin(struct bed *b, const struct point *x)
{
    memset(b, 0, sizeof *b);
    heap_pause(1);
    if (x->kind == POWER)
        b->sim = sim_new(seed);
    else
        b->fs = cubby__memfs_new();
    if (b->fs)
        cubby__memfs_deterministic(b->fs, seed);
    heap_pause(0);
    b->t = fault_table_new(b->sim ? sim_vfs(b->sim) : cubby__memfs_vfs(b->fs));
    if (b->sim)
        fault_before_sync(b->t, lose, b->sim);
    size_t count;
    play_begin(&b->p, x->sc, oracles[x->sc - scenario_table(&count)], fault_table_vfs(b->t), seed);
    play_setup(&b->p);
    if (b->p.rc)
        wrong("before anything fails: %s: %d %s %s", b->p.step, b->p.rc, b->p.error.message, b->p.wrong);
}

static void finish(struct bed *b)
{
    dump_free(&b->gone_on.after[0]);
    fault_table_free(&b->t);
    cubby__memfs_free(&b->fs);
    sim_free(&b->sim);
    if (heap_live())
        wrong("%" PRIu64 " allocations are never freed", heap_live());
}

static int may_refuse(cubby_store *s, int rc)
{
    return rc == CUBBY_ELATCHED || (cubby_is_read_only(s) && (rc == CUBBY_EACCES || rc == CUBBY_ENOSPC));
}

/* The handle in use after a failure, now that nothing fails any more: it can be read, and takes a transaction or says why not. */
static void probe(struct bed *b)
{
    struct play *p = &b->p;
    cubby_txn *t = NULL;
    char why[2048] = "";
    play_txn_abort(p);
    if (!p->store || p->wrong[0])
        return;
    int rc = play_known(p, p->store, CHECK_KILLED, why, sizeof why);
    if (rc < 0 || (rc > 0 && !cubby_is_read_only(p->store))) /* see of_read_only */
        wrong("%s failed (%d), and the handle cannot be read: %d %s", p->step, p->rc, rc, why);
    rc = cubby_txn_begin(p->store, 0, &t);
    if (rc == 0)
        cubby_txn_abort(&t);
    else if (!may_refuse(p->store, rc))
        wrong("%s failed (%d), and the handle is neither usable nor latched: %d", p->step, p->rc, rc);
}

static void must_hold(struct bed *b, const struct point *x, unsigned what)
{
    char why[2048] = "";
    if (play_check(&b->p, b->sim ? sim_vfs(b->sim) : cubby__memfs_vfs(b->fs), what, why, sizeof why) != 0)
        wrong("%s; the first step that failed: %s (%d); what failed: %s", why, b->p.step ? b->p.step : "none", b->p.rc,
              x->kind == HEAP ? "an allocation" : fault_what(b->t));
}

/* ---- the power is cut ---- */

struct cut {
    struct bed *b;
    const struct point *x;
    const char *when;
};

static int on_disk(void *arg, struct sim *image, const char *id)
{
    const struct cut *c = arg;
    const struct play *p = &c->b->p;
    char why[2048] = "";
    if (play_check(p, sim_vfs(image), CHECK_FULL, why, sizeof why) != 0)
        wrong("power cut %s, state %s: %s; the first step that failed: %s (%d); what failed: %s", c->when, id, why, p->step ? p->step : "none", p->rc,
              fault_what(c->b->t));
    return 0;
}

/* Whatever of what is not synced is there or not; what a sync failed for is not synced by a later one. */
static void cut_power(struct bed *b, const struct point *x, const char *when)
{
    struct sim_states_options o = {.max_states = CUTS, .seed = seed + x->n};
    struct cut c = {b, x, when};
    struct sim *disk = sim_copy(b->sim);
    sim_states(disk, &o, on_disk, &c);
    sim_free(&disk);
}

/* ---- the handle goes on ---- */

static int add_one(cubby_store *s, uint32_t *uid, uint64_t *modseq)
{
    static const char text[] = "Subject: one more\n\nthough something failed\n";
    cubby_message *m = NULL;
    cubby_txn *t = NULL;
    int rc = cubby_message_new(s, &m);
    if (rc == 0)
        rc = cubby_message_write(m, text, sizeof text - 1);
    if (rc == 0)
        rc = cubby_message_finish(m);
    if (rc == 0)
        rc = cubby_txn_begin(s, 0, &t);
    if (rc == 0)
        rc = cubby_add(t, INBOX, m, NULL, uid);
    if (rc == 0)
        rc = cubby_txn_commit(&t, modseq);
    cubby_txn_abort(&t);
    cubby_message_free(&m);
    return rc;
}

/* A handle that takes one more commit is believed: from now on its state is what must be there. */
static void go_on(struct bed *b)
{
    struct play *p = &b->p;
    uint32_t uid = 0;
    uint64_t modseq = 0;
    play_txn_abort(p);
    if (!p->store || p->wrong[0])
        return;
    int rc = add_one(p->store, &uid, &modseq);
    if (may_refuse(p->store, rc))
        return;
    if (rc != 0)
        wrong("%s failed (%d), and another commit does: %d", p->step ? p->step : "no step", p->rc, rc);
    if (uid < p->state.uidnext || modseq <= p->state.modseq)
        wrong("I3: uid %u or modseq %" PRIu64 " is given again behind a failure", uid, modseq);
    rc = dump_store(p->store, &b->gone_on.after[0]);
    if (rc != 0)
        wrong("behind one more commit the handle cannot be read: %d", rc);
    went_on++;
    p->oracle = &b->gone_on;
    p->state.commits = p->state.loose = p->state.under_way = 0;
    p->state.uidnext = uid + 1;
    p->state.modseq = modseq;
}

static int of_bad_sector(const struct point *x, const struct bed *b)
{
    int io = x->kind == F_EIO || x->kind == F_HALF || x->kind == F_DONE || x->kind == F_EINTR || x->kind == F_EMFILE;
    return io && (strstr(b->p.wrong, "MESSAGE_UNREADABLE") || strstr(b->p.wrong, "SEGMENT_HEADER_COPY") || strstr(b->p.wrong, "a repair leaves"));
}

/* Without permission or room a store opens read-only, beside nobody: such a handle does not follow the others. */
static int of_read_only(const struct point *x, const struct bed *b)
{
    int ro = 0;
    for (int i = 0; i < PLAY_HANDLES; i++)
        ro |= b->p.stores[i] && cubby_is_read_only(b->p.stores[i]);
    return ro && (x->kind == F_EACCES || x->kind == F_ENOSPC || x->kind == F_EDQUOT) && strstr(b->p.wrong, "I12");
}

static void excuse(struct bed *b, int rc)
{
    b->p.wrong[0] = '\0';
    b->p.rc = rc;
}

/* 0: the scenario ended before call n. Nothing failed all the same if that was one that cannot (is_lie in fault_table.c). */
static int run(const struct point *x)
{
    struct bed b;
    snprintf(sweep_now, sizeof sweep_now, "%s:%s:%s:%" PRIu64, x->sc->name, kind_name(x->kind), mode_names[x->mode], x->n);
    begin(&b, x);
    arm(&b, x);
    play_run(&b.p);
    if (x->mode == BURST || (x->mode == ONCE && hits(&b, x)))
        disarm(&b);
    if (b.p.wrong[0] && of_read_only(x, &b))
        excuse(&b, CUBBY_EACCES);
    int failed = b.p.rc;
    if (x->kind == POWER && hits(&b, x) && !b.p.wrong[0])
        cut_power(&b, x, "with the handle open");
    if (failed && x->mode != EVER)
        probe(&b);
    if (hits(&b, x) && x->mode != EVER && (x->kind == POWER || (x->n + (uint64_t)x->kind + x->mode) % 2)) {
        go_on(&b);
        if (x->kind == POWER && !b.p.wrong[0])
            cut_power(&b, x, "behind another commit");
    }
    play_end(&b.p);
    disarm(&b);
    int hit = hits(&b, x) > 0;
    if (b.p.wrong[0] && of_bad_sector(x, &b)) /* what a check must say of one */
        excuse(&b, CUBBY_EIO);
    if (b.p.wrong[0])
        wrong("%s; what failed: %s", b.p.wrong, x->kind == HEAP ? "an allocation" : fault_what(b.t));
    if (b.p.rc && !hit)
        wrong("nothing was made to fail, and %s does: %d %s", b.p.step, b.p.rc, b.p.error.message);
    int own = b.p.rc && strstr(b.p.step, " the index") != NULL; /* "removing the index": the scenario's own call, not the library's */
    if (b.p.rc && !own && !class_fits(x, b.p.step, fault_what(b.t), b.p.rc))
        wrong("%s fails with %d (%s): %s@%" PRId64 " %s; because of this: %s", b.p.step, b.p.rc, cubby_strerror(b.p.rc), b.p.error.path,
              (int64_t)b.p.error.offset, b.p.error.message, x->kind == HEAP ? "no memory" : fault_what(b.t));
    if (verbose)
        printf("# %s; %s: %d %s@%" PRId64 " %s\n", x->kind == HEAP ? "an allocation" : fault_what(b.t), b.p.step ? b.p.step : "all steps", b.p.rc,
               b.p.error.path, (int64_t)b.p.error.offset, b.p.error.message);
    if (hit && x->kind == POWER)
        cut_power(&b, x, "in the end");
    else if (hit)
        must_hold(&b, x, CHECK_KILLED | CHECK_FULL);
    tallies[x->kind].runs += (uint64_t)hit;
    tallies[x->kind].failed += b.p.rc != 0;
    tallies[x->kind].succeeded += hit && !b.p.rc;
    int made = hit || (x->kind != HEAP && fault_calls(b.t) >= x->n);
    finish(&b);
    return made;
}

/* How many calls there are to fail. */
static uint64_t calls_of(const struct scenario *sc, int kind)
{
    struct point x = {sc, kind, ONCE, 0};
    struct bed b;
    snprintf(sweep_now, sizeof sweep_now, "%s:%s:once:0", sc->name, kind_name(kind));
    begin(&b, &x);
    arm(&b, &x);
    play_run(&b.p);
    play_end(&b.p);
    uint64_t n = kind == HEAP ? heap_calls() : fault_calls(b.t);
    if (b.p.rc || b.p.wrong[0])
        wrong("without any failure: %s: %d %s", b.p.step, b.p.rc, b.p.wrong);
    finish(&b);
    return n;
}

/* ---- many ---- */

struct sweep {
    uint64_t k, of;
    const char *progress, *only;
};

static void sweep_kind(const struct sweep *w, const struct scenario *sc, int kind)
{
    uint64_t n = calls_of(sc, kind);
    for (uint64_t i = 1; i <= n; i++) {
        if (i % w->of != w->k % w->of)
            continue;
        alarm(HANG_S);
        for (int mode = ONCE; mode < MODES; mode++)
            if (!run(&(struct point){sc, kind, (enum mode)mode, i}) && mode == ONCE)
                wrong("call %" PRIu64 " of %" PRIu64 " was never made", i, n);
    }
    printf("ok - fault/%s/%s: each of %" PRIu64 " %s\n", sc->name, kind_name(kind), n, kind == HEAP ? "allocations" : kind == POWER ? "syncs" : "calls");
}

static void sweep(const struct sweep *w)
{
    size_t count;
    const struct scenario *all = scenario_table(&count);
    uint64_t from = sweep_progress(w->progress);
    from = from < count * KINDS ? from : 0;
    for (size_t i = 0; i < count; i++)
        for (int kind = 0; kind < KINDS; kind++) {
            uint64_t number = i * KINDS + (uint64_t)kind;
            if ((w->only && strcmp(w->only, all[i].name) != 0) || number < from)
                continue;
            sweep_kind(w, &all[i], kind);
            sweep_came_to(w->progress, number + 1);
        }
}

static void some(uint64_t runs)
{
    size_t count;
    const struct scenario *all = scenario_table(&count);
    uint64_t r = seed * 0x9e3779b97f4a7c15u | 1;
    for (size_t i = 0; i < count; i++) {
        uint64_t calls[3] = {calls_of(&all[i], F_EIO), calls_of(&all[i], HEAP), calls_of(&all[i], POWER)};
        alarm(HANG_S * 10);
        uint64_t each = runs / count / (all[i].share && all[i].share < 50 ? 3 : 1);
        for (uint64_t k = 0; k < each; k++) {
            struct point x = {&all[i], (int)below(&r, KINDS + 3), (enum mode)below(&r, MODES), 0};
            x.kind = x.kind >= KINDS ? HEAP : x.kind;
            x.n = 1 + below(&r, calls[x.kind == HEAP ? 1 : x.kind == POWER ? 2 : 0]);
            run(&x);
        }
        printf("ok - fault/%s: %" PRIu64 " of its %" PRIu64 " calls and %" PRIu64 " allocations failed\n", all[i].name, each, calls[0], calls[1]);
    }
}

static int again(const char *id)
{
    char name[64], kind[16], mode[16];
    unsigned long long n;
    if (sscanf(id, "%63[^:]:%15[^:]:%15[^:]:%llu", name, kind, mode, &n) != 4)
        return 2;
    struct point x = {scenario_find(name), -1, MODES, n};
    for (int i = 0; i < KINDS; i++)
        if (strcmp(kind, kind_name(i)) == 0)
            x.kind = i;
    for (int i = 0; i < MODES; i++)
        if (strcmp(mode, mode_names[i]) == 0)
            x.mode = (enum mode)i;
    if (!x.sc || x.kind < 0 || x.mode == MODES)
        return 2;
    verbose = 1;
    printf("%s - fault: %s\n", run(&x) ? "ok" : "skip", id);
    return 0;
}

static void record_all(void)
{
    size_t count;
    char why[2048];
    const struct scenario *all = scenario_table(&count);
    for (size_t i = 0; i < count; i++)
        if (!(oracles[i] = oracle_record(&all[i], seed, why, sizeof why)))
            wrong("%s: %s", all[i].name, why);
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_SEED"), *every = getenv("CUBBY_FAULT"), *only = NULL;
    uint64_t runs = SAMPLE;
    struct sweep w = {.k = 1, .of = 1};
    seed = env ? strtoull(env, NULL, 10) : seed;
    for (int c; (c = getopt(argc, argv, "s:n:a:p:r:S:o:")) != -1;)
        switch (c) {
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'n': runs = strtoull(optarg, NULL, 10); break;
        case 'a': every = optarg; break;
        case 'p':
            if (sweep_share(optarg, &w.k, &w.of) != 0)
                return 2;
            break;
        case 'r': w.progress = optarg; break;
        case 'S': w.only = optarg; break;
        case 'o': only = optarg; break;
        default: return 2;
        }
    sweep_begin("fault", "test_fault");
    heap_install();
    record_all();
    double start = seconds();
    if (only)
        return again(only);
    printf("# seed %" PRIu64 "\n", seed);
    if (every && *every)
        sweep(&w);
    else
        some(runs);
    uint64_t total = 0;
    for (int i = 0; i < KINDS; i++) {
        printf("# %-6s %8" PRIu64 " runs: %8" PRIu64 " with a failed step, %7" PRIu64 " in which nothing failed for the caller\n", kind_name(i), tallies[i].runs,
               tallies[i].failed, tallies[i].succeeded);
        total += tallies[i].runs;
    }
    printf("# %" PRIu64 " runs in %.1f s: %.0f a second; in %" PRIu64 " of them the handle took another commit\n", total, seconds() - start, (double)total / (seconds() - start), went_on);
    size_t count;
    scenario_table(&count);
    for (size_t i = 0; i < count; i++)
        oracle_free(&oracles[i]);
    return 0;
}
