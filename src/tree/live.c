/* live.c - learning which pages are free: what the versions in use reach, found by walking their branch pages. */
#include "base/alloc.h"
#include "base/error.h"
#include "tree/pager.h"

struct marks {
    uint8_t *at; /* a byte a page: the newest version that reaches it, counted from 1 on in ascending order; 0: none does */
    uint64_t pages;
    uint8_t mark; /* the version that is being walked */
    int first;    /* no other root was walked before */
    int perhaps;  /* that one need not be whole: a page that does not verify is no damage */
};

enum { VERSIONS_MAX = 8 };

struct versions { /* commits, ascending, each once */
    uint64_t at[VERSIONS_MAX];
    size_t count;
};

static int walk(struct cubby__pager *p, struct marks *m, struct cubby__link link, cubby_error *err)
{
    if (link.page < CUBBY__META_SLOTS || link.page >= m->pages)
        return cubby__pager_corrupt(p, err, link.page, "there cannot be such a page");
    int known = m->at[link.page] != 0; /* a newer version has it, and everything below it; or, of one that need not be whole, has used the page again */
    if (known && m->first) /* changes begin with this version: the page would be given up twice, and taken twice */
        return cubby__pager_corrupt(p, err, link.page, "it is reached twice");
    if (known && (!m->perhaps || link.level == 0))
        return 0;
    if (!known)
        m->at[link.page] = m->mark;
    if (link.level == 0)
        return 0;
    struct cubby__page *page;
    int rc = m->perhaps ? cubby__pager_get_fresh(p, link, &page, err) : cubby__pager_get(p, link, &page, err);
    if (rc != 0)
        return rc;
    unsigned count = known ? 0 : cubby__node_count(page->data);
    for (unsigned i = 0; rc == 0 && i < count; i++)
        rc = walk(p, m, cubby__link_child(page->data, i), err);
    cubby__page_unref(page);
    return rc;
}

static uint64_t version_of(const struct cubby__root *root, uint64_t now)
{
    return root->commit < now ? root->commit : now;
}

/* The newest, which is `now`, first. The first `sure` roots must be whole; *broken: what failed was one behind them. */
static int walk_roots(struct cubby__pager *p, struct marks *m, const struct versions *v, const struct cubby__root *roots, size_t count, size_t sure,
                      uint64_t now, int *broken, cubby_error *err)
{
    int rc = 0;
    for (size_t n = v->count; n > 0; n--) {
        m->mark = (uint8_t)n;
        for (size_t i = 0; rc == 0 && i < count; i++) {
            m->perhaps = i >= sure;
            if (roots[i].page && version_of(&roots[i], now) == v->at[n - 1]) {
                rc = walk(p, m, cubby__link_root(&roots[i]), err);
                m->first = 0;
            }
            *broken = m->perhaps && (rc == CUBBY_ECORRUPT || rc == CUBBY_EIO);
        }
    }
    return rc;
}

/* Highest first: the allocator looks at what came last before the rest. */
static void retire_rest(struct cubby__pager *p, const struct marks *m, const struct versions *v)
{
    for (uint64_t page = m->pages; page-- > CUBBY__META_SLOTS;) {
        size_t n = m->at[page];
        if (n == 0)
            cubby__alloc_found(&p->alloc, page, 0, 0);
        else if (n < v->count)
            cubby__alloc_found(&p->alloc, page, v->at[n - 1], v->at[n]);
    }
}

static int add_version(struct versions *v, uint64_t commit)
{
    size_t i = 0;
    while (i < v->count && v->at[i] < commit)
        i++;
    if (i < v->count && v->at[i] == commit)
        return 0;
    if (v->count == VERSIONS_MAX)
        return CUBBY_EINVAL;
    memmove(&v->at[i + 1], &v->at[i], (v->count - i) * sizeof *v->at);
    v->at[i] = commit;
    v->count++;
    return 0;
}

/* What a page says of its birth. One that was never written, or not all of it, belongs to no version. */
static uint64_t birth_on_disk(void *arg, uint64_t page)
{
    struct cubby__pager *p = arg;
    uint8_t b[8];
    int64_t n = p->file ? p->vfs->pread(p->vfs->ctx, p->file, b, sizeof b, page * CUBBY__PAGE_SIZE + CUBBY__TREE_BIRTH_OFF) : -1;
    return n < 0 ? CUBBY__BIRTH_UNKNOWN : n < (int64_t)sizeof b ? 0 : cubby__get64(b);
}

/* The first `sure` of the roots must be whole. *broken: what is behind them is not, and nothing has been learned. */
static int load(struct cubby__pager *p, const struct cubby__root *roots, size_t count, size_t sure, uint64_t now, uint64_t file_pages, int *broken,
                cubby_error *err)
{
    struct versions v = {0};
    *broken = 0;
    int rc = add_version(&v, now);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_version(&v, version_of(&roots[i], now));
    if (rc != 0)
        return cubby__fail(err, rc, p->path, CUBBY__NO_OFFSET, "more than %d versions of the index", VERSIONS_MAX);
    uint64_t pages = atomic_load_explicit(&p->alloc.pages, memory_order_relaxed);
    struct marks m = {.pages = file_pages > pages ? file_pages : pages, .first = 1};
    m.at = cubby__calloc(m.pages, 1);
    if (!m.at)
        return cubby__fail_mem(err);
    rc = walk_roots(p, &m, &v, roots, count, sure, now, broken, err);
    if (rc == CUBBY_ECORRUPT && !*broken)
        atomic_store_explicit(&p->damaged, 1, memory_order_relaxed);
    if (rc == 0 && cubby__alloc_reset(&p->alloc, m.pages, v.at, v.count) != 0)
        rc = cubby__fail_mem(err);
    if (rc == 0) {
        p->alloc.birth = birth_on_disk;
        p->alloc.birth_arg = p;
        retire_rest(p, &m, &v);
    }
    cubby__free(m.at);
    return rc;
}

int cubby__pager_load_live_and(struct cubby__pager *p, const struct cubby__root *roots, size_t count, const struct cubby__root *perhaps, int *whole,
                               uint64_t now, uint64_t file_pages, cubby_error *err)
{
    struct cubby__root all[VERSIONS_MAX];
    int broken = 0, rc;
    *whole = perhaps->page != 0 && count < VERSIONS_MAX;
    if (p->txn.active || p->dirty.count)
        return cubby__fail(err, CUBBY_EINVAL, p->path, CUBBY__NO_OFFSET, "there are unflushed index pages");
    if (*whole) {
        if (count)
            memcpy(all, roots, count * sizeof *roots);
        all[count] = *perhaps;
        rc = load(p, all, count + 1, count, now, file_pages, &broken, err);
        if (!broken)
            return rc;
    }
    *whole = 0;
    return load(p, roots, count, count, now, file_pages, &broken, err);
}

int cubby__pager_load_live(struct cubby__pager *p, const struct cubby__root *roots, size_t count, uint64_t now, uint64_t file_pages, cubby_error *err)
{
    int whole;
    return cubby__pager_load_live_and(p, roots, count, &(struct cubby__root){0}, &whole, now, file_pages, err);
}

int cubby__pager_protect(struct cubby__pager *p, const uint64_t *commits, size_t count, uint64_t oldest_reader, cubby_error *err)
{
    return cubby__alloc_protect(&p->alloc, commits, count, oldest_reader) == 0 ? 0 : cubby__fail_mem(err);
}
