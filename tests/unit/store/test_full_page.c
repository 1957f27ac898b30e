/* The shared page cannot be written to, because the disk is full and its file system copies what is written to (shared.c, S8): no signal, no half state,
 * and everything can be read. */
#include <sys/mman.h>

#include "store/commit.h"
#include "unit/store/store_util.h"

static void no_room(struct bed *b, int after)
{
    fault_set(&b->fault, FAULT_READY, "", after, -ENOSPC, 1);
}

static void room(struct bed *b)
{
    b->fault.rc = 0;
}

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
}

START_TEST(while_the_store_is_open)
{
    struct bed bed, *b = &bed;
    struct cubby__view old, v;
    struct cubby__txn *t;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct kv_row r;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    MUST(cubby__view_begin(b->s, &old, &b->err)); /* it has a slot */
    MUST(kv_store(b, "later", "one"));
    no_room(b, 0);
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ENOSPC);
    ck_assert_ptr_nonnull(strstr(b->err.message, "shared page"));
    REFUSES(cubby__store_checkpoint(b->s, &b->err), CUBBY_ENOSPC);
    MUST(cubby__view_begin(b->s, &v, &b->err));
    ck_assert_int_eq(v.alone, 1);
    MUST(kv_get(&v, "later", buf, &r));
    cubby__view_end(&old);
    ck_assert_uint_ne(cubby__slot_get(b->s), 0); /* longer than need be */
    room(b);
    MUST(kv_store(b, "goes", "on"));
    int rc = kv_get(&v, "later", buf, &r);
    ck_assert(rc == 0 || rc == CUBBY_ESTALE); /* what protects nothing may grow old, and says so */
    cubby__view_end(&v);
    ck_assert_uint_eq(cubby__slot_get(b->s), 0);
    sound(b);
    bed_end(b);
}
END_TEST

/* One without a slot is told that it is too old, not that the index is damaged. */
START_TEST(a_snapshot_whose_pages_are_used_again)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct kv_row r;
    int rc = 0;
    bed_init(b);
    b->o.cache_bytes = 1; /* as little as there can be */
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    kv_store_many(b, 0, 300, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    no_room(b, 0);
    MUST(cubby__view_begin(b->s, &v, &b->err));
    room(b);
    for (int i = 0; i < 200 && rc == 0; i++) {
        kv_store_many(b, 0, 300, 90 + (size_t)i % 10);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        same_rows(kv_dump(b), kv_dump(b));
        rc = kv_get(&v, "k0150", buf, &r);
    }
    ck_assert_int_eq(rc, CUBBY_ESTALE);
    cubby__view_end(&v);
    bed_end(b);
}
END_TEST

START_TEST(when_it_is_opened)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    bed_close(b);
    for (int after = 0; after < 8; after++) {
        no_room(b, after);
        bed_open(b); /* read-only, if not before the page is done with */
        ck_assert_int_eq(b->s->read_only, b->s->no_space);
        ck_assert(after || b->s->no_space);
        ck_assert_str_ne(kv_look(b, "k0004"), "");
        int rc = kv_store(b, "one", "more");
        ck_assert_msg(rc == CUBBY_ENOSPC || rc == CUBBY_EUNKNOWN, "%d after %d", rc, after);
        cubby__store_close(&b->s, NULL);
        room(b);
    }
    bed_open(b);
    MUST(kv_store(b, "goes", "on"));
    sound(b);
    bed_end(b);
}
END_TEST

/* Beside one that has it open already: who comes reads without a slot. */
START_TEST(when_it_is_joined)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    cubby_options o;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    o = b->o;
    for (int i = 0; i < 2; i++) {
        o.flags = i ? CUBBY_READ_ONLY : 0;
        no_room(b, 0);
        MUST(cubby__store_open("/s", &o, &kv_handlers, &second, &b->err));
        ck_assert_int_eq(second->read_only, 1);
        ck_assert_int_lt(second->slot, 0);
        ck_assert_str_ne(kv_look_in(second, "k0004"), "");
        room(b);
        MUST(cubby__store_close(&second, &b->err));
    }
    MUST(kv_store(b, "goes", "on"));
    sound(b);
    bed_end(b);
}
END_TEST

