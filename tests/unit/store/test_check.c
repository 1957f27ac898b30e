#include "unit/store/store_util.h"

static int bed_store_check(struct bed *b, cubby_finding_fn fn, void *arg, cubby_check_result *r, cubby_error *err)
{
    cubby_options o = b->o;
    struct cubby__store *s;
    o.flags = CUBBY_READ_ONLY;
    int rc = cubby__store_open("/s", &o, &kv_handlers, &s, err);
    if (rc == 0) {
        rc = cubby__store_check(s, NULL, fn, arg, r, err);
        cubby__store_close(&s, NULL);
    }
    return rc;
}

/* A store of several segments, cleanly stopped. */
static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
}

/* The findings have this code, and it counts as a problem or is a note. */
static void finds(struct bed *b, const char *code, int problem)
{
    struct findings x = bed_check(b);
    ck_assert_msg(strstr(x.codes, code), "%s is not among: %s", code, x.codes);
    ck_assert_msg((x.n > 0) == problem, "%s", x.codes);
}

static void copied(struct bed *from, struct bed *to)
{
    bed_copy(from, to);
}

START_TEST(sound)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    struct findings x = bed_check(b); /* beside a writer */
    ck_assert_int_eq(x.n, 0);
    bed_close(b);
    x = bed_check(b);
    ck_assert_int_eq(x.n + x.notes, 0);
    int writes = b->fault.calls[FAULT_PWRITE];
    bed_check(b);
    ck_assert_int_eq(b->fault.calls[FAULT_PWRITE], writes);
    cubby_check_result r = {0};
    MUST(bed_store_check(b, NULL, NULL, &r, NULL));
    bed_end(b);
}
END_TEST

START_TEST(segments)
{
    struct bed bed, hurt, *b = &bed;
    made(b);
    uint64_t size = bed_size(b, seg_path(2));
    for (int kind = 0; kind < 9; kind++) {
        uint8_t zeros[512] = {0};
        copied(&bed, b = &hurt);
        switch (kind) {
        case 0: bed_unlink(b, seg_path(2)); finds(b, "SEGMENT_MISSING", 1); break;
        case 1: bed_unlink(b, seg_path(1)); finds(b, "SEGMENT_MISSING", 1); break;
        case 2: bed_truncate(b, seg_path(2), 300); finds(b, "SEGMENT_HEADER", 1); break;
        case 3: bed_flip(b, seg_path(2), 200, 1); finds(b, "SEGMENT_HEADER_COPY", 1); break;
        case 4: bed_flip(b, seg_path(2), 700, 1); finds(b, "SEGMENT_HEADER_COPY", 1); break; /* the second */
        case 5: bed_truncate(b, seg_path(2), size - 200); finds(b, "SEGMENT_TRUNCATED", 1); break;
        case 6: bed_write(b, seg_path(2), size - 224, zeros, 224); finds(b, "SEGMENT_SHORT", 1); break;
        case 7: bed_flip(b, seg_path(2), 1100, 1); finds(b, "FRAME_DAMAGED", 1); break;
        default: bed_write(b, seg_path(2), 2048, zeros, 512); finds(b, "FRAME_DAMAGED", 1); break;
        }
        bed_end(b);
    }
    b = &bed;
    bed_end(b);
}
END_TEST

START_TEST(tails)
{
    struct bed bed, died, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 10, 30);
    copied(&bed, b = &died);
    finds(b, "TAIL_UNPROVEN", 0);
    bed_end(b);
    b = &bed;
    uint64_t end = b->s->pending.seg_off;
    bed_close(b);
    copied(&bed, b = &died);
    bed_write(b, seg_path(1), end + 40, "half a commit", 13);
    finds(b, "TAIL_TORN", 0);
    bed_end(b);
    /* the last commit: with a PROOF it is damage, and when the index says so */
    copied(&bed, b = &died);
    bed_flip(b, seg_path(1), end - 100, 1);
    finds(b, "FRAME_DAMAGED", 1);
    bed_end(b);
    b = &bed;
    bed_open(b);
    kv_store_many(b, 10, 11, 30);
    end = b->s->pending.seg_off;
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    for (int kind = 0; kind < 3; kind++) {
        copied(&bed, b = &died);
        if (kind == 0)
            bed_flip(b, seg_path(1), end - 100, 1);
        else
            bed_truncate(b, seg_path(1), kind == 1 ? end - 100 : end - 200);
        struct findings x = bed_check(b);
        ck_assert_msg(x.n > 0, "kind %d: %s", kind, x.codes);
        bed_end(b);
    }
    b = &bed;
    bed_end(b);
}
END_TEST

