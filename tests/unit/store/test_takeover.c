/* The index is replaced, deleted or damaged under those who have it open, or is not what its checkpoint says: whoever comes next finds out and helps (index.c, X1 to
 * X6). */
#include "store/commit.h"
#include "unit/heap.h"
#include "unit/store/store_util.h"

static int open_with(struct bed *b, unsigned flags, uint32_t cache, struct cubby__store **s)
{
    cubby_options o = b->o;
    o.flags = flags;
    o.cache_bytes = cache;
    memset(&b->err, 0, sizeof b->err);
    return cubby__store_open("/s", &o, &kv_handlers, s, &b->err);
}

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
}

static void flip_pages(struct bed *b)
{
    for (uint64_t off = 8192; off + 4096 <= bed_size(b, "/s/index"); off += 4096)
        bed_flip(b, "/s/index", off + 100, 1);
}

static void junk(struct bed *b, const char *path)
{
    uint8_t block[8192];
    memset(block, 0x5a, sizeof block);
    bed_write(b, path, 0, block, sizeof block);
}

/* ---- what is published is not there ---- */

enum there { OLDER, NOTHING, JUNK, EMPTY, THERE };

/* One handle has the index from before, and another one is published: then its file is lost. `old` has the one from before. */
static struct cubby__store *lost(struct bed *b, struct bed *old, unsigned flags, enum there what)
{
    struct cubby__store *second, *builder;
    bed_begin(b);
    kv_store_many(b, 0, 20, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    MUST(open_with(b, flags, 0, &second));
    ck_assert_int_ge(second->slot, 0);
    bed_copy(b, old);
    MUST(open_with(b, CUBBY_REBUILD, 0, &builder));
    MUST(cubby__store_close(&builder, &b->err));
    ck_assert_uint_ne(cubby__pager_nonce(second->pager), 0);
    if (what == JUNK)
        junk(b, "/s/index");
    else
        bed_unlink(b, "/s/index");
    if (what == OLDER)
        bed_copy_file(old, b, "/s/index");
    if (what == EMPTY)
        bed_write(b, "/s/index", 8191, "", 1);
    return second;
}

static void found_again(struct bed *b, struct bed *old, struct cubby__store *second)
{
    struct cubby__published p;
    cubby__read_published(b->s, &p);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_str_eq(kv_look_in(second, "goes"), "on");
    ck_assert_uint_eq(strlen(kv_look(b, "k0019")), 100);
    ck_assert_uint_eq(p.index_nonce, cubby__pager_nonce(second->pager));
    MUST(cubby__store_close(&second, &b->err));
    sound(b);
    bed_end(b);
    b = old;
    bed_end(b);
}

/* Who may write builds the next one, before it reads or writes. */
START_TEST(a_writer_makes_good)
{
    for (enum there what = 0; what < THERE; what++)
        for (int fails = 0; fails < 2; fails++) {
            struct bed bed, old, *b = &bed;
            struct cubby__view v;
            struct cubby__store *second = lost(b, &old, 0, what);
            if (fails) {
                fault_set(&b->fault, FAULT_OPEN, "/s/index", what == NOTHING ? 1 : 2, -EIO, 1);
                REFUSES(cubby__view_begin(second, &v, &b->err), CUBBY_EIO);
                ck_assert_int_gt(b->fault.hits, 0);
                b->fault.rc = 0;
            }
            ck_assert_uint_eq(strlen(kv_look_in(second, "k0019")), 100);
            found_again(b, &old, second);
        }
}
END_TEST

/* ... also when it begins with a change. */
START_TEST(a_transaction_makes_good)
{
    for (enum there what = 0; what < THERE; what++) {
        struct bed bed, old, *b = &bed;
        struct cubby__store *second = lost(b, &old, 0, what);
        MUST(kv_store_in(second, "new", "x", 0, NULL, &b->err));
        ck_assert_str_eq(kv_look(b, "new"), "x");
        found_again(b, &old, second);
    }
}
END_TEST

static struct bed *helper;
static int helps; /* 1: a writer comes by; 2: the store is removed */

static void meanwhile(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = helper;
    (void)arg;
    (void)path;
    if (op != FAULT_SLEEP || b->fault.calls[FAULT_SLEEP] != 3)
        return;
    if (helps == 1)
        MUST(kv_store(b, "helped", "x"));
    if (helps == 2)
        MUST(b->vfs->rename(b->vfs->ctx, "/s/cubby.id", "/s/away"));
    if (helps == 3)
        bed_unlink(b, "/s/cubby.id");
}

/* Who may not waits for one who does, not for ever, and not for a store that is gone. */
START_TEST(a_reader_waits)
{
    for (enum there what = 0; what < THERE; what++)
        for (helps = 0; helps < 4; helps++) {
            struct bed bed, old, *b = &bed;
            struct cubby__view v;
            struct cubby__store *second = lost(b, &old, CUBBY_READ_ONLY, what);
            helper = b;
            b->fault.calls[FAULT_SLEEP] = 0;
            b->fault.hook = meanwhile;
            memset(&b->err, 0, sizeof b->err);
            int rc = cubby__view_begin(second, &v, &b->err);
            b->fault.hook = NULL;
            if (helps == 1) {
                ck_assert_int_eq(rc, 0);
                cubby__view_end(&v);
                ck_assert_str_eq(kv_look_in(second, "helped"), "x");
            } else {
                ck_assert(rc == CUBBY_ESTALE || rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT);
                ck_assert_int_eq(b->err.code, rc);
                ck_assert_int_eq(b->fault.calls[FAULT_SLEEP], helps == 3 ? 3 : 1000);
                ck_assert_uint_eq(cubby__slot_get(second), 0); /* it holds nothing back */
            }
            if (helps == 2)
                MUST(b->vfs->rename(b->vfs->ctx, "/s/away", "/s/cubby.id"));
            if (helps == 3) {
                MUST(cubby__store_close(&second, &b->err));
                cubby__store_close(&b->s, NULL);
                bed_end(b);
                b = &old;
                bed_end(b);
                continue;
            }
            MUST(kv_store(b, "first", "x"));
            found_again(b, &old, second);
        }
}
END_TEST

/* ---- damaged under those who have it open ---- */

/* The writer that takes over looks through the pages; what is in its memory does not count. */
START_TEST(pages_that_a_takeover_finds_damaged)
{
    for (int how = 0; how < 3; how++) {
        int fails = how == 1;
        struct bed bed, *b = &bed;
        struct cubby__store *second;
        bed_begin_with(b, 64 << 20, 1 << 30);
        kv_store_many(b, 0, 2000, 100);
        MUST(open_with(b, 0, 1, &second));
        MUST(kv_store(b, "owner", "first"));
        if (how < 2)
            flip_pages(b);
        else
            junk(b, "/s/index"); /* the slots of its checkpoints */
        if (fails) {
            fault_set(&b->fault, FAULT_OPEN, "/s/index", 0, -EIO, 1);
            ck_assert_int_eq(kv_store_in(second, "new", "x", 0, NULL, &b->err), CUBBY_EIO);
            ck_assert_int_gt(b->fault.hits, 0);
            b->fault.rc = 0;
        }
        MUST(kv_store_in(second, "new", "x", 0, NULL, &b->err));
        ck_assert_str_eq(kv_look_in(second, "owner"), "first");
        ck_assert_uint_eq(strlen(kv_look_in(second, "k1999")), 100);
        ck_assert_str_eq(kv_look(b, "new"), "x");
        MUST(cubby__store_close(&second, &b->err));
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* A damaged index that cannot be replaced: no transaction begins. */
START_TEST(no_other_index_can_be_made)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    kv_store_many(b, 0, 200, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    bed_close(b);
    bed_open(b);
    flip_pages(b);
    for (int i = 0; i < 200 && !cubby__pager_damaged(b->s->pager); i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        kv_look(b, key);
    }
    ck_assert(cubby__pager_damaged(b->s->pager));
    fault_set(&b->fault, FAULT_OPEN, "/s/index", 0, -EIO, 1);
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_EIO);
    ck_assert_int_gt(b->fault.hits, 0);
    b->fault.rc = 0;
    MUST(kv_store(b, "goes", "on"));
    ck_assert_uint_eq(strlen(kv_look(b, "k0199")), 100);
    sound(b);
    bed_end(b);
}
END_TEST

/* The header of what may be the next segment cannot be read: whether somebody died in a roll is not known. */
START_TEST(a_next_segment_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    bed_begin(b);
    kv_store_many(b, 0, 5, 100);
    MUST(open_with(b, 0, 0, &second));
    fault_set(&b->fault, FAULT_OPEN, "00000002.seg", 0, -EIO, 1);
    REFUSES(kv_store_in(second, "new", "x", 0, NULL, &b->err), CUBBY_EIO);
    ck_assert_ptr_nonnull(strstr(b->err.path, "00000002.seg"));
    ck_assert_int_eq(kv_store_in(second, "new", "x", 0, NULL, NULL), CUBBY_EIO);
    b->fault.rc = 0;
    MUST(kv_store_in(second, "new", "x", 0, NULL, &b->err));
    ck_assert_str_eq(kv_look(b, "new"), "x");
    MUST(cubby__store_close(&second, &b->err));
    sound(b);
    bed_end(b);
}
END_TEST

/* ... or it can, and is no segment: damage. The store goes on. */
START_TEST(a_next_segment_that_is_none)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    bed_begin(b);
    kv_store_many(b, 0, 5, 100);
    MUST(open_with(b, 0, 0, &second));
    junk(b, "/s/segments/00000002.seg");
    MUST(kv_store_in(second, "new", "x", 0, NULL, &b->err));
    ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
    ck_assert_str_eq(kv_look(b, "new"), "x");
    ck_assert_uint_eq(strlen(kv_look_in(second, "k0004")), 100);
    MUST(kv_store(b, "and", "on"));
    MUST(cubby__store_close(&second, &b->err));
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* ---- readers that are alone ---- */

/* A page does not verify, and the index that has the name now is another one, or none: age, not damage. */
START_TEST(another_index_than_before)
{
    for (int how = 0; how < 3; how++) {
        struct bed bed, *b = &bed;
        struct cubby__store *alone;
        struct cubby__view v;
        uint8_t buf[CUBBY__TREE_VALUE_MAX];
        struct kv_row r;
        int rc = 0;
        bed_begin(b);
        kv_store_many(b, 0, 300, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_close(b);
        MUST(open_with(b, CUBBY_READ_ONLY, 1, &alone));
        ck_assert_int_eq(alone->slot, -1);
        MUST(cubby__view_begin(alone, &v, &b->err));
        flip_pages(b);
        if (how == 0)
            bed_unlink(b, "/s/index");
        if (how == 1)
            junk(b, "/s/index");
        if (how == 2) {
            MUST(bed_try_open(b, CUBBY_REBUILD));
            bed_close(b);
        }
        for (int i = 0; i < 300 && rc == 0; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%04d", i);
            rc = kv_get(&v, key, buf, &r);
        }
        ck_assert_int_eq(rc, CUBBY_ESTALE);
        cubby__view_end(&v);
        MUST(cubby__store_close(&alone, &b->err));
        bed_open(b);
        ck_assert_uint_eq(strlen(kv_look(b, "k0299")), 100);
        bed_end(b);
    }
}
END_TEST

/* S5: also for what is read from the log. */
START_TEST(a_frame_of_a_revoked_snapshot)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    struct cubby__buf buf = CUBBY__BUF_INIT;
    uint8_t row[CUBBY__TREE_VALUE_MAX];
    const uint8_t *payload;
    struct kv_row r;
    bed_begin(b);
    MUST(kv_store(b, "a", "b"));
    MUST(cubby__view_begin(b->s, &v, &b->err));
    MUST(kv_get(&v, "a", row, &r));
    MUST(cubby__view_read(&v, &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL));
    ck_assert_int_ne(cubby__slot_swap(b->s, cubby__slot_get(b->s), v.commit + 2), 0); /* as a writer does */
    REFUSES(cubby__view_read(&v, &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL), CUBBY_ESTALE);
    cubby__view_end(&v);
    cubby__buf_release(&buf);
    bed_end(b);
}
END_TEST

/* ---- checkpoints that name what is not there ---- */

/* X1: the commit, the chain, the segment and the end that a checkpoint names must be those of the log. At the beginning of a segment, and in it. */
START_TEST(checkpoints_of_another_log)
{
    for (int fresh = 0; fresh < 2; fresh++)
        for (int kind = 0; kind < 6; kind++) {
            struct bed bed, copy, *b = &bed;
            bed_begin_with(b, 4096, 1 << 30);
            kv_store_many(b, 0, 10, 100);
            if (fresh) {
                cubby__lead_in_turn(b->s);
                pthread_mutex_lock(&b->s->w);
                MUST(cubby__enter(b->s, &b->err));
                MUST(cubby__roll(b->s, &b->err));
                pthread_mutex_unlock(&b->s->w);
                cubby__leave(b->s);
                cubby__lead_done(b->s);
            }
            struct cubby__published p;
            cubby__read_published(b->s, &p);
            ck_assert_uint_eq(p.durable, p.commit);
            ck_assert_int_eq(fresh, p.seg_off == p.seg_frames);
            switch (kind) {
            case 0: break; /* as it is */
            case 1: p.chain++; break;
            case 2: p.commit--, p.durable--, p.root_commit--; break;
            case 3: p.seg_nonce++; break;
            case 4: p.seg_off += 64; break;
            default: p.seg = 9; break;
            }
            MUST(cubby__index_checkpoint(b->s, &p, 0, &b->err));
            bed_copy(b, &copy);
            b = &copy;
            bed_open(b);
            ck_assert_msg((strstr(b->notice, "does not belong") != NULL) == (kind != 0), "%d %d: %s", fresh, kind, b->notice);
            ck_assert_uint_eq(strlen(kv_look(b, "k0009")), 100);
            MUST(kv_store(b, "goes", "on"));
            bed_rebuild_is_equal(b);
            bed_end(b);
            b = &bed;
            bed_close(b);
            cubby__memfs_free(&b->fs);
        }
}
END_TEST

/* What has the name of the index and is none cannot be put aside: it stays, and is told. */
START_TEST(a_directory_that_cannot_be_put_aside)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 20, 100);
    bed_close(b);
    bed_unlink(b, "/s/index");
    MUST(b->vfs->mkdir(b->vfs->ctx, "/s/index"));
    bed_write(b, "/s/index/mine", 0, "x", 1);
    fault_set(&b->fault, FAULT_RENAME, "quarantine", 0, -EIO, 0);
    ck_assert_int_ne(bed_try_open(b, 0), 0);
    ck_assert_int_eq(b->fault.hits, 1);
    ck_assert_ptr_null(strstr(b->notice, "quarantine"));
    ck_assert_int_eq(bed_exists(b, "/s/index/mine"), 1);
    bed_open(b);
    ck_assert_ptr_nonnull(strstr(b->notice, "quarantine"));
    ck_assert_str_ne(kv_look(b, "k0019"), "");
    sound(b);
    bed_end(b);
}
END_TEST

