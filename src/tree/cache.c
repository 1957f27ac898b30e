#include "tree/cache.h"

#include "base/alloc.h"
#include "cubby.h"

#define PAGES_MIN       8u  /* a path of the tree, whatever the caller asks for */
#define SHARDS_MAX      16u
#define PAGES_PER_SHARD 64u /* fewer pages than this are not worth a lock of their own */

static struct cubby__cache_shard *shard_of(struct cubby__cache *c, uint64_t number)
{
    return &c->shards[(number * 0x9e3779b97f4a7c15ull >> 58) & (c->count - 1)];
}

int cubby__cache_init(struct cubby__cache *c, size_t bytes)
{
    size_t pages = bytes / sizeof(struct cubby__page);
    if (pages < PAGES_MIN)
        pages = PAGES_MIN;
    c->count = 1;
    while (c->count < SHARDS_MAX && pages / (2 * c->count) >= PAGES_PER_SHARD)
        c->count *= 2;
    c->shards = cubby__calloc(c->count, sizeof *c->shards);
    if (!c->shards)
        return CUBBY_ENOMEM;
    for (unsigned i = 0; i < c->count; i++) {
        pthread_mutex_init(&c->shards[i].lock, NULL);
        c->shards[i].limit = pages / c->count;
    }
    return 0;
}

static int drop(void *arg, struct cubby__page *page)
{
    (void)arg;
    cubby__page_unref(page);
    return 1;
}

void cubby__cache_release(struct cubby__cache *c)
{
    for (unsigned i = 0; i < c->count; i++) {
        cubby__table_sweep(&c->shards[i].table, drop, NULL);
        cubby__table_release(&c->shards[i].table);
        pthread_mutex_destroy(&c->shards[i].lock);
    }
    cubby__free(c->shards);
    *c = (struct cubby__cache){0};
}

/* ---- under the shard's lock ---- */

static void ring_add(struct cubby__cache_shard *s, struct cubby__page *page)
{
    if (s->hand) {
        page->next = s->hand;
        page->prev = s->hand->prev;
        page->prev->next = page->next->prev = page;
    } else {
        s->hand = page->next = page->prev = page;
    }
    s->ring++;
}

/* Takes a page out; its reference becomes the caller's. */
static struct cubby__page *take_out(struct cubby__cache_shard *s, struct cubby__page *page)
{
    cubby__table_remove(&s->table, page);
    if (!page->permanent) {
        if (s->hand == page)
            s->hand = page->next == page ? NULL : page->next;
        page->prev->next = page->next;
        page->next->prev = page->prev;
        s->ring--;
    }
    page->next = page->prev = NULL;
    return page;
}

/* A page to throw away, taken out, if the ring is at its limit. Pages in use stay, so the limit may be passed by as many. */
static struct cubby__page *evict(struct cubby__cache_shard *s)
{
    if (s->ring < s->limit)
        return NULL;
    for (size_t tries = 2 * s->ring; tries > 0; tries--) {
        struct cubby__page *page = s->hand;
        s->hand = page->next;
        /* Only the cache holds it, and nobody can get at it without this lock. */
        if (!page->recent && atomic_load_explicit(&page->refs, memory_order_acquire) == 1)
            return take_out(s, page);
        page->recent = 0;
    }
    return NULL;
}

static void put_in(struct cubby__cache_shard *s, struct cubby__page *page)
{
    page->recent = 0; /* until its second use, so that a scan does not drive out what is used often */
    cubby__table_insert(&s->table, page);
    if (!page->permanent)
        ring_add(s, page);
}

/* ---- */

static struct cubby__page *find(struct cubby__cache *c, uint64_t number, uint64_t sum, int permanent)
{
    struct cubby__cache_shard *s = shard_of(c, number);
    pthread_mutex_lock(&s->lock);
    struct cubby__page *page = cubby__table_find(&s->table, number);
    if (page && page->sum == sum && page->permanent >= permanent) {
        cubby__page_ref(page);
        page->recent = 1;
    } else {
        page = NULL;
    }
    pthread_mutex_unlock(&s->lock);
    return page;
}

struct cubby__page *cubby__cache_find(struct cubby__cache *c, uint64_t number, uint64_t sum)
{
    return find(c, number, sum, 0);
}

struct cubby__page *cubby__cache_find_permanent(struct cubby__cache *c, uint64_t number, uint64_t sum)
{
    return find(c, number, sum, 1);
}

void cubby__cache_insert(struct cubby__cache *c, struct cubby__page *page)
{
    struct cubby__cache_shard *s = shard_of(c, page->number);
    pthread_mutex_lock(&s->lock);
    struct cubby__page *old = cubby__table_find(&s->table, page->number);
    struct cubby__page *gone = old ? take_out(s, old) : evict(s);
    put_in(s, page);
    pthread_mutex_unlock(&s->lock);
    cubby__page_unref(gone);
}

struct cubby__page *cubby__cache_share(struct cubby__cache *c, struct cubby__page *page)
{
    struct cubby__cache_shard *s = shard_of(c, page->number);
    struct cubby__page *gone = NULL, *out = page;
    pthread_mutex_lock(&s->lock);
    struct cubby__page *old = cubby__table_find(&s->table, page->number);
    if (old && old->sum == page->sum) {
        out = cubby__page_ref(old);
        gone = page;
    } else if (!old || !old->permanent) { /* a permanent page is all that there is of it; then the reader keeps its copy to itself */
        gone = old ? take_out(s, old) : evict(s);
        put_in(s, cubby__page_ref(page));
    }
    pthread_mutex_unlock(&s->lock);
    cubby__page_unref(gone);
    return out;
}

size_t cubby__cache_pages(struct cubby__cache *c)
{
    size_t n = 0;
    for (unsigned i = 0; i < c->count; i++) {
        pthread_mutex_lock(&c->shards[i].lock);
        n += c->shards[i].table.count;
        pthread_mutex_unlock(&c->shards[i].lock);
    }
    return n;
}
