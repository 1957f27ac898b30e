#include "mime/structure.h"

#include <dirent.h>

#include "base/hash.h"
#include "cubby.h"
#include "unit/mime/linear.h"
#include "unit/mime/scan.h"

/* A structure as text: a line a part, indented by depth: kind (L leaf, M multipart, R message), encoding, lines, header, body; a body that holds
 * parts only as its length. \r, \n and other bytes as people write them. */
static void put_text(struct cubby__buf *b, const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char tmp[8];
        int len = p[i] == '\r' ? sprintf(tmp, "\\r") : p[i] == '\n' ? sprintf(tmp, "\\n") : sprintf(tmp, "%c", p[i]);
        cubby__buf_add(b, tmp, (size_t)len);
    }
}

static void describe(const struct cubby__structure *s, const char *data, struct cubby__buf *b)
{
    for (size_t i = 0; i < s->count; i++) {
        const cubby_part *p = &s->parts[i];
        char tmp[80];
        int n = sprintf(tmp, "%*s%c%u %u [", p->depth, "", "LMR"[p->kind], p->encoding, (unsigned)p->body_lines);
        cubby__buf_add(b, tmp, (size_t)n);
        put_text(b, data + p->header_offset, p->header_len);
        cubby__buf_add(b, "] ", 2);
        if (p->kind == CUBBY_PART_LEAF) {
            cubby__buf_byte(b, '[');
            put_text(b, data + p->body_offset, p->body_len);
            cubby__buf_add(b, "]\n", 2);
        } else {
            n = sprintf(tmp, "%u\n", (unsigned)p->body_len);
            cubby__buf_add(b, tmp, (size_t)n);
        }
    }
    cubby__buf_byte(b, 0);
}

static void check_bytes(const char *message, size_t n, const char *want)
{
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    struct cubby__buf b = CUBBY__BUF_INIT;
    scan(s, message, n, &got);
    describe(&got, message, &b);
    ck_assert_str_eq((const char *)b.data, want);
    cubby__buf_release(&b);
    cubby__scanner_free(&s);
    check_chunks((const uint8_t *)message, n, 1);
}

static void check(const char *message, const char *want)
{
    check_bytes(message, strlen(message), want);
}

#define MIXED(b) "Content-Type: multipart/mixed; boundary=" b "\n\n"

START_TEST(plain)
{
    check("", "L0 0 [] []\n");
    check("\n", "L0 0 [\\n] []\n");
    check("\r\n", "L0 0 [\\r\\n] []\n");
    check("\r", "L0 0 [\\r] []\n");
    check("A: b", "L0 0 [A: b] []\n");
    check("A: b\n\nhi\nthere", "L0 1 [A: b\\n\\n] [hi\\nthere]\n");
    check("A: b\r\n\r\nhi\r\n", "L0 1 [A: b\\r\\n\\r\\n] [hi\\r\\n]\n");
    check("no header\n more\n\nbody\n\n", "L0 2 [no header\\n more\\n\\n] [body\\n\\n]\n");
    check("From a@b Sat\n>From x\nA: b\nContent-Transfer-Encoding: BASE64\n\nx", "L4 0 [From a@b Sat\\n>From x\\nA: b\\nContent-Transfer-Encoding: "
                                                                              "BASE64\\n\\n] [x]\n");
    check("A: b\n \n\t\nB: c\n\n--x\n", "L0 1 [A: b\\n \\n\t\\nB: c\\n\\n] [--x\\n]\n"); /* blanks are no empty line */
    check_bytes("A\0b\n\n\0", 6, "L0 0 [A\0b\\n\\n] [\0]\n");
}
END_TEST

