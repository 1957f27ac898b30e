/* Threads that commit at once: who is in the leader's group, what a failure costs each of them, and what a latch means while they are told (C1 to C4). A test
 * that holds the leadership itself decides what is in a group. */
#include <pthread.h>
#include <semaphore.h>

#include "store/commit.h"
#include "unit/heap.h"
#include "unit/store/store_util.h"

/* ---- commits that wait ---- */

struct waiting {
    struct cubby__store *s;
    char key[16];
    size_t size; /* of the value; 0: nothing is put */
    int spooled; /* as a piece in a spool, beside a short row */
    unsigned flags;
    int rc;
    uint64_t modseq;
    cubby_error err;
    pthread_t thread;
};

static int put_spooled(struct waiting *x, struct cubby__txn *t)
{
    struct cubby__spool *sp;
    struct cubby__piece piece = {.id = 1, .orig_len = (uint32_t)x->size};
    struct cubby__content c = {.len = (uint32_t)x->size};
    uint8_t *p = malloc(x->size);
    memset(p, 'p', x->size);
    int rc = cubby__spool_new(x->s, &sp, &x->err);
    if (rc == 0) {
        c.spool = sp;
        rc = cubby__spool_add(sp, p, x->size, &c.off, &x->err);
        if (rc == 0)
            rc = cubby__txn_log_piece(t, &piece, &c);
        cubby__spool_unref(&sp);
    }
    free(p);
    return rc ? rc : kv_put(t, x->key, "spooled", 7);
}

static int put_value(struct waiting *x, struct cubby__txn *t)
{
    if (!x->size)
        return 0;
    if (x->spooled)
        return put_spooled(x, t);
    char *p = malloc(x->size + 1);
    memset(p, 'v', x->size);
    p[x->size] = '\0';
    int rc = x->flags & CUBBY_LAZY ? kv_put_lazy(t, x->key, p) : kv_put(t, x->key, p, x->size);
    free(p);
    return rc;
}

static void *commit(void *arg)
{
    struct waiting *x = arg;
    struct cubby__txn *t;
    x->rc = cubby__txn_begin(x->s, x->flags, &t, &x->err);
    if (x->rc)
        return NULL;
    x->rc = put_value(x, t);
    if (x->rc)
        cubby__txn_abort(&t);
    else
        x->rc = cubby__txn_commit(&t, &x->modseq);
    return NULL;
}

static int queued(struct cubby__store *s)
{
    int n = 0;
    pthread_mutex_lock(&s->w);
    for (const struct cubby__commit_node *q = s->queue; q; q = q->next)
        n++;
    pthread_mutex_unlock(&s->w);
    return n;
}

static int asleep(struct cubby__store *s)
{
    int n = 0;
    pthread_mutex_lock(&s->g);
    for (const struct cubby__waiter *q = s->line; q; q = q->next)
        n++;
    pthread_mutex_unlock(&s->g);
    return n;
}

static int users(struct cubby__store *s)
{
    pthread_mutex_lock(&s->g);
    int n = s->users;
    pthread_mutex_unlock(&s->g);
    return n;
}

static void moment(void)
{
    struct timespec t = {0, 200000};
    nanosleep(&t, NULL);
}

static void start(struct bed *b, struct waiting *x)
{
    x->s = b->s;
    ck_assert_int_eq(pthread_create(&x->thread, NULL, commit, x), 0);
}

/* ... and does not come back before it is in the queue. */
static void start_in_turn(struct bed *b, struct waiting *x)
{
    int before = queued(b->s);
    start(b, x);
    while (queued(b->s) == before)
        moment();
}

/* It has entered, and waits for the leader's place. */
static void start_and_wait(struct bed *b, struct waiting *x)
{
    int before = users(b->s);
    start(b, x);
    while (users(b->s) == before)
        moment();
    pthread_mutex_lock(&b->s->w);
    pthread_mutex_unlock(&b->s->w);
}

