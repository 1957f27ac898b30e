/* test_last_words.c - what an index that is thrown away knew of numbers: the same old segments come back again and again, and no number is given twice. */
#include "store/index.h"
#include "store/recover.h"
#include "unit/heap.h"
#include "unit/store/store_util.h"

/* The counter is one of the layer above. */
static const struct cubby__handlers lasting = {.apply = kv_apply, .define = kv_define, .create = kv_create, .damage = kv_damage, .shrinks = kv_shrinks,
                                               .outlive = kv_define};

static int open_with(struct bed *b, unsigned flags)
{
    cubby_options o = b->o;
    o.flags = flags;
    memset(&b->err, 0, sizeof b->err);
    bed_quiet(b);
    return cubby__store_open("/s", &o, &lasting, &b->s, &b->err);
}

/* Some numbers of every kind. */
static int give(struct bed *b, uint64_t n)
{
    struct cubby__txn *t;
    int rc = cubby__txn_begin(b->s, 0, &t, &b->err);
    if (rc != 0)
        return rc;
    struct cubby__floors *f = cubby__txn_floors(t);
    f->object += n;
    f->piece += n;
    f->folder += n;
    f->thread += n;
    f->uidvalidity += n;
    rc = kv_mark(t, kv_counter(b) + n);
    if (rc != 0) {
        cubby__txn_abort(&t);
        return rc;
    }
    return cubby__txn_commit(&t, NULL);
}

/* All above those that `before` gave. */
static void go_on_above(const struct cubby__floors *before, uint64_t counter_before, const struct cubby__floors *f, uint64_t counter)
{
    ck_assert_uint_gt(f->commit, before->commit);
    ck_assert_uint_gt(f->object, before->object);
    ck_assert_uint_gt(f->piece, before->piece);
    ck_assert_uint_gt(f->folder, before->folder);
    ck_assert_uint_gt(f->thread, before->thread);
    ck_assert_uint_gt(f->uidvalidity, before->uidvalidity);
    ck_assert_uint_gt(counter, counter_before);
}

static void restore(struct bed *base, struct bed *b)
{
    for (uint32_t n = bed_last_segment(b); n > 1; n--)
        bed_unlink(b, seg_path(n));
    bed_copy_file(base, b, seg_path(1));
}

/* A store that goes on with `lost` numbers behind what is kept in *base, and has a checkpoint that knows. */
static void made(struct bed *base, struct bed *b, uint64_t lost)
{
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    bed_close(b);
    bed_copy(b, base);
    MUST(open_with(b, 0));
    MUST(give(b, lost));
    MUST(cubby__store_checkpoint(b->s, &b->err));
}

