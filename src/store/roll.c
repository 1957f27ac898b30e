/* roll.c - when the last segment is full, or the index of no use: a new one (commit.h, C6). */
#include "base/error.h"
#include "store/commit.h"

/* So many bytes of frames, and a transaction begins the next segment. The header does not count, but there are as many frames: one full of definitions
 * must not be written again and again. */
uint64_t cubby__capacity(struct cubby__store *s)
{
    if (s->o.segment_bytes)
        return s->o.segment_bytes;
    uint64_t least = s->pending.seg_frames > CUBBY__SEG_CAPACITY_MIN ? s->pending.seg_frames : CUBBY__SEG_CAPACITY_MIN;
    return s->capacity < least ? least : s->capacity > CUBBY__SEG_CAPACITY_MAX ? CUBBY__SEG_CAPACITY_MAX : s->capacity;
}

int cubby__is_full(struct cubby__store *s)
{
    return s->pending.seg_off - s->pending.seg_frames >= cubby__capacity(s);
}

/* With so many zeros behind the header; *zeroed is where they end. */
static int make_new(struct cubby__store *s, struct cubby__seg_header *h, size_t zeros, uint64_t *zeroed, int *named, cubby_error *err)
{
    struct cubby__seg_maker *m;
    int rc = cubby__seg_make_begin(s->log, h, &m, err);
    if (rc == 0 && (rc = cubby__seg_make_pad(m, zeros, err)) != 0)
        cubby__seg_make_abort(&m);
    if (rc == 0)
        rc = cubby__seg_make_end(&m, s->pending.commit, named, err);
    *zeroed = h->frames + zeros;
    return rc;
}

static int make_of_reserve(struct cubby__store *s, struct cubby__seg_header *h, uint64_t *zeroed, int *named, cubby_error *err)
{
    struct cubby__seg_maker *m;
    int rc = cubby__seg_from_reserve(s, h, zeroed, &m, err);
    return rc == 0 ? cubby__seg_make_end(&m, s->pending.commit, named, err) : rc;
}

/* A segment that has no room for the reserve behind its header is worse than the one before it, which had (N2): only what needs one at any price
 * takes tmp/reserve, or one without. */
static int make(struct cubby__store *s, struct cubby__seg_header *h, enum cubby__need need, uint64_t *zeroed, int *named, cubby_error *err)
{
    cubby_error unused;
    size_t ahead = (size_t)cubby__zero_step(s, 0);
    int rc = make_new(s, h, ahead, zeroed, named, err);
    if (rc == CUBBY_ENOSPC && !*named && ahead > CUBBY__RESERVE_LOG)
        rc = make_new(s, h, CUBBY__RESERVE_LOG, zeroed, named, err);
    if (rc != CUBBY_ENOSPC || *named || need == CUBBY__IF_ROOM)
        return rc;
    rc = make_of_reserve(s, h, zeroed, named, &unused);
    if (rc != 0 && !*named && need == CUBBY__AT_ANY_PRICE)
        rc = make_new(s, h, 0, zeroed, named, &unused);
    return rc == 0 ? 0 : *named ? CUBBY_EIO : CUBBY_ENOSPC;
}

/* Behind the accepted end, where nobody looks as long as the new segment is there: if that is ever lost as a whole, this tells. Unsynced, best effort. */
static void leave_mark(struct cubby__store *s, uint32_t seg, uint64_t nonce, uint64_t end, uint64_t next)
{
    uint8_t payload[CUBBY__PROOF_LEN] = {0};
    uint64_t off;
    cubby_error unused;
    struct cubby__framer f = {0};
    struct cubby__seed seed = {s->ident.salt, nonce};
    cubby__framer_init(&f, &seed, end, next);
    if (cubby__framer_add(&f, CUBBY__REC_PROOF, 0, payload, sizeof payload, NULL, &off) == 0)
        cubby__log_write(s->log, seg, f.buf.data, f.buf.len, end, &unused);
    cubby__framer_release(&f);
}

