/* Trees in heaps. */
#include "archive/pst/bytes.h"
#include "archive/pst/ltp.h"

int pst_bth_open(struct pst_heap *h, uint32_t hid, struct pst_bth *out)
{
    *out = (struct pst_bth){.h = h, .budget = (uint64_t)h->data.count << h->p->shape->hid_index_bits};
    const uint8_t *head = pst_heap_exact(h, hid, 8);
    if (!head)
        return -1;
    if (head[0] != PST_HN_BTH || !head[1] || head[1] > 8 || !head[2] || head[3] > PST_BTH_LEVELS)
        return pst_fail(h->p, pst_heap_at(h), "node 0x%x: heap item 0x%x is no tree (0x%02x, keys of %u bytes, values of %u, %u levels)",
                        h->node.nid, hid, head[0],
                        head[1], head[2], head[3]);
    out->key = head[1];
    out->value = head[2];
    out->levels = head[3];
    out->root = pst_get32(head + 4);
    if (out->root) {
        out->stack[0].hid = out->root;
        out->depth = 1;
    }
    return 0;
}

static uint64_t key_of(const uint8_t *p, unsigned n)
{
    uint64_t key = 0;
    while (n--)
        key = key << 8 | p[n];
    return key;
}

int pst_bth_next(struct pst_bth *b, uint64_t *key, const uint8_t **value)
{
    const uint8_t *item;
    uint32_t len;
    *key = 0;
    *value = NULL;
    while (b->depth) {
        int top = b->depth - 1, leaf = top == (int)b->levels;
        uint32_t record = b->key + (leaf ? b->value : 4), at = b->stack[top].at++;
        if (pst_heap_item(b->h, b->stack[top].hid, &item, &len) < 0) {
            b->depth = 0;
            return -1;
        }
        if ((uint64_t)(at + 1) * record > len) {
            b->depth--;
            continue;
        }
        item += (size_t)at * record;
        *key = key_of(item, b->key);
        if (!leaf) {
            if (!b->budget--) {
                b->depth = 0;
                return pst_fail(b->h->p, pst_heap_at(b->h), "node 0x%x: a tree of more items than the heap has", b->h->node.nid);
            }
            b->stack[b->depth].hid = pst_get32(item + b->key);
            b->stack[b->depth++].at = 0;
            continue;
        }
        if (b->begun && *key <= b->last && !b->lax) { /* also keeps trees that lead back into themselves from going on for ever */
            b->depth = 0;
            return pst_fail(b->h->p, pst_heap_at(b->h), "node 0x%x: keys of a tree do not ascend (0x%llx after 0x%llx)", b->h->node.nid,
                            (unsigned long long)*key,
                            (unsigned long long)b->last);
        }
        b->begun = 1;
        b->last = *key;
        *value = item + b->key;
        return 1;
    }
    return 0;
}