/* At each moment that it is asked for: what is acknowledged is there, and what failed for want of room is not told as done. */
static void at_call(int after, int forever)
{
    struct bed bed, *b = &bed;
    int acked = 0;
    char key[16];
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 20, 100);
    fault_set(&b->fault, FAULT_READY, "", after, -ENOSPC, forever);
    for (int i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "n%d", i);
        int rc = kv_store_long(b, key, 600);
        ck_assert_msg(rc == 0 || rc == CUBBY_ENOSPC || rc == CUBBY_EUNKNOWN || rc == CUBBY_ELATCHED, "%d: %s", rc, b->err.message);
        acked |= (rc == 0) << i;
        if (i % 4 == 3)
            cubby__store_checkpoint(b->s, &b->err);
    }
    if (after % 2) {
        room(b);
        ck_assert_str_ne(kv_look(b, "k0019"), "");
        MUST(kv_store(b, "goes", "on"));
    }
    cubby__store_close(&b->s, &b->err);
    room(b);
    bed_open(b);
    for (int i = 0; i < 12; i++) {
        snprintf(key, sizeof key, "n%d", i);
        ck_assert_msg(!(acked & 1 << i) || kv_look(b, key)[0] == 'v', "%s is gone, after %d", key, after);
    }
    ck_assert_str_ne(kv_look(b, "k0019"), "");
    MUST(kv_store(b, "and", "on"));
    sound(b);
    bed_end(b);
}

START_TEST(at_every_call)
{
    for (int after = 0; after < 60; after++)
        for (int forever = 0; forever < 2; forever++)
            at_call(after, forever);
}
END_TEST

