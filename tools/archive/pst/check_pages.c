/* Header, maps, and the pages of the B-trees. */
#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/check_own.h"
#include "archive/pst/code.h"

typedef unsigned long long ull;

void check_header(struct check *c)
{
    const struct pst_shape *s = c->p->shape;
    const struct pst_header *h = &c->p->header;
    uint64_t size = c->p->size;
    c->maps = size > s->amap_at ? (size - s->amap_at + s->amap_span - 1) / s->amap_span : 0;
    if (!c->maps || size != s->amap_at + c->maps * s->amap_span)
        CHECK_ERROR(c, 0, "the file has %llu bytes: not a whole number of intervals of %llu", (ull)size, (ull)s->amap_span);
    if (c->maps && h->amap_last != s->amap_at + (c->maps - 1) * s->amap_span)
        CHECK_ERROR(c, 0, "the header says the last allocation map is at %llu, it is at %llu", (ull)h->amap_last,
                    (ull)(s->amap_at + (c->maps - 1) * s->amap_span));
    if (h->amap_valid != 1 && h->amap_valid != 2)
        CHECK_ERROR(c, 0, "the header says that the allocation maps are not valid (%u)", h->amap_valid);
    c->used = cli_malloc(c->maps * s->amap_bytes + 1);
    memset(c->used, 0, c->maps * s->amap_bytes + 1);
}

/* ---- places -------------------------------------------------------------------------------------------------------------------------- */

int check_take(struct check *c, uint64_t ib, uint64_t len, const char *what, uint64_t id)
{
    const struct pst_shape *s = c->p->shape;
    uint64_t from = ib - s->amap_at, end = from + len;
    if (ib < s->amap_at || end > c->maps * s->amap_span || end < from) {
        CHECK_ERROR(c, ib, "%s 0x%llx lies outside of the part that maps speak of", what, (ull)id);
        return 0;
    }
    if (from % s->slot)
        CHECK_ERROR(c, ib, "%s 0x%llx does not begin at a multiple of %u", what, (ull)id, s->slot);
    if (from / s->amap_span != (end - 1) / s->amap_span)
        CHECK_ERROR(c, ib, "%s 0x%llx goes on behind an allocation map", what, (ull)id);
    int twice = 0;
    for (uint64_t i = from / s->slot; i < (end + s->slot - 1) / s->slot; i++) {
        uint8_t mask = (uint8_t)(0x80 >> i % 8);
        twice |= (c->used[i / 8] & mask) != 0;
        c->used[i / 8] |= mask;
    }
    if (twice)
        CHECK_ERROR(c, ib, "%s 0x%llx lies where something else lies, too", what, (ull)id);
    return !twice;
}

static void check_map(struct check *c, uint64_t ib, int type)
{
    struct pst_page page;
    check_take(c, ib, c->p->shape->page, "map", ib);
    c->out->pages++;
    if (pst_page_read(c->p, (struct pst_ref){ib, ib}, type, &page) < 0)
        check_say_error(c, "map at %llu", (ull)ib);
}

static void check_density_list(struct check *c)
{
    struct pst_ref at = {0, c->p->shape->dlist_at};
    struct pst_page page;
    int empty = 1;
    if (pst_pread(c->p, at.ib, page.p, c->p->shape->page) < 0)
        return;
    for (uint32_t i = 0; i < c->p->shape->page; i++)
        empty = empty && !page.p[i];
    if (empty || c->p->shape->kind == PST_BIG)
        return;
    const uint8_t *t = page.p + c->p->shape->body;
    int ansi = c->p->shape->kind == PST_ANSI;
    if (t[0] != PST_PAGE_DLIST || t[1] != PST_PAGE_DLIST || pst_crc(0, page.p, c->p->shape->body) != pst_get32(t + (ansi ? 8 : 4)))
        CHECK_WARNING(c, at.ib, "the density list is not sound, and so of no use");
}

/* The maps that nobody looks at any more have to be there all the same. */
void check_maps(struct check *c)
{
    const struct pst_shape *s = c->p->shape;
    for (uint64_t n = 0; n < c->maps && !check_step(c); n++) {
        uint64_t ib = s->amap_at + n * s->amap_span;
        check_map(c, ib, PST_PAGE_AMAP);
        if (s->kind == PST_BIG)
            continue;
        if (n % PST_PMAP_EVERY == 0)
            check_map(c, ib + s->page, PST_PAGE_PMAP);
        if (n >= PST_FMAP_FIRST && (n - PST_FMAP_FIRST) % PST_FMAP_EVERY == 0)
            check_map(c, ib + 2 * s->page, PST_PAGE_FMAP);
        if (n >= PST_FPMAP_FIRST && (n - PST_FPMAP_FIRST) % PST_FPMAP_EVERY == 0)
            check_map(c, ib + 2 * s->page, PST_PAGE_FPMAP);
    }
    check_density_list(c);
}

/* One word for many slots in a row. */
struct run {
    uint64_t from, len;
    int used;
};

static void say_run(struct check *c, struct run *r)
{
    uint32_t slot = c->p->shape->slot;
    uint64_t at = c->p->shape->amap_at + r->from * slot;
    if (r->len && r->used)
        CHECK_ERROR(c, at, "%llu bytes are in use, but free in the allocation map", (ull)(r->len * slot));
    else if (r->len) /* room that is lost until the file is compacted; older versions of Outlook leave some */
        CHECK_WARNING(c, at, "%llu bytes are taken in the allocation map, but nothing is there", (ull)(r->len * slot));
    r->len = 0;
}

