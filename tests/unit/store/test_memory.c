/* Every allocation fails in turn: of transactions, rolls, recoveries and rebuilds. It is told, nothing acknowledged is lost, nothing is wrong afterwards, and
 * nothing leaks. */
#include "store/commit.h"
#include "unit/heap.h"
#include "unit/store/store_util.h"

static int refused(const struct bed *b, int rc)
{
    ck_assert_msg(rc == 0 || rc == CUBBY_ENOMEM || rc == CUBBY_EUNKNOWN, "%d %s %s", rc, b->err.path, b->err.message);
    return rc != 0;
}

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
}

/* The next transaction begins with no buffer that an earlier one has made large. */
static void forget_buffers(struct cubby__store *s)
{
    cubby__node_free(s->spare_node);
    s->spare_node = NULL;
}

/* ---- transactions ---- */

START_TEST(rows_of_every_length)
{
    struct bed bed, *b = &bed;
    char value[800];
    int failures = 0;
    memset(value, 'v', sizeof value);
    bed_begin_with(b, 64 << 20, 1 << 30);
    for (size_t len = 8; len < sizeof value; len += 8)
        for (int after = 0, hits = 1; hits; after++) {
            struct cubby__txn *t;
            char key[16];
            snprintf(key, sizeof key, "%d", after);
            forget_buffers(b->s);
            heap_fail(after, 0);
            int rc = cubby__txn_begin(b->s, 0, &t, &b->err);
            if (rc == 0 && (rc = kv_put(t, key, value, len)) != 0)
                cubby__txn_abort(&t);
            else if (rc == 0)
                rc = cubby__txn_commit(&t, NULL);
            hits = heap_works();
            failures += refused(b, rc);
            ck_assert_int_eq(rc != 0, *kv_look(b, key) == '\0');
            MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
            MUST(kv_del(t, key));
            MUST(cubby__txn_commit(&t, NULL));
        }
    ck_assert_int_gt(failures, 100);
    sound(b);
    bed_end(b);
}
END_TEST

enum { SPOOLS = 5, SPOOLED = 4000 };

static int log_spools(struct bed *b, struct cubby__txn *t, struct cubby__spool **sp)
{
    struct cubby__buf buf = CUBBY__BUF_INIT;
    struct cubby__piece piece;
    uint8_t key[16] = {CUBBY__KS_PIECE}, row[CUBBY__TREE_VALUE_MAX];
    const uint8_t *payload;
    struct kv_row r;
    size_t len;
    int rc = 0;
    for (unsigned i = 0; i < SPOOLS && rc == 0; i++) {
        struct cubby__content c = {.spool = sp[i], .len = SPOOLED};
        piece = (struct cubby__piece){.id = i + 1, .orig_len = SPOOLED};
        rc = cubby__txn_log_piece(t, &piece, &c);
    }
    if (rc == 0)
        rc = cubby__view_get(cubby__txn_view(t), key, 1 + cubby__keynum_put(key + 1, 3), row, &len);
    if (rc == 0)
        rc = kv_decode(row, len, &r);
    if (rc == 0 && (rc = cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_PIECE, &buf, &payload, &piece)) == 0)
        ck_assert(piece.id == 3 && payload[0] == 'c' && payload[SPOOLED - 1] == 'c');
    cubby__buf_release(&buf);
    (void)b;
    return rc;
}

START_TEST(pieces_in_spools)
{
    int failures = 0;
    for (int after = 0, hits = 1; hits; after++) {
        struct bed bed, *b = &bed;
        struct cubby__txn *t;
        struct cubby__spool *sp[SPOOLS];
        uint8_t p[SPOOLED];
        long live = heap.live;
        bed_begin(b);
        for (int i = 0; i < SPOOLS; i++) {
            uint64_t off;
            memset(p, 'a' + i, sizeof p);
            MUST(cubby__spool_new(b->s, &sp[i], &b->err));
            MUST(cubby__spool_add(sp[i], p, sizeof p, &off, &b->err));
        }
        heap_fail(after, 0);
        int rc = cubby__txn_begin(b->s, 0, &t, &b->err);
        if (rc == 0 && (rc = log_spools(b, t, sp)) != 0)
            cubby__txn_abort(&t);
        else if (rc == 0)
            rc = cubby__txn_commit(&t, NULL);
        hits = heap_works();
        failures += refused(b, rc);
        for (int i = 0; i < SPOOLS; i++)
            cubby__spool_unref(&sp[i]);
        MUST(kv_store(b, "goes", "on"));
        ck_assert_uint_eq(b->s->floors.piece, rc == 0 || rc == CUBBY_EUNKNOWN ? SPOOLS : 0);
        sound(b);
        bed_end(b);
        ck_assert_int_eq(heap.live, live);
    }
    ck_assert_int_gt(failures, 10);
}
END_TEST

