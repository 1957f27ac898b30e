#include "log/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"

enum { OPEN_MAX = 128 }; /* open segment files kept; beyond that the one used longest ago is closed */

struct seg {
    uint32_t number;
    uint32_t users; /* reads under way */
    uint64_t nonce;
    uint64_t used; /* tick of the last use */
    cubby_file *file;
};

struct cubby__log {
    const cubby_vfs *vfs;
    char *dir;
    struct cubby__ident ident;
    int writable;
    pthread_mutex_t mutex; /* guards what follows */
    struct seg *segs;      /* the open ones, in no order */
    size_t count, cap;
    uint64_t tick;
};

int cubby__log_new(const cubby_vfs *vfs, const char *dir, const struct cubby__ident *ident, int writable, struct cubby__log **out, cubby_error *err)
{
    struct cubby__log *log = cubby__calloc(1, sizeof *log);
    if (!log || !(log->dir = cubby__strdup(dir))) {
        cubby__free(log);
        return cubby__fail_mem(err);
    }
    log->vfs = vfs;
    log->ident = *ident;
    log->writable = writable;
    pthread_mutex_init(&log->mutex, NULL);
    *out = log;
    return 0;
}

void cubby__log_free(struct cubby__log **log)
{
    struct cubby__log *l = *log;
    if (!l)
        return;
    for (size_t i = 0; i < l->count; i++)
        l->vfs->close(l->vfs->ctx, l->segs[i].file);
    pthread_mutex_destroy(&l->mutex);
    cubby__free(l->segs);
    cubby__free(l->dir);
    cubby__free(l);
    *log = NULL;
}

const char *cubby__log_name(const struct cubby__log *log, uint32_t seg, char *buf)
{
    (void)log;
    snprintf(buf, 512, "%s/%08u.seg", CUBBY__DIR_SEGMENTS, seg);
    return buf;
}

/* ---- the table of open segments ---- */

static struct seg *find(struct cubby__log *log, uint32_t number)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->segs[i].number == number)
            return &log->segs[i];
    return NULL;
}

static void close_oldest(struct cubby__log *log)
{
    struct seg *oldest = NULL;
    for (size_t i = 0; i < log->count; i++)
        if (!log->segs[i].users && (!oldest || log->segs[i].used < oldest->used))
            oldest = &log->segs[i];
    if (!oldest)
        return;
    log->vfs->close(log->vfs->ctx, oldest->file);
    *oldest = log->segs[--log->count];
}

static int open_file(struct cubby__log *log, uint32_t number, struct cubby__seg_header *h, cubby_file **file, cubby_error *err)
{
    char *path = cubby__path_segment(log->dir, number);
    if (!path)
        return cubby__fail_mem(err);
    int rc = log->vfs->open(log->vfs->ctx, path, log->writable ? CUBBY_OPEN_WRITE : CUBBY_OPEN_READ, file);
    if (rc == -EINVAL) {
        rc = cubby__fail(err, CUBBY_ECORRUPT, path, CUBBY__NO_OFFSET, "this segment is not a regular file");
    } else if (rc != 0) {
        rc = cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "opening the segment");
    } else {
        rc = cubby__seg_header_read_of(log->vfs, *file, path, &log->ident, number, h, err);
        if (rc != 0)
            log->vfs->close(log->vfs->ctx, *file);
    }
    cubby__free(path);
    return rc;
}

/* Adds an open file to the table; mutex held. Takes the file over, also on failure. */
static int add(struct cubby__log *log, uint32_t number, uint64_t nonce, cubby_file *file, cubby_error *err)
{
    if (log->count >= OPEN_MAX)
        close_oldest(log);
    struct seg *segs = cubby__grow(log->segs, log->count, &log->cap, sizeof *segs);
    if (!segs) {
        log->vfs->close(log->vfs->ctx, file);
        return cubby__fail_mem(err);
    }
    log->segs = segs;
    log->segs[log->count++] = (struct seg){.number = number, .nonce = nonce, .file = file, .used = ++log->tick};
    return 0;
}