static void compare(struct check *c, uint64_t first, uint8_t used, uint8_t map, struct run *r)
{
    for (unsigned i = 0; i < 8 && (used != map || r->len); i++) {
        uint8_t mask = (uint8_t)(0x80 >> i);
        int differ = ((used ^ map) & mask) != 0;
        if (r->len && (!differ || r->used != ((used & mask) != 0)))
            say_run(c, r);
        if (differ && !r->len++) {
            r->from = first + i;
            r->used = (used & mask) != 0;
        }
    }
}

void check_allocation(struct check *c)
{
    const struct pst_shape *s = c->p->shape;
    struct run r = {0};
    struct pst_page page;
    uint64_t clear = 0;
    for (uint64_t n = 0; n < c->maps && !check_step(c); n++) {
        uint64_t ib = s->amap_at + n * s->amap_span;
        if (pst_pread(c->p, ib, page.p, s->page) < 0)
            continue;
        for (uint64_t i = 0; i < s->amap_bytes; i++) {
            uint8_t map = page.p[s->amap_from + i], used = c->used[n * s->amap_bytes + i];
            clear += (unsigned)(8 - __builtin_popcount(map));
            compare(c, (n * s->amap_bytes + i) * 8, used, map, &r);
        }
    }
    say_run(c, &r);
    c->out->free = clear * s->slot;
    if (!c->stopped && c->out->free != c->p->header.amap_free)
        CHECK_ERROR(c, 0, "the header says %llu bytes are free, the allocation maps say %llu", (ull)c->p->header.amap_free, (ull)c->out->free);
}

/* ---- B-trees ------------------------------------------------------------------------------------------------------------------------- */

struct tree {
    int type;
    int begun;
    uint64_t last; /* key of the last leaf entry */
};

static void check_leaf(struct check *c, struct tree *t, const struct pst_page *page, uint32_t i)
{
    const uint8_t *entry = page->p + (size_t)i * page->entry;
    uint64_t key = pst_entry_key(c->p, page, i);
    struct pst_node node;
    struct pst_place at;
    if (t->begun && key <= t->last)
        CHECK_ERROR(c, page->ib, "keys of the B-tree do not ascend: 0x%llx after 0x%llx", (ull)key, (ull)t->last);
    t->begun = 1;
    t->last = key;
    if (t->type == PST_PAGE_NBT) {
        pst_node_of(c->p, entry, &node);
        check_node_entry(c, &node, page->ib);
    } else {
        pst_place_of(c->p, entry, &at);
        check_block_entry(c, &at, page->ib);
    }
}

static void check_meta(struct check *c, const struct pst_page *page, int root)
{
    const struct pst_shape *s = c->p->shape;
    const uint8_t *m = page->p + s->meta;
    uint32_t most = s->kind == PST_BIG ? pst_get16(m + 2) : m[1];
    uint32_t size = page->level ? s->inner : page->type == PST_PAGE_NBT ? s->node : s->block;
    if (page->entry != size)
        CHECK_ERROR(c, page->ib, "B-tree page with entries of %u bytes, not %u", page->entry, size);
    if (page->count > most || most > s->meta / size)
        CHECK_ERROR(c, page->ib, "B-tree page with %u entries, %u at most", page->count, most);
    if (!page->count && !root)
        CHECK_ERROR(c, page->ib, "an empty page in a B-tree");
    if (page->bid >= c->p->header.next_page)
        CHECK_ERROR(c, page->ib, "page id 0x%llx is not below the header's next one (0x%llx)", (ull)page->bid, (ull)c->p->header.next_page);
}

/* Goes down at most as many levels as a B-tree can have, and to each page once: its place can be taken once only. */
static void check_page(struct check *c, struct tree *t, struct pst_ref ref, int level, const uint64_t *first)
{
    const struct pst_page *borrowed;
    struct pst_page page;
    if (!check_take(c, ref.ib, c->p->shape->page, "page", ref.bid))
        return;
    c->out->pages++;
    if (pst_tree_page(c->p, ref, t->type, level, &borrowed) < 0) {
        check_say_error(c, "B-tree of %s", t->type == PST_PAGE_NBT ? "nodes" : "blocks");
        return;
    }
    page = *borrowed;
    check_meta(c, &page, !first);
    if (first && page.count && pst_entry_key(c->p, &page, 0) != *first)
        CHECK_ERROR(c, page.ib, "B-tree page begins with key 0x%llx, the one above says 0x%llx", (ull)pst_entry_key(c->p, &page, 0), (ull)*first);
    for (uint32_t i = 0; i < page.count && !c->stopped; i++) {
        uint64_t key = pst_entry_key(c->p, &page, i);
        if (page.level)
            check_page(c, t, pst_entry_child(c->p, &page, i), (int)page.level - 1, &key);
        else
            check_leaf(c, t, &page, i);
    }
}

void check_tree(struct check *c, int type)
{
    struct tree t = {.type = type};
    check_page(c, &t, type == PST_PAGE_NBT ? c->p->header.nbt : c->p->header.bbt, -1, NULL);
}
