/* repair_file.h - a segment file that takes the name of a damaged one, which goes to quarantine (repair.h, P1 to P3). */
#ifndef CUBBY_STORE_REPAIR_FILE_H
#define CUBBY_STORE_REPAIR_FILE_H

#include "store/internal.h"
#include "store/repair.h"

/* Bytes that a DAMAGE is to cover: at least a frame header. */
struct cubby__hole {
    uint64_t from, to;
    uint64_t commit; /* last one before */
    uint8_t kind;    /* CUBBY__DAMAGE_... */
    uint64_t lost;   /* bytes, of a STRETCH or REST */
};

struct cubby__newseg {
    struct cubby__store *s;
    uint32_t seg;
    cubby_file *old, *file; /* old: NULL if there was none */
    char *tmp, *path;
    struct cubby__seed seed; /* the caller gives the nonce */
    uint64_t old_size;
};

int cubby__newseg_begin(struct cubby__newseg *n, struct cubby__store *s, uint32_t seg, cubby_error *err);
int cubby__newseg_copy(struct cubby__newseg *n, uint64_t from, uint64_t to, cubby_error *err); /* of the old one; zeros behind its end */
int cubby__newseg_write(struct cubby__newseg *n, const void *p, size_t len, uint64_t off, cubby_error *err);
/* Both copies; h->frames is set. */
int cubby__newseg_header(struct cubby__newseg *n, struct cubby__seg_header *h, cubby_error *err);
int cubby__newseg_cover(struct cubby__newseg *n, const struct cubby__hole *hole, cubby_error *err);
/* P1, ahead of the end. */
int cubby__newseg_quarantine(struct cubby__newseg *n, cubby_error *err);
/* Quarantines the old one (P1) and gives the new one its name (P3). Ends it in any case. */
int cubby__newseg_end(struct cubby__newseg *n, cubby_error *err);
void cubby__newseg_abort(struct cubby__newseg *n);

/* Could a segment be given a name now? A file of no bytes comes and goes in segments/, under a name that none has. */
int cubby__try_segments(struct cubby__store *s, cubby_error *err);

/* A path in quarantine/ that nothing has: NAME, NAME.1 and so on. 0 or a negative errno; owner: the caller, NULL on an error. */
int cubby__quarantine_name(const cubby_vfs *vfs, const char *dir, const char *name, char **out);
/* The file itself, whatever it is, under a name that is free there; and that is told. ENOENT: somebody else has moved it. */
int cubby__move_to_quarantine(struct cubby__store *s, uint32_t seg, struct cubby__repairs *t, cubby_error *err);

/* repair_header.c: a header for a file whose own are gone, when its nonce is known: then its frames verify. proven: a commit, for SEG_PROVEN_COMMIT.
 * DONE: it has none. */
int cubby__mend_header(struct cubby__store *s, uint32_t seg, uint64_t nonce, const struct cubby__floors *floors, uint64_t proven, struct cubby__repairs *t,
                       cubby_error *err);
/* An empty segment in the place of one that is gone, so that nobody waits for it any more. kind: of the DAMAGE in it; floors: NULL: none. */
int cubby__stand_in(struct cubby__store *s, uint32_t seg, uint8_t kind, const struct cubby__floors *floors, cubby_error *err);

#endif
