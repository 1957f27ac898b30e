#include "unit/store/store_util.h"

/* ---- rolling ---- */

START_TEST(rolls)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 0);
    kv_store_many(b, 0, 120, 150);
    uint32_t last = bed_last_segment(b);
    ck_assert_int_gt((int)last, 5);
    for (uint32_t i = 1; i < last; i++) /* no zeros behind the end of what is sealed */
        ck_assert(bed_size(b, seg_path(i)) >= 1024 + 4096 && bed_size(b, seg_path(i)) < 1024 + 4096 + 400); /* header, capacity, a commit */
    bed_rebuild_is_equal(b);
    bed_clean(b);
    struct cubby__buf before = kv_dump(b);
    bed_close(b);
    bed_open(b);
    same_rows(before, kv_dump(b));
    MUST(kv_store(b, "k0000", "again"));
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

START_TEST(capacity_follows_the_live_bytes)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 1000, 900);
    ck_assert(!bed_exists(b, seg_path(2))); /* the first has 1 MiB */
    kv_store_many(b, 1000, 1200, 900);
    ck_assert(bed_exists(b, seg_path(2)));
    cubby_stat st;
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    ck_assert_uint_gt(st.live_bytes, 1200 * 900);
    ck_assert_uint_eq(st.segments, 2);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* A sync a commit, two a checkpoint, one a roll for the new file: nothing more. */
START_TEST(syncs)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    int before = b->fault.calls[FAULT_SYNC];
    for (int i = 0; i < 10; i++)
        MUST(kv_store(b, "a", "b"));
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC] - before, 10);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC] - before, 12);
    MUST(cubby__store_sync(b->s, &b->err)); /* nothing to do */
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC] - before, 12);
    cubby_stat st;
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    ck_assert_uint_eq(st.checkpoint_commit, st.last_commit);
    ck_assert_uint_ge(st.syncs, 12);
    bed_end(b);
}
END_TEST

START_TEST(lazy_commits)
{
    struct bed bed, *b = &bed;
    struct bed died;
    bed_begin(b);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err)); /* announces the ceiling, so it is synced */
    int syncs = b->fault.calls[FAULT_SYNC];
    uint64_t last = 0;
    for (int i = 1; i < 10; i++) {
        char value[2] = {(char)('0' + i), 0};
        MUST(kv_store_in(b->s, "lazy", value, CUBBY_LAZY, &last, &b->err));
    }
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], syncs);
    ck_assert_str_eq(kv_look(b, "lazy"), "9"); /* visible */
    MUST(kv_store_in(b->s, "strict", "x", 0, NULL, &b->err));
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], syncs + 1);
    MUST(kv_store_in(b->s, "lazy", "a", CUBBY_LAZY, &last, &b->err));
    /* after an unclean stop their numbers are not given again, whatever is left of them */
    bed_copy(b, &died);
    uint64_t next;
    struct bed *keep = b;
    b = &died;
    bed_open(b);
    MUST(kv_store_in(b->s, "next", "y", 0, &next, &b->err));
    ck_assert_uint_gt(next, last + 1000);
    bed_clean(b);
    bed_end(b);
    b = keep;
    MUST(cubby__store_sync(b->s, &b->err));
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], syncs + 2);
    bed_rebuild_is_equal(b);
    bed_close(b);
    bed_open(b); /* a clean stop: the numbers go on */
    MUST(kv_store_in(b->s, "next", "y", 0, &next, &b->err));
    ck_assert_uint_eq(next, last + 1);
    bed_end(b);
}
END_TEST

/* A transaction with CUBBY_LAZY that logs more than flags is synced. */
START_TEST(not_lazy_after_all)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err));
    int syncs = b->fault.calls[FAULT_SYNC];
    MUST(cubby__txn_begin(b->s, CUBBY_LAZY, &t, &b->err));
    MUST(kv_put_lazy(t, "lazy", "1"));
    MUST(kv_put(t, "row", "1", 1));
    MUST(cubby__txn_commit(&t, NULL));
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], syncs + 1);
    bed_end(b);
}
END_TEST