START_TEST(the_index)
{
    struct bed bed, hurt, *b = &bed;
    made(b);
    bed_open(b);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    uint64_t root = cubby__published_root(&b->s->pending).page;
    bed_close(b);
    for (int kind = 0; kind < 5; kind++) {
        copied(&bed, b = &hurt);
        switch (kind) {
        case 0: bed_unlink(b, "/s/index"); finds(b, "INDEX_MISSING", 0); break;
        case 1: bed_flip(b, "/s/index", 50, 1); bed_flip(b, "/s/index", 4096 + 50, 1); finds(b, "INDEX_META", 1); break;
        case 2: bed_truncate(b, "/s/index", 0); finds(b, "INDEX_MISSING", 0); break;
        case 3: bed_flip(b, "/s/index", root * 4096 + 4000, 1); finds(b, "INDEX_PAGE", 1); break;
        default: bed_truncate(b, "/s/index", 3 * 4096); finds(b, "INDEX_PAGE", 1); break;
        }
        bed_end(b);
    }
    b = &bed;
    bed_end(b);
}
END_TEST

/* Rows that are not what the segments say: a handler that changed its mind makes them. */
static int forgetful(struct cubby__txn *t, const struct cubby__record *rec)
{
    if (rec->type == CUBBY__REC_ANNOTATION && rec->payload[2] == 'f')
        return 0;
    int rc = kv_apply(t, rec);
    if (rc == 0 && rec->type == CUBBY__REC_ANNOTATION && rec->payload[2] == 'e')
        rc = cubby__txn_put(t, "\x7f" "extra", 6, "x", 1);
    if (rc == 0 && rec->type == CUBBY__REC_ANNOTATION && rec->payload[2] == 'w')
        rc = cubby__txn_put(t, "\x31wrong", 6, "another value of some length", 28);
    return rc;
}

START_TEST(rows_that_differ)
{
    static const struct cubby__handlers wrong = {.apply = forgetful, .define = kv_define, .create = kv_create, .damage = kv_damage};
    static const char *const keys[] = {"forgotten", "extra", "wrong", "right"};
    static const char *const say[] = {"missing", "should not be", "not what", ""};
    for (int i = 0; i < 4; i++) {
        struct bed bed, *b = &bed;
        bed_init(b);
        MUST(cubby__store_create("/s", &b->o, &wrong, &b->err));
        MUST(cubby__store_open("/s", &b->o, &wrong, &b->s, &b->err));
        MUST(kv_store(b, keys[i], "x"));
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_close(b);
        if (*say[i])
            finds(b, "INDEX_MISMATCH", 1);
        else
            bed_clean(b);
        bed_end(b);
    }
}
END_TEST

static int stop(void *arg, const cubby_finding *f)
{
    (void)f;
    ++*(int *)arg;
    return 1;
}

START_TEST(stopped)
{
    struct bed bed, hurt, *b = &bed;
    made(b);
    for (int kind = 0; kind < 5; kind++) {
        cubby_check_result r = {0};
        int calls = 0;
        copied(&bed, b = &hurt);
        switch (kind) {
        case 0: bed_unlink(b, seg_path(2)); break;
        case 1: bed_flip(b, seg_path(2), 200, 1); break;
        case 2: bed_flip(b, seg_path(2), 1100, 1); break;
        case 3: bed_truncate(b, "/s/index", 0); break;
        default: bed_truncate(b, "/s/index", 3 * 4096); break;
        }
        REFUSES(bed_store_check(b, stop, &calls, &r, &b->err), CUBBY_ECANCEL);
        ck_assert_int_eq(calls, 1);
        bed_end(b);
    }
    b = &bed;
    bed_end(b);
}
END_TEST

/* An index larger than the caches is not built anew in memory, but in a file without a name. */
START_TEST(in_bounded_memory)
{
    struct bed bed, *b = &bed;
    made(b);
    b->o.cache_bytes = 1000;
    int writes = b->fault.calls[FAULT_PWRITE];
    bed_clean(b);
    ck_assert_int_gt(b->fault.calls[FAULT_PWRITE], writes);
    fault_set(&b->fault, FAULT_OPEN, "scratch", 0, -EACCES, 1000); /* where nothing may be written, memory serves */
    writes = b->fault.calls[FAULT_PWRITE];
    bed_clean(b);
    ck_assert_int_eq(b->fault.calls[FAULT_PWRITE], writes);
    bed_end(b);
}
END_TEST

START_TEST(what_cannot_be_checked)
{
    struct bed bed, *b = &bed;
    cubby_check_result r = {0};
    bed_init(b);
    REFUSES(bed_store_check(b, NULL, NULL, &r, &b->err), CUBBY_ENOENT);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s"));
    REFUSES(bed_store_check(b, NULL, NULL, &r, &b->err), CUBBY_ENOTSTORE);
    bed_end(b);
    made(b);
    for (int after = 0; after < 30; after++) { /* no read error is a finding about the store, none is passed over */
        fault_set(&b->fault, FAULT_PREAD, "segments", after, -EIO, 1);
        memset(&b->err, 0, sizeof b->err);
        int rc = bed_store_check(b, NULL, NULL, &r, &b->err);
        int hits = b->fault.hits;
        b->fault.rc = 0;
        if (!hits)
            break;
        ck_assert_msg(rc == CUBBY_EIO, "read %d fails: %d", after, rc);
    }
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/check", sound, segments, tails, the_index, rows_that_differ, stopped, in_bounded_memory, what_cannot_be_checked)
