/* view.c - snapshots, and reading through them and through transactions. */
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "store/internal.h"

/* S4 */
static int is_good(const struct cubby__view *v, uint64_t slot)
{
    return slot && slot - 1 <= v->commit;
}

/* The oldest commit that a snapshot of this handle reads, of those that `slot` leaves good. Under v. */
static uint64_t oldest_view(const struct cubby__store *s, uint64_t slot)
{
    uint64_t oldest = UINT64_MAX;
    for (const struct cubby__view *v = s->views; v; v = v->next)
        if (!v->alone && is_good(v, slot) && v->commit < oldest)
            oldest = v->commit;
    return oldest;
}

/* Our slot says no more than what the snapshots need; or, where it cannot be written to (S8), for longer than they do. Under v. */
static void claim_views(struct cubby__store *s)
{
    uint64_t slot, oldest;
    if (s->slot < 0 || cubby__page_ready(s, NULL) != 0)
        return;
    do {
        slot = cubby__slot_get(s);
        oldest = oldest_view(s, slot);
    } while (!cubby__slot_swap(s, slot, oldest == UINT64_MAX ? 0 : oldest + 1));
}

/* Nobody protects one that reads alone (A1); but what others change they have published before, or they attached anew (A3). */
static int is_lost(const struct cubby__lease *lease, int failed)
{
    const struct cubby__view *v = (const struct cubby__view *)(const void *)((const char *)(const void *)lease - offsetof(struct cubby__view, lease));
    if (!v->alone)
        return !is_good(v, cubby__slot_get(v->store));
    return failed && (cubby__last_publish(v->store) != v->alone_since || cubby__index_replaced(v->store, cubby__pager_nonce(v->pager)));
}

static void link_view(struct cubby__store *s, struct cubby__view *view)
{
    view->next = s->views;
    view->link = &s->views;
    if (s->views)
        s->views->link = &view->next;
    s->views = view;
}

/* The published state, claimed in the slot so that no page of it is used again (shared.c, S3). Under v. */
static void claim(struct cubby__store *s, struct cubby__published *p)
{
    for (;;) {
        uint64_t before = cubby__current(s), slot = cubby__slot_get(s), oldest = oldest_view(s, slot);
        cubby__read_published(s, p);
        uint64_t want = (p->commit < oldest ? p->commit : oldest) + 1;
        if ((want == slot || cubby__slot_swap(s, slot, want)) && cubby__current(s) == before)
            return;
    }
}

static int begin(struct cubby__store *s, struct cubby__view *view, cubby_error *err)
{
    struct cubby__published p;
    memset(view, 0, sizeof *view);
    int rc = cubby__refuse_child(s, err);
    if (rc == 0)
        rc = cubby__still_there(s, err);
    if (rc == 0)
        rc = cubby__keep_up(s, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&s->v);
    view->alone = s->slot < 0 || cubby__page_ready(s, NULL) != 0;
    view->alone_since = s->slot < 0 ? s->alone_since : cubby__current(s); /* A3 */
    if (view->alone)
        cubby__read_published(s, &p);
    else
        claim(s, &p);
    if (p.index_nonce != cubby__pager_nonce(s->pager))
        rc = cubby__index_follow(s, p.index_nonce, err);
    view->store = s;
    view->pager = s->pager;
    view->root = cubby__published_root(&p);
    view->lease.lost = is_lost;
    view->root.lease = &view->lease;
    view->commit = p.commit;
    view->err = err;
    if (rc == 0)
        link_view(s, view);
    else
        claim_views(s);
    pthread_mutex_unlock(&s->v);
    return rc;
}

/* The published index may be gone, because the next one is being built or its builder died: a transaction waits for the one and makes good the other. */
int cubby__view_begin(struct cubby__store *s, struct cubby__view *view, cubby_error *err)
{
    int rc = begin(s, view, err);
    for (int tries = 0; tries < 1000 && cubby__index_lost(rc); tries++) {
        struct cubby__txn *txn;
        if (s->read_only && cubby__still_there(s, NULL) != 0)
            break;
        if (s->read_only)
            s->vfs->sleep_ms(s->vfs->ctx, 10);
        else if ((rc = cubby__txn_begin(s, 0, &txn, err)) != 0)
            return rc;
        else
            cubby__txn_abort(&txn);
        rc = begin(s, view, err);
    }
    return rc;
}

int cubby__view_begin_all(struct cubby__store *s, struct cubby__view *view, cubby_error *err)
{
    int rc = cubby__view_begin(s, view, err);
    if (rc != 0)
        return rc;
    pthread_mutex_lock(&s->v);
    view->commit = 0;
    if (!view->alone)
        cubby__slot_set(s, CUBBY__SLOT_ALL);
    pthread_mutex_unlock(&s->v);
    return 0;
}

