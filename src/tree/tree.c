/* tree.c - looking up a key; a transaction's beginning and end; the pages that it makes and gives up. */
#include "base/alloc.h"
#include "base/error.h"
#include "tree/pager.h"

/* ---- reading ---- */

int cubby__tree_get(struct cubby__pager *p, const struct cubby__root *root, const void *key, size_t key_len, uint8_t *buf, size_t *len,
                    cubby_error *err)
{
    struct cubby__slice k = {key, key_len};
    if (!root->page || !key_len)
        return CUBBY_DONE;
    struct cubby__link link = cubby__link_root(root);
    for (;;) {
        struct cubby__page *page;
        int rc = cubby__pager_get_leased(p, link, root->lease, &page, err);
        if (rc != 0)
            return rc;
        if (link.level == 0) {
            int exact;
            unsigned i = cubby__leaf_find(page->data, k, &exact);
            if (exact) {
                struct cubby__slice value = cubby__leaf_cell(page->data, i).value;
                memcpy(buf, value.p, value.n);
                *len = value.n;
            }
            cubby__page_unref(page);
            return exact ? 0 : CUBBY_DONE;
        }
        link = cubby__link_child(page->data, cubby__branch_find(page->data, k));
        cubby__page_unref(page);
    }
}

/* ---- pages of the transaction ---- */

static int reserve_pages(struct cubby__pager *p, unsigned pages)
{
    while (p->spare_count < pages) {
        struct cubby__page *page = cubby__page_new(0);
        if (!page)
            return CUBBY_ENOMEM;
        page->chain = p->spares;
        p->spares = page;
        p->spare_count++;
    }
    return 0;
}

static int reserve_given_up(struct cubby__tree_txn *t, size_t n)
{
    if (t->given_up_len + n <= t->given_up_cap)
        return 0;
    size_t cap = 2 * t->given_up_cap + n + 16;
    struct cubby__given_up *at = cubby__realloc(t->given_up, cap * sizeof *at);
    if (!at)
        return CUBBY_ENOMEM;
    t->given_up = at;
    t->given_up_cap = cap;
    return 0;
}

int cubby__txn_reserve(struct cubby__pager *p, unsigned pages, unsigned given_up, cubby_error *err)
{
    if (reserve_pages(p, pages) != 0 || reserve_given_up(&p->txn, given_up) != 0)
        return cubby__fail_mem(err);
    return 0;
}

static struct cubby__page *take_page(struct cubby__pager *p)
{
    struct cubby__page *page = p->spares;
    p->spares = page->chain;
    p->spare_count--;
    page->chain = NULL;
    page->number = cubby__alloc_take(&p->alloc);
    page->owner = p->txn.id;
    page->ordered = 1; /* what it is made of is */
    page->last_insert = page->run = 0;
    cubby__table_insert(&p->dirty, page);
    atomic_fetch_add_explicit(&p->dirty_pages, 1, memory_order_relaxed);
    return page;
}

struct cubby__page *cubby__txn_new(struct cubby__pager *p, unsigned level)
{
    struct cubby__page *page = take_page(p);
    cubby__node_init(page->data, page->number, p->txn.commit, level);
    return page;
}

struct cubby__page *cubby__txn_copy(struct cubby__pager *p, const struct cubby__page *from)
{
    struct cubby__page *page = take_page(p);
    memcpy(page->data, from->data, CUBBY__PAGE_SIZE);
    cubby__put64(page->data + CUBBY__TREE_SUM_OFF, 0);
    cubby__put64(page->data + CUBBY__TREE_PAGE_OFF, page->number);
    cubby__put64(page->data + CUBBY__TREE_BIRTH_OFF, p->txn.commit);
    page->last_insert = from->last_insert;
    page->run = from->run;
    return page;
}

