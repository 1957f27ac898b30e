#include "tree/node.h"

#include "base/hash.h"
#include "base/varint.h"

/* ---- verifying ---- */

uint64_t cubby__node_sum(const uint8_t *d, uint64_t page, uint64_t salt)
{
    uint64_t sum = cubby__hash64(d + CUBBY__TREE_PAGE_OFF, CUBBY__PAGE_SIZE - CUBBY__TREE_PAGE_OFF, salt ^ page);
    return sum ? sum : 1;
}

/* Reads a length of min to max; NULL if it is none. */
static const uint8_t *checked_len(const uint8_t *p, const uint8_t *end, size_t min, size_t max, size_t *n)
{
    if (end - p < 1 || (p[0] >= 0x80 && (end - p < 2 || p[1] == 0 || p[1] >= 0x80)))
        return NULL;
    p = cubby__node_len(p, n);
    return *n >= min && *n <= max ? p : NULL;
}

/* Length of a leaf cell, 0 if it is not sound. */
static size_t leaf_cell_check(const uint8_t *cell, const uint8_t *end)
{
    size_t key_len, value_len;
    const uint8_t *p = checked_len(cell, end, 1, CUBBY__TREE_KEY_MAX, &key_len);
    if (p)
        p = checked_len(p, end, 0, CUBBY__TREE_VALUE_MAX, &value_len);
    if (!p || (size_t)(end - p) < key_len + value_len)
        return 0;
    return (size_t)(p - cell) + key_len + value_len;
}

static size_t branch_cell_check(const uint8_t *cell, const uint8_t *end, unsigned i, int unflushed)
{
    size_t key_len;
    if (end - cell < CUBBY__BRANCH_KEY_OFF || cubby__get64(cell + CUBBY__BRANCH_PAGE_OFF) < CUBBY__META_SLOTS ||
        (!unflushed && !cubby__get64(cell + CUBBY__BRANCH_SUM_OFF)))
        return 0;
    const uint8_t *p = checked_len(cell + CUBBY__BRANCH_KEY_OFF, end, i ? 1 : 0, i ? CUBBY__TREE_KEY_MAX : 0, &key_len);
    if (!p || (size_t)(end - p) < key_len)
        return 0;
    return (size_t)(p - cell) + key_len;
}

const char *cubby__node_problem(const uint8_t *d, int unflushed)
{
    unsigned level = cubby__node_level(d), count = cubby__node_count(d);
    size_t cells = cubby__get16(d + CUBBY__TREE_CELLS_OFF), used = 0;
    if (level >= CUBBY__TREE_DEPTH_MAX || d[CUBBY__TREE_LEVEL_OFF + 1])
        return "the level is out of range";
    if (count == 0)
        return "the page holds no cell";
    if (cells > CUBBY__PAGE_SIZE || CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * (size_t)count > cells)
        return "slots and cells overlap";
    for (unsigned i = 0; i < count; i++) {
        size_t off = cubby__get16(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i);
        if (off < cells || off >= CUBBY__PAGE_SIZE)
            return "a slot points outside the cells";
        size_t n = level ? branch_cell_check(d + off, d + CUBBY__PAGE_SIZE, i, unflushed) : leaf_cell_check(d + off, d + CUBBY__PAGE_SIZE);
        if (!n)
            return "a cell is malformed";
        used += n;
    }
    if (used + cubby__get16(d + CUBBY__TREE_FREE_OFF) != CUBBY__PAGE_SIZE - cells)
        return "the cells do not add up";
    return NULL;
}

static struct cubby__slice key_at(const uint8_t *d, unsigned i, const uint8_t **end)
{
    if (cubby__node_level(d)) {
        struct cubby__slice key = cubby__branch_key(d, i);
        *end = key.p + key.n;
        return key;
    }
    struct cubby__leaf_cell c = cubby__leaf_cell(d, i);
    *end = c.value.p + c.value.n;
    return c.key;
}

enum { WORD = 64, WORDS = CUBBY__PAGE_SIZE / WORD };

/* Takes bytes of the page, a bit each; 0: one of them is taken. */
static int take(uint64_t *taken, size_t from, size_t end)
{
    for (size_t n; from < end; from += n) {
        size_t bit = from % WORD;
        n = end - from < WORD - bit ? end - from : WORD - bit;
        uint64_t mask = UINT64_MAX >> (WORD - n) << bit;
        if (taken[from / WORD] & mask)
            return 0;
        taken[from / WORD] |= mask;
    }
    return 1;
}

