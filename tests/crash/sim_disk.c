/* sim_disk.c - the table of cubby_vfs.h that records: every call goes to a memfs (what the process sees) and into the model. */
#include "sim_disk.h"

#include <errno.h>
#include <string.h>

#include "sim_model.h"

struct cubby_file {
    cubby_file *next;
    cubby_file *mem;
    const cubby_vfs *fs; /* of mem. Not that of the disk: its process is dead */
    size_t inode;
    char *path;
};

/* ---- entering and leaving a call ---- */

static struct sim *enter(void *ctx)
{
    struct sim *s = ctx;
    pthread_mutex_lock(&s->mutex);
    return s;
}

static int leave(struct sim *s, int rc)
{
    pthread_mutex_unlock(&s->mutex);
    return rc;
}

static int due(const struct sim_fault *f, uint64_t n)
{
    return f->at && (f->mode == SIM_FOREVER ? n >= f->at : n == f->at) ? f->neg_errno : 0;
}

/* A call that changes nothing on the disk: 0, or how it has to fail. */
static int look(struct sim *s)
{
    s->calls++;
    return s->crashed ? -EIO : due(&s->fail_call, s->calls);
}

/* A mutating operation begins. */
static int mutate(struct sim *s)
{
    int rc = look(s);
    if (s->crashed)
        return rc;
    s->ops++;
    if (s->crash_at && s->ops >= s->crash_at) {
        s->crashed = 1;
        return -EIO;
    }
    return rc ? rc : due(&s->fail_op, s->ops);
}

/* It ends with rc. */
static int done(struct sim *s, const char *kind, const char *path, int rc)
{
    struct sim_op op = {s->ops, kind, path, rc};
    if (s->on_op && !s->crashed)
        s->on_op(s->on_op_arg, s, &op);
    return leave(s, rc);
}

/* Directory and last name of a path that memfs has just accepted or found: 0 or -ENAMETOOLONG, -ENOENT. */
static int locate(struct sim *s, const char *path, size_t *dir, char name[SIM_NAME_MAX])
{
    char parent[1024];
    cubby_vfs_stat st;
    size_t n = strlen(path), start;
    while (n > 1 && path[n - 1] == '/')
        n--;
    for (start = n; start && path[start - 1] != '/';)
        start--;
    if (n - start >= SIM_NAME_MAX || start >= sizeof parent - 2)
        return -ENAMETOOLONG;
    memcpy(name, path + start, n - start);
    name[n - start] = 0;
    memcpy(parent, start ? path : ".", start ? start : 1);
    parent[start ? start : 1] = 0;
    int rc = s->mem->stat(s->mem->ctx, parent, &st);
    if (!rc)
        *dir = sim_inode_of(s, st.inode);
    return rc;
}

/* ---- files ---- */

static cubby_file *file_new(struct sim *s, cubby_file *mem, const char *path)
{
    cubby_vfs_stat st;
    if (s->mem->fstat(s->mem->ctx, mem, &st))
        abort();
    cubby_file *f = sim_alloc(sizeof *f);
    f->mem = mem;
    f->fs = s->mem;
    f->inode = sim_inode_of(s, st.inode);
    f->path = strdup(path);
    f->next = s->files;
    s->files = f;
    s->inodes[f->inode].opens++;
    return f;
}

static int v_create(struct sim *s, const char *path, unsigned flags, cubby_file **out)
{
    struct sim_pending p = {.kind = SIM_CREATE};
    cubby_file *mem;
    int rc = mutate(s);
    if (!rc)
        rc = locate(s, path, &p.dir, p.name);
    if (!rc)
        rc = s->mem->open(s->mem->ctx, path, flags, &mem);
    if (!rc) {
        p.inode = sim_add_inode(s, 0);
        sim_bind(s, path, p.inode);
        sim_add_pending(s, &p);
        *out = file_new(s, mem, path);
    }
    return done(s, "create", path, rc);
}

static int v_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    struct sim *s = enter(ctx);
    size_t inode;
    cubby_file *mem;
    if (flags & CUBBY_OPEN_CREATE && !sim_find(s, path, &inode))
        return v_create(s, path, flags, out);
    int rc = look(s);
    if (!rc)
        rc = s->mem->open(s->mem->ctx, path, flags, &mem);
    if (!rc)
        *out = file_new(s, mem, path);
    return leave(s, rc);
}

