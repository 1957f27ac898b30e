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

UNIT_MAIN("store/stat", figures, failures)
