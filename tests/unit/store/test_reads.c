/* Recoveries of large and odd logs, in which reads, writes and listings fail: refused for what it is, and whole again with the next open. */
#include "log/frame.h"
#include "store/commit.h"
#include "unit/store/store_util.h"

static void fill_with(struct bed *b, const char *path, uint64_t from, uint64_t to, uint8_t what)
{
    uint8_t block[4096];
    memset(block, what, sizeof block);
    for (uint64_t at = from; at < to; at += sizeof block)
        bed_write(b, path, at, block, to - at < sizeof block ? (size_t)(to - at) : sizeof block);
}

/* ---- reads that fail ---- */

enum hurt { HOLE, JUNK, LAST_HOLE, LAST_JUNK, LAST_BOTH, HURTS };
enum { ROW = 400 << 10 };

/* A log in which much is damaged: in the middle, or where an index proves that more had been synced. */
static void hurt(struct bed *b, enum hurt how, struct bed *dead)
{
    bed_begin_with(b, 64 << 20, 1 << 30);
    MUST(kv_store(b, "first", "x"));
    uint64_t at = b->s->pending.seg_off;
    MUST(kv_store_long(b, "big", ROW));
    uint64_t end = b->s->pending.seg_off;
    if (how < LAST_HOLE)
        MUST(kv_store(b, "last", "x"));
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_copy(b, dead);
    bed_end(b);
    b = dead;
    if (how == LAST_BOTH) {
        fill_with(b, seg_path(1), at, end - (200 << 10), 0);
        fill_with(b, seg_path(1), end - (200 << 10), end, 0x5a);
    } else {
        fill_with(b, seg_path(1), at, end, how == HOLE || how == LAST_HOLE ? 0 : 0x5a);
    }
}

static void each_read_fails(struct bed *dead, enum hurt how)
{
    int failures = 0;
    for (int after = 0, hits = 1; hits; after++) {
        struct bed copy, *b = &copy;
        bed_copy(dead, b);
        fault_set(&b->fault, FAULT_PREAD, "segments", after, -EIO, 0);
        int rc = bed_try_open(b, CUBBY_REBUILD);
        hits = b->fault.hits;
        b->fault.rc = 0;
        if (rc != 0) { /* a header has a second copy */
            ck_assert_int_eq(rc, CUBBY_EIO);
            ck_assert_ptr_nonnull(strstr(b->err.path, "segments"));
            failures++;
            bed_quiet(b);
            MUST(bed_try_open(b, CUBBY_REBUILD));
        }
        ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
        ck_assert_str_eq(kv_look(b, "first"), "x");
        ck_assert_str_eq(kv_look(b, "last"), how < LAST_HOLE ? "x" : "");
        MUST(kv_store(b, "goes", "on"));
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
    ck_assert_int_gt(failures, 5);
}

START_TEST(reads_of_a_damaged_log)
{
    for (enum hurt how = 0; how < HURTS; how++) {
        struct bed bed, dead, *b = &dead;
        hurt(&bed, how, &dead);
        each_read_fails(&dead, how);
        bed_end(b);
    }
}
END_TEST

/* ---- a large tail ---- */

/* A commit of many records, more than is copied at once, that nothing proves; any write of the recovery fails. */
START_TEST(a_tail_of_many_megabytes)
{
    struct bed bed, dead, *b = &bed;
    struct cubby__txn *t;
    char key[16], value[3000];
    int failures = 0;
    memset(value, 'v', sizeof value);
    bed_begin_with(b, 64 << 20, 1 << 30);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "k%04d", i);
        MUST(kv_put(t, key, value, sizeof value));
    }
    MUST(cubby__txn_commit(&t, NULL));
    bed_copy(b, &dead);
    bed_end(b);
    for (int after = 0, hits = 1; hits; after++) {
        struct bed copy;
        b = &copy;
        bed_copy(&dead, b);
        fault_set(&b->fault, FAULT_PWRITE, "tmp/", after, -EIO, 0);
        int rc = bed_try_open(b, 0);
        hits = b->fault.hits;
        b->fault.rc = 0;
        if (hits) {
            ck_assert_int_eq(rc, CUBBY_EIO);
            failures++;
            bed_open(b);
        }
        ck_assert_uint_eq(bed_last_segment(b), 2);
        ck_assert_uint_eq(strlen(kv_look(b, "k0000")), 200);
        ck_assert_uint_eq(strlen(kv_look(b, "k0999")), 200);
        if (!hits)
            bed_rebuild_is_equal(b);
        bed_end(b);
    }
    ck_assert_int_ge(failures, 4);
    b = &dead;
    bed_end(b);
}
END_TEST

