#include "unit/store/store_util.h"

/* ---- what a stop leaves ---- */

START_TEST(replay_after_a_clean_stop)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    for (int i = 0; i < 10; i++) {
        kv_store_many(b, i * 7, i * 7 + 14, 50);
        struct cubby__buf before = kv_dump(b);
        bed_close(b);
        int writes = b->fault.calls[FAULT_PWRITE];
        MUST(bed_try_open(b, CUBBY_READ_ONLY));
        ck_assert_int_eq(b->fault.calls[FAULT_PWRITE], writes);
        bed_close(b);
        bed_open(b);
        same_rows(before, kv_dump(b));
    }
    ck_assert_int_eq(b->notices, 0);
    ck_assert(!bed_exists(b, seg_path(2))); /* no successor was needed */
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* What a process left that died before its sync: a reader shows it from where it stands, and syncs it before, for a power cut would take it back otherwise,
 * and its number would be given again. */
START_TEST(a_reader_syncs_what_it_shows)
{
    struct bed bed, *b = &bed, died;
    struct cubby__published p;
    bed_begin(b);
    kv_store_many(b, 0, 5, 50);
    MUST(kv_store(b, "last", "one"));
    bed_copy(&bed, b = &died);
    fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
    ck_assert_int_eq(bed_try_open(b, CUBBY_READ_ONLY), CUBBY_EIO);
    b->fault.calls[FAULT_SYNC] = 0;
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], 1);
    ck_assert_str_eq(kv_look(b, "last"), "one");
    cubby__read_published(b->s, &p);
    ck_assert_uint_lt(p.durable, p.commit); /* that nothing in the log says */
    fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
    REFUSES(cubby__store_sync(b->s, &b->err), CUBBY_EIO);
    MUST(cubby__store_sync(b->s, &b->err));
    bed_close(b);
    bed_open(b);
    bed_close(b);
    b->fault.calls[FAULT_SYNC] = 0;
    MUST(bed_try_open(b, CUBBY_READ_ONLY)); /* now there is no such tail */
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], 0);
    bed_end(b);
    bed_end(&bed);
}
END_TEST

/* The process dies after each commit: all of them are there, by the index and without it, again and again. */
START_TEST(unclean_stops)
{
    struct bed bed, *b = &bed;
    struct bed died, twice;
    bed_begin_with(b, 4096, 2000);
    for (int i = 0; i < 80; i++) {
        kv_store_many(b, i, i + 1, (size_t)i);
        struct cubby__buf want = kv_dump(b);
        struct bed *live = b;
        char key[16];
        bed_copy(live, &died);
        b = &died;
        if (i % 3 == 1)
            bed_unlink(b, "/s/index");
        uint32_t segments = bed_last_segment(b);
        bed_open(b);
        ck_assert_uint_le(bed_last_segment(b), segments + 1);
        snprintf(key, sizeof key, "k%04d", i);
        ck_assert_int_eq((int)strlen(kv_look(b, key)), i);
        bed_rebuild_is_equal(b);
        /* it dies again, at once */
        struct cubby__buf recovered = kv_dump(b);
        bed_copy(b, &twice);
        b = &twice;
        bed_open(b);
        same_rows(recovered, kv_dump(b));
        MUST(kv_store(b, "more", "x"));
        bed_clean(b);
        bed_end(b);
        b = &died;
        bed_clean(b);
        bed_end(b);
        cubby__buf_release(&want);
        b = live;
    }
    bed_end(b);
}
END_TEST

START_TEST(read_only_replays_in_memory)
{
    struct bed bed, died, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 30, 50);
    bed_copy(b, &died);
    bed_end(b);
    b = &died;
    for (int i = 0; i < 3; i++) {
        MUST(bed_try_open(b, CUBBY_READ_ONLY));
        ck_assert_str_ne(kv_look(b, "k0029"), "");
        bed_rebuild_is_equal(b);
        bed_close(b);
        if (i == 1)
            bed_unlink(b, "/s/index");
    }
    ck_assert_int_eq(b->fault.calls[FAULT_PWRITE], 0);
    ck_assert(!bed_exists(b, "/s/index") && !bed_exists(b, seg_path(2)));
    bed_end(b);
}
END_TEST

/* ---- torn tails ---- */

