/* cubby_vfs.h - everything that libcubby asks of the operating system, as one table of functions.
 *
 * The default is POSIX (cubby_vfs_posix). An embedder may give another table in cubby_options.vfs; the crash tests do.
 *
 * Rules for every function:
 *  - returns 0 (or a count, where said) for success and a negative errno value (-EIO, -ENOENT, ...) for failure;
 *  - may be called by several threads at once on the same file;
 *  - paths are NUL-terminated, '/'-separated, as the caller of cubby_open gave them plus a name below the store;
 *  - a file opened here is closed with close() exactly once.
 */
#ifndef CUBBY_VFS_H
#define CUBBY_VFS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define CUBBY_EXTERN __attribute__((visibility("default")))
#else
#define CUBBY_EXTERN
#endif

/* An open file; its contents belong to the VFS. */
typedef struct cubby_file cubby_file;

enum {
    CUBBY_OPEN_READ = 0,   /* read only */
    CUBBY_OPEN_WRITE = 1,  /* read and write */
    CUBBY_OPEN_CREATE = 2, /* make it (mode 0600) if it is missing; only with WRITE */
    CUBBY_OPEN_EXCL = 4    /* with CREATE: fail with -EEXIST if it is there */
};

enum { CUBBY_UNLOCK = 0, CUBBY_LOCK_SHARED = 1, CUBBY_LOCK_EXCLUSIVE = 2 };

typedef struct cubby_vfs_stat {
    uint64_t size;   /* bytes */
    uint64_t inode;  /* with device: identity of the file */
    uint64_t device;
    uint32_t links;  /* 0: unlinked */
    int is_dir;      /* 1 for a directory, 0 for a regular file, -1 for anything else */
} cubby_vfs_stat;

/* Called once a directory entry, without "." and "..". A non-zero return ends the listing and is returned. */
typedef int (*cubby_list_fn)(void *arg, const char *name);

typedef struct cubby_vfs {
    void *ctx; /* handed to every function */

    /* Never follows a symbolic link in the last component; refuses (-EINVAL) what is not a regular file. Close-on-exec. */
    int (*open)(void *ctx, const char *path, unsigned flags, cubby_file **out);
    void (*close)(void *ctx, cubby_file *f);
    /* Bytes read; fewer than n only at the end of the file. Retries EINTR and short reads itself. */
    int64_t (*pread)(void *ctx, cubby_file *f, void *buf, size_t n, uint64_t off);
    /* Writes all n bytes or fails. Retries EINTR and short writes itself. */
    int (*pwrite)(void *ctx, cubby_file *f, const void *buf, size_t n, uint64_t off);
    /* Data and the size needed to read it are on stable storage (fdatasync). Never retried by the library. */
    int (*sync)(void *ctx, cubby_file *f);
    int (*truncate)(void *ctx, cubby_file *f, uint64_t size);
    int (*fstat)(void *ctx, cubby_file *f, cubby_vfs_stat *out);

    int (*stat)(void *ctx, const char *path, cubby_vfs_stat *out); /* does not follow a symbolic link */
    int (*mkdir)(void *ctx, const char *path);                     /* mode 0700 */
    int (*rename)(void *ctx, const char *from, const char *to);    /* atomic; replaces TO */
    int (*unlink)(void *ctx, const char *path);
    int (*dirsync)(void *ctx, const char *path); /* entries of the directory are on stable storage */
    int (*list)(void *ctx, const char *path, cubby_list_fn fn, void *arg);

    /* Byte-range lock of this open file (an OFD lock): kept from all other opens, in this process too, released by close.
     * Never waits: -EAGAIN if somebody else holds a conflicting one. Changing SHARED to EXCLUSIVE and back is allowed. */
    int (*lock)(void *ctx, cubby_file *f, uint64_t start, uint64_t len, int kind);
    /* 1: somebody else holds a lock there, 0: nobody. */
    int (*lock_test)(void *ctx, cubby_file *f, uint64_t start, uint64_t len);

    /* A piece of the file as memory shared by all processes that map it. off and len are multiples of 4096. */
    int (*map)(void *ctx, cubby_file *f, uint64_t off, size_t len, void **out);
    void (*unmap)(void *ctx, void *addr, size_t len);

    int64_t (*now_ns)(void *ctx);   /* wall clock, ns since 1970-01-01T00:00:00Z */
    int64_t (*ticks_ms)(void *ctx); /* monotonic, ms */
    void (*sleep_ms)(void *ctx, uint32_t ms);
    int (*random)(void *ctx, void *buf, size_t n);

    /* What follows may be NULL in a table made for an earlier version of this header. */

    /* Room on the disk for the bytes [off, off + len): those behind the end become zeros of the file, which grows; bytes that are there stay. -ENOSPC
     * and its like: there is none. NULL or -EOPNOTSUPP: the library writes zeros, or does without. */
    int (*allocate)(void *ctx, cubby_file *f, uint64_t off, uint64_t len);
    /* Opens a directory and locks it as a whole (flock): SHARED or EXCLUSIVE, until close. Never waits: -EAGAIN. NULL: no such lock is taken. */
    int (*lock_dir)(void *ctx, const char *path, int kind, cubby_file **out);
    /* Bytes of f that map() gave can be written to now. A file system that copies what is written to, or has holes, finds room for that first; -ENOSPC:
     * there is none, and writing would end the process (SIGBUS). Called twice a snapshot: should be cheap. NULL: writing never fails. */
    int (*ready)(void *ctx, cubby_file *f, void *addr, size_t len);
} cubby_vfs;

/* The POSIX table: static, for all stores and threads. */
CUBBY_EXTERN const cubby_vfs *cubby_vfs_posix(void);

#ifdef __cplusplus
}
#endif
#endif
