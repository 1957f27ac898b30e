/* Data trees: values that take several blocks; and the subnodes of a node. */
#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/write_ltp.h"
#include "cli.h"

void pstw_data_init(struct pstw_data *d, struct pstw *w)
{
    d->w = w;
    d->bids = NULL;
    d->count = d->len = 0;
    d->total = 0;
}

static void flush(struct pstw_data *d)
{
    if ((d->count & (d->count - 1)) == 0)
        d->bids = cli_realloc(d->bids, (d->count ? d->count * 2 : 1) * sizeof *d->bids);
    d->bids[d->count++] = pstw_block(d->w, d->buf, d->len, 0);
    d->len = 0;
}

void pstw_data_add(struct pstw_data *d, const void *p, size_t n)
{
    const uint8_t *from = p;
    d->total += n;
    while (n) {
        if (d->len == PST_BLOCK_MAX)
            flush(d);
        size_t some = PST_BLOCK_MAX - d->len < n ? PST_BLOCK_MAX - d->len : n;
        memcpy(d->buf + d->len, from, some);
        d->len += some;
        from += some;
        n -= some;
    }
}

void pstw_data_pad(struct pstw_data *d)
{
    memset(d->buf + d->len, 0, PST_BLOCK_MAX - d->len);
    d->total += PST_BLOCK_MAX - d->len;
    d->len = PST_BLOCK_MAX;
}

uint64_t pstw_data_end(struct pstw_data *d)
{
    if (d->len)
        flush(d);
    uint64_t root = pstw_data_over(d->w, d->bids, d->count, d->total);
    free(d->bids);
    d->bids = NULL;
    return root;
}

/* XBLOCK or XXBLOCK. */
static uint64_t list_block(struct pstw *w, int level, const uint64_t *bids, size_t count, uint64_t total)
{
    uint8_t block[8 + 8 * PST_XENTRIES_MAX];
    block[0] = PST_BLOCK_X;
    block[1] = (uint8_t)level;
    pst_put16(block + 2, (uint16_t)count);
    pst_put32(block + 4, (uint32_t)total);
    for (size_t i = 0; i < count; i++)
        pst_put64(block + 8 + 8 * i, bids[i]);
    return pstw_block(w, block, 8 + 8 * count, 1);
}

uint64_t pstw_data_over(struct pstw *w, const uint64_t *bids, size_t count, uint64_t total)
{
    uint64_t lists[PST_XENTRIES_MAX];
    size_t n = 0;
    if (count <= 1)
        return count ? bids[0] : 0;
    for (size_t at = 0; at < count && n < PST_XENTRIES_MAX; at += PST_XENTRIES_MAX) {
        size_t some = count - at < PST_XENTRIES_MAX ? count - at : PST_XENTRIES_MAX;
        uint64_t below = at + some == count ? total - (uint64_t)at * PST_BLOCK_MAX : (uint64_t)some * PST_BLOCK_MAX;
        lists[n++] = list_block(w, 1, bids + at, some, below);
    }
    return n == 1 ? lists[0] : list_block(w, 2, lists, n, total);
}

/* ---- subnodes ------------------------------------------------------------------------------------------------------------------------- */

void pstw_subs_add(struct pstw_subs *s, uint32_t nid, const struct pstw_node *node)
{
    if ((s->count & (s->count - 1)) == 0)
        s->list = cli_realloc(s->list, (s->count ? s->count * 2 : 1) * sizeof *s->list);
    s->list[s->count++] = (struct pstw_sub){nid, *node};
    s->bytes += node->bytes;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = ((const struct pstw_sub *)a)->nid, y = ((const struct pstw_sub *)b)->nid;
    return x < y ? -1 : x > y;
}

static uint64_t leaf(struct pstw *w, const struct pstw_sub *list, size_t count)
{
    uint8_t block[8 + 24 * PST_SLENTRIES_MAX] = {PST_BLOCK_S, 0};
    pst_put16(block + 2, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        pst_put64(block + 8 + 24 * i, list[i].nid);
        pst_put64(block + 16 + 24 * i, list[i].node.data);
        pst_put64(block + 24 + 24 * i, list[i].node.sub);
    }
    return pstw_block(w, block, 8 + 24 * count, 1);
}

uint64_t pstw_subs_end(struct pstw_subs *s, struct pstw *w)
{
    uint8_t block[8 + 16 * PST_SIENTRIES_MAX] = {PST_BLOCK_S, 1};
    size_t n = 0;
    uint64_t bid = 0;
    if (s->count)
        qsort(s->list, s->count, sizeof *s->list, compare);
    for (size_t at = 0; at < s->count && n < PST_SIENTRIES_MAX; at += PST_SLENTRIES_MAX, n++) {
        size_t some = s->count - at < PST_SLENTRIES_MAX ? s->count - at : PST_SLENTRIES_MAX;
        bid = leaf(w, s->list + at, some);
        pst_put64(block + 8 + 16 * n, s->list[at].nid);
        pst_put64(block + 16 + 16 * n, bid);
    }
    pst_put16(block + 2, (uint16_t)n);
    free(s->list);
    *s = (struct pstw_subs){0};
    return n > 1 ? pstw_block(w, block, 8 + 16 * n, 1) : bid;
}
