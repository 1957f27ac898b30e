/* scenario_check.c - what must hold of a store after whatever happened to it. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/scenario.h"

struct check {
    const struct play *p;
    const cubby_vfs *vfs;
    unsigned what;
    char *why;
    size_t size;
    struct dump found;
    char notice[300];
    uint64_t calls_max; /* of a process that opens the store, however it finds it, and looks at all of it */
};

static int __attribute__((format(printf, 2, 3))) fail(struct check *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->why, c->size, fmt, ap);
    va_end(ap);
    return -1;
}

/* ---- files ---- */

struct listing {
    struct check *c;
    const char *dir;
    uint64_t bytes;
    char stray[200];
};

static int add_size(void *arg, const char *name)
{
    struct listing *l = arg;
    char path[300];
    cubby_vfs_stat st;
    snprintf(path, sizeof path, "%s/%s", l->dir, name);
    if (l->c->vfs->stat(l->c->vfs->ctx, path, &st) == 0)
        l->bytes += st.size;
    return 0;
}

/* Some calls, and one for a frame or a page: what does not end, or reads everything again and again, makes more. */
static uint64_t calls_max(struct check *c)
{
    struct listing l = {.c = c, .dir = PLAY_STORE "/segments"};
    c->vfs->list(c->vfs->ctx, l.dir, add_size, &l);
    l.dir = PLAY_STORE;
    c->vfs->list(c->vfs->ctx, l.dir, add_size, &l);
    return 2000 + l.bytes / 64;
}

static int in_tmp(void *arg, const char *name)
{
    struct listing *l = arg;
    if (strcmp(name, "old-index") != 0 && strcmp(name, "reserve") != 0 && !l->stray[0])
        snprintf(l->stray, sizeof l->stray, "%s", name);
    return 0;
}

/* The first to attach takes away all that was begun, by whomever, and nobody leaves anything but what is kept there: an index that was retired stays until the
 * new one has a checkpoint, and the room for a full disk always. */
static int check_tmp(struct check *c)
{
    struct listing l = {.c = c};
    c->vfs->list(c->vfs->ctx, PLAY_STORE "/tmp", in_tmp, &l);
    return l.stray[0] ? fail(c, "I10: tmp/%s is left behind", l.stray) : 0;
}

/* ---- a process that looks ---- */

struct looker {
    struct proc *proc;
    cubby_store *s;
};

static void on_notice(void *arg, const char *line)
{
    struct check *c = arg;
    if (!c->notice[0] && strstr(line, "damage"))
        snprintf(c->notice, sizeof c->notice, "%s", line);
}

static int look(struct check *c, struct looker *l, const char *when)
{
    cubby_options o;
    cubby_error e = {0};
    l->proc = proc_new(c->vfs);
    c->calls_max = calls_max(c);
    proc_limit(l->proc, c->calls_max);
    play_options(c->p, proc_vfs(l->proc), &o);
    o.notice = on_notice;
    o.notice_arg = c;
    l->s = NULL;
    int rc = cubby_open(PLAY_STORE, &o, &l->s, &e);
    return rc == 0 ? 0 : fail(c, "%s: open fails: %d (%s) %s@%lld %s", when, rc, cubby_strerror(rc), e.path, (long long)e.offset, e.message);
}

/* Ends it; rc is what was found so far. */
static int leave(struct check *c, struct looker *l, int rc, const char *when)
{
    struct proc_counts n;
    int closed = l->s ? cubby_close(&l->s) : 0;
    proc_counts(l->proc, &n);
    if (rc == 0 && closed != 0)
        rc = fail(c, "%s: close fails: %d", when, closed);
    if (rc == 0 && n.open)
        rc = fail(c, "%s: I10: %zu files or maps are left open", when, n.open);
    if (rc == 0 && c->calls_max && n.calls >= c->calls_max)
        rc = fail(c, "%s: I8: %llu calls", when, (unsigned long long)n.calls);
    if (rc == 0 && n.unlinked[0] && strcmp(when, "I9") != 0) /* a roll cuts zeros off */
        rc = fail(c, "%s: I8: %s was removed or made shorter", when, n.unlinked);
    if (rc == 0 && c->what & CHECK_QUIET && !c->p->scenario->damages && c->notice[0])
        rc = fail(c, "%s: I13: %s", when, c->notice);
    proc_free(&l->proc);
    return rc;
}

static int dump(struct check *c, struct looker *l, struct dump *d, const char *when)
{
    cubby_error e = {0};
    int rc = dump_store(l->s, d);
    if (rc == 0)
        return 0;
    cubby_last_error(l->s, &e);
    return fail(c, "%s: reading fails: %d (%s) %s@%lld %s", when, rc, cubby_strerror(rc), e.path, (long long)e.offset, e.message);
}

/* ---- the invariants ---- */

