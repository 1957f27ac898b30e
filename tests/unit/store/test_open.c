#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/hash.h"
#include "unit/heap.h"
#include "unit/store/store_util.h"

static int create(struct bed *b)
{
    memset(&b->err, 0, sizeof b->err);
    return cubby__store_create("/s", &b->o, &kv_handlers, &b->err);
}

START_TEST(create_and_open)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    ck_assert_int_eq(cubby__store_read_only(b->s), 0);
    ck_assert_uint_eq(kv_counter(b), 1);
    ck_assert_uint_eq(bed_size(b, "/s/cubby.id"), CUBBY__ID_FILE_SIZE);
    ck_assert_int_eq(b->notices, 0);
    bed_close(b);
    cubby__store_close(&b->s, NULL); /* of nothing */
    REFUSES(create(b), CUBBY_EEXIST);
    bed_open(b);
    ck_assert_int_eq(b->notices, 0);
    bed_clean(b);
    bed_end(b);
}
END_TEST

START_TEST(what_is_no_store)
{
    struct bed bed, *b = &bed;
    bed_init(b);
    REFUSES(bed_try_open(b, 0), CUBBY_ENOENT);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s"));
    REFUSES(bed_try_open(b, 0), CUBBY_ENOTSTORE);
    bed_write(b, "/s/other", 0, "x", 1);
    REFUSES(bed_try_open(b, 0), CUBBY_ENOTSTORE);
    REFUSES(create(b), CUBBY_EINVAL);
    bed_unlink(b, "/s/other");
    MUST(create(b));
    bed_end(b);
    bed_init(b);
    bed_write(b, "/s", 0, "a file", 6);
    int rc = bed_try_open(b, 0);
    ck_assert_msg(rc == CUBBY_ENOENT || rc == CUBBY_ENOTSTORE, "%d", rc);
    ck_assert_int_lt(create(b), 0);
    bed_end(b);
}
END_TEST

/* Each call of cubby__store_create fails in turn, once or for good: either there is a sound store or none, and the next attempt makes one. */
START_TEST(create_fails_anywhere)
{
    unsigned failed = 0;
    for (int op = 0; op < FAULT_OPS; op++) {
        for (int after = 0; after < 40; after++) {
            struct bed bed, *b = &bed;
            bed_init(b);
            fault_set(&b->fault, (enum fault_op)op, "", after, -EIO, after % 2);
            int rc = create(b);
            if (rc != 0) {
                failed++;
                ck_assert_int_eq(b->err.code, rc);
                b->fault.rc = 0;
                rc = bed_try_open(b, 0);
                if (rc == 0) {
                    bed_rebuild_is_equal(b); /* only the last sync had failed */
                    bed_close(b);
                } else {
                    ck_assert_msg(rc == CUBBY_ENOENT || rc == CUBBY_ENOTSTORE, "%d: %d", op, rc);
                    MUST(create(b));
                }
            }
            b->fault.rc = 0;
            bed_open(b);
            MUST(kv_store(b, "a", "b"));
            bed_rebuild_is_equal(b);
            bed_clean(b);
            bed_end(b);
            if (!b->fault.hits)
                break;
        }
    }
    ck_assert_uint_gt(failed, 15);
}
END_TEST

/* ---- cubby.id ---- */

static void reseal(uint8_t *p)
{
    cubby__put64(p + CUBBY__ID_CHECKSUM_OFF, cubby__hash64(p, CUBBY__ID_CHECKSUM_OFF, 0));
}

/* Changes a word of both copies of the identity, under a checksum that fits. */
static void patch_id(struct bed *b, size_t off, uint32_t value)
{
    for (uint64_t at = 0; at < 2 * CUBBY__PAGE_SIZE; at += CUBBY__PAGE_SIZE) {
        uint8_t id[CUBBY__ID_SIZE];
        bed_read(b, "/s/cubby.id", at, id, sizeof id);
        cubby__put32(id + off, value);
        reseal(id);
        bed_write(b, "/s/cubby.id", at, id, sizeof id);
    }
}

