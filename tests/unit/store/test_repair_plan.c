/* test_repair_plan.c - plans for damage of several kinds at once, and for stores that do not hold still (store/repair.c). */
#include "store/repair.h"
#include "unit/heap.h"
#include "unit/store/segment_util.h"

static int told(void *arg, const cubby_finding *f)
{
    size_t n = strlen(arg);
    snprintf((char *)arg + n, 500 - n, "%s ", f->code);
    return 0;
}

static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
}

static struct cubby__plan *plan_of(struct bed *b)
{
    struct cubby__plan *plan;
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    return plan;
}

static void apply(struct bed *b, struct cubby__plan *plan, const char *want)
{
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
    cubby__plan_free(&plan);
    ck_assert_str_eq(codes, want);
}

static void clean_when_rebuilt(struct bed *b)
{
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    bed_close(b);
    bed_clean(b);
}

static struct cubby__misfit misfit(const struct places *p, size_t i)
{
    return (struct cubby__misfit){p->at[i], p->commit[i], p->type[i]};
}

static int is_damage(struct bed *b, uint32_t seg, uint64_t off)
{
    struct places p;
    frames_of(b, seg, &p);
    for (size_t i = 0; i < p.n; i++)
        if (p.at[i].off == off)
            return p.type[i] == CUBBY__REC_DAMAGE;
    return 0;
}

