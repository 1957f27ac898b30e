/* .msg files: from streams to a message. */
#include <stdio.h>

#include "archive/msg/msg.h"
#include "archive/reader.h"
#include "mapi_util.h"
#include "msg_util.h"
#include "unit/unit.h"

static struct compound c;

static void wide(int parent, uint32_t tag, const char *s)
{
    struct text t = {0};
    char name[32];
    utf16(&t, s);
    snprintf(name, sizeof name, "__substg1.0_%08X", tag);
    compound_add(&c, parent, name, 0, t.data, t.len);
    text_release(&t);
}

static void fixed(struct text *t, uint32_t tag, uint64_t value)
{
    char b[16] = {0};
    struct text view = {.data = b};
    poke(&view, 0, tag, 4);
    poke(&view, 4, 6, 4);
    poke(&view, 8, value, 8);
    text_add(t, b, sizeof b);
}

static void properties(int parent, size_t header, const uint32_t *tags, const uint64_t *values, size_t n)
{
    struct text t = {0};
    for (size_t i = 0; i < header; i++)
        text_byte(&t, 0);
    for (size_t i = 0; i < n; i++)
        fixed(&t, tags[i], values[i]);
    compound_add(&c, parent, "__properties_version1.0", 0, t.data, t.len);
    text_release(&t);
}

/* One of everything. */
static void sample(unsigned shift)
{
    static const uint32_t tags[] = {0x0e070003, 0x00390040, 0x3ffd0003, 0x0017000b}, recip_tags[] = {0x0c150003}, attach_tags[] = {0x37050003};
    static const uint64_t values[] = {1, (1000000000ull + 11644473600ull) * 10000000, 1251, 2}, to[] = {1}, cc[] = {2}, by_value[] = {1}, embedded[] = {5},
                          ole[] = {6};
    compound_init(&c, shift);
    properties(0, 32, tags, values, 4);
    wide(0, 0x0037001f, "\xd0\x9f\xd1\x80");
    wide(0, 0x0c1f001f, "ann@example.org");
    compound_add(&c, 0, "__substg1.0_1000001E", 0, "\xcf\xf0", 2);
    int names = compound_add(&c, 0, "__nameid_version1.0", 1, NULL, 0);
    compound_add(&c, names, "__substg1.0_00020102", 0, NULL, 0);
    compound_add(&c, names, "__substg1.0_00030102", 0, "\0\0\0\0\x05\0\0\0", 8); /* a string of the second set, id 0x8000 */
    compound_add(&c, names, "__substg1.0_00040102", 0, "\x10\0\0\0K\0e\0y\0w\0o\0r\0d\0s\0", 20);
    compound_add(&c, 0, "__substg1.0_8000101F", 0, "\x06\0\0\0\x08\0\0\0", 8);
    compound_add(&c, 0, "__substg1.0_8000101F-00000000", 0, "a\0b\0\0\0", 6);
    compound_add(&c, 0, "__substg1.0_8000101F-00000001", 0, "c\0d\0e\0\0\0", 8);
    int r = compound_add(&c, 0, "__recip_version1.0_#00000000", 1, NULL, 0);
    properties(r, 8, recip_tags, to, 1);
    wide(r, 0x39fe001f, "bob@example.org");
    r = compound_add(&c, 0, "__recip_version1.0_#00000001", 1, NULL, 0);
    properties(r, 8, recip_tags, cc, 1);
    compound_add(&c, r, "__substg1.0_3001001E", 0, "\xc0", 1);
    wide(r, 0x39fe001f, "carol@example.org");
    int a = compound_add(&c, 0, "__attach_version1.0_#00000000", 1, NULL, 0);
    properties(a, 8, attach_tags, by_value, 1);
    compound_add(&c, a, "__substg1.0_37010102", 0, "data", 4);
    wide(a, 0x3707001f, "a.bin");
    a = compound_add(&c, 0, "__attach_version1.0_#00000001", 1, NULL, 0);
    properties(a, 8, attach_tags, embedded, 1);
    int m = compound_add(&c, a, "__substg1.0_3701000D", 1, NULL, 0);
    properties(m, 24, tags, values, 1);
    wide(m, 0x0037001f, "inner");
    a = compound_add(&c, 0, "__attach_version1.0_#00000002", 1, NULL, 0);
    properties(a, 8, attach_tags, ole, 1);
    int o = compound_add(&c, a, "__substg1.0_3701000D", 1, NULL, 0);
    compound_add(&c, o, "CONTENTS", 0, "ole", 3);
    compound_make(&c);
}

