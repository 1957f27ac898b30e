#include "archive/source.h"

#include <bzlib.h>
#include <errno.h>
#include <lzma.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <zlib.h>
#include <zstd.h>

#include "mbox_util.h"

enum { GZIP, XZ, ZSTD, BZIP2, KINDS };
static const char *const names[] = {"gzip", "xz", "zstd", "bzip2"};

static size_t packed(int kind, const void *p, size_t n, uint8_t *out, size_t room)
{
    if (kind == GZIP) {
        z_stream z = {0};
        ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)(uintptr_t)p;
        z.avail_in = (uInt)n;
        z.next_out = out;
        z.avail_out = (uInt)room;
        ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        size_t used = room - z.avail_out;
        deflateEnd(&z);
        return used;
    }
    if (kind == XZ) {
        size_t used = 0;
        ck_assert_int_eq(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC32, NULL, p, n, out, &used, room), LZMA_OK);
        return used;
    }
    if (kind == ZSTD)
        return ZSTD_compress(out, room, p, n, 1);
    unsigned used = (unsigned)room;
    ck_assert_int_eq(BZ2_bzBuffToBuffCompress((char *)out, &used, (char *)(uintptr_t)p, (unsigned)n, 1, 0, 0), BZ_OK);
    return used;
}

enum { N = 3 << 20, ROOM = 8 << 20 };

static uint8_t *sample(void)
{
    uint32_t seed = 5;
    uint8_t *p = malloc(N);
    for (size_t i = 0; i < N; i++)
        p[i] = (uint8_t)"abcdefgh"[next_random(&seed) % 8];
    return p;
}

/* Reads to the end; the result of the last read. */
static int64_t drain(struct source *s, const uint8_t *want, size_t n, size_t step, size_t *got)
{
    uint8_t *buf = malloc(step);
    int64_t k;
    *got = 0;
    while ((k = source_read(s, buf, step)) > 0) {
        ck_assert_uint_le(*got + (size_t)k, n);
        ck_assert_int_eq(memcmp(buf, want + *got, (size_t)k), 0);
        *got += (size_t)k;
    }
    free(buf);
    return k;
}

START_TEST(plain)
{
    uint8_t *p = sample();
    size_t got;
    char buf[10];
    write_scratch(p, N);
    struct source *s = source_open(scratch_file());
    ck_assert_int_eq(drain(s, p, N, 12345, &got), 0);
    ck_assert_uint_eq(got, N);
    ck_assert_int_eq(source_seekable(s), 1);
    ck_assert_uint_eq(source_size(s), N);
    ck_assert_uint_eq(source_taken(s), N);
    ck_assert_str_eq(source_compression(s), "");
    ck_assert_int_eq(source_peek(s, N - 4, buf, 10), 4);
    ck_assert_int_eq(memcmp(buf, p + N - 4, 4), 0);
    ck_assert_int_eq(source_seek(s, 100), 0);
    ck_assert_int_eq(source_read(s, buf, 10), 10);
    ck_assert_int_eq(memcmp(buf, p + 100, 10), 0);
    source_close(&s);
    for (size_t n = 0; n < 8; n++) { /* shorter than any magic */
        write_scratch(p, n);
        s = source_open(scratch_file());
        ck_assert_int_eq(drain(s, p, n, 100, &got), 0);
        ck_assert_uint_eq(got, n);
        source_close(&s);
    }
    unlink(scratch_file());
    free(p);
}
END_TEST

START_TEST(compressed)
{
    uint8_t *p = sample(), *out = malloc(ROOM);
    for (int kind = 0; kind < KINDS; kind++) {
        size_t got, n = packed(kind, p, N, out, ROOM);
        write_scratch(out, n);
        struct source *s = source_open(scratch_file());
        ck_assert_int_eq(drain(s, p, N, 70000, &got), 0);
        ck_assert_uint_eq(got, N);
        ck_assert_str_eq(source_compression(s), names[kind]);
        ck_assert_int_eq(source_seekable(s), 0);
        ck_assert_uint_eq(source_taken(s), n);
        source_close(&s);
    }
    unlink(scratch_file());
    free(out);
    free(p);
}
END_TEST

START_TEST(several_streams)
{
    uint8_t *p = sample(), *out = malloc(ROOM);
    for (int kind = 0; kind < KINDS; kind++) {
        size_t got, n = packed(kind, p, N / 2, out, ROOM);
        n += packed(kind, p + N / 2, N / 2, out + n, ROOM - n);
        n += packed(kind, p, 0, out + n, ROOM - n);
        memset(out + n, 0, 512); /* padding */
        write_scratch(out, n + 512);
        struct source *s = source_open(scratch_file());
        ck_assert_msg(drain(s, p, N, 1 << 20, &got) == 0, "%s: %s", names[kind], source_error(s));
        ck_assert_uint_eq(got, N);
        source_close(&s);
        memcpy(out + n, "garbage!", 8);
        write_scratch(out, n + 8);
        s = source_open(scratch_file());
        ck_assert_int_eq(drain(s, p, N, 1 << 20, &got), -1);
        ck_assert_uint_eq(got, N);
        ck_assert_ptr_nonnull(strstr(source_error(s), "followed by something else"));
        source_close(&s);
    }
    unlink(scratch_file());
    free(out);
    free(p);
}
END_TEST

