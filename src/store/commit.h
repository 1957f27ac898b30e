/* commit.h - what commit.c, group.c, roll.c, space.c and renew.c share: how transactions become durable (FORMAT.md 8).
 *
 * C1  A commit is on stable storage before anybody sees it: publish comes after the sync of the log (lazy commits excepted, whose numbers
 *     stay below a ceiling that a synced commit has announced, and are passed over after an unclean stop).
 * C2  Until the first byte is appended nothing has happened: what fails before that (space, index pages) fails those transactions only.
 * C3  After the first byte a failed append is undone by a new segment, whose header accepts the old one only up to what is published. If that cannot be
 *     made, or a sync failed, the outcome is unknown: the log is latched for all, and nothing more is written before a recovery.
 * C4  Commits are appended and published in the order of their numbers; a sync publishes what was appended before it began.
 * C5  Log bytes once written are never overwritten, and a segment is never cut below its accepted end.
 * C6  A new segment is complete and synced before it has its name; the old one is synced before that, for the new header vouches for it.
 *
 * Locks are taken in this order: leadership (s->leading), w, g. Nobody waits for leadership with w held.
 *
 * The order of a group: 1 reserve log space, 2 write index pages, 3 append, 4 sync the log (C1), 5 publish; then, if due, a checkpoint. */
#ifndef CUBBY_STORE_COMMIT_H
#define CUBBY_STORE_COMMIT_H

#include "log/segmake.h"
#include "store/internal.h"

enum { CUBBY__COALESCE = 1 << 20 }; /* commits of a group are joined to one write up to here; larger buffers are not kept */

/* commit.c: this process among the others. w is held. */
int cubby__enter(struct cubby__store *s, cubby_error *err); /* one more user of the writer lock */
void cubby__leave(struct cubby__store *s);                  /* w need not be held */
/* Another process wrote last, or a write of this one failed: what is published is where to go on from. */
int cubby__current_state(struct cubby__store *s, cubby_error *err);
void cubby__note_synced(struct cubby__store *s);
/* A sync of this handle proved everything up to there. */
void cubby__synced_at(struct cubby__store *s, const struct cubby__published *p);

/* group.c: leadership. Whoever leads writes, syncs and publishes what is queued. Those who want to, for a commit or for anything else, stand in one line;
 * a leader leaves the lead to whoever has waited longest. */
void cubby__lead_in_turn(struct cubby__store *s); /* not with w held */
void cubby__lead_done(struct cubby__store *s);
/* By the leader: everything queued. Returns the failure that hit the group. */
int cubby__lead(struct cubby__store *s, int w_held, cubby_error *err);
/* Until the fate of a queued commit is known: in another's group, or leading one. */
int cubby__wait_for(struct cubby__store *s, struct cubby__commit_node *n, cubby_error *err);
/* By the leader, with w held: everything queued, and every lazy commit, is durable and published. */
int cubby__settle(struct cubby__store *s, cubby_error *err);
void cubby__latch(struct cubby__store *s);

enum { CUBBY__RESERVE_LOG = 8 << 10 }; /* zeros behind the end of the log that only what removes may use (space.c, N2) */

/* roll.c: by the leader, with w held. */
uint64_t cubby__capacity(struct cubby__store *s);
int cubby__is_full(struct cubby__store *s);
int cubby__roll(struct cubby__store *s, cubby_error *err);
int cubby__roll_to_reserve(struct cubby__store *s, cubby_error *err); /* on a full disk, of tmp/reserve */
/* Nothing queued, the log settled up to what is pending. */
enum cubby__need {
    CUBBY__IF_ROOM,      /* and the reserve behind it (N2) */
    CUBBY__FROM_RESERVE, /* or of tmp/reserve, which brings its own */
    CUBBY__AT_ANY_PRICE  /* or without */
};
int cubby__new_segment(struct cubby__store *s, enum cubby__need need, int *named, cubby_error *err);
/* An index of which a page did not verify makes way for a new one, once nothing is queued. */
int cubby__replace_damaged(struct cubby__store *s, cubby_error *err);

/* space.c: w is held. */
int cubby__space_for(struct cubby__store *s, const struct cubby__txn *txn, cubby_error *err); /* N1; before the transaction is queued */
/* So many zeros are written ahead at a time when the segment ends at `end`. */
uint64_t cubby__zero_step(struct cubby__store *s, uint64_t end);
int cubby__is_tight(const struct cubby__store *s); /* the next transaction has not even the reserve */
int cubby__make_headroom(struct cubby__store *s, cubby_error *err); /* by the leader: then it has, if anything can be done */
/* Begins a segment like cubby__seg_make_begin, of tmp/reserve. ENOENT: there is none. */
int cubby__seg_from_reserve(struct cubby__store *s, struct cubby__seg_header *h, uint64_t *size, struct cubby__seg_maker **m, cubby_error *err);

/* renew.c: one of which a sync failed makes way for a copy when a checkpoint is due. By the leader, with w held; then cubby__current_state
 * says where to go on from. */
int cubby__renewal_is_due(const struct cubby__store *s);
void cubby__renew_if_due(struct cubby__store *s);

#endif
