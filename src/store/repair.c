/* repair.c - the segments that a check complains of, put right one by one. P1 to P5 stand in repair.h. */
#include "store/repair.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/commit.h"
#include "store/recover.h"
#include "store/repair_file.h"
#include "store/segcheck.h"

enum { STAND_INS_MAX = 4096 }; /* that many files for segments that are missing */

int cubby__repair_tell(struct cubby__repairs *t, cubby_error *err, const char *code, const char *file, uint64_t off, const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    cubby_finding f = {.code = code, .severity = CUBBY_NOTE, .file = file, .offset = off, .detail = detail};
    t->count++;
    return t->fn && t->fn(t->arg, &f) != 0 ? cubby__fail(err, CUBBY_ECANCEL, file, off, "the repair was stopped") : 0;
}

/* ---- the plan ---- */

struct segplan {
    uint32_t first, seg;
    enum cubby__segproblem_kind what; /* MISSING, HEADER; else the file is copied and its holes are covered */
    uint64_t end;                     /* as the successor says */
    struct cubby__hole *holes;
    size_t count, cap;
};

struct cubby__plan {
    struct segplan *segs; /* ascending */
    size_t count, cap;
    int unknown_loss;
    uint64_t through;
};

static void *grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    size_t more = *cap ? *cap * 2 : 8;
    void *p = cubby__realloc(array, more * size);
    if (p)
        *cap = more;
    return p;
}

static struct segplan *plan_for(struct cubby__plan *plan, const struct cubby__segproblem *p)
{
    struct segplan *last = plan->count ? &plan->segs[plan->count - 1] : NULL;
    if (last && last->seg == p->seg)
        return last;
    void *segs = grow(plan->segs, plan->count, &plan->cap, sizeof *plan->segs);
    if (!segs)
        return NULL;
    plan->segs = segs;
    last = &plan->segs[plan->count++];
    *last = (struct segplan){.first = p->first, .seg = p->seg, .what = p->kind, .end = p->end};
    return last;
}

static int add_hole(struct segplan *sp, const struct cubby__segproblem *p)
{
    void *holes = grow(sp->holes, sp->count, &sp->cap, sizeof *sp->holes);
    if (!holes)
        return CUBBY_ENOMEM;
    sp->holes = holes;
    uint64_t to = (p->to + CUBBY__FRAME_ALIGN - 1) & ~(uint64_t)(CUBBY__FRAME_ALIGN - 1);
    if (to < p->from + CUBBY__FRAME_SIZE)
        to = p->from + CUBBY__FRAME_SIZE + CUBBY__FRAME_ALIGN;
    uint8_t kind = p->kind == CUBBY__SEG_CUT ? CUBBY__DAMAGE_SEGMENT : p->type == CUBBY__REC_PIECE ? CUBBY__DAMAGE_CONTENT : CUBBY__DAMAGE_STRETCH;
    sp->holes[sp->count++] = (struct cubby__hole){p->from, to, p->commit, kind};
    return 0;
}

/* May this have been a record that a client must hear of, and no later one repeats? */
static int may_mislead(const struct cubby__segproblem *p)
{
    if (p->kind == CUBBY__SEG_HOLE)
        return !p->type || p->type == CUBBY__REC_FOLDER || p->type == CUBBY__REC_EXPUNGE || p->type == CUBBY__REC_DAMAGE;
    return p->kind == CUBBY__SEG_MISSING || p->kind == CUBBY__SEG_HEADER || p->kind == CUBBY__SEG_CUT;
}

struct planning {
    struct cubby__store *s;
    struct cubby__plan *plan;
    int (*fragment)(void *arg, const struct cubby__record *rec);
    void *arg;
    cubby_error *err;
    int problems;
};

static int take(void *arg, const struct cubby__segproblem *p)
{
    struct planning *x = arg;
    if (p->kind == CUBBY__SEG_NOTED)
        return 0;
    x->problems++;
    if (!x->plan)
        return 0;
    struct segplan *sp = plan_for(x->plan, p);
    int rc = sp ? 0 : CUBBY_ENOMEM;
    if (rc == 0 && (p->kind == CUBBY__SEG_HOLE || p->kind == CUBBY__SEG_CUT))
        rc = add_hole(sp, p);
    x->plan->unknown_loss |= may_mislead(p);
    return rc == 0 ? 0 : cubby__fail_mem(x->err);
}

