/* commit.c - how transactions become durable: begin, queue, group commit, roll.
 *
 * C1  A commit is on stable storage before anybody sees it: publish comes after the sync of the log (lazy commits excepted, whose numbers
 *     stay below a ceiling that a synced commit has announced, and are passed over after an unclean stop).
 * C2  Until the first byte is appended nothing has happened: what fails before that (space, index pages) fails those transactions only.
 * C3  After the first byte the outcome of a failure is unknown: the log is latched, nothing more is written by this handle.
 * C4  Commits are appended and published in the order of their numbers; a sync publishes what was appended before it began.
 * C5  Log bytes once written are never overwritten, and a segment is never cut below its accepted end.
 * C6  A new segment is complete and synced before it has its name; the old one is synced before that, for the new header vouches for it.
 *
 * Locks are taken in this order: leadership (s->syncing), w, g. Nobody waits for leadership with w held.
 *
 * The order of a group: 1 reserve log space, 2 write index pages, 3 append, 4 sync the log (C1), 5 publish; then, if due, a checkpoint. */
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "store/internal.h"
#include "store/segstat.h"

enum { COALESCE = 1 << 20, LAZY_STEP = 4096, GATHER_TURNS = 64 };

void cubby__node_free(struct cubby__commit_node *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->spool_count; i++)
        cubby__spool_unref(&n->spools[i]);
    cubby__free(n->spools);
    cubby__framer_release(&n->framer);
    cubby__free(n);
}

/* ---- begin and abort ---- */

/* Up to here a commit's frames go into the active segment. */
/* Bytes of frames: a header full of definitions must not fill a segment before its first commit. */
static uint64_t capacity(struct cubby__store *s)
{
    if (s->o.segment_bytes)
        return s->o.segment_bytes;
    return s->capacity < CUBBY__SEG_CAPACITY_MIN ? CUBBY__SEG_CAPACITY_MIN : s->capacity > CUBBY__SEG_CAPACITY_MAX ? CUBBY__SEG_CAPACITY_MAX : s->capacity;
}

static int is_full(struct cubby__store *s)
{
    return s->pending.seg_off - s->pending.seg_frames >= capacity(s);
}

static void leave(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    if (--s->users == 0 && s->have_lock) {
        cubby__writer_unlock(s);
        s->have_lock = 0;
    }
    pthread_mutex_unlock(&s->g);
}

/* The process holds the writer lock while any of its transactions is under way, appended or waiting. w is held. */
static int enter(struct cubby__store *s, cubby_error *err)
{
    pthread_mutex_lock(&s->g);
    int need = !s->have_lock, latched = s->latched;
    if (!latched)
        s->users++;
    pthread_mutex_unlock(&s->g);
    if (latched)
        return cubby__fail(err, CUBBY_ELATCHED, s->path, CUBBY__NO_OFFSET, "an earlier write of the log failed; open the store anew");
    if (!need)
        return 0;
    int rc = cubby__writer_lock(s, err);
    pthread_mutex_lock(&s->g);
    s->have_lock = rc == 0;
    pthread_mutex_unlock(&s->g);
    if (rc != 0)
        leave(s);
    return rc;
}

static int protect(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published p;
    cubby__read_published(s, &p);
    uint64_t commits[2] = {p.root_commit, s->pending.checkpoint_commit};
    return cubby__pager_protect(s->pager, commits, 2, cubby__oldest_reader(s, p.commit), err);
}

static struct cubby__commit_node *take_node(struct cubby__store *s)
{
    struct cubby__commit_node *n = s->spare_node;
    s->spare_node = NULL;
    return n ? n : cubby__calloc(1, sizeof *n);
}

/* What the leaders' syncs have proved. w is held. */
static void note_synced(struct cubby__store *s)
{
    uint64_t synced = atomic_load(&s->own_synced);
    if (synced > s->pending.durable)
        s->pending.durable = synced;
}

/* Another process wrote last, or a write of this one failed: what is published is where to go on from. */
static int current(struct cubby__store *s, cubby_error *err)
{
    if (cubby__shared_get(s, CUBBY__SHARED_OWNER_OFF) != s->token || cubby__shared_get(s, CUBBY__SHARED_LATCH_OFF))
        return cubby__index_takeover(s, err);
    note_synced(s);
    return 0;
}

