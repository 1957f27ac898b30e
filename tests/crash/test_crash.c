/* test_crash.c - power cuts at every operation boundary of every scenario, on the simulated disk.
 *
 * A scenario is played once as it should be, to record the oracle, and then with a hook behind every disk operation. There
 *  - each disk that a power cut could leave is opened, recovered and checked (play_check: I1 to I10, I13);
 *  - of some of them the recovery is cut off too, behind each of its operations, and of some of those again (depth 2 and 3);
 *  - on some the recovery meets a failing call, and then the power is cut: nothing that was acknowledged may be gone;
 *  - the process is killed, another takes over and is acknowledged a commit, and then the power is cut.
 * A state that counts is a disk that differs from all others of its scenario and seed, or that is met when more was acknowledged, was opened, recovered
 * and compared with the oracle.
 *
 * usage: test_crash [-t STATES] [-n STATES_PER_OP] [-s SEED] [-j PROCESSES] [-S SCENARIO] [-o OP -i STATE]   (the last two: one disk again)
 * STATES, CUBBY_CRASH_STATES, 50,000: rounds with other seeds are played until so many have been checked. As a soak (soak.h): until time is up. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/hash.h"
#include "crash/scenario.h"
#include "crash/sim_disk.h"
#include "soak.h"

enum { SCENARIOS_MAX = 128, PROCESSES_MAX = 16 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STATES = 10000 };
#else
enum { STATES = 50000 };
#endif

/* What was done. Shared by all processes. */
struct counts {
    uint64_t states;   /* all that were checked: the sum of the next four */
    uint64_t single, nested, deep, faulted;
    uint64_t takeovers; /* disks of killed processes that others went on with */
    uint64_t ops, rounds, violations;
};

struct shared {
    uint64_t next_job;
    struct counts total, of[SCENARIOS_MAX];
};

struct options {
    uint64_t seed, target, op;
    unsigned per_op, processes;
    unsigned stride; /* every so many operations are looked at */
    const char *only, *state;
    double end; /* 0: none */
};

struct run {
    const struct options *o;
    const struct scenario *scenario;
    struct play play;
    struct sim *sim;
    struct sim_seen *seen;
    struct counts n;
    uint64_t seed, op;
    int depth;               /* of the disk that is looked at */
    int new_index;           /* so many syncs until the index is one with a checkpoint; 0: it is */
    char where[256];         /* "after operation 7, state rand:12, ..." */
    char state[48];
    char failure[3000];
};

/* ---- failures ---- */

static int failed(struct run *r, const char *why)
{
    if (!r->failure[0])
        snprintf(r->failure, sizeof r->failure, "%s: %s", r->where, why);
    return -1;
}

static void __attribute__((format(printf, 3, 4))) go(struct run *r, size_t at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->where + at, sizeof r->where - at, fmt, ap);
    va_end(ap);
}

/* ---- one disk ---- */

/* What a check of this disk depends on beside its bytes. */
static uint64_t salt(const struct play_state *s)
{
    return (uint64_t)s->commits | (uint64_t)s->loose << 16 | (uint64_t)s->under_way << 32 | (uint64_t)s->made << 34;
}

static uint64_t dice(const struct run *r, const char *id, uint64_t more)
{
    uint64_t key[] = {r->seed, r->op, more};
    return cubby__hash64(key, sizeof key, cubby__hash64(id, strlen(id), 0));
}

/* A checkpoint takes two syncs: of the pages, and of the slot that leads to them. */
static void watch_index(struct run *r, const struct sim_op *op)
{
    int index = strcmp(op->path, PLAY_STORE "/index") == 0;
    if (index && strcmp(op->kind, "create") == 0)
        r->new_index = 2;
    else if (index && op->rc == 0 && strcmp(op->kind, "sync") == 0)
        r->new_index -= r->new_index > 0;
    else if (op->rc == 0 && strcmp(op->kind, "rename") == 0 && strcmp(op->path, PLAY_STORE "/tmp/new-index") == 0)
        r->new_index = 0;
}

