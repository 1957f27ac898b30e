/* repair.c - the segments that a check complains of, put right one by one. P1 to P5 stand in repair.h. */
#include "store/repair.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/commit.h"
#include "store/repair_file.h"
#include "store/segcheck.h"
#include "store/stray.h"

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
    unsigned losses; /* CUBBY__LOST_... */
    uint64_t through;
};

static struct segplan *plan_for(struct cubby__plan *plan, const struct cubby__segproblem *p)
{
    struct segplan *last = plan->count ? &plan->segs[plan->count - 1] : NULL;
    if (last && last->seg == p->seg)
        return last;
    void *segs = cubby__grow(plan->segs, plan->count, &plan->cap, sizeof *plan->segs);
    if (!segs)
        return NULL;
    plan->segs = segs;
    last = &plan->segs[plan->count++];
    *last = (struct segplan){.first = p->first, .seg = p->seg, .what = p->kind, .end = p->end};
    return last;
}

static int add_hole(struct segplan *sp, const struct cubby__segproblem *p)
{
    void *holes = cubby__grow(sp->holes, sp->count, &sp->cap, sizeof *sp->holes);
    if (!holes)
        return CUBBY_ENOMEM;
    sp->holes = holes;
    uint64_t to = (p->to + CUBBY__FRAME_ALIGN - 1) & ~(uint64_t)(CUBBY__FRAME_ALIGN - 1);
    if (to < p->from + CUBBY__FRAME_SIZE + (p->missing ? CUBBY__FRAME_ALIGN : 0)) /* a REST must say that it is one */
        to = p->from + CUBBY__FRAME_SIZE + CUBBY__FRAME_ALIGN;
    uint8_t kind = p->kind == CUBBY__SEG_CUT ? CUBBY__DAMAGE_SEGMENT
                   : p->missing ? CUBBY__DAMAGE_REST
                   : p->type == CUBBY__REC_PIECE ? CUBBY__DAMAGE_CONTENT : CUBBY__DAMAGE_STRETCH;
    sp->holes[sp->count++] = (struct cubby__hole){p->from, to, p->commit, kind, p->missing ? p->to - p->from + p->missing : to - p->from};
    return 0;
}

/* CUBBY__LOST_... */
static unsigned losses(const struct cubby__segproblem *p)
{
    if (p->kind == CUBBY__SEG_CUT)
        return CUBBY__LOST_ANY | CUBBY__LOST_END;
    if (p->kind == CUBBY__SEG_MISSING || p->kind == CUBBY__SEG_HEADER)
        return CUBBY__LOST_ANY;
    if (p->kind != CUBBY__SEG_HOLE)
        return 0;
    switch (p->type) {
    case 0:
    case CUBBY__REC_FOLDER:
    case CUBBY__REC_EXPUNGE:
    case CUBBY__REC_DAMAGE:
        return CUBBY__LOST_ANY;
    case CUBBY__REC_ENTRY:
        return CUBBY__LOST_ENTRY;
    case CUBBY__REC_FLAGS:
        return CUBBY__LOST_FLAGS;
    case CUBBY__REC_KEYWORD:
        return CUBBY__LOST_KEYWORD;
    default: /* OBJECT and PIECE cost their message, whose uid is expunged; the rest has no modseq */
        return 0;
    }
}

struct planning {
    struct cubby__store *s;
    struct cubby__plan *plan;
    int (*fragment)(void *arg, const struct cubby__record *rec);
    void *arg;
    cubby_error *err;
    int problems;
    size_t here; /* the segment of the misfit before */
};

