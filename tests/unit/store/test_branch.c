/* Copies of one store that went on apart, and whose files are mixed then: a backup that was restored and used, and what the old disk still had. Every frame
 * verifies; nothing of it passes for one log. */
#include "unit/store/segment_util.h"

/* As both copies have it: in the middle of its first segment. */
static void before_the_copy(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 5, 100);
    bed_close(b);
}

static void goes_on(struct bed *b, const char *who, int rows)
{
    char key[16], value[120];
    bed_open(b);
    for (int i = 0; i < rows; i++) {
        snprintf(key, sizeof key, "%s%04d", who, i);
        memset(value, who[0] + i % 20, sizeof value - 1);
        value[sizeof value - 1] = '\0';
        MUST(kv_store(b, key, value));
    }
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
}

static uint64_t highest_of(struct bed *b)
{
    uint64_t high = 0;
    for (uint32_t n = bed_last_segment(b); n; n--) {
        struct places *p = malloc(sizeof *p);
        frames_of(b, n, p);
        for (size_t i = 0; i < p->n; i++)
            cubby__raise(&high, p->commit[i]);
        free(p);
    }
    return high;
}

/* All that was logged in this segment is there: its rows say that they stand in it. */
static size_t rows_of_segment(struct bed *b, uint32_t seg)
{
    static const uint8_t first[1] = {CUBBY__KS_ANNOTATION};
    struct cubby__view v;
    struct cubby__cursor c;
    struct kv_row row;
    size_t rows = 0;
    MUST(cubby__view_begin(b->s, &v, &b->err));
    cubby__view_cursor(&v, &c);
    for (int rc = cubby__cursor_seek(&c, first, 1); rc == 0; rc = cubby__cursor_next(&c)) {
        struct cubby__slice key = cubby__cursor_key(&c), value = cubby__cursor_value(&c);
        rows += key.p[0] == CUBBY__KS_ANNOTATION && kv_decode(value.p, value.n, &row) == 0 && row.place.seg == seg;
    }
    cubby__cursor_release(&c);
    cubby__view_end(&v);
    return rows;
}

/* Told, by an open that reads over the place where they do not meet, too; no sound commit is dropped, and no number given again. */
static void is_mixed(struct bed *b, int with_index)
{
    uint64_t high = highest_of(b), modseq;
    uint32_t last = bed_last_segment(b);
    struct places *p = malloc(sizeof *p);
    size_t commits = 0;
    frames_of(b, last, p);
    for (size_t i = 0; i < p->n; i++)
        commits += p->type[i] == CUBBY__REC_COMMIT;
    free(p);
    if (!with_index)
        bed_unlink(b, "/s/index");
    struct findings x = bed_check(b);
    ck_assert_msg(strstr(x.codes, "SEGMENT_BRANCH ") != NULL, "%s", x.codes);
    bed_quiet(b);
    bed_open(b);
    if (!with_index)
        ck_assert_msg(strstr(b->notice, "two copies") != NULL, "%s", b->notice);
    if (!with_index)
        ck_assert_uint_eq(rows_of_segment(b, last), commits);
    MUST(kv_store_in(b->s, "next", "x", 0, &modseq, &b->err));
    if (!with_index) {
        ck_assert_uint_gt(modseq, high);
        bed_rebuild_is_equal(b);
    }
    bed_close(b);
    x = bed_check(b);
    ck_assert_msg(strstr(x.codes, "SEGMENT_BRANCH ") != NULL, "%s", x.codes);
    bed_end(b);
}

/* Segment k of the one, for each k, and all others of the other; with as many commits, with less, with more. */
START_TEST(one_of_the_other_copy)
{
    static const int rows[][2] = {{60, 60}, {60, 45}, {45, 60}};
    unsigned mixed = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bed a, other, *b = &a;
        before_the_copy(b);
        bed_copy(&a, &other);
        goes_on(&a, "a", rows[i][0]);
        goes_on(b = &other, "b", rows[i][1]);
        uint32_t of_a = bed_last_segment(&a), of_other = bed_last_segment(&other);
        ck_assert(of_a > 2 && of_other > 2);
        for (uint32_t k = 1; k <= of_a && k <= of_other; k++)
            for (int with_index = 0; with_index < 2; with_index++) {
                struct bed mix;
                b = &mix;
                bed_copy(&a, b);
                bed_copy_file(&other, b, seg_path(k));
                is_mixed(b, with_index && k < of_a);
                mixed++;
            }
        bed_end(b = &a);
        bed_end(b = &other);
    }
    ck_assert_uint_gt(mixed, 15);
}
END_TEST