static void goes_on(struct bed *b, uint64_t above)
{
    uint64_t modseq;
    MUST(kv_store_in(b->s, "more", "more", 0, &modseq, &b->err));
    ck_assert_uint_gt(modseq, above);
    bed_rebuild_is_equal(b);
    bed_close(b);
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "more"), "more");
}

/* The last commit cut off after every byte; nobody had been told of it. */
START_TEST(every_length_of_a_torn_commit)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 40);
    uint64_t start = b->s->pending.seg_off;
    kv_store_many(b, 5, 6, 150);
    uint64_t end = b->s->pending.seg_off;
    struct bed *live = b;
    for (uint64_t size = start; size <= end; size++) {
        for (int kind = 0; kind < 4; kind++) {
            struct bed died;
            b = &died;
            bed_copy(live, b);
            bed_truncate(b, seg_path(1), size);
            if (kind & 1) /* the zeros ahead */
                bed_truncate(b, seg_path(1), end + 4096);
            if (kind & 2)
                bed_unlink(b, "/s/index");
            bed_open(b);
            ck_assert_str_ne(kv_look(b, "k0004"), "");
            int whole = *kv_look(b, "k0005") != '\0';
            ck_assert_msg(whole == (size == end), "%llu of %llu bytes", (unsigned long long)size, (unsigned long long)end);
            if (size > start && size < end)
                ck_assert_ptr_nonnull(strstr(b->notice, "torn tail"));
            goes_on(b, 6);
            bed_clean(b);
            bed_end(b);
        }
    }
    b = live;
    bed_end(b);
}
END_TEST

/* Garbage of every length behind a clean end. */
START_TEST(garbage_at_the_end)
{
    struct bed bed, *b = &bed;
    uint8_t garbage[300];
    bed_begin(b);
    kv_store_many(b, 0, 5, 40);
    uint64_t at = b->s->pending.seg_off + CUBBY__FRAME_SIZE + CUBBY__PROOF_LEN;
    bed_close(b);
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof garbage; i++)
        garbage[i] = (uint8_t)((x = x * 1103515245 + 12345) >> 16 | 1);
    struct bed *live = b;
    for (size_t n = 1; n <= sizeof garbage; n++) {
        for (int kind = 0; kind < 2; kind++) {
            struct bed died;
            b = &died;
            bed_copy(live, b);
            bed_write(b, seg_path(1), kind ? bed_size(b, seg_path(1)) : at, garbage, n); /* behind the zeros, before them */
            bed_open(b);
            ck_assert_ptr_nonnull(strstr(b->notice, "torn tail"));
            ck_assert_str_ne(kv_look(b, "k0004"), "");
            ck_assert(bed_exists(b, seg_path(2)));
            goes_on(b, 6);
            bed_clean(b);
            bed_end(b);
        }
    }
    b = live;
    bed_end(b);
}
END_TEST

/* ---- damage ---- */

/* A store of commits that are all proven, its index gone. start[i]: where the commit of k000i begins. */
enum { COMMITS = 6 };

static void proven(struct bed *b, uint64_t start[COMMITS + 1])
{
    bed_begin(b);
    for (int i = 0; i < COMMITS; i++) {
        start[i] = b->s->pending.seg_off;
        kv_store_many(b, i, i + 1, 30);
    }
    start[COMMITS] = b->s->pending.seg_off;
    bed_close(b);
    bed_unlink(b, "/s/index");
}

/* What must hold after damage in the commit of k000<bad> (-1: not in one). told: something was noticed. */
static void after_damage(struct bed *b, int bad, uint64_t counter_before)
{
    char key[16];
    for (int i = 0; i < COMMITS; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        const char *is = kv_look(b, key);
        if (i != bad)
            ck_assert_msg(strlen(is) == 30, "%s is lost", key);
        else
            ck_assert(strlen(is) == 30 || !*is);
    }
    if (b->notices) {
        ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
        ck_assert_uint_gt(kv_counter(b), counter_before); /* what the lost bytes could have given out is not given again */
    } else if (bad >= 0) {
        snprintf(key, sizeof key, "k%04d", bad);
        ck_assert_str_ne(kv_look(b, key), "");
    }
    goes_on(b, COMMITS + 1);
}

