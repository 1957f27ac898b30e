/* index.c - opening the index, replacing it, following another process's replacement, checkpoints. Taking over as writer: takeover.c.
 *
 * X1  The index is derived: whatever is wrong with it (missing, not to be opened, damaged, of another store, ahead of the log) is answered by building a new
 *     one from the segments. It is never taken for "empty", and an I/O error is not damage.
 * X2  A checkpoint names a place in the log only after the log is synced up to there; its slot is written after its pages are synced, and it
 *     counts after the slot is synced.
 * X3  A new index has a new nonce, which stands in the file from the beginning on, checkpoint or not; whoever has the old file open goes on reading it until
 *     its snapshots end.
 * X4  Versions of the tree are told apart by root_commit, which is the published commit; but when a recovery finds numbers used up and no commit,
 *     it is one more. A checkpoint cannot name such a version: it waits for the next commit.
 * X5  A slot that is found may be one whose writer was killed before its second sync. Pages of the checkpoint before it are not used again before a
 *     sync: after a stop that was not clean, and when a slot is newer than what is published.
 * X6  The index before is kept, as tmp/old-index, until the new one has a checkpoint: a rebuild that dies does not take with it what proves that commits
 *     had been synced.
 * X7  When a sync of the index failed, nobody knows which of its pages are on the disk, and no later sync tells: none of those who are attached makes another
 *     checkpoint of that file. Its slot may be on the disk or in memory only; so what either slot names is kept until a later checkpoint is synced, also
 *     by whoever opens the store or takes over, who cannot know how the newer one came about.
 * X8  No store depends on a sync of the index. One without a checkpoint is used as long as the store is open; then it costs a rebuild. One of which a sync
 *     failed makes way for a copy (renew.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/index.h"

struct cubby__root cubby__published_root(const struct cubby__published *p)
{
    return (struct cubby__root){.page = p->root_page, .sum = p->root_sum, .commit = p->root_commit, .level = (uint32_t)p->root_level};
}

void cubby__set_root(struct cubby__published *p, const struct cubby__root *root)
{
    p->root_page = root->page;
    p->root_sum = root->sum;
    p->root_commit = root->commit;
    p->root_level = root->level;
}

/* ---- pagers ---- */

struct cubby__pager_config cubby__index_config(const struct cubby__store *s)
{
    struct cubby__pager_config c = {.vfs = s->vfs, .salt = s->ident.salt, .cache_bytes = s->o.cache_bytes};
    memcpy(c.uuid, s->ident.uuid, sizeof c.uuid);
    return c;
}

static int open_pager(struct cubby__store *s, int create, int in_memory, struct cubby__pager **out, cubby_error *err)
{
    struct cubby__pager_config c = cubby__index_config(s);
    c.writable = !s->read_only;
    c.create = create && !in_memory;
    if (create) {
        int rc = s->vfs->random(s->vfs->ctx, &c.nonce, sizeof c.nonce);
        if (rc != 0)
            return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes");
    }
    char *path = in_memory ? NULL : cubby__path_join(s->path, CUBBY__FILE_INDEX);
    if (!in_memory && !path)
        return cubby__fail_mem(err);
    c.path = path;
    int rc = cubby__pager_open(&c, out, err);
    cubby__free(path);
    return rc;
}

/* An index that only this handle sees, in a file without a name: for one that would take much memory. */
static int open_scratch(struct cubby__store *s, struct cubby__pager **out, cubby_error *err)
{
    struct cubby__pager_config c = cubby__index_config(s);
    char name[64];
    c.writable = c.create = 1;
    int rc = s->vfs->random(s->vfs->ctx, &c.nonce, sizeof c.nonce);
    if (rc != 0)
        return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes");
    snprintf(name, sizeof name, "%s/scratch-%016llx", CUBBY__DIR_TMP, (unsigned long long)c.nonce);
    char *path = cubby__path_join(s->path, name);
    c.path = path;
    rc = path ? cubby__pager_open(&c, out, err) : cubby__fail_mem(err);
    if (rc == 0)
        s->vfs->unlink(s->vfs->ctx, path);
    cubby__free(path);
    return rc;
}

