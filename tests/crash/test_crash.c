/* test_crash.c - power cuts at every operation boundary of a workload, on the simulated disk.
 *
 * The workload runs twice with the same seed. The first run notes what the store looks like after each commit (its dump). The second
 * runs with a hook behind every disk operation: each disk that a power cut could leave there is opened, recovered and compared. What must hold:
 *  I1 every acknowledged commit is there, to the byte            I2 what is there is the state after some whole commit, not before the last
 *  I5 the check finds nothing                                       acknowledged one and not behind the one under way
 *  I6 with the index deleted the dump is the same                I7 a second open writes nothing but index pages
 *  I9 the store takes another commit, with a uid and a modseq       and recovery itself may be cut off anywhere (depth 2)
 *     that nobody has seen, not even of a lazy commit
 *  I11 if the process dies, another goes on, and then the power is cut: what the other one acknowledged is there
 *
 * usage: test_crash [-s SEED] [-n STATES_PER_OP] [-S SCENARIO] [-o OP -i STATE]   (the last two: one state again, verbosely) */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cubby.h"
#include "crash/sim_disk.h"

enum { COMMITS_MAX = 200 };
#define STORE "/store"

struct text {
    char *p;
    size_t n, cap;
};

static void add(struct text *t, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (t->n + (size_t)n + 1 > t->cap) {
        t->cap = (t->n + (size_t)n + 1) * 2;
        t->p = realloc(t->p, t->cap);
        if (!t->p)
            abort();
    }
    memcpy(t->p + t->n, line, (size_t)n + 1);
    t->n += (size_t)n;
}

struct run {
    struct sim *sim;
    uint64_t seed;
    unsigned max_states;
    const struct scenario *scenario;
    cubby_store *store;
    char *dumps[COMMITS_MAX]; /* by number of commits acknowledged */
    uint64_t last_uid, last_modseq;
    int loose;                /* the last commits, lazy ones that a power cut may take */
    int acked;                /* commits so far */
    int recording;
    struct sim_seen *seen;
    uint64_t states, tried, depth2, ops;
    uint64_t only_op;
    const char *only_state;
    char failure[2048];
};

/* ---- what a store looks like ---- */

static void dump_folder(struct text *t, cubby_snapshot *snap, const cubby_folder *f)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_scan *scan;
    const cubby_row *row;
    add(t, "folder %llu %llu %.*s v%u next%llu m%llu u%llu d%llu b%llu hms%llu r%u\n", (unsigned long long)f->id, (unsigned long long)f->parent,
        (int)f->name_len, f->name, f->uidvalidity, (unsigned long long)f->uidnext, (unsigned long long)f->messages, (unsigned long long)f->unseen,
        (unsigned long long)f->deleted, (unsigned long long)f->bytes, (unsigned long long)f->highestmodseq, f->recent_uid);
    o.want = CUBBY_WANT_OBJECT;
    int rc = cubby_scan_open(snap, f->id, &o, &scan);
    if (rc != 0) {
        add(t, "scan fails: %d\n", rc);
        return;
    }
    while ((rc = cubby_scan_next(scan, &row)) == 0) {
        add(t, "%llu/%u o%llu f%u m%llu c%llu d%lld s%llu x%d ", (unsigned long long)f->id, row->uid, (unsigned long long)row->object, row->flags,
            (unsigned long long)row->modseq, (unsigned long long)row->created_modseq, (long long)row->internaldate, (unsigned long long)row->size, row->damage);
        for (size_t i = 0; i < row->keyword_count; i++)
            add(t, "k%u ", row->keywords[i]);
        for (int i = 0; i < 16; i++)
            add(t, "%02x", row->hash[i]);
        cubby_reader *r = NULL;
        rc = cubby_reader_open(snap, f->id, row->uid, &r);
        add(t, " %s\n", rc == 0 && cubby_reader_verify(r) == 0 ? "whole" : "UNREADABLE");
        cubby_reader_close(&r);
    }
    if (rc != CUBBY_DONE)
        add(t, "scan ends: %d\n", rc);
    cubby_scan_close(&scan);
    cubby_changes *c;
    cubby_change ch;
    rc = cubby_changes_open(snap, f->id, 0, &c);
    while (rc == 0 && cubby_changes_next(c, &ch) == 0)
        add(t, "change %d %u-%u m%llu\n", ch.kind, ch.uid, ch.uid_last, (unsigned long long)ch.modseq);
    if (rc == 0)
        cubby_changes_close(&c);
}

