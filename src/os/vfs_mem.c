#include "os/vfs_mem.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/alloc.h"
#include "os/memtree.h"

#define MAP_ALIGN 4096u

struct mapping {
    void *addr;
    struct cubby__memnode *node;
};

struct cubby_file {
    struct cubby__memnode *node;
    int writable;
};

struct cubby__memfs {
    cubby_vfs vfs;
    pthread_mutex_t mutex; /* guards all of the tree */
    struct cubby__memnode *root;
    uint64_t last_inode;
    struct mapping *mapped; /* one a map() */
    size_t mapped_count, mapped_cap;
    int deterministic;
    uint64_t random_state;
    int64_t clock_ns;
};

static struct cubby__memfs *enter(void *ctx)
{
    struct cubby__memfs *fs = ctx;
    pthread_mutex_lock(&fs->mutex);
    return fs;
}

static int leave(struct cubby__memfs *fs, int rc)
{
    pthread_mutex_unlock(&fs->mutex);
    return rc;
}

/* ---- open files ---- */

static int open_node(struct cubby__memfs *fs, const char *path, unsigned flags, struct cubby__memnode **out)
{
    struct cubby__memplace at;
    int rc = cubby__memtree_place(fs->root, path, &at);
    if (rc)
        return rc;
    if (at.node && flags & CUBBY_OPEN_EXCL)
        return -EEXIST;
    if (!at.node && !(flags & CUBBY_OPEN_CREATE))
        return -ENOENT;
    if (at.node && at.node->is_dir)
        return -EINVAL;
    if (!at.node) {
        at.node = cubby__memnode_new(++fs->last_inode, 0);
        if (!at.node)
            return -ENOMEM;
        rc = cubby__memnode_add(at.dir, at.name, at.len, at.node);
        if (rc)
            cubby__free(at.node);
    }
    *out = at.node;
    return rc;
}

static int mem_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    if (flags & (CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL) && !(flags & CUBBY_OPEN_WRITE))
        return -EINVAL;
    struct cubby_file *f = cubby__malloc(sizeof *f);
    if (!f)
        return -ENOMEM;
    struct cubby__memfs *fs = enter(ctx);
    f->writable = (flags & CUBBY_OPEN_WRITE) != 0;
    int rc = open_node(fs, path, flags, &f->node);
    if (rc) {
        cubby__free(f);
        return leave(fs, rc);
    }
    f->node->uses++;
    *out = f;
    return leave(fs, 0);
}

static void mem_close(void *ctx, cubby_file *f)
{
    struct cubby__memfs *fs = enter(ctx);
    cubby__memfile_unlock_all(&f->node->file, f);
    f->node->uses--;
    cubby__memnode_drop(f->node);
    leave(fs, 0);
    cubby__free(f);
}

static int64_t mem_pread(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off)
{
    if (off > INT64_MAX || n > INT64_MAX - off)
        return -EINVAL;
    struct cubby__memfs *fs = enter(ctx);
    n = cubby__memfile_read(&f->node->file, buf, n, off);
    leave(fs, 0);
    return (int64_t)n;
}

static int mem_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    if (off > INT64_MAX || n > INT64_MAX - off)
        return -EINVAL;
    if (!f->writable)
        return -EBADF;
    struct cubby__memfs *fs = enter(ctx);
    return leave(fs, cubby__memfile_write(&f->node->file, buf, n, off));
}

static int mem_sync(void *ctx, cubby_file *f)
{
    (void)ctx, (void)f;
    return 0;
}

static int mem_truncate(void *ctx, cubby_file *f, uint64_t size)
{
    if (!f->writable || size > INT64_MAX)
        return -EINVAL;
    struct cubby__memfs *fs = enter(ctx);
    cubby__memfile_truncate(&f->node->file, size);
    return leave(fs, 0);
}

