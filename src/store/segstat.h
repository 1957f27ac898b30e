/* segstat.h - the row of a segment in the index. */
#ifndef CUBBY_STORE_SEGSTAT_H
#define CUBBY_STORE_SEGSTAT_H

#include "store/internal.h"

struct cubby__segstat {
    uint64_t live, retained; /* bytes of frames of messages that are in a folder, that are in none */
};

int cubby__segstat_decode(const uint8_t *p, size_t n, struct cubby__segstat *out);

#endif
