/* orphan.h - what is left of commits that were torn: objects without entry, pieces without object. */
#ifndef CUBBY_MAIL_ORPHAN_H
#define CUBBY_MAIL_ORPHAN_H

#include "store/store.h"

struct cubby__orphan {
    uint8_t type;     /* of the record: OBJECT or PIECE */
    uint8_t kind;     /* CUBBY__PIECE_... */
    uint8_t dropped;  /* it turned out to have a home */
    uint32_t orig_len;
    uint64_t id, commit;
    struct cubby__place place;
};

/* An ENTRY of a torn commit. */
struct cubby__torn_entry {
    uint64_t commit, object;
};

/* As long as the torn commits of the log: 40 bytes for a PIECE or an OBJECT, 16 for an ENTRY, all of which take more than that in the log. */
struct cubby__orphans {
    struct cubby__orphan *at; /* in the order of the log */
    size_t count, cap;
    struct cubby__torn_entry *entries;
    size_t entry_count, entry_cap;
};

/* A record of a torn commit; one that says nothing of objects or pieces is passed over. CUBBY_ENOMEM. */
int cubby__orphans_add(struct cubby__orphans *o, const struct cubby__record *rec);
void cubby__orphans_forget(struct cubby__orphans *o);
void cubby__orphans_release(struct cubby__orphans *o);
/* Keeps what really has no home, in the state that all segments together say. */
int cubby__orphans_settle(struct cubby__orphans *o, struct cubby__view *view);
/* The orphan at *pos, or the run of pieces that begins there and makes one message: [*first, *pos). 0 at the end. */
int cubby__orphans_next(const struct cubby__orphans *o, size_t *pos, size_t *first);

#endif
