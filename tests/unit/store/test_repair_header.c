#include "store/repair_file.h"

#include "unit/store/segment_util.h"

static int told(void *arg, const cubby_finding *f)
{
    size_t n = strlen(arg);
    snprintf((char *)arg + n, 500 - n, "%s ", f->code);
    return 0;
}

static int mend(struct bed *b, uint32_t seg, uint64_t nonce, char codes[500])
{
    struct cubby__repairs t = {.fn = told, .arg = codes};
    *codes = '\0';
    return cubby__mend_header(b->s, seg, nonce, &b->s->floors, 0, &t, &b->err);
}

static void repair(struct bed *b, char codes[500])
{
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan;
    *codes = '\0';
    for (int i = 0; i < 2; i++) {
        MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
        if (i == 0)
            ck_assert_int_ge(cubby__plan_mend_headers(b->s, plan, &t, &b->err), 0);
        else
            MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
        cubby__plan_free(&plan);
    }
}

static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
}

/* As long as is asked for, and not one frame in it: what is read is bounded, and the file stays what it is. */
START_TEST(no_frame_is_left)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    for (uint64_t size = 64 << 10; size <= 200 << 10; size += 34 << 10) {
        bed_truncate(b, seg_path(2), 0);
        bed_zero(b, seg_path(2), 0, size);
        ck_assert_int_eq(mend(b, 2, 77, codes), CUBBY_DONE);
        ck_assert_str_eq(codes, "");
        ck_assert_uint_eq(bed_size(b, seg_path(2)), size);
        ck_assert(!bed_exists(b, "/s/quarantine/00000002.seg") && !bed_exists(b, "/s/tmp/00000002.seg"));
    }
    bed_end(b);
}
END_TEST

/* Where the one before ends is found though that is damaged, too: behind a hole of zeros, and behind one of anything. */
START_TEST(damage_in_the_one_before)
{
    for (int kind = 0; kind < 3; kind++) {
        struct bed bed, *b = &bed;
        struct places p;
        char codes[500];
        uint8_t junk[400];
        made(b);
        struct cubby__seg_header h = header_of(b, 3), now;
        bed_close(b);
        frames_of(b, 2, &p);
        memset(junk, kind == 1 ? 0xa5 : 0, sizeof junk);
        size_t i = p.n / 2;
        while (p.type[i] != CUBBY__REC_ANNOTATION) /* where a commit begins */
            i++;
        if (kind < 2)
            bed_write(b, seg_path(2), p.at[i].off, junk, sizeof junk);
        else
            bed_zero(b, seg_path(2), bed_size(b, seg_path(2)), 5000); /* room that was never used */
        bed_zero(b, seg_path(3), 0, 1024);
        bed_open(b);
        struct cubby__seg_header two = header_of(b, 4);
        MUST(mend(b, 3, two.pred_nonce, codes));
        cubby__seg_header_release(&two);
        ck_assert_str_eq(codes, "HEADER_MADE ");
        now = header_of(b, 3);
        ck_assert(now.pred == 2 && now.pred_nonce == h.pred_nonce && now.pred_end == h.pred_end && now.last_commit == h.last_commit && now.nonce == h.nonce);
        cubby__seg_header_release(&now);
        cubby__seg_header_release(&h);
        repair(b, codes);
        bed_close(b);
        MUST(bed_try_open(b, CUBBY_REBUILD));
        bed_close(b);
        bed_clean(b);
        bed_end(b);
    }
}
END_TEST

