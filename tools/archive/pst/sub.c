/* Subnodes: a list of nodes of a node's own, or a list of such lists, ascending by their ids. */
#include "archive/pst/bytes.h"
#include "archive/pst/ndb.h"

static void node_of(const struct pst *p, const uint8_t *e, struct pst_node *out)
{
    uint32_t w = p->shape->id;
    *out = (struct pst_node){.nid = pst_get32(e), .data = PST_BID_KEY(pst_id(p, e + w)), .sub = PST_BID_KEY(pst_id(p, e + 2 * w))};
}

/* The first entry with a nid of at least `from`, by looking at all: lists that are out of order are read as far as that can be done. */
static int next_in(struct pst *p, const struct pst_list *list, uint32_t from, struct pst_node *out)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const uint8_t *e = list->entries + (size_t)i * list->entry;
        if (pst_get32(e) >= from) {
            node_of(p, e, out);
            return 1;
        }
    }
    return 0;
}

static int next_below(struct pst *p, uint64_t bid, uint32_t from, struct pst_node *out)
{
    struct pst_block *b;
    struct pst_list list;
    if (pst_block_get(p, bid, &b) < 0)
        return -1;
    int rc = pst_list_of(p, b, PST_BLOCK_S, 0, &list);
    if (rc == 0)
        rc = next_in(p, &list, from, out);
    pst_block_put(p, &b);
    return rc;
}

static int next_in_lists(struct pst *p, const struct pst_list *top, uint32_t from, struct pst_node *out)
{
    int rc = 0;
    for (uint32_t i = 0; i < top->count && rc == 0; i++) {
        const uint8_t *e = top->entries + (size_t)i * top->entry;
        if (i + 1 < top->count && pst_get32(e + top->entry) <= from)
            continue;
        rc = next_below(p, pst_id(p, e + p->shape->id), from, out);
    }
    return rc;
}

int pst_sub_next(struct pst *p, uint64_t root, uint32_t from, struct pst_node *out)
{
    struct pst_block *b;
    struct pst_list list;
    *out = (struct pst_node){0};
    if (!root)
        return 0;
    if (pst_block_get(p, root, &b) < 0)
        return -1;
    int rc = pst_list_of(p, b, PST_BLOCK_S, -1, &list);
    if (rc == 0)
        rc = list.level ? next_in_lists(p, &list, from, out) : next_in(p, &list, from, out);
    pst_block_put(p, &b);
    return rc;
}

int pst_sub_find(struct pst *p, uint64_t root, uint32_t nid, struct pst_node *out)
{
    int rc = pst_sub_next(p, root, nid, out);
    if (rc == 1 && out->nid != nid) {
        *out = (struct pst_node){0};
        rc = 0;
    }
    return rc;
}