/* checkpoint: else the last one of each round is that of its recovery, whose segment is not there in the next. */
static void restored_again_and_again(int checkpoint)
{
    struct bed base, bed, *b = &bed;
    made(&base, b, 100);
    struct cubby__floors floors = b->s->floors;
    uint64_t counter = kv_counter(b);
    for (int round = 0; round < 4; round++) {
        bed_close(b);
        restore(&base, b);
        MUST(open_with(b, CUBBY_READ_ONLY));
        uint64_t as_read = kv_counter(b);
        bed_close(b);
        ck_assert_uint_eq(bed_last_segment(b), 1);
        MUST(open_with(b, 0));
        ck_assert_uint_eq(kv_counter(b), as_read);
        ck_assert_msg(strstr(b->notice, "had been synced"), "round %d: %s", round, b->notice);
        MUST(give(b, 3));
        go_on_above(&floors, counter, &b->s->floors, kv_counter(b));
        floors = b->s->floors;
        counter = kv_counter(b);
        ck_assert_str_eq(kv_look(b, "k0004"), "eeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
        if (checkpoint)
            MUST(cubby__store_checkpoint(b->s, &b->err));
    }
    bed_end(b);
    bed_end(b = &base);
}

START_TEST(the_same_segments_again)
{
    restored_again_and_again(0);
    restored_again_and_again(1);
}
END_TEST

/* More were lost than damage can hold, by the bytes of it. */
START_TEST(more_than_a_segment_holds)
{
    struct bed base, bed, *b = &bed;
    const uint64_t lost = 10 * cubby__records_in(CUBBY__SEG_CAPACITY_MAX);
    made(&base, b, lost);
    struct cubby__floors floors = b->s->floors;
    uint64_t counter = kv_counter(b);
    bed_close(b);
    restore(&base, b);
    bed_write(b, "/s/tmp/old-index", 0, "not an index", 12); /* which says nothing */
    MUST(open_with(b, 0));
    go_on_above(&floors, counter, &b->s->floors, kv_counter(b));
    bed_end(b);
    bed_end(b = &base);
}
END_TEST

/* What was raised stands in the successor: an index built of the segments alone comes to the same, whatever others say. */
START_TEST(a_rebuild_comes_to_the_same)
{
    struct bed base, bed, *b = &bed;
    made(&base, b, 100);
    bed_close(b);
    bed_copy_file(b, &base, "/s/index");
    restore(&base, b);
    MUST(open_with(b, 0));
    kv_store_many(b, 7, 9, 30);
    bed_rebuild_is_equal(b);
    struct cubby__buf rows = kv_dump(b);
    bed_close(b);
    bed_unlink(b, "/s/index");
    MUST(open_with(b, 0));
    struct cubby__buf again = kv_dump(b);
    ck_assert_int_eq(b->notices, 0);
    same_rows(rows, again);
    rows = kv_dump(b);
    bed_close(b);
    bed_copy_file(&base, b, "/s/index"); /* that of before the loss: a recovery has seen to it */
    MUST(open_with(b, 0));
    ck_assert_ptr_null(strstr(b->notice, "commits up to"));
    same_rows(rows, kv_dump(b));
    bed_end(b);
    bed_end(b = &base);
}
END_TEST

/* X4: numbers above the last commit are no loss as long as the segment is there. */
START_TEST(numbers_without_a_loss)
{
    struct bed base, bed, *b = &bed;
    made(&base, b, 100);
    bed_close(b);
    restore(&base, b);
    MUST(open_with(b, 0));
    uint64_t counter = kv_counter(b);
    ck_assert_uint_gt(b->s->floors.commit, b->s->pending.commit);
    for (int i = 0; i < 3; i++) {
        bed_close(b);
        MUST(open_with(b, i == 1 ? CUBBY_REBUILD : 0));
        ck_assert_uint_eq(kv_counter(b), counter);
        ck_assert_ptr_null(strstr(b->notice, "commits up to"));
    }
    bed_end(b);
    bed_end(b = &base);
}
END_TEST

/* So are those that damage may have held. */
START_TEST(numbers_of_damage)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 3, 30);
    uint64_t off = b->s->pending.seg_off;
    kv_store_many(b, 3, 6, 30);
    bed_close(b);
    bed_flip(b, seg_path(1), off + 40, 1);
    bed_unlink(b, "/s/index");
    for (int i = 0; i < 3; i++) {
        MUST(open_with(b, i == 1 ? CUBBY_REBUILD : 0));
        ck_assert_ptr_null(strstr(b->notice, "commits up to"));
        ck_assert_uint_gt(b->s->floors.commit, b->s->pending.commit);
        ck_assert_uint_eq(b->s->pending.checkpoint_commit, b->s->pending.commit);
        bed_close(b);
        ck_assert_uint_eq(bed_last_segment(b), 1);
    }
    bed_end(b);
}
END_TEST

