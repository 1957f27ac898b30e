#include "sim_model.h"

#include <string.h>

/* ---- small things ---- */

void *sim_alloc(size_t n)
{
    void *p = calloc(1, n ? n : 1);
    if (!p)
        abort();
    return p;
}

void *sim_grow(void *array, size_t count, size_t *cap, size_t size)
{
    if (count < *cap)
        return array;
    size_t want = *cap ? *cap * 2 : 8;
    while (want <= count)
        want *= 2;
    array = realloc(array, want * size);
    if (!array)
        abort();
    memset((char *)array + *cap * size, 0, (want - *cap) * size);
    *cap = want;
    return array;
}

uint64_t sim_random(uint64_t *state) /* splitmix64 */
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

struct sim_blob *sim_blob_new(size_t len)
{
    struct sim_blob *b = sim_alloc(sizeof *b + len);
    b->refs = 1;
    b->len = len;
    return b;
}

struct sim_blob *sim_blob_ref(struct sim_blob *b)
{
    if (b)
        __atomic_fetch_add(&b->refs, 1, __ATOMIC_RELAXED);
    return b;
}

void sim_blob_unref(struct sim_blob *b)
{
    if (b && __atomic_fetch_sub(&b->refs, 1, __ATOMIC_ACQ_REL) == 1)
        free(b);
}

struct sim_blob *sim_blob_own(struct sim_blob *b, size_t len)
{
    if (b && b->len == len && __atomic_load_n(&b->refs, __ATOMIC_ACQUIRE) == 1)
        return b;
    struct sim_blob *own = sim_blob_new(len);
    if (b)
        memcpy(own->data, b->data, b->len < len ? b->len : len);
    sim_blob_unref(b);
    return own;
}

/* ---- the model ---- */

size_t sim_add_inode(struct sim *s, int is_dir)
{
    s->inodes = sim_grow(s->inodes, s->inode_count, &s->inode_cap, sizeof *s->inodes);
    s->inodes[s->inode_count].is_dir = is_dir;
    s->inodes[s->inode_count].linked = 1;
    return s->inode_count++;
}

void sim_bind(struct sim *s, const char *path, size_t inode)
{
    cubby_vfs_stat st;
    if (s->mem->stat(s->mem->ctx, path, &st))
        abort();
    s->by_number = sim_grow(s->by_number, (size_t)st.inode, &s->number_cap, sizeof *s->by_number);
    s->by_number[st.inode] = inode + 1;
}

size_t sim_inode_of(const struct sim *s, uint64_t number)
{
    return s->by_number[number] - 1;
}

void sim_dir_set(struct sim_dir *d, const char *name, size_t inode)
{
    size_t i = 0;
    while (i < d->count && strcmp(d->entries[i].name, name))
        i++;
    if (i == d->count) {
        d->entries = sim_grow(d->entries, d->count, &d->cap, sizeof *d->entries);
        strcpy(d->entries[d->count++].name, name);
    }
    d->entries[i].inode = inode;
}

void sim_dir_clear(struct sim_dir *d, const char *name, size_t inode)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->entries[i].inode == inode && !strcmp(d->entries[i].name, name)) {
            d->entries[i] = d->entries[--d->count];
            return;
        }
}

void sim_add_pending(struct sim *s, const struct sim_pending *op)
{
    s->pending = sim_grow(s->pending, s->pending_count, &s->pending_cap, sizeof *s->pending);
    s->pending[s->pending_count] = *op;
    s->pending[s->pending_count++].data = sim_blob_ref(op->data);
}

static void remove_marked(struct sim *s, const char *gone)
{
    size_t n = 0;
    for (size_t i = 0; i < s->pending_count; i++) {
        if (gone[i])
            sim_blob_unref(s->pending[i].data);
        else
            s->pending[n++] = s->pending[i];
    }
    s->pending_count = n;
}

static int is_data_of(const struct sim_pending *p, size_t inode)
{
    return p->inode == inode && (p->kind == SIM_WRITE || p->kind == SIM_TRUNCATE);
}

