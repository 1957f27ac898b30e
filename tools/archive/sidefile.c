#include "archive/sidefile.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/source.h"
#include "cli.h"

#define FIRST_BYTES    (16u << 10)
#define LINE_MAX_BYTES (1u << 20)

struct buffer {
    int fd;
    char *p;
    size_t len, size;
    int ended;
};

/* More of the file behind what is in hand; room for a zero stays. 0 or an errno. */
static int fill(struct buffer *b)
{
    ssize_t got;
    if (b->len > LINE_MAX_BYTES)
        return EFBIG;
    if (b->len + 1 >= b->size)
        b->p = cli_realloc(b->p, b->size *= 2);
    do
        got = cli_interrupted ? (errno = EINTR, -1) : read(b->fd, b->p + b->len, b->size - b->len - 1);
    while (got < 0 && errno == EINTR && !cli_interrupted);
    if (got < 0)
        return errno;
    b->ended = got == 0;
    b->len += (size_t)got;
    return 0;
}

/* All whole lines in hand, and at the end of the file what is left. Non-zero: enough. */
static int hand_out(struct buffer *b, int (*take)(void *arg, char *line), void *arg)
{
    char *line = b->p, *end = b->p + b->len, *nl;
    int enough = 0;
    while (!enough && (nl = memchr(line, '\n', (size_t)(end - line)))) {
        *nl = 0;
        enough = take(arg, line);
        line = nl + 1;
    }
    b->len = (size_t)(end - line);
    memmove(b->p, line, b->len);
    if (enough || !b->ended || !b->len)
        return enough;
    b->p[b->len] = 0;
    return take(arg, b->p);
}

int sidefile_read(const char *path, int (*take)(void *arg, char *line), void *arg)
{
    struct buffer b = {.fd = source_open_found_fd(path), .size = FIRST_BYTES};
    int e = 0, enough = 0;
    if (b.fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : errno;
    b.p = cli_malloc(b.size);
    while (e == 0 && !enough && !b.ended)
        if ((e = fill(&b)) == 0)
            enough = hand_out(&b, take, arg);
    close(b.fd);
    free(b.p);
    return e;
}
