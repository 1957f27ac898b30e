/* roll.c - when the last segment is full, or the index of no use: a new one (commit.h, C6). */
#include "base/error.h"
#include "store/commit.h"

/* So many bytes of frames, and a transaction begins the next segment. The header does not count: one full of definitions must not fill a
 * segment before its first commit. */
uint64_t cubby__capacity(struct cubby__store *s)
{
    if (s->o.segment_bytes)
        return s->o.segment_bytes;
    return s->capacity < CUBBY__SEG_CAPACITY_MIN ? CUBBY__SEG_CAPACITY_MIN : s->capacity > CUBBY__SEG_CAPACITY_MAX ? CUBBY__SEG_CAPACITY_MAX : s->capacity;
}

int cubby__is_full(struct cubby__store *s)
{
    return s->pending.seg_off - s->pending.seg_frames >= cubby__capacity(s);
}

static int make_segment(struct cubby__store *s, int *named, cubby_error *err)
{
    struct cubby__published *p = &s->pending;
    struct cubby__view view = {.store = s, .pager = s->pager, .root = cubby__published_root(p), .commit = p->commit, .err = err};
    struct cubby__seg_header h = {.ident = s->ident, .kind = CUBBY__SEG_LOG, .number = (uint32_t)p->seg + 1, .pred = (uint32_t)p->seg,
                                  .pred_nonce = p->seg_nonce, .pred_end = p->seg_off, .last_commit = p->commit, .last_chain = p->chain,
                                  .floors = s->floors, .created_ns = s->vfs->now_ns(s->vfs->ctx)};
    struct cubby__seg_maker *m;
    int rc = s->vfs->random(s->vfs->ctx, &h.nonce, sizeof h.nonce);
    rc = rc != 0 ? cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes") : s->handlers->define(&view, &h.defs);
    if (rc == 0 && h.defs.failed)
        rc = cubby__fail_mem(err);
    if (rc == 0)
        rc = cubby__seg_make_begin(s->log, &h, &m, err);
    if (rc == 0)
        rc = cubby__seg_make_end(&m, p->commit, named, err);
    if (rc == 0) {
        uint32_t old = (uint32_t)p->seg;
        uint64_t old_end = p->seg_off;
        p->seg = h.number;
        p->seg_nonce = h.nonce;
        p->seg_off = p->zeroed = p->seg_frames = h.frames;
        p->vouched = p->commit;
        cubby__log_trim(s->log, old, old_end);
    }
    cubby__seg_header_release(&h);
    return rc;
}

/* By the leader, with w held. */
int cubby__roll(struct cubby__store *s, cubby_error *err)
{
    int named = 0;
    int rc = cubby__settle(s, err); /* C6 */
    if (rc == 0)
        rc = make_segment(s, &named, err);
    if (rc == 0) {
        s->capacity = cubby__live_bytes(s) / CUBBY__SEG_LIVE_SHARE;
        cubby__publish(s, &s->pending);
    } else if (named) {
        cubby__latch(s); /* it may turn up after a crash and cut off what would follow here */
    }
    return rc;
}

/* An index of which a page did not verify makes way for a new one, as soon as nothing is queued. By the leader, with w held. */
int cubby__replace_damaged(struct cubby__store *s, cubby_error *err)
{
    if (!cubby__pager_damaged(s->pager))
        return 0;
    int rc = cubby__lead(s, 1, err);
    return rc == 0 ? cubby__index_takeover(s, err) : rc;
}
