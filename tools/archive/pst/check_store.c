/* What nodes say about each other: folders and their tables, messages and their rows, entry ids. */
#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/check_own.h"

typedef unsigned long long ull;

enum {
    P_NAME = 0x3001,
    P_COUNT = 0x3602,
    P_UNREAD = 0x3603,
    P_SUBFOLDERS = 0x360A,
    P_FLAGS = 0x0E07,
    P_SIZE = 0x0E08,
    P_METHOD = 0x3705,
    P_RECORD_KEY = 0x0FF9,
    FLAG_READ = 1,
    FIRST_FREE_INDEX = 0x400, /* lower ones are Outlook's own */
};

/* ---- node entries ------------------------------------------------------------------------------------------------------------------------ */

void check_node_entry(struct check *c, const struct pst_node *node, uint64_t page)
{
    unsigned type = PST_NID_TYPE(node->nid);
    c->out->nodes++;
    check_step(c);
    if (node->data)
        check_refer(c, node->data, page, "node", node->nid);
    if (node->sub)
        check_refer(c, node->sub, page, "node", node->nid);
    if (PST_NID_INDEX(node->nid) > c->p->header.nids[type])
        CHECK_ERROR(c, page, "node 0x%x is above the last one of its type that the header knows (0x%x)", node->nid,
                    PST_NID(c->p->header.nids[type], type));
}

static int has_node(struct check *c, uint32_t nid)
{
    struct pst_node node;
    return pst_find_node(c->p, nid, &node) == 1;
}

static void check_parent(struct check *c, const struct pst_node *node, uint64_t at)
{
    unsigned type = PST_NID_TYPE(node->nid);
    if (type != PST_NT_FOLDER && type != PST_NT_MESSAGE && type != PST_NT_FAI)
        return;
    if ((PST_NID_TYPE(node->parent) != PST_NT_FOLDER && PST_NID_TYPE(node->parent) != PST_NT_SEARCH) || !has_node(c, node->parent))
        CHECK_ERROR(c, at, "node 0x%x belongs to folder 0x%x, which is not there", node->nid, node->parent);
}

/* ---- values ------------------------------------------------------------------------------------------------------------------------------ */

/* A property and a cell are the same if both are there and equal, or if both say nothing. */
static int same_bytes(struct pst_heap *a, uint32_t va, struct pst_heap *b, uint32_t vb)
{
    uint64_t na, nb;
    uint8_t x[512], y[512];
    if (pst_value_size(a, va, &na) < 0 || pst_value_size(b, vb, &nb) < 0 || na != nb)
        return 0;
    for (uint64_t at = 0; at < na; at += sizeof x) {
        int64_t k = pst_value_read(a, va, at, x, sizeof x);
        if (k <= 0 || pst_value_read(b, vb, at, y, sizeof y) != k || memcmp(x, y, (size_t)k) != 0)
            return 0;
    }
    return 1;
}

struct row {
    struct pst_tc *t;
    const uint8_t *bytes; /* a copy */
    uint32_t id;
};

static void compare_cell(struct check *c, struct pst_pc *pc, const struct row *row, uint32_t tag)
{
    const struct pst_column *col = pst_tc_column(row->t, tag);
    const struct pst_prop *x = pst_pc_find(pc, (uint16_t)(tag >> 16));
    unsigned type = tag & 0xFFFF;
    int there = col && pst_tc_has(row->t, row->bytes, col), same;
    if (!col || !x || x->type != type || !there)
        return;
    uint32_t cell = col->width == 1 ? row->bytes[col->at] : col->width == 4 ? pst_get32(row->bytes + col->at) : 0;
    if (type == PST_PT_STRING || type == PST_PT_STRING8)
        same = same_bytes(&pc->heap, x->value, &row->t->heap, cell);
    else
        same = cell == (type == PST_PT_BOOLEAN ? x->value & 0xFF : x->value);
    if (!same && tag == (P_SIZE << 16 | PST_PT_INT32)) /* Outlook itself leaves old sizes in rows */
        CHECK_WARNING(c, pst_heap_at(&pc->heap), "message 0x%x has the size %u, its row in table 0x%x says %u", row->id, x->value,
                      row->t->heap.node.nid, cell);
    else if (!same && type == PST_PT_INT32)
        CHECK_ERROR(c, pst_heap_at(&pc->heap), "node 0x%x: property 0x%08x is %u, its row in table 0x%x says %u", row->id, tag, x->value,
                    row->t->heap.node.nid, cell);
    else if (!same)
        CHECK_ERROR(c, pst_heap_at(&pc->heap), "node 0x%x: property 0x%08x is not what its row in table 0x%x says", row->id, tag,
                    row->t->heap.node.nid);
}

