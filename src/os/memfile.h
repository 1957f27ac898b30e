/* memfile.h - the inside of one file of vfs_mem: bytes, mapped ranges, locks. Not thread-safe. */
#ifndef CUBBY_OS_MEMFILE_H
#define CUBBY_OS_MEMFILE_H

#include <stddef.h>
#include <stdint.h>

struct cubby__memfile_region;
struct cubby__memfile_lock;

struct cubby__memfile {
    uint64_t size;
    uint8_t *data; /* those beyond size, up to cap, are zero; bytes beyond cap are zero without being there */
    size_t cap;
    struct cubby__memfile_region *regions;
    struct cubby__memfile_lock *locks;
};

/* All zero is an empty file. */
void cubby__memfile_release(struct cubby__memfile *f);

/* Bytes read; fewer than n only at the end. */
size_t cubby__memfile_read(const struct cubby__memfile *f, void *buf, size_t n, uint64_t off);
int cubby__memfile_write(struct cubby__memfile *f, const void *buf, size_t n, uint64_t off); /* -ENOMEM */
void cubby__memfile_truncate(struct cubby__memfile *f, uint64_t size);

/* The bytes of a range that lies in the file, at an address that stays for the life of the file; what is stored there is read, and the other way
 * round. -EINVAL if it partly overlaps an earlier one; -ENOMEM. */
int cubby__memfile_map(struct cubby__memfile *f, uint64_t off, size_t len, void **out);

/* As cubby_vfs.lock does, for [first, last]; owner is any address that tells opens apart. -EAGAIN, -ENOMEM; then nothing has changed. */
int cubby__memfile_lock(struct cubby__memfile *f, const void *owner, uint64_t first, uint64_t last, int kind);
/* Does somebody but owner hold a lock there with which one of this kind would conflict? */
int cubby__memfile_conflict(const struct cubby__memfile *f, const void *owner, uint64_t first, uint64_t last, int kind);
void cubby__memfile_unlock_all(struct cubby__memfile *f, const void *owner);

#endif
