/* sim_states.c - what a power cut may leave: chooses which pending operations reached the disk, builds that disk, hands it out. */
#include <inttypes.h>
#include <string.h>

#include "base/hash.h"
#include "sim_model.h"

/* ---- a set of hashes ---- */

struct sim_seen {
    uint64_t *slot; /* 0: empty */
    size_t count, cap;
};

struct sim_seen *sim_seen_new(void)
{
    return sim_alloc(sizeof(struct sim_seen));
}

void sim_seen_free(struct sim_seen **seen)
{
    if (*seen)
        free((*seen)->slot);
    free(*seen);
    *seen = NULL;
}

static void seen_put(struct sim_seen *t, uint64_t h)
{
    size_t i = h & (t->cap - 1);
    while (t->slot[i])
        i = (i + 1) & (t->cap - 1);
    t->slot[i] = h;
    t->count++;
}

/* 1: it is new, and now in the set. */
static int seen_add(struct sim_seen *t, uint64_t h)
{
    h |= !h;
    for (size_t i = t->cap ? h & (t->cap - 1) : 0; t->cap && t->slot[i]; i = (i + 1) & (t->cap - 1))
        if (t->slot[i] == h)
            return 0;
    if (t->count * 2 >= t->cap) {
        struct sim_seen bigger = {sim_alloc((t->cap ? t->cap * 2 : 256) * sizeof(uint64_t)), 0, t->cap ? t->cap * 2 : 256};
        for (size_t i = 0; i < t->cap; i++)
            if (t->slot[i])
                seen_put(&bigger, t->slot[i]);
        free(t->slot);
        *t = bigger;
    }
    seen_put(t, h);
    return 1;
}

/* ---- choosing ---- */

enum state_kind { NONE, ALL, PREFIX, WITHOUT, ONLY, MASK, RAND };

static const char *const kind_name[] = {"none", "all", "prefix", "without", "only", "mask", "rand"};

struct state {
    enum state_kind kind;
    uint64_t arg;
};

enum { LOST = 0, WHOLE = 1, TORN = 2 };

/* What became of each pending operation. */
struct choice {
    uint8_t *how;       /* LOST, WHOLE or, for a write, TORN */
    uint64_t tear_seed;
    uint64_t size_seed; /* 0: each file is as long as its operations made it */
};

static int is_data(const struct sim_pending *p)
{
    return p->kind == SIM_WRITE || p->kind == SIM_TRUNCATE;
}

/* Everything up to one operation, and that one torn: a disk that writes in order. */
static void choose_linear(const struct sim *s, struct choice *c, uint64_t *r)
{
    size_t cut = (size_t)(sim_random(r) % s->pending_count);
    memset(c->how, WHOLE, cut);
    c->how[cut] = s->pending[cut].kind == SIM_WRITE ? TORN : WHOLE;
}

/* Any subset of the writes, some torn; and of the entries, or with a journal those up to some point. */
static void choose_subset(const struct sim *s, struct choice *c, uint64_t *r, int journal)
{
    static const unsigned densities[] = {32, 128, 224, 256};
    unsigned data = densities[sim_random(r) % 4], entries = densities[sim_random(r) % 4], torn = densities[sim_random(r) % 4] - 32;
    size_t cut = (size_t)(sim_random(r) % (s->pending_count + 1));
    for (size_t i = 0; i < s->pending_count; i++) {
        const struct sim_pending *p = &s->pending[i];
        unsigned dice = sim_random(r) % 256, tear_dice = sim_random(r) % 256;
        if (!is_data(p))
            c->how[i] = journal ? i < cut : dice < entries;
        else if (dice < data)
            c->how[i] = p->kind == SIM_WRITE && tear_dice < torn ? TORN : WHOLE;
    }
    c->size_seed = sim_random(r) % 2 ? sim_random(r) | 1 : 0;
}

