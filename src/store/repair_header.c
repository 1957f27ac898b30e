/* repair_header.c - segments whose header is gone: made again where the nonce is known, or stood in for. */
#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/repair_file.h"

/* The first frame of a file without header: its offset and commit. DONE: none. */
static int first_frame(struct cubby__newseg *n, uint64_t *off, uint64_t *commit, cubby_error *err)
{
    enum { WINDOW = 64 << 10 };
    const cubby_vfs *vfs = n->s->vfs;
    char name[CUBBY__SEGNAME_MAX];
    uint8_t *buf = cubby__malloc(WINDOW + CUBBY__PIECE_FRAME_SIZE);
    int rc = buf ? CUBBY_DONE : cubby__fail_mem(err);
    for (uint64_t at = 2 * CUBBY__SEG_HEADER_ALIGN; at < n->old_size && rc == CUBBY_DONE; at += WINDOW) {
        int64_t got = vfs->pread(vfs->ctx, n->old, buf, WINDOW + CUBBY__PIECE_FRAME_SIZE, at);
        if (got < 0)
            rc = cubby__fail_io(err, (int)got, cubby__segname(n->seg, name), at, "reading the segment");
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

/* Does the commit of the frame at `off`, behind commit `before`, begin with it? Then no frame has stood before that one. CUBBY_OK: yes; DONE: nobody
 * knows. */
static int begins_at(struct cubby__newseg *n, uint64_t off, uint64_t before, cubby_error *err)
{
    const cubby_vfs *vfs = n->s->vfs;
    uint8_t p[CUBBY__FRAME_SIZE + CUBBY__COMMIT_LEN];
    struct cubby__frame f;
    struct cubby__commit c;
    char name[CUBBY__SEGNAME_MAX];
    for (uint64_t at = off; at < n->old_size; at += cubby__frame_size(f.type, f.len)) {
        int64_t got = vfs->pread(vfs->ctx, n->old, p, sizeof p, at);
        if (got < 0)
            return cubby__fail_io(err, (int)got, cubby__segname(n->seg, name), at, "reading the segment");
        if (cubby__frame_decode(p, (size_t)got, &n->seed, at, &f) != 0 || f.type == CUBBY__REC_PROOF || f.type == CUBBY__REC_DAMAGE)
            return CUBBY_DONE;
        if (f.type != CUBBY__REC_COMMIT)
            continue;
        int sound = f.len == CUBBY__COMMIT_LEN && got == (int64_t)sizeof p &&
                    cubby__payload_sum(p + CUBBY__FRAME_SIZE, f.len, &n->seed, at, f.commit) == f.paysum &&
                    cubby__commit_decode(p + CUBBY__FRAME_SIZE, f.len, &c) == 0;
        return sound && c.prev == before && c.bytes == at - off ? CUBBY_OK : CUBBY_DONE;
    }
    return CUBBY_DONE;
}

/* To what comes behind scan->pos: a commit (0), or the end (DONE). Bad bytes are passed over; *end is where they, or the commit, end. */
static int next_end(struct cubby__segscan *scan, uint64_t *end)
{
    uint64_t off;
    int rc = cubby__segscan_next(scan);
    if (rc == CUBBY_DONE && (rc = cubby__segscan_nonzero(scan, scan->pos, &off)) == 0)
        rc = off == UINT64_MAX ? CUBBY_DONE : CUBBY_ECORRUPT; /* a hole of zeros */
    int bad = rc == CUBBY_ECORRUPT;
    if (bad)
        rc = cubby__segscan_resync(scan);
    if (rc == 0)
        *end = scan->pos;
    else if (bad && rc == CUBBY_DONE)
        *end = scan->limit & ~(uint64_t)(CUBBY__FRAME_ALIGN - 1);
    return rc;
}

/* The predecessor, and where it ends: before the first commit that does not come before this one; what is damaged before that is its own, and told. Without
 * one that can be read: none. *before_it: the last commit there; UINT64_MAX: nobody knows. */
static int find_pred(struct cubby__store *s, struct cubby__seg_header *h, uint64_t *before_it, cubby_error *err)
{
    struct cubby__seg_header before;
    struct cubby__segscan scan;
    *before_it = h->number == 1 ? 0 : UINT64_MAX;
    int rc = h->number == 1 ? CUBBY_ENOENT : cubby__log_header(s->log, h->number - 1, &before, err);
    if (rc != 0)
        return rc == CUBBY_ECORRUPT || rc == CUBBY_ENOENT ? 0 : rc;
    h->pred = h->number - 1;
    h->pred_nonce = before.nonce;
    h->pred_end = before.frames;
    rc = cubby__segscan_open(&scan, s->log, h->pred, before.nonce, s->ident.salt, before.frames, UINT64_MAX, before.last_commit, before.last_chain, err);
    scan.adopt = cubby__seg_header_adopts(&before);
    for (uint64_t end = before.frames; rc == 0 && scan.last_commit <= h->last_commit;) {
        h->pred_end = end;
        *before_it = scan.last_commit;
        if ((rc = next_end(&scan, &end)) == CUBBY_DONE)
            h->pred_end = end;
    }
    if (scan.proof_end > h->pred_end && scan.proof_commit <= h->last_commit)
        h->pred_end = scan.proof_end;
    cubby__segscan_close(&scan);
    cubby__seg_header_release(&before);
    return rc < 0 ? rc : 0;
}

/* The header reaches to the first frame, if that is the first that ever was; else what is between a short header and that frame is for a check to find. */
static int cover_up_to(struct cubby__newseg *n, struct cubby__seg_header *h, uint64_t off, uint64_t before, cubby_error *err)
{
    int rc = begins_at(n, off, before, err);
    if (rc == 0 && off % (2 * CUBBY__SEG_HEADER_ALIGN) == 0 && off <= 2 * (uint64_t)CUBBY__SEG_HEADER_MAX)
        h->copy_min = (uint32_t)(off / 2);
    else if (before != UINT64_MAX)
        h->last_commit = before;
    h->proven = 2 * (uint64_t)h->copy_min;
    return rc < 0 ? rc : 0;
}

int cubby__mend_header(struct cubby__store *s, uint32_t seg, uint64_t nonce, const struct cubby__floors *floors, uint64_t proven, struct cubby__repairs *t,
                       cubby_error *err)
{
    struct cubby__newseg n;
    struct cubby__seg_header h = {.ident = s->ident, .kind = CUBBY__SEG_LOG, .number = seg, .nonce = nonce, .floors = *floors, .proven_commit = proven,
                                  .created_ns = s->vfs->now_ns(s->vfs->ctx)};
    uint64_t off = 0, commit = 0, before = 0;
    char name[CUBBY__SEGNAME_MAX];
    int rc = cubby__newseg_begin(&n, s, seg, err);
    if (rc != 0)
        return rc;
    n.seed.nonce = nonce;
    rc = first_frame(&n, &off, &commit, err);
    if (rc == 0) {
        h.last_commit = commit ? commit - 1 : 0; /* its chain is not known: 0 says so */
        rc = find_pred(s, &h, &before, err);
    }
    if (rc == 0)
        rc = cover_up_to(&n, &h, off, before, err);
    if (rc == 0)
        rc = cubby__newseg_header(&n, &h, err);
    if (rc == 0)
        rc = cubby__newseg_copy(&n, h.frames, n.old_size, err);
    if (rc != 0) {
        cubby__newseg_abort(&n);
        return rc;
    }
    rc = cubby__newseg_end(&n, err);
    return rc ? rc : cubby__repair_tell(t, err, "HEADER_MADE", cubby__segname(seg, name), 0,
                                        "its header was made again; the file as it was is in %s", CUBBY__DIR_QUARANTINE);
}

int cubby__stand_in(struct cubby__store *s, uint32_t seg, uint8_t kind, const struct cubby__floors *floors, cubby_error *err)
{
    struct cubby__newseg n;
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
    rc = cubby__newseg_header(&n, &h, err);
    if (rc == 0)
        rc = cubby__newseg_cover(&n, &(struct cubby__hole){h.frames, h.proven, 0, kind, 0}, err);
    if (rc == 0)
        return cubby__newseg_end(&n, err);
    cubby__newseg_abort(&n);
    return rc;
}
