/* pst_write_util.h - PST files that the writer made, looked at with the reader. */
#ifndef CUBBY_TESTS_PST_WRITE_UTIL_H
#define CUBBY_TESTS_PST_WRITE_UTIL_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/outfile.h"
#include "archive/pst/code.h"
#include "archive/pst/ltp.h"
#include "archive/pst/write_ltp.h"
#include "unit/unit.h"

static inline const char *scratch_pst(const char *name)
{
    static char path[4][256];
    static int turn;
    const char *dir = getenv("TEST_TMP");
    char *p = path[turn++ % 4];
    snprintf(p, sizeof path[0], "%s/pst-write-%d-%s", dir ? dir : "/tmp", (int)getpid(), name);
    return p;
}


static inline void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    (void)severity;
    fprintf(stderr, "# at %llu: %s\n", (unsigned long long)offset, text);
    ++*(int *)arg;
}

/* A file with the lowest layer only. */
struct made {
    struct outfile out;
    struct pstw *w;
    const char *path;
    int problems;
    struct pst *p;
};

static inline void made_begin(struct made *m, const char *path, int crypt)
{
    *m = (struct made){.out = OUTFILE_INIT, .path = path};
    unlink(path);
    ck_assert_int_eq(outfile_open(&m->out, path), 0);
    m->w = pstw_new(&m->out, crypt);
}

static inline void made_end(struct made *m)
{
    uint32_t next[32];
    for (int i = 0; i < 32; i++)
        next[i] = 0x200000;
    ck_assert_int_eq(pstw_finish(m->w, next), 0);
    pstw_free(&m->w);
    ck_assert_ptr_null(m->w);
    ck_assert_int_eq(outfile_commit(&m->out, 1), 0);
    outfile_release(&m->out);
    ck_assert_int_eq(pst_open(m->path, on_problem, &m->problems, &m->p), 0);
}

static inline void made_close(struct made *m)
{
    ck_assert_int_eq(m->problems, 0);
    pst_close(&m->p);
    unlink(m->path);
}

static inline struct pst_node made_node(struct made *m, uint32_t nid)
{
    struct pst_node n;
    ck_assert_int_eq(pst_find_node(m->p, nid, &n), 1);
    return n;
}

static inline uint8_t *read_file(const char *path, size_t *n)
{
    struct stat st;
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fstat(fileno(f), &st), 0);
    uint8_t *p = malloc((size_t)st.st_size + 1);
    *n = fread(p, 1, (size_t)st.st_size, f);
    fclose(f);
    return p;
}

/* Bytes that differ from place to place. */
static inline uint8_t pattern(uint64_t i)
{
    return (uint8_t)((i * 2654435761u) >> 13 ^ i);
}

#endif
