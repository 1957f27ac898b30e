/* Pages, and the two B-trees made of them. */
#include "archive/pst/bytes.h"
#include "archive/pst/cache.h"
#include "archive/pst/code.h"
#include "archive/pst/ndb.h"
#include "cli.h"

/* ---- pages ------------------------------------------------------------------------------------------------------------------------- */

/* The maps have no signature, and their id is their place. */
static int is_map(int type)
{
    return type >= PST_PAGE_FMAP && type <= PST_PAGE_FPMAP;
}

int pst_page_read(struct pst *p, struct pst_ref ref, int type, struct pst_page *out)
{
    const struct pst_shape *s = p->shape;
    const uint8_t *t = out->p + s->body;
    int ansi = s->kind == PST_ANSI;
    if (ref.ib % PST_PAGE_SIZE)
        return pst_fail(p, ref.ib, "no page can begin there");
    if (pst_pread(p, ref.ib, out->p, s->page) < 0)
        return -1;
    uint32_t crc = pst_get32(t + (ansi ? 8 : 4));
    out->ib = ref.ib;
    out->bid = ansi ? pst_get32(t + 4) : pst_get64(t + 8);
    out->type = t[0];
    if (t[0] != t[1] || (type >= 0 && t[0] != type))
        return pst_fail(p, ref.ib, "no page of type 0x%02x (0x%02x 0x%02x stands there)", (unsigned)type & 0xFF, t[0], t[1]);
    int other = ref.bid && out->bid != ref.bid;
    int sum = pst_crc(0, out->p, s->body) == crc, sign = pst_get16(t + 2) == (is_map(t[0]) ? 0 : pst_signature(ref.ib, out->bid));
    if (other && !(sum && sign))
        return pst_fail(p, ref.ib, "page 0x%llx was expected, page 0x%llx is there", (unsigned long long)ref.bid, (unsigned long long)out->bid);
    if (p->checked)
        return 0;
    if (other) /* sound by itself: written later than what leads to it */
        pst_tell(p, PST_DAMAGE, ref.ib, "page 0x%llx was expected, page 0x%llx is there", (unsigned long long)ref.bid, (unsigned long long)out->bid);
    if (!sum)
        pst_tell(p, PST_DAMAGE, ref.ib, "page of type 0x%02x: the checksum is wrong", t[0]);
    if (!sign)
        pst_tell(p, PST_DAMAGE, ref.ib, "page of type 0x%02x: the signature is wrong", t[0]);
    return 0;
}

static int tree_meta(struct pst *p, struct pst_page *page)
{
    const struct pst_shape *s = p->shape;
    const uint8_t *m = page->p + s->meta;
    int big = s->kind == PST_BIG;
    page->count = big ? pst_get16(m) : m[0];
    page->entry = big ? m[4] : m[2];
    page->level = big ? m[5] : m[3];
    uint32_t least = page->level ? s->inner : page->type == PST_PAGE_NBT ? s->node : s->block;
    if (page->level >= PST_DEPTH_MAX)
        return pst_fail(p, page->ib, "a B-tree of %u levels", page->level + 1);
    if (page->entry < least || (uint64_t)page->entry * page->count > s->meta)
        return pst_fail(p, page->ib, "%u entries of %u bytes do not fit into a B-tree page", page->count, page->entry);
    return 0;
}

int pst_tree_page(struct pst *p, struct pst_ref ref, int type, int level, const struct pst_page **out)
{
    struct pst_page **slot = &p->cache->pages[(ref.ib / PST_PAGE_SIZE) % PST_CACHED_PAGES];
    struct pst_page *page = *slot;
    *out = NULL;
    if (!page || page->type != type || page->ib != ref.ib) { /* a page that could not be read has no type */
        if (!page)
            page = *slot = cli_malloc(sizeof *page);
        if (pst_page_read(p, ref, type, page) < 0 || tree_meta(p, page) < 0) {
            page->type = -1; /* not to be found again */
            return -1;
        }
    }
    if (level >= 0 && page->level != (uint32_t)level)
        return pst_fail(p, ref.ib, "a B-tree page of level %u where level %d belongs", page->level, level);
    *out = page;
    return 0;
}

/* ---- entries ----------------------------------------------------------------------------------------------------------------------- */

static uint64_t key_of(const struct pst *p, int type, const uint8_t *entry)
{
    uint64_t key = pst_id(p, entry);
    return type == PST_PAGE_BBT ? PST_BID_KEY(key) : key & 0xFFFFFFFFu; /* the upper half of a node's key is of no meaning */
}

uint64_t pst_entry_key(const struct pst *p, const struct pst_page *page, uint32_t i)
{
    return key_of(p, page->type, page->p + (size_t)i * page->entry);
}

