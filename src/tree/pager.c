#include "tree/pager.h"

#include <errno.h>
#include <inttypes.h>

#include "base/alloc.h"
#include "base/error.h"

#define PAGE_NUMBER_MAX (INT64_MAX / CUBBY__PAGE_SIZE) /* what a file offset can hold */

/* ---- open and close ---- */

static int make_file(struct cubby__pager *p, cubby_error *err)
{
    int rc = p->vfs->unlink(p->vfs->ctx, p->path);
    if (rc != 0 && rc != -ENOENT)
        return cubby__fail_io(err, rc, p->path, CUBBY__NO_OFFSET, "unlink");
    rc = p->vfs->open(p->vfs->ctx, p->path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL, &p->file);
    uint8_t slots[CUBBY__META_SLOTS * CUBBY__PAGE_SIZE] = {0};
    cubby__meta_label(p, slots);
    if (rc == 0) /* a checkpoint needs no room on the disk */
        rc = p->vfs->pwrite(p->vfs->ctx, p->file, slots, sizeof slots, 0);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, p->path, CUBBY__NO_OFFSET, "create");
}

static int open_file(struct cubby__pager *p, cubby_error *err)
{
    int rc = p->vfs->open(p->vfs->ctx, p->path, p->writable ? CUBBY_OPEN_WRITE : CUBBY_OPEN_READ, &p->file);
    if (rc == -EINVAL)
        return cubby__fail(err, CUBBY_ECORRUPT, p->path, CUBBY__NO_OFFSET, "the index is not a regular file");
    return rc == 0 ? 0 : cubby__fail_io(err, rc, p->path, CUBBY__NO_OFFSET, "open");
}

static int open_pager(struct cubby__pager *p, const struct cubby__pager_config *config, cubby_error *err)
{
    if (cubby__cache_init(&p->cache, config->cache_bytes) != 0)
        return cubby__fail_mem(err);
    if (!config->path)
        return 0;
    p->path = cubby__strdup(config->path);
    if (!p->path)
        return cubby__fail_mem(err);
    return config->create ? make_file(p, err) : open_file(p, err);
}

int cubby__pager_open(const struct cubby__pager_config *config, struct cubby__pager **out, cubby_error *err)
{
    if (config->create && !(config->path && config->writable))
        return cubby__fail(err, CUBBY_EINVAL, config->path, CUBBY__NO_OFFSET, "an index that is to be made needs a writable file");
    struct cubby__pager *p = cubby__calloc(1, sizeof *p);
    if (!p)
        return cubby__fail_mem(err);
    p->vfs = config->vfs;
    p->writable = config->path && config->writable;
    p->nonce = config->nonce;
    p->salt = config->salt;
    memcpy(p->uuid, config->uuid, sizeof p->uuid);
    cubby__alloc_init(&p->alloc, CUBBY__META_SLOTS);
    atomic_init(&p->dirty_pages, 0);
    atomic_init(&p->pages_written, 0);
    int rc = open_pager(p, config, err);
    if (rc != 0)
        cubby__pager_close(&p);
    else
        *out = p;
    return rc;
}

static int drop(void *arg, struct cubby__page *page)
{
    (void)arg;
    cubby__page_unref(page);
    return 1;
}

void cubby__pager_close(struct cubby__pager **pager)
{
    struct cubby__pager *p = *pager;
    *pager = NULL;
    if (!p)
        return;
    cubby__path_release(&p->txn.path);
    cubby__table_sweep(&p->dirty, drop, NULL);
    cubby__table_release(&p->dirty);
    while (p->spares) {
        struct cubby__page *page = p->spares;
        p->spares = page->chain;
        cubby__page_unref(page);
    }
    if (p->cache.shards)
        cubby__cache_release(&p->cache);
    cubby__alloc_release(&p->alloc);
    if (p->file)
        p->vfs->close(p->vfs->ctx, p->file);
    cubby__free(p->txn.given_up);
    cubby__free(p->txn.spilled);
    cubby__free(p->path);
    cubby__free(p);
}