static void v_close(void *ctx, cubby_file *f)
{
    struct sim *s = enter(ctx);
    f->fs->close(f->fs->ctx, f->mem);
    if (f->fs == s->mem)
        s->inodes[f->inode].opens--;
    for (cubby_file **at = &s->files; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    free(f->path);
    free(f);
    leave(s, 0);
}

static int dead(const struct sim *s, const cubby_file *f)
{
    return f->fs != s->mem;
}

static int64_t v_pread(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off)
{
    struct sim *s = enter(ctx);
    int64_t rc = dead(s, f) ? -EBADF : look(s);
    if (!rc)
        rc = s->mem->pread(s->mem->ctx, f->mem, buf, n, off);
    leave(s, 0);
    return rc;
}

/* How many of the n bytes there is room for. */
static size_t room(const struct sim *s, const struct sim_inode *ino, size_t n, uint64_t off)
{
    uint64_t used = s->space == UINT64_MAX ? 0 : sim_bytes(s), grow = off + n > ino->size ? off + n - ino->size : 0;
    uint64_t left = used < s->space ? s->space - used : 0;
    return grow <= left ? n : grow - left < n ? n - (size_t)(grow - left) : 0;
}

static int v_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    struct sim *s = enter(ctx);
    if (dead(s, f) || !n)
        return leave(s, n ? -EBADF : 0);
    int rc = mutate(s);
    struct sim_inode *ino = &s->inodes[f->inode];
    size_t fits = off + n > SIM_FILE_MAX || off > SIM_FILE_MAX ? 0 : room(s, ino, n, off);
    if (!rc && fits < n)
        rc = off > SIM_FILE_MAX || off + n > SIM_FILE_MAX ? -EFBIG : -ENOSPC;
    else if (rc && !s->crashed) { /* a failing write leaves a prefix */
        uint64_t r = s->seed ^ s->calls;
        fits = sim_random(&r) % n;
    }
    if (!s->crashed && fits) {
        int mem_rc = s->mem->pwrite(s->mem->ctx, f->mem, buf, fits, off);
        struct sim_pending p = {.kind = SIM_WRITE, .inode = f->inode, .off = off, .len = fits};
        if (!mem_rc) {
            p.data = sim_blob_new(fits);
            memcpy(p.data->data, buf, fits);
            sim_add_pending(s, &p);
            sim_blob_unref(p.data);
            ino->size = off + fits > ino->size ? off + fits : ino->size;
        }
        rc = rc ? rc : mem_rc;
    }
    return done(s, "write", f->path, rc);
}

static int v_sync(void *ctx, cubby_file *f)
{
    struct sim *s = enter(ctx);
    if (dead(s, f))
        return leave(s, -EBADF);
    int rc = mutate(s);
    if (!rc)
        sim_make_durable(s, f->inode);
    else if (!s->crashed)
        sim_lose_writes(s, f->inode);
    return done(s, "sync", f->path, rc);
}

static int v_truncate(void *ctx, cubby_file *f, uint64_t size)
{
    struct sim *s = enter(ctx);
    if (dead(s, f))
        return leave(s, -EBADF);
    int rc = mutate(s);
    if (!rc && size > SIM_FILE_MAX)
        rc = -EFBIG;
    if (!rc)
        rc = s->mem->truncate(s->mem->ctx, f->mem, size);
    if (!rc) {
        sim_add_pending(s, &(struct sim_pending){.kind = SIM_TRUNCATE, .inode = f->inode, .off = size});
        s->inodes[f->inode].size = size;
    }
    return done(s, "truncate", f->path, rc);
}

/* On the disk like a truncate that makes the file longer. */
static int v_allocate(void *ctx, cubby_file *f, uint64_t off, uint64_t len)
{
    struct sim *s = enter(ctx);
    if (dead(s, f))
        return leave(s, -EBADF);
    struct sim_inode *ino = &s->inodes[f->inode];
    int rc = mutate(s);
    if (!rc && off + len > SIM_FILE_MAX)
        rc = -EFBIG;
    if (!rc && off + len > ino->size && sim_bytes(s) + (off + len - ino->size) > s->space)
        rc = -ENOSPC;
    if (!rc && off + len > ino->size)
        rc = s->mem->truncate(s->mem->ctx, f->mem, off + len);
    if (!rc && off + len > ino->size) {
        sim_add_pending(s, &(struct sim_pending){.kind = SIM_TRUNCATE, .inode = f->inode, .off = off + len});
        s->inodes[f->inode].size = off + len;
    }
    return done(s, "allocate", f->path, rc);
}

static int v_fstat(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    struct sim *s = enter(ctx);
    int rc = dead(s, f) ? -EBADF : look(s);
    return leave(s, rc ? rc : s->mem->fstat(s->mem->ctx, f->mem, out));
}

/* ---- names ---- */

