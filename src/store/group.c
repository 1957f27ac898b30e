/* group.c - the queue of commits and its leader: one write and one sync for all that wait (commit.h, C1 to C5). */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/commit.h"

void cubby__node_free(struct cubby__commit_node *n)
{
    if (!n)
        return;
    cubby__free(n->spools); /* what was in there has been given back */
    cubby__framer_release(&n->framer);
    pthread_cond_destroy(&n->waiter.wake);
    cubby__free(n);
}

/* ---- failures ---- */

static int is_latched(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    int latched = s->latched;
    pthread_mutex_unlock(&s->g);
    return latched;
}

/* Whoever is told and awake may free its node as soon as g is let go. */
static void tell(struct cubby__store *s, struct cubby__commit_node *n, int rc)
{
    pthread_mutex_lock(&s->g);
    for (; n; n = n->next) {
        n->rc = rc;
        n->waiter.told = 1;
    }
    pthread_mutex_unlock(&s->g);
}

/* C3 */
void cubby__latch(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    s->latched = 1;
    pthread_mutex_unlock(&s->g);
    if (cubby__disown(s) == 0) /* else what is in the log behind the published end tells as much */
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
static void undo(struct cubby__store *s, const struct cubby__commit_node *nodes)
{
    cubby__pager_discard(s->pager);
    cubby__read_published(s, &s->pending);
    s->floors = nodes->before;
    cubby__disown(s);
}

/* C3: an append failed, and what of it is in the file nobody will ever look at, if a new segment says so. */
static int cut_off(struct cubby__store *s, struct cubby__commit_node *nodes, int rc, cubby_error *err)
{
    int named = 0;
    cubby_error why;
    undo(s, nodes);
    int made = !s->id_file ? CUBBY_DONE : cubby__new_segment(s, CUBBY__AT_ANY_PRICE, &named, &why);
    if (made == 0)
        made = cubby__page_ready(s, &why);
    if (made == 0) {
        cubby__publish(s, &s->pending);
        tell(s, nodes, rc);
    } else {
        cubby__latch(s);
        tell(s, nodes, unknown(s, err));
    }
    return rc;
}

/* ---- steps 2 and 3 ---- */

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
        if (n->framer.extent_count || !n->next || n->framer.buf.len > CUBBY__COALESCE) {
            if (n->framer.extent_count)
                rc = write_node(s, n, err);
            else if (n->framer.buf.len) /* else it only waits for the others */
                rc = cubby__log_write(s->log, (uint32_t)s->pending.seg, n->framer.buf.data, n->framer.buf.len, n->framer.base, err);
            n = n->next;
            continue;
        }
        uint64_t base = n->framer.base;
        cubby__buf_clear(all);
        for (; n && !n->framer.extent_count && all->len + n->framer.buf.len <= 2 * CUBBY__COALESCE; n = n->next)
            cubby__buf_add(all, n->framer.buf.data, n->framer.buf.len);
        rc = all->failed ? cubby__fail_mem(err) : cubby__log_write(s->log, (uint32_t)s->pending.seg, all->data, all->len, base, err);
    }
    return rc;
}

/* ---- the line ---- */

/* Takes one out of the line and wakes it; g is held. */
static void wake(struct cubby__waiter **at)
{
    struct cubby__waiter *w = *at;
    *at = w->next;
    w->asleep = 0;
    pthread_cond_signal(&w->wake);
}

static void wake_told(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    for (struct cubby__waiter **at = &s->line; *at;) {
        if ((*at)->told)
            wake(at);
        else
            at = &(*at)->next;
    }
    pthread_mutex_unlock(&s->g);
}

/* g is held. */
static void sleep_in_line(struct cubby__store *s, struct cubby__waiter *w)
{
    struct cubby__waiter **end = &s->line;
    while (*end)
        end = &(*end)->next;
    *end = w;
    w->next = NULL;
    w->asleep = 1;
    while (w->asleep)
        pthread_cond_wait(&w->wake, &s->g);
}

/* Returns when it leads, or is told. */
static void wait_in_line(struct cubby__store *s, struct cubby__waiter *w)
{
    pthread_mutex_lock(&s->g);
    w->leads = !w->told && !s->leading;
    if (w->leads)
        s->leading = 1;
    else if (!w->told)
        sleep_in_line(s, w);
    pthread_mutex_unlock(&s->g);
}

void cubby__lead_in_turn(struct cubby__store *s)
{
    struct cubby__waiter w = {.wake = PTHREAD_COND_INITIALIZER};
    wait_in_line(s, &w);
    pthread_cond_destroy(&w.wake);
}

