/* fuzz_ops.c - any operations of the public interface on the simulated disk, with power cuts, kills, failing calls and failing memory between and within
 * them. What must hold is play_check of crash/scenario.h, after each of these and at the end; what was acknowledged is recorded as it happens.
 *
 * The input is four bytes of options, then operations of four bytes each: which, and three arguments. A power cut (CUT) is armed for a number of disk
 * operations later: what it leaves is kept while the step that it hits goes on, so that the state behind the commit under way is known, too; then
 * the rest of the operations goes on with that disk (the next epoch). CUTs that follow at once cut the recovery from it. FAIL, FAIL_DISK, FAIL_HEAP and KILL are
 * armed the same way; if the outcome of a commit is unknown then, the epoch is played again without the failure to learn what it would have made. */
#include "base/hash.h"
#include "crash/scenario_list.h"
#include "fuzz/fuzz_ops.h"

/* Thousands of small allocations a run: they are cheaper so. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "malloc_context_size=4:quarantine_size_mb=16";
}

static struct sim *base; /* scenario_some_mail */
static struct play_state base_state;
static uint64_t base_live;

/* ---- epochs ---- */

static int must_fail_later(struct input in)
{
    for (; in.n >= OP; take_bytes(&in, OP))
        if (in.p[0] % OPS >= KILL)
            return 1;
    return 0;
}

/* Goes on with w->sim, on which nothing is open. */
static void begin_epoch(struct world *w, const struct play_state *state)
{
    uint64_t seed = w->p.seed;
    w->start_in = w->in;
    w->start_state = *state;
    w->start_names = w->names;
    w->oracle = calloc(1, sizeof *w->oracle);
    must(w->oracle != NULL);
    w->start = NULL;
    if (!w->again && must_fail_later(w->in)) { /* the other run will be on such a copy, too: the same clock */
        w->start = w->sim;
        w->sim = sim_copy(w->start);
    }
    w->faults = fault_table_new(sim_vfs(w->sim));
    w->spent = w->armed = 0;
    sim_on_op(w->sim, ops_on_disk, w);
    play_begin(&w->p, &w->sc, w->oracle, fault_table_vfs(w->faults), seed);
    w->p.recording = w->oracle;
    w->p.steps = w->names.steps;
    w->p.state.made = state->made;
    w->p.state.uidnext = state->uidnext;
    w->p.state.modseq = state->modseq;
    if (state->made != MADE)
        play_create(&w->p);
    play_open(&w->p, 0, 0);
}

static void end_epoch(struct world *w)
{
    ops_disarm(w);
    w->names.steps = w->p.steps;
    w->cut_at = 0;
    sim_on_op(w->sim, NULL, NULL);
    w->p.rc = 0;
    play_end(&w->p);
    if (w->p.wrong[0])
        ops_wrong(w, "%s", w->p.wrong);
    if (sim_open_files(w->sim))
        ops_wrong(w, "I10: files are left open");
    fault_table_free(&w->faults);
    sim_free(&w->start);
}

static void free_epoch(struct world *w)
{
    oracle_free(&w->oracle);
    sim_free(&w->sim);
}

/* ---- what was done ---- */

/* The state behind commit number n, which the failure kept from being recorded: as it is without. 0: it cannot be known. */
static int learn(struct world *w, int n)
{
    if (w->oracle->after[n].text)
        return 1;
    if (!w->start || w->spent)
        return 0;
    struct world *v = calloc(1, sizeof *v);
    must(v != NULL);
    ops_tell("[again] ");
    v->sc = w->sc;
    v->p.seed = w->p.seed;
    v->in = w->start_in;
    v->again = 1;
    v->names = w->start_names;
    v->sim = sim_copy(w->start);
    begin_epoch(v, &w->start_state);
    while (v->in.n > w->in.n && v->p.state.commits < n) {
        struct input op = take_bytes(&v->in, OP);
        ops_do(v, op.p);
    }
    for (int i = 0; i <= v->oracle->commits && i <= n; i++)
        if (!w->oracle->after[i].text) {
            w->oracle->after[i] = v->oracle->after[i];
            v->oracle->after[i] = (struct dump){0};
            w->oracle->commits = i;
        }
    end_epoch(v);
    free_epoch(v);
    free(v);
    return w->oracle->after[n].text != NULL;
}

/* 0: what a check would compare with is not known. */
static int learn_all(struct world *w, const struct play_state *s)
{
    for (int i = s->commits - s->loose; i <= s->commits + s->under_way; i++)
        if (!learn(w, i))
            return 0;
    return 1;
}

/* Each is an open of its own or two, so one of them at a time. */
static unsigned checks_of(unsigned dice)
{
    static const unsigned more[] = {CHECK_FSCK, CHECK_INDEX, CHECK_AGAIN, CHECK_WRITE};
    return CHECK_STATE | (dice & 4 ? more[dice & 3] : 0);
}