/* Records that verify and mean nothing are covered in the order of the file, between what is damaged; where the whole segment is lost they are gone anyway. */
START_TEST(misfits)
{
    struct bed bed, *b = &bed;
    struct cubby__misfit m[7];
    struct cubby__plan *plan;
    struct places two, three, four, one, five;
    made(b);
    kv_store_many(b, 80, 120, 100);
    bed_close(b);
    ck_assert_uint_gt(bed_last_segment(b), 6);
    frames_of(b, 1, &one);
    frames_of(b, 2, &two);
    frames_of(b, 3, &three);
    frames_of(b, 4, &four);
    frames_of(b, 5, &five);
    m[0] = misfit(&three, 0); /* of a segment that is missing */
    m[1] = misfit(&two, 2);   /* before the damage */
    m[2] = misfit(&four, 4);  /* of one that is sound */
    m[3] = misfit(&one, 6);
    m[4] = misfit(&two, 16); /* behind the damage */
    m[5] = misfit(&five, 2); /* of one whose header is lost meanwhile */
    m[6] = misfit(&five, 3); /* and again */
    for (size_t i = 10; i < 14; i++)
        bed_flip(b, seg_path(2), two.at[i].off + CUBBY__FRAME_SIZE, 1);
    bed_unlink(b, seg_path(3));
    bed_zero(b, seg_path(5), 0, 1024);
    bed_open(b);
    MUST(cubby__plan_make(b->s, m, 7, NULL, NULL, &plan, &b->err));
    for (uint32_t seg = 1; seg <= 6; seg++)
        ck_assert_int_eq(cubby__plan_has(plan, seg), seg < 6);
    apply(b, plan, "SEGMENT_REPLACED SEGMENT_REPLACED STAND_IN SEGMENT_REPLACED STAND_IN ");
    ck_assert(is_damage(b, 1, m[3].place.off) && is_damage(b, 4, m[2].place.off));
    ck_assert(is_damage(b, 2, m[1].place.off) && is_damage(b, 2, two.at[10].off) && is_damage(b, 2, m[4].place.off));
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* Each allocation fails in turn: there is no plan then, and no half of one. */
START_TEST(misfits_without_memory)
{
    struct bed bed, *b = &bed;
    struct cubby__misfit m[4];
    struct cubby__plan *plan;
    struct places one, two;
    int refused = 0;
    heap_install();
    made(b);
    frames_of(b, 1, &one);
    frames_of(b, 2, &two);
    m[0] = misfit(&one, 2);
    m[1] = misfit(&one, 4);
    m[2] = misfit(&two, 2);
    m[3] = misfit(&two, 4);
    for (int n = 0, hits = 1; hits; n++) {
        heap_fail(n, 0);
        int rc = cubby__plan_make(b->s, m, 4, NULL, NULL, &plan, &b->err);
        hits = heap_works();
        ck_assert_msg(rc == 0 || (rc == CUBBY_ENOMEM && !plan && hits), "%d: %d %s", n, rc, b->err.message);
        refused += rc != 0;
        ck_assert(rc != 0 || (cubby__plan_has(plan, 1) && cubby__plan_has(plan, 2)));
        if (rc == 0)
            cubby__plan_free(&plan);
    }
    ck_assert_int_gt(refused, 4); /* the plan, two segments, the holes of both */
    bed_end(b);
}
END_TEST

/* More of everything than there was room for at first. */
START_TEST(many)
{
    struct bed bed, *b = &bed;
    struct cubby__plan *plan;
    struct cubby__repairs t = {.fn = NULL}; /* nobody listens */
    struct places p;
    int holes = 0;
    bed_begin_with(b, 1500, 3000);
    kv_store_many(b, 0, 200, 100);
    uint32_t last = bed_last_segment(b);
    ck_assert_uint_gt(last, 20);
    for (uint32_t seg = 2; seg < last; seg++) {
        frames_of(b, seg, &p);
        for (size_t i = 0; i < p.n; i += 2, holes++)
            bed_flip(b, seg_path(seg), p.at[i].off + CUBBY__FRAME_SIZE + 2, 1);
    }
    ck_assert_int_gt(holes, 100);
    plan = plan_of(b);
    MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
    ck_assert_uint_eq(t.count, last - 2);
    cubby__plan_free(&plan);
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* Damage that is shorter than the header of what covers it: what comes behind it has to go, too, and the next repair sees to what is left of that. */
START_TEST(a_hole_that_is_too_small)
{
    struct bed bed, *b = &bed;
    struct places p;
    struct cubby__framer f = {0};
    uint8_t payload[1000];
    uint64_t off;
    size_t i = 0;
    made(b);
    bed_close(b);
    frames_of(b, 2, &p);
    while (p.type[i] != CUBBY__REC_ANNOTATION)
        i++;
    struct cubby__seg_header h = header_of(b, 2);
    struct cubby__seed seed = {h.ident.salt, h.nonce};
    cubby__seg_header_release(&h);
    bed_read(b, seg_path(2), p.at[i].off + CUBBY__FRAME_SIZE, payload, p.at[i].len);
    cubby__framer_init(&f, &seed, p.at[i].off + 8, p.commit[i]);
    MUST(cubby__framer_add(&f, CUBBY__REC_ANNOTATION, 0, payload, p.at[i].len - 8, NULL, &off));
    bed_zero(b, seg_path(2), p.at[i].off, 8);
    bed_write(b, seg_path(2), off, f.buf.data, f.buf.len);
    cubby__framer_release(&f);
    bed_open(b);
    apply(b, plan_of(b), "SEGMENT_REPLACED ");
    ck_assert(is_damage(b, 2, p.at[i].off));
    bed_close(b); /* and what it had open of the old file */
    MUST(bed_try_open(b, CUBBY_REBUILD));
    apply(b, plan_of(b), "SEGMENT_REPLACED ");
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    apply(b, plan_of(b), "");
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* A header is gone, and what knows its nonce too. */
START_TEST(two_in_a_row)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    made(b);
    bed_close(b);
    bed_zero(b, seg_path(2), 0, 1024);
    bed_unlink(b, seg_path(3));
    bed_open(b);
    struct cubby__plan *plan = plan_of(b);
    ck_assert_int_eq(cubby__plan_mend_headers(b->s, plan, &t, &b->err), CUBBY_DONE);
    ck_assert_str_eq(codes, "");
    apply(b, plan, "STAND_IN STAND_IN ");
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* One file that cannot be made is enough to stop, and then the next repair makes all. */
START_TEST(a_gap)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    made(b);
    bed_close(b);
    bed_unlink(b, seg_path(2));
    bed_unlink(b, seg_path(3));
    bed_open(b);
    struct cubby__plan *plan = plan_of(b);
    fault_set(&b->fault, FAULT_PWRITE, "tmp", 0, -ENOSPC, 0);
    REFUSES(cubby__plan_apply(b->s, plan, &t, &b->err), CUBBY_ENOSPC);
    ck_assert(!bed_exists(b, seg_path(2)) && !bed_exists(b, seg_path(3)));
    apply(b, plan, "STAND_IN STAND_IN ");
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* What cannot be read at the moment is not given up: the successor may know the nonce. */
START_TEST(a_successor_that_cannot_be_read_now)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    made(b);
    bed_close(b);
    bed_zero(b, seg_path(2), 0, 1024);
    bed_open(b);
    struct cubby__plan *plan = plan_of(b);
    fault_set(&b->fault, FAULT_OPEN, "00000003.seg", 0, -EIO, 0);
    REFUSES(cubby__plan_mend_headers(b->s, plan, &t, &b->err), CUBBY_EIO);
    ck_assert_str_eq(codes, "");
    fault_set(&b->fault, FAULT_OPEN, "00000001.seg", 0, -EIO, 0); /* and where the one before ends */
    REFUSES(cubby__plan_mend_headers(b->s, plan, &t, &b->err), CUBBY_EIO);
    MUST(cubby__plan_mend_headers(b->s, plan, &t, &b->err));
    ck_assert_str_eq(codes, "HEADER_MADE ");
    cubby__plan_free(&plan);
    apply(b, plan_of(b), "");
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* A number so high that no files are made for all that would be missing. */
START_TEST(a_gap_that_is_too_wide)
{
    struct bed bed, *b = &bed;
    made(b);
    uint32_t last = bed_last_segment(b);
    bed_close(b);
    struct cubby__seg_header h = header_of(b, last);
    h.number = last + 5000;
    write_header(b, seg_path(last), &h);
    cubby__seg_header_release(&h);
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(last), seg_path(last + 5000)));
    bed_unlink(b, "/s/index");
    bed_open(b);
    apply(b, plan_of(b), "NOT_DONE ");
    ck_assert(!bed_exists(b, seg_path(last)) && !bed_exists(b, seg_path(last + 4999)));
    cubby__store_close(&b->s, NULL);
    bed_end(b);
}
END_TEST

struct meanwhile {
    struct bed *b;
    struct cubby__store *other;
    uint32_t last;
    int done;
};

/* Somebody else rolls, once the end has been found to be damaged. */
static int roll_now(void *arg, uint64_t done, uint64_t total)
{
    struct meanwhile *x = arg;
    struct bed *b = x->b;
    char key[16];
    (void)done;
    (void)total;
    for (int i = 0; !x->done && bed_last_segment(b) == x->last; i++) {
        snprintf(key, sizeof key, "more%d", i);
        MUST(kv_store_in(x->other, key, "some value or other, and not a short one at that, so that a segment is soon full", 0, NULL, &b->err));
    }
    x->done = 1;
    return 0;
}

/* P5 is served: the damaged end has been followed by another already. */
START_TEST(the_end_moves)
{
    struct bed bed, *b = &bed;
    struct meanwhile x = {.b = &bed};
    bed_begin_with(b, 4096, 3000);
    bed_close(b);
    b->o.progress = roll_now;
    b->o.progress_arg = &x;
    x.done = 1;
    bed_open(b);
    kv_store_many(b, 0, 85, 100);
    b->o.progress = NULL;
    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &x.other, &b->err));
    x.last = bed_last_segment(b);
    struct places p;
    frames_of(b, x.last, &p);
    ck_assert_uint_gt(p.n, 2);
    bed_flip(b, seg_path(x.last), p.at[0].off + CUBBY__FRAME_SIZE + 1, 1);
    x.done = 0;
    struct cubby__plan *plan = plan_of(b);
    ck_assert_uint_eq(bed_last_segment(b), x.last + 1); /* and no other one */
    MUST(cubby__store_close(&x.other, &b->err));
    apply(b, plan, "SEGMENT_REPLACED ");
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* The end is damaged when it had just been found sound. */
static int hurt_now(void *arg, uint64_t done, uint64_t total)
{
    struct meanwhile *x = arg;
    struct places p;
    (void)total;
    if (!x->done && x->last && done >= x->last) {
        frames_of(x->b, x->last, &p);
        bed_flip(x->b, seg_path(x->last), p.at[0].off + CUBBY__FRAME_SIZE + 1, 1);
        x->done = 1;
    }
    return 0;
}