static int pass_on(void *arg, const struct cubby__record *rec)
{
    struct planning *x = arg;
    return x->fragment ? x->fragment(x->arg, rec) : 0;
}

/* P5 */
static int leave_damaged_end(struct cubby__store *s, const struct cubby__misfit *misfits, size_t count, cubby_error *err)
{
    struct cubby__published now;
    struct planning x = {.s = s, .err = err};
    cubby__read_published(s, &now);
    for (size_t i = 0; i < count; i++)
        x.problems += misfits[i].place.seg == now.seg;
    struct cubby__segcheck c = {.s = s, .err = err, .only = (uint32_t)now.seg, .problem = take, .arg = &x};
    int rc = cubby__segcheck(&c);
    if (rc != 0 || !x.problems)
        return rc;
    rc = cubby__quiesce(s, err);
    if (rc != 0)
        return rc;
    rc = s->pending.seg == now.seg ? cubby__roll(s, err) : 0;
    cubby__resume(s);
    return rc;
}

/* The nonce that a segment without header must have had. 0: nobody knows. */
static uint64_t known_nonce(struct cubby__store *s, uint32_t seg)
{
    struct cubby__seg_header next;
    uint64_t nonce = 0;
    if (cubby__log_header(s->log, seg + 1, &next, NULL) != 0)
        return 0;
    if (next.pred == seg)
        nonce = next.pred_nonce;
    cubby__seg_header_release(&next);
    return nonce;
}

/* Between what the walk found, in the order of offsets. */
static int add_misfit(struct planning *x, const struct cubby__misfit *m)
{
    struct cubby__plan *plan = x->plan;
    struct cubby__segproblem p = {.kind = CUBBY__SEG_HOLE, .first = m->place.seg, .seg = m->place.seg, .from = m->place.off, .end = UINT64_MAX,
                                  .type = m->type, .commit = m->commit};
    p.to = p.from + cubby__frame_size(m->type, m->place.len);
    struct segplan *sp = NULL;
    for (size_t i = 0; i < plan->count && !sp; i++)
        sp = plan->segs[i].first <= p.seg && p.seg <= plan->segs[i].seg ? &plan->segs[i] : NULL;
    if (!sp && !(sp = plan_for(plan, &p)))
        return cubby__fail_mem(x->err);
    if (sp->what == CUBBY__SEG_MISSING || sp->what == CUBBY__SEG_HEADER)
        return 0;
    if (add_hole(sp, &p) != 0)
        return cubby__fail_mem(x->err);
    for (size_t i = sp->count - 1; i > 0 && sp->holes[i - 1].from > sp->holes[i].from; i--) {
        struct cubby__hole later = sp->holes[i - 1];
        sp->holes[i - 1] = sp->holes[i];
        sp->holes[i] = later;
    }
    plan->unknown_loss |= may_mislead(&p);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct segplan *x = a, *y = b;
    return (x->seg > y->seg) - (x->seg < y->seg);
}

int cubby__plan_make(struct cubby__store *s, const struct cubby__misfit *misfits, size_t misfit_count,
                     int (*fragment)(void *arg, const struct cubby__record *rec), void *arg, struct cubby__plan **out, cubby_error *err)
{
    struct cubby__plan *plan = cubby__calloc(1, sizeof *plan);
    struct planning x = {.s = s, .plan = plan, .fragment = fragment, .arg = arg, .err = err};
    struct cubby__segcheck c = {.s = s, .err = err, .problem = take, .fragment = pass_on, .arg = &x};
    *out = NULL;
    int rc = plan ? leave_damaged_end(s, misfits, misfit_count, err) : cubby__fail_mem(err);
    if (rc == 0)
        rc = cubby__segcheck(&c);
    for (size_t i = 0; i < misfit_count && rc == 0; i++) {
        rc = add_misfit(&x, &misfits[i]);
        cubby__raise(&c.torn_until, misfits[i].commit);
    }
    if (rc != 0) {
        cubby__plan_free(&plan);
        return rc;
    }
    if (plan->count > 1)
        qsort(plan->segs, plan->count, sizeof *plan->segs, by_number);
    plan->through = c.torn_until;
    *out = plan;
    return 0;
}

