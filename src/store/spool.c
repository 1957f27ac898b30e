/* spool.c - an unlinked file in tmp/ for the pieces of a message that is too large for memory. Never synced: what counts is copied to the log. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/internal.h"

struct cubby__spool {
    const cubby_vfs *vfs;
    cubby_file *file;
    uint64_t size;
    atomic_int refs;
};

static int open_spool(struct cubby__store *s, struct cubby__spool *sp, cubby_error *err)
{
    uint64_t random;
    char name[64];
    int rc = s->vfs->random(s->vfs->ctx, &random, sizeof random);
    if (rc != 0)
        return cubby__fail_io(err, rc, s->path, CUBBY__NO_OFFSET, "getting random bytes");
    char *dir = cubby__path_join(s->path, CUBBY__DIR_TMP);
    snprintf(name, sizeof name, "%s/spool-%016llx", CUBBY__DIR_TMP, (unsigned long long)random);
    char *path = cubby__path_join(s->path, name);
    if (!dir || !path) {
        rc = cubby__fail_mem(err);
    } else {
        rc = s->vfs->mkdir(s->vfs->ctx, dir); /* it may well be there */
        if (rc == 0 || rc == -EEXIST)
            rc = s->vfs->open(s->vfs->ctx, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL, &sp->file);
        if (rc != 0)
            rc = cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "making a spool file");
        else
            s->vfs->unlink(s->vfs->ctx, path);
    }
    cubby__free(dir);
    cubby__free(path);
    return rc;
}

int cubby__spool_new(struct cubby__store *s, struct cubby__spool **out, cubby_error *err)
{
    if (s->read_only)
        return cubby__fail(err, CUBBY_EACCES, s->path, CUBBY__NO_OFFSET, "the store is open read-only");
    struct cubby__spool *sp = cubby__calloc(1, sizeof *sp);
    if (!sp)
        return cubby__fail_mem(err);
    sp->vfs = s->vfs;
    atomic_init(&sp->refs, 1);
    int rc = open_spool(s, sp, err);
    if (rc != 0) {
        cubby__free(sp);
        return rc;
    }
    *out = sp;
    return 0;
}

int cubby__spool_add(struct cubby__spool *sp, const void *p, size_t n, uint64_t *off, cubby_error *err)
{
    int rc = sp->vfs->pwrite(sp->vfs->ctx, sp->file, p, n, sp->size);
    if (rc != 0)
        return cubby__fail_io(err, rc, "spool file", sp->size, "writing");
    *off = sp->size;
    sp->size += n;
    return 0;
}

int cubby__spool_read(struct cubby__spool *sp, uint64_t off, void *p, size_t n, cubby_error *err)
{
    int64_t got = sp->vfs->pread(sp->vfs->ctx, sp->file, p, n, off);
    if (got < 0)
        return cubby__fail_io(err, (int)got, "spool file", off, "reading");
    if ((size_t)got < n)
        return cubby__fail(err, CUBBY_EIO, "spool file", off, "it ends too early");
    return 0;
}

struct cubby__spool *cubby__spool_ref(struct cubby__spool *sp)
{
    atomic_fetch_add(&sp->refs, 1);
    return sp;
}

void cubby__spool_unref(struct cubby__spool **spp)
{
    struct cubby__spool *sp = *spp;
    *spp = NULL;
    if (!sp || atomic_fetch_sub(&sp->refs, 1) != 1)
        return;
    sp->vfs->close(sp->vfs->ctx, sp->file);
    cubby__free(sp);
}
