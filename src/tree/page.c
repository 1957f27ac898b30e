#include "tree/page.h"

#include "base/alloc.h"

struct cubby__page *cubby__page_new(uint64_t number)
{
    struct cubby__page *page = cubby__malloc(sizeof *page);
    if (!page)
        return NULL;
    page->number = number;
    page->sum = page->owner = 0;
    atomic_init(&page->refs, 1);
    page->recent = page->permanent = page->ordered = 0;
    page->last_insert = page->run = 0;
    page->chain = page->prev = page->next = NULL;
    return page;
}

void cubby__page_unref(struct cubby__page *page)
{
    if (page && atomic_fetch_sub_explicit(&page->refs, 1, memory_order_acq_rel) == 1)
        cubby__free(page);
}

static struct cubby__page **bucket(const struct cubby__table *t, uint64_t number)
{
    struct cubby__table *mine = (struct cubby__table *)t;
    return t->buckets ? &t->buckets[(number * 0x9e3779b97f4a7c15ull >> 32) & t->mask] : &mine->single;
}

struct cubby__page *cubby__table_find(const struct cubby__table *t, uint64_t number)
{
    struct cubby__page *page = *bucket(t, number);
    while (page && page->number != number)
        page = page->chain;
    return page;
}

static void grow(struct cubby__table *t)
{
    size_t n = t->buckets ? 2 * (t->mask + 1) : 16;
    struct cubby__table bigger = {.buckets = cubby__calloc(n, sizeof *bigger.buckets), .mask = n - 1};
    if (!bigger.buckets)
        return;
    for (size_t i = 0; i <= t->mask; i++) {
        struct cubby__page *page = t->buckets ? t->buckets[i] : t->single, *next;
        for (; page; page = next) {
            next = page->chain;
            struct cubby__page **b = bucket(&bigger, page->number);
            page->chain = *b;
            *b = page;
        }
    }
    bigger.count = t->count;
    cubby__free(t->buckets);
    *t = bigger;
}

void cubby__table_insert(struct cubby__table *t, struct cubby__page *page)
{
    if (!t->buckets || t->count > t->mask)
        grow(t);
    struct cubby__page **b = bucket(t, page->number);
    page->chain = *b;
    *b = page;
    t->count++;
}

void cubby__table_remove(struct cubby__table *t, struct cubby__page *page)
{
    struct cubby__page **b = bucket(t, page->number);
    while (*b != page)
        b = &(*b)->chain;
    *b = page->chain;
    page->chain = NULL;
    t->count--;
}

void cubby__table_sweep(struct cubby__table *t, int (*fn)(void *arg, struct cubby__page *page), void *arg)
{
    for (size_t i = 0; i <= t->mask; i++) {
        struct cubby__page **b = t->buckets ? &t->buckets[i] : &t->single;
        while (*b) {
            struct cubby__page *page = *b, *next = page->chain;
            if (fn(arg, page)) {
                *b = next;
                t->count--;
            } else {
                b = &page->chain;
            }
        }
    }
}

void cubby__table_release(struct cubby__table *t)
{
    cubby__free(t->buckets);
    *t = (struct cubby__table){0};
}