static char *dump(cubby_store *s)
{
    struct text t = {0};
    cubby_snapshot *snap;
    int rc = cubby_snapshot_begin(s, &snap);
    add(&t, "rc %d\n", rc);
    if (rc != 0)
        return t.p;
    add(&t, "modseq %llu\n", (unsigned long long)cubby_snapshot_modseq(snap));
    char name[256] = "";
    size_t len = 0;
    cubby_folder f;
    while (cubby_folder_next(snap, CUBBY_ROOT, name, len, &f) == 0) {
        memcpy(name, f.name, len = f.name_len);
        dump_folder(&t, snap, &f);
    }
    cubby_snapshot_end(&snap);
    return t.p;
}

/* ---- the workload: every step is one commit ---- */

static void must(struct run *r, int rc, const char *what)
{
    if (rc == 0)
        return;
    cubby_error e = {0};
    if (r->store)
        cubby_last_error(r->store, &e);
    printf("not ok - crash/%s: the workload itself fails: %s: %d %s %s\n", r->failure, what, rc, e.path, e.message);
    exit(1);
}

static void commit(struct run *r, cubby_txn **t)
{
    must(r, cubby_txn_commit(t, &r->last_modseq), "commit");
    r->acked++;
    r->loose = 0;
    if (r->recording)
        r->dumps[r->acked] = dump(r->store);
}

static void append(struct run *r, uint64_t folder, size_t body, unsigned lazy)
{
    char *b = malloc(body + 200);
    cubby_message *m;
    cubby_txn *t;
    uint32_t uid;
    cubby_add_options o = CUBBY_ADD_INIT;
    size_t n = (size_t)sprintf(b, "From: a@example.org\nSubject: number %d\nReceived: from here\n\n", r->acked);
    for (size_t i = 0; i < body; i++)
        b[n + i] = (char)("abcdefghij klm\nopq"[(i * 7 + (size_t)r->acked * 13 + i / 19) % 18]);
    o.has_date = 1;
    o.internaldate = 1700000000 + r->acked;
    must(r, cubby_message_new(r->store, &m), "message_new");
    must(r, cubby_message_write(m, b, n + body), "write");
    must(r, cubby_message_finish(m), "finish");
    must(r, cubby_txn_begin(r->store, lazy, &t), "begin");
    must(r, cubby_add(t, folder, m, &o, &uid), "add");
    commit(r, &t);
    cubby_message_free(&m);
    free(b);
}

static void flag(struct run *r, const char *uids, uint32_t flags, const char *keyword, unsigned lazy)
{
    cubby_txn *t;
    cubby_uidset *set;
    must(r, cubby_uidset_parse(uids, 1000, &set), "uidset");
    must(r, cubby_txn_begin(r->store, lazy, &t), "begin");
    must(r, cubby_flag(t, 1, set, CUBBY_FLAGS_ADD, flags, &keyword, keyword ? 1 : 0, NULL), "flag");
    commit(r, &t);
    cubby_uidset_free(&set);
}

static void expunge(struct run *r, const char *uids)
{
    cubby_txn *t;
    cubby_uidset *set;
    must(r, cubby_uidset_parse(uids, 1000, &set), "uidset");
    must(r, cubby_txn_begin(r->store, 0, &t), "begin");
    must(r, cubby_expunge(t, 1, set, 0, NULL), "expunge");
    commit(r, &t);
    cubby_uidset_free(&set);
}

static uint64_t folder_create(struct run *r, const char *name)
{
    cubby_txn *t;
    uint64_t id;
    must(r, cubby_txn_begin(r->store, 0, &t), "begin");
    must(r, cubby_folder_create(t, CUBBY_ROOT, name, strlen(name), &id), "folder_create");
    commit(r, &t);
    return id;
}