const char *cubby__node_order_problem(const uint8_t *d)
{
    uint64_t taken[WORDS] = {0};
    struct cubby__slice key, before = {NULL, 0};
    const uint8_t *end;
    for (unsigned i = 0, count = cubby__node_count(d); i < count; before = key, i++) {
        key = key_at(d, i, &end);
        if (!take(taken, (size_t)(cubby__node_cell(d, i) - d), (size_t)(end - d)))
            return "cells overlap";
        if (i && cubby__key_cmp(before, key) >= 0)
            return "keys are out of order";
    }
    return NULL;
}

const char *cubby__node_bounds_problem(const uint8_t *d, struct cubby__bounds b)
{
    unsigned count = cubby__node_count(d), first = cubby__node_level(d) ? 1 : 0; /* a branch's first key stands for any */
    const uint8_t *end;
    if (first == count)
        return NULL;
    if ((b.low.p && cubby__key_cmp(key_at(d, first, &end), b.low) < 0) || (b.high.p && cubby__key_cmp(key_at(d, count - 1, &end), b.high) >= 0))
        return "keys lie outside what the parent says";
    return NULL;
}

const char *cubby__node_rest_problem(const uint8_t *d)
{
    uint8_t used[CUBBY__PAGE_SIZE] = {0};
    unsigned count = cubby__node_count(d);
    memset(used, 1, CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * count);
    for (unsigned i = 0; i < count; i++)
        memset(used + (cubby__node_cell(d, i) - d), 1, cubby__node_cell_len(d, i));
    for (size_t i = 0; i < sizeof used; i++)
        if (!used[i] && d[i])
            return "unused bytes are not zero";
    return NULL;
}

/* ---- searching ---- */