static int lead(struct cubby__store *s, int w_held, cubby_error *err);
static void lead_in_turn(struct cubby__store *s);
static void lead_done(struct cubby__store *s);
static int roll(struct cubby__store *s, cubby_error *err);

/* An index of which a page did not verify makes way for a new one, as soon as nothing is queued. By the leader, with w held. */
static int replace_damaged(struct cubby__store *s, cubby_error *err)
{
    if (!cubby__pager_damaged(s->pager))
        return 0;
    int rc = lead(s, 1, err);
    return rc == 0 ? cubby__index_takeover(s, err) : rc;
}

/* Everything that a transaction needs once the lock is held. */
static int prepare(struct cubby__store *s, struct cubby__txn *txn, cubby_error *err)
{
    int rc = cubby__still_there(s, err);
    if (rc == 0)
        rc = current(s, err);
    if (rc == 0 && (is_full(s) || cubby__pager_damaged(s->pager))) {
        pthread_mutex_unlock(&s->w); /* leading comes before w */
        lead_in_turn(s);
        pthread_mutex_lock(&s->w);
        rc = current(s, err);
        if (rc == 0)
            rc = replace_damaged(s, err);
        if (rc == 0 && is_full(s))
            rc = roll(s, err);
        lead_done(s);
    }
    if (rc == 0)
        rc = protect(s, err);
    if (rc != 0)
        return rc;
    txn->floors = s->floors;
    txn->number = s->floors.commit > s->pending.commit ? s->floors.commit : s->pending.commit;
    txn->number = (s->pending.above > txn->number ? s->pending.above : txn->number) + 1;
    txn->now = s->vfs->now_ns(s->vfs->ctx) / 1000000000;
    struct cubby__seed seed = {s->ident.salt, s->pending.seg_nonce};
    cubby__framer_init(&txn->node->framer, &seed, s->pending.seg_off, txn->number);
    struct cubby__root base = cubby__published_root(&s->pending);
    return cubby__tree_begin(s->pager, &base, txn->number, err);
}

int cubby__txn_begin(struct cubby__store *s, unsigned flags, struct cubby__txn **out, cubby_error *err)
{
    if (s->no_space)
        return cubby__fail(err, CUBBY_ENOSPC, s->path, CUBBY__NO_OFFSET, "there was no space to recover the store, it is open read-only");
    if (s->read_only)
        return cubby__fail(err, CUBBY_EACCES, s->path, CUBBY__NO_OFFSET, "the store is open read-only");
    struct cubby__txn *txn = cubby__calloc(1, sizeof *txn);
    if (!txn)
        return cubby__fail_mem(err);
    pthread_mutex_lock(&s->w);
    int rc = enter(s, err);
    if (rc == 0) {
        txn->node = take_node(s);
        rc = txn->node ? prepare(s, txn, err) : cubby__fail_mem(err);
        if (rc != 0) {
            cubby__node_free(txn->node);
            leave(s);
        }
    }
    if (rc != 0) {
        pthread_mutex_unlock(&s->w);
        cubby__free(txn);
        return rc;
    }
    txn->store = s;
    txn->err = err;
    txn->flags = flags;
    txn->lazy_ok = 1;
    txn->view = (struct cubby__view){.store = s, .pager = s->pager, .root = cubby__published_root(&s->pending), .txn = txn, .commit = txn->number, .err = err};
    *out = txn;
    return 0;
}

/* The node is kept for the next transaction unless it has grown large; w is held. */
static void give_back(struct cubby__store *s, struct cubby__commit_node *n)
{
    for (size_t i = 0; i < n->spool_count; i++)
        cubby__spool_unref(&n->spools[i]);
    n->spool_count = 0;
    if (s->spare_node || n->framer.buf.cap > COALESCE)
        cubby__node_free(n);
    else
        s->spare_node = n;
}

void cubby__txn_abort(struct cubby__txn **txnp)
{
    struct cubby__txn *txn = *txnp;
    if (!txn)
        return;
    struct cubby__store *s = txn->store;
    cubby__tree_abort(s->pager);
    give_back(s, txn->node);
    pthread_mutex_unlock(&s->w);
    leave(s);
    cubby__free(txn);
    *txnp = NULL;
}

