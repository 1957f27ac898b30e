#include "base/hash.h"
#include "unit/store/segment_util.h"

static int bed_store_check(struct bed *b, cubby_finding_fn fn, void *arg, cubby_check_result *r, cubby_error *err)
{
    cubby_options o = b->o;
    struct cubby__store *s;
    o.flags = CUBBY_READ_ONLY | CUBBY__AS_OPENED;
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

/* While somebody writes on: of what is left of the log nothing can be built, and that is no failure of the check. */
START_TEST(no_segment_can_be_read)
{
    for (int gone = 0; gone < 2; gone++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 10, 30);
        if (gone)
            bed_unlink(b, seg_path(1));
        else
            bed_zero(b, seg_path(1), 0, 1024);
        kv_store_many(b, 10, 12, 30);
        finds(b, gone ? "SEGMENT_MISSING" : "SEGMENT_HEADER", 1);
        cubby__store_free(b->s);
        b->s = NULL;
        bed_end(b);
    }
}
END_TEST

static void cut_identity(void *arg)
{
    struct bed *b = arg;
    bed_truncate(b, "/s/cubby.id", 100);
}

/* What else is damaged while the check runs ends it, whatever it has found. */
START_TEST(nothing_can_be_built)
{
    struct bed bed, *b = &bed;
    const struct cubby__check_hooks hooks = {.begin = cut_identity, .arg = b};
    struct findings x = {0};
    cubby_check_result r = {0};
    made(b);
    bed_flip(b, seg_path(2), 2048, 1);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    REFUSES(cubby__store_check(b->s, &hooks, on_finding, &x, &r, &b->err), CUBBY_ECORRUPT);
    ck_assert_int_gt(x.n, 0);
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
    for (int kind = 0; kind < 6; kind++) {
        copied(&bed, b = &hurt);
        switch (kind) {
        case 5: bed_unlink(b, "/s/index"); MUST(b->vfs->mkdir(b->vfs->ctx, "/s/index")); finds(b, "INDEX_META", 1); break;
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

/* ---- what else may be wrong with cubby.id and the index ---- */

static int stop_at(void *arg, const cubby_finding *f)
{
    return strcmp(arg, f->code) == 0;
}

/* cubby.id is cut while somebody has it open, or has a copy in it of another store. */
START_TEST(identities)
{
    struct bed bed, *b = &bed;
    cubby_check_result r = {0};
    uint8_t page[CUBBY__ID_SIZE];
    struct cubby__ident other;
    char code[] = "ID_COPY";
    made(b);
    bed_flip(b, "/s/cubby.id", 30, 1);
    REFUSES(bed_store_check(b, stop_at, code, &r, &b->err), CUBBY_ECANCEL);
    ck_assert_uint_eq(r.findings, 1);
    bed_flip(b, "/s/cubby.id", 30, 1);
    bed_clean(b);
    bed_read(b, "/s/cubby.id", 0, page, sizeof page);
    MUST(cubby__ident_decode(page, &other, "", 0, &b->err));
    memset(other.uuid, 0x5a, sizeof other.uuid);
    cubby__ident_encode(&other, page);
    bed_write(b, "/s/cubby.id", CUBBY__PAGE_SIZE, page, sizeof page);
    finds(b, "ID_COPY", 1);
    struct findings x = {0};
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    bed_truncate(b, "/s/cubby.id", CUBBY__PAGE_SIZE + 10);
    memset(&r, 0, sizeof r);
    REFUSES(cubby__store_check(b->s, NULL, on_finding, &x, &r, &b->err), CUBBY_ECORRUPT); /* nobody else can open it now */
    ck_assert_str_eq(x.codes, "ID_COPY ");
    cubby__store_close(&b->s, NULL);
    bed_end(b);
}
END_TEST

START_TEST(checkpoints)
{
    struct bed bed, hurt, *b = &bed;
    cubby_check_result r = {0};
    uint8_t meta[CUBBY__META_SIZE];
    char code[] = "INDEX_META_SLOT";
    made(b);
    copied(&bed, b = &hurt);
    uint64_t seq[2] = {0, 0};
    for (int slot = 0; slot < 2; slot++) {
        bed_read(b, "/s/index", (uint64_t)slot * CUBBY__PAGE_SIZE, meta, sizeof meta);
        seq[slot] = cubby__get64(meta + CUBBY__META_SEQ_OFF);
    }
    bed_flip(b, "/s/index", (seq[0] > seq[1]) * CUBBY__PAGE_SIZE + 50, 1); /* the older one */
    finds(b, code, 0);
    REFUSES(bed_store_check(b, stop_at, code, &r, &b->err), CUBBY_ECANCEL);
    bed_end(b);
    copied(&bed, b = &hurt); /* of a later version */
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    uint64_t salt = b->s->ident.salt;
    bed_close(b);
    for (uint64_t slot = 0; slot < 2; slot++) {
        bed_read(b, "/s/index", slot * CUBBY__PAGE_SIZE, meta, sizeof meta);
        cubby__put32(meta + CUBBY__META_VERSION_OFF, CUBBY__FORMAT_VERSION + 1);
        cubby__put64(meta + CUBBY__META_CHECKSUM_OFF, cubby__hash64(meta, CUBBY__META_CHECKSUM_OFF, salt));
        bed_write(b, "/s/index", slot * CUBBY__PAGE_SIZE, meta, sizeof meta);
    }
    finds(b, "INDEX_META", 1);
    bed_end(b);
    b = &bed;
    bed_end(b);
}
END_TEST

/* ---- rows, many and long, and while others write ---- */

/* A row more than there should be for each, with a key that no line has room for. */
static int babbling(struct cubby__txn *t, const struct cubby__record *rec)
{
    uint8_t key[100];
    int rc = kv_apply(t, rec);
    if (rec->type == CUBBY__REC_ANNOTATION && rec->payload[2] == 'k') {
        memset(key, 'x', sizeof key);
        key[0] = 0x7f;
        memcpy(key + 1, rec->payload + 2, 5);
        rc = rc ? rc : cubby__txn_put(t, key, sizeof key, "x", 1);
    }
    return rc;
}

static const struct cubby__handlers babblers = {.apply = babbling, .define = kv_define, .create = kv_create, .damage = kv_damage};

static void babbled(struct bed *b, int rows)
{
    bed_init(b);
    MUST(cubby__store_create("/s", &b->o, &babblers, &b->err));
    MUST(cubby__store_open("/s", &b->o, &babblers, &b->s, &b->err));
    kv_store_many(b, 0, rows, 10);
    MUST(cubby__store_checkpoint(b->s, &b->err));
}

static int count_rows(void *arg, const cubby_finding *f)
{
    ++*(int *)arg;
    ck_assert_str_eq(f->code, "INDEX_MISMATCH");
    ck_assert_uint_lt(strlen(f->detail), 200);
    return *(int *)arg == 150;
}

/* A hundred are enough to tell. */
START_TEST(many_rows_that_differ)
{
    struct bed bed, *b = &bed;
    cubby_check_result r = {0};
    int rows = 0;
    char code[] = "INDEX_MISMATCH";
    babbled(b, 140);
    bed_close(b);
    MUST(bed_store_check(b, count_rows, &rows, &r, &b->err));
    ck_assert_int_eq(rows, 100);
    ck_assert_uint_eq(r.findings, 100);
    memset(&r, 0, sizeof r);
    REFUSES(bed_store_check(b, stop_at, code, &r, &b->err), CUBBY_ECANCEL);
    ck_assert_uint_eq(r.findings, 1);
    bed_end(b);
}
END_TEST

struct writing {
    struct bed *b;
    int builds, from;
};

/* A row that is right, by the writer who has the store open, or by one who comes for it. */
static void write_one(void *arg)
{
    struct writing *x = arg;
    struct bed *b = x->b;
    int here = b->s != NULL;
    x->builds++;
    if (!here)
        bed_open(b);
    kv_store_many(b, x->from, x->from + 1, 10);
    x->from++;
    if (!here)
        bed_close(b);
}

static struct findings check_with(struct bed *b, const struct cubby__check_hooks *hooks)
{
    struct findings x = {0};
    cubby_check_result r = {0};
    struct cubby__store *s;
    cubby_options o = b->o;
    o.flags = CUBBY_READ_ONLY | CUBBY__AS_OPENED;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    MUST(cubby__store_check(s, hooks, on_finding, &x, &r, &b->err));
    MUST(cubby__store_close(&s, &b->err));
    return x;
}

/* Beside a writer that does nothing a difference is one at once; while it writes, what differs each time in the same way. */
START_TEST(rows_that_differ_beside_a_writer)
{
    struct bed bed, *b = &bed;
    babbled(b, 3);
    struct cubby__store *s = b->s;
    struct findings x = bed_check(b);
    ck_assert_str_eq(x.codes, "INDEX_MISMATCH INDEX_MISMATCH INDEX_MISMATCH ");
    struct writing w = {b, 0, 1000};
    const struct cubby__check_hooks hooks = {.begin = write_one, .arg = &w};
    x = check_with(b, &hooks); /* each time a row more differs: nothing is sure, and not for ever */
    ck_assert_str_eq(x.codes, "INDEX_BUSY ");
    ck_assert_int_eq(w.builds, 5);
    MUST(cubby__store_close(&s, &b->err));
    b->s = NULL;
    bed_end(b);
    babbled(b, 3);
    bed_close(b);
    bed_open(b);
    w.builds = 0;
    x = check_with(b, &hooks);
    ck_assert_str_eq(x.codes, "INDEX_MISMATCH INDEX_MISMATCH INDEX_MISMATCH ");
    ck_assert_int_eq(w.builds, 2);
    bed_end(b);
}
END_TEST

/* A handle that shares nothing with writers cannot wait for them to be quiet. */
START_TEST(a_writer_that_comes_and_goes)
{
    struct bed bed, *b = &bed;
    made(b);
    struct writing w = {b, 0, 1000};
    const struct cubby__check_hooks hooks = {.begin = write_one, .arg = &w}, none = {.arg = NULL};
    struct findings x = check_with(b, &hooks);
    ck_assert_str_eq(x.codes, "INDEX_BUSY ");
    ck_assert_int_eq(w.builds, 1);
    x = check_with(b, &none);
    ck_assert_int_eq(x.n + x.notes, 0);
    struct places p;
    frames_of(b, 2, &p);
    while (p.type[--p.n] != CUBBY__REC_COMMIT) /* its records are fragments now, which nobody wants */
        continue;
    bed_flip(b, seg_path(2), p.at[p.n].off + CUBBY__FRAME_SIZE, 1);
    x = check_with(b, &none);
    ck_assert_int_gt(x.n, 0);
    bed_end(b);
}
END_TEST

/* The index that is built beside the old one, to compare with it, cannot be read. */
START_TEST(a_scratch_index_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    cubby_check_result r = {0};
    int failed = 0;
    bed_begin_with(b, 0, 3000);
    kv_store_many(b, 0, 400, 150);
    bed_close(b);
    b->o.cache_bytes = 1;
    for (;; failed++) {
        fault_set(&b->fault, FAULT_PREAD, "scratch", failed, -EIO, 0);
        int rc = bed_store_check(b, NULL, NULL, &r, &b->err);
        if (!b->fault.hits)
            break;
        ck_assert_msg(rc == CUBBY_EIO || (rc == 0 && failed < 2), "read %d: %d", failed, rc); /* without a file, memory serves */
        ck_assert_uint_eq(r.findings, 0);
    }
    b->fault.rc = 0;
    ck_assert_int_gt(failed, 1);
    bed_end(b);
}
END_TEST

/* ---- was anybody else there? ---- */

/* Commits that find their room zeroed already, and no checkpoint: neither the index nor the size of any file tells. */
START_TEST(a_visit_within_the_zeros)
{
    struct bed bed, *b = &bed;
    struct cubby__witness before = {0}, now;
    uint64_t size = 0, same = 0;
    bed_begin_with(b, 1 << 20, 1 << 20);
    kv_store_many(b, 0, 100, 500);
    bed_close(b);
    for (int i = 100; i < 200; i++) {
        MUST(cubby__witness_before("/s", &b->o, &kv_handlers, &now, &b->err));
        ck_assert(i == 100 || !cubby__witness_same(&before, &now));
        same += bed_size(b, seg_path(1)) == size && now.seq == before.seq;
        size = bed_size(b, seg_path(1));
        before = now;
        bed_open(b);
        kv_store_many(b, i, i + 1, 10);
        bed_close(b);
    }
    ck_assert_uint_gt(same, 50);
    fault_set(&b->fault, FAULT_PREAD, "segments", 1, -EIO, 1); /* the same each time */
    MUST(cubby__witness_before("/s", &b->o, &kv_handlers, &before, &b->err));
    MUST(cubby__witness_before("/s", &b->o, &kv_handlers, &now, &b->err));
    b->fault.rc = 0;
    ck_assert(cubby__witness_same(&before, &now));
    bed_end(b);
}
END_TEST

START_TEST(witnesses)
{
    struct bed bed, *b = &bed;
    struct cubby__witness before, now;
    made(b);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    MUST(cubby__witness(b->s, &before, &b->err));
    MUST(cubby__witness(b->s, &now, &b->err));
    ck_assert(cubby__witness_same(&before, &now) && before.count && before.end);
    for (int i = 0; i < 5; i++) {
        now = before;
        now.others = i == 0;
        now.seq += i == 1;
        now.nonce += i == 2;
        now.count += i == 3;
        now.end += i == 4;
        ck_assert(!cubby__witness_same(&before, &now));
    }
    fault_set(&b->fault, FAULT_LIST, "segments", 0, -EIO, 0);
    REFUSES(cubby__witness(b->s, &now, &b->err), CUBBY_EIO);
    for (uint32_t n = bed_last_segment(b); n; n--)
        bed_unlink(b, seg_path(n));
    MUST(cubby__witness(b->s, &now, &b->err));
    ck_assert(!cubby__witness_same(&before, &now) && !now.count && !now.end);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
    MUST(cubby__witness(b->s, &now, &b->err));
    ck_assert(!now.count);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/elsewhere", "/s/segments"));
    cubby__store_close(&b->s, NULL);
    bed_end(b);
    made(b);
    bed_open(b); /* whoever shares the store with its writers needs none */
    MUST(cubby__witness(b->s, &before, &b->err));
    MUST(kv_store(b, "more", "x"));
    MUST(cubby__witness(b->s, &now, &b->err));
    ck_assert(cubby__witness_same(&before, &now));
    cubby__store_close(&b->s, NULL);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/check", sound, segments, no_segment_can_be_read, nothing_can_be_built, tails, the_index, rows_that_differ, stopped, in_bounded_memory, what_cannot_be_checked, identities,
          checkpoints, many_rows_that_differ,
          rows_that_differ_beside_a_writer, a_writer_that_comes_and_goes, a_scratch_index_that_cannot_be_read, a_visit_within_the_zeros, witnesses)