/* ---- a full segment ---- */

START_TEST(rolls)
{
    for (int lazy = 0; lazy < 2; lazy++) {
        int failures = 0;
        for (int after = 0, hits = 1; hits; after++) {
            struct bed bed, *b = &bed;
            long live = heap.live;
            bed_begin_with(b, 4096, 0);
            kv_store_many(b, 0, 1, 100);
            while (!cubby__is_full(b->s))
                MUST(kv_store_in(b->s, "filled", "a value that is as long as it needs to be, and not longer", lazy ? CUBBY_LAZY : 0, NULL, &b->err));
            heap_fail(after, 0);
            int rc = kv_store(b, "rolls", "x");
            hits = heap_works();
            failures += refused(b, rc);
            ck_assert_int_eq(rc == 0, *kv_look(b, "rolls") != '\0');
            MUST(kv_store(b, "goes", "on"));
            ck_assert_uint_ge(bed_last_segment(b), 2);
            ck_assert_uint_eq(strlen(kv_look(b, "k0000")), 100);
            sound(b);
            bed_end(b);
            ck_assert_int_eq(heap.live, live);
        }
        ck_assert_int_gt(failures, 10);
    }
}
END_TEST

/* ---- the reserve of a large store ---- */

START_TEST(reserves)
{
    struct bed bed, *b = &bed;
    int failures = 0;
    long live = heap.live;
    char big[100 << 10];
    memset(big, 'b', sizeof big);
    big[sizeof big - 1] = '\0';
    bed_begin(b);
    for (int i = 0; i < 11; i++) {
        char key[16];
        snprintf(key, sizeof key, "big%d", i);
        MUST(kv_store(b, key, big));
    }
    for (int n = 0; !bed_exists(b, "/s/tmp/reserve"); n++)
        kv_store_many(b, n, n + 1, 200);
    for (int after = 0, hits = 1; hits; after++) {
        if (bed_exists(b, "/s/tmp/reserve"))
            bed_unlink(b, "/s/tmp/reserve");
        char aside[32];
        snprintf(aside, sizeof aside, "/tmp-%d", after);
        MUST(b->vfs->rename(b->vfs->ctx, "/s/tmp", aside)); /* it is made anew, too */
        b->s->reserve_of = 0;
        heap_fail(after, 0);
        int rc = kv_store(b, "new", "x");
        hits = heap_works();
        failures += refused(b, rc);
        MUST(kv_store(b, "goes", "on"));
        ck_assert_int_eq(bed_exists(b, "/s/tmp/reserve"), 1);
    }
    ck_assert_int_gt(failures, 3);
    sound(b);
    bed_end(b);
    ck_assert_int_eq(heap.live, live);
}
END_TEST

/* ---- recoveries ---- */

enum stop { TAIL, NO_INDEX, FRESH, CUT, CUT_AGAIN, HOLE, STOPS };

static void roll_now(struct bed *b)
{
    cubby__lead_in_turn(b->s);
    pthread_mutex_lock(&b->s->w);
    MUST(cubby__enter(b->s, &b->err));
    MUST(cubby__roll(b->s, &b->err));
    pthread_mutex_unlock(&b->s->w);
    cubby__leave(b->s);
    cubby__lead_done(b->s);
}

/* What a process leaves that has recovered, and died before its first checkpoint. */
static void recover_and_stop(struct bed *b)
{
    struct bed after;
    bed_open(b);
    bed_copy(b, &after);
    bed_end(b);
    *b = after;
    fault_init(&b->fault, b->vfs);
    b->o.vfs = &b->fault.vfs;
    b->o.notice_arg = b;
}

