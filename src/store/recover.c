/* recover.c - recovery as a whole: which segments there are, each in its turn, the last one with care. Its rules stand in recover.h. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/recover.h"
#include "store/stray.h"

static void set_end(struct cubby__replay *r, const struct cubby__seg_header *h, uint64_t off)
{
    struct cubby__published *p = &r->s->pending;
    p->seg = h->number;
    p->seg_nonce = h->nonce;
    p->seg_frames = h->frames;
    p->seg_off = p->zeroed = off;
}

/* Commits that had been synced are not there at all. How many records they held nobody knows: a segment full of them. */
static uint64_t lost_end(struct cubby__replay *r, uint32_t seg, const struct cubby__seg_header *h, struct cubby__tail *t)
{
    uint64_t lost = r->unreadable + (t->endless ? CUBBY__SEG_CAPACITY_MAX : 0);
    int unseen = r->durable > h->floors.commit || h->proven_commit > t->valid_commit; /* else a recovery has seen to it before */
    if (!t->damaged && r->durable > t->valid_commit && unseen) {
        cubby__notice(r->s, "segment %u: damage: commits up to %llu had been synced, the log ends with %llu", seg, (unsigned long long)r->durable,
                      (unsigned long long)t->valid_commit);
        lost += CUBBY__SEG_CAPACITY_MAX;
    }
    t->cut = lost != 0;
    t->unclean |= lost != 0; /* a new header keeps the numbers that may have been given */
    cubby__raise(&r->txn.floors.commit, r->durable);
    return lost;
}

/* Whoever made this segment, or the store, may have died between the renaming and the sync of the directory: what is acknowledged from now on needs the
 * name. Frames behind the length that a segment was made with show that its maker came through, and a second commit the same of cubby.id. */
static int sync_names(struct cubby__replay *r, const struct cubby__seg_header *h, const struct cubby__tail *t)
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

static int recover_last(struct cubby__replay *r, uint32_t seg, uint32_t next_number, const struct cubby__seg_header *h, uint64_t from)
{
    struct cubby__tail t;
    int rc = cubby__look_over(r, seg, h, from, &t);
    if (rc != 0)
        return rc;
    if (t.marked && next_number == seg + 1) /* that name was given: whoever brings the file back is not to find another in its place */
        next_number++;
    uint64_t lost = lost_end(r, seg, h, &t);
    int writing = t.unclean && !r->s->read_only;
    if (!writing && t.valid > t.accepted && (rc = cubby__log_sync(r->s->log, seg, r->err)) != 0) /* what is shown must not go with a power cut: C1 */
        return rc;
    if (t.damaged)
        cubby__notice(r->s, "segment %u: a commit that had been synced is damaged; what verifies of it is kept", seg);
    if ((rc = cubby__replay_range(r, seg, h->nonce, from, writing ? t.accepted : t.valid)) != 0)
        return rc;
    r->commit = writing ? t.commit : t.valid_commit;
    r->chain = writing ? t.chain : t.valid_chain;
    set_end(r, h, writing ? t.accepted : t.valid);
    if (lost && ((rc = cubby__outlive(r)) != 0 || (rc = cubby__lost_bytes(r, lost)) != 0)) /* what may have been lost comes on top: R5 */
        return rc;
    cubby__raise(&r->s->pending.above, t.ceiling); /* numbers that lazy commits may have shown, also such as left no trace */
    if (!t.unclean)
        return sync_names(r, h, &t);
    if (t.dropped)
        cubby__notice(r->s, "segment %u: a torn tail of %llu bytes at offset %llu was dropped; no acknowledged commit was in it", seg,
                      (unsigned long long)t.dropped, (unsigned long long)t.valid);
    if (!writing)
        return sync_names(r, h, &t);
    cubby__raise(&r->txn.floors.commit, t.ceiling); /* the header repeats it */
    struct cubby__seg_header nh;
    rc = cubby__build_successor(r, seg, next_number, h, &t, &nh);
    if (rc == 0) {
        uint64_t end = nh.proven;
        rc = cubby__replay_range(r, next_number, nh.nonce, nh.frames, end);
        set_end(r, &nh, end);
        cubby__raise(&r->durable, t.valid_commit);
        cubby__raise(&r->vouched, t.valid_commit);
    }
    cubby__seg_header_release(&nh);
    return rc;
}

/* What the successor of segment i accepts of it, the next one that names a predecessor; UINT64_MAX if no header says so. */
static int accepted_end(struct cubby__replay *r, const uint32_t *numbers, size_t count, size_t i, uint64_t nonce, uint64_t *end)
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
        int named = next.pred != 0; /* a repair's stand-in names none */
        cubby__seg_header_release(&next);
        if (named)
            break;
    }
    return 0;
}