/* ---- the group ---- */

static int is_latched(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    int latched = s->latched;
    pthread_mutex_unlock(&s->g);
    return latched;
}

static void fail_nodes(struct cubby__store *s, struct cubby__commit_node *n, int rc)
{
    pthread_mutex_lock(&s->g);
    for (struct cubby__commit_node *next; n; n = next) {
        next = n->next;
        n->rc = rc;
        n->state = 2;
    }
    pthread_mutex_unlock(&s->g);
}

/* C3 */
static void latch(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    s->latched = 1;
    pthread_mutex_unlock(&s->g);
    cubby__shared_set(s, CUBBY__SHARED_LATCH_OFF, 1);
}

/* The detail says why, too. */
static int unknown(struct cubby__store *s, cubby_error *err)
{
    char why[160] = "";
    if (err)
        snprintf(why, sizeof why, "%.150s", err->message);
    return cubby__fail(err, CUBBY_EUNKNOWN, s->path, CUBBY__NO_OFFSET, "%s; whether this commit will be there is unknown", why);
}

/* C2: as if the queued transactions had never been. What is in memory of them is dropped; the next writer starts from the published state. */
static void undo(struct cubby__store *s, struct cubby__commit_node *nodes, int rc)
{
    cubby__pager_discard(s->pager);
    cubby__read_published(s, &s->pending);
    cubby__shared_set(s, CUBBY__SHARED_OWNER_OFF, 0);
    fail_nodes(s, nodes, rc);
}

/* Zeros ahead of the log, so that a sync has no new size to write down. */
static int reserve(struct cubby__store *s, uint64_t from, uint64_t end, cubby_error *err)
{
    static const uint8_t zeros[32 << 10];
    struct cubby__published *p = &s->pending;
    if (end <= p->zeroed || end - from > CUBBY__ZERO_AHEAD_GROUP)
        return 0;
    uint64_t step = end / 2, cap = p->seg_frames + capacity(s);
    step = step < 8192 ? 8192 : step > CUBBY__ZERO_AHEAD_MAX ? CUBBY__ZERO_AHEAD_MAX : step;
    uint64_t to = (end + step) & ~(uint64_t)4095;
    if (to > cap)
        to = cap > end ? cap : end;
    uint64_t at = p->zeroed > from ? p->zeroed : from;
    while (at < to) {
        size_t n = to - at < sizeof zeros ? (size_t)(to - at) : sizeof zeros;
        int rc = cubby__log_write(s->log, (uint32_t)p->seg, zeros, n, at, err);
        if (rc != 0)
            return rc;
        at += n;
    }
    p->zeroed = to;
    return 0;
}

/* One commit with stretches outside memory: piece by piece. */
static int write_node(struct cubby__store *s, const struct cubby__commit_node *n, cubby_error *err)
{
    const struct cubby__framer *f = &n->framer;
    uint64_t off = f->base;
    size_t done = 0;
    int rc = 0;
    struct cubby__buf tmp = CUBBY__BUF_INIT;
    for (size_t i = 0; i <= f->extent_count && rc == 0; i++) {
        const struct cubby__extent *e = i < f->extent_count ? &f->extents[i] : NULL;
        size_t end = e ? e->at : f->buf.len;
        cubby__buf_clear(&tmp);
        cubby__buf_add(&tmp, f->buf.data + done, end - done);
        uint8_t *to = e ? cubby__buf_extend(&tmp, e->len) : NULL;
        if (tmp.failed)
            rc = cubby__fail_mem(err);
        else if (to)
            rc = cubby__spool_read(e->source, e->off, to, e->len, err);
        if (rc == 0)
            rc = cubby__log_write(s->log, (uint32_t)s->pending.seg, tmp.data, tmp.len, off, err);
        off += tmp.len;
        done = end;
    }
    cubby__buf_release(&tmp);
    return rc;
}

