/* bits.h - a set of numbers below 2^27, in pieces: memory goes with what is in it. */
#ifndef CUBBY_TOOLS_PST_BITS_H
#define CUBBY_TOOLS_PST_BITS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

enum { PST_BITS_PIECE = 4096, PST_BITS_PIECES = (1 << 27) / (8 * PST_BITS_PIECE) };

struct pst_bits {
    uint8_t *pieces[PST_BITS_PIECES];
};

/* Sets the bit; returns what it was. */
static inline int pst_bits_set(struct pst_bits *b, uint32_t i)
{
    uint8_t **piece = &b->pieces[(i >> 15) % PST_BITS_PIECES];
    if (!*piece)
        *piece = memset(cli_malloc(PST_BITS_PIECE), 0, PST_BITS_PIECE);
    uint8_t *byte = &(*piece)[i % 32768 / 8], mask = (uint8_t)(1u << i % 8);
    int was = (*byte & mask) != 0;
    *byte |= mask;
    return was;
}

static inline int pst_bits_get(const struct pst_bits *b, uint32_t i)
{
    const uint8_t *piece = b->pieces[(i >> 15) % PST_BITS_PIECES];
    return piece && (piece[i % 32768 / 8] & 1u << i % 8);
}

static inline void pst_bits_free(struct pst_bits *b)
{
    for (int i = 0; i < PST_BITS_PIECES; i++)
        free(b->pieces[i]);
    memset(b, 0, sizeof *b);
}

#endif
