/* ops_world.c - what fuzz_ops.c and ops_run.c share: the story of a run, its handles, its power cuts, codes. */
#include <stdarg.h>

#include "fuzz/fuzz_ops.h"

/* ---- what went on, for whoever has to look ---- */

static char story[8192];
static size_t told;

void ops_story_begins(void)
{
    told = 0;
    story[0] = '\0';
}

const char *ops_story(void)
{
    return story;
}

void ops_tell(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(story + told, sizeof story - told, fmt, ap);
    va_end(ap);
    told = n > 0 && told + (size_t)n < sizeof story ? told + (size_t)n : told;
}

void ops_wrong(const struct world *w, const char *fmt, ...)
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

void ops_release_snapshots(struct world *w)
{
    for (int i = 0; i < PLAY_SNAPS; i++)
        play_release(&w->p, i);
}

void ops_close(struct world *w, int i)
{
    if (!w->p.stores[i])
        return;
    ops_release_snapshots(w);
    play_close(&w->p, i);
    if (w->armed == KILL && w->victim == i) {
        w->armed = w->p.rc ? KILL : 0;
        w->victim = -1;
    }
}

void ops_close_all(struct world *w)
{
    for (int i = 0; i < PLAY_HANDLES; i++)
        ops_close(w, i);
}

int ops_any_open(const struct world *w)
{
    for (int i = 0; i < PLAY_HANDLES; i++)
        if (w->p.stores[i])
            return 1;
    return 0;
}

int ops_in_use(const struct world *w)
{
    int i = 0;
    while (i < PLAY_HANDLES && (!w->p.store || w->p.stores[i] != w->p.store))
        i++;
    return i < PLAY_HANDLES ? i : -1;
}

void ops_need_handle(struct world *w)
{
    for (int i = 0; i < PLAY_HANDLES; i++)
        if (w->p.stores[i] && cubby_is_read_only(w->p.stores[i]) && (w->p.store == w->p.stores[i] || i == 0))
            ops_close(w, i);
    for (int i = 0; i < PLAY_HANDLES && !w->p.store; i++)
        if (w->p.stores[i] && !cubby_is_read_only(w->p.stores[i]))
            play_use(&w->p, i);
    if (!w->p.store) {
        ops_close_all(w);
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

void ops_take_image(struct world *w, struct sim *s, unsigned how)
{
    heap_pause(1); /* what is armed is for the library */
    w->image = cut(s, how);
    heap_pause(0);
    w->image_state = w->p.state;
    w->image_harmed = w->harmed;
}

void ops_on_disk(void *arg, struct sim *s, const struct sim_op *op)
{
    struct world *w = arg;
    if (!w->cut_at || w->image || op->n < w->cut_at)
        return;
    ops_take_image(w, s, w->cut_how);
    ops_tell("[cut %s %s] ", op->kind, op->path);
}

void ops_arm_cut(struct world *w, struct sim *s, const uint8_t *op)
{
    w->cut_at = sim_ops(s) + 1 + op[1];
    w->cut_how = op[2];
}

/* ---- codes ---- */

int ops_is_honest(int rc)
{
    return rc == CUBBY_EIO || rc == CUBBY_ENOSPC || rc == CUBBY_ENOMEM || rc == CUBBY_ELATCHED || rc == CUBBY_EACCES || rc == CUBBY_EBUSY || rc == CUBBY_EUNKNOWN;
}

int ops_is_refusal(int rc)
{
    return rc == CUBBY_ENOENT || rc == CUBBY_EEXIST || rc == CUBBY_EINVAL || rc == CUBBY_ELIMIT || rc == CUBBY_EHASCHILD || rc == CUBBY_ECONFLICT;
}
