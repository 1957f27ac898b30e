/* A full disk: what may go on, what fails, and that nothing worse comes of it (space.c, N1 to N4). */
#include "store/commit.h"
#include "unit/store/segment_util.h"

static int drop(struct bed *b, const char *key)
{
    struct cubby__txn *t;
    int rc = cubby__txn_begin(b->s, 0, &t, &b->err);
    if (rc)
        return rc;
    rc = kv_del(t, key);
    if (rc) {
        cubby__txn_abort(&t);
        return rc;
    }
    return cubby__txn_commit(&t, NULL);
}

static int drop_number(struct bed *b, int i)
{
    char key[16];
    snprintf(key, sizeof key, "k%04d", i);
    return drop(b, key);
}

/* Rows until the disk is full; how many there are then. */
static int fill(struct bed *b, int from, size_t len)
{
    char key[16];
    for (int i = from;; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        int rc = kv_store_long(b, key, len);
        if (rc) {
            ck_assert_int_eq(rc, CUBBY_ENOSPC);
            return i;
        }
    }
}

static void sound(struct bed *b)
{
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 0);
    bed_rebuild_is_equal(b);
    bed_clean(b);
}

START_TEST(an_empty_store_is_small)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    bed_close(b);
    uint64_t size = bed_size(b, "/s/cubby.id") + bed_size(b, "/s/index") + bed_size(b, seg_path(1));
    ck_assert_uint_le(size, 64 << 10);
    ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 0);
    bed_end(b);
}
END_TEST

START_TEST(a_small_store)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 10, 100);
    fault_full(&b->fault, 60000);
    int n = fill(b, 10, 100);
    ck_assert_int_gt(n, 50);
    REFUSES(kv_store(b, "no", "room"), CUBBY_ENOSPC);
    for (int i = 0; i < 30; i++)
        MUST(drop_number(b, i));
    REFUSES(kv_store(b, "no", "room"), CUBBY_ENOSPC);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    sound(b);
    bed_close(b);
    bed_open(b);
    MUST(drop_number(b, 30));
    REFUSES(kv_store(b, "no", "room"), CUBBY_ENOSPC);
    ck_assert_str_eq(kv_look(b, "k0030"), "");
    ck_assert_str_ne(kv_look(b, "k0031"), "");
    fault_full(&b->fault, 1 << 20);
    MUST(kv_store(b, "some", "room"));
    sound(b);
    bed_end(b);
}
END_TEST

/* With more to drop than the zeros behind the log take: tmp/reserve becomes the next segment, and is made again when there is room. */
START_TEST(a_large_store)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    for (int i = 0; i < 11; i++) {
        char key[16];
        snprintf(key, sizeof key, "big%d", i);
        MUST(kv_store_long(b, key, 100 << 10));
    }
    kv_store_many(b, 0, 3000, 20);
    uint32_t segments = bed_last_segment(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 1);
    fault_full(&b->fault, 0);
    ck_assert_int_lt(fill(b, 3000, 100), 9999);
    int dropped = 0;
    while (dropped < 2900 && bed_last_segment(b) == segments)
        MUST(drop_number(b, dropped++));
    for (int i = 0; i < 50; i++)
        MUST(drop_number(b, dropped++));
    ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 0);
    ck_assert_uint_eq(bed_last_segment(b), segments + 1);
    REFUSES(kv_store(b, "no", "room"), CUBBY_ENOSPC);
    sound(b);
    fault_full(&b->fault, 4 << 20);
    MUST(kv_store(b, "some", "room"));
    ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 1);
    sound(b);
    bed_close(b);
    bed_open(b);
    ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 1); /* no leftover */
    ck_assert_str_eq(kv_look(b, "k0049"), "");
    ck_assert_str_ne(kv_look(b, "k2999"), "");
    bed_end(b);
}
END_TEST