/* A use of an open segment: the file stays open until put_seg. */
static int get_seg(struct cubby__log *log, uint32_t number, cubby_file **file, uint64_t *nonce, cubby_error *err)
{
    int rc = 0;
    *file = NULL;
    *nonce = 0;
    pthread_mutex_lock(&log->mutex);
    struct seg *s = find(log, number);
    if (!s) {
        struct cubby__seg_header h = {0};
        cubby_file *opened = NULL;
        rc = open_file(log, number, &h, &opened, err);
        if (rc == 0) {
            rc = add(log, number, h.nonce, opened, err);
            cubby__seg_header_release(&h);
            s = find(log, number);
        }
    }
    if (rc == 0 && s) {
        s->users++;
        s->used = ++log->tick;
        *file = s->file;
        *nonce = s->nonce;
    }
    pthread_mutex_unlock(&log->mutex);
    return rc;
}

static void put_seg(struct cubby__log *log, uint32_t number)
{
    pthread_mutex_lock(&log->mutex);
    find(log, number)->users--;
    pthread_mutex_unlock(&log->mutex);
}

/* ---- reading ---- */

int cubby__log_read(struct cubby__log *log, const struct cubby__place *place, uint8_t type, struct cubby__buf *buf, const uint8_t **payload,
                    struct cubby__piece *piece, cubby_error *err)
{
    cubby_file *file;
    struct cubby__seed seed = {log->ident.salt, 0};
    cubby_error e;
    char name[512];
    size_t header = cubby__frame_header_size(type), total = header + place->len;
    if (place->len > CUBBY__FRAME_LEN_MAX || place->off % CUBBY__FRAME_ALIGN)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__log_name(log, place->seg, name), place->off, "the index names an impossible place");
    int rc = get_seg(log, place->seg, &file, &seed.nonce, &e);
    if (rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__log_name(log, place->seg, name), place->off, "%s",
                           rc == CUBBY_ENOENT ? "the segment is missing" : e.message);
    if (rc != 0 && err)
        *err = e;
    if (rc != 0)
        return rc;
    cubby__buf_clear(buf);
    uint8_t *p = cubby__buf_extend(buf, total);
    int64_t got = p ? log->vfs->pread(log->vfs->ctx, file, p, total, place->off) : 0;
    put_seg(log, place->seg);
    if (!p)
        return cubby__fail_mem(err);
    if (got < 0)
        return cubby__fail_io(err, (int)got, cubby__log_name(log, place->seg, name), place->off, "reading a frame");
    struct cubby__frame f;
    if (got < (int64_t)total || cubby__frame_decode(p, total, &seed, place->off, &f) != 0 || f.type != type || f.len != place->len)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__log_name(log, place->seg, name), place->off, "no frame of type %u and %u bytes here", type, place->len);
    if (cubby__payload_sum(p + header, f.len, &seed, place->off, f.commit) != f.paysum)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__log_name(log, place->seg, name), place->off, "the payload does not match its checksum");
    *payload = p + header;
    if (piece)
        *piece = f.piece;
    return 0;
}

int cubby__log_pread(struct cubby__log *log, uint32_t seg, void *p, size_t n, uint64_t off, size_t *got, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[512];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    int64_t r = log->vfs->pread(log->vfs->ctx, file, p, n, off);
    put_seg(log, seg);
    if (r < 0)
        return cubby__fail_io(err, (int)r, cubby__log_name(log, seg, name), off, "reading the segment");
    *got = (size_t)r;
    return 0;
}

int cubby__log_size(struct cubby__log *log, uint32_t seg, uint64_t *size, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    cubby_vfs_stat st;
    char name[512];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->fstat(log->vfs->ctx, file, &st);
    put_seg(log, seg);
    if (rc != 0)
        return cubby__fail_io(err, rc, cubby__log_name(log, seg, name), CUBBY__NO_OFFSET, "looking at the segment");
    *size = st.size;
    return 0;
}

int cubby__log_written(struct cubby__log *log, uint32_t seg, uint64_t least, uint64_t *end, uint64_t *size, cubby_error *err)
{
    uint8_t b[4096];
    size_t got = 0;
    int rc = cubby__log_size(log, seg, size, err);
    *end = rc == 0 ? *size : 0;
    while (rc == 0 && got == 0 && *end > least) {
        size_t n = *end - least < sizeof b ? (size_t)(*end - least) : sizeof b;
        rc = cubby__log_pread(log, seg, b, n, *end - n, &got, err);
        while (rc == 0 && got > 0 && b[got - 1] == 0)
            got--;
        *end -= rc == 0 ? n - got : 0;
    }
    return rc;
}