START_TEST(multiparts)
{
    check(MIXED("b") "preamble\n--b\nContent-Type: text/plain\n\none\n--b\n\ntwo\n\n--b--\nepilogue\n",
          "M0 11 [Content-Type: multipart/mixed; boundary=b\\n\\n] 68\n"
          " L0 0 [Content-Type: text/plain\\n\\n] [one]\n"
          " L0 1 [\\n] [two\\n]\n");
    check("Content-type : MULTIPART/Mixed;\r\n boundary=\"a \\\"b\"\r\n\r\n--a \"b\r\nContent-Transfer-Encoding: 8bit\r\n\r\none\r\n--a \"b-- \t\r\n",
          "M0 5 [Content-type : MULTIPART/Mixed;\\r\\n boundary=\"a \\\"b\"\\r\\n\\r\\n] 60\n"
          " L1 0 [Content-Transfer-Encoding: 8bit\\r\\n\\r\\n] [one]\n");
    /* nested; the inner one is never closed, so the outer boundary ends it */
    check(MIXED("out") "--out\n" MIXED("in") "--in\n\n1\n--in\n\n2\n--out\n\n3\n--out--",
          "M0 12 [Content-Type: multipart/mixed; boundary=out\\n\\n] 82\n"
          " M0 5 [Content-Type: multipart/mixed; boundary=in\\n\\n] 15\n"
          "  L0 0 [\\n] [1]\n"
          "  L0 0 [\\n] [2]\n"
          " L0 0 [\\n] [3]\n");
    /* nothing closes anything */
    check(MIXED("b") "--b\n\none\n--b\n\ntwo\n",
          "M0 6 [Content-Type: multipart/mixed; boundary=b\\n\\n] 18\n"
          " L0 0 [\\n] [one]\n"
          " L0 1 [\\n] [two\\n]\n");
    /* no boundary parameter, or an empty one: a leaf */
    check("Content-Type: multipart/mixed\n\n--\n\nx\n", "L0 3 [Content-Type: multipart/mixed\\n\\n] [--\\n\\nx\\n]\n");
    check("Content-Type: multipart/mixed; boundary=\"\"\n\n--\n\nx", "L0 2 [Content-Type: multipart/mixed; boundary=\"\"\\n\\n] [--\\n\\nx]\n");
    /* no part in it */
    check(MIXED("b") "--c\n", "M0 1 [Content-Type: multipart/mixed; boundary=b\\n\\n] 4\n");
    /* the first Content-Type counts */
    check("Content-Type: text/plain\n" MIXED("b") "--b\n",
          "L0 1 [Content-Type: text/plain\\nContent-Type: multipart/mixed; boundary=b\\n\\n] [--b\\n]\n");
}
END_TEST

START_TEST(boundaries)
{
    /* one boundary begins another; what follows a boundary must be white space */
    check(MIXED("b") "--b\n" MIXED("bb") "--bb\n\n1\n--bbb\n--b x\n--b-\n --b\nx--b\n--bb--\n\n--b\n\n2\n--b--",
          "M0 16 [Content-Type: multipart/mixed; boundary=b\\n\\n] 103\n"
          " M0 9 [Content-Type: multipart/mixed; boundary=bb\\n\\n] 42\n"
          "  L0 5 [\\n] [1\\n--bbb\\n--b x\\n--b-\\n --b\\nx--b]\n"
          " L0 0 [\\n] [2]\n");
    /* a boundary that ends in --, and the same boundary twice: the innermost counts */
    check(MIXED("b--") "--b--\n\n1\n--b----\n--b--\n", "M0 5 [Content-Type: multipart/mixed; boundary=b--\\n\\n] 23\n L0 0 [\\n] [1]\n");
    check(MIXED("b") "--b\n" MIXED("b") "--b\n\n1\n--b--\n--b--\n--b\n",
          "M0 9 [Content-Type: multipart/mixed; boundary=b\\n\\n] 70\n"
          " M0 3 [Content-Type: multipart/mixed; boundary=b\\n\\n] 12\n"
          "  L0 0 [\\n] [1]\n");
    /* white space behind a boundary, and only there */
    check(MIXED("b") "--b \t \r\n\n1\n--b-- \t\n-- b\n",
          "M0 5 [Content-Type: multipart/mixed; boundary=b\\n\\n] 24\n L0 0 [\\n] [1]\n");
    /* a boundary in a header ends it */
    check(MIXED("b") "--b\nContent-Type: message/rfc822\n--b\nA: b\n--b--\n",
          "M0 5 [Content-Type: multipart/mixed; boundary=b\\n\\n] 48\n"
          " L0 0 [Content-Type: message/rfc822] []\n"
          " L0 0 [A: b] []\n");
    check(MIXED("b") "--b\n--b\n\n--b--\n", "M0 4 [Content-Type: multipart/mixed; boundary=b\\n\\n] 15\n L0 0 [] []\n L0 0 [\\n] []\n");
    /* a closing line that is also the line before the outer boundary; an empty part at the end of its parent */
    check(MIXED("o") "--o\n" MIXED("i") "--i\n--o--\n",
          "M0 5 [Content-Type: multipart/mixed; boundary=o\\n\\n] 57\n"
          " M0 0 [Content-Type: multipart/mixed; boundary=i\\n\\n] 3\n"
          "  L0 0 [] []\n");
}
END_TEST

