/* image.h - a store as bytes: taken from a disk in memory, put onto one, its files exchanged in between. */
#ifndef CUBBY_TESTS_CORRUPT_IMAGE_H
#define CUBBY_TESTS_CORRUPT_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "cubby_vfs.h"
#include "os/vfs_mem.h"

#define STORE "/s"

enum { IMAGE_FILES = 16 };

struct file {
    char name[40]; /* below the store */
    uint8_t *p;    /* NULL: not there */
    size_t n;
};

struct image {
    struct file f[IMAGE_FILES]; /* cubby.id, index if there is one, the segments in their order */
    int count;
};

/* The files of the store on v, which may be open. Owner: the caller (image_drop). */
struct image image_take(const cubby_vfs *v);
struct image image_copy(const struct image *from, const char *without);
void image_drop(struct image *im);
struct file *image_find(const struct image *im, const char *name);
/* A disk of its own with these files. */
struct cubby__memfs *image_disk(const struct image *im);
uint32_t segment_number(const struct file *f); /* 0: it is none */

#endif
