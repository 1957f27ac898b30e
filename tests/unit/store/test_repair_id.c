#include "store/repair.h"
#include "unit/store/store_util.h"

/* A store of several segments, closed. */
static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
}

static uint8_t *file(struct bed *b, const char *path, uint64_t *n)
{
    *n = bed_size(b, path);
    uint8_t *p = malloc(*n + 1);
    bed_read(b, path, 0, p, *n);
    return p;
}

static int is_file(struct bed *b, const char *path)
{
    cubby_vfs_stat st;
    return b->vfs->stat(b->vfs->ctx, path, &st) == 0;
}

/* It must not be decided from what could not be read: a segment that strayed in might be all that answered. */
START_TEST(what_cannot_be_read_stops)
{
    static const struct {
        enum fault_op op;
        const char *on;
        int fails, code;
    } cases[] = {
        {FAULT_OPEN, "00000002.seg", -EIO, CUBBY_EIO},       {FAULT_OPEN, "00000001.seg", -EACCES, CUBBY_EACCES},
        {FAULT_OPEN, "00000003.seg", -ENOMEM, CUBBY_ENOMEM}, {FAULT_OPEN, "00000002.seg", -EMFILE, CUBBY_EIO},
        {FAULT_PREAD, "00000002.seg", -EIO, CUBBY_EIO},      {FAULT_LIST, "segments", -EIO, CUBBY_EIO},
    };
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    made(b);
    bed_unlink(b, "/s/cubby.id");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fault_set(&b->fault, cases[i].op, cases[i].on, 0, cases[i].fails, 1);
        int rc = cubby__ident_repair(&b->fault.vfs, "/s", &state, &b->err);
        ck_assert_msg(rc < 0 && b->fault.hits && (cases[i].fails == -EMFILE || rc == cases[i].code), "case %zu: %d", i, rc);
        ck_assert_int_lt(cubby__ident_state(&b->fault.vfs, "/s", &state, &b->err), 0);
        ck_assert(!is_file(b, "/s/cubby.id"));
    }
    fault_set(&b->fault, FAULT_OPEN, "", 0, 0, 0);
    MUST(cubby__ident_repair(&b->fault.vfs, "/s", &state, &b->err));
    ck_assert_int_eq(state, CUBBY__IDENT_LOST);
    bed_open(b);
    bed_end(b);
}
END_TEST

/* One of another store, made on another disk; owner: the caller. */
static uint8_t *of_another_store(uint64_t *n)
{
    struct bed bed, *b = &bed;
    bed_init(b);
    cubby__memfs_deterministic(b->fs, 8);
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    uint8_t *p = file(b, "/s/cubby.id", n);
    cubby__memfs_free(&b->fs);
    return p;
}

static void write_file(struct bed *b, const char *path, const void *p, uint64_t n)
{
    cubby_file *f;
    MUST(b->vfs->open(b->vfs->ctx, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f));
    MUST(b->vfs->pwrite(b->vfs->ctx, f, p, n, 0));
    b->vfs->close(b->vfs->ctx, f);
}

START_TEST(of_another_one)
{
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    uint64_t n, size;
    made(b);
    uint8_t *other = of_another_store(&n), *own = file(b, "/s/cubby.id", &size);
    for (int i = 0; i < 2; i++) { /* a second one has another name in quarantine */
        write_file(b, "/s/cubby.id", other, n);
        MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
        ck_assert_int_eq(state, CUBBY__IDENT_FOREIGN);
        MUST(cubby__ident_repair(b->vfs, "/s", &state, &b->err));
        ck_assert_int_eq(state, CUBBY__IDENT_FOREIGN);
        uint8_t *now = file(b, "/s/cubby.id", &size), *kept = file(b, i ? "/s/quarantine/cubby.id.1" : "/s/quarantine/cubby.id", &size);
        ck_assert_mem_eq(now, own, 2 * CUBBY__PAGE_SIZE);
        ck_assert_mem_eq(kept, other, 2 * CUBBY__PAGE_SIZE);
        free(now);
        free(kept);
    }
    MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
    ck_assert_int_eq(state, CUBBY__IDENT_SOUND);
    bed_open(b); /* its locks are on that file */
    write_file(b, "/s/cubby.id", other, 8192);
    REFUSES(cubby__ident_repair(b->vfs, "/s", &state, &b->err), CUBBY_EBUSY);
    write_file(b, "/s/cubby.id", own, 8192);
    bed_end(b);
    free(other);
    free(own);
}
END_TEST

/* Others than all, or less than most, are no reason: one segment says what cubby.id says; or two cannot be read, and one is a stray. */
START_TEST(strays)
{
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    uint64_t n, size;
    made(b);
    ck_assert_uint_ge(bed_size(b, "/s/segments/00000003.seg"), 1);
    uint8_t *other = of_another_store(&n), *own = file(b, "/s/cubby.id", &size), *last = file(b, "/s/segments/00000003.seg", &size);
    write_file(b, "/s/cubby.id", other, n); /* now the segments are strays */
    for (uint32_t i = 1; is_file(b, seg_path(i)); i++)
        if (i != 3)
            bed_truncate(b, seg_path(i), 10);
    MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
    ck_assert_int_eq(state, CUBBY__IDENT_SOUND);
    for (uint32_t i = 1; is_file(b, seg_path(i)); i++)
        if (i != 3)
            bed_unlink(b, seg_path(i));
    MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
    ck_assert_int_eq(state, CUBBY__IDENT_FOREIGN);
    free(other);
    free(own);
    free(last);
    cubby__memfs_free(&b->fs);
}
END_TEST