/* I1 to I4: it is the state behind some commit, from the last acknowledged one that nothing may take to the one under way. */
static int known(struct check *c)
{
    const struct play_state *s = &c->p->state;
    const struct oracle *o = c->p->oracle;
    int first = c->what & CHECK_KILLED ? s->commits : s->commits - s->loose, last = s->commits + s->under_way;
    for (int i = last; i >= first; i--)
        if (i <= o->commits && dump_same(&o->after[i], &c->found))
            return 0;
    if (s->made == MADE_PERHAPS && strstr(c->found.text, "name INBOX") && strstr(c->found.text, " uidnext 1 "))
        return 0; /* made by somebody else, later, as check_making did: it has another uidvalidity */
    char why[600];
    dump_difference(&o->after[s->commits], &c->found, why, sizeof why);
    for (int i = 0; i < first; i++)
        if (dump_same(&o->after[i], &c->found))
            return fail(c, "I1: %d commits were acknowledged (%d of them lazy), the state is that behind commit %d", s->commits, s->loose, i);
    return fail(c, "I2: %d commits were acknowledged, the state is that behind none: %s", s->commits, why);
}

int play_known(const struct play *p, cubby_store *s, unsigned what, char *why, size_t size)
{
    struct check c = {.p = p, .what = what, .why = why, .size = size};
    int rc = dump_store(s, &c.found);
    if (rc == 0)
        rc = known(&c) == 0 ? 0 : 1;
    dump_free(&c.found);
    return rc;
}

static int check_state(struct check *c)
{
    struct looker l;
    int rc = look(c, &l, "I1");
    if (rc == 0)
        rc = dump(c, &l, &c->found, "I1");
    if (rc == 0)
        rc = known(c);
    return leave(c, &l, rc, "I1");
}

/* I7: what an open does, it does not have to do again. */
static int check_again(struct check *c)
{
    struct looker l;
    struct proc_counts n;
    int rc = look(c, &l, "I7");
    proc_counts(l.proc, &n);
    if (rc == 0 && n.touched[0])
        rc = fail(c, "I7: a second open does %s", n.touched);
    return leave(c, &l, rc, "I7");
}

static int on_finding(void *arg, const cubby_finding *f)
{
    if (f->severity == CUBBY_NOTE)
        return 0;
    fail(arg, "I5: the check finds %s %s@%lld: %s", f->code, f->file, (long long)f->offset, f->detail);
    return 1;
}

static int check_fsck(struct check *c)
{
    struct looker l = {proc_new(c->vfs), NULL};
    struct proc_counts n;
    cubby_check_result r;
    cubby_options o;
    cubby_error e = {0};
    play_options(c->p, proc_vfs(l.proc), &o);
    int rc = cubby_check(PLAY_STORE, &o, CUBBY_CHECK_FULL, on_finding, c, &r, &e);
    proc_counts(l.proc, &n);
    if (rc == CUBBY_ECANCEL)
        rc = -1;
    else if (rc != 0)
        rc = fail(c, "I5: the check fails: %d %s %s", rc, e.path, e.message);
    else if (n.touched[0])
        rc = fail(c, "I5: the check does %s", n.touched);
    return leave(c, &l, rc, "I5");
}

static int must_equal(struct check *c, struct looker *l, const char *when)
{
    struct dump now = {0};
    char why[600];
    int rc = dump(c, l, &now, when);
    if (rc == 0 && !dump_same(&c->found, &now)) {
        dump_difference(&c->found, &now, why, sizeof why);
        rc = fail(c, "%s: the state is another: %s", when, why);
    }
    dump_free(&now);
    return rc;
}

/* I6: the index adds nothing to the segments. */
static int check_index(struct check *c)
{
    struct looker l;
    c->vfs->unlink(c->vfs->ctx, PLAY_STORE "/index");
    int rc = look(c, &l, "I6");
    if (rc == 0)
        rc = must_equal(c, &l, "I6");
    return leave(c, &l, rc, "I6");
}

/* A message and a folder. */
static int add_one(struct check *c, struct looker *l, uint32_t *uid, uint64_t *folder, uint64_t *modseq)
{
    static const char text[] = "Subject: one more\n\nafter all that\n";
    char name[32];
    cubby_message *m = NULL;
    cubby_txn *t = NULL;
    int rc = cubby_message_new(l->s, &m);
    if (rc == 0)
        rc = cubby_message_write(m, text, sizeof text - 1);
    if (rc == 0)
        rc = cubby_message_finish(m);
    if (rc == 0)
        rc = cubby_txn_begin(l->s, 0, &t);
    if (rc == 0)
        rc = cubby_add(t, INBOX, m, NULL, uid);
    if (rc == 0)
        rc = cubby_folder_create(t, 0, name, (size_t)snprintf(name, sizeof name, "one more %u", *uid), folder);
    if (rc == 0)
        rc = cubby_txn_commit(&t, modseq);
    cubby_txn_abort(&t);
    cubby_message_free(&m);
    return rc == 0 ? 0 : fail(c, "I9: another commit fails: %d (%s)", rc, cubby_strerror(rc));
}

