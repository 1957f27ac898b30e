#include "archive/names.h"

#include "cli.h"
#include "mbox_util.h"

static char *encoded(const char *name)
{
    static char out[2000];
    struct text t = {0};
    names_encode(name, strlen(name), &t);
    snprintf(out, sizeof out, "%s", t.data);
    text_release(&t);
    return out;
}

static char *decoded(const char *file, int *changed)
{
    static char out[400];
    struct text t = {0};
    *changed = names_decode(file, strlen(file), &t);
    snprintf(out, sizeof out, "%s", t.data);
    text_release(&t);
    return out;
}

START_TEST(to_files)
{
    ck_assert_str_eq(encoded("Sent"), "Sent");
    ck_assert_str_eq(encoded("a/b"), "a%2Fb");
    ck_assert_str_eq(encoded("50%"), "50%25");
    ck_assert_str_eq(encoded("."), "%2E");
    ck_assert_str_eq(encoded(".."), "%2E.");
    ck_assert_str_eq(encoded("../../etc"), "%2E.%2F..%2Fetc");
    ck_assert_str_eq(encoded(".hidden"), "%2Ehidden");
    ck_assert_str_eq(encoded("a.b"), "a.b");
    ck_assert_str_eq(encoded("cur"), "%63ur"); /* beside "new" it would make a Maildir */
    ck_assert_str_eq(encoded("Cur"), "%43ur");
    ck_assert_str_eq(encoded("curious"), "curious");
    ck_assert_str_eq(encoded("a.mbox"), "a%2Embox");
    ck_assert_str_eq(encoded("a.SBD"), "a%2ESBD");
    ck_assert_str_eq(encoded("x.gz"), "x%2Egz");
    ck_assert_str_eq(encoded("a\nb\x7f"), "a%0Ab%7F");
    ck_assert_str_eq(encoded("\xc3\xa9t\xc3\xa9"), "\xc3\xa9t\xc3\xa9");
}
END_TEST

/* What Windows does not take, and letters. */
START_TEST(to_other_files)
{
    static const struct {
        const char *name, *file;
        size_t escaped;
    } t[] = {{"a:b?", "a%3Ab%3F", 0}, {"x.", "x%2E", 0}, {"x ", "x%20", 0}, {"con", "%63on", 0}, {"LPT1.old", "%4CPT1.old", 0}, {"lpt", "lpt", 0},
             {"console", "console", 0}, {"COM10", "COM10", 0}, {"Ab", "%41b", 1}, {"Ab", "%41%62", 2}, {"Ab", "%41%62", 9}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct text file = {0}, back = {0};
        size_t len = strlen(t[i].name);
        names_encode_as(t[i].name, len, t[i].escaped, NAMES_PORTABLE, &file);
        ck_assert_str_eq(file.data, t[i].file);
        ck_assert_int_eq(names_decode(file.data, file.len, &back), 0);
        ck_assert_str_eq(back.data, t[i].name);
        ck_assert_int_eq(names_is_portable(t[i].name, len), t[i].escaped || strcmp(t[i].name, t[i].file) == 0);
        text_release(&file);
        text_release(&back);
    }
}
END_TEST

/* A control character is no digit, though it has the lower bits of one. */
START_TEST(escapes)
{
    static const char *const t[][2] = {{"a%2fb", "a/b"}, {"a%2Fb", "a/b"}, {"%4", "%4"}, {"%4g", "%4g"}, {"%\x14\x11", "%\x14\x11"}, {"%4\x11", "%4\x11"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct text out = {0};
        names_unescape(t[i][0], strlen(t[i][0]), &out);
        ck_assert_str_eq(out.data, t[i][1]);
        text_release(&out);
    }
}
END_TEST

START_TEST(paths)
{
    struct text t = {0};
    ck_assert_int_eq(names_encode_path("A/B%2FC/..", &t), 0);
    ck_assert_str_eq(t.data, "A/B%2FC/%2E.");
    text_clear(&t);
    ck_assert_int_eq(names_encode_path("", &t), -1);
    ck_assert_int_eq(names_encode_path("a//b", &t), -1);
    text_release(&t);
}
END_TEST

START_TEST(to_folders)
{
    int changed;
    ck_assert_str_eq(decoded("a%2Fb", &changed), "a/b");
    ck_assert_int_eq(changed, 0);
    ck_assert_str_eq(decoded("100% sure %zz %", &changed), "100% sure %zz %");
    ck_assert_int_eq(changed, 0);
    ck_assert_str_eq(decoded("a%00b\tc", &changed), "a_b_c");
    ck_assert_int_eq(changed, 1);
    ck_assert_str_eq(decoded("\xff\xc3x", &changed), "__x");
    ck_assert_str_eq(decoded("\xc2\x85", &changed), "_");
    ck_assert_str_eq(decoded("", &changed), "_");
    char longer[600];
    memset(longer, 'a', sizeof longer);
    memcpy(longer + 253, "\xe2\x82\xac", 3); /* must not be cut in the middle */
    longer[599] = 0;
    ck_assert_uint_eq(strlen(decoded(longer, &changed)), 253);
    ck_assert_int_eq(changed, 1);
}
END_TEST

START_TEST(stems)
{
    static const struct {
        const char *file, *stem;
    } t[] = {{"a.mbox", "a"}, {"a.MBOX.gz", "a"}, {"a.gz", "a"}, {"a.mbox.xz", "a"}, {"a.zst", "a"}, {"a.mbox.bz2", "a"}, {".mbox", ".mbox"},
             {"a", "a"}, {"a.mbox.mbox", "a.mbox"}, {"a.gz.gz", "a.gz"}, {"mbox", "mbox"}, {"a.b", "a.b"}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        ck_assert_msg(names_stem(t[i].file) == strlen(t[i].stem), "%s", t[i].file);
}
END_TEST

/* A name that a folder can have comes back, and no part of its file path leads elsewhere. */
START_TEST(round_trip)
{
    static const char *const parts[] = {"a", ".", "..", "/", "%", "%2F", ".mbox", ".sbd", ".gz", " ", "\xc3\xa9", "\xe2\x82\xac", "INBOX", "-", "xxxxxxxxxxxxxxxxxxxx", "//////////"};
    uint32_t seed = 11;
    for (int round = 0; round < 20000; round++) {
        char name[256] = "";
        struct text file = {0}, raw = {0}, back = {0};
        for (uint32_t k = next_random(&seed) % 30; k > 0 || !*name; k -= k > 0) {
            const char *p = parts[next_random(&seed) % (sizeof parts / sizeof *parts)];
            if (strlen(name) + strlen(p) < sizeof name)
                strcat(name, p);
        }
        names_encode(name, strlen(name), &file);
        for (const char *p = file.data, *slash; p; p = slash ? slash + 1 : NULL) { /* put together again as tree.c does */
            slash = strchr(p, '/');
            size_t len = slash ? (size_t)(slash - p) : strlen(p);
            ck_assert_uint_gt(len, 0);
            ck_assert_uint_le(len, 250);
            ck_assert_int_ne(*p, '.');
            if (slash)
                ck_assert_int_eq(slash[-1], '%');
            text_add(&raw, p, slash ? len - 1 : len);
        }
        ck_assert_int_eq(names_decode(raw.data, raw.len, &back), 0);
        ck_assert_str_eq(back.data, name);
        text_release(&file);
        text_release(&raw);
        text_release(&back);
    }
}
END_TEST

UNIT_MAIN("tools/mbox_names", to_files, to_other_files, escapes, paths, to_folders, stems, round_trip)