START_TEST(a_flip_anywhere_in_the_proven_log)
{
    struct bed bed, *b = &bed;
    uint64_t start[COMMITS + 1];
    unsigned unnoticed = 0;
    proven(b, start);
    struct bed *live = b;
    for (int i = 0; i < COMMITS; i++) {
        for (uint64_t off = start[i]; off < start[i + 1]; off++) {
            struct bed hurt;
            uint8_t was;
            b = &hurt;
            bed_copy(live, b);
            bed_read(b, seg_path(1), off, &was, 1);
            bed_flip(b, seg_path(1), off, 0x10);
            struct findings x = bed_check(b);
            ck_assert_int_eq(x.n > 0, was != 0 || strstr(x.codes, "FRAME_DAMAGED"));
            bed_open(b);
            ck_assert_int_eq(b->notices > 0, x.n > 0);
            unnoticed += !b->notices;
            after_damage(b, i, 1);
            bed_end(b);
        }
    }
    ck_assert_uint_le(unnoticed, COMMITS * 7); /* padding */
    b = live;
    bed_end(b);
}
END_TEST

/* A sector of zeros where a commit began: the rest is not beyond the end of the log. */
START_TEST(a_hole_of_zeros_at_a_commit)
{
    static const uint8_t zeros[512];
    struct bed bed, *b = &bed;
    uint64_t start[COMMITS + 1];
    proven(b, start);
    struct bed *live = b;
    for (int i = 0; i < COMMITS; i++) {
        for (int kind = 0; kind < 4; kind++) {
            struct bed hurt;
            b = &hurt;
            bed_copy(live, b);
            size_t n = kind & 1 ? (size_t)(start[i + 1] - start[i]) : 40; /* the whole commit, or the beginning */
            bed_write(b, seg_path(1), start[i], zeros, n);
            if (kind & 2) { /* ... in a sealed segment: another one follows */
                bed_truncate(b, seg_path(1), start[COMMITS] + 40);
                bed_write(b, seg_path(1), start[COMMITS] + 100, "x", 1); /* unclean: the successor is built */
                bed_open(b);
                ck_assert(bed_exists(b, seg_path(2)));
                bed_close(b);
                bed_unlink(b, "/s/index");
                bed_quiet(b);
            }
            struct findings x = bed_check(b);
            ck_assert_ptr_nonnull(strstr(x.codes, "FRAME_DAMAGED"));
            bed_open(b);
            after_damage(b, i, 1);
            ck_assert_int_gt(b->notices, 0);
            bed_end(b);
        }
    }
    b = live;
    bed_end(b);
}
END_TEST

/* The last commit is damaged and a PROOF says that it had been synced: not a torn tail. */
START_TEST(damage_in_the_last_commit)
{
    struct bed bed, *b = &bed;
    uint64_t start[COMMITS + 1], modseq;
    proven(b, start);
    for (uint64_t off = start[COMMITS - 1]; off < start[COMMITS]; off += 16) {
        struct bed hurt, *live = b;
        b = &hurt;
        bed_copy(live, b);
        bed_flip(b, seg_path(1), off, 0x10);
        bed_open(b);
        ck_assert_ptr_nonnull(strstr(b->notice, "damaged"));
        ck_assert_ptr_null(strstr(b->notice, "torn"));
        MUST(kv_store_in(b->s, "more", "more", 0, &modseq, &b->err));
        ck_assert_uint_gt(modseq, COMMITS + 1);
        bed_rebuild_is_equal(b);
        bed_end(b);
        b = live;
    }
    bed_end(b);
}
END_TEST

/* A discarded index still proves: the last commit is damaged, nothing in the segment vouches for it. */
START_TEST(an_index_is_evidence)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    uint64_t start = b->s->pending.seg_off;
    kv_store_many(b, 5, 6, 30);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    for (int kind = 0; kind < 2; kind++) {
        struct bed hurt, *live = b;
        uint64_t modseq;
        b = &hurt;
        bed_copy(live, b);
        bed_flip(b, seg_path(1), start + 8, 1);
        if (kind) { /* every page of the tree is gone, the meta slots are not */
            uint8_t zeros[4096] = {0};
            for (uint64_t off = 8192; off < bed_size(b, "/s/index"); off += 4096)
                bed_write(b, "/s/index", off, zeros, sizeof zeros);
        }
        MUST(bed_try_open(b, CUBBY_REBUILD));
        ck_assert_ptr_nonnull(strstr(b->notice, "damaged"));
        MUST(kv_store_in(b->s, "more", "more", 0, &modseq, &b->err));
        ck_assert_uint_gt(modseq, 7);
        bed_end(b);
        b = live;
    }
    bed_end(b);
}
END_TEST