/* Another file has the name of its segment; or only the header of it cannot be read, and nobody knows. */
START_TEST(the_segment_of_an_index)
{
    for (int kind = 0; kind < 2; kind++) {
        struct bed base, bed, *b = &bed;
        struct cubby__floors before = {0}, after = {0};
        made(&base, b, 100);
        for (int round = 0; round < 2; round++) {
            bed_close(b);
            if (kind == 0 || round == 0) {
                restore(&base, b);
                bed_copy_file(b, &base, "/s/index");
            }
            if (round == 1 && kind == 0) { /* another process has recovered from the same, without an index; its number is the same */
                bed_unlink(b, "/s/index");
                bed_write(b, seg_path(1), bed_size(b, seg_path(1)), "torn", 4);
                MUST(open_with(b, 0));
                bed_close(b);
                bed_copy_file(&base, b, "/s/index");
            }
            if (round == 1 && kind == 1)
                for (uint64_t off = 0; off < 1024; off += 8)
                    bed_flip(b, seg_path(2), off, 1);
            MUST(open_with(b, 0));
            MUST(give(b, 1));
            before = after;
            after = b->s->floors;
        }
        ck_assert_uint_gt(after.commit, before.commit);
        ck_assert_uint_gt(after.object, before.object);
        bed_end(b);
        bed_end(b = &base);
    }
}
END_TEST

static void zero_pages(struct bed *b, const char *path)
{
    uint8_t zeros[4096] = {0};
    for (uint64_t off = 8192; off < bed_size(b, path); off += 4096)
        bed_write(b, path, off, zeros, sizeof zeros);
}

/* What cannot be read says nothing: numbers go on above the log, as without an index. */
START_TEST(an_index_without_pages)
{
    struct bed base, bed, *b = &bed;
    made(&base, b, 100);
    uint64_t modseq, last = b->s->pending.commit;
    bed_close(b);
    restore(&base, b);
    zero_pages(b, "/s/index");
    MUST(open_with(b, 0));
    ck_assert_uint_ge(kv_counter(b), cubby__records_in(CUBBY__SEG_CAPACITY_MAX));
    MUST(kv_store_in(b->s, "more", "more", 0, &modseq, &b->err));
    ck_assert_uint_gt(modseq, last + cubby__records_in(CUBBY__SEG_CAPACITY_MAX));
    bed_end(b);
    bed_end(b = &base);
}
END_TEST

/* Numbers that counting does not reach are not believed, and there is always a uidvalidity left. */
START_TEST(a_forged_index)
{
    for (int kind = 0; kind < 3; kind++) {
        struct bed base, bed, *b = &bed;
        struct cubby__txn *t;
        made(&base, b, 100);
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        struct cubby__floors *f = cubby__txn_floors(t);
        if (kind == 0)
            f->uidvalidity = CUBBY__NUMBER_MAX;
        else if (kind == 1)
            f->object = CUBBY__NUMBER_MAX - 1;
        else
            f->thread = UINT64_MAX;
        MUST(kv_mark(t, kv_counter(b) + 1));
        MUST(cubby__txn_commit(&t, NULL));
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_close(b);
        restore(&base, b);
        MUST(open_with(b, 0));
        ck_assert_uint_le(b->s->floors.uidvalidity, CUBBY__UIDVALIDITY_LAST);
        if (kind)
            ck_assert_uint_lt(b->s->floors.uidvalidity, CUBBY__UIDVALIDITY_LAST);
        MUST(kv_store(b, "more", "more"));
        bed_end(b);
        bed_end(b = &base);
    }
}
END_TEST

/* Of the index it is only told; a segment that cannot be read now may be all there is to know. */
START_TEST(failing)
{
    static const char *const on[] = {"/s/index", "segments"};
    for (int which = 0; which < 2; which++) {
        struct bed base, bed, *live = &bed, *b = live;
        int failed = 0;
        made(&base, b, 100);
        bed_close(b);
        restore(&base, b);
        MUST(open_with(b, 0)); /* an index whose floors are above its last commit, and no segment of it */
        bed_close(b);
        restore(&base, b);
        for (int after = 0, hits = 1; hits; after++) {
            struct bed hurt;
            bed_copy(live, b = &hurt);
            fault_set(&b->fault, FAULT_PREAD, on[which], after, -EIO, which); /* a header stands there twice */
            int rc = open_with(b, CUBBY_REBUILD);
            hits = b->fault.hits;
            failed += rc != 0;
            ck_assert_msg(rc == 0 || (hits && rc == CUBBY_EIO), "%s %d: %d %s", on[which], after, rc, b->err.message);
            ck_assert_msg(which == 0 || !hits == !rc, "%d: it is not told of", after);
            if (hits && which == 0)
                ck_assert_msg(strstr(b->notice, "cannot be read"), "%d: %s", after, b->notice);
            b->fault.rc = 0;
            bed_end(b);
        }
        ck_assert_msg(which ? failed > 2 : failed == 0, "%s: %d", on[which], failed);
        bed_end(b = live);
        bed_end(b = &base);
    }
}
END_TEST

