#include "fault/fault_table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cubby.h"

const struct fault_name fault_names[FAULTS] = {
    [F_EIO] = {"EIO", -EIO},          [F_ENOSPC] = {"ENOSPC", -ENOSPC}, [F_HALF] = {"half", -EIO},      [F_DONE] = {"done", -EIO},
    [F_EDQUOT] = {"EDQUOT", -EDQUOT}, [F_EINTR] = {"EINTR", -EINTR},    [F_EAGAIN] = {"EAGAIN", -EAGAIN}, [F_EMFILE] = {"EMFILE", -EMFILE},
    [F_ENOMEM] = {"ENOMEM", -ENOMEM}, [F_EACCES] = {"EACCES", -EACCES},
};

void (*fault_watch)(const char *call, const char *path);

/* ---- memory ---- */

static struct {
    uint64_t at, calls, hits, live;
    int forever, paused;
} heap;

void heap_pause(int on)
{
    heap.paused += on ? 1 : -1;
}

static int heap_fails(void)
{
    if (heap.paused)
        return 0;
    heap.calls++;
    if (fault_watch)
        fault_watch("heap", "");
    int fails = heap.at && (heap.calls == heap.at || (heap.forever && heap.calls > heap.at));
    heap.hits += (uint64_t)fails;
    return fails;
}

static void *heap_malloc(size_t n)
{
    void *p = heap_fails() ? NULL : malloc(n);
    heap.live += p != NULL;
    return p;
}

static void *heap_realloc(void *old, size_t n)
{
    void *p = heap_fails() ? NULL : realloc(old, n);
    heap.live += p && !old;
    return p;
}

static void heap_free(void *p)
{
    heap.live -= p != NULL;
    free(p);
}

void heap_install(void)
{
    static const cubby_allocator a = {heap_malloc, heap_realloc, heap_free};
    cubby_set_allocator(&a);
}

void heap_arm(uint64_t n, int forever)
{
    heap.at = n;
    heap.forever = forever;
    heap.calls = heap.hits = 0;
}

void heap_disarm(void)
{
    heap.at = 0;
}

uint64_t heap_hits(void)
{
    return heap.hits;
}

uint64_t heap_calls(void)
{
    return heap.calls;
}

uint64_t heap_live(void)
{
    return heap.live;
}

/* ---- the table ---- */

struct fault_table {
    cubby_vfs vfs;
    const cubby_vfs *under;
    enum fault_calls which;
    enum fault_kind kind;
    uint64_t at, calls, hits;
    int forever;
    void (*before_sync)(void *arg, int neg_errno);
    void *arg;
    char what[300];
};

struct cubby_file {
    cubby_file *under;
    char path[128];
};

/* EAGAIN of a lock is "somebody else holds it": said once, or of a lock that is only looked at, nobody can see through that, and it says nothing of failures. */
static int is_lie(const struct fault_table *t, const char *call)
{
    return t->kind == F_EAGAIN && (strcmp(call, "lock_test") == 0 || (strcmp(call, "lock") == 0 && !t->forever));
}

/* 0: the call goes its way. Else how it fails; *done: but not before it has done what it should, *half: or half of it. */
static int due(struct fault_table *t, const char *call, const char *path, int is_sync, int *done, int *half)
{
    *done = *half = 0;
    if (t->which == SYNC_CALLS && !is_sync)
        return 0;
    t->calls++;
    if (fault_watch)
        fault_watch(call, path);
    if (!t->at || t->calls < t->at || (t->calls > t->at && !t->forever) || is_lie(t, call))
        return 0;
    if (!t->hits++)
        snprintf(t->what, sizeof t->what, "%s %s", call, path);
    *done = t->kind == F_DONE;
    *half = t->kind == F_HALF;
    return fault_names[t->kind].neg_errno;
}

/* A call that changes names or files: it may be done and fail all the same. */
#define CHANGE(call, path, is_sync, expr)                          \
    struct fault_table *t = ctx;                                   \
    int done, half, bad = due(t, call, path, is_sync, &done, &half); \
    if (bad && !done)                                              \
        return bad;                                                \
    heap_pause(1);                                                 \
    int rc = (expr);                                               \
    heap_pause(0);                                                 \
    return rc ? rc : bad

