/* repair_names.c - segments that stand under each other's names, as after a restore by hand: the header of each says which one it is. Only renames, and
 * none takes a name that is in use: so what is there stays there, and a crash leaves something that the next repair goes on with. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/repair.h"
#include "store/internal.h"

enum { NAME_MAX_LEN = 24 };
#define ASIDE ".aside" /* behind the number: out of the way of another, for a moment */

struct file {
    char name[NAME_MAX_LEN], was[NAME_MAX_LEN];
    uint32_t number; /* as its header says; 0: it has the right name, or says nothing */
};

struct files {
    struct file *at;
    size_t count, cap;
    int failed;
};

static int is_aside(const char *name)
{
    return strlen(name) == 8 + sizeof ASIDE - 1 && strcmp(name + 8, ASIDE) == 0;
}

static int list_one(void *arg, const char *name)
{
    struct files *f = arg;
    if (!cubby__segname_parse(name) && !is_aside(name))
        return 0;
    if (f->count == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 32;
        struct file *at = cubby__realloc(f->at, cap * sizeof *at);
        if (!at)
            return f->failed = 1;
        f->at = at;
        f->cap = cap;
    }
    struct file *x = &f->at[f->count++];
    x->number = 0;
    snprintf(x->name, sizeof x->name, "%s", name);
    memcpy(x->was, x->name, sizeof x->was);
    return 0;
}

static char *path_of(struct cubby__store *s, const char *name)
{
    char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS);
    char *path = dir ? cubby__path_join(dir, name) : NULL;
    cubby__free(dir);
    return path;
}

/* Which segment of this store is it? What is damaged, is no file, or is another store's, is left where it is. */
static int look(struct cubby__store *s, struct file *x, cubby_error *err)
{
    struct cubby__seg_header h;
    cubby_file *f;
    char *path = path_of(s, x->name);
    if (!path)
        return cubby__fail_mem(err);
    int rc = s->vfs->open(s->vfs->ctx, path, CUBBY_OPEN_READ, &f);
    if (rc == -EINVAL) {
        rc = CUBBY_ECORRUPT;
    } else if (rc != 0) {
        rc = cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "opening the segment");
    } else {
        rc = cubby__seg_header_read(s->vfs, f, path, &h, err);
        s->vfs->close(s->vfs->ctx, f);
    }
    cubby__free(path);
    if (rc != 0)
        return rc == CUBBY_ECORRUPT || rc == CUBBY_EVERSION ? 0 : rc;
    if (memcmp(h.ident.uuid, s->ident.uuid, sizeof h.ident.uuid) == 0 && h.number != cubby__segname_parse(x->name))
        x->number = h.number;
    cubby__seg_header_release(&h);
    return 0;
}

/* 1: done, and for good, for the next one may take the old name; 0: the name is in use. */
static int rename_to(struct cubby__store *s, struct file *x, const char *name, cubby_error *err)
{
    cubby_vfs_stat st;
    char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS), *from = path_of(s, x->name), *to = path_of(s, name);
    int rc = dir && from && to ? s->vfs->stat(s->vfs->ctx, to, &st) : -ENOMEM, used = rc == 0;
    if (rc == -ENOENT && (rc = s->vfs->rename(s->vfs->ctx, from, to)) == 0)
        rc = s->vfs->dirsync(s->vfs->ctx, dir);
    cubby__free(dir);
    cubby__free(from);
    cubby__free(to);
    if (rc != 0)
        return cubby__fail_io(err, rc, name, CUBBY__NO_OFFSET, "giving a segment its name back");
    if (used)
        return 0;
    snprintf(x->name, sizeof x->name, "%s", name);
    return 1;
}

/* Those whose names are free. 1: there were some. */
static int give_names(struct cubby__store *s, struct files *f, struct cubby__repairs *t, cubby_error *err)
{
    int some = 0, rc = 0;
    for (size_t i = 0; i < f->count && rc >= 0; i++) {
        char name[512];
        if (!f->at[i].number)
            continue;
        cubby__log_name(s->log, f->at[i].number, name);
        rc = rename_to(s, &f->at[i], strrchr(name, '/') + 1, err);
        if (rc != 1)
            continue;
        f->at[i].number = 0;
        some = 1;
        rc = cubby__repair_tell(t, err, "SEGMENT_RENAMED", name, CUBBY__NO_OFFSET, "it was called %s", f->at[i].was);
    }
    return rc < 0 ? rc : some;
}

/* One that has the name of another steps aside. 1: there was one. */
static int step_aside(struct cubby__store *s, struct files *f, cubby_error *err)
{
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->count; k++) {
            char name[NAME_MAX_LEN];
            if (!f->at[i].number || !f->at[k].number || f->at[i].number != cubby__segname_parse(f->at[k].name))
                continue;
            snprintf(name, sizeof name, "%08u" ASIDE, f->at[k].number);
            int rc = rename_to(s, &f->at[k], name, err);
            if (rc != 0)
                return rc;
        }
    return 0;
}

static int put_right(struct cubby__store *s, struct files *f, struct cubby__repairs *t, cubby_error *err)
{
    size_t wrong = 0;
    int rc = 0;
    for (size_t i = 0; i < f->count && rc == 0; i++) {
        rc = look(s, &f->at[i], err);
        wrong += f->at[i].number != 0;
    }
    if (rc != 0 || !wrong)
        return rc;
    do
        while ((rc = give_names(s, f, t, err)) == 1)
            continue;
    while (rc == 0 && (rc = step_aside(s, f, err)) == 1);
    return rc;
}

static int list_and_put_right(struct cubby__store *s, struct cubby__repairs *t, cubby_error *err)
{
    struct files f = {0};
    char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS);
    int rc = dir ? s->vfs->list(s->vfs->ctx, dir, list_one, &f) : -ENOMEM;
    cubby__free(dir);
    if (rc == -ENOENT || rc == -ENOTDIR) /* told by whoever needs it */
        rc = 0;
    else if (f.failed || rc < 0)
        rc = cubby__fail_io(err, f.failed ? -ENOMEM : rc, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "listing the segments");
    else
        rc = put_right(s, &f, t, err);
    cubby__free(f.at);
    return rc;
}

int cubby__repair_names(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__store *s;
    int rc = cubby__store_open_bare(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    if (!(s->o.flags & CUBBY_READ_ONLY)) /* else a later step says so */
        rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_EXCLUSIVE);
    int alone = rc == 0 && !(s->o.flags & CUBBY_READ_ONLY);
    if (rc == -EAGAIN)
        rc = 0;
    else if (rc != 0)
        rc = cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "locking the store");
    if (alone && (rc = cubby__writer_lock(s, err)) == 0)
        rc = list_and_put_right(s, t, err);
    cubby__store_close(&s, NULL); /* and the locks */
    return rc;
}
