/* flush.c - writing unflushed pages: checksums from the leaves up, then the pages in file order, neighbours together.
 *
 * Until every page is written nothing has changed but checksums in unflushed branches, and those are taken back if a write fails. */
#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/error.h"
#include "tree/pager.h"

#define WRITE_PAGES_MAX 64u /* in one call */

struct job {
    struct cubby__page *page, *parent;
    unsigned index; /* in parent */
};

struct jobs {
    struct job *at;
    size_t len, cap;
};

void cubby__dirty_remove(struct cubby__pager *p, struct cubby__page *page)
{
    cubby__table_remove(&p->dirty, page);
    atomic_fetch_sub_explicit(&p->dirty_pages, 1, memory_order_relaxed);
}

static int add_job(struct jobs *jobs, struct job job)
{
    struct job *at = cubby__grow(jobs->at, jobs->len, &jobs->cap, sizeof *at);
    if (!at)
        return CUBBY_ENOMEM;
    jobs->at = at;
    jobs->at[jobs->len++] = job;
    return 0;
}

/* Children come before their parents. Depth is bounded by the level. */
static int collect(struct cubby__pager *p, struct jobs *jobs, struct job job, cubby_error *err)
{
    const uint8_t *d = job.page->data;
    unsigned level = cubby__node_level(d), count = level ? cubby__node_count(d) : 0;
    for (unsigned i = 0; i < count; i++) {
        if (cubby__branch_sum(d, i))
            continue;
        struct cubby__page *child = cubby__table_find(&p->dirty, cubby__branch_page(d, i));
        if (!child || cubby__node_level(child->data) != level - 1)
            return cubby__pager_corrupt(p, err, cubby__branch_page(d, i), "an unflushed page is missing");
        int rc = collect(p, jobs, (struct job){child, job.page, i}, err);
        if (rc != 0)
            return rc;
    }
    return add_job(jobs, job) == 0 ? 0 : cubby__fail_mem(err);
}

static void set_sums(const struct cubby__pager *p, const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->len; i++) {
        struct job *j = &jobs->at[i];
        uint64_t sum = cubby__node_sum(j->page->data, j->page->number, p->salt);
        cubby__put64(j->page->data + CUBBY__TREE_SUM_OFF, sum);
        if (j->parent)
            cubby__branch_set(j->parent->data, j->index, j->page->number, sum);
    }
}

static void take_sums_back(const struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->len; i++)
        if (jobs->at[i].parent)
            cubby__branch_set(jobs->at[i].parent->data, jobs->at[i].index, jobs->at[i].page->number, 0);
}

/* ---- writing ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const struct job *)a)->page->number, y = ((const struct job *)b)->page->number;
    return (x > y) - (x < y);
}

static size_t run_length(const struct jobs *jobs, size_t from)
{
    size_t n = 1;
    while (n < WRITE_PAGES_MAX && from + n < jobs->len && jobs->at[from + n].page->number == jobs->at[from].page->number + n)
        n++;
    return n;
}

static int write_run(struct cubby__pager *p, const struct job *run, size_t n, uint8_t *staging, cubby_error *err)
{
    const uint8_t *bytes = run[0].page->data;
    for (size_t i = 0; n > 1 && i < n; i++)
        memcpy(staging + i * CUBBY__PAGE_SIZE, run[i].page->data, CUBBY__PAGE_SIZE);
    uint64_t offset = run[0].page->number * CUBBY__PAGE_SIZE;
    int rc = p->vfs->pwrite(p->vfs->ctx, p->file, n > 1 ? staging : bytes, n * CUBBY__PAGE_SIZE, offset);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, p->path, offset, "write");
}

static int write_pages(struct cubby__pager *p, struct jobs *jobs, cubby_error *err)
{
    qsort(jobs->at, jobs->len, sizeof *jobs->at, by_number);
    size_t longest = 0;
    for (size_t i = 0, n; i < jobs->len; i += n) {
        n = run_length(jobs, i);
        longest = n > longest ? n : longest;
    }
    uint8_t *staging = longest > 1 ? cubby__malloc(longest * CUBBY__PAGE_SIZE) : NULL;
    int rc = 0;
    for (size_t i = 0, n; rc == 0 && i < jobs->len; i += n) {
        n = staging ? run_length(jobs, i) : 1; /* no memory: page by page */
        rc = write_run(p, &jobs->at[i], n, staging, err);
    }
    cubby__free(staging);
    return rc;
}

/* ---- afterwards ---- */

static int grow_spilled(struct cubby__tree_txn *t, uint64_t pages)
{
    size_t len = (size_t)(pages / 8 + 1);
    if (len <= t->spilled_len)
        return 0;
    len += len / 2;
    uint8_t *bits = cubby__realloc(t->spilled, len);
    if (!bits)
        return CUBBY_ENOMEM;
    memset(bits + t->spilled_len, 0, len - t->spilled_len);
    t->spilled = bits;
    t->spilled_len = len;
    return 0;
}