static int mem_allocate(void *ctx, cubby_file *f, uint64_t off, uint64_t len)
{
    if (!len || off > INT64_MAX || len > INT64_MAX - off)
        return -EINVAL;
    if (!f->writable)
        return -EBADF;
    struct cubby__memfs *fs = enter(ctx);
    if (off + len > f->node->file.size)
        cubby__memfile_truncate(&f->node->file, off + len);
    return leave(fs, 0);
}

static void fill_stat(const struct cubby__memnode *n, cubby_vfs_stat *out)
{
    *out = (cubby_vfs_stat){.size = n->file.size, .inode = n->inode, .device = 1, .is_dir = n->is_dir};
    out->links = n->linked ? 1 + (uint32_t)n->is_dir : 0;
}

static int mem_fstat(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    struct cubby__memfs *fs = enter(ctx);
    fill_stat(f->node, out);
    return leave(fs, 0);
}

/* ---- names ---- */

static int mem_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    struct cubby__memfs *fs = enter(ctx);
    struct cubby__memnode *n;
    int rc = cubby__memtree_find(fs->root, path, &n);
    if (!rc)
        fill_stat(n, out);
    return leave(fs, rc);
}

static int mem_mkdir(void *ctx, const char *path)
{
    struct cubby__memfs *fs = enter(ctx);
    struct cubby__memplace at;
    int rc = cubby__memtree_place(fs->root, path, &at);
    if (!rc && at.node)
        rc = -EEXIST;
    if (rc)
        return leave(fs, rc);
    struct cubby__memnode *n = cubby__memnode_new(++fs->last_inode, 1);
    rc = n ? cubby__memnode_add(at.dir, at.name, at.len, n) : -ENOMEM;
    if (rc)
        cubby__free(n);
    return leave(fs, rc);
}

static int is_below(const struct cubby__memnode *n, const struct cubby__memnode *top, const struct cubby__memnode *root)
{
    while (n != top && n != root)
        n = n->parent;
    return n == top;
}

static int rename_refused(const struct cubby__memfs *fs, const struct cubby__memplace *from, const struct cubby__memplace *to)
{
    if (!from->node)
        return -ENOENT;
    if (!from->dir || (to->node && !to->dir))
        return -EBUSY; /* the root, "." or ".." */
    if (from->node->is_dir && is_below(to->dir, from->node, fs->root))
        return -EINVAL;
    if (!to->node)
        return 0;
    if (to->node->is_dir && !from->node->is_dir)
        return -EISDIR;
    if (!to->node->is_dir && from->node->is_dir)
        return -ENOTDIR;
    return to->node->count ? -ENOTEMPTY : 0;
}

static int mem_rename(void *ctx, const char *from_path, const char *to_path)
{
    struct cubby__memfs *fs = enter(ctx);
    struct cubby__memplace from, to;
    int rc = cubby__memtree_place(fs->root, from_path, &from);
    if (!rc)
        rc = cubby__memtree_place(fs->root, to_path, &to);
    if (!rc)
        rc = rename_refused(fs, &from, &to);
    if (rc || from.node == to.node)
        return leave(fs, rc);
    if (to.node) {
        cubby__memnode_find(to.dir, to.name, to.len)->node = from.node;
        from.node->parent = to.dir;
        to.node->linked = 0;
        cubby__memnode_drop(to.node);
    } else {
        rc = cubby__memnode_add(to.dir, to.name, to.len, from.node);
    }
    if (!rc)
        cubby__memnode_remove(from.dir, cubby__memnode_find(from.dir, from.name, from.len));
    return leave(fs, rc);
}

static int mem_unlink(void *ctx, const char *path)
{
    struct cubby__memfs *fs = enter(ctx);
    struct cubby__memplace at;
    int rc = cubby__memtree_place(fs->root, path, &at);
    if (!rc)
        rc = !at.node ? -ENOENT : at.node->is_dir ? -EISDIR : 0;
    if (rc)
        return leave(fs, rc);
    cubby__memnode_remove(at.dir, cubby__memnode_find(at.dir, at.name, at.len));
    at.node->linked = 0;
    cubby__memnode_drop(at.node);
    return leave(fs, 0);
}

