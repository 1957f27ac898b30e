/* replay.c - the commits of a segment, applied to the tree; what damage leaves of them, too (recover.h, R2 and R5). */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/varint.h"
#include "store/recover.h"

enum {
    SPILL_PAGES = 1024,
    ROUNDS = 8, /* through definitions: one does for parents that come later; only names that went from folder to folder need more */
};

/* The end of the log was lost before this segment: no record but its header says by how much the folders' uidnexts were raised for that. A rebuild has
 * seen it; a replay from a checkpoint made before must, too, or it would give numbers that a rebuild does not. */
static int apply_cut(struct cubby__replay *r, uint32_t seg)
{
    struct cubby__seg_header h;
    r->met_damage = 1;
    if (r->rebuild)
        return 0;
    int rc = cubby__log_header(r->s->log, seg, &h, r->err);
    if (rc != 0)
        return rc;
    rc = cubby__apply_definitions(r, &h);
    cubby__seg_header_release(&h);
    return rc;
}

/* So many numbers may have been given above this floor. */
static void pass_over(uint64_t *floor, uint64_t numbers, uint64_t last)
{
    uint64_t room = *floor < last ? last - *floor : 0;
    *floor += numbers < room ? numbers : room;
}

/* Any of them may have given any number. */
static int lost_records(struct cubby__replay *r, uint64_t records)
{
    struct cubby__floors *f = &r->txn.floors;
    cubby__raise(&f->commit, r->commit);
    pass_over(&f->commit, records, CUBBY__NUMBER_MAX);
    pass_over(&f->object, records, CUBBY__NUMBER_MAX);
    pass_over(&f->piece, records, CUBBY__NUMBER_MAX);
    pass_over(&f->folder, records, CUBBY__NUMBER_MAX);
    pass_over(&f->thread, records, CUBBY__NUMBER_MAX);
    pass_over(&f->uidvalidity, records, CUBBY__UIDVALIDITY_LAST);
    return r->s->handlers->damage(&r->txn, records);
}

/* What a DAMAGE says that may have been lost here: the same as was raised when the damage was met, so that a rebuild comes to the same numbers. */
static int apply_damage(struct cubby__replay *r, uint32_t seg, const uint8_t *p, size_t n)
{
    struct cubby__reader in = cubby__reader(p, n);
    uint8_t kind = cubby__read_byte(&in);
    uint64_t records = cubby__read_varint(&in);
    if (n == 0) { /* a hole with room for its header alone */
        kind = CUBBY__DAMAGE_STRETCH;
        records = cubby__records_in(CUBBY__FRAME_SIZE);
    } else if (in.bad || records > CUBBY__DAMAGE_RECORDS_MAX) /* of another version; as much as it could say */
        records = cubby__records_in(CUBBY__SEG_CAPACITY_MAX);
    if (kind == CUBBY__DAMAGE_CUT) {
        int rc = apply_cut(r, seg);
        if (rc != 0)
            return rc;
    }
    if (kind == CUBBY__DAMAGE_CONTENT && !in.bad) {
        pass_over(&r->txn.floors.piece, records, CUBBY__NUMBER_MAX);
        return 0;
    }
    return records ? lost_records(r, records) : 0;
}

