/* internal.h - what the files of src/store share.
 *
 * Who may touch what:
 *  - `w` (the writer mutex) guards everything under "writer side". A transaction holds it from begin until its frames are queued. The pager's
 *    writing functions are called only under it.
 *  - `g` guards everything under "group side": who syncs, who waits, the process's hold of the writer lock.
 *  - `v` guards the list of snapshots and the pointer to the current pager.
 *  - the leader (who has set `leading`) writes, syncs and publishes what is queued.
 *  Order of taking: leadership, w, g, v. Nobody waits for the disk under g; under v only who finds another index. */
#ifndef CUBBY_STORE_INTERNAL_H
#define CUBBY_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "log/log.h"
#include "log/segscan.h"
#include "store/store.h"

/* What readers see, and what the next writer starts from: the words of a slot of the shared page (CUBBY__STATE_SIZE). */
struct cubby__published {
    uint64_t commit, chain;
    uint64_t root_page, root_sum, root_commit, root_level;
    uint64_t index_nonce, file_pages;
    uint64_t seg, seg_nonce, seg_off, zeroed;
    uint64_t durable;           /* last commit that a sync has proved */
    uint64_t vouched;           /* last commit that the log itself proves: a later commit, a PROOF, a header; not the index, which may be deleted */
    uint64_t ceiling;           /* lazy commits below it may be published before a sync */
    uint64_t checkpoint_commit; /* of the last durable checkpoint */
    uint64_t checkpoint_seq;
    uint64_t replay_bytes;      /* since then: bytes of frames, and CUBBY__ROW_COST a changed row */
    uint64_t above;             /* the next commit gets a higher number: lazy commits up to it may have been seen before an unclean stop */
    uint64_t seg_frames;        /* where the frames of the last segment begin: its header does not count for its capacity */
    uint64_t durable_off;       /* where `durable` ends, in the same segment, if it is not `commit` itself */
    uint64_t durable_chain;
    uint64_t spare[2];
};

/* The end of a commit, and that it was synced. */
struct cubby__synced {
    uint64_t commit, chain, seg, off;
};

/* A thread in line for the lead, for a commit or something else. Under g. */
struct cubby__waiter {
    pthread_cond_t wake;
    int asleep;
    int told;  /* the fate of its commit is known: it needs the lead no more */
    int leads; /* it was left the lead */
    struct cubby__waiter *next;
};

/* One commit on its way to the disk. */
struct cubby__commit_node {
    struct cubby__framer framer;
    struct cubby__spool **spools; /* kept until the frames are written */
    size_t spool_count, spool_cap;
    uint64_t commit;
    struct cubby__floors before; /* the floors without this commit: what they go back to if it fails */
    int lazy;
    struct cubby__commit_node *next; /* in the queue */
    struct cubby__waiter waiter;
    int rc; /* once it is told: 0: published */
};

struct cubby__txn {
    struct cubby__store *store;
    struct cubby__view view;
    cubby_error *err;
    struct cubby__commit_node *node; /* NULL in a replay */
    struct cubby__floors floors;
    uint64_t number;
    int64_t now;
    unsigned flags;
    int lazy_ok; /* nothing but records that may be lazy so far */
    int spoiled; /* the code of the failure after which only abort is allowed */
    int replay;
    int grows;     /* it does not only remove: the reserve is not for it */
    uint64_t rows; /* changes of the tree: with the bytes, what a replay costs */
    unsigned misplaced; /* definitions that have no place */
    uint64_t memo;
};

/* A reader slot holds the oldest commit that is read, + 1. This is commit 0: every version is protected, and such a slot is never revoked. */
enum { CUBBY__SLOT_ALL = 1 };

/* A changed row counts like so many bytes when a checkpoint is due: one short FLAGS record may change thousands. */
enum { CUBBY__ROW_COST = 64 };

