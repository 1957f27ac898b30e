/* error.h - how errors travel: a code is returned, the detail is written to the cubby_error of the handle in use. */
#ifndef CUBBY_BASE_ERROR_H
#define CUBBY_BASE_ERROR_H

#include <stdint.h>

#include "cubby.h"

#define CUBBY__NO_OFFSET UINT64_MAX

/* Fills *err (may be NULL) and returns code. path may be NULL; offset CUBBY__NO_OFFSET where there is none. */
int cubby__fail(cubby_error *err, int code, const char *path, uint64_t offset, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));

/* The same for a failed VFS call: neg_errno is what it returned; the code follows from it (ENOSPC, EACCES, ...). */
int cubby__fail_io(cubby_error *err, int neg_errno, const char *path, uint64_t offset, const char *what);

/* Out of memory; returns CUBBY_ENOMEM. */
int cubby__fail_mem(cubby_error *err);

/* The code for a negative errno. */
int cubby__code_of_errno(int neg_errno);

#endif