/* Small commits of a group go out in one write. */
static int append(struct cubby__store *s, struct cubby__commit_node *nodes, cubby_error *err)
{
    struct cubby__buf *all = &s->scratch;
    int rc = 0;
    for (struct cubby__commit_node *n = nodes; n && rc == 0;) {
        if (n->framer.extent_count || !n->next || n->framer.buf.len > COALESCE) {
            rc = n->framer.extent_count ? write_node(s, n, err)
                                        : cubby__log_write(s->log, (uint32_t)s->pending.seg, n->framer.buf.data, n->framer.buf.len, n->framer.base, err);
            n = n->next;
            continue;
        }
        uint64_t base = n->framer.base;
        cubby__buf_clear(all);
        for (; n && !n->framer.extent_count && all->len + n->framer.buf.len <= 2 * COALESCE; n = n->next)
            cubby__buf_add(all, n->framer.buf.data, n->framer.buf.len);
        rc = all->failed ? cubby__fail_mem(err) : cubby__log_write(s->log, (uint32_t)s->pending.seg, all->data, all->len, base, err);
    }
    return rc;
}

static void publish(struct cubby__store *s, const struct cubby__published *p, struct cubby__commit_node *nodes)
{
    cubby__publish(s, p);
    pthread_mutex_lock(&s->g);
    for (struct cubby__commit_node *n = nodes, *next; n; n = next) {
        next = n->next;
        n->state = 1;
    }
    pthread_cond_broadcast(&s->done); /* not only behind the checkpoint */
    pthread_mutex_unlock(&s->g);
}

/* Steps 1 to 3 for everything queued; w is held. *lazy: nothing in it waits for a sync. */
static int write_group(struct cubby__store *s, struct cubby__commit_node *nodes, struct cubby__published *target, int *lazy, cubby_error *err)
{
    struct cubby__root root = cubby__published_root(&s->pending);
    struct cubby__pager_stat st;
    *lazy = 1;
    for (const struct cubby__commit_node *n = nodes; n; n = n->next)
        *lazy &= n->lazy;
    int rc = reserve(s, nodes->framer.base, s->pending.seg_off, err);
    if (rc == 0)
        rc = cubby__pager_flush(s->pager, &root, err);
    if (rc != 0) {
        undo(s, nodes, rc);
        return rc;
    }
    cubby__set_root(&s->pending, &root);
    cubby__pager_get_stat(s->pager, &st);
    s->pending.file_pages = st.pages;
    rc = append(s, nodes, err);
    if (rc != 0) {
        latch(s);
        fail_nodes(s, nodes, unknown(s, err));
        return rc;
    }
    *target = s->pending;
    return 0;
}

static int sync_log(struct cubby__store *s, const struct cubby__published *target, cubby_error *err)
{
    int rc = cubby__log_sync(s->log, (uint32_t)target->seg, err);
    atomic_fetch_add(&s->syncs, 1);
    return rc;
}

/* Everything queued, by the one thread that has set s->syncing. Returns the failure that hit the group, for whoever wants to know. */
static int lead(struct cubby__store *s, int w_held, cubby_error *err)
{
    struct cubby__published target;
    int rc = 0, lazy = 0;
    if (!w_held)
        pthread_mutex_lock(&s->w);
    struct cubby__commit_node *nodes = s->queue;
    s->queue = NULL;
    s->queue_tail = &s->queue;
    unsigned group = atomic_exchange(&s->queued, 0);
    if (!nodes) {
        target = s->pending;
    } else if (is_latched(s)) {
        fail_nodes(s, nodes, rc = CUBBY_ELATCHED);
    } else {
        rc = write_group(s, nodes, &target, &lazy, err);
    }
    if (!w_held)
        pthread_mutex_unlock(&s->w);
    if (!nodes || rc != 0)
        return rc;
    if (!lazy) {
        rc = sync_log(s, &target, err); /* C1 */
        if (rc != 0) {
            latch(s);
            fail_nodes(s, nodes, unknown(s, err));
            return rc;
        }
        target.durable = target.commit;
        atomic_store(&s->own_synced, target.commit); /* w is not taken again for this: it has a queue in front of it now */
    }
    publish(s, &target, nodes);
    atomic_store(&s->expected, group + atomic_load(&s->queued));
    if (target.replay_bytes >= (s->o.checkpoint_bytes ? s->o.checkpoint_bytes : CUBBY__CHECKPOINT_BYTES))
        cubby__index_checkpoint(s, &target, w_held, NULL); /* its failure is no failure of the commit */
    return 0;
}

