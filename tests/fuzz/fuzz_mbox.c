/* fuzz_mbox.c - any bytes as an mbox, in every dialect: it is read to its end, its messages are stretches of it; what is written of them as mboxrd reads
 * back the same, but for a last line end. The first byte is the dialect and the size of the pieces that the file gives. */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "archive/letter.h"
#include "archive/mbox.h"
#include "fuzz/fuzz.h"
#include "text.h"

struct letters {
    struct text bytes;  /* of all */
    size_t *ends;
    size_t count;
    int failed;
};

static char *file_of(const void *p, size_t n, int *fd)
{
    static char path[64];
    *fd = memfd_create("mbox", MFD_CLOEXEC);
    must(*fd >= 0 && (n == 0 || write(*fd, p, n) == (ssize_t)n));
    snprintf(path, sizeof path, "/proc/self/fd/%d", *fd);
    return path;
}

static void read_all(const void *p, size_t size, int dialect, struct letters *out)
{
    int fd;
    struct source *s = source_open(file_of(p, size, &fd));
    struct mbox *m = NULL;
    struct mbox_item item;
    uint64_t last = 0;
    memset(out, 0, sizeof *out);
    must(s != NULL);
    int rc = mbox_open(s, dialect, &m);
    while (rc == 0 && (rc = mbox_next(m, &item)) == 0) {
        const uint8_t *q;
        size_t n;
        must(item.number == out->count + 1 && item.offset >= last && item.body_offset >= item.offset);
        last = item.offset;
        while ((rc = mbox_read(m, &q, &n)) == 0) {
            must(n > 0);
            text_add(&out->bytes, q, n);
        }
        out->ends = realloc(out->ends, (out->count + 1) * sizeof *out->ends);
        out->ends[out->count++] = out->bytes.len;
        rc = rc == 1 ? 0 : rc;
    }
    out->failed = rc < 0;
    if (m)
        must(mbox_dialect(m) != MBOX_AUTO || out->count == 0);
    mbox_close(&m);
    source_close(&s);
    close(fd);
}

static const char *start_of(const struct letters *l, size_t i)
{
    return (l->bytes.data ? l->bytes.data : "") + (i ? l->ends[i - 1] : 0);
}

static size_t len_of(const struct letters *l, size_t i)
{
    return l->ends[i] - (i ? l->ends[i - 1] : 0);
}

static int to_text(void *arg, const void *p, size_t n)
{
    text_add(arg, p, n);
    return 0;
}

static void write_all(const struct letters *l, struct text *out)
{
    struct mbox_writer w;
    mbox_writer_init(&w, to_text, out);
    for (size_t i = 0; i < l->count; i++) {
        const char *p = start_of(l, i);
        size_t n = len_of(l, i), tail = n < 2 ? n : 2;
        must(mbox_write_begin(&w, p, n, mbox_message_is_crlf(p, n, p + n - tail, tail), 1000) == 0);
        for (size_t at = 0, step = 1; at < n; at += step, step = step * 3 % 1001 + 1)
            must(mbox_write(&w, p + at, step < n - at ? step : n - at) == 0);
        must(mbox_write_end(&w) == 0);
    }
}

/* As a header and state, as import looks at it. */
static void decode_letters(const struct letters *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct reader_item item = {.kind = READER_MESSAGE, .number = i + 1};
        struct letter letter;
        uint8_t *copy = exact_copy(start_of(l, i), len_of(l, i));
        letter_decode(copy, len_of(l, i), &item, (int)(i % 3), &letter);
        must(letter.n <= len_of(l, i));
        letter_release(&letter);
        reader_item_release(&item);
        free(copy);
    }
}

static void must_be_equal(const struct letters *a, const struct letters *b)
{
    must(!b->failed && a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        size_t n = len_of(a, i), m = len_of(b, i);
        must(m >= n && m <= n + 2 && (!n || !memcmp(start_of(a, i), start_of(b, i), n)));
    }
}

static void release(struct letters *l)
{
    text_release(&l->bytes);
    free(l->ends);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    int dialect = (int)(take(&in, 1) % 5);
    struct letters l, again;
    struct text out = {0};
    read_all(in.p, in.n, dialect, &l);
    decode_letters(&l);
    if (l.count) {
        write_all(&l, &out);
        read_all(out.data, out.len, MBOX_RD, &again);
        must_be_equal(&l, &again);
        release(&again);
    }
    release(&l);
    text_release(&out);
    return 0;
}