static int mem_dirsync(void *ctx, const char *path)
{
    struct cubby__memfs *fs = enter(ctx);
    struct cubby__memnode *n;
    int rc = cubby__memtree_find(fs->root, path, &n);
    return leave(fs, rc ? rc : n->is_dir ? 0 : -ENOTDIR);
}

/* All names of a directory, one NUL after each; *out NULL if there is none. */
static int copy_names(const struct cubby__memnode *dir, char **out, size_t *len)
{
    *out = NULL;
    *len = 0;
    for (size_t i = 0; i < dir->count; i++)
        *len += strlen(dir->entries[i].name) + 1;
    char *p = *len ? cubby__malloc(*len) : NULL;
    if (*len && !p)
        return -ENOMEM;
    *out = p;
    for (size_t i = 0; i < dir->count; i++) {
        size_t n = strlen(dir->entries[i].name) + 1;
        memcpy(p, dir->entries[i].name, n);
        p += n;
    }
    return 0;
}

/* fn may call back into the VFS: it runs outside the mutex. */
static int mem_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    struct cubby__memfs *fs = enter(ctx);
    struct cubby__memnode *n;
    char *names = NULL;
    size_t len = 0;
    int rc = cubby__memtree_find(fs->root, path, &n);
    if (!rc)
        rc = n->is_dir ? copy_names(n, &names, &len) : -ENOTDIR;
    leave(fs, rc);
    for (size_t i = 0; !rc && i < len; i += strlen(names + i) + 1)
        rc = fn(arg, names + i);
    cubby__free(names);
    return rc;
}

/* ---- locks and shared memory ---- */

static int mem_lock(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    if (!len || start > INT64_MAX || len > INT64_MAX - start)
        return -EINVAL;
    if (kind == CUBBY_LOCK_EXCLUSIVE && !f->writable)
        return -EBADF;
    struct cubby__memfs *fs = enter(ctx);
    return leave(fs, cubby__memfile_lock(&f->node->file, f, start, start + len - 1, kind));
}

static int mem_lock_test(void *ctx, cubby_file *f, uint64_t start, uint64_t len)
{
    if (!len || start > INT64_MAX || len > INT64_MAX - start)
        return -EINVAL;
    struct cubby__memfs *fs = enter(ctx);
    return leave(fs, cubby__memfile_conflict(&f->node->file, f, start, start + len - 1, CUBBY_LOCK_EXCLUSIVE));
}

/* A directory has no bytes: its file is there for this lock alone. */
static int mem_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    struct cubby_file *f = cubby__calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    struct cubby__memfs *fs = enter(ctx);
    int rc = cubby__memtree_find(fs->root, path, &f->node);
    if (!rc)
        rc = f->node->is_dir ? cubby__memfile_lock(&f->node->file, f, 0, 0, kind) : -ENOTDIR;
    if (rc) {
        cubby__free(f);
        return leave(fs, rc);
    }
    f->node->uses++;
    *out = f;
    return leave(fs, 0);
}

static int mem_map(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out)
{
    if (!len || off % MAP_ALIGN || len % MAP_ALIGN || off > INT64_MAX || len > INT64_MAX - off)
        return -EINVAL;
    struct cubby__memfs *fs = enter(ctx);
    struct mapping *mapped = cubby__grow(fs->mapped, fs->mapped_count, &fs->mapped_cap, sizeof *mapped);
    if (!mapped)
        return leave(fs, -ENOMEM);
    fs->mapped = mapped;
    void *addr;
    int rc = off + len > f->node->file.size ? -EINVAL : cubby__memfile_map(&f->node->file, off, len, &addr);
    if (rc)
        return leave(fs, rc);
    fs->mapped[fs->mapped_count++] = (struct mapping){addr, f->node};
    f->node->uses++;
    *out = addr;
    return leave(fs, 0);
}