/* Through the table of formats, as an import does it. */
static struct text imported(const char *path, struct reader_item *item, char **note)
{
    const struct reader_options o = {0};
    struct reader *r;
    struct text t = {0};
    const uint8_t *p;
    size_t n;
    ck_assert_int_eq(reader_msg.open(path, &o, &r), 0);
    *item = (struct reader_item){0};
    ck_assert_int_eq(reader_msg.next(r, item), 0);
    ck_assert_int_eq(item->kind, READER_FOLDER);
    reader_item_release(item);
    *item = (struct reader_item){0};
    ck_assert_int_eq(reader_msg.next(r, item), 0);
    ck_assert_int_eq(item->kind, READER_MESSAGE);
    int rc;
    while ((rc = reader_msg.read(r, &p, &n)) == 0)
        text_add(&t, p, n);
    ck_assert_int_eq(rc, 1);
    *note = r->note;
    r->note = NULL;
    struct reader_item end = {0};
    ck_assert_int_eq(reader_msg.next(r, &end), 1);
    reader_close(&r);
    ck_assert_int_eq(reader_msg.open_at(path, &o, item, &r), 0);
    size_t again = 0;
    while (reader_msg.read(r, &p, &n) == 0)
        again += n;
    ck_assert_uint_eq(again, t.len);
    reader_close(&r);
    return t;
}

#define has(t, what) ck_assert_msg(strstr((t).data, what) != NULL, "no %s in:\n%.3000s", what, (t).data)

START_TEST(everything)
{
    for (unsigned shift = 9; shift <= 12; shift += 3) {
        char path[64], *note;
        struct reader_item item;
        sample(shift);
        int fd = memory_file(c.file.data, c.file.len);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        struct text t = imported(path, &item, &note);
        has(t, "From: ann@example.org\r\nTo: bob@example.org\r\nCc: =?utf-8?B?0JA=?= <carol@example.org>\r\n"
               "Date: Sun, 9 Sep 2001 01:46:40 +0000\r\nSubject: =?utf-8?B?0J/RgA==?=\r\nKeywords: ab, cde\r\n");
        has(t, "Content-Transfer-Encoding: base64\r\n\r\n0J/RgA0K\r\n");
        has(t, " filename=a.bin\r\nContent-Transfer-Encoding: base64\r\n\r\nZGF0YQ==\r\n");
        has(t, "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: inner\r\n");
        has(t, "base64\r\n\r\n0M8R4KGxGuE"); /* a compound file */
        ck_assert_ptr_null(note);
        ck_assert(item.has_flags && item.flags.system == CUBBY_SEEN && item.has_date && item.date == 1000000000);
        ck_assert_uint_eq(item.flags.keyword_count, 2);
        reader_item_release(&item);
        text_release(&t);
        close(fd);
        compound_release(&c);
    }
}
END_TEST

