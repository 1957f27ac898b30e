/* fault_vfs.h - a table that forwards to another one and fails where a test says so. */
#ifndef CUBBY_TESTS_FAULT_VFS_H
#define CUBBY_TESTS_FAULT_VFS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cubby_vfs.h"

enum fault_op { FAULT_OPEN, FAULT_PREAD, FAULT_PWRITE, FAULT_SYNC, FAULT_TRUNCATE, FAULT_RENAME, FAULT_DIRSYNC, FAULT_MKDIR, FAULT_LIST, FAULT_ALLOCATE,
                FAULT_STAT, FAULT_FSTAT, FAULT_RANDOM, FAULT_LOCK, FAULT_LOCK_TEST, FAULT_MAP, FAULT_READY, FAULT_SLEEP, FAULT_OPS };

struct fault {
    cubby_vfs vfs; /* what to hand to the store */
    const cubby_vfs *under;
    enum fault_op op; /* the next call of this kind ... */
    char on[64];      /* ... on a path that contains this ... */
    int after;        /* ... but so many calls ... */
    int rc;           /* ... gives this; 0: nothing fails */
    int forever;
    int hits;         /* times that it failed */
    int calls[FAULT_OPS];
    int bounded;      /* the disk is full when the files ... */
    int64_t room;     /* ... have grown by so many bytes more */
    void (*hook)(void *arg, enum fault_op op, const char *path); /* sees every call before it is made: what others do at that moment */
    void *hook_arg;
};

struct fault_file {
    cubby_file *f;
    char path[96];
};

static inline int fault_due(struct fault *x, enum fault_op op, const char *path)
{
    x->calls[op]++;
    if (x->hook)
        x->hook(x->hook_arg, op, path);
    if (!x->rc || x->op != op || !strstr(path, x->on) || x->after-- > 0)
        return 0;
    int rc = x->rc;
    x->hits++;
    if (!x->forever)
        x->rc = 0;
    else
        x->after = 0;
    return rc;
}

static inline void fault_set(struct fault *x, enum fault_op op, const char *on, int after, int rc, int forever)
{
    x->op = op;
    strncpy(x->on, on, sizeof x->on - 1);
    x->after = after;
    x->rc = rc;
    x->forever = forever;
    x->hits = 0;
}

static inline struct fault_file *fault_file(cubby_file *f)
{
    return (struct fault_file *)(void *)f;
}

static inline int fault_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    struct fault *x = ctx;
    cubby_file *f;
    int rc = fault_due(x, FAULT_OPEN, path);
    if (rc == 0)
        rc = x->under->open(x->under->ctx, path, flags, &f);
    if (rc != 0)
        return rc;
    struct fault_file *ff = calloc(1, sizeof *ff);
    if (!ff)
        abort();
    ff->f = f;
    strncpy(ff->path, path, sizeof ff->path - 1);
    *out = (cubby_file *)(void *)ff;
    return 0;
}

static inline void fault_close(void *ctx, cubby_file *f)
{
    struct fault *x = ctx;
    x->under->close(x->under->ctx, fault_file(f)->f);
    free(f);
}

static inline int64_t fault_pread(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_PREAD, fault_file(f)->path);
    return rc ? rc : x->under->pread(x->under->ctx, fault_file(f)->f, buf, n, off);
}

static inline void fault_full(struct fault *x, int64_t room)
{
    x->bounded = 1;
    x->room = room;
}

/* Takes the room by which a file grows, or says how much there is too little. */
static inline uint64_t fault_grow(struct fault *x, cubby_file *f, uint64_t end)
{
    cubby_vfs_stat st = {0};
    x->under->fstat(x->under->ctx, fault_file(f)->f, &st);
    int64_t grow = end > st.size ? (int64_t)(end - st.size) : 0;
    if (x->bounded && grow > x->room)
        return (uint64_t)(grow - (x->room > 0 ? x->room : 0));
    x->room -= grow;
    return 0;
}

/* A failing write writes half, one on a full disk what there is room for. */
static inline int fault_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_PWRITE, fault_file(f)->path);
    if (rc)
        x->under->pwrite(x->under->ctx, fault_file(f)->f, buf, n / 2, off);
    uint64_t lacking = rc ? 0 : fault_grow(x, f, off + n);
    if (lacking) {
        size_t fits = lacking < n ? n - (size_t)lacking : 0;
        fault_grow(x, f, off + fits);
        if (fits)
            x->under->pwrite(x->under->ctx, fault_file(f)->f, buf, fits, off);
        x->hits++;
        return -ENOSPC;
    }
    return rc ? rc : x->under->pwrite(x->under->ctx, fault_file(f)->f, buf, n, off);
}

static inline int fault_allocate(void *ctx, cubby_file *f, uint64_t off, uint64_t len)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_ALLOCATE, fault_file(f)->path);
    if (rc == 0 && fault_grow(x, f, off + len))
        rc = -ENOSPC;
    return rc ? rc : x->under->allocate(x->under->ctx, fault_file(f)->f, off, len);
}

