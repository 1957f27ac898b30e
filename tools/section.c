#include "section.h"

#include <stdlib.h>

/* The n-th child of a part, from 1. */
static long child(const cubby_part *parts, size_t count, size_t of, unsigned long n)
{
    for (size_t i = of + 1; i < count && parts[i].depth > parts[of].depth; i++)
        if (parts[i].parent == of && --n == 0)
            return (long)i;
    return -1;
}

/* Part n of the entity: a message in its own right, or a part that was named before. */
static long step(const cubby_part *parts, size_t count, size_t at, int as_message, unsigned long n)
{
    if (!as_message && parts[at].kind == CUBBY_PART_MESSAGE) {
        long inner = child(parts, count, at, 1);
        if (inner < 0)
            return -1;
        at = (size_t)inner;
        as_message = 1;
    }
    if (parts[at].kind == CUBBY_PART_MULTIPART)
        return child(parts, count, at, n);
    return as_message && n == 1 ? (long)at : -1;
}

long section_find(const cubby_part *parts, size_t count, const char *number)
{
    long at = 0;
    if (count == 0)
        return -1;
    for (int as_message = 1; at >= 0; as_message = 0) {
        char *end;
        if (*number < '1' || *number > '9')
            return -1;
        unsigned long n = strtoul(number, &end, 10);
        at = step(parts, count, (size_t)at, as_message, n);
        if (*end == 0)
            return at;
        if (*end != '.')
            return -1;
        number = end + 1;
    }
    return -1;
}
