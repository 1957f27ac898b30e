/* Heaps: numbered items in the blocks of a node. */
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/ltp.h"

uint64_t pst_heap_at(const struct pst_heap *h)
{
    return h->block ? h->block->ib : 0;
}

/* Blocks 8, 136, 264 ... begin with more fill levels. */
static uint32_t head_of(uint32_t index)
{
    return index == 0 ? 12 : index % 128 == 8 ? 66 : 2;
}

/* Makes the block the current one: its page map lies within it, and each item has both its ends. */
static int take_block(struct pst_heap *h, uint32_t index)
{
    if (h->block && h->index == index)
        return 0;
    pst_block_put(h->p, &h->block);
    if (pst_data_block(&h->data, index, &h->block) < 0)
        return -1;
    const struct pst_block *b = h->block;
    uint32_t map = b->len >= head_of(index) ? pst_get16(b->data) : 0;
    uint32_t count = map && map + 4 <= b->len ? pst_get16(b->data + map) : 0;
    if (map < head_of(index) || map + 4 > b->len || map + 4 + 2 * ((uint64_t)count + 1) > b->len) {
        uint64_t at = b->ib;
        pst_block_put(h->p, &h->block);
        return pst_fail(h->p, at, "heap block %u: its page map does not fit into it", index);
    }
    h->index = index;
    h->map = map;
    h->count = count;
    return 0;
}

int pst_heap_item(struct pst_heap *h, uint32_t hid, const uint8_t **item, uint32_t *len)
{
    unsigned bits = h->p->shape->hid_index_bits;
    uint32_t number = hid >> 5 & ((1u << bits) - 1), block = hid >> (5 + bits);
    *item = NULL;
    *len = 0;
    if (!hid)
        return 0;
    if (hid & 0x1F || block >= h->data.count || take_block(h, block) < 0)
        return hid & 0x1F || block >= h->data.count ? pst_fail(h->p, pst_heap_at(h), "node 0x%x has no heap item 0x%x", h->node.nid, hid) : -1;
    if (!number || number > h->count)
        return pst_fail(h->p, h->block->ib, "node 0x%x has no heap item 0x%x", h->node.nid, hid);
    const uint8_t *ends = h->block->data + h->map + 4 + 2 * (number - 1);
    uint32_t from = pst_get16(ends), to = pst_get16(ends + 2);
    if (from < head_of(block) || to < from || to > h->map)
        return pst_fail(h->p, h->block->ib, "heap item 0x%x of node 0x%x goes from %u to %u", hid, h->node.nid, from, to);
    *item = h->block->data + from;
    *len = to - from;
    return 0;
}

const uint8_t *pst_heap_exact(struct pst_heap *h, uint32_t hid, uint32_t len)
{
    const uint8_t *item;
    uint32_t n;
    if (pst_heap_item(h, hid, &item, &n) < 0)
        return NULL;
    if (n != len) {
        pst_set_error(h->p, pst_heap_at(h), "heap item 0x%x of node 0x%x has %u bytes, not %u", hid, h->node.nid, n, len);
        return NULL;
    }
    return item;
}

int pst_heap_open(struct pst *p, const struct pst_node *node, int client, struct pst_heap *out)
{
    *out = (struct pst_heap){.p = p, .node = *node, .data = {.p = p}, .stream = {.p = p}};
    int rc = pst_data_open(p, node->data, &out->data);
    if (rc == 0 && (!out->data.count || out->data.count > PST_HEAP_BLOCKS))
        rc = pst_fail(p, 0, "node 0x%x: a heap of %u blocks", node->nid, out->data.count);
    if (rc == 0)
        rc = take_block(out, 0);
    if (rc == 0 && out->block->data[2] != PST_HN_SIGNATURE)
        rc = pst_fail(p, out->block->ib, "node 0x%x is no heap", node->nid);
    if (rc == 0) {
        out->client = out->block->data[3];
        out->root = pst_get32(out->block->data + 4);
        if (client >= 0 && out->client != client)
            rc = pst_fail(p, out->block->ib, "node 0x%x is a heap of kind 0x%02x, not 0x%02x", node->nid, out->client, (unsigned)client);
    }
    if (rc < 0)
        pst_heap_close(out);
    return rc;
}

void pst_heap_close(struct pst_heap *h)
{
    if (h->block)
        pst_block_put(h->p, &h->block);
    pst_data_close(&h->data);
    pst_data_close(&h->stream);
    h->stream_nid = 0;
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------ */

static int open_stream(struct pst_heap *h, uint32_t nid)
{
    struct pst_node node;
    if (h->stream_nid == nid)
        return 0;
    pst_data_close(&h->stream);
    h->stream_nid = 0;
    int rc = pst_sub_find(h->p, h->node.sub, nid, &node);
    if (rc <= 0)
        return rc < 0 ? -1 : pst_fail(h->p, pst_heap_at(h), "node 0x%x has no subnode 0x%x", h->node.nid, nid);
    if (pst_data_open(h->p, node.data, &h->stream) < 0)
        return -1;
    h->stream_nid = nid;
    return 0;
}

/* Without the stream: its place is for whoever reads on. */
static int subnode_size(struct pst_heap *h, uint32_t nid, uint64_t *size)
{
    struct pst_node node;
    struct pst_data data;
    int rc = pst_sub_find(h->p, h->node.sub, nid, &node);
    if (rc <= 0)
        return rc < 0 ? -1 : pst_fail(h->p, pst_heap_at(h), "node 0x%x has no subnode 0x%x", h->node.nid, nid);
    if (pst_data_open(h->p, node.data, &data) < 0)
        return -1;
    *size = data.size;
    pst_data_close(&data);
    return 0;
}

int pst_value_size(struct pst_heap *h, uint32_t hnid, uint64_t *size)
{
    const uint8_t *item;
    uint32_t n = 0;
    *size = 0;
    if (hnid & 0x1F)
        return subnode_size(h, hnid, size);
    if (pst_heap_item(h, hnid, &item, &n) < 0)
        return -1;
    *size = n;
    return 0;
}

int64_t pst_value_read(struct pst_heap *h, uint32_t hnid, uint64_t offset, void *buf, size_t n)
{
    const uint8_t *item;
    uint32_t len;
    if (hnid & 0x1F)
        return open_stream(h, hnid) < 0 ? -1 : pst_data_read(&h->stream, offset, buf, n);
    if (pst_heap_item(h, hnid, &item, &len) < 0)
        return -1;
    if (offset >= len)
        return 0;
    if (n > len - offset)
        n = len - (size_t)offset;
    memcpy(buf, item + offset, n);
    return (int64_t)n;
}