static void move_to_cache(struct cubby__pager *p, const struct jobs *jobs)
{
    struct cubby__tree_txn *t = &p->txn;
    for (size_t i = 0; i < jobs->len; i++) {
        struct cubby__page *page = jobs->at[i].page;
        cubby__dirty_remove(p, page);
        if (t->active)
            t->spilled[page->number / 8] = (uint8_t)(t->spilled[page->number / 8] | 1u << page->number % 8);
        page->sum = cubby__get64(page->data + CUBBY__TREE_SUM_OFF);
        page->owner = 0;
        page->permanent = !p->writable;
        cubby__cache_insert(&p->cache, page);
    }
}

static int flush(struct cubby__pager *p, struct cubby__root *root, cubby_error *err)
{
    if (!root->page || root->sum)
        return 0;
    struct cubby__page *page = cubby__table_find(&p->dirty, root->page);
    if (!page)
        return cubby__pager_corrupt(p, err, root->page, "an unflushed page is missing");
    struct jobs jobs = {0};
    int rc = collect(p, &jobs, (struct job){page, NULL, 0}, err);
    if (rc == 0) {
        set_sums(p, &jobs);
        rc = p->writable ? write_pages(p, &jobs, err) : 0;
        if (rc == 0) {
            root->sum = cubby__get64(page->data + CUBBY__TREE_SUM_OFF);
            move_to_cache(p, &jobs);
            atomic_fetch_add_explicit(&p->pages_written, p->writable ? jobs.len : 0, memory_order_relaxed);
        } else {
            take_sums_back(&jobs);
        }
    }
    cubby__free(jobs.at);
    return rc;
}

int cubby__pager_flush(struct cubby__pager *p, struct cubby__root *root, cubby_error *err)
{
    if (p->txn.active)
        return cubby__fail(err, CUBBY_EINVAL, p->path, CUBBY__NO_OFFSET, "an index transaction is running");
    int rc = flush(p, root, err);
    if (rc == 0)
        cubby__alloc_settle(&p->alloc);
    return rc;
}

/* ---- room ---- */

enum { ROOM_STEP_MAX = 256, ZERO_PAGES = 4 };

/* Bytes behind `from`, the end of the file, become zeros. */
static int make_room(struct cubby__pager *p, uint64_t from, uint64_t end)
{
    static const uint8_t zeros[ZERO_PAGES * CUBBY__PAGE_SIZE];
    int rc = p->vfs->allocate ? p->vfs->allocate(p->vfs->ctx, p->file, from, end - from) : -EOPNOTSUPP;
    if (rc != -EOPNOTSUPP)
        return rc;
    for (rc = 0; from < end && rc == 0; from += sizeof zeros)
        rc = p->vfs->pwrite(p->vfs->ctx, p->file, zeros, end - from < sizeof zeros ? (size_t)(end - from) : sizeof zeros, from);
    return rc;
}

int cubby__pager_room(struct cubby__pager *p, uint64_t extra, cubby_error *err)
{
    uint64_t need = atomic_load_explicit(&p->alloc.pages, memory_order_relaxed) + extra;
    cubby_vfs_stat st;
    if (!p->writable || need <= p->room)
        return 0;
    int rc = cubby__pager_fstat(p, &st, err); /* other processes make it longer, too: what is in the file is never written here */
    if (rc != 0)
        return rc;
    uint64_t end = (st.size + CUBBY__PAGE_SIZE - 1) / CUBBY__PAGE_SIZE, step = need / 8 < ROOM_STEP_MAX ? need / 8 : ROOM_STEP_MAX;
    if (need > end) {
        rc = make_room(p, end * CUBBY__PAGE_SIZE, (need + step) * CUBBY__PAGE_SIZE);
        if (rc == 0)
            end = need + step;
        else if ((rc = make_room(p, end * CUBBY__PAGE_SIZE, need * CUBBY__PAGE_SIZE)) == 0)
            end = need;
        if (rc != 0)
            return cubby__fail_io(err, rc, p->path, end * CUBBY__PAGE_SIZE, "making room in the index");
    }
    p->room = end;
    return 0;
}

int cubby__tree_spill(struct cubby__pager *p, size_t max_dirty, cubby_error *err)
{
    struct cubby__tree_txn *t = &p->txn;
    /* Pages of the version it began with must stay as they are, unflushed, or abort could not go back to them. */
    if (!t->active || !p->writable || p->dirty.count <= max_dirty || (t->base.page && !t->base.sum))
        return 0;
    if (grow_spilled(t, atomic_load_explicit(&p->alloc.pages, memory_order_relaxed)) != 0)
        return cubby__fail_mem(err);
    cubby__path_release(&t->path);
    return flush(p, &t->root, err);
}
