/* bytes.h - little-endian integers in PST files. */
#ifndef CUBBY_TOOLS_PST_BYTES_H
#define CUBBY_TOOLS_PST_BYTES_H

#include <stdint.h>

static inline uint16_t pst_get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t pst_get32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t pst_get64(const uint8_t *p)
{
    return pst_get32(p) | (uint64_t)pst_get32(p + 4) << 32;
}

static inline void pst_put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void pst_put32(uint8_t *p, uint32_t v)
{
    pst_put16(p, (uint16_t)v);
    pst_put16(p + 2, (uint16_t)(v >> 16));
}

static inline void pst_put64(uint8_t *p, uint64_t v)
{
    pst_put32(p, (uint32_t)v);
    pst_put32(p + 4, (uint32_t)(v >> 32));
}

#endif