/* P5: what is appended to is not replaced, whatever the plan says; the next repair follows it with another first. */
START_TEST(the_end_is_damaged_meanwhile)
{
    struct bed bed, *b = &bed;
    struct meanwhile x = {.b = &bed};
    uint64_t n, m;
    bed_begin_with(b, 4096, 3000);
    bed_close(b);
    b->o.progress = hurt_now;
    b->o.progress_arg = &x;
    bed_open(b);
    kv_store_many(b, 0, 85, 100);
    x.last = bed_last_segment(b);
    struct cubby__plan *plan = plan_of(b);
    ck_assert(x.done && cubby__plan_has(plan, x.last) && bed_last_segment(b) == x.last);
    uint8_t *before = file_bytes(b, seg_path(x.last), &n);
    apply(b, plan, "");
    uint8_t *after = file_bytes(b, seg_path(x.last), &m);
    ck_assert(n == m && memcmp(before, after, n) == 0);
    free(before);
    free(after);
    apply(b, plan_of(b), "SEGMENT_REPLACED ");
    ck_assert_uint_eq(bed_last_segment(b), x.last + 1);
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* A tail that nothing proves is no damage: there is nothing to be done. */
START_TEST(notes)
{
    struct bed bed, died, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 10, 30);
    bed_copy(&bed, &died);
    bed_end(b);
    b = &died;
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    struct cubby__plan *plan = plan_of(b);
    ck_assert(cubby__plan_empty(plan));
    cubby__plan_free(&plan);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/repair_plan", misfits, misfits_without_memory, many, a_hole_that_is_too_small, two_in_a_row, a_gap, a_successor_that_cannot_be_read_now, a_gap_that_is_too_wide,
          the_end_moves, the_end_is_damaged_meanwhile, notes)
