/* fuzz_ops.h - the world of fuzz_ops.c: what operations there are, what is known of a run, its handles, its power cuts. */
#ifndef CUBBY_TESTS_FUZZ_OPS_H
#define CUBBY_TESTS_FUZZ_OPS_H

#include <stdarg.h>

#include "crash/scenario.h"
#include "crash/sim_disk.h"
#include "fault/fault_table.h"
#include "fuzz/fuzz.h"

enum { OPS_MAX = 32, ADDS_MAX = 40, FOLDERS = 8, OP = 4 };

enum op {
    APPEND, APPEND_MIME, APPEND_WITH, FLAG, FLAG_LAZY, KEYWORD, EXPUNGE, COPY, MOVE, FOLDER_CREATE, FOLDER_RENAME, FOLDER_DELETE, PROPERTY, TXN, CHECKPOINT, SYNC,
    REOPEN, OPEN_SECOND, USE, CLOSE, DIE, HOLD, HELD, RELEASE, LOOK, CHECK, REBUILD, HARM_INDEX, REPAIR, CUT, KILL, FAIL, FAIL_HEAP, FAIL_DISK,
    OPS
};

/* What operations can name: ids of folders that were made at some time. */
struct names {
    uint64_t folders[FOLDERS];
    unsigned made, adds;
    int steps;
};

struct world {
    struct input in;
    struct scenario sc;
    struct play p;
    struct oracle *oracle;       /* of this epoch */
    struct sim *sim, *start;     /* start: as the epoch found it, if something fails later */
    struct input start_in;
    struct play_state start_state;
    struct names names, start_names;
    struct fault_table *faults;
    int ops, again;              /* again: nothing is armed */
    int armed, spent;            /* spent: this epoch did not go as without failures, and cannot be played again */
    int victim;                  /* the handle whose process is to be killed when it has made so many calls; -1: it was, closing */
    uint64_t kill_at;
    uint64_t fail_at;            /* that operation of the disk fails; 0: none */
    int index_lost;              /* a check removed it */
    int noisy;                   /* a disk failed: the index may be found damaged from then on, for one that was replaced may come back; what is not synced may be there in part */
    uint64_t cut_at;
    unsigned cut_how;
    struct sim *image;           /* what the power cut left */
    struct play_state image_state;
};

/* ---- what went on, for whoever has to look ---- */

static char story[8192];
static size_t told;

static void __attribute__((format(printf, 1, 2))) tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(story + told, sizeof story - told, fmt, ap);
    va_end(ap);
    told = n > 0 && told + (size_t)n < sizeof story ? told + (size_t)n : told;
}

static void __attribute__((noreturn, format(printf, 2, 3))) wrong(const struct world *w, const char *fmt, ...)
{
    va_list ap;
    fprintf(stderr, "%s\n", story);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\ncommits %d (%d lazy) under way %d, step %s: %d %s\n", w->p.state.commits, w->p.state.loose, w->p.state.under_way, w->p.step ? w->p.step : "",
            w->p.rc, w->p.error.message);
    abort();
}

/* ---- handles ---- */

static void release_snapshots(struct world *w)
{
    for (int i = 0; i < PLAY_SNAPS; i++)
        play_release(&w->p, i);
}

static void close_handle(struct world *w, int i)
{
    if (!w->p.stores[i])
        return;
    release_snapshots(w);
    play_close(&w->p, i);
    if (w->armed == KILL && w->victim == i) {
        w->armed = w->p.rc ? KILL : 0;
        w->victim = -1;
    }
}

static int any_open(const struct world *w)
{
    for (int i = 0; i < PLAY_HANDLES; i++)
        if (w->p.stores[i])
            return 1;
    return 0;
}

static int in_use(const struct world *w)
{
    int i = 0;
    while (i < PLAY_HANDLES && (!w->p.store || w->p.stores[i] != w->p.store))
        i++;
    return i < PLAY_HANDLES ? i : -1;
}

/* A handle that can write is in use. */
static void need_handle(struct world *w)
{
    for (int i = 0; i < PLAY_HANDLES; i++)
        if (w->p.stores[i] && cubby_is_read_only(w->p.stores[i]) && (w->p.store == w->p.stores[i] || i == 0))
            close_handle(w, i);
    for (int i = 0; i < PLAY_HANDLES && !w->p.store; i++)
        if (w->p.stores[i] && !cubby_is_read_only(w->p.stores[i]))
            play_use(&w->p, i);
    if (!w->p.store) {
        for (int i = 0; i < PLAY_HANDLES; i++)
            close_handle(w, i);
        play_open(&w->p, 0, 0);
    }
}

/* ---- power cuts ---- */

/* One of the disks that a power cut may leave now. Owner: the caller. */
static struct sim *cut(struct sim *s, unsigned how)
{
    static const char *const kinds[] = {"none", "all", "rand:%x", "prefix:%u", "without:%u", "only:%u", "mask:%x", "rand:%x"};
    struct sim_states_options o = {.map_writeback = how >> 7};
    char id[32];
    unsigned arg = how >> 3 & 15;
    snprintf(id, sizeof id, kinds[how & 7], (how & 7) == 2 || (how & 7) == 7 ? how * 2654435761u : arg);
    struct sim *image = sim_state(s, id, &o);
    return image ? image : sim_state(s, "none", &o);
}

static void on_op(void *arg, struct sim *s, const struct sim_op *op)
{
    struct world *w = arg;
    if (!w->cut_at || w->image || op->n < w->cut_at)
        return;
    w->image = cut(s, w->cut_how);
    w->image_state = w->p.state;
    tell("[cut %s %s] ", op->kind, op->path);
}

static void arm_cut(struct world *w, struct sim *s, const uint8_t *op)
{
    w->cut_at = sim_ops(s) + 1 + op[1];
    w->cut_how = op[2];
}

/* ---- codes ---- */

static int is_honest(int rc)
{
    return rc == CUBBY_EIO || rc == CUBBY_ENOSPC || rc == CUBBY_ENOMEM || rc == CUBBY_ELATCHED || rc == CUBBY_EACCES || rc == CUBBY_EBUSY || rc == CUBBY_EUNKNOWN;
}

static int is_refusal(int rc)
{
    return rc == CUBBY_ENOENT || rc == CUBBY_EEXIST || rc == CUBBY_EINVAL || rc == CUBBY_ELIMIT || rc == CUBBY_EHASCHILD || rc == CUBBY_ECONFLICT;
}

#endif