/* The log ends before the commit that the index says was synced: numbers that were given are not given again. */
START_TEST(the_end_of_the_log_is_gone)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 0);
    kv_store_many(b, 0, 60, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    uint64_t last = b->s->pending.commit;
    bed_close(b);
    uint32_t segments = bed_last_segment(b);
    for (int kind = 0; kind < 2; kind++) {
        struct bed hurt, *live = b;
        uint64_t modseq;
        b = &hurt;
        bed_copy(live, b);
        if (kind)
            bed_unlink(b, seg_path(segments));
        else
            bed_truncate(b, seg_path(segments), 1500);
        bed_open(b);
        ck_assert_int_gt(b->notices, 0);
        MUST(kv_store_in(b->s, "more", "more", 0, &modseq, &b->err));
        ck_assert_msg(modseq > last, "kind %d: commit %llu again, %llu had been given", kind, (unsigned long long)modseq, (unsigned long long)last);
        bed_rebuild_is_equal(b);
        bed_end(b);
        b = live;
    }
    bed_end(b);
}
END_TEST

/* The same, and the index is older than what is lost: the opens behind the recovery replay past the cut, and come to the same numbers as a rebuild. */
START_TEST(a_lost_end_behind_the_checkpoint)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 1 << 30);
    kv_store_many(b, 0, 10, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    uint64_t checkpoint = b->s->pending.seg;
    kv_store_many(b, 10, 100, 100);
    bed_close(b);
    uint32_t last = bed_last_segment(b);
    ck_assert_uint_gt(last, checkpoint + 1);
    bed_unlink(b, seg_path(last));
    bed_open(b);
    uint64_t counter = kv_counter(b);
    ck_assert_uint_ge(counter, CUBBY__SEG_CAPACITY_MAX / CUBBY__FRAME_SIZE);
    struct cubby__buf recovered = kv_dump(b);
    bed_close(b);
    bed_open(b);
    ck_assert_uint_eq(kv_counter(b), counter);
    same_rows(recovered, kv_dump(b));
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* Cut within a commit that the index proves: what stood behind the cut, nobody knows. As many numbers are passed over as a segment can hold. */
START_TEST(a_cut_within_a_proven_commit)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    uint64_t begin = b->s->pending.seg_off;
    kv_store_many(b, 5, 12, 30);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    for (uint64_t cut = begin + 1; cut < begin + 40; cut += 16) {
        struct bed hurt, *live = b;
        b = &hurt;
        bed_copy(live, b);
        bed_truncate(b, seg_path(1), cut);
        bed_open(b);
        ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
        ck_assert_msg(b->s->floors.object >= CUBBY__SEG_CAPACITY_MAX / CUBBY__FRAME_SIZE, "cut at %llu: only %llu numbers are passed over",
                      (unsigned long long)cut, (unsigned long long)b->s->floors.object);
        bed_rebuild_is_equal(b);
        bed_end(b);
        b = live;
    }
    bed_end(b);
}
END_TEST

/* ... and the last record that is left ends in zeros: it is sound, and stays. */
START_TEST(a_record_of_zeros_before_the_cut)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    char value[17] = "x";
    bed_begin(b);
    kv_store_many(b, 0, 3, 30);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "zeros", value, sizeof value)); /* 2 + 5 + 17: no padding */
    MUST(cubby__txn_commit(&t, NULL));
    uint64_t end = b->s->pending.seg_off - CUBBY__FRAME_SIZE - CUBBY__COMMIT_LEN;
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    bed_truncate(b, seg_path(1), end);
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "zeros"), "x");
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* ---- segments that are missing or cannot be read ---- */

static void whole_store(struct bed *b)
{
    struct cubby__txn *t;
    bed_begin_with(b, 4096, 0);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_mark(t, 4711));
    MUST(cubby__txn_commit(&t, NULL));
    kv_store_many(b, 0, 100, 100);
    ck_assert_int_ge((int)bed_last_segment(b), 4);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
}

