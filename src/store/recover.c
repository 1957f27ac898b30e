/* recover.c - from the segments back to a tree: replay at open, rebuild, and recovery after an unclean stop (FORMAT.md 10).
 *
 * R1  Every acknowledged commit survives: what is proven is never touched, what is valid behind the proven end is copied into the successor.
 * R2  A bad commit N is damage if anything proves that N or a later one had been synced; then what is later stays, and of N the frames that
 *     verify. Otherwise it is a torn tail: nobody was told that it is there, and it is dropped.
 * R3  Nothing is written to the old segment again: its end is what the successor's header says, and only the successor's name makes that count. So
 *     a crash at any point of recovery leaves the old state, and recovery may run again.
 * R4  The tail is in the successor, and synced, before it has its name; bytes that only the page cache held are thus written anew.
 * R5  No number is ever given twice: floors are raised by what is read, by every header, and by what damaged bytes could have held.
 *
 * Steps: 1 list the segments; 2 replay each up to its accepted end; 3 look over the last one: proven end, tail, torn or damaged; 4 if it was
 * left uncleanly, build the successor in tmp/, sync, rename, sync the directory; 5 replay the successor. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/varint.h"
#include "log/segname.h"
#include "store/internal.h"

enum { SPILL_PAGES = 1024 };

struct replay {
    struct cubby__store *s;
    struct cubby__txn txn;
    cubby_error *err;
    int rebuild;           /* from nothing: definitions in headers count */
    uint64_t commit, chain; /* reached */
    uint64_t record_bytes;
    uint64_t evidence;
    uint64_t unreadable; /* bytes of segments behind the last one whose header can be read */
    uint64_t durable, ceiling;
    uint64_t vouched; /* durable without the evidence: what the log proves */
    uint64_t done, total; /* segments, for progress */
};

/* What is found behind the start of the last segment. */
struct tail {
    uint64_t accepted;               /* end of what is proven */
    uint64_t commit, chain;          /* there */
    uint64_t valid;                  /* end of the last commit that may be kept */
    uint64_t valid_commit, valid_chain, ceiling;
    uint64_t dropped;                /* bytes of a torn tail */
    int unclean, damaged;
    int adopt;                       /* what came before the first commit of the tail is lost: it is taken at its word */
};

/* ---- applying ---- */

static int apply_gathered(struct replay *r, const struct cubby__segscan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        const struct cubby__gathered *g = &scan->records[i];
        struct cubby__record rec = {.type = g->type, .flags = g->flags, .commit = g->commit, .place = g->place, .len = g->place.len, .piece = g->piece};
        if (g->type != CUBBY__REC_PIECE)
            rec.payload = scan->arena.data + g->payload;
        r->record_bytes += cubby__replay_size(g->type, g->place.len);
        r->err->path[0] = '\0';
        int rc = cubby__apply(&r->txn, &rec);
        if (rc == CUBBY_ECORRUPT && !r->err->path[0]) { /* of the record, not of an index page */
            cubby__notice(r->s, "segment %u, offset %llu: a record of type %u breaks its format; it is left out", scan->seg,
                          (unsigned long long)g->place.off, g->type);
            rc = 0;
        }
        if (rc != 0)
            return rc;
    }
    return cubby__tree_spill(r->s->pager, SPILL_PAGES, r->err);
}

static int apply_definitions(struct replay *r, const struct cubby__seg_header *h)
{
    struct cubby__reader in = cubby__reader(h->defs.data, h->defs.len);
    while (cubby__read_left(&in)) {
        struct cubby__record rec = {.place = {h->number, 0, 0}};
        rec.type = cubby__read_byte(&in);
        rec.commit = cubby__read_varint(&in);
        rec.len = (size_t)cubby__read_varint(&in);
        rec.payload = cubby__read_bytes(&in, rec.len);
        if (in.bad)
            break;
        rec.flags = CUBBY__FRAME_COMPATIBLE;
        int rc = cubby__apply(&r->txn, &rec);
        if (rc != 0 && rc != CUBBY_ECORRUPT)
            return rc;
    }
    return 0;
}