START_TEST(out_of_memory)
{
    heap_install();
    struct bed base, bed, *live = &bed, *b = live;
    made(&base, b, 100);
    bed_close(b);
    restore(&base, b);
    int failed = 0;
    for (int n = 0, hits = 1; hits; n++) {
        struct bed hurt;
        bed_copy(live, b = &hurt);
        heap_fail(n, 0);
        int rc = open_with(b, 0);
        hits = heap_works();
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_ENOMEM), "%d: %d %s", n, rc, b->err.message);
        if (rc == 0)
            ck_assert_uint_gt(kv_counter(b), 100 + cubby__records_in(CUBBY__SEG_CAPACITY_MAX));
        failed += rc != 0;
        bed_end(b);
    }
    ck_assert_int_gt(failed, 20);
    bed_end(b = live);
    bed_end(b = &base);
}
END_TEST

/* Where there is no room for two indexes the old one goes; what it knew is known. */
START_TEST(no_room_for_both)
{
    struct bed base, bed, *b = &bed;
    made(&base, b, 100);
    uint64_t counter = kv_counter(b);
    bed_close(b);
    restore(&base, b);
    fault_set(&b->fault, FAULT_PWRITE, "/s/index", 0, -ENOSPC, 0);
    MUST(open_with(b, 0));
    ck_assert_int_eq(b->fault.hits, 1);
    ck_assert_uint_gt(kv_counter(b), counter + cubby__records_in(CUBBY__SEG_CAPACITY_MAX) - 1);
    ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), 0);
    bed_end(b);
    bed_end(b = &base);
}
END_TEST

/* Before anybody opens it, a check says so. */
START_TEST(a_check_tells)
{
    struct bed base, bed, *b = &bed;
    made(&base, b, 100);
    bed_close(b);
    restore(&base, b);
    MUST(open_with(b, 0));
    MUST(give(b, 3));
    ck_assert_uint_lt(b->s->pending.checkpoint_commit, 100);
    bed_close(b);
    restore(&base, b);
    struct findings x = bed_check(b);
    ck_assert_str_eq(x.codes, "LOG_SHORT ");
    int failed = 0;
    for (int after = 0, hits = 1; hits; after++) {
        cubby_check_result r = {0};
        struct findings y = {0};
        fault_set(&b->fault, FAULT_PREAD, "segments", 0, 0, 0);
        b->fault.rc = 0;
        MUST(open_with(b, CUBBY_READ_ONLY));
        fault_set(&b->fault, FAULT_PREAD, "segments", after, -EIO, 0);
        int rc = cubby__store_check(b->s, NULL, on_finding, &y, &r, &b->err);
        hits = b->fault.hits;
        failed += rc != 0;
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_EIO), "%d: %d %s", after, rc, b->err.message);
        b->fault.rc = 0;
        bed_close(b);
    }
    ck_assert_int_gt(failed, 2);
    bed_end(b);
    bed_end(b = &base);
}
END_TEST

UNIT_MAIN("store/last_words", the_same_segments_again, more_than_a_segment_holds, a_rebuild_comes_to_the_same, numbers_without_a_loss, numbers_of_damage,
          the_segment_of_an_index, an_index_without_pages, a_forged_index, failing, out_of_memory, no_room_for_both, a_check_tells)
