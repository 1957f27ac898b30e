/* msg_util.h - compound files for tests, of version 3 or 4. */
#ifndef CUBBY_TESTS_MSG_UTIL_H
#define CUBBY_TESTS_MSG_UTIL_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "text.h"

enum { TREE_MAX = 200 };

struct tree_entry {
    char name[32];
    int parent, is_storage;
    struct text data;
    uint32_t left, right, child, start;
};

/* Entry 0 is the root. */
struct compound {
    struct tree_entry e[TREE_MAX];
    int count;
    unsigned shift;
    struct text file;    /* made by compound_make */
    uint32_t dir_sector; /* where the directory begins in it */
};

static inline void compound_release(struct compound *c)
{
    for (int i = 0; i < c->count; i++)
        text_release(&c->e[i].data);
    text_release(&c->file);
}

/* c: zeros at first; what it held is released. */
static inline void compound_init(struct compound *c, unsigned shift)
{
    compound_release(c);
    memset(c, 0, sizeof *c);
    c->shift = shift;
    c->count = 1;
    c->e[0].is_storage = 1;
    strcpy(c->e[0].name, "Root Entry");
}

static inline int compound_add(struct compound *c, int parent, const char *name, int is_storage, const void *p, size_t n)
{
    struct tree_entry *e = &c->e[c->count];
    strcpy(e->name, name);
    e->parent = parent;
    e->is_storage = is_storage;
    if (n)
        text_add(&e->data, p, n);
    return c->count++;
}

static inline void poke(struct text *t, size_t at, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        t->data[at + i] = (char)(v >> 8 * i);
}

/* A whole number of sectors of zeros; the number of the first. */
static inline uint32_t grow(struct compound *c, size_t bytes)
{
    size_t sector = (size_t)1 << c->shift, at = c->file.len;
    if ((at + bytes) / sector + 1 > sector / 4)
        abort(); /* more than one table holds */
    for (size_t n = (bytes + sector - 1) / sector * sector; n; n--)
        text_byte(&c->file, 0);
    return (uint32_t)((at >> c->shift) - 1);
}

static inline void run(struct compound *c, uint32_t *fat, uint32_t first, size_t bytes)
{
    size_t sector = (size_t)1 << c->shift, n = (bytes + sector - 1) / sector;
    for (size_t i = 0; i < n; i++)
        fat[first + i] = i + 1 < n ? (uint32_t)(first + i + 1) : 0xfffffffe;
}

/* One table sector (so the file has at most 128 or 1024 sectors). Siblings hang in a chain to the left and right of the first. */
static inline void compound_make(struct compound *c)
{
    static const uint8_t magic[] = {0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1};
    size_t sector = (size_t)1 << c->shift;
    uint32_t fat[1024], mini[1024], minis = 0;
    struct text small = {0};
    memset(fat, 0xff, sizeof fat);
    memset(mini, 0xff, sizeof mini);
    text_clear(&c->file);
    for (size_t i = 0; i < sector; i++)
        text_byte(&c->file, 0);
    uint32_t fat_at = grow(c, sector), dir_at = grow(c, (size_t)c->count * 128), mini_at = grow(c, sector);
    fat[fat_at] = 0xfffffffd;
    run(c, fat, dir_at, (size_t)c->count * 128);
    run(c, fat, mini_at, sector);
    for (int i = 0; i < c->count; i++) {
        struct tree_entry *e = &c->e[i];
        e->left = e->right = e->child = 0xffffffff;
        e->start = 0xfffffffe;
        if (e->is_storage || e->data.len == 0)
            continue;
        if (e->data.len >= 4096) {
            e->start = grow(c, e->data.len);
            memcpy(c->file.data + (((size_t)e->start + 1) << c->shift), e->data.data, e->data.len);
            run(c, fat, e->start, e->data.len);
            continue;
        }
        e->start = minis;
        for (size_t at = 0; at < e->data.len; at += 64, minis++) {
            char unit[64] = {0};
            memcpy(unit, e->data.data + at, e->data.len - at < 64 ? e->data.len - at : 64);
            text_add(&small, unit, 64);
            if (minis >= 1024 || minis >= sector / 4)
                abort(); /* more than one table holds */
            mini[minis] = at + 64 < e->data.len ? minis + 1 : 0xfffffffe;
        }
    }
    if (small.len) {
        c->e[0].start = grow(c, small.len);
        memcpy(c->file.data + (((size_t)c->e[0].start + 1) << c->shift), small.data, small.len);
        run(c, fat, c->e[0].start, small.len);
    }
    for (int i = 1; i < c->count; i++) { /* ascending by number: the order of names is the test's business */
        uint32_t *at = &c->e[c->e[i].parent].child;
        while (*at != 0xffffffff)
            at = &c->e[*at].right;
        *at = (uint32_t)i;
    }
    struct text *f = &c->file;
    memcpy(f->data, magic, 8);
    poke(f, 24, 0x3e, 2);
    poke(f, 26, c->shift == 9 ? 3 : 4, 2);
    poke(f, 28, 0xfffe, 2);
    poke(f, 30, c->shift, 2);
    poke(f, 32, 6, 2);
    poke(f, 44, 1, 4);
    poke(f, 48, dir_at, 4);
    poke(f, 56, 4096, 4);
    poke(f, 60, mini_at, 4);
    poke(f, 64, 1, 4);
    poke(f, 68, 0xfffffffe, 4);
    memset(f->data + 76, 0xff, 109 * 4);
    poke(f, 76, fat_at, 4);
    for (size_t i = 0; i < sector / 4; i++) {
        poke(f, (((size_t)fat_at + 1) << c->shift) + 4 * i, fat[i], 4);
        poke(f, (((size_t)mini_at + 1) << c->shift) + 4 * i, mini[i], 4);
    }
    c->dir_sector = dir_at;
    for (int i = 0; i < c->count; i++) {
        size_t at = (((size_t)dir_at + 1) << c->shift) + (size_t)i * 128, len = strlen(c->e[i].name);
        for (size_t k = 0; k < len; k++)
            f->data[at + 2 * k] = c->e[i].name[k];
        poke(f, at + 64, 2 * len + 2, 2);
        poke(f, at + 66, i == 0 ? 5 : c->e[i].is_storage ? 1 : 2, 1);
        poke(f, at + 68, c->e[i].left, 4);
        poke(f, at + 72, c->e[i].right, 4);
        poke(f, at + 76, c->e[i].child, 4);
        poke(f, at + 116, c->e[i].start, 4);
        poke(f, at + 120, i == 0 ? small.len : c->e[i].data.len, 8);
    }
    text_release(&small);
}

/* Offset of a directory entry in the file. */
static inline size_t entry_offset(const struct compound *c, int i)
{
    return (((size_t)c->dir_sector + 1) << c->shift) + (size_t)i * 128;
}

/* A file in memory. */
static inline int memory_file(const void *p, size_t n)
{
    int fd = memfd_create("compound", MFD_CLOEXEC);
    if (fd < 0 || write(fd, p, n) != (ssize_t)n)
        abort();
    return fd;
}

#endif
