/* Blocks, the lists in internal ones, and who refers to them. */
#include "archive/pst/bytes.h"
#include "archive/pst/check_own.h"

typedef unsigned long long ull;

static void check_padding(struct check *c, const struct pst_place *at, uint32_t extent)
{
    uint8_t pad[512];
    uint32_t n = extent - at->stored - c->p->shape->trailer;
    if (!n || n > sizeof pad || pst_pread(c->p, at->ib + at->stored, pad, n) < 0)
        return;
    for (uint32_t i = 0; i < n; i++) {
        if (pad[i]) {
            CHECK_WARNING(c, at->ib, "block 0x%llx: the bytes behind it are not zero", (ull)at->bid);
            return;
        }
    }
}

/* The B-tree is walked in the order of its keys; if they are not in order, the searches below would go astray. */
static void remember(struct check *c, const struct pst_place *at)
{
    size_t n = (size_t)c->out->blocks;
    if (n && c->blocks[n - 1].bid >= at->bid)
        return;
    if (n == c->block_cap) {
        c->block_cap = n ? n + n / 2 : 4096;
        c->blocks = cli_realloc(c->blocks, c->block_cap * sizeof *c->blocks);
    }
    c->blocks[n] = (struct check_block){at->bid, at->refs, 1};
    c->out->blocks++;
}

void check_block_entry(struct check *c, const struct pst_place *at, uint64_t page)
{
    uint32_t len, extent = pst_block_extent(c->p, at->stored);
    remember(c, at);
    check_step(c);
    if (!at->bid || at->bid >= c->p->header.next_block)
        CHECK_ERROR(c, page, "block id 0x%llx is not below the header's next one (0x%llx)", (ull)at->bid, (ull)c->p->header.next_block);
    if (!check_take(c, at->ib, extent, "block", at->bid))
        return;
    if (pst_block_read(c->p, at, c->buf, &len) < 0)
        check_say_error(c, "block 0x%llx", (ull)at->bid);
    else
        check_padding(c, at, extent);
}

/* ---- references ---------------------------------------------------------------------------------------------------------------------- */

static struct check_block *find(struct check *c, uint64_t bid)
{
    size_t low = 0, high = (size_t)c->out->blocks;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (c->blocks[mid].bid == bid)
            return &c->blocks[mid];
        if (c->blocks[mid].bid < bid)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

int check_refer(struct check *c, uint64_t bid, uint64_t offset, const char *what, uint64_t id)
{
    struct check_block *b = find(c, PST_BID_KEY(bid));
    if (b) {
        b->counted++;
        return 1;
    }
    CHECK_ERROR(c, offset, "%s 0x%llx refers to block 0x%llx, which is not there", what, (ull)id, (ull)bid);
    return 0;
}

uint64_t check_block_at(struct check *c, uint64_t bid)
{
    struct pst_place at;
    return bid && pst_find_block(c->p, bid, &at) == 1 ? at.ib : 0;
}

/* ---- lists ----------------------------------------------------------------------------------------------------------------------------- */

/* Bytes of a block of data, without reading it; a list: what it says. */
static uint64_t bytes_below(struct check *c, uint64_t bid, int level)
{
    struct pst_place at;
    struct pst_block *b;
    struct pst_list list;
    uint64_t total = 0;
    if (pst_find_block(c->p, bid, &at) != 1)
        return 0;
    if (!level)
        return at.size;
    if (pst_block_get(c->p, bid, &b) < 0)
        return 0;
    if (pst_list_of(c->p, b, PST_BLOCK_X, level, &list) == 0)
        total = list.total;
    pst_block_put(c->p, &b);
    return total;
}

static void check_data_list(struct check *c, const struct pst_block *b, const struct pst_list *list)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint64_t bid = pst_id(c->p, list->entries + (size_t)i * list->entry);
        if (!check_refer(c, bid, b->ib, "list", b->bid))
            continue;
        if (!(bid & PST_BID_INTERNAL) != (list->level == 1)) {
            CHECK_ERROR(c, b->ib, "list 0x%llx of level %d refers to block 0x%llx of the wrong kind", (ull)b->bid, list->level, (ull)bid);
            continue;
        }
        uint64_t n = bytes_below(c, bid, list->level - 1);
        total += n;
        if (list->level == 1 && i + 1 < list->count && n != c->p->shape->payload)
            CHECK_WARNING(c, b->ib, "list 0x%llx: block 0x%llx has %llu bytes, though others follow", (ull)b->bid, (ull)bid, (ull)n);
    }
    if (!list->count)
        CHECK_ERROR(c, b->ib, "list 0x%llx is empty", (ull)b->bid);
    if (total != list->total)
        CHECK_ERROR(c, b->ib, "list 0x%llx says %llu bytes, its blocks have %llu", (ull)b->bid, (ull)list->total, (ull)total);
}

static void check_sub_list(struct check *c, const struct pst_block *b, const struct pst_list *list)
{
    uint32_t id = c->p->shape->id, last = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        const uint8_t *e = list->entries + (size_t)i * list->entry;
        uint32_t nid = pst_get32(e);
        uint64_t data = pst_id(c->p, e + id), sub = list->level ? 0 : pst_id(c->p, e + 2 * id);
        struct pst_node first;
        if (i && nid <= last)
            CHECK_ERROR(c, b->ib, "subnodes 0x%llx: their ids do not ascend (0x%x after 0x%x)", (ull)b->bid, nid, last);
        last = nid;
        if (data)
            check_refer(c, data, b->ib, "subnode", nid);
        if (sub)
            check_refer(c, sub, b->ib, "subnode", nid);
        if (list->level && (pst_sub_next(c->p, data, 0, &first) != 1 || first.nid != nid))
            CHECK_ERROR(c, b->ib, "subnodes 0x%llx: list 0x%llx does not begin with 0x%x", (ull)b->bid, (ull)data, nid);
    }
    if (!list->count)
        CHECK_ERROR(c, b->ib, "subnodes 0x%llx: the list is empty", (ull)b->bid);
}

void check_lists(struct check *c)
{
    for (uint64_t i = 0; i < c->out->blocks && !c->stopped; i++) {
        struct pst_block *b;
        struct pst_list list;
        if (!(c->blocks[i].bid & PST_BID_INTERNAL))
            continue;
        check_step(c);
        if (pst_block_get(c->p, c->blocks[i].bid, &b) < 0)
            continue; /* was said when it was read first */
        int x = b->len && b->data[0] == PST_BLOCK_X;
        if (pst_list_of(c->p, b, x ? PST_BLOCK_X : PST_BLOCK_S, -1, &list) < 0)
            check_say_error(c, "block 0x%llx", (ull)b->bid);
        else if (x)
            check_data_list(c, b, &list);
        else
            check_sub_list(c, b, &list);
        pst_block_put(c->p, &b);
    }
}

void check_counts(struct check *c)
{
    for (uint64_t i = 0; i < c->out->blocks; i++) {
        const struct check_block *b = &c->blocks[i];
        if (b->refs == b->counted && b->counted == 1) /* left to be removed some time */
            CHECK_WARNING(c, check_block_at(c, b->bid), "block 0x%llx: nothing refers to it", (ull)b->bid);
        else if (b->refs != b->counted)
            CHECK_ERROR(c, check_block_at(c, b->bid), "block 0x%llx: the B-tree counts %u references, there are %u", (ull)b->bid, b->refs,
                        b->counted);
    }
}
