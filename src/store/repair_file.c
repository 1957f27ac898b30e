#include "store/repair_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/error.h"
#include "log/segname.h"
#include "store/recover.h"

enum { CHUNK = 1 << 20, NAMES_MAX = 1000 };

static int fail(struct cubby__newseg *n, int rc, const char *what, cubby_error *err)
{
    char name[CUBBY__SEGNAME_MAX];
    return rc == 0 ? 0 : cubby__fail_io(err, rc, cubby__segname(n->seg, name), CUBBY__NO_OFFSET, what);
}

static void release(struct cubby__newseg *n)
{
    const cubby_vfs *vfs = n->s->vfs;
    if (n->file)
        vfs->close(vfs->ctx, n->file);
    if (n->old)
        vfs->close(vfs->ctx, n->old);
    cubby__free(n->tmp);
    cubby__free(n->path);
    memset(n, 0, sizeof *n);
}

static int make_dir(struct cubby__store *s, const char *name)
{
    char *dir = cubby__path_join(s->path, name);
    int rc = dir ? s->vfs->mkdir(s->vfs->ctx, dir) : -ENOMEM;
    cubby__free(dir);
    return rc == -EEXIST ? 0 : rc;
}

static int sync_dir(struct cubby__store *s, const char *name)
{
    char *dir = cubby__path_join(s->path, name);
    int rc = dir ? s->vfs->dirsync(s->vfs->ctx, dir) : -ENOMEM;
    cubby__free(dir);
    return rc;
}

/* A leftover of an interrupted attempt makes way; if it does not, what keeps it there is the error. */
static int open_anew(const cubby_vfs *vfs, const char *path, cubby_file **f)
{
    int gone = vfs->unlink(vfs->ctx, path);
    int rc = vfs->open(vfs->ctx, path, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL, f);
    return rc == -EEXIST && gone != 0 && gone != -ENOENT ? gone : rc;
}

int cubby__try_segments(struct cubby__store *s, cubby_error *err)
{
    cubby_file *f;
    char *path = cubby__path_join(s->path, CUBBY__DIR_SEGMENTS "/trial");
    int rc = path ? open_anew(s->vfs, path, &f) : -ENOMEM;
    if (rc == 0) {
        s->vfs->close(s->vfs->ctx, f);
        rc = s->vfs->unlink(s->vfs->ctx, path);
    }
    cubby__free(path);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, CUBBY__DIR_SEGMENTS, CUBBY__NO_OFFSET, "trying to make a file there");
}

int cubby__newseg_begin(struct cubby__newseg *n, struct cubby__store *s, uint32_t seg, cubby_error *err)
{
    const cubby_vfs *vfs = s->vfs;
    cubby_vfs_stat st = {0};
    *n = (struct cubby__newseg){.s = s, .seg = seg, .seed = {s->ident.salt, 0}};
    n->tmp = cubby__path_segment_tmp(s->path, seg);
    n->path = cubby__path_segment(s->path, seg);
    int rc = n->tmp && n->path ? make_dir(s, CUBBY__DIR_TMP) : -ENOMEM;
    if (rc == 0)
        rc = vfs->open(vfs->ctx, n->path, CUBBY_OPEN_READ, &n->old);
    int stranger = rc == -EINVAL;
    if (rc == 0)
        rc = vfs->fstat(vfs->ctx, n->old, &st);
    else if (rc == -ENOENT)
        rc = 0;
    n->old_size = st.size;
    if (rc == 0)
        rc = open_anew(vfs, n->tmp, &n->file);
    if (rc != 0) {
        rc = stranger ? cubby__fail(err, CUBBY_ECORRUPT, n->path, CUBBY__NO_OFFSET, "this is not a regular file; move it away, and repair the store again")
                      : fail(n, rc, "making a segment", err);
        release(n);
    }
    return rc;
}

/* To a new file: what is a hole in the old one, or might be, is one there, too; but the last bytes are written, for its size. */
static int copy(const cubby_vfs *vfs, cubby_file *from, cubby_file *to, uint64_t off, uint64_t end)
{
    uint8_t *buf = cubby__malloc(CHUNK);
    int rc = buf ? 0 : -ENOMEM;
    while (rc == 0 && off < end) {
        size_t n = end - off < CHUNK ? (size_t)(end - off) : CHUNK;
        int64_t got = vfs->pread(vfs->ctx, from, buf, n, off);
        if (got < 0) {
            rc = (int)got;
            break;
        }
        memset(buf + got, 0, n - (size_t)got);
        if (off + n == end || !cubby__all_zero(buf, n))
            rc = vfs->pwrite(vfs->ctx, to, buf, n, off);
        off += n;
    }
    cubby__free(buf);
    return rc;
}

