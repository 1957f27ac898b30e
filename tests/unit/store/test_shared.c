#include "log/segmake.h"
#include "unit/store/store_util.h"

static struct cubby__store *another(struct bed *b, unsigned flags)
{
    struct cubby__store *s;
    cubby_options o = b->o;
    o.flags = flags;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    return s;
}

static int put(struct bed *b, struct cubby__store *s, const char *key, const char *value)
{
    return kv_store_in(s, key, value, 0, NULL, &b->err);
}

/* Handles share nothing but the files: as two processes would. */
START_TEST(two_handles_take_turns)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 2000);
    struct cubby__store *h[3] = {b->s, another(b, 0), another(b, 0)};
    for (int i = 0; i < 200; i++) {
        char key[16], value[16];
        snprintf(key, sizeof key, "k%04d", i % 60);
        snprintf(value, sizeof value, "%d", i);
        MUST(put(b, h[i * 7 % 3], key, value));
        for (int k = 0; k < 3; k++)
            ck_assert_str_eq(kv_look_in(h[k], key), value);
        if (i % 50 == 49) {
            MUST(cubby__store_checkpoint(h[i % 3], &b->err));
            same_rows(kv_dump_of(h[0]), kv_dump_of(h[1]));
            bed_rebuild_is_equal(b);
        }
    }
    bed_clean(b);
    MUST(cubby__store_close(&h[1], &b->err));
    MUST(put(b, h[2], "last", "words"));
    ck_assert_str_eq(kv_look(b, "last"), "words");
    bed_close(b);
    MUST(put(b, h[2], "after", "that"));
    MUST(cubby__store_close(&h[2], &b->err));
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "after"), "that");
    ck_assert_int_eq(b->notices, 0);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

START_TEST(snapshots_across_handles)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    bed_begin_with(b, 4096, 1500);
    kv_store_many(b, 0, 50, 60);
    struct cubby__store *second = another(b, 0);
    MUST(cubby__view_begin(second, &v, &b->err));
    struct cubby__buf want = kv_dump_view(&v);
    for (int i = 0; i < 10; i++)
        kv_store_many(b, 0, 50, (size_t)(61 + i)); /* would reuse the pages that the other one reads */
    struct cubby__buf now = kv_dump_view(&v);
    same_rows(now, want);
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1u << 30, 0), v.commit);
    cubby__view_end(&v);
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1u << 30, 0), 1u << 30);
    MUST(cubby__store_close(&second, &b->err));
    bed_end(b);
}
END_TEST

START_TEST(writers_wait_for_each_other)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t, *t2;
    bed_begin(b);
    b->o.lock_timeout_ms = UINT32_MAX; /* do not wait */
    struct cubby__store *second = another(b, 0);
    b->o.lock_timeout_ms = 50;
    struct cubby__store *third = another(b, 0);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "a", "1", 1));
    REFUSES(cubby__txn_begin(second, 0, &t2, &b->err), CUBBY_EBUSY);
    REFUSES(cubby__txn_begin(third, 0, &t2, &b->err), CUBBY_EBUSY);
    MUST(cubby__txn_commit(&t, NULL));
    MUST(put(b, second, "a", "2"));
    MUST(put(b, third, "a", "3"));
    MUST(cubby__txn_begin(second, 0, &t, &b->err));
    cubby__txn_abort(&t);
    MUST(kv_store(b, "a", "4"));
    ck_assert_str_eq(kv_look_in(second, "a"), "4");
    MUST(cubby__store_close(&second, &b->err));
    MUST(cubby__store_close(&third, &b->err));
    bed_end(b);
}
END_TEST

static int turn(struct cubby__store *s, int how)
{
    return s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_TURN, 1, how);
}

/* Who is next to write has the turn while it waits, and the others wait for it; but not for ever. */
START_TEST(writers_take_turns)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    struct cubby__store *second = another(b, 0);
    b->o.lock_timeout_ms = 50;
    struct cubby__store *third = another(b, 0);
    b->o.lock_timeout_ms = UINT32_MAX; /* do not wait */
    struct cubby__store *fourth = another(b, 0);
    const struct {
        struct cubby__store *s;
        int64_t ms;
    } waits[] = {{second, 200}, {third, 25}, {fourth, 0}};
    MUST(turn(b->s, CUBBY_LOCK_EXCLUSIVE));
    for (int i = 0; i < 3; i++) {
        int64_t from = b->vfs->ticks_ms(b->vfs->ctx);
        MUST(put(b, waits[i].s, "patience", "has an end"));
        int64_t ms = b->vfs->ticks_ms(b->vfs->ctx) - from;
        ck_assert_int_ge(ms, waits[i].ms);
        ck_assert_int_le(ms, waits[i].ms + 20);
    }
    MUST(cubby__store_close(&fourth, &b->err));
    ck_assert_int_eq(cubby__writer_is_wanted(second), 1);
    MUST(turn(b->s, CUBBY_UNLOCK));
    MUST(cubby__txn_begin(third, 0, &t, &b->err));
    ck_assert_int_eq(cubby__writer_is_wanted(second), 0); /* it has the lock, and leaves the turn to others */
    cubby__txn_abort(&t);
    MUST(cubby__store_close(&second, &b->err));
    MUST(cubby__store_close(&third, &b->err));
    bed_end(b);
}
END_TEST

