/* scenario_play.c - playing a scenario: its processes and handles, and what the caller of the library learns. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crash/scenario.h"
#include "crash/scenario_calls.h"
#include "crash/sim_disk.h"

/* ---- what goes wrong ---- */

void play_failed(struct play *p, int rc, const char *step)
{
    if (rc == 0 || p->rc != 0)
        return;
    p->rc = rc;
    p->step = step;
    if (p->store)
        cubby_last_error(p->store, &p->error);
}

void play_wrong(struct play *p, const char *fmt, ...)
{
    va_list ap;
    if (p->wrong[0])
        return;
    va_start(ap, fmt);
    vsnprintf(p->wrong, sizeof p->wrong, fmt, ap);
    va_end(ap);
    play_failed(p, CUBBY_ECANCEL, "a wrong answer");
}

static int ok(struct play *p, int rc, const char *step)
{
    play_failed(p, rc, step);
    return p->rc == 0;
}

/* ---- handles ---- */

void play_options(const struct play *p, const cubby_vfs *vfs, cubby_options *o)
{
    *o = (cubby_options)CUBBY_OPTIONS_INIT;
    o->vfs = vfs;
    o->segment_bytes = p->scenario->segment_bytes;
    o->checkpoint_bytes = p->scenario->checkpoint_bytes;
}

static void is_made(struct play *p)
{
    p->state.made = MADE;
    p->state.uidnext = 1;
}

void play_record(struct play *p)
{
    int n = p->state.commits;
    if (!p->recording)
        return;
    if (n >= PLAY_COMMITS_MAX) {
        play_wrong(p, "more than %d commits", PLAY_COMMITS_MAX);
        return;
    }
    if (ok(p, dump_store(p->store, &p->recording->after[n]), "dump"))
        p->recording->commits = n;
}

void play_create(struct play *p)
{
    cubby_options o;
    if (p->rc)
        return;
    struct proc *proc = proc_new(p->vfs);
    play_options(p, proc_vfs(proc), &o);
    if (p->state.made == MADE_NOT)
        p->state.made = MADE_PERHAPS;
    if (ok(p, cubby_create(PLAY_STORE, &o, &p->error), "create"))
        is_made(p);
    proc_free(&proc);
}

void play_open(struct play *p, int i, unsigned flags)
{
    cubby_options o;
    if (p->rc)
        return;
    p->procs[i] = proc_new(p->vfs);
    play_options(p, proc_vfs(p->procs[i]), &o);
    o.flags = flags;
    if (flags & CUBBY_CREATE && p->state.made == MADE_NOT)
        p->state.made = MADE_PERHAPS;
    p->store = NULL;
    if (!ok(p, cubby_open(PLAY_STORE, &o, &p->stores[i], &p->error), "open")) {
        proc_free(&p->procs[i]);
        return;
    }
    p->store = p->stores[i];
    if (p->state.made != MADE) {
        is_made(p);
        play_record(p);
    } else if (p->recording && p->state.commits == 0) {
        play_record(p);
    }
}

void play_use(struct play *p, int i)
{
    p->store = p->stores[i];
}

/* A handle that is gone must not keep anything open. */
static void end_process(struct play *p, int i)
{
    struct proc_counts n;
    proc_counts(p->procs[i], &n);
    if (n.open)
        play_wrong(p, "I10: closing the store leaves %zu files or maps open", n.open);
    if (p->store == p->stores[i])
        p->store = NULL;
    p->stores[i] = NULL;
    proc_free(&p->procs[i]);
}

/* No handle is left: the store is cleanly stopped. */
static int alone(const struct play *p)
{
    for (int i = 0; i < PLAY_HANDLES; i++)
        if (p->stores[i])
            return 0;
    return 1;
}

void play_close(struct play *p, int i)
{
    if (p->rc || !p->stores[i])
        return;
    cubby_store *s = p->stores[i];
    int rc = cubby_close(&p->stores[i]);
    if (p->store == s)
        p->store = NULL;
    if (ok(p, rc, "close") && alone(p))
        p->state.loose = 0;
    end_process(p, i);
}

void play_die(struct play *p, int i)
{
    if (p->rc || !p->stores[i])
        return;
    proc_kill(p->procs[i]);
    if (p->store == p->stores[i]) {
        p->store = NULL;
        for (int k = 0; k < PLAY_SNAPS; k++)
            play_release(p, k);
        cubby_txn_abort(&p->txn);
    }
    cubby_close(&p->stores[i]);
    end_process(p, i);
}

void play_reopen(struct play *p)
{
    play_close(p, 0);
    play_open(p, 0, 0);
}

void play_sync(struct play *p)
{
    if (!p->rc && ok(p, cubby_sync(p->store), "sync"))
        p->state.loose = 0;
}

void play_checkpoint(struct play *p)
{
    if (!p->rc && ok(p, cubby_checkpoint(p->store), "checkpoint"))
        p->state.loose = 0;
}

/* ---- the whole ---- */

void play_begin(struct play *p, const struct scenario *sc, const struct oracle *o, const cubby_vfs *vfs, uint64_t seed)
{
    *p = (struct play){.scenario = sc, .oracle = o, .vfs = vfs, .seed = seed};
}

void play_setup(struct play *p)
{
    if (p->scenario->setup) {
        p->scenario->setup(p);
        return;
    }
    play_create(p);
    play_open(p, 0, 0);
}

void play_run(struct play *p)
{
    if (!p->rc)
        p->scenario->run(p);
}

void play_end(struct play *p)
{
    for (int i = 0; i < PLAY_SNAPS; i++)
        play_release(p, i);
    cubby_txn_abort(&p->txn);
    for (int i = 0; i < PLAY_HANDLES; i++) {
        if (!p->stores[i])
            continue;
        p->store = p->stores[i];
        int rc = cubby_close(&p->stores[i]);
        p->store = NULL;
        if (ok(p, rc, "close") && alone(p))
            p->state.loose = 0;
        end_process(p, i);
    }
}

struct oracle *oracle_record(const struct scenario *sc, uint64_t seed, char *why, size_t size)
{
    struct sim *sim = sim_new(seed);
    struct play p;
    struct oracle *o = calloc(1, sizeof *o);
    if (!o)
        abort();
    play_begin(&p, sc, NULL, sim_vfs(sim), seed);
    p.recording = o;
    play_setup(&p);
    play_run(&p);
    play_end(&p);
    if (p.rc == 0 && sim_open_files(sim))
        play_wrong(&p, "I10: files are left open");
    sim_free(&sim);
    if (p.rc != 0) {
        snprintf(why, size, "without any fault: %s: %d %s %s %s", p.step, p.rc, p.error.path, p.error.message, p.wrong);
        oracle_free(&o);
    }
    return o;
}

void oracle_free(struct oracle **o)
{
    for (int i = 0; *o && i < PLAY_COMMITS_MAX; i++)
        dump_free(&(*o)->after[i]);
    free(*o);
    *o = NULL;
}