static void mend_image(const struct world *w, struct sim *image)
{
    cubby_repair_result r;
    cubby_options o;
    cubby_error e = {0};
    play_options(&w->p, sim_vfs(image), &o);
    int rc = cubby_repair(PLAY_STORE, &o, 0, NULL, NULL, NULL, &r, &e);
    if (rc || r.left)
        ops_wrong(w, "power cut: a repair leaves %llu problems: %d %s", (unsigned long long)r.left, rc, e.message);
}

/* The disk that is left, cut off again within its recovery as long as the input says so. Owner of what is returned: the caller. */
static struct sim *check_image(struct world *w, struct sim *image)
{
    char why[2500] = "";
    unsigned quiet = w->noisy ? 0 : CHECK_QUIET;
    if (w->image_harmed)
        mend_image(w, image);
    while (w->in.n >= OP && w->in.p[0] % OPS == CUT && w->ops++ < OPS_MAX) {
        struct input op = take_bytes(&w->in, OP);
        ops_arm_cut(w, image, op.p);
        w->image = NULL;
        sim_on_op(image, ops_on_disk, w);
        if (play_check(&w->p, sim_vfs(image), CHECK_STATE | quiet, why, sizeof why) != 0)
            ops_wrong(w, "power cut: %s", why);
        sim_on_op(image, NULL, NULL);
        w->cut_at = 0;
        if (!w->image)
            break;
        sim_free(&image);
        image = w->image;
    }
    w->image = NULL;
    unsigned what = checks_of(w->cut_how >> 3);
    if (play_check(&w->p, sim_vfs(image), what | quiet, why, sizeof why) != 0)
        ops_wrong(w, "power cut: %s", why);
    w->index_lost |= (what & CHECK_INDEX) != 0; /* unsynced: the one before may come back with any later power cut */
    if (sim_open_files(image))
        ops_wrong(w, "I10: files are left open");
    return image;
}

/* The power is off: the next epoch goes on with what is left. 0: nothing more can be said. */
static int after_cut(struct world *w)
{
    struct sim *image = w->image;
    struct play_state s = w->image_state;
    ops_disarm(w);
    if (!learn_all(w, &s)) {
        sim_free(&w->image);
        return 0;
    }
    sim_crash_at(w->sim, 1);
    end_epoch(w);
    w->p.state = s;
    w->image = NULL;
    image = check_image(w, image);
    w->harmed = 0; /* the disk was mended, or is one from before */
    s.made = s.made == MADE_PERHAPS ? MADE : s.made; /* by the check */
    free_epoch(w);
    w->sim = image;
    begin_epoch(w, &s);
    w->noisy |= w->index_lost;
    if (w->p.rc)
        ops_wrong(w, "after a power cut the store cannot be used");
    return 1;
}

/* ---- failures ---- */

/* The repair behind HARM_INDEX failed, and an open does not look at every page. */
static void mend(struct world *w)
{
    ops_close_all(w);
    play_repair(&w->p);
    w->harmed = w->p.rc != 0;
}

/* Nothing fails any more: the next transaction settles what was unknown, and what is there is known. 0: nothing more can be said. */
static int settle(struct world *w)
{
    struct play *p = &w->p;
    struct dump now = {0};
    cubby_txn *t = NULL;
    if (w->harmed)
        mend(w);
    ops_need_handle(w);
    int rc = p->rc ? p->rc : cubby_txn_begin(p->store, 0, &t);
    cubby_txn_abort(&t);
    if (rc == CUBBY_ELATCHED || rc == CUBBY_EACCES || rc == CUBBY_ENOSPC) { /* as documented: another handle */
        ops_close(w, ops_in_use(w));
        p->rc = 0;
        ops_need_handle(w);
        rc = p->rc ? p->rc : cubby_txn_begin(p->store, 0, &t);
        cubby_txn_abort(&t);
    }
    if (rc || (rc = dump_store(p->store, &now)) != 0)
        ops_wrong(w, "after a failure nothing works: %d", rc);
    int last = p->state.commits + p->state.under_way, i = last;
    while (i >= p->state.commits && learn(w, i) && !dump_same(&w->oracle->after[i], &now))
        i--;
    if (i >= p->state.commits && !w->oracle->after[i].text) {
        dump_free(&now);
        return 0;
    }
    if (i < p->state.commits) {
        char why[600];
        dump_difference(&w->oracle->after[p->state.commits], &now, why, sizeof why);
        ops_wrong(w, "I1/I2: after a failure: %s", why);
    }
    dump_free(&now);
    for (int k = i + 1; k <= last; k++) /* that one never was */
        dump_free(&w->oracle->after[k]);
    p->state.loose = i > p->state.commits && !p->txn_lazy ? 0 : p->state.loose + (i > p->state.commits);
    p->state.commits = i;
    p->state.under_way = 0;
    w->oracle->commits = i;
    return 1;
}

