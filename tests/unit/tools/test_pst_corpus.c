/* Files that Outlook and others wrote, if there are some (CUBBY_CORPUS, ../shared/corpus): what comes out of each, beside what two other
 * programs find in it, and that the check finds no error.
 *
 * readpst 0.6.76 (-j 0) and pffexport 20180714 agree with these numbers, item by item, but for:
 *
 *   AddingBulk        both refuse it: a program was stopped while it wrote. The B-trees are found by looking for them, and so the folders.
 *   Test_part1        pffexport leaves out 12 of 21 contacts, those with an empty record behind their last property; readpst has all, and
 *                     skips 2 of them, and says so. Two folders are called Inbox: both are INBOX, so 14 of 15 are different.
 *   dist-list         readpst passes over the distribution list (1 of 3).
 *   passworded        readpst passes over the distribution list (1 of 2).
 *   test_ansi         both pass over an item of class IPM.Post (1 of 1).
 *   test_unicode      the same (2 of 2), one of them in the top folder.
 *   others            equal.
 * Items outside of the user's folders (free/busy data, views) are none for any of the three. */
#include <dirent.h>

#include "archive/pst/check.h"
#include "archive/reader.h"
#include "archive/source.h"
#include "pst_build.h"

static const struct {
    const char *file;
    const char *password; /* NULL: its password is not known, and it has one; "": none is set */
    unsigned folders, messages, bad;
    unsigned readpst, pffexport; /* items that they give */
    int check; /* errors */
} known[] = {
    {"aspose-java_sample.pst", "", 4, 1, 0, 1, 1, 0},
    {"aspose-net_AddingBulkMessagesWithImprovedPerformance.pst", "", 2, 0, 0, 0, 0, 5},
    {"aspose-net_PersonalStorage.pst", "", 2, 0, 0, 0, 0, 0},
    {"aspose-net_PersonalStorageFile.ost", "", 2, 0, 0, 0, 0, 0},
    {"aspose-net_PersonalStorageFile.pst", "", 3, 18, 0, 18, 18, 0},
    {"aspose-net_PersonalStorageFile1.pst", "", 3, 72, 0, 72, 72, 0},
    {"aspose-net_PersonalStorageFile2.pst", "", 3, 24, 0, 24, 24, 0},
    {"aspose-net_SampleContacts1.pst", "", 2, 6, 0, 6, 6, 0},
    {"aspose-net_Test_part1.pst.xz", "", 15, 61, 0, 59, 49, 0},
    {"hiraoka_contacts.pst", "", 3, 1, 0, 1, 1, 0},
    {"java-libpst_dist-list.pst", "", 12, 3, 0, 2, 3, 0},
    {"java-libpst_passworded.pst", NULL, 12, 2, 0, 1, 2, 0},
    {"outlook-pst-rs_Empty.pst", "", 1, 0, 0, 0, 0, 0},
    {"pst-extractor_enron.pst.xz", "", 7, 71, 0, 71, 71, 0},
    {"pst-extractor_pstextractortest@outlook.com.ost.xz", "", 36, 183, 0, 183, 183, 0},
    {"pstsdk_sample1.pst", "", 2, 1, 0, 1, 1, 0},
    {"pstsdk_sample2.pst", "", 2, 1, 0, 1, 1, 0},
    {"pstsdk_submessage.pst", "", 2, 1, 0, 1, 1, 0},
    {"pstsdk_test_ansi.pst", "test", 2, 1, 0, 0, 0, 0},
    {"pstsdk_test_unicode.pst", "test", 3, 2, 0, 0, 0, 0},
};
enum { KNOWN = sizeof known / sizeof *known };

static const char *corpus(void)
{
    static char path[1000];
    const char *dir = getenv("CUBBY_CORPUS");
    snprintf(path, sizeof path, "%s/pst", dir ? dir : "../shared/corpus");
    return path;
}

/* Unpacked to a scratch file. */
static const char *take(const char *file)
{
    static uint8_t buf[65536];
    char path[1300];
    int64_t n;
    snprintf(path, sizeof path, "%s/%s", corpus(), file);
    struct source *s = source_open(path);
    ck_assert_msg(s != NULL, "%s", path);
    FILE *f = fopen(build_path(), "wb");
    ck_assert_ptr_nonnull(f);
    while ((n = source_read(s, buf, sizeof buf)) > 0)
        ck_assert_uint_eq(fwrite(buf, 1, (size_t)n, f), (size_t)n);
    ck_assert_int_eq((int)n, 0);
    fclose(f);
    source_close(&s);
    return build_path();
}