static int open_new_pager(struct cubby__store *s, struct cubby__pager **out, cubby_error *err)
{
    if (s->o.flags & CUBBY__SCRATCH_INDEX && open_scratch(s, out, err) == 0)
        return 0; /* else it is not to be written to, or full */
    return open_pager(s, 1, s->read_only, out, err);
}

static int is_read(const struct cubby__store *s, const struct cubby__pager *p)
{
    const struct cubby__view *v = s->views;
    while (v && v->pager != p)
        v = v->next;
    return v != NULL;
}

void cubby__old_pagers_drop(struct cubby__store *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->old_pager_count; i++) {
        if (is_read(s, s->old_pagers[i]))
            s->old_pagers[kept++] = s->old_pagers[i];
        else
            cubby__pager_close(&s->old_pagers[i]);
    }
    s->old_pager_count = kept;
}

void cubby__old_pagers_close(struct cubby__store *s)
{
    cubby__old_pagers_drop(s);
    cubby__free(s->old_pagers);
    s->old_pagers = NULL;
}

int cubby__replace_pager(struct cubby__store *s, struct cubby__pager *p, cubby_error *err)
{
    if (s->pager && is_read(s, s->pager)) {
        struct cubby__pager **old = cubby__realloc(s->old_pagers, (s->old_pager_count + 1) * sizeof(struct cubby__pager *));
        if (!old)
            return cubby__fail_mem(err);
        s->old_pagers = old;
        s->old_pagers[s->old_pager_count++] = s->pager;
    } else {
        cubby__pager_close(&s->pager);
    }
    s->pager = p;
    return 0;
}

/* Opens the index file that is there now, if it is the one that is published. Under v. */
int cubby__index_follow(struct cubby__store *s, uint64_t nonce, cubby_error *err)
{
    struct cubby__pager *p;
    struct cubby__meta meta;
    int rc = open_pager(s, 0, 0, &p, err);
    if (rc == 0) {
        rc = cubby__meta_read(p, &meta, err);
        if (rc == CUBBY_DONE || rc == 0) /* X8: its label will do */
            rc = meta.nonce == nonce ? 0 : cubby__fail(err, CUBBY_ESTALE, s->path, CUBBY__NO_OFFSET, "the index was replaced and its successor is not there");
        if (rc == 0)
            rc = cubby__replace_pager(s, p, err);
        if (rc != 0)
            cubby__pager_close(&p);
    }
    return rc;
}

int cubby__index_replaced(struct cubby__store *s, uint64_t nonce)
{
    struct cubby__pager *p;
    struct cubby__meta meta = {0};
    cubby_error unused;
    if (s->o.flags & CUBBY__SCRATCH_INDEX) /* nobody else knows it */
        return 0;
    if (open_pager(s, 0, 0, &p, &unused) != 0)
        return 1;
    int rc = cubby__meta_read(p, &meta, &unused);
    cubby__pager_close(&p);
    return rc != 0 || meta.nonce != nonce;
}

/* ---- opening ---- */

/* A CUT (recover.h) is the first frame: what is behind it comes behind the commit that the header names, like what is before it. */
static int is_behind_cut(struct cubby__store *s, const struct cubby__meta *m, uint64_t frames, int *behind, cubby_error *err)
{
    uint8_t b[CUBBY__FRAME_SIZE + CUBBY__CUT_LEN];
    struct cubby__frame f;
    size_t got = 0;
    struct cubby__seed seed = {s->ident.salt, m->seg_nonce};
    *behind = m->seg_end == frames;
    if (m->seg_end != frames + sizeof b)
        return 0;
    int rc = cubby__log_pread(s->log, m->seg, b, sizeof b, frames, &got, err);
    *behind = rc == 0 && got == sizeof b && cubby__frame_decode(b, got, &seed, frames, &f) == 0 && f.type == CUBBY__REC_DAMAGE &&
              f.len == CUBBY__CUT_LEN && b[CUBBY__FRAME_SIZE] == CUBBY__DAMAGE_CUT;
    return rc;
}