static void choose(const struct sim *s, struct state st, struct choice *c)
{
    size_t n = s->pending_count;
    uint64_t r = st.arg, mode;
    memset(c->how, st.kind == ALL || st.kind == WITHOUT ? WHOLE : LOST, n);
    c->size_seed = 0;
    c->tear_seed = st.arg;
    switch (st.kind) {
    case NONE:
    case ALL:
        break;
    case PREFIX:
        memset(c->how, WHOLE, st.arg < n ? (size_t)st.arg : n);
        break;
    case WITHOUT:
    case ONLY:
        if (st.arg < n)
            c->how[st.arg] = st.kind == ONLY ? WHOLE : LOST;
        break;
    case MASK:
        for (size_t i = 0; i < n && i < 64; i++)
            c->how[i] = st.arg >> i & 1;
        break;
    case RAND:
        mode = sim_random(&r) % 4;
        if (n && mode == 0)
            choose_linear(s, c, &r);
        else
            choose_subset(s, c, &r, mode == 1);
        break;
    }
}

/* ---- building ---- */

struct image_file {
    char *path; /* "/store/index" */
    int is_dir;
    struct sim_blob *data;
};

/* A disk before it is made: every directory before what is in it. */
struct image {
    struct image_file *files;
    size_t count, cap;
    uint64_t hash;
};

static void tear(uint8_t *file, const struct sim_pending *p, uint64_t seed)
{
    uint64_t r = seed ^ p->off * 0x9e3779b97f4a7c15 ^ p->len;
    const uint8_t *bytes = p->data->data + p->skip;
    for (size_t at = 0, n; at < p->len; at += n) {
        n = SIM_SECTOR - (size_t)((p->off + at) % SIM_SECTOR);
        n = n < p->len - at ? n : p->len - at;
        uint64_t fate = sim_random(&r);
        uint8_t *to = file + p->off + at;
        switch (fate % 8) {
        case 0:
        case 1:
        case 2: /* new */
            memcpy(to, bytes + at, n);
            break;
        case 3:
        case 4: /* old */
            break;
        case 5: /* new up to some byte */
            memcpy(to, bytes + at, (size_t)(fate >> 8) % n);
            break;
        case 6:
            memset(to, 0, n);
            break;
        default:
            for (size_t i = 0; i < n; i++)
                to[i] = (uint8_t)sim_random(&r);
        }
    }
}

/* The sizes that a file has had since its last sync: one of them, or anything between the least and the greatest. */
static size_t some_size(const struct sim *s, size_t inode, uint64_t seed)
{
    size_t len = s->inodes[inode].base ? s->inodes[inode].base->len : 0, pick = len, least = len, most = len;
    uint64_t r = seed + inode, seen = 1;
    for (size_t i = 0; i < s->pending_count; i++) {
        const struct sim_pending *p = &s->pending[i];
        if (p->inode != inode || !is_data(p))
            continue;
        if (p->kind == SIM_TRUNCATE)
            len = (size_t)p->off;
        else if (p->off + p->len > len)
            len = (size_t)p->off + p->len;
        least = len < least ? len : least;
        most = len > most ? len : most;
        if (sim_random(&r) % ++seen == 0)
            pick = len;
    }
    return sim_random(&r) % 4 ? pick : least + (size_t)(sim_random(&r) % (most - least + 1));
}

