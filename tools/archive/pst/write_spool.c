/* Spools: records that are wanted again at the end, in memory while they are few, then in a file without a name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/outfile.h"
#include "archive/pst/write_ndb.h"
#include "cli.h"

#define SPOOL_BUFFER (256u << 10)

void spool_init(struct spool *s, size_t record_size)
{
    *s = (struct spool){-1, NULL, 0, record_size, 0};
}

/* Nobody needs its name. */
static int make_file(const char *near)
{
    char *temp;
    int fd = outfile_make(near, &temp);
    if (temp)
        unlink(temp);
    free(temp);
    return fd;
}

static int put_all(int fd, const uint8_t *p, size_t n, uint64_t at)
{
    while (n) {
        ssize_t put = pwrite(fd, p, n, (off_t)at);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return errno;
        p += put;
        n -= (size_t)put;
        at += (uint64_t)put;
    }
    return 0;
}

/* Bytes that are in the file. */
static uint64_t filed(const struct spool *s)
{
    return s->count * s->size - s->len;
}

int spool_add(struct spool *s, const char *near, const void *record)
{
    if (!s->buf)
        s->buf = cli_malloc(SPOOL_BUFFER);
    if (s->len + s->size > SPOOL_BUFFER) {
        if (s->fd < 0 && (s->fd = make_file(near)) < 0)
            return errno;
        int rc = put_all(s->fd, s->buf, s->len, filed(s));
        if (rc != 0)
            return rc;
        s->len = 0;
    }
    memcpy(s->buf + s->len, record, s->size);
    s->len += s->size;
    s->count++;
    return 0;
}

static int64_t read_file(const struct spool *s, uint64_t at, uint8_t *out, size_t n)
{
    size_t have = 0;
    while (have < n) {
        ssize_t got = pread(s->fd, out + have, n - have, (off_t)(at + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        have += (size_t)got;
    }
    return (int64_t)n;
}

int64_t spool_read(struct spool *s, uint64_t first, void *out, size_t most)
{
    if (first >= s->count)
        return 0;
    if (most > s->count - first)
        most = (size_t)(s->count - first);
    uint64_t at = first * s->size, end = at + most * s->size, split = filed(s);
    size_t from_file = at >= split ? 0 : (size_t)((end < split ? end : split) - at);
    if (from_file && read_file(s, at, out, from_file) < 0)
        return -1;
    if (end > split)
        memcpy((uint8_t *)out + from_file, s->buf + (at + from_file - split), (size_t)(end - at) - from_file);
    return (int64_t)most;
}

int spool_cut(struct spool *s, uint64_t count)
{
    uint64_t split = filed(s), end = count * s->size;
    if (count >= s->count)
        return 0;
    if (end >= split) {
        s->len = (size_t)(end - split);
    } else { /* back into memory, as much as fits there */
        size_t n = (size_t)(end % (SPOOL_BUFFER / s->size * s->size));
        if (n && read_file(s, end - n, s->buf, n) < 0)
            return EIO;
        s->len = n;
    }
    s->count = count;
    return 0;
}

void spool_free(struct spool *s)
{
    if (s->fd >= 0)
        close(s->fd);
    free(s->buf);
    spool_init(s, s->size);
}