void cubby__plan_free(struct cubby__plan **pp)
{
    struct cubby__plan *p = *pp;
    if (!p)
        return;
    for (size_t i = 0; i < p->count; i++)
        cubby__free(p->segs[i].holes);
    cubby__free(p->segs);
    cubby__free(p);
    *pp = NULL;
}

int cubby__plan_empty(const struct cubby__plan *p)
{
    return p->count == 0;
}

int cubby__plan_unknown_loss(const struct cubby__plan *p, uint64_t *through)
{
    *through = p->through;
    return p->unknown_loss;
}

int cubby__plan_has(const struct cubby__plan *p, uint32_t seg)
{
    size_t low = 0, high = p->count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (p->segs[mid].seg < seg)
            low = mid + 1;
        else
            high = mid;
    }
    return low < p->count && p->segs[low].first <= seg;
}

/* ---- headers ---- */

/* The first frame of a file without header: its offset and commit. DONE: none. */
static int first_frame(struct cubby__newseg *n, uint64_t *off, uint64_t *commit, cubby_error *err)
{
    enum { WINDOW = 64 << 10 };
    const cubby_vfs *vfs = n->s->vfs;
    char name[512];
    uint8_t *buf = cubby__malloc(WINDOW + CUBBY__PIECE_FRAME_SIZE);
    int rc = buf ? CUBBY_DONE : cubby__fail_mem(err);
    for (uint64_t at = 2 * CUBBY__SEG_HEADER_ALIGN; at < n->old_size && rc == CUBBY_DONE; at += WINDOW) {
        int64_t got = vfs->pread(vfs->ctx, n->old, buf, WINDOW + CUBBY__PIECE_FRAME_SIZE, at);
        if (got < 0)
            rc = cubby__fail_io(err, (int)got, cubby__log_name(n->s->log, n->seg, name), at, "reading the segment");
        for (size_t i = 0; rc == CUBBY_DONE && i < WINDOW && (int64_t)i < got; i += CUBBY__FRAME_ALIGN) {
            struct cubby__frame f;
            if (cubby__frame_decode(buf + i, (size_t)got - i, &n->seed, at + i, &f) != 0)
                continue;
            *off = at + i;
            *commit = f.commit;
            rc = 0;
        }
    }
    cubby__free(buf);
    return rc;
}

/* The predecessor, and where it ends: behind the last commit that comes before this one. Without one that can be read: none. */
static int find_pred(struct cubby__store *s, struct cubby__seg_header *h, cubby_error *err)
{
    struct cubby__seg_header before;
    struct cubby__segscan scan;
    if (h->number == 1 || cubby__log_header(s->log, h->number - 1, &before, NULL) != 0)
        return 0;
    h->pred = h->number - 1;
    h->pred_nonce = before.nonce;
    h->pred_end = before.frames;
    int rc = cubby__segscan_open(&scan, s->log, h->pred, before.nonce, s->ident.salt, before.frames, UINT64_MAX, before.last_commit, before.last_chain, err);
    scan.adopt = cubby__seg_header_adopts(&before);
    while (rc == 0) {
        rc = cubby__segscan_next(&scan);
        if (rc == 0 && scan.last_commit <= h->last_commit)
            h->pred_end = scan.pos;
        else if (rc == 0)
            break;
        else if (rc == CUBBY_ECORRUPT)
            rc = cubby__segscan_resync(&scan);
    }
    if (scan.proof_end > h->pred_end && scan.proof_commit <= h->last_commit)
        h->pred_end = scan.proof_end;
    cubby__segscan_close(&scan);
    cubby__seg_header_release(&before);
    return rc < 0 ? rc : 0;
}

