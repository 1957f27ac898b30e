#include "log/segmake.h"

#include <errno.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"

struct cubby__seg_maker {
    struct cubby__log *log;
    const cubby_vfs *vfs;
    struct cubby__seg_header *header;
    char *tmp, *path;
    cubby_file *file;
    uint64_t off;
};

static void free_maker(struct cubby__seg_maker **mp)
{
    struct cubby__seg_maker *m = *mp;
    *mp = NULL;
    cubby__free(m->tmp);
    cubby__free(m->path);
    cubby__free(m);
}

/* tmp/ is made when it is first needed. */
static int open_tmp(struct cubby__seg_maker *m, cubby_error *err)
{
    const cubby_vfs *vfs = m->vfs;
    int gone = vfs->unlink(vfs->ctx, m->tmp); /* a leftover of an interrupted attempt */
    int rc = vfs->open(vfs->ctx, m->tmp, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL, &m->file);
    if (rc == -EEXIST && gone != 0 && gone != -ENOENT) /* what keeps it there; else somebody has just made it */
        rc = gone;
    if (cubby__code_of_errno(rc) == CUBBY_ENOENT) {
        char *dir = cubby__path_join(cubby__log_dir(m->log), CUBBY__DIR_TMP);
        if (!dir)
            return cubby__fail_mem(err);
        int made = vfs->mkdir(vfs->ctx, dir);
        cubby__free(dir);
        rc = made != 0 && made != -EEXIST ? made : vfs->open(vfs->ctx, m->tmp, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL, &m->file);
    }
    return rc == 0 ? 0 : cubby__fail_io(err, rc, m->tmp, CUBBY__NO_OFFSET, "making a segment");
}

static int write_zeros(const struct cubby__seg_maker *m, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[16 << 10];
    int rc = 0;
    for (uint64_t at = from; at < to && rc == 0; at += sizeof zeros)
        rc = m->vfs->pwrite(m->vfs->ctx, m->file, zeros, to - at < sizeof zeros ? (size_t)(to - at) : sizeof zeros, at);
    return rc;
}

/* The spare under the name in tmp/, all zeros: whatever it held. */
static int open_spare(struct cubby__seg_maker *m, const char *spare, uint64_t *size, cubby_error *err)
{
    const cubby_vfs *vfs = m->vfs;
    cubby_vfs_stat st;
    int rc = vfs->rename(vfs->ctx, spare, m->tmp);
    if (rc == 0)
        rc = vfs->open(vfs->ctx, m->tmp, CUBBY_OPEN_WRITE, &m->file);
    if (rc != 0)
        return cubby__fail_io(err, rc, spare, CUBBY__NO_OFFSET, "making a segment");
    rc = vfs->fstat(vfs->ctx, m->file, &st);
    *size = rc == 0 ? st.size : 0;
    if (rc == 0)
        rc = write_zeros(m, 0, *size);
    if (rc != 0)
        vfs->close(vfs->ctx, m->file);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, m->tmp, CUBBY__NO_OFFSET, "making a segment");
}

/* spare: NULL: a new file. */
static int begin(struct cubby__log *log, struct cubby__seg_header *h, const char *spare, uint64_t *size, struct cubby__seg_maker **out, cubby_error *err)
{
    if (h->number > CUBBY__SEG_NUMBER_MAX)
        return cubby__fail(err, CUBBY_ELIMIT, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET,
                           "there is no segment number left above %u; where a file has got that name by mistake, a repair helps",
                           CUBBY__SEG_NUMBER_MAX);
    struct cubby__seg_maker *m = cubby__calloc(1, sizeof *m);
    if (!m)
        return cubby__fail_mem(err);
    m->log = log;
    m->vfs = cubby__log_vfs(log);
    m->header = h;
    m->off = cubby__seg_header_size(h->defs.len);
    m->tmp = cubby__path_segment_tmp(cubby__log_dir(log), h->number);
    m->path = cubby__path_segment(cubby__log_dir(log), h->number);
    int rc = !m->tmp || !m->path ? cubby__fail_mem(err) : spare ? open_spare(m, spare, size, err) : open_tmp(m, err);
    if (rc != 0) {
        free_maker(&m);
        return rc;
    }
    *out = m;
    return 0;
}

