#include "log/log.h"

#include <errno.h>
#include <pthread.h>

#include "base/alloc.h"
#include "base/error.h"
#include "log/segname.h"

/* No file has a frame behind this: it would end behind 2^63. What says otherwise is forged; asked for it, an operating system takes the question for wrong. */
#define OFFSET_MAX ((uint64_t)INT64_MAX - CUBBY__FRAME_LEN_MAX - CUBBY__PIECE_FRAME_SIZE)

enum { OPEN_MAX = 128 }; /* open segment files kept; beyond that the one used longest ago is closed */

struct seg {
    uint32_t number;
    uint32_t users; /* reads under way */
    int forgotten;  /* the last user closes it */
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

const cubby_vfs *cubby__log_vfs(const struct cubby__log *log)
{
    return log->vfs;
}

const char *cubby__log_dir(const struct cubby__log *log)
{
    return log->dir;
}

/* ---- the table of open segments ---- */

static struct seg *find(struct cubby__log *log, uint32_t number)
{
    for (size_t i = 0; i < log->count; i++)
        if (log->segs[i].number == number && !log->segs[i].forgotten)
            return &log->segs[i];
    return NULL;
}

static void close_seg(struct cubby__log *log, struct seg *s)
{
    log->vfs->close(log->vfs->ctx, s->file);
    *s = log->segs[--log->count];
}

/* Never the last segment: what was written there and not synced yet may never come to the disk, and only a descriptor that was open then is sure to hear of
 * it. (All before it have been synced: FORMAT.md 8, C6.) And no commit is to need another one. */
static void close_oldest(struct cubby__log *log)
{
    struct seg *oldest = NULL;
    uint32_t last = 0;
    for (size_t i = 0; i < log->count; i++)
        last = log->segs[i].number > last ? log->segs[i].number : last;
    for (size_t i = 0; i < log->count; i++)
        if (!log->segs[i].users && log->segs[i].number != last && (!oldest || log->segs[i].used < oldest->used))
            oldest = &log->segs[i];
    if (oldest)
        close_seg(log, oldest);
}

static void forget(struct cubby__log *log, struct seg *s)
{
    if (s->users)
        s->forgotten = 1;
    else
        close_seg(log, s);
}

static int open_file(struct cubby__log *log, uint32_t number, struct cubby__seg_header *h, cubby_file **file, cubby_error *err)
{
    char *path = cubby__path_segment(log->dir, number);
    if (!path)
        return cubby__fail_mem(err);
    int rc = log->vfs->open(log->vfs->ctx, path, log->writable ? CUBBY_OPEN_WRITE : CUBBY_OPEN_READ, file);
    if (rc == -EINVAL) {
        rc = cubby__fail(err, CUBBY_ECORRUPT, path, CUBBY__NO_OFFSET, "this segment is not a regular file: if there was one, bring it back before a repair");
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

static void put_seg(struct cubby__log *log, const cubby_file *file)
{
    pthread_mutex_lock(&log->mutex);
    struct seg *s = log->segs;
    while (s->file != file)
        s++;
    if (--s->users == 0 && s->forgotten)
        close_seg(log, s);
    pthread_mutex_unlock(&log->mutex);
}

void cubby__log_forget(struct cubby__log *log)
{
    pthread_mutex_lock(&log->mutex);
    for (size_t i = log->count; i-- > 0;)
        forget(log, &log->segs[i]);
    pthread_mutex_unlock(&log->mutex);
}

/* Has another file its name now? Then that one is opened the next time. */
static int forget_replaced(struct cubby__log *log, uint32_t number)
{
    cubby_vfs_stat named, ours;
    char *path = cubby__path_segment(log->dir, number);
    int replaced = 0;
    pthread_mutex_lock(&log->mutex);
    struct seg *s = path ? find(log, number) : NULL;
    if (s && log->vfs->stat(log->vfs->ctx, path, &named) == 0 && log->vfs->fstat(log->vfs->ctx, s->file, &ours) == 0)
        replaced = named.inode != ours.inode;
    if (replaced)
        forget(log, s);
    pthread_mutex_unlock(&log->mutex);
    cubby__free(path);
    return replaced;
}

/* ---- reading ---- */

static int read_frame(struct cubby__log *log, const struct cubby__place *place, uint8_t type, struct cubby__buf *buf, const uint8_t **payload,
                      struct cubby__piece *piece, cubby_error *err)
{
    cubby_file *file;
    struct cubby__seed seed = {log->ident.salt, 0};
    cubby_error e;
    char name[CUBBY__SEGNAME_MAX];
    size_t header = cubby__frame_header_size(type), total = header + place->len;
    if (place->len > CUBBY__FRAME_LEN_MAX || place->off % CUBBY__FRAME_ALIGN || place->off > OFFSET_MAX)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__segname(place->seg, name), place->off, "the index names an impossible place");
    int rc = get_seg(log, place->seg, &file, &seed.nonce, &e);
    if (rc == CUBBY_ENOENT || rc == CUBBY_ECORRUPT)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__segname(place->seg, name), place->off, "%s",
                           rc == CUBBY_ENOENT ? "the segment is missing" : e.message);
    if (rc != 0 && err)
        *err = e;
    if (rc != 0)
        return rc;
    cubby__buf_clear(buf);
    uint8_t *p = cubby__buf_extend(buf, total);
    int64_t got = p ? log->vfs->pread(log->vfs->ctx, file, p, total, place->off) : 0;
    put_seg(log, file);
    if (!p)
        return cubby__fail_mem(err);
    if (got < 0)
        return cubby__fail_io(err, (int)got, cubby__segname(place->seg, name), place->off, "reading a frame");
    struct cubby__frame f;
    if (got < (int64_t)total || cubby__frame_decode(p, total, &seed, place->off, &f) != 0 || f.type != type || f.len != place->len)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__segname(place->seg, name), place->off, "no frame of type %u and %u bytes here", type, place->len);
    if (cubby__payload_sum(p + header, f.len, &seed, place->off, f.commit) != f.paysum)
        return cubby__fail(err, CUBBY_ECORRUPT, cubby__segname(place->seg, name), place->off, "the payload does not match its checksum");
    *payload = p + header;
    if (piece)
        *piece = f.piece;
    return 0;
}

