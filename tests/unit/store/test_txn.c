#include "unit/store/store_util.h"

START_TEST(commit_and_look)
{
    struct bed bed, *b = &bed;
    uint64_t first, second;
    bed_begin(b);
    MUST(kv_store_in(b->s, "a", "one", 0, &first, &b->err));
    MUST(kv_store_in(b->s, "a", "two", 0, &second, &b->err));
    ck_assert_uint_eq(second, first + 1);
    ck_assert_str_eq(kv_look(b, "a"), "two");
    ck_assert_str_eq(kv_look(b, "b"), "");
    struct cubby__txn *t;
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_del(t, "a"));
    MUST(kv_put(t, "b", "three", 5));
    MUST(cubby__txn_commit(&t, NULL));
    ck_assert_ptr_null(t);
    ck_assert_str_eq(kv_look(b, "a"), "");
    ck_assert_str_eq(kv_look(b, "b"), "three");
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

START_TEST(abort_leaves_nothing)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t = NULL;
    bed_begin(b);
    kv_store_many(b, 0, 50, 40);
    struct cubby__buf before = kv_dump(b);
    uint64_t size = bed_size(b, seg_path(1)), number;
    cubby__txn_abort(&t);
    for (int i = 0; i < 3; i++) {
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        number = cubby__txn_number(t);
        for (int k = 0; k < 200; k++)
            MUST(kv_put(t, k % 2 ? "k0003" : "new", "x", 1));
        MUST(kv_del(t, "k0001"));
        cubby__txn_floors(t)->object = 77;
        cubby__txn_abort(&t);
        ck_assert_ptr_null(t);
    }
    same_rows(before, kv_dump(b));
    ck_assert_uint_eq(bed_size(b, seg_path(1)), size);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    ck_assert_uint_eq(cubby__txn_number(t), number);
    ck_assert_uint_eq(cubby__txn_floors(t)->object, 0);
    cubby__txn_abort(&t);
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

START_TEST(nothing_to_commit)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    uint64_t last, modseq = 0;
    bed_begin(b);
    MUST(kv_store_in(b->s, "a", "one", 0, &last, &b->err));
    uint64_t size = bed_size(b, seg_path(1));
    int syncs = b->fault.calls[FAULT_SYNC], writes = b->fault.calls[FAULT_PWRITE];
    for (int i = 0; i < 3; i++) {
        MUST(cubby__txn_begin(b->s, i ? CUBBY_LAZY : 0, &t, &b->err));
        MUST(cubby__txn_commit(&t, i == 2 ? NULL : &modseq));
        ck_assert_uint_eq(modseq, last);
    }
    ck_assert_uint_eq(bed_size(b, seg_path(1)), size);
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], syncs);
    ck_assert_int_eq(b->fault.calls[FAULT_PWRITE], writes);
    bed_end(b);
}
END_TEST

START_TEST(own_changes_are_seen)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct kv_row r;
    bed_begin(b);
    MUST(kv_store(b, "old", "1"));
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    struct cubby__view *v = cubby__txn_view(t);
    MUST(kv_put(t, "new", "2", 1));
    MUST(kv_get(v, "new", buf, &r));
    ck_assert_uint_eq(r.commit, cubby__txn_number(t));
    MUST(kv_del(t, "old"));
    ck_assert_int_eq(kv_get(v, "old", buf, &r), CUBBY_DONE);
    ck_assert_str_eq(kv_look(b, "old"), "1"); /* nobody else sees it */
    ck_assert_str_eq(kv_look(b, "new"), "");
    struct cubby__cursor c;
    static const uint8_t key[1] = {CUBBY__KS_ANNOTATION};
    cubby__view_cursor(v, &c);
    MUST(cubby__cursor_seek(&c, key, 1));
    ck_assert_uint_eq(cubby__cursor_key(&c).n, 4);
    ck_assert_mem_eq(cubby__cursor_key(&c).p + 1, "new", 3);
    cubby__cursor_release(&c);
    MUST(cubby__txn_commit(&t, NULL));
    bed_end(b);
}
END_TEST

static uint8_t *pattern(size_t n, unsigned seed)
{
    uint8_t *p = cubby__malloc(n);
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(i * 31 + seed + (i >> 8));
    return p;
}

static void read_piece(struct bed *b, const struct cubby__view *v, uint64_t id, size_t n, unsigned seed)
{
    uint8_t key[16] = {CUBBY__KS_PIECE}, row[CUBBY__TREE_VALUE_MAX], *want = pattern(n, seed);
    struct kv_row r;
    struct cubby__buf buf = CUBBY__BUF_INIT;
    struct cubby__piece piece;
    const uint8_t *payload;
    size_t len;
    MUST(cubby__view_get(v, key, 1 + cubby__keynum_put(key + 1, id), row, &len));
    MUST(kv_decode(row, len, &r));
    ck_assert_uint_eq(r.place.len, n);
    MUST(cubby__view_read(v, &r.place, CUBBY__REC_PIECE, &buf, &payload, &piece));
    ck_assert_uint_eq(piece.id, id);
    if (n)
        ck_assert_mem_eq(payload, want, n);
    cubby__buf_release(&buf);
    cubby__free(want);
}