static void raise(uint64_t *v, uint64_t to)
{
    if (to > *v)
        *v = to;
}

static void raise_floors(struct cubby__floors *f, const struct cubby__floors *to)
{
    raise(&f->commit, to->commit);
    raise(&f->object, to->object);
    raise(&f->piece, to->piece);
    raise(&f->folder, to->folder);
    raise(&f->keyword, to->keyword);
    raise(&f->uidvalidity, to->uidvalidity);
    raise(&f->thread, to->thread);
}

/* R5: `bytes` bytes cannot be read any more; each frame takes at least a header. */
static int lost_bytes(struct replay *r, uint64_t bytes)
{
    uint64_t records = bytes / CUBBY__FRAME_SIZE + 1;
    struct cubby__floors *f = &r->txn.floors;
    f->commit = (r->commit > f->commit ? r->commit : f->commit) + records;
    f->object += records;
    f->piece += records;
    f->folder += records;
    f->thread += records;
    return r->s->handlers->damage(&r->txn, records);
}

/* The commits of a segment up to the scan's limit; damage on the way is reported, passed over, and what verifies of it taken. */
static int replay_commits(struct replay *r, struct cubby__segscan *scan)
{
    for (;;) {
        int rc = cubby__segscan_next(scan);
        if (rc == CUBBY_DONE) { /* zeros: the end, or a hole */
            uint64_t off;
            if ((rc = cubby__segscan_nonzero(scan, scan->pos, &off)) != 0 || off == UINT64_MAX)
                return rc;
            rc = CUBBY_ECORRUPT;
        }
        if (rc != 0 && rc != CUBBY_ECORRUPT)
            return rc;
        int bad = rc == CUBBY_ECORRUPT;
        uint64_t at = scan->pos;
        if ((rc = apply_gathered(r, scan)) != 0)
            return rc;
        if (!bad) {
            r->commit = scan->last_commit;
            r->chain = scan->last_chain;
            r->record_bytes += cubby__replay_size(CUBBY__REC_COMMIT, CUBBY__COMMIT_LEN);
            continue;
        }
        rc = cubby__segscan_resync(scan);
        uint64_t lost = (rc == 0 ? scan->pos : scan->limit) - at;
        cubby__notice(r->s, "segment %u: damage at offset %llu, %llu bytes lost", scan->seg, (unsigned long long)at, (unsigned long long)lost);
        int rc2 = lost_bytes(r, lost);
        if (rc2 != 0)
            return rc2;
        if (rc == CUBBY_DONE)
            scan->pos = scan->limit;
        if (rc != 0)
            return rc == CUBBY_DONE ? 0 : rc;
    }
}

static int replay_range(struct replay *r, uint32_t seg, uint64_t nonce, uint64_t from, uint64_t to)
{
    struct cubby__segscan scan;
    int rc = cubby__segscan_open(&scan, r->s->log, seg, nonce, r->s->ident.salt, from, to, r->commit, r->chain, r->err);
    scan.ceiling = r->ceiling;
    if (rc == 0)
        rc = replay_commits(r, &scan);
    if (rc == 0 && to != UINT64_MAX && scan.pos < to) {
        cubby__notice(r->s, "segment %u ends at offset %llu, %llu bytes too early: damage", seg, (unsigned long long)scan.pos,
                      (unsigned long long)(to - scan.pos));
        rc = lost_bytes(r, to - scan.pos);
    }
    raise(&r->durable, scan.durable);
    r->ceiling = scan.ceiling;
    cubby__segscan_close(&scan);
    return rc;
}

/* ---- the last segment: what is proven, what is behind it (step 3) ---- */

struct commit_end {
    uint64_t commit, chain, end;
    uint64_t begin, prev; /* its first frame; the commit before it, as it says itself */
};

struct ends {
    struct commit_end *at;
    size_t count, cap;
};

