#include "store/repair.h"

#include "unit/store/store_util.h"

/* A store of several segments, open. */
static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
}

static int told(void *arg, const cubby_finding *f)
{
    size_t n = strlen(arg);
    ck_assert_int_eq(f->severity, CUBBY_NOTE);
    snprintf((char *)arg + n, 500 - n, "%s ", f->code);
    return 0;
}

static void repair(struct bed *b, char codes[500])
{
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan;
    *codes = '\0';
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    ck_assert_int_ge(cubby__plan_mend_headers(b->s, plan, &t, &b->err), 0);
    cubby__plan_free(&plan);
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
    cubby__plan_free(&plan);
    ck_assert_ptr_null(plan);
}

/* With the index built anew, as the caller does: it is sound. */
static void clean_when_rebuilt(struct bed *b)
{
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    bed_close(b);
    bed_clean(b);
}

static uint8_t *file(struct bed *b, const char *path, uint64_t *n)
{
    *n = bed_size(b, path);
    uint8_t *p = malloc(*n + 1);
    bed_read(b, path, 0, p, *n);
    return p;
}

/* P1, P2: the old file is in quarantine, and the new one differs from it only where it was damaged. */
START_TEST(a_copy_with_the_damage_covered)
{
    struct bed bed, *b = &bed;
    char codes[500];
    uint64_t before, after, kept;
    made(b);
    struct cubby__log *log = b->s->log;
    bed_flip(b, seg_path(2), 2048, 1);
    uint8_t *old = file(b, seg_path(2), &before);
    repair(b, codes);
    ck_assert_str_eq(codes, "SEGMENT_REPLACED ");
    uint8_t *new = file(b, seg_path(2), &after), *quarantined = file(b, "/s/quarantine/00000002.seg", &kept);
    ck_assert_uint_eq(kept, before);
    ck_assert_mem_eq(quarantined, old, before);
    ck_assert_uint_le(after, before);
    uint64_t first = 0, last = 0, different = 0;
    for (uint64_t i = 0; i < after; i++)
        if (new[i] != old[i]) {
            first = different++ ? first : i;
            last = i;
        }
    ck_assert(different && first <= 2048 && last >= 2048 && last - first < 400);
    ck_assert_ptr_eq(b->s->log, log);
    clean_when_rebuilt(b);
    bed_open(b);
    repair(b, codes);
    ck_assert_str_eq(codes, ""); /* nothing is left to do */
    bed_end(b);
    free(old);
    free(new);
    free(quarantined);
}
END_TEST

/* P5 */
START_TEST(the_last_segment_is_left_first)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    uint32_t last = bed_last_segment(b);
    uint64_t at = b->s->pending.seg_frames + 40;
    kv_store_many(b, 80, 82, 100);
    bed_flip(b, seg_path(last), at, 1);
    repair(b, codes);
    ck_assert_str_eq(codes, "SEGMENT_REPLACED ");
    ck_assert_uint_eq(bed_last_segment(b), last + 1);
    ck_assert_uint_eq(b->s->pending.seg, last + 1);
    kv_store_many(b, 82, 84, 100);
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

static int refused(struct bed *b)
{
    struct cubby__plan *plan;
    cubby_options o = b->o;
    struct cubby__store *s;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    memset(&b->err, 0, sizeof b->err);
    int rc = cubby__plan_make(s, NULL, 0, NULL, NULL, &plan, &b->err);
    ck_assert_ptr_null(plan);
    cubby_error unused;
    ck_assert_int_eq(cubby__store_close(&s, &unused), 0);
    return rc;
}

/* ... by those who can still write to it: another handle does not even know where its frames are. It changes nothing. */
START_TEST(the_last_segment_cannot_be_left)
{
    for (int gone = 0; gone < 3; gone++) {
        struct bed bed, *b = &bed;
        char codes[500];
        made(b);
        uint32_t last = bed_last_segment(b);
        if (gone)
            bed_unlink(b, seg_path(last));
        if (gone == 2)
            MUST(b->vfs->mkdir(b->vfs->ctx, seg_path(last)));
        if (!gone)
            bed_write(b, seg_path(last), 0, (uint8_t[1024]){0}, 1024);
        kv_store_many(b, 80, 82, 100);
        int writes = b->fault.calls[FAULT_PWRITE], renames = b->fault.calls[FAULT_RENAME];
        REFUSES(refused(b), CUBBY_EBUSY);
        ck_assert_ptr_nonnull(strstr(b->err.message, "must be closed"));
        ck_assert(b->fault.calls[FAULT_PWRITE] == writes && b->fault.calls[FAULT_RENAME] == renames);
        kv_store_many(b, 82, 84, 100);
        if (!gone) { /* who has it open */
            repair(b, codes);
            ck_assert_str_eq(codes, "HEADER_MADE ");
            clean_when_rebuilt(b);
            bed_open(b);
            ck_assert_str_ne(kv_look(b, "k0083"), "");
        }
        bed_end(b);
    }
}
END_TEST