struct cubby__store {
    const cubby_vfs *vfs;
    char *path;
    cubby_options o;
    const struct cubby__handlers *handlers;
    struct cubby__ident ident;
    int read_only;
    int no_space;         /* read-only, because there was none to recover */
    int may_attach;       /* cubby.id may be written */
    atomic_int disowned;  /* others take it for the owner, but it must take over anew */
    atomic_int alone;     /* alone.c: it reads, and is not attached */
    uint64_t alone_since; /* what SHARED_CURRENT was then. Written under w and v */
    uint64_t token; /* names this handle in the shared page */
    uint64_t generation; /* of the process that opened it (os/fork.h) */
    cubby_file *id_file;
    cubby_file *dir_lock; /* flock of the directory, shared by all that are attached: so nobody makes another cubby.id */
    uint8_t *shared;   /* the mapped page, or memory of our own */
    int shared_mapped;
    int slot;          /* our reader slot, -1: none */
    struct cubby__log *log;

    /* writer side: under w. A handle that is alone looks around under it */
    pthread_mutex_t w;
    struct cubby__published pending; /* as published, with the queued commits added */
    struct cubby__floors floors;     /* of pending */
    struct cubby__commit_node *queue, **queue_tail;
    struct cubby__buf scratch;   /* several commits as one write */
    uint64_t capacity;           /* of the next segments, before the bounds */
    int stopped_cleanly;         /* whoever was here before us left a PROOF last of all */
    uint64_t reserve_of;         /* the segment since which tmp/reserve is known to be there */
    int64_t roll_again_ms;       /* a full disk kept the log from rolling: not before then */
    uint64_t ceiling_commit;     /* the commit that announced pending.ceiling */
    uint64_t renew_from;         /* bytes to be replayed before a copy of the index is tried again (renew.c, Y4) */
    uint64_t doubted[2];         /* X7: versions of the index that a slot on the disk may name beside the checkpoint: [0] one that was found there,
                                  * [1] that of a checkpoint that failed */

    /* group side: under g */
    pthread_mutex_t g;
    struct cubby__commit_node *spare_node;
    struct cubby__waiter *line; /* asleep until they lead or are told; who has waited longest first */
    int leading, users, have_lock, latched;
    int giving_way; /* another is to have the writer lock: no transaction begins before it is let go */
    pthread_cond_t gave_way;
    int64_t turn_ends; /* until then nobody looks whether another waits for it (ticks) */
    struct cubby__synced own_synced; /* the last that a sync of this handle proved */

    /* reader side: under v */
    pthread_mutex_t v;
    struct cubby__view *views;
    struct cubby__pager *pager;
    struct cubby__pager **old_pagers; /* of replaced indexes: snapshots may use them */
    size_t old_pager_count;

    atomic_int tight; /* the reserve has been used: a checkpoint gives index pages back */
    atomic_uint_fast64_t syncs, body_reads;
};

/* shared.c: the shared page and the locks */
int cubby__attach(struct cubby__store *s, int *first, cubby_error *err);
int cubby__attach_ready(struct cubby__store *s, cubby_error *err); /* the first to attach has set everything up */
void cubby__detach(struct cubby__store *s);
/* A handle that never writes joins those that are attached, so that what it reads is not overwritten. CUBBY_DONE: there are none. */
int cubby__attach_beside(struct cubby__store *s, cubby_error *err);
void cubby__leave_beside(struct cubby__store *s);
/* In a forked child this handle may only be closed: its locks and words are the parent's. EINVAL there. */
int cubby__refuse_child(const struct cubby__store *s, cubby_error *err);
/* ESTALE if cubby.id has lost its name: whoever attaches now is not with us. Looked at by every begin. */
int cubby__still_there(struct cubby__store *s, cubby_error *err);
/* ... or if it is somewhere else: a store that was moved may have left its place to another, and new files go by their path. By whoever writes. */
int cubby__still_here(struct cubby__store *s, cubby_error *err);
/* Before the page is written to: once for what follows within a moment. ENOSPC: the file system has no room to copy it, and the kernel would end the
 * process (S8). */