static int add_end(struct ends *e, const struct cubby__segscan *scan, cubby_error *err)
{
    if (e->count == e->cap) {
        size_t cap = e->cap ? e->cap * 2 : 64;
        struct commit_end *at = cubby__realloc(e->at, cap * sizeof *at);
        if (!at)
            return cubby__fail_mem(err);
        e->at = at;
        e->cap = cap;
    }
    size_t i = 0; /* behind damage, frames of lost commits stand before its own */
    while (i < scan->count && scan->records[i].commit != scan->last_commit)
        i++;
    uint64_t begin = i < scan->count ? scan->records[i].place.off : scan->pos - cubby__frame_size(CUBBY__REC_COMMIT, CUBBY__COMMIT_LEN);
    e->at[e->count++] = (struct commit_end){scan->last_commit, scan->last_chain, scan->pos, begin, scan->head.prev};
    return 0;
}

/* Reads on to the end, past anything bad: what proves what. *good is the number of commits before the first bad place. */
static int survey(struct cubby__segscan *scan, struct ends *ends, size_t *good, int *bad, uint64_t *stop, cubby_error *err)
{
    *bad = 0;
    *good = 0;
    for (;;) {
        int rc = cubby__segscan_next(scan);
        if (rc == 0) {
            if ((rc = add_end(ends, scan, err)) != 0)
                return rc;
            *good += !*bad;
            continue;
        }
        if (!*bad)
            *stop = scan->pos;
        if (rc == CUBBY_DONE) {
            /* Zeros as far as one looks; but a hole in the tail also looks like this. */
            uint64_t off;
            if ((rc = cubby__segscan_nonzero(scan, scan->pos, &off)) != 0 || off == UINT64_MAX)
                return rc;
        } else if (rc != CUBBY_ECORRUPT) {
            return rc;
        }
        *bad = 1;
        rc = cubby__segscan_resync(scan);
        if (rc != 0)
            return rc == CUBBY_DONE ? 0 : rc;
    }
}

/* The commits behind t->accepted with their pieces' content: how far may they be kept? */
static int verify_tail(struct replay *r, uint32_t seg, uint64_t nonce, struct tail *t)
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
    raise(&t->ceiling, scan.ceiling);
    uint64_t off = UINT64_MAX;
    if (rc == CUBBY_DONE || rc == CUBBY_ECORRUPT)
        rc = cubby__segscan_nonzero(&scan, t->valid, &off);
    if (rc == 0 && off != UINT64_MAX)
        t->dropped = scan.limit - t->valid;
    t->unclean = t->valid > t->accepted || off != UINT64_MAX;
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
static int accept_damage(struct cubby__segscan *scan, const struct commit_end *next, struct tail *t)
{
    t->commit = next ? next->prev : scan->durable;
    t->chain = 0;
    t->adopt = next != NULL;
    if (!next)
        return written_end(scan, &t->accepted);
    t->accepted = next->begin;
    return 0;
}

static int look_over(struct replay *r, uint32_t seg, const struct cubby__seg_header *h, uint64_t from, struct tail *t)
{
    struct cubby__segscan scan;
    struct ends ends = {0};
    size_t good = 0;
    int bad = 0;
    uint64_t stop = from;
    memset(t, 0, sizeof *t);
    int rc = cubby__segscan_open(&scan, r->s->log, seg, h->nonce, r->s->ident.salt, from, UINT64_MAX, r->commit, r->chain, r->err);
    scan.ceiling = r->ceiling;
    raise(&scan.durable, h->last_commit);
    raise(&scan.durable, h->proven_commit);
    if (rc == 0)
        rc = survey(&scan, &ends, &good, &bad, &stop, r->err);
    r->vouched = scan.durable;
    raise(&scan.durable, r->evidence);
    t->accepted = from;
    t->commit = r->commit;
    t->chain = r->chain;
    uint64_t before_bad = good ? ends.at[good - 1].commit : r->commit;
    t->damaged = bad && scan.durable > before_bad; /* R2 */
    size_t count = t->damaged ? ends.count : good;
    size_t i = 0;
    for (; i < count && ends.at[i].commit <= scan.durable; i++) {
        t->accepted = ends.at[i].end;
        t->commit = ends.at[i].commit;
        t->chain = ends.at[i].chain;
    }
    if (scan.proof_end > t->accepted && (scan.proof_commit == t->commit || t->damaged)) {
        t->accepted = scan.proof_end;
        t->commit = scan.proof_commit;
        t->chain = scan.proof_chain;
    }
    int lost = t->damaged && t->commit < scan.durable;
    if (rc == 0 && lost)
        rc = accept_damage(&scan, i < count ? &ends.at[i] : NULL, t);
    t->ceiling = scan.ceiling;
    r->durable = scan.durable;
    cubby__segscan_close(&scan);
    cubby__free(ends.at);
    if (rc == 0)
        rc = verify_tail(r, seg, h->nonce, t);
    t->unclean |= lost; /* the successor's header says where the log goes on */
    return rc;
}