static void mem_unmap(void *ctx, void *addr, size_t len)
{
    (void)len;
    struct cubby__memfs *fs = enter(ctx);
    for (size_t i = 0; i < fs->mapped_count; i++) {
        if (fs->mapped[i].addr != addr)
            continue;
        struct cubby__memnode *n = fs->mapped[i].node;
        fs->mapped[i] = fs->mapped[--fs->mapped_count];
        n->uses--;
        cubby__memnode_drop(n);
        break;
    }
    leave(fs, 0);
}

/* ---- time and randomness ---- */

static int64_t mem_now_ns(void *ctx)
{
    struct cubby__memfs *fs = enter(ctx);
    int64_t now = fs->deterministic ? fs->clock_ns += 1000 : cubby_vfs_posix()->now_ns(NULL);
    leave(fs, 0);
    return now;
}

static int64_t mem_ticks_ms(void *ctx)
{
    struct cubby__memfs *fs = enter(ctx);
    int64_t now = fs->deterministic ? (fs->clock_ns += 1000) / 1000000 : cubby_vfs_posix()->ticks_ms(NULL);
    leave(fs, 0);
    return now;
}

static void mem_sleep_ms(void *ctx, uint32_t ms)
{
    struct cubby__memfs *fs = enter(ctx);
    int real = !fs->deterministic;
    fs->clock_ns += (int64_t)ms * 1000000;
    leave(fs, 0);
    if (real)
        cubby_vfs_posix()->sleep_ms(NULL, ms);
}

static uint64_t next_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static int mem_random(void *ctx, void *buf, size_t n)
{
    struct cubby__memfs *fs = enter(ctx);
    for (size_t i = 0; fs->deterministic && i < n; i++)
        ((uint8_t *)buf)[i] = (uint8_t)next_random(&fs->random_state);
    int real = !fs->deterministic;
    leave(fs, 0);
    return real ? cubby_vfs_posix()->random(NULL, buf, n) : 0;
}

/* ---- the whole ---- */

static const cubby_vfs table = {
    .open = mem_open,
    .close = mem_close,
    .pread = mem_pread,
    .pwrite = mem_pwrite,
    .sync = mem_sync,
    .truncate = mem_truncate,
    .fstat = mem_fstat,
    .stat = mem_stat,
    .mkdir = mem_mkdir,
    .rename = mem_rename,
    .unlink = mem_unlink,
    .dirsync = mem_dirsync,
    .list = mem_list,
    .lock = mem_lock,
    .lock_test = mem_lock_test,
    .map = mem_map,
    .unmap = mem_unmap,
    .now_ns = mem_now_ns,
    .ticks_ms = mem_ticks_ms,
    .sleep_ms = mem_sleep_ms,
    .random = mem_random,
    .allocate = mem_allocate,
    .lock_dir = mem_lock_dir,
};

struct cubby__memfs *cubby__memfs_new(void)
{
    struct cubby__memfs *fs = cubby__calloc(1, sizeof *fs);
    if (!fs)
        return NULL;
    fs->root = cubby__memnode_new(++fs->last_inode, 1);
    if (!fs->root) {
        cubby__free(fs);
        return NULL;
    }
    fs->root->parent = fs->root;
    fs->vfs = table;
    fs->vfs.ctx = fs;
    pthread_mutex_init(&fs->mutex, NULL);
    return fs;
}

void cubby__memfs_free(struct cubby__memfs **fs)
{
    if (!*fs)
        return;
    cubby__memnode_free_all((*fs)->root);
    pthread_mutex_destroy(&(*fs)->mutex);
    cubby__free((*fs)->mapped);
    cubby__free(*fs);
    *fs = NULL;
}

const cubby_vfs *cubby__memfs_vfs(struct cubby__memfs *fs)
{
    return &fs->vfs;
}

void cubby__memfs_deterministic(struct cubby__memfs *fs, uint64_t seed)
{
    pthread_mutex_lock(&fs->mutex);
    fs->deterministic = 1;
    fs->random_state = seed;
    fs->clock_ns = (int64_t)1577836800 * 1000000000; /* 2020-01-01T00:00:00Z */
    pthread_mutex_unlock(&fs->mutex);
}
