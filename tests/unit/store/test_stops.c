#include <pthread.h>

#include "unit/store/store_util.h"

/* ---- several make a store at once ---- */

enum { MAKERS = 4, ROUNDS = 30 };

struct maker {
    const cubby_options *o;
    cubby_error err;
    int made, stored;
};

static void *make(void *arg)
{
    struct maker *m = arg;
    struct cubby__store *s;
    m->made = cubby__store_create("/s", m->o, &kv_handlers, &m->err);
    m->stored = cubby__store_open("/s", m->o, &kv_handlers, &s, &m->err);
    if (m->stored == 0) {
        char key[8];
        snprintf(key, sizeof key, "k%d", m->made);
        m->stored = kv_store_in(s, key, "x", 0, NULL, &m->err);
        cubby__store_close(&s, NULL);
    }
    return NULL;
}

START_TEST(one_of_several_makes_the_store)
{
    for (int round = 0; round < ROUNDS; round++) {
        struct bed bed = {0}, *b = &bed;
        struct maker m[MAKERS] = {0};
        pthread_t threads[MAKERS];
        int made = 0;
        b->fs = cubby__memfs_new(); /* with the system's clock */
        b->vfs = cubby__memfs_vfs(b->fs);
        b->o = (cubby_options)CUBBY_OPTIONS_INIT;
        b->o.vfs = b->vfs;
        for (int i = 0; i < MAKERS; i++) {
            m[i].o = &b->o;
            ck_assert_int_eq(pthread_create(&threads[i], NULL, make, &m[i]), 0);
        }
        for (int i = 0; i < MAKERS; i++)
            pthread_join(threads[i], NULL);
        for (int i = 0; i < MAKERS; i++) {
            made += m[i].made == 0;
            ck_assert_msg(m[i].made == 0 || m[i].made == CUBBY_EEXIST, "%d %s", m[i].made, m[i].err.message);
            ck_assert_msg(m[i].stored == 0, "%d %s", m[i].stored, m[i].err.message);
        }
        ck_assert_int_eq(made, 1);
        bed_open(b);
        ck_assert_str_eq(kv_look(b, "k0"), "x"); /* of the one who made it */
        ck_assert_uint_ge(b->s->pending.commit, 1 + MAKERS - 1);
        bed_end(b);
    }
}
END_TEST

/* ---- numbers that lazy commits have shown ---- */

/* The process dies and the power is cut: of what was written behind `end` nothing was on the disk. */
static void cut_off(struct bed *from, uint64_t end, struct bed *to)
{
    static const uint8_t zeros[65536];
    bed_copy(from, to);
    uint64_t size = bed_size(to, seg_path(1));
    ck_assert_uint_le(size - end, sizeof zeros);
    if (size > end)
        bed_write(to, seg_path(1), end, zeros, size - end);
}

START_TEST(lazy_commits_without_a_trace)
{
    for (int kind = 0; kind < 2; kind++) {
        struct bed bed, cut, *b = &bed;
        uint64_t end, seen, next;
        bed_begin(b);
        MUST(kv_store(b, "a", "b"));
        MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err)); /* announces the ceiling */
        if (kind == 0) {
            MUST(cubby__store_checkpoint(b->s, &b->err)); /* vouches for the last commit */
        } else {
            bed_close(b); /* and so does this */
            bed_open(b);
            MUST(kv_store_in(b->s, "lazy", "1", CUBBY_LAZY, NULL, &b->err)); /* announces one again */
            MUST(cubby__store_checkpoint(b->s, &b->err));
        }
        end = b->s->pending.seg_off;
        MUST(kv_store_in(b->s, "lazy", "2", CUBBY_LAZY, NULL, &b->err));
        MUST(kv_store_in(b->s, "lazy", "3", CUBBY_LAZY, &seen, &b->err));
        cut_off(b, end, &cut);
        struct bed *live = b;
        b = &cut;
        for (int times = 0; times < 2; times++) { /* opened in vain in between */
            bed_open(b);
            bed_clean(b);
            bed_close(b);
        }
        bed_open(b);
        MUST(kv_store_in(b->s, "next", "x", 0, &next, &b->err));
        ck_assert_uint_gt(next, seen);
        bed_rebuild_is_equal(b);
        bed_end(b);
        b = live;
        bed_end(b);
    }
}
END_TEST

/* ---- recoveries with no commit between them ---- */

static void torn_append(struct bed *b)
{
    uint8_t junk[40];
    memset(junk, 0x5a, sizeof junk);
    bed_write(b, seg_path((uint32_t)b->s->pending.seg), b->s->pending.seg_off, junk, sizeof junk);
    cubby__shared_set(b->s, CUBBY__SHARED_OWNER_OFF, 0); /* another one was at it, and died */
}

START_TEST(recovered_twice)
{
    struct bed bed, dead, *b = &bed;
    bed_begin(b);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err)); /* announces the ceiling */
    MUST(cubby__store_checkpoint(b->s, &b->err));
    torn_append(b);
    bed_copy(b, &dead);
    struct bed *live = b;
    b = &dead;
    bed_open(b); /* nothing to replay, but numbers to pass over: a version of its own */
    for (int i = 0; i < 3; i++) {
        torn_append(b);
        MUST(kv_store(b, "goes", "on"));
        ck_assert_str_eq(kv_look(b, "goes"), "on");
        bed_rebuild_is_equal(b);
    }
    bed_end(b);
    bed_close(live);
    cubby__memfs_free(&live->fs);
}
END_TEST

