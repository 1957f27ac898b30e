/* sample.h - the store that is damaged: small, of several segments, with every kind of record, a checkpoint, and commits that nothing proves. */
#ifndef CUBBY_TESTS_CORRUPT_SAMPLE_H
#define CUBBY_TESTS_CORRUPT_SAMPLE_H

#include "corrupt/content.h"
#include "corrupt/image.h"

enum { SAMPLE_SEGMENT_BYTES = 3000, EARLIER = 2 };

struct sample {
    struct image killed;           /* as a killed process leaves it: a checkpoint, commits behind it, the last ones unproven */
    struct image stopped;          /* the same commits, checkpoint and clean stop behind them */
    struct image earlier[EARLIER]; /* the same store, long before */
    struct content content;        /* what killed and stopped hold */
    struct content history;        /* every message that ever was */
};

void sample_make(uint64_t seed, struct sample *out);
void sample_drop(struct sample *s);

#endif