/* ---- failures ---- */

/* What every failure must leave: a store that, opened anew, has all acknowledged commits, is sound, and goes on. */
static void opens_anew(struct bed *b, int acknowledged)
{
    char key[16];
    b->fault.rc = 0;
    cubby__store_close(&b->s, NULL);
    bed_open(b);
    for (int i = 0; i < acknowledged; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        ck_assert_str_ne(kv_look(b, key), "");
    }
    bed_rebuild_is_equal(b);
    MUST(kv_store(b, "more", "more"));
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_close(b);
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "more"), "more");
    bed_clean(b);
}

/* The handle that it happened to recovers with its next transaction, like any other. */
START_TEST(a_failed_sync_of_the_log)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 10, 30);
    fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
    REFUSES(kv_store(b, "lost?", "x"), CUBBY_EUNKNOWN);
    ck_assert_int_eq(b->fault.hits, 1);
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 1);
    ck_assert_str_eq(kv_look(b, "lost?"), ""); /* not published */
    ck_assert_str_ne(kv_look(b, "k0009"), ""); /* reading goes on */
    MUST(kv_store(b, "k0010", "x"));
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 0);
    ck_assert_uint_eq(bed_last_segment(b), 2); /* what is kept of it was written anew */
    ck_assert_str_eq(kv_look(b, "lost?"), "x");
    opens_anew(b, 11);
    ck_assert_str_eq(kv_look(b, "lost?"), "x");
    bed_end(b);
}
END_TEST

/* Until a small commit needs no more zeros ahead: the next write of the log is an append. */
static int up_to_an_append(struct bed *b)
{
    struct cubby__published p;
    int n = 0;
    do {
        kv_store_many(b, n, n + 1, 30);
        n++;
        cubby__read_published(b->s, &p);
    } while (p.zeroed < p.seg_off + 8192 + 1000);
    return n;
}

/* A new segment cuts it off: nothing of it happened, and nothing is latched. */
START_TEST(a_failed_append)
{
    static const int errnos[] = {-EIO, -ENOSPC};
    for (int i = 0; i < 2; i++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        int stored = up_to_an_append(b);
        fault_set(&b->fault, FAULT_PWRITE, "segments", 0, errnos[i], 0);
        REFUSES(kv_store(b, "lost?", "x"), cubby__code_of_errno(errnos[i]));
        ck_assert_int_eq(b->fault.hits, 1);
        ck_assert_uint_eq(bed_last_segment(b), 2);
        ck_assert_str_eq(kv_look(b, "lost?"), "");
        MUST(kv_store(b, "k0003", "value"));
        bed_rebuild_is_equal(b);
        bed_clean(b);
        opens_anew(b, stored);
        ck_assert_str_eq(kv_look(b, "lost?"), "");
        bed_end(b);
    }
}
END_TEST

/* ... and if no new segment can be made, nobody knows. */
START_TEST(a_failed_append_that_cannot_be_cut_off)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    int stored = up_to_an_append(b);
    fault_set(&b->fault, FAULT_PWRITE, ".seg", 0, -EIO, 1);
    REFUSES(kv_store(b, "lost?", "x"), CUBBY_EUNKNOWN);
    REFUSES(kv_store(b, "lost?", "x"), CUBBY_EIO); /* the recovery */
    b->fault.rc = 0;
    ck_assert_str_eq(kv_look(b, "lost?"), "");
    MUST(kv_store(b, "goes", "on"));
    bed_rebuild_is_equal(b);
    opens_anew(b, stored);
    ck_assert_str_eq(kv_look(b, "lost?"), "");
    ck_assert_str_eq(kv_look(b, "goes"), "on");
    bed_end(b);
}
END_TEST

