/* recover.h - what recover.c, replay.c, tail.c and successor.c share: from the segments back to a tree (FORMAT.md 9).
 *
 * R1  Every acknowledged commit survives: what is proven is never touched, what is valid behind the proven end is copied into the successor.
 * R2  A bad commit N is damage if anything proves that N or a later one had been synced; then what is later stays, and of N the frames that
 *     verify. Otherwise it is a torn tail: nobody was told that it is there, and it is dropped. Each segment begins behind the commit that its own
 *     header names, whatever stands before it: files of two stores that were one once keep what they hold.
 * R3  Nothing is written to the old segment again: its end is what the successor's header says, and only the successor's name makes that count. So
 *     a crash at any point of recovery leaves the old state, and recovery may run again.
 * R4  The tail is in the successor, and synced, before it has its name; bytes that only the page cache held are thus written anew.
 * R5  No number is ever given twice: floors are raised by what is read, by every header, and by what damaged bytes could have held;
 *     where the end of the log is lost, by what the index that does not fit it knew, and that on top of it.
 *
 * Steps: 1 list the segments; 2 replay each up to its accepted end; 3 look over the last one: proven end, tail, torn or damaged; 4 if it was
 * left uncleanly, build the successor in tmp/, sync, rename, sync the directory; 5 replay the successor. */
#ifndef CUBBY_STORE_RECOVER_H
#define CUBBY_STORE_RECOVER_H

#include "store/internal.h"

struct cubby__replay {
    struct cubby__store *s;
    struct cubby__txn txn;
    cubby_error *err;
    int rebuild;           /* from nothing: definitions in headers count */
    uint64_t commit, chain; /* reached, in the order of the log */
    struct cubby__seg_end before; /* the segment that was replayed last */
    uint64_t record_bytes;
    uint64_t evidence;
    const struct cubby__last_words *words;
    int met_damage;      /* bytes were passed over that no DAMAGE covers */
    int adopt;           /* the chain at the beginning of the next range is not known: its first commit is taken at its word */
    uint64_t unreadable; /* bytes of segments behind the last one whose header can be read */
    uint64_t durable, ceiling;
    uint64_t vouched; /* durable without the evidence: what the log proves */
};

/* What is found behind the start of the last segment. */
struct cubby__tail {
    uint64_t accepted;               /* end of what is proven */
    uint64_t commit, chain;          /* there */
    uint64_t valid;                  /* end of the last commit that may be kept */
    uint64_t valid_commit, valid_chain, ceiling;
    uint64_t dropped;                /* bytes of a torn tail */
    int unclean, damaged;
    int endless;                     /* the damage has no end that is known: bytes behind it may be missing, too */
    int marked;                      /* by a roll: the successor had its name, and is not there */
    int cut;                         /* commits that had been synced are not there: the successor says so until a repair has seen to it */
    int adopt;                       /* what came before the first commit of the tail is lost: it is taken at its word */
};

/* replay.c: records to the tree (step 2). */
int cubby__apply_definitions(struct cubby__replay *r, const struct cubby__seg_header *h);
void cubby__raise_floors(struct cubby__floors *f, const struct cubby__floors *to);
/* R5: so many bytes cannot be read any more; each frame takes at least a header. So many records may have been there; at most DAMAGE_RECORDS_MAX, for a
 * header alone may say how many bytes there were. */
uint64_t cubby__records_in(uint64_t bytes);
int cubby__lost_bytes(struct cubby__replay *r, uint64_t bytes);
/* R5: the end of the log is lost. Numbers go on above those that an index knew: else two losses behind the same place would give the same. */
int cubby__outlive(struct cubby__replay *r);
/* The commits of a segment between two offsets; damage on the way is reported, passed over, and what verifies of it taken. */
int cubby__replay_range(struct cubby__replay *r, uint32_t seg, uint64_t nonce, uint64_t from, uint64_t to);

/* tail.c: what is proven of the last segment, and what is behind it (step 3). */
int cubby__look_over(struct cubby__replay *r, uint32_t seg, const struct cubby__seg_header *h, uint64_t from, struct cubby__tail *t);

/* successor.c: payload of a DAMAGE of this length, zeros behind what it says. */
void cubby__damage_encode(uint8_t kind, uint64_t records, uint8_t *p, size_t n);
/* The tail in a segment of its own (step 4). *nh is its header; the caller releases it. */
int cubby__build_successor(struct cubby__replay *r, uint32_t seg, uint32_t number, const struct cubby__seg_header *h, const struct cubby__tail *t, struct cubby__seg_header *nh);

#endif
