/* test_create.c - making a store where a directory is, or what is left of one, and no call or allocation is certain (store/create.c). */
#include "unit/heap.h"
#include "unit/store/store_util.h"

static int create_at(struct bed *b, const char *path)
{
    memset(&b->err, 0, sizeof b->err);
    return cubby__store_create(path, &b->o, &kv_handlers, &b->err);
}

static int create(struct bed *b)
{
    return create_at(b, "/s");
}

/* What a creation leaves that was killed at its end: all but the identity. */
static void remains(struct bed *b)
{
    bed_begin(b);
    bed_close(b);
    bed_unlink(b, "/s/cubby.id");
}

START_TEST(each_allocation_fails)
{
    struct bed bed, *b = &bed;
    heap_install();
    for (int old = 0; old < 2; old++)
        for (int after = 0, hits = 1; hits; after++) {
            long live = heap.live;
            remains(b);
            if (!old)
                bed_unlink(b, seg_path(1));
            heap_fail(after, 0);
            int rc = create(b);
            hits = heap_works();
            ck_assert_msg(rc == 0 || (hits && rc == CUBBY_ENOMEM), "%d: %d %s", after, rc, b->err.message);
            if (rc)
                MUST(create(b));
            bed_open(b);
            bed_clean(b);
            bed_end(b);
            ck_assert_int_eq(heap.live, live);
        }
}
END_TEST

/* What cannot be read may be mail. */
START_TEST(remains_that_cannot_be_read)
{
    static const struct { enum fault_op op; int calls; } looks[] = {{FAULT_LIST, 2}, {FAULT_OPEN, 2}, {FAULT_FSTAT, 2}, {FAULT_PREAD, 4}};
    struct bed bed, *b = &bed;
    uint8_t before[512], now[512];
    remains(b);
    bed_read(b, seg_path(1), 0, before, sizeof before);
    for (int i = 0; i < 4; i++)
        for (int n = 0; n < looks[i].calls; n++) {
            fault_set(&b->fault, looks[i].op, "/s/segments", n, -EIO, 1);
            REFUSES(create(b), CUBBY_EIO);
            b->fault.rc = 0;
            bed_read(b, seg_path(1), 0, now, sizeof now);
            ck_assert_mem_eq(now, before, sizeof now);
        }
    MUST(create(b));
    bed_end(b);
}
END_TEST

static void cut(struct bed *b) { bed_truncate(b, seg_path(1), 100); }
static void empty(struct bed *b) { bed_truncate(b, seg_path(1), 0); }
static void harm(struct bed *b) { bed_flip(b, seg_path(1), 40, 1); }
static void strange(struct bed *b) { bed_write(b, "/s/segments/notes", 0, "x", 1); }
static void second(struct bed *b) { bed_write(b, seg_path(2), 0, "x", 1); }
static void large(struct bed *b) { bed_truncate(b, seg_path(1), CUBBY__CREATE_MAX + 1); }

/* A first segment that is cut off, or harmed, and small, is of a creation; a second, or a large one, is of a store. */
START_TEST(remains_of_all_kinds)
{
    static const struct { void (*change)(struct bed *b); int rc; } kinds[] = {{cut, 0}, {empty, 0}, {harm, 0}, {strange, 0}, {second, CUBBY_ENOTSTORE},
                                                                                {large, CUBBY_ENOTSTORE}};
    struct bed bed, *b = &bed;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        remains(b);
        kinds[i].change(b);
        int rc = create(b);
        ck_assert_msg(rc == kinds[i].rc, "%zu: %d %s", i, rc, b->err.message);
        ck_assert_int_eq(bed_exists(b, "/s/cubby.id"), rc == 0);
        bed_end(b);
    }
}
END_TEST

static char synced[200];

static void on_dirsync(void *arg, enum fault_op op, const char *path)
{
    (void)arg;
    if (op == FAULT_DIRSYNC)
        snprintf(synced + strlen(synced), sizeof synced - strlen(synced), "%s ", path);
}

/* The directory that has the store's own entry is synced, however the path is written. */
START_TEST(parents)
{
    static const char *const paths[][2] = {{"/s", " / "}, {"/s/", " / "}, {"/s//", " / "}, {"/d/s", " /d "}, {"/d//s/", " /d "}, {"s", " . "}, {"s/", " . "},
                                           {"d/s", " d "}, {"/", " / "}};
    struct bed bed, *b = &bed;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        bed_init(b);
        MUST(b->vfs->mkdir(b->vfs->ctx, "/d"));
        if (!paths[i][0][1] && *paths[i][0] == '/')
            MUST(b->vfs->rename(b->vfs->ctx, "/d", "/tmp")); /* in a root directory that is to be the store nothing else may be */
        snprintf(synced, sizeof synced, " ");
        b->fault.hook = on_dirsync;
        MUST(create_at(b, paths[i][0]));
        ck_assert_msg(strstr(synced, paths[i][1]) != NULL, "%s: %s", paths[i][0], synced);
        bed_end(b);
    }
}
END_TEST

/* Whoever makes a store waits for another one who does; not for ever. */
START_TEST(somebody_else_makes_it_for_ever)
{
    struct bed bed, *b = &bed;
    bed_init(b);
    fault_set(&b->fault, FAULT_LOCK, "cubby.id", 0, -EAGAIN, 1);
    int64_t begin = b->vfs->ticks_ms(b->vfs->ctx);
    ck_assert_int_lt(create(b), 0);
    int64_t waited = b->vfs->ticks_ms(b->vfs->ctx) - begin;
    ck_assert(waited >= 10000 && waited < 11000);
    ck_assert_int_eq(bed_exists(b, "/s/cubby.id"), 0);
    b->fault.rc = 0;
    MUST(create(b));
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/create", each_allocation_fails, remains_that_cannot_be_read, remains_of_all_kinds, parents, somebody_else_makes_it_for_ever)
