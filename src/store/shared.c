/* shared.c - the page of words that attached processes share, and the locks (FORMAT.md 3).
 *
 * S1  Nothing in the page is trusted by the first to attach: it holds the attach lock alone while it fills the page, and sets 'ready' last.
 * S2  A published state is written to the slot that is not current, then made current by one store: a reader never sees half of one, and a
 *     writer that dies in between leaves the old one standing.
 * S3  A reader writes its commit to its slot, then reads `current` again, and repeats if it moved: so a writer that looks at the slots
 *     after publishing either sees the slot or is seen.
 * S4  A slot protects every commit from its own on, and nothing older. A writer revokes old snapshots by raising the slot, in one exchange, before it uses
 *     their pages again; the owner changes its slot only by exchange with what it has last seen there, and never lowers it below that. So a snapshot is
 *     good as long as its slot is not empty and not above it, whoever has written it.
 * S5  A reader looks at its slot after each page that it fetched, and before it uses it. A page that was used again does not verify against its
 *     parent, so it never passes for the old one: the slot only tells whether that is damage (ECORRUPT) or age (ESTALE).
 * S6  All that are attached are so through one directory, whose lock they share: cubby.id is made anew only by whoever holds that lock alone.
 * S7  A forked child has no part in all this: it writes no word of the page, and takes and gives no lock.
 * S8  A file system may copy the block of the page when it is written to, or have none for it yet (btrfs, a reflink on xfs, a sparse copy): on a full disk
 *     that write is SIGBUS. So whoever is about to write asks first, and again after whatever takes long: the kernel may have written the page out
 *     meanwhile, and then the next write copies anew. Where there is no room transactions fail, and snapshots do without a slot (alone.c, A1). */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"
#include "log/segname.h"
#include "os/fork.h"
#include "store/internal.h"

_Static_assert(sizeof(struct cubby__published) == CUBBY__STATE_SIZE, "a published state fills its slot");

enum {
    SNAPSHOT_MAX_MS = 60000,
    TURN_WAIT_MS = 200 /* so long for who is next to write, which may have been stopped */
};

#define OPENING "has been opening the store" /* a rebuild of the index may take long */

typedef _Atomic uint64_t shared_word;

static shared_word *word(const struct cubby__store *s, size_t off)
{
    return (shared_word *)(void *)(s->shared + off);
}

uint64_t cubby__shared_get(const struct cubby__store *s, size_t off)
{
    return atomic_load(word(s, off));
}

void cubby__shared_set(struct cubby__store *s, size_t off, uint64_t v)
{
    atomic_store(word(s, off), v);
}

uint64_t cubby__current(const struct cubby__store *s)
{
    return cubby__shared_get(s, CUBBY__SHARED_CURRENT_OFF);
}

static size_t state_off(uint64_t current)
{
    return current & 1 ? CUBBY__SHARED_STATE1_OFF : CUBBY__SHARED_STATE0_OFF;
}

int cubby__page_ready(struct cubby__store *s, cubby_error *err)
{
    int rc = s->shared_mapped && s->vfs->ready ? s->vfs->ready(s->vfs->ctx, s->id_file, s->shared, CUBBY__PAGE_SIZE) : 0;
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__SHARED_OFFSET, "writing to the shared page");
}

int cubby__is_owner(struct cubby__store *s)
{
    return !atomic_load(&s->disowned) && cubby__shared_get(s, CUBBY__SHARED_OWNER_OFF) == s->token;
}

void cubby__own(struct cubby__store *s)
{
    cubby__shared_set(s, CUBBY__SHARED_OWNER_OFF, s->token);
    atomic_store(&s->disowned, 0);
}

/* To others the token of this handle says as much as none. */
int cubby__disown(struct cubby__store *s)
{
    atomic_store(&s->disowned, 1);
    int rc = cubby__page_ready(s, NULL);
    if (rc == 0)
        cubby__shared_set(s, CUBBY__SHARED_OWNER_OFF, 0);
    return rc;
}

void cubby__publish(struct cubby__store *s, const struct cubby__published *p)
{
    uint64_t next = cubby__current(s) + 1;
    const uint64_t *from = (const uint64_t *)(const void *)p;
    /* Release: a reader of the slot who sees one of these words also sees that the slot is no longer the current one. */
    for (size_t i = 0; i < CUBBY__STATE_SIZE / 8; i++)
        atomic_store_explicit(word(s, state_off(next) + 8 * i), from[i], memory_order_release);
    cubby__shared_set(s, CUBBY__SHARED_CURRENT_OFF, next);
}

