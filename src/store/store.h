/* store.h - transactions over log and tree: the narrow door through which mail/ reaches them.
 *
 * A change of the store is a list of records. cubby__txn_log appends one to the transaction and at once hands it to the record handler, which
 * puts its keys into the tree; recovery and rebuild hand the same records, read from the segments, to the same handler. So what a
 * handler does is by construction what a rebuild does. A handler must therefore depend on nothing but the record and the tree: not on
 * the clock, not on the number of the running transaction (rec->commit is the record's), not on what came before in memory.
 *
 * Records reach handlers in commit order, and within a commit in the order in which they were logged; after damage some may be missing. */
#ifndef CUBBY_STORE_STORE_H
#define CUBBY_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"
#include "format/format.h"
#include "log/frame.h"  /* struct cubby__place, cubby__piece */
#include "log/header.h" /* struct cubby__floors */
#include "log/segname.h" /* cubby__segname */
#include "tree/tree.h"

struct cubby__store;
struct cubby__txn;
struct cubby__spool;
struct cubby__view;

struct cubby__record {
    uint8_t type, flags;
    uint64_t commit;
    struct cubby__place place;
    const uint8_t *payload; /* NULL for a PIECE: handlers never need its content */
    size_t len;
    struct cubby__piece piece; /* of a PIECE */
    uint8_t again;             /* a definition that found no place before (cubby__txn_misplaced): others that it needs may be there now */
};

/* Given at open by the layer above: data, not an include. */
struct cubby__handlers {
    /* Puts a record's keys into the tree. Types it does not know: CUBBY_DONE. ECORRUPT: the payload breaks its format; nothing was put. */
    int (*apply)(struct cubby__txn *txn, const struct cubby__record *rec);
    /* The definitions for the header of a new segment: cubby__define each folder, mark and keyword. */
    int (*define)(struct cubby__view *view, struct cubby__buf *defs);
    /* Logs the first records of an empty store (INBOX). */
    int (*create)(struct cubby__txn *txn);
    /* Up to `records` records of any kind were lost: raises the uidnext of every folder by that much (the floors are the store's business). */
    int (*damage)(struct cubby__txn *txn, uint64_t records);
    /* 1: this record only makes the store smaller, so that it may use the reserve of a full disk. Asked for types that are not always so. May be NULL. */
    int (*shrinks)(uint8_t type, const void *payload, size_t len);
    /* view is of an index that is thrown away. Definitions that raise numbers which are counted per folder (uidnext) to what it knew, and say nothing
     * else. Whatever cannot be read is left out; what is there of *defs on failure counts. May be NULL. */
    int (*outlive)(struct cubby__view *view, struct cubby__buf *defs);
};

/* Appends one definition: a record as it was logged in `commit`. */
void cubby__define(struct cubby__buf *defs, uint8_t type, uint64_t commit, const void *payload, size_t len);

/* ---- views: reading one version -------------------------------------------------------------------------------------------------- */

struct cubby__view {
    struct cubby__store *store;
    struct cubby__pager *pager;
    struct cubby__root root;  /* in a transaction: as it was at begin; cubby__view_root gives the present one */
    struct cubby__txn *txn;   /* NULL: a snapshot */
    uint64_t commit;          /* last commit in it */
    struct cubby__lease lease; /* of a snapshot: lost once its slot is revoked */
    int alone;                 /* 1: no slot protects it (alone.c), and ... */
    uint64_t alone_since;      /* ... its pages may be overwritten by whoever publishes after this */
    cubby_error *err;         /* where calls put the detail; owner: whoever made the view */
    struct cubby__view *next; /* list of the store's snapshots */
    struct cubby__view **link;
};

/* A snapshot of the published state: O(1). The struct is the caller's and must not move until cubby__view_end. */
int cubby__view_begin(struct cubby__store *s, struct cubby__view *view, cubby_error *err);
void cubby__view_end(struct cubby__view *view);
struct cubby__root cubby__view_root(const struct cubby__view *view);
/* Of the last commit in it; in a transaction that has logged something, its own. */
uint64_t cubby__view_modseq(const struct cubby__view *view);

