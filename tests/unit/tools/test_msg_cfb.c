/* Compound files, good and hostile. */
#include <stdio.h>

#include "archive/msg/own.h"
#include "msg_util.h"
#include "unit/unit.h"

static struct compound c;
static char error[200];

static struct cfb *opened(int *fd)
{
    *fd = memory_file(c.file.data, c.file.len);
    return cfb_open(*fd, error, sizeof error);
}

static void sample(unsigned shift)
{
    char big[9000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 >> 3);
    compound_init(&c, shift);
    int s = compound_add(&c, 0, "store", 1, NULL, 0);
    compound_add(&c, 0, "small", 0, "0123456789", 10);
    compound_add(&c, s, "inner", 0, big, 200);
    compound_add(&c, s, "big", 0, big, sizeof big);
    compound_add(&c, s, "empty", 0, NULL, 0);
    int deep = compound_add(&c, s, "deep", 1, NULL, 0);
    compound_add(&c, deep, "last", 0, "x", 1);
    compound_make(&c);
}

/* All bytes in pieces, from the end on and back. */
static void check_stream(const struct cfb *f, uint32_t e, const struct text *data)
{
    char buf[700];
    struct cfb_place place = {0};
    ck_assert_uint_ne(e, CFB_NONE);
    ck_assert_uint_eq(cfb_size(f, e), data->len);
    for (size_t step = 1; step < 700; step = step * 3 + 1) {
        for (size_t at = 0; at < data->len; at += step) {
            size_t n = data->len - at < step ? data->len - at : step;
            ck_assert_int_eq(cfb_read(f, e, &place, at, buf, step), (int64_t)n);
            ck_assert_int_eq(memcmp(buf, data->data + at, n), 0);
        }
        ck_assert_int_eq(cfb_read(f, e, &place, data->len, buf, step), 0);
    }
}

static void check_sample(const struct cfb *f, uint32_t root, int whole)
{
    uint32_t s = whole ? cfb_find(f, root, "store") : root;
    ck_assert(cfb_is_storage(f, s));
    if (whole)
        check_stream(f, cfb_find(f, root, "small"), &c.e[2].data);
    check_stream(f, cfb_find(f, s, "inner"), &c.e[3].data);
    check_stream(f, cfb_find(f, s, "big"), &c.e[4].data);
    check_stream(f, cfb_find(f, s, "empty"), &c.e[5].data);
    check_stream(f, cfb_find(f, cfb_find(f, s, "deep"), "last"), &c.e[7].data);
    ck_assert_uint_eq(cfb_find(f, s, "small"), CFB_NONE);
}

START_TEST(both_versions)
{
    for (unsigned shift = 9; shift <= 12; shift += 3) {
        int fd;
        sample(shift);
        struct cfb *f = opened(&fd);
        ck_assert_msg(f != NULL, "%s", error);
        check_sample(f, CFB_ROOT, 1);
        cfb_close(&f);
        close(fd);
        compound_release(&c);
    }
}
END_TEST

/* A storage taken out of a file is a file that reads the same; with so many streams that the tables need several sectors. */
START_TEST(copies)
{
    int fd;
    sample(12);
    for (int i = 0; i < 150; i++) {
        char name[32];
        snprintf(name, sizeof name, "extra%d", i);
        compound_add(&c, 1, name, 0, c.e[4].data.data, (size_t)(i % 3 ? 60 * (i % 12) : 4096 + i));
    }
    compound_make(&c);
    struct cfb *f = opened(&fd);
    ck_assert_msg(f != NULL, "%s", error);
    struct cfb_copy *k = cfb_copy_new(f, cfb_find(f, CFB_ROOT, "store"));
    struct text out = {0};
    uint64_t size = cfb_copy_size(k);
    ck_assert_uint_gt(size, 100000);
    for (uint64_t at = 0; at < size;) {
        char buf[1000];
        int64_t n = cfb_copy_read(k, at, buf, sizeof buf);
        ck_assert_int_gt(n, 0);
        text_add(&out, buf, (size_t)n);
        at += (uint64_t)n;
    }
    ck_assert_uint_eq(out.len, size);
    int fd2 = memory_file(out.data, out.len);
    struct cfb *g = cfb_open(fd2, error, sizeof error);
    ck_assert_msg(g != NULL, "%s", error);
    check_sample(g, CFB_ROOT, 0);
    for (int i = 0; i < 150; i++)
        check_stream(g, cfb_find(g, CFB_ROOT, c.e[8 + i].name), &c.e[8 + i].data);
    cfb_close(&g);
    cfb_copy_free(&k);
    cfb_close(&f);
    close(fd);
    close(fd2);
    text_release(&out);
    compound_release(&c);
}
END_TEST