/* One that does not. */
#define LOOK(call, path, expr)                               \
    struct fault_table *t = ctx;                             \
    int done, half, bad = due(t, call, path, 0, &done, &half); \
    if (bad)                                                 \
        return bad;                                          \
    heap_pause(1);                                           \
    int rc = (expr);                                         \
    heap_pause(0);                                           \
    return rc

static struct cubby_file *new_file(const char *path)
{
    struct cubby_file *f = calloc(1, sizeof *f);
    if (!f)
        abort();
    snprintf(f->path, sizeof f->path, "%s", path);
    return f;
}

static int t_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    struct fault_table *t = ctx;
    int done, half, rc = due(t, flags & CUBBY_OPEN_CREATE ? "create" : "open", path, 0, &done, &half);
    if (rc)
        return rc;
    struct cubby_file *f = new_file(path);
    heap_pause(1);
    rc = t->under->open(t->under->ctx, path, flags, &f->under);
    heap_pause(0);
    if (rc)
        free(f);
    else
        *out = f;
    return rc;
}

static void t_close(void *ctx, cubby_file *f)
{
    struct fault_table *t = ctx;
    t->under->close(t->under->ctx, f->under);
    free(f);
}

static int64_t t_pread(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off)
{
    struct fault_table *t = ctx;
    int done, half, bad = due(t, "read", f->path, 0, &done, &half);
    if (bad && half)
        t->under->pread(t->under->ctx, f->under, buf, n / 2, off);
    return bad ? bad : t->under->pread(t->under->ctx, f->under, buf, n, off);
}

static int t_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    struct fault_table *t = ctx;
    int done, half, bad = due(t, "write", f->path, 0, &done, &half), rc = 0;
    heap_pause(1);
    if (!bad || done)
        rc = t->under->pwrite(t->under->ctx, f->under, buf, n, off);
    else if (half)
        t->under->pwrite(t->under->ctx, f->under, buf, n / 2, off);
    heap_pause(0);
    return rc ? rc : bad;
}

static int t_sync(void *ctx, cubby_file *f)
{
    struct fault_table *t = ctx;
    int done, half, bad = due(t, "sync", f->path, 1, &done, &half);
    if (bad && !done && !t->before_sync)
        return bad;
    if (bad && !done)
        t->before_sync(t->arg, bad);
    heap_pause(1);
    int rc = t->under->sync(t->under->ctx, f->under);
    heap_pause(0);
    return rc ? rc : bad;
}

static int t_truncate(void *ctx, cubby_file *f, uint64_t size)
{
    CHANGE("truncate", f->path, 0, t->under->truncate(t->under->ctx, f->under, size));
}

static int t_fstat(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    LOOK("fstat", f->path, t->under->fstat(t->under->ctx, f->under, out));
}

static int t_stat(void *ctx, const char *path, cubby_vfs_stat *out)
{
    LOOK("stat", path, t->under->stat(t->under->ctx, path, out));
}

static int t_mkdir(void *ctx, const char *path)
{
    CHANGE("mkdir", path, 0, t->under->mkdir(t->under->ctx, path));
}

static int t_rename(void *ctx, const char *from, const char *to)
{
    CHANGE("rename", from, 0, t->under->rename(t->under->ctx, from, to));
}

static int t_unlink(void *ctx, const char *path)
{
    CHANGE("unlink", path, 0, t->under->unlink(t->under->ctx, path));
}

static int t_dirsync(void *ctx, const char *path)
{
    CHANGE("dirsync", path, 1, t->under->dirsync(t->under->ctx, path));
}

struct listing {
    cubby_list_fn fn;
    void *arg;
};

static int listed(void *arg, const char *name)
{
    struct listing *l = arg;
    heap_pause(0);
    int rc = l->fn(l->arg, name);
    heap_pause(1);
    return rc;
}

static int t_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    struct listing l = {fn, arg};
    LOOK("list", path, t->under->list(t->under->ctx, path, listed, &l));
}

/* To unlock never fails: no system does that, and nobody could do anything about it. */
static int t_lock(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    struct fault_table *t = ctx;
    int done, half, rc = kind == CUBBY_UNLOCK ? 0 : due(t, "lock", f->path, 0, &done, &half);
    heap_pause(1);
    if (rc == 0)
        rc = t->under->lock(t->under->ctx, f->under, start, len, kind);
    heap_pause(0);
    return rc;
}

