/* mbox_util.h - archive files for tests, and what the reader makes of them. */
#ifndef CUBBY_TESTS_MBOX_UTIL_H
#define CUBBY_TESTS_MBOX_UTIL_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/mbox.h"
#include "unit/unit.h"

static inline const char *scratch_file(void)
{
    static char path[256];
    const char *dir = getenv("TEST_TMP");
    snprintf(path, sizeof path, "%s/mbox-%d", dir ? dir : "/tmp", (int)getpid());
    return path;
}

static inline void write_scratch(const void *p, size_t n)
{
    int fd = open(scratch_file(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    for (size_t at = 0; at < n;) {
        ssize_t put = write(fd, (const char *)p + at, n - at);
        ck_assert(put > 0);
        at += (size_t)put;
    }
    close(fd);
}

struct message {
    char *p;
    size_t n;
    struct mbox_item item;
};

struct messages {
    int open_rc, read_rc; /* of mbox_open; of the last mbox_next or mbox_read */
    int dialect, crlf;
    struct mbox_counts counts;
    char error[300];
    size_t count;
    struct message *m;
};

static inline void take_all(struct mbox *r, struct messages *out)
{
    struct mbox_item item;
    const uint8_t *p;
    size_t n;
    int rc;
    while ((rc = mbox_next(r, &item)) == 0) {
        struct message one = {.item = item};
        while ((rc = mbox_read(r, &p, &n)) == 0) {
            ck_assert_uint_gt(n, 0);
            one.p = realloc(one.p, one.n + n);
            memcpy(one.p + one.n, p, n);
            one.n += n;
        }
        out->m = realloc(out->m, (out->count + 1) * sizeof *out->m);
        out->m[out->count++] = one;
        if (rc < 0)
            break;
    }
    out->read_rc = rc;
}

static inline struct messages read_path(const char *path, int dialect)
{
    struct messages out = {0};
    struct mbox *r = NULL;
    struct source *s = source_open(path);
    ck_assert_ptr_nonnull(s);
    out.open_rc = mbox_open(s, dialect, &r);
    if (out.open_rc == 0)
        take_all(r, &out);
    out.dialect = mbox_dialect(r);
    out.crlf = mbox_is_crlf(r);
    out.counts = *mbox_counts(r);
    snprintf(out.error, sizeof out.error, "%s", mbox_error(r));
    mbox_close(&r);
    source_close(&s);
    return out;
}

static inline struct messages read_bytes(const void *p, size_t n, int dialect)
{
    write_scratch(p, n);
    struct messages out = read_path(scratch_file(), dialect);
    unlink(scratch_file());
    return out;
}

static inline void messages_free(struct messages *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->m[i].p);
    free(m->m);
    *m = (struct messages){0};
}

static inline void assert_message(const struct messages *m, size_t i, const char *text)
{
    ck_assert_uint_lt(i, m->count);
    ck_assert_msg(m->m[i].n == strlen(text) && (!m->m[i].n || memcmp(m->m[i].p, text, m->m[i].n) == 0), "message %zu is \"%.*s\", not \"%s\"", i, (int)m->m[i].n,
                  m->m[i].p ? m->m[i].p : "", text);
}

/* A small generator: the same numbers on every machine. */
static inline uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

#endif