static void join_all(struct waiting *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pthread_join(x[i].thread, NULL);
}

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
    bed_close(b);
    bed_open(b);
    bed_rebuild_is_equal(b);
}

/* ---- what is in one group ---- */

START_TEST(one_write_and_one_sync)
{
    struct bed bed, *b = &bed;
    struct waiting x[4] = {{.key = "a", .size = 30}, {.key = "b", .size = 30}, {.key = "c", .size = 30}, {.key = "d"}};
    bed_begin(b);
    cubby__lead_in_turn(b->s);
    for (int i = 0; i < 4; i++)
        start_in_turn(b, &x[i]); /* the last one changes nothing, but has seen what the others did */
    int syncs = b->fault.calls[FAULT_SYNC], writes = b->fault.calls[FAULT_PWRITE], allocs = b->fault.calls[FAULT_ALLOCATE];
    fault_set(&b->fault, FAULT_PWRITE, "segments", 1, -EIO, 1); /* a second write would fail */
    cubby__lead_done(b->s);
    join_all(x, 4);
    b->fault.rc = 0;
    for (int i = 0; i < 4; i++)
        ck_assert_msg(x[i].rc == 0, "%d: %d %s", i, x[i].rc, x[i].err.message);
    ck_assert_uint_eq(x[1].modseq, x[0].modseq + 1);
    ck_assert_uint_eq(x[3].modseq, x[2].modseq);
    ck_assert_int_eq(b->fault.calls[FAULT_SYNC], syncs + 1);
    ck_assert_int_gt(b->fault.calls[FAULT_PWRITE], writes);
    ck_assert_int_eq(b->fault.calls[FAULT_ALLOCATE], allocs);
    ck_assert_uint_eq(strlen(kv_look(b, "c")), 30);
    sound(b);
    bed_end(b);
}
END_TEST

/* Small ones are joined, up to a size; what is large or spooled stands alone. */
START_TEST(commits_of_every_size)
{
    struct bed bed, *b = &bed;
    struct waiting x[] = {{.key = "a", .size = 30},      {.key = "b", .size = 30},      {.key = "c", .size = 70000, .spooled = 1}, {.key = "d", .size = 1200000},
                          {.key = "e", .size = 30},      {.key = "f", .size = 900000},  {.key = "g", .size = 900000},              {.key = "h", .size = 900000},
                          {.key = "i", .size = 40},      {.key = "j", .size = 1200000}};
    enum { N = sizeof x / sizeof *x };
    bed_begin_with(b, 64 << 20, 0);
    cubby__lead_in_turn(b->s);
    for (int i = 0; i < N; i++)
        start_in_turn(b, &x[i]);
    int syncs = b->fault.calls[FAULT_SYNC];
    cubby__lead_done(b->s);
    join_all(x, N);
    for (int i = 0; i < N; i++) {
        ck_assert_msg(x[i].rc == 0, "%d: %d %s", i, x[i].rc, x[i].err.message);
        ck_assert_str_ne(kv_look(b, x[i].key), "");
    }
    ck_assert_int_le(b->fault.calls[FAULT_SYNC], syncs + 3); /* and one checkpoint at most */
    sound(b);
    bed_end(b);
}
END_TEST

