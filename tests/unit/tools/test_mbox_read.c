#include "archive/mbox.h"

#include "mbox_util.h"

#define PM  "From a@b Sat Jan  2 01:29:12 2021\n"
#define PMC "From a@b Sat Jan  2 01:29:12 2021\r\n"

static struct messages parse(const char *text, int dialect)
{
    return read_bytes(text, strlen(text), dialect);
}

START_TEST(separators)
{
    struct messages m = parse(PM "A: 1\n\nbody\n\n" PM "B: 2\n\nb\n" PM "C: 3\n", MBOX_AUTO);
    ck_assert_uint_eq(m.count, 3);
    ck_assert_int_eq(m.read_rc, 1);
    ck_assert_int_eq(m.dialect, MBOX_RD);
    assert_message(&m, 0, "A: 1\n\nbody\n");
    assert_message(&m, 1, "B: 2\n\nb\n");
    assert_message(&m, 2, "C: 3\n");
    ck_assert_uint_eq(m.m[0].item.offset, 0);
    ck_assert_uint_eq(m.m[1].item.offset, strlen(PM "A: 1\n\nbody\n\n"));
    ck_assert_uint_eq(m.m[1].item.body_offset, strlen(PM "A: 1\n\nbody\n\n" PM));
    ck_assert_uint_eq(m.m[2].item.number, 3);
    ck_assert_int_eq(m.m[2].item.date, 1609550952);
    ck_assert_uint_eq(m.counts.glued, 1);
    messages_free(&m);
}
END_TEST

START_TEST(one_empty_line_goes)
{
    static const struct {
        const char *between, *message;
    } t[] = {
        {"", ""},           {"\n", ""},         {"\n\n", "\n"},         {"x\n", "x\n"},         {"x\n\n", "x\n"},       {"x\n\n\n", "x\n\n"},
        {"\r\n", ""},       {"x\r\n", "x\r\n"}, {"x\r\n\r\n", "x\r\n"}, {"x\r\n\n", "x\r\n"},   {"x\n\r\n", "x\n"},     {"x\r\r\n", "x\r\r\n"},
        {"x\n \n", "x\n \n"}, {"\n\r\n", "\n"}, {"x\n\r\r\n", "x\n\r\r\n"}, {"\r\r\n", "\r\r\n"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        char text[200];
        snprintf(text, sizeof text, PM "%s" PM "y\n", t[i].between);
        struct messages m = parse(text, MBOX_AUTO);
        ck_assert_uint_eq(m.count, 2);
        assert_message(&m, 0, t[i].message);
        messages_free(&m);
        snprintf(text, sizeof text, PM "%s", t[i].between); /* and at the end of the file */
        m = parse(text, MBOX_AUTO);
        ck_assert_uint_eq(m.count, 1);
        assert_message(&m, 0, t[i].message);
        messages_free(&m);
    }
}
END_TEST

START_TEST(loose_postmarks_need_an_empty_line)
{
    struct messages m = parse("From - \nx\nFrom - \ny\n\nFrom - \nz\n\nFrom c@d\nw\n\nFrom TODO:\n", MBOX_AUTO);
    ck_assert_uint_eq(m.count, 3);
    assert_message(&m, 0, "x\nFrom - \ny\n");
    assert_message(&m, 1, "z\n");
    assert_message(&m, 2, "w\n\nFrom TODO:\n");
    ck_assert_uint_eq(m.counts.bare, 2);
    ck_assert_uint_eq(m.counts.loose, 3);
    messages_free(&m);
    m = parse("\n\r\n\nFrom bounce\nx\n", MBOX_AUTO);
    ck_assert_uint_eq(m.count, 1);
    assert_message(&m, 0, "x\n");
    messages_free(&m);
    m = parse("\xef\xbb\xbf" PM "x\n", MBOX_AUTO);
    ck_assert_uint_eq(m.count, 1);
    messages_free(&m);
}
END_TEST

START_TEST(crlf)
{
    struct messages m = parse(PMC "A: 1\r\n\r\nx\r\n\r\n" PMC "B: 1\r\n\r\n>From me\r\n", MBOX_AUTO);
    ck_assert_uint_eq(m.count, 2);
    ck_assert_int_eq(m.crlf, 1);
    assert_message(&m, 0, "A: 1\r\n\r\nx\r\n");
    assert_message(&m, 1, "B: 1\r\n\r\nFrom me\r\n");
    messages_free(&m);
}
END_TEST

START_TEST(quotes)
{
    static const char text[] = PM ">From a\n>>From b\n>>>From c\n> From d\n>From: e\nx>From f\n>Fro\n>From ";
    struct messages m = parse(text, MBOX_AUTO);
    ck_assert_uint_eq(m.count, 1);
    assert_message(&m, 0, "From a\n>From b\n>>From c\n> From d\n>From: e\nx>From f\n>Fro\nFrom ");
    ck_assert_uint_eq(m.counts.quoted, 4);
    messages_free(&m);
    m = parse(text, MBOX_O);
    assert_message(&m, 0, text + strlen(PM));
    messages_free(&m);
    m = parse(text, MBOX_CL2);
    assert_message(&m, 0, text + strlen(PM));
    messages_free(&m);
    m = parse(text, MBOX_CL);
    ck_assert_uint_eq(m.counts.quoted, 4);
    messages_free(&m);
}
END_TEST

START_TEST(no_mbox)
{
    static const char *const t[] = {"x", "Subject: x\n\n", "\0\0\0", "From: a@b\n", "\n\nx\n", "From \n", ">From a@b\n", "From"};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct messages m = read_bytes(t[i], i == 2 ? 3 : strlen(t[i]), MBOX_AUTO);
        ck_assert_int_eq(m.open_rc, -1);
        ck_assert_ptr_nonnull(strstr(m.error, "no `From ' line at the start"));
        messages_free(&m);
    }
    struct messages m = parse("", MBOX_AUTO);
    ck_assert_int_eq(m.open_rc, 1);
    m = parse("\n\n", MBOX_AUTO);
    ck_assert_int_eq(m.open_rc, 1);
    m = parse("From a@b", MBOX_AUTO); /* a postmark and nothing else: one message without bytes */
    ck_assert_uint_eq(m.count, 1);
    ck_assert_uint_eq(m.m[0].n, 0);
    messages_free(&m);
}
END_TEST