struct pst_ref pst_entry_child(const struct pst *p, const struct pst_page *page, uint32_t i)
{
    const uint8_t *e = page->p + (size_t)i * page->entry + p->shape->id;
    return (struct pst_ref){pst_id(p, e), pst_id(p, e + p->shape->id)};
}

void pst_node_of(const struct pst *p, const uint8_t *entry, struct pst_node *out)
{
    uint32_t w = p->shape->id;
    out->nid = pst_get32(entry);
    out->data = PST_BID_KEY(pst_id(p, entry + w));
    out->sub = PST_BID_KEY(pst_id(p, entry + 2 * w));
    out->parent = pst_get32(entry + 3 * w);
}

void pst_place_of(const struct pst *p, const uint8_t *entry, struct pst_place *out)
{
    const uint8_t *e = entry + 2 * p->shape->id;
    out->bid = PST_BID_KEY(pst_id(p, entry));
    out->ib = pst_id(p, entry + p->shape->id);
    out->stored = out->size = pst_get16(e);
    out->refs = pst_get16(e + 2);
    if (p->shape->kind == PST_BIG) {
        out->size = pst_get16(e + 2);
        out->refs = pst_get16(e + 4);
    }
}

/* ---- searches ---------------------------------------------------------------------------------------------------------------------- */

/* The last entry with a key of at most `key`; count if there is none. */
static uint32_t last_below(const struct pst *p, const struct pst_page *page, uint64_t key)
{
    uint32_t low = 0, high = page->count;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (pst_entry_key(p, page, mid) <= key)
            low = mid + 1;
        else
            high = mid;
    }
    return low ? low - 1 : page->count;
}

static int find(struct pst *p, int type, uint64_t key, const uint8_t **entry)
{
    struct pst_ref ref = type == PST_PAGE_NBT ? p->header.nbt : p->header.bbt;
    const struct pst_page *page;
    for (int level = -1;; level--) {
        if (pst_tree_page(p, ref, type, level, &page) < 0)
            return -1;
        level = (int)page->level;
        uint32_t i = last_below(p, page, key);
        if (i == page->count)
            return 0;
        *entry = page->p + (size_t)i * page->entry;
        if (!level)
            return pst_entry_key(p, page, i) == key;
        ref = pst_entry_child(p, page, i);
    }
}

int pst_find_node(struct pst *p, uint32_t nid, struct pst_node *out)
{
    const uint8_t *entry;
    int rc = find(p, PST_PAGE_NBT, nid, &entry);
    *out = (struct pst_node){0};
    if (rc == 1)
        pst_node_of(p, entry, out);
    return rc;
}

int pst_find_block(struct pst *p, uint64_t bid, struct pst_place *out)
{
    const uint8_t *entry;
    int rc = find(p, PST_PAGE_BBT, PST_BID_KEY(bid), &entry);
    *out = (struct pst_place){0};
    if (rc == 1)
        pst_place_of(p, entry, out);
    return rc;
}

/* ---- walks ------------------------------------------------------------------------------------------------------------------------- */

void pst_walk_begin(struct pst_walk *w, struct pst *p, int type, uint64_t from)
{
    *w = (struct pst_walk){.p = p, .type = type, .depth = 1, .next = from, .budget = p->size / p->shape->page + 1};
    w->stack[0].ref = type == PST_PAGE_NBT ? p->header.nbt : p->header.bbt;
    w->stack[0].level = PST_DEPTH_MAX; /* any */
}

static int walk_down(struct pst_walk *w, const struct pst_page *page, uint32_t i)
{
    if (i + 1 < page->count && pst_entry_key(w->p, page, i + 1) <= w->next)
        return 0; /* all of it was there, or is not asked for */
    if (!w->budget--) {
        w->depth = 0;
        return pst_fail(w->p, page->ib, "the B-tree has more pages than the file");
    }
    w->stack[w->depth].ref = pst_entry_child(w->p, page, i);
    w->stack[w->depth].level = page->level - 1;
    w->stack[w->depth++].at = 0;
    return 0;
}

int pst_walk_next(struct pst_walk *w, const uint8_t **entry)
{
    *entry = NULL;
    while (w->depth) {
        int top = w->depth - 1, level = w->stack[top].level == PST_DEPTH_MAX ? -1 : (int)w->stack[top].level;
        const struct pst_page *page;
        if (pst_tree_page(w->p, w->stack[top].ref, w->type, level, &page) != 0) {
            w->depth--;
            return -1;
        }
        uint32_t i = w->stack[top].at++;
        if (i >= page->count) {
            w->depth--;
            continue;
        }
        if (page->level) {
            if (walk_down(w, page, i) < 0)
                return -1;
            continue;
        }
        uint64_t key = pst_entry_key(w->p, page, i);
        if (key < w->next)
            continue;
        w->next = key + 1;
        *entry = page->p + (size_t)i * page->entry;
        return 1;
    }
    return 0;
}
