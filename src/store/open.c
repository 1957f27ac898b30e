/* open.c - opening and closing a store. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "os/fork.h"
#include "os/fs.h"
#include "store/internal.h"

/* ---- the struct ---- */

void cubby__store_free(struct cubby__store *s)
{
    if (!s)
        return;
    if (s->shared || s->id_file)
        cubby__detach(s);
    cubby__pager_close(&s->pager);
    cubby__old_pagers_close(s);
    cubby__log_free(&s->log);
    cubby__node_free(s->spare_node);
    cubby__buf_release(&s->scratch);
    if (!cubby__is_child(s)) { /* there another thread may have held them */
        pthread_mutex_destroy(&s->w);
        pthread_mutex_destroy(&s->g);
        pthread_cond_destroy(&s->gave_way);
        pthread_mutex_destroy(&s->v);
    }
    cubby__free(s->path);
    cubby__free(s);
}

int cubby__store_new(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err)
{
    struct cubby__store *s = cubby__calloc(1, sizeof *s);
    if (!s)
        return cubby__fail_mem(err);
    if (o)
        s->o = *o;
    if (!s->o.cache_bytes)
        s->o.cache_bytes = 16u << 20;
    s->vfs = s->o.vfs ? s->o.vfs : cubby_vfs_posix();
    s->handlers = h;
    s->slot = -1;
    s->generation = cubby__fork_generation();
    s->queue_tail = &s->queue;
    pthread_mutex_init(&s->w, NULL);
    pthread_mutex_init(&s->g, NULL);
    pthread_cond_init(&s->gave_way, NULL);
    pthread_mutex_init(&s->v, NULL);
    s->path = cubby__strdup(path);
    int rc = s->path ? s->vfs->random(s->vfs->ctx, &s->token, sizeof s->token) : -ENOMEM;
    s->token |= 1; /* 0 is nobody */
    if (rc != 0) {
        cubby__store_free(s);
        return cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "opening the store");
    }
    *out = s;
    return 0;
}

/* ---- leftovers ---- */

struct cleanup {
    struct cubby__store *s;
    const char *dir;
    const char *const *keep;
};

static int unlink_one(void *arg, const char *name)
{
    struct cleanup *c = arg;
    for (const char *const *keep = c->keep; *keep; keep++)
        if (strcmp(name, *keep) == 0)
            return 0;
    char *dir = cubby__path_join(c->s->path, c->dir), *path = dir ? cubby__path_join(dir, name) : NULL;
    if (path)
        c->s->vfs->unlink(c->s->vfs->ctx, path);
    cubby__free(dir);
    cubby__free(path);
    return 0;
}

void cubby__empty_dir(struct cubby__store *s, const char *name, const char *const *keep)
{
    struct cleanup c = {s, name, keep};
    char *dir = cubby__path_join(s->path, name);
    if (dir)
        s->vfs->list(s->vfs->ctx, dir, unlink_one, &c);
    cubby__free(dir);
}

/* ---- open ---- */

static int read_id(struct cubby__store *s, const char *path, cubby_error *err)
{
    uint8_t b[CUBBY__ID_SIZE];
    int rc = 0;
    for (int i = 0; i < CUBBY__ID_COPIES; i++) {
        uint64_t off = (uint64_t)i * CUBBY__PAGE_SIZE;
        int64_t got = s->vfs->pread(s->vfs->ctx, s->id_file, b, sizeof b, off);
        if (got < 0)
            return cubby__fail_io(err, (int)got, path, off, "reading the store's identity");
        if (got < (int64_t)sizeof b)
            memset(b + got, 0, sizeof b - (size_t)got);
        cubby_error second;
        int rc2 = cubby__ident_decode(b, &s->ident, path, off, i ? &second : err);
        if (rc2 == 0)
            return 0;
        if (i == 0)
            rc = rc2;
        if (rc2 == CUBBY_EVERSION) {
            if (i && err)
                *err = second;
            return rc2;
        }
        if (rc2 == CUBBY_ECORRUPT) /* one damaged copy of an identity is still one */
            rc = rc2;
    }
    return rc;
}

