/* Blocks: payload, checks, cache; and the lists of blocks in internal ones. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "archive/pst/bytes.h"
#include "archive/pst/cache.h"
#include "archive/pst/code.h"
#include "archive/pst/ndb.h"
#include "cli.h"

/* ---- reading ----------------------------------------------------------------------------------------------------------------------- */

uint32_t pst_block_extent(const struct pst *p, uint32_t stored)
{
    uint32_t slot = p->shape->slot;
    return (stored + p->shape->trailer + slot - 1) / slot * slot;
}

static int check_trailer(struct pst *p, const struct pst_place *at, const uint8_t *raw, const uint8_t *t)
{
    int ansi = p->shape->kind == PST_ANSI;
    uint64_t bid = ansi ? pst_get32(t + 4) : pst_get64(t + 8);
    uint32_t crc = pst_get32(t + (ansi ? 8 : 4));
    if (PST_BID_KEY(bid) != at->bid)
        return pst_fail(p, at->ib, "block 0x%llx was expected, block 0x%llx is there", (unsigned long long)at->bid, (unsigned long long)bid);
    if (p->checked)
        return 0;
    if (pst_get16(t) != at->stored)
        pst_tell(p, PST_DAMAGE, at->ib, "block 0x%llx: its end says %u bytes, the B-tree %u", (unsigned long long)at->bid, pst_get16(t), at->stored);
    if (pst_get16(t + 2) != pst_signature(at->ib, bid))
        pst_tell(p, PST_DAMAGE, at->ib, "block 0x%llx: the signature is wrong", (unsigned long long)at->bid);
    if (pst_crc(0, raw, at->stored) != crc)
        pst_tell(p, PST_DAMAGE, at->ib, "block 0x%llx: the checksum is wrong", (unsigned long long)at->bid);
    return 0;
}

static int inflate_block(struct pst *p, const struct pst_place *at, const uint8_t *raw, uint8_t *buf)
{
    uLongf n = at->size;
    if (uncompress(buf, &n, raw, at->stored) != Z_OK || n != at->size)
        return pst_fail(p, at->ib, "block 0x%llx cannot be decompressed", (unsigned long long)at->bid);
    return 0;
}

int pst_block_read(struct pst *p, const struct pst_place *at, uint8_t *buf, uint32_t *len)
{
    uint8_t raw[65536 + 512];
    uint32_t extent = pst_block_extent(p, at->stored);
    *len = 0;
    if (at->stored > p->shape->payload || at->size > p->shape->payload)
        return pst_fail(p, at->ib, "block 0x%llx: %u bytes are too many for a block", (unsigned long long)at->bid, at->stored);
    if (pst_pread(p, at->ib, raw, extent) < 0 || check_trailer(p, at, raw, raw + extent - p->shape->trailer) < 0)
        return -1;
    if (at->size != at->stored) {
        if (inflate_block(p, at, raw, buf) < 0)
            return -1;
    } else {
        memcpy(buf, raw, at->stored);
    }
    *len = at->size;
    if (!(at->bid & PST_BID_INTERNAL))
        pst_decode((int)p->header.crypt, at->bid, buf, *len);
    return 0;
}

/* ---- cache ------------------------------------------------------------------------------------------------------------------------- */

struct pst_cache *pst_cache_new(void)
{
    struct pst_cache *c = cli_malloc(sizeof *c);
    memset(c, 0, sizeof *c);
    return c;
}

void pst_cache_free(struct pst_cache **c)
{
    if (!*c)
        return;
    for (int i = 0; i < PST_CACHED_PAGES; i++)
        free((*c)->pages[i]);
    for (int i = 0; i < PST_CACHED_BLOCKS; i++)
        free((*c)->blocks[i].data);
    free(*c);
    *c = NULL;
}

static int is_cached(const struct pst_cache *c, const struct pst_block *b)
{
    return b >= c->blocks && b < c->blocks + PST_CACHED_BLOCKS;
}

/* The one with this id, else the one that was not used for the longest time; NULL: all are in use. */
static struct pst_block *slot_for(struct pst_cache *c, uint64_t bid)
{
    struct pst_block *oldest = NULL;
    for (struct pst_block *b = c->blocks; b < c->blocks + PST_CACHED_BLOCKS; b++) {
        if (b->bid == bid)
            return b;
        if (!b->pins && (!oldest || b->used < oldest->used))
            oldest = b;
    }
    return oldest;
}

int pst_block_get(struct pst *p, uint64_t bid, struct pst_block **out)
{
    struct pst_place at;
    *out = NULL;
    bid = PST_BID_KEY(bid);
    struct pst_block *b = bid ? slot_for(p->cache, bid) : NULL;
    if (!b || b->bid != bid) {
        int rc = pst_find_block(p, bid, &at);
        if (rc <= 0)
            return rc < 0 ? -1 : pst_fail(p, 0, "block 0x%llx is not in the file", (unsigned long long)bid);
        if (!b) {
            b = cli_malloc(sizeof *b);
            *b = (struct pst_block){0};
        }
        if (!b->data)
            b->data = cli_malloc(p->shape->payload);
        b->bid = 0;
        if (pst_block_read(p, &at, b->data, &b->len) < 0) {
            if (!is_cached(p->cache, b)) {
                free(b->data);
                free(b);
            }
            return -1;
        }
        b->bid = bid;
        b->ib = at.ib;
    }
    b->pins++;
    b->used = ++p->cache->clock;
    *out = b;
    return 0;
}

void pst_block_put(struct pst *p, struct pst_block **b)
{
    struct pst_block *x = *b;
    *b = NULL;
    if (x && --x->pins == 0 && !is_cached(p->cache, x)) {
        free(x->data);
        free(x);
    }
}

/* ---- lists ------------------------------------------------------------------------------------------------------------------------- */

int pst_list_of(struct pst *p, const struct pst_block *b, int kind, int level, struct pst_list *out)
{
    const uint8_t *d = b->data;
    uint32_t id = p->shape->id;
    *out = (struct pst_list){0};
    if (!(b->bid & PST_BID_INTERNAL) || b->len < 8)
        return pst_fail(p, b->ib, "block 0x%llx is no list of blocks", (unsigned long long)b->bid);
    out->kind = d[0];
    out->level = d[1];
    out->count = pst_get16(d + 2);
    int x = out->kind == PST_BLOCK_X, s = out->kind == PST_BLOCK_S;
    if (out->kind != kind || (level >= 0 && out->level != level) || (x && (out->level < 1 || out->level > 2)) || (s && out->level > 1))
        return pst_fail(p, b->ib, "block 0x%llx is a list of kind %d, level %d: not the one that belongs there", (unsigned long long)b->bid,
                        d[0], d[1]);
    uint32_t head = x ? 8 : p->shape->sub_header;
    out->entry = x ? id : out->level ? 2 * id : 3 * id;
    out->total = x ? pst_get32(d + 4) : 0;
    out->entries = d + head;
    if (head + (uint64_t)out->count * out->entry > b->len)
        return pst_fail(p, b->ib, "block 0x%llx: %u entries do not fit into it", (unsigned long long)b->bid, out->count);
    return 0;
}