START_TEST(identity_of_another_kind)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_close(b);
    patch_id(b, CUBBY__ID_VERSION_OFF, 2);
    REFUSES(bed_try_open(b, 0), CUBBY_EVERSION);
    REFUSES(bed_try_open(b, CUBBY_READ_ONLY), CUBBY_EVERSION);
    ck_assert_ptr_nonnull(strstr(b->err.path, "cubby.id"));
    patch_id(b, CUBBY__ID_VERSION_OFF, 1);
    patch_id(b, CUBBY__ID_INCOMPAT_OFF, 4);
    REFUSES(bed_try_open(b, 0), CUBBY_EVERSION);
    patch_id(b, CUBBY__ID_INCOMPAT_OFF, 0);
    patch_id(b, CUBBY__ID_ROCOMPAT_OFF, 1); /* may be read */
    bed_open(b);
    ck_assert_int_eq(cubby__store_read_only(b->s), 1);
    bed_close(b);
    patch_id(b, CUBBY__ID_ROCOMPAT_OFF, 0);
    patch_id(b, CUBBY__ID_COMPAT_OFF, 8);
    bed_open(b);
    ck_assert_int_eq(cubby__store_read_only(b->s), 0);
    bed_close(b);
    for (uint64_t at = 0; at < 2 * CUBBY__PAGE_SIZE; at += CUBBY__PAGE_SIZE)
        bed_write(b, "/s/cubby.id", at, "maildir\n", 8);
    REFUSES(bed_try_open(b, 0), CUBBY_ENOTSTORE);
    bed_end(b);
}
END_TEST

START_TEST(one_copy_is_enough)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    MUST(kv_store(b, "a", "b"));
    bed_close(b);
    for (int copy = 0; copy < 2; copy++) {
        for (uint64_t off = 0; off < CUBBY__ID_SIZE; off++) {
            bed_flip(b, "/s/cubby.id", (uint64_t)copy * CUBBY__PAGE_SIZE + off, 1);
            bed_open(b);
            ck_assert_str_eq(kv_look(b, "a"), "b");
            bed_close(b);
            bed_flip(b, "/s/cubby.id", (uint64_t)copy * CUBBY__PAGE_SIZE + off, 1);
        }
    }
    for (uint64_t off = 8; off < CUBBY__ID_SIZE; off++) { /* both */
        bed_flip(b, "/s/cubby.id", off, 1);
        bed_flip(b, "/s/cubby.id", CUBBY__PAGE_SIZE + off, 1);
        REFUSES(bed_try_open(b, 0), CUBBY_ECORRUPT);
        bed_flip(b, "/s/cubby.id", off, 1);
        bed_flip(b, "/s/cubby.id", CUBBY__PAGE_SIZE + off, 1);
    }
    /* one damaged, the other not even an identity: still a damaged store and not none */
    bed_flip(b, "/s/cubby.id", 30, 1);
    bed_flip(b, "/s/cubby.id", CUBBY__PAGE_SIZE, 1);
    REFUSES(bed_try_open(b, 0), CUBBY_ECORRUPT);
    bed_end(b);
}
END_TEST

START_TEST(truncated_identity)
{
    struct bed bed, *b = &bed;
    uint8_t whole[CUBBY__ID_FILE_SIZE];
    bed_begin(b);
    bed_close(b);
    bed_read(b, "/s/cubby.id", 0, whole, sizeof whole);
    static const uint64_t sizes[] = {0, 1, 8, 87, 88, 4096, 4183, 4184, 8192, 12287};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        bed_truncate(b, "/s/cubby.id", sizes[i]);
        REFUSES(bed_try_open(b, 0), sizes[i] < 8 ? CUBBY_ENOTSTORE : CUBBY_ECORRUPT);
        REFUSES(bed_try_open(b, CUBBY_READ_ONLY), sizes[i] < 8 ? CUBBY_ENOTSTORE : CUBBY_ECORRUPT);
        bed_write(b, "/s/cubby.id", 0, whole, sizeof whole);
    }
    bed_open(b);
    bed_end(b);
}
END_TEST

