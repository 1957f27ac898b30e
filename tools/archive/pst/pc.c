/* Lists of properties. */
#include <stdlib.h>

#include "archive/pst/bytes.h"
#include "archive/pst/ltp.h"
#include "cli.h"

enum { MAX_PROPS = 0x10000 };

static void add(struct pst_pc *pc, size_t *room, struct pst_prop x)
{
    if (pc->count == *room) {
        *room = *room ? 2 * *room : 64;
        pc->props = cli_realloc(pc->props, *room * sizeof *pc->props);
    }
    pc->props[pc->count++] = x;
}

static int by_id(const void *a, const void *b)
{
    const struct pst_prop *x = a, *y = b;
    return x->id != y->id ? (x->id > y->id) - (x->id < y->id) : (x->place > y->place) - (x->place < y->place);
}

/* Into order; of several properties with one id the first one counts. */
static void settle(struct pst_pc *pc)
{
    size_t kept = 0;
    for (size_t i = 0; i < pc->count; i++)
        pc->props[i].place = (uint32_t)i;
    if (pc->count)
        qsort(pc->props, pc->count, sizeof *pc->props, by_id);
    for (size_t i = 0; i < pc->count; i++)
        if (!kept || pc->props[kept - 1].id != pc->props[i].id)
            pc->props[kept++] = pc->props[i];
    pc->count = kept;
}

static int load(struct pst_pc *pc)
{
    struct pst_bth b;
    uint64_t key;
    const uint8_t *value;
    size_t room = 0;
    int rc, sorted = 1;
    if (pst_bth_open(&pc->heap, pc->heap.root, &b) < 0)
        return -1;
    if (b.key != 2 || b.value != 6)
        return pst_fail(pc->heap.p, pst_heap_at(&pc->heap), "node 0x%x: properties with keys of %u bytes and values of %u",
                        pc->heap.node.nid, b.key, b.value);
    b.lax = 1;
    while ((rc = pst_bth_next(&b, &key, &value)) == 1) {
        if (!pst_get16(value))
            continue; /* no property at all: some writers leave empty records at the end */
        if (pc->count == MAX_PROPS) {
            rc = pst_fail(pc->heap.p, pst_heap_at(&pc->heap), "too many properties");
            break;
        }
        sorted = sorted && (!pc->count || pc->props[pc->count - 1].id < key);
        add(pc, &room, (struct pst_prop){.id = (uint16_t)key, .type = pst_get16(value), .value = pst_get32(value + 2)});
    }
    if (rc < 0) {
        pc->cut = 1;
        pst_tell_error(pc->heap.p, "node 0x%x: only %zu properties can be read", pc->heap.node.nid, pc->count);
    }
    if (!sorted) {
        pst_tell(pc->heap.p, PST_DAMAGE, pst_heap_at(&pc->heap), "node 0x%x: its properties are not in order", pc->heap.node.nid);
        settle(pc);
    }
    return 0;
}

int pst_pc_open(struct pst *p, const struct pst_node *node, struct pst_pc *out)
{
    *out = (struct pst_pc){.heap = {.p = p, .data = {.p = p}, .stream = {.p = p}}};
    if (pst_heap_open(p, node, PST_HN_PC, &out->heap) == 0 && load(out) == 0)
        return 0;
    pst_pc_close(out);
    return -1;
}

void pst_pc_close(struct pst_pc *pc)
{
    pst_heap_close(&pc->heap);
    free(pc->props);
    pc->props = NULL;
    pc->count = 0;
}

const struct pst_prop *pst_pc_find(const struct pst_pc *pc, uint16_t id)
{
    size_t low = 0, high = pc->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (pc->props[mid].id == id)
            return &pc->props[mid];
        if (pc->props[mid].id < id)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

int64_t pst_pc_int(struct pst_pc *pc, uint16_t id, int64_t otherwise)
{
    const struct pst_prop *x = pst_pc_find(pc, id);
    const uint8_t *item;
    switch (x ? x->type : 0) {
    case PST_PT_INT16:
        return (int16_t)x->value;
    case PST_PT_INT32:
        return (int32_t)x->value;
    case PST_PT_BOOLEAN:
        return (x->value & 0xFF) != 0;
    case PST_PT_INT64:
    case PST_PT_TIME:
        item = pst_heap_exact(&pc->heap, x->value, 8);
        return item ? (int64_t)pst_get64(item) : otherwise;
    default:
        return otherwise;
    }
}

int64_t pst_pc_bytes(struct pst_pc *pc, uint16_t id, void *buf, size_t max)
{
    const struct pst_prop *x = pst_pc_find(pc, id);
    uint64_t size;
    if (!x || x->type != PST_PT_BINARY || pst_value_size(&pc->heap, x->value, &size) < 0 || size > max)
        return -1;
    return pst_value_read(&pc->heap, x->value, 0, buf, (size_t)size);
}
