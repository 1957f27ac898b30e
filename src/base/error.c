#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_path(cubby_error *err, const char *path)
{
    size_t n = path ? strlen(path) : 0;
    size_t skip = n >= sizeof err->path ? n - (sizeof err->path - 1) : 0; /* the end of a path says more */
    memcpy(err->path, path ? path + skip : "", n - skip + 1);
}

int cubby__fail(cubby_error *err, int code, const char *path, uint64_t offset, const char *fmt, ...)
{
    if (!err)
        return code;
    err->code = code;
    err->sys_errno = 0;
    err->offset = offset;
    set_path(err, path);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->message, sizeof err->message, fmt, ap);
    va_end(ap);
    return code;
}

int cubby__code_of_errno(int neg_errno)
{
    switch (-neg_errno) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return CUBBY_ENOSPC;
    case ENOMEM:
        return CUBBY_ENOMEM;
    case EACCES:
    case EPERM:
    case EROFS:
        return CUBBY_EACCES;
    case ENOENT:
    case ENOTDIR:
        return CUBBY_ENOENT;
    case EEXIST:
        return CUBBY_EEXIST;
    case EAGAIN:
        return CUBBY_EBUSY;
    default:
        return CUBBY_EIO;
    }
}

int cubby__fail_io(cubby_error *err, int neg_errno, const char *path, uint64_t offset, const char *what)
{
    char reason[128];
    const char *text = strerror_r(-neg_errno, reason, sizeof reason); /* the GNU form: the text is what is returned */
    int code = cubby__fail(err, cubby__code_of_errno(neg_errno), path, offset, "%s failed: %s", what, text);
    if (err)
        err->sys_errno = -neg_errno;
    return code;
}

int cubby__fail_mem(cubby_error *err)
{
    return cubby__fail(err, CUBBY_ENOMEM, NULL, CUBBY__NO_OFFSET, "out of memory");
}
