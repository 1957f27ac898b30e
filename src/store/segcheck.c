#include "store/segcheck.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "store/stray.h"

/* One segment under way. */
struct walk {
    struct cubby__segcheck *c;
    struct cubby__segscan scan;
    uint32_t seg;
    const struct cubby__seg_header *h;
    uint64_t end;       /* see cubby__segproblem */
    int cut;            /* the successor begins with a DAMAGE that no repair has seen to yet */
    uint64_t sound_at;  /* of the last sound frame that was looked for ahead of the scan */
    uint64_t ahead;     /* the last commit that anything in the segment proves, once it was asked for */
    int asked;
    int lies;           /* its header does not name the end of the segment before, which its commits follow all the same */
    int holed;          /* frames are missing, and no whole commit has come since */
    int last, live;     /* live: somebody writes to it, and scan.limit is what is published */
};

static int __attribute__((format(printf, 3, 4))) tell(struct cubby__segcheck *c, struct cubby__segproblem *p, const char *fmt, ...)
{
    char detail[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    p->detail = detail;
    if (!p->first)
        p->first = p->seg;
    return c->problem(c->arg, p);
}

/* ---- frames ---- */

static int tell_fragments(struct walk *w)
{
    struct cubby__segscan *scan = &w->scan;
    int rc = 0;
    for (size_t i = 0; w->c->fragment && i < scan->count && rc == 0; i++) {
        const struct cubby__gathered *g = &scan->records[i];
        struct cubby__record rec = {.type = g->type, .flags = g->flags, .commit = g->commit, .place = g->place, .len = g->place.len, .piece = g->piece};
        if (g->type != CUBBY__REC_PIECE)
            rec.payload = scan->arena.data + g->payload;
        rc = w->c->fragment(w->c->arg, &rec);
    }
    return rc;
}

/* What was lost before this commit is of commits up to it. */
static void whole(struct cubby__segcheck *c, uint64_t commit)
{
    if (c->torn && commit > c->torn_until)
        c->torn_until = commit;
    c->torn = 0;
}

/* A commit, or what a DAMAGE ends. */
static int sound(struct walk *w)
{
    struct cubby__segscan *scan = &w->scan;
    const struct cubby__gathered *g = scan->count ? &scan->records[scan->count - 1] : NULL;
    int rc = w->c->torn ? tell_fragments(w) : 0;
    w->holed = 0;
    whole(w->c, scan->last_commit);
    if (rc != 0 || !g || g->type != CUBBY__REC_DAMAGE || !g->place.len || scan->arena.data[g->payload] != CUBBY__DAMAGE_CUT)
        return rc;
    struct cubby__segproblem p = {.kind = CUBBY__SEG_CUT, .code = "LOG_SHORT", .severity = CUBBY_ERROR, .seg = w->seg, .from = g->place.off, .to = scan->pos,
                                  .end = w->end, .commit = scan->last_commit};
    w->c->torn = 1;
    return tell(w->c, &p, "the log had lost its end when it was opened: commits behind %llu are gone", (unsigned long long)scan->last_commit);
}

static int hole(struct walk *w, const char *code, uint64_t from, uint64_t to, uint8_t type)
{
    struct cubby__segproblem p = {.kind = CUBBY__SEG_HOLE, .code = code, .severity = CUBBY_ERROR, .seg = w->seg, .from = from, .to = to, .end = w->end,
                                  .type = type, .commit = w->scan.last_commit};
    if (to > w->scan.limit) { /* which is where the file ends */
        p.to = from > w->scan.limit ? from : w->scan.limit;
        p.missing = to - p.to;
    }
    w->c->torn = 1;
    w->holed = 1;
    if (strcmp(code, "FRAME_DAMAGED") != 0)
        return tell(w->c, &p, "frames end here, %s says that they reach %llu", w->end == UINT64_MAX ? "its header" : "its successor",
                    (unsigned long long)to);
    if (type)
        return tell(w->c, &p, "the content of a record of type %u and %llu bytes does not match its checksum", type, (unsigned long long)(to - from));
    return tell(w->c, &p, "%llu bytes are no sound frames of commit %llu", (unsigned long long)(to - from), (unsigned long long)w->scan.last_commit + 1);
}

/* To what is sound behind scan.pos; DONE: nothing is. *type: the frame whose content alone is lost. */
static int pass_over(struct walk *w, uint8_t *type)
{
    struct cubby__segscan *scan = &w->scan;
    uint64_t at = scan->pos, behind;
    int rc = cubby__segscan_skip(scan, type);
    if (rc != 0)
        return rc == CUBBY_DONE ? cubby__segscan_resync(scan) : rc;
    behind = scan->pos;
    if (!w->last || behind <= w->sound_at)
        return 0;
    scan->pos = at; /* the last frame of all may be one that was being written: is there another? */
    rc = cubby__segscan_resync(scan);
    w->sound_at = scan->pos;
    scan->pos = behind;
    return rc;
}

/* So far the frames must reach: as the successor says; where none does, as far as the segment had been synced before it got its name. UINT64_MAX:
 * nobody knows. */
static uint64_t least_end(const struct walk *w)
{
    return w->end != UINT64_MAX || w->scan.pos >= w->h->proven ? w->end : w->h->proven;
}

/* Reads on behind `at`, where something is bad, as a recovery does (look_around in tail.c). */
static int ask_ahead(struct walk *w, uint64_t at)
{
    struct cubby__segscan s;
    int rc = cubby__segscan_open(&s, w->c->s->log, w->seg, w->h->nonce, w->c->s->ident.salt, at, UINT64_MAX, w->scan.last_commit, 0, w->c->err);
    s.durable = w->scan.durable;
    while (rc == 0 && (rc = cubby__segscan_resync(&s)) == 0) {
        while ((rc = cubby__segscan_next(&s)) == 0) {
        }
        if (rc == CUBBY_DONE || rc == CUBBY_ECORRUPT) /* zeros: the end, or a hole in the tail */
            rc = 0;
    }
    w->ahead = s.durable;
    w->asked = rc == CUBBY_DONE;
    cubby__segscan_close(&s);
    return w->asked ? 0 : rc;
}

/* 1: nothing in the segment proves a commit behind `before`, the last whole one before `at`: a recovery takes what is bad there for a torn tail, though
 * something sound follows (judge in tail.c). */
static int is_torn(struct walk *w, uint64_t at, uint64_t before)
{
    int rc = w->asked ? 0 : ask_ahead(w, at);
    if (rc == 0 && w->ahead <= before)
        cubby__raise(&w->scan.durable, w->ahead);
    return rc ? rc : w->ahead <= before;
}

/* At scan.pos stands no frame. CUBBY_DONE: nothing is behind it, and all that can be told has been. */
static int unsound(struct walk *w, int zeros)
{
    struct cubby__segscan *scan = &w->scan;
    uint64_t at = scan->pos, nonzero;
    uint8_t type = 0;
    int rc = 0;
    uint64_t end = least_end(w);
    int no_room = cubby__segscan_no_room(scan, w->end);
    if (cubby__segscan_at_rest(scan) || cubby__segscan_lacks_proof(scan, w->h, w->end))
        return CUBBY_DONE;
    if (!no_room || w->cut)
        rc = tell_fragments(w);
    if (no_room)
        return rc ? rc : CUBBY_DONE;
    if (rc == 0)
        rc = cubby__segscan_nonzero(scan, at, &nonzero);
    if (rc != 0)
        return rc;
    if (nonzero == UINT64_MAX && (zeros || end != UINT64_MAX)) { /* the frames have ended, in the middle of a commit perhaps */
        rc = end != UINT64_MAX && at < end ? hole(w, scan->limit < end ? "SEGMENT_TRUNCATED" : "SEGMENT_SHORT", at, end, 0) : 0;
        return rc ? rc : CUBBY_DONE;
    }
    uint64_t before = scan->last_commit;
    rc = pass_over(w, &type);
    if (rc < 0)
        return rc;
    int unproven = w->last && scan->durable <= before;
    if (unproven && rc == 0 && end == UINT64_MAX && !w->live) {
        int torn = is_torn(w, at, before);
        if (torn < 0)
            return torn;
        rc = torn ? CUBBY_DONE : 0;
    }
    if (unproven && rc == CUBBY_DONE && end == UINT64_MAX) {
        struct cubby__segproblem p = {.code = "TAIL_TORN", .severity = CUBBY_NOTE, .seg = w->seg, .from = at};
        rc = tell(w->c, &p, "an unfinished commit of up to %llu bytes behind the last one: the next writer drops it", (unsigned long long)(scan->limit - at));
        return rc ? rc : CUBBY_DONE;
    }
    uint64_t to = rc == 0 ? scan->pos : w->end != UINT64_MAX || unproven ? end : scan->limit;
    if (rc == CUBBY_DONE) /* more than that one frame: what stood behind it nobody knows */
        type = 0;
    int rc2 = hole(w, to > scan->limit ? "SEGMENT_TRUNCATED" : "FRAME_DAMAGED", at, to, type);
    return rc2 ? rc2 : rc;
}

static int walk_frames(struct walk *w)
{
    struct cubby__segscan *scan = &w->scan;
    int rc = 0;
    while (rc == 0) {
        rc = cubby__segscan_next(scan);
        if (rc == 0)
            rc = sound(w);
        else if (rc == CUBBY_DONE || rc == CUBBY_ECORRUPT)
            rc = unsound(w, rc == CUBBY_DONE);
    }
    return rc == CUBBY_DONE ? 0 : rc;
}

/* 1: it was the last one when the walk began: a roll leaves a mark behind the old end, once the new segment has its name. */
static int was_rolled(struct walk *w)
{
    struct cubby__seg_header next;
    int rc = cubby__log_header(w->c->s->log, w->seg + 1, &next, w->c->err);
    if (rc != 0)
        return rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT ? 0 : rc;
    int follows = next.pred == w->seg;
    cubby__seg_header_release(&next);
    return follows;
}

/* Of the last segment, once it is read: what the files prove and what they do not. */
static int tell_tail(struct walk *w)
{
    struct cubby__segscan *scan = &w->scan;
    struct cubby__segproblem p = {.code = "LOG_SHORT", .severity = CUBBY_ERROR, .seg = w->seg, .from = scan->pos, .commit = scan->last_commit};
    int unseen = scan->durable > w->h->floors.commit || w->h->proven_commit > scan->last_commit; /* else a recovery has seen to it */
    if (!w->live && scan->durable > scan->last_commit && unseen) {
        int rolled = was_rolled(w);
        if (rolled != 0)
            return rolled < 0 ? rolled : 0;
        int marked = scan->proof_commit > scan->last_commit && !scan->proof_chain; /* by a roll */
        w->c->torn = 1;
        if (marked)
            return tell(w->c, &p, "the log ends with commit %llu, and had gone on in segment %u: if that is anywhere, bring it back before a repair",
                        (unsigned long long)scan->last_commit, w->seg + 1);
        return tell(w->c, &p, "the log ends with commit %llu, and %s that %llu had been synced", (unsigned long long)scan->last_commit,
                    w->c->evidence == scan->durable ? "the index says" : "proves", (unsigned long long)scan->durable);
    }
    if (w->live || scan->durable >= scan->last_commit)
        return 0;
    p.code = "TAIL_UNPROVEN";
    p.severity = CUBBY_NOTE;
    return tell(w->c, &p, "commits %llu to %llu are whole, but nothing in the files says that they were synced: the next writer copies them",
                (unsigned long long)scan->durable + 1, (unsigned long long)scan->last_commit);
}

static int check_frames(struct walk *w, uint64_t limit)
{
    const struct cubby__seg_header *h = w->h;
    struct cubby__segcheck *c = w->c;
    struct cubby__segscan *scan = &w->scan;
    uint64_t commit = w->lies ? c->before.commit : h->last_commit, chain = w->lies ? c->before.chain : h->last_chain;
    int rc = cubby__segscan_open(scan, c->s->log, w->seg, h->nonce, c->s->ident.salt, h->frames, limit, commit, chain, c->err);
    scan->pieces = 1;
    scan->adopt = cubby__seg_header_adopts(h);
    scan->durable = w->last && c->evidence > h->proven_commit ? c->evidence : h->proven_commit;
    if (rc == 0)
        rc = walk_frames(w);
    if (rc == 0 && w->last)
        rc = tell_tail(w);
    c->before = (struct cubby__seg_end){w->seg, scan->adopt || w->holed, h->nonce, commit, scan->last_commit, scan->last_chain};
    cubby__segscan_close(scan);
    return rc;
}

/* ---- segments ---- */

static int begins_with_cut(struct walk *w, const struct cubby__seg_header *h)
{
    const struct cubby__place place = {h->number, CUBBY__FRAME_ALIGN, h->frames};
    struct cubby__buf buf = CUBBY__BUF_INIT;
    const uint8_t *p;
    int rc = cubby__log_read(w->c->s->log, &place, CUBBY__REC_DAMAGE, &buf, &p, NULL, w->c->err);
    w->cut = rc == 0 && p[0] == CUBBY__DAMAGE_CUT;
    cubby__buf_release(&buf);
    return rc == CUBBY_ECORRUPT ? 0 : rc;
}

/* Where the successor says that it ends: the next one that names a predecessor, for what a repair has put in the place of a segment names none. */
static int find_end(struct walk *w, const struct cubby__seg_header *h, const uint32_t *numbers, size_t i, size_t count)
{
    struct cubby__seg_header next;
    int rc = 0, found = 0;
    w->end = UINT64_MAX;
    for (size_t j = i + 1; j < count && rc == 0 && !found; j++) {
        rc = cubby__log_header(w->c->s->log, numbers[j], &next, w->c->err);
        if (rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION) { /* told when its turn comes */
            rc = 0;
            continue;
        }
        if (rc != 0)
            break;
        found = next.pred != 0;
        if (next.pred == numbers[i] && next.pred_nonce == h->nonce) {
            w->end = next.pred_end;
            rc = begins_with_cut(w, &next);
        }
        cubby__seg_header_release(&next);
    }
    return rc;
}

/* Against what stands before it, where its commits go on if it follows that. */
static int check_order(struct walk *w)
{
    struct cubby__segcheck *c = w->c;
    const struct cubby__seg_header *h = w->h;
    struct cubby__segproblem p = {.kind = CUBBY__SEG_BRANCH, .code = "SEGMENT_BRANCH", .severity = CUBBY_ERROR, .seg = w->seg, .from = CUBBY__NO_OFFSET,
                                  .end = UINT64_MAX};
    int rc = cubby__segscan_follows(c->s->log, c->s->ident.salt, h, &c->before, c->err);
    w->lies = rc == CUBBY__FOLLOWS_UNNAMED;
    if (rc != CUBBY__APART)
        return rc < 0 ? rc : 0;
    return tell(c, &p, "it does not follow the segment %u that is there, but another: they are of two copies of this store that went on apart, "
                "and their numbers mean different mail", h->pred);
}

static int check_segment(struct cubby__segcheck *c, const uint32_t *numbers, size_t i, size_t count)
{
    struct cubby__seg_header h;
    struct walk w = {.c = c, .seg = numbers[i], .h = &h, .last = i + 1 == count};
    struct cubby__segproblem p = {.seg = numbers[i], .end = UINT64_MAX, .severity = CUBBY_ERROR};
    int rc = cubby__log_header(c->s->log, numbers[i], &h, c->err);
    if (rc != 0)
        c->before.number = 0;
    if (rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION) {
        p.kind = CUBBY__SEG_HEADER;
        p.code = "SEGMENT_HEADER";
        p.from = c->err->offset;
        c->torn = 1;
        cubby_error what = *c->err;
        int named = cubby__is_misnamed(c->s, numbers, count, numbers[i], c->err);
        c->misnamed += named > 0;
        return named < 0 ? named : tell(c, &p, "%s%s", what.message, named ? ": a repair gives it its own back; no message counts as lost before that" : "");
    }
    if (rc != 0)
        return rc;
    c->readable++;
    whole(c, h.last_commit);
    rc = check_order(&w);
    if (rc == 0)
        rc = find_end(&w, &h, numbers, i, count);
    p.end = w.end;
    if (rc == 0 && h.damaged_copies) {
        p.kind = CUBBY__SEG_COPY;
        p.code = "SEGMENT_HEADER_COPY";
        p.severity = CUBBY_WARNING;
        rc = tell(c, &p, "one of the two copies of the header is damaged");
    }
    uint64_t limit = w.end;
    if (c->s->shared_mapped) {
        struct cubby__published now;
        cubby__read_published(c->s, &now);
        if (now.seg == w.seg && now.seg_nonce == h.nonce) { /* what is behind it is not there yet */
            w.live = w.last = 1;
            limit = now.seg_off;
        }
    }
    if (rc == 0)
        rc = check_frames(&w, limit);
    cubby__seg_header_release(&h);
    return rc;
}

static int missing(struct cubby__segcheck *c, uint32_t first, uint32_t last)
{
    struct cubby__segproblem p = {.kind = CUBBY__SEG_MISSING, .code = "SEGMENT_MISSING", .severity = CUBBY_ERROR, .first = first, .seg = last,
                                  .from = CUBBY__NO_OFFSET, .end = UINT64_MAX};
    c->torn = 1;
    if (!last)
        return tell(c, &p, "there are no segments, and no mail without them: bring them back; a repair can only begin an empty store");
    if (first == last)
        return tell(c, &p, "segment %u is not there: if it is anywhere, bring it back before a repair", first);
    if (last - first >= CUBBY__SEG_GAP_MAX)
        return tell(c, &p, "segments %u to %u are not there: number %u behind them is hardly of this store; if it is not, move it away before a repair", first,
                    last, last + 1);
    return tell(c, &p, "segments %u to %u are not there: if they are anywhere, bring them back before a repair", first, last);
}

static int check_list(struct cubby__segcheck *c, const uint32_t *numbers, size_t count)
{
    int rc = count == 0 ? missing(c, 0, 0) : 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        uint32_t before = i ? numbers[i - 1] : 0;
        if (c->only && numbers[i] != c->only)
            continue;
        if (numbers[i] != before + 1 && !c->only)
            rc = missing(c, before + 1, numbers[i] - 1);
        if (rc == 0)
            rc = check_segment(c, numbers, i, count);
        if (rc == 0 && c->s->o.progress && c->s->o.progress(c->s->o.progress_arg, i + 1, count) != 0)
            rc = cubby__fail(c->err, CUBBY_ECANCEL, c->s->path, CUBBY__NO_OFFSET, "the check was stopped");
    }
    return rc;
}