/* X1: does the log have the commit that the checkpoint ends with, where it says? */
static int checkpoint_fits(struct cubby__store *s, const struct cubby__meta *m, cubby_error *err)
{
    struct cubby__seg_header h;
    int behind;
    enum { COMMIT_SIZE = CUBBY__FRAME_SIZE + CUBBY__COMMIT_LEN, PROOF_SIZE = CUBBY__FRAME_SIZE + CUBBY__PROOF_LEN };
    int rc = cubby__log_header(s->log, m->seg, &h, err);
    if (rc != 0)
        return rc;
    uint64_t nonce = h.nonce, frames = h.frames, commit = h.last_commit, chain = h.last_chain;
    cubby__seg_header_release(&h);
    if (nonce != m->seg_nonce)
        return CUBBY_DONE;
    if ((rc = is_behind_cut(s, m, frames, &behind, err)) != 0)
        return rc;
    if (behind)
        return commit == m->commit && chain == m->chain ? 0 : CUBBY_DONE;
    struct cubby__seed seed = {s->ident.salt, nonce};
    static const size_t sizes[] = {COMMIT_SIZE, PROOF_SIZE};
    for (int i = 0; i < 2; i++) {
        uint8_t b[COMMIT_SIZE];
        size_t got = 0;
        struct cubby__frame f;
        if (m->seg_end < frames + sizes[i])
            continue;
        rc = cubby__log_pread(s->log, m->seg, b, sizes[i], m->seg_end - sizes[i], &got, err);
        if (rc != 0)
            return rc;
        if (got == sizes[i] && cubby__frame_decode(b, got, &seed, m->seg_end - sizes[i], &f) == 0 && f.commit == m->commit &&
            f.type == (i == 0 ? CUBBY__REC_COMMIT : CUBBY__REC_PROOF) && cubby__get64(b + CUBBY__FRAME_SIZE) == m->chain &&
            f.len == sizes[i] - CUBBY__FRAME_SIZE &&
            cubby__payload_sum(b + CUBBY__FRAME_SIZE, f.len, &seed, m->seg_end - sizes[i], f.commit) == f.paysum)
            return 0; /* the chain stands first in both payloads. The rest must be sound, too: if it is not, the log has lost its end */
    }
    return CUBBY_DONE;
}

static void from_meta(const struct cubby__meta *m, struct cubby__published *p)
{
    memset(p, 0, sizeof *p);
    p->commit = m->commit;
    p->chain = m->chain;
    p->index_nonce = m->nonce;
    p->file_pages = m->pages;
    p->seg = m->seg;
    p->seg_nonce = m->seg_nonce;
    p->seg_off = p->zeroed = m->seg_end;
    p->vouched = m->commit;
    cubby__set_durable(p, m->commit, m->seg_end, m->chain);
    p->ceiling = m->ceiling;
    p->checkpoint_commit = m->commit;
    p->checkpoint_seq = m->seq;
    cubby__set_root(p, &m->root);
}

/* Writes the pages of what recovery put into the pending version. */
static int flush_recovered(struct cubby__store *s, cubby_error *err)
{
    struct cubby__root root = cubby__published_root(&s->pending);
    struct cubby__pager_stat st;
    int rc = root.page && !root.sum ? cubby__pager_flush(s->pager, &root, err) : 0;
    if (rc == 0 && !s->read_only) /* recovery has seen that behind the end there are zeros only */
        rc = cubby__log_size(s->log, (uint32_t)s->pending.seg, &s->pending.zeroed, err);
    if (rc != 0)
        return rc;
    cubby__set_root(&s->pending, &root);
    cubby__pager_get_stat(s->pager, &st);
    s->pending.file_pages = st.pages;
    s->pending.index_nonce = cubby__pager_nonce(s->pager);
    return 0;
}

