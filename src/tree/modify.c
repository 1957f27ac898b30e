/* modify.c - put and del: to the leaf, copying what is not the transaction's own, and the change there.
 *
 * An error leaves the tree sound, but the transaction can then only be aborted. */
#include "base/error.h"
#include "tree/pager.h"

/* ---- the path ---- */

static struct cubby__page *leaf_of(const struct cubby__path *path)
{
    return path->at[path->depth - 1].page;
}

/* Do the separators beside the path enclose key? The nearest on either side decides. */
static int path_covers(const struct cubby__path *path, struct cubby__slice key)
{
    int low = 0, high = 0;
    for (int l = (int)path->depth - 2; l >= 0 && !(low && high); l--) {
        const uint8_t *d = path->at[l].page->data;
        unsigned i = path->at[l].index;
        if (!low && i > 0) {
            if (cubby__key_cmp(cubby__branch_key(d, i), key) > 0)
                return 0;
            low = 1;
        }
        if (!high && i + 1 < cubby__node_count(d)) {
            if (cubby__key_cmp(cubby__branch_key(d, i + 1), key) <= 0)
                return 0;
            high = 1;
        }
    }
    return 1;
}

/* The path to the leaf where key belongs. The tree is not empty. */
static int walk(struct cubby__pager *p, struct cubby__slice key, cubby_error *err)
{
    struct cubby__path *path = &p->txn.path;
    if (path->owned && path_covers(path, key))
        return 0;
    cubby__path_release(path);
    struct cubby__link link = cubby__link_root(&p->txn.root);
    for (;;) {
        struct cubby__page *page;
        int rc = cubby__pager_get(p, link, &page, err);
        if (rc != 0) {
            cubby__path_release(path);
            return rc;
        }
        unsigned l = path->depth++;
        path->at[l].page = page;
        if (link.level == 0)
            return 0;
        path->at[l].index = cubby__branch_find(page->data, key);
        link = cubby__link_child(page->data, path->at[l].index);
    }
}

struct cubby__bounds cubby__path_bounds(const struct cubby__path *path, unsigned l)
{
    struct cubby__bounds b = {0};
    for (unsigned i = 0; i < l; i++)
        b = cubby__branch_bounds(path->at[i].page->data, path->at[i].index, b);
    return b;
}

/* What no access depends on, every change does: a byte that is written must not be part of another cell, and two halves of a page, or two pages that are
 * joined, must have a separator. The order is looked at once for each page that was read; the bounds are the parent's word, which may be another one. */
int cubby__txn_may_change(struct cubby__pager *p, struct cubby__page *page, struct cubby__bounds bounds, cubby_error *err)
{
    const char *problem = page->ordered ? NULL : cubby__node_order_problem(page->data);
    if (!problem) {
        page->ordered = 1;
        problem = cubby__node_bounds_problem(page->data, bounds);
    }
    return problem ? cubby__pager_refuse(p, err, page->number, problem) : 0;
}

/* Copies the pages of the path that are not the transaction's, from the root down: the tree is whole after each. */
static int own_path(struct cubby__pager *p, cubby_error *err)
{
    struct cubby__tree_txn *t = &p->txn;
    struct cubby__path *path = &t->path;
    if (path->owned)
        return 0;
    int rc = cubby__txn_reserve(p, path->depth, path->depth, err);
    for (unsigned l = 0; rc == 0 && l < path->depth; l++) {
        struct cubby__page *old = path->at[l].page;
        if (cubby__txn_owns(p, old))
            continue;
        rc = cubby__txn_may_change(p, old, cubby__path_bounds(path, l), err);
        if (rc != 0)
            break;
        struct cubby__page *page = cubby__txn_copy(p, old);
        if (l == 0) {
            t->root.page = page->number;
            t->root.sum = 0;
        } else {
            cubby__branch_set(path->at[l - 1].page->data, path->at[l - 1].index, page->number, 0);
        }
        path->at[l].page = cubby__page_ref(page);
        cubby__txn_give_up(p, old);
        cubby__page_unref(old);
    }
    path->owned = rc == 0;
    return rc;
}

/* After a look that changed nothing: only an owned path is worth keeping. */
static void leave(struct cubby__pager *p)
{
    if (!p->txn.path.owned)
        cubby__path_release(&p->txn.path);
}

/* ---- put ---- */

