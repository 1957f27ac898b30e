/* space.c - room on the disk: made sure of before the first byte is appended, and kept in reserve (FORMAT.md 8, "Full disk").
 *
 * N1  A transaction has its room, in the log and in the index, before it is queued: a full disk fails this one, and nothing is latched.
 * N2  What only removes may use the reserve; everything else leaves it behind or fails. The reserve is: RESERVE_LOG bytes of zeros behind the end
 *     of the log; pages of the index; and, of a store of some size, tmp/reserve, which becomes the next segment when the zeros are used up.
 * N3  Nothing is believed of what tmp/reserve holds: it is written with zeros again before it is a segment. It is of use only by its size.
 * N4  Where room cannot be promised (holes, copies on write) an append may still fail: then a new segment cuts it off (group.c), or the log latches. */
#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/commit.h"

enum {
    RESERVE_LOG = CUBBY__RESERVE_LOG,
    OVERRUN = 32 << 10,    /* zeros beyond the capacity of a segment: its last transaction, and the reserve */
    ZEROS_MIN = 256,       /* written at a time, near the end of the disk */
    RESERVE_PAGES_MIN = 4, /* an empty store is to be small */
    RESERVE_PAGES = 16,
    RESERVE_FROM = 1 << 20,  /* so large a store has tmp/reserve */
    RESERVE_FILE = 128 << 10 /* its size, beside the header */
};

/* ---- the log ---- */