uint64_t cubby__pager_nonce(const struct cubby__pager *p)
{
    return p->nonce;
}

int cubby__pager_fstat(struct cubby__pager *p, cubby_vfs_stat *out, cubby_error *err)
{
    if (!p->file)
        return cubby__fail(err, CUBBY_ENOENT, NULL, CUBBY__NO_OFFSET, "this index lives in memory");
    int rc = p->vfs->fstat(p->vfs->ctx, p->file, out);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, p->path, CUBBY__NO_OFFSET, "fstat");
}

void cubby__pager_get_stat(struct cubby__pager *p, struct cubby__pager_stat *out)
{
    out->pages = atomic_load_explicit(&p->alloc.pages, memory_order_relaxed);
    out->free_pages = atomic_load_explicit(&p->alloc.free_pages, memory_order_relaxed);
    out->pages_written = atomic_load_explicit(&p->pages_written, memory_order_relaxed);
    out->dirty_pages = atomic_load_explicit(&p->dirty_pages, memory_order_relaxed);
    out->cache_pages = cubby__cache_pages(&p->cache);
}

/* ---- reading pages ---- */

int cubby__pager_corrupt(const struct cubby__pager *p, cubby_error *err, uint64_t page, const char *problem)
{
    uint64_t offset = page <= PAGE_NUMBER_MAX ? page * CUBBY__PAGE_SIZE : CUBBY__NO_OFFSET;
    return cubby__fail(err, CUBBY_ECORRUPT, p->path, offset, "index page %" PRIu64 ": %s", page, problem);
}

int cubby__pager_refuse(struct cubby__pager *p, cubby_error *err, uint64_t page, const char *problem)
{
    atomic_store_explicit(&p->damaged, 1, memory_order_relaxed);
    return cubby__pager_corrupt(p, err, page, problem);
}

/* Level and birth are looked at on every use: a page may be sound and yet not what this parent asks for. */
static int check_link(const struct cubby__pager *p, struct cubby__link link, const uint8_t *d, cubby_error *err)
{
    if (cubby__node_level(d) == link.level && cubby__node_birth(d) <= link.birth_max)
        return 0;
    return cubby__fail(err, CUBBY_ECORRUPT, p->path, link.page * CUBBY__PAGE_SIZE,
                       "index page %" PRIu64 ": level %u of commit %" PRIu64 " instead of level %u of commit %" PRIu64 " or older", link.page,
                       cubby__node_level(d), cubby__node_birth(d), link.level, link.birth_max);
}

static int verify(const struct cubby__pager *p, struct cubby__link link, const uint8_t *d, cubby_error *err)
{
    uint64_t sum = cubby__node_sum(d, link.page, p->salt), own = cubby__get64(d + CUBBY__TREE_SUM_OFF);
    uint64_t number = cubby__get64(d + CUBBY__TREE_PAGE_OFF);
    if (sum != link.sum || own != sum)
        return cubby__fail(err, CUBBY_ECORRUPT, p->path, link.page * CUBBY__PAGE_SIZE,
                           "index page %" PRIu64 ": checksum %016" PRIx64 " (written as %016" PRIx64 ") instead of %016" PRIx64, link.page, sum,
                           own, link.sum);
    if (number != link.page)
        return cubby__fail(err, CUBBY_ECORRUPT, p->path, link.page * CUBBY__PAGE_SIZE,
                           "index page %" PRIu64 ": carries the number %" PRIu64, link.page, number);
    const char *problem = cubby__node_problem(d, 0);
    return problem ? cubby__pager_corrupt(p, err, link.page, problem) : check_link(p, link, d, err);
}