int cubby__index_publish_recovered(struct cubby__store *s, cubby_error *err)
{
    int rc = flush_recovered(s, err);
    if (rc == 0 && (rc = cubby__page_ready(s, err)) == 0)
        cubby__publish(s, &s->pending);
    return rc;
}

/* Renames `index` to DIR/NAME, which is made if need be, for good: before another takes the name, of which a power cut might leave just that. */
static int move_index(struct cubby__store *s, const char *dir, const char *name)
{
    char *from = cubby__path_join(s->path, CUBBY__FILE_INDEX), *in = cubby__path_join(s->path, dir), *to = in ? cubby__path_join(in, name) : NULL;
    int rc = from && to ? 0 : -ENOMEM;
    if (rc == 0)
        rc = s->vfs->mkdir(s->vfs->ctx, in);
    if (rc == 0 || rc == -EEXIST)
        rc = s->vfs->rename(s->vfs->ctx, from, to);
    if (rc == 0)
        rc = s->vfs->dirsync(s->vfs->ctx, in);
    cubby__free(from);
    cubby__free(in);
    cubby__free(to);
    return rc;
}

static int stat_in(struct cubby__store *s, const char *name, cubby_vfs_stat *st)
{
    char *path = cubby__path_join(s->path, name);
    int rc = path ? s->vfs->stat(s->vfs->ctx, path, st) : -ENOMEM;
    cubby__free(path);
    return rc;
}

/* What is no file is nobody's evidence, and not ours to throw away. */
static int set_aside(struct cubby__store *s, cubby_error *err)
{
    char name[32];
    uint32_t random = 0;
    s->vfs->random(s->vfs->ctx, &random, sizeof random);
    snprintf(name, sizeof name, "%s-%08x", CUBBY__FILE_INDEX, random);
    int rc = move_index(s, CUBBY__DIR_QUARANTINE, name);
    if (rc != 0)
        return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "the index is not a regular file; moving it to " CUBBY__DIR_QUARANTINE);
    cubby__notice(s, "the index was not a regular file; it is now %s/%s", CUBBY__DIR_QUARANTINE, name);
    return 0;
}

/* X6. What has the name of the index makes way for a new one. */
static int retire_index(struct cubby__store *s, cubby_error *err)
{
    cubby_vfs_stat st, old;
    if (s->read_only || stat_in(s, CUBBY__FILE_INDEX, &st) != 0)
        return 0;
    if (st.is_dir)
        return set_aside(s, err);
    if (stat_in(s, CUBBY__DIR_TMP "/" CUBBY__FILE_OLD_INDEX, &old) == -ENOENT)
        move_index(s, CUBBY__DIR_TMP, CUBBY__FILE_OLD_INDEX); /* else it is not kept */
    return 0;
}

void cubby__index_drop_old(struct cubby__store *s)
{
    char *path = cubby__path_join(s->path, CUBBY__DIR_TMP "/" CUBBY__FILE_OLD_INDEX);
    if (path)
        s->vfs->unlink(s->vfs->ctx, path);
    cubby__free(path);
}

static int rebuild_beside_old(struct cubby__store *s, const struct cubby__last_words *w, cubby_error *err)
{
    struct cubby__pager *p;
    int rc = retire_index(s, err);
    if (rc == 0)
        rc = open_new_pager(s, &p, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&s->v);
    rc = cubby__replace_pager(s, p, err);
    pthread_mutex_unlock(&s->v);
    if (rc != 0) {
        cubby__pager_close(&p);
        return rc;
    }
    rc = cubby__recover(s, NULL, w, err);
    s->pending.checkpoint_seq = w->seq;
    if (rc == 0)
        rc = flush_recovered(s, err);
    if (rc != 0)
        return rc;
    if (!s->read_only && cubby__index_checkpoint(s, &s->pending, 1, err) == 0 && s->pending.checkpoint_commit == s->pending.commit)
        cubby__index_drop_old(s);
    if ((rc = cubby__page_ready(s, err)) == 0)
        cubby__publish(s, &s->pending); /* X8 */
    return rc;
}

