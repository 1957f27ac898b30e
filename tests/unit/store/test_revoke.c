/* Snapshots that are too old: revoked before their pages are used again, and told apart from damage (shared.c, S4 and S5). */
#include <pthread.h>

#include "unit/store/store_util.h"

static struct cubby__store *another(struct bed *b, unsigned flags)
{
    struct cubby__store *s;
    cubby_options o = b->o;
    o.flags = flags;
    o.cache_bytes = 1; /* as few pages as can be: the file is read */
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    return s;
}

/* All rows; what ended it: CUBBY_DONE or an error. */
static int walk(const struct cubby__view *v, int *rows)
{
    static const uint8_t zero[1] = {0};
    struct cubby__cursor c;
    *rows = 0;
    cubby__view_cursor(v, &c);
    int rc = cubby__cursor_seek(&c, zero, 1);
    for (; rc == 0; rc = cubby__cursor_next(&c))
        ++*rows;
    cubby__cursor_release(&c);
    return rc;
}

/* Changes every row so often that a snapshot from before holds back `pages` or more. */
static void churn(struct bed *b, uint64_t pages)
{
    struct cubby__pager_stat st;
    cubby__pager_get_stat(b->s->pager, &st);
    for (uint64_t end = st.pages_written + pages; st.pages_written < end; cubby__pager_get_stat(b->s->pager, &st))
        kv_store_many(b, 0, 100, 100);
}

static void an_hour(struct bed *b)
{
    b->vfs->sleep_ms(b->vfs->ctx, 3600 * 1000);
}

/* A snapshot may hold back what it wants as long as it is young. */
START_TEST(a_young_snapshot)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    cubby_error err = {0};
    int rows;
    bed_begin_with(b, 64 << 20, 20000);
    kv_store_many(b, 0, 100, 100);
    struct cubby__store *s = another(b, CUBBY_READ_ONLY);
    ck_assert_int_ge(s->slot, 0);
    an_hour(b);
    MUST(cubby__view_begin(s, &v, &err));
    struct cubby__buf want = kv_dump_view(&v);
    churn(b, 4000);
    ck_assert_int_eq(walk(&v, &rows), CUBBY_DONE);
    same_rows(want, kv_dump_view(&v));
    cubby__view_end(&v);
    MUST(cubby__store_close(&s, &err));
    bed_end(b);
}
END_TEST

/* The reader sleeps; the writer goes on for hours, and the index does not grow for ever. */
START_TEST(a_sleeping_reader)
{
    for (int own = 0; own < 2; own++) { /* a snapshot of another handle, or of the writer's own */
        struct bed bed, *b = &bed;
        struct cubby__view old, young;
        uint8_t buf[CUBBY__TREE_VALUE_MAX];
        struct kv_row row;
        cubby_error err = {0};
        int rows;
        bed_begin_with(b, 64 << 20, 20000);
        kv_store_many(b, 0, 100, 100);
        struct cubby__store *s = own ? b->s : another(b, CUBBY_READ_ONLY);
        MUST(cubby__view_begin(s, &old, &err));
        for (int i = 0; i < 6; i++) {
            an_hour(b);
            churn(b, 1500);
        }
        uint64_t size = bed_size(b, "/s/index");
        MUST(cubby__view_begin(s, &young, &err)); /* of the same handle */
        ck_assert_int_eq(walk(&old, &rows), CUBBY_ESTALE);
        ck_assert_int_eq(err.code, CUBBY_ESTALE);
        ck_assert_int_eq(kv_get(&old, "k0001", buf, &row), CUBBY_ESTALE);
        ck_assert_int_eq(walk(&young, &rows), CUBBY_DONE);
        for (int i = 0; i < 3; i++)
            churn(b, 1500);
        ck_assert_int_eq(walk(&young, &rows), CUBBY_DONE);
        ck_assert_int_eq(walk(&old, &rows), CUBBY_ESTALE); /* for good */
        cubby__view_end(&young);
        ck_assert_int_eq(walk(&old, &rows), CUBBY_ESTALE);
        for (int i = 0; i < 20; i++)
            churn(b, 1500);
        ck_assert_uint_lt(bed_size(b, "/s/index"), 2 * size + (4 << 20));
        ck_assert_int_eq(cubby__pager_damaged(s->pager), 0); /* no index is made anew for this */
        cubby__view_end(&old);
        MUST(cubby__view_begin(s, &old, &err));
        ck_assert_int_eq(walk(&old, &rows), CUBBY_DONE);
        cubby__view_end(&old);
        ck_assert_uint_eq(cubby__slot_get(s), 0);
        if (!own)
            MUST(cubby__store_close(&s, &err));
        ck_assert_str_eq(b->notice, "");
        bed_rebuild_is_equal(b);
        bed_clean(b);
        bed_end(b);
    }
}
END_TEST

