/* repair.h - putting damaged segments right (FORMAT.md 9.1).
 *
 * P1  Nothing that a repair finds is overwritten or removed: the damaged file is copied to quarantine/, whole and synced, before a new one takes its name.
 * P2  The new one has the same number, the same nonce, and every frame that verifies at its old place: so headers that name it, the index and readers go on
 *     without a change. What does not verify is covered with DAMAGE frames. Bytes of sound messages are copied, never made anew.
 * P3  It is complete and synced before it is renamed: a crash leaves the old segment or the new one, and repair may run again.
 * P4  A DAMAGE says that all that could be saved has been: whatever is logged to save it is committed before the segment is replaced.
 * P5  The segment that is being appended to is never replaced: a damaged one is first followed by another.
 * P6, what clients must hear of, is for mail/ to keep (FORMAT.md 9.1, mail/resync.h). */
#ifndef CUBBY_STORE_REPAIR_H
#define CUBBY_STORE_REPAIR_H

#include "store/store.h"

/* Told what is done, as a finding of severity NOTE. */
struct cubby__repairs {
    cubby_finding_fn fn;
    void *arg;
    uint64_t count;
};
int cubby__repair_tell(struct cubby__repairs *t, cubby_error *err, const char *code, const char *file, uint64_t off, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* ---- cubby.id: repair_id.c ---- */

enum cubby__ident_state { CUBBY__IDENT_SOUND, CUBBY__IDENT_COPY, CUBBY__IDENT_LOST, CUBBY__IDENT_FOREIGN };
/* LOST: cubby.id is missing or says nothing, and segments say what it was. FOREIGN: it is sound, and all segments that can be read, most of them, agree on
 * another store. What a repair replaces goes to quarantine. */
int cubby__ident_state(const cubby_vfs *vfs, const char *dir, enum cubby__ident_state *out, cubby_error *err);
int cubby__ident_repair(const cubby_vfs *vfs, const char *dir, enum cubby__ident_state *was, cubby_error *err);

/* ---- segments: repair_names.c, repair_open.c, repair.c ---- */

/* Until s is closed nobody attaches: they would recover what is replaced meanwhile. It also makes the shared page void, for those who hold no lock, and takes
 * the writer lock. *in_use: somebody is attached, and nothing of this was done. */
int cubby__repair_lock(struct cubby__store *s, int *in_use, cubby_error *err);

/* Segments of this store that stand under another's name get their own, where it is free or can be made so; and, if anybody is attached, none does. What
 * is found then is another store: it must be checked again. */
int cubby__repair_names(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__repairs *t, cubby_error *err);

/* A store none of whose segments has a readable header gets an empty one behind them, so that it can be opened. */
int cubby__repair_openable(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__repairs *t, cubby_error *err);

/* Frames that verify and make no sense: to be covered, too. */
struct cubby__misfit {
    struct cubby__place place;
    uint64_t commit;
    uint8_t type;
};

/* What is to be done to the segments. */
struct cubby__plan;

/* Looks at all segments; begins a new one if the last is damaged (P5). fragment: as in cubby__check_hooks. Owner: the caller. */
int cubby__plan_make(struct cubby__store *s, const struct cubby__misfit *misfits, size_t misfit_count,
                     int (*fragment)(void *arg, const struct cubby__record *rec), void *arg, struct cubby__plan **out, cubby_error *err);
void cubby__plan_free(struct cubby__plan **p);
int cubby__plan_empty(const struct cubby__plan *p);
int cubby__plan_has(const struct cubby__plan *p, uint32_t seg); /* that segment is damaged or gone */
/* What may have been lost that clients have heard of and no later record repeats, of commits up to *through. */
enum {
    CUBBY__LOST_ANY = 1,   /* a FOLDER or EXPUNGE: nobody knows what */
    CUBBY__LOST_ENTRY = 2,
    CUBBY__LOST_FLAGS = 4,
    CUBBY__LOST_KEYWORD = 8,
    CUBBY__LOST_END = 16   /* the end of the log: no index knows what stood behind the commit that it ends with */
};
unsigned cubby__plan_losses(const struct cubby__plan *p, uint64_t *through);

/* Makes headers again where that is possible, and so more readable; what is no regular file goes to quarantine. DONE: there were none; OK: the plan must be
 * made anew. */
int cubby__plan_mend_headers(struct cubby__store *s, const struct cubby__plan *p, struct cubby__repairs *t, cubby_error *err);
/* Copies what apply will copy, to quarantine, too, and gives nothing a name: whether there is room for that, and leave to do it, is to be known before
 * anything is logged, for what the index knows is asked once, and clients hear of a repair each time. */
int cubby__plan_rehearse(struct cubby__store *s, const struct cubby__plan *p, cubby_error *err);
/* All the rest. */
int cubby__plan_apply(struct cubby__store *s, const struct cubby__plan *p, struct cubby__repairs *t, cubby_error *err);

#endif
