/* What is synced before a new segment vouches for the old one (commit.h, C6). */
#include "store/commit.h"
#include "unit/store/store_util.h"

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
    bed_close(b);
    bed_open(b);
    bed_rebuild_is_equal(b);
}

static struct {
    struct bed *bed;
    int synced, fails;
} cutting;

static void while_cutting(void *arg, enum fault_op op, const char *path)
{
    (void)arg;
    struct bed *b = cutting.bed;
    if (op == FAULT_SYNC && strstr(path, "00000001.seg") && !cutting.synced++ && cutting.fails)
        fault_set(&b->fault, FAULT_SYNC, "00000001.seg", 0, -EIO, 0);
    if (op == FAULT_RENAME && strstr(path, "00000002.seg"))
        ck_assert_int_eq(cutting.synced, 1);
}

/* C6: the header that cuts off a failed append vouches for the lazy commits before it, so they are synced first, once. */
START_TEST(lazy_commits_before_a_cut)
{
    for (int fails = 0; fails < 2; fails++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        for (int i = 0; b->s->pending.zeroed < b->s->pending.seg_off + CUBBY__RESERVE_LOG + 1500; i++) /* so that the next write is an append */
            kv_store_many(b, i, i + 1, 100);
        MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err)); /* announces the ceiling */
        MUST(kv_store_in(b->s, "lazy", "1", CUBBY_LAZY, NULL, &b->err));
        ck_assert_uint_lt(b->s->pending.durable, b->s->pending.commit);
        fault_set(&b->fault, FAULT_PWRITE, "segments", 0, -EIO, 0);
        cutting.bed = b;
        cutting.synced = 0;
        cutting.fails = fails;
        b->fault.hook = while_cutting;
        REFUSES(kv_store(b, "a", "b"), fails ? CUBBY_EUNKNOWN : CUBBY_EIO);
        b->fault.hook = NULL;
        ck_assert_int_eq(cutting.synced, 1);
        ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), (uint64_t)fails);
        MUST(kv_store(b, "goes", "on"));
        ck_assert_str_eq(kv_look(b, "lazy"), "1");
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* What has been synced is not synced again for a roll. */
START_TEST(one_sync_of_the_old_segment)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 0);
    while (!cubby__is_full(b->s))
        MUST(kv_store(b, "a", "0123456789012345678901234567890123456789"));
    cutting.bed = b;
    cutting.synced = cutting.fails = 0;
    b->fault.hook = while_cutting;
    cubby__lead_in_turn(b->s);
    pthread_mutex_lock(&b->s->w);
    MUST(cubby__enter(b->s, &b->err));
    cutting.synced = 1;
    MUST(cubby__roll(b->s, &b->err));
    pthread_mutex_unlock(&b->s->w);
    cubby__leave(b->s);
    cubby__lead_done(b->s);
    b->fault.hook = NULL;
    ck_assert_int_eq(cutting.synced, 1);
    ck_assert_uint_eq(bed_last_segment(b), 2);
    sound(b);
    bed_end(b);
}
END_TEST

/* Zeros for an eighth of what the store holds are there before the first commit: none of those that fit has a new size to sync. On a disk that has not so
 * much room left, the reserve alone. */
START_TEST(zeros_ahead_in_a_new_segment)
{
    for (int full = 0; full < 2; full++) {
        struct bed bed, *b = &bed;
        bed_begin_with(b, 100 << 10, 0);
        kv_store_many(b, 0, 400, 900);
        while (!cubby__is_full(b->s))
            kv_store_many(b, 400, 401, 900);
        uint32_t last = bed_last_segment(b);
        if (full)
            fault_full(&b->fault, CUBBY__RESERVE_LOG + 6000);
        MUST(kv_store(b, "rolls", "then"));
        ck_assert_uint_eq(bed_last_segment(b), last + 1);
        uint64_t size = bed_size(b, seg_path(last + 1)), frames = b->s->pending.seg_frames, step = b->s->capacity;
        ck_assert_uint_gt(step, 400 * 900 / 8);
        ck_assert_int_eq(cubby__is_tight(b->s), 0);
        if (!full) {
            ck_assert_uint_eq(size, frames + step);
            kv_store_many(b, 500, 510, 900);
            ck_assert_uint_eq(bed_size(b, seg_path(last + 1)), size);
        }
        bed_clean(b);
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
}
END_TEST

/* Never more than the segment is to hold, and the reserve. */
START_TEST(zeros_ahead_in_a_small_segment)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 0);
    kv_store_many(b, 0, 400, 900);
    while (!cubby__is_full(b->s))
        kv_store_many(b, 400, 401, 900);
    MUST(kv_store(b, "rolls", "then"));
    ck_assert_uint_gt(b->s->capacity, 4096 + CUBBY__RESERVE_LOG);
    ck_assert_uint_eq(bed_size(b, seg_path(bed_last_segment(b))), b->s->pending.seg_frames + 4096 + CUBBY__RESERVE_LOG);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/roll", lazy_commits_before_a_cut, one_sync_of_the_old_segment, zeros_ahead_in_a_new_segment, zeros_ahead_in_a_small_segment)
