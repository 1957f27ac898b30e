/* segcheck.h - what is wrong with the segments, found in one walk: check tells it, repair sees to it. */
#ifndef CUBBY_STORE_SEGCHECK_H
#define CUBBY_STORE_SEGCHECK_H

#include "store/internal.h"

enum cubby__segproblem_kind {
    CUBBY__SEG_NOTED,   /* told, and nothing for a repair: the next writer's recovery sees to it */
    CUBBY__SEG_STRAY,   /* none of the log's: it was to be moved away before */
    CUBBY__SEG_BRANCH,  /* of another copy of the store than the one before it: for people to put right */
    CUBBY__SEG_MISSING, /* segments first to seg are not there */
    CUBBY__SEG_HEADER,  /* neither copy of the header verifies */
    CUBBY__SEG_COPY,    /* one of them does not */
    CUBBY__SEG_HOLE,    /* bytes from..to are no sound frames */
    CUBBY__SEG_CUT      /* a DAMAGE that recovery left for a repair, at from..to */
};

struct cubby__segproblem {
    enum cubby__segproblem_kind kind;
    const char *code;
    int severity;
    uint32_t first, seg;
    uint64_t from, to;   /* of HOLE and CUT; from is also what is told (CUBBY__NO_OFFSET: none); to: not behind the end of the file */
    uint64_t missing;    /* of a HOLE: bytes behind `to` that the file should have and has not */
    uint64_t end;        /* where the segment ends, as its successor says; UINT64_MAX: nobody does */
    uint8_t type;        /* of a HOLE: the frame whose content alone is lost; 0: unknown bytes */
    uint64_t commit;     /* last commit before it */
    const char *detail;
};

struct cubby__segcheck {
    struct cubby__store *s;
    cubby_error *err;
    uint64_t evidence;  /* the index says that the log was synced up to this commit */
    uint32_t only;      /* look at this segment alone; 0: at all */
    /* Set by the walk: the first whole commit behind all that is torn or missing; UINT64_MAX: there is none. */
    uint64_t torn_until;
    int torn;           /* something is, and no whole commit has come since */
    struct cubby__seg_end before; /* of the walk */
    size_t readable;    /* segments whose header is */
    int misnamed;       /* segments that a repair would give their names back: what else is missing nobody knows before that */
    /* A non-zero return ends the walk and is returned. */
    int (*problem)(void *arg, const struct cubby__segproblem *p);
    /* A record that verifies, of a commit that does not as a whole. May be NULL. */
    int (*fragment)(void *arg, const struct cubby__record *rec);
    void *arg;
};

int cubby__segcheck(struct cubby__segcheck *c);

#endif
