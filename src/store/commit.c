/* commit.c - the beginning and the end of a transaction. The invariants C1 to C6 stand in commit.h. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/commit.h"

enum {
    LAZY_STEP = 4096,
    ROLL_AGAIN_MS = 1000,
    TURN_MS = 100, /* so long a process may write on though others wait, and ... */
    LOOK_MS = 10,  /* ... so often it looks after that whether any do */
    HELD_MIN = 1024, /* pages that old snapshots may keep from being used again, and ... */
    HELD_SHARE = 8   /* ... of how many pages one may */
};

/* ---- begin and abort ---- */

static int latch_error(struct cubby__store *s, cubby_error *err)
{
    return cubby__fail(err, CUBBY_ELATCHED, s->path, CUBBY__NO_OFFSET, "a write or sync of the log has just failed; those who took part are still being told");
}

void cubby__leave(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    if (--s->users == 0 && s->have_lock) {
        cubby__writer_unlock(s);
        s->have_lock = s->giving_way = 0;
        pthread_cond_broadcast(&s->gave_way);
    }
    pthread_mutex_unlock(&s->g);
}

/* Before a transaction, with nothing held: threads that never rest would keep the lock from other processes for ever. */
static void give_way(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    if (s->have_lock && !s->giving_way) {
        int64_t now = s->vfs->ticks_ms(s->vfs->ctx);
        if (now >= s->turn_ends) {
            s->giving_way = cubby__writer_is_wanted(s);
            s->turn_ends = s->giving_way ? 0 : now + LOOK_MS;
        }
    }
    while (s->giving_way)
        pthread_cond_wait(&s->gave_way, &s->g);
    pthread_mutex_unlock(&s->g);
}

/* The process holds the writer lock while any of its transactions is under way, appended or waiting. w is held. */
int cubby__enter(struct cubby__store *s, cubby_error *err)
{
    int ready = cubby__page_ready(s, err);
    if (ready != 0)
        return ready;
    pthread_mutex_lock(&s->g);
    if (s->users == 0)
        s->latched = 0; /* all whose fate is unknown have been told: this one finds the shared latch, or another's recovery (C3) */
    int need = !s->have_lock, latched = s->latched, has_turn = need && s->vfs->ticks_ms(s->vfs->ctx) < s->turn_ends;
    if (!latched)
        s->users++;
    pthread_mutex_unlock(&s->g);
    if (latched)
        return latch_error(s, err);
    if (!need)
        return 0;
    int rc = cubby__writer_lock(s, has_turn, err);
    pthread_mutex_lock(&s->g);
    s->have_lock = rc == 0;
    if (rc == 0 && !has_turn)
        s->turn_ends = s->vfs->ticks_ms(s->vfs->ctx) + TURN_MS;
    pthread_mutex_unlock(&s->g);
    if (rc != 0)
        cubby__leave(s);
    return rc;
}

/* What is in use besides what readers read: the published version, the checkpoint, what else a slot may name (X7), the anchors. */
static int protect_from(struct cubby__store *s, const struct cubby__published *p, uint64_t oldest_reader, cubby_error *err)
{
    struct cubby__root anchors[CUBBY__ANCHORS];
    uint64_t commits[4 + CUBBY__ANCHORS] = {p->root_commit, s->pending.checkpoint_commit};
    cubby__anchors_move(s, p, oldest_reader);
    size_t n = cubby__anchors(s, anchors), count = 2;
    for (size_t i = 0; i < n; i++)
        commits[count++] = anchors[i].commit;
    for (size_t i = 0; i < 2; i++)
        if (s->doubted[i])
            commits[count++] = s->doubted[i];
    return cubby__pager_protect(s->pager, commits, count, oldest_reader, err);
}

/* Old snapshots are revoked only if they do harm. */
static int protect(struct cubby__store *s, cubby_error *err)
{
    struct cubby__published p;
    cubby__read_published(s, &p);
    uint64_t ripe = cubby__ripe(s, p.commit), oldest = cubby__oldest_reader(s, p.commit, 0);
    uint64_t enough = s->pending.file_pages / HELD_SHARE > HELD_MIN ? s->pending.file_pages / HELD_SHARE : HELD_MIN;
    int rc = protect_from(s, &p, oldest, err);
    if (rc != 0 || oldest >= ripe || cubby__pager_held_by_readers(s->pager, (size_t)enough) < enough)
        return rc;
    return protect_from(s, &p, cubby__oldest_reader(s, p.commit, ripe), err);
}

static struct cubby__commit_node *take_node(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    struct cubby__commit_node *n = s->spare_node;
    s->spare_node = NULL;
    pthread_mutex_unlock(&s->g);
    if (!n && (n = cubby__calloc(1, sizeof *n)))
        pthread_cond_init(&n->waiter.wake, NULL);
    return n;
}

void cubby__set_durable(struct cubby__published *p, uint64_t commit, uint64_t off, uint64_t chain)
{
    p->durable = commit;
    p->durable_off = off;
    p->durable_chain = chain;
}

