/* takeover.c - another process wrote last, or a write of this one failed: what is published is where to go on from (index.c, X1 to X8).
 *
 * Whoever takes over has the writer lock. What the one before left behind, a latch or bytes behind the published end, is recovered; an index that is damaged,
 * or not there, is built anew; then the pages that nobody uses are learned, and the floors. Only then is the handle the owner. */
#include "base/bytes.h"
#include "base/error.h"
#include "store/index.h"

/* What a writer that died left behind the published end, or a latch: it takes a recovery. */
static int left_uncleanly(struct cubby__store *s, int *unclean, cubby_error *err)
{
    uint8_t b[4096];
    size_t got = 0;
    *unclean = cubby__shared_get(s, CUBBY__SHARED_LATCH_OFF) != 0;
    int rc = cubby__log_pread(s->log, (uint32_t)s->pending.seg, b, sizeof b, s->pending.seg_off, &got, err);
    *unclean |= !cubby__all_zero(b, got);
    if (rc != 0 || *unclean)
        return rc;
    struct cubby__seg_header h;
    cubby_error why;
    rc = cubby__log_header(s->log, (uint32_t)s->pending.seg + 1, &h, &why);
    if (rc == 0)
        cubby__seg_header_release(&h);
    *unclean = rc == 0 || rc == CUBBY_ECORRUPT;
    if (*unclean || rc == CUBBY_ENOENT)
        return 0;
    *err = why;
    return rc;
}

static int load_pages(struct cubby__store *s, cubby_error *err)
{
    struct cubby__meta meta = {0};
    int whole;
    struct cubby__root roots[2 + CUBBY__ANCHORS] = {cubby__published_root(&s->pending)};
    size_t count = 1 + cubby__anchors(s, roots + 1);
    int rc = cubby__meta_read(s->pager, &meta, err);
    if (rc == 0 && meta.seq > s->pending.checkpoint_seq && !cubby__index_sync_failed(s)) { /* X5 */
        rc = cubby__pager_sync(s->pager, err);
        atomic_fetch_add(&s->syncs, 1);
        if (rc != 0)
            cubby__index_set_sync_failed(s);
    }
    if (rc == 0) {
        roots[count++] = meta.root;
        s->pending.checkpoint_commit = meta.commit;
        s->pending.checkpoint_seq = meta.seq;
    } else if (rc == CUBBY_ECORRUPT) {
        return cubby__fail(err, rc, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "no checkpoint of the index verifies");
    } else if (rc != CUBBY_DONE) {
        return rc;
    }
    rc = cubby__pager_load_live_and(s->pager, roots, count, &meta.older, &whole, s->pending.root_commit, s->pending.file_pages, err);
    if (rc == 0) {
        s->doubted[0] = whole ? meta.older.commit : 0; /* X7: if it is not whole, its pages were given up long ago */
        s->doubted[1] = 0;
    }
    return rc;
}

/* From what is published on. */
static int recover_again(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published from = s->pending;
    if (from.durable < from.commit) { /* lazy ones: no later sync can vouch for what a failed one left, so the successor gets them, written anew (R4) */
        from.commit = from.durable;
        from.seg_off = from.durable_off;
        from.chain = from.durable_chain;
    }
    int rc = cubby__recover(s, &from, &(struct cubby__last_words){.commit = from.durable}, err);
    return rc == 0 ? cubby__index_publish_recovered(s, err) : rc;
}

int cubby__index_takeover(struct cubby__store *s, cubby_error *err)
{
    int unclean = 0, rebuilt = 0;
    cubby_error local;
    err = err ? err : &local;
    cubby__disown(s); /* it may be ours: what fails from here on must be begun anew */
    cubby__read_published(s, &s->pending);
    const uint64_t durable = s->pending.durable, seq = s->pending.checkpoint_seq + 1;
    pthread_mutex_lock(&s->v);
    int rc = s->pending.index_nonce != cubby__pager_nonce(s->pager) ? cubby__index_follow(s, s->pending.index_nonce, err) : 0;
    pthread_mutex_unlock(&s->v);
    cubby__pager_discard(s->pager); /* from here on nobody replaces it: that takes the writer lock */
    if (cubby__index_lost(rc) || cubby__pager_damaged(s->pager)) { /* damaged, deleted, or whoever was to build the next one died (X1) */
        rc = cubby__index_rebuild(s, durable, seq, err);
        rebuilt = 1;
    }
    if (rc == 0 && !rebuilt)
        rc = left_uncleanly(s, &unclean, err);
    if (rc == 0)
        rc = load_pages(s, err);
    if (rc == 0 && unclean)
        rc = recover_again(s, err);
    if (!rebuilt && cubby__index_is_of_no_use(s, rc, err)) { /* which only the pages tell, or damage behind its end */
        rc = cubby__index_rebuild(s, durable, seq, err); /* it recovers, too */
        rebuilt = 1;
        if (rc == 0)
            rc = load_pages(s, err);
    }
    if (rc == 0)
        rc = cubby__page_ready(s, err);
    if (rc == 0 && (rebuilt || unclean))
        cubby__shared_set(s, CUBBY__SHARED_LATCH_OFF, 0);
    struct cubby__root root = cubby__published_root(&s->pending);
    if (rc == 0)
        rc = cubby__floors_load(s, &root, &s->floors, err);
    if (rc != 0)
        return rc;
    s->capacity = cubby__live_bytes(s) / CUBBY__SEG_LIVE_SHARE;
    s->ceiling_commit = s->pending.commit;
    cubby__own(s);
    return 0;
}