static int nested_state(void *arg, struct sim *image, const char *id);

static void nested_op(void *arg, struct sim *s, const struct sim_op *op)
{
    struct run *r = arg;
    size_t at = strlen(r->where);
    struct sim_states_options o = {.max_states = r->depth == 1 ? 4 : 2, .seed = r->seed + op->n, .seen = r->seen, .salt = salt(&r->play.state)};
    watch_index(r, op);
    if (r->failure[0] || op->n > 60)
        return;
    go(r, at, ", recovery cut after its operation %llu", (unsigned long long)op->n);
    r->depth++;
    sim_states(s, &o, nested_state, r);
    r->depth--;
    r->where[at] = '\0';
}

/* Whoever repairs all the same loses nothing by it. */
static int repair_left(const struct run *r, struct sim *disk, char *why, size_t size)
{
    cubby_options o;
    cubby_error e = {0};
    cubby_repair_result result = {0};
    play_options(&r->play, sim_vfs(disk), &o);
    int rc = cubby_repair(PLAY_STORE, &o, 0, NULL, NULL, NULL, &result, &e);
    if (rc == 0)
        return play_check(&r->play, sim_vfs(disk), CHECK_STATE, why, size);
    snprintf(why, size, "a repair fails: %d (%s) %s@%lld %s", rc, cubby_strerror(rc), e.path, (long long)e.offset, e.message);
    return -1;
}

/* A power cut is no damage, and a check says so before anybody has opened the store. Of a copy: what is left is what recovery finds. A new index is written
 * where it stays, and may be torn before it has a checkpoint: that cannot be told from damage. */
static int check_left(struct run *r, struct sim *image, int repair)
{
    char why[2500];
    if (r->scenario->damages)
        return 0;
    struct sim *copy = sim_copy(image);
    int rc = play_check(&r->play, sim_vfs(copy), CHECK_LEFT, why, sizeof why);
    if (rc != 0 && r->new_index && strstr(why, "finds INDEX_META "))
        rc = 0;
    if (rc == 0 && repair && r->play.state.made == MADE)
        rc = repair_left(r, copy, why, sizeof why);
    sim_free(&copy);
    return rc != 0 ? failed(r, why) : 0;
}

/* Recovery of a disk, with the recovery cut off wherever it goes if `cut`. */
static int check_disk(struct run *r, struct sim *image, unsigned what, int cut)
{
    char why[2500];
    int rc = 0;
    if (cut) {
        int new_index = r->new_index;
        sim_on_op(image, nested_op, r);
        rc = play_check(&r->play, sim_vfs(image), CHECK_STATE | (what & CHECK_QUIET), why, sizeof why);
        sim_on_op(image, NULL, NULL);
        r->new_index = new_index;
    }
    if (rc == 0)
        rc = play_check(&r->play, sim_vfs(image), what, why, sizeof why);
    return rc != 0 ? failed(r, why) : r->failure[0] ? -1 : 0;
}

static int nested_state(void *arg, struct sim *image, const char *id)
{
    struct run *r = arg;
    size_t at = strlen(r->where);
    uint64_t d = dice(r, id, (uint64_t)r->depth);
    if (r->depth == 2)
        r->n.nested++;
    else
        r->n.deep++;
    go(r, at, ", state %s", id);
    int rc = d % 8 == 2 ? check_left(r, image, 0) : 0;
    if (rc == 0)
        rc = check_disk(r, image, CHECK_QUIET | (d % 16 == 0 ? CHECK_FULL : CHECK_STATE), r->depth == 2 && d % 32 == 1);
    r->where[at] = '\0';
    return rc;
}

/* ---- a recovery that meets a failing call ---- */

static int faulted_state(void *arg, struct sim *image, const char *id)
{
    struct run *r = arg;
    size_t at = strlen(r->where);
    r->n.faulted++;
    go(r, at, ", then state %s", id);
    int rc = check_disk(r, image, CHECK_STATE | CHECK_INDEX, 0);
    r->where[at] = '\0';
    return rc;
}

