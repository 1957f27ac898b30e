#include "unit/mime/scan.h"

static const char sample[] = "Content-Type: multipart/mixed; boundary=b\n\npreamble\n"
                             "--b\nContent-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\none\n"
                             "--b\nContent-Type: message/rfc822\n\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ntwo\n--c--\n\n"
                             "--b--\nepilogue\n";

static struct cubby__structure sample_structure(struct cubby__scanner *s)
{
    struct cubby__structure got;
    scan(s, sample, sizeof sample - 1, &got);
    return got;
}

START_TEST(one_part_is_small)
{
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    struct cubby__buf b = CUBBY__BUF_INIT;
    char m[4200];
    memset(m, 'x', sizeof m);
    memcpy(m, "A: ", 3);
    m[2998] = m[2999] = '\n';
    for (size_t i = 3060; i < sizeof m; i += 60)
        m[i] = '\n';
    scan(s, m, sizeof m, &got);
    cubby__structure_encode(&got, &b);
    ck_assert_uint_eq(b.len, 5); /* count, tag, header_len (2), body_lines */
    cubby__buf_release(&b);
    cubby__scanner_free(&s);
}
END_TEST

/* FORMAT.md's example. */
START_TEST(bytes)
{
    static const char m[] = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-ID: <1>\n\nhi\n--b--\n";
    static const uint8_t want[] = {0x01, 0x01, 0x2b, 0x05, 0x00, 0x04, 0x02, 0x11, 0x00, 0x10, 'C', 'o', 'n', 't', 'e', 'n',
                                   't',  '-',  'I',  'D',  ':',  ' ',  '<',  '1',  '>',  '\n'};
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    struct cubby__buf b = CUBBY__BUF_INIT;
    scan(s, m, sizeof m - 1, &got);
    cubby__structure_encode(&got, &b);
    ck_assert_uint_eq(b.len, sizeof want);
    ck_assert_mem_eq(b.data, want, sizeof want);
    cubby__buf_release(&b);
    cubby__scanner_free(&s);
}
END_TEST

START_TEST(round_trip)
{
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got = sample_structure(s);
    ck_assert_uint_eq(got.count, 5);
    check_code(&got);
    cubby__scanner_free(&s);
}
END_TEST

/* More than six levels up at once. */
START_TEST(many_levels)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    for (unsigned i = 0; i < 40; i++) {
        char part[100];
        int n = sprintf(part, "%s%.0u\nContent-Type: multipart/mixed; boundary=%u\n\n", i ? "--" : "A: ", i, i + 1);
        cubby__buf_add(&b, part, (size_t)n);
    }
    const char *rest = "--40\n\nx\n--33\n\ny\n--34\n--2\n\nz\n--1\n\nw\n";
    cubby__buf_add(&b, rest, strlen(rest));
    scan(s, b.data, b.len, &got);
    ck_assert_uint_eq(got.count, 44);
    check_code(&got);
    cubby__scanner_free(&s);
    cubby__buf_release(&b);
}
END_TEST

/* Never outside of the input (each is a block of its own), never parts that do not nest. */
static void check_hostile(const uint8_t *in, size_t n, uint64_t size)
{
    struct cubby__structure got = {0};
    cubby_part *parts = NULL;
    uint8_t *copy = malloc(n + !n);
    memcpy(copy, in, n);
    int rc = cubby__structure_decode(copy, n, size, &parts, &got.count);
    ck_assert(rc == 0 || rc == CUBBY_ECORRUPT);
    if (rc == 0) {
        got.parts = parts;
        got.size = size;
        got.header_len = parts[0].header_len;
        check_sane(&got);
        check_code(&got);
        cubby__free(parts);
    } else {
        ck_assert_ptr_null(parts);
    }
    free(copy);
}