/* Takes the leader's place when it is free. */
static void lead_in_turn(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    while (s->syncing)
        pthread_cond_wait(&s->done, &s->g);
    s->syncing = 1;
    pthread_mutex_unlock(&s->g);
}

static void lead_done(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    s->syncing = 0;
    pthread_cond_broadcast(&s->done);
    pthread_mutex_unlock(&s->g);
}

/* Threads that commit in a loop fall into two halves: while one half's sync runs the other queues up, and each sync serves half of them. So a leader lets
 * those go first who were in the last group or waited behind it, for as long as a few dozen turns of the scheduler. A thread alone waits for nobody. */
static void gather(struct cubby__store *s)
{
    for (int turns = 0; turns < GATHER_TURNS && atomic_load(&s->queued) < atomic_load(&s->expected); turns++)
        sched_yield();
}

/* Until the node's fate is known: whoever finds nobody leading leads. */
static int wait_for(struct cubby__store *s, struct cubby__commit_node *n, cubby_error *err)
{
    pthread_mutex_lock(&s->g);
    while (n->state == 0) {
        if (s->syncing) {
            pthread_cond_wait(&s->done, &s->g);
            continue;
        }
        s->syncing = 1;
        pthread_mutex_unlock(&s->g);
        gather(s);
        lead(s, 0, err);
        pthread_mutex_lock(&s->g);
        s->syncing = 0;
        pthread_cond_broadcast(&s->done);
    }
    int rc = n->state == 1 ? 0 : n->rc;
    pthread_mutex_unlock(&s->g);
    return rc;
}

/* ---- commit ---- */

/* Lazy commits are published before a sync only below a ceiling that a synced commit has announced (C1). */
static int may_be_lazy(const struct cubby__store *s, const struct cubby__txn *txn)
{
    return (txn->flags & CUBBY_LAZY) && txn->lazy_ok && txn->number < s->pending.ceiling && s->pending.durable >= s->ceiling_commit;
}

static int finish(struct cubby__store *s, struct cubby__txn *txn)
{
    struct cubby__commit_node *n = txn->node;
    struct cubby__published *p = &s->pending;
    uint64_t ceiling = p->ceiling;
    n->lazy = may_be_lazy(s, txn);
    if ((txn->flags & CUBBY_LAZY) && txn->lazy_ok && !n->lazy)
        ceiling = txn->number + LAZY_STEP;
    struct cubby__commit c = {.prev = p->commit, .durable_through = p->durable, .ceiling = ceiling, .time_ns = s->vfs->now_ns(s->vfs->ctx)};
    txn->floors.commit = txn->number;
    int rc = cubby__floors_store(s, &txn->floors, txn->err);
    if (rc == 0 && cubby__framer_commit(&n->framer, &c, p->chain) != 0)
        rc = cubby__fail_mem(txn->err);
    if (rc != 0)
        return rc;
    struct cubby__root root;
    cubby__tree_commit(s->pager, &root);
    cubby__set_root(p, &root);
    if (ceiling != p->ceiling)
        s->ceiling_commit = txn->number;
    p->ceiling = ceiling;
    p->commit = txn->number;
    p->chain = c.chain;
    p->seg_off = cubby__framer_end(&n->framer);
    p->replay_bytes += n->framer.record_bytes + txn->rows * CUBBY__ROW_COST;
    if (c.durable_through > p->vouched)
        p->vouched = c.durable_through;
    s->floors = txn->floors;
    n->commit = txn->number;
    n->state = 0;
    n->next = NULL;
    *s->queue_tail = n;
    s->queue_tail = &n->next;
    atomic_fetch_add(&s->queued, 1);
    return 0;
}