int cubby__page_ready(struct cubby__store *s, cubby_error *err);
/* Does this handle know the free pages? Until another writes, or this one gives it up: then whoever writes next takes over from what is published. */
int cubby__is_owner(struct cubby__store *s);
void cubby__own(struct cubby__store *s);
int cubby__disown(struct cubby__store *s); /* 0: the page is ready */
void cubby__publish(struct cubby__store *s, const struct cubby__published *p);
void cubby__read_published(const struct cubby__store *s, struct cubby__published *out);
uint64_t cubby__current(const struct cubby__store *s); /* changes with every publish */
/* has_turn: others who wait for it do not come first. */
int cubby__writer_lock(struct cubby__store *s, int has_turn, cubby_error *err);
void cubby__writer_unlock(struct cubby__store *s);
int cubby__writer_is_wanted(struct cubby__store *s); /* by another process or handle, which is next */
uint64_t cubby__shared_get(const struct cubby__store *s, size_t off);
void cubby__shared_set(struct cubby__store *s, size_t off, uint64_t v);
/* The oldest commit that any reader of any process may look at; `newest` if there is none. Slots that hold a commit below `ripe` are revoked (S4). */
uint64_t cubby__oldest_reader(struct cubby__store *s, uint64_t newest, uint64_t ripe);
/* Snapshots of commits below this one may be revoked now; 0: none. newest: what is published. By a writer. */
uint64_t cubby__ripe(struct cubby__store *s, uint64_t newest);
void cubby__slot_set(struct cubby__store *s, uint64_t value);
/* Of a handle that has one: */
uint64_t cubby__slot_get(const struct cubby__store *s);
int cubby__slot_swap(struct cubby__store *s, uint64_t from, uint64_t to); /* 0: a writer has revoked it meanwhile */

/* open.c */
int cubby__store_new(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err);
void cubby__store_free(struct cubby__store *s);
/* Removes every file of a folder of the store but those in the NULL-ended list. */
void cubby__empty_dir(struct cubby__store *s, const char *name, const char *const *keep);
int cubby__store_open_bare(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err);

/* last_words.c */
struct cubby__last_words {
    uint64_t commit, seq;        /* commit: known to have been synced (0: none); seq: of the checkpoint before the next one */
    struct cubby__floors floors; /* numbers that were given, whether the segments still say so or not */
    struct cubby__buf defs;      /* the like of what the layer above counts (handlers.outlive) */
};
/* Raises *w to what this file says, if it is an index of this store; what cannot be read of it says nothing. Fails for want of memory, or if a segment cannot
 * be read. */
int cubby__last_words(struct cubby__store *s, const char *name, struct cubby__last_words *w, cubby_error *err);
/* The last commit that this checkpoint proves to have been synced. */
int cubby__index_proves(struct cubby__store *s, struct cubby__pager *p, const struct cubby__meta *m, uint64_t *commit, cubby_error *err);

/* recover.c */
/* Brings the tree from what `from` names (NULL: nothing) to the end of the log, in memory; recovers from an unclean stop if the handle may write.
 * w: what others than the log say. s->pending and s->floors are the result, its root not yet flushed. */
int cubby__recover(struct cubby__store *s, const struct cubby__published *from, const struct cubby__last_words *w, cubby_error *err);

/* alone.c */
int cubby__open_read_only(struct cubby__store *s, cubby_error *err);
/* For a handle that reads alone, so that nobody protects what it reads: attaches if others have come since, or goes on to the state that others left. */
int cubby__keep_up(struct cubby__store *s, cubby_error *err);
uint64_t cubby__last_publish(const struct cubby__store *s);
int cubby__others_are_here(const struct cubby__store *s); /* attached; of a handle that is not */