/* The bytes of one file. Owner: the caller. */
static struct sim_blob *build_file(const struct sim *s, size_t inode, const struct choice *c)
{
    struct sim_blob *base = s->inodes[inode].base;
    size_t len = base ? base->len : 0, most = len, used = 0;
    for (size_t i = 0; i < s->pending_count; i++) {
        const struct sim_pending *p = &s->pending[i];
        if (p->inode != inode || !is_data(p))
            continue;
        used += c->how[i] != LOST;
        most = p->off + p->len > most ? (size_t)p->off + p->len : most;
    }
    if (!used && !c->size_seed)
        return base ? sim_blob_ref(base) : sim_blob_new(0);
    struct sim_blob *b = sim_blob_own(sim_blob_ref(base), most);
    for (size_t i = 0; i < s->pending_count && used; i++) {
        const struct sim_pending *p = &s->pending[i];
        if (p->inode != inode || !is_data(p) || c->how[i] == LOST)
            continue;
        if (p->kind == SIM_TRUNCATE && p->off < len)
            memset(b->data + p->off, 0, len - (size_t)p->off);
        else if (p->kind == SIM_WRITE && c->how[i] == TORN)
            tear(b->data, p, c->tear_seed + i);
        else if (p->kind == SIM_WRITE)
            memcpy(b->data + p->off, p->data->data + p->skip, p->len);
        len = p->kind == SIM_TRUNCATE ? (size_t)p->off : p->off + p->len > len ? (size_t)p->off + p->len : len;
    }
    if (c->size_seed)
        len = some_size(s, inode, c->size_seed);
    b->len = len; /* what is beyond stays allocated, unseen */
    return b;
}

/* All directories as they are with the chosen entry operations: an array over the inodes. */
static struct sim_dir *build_dirs(const struct sim *s, const struct choice *c)
{
    struct sim_dir *dirs = sim_alloc(s->inode_count * sizeof *dirs);
    for (size_t i = 0; i < s->inode_count; i++) {
        const struct sim_dir *from = &s->inodes[i].dir;
        if (!from->count)
            continue;
        dirs[i].count = dirs[i].cap = from->count;
        dirs[i].entries = sim_alloc(from->count * sizeof *from->entries);
        memcpy(dirs[i].entries, from->entries, from->count * sizeof *from->entries);
    }
    for (size_t i = 0; i < s->pending_count; i++) {
        const struct sim_pending *p = &s->pending[i];
        if (is_data(p) || c->how[i] == LOST)
            continue;
        if (p->kind != SIM_CREATE)
            sim_dir_clear(&dirs[p->dir], p->name, p->inode);
        if (p->kind == SIM_CREATE)
            sim_dir_set(&dirs[p->dir], p->name, p->inode);
        else if (p->kind == SIM_RENAME)
            sim_dir_set(&dirs[p->to_dir], p->to_name, p->inode);
    }
    return dirs;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct sim_entry *)a)->name, ((const struct sim_entry *)b)->name);
}

static void gather(const struct sim *s, const struct choice *c, struct sim_dir *dirs, size_t dir, const char *path, struct image *im)
{
    if (dirs[dir].count)
        qsort(dirs[dir].entries, dirs[dir].count, sizeof *dirs[dir].entries, by_name);
    for (size_t i = 0; i < dirs[dir].count; i++) {
        const struct sim_entry *e = &dirs[dir].entries[i];
        struct image_file f = {sim_alloc(strlen(path) + SIM_NAME_MAX + 1), s->inodes[e->inode].is_dir, NULL};
        sprintf(f.path, "%s/%s", path, e->name);
        if (!f.is_dir)
            f.data = build_file(s, e->inode, c);
        im->hash = cubby__hash64(f.path, strlen(f.path), im->hash + (uint64_t)f.is_dir);
        if (f.data)
            im->hash = cubby__hash64(f.data->data, f.data->len, im->hash ^ f.data->len);
        im->files = sim_grow(im->files, im->count, &im->cap, sizeof *im->files);
        im->files[im->count++] = f;
        if (f.is_dir)
            gather(s, c, dirs, e->inode, f.path, im);
    }
}

static void image_build(const struct sim *s, const struct choice *c, struct image *im)
{
    struct sim_dir *dirs = build_dirs(s, c);
    *im = (struct image){0};
    gather(s, c, dirs, SIM_ROOT, "", im);
    for (size_t i = 0; i < s->inode_count; i++)
        free(dirs[i].entries);
    free(dirs);
}

static void image_release(struct image *im)
{
    for (size_t i = 0; i < im->count; i++) {
        free(im->files[i].path);
        sim_blob_unref(im->files[i].data);
    }
    free(im->files);
}

static void must(int rc)
{
    if (rc)
        abort();
}