/* ---- commits that no writer of ours leaves so ---- */

static void put_row(struct bed *b, struct cubby__framer *f, const char *key)
{
    uint8_t p[16] = {0, (uint8_t)strlen(key)};
    uint64_t off;
    memcpy(p + 2, key, strlen(key) + 1);
    MUST(cubby__framer_add(f, CUBBY__REC_ANNOTATION, 0, p, (uint32_t)strlen(key) + 3, NULL, &off));
}

/* A commit of nothing is one. */
START_TEST(a_commit_without_records)
{
    struct bed bed, dead, *b = &bed;
    struct cubby__framer f = {0};
    bed_begin(b);
    MUST(kv_store(b, "a", "b"));
    const struct cubby__published *p = &b->s->pending;
    struct cubby__seed seed = {b->s->ident.salt, p->seg_nonce};
    struct cubby__commit c = {.prev = p->commit, .durable_through = p->commit};
    uint64_t number = p->commit + 1;
    cubby__framer_init(&f, &seed, p->seg_off, number);
    MUST(cubby__framer_commit(&f, &c, p->chain));
    bed_copy(b, &dead);
    bed_end(b);
    b = &dead;
    bed_write(b, seg_path(1), f.base, f.buf.data, f.buf.len);
    cubby__framer_release(&f);
    bed_open(b);
    ck_assert_uint_eq(b->s->pending.commit, number);
    ck_assert_str_eq(kv_look(b, "a"), "b");
    MUST(kv_store(b, "goes", "on"));
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* R2: behind damage, what is left of the proven commit stands before the first frame of the next, which nothing proves: the one is accepted, the other
 * is the tail. */
START_TEST(what_is_left_of_a_commit_before_the_tail)
{
    struct bed bed, dead, *b = &bed;
    struct cubby__framer f = {0}, g = {0};
    uint64_t next;
    bed_begin(b);
    MUST(kv_store(b, "a", "b"));
    const struct cubby__published *p = &b->s->pending;
    struct cubby__seed seed = {b->s->ident.salt, p->seg_nonce};
    uint64_t number = p->commit + 1, at = p->seg_off;
    cubby__framer_init(&f, &seed, at + 48, number); /* its first frames are lost, and its COMMIT */
    put_row(b, &f, "left");
    struct cubby__commit c = {.prev = number, .durable_through = number};
    cubby__framer_init(&g, &seed, cubby__framer_end(&f), number + 1);
    put_row(b, &g, "tail");
    MUST(cubby__framer_commit(&g, &c, 4711));
    bed_copy(b, &dead);
    bed_end(b);
    b = &dead;
    fill_with(b, seg_path(1), at, at + 48, 0x5a);
    bed_write(b, seg_path(1), f.base, f.buf.data, f.buf.len);
    bed_write(b, seg_path(1), g.base, g.buf.data, g.buf.len);
    struct cubby__seg_header h;
    bed_open(b);
    ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
    ck_assert_uint_eq(b->s->pending.seg, 2);
    MUST(cubby__log_header(b->s->log, 2, &h, &b->err));
    ck_assert_uint_eq(h.pred_end, g.base);
    cubby__seg_header_release(&h);
    cubby__framer_release(&f);
    cubby__framer_release(&g);
    uint8_t row[CUBBY__TREE_VALUE_MAX];
    struct cubby__view v;
    struct kv_row r;
    MUST(cubby__view_begin(b->s, &v, &b->err));
    MUST(kv_get(&v, "left", row, &r));
    MUST(kv_get(&v, "tail", row, &r));
    ck_assert_uint_eq(r.place.seg, 2);
    cubby__view_end(&v);
    MUST(kv_store_in(b->s, "next", "x", 0, &next, &b->err));
    ck_assert_uint_gt(next, number + 1);
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* A successor accepts a PROOF that was never synced, and a power cut takes it: nothing is lost with it. */
START_TEST(an_accepted_proof_that_is_gone)
{
    static const uint64_t size = CUBBY__FRAME_SIZE + CUBBY__PROOF_LEN;
    for (int how = 0; how < 4; how++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 5, 100);
        uint64_t at = b->s->pending.seg_off, end = (at + size + CUBBY__FRAME_ALIGN - 1) & ~(uint64_t)(CUBBY__FRAME_ALIGN - 1);
        bed_close(b);
        bed_write(b, seg_path(1), end + 100, "torn", 4);
        bed_open(b);
        struct cubby__seg_header h;
        MUST(cubby__log_header(b->s->log, 2, &h, &b->err));
        ck_assert_uint_eq(h.pred_end, end);
        cubby__seg_header_release(&h);
        bed_close(b);
        bed_unlink(b, "/s/index");
        if (how == 0)
            fill_with(b, seg_path(1), at, end, 0);
        if (how == 1)
            fill_with(b, seg_path(1), at, end, 0x5a);
        if (how == 2)
            bed_truncate(b, seg_path(1), at);
        if (how == 3)
            fill_with(b, seg_path(1), at - 64, end, 0x5a); /* and the COMMIT before it: that is damage */
        bed_quiet(b);
        bed_open(b);
        ck_assert_int_eq(strstr(b->notice, "damage") != NULL, how == 3);
        ck_assert_uint_eq(strlen(kv_look(b, "k0003")), 100);
        ck_assert_uint_eq(strlen(kv_look(b, "k0004")), 100);
        MUST(kv_store(b, "goes", "on"));
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
}
END_TEST

/* ---- a directory that does not list what it has ---- */

static struct {
    cubby_list_fn fn;
    void *arg;
    const cubby_vfs *under;
} hiding;

static int hide_segments(void *arg, const char *name)
{
    (void)arg;
    return strstr(name, ".seg") ? 0 : hiding.fn(hiding.arg, name);
}

static int list_without_segments(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    (void)ctx;
    hiding.fn = fn;
    hiding.arg = arg;
    return hiding.under->list(hiding.under->ctx, path, hide_segments, NULL);
}

static int hide_first(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "00000001.seg") == 0 ? 0 : hiding.fn(hiding.arg, name);
}

static int list_without_the_first(void *ctx, const char *path, cubby_list_fn fn, void *arg)
{
    (void)ctx;
    hiding.fn = fn;
    hiding.arg = arg;
    return hiding.under->list(hiding.under->ctx, path, hide_first, NULL);
}

/* It is not taken for an empty store, and the index is not to blame: it is kept. */
START_TEST(segments_that_are_not_listed)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    uint64_t size = bed_size(b, "/s/index");
    hiding.under = b->vfs;
    for (int all = 0; all < 2; all++) {
        if (!all)
            bed_write(b, "/s/segments/00000002.seg", 0, "other", 5);
        b->fault.vfs.list = all ? list_without_segments : list_without_the_first;
        REFUSES(bed_try_open(b, 0), CUBBY_ECORRUPT);
        ck_assert_uint_eq(bed_size(b, "/s/index"), size);
        if (!all)
            bed_unlink(b, "/s/segments/00000002.seg");
    }
    b->fault.vfs.list = fault_list;
    bed_open(b);
    ck_assert_uint_eq(strlen(kv_look(b, "k0004")), 100);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* ---- reads of what is not in the log yet ---- */

START_TEST(a_spool_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct cubby__spool *sp;
    uint8_t p[4000], key[16] = {CUBBY__KS_PIECE}, row[CUBBY__TREE_VALUE_MAX];
    struct cubby__piece piece = {.id = 1, .orig_len = sizeof p};
    struct cubby__content c = {.len = sizeof p};
    struct cubby__buf buf = CUBBY__BUF_INIT;
    const uint8_t *payload;
    struct kv_row r;
    size_t len;
    bed_begin(b);
    memset(p, 'p', sizeof p);
    MUST(cubby__spool_new(b->s, &sp, &b->err));
    MUST(cubby__spool_add(sp, p, sizeof p, &c.off, &b->err));
    c.spool = sp;
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(cubby__txn_log_piece(t, &piece, &c));
    MUST(cubby__view_get(cubby__txn_view(t), key, 1 + cubby__keynum_put(key + 1, 1), row, &len));
    MUST(kv_decode(row, len, &r));
    fault_set(&b->fault, FAULT_PREAD, "tmp/", 0, -EIO, 0);
    REFUSES(cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_PIECE, &buf, &payload, &piece), CUBBY_EIO);
    MUST(cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_PIECE, &buf, &payload, &piece));
    ck_assert_mem_eq(payload, p, sizeof p);
    fault_set(&b->fault, FAULT_PREAD, "tmp/", 0, -EIO, 0); /* when it is copied to the log */
    ck_assert_int_eq(cubby__txn_commit(&t, NULL), CUBBY_EIO);
    cubby__buf_release(&buf);
    cubby__spool_unref(&sp);
    MUST(kv_store(b, "goes", "on"));
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* ---- is the index whole? ---- */

