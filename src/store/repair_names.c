/* repair_names.c - segments that stand under each other's names, as after a restore by hand: the header of each says which one it is. Only renames, and
 * none takes a name that a file has: so what is there stays there. One that is in the way of another gets a number behind all others for a moment: whoever opens
 * the store after a crash sees a last segment that it cannot read, goes on behind it, and takes no name that is somebody's; the next repair gives that its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/repair_file.h"
#include "store/stray.h"

enum { NAME_MAX_LEN = 24 };

struct file {
    char name[NAME_MAX_LEN], was[NAME_MAX_LEN];
    uint32_t number; /* as its header says; 0: it has the right name, or says nothing */
    int stranger;    /* no regular file: it makes way for one whose name it has */
    uint64_t size;
};

struct files {
    struct file *at;
    size_t count, cap;
    uint32_t highest; /* number that any has or says */
    int failed;
};

static int list_one(void *arg, const char *name)
{
    struct files *f = arg;
    uint32_t number = cubby__segname_parse(name);
    if (!number)
        return 0;
    f->highest = number > f->highest ? number : f->highest;
    struct file *at = cubby__grow(f->at, f->count, &f->cap, sizeof *at);
    if (!at)
        return f->failed = 1;
    f->at = at;
    struct file *x = &f->at[f->count++];
    memset(x, 0, sizeof *x);
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

/* What is damaged, is no file, or is another store's, is left where it is. */
static int look(struct cubby__store *s, struct file *x, cubby_error *err)
{
    char *path = path_of(s, x->name);
    if (!path)
        return cubby__fail_mem(err);
    int rc = cubby__segment_in(s, path, &x->number, &x->size, err);
    cubby__free(path);
    if (rc == 0 && !x->number && (rc = cubby__is_stranger(s, cubby__segname_parse(x->name), err)) > 0) {
        x->stranger = 1;
        rc = 0;
    }
    if (x->number == cubby__segname_parse(x->name))
        x->number = 0;
    return rc == CUBBY_EVERSION ? 0 : rc;
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

/* Of those that say the same number, one restored in part perhaps, the longest is it. */
static int is_longest(const struct files *f, size_t i)
{
    for (size_t k = 0; k < f->count; k++)
        if (f->at[k].number == f->at[i].number && (f->at[k].size > f->at[i].size || (f->at[k].size == f->at[i].size && k < i)))
            return 0;
    return 1;
}

/* Its name is its own, or of one that says nothing: that stays. */
static int is_taken(const struct files *f, uint32_t number)
{
    for (size_t k = 0; k < f->count; k++)
        if (!f->at[k].number && !f->at[k].stranger && cubby__segname_parse(f->at[k].name) == number)
            return 1;
    return 0;
}

/* To quarantine, for a segment of that number. */
static int make_way(struct cubby__store *s, struct files *f, uint32_t number, struct cubby__repairs *t, cubby_error *err)
{
    for (size_t k = 0; k < f->count; k++)
        if (f->at[k].stranger && cubby__segname_parse(f->at[k].name) == number) {
            f->at[k].stranger = 0;
            return cubby__move_to_quarantine(s, number, t, err);
        }
    return 0;
}

/* Those whose names are free. 1: there were some. */
static int give_names(struct cubby__store *s, struct files *f, struct cubby__repairs *t, cubby_error *err)
{
    int some = 0, rc = 0;
    for (size_t i = 0; i < f->count && rc >= 0; i++) {
        char name[CUBBY__SEGNAME_MAX];
        const uint32_t number = f->at[i].number;
        if (!number || !is_longest(f, i))
            continue;
        rc = make_way(s, f, number, t, err);
        if (rc == 0)
            rc = rename_to(s, &f->at[i], cubby__segname_file(number, name), err);
        if (rc != 1)
            continue;
        f->at[i].number = 0;
        some = 1;
        rc = cubby__repair_tell(t, err, "SEGMENT_RENAMED", cubby__segname(number, name), CUBBY__NO_OFFSET, "it was called %s", f->at[i].was);
    }
    return rc < 0 ? rc : some;
}

static int is_name(const struct files *f, uint32_t number)
{
    for (size_t k = 0; k < f->count; k++)
        if (cubby__segname_parse(f->at[k].name) == number)
            return 1;
    return 0;
}

/* Behind all others; where there is none, the last that is free. */
static uint32_t spare_number(struct files *f)
{
    if (f->highest < CUBBY__SEG_NUMBER_MAX)
        return ++f->highest;
    uint32_t n = CUBBY__SEG_NUMBER_MAX;
    while (is_name(f, n))
        n--;
    return n;
}

/* One that has the name of another steps aside. 1: there was one. */
static int step_aside(struct cubby__store *s, struct files *f, cubby_error *err)
{
    for (size_t i = 0; i < f->count; i++)
        for (size_t k = 0; k < f->count; k++) {
            char name[CUBBY__SEGNAME_MAX];
            if (!f->at[i].number || !f->at[k].number || f->at[i].number != cubby__segname_parse(f->at[k].name) || !is_longest(f, i))
                continue;
            int rc = rename_to(s, &f->at[k], cubby__segname_file(spare_number(f), name), err);
            if (rc != 0)
                return rc;
        }
    return 0;
}

static int put_right(struct cubby__store *s, struct files *f, int in_use, struct cubby__repairs *t, cubby_error *err)
{
    const uint32_t likely = f->highest + (uint32_t)f->count; /* a header that says more is no help */
    size_t wrong = 0;
    int rc = 0;
    for (size_t i = 0; i < f->count && rc == 0; i++) {
        rc = look(s, &f->at[i], err);
        f->at[i].number = f->at[i].number <= likely ? f->at[i].number : 0;
        f->highest = f->at[i].number > f->highest ? f->at[i].number : f->highest;
    }
    for (size_t i = 0; i < f->count; i++)
        wrong += f->at[i].number && !is_taken(f, f->at[i].number);
    if (rc != 0 || !wrong)
        return rc;
    if (in_use)
        return cubby__fail(err, CUBBY_EBUSY, s->path, CUBBY__NO_OFFSET,
                           "segments stand under each other's names: the store is open in another process, and must be closed for this repair");
    do
        while ((rc = give_names(s, f, t, err)) == 1)
            continue;
    while (rc == 0 && (rc = step_aside(s, f, err)) == 1);
    return rc;
}

static int list_and_put_right(struct cubby__store *s, int in_use, struct cubby__repairs *t, cubby_error *err)
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
        rc = put_right(s, &f, in_use, t, err);
    cubby__free(f.at);
    return rc;
}

int cubby__repair_names(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__store *s;
    int rc = cubby__store_open_bare(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    int in_use, may_write = !(s->o.flags & CUBBY_READ_ONLY); /* else a later step says so */
    if (may_write && (rc = cubby__repair_lock(s, &in_use, err)) == 0)
        rc = list_and_put_right(s, in_use, t, err);
    cubby__store_close(&s, NULL); /* and the locks */
    return rc;
}
