#include "store/repair.h"

#include "base/hash.h"
#include "fault/fault_table.c" /* every call: unit tests link no objects but layers */
#include "store/recover.h"
#include "unit/store/segment_util.h"

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

static void does(struct bed *b, const char *want)
{
    char codes[500];
    MUST(openable(b, codes));
    ck_assert_str_eq(codes, want);
}

/* Closed, of several segments, with an index that knows all of it. */
static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
}

/* As somebody leaves it who tried to open the store since then. */
static void wipe_page(struct bed *b)
{
    bed_zero(b, "/s/cubby.id", CUBBY__SHARED_OFFSET, CUBBY__PAGE_SIZE);
}

static void wipe_all_headers(struct bed *b)
{
    for (uint32_t n = bed_last_segment(b); n; n--)
        bed_zero(b, seg_path(n), 0, 1024);
}

START_TEST(sound)
{
    struct bed bed, *b = &bed;
    made(b);
    does(b, "");
    bed_open(b); /* somebody has it open: then it can be opened */
    does(b, "");
    bed_end(b);
}
END_TEST

/* What is to be kept must have its place before anything is done. */
START_TEST(no_quarantine)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/quarantine"));
    does(b, "");
    MUST(b->vfs->rename(b->vfs->ctx, "/s/quarantine", "/s/elsewhere"));
    bed_write(b, "/s/quarantine", 0, "a file", 6);
    wipe_all_headers(b);
    REFUSES(openable(b, codes), CUBBY_ECORRUPT);
    ck_assert_str_eq(codes, "");
    bed_unlink(b, "/s/quarantine");
    fault_set(&b->fault, FAULT_STAT, "quarantine", 0, -EIO, 0);
    REFUSES(openable(b, codes), CUBBY_EIO);
    bed_end(b);
}
END_TEST

/* Not even the directory is there. */
START_TEST(no_directory)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
    fault_set(&b->fault, FAULT_MKDIR, "segments", 0, -EACCES, 0);
    REFUSES(openable(b, codes), CUBBY_EACCES);
    fault_set(&b->fault, FAULT_DIRSYNC, "/s", 0, -EIO, 0);
    REFUSES(openable(b, codes), CUBBY_EIO);
    ck_assert_str_eq(codes, "");
    does(b, "STAND_IN "); /* behind the last one that the index knows of */
    ck_assert(!bed_exists(b, seg_path(1)));
    bed_unlink(b, "/s/index");
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "k0001"), "");
    bed_end(b);
}
END_TEST

/* Each call and each allocation fails in turn. */
START_TEST(every_call_fails)
{
    struct bed bed, *b = &bed;
    heap_install();
    for (int heap = 0; heap < 2; heap++)
        for (uint64_t i = 1, hits = 1; hits; i++) {
            char codes[500];
            made(b);
            MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
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
            ck_assert_msg(rc == 0 || rc == (heap ? CUBBY_ENOMEM : CUBBY_EIO), "%d %s", rc, b->err.message);
            ck_assert(rc != 0 || strcmp(codes, "STAND_IN ") == 0);
            MUST(openable(b, codes));
            bed_unlink(b, "/s/index");
            bed_open(b);
            bed_end(b);
            fault_table_free(&table);
        }
}
END_TEST

/* Neither segments nor an index: the first one begins the log anew. */
START_TEST(nothing_is_left)
{
    struct bed bed, *b = &bed;
    made(b);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/segments", "/s/elsewhere"));
    bed_unlink(b, "/s/index");
    does(b, "STAND_IN ");
    ck_assert(bed_exists(b, seg_path(1)));
    does(b, "");
    bed_open(b);
    MUST(kv_store(b, "new", "one"));
    bed_end(b);
}
END_TEST