void cubby__read_published(const struct cubby__store *s, struct cubby__published *out)
{
    uint64_t *to = (uint64_t *)(void *)out;
    for (;;) {
        uint64_t current = cubby__current(s);
        for (size_t i = 0; i < CUBBY__STATE_SIZE / 8; i++)
            to[i] = atomic_load_explicit(word(s, state_off(current) + 8 * i), memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (cubby__current(s) == current)
            return;
    }
}

int cubby__is_child(const struct cubby__store *s)
{
    return s->generation != cubby__fork_generation();
}

int cubby__refuse_child(const struct cubby__store *s, cubby_error *err)
{
    if (!cubby__is_child(s))
        return 0;
    return cubby__fail(err, CUBBY_EINVAL, s->path, CUBBY__NO_OFFSET, "this handle was opened before a fork: a child may only exec or call cubby_atfork_child");
}

static int gone(const struct cubby__store *s, const char *how, cubby_error *err)
{
    return cubby__fail(err, CUBBY_ESTALE, s->path, CUBBY__NO_OFFSET, "the store was %s or replaced while it was open; open it anew", how);
}

int cubby__still_there(struct cubby__store *s, cubby_error *err)
{
    cubby_vfs_stat st;
    if (s->vfs->fstat(s->vfs->ctx, s->id_file, &st) != 0 || st.links)
        return 0;
    return gone(s, "removed", err);
}

int cubby__still_here(struct cubby__store *s, cubby_error *err)
{
    cubby_vfs_stat here, ours;
    if (!s->id_file || s->vfs->fstat(s->vfs->ctx, s->id_file, &ours) != 0)
        return 0;
    if (!ours.links)
        return gone(s, "removed", err);
    char *path = cubby__path_join(s->path, CUBBY__FILE_ID);
    if (!path)
        return cubby__fail_mem(err);
    int rc = s->vfs->stat(s->vfs->ctx, path, &here);
    cubby__free(path);
    int unknown = rc != 0 && rc != -ENOENT && rc != -ENOTDIR, same = rc == 0 && here.inode == ours.inode && here.device == ours.device;
    return unknown || same ? 0 : gone(s, "moved", err);
}

/* ---- reader slots ---- */

static size_t slot_off(int slot)
{
    return CUBBY__SHARED_SLOTS_OFF + 8 * (size_t)slot;
}

void cubby__slot_set(struct cubby__store *s, uint64_t value)
{
    if (s->slot >= 0 && !cubby__is_child(s))
        cubby__shared_set(s, slot_off(s->slot), value);
}

uint64_t cubby__slot_get(const struct cubby__store *s)
{
    return cubby__shared_get(s, slot_off(s->slot));
}

int cubby__slot_swap(struct cubby__store *s, uint64_t from, uint64_t to)
{
    return atomic_compare_exchange_strong(word(s, slot_off(s->slot)), &from, to);
}

/* Does the owner of a slot still live? The lock byte knows; our own we hold ourselves. */
static int is_dead(struct cubby__store *s, int slot)
{
    return slot != s->slot && s->vfs->lock_test(s->vfs->ctx, s->id_file, CUBBY__LOCK_SLOT + (uint64_t)slot, 1) == 0;
}

uint64_t cubby__oldest_reader(struct cubby__store *s, uint64_t newest, uint64_t ripe)
{
    uint64_t oldest = newest;
    for (int i = 0; i < CUBBY__SHARED_SLOTS; i++) {
        uint64_t v = cubby__shared_get(s, slot_off(i));
        while (v && v - 1 < oldest) {
            uint64_t to = is_dead(s, i) ? 0 : v > CUBBY__SLOT_ALL && v - 1 < ripe ? ripe + 1 : v;
            if (to == v)
                oldest = v - 1;
            else if (atomic_compare_exchange_strong(word(s, slot_off(i)), &v, to)) /* else v is what its owner has written now */
                v = to;
        }
    }
    return oldest;
}

/* How long a snapshot may take is measured by two marks in the page, so that writers that live only for a moment see it, too: when a mark is old enough
 * what was published then is ripe, and a new mark is set. */
uint64_t cubby__ripe(struct cubby__store *s, uint64_t newest)
{
    uint64_t max = s->o.snapshot_max_ms ? s->o.snapshot_max_ms : SNAPSHOT_MAX_MS, now = (uint64_t)s->vfs->ticks_ms(s->vfs->ctx) + 1;
    uint64_t then = cubby__shared_get(s, CUBBY__SHARED_MARK_TIME_OFF);
    if (!then || now < then || now - then >= max) {
        if (then && now >= then)
            cubby__shared_set(s, CUBBY__SHARED_RIPE_OFF, cubby__shared_get(s, CUBBY__SHARED_MARK_OFF));
        cubby__shared_set(s, CUBBY__SHARED_MARK_OFF, newest);
        cubby__shared_set(s, CUBBY__SHARED_MARK_TIME_OFF, now);
    }
    return max == UINT32_MAX ? 0 : cubby__shared_get(s, CUBBY__SHARED_RIPE_OFF);
}

static int claim_slot(struct cubby__store *s, cubby_error *err)
{
    for (int i = 0; i < CUBBY__SHARED_SLOTS; i++) {
        int rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_SLOT + (uint64_t)i, 1, CUBBY_LOCK_EXCLUSIVE);
        if (rc == 0) {
            s->slot = i;
            rc = cubby__page_ready(s, err);
            if (rc == 0)
                cubby__slot_set(s, 0);
            return rc;
        }
        if (rc != -EAGAIN)
            return cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "locking a reader slot");
    }
    return cubby__fail(err, CUBBY_EBUSY, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "all %d reader slots are taken", CUBBY__SHARED_SLOTS);
}