START_TEST(messages)
{
    check("Content-Type: message/rfc822\n\nA: b\n\nhi\n", "R0 3 [Content-Type: message/rfc822\\n\\n] 9\n L0 1 [A: b\\n\\n] [hi\\n]\n");
    check("Content-Type: message/global\n\nA: b", "R0 0 [Content-Type: message/global\\n\\n] 4\n L0 0 [A: b] []\n");
    check("Content-Type: message/rfc822\n\n", "R0 0 [Content-Type: message/rfc822\\n\\n] 0\n L0 0 [] []\n");
    check("Content-Type: message/rfc822\n\nContent-Type: message/rfc822\n\nx\n",
          "R0 3 [Content-Type: message/rfc822\\n\\n] 32\n R0 1 [Content-Type: message/rfc822\\n\\n] 2\n  L0 0 [x\\n] []\n");
    check("Content-Type: message/rfc822\nContent-Transfer-Encoding: base64\n\nQQ==\n",
          "L4 1 [Content-Type: message/rfc822\\nContent-Transfer-Encoding: base64\\n\\n] [QQ==\\n]\n");
    check("Content-Type: message/rfc822\nContent-Transfer-Encoding: 8BIT\n\nA: b\n\n",
          "R1 2 [Content-Type: message/rfc822\\nContent-Transfer-Encoding: 8BIT\\n\\n] 6\n L0 0 [A: b\\n\\n] []\n");
    check("Content-Type: message/partial\n\nA: b\n", "L0 1 [Content-Type: message/partial\\n\\n] [A: b\\n]\n");
    /* digest: children are messages unless they say otherwise; here the second is empty, cut inside the embedded header's empty line */
    check("Content-Type: multipart/digest; boundary=b\n\n--b\n\nA: b\n\nx\n--b\n\n\n--b\nContent-Type: text/plain\n\nt\n--b--\n",
          "M0 13 [Content-Type: multipart/digest; boundary=b\\n\\n] 57\n"
          " R0 2 [\\n] 7\n"
          "  L0 0 [A: b\\n\\n] [x]\n"
          " R0 0 [\\n] 0\n"
          "  L0 0 [] []\n"
          " L0 0 [Content-Type: text/plain\\n\\n] [t]\n");
    /* the outer boundary reaches into an embedded message */
    check(MIXED("b") "--b\nContent-Type: message/rfc822\n\n" MIXED("c") "--c\n\nx\n--b\n\ny\n--b--\n",
          "M0 12 [Content-Type: multipart/mixed; boundary=b\\n\\n] 97\n"
          " R0 4 [Content-Type: message/rfc822\\n\\n] 49\n"
          "  M0 2 [Content-Type: multipart/mixed; boundary=c\\n\\n] 6\n"
          "   L0 0 [\\n] [x]\n"
          " L0 0 [\\n] [y]\n");
}
END_TEST

static struct cubby__structure facts(struct cubby__scanner *s, const char *data, size_t n)
{
    struct cubby__structure got;
    scan(s, data, n, &got);
    check_chunks((const uint8_t *)data, n, 1);
    return got;
}

