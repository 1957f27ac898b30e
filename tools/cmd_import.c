/* Imports archives of any kind. */
#include "cli.h"

#include <inttypes.h>
#include <malloc.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "archive/importer.h"
#include "archive/labels.h"
#include "archive/mbox.h"
#include "json.h"
#include "text.h"

enum {
    OPT_FORMAT = 1, OPT_MBOX, OPT_INTO, OPT_NO_SUBFOLDERS, OPT_DUPS, OPT_DUPS_SCOPE, OPT_LABELS, OPT_KEEP_UIDS, OPT_PASSWORD, OPT_PASSWORD_FILE,
    OPT_RECOVER, OPT_DRY_RUN
};

static const struct option options[] = {
    {"format", required_argument, NULL, OPT_FORMAT},         {"mbox", required_argument, NULL, OPT_MBOX},
    {"into", required_argument, NULL, OPT_INTO},             {"no-subfolders", no_argument, NULL, OPT_NO_SUBFOLDERS},
    {"dups", required_argument, NULL, OPT_DUPS},             {"dups-scope", required_argument, NULL, OPT_DUPS_SCOPE},
    {"gmail-labels", required_argument, NULL, OPT_LABELS},   {"keep-uids", no_argument, NULL, OPT_KEEP_UIDS},
    {"password", required_argument, NULL, OPT_PASSWORD},     {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {"recover", no_argument, NULL, OPT_RECOVER},             {"dry-run", no_argument, NULL, OPT_DRY_RUN},
    {NULL, 0, NULL, 0},
};

static const char *const dups_names[] = {"skip", "add", "merge", NULL};
static const char *const scope_names[] = {"folder", "store", NULL};

struct request {
    struct import_options import;
    struct tree_options tree;
};

static void read_options(int argc, char **argv, struct request *r)
{
    for (int o; (o = cli_option(argc, argv, "", options)) != -1;) {
        if (o == OPT_FORMAT)
            r->tree.format = archive_format(optarg);
        else if (o == OPT_MBOX)
            r->import.reader.dialect = cli_choice("--mbox", optarg, mbox_dialect_names);
        else if (o == OPT_INTO)
            r->tree.into = r->import.into = optarg;
        else if (o == OPT_NO_SUBFOLDERS)
            r->tree.no_subfolders = 1;
        else if (o == OPT_DUPS)
            r->import.dups = cli_choice("--dups", optarg, dups_names);
        else if (o == OPT_DUPS_SCOPE)
            r->import.any_folder = cli_choice("--dups-scope", optarg, scope_names);
        else if (o == OPT_LABELS)
            r->import.labels = cli_choice("--gmail-labels", optarg, labels_modes);
        else if (o == OPT_KEEP_UIDS)
            r->import.keep_uids = 1;
        else if (o == OPT_PASSWORD)
            r->import.reader.password = optarg;
        else if (o == OPT_PASSWORD_FILE)
            r->import.reader.password = archive_password_file(optarg);
        else if (o == OPT_RECOVER)
            r->import.reader.recover = 1;
        else if (o == OPT_DRY_RUN)
            r->import.dry_run = 1;
    }
    if (r->tree.into)
        archive_check_folder("--into", r->tree.into);
}

static void print_json(const struct import_totals *t, const struct request *r, double seconds)
{
    json_begin("total");
    json_uint("expected", t->expected);
    json_uint("imported", t->imported);
    json_uint("skipped", t->skipped);
    json_uint("failed", t->failed);
    json_uint("folders", t->folders);
    json_uint("bytes", t->bytes);
    json_double("seconds", seconds);
    json_uint("merged", t->merged);
    json_uint("restored", t->restored);
    json_uint("without_keywords", t->without_keywords);
    json_uint("incomplete", t->incomplete);
    json_uint("renumbered", t->renumbered);
    json_uint("copies", t->copies);
    if (r->import.dry_run)
        json_bool("dry_run", 1);
    json_end();
}

static void print_text(const struct import_totals *t, const struct request *r, double seconds)
{
    char size[24];
    if (t->without_keywords)
        cli_note("%" PRIu64 " messages lost keywords: a store holds 1,024 of them", t->without_keywords);
    if (cli.quiet)
        return;
    printf("%s %" PRIu64 " of %" PRIu64 " messages, %s, to %" PRIu64 " folder%s in %.1f s", r->import.dry_run ? "would import" : "imported",
           t->imported, t->expected, text_size(t->bytes, size, sizeof size), t->folders, t->folders == 1 ? "" : "s", seconds);
    if (t->skipped)
        printf("; %" PRIu64 " skipped: already there", t->skipped);
    if (t->merged)
        printf(" (flags of %" PRIu64 " merged)", t->merged);
    if (t->copies)
        printf("; %" PRIu64 " in further folders by their labels", t->copies);
    if (t->renumbered)
        printf("; %" PRIu64 " with another uid than they had", t->renumbered);
    if (t->incomplete)
        printf("; %" PRIu64 " not whole", t->incomplete);
    if (t->failed)
        printf("; %" PRIu64 " failed", t->failed);
    printf("\n");
}

/* A dry run makes no store: without one, everything is new. */
static int open_store(const char *path, int dry_run, cubby_store **store)
{
    struct stat st;
    if (dry_run && stat(path, &st) != 0)
        return CLI_OK;
    return cli_open(path, dry_run ? CUBBY_READ_ONLY : CUBBY_CREATE, store);
}

static int import(const char *path, const struct request *r, const struct tree *tree)
{
    cubby_store *store = NULL;
    struct import_totals totals;
    int64_t began = cli_now_ms();
    if (cli_interrupted) /* while the sources were looked for: no store is begun */
        return CLI_INTERRUPTED;
    if (archive_none_there(tree))
        return CLI_FAIL;
    int rc = open_store(path, r->import.dry_run, &store);
    if (rc != CLI_OK)
        return rc;
    mallopt(M_MMAP_THRESHOLD, 512 << 10); /* big messages go back to the system when they are done */
    rc = import_run(store, tree, &r->import, &totals);
    rc = cli_close(&store, NULL, rc);
    double seconds = (double)(cli_now_ms() - began) / 1000;
    if (cli.json)
        print_json(&totals, r, seconds);
    else
        print_text(&totals, r, seconds);
    return rc;
}

int cmd_import(int argc, char **argv)
{
    struct request r = {.import.reader.may_ask = 1};
    struct tree tree = TREE_INIT;
    read_options(argc, argv, &r);
    char **args = cli_arguments(argc, argv, 2, -1);
    tree_scan(&tree, args + 1, (size_t)(argv + argc - args) - 1, &r.tree);
    int rc = import(args[0], &r, &tree);
    tree_release(&tree);
    return rc;
}