/* One that is thrown away and cannot even be read proves nothing, and keeps nobody from building another. */
START_TEST(last_words_that_cannot_be_read)
{
    static const int errnos[] = {-EIO, -EACCES, -ENOENT};
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 20, 100);
        bed_close(b);
        fault_set(&b->fault, FAULT_OPEN, "/s/index", 0, errnos[i], 0);
        MUST(bed_try_open(b, CUBBY_REBUILD));
        ck_assert_int_eq(b->fault.hits, 1);
        ck_assert_int_eq(*b->notice != '\0', errnos[i] != -ENOENT);
        ck_assert_str_ne(kv_look(b, "k0019"), "");
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* ---- a disk with no room for two ---- */

/* Nobody who has the store open is left without an index as long as there is room for one. */
START_TEST(no_room_for_two_indexes)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 200, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    for (uint64_t slot = 0; slot < 2; slot++)
        bed_flip(b, "/s/index", slot * 4096 + 100, 1);
    cubby__shared_set(b->s, CUBBY__SHARED_OWNER_OFF, 0); /* as if somebody else had written */
    fault_full(&b->fault, 20 << 10);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_int_gt(b->fault.hits, 0);
    ck_assert(!bed_exists(b, "/s/tmp/old-index"));
    ck_assert_uint_eq(strlen(kv_look(b, "k0199")), 100);
    b->fault.bounded = 0;
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- an index that only one handle sees ---- */