START_TEST(sizes_and_traits)
{
    static const struct {
        const char *data;
        size_t n;
        unsigned eol, traits, extra; /* extra: of the CRLF size */
    } cases[] = {
        {"", 0, CUBBY_EOL_NONE, 0, 0},
        {"abc", 3, CUBBY_EOL_NONE, 0, 0},
        {"a\n\nb\n", 5, CUBBY_EOL_LF, 0, 3},
        {"a\r\n\r\nb\r\n", 8, CUBBY_EOL_CRLF, 0, 0},
        {"a\r\n\r\nb\n", 7, CUBBY_EOL_MIXED, 0, 1},
        {"a\r\r\n\r\n", 6, CUBBY_EOL_CRLF, CUBBY_HAS_BARE_CR, 0},
        {"a\n\nb\r", 5, CUBBY_EOL_LF, CUBBY_HAS_BARE_CR, 2},
        {"a\rb\n\n", 5, CUBBY_EOL_LF, CUBBY_HAS_BARE_CR, 2},
        {"\xe4\n\nb\n", 5, CUBBY_EOL_LF, CUBBY_HAS_8BIT_HEADER, 3},
        {"a\n\n\xe4\n", 5, CUBBY_EOL_LF, CUBBY_HAS_8BIT_BODY, 3},
        {"a\n\n\0\n", 5, CUBBY_EOL_LF, CUBBY_HAS_NUL, 3},
        {"\0\n\n\xff", 4, CUBBY_EOL_LF, CUBBY_HAS_NUL | CUBBY_HAS_8BIT_BODY, 2},
    };
    struct cubby__scanner *s = cubby__scanner_new();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cubby__structure got = facts(s, cases[i].data, cases[i].n);
        ck_assert_msg(got.eol == cases[i].eol, "eol of case %zu", i);
        ck_assert_msg(got.traits == cases[i].traits, "traits of case %zu: %u", i, got.traits);
        ck_assert_uint_eq(got.size, cases[i].n);
        ck_assert_uint_eq(got.crlf_size, cases[i].n + cases[i].extra);
    }
    cubby__scanner_free(&s);
}
END_TEST

/* 998 bytes are allowed; line ends do not count. */
START_TEST(long_lines)
{
    static const char *const ends[] = {"", "\n", "\r\n"};
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    char m[1100];
    for (size_t i = 0; i < 3; i++) {
        for (size_t n = 996; n <= 1001; n++) {
            for (int header = 0; header < 2; header++) {
                memcpy(m, "\n\n\n", 3);
                size_t at = header ? 0 : 2;
                memset(m + at, 'x', n);
                strcpy(m + at + n, ends[i]);
                size_t len = at + n + strlen(ends[i]);
                scan(s, m, len, &got);
                ck_assert_int_eq((got.traits & CUBBY_HAS_LONG_LINE) != 0, n > 998);
                check_chunks((const uint8_t *)m, len, 97);
            }
        }
    }
    cubby__scanner_free(&s);
}
END_TEST

/* A boundary line of 1,000 bytes or more is none, however it is cut. */
START_TEST(long_boundary_lines)
{
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    for (size_t n = 995; n <= 1005; n++) {
        char m[1200];
        int at = sprintf(m, MIXED("b") "--b\n\none\n--b");
        memset(m + at, ' ', n - 4);
        strcpy(m + at + n - 4, "\n\ntwo\n");
        scan(s, m, strlen(m), &got);
        ck_assert_uint_eq(got.count, n < 1000 ? 3 : 2);
        check_chunks((const uint8_t *)m, strlen(m), 1);
    }
    cubby__scanner_free(&s);
}
END_TEST

START_TEST(header_done)
{
    const char m[] = "A: b\r\n\r\nbody";
    struct cubby__scanner *s = cubby__scanner_new();
    uint64_t len = 99;
    for (size_t i = 0; i < 7; i++) {
        cubby__scanner_add(s, m + i, 1);
        ck_assert_int_eq(cubby__scanner_header_done(s, &len), 0);
    }
    ck_assert_uint_eq(len, 99);
    cubby__scanner_add(s, m + 7, 1);
    ck_assert_int_eq(cubby__scanner_header_done(s, &len), 1);
    ck_assert_uint_eq(len, 8);
    cubby__scanner_add(s, m + 8, 4);
    ck_assert_int_eq(cubby__scanner_header_done(s, &len), 1);
    cubby__scanner_reset(s);
    ck_assert_int_eq(cubby__scanner_header_done(s, &len), 0);
    cubby__scanner_free(&s);
    ck_assert_ptr_null(s);
    cubby__scanner_free(&s);
}
END_TEST