/* The disk itself, durable as a whole. */
static struct sim *image_mount(const struct sim *s, const struct image *im)
{
    struct sim *d = sim_new(s->seed ^ im->hash);
    sim_set_clock(d, s->mem->now_ns(s->mem->ctx));
    d->space = s->space;
    for (size_t i = 0; i < im->count; i++) {
        const struct image_file *f = &im->files[i];
        const char *name = strrchr(f->path, '/') + 1;
        size_t dir, inode = sim_add_inode(d, f->is_dir);
        cubby_file *file;
        char parent[1024];
        snprintf(parent, sizeof parent, "%.*s", (int)(name - f->path), f->path);
        if (f->is_dir) {
            must(d->mem->mkdir(d->mem->ctx, f->path));
        } else {
            must(d->mem->open(d->mem->ctx, f->path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &file));
            must(d->mem->pwrite(d->mem->ctx, file, f->data->data, f->data->len, 0));
            d->mem->close(d->mem->ctx, file);
            d->inodes[inode].base = sim_blob_ref(f->data);
            d->inodes[inode].size = f->data->len;
        }
        sim_bind(d, f->path, inode);
        must(!sim_find(d, parent, &dir));
        sim_dir_set(&d->inodes[dir].dir, name, inode);
    }
    return d;
}

/* ---- mapped memory as writes in flight ---- */

static size_t add_map_writes(struct sim *s, const struct sim_states_options *options)
{
    size_t before = s->pending_count, found;
    cubby_file *f;
    for (size_t i = 0; options && options->map_writeback && i < s->inode_count; i++) {
        const struct sim_inode *n = &s->inodes[i];
        if (!n->map_path || !n->linked || !sim_find(s, n->map_path, &found) || found != i)
            continue;
        must(s->mem->open(s->mem->ctx, n->map_path, CUBBY_OPEN_READ, &f));
        for (size_t k = 0; k < n->mapped_count; k++) {
            struct sim_pending p = {.kind = SIM_WRITE, .lost = 1, .inode = i, .off = n->mapped[k].off, .len = n->mapped[k].len};
            if (p.off + p.len > n->size)
                continue;
            p.data = sim_blob_new(p.len);
            s->mem->pread(s->mem->ctx, f, p.data->data, p.len, p.off);
            sim_add_pending(s, &p);
            sim_blob_unref(p.data);
        }
        s->mem->close(s->mem->ctx, f);
    }
    return before;
}

static void drop_map_writes(struct sim *s, size_t before)
{
    while (s->pending_count > before)
        sim_blob_unref(s->pending[--s->pending_count].data);
}

/* ---- enumerating ---- */

struct explorer {
    struct sim *s;
    struct sim_states_options *options;
    struct sim_seen *seen;
    struct choice choice;
    unsigned left;
    sim_state_fn fn;
    void *arg;
};

static void print_id(struct state st, char *id, size_t size)
{
    if (st.kind == NONE || st.kind == ALL)
        snprintf(id, size, "%s", kind_name[st.kind]);
    else
        snprintf(id, size, st.kind == MASK || st.kind == RAND ? "%s:%" PRIx64 : "%s:%" PRIu64, kind_name[st.kind], st.arg);
}

static int visit(struct explorer *x, struct state st)
{
    struct image im;
    char id[40];
    if (!x->left)
        return 0;
    x->left--;
    x->options->tried++;
    choose(x->s, st, &x->choice);
    image_build(x->s, &x->choice, &im);
    int rc = 0;
    if (seen_add(x->seen, cubby__hash64(&x->options->salt, sizeof x->options->salt, im.hash))) {
        struct sim *disk = image_mount(x->s, &im);
        x->options->distinct++;
        print_id(st, id, sizeof id);
        rc = x->fn(x->arg, disk, id);
        sim_free(&disk);
    }
    image_release(&im);
    return rc;
}