/* A transaction reads what stands in the queue before it. */
START_TEST(frames_in_the_queue_are_read)
{
    struct bed bed, *b = &bed;
    struct waiting x[2] = {{.key = "first", .size = 5000}, {.key = "second", .size = 6000}};
    struct cubby__txn *t;
    struct cubby__buf buf = CUBBY__BUF_INIT;
    uint8_t row[CUBBY__TREE_VALUE_MAX];
    const uint8_t *payload;
    struct kv_row r;
    bed_begin(b);
    MUST(kv_store(b, "before", "them"));
    cubby__lead_in_turn(b->s);
    for (int i = 0; i < 2; i++)
        start_in_turn(b, &x[i]);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_get(cubby__txn_view(t), "before", row, &r));
    MUST(cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL));
    ck_assert_mem_eq(payload + 8, "them", 4);
    for (int i = 1; i >= 0; i--) {
        MUST(kv_get(cubby__txn_view(t), x[i].key, row, &r));
        MUST(cubby__view_read(cubby__txn_view(t), &r.place, CUBBY__REC_ANNOTATION, &buf, &payload, NULL));
        ck_assert_uint_eq(r.place.len, 2 + strlen(x[i].key) + x[i].size);
        ck_assert_mem_eq(payload + 2, x[i].key, strlen(x[i].key));
        ck_assert_int_eq(payload[r.place.len - 1], 'v');
    }
    cubby__buf_release(&buf);
    cubby__txn_abort(&t);
    ck_assert_str_eq(kv_look(b, "first"), ""); /* nobody else sees it */
    cubby__lead_done(b->s);
    join_all(x, 2);
    ck_assert_int_eq(x[0].rc + x[1].rc, 0);
    sound(b);
    bed_end(b);
}
END_TEST