/* A lock that fails, instead of being taken, ends the wait. */
START_TEST(a_lock_that_fails_while_it_is_waited_for)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t, *u;
    cubby_error err;
    bed_begin(b);
    struct cubby__store *second = another(b, 0);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    fault_set(&b->fault, FAULT_LOCK, "cubby.id", 2, -EIO, 0); /* it is held; then the turn; then it fails */
    ck_assert_int_eq(cubby__txn_begin(second, 0, &u, &err), CUBBY_EIO);
    ck_assert_int_eq(b->fault.hits, 1);
    cubby__txn_abort(&t);
    ck_assert_int_eq(cubby__writer_is_wanted(b->s), 0);
    MUST(put(b, second, "goes", "on"));
    MUST(cubby__store_close(&second, &b->err));
    bed_end(b);
}
END_TEST

static void *store_one(void *arg)
{
    struct bed *b = arg;
    cubby_error err;
    return (void *)(intptr_t)kv_store_in(b->s, "late", "x", 0, NULL, &err);
}

static int giving_way(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    int giving = s->giving_way;
    pthread_mutex_unlock(&s->g);
    return giving;
}

/* Threads whose transactions overlap would keep the writer lock for ever: once another handle wants it, none begins before it was let go. */
START_TEST(busy_threads_give_way)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct timespec moment = {0, 1000000};
    pthread_t thread;
    void *rc;
    bed_begin(b);
    struct cubby__store *second = another(b, 0);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(turn(second, CUBBY_LOCK_EXCLUSIVE));
    b->s->turn_ends = 0;
    ck_assert_int_eq(pthread_create(&thread, NULL, store_one, b), 0);
    for (int i = 0; i < 5000 && !giving_way(b->s); i++)
        nanosleep(&moment, NULL);
    ck_assert_int_eq(giving_way(b->s), 1);
    ck_assert_int_eq(b->s->users, 1);
    MUST(kv_put(t, "a", "1", 1));
    MUST(cubby__txn_commit(&t, NULL));
    pthread_join(thread, &rc);
    ck_assert_ptr_null(rc);
    ck_assert_int_eq(giving_way(b->s), 0);
    MUST(turn(second, CUBBY_UNLOCK));
    MUST(put(b, second, "a", "2"));
    ck_assert_str_eq(kv_look(b, "late"), "x");
    MUST(cubby__store_close(&second, &b->err));
    bed_end(b);
}
END_TEST

static int stop_third(void *arg, uint64_t done, uint64_t total)
{
    int *calls = arg;
    ck_assert_uint_eq(done + total, 0);
    return ++*calls == 3;
}

/* A person who presses Ctrl-C does not want to wait for the time-out. */
START_TEST(a_wait_can_be_stopped)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t, *t2;
    int calls = 0;
    bed_begin(b);
    b->o.progress = stop_third;
    b->o.progress_arg = &calls;
    struct cubby__store *second = another(b, 0);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    REFUSES(cubby__txn_begin(second, 0, &t2, &b->err), CUBBY_ECANCEL);
    ck_assert_int_eq(calls, 3);
    cubby__txn_abort(&t);
    MUST(put(b, second, "a", "1"));
    MUST(cubby__store_close(&second, &b->err));
    bed_end(b);
}
END_TEST