/* n states of one kind, at most `max`, spread evenly. */
static int visit_some(struct explorer *x, enum state_kind kind, uint64_t n, uint64_t max)
{
    uint64_t count = n < max ? n : max, r = x->options->seed + x->s->ops, phase = count < n ? sim_random(&r) % n : 0;
    int rc = 0;
    for (uint64_t i = 0; i < count && !rc; i++)
        rc = visit(x, (struct state){kind, (phase + i * n / count) % n});
    return rc;
}

static int visit_all(struct explorer *x)
{
    size_t n = x->s->pending_count;
    unsigned max = x->left;
    uint64_t r = x->options->seed ^ x->s->ops << 32;
    int rc = visit(x, (struct state){NONE, 0});
    if (!rc && n)
        rc = visit(x, (struct state){ALL, 0});
    if (n <= 12 && (1u << n) <= max / 2) {
        for (uint64_t mask = 1; !rc && mask + 1 < 1u << n; mask++)
            rc = visit(x, (struct state){MASK, mask});
    } else {
        rc = rc ? rc : visit_some(x, PREFIX, n, max / 4);
        rc = rc ? rc : visit_some(x, WITHOUT, n, max / 8);
        rc = rc ? rc : visit_some(x, ONLY, n, max / 8);
    }
    for (size_t i = 0; i < n * 16 && x->left && !rc; i++)
        rc = visit(x, (struct state){RAND, sim_random(&r)});
    return rc;
}

int sim_states(struct sim *s, struct sim_states_options *options, sim_state_fn fn, void *arg)
{
    struct sim_seen *own = options->seen ? NULL : sim_seen_new();
    struct explorer x = {.s = s, .options = options, .seen = own ? own : options->seen, .fn = fn, .arg = arg};
    pthread_mutex_lock(&s->mutex);
    size_t before = add_map_writes(s, options);
    x.left = options->max_states ? options->max_states : 64;
    x.choice.how = sim_alloc(s->pending_count);
    int rc = visit_all(&x);
    drop_map_writes(s, before);
    pthread_mutex_unlock(&s->mutex);
    free(x.choice.how);
    sim_seen_free(&own);
    return rc;
}

static int parse_id(const char *id, struct state *st)
{
    for (unsigned k = 0; k < sizeof kind_name / sizeof *kind_name; k++) {
        size_t n = strlen(kind_name[k]);
        if (strncmp(id, kind_name[k], n) || (id[n] && id[n] != ':'))
            continue;
        st->kind = (enum state_kind)k;
        st->arg = id[n] ? strtoull(id + n + 1, NULL, k == MASK || k == RAND ? 16 : 10) : 0;
        return 1;
    }
    return 0;
}

struct sim *sim_state(struct sim *s, const char *id, const struct sim_states_options *options)
{
    struct state st;
    struct choice c;
    struct image im;
    if (!parse_id(id, &st))
        return NULL;
    pthread_mutex_lock(&s->mutex);
    size_t before = add_map_writes(s, options);
    c.how = sim_alloc(s->pending_count);
    choose(s, st, &c);
    image_build(s, &c, &im);
    struct sim *disk = image_mount(s, &im);
    image_release(&im);
    drop_map_writes(s, before);
    pthread_mutex_unlock(&s->mutex);
    free(c.how);
    return disk;
}

void sim_print_pending(struct sim *s, FILE *to)
{
    static const char *const names[] = {"write", "truncate", "create", "unlink", "rename"};
    pthread_mutex_lock(&s->mutex);
    for (size_t i = 0; i < s->pending_count; i++) {
        const struct sim_pending *p = &s->pending[i];
        fprintf(to, "%zu: %s%s inode %zu", i, p->lost ? "lost " : "", names[p->kind], p->inode);
        if (is_data(p))
            fprintf(to, p->kind == SIM_WRITE ? " at %" PRIu64 ", %zu bytes\n" : " to %" PRIu64 "\n", p->off, p->len);
        else
            fprintf(to, " %s in %zu%s%s\n", p->name, p->dir, p->kind == SIM_RENAME ? " to " : "", p->to_name);
    }
    pthread_mutex_unlock(&s->mutex);
}