/* buf has CUBBY__TREE_VALUE_MAX bytes. CUBBY_DONE: no such key. */
int cubby__view_get(const struct cubby__view *view, const void *key, size_t key_len, uint8_t *buf, size_t *len);
/* Initialises a cursor over the view. In a transaction: to be released before the next change. */
void cubby__view_cursor(const struct cubby__view *view, struct cubby__cursor *c);

/* Reads a frame into *buf (reused, grows) and verifies header and payload; *payload points into buf. For a PIECE *piece (may be NULL otherwise)
 * is filled in; the payload is the stored content. type is what is expected. ECORRUPT names file and offset. May also read the
 * records of the running transaction. */
int cubby__view_read(const struct cubby__view *view, const struct cubby__place *place, uint8_t type, struct cubby__buf *buf, const uint8_t **payload,
                     struct cubby__piece *piece);

/* ---- transactions ---------------------------------------------------------------------------------------------------------------- */

/* Takes the writer lock. err stays in use until the end of the transaction. */
int cubby__txn_begin(struct cubby__store *s, unsigned flags, struct cubby__txn **out, cubby_error *err);
int cubby__txn_commit(struct cubby__txn **txn, uint64_t *modseq);
void cubby__txn_abort(struct cubby__txn **txn);

struct cubby__view *cubby__txn_view(struct cubby__txn *txn);
cubby_error *cubby__txn_err(struct cubby__txn *txn);
uint64_t cubby__txn_number(const struct cubby__txn *txn);  /* of the commit that it will be */
int cubby__txn_spoiled(const struct cubby__txn *txn);      /* what a change failed with, if one did half-way: its rows may not fit each other; or 0 */
int64_t cubby__txn_now(const struct cubby__txn *txn);      /* wall clock, seconds: for records, not for handlers */
uint64_t *cubby__txn_memo(struct cubby__txn *txn); /* a number that the layer above keeps as long as the transaction; 0 at first */
struct cubby__floors *cubby__txn_floors(struct cubby__txn *txn); /* handlers raise them: f->object = max(f->object, id) */

/* Logs a record and applies it. flags: 0 or CUBBY__FRAME_COMPATIBLE. A failure spoils the transaction: every later call returns it. */
int cubby__txn_log(struct cubby__txn *txn, uint8_t type, uint8_t flags, const void *payload, size_t len);
/* The same for what an encoder has put into *payload, which is released. */
int cubby__txn_log_buf(struct cubby__txn *txn, uint8_t type, struct cubby__buf *payload);

/* Stored content of a piece: bytes in memory (copied by the call) or in a spool (which is kept until the end of the transaction). */
struct cubby__content {
    const uint8_t *mem;         /* or NULL */
    struct cubby__spool *spool;
    uint64_t off;
    uint32_t len;
};
int cubby__txn_log_piece(struct cubby__txn *txn, const struct cubby__piece *piece, const struct cubby__content *content);

/* For handlers: changes of the tree. */
int cubby__txn_put(struct cubby__txn *txn, const void *key, size_t key_len, const void *value, size_t value_len);
int cubby__txn_del(struct cubby__txn *txn, const void *key, size_t key_len); /* CUBBY_DONE: no such key */
/* For handlers: bytes of messages in a segment that became (or ceased to be) live, retained. */
int cubby__txn_account(struct cubby__txn *txn, uint32_t seg, int64_t live, int64_t retained);
/* For handlers: a record that has no place (its folder or object is missing); told to the notice callback. A definition is not told of: it comes again. */
void cubby__txn_misplaced(struct cubby__txn *txn, const struct cubby__record *rec, const char *why);

/* ---- spools: bytes on their way in that are too many for memory ------------------------------------------------------------------------ */