/* A header for a file whose own are gone, when its nonce is known: then its frames verify. */
static int mend_header(struct cubby__store *s, uint32_t seg, uint64_t nonce, const struct cubby__floors *floors, uint64_t proven, struct cubby__repairs *t,
                       cubby_error *err)
{
    struct cubby__newseg n;
    struct cubby__buf head = CUBBY__BUF_INIT;
    struct cubby__seg_header h = {.ident = s->ident, .kind = CUBBY__SEG_LOG, .number = seg, .nonce = nonce, .floors = *floors, .proven_commit = proven,
                                  .created_ns = s->vfs->now_ns(s->vfs->ctx)};
    uint64_t off = 0, commit = 0;
    char name[512];
    int rc = cubby__newseg_begin(&n, s, seg, err);
    if (rc != 0)
        return rc;
    n.seed.nonce = nonce;
    rc = first_frame(&n, &off, &commit, err);
    if (rc == 0) {
        h.last_commit = commit ? commit - 1 : 0; /* its chain is not known: 0 says so */
        h.copy_min = (uint32_t)(off / (2 * CUBBY__SEG_HEADER_ALIGN)) * CUBBY__SEG_HEADER_ALIGN;
        if (off - 2 * (uint64_t)h.copy_min < CUBBY__FRAME_SIZE && off != 2 * (uint64_t)h.copy_min && h.copy_min > CUBBY__SEG_HEADER_ALIGN)
            h.copy_min -= CUBBY__SEG_HEADER_ALIGN; /* what is left before the first frame must hold a DAMAGE */
        h.proven = 2 * (uint64_t)h.copy_min;
        rc = find_pred(s, &h, err);
    }
    if (rc == 0 && cubby__seg_header_encode(&h, &head) != 0)
        rc = cubby__fail_mem(err);
    if (rc == 0)
        rc = cubby__newseg_copy(&n, h.frames, n.old_size, err);
    if (rc == 0)
        rc = cubby__newseg_write(&n, head.data, head.len, 0, err);
    cubby__buf_release(&head);
    if (rc != 0) {
        cubby__newseg_abort(&n);
        return rc;
    }
    rc = cubby__newseg_end(&n, err);
    return rc ? rc : cubby__repair_tell(t, err, "HEADER_MADE", cubby__log_name(s->log, seg, name), 0,
                                        "its header was made again; the file as it was is in %s", CUBBY__DIR_QUARANTINE);
}

int cubby__plan_mend_headers(struct cubby__store *s, const struct cubby__plan *p, struct cubby__repairs *t, cubby_error *err)
{
    uint64_t before = t->count;
    size_t headers = 0;
    for (size_t i = 0; i < p->count; i++)
        headers += p->segs[i].what == CUBBY__SEG_HEADER;
    int rc = headers ? cubby__quiesce(s, err) : CUBBY_DONE;
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < p->count && rc == 0; i++) {
        uint64_t nonce = p->segs[i].what == CUBBY__SEG_HEADER ? known_nonce(s, p->segs[i].seg) : 0;
        if (nonce)
            rc = mend_header(s, p->segs[i].seg, nonce, &s->floors, 0, t, err);
        if (rc == CUBBY_DONE) /* no frame of it is left: a stand-in will do */
            rc = 0;
    }
    cubby__resume(s);
    return rc ? rc : t->count == before ? CUBBY_DONE : 0;
}

/* ---- stand-ins, copies ---- */

/* An empty segment in the place of one that is gone, so that nobody waits for it any more. */
static int stand_in(struct cubby__store *s, uint32_t seg, uint8_t kind, const struct cubby__floors *floors, cubby_error *err)
{
    struct cubby__newseg n;
    struct cubby__buf head = CUBBY__BUF_INIT;
    struct cubby__seg_header h = {.ident = s->ident, .kind = CUBBY__SEG_LOG, .number = seg, .created_ns = s->vfs->now_ns(s->vfs->ctx)};
    if (floors)
        h.floors = *floors;
    int rc = s->vfs->random(s->vfs->ctx, &h.nonce, sizeof h.nonce);
    if (rc != 0)
        return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes");
    rc = cubby__newseg_begin(&n, s, seg, err);
    if (rc != 0)
        return rc;
    n.seed.nonce = h.nonce;
    h.proven = cubby__seg_header_size(0) + CUBBY__FRAME_SIZE + CUBBY__FRAME_ALIGN;
    if (cubby__seg_header_encode(&h, &head) != 0)
        rc = cubby__fail_mem(err);
    if (rc == 0)
        rc = cubby__newseg_write(&n, head.data, head.len, 0, err);
    if (rc == 0)
        rc = cubby__newseg_cover(&n, &(struct cubby__hole){h.frames, h.proven, 0, kind}, err);
    cubby__buf_release(&head);
    if (rc == 0)
        return cubby__newseg_end(&n, err);
    cubby__newseg_abort(&n);
    return rc;
}