/* Was this flushed page made by the running transaction? Then it is none of its pages from now on. */
static int take_spilled(struct cubby__tree_txn *t, uint64_t page)
{
    if (page / 8 >= t->spilled_len || !(t->spilled[page / 8] >> page % 8 & 1))
        return 0;
    t->spilled[page / 8] = (uint8_t)(t->spilled[page / 8] & ~(1u << page % 8));
    return 1;
}

void cubby__txn_give_up(struct cubby__pager *p, struct cubby__page *page)
{
    struct cubby__tree_txn *t = &p->txn;
    uint64_t number = page->number;
    if (cubby__txn_owns(p, page)) {
        cubby__dirty_remove(p, page);
        cubby__page_unref(page);
        cubby__alloc_give(&p->alloc, number);
    } else if (page->sum && take_spilled(t, number)) {
        cubby__alloc_give(&p->alloc, number);
    } else {
        t->given_up[t->given_up_len++] = (struct cubby__given_up){number, cubby__node_birth(page->data)};
    }
}

void cubby__path_release(struct cubby__path *path)
{
    for (unsigned l = 0; l < path->depth; l++)
        cubby__page_unref(path->at[l].page);
    path->depth = 0;
    path->owned = 0;
}

/* ---- begin, commit, abort ---- */

int cubby__tree_begin(struct cubby__pager *p, const struct cubby__root *base, uint64_t commit, cubby_error *err)
{
    struct cubby__tree_txn *t = &p->txn;
    if (t->active || commit <= base->commit || base->level >= CUBBY__TREE_DEPTH_MAX)
        return cubby__fail(err, CUBBY_EINVAL, p->path, CUBBY__NO_OFFSET, "an index transaction cannot begin here");
    t->active = 1;
    t->id++;
    t->commit = commit;
    t->base = t->root = *base;
    t->root.commit = commit;
    t->given_up_len = 0;
    return 0;
}

struct cubby__root cubby__tree_now(const struct cubby__pager *p)
{
    return p->txn.root;
}

static void end(struct cubby__tree_txn *t)
{
    t->active = 0;
    t->given_up_len = 0;
    cubby__free(t->spilled);
    t->spilled = NULL;
    t->spilled_len = 0;
}

void cubby__tree_commit(struct cubby__pager *p, struct cubby__root *out)
{
    struct cubby__tree_txn *t = &p->txn;
    cubby__path_release(&t->path);
    for (size_t i = 0; i < t->given_up_len; i++) {
        struct cubby__given_up g = t->given_up[i];
        struct cubby__page *unflushed = cubby__table_find(&p->dirty, g.page);
        if (unflushed) {
            cubby__dirty_remove(p, unflushed);
            cubby__page_unref(unflushed);
            cubby__alloc_give(&p->alloc, g.page);
        } else {
            cubby__alloc_retire_unsettled(&p->alloc, (struct cubby__span){g.page, g.birth, t->commit});
        }
    }
    *out = t->root;
    end(t);
}

static int drop_any(void *arg, struct cubby__page *page)
{
    struct cubby__pager *p = arg;
    cubby__alloc_give(&p->alloc, page->number);
    atomic_fetch_sub_explicit(&p->dirty_pages, 1, memory_order_relaxed);
    cubby__page_unref(page);
    return 1;
}

static int drop_own(void *arg, struct cubby__page *page)
{
    return cubby__txn_owns(arg, page) ? drop_any(arg, page) : 0;
}

void cubby__tree_abort(struct cubby__pager *p)
{
    struct cubby__tree_txn *t = &p->txn;
    if (!t->active)
        return;
    cubby__path_release(&t->path);
    cubby__table_sweep(&p->dirty, drop_own, p);
    for (uint64_t page = 0; page < 8 * t->spilled_len; page++)
        if (take_spilled(t, page))
            cubby__alloc_give(&p->alloc, page);
    t->root = t->base;
    end(t);
}

void cubby__pager_discard(struct cubby__pager *p)
{
    if (p->txn.active)
        return;
    cubby__table_sweep(&p->dirty, drop_any, p);
    cubby__alloc_revive(&p->alloc);
}
