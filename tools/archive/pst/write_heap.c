/* Heaps: small items of one node, packed into blocks. */
#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/write_ltp.h"
#include "cli.h"

enum { ITEMS_MAX = 2047, FIRST_HEADER = 12, CARRIER_HEADER = 66, HEADER = 2, FIRST_LEVELS = 8, LEVELS = 128 };

struct heap_block {
    size_t index, used, count; /* of the heap; bytes and items */
    uint16_t starts[ITEMS_MAX + 1];
    uint8_t data[PST_BLOCK_MAX];
};

/* Blocks are written when they are full, but for those that tell how full the blocks behind them are: the first one, and every 128th from
 * the ninth on. */
struct pstw_heap {
    struct pstw *w;
    int client;
    struct heap_block *first, *carrier, *now; /* carrier, now: may be the one before */
    uint64_t *bids;
    size_t count;
    int ended; /* the last block is known */
};

static int is_carrier(size_t index)
{
    return index >= FIRST_LEVELS && (index - FIRST_LEVELS) % LEVELS == 0;
}

static size_t even(size_t n)
{
    return (n + 1) & ~(size_t)1;
}

/* Bytes of a block with so many items that take so many bytes, its header included. */
static size_t block_bytes(size_t used, size_t count)
{
    return even(used) + 4 + 2 * (count + 1);
}

static int fill_level(size_t free_bytes)
{
    static const uint16_t steps[15] = {3584, 2560, 2048, 1792, 1536, 1280, 1024, 768, 512, 256, 128, 64, 32, 16, 8};
    int level = 0;
    while (level < 15 && free_bytes < steps[level])
        level++;
    return level;
}

static void begin_block(struct pstw_heap *h)
{
    struct heap_block *b = cli_malloc(sizeof *b);
    memset(b->data, 0, sizeof b->data);
    b->index = h->count++;
    b->count = 0;
    b->used = b->index == 0 ? FIRST_HEADER : is_carrier(b->index) ? CARRIER_HEADER : HEADER;
    if ((b->index & (b->index - 1)) == 0)
        h->bids = cli_realloc(h->bids, (b->index ? b->index * 2 : 1) * sizeof *h->bids);
    h->now = b;
    if (b->index == 0)
        h->first = b;
}

struct pstw_heap *pstw_heap_new(struct pstw *w, int client)
{
    struct pstw_heap *h = cli_malloc(sizeof *h);
    memset(h, 0, sizeof *h);
    h->w = w;
    h->client = client;
    begin_block(h);
    return h;
}

/* All but the last block of a heap are as long as a block can be. */
static void write_block(struct pstw_heap *h, struct heap_block *b)
{
    size_t map = even(b->used), end = block_bytes(b->used, b->count);
    pst_put16(b->data, (uint16_t)map);
    pst_put16(b->data + map, (uint16_t)b->count);
    for (size_t i = 0; i < b->count; i++)
        pst_put16(b->data + map + 4 + 2 * i, b->starts[i]);
    pst_put16(b->data + map + 4 + 2 * b->count, (uint16_t)b->used);
    h->bids[b->index] = pstw_block(h->w, b->data, h->ended && b->index + 1 == h->count ? end : PST_BLOCK_MAX, 0);
    free(b);
}

/* The block at hand gets no more items. */
static void close_block(struct pstw_heap *h)
{
    struct heap_block *b = h->now, *teller = b->index < FIRST_LEVELS ? h->first : h->carrier;
    if (is_carrier(b->index)) {
        if (h->carrier)
            write_block(h, h->carrier);
        teller = h->carrier = b;
    }
    size_t i = b->index < FIRST_LEVELS ? b->index : (b->index - FIRST_LEVELS) % LEVELS;
    uint8_t *level = teller->data + (teller == h->first ? 8 : 2) + i / 2;
    *level |= (uint8_t)(fill_level(PST_BLOCK_MAX - block_bytes(b->used, b->count)) << (i % 2 ? 4 : 0));
    if (b != h->first && b != h->carrier)
        write_block(h, b);
}

uint32_t pstw_heap_add(struct pstw_heap *h, const void *p, size_t n)
{
    struct heap_block *b = h->now;
    if (b->count == ITEMS_MAX || block_bytes(b->used + n, b->count + 1) > PST_BLOCK_MAX) {
        close_block(h);
        begin_block(h);
        b = h->now;
    }
    memcpy(b->data + b->used, p, n);
    b->starts[b->count++] = (uint16_t)b->used;
    b->used += n;
    return (uint32_t)b->count << 5 | (uint32_t)b->index << 16;
}

uint8_t *pstw_heap_item(struct pstw_heap *h, uint32_t hid)
{
    struct heap_block *b = hid >> 16 == 0 ? h->first : h->now;
    return b->data + b->starts[(hid >> 5 & ITEMS_MAX) - 1];
}

size_t pstw_heap_blocks(const struct pstw_heap *h)
{
    return h->count;
}

uint64_t pstw_heap_bytes(const struct pstw_heap *h)
{
    return (uint64_t)(h->count - 1) * PST_BLOCK_MAX + block_bytes(h->now->used, h->now->count);
}

uint64_t pstw_heap_end(struct pstw_heap **handle, uint32_t root)
{
    struct pstw_heap *h = *handle;
    uint64_t total = pstw_heap_bytes(h);
    h->first->data[2] = PST_HN_SIGNATURE;
    h->first->data[3] = (uint8_t)h->client;
    pst_put32(h->first->data + 4, root);
    h->ended = 1;
    close_block(h);
    if (h->carrier)
        write_block(h, h->carrier);
    write_block(h, h->first);
    uint64_t bid = pstw_data_over(h->w, h->bids, h->count, total);
    free(h->bids);
    free(h);
    *handle = NULL;
    return bid;
}
