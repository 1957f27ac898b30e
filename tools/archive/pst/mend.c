/* Files whose B-trees cannot be found: the roots of a later or an earlier state, by looking at all pages. */
#include "archive/pst/bytes.h"
#include "archive/pst/code.h"
#include "archive/pst/ndb.h"
#include "cli.h"

#include <stdlib.h>

enum { CHUNK = 1 << 16 };

/* A sound page of a B-tree: 1 with its id and level. */
static int is_tree_page(const struct pst *p, uint64_t ib, const uint8_t *page, int type, uint64_t *bid, unsigned *level)
{
    const struct pst_shape *s = p->shape;
    const uint8_t *t = page + s->body;
    int ansi = s->kind == PST_ANSI;
    if (t[0] != type || t[1] != type)
        return 0;
    *bid = ansi ? pst_get32(t + 4) : pst_get64(t + 8);
    *level = page[s->meta + (s->kind == PST_BIG ? 5 : 3)];
    return *level < PST_DEPTH_MAX && pst_get16(t + 2) == pst_signature(ib, *bid) && pst_crc(0, page, s->body) == pst_get32(t + (ansi ? 8 : 4));
}

struct best {
    int type;
    struct pst_ref ref;
    unsigned level;
};

/* A root is on the highest level; of several the one that was written last. */
static void consider(struct pst *p, struct best *b, uint64_t ib, const uint8_t *page)
{
    uint64_t bid;
    unsigned level;
    if (!is_tree_page(p, ib, page, b->type, &bid, &level))
        return;
    if (!b->ref.ib || level > b->level || (level == b->level && bid > b->ref.bid)) {
        b->ref = (struct pst_ref){bid, ib};
        b->level = level;
    }
}

static void use(struct pst *p, const struct best *b, struct pst_ref *root, const char *what)
{
    if (!b->ref.ib || b->ref.ib == root->ib)
        return;
    pst_tell(p, PST_DAMAGE, root->ib, "the B-tree of %s begins at byte %llu, not where the header says", what, (unsigned long long)b->ref.ib);
    pst_miss(p, root->ib, "the B-tree of %s is not where the header says", what);
    *root = b->ref;
}

static int is_sound(struct pst *p, int type, struct pst_ref root)
{
    const struct pst_page *page;
    return pst_tree_page(p, root, type, -1, &page) == 0 && page->count && page->bid == root.bid;
}

void pst_mend(struct pst *p)
{
    struct best nodes = {.type = PST_PAGE_NBT}, blocks = {.type = PST_PAGE_BBT};
    uint32_t size = p->shape->page;
    if (is_sound(p, PST_PAGE_NBT, p->header.nbt) && is_sound(p, PST_PAGE_BBT, p->header.bbt))
        return;
    uint8_t *buf = cli_malloc(CHUNK + PST_PAGE_MAX);
    for (uint64_t at = 0; at + size <= p->size && !cli_interrupted; at += CHUNK) {
        uint64_t left = p->size - at, n = left < CHUNK + PST_PAGE_MAX ? left : CHUNK + PST_PAGE_MAX;
        if (pst_pread(p, at, buf, (size_t)n) < 0)
            break;
        for (uint32_t i = 0; i < CHUNK && i + size <= n; i += PST_PAGE_SIZE) {
            consider(p, &nodes, at + i, buf + i);
            consider(p, &blocks, at + i, buf + i);
        }
    }
    free(buf);
    use(p, &nodes, &p->header.nbt, "nodes");
    use(p, &blocks, &p->header.bbt, "blocks");
}