/* Where there is no room for both, without the old one: what it proves is known here, if not to the next. */
int cubby__index_rebuild(struct cubby__store *s, uint64_t evidence, uint64_t seq, cubby_error *err)
{
    struct cubby__last_words w = {.commit = evidence, .seq = seq};
    int rc = cubby__last_words(s, CUBBY__FILE_INDEX, &w, err);
    if (rc == 0)
        rc = cubby__last_words(s, CUBBY__DIR_TMP "/" CUBBY__FILE_OLD_INDEX, &w, err);
    if (rc == 0)
        rc = rebuild_beside_old(s, &w, err);
    if (rc == CUBBY_ENOSPC && !s->read_only) {
        cubby__index_drop_old(s);
        rc = rebuild_beside_old(s, &w, err);
    }
    cubby__buf_release(&w.defs);
    return rc;
}

/* A slot that does not verify: a power cut tore it, and the checkpoint in the other one is whole; or it was the newer one, and pages of the older
 * checkpoint may have been used again. */
static int stale_slot(struct cubby__store *s, const struct cubby__meta *meta, cubby_error *err)
{
    int rc = meta->bad_slots ? cubby__tree_is_damaged(s->pager, &meta->root, err) : 0;
    if (rc <= 0)
        return rc;
    cubby__notice(s, "the newer checkpoint of the index is damaged; it is built anew from the segments");
    return CUBBY_DONE;
}

/* X5, or else X7. */
static void make_durable(struct cubby__store *s)
{
    cubby_error why;
    int rc = cubby__pager_sync(s->pager, &why);
    atomic_fetch_add(&s->syncs, 1);
    if (rc == 0)
        return;
    cubby__notice(s, "the index cannot be synced (%s)", why.message);
    cubby__index_set_sync_failed(s);
}

/* Without segments there is nothing to build an index from: the one that is there stays. */
static int segments_there(struct cubby__store *s, cubby_error *err)
{
    uint32_t *numbers;
    size_t count;
    int rc = cubby__log_list(s->log, &numbers, &count, err);
    cubby__free(numbers);
    if (rc == CUBBY_ENOENT) { /* which would say that there is no store */
        rc = CUBBY_ECORRUPT;
        if (err)
            err->code = rc;
    }
    return rc;
}

int cubby__index_is_of_no_use(struct cubby__store *s, int rc, const cubby_error *err)
{
    return rc == CUBBY_ECORRUPT && (cubby__pager_damaged(s->pager) || strcmp(err->path, CUBBY__FILE_INDEX) == 0);
}

/* The index as it is, brought up to the end of the log. CUBBY_DONE: it is of no use. */
static int use_index(struct cubby__store *s, struct cubby__meta *meta, cubby_error *err)
{
    int rc = open_pager(s, 0, 0, &s->pager, err);
    if (rc == CUBBY_EACCES) { /* the store may be written all the same, and it is nobody's mail */
        cubby__notice(s, "the index must not be opened (%s); it is built anew from the segments", err->message);
        return CUBBY_DONE;
    }
    if (rc != 0)
        return rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT ? CUBBY_DONE : rc;
    rc = cubby__meta_read(s->pager, meta, err);
    if (rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION || rc == CUBBY_DONE) {
        cubby__notice(s, "the index cannot be used (%s); it is built anew from the segments", rc == CUBBY_DONE ? "it holds no checkpoint" : err->message);
        return CUBBY_DONE;
    }
    if (rc == 0)
        rc = stale_slot(s, meta, err);
    if (rc != 0)
        return rc;
    int fits = checkpoint_fits(s, meta, err);
    rc = fits == CUBBY_ENOENT ? segments_there(s, err) : fits == CUBBY_DONE || fits == CUBBY_ECORRUPT ? 0 : fits;
    if (rc == 0 && fits != 0) {
        cubby__notice(s, "the index does not belong to these segments; it is built anew");
        return CUBBY_DONE;
    }
    struct cubby__published from;
    from_meta(meta, &from);
    if (rc == 0)
        rc = cubby__recover(s, &from, &(struct cubby__last_words){.commit = meta->commit}, err);
    if (rc == 0 && !s->read_only && !s->stopped_cleanly)
        make_durable(s);
    if (rc == 0)
        rc = cubby__index_publish_recovered(s, err);
    if (rc == 0 && !s->read_only && cubby__index_sync_failed(s) && cubby__index_renew(s, err) != 0 && cubby__pager_damaged(s->pager))
        rc = CUBBY_ECORRUPT;
    if (cubby__index_is_of_no_use(s, rc, err)) {
        cubby__notice(s, "the index is damaged (%s); it is built anew from the segments", err->message);
        rc = CUBBY_DONE;
    }
    return rc;
}

