/* balance.c - splitting pages that got too full, joining those that got too empty.
 *
 * Splits: a run of ascending insertions leaves dense pages behind, at the end of the tree or in the middle of it; everything else
 * is halved by bytes. Joins: a page less than a quarter full goes together with a neighbour if both fit with room to spare;
 * nothing is moved between pages otherwise, so a separator never changes its length. Empty pages disappear. */
#include "tree/pager.h"

#define HALF      (CUBBY__NODE_SPACE / 2)
#define TOO_EMPTY (CUBBY__NODE_SPACE / 4)
#define JOINED    (CUBBY__NODE_SPACE - CUBBY__NODE_SPACE / 8) /* at most, or the next insertion would split again */
#define RUN       3u                                         /* insertions in a row that make an ascending run */

/* ---- splitting ---- */

/* The cells of a page with one more, which is not in it. */
struct overfull {
    const uint8_t *page;
    unsigned count, pos; /* with the new one; its place */
    const uint8_t *cell;
    size_t len;
};

static size_t item_len(const struct overfull *o, unsigned i)
{
    return (i == o->pos ? o->len : cubby__node_cell_len(o->page, i < o->pos ? i : i - 1)) + CUBBY__NODE_SLOT;
}

static void copy_items(uint8_t *d, const struct overfull *o, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (i == o->pos)
            memcpy(cubby__node_make(d, cubby__node_count(d), o->len), o->cell, o->len);
        else
            cubby__node_append(d, o->page, i < o->pos ? i : i - 1, (i < o->pos ? i : i - 1) + 1);
    }
}

/* How many items stay on the left. Both sides get at least one and fit: no cell takes more than half a page. */
static unsigned split_point(const struct overfull *o, unsigned run)
{
    size_t left = 0;
    if (o->pos == o->count - 1)
        return o->pos;
    if (run >= RUN) {
        for (unsigned i = 0; i < o->pos; i++)
            left += item_len(o, i);
        return left >= HALF ? o->pos : o->pos + 1; /* what comes next in the run goes behind the new item */
    }
    size_t all = 0;
    for (unsigned i = 0; i < o->count; i++)
        all += item_len(o, i);
    unsigned n = 0;
    while (n < o->count - 1 && 2 * left + item_len(o, n) < all)
        left += item_len(o, n++);
    return n ? n : 1;
}

/* The shortest key above every key of `left` and not above the first of `right`. */
static struct cubby__slice separator(const uint8_t *left, const uint8_t *right)
{
    struct cubby__slice low, high;
    if (cubby__node_level(right))
        return cubby__branch_key(right, 0);
    low = cubby__leaf_cell(left, cubby__node_count(left) - 1).key;
    high = cubby__leaf_cell(right, 0).key;
    size_t n = 0;
    while (n < low.n && n < high.n && low.p[n] == high.p[n])
        n++;
    high.n = n + 1; /* high is above low, so it has a byte more */
    return high;
}

/* Divides o, made from page, between page and a new right neighbour; encodes the new one's cell for the parent. */
static size_t divide(struct cubby__pager *p, struct cubby__page *page, const struct overfull *o, uint8_t *parent_cell)
{
    unsigned level = cubby__node_level(page->data), n = split_point(o, page->run);
    struct cubby__page *right = cubby__txn_new(p, level);
    copy_items(right->data, o, n, o->count);
    cubby__node_init(page->data, page->number, p->txn.commit, level);
    copy_items(page->data, o, 0, n);
    size_t len = cubby__branch_encode(parent_cell, right->number, 0, separator(page->data, right->data));
    if (level)
        cubby__branch_strip(right->data);
    if (o->pos >= n) { /* the run goes on there */
        right->last_insert = (uint16_t)(o->pos - n);
        right->run = page->run;
        page->run = 0;
    }
    return len;
}

static void new_root(struct cubby__pager *p, const uint8_t *cell, size_t len)
{
    struct cubby__root *root = &p->txn.root;
    struct cubby__page *page = cubby__txn_new(p, root->level + 1);
    cubby__branch_encode(cubby__node_make(page->data, 0, CUBBY__BRANCH_KEY_OFF + 1), root->page, 0, (struct cubby__slice){NULL, 0});
    memcpy(cubby__node_make(page->data, 1, len), cell, len);
    root->page = page->number;
    root->level++;
}

void cubby__tree_split(struct cubby__pager *p, unsigned pos, const uint8_t *cell, size_t len)
{
    struct cubby__path *path = &p->txn.path;
    uint8_t copy[CUBBY__PAGE_SIZE], parent_cell[2][CUBBY__BRANCH_CELL_MAX];
    int l = (int)path->depth - 1;
    for (;; l--) {
        struct cubby__page *page = path->at[l].page;
        memcpy(copy, page->data, sizeof copy);
        struct overfull o = {copy, cubby__node_count(copy) + 1, pos, cell, len};
        uint8_t *up = parent_cell[l & 1];
        len = divide(p, page, &o, up);
        cell = up;
        if (l == 0) {
            new_root(p, cell, len);
            break;
        }
        pos = path->at[l - 1].index + 1;
        cubby__page_note_insert(path->at[l - 1].page, pos);
        uint8_t *place = cubby__node_make(path->at[l - 1].page->data, pos, len);
        if (place) {
            memcpy(place, cell, len);
            break;
        }
    }
    cubby__path_release(path);
}

/* ---- joining ---- */