void cubby__synced_at(struct cubby__store *s, const struct cubby__published *p)
{
    pthread_mutex_lock(&s->g);
    s->own_synced = (struct cubby__synced){p->commit, p->chain, p->seg, p->seg_off};
    pthread_mutex_unlock(&s->g);
}

/* What the leaders' syncs have proved. w is held. */
void cubby__note_synced(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    struct cubby__synced at = s->own_synced;
    pthread_mutex_unlock(&s->g);
    if (at.commit > s->pending.durable && at.seg == s->pending.seg)
        cubby__set_durable(&s->pending, at.commit, at.off, at.chain);
}

static int check_latch(struct cubby__store *s, cubby_error *err)
{
    pthread_mutex_lock(&s->g);
    int latched = s->latched;
    pthread_mutex_unlock(&s->g);
    return latched ? latch_error(s, err) : 0;
}

/* Another process wrote last, or a write of this one failed: what is published is where to go on from. But if one of this process failed after we have
 * entered, what is queued behind it must fail first (C3): a recovery would take the latch away from under it. */
int cubby__current_state(struct cubby__store *s, cubby_error *err)
{
    if (!cubby__is_owner(s) || cubby__shared_get(s, CUBBY__SHARED_LATCH_OFF)) {
        int rc = check_latch(s, err);
        return rc ? rc : cubby__index_takeover(s, err);
    }
    cubby__note_synced(s);
    return 0;
}

/* A new segment if the last one is full, and room at its end. On a full disk the log goes on where it is, as far as the reserve goes. By the leader. */
static int make_way(struct cubby__store *s, cubby_error *err)
{
    int rc = 0;
    if (cubby__is_full(s) && s->vfs->ticks_ms(s->vfs->ctx) >= s->roll_again_ms) {
        rc = cubby__roll(s, err);
        if (rc == CUBBY_ENOSPC || rc == CUBBY_ELIMIT)
            s->roll_again_ms = s->vfs->ticks_ms(s->vfs->ctx) + ROLL_AGAIN_MS;
    }
    if ((rc == 0 || rc == CUBBY_ENOSPC || rc == CUBBY_ELIMIT) && cubby__is_tight(s))
        rc = cubby__make_headroom(s, err);
    return rc == CUBBY_ENOSPC || rc == CUBBY_ELIMIT ? 0 : rc; /* it is the transaction that fails, if it needs more */
}

/* By the leader: an index that can be used, and room in the log. What was queued may have failed on the way, and been undone; or there is another index:
 * then it is from what is published that this transaction goes on, or the next would take over while this one is queued. */
static int make_ready(struct cubby__store *s, cubby_error *err)
{
    int rc = cubby__current_state(s, err);
    if (rc != 0)
        return rc;
    cubby__renew_if_due(s);
    rc = cubby__replace_damaged(s, err);
    if (rc == 0)
        rc = make_way(s, err);
    return rc == 0 ? cubby__current_state(s, err) : rc;
}

/* Everything that a transaction needs once the lock is held. */
static int prepare(struct cubby__store *s, struct cubby__txn *txn, cubby_error *err)
{
    int rc = cubby__still_here(s, err);
    if (rc == 0)
        rc = cubby__current_state(s, err);
    cubby__pager_look(s->pager);
    if (rc == 0 && (cubby__is_full(s) || cubby__is_tight(s) || cubby__pager_damaged(s->pager) || cubby__renewal_is_due(s))) {
        pthread_mutex_unlock(&s->w); /* leading comes before w */
        cubby__lead_in_turn(s);
        pthread_mutex_lock(&s->w);
        rc = make_ready(s, err);
        cubby__lead_done(s);
    }
    if (rc == 0)
        rc = protect(s, err);
    if (rc != 0)
        return rc;
    txn->floors = s->floors;
    txn->number = s->floors.commit > s->pending.commit ? s->floors.commit : s->pending.commit;
    txn->number = (s->pending.above > txn->number ? s->pending.above : txn->number) + 1;
    struct cubby__floors above = txn->floors;
    above.commit = txn->number;
    if (!cubby__numbers_left(&above))
        return cubby__fail(err, CUBBY_ELIMIT, s->path, CUBBY__NO_OFFSET, "the numbers of this store are used up: one near 2^63 stands in it, which counting "
                           "does not reach; what is in it can be read, and exported into a new store");
    txn->now = s->vfs->now_ns(s->vfs->ctx) / 1000000000;
    struct cubby__seed seed = {s->ident.salt, s->pending.seg_nonce};
    cubby__framer_init(&txn->node->framer, &seed, s->pending.seg_off, txn->number);
    struct cubby__root base = cubby__published_root(&s->pending);
    return cubby__tree_begin(s->pager, &base, txn->number, err);
}