static void copy_or_move(struct run *r, const char *uids, uint64_t to, int move)
{
    cubby_txn *t;
    cubby_uidset *set;
    must(r, cubby_uidset_parse(uids, 1000, &set), "uidset");
    must(r, cubby_txn_begin(r->store, 0, &t), "begin");
    must(r, move ? cubby_move(t, 1, set, to, NULL, NULL) : cubby_copy(t, 1, set, to, NULL, NULL), "copy or move");
    commit(r, &t);
    cubby_uidset_free(&set);
}

static void options(struct run *r, cubby_options *o);

static void reopen(struct run *r)
{
    cubby_options o;
    options(r, &o);
    must(r, cubby_close(&r->store), "close");
    must(r, cubby_open(STORE, &o, &r->store, NULL), "open");
}

static void appends(struct run *r)
{
    for (int i = 0; i < 6; i++)
        append(r, 1, (size_t)(i * 300), 0);
}

static void flags(struct run *r)
{
    append(r, 1, 100, 0);
    append(r, 1, 100, 0);
    flag(r, "1", CUBBY_SEEN, NULL, 0);
    flag(r, "1:2", CUBBY_FLAGGED, "$Forwarded", 0);
    flag(r, "2", CUBBY_DELETED, NULL, 0);
}

static void lazy_flags(struct run *r)
{
    append(r, 1, 100, 0);
    flag(r, "1", CUBBY_SEEN, NULL, CUBBY_LAZY); /* announces the ceiling, so it is synced */
    append(r, 1, 50, 0);
}

/* Lazy commits below a ceiling, which may be lost without a trace: behind a checkpoint, behind a clean stop, behind a roll. */
static void shown(struct run *r)
{
    for (int i = 0; i < 3; i++) {
        append(r, 1, 700, 0);
        flag(r, "1:1000", CUBBY_SEEN, NULL, CUBBY_LAZY); /* the first one announces the ceiling, so it is synced */
        r->loose = i > 0;
        if (i == 0)
            must(r, cubby_checkpoint(r->store), "checkpoint");
        if (i == 1)
            reopen(r);
        int loose = i == 1 ? 0 : r->loose + 1; /* behind the clean stop it announces the ceiling anew */
        flag(r, "1:1000", 2u << i, NULL, CUBBY_LAZY);
        r->loose = loose;
        flag(r, "1:1000", CUBBY_DRAFT, NULL, CUBBY_LAZY);
        r->loose = loose + 1;
    }
}

static void expunges(struct run *r)
{
    for (int i = 0; i < 4; i++)
        append(r, 1, 60, 0);
    expunge(r, "2:3");
    expunge(r, "4");
    append(r, 1, 60, 0);
}

static void folders(struct run *r)
{
    append(r, 1, 80, 0);
    uint64_t id = folder_create(r, "Archive");
    append(r, id, 80, 0);
    copy_or_move(r, "1", id, 0);
    copy_or_move(r, "1", id, 1);
}

/* Segments of a few kilobytes: several rolls, each between commits that must survive. */
static void rolls(struct run *r)
{
    for (int i = 0; i < 9; i++)
        append(r, 1, 700, 0);
    flag(r, "1:9", CUBBY_SEEN, NULL, 0);
    expunge(r, "1:2");
}

static void checkpoints(struct run *r)
{
    for (int i = 0; i < 5; i++) {
        append(r, 1, 120, 0);
        must(r, cubby_checkpoint(r->store), "checkpoint");
    }
    flag(r, "2:4", CUBBY_ANSWERED, NULL, 0);
    must(r, cubby_checkpoint(r->store), "checkpoint");
    expunge(r, "1");
}

static void reopens(struct run *r)
{
    for (int i = 0; i < 4; i++) {
        append(r, 1, 90, 0);
        reopen(r);
    }
    flag(r, "1", CUBBY_SEEN, NULL, 0);
    reopen(r);
    append(r, 1, 90, 0);
}

/* Several pieces, and more than stays in memory: through the spool. */
static void large(struct run *r)
{
    append(r, 1, 10, 0);
    append(r, 1, 300000, 0);
    append(r, 1, 10, 0);
}

struct scenario {
    const char *name;
    void (*steps)(struct run *);
    uint64_t segment_bytes;
    uint32_t checkpoint_bytes;
    unsigned share; /* states an operation, in hundredths of the option */
};