/* What is no file makes way, also while the store is open: whoever has open what was there before reads it on. */
START_TEST(what_is_no_file)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    bed_unlink(b, seg_path(2));
    MUST(b->vfs->mkdir(b->vfs->ctx, seg_path(2)));
    repair(b, codes);
    ck_assert_str_eq(codes, "STRAY_MOVED STAND_IN ");
    ck_assert(bed_exists(b, seg_path(2)) && bed_exists(b, "/s/quarantine/00000002.seg"));
    bed_write(b, seg_path(2), 0, (uint8_t[1024]){0}, 1024); /* another one of that name is kept beside it */
    repair(b, codes);
    ck_assert_str_eq(codes, "STAND_IN ");
    ck_assert(bed_exists(b, "/s/quarantine/00000002.seg.1"));
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

START_TEST(headers_and_stand_ins)
{
    struct bed bed, *b = &bed;
    static const uint8_t zeros[1024];
    char codes[500];
    made(b);
    bed_close(b);
    bed_write(b, seg_path(2), 0, zeros, sizeof zeros);
    bed_unlink(b, seg_path(4));
    bed_open(b);
    repair(b, codes);
    ck_assert_str_eq(codes, "HEADER_MADE STAND_IN ");
    ck_assert(bed_exists(b, seg_path(4)));
    bed_close(b);
    struct findings x = bed_check(b);
    ck_assert_msg(!strstr(x.codes, "SEGMENT") && !strstr(x.codes, "FRAME"), "%s", x.codes);
    bed_end(b);
}
END_TEST

/* A header is gone, and with it what said where the segment before it ends; and the last COMMIT there is damaged. Its records are not behind the end. */
START_TEST(a_torn_commit_before_a_lost_header)
{
    struct bed bed, *b = &bed;
    static const uint8_t zeros[1024];
    struct cubby__seg_header h;
    char codes[500];
    made(b);
    MUST(cubby__log_header(b->s->log, 3, &h, &b->err));
    uint64_t end = h.pred_end;
    struct cubby__buf before = kv_dump(b);
    cubby__seg_header_release(&h);
    bed_close(b);
    bed_unlink(b, "/s/index");
    bed_flip(b, seg_path(2), end - CUBBY__COMMIT_LEN - CUBBY__FRAME_SIZE + 9, 1);
    bed_write(b, seg_path(3), 0, zeros, sizeof zeros);
    bed_open(b);
    repair(b, codes);
    ck_assert_str_eq(codes, "HEADER_MADE SEGMENT_REPLACED ");
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    struct cubby__buf after = kv_dump(b);
    ck_assert_uint_eq(after.len, before.len);
    cubby__buf_release(&before);
    cubby__buf_release(&after);
    bed_close(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* The same bytes are quarantined once, others beside them. */
START_TEST(quarantine_names)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    bed_flip(b, seg_path(2), 2048, 1);
    repair(b, codes);
    bed_flip(b, seg_path(2), 3000, 1);
    repair(b, codes);
    ck_assert(bed_exists(b, "/s/quarantine/00000002.seg"));
    ck_assert(bed_exists(b, "/s/quarantine/00000002.seg.1"));
    ck_assert(!bed_exists(b, "/s/quarantine/00000002.seg.2"));
    bed_end(b);
}
END_TEST

START_TEST(no_space)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan;
    made(b);
    bed_flip(b, seg_path(2), 2048, 1);
    uint64_t n, m;
    uint8_t *before = file(b, seg_path(2), &n);
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    fault_set(&b->fault, FAULT_PWRITE, "tmp", 0, -ENOSPC, 1000);
    REFUSES(cubby__plan_apply(b->s, plan, &t, &b->err), CUBBY_ENOSPC);
    b->fault.rc = 0;
    uint8_t *after = file(b, seg_path(2), &m);
    ck_assert_uint_eq(n, m);
    ck_assert_mem_eq(before, after, n);
    MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
    cubby__plan_free(&plan);
    clean_when_rebuilt(b);
    bed_end(b);
    free(before);
    free(after);
}
END_TEST

