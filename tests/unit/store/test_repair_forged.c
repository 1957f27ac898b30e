/* Headers under a right checksum that say what is not so: what a check, a repair and an open believe of them is bounded by the files that are there. */
#include "store/repair_file.h"

#include "base/hash.h"
#include "store/commit.h"
#include "unit/store/segment_util.h"

enum { WRITES_MAX = 3000, ROOM = 4 << 20 };

static uint64_t all_files(struct bed *b)
{
    uint64_t sum = 0;
    for (uint32_t n = 1; n <= bed_last_segment(b); n++)
        sum += bed_size(b, seg_path(n));
    return sum;
}

static int told(void *arg, const cubby_finding *f)
{
    size_t n = strlen(arg);
    snprintf((char *)arg + n, 500 - n, "%s ", f->code);
    return 0;
}

static void few_writes(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    ck_assert_msg(op != FAULT_PWRITE || b->fault.calls[op] < WRITES_MAX, "no end of writing %s", path);
}

/* Nothing takes more calls, or more room, than what is there can be the reason for. */
static void bounded(struct bed *b)
{
    b->fault.hook = few_writes;
    b->fault.hook_arg = b;
    memset(b->fault.calls, 0, sizeof b->fault.calls);
    b->fault.bounded = 1;
    b->fault.room = ROOM;
}

static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
}

static void repair(struct bed *b, char codes[500])
{
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan;
    *codes = '\0';
    MUST(bed_try_open(b, CUBBY_REBUILD));
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
    cubby__plan_free(&plan);
    bed_close(b);
}

static void rebuilds_clean(struct bed *b)
{
    MUST(bed_try_open(b, CUBBY_REBUILD));
    bed_close(b);
    bed_clean(b);
}

/* Found, repaired once and for good, and the numbers stay what they are from then on. */
static void put_right(struct bed *b)
{
    char codes[500];
    bounded(b);
    uint64_t before = all_files(b);
    repair(b, codes);
    ck_assert_ptr_nonnull(strstr(codes, "SEGMENT_REPLACED "));
    ck_assert_uint_lt(all_files(b), before + (64 << 10));
    MUST(bed_try_open(b, CUBBY_REBUILD));
    ck_assert_uint_lt(b->s->floors.commit, (uint64_t)1 << 40);
    MUST(kv_store(b, "goes", "on"));
    bed_rebuild_is_equal(b);
    struct cubby__floors floors = b->s->floors;
    bed_close(b);
    bed_clean(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    ck_assert_uint_eq(b->s->floors.piece, floors.piece);
    ck_assert_str_eq(kv_look(b, "goes"), "on");
    ck_assert_str_ne(kv_look(b, "k0079"), "");
    bed_close(b);
    repair(b, codes);
    ck_assert_str_eq(codes, "");
    b->fault.bounded = 0;
    b->fault.hook = NULL;
}

static const uint64_t far[] = {1u << 20, (uint64_t)1 << 32, (uint64_t)1 << 40, (uint64_t)1 << 62, UINT64_MAX - 7, UINT64_MAX};
enum { FAR = sizeof far / sizeof *far };

/* The successor says that more was accepted than there is. */
START_TEST(an_accepted_end_far_away)
{
    for (size_t i = 0; i < FAR; i++) {
        struct bed bed, *b = &bed;
        made(b);
        forge(b, 3, CUBBY__SEG_PRED_END_OFF, 8, far[i]);
        struct findings x = bed_check(b);
        ck_assert_str_eq(x.codes, "SEGMENT_TRUNCATED ");
        put_right(b);
        bed_end(b);
    }
}
END_TEST

static const struct {
    size_t at, size;
} fields[] = {{CUBBY__SEG_HEADER_LEN_OFF, 4},       {CUBBY__SEG_PRED_OFF, 4},          {CUBBY__SEG_PRED_NONCE_OFF, 8},    {CUBBY__SEG_PRED_END_OFF, 8},
              {CUBBY__SEG_LAST_COMMIT_OFF, 8},      {CUBBY__SEG_LAST_CHAIN_OFF, 8},    {CUBBY__SEG_PROVEN_OFF, 8},        {CUBBY__SEG_PROVEN_COMMIT_OFF, 8},
              {CUBBY__SEG_FLOORS_OFF, 8},           {CUBBY__SEG_FLOORS_OFF + 8, 8},    {CUBBY__SEG_FLOORS_OFF + 16, 8},   {CUBBY__SEG_FLOORS_OFF + 24, 8},
              {CUBBY__SEG_FLOORS_OFF + 32, 8},      {CUBBY__SEG_FLOORS_OFF + 40, 8},   {CUBBY__SEG_FLOORS_OFF + 48, 8},   {CUBBY__SEG_RETIRED_COUNT_OFF, 4},
              {CUBBY__SEG_DEFS_LEN_OFF, 4}};

/* With the successor's header damaged, too, nothing but its own says where the segment ends. */
static void any_value(uint32_t seg, size_t field, uint64_t value, int alone)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    if (alone)
        bed_zero(b, seg_path(seg + 1), 0, 1024);
    forge(b, seg, fields[field].at, fields[field].size, value);
    bounded(b);
    bed_check(b);
    repair(b, codes);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    MUST(kv_store(b, "goes", "on"));
    bed_rebuild_is_equal(b);
    bed_close(b);
    bed_clean(b);
    ck_assert_uint_lt(all_files(b), 256 << 10);
    b->fault.hook = NULL;
    bed_end(b);
}