/* ---- the successor (step 4) ---- */

/* One commit of the tail, framed anew for its place in the successor. */
static int copy_commit(struct replay *r, const struct cubby__segscan *scan, struct cubby__framer *f, struct cubby__seg_maker *m, uint64_t *chain)
{
    struct cubby__buf piece = CUBBY__BUF_INIT;
    int rc = 0;
    for (size_t i = 0; i < scan->count && rc == 0; i++) {
        const struct cubby__gathered *g = &scan->records[i];
        const uint8_t *payload = scan->arena.data + g->payload;
        uint64_t off;
        if (g->type == CUBBY__REC_PIECE)
            rc = cubby__log_read(r->s->log, &g->place, CUBBY__REC_PIECE, &piece, &payload, NULL, r->err);
        if (rc == 0 && cubby__framer_add(f, g->type, g->flags, payload, g->place.len, g->type == CUBBY__REC_PIECE ? &g->piece : NULL, &off) != 0)
            rc = cubby__fail_mem(r->err);
    }
    struct cubby__commit c = scan->head;
    if (rc == 0 && cubby__framer_commit(f, &c, *chain) != 0)
        rc = cubby__fail_mem(r->err);
    if (rc == 0)
        rc = cubby__seg_make_add(m, f->buf.data, f->buf.len, r->err);
    *chain = c.chain;
    cubby__buf_release(&piece);
    return rc;
}

static int copy_tail(struct replay *r, uint32_t seg, uint64_t nonce, const struct tail *t, const struct cubby__seg_header *nh, struct cubby__seg_maker *m)
{
    struct cubby__segscan scan;
    struct cubby__framer f = {0};
    struct cubby__seed seed = {r->s->ident.salt, nh->nonce};
    uint64_t chain = t->chain, off = cubby__seg_header_size(nh->defs.len);
    int rc = cubby__segscan_open(&scan, r->s->log, seg, nonce, r->s->ident.salt, t->accepted, t->valid, t->commit, t->chain, r->err);
    scan.pieces = 1;
    scan.adopt = t->adopt;
    while (rc == 0 && (rc = cubby__segscan_next(&scan)) == 0) {
        cubby__framer_init(&f, &seed, off, scan.last_commit);
        rc = copy_commit(r, &scan, &f, m, &chain);
        off += f.buf.len;
    }
    cubby__framer_release(&f);
    cubby__segscan_close(&scan);
    return rc == CUBBY_DONE ? 0 : rc;
}

static int build_successor(struct replay *r, uint32_t seg, uint32_t number, const struct cubby__seg_header *h, const struct tail *t,
                           struct cubby__seg_header *nh)
{
    struct cubby__store *s = r->s;
    struct cubby__seg_maker *m;
    int named;
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
        rc = nh->defs.failed ? cubby__fail_mem(r->err) : cubby__seg_make_begin(s->log, nh, &m, r->err);
    if (rc != 0)
        return rc;
    rc = copy_tail(r, seg, h->nonce, t, nh, m); /* R4 */
    if (rc != 0) {
        cubby__seg_make_abort(&m);
        return rc;
    }
    return cubby__seg_make_end(&m, t->valid_commit, &named, r->err);
}