int cubby__log_header(struct cubby__log *log, uint32_t seg, struct cubby__seg_header *out, cubby_error *err)
{
    cubby_file *file = NULL;
    int rc = open_file(log, seg, out, &file, err);
    if (rc == 0)
        log->vfs->close(log->vfs->ctx, file);
    return rc;
}

struct listing {
    uint32_t *numbers;
    size_t count, cap;
    int rc;
};

static int list_one(void *arg, const char *name)
{
    struct listing *l = arg;
    uint32_t number = cubby__segname_parse(name);
    if (!number)
        return 0;
    uint32_t *numbers = cubby__grow(l->numbers, l->count, &l->cap, sizeof *numbers);
    if (!numbers) {
        l->rc = CUBBY_ENOMEM;
        return 1;
    }
    l->numbers = numbers;
    /* Insert in order: directories mostly list in some order already, and there are few files. */
    size_t i = l->count++;
    for (; i > 0 && l->numbers[i - 1] > number; i--)
        l->numbers[i] = l->numbers[i - 1];
    l->numbers[i] = number;
    return 0;
}

int cubby__log_list(struct cubby__log *log, uint32_t **numbers, size_t *count, cubby_error *err)
{
    struct listing l = {0};
    *numbers = NULL;
    *count = 0;
    char *path = cubby__path_join(log->dir, CUBBY__DIR_SEGMENTS);
    if (!path)
        return cubby__fail_mem(err);
    int rc = log->vfs->list(log->vfs->ctx, path, list_one, &l);
    if (l.rc != 0)
        rc = cubby__fail_mem(err);
    else if (rc == -ENOENT)
        rc = cubby__fail(err, CUBBY_ENOENT, path, CUBBY__NO_OFFSET, "the directory is missing, and with it all mail; bring it back from where it went, or "
                         "from a copy: a repair can only begin an empty store");
    else if (rc == -ENOTDIR)
        rc = cubby__fail(err, CUBBY_ECORRUPT, path, CUBBY__NO_OFFSET, "this is not a directory, and all mail was in one; move it away and bring back the "
                         "directory");
    else if (rc != 0)
        rc = cubby__fail_io(err, rc, path, CUBBY__NO_OFFSET, "listing the segments");
    cubby__free(path);
    if (rc != 0) {
        cubby__free(l.numbers);
        return rc;
    }
    *numbers = l.numbers;
    *count = l.count;
    return 0;
}

/* ---- making a segment ---- */

struct cubby__seg_maker {
    struct cubby__log *log;
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
    const cubby_vfs *vfs = m->log->vfs;
    int gone = vfs->unlink(vfs->ctx, m->tmp); /* a leftover of an interrupted attempt */
    int rc = vfs->open(vfs->ctx, m->tmp, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL, &m->file);
    if (rc == -EEXIST && gone != 0 && gone != -ENOENT) /* what keeps it there; else somebody has just made it */
        rc = gone;
    if (cubby__code_of_errno(rc) == CUBBY_ENOENT) {
        char *dir = cubby__path_join(m->log->dir, CUBBY__DIR_TMP);
        if (!dir)
            return cubby__fail_mem(err);
        int made = vfs->mkdir(vfs->ctx, dir);
        cubby__free(dir);
        rc = made != 0 && made != -EEXIST ? made : vfs->open(vfs->ctx, m->tmp, CUBBY_OPEN_WRITE | CUBBY_OPEN_CREATE | CUBBY_OPEN_EXCL, &m->file);
    }
    return rc == 0 ? 0 : cubby__fail_io(err, rc, m->tmp, CUBBY__NO_OFFSET, "making a segment");
}