START_TEST(identity_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_close(b);
    fault_set(&b->fault, FAULT_PREAD, "cubby.id", 0, -EIO, 0);
    REFUSES(bed_try_open(b, 0), CUBBY_EIO);
    fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EIO, 0);
    REFUSES(bed_try_open(b, 0), CUBBY_EIO);
    fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 0);
    bed_open(b); /* without permission to write it is opened for reading */
    ck_assert_int_eq(cubby__store_read_only(b->s), 1);
    bed_close(b);
    fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 1);
    REFUSES(bed_try_open(b, 0), CUBBY_EACCES);
    bed_end(b);
}
END_TEST

/* Every call of an open fails in turn: an error or a working store, never a wrong one. */
START_TEST(open_fails_anywhere)
{
    struct bed source;
    unsigned failed = 0, opened = 0;
    struct bed *b = &source;
    bed_begin_with(b, 4096, 1000);
    kv_store_many(b, 0, 60, 100);
    struct cubby__buf want = kv_dump(b);
    for (int damage = 0; damage < 3; damage++) {
        for (int op = 0; op < FAULT_OPS; op++) {
            for (int after = 0; after < 100; after++) {
                struct bed copy;
                b = &copy;
                bed_copy(&source, b); /* left uncleanly */
                if (damage == 1)
                    bed_unlink(b, "/s/index");
                fault_set(&b->fault, (enum fault_op)op, "", after, -EIO, after % 2);
                int rc = bed_try_open(b, damage == 2 ? CUBBY_READ_ONLY : 0);
                b->fault.rc = 0;
                if (rc == 0) {
                    opened++;
                    struct cubby__buf now = kv_dump(b);
                    ck_assert_uint_eq(now.len > 0, 1);
                    cubby__buf_release(&now);
                    ck_assert_str_ne(kv_look(b, "k0059"), "");
                    bed_close(b);
                } else {
                    failed++;
                    ck_assert_int_eq(b->err.code, rc);
                }
                bed_open(b);
                ck_assert_str_ne(kv_look(b, "k0000"), "");
                ck_assert_str_ne(kv_look(b, "k0059"), "");
                bed_rebuild_is_equal(b);
                bed_clean(b);
                int hits = b->fault.hits;
                bed_end(b);
                if (!hits)
                    break;
            }
        }
    }
    ck_assert_uint_gt(failed, 30);
    printf("# %u opens failed, %u went through\n", failed, opened);
    fflush(stdout);
    cubby__buf_release(&want);
    b = &source;
    bed_end(b);
}
END_TEST

START_TEST(leftovers_in_tmp)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_close(b);
    bed_write(b, "/s/tmp/00000002.seg", 0, "half", 4);
    bed_write(b, "/s/tmp/spool-1", 0, "x", 1);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    bed_close(b);
    ck_assert(bed_exists(b, "/s/tmp/spool-1")); /* a reader removes nothing */
    bed_open(b);
    ck_assert(!bed_exists(b, "/s/tmp/spool-1") && !bed_exists(b, "/s/tmp/00000002.seg"));
    bed_end(b);
}
END_TEST

START_TEST(remains_of_a_create)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_close(b);
    bed_unlink(b, "/s/cubby.id"); /* as if it had never been finished */
    REFUSES(bed_try_open(b, 0), CUBBY_ENOTSTORE);
    MUST(create(b));
    bed_open(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* Segments that hold more than a creation leaves are somebody's mail. */
START_TEST(a_store_that_lost_its_identity)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 1, 10);
    bed_close(b);
    bed_unlink(b, "/s/cubby.id");
    uint64_t size = bed_size(b, seg_path(1));
    REFUSES(create(b), CUBBY_ENOTSTORE);
    ck_assert_uint_eq(bed_size(b, seg_path(1)), size);
    bed_end(b);
}
END_TEST

