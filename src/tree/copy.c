/* copy.c - the pages of an index in another file, each at its place: so a version is the same there, checksums and all. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "tree/pager.h"

enum { COPY_PAGES = 64 }; /* at a time */

/* Pages that are not there were never written: they belong to no version. */
static int copy_run(struct cubby__pager *from, struct cubby__pager *to, uint64_t offset, size_t n, uint8_t *buf, cubby_error *err)
{
    int64_t got = from->vfs->pread(from->vfs->ctx, from->file, buf, n, offset);
    if (got < 0)
        return cubby__fail_io(err, (int)got, from->path, offset, "read");
    memset(buf + got, 0, n - (size_t)got);
    int rc = to->vfs->pwrite(to->vfs->ctx, to->file, buf, n, offset);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, to->path, offset, "write");
}

static int check_copy(struct cubby__pager *from, const struct cubby__root *root, struct cubby__pager *to, cubby_error *err)
{
    int rc = cubby__tree_is_damaged(to, root, err);
    if (rc <= 0)
        return rc;
    atomic_store_explicit(&from->damaged, 1, memory_order_relaxed);
    return cubby__fail(err, CUBBY_ECORRUPT, from->path, CUBBY__NO_OFFSET, "a page of the index does not verify");
}

int cubby__pager_copy(struct cubby__pager *from, const struct cubby__root *root, uint64_t pages, struct cubby__pager *to, cubby_error *err)
{
    const uint64_t end = pages * CUBBY__PAGE_SIZE, step = COPY_PAGES * CUBBY__PAGE_SIZE;
    uint8_t *buf = cubby__malloc(step);
    int rc = buf ? 0 : cubby__fail_mem(err);
    for (uint64_t at = CUBBY__META_SLOTS * CUBBY__PAGE_SIZE; rc == 0 && at < end; at += step)
        rc = copy_run(from, to, at, end - at < step ? (size_t)(end - at) : step, buf, err);
    cubby__free(buf);
    return rc == 0 ? check_copy(from, root, to, err) : rc;
}