/* ---- the whole way ---- */

static void set_end(struct replay *r, const struct cubby__seg_header *h, uint64_t off)
{
    struct cubby__published *p = &r->s->pending;
    p->seg = h->number;
    p->seg_nonce = h->nonce;
    p->seg_frames = h->frames;
    p->seg_off = p->zeroed = off;
}

/* Commits that had been synced are not there at all. How many records they held nobody knows: a segment full of them. */
static uint64_t lost_end(struct replay *r, uint32_t seg, const struct cubby__seg_header *h, struct tail *t)
{
    uint64_t lost = r->unreadable;
    if (!t->damaged && r->durable > t->valid_commit && r->durable > h->floors.commit) { /* else a recovery has seen to it before */
        cubby__notice(r->s, "segment %u: damage: commits up to %llu had been synced, the log ends with %llu", seg, (unsigned long long)r->durable,
                      (unsigned long long)t->valid_commit);
        lost += CUBBY__SEG_CAPACITY_MAX;
    }
    t->unclean |= lost != 0; /* a new header keeps the numbers that may have been given */
    raise(&r->txn.floors.commit, r->durable);
    return lost;
}

/* Whoever made this segment, or the store, may have died between the renaming and the sync of the directory: what is acknowledged from now on needs the
 * name. Frames behind the length that a segment was made with show that its maker came through, and a second commit the same of cubby.id. */
static int sync_names(struct replay *r, const struct cubby__seg_header *h, const struct tail *t)
{
    struct cubby__store *s = r->s;
    int rc = 0;
    if (!s->id_file) /* it is being made */
        return 0;
    if (t->valid == h->proven) {
        char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS);
        rc = dir ? s->vfs->dirsync(s->vfs->ctx, dir) : -ENOMEM;
        cubby__free(dir);
    }
    if (rc == 0 && r->commit <= 1)
        rc = s->vfs->dirsync(s->vfs->ctx, s->path);
    return rc == 0 ? 0 : cubby__fail_io(r->err, rc, s->path, CUBBY__NO_OFFSET, "syncing the directory");
}

static int recover_last(struct replay *r, uint32_t seg, uint32_t next_number, const struct cubby__seg_header *h, uint64_t from)
{
    struct tail t;
    int rc = look_over(r, seg, h, from, &t);
    if (rc != 0)
        return rc;
    uint64_t lost = lost_end(r, seg, h, &t);
    int writing = t.unclean && !r->s->read_only;
    if (t.damaged)
        cubby__notice(r->s, "segment %u: a commit that had been synced is damaged; what verifies of it is kept", seg);
    if ((rc = replay_range(r, seg, h->nonce, from, writing ? t.accepted : t.valid)) != 0)
        return rc;
    r->commit = writing ? t.commit : t.valid_commit;
    r->chain = writing ? t.chain : t.valid_chain;
    set_end(r, h, writing ? t.accepted : t.valid);
    if (lost && (rc = lost_bytes(r, lost)) != 0)
        return rc;
    raise(&r->s->pending.above, t.ceiling); /* numbers that lazy commits may have shown, also such as left no trace */
    if (!t.unclean)
        return r->s->read_only ? 0 : sync_names(r, h, &t);
    if (t.dropped)
        cubby__notice(r->s, "segment %u: a torn tail of %llu bytes at offset %llu was dropped; no acknowledged commit was in it", seg,
                      (unsigned long long)t.dropped, (unsigned long long)t.valid);
    if (!writing)
        return 0;
    raise(&r->txn.floors.commit, t.ceiling); /* the header repeats it */
    struct cubby__seg_header nh;
    rc = build_successor(r, seg, next_number, h, &t, &nh);
    if (rc == 0) {
        uint64_t end = nh.proven;
        rc = replay_range(r, next_number, nh.nonce, nh.frames, end);
        set_end(r, &nh, end);
        raise(&r->durable, t.valid_commit);
        raise(&r->vouched, t.valid_commit);
    }
    cubby__seg_header_release(&nh);
    return rc;
}