static void compare_row(struct check *c, const struct row *row, const uint32_t *tags)
{
    struct pst_node node;
    struct pst_pc pc;
    if (pst_find_node(c->p, row->id, &node) != 1 || pst_pc_open(c->p, &node, &pc) < 0)
        return; /* told by whoever looks at that node */
    for (; *tags; tags++)
        compare_cell(c, &pc, row, *tags);
    pst_pc_close(&pc);
}

/* ---- tables of folders -------------------------------------------------------------------------------------------------------------------- */

typedef void (*row_fn)(struct check *c, uint32_t folder, const struct row *row, void *arg);

/* Calls fn for the rows of a table; their number, -1: it is not readable. */
static int64_t each_row(struct check *c, uint32_t folder, int type, row_fn fn, void *arg)
{
    struct pst_tc *t = cli_malloc(sizeof *t);
    uint8_t *copy = cli_malloc(65536);
    struct pst_node node;
    struct pst_bth rows;
    uint64_t id;
    const uint8_t *value, *bytes;
    int64_t count = -1;
    if (pst_find_node(c->p, PST_NID(PST_NID_INDEX(folder), type), &node) == 1 && pst_tc_open(c->p, &node, t) == 0) {
        int rc = pst_tc_index(t, &rows);
        for (count = 0; rc >= 0 && !c->stopped && (rc = pst_bth_next(&rows, &id, &value)) == 1; count++) {
            if (pst_tc_row(t, pst_tc_row_number(&rows, value), &bytes) < 0)
                continue;
            memcpy(copy, bytes, t->ends[3]);
            struct row row = {t, copy, (uint32_t)id};
            fn(c, folder, &row, arg);
        }
        pst_tc_close(t);
    }
    free(copy);
    free(t);
    return count;
}

static void check_child(struct check *c, uint32_t folder, const struct row *row, void *arg)
{
    static const uint32_t tags[] = {P_NAME << 16 | PST_PT_STRING, P_NAME << 16 | PST_PT_STRING8, P_COUNT << 16 | PST_PT_INT32,
                                    P_UNREAD << 16 | PST_PT_INT32, (uint32_t)P_SUBFOLDERS << 16 | PST_PT_BOOLEAN, 0};
    struct pst_node node;
    int64_t *folders = arg;
    *folders += PST_NID_TYPE(row->id) == PST_NT_FOLDER;
    if (pst_find_node(c->p, row->id, &node) != 1)
        CHECK_ERROR(c, pst_heap_at(&row->t->heap), "folder 0x%x lists folder 0x%x, which is not there", folder, row->id);
    else if (node.parent != folder)
        CHECK_ERROR(c, pst_heap_at(&row->t->heap), "folder 0x%x lists folder 0x%x, which belongs to 0x%x", folder, row->id, node.parent);
    if (PST_NID_TYPE(row->id) == PST_NT_FOLDER && pst_bits_set(&c->claimed, PST_NID_INDEX(row->id)))
        CHECK_ERROR(c, pst_heap_at(&row->t->heap), "folder 0x%x lists folder 0x%x, which is listed already", folder, row->id);
    compare_row(c, row, tags);
}

static void check_listed(struct check *c, uint32_t folder, const struct row *row, void *arg)
{
    static const uint32_t tags[] = {P_FLAGS << 16 | PST_PT_INT32, P_SIZE << 16 | PST_PT_INT32, 0x0037001F, 0x0037001E, 0x001A001F,
                                    0x001A001E, 0x00170003, 0};
    const struct pst_column *flags = pst_tc_column(row->t, P_FLAGS << 16 | PST_PT_INT32);
    struct pst_node node;
    int64_t *unread = arg;
    if (pst_find_node(c->p, row->id, &node) != 1)
        CHECK_ERROR(c, pst_heap_at(&row->t->heap), "folder 0x%x lists message 0x%x, which is not there", folder, row->id);
    else if (node.parent != folder)
        CHECK_ERROR(c, pst_heap_at(&row->t->heap), "folder 0x%x lists message 0x%x, which belongs to 0x%x", folder, row->id, node.parent);
    if (PST_NID_TYPE(row->id) == PST_NT_MESSAGE && pst_bits_set(&c->listed, PST_NID_INDEX(row->id)))
        CHECK_ERROR(c, pst_heap_at(&row->t->heap), "folder 0x%x lists message 0x%x, which is listed already", folder, row->id);
    if (unread && flags && flags->width == 4 && pst_tc_has(row->t, row->bytes, flags))
        *unread += !(pst_get32(row->bytes + flags->at) & FLAG_READ);
    compare_row(c, row, tags);
}