static const struct scenario scenarios[] = {
    {"append", appends, 0, 0, 100},      {"flags", flags, 0, 0, 100},
    {"lazy", lazy_flags, 0, 0, 100},     {"shown", shown, 4096, 0, 60},
    {"expunge", expunges, 0, 0, 100},
    {"folders", folders, 0, 0, 100},     {"roll", rolls, 4096, 0, 60},
    {"checkpoint", checkpoints, 0, 0, 60}, {"reopen", reopens, 0, 0, 100},
    {"small", rolls, 3000, 1500, 50},    {"large", large, 0, 0, 20},
};

/* ---- one possible disk ---- */

static void options(struct run *r, cubby_options *o)
{
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    o->vfs = sim_vfs(r->sim);
    o->segment_bytes = r->scenario->segment_bytes;
    o->checkpoint_bytes = r->scenario->checkpoint_bytes;
}

static int fail(struct run *r, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->failure, sizeof r->failure, fmt, ap);
    va_end(ap);
    return -1;
}

static int on_finding(void *arg, const cubby_finding *f)
{
    struct run *r = arg;
    if (f->severity == CUBBY_NOTE)
        return 0;
    fail(r, "I5: the check finds %s %s@%llu: %s", f->code, f->file, (unsigned long long)f->offset, f->detail);
    return 1;
}

/* The dump is that of the acknowledged commits, or with the one under way. */
static int known(struct run *r, const char *d)
{
    for (int i = r->acked - r->loose; i <= r->acked + 1 && i < COMMITS_MAX; i++)
        if (r->dumps[i] && strcmp(r->dumps[i], d) == 0)
            return i;
    return -1;
}

static int open_image(struct run *r, struct sim *image, cubby_store **out, const char *when)
{
    cubby_options o;
    cubby_error e = {0};
    options(r, &o);
    o.vfs = sim_vfs(image);
    int rc = cubby_open(STORE, &o, out, &e);
    return rc == 0 ? 0 : fail(r, "%s: open fails: %d %s@%llu %s", when, rc, e.path, (unsigned long long)e.offset, e.message);
}

/* I9: one more commit, with a uid that nobody has seen. */
static int one_more(struct run *r, struct sim *image)
{
    struct run again = {.sim = image, .scenario = r->scenario};
    cubby_snapshot *snap;
    cubby_folder f;
    int rc = open_image(r, image, &again.store, "I9");
    if (rc != 0)
        return rc;
    snprintf(again.failure, sizeof again.failure, "%s", r->scenario->name);
    append(&again, 1, 40, 0);
    if (cubby_snapshot_begin(again.store, &snap) != 0 || cubby_folder_get(snap, 1, &f) != 0)
        return fail(r, "I9: no INBOX after another commit");
    if (f.uidnext <= r->last_uid)
        rc = fail(r, "I3: uidnext fell to %llu", (unsigned long long)f.uidnext);
    if (again.last_modseq <= r->last_modseq)
        rc = fail(r, "I3: modseq %llu again, %llu had been seen", (unsigned long long)again.last_modseq, (unsigned long long)r->last_modseq);
    cubby_snapshot_end(&snap);
    cubby_close(&again.store);
    return rc;
}

static int check_image(struct run *r, struct sim *image, int depth);

struct nested {
    struct run *r;
    int rc;
    unsigned budget;
};

static int nested_state(void *arg, struct sim *image, const char *id)
{
    struct nested *n = arg;
    (void)id;
    n->r->depth2++;
    n->rc = check_image(n->r, image, 2);
    return n->rc;
}

static void nested_op(void *arg, struct sim *s, const struct sim_op *op)
{
    struct nested *n = arg;
    struct sim_states_options o = {.max_states = 4, .seed = op->n};
    if (n->rc == 0 && n->budget) {
        n->budget--;
        sim_states(s, &o, nested_state, n);
    }
}

/* Remembers the first operation on anything but the index. */
static void note_op(void *arg, struct sim *s, const struct sim_op *op)
{
    char *touched = arg;
    (void)s;
    if (!touched[0] && strcmp(op->path, STORE "/index") != 0 && strcmp(op->kind, "dirsync") != 0)
        snprintf(touched, 256, "%s %s", op->kind, op->path);
}

