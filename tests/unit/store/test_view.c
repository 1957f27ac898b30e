#include "unit/store/store_util.h"

START_TEST(snapshots_do_not_change)
{
    struct bed bed, *b = &bed;
    struct cubby__view v[8];
    struct cubby__buf want[8];
    bed_init(b);
    b->o.cache_bytes = 64 << 10; /* pages are read again and again */
    b->o.segment_bytes = 8192;
    b->o.checkpoint_bytes = 3000;
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    for (int i = 0; i < 8; i++) {
        kv_store_many(b, i * 30, i * 30 + 60, 100);
        MUST(cubby__view_begin(b->s, &v[i], &b->err));
        want[i] = kv_dump_view(&v[i]);
    }
    kv_store_many(b, 0, 300, 80);
    for (int round = 0; round < 8; round++) {
        for (int i = 0; i < 8; i++) {
            if (!v[i].link)
                continue;
            struct cubby__buf now = kv_dump_view(&v[i]);
            ck_assert_uint_eq(now.len, want[i].len);
            ck_assert_mem_eq(now.data, want[i].data, now.len);
            cubby__buf_release(&now);
        }
        int gone = round * 5 % 8;
        cubby__view_end(&v[gone]);
        cubby__view_end(&v[gone]); /* twice is allowed */
        cubby__buf_release(&want[gone]);
        kv_store_many(b, 0, 100, 20);
    }
    ck_assert_uint_eq(cubby__slot_get(b->s), 0);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* Pages are used again once nobody reads them: the index does not grow for ever. */
START_TEST(pages_are_reused)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 1 << 20, 10000);
    kv_store_many(b, 0, 100, 100);
    uint64_t size = bed_size(b, "/s/index");
    for (int i = 0; i < 30; i++)
        kv_store_many(b, 0, 100, 100);
    ck_assert_msg(bed_size(b, "/s/index") < 8 * size, "%llu, then %llu", (unsigned long long)size, (unsigned long long)bed_size(b, "/s/index"));
    bed_clean(b);
    bed_end(b);
}
END_TEST

START_TEST(slots)
{
    struct bed bed, *b = &bed;
    struct cubby__view v[3];
    bed_begin(b);
    for (int i = 0; i < 3; i++) {
        MUST(kv_store(b, "a", "b"));
        MUST(cubby__view_begin(b->s, &v[i], &b->err));
        ck_assert_uint_eq(cubby__slot_get(b->s), v[0].commit + 1); /* the oldest */
        ck_assert_uint_eq(v[i].commit, v[0].commit + (uint64_t)i);
    }
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1000, 0), v[0].commit);
    cubby__view_end(&v[0]);
    ck_assert_uint_eq(cubby__slot_get(b->s), v[1].commit + 1);
    cubby__view_end(&v[2]);
    ck_assert_uint_eq(cubby__slot_get(b->s), v[1].commit + 1);
    cubby__view_end(&v[1]);
    ck_assert_uint_eq(cubby__slot_get(b->s), 0);
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1000, 0), 1000);
    bed_end(b);
}
END_TEST

START_TEST(frames_are_read_and_verified)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    struct cubby__buf buf = CUBBY__BUF_INIT;
    uint8_t row[CUBBY__TREE_VALUE_MAX];
    const uint8_t *payload;
    struct kv_row r;
    bed_begin(b);
    kv_store_many(b, 0, 3, 1000);
    MUST(cubby__view_begin(b->s, &v, &b->err));
    MUST(kv_get(&v, "k0001", row, &r));
    MUST(cubby__view_read(&v, &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL));
    ck_assert(payload[7] == 'b' && payload[1006] == 'b');
    bed_flip(b, seg_path(r.place.seg), r.place.off + 500, 1);
    REFUSES(cubby__view_read(&v, &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL), CUBBY_ECORRUPT);
    ck_assert_uint_eq(b->err.offset, r.place.off);
    bed_flip(b, seg_path(r.place.seg), r.place.off + 500, 1);
    fault_set(&b->fault, FAULT_PREAD, "segments", 0, -EIO, 0);
    REFUSES(cubby__view_read(&v, &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL), CUBBY_EIO);
    MUST(cubby__view_read(&v, &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL));
    cubby__view_end(&v);
    cubby__buf_release(&buf);
    bed_end(b);
}
END_TEST

START_TEST(empty_keys_and_absent_ones)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t n;
    bed_begin(b);
    MUST(cubby__view_begin(b->s, &v, &b->err));
    ck_assert_int_eq(cubby__view_get(&v, "\x7f", 1, buf, &n), CUBBY_DONE);
    ck_assert_int_eq(cubby__view_get(&v, mark_key, 1, buf, &n), 0);
    ck_assert_uint_eq(n, 8);
    cubby__view_end(&v);
    cubby__store_count_body_read(b->s);
    cubby__store_count_body_read(b->s);
    cubby_stat st;
    MUST(cubby__store_get_stat(b->s, &st, &b->err));
    ck_assert_uint_eq(st.body_reads, 2);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/view", snapshots_do_not_change, pages_are_reused, slots, frames_are_read_and_verified, empty_keys_and_absent_ones)