START_TEST(refused)
{
    const struct reader_options o = {0};
    struct reader *r;
    char path[64];
    ck_assert_int_eq(reader_msg.open("/nonexistent.msg", &o, &r), -1);
    ck_assert_str_eq(r->error, "No such file or directory");
    reader_close(&r);
    compound_init(&c, 9);
    compound_add(&c, 0, "WordDocument", 0, "x", 1);
    compound_make(&c);
    int fd = memory_file(c.file.data, c.file.len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ck_assert_int_eq(reader_msg.open(path, &o, &r), -1);
    ck_assert_str_eq(r->error, "a compound file without a message in it");
    reader_close(&r);
    close(fd);
    compound_release(&c);
}
END_TEST

/* A stream that the tables do not hold is a loss, and the rest is there. */
START_TEST(damaged_streams)
{
    char path[64], *note;
    struct reader_item item;
    sample(9);
    for (int i = 0; i < c.count; i++) {
        if (strcmp(c.e[i].name, "__substg1.0_37010102") == 0)
            poke(&c.file, entry_offset(&c, i) + 116, 0x1000, 4);
    }
    int fd = memory_file(c.file.data, c.file.len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct text t = imported(path, &item, &note);
    ck_assert_str_eq(note, "attachment 1 \"a.bin\": the stream __substg1.0_37010102 is broken at byte 0");
    has(t, "Subject: inner");
    free(note);
    reader_item_release(&item);
    text_release(&t);
    close(fd);
    compound_release(&c);
}
END_TEST

/* Sixty attachments that are all the same sectors, in a circle as long as the file: sixty times the file. */
START_TEST(bytes_named_again_and_again)
{
    const struct reader_options o = {0};
    static const uint32_t tags[] = {0x37050003};
    static const uint64_t by_value[] = {1};
    struct reader *r;
    char path[64];
    const uint8_t *p;
    size_t n;
    uint64_t all = 0;
    char *data = calloc(1, 1000000);
    compound_init(&c, 12);
    properties(0, 32, NULL, NULL, 0);
    for (int i = 0; i < 60; i++) {
        char name[32];
        snprintf(name, sizeof name, "__attach_version1.0_#%08X", i);
        int a = compound_add(&c, 0, name, 1, NULL, 0);
        properties(a, 8, tags, by_value, 1);
        compound_add(&c, a, "__substg1.0_37010102", 0, data, i ? 5000 : 1000000);
    }
    compound_make(&c);
    for (int i = 4; i < c.count; i += 3) {
        poke(&c.file, entry_offset(&c, i) + 116, c.e[4].start, 4);
        poke(&c.file, entry_offset(&c, i) + 120, c.file.len, 4);
    }
    poke(&c.file, 4096 + 4 * (size_t)(c.e[4].start + 20), c.e[4].start, 4);
    int fd = memory_file(c.file.data, c.file.len);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct reader_item item = {0};
    int rc;
    ck_assert_int_eq(reader_msg.open(path, &o, &r), 0);
    reader_msg.next(r, &item);
    reader_item_release(&item);
    item = (struct reader_item){0};
    reader_msg.next(r, &item);
    while ((rc = reader_msg.read(r, &p, &n)) == 0)
        all += n;
    reader_item_release(&item);
    ck_assert_int_eq(rc, -1);
    ck_assert_str_eq(r->error, "the message would be more than 32 times as large as its file");
    ck_assert_uint_le(all, 65u << 20);
    reader_close(&r);
    free(data);
    close(fd);
    compound_release(&c);
}
END_TEST

/* Bytes changed at random, the same ones every time; CUBBY_MSG_MUTANTS for more. */
START_TEST(mutations)
{
    const char *env = getenv("CUBBY_MSG_MUTANTS");
    unsigned long rounds = env ? strtoul(env, NULL, 10) : 300;
    uint64_t seed = 1;
    sample(9);
    struct text good = {0};
    text_add(&good, c.file.data, c.file.len);
    for (unsigned long i = 0; i < rounds; i++) {
        char path[64], error[200], buf[4096];
        memcpy(c.file.data, good.data, good.len);
        for (int k = 0; k < 6; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            static const uint32_t values[] = {0, 1, 0xffffffff, 0xfffffffe, 0x7fffffff, 3, 64, 4096};
            size_t at = (size_t)(seed >> 33) % (good.len - 4);
            poke(&c.file, at & ~(size_t)3, seed >> 20 & 1 ? values[seed >> 60 & 7] : seed >> 40, seed >> 21 & 1 ? 4 : 1);
        }
        int fd = memory_file(c.file.data, good.len);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        struct msg_file *f = msg_open(path, error, sizeof error);
        if (f) {
            struct mapi_object *o = msg_message(f);
            struct to_mime *m = to_mime_open(o);
            while (to_mime_read(m, buf, sizeof buf))
                ;
            to_mime_close(&m);
            mapi_close(&o);
        }
        msg_close(&f);
        close(fd);
    }
    text_release(&good);
    compound_release(&c);
}
END_TEST

UNIT_MAIN("tools/msg_read", everything, refused, damaged_streams, bytes_named_again_and_again, mutations)