/* ---- locks ---- */

/* For what somebody else has or does: for up to the configured time, with growing pauses. */
struct wait {
    int64_t ms, end;
    uint32_t pause;
};

static struct wait begin_wait(struct cubby__store *s)
{
    int64_t ms = s->o.lock_timeout_ms == UINT32_MAX ? 0 : s->o.lock_timeout_ms ? s->o.lock_timeout_ms : 10000;
    return (struct wait){ms, s->vfs->ticks_ms(s->vfs->ctx) + ms, 0};
}

/* 0: it may be tried again. what: "somebody else ..." */
static int wait_more(struct cubby__store *s, struct wait *w, const char *what, cubby_error *err)
{
    if (s->vfs->ticks_ms(s->vfs->ctx) >= w->end)
        return cubby__fail(err, CUBBY_EBUSY, s->path, CUBBY__NO_OFFSET, "somebody else %s for longer than %lld ms", what, (long long)w->ms);
    if (s->o.progress && s->o.progress(s->o.progress_arg, 0, 0) != 0)
        return cubby__fail(err, CUBBY_ECANCEL, s->path, CUBBY__NO_OFFSET, "stopped while somebody else %s", what);
    s->vfs->sleep_ms(s->vfs->ctx, w->pause);
    w->pause += w->pause < 8;
    return 0;
}

static int lock_byte(struct cubby__store *s, uint64_t byte, int how)
{
    return s->vfs->lock(s->vfs->ctx, s->id_file, byte, 1, how);
}

/* One at a time waits for the lock itself, and the others for their turn to; but a process that was stopped while it waited keeps nobody from writing. */
static int wait_for_turn(struct cubby__store *s, cubby_error *err)
{
    struct wait w = begin_wait(s);
    int64_t patience = w.end - w.ms + (w.ms / 2 < TURN_WAIT_MS ? w.ms / 2 : TURN_WAIT_MS);
    int rc = 0, turn = 0, got;
    do {
        turn = turn || lock_byte(s, CUBBY__LOCK_TURN, CUBBY_LOCK_EXCLUSIVE) != -EAGAIN;
        got = turn || s->vfs->ticks_ms(s->vfs->ctx) >= patience ? lock_byte(s, CUBBY__LOCK_WRITER, CUBBY_LOCK_EXCLUSIVE) : -EAGAIN;
    } while (got == -EAGAIN && (rc = wait_more(s, &w, "holds the writer lock", err)) == 0);
    if (turn)
        lock_byte(s, CUBBY__LOCK_TURN, CUBBY_UNLOCK);
    return rc != 0 || got == 0 ? rc : cubby__fail_io(err, got, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "writer lock");
}

int cubby__writer_is_wanted(struct cubby__store *s)
{
    return s->id_file && s->vfs->lock_test(s->vfs->ctx, s->id_file, CUBBY__LOCK_TURN, 1) == 1;
}

