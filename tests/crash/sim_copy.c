/* sim_copy.c - dying processes: the disk as the next one finds it. */
#include <string.h>

#include "sim_model.h"

struct walk {
    struct sim *to;
    const cubby_vfs *old, *new;
    const char *dir;
    const size_t *by_number; /* of old */
};

static void copy_bytes(const struct walk *w, const char *path, uint64_t size)
{
    cubby_file *in, *out;
    uint8_t *buf = sim_alloc((size_t)size);
    if (w->old->open(w->old->ctx, path, CUBBY_OPEN_READ, &in) || w->new->open(w->new->ctx, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &out))
        abort();
    w->old->pread(w->old->ctx, in, buf, (size_t)size, 0);
    if (w->new->pwrite(w->new->ctx, out, buf, (size_t)size, 0))
        abort();
    w->old->close(w->old->ctx, in);
    w->new->close(w->new->ctx, out);
    free(buf);
}

static int copy_entry(void *arg, const char *name)
{
    const struct walk *w = arg;
    char path[1024];
    cubby_vfs_stat st;
    struct walk below = *w;
    snprintf(path, sizeof path, "%s/%s", w->dir, name);
    if (w->old->stat(w->old->ctx, path, &st))
        abort();
    if (!st.is_dir)
        copy_bytes(w, path, st.size);
    else if (w->new->mkdir(w->new->ctx, path))
        abort();
    sim_bind(w->to, path, w->by_number[st.inode] - 1);
    below.dir = path;
    return st.is_dir ? w->old->list(w->old->ctx, path, copy_entry, &below) : 0;
}

/* Gives `to` (which may be `from`) a memfs with what `from` has. */
static void copy_memfs(struct sim *from, struct sim *to)
{
    size_t *numbers = sim_alloc(from->number_cap * sizeof *numbers);
    memcpy(numbers, from->by_number, from->number_cap * sizeof *numbers);
    const cubby_vfs *old = from->mem;
    sim_new_memfs(to);
    sim_set_clock(to, old->now_ns(old->ctx));
    struct walk w = {to, old, to->mem, "", numbers};
    if (old->list(old->ctx, "/", copy_entry, &w))
        abort();
    free(numbers);
}

void sim_kill(struct sim *s)
{
    pthread_mutex_lock(&s->mutex);
    copy_memfs(s, s);
    for (size_t i = 0; i < s->inode_count; i++)
        s->inodes[i].opens = 0;
    s->fail_op.at = s->fail_call.at = s->crash_at = 0;
    s->crashed = 0;
    pthread_mutex_unlock(&s->mutex);
}

struct sim *sim_copy(struct sim *s)
{
    pthread_mutex_lock(&s->mutex);
    struct sim *c = sim_new(s->seed + s->ops);
    for (size_t i = 0; i < s->inode_count; i++) {
        const struct sim_inode *from = &s->inodes[i];
        if (i)
            sim_add_inode(c, from->is_dir);
        struct sim_inode *to = &c->inodes[i];
        to->linked = from->linked;
        to->size = from->size;
        to->base = sim_blob_ref(from->base);
        for (size_t k = 0; k < from->dir.count; k++)
            sim_dir_set(&to->dir, from->dir.entries[k].name, from->dir.entries[k].inode);
        memcpy(to->mapped, from->mapped, sizeof to->mapped);
        to->mapped_count = from->mapped_count;
        to->map_path = from->map_path ? strdup(from->map_path) : NULL;
    }
    for (size_t i = 0; i < s->pending_count; i++)
        sim_add_pending(c, &s->pending[i]);
    copy_memfs(s, c);
    c->space = s->space;
    pthread_mutex_unlock(&s->mutex);
    return c;
}