START_TEST(writers_that_live_for_a_moment)
{
    struct bed bed, *b = &bed;
    struct cubby__view old;
    cubby_error err = {0};
    int rows, rc = CUBBY_DONE;
    bed_begin_with(b, 64 << 20, 20000);
    kv_store_many(b, 0, 100, 100);
    struct cubby__store *s = another(b, 0);
    MUST(cubby__view_begin(s, &old, &err));
    for (int i = 0; i < 40 && rc == CUBBY_DONE; i++) {
        bed_close(b);
        an_hour(b);
        bed_open(b);
        churn(b, 300);
        rc = walk(&old, &rows);
    }
    ck_assert_int_eq(rc, CUBBY_ESTALE);
    cubby__view_end(&old);
    MUST(cubby__store_close(&s, &err));
    bed_end(b);
}
END_TEST

START_TEST(never)
{
    struct bed bed, *b = &bed;
    struct cubby__view old;
    cubby_error err = {0};
    int rows, before;
    bed_init(b);
    b->o.snapshot_max_ms = UINT32_MAX;
    b->o.segment_bytes = 64 << 20;
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    kv_store_many(b, 0, 100, 100);
    MUST(cubby__view_begin(b->s, &old, &err));
    struct cubby__buf want = kv_dump_view(&old);
    walk(&old, &before);
    for (int i = 0; i < 5; i++) {
        an_hour(b);
        churn(b, 1500);
    }
    ck_assert_int_eq(walk(&old, &rows), CUBBY_DONE);
    same_rows(want, kv_dump_view(&old));
    cubby__view_end(&old);
    bed_end(b);
}
END_TEST

/* An eighth of a large index may be held back, and more than a small one has. */
START_TEST(a_large_index)
{
    struct bed bed, *b = &bed;
    struct cubby__view old;
    struct cubby__txn *t;
    uint8_t key[5] = {CUBBY__KS_ANNOTATION}, value[900] = {1};
    cubby_error err = {0};
    int rows;
    bed_begin_with(b, 64 << 20, 20000);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    for (uint32_t i = 0; i < 40000; i++) {
        cubby__put32(key + 1, i);
        MUST(cubby__txn_put(t, key, sizeof key, value, sizeof value)); /* no record: the index alone is to be large */
    }
    MUST(kv_put(t, "k0000", "x", 1));
    MUST(cubby__txn_commit(&t, NULL));
    kv_store_many(b, 0, 100, 100);
    ck_assert_uint_gt(b->s->pending.file_pages, 8 * 1200);
    MUST(cubby__view_begin(b->s, &old, &err));
    an_hour(b);
    churn(b, 1100);
    an_hour(b);
    kv_store_many(b, 0, 1, 100);
    kv_store_many(b, 0, 1, 100);
    ck_assert_int_eq(walk(&old, &rows), CUBBY_DONE);
    for (int i = 0, rc = CUBBY_DONE; rc != CUBBY_ESTALE; i++) {
        ck_assert_int_lt(i, 10);
        an_hour(b);
        churn(b, 700);
        rc = walk(&old, &rows);
    }
    cubby__view_end(&old);
    bed_end(b);
}
END_TEST

