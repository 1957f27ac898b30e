#include "archive/source.h"

#include <bzlib.h>
#include <errno.h>
#include <fcntl.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "cli.h"

#define IN_BYTES (256 * 1024)
#define XZ_MEMORY (256u * 1024 * 1024)

/* One codec: runs over the input buffer. Each run takes input and gives output where it can. */
struct codec {
    const char *name;
    uint8_t magic[6];
    size_t magic_len;
    int (*begin)(struct source *s);
    /* Output bytes, or -1. Sets s->between where a stream ended and another may begin. */
    int64_t (*run)(struct source *s, uint8_t *out, size_t n);
    void (*end)(struct source *s);
};

struct source {
    int fd, eof, failed, seekable, started;
    int between; /* a compressed stream has ended */
    const struct codec *codec; /* NULL: plain */
    uint8_t *in;
    size_t pos, len;
    uint64_t taken, size;
    int regular;          /* then `opened` is what the file was, and `at` where it is read */
    struct stat opened;
    uint64_t at;
    union {
        z_stream z;
        lzma_stream xz;
        bz_stream bz;
        ZSTD_DStream *zstd;
    } u;
    char error[160];
};

static int64_t fail(struct source *s, const char *what)
{
    s->failed = 1;
    snprintf(s->error, sizeof s->error, "%s", what);
    return -1;
}

static int64_t fail_data(struct source *s, const char *what)
{
    s->failed = 1;
    snprintf(s->error, sizeof s->error, "%s data %s at byte %llu of the file", s->codec->name, what,
             (unsigned long long)(s->taken - (s->len - s->pos)));
    return -1;
}

/* ---- the codecs -------------------------------------------------------------------------------------------------------------------- */

static int gzip_begin(struct source *s)
{
    memset(&s->u.z, 0, sizeof s->u.z);
    return inflateInit2(&s->u.z, 15 + 16) == Z_OK;
}

static int64_t gzip_run(struct source *s, uint8_t *out, size_t n)
{
    z_stream *z = &s->u.z;
    z->next_in = s->in + s->pos;
    z->avail_in = (uInt)(s->len - s->pos);
    z->next_out = out;
    z->avail_out = (uInt)n;
    int rc = inflate(z, Z_NO_FLUSH);
    s->pos = s->len - z->avail_in;
    if (rc == Z_STREAM_END)
        s->between = 1;
    else if (rc != Z_OK && rc != Z_BUF_ERROR)
        return fail_data(s, "is damaged");
    return (int64_t)(n - z->avail_out);
}

static void gzip_end(struct source *s)
{
    inflateEnd(&s->u.z);
}

static int xz_begin(struct source *s)
{
    s->u.xz = (lzma_stream)LZMA_STREAM_INIT;
    return lzma_stream_decoder(&s->u.xz, XZ_MEMORY, 0) == LZMA_OK;
}

static int64_t xz_run(struct source *s, uint8_t *out, size_t n)
{
    lzma_stream *x = &s->u.xz;
    x->next_in = s->in + s->pos;
    x->avail_in = s->len - s->pos;
    x->next_out = out;
    x->avail_out = n;
    lzma_ret rc = lzma_code(x, LZMA_RUN);
    s->pos = s->len - x->avail_in;
    if (rc == LZMA_STREAM_END)
        s->between = 1;
    else if (rc == LZMA_MEMLIMIT_ERROR)
        return fail_data(s, "needs more than 256 MiB of memory");
    else if (rc != LZMA_OK && rc != LZMA_BUF_ERROR)
        return fail_data(s, "is damaged");
    return (int64_t)(n - x->avail_out);
}

static void xz_end(struct source *s)
{
    lzma_end(&s->u.xz);
}

static int bzip2_begin(struct source *s)
{
    memset(&s->u.bz, 0, sizeof s->u.bz);
    return BZ2_bzDecompressInit(&s->u.bz, 0, 0) == BZ_OK;
}

static int64_t bzip2_run(struct source *s, uint8_t *out, size_t n)
{
    bz_stream *b = &s->u.bz;
    b->next_in = (char *)s->in + s->pos;
    b->avail_in = (unsigned)(s->len - s->pos);
    b->next_out = (char *)out;
    b->avail_out = (unsigned)n;
    int rc = BZ2_bzDecompress(b);
    s->pos = s->len - b->avail_in;
    if (rc == BZ_STREAM_END)
        s->between = 1;
    else if (rc != BZ_OK)
        return fail_data(s, "is damaged");
    return (int64_t)(n - b->avail_out);
}

