#include "archive/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

#define BUFFER (256u << 10)
#define TRIES  100u

static struct {
    dev_t device;
    ino_t file;
    int set;
} kept_out;

void outfile_keep_out(const char *directory)
{
    struct stat st;
    kept_out.set = stat(directory, &st) == 0;
    if (!kept_out.set)
        return;
    kept_out.device = st.st_dev;
    kept_out.file = st.st_ino;
}

static int may_use(const char *path, const struct stat *st)
{
    if (!kept_out.set || st->st_dev != kept_out.device || st->st_ino != kept_out.file)
        return CLI_OK;
    cli_error("%s: is the store itself", path);
    cli_hint("name another destination: one that the store does not lie in");
    return CLI_FAIL;
}

int outfile_make_directory(const char *path)
{
    struct stat st;
    if (mkdir(path, 0777) == 0)
        return CLI_OK;
    if (errno == EEXIST && lstat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return may_use(path, &st);
    if (errno == EEXIST) {
        cli_error("%s: is in the way: not a directory", path);
        return CLI_FAIL;
    }
    return cli_system_error(path);
}

/* The directory of a path, with the slash; "" is the working one. */
static int dir_len(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

static int open_dir(const char *path, int flags)
{
    char *dir = cli_printf("%.*s.", dir_len(path), path);
    int fd = open(dir, flags | O_CLOEXEC, 0600);
    free(dir);
    return fd;
}

/* Where a file without a name can get one from. */
static char *proc_name(int fd)
{
    return cli_printf("/proc/self/fd/%d", fd);
}

static int may_get_a_name(int fd)
{
    char *name = proc_name(fd);
    int rc = access(name, F_OK);
    free(name);
    return rc == 0;
}

int outfile_make(const char *path, char **temp)
{
    *temp = NULL;
    int fd = open_dir(path, O_TMPFILE | O_RDWR);
    if (fd >= 0 && may_get_a_name(fd))
        return fd;
    if (fd >= 0)
        close(fd);
    *temp = cli_printf("%.*s.cubby-XXXXXX", dir_len(path), path);
    fd = mkostemp(*temp, O_CLOEXEC);
    if (fd < 0) {
        free(*temp);
        *temp = NULL;
    }
    return fd;
}

int outfile_open(struct outfile *f, const char *path)
{
    *f = (struct outfile)OUTFILE_INIT;
    f->seekable = strcmp(path, "-") != 0;
    f->fd = f->seekable ? outfile_make(path, &f->temp) : STDOUT_FILENO;
    if (f->fd < 0)
        return cli_system_error(path);
    f->path = cli_strdup(path);
    f->buf = cli_malloc(BUFFER);
    return CLI_OK;
}

static int write_all(struct outfile *f, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t put = write(f->fd, p, n);
        if (put < 0 && errno == EINTR && cli_interrupted != SIGPIPE)
            continue;
        if (put < 0)
            return -1;
        p += put;
        n -= (size_t)put;
        f->offset += (uint64_t)put;
    }
    return 0;
}

static int flush(struct outfile *f)
{
    size_t n = f->len;
    f->len = 0;
    return write_all(f, f->buf, n);
}

int outfile_write(void *outfile, const void *p, size_t n)
{
    struct outfile *f = outfile;
    if (n > BUFFER - f->len && flush(f) != 0)
        return -1;
    if (n >= BUFFER)
        return write_all(f, p, n);
    memcpy(f->buf + f->len, p, n);
    f->len += n;
    return 0;
}

int outfile_pass_on(struct outfile *f)
{
    return f->seekable ? 0 : flush(f);
}

uint64_t outfile_tell(const struct outfile *f)
{
    return f->offset + f->len;
}

int outfile_cut(struct outfile *f, uint64_t offset)
{
    if (offset >= f->offset) {
        f->len = (size_t)(offset - f->offset);
        return 0;
    }
    if (!f->seekable || ftruncate(f->fd, (off_t)offset) != 0 || lseek(f->fd, (off_t)offset, SEEK_SET) < 0)
        return -1;
    f->offset = offset;
    f->len = 0;
    return 0;
}

/* Where p's n bytes at an offset go on after a system call; 0: at the end, 1: once more. */
static int moved(ssize_t done, uint8_t **p, size_t *n, uint64_t *offset)
{
    if (done < 0 && errno == EINTR)
        return 1;
    if (done <= 0) {
        errno = done < 0 ? errno : EIO;
        return -1;
    }
    *p += done;
    *n -= (size_t)done;
    *offset += (uint64_t)done;
    return *n > 0;
}

int outfile_read(struct outfile *f, uint64_t offset, void *p, size_t n)
{
    uint8_t *to = p;
    int more = f->seekable && flush(f) == 0 ? n > 0 : -1;
    while (more == 1)
        more = moved(pread(f->fd, to, n, (off_t)offset), &to, &n, &offset);
    return more;
}

int outfile_patch(struct outfile *f, uint64_t offset, const void *p, size_t n)
{
    uint8_t *from = (uint8_t *)(uintptr_t)p; /* only read */
    int more = f->seekable && flush(f) == 0 ? n > 0 : -1;
    while (more == 1)
        more = moved(pwrite(f->fd, from, n, (off_t)offset), &from, &n, &offset);
    return more;
}

int outfile_rename(const char *from, const char *to, int replace)
{
    int rc = replace ? rename(from, to) : renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    if (rc != 0 && !replace && errno == EINVAL) /* a file system that cannot: a hard link does not replace either */
        rc = link(from, to) == 0 ? unlink(from) : -1;
    return rc;
}

static int link_to(struct outfile *f, const char *path)
{
    char *name = proc_name(f->fd);
    int rc = linkat(AT_FDCWD, name, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
    free(name);
    return rc;
}

static int name_for_now(struct outfile *f)
{
    for (unsigned i = 0; i < TRIES; i++) {
        f->temp = cli_printf("%.*s.cubby-%d-%u", dir_len(f->path), f->path, (int)getpid(), i);
        if (link_to(f, f->temp) == 0)
            return 0;
        free(f->temp);
        f->temp = NULL;
        if (errno != EEXIST)
            break;
    }
    return -1;
}

/* A link replaces nothing: a name that is taken is taken over by a rename. */
static int give_name(struct outfile *f, int replace)
{
    if (!f->temp && link_to(f, f->path) == 0)
        return 0;
    if (!f->temp && (errno != EEXIST || !replace || name_for_now(f) != 0))
        return -1;
    if (outfile_rename(f->temp, f->path, replace) != 0)
        return -1;
    free(f->temp);
    f->temp = NULL;
    return 0;
}

/* Some file systems sync no directory, and say EINVAL. */
static int sync_dir(const char *path)
{
    int fd = open_dir(path, O_RDONLY | O_DIRECTORY);
    int rc = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL) ? 0 : -1;
    if (fd >= 0)
        close(fd);
    return rc;
}

int outfile_commit(struct outfile *f, int replace)
{
    if (flush(f) != 0)
        return cli_system_error(f->path);
    if (f->seekable && (fdatasync(f->fd) != 0 || give_name(f, replace) != 0 || sync_dir(f->path) != 0))
        return cli_system_error(f->path);
    return CLI_OK;
}

void outfile_release(struct outfile *f)
{
    if (f->temp)
        unlink(f->temp);
    if (f->fd >= 0 && f->fd != STDOUT_FILENO)
        close(f->fd);
    free(f->temp);
    free(f->path);
    free(f->buf);
    *f = (struct outfile)OUTFILE_INIT;
}