/* An index that says nothing is none: empty, of another version, damaged. */
START_TEST(an_index_that_says_nothing)
{
    struct bed bed, copy, *b = &bed;
    made(b);
    uint32_t last = bed_last_segment(b);
    for (int kind = 0; kind < 4; kind++) {
        uint8_t meta[CUBBY__META_SIZE];
        bed_copy(&bed, b = &copy);
        for (uint64_t slot = 0; kind && slot < CUBBY__META_SLOTS; slot++) {
            bed_read(b, "/s/index", slot * CUBBY__PAGE_SIZE, meta, sizeof meta);
            if (kind == 1) {
                cubby__put32(meta + CUBBY__META_VERSION_OFF, CUBBY__FORMAT_VERSION + 1);
                MUST(bed_try_open(b, CUBBY_READ_ONLY));
                cubby__put64(meta + CUBBY__META_CHECKSUM_OFF, cubby__hash64(meta, CUBBY__META_CHECKSUM_OFF, b->s->ident.salt));
                bed_close(b);
            } else {
                meta[kind == 2 ? 20 : CUBBY__META_CHECKSUM_OFF] ^= 1;
            }
            bed_write(b, "/s/index", slot * CUBBY__PAGE_SIZE, meta, sizeof meta);
        }
        if (!kind)
            bed_truncate(b, "/s/index", 0);
        wipe_page(b);
        bed_zero(b, seg_path(last), 0, 1024);
        does(b, "");
        wipe_all_headers(b);
        does(b, "STAND_IN ");
        ck_assert_uint_eq(bed_last_segment(b), last + 1);
        bed_end(b);
        b = &bed;
    }
    bed_end(b);
}
END_TEST

/* What the index says of the last segment helps only with that one: an older index knows an older one. */
START_TEST(an_older_index)
{
    struct bed bed, *b = &bed;
    uint64_t n;
    made(b);
    uint8_t *old = file_bytes(b, "/s/index", &n);
    uint32_t was = bed_last_segment(b);
    bed_open(b);
    kv_store_many(b, 80, 160, 100);
    bed_close(b);
    uint32_t last = bed_last_segment(b);
    ck_assert_uint_gt(last, was);
    bed_truncate(b, "/s/index", 0);
    bed_write(b, "/s/index", 0, old, n);
    free(old);
    wipe_page(b);
    bed_zero(b, seg_path(last), 0, 1024);
    does(b, ""); /* others can be read, and nobody knows the nonce of this one */
    wipe_all_headers(b);
    does(b, "STAND_IN ");
    ck_assert_uint_eq(bed_last_segment(b), last + 1);
    bed_end(b);
}
END_TEST