int cubby__log_read(struct cubby__log *log, const struct cubby__place *place, uint8_t type, struct cubby__buf *buf, const uint8_t **payload,
                    struct cubby__piece *piece, cubby_error *err)
{
    int rc = read_frame(log, place, type, buf, payload, piece, err);
    if (rc == CUBBY_ECORRUPT && forget_replaced(log, place->seg))
        rc = read_frame(log, place, type, buf, payload, piece, err);
    return rc;
}

int cubby__log_pread(struct cubby__log *log, uint32_t seg, void *p, size_t n, uint64_t off, size_t *got, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[CUBBY__SEGNAME_MAX];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    int64_t r = off > OFFSET_MAX ? 0 : log->vfs->pread(log->vfs->ctx, file, p, n, off);
    put_seg(log, file);
    if (r < 0)
        return cubby__fail_io(err, (int)r, cubby__segname(seg, name), off, "reading the segment");
    *got = (size_t)r;
    return 0;
}

int cubby__log_size(struct cubby__log *log, uint32_t seg, uint64_t *size, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    cubby_vfs_stat st;
    char name[CUBBY__SEGNAME_MAX];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->fstat(log->vfs->ctx, file, &st);
    put_seg(log, file);
    if (rc != 0)
        return cubby__fail_io(err, rc, cubby__segname(seg, name), CUBBY__NO_OFFSET, "looking at the segment");
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

/* ---- appending ---- */

int cubby__log_take(struct cubby__log *log, uint32_t seg, uint64_t nonce, cubby_file *file, cubby_error *err)
{
    pthread_mutex_lock(&log->mutex);
    int rc = add(log, seg, nonce, file, err);
    pthread_mutex_unlock(&log->mutex);
    return rc;
}

int cubby__log_write(struct cubby__log *log, uint32_t seg, const void *p, size_t n, uint64_t off, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[CUBBY__SEGNAME_MAX];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->pwrite(log->vfs->ctx, file, p, n, off);
    put_seg(log, file);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, cubby__segname(seg, name), off, "appending to the log");
}

int cubby__log_allocate(struct cubby__log *log, uint32_t seg, uint64_t off, uint64_t n, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[CUBBY__SEGNAME_MAX];
    if (!log->vfs->allocate)
        return CUBBY_DONE;
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->allocate(log->vfs->ctx, file, off, n);
    put_seg(log, file);
    if (rc == -EOPNOTSUPP)
        return CUBBY_DONE;
    return rc == 0 ? 0 : cubby__fail_io(err, rc, cubby__segname(seg, name), off, "making room in the log");
}

int cubby__log_sync(struct cubby__log *log, uint32_t seg, cubby_error *err)
{
    cubby_file *file;
    uint64_t nonce;
    char name[CUBBY__SEGNAME_MAX];
    int rc = get_seg(log, seg, &file, &nonce, err);
    if (rc != 0)
        return rc;
    rc = log->vfs->sync(log->vfs->ctx, file);
    put_seg(log, file);
    return rc == 0 ? 0 : cubby__fail_io(err, rc, cubby__segname(seg, name), CUBBY__NO_OFFSET, "syncing the log");
}

void cubby__log_trim(struct cubby__log *log, uint32_t seg, uint64_t end)
{
    cubby_file *file;
    uint64_t nonce;
    if (get_seg(log, seg, &file, &nonce, NULL) != 0)
        return;
    log->vfs->truncate(log->vfs->ctx, file, end);
    put_seg(log, file);
}