/* The next in line is woken before those who are told, or the disk would stand still while they run. */
void cubby__lead_done(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    struct cubby__waiter **next = &s->line;
    while (*next && (*next)->told)
        next = &(*next)->next;
    s->leading = *next != NULL;
    if (*next) {
        (*next)->leads = 1;
        wake(next);
    }
    pthread_mutex_unlock(&s->g);
    wake_told(s);
}

/* ---- the group: steps 2 to 5 ---- */

/* Steps 2 and 3 for everything queued; w is held. *lazy: nothing in it waits for a sync. */
static int write_group(struct cubby__store *s, struct cubby__commit_node *nodes, struct cubby__published *target, int *lazy, cubby_error *err)
{
    struct cubby__root root = cubby__published_root(&s->pending);
    struct cubby__pager_stat st;
    *lazy = 1;
    for (const struct cubby__commit_node *n = nodes; n; n = n->next)
        *lazy &= n->lazy;
    int rc = cubby__page_ready(s, err);
    if (rc == 0)
        rc = cubby__pager_flush(s->pager, &root, err);
    if (rc != 0) {
        undo(s, nodes);
        tell(s, nodes, rc);
        return rc;
    }
    cubby__set_root(&s->pending, &root);
    cubby__pager_get_stat(s->pager, &st);
    s->pending.file_pages = st.pages;
    rc = append(s, nodes, err);
    if (rc != 0)
        return cut_off(s, nodes, rc, err);
    cubby__note_synced(s); /* of the group before, whose sync these were queued behind */
    *target = s->pending;
    return 0;
}

/* ... and what it proves can be published. */
static int sync_log(struct cubby__store *s, const struct cubby__published *target, cubby_error *err)
{
    int rc = cubby__log_sync(s->log, (uint32_t)target->seg, err);
    atomic_fetch_add(&s->syncs, 1);
    return rc == 0 ? cubby__page_ready(s, err) : rc;
}

/* Who calls it wakes those who are told. */
static int lead(struct cubby__store *s, int w_held, cubby_error *err)
{
    struct cubby__published target = {0};
    int rc = 0, lazy = 0;
    if (!w_held)
        pthread_mutex_lock(&s->w);
    struct cubby__commit_node *nodes = s->queue;
    s->queue = NULL;
    s->queue_tail = &s->queue;
    if (!nodes) {
        target = s->pending;
    } else if (is_latched(s)) {
        tell(s, nodes, rc = CUBBY_ELATCHED);
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
            cubby__latch(s);
            tell(s, nodes, unknown(s, err));
            return rc;
        }
        cubby__set_durable(&target, target.commit, target.seg_off, target.chain);
        cubby__synced_at(s, &target); /* w is not taken again for this: it has a queue in front of it now */
    }
    cubby__publish(s, &target);
    tell(s, nodes, 0);
    if (target.replay_bytes >= (s->o.checkpoint_bytes ? s->o.checkpoint_bytes : CUBBY__CHECKPOINT_BYTES) || atomic_exchange(&s->tight, 0)) {
        wake_told(s); /* not only behind the checkpoint */
        cubby__index_checkpoint(s, &target, w_held, NULL); /* its failure is no failure of the commit */
    }
    return 0;
}

int cubby__lead(struct cubby__store *s, int w_held, cubby_error *err)
{
    int rc = lead(s, w_held, err);
    wake_told(s); /* what else the leader has in mind may take long */
    return rc;
}

int cubby__settle(struct cubby__store *s, cubby_error *err)
{
    int rc = cubby__lead(s, 1, err);
    cubby__note_synced(s);
    if (rc != 0 || s->pending.durable >= s->pending.commit)
        return rc;
    rc = sync_log(s, &s->pending, err); /* lazy ones */
    if (rc != 0) {
        cubby__latch(s);
        return rc;
    }
    cubby__set_durable(&s->pending, s->pending.commit, s->pending.seg_off, s->pending.chain);
    cubby__synced_at(s, &s->pending);
    cubby__publish(s, &s->pending);
    return 0;
}

int cubby__wait_for(struct cubby__store *s, struct cubby__commit_node *n, cubby_error *err)
{
    wait_in_line(s, &n->waiter);
    if (n->waiter.leads) {
        lead(s, 0, err);
        cubby__lead_done(s);
    }
    return n->rc; /* told, so nobody else looks at it any more */
}