/* Segment i is deleted or its header ruined, with the index and without it. */
START_TEST(a_segment_is_lost)
{
    struct bed bed, *b = &bed;
    whole_store(b);
    struct bed *live = b;
    uint32_t segments = bed_last_segment(b);
    for (uint32_t i = 1; i <= segments; i++) {
        for (int kind = 0; kind < 6; kind++) {
            struct bed hurt;
            uint64_t modseq;
            int there = 0, is_last = i == segments;
            char key[16];
            if (is_last && kind == 0) /* nothing that is left knows of it */
                continue;
            b = &hurt;
            bed_copy(live, b);
            if (kind % 3 == 0)
                bed_unlink(b, seg_path(i));
            else if (kind % 3 == 1)
                for (uint64_t off = 20; off < 4096; off += 512)
                    bed_flip(b, seg_path(i), off, 1);
            else
                bed_truncate(b, seg_path(i), 100);
            struct findings x = bed_check(b);
            ck_assert_msg(strstr(x.codes, "SEGMENT_") || strstr(x.codes, "LOG_SHORT"), "kind %d: %s", kind, x.codes);
            if (kind < 3)
                bed_unlink(b, "/s/index");
            bed_open(b);
            if (kind < 3 || is_last) {
                ck_assert_int_gt(b->notices, 0);
                for (int k = 0; k < 100; k++) {
                    snprintf(key, sizeof key, "k%04d", k);
                    there += *kv_look(b, key) != '\0';
                }
                ck_assert_int_ge(there, 60);
                ck_assert_int_lt(there, 100);
                ck_assert_uint_ge(kv_counter(b), 4711); /* the headers say it again */
            } else {
                ck_assert_uint_eq(kv_counter(b), 4711);
            }
            MUST(kv_store_in(b->s, "more", "more", 0, &modseq, &b->err));
            ck_assert_uint_gt(modseq, 102);
            if (kind < 3 || is_last)
                bed_rebuild_is_equal(b);
            bed_close(b);
            bed_open(b);
            ck_assert_str_eq(kv_look(b, "more"), "more");
            ck_assert_int_eq(*kv_look(b, "k0099") != '\0', !is_last);
            bed_end(b);
        }
    }
    b = live;
    bed_end(b);
}
END_TEST

/* The index is old, so that the lost segment lies in what has to be replayed. */
START_TEST(a_segment_is_lost_behind_the_checkpoint)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 1 << 30);
    kv_store_many(b, 0, 10, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    kv_store_many(b, 10, 60, 100);
    struct cubby__txn *t;
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_mark(t, 4711));
    MUST(cubby__txn_commit(&t, NULL));
    uint32_t lost = (uint32_t)b->s->pending.seg;
    kv_store_many(b, 60, 160, 100);
    bed_close(b);
    ck_assert_int_gt((int)bed_last_segment(b), (int)lost + 1);
    for (int kind = 0; kind < 2; kind++) {
        struct bed hurt, *live = b;
        uint64_t modseq;
        b = &hurt;
        bed_copy(live, b);
        b->o.checkpoint_bytes = 0;
        if (kind)
            bed_unlink(b, seg_path(lost));
        else
            bed_truncate(b, seg_path(lost), 100);
        bed_open(b);
        ck_assert_int_gt(b->notices, 0);
        ck_assert_str_ne(kv_look(b, "k0009"), "");
        ck_assert_str_ne(kv_look(b, "k0159"), "");
        ck_assert_msg(kv_counter(b) >= 4711, "kind %d: what the definitions say of the lost segment is not taken", kind);
        MUST(kv_store_in(b->s, "more", "more", 0, &modseq, &b->err));
        ck_assert_uint_gt(modseq, 162);
        bed_rebuild_is_equal(b);
        bed_end(b);
        b = live;
    }
    bed_end(b);
}
END_TEST