/* Zeros from *at to `to`; *at is how far they have come. */
static int write_zeros(struct cubby__store *s, uint64_t *at, uint64_t to, cubby_error *err)
{
    static const uint8_t zeros[32 << 10];
    size_t most = sizeof zeros;
    for (size_t n; *at < to; *at += n) {
        n = to - *at < most ? (size_t)(to - *at) : most;
        int rc = cubby__log_write(s->log, (uint32_t)s->pending.seg, zeros, n, *at, err);
        if (rc == CUBBY_ENOSPC && n > ZEROS_MIN) {
            most = n / 2; /* all that there is: what only removes needs little */
            n = 0;
        } else if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

uint64_t cubby__zero_step(struct cubby__store *s, uint64_t end)
{
    uint64_t step = end / 4 > s->capacity ? end / 4 : s->capacity; /* what a store holds ready is to be little beside what it holds */
    uint64_t most = cubby__capacity(s) + RESERVE_LOG;
    most = most > CUBBY__ZERO_AHEAD_MAX ? CUBBY__ZERO_AHEAD_MAX : most;
    return step < RESERVE_LOG ? RESERVE_LOG : step > most ? most : step;
}

/* So that a sync has no new size to write down: zeros ahead, in steps. Near the end of the disk only what is needed. */
static int zeros_ahead(struct cubby__store *s, uint64_t end, cubby_error *err)
{
    struct cubby__published *p = &s->pending;
    uint64_t limit = p->seg_frames + cubby__capacity(s) + OVERRUN, need = end + RESERVE_LOG;
    uint64_t to = (end + cubby__zero_step(s, end)) & ~(uint64_t)4095;
    to = to > limit ? limit : to;
    to = to < need ? need : to;
    int rc = write_zeros(s, &p->zeroed, to, err);
    return rc == CUBBY_ENOSPC && p->zeroed >= need ? 0 : rc;
}

/* Commits of together more than ZERO_AHEAD_GROUP share a sync, and writing them twice would cost more: their room is only asked for. */
static int allocate_ahead(struct cubby__store *s, uint64_t end, cubby_error *err)
{
    struct cubby__published *p = &s->pending;
    uint64_t to = (end + RESERVE_LOG + 4095) & ~(uint64_t)4095;
    int rc = cubby__log_allocate(s->log, (uint32_t)p->seg, p->zeroed, to - p->zeroed, err);
    if (rc == CUBBY_DONE) { /* N4; the reserve can be written at least */
        p->zeroed = end;
        rc = write_zeros(s, &p->zeroed, to, err);
    } else if (rc == 0) {
        p->zeroed = to;
    }
    return rc;
}

/* Room in the log up to `end` and the reserve behind it. w is held; from: where what is queued begins. */
static int log_room(struct cubby__store *s, uint64_t from, uint64_t end, cubby_error *err)
{
    struct cubby__published *p = &s->pending;
    if (end + RESERVE_LOG <= p->zeroed)
        return 0;
    if (p->zeroed < from)
        p->zeroed = from;
    return end - from > CUBBY__ZERO_AHEAD_GROUP ? allocate_ahead(s, end, err) : zeros_ahead(s, end, err);
}

/* ---- tmp/reserve ---- */

static char *reserve_path(const struct cubby__store *s)
{
    return cubby__path_join(s->path, CUBBY__DIR_TMP "/" CUBBY__FILE_RESERVE);
}

static int is_large(const struct cubby__store *s)
{
    return s->capacity * CUBBY__SEG_LIVE_SHARE + s->pending.seg_off > RESERVE_FROM;
}

static uint64_t reserve_size(const struct cubby__store *s)
{
    return RESERVE_FILE + s->pending.seg_frames + s->pending.seg_frames / 4;
}

/* All of it or nothing new: a full disk is not to be filled further. */
static int fill_reserve(struct cubby__store *s, cubby_file *f, const char *path)
{
    static const uint8_t zeros[32 << 10];
    cubby_vfs_stat st = {0};
    int rc = s->vfs->fstat(s->vfs->ctx, f, &st);
    for (uint64_t at = st.size; rc == 0 && at < reserve_size(s); at += sizeof zeros)
        rc = s->vfs->pwrite(s->vfs->ctx, f, zeros, sizeof zeros, at);
    if (rc != 0 && st.size)
        s->vfs->truncate(s->vfs->ctx, f, st.size);
    else if (rc != 0)
        s->vfs->unlink(s->vfs->ctx, path);
    return rc;
}

static int make_reserve(struct cubby__store *s, const char *path, cubby_error *err)
{
    cubby_file *f;
    unsigned flags = CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE;
    int rc = s->vfs->open(s->vfs->ctx, path, flags, &f);
    if (cubby__code_of_errno(rc) == CUBBY_ENOENT) { /* tmp/ is made when it is first needed */
        char *dir = cubby__path_join(s->path, CUBBY__DIR_TMP);
        if (!dir)
            return cubby__fail_mem(err);
        s->vfs->mkdir(s->vfs->ctx, dir);
        cubby__free(dir);
        rc = s->vfs->open(s->vfs->ctx, path, flags, &f);
    }
    if (rc == 0) {
        rc = fill_reserve(s, f, path);
        s->vfs->close(s->vfs->ctx, f);
    }
    return rc == 0 ? 0 : cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "making the reserve");
}

/* It is there, if the store is large enough to have one. Another process may have used it: that one has rolled, and is the owner. */
static int keep_reserve(struct cubby__store *s, cubby_error *err)
{
    if (s->reserve_of == s->pending.seg || !is_large(s))
        return 0;
    char *path = reserve_path(s);
    int rc = path ? make_reserve(s, path, err) : cubby__fail_mem(err);
    cubby__free(path);
    if (rc == 0)
        s->reserve_of = s->pending.seg;
    return rc == CUBBY_ENOSPC || rc == CUBBY_ENOMEM ? rc : 0; /* whatever else is wrong with tmp/ is told to whoever needs it */
}

int cubby__seg_from_reserve(struct cubby__store *s, struct cubby__seg_header *h, uint64_t *size, struct cubby__seg_maker **m, cubby_error *err)
{
    char *path = reserve_path(s);
    if (!path)
        return cubby__fail_mem(err);
    s->reserve_of = 0;
    int rc = cubby__seg_make_reuse(s->log, h, path, size, m, err);
    cubby__free(path);
    return rc;
}

/* ---- transactions ---- */

/* Of a small index as many as it has: then a removal may change all of them. */
static uint64_t reserve_pages(const struct cubby__store *s)
{
    struct cubby__pager_stat st;
    cubby__pager_get_stat(s->pager, &st);
    uint64_t used = st.pages - st.free_pages;
    return is_large(s) || used > RESERVE_PAGES ? RESERVE_PAGES : used < RESERVE_PAGES_MIN ? RESERVE_PAGES_MIN : used;
}

int cubby__space_for(struct cubby__store *s, const struct cubby__txn *txn, cubby_error *err)
{
    uint64_t from = s->queue ? s->queue->framer.base : txn->node->framer.base, end = cubby__framer_end(&txn->node->framer);
    int rc = log_room(s, from, end, err);
    if (rc == 0)
        rc = cubby__pager_room(s->pager, reserve_pages(s), err);
    if (rc == 0)
        rc = keep_reserve(s, err);
    if (rc != CUBBY_ENOSPC || txn->grows || end > s->pending.zeroed) /* N2 */
        return rc;
    atomic_store(&s->tight, 1);
    return cubby__pager_room(s->pager, 0, err);
}

int cubby__is_tight(const struct cubby__store *s)
{
    return s->pending.zeroed < s->pending.seg_off + RESERVE_LOG;
}

int cubby__make_headroom(struct cubby__store *s, cubby_error *err)
{
    int rc = log_room(s, s->pending.seg_off, s->pending.seg_off, err);
    return rc == CUBBY_ENOSPC ? cubby__roll_to_reserve(s, err) : rc;
}
