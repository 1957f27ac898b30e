#include "archive/pst/write_btree.h"

#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/format.h"
#include "cli.h"

/* 20 to the 8th: more than there are ids. */
enum { LEVELS = 8, ENTRIES_BYTES = 488, BRANCH_ENTRY = 24 };

struct level {
    uint64_t first;
    size_t count;
    uint8_t page[PST_PAGE_SIZE];
};

struct btree {
    int type, top;
    size_t leaf_entry;
    btree_page_fn put;
    void *arg;
    struct level levels[LEVELS];
};

static size_t entry_size(const struct btree *t, int level)
{
    return level ? BRANCH_ENTRY : t->leaf_entry;
}

static void flush(struct btree *t, int level, struct btree_root *at)
{
    struct level *l = &t->levels[level];
    size_t size = entry_size(t, level);
    l->page[488] = (uint8_t)l->count;
    l->page[489] = (uint8_t)(ENTRIES_BYTES / size);
    l->page[490] = (uint8_t)size;
    l->page[491] = (uint8_t)level;
    at->offset = t->put(t->arg, t->type, l->page, &at->bid);
    memset(l->page, 0, sizeof l->page);
    l->count = 0;
}

static void add(struct btree *t, int level, uint64_t key, const uint8_t *entry);

static void flush_up(struct btree *t, int level)
{
    struct btree_root at;
    uint8_t entry[BRANCH_ENTRY];
    flush(t, level, &at);
    pst_put64(entry, t->levels[level].first);
    pst_put64(entry + 8, at.bid);
    pst_put64(entry + 16, at.offset);
    if (t->top == level)
        t->top++;
    add(t, level + 1, t->levels[level].first, entry);
}

static void add(struct btree *t, int level, uint64_t key, const uint8_t *entry)
{
    struct level *l = &t->levels[level];
    size_t size = entry_size(t, level);
    if (l->count == ENTRIES_BYTES / size)
        flush_up(t, level);
    if (l->count == 0)
        l->first = key;
    memcpy(l->page + l->count++ * size, entry, size);
}

struct btree *btree_new(int type, size_t leaf_entry, btree_page_fn put, void *arg)
{
    struct btree *t = cli_malloc(sizeof *t);
    memset(t, 0, sizeof *t);
    t->type = type;
    t->leaf_entry = leaf_entry;
    t->put = put;
    t->arg = arg;
    return t;
}

void btree_add(struct btree *t, uint64_t key, const uint8_t *entry)
{
    add(t, 0, key, entry);
}

void btree_finish(struct btree **t, struct btree_root *root)
{
    for (int level = 0; level < (*t)->top; level++)
        flush_up(*t, level);
    flush(*t, (*t)->top, root);
    free(*t);
    *t = NULL;
}