static int t_lock_test(void *ctx, cubby_file *f, uint64_t start, uint64_t len)
{
    struct fault_table *t = ctx;
    int done, half, rc = due(t, "lock_test", f->path, 0, &done, &half);
    if (rc)
        return rc;
    return t->under->lock_test(t->under->ctx, f->under, start, len);
}

static int t_map(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out)
{
    LOOK("map", f->path, t->under->map(t->under->ctx, f->under, off, len, out));
}

static void t_unmap(void *ctx, void *addr, size_t len)
{
    struct fault_table *t = ctx;
    t->under->unmap(t->under->ctx, addr, len);
}

static int64_t t_now_ns(void *ctx)
{
    struct fault_table *t = ctx;
    return t->under->now_ns(t->under->ctx);
}

static int64_t t_ticks_ms(void *ctx)
{
    struct fault_table *t = ctx;
    return t->under->ticks_ms(t->under->ctx);
}

static void t_sleep_ms(void *ctx, uint32_t ms)
{
    struct fault_table *t = ctx;
    t->under->sleep_ms(t->under->ctx, ms);
}

static int t_random(void *ctx, void *buf, size_t n)
{
    LOOK("random", "", t->under->random(t->under->ctx, buf, n));
}

static int t_allocate(void *ctx, cubby_file *f, uint64_t off, uint64_t len)
{
    CHANGE("allocate", f->path, 0, t->under->allocate(t->under->ctx, f->under, off, len));
}

/* Nothing under this table is a disk that copies what is written to: only what is asked for fails. */
static int t_ready(void *ctx, cubby_file *f, void *addr, size_t len)
{
    (void)addr, (void)len;
    LOOK("ready", f->path, 0);
}

static int t_lock_dir(void *ctx, const char *path, int kind, cubby_file **out)
{
    struct fault_table *t = ctx;
    int done, half, rc = due(t, "lock_dir", path, 0, &done, &half);
    if (rc)
        return rc;
    struct cubby_file *f = new_file(path);
    heap_pause(1);
    rc = t->under->lock_dir(t->under->ctx, path, kind, &f->under);
    heap_pause(0);
    if (rc)
        free(f);
    else
        *out = f;
    return rc;
}

static const cubby_vfs table = {
    .open = t_open, .close = t_close, .pread = t_pread, .pwrite = t_pwrite, .sync = t_sync, .truncate = t_truncate, .fstat = t_fstat, .stat = t_stat,
    .mkdir = t_mkdir, .rename = t_rename, .unlink = t_unlink, .dirsync = t_dirsync, .list = t_list, .lock = t_lock, .lock_test = t_lock_test,
    .map = t_map, .unmap = t_unmap, .ready = t_ready, .now_ns = t_now_ns, .ticks_ms = t_ticks_ms, .sleep_ms = t_sleep_ms, .random = t_random,
};

struct fault_table *fault_table_new(const cubby_vfs *under)
{
    struct fault_table *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->vfs = table;
    t->vfs.ctx = t;
    t->vfs.allocate = under->allocate ? t_allocate : NULL;
    t->vfs.lock_dir = under->lock_dir ? t_lock_dir : NULL;
    t->under = under;
    return t;
}

void fault_table_free(struct fault_table **t)
{
    free(*t);
    *t = NULL;
}

const cubby_vfs *fault_table_vfs(struct fault_table *t)
{
    return &t->vfs;
}

void fault_arm(struct fault_table *t, enum fault_calls which, uint64_t n, enum fault_kind kind, int forever)
{
    t->which = which;
    t->kind = kind;
    t->at = n;
    t->forever = forever;
    t->calls = t->hits = 0;
    t->what[0] = '\0';
}

void fault_before_sync(struct fault_table *t, void (*fn)(void *arg, int neg_errno), void *arg)
{
    t->before_sync = fn;
    t->arg = arg;
}

void fault_disarm(struct fault_table *t)
{
    t->at = 0;
}

uint64_t fault_hits(const struct fault_table *t)
{
    return t->hits;
}

uint64_t fault_calls(const struct fault_table *t)
{
    return t->calls;
}

const char *fault_what(const struct fault_table *t)
{
    return t->what;
}
