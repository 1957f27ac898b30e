/* tree_util.h - what the tests of this layer share: pagers on a disk in memory that can be told to fail, and a model to compare a tree with. */
#ifndef CUBBY_TESTS_TREE_UTIL_H
#define CUBBY_TESTS_TREE_UTIL_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "os/vfs_mem.h"
#include "tree/pager.h"
#include "unit/unit.h"

#define SALT 0x5a17u

/* Check notes every ck_assert in a file, which is too slow for loops; this one only speaks up when it fails. */
#define EXPECT(cond)                                                                                                                                 \
    do {                                                                                                                                             \
        if (!(cond))                                                                                                                                 \
            ck_abort_msg("line %d: %s", __LINE__, #cond);                                                                                            \
    } while (0)

/* ---- a disk ---- */

struct disk {
    cubby_vfs vfs; /* what the pager gets */
    struct cubby__memfs *fs;
    const cubby_vfs *mem;
    int writes_left; /* until one fails with ENOSPC; -1: never */
    int reads_left;  /* until all fail with EIO; -1: never */
    int syncs_left;  /* until all fail with EIO; -1: never */
    int writes, syncs;
};

static inline int64_t disk_pread(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off)
{
    struct disk *d = ctx;
    if (d->reads_left == 0)
        return -EIO;
    if (d->reads_left > 0)
        d->reads_left--;
    return d->mem->pread(d->mem->ctx, f, buf, n, off);
}

static inline int disk_pwrite(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off)
{
    struct disk *d = ctx;
    if (d->writes_left == 0)
        return -ENOSPC;
    if (d->writes_left > 0)
        d->writes_left--;
    d->writes++;
    return d->mem->pwrite(d->mem->ctx, f, buf, n, off);
}

static inline int disk_sync(void *ctx, cubby_file *f)
{
    struct disk *d = ctx;
    if (d->syncs_left == 0)
        return -EIO;
    if (d->syncs_left > 0)
        d->syncs_left--;
    d->syncs++;
    return d->mem->sync(d->mem->ctx, f);
}

static inline int disk_open(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    struct disk *d = ctx;
    return d->mem->open(d->mem->ctx, path, flags, out);
}

static inline void disk_close(void *ctx, cubby_file *f)
{
    struct disk *d = ctx;
    d->mem->close(d->mem->ctx, f);
}

static inline int disk_fstat(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    struct disk *d = ctx;
    return d->mem->fstat(d->mem->ctx, f, out);
}

static inline int disk_unlink(void *ctx, const char *path)
{
    struct disk *d = ctx;
    return d->mem->unlink(d->mem->ctx, path);
}

static inline void disk_init(struct disk *d)
{
    memset(d, 0, sizeof *d);
    d->fs = cubby__memfs_new();
    ck_assert_ptr_nonnull(d->fs);
    d->mem = cubby__memfs_vfs(d->fs);
    d->vfs = (cubby_vfs){.ctx = d, .open = disk_open, .close = disk_close, .pread = disk_pread, .pwrite = disk_pwrite, .sync = disk_sync,
                         .fstat = disk_fstat, .unlink = disk_unlink};
    d->writes_left = d->reads_left = d->syncs_left = -1;
}

static inline void disk_release(struct disk *d)
{
    cubby__memfs_free(&d->fs);
}

static inline cubby_file *disk_file(struct disk *d)
{
    cubby_file *f;
    EXPECT(d->mem->open(d->mem->ctx, "index", CUBBY_OPEN_WRITE, &f) == 0);
    return f;
}

static inline uint64_t disk_size(struct disk *d)
{
    cubby_vfs_stat st;
    cubby_file *f = disk_file(d);
    EXPECT(d->mem->fstat(d->mem->ctx, f, &st) == 0);
    d->mem->close(d->mem->ctx, f);
    return st.size;
}

static inline void disk_peek(struct disk *d, uint64_t off, void *buf, size_t n)
{
    cubby_file *f = disk_file(d);
    EXPECT(d->mem->pread(d->mem->ctx, f, buf, n, off) == (int64_t)n);
    d->mem->close(d->mem->ctx, f);
}

static inline void disk_poke(struct disk *d, uint64_t off, const void *buf, size_t n)
{
    cubby_file *f = disk_file(d);
    EXPECT(d->mem->pwrite(d->mem->ctx, f, buf, n, off) == 0);
    d->mem->close(d->mem->ctx, f);
}

static inline void disk_flip(struct disk *d, uint64_t off, uint8_t mask)
{
    uint8_t b;
    disk_peek(d, off, &b, 1);
    b ^= mask;
    disk_poke(d, off, &b, 1);
}

static inline void disk_truncate(struct disk *d, uint64_t size)
{
    cubby_file *f = disk_file(d);
    EXPECT(d->mem->truncate(d->mem->ctx, f, size) == 0);
    d->mem->close(d->mem->ctx, f);
}

/* ---- pagers ---- */

static inline struct cubby__pager_config disk_config(struct disk *d, int create)
{
    return (struct cubby__pager_config){.vfs = &d->vfs, .path = "index", .writable = 1, .create = create, .nonce = 77, .salt = SALT,
                                        .uuid = "sixteen bytes...", .cache_bytes = 64u << 10};
}

static inline struct cubby__pager *disk_pager(struct disk *d, int create)
{
    struct cubby__pager *p = NULL;
    struct cubby__pager_config config = disk_config(d, create);
    EXPECT(cubby__pager_open(&config, &p, NULL) == 0);
    return p;
}

static inline struct cubby__pager *memory_pager(void)
{
    struct cubby__pager *p = NULL;
    struct cubby__pager_config config = {.salt = SALT, .cache_bytes = 64u << 10};
    EXPECT(cubby__pager_open(&config, &p, NULL) == 0);
    return p;
}

static inline void tree_begin(struct cubby__pager *p, const struct cubby__root *base)
{
    EXPECT(cubby__tree_begin(p, base, base->commit + 1, NULL) == 0);
}

static inline void tree_put(struct cubby__pager *p, const char *key, const char *value)
{
    EXPECT(cubby__tree_put(p, key, strlen(key), value, strlen(value), NULL) == 0);
}

static inline void tree_flush(struct cubby__pager *p, struct cubby__root *root)
{
    cubby_error err = {0};
    ck_assert_msg(cubby__pager_flush(p, root, &err) == 0, "%s", err.message);
}

/* n keys "key 000000" ... in one flushed transaction on top of *root. */
static inline void tree_fill(struct cubby__pager *p, struct cubby__root *root, int n, const char *value)
{
    tree_begin(p, root);
    for (int i = 0; i < n; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %06d", i);
        tree_put(p, key, value);
    }
    cubby__tree_commit(p, root);
    tree_flush(p, root);
}

/* ---- pages that someone changed who knows the salt: checksums up to the root are made to fit ---- */

static inline uint64_t forge_page(struct disk *d, uint64_t page, uint8_t *bytes)
{
    uint64_t sum = cubby__node_sum(bytes, page, SALT);
    cubby__put64(bytes + CUBBY__TREE_SUM_OFF, sum);
    disk_poke(d, page * CUBBY__PAGE_SIZE, bytes, CUBBY__PAGE_SIZE);
    return sum;
}

static inline void forge_root(struct disk *d, struct cubby__root *root, uint8_t *bytes)
{
    root->sum = forge_page(d, root->page, bytes);
}

/* Below a root of level 1. */
static inline void forge_leaf(struct disk *d, struct cubby__root *root, unsigned child, uint8_t *leaf)
{
    uint8_t top[CUBBY__PAGE_SIZE];
    disk_peek(d, root->page * CUBBY__PAGE_SIZE, top, sizeof top);
    uint64_t page = cubby__branch_page(top, child);
    cubby__branch_set(top, child, page, forge_page(d, page, leaf));
    forge_root(d, root, top);
}

static inline void forge_peek(struct disk *d, const struct cubby__root *root, unsigned child, uint8_t *leaf)
{
    uint8_t top[CUBBY__PAGE_SIZE];
    disk_peek(d, root->page * CUBBY__PAGE_SIZE, top, sizeof top);
    disk_peek(d, cubby__branch_page(top, child) * CUBBY__PAGE_SIZE, leaf, CUBBY__PAGE_SIZE);
}

/* Bytes of the key in cell i of a leaf, to be changed. */
static inline uint8_t *forge_key(uint8_t *leaf, unsigned i)
{
    return leaf + (cubby__leaf_cell(leaf, i).key.p - leaf);
}

/* Slot i points where another one does, and the cells add up all the same. */
static inline void forge_overlap(uint8_t *leaf, unsigned i, unsigned other)
{
    size_t used = 0;
    cubby__put16(leaf + CUBBY__TREE_SLOTS_OFF + CUBBY__NODE_SLOT * i, (uint16_t)(cubby__node_cell(leaf, other) - leaf));
    for (unsigned c = 0; c < cubby__node_count(leaf); c++)
        used += cubby__node_cell_len(leaf, c);
    cubby__put16(leaf + CUBBY__TREE_FREE_OFF, (uint16_t)(CUBBY__PAGE_SIZE - cubby__get16(leaf + CUBBY__TREE_CELLS_OFF) - used));
    EXPECT(!cubby__node_problem(leaf, 0));
}

/* ---- the model: a fixed set of keys; a tree says for each which value (a seed, 0: none) it has ---- */

static inline uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdull;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ull;
    return x ^ x >> 33;
}

