/* repair_open.c - a store that cannot be opened as it is: no header of a segment can be read, or only the index knows of the last one. */
#include <errno.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/repair.h"
#include "store/repair_file.h"

struct last_words {
    struct cubby__meta meta; /* commit 0: the index says nothing */
    struct cubby__floors floors;
};

static void read_index(struct cubby__store *s, struct last_words *w)
{
    struct cubby__pager_config config = {.vfs = s->vfs, .salt = s->ident.salt, .cache_bytes = 1 << 20};
    cubby_error unused;
    memset(w, 0, sizeof *w);
    memcpy(config.uuid, s->ident.uuid, 16);
    char *path = cubby__path_join(s->path, CUBBY__FILE_INDEX);
    config.path = path;
    if (path && cubby__pager_open(&config, &s->pager, &unused) == 0) {
        if (cubby__meta_read(s->pager, &w->meta, &unused) == 0)
            cubby__floors_load(s, &w->meta.root, &w->floors, &unused);
        else
            memset(&w->meta, 0, sizeof w->meta);
        cubby__pager_close(&s->pager);
    }
    cubby__free(path);
}

/* The last segment's header can be made again only now, while there is an index that knows its nonce. */
static int mend_last(struct cubby__store *s, uint32_t last, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__seg_header h;
    struct last_words w;
    int rc = cubby__log_header(s->log, last, &h, err);
    if (rc == 0)
        cubby__seg_header_release(&h);
    if (rc != CUBBY_ECORRUPT)
        return rc;
    read_index(s, &w);
    if (w.meta.commit && w.meta.seg == last)
        rc = cubby__mend_header(s, last, w.meta.seg_nonce, &w.floors, w.meta.commit, t, err);
    return rc == CUBBY_ECORRUPT || rc == CUBBY_DONE ? 0 : rc;
}

/* 0: the header of some segment can be read. CUBBY_DONE: all are damaged, or there are none. What cannot be looked at is neither. */
static int any_header(struct cubby__store *s, const uint32_t *numbers, size_t count, cubby_error *err)
{
    struct cubby__seg_header h;
    for (size_t i = count; i-- > 0;) {
        int rc = cubby__log_header(s->log, numbers[i], &h, err);
        if (rc == 0)
            cubby__seg_header_release(&h);
        if (rc != CUBBY_ECORRUPT)
            return rc;
    }
    return CUBBY_DONE;
}

static int make_segments_dir(struct cubby__store *s, cubby_error *err)
{
    char *dir = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS);
    int rc = dir ? s->vfs->mkdir(s->vfs->ctx, dir) : -ENOMEM;
    if (rc == 0)
        rc = s->vfs->dirsync(s->vfs->ctx, s->path);
    cubby__free(dir);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "making the directory");
}

static int make_openable(struct cubby__store *s, struct cubby__repairs *t, cubby_error *err)
{
    uint32_t *numbers;
    size_t count;
    char name[512];
    struct last_words w;
    int rc = cubby__log_list(s->log, &numbers, &count, err);
    if (rc == CUBBY_ENOENT)
        rc = make_segments_dir(s, err);
    if (rc == 0 && count)
        rc = mend_last(s, numbers[count - 1], t, err);
    if (rc == 0 && (rc = any_header(s, numbers, count, err)) == CUBBY_DONE) {
        read_index(s, &w);
        uint32_t next = count ? numbers[count - 1] + 1 : 1;
        if (w.meta.commit && w.meta.seg >= next)
            next = w.meta.seg + 1;
        cubby__raise(&w.floors.commit, w.meta.commit);
        rc = cubby__stand_in(s, next, CUBBY__DAMAGE_CUT, &w.floors, err);
        if (rc == 0)
            rc = cubby__repair_tell(t, err, "STAND_IN", cubby__log_name(s->log, next, name), CUBBY__NO_OFFSET,
                                    "no segment can be read: an empty one begins the log anew");
    }
    cubby__free(numbers);
    return rc;
}

/* Nobody may attach meanwhile: they would recover what is replaced here. If somebody has, the store can be opened. */
static int alone(struct cubby__store *s, struct cubby__repairs *t, cubby_error *err)
{
    int rc = s->vfs->lock(s->vfs->ctx, s->id_file, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_EXCLUSIVE);
    if (rc == -EAGAIN)
        return 0;
    rc = rc == 0 ? cubby__writer_lock(s, err) : cubby__fail_io(err, rc, CUBBY__FILE_ID, CUBBY__NO_OFFSET, "locking the store");
    return rc == 0 ? make_openable(s, t, err) : rc;
}

int cubby__repair_openable(const char *path, const cubby_options *o, const struct cubby__handlers *h, struct cubby__repairs *t, cubby_error *err)
{
    struct cubby__store *s;
    int rc = cubby__store_open_bare(path, o, h, &s, err);
    if (rc != 0)
        return rc;
    if (s->o.flags & CUBBY_READ_ONLY)
        rc = cubby__fail(err, CUBBY_EACCES, path, CUBBY__NO_OFFSET, "the store may not be written to");
    else
        rc = alone(s, t, err);
    cubby__store_close(&s, NULL); /* and the locks */
    return rc;
}