START_TEST(content_length)
{
    static const char cl2[] = PM "Content-Length: 52\n\nraw\n" PM "and > more text\n\n" PM "content-length: 2\n\nx\n\n" PM "Content-Length: 3\n\nyy\n";
    struct messages m = parse(cl2, MBOX_AUTO);
    ck_assert_int_eq(m.dialect, MBOX_CL2);
    ck_assert_uint_eq(m.count, 3);
    assert_message(&m, 0, "Content-Length: 52\n\nraw\n" PM "and > more text\n");
    assert_message(&m, 1, "content-length: 2\n\nx\n");
    ck_assert_uint_eq(m.counts.by_length, 3);
    messages_free(&m);
    m = parse(cl2, MBOX_RD);
    ck_assert_uint_eq(m.count, 4);
    messages_free(&m);
    m = parse(PM "Content-Length: 9\n\n>From me\n\n" PM "Content-Length: 2\n\nx\n\n" PM "y\n", MBOX_AUTO);
    ck_assert_int_eq(m.dialect, MBOX_CL);
    ck_assert_uint_eq(m.count, 3);
    assert_message(&m, 0, "Content-Length: 9\n\nFrom me\n");
    messages_free(&m);
}
END_TEST

START_TEST(wrong_content_length)
{
    static const char *const lengths[] = {"0", "1", "9999", "-3", "18446744073709551615", "281474976710655", "x", "", "999999999999999999999999999999"};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        char text[400];
        snprintf(text, sizeof text, PM "Content-Length: %s\n\nhello\nworld\n\n" PM "B: 1\n\nx\n", lengths[i]);
        for (int d = MBOX_AUTO; d <= MBOX_CL2; d++) {
            struct messages m = parse(text, d);
            ck_assert_msg(m.count == 2, "Content-Length %s, dialect %d", lengths[i], d);
            messages_free(&m);
        }
    }
}
END_TEST