/* Whoever tried to open it has moved an index away, and one more was there since: what goes further counts. */
START_TEST(two_indexes)
{
    struct bed bed, *b = &bed;
    uint64_t n;
    made(b);
    uint8_t *old = file_bytes(b, "/s/index", &n);
    bed_open(b);
    kv_store_many(b, 80, 160, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    b->vfs->mkdir(b->vfs->ctx, "/s/tmp");
    bed_write(b, "/s/tmp/old-index", 0, old, n);
    free(old);
    bed_zero(b, seg_path(bed_last_segment(b)), 0, 1024);
    does(b, "HEADER_MADE "); /* the old one does not know its nonce */
    bed_open(b);
    ck_assert_str_ne(kv_look(b, "k0159"), "");
    bed_end(b);
}
END_TEST

/* The header of the last segment and its end are gone: that the one can be made again does not mean that nothing was lost with the other. */
START_TEST(a_header_and_the_end)
{
    struct bed bed, *b = &bed;
    struct places at;
    made(b);
    uint32_t last = bed_last_segment(b);
    frames_of(b, last, &at);
    size_t i = at.n / 2;
    while (i && at.type[i - 1] != CUBBY__REC_COMMIT)
        i--;
    ck_assert_uint_gt(i, 0);
    uint64_t counter, commit, end = at.at[i].off;
    bed_open(b);
    counter = kv_counter(b);
    commit = b->s->pending.commit;
    bed_close(b);
    wipe_page(b);
    bed_truncate(b, seg_path(last), end);
    bed_zero(b, seg_path(last), 0, 1024);
    does(b, "HEADER_MADE ");
    struct findings x = bed_check(b);
    ck_assert_msg(strstr(x.codes, "LOG_SHORT "), "%s", x.codes);
    bed_open(b);
    ck_assert_msg(strstr(b->notice, "commits up to"), "%s", b->notice);
    ck_assert_uint_ge(kv_counter(b), counter + cubby__records_in(CUBBY__SEG_CAPACITY_MAX));
    ck_assert_uint_gt(b->s->floors.commit, commit);
    bed_end(b);
}
END_TEST

/* Nothing else is left, and each knows numbers that the other does not; but such as no counting reaches are forged. */
START_TEST(numbers_of_two_indexes)
{
    static const uint64_t objects[] = {UINT64_C(1) << 40, CUBBY__NUMBER_MAX - 1};
    for (int kind = 0; kind < 2; kind++) {
        struct bed bed, copy, *b = &bed;
        struct cubby__txn *t;
        made(b);
        bed_copy(b, &copy);
        bed_open(b = &copy);
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        cubby__txn_floors(t)->object = objects[kind];
        MUST(kv_mark(t, 7));
        MUST(cubby__txn_commit(&t, NULL));
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_close(b);
        bed_open(b = &bed);
        kv_store_many(b, 80, 160, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        uint64_t last = b->s->pending.commit;
        bed_close(b);
        b->vfs->mkdir(b->vfs->ctx, "/s/tmp");
        MUST(b->vfs->rename(b->vfs->ctx, "/s/index", "/s/tmp/old-index"));
        bed_copy_file(&copy, b, "/s/index");
        for (uint32_t n = bed_last_segment(b); n; n--)
            bed_unlink(b, seg_path(n));
        does(b, "STAND_IN ");
        bed_open(b);
        ck_assert_uint_gt(b->s->floors.commit, last);
        ck_assert(b->s->floors.object > (kind ? 0 : objects[0]) && b->s->floors.object < CUBBY__NUMBER_MAX / 2);
        MUST(kv_store(b, "more", "more"));
        bed_end(b);
        bed_end(b = &copy);
    }
}
END_TEST

/* Since the last segment was begun there was no checkpoint: those who had the store open have left its nonce in the page that they shared. */
START_TEST(what_was_published)
{
    struct bed bed, copy, *b = &bed;
    char codes[500];
    bed_begin_with(b, 4096, 1 << 20);
    kv_store_many(b, 0, 80, 100);
    uint64_t nonce = b->s->pending.seg_nonce;
    bed_close(b);
    uint32_t last = bed_last_segment(b);
    bed_zero(b, seg_path(last), 0, 1024);
    for (int kind = 0; kind < 5; kind++) {
        struct cubby__published p[2];
        const uint64_t at[] = {CUBBY__SHARED_OFFSET + CUBBY__SHARED_STATE0_OFF, CUBBY__SHARED_OFFSET + CUBBY__SHARED_STATE1_OFF};
        bed_copy(&bed, b = &copy);
        for (int i = 0; i < 2; i++) {
            bed_read(b, "/s/cubby.id", at[i], &p[i], sizeof p[i]);
            ck_assert(p[i].seg == last && p[i].seg_nonce == nonce);
            p[i].seg_nonce ^= kind == 1 || kind == i + 2; /* which no frame verifies with */
            p[i].seg += kind == 4;
            bed_write(b, "/s/cubby.id", at[i], &p[i], sizeof p[i]);
        }
        fault_set(&b->fault, FAULT_PREAD, "cubby.id", 1, -EIO, 0); /* behind the identity */
        REFUSES(openable(b, codes), CUBBY_EIO);
        does(b, kind == 1 || kind == 4 ? "" : "HEADER_MADE ");
        bed_unlink(b, "/s/index");
        bed_open(b);
        ck_assert_int_eq(*kv_look(b, "k0079") != '\0', kind != 1 && kind != 4);
        bed_end(b);
        b = &bed;
    }
    bed_end(b);
}
END_TEST

static void cut_behind_identity(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    if (op == FAULT_LIST) /* that it can be opened has been seen */
        bed_truncate(b, "/s/cubby.id", CUBBY__SHARED_OFFSET);
    (void)path;
}

/* The page is cut off meanwhile: then it says nothing. */
START_TEST(a_page_that_goes_away)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 1 << 20);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
    bed_zero(b, seg_path(bed_last_segment(b)), 0, 1024);
    b->fault.hook_arg = b;
    b->fault.hook = cut_behind_identity;
    does(b, "");
    bed_end(b);
}
END_TEST

/* The last segment becomes something that is no file between two looks at it: it is left where it is, as if nothing could be read of it. */
START_TEST(the_last_segment_is_no_file)
{
    struct bed bed, *b = &bed;
    char on[32];
    made(b);
    uint32_t last = bed_last_segment(b);
    bed_zero(b, seg_path(last), 0, 1024);
    snprintf(on, sizeof on, "%08u.seg", last);
    fault_set(&b->fault, FAULT_OPEN, on, 1, -EINVAL, 0);
    does(b, "");
    ck_assert_int_eq(b->fault.hits, 1);
    ck_assert_uint_eq(bed_last_segment(b), last);
    does(b, "HEADER_MADE ");
    bed_end(b);
}
END_TEST

