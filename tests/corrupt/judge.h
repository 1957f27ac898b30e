/* judge.h - one damaged store, checked and read; what must hold ends the test if it does not. */
#ifndef CUBBY_TESTS_CORRUPT_JUDGE_H
#define CUBBY_TESTS_CORRUPT_JUDGE_H

#include "corrupt/content.h"
#include "corrupt/image.h"
#include "corrupt/map.h"

struct verdict {
    int check_rc, findings, notes, notices; /* of the check; and what a writer's open tells */
    int refused;                            /* opens that failed, of three */
    int differ;                             /* things that read differently */
    char codes[240], message[400];
};

struct bench {
    const struct content *content, *history;
    const struct map *map;
    const struct verdict *sound; /* what is told of the undamaged store; NULL: nothing is known yet */
    int verbose;
};

enum due what_is_told(const struct bench *b, const struct verdict *v);

/* The damaged image has the same files as the map's, with p NULL for one that is gone. */
/* Repairs it: the second run finds nothing, and what was healthy is still there. */
void judge_repair(const struct bench *b, const struct image *im, const struct rest *rest, const char *what);
void judge(const struct bench *b, const struct image *im, const struct rest *rest, const char *what, struct verdict *out);

#endif
