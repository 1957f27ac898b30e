#include "../../../tools/cli.h"

#include <string.h>
#include <unistd.h>

#include "unit/unit.h"

/* ---- paths --------------------------------------------------------------------------------------------------------------------------- */

START_TEST(path_components)
{
    char name[256];
    size_t len;
    const char *p = "A%2fB/100%25/x%2Ey%";
    ck_assert_int_eq(cli_path_next(&p, name, &len), 0);
    ck_assert_str_eq(name, "A/B");
    ck_assert_int_eq(cli_path_next(&p, name, &len), 0);
    ck_assert_str_eq(name, "100%");
    ck_assert_uint_eq(len, 4);
    ck_assert_int_eq(cli_path_next(&p, name, &len), 0);
    ck_assert_str_eq(name, "x%2Ey%");
    ck_assert_int_eq(cli_path_next(&p, name, &len), CUBBY_DONE);
}
END_TEST

START_TEST(path_errors)
{
    char name[256], big[300];
    size_t len;
    static const char *const bad[] = {"/A", "A/", "//"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *p = bad[i];
        ck_assert_int_eq(cli_path_next(&p, name, &len), CUBBY_EINVAL);
    }
    memset(big, 'a', sizeof big);
    big[255] = 0;
    const char *p = big;
    ck_assert_int_eq(cli_path_next(&p, name, &len), 0);
    ck_assert_uint_eq(len, 255);
    big[255] = 'a';
    big[256] = 0;
    p = big;
    ck_assert_int_eq(cli_path_next(&p, name, &len), CUBBY_EINVAL);
    char *e = cli_path_escape("a/b%c", 5);
    ck_assert_str_eq(e, "a%2Fb%25c");
    free(e);
    e = cli_path_escape("", 0);
    ck_assert_str_eq(e, "");
    free(e);
}
END_TEST

/* ---- flags ------------------------------------------------------------------------------------------------------------------------------ */