/* The highest that a folder had behind any commit that was acknowledged. */
static uint32_t last_uidvalidity(const struct play *p)
{
    static const char key[] = " uidvalidity ";
    uint32_t last = 0;
    for (int i = 0; p->state.made == MADE && i <= p->state.commits && i <= p->oracle->commits; i++)
        for (const char *at = p->oracle->after[i].text; at && (at = strstr(at, key)) != NULL;) {
            uint32_t n = (uint32_t)strtoul(at += sizeof key - 1, NULL, 10);
            last = n > last ? n : last;
        }
    return last;
}

static int uidvalidity_is_new(struct check *c, struct looker *l, uint64_t folder)
{
    cubby_snapshot *snap;
    cubby_folder f;
    uint32_t last = last_uidvalidity(c->p);
    int rc = cubby_snapshot_begin(l->s, &snap);
    if (rc == 0) {
        rc = cubby_folder_get(snap, folder, &f);
        cubby_snapshot_end(&snap);
    }
    if (rc != 0)
        return fail(c, "I9: the new folder cannot be read: %d (%s)", rc, cubby_strerror(rc));
    return f.uidvalidity > last || f.uidvalidity == UINT32_MAX ? 0 : fail(c, "I3: uidvalidity %u is given, %u had been seen", f.uidvalidity, last);
}

/* I9, I3: the store takes another commit, whose numbers are new. */
static int check_write(struct check *c)
{
    struct looker l;
    uint32_t uid = 0;
    uint64_t modseq = 0, folder = 0;
    int rc = look(c, &l, "I9");
    if (rc == 0)
        rc = add_one(c, &l, &uid, &folder, &modseq);
    if (rc == 0 && uid < c->p->state.uidnext)
        rc = fail(c, "I3: uid %u is given again, uidnext was %llu", uid, (unsigned long long)c->p->state.uidnext);
    if (rc == 0 && modseq <= c->p->state.modseq)
        rc = fail(c, "I3: modseq %llu is given again, %llu had been seen", (unsigned long long)modseq, (unsigned long long)c->p->state.modseq);
    if (rc == 0)
        rc = uidvalidity_is_new(c, &l, folder);
    if (rc == 0)
        rc = dump(c, &l, &c->found, "I9");
    rc = leave(c, &l, rc, "I9");
    if (rc != 0)
        return rc;
    rc = look(c, &l, "I9");
    if (rc == 0)
        rc = must_equal(c, &l, "I9");
    rc = leave(c, &l, rc, "I9");
    return rc == 0 ? check_tmp(c) : rc;
}

/* The store was being made: there is none, which can then be made, or there is one. */
static int check_making(struct check *c)
{
    cubby_store *s = NULL;
    cubby_options o;
    struct proc *proc = proc_new(c->vfs);
    play_options(c->p, proc_vfs(proc), &o);
    int rc = cubby_open(PLAY_STORE, &o, &s, NULL);
    if (rc == 0)
        rc = cubby_close(&s);
    else if (rc == CUBBY_ENOENT || rc == CUBBY_ENOTSTORE)
        rc = cubby_create(PLAY_STORE, &o, NULL);
    proc_free(&proc);
    return rc == 0 ? 0 : fail(c, "I2: an interrupted creation leaves neither a store nor what can be made one: %d (%s)", rc, cubby_strerror(rc));
}

int play_check(const struct play *p, const cubby_vfs *vfs, unsigned what, char *why, size_t size)
{
    static const struct {
        unsigned bit;
        int (*fn)(struct check *c);
    } checks[] = {
        {CHECK_STATE, check_state}, {CHECK_AGAIN, check_again}, {CHECK_FSCK, check_fsck}, {CHECK_INDEX, check_index}, {CHECK_WRITE, check_write},
    };
    struct check c = {.p = p, .vfs = vfs, .what = what | CHECK_STATE, .why = why, .size = size};
    int rc = 0;
    if (p->wrong[0])
        return fail(&c, "%s", p->wrong);
    if (what & CHECK_LEFT)
        return p->state.made == MADE ? check_fsck(&c) : 0;
    if (p->state.made == MADE_NOT)
        return 0;
    if (p->state.made == MADE_PERHAPS)
        rc = check_making(&c);
    for (size_t i = 0; rc == 0 && i < sizeof checks / sizeof *checks; i++)
        if (c.what & checks[i].bit)
            rc = checks[i].fn(&c);
    dump_free(&c.found);
    return rc;
}
