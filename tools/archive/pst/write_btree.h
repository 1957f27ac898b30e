/* write_btree.h - B-trees of PST files, built bottom-up from entries that come sorted. */
#ifndef CUBBY_TOOLS_PST_WRITE_BTREE_H
#define CUBBY_TOOLS_PST_WRITE_BTREE_H

#include <stddef.h>
#include <stdint.h>

struct btree;
struct btree_root {
    uint64_t bid, offset;
};

/* Takes a page of 512 bytes without its trailer: gives it a place, which is returned, and an id. */
typedef uint64_t (*btree_page_fn)(void *arg, int type, uint8_t *page, uint64_t *bid);

struct btree *btree_new(int type, size_t leaf_entry, btree_page_fn put, void *arg);
void btree_add(struct btree *t, uint64_t key, const uint8_t *entry);
/* At least one entry was added. */
void btree_finish(struct btree **t, struct btree_root *root);

#endif
