/* Opening, and what is read from the disk: every damaged byte is found out, never served, never taken for something else. */
#include "unit/tree/tree_util.h"

START_TEST(open_and_create)
{
    struct disk d;
    struct cubby__pager *p = NULL;
    struct cubby__meta m;
    cubby_vfs_stat a, b;
    disk_init(&d);
    struct cubby__pager_config config = disk_config(&d, 0);
    cubby_error err = {0};
    ck_assert_int_eq(cubby__pager_open(&config, &p, &err), CUBBY_ENOENT);
    ck_assert_str_eq(err.path, "index");
    p = disk_pager(&d, 1);
    ck_assert_uint_eq(cubby__pager_nonce(p), 77);
    ck_assert_int_eq(cubby__meta_read(p, &m, NULL), CUBBY_DONE);
    struct cubby__pager *q = disk_pager(&d, 1); /* in its place: the first one's file lives on */
    ck_assert_int_eq(cubby__pager_fstat(p, &a, NULL), 0);
    ck_assert_int_eq(cubby__pager_fstat(q, &b, NULL), 0);
    ck_assert(a.inode != b.inode);
    ck_assert_uint_eq(a.links, 0);
    cubby__pager_close(&p);
    cubby__pager_close(&q);
    cubby__pager_close(&q);
    config.create = 1;
    config.writable = 0;
    ck_assert_int_eq(cubby__pager_open(&config, &p, NULL), CUBBY_EINVAL);
    ck_assert_ptr_null(p);
    disk_release(&d);
}
END_TEST

static struct cubby__root small_index(struct disk *d, int n)
{
    struct cubby__root root = {0};
    struct cubby__pager *p = disk_pager(d, 1);
    tree_fill(p, &root, n, "some value");
    cubby__pager_close(&p);
    return root;
}

/* Reads all of it with a fresh pager; returns the first error. */
static int read_all(struct disk *d, const struct cubby__root *root, int expected, cubby_error *err)
{
    struct cubby__pager *p = disk_pager(d, 0);
    struct cubby__cursor c;
    int n = 0;
    cubby__cursor_init(&c, p, root, err);
    int rc = cubby__cursor_seek(&c, NULL, 0);
    for (; rc == 0; rc = cubby__cursor_next(&c)) {
        char key[32];
        snprintf(key, sizeof key, "key %06d", n++);
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        EXPECT(k.n == 10 && memcmp(k.p, key, 10) == 0);
        EXPECT(v.n == 10 && memcmp(v.p, "some value", 10) == 0);
    }
    EXPECT(rc != CUBBY_DONE || n == expected);
    cubby__cursor_release(&c);
    cubby__pager_close(&p);
    return rc;
}

START_TEST(every_flipped_byte_is_found)
{
    struct disk d;
    cubby_error err;
    disk_init(&d);
    struct cubby__root root = small_index(&d, 300);
    ck_assert_int_eq(read_all(&d, &root, 300, &err), CUBBY_DONE);
    ck_assert_uint_eq(root.level, 1);
    for (uint64_t off = CUBBY__META_SLOTS * CUBBY__PAGE_SIZE; off < disk_size(&d); off++) {
        uint8_t mask = (uint8_t)(1u << mix(off) % 8);
        disk_flip(&d, off, mask);
        int rc = read_all(&d, &root, 300, &err);
        if (rc != CUBBY_ECORRUPT || err.offset != off / CUBBY__PAGE_SIZE * CUBBY__PAGE_SIZE || strcmp(err.path, "index") != 0)
            ck_abort_msg("offset %llu: rc %d at %llu", (unsigned long long)off, rc, (unsigned long long)err.offset);
        disk_flip(&d, off, mask);
    }
    ck_assert_int_eq(read_all(&d, &root, 300, &err), CUBBY_DONE);
    disk_release(&d);
}
END_TEST

START_TEST(every_truncation_is_found)
{
    struct disk d;
    cubby_error err;
    disk_init(&d);
    struct cubby__root root = small_index(&d, 300);
    for (uint64_t size = disk_size(&d); size > 0; size -= 512) {
        disk_truncate(&d, size - 1);
        ck_assert_int_eq(read_all(&d, &root, 300, &err), CUBBY_ECORRUPT);
    }
    disk_release(&d);
}
END_TEST

START_TEST(a_read_error_is_no_corruption)
{
    struct disk d;
    cubby_error err;
    disk_init(&d);
    struct cubby__root root = small_index(&d, 300);
    for (int good = 0; good < 3; good++) {
        d.reads_left = good;
        ck_assert_int_eq(read_all(&d, &root, 300, &err), CUBBY_EIO);
        ck_assert_int_eq(err.sys_errno, EIO);
    }
    d.reads_left = -1;
    ck_assert_int_eq(read_all(&d, &root, 300, &err), CUBBY_DONE);
    disk_release(&d);
}
END_TEST

