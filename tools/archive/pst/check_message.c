/* What lies in a message: its tables, attachments and messages within it; and the sizes that it and its attachments name. */
#include <stdlib.h>

#include "archive/pst/bytes.h"
#include "archive/pst/check_own.h"

typedef unsigned long long ull;

enum {
    P_MESSAGE_SIZE = 0x0E08,
    P_ATTACH_SIZE = 0x0E20,
    /* Subnodes in subnodes: an attachment and a message for each level of embedding, a table and its values. */
    LEVELS_MAX = 2 * MAPI_DEPTH_MAX + 2,
};

/* Bytes of a node with all below it. */
struct measured {
    uint64_t bytes;
    int unknown; /* not all of it could be read */
};

static void add(struct measured *to, struct measured x)
{
    to->bytes += x.bytes;
    to->unknown |= x.unknown;
}

static struct measured measure_subnodes(struct check *c, const struct pst_node *node, int level);

static struct measured measure_data(struct check *c, const struct pst_node *node)
{
    struct pst_data d;
    struct measured out = {0};
    if (pst_data_open(c->p, node->data, &d) < 0)
        out.unknown = 1; /* told by whoever reads it */
    out.bytes = d.size;
    pst_data_close(&d);
    return out;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------------------------------ */

static uint64_t value_bytes(struct pst_pc *pc, const struct pst_prop *x)
{
    uint64_t size;
    const uint8_t *item;
    switch (x->type) {
    case PST_PT_BOOLEAN:
        return 1;
    case PST_PT_INT16:
        return 2;
    case PST_PT_INT32:
    case PST_PT_FLOAT32:
    case PST_PT_ERROR:
        return 4;
    case PST_PT_OBJECT:
        item = pst_heap_exact(&pc->heap, x->value, 8);
        return item ? pst_get32(item + 4) : 0;
    case PST_PT_FLOAT64:
    case PST_PT_CURRENCY:
    case PST_PT_APPTIME:
    case PST_PT_INT64:
    case PST_PT_TIME:
        return 8;
    default:
        return pst_value_size(&pc->heap, x->value, &size) < 0 ? 0 : size;
    }
}

/* Not all programs write these, but Outlook does, and its repair program wants them so. */
static void compare(struct check *c, struct pst_pc *pc, uint16_t id, uint64_t is)
{
    int message = id == P_MESSAGE_SIZE;
    const struct pst_prop *x = pst_pc_find(pc, id);
    uint32_t fits = is > INT32_MAX ? INT32_MAX : (uint32_t)is;
    if (x && x->type == PST_PT_INT32 && x->value != fits)
        CHECK_WARNING(c, pst_heap_at(&pc->heap), "%s 0x%x says it has %u bytes, its %s have %llu", message ? "message" : "attachment",
                      pc->heap.node.nid, x->value, message ? "nodes" : "properties", (ull)is);
}

static void check_message_size(struct check *c, const struct pst_node *node, struct measured is)
{
    struct pst_pc pc;
    if (!is.unknown && pst_pc_open(c->p, node, &pc) == 0) {
        compare(c, &pc, P_MESSAGE_SIZE, is.bytes);
        pst_pc_close(&pc);
    }
}

static void check_attachment_size(struct check *c, const struct pst_node *node)
{
    struct pst_pc pc;
    uint64_t size = 0;
    if (pst_pc_open(c->p, node, &pc) < 0)
        return;
    for (size_t i = 0; i < pc.count; i++)
        size += value_bytes(&pc, &pc.props[i]);
    compare(c, &pc, P_ATTACH_SIZE, size);
    pst_pc_close(&pc);
}

/* ---- subnodes --------------------------------------------------------------------------------------------------------------------------- */

static void check_attachment_rows(struct check *c, const struct pst_node *node, const struct pst_node *table)
{
    struct pst_tc *t = cli_malloc(sizeof *t);
    struct pst_bth rows;
    uint64_t id;
    const uint8_t *value;
    struct pst_node one;
    if (pst_tc_open(c->p, table, t) == 0) {
        if (pst_tc_index(t, &rows) == 0)
            while (pst_bth_next(&rows, &id, &value) == 1)
                if (pst_sub_find(c->p, node->sub, (uint32_t)id, &one) != 1)
                    CHECK_ERROR(c, pst_heap_at(&t->heap), "node 0x%x: attachment 0x%x is listed, but not there", node->nid, (uint32_t)id);
        pst_tc_close(t);
    }
    free(t);
}

/* Attachments, embedded messages and tables are subnodes; all others are values. */
static struct measured check_subnode(struct check *c, const struct pst_node *node, const struct pst_node *sub, int level)
{
    unsigned type = PST_NID_TYPE(sub->nid);
    struct measured out = measure_data(c, sub);
    c->subnodes++;
    if (sub->nid == PST_NID_ATTACHMENTS || sub->nid == PST_NID_RECIPIENTS) {
        if (check_tc(c, sub) && sub->nid == PST_NID_ATTACHMENTS)
            check_attachment_rows(c, node, sub);
    } else if (type == PST_NT_ATTACHMENT || type == PST_NT_MESSAGE) {
        check_pc(c, sub);
    }
    add(&out, measure_subnodes(c, sub, level + 1));
    if (type == PST_NT_ATTACHMENT) {
        c->out->attachments++;
        check_attachment_size(c, sub);
    } else if (type == PST_NT_MESSAGE) {
        c->out->embedded++;
        check_message_size(c, sub, out);
    }
    return out;
}

/* Lists of subnodes that name each other could be followed for ever: each entry takes its room in the file, so there are only so many. Told
 * once a message. */
static int go_deeper(struct check *c, const struct pst_node *node, int level)
{
    uint64_t room = c->p->size / (3 * c->p->shape->id);
    if (!node->sub)
        return 0;
    if (c->subnodes > (c->p->shape->kind == PST_BIG ? 1032 * room : room)) { /* compressed blocks: deflate's best */
        if (!c->endless++)
            CHECK_ERROR(c, check_block_at(c, node->data), "node 0x%x: subnodes name each other again and again, not looked at", node->nid);
        return 0;
    }
    if (level > LEVELS_MAX && !c->too_deep++)
        CHECK_WARNING(c, check_block_at(c, node->data), "node 0x%x: subnodes in subnodes: too deep, not looked at", node->nid);
    return level <= LEVELS_MAX;
}

static struct measured measure_subnodes(struct check *c, const struct pst_node *node, int level)
{
    struct measured out = {0};
    struct pst_node sub;
    uint32_t from = 0;
    int rc;
    if (!go_deeper(c, node, level)) {
        out.unknown = node->sub != 0;
        return out;
    }
    while (!c->stopped && (rc = pst_sub_next(c->p, node->sub, from, &sub)) != 0) {
        if (rc < 0) {
            check_say_error(c, "subnodes of node 0x%x", node->nid);
            out.unknown = 1;
            break;
        }
        add(&out, check_subnode(c, node, &sub, level));
        if (check_step(c) || sub.nid == UINT32_MAX)
            break;
        from = sub.nid + 1;
    }
    return out;
}

void check_message(struct check *c, const struct pst_node *node)
{
    struct measured size = measure_data(c, node);
    c->too_deep = c->endless = 0;
    check_pc(c, node);
    add(&size, measure_subnodes(c, node, 0));
    check_message_size(c, node, size);
}