START_TEST(readers_beside_a_writer)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 1000);
    kv_store_many(b, 0, 40, 60);
    struct cubby__store *reader = another(b, CUBBY_READ_ONLY);
    ck_assert_str_ne(kv_look_in(reader, "k0039"), "");
    ck_assert_str_eq(kv_look_in(reader, "later"), "");
    MUST(kv_store(b, "later", "x"));
    struct cubby__store *later = another(b, CUBBY_READ_ONLY);
    ck_assert_str_eq(kv_look_in(later, "later"), "x");
    MUST(cubby__store_close(&reader, &b->err));
    MUST(cubby__store_close(&later, &b->err));
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* A handle's write fails and latches the store; another one recovers and goes on, the first one stays latched. */
START_TEST(recovery_by_another_handle)
{
    for (int i = 0; i < 2; i++) { /* a sync; an append that nothing can cut off */
        struct bed bed, *b = &bed;
        bed_begin(b);
        kv_store_many(b, 0, 20, 60);
        struct cubby__store *second = another(b, 0);
        fault_set(&b->fault, i ? FAULT_PWRITE : FAULT_SYNC, i ? ".seg" : "segments", i, -EIO, i);
        REFUSES(kv_store(b, "unknown", "x"), CUBBY_EUNKNOWN);
        ck_assert_uint_eq(cubby__shared_get(second, CUBBY__SHARED_LATCH_OFF), 1);
        if (i) /* as long as nobody can recover, nobody can write */
            REFUSES(put(b, second, "no", "no"), CUBBY_EIO);
        b->fault.rc = 0;
        MUST(put(b, second, "goes", "on"));
        ck_assert_uint_eq(cubby__shared_get(second, CUBBY__SHARED_LATCH_OFF), 0);
        ck_assert_str_eq(kv_look_in(second, "goes"), "on");
        ck_assert_str_eq(kv_look(b, "goes"), "on"); /* reading is not hindered */
        ck_assert_str_eq(kv_look_in(second, "k0019"), kv_look(b, "k0019"));
        ck_assert_int_eq(*kv_look_in(second, "unknown") != 0, !i); /* whole in the file, so it is kept */
        MUST(kv_store(b, "me", "too")); /* and the handle that failed goes on from there */
        MUST(put(b, second, "and", "on"));
        bed_rebuild_is_equal(b);
        bed_clean(b);
        MUST(cubby__store_close(&b->s, &b->err));
        MUST(put(b, second, "even", "so"));
        MUST(cubby__store_close(&second, &b->err));
        bed_open(b);
        ck_assert_str_eq(kv_look(b, "even"), "so");
        ck_assert_str_eq(kv_look(b, "me"), "too");
        bed_clean(b);
        bed_end(b);
    }
}
END_TEST

/* What lazy commits have shown is not lost with a sync that failed behind them, nor vouched for by one that came later: it is written anew. */
START_TEST(lazy_commits_before_a_failed_sync)
{
    struct bed bed, *b = &bed;
    uint64_t first, seen;
    bed_begin(b);
    kv_store_many(b, 0, 5, 60);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, &first, &b->err)); /* announces them */
    MUST(kv_store_in(b->s, "lazy", "1", CUBBY_LAZY, &seen, &b->err));
    MUST(kv_store_in(b->s, "lazy", "2", CUBBY_LAZY, &seen, &b->err));
    struct cubby__published p;
    cubby__read_published(b->s, &p);
    ck_assert_uint_lt(p.durable, p.commit);
    fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
    REFUSES(kv_store(b, "unknown", "x"), CUBBY_EUNKNOWN);
    struct cubby__store *second = another(b, 0);
    MUST(put(b, second, "goes", "on"));
    struct cubby__seg_header h;
    MUST(cubby__log_header(second->log, 2, &h, &b->err));
    ck_assert_uint_eq(h.pred_end, p.durable_off); /* they are not accepted where they were */
    cubby__seg_header_release(&h);
    ck_assert_str_eq(kv_look(b, "lazy"), "2");
    bed_rebuild_is_equal(b);
    bed_clean(b);
    MUST(cubby__store_close(&second, &b->err));
    bed_end(b);
}
END_TEST

/* A process that dies: its locks go, its slot, its half-written commit and its shared words stay. */
static void die(struct bed *b, struct cubby__store **s)
{
    (void)b;
    struct cubby__store *dead = *s;
    dead->vfs->lock(dead->vfs->ctx, dead->id_file, 0, UINT32_MAX, CUBBY_UNLOCK);
    *s = NULL;
}

/* The rest of the dead, so that no memory is lost. */
static void bury(struct cubby__store *dead)
{
    dead->latched = 1;
    cubby__store_close(&dead, NULL);
}

START_TEST(a_dead_readers_slot)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    bed_begin(b);
    struct cubby__store *second = another(b, 0), *dead = second;
    MUST(cubby__view_begin(second, &v, &b->err));
    MUST(kv_store(b, "a", "b"));
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1000, 0), v.commit);
    die(b, &second);
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1000, 0), 1000);
    ck_assert_uint_eq(cubby__slot_get(dead), 0); /* cleared for good */
    cubby__view_end(&v);
    bury(dead);
    bed_end(b);
}
END_TEST

