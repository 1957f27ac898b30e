/* alone.c - a handle that only reads and is not attached: when it was opened nobody was there to attach to, or it may not (FORMAT.md 3).
 *
 * A1  While it is not attached it writes nothing and takes no lock, so nobody protects what it reads: a page that does not verify any more may be a later
 *     version's. A snapshot keeps the pager that it was begun with, and the index file and SHARED_CURRENT tell whether that page is damaged or only old (view.c).
 * A2  Before it begins a snapshot it looks whether others came, and joins them: from then on it is attached, until it is closed. Or, if it may not, or they
 *     have left again, it goes on to what they published last. So its snapshots have what was acknowledged before they began, like everybody's.
 * A3  SHARED_CURRENT tells that others were here: it begins at random, when the first one attaches, and changes with every publish. It is looked at before
 *     the store is read, so what is read is that state or a later one.
 * A4  The log of others who are at work is not read to its end, which moves, and what is there may yet be taken back: their published state is copied. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/internal.h"

enum {
    COPIES = 100, /* of a page that moves */
    OPENS = 4     /* of files that others come to meanwhile */
};

/* A3. What cannot be read does not change. */
uint64_t cubby__last_publish(const struct cubby__store *s)
{
    uint64_t current = 0;
    s->vfs->pread(s->vfs->ctx, s->id_file, &current, sizeof current, CUBBY__SHARED_OFFSET + CUBBY__SHARED_CURRENT_OFF);
    return current;
}

int cubby__others_are_here(const struct cubby__store *s)
{
    return s->vfs->lock_test(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1) == 1;
}

static int new_page(struct cubby__store *s, uint64_t current, cubby_error *err)
{
    s->alone_since = current;
    atomic_store(&s->alone, 1);
    s->shared = cubby__calloc(1, CUBBY__PAGE_SIZE);
    return s->shared ? 0 : cubby__fail_mem(err);
}

static void start_over(struct cubby__store *s)
{
    cubby__pager_close(&s->pager);
    cubby__free(s->shared);
    s->shared = NULL;
}

/* The files are what they are. */
static int open_alone(struct cubby__store *s, uint64_t current, cubby_error *err)
{
    int rc = new_page(s, current, err);
    return rc == 0 ? cubby__index_open(s, err) : rc;
}

/* A4. As long as SHARED_CURRENT does not move, the state that it says is current is not written to (shared.c, S2). CUBBY_DONE: nothing is published, or
 * not for long enough. */
static int open_beside(struct cubby__store *s, cubby_error *err)
{
    for (int i = 0; i < COPIES && cubby__others_are_here(s); i++) {
        uint64_t current = cubby__last_publish(s);
        int rc = new_page(s, current, err);
        if (rc != 0)
            return rc;
        int64_t got = s->vfs->pread(s->vfs->ctx, s->id_file, s->shared, CUBBY__PAGE_SIZE, CUBBY__SHARED_OFFSET);
        if (got == CUBBY__PAGE_SIZE && cubby__shared_get(s, CUBBY__SHARED_READY_OFF) == CUBBY__SHARED_READY && cubby__current(s) == current &&
            cubby__last_publish(s) == current)
            rc = cubby__follow_published(s, err);
        else
            rc = CUBBY_ESTALE;
        if (!cubby__index_lost(rc))
            return rc;
        start_over(s);
    }
    return CUBBY_DONE;
}

/* ... unless somebody came meanwhile. */
static int open_unattached(struct cubby__store *s, cubby_error *err)
{
    for (int i = 0;; i++) {
        int rc = open_beside(s, err);
        if (rc != CUBBY_DONE)
            return rc;
        uint64_t current = cubby__last_publish(s);
        rc = open_alone(s, current, err);
        if (i + 1 == OPENS || (cubby__last_publish(s) == current && !cubby__others_are_here(s)))
            return rc;
        start_over(s);
    }
}

/* Beside others it is a reader like any: it writes its slot of the shared page and nothing else. CUBBY_DONE: it must do without. */
static int join_others(struct cubby__store *s, cubby_error *err)
{
    int rc = s->may_attach ? cubby__attach_beside(s, err) : CUBBY_DONE;
    if (rc != 0)
        return rc;
    rc = cubby__follow_published(s, err);
    if (!cubby__index_lost(rc))
        return rc;
    cubby__leave_beside(s);
    return CUBBY_DONE;
}

int cubby__open_read_only(struct cubby__store *s, cubby_error *err)
{
    s->read_only = 1;
    if (s->o.flags & CUBBY_REBUILD)
        return open_alone(s, cubby__last_publish(s), err);
    int rc = join_others(s, err);
    return rc == CUBBY_DONE ? open_unattached(s, err) : rc;
}

/* ---- keeping up ---- */

/* The same store once more, over the same open files. */
static int open_another(struct cubby__store *s, struct cubby__store **out, cubby_error *err)
{
    int rc = cubby__store_new(s->path, &s->o, s->handlers, out, err);
    if (rc != 0)
        return rc;
    (*out)->id_file = s->id_file;
    (*out)->log = s->log;
    (*out)->ident = s->ident;
    (*out)->may_attach = s->may_attach;
    (*out)->read_only = 1;
    return 0;
}

static void drop_other(struct cubby__store **next)
{
    if ((*next)->shared_mapped)
        cubby__leave_beside(*next);
    (*next)->id_file = NULL; /* which would be closed */
    (*next)->log = NULL;
    cubby__store_free(*next);
    *next = NULL;
}

/* What `next` has found is from now on what `s` reads. */
static int become(struct cubby__store *s, struct cubby__store *next, cubby_error *err)
{
    pthread_mutex_lock(&s->v);
    int rc = cubby__replace_pager(s, next->pager, err);
    if (rc == 0) {
        cubby__free(s->shared);
        s->shared = next->shared;
        s->shared_mapped = next->shared_mapped;
        s->slot = next->slot;
        s->dir_lock = next->dir_lock;
        s->pending = next->pending;
        s->alone_since = next->alone_since;
        atomic_store(&s->alone, atomic_load(&next->alone));
        next->pager = NULL;
        next->shared = NULL;
        next->shared_mapped = 0;
        next->dir_lock = NULL;
    }
    pthread_mutex_unlock(&s->v);
    return rc;
}

static int look_again(struct cubby__store *s, cubby_error *err)
{
    struct cubby__store *next;
    if (cubby__last_publish(s) == s->alone_since && !(s->may_attach && cubby__others_are_here(s)))
        return 0;
    int rc = open_another(s, &next, err);
    if (rc != 0)
        return rc;
    rc = join_others(next, err);
    if (rc == CUBBY_DONE && cubby__last_publish(s) != s->alone_since)
        rc = open_unattached(next, err);
    if (rc == 0)
        rc = become(s, next, err);
    drop_other(&next);
    return rc == CUBBY_DONE ? 0 : rc;
}

int cubby__keep_up(struct cubby__store *s, cubby_error *err)
{
    int rc = 0;
    if (!atomic_load(&s->alone) || s->o.flags & (CUBBY_REBUILD | CUBBY__AS_OPENED))
        return 0;
    pthread_mutex_lock(&s->w);
    if (atomic_load(&s->alone))
        rc = look_again(s, err);
    pthread_mutex_unlock(&s->w);
    return rc;
}