/* No uidvalidity is raised so far that folders to come have none. */
START_TEST(the_highest_uidvalidity)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *txn;
    const uint32_t high = UINT32_MAX - 5;
    bed_begin_with(b, 4096, 3000);
    MUST(cubby__txn_begin(b->s, 0, &txn, &b->err));
    cubby__txn_floors(txn)->uidvalidity = high;
    MUST(kv_put(txn, "key", "value", 5));
    MUST(cubby__txn_commit(&txn, NULL));
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    bed_zero(b, seg_path(1), 0, bed_size(b, seg_path(1)));
    does(b, "STAND_IN ");
    bed_unlink(b, "/s/index");
    struct cubby__seg_header h = header_of(b, bed_last_segment(b));
    ck_assert_uint_eq(h.floors.uidvalidity, high);
    cubby__seg_header_release(&h);
    bed_end(b);
}
END_TEST

/* The index knows the nonce; and no frame is left that it would help to read. */
START_TEST(no_frame_is_left)
{
    struct bed bed, *b = &bed;
    made(b);
    uint32_t last = bed_last_segment(b);
    bed_zero(b, seg_path(last), 0, bed_size(b, seg_path(last)));
    does(b, "");
    ck_assert(!bed_exists(b, "/s/quarantine/00000001.seg"));
    bed_end(b);
}
END_TEST

/* While it cannot be read, the index may still know what nothing else does: then nothing is given up. */
START_TEST(an_index_that_cannot_be_read_now)
{
    struct bed bed, *b = &bed;
    char codes[500];
    made(b);
    bed_zero(b, seg_path(bed_last_segment(b)), 0, 1024);
    for (int after = 0; after < 3; after++) {
        fault_set(&b->fault, after ? FAULT_PREAD : FAULT_OPEN, "index", after ? after - 1 : 0, -EIO, 0);
        REFUSES(openable(b, codes), CUBBY_EIO);
        ck_assert_str_eq(codes, "");
    }
    does(b, "HEADER_MADE ");
    bed_open(b);
    ck_assert_str_ne(kv_look(b, "k0079"), "");
    bed_end(b);
}
END_TEST

/* ---- those who come meanwhile ---- */

/* Closed, with a row that has changed since what stands in the shared page was current: a power cut has left it as it was written out some time before. */
static void made_with_old_page(struct bed *b)
{
    uint8_t page[CUBBY__PAGE_SIZE];
    bed_begin(b);
    MUST(kv_store(b, "row", "old"));
    bed_read(b, "/s/cubby.id", CUBBY__SHARED_OFFSET, page, sizeof page);
    MUST(kv_store(b, "row", "new"));
    bed_close(b);
    bed_write(b, "/s/cubby.id", CUBBY__SHARED_OFFSET, page, sizeof page);
}

struct visitor {
    struct bed *b;
    struct fault fault;
    struct cubby__store *repair; /* ends when this visitor takes its nth lock */
    int nth, visits;
};

static void the_repair_ends(void *arg, enum fault_op op, const char *path)
{
    struct visitor *v = arg;
    if (op == FAULT_LOCK && strstr(path, "cubby.id") && v->repair && --v->nth == 0)
        cubby__store_close(&v->repair, NULL);
}

static struct cubby__store *open_as(struct visitor *v, unsigned flags, int may_write)
{
    struct bed *b = v->b;
    cubby_options o = b->o;
    struct cubby__store *s;
    fault_init(&v->fault, b->vfs);
    if (!may_write)
        fault_set(&v->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 0);
    v->fault.hook = the_repair_ends;
    v->fault.hook_arg = v;
    o.vfs = &v->fault.vfs;
    o.flags = flags;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    v->visits++;
    return s;
}

/* What it reads is what was acknowledged last. */
static void visit(struct visitor *v, unsigned flags, int may_write)
{
    struct cubby__store *s = open_as(v, flags, may_write);
    ck_assert_str_eq(kv_look_in(s, "row"), "new");
    cubby__store_close(&s, NULL);
}

static void look_in(void *arg, enum fault_op op, const char *path)
{
    if (op == FAULT_LIST && strstr(path, "segments"))
        visit(arg, CUBBY_READ_ONLY, 0);
}

