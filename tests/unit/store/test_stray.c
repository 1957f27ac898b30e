#include "store/stray.h"

#include "fault/fault_table.c" /* every call: unit tests link no objects but layers */
#include "unit/store/segment_util.h"

enum { LAST = CUBBY__SEG_NUMBER_MAX, FAR = CUBBY__SEG_STRAY_FROM + 7 };

static int told(void *arg, const cubby_finding *f)
{
    size_t n = strlen(arg);
    snprintf((char *)arg + n, 500 - n, "%s ", f->code);
    return 0;
}

static int openable(struct bed *b, char codes[500])
{
    struct cubby__repairs t = {.fn = told, .arg = codes};
    *codes = '\0';
    return cubby__repair_openable("/s", &b->o, &kv_handlers, &t, &b->err);
}

static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
    ck_assert_uint_gt(bed_last_segment(b), 4);
}

static void copy_file(struct bed *b, const char *from, const char *to)
{
    uint64_t n;
    uint8_t *p = file_bytes(b, from, &n);
    bed_write(b, to, 0, p, n);
    free(p);
}

/* How many are passed over; -1: the listing is not what it was, or fails. */
static int strays(struct bed *b)
{
    struct cubby__store *s;
    uint32_t *numbers;
    size_t count, far;
    MUST(cubby__store_open_bare("/s", &b->o, &kv_handlers, &s, &b->err));
    int rc = cubby__segments(s, &numbers, &count, &far, &b->err);
    for (size_t i = 0; rc == 0 && i + 1 < count + far; i++)
        ck_assert_uint_lt(numbers[i], numbers[i + 1]);
    cubby__free(numbers);
    cubby__store_close(&s, NULL);
    return rc == 0 ? (int)far : -1;
}

enum kind { EMPTY, JUNK, FOREIGN, ONE_MORE, A_DIRECTORY, KINDS };

static void leave(struct bed *b, enum kind kind, uint32_t number)
{
    uint8_t junk[3000];
    memset(junk, 0x5a, sizeof junk);
    if (kind == A_DIRECTORY)
        MUST(b->vfs->mkdir(b->vfs->ctx, seg_path(number)));
    else if (kind == JUNK || kind == EMPTY)
        bed_write(b, seg_path(number), 0, junk, kind == JUNK ? sizeof junk : 0);
    else
        copy_file(b, seg_path(2), seg_path(number));
    if (kind == FOREIGN) {
        struct cubby__seg_header h = header_of(b, number);
        h.ident.uuid[3] ^= 1;
        h.number = number;
        write_header(b, seg_path(number), &h);
        cubby__seg_header_release(&h);
    }
}

/* Whatever it is: it is told, it keeps nobody from reading and writing, and a repair keeps it elsewhere. */
START_TEST(what_is_passed_over)
{
    for (int kind = 0; kind < KINDS; kind++)
        for (uint32_t number = FAR; number <= LAST; number += LAST - FAR) {
            struct bed bed, *b = &bed;
            char codes[500], path[64];
            made(b);
            uint32_t last = bed_last_segment(b);
            leave(b, (enum kind)kind, number);
            ck_assert_int_eq(strays(b), 1);
            struct findings x = bed_check(b);
            ck_assert_str_eq(x.codes, "SEGMENT_STRAY ");
            bed_quiet(b);
            bed_open(b);
            ck_assert_ptr_nonnull(strstr(b->notice, "far behind the log"));
            kv_store_many(b, 80, 160, 100);
            x = bed_check(b); /* while others write, too */
            ck_assert_str_eq(x.codes, "SEGMENT_STRAY ");
            bed_rebuild_is_equal(b);
            cubby_stat st;
            MUST(cubby__store_get_stat(b->s, &st, &b->err));
            ck_assert_uint_eq(st.segments, bed_last_segment(b));
            bed_close(b);
            ck_assert_uint_gt(bed_last_segment(b), last);
            MUST(openable(b, codes));
            ck_assert_str_eq(codes, "STRAY_MOVED ");
            snprintf(path, sizeof path, "/s/quarantine/%08u.seg", number);
            ck_assert(bed_exists(b, path) && !bed_exists(b, seg_path(number)));
            leave(b, (enum kind)kind, number); /* once more: the first one stays */
            MUST(openable(b, codes));
            strcat(path, ".1");
            ck_assert(bed_exists(b, path) && !bed_exists(b, seg_path(number)));
            bed_clean(b);
            MUST(bed_try_open(b, CUBBY_REBUILD));
            ck_assert_str_ne(kv_look(b, "k0159"), "");
            bed_end(b);
        }
}
END_TEST

