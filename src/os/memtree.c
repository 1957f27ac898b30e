#include "os/memtree.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"

#define NAME_LEN_MAX 255

struct cubby__memnode *cubby__memnode_new(uint64_t inode, int is_dir)
{
    struct cubby__memnode *n = cubby__calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->inode = inode;
    n->is_dir = is_dir;
    n->linked = 1;
    return n;
}

void cubby__memnode_drop(struct cubby__memnode *n)
{
    if (n->linked || n->uses)
        return;
    cubby__memfile_release(&n->file);
    cubby__free(n->entries);
    cubby__free(n);
}

void cubby__memnode_free_all(struct cubby__memnode *n)
{
    for (size_t i = 0; i < n->count; i++) {
        cubby__free(n->entries[i].name);
        cubby__memnode_free_all(n->entries[i].node);
    }
    n->linked = 0;
    cubby__memnode_drop(n);
}

struct cubby__mementry *cubby__memnode_find(const struct cubby__memnode *dir, const char *name, size_t len)
{
    for (size_t i = 0; i < dir->count; i++)
        if (!strncmp(dir->entries[i].name, name, len) && !dir->entries[i].name[len])
            return &dir->entries[i];
    return NULL;
}

int cubby__memnode_add(struct cubby__memnode *dir, const char *name, size_t len, struct cubby__memnode *node)
{
    struct cubby__mementry *entries = cubby__grow(dir->entries, dir->count, &dir->entry_cap, sizeof *entries);
    if (!entries)
        return -ENOMEM;
    dir->entries = entries;
    char *copy = cubby__malloc(len + 1);
    if (!copy)
        return -ENOMEM;
    memcpy(copy, name, len);
    copy[len] = 0;
    dir->entries[dir->count++] = (struct cubby__mementry){copy, node};
    node->parent = dir;
    return 0;
}

void cubby__memnode_remove(struct cubby__memnode *dir, struct cubby__mementry *e)
{
    cubby__free(e->name);
    size_t i = (size_t)(e - dir->entries);
    memmove(e, e + 1, (dir->count - i - 1) * sizeof *e);
    dir->count--;
}

static int step(struct cubby__memplace *at, const char *name, size_t len)
{
    struct cubby__memnode *dir = at->node;
    if (!dir)
        return -ENOENT;
    if (!dir->is_dir)
        return -ENOTDIR;
    if (len > NAME_LEN_MAX)
        return -ENAMETOOLONG;
    *at = (struct cubby__memplace){NULL, NULL, 0, dir};
    if (len == 2 && !memcmp(name, "..", 2))
        at->node = dir->parent;
    else if (len != 1 || *name != '.') {
        struct cubby__mementry *e = cubby__memnode_find(dir, name, len);
        *at = (struct cubby__memplace){dir, name, len, e ? e->node : NULL};
    }
    return 0;
}

int cubby__memtree_place(struct cubby__memnode *root, const char *path, struct cubby__memplace *at)
{
    *at = (struct cubby__memplace){NULL, NULL, 0, root};
    if (!*path)
        return -ENOENT;
    while (*path) {
        size_t len = strcspn(path, "/");
        int rc = len ? step(at, path, len) : 0;
        if (rc)
            return rc;
        path += len + (path[len] == '/');
    }
    return 0;
}

int cubby__memtree_find(struct cubby__memnode *root, const char *path, struct cubby__memnode **out)
{
    struct cubby__memplace at;
    int rc = cubby__memtree_place(root, path, &at);
    if (!rc && !at.node)
        rc = -ENOENT;
    *out = at.node;
    return rc;
}