static int open_id(struct cubby__store *s, cubby_error *err)
{
    cubby_vfs_stat st;
    char *path = cubby__path_join(s->path, CUBBY__FILE_ID);
    if (!path)
        return cubby__fail_mem(err);
    int rc = s->vfs->open(s->vfs->ctx, path, CUBBY_OPEN_WRITE, &s->id_file);
    if (rc == -EACCES || rc == -EPERM || rc == -EROFS) {
        s->read_only = 1;
        rc = s->vfs->open(s->vfs->ctx, path, CUBBY_OPEN_READ, &s->id_file);
    }
    if (rc == -EINVAL)
        rc = cubby__fail(err, CUBBY_ENOTSTORE, path, CUBBY__NO_OFFSET,
                         "not a cubby store: %s is not a regular file; where there are segments, move it away, and a repair makes it anew", CUBBY__FILE_ID);
    else if (rc == -ENOENT && s->vfs->stat(s->vfs->ctx, s->path, &st) == 0)
        rc = cubby__fail(err, CUBBY_ENOTSTORE, s->path, CUBBY__NO_OFFSET, "not a cubby store: it has no file %s", CUBBY__FILE_ID);
    else if (rc != 0)
        rc = cubby__fail_io(err, rc, rc == -ENOENT || rc == -ENOTDIR ? s->path : path, CUBBY__NO_OFFSET, "opening the store");
    else if ((rc = read_id(s, path, err)) == 0 && s->vfs->fstat(s->vfs->ctx, s->id_file, &st) == 0 && st.size < CUBBY__ID_FILE_SIZE)
        rc = cubby__fail(err, CUBBY_ECORRUPT, path, st.size, "the file ends after %llu bytes, %d are expected", (unsigned long long)st.size,
                         CUBBY__ID_FILE_SIZE);
    cubby__free(path);
    return rc;
}

static int refuse_network(struct cubby__store *s, cubby_error *err)
{
    if (s->o.flags & CUBBY_ON_NETWORK || s->vfs != cubby_vfs_posix() || cubby__fs_is_network(s->path) <= 0)
        return 0;
    return cubby__fail(err, CUBBY_EINVAL, s->path, CUBBY__NO_OFFSET, "the store is on a network file system, whose locks and caches it cannot rely on");
}

int cubby__follow_published(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published p;
    cubby__read_published(s, &p);
    pthread_mutex_lock(&s->v);
    int rc = cubby__index_follow(s, p.index_nonce, err);
    pthread_mutex_unlock(&s->v);
    return rc;
}

/* Another handle has the store open: its published state is ours. */
static int join(struct cubby__store *s, cubby_error *err)
{
    int rc = cubby__follow_published(s, err);
    if (!cubby__index_lost(rc))
        return rc;
    rc = cubby__writer_lock(s, 0, err);
    if (rc != 0)
        return rc;
    rc = cubby__follow_published(s, err); /* it was only being built anew? */
    if (cubby__index_lost(rc)) { /* deleted or damaged under the others: build a new one, as the writer */
        s->o.flags |= CUBBY_REBUILD;
        rc = cubby__index_open(s, err);
        cubby__shared_set(s, CUBBY__SHARED_OWNER_OFF, 0);
    }
    cubby__writer_unlock(s);
    return rc;
}

static int open_attached(struct cubby__store *s, cubby_error *err)
{
    int first;
    int rc = cubby__attach(s, &first, err);
    if (rc != 0)
        return rc;
    if (!first) {
        if (!(s->o.flags & CUBBY_REBUILD))
            return join(s, err);
        rc = cubby__writer_lock(s, 0, err);
        if (rc == 0) {
            rc = cubby__index_open(s, err);
            cubby__shared_set(s, CUBBY__SHARED_OWNER_OFF, 0);
            cubby__writer_unlock(s);
        }
        return rc;
    }
    cubby__empty_dir(s, CUBBY__DIR_TMP, (const char *const[]){CUBBY__FILE_RESERVE, CUBBY__FILE_OLD_INDEX, NULL}); /* a rebuild still wants the latter */
    rc = cubby__index_open(s, err);
    return rc == 0 ? cubby__attach_ready(s, err) : rc;
}