START_TEST(one_copy_of_each_header)
{
    struct bed bed, *b = &bed;
    whole_store(b);
    for (uint32_t i = 1; i <= bed_last_segment(b); i++)
        bed_flip(b, seg_path(i), 130, 1);
    bed_unlink(b, "/s/index");
    struct findings x = bed_check(b);
    ck_assert_int_eq(x.n, (int)bed_last_segment(b));
    ck_assert_ptr_nonnull(strstr(x.codes, "SEGMENT_HEADER_COPY"));
    bed_open(b);
    for (int k = 0; k < 100; k++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", k);
        ck_assert_str_ne(kv_look(b, key), "");
    }
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* A segment under another's name is none. */
START_TEST(swapped_segments)
{
    struct bed bed, *b = &bed;
    whole_store(b);
    bed_unlink(b, seg_path(2));
    uint64_t size = bed_size(b, seg_path(3));
    uint8_t *p = cubby__malloc(size);
    bed_read(b, seg_path(3), 0, p, size);
    bed_write(b, seg_path(2), 0, p, size);
    cubby__free(p);
    struct findings x = bed_check(b);
    ck_assert_ptr_nonnull(strstr(x.codes, "SEGMENT_HEADER"));
    bed_unlink(b, "/s/index");
    bed_open(b);
    ck_assert_ptr_nonnull(strstr(b->notice, "segments 2 to 2"));
    ck_assert_str_ne(kv_look(b, "k0099"), "");
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* ---- records ---- */

static int accept_all(struct cubby__txn *t, const struct cubby__record *rec)
{
    (void)t;
    (void)rec;
    return 0;
}

static const struct cubby__handlers careless = {.apply = accept_all, .define = kv_define, .create = kv_create, .damage = kv_damage};

START_TEST(broken_and_unknown_records)
{
    for (int kind = 0; kind < 2; kind++) {
        struct bed bed, *b = &bed;
        struct cubby__txn *t;
        bed_init(b);
        MUST(cubby__store_create("/s", &b->o, &careless, &b->err));
        MUST(cubby__store_open("/s", &b->o, &careless, &b->s, &b->err));
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        MUST(cubby__txn_log(t, kind ? 77 : CUBBY__REC_ANNOTATION, 0, "\5", 1));
        MUST(kv_put(t, "good", "x", 1));
        MUST(cubby__txn_commit(&t, NULL));
        bed_close(b);
        bed_unlink(b, "/s/index");
        if (kind == 0) {
            bed_open(b);
            ck_assert_ptr_nonnull(strstr(b->notice, "breaks its format"));
            ck_assert_str_eq(kv_look(b, "good"), "x");
            bed_rebuild_is_equal(b);
        } else { /* of a newer library that did not mark it as harmless */
            REFUSES(bed_try_open(b, 0), CUBBY_EVERSION);
        }
        bed_end(b);
    }
}
END_TEST

static int progress(void *arg, uint64_t done, uint64_t total)
{
    uint64_t *calls = arg;
    ck_assert(done == calls[0] + 1 && done <= total);
    calls[0] = done;
    calls[1] = total;
    return done == calls[2];
}

START_TEST(progress_of_a_rebuild)
{
    struct bed bed, *b = &bed;
    uint64_t calls[3] = {0};
    whole_store(b);
    b->o.progress = progress;
    b->o.progress_arg = calls;
    bed_open(b);
    ck_assert_uint_eq(calls[0], 0); /* nothing to do */
    bed_close(b);
    calls[2] = 2;
    REFUSES(bed_try_open(b, CUBBY_REBUILD), CUBBY_ECANCEL);
    calls[0] = calls[2] = 0;
    MUST(bed_try_open(b, CUBBY_REBUILD));
    ck_assert(calls[0] == calls[1] && calls[0] > 3);
    b->o.progress = NULL;
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* The last segment is gone, and the one before it is damaged, too: what the lost one held is not forgotten over that. */
START_TEST(damage_before_a_lost_end)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 0);
    kv_store_many(b, 0, 80, 100);
    uint32_t last = bed_last_segment(b);
    ck_assert_uint_gt(last, 3);
    bed_close(b);
    bed_unlink(b, "/s/index");
    bed_unlink(b, seg_path(last));
    bed_flip(b, seg_path(last - 1), 3000, 1);
    MUST(bed_try_open(b, 0));
    ck_assert_msg(b->s->floors.object >= CUBBY__SEG_CAPACITY_MAX / CUBBY__FRAME_SIZE, "only %llu numbers are passed over",
                  (unsigned long long)b->s->floors.object);
    bed_close(b);
    struct findings x = bed_check(b);
    ck_assert_msg(strstr(x.codes, "LOG_SHORT") != NULL, "%s", x.codes);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/recover", replay_after_a_clean_stop, unclean_stops, read_only_replays_in_memory, every_length_of_a_torn_commit, garbage_at_the_end,
          a_flip_anywhere_in_the_proven_log, a_hole_of_zeros_at_a_commit, damage_in_the_last_commit, an_index_is_evidence, the_end_of_the_log_is_gone,
          a_lost_end_behind_the_checkpoint, a_cut_within_a_proven_commit, a_record_of_zeros_before_the_cut, a_segment_is_lost,
          a_segment_is_lost_behind_the_checkpoint, one_copy_of_each_header, swapped_segments, broken_and_unknown_records, progress_of_a_rebuild,
          a_reader_syncs_what_it_shows,
          damage_before_a_lost_end)