static int stand_ins(struct cubby__store *s, const struct segplan *sp, struct cubby__repairs *t, cubby_error *err)
{
    char name[512];
    int rc = 0;
    if (sp->seg - sp->first >= STAND_INS_MAX)
        return cubby__repair_tell(t, err, "NOT_DONE", CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET,
                                  "segments %u to %u are too many to be stood in for", sp->first, sp->seg);
    for (uint32_t seg = sp->first; seg <= sp->seg && rc == 0; seg++) {
        rc = stand_in(s, seg, CUBBY__DAMAGE_SEGMENT, NULL, err);
        if (rc == 0)
            rc = cubby__repair_tell(t, err, "STAND_IN", cubby__log_name(s->log, seg, name), CUBBY__NO_OFFSET, "an empty segment stands for the one %s",
                                    sp->what == CUBBY__SEG_MISSING ? "that is gone" : "in quarantine, which nothing can be read of");
    }
    return rc;
}

static int copy_header(struct cubby__newseg *n, struct cubby__seg_header *h, cubby_error *err)
{
    struct cubby__buf head = CUBBY__BUF_INIT;
    uint64_t frames = h->frames;
    if (!h->damaged_copies)
        return cubby__newseg_copy(n, 0, frames, err);
    h->copy_min = (uint32_t)(frames / 2);
    int rc = cubby__seg_header_encode(h, &head) ? cubby__fail_mem(err) : 0;
    if (rc == 0)
        rc = cubby__newseg_write(n, head.data, head.len, 0, err);
    cubby__buf_release(&head);
    return rc;
}

/* P2 */
static int copy_frames(struct cubby__newseg *n, const struct segplan *sp, uint64_t from, cubby_error *err)
{
    uint64_t end = sp->end < n->old_size ? sp->end : n->old_size;
    int rc = 0;
    for (size_t i = 0; i < sp->count && rc == 0; i++) {
        rc = cubby__newseg_copy(n, from, sp->holes[i].from, err);
        if (rc == 0)
            rc = cubby__newseg_cover(n, &sp->holes[i], err);
        from = sp->holes[i].to;
    }
    return rc || from >= end ? rc : cubby__newseg_copy(n, from, end, err);
}

static int replace(struct cubby__store *s, const struct segplan *sp, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__newseg n;
    struct cubby__seg_header h;
    char name[512];
    int rc = cubby__log_header(s->log, sp->seg, &h, err);
    if (rc != 0)
        return rc;
    rc = cubby__newseg_begin(&n, s, sp->seg, err);
    if (rc == 0) {
        uint64_t frames = h.frames;
        n.seed.nonce = h.nonce;
        rc = copy_header(&n, &h, err);
        if (rc == 0)
            rc = copy_frames(&n, sp, frames, err);
        if (rc == 0)
            rc = cubby__newseg_end(&n, err);
        else
            cubby__newseg_abort(&n);
    }
    cubby__seg_header_release(&h);
    return rc ? rc : cubby__repair_tell(t, err, "SEGMENT_REPLACED", cubby__log_name(s->log, sp->seg, name), CUBBY__NO_OFFSET,
                                        "copied, with %zu damaged stretches covered; the file as it was is in %s", sp->count, CUBBY__DIR_QUARANTINE);
}

int cubby__plan_apply(struct cubby__store *s, const struct cubby__plan *p, struct cubby__repairs *t, cubby_error *err)
{
    if (!p->count)
        return 0;
    int rc = cubby__quiesce(s, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < p->count && rc == 0; i++) {
        const struct segplan *sp = &p->segs[i];
        if (sp->seg == s->pending.seg) /* P5; it was followed by another when the plan was made */
            continue;
        rc = sp->what == CUBBY__SEG_MISSING || sp->what == CUBBY__SEG_HEADER ? stand_ins(s, sp, t, err) : replace(s, sp, t, err);
    }
    cubby__resume(s);
    return rc;
}

/* ---- before the store can be opened ---- */