static int check_args(struct cubby__pager *p, size_t key_len, size_t value_len, cubby_error *err)
{
    if (p->txn.active && key_len >= 1 && key_len <= CUBBY__TREE_KEY_MAX && value_len <= CUBBY__TREE_VALUE_MAX)
        return 0;
    return cubby__fail(err, CUBBY_EINVAL, p->path, CUBBY__NO_OFFSET, "no index transaction, or a key or value of a wrong length");
}

static int put_first(struct cubby__pager *p, struct cubby__slice key, struct cubby__slice value, cubby_error *err)
{
    int rc = cubby__txn_reserve(p, 1, 0, err);
    if (rc != 0)
        return rc;
    struct cubby__page *page = cubby__txn_new(p, 0);
    cubby__leaf_encode(cubby__node_make(page->data, 0, cubby__leaf_encoded_len(key.n, value.n)), key, value);
    p->txn.root = (struct cubby__root){.page = page->number, .commit = p->txn.commit};
    return 0;
}

/* The leaf of the path is owned and pos is the place of the key. */
static int insert(struct cubby__pager *p, unsigned pos, struct cubby__slice key, struct cubby__slice value, cubby_error *err)
{
    struct cubby__page *leaf = leaf_of(&p->txn.path);
    size_t len = cubby__leaf_encoded_len(key.n, value.n);
    cubby__page_note_insert(leaf, pos);
    uint8_t *cell = cubby__node_make(leaf->data, pos, len);
    if (cell) {
        cubby__leaf_encode(cell, key, value);
        return 0;
    }
    uint8_t apart[CUBBY__LEAF_CELL_MAX];
    if (p->txn.path.depth == CUBBY__TREE_DEPTH_MAX)
        return cubby__fail(err, CUBBY_ELIMIT, p->path, CUBBY__NO_OFFSET, "the index is too deep");
    int rc = cubby__txn_reserve(p, p->txn.path.depth + 1, 0, err);
    if (rc != 0)
        return rc;
    cubby__tree_split(p, pos, apart, cubby__leaf_encode(apart, key, value));
    return 0;
}

static int replace(struct cubby__pager *p, unsigned pos, struct cubby__slice key, struct cubby__slice value, cubby_error *err)
{
    uint8_t *d = leaf_of(&p->txn.path)->data;
    struct cubby__slice old = cubby__leaf_cell(d, pos).value;
    if (old.n == value.n) {
        memcpy(d + (old.p - d), value.p, value.n);
        return 0;
    }
    cubby__node_remove(d, pos);
    return insert(p, pos, key, value, err);
}

int cubby__tree_put(struct cubby__pager *p, const void *key, size_t key_len, const void *value, size_t value_len, cubby_error *err)
{
    struct cubby__slice k = {key, key_len}, v = {value_len ? value : (const void *)"", value_len};
    int rc = check_args(p, key_len, value_len, err);
    if (rc != 0)
        return rc;
    if (!p->txn.root.page)
        return put_first(p, k, v, err);
    rc = walk(p, k, err);
    if (rc != 0)
        return rc;
    int exact;
    const uint8_t *d = leaf_of(&p->txn.path)->data;
    unsigned pos = cubby__leaf_find(d, k, &exact);
    if (exact && cubby__key_cmp(cubby__leaf_cell(d, pos).value, v) == 0) {
        leave(p); /* nothing changes, nothing is written */
        return 0;
    }
    rc = own_path(p, err);
    if (rc == 0)
        rc = exact ? replace(p, pos, k, v, err) : insert(p, pos, k, v, err);
    if (rc != 0)
        cubby__path_release(&p->txn.path);
    return rc;
}

/* ---- del ---- */

int cubby__tree_del(struct cubby__pager *p, const void *key, size_t key_len, cubby_error *err)
{
    struct cubby__slice k = {key, key_len};
    int rc = check_args(p, key_len, 0, err);
    if (rc != 0)
        return rc;
    if (!p->txn.root.page)
        return CUBBY_DONE;
    rc = walk(p, k, err);
    if (rc != 0)
        return rc;
    int exact;
    unsigned pos = cubby__leaf_find(leaf_of(&p->txn.path)->data, k, &exact);
    if (!exact) {
        leave(p);
        return CUBBY_DONE;
    }
    rc = own_path(p, err);
    if (rc == 0) {
        cubby__node_remove(leaf_of(&p->txn.path)->data, pos);
        rc = cubby__tree_shrink(p, err);
    }
    if (rc != 0)
        cubby__path_release(&p->txn.path);
    return rc;
}