struct counted {
    unsigned folders, messages, bad;
    uint64_t bytes;
};

/* damaged: the end is an error, so that nobody takes what was read for all of it. */
static void read_all(const char *path, const char *password, int damaged, struct counted *c)
{
    struct reader_options o = {.password = password && *password ? password : NULL};
    struct reader *r = NULL;
    struct reader_item item;
    const uint8_t *p;
    size_t n;
    int rc;
    memset(c, 0, sizeof *c);
    ck_assert_int_eq(reader_pst.open(path, &o, &r), password ? 0 : -1);
    if (password) {
        while (memset(&item, 0, sizeof item), (rc = reader_pst.next(r, &item)) == 0) {
            c->folders += item.kind == READER_FOLDER;
            c->bad += item.kind == READER_FAILED;
            c->messages += item.kind == READER_MESSAGE;
            while (item.kind == READER_MESSAGE && (rc = reader_pst.read(r, &p, &n)) == 0)
                c->bytes += n;
            ck_assert_int_ge(rc, 0);
            reader_item_release(&item);
        }
        ck_assert_int_eq(rc, damaged ? -1 : 1);
    }
    reader_close(&r);
}

START_TEST(reads_all_of_it)
{
    cli.quiet = 1;
    for (int i = 0; i < KNOWN; i++) {
        struct counted c;
        read_all(take(known[i].file), known[i].password, known[i].check > 0, &c);
        unsigned there = known[i].password != NULL;
        ck_assert_uint_ge(known[i].messages, known[i].readpst);
        ck_assert_uint_ge(known[i].messages, known[i].pffexport);
        ck_assert_msg(c.folders == there * known[i].folders && c.messages == there * known[i].messages && c.bad == known[i].bad,
                      "%s: %u folders, %u messages, %u bad", known[i].file, c.folders, c.messages, c.bad);
    }
    unlink(build_path());
}
END_TEST

static void on_problem(void *arg, int severity, uint64_t offset, const char *text)
{
    if (severity == PST_CHECK_ERROR && *(const int *)arg == 0)
        printf("# at %llu: %s\n", (unsigned long long)offset, text);
}

START_TEST(checks_clean)
{
    for (int i = 0; i < KNOWN; i++) {
        struct pst_checked k;
        char error[256];
        uint64_t offset;
        int expected = known[i].check;
        ck_assert_int_eq(pst_check(take(known[i].file), on_problem, NULL, &expected, &k, error, &offset), 0);
        ck_assert_msg(k.errors == (uint64_t)expected, "%s: %llu errors", known[i].file, (unsigned long long)k.errors);
        ck_assert_uint_ge(k.messages + (expected > 0), known[i].messages);
        ck_assert_int_eq(k.password, !known[i].password || *known[i].password);
    }
    unlink(build_path());
}
END_TEST

/* A password that is not known does not hide what the file holds from the reader of messages. */
START_TEST(reads_behind_a_password)
{
    struct pst *p;
    struct pst_store s;
    struct pst_listing l;
    struct pst_bits seen = {{NULL}};
    struct pst_node node;
    ck_assert_int_eq(pst_open(take("java-libpst_passworded.pst"), NULL, NULL, &p), 0);
    pst_store_open(p, &s);
    ck_assert_uint_eq(s.password, 0xe61eb50f);
    ck_assert_int_eq(pst_store_password(&s, "test"), 0);
    pst_listing_begin(&l, &s, 0x8142, PST_NT_MESSAGE, &seen);
    ck_assert_int_eq(pst_listing_next(&l, &node), 1);
    ck_assert_int_eq(pst_listing_next(&l, &node), 1);
    ck_assert_int_eq(pst_listing_next(&l, &node), 0);
    pst_listing_end(&l);
    pst_bits_free(&seen);
    pst_store_close(&s);
    pst_close(&p);
    unlink(build_path());
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {reads_all_of_it, checks_clean, reads_behind_a_password};
    DIR *d = opendir(corpus());
    if (!d) {
        puts("skip tools/pst_corpus (CUBBY_CORPUS names no corpus)");
        return 0;
    }
    closedir(d);
    return unit_run("tools/pst_corpus", tests, sizeof tests / sizeof *tests);
}