static int apply_gathered(struct cubby__replay *r, const struct cubby__segscan *scan)
{
    for (size_t i = 0; i < scan->count; i++) {
        const struct cubby__gathered *g = &scan->records[i];
        struct cubby__record rec = {.type = g->type, .flags = g->flags, .commit = g->commit, .place = g->place, .len = g->place.len, .piece = g->piece};
        if (g->type != CUBBY__REC_PIECE)
            rec.payload = scan->arena.data + g->payload;
        r->record_bytes += cubby__replay_size(g->type, g->place.len);
        r->err->path[0] = '\0';
        int rc = g->type == CUBBY__REC_DAMAGE ? apply_damage(r, scan->seg, rec.payload, rec.len) : cubby__apply(&r->txn, &rec);
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

/* The definition at *off of the header's, and *off to the next one. 1: it found no place. */
static int apply_definition(struct cubby__replay *r, const struct cubby__seg_header *h, size_t *off, int again)
{
    struct cubby__reader in = cubby__reader(h->defs.data + *off, h->defs.len - *off);
    struct cubby__record rec = {.place = {h->number, 0, 0}, .flags = CUBBY__FRAME_COMPATIBLE, .again = (uint8_t)again};
    rec.type = cubby__read_byte(&in);
    rec.commit = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    rec.len = (size_t)cubby__read_varint(&in);
    rec.payload = cubby__read_bytes(&in, rec.len);
    *off = h->defs.len - (in.bad ? 0 : cubby__read_left(&in));
    if (in.bad)
        return 0;
    unsigned before = r->txn.misplaced;
    int rc = cubby__apply(&r->txn, &rec);
    return rc == 0 || rc == CUBBY_ECORRUPT ? r->txn.misplaced != before : rc;
}

/* Definitions that found no place, by their offsets. */
struct unplaced {
    size_t *at, count, cap;
};

static int apply_each(struct cubby__replay *r, const struct cubby__seg_header *h, struct unplaced *u)
{
    for (size_t off = 0; off < h->defs.len;) {
        const size_t begin = off;
        int rc = apply_definition(r, h, &off, 0);
        if (rc < 0)
            return rc;
        if (!rc)
            continue;
        size_t *at = cubby__grow(u->at, u->count, &u->cap, sizeof *at);
        if (!at)
            return cubby__fail_mem(r->err);
        u->at = at;
        u->at[u->count++] = begin;
    }
    return 0;
}

/* DONE: none of them has found a place now. */
static int apply_again(struct cubby__replay *r, const struct cubby__seg_header *h, struct unplaced *u)
{
    size_t before = u->count;
    u->count = 0;
    for (size_t i = 0; i < before; i++) {
        size_t off = u->at[i];
        int rc = apply_definition(r, h, &off, 1);
        if (rc < 0)
            return rc;
        if (rc)
            u->at[u->count++] = u->at[i];
    }
    return u->count < before ? 0 : CUBBY_DONE;
}

/* Folders come by their numbers: one may come before its parent, or while an older state of one that is yet to come has its name. */
int cubby__apply_definitions(struct cubby__replay *r, const struct cubby__seg_header *h)
{
    struct unplaced u = {0};
    int rc = apply_each(r, h, &u);
    for (int round = 0; rc == 0 && u.count && round < ROUNDS; round++)
        rc = apply_again(r, h, &u);
    if (rc >= 0 && u.count)
        cubby__notice(r->s, "segment %u: %zu definitions in its header have no place", h->number, u.count);
    cubby__free(u.at);
    return rc < 0 ? rc : 0;
}

void cubby__raise_floors(struct cubby__floors *f, const struct cubby__floors *to)
{
    cubby__raise(&f->commit, to->commit);
    cubby__raise(&f->object, to->object);
    cubby__raise(&f->piece, to->piece);
    cubby__raise(&f->folder, to->folder);
    cubby__raise(&f->keyword, to->keyword);
    cubby__raise(&f->uidvalidity, to->uidvalidity);
    cubby__raise(&f->thread, to->thread);
}

/* Folders that are not there any more raise nothing. */
int cubby__outlive(struct cubby__replay *r)
{
    const struct cubby__seg_header h = {.defs = r->words->defs};
    struct cubby__floors *f = &r->txn.floors;
    cubby__raise_floors(f, &r->words->floors);
    const struct cubby__floors raised = *f;
    int rc = 0;
    for (size_t off = 0; off < h.defs.len && rc >= 0;)
        rc = apply_definition(r, &h, &off, 0);
    *f = raised;
    return rc < 0 ? rc : 0;
}

uint64_t cubby__records_in(uint64_t bytes)
{
    uint64_t records = bytes / CUBBY__FRAME_SIZE + 1;
    return records < CUBBY__DAMAGE_RECORDS_MAX ? records : CUBBY__DAMAGE_RECORDS_MAX;
}

int cubby__lost_bytes(struct cubby__replay *r, uint64_t bytes)
{
    r->met_damage = 1;
    return lost_records(r, cubby__records_in(bytes));
}

/* Where frames end too early, or bad bytes stand, the header tells whether it is only a PROOF that is lost; and at the first frame of a segment a CUT may
 * have stood (apply_cut). */
static int ask_header(struct cubby__replay *r, const struct cubby__segscan *scan, uint64_t to, int *only_a_proof)
{
    struct cubby__seg_header h;
    int rc = cubby__log_header(r->s->log, scan->seg, &h, r->err);
    *only_a_proof = 0;
    if (rc != 0)
        return rc;
    *only_a_proof = cubby__segscan_lacks_proof(scan, &h, to);
    if (scan->pos == h.frames && !r->rebuild)
        rc = cubby__apply_definitions(r, &h);
    cubby__seg_header_release(&h);
    return rc;
}

/* The commits of a segment up to the scan's limit; damage on the way is reported, passed over, and what verifies of it taken. */
static int replay_commits(struct cubby__replay *r, struct cubby__segscan *scan, uint64_t to)
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
        int bad = rc == CUBBY_ECORRUPT, only_a_proof;
        uint64_t at = scan->pos;
        if ((rc = apply_gathered(r, scan)) != 0)
            return rc;
        if (!bad) {
            r->commit = scan->last_commit;
            r->chain = scan->last_chain;
            r->record_bytes += cubby__replay_size(CUBBY__REC_COMMIT, CUBBY__COMMIT_LEN);
            continue;
        }
        if (cubby__segscan_no_room(scan, to))
            return 0;
        if ((rc = ask_header(r, scan, to, &only_a_proof)) != 0 || only_a_proof)
            return rc;
        rc = cubby__segscan_resync(scan);
        uint64_t lost = (rc == 0 ? scan->pos : scan->limit) - at;
        cubby__notice(r->s, "segment %u: damage at offset %llu, %llu bytes lost", scan->seg, (unsigned long long)at, (unsigned long long)lost);
        int rc2 = cubby__lost_bytes(r, lost);
        if (rc2 != 0)
            return rc2;
        if (rc == CUBBY_DONE)
            scan->pos = scan->limit;
        if (rc != 0)
            return rc == CUBBY_DONE ? 0 : rc;
    }
}