/* Rows and a piece that nothing proves; a segment before them; damage, if there is any, costs k0003 at most. */
static void stopped(struct bed *b, enum stop how, struct bed *dead)
{
    struct cubby__txn *t;
    struct cubby__piece piece = {.id = 1, .orig_len = 5};
    struct cubby__content c = {.mem = (const uint8_t *)"piece", .len = 5};
    uint64_t at = 0;
    bed_begin_with(b, 4096, 1 << 30);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_mark(t, 4711));
    MUST(cubby__txn_commit(&t, NULL));
    int n = 0;
    for (; bed_last_segment(b) < 2; n++) {
        if (n == 3)
            at = b->s->pending.seg_off;
        kv_store_many(b, n, n + 1, 100);
    }
    MUST(cubby__store_checkpoint(b->s, &b->err));
    uint64_t end = b->s->pending.seg_off;
    kv_store_many(b, n, n + 1, 100);
    if (how == CUT)
        MUST(cubby__store_checkpoint(b->s, &b->err));
    for (; how == CUT_AGAIN && bed_last_segment(b) < 3; n++)
        kv_store_many(b, n, n + 1, 100);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "last", "x", 1));
    MUST(cubby__txn_log_piece(t, &piece, &c));
    MUST(cubby__txn_commit(&t, NULL));
    if (how == FRESH)
        roll_now(b);
    bed_copy(b, dead);
    bed_end(b);
    b = dead;
    if (how == NO_INDEX || how == HOLE)
        bed_unlink(b, "/s/index");
    if (how == CUT)
        bed_truncate(b, seg_path(2), end);
    if (how == CUT_AGAIN) { /* the mark of the roll tells */
        bed_unlink(b, seg_path(3));
        recover_and_stop(b);
    }
    if (how == HOLE)
        bed_flip(b, seg_path(1), at + 40, 1);
}

START_TEST(recoveries)
{
    for (enum stop how = 0; how < STOPS; how++) {
        struct bed bed, dead, *b = &bed;
        int failures = 0;
        stopped(b, how, &dead);
        for (int after = 0, hits = 1; hits; after++) {
            struct bed copy;
            long live = heap.live;
            b = &copy;
            bed_copy(&dead, b);
            heap_fail(after, 0);
            int rc = bed_try_open(b, 0);
            hits = heap_works();
            if (rc) {
                ck_assert_int_eq(rc, CUBBY_ENOMEM);
                failures++;
                bed_open(b);
            }
            ck_assert_uint_eq(strlen(kv_look(b, "k0000")), 100);
            ck_assert_int_eq(*kv_look(b, "last") != '\0', how != CUT && how != CUT_AGAIN);
            ck_assert_uint_ge(kv_counter(b), 4711);
            MUST(kv_store(b, "goes", "on"));
            bed_rebuild_is_equal(b);
            if (how < CUT)
                bed_clean(b);
            else if (how != CUT_AGAIN) /* which was told before */
                ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
            bed_end(b);
            ck_assert_int_eq(heap.live, live);
        }
        ck_assert_int_gt(failures, 20);
        b = &dead;
        bed_end(b);
    }
}
END_TEST

/* Snapshots keep the index that makes way. */
START_TEST(a_damaged_index_under_a_snapshot)
{
    struct bed bed, *b = &bed;
    int failures = 0;
    for (int after = 0, hits = 1; hits; after++) {
        struct cubby__view v;
        long live = heap.live;
        bed_begin(b);
        kv_store_many(b, 0, 200, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_close(b);
        bed_open(b);
        MUST(cubby__view_begin(b->s, &v, &b->err));
        for (uint64_t off = 8192; off + 4096 <= bed_size(b, "/s/index"); off += 4096)
            bed_flip(b, "/s/index", off + 100, 1);
        for (int i = 0; i < 200 && !cubby__pager_damaged(b->s->pager); i++) {
            char key[16];
            snprintf(key, sizeof key, "k%04d", i);
            kv_look(b, key);
        }
        ck_assert(cubby__pager_damaged(b->s->pager));
        heap_fail(after, 0);
        int rc = kv_store(b, "new", "x");
        hits = heap_works();
        failures += refused(b, rc);
        MUST(kv_store(b, "goes", "on"));
        ck_assert_ptr_ne(v.pager, b->s->pager);
        ck_assert_uint_eq(strlen(kv_look(b, "k0199")), 100);
        cubby__view_end(&v);
        sound(b);
        bed_end(b);
        ck_assert_int_eq(heap.live, live);
    }
    ck_assert_int_gt(failures, 20);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {rows_of_every_length, pieces_in_spools, rolls, reserves, recoveries, a_damaged_index_under_a_snapshot};
    heap_install();
    return unit_run("store/memory", tests, sizeof tests / sizeof *tests);
}