/* In a file without a name, or in memory, or there is none. */
START_TEST(scratch_indexes)
{
    struct bed bed, *b = &bed;
    int failures = 0;
    bed_begin(b);
    kv_store_many(b, 0, 50, 100);
    struct cubby__buf want = kv_dump(b);
    bed_close(b);
    for (int memory = 0; memory < 2; memory++)
        for (int after = 0, hits = 1; hits; after++) {
            struct cubby__store *s;
            if (memory)
                heap_fail(after, 0);
            else
                fault_set(&b->fault, FAULT_RANDOM, "", after, -EIO, 0);
            int rc = open_with(b, CUBBY_READ_ONLY | CUBBY_REBUILD | CUBBY__SCRATCH_INDEX, after % 2 ? 1 << 20 : 0, &s);
            hits = memory ? heap_works() : b->fault.hits;
            b->fault.rc = 0;
            ck_assert(rc == 0 || rc == (memory ? CUBBY_ENOMEM : CUBBY_EIO));
            failures += hits && rc == 0; /* done without */
            if (rc != 0)
                continue;
            struct cubby__buf now = kv_dump_of(s);
            ck_assert_uint_eq(now.len, want.len);
            ck_assert_mem_eq(now.data, want.data, now.len);
            cubby__buf_release(&now);
            MUST(cubby__store_close(&s, &b->err));
        }
    ck_assert_int_ge(failures, 2);
    cubby__buf_release(&want);
    bed_end(b);
}
END_TEST