enum shape { SHAPE_SHORT, SHAPE_MIXED, SHAPE_HUGE };

struct keys {
    int n;
    struct key {
        uint16_t len;
        uint8_t b[CUBBY__TREE_KEY_MAX];
    } *at; /* ascending */
    enum shape shape;
};

static inline int key_order(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return cubby__key_cmp((struct cubby__slice){x->b, x->len}, (struct cubby__slice){y->b, y->len});
}

static inline void key_make(struct key *k, int i, uint64_t seed, enum shape shape)
{
    uint64_t r = mix(seed + (uint64_t)i);
    size_t prefix = shape == SHAPE_SHORT ? r % 3 : shape == SHAPE_HUGE ? CUBBY__TREE_KEY_MAX - 4 : r % 8 ? r % 20 : r % 400;
    memset(k->b, 'k', prefix); /* long common prefixes, and keys that are prefixes of others */
    k->len = (uint16_t)(prefix + 4);
    cubby__put32be(k->b + prefix, (uint32_t)(shape == SHAPE_SHORT ? (uint32_t)i : (uint32_t)(mix(r) << 20 | (uint32_t)i)));
}

static inline void keys_init(struct keys *k, int n, uint64_t seed, enum shape shape)
{
    k->n = n;
    k->shape = shape;
    k->at = calloc((size_t)n, sizeof *k->at);
    for (int i = 0; i < n; i++)
        key_make(&k->at[i], i, seed, shape);
    qsort(k->at, (size_t)n, sizeof *k->at, key_order);
    int unique = 0;
    for (int i = 0; i < n; i++)
        if (unique == 0 || key_order(&k->at[unique - 1], &k->at[i]) != 0)
            k->at[unique++] = k->at[i];
    k->n = unique;
}