START_TEST(an_index_that_is_looked_through)
{
    struct bed bed, *b = &bed;
    uint64_t commit;
    struct cubby__txn *t;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    for (int i = 0; i < 6000; i++) {
        char key[16] = "";
        snprintf(key, sizeof key, "k%04d", i);
        MUST(kv_put(t, key, key, sizeof key));
    }
    MUST(cubby__txn_commit(&t, NULL));
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    b->o.cache_bytes = 1;
    bed_open(b);
    ck_assert_int_eq(cubby__index_is_whole(b->s, &commit, &b->err), 1);
    ck_assert_uint_eq(commit, b->s->pending.commit);
    bed_close(b);
    MUST(bed_try_open(b, CUBBY_READ_ONLY));
    fault_set(&b->fault, FAULT_PREAD, "index", 0, -EIO, 1);
    REFUSES(cubby__index_is_whole(b->s, &commit, &b->err), CUBBY_EIO);
    b->fault.rc = 0;
    int damaged = 0;
    for (uint64_t off = 8192; off + 4096 <= bed_size(b, "/s/index"); off += 4096) { /* each in turn, most of them not those that are asked first */
        bed_flip(b, "/s/index", off + 100, 1);
        damaged += cubby__index_is_whole(b->s, &commit, &b->err) == 0;
        bed_flip(b, "/s/index", off + 100, 1);
    }
    ck_assert_int_gt(damaged, 20);
    for (int i = 1000; i < 6000; i++) { /* so that no page of the first rows is in memory */
        char key[16] = "";
        snprintf(key, sizeof key, "k%04d", i);
        kv_look(b, key);
    }
    for (uint64_t off = 8192; off + 4096 <= bed_size(b, "/s/index"); off += 4096)
        bed_flip(b, "/s/index", off + 100, 1);
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(cubby__index_is_whole(b->s, &commit, &b->err), 0);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/reads", reads_of_a_damaged_log, a_tail_of_many_megabytes, a_commit_without_records, what_is_left_of_a_commit_before_the_tail,
          an_accepted_proof_that_is_gone, segments_that_are_not_listed, a_spool_that_cannot_be_read, an_index_that_is_looked_through)