unsigned cubby__leaf_find(const uint8_t *d, struct cubby__slice key, int *exact)
{
    unsigned low = 0, high = cubby__node_count(d);
    *exact = 0;
    while (low < high) {
        unsigned mid = (low + high) / 2;
        int c = cubby__key_cmp(cubby__leaf_cell(d, mid).key, key);
        if (c == 0) {
            *exact = 1;
            return mid;
        }
        if (c < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

unsigned cubby__branch_find(const uint8_t *d, struct cubby__slice key)
{
    unsigned low = 1, high = cubby__node_count(d); /* the first cell's key is below all */
    while (low < high) {
        unsigned mid = (low + high) / 2;
        if (cubby__key_cmp(cubby__branch_key(d, mid), key) <= 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low - 1;
}

/* ---- changing ---- */

void cubby__node_init(uint8_t *d, uint64_t page, uint64_t birth, unsigned level)
{
    memset(d, 0, CUBBY__PAGE_SIZE);
    cubby__put64(d + CUBBY__TREE_PAGE_OFF, page);
    cubby__put64(d + CUBBY__TREE_BIRTH_OFF, birth);
    d[CUBBY__TREE_LEVEL_OFF] = (uint8_t)level;
    cubby__put16(d + CUBBY__TREE_CELLS_OFF, CUBBY__PAGE_SIZE);
}

size_t cubby__node_cell_len(const uint8_t *d, unsigned i)
{
    const uint8_t *end;
    key_at(d, i, &end);
    return (size_t)(end - cubby__node_cell(d, i));
}

size_t cubby__node_used(const uint8_t *d)
{
    return CUBBY__PAGE_SIZE - cubby__get16(d + CUBBY__TREE_CELLS_OFF) - cubby__get16(d + CUBBY__TREE_FREE_OFF) +
           CUBBY__NODE_SLOT * cubby__node_count(d);
}

/* Bytes between the last slot and the lowest cell. */
static size_t gap(const uint8_t *d)
{
    return cubby__get16(d + CUBBY__TREE_CELLS_OFF) - CUBBY__TREE_SLOTS_OFF - CUBBY__NODE_SLOT * cubby__node_count(d);
}

/* Closes the holes between cells. */
static void compact(uint8_t *d)
{
    uint8_t old[CUBBY__PAGE_SIZE];
    memcpy(old, d, sizeof old);
    unsigned count = cubby__node_count(old);
    size_t low = cubby__get16(old + CUBBY__TREE_CELLS_OFF), at = CUBBY__PAGE_SIZE;
    for (unsigned i = 0; i < count; i++) {
        size_t n = cubby__node_cell_len(old, i);
        at -= n;
        memcpy(d + at, cubby__node_cell(old, i), n);
        cubby__put16(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i, (uint16_t)at);
    }
    memset(d + low, 0, at - low);
    cubby__put16(d + CUBBY__TREE_CELLS_OFF, (uint16_t)at);
    cubby__put16(d + CUBBY__TREE_FREE_OFF, 0);
}

uint8_t *cubby__node_make(uint8_t *d, unsigned i, size_t len)
{
    if (gap(d) < len + CUBBY__NODE_SLOT) {
        if (gap(d) + cubby__get16(d + CUBBY__TREE_FREE_OFF) < len + CUBBY__NODE_SLOT)
            return NULL;
        compact(d);
    }
    unsigned count = cubby__node_count(d);
    size_t at = cubby__get16(d + CUBBY__TREE_CELLS_OFF) - len;
    uint8_t *slot = d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i;
    memmove(slot + CUBBY__NODE_SLOT, slot, CUBBY__NODE_SLOT * (count - i));
    cubby__put16(slot, (uint16_t)at);
    cubby__put16(d + CUBBY__TREE_CELLS_OFF, (uint16_t)at);
    cubby__put16(d + CUBBY__TREE_COUNT_OFF, (uint16_t)(count + 1));
    return d + at;
}

/* Gives back n bytes at off. What mail left there must not linger: they become zero. */
static void give_back(uint8_t *d, size_t off, size_t n)
{
    memset(d + off, 0, n);
    if (off == cubby__get16(d + CUBBY__TREE_CELLS_OFF))
        cubby__put16(d + CUBBY__TREE_CELLS_OFF, (uint16_t)(off + n));
    else
        cubby__put16(d + CUBBY__TREE_FREE_OFF, (uint16_t)(cubby__get16(d + CUBBY__TREE_FREE_OFF) + n));
}

void cubby__node_remove(uint8_t *d, unsigned i)
{
    unsigned count = cubby__node_count(d);
    size_t off = (size_t)(cubby__node_cell(d, i) - d);
    give_back(d, off, cubby__node_cell_len(d, i));
    uint8_t *slot = d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i;
    memmove(slot, slot + CUBBY__NODE_SLOT, CUBBY__NODE_SLOT * (count - i - 1));
    cubby__put16(d + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * (count - 1), 0);
    cubby__put16(d + CUBBY__TREE_COUNT_OFF, (uint16_t)(count - 1));
}

void cubby__node_append(uint8_t *dst, const uint8_t *src, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        size_t n = cubby__node_cell_len(src, i);
        memcpy(cubby__node_make(dst, cubby__node_count(dst), n), cubby__node_cell(src, i), n);
    }
}

size_t cubby__leaf_encoded_len(size_t key_len, size_t value_len)
{
    return cubby__varint_len(key_len) + cubby__varint_len(value_len) + key_len + value_len;
}

size_t cubby__leaf_encode(uint8_t *cell, struct cubby__slice key, struct cubby__slice value)
{
    size_t n = cubby__varint_put(cell, key.n);
    n += cubby__varint_put(cell + n, value.n);
    memcpy(cell + n, key.p, key.n);
    if (value.n)
        memcpy(cell + n + key.n, value.p, value.n);
    return n + key.n + value.n;
}

size_t cubby__branch_encode(uint8_t *cell, uint64_t page, uint64_t sum, struct cubby__slice key)
{
    cubby__put64(cell + CUBBY__BRANCH_PAGE_OFF, page);
    cubby__put64(cell + CUBBY__BRANCH_SUM_OFF, sum);
    size_t n = CUBBY__BRANCH_KEY_OFF + cubby__varint_put(cell + CUBBY__BRANCH_KEY_OFF, key.n);
    if (key.n)
        memcpy(cell + n, key.p, key.n);
    return n + key.n;
}

void cubby__branch_set(uint8_t *d, unsigned i, uint64_t page, uint64_t sum)
{
    uint8_t *cell = d + (cubby__node_cell(d, i) - d);
    cubby__put64(cell + CUBBY__BRANCH_PAGE_OFF, page);
    cubby__put64(cell + CUBBY__BRANCH_SUM_OFF, sum);
}

void cubby__branch_strip(uint8_t *d)
{
    uint64_t page = cubby__branch_page(d, 0), sum = cubby__branch_sum(d, 0);
    if (cubby__branch_key(d, 0).n == 0)
        return;
    cubby__node_remove(d, 0);
    /* Shorter than the cell that just went, so it fits. */
    cubby__branch_encode(cubby__node_make(d, 0, CUBBY__BRANCH_KEY_OFF + 1), page, sum, (struct cubby__slice){NULL, 0});
}

void cubby__branch_remove(uint8_t *d, unsigned i)
{
    cubby__node_remove(d, i);
    if (i == 0 && cubby__node_count(d))
        cubby__branch_strip(d);
}
