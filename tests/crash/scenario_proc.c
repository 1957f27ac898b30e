/* scenario_proc.c - a table that passes on, counts, and can die. */
#include "crash/scenario_proc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cubby_file {
    struct cubby_file *next;
    cubby_file *inner; /* NULL: its process is dead */
    char path[256];
};

struct map {
    void *addr;
    void *saved; /* what others see when the process is dead, whatever it still does */
    size_t len;
    int gone;    /* unmapped by the dead process */
};

struct proc {
    cubby_vfs vfs;
    const cubby_vfs *in;
    cubby_file *files;
    struct map maps[8];
    size_t map_count;
    int dead;
    uint64_t limit;
    struct proc_counts n;
};

static int look(struct proc *p)
{
    p->n.calls++;
    return p->dead || (p->limit && p->n.calls > p->limit) ? -EIO : 0;
}

static int is_index(const char *path)
{
    size_t n = strlen(path);
    return n > 6 && strcmp(path + n - 6, "/index") == 0;
}

static int touch(struct proc *p, const char *what, const char *path)
{
    int rc = look(p);
    if (rc == 0 && !p->n.touched[0] && !is_index(path))
        snprintf(p->n.touched, sizeof p->n.touched, "%s %s", what, path);
    return rc;
}

static cubby_file *add_file(struct proc *p, cubby_file *inner, const char *path)
{
    cubby_file *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    f->inner = inner;
    snprintf(f->path, sizeof f->path, "%s", path);
    f->next = p->files;
    p->files = f;
    p->n.open++;
    return f;
}

static int p_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    struct proc *p = ctx;
    cubby_vfs_stat st;
    int rc = flags & CUBBY_OPEN_CREATE && !is_index(path) && p->in->stat(p->in->ctx, path, &st) != 0 ? touch(p, "create", path) : look(p);
    cubby_file *inner;
    if (rc == 0)
        rc = p->in->open(p->in->ctx, path, flags, &inner);
    if (rc == 0)
        *out = add_file(p, inner, path);
    return rc;
}

static void p_close(void *ctx, cubby_file *f)
{
    struct proc *p = ctx;
    if (f->inner)
        p->in->close(p->in->ctx, f->inner);
    for (cubby_file **at = &p->files; *at; at = &(*at)->next)
        if (*at == f) {
            *at = f->next;
            break;
        }
    p->n.open--;
    free(f);
}

static int64_t p_pread(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->pread(p->in->ctx, f->inner, buf, n, off);
}

static int p_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    struct proc *p = ctx;
    int rc = touch(p, "write", f->path);
    return rc ? rc : p->in->pwrite(p->in->ctx, f->inner, buf, n, off);
}

static int p_sync(void *ctx, cubby_file *f)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->sync(p->in->ctx, f->inner);
}

static void note_unlinked(struct proc *p, const char *path)
{
    if (strstr(path, "/segments/") && !p->n.unlinked[0])
        snprintf(p->n.unlinked, sizeof p->n.unlinked, "%s", path);
}

static int p_truncate(void *ctx, cubby_file *f, uint64_t size)
{
    struct proc *p = ctx;
    cubby_vfs_stat st;
    int rc = touch(p, "truncate", f->path);
    if (rc == 0 && p->in->fstat(p->in->ctx, f->inner, &st) == 0 && size < st.size)
        note_unlinked(p, f->path);
    return rc ? rc : p->in->truncate(p->in->ctx, f->inner, size);
}

static int p_fstat(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->fstat(p->in->ctx, f->inner, out);
}

static int p_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->stat(p->in->ctx, path, out);
}

static int p_mkdir(void *ctx, const char *path)
{
    struct proc *p = ctx;
    int rc = touch(p, "mkdir", path);
    return rc ? rc : p->in->mkdir(p->in->ctx, path);
}

static int p_rename(void *ctx, const char *from, const char *to)
{
    struct proc *p = ctx;
    int rc = touch(p, "rename", from);
    note_unlinked(p, from);
    return rc ? rc : p->in->rename(p->in->ctx, from, to);
}

static int p_unlink(void *ctx, const char *path)
{
    struct proc *p = ctx;
    int rc = touch(p, "unlink", path);
    note_unlinked(p, path);
    return rc ? rc : p->in->unlink(p->in->ctx, path);
}

static int p_dirsync(void *ctx, const char *path)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->dirsync(p->in->ctx, path);
}

static int p_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->list(p->in->ctx, path, fn, arg);
}

static int p_lock(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->lock(p->in->ctx, f->inner, start, len, kind);
}

static int p_lock_test(void *ctx, cubby_file *f, uint64_t start, uint64_t len)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->lock_test(p->in->ctx, f->inner, start, len);
}

