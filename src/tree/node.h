/* node.h - the bytes of one tree page: header, slots in key order, cells growing down from the end.
 *
 * A leaf cell is key length, value length (varints), key, value. A branch cell is child page (u64), child checksum (u64, 0 while the child is
 * not flushed), key length (varint), key: every key below that child is >= this one; the first cell's key is empty. Bytes that belong to
 * no cell are zero. Everything here takes a page that cubby__node_problem found sound, so nothing checks bounds again; what changes a page takes
 * one that cubby__node_order_problem passed, too. */
#ifndef CUBBY_TREE_NODE_H
#define CUBBY_TREE_NODE_H

#include <string.h>

#include "base/bytes.h"
#include "tree/tree.h"

#define CUBBY__NODE_SPACE (CUBBY__PAGE_SIZE - CUBBY__TREE_SLOTS_OFF) /* bytes for slots and cells */
#define CUBBY__NODE_SLOT  2u

#define CUBBY__BRANCH_PAGE_OFF 0
#define CUBBY__BRANCH_SUM_OFF  8
#define CUBBY__BRANCH_KEY_OFF  16

#define CUBBY__LEAF_CELL_MAX   (4u + CUBBY__TREE_KEY_MAX + CUBBY__TREE_VALUE_MAX)
#define CUBBY__BRANCH_CELL_MAX (CUBBY__BRANCH_KEY_OFF + 2u + CUBBY__TREE_KEY_MAX)

_Static_assert(2 * (CUBBY__LEAF_CELL_MAX + CUBBY__NODE_SLOT) <= CUBBY__NODE_SPACE, "two cells fit in a page");
_Static_assert(CUBBY__TREE_KEY_MAX < 1 << 14 && CUBBY__TREE_VALUE_MAX < 1 << 14, "a length takes at most two bytes");

static inline unsigned cubby__node_level(const uint8_t *d)
{
    return d[CUBBY__TREE_LEVEL_OFF];
}

static inline unsigned cubby__node_count(const uint8_t *d)
{
    return cubby__get16(d + CUBBY__TREE_COUNT_OFF);
}

static inline uint64_t cubby__node_birth(const uint8_t *d)
{
    return cubby__get64(d + CUBBY__TREE_BIRTH_OFF);
}

static inline const uint8_t *cubby__node_cell(const uint8_t *d, unsigned i)
{
    return d + cubby__get16(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i);
}

static inline const uint8_t *cubby__node_len(const uint8_t *p, size_t *n)
{
    *n = p[0];
    if (p[0] < 0x80)
        return p + 1;
    *n = (size_t)(p[0] & 0x7f) | (size_t)p[1] << 7;
    return p + 2;
}

struct cubby__leaf_cell {
    struct cubby__slice key, value;
};

static inline struct cubby__leaf_cell cubby__leaf_cell(const uint8_t *d, unsigned i)
{
    struct cubby__leaf_cell c;
    c.key.p = cubby__node_len(cubby__node_len(cubby__node_cell(d, i), &c.key.n), &c.value.n);
    c.value.p = c.key.p + c.key.n;
    return c;
}

static inline uint64_t cubby__branch_page(const uint8_t *d, unsigned i)
{
    return cubby__get64(cubby__node_cell(d, i) + CUBBY__BRANCH_PAGE_OFF);
}

static inline uint64_t cubby__branch_sum(const uint8_t *d, unsigned i)
{
    return cubby__get64(cubby__node_cell(d, i) + CUBBY__BRANCH_SUM_OFF);
}

static inline struct cubby__slice cubby__branch_key(const uint8_t *d, unsigned i)
{
    struct cubby__slice s;
    s.p = cubby__node_len(cubby__node_cell(d, i) + CUBBY__BRANCH_KEY_OFF, &s.n);
    return s;
}

/* The checksum that a page carries; never 0, which stands for "not flushed". */
uint64_t cubby__node_sum(const uint8_t *d, uint64_t page, uint64_t salt);

/* NULL if header, slots and cells are sound; else what is not, in a few words. Trusts nothing. unflushed: child checksums may be 0. */
const char *cubby__node_problem(const uint8_t *d, int unflushed);

/* The rest of what FORMAT.md 7.2 says, for a page that cubby__node_problem passed. No access depends on it; a change does on the first two. */

/* Cells do not overlap, keys ascend. */
const char *cubby__node_order_problem(const uint8_t *d);

/* What the parents say of the keys below a link: all are >= low and < high; p NULL: open. */
struct cubby__bounds {
    struct cubby__slice low, high;
};

/* Of the child in cell i of a branch that has the bounds b. */
static inline struct cubby__bounds cubby__branch_bounds(const uint8_t *d, unsigned i, struct cubby__bounds b)
{
    return (struct cubby__bounds){i ? cubby__branch_key(d, i) : b.low, i + 1 < cubby__node_count(d) ? cubby__branch_key(d, i + 1) : b.high};
}

/* The keys lie within the bounds. */
const char *cubby__node_bounds_problem(const uint8_t *d, struct cubby__bounds b);
/* Bytes that belong to no cell are zero. */
const char *cubby__node_rest_problem(const uint8_t *d);

/* ---- searching ---- */

/* The first cell of a leaf with a key >= key, maybe count. */
unsigned cubby__leaf_find(const uint8_t *d, struct cubby__slice key, int *exact);
/* The cell of a branch whose child is the place of key. */
unsigned cubby__branch_find(const uint8_t *d, struct cubby__slice key);

/* ---- changing ---- */

void cubby__node_init(uint8_t *d, uint64_t page, uint64_t birth, unsigned level);
size_t cubby__node_cell_len(const uint8_t *d, unsigned i);
/* Bytes that slots and cells take. */
size_t cubby__node_used(const uint8_t *d);
/* A new slot i with room for a cell of len bytes, which the caller fills in; NULL (nothing changed) if it does not fit. */
uint8_t *cubby__node_make(uint8_t *d, unsigned i, size_t len);
void cubby__node_remove(uint8_t *d, unsigned i);
/* Cells [from, to) of src behind the last of dst. They fit. */
void cubby__node_append(uint8_t *dst, const uint8_t *src, unsigned from, unsigned to);

/* Encodes a cell; returns its length. */
size_t cubby__leaf_encode(uint8_t *cell, struct cubby__slice key, struct cubby__slice value);
size_t cubby__branch_encode(uint8_t *cell, uint64_t page, uint64_t sum, struct cubby__slice key);
size_t cubby__leaf_encoded_len(size_t key_len, size_t value_len);

void cubby__branch_set(uint8_t *d, unsigned i, uint64_t page, uint64_t sum);
/* Removes cell i; the first one left gets the empty key. */
void cubby__branch_remove(uint8_t *d, unsigned i);
/* Gives the first cell the empty key. */
void cubby__branch_strip(uint8_t *d);

#endif