int cubby__store_open(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err)
{
    struct cubby__store *s;
    cubby_error local;
    if (!err)
        err = &local;
    int rc = cubby__store_new(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    rc = open_id(s, err);
    s->may_attach = !s->read_only;
    if (rc == 0)
        rc = refuse_network(s, err);
    if (s->o.flags & CUBBY_READ_ONLY || s->ident.rocompat)
        s->read_only = 1;
    if (rc == 0)
        rc = cubby__log_new(s->vfs, s->path, &s->ident, !s->read_only, &s->log, err);
    if (rc == 0)
        rc = s->read_only ? cubby__open_read_only(s, err) : open_attached(s, err);
    if (rc == CUBBY_ENOSPC && !s->read_only) { /* no room to recover or rebuild: the mail can be read all the same */
        cubby_options again = s->o;
        again.flags |= CUBBY_READ_ONLY;
        cubby__notice(s, "no space left to open the store for writing: it is open read-only");
        cubby__store_free(s);
        rc = cubby__store_open(path, &again, h, out, err);
        if (rc == 0)
            (*out)->no_space = 1;
        return rc;
    }
    if (rc != 0) {
        cubby__store_free(s);
        return rc;
    }
    s->capacity = cubby__live_bytes(s) / CUBBY__SEG_LIVE_SHARE;
    *out = s;
    return 0;
}

/* What a repair begins with: files, and nothing that must be right to be opened. Attached to nothing; it ends with cubby__store_close. */
int cubby__store_open_bare(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err)
{
    struct cubby__store *s;
    int rc = cubby__store_new(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    rc = open_id(s, err);
    if (s->read_only)
        s->o.flags |= CUBBY_READ_ONLY; /* not permitted otherwise */
    s->read_only = 1;
    if (rc == 0)
        rc = refuse_network(s, err);
    if (rc == 0)
        rc = cubby__log_new(s->vfs, s->path, &s->ident, 0, &s->log, err);
    if (rc != 0)
        cubby__store_free(s);
    else
        *out = s;
    return rc;
}

int cubby__store_read_only(const struct cubby__store *s)
{
    return s->read_only;
}

/* ---- sync, checkpoint, close ---- */

int cubby__store_sync(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published p;
    int child = cubby__refuse_child(s, err);
    if (child != 0)
        return child;
    cubby__read_published(s, &p);
    if (p.durable >= p.commit)
        return 0;
    if (s->read_only) /* what others have committed lazily; it stays theirs to say so */
        return cubby__log_sync(s->log, (uint32_t)p.seg, err);
    int rc = cubby__quiesce(s, err);
    if (rc == 0)
        cubby__resume(s);
    return rc;
}

int cubby__store_checkpoint(struct cubby__store *s, cubby_error *err)
{
    if (s->read_only)
        return cubby__fail(err, CUBBY_EACCES, s->path, CUBBY__NO_OFFSET, "the store is open read-only");
    int rc = cubby__quiesce(s, err);
    if (rc != 0)
        return rc;
    rc = cubby__checkpoint_now(s, err);
    cubby__resume(s);
    return rc;
}

/* Leaves the log so that the next open finds it proven: what this handle synced, it vouches for. */
static int stop_cleanly(struct cubby__store *s, cubby_error *err)
{
    int mine = cubby__is_owner(s); /* else somebody wrote after us */
    if (s->latched || !(mine || cubby__pager_damaged(s->pager)))
        return 0;
    int rc = cubby__quiesce(s, err);
    if (rc != 0)
        return rc;
    if (s->pending.replay_bytes >= (s->o.checkpoint_bytes ? s->o.checkpoint_bytes : CUBBY__CHECKPOINT_CLOSE))
        cubby__checkpoint_now(s, err); /* its failure costs the next open time, nothing else */
    rc = cubby__append_proof(s, err);
    cubby__resume(s);
    return rc;
}

int cubby__store_close(struct cubby__store **sp, cubby_error *err)
{
    struct cubby__store *s = *sp;
    if (!s)
        return 0;
    int rc = s->read_only || cubby__is_child(s) ? 0 : stop_cleanly(s, err);
    cubby__store_free(s);
    *sp = NULL;
    return rc;
}
