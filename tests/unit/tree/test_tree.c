/* Random transactions against the model: commit, abort, stacked unflushed commits, discard, checkpoints, reopening, and old versions that
 * must stay whole while pages are used again. */
#include "unit/tree/tree_util.h"

#define VERSIONS 4

struct version {
    struct cubby__root root;
    uint32_t *values;
};

struct world {
    struct disk disk;
    struct cubby__pager *p;
    int on_disk;
    struct keys keys;
    uint64_t random;
    struct version tip;            /* last committed */
    struct version flushed;        /* last flushed */
    struct version old[VERSIONS];  /* read by somebody */
    struct version checkpoint;     /* durable; root.commit 0: none */
    uint64_t seq;
};

static uint64_t rnd(struct world *w, uint64_t below)
{
    w->random = mix(w->random + 1);
    return w->random % below;
}

static void version_copy(const struct world *w, struct version *to, const struct version *from)
{
    to->root = from->root;
    memcpy(to->values, from->values, (size_t)w->keys.n * sizeof *to->values);
}

static void version_init(const struct world *w, struct version *v)
{
    v->root = (struct cubby__root){0};
    v->values = calloc((size_t)w->keys.n, sizeof *v->values);
}

static void world_init(struct world *w, uint64_t seed, enum shape shape, int keys, int on_disk)
{
    memset(w, 0, sizeof *w);
    disk_init(&w->disk);
    w->on_disk = on_disk;
    w->p = on_disk ? disk_pager(&w->disk, 1) : memory_pager();
    w->random = seed;
    keys_init(&w->keys, keys, seed, shape);
    version_init(w, &w->tip);
    version_init(w, &w->flushed);
    version_init(w, &w->checkpoint);
    for (int i = 0; i < VERSIONS; i++)
        version_init(w, &w->old[i]);
}

static void world_release(struct world *w)
{
    cubby__pager_close(&w->p);
    disk_release(&w->disk);
    free(w->keys.at);
    free(w->tip.values);
    free(w->flushed.values);
    free(w->checkpoint.values);
    for (int i = 0; i < VERSIONS; i++)
        free(w->old[i].values);
}

/* Half of the time the readers are told one by one, otherwise by the oldest of them. */
static void protect(struct world *w)
{
    uint64_t commits[VERSIONS + 2], oldest = UINT64_MAX;
    size_t n = 0;
    int one_by_one = (int)rnd(w, 2);
    commits[n++] = w->flushed.root.commit;
    if (w->checkpoint.root.commit)
        commits[n++] = w->checkpoint.root.commit;
    for (int i = 0; i < VERSIONS; i++) {
        uint64_t c = w->old[i].root.commit;
        if (c && one_by_one)
            commits[n++] = c;
        else if (c && c < oldest)
            oldest = c;
    }
    EXPECT(cubby__pager_protect(w->p, commits, n, oldest, NULL) == 0);
}

static void change(struct world *w, int i, uint32_t *values, int del)
{
    const struct key *k = &w->keys.at[i];
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    cubby_error err = {0};
    if (del) {
        int rc = cubby__tree_del(w->p, k->b, k->len, &err);
        if (!(rc == (values[i] ? 0 : CUBBY_DONE)))
        ck_abort_msg("rc %d: %s", rc, err.message);
        values[i] = 0;
        return;
    }
    values[i] = (uint32_t)rnd(w, UINT32_MAX) | 1;
    size_t n = value_make(&w->keys, values[i], value);
    int rc = cubby__tree_put(w->p, k->b, k->len, value, n, &err);
    if (!(rc == 0))
        ck_abort_msg("rc %d: %s", rc, err.message);
}

/* Ops at random places, or a run of neighbours. */
static void changes(struct world *w, int count, uint32_t *values)
{
    int phase = (int)(w->tip.root.commit / 64 % 3); /* grows, stays, shrinks */
    uint64_t del_share = phase == 0 ? 2 : phase == 1 ? 5 : 8;
    int run = (int)rnd(w, 2), at = (int)rnd(w, (uint64_t)w->keys.n), del = (int)rnd(w, 10) < (int)del_share;
    for (int n = 0; n < count; n++) {
        if (!run) {
            at = (int)rnd(w, (uint64_t)w->keys.n);
            del = (int)rnd(w, 10) < (int)del_share;
        }
        change(w, at, values, del);
        at = (at + 1) % w->keys.n;
    }
}

static void expect_get(struct world *w, const struct version *v)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    for (int n = 0; n < 20; n++) {
        int i = (int)rnd(w, (uint64_t)w->keys.n);
        size_t len;
        int rc = cubby__tree_get(w->p, &v->root, w->keys.at[i].b, w->keys.at[i].len, buf, &len, NULL);
        EXPECT(rc == (v->values[i] ? 0 : CUBBY_DONE));
        if (rc == 0)
            expect_value(&w->keys, v->values[i], (struct cubby__slice){buf, len});
    }
}