void cubby__view_end(struct cubby__view *view)
{
    struct cubby__store *s = view->store;
    if (!s || cubby__is_child(s)) /* there v may be held for ever */
        return;
    pthread_mutex_lock(&s->v); /* the neighbours in the list write to our link */
    if (view->link) {
        *view->link = view->next;
        if (view->next)
            view->next->link = view->link;
        view->link = NULL;
        claim_views(s);
        cubby__old_pagers_drop(s);
    }
    pthread_mutex_unlock(&s->v);
}

struct cubby__root cubby__view_root(const struct cubby__view *view)
{
    return view->txn ? cubby__tree_now(view->pager) : view->root;
}

/* What a transaction that has changed nothing would be numbered, somebody else will be. */
uint64_t cubby__view_modseq(const struct cubby__view *view)
{
    return view->txn && !view->txn->node->framer.buf.len ? view->store->pending.commit : view->commit;
}

int cubby__view_get(const struct cubby__view *view, const void *key, size_t key_len, uint8_t *buf, size_t *len)
{
    struct cubby__root root = cubby__view_root(view);
    return cubby__tree_get(view->pager, &root, key, key_len, buf, len, view->err);
}

void cubby__view_cursor(const struct cubby__view *view, struct cubby__cursor *c)
{
    struct cubby__root root = cubby__view_root(view);
    cubby__cursor_init(c, view->pager, &root, view->err);
}

/* Bytes [off, off + n) of a commit that is not in its segment yet. */
static int framer_read(const struct cubby__framer *f, uint64_t off, uint8_t *to, size_t n, cubby_error *err)
{
    uint64_t at = f->base; /* file offset of buf.data[done] */
    size_t done = 0;
    for (size_t i = 0; n > 0; i++) {
        const struct cubby__extent *e = i < f->extent_count ? &f->extents[i] : NULL;
        size_t end = e ? e->at : f->buf.len;
        if (off < at + (end - done)) { /* in memory, before the extent */
            size_t skip = (size_t)(off - at), take = end - done - skip < n ? end - done - skip : n;
            memcpy(to, f->buf.data + done + skip, take);
            off += take, to += take, n -= take;
        }
        at += end - done;
        done = end;
        if (!e)
            break;
        if (n && off < at + e->len) {
            size_t take = e->len - (off - at) < n ? (size_t)(e->len - (off - at)) : n;
            int rc = cubby__spool_read(e->source, e->off + (off - at), to, take, err);
            if (rc != 0)
                return rc;
            off += take, to += take, n -= take;
        }
        at += e->len;
    }
    return n ? cubby__fail(err, CUBBY_ECORRUPT, NULL, off, "a place beyond the end of its commit") : 0;
}

static const struct cubby__framer *unwritten(const struct cubby__view *view, const struct cubby__place *place)
{
    const struct cubby__store *s = view->store;
    if (!view->txn || place->seg != s->pending.seg)
        return NULL;
    for (const struct cubby__commit_node *n = s->queue; n; n = n->next)
        if (place->off >= n->framer.base && place->off < cubby__framer_end(&n->framer))
            return &n->framer;
    const struct cubby__commit_node *own = view->txn->node;
    return own && place->off >= own->framer.base ? &own->framer : NULL;
}

int cubby__view_read(const struct cubby__view *view, const struct cubby__place *place, uint8_t type, struct cubby__buf *buf, const uint8_t **payload,
                     struct cubby__piece *piece)
{
    const struct cubby__framer *f = unwritten(view, place);
    if (view->lease.lost && view->lease.lost(&view->lease, 0))
        return cubby__fail(view->err, CUBBY_ESTALE, view->store->path, CUBBY__NO_OFFSET, "the snapshot is too old");
    if (!f)
        return cubby__log_read(view->store->log, place, type, buf, payload, piece, view->err);
    size_t head = cubby__frame_header_size(type);
    struct cubby__frame frame;
    cubby__buf_clear(buf);
    uint8_t *p = cubby__buf_extend(buf, head + place->len);
    if (!p)
        return cubby__fail_mem(view->err);
    int rc = framer_read(f, place->off, p, head + place->len, view->err);
    if (rc == 0 && (cubby__frame_decode(p, head, &f->seed, place->off, &frame) != 0 || frame.type != type || frame.len != place->len))
        rc = cubby__fail(view->err, CUBBY_ECORRUPT, NULL, place->off, "no frame here in the running transaction");
    *payload = p + head;
    if (rc == 0 && piece)
        *piece = frame.piece;
    return rc;
}

void cubby__store_count_body_read(struct cubby__store *s)
{
    atomic_fetch_add_explicit(&s->body_reads, 1, memory_order_relaxed);
}