static void check_number(struct check *c, struct pst_pc *pc, uint16_t id, int64_t is, const char *what)
{
    int64_t says = pst_pc_int(pc, id, -1);
    if (is >= 0 && says >= 0 && says != is)
        CHECK_ERROR(c, pst_heap_at(&pc->heap), "folder 0x%x says it has %lld %s, its table has %lld", pc->heap.node.nid, (long long)says,
                    what, (long long)is);
}

/* In caches of mailboxes the numbers are the server's, and some folders have no tables. */
static void check_folder(struct check *c, const struct pst_node *node)
{
    static const uint8_t tables[] = {PST_NT_HIERARCHY, PST_NT_CONTENTS, PST_NT_FAI_CONTENTS};
    int pst = c->p->header.client == PST_CLIENT_PST;
    struct pst_pc pc;
    int64_t folders = 0, unread = 0;
    c->out->folders++;
    for (size_t i = 0; i < sizeof tables; i++)
        if (!has_node(c, PST_NID(PST_NID_INDEX(node->nid), tables[i])))
            check_say(c, pst ? PST_CHECK_ERROR : PST_CHECK_WARNING, check_block_at(c, node->data), "folder 0x%x has no node 0x%x", node->nid,
                      PST_NID(PST_NID_INDEX(node->nid), tables[i]));
    int64_t children = each_row(c, node->nid, PST_NT_HIERARCHY, check_child, &folders);
    int64_t messages = each_row(c, node->nid, PST_NT_CONTENTS, check_listed, &unread);
    each_row(c, node->nid, PST_NT_FAI_CONTENTS, check_listed, NULL);
    if (!pst || pst_pc_open(c->p, node, &pc) < 0)
        return;
    check_number(c, &pc, P_COUNT, messages, "messages");
    check_number(c, &pc, P_UNREAD, messages < 0 ? -1 : unread, "unread messages");
    int64_t says = pst_pc_int(&pc, P_SUBFOLDERS, -1);
    if ((says == 0 && folders > 0) || (says > 0 && children == 0)) /* search folders may count or not; nobody trusts it */
        CHECK_WARNING(c, pst_heap_at(&pc.heap), "folder 0x%x says it has %sfolders, its table has %lld", node->nid, says ? "sub" : "no sub",
                      (long long)children);
    pst_pc_close(&pc);
}

/* ---- the store -------------------------------------------------------------------------------------------------------------------------------- */

static void check_entry_ids(struct check *c, const struct pst_node *node)
{
    static const uint16_t ids[] = {0x35E0, 0x35E2, 0x35E3, 0x35E4, 0x35E5, 0x35E6, 0x35E7};
    uint8_t key[16], entry[24];
    struct pst_pc pc;
    if (pst_pc_open(c->p, node, &pc) < 0)
        return;
    uint64_t at = pst_heap_at(&pc.heap);
    int keyed = pst_pc_bytes(&pc, P_RECORD_KEY, key, sizeof key) == (int64_t)sizeof key;
    if (!keyed && c->p->header.client == PST_CLIENT_PST)
        CHECK_ERROR(c, at, "the store has no record key");
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (pst_pc_bytes(&pc, ids[i], entry, sizeof entry) != (int64_t)sizeof entry)
            continue;
        if (!has_node(c, pst_get32(entry + 20)))
            CHECK_ERROR(c, at, "the store's entry id 0x%04x leads to node 0x%x, which is not there", ids[i], pst_get32(entry + 20));
        if (keyed && memcmp(entry + 4, key, sizeof key) != 0)
            CHECK_ERROR(c, at, "the store's entry id 0x%04x is one of another store", ids[i]);
    }
    pst_pc_close(&pc);
}