int cubby__newseg_copy(struct cubby__newseg *n, uint64_t from, uint64_t to, cubby_error *err)
{
    return fail(n, copy(n->s->vfs, n->old, n->file, from, to), "copying a segment", err);
}

int cubby__newseg_write(struct cubby__newseg *n, const void *p, size_t len, uint64_t off, cubby_error *err)
{
    return fail(n, n->s->vfs->pwrite(n->s->vfs->ctx, n->file, p, len, off), "writing a segment", err);
}

int cubby__newseg_header(struct cubby__newseg *n, struct cubby__seg_header *h, cubby_error *err)
{
    struct cubby__buf head = CUBBY__BUF_INIT;
    char name[CUBBY__SEGNAME_MAX];
    int rc = cubby__seg_header_encode(h, &head);
    if (rc == CUBBY_ELIMIT)
        rc = cubby__fail(err, rc, cubby__segname(n->seg, name), 0, "a number that its header would need has passed 2^63");
    else
        rc = rc != 0 ? cubby__fail_mem(err) : cubby__newseg_write(n, head.data, head.len, 0, err);
    cubby__buf_release(&head);
    return rc;
}

/* A long hole takes several frames: whoever scans them holds one in memory. */
int cubby__newseg_cover(struct cubby__newseg *n, const struct cubby__hole *hole, cubby_error *err)
{
    enum { LEAST = CUBBY__FRAME_SIZE + CUBBY__FRAME_ALIGN };
    int bytes = hole->kind == CUBBY__DAMAGE_STRETCH || hole->kind == CUBBY__DAMAGE_REST;
    uint64_t records = bytes ? cubby__records_in(hole->lost) : hole->kind == CUBBY__DAMAGE_CONTENT;
    uint8_t *payload = cubby__malloc(CUBBY__DAMAGE_LEN_MAX + LEAST);
    struct cubby__framer f = {0};
    int rc = payload ? 0 : cubby__fail_mem(err);
    for (uint64_t at = hole->from; at < hole->to && rc == 0; records = 0) {
        uint64_t left = hole->to - at, off;
        uint64_t size = left <= CUBBY__DAMAGE_LEN_MAX + LEAST ? left : CUBBY__DAMAGE_LEN_MAX;
        cubby__damage_encode(hole->kind, records, payload, (size_t)(size - CUBBY__FRAME_SIZE));
        cubby__framer_init(&f, &n->seed, at, hole->commit);
        if (cubby__framer_add(&f, CUBBY__REC_DAMAGE, 0, payload, (uint32_t)(size - CUBBY__FRAME_SIZE), NULL, &off) != 0)
            rc = cubby__fail_mem(err);
        else
            rc = cubby__newseg_write(n, f.buf.data, f.buf.len, at, err);
        at += size;
    }
    cubby__framer_release(&f);
    cubby__free(payload);
    return rc;
}

/* ---- quarantine ---- */

static int same_bytes(const cubby_vfs *vfs, cubby_file *a, uint64_t size, cubby_file *b)
{
    cubby_vfs_stat st;
    if (vfs->fstat(vfs->ctx, b, &st) != 0 || st.size != size)
        return 0;
    uint8_t *buf = cubby__malloc(2 * CHUNK);
    int same = buf != NULL;
    for (uint64_t off = 0; same && off < size; off += CHUNK) {
        int64_t x = vfs->pread(vfs->ctx, a, buf, CHUNK, off), y = vfs->pread(vfs->ctx, b, buf + CHUNK, CHUNK, off);
        same = x >= 0 && x == y && memcmp(buf, buf + CHUNK, (size_t)x) == 0;
    }
    cubby__free(buf);
    return same;
}

static char *path_in_quarantine(const char *dir, const char *name, int i)
{
    char path[64];
    snprintf(path, sizeof path, i ? "%s/%s.%d" : "%s/%s", CUBBY__DIR_QUARANTINE, name, i);
    return cubby__path_join(dir, path);
}

int cubby__quarantine_name(const cubby_vfs *vfs, const char *dir, const char *name, char **out)
{
    cubby_vfs_stat st;
    *out = NULL;
    for (int i = 0; i < NAMES_MAX; i++) {
        char *path = path_in_quarantine(dir, name, i);
        int rc = path ? vfs->stat(vfs->ctx, path, &st) : -ENOMEM;
        if (rc == -ENOENT)
            *out = path;
        else
            cubby__free(path);
        if (rc != 0)
            return rc == -ENOENT ? 0 : rc;
    }
    return -EEXIST;
}