/* What a copy lacks at its end is brought from the other one. */
START_TEST(the_end_of_the_other_copy)
{
    for (int with_index = 0; with_index < 2; with_index++) {
        struct bed a, other, *b = &a;
        before_the_copy(b);
        bed_copy(&a, &other);
        goes_on(&a, "a", 80);
        goes_on(b = &other, "b", 40);
        uint32_t of_a = bed_last_segment(&a), of_other = bed_last_segment(&other);
        ck_assert_uint_gt(of_a, of_other);
        for (uint32_t k = of_other + 1; k <= of_a; k++)
            bed_copy_file(&a, &other, seg_path(k));
        is_mixed(b, with_index);
        bed_end(b = &a);
    }
}
END_TEST

/* Whatever the header says of what came before: the commits are chained to it, and so it is no branch. */
START_TEST(a_header_that_lies)
{
    static const size_t fields[] = {CUBBY__SEG_PRED_NONCE_OFF, CUBBY__SEG_LAST_COMMIT_OFF, CUBBY__SEG_LAST_CHAIN_OFF};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        for (uint32_t seg = 2; seg <= 3; seg++) {
            struct bed bed, *b = &bed;
            before_the_copy(b);
            goes_on(b, "a", 60);
            forge(b, seg, fields[i], 8, 7);
            bed_unlink(b, "/s/index");
            struct findings x = bed_check(b);
            ck_assert_msg(strstr(x.codes, "SEGMENT_BRANCH") == NULL, "%s", x.codes);
            bed_open(b);
            ck_assert_msg(strstr(b->notice, "two copies") == NULL, "%s", b->notice);
            for (int k = 0; k < 60; k++) {
                char key[16];
                snprintf(key, sizeof key, "a%04d", k);
                ck_assert_str_ne(kv_look(b, key), "");
            }
            bed_end(b);
        }
}
END_TEST

/* Each call that fails while they are compared. */
START_TEST(calls_that_fail)
{
    struct bed a, other, *b = &a;
    before_the_copy(b);
    bed_copy(&a, &other);
    goes_on(&a, "a", 60);
    goes_on(b = &other, "b", 60);
    bed_copy_file(&other, b = &a, seg_path(2));
    bed_unlink(b, "/s/index");
    int failed = 0;
    for (int after = 0, hits = 1; hits; after++) {
        fault_set(&b->fault, FAULT_PREAD, "segments", after, -EIO, 0);
        int rc = bed_try_open(b, CUBBY_READ_ONLY);
        hits = b->fault.hits;
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_EIO), "%d: %d %s", after, rc, b->err.message);
        failed += rc != 0;
        if (rc == 0)
            bed_close(b);
    }
    ck_assert_int_gt(failed, 5);
    b->fault.rc = 0;
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    for (int after = 0, hits = 1; hits; after++) {
        struct findings x = {0};
        cubby_check_result r = {0};
        fault_set(&b->fault, FAULT_PREAD, "segments", after, -EIO, 0);
        int rc = cubby__store_check(b->s, NULL, on_finding, &x, &r, &b->err);
        hits = b->fault.hits;
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_EIO), "%d: %d %s", after, rc, b->err.message);
    }
    b->fault.rc = 0;
    bed_end(b);
    bed_end(b = &other);
}
END_TEST

/* The last segment goes away while nobody has the store open, and its number with it: it can come back beside what was written meanwhile. */
START_TEST(the_last_segment_comes_back)
{
    struct bed bed, kept, *b = &bed;
    before_the_copy(b);
    goes_on(b, "a", 60);
    uint32_t last = bed_last_segment(b);
    bed_copy(b, &kept);
    bed_unlink(b, seg_path(last));
    bed_open(b);
    MUST(kv_store(b, "new", "one"));
    bed_close(b);
    ck_assert(!bed_exists(b, seg_path(last)));
    ck_assert(bed_exists(b, seg_path(last + 1)));
    struct findings x = bed_check(b);
    ck_assert_msg(strstr(x.codes, "SEGMENT_MISSING ") != NULL, "%s", x.codes);
    bed_copy_file(&kept, b, seg_path(last));
    x = bed_check(b);
    ck_assert_str_eq(x.codes, "LOG_SHORT "); /* a repair has not seen to it yet */
    MUST(bed_try_open(b, CUBBY_REBUILD));
    ck_assert_str_eq(kv_look(b, "new"), "one");
    ck_assert_str_ne(kv_look(b, "a0059"), "");
    bed_rebuild_is_equal(b);
    bed_end(b);
    bed_end(&kept);
}
END_TEST

UNIT_MAIN("store/branch", one_of_the_other_copy, the_end_of_the_other_copy, a_header_that_lies, calls_that_fail, the_last_segment_comes_back)