static void check_name_map(struct check *c, uint64_t at)
{
    const struct pst_names *n = &c->store.names;
    if (n->entries_len % 8 || n->sets_len % 16)
        CHECK_ERROR(c, at, "the names of properties are cut off");
    for (size_t i = 0; i + 8 <= n->entries_len; i += 8) {
        uint8_t set[16];
        uint32_t number;
        const uint8_t *name;
        size_t len;
        unsigned w = pst_get16(n->entries + i + 4), id = pst_get16(n->entries + i + 6);
        if (w >> 1 && id < 0x8000 && !pst_names_get(n, (uint16_t)(0x8000 + id), set, &number, &name, &len))
            CHECK_ERROR(c, at, "the name of property 0x%04x is not there", 0x8000 + id);
    }
}

static void check_special(struct check *c, const struct pst_node *node)
{
    if (node->nid != PST_NID_STORE && node->nid != PST_NID_NAMES)
        return;
    if (!check_pc(c, node))
        return;
    if (node->nid == PST_NID_STORE)
        check_entry_ids(c, node);
    else
        check_name_map(c, check_block_at(c, node->data));
}

static int is_table(struct check *c, const struct pst_node *node)
{
    struct pst_heap h;
    if (PST_NID_INDEX(node->nid) >= FIRST_FREE_INDEX || pst_heap_open(c->p, node, -1, &h) < 0)
        return 1;
    int client = h.client;
    pst_heap_close(&h);
    return client == PST_HN_TC;
}

static void check_node(struct check *c, const struct pst_node *node)
{
    uint64_t at = check_block_at(c, node->data);
    check_parent(c, node, at);
    switch (PST_NID_TYPE(node->nid)) {
    case PST_NT_FOLDER:
        check_pc(c, node);
        check_folder(c, node);
        break;
    case PST_NT_SEARCH:
        check_pc(c, node);
        break;
    case PST_NT_MESSAGE:
    case PST_NT_FAI:
        if (PST_NID_TYPE(node->nid) == PST_NT_MESSAGE)
            c->out->messages++;
        else
            c->out->associated++;
        check_message(c, node);
        break;
    case PST_NT_HIERARCHY: /* Outlook's own with such ids are not all tables */
    case PST_NT_CONTENTS:
    case PST_NT_FAI_CONTENTS:
    case PST_NT_SEARCH_CONTENTS:
        if (is_table(c, node))
            check_tc(c, node);
        break;
    case PST_NT_INTERNAL:
        check_special(c, node);
        break;
    default:
        break;
    }
}

static void each_node(struct check *c, void (*fn)(struct check *c, const struct pst_node *node))
{
    struct pst_walk w;
    const uint8_t *entry;
    int rc;
    pst_walk_begin(&w, c->p, PST_PAGE_NBT, 0);
    while (!c->stopped && (rc = pst_walk_next(&w, &entry)) != 0) {
        struct pst_node node;
        if (rc < 0)
            continue; /* the page was named */
        pst_node_of(c->p, entry, &node);
        fn(c, &node);
        check_step(c);
    }
}

static void check_reached(struct check *c, const struct pst_node *node)
{
    uint32_t index = PST_NID_INDEX(node->nid);
    if (PST_NID_TYPE(node->nid) == PST_NT_MESSAGE && !pst_bits_get(&c->listed, index))
        CHECK_ERROR(c, check_block_at(c, node->data), "message 0x%x is in no folder's table", node->nid);
    if (PST_NID_TYPE(node->nid) == PST_NT_FOLDER && node->nid != PST_NID_ROOT && !pst_bits_get(&c->claimed, index))
        CHECK_ERROR(c, check_block_at(c, node->data), "folder 0x%x is in no folder's table", node->nid);
}

void check_nodes(struct check *c)
{
    if (!has_node(c, PST_NID_STORE))
        CHECK_ERROR(c, 0, "the message store (node 0x%x) is not there", PST_NID_STORE);
    if (!has_node(c, PST_NID_NAMES))
        CHECK_ERROR(c, 0, "the names of properties (node 0x%x) are not there", PST_NID_NAMES);
    if (!has_node(c, PST_NID_ROOT))
        CHECK_ERROR(c, 0, "the root folder (node 0x%x) is not there", PST_NID_ROOT);
    each_node(c, check_node);
    each_node(c, check_reached);
}