static int p_map(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out)
{
    struct proc *p = ctx;
    int rc = p->map_count == sizeof p->maps / sizeof *p->maps ? -ENOMEM : look(p);
    if (rc == 0)
        rc = p->in->map(p->in->ctx, f->inner, off, len, out);
    if (rc != 0)
        return rc;
    p->maps[p->map_count++] = (struct map){.addr = *out, .len = len};
    p->n.open++;
    return 0;
}

static void p_unmap(void *ctx, void *addr, size_t len)
{
    struct proc *p = ctx;
    size_t i = 0;
    while (i < p->map_count && (p->maps[i].addr != addr || p->maps[i].gone))
        i++;
    if (i == p->map_count)
        return;
    p->n.open--;
    p->maps[i].gone = 1;
    if (p->dead)
        return;
    p->in->unmap(p->in->ctx, addr, len);
    p->maps[i] = p->maps[--p->map_count];
}

static int p_allocate(void *ctx, cubby_file *f, uint64_t off, uint64_t len)
{
    struct proc *p = ctx;
    int rc = touch(p, "allocate", f->path);
    return rc ? rc : p->in->allocate(p->in->ctx, f->inner, off, len);
}

static int p_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    struct proc *p = ctx;
    cubby_file *inner;
    int rc = look(p);
    if (rc == 0)
        rc = p->in->lock_dir(p->in->ctx, path, kind, &inner);
    if (rc == 0)
        *out = add_file(p, inner, path);
    return rc;
}

static int64_t p_now_ns(void *ctx)
{
    const cubby_vfs *in = ((struct proc *)ctx)->in;
    return in->now_ns(in->ctx);
}

static int64_t p_ticks_ms(void *ctx)
{
    const cubby_vfs *in = ((struct proc *)ctx)->in;
    return in->ticks_ms(in->ctx);
}

static void p_sleep_ms(void *ctx, uint32_t ms)
{
    const cubby_vfs *in = ((struct proc *)ctx)->in;
    in->sleep_ms(in->ctx, ms);
}

static int p_random(void *ctx, void *buf, size_t n)
{
    struct proc *p = ctx;
    int rc = look(p);
    return rc ? rc : p->in->random(p->in->ctx, buf, n);
}

static const cubby_vfs table = {
    .open = p_open,
    .close = p_close,
    .pread = p_pread,
    .pwrite = p_pwrite,
    .sync = p_sync,
    .truncate = p_truncate,
    .fstat = p_fstat,
    .stat = p_stat,
    .mkdir = p_mkdir,
    .rename = p_rename,
    .unlink = p_unlink,
    .dirsync = p_dirsync,
    .list = p_list,
    .lock = p_lock,
    .lock_test = p_lock_test,
    .map = p_map,
    .unmap = p_unmap,
    .now_ns = p_now_ns,
    .ticks_ms = p_ticks_ms,
    .sleep_ms = p_sleep_ms,
    .random = p_random,
    .allocate = p_allocate,
    .lock_dir = p_lock_dir,
};

struct proc *proc_new(const cubby_vfs *inner)
{
    struct proc *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->vfs = table;
    p->vfs.ctx = p;
    if (!inner->allocate)
        p->vfs.allocate = NULL;
    if (!inner->lock_dir)
        p->vfs.lock_dir = NULL;
    p->in = inner;
    return p;
}

const cubby_vfs *proc_vfs(struct proc *p)
{
    return &p->vfs;
}

void proc_counts(const struct proc *p, struct proc_counts *out)
{
    *out = p->n;
}

void proc_limit(struct proc *p, uint64_t calls)
{
    p->limit = calls ? p->n.calls + calls : 0;
}

void proc_kill(struct proc *p)
{
    p->dead = 1;
    for (size_t i = 0; i < p->map_count; i++) {
        p->maps[i].saved = malloc(p->maps[i].len);
        if (!p->maps[i].saved)
            abort();
        memcpy(p->maps[i].saved, p->maps[i].addr, p->maps[i].len);
    }
    for (cubby_file *f = p->files; f; f = f->next) {
        p->in->close(p->in->ctx, f->inner);
        f->inner = NULL;
    }
}

void proc_free(struct proc **pp)
{
    struct proc *p = *pp;
    if (!p)
        return;
    for (size_t i = 0; i < p->map_count; i++) {
        if (p->maps[i].saved)
            memcpy(p->maps[i].addr, p->maps[i].saved, p->maps[i].len);
        p->in->unmap(p->in->ctx, p->maps[i].addr, p->maps[i].len);
        free(p->maps[i].saved);
    }
    while (p->files)
        p_close(p, p->files);
    free(p);
    *pp = NULL;
}