/* Segment i of the list, which has a successor: everything up to what the successor accepts. */
static int replay_sealed(struct cubby__replay *r, const uint32_t *numbers, size_t count, size_t i, const struct cubby__seg_header *h, uint64_t from)
{
    uint64_t end;
    int rc = accepted_end(r, numbers, count, i, h->nonce, &end);
    if (rc == 0 && from > end && !r->rebuild) /* the checkpoint ends in what a recovery without this index took for unproven: the successor has it again */
        rc = cubby__fail(r->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the index ends behind what is accepted of segment %u", numbers[i]);
    if (rc == 0)
        rc = cubby__replay_range(r, numbers[i], h->nonce, from, end);
    set_end(r, h, end);
    return rc;
}

/* A rebuild goes on without a segment; a replay does not: only a rebuild takes what the headers behind it define. */
static int without(struct cubby__replay *r, uint32_t from, uint32_t to, const char *what)
{
    if (!r->rebuild)
        return cubby__fail(r->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "segments %u to %u, behind its end, %s", from, to, what);
    r->met_damage = 1;
    cubby__notice(r->s, "damage: segments %u to %u %s; what was in them is left out", from, to, what);
    return 0;
}

/* The last segment whose header can be read: the log ends there. */
static int last_readable(struct cubby__replay *r, const uint32_t *numbers, size_t count, size_t first, size_t *last)
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
static int next_header(struct cubby__replay *r, const uint32_t *numbers, size_t i, size_t first, struct cubby__seg_header *h)
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

/* The whole of a segment comes: from the commit on that its header names, if that is not what was reached (R2). 1: it does not follow what is there. */
static int begin_segment(struct cubby__replay *r, const struct cubby__seg_header *h)
{
    int how = cubby__segscan_follows(r->s->log, r->s->ident.salt, h, &r->before, r->err);
    if (how < 0)
        return how;
    cubby__raise(&r->txn.floors.commit, r->commit);
    if (how != CUBBY__FOLLOWS_UNNAMED && (h->last_commit || !r->commit)) { /* what a repair has put in the place of a segment names none */
        r->commit = h->last_commit;
        r->chain = h->last_chain;
    }
    r->adopt = cubby__seg_header_adopts(h);
    if (how != CUBBY__APART)
        return 0;
    if (!r->rebuild)
        return cubby__fail(r->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "segment %u, behind its end, does not follow segment %u",
                           h->number, h->pred);
    cubby__notice(r->s, "damage: segment %u does not follow the segment %u that is there, but another: these are of two copies of this store, see `cubby fsck`",
                  h->number, h->pred);
    return 1;
}

/* From there on, or, without a place, all of it. */
static int replay_segment(struct cubby__replay *r, const uint32_t *numbers, size_t count, size_t i, int is_last, uint64_t from, const struct cubby__seg_header *h)
{
    int branch = from ? 0 : begin_segment(r, h), rc = branch < 0 ? branch : 0;
    r->before = (struct cubby__seg_end){.number = h->number, .nonce = h->nonce, .began = from ? h->last_commit : r->commit};
    cubby__raise_floors(&r->txn.floors, &h->floors);
    if (rc == 0 && r->rebuild)
        rc = cubby__apply_definitions(r, h);
    if (rc == 0 && branch) /* what was there nobody knows (R5) */
        rc = cubby__lost_bytes(r, CUBBY__SEG_CAPACITY_MAX);
    if (!from)
        from = h->frames;
    if (rc == 0)
        rc = is_last ? recover_last(r, numbers[i], numbers[count - 1] + 1, h, from) : replay_sealed(r, numbers, count, i, h, from);
    r->before.commit = r->commit;
    r->before.chain = r->chain;
    return rc;
}

static int replay_segments(struct cubby__replay *r, const uint32_t *numbers, size_t count, size_t first, uint64_t from)
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
        if (rc == CUBBY_DONE) {
            r->before.number = 0;
            rc = 0;
        }
        if (rc == 0 && r->rebuild && r->s->o.progress && r->s->o.progress(r->s->o.progress_arg, i + 1, count) != 0)
            rc = cubby__fail(r->err, CUBBY_ECANCEL, r->s->path, CUBBY__NO_OFFSET, "the rebuild was stopped");
    }
    return rc;
}

