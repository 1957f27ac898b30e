/* memtree.h - the names of vfs_mem: directories, what is in them, and where a path leads. Not thread-safe. */
#ifndef CUBBY_OS_MEMTREE_H
#define CUBBY_OS_MEMTREE_H

#include <stddef.h>
#include <stdint.h>

#include "os/memfile.h"

struct cubby__memnode;

struct cubby__mementry {
    char *name;
    struct cubby__memnode *node;
};

struct cubby__memnode {
    uint64_t inode;
    int is_dir, linked;
    size_t uses; /* opens and maps */
    struct cubby__memfile file;
    /* a directory: */
    struct cubby__memnode *parent;
    struct cubby__mementry *entries;
    size_t count, entry_cap;
};

/* NULL: out of memory. It counts as having a name. */
struct cubby__memnode *cubby__memnode_new(uint64_t inode, int is_dir);
/* Frees a node that no name, open or map leads to. */
void cubby__memnode_drop(struct cubby__memnode *n);
/* ... and everything below it. */
void cubby__memnode_free_all(struct cubby__memnode *n);

struct cubby__mementry *cubby__memnode_find(const struct cubby__memnode *dir, const char *name, size_t len); /* NULL: no such name */
int cubby__memnode_add(struct cubby__memnode *dir, const char *name, size_t len, struct cubby__memnode *node); /* -ENOMEM */
/* Takes the name away; the node stays. */
void cubby__memnode_remove(struct cubby__memnode *dir, struct cubby__mementry *e);

/* Where a path leads: the directory of its last component, that name, and what it names now. */
struct cubby__memplace {
    struct cubby__memnode *dir;
    const char *name;
    size_t len;
    struct cubby__memnode *node; /* NULL: nothing yet. dir and name are not set if the path ends in the root, "." or ".." */
};

int cubby__memtree_place(struct cubby__memnode *root, const char *path, struct cubby__memplace *at);
int cubby__memtree_find(struct cubby__memnode *root, const char *path, struct cubby__memnode **out); /* -ENOENT: it names nothing */

#endif
