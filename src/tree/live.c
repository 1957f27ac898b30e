/* live.c - learning which pages are free: what the versions in use reach, found by walking their branch pages. */
#include "base/alloc.h"
#include "base/error.h"
#include "tree/pager.h"

enum { REACHED = 1, CURRENT = 2 }; /* by some version; by the current one, and only then kept from being given up here */

struct marks {
    uint8_t *at; /* one a page */
    uint64_t pages;
    uint8_t mark;
};

static int walk(struct cubby__pager *p, struct marks *m, struct cubby__link link, cubby_error *err)
{
    if (link.page < CUBBY__META_SLOTS || link.page >= m->pages)
        return cubby__pager_corrupt(p, err, link.page, "there cannot be such a page");
    if (m->at[link.page] >= m->mark)
        return 0; /* and so is everything below it */
    m->at[link.page] = m->mark;
    if (link.level == 0)
        return 0;
    struct cubby__page *page;
    int rc = cubby__pager_get(p, link, &page, err);
    if (rc != 0)
        return rc;
    unsigned count = cubby__node_count(page->data);
    for (unsigned i = 0; rc == 0 && i < count; i++)
        rc = walk(p, m, cubby__link_child(page->data, i), err);
    cubby__page_unref(page);
    return rc;
}

static int walk_roots(struct cubby__pager *p, struct marks *m, const struct cubby__root *roots, size_t count, uint64_t now, cubby_error *err)
{
    int rc = 0;
    for (int current = 1; current >= 0; current--) {
        m->mark = current ? CURRENT : REACHED;
        for (size_t i = 0; rc == 0 && i < count; i++) {
            if (roots[i].page && (roots[i].commit == now) == current)
                rc = walk(p, m, cubby__link_root(&roots[i]), err);
        }
    }
    return rc;
}

/* Highest first: the allocator looks at what came last before the rest. */
static void retire_rest(struct cubby__pager *p, const struct marks *m, uint64_t now)
{
    for (uint64_t page = m->pages; page-- > CUBBY__META_SLOTS;) {
        if (m->at[page] != CURRENT)
            cubby__alloc_retire(&p->alloc, (struct cubby__span){page, m->at[page] == REACHED ? 1 : CUBBY__BIRTH_UNREACHED, now});
    }
}

static int reset(struct cubby__pager *p, const struct cubby__root *roots, size_t count, uint64_t pages, cubby_error *err)
{
    uint64_t *commits = cubby__malloc(count * sizeof *commits);
    int rc = commits ? 0 : CUBBY_ENOMEM;
    for (size_t i = 0; rc == 0 && i < count; i++)
        commits[i] = roots[i].commit;
    if (rc == 0)
        rc = cubby__alloc_reset(&p->alloc, pages, commits, count);
    cubby__free(commits);
    return rc == 0 ? 0 : cubby__fail_mem(err);
}

int cubby__pager_load_live(struct cubby__pager *p, const struct cubby__root *roots, size_t count, uint64_t now, uint64_t file_pages,
                           cubby_error *err)
{
    if (p->txn.active || p->dirty.count)
        return cubby__fail(err, CUBBY_EINVAL, p->path, CUBBY__NO_OFFSET, "there are unflushed index pages");
    uint64_t pages = atomic_load_explicit(&p->alloc.pages, memory_order_relaxed);
    struct marks m = {.pages = file_pages > pages ? file_pages : pages};
    m.at = cubby__calloc(m.pages, 1);
    if (!m.at)
        return cubby__fail_mem(err);
    int rc = walk_roots(p, &m, roots, count, now, err);
    if (rc == 0)
        rc = reset(p, roots, count, m.pages, err);
    if (rc == 0)
        retire_rest(p, &m, now);
    cubby__free(m.at);
    return rc;
}

int cubby__pager_protect(struct cubby__pager *p, const uint64_t *commits, size_t count, uint64_t oldest_reader, cubby_error *err)
{
    return cubby__alloc_protect(&p->alloc, commits, count, oldest_reader) == 0 ? 0 : cubby__fail_mem(err);
}
