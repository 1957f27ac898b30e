#include "corrupt/image.h"

#include "model/common.h"

static void load(const cubby_vfs *v, struct image *im, const char *name)
{
    char path[80];
    cubby_file *f;
    cubby_vfs_stat st;
    snprintf(path, sizeof path, STORE "/%s", name);
    if (v->open(v->ctx, path, CUBBY_OPEN_READ, &f) != 0)
        return;
    if (im->count == IMAGE_FILES || v->fstat(v->ctx, f, &st) != 0)
        die("corrupt: taking %s", name);
    struct file *to = &im->f[im->count++];
    snprintf(to->name, sizeof to->name, "%s", name);
    to->n = (size_t)st.size;
    to->p = need(malloc(to->n + 1));
    if (v->pread(v->ctx, f, to->p, to->n, 0) != (int64_t)to->n)
        die("corrupt: reading %s back", name);
    v->close(v->ctx, f);
}

struct image image_take(const cubby_vfs *v)
{
    struct image im = {.count = 0};
    char name[40];
    load(v, &im, "cubby.id");
    load(v, &im, "index");
    for (unsigned i = 1; i < IMAGE_FILES - 1; i++) {
        snprintf(name, sizeof name, "segments/%08u.seg", i);
        load(v, &im, name);
    }
    return im;
}

struct image image_copy(const struct image *from, const char *without)
{
    struct image im = {.count = 0};
    for (int i = 0; i < from->count; i++) {
        if (without && strcmp(from->f[i].name, without) == 0)
            continue;
        im.f[im.count] = from->f[i];
        im.f[im.count].p = need(malloc(from->f[i].n + 1));
        memcpy(im.f[im.count++].p, from->f[i].p, from->f[i].n);
    }
    return im;
}

void image_drop(struct image *im)
{
    for (int i = 0; i < im->count; i++)
        free(im->f[i].p);
    im->count = 0;
}

struct file *image_find(const struct image *im, const char *name)
{
    for (int i = 0; i < im->count; i++)
        if (strcmp(im->f[i].name, name) == 0)
            return (struct file *)&im->f[i];
    return NULL;
}

uint32_t segment_number(const struct file *f)
{
    return strncmp(f->name, "segments/", 9) == 0 ? (uint32_t)strtoul(f->name + 9, NULL, 10) : 0;
}

struct cubby__memfs *image_disk(const struct image *im)
{
    struct cubby__memfs *fs = need(cubby__memfs_new());
    const cubby_vfs *v = cubby__memfs_vfs(fs);
    char path[80];
    cubby_file *to;
    cubby__memfs_deterministic(fs, 99);
    if (v->mkdir(v->ctx, STORE) != 0 || v->mkdir(v->ctx, STORE "/segments") != 0 || v->mkdir(v->ctx, STORE "/tmp") != 0)
        die("corrupt: making the directories");
    for (int i = 0; i < im->count; i++) {
        const struct file *f = &im->f[i];
        if (!f->p)
            continue;
        snprintf(path, sizeof path, STORE "/%s", f->name);
        if (v->open(v->ctx, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE, &to) != 0 || (f->n && v->pwrite(v->ctx, to, f->p, f->n, 0) != 0))
            die("corrupt: writing %s", f->name);
        v->close(v->ctx, to);
    }
    return fs;
}