int cubby__writer_lock(struct cubby__store *s, int has_turn, cubby_error *err)
{
    int rc = has_turn || !cubby__writer_is_wanted(s) ? lock_byte(s, CUBBY__LOCK_WRITER, CUBBY_LOCK_EXCLUSIVE) : -EAGAIN;
    if (rc == -EAGAIN)
        return wait_for_turn(s, err);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "writer lock");
}

void cubby__writer_unlock(struct cubby__store *s)
{
    if (!cubby__is_child(s))
        lock_byte(s, CUBBY__LOCK_WRITER, CUBBY_UNLOCK);
}

/* ---- the directory ---- */

/* Shared by all that are attached; whoever makes another cubby.id holds it alone (S6). File systems that know no such lock do without. */
static int lock_dir(struct cubby__store *s, cubby_error *err)
{
    struct wait w = begin_wait(s);
    int rc = -EAGAIN;
    while (s->vfs->lock_dir && (rc = s->vfs->lock_dir(s->vfs->ctx, s->path, CUBBY_LOCK_SHARED, &s->dir_lock)) == -EAGAIN) {
        s->dir_lock = NULL;
        if ((rc = wait_more(s, &w, "makes a new " CUBBY__FILE_ID, err)) != 0)
            return rc;
    }
    if (rc != 0)
        s->dir_lock = NULL;
    return cubby__still_there(s, err); /* the file that is open may be the one before */
}

static void unlock_dir(struct cubby__store *s)
{
    if (s->dir_lock)
        s->vfs->close(s->vfs->ctx, s->dir_lock);
    s->dir_lock = NULL;
}

/* 0: nobody knows. Links do not leave a device, and its number may be another after the next boot. */
static uint64_t dir_hash(struct cubby__store *s)
{
    cubby_vfs_stat st;
    uint8_t b[8];
    if (!s->dir_lock || s->vfs->fstat(s->vfs->ctx, s->dir_lock, &st) != 0)
        return 0;
    cubby__put64(b, st.inode);
    return cubby__hash64(b, sizeof b, 0) | 1;
}

/* A store copied with hard links shares this file with its copy, but not its directory: whoever came first has it (S6). */
static int same_dir(struct cubby__store *s, int open_now, cubby_error *err)
{
    uint64_t theirs = cubby__shared_get(s, CUBBY__SHARED_DIR_OFF), ours = dir_hash(s);
    if (!theirs || !ours || theirs == ours)
        return 0;
    return cubby__fail(err, CUBBY_EBUSY, s->path, CUBBY__NO_OFFSET,
                       "%s is also linked into another directory, as whose store it %s open; copy the store instead of linking its files", CUBBY__FILE_ID,
                       open_now ? "is" : "was last");
}

/* Used in turn, two such copies would each have segments that the other has not. The page of those who went before tells, if there still is one: the
 * one thing in it that the first to attach looks at, and only where it can matter. */
static int not_a_twin(struct cubby__store *s, cubby_error *err)
{
    cubby_vfs_stat st;
    if (cubby__shared_get(s, CUBBY__SHARED_READY_OFF) != CUBBY__SHARED_READY || s->vfs->fstat(s->vfs->ctx, s->id_file, &st) != 0 || st.links < 2)
        return 0;
    return same_dir(s, 0, err);
}

int cubby__attach(struct cubby__store *s, int *first, cubby_error *err)
{
    void *map;
    struct wait w = begin_wait(s);
    int rc = lock_dir(s, err);
    if (rc != 0)
        return rc;
    rc = s->vfs->map(s->vfs->ctx, s->id_file, CUBBY__SHARED_OFFSET, CUBBY__PAGE_SIZE, &map);
    if (rc != 0)
        return cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__SHARED_OFFSET, "mapping the shared page");
    s->shared = map;
    s->shared_mapped = 1;
    if ((rc = cubby__page_ready(s, err)) != 0) /* where there is a hole, even to read it */
        return rc;
    for (;;) {
        rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_EXCLUSIVE);
        if (rc == 0) { /* S1 */
            if ((rc = not_a_twin(s, err)) != 0 || (rc = cubby__page_ready(s, err)) != 0)
                return rc;
            memset(s->shared, 0, CUBBY__PAGE_SIZE);
            cubby__shared_set(s, CUBBY__SHARED_CURRENT_OFF, s->token << 1); /* A3 */
            cubby__shared_set(s, CUBBY__SHARED_DIR_OFF, dir_hash(s));
            *first = 1;
            break;
        }
        if (rc == -EAGAIN) /* anything else does not say that somebody is attached: the page may be a dead one's */
            rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_SHARED);
        if (rc != 0 && rc != -EAGAIN)
            return cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "locking the store");
        if (rc == 0 && cubby__shared_get(s, CUBBY__SHARED_READY_OFF) == CUBBY__SHARED_READY) {
            *first = 0;
            break;
        }
        if (rc == 0) /* whoever was first died while it set up: nobody is attached for good yet */
            s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_UNLOCK);
        if ((rc = wait_more(s, &w, OPENING, err)) != 0)
            return rc;
    }
    rc = *first ? 0 : same_dir(s, 1, err);
    return rc == 0 ? claim_slot(s, err) : rc;
}

