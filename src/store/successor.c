/* successor.c - the segment that recovery makes: it accepts what is proven of the last one, and holds the tail (recover.h, R3 and R4). */
#include <string.h>

#include "base/error.h"
#include "base/varint.h"
#include "store/commit.h"
#include "store/recover.h"

enum { COPY_AT_ONCE = 1 << 20 };

/* What is framed so far goes to the file: a commit may be of any size. */
static int hand_over(struct cubby__replay *r, struct cubby__framer *f, struct cubby__seg_maker *m)
{
    int rc = cubby__seg_make_add(m, f->buf.data, f->buf.len, r->err);
    f->outside += f->buf.len;
    cubby__buf_clear(&f->buf);
    return rc;
}

/* One commit of the tail, framed anew for its place in the successor. */
static int copy_commit(struct cubby__replay *r, const struct cubby__segscan *scan, struct cubby__framer *f, struct cubby__seg_maker *m, uint64_t *chain)
{
    struct cubby__buf piece = CUBBY__BUF_INIT;
    int rc = 0;
    for (size_t i = 0; i < scan->count && rc == 0; i++) {
        if (f->buf.len > COPY_AT_ONCE && (rc = hand_over(r, f, m)) != 0)
            break;
        const struct cubby__gathered *g = &scan->records[i];
        const uint8_t *payload = scan->arena.data + g->payload;
        uint64_t off;
        if (g->type == CUBBY__REC_PIECE)
            rc = cubby__log_read(r->s->log, &g->place, CUBBY__REC_PIECE, &piece, &payload, NULL, r->err);
        if (rc == 0 && cubby__framer_add(f, g->type, g->flags, payload, g->place.len, g->type == CUBBY__REC_PIECE ? &g->piece : NULL, &off) != 0)
            rc = cubby__fail_mem(r->err);
    }
    struct cubby__commit c = scan->head;
    if (scan->count && scan->records[scan->count - 1].type == CUBBY__REC_DAMAGE)
        c.chain = *chain; /* no COMMIT ends what stands before it */
    else if (rc == 0 && cubby__framer_commit(f, &c, *chain) != 0)
        rc = cubby__fail_mem(r->err);
    if (rc == 0)
        rc = hand_over(r, f, m);
    *chain = c.chain;
    cubby__buf_release(&piece);
    return rc;
}

void cubby__damage_encode(uint8_t kind, uint64_t records, uint8_t *p, size_t n)
{
    uint8_t head[1 + CUBBY__VARINT_MAX] = {kind};
    size_t len = 1 + cubby__varint_put(head + 1, records);
    memset(p, 0, n);
    memcpy(p, head, len < n ? len : n);
}

/* Nothing else tells, once this recovery is done, that the log has lost its end. The numbers are in the header. */
static int add_cut(struct cubby__replay *r, const struct cubby__tail *t, struct cubby__framer *f, struct cubby__seg_maker *m)
{
    uint8_t payload[CUBBY__CUT_LEN];
    uint64_t off;
    if (!t->cut)
        return 0;
    cubby__damage_encode(CUBBY__DAMAGE_CUT, 0, payload, sizeof payload);
    if (cubby__framer_add(f, CUBBY__REC_DAMAGE, 0, payload, sizeof payload, NULL, &off) != 0)
        return cubby__fail_mem(r->err);
    return cubby__seg_make_add(m, f->buf.data, f->buf.len, r->err);
}

static int copy_tail(struct cubby__replay *r, uint32_t seg, uint64_t nonce, const struct cubby__tail *t, const struct cubby__seg_header *nh,
                     struct cubby__seg_maker *m)
{
    struct cubby__segscan scan;
    struct cubby__framer f = {0};
    struct cubby__seed seed = {r->s->ident.salt, nh->nonce};
    uint64_t chain = t->chain, off = cubby__seg_header_size(nh->defs.len);
    int rc = cubby__segscan_open(&scan, r->s->log, seg, nonce, r->s->ident.salt, t->accepted, t->valid, t->commit, t->chain, r->err);
    scan.pieces = 1;
    scan.adopt = t->adopt;
    cubby__framer_init(&f, &seed, off, t->commit);
    if (rc == 0 && (rc = add_cut(r, t, &f, m)) == 0)
        off += f.buf.len;
    while (rc == 0 && (rc = cubby__segscan_next(&scan)) == 0) {
        cubby__framer_init(&f, &seed, off, scan.last_commit);
        rc = copy_commit(r, &scan, &f, m, &chain);
        off = cubby__framer_end(&f);
    }
    cubby__framer_release(&f);
    cubby__segscan_close(&scan);
    return rc == CUBBY_DONE ? 0 : rc;
}