START_TEST(fields_of_parts)
{
    const char m[] = MIXED("b") "--b\nX: y\nContent-Type: text/plain;\n charset=x\nFoo: content-bar: z\ncontent-ID : <a>\nContent-\nContent: q\n"
                                "\nhi\n--b\nContent-Description: cut\n--b--\n";
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got = facts(s, m, sizeof m - 1);
    const char *want = "Content-Type: text/plain;\n charset=x\ncontent-ID : <a>\n";
    ck_assert_uint_eq(got.count, 3);
    ck_assert_uint_eq(got.parts[0].fields_len, 0);
    ck_assert_uint_eq(got.parts[1].fields_len, strlen(want));
    ck_assert_mem_eq(got.parts[1].fields, want, strlen(want));
    ck_assert_uint_eq(got.parts[2].fields_len, strlen("Content-Description: cut\n"));
    cubby__scanner_free(&s);
}
END_TEST

static void repeat(struct cubby__buf *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        cubby__buf_add(b, text, strlen(text));
}

START_TEST(bound_of_parts)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    repeat(&b, MIXED("b"), 1);
    repeat(&b, "--b\n\nx\n", 12000);
    repeat(&b, "--b--\n", 1);
    scan(s, b.data, b.len, &got);
    check_code(&got);
    ck_assert_uint_eq(got.count, CUBBY__MIME_PARTS_MAX);
    ck_assert_uint_eq(got.parts[1].body_len, 1);
    const cubby_part *last = &got.parts[got.count - 1]; /* the rest is one leaf */
    ck_assert_uint_eq(last->body_offset + last->body_len, b.len);
    ck_assert_uint_eq(last->body_lines, 1 + (12000 - CUBBY__MIME_PARTS_MAX + 1) * 3 + 1);
    check_chunks(b.data, b.len, b.len / 5);
    cubby__scanner_free(&s);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(bound_of_depth)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    for (unsigned i = 0; i < 200; i++) {
        char part[100];
        sprintf(part, "--%u\nContent-Type: multipart/mixed; boundary=%u\n\n", i - 1, i);
        repeat(&b, i ? part : strchr(part, '\n') + 1, 1);
    }
    repeat(&b, "--199\n\nx\n", 1);
    repeat(&b, "--50\n\ny\n", 1);
    scan(s, b.data, b.len, &got);
    ck_assert_uint_eq(got.count, CUBBY__MIME_DEPTH_MAX + 2);
    ck_assert_uint_eq(got.parts[CUBBY__MIME_DEPTH_MAX].kind, CUBBY_PART_LEAF);
    ck_assert_uint_eq(got.parts[CUBBY__MIME_DEPTH_MAX].depth, CUBBY__MIME_DEPTH_MAX);
    ck_assert_uint_eq(got.parts[CUBBY__MIME_DEPTH_MAX + 1].depth, 51); /* further out all goes on */
    check_chunks(b.data, b.len, 501);
    cubby__buf_clear(&b);
    repeat(&b, "Content-Type: message/rfc822\n\n", 200);
    scan(s, b.data, b.len, &got);
    ck_assert_uint_eq(got.count, CUBBY__MIME_DEPTH_MAX + 1);
    check_chunks(b.data, b.len, 301);
    cubby__scanner_free(&s);
    cubby__buf_release(&b);
}
END_TEST