/* C1: as long as the commit that announces their numbers is not synced, lazy ones are synced, too. */
START_TEST(lazy_behind_an_announcement_that_waits)
{
    struct bed bed, *b = &bed;
    struct waiting x[2] = {{.key = "a", .size = 5, .flags = CUBBY_LAZY}, {.key = "b", .size = 5, .flags = CUBBY_LAZY}};
    bed_begin(b);
    cubby__lead_in_turn(b->s);
    start_in_turn(b, &x[0]);
    ck_assert_uint_gt(b->s->pending.ceiling, b->s->pending.commit);
    start_in_turn(b, &x[1]);
    for (const struct cubby__commit_node *n = b->s->queue; n; n = n->next)
        ck_assert_int_eq(n->lazy, 0);
    cubby__lead_done(b->s);
    join_all(x, 2);
    ck_assert_int_eq(x[0].rc + x[1].rc, 0);
    struct cubby__published p;
    cubby__read_published(b->s, &p);
    ck_assert_uint_eq(p.durable, x[1].modseq);
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- a leader that is syncing ---- */

static struct {
    sem_t syncing, go;
    atomic_int armed;
    pthread_t by[8]; /* who synced the log, in turn: one leads at a time */
    int syncs;
} gate;

static void at_the_gate(void *arg, enum fault_op op, const char *path)
{
    (void)arg;
    if (op != FAULT_SYNC || !strstr(path, "segments"))
        return;
    if (gate.syncs < 8)
        gate.by[gate.syncs++] = pthread_self();
    if (!atomic_exchange(&gate.armed, 0))
        return;
    sem_post(&gate.syncing);
    sem_wait(&gate.go);
}

/* x leads, and comes no further than its sync until sem_post(&gate.go). */
static void start_leader(struct bed *b, struct waiting *x)
{
    sem_init(&gate.syncing, 0, 0);
    sem_init(&gate.go, 0, 0);
    gate.syncs = 0;
    gate.armed = 1;
    b->fault.hook = at_the_gate;
    start(b, x);
    sem_wait(&gate.syncing);
}

/* Those who come while it syncs are the next group, and the one that has slept longest leads it. */
START_TEST(the_lead_is_left_to_a_sleeper)
{
    struct bed bed, *b = &bed;
    struct waiting x[4] = {{.key = "a", .size = 5}, {.key = "b", .size = 5}, {.key = "c", .size = 5}, {.key = "d"}};
    bed_begin(b);
    start_leader(b, &x[0]);
    for (int i = 1; i < 4; i++) {
        start(b, &x[i]);
        while (asleep(b->s) < i)
            moment();
    }
    sem_post(&gate.go);
    join_all(x, 4);
    b->fault.hook = NULL;
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(x[i].rc, 0);
    ck_assert_int_eq(gate.syncs, 2);
    ck_assert(pthread_equal(gate.by[0], x[0].thread));
    ck_assert(pthread_equal(gate.by[1], x[1].thread));
    ck_assert_int_eq(asleep(b->s), 0);
    ck_assert_int_eq(b->s->leading, 0);
    sound(b);
    bed_end(b);
}
END_TEST

static struct {
    char order[8]; /* 'x': the log was synced; 'a', 'b': one who asked for the lead had it */
    int n;
} led;

static void note(char who)
{
    if (led.n < 7)
        led.order[led.n++] = who;
}

static void note_sync(void *arg, enum fault_op op, const char *path)
{
    (void)arg;
    if (op == FAULT_SYNC && strstr(path, "segments"))
        note('x');
}

static void *ask(void *arg)
{
    struct waiting *x = arg;
    cubby__lead_in_turn(x->s);
    note(x->key[0]);
    cubby__lead_done(x->s);
    return NULL;
}

/* Who leads for a commit and who for anything else stand in one line: neither keeps the other waiting, however many there are of them. */
START_TEST(one_line_for_all)
{
    static const char *const want[] = {"abx", "axb", "xab"};
    for (int at = 0; at < 3; at++) {
        struct bed bed, *b = &bed;
        struct waiting commits = {.key = "c", .size = 5}, asks[2] = {{.key = "a"}, {.key = "b"}};
        bed_begin(b);
        memset(&led, 0, sizeof led);
        cubby__lead_in_turn(b->s);
        for (int i = 0, asked = 0; i < 3; i++) {
            if (i == 2 - at) {
                start(b, &commits);
            } else {
                asks[asked].s = b->s;
                ck_assert_int_eq(pthread_create(&asks[asked].thread, NULL, ask, &asks[asked]), 0);
                asked++;
            }
            while (asleep(b->s) <= i)
                moment();
        }
        b->fault.hook = note_sync;
        cubby__lead_done(b->s);
        join_all(&commits, 1);
        join_all(asks, 2);
        b->fault.hook = NULL;
        ck_assert_str_eq(led.order, want[at]);
        ck_assert_int_eq(commits.rc, 0);
        ck_assert_int_eq(asleep(b->s) + b->s->leading, 0);
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* A transaction that changed nothing tells its modseq no sooner than what it has seen is sure, and fails with it. */
START_TEST(what_it_has_seen_is_not_sure_yet)
{
    for (int fails = 0; fails < 2; fails++) {
        struct bed bed, *b = &bed;
        struct waiting x[2] = {{.key = "a", .size = 5}, {.key = "b"}};
        bed_begin(b);
        start_leader(b, &x[0]);
        start_in_turn(b, &x[1]);
        ck_assert_str_eq(kv_look(b, "a"), "");
        if (fails)
            fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
        sem_post(&gate.go);
        join_all(x, 2);
        b->fault.hook = NULL;
        if (fails) {
            ck_assert_int_eq(b->fault.hits, 1);
            ck_assert_int_eq(x[0].rc, CUBBY_EUNKNOWN);
            ck_assert_int_eq(x[1].rc, CUBBY_ELATCHED);
            ck_assert_int_eq(x[1].err.code, CUBBY_ELATCHED);
            MUST(kv_store(b, "goes", "on"));
        } else {
            struct cubby__published p;
            ck_assert_int_eq(x[0].rc + x[1].rc, 0);
            ck_assert_uint_eq(x[1].modseq, x[0].modseq);
            cubby__read_published(b->s, &p);
            ck_assert_uint_eq(p.durable, x[0].modseq); /* publishing it again does not take back that it is synced */
        }
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* ---- failures hit the whole group, each is told ---- */

START_TEST(a_failed_sync_of_a_group)
{
    struct bed bed, *b = &bed;
    struct waiting x[3] = {{.key = "a", .size = 5}, {.key = "b", .size = 5}, {.key = "c", .size = 5}};
    bed_begin(b);
    cubby__lead_in_turn(b->s);
    for (int i = 0; i < 3; i++)
        start_in_turn(b, &x[i]);
    fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
    cubby__lead_done(b->s);
    join_all(x, 3);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(x[i].rc, CUBBY_EUNKNOWN);
        ck_assert_int_eq(x[i].err.code, CUBBY_EUNKNOWN);
        ck_assert_ptr_nonnull(strstr(x[i].err.message, "unknown"));
    }
    ck_assert_str_eq(kv_look(b, "a"), "");
    MUST(kv_store(b, "goes", "on")); /* what the file holds of them is kept by the recovery */
    for (int i = 0; i < 3; i++)
        ck_assert_uint_eq(strlen(kv_look(b, x[i].key)), 5);
    sound(b);
    bed_end(b);
}
END_TEST

/* C3: nothing of it happened, of those before the one that failed neither. */
START_TEST(a_failed_write_of_a_group)
{
    for (int after = 0; after < 3; after++) {
        struct bed bed, *b = &bed;
        struct waiting x[3] = {{.key = "a", .size = 3000, .spooled = 1}, {.key = "b", .size = 5}, {.key = "c", .size = 3000, .spooled = 1}};
        bed_begin(b);
        cubby__lead_in_turn(b->s);
        for (int i = 0; i < 3; i++)
            start_in_turn(b, &x[i]);
        fault_set(&b->fault, FAULT_PWRITE, "segments", after, -EIO, 0);
        cubby__lead_done(b->s);
        join_all(x, 3);
        ck_assert_int_eq(b->fault.hits, 1);
        for (int i = 0; i < 3; i++) {
            ck_assert_int_eq(x[i].rc, CUBBY_EIO);
            ck_assert_int_eq(x[i].err.code, CUBBY_EIO);
            ck_assert_str_ne(x[i].err.message, "");
            ck_assert_str_eq(kv_look(b, x[i].key), "");
        }
        ck_assert_uint_eq(bed_last_segment(b), 2);
        MUST(kv_store(b, "goes", "on"));
        sound(b);
        ck_assert_str_eq(kv_look(b, "a"), "");
        bed_end(b);
    }
}
END_TEST

static void *lead_when_two_wait(void *arg)
{
    struct cubby__store *s = arg;
    while (queued(s) < 2)
        moment();
    cubby__lead_done(s);
    return NULL;
}

/* One that begins rolls, and has to write what is queued, which fails for want of space: that does not concern it, but what is published is where it goes on from.
 * It did so without taking over: the next one did while it was queued, began at the same place, and one of the two was lost. */
START_TEST(a_group_undone_by_one_that_begins)
{
    for (int on_index = 0; on_index < 2; on_index++) {
        struct bed bed, *b = &bed;
        struct waiting x[2] = {{.key = "a", .size = 5000}, {.key = "c", .size = 30}};
        struct cubby__txn *t;
        pthread_t releases;
        bed_begin_with(b, 4096, 0);
        kv_store_many(b, 0, 5, 30);
        cubby__lead_in_turn(b->s);
        start_in_turn(b, &x[0]);
        fault_set(&b->fault, FAULT_PWRITE, on_index ? "/s/index" : "segments", 0, -ENOSPC, 0);
        pthread_mutex_lock(&b->s->g);
        b->s->leading = 0; /* and nobody wakes up: the next to come leads */
        pthread_mutex_unlock(&b->s->g);
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        ck_assert_int_eq(b->fault.hits, 1);
        start(b, &x[1]);
        cubby__lead_in_turn(b->s);
        ck_assert_int_eq(pthread_create(&releases, NULL, lead_when_two_wait, b->s), 0);
        MUST(kv_put(t, "b", "thirty bytes, or somewhat fewer", 30));
        MUST(cubby__txn_commit(&t, NULL));
        pthread_join(releases, NULL);
        join_all(x, 2);
        ck_assert_int_eq(x[0].rc, CUBBY_ENOSPC);
        ck_assert_int_eq(x[1].rc, 0);
        ck_assert_str_eq(kv_look(b, "a"), "");
        sound(b);
        ck_assert_uint_eq(strlen(kv_look(b, "b")), 30);
        ck_assert_uint_eq(strlen(kv_look(b, "c")), 30);
        bed_end(b);
    }
}
END_TEST

/* Every allocation of the leader fails in turn. */
START_TEST(no_memory_for_a_group)
{
    int done = 0;
    for (int after = 0; !done; after++) {
        struct bed bed, *b = &bed;
        struct waiting x[4] = {{.key = "a", .size = 50}, {.key = "b", .size = 50}, {.key = "c", .size = 90000, .spooled = 1}, {.key = "d", .size = 50}};
        bed_begin(b);
        cubby__lead_in_turn(b->s);
        for (int i = 0; i < 4; i++)
            start_in_turn(b, &x[i]);
        heap_fail(after, 0);
        cubby__lead_done(b->s);
        join_all(x, 4);
        done = heap_works() == 0;
        for (int i = 0; i < 4; i++) {
            ck_assert_int_eq(x[i].rc, x[0].rc); /* one group, one fate */
            ck_assert_int_eq(x[i].err.code, x[i].rc);
            ck_assert(x[i].rc == 0 || x[i].rc == CUBBY_ENOMEM || x[i].rc == CUBBY_EUNKNOWN);
            ck_assert(x[i].rc != 0 || *kv_look(b, x[i].key));
        }
        MUST(kv_store(b, "goes", "on"));
        ck_assert(x[0].rc != CUBBY_ENOMEM || !*kv_look(b, "a"));
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* A caller that does not want the detail. */
START_TEST(without_a_place_for_the_detail)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
    ck_assert_int_eq(kv_store_in(b->s, "a", "b", 0, NULL, NULL), CUBBY_EUNKNOWN);
    fault_set(&b->fault, FAULT_PREAD, "segments", 0, -EIO, 1); /* of the recovery */
    ck_assert_int_eq(kv_store_in(b->s, "a", "b", 0, NULL, NULL), CUBBY_EIO);
    b->fault.rc = 0;
    ck_assert_int_eq(kv_store_in(b->s, "a", "c", 0, NULL, NULL), 0);
    ck_assert_str_eq(kv_look(b, "a"), "c");
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- while those who took part are told ---- */

/* Nobody recovers under them, and nobody else is told that he may go on. */
START_TEST(a_latch_that_is_being_told)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    pthread_mutex_lock(&b->s->w);
    MUST(cubby__enter(b->s, &b->err)); /* as a thread does whose commit fails now */
    pthread_mutex_unlock(&b->s->w);
    cubby__latch(b->s);
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ELATCHED);
    REFUSES(cubby__store_checkpoint(b->s, &b->err), CUBBY_ELATCHED);
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 1);
    ck_assert_str_ne(kv_look(b, "k0004"), "");
    cubby__leave(b->s);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 0);
    sound(b);
    bed_end(b);
}
END_TEST

static void latch_now(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    if (op != FAULT_STAT || !strstr(path, "cubby.id"))
        return;
    b->fault.hook = NULL;
    cubby__latch(b->s);
}

/* The sync of another thread fails when a transaction has entered, and has not looked at the state yet; or waits for the leader's place. */
START_TEST(a_latch_while_one_begins)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct waiting x = {.key = "late", .size = 5};
    bed_begin_with(b, 4096, 0);
    b->fault.hook_arg = b;
    b->fault.hook = latch_now;
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ELATCHED);
    ck_assert_ptr_null(b->fault.hook);
    MUST(kv_store(b, "goes", "on"));
    for (int i = 0; !cubby__is_full(b->s); i++)
        kv_store_many(b, i, i + 1, 100);
    cubby__lead_in_turn(b->s);
    start_and_wait(b, &x); /* with a full segment it has to lead */
    cubby__latch(b->s);
    cubby__lead_done(b->s);
    join_all(&x, 1);
    ck_assert_int_eq(x.rc, CUBBY_ELATCHED);
    ck_assert_int_eq(x.err.code, CUBBY_ELATCHED);
    ck_assert_str_eq(kv_look(b, "late"), "");
    MUST(kv_store(b, "late", "x"));
    sound(b);
    bed_end(b);
}
END_TEST