/* Nothing sound is behind the damage: it all belongs to the one before. */
START_TEST(the_one_before_ends_in_junk)
{
    struct bed bed, *b = &bed;
    struct places p;
    char codes[500];
    made(b);
    bed_close(b);
    frames_of(b, 2, &p);
    uint64_t size = bed_size(b, seg_path(2)), from = p.at[p.n / 2].off;
    uint8_t *junk = malloc(size);
    memset(junk, 0xa5, size);
    bed_write(b, seg_path(2), from, junk, size - from);
    bed_write(b, seg_path(2), size, junk, 5);
    free(junk);
    struct cubby__seg_header next = header_of(b, 4), now;
    bed_zero(b, seg_path(3), 0, 1024);
    bed_open(b);
    MUST(mend(b, 3, next.pred_nonce, codes));
    now = header_of(b, 3);
    ck_assert_uint_eq(now.pred_end, size & ~7ull);
    cubby__seg_header_release(&now);
    cubby__seg_header_release(&next);
    repair(b, codes);
    ck_assert_str_eq(codes, "SEGMENT_REPLACED ");
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    bed_close(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* What cannot be read is not the end of anything. */
START_TEST(reads_that_fail)
{
    for (int kind = 0; kind < 2; kind++) {
        struct bed bed, *b = &bed;
        struct places p;
        char codes[500];
        int failed = 0, rc;
        made(b);
        bed_close(b);
        frames_of(b, 2, &p);
        size_t n = 600 << 10;
        uint8_t *junk = malloc(n);
        memset(junk, kind ? 0xa5 : 0, n);
        bed_write(b, seg_path(2), p.end, junk, n); /* the mark that a roll left is gone, too */
        free(junk);
        struct cubby__seg_header next = header_of(b, 4);
        bed_zero(b, seg_path(3), 0, 1024);
        bed_open(b);
        do {
            fault_set(&b->fault, FAULT_PREAD, "00000002.seg", failed++, -EIO, 0);
            rc = mend(b, 3, next.pred_nonce, codes);
            ck_assert_int_eq(rc, b->fault.hits && failed > 4 ? CUBBY_EIO : rc); /* of the header one copy is enough */
            ck_assert_str_eq(codes, rc == 0 ? "HEADER_MADE " : "");
            if (rc == 0 && b->fault.hits)
                bed_zero(b, seg_path(3), 0, 1024);
        } while (b->fault.hits);
        b->fault.rc = 0;
        ck_assert_int_gt(failed, 5);
        cubby__seg_header_release(&next);
        repair(b, codes);
        bed_close(b);
        MUST(bed_try_open(b, CUBBY_REBUILD));
        bed_close(b);
        bed_clean(b);
        bed_end(b);
    }
}
END_TEST

/* A recovery copies commits that nothing proves into the next segment: they count where they are copied to, and the one before ends in front of them. */
START_TEST(commits_that_were_copied)
{
    struct bed bed, died, *b = &bed;
    char codes[500];
    bed_begin(b);
    kv_store_many(b, 0, 10, 30);
    bed_copy(&bed, &died);
    bed_end(b);
    b = &died;
    bed_open(b);
    ck_assert_uint_eq(bed_last_segment(b), 2);
    b->o.segment_bytes = 1;
    bed_close(b);
    bed_open(b);
    kv_store_many(b, 10, 14, 30);
    ck_assert_uint_gt(bed_last_segment(b), 2);
    struct cubby__buf before = kv_dump(b);
    struct cubby__seg_header h = header_of(b, 2), now;
    bed_close(b);
    bed_zero(b, seg_path(2), 0, h.frames);
    bed_open(b);
    repair(b, codes);
    ck_assert_str_eq(codes, "HEADER_MADE ");
    now = header_of(b, 2);
    ck_assert_uint_eq(now.pred_end, h.pred_end);
    ck_assert_uint_eq(now.last_commit, h.last_commit);
    cubby__seg_header_release(&h);
    cubby__seg_header_release(&now);
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    same_rows(before, kv_dump(b));
    bed_close(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* What stands in for a segment has a DAMAGE of commit 0 in it, and may lose its header, too. */
START_TEST(of_a_stand_in)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    MUST(cubby__stand_in(b->s, 2, CUBBY__DAMAGE_SEGMENT, NULL, &b->err));
    struct cubby__seg_header h = header_of(b, 2), now;
    bed_zero(b, seg_path(2), 0, h.frames);
    MUST(mend(b, 2, h.nonce, codes));
    now = header_of(b, 2);
    ck_assert_uint_eq(now.last_commit, 0);
    ck_assert_uint_eq(now.nonce, h.nonce);
    cubby__seg_header_release(&h);
    cubby__seg_header_release(&now);
    bed_close(b);
    bed_end(b);
}
END_TEST

/* Whatever the place of the first frame that is left, there is room for a header before it, and for a DAMAGE between them. */
START_TEST(any_first_frame)
{
    struct bed bed, copy, *b = &bed;
    char codes[500];
    int narrow = 0;
    made(b);
    for (int i = 80; i < 300; i++)
        kv_store_many(b, i, i + 1, (size_t)(20 + i % 64));
    uint32_t last = bed_last_segment(b);
    bed_close(b);
    for (uint32_t seg = 2; seg + 1 < last; seg++) {
        struct places p;
        frames_of(&bed, seg, &p);
        struct cubby__seg_header next = header_of(&bed, seg + 1);
        for (size_t i = 1; i < p.n; i++) {
            uint64_t off = p.at[i].off;
            if (p.type[i] != CUBBY__REC_ANNOTATION || off % 1024 == 0 || off % 1024 >= CUBBY__FRAME_SIZE)
                continue;
            narrow++;
            bed_copy(&bed, b = &copy);
            bed_zero(b, seg_path(seg), 0, off);
            bed_open(b);
            MUST(mend(b, seg, next.pred_nonce, codes));
            struct cubby__seg_header h = header_of(b, seg);
            ck_assert(h.frames + CUBBY__FRAME_SIZE <= off);
            cubby__seg_header_release(&h);
            repair(b, codes);
            ck_assert_str_eq(codes, "SEGMENT_REPLACED ");
            bed_close(b);
            MUST(bed_try_open(b, CUBBY_REBUILD));
            bed_close(b);
            bed_clean(b);
            bed_end(b);
            b = &bed;
        }
        cubby__seg_header_release(&next);
    }
    ck_assert_int_gt(narrow, 0);
    bed_end(b);
}
END_TEST

/* A header of zeros, and frames behind it: which of them are gone is not known unless the first commit that is left says that it begins there. What may
 * be is damage, then. */
START_TEST(what_stood_at_the_beginning)
{
    enum { NOTHING, FIRST_FRAME, FIRST_COMMIT, COMMIT_DAMAGED, NO_COMMIT, PRED_UNKNOWN, KINDS };
    for (int kind = 0; kind < KINDS; kind++) {
        struct bed bed, *b = &bed;
        struct places p;
        char codes[500];
        size_t commit = 0;
        made(b);
        struct cubby__seg_header h = header_of(b, 3);
        uint64_t begin = h.frames;
        cubby__seg_header_release(&h);
        frames_of(b, 3, &p);
        while (p.type[commit] != CUBBY__REC_COMMIT)
            commit++;
        uint64_t from = kind == FIRST_FRAME ? p.at[1].off : kind == FIRST_COMMIT ? p.at[commit + 1].off : begin;
        bed_zero(b, seg_path(3), 0, from);
        if (kind == COMMIT_DAMAGED)
            bed_flip(b, seg_path(3), p.at[commit].off + CUBBY__FRAME_SIZE + 20, 1);
        else if (kind == NO_COMMIT)
            bed_truncate(b, seg_path(3), p.at[commit].off);
        else if (kind == PRED_UNKNOWN)
            bed_zero(b, seg_path(2), 0, 1024);
        struct cubby__seg_header next = header_of(b, 4), now;
        MUST(mend(b, 3, next.pred_nonce, codes));
        cubby__seg_header_release(&next);
        ck_assert_str_eq(codes, "HEADER_MADE ");
        now = header_of(b, 3);
        ck_assert_msg(kind == NOTHING ? now.frames == begin : now.frames == 2 * CUBBY__SEG_HEADER_ALIGN, "%d: %llu", kind, (unsigned long long)now.frames);
        cubby__seg_header_release(&now);
        cubby__store_close(&b->s, NULL);
        struct findings x = bed_check(b);
        ck_assert_msg(kind == NOTHING || kind == PRED_UNKNOWN || x.n > 0, "%d: %s", kind, x.codes);
        bed_end(b);
    }
}
END_TEST

/* What makes the headers of segments long. */
static int define_often(struct cubby__view *view, struct cubby__buf *defs)
{
    int rc = 0;
    for (int i = 0; i < 100 && rc == 0; i++)
        rc = kv_define(view, defs);
    return rc;
}

/* Another frame, sound in itself, at `at`. */
static void put_frame(struct bed *b, uint32_t seg, uint64_t nonce, uint64_t at, uint8_t type, uint64_t commit, const void *payload, uint32_t len)
{
    uint8_t p[512] = {0};
    struct cubby__seed seed = {b->s->ident.salt, nonce};
    struct cubby__frame f = {.type = type, .len = len, .commit = commit, .paysum = cubby__payload_sum(payload, len, &seed, at, commit)};
    size_t n = cubby__frame_encode(&f, &seed, at, p);
    memcpy(p + n, payload, len);
    bed_write(b, seg_path(seg), at, p, (size_t)cubby__frame_size(type, len));
}

/* The header is as long as it was only if a sound COMMIT says that its commit begins with the first frame that is left, is the next one, and if a header
 * can end there: not before what proves others, or stands for some that are lost. */
START_TEST(only_a_commit_says_that_it_is_the_first)
{
    enum { WHOLE, IS_PROOF, IS_DAMAGE, NO_FRAME, OTHER_LENGTH, CUT, OTHER_SUM, OTHER_PREV, OTHER_BYTES, NO_PLACE, KINDS };
    const struct cubby__handlers often = {.apply = kv_apply, .define = define_often, .create = kv_create, .damage = kv_damage, .shrinks = kv_shrinks};
    for (int kind = 0; kind < KINDS; kind++) {
        struct bed bed, *b = &bed;
        struct places p;
        struct cubby__commit c;
        char codes[500];
        uint8_t payload[CUBBY__COMMIT_LEN], first[200];
        size_t commit = 0, nth = kind == NO_PLACE ? 2 : 1;
        bed_begin_with(b, 8192, 6000);
        bed_close(b);
        MUST(cubby__store_open("/s", &b->o, &often, &b->s, &b->err));
        kv_store_many(b, 0, 150, 100);
        struct cubby__seg_header h = header_of(b, 3), now;
        const uint64_t begin = h.frames, nonce = h.nonce, before = h.last_commit;
        cubby__seg_header_release(&h);
        ck_assert_uint_gt(begin, 2 * CUBBY__SEG_HEADER_ALIGN);
        frames_of(b, 3, &p);
        for (size_t n = 0; n < nth; commit++)
            n += p.type[commit] == CUBBY__REC_COMMIT;
        const uint64_t at = p.at[--commit].off, number = p.commit[commit], from = kind == NO_PLACE ? p.at[commit - 1].off : begin;
        bed_read(b, seg_path(3), at + CUBBY__FRAME_SIZE, payload, sizeof payload);
        MUST(cubby__commit_decode(payload, sizeof payload, &c));
        ck_assert(p.at[0].len <= sizeof first && p.at[0].off == begin && c.bytes == at - p.at[commit - 1].off);
        bed_read(b, seg_path(3), begin + CUBBY__FRAME_SIZE, first, p.at[0].len);
        bed_zero(b, seg_path(3), 0, from);
        if (kind == IS_PROOF || kind == IS_DAMAGE)
            put_frame(b, 3, nonce, begin, kind == IS_PROOF ? CUBBY__REC_PROOF : CUBBY__REC_DAMAGE, number, first, p.at[0].len);
        else if (kind == NO_FRAME)
            bed_flip(b, seg_path(3), at + CUBBY__FRAME_LEN_OFF, 1);
        else if (kind == CUT)
            bed_truncate(b, seg_path(3), at + CUBBY__FRAME_SIZE + 20);
        else if (kind == OTHER_SUM)
            bed_flip(b, seg_path(3), at + CUBBY__FRAME_SIZE + CUBBY__COMMIT_TIME_OFF, 1);
        c.prev = kind == OTHER_PREV ? before - 1 : before;
        c.bytes += kind == OTHER_BYTES ? 8 : 0;
        cubby__commit_encode(&c, payload);
        if (kind == OTHER_PREV || kind == OTHER_BYTES || kind == NO_PLACE || kind == OTHER_LENGTH)
            put_frame(b, 3, nonce, at, CUBBY__REC_COMMIT, number, payload, kind == OTHER_LENGTH ? CUBBY__COMMIT_LEN - 8 : CUBBY__COMMIT_LEN);
        ck_assert(kind != NO_PLACE || from % (2 * CUBBY__SEG_HEADER_ALIGN));
        MUST(mend(b, 3, nonce, codes));
        ck_assert_str_eq(codes, "HEADER_MADE ");
        now = header_of(b, 3);
        ck_assert_msg(now.frames == (kind == WHOLE ? begin : 2 * CUBBY__SEG_HEADER_ALIGN), "%d: %llu", kind, (unsigned long long)now.frames);
        ck_assert_uint_eq(now.last_commit, before);
        cubby__seg_header_release(&now);
        cubby__store_close(&b->s, NULL);
        bed_end(b);
    }
}
END_TEST

UNIT_MAIN("store/repair_header", no_frame_is_left, damage_in_the_one_before, the_one_before_ends_in_junk, reads_that_fail,
          commits_that_were_copied, of_a_stand_in, any_first_frame, what_stood_at_the_beginning,
          only_a_commit_says_that_it_is_the_first)