/* Pieces in memory and in two spools, between records: read before the commit, after it, and after another open. */
START_TEST(own_frames_are_read)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct cubby__spool *sp[2];
    static const size_t sizes[] = {100000, 1, 0, 131072, 7, 5000, 4096, 65536};
    enum { N = sizeof sizes / sizeof *sizes };
    uint64_t offs[N];
    bed_begin(b);
    for (int i = 0; i < 2; i++)
        MUST(cubby__spool_new(b->s, &sp[i], &b->err));
    for (unsigned i = 0; i < N; i++) {
        uint8_t *p = pattern(sizes[i], i);
        if (i % 3)
            MUST(cubby__spool_add(sp[i % 2], p, sizes[i], &offs[i], &b->err));
        cubby__free(p);
    }
    MUST(kv_store(b, "before", "x"));
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    for (unsigned i = 0; i < N; i++) {
        uint8_t *p = pattern(sizes[i], i);
        struct cubby__piece piece = {.id = i + 1, .orig_len = (uint32_t)sizes[i]};
        struct cubby__content c = {.mem = i % 3 ? NULL : p, .spool = i % 3 ? sp[i % 2] : NULL, .off = i % 3 ? offs[i] : 0, .len = (uint32_t)sizes[i]};
        MUST(cubby__txn_log_piece(t, &piece, &c));
        MUST(kv_put(t, "between", p, sizes[i] < 90 ? sizes[i] : 90));
        cubby__free(p);
        for (unsigned k = 0; k <= i; k++)
            read_piece(b, cubby__txn_view(t), k + 1, sizes[k], k);
    }
    for (int i = 0; i < 2; i++)
        cubby__spool_unref(&sp[i]); /* the transaction keeps them */
    struct cubby__place beyond = {1, 10, cubby__framer_end(&t->node->framer)};
    struct cubby__buf buf = CUBBY__BUF_INIT;
    const uint8_t *payload;
    REFUSES(cubby__view_read(cubby__txn_view(t), &beyond, CUBBY__REC_OBJECT, &buf, &payload, NULL), CUBBY_ECORRUPT);
    beyond = (struct cubby__place){1, 10, t->node->framer.base + 8};
    REFUSES(cubby__view_read(cubby__txn_view(t), &beyond, CUBBY__REC_OBJECT, &buf, &payload, NULL), CUBBY_ECORRUPT);
    cubby__buf_release(&buf);
    MUST(cubby__txn_commit(&t, NULL));
    for (int round = 0; round < 3; round++) {
        struct cubby__view v;
        MUST(cubby__view_begin(b->s, &v, &b->err));
        for (unsigned k = 0; k < N; k++)
            read_piece(b, &v, k + 1, sizes[k], k);
        cubby__view_end(&v);
        bed_rebuild_is_equal(b);
        bed_close(b);
        if (round == 1)
            bed_unlink(b, "/s/index");
        bed_open(b);
    }
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* The wrong type at a place of the running transaction. */
START_TEST(own_frame_of_another_type)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    uint8_t row[CUBBY__TREE_VALUE_MAX];
    struct kv_row r;
    struct cubby__buf buf = CUBBY__BUF_INIT;
    const uint8_t *payload;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "key", "value", 5));
    MUST(kv_get(cubby__txn_view(t), "key", row, &r));
    MUST(cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL));
    ck_assert_mem_eq(payload + 5, "value", 5);
    REFUSES(cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_ENTRY, &buf, &payload, NULL), CUBBY_ECORRUPT);
    r.place.len--;
    REFUSES(cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL), CUBBY_ECORRUPT);
    cubby__buf_release(&buf);
    cubby__txn_abort(&t);
    bed_end(b);
}
END_TEST

START_TEST(a_broken_record_spoils)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    struct cubby__buf before = kv_dump(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "a", "1", 1));
    ck_assert_int_eq(cubby__txn_log(t, CUBBY__REC_MARK, 0, "x", 1), CUBBY_ECORRUPT);
    ck_assert_int_eq(kv_put(t, "b", "1", 1), CUBBY_ECORRUPT);
    struct cubby__content c = {.mem = (const uint8_t *)"x", .len = 1};
    struct cubby__piece piece = {.id = 1};
    ck_assert_int_eq(cubby__txn_log_piece(t, &piece, &c), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__txn_commit(&t, NULL), CUBBY_ECORRUPT);
    ck_assert_ptr_null(t);
    same_rows(before, kv_dump(b));
    MUST(kv_store(b, "a", "2"));
    ck_assert_str_eq(kv_look(b, "a"), "2");
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