/* The index is gone, and one call of the rebuild fails, of this kind: with the next transaction all is well. */
static void rebuild_fails(enum fault_op op, const char *on, int rc)
{
    for (int at = 0, hit = 1; hit; at++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 20, 100);
        bed_unlink(b, "/s/index");
        fault_set(&b->fault, op, on, at, rc, 0);
        kv_store(b, "a", "b"); /* or not */
        hit = b->fault.hits;
        b->fault.rc = 0;
        MUST(kv_store(b, "goes", "on"));
        ck_assert_str_ne(kv_look(b, "k0019"), "");
        sound(b);
        bed_end(b);
    }
}

START_TEST(a_rebuild_that_fails_once)
{
    rebuild_fails(FAULT_PREAD, "", -EIO);
    rebuild_fails(FAULT_PWRITE, "index", -EIO);
    rebuild_fails(FAULT_OPEN, "", -EIO);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {a_writer_makes_good, a_transaction_makes_good, a_reader_waits, pages_that_a_takeover_finds_damaged,
                                  no_other_index_can_be_made, a_next_segment_that_cannot_be_read, a_next_segment_that_is_none,
                                  another_index_than_before, a_frame_of_a_revoked_snapshot, checkpoints_of_another_log,
                                  a_directory_that_cannot_be_put_aside, last_words_that_cannot_be_read, no_room_for_two_indexes, scratch_indexes,
                                  a_rebuild_that_fails_once};
    heap_install();
    return unit_run("store/takeover", tests, sizeof tests / sizeof *tests);
}