int cubby__replay_range(struct cubby__replay *r, uint32_t seg, uint64_t nonce, uint64_t from, uint64_t to)
{
    struct cubby__segscan scan;
    int rc = cubby__segscan_open(&scan, r->s->log, seg, nonce, r->s->ident.salt, from, to, r->commit, r->chain, r->err);
    scan.ceiling = r->ceiling;
    scan.adopt = r->adopt;
    r->adopt = 0;
    int only_a_proof = 0;
    if (rc == 0)
        rc = replay_commits(r, &scan, to);
    int early = rc == 0 && to != UINT64_MAX && scan.pos < to && !cubby__segscan_no_room(&scan, to) && !cubby__segscan_at_rest(&scan);
    if (early)
        rc = ask_header(r, &scan, to, &only_a_proof);
    if (rc == 0 && early && !only_a_proof) {
        cubby__notice(r->s, "segment %u ends at offset %llu, %llu bytes too early: damage", seg, (unsigned long long)scan.pos,
                      (unsigned long long)(to - scan.pos));
        rc = cubby__lost_bytes(r, to - scan.pos);
    }
    cubby__raise(&r->durable, scan.durable);
    r->ceiling = scan.ceiling;
    r->before.unsure = scan.adopt || (early && !only_a_proof);
    cubby__segscan_close(&scan);
    return rc;
}