struct last_words {
    struct cubby__meta meta; /* commit 0: the index says nothing */
    struct cubby__floors floors;
};

static void read_index(struct cubby__store *s, struct last_words *w)
{
    struct cubby__pager_config config = {.vfs = s->vfs, .salt = s->ident.salt, .cache_bytes = 1 << 20};
    cubby_error unused;
    memset(w, 0, sizeof *w);
    memcpy(config.uuid, s->ident.uuid, 16);
    char *path = cubby__path_join(s->path, CUBBY__FILE_INDEX);
    config.path = path;
    if (path && cubby__pager_open(&config, &s->pager, &unused) == 0) {
        if (cubby__meta_read(s->pager, &w->meta, &unused) == 0)
            cubby__floors_load(s, &w->meta.root, &w->floors, &unused);
        else
            memset(&w->meta, 0, sizeof w->meta);
        cubby__pager_close(&s->pager);
    }
    cubby__free(path);
}

/* The last segment's header can be made again only now, while there is an index that knows its nonce. */
static int mend_last(struct cubby__store *s, uint32_t last, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__seg_header h;
    struct last_words w;
    int rc = cubby__log_header(s->log, last, &h, err);
    if (rc == 0)
        cubby__seg_header_release(&h);
    if (rc != CUBBY_ECORRUPT)
        return rc;
    read_index(s, &w);
    if (w.meta.commit && w.meta.seg == last)
        rc = mend_header(s, last, w.meta.seg_nonce, &w.floors, w.meta.commit, t, err);
    return rc == CUBBY_ECORRUPT || rc == CUBBY_DONE ? 0 : rc;
}

/* 0: the header of some segment can be read. CUBBY_DONE: all are damaged, or there are none. What cannot be looked at is neither. */
static int any_header(struct cubby__store *s, const uint32_t *numbers, size_t count, cubby_error *err)
{
    struct cubby__seg_header h;
    for (size_t i = count; i-- > 0;) {
        int rc = cubby__log_header(s->log, numbers[i], &h, err);
        if (rc == 0)
            cubby__seg_header_release(&h);
        if (rc != CUBBY_ECORRUPT)
            return rc;
    }
    return CUBBY_DONE;
}

static int make_segments_dir(struct cubby__store *s, cubby_error *err)
{
    char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS);
    int rc = dir ? s->vfs->mkdir(s->vfs->ctx, dir) : -ENOMEM;
    if (rc == 0)
        rc = s->vfs->dirsync(s->vfs->ctx, s->path);
    cubby__free(dir);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "making the directory");
}

static int make_openable(struct cubby__store *s, struct cubby__repairs *t, cubby_error *err)
{
    uint32_t *numbers;
    size_t count;
    char name[512];
    struct last_words w;
    int rc = cubby__log_list(s->log, &numbers, &count, err);
    if (rc == CUBBY_ENOENT)
        rc = make_segments_dir(s, err);
    if (rc == 0 && count)
        rc = mend_last(s, numbers[count - 1], t, err);
    if (rc == 0 && (rc = any_header(s, numbers, count, err)) == CUBBY_DONE) {
        read_index(s, &w);
        uint32_t next = count ? numbers[count - 1] + 1 : 1;
        if (w.meta.commit && w.meta.seg >= next)
            next = w.meta.seg + 1;
        cubby__raise(&w.floors.commit, w.meta.commit);
        rc = stand_in(s, next, CUBBY__DAMAGE_CUT, &w.floors, err);
        if (rc == 0)
            rc = cubby__repair_tell(t, err, "STAND_IN", cubby__log_name(s->log, next, name), CUBBY__NO_OFFSET,
                                    "no segment can be read: an empty one begins the log anew");
    }
    cubby__free(numbers);
    return rc;
}

int cubby__repair_openable(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__store *s;
    int rc = cubby__store_open_bare(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    rc = s->o.flags & CUBBY_READ_ONLY ? cubby__fail(err, CUBBY_EACCES, path, CUBBY__NO_OFFSET, "the store may not be written to") : cubby__writer_lock(s, err);
    if (rc == 0 && s->vfs->lock_test(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1) == 0) /* else it is open already */
        rc = make_openable(s, t, err);
    cubby__store_close(&s, NULL);
    return rc;
}