static int check_image(struct run *r, struct sim *image, int depth)
{
    cubby_store *s = NULL;
    struct nested n = {r, 0, 12};
    if (depth == 1)
        sim_on_op(image, nested_op, &n);
    int rc = open_image(r, image, &s, "I1");
    sim_on_op(image, NULL, NULL);
    if (n.rc != 0)
        return n.rc;
    if (rc != 0)
        return rc;
    char *first = dump(s);
    int at = known(r, first);
    if (at < 0)
        rc = fail(r, "I1/I2: %d commits were acknowledged; recovered:\n%s\nexpected:\n%s", r->acked, first, r->dumps[r->acked]);
    if (cubby_close(&s) != 0 && rc == 0)
        rc = fail(r, "close fails after recovery");
    if (rc != 0 || depth > 1) {
        free(first);
        return rc;
    }
    char touched[256] = "";
    sim_on_op(image, note_op, touched);
    rc = open_image(r, image, &s, "I7");
    if (rc == 0)
        cubby_close(&s);
    sim_on_op(image, NULL, NULL);
    if (rc == 0 && touched[0])
        rc = fail(r, "I7: a second open does %s", touched);
    cubby_check_result res = {0};
    cubby_options o;
    cubby_error e = {0};
    options(r, &o);
    o.vfs = sim_vfs(image);
    if (rc == 0) {
        rc = cubby_check(STORE, &o, 0, on_finding, r, &res, &e);
        if (rc != 0 && rc != CUBBY_ECANCEL)
            rc = fail(r, "I5: the check fails: %d %s %s", rc, e.path, e.message);
    }
    if (rc == 0) { /* I6 */
        sim_vfs(image)->unlink(sim_vfs(image)->ctx, STORE "/index");
        rc = open_image(r, image, &s, "I6");
        if (rc == 0) {
            char *second = dump(s);
            if (strcmp(first, second) != 0)
                rc = fail(r, "I6: without the index:\n%s\nwith it:\n%s", second, first);
            free(second);
            cubby_close(&s);
        }
    }
    if (rc == 0)
        rc = one_more(r, image);
    if (rc == 0 && sim_open_files(image))
        rc = fail(r, "I10: %zu files are left open", sim_open_files(image));
    free(first);
    return rc;
}

static int on_state(void *arg, struct sim *image, const char *id)
{
    struct run *r = arg;
    if (r->only_state && strcmp(id, r->only_state) != 0)
        return 0;
    r->states++;
    int rc = check_image(r, image, 1);
    if (rc != 0) {
        printf("not ok - crash/%s: after operation %llu, state %s: %s\n", r->scenario->name, (unsigned long long)r->ops, id, r->failure);
        printf("# again: test_crash -s %llu -n %u -S %s -o %llu -i %s\n", (unsigned long long)r->seed, r->max_states, r->scenario->name,
               (unsigned long long)r->ops, id);
    }
    return rc;
}

/* I11 */
static uint64_t messages(struct run *r, struct sim *image, const char *when)
{
    cubby_store *s;
    cubby_snapshot *snap;
    cubby_folder f = {0};
    if (open_image(r, image, &s, when) != 0)
        return 0;
    if (cubby_snapshot_begin(s, &snap) == 0) {
        cubby_folder_get(snap, 1, &f);
        cubby_snapshot_end(&snap);
    }
    cubby_close(&s);
    return f.messages;
}

static int cut_later(void *arg, struct sim *image, const char *id)
{
    struct run *other = arg;
    uint64_t there = messages(other, image, "I11");
    if (other->failure[0] == '\0' && there < other->last_uid)
        fail(other, "I11: %llu messages were there when the other process went on and was acknowledged, %llu are left", (unsigned long long)other->last_uid,
             (unsigned long long)there);
    if (other->failure[0])
        printf("# state %s of the other process\n", id);
    return other->failure[0] != '\0';
}