START_TEST(no_segments)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_close(b);
    bed_unlink(b, seg_path(1));
    REFUSES(bed_try_open(b, 0), CUBBY_ECORRUPT);
    REFUSES(bed_try_open(b, CUBBY_READ_ONLY), CUBBY_ECORRUPT);
    bed_end(b);
}
END_TEST

/* The copy that can be read is of a version to come: that is what is told, whether somebody listens or not. */
START_TEST(a_second_copy_of_another_version)
{
    struct bed bed, *b = &bed;
    struct cubby__store *bare;
    bed_begin(b);
    bed_close(b);
    patch_id(b, CUBBY__ID_VERSION_OFF, 2);
    bed_flip(b, "/s/cubby.id", 40, 1);
    REFUSES(bed_try_open(b, 0), CUBBY_EVERSION);
    REFUSES(cubby__store_open_bare("/s", &b->o, &kv_handlers, &bare, &b->err), CUBBY_EVERSION);
    ck_assert_int_eq(cubby__store_open_bare("/s", &b->o, &kv_handlers, &bare, NULL), CUBBY_EVERSION);
    bed_end(b);
}
END_TEST

/* However a system says that nothing may be written there: it is read. */
START_TEST(not_permitted)
{
    static const int errors[] = {-EACCES, -EPERM, -EROFS};
    struct bed bed, *b = &bed;
    bed_begin(b);
    MUST(kv_store(b, "a", "b"));
    bed_close(b);
    for (int i = 0; i < 3; i++) {
        struct cubby__store *bare;
        fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, errors[i], 0);
        bed_open(b);
        ck_assert(cubby__store_read_only(b->s));
        ck_assert_str_eq(kv_look(b, "a"), "b");
        bed_close(b);
        fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, errors[i], 0);
        MUST(cubby__store_open_bare("/s", &b->o, &kv_handlers, &bare, &b->err));
        ck_assert(bare->o.flags & CUBBY_READ_ONLY);
        MUST(cubby__store_close(&bare, &b->err));
    }
    bed_end(b);
}
END_TEST

/* With something to remove, something to recover, and an index or none. */
START_TEST(each_allocation_fails)
{
    static const unsigned flags[] = {0, CUBBY_REBUILD, CUBBY_READ_ONLY};
    struct bed bed, *b = &bed;
    heap_install();
    for (int i = 0; i < 3; i++)
        for (int after = 0, hits = 1; hits; after++) {
            struct bed crashed;
            long live = heap.live;
            b = &bed;
            bed_begin(b);
            MUST(kv_store(b, "a", "b"));
            bed_copy(&bed, &crashed);
            b = &crashed;
            bed_write(b, "/s/tmp/left", 0, "x", 1);
            heap_fail(after, 0);
            int rc = bed_try_open(b, flags[i]);
            hits = heap_works();
            ck_assert_msg(rc == 0 || (hits && rc == CUBBY_ENOMEM && b->err.code == rc), "%u %d: %d %s", flags[i], after, rc, b->err.message);
            if (rc)
                bed_open(b);
            ck_assert_str_eq(kv_look(b, "a"), "b");
            bed_end(b);
            bed_end(&bed);
            ck_assert_int_eq(heap.live, live);
        }
}
END_TEST