static void bzip2_end(struct source *s)
{
    BZ2_bzDecompressEnd(&s->u.bz);
}

static int zstd_begin(struct source *s)
{
    s->u.zstd = ZSTD_createDStream();
    return s->u.zstd != NULL;
}

static int64_t zstd_run(struct source *s, uint8_t *out, size_t n)
{
    ZSTD_inBuffer in = {s->in, s->len, s->pos};
    ZSTD_outBuffer o = {out, n, 0};
    size_t rc = ZSTD_decompressStream(s->u.zstd, &o, &in);
    s->pos = in.pos;
    if (ZSTD_isError(rc))
        return fail_data(s, "is damaged");
    s->between = rc == 0;
    return (int64_t)o.pos;
}

static void zstd_end(struct source *s)
{
    ZSTD_freeDStream(s->u.zstd);
}

static const struct codec codecs[] = {
    {"gzip", {0x1f, 0x8b, 0x08}, 3, gzip_begin, gzip_run, gzip_end},
    {"xz", {0xfd, '7', 'z', 'X', 'Z', 0x00}, 6, xz_begin, xz_run, xz_end},
    {"bzip2", {'B', 'Z', 'h'}, 3, bzip2_begin, bzip2_run, bzip2_end},
    {"zstd", {0x28, 0xb5, 0x2f, 0xfd}, 4, zstd_begin, zstd_run, zstd_end},
};

/* ---- reading ------------------------------------------------------------------------------------------------------------------------- */

/* link: what lstat says of the path, st: the file that it leads to. 0 or an errno. */
static int refused(const struct stat *link, const struct stat *st)
{
    if (S_ISLNK(link->st_mode) ? link->st_uid != 0 && link->st_uid != geteuid() && link->st_uid != st->st_uid
                               : link->st_dev != st->st_dev || link->st_ino != st->st_ino)
        return EPERM;
    return S_ISDIR(st->st_mode) ? EISDIR : S_ISREG(st->st_mode) ? 0 : ENXIO;
}

int source_check_found(const char *path)
{
    struct stat link, st;
    if (lstat(path, &link) != 0 || stat(path, &st) != 0)
        return -1;
    errno = refused(&link, &st);
    return errno ? -1 : 0;
}

const char *source_strerror(int code)
{
    return code == EPERM   ? "a link to somebody else's file, which is not followed"
           : code == ENXIO ? "not a regular file"
           : code == ELOOP ? "too many links, or directories within one another"
                           : strerror(code);
}

static struct source *new_source(int fd);

int source_open_found_fd(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* does not wait at a pipe */
    struct stat link, st;
    if (fd < 0)
        return -1;
    int e = lstat(path, &link) != 0 || fstat(fd, &st) != 0 ? errno : refused(&link, &st);
    if (e == 0)
        return fd;
    close(fd);
    errno = e;
    return -1;
}

struct source *source_open_found(const char *path)
{
    int fd = source_open_found_fd(path);
    return fd < 0 ? NULL : new_source(fd);
}

struct source *source_open(const char *path)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? NULL : new_source(fd);
}

/* fd is closed with it, or at once if that fails. */
static struct source *new_source(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
        int e = S_ISDIR(st.st_mode) ? EISDIR : errno;
        close(fd);
        errno = e;
        return NULL;
    }
    struct source *s = cli_malloc(sizeof *s);
    memset(s, 0, sizeof *s);
    s->fd = fd;
    off_t at = S_ISREG(st.st_mode) ? lseek(fd, 0, SEEK_CUR) : -1;
    s->regular = at >= 0 && st.st_size > 0; /* a file of no size may be one that the kernel makes up */
    s->opened = st;
    s->at = at > 0 ? (uint64_t)at : 0;
    s->seekable = at == 0; /* a standard input that others read before is a stream like a pipe */
    s->size = s->seekable ? (uint64_t)st.st_size : 0;
    if (s->seekable)
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    return s;
}

void source_close(struct source **s)
{
    if (!*s)
        return;
    if ((*s)->codec)
        (*s)->codec->end(*s);
    close((*s)->fd);
    free((*s)->in);
    free(*s);
    *s = NULL;
}

/* At the end: what another program cut off, wrote on or wrote anew meanwhile is not to be taken for whole. */
static int64_t end_of_file(struct source *s)
{
    struct stat now;
    if (s->regular && fstat(s->fd, &now) != 0)
        return fail(s, strerror(errno));
    if (s->regular && s->at < (uint64_t)s->opened.st_size)
        return fail(s, "the file became shorter while it was read");
    if (s->regular && (now.st_size != s->opened.st_size || now.st_mtim.tv_sec != s->opened.st_mtim.tv_sec ||
                       now.st_mtim.tv_nsec != s->opened.st_mtim.tv_nsec))
        return fail(s, "the file was changed while it was read");
    s->eof = 1;
    return 0;
}

