#include "store/repair.h"

#include "base/hash.h"
#include "fault/fault_table.c" /* every call: unit tests link no objects but layers */
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

UNIT_MAIN("store/repair_open", sound, no_quarantine, no_directory, every_call_fails, nothing_is_left, an_index_that_says_nothing, an_older_index,
          two_indexes, the_last_segment_is_no_file, the_highest_uidvalidity, no_frame_is_left, an_index_that_cannot_be_read_now)