static void transaction(struct world *w, int ops)
{
    struct version next;
    version_init(w, &next);
    version_copy(w, &next, &w->tip);
    protect(w);
    tree_begin(w->p, &w->tip.root);
    changes(w, 1 + (int)rnd(w, (uint64_t)ops), next.values);
    next.root = cubby__tree_now(w->p);
    expect_get(w, &next);
    if (rnd(w, 8) == 0) {
        cubby__tree_abort(w->p);
    } else {
        cubby__tree_commit(w->p, &next.root);
        EXPECT(next.root.commit == w->tip.root.commit + 1);
        version_copy(w, &w->tip, &next);
    }
    expect_get(w, &w->tip);
    free(next.values);
}

/* A flush that fails after some of its writes: nothing has happened. */
static void flush_in_vain(struct world *w)
{
    struct cubby__root root = w->tip.root;
    w->disk.writes_left = (int)rnd(w, 3);
    int rc = cubby__pager_flush(w->p, &root, NULL);
    w->disk.writes_left = -1;
    EXPECT(rc == 0 || rc == CUBBY_ENOSPC);
    if (rc == 0)
        w->tip.root = root;
    EXPECT(root.sum || rc || !root.page);
    expect_get(w, &w->tip);
}

static void flush(struct world *w)
{
    if (rnd(w, 4) == 0)
        flush_in_vain(w);
    tree_flush(w->p, &w->tip.root);
    version_copy(w, &w->flushed, &w->tip);
    expect_accounted(w->p, &w->flushed.root);
    int slot = (int)rnd(w, VERSIONS); /* a reader ends, another begins */
    if (w->old[slot].root.commit)
        expect_tree(w->p, &w->old[slot].root, &w->keys, w->old[slot].values);
    version_copy(w, &w->old[slot], &w->flushed);
}

static void checkpoint(struct world *w)
{
    struct cubby__pager_stat stat;
    cubby__pager_get_stat(w->p, &stat);
    struct cubby__meta m = {.nonce = 77, .seq = ++w->seq, .commit = w->flushed.root.commit, .pages = stat.pages, .root = w->flushed.root};
    EXPECT(cubby__meta_write(w->p, &m, NULL) == 0);
    version_copy(w, &w->checkpoint, &w->flushed);
}

static void reopen(struct world *w)
{
    struct cubby__meta m;
    cubby__pager_close(&w->p);
    w->p = disk_pager(&w->disk, 0);
    EXPECT(cubby__meta_read(w->p, &m, NULL) == 0);
    EXPECT(m.seq == w->seq);
    EXPECT(m.root.page == w->checkpoint.root.page);
    EXPECT(cubby__pager_nonce(w->p) == 77);
    EXPECT(cubby__pager_load_live(w->p, &m.root, 1, m.commit, m.pages, NULL) == 0);
    version_copy(w, &w->tip, &w->checkpoint);
    w->tip.root = m.root;
    version_copy(w, &w->flushed, &w->tip);
    for (int i = 0; i < VERSIONS; i++)
        w->old[i].root.commit = 0;
    expect_accounted(w->p, &w->tip.root);
}

static void churn(uint64_t seed, enum shape shape, int keys, int rounds, int ops, int on_disk)
{
    struct world w;
    world_init(&w, seed, shape, keys, on_disk);
    for (int round = 0; round < rounds; round++) {
        for (uint64_t n = rnd(&w, 4); n > 0; n--)
            transaction(&w, ops);
        if (rnd(&w, 10) == 0) {
            cubby__pager_discard(w.p);
            version_copy(&w, &w.tip, &w.flushed);
            expect_accounted(w.p, &w.tip.root);
        }
        flush(&w);
        if (on_disk && rnd(&w, 6) == 0)
            checkpoint(&w);
        if (on_disk && w.checkpoint.root.commit && rnd(&w, 25) == 0)
            reopen(&w);
    }
    expect_tree(w.p, &w.tip.root, &w.keys, w.tip.values);
    for (int i = 0; i < VERSIONS; i++)
        if (w.old[i].root.commit)
            expect_tree(w.p, &w.old[i].root, &w.keys, w.old[i].values);
    world_release(&w);
}

START_TEST(churn_short)
{
    for (uint64_t seed = 1; seed <= 4; seed++)
        churn(seed, SHAPE_SHORT, 20000, 250, 300, 1);
}
END_TEST

START_TEST(churn_mixed)
{
    for (uint64_t seed = 11; seed <= 14; seed++)
        churn(seed, SHAPE_MIXED, 3000, 250, 100, 1);
}
END_TEST

START_TEST(churn_huge)
{
    for (uint64_t seed = 21; seed <= 23; seed++)
        churn(seed, SHAPE_HUGE, 600, 200, 40, 1);
}
END_TEST

START_TEST(churn_few)
{
    for (uint64_t seed = 31; seed <= 40; seed++)
        churn(seed, SHAPE_MIXED, 20, 200, 10, 1);
}
END_TEST

START_TEST(churn_in_memory)
{
    churn(41, SHAPE_SHORT, 5000, 150, 200, 0);
    churn(42, SHAPE_HUGE, 300, 100, 40, 0);
}
END_TEST

