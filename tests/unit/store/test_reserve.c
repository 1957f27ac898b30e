/* The reserve of a full disk when something is wrong with it: too short, too small for what is removed, no memory, a name that may be lost (space.c, N2 to N4). */
#include "store/commit.h"
#include "unit/heap.h"
#include "unit/store/store_util.h"

enum { BIG = 11, ROOM = 4 << 20 };

/* A store that is large enough to have tmp/reserve. */
static void large(struct bed *b)
{
    static char value[100 << 10];
    memset(value, 'v', sizeof value - 1);
    bed_begin(b);
    for (int i = 0; i < BIG; i++) {
        char key[16];
        snprintf(key, sizeof key, "big%d", i);
        MUST(kv_store(b, key, value));
    }
    kv_store_many(b, 0, 300, 20);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 1);
}

static int drop_rows(struct bed *b, int from, int to)
{
    struct cubby__txn *t;
    int rc = cubby__txn_begin(b->s, 0, &t, &b->err);
    if (rc)
        return rc;
    for (int i = from; i < to && rc == 0; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        rc = kv_del(t, key);
    }
    if (rc == 0)
        return cubby__txn_commit(&t, NULL);
    cubby__txn_abort(&t);
    return rc;
}

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
}

static int to_reserve(struct bed *b)
{
    cubby__lead_in_turn(b->s);
    pthread_mutex_lock(&b->s->w);
    int rc = cubby__enter(b->s, &b->err);
    if (rc == 0) {
        rc = cubby__roll_to_reserve(b->s, &b->err);
        cubby__leave(b->s);
    }
    pthread_mutex_unlock(&b->s->w);
    cubby__lead_done(b->s);
    return rc;
}

/* It is not filled up at the cost of the last room, and what was there of it stays. */
START_TEST(a_reserve_that_is_too_short)
{
    struct bed bed, *b = &bed;
    large(b);
    bed_truncate(b, "/s/tmp/reserve", 5000);
    b->s->reserve_of = 0;
    fault_full(&b->fault, 40000);
    REFUSES(kv_store(b, "new", "x"), CUBBY_ENOSPC);
    ck_assert_uint_eq(bed_size(b, "/s/tmp/reserve"), 5000);
    MUST(drop_rows(b, 0, 1)); /* it is not for this */
    fault_full(&b->fault, ROOM);
    MUST(kv_store(b, "new", "x"));
    ck_assert_uint_ge(bed_size(b, "/s/tmp/reserve"), 128 << 10);
    sound(b);
    bed_end(b);
}
END_TEST

/* What is wrong with tmp/ beside that there is no room is told to whoever needs it. */
START_TEST(a_reserve_that_cannot_be_opened)
{
    struct bed bed, *b = &bed;
    large(b);
    b->s->reserve_of = 0;
    fault_set(&b->fault, FAULT_OPEN, "tmp/reserve", 0, -EACCES, 1);
    MUST(kv_store(b, "new", "x"));
    ck_assert_int_gt(b->fault.hits, 0);
    b->fault.rc = 0;
    sound(b);
    bed_end(b);
}
END_TEST

/* A removal that is larger than what is kept for removals fails like anything else, and smaller ones do not. */
START_TEST(more_to_remove_than_the_reserve_holds)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 400, 20);
    fault_full(&b->fault, 0);
    while (kv_store(b, "fill", "the rest of the room that there is") == 0)
        continue;
    REFUSES(drop_rows(b, 0, 400), CUBBY_ENOSPC);
    ck_assert_uint_eq(strlen(kv_look(b, "k0000")), 20);
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 0);
    for (int i = 0; i < 10; i++)
        MUST(drop_rows(b, i, i + 1));
    fault_full(&b->fault, ROOM);
    MUST(drop_rows(b, 10, 400));
    ck_assert_str_eq(kv_look(b, "k0399"), "");
    sound(b);
    bed_end(b);
}
END_TEST

/* No zeros are left when the store is left: the PROOF stands behind the last of them. The next writer begins its zeros there. */
START_TEST(a_proof_behind_the_last_zeros)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    bed_begin(b);
    kv_store_many(b, 0, 5, 20);
    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &second, &b->err));
    uint64_t end = b->s->pending.seg_off;
    bed_truncate(b, seg_path(1), end);
    b->s->pending.zeroed = end;
    bed_close(b);
    ck_assert_uint_gt(bed_size(b, seg_path(1)), end);
    MUST(kv_store_in(second, "new", "x", 0, NULL, &b->err));
    ck_assert_uint_ge(second->pending.zeroed, second->pending.seg_off + CUBBY__RESERVE_LOG);
    MUST(cubby__store_close(&second, &b->err));
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "new"), "x");
    ck_assert_str_eq(b->notice, "");
    sound(b);
    bed_end(b);
}
END_TEST

/* Every allocation on the way to the reserve fails in turn. */
START_TEST(no_memory_for_the_reserve)
{
    struct bed bed, *b = &bed;
    int failures = 0;
    large(b);
    for (int after = 0, hits = 1; hits; after++) {
        fault_full(&b->fault, ROOM);
        MUST(kv_store(b, "makes", "it"));
        ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 1);
        uint32_t segments = bed_last_segment(b);
        fault_full(&b->fault, 0);
        heap_fail(after, 0);
        int rc = to_reserve(b);
        hits = heap_works();
        ck_assert_msg(rc == 0 || rc == CUBBY_ENOMEM || rc == CUBBY_ENOSPC || rc == CUBBY_EIO, "%d: %d %s", after, rc, b->err.message);
        failures += rc != 0;
        if (rc == 0)
            ck_assert_uint_eq(bed_last_segment(b), segments + 1);
    }
    ck_assert_int_gt(failures, 3);
    fault_full(&b->fault, ROOM);
    MUST(kv_store(b, "goes", "on"));
    sound(b);
    bed_end(b);
}
END_TEST

/* It has become a segment whose name may not last: nobody writes before a recovery. */
START_TEST(a_reserve_whose_name_may_be_lost)
{
    struct bed bed, *b = &bed;
    large(b);
    fault_full(&b->fault, 0);
    fault_set(&b->fault, FAULT_DIRSYNC, "segments", 0, -EIO, 0);
    ck_assert_int_eq(to_reserve(b), CUBBY_EIO);
    ck_assert_int_eq(b->fault.rc, 0); /* it has failed */
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 1);
    fault_full(&b->fault, ROOM);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 0);
    sound(b);
    bed_end(b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_reserve_that_is_too_short, a_reserve_that_cannot_be_opened, more_to_remove_than_the_reserve_holds,
                                  a_proof_behind_the_last_zeros, no_memory_for_the_reserve, a_reserve_whose_name_may_be_lost};
    heap_install();
    return unit_run("store/reserve", tests, sizeof tests / sizeof *tests);
}