/* Nobody protects a reader that was alone. */
START_TEST(a_reader_that_was_alone)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    cubby_error err = {0};
    int rows, before;
    bed_begin_with(b, 64 << 20, 20000);
    kv_store_many(b, 0, 300, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    struct cubby__store *s = another(b, CUBBY_READ_ONLY);
    ck_assert_int_eq(s->slot, -1);
    MUST(cubby__view_begin(s, &v, &err));
    ck_assert_int_eq(walk(&v, &before), CUBBY_DONE);
    for (int attached = 1; attached >= 0; attached--) {
        bed_open(b);
        for (int i = 0; i < 20; i++)
            kv_store_many(b, 0, 300, 100);
        if (!attached)
            bed_close(b);
        ck_assert_int_eq(walk(&v, &rows), CUBBY_ESTALE);
        if (attached)
            bed_close(b);
    }
    cubby__view_end(&v);
    MUST(cubby__store_close(&s, &err));
    /* but damage is damage */
    s = another(b, CUBBY_READ_ONLY);
    MUST(cubby__view_begin(s, &v, &err));
    ck_assert_int_eq(walk(&v, &before), CUBBY_DONE);
    for (uint64_t off = 8192; off + 4096 <= bed_size(b, "/s/index"); off += 4096)
        bed_flip(b, "/s/index", off + 100, 1);
    ck_assert_int_eq(walk(&v, &rows), CUBBY_ECORRUPT);
    cubby__view_end(&v);
    MUST(cubby__store_close(&s, &err));
    bed_open(b);
    bed_end(b);
}
END_TEST

/* ---- readers and a writer at once ---- */

enum { ROWS = 200 };

struct reading {
    struct bed *b;
    struct cubby__store *s;
    atomic_int stop, stale, whole, wrong;
};

/* Every row of a snapshot says the same. */
static int one_value(const struct cubby__view *v)
{
    uint8_t first[CUBBY__TREE_VALUE_MAX], buf[CUBBY__TREE_VALUE_MAX];
    struct kv_row a, r;
    int rc = kv_get(v, "k0000", first, &a);
    for (int i = 1; i < ROWS && rc == 0; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        rc = kv_get(v, key, buf, &r);
        if (rc == 0 && (r.len != a.len || memcmp(r.value, a.value, a.len) != 0))
            rc = 99;
    }
    return rc;
}

static void *read_on(void *arg)
{
    struct reading *r = arg;
    while (!r->stop) {
        struct cubby__view v;
        cubby_error err = {0};
        if (cubby__view_begin(r->s, &v, &err) != 0) {
            r->wrong++;
            break;
        }
        int rc = 0;
        for (int i = 0; i < 2000 && rc == 0 && !r->stop; i++) {
            rc = one_value(&v);
            r->b->vfs->sleep_ms(r->b->vfs->ctx, 1);
        }
        if (rc == CUBBY_ESTALE)
            r->stale++;
        else if (rc == 0)
            r->whole++;
        else
            r->wrong++;
        cubby__view_end(&v);
    }
    return NULL;
}

START_TEST(a_race)
{
    struct bed bed, *b = &bed;
    bed_init(b);
    cubby__memfs_free(&b->fs);
    b->fs = cubby__memfs_new(); /* with a clock that runs */
    b->vfs = cubby__memfs_vfs(b->fs);
    b->o.vfs = b->vfs;
    b->o.segment_bytes = 64 << 20;
    b->o.checkpoint_bytes = 20000;
    b->o.snapshot_max_ms = 5;
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    struct reading r = {.b = b};
    pthread_t t[3];
    for (int round = -1; round < 20000 && (round < 0 || r.stale < 5); round++) {
        struct cubby__txn *txn;
        char key[16], value[32];
        MUST(cubby__txn_begin(b->s, 0, &txn, &b->err));
        snprintf(value, sizeof value, "value %d", round);
        for (int i = 0; i < ROWS; i++) {
            snprintf(key, sizeof key, "k%04d", i);
            MUST(kv_put(txn, key, value, strlen(value)));
        }
        MUST(cubby__txn_commit(&txn, NULL));
        if (round >= 0)
            continue;
        r.s = another(b, 0);
        for (int i = 0; i < 3; i++)
            ck_assert_int_eq(pthread_create(&t[i], NULL, read_on, &r), 0);
    }
    r.stop = 1;
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    ck_assert_int_eq(r.wrong, 0);
    ck_assert_int_ge(r.stale, 5);
    ck_assert_int_eq(cubby__pager_damaged(r.s->pager), 0);
    MUST(cubby__store_close(&r.s, &b->err));
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/revoke", a_large_index, a_young_snapshot, a_sleeping_reader, writers_that_live_for_a_moment, never, a_reader_that_was_alone, a_race)