int cubby__txn_commit(struct cubby__txn **txnp, uint64_t *modseq)
{
    struct cubby__txn *txn = *txnp;
    struct cubby__store *s = txn->store;
    uint64_t number = txn->number, last = s->pending.commit;
    cubby_error *err = txn->err;
    struct cubby__commit_node *n = txn->node;
    int rc = txn->spoiled;
    int empty = n->framer.buf.len == 0 && n->framer.outside == 0;
    if (rc == 0 && !empty)
        rc = finish(s, txn);
    if (rc != 0 || empty) {
        cubby__txn_abort(txnp);
        if (rc == 0 && modseq)
            *modseq = last;
        return rc;
    }
    pthread_mutex_unlock(&s->w);
    cubby__free(txn);
    *txnp = NULL;
    rc = wait_for(s, n, err);
    if (rc != 0 && err && err->code != rc) /* another thread led the group and has the detail */
        cubby__fail(err, rc, s->path, CUBBY__NO_OFFSET, rc == CUBBY_EUNKNOWN ? "syncing the log failed: whether this commit will be there is unknown"
                                                                              : "writing the group of commits that this one was in failed; nothing of it happened");
    pthread_mutex_lock(&s->w);
    give_back(s, n);
    pthread_mutex_unlock(&s->w);
    leave(s);
    if (rc == 0 && modseq)
        *modseq = number;
    return rc;
}

/* ---- roll ---- */

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
static int roll(struct cubby__store *s, cubby_error *err)
{
    int named = 0;
    int rc = lead(s, 1, err);
    note_synced(s);
    if (rc == 0 && s->pending.durable < s->pending.commit) { /* C6, lazy commits too */
        rc = sync_log(s, &s->pending, err);
        if (rc != 0)
            latch(s);
        else
            s->pending.durable = s->pending.commit;
    }
    if (rc == 0)
        rc = make_segment(s, &named, err);
    if (rc == 0) {
        s->capacity = cubby__live_bytes(s) / CUBBY__SEG_LIVE_SHARE;
        cubby__publish(s, &s->pending);
    } else if (named) {
        latch(s); /* it may turn up after a crash and cut off what would follow here */
    }
    return rc;
}

/* ---- at rest ---- */

int cubby__quiesce(struct cubby__store *s, cubby_error *err)
{
    lead_in_turn(s);
    pthread_mutex_lock(&s->w);
    int rc = enter(s, err);
    if (rc != 0) {
        pthread_mutex_unlock(&s->w);
        lead_done(s);
        return rc;
    }
    rc = current(s, err);
    if (rc == 0)
        rc = lead(s, 1, err);
    if (rc == 0)
        rc = replace_damaged(s, err);
    note_synced(s);
    if (rc == 0 && s->pending.durable < s->pending.commit) { /* lazy commits */
        rc = sync_log(s, &s->pending, err);
        if (rc != 0) {
            latch(s);
        } else {
            s->pending.durable = s->pending.commit;
            atomic_store(&s->own_synced, s->pending.commit);
            cubby__publish(s, &s->pending);
        }
    }
    if (rc != 0)
        cubby__resume(s);
    return rc;
}

void cubby__resume(struct cubby__store *s)
{
    pthread_mutex_unlock(&s->w);
    leave(s);
    lead_done(s);
}

int cubby__checkpoint_now(struct cubby__store *s, cubby_error *err)
{
    int rc = cubby__index_checkpoint(s, &s->pending, 1, err);
    if (rc == 0)
        cubby__publish(s, &s->pending);
    return rc;
}

/* Unsynced: it says what the last successful sync covered, and if it is lost the next open only has more to do. */
int cubby__append_proof(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published *p = &s->pending;
    uint8_t payload[CUBBY__PROOF_LEN];
    uint64_t off;
    if (atomic_load(&s->own_synced) < p->commit || (p->vouched >= p->commit && !p->ceiling))
        return 0;
    struct cubby__framer f = {0};
    struct cubby__seed seed = {s->ident.salt, p->seg_nonce};
    cubby__framer_init(&f, &seed, p->seg_off, p->commit);
    cubby__put64(payload + CUBBY__PROOF_CHAIN_OFF, p->chain);
    int rc = cubby__framer_add(&f, CUBBY__REC_PROOF, 0, payload, sizeof payload, NULL, &off) ? cubby__fail_mem(err) : 0;
    if (rc == 0)
        rc = cubby__log_write(s->log, (uint32_t)p->seg, f.buf.data, f.buf.len, p->seg_off, err);
    if (rc == 0) {
        p->seg_off = cubby__framer_end(&f);
        p->vouched = p->commit;
        p->ceiling = 0; /* nothing lazy is left: the next who wants to be must announce it anew */
        cubby__publish(s, p);
    } else {
        latch(s);
    }
    cubby__framer_release(&f);
    return rc;
}