/* What does not come to an end leaves nothing in tmp/ that would take room. */
START_TEST(no_space_in_quarantine)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan;
    made(b);
    bed_flip(b, seg_path(2), 2048, 1);
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    fault_set(&b->fault, FAULT_PWRITE, "tmp/quarantine", 0, -ENOSPC, 1000);
    REFUSES(cubby__plan_apply(b->s, plan, &t, &b->err), CUBBY_ENOSPC);
    b->fault.rc = 0;
    ck_assert(!bed_exists(b, "/s/tmp/00000002.seg") && !bed_exists(b, "/s/tmp/quarantine"));
    cubby__plan_free(&plan);
    bed_end(b);
}
END_TEST

/* A segment that was missing when the plan was made, and that somebody has put back since, is not replaced by an empty one. */
START_TEST(put_back_in_time)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan;
    uint64_t n;
    made(b);
    bed_close(b);
    uint8_t *bytes = file(b, seg_path(3), &n);
    bed_unlink(b, seg_path(3));
    bed_open(b);
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    ck_assert(cubby__plan_has(plan, 3));
    cubby_file *f;
    MUST(b->vfs->open(b->vfs->ctx, seg_path(3), CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &f));
    MUST(b->vfs->pwrite(b->vfs->ctx, f, bytes, n, 0));
    b->vfs->close(b->vfs->ctx, f);
    MUST(cubby__plan_apply(b->s, plan, &t, &b->err));
    ck_assert_str_eq(codes, "");
    cubby__plan_free(&plan);
    clean_when_rebuilt(b);
    bed_end(b);
    free(bytes);
}
END_TEST

/* The same of a header: what was put back is not made again, and the plan is to be made anew. */
START_TEST(a_header_put_back_in_time)
{
    struct bed bed, *b = &bed;
    static const uint8_t zeros[1024];
    uint8_t header[sizeof zeros];
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct cubby__plan *plan;
    made(b);
    bed_close(b);
    bed_read(b, seg_path(3), 0, header, sizeof header);
    bed_write(b, seg_path(3), 0, zeros, sizeof zeros);
    bed_open(b);
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    ck_assert(cubby__plan_has(plan, 3));
    bed_write(b, seg_path(3), 0, header, sizeof header);
    MUST(cubby__plan_mend_headers(b->s, plan, &t, &b->err));
    ck_assert_str_eq(codes, "");
    cubby__plan_free(&plan);
    MUST(cubby__plan_make(b->s, NULL, 0, NULL, NULL, &plan, &b->err));
    ck_assert(cubby__plan_empty(plan));
    cubby__plan_free(&plan);
    clean_when_rebuilt(b);
    bed_end(b);
}
END_TEST

START_TEST(identity)
{
    struct bed bed, *b = &bed;
    enum cubby__ident_state state;
    made(b);
    bed_close(b);
    MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
    ck_assert_int_eq(state, CUBBY__IDENT_SOUND);
    uint64_t n;
    uint8_t *before = file(b, "/s/cubby.id", &n);
    for (int kind = 0; kind < 4; kind++) {
        if (kind == 0)
            bed_flip(b, "/s/cubby.id", 30, 1);
        else if (kind == 1)
            bed_flip(b, "/s/cubby.id", 4096 + 30, 1);
        else if (kind == 2)
            bed_truncate(b, "/s/cubby.id", 100);
        else
            bed_unlink(b, "/s/cubby.id");
        enum cubby__ident_state want = kind < 2 ? CUBBY__IDENT_COPY : CUBBY__IDENT_LOST;
        MUST(cubby__ident_state(b->vfs, "/s", &state, &b->err));
        ck_assert_int_eq(state, want);
        MUST(cubby__ident_repair(b->vfs, "/s", &state, &b->err));
        ck_assert_int_eq(state, want);
        uint8_t *after = file(b, "/s/cubby.id", &n);
        ck_assert_uint_eq(n, CUBBY__ID_FILE_SIZE);
        ck_assert_mem_eq(before, after, 2 * CUBBY__PAGE_SIZE);
        free(after);
    }
    bed_open(b); /* nobody replaces it under those who have it open */
    bed_truncate(b, "/s/cubby.id", 100);
    REFUSES(cubby__ident_repair(b->vfs, "/s", &state, &b->err), CUBBY_EBUSY);
    free(before);
    REFUSES(cubby__ident_state(b->vfs, "/nothing", &state, &b->err), CUBBY_ENOTSTORE);
    cubby__store_close(&b->s, NULL);
    cubby__memfs_free(&b->fs);
}
END_TEST

UNIT_MAIN("store/repair", a_copy_with_the_damage_covered, the_last_segment_is_left_first, the_last_segment_cannot_be_left, what_is_no_file, headers_and_stand_ins,
          a_torn_commit_before_a_lost_header, quarantine_names, no_space, no_space_in_quarantine, put_back_in_time, a_header_put_back_in_time, identity)
