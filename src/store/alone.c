/* alone.c - a handle that only reads and is not attached: when it was opened nobody was there to attach to, or it may not (FORMAT.md 3).
 *
 * A1  It writes nothing and takes no lock, so nobody protects what it reads: a page that does not verify any more may be a later version's. A snapshot keeps
 *     the pager that it was begun with, and the index file tells whether that page is damaged or only old (view.c).
 * A2  Before it begins a snapshot it looks whether others came, and joins them; or whether others were here, and opens the store anew. So its snapshots
 *     have what was acknowledged before they began, like everybody's.
 * A3  SHARED_CURRENT tells that others were here: it begins at random, when the first one attaches, and changes with every publish. It is looked at before
 *     the store is read, so what is read is that state or a later one. */
#include "base/alloc.h"
#include "base/error.h"
#include "store/internal.h"

/* A3. What cannot be read does not change. */
static uint64_t last_publish(struct cubby__store *s)
{
    uint64_t current = 0;
    s->vfs->pread(s->vfs->ctx, s->id_file, &current, sizeof current, CUBBY__SHARED_OFFSET + CUBBY__SHARED_CURRENT_OFF);
    return current;
}

static int open_alone(struct cubby__store *s, uint64_t current, cubby_error *err)
{
    s->alone_since = current;
    atomic_store(&s->alone, 1);
    s->shared = cubby__calloc(1, CUBBY__PAGE_SIZE);
    return s->shared ? cubby__index_open(s, err) : cubby__fail_mem(err);
}

/* Beside others it is a reader like any: it writes its slot of the shared page and nothing else. CUBBY_DONE: it must do without. */
static int join_others(struct cubby__store *s, cubby_error *err)
{
    int rc = s->may_attach ? cubby__attach_beside(s, err) : CUBBY_DONE;
    if (rc == 0)
        rc = cubby__follow_published(s, err);
    if (!cubby__index_lost(rc))
        return rc;
    cubby__leave_beside(s);
    return CUBBY_DONE;
}

int cubby__open_read_only(struct cubby__store *s, cubby_error *err)
{
    s->read_only = 1;
    int rc = s->o.flags & CUBBY_REBUILD ? CUBBY_DONE : join_others(s, err);
    return rc == CUBBY_DONE ? open_alone(s, last_publish(s), err) : rc;
}

/* ---- keeping up ---- */

/* The same store once more, over the same open files. */
static int again(struct cubby__store *s, struct cubby__store **out, cubby_error *err)
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

static void forget(struct cubby__store **next)
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
    uint64_t current = last_publish(s);
    if (current == s->alone_since && s->vfs->lock_test(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1) != 1)
        return 0;
    int rc = again(s, &next, err);
    if (rc != 0)
        return rc;
    rc = join_others(next, err);
    if (rc == CUBBY_DONE && (current = last_publish(s)) != s->alone_since)
        rc = open_alone(next, current, err);
    if (rc == 0)
        rc = become(s, next, err);
    forget(&next);
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