START_TEST(types_that_nobody_knows)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    REFUSES(cubby__txn_log(t, 99, 0, "x", 1), CUBBY_EVERSION);
    cubby__txn_abort(&t);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(cubby__txn_log(t, 99, CUBBY__FRAME_COMPATIBLE, "future", 6));
    MUST(cubby__txn_log(t, 98, CUBBY__FRAME_COMPATIBLE, NULL, 0));
    MUST(cubby__txn_commit(&t, NULL));
    struct cubby__view v;
    struct cubby__cursor c;
    static const uint8_t carried[1] = {CUBBY__KS_CARRIED};
    MUST(cubby__view_begin(b->s, &v, &b->err));
    cubby__view_cursor(&v, &c);
    MUST(cubby__cursor_seek(&c, carried, 1));
    int rows = 0;
    for (int rc = 0; rc == 0 && cubby__cursor_key(&c).p[0] == CUBBY__KS_CARRIED; rc = cubby__cursor_next(&c))
        rows++;
    cubby__cursor_release(&c);
    cubby__view_end(&v);
    ck_assert_int_eq(rows, 2);
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

START_TEST(too_long_a_record)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    REFUSES(cubby__txn_log(t, CUBBY__REC_ANNOTATION, 0, "x", (size_t)CUBBY__FRAME_LEN_MAX + 1), CUBBY_ELIMIT);
    MUST(kv_put(t, "still", "fine", 4)); /* nothing was done */
    MUST(cubby__txn_commit(&t, NULL));
    bed_end(b);
}
END_TEST

START_TEST(read_only_handles)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct cubby__spool *sp;
    bed_begin(b);
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    ck_assert_int_eq(cubby__store_read_only(b->s), 1);
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_EACCES);
    REFUSES(cubby__spool_new(b->s, &sp, &b->err), CUBBY_EACCES);
    REFUSES(cubby__store_checkpoint(b->s, &b->err), CUBBY_EACCES);
    MUST(cubby__store_sync(b->s, &b->err));
    bed_end(b);
}
END_TEST

/* Every commit raises the floors by what its records say; they last. */
START_TEST(floors)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct cubby__piece piece = {.id = 900};
    struct cubby__content c = {.mem = (const uint8_t *)"x", .len = 1};
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    uint64_t number = cubby__txn_number(t);
    ck_assert_int_gt(cubby__txn_now(t), 1000000000);
    ck_assert_ptr_eq(cubby__txn_err(t), &b->err);
    MUST(cubby__txn_log_piece(t, &piece, &c));
    MUST(cubby__txn_commit(&t, NULL));
    for (int i = 0; i < 3; i++) {
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        ck_assert_uint_eq(cubby__txn_floors(t)->piece, 900);
        ck_assert_uint_eq(cubby__txn_number(t), number + 1);
        cubby__txn_abort(&t);
        bed_close(b);
        if (i == 1)
            bed_unlink(b, "/s/index");
        bed_open(b);
    }
    bed_end(b);
}
END_TEST

START_TEST(misplaced_records_are_told)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(cubby__txn_log(t, CUBBY__REC_EXPUNGE, 0, "x", 1));
    ck_assert_int_eq(b->notices, 1);
    ck_assert_ptr_nonnull(strstr(b->notice, "no expunges"));
    MUST(cubby__txn_commit(&t, NULL));
    bed_end(b);
}
END_TEST

START_TEST(one_large_transaction)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    char key[16];
    uint8_t *p = pattern(3000, 1);
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    for (int i = 0; i < 4000; i++) {
        snprintf(key, sizeof key, "big%05d", i * 7919 % 4000);
        MUST(kv_put(t, key, p, (size_t)(i % 3000)));
    }
    MUST(cubby__txn_commit(&t, NULL));
    bed_rebuild_is_equal(b);
    bed_close(b);
    bed_open(b);
    bed_rebuild_is_equal(b);
    MUST(kv_store(b, "after", "that"));
    ck_assert(bed_exists(b, seg_path(2))); /* it had one for itself */
    bed_clean(b);
    cubby__free(p);
    bed_end(b);
}
END_TEST

START_TEST(definitions)
{
    struct cubby__buf d = CUBBY__BUF_INIT;
    cubby__define(&d, 5, 300, "abc", 3);
    static const uint8_t want[] = {5, 0xac, 2, 3, 'a', 'b', 'c'};
    ck_assert_uint_eq(d.len, sizeof want);
    ck_assert_mem_eq(d.data, want, sizeof want);
    cubby__buf_release(&d);
}
END_TEST

UNIT_MAIN("store/txn", commit_and_look, abort_leaves_nothing, nothing_to_commit, own_changes_are_seen, own_frames_are_read, own_frame_of_another_type,
          a_broken_record_spoils, types_that_nobody_knows, too_long_a_record, read_only_handles, floors, misplaced_records_are_told, one_large_transaction,
          definitions)
