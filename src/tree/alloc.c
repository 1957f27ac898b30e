#include "tree/alloc.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cubby.h"
#include "format/format.h"

#define SORT_MAX 4096u /* numbers sorted at a time: low ones first keeps the file short and its writes together */

static int push_ready(struct cubby__page_alloc *a, uint64_t page)
{
    uint64_t *ready = cubby__grow(a->ready, a->ready_len, &a->ready_cap, sizeof *ready);
    if (!ready)
        return CUBBY_ENOMEM;
    a->ready = ready;
    a->ready[a->ready_len++] = page;
    return 0;
}

static int push_span(struct cubby__spans *s, struct cubby__span span)
{
    struct cubby__span *at = cubby__grow(s->at, s->len, &s->cap, sizeof *at);
    if (!at)
        return CUBBY_ENOMEM;
    s->at = at;
    s->at[s->len++] = span;
    return 0;
}

static void count_free(struct cubby__page_alloc *a, int64_t by)
{
    atomic_fetch_add_explicit(&a->free_pages, (uint64_t)by, memory_order_relaxed);
}

void cubby__alloc_init(struct cubby__page_alloc *a, uint64_t pages)
{
    memset(a, 0, sizeof *a);
    atomic_init(&a->pages, pages);
    atomic_init(&a->free_pages, 0);
}

static void forget(struct cubby__page_alloc *a)
{
    for (size_t i = 0; i < a->blocked_len; i++)
        cubby__free(a->blocked[i].spans.at);
    a->blocked_len = a->ready_len = 0;
    a->unsettled.len = a->fresh.len = a->read.len = a->unread.len = 0;
    a->unread_pages = 0;
    atomic_store_explicit(&a->free_pages, 0, memory_order_relaxed);
}

void cubby__alloc_release(struct cubby__page_alloc *a)
{
    forget(a);
    cubby__free(a->ready);
    cubby__free(a->unsettled.at);
    cubby__free(a->fresh.at);
    cubby__free(a->read.at);
    cubby__free(a->unread.at);
    cubby__free(a->blocked);
    cubby__free(a->in_use.at);
    cubby__free(a->walked.at);
    cubby__free(a->strangers.at);
    cubby__alloc_init(a, CUBBY__META_SLOTS);
}

