#include "archive/manyfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/outfile.h"
#include "archive/writer.h"
#include "cli.h"

#define PENDING_MAX 1000

static void forget(struct manyfiles *m, struct manyfiles_pending *p)
{
    m->pending_bytes -= p->size;
    free(p->temp);
    free(p->final);
    free(p->old);
}

int manyfiles_begin(struct manyfiles *m, uint64_t size, char *temp, char *final, char *old)
{
    int rc = m->count >= PENDING_MAX ? manyfiles_flush(m) : CLI_OK;
    if (m->count == m->cap) {
        m->cap = m->cap ? m->cap * 2 : 64;
        m->pending = cli_realloc(m->pending, m->cap * sizeof *m->pending);
    }
    m->pending[m->count++] = (struct manyfiles_pending){temp, final, old, size};
    m->pending_bytes += size;
    m->fd = rc == CLI_OK ? open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666) : -1;
    if (m->fd >= 0)
        return CLI_OK;
    if (rc == CLI_OK)
        rc = cli_system_error(temp);
    forget(m, &m->pending[--m->count]);
    return rc;
}

int manyfiles_write(struct manyfiles *m, const void *data, size_t n)
{
    for (const char *p = data; n;) {
        ssize_t put = write(m->fd, p, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return cli_system_error(m->pending[m->count - 1].final);
        p += put;
        n -= (size_t)put;
    }
    return CLI_OK;
}

int manyfiles_end(struct manyfiles *m, int64_t mtime)
{
    const struct timespec times[2] = {{(time_t)mtime, 0}, {(time_t)mtime, 0}};
    (void)futimens(m->fd, times); /* a time that cannot be told is no reason to lose the message */
    int rc = close(m->fd);
    m->fd = -1;
    if (rc != 0) {
        rc = cli_system_error(m->pending[m->count - 1].final);
        manyfiles_cancel(m);
    }
    return rc;
}

void manyfiles_cancel(struct manyfiles *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
    if (!m->count)
        return;
    unlink(m->pending[m->count - 1].temp);
    forget(m, &m->pending[--m->count]);
}

/* ---- names --------------------------------------------------------------------------------------------------------------------------- */

/* Everything on the file system of a file, so that a thousand files cost one wait. */
static int sync_all(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd >= 0 && syncfs(fd) == 0 ? CLI_OK : cli_system_error(path);
    if (fd >= 0)
        close(fd);
    return rc;
}

static int give_name(struct manyfiles *m, struct manyfiles_pending *p)
{
    if (outfile_rename(p->temp, p->final, m->replace) != 0)
        return cli_system_error(p->final);
    if (p->old && strcmp(p->old, p->final) != 0)
        unlink(p->old);
    m->named++;
    return CLI_OK;
}

int manyfiles_flush(struct manyfiles *m)
{
    size_t done = 0;
    int rc = m->count ? sync_all(m->pending[0].temp) : CLI_OK;
    while (rc == CLI_OK && done < m->count) {
        rc = give_name(m, &m->pending[done]);
        done += rc == CLI_OK;
    }
    if (rc == CLI_OK && done)
        rc = sync_all(m->pending[done - 1].final);
    for (size_t i = 0; i < done; i++)
        forget(m, &m->pending[i]);
    if (done)
        memmove(m->pending, m->pending + done, (m->count - done) * sizeof *m->pending);
    m->count -= done;
    return rc;
}

void manyfiles_count(const struct manyfiles *m, struct writer *w)
{
    w->files = m->named;
    w->open_messages = m->count - (m->fd >= 0);
    w->open_bytes = m->pending_bytes - (m->fd >= 0 ? m->pending[m->count - 1].size : 0);
}

void manyfiles_release(struct manyfiles *m)
{
    while (m->count)
        manyfiles_cancel(m);
    free(m->pending);
    *m = (struct manyfiles)MANYFILES_INIT(0);
}