static int take(void *arg, const struct cubby__segproblem *p)
{
    struct planning *x = arg;
    if (p->kind == CUBBY__SEG_NOTED || p->kind == CUBBY__SEG_STRAY || p->kind == CUBBY__SEG_BRANCH)
        return 0;
    x->problems++;
    if (!x->plan)
        return 0;
    struct segplan *sp = plan_for(x->plan, p);
    int rc = sp ? 0 : CUBBY_ENOMEM;
    if (rc == 0 && (p->kind == CUBBY__SEG_HOLE || p->kind == CUBBY__SEG_CUT))
        rc = add_hole(sp, p);
    x->plan->losses |= losses(p);
    return rc == 0 ? 0 : cubby__fail_mem(x->err);
}

static int pass_on(void *arg, const struct cubby__record *rec)
{
    struct planning *x = arg;
    return x->fragment ? x->fragment(x->arg, rec) : 0;
}

/* Is there a way to go on in the segment that is being appended to? Those who have it open hold what nobody else can read any more. */
static int may_be_left(struct cubby__store *s, uint32_t seg, cubby_error *err)
{
    uint64_t size;
    int rc = cubby__log_size(s->log, seg, &size, err);
    if (rc != CUBBY_ECORRUPT && rc != CUBBY_ENOENT)
        return rc;
    return cubby__fail(err, CUBBY_EBUSY, s->path, CUBBY__NO_OFFSET,
                       "segment %u, which is being written to, %s: the store is open in another process, and must be closed for this repair", seg,
                       rc == CUBBY_ENOENT ? "is not there (if it is anywhere, bring it back)" : "has no readable header");
}