/* I11. An error says what happened: which call failed, and nothing else. */
static int is_honest(int err, int rc)
{
    return rc == (err == -EIO ? CUBBY_EIO : err == -ENOSPC ? CUBBY_ENOSPC : CUBBY_ENOMEM);
}

/* The calls that the next open of this disk makes. */
static uint64_t calls_of_open(const struct run *r, struct sim *image)
{
    struct sim *copy = sim_copy(image);
    cubby_options o;
    cubby_store *s = NULL;
    uint64_t before = sim_calls(copy);
    play_options(&r->play, sim_vfs(copy), &o);
    cubby_open(PLAY_STORE, &o, &s, NULL);
    uint64_t n = sim_calls(copy) - before;
    cubby_close(&s);
    sim_free(&copy);
    return n;
}

static int fault_recovery(struct run *r, struct sim *image, uint64_t d)
{
    static const int errors[] = {-EIO, -ENOSPC, -ENOMEM};
    size_t at = strlen(r->where);
    int err = errors[d % 3], known = 0;
    enum sim_fail mode = d / 3 % 2 ? SIM_FOREVER : SIM_ONCE;
    uint64_t call = 1 + d / 6 % calls_of_open(r, image);
    char why[2500] = "";
    cubby_options o;
    cubby_store *s = NULL;
    go(r, at, ", call %llu of recovery fails with %d%s", (unsigned long long)call, err, mode == SIM_FOREVER ? " and all behind it" : "");
    play_options(&r->play, sim_vfs(image), &o);
    sim_fail_call(image, sim_calls(image) + call, err, mode);
    int rc = cubby_open(PLAY_STORE, &o, &s, NULL), made = r->play.state.made == MADE;
    if (rc == 0 && (known = play_known(&r->play, s, 0, why, sizeof why)) > 0)
        failed(r, why);
    int bad = rc ? rc : known < 0 ? known : 0;
    if (bad != 0 && made && !is_honest(err, bad)) {
        snprintf(why, sizeof why, "I11: %s says %d (%s)", rc ? "open" : "reading", bad, cubby_strerror(bad));
        failed(r, why);
    }
    cubby_close(&s);
    if (!r->failure[0] && sim_open_files(image))
        failed(r, "I10: files are left open");
    sim_kill(image);
    struct sim_states_options so = {.max_states = 4, .seed = d, .seen = r->seen, .salt = salt(&r->play.state)};
    if (!r->failure[0])
        sim_states(image, &so, faulted_state, r);
    r->where[at] = '\0';
    return r->failure[0] ? -1 : 0;
}

/* ---- a power cut ---- */

static int on_state(void *arg, struct sim *image, const char *id)
{
    struct run *r = arg;
    int again = r->o->state != NULL;
    size_t at = strlen(r->where);
    if (again && strcmp(id, r->o->state) != 0)
        return 0;
    uint64_t d = dice(r, id, 0);
    r->n.single++;
    r->depth = 1;
    snprintf(r->state, sizeof r->state, "%s", id);
    go(r, at, ", state %s", id);
    int rc = check_left(r, image, again || d % 16 == 3);
    if (rc == 0 && (again || d % 8 == 0)) {
        struct sim *copy = sim_copy(image);
        rc = fault_recovery(r, copy, d / 8);
        sim_free(&copy);
    }
    if (rc == 0)
        rc = check_disk(r, image, CHECK_FULL | CHECK_QUIET, again || d % 8 == 1);
    if (rc == 0 && sim_open_files(image))
        rc = failed(r, "I10: files are left open");
    r->where[at] = '\0';
    return rc;
}

/* ---- a kill ---- */

/* Not CHECK_QUIET: the dead process may have written a checkpoint that it did not sync, and the power cut take it when its pages are used again. Then
 * the index is built anew. */