/* A name that is free; NULL and rc 0: the same bytes are there already, of a repair that was interrupted. */
static char *name_for_copy(struct cubby__newseg *n, int *rc)
{
    const cubby_vfs *vfs = n->s->vfs;
    char file[CUBBY__SEGNAME_MAX];
    for (int i = 0; i < NAMES_MAX; i++) {
        cubby_file *f;
        char *path = path_in_quarantine(n->s->path, cubby__segname_file(n->seg, file), i);
        *rc = path ? vfs->open(vfs->ctx, path, CUBBY_OPEN_READ, &f) : -ENOMEM;
        if (*rc == -ENOENT) {
            *rc = 0;
            return path;
        }
        cubby__free(path);
        if (*rc == -EINVAL) /* no regular file: a stranger that was moved there */
            continue;
        if (*rc != 0)
            return NULL;
        int same = same_bytes(vfs, n->old, n->old_size, f);
        vfs->close(vfs->ctx, f);
        if (same)
            return NULL;
    }
    *rc = -EEXIST;
    return NULL;
}

static int name_moved(struct cubby__store *s, uint32_t seg, const char *path)
{
    char file[CUBBY__SEGNAME_MAX], *to;
    int rc = cubby__quarantine_name(s->vfs, s->path, cubby__segname_file(seg, file), &to);
    if (rc == 0)
        rc = s->vfs->rename(s->vfs->ctx, path, to);
    cubby__free(to);
    return rc;
}

int cubby__move_to_quarantine(struct cubby__store *s, uint32_t seg, struct cubby__repairs *t, cubby_error *err)
{
    char name[CUBBY__SEGNAME_MAX], *path = cubby__path_segment(s->path, seg);
    int rc = path ? make_dir(s, CUBBY__DIR_QUARANTINE) : -ENOMEM;
    if (rc == 0)
        rc = s->vfs->dirsync(s->vfs->ctx, s->path);
    if (rc == 0)
        rc = name_moved(s, seg, path);
    if (rc == 0)
        rc = sync_dir(s, CUBBY__DIR_QUARANTINE);
    if (rc == 0)
        rc = sync_dir(s, CUBBY__DIR_SEGMENTS);
    cubby__free(path);
    if (rc != 0)
        return cubby__fail_io(err, rc, cubby__segname(seg, name), CUBBY__NO_OFFSET, "moving the file to quarantine");
    return cubby__repair_tell(t, err, "STRAY_MOVED", cubby__segname(seg, name), CUBBY__NO_OFFSET, "it is in %s now", CUBBY__DIR_QUARANTINE);
}

/* P1. Complete before it has its name there, too. */
static int quarantine(struct cubby__newseg *n)
{
    struct cubby__store *s = n->s;
    const cubby_vfs *vfs = s->vfs;
    cubby_file *f = NULL;
    if (!n->old)
        return 0;
    int rc = make_dir(s, CUBBY__DIR_QUARANTINE);
    if (rc != 0)
        return rc;
    char *name = name_for_copy(n, &rc), *tmp = cubby__path_join(s->path, CUBBY__DIR_TMP "/quarantine");
    if (rc == 0 && !tmp)
        rc = -ENOMEM;
    if (rc == 0 && name) {
        rc = open_anew(vfs, tmp, &f);
        if (rc == 0)
            rc = copy(vfs, n->old, f, 0, n->old_size);
        if (rc == 0)
            rc = vfs->sync(vfs->ctx, f);
        if (f)
            vfs->close(vfs->ctx, f);
        if (rc == 0)
            rc = vfs->rename(vfs->ctx, tmp, name);
        if (rc != 0)
            vfs->unlink(vfs->ctx, tmp);
    }
    if (rc == 0) /* also what an interrupted repair left */
        rc = sync_dir(s, CUBBY__DIR_QUARANTINE);
    if (rc == 0)
        rc = vfs->dirsync(vfs->ctx, s->path);
    cubby__free(name);
    cubby__free(tmp);
    return rc;
}

int cubby__newseg_quarantine(struct cubby__newseg *n, cubby_error *err)
{
    return fail(n, quarantine(n), "keeping a segment in quarantine", err);
}

int cubby__newseg_end(struct cubby__newseg *n, cubby_error *err)
{
    struct cubby__store *s = n->s;
    const cubby_vfs *vfs = s->vfs;
    int rc = vfs->sync(vfs->ctx, n->file);
    if (rc == 0)
        rc = quarantine(n);
    if (rc == 0)
        rc = vfs->rename(vfs->ctx, n->tmp, n->path);
    if (rc == 0)
        rc = sync_dir(s, CUBBY__DIR_SEGMENTS);
    else
        vfs->unlink(vfs->ctx, n->tmp); /* it takes room, on a disk that may be full */
    rc = fail(n, rc, "replacing a segment", err);
    release(n);
    return rc;
}

void cubby__newseg_abort(struct cubby__newseg *n)
{
    const cubby_vfs *vfs = n->s->vfs;
    vfs->unlink(vfs->ctx, n->tmp);
    release(n);
}