/* What may be the log's, or may still be needed for its number, is not. */
START_TEST(what_is_not)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    uint32_t last = bed_last_segment(b);
    struct cubby__seg_header third = header_of(b, 3);
    leave(b, EMPTY, CUBBY__SEG_STRAY_FROM - 1); /* a log may come near it */
    ck_assert_int_eq(strays(b), 0);
    leave(b, EMPTY, CUBBY__SEG_STRAY_FROM);
    ck_assert_int_eq(strays(b), 0); /* right behind another */
    bed_unlink(b, seg_path(CUBBY__SEG_STRAY_FROM - 1));
    ck_assert_int_eq(strays(b), 1);
    leave(b, EMPTY, CUBBY__SEG_STRAY_FROM + 1);
    leave(b, JUNK, LAST);
    ck_assert_int_eq(strays(b), 3);
    MUST(openable(b, codes));
    ck_assert_str_eq(codes, "STRAY_MOVED STRAY_MOVED STRAY_MOVED ");
    /* one that was renamed: nobody may take its number */
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(last), seg_path(LAST)));
    ck_assert_int_eq(strays(b), 0);
    REFUSES(bed_try_open(b, 0), CUBBY_ELIMIT);
    ck_assert_ptr_nonnull(strstr(b->err.message, "repair"));
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(LAST), seg_path(last)));
    /* two that have each other's, and one of them is far away: the other may stand where the log ends */
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(2), seg_path(FAR)));
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(3), seg_path(2)));
    ck_assert_int_eq(strays(b), 0);
    bed_zero(b, seg_path(2), 0, 1024);
    ck_assert_int_eq(strays(b), 1); /* nobody gets number 2 */
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(2), seg_path(3)));
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(FAR), seg_path(2)));
    write_header(b, seg_path(3), &third);
    cubby__seg_header_release(&third);
    /* of a later version */
    struct cubby__seg_header h = header_of(b, 2);
    h.number = FAR;
    h.ident.incompat = 1;
    bed_write(b, seg_path(FAR), 0, "", 0);
    write_header(b, seg_path(FAR), &h);
    ck_assert_int_eq(strays(b), 0);
    /* in its place */
    h.ident.incompat = 0;
    write_header(b, seg_path(FAR), &h);
    cubby__seg_header_release(&h);
    ck_assert_int_eq(strays(b), 0);
    bed_unlink(b, seg_path(FAR));
    bed_clean(b);
    /* the only one that is left */
    for (uint32_t i = 2; i <= last; i++)
        bed_unlink(b, seg_path(i));
    MUST(b->vfs->rename(b->vfs->ctx, seg_path(1), seg_path(FAR)));
    bed_zero(b, seg_path(FAR), 0, 1024);
    ck_assert_int_eq(strays(b), 0);
    bed_end(b);
}
END_TEST

static int misnamed(struct bed *b, uint32_t name)
{
    struct cubby__store *s;
    uint32_t *numbers;
    size_t count;
    MUST(cubby__store_open_bare("/s", &b->o, &kv_handlers, &s, &b->err));
    MUST(cubby__log_list(s->log, &numbers, &count, &b->err));
    int rc = cubby__is_misnamed(s, numbers, count, name, &b->err);
    cubby__free(numbers);
    cubby__store_close(&s, NULL);
    return rc;
}