static int v_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    struct sim *s = enter(ctx);
    int rc = look(s);
    return leave(s, rc ? rc : s->mem->stat(s->mem->ctx, path, out));
}

static int v_mkdir(void *ctx, const char *path)
{
    struct sim *s = enter(ctx);
    struct sim_pending p = {.kind = SIM_CREATE};
    int rc = mutate(s);
    if (!rc)
        rc = locate(s, path, &p.dir, p.name);
    if (!rc)
        rc = s->mem->mkdir(s->mem->ctx, path);
    if (!rc) {
        p.inode = sim_add_inode(s, 1);
        sim_bind(s, path, p.inode);
        sim_add_pending(s, &p);
    }
    return done(s, "mkdir", path, rc);
}

static int v_rename(void *ctx, const char *from, const char *to)
{
    struct sim *s = enter(ctx);
    struct sim_pending p = {.kind = SIM_RENAME};
    size_t old = 0;
    int rc = mutate(s), replaces = sim_find(s, to, &old);
    if (!rc)
        rc = locate(s, from, &p.dir, p.name);
    if (!rc)
        rc = locate(s, to, &p.to_dir, p.to_name);
    if (!rc && !sim_find(s, from, &p.inode))
        rc = -ENOENT;
    if (!rc)
        rc = s->mem->rename(s->mem->ctx, from, to);
    if (!rc && !(replaces && old == p.inode)) {
        if (replaces)
            s->inodes[old].linked = 0;
        sim_add_pending(s, &p);
    }
    return done(s, "rename", from, rc);
}

static int v_unlink(void *ctx, const char *path)
{
    struct sim *s = enter(ctx);
    struct sim_pending p = {.kind = SIM_UNLINK};
    int rc = mutate(s);
    if (!rc)
        rc = sim_find(s, path, &p.inode) ? locate(s, path, &p.dir, p.name) : -ENOENT;
    if (!rc)
        rc = s->mem->unlink(s->mem->ctx, path);
    if (!rc) {
        s->inodes[p.inode].linked = 0;
        sim_add_pending(s, &p);
    }
    return done(s, "unlink", path, rc);
}

static int v_dirsync(void *ctx, const char *path)
{
    struct sim *s = enter(ctx);
    size_t dir;
    int rc = mutate(s);
    if (!rc)
        rc = s->mem->dirsync(s->mem->ctx, path);
    if (!rc && sim_find(s, path, &dir))
        sim_make_entries_durable(s, dir);
    return done(s, "dirsync", path, rc);
}

static int v_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    struct sim *s = enter(ctx);
    int rc = leave(s, look(s));
    return rc ? rc : s->mem->list(s->mem->ctx, path, fn, arg);
}

/* ---- locks, memory, time ---- */

static int v_lock(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    struct sim *s = enter(ctx);
    int rc = dead(s, f) ? -EBADF : look(s);
    return leave(s, rc ? rc : s->mem->lock(s->mem->ctx, f->mem, start, len, kind));
}

static int v_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    struct sim *s = enter(ctx);
    cubby_file *mem;
    int rc = look(s);
    if (!rc)
        rc = s->mem->lock_dir(s->mem->ctx, path, kind, &mem);
    if (!rc)
        *out = file_new(s, mem, path);
    return leave(s, rc);
}

static int v_lock_test(void *ctx, cubby_file *f, uint64_t start, uint64_t len)
{
    struct sim *s = enter(ctx);
    int rc = dead(s, f) ? -EBADF : look(s);
    return leave(s, rc ? rc : s->mem->lock_test(s->mem->ctx, f->mem, start, len));
}

static int v_map(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out)
{
    struct sim *s = enter(ctx);
    int rc = dead(s, f) ? -EBADF : look(s);
    if (!rc)
        rc = s->mem->map(s->mem->ctx, f->mem, off, len, out);
    if (rc)
        return leave(s, rc);
    struct sim_inode *n = &s->inodes[f->inode];
    size_t i = 0;
    while (i < n->mapped_count && (n->mapped[i].off != off || n->mapped[i].len != len))
        i++;
    if (i == n->mapped_count && i < sizeof n->mapped / sizeof *n->mapped)
        n->mapped[n->mapped_count++] = (struct sim_range){off, len};
    if (!n->map_path)
        n->map_path = strdup(f->path);
    s->maps = sim_grow(s->maps, s->map_count, &s->map_cap, sizeof *s->maps);
    s->maps[s->map_count++] = (struct sim_map){*out, len, s->mem};
    return leave(s, 0);
}