START_TEST(cut_off)
{
    uint8_t *p = sample(), *out = malloc(ROOM);
    for (int kind = 0; kind < KINDS; kind++) {
        size_t got, n = packed(kind, p, 200000, out, ROOM);
        for (size_t cut = 6; cut < n; cut += 1 + n / 60) {
            write_scratch(out, cut);
            struct source *s = source_open(scratch_file());
            ck_assert_msg(drain(s, p, N, 1 << 20, &got) == -1, "%s cut at %zu of %zu", names[kind], cut, n);
            ck_assert_uint_le(got, 200000);
            ck_assert_ptr_nonnull(strstr(source_error(s), names[kind]));
            ck_assert_int_eq(source_read(s, out + ROOM - 10, 10), -1); /* and it stays so */
            source_close(&s);
        }
    }
    unlink(scratch_file());
    free(out);
    free(p);
}
END_TEST

/* Whatever a byte becomes: the end or an error, no crash, no endless loop. */
START_TEST(damaged)
{
    uint8_t *p = sample(), *out = malloc(ROOM), *buf = malloc(1 << 20);
    uint32_t seed = 9;
    for (int kind = 0; kind < KINDS; kind++) {
        size_t n = packed(kind, p, 20000, out, ROOM);
        for (int round = 0; round < 150; round++) {
            size_t at = 6 + next_random(&seed) % (n - 6);
            uint8_t was = out[at];
            out[at] ^= (uint8_t)(1 + next_random(&seed) % 255);
            write_scratch(out, n);
            struct source *s = source_open(scratch_file());
            int64_t k;
            size_t total = 0;
            while ((k = source_read(s, buf, 1 << 20)) > 0 && total < 64 << 20)
                total += (size_t)k;
            ck_assert_uint_lt(total, 64 << 20);
            source_close(&s);
            out[at] = was;
        }
    }
    unlink(scratch_file());
    free(buf);
    free(out);
    free(p);
}
END_TEST

START_TEST(cannot_be_opened)
{
    ck_assert_ptr_null(source_open("/nowhere/at/all"));
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_null(source_open("/"));
    ck_assert_int_eq(errno, EISDIR);
}
END_TEST

START_TEST(a_pipe)
{
    int fd[2];
    size_t got;
    uint8_t *p = sample();
    ck_assert_int_eq(pipe(fd), 0);
    pid_t child = fork();
    if (child == 0) {
        close(fd[0]);
        for (size_t at = 0, step = 1; at < N; at += step, step = step * 3 % 70001 + 1)
            if (write(fd[1], p + at, N - at < step ? N - at : step) < 0)
                _exit(1);
        _exit(0);
    }
    close(fd[1]);
    int saved = dup(0);
    dup2(fd[0], 0);
    close(fd[0]);
    struct source *s = source_open("-");
    ck_assert_int_eq(source_seekable(s), 0);
    ck_assert_int_eq(drain(s, p, N, 50000, &got), 0);
    ck_assert_uint_eq(got, N);
    source_close(&s);
    dup2(saved, 0);
    close(saved);
    waitpid(child, NULL, 0);
    free(p);
}
END_TEST

/* Reads half of a file, lets `meanwhile` happen to it, reads the rest: what comes, and the error. */
static const char *read_while(void (*meanwhile)(void), size_t *got)
{
    static char error[160];
    uint8_t *p = sample(), *first = malloc(N / 2);
    write_scratch(p, N);
    utimensat(AT_FDCWD, scratch_file(), (struct timespec[2]){{1000000000, 0}, {1000000000, 0}}, 0);
    struct source *s = source_open(scratch_file());
    for (int64_t at = 0, n; at < N / 2; at += n)
        ck_assert_int_gt(n = source_read(s, first + at, N / 2 - (size_t)at), 0);
    meanwhile();
    int64_t k = drain(s, p + N / 2, N / 2, 100000, got);
    snprintf(error, sizeof error, "%s", k < 0 ? source_error(s) : "");
    source_close(&s);
    unlink(scratch_file());
    free(first);
    free(p);
    return error;
}

static void nothing(void)
{
}

static void cut(void)
{
    ck_assert_int_eq(truncate(scratch_file(), N - 1000), 0);
}

static void grow(void)
{
    int fd = open(scratch_file(), O_WRONLY | O_APPEND);
    ck_assert_int_eq(write(fd, "more", 4), 4);
    close(fd);
}

static void rewrite_the_same(void)
{
    int fd = open(scratch_file(), O_RDWR);
    char c;
    ck_assert_int_eq(pread(fd, &c, 1, 7), 1);
    ck_assert_int_eq(pwrite(fd, &c, 1, 7), 1);
    close(fd);
}

/* Another program writes to the file while it is read: its last message may be half a one. */
START_TEST(changed_meanwhile)
{
    size_t got;
    ck_assert_str_eq(read_while(nothing, &got), "");
    ck_assert_uint_eq(got, N / 2);
    ck_assert_str_eq(read_while(cut, &got), "the file became shorter while it was read");
    ck_assert_uint_eq(got, N / 2 - 1000);
    ck_assert_str_eq(read_while(grow, &got), "the file was changed while it was read");
    ck_assert_uint_eq(got, N / 2); /* what was not there at first is not looked at */
    ck_assert_str_eq(read_while(rewrite_the_same, &got), "the file was changed while it was read");
}
END_TEST

UNIT_MAIN("tools/mbox_source", plain, compressed, several_streams, cut_off, damaged, cannot_be_opened, a_pipe, changed_meanwhile)
