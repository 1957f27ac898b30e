/* fold_case.c - for LD_PRELOAD: below the directory FOLD_DIR file names are found in any case, as on many file systems, and keep the case they were
 * made in; with FOLD_WINDOWS set, names that Windows does not take are refused. */
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/* Finds `name` in `dir` in any case; `name` itself if there is none. */
static void find(const char *dir, const char *name, char *out)
{
    DIR *d = NEXT(opendir)(dir);
    strcpy(out, name);
    for (struct dirent *e; d && (e = readdir(d));)
        if (strcasecmp(e->d_name, name) == 0)
            strcpy(out, e->d_name);
    if (d)
        closedir(d);
}

static int is_refused(const char *name)
{
    size_t n = strlen(name);
    return getenv("FOLD_WINDOWS") && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 &&
           (strpbrk(name, "<>:\"\\|?*") || name[n - 1] == '.' || name[n - 1] == ' ');
}

/* The path that is really meant; NULL: it cannot be, errno is set. */
static const char *meant(const char *path, char *out)
{
    const char *root = getenv("FOLD_DIR");
    size_t n = root ? strlen(root) : 0;
    if (!root || strncmp(path, root, n) != 0 || path[n] != '/')
        return path;
    memcpy(out, root, n + 1);
    for (const char *p = path + n; *p;) {
        char name[NAME_MAX + 1], real[NAME_MAX + 1];
        size_t len = strcspn(++p, "/");
        snprintf(name, sizeof name, "%.*s", (int)len, p);
        if (len && is_refused(name)) {
            errno = EINVAL;
            return NULL;
        }
        out[n] = 0;
        find(out, name, real);
        n += (size_t)sprintf(out + n, "/%s", real);
        p += len;
    }
    return out;
}

#define WITH(path, call)                          \
    char buf_[PATH_MAX + NAME_MAX];               \
    const char *at = meant(path, buf_);           \
    return at ? call : -1

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    int mode = va_arg(args, int);
    va_end(args);
    WITH(path, NEXT(open)(at, flags, mode));
}

int mkostemp(char *path, int flags)
{
    char buf[PATH_MAX + NAME_MAX];
    const char *at = meant(path, buf);
    int fd = at ? NEXT(mkostemp)((char *)(size_t)at, flags) : -1;
    if (fd >= 0 && at != path)
        strcpy(path + strlen(path) - 6, at + strlen(at) - 6);
    return fd;
}

int mkdir(const char *path, mode_t mode)
{
    WITH(path, NEXT(mkdir)(at, mode));
}

int stat(const char *path, struct stat *st)
{
    WITH(path, NEXT(stat)(at, st));
}

int lstat(const char *path, struct stat *st)
{
    WITH(path, NEXT(lstat)(at, st));
}

int unlink(const char *path)
{
    WITH(path, NEXT(unlink)(at));
}

int rename(const char *from, const char *to)
{
    char buf[PATH_MAX + NAME_MAX];
    const char *target = meant(to, buf);
    if (!target)
        return -1;
    WITH(from, NEXT(rename)(at, target));
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
    char buf[PATH_MAX + NAME_MAX];
    const char *target = meant(to, buf);
    if (!target)
        return -1;
    WITH(from, NEXT(renameat2)(a, at, b, target, flags));
}

DIR *opendir(const char *path)
{
    char buf[PATH_MAX + NAME_MAX];
    const char *at = meant(path, buf);
    return at ? NEXT(opendir)(at) : NULL;
}

FILE *fopen(const char *path, const char *mode)
{
    char buf[PATH_MAX + NAME_MAX];
    const char *at = meant(path, buf);
    return at ? NEXT(fopen)(at, mode) : NULL;
}