/* A commit that is too large for zeros ahead: its room is asked for before its first byte is written. */
START_TEST(a_large_commit)
{
    for (int can = 1; can >= 0; can--) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 5, 100);
        if (!can) /* then it is found out in the middle of the append, and that is undone */
            b->fault.vfs.allocate = NULL;
        fault_full(&b->fault, 40000);
        REFUSES(kv_store_long(b, "big", 200 << 10), CUBBY_ENOSPC);
        ck_assert_str_eq(kv_look(b, "big"), "");
        sound(b);
        MUST(drop_number(b, 3));
        REFUSES(kv_store_long(b, "big", 200 << 10), CUBBY_ENOSPC);
        fault_full(&b->fault, 800000);
        MUST(kv_store_long(b, "big", 200 << 10));
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* Those who wait in the same group are not harmed by the one that finds no room: it is told before it is queued. Here: a later one. */
START_TEST(only_the_one_that_finds_no_room_fails)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    kv_store_many(b, 0, 5, 100);
    fault_full(&b->fault, 20000);
    uint64_t before = 0;
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    before = cubby__txn_number(t);
    char big[60000];
    memset(big, 'b', sizeof big);
    MUST(kv_put(t, "big", big, sizeof big));
    ck_assert_int_eq(cubby__txn_commit(&t, NULL), CUBBY_ENOSPC);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    ck_assert_uint_eq(cubby__txn_number(t), before); /* nothing happened */
    MUST(kv_put(t, "small", "x", 1));
    ck_assert_int_eq(cubby__txn_commit(&t, NULL), 0);
    sound(b);
    bed_end(b);
}
END_TEST

/* The log cannot roll: what is allowed goes on in the old segment, and it rolls when there is room. */
START_TEST(a_roll_without_room)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 0);
    kv_store_many(b, 0, 100, 30);
    uint32_t segments = bed_last_segment(b);
    fault_full(&b->fault, 0);
    int n = 0, dropped = 0;
    while (n < 500 && kv_store_long(b, "x", 200) == 0)
        n++;
    ck_assert_int_lt(n, 500);
    while (!cubby__is_full(b->s))
        MUST(drop_number(b, dropped++));
    MUST(drop_number(b, dropped++));
    ck_assert_uint_eq(bed_last_segment(b), segments);
    fault_full(&b->fault, 1 << 20);
    b->vfs->sleep_ms(b->vfs->ctx, 2000);
    kv_store_many(b, 100, 110, 30);
    ck_assert_uint_gt(bed_last_segment(b), segments);
    sound(b);
    bed_end(b);
}
END_TEST

