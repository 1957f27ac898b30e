/* segscan.h - the frames of one segment in order, and the commits that they make. Nothing that it yields is unverified. */
#ifndef CUBBY_LOG_SEGSCAN_H
#define CUBBY_LOG_SEGSCAN_H

#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"
#include "log/frame.h"
#include "log/log.h"

/* A record within a gathered commit. */
struct cubby__gathered {
    uint8_t type, flags;
    struct cubby__place place;
    uint64_t commit;
    size_t payload; /* offset in the arena; of a PIECE there is none */
    struct cubby__piece piece;
};

struct cubby__segscan {
    struct cubby__log *log;
    uint32_t seg;
    struct cubby__seed seed;
    uint64_t pos, limit;
    int pieces; /* 1: payloads of pieces are read and verified too (an unproven tail) */
    cubby_error *err;

    /* the window on the file: bytes [win_off, win_off + win.len) */
    struct cubby__buf win;
    uint64_t win_off;

    /* the commit being gathered */
    struct cubby__buf headers, arena;
    struct cubby__gathered *records;
    size_t count, cap;
    uint64_t begin; /* of its first frame */

    /* the last commit yielded, or where gathering starts from */
    uint64_t last_commit, last_chain;
    int adopt;                 /* behind damage: the next COMMIT is taken at its word, so that what follows can be chained to it */
    uint64_t durable, ceiling; /* highest seen; PROOFs count as durable, and end a ceiling */
    uint64_t proof_commit, proof_chain, proof_end; /* of the last PROOF passed */
    struct cubby__commit head; /* of the commit yielded */
    uint64_t rest_end;         /* behind the last DAMAGE_REST passed */
};

/* From frame offset `pos` to `limit`, behind commit `last_commit` with `last_chain`. */
int cubby__segscan_open(struct cubby__segscan *s, struct cubby__log *log, uint32_t seg, uint64_t nonce, uint64_t salt, uint64_t pos, uint64_t limit,
                        uint64_t last_commit, uint64_t last_chain, cubby_error *err);
void cubby__segscan_close(struct cubby__segscan *s);

/* The next whole commit, chained to the one before: its records are in s->records, s->last_commit is its number, s->pos is behind it, s->begin at
 * its first frame. CUBBY_DONE: nothing more (the limit, or zeros from s->pos on as far as a frame header goes). CUBBY_ECORRUPT: at s->pos stands something that
 * is no frame, or a commit that does not verify: gathered frames stay in s->records (each verified by itself). PROOFs are taken into s->durable in passing.
 * A DAMAGE ends what is gathered like a COMMIT, itself included, and is yielded under the number of the commit before. */
int cubby__segscan_next(struct cubby__segscan *s);

/* After CUBBY_ECORRUPT: to the next frame behind s->pos that verifies, header and payload; CUBBY_DONE if there is none before the limit. Goes in steps of 8 bytes,
 * over a frame of which only the header verifies in one: so each byte is read once, whatever headers claim. Forgets what is gathered. The commit that comes
 * next is not checked against the chain: what was before it is lost. */
int cubby__segscan_resync(struct cubby__segscan *s);

/* After CUBBY_ECORRUPT, instead: if the header at s->pos verifies, only the content of that frame is lost: passes over it, *type is what it was. CUBBY_DONE:
 * it does not, or the frame is sound and what is wrong is the commit. */
int cubby__segscan_skip(struct cubby__segscan *s, uint8_t *type);

/* After CUBBY_ECORRUPT or zeros, in a segment with this header and this accepted end: 1: what stood from s->pos to the end was a PROOF. Nothing is lost with it:
 * it is the only thing that may never have been synced, and no commit is that short; what the segment was made with is no PROOF. */
int cubby__segscan_lacks_proof(const struct cubby__segscan *s, const struct cubby__seg_header *h, uint64_t end);

/* Does the segment follow what was found before it? As its header says; or as its first commit does, which is chained to that end, or it has none: then
 * the header is wrong. APART: both are sound, and of copies of the store that went on apart. Else an error. */
enum { CUBBY__FOLLOWS, CUBBY__FOLLOWS_UNNAMED, CUBBY__APART };
int cubby__segscan_follows(struct cubby__log *log, uint64_t salt, const struct cubby__seg_header *h, const struct cubby__seg_end *before, cubby_error *err);

/* After CUBBY_ECORRUPT or zeros: 1: too little for a frame before that end (UINT64_MAX: none is known), or nothing. No DAMAGE fits there either; what
 * is torn before it was cut off by a recovery, which has said what may be lost. */
int cubby__segscan_no_room(const struct cubby__segscan *s, uint64_t end);

/* 1: the file ends at s->pos with a DAMAGE_REST: what is missing behind it is known to be lost. */
int cubby__segscan_at_rest(const struct cubby__segscan *s);

/* Offset of the first non-zero byte at or behind `from`; UINT64_MAX if all is zero up to the limit. */
int cubby__segscan_nonzero(struct cubby__segscan *s, uint64_t from, uint64_t *off);

#endif