/* Zeros ahead of the log are written before anything of the commit: that there is no room for them harms nobody. */
START_TEST(no_space_in_reserve)
{
    static const int errnos[] = {-ENOSPC, -EIO, -EDQUOT};
    for (int i = 0; i < 3; i++) {
        struct bed bed, *b = &bed;
        int stored = 0, failed = 0;
        bed_begin(b);
        for (; stored < 200 && !failed; stored++) { /* until a commit has to reserve */
            char key[16];
            struct cubby__published p;
            snprintf(key, sizeof key, "k%04d", stored);
            cubby__read_published(b->s, &p);
            if (p.zeroed - p.seg_off < 8192 + 200) {
                struct cubby__buf before = kv_dump(b);
                char value[100] = {0};
                memset(value, 'v', 90);
                fault_set(&b->fault, FAULT_PWRITE, "segments", 0, errnos[i], 1);
                REFUSES(kv_store(b, key, value), errnos[i] == -EIO ? CUBBY_EIO : CUBBY_ENOSPC);
                ck_assert_int_ge(b->fault.hits, 1); /* less may fit */
                b->fault.rc = 0;
                same_rows(before, kv_dump(b));
                failed = 1;
            }
            MUST(kv_store(b, key, "this is a value of some length"));
        }
        ck_assert_int_eq(failed, 1);
        bed_rebuild_is_equal(b);
        opens_anew(b, stored);
        bed_end(b);
    }
}
END_TEST

START_TEST(a_failed_index_write)
{
    static const int errnos[] = {-EIO, -ENOSPC};
    for (int i = 0; i < 2; i++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 60, 100);
        struct cubby__buf before = kv_dump(b);
        for (int k = 0; k < 3; k++) {
            fault_set(&b->fault, FAULT_PWRITE, "/index", 0, errnos[i], 0);
            REFUSES(kv_store(b, "new", "x"), errnos[i] == -EIO ? CUBBY_EIO : CUBBY_ENOSPC);
            ck_assert_int_eq(b->fault.hits, 1);
        }
        same_rows(before, kv_dump(b));
        kv_store_many(b, 60, 120, 100);
        bed_rebuild_is_equal(b);
        opens_anew(b, 120);
        ck_assert_str_eq(kv_look(b, "new"), "");
        bed_end(b);
    }
}
END_TEST

/* Any call of the roll fails once: the transaction is refused or goes through, nothing acknowledged is lost, and what comes next is right. */
START_TEST(failures_of_a_roll)
{
    static const struct {
        enum fault_op op;
        const char *on;
        int rc, latches;
    } cases[] = {{FAULT_OPEN, "/tmp/", -EMFILE, 0},     {FAULT_PWRITE, "/tmp/", -ENOSPC, 0},    {FAULT_SYNC, "/tmp/", -EIO, 0},
                 {FAULT_RENAME, "segments", -EIO, 0},   {FAULT_DIRSYNC, "segments", -EIO, 1}, {FAULT_TRUNCATE, "segments", -EIO, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed bed, *b = &bed;
        struct cubby__txn *t;
        char key[16];
        int stored = 0, rc = 0;
        bed_begin_with(b, 4096, 0);
        kv_store_many(b, 0, 3, 30);
        stored = 3;
        fault_set(&b->fault, cases[i].op, cases[i].on, 0, cases[i].rc, 0);
        for (; b->fault.hits == 0 && stored < 200; stored += rc == 0) {
            snprintf(key, sizeof key, "k%04d", stored);
            rc = kv_store(b, key, "a value that is as long as it needs to be, and not longer");
        }
        ck_assert_msg(b->fault.hits == 1, "case %zu is not met", i);
        if (cases[i].latches) {
            ck_assert_int_eq(rc, CUBBY_EIO);
            ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 1);
            MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
            cubby__txn_abort(&t);
            ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 0);
        } else {
            ck_assert_int_eq(rc, cases[i].op == FAULT_TRUNCATE || cases[i].rc == -ENOSPC ? 0 : cubby__code_of_errno(cases[i].rc));
            MUST(kv_store(b, "goes", "on"));
            bed_rebuild_is_equal(b);
        }
        opens_anew(b, stored);
        bed_end(b);
    }
}
END_TEST

