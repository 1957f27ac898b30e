/* Threads between two instructions of each other: states that are published while they are read, slots that are revoked while they are claimed (shared.c, S2 to S4). */
#include <pthread.h>

#include "store/commit.h"
#include "unit/store/store_util.h"

enum { MILLISECONDS = 300, THREADS = 2 };

static struct {
    struct cubby__store *s;
    pthread_t threads[THREADS];
    atomic_int stop, wrong, rounds;
} storm;

/* The table as it is: what counts calls is not for several threads. */
static void begin(struct bed *b)
{
    bed_init(b);
    b->o.vfs = b->vfs;
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
}

static void run(struct bed *b, void *(*work)(void *))
{
    storm.s = b->s;
    storm.stop = storm.wrong = storm.rounds = 0;
    for (int i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&storm.threads[i], NULL, work, NULL), 0);
}

static void calm(void)
{
    storm.stop = 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(storm.threads[i], NULL);
    ck_assert_int_eq(storm.wrong, 0);
    ck_assert_int_gt(storm.rounds, 100);
}

static int is_over(const struct timespec *since)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000 >= MILLISECONDS;
}

/* ---- S2: never half of one state ---- */

static void *read_on(void *arg)
{
    struct cubby__published p;
    (void)arg;
    while (!storm.stop) {
        cubby__read_published(storm.s, &p);
        const uint8_t *at = (const uint8_t *)&p;
        storm.wrong += memcmp(at, at + 1, sizeof p - 1) != 0;
        storm.rounds++;
    }
    return NULL;
}

START_TEST(states_are_whole)
{
    struct bed bed, *b = &bed;
    struct cubby__published before, p = {0};
    struct timespec since;
    begin(b);
    cubby__read_published(b->s, &before);
    cubby__publish(b->s, &p);
    run(b, read_on);
    clock_gettime(CLOCK_MONOTONIC, &since);
    for (int i = 0; !is_over(&since); i++) {
        memset(&p, i & 0xff, sizeof p);
        cubby__publish(b->s, &p);
    }
    calm();
    cubby__publish(b->s, &before);
    MUST(kv_store(b, "goes", "on"));
    bed_end(b);
}
END_TEST

/* ---- S3 and S4: a snapshot that began is protected, or knows that it is not ---- */

static void *begin_on(void *arg)
{
    (void)arg;
    while (!storm.stop) {
        struct cubby__view v, w;
        cubby_error err;
        uint8_t buf[CUBBY__TREE_VALUE_MAX];
        struct kv_row r;
        if (cubby__view_begin(storm.s, &v, &err) != 0 || cubby__view_begin(storm.s, &w, &err) != 0) {
            storm.wrong++;
            break;
        }
        int rc = kv_get(&v, "a", buf, &r);
        storm.wrong += rc != 0 && rc != CUBBY_ESTALE;
        storm.wrong += rc == 0 && (r.len != 1 || *r.value != 'b');
        cubby__view_end(&v);
        cubby__view_end(&w);
        storm.rounds++;
    }
    return NULL;
}

START_TEST(slots_are_claimed_and_revoked)
{
    struct bed bed, *b = &bed;
    struct cubby__published p;
    begin(b);
    MUST(kv_store(b, "a", "b"));
    cubby__read_published(b->s, &p);
    run(b, begin_on);
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    while (!is_over(&since))
        for (int i = 0; i < 100; i++) {
            cubby__publish(b->s, &p); /* nothing new, but another one */
            cubby__oldest_reader(b->s, p.commit + 1000, p.commit + 1 + (uint64_t)i % 2);
        }
    calm();
    MUST(kv_store(b, "goes", "on"));
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/storm", states_are_whole, slots_are_claimed_and_revoked)