static int read_page(struct cubby__pager *p, struct cubby__link link, struct cubby__page **out, cubby_error *err)
{
    if (!p->file)
        return cubby__pager_corrupt(p, err, link.page, "there is no such page in memory");
    struct cubby__page *page = cubby__page_new(link.page);
    if (!page)
        return cubby__fail_mem(err);
    uint64_t offset = link.page * CUBBY__PAGE_SIZE;
    int64_t n = p->vfs->pread(p->vfs->ctx, p->file, page->data, CUBBY__PAGE_SIZE, offset);
    int rc = 0;
    if (n < 0)
        rc = cubby__fail_io(err, (int)n, p->path, offset, "read");
    else if (n < CUBBY__PAGE_SIZE)
        rc = cubby__pager_corrupt(p, err, link.page, "the file ends before it");
    else
        rc = verify(p, link, page->data, err);
    if (rc != 0) {
        cubby__page_unref(page);
        return rc;
    }
    page->sum = link.sum;
    *out = page;
    return 0;
}

/* The page if it is in memory, else NULL. */
static int find_page(struct cubby__pager *p, struct cubby__link link, int permanent, struct cubby__page **out, cubby_error *err)
{
    *out = NULL;
    if (link.page < CUBBY__META_SLOTS || link.page > PAGE_NUMBER_MAX)
        return cubby__pager_corrupt(p, err, link.page, "there cannot be such a page");
    struct cubby__page *page;
    if (link.sum == 0) {
        page = cubby__table_find(&p->dirty, link.page);
        if (!page)
            return cubby__pager_corrupt(p, err, link.page, "an unflushed page is missing");
        cubby__page_ref(page);
    } else {
        page = permanent ? cubby__cache_find_permanent(&p->cache, link.page, link.sum) : cubby__cache_find(&p->cache, link.page, link.sum);
    }
    int rc = page ? check_link(p, link, page->data, err) : 0;
    if (rc == 0)
        *out = page;
    else
        cubby__page_unref(page);
    return rc;
}

int cubby__pager_get(struct cubby__pager *p, struct cubby__link link, struct cubby__page **out, cubby_error *err)
{
    return cubby__pager_get_leased(p, link, NULL, out, err);
}

int cubby__pager_get_leased(struct cubby__pager *p, struct cubby__link link, const struct cubby__lease *lease, struct cubby__page **out, cubby_error *err)
{
    struct cubby__page *page;
    int rc = find_page(p, link, 0, &page, err);
    if (rc == 0 && !page && (rc = read_page(p, link, &page, err)) == 0)
        page = cubby__cache_share(&p->cache, page);
    if (lease && lease->lost(lease, rc != 0)) {
        if (rc == 0)
            cubby__page_unref(page);
        return cubby__fail(err, CUBBY_ESTALE, p->path, CUBBY__NO_OFFSET, "the snapshot is too old: its pages have been used again");
    }
    if (rc == CUBBY_ECORRUPT)
        atomic_store_explicit(&p->damaged, 1, memory_order_relaxed);
    if (rc == 0)
        *out = page;
    return rc;
}

size_t cubby__pager_held_by_readers(struct cubby__pager *p, size_t enough)
{
    if (p->alloc.read.len < enough && p->alloc.read.len + p->alloc.unread_pages >= enough)
        cubby__alloc_read_all(&p->alloc);
    return p->alloc.read.len;
}

void cubby__pager_look(struct cubby__pager *p)
{
    cubby_vfs_stat st;
    if (p->file && p->writable && p->vfs->fstat(p->vfs->ctx, p->file, &st) == 0 && st.links == 0)
        atomic_store_explicit(&p->damaged, 1, memory_order_relaxed);
}

int cubby__pager_damaged(const struct cubby__pager *p)
{
    return atomic_load_explicit(&p->damaged, memory_order_relaxed);
}

int cubby__pager_get_fresh(struct cubby__pager *p, struct cubby__link link, struct cubby__page **out, cubby_error *err)
{
    struct cubby__page *page;
    int rc = find_page(p, link, 1, &page, err);
    if (rc == 0 && !page)
        rc = read_page(p, link, &page, err);
    if (rc == 0)
        *out = page;
    return rc;
}