static int cut_later(void *arg, struct sim *image, const char *id)
{
    struct run *r = arg;
    char why[2500];
    size_t at = strlen(r->where);
    r->n.takeovers++;
    go(r, at, ", state %s", id);
    int rc = play_check(&r->play, sim_vfs(image), (dice(r, id, 9) % 4 ? CHECK_STATE : CHECK_FSCK | CHECK_INDEX), why, sizeof why);
    if (rc != 0)
        failed(r, why);
    r->where[at] = '\0';
    return rc;
}

/* What a process is shown that opens the store now survives any power cut from then on. */
static void look_and_cut(struct run *r, struct sim *disk, unsigned flags)
{
    struct sim_states_options o = {.max_states = 6, .seed = r->seed + r->op};
    struct play before = r->play;
    struct oracle after = {.commits = 0};
    cubby_options oo;
    cubby_store *store = NULL;
    play_options(&r->play, sim_vfs(disk), &oo);
    oo.flags = flags;
    if (cubby_open(PLAY_STORE, &oo, &store, NULL) != 0)
        return;
    if (dump_store(store, &after.after[0]) == 0) {
        r->play.oracle = &after;
        r->play.state.commits = r->play.state.loose = r->play.state.under_way = 0;
        sim_states(disk, &o, cut_later, r);
    }
    cubby_close(&store);
    dump_free(&after.after[0]);
    r->play.oracle = before.oracle;
    r->play.state = before.state;
}

/* I11: the next process finds all that was done, goes on, and what it is acknowledged survives a power cut. */
static int kill_and_go_on(struct run *r, struct sim *s)
{
    struct sim *copy = sim_copy(s);
    char why[2500];
    size_t at = strlen(r->where);
    r->state[0] = '\0';
    go(r, at, ", killed, and another goes on");
    int rc = play_check(&r->play, sim_vfs(copy), CHECK_KILLED | (r->op % 4 ? CHECK_WRITE : CHECK_FULL), why, sizeof why);
    if (rc != 0)
        failed(r, why);
    else
        look_and_cut(r, copy, 0); /* as check_write left it */
    r->where[at] = '\0';
    sim_free(&copy);
    return r->failure[0] ? -1 : 0;
}

/* I3: a client of a reader has seen that uid. */
static int kill_and_read(struct run *r, struct sim *s)
{
    struct sim *copy = sim_copy(s);
    size_t at = strlen(r->where);
    r->state[0] = '\0';
    go(r, at, ", killed, and read");
    look_and_cut(r, copy, CUBBY_READ_ONLY);
    r->where[at] = '\0';
    sim_free(&copy);
    return r->failure[0] ? -1 : 0;
}

static void on_op(void *arg, struct sim *s, const struct sim_op *op)
{
    struct run *r = arg;
    unsigned share = r->scenario->share ? r->scenario->share : 100;
    watch_index(r, op);
    if (r->failure[0] || (r->o->op ? op->n != r->o->op : op->n % r->o->stride != 0) || (r->o->end != 0 && soak_now() >= r->o->end))
        return;
    r->op = op->n;
    r->n.ops++;
    struct sim_states_options o = {.max_states = r->o->per_op * share / 100, .seed = r->seed + op->n, .seen = r->seen, .salt = salt(&r->play.state)};
    o.max_states = o.max_states < 4 ? 4 : o.max_states;
    o.map_writeback = op->n % 5 == 0;
    go(r, 0, "after operation %llu", (unsigned long long)op->n);
    if (r->o->state)
        sim_print_pending(s, stdout);
    if (sim_states(s, &o, on_state, r) == 0 && !r->o->state && r->play.state.made == MADE)
        op->n % 2 == 0 ? kill_and_go_on(r, s) : kill_and_read(r, s);
}

/* ---- a scenario ---- */