/* A latch whose owner is not told: it takes a recovery all the same. */
START_TEST(a_latch_alone)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_OWNER_OFF), b->s->token);
    cubby__shared_set(b->s, CUBBY__SHARED_LATCH_OFF, 1);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_LATCH_OFF), 0);
    sound(b);
    bed_end(b);
}
END_TEST

/* A sync of a segment before the last one says nothing about the last. */
START_TEST(syncs_of_another_segment)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err));
    MUST(kv_store_in(b->s, "lazy", "1", CUBBY_LAZY, NULL, &b->err));
    struct cubby__published p = b->s->pending;
    ck_assert_uint_lt(p.durable, p.commit);
    p.seg++;
    cubby__synced_at(b->s, &p);
    cubby__note_synced(b->s);
    ck_assert_uint_lt(b->s->pending.durable, p.commit);
    p.seg--;
    cubby__synced_at(b->s, &p);
    cubby__note_synced(b->s);
    ck_assert_uint_eq(b->s->pending.durable, p.commit);
    bed_end(b);
}
END_TEST

/* ---- what has to be settled first ---- */

/* A roll, or an index to be replaced, while something is queued that cannot be written. */
START_TEST(a_queue_that_cannot_be_settled)
{
    enum { SETTLE, REPLACE, ROLL, WHATS };
    for (int what = 0; what < WHATS; what++) {
        struct bed bed, *b = &bed;
        struct waiting x = {.key = "queued", .size = 50};
        bed_begin(b);
        kv_store_many(b, 0, 200, 100);
        bed_close(b);
        bed_open(b);
        cubby__lead_in_turn(b->s);
        start_in_turn(b, &x);
        pthread_mutex_lock(&b->s->w);
        MUST(cubby__enter(b->s, &b->err));
        if (what == REPLACE) {
            for (uint64_t off = 8192; off + 4096 <= bed_size(b, "/s/index"); off += 4096)
                bed_flip(b, "/s/index", off + 100, 1);
            for (int i = 0; i < 200 && !cubby__pager_damaged(b->s->pager); i++) {
                char key[16];
                snprintf(key, sizeof key, "k%04d", i);
                kv_look(b, key);
            }
            ck_assert(cubby__pager_damaged(b->s->pager));
        }
        fault_set(&b->fault, FAULT_PWRITE, "/index", 0, -EIO, 0);
        REFUSES(what == SETTLE ? cubby__settle(b->s, &b->err) : what == ROLL ? cubby__roll(b->s, &b->err) : cubby__replace_damaged(b->s, &b->err), CUBBY_EIO);
        ck_assert_int_eq(b->fault.hits, 1);
        pthread_mutex_unlock(&b->s->w);
        cubby__leave(b->s);
        cubby__lead_done(b->s);
        join_all(&x, 1);
        ck_assert_int_eq(x.rc, CUBBY_EIO);
        ck_assert_int_eq(x.err.code, CUBBY_EIO);
        MUST(kv_store(b, "goes", "on"));
        ck_assert_str_eq(kv_look(b, "queued"), "");
        ck_assert_uint_eq(strlen(kv_look(b, "k0199")), 100);
        ck_assert(!cubby__pager_damaged(b->s->pager));
        sound(b);
        bed_end(b);
    }
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {
        one_write_and_one_sync, commits_of_every_size, frames_in_the_queue_are_read, lazy_behind_an_announcement_that_waits, the_lead_is_left_to_a_sleeper,
        one_line_for_all, what_it_has_seen_is_not_sure_yet, a_failed_sync_of_a_group, a_failed_write_of_a_group,
        a_group_undone_by_one_that_begins, no_memory_for_a_group, without_a_place_for_the_detail, a_latch_that_is_being_told, a_latch_while_one_begins,
        a_latch_alone, syncs_of_another_segment, a_queue_that_cannot_be_settled};
    heap_install();
    return unit_run("store/group", tests, sizeof tests / sizeof *tests);
}