/* What the successor of segment i accepts of it; UINT64_MAX if no header says so. */
static int accepted_end(struct replay *r, const uint32_t *numbers, size_t count, size_t i, uint64_t nonce, uint64_t *end)
{
    *end = UINT64_MAX;
    for (size_t j = i + 1; j < count; j++) {
        struct cubby__seg_header next;
        int rc = cubby__log_header(r->s->log, numbers[j], &next, r->err);
        if (rc == CUBBY_ECORRUPT) /* told when its turn comes */
            continue;
        if (rc != 0)
            return rc;
        if (next.pred == numbers[i] && next.pred_nonce == nonce)
            *end = next.pred_end; /* its floors come in its turn: they hold what damage here cost */
        cubby__seg_header_release(&next);
        break;
    }
    return 0;
}

/* Segment i of the list, which has a successor: everything up to what the successor accepts. */
static int replay_sealed(struct replay *r, const uint32_t *numbers, size_t count, size_t i, const struct cubby__seg_header *h, uint64_t from)
{
    uint64_t end;
    int rc = accepted_end(r, numbers, count, i, h->nonce, &end);
    if (rc == 0)
        rc = replay_range(r, numbers[i], h->nonce, from, end);
    set_end(r, h, end);
    return rc;
}

/* A rebuild goes on without a segment; a replay does not: only a rebuild takes what the headers behind it define. */
static int without(struct replay *r, uint32_t from, uint32_t to, const char *what)
{
    if (!r->rebuild)
        return cubby__fail(r->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "segments %u to %u, behind its end, %s", from, to, what);
    cubby__notice(r->s, "damage: segments %u to %u %s; what was in them is left out", from, to, what);
    return 0;
}

/* The last segment whose header can be read: the log ends there. */
static int last_readable(struct replay *r, const uint32_t *numbers, size_t count, size_t first, size_t *last)
{
    int rc = CUBBY_ECORRUPT;
    for (size_t i = count; i-- > first && rc == CUBBY_ECORRUPT;) {
        struct cubby__seg_header h;
        *last = i;
        rc = cubby__log_header(r->s->log, numbers[i], &h, r->err);
        if (rc == 0)
            cubby__seg_header_release(&h);
        else if (rc == CUBBY_ECORRUPT)
            r->unreadable += CUBBY__SEG_CAPACITY_MAX; /* at most, nearly always */
    }
    return rc;
}

/* Its header, if it has one and nothing is missing before it; CUBBY_DONE: the rebuild goes on without it. */
static int next_header(struct replay *r, const uint32_t *numbers, size_t i, size_t first, struct cubby__seg_header *h)
{
    uint32_t expected = i > first ? numbers[i - 1] + 1 : r->rebuild ? 1 : numbers[i];
    int rc = numbers[i] != expected ? without(r, expected, numbers[i] - 1, "are missing") : 0;
    if (rc != 0)
        return rc;
    rc = cubby__log_header(r->s->log, numbers[i], h, r->err);
    if (rc == CUBBY_ECORRUPT && (rc = without(r, numbers[i], numbers[i], "have no readable header")) == 0)
        rc = CUBBY_DONE;
    return rc;
}

static int replay_segment(struct replay *r, const uint32_t *numbers, size_t count, size_t i, int is_last, uint64_t from, const struct cubby__seg_header *h)
{
    int rc = 0;
    if (!from) { /* all of it */
        if (h->last_commit > r->commit) /* what came before is missing or damaged */
            r->chain = 0;
        raise(&r->commit, h->last_commit);
        if (r->commit == h->last_commit)
            r->chain = h->last_chain;
        from = h->frames;
    }
    raise_floors(&r->txn.floors, &h->floors);
    if (r->rebuild)
        rc = apply_definitions(r, h);
    if (rc == 0)
        rc = is_last ? recover_last(r, numbers[i], numbers[count - 1] + 1, h, from) : replay_sealed(r, numbers, count, i, h, from);
    return rc;
}

