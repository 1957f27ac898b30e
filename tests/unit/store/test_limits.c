/* Where the store ends: the last segment number there is, and a store whose segments are not there at all. */
#include "store/commit.h"
#include "unit/store/store_util.h"

/* The first segment, with another number. Its frames are right in any file with its nonce. */
static void renumber(struct bed *b, uint32_t number)
{
    struct cubby__seg_header h;
    struct cubby__buf head = CUBBY__BUF_INIT;
    MUST(cubby__log_header(b->s->log, 1, &h, &b->err));
    bed_close(b);
    h.number = number;
    MUST(cubby__seg_header_encode(&h, &head));
    ck_assert_uint_eq(head.len, h.frames);
    bed_write(b, seg_path(1), 0, head.data, head.len);
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(1), seg_path(number)));
    MUST(b->vfs->unlink(b->vfs->ctx, "/s/index"));
    cubby__buf_release(&head);
    cubby__seg_header_release(&h);
}

static void at_the_last_number(struct bed *b, uint64_t segment_bytes)
{
    bed_begin_with(b, segment_bytes, 0);
    kv_store_many(b, 0, 5, 100);
    renumber(b, CUBBY__SEG_NUMBER_MAX);
    bed_open(b);
    bed_quiet(b); /* the segments before are missing */
}

/* The last segment takes it all. */
START_TEST(no_number_is_left)
{
    struct bed bed, *b = &bed;
    at_the_last_number(b, 3000);
    kv_store_many(b, 0, 200, 200);
    ck_assert_uint_eq(b->s->pending.seg, CUBBY__SEG_NUMBER_MAX);
    ck_assert_uint_gt(b->s->pending.seg_off, 40000);
    bed_close(b);
    bed_open(b);
    ck_assert_uint_eq(b->s->pending.seg, CUBBY__SEG_NUMBER_MAX);
    kv_store_many(b, 200, 210, 200);
    ck_assert_str_ne(kv_look(b, "k0150"), "");
    ck_assert_str_ne(kv_look(b, "k0209"), "");
    ck_assert_str_eq(b->notice, "");
    bed_end(b);
}
END_TEST

/* A failure that takes a new segment ends writing, and says why. What is there can be read. */
START_TEST(a_failure_at_the_last_number)
{
    struct bed bed, *b = &bed;
    at_the_last_number(b, 1 << 20);
    kv_store_many(b, 0, 10, 50);
    fault_set(&b->fault, FAULT_SYNC, ".seg", 0, -EIO, 0);
    REFUSES(kv_store(b, "lost", "perhaps"), CUBBY_EUNKNOWN);
    for (int i = 0; i < 2; i++) {
        REFUSES(kv_store(b, "no", "more"), CUBBY_ELIMIT);
        ck_assert_ptr_nonnull(strstr(b->err.message, "99999999"));
        ck_assert_str_ne(kv_look(b, "k0009"), "");
    }
    cubby__store_close(&b->s, &b->err);
    REFUSES(bed_try_open(b, 0), CUBBY_ELIMIT);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    ck_assert_str_ne(kv_look(b, "k0009"), "");
    bed_end(b);
}
END_TEST

/* Not "there is no store", and nothing that could be of use is removed. */
START_TEST(no_segments_at_all)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    struct cubby__buf want = kv_dump(b);
    for (int index = 1; index >= 0; index--) {
        bed_close(b);
        if (!index)
            MUST(b->vfs->unlink(b->vfs->ctx, "/s/index"));
        MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/away"));
        for (int i = 0; i < 4; i++) {
            REFUSES(bed_try_open(b, i % 2 ? CUBBY_READ_ONLY : i ? CUBBY_REBUILD : 0), CUBBY_ECORRUPT);
            ck_assert_str_eq(b->err.path, "/s/segments");
            ck_assert_ptr_nonnull(strstr(b->err.message, "missing"));
            ck_assert_int_eq(bed_exists(b, "/s/index"), index);
        }
        bed_write(b, "/s/segments", 0, "x", 1);
        REFUSES(bed_try_open(b, 0), CUBBY_ECORRUPT);
        ck_assert_ptr_nonnull(strstr(b->err.message, "not a directory"));
        MUST(b->vfs->unlink(b->vfs->ctx, "/s/segments"));
        MUST(b->vfs->rename(b->vfs->ctx, "/s/away", "/s/segments"));
        bed_quiet(b);
        bed_open(b);
        if (index)
            ck_assert_str_eq(b->notice, "");
    }
    same_rows(want, kv_dump(b));
    bed_end(b);
}
END_TEST

/* Of those who have it open the writer is told the same when it needs them; the reader reads on. */
START_TEST(segments_that_go_away)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/away"));
    cubby__shared_set(b->s, CUBBY__SHARED_LATCH_OFF, 1); /* a recovery is due */
    REFUSES(kv_store(b, "a", "b"), CUBBY_ECORRUPT);
    ck_assert_str_ne(kv_look(b, "k0004"), "");
    MUST(b->vfs->rename(b->vfs->ctx, "/s/away", "/s/segments"));
    MUST(kv_store(b, "a", "b"));
    bed_clean(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/limits", no_number_is_left, a_failure_at_the_last_number, no_segments_at_all, segments_that_go_away)