/* The spare under the name in tmp/, all zeros: whatever it held. */
static int open_spare(struct cubby__seg_maker *m, const char *spare, uint64_t *size, cubby_error *err)
{
    static const uint8_t zeros[16 << 10];
    const cubby_vfs *vfs = m->log->vfs;
    cubby_vfs_stat st;
    int rc = vfs->rename(vfs->ctx, spare, m->tmp);
    if (rc == 0)
        rc = vfs->open(vfs->ctx, m->tmp, CUBBY_OPEN_WRITE, &m->file);
    if (rc != 0)
        return cubby__fail_io(err, rc, spare, CUBBY__NO_OFFSET, "making a segment");
    rc = vfs->fstat(vfs->ctx, m->file, &st);
    *size = rc == 0 ? st.size : 0;
    for (uint64_t at = 0; at < *size && rc == 0; at += sizeof zeros)
        rc = vfs->pwrite(vfs->ctx, m->file, zeros, *size - at < sizeof zeros ? (size_t)(*size - at) : sizeof zeros, at);
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
    m->header = h;
    m->off = cubby__seg_header_size(h->defs.len);
    m->tmp = cubby__path_segment_tmp(log->dir, h->number);
    m->path = cubby__path_segment(log->dir, h->number);
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
    int rc = m->log->vfs->pwrite(m->log->vfs->ctx, m->file, p, n, m->off);
    if (rc != 0)
        return cubby__fail_io(err, rc, m->tmp, m->off, "writing a segment");
    m->off += n;
    return 0;
}

int cubby__seg_make_pad(struct cubby__seg_maker *m, size_t n, cubby_error *err)
{
    static const uint8_t zeros[16 << 10];
    int rc = 0;
    for (size_t at = 0; at < n && rc == 0; at += sizeof zeros)
        rc = m->log->vfs->pwrite(m->log->vfs->ctx, m->file, zeros, n - at < sizeof zeros ? n - at : sizeof zeros, m->off + at);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, m->tmp, m->off, "writing a segment");
}

static int name_segment(struct cubby__seg_maker *m, int *named, cubby_error *err)
{
    const cubby_vfs *vfs = m->log->vfs;
    char *dir = cubby__path_join(m->log->dir, CUBBY__DIR_SEGMENTS);
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
        rc = m->log->vfs->pwrite(m->log->vfs->ctx, m->file, head.data, head.len, 0);
        rc = rc != 0 ? cubby__fail_io(err, rc, m->tmp, 0, "writing a segment") : name_segment(m, named, err);
    }
    cubby__buf_release(&head);
    if (rc != 0) {
        cubby__seg_make_abort(mp);
        return rc;
    }
    pthread_mutex_lock(&m->log->mutex);
    rc = add(m->log, m->header->number, m->header->nonce, m->file, err);
    pthread_mutex_unlock(&m->log->mutex);
    free_maker(mp);
    return rc;
}

void cubby__seg_make_abort(struct cubby__seg_maker **mp)
{
    struct cubby__seg_maker *m = *mp;
    if (!m)
        return;
    m->log->vfs->close(m->log->vfs->ctx, m->file);
    m->log->vfs->unlink(m->log->vfs->ctx, m->tmp);
    free_maker(mp);
}

/* ---- appending ---- */

int cubby__log_write(struct cubby__log *log, uint32_t seg, const void *p, size_t n, uint64_t off, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[512];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->pwrite(log->vfs->ctx, file, p, n, off);
    put_seg(log, seg);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, cubby__log_name(log, seg, name), off, "appending to the log");
}

int cubby__log_allocate(struct cubby__log *log, uint32_t seg, uint64_t off, uint64_t n, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[512];
    if (!log->vfs->allocate)
        return CUBBY_DONE;
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->allocate(log->vfs->ctx, file, off, n);
    put_seg(log, seg);
    if (rc == -EOPNOTSUPP)
        return CUBBY_DONE;
    return rc == 0 ? 0 : cubby__fail_io(err, rc, cubby__log_name(log, seg, name), off, "making room in the log");
}

int cubby__log_sync(struct cubby__log *log, uint32_t seg, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[512];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->sync(log->vfs->ctx, file);
    put_seg(log, seg);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, cubby__log_name(log, seg, name), CUBBY__NO_OFFSET, "syncing the log");
}

void cubby__log_trim(struct cubby__log *log, uint32_t seg, uint64_t end)
{
    cubby_file *file;
    uint64_t nonce;
    if (get_seg(log, seg, &file, &nonce, NULL) != 0)
        return;
    log->vfs->truncate(log->vfs->ctx, file, end);
    put_seg(log, seg);
}