/* Of a regular file what it held when it was opened: what is written behind that may be half a message. */
static int64_t read_file(struct source *s, void *buf, size_t n)
{
    uint64_t left = !s->regular ? UINT64_MAX : s->at < (uint64_t)s->opened.st_size ? (uint64_t)s->opened.st_size - s->at : 0;
    ssize_t got;
    do
        got = left ? read(s->fd, buf, n < left ? n : (size_t)left) : 0;
    while (got < 0 && errno == EINTR && !cli_interrupted);
    if (got < 0)
        return fail(s, strerror(errno));
    if (got == 0)
        return end_of_file(s);
    s->taken += (uint64_t)got;
    s->at += (uint64_t)got;
    return got;
}

static int fill(struct source *s)
{
    memmove(s->in, s->in + s->pos, s->len - s->pos);
    s->len -= s->pos;
    s->pos = 0;
    int64_t got = read_file(s, s->in + s->len, IN_BYTES - s->len);
    if (got > 0)
        s->len += (size_t)got;
    return got < 0 ? -1 : 0;
}

static const struct codec *known_magic(const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++)
        if (n >= codecs[i].magic_len && memcmp(p, codecs[i].magic, codecs[i].magic_len) == 0)
            return &codecs[i];
    return NULL;
}

/* Looks at the first bytes. A plain file then hands out these and is read directly. */
static int start(struct source *s)
{
    s->started = 1;
    s->in = cli_malloc(IN_BYTES);
    while (s->len < 6 && !s->eof)
        if (fill(s) != 0)
            return -1;
    s->codec = known_magic(s->in, s->len);
    if (!s->codec)
        return 0;
    s->seekable = 0;
    if (s->codec->begin(s))
        return 0;
    s->codec = NULL;
    return (int)fail(s, "out of memory");
}

/* Behind the end of a stream: another one, zeros that pad the file, or its end. 1: go on, 0: the end. */
static int next_stream(struct source *s)
{
    for (;;) {
        while (s->pos < s->len && s->in[s->pos] == 0)
            s->pos++;
        if (s->len - s->pos >= 6 || s->eof)
            break;
        if (fill(s) != 0)
            return -1;
    }
    if (s->pos == s->len)
        return 0;
    if (known_magic(s->in + s->pos, s->len - s->pos) != s->codec)
        return (int)fail_data(s, "is followed by something else");
    s->codec->end(s);
    s->between = 0;
    if (s->codec->begin(s))
        return 1;
    s->codec = NULL;
    return (int)fail(s, "out of memory");
}

static int64_t read_plain(struct source *s, void *buf, size_t n)
{
    if (s->pos == s->len)
        return s->eof ? 0 : read_file(s, buf, n);
    size_t k = s->len - s->pos < n ? s->len - s->pos : n;
    memcpy(buf, s->in + s->pos, k);
    s->pos += k;
    return (int64_t)k;
}

int64_t source_read(struct source *s, void *buf, size_t n)
{
    if (s->failed || (!s->started && start(s) != 0))
        return -1;
    if (!s->codec)
        return read_plain(s, buf, n);
    for (;;) {
        if (s->between) {
            int more = next_stream(s);
            if (more <= 0)
                return more;
        }
        size_t before = s->pos;
        int64_t got = s->codec->run(s, buf, n);
        if (got != 0)
            return got;
        if (s->between || s->pos != before)
            continue;
        if (s->eof)
            return fail_data(s, "ends too early");
        if (fill(s) != 0)
            return -1;
    }
}

const char *source_error(const struct source *s)
{
    return s->error;
}

uint64_t source_taken(const struct source *s)
{
    return s->taken;
}

uint64_t source_size(const struct source *s)
{
    return s->size;
}

const char *source_compression(const struct source *s)
{
    return s->codec ? s->codec->name : "";
}

int source_seekable(const struct source *s)
{
    return s->seekable;
}

int64_t source_peek(struct source *s, uint64_t offset, void *buf, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(s->fd, (char *)buf + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (int64_t)done;
}

int source_seek(struct source *s, uint64_t offset)
{
    if (!s->seekable || lseek(s->fd, (off_t)offset, SEEK_SET) < 0)
        return -1;
    s->pos = s->len = 0;
    s->at = offset;
    s->eof = 0;
    s->started = 1;
    return 0;
}