/* Neither a cubby.id nor a segment is what it says if it is no file; of segments, those that are files decide. */
START_TEST(no_regular_files)
{
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    made(b);
    fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EINVAL, 1);
    REFUSES(cubby__ident_state(&b->fault.vfs, "/s", &state, &b->err), CUBBY_ENOTSTORE);
    ck_assert_ptr_nonnull(strstr(b->err.message, "not a regular file"));
    REFUSES(cubby__ident_repair(&b->fault.vfs, "/s", &state, &b->err), CUBBY_ENOTSTORE);
    bed_unlink(b, "/s/cubby.id");
    fault_set(&b->fault, FAULT_OPEN, ".seg", 0, -EINVAL, 1);
    REFUSES(cubby__ident_repair(&b->fault.vfs, "/s", &state, &b->err), CUBBY_ENOTSTORE);
    fault_set(&b->fault, FAULT_OPEN, "00000002.seg", 0, -EINVAL, 1);
    MUST(cubby__ident_repair(&b->fault.vfs, "/s", &state, &b->err));
    ck_assert_int_gt(b->fault.hits, 0);
    ck_assert_int_eq(state, CUBBY__IDENT_LOST);
    bed_unlink(b, "/s/cubby.id");
    fault_set(&b->fault, FAULT_OPEN, "00000002.seg", 0, -ENOENT, 1); /* gone since the directory was read */
    MUST(cubby__ident_repair(&b->fault.vfs, "/s", &state, &b->err));
    ck_assert_int_gt(b->fault.hits, 0);
    fault_set(&b->fault, FAULT_OPEN, "", 0, 0, 0);
    bed_open(b);
    bed_end(b);
}
END_TEST

/* Segments that all are of other stores than cubby.id, and of two: none of them is believed. */
START_TEST(two_other_stores)
{
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    struct cubby__seg_header h;
    struct cubby__buf head = CUBBY__BUF_INIT;
    cubby_file *f;
    uint64_t n;
    made(b);
    uint8_t *other = of_another_store(&n);
    write_file(b, "/s/cubby.id", other, n);
    free(other);
    MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
    ck_assert_int_eq(state, CUBBY__IDENT_FOREIGN);
    MUST(b->vfs->open(b->vfs->ctx, seg_path(2), CUBBY_OPEN_READ, &f));
    MUST(cubby__seg_header_read(b->vfs, f, seg_path(2), &h, &b->err));
    b->vfs->close(b->vfs->ctx, f);
    h.ident.uuid[0] ^= 1;
    h.copy_min = (uint32_t)(h.frames / 2);
    MUST(cubby__seg_header_encode(&h, &head));
    write_file(b, seg_path(2), head.data, head.len);
    cubby__buf_release(&head);
    cubby__seg_header_release(&h);
    MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
    ck_assert_int_eq(state, CUBBY__IDENT_SOUND);
    cubby__memfs_free(&b->fs);
}
END_TEST

/* A thousand old ones are kept already: something else is wrong, and this one is not thrown away. */
START_TEST(no_name_is_free)
{
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    char path[64];
    uint64_t n, size;
    made(b);
    uint8_t *other = of_another_store(&n);
    write_file(b, "/s/cubby.id", other, n);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/quarantine"));
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, i ? "/s/quarantine/cubby.id.%d" : "/s/quarantine/cubby.id", i);
        write_file(b, path, "x", 1);
    }
    REFUSES(cubby__ident_repair(b->vfs, "/s", &state, &b->err), CUBBY_EEXIST);
    uint8_t *now = file(b, "/s/cubby.id", &size);
    ck_assert(size == n && memcmp(now, other, n) == 0);
    bed_unlink(b, "/s/quarantine/cubby.id.7");
    MUST(cubby__ident_repair(b->vfs, "/s", &state, &b->err));
    ck_assert_uint_eq(bed_size(b, "/s/quarantine/cubby.id.7"), n);
    free(now);
    free(other);
    cubby__memfs_free(&b->fs);
}
END_TEST

/* At every call that fails on the way nothing is lost: the old file is there, or the new one, and the next repair goes on. */
START_TEST(failures)
{
    static const enum fault_op ops[] = {FAULT_OPEN, FAULT_PREAD, FAULT_PWRITE, FAULT_SYNC, FAULT_TRUNCATE, FAULT_RENAME, FAULT_DIRSYNC, FAULT_MKDIR,
                                        FAULT_FSTAT, FAULT_STAT, FAULT_LIST};
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    uint64_t n, size;
    made(b);
    uint8_t *other = of_another_store(&n), *own = file(b, "/s/cubby.id", &size);
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        for (int after = 0, hit = 1; hit && after < 50; after++) {
            write_file(b, "/s/cubby.id", other, n);
            fault_set(&b->fault, ops[i], "", after, -EIO, 0);
            int rc = cubby__ident_repair(&b->fault.vfs, "/s", &state, &b->err);
            hit = b->fault.hits;
            fault_set(&b->fault, FAULT_OPEN, "", 0, 0, 0);
            ck_assert_msg(rc <= 0 && is_file(b, "/s/cubby.id"), "operation %d, %d", (int)ops[i], after);
            MUST(cubby__ident_repair(b->vfs, "/s", &state, &b->err));
            uint8_t *now = file(b, "/s/cubby.id", &size);
            ck_assert_mem_eq(now, own, 2 * CUBBY__PAGE_SIZE);
            free(now);
        }
    free(other);
    free(own);
    cubby__memfs_free(&b->fs);
}
END_TEST

UNIT_MAIN("store/repair_id", what_cannot_be_read_stops, of_another_one, strays, no_regular_files, two_other_stores, no_name_is_free, failures)