/* What the separator between two branches adds when they become one: the right one's first cell gets it as its key. */
static size_t joint_len(const uint8_t *parent, unsigned right, unsigned level)
{
    struct cubby__slice key = cubby__branch_key(parent, right);
    return level ? key.n + 1 : 0;
}

static void append_right(uint8_t *d, const uint8_t *right, const uint8_t *parent, unsigned right_index)
{
    unsigned from = 0;
    if (cubby__node_level(right)) {
        uint8_t cell[CUBBY__BRANCH_CELL_MAX];
        size_t n = cubby__branch_encode(cell, cubby__branch_page(right, 0), cubby__branch_sum(right, 0),
                                        cubby__branch_key(parent, right_index));
        memcpy(cubby__node_make(d, cubby__node_count(d), n), cell, n);
        from = 1;
    }
    cubby__node_append(d, right, from, cubby__node_count(right));
}

/* Joins the pages in cells left and left + 1 of parent, one of them `page` (owned), the other `sibling`, which goes. */
static void join(struct cubby__pager *p, uint8_t *parent, unsigned left, struct cubby__page *page, struct cubby__page *sibling)
{
    uint8_t copy[CUBBY__PAGE_SIZE];
    int page_is_left = cubby__branch_page(parent, left) == page->number;
    if (page_is_left) {
        append_right(page->data, sibling->data, parent, left + 1);
    } else {
        memcpy(copy, page->data, sizeof copy);
        cubby__node_init(page->data, page->number, p->txn.commit, cubby__node_level(copy));
        cubby__node_append(page->data, sibling->data, 0, cubby__node_count(sibling->data));
        append_right(page->data, copy, parent, left + 1);
        cubby__branch_set(parent, left, page->number, 0);
    }
    page->run = 0;
    cubby__branch_remove(parent, left + 1);
    cubby__txn_give_up(p, sibling);
}

/* Joins the page at depth l of the path with its neighbour in cell `other` of the parent if both fit in one. *done says whether. */
static int try_join(struct cubby__pager *p, unsigned l, unsigned other, int *done, cubby_error *err)
{
    struct cubby__path *path = &p->txn.path;
    struct cubby__page *page = path->at[l].page, *sibling;
    uint8_t *parent = path->at[l - 1].page->data;
    int rc = cubby__txn_reserve(p, 0, 1, err);
    if (rc == 0)
        rc = cubby__pager_get(p, cubby__link_child(parent, other), &sibling, err);
    if (rc != 0)
        return rc;
    unsigned left = path->at[l - 1].index < other ? other - 1 : other;
    size_t used = cubby__node_used(page->data) + cubby__node_used(sibling->data) + joint_len(parent, left + 1, cubby__node_level(page->data));
    if (used <= JOINED)
        rc = cubby__txn_may_change(p, sibling, cubby__branch_bounds(parent, other, cubby__path_bounds(path, l - 1)), err);
    *done = rc == 0 && used <= JOINED;
    if (*done)
        join(p, parent, left, page, sibling);
    cubby__page_unref(sibling);
    return rc;
}

static int join_neighbour(struct cubby__pager *p, unsigned l, int *done, cubby_error *err)
{
    const struct cubby__path *path = &p->txn.path;
    unsigned index = path->at[l - 1].index;
    int rc = 0;
    *done = 0;
    if (index + 1 < cubby__node_count(path->at[l - 1].page->data))
        rc = try_join(p, l, index + 1, done, err);
    if (rc == 0 && !*done && index > 0)
        rc = try_join(p, l, index - 1, done, err);
    return rc;
}

/* A root without cells goes; a branch with one child leaves its place to it. */
static int lower_root(struct cubby__pager *p, cubby_error *err)
{
    struct cubby__root *root = &p->txn.root;
    for (;;) {
        struct cubby__page *page;
        int rc = cubby__pager_get(p, cubby__link_root(root), &page, err);
        if (rc != 0)
            return rc;
        unsigned count = cubby__node_count(page->data);
        int stays = count > 1 || (count == 1 && root->level == 0);
        rc = stays ? 0 : cubby__txn_reserve(p, 0, 1, err);
        if (rc == 0 && !stays) {
            if (count) {
                root->sum = cubby__branch_sum(page->data, 0);
                root->page = cubby__branch_page(page->data, 0);
                root->level--;
            } else {
                *root = (struct cubby__root){.commit = p->txn.commit};
            }
            cubby__txn_give_up(p, page);
        }
        cubby__page_unref(page);
        if (rc != 0 || stays || !root->page)
            return rc;
    }
}

int cubby__tree_shrink(struct cubby__pager *p, cubby_error *err)
{
    struct cubby__path *path = &p->txn.path;
    int l = (int)path->depth - 1, changed = 1, rc = 0;
    for (; l > 0 && changed && rc == 0; l--) {
        struct cubby__page *page = path->at[l].page;
        changed = 0;
        if (cubby__node_count(page->data) == 0) {
            cubby__branch_remove(path->at[l - 1].page->data, path->at[l - 1].index);
            cubby__txn_give_up(p, page);
            changed = 1;
        } else if (cubby__node_used(page->data) < TOO_EMPTY) {
            rc = join_neighbour(p, (unsigned)l, &changed, err);
        }
        path->owned = path->owned && !changed;
    }
    int keep = path->owned && (path->depth > 1 || cubby__node_count(path->at[0].page->data) > 0);
    if (!keep)
        cubby__path_release(path);
    return rc == 0 && !keep ? lower_root(p, err) : rc;
}
