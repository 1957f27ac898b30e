/* tail.c - the last segment: how far it is proven, what follows, and whether that is torn or damaged (recover.h, R2). */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/recover.h"

struct cubby__commit_end {
    uint64_t commit, chain, end;
    uint64_t begin, prev; /* its first frame; the commit before it, as it says itself */
};

/* All commits that verify, past anything bad. */
struct survey {
    struct cubby__commit_end *at;
    size_t count, cap;
    size_t good;   /* so many of them stand before the first bad place */
    int bad;       /* there is one */
    uint64_t stop; /* end of the last frame that verifies */
};

static int add_end(struct survey *e, const struct cubby__segscan *scan, cubby_error *err)
{
    struct cubby__commit_end *at = cubby__grow(e->at, e->count, &e->cap, sizeof *at);
    if (!at)
        return cubby__fail_mem(err);
    e->at = at;
    size_t i = 0; /* behind damage, frames of lost commits stand before its own */
    while (i < scan->count && scan->records[i].commit != scan->last_commit)
        i++;
    uint64_t begin = i < scan->count ? scan->records[i].place.off : scan->pos - cubby__frame_size(CUBBY__REC_COMMIT, CUBBY__COMMIT_LEN);
    e->at[e->count++] = (struct cubby__commit_end){scan->last_commit, scan->last_chain, scan->pos, begin, scan->head.prev};
    return 0;
}

/* Reads on to the end: what proves what. */
static int look_around(struct cubby__segscan *scan, struct survey *v, cubby_error *err)
{
    for (;;) {
        int rc = cubby__segscan_next(scan);
        if (rc == 0) {
            if ((rc = add_end(v, scan, err)) != 0)
                return rc;
            v->good += !v->bad;
            continue;
        }
        v->stop = scan->pos;
        if (rc == CUBBY_DONE) {
            /* Zeros as far as one looks; but a hole in the tail also looks like this. */
            uint64_t off;
            if ((rc = cubby__segscan_nonzero(scan, scan->pos, &off)) != 0 || off == UINT64_MAX)
                return rc;
        } else if (rc != CUBBY_ECORRUPT) {
            return rc;
        }
        v->bad = 1;
        rc = cubby__segscan_resync(scan);
        if (rc != 0)
            return rc == CUBBY_DONE ? 0 : rc;
    }
}

/* The commits behind t->accepted with their pieces' content: how far may they be kept? */
static int verify_tail(struct cubby__replay *r, uint32_t seg, uint64_t nonce, struct cubby__tail *t)
{
    struct cubby__segscan scan;
    int rc = cubby__segscan_open(&scan, r->s->log, seg, nonce, r->s->ident.salt, t->accepted, UINT64_MAX, t->commit, t->chain, r->err);
    scan.pieces = 1;
    scan.adopt = t->adopt;
    t->valid = t->accepted;
    t->valid_commit = t->commit;
    t->valid_chain = t->chain;
    while (rc == 0 && (rc = cubby__segscan_next(&scan)) == 0) {
        t->valid = scan.pos;
        t->valid_commit = scan.last_commit;
        t->valid_chain = scan.last_chain;
    }
    cubby__raise(&t->ceiling, scan.ceiling);
    uint64_t off = UINT64_MAX;
    if (rc == CUBBY_DONE || rc == CUBBY_ECORRUPT)
        rc = cubby__segscan_nonzero(&scan, t->valid, &off);
    if (rc == 0 && off != UINT64_MAX)
        t->dropped = scan.limit - t->valid;
    t->unclean |= t->valid > t->accepted || off != UINT64_MAX;
    cubby__segscan_close(&scan);
    return rc;
}

/* Behind the last byte that is not zero. */
static int written_end(struct cubby__segscan *scan, uint64_t *end)
{
    uint64_t off;
    int rc;
    while ((rc = cubby__segscan_nonzero(scan, *end, &off)) == 0 && off != UINT64_MAX)
        *end = (off | (CUBBY__FRAME_ALIGN - 1)) + 1;
    if (*end > scan->limit)
        *end = scan->limit;
    return rc;
}