/* A lost write, less what the durable operations from number i on (all younger than it) settled. */
static void keep_unsettled(struct sim *s, const struct sim_pending *old, size_t count, size_t i, struct sim_pending lost)
{
    for (; i < count; i++) {
        const struct sim_pending *p = &old[i];
        if (p->lost || !is_data_of(p, lost.inode))
            continue;
        uint64_t end = lost.off + lost.len, p_end = p->kind == SIM_WRITE ? p->off + p->len : UINT64_MAX;
        if (p->off >= end || lost.off >= p_end)
            continue;
        if (p_end < end) {
            struct sim_pending right = lost;
            right.off = p_end;
            right.len = (size_t)(end - p_end);
            right.skip += (size_t)(p_end - lost.off);
            keep_unsettled(s, old, count, i + 1, right);
        }
        if (p->off <= lost.off)
            return;
        lost.len = (size_t)(p->off - lost.off);
    }
    sim_add_pending(s, &lost);
}

/* The file's pending writes and truncates are on disk. */
void sim_make_durable(struct sim *s, size_t inode)
{
    struct sim_inode *n = &s->inodes[inode];
    size_t count = s->pending_count, len = n->base ? n->base->len : 0, most = len > n->size ? len : (size_t)n->size;
    struct sim_pending *old = s->pending;
    for (size_t i = 0; i < count; i++)
        if (old[i].kind == SIM_WRITE && old[i].inode == inode && !old[i].lost && old[i].off + old[i].len > most)
            most = (size_t)(old[i].off + old[i].len);
    n->base = sim_blob_own(n->base, most);
    s->pending = NULL;
    s->pending_count = s->pending_cap = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sim_pending *p = &old[i];
        if (!is_data_of(p, inode))
            sim_add_pending(s, p);
        else if (p->lost)
            keep_unsettled(s, old, count, i + 1, *p);
        else if (p->kind == SIM_WRITE)
            memcpy(n->base->data + p->off, p->data->data + p->skip, p->len);
        else if (p->off < most)
            memset(n->base->data + p->off, 0, most - (size_t)p->off);
    }
    n->base = sim_blob_own(n->base, (size_t)n->size); /* the size is durable, also where a lost write set it */
    for (size_t i = 0; i < count; i++)
        sim_blob_unref(old[i].data);
    free(old);
}

void sim_lose_writes(struct sim *s, size_t inode)
{
    for (size_t i = 0; i < s->pending_count; i++)
        if (s->pending[i].inode == inode && s->pending[i].kind == SIM_WRITE)
            s->pending[i].lost = 1;
}

/* The directory's entries are on disk. A rename out of it stays pending: only its target's sync vouches for it. */
void sim_make_entries_durable(struct sim *s, size_t dir)
{
    char *gone = sim_alloc(s->pending_count);
    for (size_t i = 0; i < s->pending_count; i++) {
        const struct sim_pending *p = &s->pending[i];
        if (p->kind == SIM_RENAME ? p->to_dir != dir : (p->kind != SIM_CREATE && p->kind != SIM_UNLINK) || p->dir != dir)
            continue;
        gone[i] = 1;
        if (p->kind != SIM_CREATE)
            sim_dir_clear(&s->inodes[p->dir].dir, p->name, p->inode);
        if (p->kind != SIM_UNLINK)
            sim_dir_set(&s->inodes[dir].dir, p->kind == SIM_RENAME ? p->to_name : p->name, p->inode);
    }
    remove_marked(s, gone);
    free(gone);
}

/* ---- what a running process sees ---- */

void sim_new_memfs(struct sim *s)
{
    int64_t now = s->mem ? s->mem->now_ns(s->mem->ctx) : 0;
    s->memfs = sim_grow(s->memfs, s->memfs_count, &s->memfs_cap, sizeof *s->memfs);
    struct cubby__memfs *fs = cubby__memfs_new();
    if (!fs)
        abort();
    cubby__memfs_deterministic(fs, s->seed + s->memfs_count);
    s->memfs[s->memfs_count++] = fs;
    s->mem = cubby__memfs_vfs(fs);
    sim_set_clock(s, now);
    if (s->by_number)
        memset(s->by_number, 0, s->number_cap * sizeof *s->by_number);
    sim_bind(s, "/", SIM_ROOT);
}

void sim_set_clock(struct sim *s, int64_t now_ns)
{
    int64_t behind = (now_ns - s->mem->now_ns(s->mem->ctx)) / 1000000;
    for (behind += 1000; behind > 0; behind -= 1 << 30)
        s->mem->sleep_ms(s->mem->ctx, behind < 1 << 30 ? (uint32_t)behind : 1u << 30);
}

int sim_find(struct sim *s, const char *path, size_t *inode)
{
    cubby_vfs_stat st;
    if (s->mem->stat(s->mem->ctx, path, &st))
        return 0;
    *inode = sim_inode_of(s, st.inode);
    return 1;
}
