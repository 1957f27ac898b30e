#include "base/varint.h"

uint64_t cubby__read_varint_slow(struct cubby__reader *r)
{
    uint64_t v = 0;
    for (unsigned shift = 0; shift < 64 && r->p < r->end && !r->bad; shift += 7) {
        uint8_t b = *r->p++;
        if (shift == 63 && b > 1)
            break; /* more than 64 bits */
        v |= (uint64_t)(b & 0x7f) << shift;
        if (b < 0x80) {
            if (b == 0 && shift > 0)
                break; /* not the shortest form */
            return v;
        }
    }
    r->bad = 1;
    r->p = r->end; /* so that nothing more is read */
    return 0;
}