/* Whatever a header says: it is repaired once, and then the store is open to writers. */
START_TEST(any_number)
{
    static const uint32_t segs[] = {1, 3, 5};
    for (size_t field = 0; field < sizeof fields / sizeof *fields; field++)
        for (size_t i = 0; i < 2 * FAR + 1; i++)
            for (size_t k = 0; k < sizeof segs / sizeof *segs; k++)
                if (i <= FAR || segs[k] < 5)
                    any_value(segs[k], field, i == FAR ? 0 : far[i % FAR], i > FAR);
}
END_TEST

/* A file that is cut off anywhere: what is left of the frame there has room for the DAMAGE or not. */
START_TEST(cut_anywhere)
{
    for (uint64_t size = 1024; size < 1024 + 400; size += 4) {
        struct bed bed, *b = &bed;
        char codes[500];
        made(b);
        bed_truncate(b, seg_path(3), size);
        repair(b, codes);
        ck_assert_str_eq(codes, "SEGMENT_REPLACED ");
        ck_assert_uint_le(bed_size(b, seg_path(3)), (size + 7) / 8 * 8 + 40);
        rebuilds_clean(b);
        bed_end(b);
    }
}
END_TEST

/* What came behind a REST later was not known to be lost when it was written. */
START_TEST(more_behind_a_rest)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    bed_truncate(b, seg_path(3), 2000);
    repair(b, codes);
    rebuilds_clean(b);
    bed_write(b, seg_path(3), bed_size(b, seg_path(3)), "more", 4);
    struct findings x = bed_check(b);
    ck_assert_str_eq(x.codes, "SEGMENT_TRUNCATED ");
    repair(b, codes);
    ck_assert_str_eq(codes, "SEGMENT_REPLACED ");
    rebuilds_clean(b);
    bed_end(b);
}
END_TEST

/* The first frame that verifies stands where no header reaches: what is before it is damage, and not a header of that length. */
START_TEST(frames_behind_the_longest_header)
{
    enum { AT = 2 * CUBBY__SEG_HEADER_MAX + 1024 };
    struct bed bed, *b = &bed;
    struct cubby__framer f = {0};
    struct cubby__commit c = {.time_ns = 1};
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    uint64_t off;
    made(b);
    struct cubby__seg_header h = header_of(b, 3), now;
    cubby__framer_init(&f, &(struct cubby__seed){h.ident.salt, h.nonce}, AT, h.last_commit + 1);
    c.prev = h.last_commit;
    MUST(cubby__framer_add(&f, CUBBY__REC_ANNOTATION, 0, "\0\1kv", 4, NULL, &off));
    MUST(cubby__framer_commit(&f, &c, h.last_chain));
    bed_truncate(b, seg_path(3), 0);
    bed_zero(b, seg_path(3), 0, AT);
    bed_write(b, seg_path(3), AT, f.buf.data, f.buf.len);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    MUST(cubby__mend_header(b->s, 3, h.nonce, &b->s->floors, 0, &t, &b->err));
    now = header_of(b, 3);
    ck_assert_uint_eq(now.frames, 1024);
    cubby__seg_header_release(&now);
    cubby__seg_header_release(&h);
    cubby__framer_release(&f);
    bed_close(b);
    repair(b, codes);
    ck_assert_str_eq(codes, "SEGMENT_REPLACED ");
    rebuilds_clean(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/repair_forged", an_accepted_end_far_away, any_number, cut_anywhere, more_behind_a_rest, frames_behind_the_longest_header)
