#include "store/repair_file.h"

#include "fault/fault_table.c" /* every call: unit tests link no objects but layers */
#include "unit/store/segment_util.h"

static int told(void *arg, const cubby_finding *f)
{
    size_t n = strlen(arg);
    snprintf((char *)arg + n, 500 - n, "%s ", f->code);
    return 0;
}

static struct cubby__plan *plan_of(struct bed *b)
{
    struct cubby__plan *plan;
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    return plan;
}

static void repair(struct bed *b, const char *want)
{
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan = plan_of(b);
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

/* No DAMAGE is so long that whoever scans it would need much memory. */
START_TEST(a_long_hole)
{
    struct bed bed, *b = &bed;
    struct places p;
    int damages = 0;
    bed_begin_with(b, 8 << 20, 0);
    kv_store_many(b, 0, 40, 100 << 10);
    kv_store_many(b, 40, 41, 10);
    bed_zero(b, seg_path(1), 1 << 20, (5 << 20) / 2);
    repair(b, "SEGMENT_REPLACED ");
    frames_of(b, 1, &p);
    for (size_t i = 0; i < p.n; i++) {
        damages += p.type[i] == CUBBY__REC_DAMAGE;
        ck_assert(p.type[i] != CUBBY__REC_DAMAGE || p.at[i].len <= CUBBY__DAMAGE_LEN_MAX + 40);
    }
    ck_assert_int_ge(damages, 3);
    ck_assert_str_eq(kv_look(b, "k0040"), "oooooooooo");
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* Room for nothing but the header of a DAMAGE: it has no content, and counts all the same. */
START_TEST(the_shortest_damage)
{
    struct bed bed, *b = &bed;
    struct places p;
    struct cubby__newseg n;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
    frames_of(b, 2, &p);
    struct cubby__seg_header h = header_of(b, 2);
    bed_open(b);
    uint64_t from = p.at[0].off, to = p.at[1].off, middle = from + CUBBY__FRAME_SIZE;
    MUST(cubby__newseg_begin(&n, b->s, 2, &b->err));
    n.seed.nonce = h.nonce;
    MUST(cubby__newseg_copy(&n, 0, from, &b->err));
    MUST(cubby__newseg_cover(&n, &(struct cubby__hole){from, middle, h.last_commit, CUBBY__DAMAGE_STRETCH, middle - from}, &b->err));
    MUST(cubby__newseg_cover(&n, &(struct cubby__hole){middle, to, h.last_commit, CUBBY__DAMAGE_STRETCH, to - middle}, &b->err));
    MUST(cubby__newseg_copy(&n, to, n.old_size, &b->err));
    MUST(cubby__newseg_end(&n, &b->err));
    cubby__seg_header_release(&h);
    frames_of(b, 2, &p);
    ck_assert(p.type[0] == CUBBY__REC_DAMAGE && p.at[0].len == 0 && p.type[1] == CUBBY__REC_DAMAGE);
    repair(b, ""); /* nothing is damaged any more */
    clean_when_rebuilt(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    ck_assert_uint_lt(b->s->floors.object, 100); /* it stands for two records at most */
    bed_end(b);
}
END_TEST

/* Zeros without end behind a segment, as after `truncate`: the copy in quarantine is as long, and takes no room for them. */
START_TEST(a_sparse_file)
{
    struct bed bed, *b = &bed;
    uint64_t n, m;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_flip(b, seg_path(2), 2048, 1);
    bed_truncate(b, seg_path(2), 40 << 20);
    uint8_t *before = file_bytes(b, seg_path(2), &n), *after;
    b->fault.calls[FAULT_PWRITE] = 0;
    repair(b, "SEGMENT_REPLACED ");
    ck_assert_int_lt(b->fault.calls[FAULT_PWRITE], 20);
    after = file_bytes(b, "/s/quarantine/00000002.seg", &m);
    ck_assert(n == m && memcmp(before, after, n) == 0);
    free(before);
    free(after);
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

/* A thousand repairs of one segment, and no end: something else is wrong. */
START_TEST(no_name_is_free)
{
    struct bed bed, *b = &bed;
    char codes[500] = "", path[64];
    struct cubby__repairs t = {.fn = told, .arg = codes};
    uint64_t n, m;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_flip(b, seg_path(2), 2048, 1);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/quarantine"));
    for (int i = 0; i < 1000; i++) {
        snprintf(path, sizeof path, i ? "/s/quarantine/00000002.seg.%d" : "/s/quarantine/00000002.seg", i);
        bed_write(b, path, 0, "x", 1);
    }
    uint8_t *before = file_bytes(b, seg_path(2), &n);
    struct cubby__plan *plan = plan_of(b);
    REFUSES(cubby__plan_apply(b->s, plan, &t, &b->err), CUBBY_EEXIST);
    cubby__plan_free(&plan);
    uint8_t *after = file_bytes(b, seg_path(2), &m);
    ck_assert(n == m && memcmp(before, after, n) == 0);
    ck_assert(!bed_exists(b, "/s/tmp/00000002.seg") && !bed_exists(b, "/s/quarantine/00000002.seg.1000"));
    free(before);
    free(after);
    bed_end(b);
}
END_TEST

/* A leftover that cannot be removed: that is said, and not that there is one. */
START_TEST(leftovers_that_stay)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    static const char *const leftovers[] = {"/s/tmp/00000002.seg", "/s/tmp/quarantine"};
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++) {
        bed_begin_with(b, 4096, 3000);
        kv_store_many(b, 0, 80, 100);
        bed_flip(b, seg_path(2), 2048, 1);
        struct cubby__plan *plan = plan_of(b);
        b->vfs->mkdir(b->vfs->ctx, "/s/tmp");
        MUST(b->vfs->mkdir(b->vfs->ctx, leftovers[i])); /* which unlink does not take away */
        REFUSES(cubby__plan_apply(b->s, plan, &t, &b->err), CUBBY_EIO);
        cubby__plan_free(&plan);
        ck_assert_str_eq(codes, "");
        bed_end(b);
    }
}
END_TEST

/* One that makes way and is there again: somebody else makes it, and that is told as it is. */
START_TEST(a_leftover_that_comes_back)
{
    struct bed bed, *b = &bed;
    struct cubby__newseg n;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    b->vfs->mkdir(b->vfs->ctx, "/s/tmp");
    for (int left = 0; left < 2; left++) {
        if (left)
            bed_write(b, "/s/tmp/00000002.seg", 0, "x", 1);
        fault_set(&b->fault, FAULT_OPEN, "tmp/00000002.seg", 0, -EEXIST, 0);
        REFUSES(cubby__newseg_begin(&n, b->s, 2, &b->err), CUBBY_EEXIST);
        ck_assert_int_eq(b->fault.hits, 1);
        ck_assert(!bed_exists(b, "/s/tmp/00000002.seg"));
    }
    MUST(cubby__newseg_begin(&n, b->s, 2, &b->err));
    MUST(cubby__newseg_copy(&n, 0, n.old_size, &b->err));
    MUST(cubby__newseg_end(&n, &b->err));
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* What lies in a segment's place and is no file cannot be kept, so it is not replaced: whoever put it there takes it away. */
START_TEST(no_regular_file)
{
    struct bed bed, *b = &bed;
    struct cubby__newseg n;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    fault_set(&b->fault, FAULT_OPEN, "segments/00000002.seg", 0, -EINVAL, 0);
    REFUSES(cubby__newseg_begin(&n, b->s, 2, &b->err), CUBBY_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(b->err.message, "not a regular file"));
    ck_assert_ptr_nonnull(strstr(b->err.path, "00000002.seg"));
    ck_assert(!bed_exists(b, "/s/tmp/00000002.seg") && !bed_exists(b, "/s/quarantine"));
    bed_end(b);
}
END_TEST

/* In quarantine there are: another file of that length, and this one, from a repair that was cut off. */
static void with_quarantine(struct bed *from, struct bed *b, const uint8_t *bytes, uint64_t n)
{
    bed_copy(from, b);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/quarantine"));
    bed_write(b, "/s/quarantine/00000002.seg", 0, bytes, n);
    bed_flip(b, "/s/quarantine/00000002.seg", n - 1, 1);
    bed_write(b, "/s/quarantine/00000002.seg.1", 0, bytes, n);
}

/* Each call, and each allocation, fails in turn: the old file keeps its name and its bytes, or the new one has it; and then it works. */
START_TEST(every_call_fails)
{
    struct bed bed, copy, *b = &bed;
    uint64_t n, m, k;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
    bed_flip(b, seg_path(2), 2048, 1);
    bed_flip(b, seg_path(2), 3500, 1);
    uint8_t *bytes = file_bytes(b, seg_path(2), &n);
    heap_install();
    for (int heap = 0; heap < 2; heap++)
        for (uint64_t i = 1, hits = 1; hits; i++) {
            char codes[500] = "";
            struct cubby__repairs t = {.fn = told, .arg = codes};
            with_quarantine(&bed, b = &copy, bytes, n);
            struct fault_table *table = fault_table_new(b->vfs);
            b->o.vfs = fault_table_vfs(table);
            bed_open(b);
            struct cubby__plan *plan = plan_of(b);
            if (heap)
                heap_arm(i, 0);
            else
                fault_arm(table, ALL_CALLS, i, F_EIO, 0);
            int rc = cubby__plan_apply(b->s, plan, &t, &b->err);
            heap_disarm();
            fault_disarm(table);
            hits = heap ? heap_hits() : fault_hits(table);
            ck_assert_msg(rc == 0 || rc == (heap ? CUBBY_ENOMEM : CUBBY_EIO), "%d: %s", rc, b->err.message);
            uint8_t *now = file_bytes(b, seg_path(2), &m);
            int replaced = m != n || memcmp(now, bytes, n) != 0;
            ck_assert(rc != 0 || replaced);
            free(now);
            now = file_bytes(b, "/s/quarantine/00000002.seg.1", &k);
            ck_assert(k == n && memcmp(now, bytes, n) == 0);
            free(now);
            cubby__plan_free(&plan);
            plan = plan_of(b);
            MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
            cubby__plan_free(&plan);
            ck_assert(replaced || strstr(codes, "SEGMENT_REPLACED "));
            clean_when_rebuilt(b);
            bed_end(b);
            fault_table_free(&table);
        }
    free(bytes);
    b = &bed;
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/repair_file", a_long_hole, the_shortest_damage, a_sparse_file, no_name_is_free, leftovers_that_stay, a_leftover_that_comes_back, no_regular_file,
          every_call_fails)