/* Another process takes over the disk as a dead one left it, and the power is cut behind its first commit. */
static int kill_and_go_on(struct run *r, struct sim *s)
{
    struct sim *copy = sim_copy(s);
    struct run other = {.sim = copy, .scenario = r->scenario};
    struct sim_states_options o = {.max_states = 8, .seed = r->seed + r->ops};
    other.last_uid = messages(&other, copy, "I11") + 1;
    if (other.failure[0] == '\0' && open_image(&other, copy, &other.store, "I11") == 0) {
        append(&other, 1, 30, 0);
        sim_states(copy, &o, cut_later, &other);
        cubby_close(&other.store);
    }
    sim_free(&copy);
    if (other.failure[0])
        printf("not ok - crash/%s: killed after operation %llu: %s\n", r->scenario->name, (unsigned long long)r->ops, other.failure);
    return other.failure[0] ? fail(r, "%s", other.failure) : 0;
}

static void on_op(void *arg, struct sim *s, const struct sim_op *op)
{
    struct run *r = arg;
    r->ops = op->n;
    if (r->failure[0] || (r->only_op && op->n != r->only_op))
        return;
    struct sim_states_options o = {.max_states = r->max_states * r->scenario->share / 100, .seed = r->seed + op->n, .seen = r->seen, .salt = (uint64_t)r->acked};
    if (r->only_state)
        sim_print_pending(s, stdout);
    if (sim_states(s, &o, on_state, r) == 0 && !r->only_state)
        kill_and_go_on(r, s);
    r->tried += o.tried;
}

/* ---- running ---- */

static void play(struct run *r)
{
    cubby_options o;
    cubby_error e = {0};
    r->acked = r->loose = 0;
    r->last_modseq = 0;
    r->sim = sim_new(r->seed);
    options(r, &o);
    if (cubby_create(STORE, &o, &e) != 0 || cubby_open(STORE, &o, &r->store, &e) != 0) {
        printf("not ok - crash/%s: making the store fails: %s %s\n", r->scenario->name, e.path, e.message);
        exit(1);
    }
    if (r->recording)
        r->dumps[0] = dump(r->store);
    else
        sim_on_op(r->sim, on_op, r);
    r->scenario->steps(r);
    cubby_close(&r->store);
    sim_on_op(r->sim, NULL, NULL);
    sim_free(&r->sim);
}

static int run_scenario(const struct scenario *sc, uint64_t seed, unsigned states, uint64_t op, const char *state)
{
    struct run r = {.seed = seed, .max_states = states, .scenario = sc, .recording = 1, .only_op = op, .only_state = state};
    play(&r);
    r.recording = 0;
    r.seen = sim_seen_new();
    play(&r);
    sim_seen_free(&r.seen);
    for (int i = 0; i < COMMITS_MAX; i++)
        free(r.dumps[i]);
    if (r.failure[0])
        return 1;
    if (state && !r.states) {
        printf("not ok - crash/%s: no such state after operation %llu with %u states an operation\n", sc->name, (unsigned long long)op, states);
        return 1;
    }
    printf("ok - crash/%s: %llu states at %llu operations, %llu of recovery itself, 0 violations, seed %llu\n", sc->name, (unsigned long long)r.states,
           (unsigned long long)r.ops, (unsigned long long)r.depth2, (unsigned long long)seed);
    return 0;
}

int main(int argc, char **argv)
{
    const char *env = getenv("CUBBY_CRASH_STATES"), *only = NULL, *state = NULL;
    uint64_t seed = 1, op = 0;
    unsigned states = env ? (unsigned)atoi(env) : 64;
    int failed = 0;
    for (int c; (c = getopt(argc, argv, "s:n:S:o:i:")) != -1;) {
        switch (c) {
        case 's': seed = strtoull(optarg, NULL, 10); break;
        case 'n': states = (unsigned)atoi(optarg); break;
        case 'S': only = optarg; break;
        case 'o': op = strtoull(optarg, NULL, 10); break;
        case 'i': state = optarg; break;
        default: return 2;
        }
    }
    for (size_t i = 0; i < sizeof scenarios / sizeof *scenarios; i++)
        if (!only || strcmp(only, scenarios[i].name) == 0)
            failed |= run_scenario(&scenarios[i], seed, states, op, state);
    return failed;
}