/* A page that is whole, with the right checksum for its bytes, and yet not what its parent means. */
START_TEST(sound_pages_in_the_wrong_place)
{
    struct disk d;
    cubby_error err;
    uint8_t page[CUBBY__PAGE_SIZE], buf[CUBBY__TREE_VALUE_MAX];
    size_t n;
    disk_init(&d);
    struct cubby__root root = small_index(&d, 300), wrong = root;
    struct cubby__pager *p = disk_pager(&d, 0);
    ck_assert_int_eq(cubby__tree_get(p, &root, "key 000001", 10, buf, &n, &err), 0);
    wrong.level = 2; /* also when the page is in the cache */
    ck_assert_int_eq(cubby__tree_get(p, &wrong, "key 000001", 10, buf, &n, &err), CUBBY_ECORRUPT);
    wrong.level = 0;
    ck_assert_int_eq(cubby__tree_get(p, &wrong, "key 000001", 10, buf, &n, &err), CUBBY_ECORRUPT);
    wrong = root;
    wrong.commit = root.commit - 1; /* a page younger than its version */
    ck_assert_int_eq(cubby__tree_get(p, &wrong, "key 000001", 10, buf, &n, &err), CUBBY_ECORRUPT);
    wrong = root;
    wrong.page = 1;
    ck_assert_int_eq(cubby__tree_get(p, &wrong, "key 000001", 10, buf, &n, &err), CUBBY_ECORRUPT);
    wrong.page = UINT64_MAX / 2;
    ck_assert_int_eq(cubby__tree_get(p, &wrong, "key 000001", 10, buf, &n, &err), CUBBY_ECORRUPT);
    wrong = root;
    wrong.sum ^= 1;
    ck_assert_int_eq(cubby__tree_get(p, &wrong, "key 000001", 10, buf, &n, &err), CUBBY_ECORRUPT);
    cubby__pager_close(&p);
    /* The root's bytes, under a checksum that verifies at another place. */
    disk_peek(&d, root.page * CUBBY__PAGE_SIZE, page, sizeof page);
    uint64_t sum = cubby__node_sum(page, 40, SALT);
    cubby__put64(page + CUBBY__TREE_SUM_OFF, sum);
    disk_poke(&d, 40 * CUBBY__PAGE_SIZE, page, sizeof page);
    wrong = root;
    wrong.page = 40;
    wrong.sum = sum;
    ck_assert_int_eq(read_all(&d, &wrong, 300, &err), CUBBY_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(err.message, "carries the number"));
    disk_release(&d);
}
END_TEST

/* Another process wrote to the page since it was cached. */
START_TEST(a_stale_cached_page_is_not_served)
{
    struct disk d;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n;
    disk_init(&d);
    struct cubby__root old = small_index(&d, 100), new_root = old;
    struct cubby__pager *reader = disk_pager(&d, 0), *writer = disk_pager(&d, 0);
    ck_assert_int_eq(cubby__tree_get(reader, &old, "key 000001", 10, buf, &n, NULL), 0);
    for (int i = 0; i < 5; i++) { /* nobody protects the old version: its pages are written again */
        ck_assert_int_eq(cubby__pager_load_live(writer, &new_root, 1, new_root.commit, 4, NULL), 0);
        ck_assert_int_eq(cubby__pager_protect(writer, &new_root.commit, 1, UINT64_MAX, NULL), 0);
        tree_begin(writer, &new_root);
        tree_put(writer, "key 000001", i % 2 ? "one" : "three");
        cubby__tree_commit(writer, &new_root);
        tree_flush(writer, &new_root);
        ck_assert_int_eq(cubby__tree_get(reader, &new_root, "key 000001", 10, buf, &n, NULL), 0);
        ck_assert_uint_eq(n, i % 2 ? 3 : 5);
    }
    struct cubby__pager *late = disk_pager(&d, 0);
    ck_assert_int_eq(cubby__tree_get(late, &old, "key 000001", 10, buf, &n, NULL), CUBBY_ECORRUPT);
    cubby__pager_close(&late);
    cubby__pager_close(&reader);
    cubby__pager_close(&writer);
    disk_release(&d);
}
END_TEST

static int allocations_left;

static void *scarce_malloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void *scarce_realloc(void *p, size_t n)
{
    return allocations_left-- > 0 ? realloc(p, n) : NULL;
}

/* Every allocation fails once: a code comes back, the version before stays readable, nothing leaks (run under ASan). */
START_TEST(out_of_memory_anywhere)
{
    const cubby_allocator scarce = {scarce_malloc, scarce_realloc, free};
    int done = 0;
    for (int budget = 0; !done && budget < 2000; budget++) {
        struct disk d;
        disk_init(&d);
        struct cubby__root root = small_index(&d, 200), next = root;
        struct cubby__pager *p = NULL;
        struct cubby__pager_config config = disk_config(&d, 0);
        cubby_set_allocator(&scarce);
        allocations_left = budget;
        int rc = cubby__pager_open(&config, &p, NULL);
        if (rc == 0)
            rc = cubby__pager_load_live(p, &root, 1, root.commit, root.page + 9, NULL);
        if (rc == 0)
            rc = cubby__pager_protect(p, &root.commit, 1, UINT64_MAX, NULL);
        if (rc == 0)
            rc = cubby__tree_begin(p, &root, root.commit + 1, NULL);
        for (int i = 0; rc == 0 && i < 200; i++) {
            char key[32];
            snprintf(key, sizeof key, "key %06d", i);
            rc = i % 3 ? cubby__tree_put(p, key, 10, "another, longer value", 21, NULL) : cubby__tree_del(p, key, 10, NULL);
        }
        if (p && rc == 0) {
            cubby__tree_commit(p, &next);
            rc = cubby__pager_flush(p, &next, NULL);
            done = rc == 0 && allocations_left >= 0; /* else the number of a page may be forgotten */
        } else if (p) {
            cubby__tree_abort(p);
        }
        cubby_set_allocator(NULL);
        EXPECT(rc == 0 || rc == CUBBY_ENOMEM);
        if (done)
            expect_accounted(p, &next);
        cubby__pager_close(&p);
        if (!done)
            EXPECT(read_all(&d, &root, 200, NULL) == CUBBY_DONE);
        disk_release(&d);
    }
    ck_assert_int_eq(done, 1);
}
END_TEST

UNIT_MAIN("tree/pager", open_and_create, every_flipped_byte_is_found, every_truncation_is_found, a_read_error_is_no_corruption,
          sound_pages_in_the_wrong_place, a_stale_cached_page_is_not_served, out_of_memory_anywhere)