/* The last of what is proven is damaged itself: everything up to the next commit, or to the end of what was written, is accepted and taken frame by
 * frame, so that no number in it is given again. next: the first commit that nothing proves, or NULL. */
static int accept_damage(struct cubby__segscan *scan, const struct cubby__commit_end *next, uint64_t stop, struct cubby__tail *t)
{
    t->commit = next ? next->prev : scan->durable;
    t->chain = 0;
    t->adopt = next != NULL;
    t->endless = next == NULL;
    t->accepted = next ? next->begin : stop; /* a sound frame may end in zeros */
    return next ? 0 : written_end(scan, &t->accepted);
}

/* The segment was made with a CUT and nothing else, which is gone: the next one says again what it said. */
static void accept_lost_cut(uint64_t end, struct cubby__tail *t)
{
    t->accepted = end;
    t->adopt = 1;
    t->endless = 1;
}

/* How much of what verifies is proven. *next: the first commit that is not, or NULL. */
static void accept_proven(struct cubby__replay *r, const struct cubby__segscan *scan, const struct survey *v, uint64_t from,
                          const struct cubby__commit_end **next, struct cubby__tail *t)
{
    size_t count = t->damaged ? v->count : v->good, i = 0;
    t->accepted = from;
    t->commit = r->commit;
    t->chain = r->chain;
    for (; i < count && v->at[i].commit <= scan->durable; i++) {
        t->accepted = v->at[i].end;
        t->commit = v->at[i].commit;
        t->chain = v->at[i].chain;
    }
    *next = i < count ? &v->at[i] : NULL;
    if (scan->proof_end > t->accepted && (scan->proof_commit == t->commit || (t->damaged && scan->proof_chain))) { /* not the mark of a roll */
        t->accepted = scan->proof_end;
        t->commit = scan->proof_commit;
        t->chain = scan->proof_chain;
    }
}

/* R2. */
static int judge(struct cubby__replay *r, const struct cubby__seg_header *h, uint64_t from, struct cubby__segscan *scan, const struct survey *v,
                 struct cubby__tail *t)
{
    const struct cubby__commit_end *last = v->good ? &v->at[v->good - 1] : NULL, *next;
    int rc = 0;
    r->vouched = scan->durable;
    cubby__raise(&scan->durable, r->evidence);
    r->durable = scan->durable;
    t->ceiling = scan->ceiling;
    t->marked = scan->proof_commit > (last ? last->commit : r->commit) && !scan->proof_chain;
    int early = (last ? last->end : from) < h->proven; /* a CUT has no number, and had been synced all the same */
    t->damaged = (v->bad && scan->durable > (last ? last->commit : r->commit)) || early;
    accept_proven(r, scan, v, from, &next, t);
    if (t->damaged && t->commit < scan->durable) {
        t->unclean = 1; /* the successor's header says where the log goes on */
        rc = accept_damage(scan, next, v->stop, t);
    } else if (t->accepted < h->proven) {
        accept_lost_cut(h->proven, t);
    }
    t->adopt |= r->adopt && t->accepted == from;
    return rc;
}

int cubby__look_over(struct cubby__replay *r, uint32_t seg, const struct cubby__seg_header *h, uint64_t from, struct cubby__tail *t)
{
    struct cubby__segscan scan;
    struct survey v = {.stop = from};
    memset(t, 0, sizeof *t);
    int rc = cubby__segscan_open(&scan, r->s->log, seg, h->nonce, r->s->ident.salt, from, UINT64_MAX, r->commit, r->chain, r->err);
    scan.ceiling = r->ceiling;
    scan.adopt = r->adopt;
    cubby__raise(&scan.durable, h->last_commit);
    cubby__raise(&scan.durable, h->proven_commit);
    if (rc == 0)
        rc = look_around(&scan, &v, r->err);
    if (rc == 0)
        rc = judge(r, h, from, &scan, &v, t);
    uint64_t proof_end = scan.proof_end;
    cubby__segscan_close(&scan);
    cubby__free(v.at);
    if (rc == 0)
        rc = verify_tail(r, seg, h->nonce, t);
    r->s->stopped_cleanly = rc == 0 && proof_end && proof_end == t->accepted && !t->unclean;
    return rc;
}