/* Walks all there is; only that it ends, within bounds. */
static void walk(const struct cfb *f, uint32_t storage, int depth, unsigned *left)
{
    char buf[512];
    ck_assert_int_lt(depth, 100);
    for (uint32_t e = cfb_first(f, storage); e != CFB_NONE; e = cfb_next(f, e)) {
        struct cfb_place place = {0};
        ck_assert_uint_gt((*left)--, 0);
        for (uint64_t at = 0; at < cfb_size(f, e); at += sizeof buf) {
            if (cfb_read(f, e, &place, at, buf, sizeof buf) <= 0)
                break;
        }
        if (cfb_is_storage(f, e))
            walk(f, e, depth + 1, left);
    }
}

static int read_all(void)
{
    int fd;
    unsigned left = 1000;
    struct cfb *f = opened(&fd);
    if (f)
        walk(f, CFB_ROOT, 0, &left);
    int ok = f != NULL;
    cfb_close(&f);
    close(fd);
    return ok;
}

START_TEST(circles)
{
    sample(9);
    size_t fat = 512 + 512 * 0; /* the first sector */
    struct tree_entry *big = &c.e[4];
    poke(&c.file, fat + 4 * (size_t)(big->start + 2), big->start, 4); /* a chain that comes back */
    ck_assert_int_eq(read_all(), 1);
    poke(&c.file, entry_offset(&c, 4) + 120, 0xffffffff, 4);          /* and is said to be endless */
    ck_assert_int_eq(read_all(), 1);
    sample(9);
    poke(&c.file, entry_offset(&c, 1) + 76, 1, 4); /* a storage in itself */
    ck_assert_int_eq(read_all(), 1);
    sample(9);
    poke(&c.file, entry_offset(&c, 7) + 76, 0, 4);
    poke(&c.file, entry_offset(&c, 6) + 76, 1, 4); /* in its own child */
    poke(&c.file, entry_offset(&c, 3) + 68, 3, 4); /* and siblings of themselves */
    poke(&c.file, entry_offset(&c, 4) + 72, 3, 4);
    ck_assert_int_eq(read_all(), 1);
    sample(9);
    poke(&c.file, fat + 4, 1, 4); /* a directory that leads to itself */
    ck_assert_int_eq(read_all(), 1);
    sample(9);
    poke(&c.file, 44, 0xffffffff, 4); /* tables without end, in a list that leads to itself */
    poke(&c.file, 68, 0, 4);
    poke(&c.file, 512 + 508, 0, 4);
    read_all();
    compound_release(&c);
}
END_TEST

START_TEST(no_compound_files)
{
    static const struct {
        size_t at;
        uint32_t value, bytes;
    } t[] = {{0, 0, 4}, {26, 5, 2}, {28, 0xfeff, 2}, {30, 31, 2}, {30, 0, 2}, {32, 9, 2}, {56, 1, 4}, {48, 0xfffffff0, 4}, {76, 0x7fffffff, 4}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        sample(9);
        poke(&c.file, t[i].at, t[i].value, t[i].bytes);
        ck_assert_int_eq(read_all(), 0);
        ck_assert_str_ne(error, "");
    }
    sample(9);
    for (size_t n = 0; n <= c.file.len; n += 64) { /* cut anywhere */
        size_t whole = c.file.len;
        c.file.len = n;
        read_all();
        c.file.len = whole;
    }
    int fd = open("/dev/null", O_RDONLY);
    ck_assert_ptr_null(cfb_open(fd, error, sizeof error));
    close(fd);
    compound_release(&c);
}
END_TEST

UNIT_MAIN("tools/msg_cfb", both_versions, copies, circles, no_compound_files)