static inline size_t value_make(const struct keys *k, uint32_t seed, uint8_t *out)
{
    uint64_t r = mix(seed);
    size_t n = k->shape == SHAPE_SHORT ? r % 60 : k->shape == SHAPE_HUGE ? CUBBY__TREE_VALUE_MAX - r % 2 : r % 10 ? r % 120 : r % 1025;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint8_t)(r >> (i % 7 * 8)) ^ (uint8_t)i;
    return n;
}

static inline void expect_value(const struct keys *k, uint32_t seed, struct cubby__slice got)
{
    uint8_t want[CUBBY__TREE_VALUE_MAX];
    size_t n = value_make(k, seed, want);
    EXPECT(got.n == n);
    EXPECT(memcmp(got.p, want, n) == 0);
}

static inline void expect_at(const struct keys *k, const uint32_t *values, int i, const struct cubby__cursor *c)
{
    struct cubby__slice key = cubby__cursor_key(c);
    EXPECT(key.n == k->at[i].len && memcmp(key.p, k->at[i].b, key.n) == 0);
    expect_value(k, values[i], cubby__cursor_value(c));
}

/* Every key that should be there is, in order, both ways, and nothing else. */
static inline void expect_tree(struct cubby__pager *p, const struct cubby__root *root, const struct keys *k, const uint32_t *values)
{
    cubby_error err = {0};
    struct cubby__cursor c;
    cubby__cursor_init(&c, p, root, &err);
    int rc = cubby__cursor_seek(&c, NULL, 0);
    for (int i = 0; i < k->n; i++) {
        if (!values[i])
            continue;
        if (!(rc == 0))
            ck_abort_msg("rc %d: %s", rc, err.message);
        expect_at(k, values, i, &c);
        rc = cubby__cursor_next(&c);
    }
    if (!(rc == CUBBY_DONE))
        ck_abort_msg("rc %d: %s", rc, err.message);
    uint8_t last[CUBBY__TREE_KEY_MAX];
    memset(last, 0xff, sizeof last);
    rc = cubby__cursor_seek_back(&c, last, sizeof last);
    for (int i = k->n - 1; i >= 0; i--) {
        if (!values[i])
            continue;
        EXPECT(rc == 0);
        expect_at(k, values, i, &c);
        rc = cubby__cursor_prev(&c);
    }
    EXPECT(rc == CUBBY_DONE);
    cubby__cursor_release(&c);
}

struct page_count {
    uint64_t pages, cells_used;
    int bad;
};

static inline int count_page(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    struct page_count *n = arg;
    (void)level;
    n->pages++;
    if (problem) {
        n->bad++;
        printf("# page %llu: %s\n", (unsigned long long)page, problem);
    }
    return 0;
}

/* Walks the tree; every page must be sound. Returns how many there are. */
static inline uint64_t expect_sound(struct cubby__pager *p, const struct cubby__root *root)
{
    struct page_count n = {0};
    cubby_error err = {0};
    ck_assert_msg(cubby__tree_check(p, root, count_page, &n, &err) == 0, "%s", err.message);
    EXPECT(n.bad == 0);
    return n.pages;
}

/* No page number is lost or known twice: a page is in the tree or in one of the allocator's lists. */
static inline void expect_accounted(struct cubby__pager *p, const struct cubby__root *root)
{
    struct cubby__pager_stat stat;
    uint64_t live = expect_sound(p, root);
    cubby__pager_get_stat(p, &stat);
    EXPECT(live + stat.free_pages + CUBBY__META_SLOTS == stat.pages);
}

#endif
