#include "os/memfile.h"

#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "cubby_vfs.h"

#define MAP_ALIGN 4096u

/* A mapped range: its bytes live here and never move; data is not looked at below it. */
struct cubby__memfile_region {
    struct cubby__memfile_region *next;
    uint64_t off;
    size_t len;
    void *block; /* what was allocated */
    uint8_t *mem;
};

struct cubby__memfile_lock {
    struct cubby__memfile_lock *next;
    const void *owner;
    uint64_t first, last;
    int kind;
};

typedef struct cubby__memfile_region region;
typedef struct cubby__memfile_lock lock;

void cubby__memfile_release(struct cubby__memfile *f)
{
    while (f->regions) {
        region *r = f->regions;
        f->regions = r->next;
        cubby__free(r->block);
        cubby__free(r);
    }
    while (f->locks) {
        lock *l = f->locks;
        f->locks = l->next;
        cubby__free(l);
    }
    cubby__free(f->data);
    *f = (struct cubby__memfile){0};
}

/* ---- bytes ---- */

/* Mapped bytes are reached by atomic accesses of other threads, so they are copied likewise. */
static void copy_from_region(uint8_t *to, const uint8_t *mem, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = __atomic_load_n(mem + i, __ATOMIC_RELAXED);
}

static void copy_to_region(uint8_t *mem, const uint8_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        __atomic_store_n(mem + i, from ? from[i] : 0, __ATOMIC_RELAXED);
}

/* The part of [off, off + n) that lies in r; 0 if none does. */
static size_t overlap(const region *r, uint64_t off, uint64_t n, uint64_t *start)
{
    uint64_t end = off + n < r->off + r->len ? off + n : r->off + r->len;
    *start = off > r->off ? off : r->off;
    return *start < end ? (size_t)(end - *start) : 0;
}

static size_t within_cap(const struct cubby__memfile *f, uint64_t off, uint64_t n)
{
    return (size_t)(off >= f->cap ? 0 : f->cap - off < n ? f->cap - off : n);
}

size_t cubby__memfile_read(const struct cubby__memfile *f, void *buf, size_t n, uint64_t off)
{
    uint64_t left = off < f->size ? f->size - off : 0, start;
    if (n > left)
        n = (size_t)left;
    if (!n)
        return 0;
    size_t there = within_cap(f, off, n);
    if (there)
        memcpy(buf, f->data + off, there);
    memset((uint8_t *)buf + there, 0, n - there);
    for (const region *r = f->regions; r; r = r->next) {
        size_t k = overlap(r, off, n, &start);
        if (k)
            copy_from_region((uint8_t *)buf + (start - off), r->mem + (start - r->off), k);
    }
    return n;
}

static int reserve(struct cubby__memfile *f, uint64_t end)
{
    if (end <= f->cap)
        return 0;
    uint64_t want = end + end / 4 + 64;
    if (want < end || want > PTRDIFF_MAX)
        return -ENOMEM;
    uint8_t *p = cubby__realloc(f->data, (size_t)want);
    if (!p)
        return -ENOMEM;
    memset(p + f->cap, 0, (size_t)want - f->cap);
    f->data = p;
    f->cap = (size_t)want;
    return 0;
}

int cubby__memfile_write(struct cubby__memfile *f, const void *buf, size_t n, uint64_t off)
{
    uint64_t start;
    int rc = n ? reserve(f, off + n) : 0;
    if (rc || !n)
        return rc;
    memcpy(f->data + off, buf, n);
    for (region *r = f->regions; r; r = r->next) {
        size_t k = overlap(r, off, n, &start);
        if (k)
            copy_to_region(r->mem + (start - r->off), (const uint8_t *)buf + (start - off), k);
    }
    if (off + n > f->size)
        f->size = off + n;
    return 0;
}

void cubby__memfile_truncate(struct cubby__memfile *f, uint64_t size)
{
    uint64_t cut = size < f->size ? f->size - size : 0, start;
    size_t there = within_cap(f, size, cut);
    if (there)
        memset(f->data + size, 0, there);
    for (region *r = f->regions; r; r = r->next) {
        size_t k = overlap(r, size, cut, &start);
        if (k)
            copy_to_region(r->mem + (start - r->off), NULL, k);
    }
    f->size = size;
}

int cubby__memfile_map(struct cubby__memfile *f, uint64_t off, size_t len, void **out)
{
    uint64_t start;
    for (region *r = f->regions; r; r = r->next) {
        size_t k = overlap(r, off, len, &start);
        if (!k)
            continue;
        *out = r->mem + (off - r->off);
        return k == len ? 0 : -EINVAL;
    }
    region *r = cubby__malloc(sizeof *r);
    uint8_t *block = r ? cubby__malloc(len + MAP_ALIGN) : NULL;
    if (!block) {
        cubby__free(r);
        return -ENOMEM;
    }
    *r = (region){f->regions, off, len, block, block + (MAP_ALIGN - (uintptr_t)block % MAP_ALIGN)};
    memset(r->mem, 0, len);
    cubby__memfile_read(f, r->mem, len, off);
    f->regions = r;
    *out = r->mem;
    return 0;
}

/* ---- locks ---- */

int cubby__memfile_conflict(const struct cubby__memfile *f, const void *owner, uint64_t first, uint64_t last, int kind)
{
    for (const lock *l = f->locks; l; l = l->next)
        if (l->owner != owner && l->first <= last && first <= l->last && (kind == CUBBY_LOCK_EXCLUSIVE || l->kind == CUBBY_LOCK_EXCLUSIVE))
            return 1;
    return 0;
}

/* Takes [first, last] out of what owner holds. *spare is used up if a lock has to be split in two: that happens at most once, since the locks
 * of one owner are disjoint. */
static void cut(struct cubby__memfile *f, const void *owner, uint64_t first, uint64_t last, lock **spare)
{
    for (lock **at = &f->locks; *at;) {
        lock *l = *at;
        if (l->owner != owner || l->first > last || first > l->last) {
            at = &l->next;
        } else if (l->first < first && l->last > last) {
            **spare = (lock){l->next, owner, last + 1, l->last, l->kind};
            l->next = *spare;
            l->last = first - 1;
            *spare = NULL;
            return;
        } else if (l->first < first) {
            l->last = first - 1;
            at = &l->next;
        } else if (l->last > last) {
            l->first = last + 1;
            at = &l->next;
        } else {
            *at = l->next;
            cubby__free(l);
        }
    }
}

int cubby__memfile_lock(struct cubby__memfile *f, const void *owner, uint64_t first, uint64_t last, int kind)
{
    if (kind != CUBBY_UNLOCK && cubby__memfile_conflict(f, owner, first, last, kind))
        return -EAGAIN;
    lock *spare = cubby__malloc(sizeof *spare), *mine = cubby__malloc(sizeof *mine);
    int rc = spare && mine ? 0 : -ENOMEM;
    if (!rc)
        cut(f, owner, first, last, &spare);
    if (!rc && kind != CUBBY_UNLOCK) {
        *mine = (lock){f->locks, owner, first, last, kind};
        f->locks = mine;
        mine = NULL;
    }
    cubby__free(spare);
    cubby__free(mine);
    return rc;
}

void cubby__memfile_unlock_all(struct cubby__memfile *f, const void *owner)
{
    cut(f, owner, 0, UINT64_MAX, NULL); /* nothing reaches beyond this range: no split, no spare */
}
