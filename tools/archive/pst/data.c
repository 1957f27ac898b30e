/* Data trees: the bytes of a node, in one block or in a list of them, or in a list of lists. */
#include <stdlib.h>
#include <string.h>

#include "archive/pst/ndb.h"
#include "cli.h"

/* Deflate makes at most 1032 bytes of one; other files hold every byte of a value. */
static uint64_t most_bytes(const struct pst *p)
{
    return p->shape->kind == PST_BIG ? p->size * 1032 : p->size;
}

static int open_lists(struct pst_data *d, const struct pst_list *top)
{
    d->lists = top->count;
    d->ends = cli_malloc((d->lists + 1) * sizeof *d->ends);
    for (uint32_t i = 0; i < d->lists; i++) {
        struct pst_block *b;
        struct pst_list list;
        int rc = pst_block_get(d->p, pst_id(d->p, top->entries + (size_t)i * top->entry), &b);
        if (rc == 0)
            rc = pst_list_of(d->p, b, PST_BLOCK_X, 1, &list);
        pst_block_put(d->p, &b);
        if (rc != 0)
            return -1;
        d->count += list.count;
        d->ends[i] = d->count;
    }
    return 0;
}

static int open_root(struct pst_data *d, const struct pst_block *b)
{
    struct pst_list list;
    if (!(d->root & PST_BID_INTERNAL)) {
        d->count = 1;
        d->size = b->len;
        return 0;
    }
    if (pst_list_of(d->p, b, PST_BLOCK_X, -1, &list) < 0)
        return -1;
    d->level = list.level;
    d->size = list.total;
    if (d->size > most_bytes(d->p))
        return pst_fail(d->p, b->ib, "block 0x%llx: %llu bytes of data are more than the file can hold", (unsigned long long)b->bid,
                        (unsigned long long)d->size);
    if (d->level == 2)
        return open_lists(d, &list);
    d->count = list.count;
    return 0;
}

int pst_data_open(struct pst *p, uint64_t bid, struct pst_data *out)
{
    struct pst_block *b;
    *out = (struct pst_data){.p = p, .root = PST_BID_KEY(bid)};
    if (!out->root)
        return 0;
    int rc = pst_block_get(p, out->root, &b);
    if (rc == 0)
        rc = open_root(out, b);
    pst_block_put(p, &b);
    if (rc < 0)
        pst_data_close(out);
    return rc;
}

void pst_data_close(struct pst_data *d)
{
    free(d->ends);
    d->ends = NULL;
    d->size = d->count = d->lists = 0;
}

/* The id of the i-th block. */
static int block_id(struct pst_data *d, uint32_t i, uint64_t *bid)
{
    struct pst_block *b;
    struct pst_list list;
    uint32_t low = 0, high = d->lists;
    uint64_t root = d->root;
    *bid = root;
    if (!d->level)
        return 0;
    if (d->level == 2) {
        while (low < high) {
            uint32_t mid = (low + high) / 2;
            if (d->ends[mid] <= i)
                low = mid + 1;
            else
                high = mid;
        }
        if (pst_block_get(d->p, root, &b) < 0)
            return -1;
        int rc = pst_list_of(d->p, b, PST_BLOCK_X, 2, &list);
        if (rc == 0)
            root = pst_id(d->p, list.entries + (size_t)low * list.entry);
        pst_block_put(d->p, &b);
        if (rc < 0)
            return -1;
        i -= low ? d->ends[low - 1] : 0;
    }
    if (pst_block_get(d->p, root, &b) < 0)
        return -1;
    int rc = pst_list_of(d->p, b, PST_BLOCK_X, 1, &list);
    if (rc == 0 && i >= list.count)
        rc = pst_fail(d->p, b->ib, "block 0x%llx has changed", (unsigned long long)b->bid);
    if (rc == 0)
        *bid = pst_id(d->p, list.entries + (size_t)i * list.entry);
    pst_block_put(d->p, &b);
    return rc;
}

int pst_data_block(struct pst_data *d, uint32_t i, struct pst_block **out)
{
    uint64_t bid;
    *out = NULL;
    if (i >= d->count)
        return pst_fail(d->p, 0, "data of %u blocks has no block %u", d->count, i);
    if (block_id(d, i, &bid) < 0)
        return -1;
    if (d->level && (bid & PST_BID_INTERNAL))
        return pst_fail(d->p, 0, "block 0x%llx is a list where data belongs", (unsigned long long)bid);
    return pst_block_get(d->p, bid, out);
}

int64_t pst_data_read(struct pst_data *d, uint64_t offset, void *buf, size_t n)
{
    size_t got = 0;
    if (offset >= d->size)
        return 0;
    if (n > d->size - offset)
        n = (size_t)(d->size - offset);
    if (offset < d->at_offset)
        d->at = 0, d->at_offset = 0;
    while (got < n) {
        struct pst_block *b;
        if (d->at >= d->count)
            return pst_fail(d->p, 0, "data of %llu bytes ends after %llu", (unsigned long long)d->size, (unsigned long long)offset + got);
        if (pst_data_block(d, d->at, &b) != 0)
            return -1;
        uint64_t skip = offset + got - d->at_offset;
        size_t k = skip < b->len ? b->len - (size_t)skip : 0;
        k = k < n - got ? k : n - got;
        if (k)
            memcpy((uint8_t *)buf + got, b->data + skip, k);
        got += k;
        if (skip + k >= b->len) {
            d->at++;
            d->at_offset += b->len;
        }
        pst_block_put(d->p, &b);
    }
    return (int64_t)got;
}