/* A checkpoint that fails is no failure of anything; the old one stands. */
START_TEST(a_failed_checkpoint)
{
    for (int i = 0; i < 3; i++) {
        struct bed bed, *b = &bed;
        bed_begin_with(b, 0, 2000);
        kv_store_many(b, 0, 5, 30);
        fault_set(&b->fault, FAULT_SYNC, "index", i, -EIO, 1); /* the pages, the slot, a later one */
        bed_quiet(b);
        kv_store_many(b, 5, 100, 100);
        ck_assert_int_ge(b->fault.hits, 1);
        ck_assert_ptr_nonnull(strstr(b->notice, "checkpoint failed"));
        ck_assert_ptr_nonnull(strstr(b->notice, "no copy of the index"));
        ck_assert_int_le(b->notices, 4); /* not with every commit */
        bed_rebuild_is_equal(b);
        opens_anew(b, 100);
        bed_end(b);
    }
}
END_TEST

/* Each write and sync fails in turn, once or for good: a workload with rolls and checkpoints must keep every acknowledged commit. */
START_TEST(any_failure)
{
    unsigned refused = 0, unknown = 0, latched = 0, runs = 0;
    static const enum fault_op ops[] = {FAULT_PWRITE, FAULT_SYNC, FAULT_OPEN, FAULT_RENAME, FAULT_DIRSYNC};
    for (size_t o = 0; o < sizeof ops / sizeof *ops; o++) {
        for (int after = 0; after < 400; after++) {
            struct bed bed, *b = &bed;
            char key[16];
            unsigned acked[60] = {0};
            int hits = 0;
            bed_begin_with(b, 4096, 1500);
            fault_set(&b->fault, ops[o], "", after, after % 3 ? -EIO : -ENOSPC, after % 2);
            for (int i = 0; i < 60; i++) {
                snprintf(key, sizeof key, "k%04d", i);
                int rc = kv_store(b, key, "a value that is as long as it needs to be, and not longer, so that segments fill up");
                acked[i] = rc == 0;
                refused += rc == CUBBY_EIO || rc == CUBBY_ENOSPC;
                unknown += rc == CUBBY_EUNKNOWN;
                latched += rc == CUBBY_ELATCHED;
                if (rc != 0)
                    ck_assert(rc == CUBBY_EIO || rc == CUBBY_ENOSPC || rc == CUBBY_EUNKNOWN || rc == CUBBY_ELATCHED);
                if (rc != 0)
                    ck_assert_int_eq(b->err.code, rc);
                if (b->fault.forever && b->fault.hits > 3)
                    b->fault.rc = 0;
            }
            hits = b->fault.hits;
            cubby__store_close(&b->s, NULL);
            b->fault.rc = 0;
            bed_open(b);
            for (int i = 0; i < 60; i++) {
                snprintf(key, sizeof key, "k%04d", i);
                ck_assert_msg(!acked[i] || *kv_look(b, key), "op %zu, failure %d: %s is lost", o, after, key);
            }
            MUST(kv_store(b, "more", "more"));
            bed_rebuild_is_equal(b);
            bed_clean(b);
            bed_end(b);
            runs++;
            if (!hits)
                break;
        }
    }
    ck_assert_uint_gt(refused, 0);
    ck_assert_uint_gt(unknown, 0);
    ck_assert_uint_gt(latched, 0);
    printf("# %u runs with a failing call: %u commits refused, %u unknown, %u latched\n", runs, refused, unknown, latched);
    fflush(stdout);
}
END_TEST

UNIT_MAIN("store/commit", rolls, capacity_follows_the_live_bytes, syncs, lazy_commits, not_lazy_after_all, a_failed_sync_of_the_log, a_failed_append,
          a_failed_append_that_cannot_be_cut_off,
          no_space_in_reserve, a_failed_index_write, failures_of_a_roll, a_failed_checkpoint, any_failure)