/* More than 64 KiB of Content-* fields: the part that they do not fit into keeps none and is the last. */
START_TEST(bound_of_fields)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    repeat(&b, MIXED("b") "--b\nContent-ID: a\n\n--b\nContent-ID: b\nContent-X: ", 1);
    repeat(&b, "0123456789\n ", CUBBY__MIME_FIELDS_MAX / 12);
    repeat(&b, "\n\nx\n--b\n\ny\n", 1);
    scan(s, b.data, b.len, &got);
    check_code(&got);
    ck_assert_uint_eq(got.count, 3);
    ck_assert_uint_eq(got.parts[1].fields_len, 14);
    ck_assert_uint_eq(got.parts[2].fields_len, 0);
    ck_assert_uint_eq(got.parts[2].body_offset + got.parts[2].body_len, b.len);
    check_chunks(b.data, b.len, b.len / 7);
    /* one endless line, and an endless Content-Type of the message itself, which is passed over */
    cubby__buf_clear(&b);
    repeat(&b, "Content-Type: multipart/mixed; boundary=b; x=", 1);
    repeat(&b, "0123456789", 10000);
    repeat(&b, "\n\n--b\n\n", 1);
    scan(s, b.data, b.len, &got);
    ck_assert_uint_eq(got.count, 1);
    check_chunks(b.data, b.len, b.len / 7);
    cubby__scanner_free(&s);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(endless_lines)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    memset(cubby__buf_extend(&b, 1 << 20), '-', 1 << 20);
    scan(s, b.data, b.len, &got);
    ck_assert_uint_eq(got.header_len, 1 << 20);
    memcpy(b.data, MIXED("-----"), strlen(MIXED("-----")));
    scan(s, b.data, b.len, &got);
    ck_assert_uint_eq(got.count, 1);
    ck_assert_uint_eq(got.parts[0].kind, CUBBY_PART_MULTIPART);
    ck_assert_uint_eq(got.traits, CUBBY_HAS_LONG_LINE);
    check_chunks(b.data, b.len, 1 << 19);
    cubby__scanner_free(&s);
    cubby__buf_release(&b);
}
END_TEST

/* ---- time ----------------------------------------------------------------------------------------------------------------------- */

static void scan_it(void *message)
{
    struct cubby__buf *b = message;
    struct cubby__scanner *s = cubby__scanner_new();
    struct cubby__structure got;
    cubby__scanner_add(s, b->data, b->len);
    cubby__scanner_end(s, &got);
    cubby__scanner_free(&s);
}

enum { HOSTILE_BOUNDARIES, HOSTILE_DASHES, HOSTILE_COLONS, HOSTILE_MESSAGES, HOSTILE_PARAMETERS, HOSTILE_COMMENT, HOSTILE_LINES, HOSTILE_KINDS };

static void make_hostile(struct cubby__buf *b, int kind, size_t n)
{
    static const char *const repeated[] = {"--b\n\n", "--x\n", "a:b:c:\n", "Content-Type: message/rfc822\n\n", "; boundary*1=x; a=\"", "(\\",
                                           "\n"};
    cubby__buf_clear(b);
    if (kind == HOSTILE_BOUNDARIES)
        repeat(b, MIXED("b"), 1);
    else if (kind == HOSTILE_PARAMETERS || kind == HOSTILE_COMMENT)
        repeat(b, "Content-Type: multipart/mixed", 1);
    for (int i = 0; kind == HOSTILE_DASHES && i < CUBBY__MIME_DEPTH_MAX; i++) { /* as many open boundaries as there can be */
        char part[100];
        sprintf(part, "%s%d\nContent-Type: multipart/mixed; boundary=%d\n\n", i ? "--" : "A: ", i ? i - 1 : 0, i);
        repeat(b, part, 1);
    }
    repeat(b, repeated[kind], n);
}

START_TEST(time_is_linear)
{
    struct cubby__buf once = CUBBY__BUF_INIT, twice = CUBBY__BUF_INIT;
    for (int kind = 0; kind < HOSTILE_KINDS; kind++) {
        size_t n = kind == HOSTILE_PARAMETERS || kind == HOSTILE_COMMENT ? 3000 : 200000;
        make_hostile(&once, kind, n);
        make_hostile(&twice, kind, 2 * n);
        ck_assert_msg(is_linear(scan_it, &once, &twice), "kind %d", kind);
    }
    cubby__buf_release(&once);
    cubby__buf_release(&twice);
}
END_TEST

