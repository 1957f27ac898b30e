#include <sys/wait.h>
#include <unistd.h>

#include "unit/store/store_util.h"

START_TEST(figures)
{
    struct bed bed, *b = &bed;
    cubby_stat st;
    bed_begin_with(b, 4096, 0);
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    ck_assert_uint_eq(st.segments, 1);
    ck_assert_uint_eq(st.last_commit, 1);
    ck_assert_uint_eq(st.live_bytes, 0);
    ck_assert_mem_eq(st.uuid, b->s->ident.uuid, 16);
    kv_store_many(b, 0, 80, 100);
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    uint64_t bytes = b->s->pending.seg_off;
    for (uint32_t i = 1; i < bed_last_segment(b); i++)
        bytes += bed_size(b, seg_path(i));
    ck_assert_uint_eq(st.segments, bed_last_segment(b));
    ck_assert_uint_eq(st.segment_bytes, bytes); /* without the zeros ahead */
    ck_assert_uint_eq(st.last_commit, 81);
    ck_assert_uint_eq(st.live_bytes, cubby__live_bytes(b->s));
    ck_assert_uint_eq(st.dead_bytes, bytes - st.live_bytes - st.retained_bytes);
    ck_assert(st.pages_written > 0 && st.syncs >= 80 && st.index_bytes >= 3 * CUBBY__PAGE_SIZE);
    bed_end(b);
}
END_TEST

START_TEST(failures)
{
    struct bed bed, *b = &bed;
    cubby_stat st;
    bed_begin(b);
    fault_set(&b->fault, FAULT_LIST, "segments", 0, -EIO, 0);
    REFUSES(cubby__store_get_stat(b->s, &st, &b->err), CUBBY_EIO);
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    bed_end(b);
}
END_TEST

/* Rows of so many segments that they are on several pages. */
static void account(struct bed *b, uint32_t segments)
{
    struct cubby__txn *t;
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "a", "b", 1));
    for (uint32_t i = 1; i <= segments; i++)
        MUST(cubby__txn_account(t, 1000 + i, 1000, 10));
    MUST(cubby__txn_commit(&t, NULL));
}

START_TEST(segments_and_rows_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    cubby_stat st, now;
    uint8_t key[16] = {CUBBY__KS_SEGMENT};
    size_t key_len = 1 + cubby__keynum_put(key + 1, 7);
    int failed = 0;
    bed_begin_with(b, 4096, 0);
    kv_store_many(b, 0, 80, 100);
    account(b, 3000);
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    ck_assert(st.live_bytes > 3000 * 1000 && st.retained_bytes >= 3000 * 10);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err)); /* a row that breaks its format counts nothing; the check says so */
    MUST(kv_put(t, "a", "b", 1));
    MUST(cubby__txn_put(t, key, key_len, "\xff", 1));
    MUST(cubby__txn_commit(&t, NULL));
    MUST(cubby__store_get_stat(b->s, &now, &b->err));
    ck_assert_uint_eq(now.retained_bytes, st.retained_bytes);
    MUST(cubby__store_checkpoint(b->s, &b->err)); /* these rows are of no record */
    bed_close(b);
    b->o.cache_bytes = 1;
    bed_open(b);
    fault_set(&b->fault, FAULT_FSTAT, seg_path(1), 0, -EIO, 0);
    REFUSES(cubby__store_get_stat(b->s, &now, &b->err), CUBBY_EIO);
    for (int n = 0, hits = 1; hits; n++) {
        fault_set(&b->fault, FAULT_PREAD, "index", n, -EIO, 0);
        int rc = cubby__store_get_stat(b->s, &now, &b->err);
        hits = b->fault.hits;
        ck_assert_int_eq(rc, hits ? CUBBY_EIO : 0);
        failed += hits;
    }
    b->fault.rc = 0;
    ck_assert_int_gt(failed, 3);
    ck_assert_uint_eq(now.retained_bytes, st.retained_bytes);
    bed_unlink(b, "/s/cubby.id");
    REFUSES(cubby__store_get_stat(b->s, &now, &b->err), CUBBY_ESTALE);
    bed_end(b);
}
END_TEST

static void remove_it(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    if (op == FAULT_LIST && strstr(path, "segments"))
        bed_unlink(b, "/s/cubby.id");
}

START_TEST(removed_meanwhile)
{
    struct bed bed, *b = &bed;
    cubby_stat st;
    bed_begin(b);
    kv_store_many(b, 0, 5, 100);
    b->fault.hook_arg = b;
    b->fault.hook = remove_it;
    REFUSES(cubby__store_get_stat(b->s, &st, &b->err), CUBBY_ESTALE);
    b->fault.hook = NULL;
    REFUSES(cubby__store_close(&b->s, &b->err), CUBBY_ESTALE);
    bed_end(b);
}
END_TEST

/* Figures of a reader that was alone are those of whoever came since then; a child of a fork gets none. */
START_TEST(keeping_up)
{
    struct bed bed, *b = &bed;
    struct cubby__store *writer;
    cubby_stat st;
    cubby_options o;
    int status;
    bed_begin(b);
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    o = b->o;
    o.vfs = b->vfs;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &writer, &b->err));
    MUST(kv_store_in(writer, "a", "b", 0, NULL, &b->err));
    fault_set(&b->fault, FAULT_RANDOM, "", 0, -EIO, 0);
    REFUSES(cubby__store_get_stat(b->s, &st, &b->err), CUBBY_EIO);
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    ck_assert_uint_eq(st.last_commit, writer->pending.commit);
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        _exit(cubby__store_get_stat(b->s, &st, &b->err) != CUBBY_EINVAL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    MUST(cubby__store_close(&writer, &b->err));
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/stat", figures, failures, removed_meanwhile, segments_and_rows_that_cannot_be_read, keeping_up)