/* Back to a handle that is attached to nothing. */
static void give_up(struct cubby__store *s)
{
    if (s->slot >= 0)
        s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_SLOT + (uint64_t)s->slot, 1, CUBBY_UNLOCK);
    s->slot = -1;
    s->vfs->unmap(s->vfs->ctx, s->shared, CUBBY__PAGE_SIZE);
    s->shared = NULL;
    s->shared_mapped = 0;
    s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_UNLOCK);
    unlock_dir(s);
}

/* With the shared lock: those who were attached a moment ago have left the page as it must be, or it is not ready. */
static int join_page(struct cubby__store *s, cubby_error *err)
{
    void *map;
    int rc = s->vfs->map(s->vfs->ctx, s->id_file, CUBBY__SHARED_OFFSET, CUBBY__PAGE_SIZE, &map);
    if (rc != 0) {
        s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_UNLOCK);
        return cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__SHARED_OFFSET, "mapping the shared page");
    }
    s->shared = map;
    s->shared_mapped = 1;
    rc = cubby__shared_get(s, CUBBY__SHARED_READY_OFF) == CUBBY__SHARED_READY && cubby__page_ready(s, err) == 0 ? lock_dir(s, err) : CUBBY_DONE;
    if (rc == 0)
        rc = same_dir(s, 1, err);
    if (rc == 0)
        rc = claim_slot(s, err);
    if (rc != 0)
        give_up(s);
    return rc == CUBBY_EBUSY ? CUBBY_DONE : rc; /* it reads as if it were alone */
}

static int knows_no_locks(int rc)
{
    return rc == -ENOLCK || rc == -EOPNOTSUPP || rc == -ENOSYS || rc == -EINVAL;
}

int cubby__attach_beside(struct cubby__store *s, cubby_error *err)
{
    struct wait w = begin_wait(s);
    int rc;
    while ((rc = s->vfs->lock_test(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1)) == 1) { /* S1: never the first */
        rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_SHARED);
        if (rc == 0)
            return join_page(s, err);
        int waited = rc == -EAGAIN ? wait_more(s, &w, OPENING, err) : CUBBY_EBUSY;
        if (waited == CUBBY_ECANCEL)
            return waited;
        if (waited != 0)
            break;
    }
    if (rc >= 0 || rc == -EAGAIN || knows_no_locks(rc)) /* on such a file system nobody is attached */
        return CUBBY_DONE;
    return cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "locking the store");
}

/* Whose lock byte nobody holds, that slot counts for nothing anyway. */
static void empty_slot(struct cubby__store *s)
{
    if (cubby__page_ready(s, NULL) == 0)
        cubby__slot_set(s, 0);
}

void cubby__leave_beside(struct cubby__store *s)
{
    empty_slot(s);
    give_up(s);
}

int cubby__attach_ready(struct cubby__store *s, cubby_error *err)
{
    int rc = cubby__page_ready(s, err);
    if (rc != 0)
        return rc;
    cubby__shared_set(s, CUBBY__SHARED_READY_OFF, CUBBY__SHARED_READY);
    rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_SHARED);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "locking the store"); /* nobody else could come in */
}

void cubby__detach(struct cubby__store *s)
{
    empty_slot(s);
    if (s->shared_mapped)
        s->vfs->unmap(s->vfs->ctx, s->shared, CUBBY__PAGE_SIZE);
    else
        cubby__free(s->shared);
    s->shared = NULL;
    s->slot = -1;
    if (s->id_file)
        s->vfs->close(s->vfs->ctx, s->id_file); /* and with it every lock */
    s->id_file = NULL;
    unlock_dir(s);
}