/* Somebody deletes the index while others have the store open: who comes then builds it anew, or is told what it lacks for that. */
START_TEST(a_lost_index_and_no_lock)
{
    struct bed bed, *b = &bed;
    struct cubby__store *first;
    cubby_options o;
    int failed = 0;
    for (int i = 0, n = 0, hits = 1; i < 2; n = hits ? n + 1 : 0, i += !hits) {
        bed_begin(b);
        MUST(kv_store(b, "a", "b"));
        bed_close(b);
        o = b->o;
        o.vfs = b->vfs;
        MUST(cubby__store_open("/s", &o, &kv_handlers, &first, &b->err));
        bed_unlink(b, "/s/index");
        fault_set(&b->fault, FAULT_LOCK, "", n, -EIO, 0);
        int rc = bed_try_open(b, i ? CUBBY_REBUILD : 0);
        hits = b->fault.hits;
        b->fault.rc = 0;
        ck_assert_msg(rc == (hits ? CUBBY_EIO : 0), "%d: %d %s", n, rc, b->err.message);
        failed += hits;
        if (rc)
            bed_open(b);
        ck_assert_str_eq(kv_look(b, "a"), "b");
        MUST(cubby__store_close(&first, &b->err));
        bed_end(b);
    }
    ck_assert_int_gt(failed, 3);
}
END_TEST

static struct {
    struct bed *bed;
    struct cubby__store *first;
    int after;
} other;

static void writes_then(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = other.bed;
    (void)arg;
    (void)path;
    if (op == FAULT_LOCK && other.after-- == 0)
        MUST(kv_store_in(other.first, "c", "d", 0, NULL, &b->err));
}

/* The index is gone; while somebody who opens asks for a lock, another one writes, and builds it: then it is there. */
START_TEST(a_lost_index_that_others_build)
{
    struct bed bed, *b = &bed;
    cubby_options o;
    for (int n = 0, asked = 1; asked; n++) {
        bed_begin(b);
        bed_close(b);
        o = b->o;
        o.vfs = b->vfs;
        other.bed = b;
        other.after = n;
        MUST(cubby__store_open("/s", &o, &kv_handlers, &other.first, &b->err));
        bed_unlink(b, "/s/index");
        b->fault.hook = writes_then;
        bed_open(b);
        b->fault.hook = NULL;
        asked = other.after < 0;
        ck_assert_str_eq(kv_look(b, "c"), asked ? "d" : "");
        MUST(kv_store(b, "e", "f"));
        ck_assert_str_eq(kv_look_in(other.first, "e"), "f");
        MUST(cubby__store_close(&other.first, &b->err));
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
}
END_TEST

static long network; /* what statfs says */

int statfs(const char *path, struct statfs *out)
{
    int rc = (int)syscall(SYS_statfs, path, out);
    if (network)
        out->f_type = network;
    return rc;
}

/* The system's own table, and no options: a store there is, unless it is elsewhere. */
START_TEST(a_network_file_system)
{
    struct bed bed, *b = &bed;
    cubby_options o = CUBBY_OPTIONS_INIT;
    char dir[] = "/tmp/cubby-open-XXXXXX", path[64], command[64];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    MUST(cubby__store_create(path, NULL, &kv_handlers, &b->err));
    MUST(cubby__store_open(path, NULL, &kv_handlers, &b->s, &b->err));
    bed_close(b);
    network = 0x6969;
    REFUSES(cubby__store_open(path, &o, &kv_handlers, &b->s, &b->err), CUBBY_EINVAL);
    REFUSES(cubby__store_open_bare(path, &o, &kv_handlers, &b->s, &b->err), CUBBY_EINVAL);
    o.flags = CUBBY_ON_NETWORK;
    MUST(cubby__store_open(path, &o, &kv_handlers, &b->s, &b->err));
    bed_close(b);
    network = 0;
    cubby__store_free(NULL);
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_MAIN("store/open", create_and_open, what_is_no_store, create_fails_anywhere, identity_of_another_kind, one_copy_is_enough, truncated_identity,
          identity_that_cannot_be_read, open_fails_anywhere, leftovers_in_tmp, remains_of_a_create, a_store_that_lost_its_identity,
          no_segments, a_second_copy_of_another_version, not_permitted, each_allocation_fails, a_lost_index_and_no_lock, a_lost_index_that_others_build,
          a_network_file_system)