int cubby__index_open(struct cubby__store *s, cubby_error *err)
{
    struct cubby__meta meta = {0};
    struct cubby__published p;
    int rc = CUBBY_DONE;
    cubby__read_published(s, &p); /* of those who are attached, if we are not the first */
    if (!(s->o.flags & CUBBY_REBUILD))
        rc = use_index(s, &meta, err);
    if (rc != CUBBY_DONE || (rc = segments_there(s, err)) != 0)
        return rc;
    cubby__raise(&meta.commit, p.durable);
    return cubby__index_rebuild(s, meta.commit, meta.seq + 1, err);
}

int cubby__index_lost(int rc)
{
    return rc == CUBBY_ESTALE || rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT;
}

/* ---- checkpoints ---- */

/* X7 */
int cubby__index_sync_failed(const struct cubby__store *s)
{
    return cubby__shared_get(s, CUBBY__SHARED_UNSYNCED_OFF) == cubby__pager_nonce(s->pager);
}

void cubby__index_set_sync_failed(struct cubby__store *s)
{
    cubby__shared_set(s, CUBBY__SHARED_UNSYNCED_OFF, cubby__pager_nonce(s->pager));
}

struct cubby__meta cubby__index_meta(const struct cubby__published *p, uint64_t nonce)
{
    return (struct cubby__meta){.nonce = nonce, .seq = p->checkpoint_seq + 1, .commit = p->commit, .chain = p->chain, .seg = (uint32_t)p->seg,
                                .seg_nonce = p->seg_nonce, .seg_end = p->seg_off, .pages = p->file_pages, .ceiling = p->ceiling,
                                .root = cubby__published_root(p)};
}

int cubby__index_may_checkpoint(const struct cubby__published *p)
{
    return p->durable >= p->commit && p->root_commit <= p->commit; /* else there are lazy commits, or nothing but used up numbers */
}

int cubby__index_checkpoint(struct cubby__store *s, const struct cubby__published *at, int w_held, cubby_error *err)
{
    struct cubby__published p = *at;
    struct cubby__meta m = cubby__index_meta(&p, cubby__pager_nonce(s->pager));
    cubby_error local;
    if (cubby__index_sync_failed(s) || !cubby__index_may_checkpoint(&p))
        return 0;
    int rc = cubby__meta_write(s->pager, &m, err ? err : &local);
    atomic_fetch_add(&s->syncs, 2);
    if (!w_held)
        pthread_mutex_lock(&s->w);
    if (rc != 0) { /* X7: the old checkpoint stands */
        cubby__index_set_sync_failed(s);
        s->doubted[1] = m.commit;
    } else {
        s->pending.checkpoint_commit = m.commit;
        s->pending.checkpoint_seq = m.seq;
        s->pending.replay_bytes -= p.replay_bytes;
        s->doubted[0] = s->doubted[1] = 0;
    }
    if (!w_held)
        pthread_mutex_unlock(&s->w);
    if (rc != 0)
        cubby__notice(s, "the index checkpoint failed (%s); the next open replays more of the log", (err ? err : &local)->message);
    return rc;
}