/* An unlinked file in tmp/. Counted references; one writer. */
int cubby__spool_new(struct cubby__store *s, struct cubby__spool **out, cubby_error *err);
int cubby__spool_add(struct cubby__spool *sp, const void *p, size_t n, uint64_t *off, cubby_error *err);
int cubby__spool_read(struct cubby__spool *sp, uint64_t off, void *p, size_t n, cubby_error *err);
void cubby__spool_unref(struct cubby__spool **sp);

/* ---- stores ----------------------------------------------------------------------------------------------------------------------- */

int cubby__store_create(const char *path, const cubby_options *o, const struct cubby__handlers *h, cubby_error *err);
int cubby__store_open(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__store **out, cubby_error *err);
/* In a forked child: lets go of everything without touching what the parent uses. */
int cubby__store_close(struct cubby__store **s, cubby_error *err);
int cubby__is_child(const struct cubby__store *s); /* of the process that opened it */
int cubby__store_read_only(const struct cubby__store *s);
int cubby__store_sync(struct cubby__store *s, cubby_error *err);
int cubby__store_checkpoint(struct cubby__store *s, cubby_error *err);
int cubby__store_get_stat(struct cubby__store *s, cubby_stat *out, cubby_error *err); /* what is not counted per folder */
void cubby__store_count_body_read(struct cubby__store *s); /* cubby_stat.body_reads + 1; any thread */

/* ---- checking --------------------------------------------------------------------------------------------------------------------- */

/* For the layer above, which knows what records mean. Every member may be NULL. */
struct cubby__check_hooks {
    const struct cubby__handlers *spy;                            /* for the rebuild, instead of the store's own */
    void (*begin)(void *arg);                                     /* a rebuild begins (again) */
    int (*fragment)(void *arg, const struct cubby__record *rec);  /* a record that verifies, of a commit that does not as a whole */
    int (*hurt)(void *arg, uint32_t first, uint32_t last);        /* in these segments something is damaged, or they are gone; ascending */
    int (*rebuilt)(void *arg, struct cubby__store *fresh);        /* the state that the segments say, in memory */
    int (*known)(void *arg, struct cubby__view *checkpoint);      /* last, if something is hurt and the index sound: what its checkpoint says */
    void *arg;
};

/* Checks every segment frame by frame, every page of the index, and the index against one built anew. Adds to *result. s is a read-only handle; from
 * now on it stays with the state that it has, whatever others write. */
int cubby__store_check(struct cubby__store *s, const struct cubby__check_hooks *hooks, cubby_finding_fn fn, void *arg, cubby_check_result *result,
                       cubby_error *err);

/* Whether the index may be asked what damaged segments do not say any more. 0: no, a page of it does not verify. WHOLE: it was never built over
 * damage and knows everything up to *commit. PART: it was, or followed the log over some: what it says is true, but not all that is true. */
enum { CUBBY__INDEX_WHOLE = 1, CUBBY__INDEX_PART };
int cubby__index_is_whole(struct cubby__store *s, uint64_t *commit, cubby_error *err);

/* Checks a store that cannot be opened: its segments alone. */
int cubby__store_check_closed(const char *path, const cubby_options *o, const struct cubby__handlers *h, cubby_finding_fn fn, void *arg,
                              cubby_check_result *result, cubby_error *err);

/* Was anybody else at work? A handle that was alone when it was opened is not protected from writers that come later: what it has read counts only if
 * what is noted before it is opened and again at the end is the same. */
struct cubby__witness {
    uint64_t seq, nonce, count, end;
    int others, protected;
};
int cubby__witness_before(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__witness *w, cubby_error *err);
int cubby__witness(struct cubby__store *s, struct cubby__witness *w, cubby_error *err);
int cubby__witness_same(const struct cubby__witness *a, const struct cubby__witness *b);

/* For a spy: the table that these records are applied with. */
const struct cubby__handlers *cubby__txn_handlers(const struct cubby__txn *txn);

#endif