/* A step failed because it was made to, or something failed and it did not mind. 0: nothing more can be said. */
static int after_failure(struct world *w, const uint8_t *op)
{
    struct play *p = &w->p;
    ops_tell("[%s: %d] ", p->step ? p->step : "failed", p->rc);
    if (p->rc && !ops_is_honest(p->rc) && !ops_is_refusal(p->rc))
        ops_wrong(w, "I11");
    if (p->rc && !ops_is_honest(p->rc) && strcmp(p->step, "open") == 0)
        ops_wrong(w, "I11: open");
    int killed = w->armed == KILL;
    ops_disarm(w);
    w->noisy = 1;
    if (p->rc && op[0] % OPS == HOLD) /* half of what it shows is known */
        play_release(p, op[1] % PLAY_SNAPS);
    p->rc = 0;
    play_txn_abort(p);
    if (killed && w->victim >= 0)
        play_use(p, w->victim);
    if (killed ? w->victim >= 0 : op[3] % 4 == 1)
        ops_die(w);
    if (op[3] % 4 == 2)
        ops_close_all(w);
    if (op[3] % 4 == 3 && !w->image) {
        ops_take_image(w, w->sim, op[3] >> 2);
        ops_tell("[cut] ");
        return 1;
    }
    int known = settle(w);
    w->spent = 1;
    return known;
}

/* What an error of the system may make a look at the store say. */
static void excuse(struct world *w, enum op what)
{
    int ro = 0;
    for (int i = 0; i < PLAY_HANDLES; i++)
        ro |= w->p.stores[i] && cubby_is_read_only(w->p.stores[i]);
    if (what == CHECK || what == REPAIR || what == HARM_INDEX || (ro && strstr(w->p.wrong, "I12"))) {
        w->p.wrong[0] = '\0';
        w->p.rc = CUBBY_EIO;
    }
}

/* The state behind the last commit is about to matter. */
static void record(struct world *w)
{
    w->p.recording = w->oracle;
    if (!w->oracle->after[w->p.state.commits].text && w->p.store)
        play_record(&w->p);
}

/* 0: the rest of the input says nothing. */
static int step(struct world *w)
{
    struct input bytes = take_bytes(&w->in, OP);
    enum op what = (enum op)(bytes.p[0] % OPS);
    if (what >= TXN || what == FLAG_LAZY || w->p.state.loose || w->armed || w->cut_at)
        record(w);
    else /* for speed: it will not be looked at, or can be recorded later */
        w->p.recording = NULL;
    ops_do(w, bytes.p);
    int failed = w->armed && (ops_hit(w) || ops_killed(w));
    if (w->p.wrong[0] && failed)
        excuse(w, what);
    if (w->p.wrong[0])
        ops_wrong(w, "%s", w->p.wrong);
    if (w->p.rc && strcmp(w->p.step, "dump") == 0) /* half of it is there */
        dump_free(&w->oracle->after[w->p.state.commits]);
    if (failed && !w->image) {
        if (!after_failure(w, bytes.p))
            return 0;
    } else if (w->p.rc && !failed) {
        ops_wrong(w, "nothing was made to fail");
    }
    return w->image ? after_cut(w) : 1;
}

static void make_base(void)
{
    struct scenario sc = {.name = "some mail"};
    struct play p;
    heap_install();
    base = sim_new(1);
    play_begin(&p, &sc, NULL, sim_vfs(base), 1);
    scenario_some_mail(&p);
    play_checkpoint(&p); /* an open then has nothing to replay */
    play_end(&p);
    must(p.rc == 0);
    base_state = p.state;
    base_live = heap_live();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint64_t segments[] = {0, 2000, 3000, 4096}, checkpoints[] = {0, 400, 600, 1500};
    struct world w = {.in = {data, n}};
    char why[2500] = "";
    if (!base)
        make_base();
    ops_story_begins();
    uint64_t options[OP];
    for (int i = 0; i < OP; i++)
        options[i] = take(&w.in, 1);
    w.sc = (struct scenario){.name = "fuzz", .segment_bytes = segments[options[0] & 3], .checkpoint_bytes = (uint32_t)checkpoints[options[0] >> 2 & 3]};
    w.p.seed = options[1];
    w.sim = options[0] & 0x10 ? sim_new(1) : sim_copy(base);
    if (!(options[0] & 0x10))
        w.names.folders[w.names.made++] = 2;
    w.cut_at = options[0] & 0x20 ? options[2] + 1 : 0;
    w.cut_how = (unsigned)options[3];
    begin_epoch(&w, options[0] & 0x10 ? &(struct play_state){0} : &base_state);
    int more = w.image ? after_cut(&w) : 1;
    while (more && w.in.n >= OP && w.ops++ < OPS_MAX)
        more = step(&w);
    ops_tell("[end] ");
    if (more)
        record(&w);
    end_epoch(&w);
    if (more) {
        unsigned what = checks_of((unsigned)cubby__hash64(data, n, 0)) | CHECK_KILLED | (w.noisy ? 0 : CHECK_QUIET);
        if (w.p.wrong[0] || play_check(&w.p, sim_vfs(w.sim), what, why, sizeof why) != 0)
            ops_wrong(&w, "at the end: %s", why);
    }
    free_epoch(&w);
    if (heap_live() != base_live)
        ops_wrong(&w, "%llu allocations are never freed", (unsigned long long)(heap_live() - base_live));
    if (getenv("FUZZ_VERBOSE"))
        fprintf(stderr, "# %s\n", ops_story());
    return 0;
}