START_TEST(flag_lists)
{
    struct cli_flags f = CLI_FLAGS_INIT;
    ck_assert_int_eq(cli_flags_add(&f, "(\\seen  \\FLAGGED),$Forwarded zebra Apple,apple"), 0);
    ck_assert_uint_eq(f.system, CUBBY_SEEN | CUBBY_FLAGGED);
    ck_assert_uint_eq(f.keyword_count, 4);
    cli_flags_sort(&f);
    ck_assert_uint_eq(f.keyword_count, 3);
    ck_assert_str_eq(f.keywords[0], "$Forwarded");
    ck_assert_int_eq(strcasecmp(f.keywords[1], "apple"), 0);
    ck_assert_str_eq(f.keywords[2], "zebra");
    cli_flags_release(&f);
    ck_assert_int_eq(cli_flags_add(&f, ""), 0);
    ck_assert_uint_eq(f.keyword_count, 0);
    static const char *const bad[] = {"\\Nothing", "\\Recent", "a\"b", "\xc3\xbc", "x{y", "a%", "*", "\\"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_int_eq(cli_flags_add(&f, bad[i]), CUBBY_EINVAL);
    ck_assert_int_eq(cli_flag_add(&f, "", 0), CUBBY_EINVAL);
    cli_flags_release(&f);
}
END_TEST

/* "a b a b ..." is two keywords whatever its length, and no list takes more memory than a store has keywords. */
START_TEST(too_many_flags)
{
    struct cli_flags f = CLI_FLAGS_INIT;
    char word[24];
    for (int i = 0; i < 10000; i++) {
        ck_assert_int_eq(cli_flag_add(&f, i % 2 ? "a" : "B", 1), 0);
        ck_assert_uint_le(f.keyword_count, 2 * CLI_KEYWORDS_MAX);
    }
    cli_flags_sort(&f);
    ck_assert_uint_eq(f.keyword_count, 2);
    ck_assert_int_eq(f.left_out, 0);
    for (int i = 2; i < CLI_KEYWORDS_MAX; i++)
        ck_assert_int_eq(cli_flag_add(&f, word, (size_t)snprintf(word, sizeof word, "w%d", i)), 0);
    cli_flags_sort(&f);
    ck_assert_uint_eq(f.keyword_count, CLI_KEYWORDS_MAX);
    ck_assert_int_eq(f.left_out, 0);
    int last = 0;
    for (int i = 0; i < 10000; i++) {
        last = cli_flag_add(&f, word, (size_t)snprintf(word, sizeof word, "x%d", i));
        ck_assert_uint_le(f.keyword_count, 2 * CLI_KEYWORDS_MAX);
    }
    ck_assert_int_eq(last, CUBBY_ELIMIT);
    ck_assert_int_eq(cli_flag_add(&f, "\\seen", 5), 0);
    cli_flags_sort(&f);
    ck_assert_uint_eq(f.keyword_count, CLI_KEYWORDS_MAX);
    ck_assert_int_eq(f.left_out, 1);
    ck_assert_uint_eq(f.system, CUBBY_SEEN);
    cli_flags_release(&f);
    ck_assert_int_eq(f.left_out, 0);
}
END_TEST

START_TEST(special_uses)
{
    char b[96];
    uint32_t bit;
    ck_assert_str_eq(cli_special_format(0, b, sizeof b), "");
    ck_assert_str_eq(cli_special_format(CUBBY_USE_SENT | CUBBY_USE_ALL, b, sizeof b), "\\All \\Sent");
    ck_assert_str_eq(cli_special_format(255, b, sizeof b), "\\All \\Archive \\Drafts \\Flagged \\Junk \\Sent \\Trash \\Important");
    ck_assert_int_eq(cli_special_parse("\\trash", &bit), 0);
    ck_assert_uint_eq(bit, CUBBY_USE_TRASH);
    ck_assert_int_eq(cli_special_parse("Junk", &bit), 0);
    ck_assert_uint_eq(bit, CUBBY_USE_JUNK);
    ck_assert_int_eq(cli_special_parse("Inbox", &bit), CUBBY_EINVAL);
    ck_assert_int_eq(cli_special_parse("", &bit), CUBBY_EINVAL);
}
END_TEST

/* ---- options ---------------------------------------------------------------------------------------------------------------------------- */

enum { OPT_LONGER = 1 };
static const struct option own[] = {{"longer", required_argument, NULL, OPT_LONGER}, {"all", no_argument, NULL, 'a'}, {0}};

static const struct cli_command no_commands[] = {{0}};

static int parse(int argc, char **argv, const char **value, int *letters)
{
    cli_commands = no_commands;
    cli = (struct cli_common){.command = "test", .wait_ms = 10000};
    optind = 0;
    for (int o; (o = cli_option(argc, argv, "a", own)) != -1;) {
        if (o == OPT_LONGER)
            *value = optarg;
        else if (o == 'a')
            ++*letters;
    }
    return optind;
}

START_TEST(options_and_arguments_mixed)
{
    char *argv[] = {(char *)"test", (char *)"STORE", (char *)"-q", (char *)"--longer", (char *)"x", (char *)"-av", (char *)"--json",
                    (char *)"--wait=1.5", (char *)"--progress", (char *)"never", (char *)"--", (char *)"-q", NULL};
    const char *value = NULL;
    int letters = 0;
    int at = parse(12, argv, &value, &letters);
    ck_assert_str_eq(value, "x");
    ck_assert_int_eq(letters, 1);
    ck_assert(cli.quiet && cli.verbose && cli.json);
    ck_assert_uint_eq(cli.wait_ms, 1500);
    ck_assert_int_eq(cli.progress, CLI_PROGRESS_NEVER);
    ck_assert_int_eq(at, 10);
    char **args = cli_arguments(12, argv, 2, 2);
    ck_assert_str_eq(args[0], "STORE");
    ck_assert_str_eq(args[1], "-q");
}
END_TEST

static void usage(int argc, char **argv)
{
    const char *value;
    int letters = 0;
    close(STDERR_FILENO);
    parse(argc, argv, &value, &letters);
    cli_arguments(argc, argv, 1, 1);
}

#define USAGE_TEST(name, ...)                                                                                                                        \
    START_TEST(name)                                                                                                                                 \
    {                                                                                                                                                \
        char *argv[] = {(char *)"test", __VA_ARGS__, NULL};                                                                                          \
        usage((int)(sizeof argv / sizeof *argv) - 1, argv);                                                                                          \
    }                                                                                                                                                \
    END_TEST

USAGE_TEST(unknown_option, (char *)"--none", (char *)"a")
USAGE_TEST(unknown_letter, (char *)"-x", (char *)"a")
USAGE_TEST(missing_value, (char *)"a", (char *)"--longer")
USAGE_TEST(value_too_many, (char *)"a", (char *)"--all=1")
USAGE_TEST(bad_wait, (char *)"a", (char *)"--wait=soon")
USAGE_TEST(negative_wait, (char *)"a", (char *)"--wait=-1")
USAGE_TEST(bad_progress, (char *)"a", (char *)"--progress=maybe")
USAGE_TEST(argument_missing, (char *)"-q")
USAGE_TEST(argument_too_many, (char *)"a", (char *)"b")

START_TEST(bad_number)
{
    static const char *const bad[] = {"", "-1", "x", "1x", "18446744073709551616", " 1", "+1"};
    close(STDERR_FILENO);
    cli_number("--n", bad[_i], UINT64_MAX);
}
END_TEST

START_TEST(numbers)
{
    ck_assert_uint_eq(cli_number("--n", "18446744073709551615", UINT64_MAX), UINT64_MAX);
    ck_assert_uint_eq(cli_number("--n", "0", 0), 0);
}
END_TEST

/* ---- reports ------------------------------------------------------------------------------------------------------------------------------ */

START_TEST(exit_codes)
{
    static const int codes[][2] = {
        {CUBBY_EIO, 8},     {CUBBY_ECORRUPT, 8}, {CUBBY_ENOENT, 1},   {CUBBY_EEXIST, 1},   {CUBBY_EINVAL, 16},  {CUBBY_ELIMIT, 8},
        {CUBBY_EBUSY, 8},   {CUBBY_ESTALE, 8},   {CUBBY_ENOSPC, 8},   {CUBBY_ENOMEM, 8},   {CUBBY_EACCES, 8},   {CUBBY_ENOTSTORE, 8},
        {CUBBY_EVERSION, 8}, {CUBBY_ELATCHED, 8}, {CUBBY_EUNKNOWN, 8}, {CUBBY_EHASCHILD, 1}, {CUBBY_ECANCEL, 130}, {CUBBY_ECONFLICT, 1}, {-99, 8},
    };
    FILE *null = freopen("/dev/null", "w", stderr);
    ck_assert_ptr_nonnull(null);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        ck_assert_int_eq(cli_store_error(NULL, codes[i][0]), codes[i][1]);
}
END_TEST

/* ---- stores -------------------------------------------------------------------------------------------------------------------------- */

static char dir[4096];

static cubby_store *new_store(void)
{
    cubby_store *store = NULL;
    const char *tmp = getenv("TEST_TMP");
    snprintf(dir, sizeof dir, "%s/test_cli.XXXXXX", tmp ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    strcat(dir, "/store");
    cli = (struct cli_common){.wait_ms = 100, .progress = CLI_PROGRESS_NEVER};
    ck_assert_int_eq(cli_open(dir, CUBBY_CREATE, &store), CLI_OK);
    return store;
}

static void drop_store(cubby_store *store)
{
    ck_assert_int_eq(cli_close(&store, NULL, CLI_OK), CLI_OK);
    ck_assert_ptr_null(store);
    dir[strlen(dir) - strlen("/store")] = 0;
    char *command = cli_printf("rm -rf '%s'", dir);
    ck_assert_int_eq(system(command), 0);
    free(command);
}

START_TEST(waits_for_the_lock_and_gives_up)
{
    cubby_store *store = new_store(), *other = NULL;
    cubby_txn *txn = NULL, *second = NULL;
    ck_assert_int_eq(cli_begin(store, 0, &txn), CLI_OK);
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    ck_assert_int_eq(cli_open(dir, 0, &other), CLI_OK);
    int64_t start = cli_now_ms();
    ck_assert_int_eq(cli_begin(other, 0, &second), CLI_FAIL);
    ck_assert_int_ge(cli_now_ms() - start, 90);
    cubby_txn_abort(&txn);
    ck_assert_int_eq(cli_begin(other, 0, &second), CLI_OK);
    cubby_txn_abort(&second);
    ck_assert_int_eq(cli_close(&other, NULL, CLI_OK), CLI_OK);
    drop_store(store);
}
END_TEST

static int collect(void *arg, const char *path, int depth, const cubby_folder *f)
{
    char *out = arg;
    ck_assert_uint_ne(f->id, 0);
    sprintf(out + strlen(out), "%d %s\n", depth, path);
    return strcmp(path, "stop") == 0 ? 7 : 0;
}

START_TEST(folder_tree)
{
    cubby_store *store = new_store();
    cubby_txn *txn = NULL;
    cubby_folder f;
    char seen[200] = "";
    uint64_t id, again;
    ck_assert_int_eq(cli_begin(store, 0, &txn), CLI_OK);
    cubby_snapshot *snap = cubby_txn_snapshot(txn);
    ck_assert_int_eq(cli_path_make(txn, "a%2Fb/100%25/z", &id), 0);
    ck_assert_int_eq(cli_path_make(txn, "a%2fb/100%/z", &again), 0);
    ck_assert_uint_eq(id, again);
    ck_assert_int_eq(cli_path_make(txn, "a%2Fb/other", &again), 0);
    ck_assert_int_eq(cli_path_make(txn, "stop/never", &again), 0);
    ck_assert_int_eq(cli_path_make(txn, "", &again), CUBBY_EINVAL);
    ck_assert_int_eq(cli_path_make(txn, "a//b", &again), CUBBY_EINVAL);
    ck_assert_int_eq(cli_path_find(snap, "inbox", &f), 0);
    ck_assert_int_eq(cli_path_find(snap, "a", &f), CUBBY_DONE);
    ck_assert_int_eq(cli_path_find(snap, "a%2Fb/other", &f), 0);
    char *path = cli_path_of(snap, id);
    ck_assert_str_eq(path, "a%2Fb/100%25/z");
    free(path);
    ck_assert_ptr_null(cli_path_of(snap, 4711));
    ck_assert_int_eq(cli_walk(snap, CUBBY_ROOT, collect, seen), 7);
    ck_assert_str_eq(seen, "0 INBOX\n0 a%2Fb\n1 a%2Fb/100%25\n2 a%2Fb/100%25/z\n1 a%2Fb/other\n0 stop\n");
    ck_assert_int_eq(cli_path_find(snap, "a%2Fb", &f), 0);
    seen[0] = 0;
    ck_assert_int_eq(cli_walk(snap, f.id, collect, seen), 0);
    ck_assert_str_eq(seen, "0 a%2Fb/100%25\n1 a%2Fb/100%25/z\n0 a%2Fb/other\n");
    cubby_txn_abort(&txn);
    drop_store(store);
}
END_TEST

START_TEST(uid_sets)
{
    cubby_store *store = new_store();
    cubby_snapshot *snap = NULL;
    cubby_folder f;
    cubby_uidset *uids = NULL;
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    ck_assert_int_eq(cli_snapshot(store, &snap), CLI_OK);
    ck_assert_int_eq(cli_folder(store, snap, "INBOX", &f), CLI_OK);
    ck_assert_int_eq(cli_folder(store, snap, "Nowhere", &f), CLI_NEGATIVE);
    ck_assert_int_eq(cli_folder(store, snap, "a//b", &f), CLI_USAGE);
    ck_assert_int_eq(cli_uids(store, snap, f.id, "1:*", &uids), CLI_OK);
    ck_assert_int_eq(cli_uids_any(snap, f.id, uids), 0);
    cubby_uidset_free(&uids);
    ck_assert_int_eq(cli_uids(store, snap, f.id, "1:x", &uids), CLI_USAGE);
    ck_assert_int_eq(cli_uids(store, snap, f.id, "", &uids), CLI_USAGE);
    cubby_snapshot_end(&snap);
    drop_store(store);
}
END_TEST

START_TEST(no_store_is_a_failure)
{
    cubby_store *store = NULL;
    ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
    ck_assert_int_eq(cli_open("/nowhere/at/all", 0, &store), CLI_FAIL);
    ck_assert_ptr_null(store);
    ck_assert_int_eq(cli_close(&store, NULL, CLI_LEFT), CLI_LEFT);
}
END_TEST

int main(void)
{
    const TTest *const plain[] = {path_components, path_errors, flag_lists, too_many_flags, special_uses, options_and_arguments_mixed, numbers, exit_codes,
                                  waits_for_the_lock_and_gives_up, folder_tree, uid_sets, no_store_is_a_failure};
    const TTest *const leaving[] = {unknown_option, unknown_letter,   missing_value,     value_too_many, bad_wait,
                                       negative_wait,  bad_progress, argument_missing, argument_too_many};
    Suite *s = suite_create("tools/cli");
    TCase *tc = tcase_create("tools/cli");
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        tcase_add_test(tc, plain[i]);
    for (size_t i = 0; i < sizeof leaving / sizeof *leaving; i++)
        tcase_add_exit_test(tc, leaving[i], CLI_USAGE);
    tcase_add_loop_exit_test(tc, bad_number, CLI_USAGE, 0, 7);
    suite_add_tcase(s, tc);
    SRunner *r = srunner_create(s);
    srunner_set_tap(r, "-");
    srunner_run_all(r, CK_SILENT);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
