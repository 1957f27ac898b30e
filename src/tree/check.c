/* check.c - a walk over every page of one version, read from the file again. */
#include "base/alloc.h"
#include "base/error.h"
#include "tree/pager.h"

struct walk {
    struct cubby__pager *pager;
    cubby__page_fn fn;
    void *arg;
    uint8_t *seen; /* one a page */
    uint64_t pages;
    cubby_error *err;
};

static const char *page_problem(const struct walk *w, struct cubby__link link, const uint8_t *d, struct cubby__bounds b)
{
    const char *problem = link.sum ? NULL : cubby__node_problem(d, 1);
    if (!problem)
        problem = cubby__node_order_problem(d);
    if (!problem)
        problem = cubby__node_bounds_problem(d, b);
    if (!problem)
        problem = cubby__node_rest_problem(d);
    if (!problem && link.page < w->pages && w->seen[link.page]++)
        problem = "the page is reached twice";
    return problem;
}

static int check_page(struct walk *w, struct cubby__link link, struct cubby__bounds b);

static int check_children(struct walk *w, const uint8_t *d, struct cubby__bounds b)
{
    int rc = 0;
    for (unsigned i = 0, count = cubby__node_count(d); rc == 0 && i < count; i++)
        rc = check_page(w, cubby__link_child(d, i), cubby__branch_bounds(d, i, b));
    return rc;
}

static int check_page(struct walk *w, struct cubby__link link, struct cubby__bounds b)
{
    struct cubby__page *page;
    cubby_error why = {0};
    int rc = cubby__pager_get_fresh(w->pager, link, &page, &why);
    if (rc == CUBBY_ECORRUPT)
        return w->fn(w->arg, link.page, link.level, why.message);
    if (rc != 0) {
        if (w->err)
            *w->err = why;
        return rc;
    }
    const char *problem = page_problem(w, link, page->data, b);
    rc = w->fn(w->arg, link.page, link.level, problem);
    if (rc == 0 && !problem && link.level > 0)
        rc = check_children(w, page->data, b);
    cubby__page_unref(page);
    return rc;
}

int cubby__tree_check(struct cubby__pager *p, const struct cubby__root *root, cubby__page_fn fn, void *arg, cubby_error *err)
{
    struct walk w = {p, fn, arg, NULL, atomic_load_explicit(&p->alloc.pages, memory_order_relaxed), err};
    if (!root->page)
        return 0;
    w.seen = cubby__calloc(w.pages, 1);
    if (!w.seen)
        return cubby__fail_mem(err);
    int rc = check_page(&w, cubby__link_root(root), (struct cubby__bounds){0});
    cubby__free(w.seen);
    return rc;
}

static int is_bad(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    (void)arg;
    (void)page;
    (void)level;
    return problem != NULL;
}

int cubby__tree_is_damaged(struct cubby__pager *p, const struct cubby__root *root, cubby_error *err)
{
    return cubby__tree_check(p, root, is_bad, NULL, err);
}