START_TEST(one_long_transaction)
{
    struct world w;
    world_init(&w, 5, SHAPE_MIXED, 20000, 0);
    tree_begin(w.p, &w.tip.root);
    for (int i = 0; i < 100000; i++)
        change(&w, (int)rnd(&w, (uint64_t)w.keys.n), w.tip.values, rnd(&w, 3) == 0);
    struct cubby__root now = cubby__tree_now(w.p);
    expect_tree(w.p, &now, &w.keys, w.tip.values);
    for (int i = 0; i < w.keys.n; i++)
        change(&w, i, w.tip.values, 1);
    now = cubby__tree_now(w.p);
    ck_assert_uint_eq(now.page, 0);
    cubby__tree_commit(w.p, &w.tip.root);
    tree_flush(w.p, &w.tip.root);
    struct cubby__pager_stat stat;
    cubby__pager_get_stat(w.p, &stat);
    ck_assert_uint_eq(stat.dirty_pages, 0);
    ck_assert_uint_eq(stat.free_pages + CUBBY__META_SLOTS, stat.pages);
    world_release(&w);
}
END_TEST

START_TEST(abort_restores)
{
    struct disk d;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    struct cubby__root root = {0}, now;
    tree_fill(p, &root, 2000, "old");
    struct cubby__pager_stat before, after;
    cubby__pager_get_stat(p, &before);
    tree_begin(p, &root);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %06d", i);
        if (i % 3)
            ck_assert_int_eq(cubby__tree_del(p, key, strlen(key), NULL), 0);
        else
            tree_put(p, key, "new");
    }
    cubby__tree_abort(p);
    now = cubby__tree_now(p);
    ck_assert(memcmp(&now, &root, sizeof now) == 0);
    cubby__pager_get_stat(p, &after);
    ck_assert_uint_eq(after.dirty_pages, 0);
    ck_assert_uint_eq(after.pages_written, before.pages_written);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n;
    for (int i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %06d", i);
        ck_assert_int_eq(cubby__tree_get(p, &root, key, strlen(key), buf, &n, NULL), 0);
        ck_assert(n == 3 && memcmp(buf, "old", 3) == 0);
    }
    expect_accounted(p, &root);
    cubby__tree_abort(p); /* nothing to abort: nothing happens */
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(refuses_wrong_arguments)
{
    struct cubby__pager *p = memory_pager();
    struct cubby__root root = {.commit = 5}, out;
    uint8_t big[CUBBY__TREE_VALUE_MAX + 1] = {0};
    ck_assert_int_eq(cubby__tree_put(p, "a", 1, "b", 1, NULL), CUBBY_EINVAL); /* no transaction */
    ck_assert_int_eq(cubby__tree_begin(p, &root, 5, NULL), CUBBY_EINVAL);     /* a commit must be newer than its base */
    ck_assert_int_eq(cubby__tree_begin(p, &root, 6, NULL), 0);
    ck_assert_int_eq(cubby__tree_begin(p, &root, 7, NULL), CUBBY_EINVAL); /* one at a time */
    ck_assert_int_eq(cubby__tree_put(p, "a", 0, "b", 1, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__tree_put(p, big, CUBBY__TREE_KEY_MAX + 1, "b", 1, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__tree_put(p, "a", 1, big, sizeof big, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__tree_del(p, "a", 1, NULL), CUBBY_DONE);
    ck_assert_int_eq(cubby__pager_flush(p, &root, NULL), CUBBY_EINVAL); /* a transaction is running */
    ck_assert_int_eq(cubby__tree_put(p, big, CUBBY__TREE_KEY_MAX, big, CUBBY__TREE_VALUE_MAX, NULL), 0);
    ck_assert_int_eq(cubby__tree_put(p, "a", 1, NULL, 0, NULL), 0);
    cubby__tree_commit(p, &out);
    ck_assert_uint_eq(out.commit, 6);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n = 9;
    ck_assert_int_eq(cubby__tree_get(p, &out, "a", 1, buf, &n, NULL), 0);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(cubby__tree_get(p, &out, "a", 0, buf, &n, NULL), CUBBY_DONE);
    cubby__pager_close(&p);
}
END_TEST

START_TEST(same_value_writes_nothing)
{
    struct disk d;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1);
    struct cubby__root root = {0}, out;
    tree_fill(p, &root, 500, "value");
    tree_begin(p, &root);
    tree_put(p, "key 000123", "value");
    ck_assert_int_eq(cubby__tree_del(p, "key 000123x", 11, NULL), CUBBY_DONE);
    cubby__tree_commit(p, &out);
    ck_assert_uint_eq(out.page, root.page);
    ck_assert_uint_eq(out.sum, root.sum);
    ck_assert_uint_eq(out.commit, root.commit + 1);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

UNIT_MAIN("tree/tree", churn_short, churn_mixed, churn_huge, churn_few, churn_in_memory, one_long_transaction, abort_restores,
          refuses_wrong_arguments, same_value_writes_nothing)
