/* cursor.c - walking the keys of one version, in either direction. The pages on the way to the present key are held, so that a step within a leaf
 * looks nothing up. */
#include "tree/pager.h"

void cubby__cursor_init(struct cubby__cursor *c, struct cubby__pager *p, const struct cubby__root *root, cubby_error *err)
{
    c->pager = p;
    c->root = *root;
    c->depth = 0;
    c->valid = 0;
    c->err = err;
}

void cubby__cursor_release(struct cubby__cursor *c)
{
    for (int l = 0; l < c->depth; l++)
        cubby__page_unref(c->level[l].page);
    c->depth = 0;
    c->valid = 0;
}

/* Holds the page of a link at depth l. A page that is held there already costs no look into the cache. */
static int hold(struct cubby__cursor *c, int l, struct cubby__link link)
{
    struct cubby__page *page;
    if (l < c->depth && c->level[l].page->number == link.page && c->level[l].page->sum == link.sum)
        return 0;
    int rc = cubby__pager_get_leased(c->pager, link, c->root.lease, &page, c->err);
    if (rc != 0)
        return rc;
    if (l < c->depth)
        cubby__page_unref(c->level[l].page);
    else
        c->depth = l + 1;
    c->level[l].page = page;
    c->level[l].data = page->data;
    c->level[l].count = (uint16_t)cubby__node_count(page->data);
    return 0;
}

static int hold_child(struct cubby__cursor *c, int l)
{
    return hold(c, l + 1, cubby__link_child(c->level[l].data, c->level[l].index));
}

static int leaf_level(const struct cubby__cursor *c)
{
    return (int)c->root.level;
}

/* The empty key, which is below all, may come as NULL. */
static struct cubby__slice key_slice(const void *key, size_t key_len)
{
    return (struct cubby__slice){key_len ? key : (const void *)"", key_len};
}

/* Down to the leaf where key belongs, and there to the first cell >= key, maybe behind the last. */
static int descend(struct cubby__cursor *c, struct cubby__slice key, int *exact)
{
    int leaf = leaf_level(c);
    int rc = hold(c, 0, cubby__link_root(&c->root));
    for (int l = 0; rc == 0 && l < leaf; l++) {
        c->level[l].index = (uint16_t)cubby__branch_find(c->level[l].data, key);
        rc = hold_child(c, l);
    }
    if (rc == 0)
        c->level[leaf].index = (uint16_t)cubby__leaf_find(c->level[leaf].data, key, exact);
    return rc;
}

static struct cubby__slice key_at(const struct cubby__cursor *c, unsigned i)
{
    return cubby__leaf_cell(c->level[leaf_level(c)].data, i).key;
}

/* In an index whose checksums are right and that reaches a page twice a walk would have no end: so each leaf that it comes to must lie beyond the one
 * before, or beyond the key that was sought there. */
static int goes_on(struct cubby__cursor *c, struct cubby__slice from, int back)
{
    int leaf = leaf_level(c);
    struct cubby__slice first = key_at(c, 0), last = key_at(c, c->level[leaf].count - 1u);
    if (cubby__key_cmp(first, last) <= 0 && (back ? cubby__key_cmp(last, from) < 0 : cubby__key_cmp(first, from) > 0))
        return 0;
    return cubby__pager_refuse(c->pager, c->err, c->level[leaf].page->number, "its keys do not follow those before");
}

/* From depth l down to a leaf, along the first or the last cells (back). `from` is a key of the leaf that is left, or was sought there. */
static int to_edge(struct cubby__cursor *c, int l, int back, struct cubby__slice from)
{
    struct cubby__page *before = cubby__page_ref(c->level[leaf_level(c)].page);
    int rc = 0;
    for (; rc == 0 && l < leaf_level(c); l++) {
        rc = hold_child(c, l);
        if (rc == 0)
            c->level[l + 1].index = back ? (uint16_t)(c->level[l + 1].count - 1) : 0;
    }
    if (rc == 0)
        rc = goes_on(c, from, back);
    c->valid = rc == 0;
    cubby__page_unref(before);
    return rc;
}

static int next_leaf(struct cubby__cursor *c, struct cubby__slice from)
{
    c->valid = 0;
    for (int l = leaf_level(c) - 1; l >= 0; l--) {
        if (c->level[l].index + 1u < c->level[l].count) {
            c->level[l].index++;
            return to_edge(c, l, 0, from);
        }
    }
    return CUBBY_DONE;
}

static int prev_leaf(struct cubby__cursor *c, struct cubby__slice from)
{
    c->valid = 0;
    for (int l = leaf_level(c) - 1; l >= 0; l--) {
        if (c->level[l].index > 0) {
            c->level[l].index--;
            return to_edge(c, l, 1, from);
        }
    }
    return CUBBY_DONE;
}

int cubby__cursor_seek(struct cubby__cursor *c, const void *key, size_t key_len)
{
    int exact, leaf = leaf_level(c);
    struct cubby__slice k = key_slice(key, key_len);
    c->valid = 0;
    if (!c->root.page)
        return CUBBY_DONE;
    int rc = descend(c, k, &exact);
    if (rc != 0)
        return rc;
    if (c->level[leaf].index == c->level[leaf].count)
        return next_leaf(c, k);
    c->valid = 1;
    return 0;
}

int cubby__cursor_seek_back(struct cubby__cursor *c, const void *key, size_t key_len)
{
    int exact, leaf = leaf_level(c);
    struct cubby__slice k = key_slice(key, key_len);
    c->valid = 0;
    if (!c->root.page)
        return CUBBY_DONE;
    int rc = descend(c, k, &exact);
    if (rc != 0)
        return rc;
    if (!exact) {
        if (c->level[leaf].index == 0)
            return prev_leaf(c, k);
        c->level[leaf].index--;
    }
    c->valid = 1;
    return 0;
}

int cubby__cursor_next(struct cubby__cursor *c)
{
    int leaf = leaf_level(c);
    if (!c->valid)
        return CUBBY_DONE;
    if (c->level[leaf].index + 1u >= c->level[leaf].count)
        return next_leaf(c, key_at(c, c->level[leaf].index));
    c->level[leaf].index++;
    return 0;
}

int cubby__cursor_prev(struct cubby__cursor *c)
{
    int leaf = leaf_level(c);
    if (!c->valid)
        return CUBBY_DONE;
    if (c->level[leaf].index == 0)
        return prev_leaf(c, key_at(c, 0));
    c->level[leaf].index--;
    return 0;
}

static struct cubby__leaf_cell current(const struct cubby__cursor *c)
{
    int leaf = leaf_level(c);
    return cubby__leaf_cell(c->level[leaf].data, c->level[leaf].index);
}

struct cubby__slice cubby__cursor_key(const struct cubby__cursor *c)
{
    return current(c).key;
}

struct cubby__slice cubby__cursor_value(const struct cubby__cursor *c)
{
    return current(c).value;
}