static void add_counts(struct counts *to, const struct counts *n)
{
    const uint64_t *from = &n->states;
    for (size_t i = 0; i < sizeof *n / sizeof *from; i++)
        __atomic_fetch_add(&(&to->states)[i], from[i], __ATOMIC_RELAXED);
}

static void explore(struct run *r)
{
    char why[1500];
    struct oracle *o = oracle_record(r->scenario, r->seed, why, sizeof why);
    if (!o) {
        failed(r, why);
        return;
    }
    r->sim = sim_new(r->seed);
    r->seen = sim_seen_new();
    play_begin(&r->play, r->scenario, o, sim_vfs(r->sim), r->seed);
    sim_on_op(r->sim, on_op, r);
    play_setup(&r->play);
    play_run(&r->play);
    play_end(&r->play);
    sim_on_op(r->sim, NULL, NULL);
    if (r->play.rc) {
        snprintf(why, sizeof why, "%s: %d %s %s", r->play.step, r->play.rc, r->play.error.message, r->play.wrong);
        failed(r, why);
    }
    sim_seen_free(&r->seen);
    sim_free(&r->sim);
    oracle_free(&o);
}

static void play_one(const struct options *o, struct shared *sh, size_t i, uint64_t seed)
{
    size_t count;
    struct run *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->o = o;
    r->scenario = &scenario_table(&count)[i];
    r->seed = seed;
    explore(r);
    r->n.states = r->n.single + r->n.nested + r->n.deep + r->n.faulted;
    r->n.rounds = 1;
    r->n.violations = r->failure[0] != '\0';
    if (r->failure[0]) {
        printf("not ok - crash/%s: %s\n# again: test_crash -s %llu -n %u -S %s -o %llu%s%s\n", r->scenario->name, r->failure, (unsigned long long)seed,
               o->per_op, r->scenario->name, (unsigned long long)r->op, r->state[0] ? " -i " : "", r->state);
        fflush(stdout);
    }
    add_counts(&sh->total, &r->n);
    add_counts(&sh->of[i], &r->n);
    free(r);
}

/* ---- all of them ---- */

static int over(const struct options *o, const struct shared *sh, uint64_t job, uint64_t count)
{
    uint64_t states = __atomic_load_n(&sh->total.states, __ATOMIC_RELAXED);
    if (__atomic_load_n(&sh->total.violations, __ATOMIC_RELAXED) > 3)
        return 1;
    if (o->end != 0)
        return soak_now() >= o->end;
    return job >= count && (o->only || states >= o->target); /* each scenario at least once */
}

static void work(const struct options *o, struct shared *sh)
{
    size_t count;
    const struct scenario *all = scenario_table(&count);
    for (;;) {
        uint64_t job = __atomic_fetch_add(&sh->next_job, 1, __ATOMIC_RELAXED);
        if (over(o, sh, job, count))
            return;
        if (!o->only || strcmp(o->only, all[job % count].name) == 0)
            play_one(o, sh, job % count, o->seed + job / count);
    }
}

static int work_all(const struct options *o, struct shared *sh)
{
    pid_t pids[PROCESSES_MAX];
    int bad = 0, status;
    fflush(stdout);
    if (o->processes == 1) {
        work(o, sh);
        return 0;
    }
    for (unsigned i = 0; i < o->processes; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            work(o, sh);
            exit(0); /* so that a leak checker looks */
        }
    }
    for (unsigned i = 0; i < o->processes; i++)
        if (pids[i] < 0 || waitpid(pids[i], &status, 0) != pids[i] || status != 0)
            bad = 1;
    return bad;
}