/* The log was synced, and what it proves could not be shown to anybody, nor that it could not: this process does not go on as if nothing had been. */
START_TEST(between_sync_and_publish)
{
    struct bed bed, *b = &bed;
    int after = 0, rc;
    uint32_t last;
    bed_begin(b);
    MUST(kv_store(b, "a", "b"));
    for (;; after++) {
        last = bed_last_segment(b);
        no_room(b, after);
        rc = kv_store(b, "c", "d");
        if (rc == CUBBY_EUNKNOWN)
            break;
        ck_assert_int_eq(rc, CUBBY_ENOSPC);
        ck_assert_int_lt(after, 10);
        room(b);
        ck_assert_str_eq(kv_look(b, "c"), "");
    }
    ck_assert_str_eq(kv_look(b, "c"), "");
    room(b);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_uint_eq(bed_last_segment(b), last + 1); /* a recovery has been there */
    ck_assert_str_eq(kv_look(b, "c"), "d");
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- and it is asked each time ---- */

enum { PAGES = 8 };
static void *pages[PAGES];

static void each_page(int prot)
{
    for (int i = 0; i < PAGES; i++)
        if (pages[i])
            ck_assert_int_eq(mprotect(pages[i], CUBBY__PAGE_SIZE, prot), 0);
}

/* What takes long gives the kernel time to write the page out: from then on, writing to it unasked ends the test (SIGSEGV). */
static void taken_long(void) { each_page(PROT_READ); }

static int asked(void *ctx, cubby_file *f, void *addr, size_t len)
{
    (void)ctx, (void)f;
    return mprotect(addr, len, PROT_READ | PROT_WRITE);
}
static int map_page(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out)
{
    int i = 0, rc = cubby_vfs_posix()->map(ctx, f, off, len, out);
    while (rc == 0 && pages[i])
        i++;
    if (rc == 0)
        pages[i] = *out;
    taken_long();
    return rc;
}
static void unmap_page(void *ctx, void *addr, size_t len)
{
    for (int i = 0; i < PAGES; i++)
        if (pages[i] == addr)
            pages[i] = NULL;
    cubby_vfs_posix()->unmap(ctx, addr, len);
}
static int sync_fails, write_fails; /* once; of the log */
static cubby_file *segment;
static int fails(int *which)
{
    int rc = *which ? -EIO : 0;
    *which = 0;
    return rc;
}
static int slow_sync(void *ctx, cubby_file *f)
{
    int rc = fails(&sync_fails);
    taken_long();
    return rc ? rc : cubby_vfs_posix()->sync(ctx, f);
}
static int open_any(void *ctx, const char *path, unsigned flags, cubby_file **out)
{
    int rc = cubby_vfs_posix()->open(ctx, path, flags, out);
    if (rc == 0 && strstr(path, ".seg"))
        segment = *out; /* the last one is the last that was opened */
    return rc;
}
static int slow_pwrite(void *ctx, cubby_file *f, const void *p, size_t n, uint64_t off)
{
    int rc = f == segment ? fails(&write_fails) : 0;
    if (rc)
        taken_long();
    return rc ? rc : cubby_vfs_posix()->pwrite(ctx, f, p, n, off);
}
static int slow_dirsync(void *ctx, const char *path)
{
    int rc = cubby_vfs_posix()->dirsync(ctx, path);
    taken_long();
    return rc;
}
static int slow_list(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    int rc = cubby_vfs_posix()->list(ctx, path, fn, arg);
    taken_long();
    return rc;
}
static int slow_lock(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind)
{
    int rc = cubby_vfs_posix()->lock(ctx, f, start, len, kind);
    if (rc == -EAGAIN)
        taken_long();
    return rc;
}

#define ALSO(x) ck_assert_int_eq((x), 0)

static void used(struct cubby__store *s, int from, int to)
{
    char key[16];
    cubby_error err;
    struct cubby__view v;
    for (int i = from; i < to; i++) {
        snprintf(key, sizeof key, "n%d", i);
        taken_long();
        ALSO(kv_store_in(s, key, "a value of some length, so that segments fill", i % 3 ? 0 : CUBBY_LAZY, NULL, &err));
        taken_long();
        ALSO(cubby__view_begin(s, &v, &err));
        taken_long();
        cubby__view_end(&v);
        if (i % 10 == 9) {
            taken_long();
            ALSO(cubby__store_checkpoint(s, &err));
        }
    }
}

START_TEST(before_every_write)
{
    char dir[] = "/tmp/cubby-page.XXXXXX", path[64], command[96];
    cubby_vfs vfs = *cubby_vfs_posix();
    cubby_options o = CUBBY_OPTIONS_INIT, readers;
    struct cubby__store *s, *second, *reader;
    cubby_error err;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    vfs.map = map_page, vfs.unmap = unmap_page, vfs.ready = asked;
    vfs.open = open_any, vfs.sync = slow_sync, vfs.pwrite = slow_pwrite, vfs.dirsync = slow_dirsync, vfs.list = slow_list, vfs.lock = slow_lock;
    o.vfs = &vfs;
    o.segment_bytes = 4096;
    o.checkpoint_bytes = 3000;
    readers = o;
    readers.flags = CUBBY_READ_ONLY;
    ALSO(cubby__store_create(path, &o, &kv_handlers, &err));
    ALSO(cubby__store_open(path, &o, &kv_handlers, &s, &err));
    used(s, 0, 100);
    ALSO(cubby__store_open(path, &o, &kv_handlers, &second, &err));
    ALSO(cubby__store_open(path, &readers, &kv_handlers, &reader, &err));
    ck_assert_int_ge(reader->slot, 0);
    used(second, 100, 120);
    used(s, 120, 140);
    sync_fails = 1;
    ck_assert_int_eq(kv_store_in(s, "a", "b", 0, NULL, &err), CUBBY_EUNKNOWN);
    used(s, 140, 141);
    write_fails = 1;
    ck_assert_int_eq(kv_store_in(s, "a", "b", 0, NULL, &err), CUBBY_EIO);
    used(s, 140, 141);
    snprintf(command, sizeof command, "rm %s/index", path);
    ck_assert_int_eq(system(command), 0);
    used(second, 140, 150);
    taken_long();
    ALSO(cubby__store_close(&second, &err));
    taken_long();
    ck_assert_str_ne(kv_look_in(reader, "n149"), "");
    taken_long();
    ALSO(cubby__store_close(&reader, &err));
    taken_long();
    ALSO(cubby__store_close(&s, &err));
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_MAIN("store/full_page", while_the_store_is_open, a_snapshot_whose_pages_are_used_again, when_it_is_opened, when_it_is_joined, at_every_call,
          between_sync_and_publish, before_every_write)