START_TEST(damaged)
{
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got = sample_structure(s);
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby_part *parts = NULL;
    size_t count;
    cubby__structure_encode(&got, &b);
    for (size_t n = 0; n < b.len; n++) {
        ck_assert_int_eq(cubby__structure_decode(b.data, n, got.size, &parts, &count), CUBBY_ECORRUPT);
        check_hostile(b.data, n, got.size);
    }
    for (size_t at = 0; at < b.len; at++) {
        for (int v = 0; v < 256; v++) {
            uint8_t was = b.data[at];
            b.data[at] = (uint8_t)v;
            check_hostile(b.data, b.len, got.size);
            b.data[at] = was;
        }
    }
    ck_assert_int_eq(cubby__structure_decode(b.data, b.len, got.size - 20, &parts, &count), CUBBY_ECORRUPT);
    cubby__buf_byte(&b, 0);
    ck_assert_int_eq(cubby__structure_decode(b.data, b.len, got.size, &parts, &count), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
    cubby__scanner_free(&s);
}
END_TEST

START_TEST(refused)
{
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"", 0},
        {"\x00", 1},
        {"\x00\x00\x05", 3},                                  /* no lines */
        {"\x00\x00\x65\x00", 4},                              /* header longer than the message */
        {"\x00\x00\x05\x60", 4},                              /* more lines than bytes */
        {"\x00\x03\x05\x00", 4},                              /* no such kind */
        {"\x00\x18\x05\x00", 4},                              /* no such encoding */
        {"\x00\x20\x05\x00", 4},                              /* the message has no levels above it */
        {"\x00\x02\x05\x00", 4},                              /* a message without its child */
        {"\x01\x00\x05\x00\x00\x00\x00\x00\x00", 9},          /* a child of a leaf */
        {"\x01\x01\x05\x00\x20\x00\x00\x00\x00\x00", 10},     /* a sibling of the message itself */
        {"\x01\x01\x05\x00\x00\x60\x00\x00\x00\x00", 10},     /* begins behind its parent */
        {"\x01\x01\x05\x00\x00\x50\x10\x00\x00\x00", 10},     /* ends behind its parent */
        {"\x02\x02\x05\x00\x00\x01\x00\x00\x20\x01\x00\x00", 12}, /* a message with two children */
        {"\xff\x7f\x00\x05\x00", 5},                          /* more parts than bytes */
        {"\x8f\x4e\x00\x05\x00", 5},                          /* 10,000 of them: allowed, but not there */
        {"\x90\x4e\x00\x05\x00", 5},                          /* one more than allowed */
    };
    cubby_part *parts;
    size_t count;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(cubby__structure_decode((const uint8_t *)bad[i].bytes, bad[i].n, 100, &parts, &count) == CUBBY_ECORRUPT, "case %zu", i);
    ck_assert_int_eq(cubby__structure_decode((const uint8_t *)"\x00\x00\x64\x00", 4, 100, &parts, &count), 0);
    ck_assert_uint_eq(parts[0].header_len, 100);
    cubby__free(parts);
}
END_TEST

/* Depth 100 is the last that is accepted, and 64 KiB of fields. */
START_TEST(limits)
{
    for (unsigned depth = CUBBY__MIME_DEPTH_MAX; depth <= CUBBY__MIME_DEPTH_MAX + 1u; depth++) {
        struct cubby__buf b = CUBBY__BUF_INIT;
        cubby_part *parts;
        size_t count;
        cubby__buf_varint(&b, depth);
        for (unsigned i = 0; i <= depth; i++) {
            cubby__buf_add(&b, i < depth ? "\x02\x00\x00\x00" : "\x00\x00\x00\x00", i ? 4 : 3);
        }
        int rc = cubby__structure_decode(b.data, b.len, 100, &parts, &count);
        ck_assert_int_eq(rc, depth <= CUBBY__MIME_DEPTH_MAX ? 0 : CUBBY_ECORRUPT);
        if (rc == 0)
            cubby__free(parts);
        cubby__buf_release(&b);
    }
    for (unsigned extra = 0; extra < 2; extra++) {
        struct cubby__buf b = CUBBY__BUF_INIT;
        cubby_part *parts;
        size_t count, n = CUBBY__MIME_FIELDS_MAX + extra;
        cubby__buf_add(&b, "\x01\x01\x00\x00\x00\x00\x00\x00\x00", 9);
        cubby__buf_varint(&b, n);
        memset(cubby__buf_extend(&b, n), 'x', n);
        int rc = cubby__structure_decode(b.data, b.len, 100, &parts, &count);
        ck_assert_int_eq(rc, extra ? CUBBY_ECORRUPT : 0);
        if (rc == 0)
            cubby__free(parts);
        cubby__buf_release(&b);
    }
}
END_TEST

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

START_TEST(out_of_memory)
{
    static const cubby_allocator none = {no_memory, realloc, free};
    cubby_part *parts;
    size_t count;
    cubby_set_allocator(&none);
    ck_assert_int_eq(cubby__structure_decode((const uint8_t *)"\x00\x00\x05\x00", 4, 100, &parts, &count), CUBBY_ENOMEM);
    cubby_set_allocator(NULL);
}
END_TEST

UNIT_MAIN("mime/structure_code", one_part_is_small, bytes, round_trip, many_levels, damaged, refused, limits, out_of_memory)