/* What a writer that died left behind on a disk that is full now: what is kept for removals is enough for a tail that is shorter, and what was to be removed can be. */
START_TEST(recovery_without_room)
{
    enum { SHORT_TAIL, WITH_RESERVE, LONG_TAIL, KINDS };
    for (int kind = 0; kind < KINDS; kind++) {
        struct bed bed, copy, *b = &bed;
        int large = kind == WITH_RESERVE;
        bed_begin(b);
        for (int i = 0; i < 11 && large; i++) {
            char key[16];
            snprintf(key, sizeof key, "big%d", i);
            MUST(kv_store_long(b, key, 100 << 10));
        }
        kv_store_many(b, 0, 30, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        kv_store_many(b, 30, 40, 100);
        if (kind == LONG_TAIL)
            MUST(kv_store_long(b, "long", 40 << 10));
        bed_copy(b, &copy);
        b = &copy;
        fault_full(&b->fault, 0);
        bed_open(b);
        ck_assert_int_eq(cubby__store_read_only(b->s), kind == LONG_TAIL); /* without tmp/reserve it can only be read */
        ck_assert_str_ne(kv_look(b, "k0039"), "");
        if (kind == LONG_TAIL)
            REFUSES(drop_number(b, 39), CUBBY_ENOSPC);
        else
            for (int i = 10; i < 20; i++)
                MUST(drop_number(b, i));
        bed_close(b);
        fault_full(&b->fault, 1 << 20);
        bed_open(b);
        MUST(drop_number(b, 38));
        sound(b);
        bed_end(b);
        b = &bed;
        bed_end(b);
    }
}
END_TEST

/* Zeros that were written ahead, of a segment that was left a moment before its end was cut off: room for a recovery. Nothing else is taken from it. */
START_TEST(room_in_the_segment_before)
{
    static const enum fault_op ops[] = {FAULT_OPS, FAULT_FSTAT, FAULT_PREAD, FAULT_OPEN};
    for (size_t op = 0; op < sizeof ops / sizeof *ops; op++)
        for (int after = 0, hit = 1; hit && after < 100; after++) {
            struct bed bed, copy, *b = &bed;
            bed_begin_with(b, 4096, 0);
            for (int i = 0; bed_last_segment(b) < 2; i++)
                kv_store_many(b, i, i + 1, 100);
            kv_store_many(b, 100, 104, 100);
            bed_copy(b, &copy);
            bed_end(b);
            b = &copy;
            uint64_t size = bed_size(b, seg_path(1)), zeros = bed_size(b, seg_path(2));
            bed_truncate(b, seg_path(1), size + 9000);
            bed_truncate(b, seg_path(2), zeros - 8192);
            fault_full(&b->fault, 0);
            fault_set(&b->fault, ops[op], "segments", after, -EIO, 0);
            int rc = bed_try_open(b, 0);
            hit = b->fault.hits;
            b->fault.rc = 0;
            ck_assert(rc == 0 || (rc == CUBBY_EIO && hit));
            if (rc)
                bed_open(b);
            ck_assert_int_eq(hit || !cubby__store_read_only(b->s), 1);
            ck_assert_str_ne(kv_look(b, "k0103"), "");
            if (!hit) {
                MUST(drop_number(b, 101));
                ck_assert_uint_eq(bed_size(b, seg_path(1)), size);
            }
            bed_close(b);
            fault_full(&b->fault, 1 << 20);
            bed_open(b);
            MUST(kv_store(b, "goes", "on"));
            sound(b);
            bed_end(b);
        }
}
END_TEST

/* What stands in the place of the segment before is another one: nothing is cut off it. */
START_TEST(zeros_of_a_stranger)
{
    struct bed bed, copy, *b = &bed;
    bed_begin_with(b, 4096, 0);
    for (int i = 0; bed_last_segment(b) < 3; i++)
        kv_store_many(b, i, i + 1, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    kv_store_many(b, 100, 104, 100);
    bed_copy(b, &copy);
    bed_end(b);
    b = &copy;
    uint64_t size = bed_size(b, seg_path(2)) + 9000;
    struct cubby__seg_header h = header_of(b, 2);
    h.nonce++;
    write_header(b, seg_path(2), &h);
    cubby__seg_header_release(&h);
    bed_truncate(b, seg_path(2), size);
    fault_full(&b->fault, 0);
    bed_open(b);
    ck_assert_str_ne(kv_look(b, "k0103"), "");
    ck_assert_uint_eq(bed_last_segment(b), 4);
    ck_assert_uint_eq(bed_size(b, seg_path(2)), size);
    bed_end(b);
}
END_TEST

/* tmp/reserve holds what a power cut left of it: none of that gets into the log. */
START_TEST(a_reserve_full_of_junk)
{
    struct bed bed, *b = &bed;
    char junk[4096];
    memset(junk, 0x5a, sizeof junk);
    bed_begin(b);
    for (int i = 0; i < 11; i++) {
        char key[16];
        snprintf(key, sizeof key, "big%d", i);
        MUST(kv_store_long(b, key, 100 << 10));
    }
    kv_store_many(b, 0, 3000, 20);
    uint64_t size = bed_size(b, "/s/tmp/reserve");
    for (uint64_t off = 0; off + sizeof junk <= size; off += sizeof junk)
        bed_write(b, "/s/tmp/reserve", off, junk, sizeof junk);
    uint32_t segments = bed_last_segment(b);
    fault_full(&b->fault, 0);
    for (int i = 0; bed_last_segment(b) == segments; i++)
        MUST(drop_number(b, i));
    ck_assert_uint_eq(bed_last_segment(b), segments + 1);
    sound(b);
    bed_quiet(b);
    bed_close(b);
    bed_open(b);
    ck_assert_str_eq(b->notice, "");
    sound(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/space", an_empty_store_is_small, a_small_store, a_large_store, a_large_commit, only_the_one_that_finds_no_room_fails,
          a_roll_without_room, recovery_without_room, room_in_the_segment_before, zeros_of_a_stranger, a_reserve_full_of_junk)