/* Parts, embedded messages and boundaries at random, out of few pieces, so that they often fit together. */
START_TEST(random_messages)
{
    static const char *const pieces[] = {"\n", "\r\n", "--a", "--b", "--", "\n--a\n", "\n--b\n", "\r\n--a--\r\n", "--b--\n",
                                         "Content-Type: message/rfc822\n\n", MIXED("a"), MIXED("b"), "x", " ", "-", "\r",
                                         "Content-Type: multipart/digest; boundary=\"a\"\r\n\r\n",
                                         "Content-Transfer-Encoding: binary\n", "A: b\n", "\xc3\xa4", "text text text\n"};
    struct cubby__buf b = CUBBY__BUF_INIT;
    uint64_t r = 88172645463325252ull;
    for (int round = 0; round < 400; round++) {
        cubby__buf_clear(&b);
        for (int i = 0; i < 40; i++) {
            r ^= r << 13;
            r ^= r >> 7;
            r ^= r << 17;
            repeat(&b, pieces[r % (sizeof pieces / sizeof *pieces)], 1);
        }
        check_chunks(b.data, b.len, 11);
    }
    cubby__buf_release(&b);
}
END_TEST

/* ---- a corpus, if there is one ---------------------------------------------------------------------------------------------------- */

static void check_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    struct cubby__buf b = CUBBY__BUF_INIT;
    size_t n = 1;
    while (f && n > 0) {
        n = fread(cubby__buf_reserve(&b, 65536), 1, 65536, f);
        b.len += n;
    }
    if (f)
        fclose(f);
    int all = getenv("CUBBY_CORPUS_FULL") != NULL; /* else no large ones, which take long */
    if (all || b.len < 131072)
        check_chunks(b.data, b.len, b.len / (all ? 20 : 4) + 1);
    cubby__buf_release(&b);
}

/* CUBBY_CORPUS, or beside the project. */
static DIR *open_corpus(char dir[1024])
{
    const char *root = getenv("CUBBY_CORPUS");
    snprintf(dir, 1024, "%s/small/nasty", root ? root : "../shared/corpus");
    return opendir(dir);
}

START_TEST(corpus)
{
    char dir[1024], path[2048];
    DIR *d = open_corpus(dir);
    int files = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (e->d_name[0] != '.') {
            check_file(path);
            files++;
        }
    }
    ck_assert_int_gt(files, 0);
    if (d)
        closedir(d);
}
END_TEST

/* ---- out of memory ------------------------------------------------------------------------------------------------------------------ */

static int allocations_left;

static void *failing_malloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void *failing_realloc(void *p, size_t n)
{
    return allocations_left-- > 0 ? realloc(p, n) : NULL;
}

START_TEST(out_of_memory)
{
    static const cubby_allocator failing = {failing_malloc, failing_realloc, free};
    struct cubby__buf b = CUBBY__BUF_INIT;
    repeat(&b, MIXED("b"), 1);
    repeat(&b, "--b\nContent-Type: text/plain; charset=\"utf-8\"\n\nx\n", 200);
    cubby_set_allocator(&failing);
    int rc = CUBBY_ENOMEM;
    for (int n = 0; rc; n++) {
        struct cubby__structure got;
        allocations_left = n;
        struct cubby__scanner *s = cubby__scanner_new();
        rc = s ? cubby__scanner_add(s, b.data, b.len) : CUBBY_ENOMEM;
        ck_assert(rc == 0 || rc == CUBBY_ENOMEM);
        ck_assert(!s || cubby__scanner_end(s, &got) == rc);
        cubby__scanner_free(&s);
        ck_assert_int_lt(n, 100);
    }
    cubby_set_allocator(NULL);
    cubby__buf_release(&b);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {plain,           multiparts,     boundaries,     messages,        sizes_and_traits, long_lines,
                                  long_boundary_lines, header_done, fields_of_parts, bound_of_parts, bound_of_depth,   bound_of_fields,
                                  endless_lines,   time_is_linear, random_messages, corpus,         out_of_memory};
    char dir[1024];
    DIR *there = open_corpus(dir);
    size_t n = sizeof tests / sizeof *tests;
    const TTest *run[sizeof tests / sizeof *tests];
    size_t k = 0;
    for (size_t i = 0; i < n; i++)
        if (tests[i] != corpus || there)
            run[k++] = tests[i];
    if (there)
        closedir(there);
    if (k < n)
        puts("skip mime/structure: corpus (CUBBY_CORPUS names none)");
    fflush(stdout);
    return unit_run("mime/structure", run, k);
}
