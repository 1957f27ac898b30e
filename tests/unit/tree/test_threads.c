/* Readers of flushed versions run beside the writer, with nothing between them but the cache's locks. Made for make SAN=thread. */
#include <pthread.h>
#include <stdatomic.h>

#include "unit/tree/tree_util.h"

#define READERS 4
#define KEYS    3000

struct board {
    pthread_mutex_t lock;
    struct cubby__pager *p;
    struct cubby__root published;
    uint64_t reading[READERS]; /* commit, or 0 */
    atomic_int stop, failed;
    atomic_int scans;
};

/* In every version all values are equal: the number of its commit. */
static int scan(struct board *b, const struct cubby__root *root)
{
    struct cubby__cursor c;
    int n = 0;
    cubby__cursor_init(&c, b->p, root, NULL);
    int rc = cubby__cursor_seek(&c, NULL, 0);
    for (; rc == 0; rc = cubby__cursor_next(&c), n++) {
        struct cubby__slice v = cubby__cursor_value(&c);
        if (v.n != 8 || cubby__get64(v.p) != root->commit)
            break;
    }
    cubby__cursor_release(&c);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    size_t len;
    int got = cubby__tree_get(b->p, root, "key 000777", 10, buf, &len, NULL);
    return rc == CUBBY_DONE && n == KEYS && got == 0;
}

struct reader {
    struct board *board;
    int slot;
};

static void *read_on(void *arg)
{
    struct reader *r = arg;
    struct board *b = r->board;
    while (!atomic_load(&b->stop)) {
        pthread_mutex_lock(&b->lock);
        struct cubby__root root = b->published;
        b->reading[r->slot] = root.commit;
        pthread_mutex_unlock(&b->lock);
        if (!scan(b, &root))
            atomic_store(&b->failed, 1);
        atomic_fetch_add(&b->scans, 1);
        pthread_mutex_lock(&b->lock);
        b->reading[r->slot] = 0;
        pthread_mutex_unlock(&b->lock);
    }
    return NULL;
}

static void protect(struct board *b)
{
    uint64_t commits[READERS + 1];
    size_t n = 0;
    pthread_mutex_lock(&b->lock);
    commits[n++] = b->published.commit;
    for (int i = 0; i < READERS; i++)
        if (b->reading[i])
            commits[n++] = b->reading[i];
    pthread_mutex_unlock(&b->lock);
    EXPECT(cubby__pager_protect(b->p, commits, n, UINT64_MAX, NULL) == 0);
}

static void write_version(struct board *b, struct cubby__root *root)
{
    uint8_t value[8];
    tree_begin(b->p, root);
    cubby__put64(value, root->commit + 1);
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "key %06d", i);
        EXPECT(cubby__tree_put(b->p, key, strlen(key), value, sizeof value, NULL) == 0);
    }
    cubby__tree_commit(b->p, root);
    tree_flush(b->p, root);
    pthread_mutex_lock(&b->lock);
    b->published = *root;
    pthread_mutex_unlock(&b->lock);
}

static void run(struct cubby__pager *p, int versions)
{
    struct board b = {.p = p};
    struct cubby__root root = {0};
    struct reader readers[READERS];
    pthread_t threads[READERS];
    pthread_mutex_init(&b.lock, NULL);
    write_version(&b, &root);
    for (int i = 0; i < READERS; i++) {
        readers[i] = (struct reader){&b, i};
        EXPECT(pthread_create(&threads[i], NULL, read_on, &readers[i]) == 0);
    }
    for (int i = 0; i < versions || atomic_load(&b.scans) < 50; i++) {
        protect(&b);
        write_version(&b, &root);
        struct cubby__pager_stat stat;
        cubby__pager_get_stat(p, &stat);
    }
    atomic_store(&b.stop, 1);
    for (int i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(atomic_load(&b.failed), 0);
    struct cubby__pager_stat stat;
    cubby__pager_get_stat(p, &stat);
    ck_assert_uint_le(stat.pages, 80 * (READERS + 3)); /* pages were used again */
    pthread_mutex_destroy(&b.lock);
}

START_TEST(readers_beside_the_writer)
{
    struct disk d;
    disk_init(&d);
    struct cubby__pager *p = disk_pager(&d, 1); /* a cache much smaller than the tree */
    run(p, 100);
    cubby__pager_close(&p);
    disk_release(&d);
}
END_TEST

START_TEST(readers_in_memory)
{
    struct cubby__pager *p = memory_pager();
    run(p, 100);
    cubby__pager_close(&p);
}
END_TEST

UNIT_MAIN("tree/threads", readers_beside_the_writer, readers_in_memory)