/* Only what a repair gives back is misnamed: while there is such a segment, what it holds does not count as lost. */
START_TEST(what_is_misnamed)
{
    struct bed bed, *b = &bed;
    made(b);
    ck_assert_int_eq(misnamed(b, 2), 0);
    ck_assert_int_eq(misnamed(b, 99), 0); /* it has gone */
    leave(b, ONE_MORE, 77);
    ck_assert_int_eq(misnamed(b, 77), 0);
    bed_unlink(b, seg_path(2));
    ck_assert_int_eq(misnamed(b, 77), 1);
    leave(b, JUNK, 2);
    ck_assert_int_eq(misnamed(b, 77), 0);
    ck_assert_int_eq(misnamed(b, 2), 0);
    bed_unlink(b, seg_path(2));
    copy_file(b, seg_path(3), seg_path(2));
    ck_assert_int_eq(misnamed(b, 77), 1); /* which has one like it */
    ck_assert_int_eq(misnamed(b, 2), 0);  /* whose own is in use */
    bed_unlink(b, seg_path(3));
    ck_assert_int_eq(misnamed(b, 2), 1);
    struct findings x = bed_check(b);
    ck_assert_ptr_null(strstr(x.codes, "INDEX_MISMATCH"));
    fault_set(&b->fault, FAULT_OPEN, "00000077", 0, -EIO, 0);
    ck_assert_int_eq(misnamed(b, 77), CUBBY_EIO);
    fault_set(&b->fault, FAULT_OPEN, "00000002", 0, -EIO, 0);
    ck_assert_int_eq(misnamed(b, 77), CUBBY_EIO);
    bed_end(b);
}
END_TEST

static int no(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 1;
}

/* The check is stopped at the first of two; what is planned for the segments has nothing to do with them; and a quarantine may have no name left. */
START_TEST(two_of_them)
{
    struct bed bed, *b = &bed;
    cubby_check_result r = {0};
    struct cubby__plan *plan;
    struct cubby__store *s;
    char path[64], codes[500];
    made(b);
    leave(b, JUNK, FAR);
    leave(b, JUNK, LAST);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    s = b->s;
    REFUSES(cubby__store_check(s, NULL, no, NULL, &r, &b->err), CUBBY_ECANCEL);
    ck_assert_uint_eq(r.findings, 1);
    bed_close(b);
    bed_open(b);
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    ck_assert(cubby__plan_empty(plan));
    cubby__plan_free(&plan);
    bed_close(b);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/quarantine"));
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, i ? "/s/quarantine/90000007.seg.%d" : "/s/quarantine/90000007.seg", i);
        bed_write(b, path, 0, "x", 1);
    }
    REFUSES(openable(b, codes), CUBBY_EEXIST);
    ck_assert(bed_exists(b, seg_path(FAR)) && bed_exists(b, seg_path(LAST)));
    bed_end(b);
}
END_TEST

START_TEST(every_call_fails)
{
    struct bed bed, copy, *b = &bed;
    made(b);
    leave(b, JUNK, FAR);
    leave(b, JUNK, LAST);
    heap_install();
    for (int heap = 0; heap < 2; heap++)
        for (uint64_t i = 1, hits = 1; hits; i++) {
            char codes[500];
            bed_copy(&bed, b = &copy);
            struct fault_table *table = fault_table_new(b->vfs);
            b->o.vfs = fault_table_vfs(table);
            if (heap)
                heap_arm(i, 0);
            else
                fault_arm(table, ALL_CALLS, i, F_EIO, 0);
            int rc = openable(b, codes);
            heap_disarm();
            fault_disarm(table);
            hits = heap ? heap_hits() : fault_hits(table);
            ck_assert_msg(rc == 0 || rc == (heap ? CUBBY_ENOMEM : CUBBY_EIO), "%d: %s", rc, b->err.message);
            ck_assert(bed_exists(b, seg_path(FAR)) != bed_exists(b, "/s/quarantine/90000007.seg"));
            ck_assert(bed_exists(b, seg_path(LAST)) != bed_exists(b, "/s/quarantine/99999999.seg"));
            MUST(openable(b, codes));
            bed_clean(b);
            b->o.vfs = &b->fault.vfs;
            bed_end(b);
            fault_table_free(&table);
        }
    b = &bed;
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/stray", what_is_passed_over, what_is_not, what_is_misnamed, two_of_them, every_call_fails)
