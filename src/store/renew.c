/* renew.c - replaces an index of which a sync has failed. No checkpoint of that file can be made any more (index.c, X7 and X8), so that the next open would
 * have more and more of the log to replay. A copy of it in a new file takes its place.
 *
 * Y1  The copy is complete, read again, has a checkpoint, and is synced, before it takes the name of the index. Until then the old one is what it was; if
 *     anything fails it stays, and the copy is removed.
 * Y2  It is the version that is published, and everything in that is durable: nothing is queued, and no transaction is open.
 * Y3  Others follow the published nonce, or build the next index if whoever was to publish it died; old snapshots go on reading the old file (X3).
 * Y4  Behind a first copy, made or not, the next one waits until as much as it would write has gone to the log: the disk may be like that for good. */
#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/commit.h"
#include "store/index.h"

static uint64_t step(const struct cubby__store *s)
{
    return s->o.checkpoint_bytes ? s->o.checkpoint_bytes : CUBBY__CHECKPOINT_BYTES;
}

int cubby__renewal_is_due(const struct cubby__store *s)
{
    return cubby__index_sync_failed(s) && s->pending.replay_bytes >= step(s) && s->pending.replay_bytes >= s->renew_from;
}

/* Y1 */
static int make_copy(struct cubby__store *s, const char *path, uint64_t *nonce, cubby_error *err)
{
    struct cubby__pager_config c = cubby__index_config(s);
    const struct cubby__root root = cubby__published_root(&s->pending);
    struct cubby__pager *p;
    c.path = path;
    c.writable = c.create = 1;
    c.cache_bytes = 1 << 20; /* each page is read once */
    int rc = s->vfs->random(s->vfs->ctx, &c.nonce, sizeof c.nonce);
    if (rc != 0)
        return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes");
    rc = cubby__pager_open(&c, &p, err);
    if (rc != 0)
        return rc;
    struct cubby__meta m = cubby__index_meta(&s->pending, c.nonce);
    rc = cubby__pager_copy(s->pager, &root, s->pending.file_pages, p, err);
    if (rc == 0)
        rc = cubby__meta_write(p, &m, err);
    cubby__pager_close(&p);
    atomic_fetch_add(&s->syncs, 2);
    *nonce = c.nonce;
    return rc;
}

static int take_its_place(struct cubby__store *s, const char *from, uint64_t nonce, cubby_error *err)
{
    char *to = cubby__path_join(s->path, CUBBY__FILE_INDEX);
    int rc = to ? s->vfs->rename(s->vfs->ctx, from, to) : -ENOMEM;
    cubby__free(to);
    if (rc != 0)
        return cubby__fail_io(err, rc, from, CUBBY__NO_OFFSET, "naming the new index");
    if (s->vfs->dirsync(s->vfs->ctx, s->path) == 0) /* else a power cut may bring back the old one, which does as well; and what is evidence beside it stays */
        cubby__index_drop_old(s);
    pthread_mutex_lock(&s->v);
    rc = cubby__index_follow(s, nonce, err);
    pthread_mutex_unlock(&s->v);
    return rc;
}

static int renew(struct cubby__store *s, const char *path, cubby_error *err)
{
    uint64_t nonce;
    int rc = make_copy(s, path, &nonce, err);
    if (rc == 0)
        rc = cubby__page_ready(s, err); /* what takes the name must be published */
    if (rc == 0)
        rc = take_its_place(s, path, nonce, err);
    if (rc != 0) {
        s->vfs->unlink(s->vfs->ctx, path);
        return rc;
    }
    s->pending.index_nonce = nonce;
    s->pending.checkpoint_commit = s->pending.commit;
    s->pending.checkpoint_seq++;
    s->pending.replay_bytes = 0;
    cubby__publish(s, &s->pending);
    cubby__disown(s); /* the pages of the new file are still to be learned */
    return 0;
}

int cubby__index_renew(struct cubby__store *s, cubby_error *err)
{
    if (!cubby__index_may_checkpoint(&s->pending)) /* Y2 */
        return 0;
    char *path = cubby__path_join(s->path, CUBBY__DIR_TMP "/" CUBBY__FILE_NEW_INDEX), *dir = cubby__path_join(s->path, CUBBY__DIR_TMP);
    int rc = path && dir ? 0 : cubby__fail_mem(err);
    if (rc == 0) {
        s->vfs->mkdir(s->vfs->ctx, dir); /* it may well be there */
        rc = renew(s, path, err);
    }
    cubby__free(path);
    cubby__free(dir);
    s->renew_from = s->pending.replay_bytes + s->pending.file_pages * CUBBY__PAGE_SIZE; /* Y4 */
    if (rc != 0)
        cubby__notice(s, "no copy of the index could be made (%s); the next open replays more of the log", err->message);
    return rc;
}

void cubby__renew_if_due(struct cubby__store *s)
{
    cubby_error why;
    if (cubby__renewal_is_due(s) && cubby__settle(s, &why) == 0)
        cubby__index_renew(s, &why); /* else the old one serves */
}
