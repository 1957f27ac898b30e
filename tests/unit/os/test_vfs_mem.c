#include "os/vfs_mem.h"

#include <pthread.h>

#include "cubby.h"
#include "unit/os/vfs_suite.h"

static struct cubby__memfs *fs;

static const cubby_vfs *suite_begin(char dir[256])
{
    fs = cubby__memfs_new();
    ck_assert_ptr_nonnull(fs);
    strcpy(dir, "store");
    const cubby_vfs *v = cubby__memfs_vfs(fs);
    ck_assert_int_eq(v->mkdir(v->ctx, "/store/"), 0);
    return v;
}

static void suite_end(void)
{
    cubby__memfs_free(&fs);
    ck_assert_ptr_null(fs);
    cubby__memfs_free(&fs);
}

START_TEST(root_is_there)
{
    begin();
    cubby_vfs_stat st;
    ck_assert_int_eq(vfs->stat(vfs->ctx, "/", &st), 0);
    ck_assert_int_eq(st.is_dir, 1);
    ck_assert_int_eq(vfs->stat(vfs->ctx, "../..", &st), 0);
    ck_assert_int_eq(vfs->mkdir(vfs->ctx, "/"), -EEXIST);
    ck_assert_int_lt(vfs->unlink(vfs->ctx, "/"), 0);
    ck_assert_int_lt(vfs->rename(vfs->ctx, "/", "/x"), 0);
    ck_assert_int_lt(vfs->rename(vfs->ctx, "/store", "/"), 0);
    ck_assert_int_lt(vfs->rename(vfs->ctx, "/store/.", "/x"), 0);
    suite_end();
}
END_TEST

START_TEST(same_seed_same_world)
{
    uint64_t words[3];
    int64_t clock[3];
    for (unsigned i = 0; i < 3; i++) {
        begin();
        cubby__memfs_deterministic(fs, i == 2 ? 8 : 7);
        vfs->random(vfs->ctx, &words[i], sizeof words[i]);
        vfs->sleep_ms(vfs->ctx, 3600 * 1000); /* takes no time */
        clock[i] = vfs->now_ns(vfs->ctx);
        suite_end();
    }
    ck_assert_uint_eq(words[0], words[1]);
    ck_assert_uint_ne(words[0], words[2]);
    ck_assert_int_eq(clock[0], clock[1]);
}
END_TEST

START_TEST(maps_that_overlap)
{
    begin();
    char *p = NULL, *q = NULL;
    cubby_file *f = open_ok("f", NEW);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 4 * 4096), 0);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 4096, 8192, (void **)&p), 0);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 8192, 4096, (void **)&q), 0); /* within the first */
    ck_assert_ptr_eq(p + 4096, q);
    vfs->unmap(vfs->ctx, q, 4096);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 8192, 8192, (void **)&q), -EINVAL);
    ck_assert_int_eq(vfs->map(vfs->ctx, f, 0, 4096, (void **)&q), 0);
    vfs->unmap(vfs->ctx, q, 4096);
    vfs->unmap(vfs->ctx, p, 8192);
    close_it(f);
    suite_end();
}
END_TEST

/* ---- out of memory, at every allocation ---- */

static int allocations_left;

static void *failing_malloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void *failing_realloc(void *p, size_t n)
{
    return allocations_left-- > 0 ? realloc(p, n) : NULL;
}

static int list_nothing(void *arg, const char *name)
{
    (void)arg, (void)name;
    return 0;
}

static int some_work(const cubby_vfs *v)
{
    cubby_file *f = NULL;
    void *p = NULL;
    int rc = v->mkdir(v->ctx, "d");
    if (!rc)
        rc = v->open(v->ctx, "d/f", NEW, &f);
    if (!rc)
        rc = v->pwrite(v->ctx, f, "x", 1, 8191);
    if (!rc)
        rc = v->lock(v->ctx, f, 0, 9, CUBBY_LOCK_EXCLUSIVE);
    if (!rc)
        rc = v->lock(v->ctx, f, 3, 1, CUBBY_UNLOCK);
    if (!rc)
        rc = v->map(v->ctx, f, 4096, 4096, &p);
    if (!rc)
        rc = v->list(v->ctx, "d", list_nothing, NULL);
    if (!rc)
        rc = v->rename(v->ctx, "d/f", "g");
    if (p)
        v->unmap(v->ctx, p, 4096);
    if (f)
        v->close(v->ctx, f);
    return rc;
}

START_TEST(out_of_memory)
{
    static const cubby_allocator failing = {failing_malloc, failing_realloc, free};
    cubby_set_allocator(&failing);
    int n = 0, rc = -ENOMEM;
    for (; rc; n++) {
        allocations_left = n;
        struct cubby__memfs *m = cubby__memfs_new();
        if (!m)
            continue;
        rc = some_work(cubby__memfs_vfs(m));
        if (rc)
            ck_assert_int_eq(rc, -ENOMEM);
        cubby__memfs_free(&m);
    }
    ck_assert_int_gt(n, 12);
    cubby_set_allocator(NULL);
}
END_TEST

/* ---- threads ---- */

static const char *hammer_files(unsigned id)
{
    char name[64], buf[64];
    for (unsigned i = 0; i < 300; i++) {
        cubby_file *f = NULL, *shared = NULL;
        uint32_t *word = NULL;
        snprintf(name, sizeof name, "store/t%u.%u", id, i % 7);
        if (vfs->open(vfs->ctx, name, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f) || vfs->open(vfs->ctx, "store/shared", CUBBY_OPEN_WRITE, &shared))
            return "open";
        if (vfs->map(vfs->ctx, shared, 0, 4096, (void **)&word))
            return "map";
        __atomic_fetch_add(word, 1, __ATOMIC_RELAXED);
        vfs->pread(vfs->ctx, shared, buf, sizeof buf, 0); /* over the mapped bytes */
        if (!vfs->lock(vfs->ctx, shared, id, 2, CUBBY_LOCK_EXCLUSIVE))
            vfs->lock(vfs->ctx, shared, id, 1, CUBBY_UNLOCK);
        vfs->pwrite(vfs->ctx, f, name, sizeof name, i);
        vfs->unmap(vfs->ctx, word, 4096);
        vfs->close(vfs->ctx, shared);
        vfs->close(vfs->ctx, f);
        if (i % 3 == 0 && vfs->unlink(vfs->ctx, name))
            return "unlink";
    }
    return NULL;
}

static void *hammer(void *arg)
{
    unsigned *id = arg;
    const char *what = hammer_files(*id);
    return what ? arg : NULL;
}

START_TEST(threads)
{
    begin();
    pthread_t t[4];
    unsigned id[4];
    cubby_file *f = open_ok("shared", NEW);
    ck_assert_int_eq(vfs->truncate(vfs->ctx, f, 4096), 0);
    for (unsigned i = 0; i < 4; i++) {
        id[i] = i;
        ck_assert_int_eq(pthread_create(&t[i], NULL, hammer, &id[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        void *what = NULL;
        pthread_join(t[i], &what);
        ck_assert_ptr_null(what);
    }
    uint32_t count = 0;
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, &count, sizeof count, 0), sizeof count);
    ck_assert_uint_eq(count, 1200);
    ck_assert_int_eq(vfs->lock_test(vfs->ctx, f, 0, 100), 0);
    close_it(f);
    suite_end();
}
END_TEST

UNIT_MAIN("os/vfs_mem", VFS_SUITE, root_is_there, same_seed_same_world, maps_that_overlap, out_of_memory, threads)