static inline int fault_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    struct fault *x = ctx;
    struct fault_file *ff = calloc(1, sizeof *ff);
    if (!ff)
        abort();
    strncpy(ff->path, path, sizeof ff->path - 1);
    int rc = x->under->lock_dir(x->under->ctx, path, kind, &ff->f);
    if (rc)
        free(ff);
    else
        *out = (cubby_file *)(void *)ff;
    return rc;
}

static inline int fault_sync(void *ctx, cubby_file *f)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_SYNC, fault_file(f)->path);
    return rc ? rc : x->under->sync(x->under->ctx, fault_file(f)->f);
}

static inline int fault_truncate(void *ctx, cubby_file *f, uint64_t size)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_TRUNCATE, fault_file(f)->path);
    cubby_vfs_stat st = {0};
    x->under->fstat(x->under->ctx, fault_file(f)->f, &st);
    if (!rc)
        x->room += (int64_t)st.size - (int64_t)size;
    return rc ? rc : x->under->truncate(x->under->ctx, fault_file(f)->f, size);
}

static inline int fault_fstat(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_FSTAT, fault_file(f)->path);
    return rc ? rc : x->under->fstat(x->under->ctx, fault_file(f)->f, out);
}

static inline int fault_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_STAT, path);
    return rc ? rc : x->under->stat(x->under->ctx, path, out);
}

static inline int fault_mkdir(void *ctx, const char *path)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_MKDIR, path);
    return rc ? rc : x->under->mkdir(x->under->ctx, path);
}

static inline int fault_rename(void *ctx, const char *from, const char *to)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_RENAME, to);
    return rc ? rc : x->under->rename(x->under->ctx, from, to);
}

static inline int fault_unlink(void *ctx, const char *path)
{
    struct fault *x = ctx;
    cubby_vfs_stat st = {0};
    if (x->under->stat(x->under->ctx, path, &st) == 0)
        x->room += (int64_t)st.size;
    return x->under->unlink(x->under->ctx, path);
}

static inline int fault_dirsync(void *ctx, const char *path)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_DIRSYNC, path);
    return rc ? rc : x->under->dirsync(x->under->ctx, path);
}

static inline int fault_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_LIST, path);
    return rc ? rc : x->under->list(x->under->ctx, path, fn, arg);
}

static inline int fault_lock(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    struct fault *x = ctx;
    int rc = kind == CUBBY_UNLOCK ? 0 : fault_due(x, FAULT_LOCK, fault_file(f)->path);
    return rc ? rc : x->under->lock(x->under->ctx, fault_file(f)->f, start, len, kind);
}

static inline int fault_lock_test(void *ctx, cubby_file *f, uint64_t start, uint64_t len)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_LOCK_TEST, fault_file(f)->path);
    return rc ? rc : x->under->lock_test(x->under->ctx, fault_file(f)->f, start, len);
}

static inline int fault_map(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_MAP, fault_file(f)->path);
    return rc ? rc : x->under->map(x->under->ctx, fault_file(f)->f, off, len, out);
}

static inline void fault_unmap(void *ctx, void *addr, size_t len)
{
    struct fault *x = ctx;
    x->under->unmap(x->under->ctx, addr, len);
}

static inline int fault_ready(void *ctx, cubby_file *f, void *addr, size_t len)
{
    struct fault *x = ctx;
    (void)addr, (void)len;
    return fault_due(x, FAULT_READY, fault_file(f)->path);
}

static inline int64_t fault_now_ns(void *ctx)
{
    struct fault *x = ctx;
    return x->under->now_ns(x->under->ctx);
}

static inline int64_t fault_ticks_ms(void *ctx)
{
    struct fault *x = ctx;
    return x->under->ticks_ms(x->under->ctx);
}

static inline void fault_sleep_ms(void *ctx, uint32_t ms)
{
    struct fault *x = ctx;
    fault_due(x, FAULT_SLEEP, "");
    x->under->sleep_ms(x->under->ctx, ms);
}

static inline int fault_random(void *ctx, void *buf, size_t n)
{
    struct fault *x = ctx;
    int rc = fault_due(x, FAULT_RANDOM, "");
    return rc ? rc : x->under->random(x->under->ctx, buf, n);
}

static inline void fault_init(struct fault *x, const cubby_vfs *under)
{
    memset(x, 0, sizeof *x);
    x->under = under;
    x->vfs = (cubby_vfs){.ctx = x, .open = fault_open, .close = fault_close, .pread = fault_pread, .pwrite = fault_pwrite, .sync = fault_sync,
                         .truncate = fault_truncate, .fstat = fault_fstat, .stat = fault_stat, .mkdir = fault_mkdir, .rename = fault_rename,
                         .unlink = fault_unlink, .dirsync = fault_dirsync, .list = fault_list, .lock = fault_lock, .lock_test = fault_lock_test,
                         .map = fault_map, .unmap = fault_unmap, .ready = fault_ready, .now_ns = fault_now_ns, .ticks_ms = fault_ticks_ms, .sleep_ms = fault_sleep_ms,
                         .random = fault_random, .allocate = fault_allocate, .lock_dir = fault_lock_dir};
}

#endif
