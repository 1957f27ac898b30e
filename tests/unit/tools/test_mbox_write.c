#include "archive/mbox.h"

#include "mbox_util.h"

struct bytes {
    char *p;
    size_t n;
};

static int collect(void *arg, const void *p, size_t n)
{
    struct bytes *b = arg;
    b->p = realloc(b->p, b->n + n + 1);
    memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = 0;
    return 0;
}

/* One message, in chunks of `step` bytes. */
static struct bytes written(const char *text, size_t n, size_t step, uint64_t *added)
{
    struct bytes b = {0};
    struct mbox_writer w;
    mbox_writer_init(&w, collect, &b);
    ck_assert_int_eq(mbox_write_begin(&w, text, n, mbox_line_is_crlf(text, n), 1609550952), 0);
    for (size_t at = 0; at < n; at += step)
        ck_assert_int_eq(mbox_write(&w, text + at, n - at < step ? n - at : step), 0);
    ck_assert_int_eq(mbox_write_end(&w), 0);
    *added = w.line_ends_added;
    return b;
}

START_TEST(quoting)
{
    static const struct {
        const char *message, *file;
        uint64_t added;
    } t[] = {
        {"A: 1\n\nx\n", "A: 1\n\nx\n\n", 0},
        {"From x\n>From y\n>>From z\n", ">From x\n>>From y\n>>>From z\n\n", 0},
        {"From", "From\n\n", 1},
        {"From ", ">From \n\n", 1},
        {"x\nFro\nFrom\n From a\nxFrom \n", "x\nFro\nFrom\n From a\nxFrom \n\n", 0},
        {"x\n>>>Fro", "x\n>>>Fro\n\n", 1},
        {"", "\n", 0},
        {"\n", "\n\n", 0},
        {"A: 1\r\n\r\nx", "A: 1\r\n\r\nx\r\n\r\n", 1},
        {"FFrom \nFFFrom \nFrFrom \n", "FFrom \nFFFrom \nFrFrom \n\n", 0},
        {">", ">\n\n", 1},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        size_t n = strlen(t[i].message);
        for (size_t step = 1; step <= n + 1; step++) {
            uint64_t added;
            struct bytes b = written(t[i].message, n, step, &added);
            char *body = strchr(b.p, '\n') + 1;
            ck_assert_str_eq(body, t[i].file);
            ck_assert_uint_eq(added, t[i].added);
            free(b.p);
        }
    }
}
END_TEST