/* Flags of options inside the library, for read-only handles. */
enum {
    CUBBY__SCRATCH_INDEX = 1 << 16, /* what it rebuilds may be in a file in tmp/, without a name, rather than in memory */
    CUBBY__AS_OPENED = 1 << 17      /* alone, it stays with what it found when it was opened */
};

/* open.c: opens the index that is published now. An error for which cubby__index_lost is 1: it is not there. */
int cubby__follow_published(struct cubby__store *s, cubby_error *err);

/* index.c: opening, replacing and checkpointing the index */
/* How any index of this store is opened, read-only; the path is the caller's to add. */
struct cubby__pager_config cubby__index_config(const struct cubby__store *s);
int cubby__index_open(struct cubby__store *s, cubby_error *err);
int cubby__index_checkpoint(struct cubby__store *s, const struct cubby__published *at, int w_held, cubby_error *err);
int cubby__index_follow(struct cubby__store *s, uint64_t nonce, cubby_error *err);
int cubby__index_lost(int rc); /* of the above: a new one must be built, which takes a writer */
void cubby__old_pagers_close(struct cubby__store *s);
void cubby__old_pagers_drop(struct cubby__store *s); /* those that no snapshot reads any more. Under v */
/* Of a handle that reads alone: has another file the name of this index? */
int cubby__index_replaced(struct cubby__store *s, uint64_t nonce);
/* X3. Takes p over, unless it fails. Under v. */
int cubby__replace_pager(struct cubby__store *s, struct cubby__pager *p, cubby_error *err);
struct cubby__root cubby__published_root(const struct cubby__published *p);
void cubby__set_root(struct cubby__published *p, const struct cubby__root *root);

/* takeover.c: another handle wrote last */
int cubby__index_takeover(struct cubby__store *s, cubby_error *err);

/* commit.c: everything up to there has been synced. */
void cubby__set_durable(struct cubby__published *p, uint64_t commit, uint64_t off, uint64_t chain);

/* group.c */
void cubby__node_free(struct cubby__commit_node *n);

/* rest.c */
/* Between these two nobody writes or syncs, and everything is durable. Not inside a transaction. */
int cubby__quiesce(struct cubby__store *s, cubby_error *err);
void cubby__resume(struct cubby__store *s);
/* Between them: */
int cubby__checkpoint_now(struct cubby__store *s, cubby_error *err);
int cubby__append_proof(struct cubby__store *s, cubby_error *err);

/* anchor.c: versions of the index that no writer may use the pages of, though nobody reads them: older, newer. Returns how many there are. */
enum { CUBBY__ANCHORS = 2 };
size_t cubby__anchors(const struct cubby__store *s, struct cubby__root out[CUBBY__ANCHORS]);
/* p: what is published. */
void cubby__anchors_move(struct cubby__store *s, const struct cubby__published *p, uint64_t oldest_reader);

/* segstat.c */
uint64_t cubby__live_bytes(struct cubby__store *s); /* of all segments, in the pending version; 0 if it cannot be read */

/* txn.c */
int cubby__apply(struct cubby__txn *txn, const struct cubby__record *rec);
int cubby__floors_of(struct cubby__pager *p, const struct cubby__root *root, struct cubby__floors *out, cubby_error *err);
int cubby__floors_load(struct cubby__store *s, const struct cubby__root *root, struct cubby__floors *out, cubby_error *err);
/* There are some for a transaction above these floors. Not so where a forged header or record has one near CUBBY__NUMBER_MAX. */
int cubby__numbers_left(const struct cubby__floors *f);
int cubby__floors_store(struct cubby__store *s, const struct cubby__floors *f, cubby_error *err);

/* view.c: a view that keeps every version from being overwritten until it ends: those that are there now, and those to come. */
int cubby__view_begin_all(struct cubby__store *s, struct cubby__view *view, cubby_error *err);

/* spool.c */
struct cubby__spool *cubby__spool_ref(struct cubby__spool *sp);

/* notice.c */
void cubby__notice(struct cubby__store *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