enum source { A_NEW_FILE, TMP_RESERVE, A_BARE_FILE }; /* the first two have room for the reserve behind the tail */

/* The header says what is to be in it. */
static int make_of(struct cubby__replay *r, uint32_t seg, uint64_t nonce, const struct cubby__tail *t, struct cubby__seg_header *nh,
                   enum source from, int *named)
{
    struct cubby__store *s = r->s;
    struct cubby__seg_maker *m;
    uint64_t size;
    *named = 0;
    int rc = from == TMP_RESERVE ? cubby__seg_from_reserve(s, nh, &size, &m, r->err) : cubby__seg_make_begin(s->log, nh, &m, r->err);
    if (rc != 0)
        return rc;
    rc = copy_tail(r, seg, nonce, t, nh, m); /* R4 */
    if (rc == 0 && from == A_NEW_FILE)
        rc = cubby__seg_make_pad(m, CUBBY__RESERVE_LOG, r->err);
    if (rc != 0) {
        cubby__seg_make_abort(&m);
        return rc;
    }
    return cubby__seg_make_end(&m, t->valid_commit, named, r->err);
}

/* Zeros at the end of the file, behind `least`, are cut off; its bytes stay (R3). 0: there were none. */
static int cut_zeros(struct cubby__log *log, uint32_t seg, uint64_t least)
{
    uint64_t size, end;
    cubby_error unused;
    int rc = cubby__log_written(log, seg, least, &end, &size, &unused);
    if (rc != 0 || end == size)
        return 0;
    cubby__log_trim(log, seg, end);
    return 1;
}

/* Zeros that were written ahead are room, and of no use any more. Those of segments before should be gone; but a kill, or a power cut, may have come
 * between. */
static void give_zeros_back(struct cubby__log *log, uint32_t seg, uint64_t nonce, uint64_t least)
{
    struct cubby__seg_header h;
    cubby_error unused;
    for (int cut = 1; cut && cubby__log_header(log, seg, &h, &unused) == 0;) {
        cut = h.nonce == nonce && cut_zeros(log, seg, least);
        seg = h.pred;
        nonce = h.pred_nonce;
        least = h.pred_end;
        cubby__seg_header_release(&h);
    }
}

/* On a full disk it is made of what was kept for that: the zeros of the old segment, tmp/reserve. */
static int make(struct cubby__replay *r, uint32_t seg, uint64_t nonce, const struct cubby__tail *t, struct cubby__seg_header *nh)
{
    static const enum source sources[] = {A_NEW_FILE, A_NEW_FILE, TMP_RESERVE, A_BARE_FILE};
    int named = 0, rc = CUBBY_ENOSPC;
    for (size_t i = 0; i < sizeof sources / sizeof *sources && !named && (rc == CUBBY_ENOSPC || rc == CUBBY_ENOENT); i++) {
        if (i == 1)
            give_zeros_back(r->s->log, seg, nonce, t->valid > t->accepted ? t->valid : t->accepted);
        rc = make_of(r, seg, nonce, t, nh, sources[i], &named);
    }
    return rc;
}

int cubby__build_successor(struct cubby__replay *r, uint32_t seg, uint32_t number, const struct cubby__seg_header *h, const struct cubby__tail *t,
                           struct cubby__seg_header *nh)
{
    struct cubby__store *s = r->s;
    memset(nh, 0, sizeof *nh);
    nh->ident = s->ident;
    nh->kind = CUBBY__SEG_LOG;
    nh->number = number;
    nh->pred = seg;
    nh->pred_nonce = h->nonce;
    nh->pred_end = t->accepted;
    nh->last_commit = t->commit;
    nh->last_chain = t->chain;
    nh->floors = r->txn.floors;
    nh->created_ns = s->vfs->now_ns(s->vfs->ctx);
    int rc = s->vfs->random(s->vfs->ctx, &nh->nonce, sizeof nh->nonce);
    rc = rc != 0 ? cubby__fail_io(r->err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes") : s->handlers->define(&r->txn.view, &nh->defs);
    if (rc == 0)
        rc = nh->defs.failed ? cubby__fail_mem(r->err) : 0;
    if (rc != 0)
        return rc;
    return make(r, seg, h->nonce, t, nh);
}