/* ---- against a reader that has everything in memory ---------------------------------------------------------------------------------- */

static size_t plain_line(const char *p, size_t n)
{
    const char *nl = memchr(p, '\n', n);
    return nl ? (size_t)(nl - p) + 1 : n;
}

static int plain_is_postmark(const char *p, size_t line, size_t empty)
{
    struct postmark mark;
    size_t n = line;
    if (n && p[n - 1] == '\n')
        n--;
    if (n < line && n && p[n - 1] == '\r')
        n--;
    int kind = postmark_parse(p, n, &mark);
    return kind == POSTMARK_STRICT || (kind == POSTMARK_LOOSE && empty);
}

/* Length of the empty line at the end of text[from..n). */
static size_t plain_empty(const char *text, size_t from, size_t n)
{
    size_t k = 0;
    if (n > from && text[n - 1] == '\n')
        k = n - 1 > from && text[n - 2] == '\r' ? 2 : 1;
    return k && (n - k == from || text[n - k - 1] == '\n') ? k : 0;
}

static void plain_read(const char *text, size_t n, struct messages *out)
{
    size_t at = plain_line(text, n), from = at;
    for (;;) {
        size_t line = plain_line(text + at, n - at), empty = plain_empty(text, from, at);
        if (at == n || plain_is_postmark(text + at, line, empty)) {
            struct message one = {.p = malloc(at - from + 1)};
            for (size_t i = from, k; i < at - empty; i += k) {
                k = plain_line(text + i, at - empty - i);
                size_t q = 0;
                while (q < k && text[i + q] == '>')
                    q++;
                size_t drop = q && k - q >= 5 && memcmp(text + i + q, "From ", 5) == 0;
                memcpy(one.p + one.n, text + i + drop, k - drop);
                one.n += k - drop;
            }
            out->m = realloc(out->m, (out->count + 1) * sizeof *out->m);
            out->m[out->count++] = one;
            if (at == n)
                return;
            from = at + line;
        }
        at += line;
    }
}

static const char *const words[] = {"\n", "\n", "\n\n", "\r\n", "\r", ">", ">>", "From ", "From", "F", "From - \n", "x", "hello ", "\n>From ", "\nFrom c@d\n", PM, PMC,
                                    "\n" PM, "\n\n" PM, "\r\n\r\n" PMC};

static size_t random_text(uint32_t *seed, char *text, size_t n, size_t room)
{
    for (int k = (int)(next_random(seed) % 30); k >= 0; k--) {
        const char *w = words[next_random(seed) % (sizeof words / sizeof *words)];
        if (n + strlen(w) > room)
            break;
        memcpy(text + n, w, strlen(w));
        n += strlen(w);
    }
    return n;
}

static void compare(const char *text, size_t n)
{
    struct messages want = {0}, got = read_bytes(text, n, MBOX_RD);
    plain_read(text, n, &want);
    ck_assert_uint_eq(want.count, got.count);
    for (size_t i = 0; i < want.count; i++)
        ck_assert_msg(want.m[i].n == got.m[i].n && (!want.m[i].n || memcmp(want.m[i].p, got.m[i].p, want.m[i].n) == 0), "message %zu of %zu bytes: %zu, not %zu", i, n,
                      got.m[i].n, want.m[i].n);
    messages_free(&want);
    messages_free(&got);
}

START_TEST(random_texts)
{
    uint32_t seed = 1;
    char text[4096];
    for (int round = 0; round < 3000; round++) {
        memcpy(text, PM, strlen(PM));
        size_t n = random_text(&seed, text, strlen(PM), sizeof text);
        compare(text, n);
    }
}
END_TEST