/* C6. The end of the log has been synced, by this handle, with the last group; or there may be lazy commits, or a PROOF, which never are. */
static int sync_end(struct cubby__store *s, cubby_error *err)
{
    pthread_mutex_lock(&s->g);
    int synced = s->own_synced.seg == s->pending.seg && s->own_synced.off == s->pending.seg_off;
    pthread_mutex_unlock(&s->g);
    return synced ? 0 : cubby__log_sync(s->log, (uint32_t)s->pending.seg, err);
}

int cubby__new_segment(struct cubby__store *s, enum cubby__need need, int *named, cubby_error *err)
{
    uint64_t zeroed = 0;
    *named = 0;
    struct cubby__published *p = &s->pending;
    struct cubby__view view = {.store = s, .pager = s->pager, .root = cubby__published_root(p), .commit = p->commit, .err = err};
    struct cubby__seg_header h = {.ident = s->ident, .kind = CUBBY__SEG_LOG, .number = (uint32_t)p->seg + 1, .pred = (uint32_t)p->seg,
                                  .pred_nonce = p->seg_nonce, .pred_end = p->seg_off, .last_commit = p->commit, .last_chain = p->chain,
                                  .floors = s->floors, .created_ns = s->vfs->now_ns(s->vfs->ctx)};
    int rc = cubby__still_here(s, err);
    if (rc != 0)
        return rc;
    rc = sync_end(s, err);
    if (rc != 0) {
        cubby__latch(s);
        return rc;
    }
    rc = s->vfs->random(s->vfs->ctx, &h.nonce, sizeof h.nonce);
    rc = rc != 0 ? cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes") : s->handlers->define(&view, &h.defs);
    if (rc == 0 && h.defs.failed)
        rc = cubby__fail_mem(err);
    if (rc == 0)
        rc = make(s, &h, need, &zeroed, named, err);
    if (rc == 0) {
        uint32_t old = (uint32_t)p->seg;
        uint64_t old_end = p->seg_off, old_nonce = p->seg_nonce;
        p->seg = h.number;
        p->seg_nonce = h.nonce;
        p->seg_off = p->seg_frames = h.frames;
        p->zeroed = zeroed > h.frames ? zeroed : h.frames;
        p->vouched = p->commit;
        cubby__set_durable(p, p->commit, p->seg_off, p->chain);
        cubby__log_trim(s->log, old, old_end);
        leave_mark(s, old, old_nonce, old_end, p->commit + 1);
    }
    cubby__seg_header_release(&h);
    return rc;
}

static int roll(struct cubby__store *s, enum cubby__need need, cubby_error *err)
{
    int named = 0;
    int rc = cubby__settle(s, err); /* C6 */
    if (rc == 0) {
        s->capacity = cubby__live_bytes(s) / CUBBY__SEG_LIVE_SHARE; /* of the new one, which begins with a share of it in zeros */
        rc = cubby__new_segment(s, need, &named, err);
    }
    if (rc == 0 && (rc = cubby__page_ready(s, err)) == 0)
        cubby__publish(s, &s->pending);
    else if (named)
        cubby__latch(s); /* it may turn up after a crash and cut off what would follow here */
    return rc;
}

int cubby__roll(struct cubby__store *s, cubby_error *err)
{
    return roll(s, CUBBY__IF_ROOM, err);
}

int cubby__roll_to_reserve(struct cubby__store *s, cubby_error *err)
{
    return roll(s, CUBBY__FROM_RESERVE, err);
}

/* An index of which a page did not verify makes way for a new one, as soon as nothing is queued. By the leader, with w held. */
int cubby__replace_damaged(struct cubby__store *s, cubby_error *err)
{
    if (!cubby__pager_damaged(s->pager))
        return 0;
    int rc = cubby__lead(s, 1, err);
    return rc == 0 ? cubby__index_takeover(s, err) : rc;
}