/* ---- sorted commits ---- */

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Index of the first one >= commit. */
static size_t first_from(const struct cubby__commits *c, uint64_t commit)
{
    size_t low = 0, high = c->len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (c->at[mid] < commit)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int contains(const struct cubby__commits *c, uint64_t commit)
{
    size_t i = first_from(c, commit);
    return i < c->len && c->at[i] == commit;
}

static int reserve(struct cubby__commits *c, size_t count)
{
    if (count <= c->cap)
        return 0;
    uint64_t *at = cubby__realloc(c->at, count * sizeof *at);
    if (!at)
        return CUBBY_ENOMEM;
    c->at = at;
    c->cap = count;
    return 0;
}

/* There is room. */
static void set_commits(struct cubby__commits *c, const uint64_t *commits, size_t count)
{
    if (count)
        memcpy(c->at, commits, count * sizeof *commits);
    c->len = count;
    if (count > 1)
        qsort(c->at, count, sizeof *c->at, by_number);
}

/* ---- the heap of lifetimes that readers hold: earliest death first ---- */

static void sift_up(struct cubby__spans *s, size_t i)
{
    struct cubby__span span = s->at[i];
    for (; i > 0 && s->at[(i - 1) / 2].death > span.death; i = (i - 1) / 2)
        s->at[i] = s->at[(i - 1) / 2];
    s->at[i] = span;
}

static int heap_push(struct cubby__spans *s, struct cubby__span span)
{
    int rc = push_span(s, span);
    if (rc == 0)
        sift_up(s, s->len - 1);
    return rc;
}

static void heap_pop(struct cubby__spans *s)
{
    struct cubby__span span = s->at[--s->len];
    size_t i = 0, child;
    while ((child = 2 * i + 1) < s->len) {
        if (child + 1 < s->len && s->at[child + 1].death < s->at[child].death)
            child++;
        if (s->at[child].death >= span.death)
            break;
        s->at[i] = s->at[child];
        i = child;
    }
    s->at[i] = span;
}

/* ---- what holds a page ---- */

/* The oldest version in use that holds it: likely to last, so that the page is seldom looked at in vain. */
static int holder(const struct cubby__page_alloc *a, struct cubby__span span, uint64_t *commit)
{
    const struct cubby__commits *c = span.birth == CUBBY__BIRTH_UNREACHED ? &a->strangers : &a->in_use;
    size_t i = first_from(c, span.birth);
    if (i == c->len || c->at[i] >= span.death)
        return 0;
    *commit = c->at[i];
    return 1;
}

static struct cubby__spans *list_of(struct cubby__page_alloc *a, uint64_t commit)
{
    for (size_t i = a->blocked_len; i-- > 0;)
        if (a->blocked[i].commit == commit)
            return &a->blocked[i].spans;
    struct cubby__blocked *blocked = cubby__grow(a->blocked, a->blocked_len, &a->blocked_cap, sizeof *blocked);
    if (!blocked)
        return NULL;
    a->blocked = blocked;
    a->blocked[a->blocked_len] = (struct cubby__blocked){.commit = commit};
    return &a->blocked[a->blocked_len++].spans;
}

static int place(struct cubby__page_alloc *a, struct cubby__span span)
{
    uint64_t commit;
    if (span.death > a->oldest_reader)
        return heap_push(&a->read, span);
    if (!holder(a, span, &commit))
        return push_ready(a, span.page);
    struct cubby__spans *list = list_of(a, commit);
    return list ? push_span(list, span) : CUBBY_ENOMEM;
}

static int high_first(const void *a, const void *b)
{
    return by_number(b, a);
}

static void refill(struct cubby__page_alloc *a)
{
    while (a->fresh.len > 0 && place(a, a->fresh.at[a->fresh.len - 1]) == 0)
        a->fresh.len--;
    if (a->ready_len > 1 && a->ready_len <= SORT_MAX)
        qsort(a->ready, a->ready_len, sizeof *a->ready, high_first);
}

/* What is not held any more by what it was held by becomes fresh. */
static int unblock(struct cubby__page_alloc *a)
{
    while (a->read.len > 0 && a->read.at[0].death <= a->oldest_reader) {
        if (push_span(&a->fresh, a->read.at[0]) != 0)
            return CUBBY_ENOMEM;
        heap_pop(&a->read);
    }
    for (size_t i = 0; i < a->blocked_len;) {
        struct cubby__spans *s = &a->blocked[i].spans;
        if (contains(&a->in_use, a->blocked[i].commit)) {
            i++;
            continue;
        }
        while (s->len > 0 && push_span(&a->fresh, s->at[s->len - 1]) == 0)
            s->len--;
        if (s->len > 0)
            return CUBBY_ENOMEM; /* the rest waits for the next call */
        cubby__free(s->at);
        a->blocked[i] = a->blocked[--a->blocked_len];
    }
    return 0;
}

/* ---- */

int cubby__alloc_reset(struct cubby__page_alloc *a, uint64_t pages, const uint64_t *walked, size_t count)
{
    if (reserve(&a->walked, count) != 0)
        return CUBBY_ENOMEM;
    forget(a);
    set_commits(&a->walked, walked, count);
    a->strangers.len = 0;
    a->protecting = 0;
    atomic_store_explicit(&a->pages, pages, memory_order_relaxed);
    return 0;
}

/* ---- pages that a walk found ---- */

void cubby__alloc_found(struct cubby__page_alloc *a, uint64_t page, uint64_t reached, uint64_t next)
{
    struct cubby__span *last = a->unread.len ? &a->unread.at[a->unread.len - 1] : NULL;
    if (!reached && last && last->birth == CUBBY__BIRTH_UNREACHED && last->page == page + 1) {
        last->page = page;
        last->death++;
    } else if (push_span(&a->unread, (struct cubby__span){page, reached, reached ? next : 1}) != 0) {
        return;
    }
    a->unread_pages++;
    count_free(a, 1);
}

/* The lifetime of one. A page that lies about its birth is in no version that verifies. */
static struct cubby__span lifetime(const struct cubby__page_alloc *a, struct cubby__span found)
{
    uint64_t reached = found.birth, birth = a->birth ? a->birth(a->birth_arg, found.page) : CUBBY__BIRTH_UNKNOWN;
    uint64_t newest = a->walked.len ? a->walked.at[a->walked.len - 1] : 0;
    if (reached)
        return (struct cubby__span){found.page, birth && birth < reached ? birth : birth == CUBBY__BIRTH_UNKNOWN ? 1 : reached, found.death};
    if (birth == CUBBY__BIRTH_UNKNOWN)
        return (struct cubby__span){found.page, CUBBY__BIRTH_UNREACHED, newest};
    size_t i = first_from(&a->walked, birth);
    return (struct cubby__span){found.page, birth ? birth : 1, i < a->walked.len ? a->walked.at[i] : newest};
}

static int read_one(struct cubby__page_alloc *a)
{
    struct cubby__span *last = &a->unread.at[a->unread.len - 1];
    if (place(a, lifetime(a, *last)) != 0)
        return CUBBY_ENOMEM;
    a->unread_pages--;
    if (last->birth == CUBBY__BIRTH_UNREACHED && last->death > 1) {
        last->page++;
        last->death--;
    } else {
        a->unread.len--;
    }
    return 0;
}

void cubby__alloc_read_all(struct cubby__page_alloc *a)
{
    while (a->unread.len > 0 && read_one(a) == 0)
        ;
}

/* ---- */

uint64_t cubby__alloc_take(struct cubby__page_alloc *a)
{
    if (a->ready_len == 0 && a->protecting && a->fresh.len > 0)
        refill(a);
    while (a->ready_len == 0 && a->protecting && a->unread.len > 0 && read_one(a) == 0)
        ;
    if (a->ready_len == 0)
        return atomic_fetch_add_explicit(&a->pages, 1, memory_order_relaxed);
    count_free(a, -1);
    return a->ready[--a->ready_len];
}

void cubby__alloc_give(struct cubby__page_alloc *a, uint64_t page)
{
    if (push_ready(a, page) == 0)
        count_free(a, 1);
}

void cubby__alloc_retire(struct cubby__page_alloc *a, struct cubby__span span)
{
    if (push_span(&a->fresh, span) == 0)
        count_free(a, 1);
}

void cubby__alloc_retire_unsettled(struct cubby__page_alloc *a, struct cubby__span span)
{
    if (push_span(&a->unsettled, span) == 0)
        count_free(a, 1);
}

void cubby__alloc_settle(struct cubby__page_alloc *a)
{
    while (a->unsettled.len > 0) {
        if (push_span(&a->fresh, a->unsettled.at[--a->unsettled.len]) != 0)
            count_free(a, -1);
    }
}

void cubby__alloc_revive(struct cubby__page_alloc *a)
{
    count_free(a, -(int64_t)a->unsettled.len);
    a->unsettled.len = 0;
}

int cubby__alloc_protect(struct cubby__page_alloc *a, const uint64_t *commits, size_t count, uint64_t oldest_reader)
{
    if (reserve(&a->in_use, count) != 0 || reserve(&a->strangers, count) != 0)
        return CUBBY_ENOMEM;
    set_commits(&a->in_use, commits, count);
    a->strangers.len = 0;
    for (size_t i = 0; i < count; i++)
        if (!contains(&a->walked, a->in_use.at[i]))
            a->strangers.at[a->strangers.len++] = a->in_use.at[i];
    a->oldest_reader = oldest_reader;
    a->protecting = 1;
    return unblock(a);
}