int cubby__txn_begin(struct cubby__store *s, unsigned flags, struct cubby__txn **out, cubby_error *err)
{
    if (s->no_space)
        return cubby__fail(err, CUBBY_ENOSPC, s->path, CUBBY__NO_OFFSET, "there was no space to open the store for writing, it is open read-only");
    if (s->read_only)
        return cubby__fail(err, CUBBY_EACCES, s->path, CUBBY__NO_OFFSET, "the store is open read-only");
    int rc = cubby__refuse_child(s, err);
    if (rc != 0)
        return rc;
    struct cubby__txn *txn = cubby__calloc(1, sizeof *txn);
    if (!txn)
        return cubby__fail_mem(err);
    give_way(s);
    pthread_mutex_lock(&s->w);
    rc = cubby__enter(s, err);
    if (rc == 0) {
        txn->node = take_node(s);
        rc = txn->node ? prepare(s, txn, err) : cubby__fail_mem(err);
        if (rc != 0) {
            cubby__node_free(txn->node);
            cubby__leave(s);
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

static void drop_spools(struct cubby__commit_node *n)
{
    for (size_t i = 0; i < n->spool_count; i++)
        cubby__spool_unref(&n->spools[i]);
    n->spool_count = 0;
}

/* The node is kept for another transaction unless it has grown large. */
static void give_back(struct cubby__store *s, struct cubby__commit_node *n)
{
    drop_spools(n);
    pthread_mutex_lock(&s->g);
    int keep = !s->spare_node && n->framer.buf.cap <= CUBBY__COALESCE;
    if (keep)
        s->spare_node = n;
    pthread_mutex_unlock(&s->g);
    if (!keep)
        cubby__node_free(n);
}

void cubby__txn_abort(struct cubby__txn **txnp)
{
    struct cubby__txn *txn = *txnp;
    if (!txn)
        return;
    struct cubby__store *s = txn->store;
    if (cubby__is_child(s)) { /* the locks are as they were in its parent, some held for ever */
        drop_spools(txn->node);
        cubby__node_free(txn->node);
    } else {
        cubby__tree_abort(s->pager);
        give_back(s, txn->node);
        pthread_mutex_unlock(&s->w);
        cubby__leave(s);
    }
    cubby__free(txn);
    *txnp = NULL;
}

/* ---- commit ---- */

/* Lazy commits are published before a sync only below a ceiling that a synced commit has announced (C1). */
static int may_be_lazy(const struct cubby__store *s, const struct cubby__txn *txn)
{
    return (txn->flags & CUBBY_LAZY) && txn->lazy_ok && txn->number < s->pending.ceiling && s->pending.durable >= s->ceiling_commit;
}

static void put_in_queue(struct cubby__store *s, struct cubby__commit_node *n)
{
    n->waiter.told = 0;
    n->next = NULL;
    n->before = s->floors;
    *s->queue_tail = n;
    s->queue_tail = &n->next;
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
    if (rc == 0)
        rc = cubby__space_for(s, txn, txn->err); /* C2 */
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
    n->commit = txn->number;
    put_in_queue(s, n);
    s->floors = txn->floors;
    return 0;
}

/* Nothing changed; but what the transaction has seen may be queued still, and then it is acknowledged with that, or fails with it (C1). */
static int has_seen_more(struct cubby__store *s)
{
    struct cubby__published p;
    cubby__read_published(s, &p);
    return p.commit != s->pending.commit;
}

int cubby__txn_commit(struct cubby__txn **txnp, uint64_t *modseq)
{
    struct cubby__txn *txn = *txnp;
    struct cubby__store *s = txn->store;
    uint64_t number = txn->number, last = s->pending.commit;
    cubby_error *err = txn->err;
    struct cubby__commit_node *n = txn->node;
    int rc = txn->spoiled ? txn->spoiled : cubby__refuse_child(s, err);
    int done = n->framer.buf.len == 0; /* nothing to commit, and nothing to wait for */
    if (rc == 0 && !done) {
        rc = finish(s, txn);
    } else if (rc == 0 && has_seen_more(s)) {
        cubby__tree_abort(s->pager);
        number = last;
        done = 0;
        n->lazy = 1; /* no sync of its own */
        put_in_queue(s, n);
    }
    if (rc != 0 || done) {
        cubby__txn_abort(txnp);
        if (rc == 0 && modseq)
            *modseq = last;
        return rc;
    }
    pthread_mutex_unlock(&s->w);
    cubby__free(txn);
    *txnp = NULL;
    rc = cubby__wait_for(s, n, err);
    if (rc != 0 && err && err->code != rc) /* another thread led the group and has the detail */
        cubby__fail(err, rc, s->path, CUBBY__NO_OFFSET, rc == CUBBY_EUNKNOWN ? "syncing the log failed: whether this commit will be there is unknown"
                                                                              : "writing the group of commits that this one was in failed; nothing of it happened");
    give_back(s, n);
    cubby__leave(s);
    if (rc == 0 && modseq)
        *modseq = number;
    return rc;
}