/* What lies across the end of the window: the same texts, moved to there. */
START_TEST(across_the_window)
{
    enum { WINDOW = 1 << 20, ROOM = WINDOW + 8192 };
    uint32_t seed = 2;
    char *text = malloc(ROOM);
    for (int round = 0; round < 250; round++) {
        size_t n = WINDOW - next_random(&seed) % 120;
        memset(text, 'x', n);
        memcpy(text, PM, strlen(PM));
        text[n - 1] = round & 1 ? '\n' : 'x';
        n = random_text(&seed, text, n, ROOM);
        compare(text, n);
    }
    free(text);
}
END_TEST

START_TEST(long_runs)
{
    enum { RUN = 3 << 20 };
    char *text = malloc(RUN + 200);
    for (int which = 0; which < 4; which++) { /* '>' runs that end as a quote or not; endless lines; a postmark that never ends */
        size_t n = strlen(PM);
        memcpy(text, PM, n);
        memset(text + n, which == 2 ? 'y' : which == 3 ? 'F' : '>', RUN);
        if (which == 3)
            memcpy(text + n, "From ", 5);
        n += RUN;
        const char *end = which == 0 ? "From me\n" : which == 1 ? "Frob\n" : "\n\n" PM "z\n";
        memcpy(text + n, end, strlen(end));
        compare(text, n + strlen(end));
    }
    free(text);
}
END_TEST

/* A file that is cut off while it is read: the message that the end falls into is not taken for a whole one. */
START_TEST(cut_off_meanwhile)
{
    static char big[3 << 20];
    struct messages m = {0};
    struct mbox_item item;
    struct mbox *r = NULL;
    const char *mark = "From a@b Wed Jan  2 03:04:05 2019\n";
    memset(big, 'x', sizeof big);
    for (size_t at = 0; at < sizeof big; at += sizeof big / 12)
        memcpy(big + at - (at != 0), at ? "\n\nFrom a@b Wed Jan  2 03:04:05 2019\n" : mark, strlen(mark) + 2 * (at != 0));
    write_scratch(big, sizeof big);
    struct source *s = source_open(scratch_file());
    ck_assert_int_eq(mbox_open(s, MBOX_AUTO, &r), 0);
    ck_assert_int_eq(truncate(scratch_file(), sizeof big * 10 / 12 - 500), 0);
    take_all(r, &m);
    ck_assert_int_eq(m.read_rc, -1);
    ck_assert_uint_eq(m.count, 10);
    ck_assert_str_eq(mbox_error(r), "the file became shorter while it was read");
    ck_assert_int_eq(mbox_next(r, &item), -1);
    mbox_close(&r);
    source_close(&s);
    unlink(scratch_file());
    messages_free(&m);
}
END_TEST

START_TEST(open_in_the_middle)
{
    struct messages m = parse(PM "A: 1\n\n>From x\n\n" PM "B: 2\n\nb\n", MBOX_AUTO);
    write_scratch(PM "A: 1\n\n>From x\n\n" PM "B: 2\n\nb\n", strlen(PM "A: 1\n\n>From x\n\n" PM "B: 2\n\nb\n"));
    for (size_t i = 0; i < m.count; i++) {
        struct messages one = {0};
        struct mbox *r;
        struct source *s = source_open(scratch_file());
        ck_assert_int_eq(mbox_open_at(s, m.dialect, &m.m[i].item, &r), 0);
        take_all(r, &one);
        ck_assert_uint_eq(one.count, m.count - i);
        ck_assert_uint_eq(one.m[0].n, m.m[i].n);
        ck_assert_int_eq(memcmp(one.m[0].p, m.m[i].p, m.m[i].n), 0);
        ck_assert_uint_eq(one.m[0].item.offset, m.m[i].item.offset);
        messages_free(&one);
        mbox_close(&r);
        source_close(&s);
    }
    unlink(scratch_file());
    messages_free(&m);
}
END_TEST

UNIT_MAIN("tools/mbox_read", separators, one_empty_line_goes, loose_postmarks_need_an_empty_line, crlf, quotes, no_mbox, content_length,
          wrong_content_length, random_texts, across_the_window, long_runs, cut_off_meanwhile, open_in_the_middle)