START_TEST(a_reader_comes)
{
    struct bed bed, *b = &bed;
    char codes[500] = "";
    struct cubby__repairs t = {.fn = told, .arg = codes};
    struct visitor v = {.b = b};
    made_with_old_page(b);
    b->fault.hook = look_in;
    b->fault.hook_arg = &v;
    MUST(cubby__repair_names("/s", &b->o, &kv_handlers, &t, &b->err));
    ck_assert_int_gt(v.visits, 0);
    MUST(openable(b, codes));
    b->fault.hook = NULL;
    bed_end(b);
}
END_TEST

struct early {
    struct visitor v;
    struct cubby__store *s; /* the last of them */
};

static void come_early(void *arg, enum fault_op op, const char *path)
{
    struct early *e = arg;
    if (op != FAULT_FSTAT || !strstr(path, "cubby.id"))
        return;
    cubby__store_close(&e->s, NULL);
    e->s = open_as(&e->v, CUBBY_READ_ONLY, 0);
}

/* ... just as it begins: whoever the page has misled looks again. */
START_TEST(a_reader_came_before)
{
    struct bed bed, *b = &bed;
    struct early e = {.v = {.b = b}};
    struct cubby__store *repair;
    int in_use;
    made_with_old_page(b);
    MUST(cubby__store_open_bare("/s", &b->o, &kv_handlers, &repair, &b->err));
    b->fault.hook = come_early;
    b->fault.hook_arg = &e;
    MUST(cubby__repair_lock(repair, &in_use, &b->err));
    b->fault.hook = NULL;
    ck_assert_int_gt(e.v.visits, 0);
    ck_assert_str_eq(kv_look_in(e.s, "row"), "new");
    cubby__store_close(&e.s, NULL);
    cubby__store_close(&repair, NULL);
    bed_end(b);
}
END_TEST

/* ... just as it ends: the lock that keeps others out is there when they ask for it alone, and gone when they ask to share it. */
START_TEST(somebody_comes_as_it_ends)
{
    static const struct {
        unsigned flags;
        int nth;
    } who[] = {{0, 2}, {CUBBY_READ_ONLY, 1}};
    for (int i = 0; i < 2; i++) {
        struct bed bed, *b = &bed;
        struct visitor v = {.b = b, .nth = who[i].nth};
        int in_use;
        made_with_old_page(b);
        MUST(cubby__store_open_bare("/s", &b->o, &kv_handlers, &v.repair, &b->err));
        MUST(cubby__repair_lock(v.repair, &in_use, &b->err));
        ck_assert(!in_use);
        visit(&v, who[i].flags, 1);
        ck_assert_ptr_null(v.repair);
        bed_end(b);
    }
}
END_TEST

static int fstat_of_twins(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    int rc = fault_fstat(ctx, f, out);
    out->links = 2;
    return rc;
}

/* A page that cannot be written to ends the repair; one that tells whose store it was, where cubby.id has another name, keeps saying so. */
START_TEST(the_page)
{
    struct bed bed, *b = &bed;
    struct cubby__store *s;
    uint64_t ready;
    int in_use;
    for (int kind = 0; kind < 5; kind++) {
        made_with_old_page(b);
        MUST(cubby__store_open_bare("/s", &b->o, &kv_handlers, &s, &b->err));
        if (kind == 4)
            b->fault.vfs.fstat = fstat_of_twins;
        else if (kind)
            fault_set(&b->fault, kind == 1 ? FAULT_FSTAT : FAULT_PWRITE, "cubby.id", kind == 3, kind == 1 ? -EIO : -ENOSPC, 0);
        if (kind && kind < 4)
            REFUSES(cubby__repair_lock(s, &in_use, &b->err), kind == 1 ? CUBBY_EIO : CUBBY_ENOSPC);
        else
            MUST(cubby__repair_lock(s, &in_use, &b->err));
        cubby__store_close(&s, NULL);
        bed_read(b, "/s/cubby.id", CUBBY__SHARED_OFFSET + CUBBY__SHARED_READY_OFF, &ready, sizeof ready);
        ck_assert_int_eq(ready == CUBBY__SHARED_READY, kind == 1 || kind == 4);
        bed_end(b);
    }
}
END_TEST

UNIT_MAIN("store/repair_open", sound, no_quarantine, no_directory, every_call_fails, nothing_is_left, an_index_that_says_nothing, an_older_index,
          two_indexes, numbers_of_two_indexes, a_header_and_the_end, what_was_published, a_page_that_goes_away, the_last_segment_is_no_file, the_highest_uidvalidity, no_frame_is_left, an_index_that_cannot_be_read_now, a_reader_comes,
          a_reader_came_before, somebody_comes_as_it_ends, the_page)