int cubby__seg_make_begin(struct cubby__log *log, struct cubby__seg_header *h, struct cubby__seg_maker **out, cubby_error *err)
{
    return begin(log, h, NULL, NULL, out, err);
}

int cubby__seg_make_reuse(struct cubby__log *log, struct cubby__seg_header *h, const char *spare, uint64_t *size, struct cubby__seg_maker **out,
                          cubby_error *err)
{
    return begin(log, h, spare, size, out, err);
}

int cubby__seg_make_add(struct cubby__seg_maker *m, const void *p, size_t n, cubby_error *err)
{
    int rc = m->vfs->pwrite(m->vfs->ctx, m->file, p, n, m->off);
    if (rc != 0)
        return cubby__fail_io(err, rc, m->tmp, m->off, "writing a segment");
    m->off += n;
    return 0;
}

int cubby__seg_make_pad(struct cubby__seg_maker *m, size_t n, cubby_error *err)
{
    int rc = write_zeros(m, m->off, m->off + n);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, m->tmp, m->off, "writing a segment");
}

static int name_segment(struct cubby__seg_maker *m, int *named, cubby_error *err)
{
    const cubby_vfs *vfs = m->vfs;
    char *dir = cubby__path_join(cubby__log_dir(m->log), CUBBY__DIR_SEGMENTS);
    int rc;
    if (!dir)
        return cubby__fail_mem(err);
    if ((rc = vfs->sync(vfs->ctx, m->file)) != 0) /* complete before it has a name */
        rc = cubby__fail_io(err, rc, m->tmp, CUBBY__NO_OFFSET, "syncing a segment");
    else if ((rc = vfs->rename(vfs->ctx, m->tmp, m->path)) != 0)
        rc = cubby__fail_io(err, rc, m->path, CUBBY__NO_OFFSET, "naming a segment");
    else if ((*named = 1, rc = vfs->dirsync(vfs->ctx, dir)) != 0) /* before anything is acknowledged in it */
        rc = cubby__fail_io(err, rc, dir, CUBBY__NO_OFFSET, "syncing the directory");
    cubby__free(dir);
    return rc;
}

int cubby__seg_make_end(struct cubby__seg_maker **mp, uint64_t proven_commit, int *named, cubby_error *err)
{
    struct cubby__seg_maker *m = *mp;
    *named = 0;
    struct cubby__buf head = CUBBY__BUF_INIT;
    m->header->proven = m->off;
    m->header->proven_commit = proven_commit;
    int rc = cubby__seg_header_encode(m->header, &head);
    if (rc != 0) {
        rc = cubby__fail(err, rc, m->tmp, 0, "a segment header cannot hold this: the definitions are too long, or a number has passed 2^63");
    } else {
        rc = m->vfs->pwrite(m->vfs->ctx, m->file, head.data, head.len, 0);
        rc = rc != 0 ? cubby__fail_io(err, rc, m->tmp, 0, "writing a segment") : name_segment(m, named, err);
    }
    cubby__buf_release(&head);
    if (rc != 0) {
        cubby__seg_make_abort(mp);
        return rc;
    }
    rc = cubby__log_take(m->log, m->header->number, m->header->nonce, m->file, err);
    free_maker(mp);
    return rc;
}

void cubby__seg_make_abort(struct cubby__seg_maker **mp)
{
    struct cubby__seg_maker *m = *mp;
    if (!m)
        return;
    m->vfs->close(m->vfs->ctx, m->file);
    m->vfs->unlink(m->vfs->ctx, m->tmp);
    free_maker(mp);
}