static void v_unmap(void *ctx, void *addr, size_t len)
{
    struct sim *s = enter(ctx);
    for (size_t i = 0; i < s->map_count; i++)
        if (s->maps[i].addr == addr) {
            s->maps[i].mem->unmap(s->maps[i].mem->ctx, addr, len);
            s->maps[i] = s->maps[--s->map_count];
            break;
        }
    leave(s, 0);
}

static int64_t v_now_ns(void *ctx)
{
    const cubby_vfs *mem = ((struct sim *)ctx)->mem;
    return mem->now_ns(mem->ctx);
}

static int64_t v_ticks_ms(void *ctx)
{
    const cubby_vfs *mem = ((struct sim *)ctx)->mem;
    return mem->ticks_ms(mem->ctx);
}

static void v_sleep_ms(void *ctx, uint32_t ms)
{
    const cubby_vfs *mem = ((struct sim *)ctx)->mem;
    mem->sleep_ms(mem->ctx, ms);
}

static int v_random(void *ctx, void *buf, size_t n)
{
    struct sim *s = enter(ctx);
    int rc = look(s);
    return leave(s, rc ? rc : s->mem->random(s->mem->ctx, buf, n));
}

/* ---- the disk ---- */

static const cubby_vfs table = {
    .open = v_open,
    .close = v_close,
    .pread = v_pread,
    .pwrite = v_pwrite,
    .sync = v_sync,
    .truncate = v_truncate,
    .fstat = v_fstat,
    .stat = v_stat,
    .mkdir = v_mkdir,
    .rename = v_rename,
    .unlink = v_unlink,
    .dirsync = v_dirsync,
    .list = v_list,
    .lock = v_lock,
    .lock_test = v_lock_test,
    .map = v_map,
    .unmap = v_unmap,
    .now_ns = v_now_ns,
    .ticks_ms = v_ticks_ms,
    .sleep_ms = v_sleep_ms,
    .random = v_random,
    .allocate = v_allocate,
    .lock_dir = v_lock_dir,
};

struct sim *sim_new(uint64_t seed)
{
    struct sim *s = sim_alloc(sizeof *s);
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&s->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    s->vfs = table;
    s->vfs.ctx = s;
    s->seed = seed;
    s->space = UINT64_MAX;
    sim_add_inode(s, 1);
    sim_new_memfs(s);
    return s;
}

void sim_free(struct sim **sp)
{
    struct sim *s = *sp;
    if (!s)
        return;
    while (s->map_count)
        v_unmap(s, s->maps[0].addr, s->maps[0].len);
    while (s->files)
        v_close(s, s->files);
    for (size_t i = 0; i < s->inode_count; i++) {
        sim_blob_unref(s->inodes[i].base);
        free(s->inodes[i].dir.entries);
        free(s->inodes[i].map_path);
    }
    for (size_t i = 0; i < s->pending_count; i++)
        sim_blob_unref(s->pending[i].data);
    for (size_t i = 0; i < s->memfs_count; i++)
        cubby__memfs_free(&s->memfs[i]);
    pthread_mutex_destroy(&s->mutex);
    free(s->memfs);
    free(s->inodes);
    free(s->by_number);
    free(s->pending);
    free(s->maps);
    free(s);
    *sp = NULL;
}

const cubby_vfs *sim_vfs(struct sim *s)
{
    return &s->vfs;
}

uint64_t sim_ops(const struct sim *s)
{
    return s->ops;
}

uint64_t sim_calls(const struct sim *s)
{
    return s->calls;
}

size_t sim_open_files(const struct sim *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->map_count; i++)
        n += s->maps[i].mem == s->mem;
    for (const cubby_file *f = s->files; f; f = f->next)
        n += !dead(s, f);
    return n;
}

uint64_t sim_bytes(const struct sim *s)
{
    uint64_t n = 0;
    for (size_t i = 0; i < s->inode_count; i++)
        if (s->inodes[i].linked || s->inodes[i].opens)
            n += s->inodes[i].size;
    return n;
}

void sim_fail_at(struct sim *s, uint64_t n, int neg_errno, enum sim_fail mode)
{
    s->fail_op = (struct sim_fault){n, neg_errno, mode};
}

void sim_fail_call(struct sim *s, uint64_t n, int neg_errno, enum sim_fail mode)
{
    s->fail_call = (struct sim_fault){n, neg_errno, mode};
}

void sim_space(struct sim *s, uint64_t bytes)
{
    s->space = bytes;
}

void sim_crash_at(struct sim *s, uint64_t n)
{
    s->crash_at = n;
}

void sim_on_op(struct sim *s, sim_op_fn fn, void *arg)
{
    s->on_op = fn;
    s->on_op_arg = arg;
}