static int tell_strays(struct cubby__segcheck *c, const uint32_t *numbers, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        struct cubby__segproblem p = {.kind = CUBBY__SEG_STRAY, .code = "SEGMENT_STRAY", .severity = CUBBY_ERROR, .seg = numbers[i],
                                      .from = CUBBY__NO_OFFSET, .end = UINT64_MAX};
        rc = tell(c, &p, "far behind all others, and no segment of this store that is not there already: it is passed over");
    }
    return rc;
}

int cubby__segcheck(struct cubby__segcheck *c)
{
    uint32_t *numbers;
    size_t count, strays;
    struct cubby__published now;
    int rc = cubby__segments(c->s, &numbers, &count, &strays, c->err);
    const size_t all = count;
    if (rc != 0 && rc != CUBBY_ENOENT)
        return rc;
    c->torn = 0;
    c->torn_until = 0;
    c->before.number = 0;
    if (c->s->shared_mapped) { /* one that is just being made counts when it is published */
        cubby__read_published(c->s, &now);
        while (count && numbers[count - 1] > now.seg)
            count--;
    }
    rc = check_list(c, numbers, count);
    if (rc == 0 && strays && !c->only)
        rc = tell_strays(c, numbers + all, strays);
    if (c->torn)
        c->torn_until = UINT64_MAX;
    cubby__free(numbers);
    return rc;
}