START_TEST(postmarks)
{
    static const struct {
        const char *message, *line;
    } t[] = {
        {"Return-Path: <a@b>\nFrom: c@d\n\n", "From a@b Sat Jan  2 01:29:12 2021\n"},
        {"Return-Path: <>\nFrom: C D <c@d>\n\n", "From c@d Sat Jan  2 01:29:12 2021\n"},
        {"from: c@d (C D)\r\n\r\n", "From c@d Sat Jan  2 01:29:12 2021\r\n"},
        {"From: \"x <y\" <c@d>\n\n", "From c@d Sat Jan  2 01:29:12 2021\n"},
        {"From:\n c@d\n\n", "From c@d Sat Jan  2 01:29:12 2021\n"},
        {"From: nobody\n\n", "From MAILER-DAEMON Sat Jan  2 01:29:12 2021\n"},
        {"\nFrom: c@d\n", "From MAILER-DAEMON Sat Jan  2 01:29:12 2021\n"},
        {"", "From MAILER-DAEMON Sat Jan  2 01:29:12 2021\n"},
        {"From: <a b@c>\n\n", "From a Sat Jan  2 01:29:12 2021\n"},
        {"Return-Path: <a@b\x01\x02>\n\n", "From a@b Sat Jan  2 01:29:12 2021\n"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        uint64_t added;
        struct bytes b = written(t[i].message, strlen(t[i].message), 100, &added);
        ck_assert_msg(strncmp(b.p, t[i].line, strlen(t[i].line)) == 0, "%s", b.p);
        free(b.p);
    }
}
END_TEST

START_TEST(line_ends)
{
    ck_assert_int_eq(mbox_message_is_crlf("a\r\nb\r\n", 6, "\r\n", 2), 1);
    ck_assert_int_eq(mbox_message_is_crlf("a\r\nb\n", 5, "b\n", 2), 0);
    ck_assert_int_eq(mbox_message_is_crlf("a\nb\r\n", 5, "\r\n", 2), 0);
    ck_assert_int_eq(mbox_message_is_crlf("a\r\nb", 4, "\nb", 2), 1);
    ck_assert_int_eq(mbox_message_is_crlf("a", 1, "a", 1), 0);
    ck_assert_int_eq(mbox_message_is_crlf("", 0, "", 0), 0);
    ck_assert_int_eq(mbox_message_is_crlf("\n", 1, "\n", 1), 0);
}
END_TEST

START_TEST(endless_sender)
{
    enum { N = 100000 };
    char *text = malloc(N);
    memset(text, 'a', N);
    memcpy(text, "From: <b@", 9);
    uint64_t added;
    struct bytes b = written(text, N, 777, &added);
    ck_assert_int_eq(strncmp(b.p, "From MAILER-DAEMON ", 19), 0);
    free(b.p);
    free(text);
}
END_TEST

/* Any messages that end with a line end come back from a file to the byte. */
START_TEST(round_trip)
{
    static const char *const words[] = {"\n", "\n\n", "\r\n", ">", "From ", "Fro", "From a@b Sat Jan  2 01:29:12 2021\n", "\nFrom - \n", "x", "\r", "\n\n\n", ">>From x\n"};
    uint32_t seed = 7;
    for (int round = 0; round < 400; round++) {
        struct bytes file = {0}, want[8] = {{0}};
        struct mbox_writer w;
        size_t count = 1 + next_random(&seed) % 8;
        mbox_writer_init(&w, collect, &file);
        for (size_t i = 0; i < count; i++) {
            for (uint32_t k = next_random(&seed) % 20; k > 0; k--) {
                const char *word = words[next_random(&seed) % (sizeof words / sizeof *words)];
                collect(&want[i], word, strlen(word));
            }
            if (want[i].n && want[i].p[want[i].n - 1] != '\n')
                collect(&want[i], "\n", 1);
            mbox_write_begin(&w, want[i].p, want[i].n, (int)(i & 1), 0);
            for (size_t at = 0, step; at < want[i].n; at += step) {
                step = 1 + next_random(&seed) % 9;
                step = want[i].n - at < step ? want[i].n - at : step;
                mbox_write(&w, want[i].p + at, step);
            }
            mbox_write_end(&w);
        }
        struct messages got = read_bytes(file.p, file.n, MBOX_RD);
        ck_assert_uint_eq(got.count, count);
        for (size_t i = 0; i < count; i++) {
            ck_assert_uint_eq(got.m[i].n, want[i].n);
            ck_assert_int_eq(want[i].n ? memcmp(got.m[i].p, want[i].p, want[i].n) : 0, 0);
            free(want[i].p);
        }
        ck_assert_uint_eq(w.line_ends_added, 0);
        messages_free(&got);
        free(file.p);
    }
}
END_TEST

static int refuse(void *arg, const void *p, size_t n)
{
    (void)p;
    (void)n;
    return --*(int *)arg < 0 ? 28 : 0;
}

START_TEST(failing_sink)
{
    for (int allowed = 0; allowed < 8; allowed++) {
        int left = allowed, rc;
        struct mbox_writer w;
        mbox_writer_init(&w, refuse, &left);
        rc = mbox_write_begin(&w, "x", 1, 0, 0);
        if (rc == 0)
            rc = mbox_write(&w, "x\nFrom y\nz", 10);
        if (rc == 0)
            rc = mbox_write_end(&w);
        ck_assert_int_eq(rc, allowed < 6 ? 28 : 0);
    }
}
END_TEST

UNIT_MAIN("tools/mbox_write", quoting, postmarks, line_ends, endless_sender, round_trip, failing_sink)