/* Lazy commits that are published are on the disk before a successor's header vouches for them. */
START_TEST(a_takeover_copies_what_was_lazy)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err)); /* announces the ceiling */
    MUST(kv_store_in(b->s, "lazy", "1", CUBBY_LAZY, NULL, &b->err));
    ck_assert_uint_lt(b->s->pending.durable, b->s->pending.commit);
    torn_append(b);
    fault_set(&b->fault, FAULT_SYNC, "segments/00000001", 0, -EIO, 0);
    MUST(kv_store(b, "after", "x")); /* no sync of the old segment is needed for it */
    ck_assert_int_eq(b->fault.hits, 0);
    b->fault.rc = 0;
    ck_assert_str_eq(kv_look(b, "lazy"), "1");
    ck_assert_uint_eq(bed_last_segment(b), 2);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

/* ---- names ---- */

/* Whoever made the last segment may have died before it synced the directory: the next writer does, and only then. */
START_TEST(a_segment_whose_name_may_be_lost)
{
    struct bed bed, dead, *b = &bed;
    bed_begin_with(b, 3000, 0);
    while (b->s->pending.seg < 2)
        MUST(kv_store(b, "a", "0123456789012345678901234567890123456789"));
    bed_copy(b, &dead); /* segment 2 has a commit: its maker came through */
    struct bed *live = b;
    b = &dead;
    int before = b->fault.calls[FAULT_DIRSYNC];
    bed_open(b);
    ck_assert_uint_eq(b->s->pending.seg, 3); /* that commit was the tail */
    ck_assert_int_eq(b->fault.calls[FAULT_DIRSYNC], before + 1);
    bed_close(b);
    bed_open(b); /* nothing in segment 3 since it was made */
    ck_assert_int_eq(b->fault.calls[FAULT_DIRSYNC], before + 2);
    fault_set(&b->fault, FAULT_DIRSYNC, "segments", 0, -EIO, 0);
    bed_close(b);
    REFUSES(bed_try_open(b, 0), CUBBY_EIO);
    bed_open(b);
    MUST(kv_store(b, "b", "c"));
    bed_close(b);
    before = b->fault.calls[FAULT_DIRSYNC];
    bed_open(b);
    ck_assert_int_eq(b->fault.calls[FAULT_DIRSYNC], before);
    bed_end(b);
    bed_close(live);
    cubby__memfs_free(&live->fs);
}
END_TEST

/* ---- the last proven commit is damaged ---- */

/* ... and an acknowledged one stands behind it: both are kept, what is left of the one, and the other whole. */
START_TEST(damage_before_the_tail)
{
    struct bed bed, hurt, *b = &bed;
    uint64_t at, seen, next;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    kv_store_many(b, 5, 6, 30);
    at = b->s->pending.seg_off - 20; /* in its COMMIT */
    MUST(kv_store_in(b->s, "last", "acknowledged", 0, &seen, &b->err));
    for (int kind = 0; kind < 2; kind++) {
        bed_copy(b, &hurt);
        struct bed *live = b;
        b = &hurt;
        bed_flip(b, seg_path(1), at, 1);
        if (kind)
            bed_unlink(b, "/s/index");
        bed_open(b);
        ck_assert_str_eq(kv_look(b, "last"), "acknowledged");
        ck_assert_str_ne(kv_look(b, "k0005"), "");
        ck_assert_ptr_null(strstr(b->notice, "torn"));
        MUST(kv_store_in(b->s, "next", "x", 0, &next, &b->err));
        ck_assert_uint_gt(next, seen);
        bed_rebuild_is_equal(b);
        MUST(cubby__store_checkpoint(b->s, &b->err)); /* the next open begins behind it */
        bed_close(b);
        bed_quiet(b);
        bed_open(b);
        ck_assert_int_eq(b->notices, 0);
        bed_end(b);
        b = live;
    }
    bed_end(b);
}
END_TEST

/* The last segment is gone as a whole, and no checkpoint knew of it: the mark that its roll has left in the one before tells. */
START_TEST(a_last_segment_that_vanished)
{
    struct bed bed, copy, *b = &bed;
    bed_begin_with(b, 4096, 1 << 30);
    kv_store_many(b, 0, 5, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    int n = 5;
    while (bed_last_segment(b) < 2)
        kv_store_many(b, n, n + 1, 100), n++;
    kv_store_many(b, n, n + 3, 100);
    bed_copy(b, &copy);
    bed_clean(b);
    bed_end(b);
    b = &copy;
    bed_unlink(b, seg_path(2));
    bed_quiet(b);
    bed_open(b);
    ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
    MUST(kv_store(b, "goes", "on"));
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/stops", a_last_segment_that_vanished, one_of_several_makes_the_store, lazy_commits_without_a_trace, recovered_twice,
          a_takeover_copies_what_was_lazy,
          a_segment_whose_name_may_be_lost, damage_before_the_tail)