static void report(const struct options *o, const struct shared *sh, double took)
{
    size_t count;
    const struct scenario *all = scenario_table(&count);
    const struct counts *t = &sh->total;
    for (size_t i = 0; i < count; i++)
        if (sh->of[i].rounds && !sh->of[i].violations)
            printf("ok - crash/%s: %llu states, %llu of them within a recovery\n", all[i].name, (unsigned long long)sh->of[i].states,
                   (unsigned long long)(sh->of[i].states - sh->of[i].single));
    printf("%s - crash: %llu states (%llu power cuts, %llu of recovery, %llu of that again, %llu behind a failing call), %llu takeovers, %llu operations, "
           "%llu violations, seeds %llu to %llu, %u an operation, %u processes, %.0f s\n",
           t->violations || !t->states ? "not ok" : "ok", (unsigned long long)t->states, (unsigned long long)t->single, (unsigned long long)t->nested,
           (unsigned long long)t->deep, (unsigned long long)t->faulted, (unsigned long long)t->takeovers, (unsigned long long)t->ops,
           (unsigned long long)t->violations, (unsigned long long)o->seed, (unsigned long long)(o->seed + (sh->next_job ? (sh->next_job - 1) / count : 0)),
           o->per_op, o->processes, took);
}

static void soak_end(struct soak *soak, const struct options *o, const struct shared *sh)
{
    *soak_total(soak, "job") = sh->next_job - o->processes; /* each took one more, and saw that time was up */
    *soak_total(soak, "states") += sh->total.states;
    *soak_total(soak, "power-cuts") += sh->total.single;
    *soak_total(soak, "recoveries-cut") += sh->total.nested + sh->total.deep;
    *soak_total(soak, "recoveries-failed") += sh->total.faulted;
    *soak_total(soak, "takeovers") += sh->total.takeovers;
    *soak_total(soak, "violations") += sh->total.violations;
    if (soak_save(soak) != 0)
        printf("not ok - crash: cannot write %s\n", soak->path);
}

static int parse(int argc, char **argv, struct options *o)
{
    const char *env = getenv("CUBBY_CRASH_STATES");
    *o = (struct options){.seed = 1, .target = env ? strtoull(env, NULL, 10) : STATES, .processes = 2};
    for (int c; (c = getopt(argc, argv, "t:s:n:j:S:o:i:")) != -1;) {
        switch (c) {
        case 't': o->target = strtoull(optarg, NULL, 10); break;
        case 's': o->seed = strtoull(optarg, NULL, 10); break;
        case 'n': o->per_op = (unsigned)atoi(optarg); break;
        case 'j': o->processes = (unsigned)atoi(optarg); break;
        case 'S': o->only = optarg; break;
        case 'o': o->op = strtoull(optarg, NULL, 10); break;
        case 'i': o->state = optarg; break;
        default: return -1;
        }
    }
    if (o->only && !scenario_find(o->only)) {
        printf("not ok - crash: no scenario %s\n", o->only);
        return -1;
    }
    if (o->only)
        o->processes = 1;
    if (o->processes < 1 || o->processes > PROCESSES_MAX)
        return -1;
    o->stride = o->target < 20000 && !o->only ? 3 : 1;
    if (!o->per_op) /* so that a large number is one round with many disks an operation, and not only many rounds */
        o->per_op = o->target < 20000 ? 4 : o->target < 100000 ? 8 : o->target < 1000000 ? 48 : 160;
    return 0;
}

int main(int argc, char **argv)
{
    struct options o;
    struct soak soak;
    struct shared *sh = mmap(NULL, sizeof *sh, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double start = soak_now();
    if (sh == MAP_FAILED || parse(argc, argv, &o) != 0)
        return 2;
    int soaking = soak_begin(&soak, "crash");
    if (soaking) {
        o.end = soak.end;
        o.per_op = 64;
        o.seed = 1000;
        sh->next_job = *soak_total(&soak, "job");
    }
    int bad = work_all(&o, sh);
    report(&o, sh, soak_now() - start);
    if (bad)
        printf("not ok - crash: a process ended badly\n");
    if (soaking)
        soak_end(&soak, &o, sh);
    if (o.state && !sh->total.single)
        printf("not ok - crash/%s: no such state after operation %llu with %u states an operation\n", o.only, (unsigned long long)o.op, o.per_op);
    return bad || sh->total.violations || (o.state && !sh->total.single);
}