START_TEST(a_writer_dies_in_a_transaction)
{
    for (int kind = 0; kind < 3; kind++) {
        struct bed bed, *b = &bed;
        struct cubby__txn *t;
        bed_begin(b);
        kv_store_many(b, 0, 20, 60);
        struct cubby__store *second = another(b, 0), *dead = second;
        MUST(put(b, second, "owner", "second"));
        MUST(cubby__txn_begin(second, 0, &t, &b->err));
        MUST(kv_put(t, "half", "x", 1));
        uint64_t at = second->pending.seg_off;
        struct cubby__buf *bytes = &t->node->framer.buf;
        if (kind == 1) /* some of it is in the log */
            bed_write(b, seg_path(1), at, bytes->data, bytes->len);
        if (kind == 2) { /* a roll was under way: the segment has its name, the published state does not say so */
            struct cubby__seg_header h = {.ident = second->ident, .kind = CUBBY__SEG_LOG, .number = 2, .pred = 1, .pred_nonce = second->pending.seg_nonce,
                                          .pred_end = at, .last_commit = second->pending.commit, .last_chain = second->pending.chain,
                                          .floors = second->floors, .nonce = 4321};
            struct cubby__seg_maker *m;
            int named;
            MUST(cubby__seg_make_begin(second->log, &h, &m, &b->err));
            MUST(cubby__seg_make_end(&m, second->pending.commit, &named, &b->err));
        }
        die(b, &second);
        MUST(kv_store(b, "goes", "on"));
        ck_assert_str_eq(kv_look(b, "owner"), "second");
        ck_assert_str_eq(kv_look(b, "half"), "");
        ck_assert_int_eq(bed_exists(b, seg_path(2)), kind != 0);
        bed_rebuild_is_equal(b);
        bed_clean(b);
        MUST(kv_store(b, "and", "on"));
        bed_close(b);
        bed_open(b);
        ck_assert_str_eq(kv_look(b, "and"), "on");
        bed_rebuild_is_equal(b);
        cubby__tree_abort(dead->pager);
        cubby__node_free(t->node);
        cubby__free(t);
        pthread_mutex_unlock(&dead->w);
        bury(dead);
        bed_end(b);
    }
}
END_TEST

/* The state page: what is published is read back whole, whatever was before. */
START_TEST(publish_and_read)
{
    struct bed bed, *b = &bed;
    struct cubby__published p, q;
    bed_begin(b);
    cubby__read_published(b->s, &p);
    struct cubby__published keep = p;
    for (uint64_t i = 0; i < 10; i++) {
        uint64_t before = cubby__current(b->s);
        memset(&p, (int)i + 1, sizeof p);
        cubby__publish(b->s, &p);
        ck_assert_uint_eq(cubby__current(b->s), before + 1);
        cubby__read_published(b->s, &q);
        ck_assert_mem_eq(&p, &q, sizeof p);
    }
    cubby__publish(b->s, &keep);
    cubby__shared_set(b->s, CUBBY__SHARED_OWNER_OFF, 5);
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_OWNER_OFF), 5);
    MUST(kv_store(b, "a", "b"));
    bed_end(b);
}
END_TEST

/* Whatever stands in the page before the first attaches: it trusts nothing. */
START_TEST(garbage_in_the_page)
{
    struct bed bed, *b = &bed;
    uint8_t junk[CUBBY__PAGE_SIZE];
    bed_begin(b);
    kv_store_many(b, 0, 10, 20);
    bed_close(b);
    for (int i = 0; i < 4; i++) {
        memset(junk, i * 85, sizeof junk);
        bed_write(b, "/s/cubby.id", CUBBY__SHARED_OFFSET, junk, sizeof junk);
        bed_open(b);
        ck_assert_str_ne(kv_look(b, "k0009"), "");
        MUST(kv_store(b, "a", "b"));
        bed_rebuild_is_equal(b);
        bed_close(b);
    }
    bed_end(b);
}
END_TEST

START_TEST(many_handles)
{
    struct bed bed, *b = &bed;
    struct cubby__store *h[40];
    bed_begin(b);
    b->o.cache_bytes = 64 << 10;
    for (int i = 0; i < 40; i++) {
        h[i] = another(b, 0);
        ck_assert_int_eq(h[i]->slot, i + 1);
    }
    MUST(put(b, h[17], "a", "b"));
    for (int i = 0; i < 40; i += 2)
        MUST(cubby__store_close(&h[i], &b->err));
    for (int i = 1; i < 40; i += 2)
        ck_assert_str_eq(kv_look_in(h[i], "a"), "b");
    struct cubby__store *s = another(b, 0);
    ck_assert_int_eq(s->slot, 1); /* slots are used again */
    MUST(cubby__store_close(&s, &b->err));
    for (int i = 1; i < 40; i += 2)
        MUST(cubby__store_close(&h[i], &b->err));
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/shared", two_handles_take_turns, snapshots_across_handles, writers_wait_for_each_other, writers_take_turns, a_lock_that_fails_while_it_is_waited_for, busy_threads_give_way,
          a_wait_can_be_stopped, readers_beside_a_writer, recovery_by_another_handle, lazy_commits_before_a_failed_sync, a_dead_readers_slot,
          a_writer_dies_in_a_transaction, publish_and_read, garbage_in_the_page, many_handles)