static int replay_segments(struct replay *r, const uint32_t *numbers, size_t count, size_t first, uint64_t from)
{
    size_t last;
    int rc = last_readable(r, numbers, count, first, &last);
    if (rc == 0 && last + 1 < count)
        rc = without(r, numbers[last + 1], numbers[count - 1], "have no readable header");
    for (size_t i = first; i <= last && rc == 0; i++, from = 0) {
        struct cubby__seg_header h;
        rc = next_header(r, numbers, i, first, &h);
        if (rc == 0) {
            rc = replay_segment(r, numbers, count, i, i == last, from, &h);
            cubby__seg_header_release(&h);
        }
        if (rc == CUBBY_DONE)
            rc = 0;
        if (rc == 0 && r->rebuild && r->s->o.progress && r->s->o.progress(r->s->o.progress_arg, i + 1, count) != 0)
            rc = cubby__fail(r->err, CUBBY_ECANCEL, r->s->path, CUBBY__NO_OFFSET, "the rebuild was stopped");
    }
    return rc;
}

static int run(struct replay *r, const struct cubby__published *from)
{
    uint32_t *numbers;
    size_t count, first = 0;
    int rc = cubby__log_list(r->s->log, &numbers, &count, r->err);
    if (rc != 0)
        return rc;
    while (from && first < count && numbers[first] != from->seg)
        first++;
    if (count == 0)
        rc = cubby__fail(r->err, CUBBY_ECORRUPT, r->s->path, CUBBY__NO_OFFSET, "the store has no segments");
    else if (first == count)
        rc = cubby__fail(r->err, CUBBY_ECORRUPT, r->s->path, CUBBY__NO_OFFSET, "segment %llu, which the index ends in, is missing",
                         (unsigned long long)from->seg);
    else
        rc = replay_segments(r, numbers, count, first, from ? from->seg_off : 0);
    cubby__free(numbers);
    return rc;
}

int cubby__recover(struct cubby__store *s, const struct cubby__published *from, uint64_t evidence, cubby_error *err)
{
    struct replay r = {.s = s, .err = err, .rebuild = !from, .evidence = evidence};
    struct cubby__root base = {0}, root;
    if (from) {
        base = cubby__published_root(from);
        s->pending = *from;
        r.commit = from->commit;
        r.chain = from->chain;
        r.record_bytes = from->replay_bytes;
        r.ceiling = from->ceiling;
    } else {
        memset(&s->pending, 0, sizeof s->pending);
    }
    r.txn.store = s;
    r.txn.err = err;
    r.txn.replay = 1;
    r.txn.view = (struct cubby__view){.store = s, .pager = s->pager, .root = base, .txn = &r.txn, .err = err};
    int rc = cubby__floors_load(s, &base, &r.txn.floors, err);
    struct cubby__floors before = r.txn.floors;
    if (rc == 0)
        rc = cubby__tree_begin(s->pager, &base, (base.commit > r.commit ? base.commit : r.commit) + 1, err); /* X4 */
    if (rc != 0)
        return rc;
    rc = run(&r, from);
    raise(&r.txn.floors.commit, r.commit);
    int changed = rc == 0 && memcmp(&before, &r.txn.floors, sizeof before) != 0; /* there is no record that raises none */
    if (changed)
        rc = cubby__floors_store(s, &r.txn.floors, err);
    if (!changed || rc != 0) {
        cubby__tree_abort(s->pager);
        if (rc != 0)
            return rc;
    } else {
        cubby__tree_commit(s->pager, &root);
        raise(&root.commit, r.commit); /* it is the version of the last commit; only without one it is a later one (X4) */
        cubby__set_root(&s->pending, &root);
    }
    s->floors = r.txn.floors;
    s->pending.commit = r.commit;
    s->pending.chain = r.chain;
    s->pending.ceiling = r.ceiling;
    s->pending.replay_bytes = r.record_bytes + r.txn.rows * CUBBY__ROW_COST;
    s->pending.durable = r.durable > r.commit ? r.commit : r.durable;
    s->pending.vouched = r.vouched > r.commit ? r.commit : r.vouched;
    return 0;
}