static int run(struct cubby__replay *r, const struct cubby__published *from)
{
    uint32_t *numbers;
    size_t count, strays, first = 0;
    int rc = cubby__segments(r->s, &numbers, &count, &strays, r->err);
    if (rc == CUBBY_ENOENT) /* that would say that there is no store */
        rc = r->err->code = CUBBY_ECORRUPT;
    if (rc != 0)
        return rc;
    char name[CUBBY__SEGNAME_MAX];
    if (strays)
        cubby__notice(r->s, "%s is far behind the log and no segment of it: it is passed over, see `cubby fsck`", cubby__segname(numbers[count], name));
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

/* A row that says so: this index does not know more than the segments do. */
static const uint8_t damage_key[2] = {CUBBY__KS_STATE, 1};

static int note_damage(struct cubby__replay *r)
{
    static const uint8_t one[1] = {1};
    return r->met_damage ? cubby__tree_put(r->s->pager, damage_key, sizeof damage_key, one, sizeof one, r->err) : 0;
}

int cubby__index_is_whole(struct cubby__store *s, uint64_t *commit, cubby_error *err)
{
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    struct cubby__view view;
    size_t len;
    *commit = 0;
    int rc = cubby__view_begin(s, &view, err);
    if (rc != 0)
        return rc;
    *commit = view.commit;
    rc = cubby__view_get(&view, damage_key, sizeof damage_key, value, &len);
    int whole = rc == CUBBY_DONE ? CUBBY__INDEX_WHOLE : CUBBY__INDEX_PART;
    if (rc >= 0)
        rc = cubby__tree_is_damaged(view.pager, &view.root, err);
    cubby__view_end(&view);
    return rc == 0 ? whole : rc < 0 && rc != CUBBY_ECORRUPT ? rc : 0;
}

/* Where a replay begins: at a checkpoint or what is published, or with nothing. Returns the tree that is there. */
static struct cubby__root set_out(struct cubby__replay *r, const struct cubby__published *from)
{
    struct cubby__store *s = r->s;
    struct cubby__root base = {0};
    s->pending = from ? *from : (struct cubby__published){0};
    if (from) {
        base = cubby__published_root(from);
        r->commit = from->commit;
        r->chain = from->chain;
        r->record_bytes = from->replay_bytes;
        r->ceiling = from->ceiling;
    }
    r->txn.store = s;
    r->txn.err = r->err;
    r->txn.replay = 1;
    r->txn.view = (struct cubby__view){.store = s, .pager = s->pager, .root = base, .txn = &r->txn, .err = r->err};
    return base;
}

/* The tree as it is now, unless nothing was found. What was applied has another place now, and a header alone may raise floors: where that took no commit,
 * the number of this version counts as used (X4). */
static int keep(struct cubby__replay *r, const struct cubby__floors *before, uint64_t version)
{
    struct cubby__floors *f = &r->txn.floors;
    struct cubby__store *s = r->s;
    cubby__raise(&f->commit, r->commit);
    if (!r->txn.rows && memcmp(before, f, sizeof *f) == 0) {
        cubby__tree_abort(s->pager);
        return 0;
    }
    if (version > r->commit)
        cubby__raise(&f->commit, version < CUBBY__NUMBER_MAX ? version : CUBBY__NUMBER_MAX);
    int rc = cubby__floors_store(s, f, r->err);
    if (rc != 0)
        return rc;
    struct cubby__root root;
    cubby__tree_commit(s->pager, &root);
    cubby__raise(&root.commit, r->commit); /* it is the version of the last commit; only without one it is a later one */
    cubby__set_root(&s->pending, &root);
    return 0;
}

static void set_pending(struct cubby__replay *r)
{
    struct cubby__published *p = &r->s->pending;
    r->s->floors = r->txn.floors;
    p->commit = r->commit;
    p->chain = r->chain;
    p->ceiling = r->ceiling;
    p->replay_bytes = r->record_bytes + r->txn.rows * CUBBY__ROW_COST;
    p->durable = r->durable > r->commit ? r->commit : r->durable;
    p->vouched = r->vouched > r->commit ? r->commit : r->vouched;
}

int cubby__recover(struct cubby__store *s, const struct cubby__published *from, const struct cubby__last_words *w, cubby_error *err)
{
    cubby_error local; /* whose path says what is broken: a record or the index */
    struct cubby__replay r = {.s = s, .err = err ? err : &local, .rebuild = !from, .evidence = w->commit, .words = w};
    struct cubby__root base = set_out(&r, from);
    cubby__log_forget(s->log); /* what is read now others must be able to read again */
    uint64_t version = (base.commit > r.commit ? base.commit : r.commit) + 1;
    int rc = cubby__floors_load(s, &base, &r.txn.floors, r.err);
    struct cubby__floors before = r.txn.floors;
    if (rc == 0)
        rc = cubby__tree_begin(s->pager, &base, version, r.err);
    if (rc != 0)
        return rc;
    rc = run(&r, from);
    if (rc == 0)
        rc = note_damage(&r);
    if (rc == 0)
        rc = keep(&r, &before, version);
    if (rc != 0)
        cubby__tree_abort(s->pager);
    else
        set_pending(&r);
    return rc;
}