/* P5 */
static int leave_damaged_end(struct cubby__store *s, const struct cubby__misfit *misfits, size_t count, cubby_error *err)
{
    struct cubby__published now;
    struct planning x = {.s = s, .err = err};
    cubby__read_published(s, &now);
    int rc = may_be_left(s, (uint32_t)now.seg, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        x.problems += misfits[i].place.seg == now.seg;
    struct cubby__segcheck c = {.s = s, .err = err, .only = (uint32_t)now.seg, .problem = take, .arg = &x};
    rc = cubby__segcheck(&c);
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
static int known_nonce(struct cubby__store *s, uint32_t seg, uint64_t *nonce, cubby_error *err)
{
    struct cubby__seg_header next;
    *nonce = 0;
    int rc = cubby__log_header(s->log, seg + 1, &next, err);
    if (rc != 0)
        return rc == CUBBY_ECORRUPT || rc == CUBBY_ENOENT ? 0 : rc;
    if (next.pred == seg)
        *nonce = next.pred_nonce;
    cubby__seg_header_release(&next);
    return 0;
}

static int includes(const struct segplan *sp, uint32_t seg)
{
    return sp->first <= seg && seg <= sp->seg;
}

/* Behind what the walk found. */
static int add_misfit(struct planning *x, const struct cubby__misfit *m)
{
    struct cubby__plan *plan = x->plan;
    struct cubby__segproblem p = {.kind = CUBBY__SEG_HOLE, .first = m->place.seg, .seg = m->place.seg, .from = m->place.off, .end = UINT64_MAX,
                                  .type = m->type, .commit = m->commit};
    p.to = p.from + cubby__frame_size(m->type, m->place.len);
    size_t i = x->here < plan->count && includes(&plan->segs[x->here], p.seg) ? x->here : 0; /* they come in the order of the log */
    while (i < plan->count && !includes(&plan->segs[i], p.seg))
        i++;
    struct segplan *sp = i < plan->count ? &plan->segs[i] : plan_for(plan, &p);
    if (!sp)
        return cubby__fail_mem(x->err);
    x->here = i;
    if (sp->what == CUBBY__SEG_MISSING || sp->what == CUBBY__SEG_HEADER)
        return 0;
    if (add_hole(sp, &p) != 0)
        return cubby__fail_mem(x->err);
    plan->losses |= losses(&p);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    const struct segplan *x = a, *y = b;
    return (x->seg > y->seg) - (x->seg < y->seg);
}

static int by_offset(const void *a, const void *b)
{
    const struct cubby__hole *x = a, *y = b;
    return (x->from > y->from) - (x->from < y->from);
}

static void sort_plan(struct cubby__plan *plan)
{
    if (plan->count > 1)
        qsort(plan->segs, plan->count, sizeof *plan->segs, by_number);
    for (size_t i = 0; i < plan->count; i++)
        if (plan->segs[i].count > 1)
            qsort(plan->segs[i].holes, plan->segs[i].count, sizeof *plan->segs[i].holes, by_offset);
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
    sort_plan(plan);
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

unsigned cubby__plan_losses(const struct cubby__plan *p, uint64_t *through)
{
    *through = p->through;
    return p->losses;
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

/* 1: its header can be read now: somebody put it back, or another repair has made it again, since the plan was made. */
static int is_back(struct cubby__store *s, uint32_t seg, cubby_error *err)
{
    struct cubby__seg_header h;
    int rc = cubby__log_header(s->log, seg, &h, err);
    if (rc == 0)
        cubby__seg_header_release(&h);
    return rc == 0 ? 1 : rc == CUBBY_ECORRUPT || rc == CUBBY_ENOENT ? 0 : rc;
}

/* What is no regular file is kept as it is, and the segment is missing then. DONE: it is one. Here, for what fails later fails again and again, after things
 * have been logged that clients hear of each time. It is not the end of the log: whoever opened the store for writing has gone on behind it. */
static int make_way(struct cubby__store *s, uint32_t seg, struct cubby__repairs *t, cubby_error *err)
{
    int rc = cubby__is_stranger(s, seg, err);
    return rc < 0 ? rc : rc ? cubby__move_to_quarantine(s, seg, t, err) : CUBBY_DONE;
}

int cubby__plan_mend_headers(struct cubby__store *s, const struct cubby__plan *p, struct cubby__repairs *t, cubby_error *err)
{
    uint64_t before = t->count;
    size_t headers = 0, back = 0;
    for (size_t i = 0; i < p->count; i++)
        headers += p->segs[i].what == CUBBY__SEG_HEADER;
    int rc = headers ? cubby__quiesce(s, err) : CUBBY_DONE;
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < p->count && rc == 0; i++) {
        uint64_t nonce = 0;
        if (p->segs[i].what != CUBBY__SEG_HEADER || (rc = make_way(s, p->segs[i].seg, t, err)) != CUBBY_DONE)
            continue;
        if ((rc = is_back(s, p->segs[i].seg, err)) > 0)
            back++, rc = 0;
        else if (rc == 0)
            rc = known_nonce(s, p->segs[i].seg, &nonce, err);
        if (rc == 0 && nonce)
            rc = cubby__mend_header(s, p->segs[i].seg, nonce, &s->floors, 0, t, err);
        if (rc == CUBBY_DONE) /* no frame of it is left: a stand-in will do */
            rc = 0;
    }
    cubby__resume(s);
    return rc ? rc : t->count == before && !back ? CUBBY_DONE : 0;
}

/* ---- stand-ins, copies ---- */

static int are_too_many(const struct segplan *sp)
{
    return sp->seg - sp->first >= CUBBY__SEG_GAP_MAX;
}

static int stand_ins(struct cubby__store *s, const struct segplan *sp, struct cubby__repairs *t, cubby_error *err)
{
    char name[CUBBY__SEGNAME_MAX];
    int rc = 0;
    if (are_too_many(sp))
        return cubby__repair_tell(t, err, "NOT_DONE", CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET,
                                  "segments %u to %u are too many to be stood in for", sp->first, sp->seg);
    for (uint32_t seg = sp->first; seg <= sp->seg && rc == 0; seg++) {
        if ((rc = is_back(s, seg, err)) != 0) {
            rc = rc < 0 ? rc : 0;
            continue;
        }
        rc = cubby__stand_in(s, seg, CUBBY__DAMAGE_SEGMENT, NULL, err);
        if (rc == 0)
            rc = cubby__repair_tell(t, err, "STAND_IN", cubby__segname(seg, name), CUBBY__NO_OFFSET, "an empty segment stands for the one %s",
                                    sp->what == CUBBY__SEG_MISSING ? "that is gone" : "in quarantine, which nothing can be read of");
    }
    return rc;
}

static int copy_header(struct cubby__newseg *n, struct cubby__seg_header *h, cubby_error *err)
{
    if (!h->damaged_copies)
        return cubby__newseg_copy(n, 0, h->frames, err);
    h->copy_min = (uint32_t)(h->frames / 2);
    return cubby__newseg_header(n, h, err);
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

/* The new file, all of it, which has no name yet. On failure there is none. */
static int make_copy(struct cubby__store *s, const struct segplan *sp, struct cubby__newseg *n, cubby_error *err)
{
    struct cubby__seg_header h;
    int rc = cubby__log_header(s->log, sp->seg, &h, err);
    if (rc != 0)
        return rc;
    rc = cubby__newseg_begin(n, s, sp->seg, err);
    if (rc == 0) {
        uint64_t frames = h.frames;
        n->seed.nonce = h.nonce;
        rc = copy_header(n, &h, err);
        if (rc == 0)
            rc = copy_frames(n, sp, frames, err);
        if (rc != 0)
            cubby__newseg_abort(n);
    }
    cubby__seg_header_release(&h);
    return rc;
}

static int replace(struct cubby__store *s, const struct segplan *sp, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__newseg n;
    char name[CUBBY__SEGNAME_MAX];
    int rc = make_copy(s, sp, &n, err);
    if (rc == 0)
        rc = cubby__newseg_end(&n, err);
    return rc ? rc : cubby__repair_tell(t, err, "SEGMENT_REPLACED", cubby__segname(sp->seg, name), CUBBY__NO_OFFSET,
                                        "copied, with %zu damaged stretches covered; the file as it was is in %s", sp->count, CUBBY__DIR_QUARANTINE);
}

static int is_gone(const struct segplan *sp)
{
    return sp->what == CUBBY__SEG_MISSING || sp->what == CUBBY__SEG_HEADER;
}

static int keep_and_abort(struct cubby__newseg *n, cubby_error *err)
{
    int rc = cubby__newseg_quarantine(n, err);
    cubby__newseg_abort(n);
    return rc;
}

static int try_stand_ins(struct cubby__store *s, const struct segplan *sp, cubby_error *err)
{
    int rc = 0;
    for (uint32_t seg = sp->first; seg <= sp->seg && !are_too_many(sp) && rc >= 0; seg++) {
        struct cubby__newseg n;
        rc = is_back(s, seg, err);
        if (rc == 0 && (rc = cubby__newseg_begin(&n, s, seg, err)) == 0)
            rc = keep_and_abort(&n, err);
    }
    return rc < 0 ? rc : 0;
}

static int try_copy(struct cubby__store *s, const struct segplan *sp, cubby_error *err)
{
    struct cubby__newseg n;
    int rc = make_copy(s, sp, &n, err);
    return rc ? rc : keep_and_abort(&n, err);
}

int cubby__plan_rehearse(struct cubby__store *s, const struct cubby__plan *p, cubby_error *err)
{
    int rc = p->count ? cubby__quiesce(s, err) : CUBBY_DONE;
    if (rc != 0)
        return rc < 0 ? rc : 0;
    rc = cubby__try_segments(s, err);
    for (size_t i = 0; i < p->count && rc == 0; i++)
        if (p->segs[i].seg != s->pending.seg)
            rc = is_gone(&p->segs[i]) ? try_stand_ins(s, &p->segs[i], err) : try_copy(s, &p->segs[i], err);
    cubby__resume(s);
    return rc;
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
        rc = is_gone(sp) ? stand_ins(s, sp, t, err) : replace(s, sp, t, err);
    }
    cubby__resume(s);
    return rc;
}
