/* Exports folders to mbox files, Maildirs, .eml files or a PST file. */
#include "cli.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "archive/exporter.h"
#include "archive/keepsake.h"
#include "archive/outfile.h"
#include "json.h"
#include "text.h"

enum { OPT_FORMAT = 1, OPT_FOLDER, OPT_NO_SUBFOLDERS, OPT_UIDS, OPT_SINCE, OPT_BEFORE, OPT_VERBATIM, OPT_FORCE, OPT_PASSWORD, OPT_PASSWORD_FILE };

static const struct option options[] = {
    {"format", required_argument, NULL, OPT_FORMAT}, {"folder", required_argument, NULL, OPT_FOLDER},
    {"no-subfolders", no_argument, NULL, OPT_NO_SUBFOLDERS}, {"uids", required_argument, NULL, OPT_UIDS},
    {"since", required_argument, NULL, OPT_SINCE},   {"before", required_argument, NULL, OPT_BEFORE},
    {"verbatim", no_argument, NULL, OPT_VERBATIM},   {"force", no_argument, NULL, OPT_FORCE},
    {"password", required_argument, NULL, OPT_PASSWORD}, {"password-file", required_argument, NULL, OPT_PASSWORD_FILE},
    {NULL, 0, NULL, 0},
};

struct request {
    struct export_options export;
    struct writer_options writer;
    const struct writer_format *format;
    const char *folder;
    int no_subfolders;
    char *dest; /* without '/' at its end */
    struct writer_folder *folders;
    size_t count;
};

static const struct writer_format *format_named(const char *text)
{
    struct text known = {0};
    const struct writer_format *f = writer_format_named(text);
    for (size_t i = 0; !f && writer_formats[i]; i++) {
        text_byte(&known, ' ');
        text_add(&known, writer_formats[i]->name, strlen(writer_formats[i]->name));
    }
    if (!f)
        cli_usage_error("--format: '%s' is not one of:%s", text, known.data);
    return f;
}

static void read_options(int argc, char **argv, struct request *r)
{
    int16_t zone;
    for (int o; (o = cli_option(argc, argv, "", options)) != -1;) {
        if (o == OPT_FORMAT)
            r->format = format_named(optarg);
        else if (o == OPT_FOLDER)
            r->folder = optarg;
        else if (o == OPT_NO_SUBFOLDERS)
            r->no_subfolders = 1;
        else if (o == OPT_UIDS)
            r->export.uids = optarg;
        else if (o == OPT_VERBATIM)
            r->writer.verbatim = 1;
        else if (o == OPT_FORCE)
            r->writer.force = 1;
        else if (o == OPT_PASSWORD)
            r->writer.password = optarg;
        else if (o == OPT_PASSWORD_FILE)
            r->writer.password = archive_password_file(optarg);
        else if (o == OPT_SINCE)
            r->export.has_since = (cli_date("--since", optarg, &r->export.since, &zone), 1);
        else if (o == OPT_BEFORE)
            r->export.has_before = (cli_date("--before", optarg, &r->export.before, &zone), 1);
    }
    if (r->folder)
        archive_check_folder("--folder", r->folder);
    if (r->export.uids && !r->folder)
        cli_usage_error("--uids needs --folder: uids are those of one folder");
    if (r->writer.password && strcmp(r->format->name, "pst") != 0)
        cli_usage_error("--password: %s has no place for one, anybody could read it", r->format->name);
    if (r->export.uids)
        r->no_subfolders = 1;
}

/* ---- where to ---------------------------------------------------------------------------------------------------------------------- */

/* DEST is a file if the format has all in one, and for an mbox of one folder without its subfolders, unless a directory of that name is there. */
static void find_destination(struct request *r, const char *dest)
{
    struct stat st;
    size_t n = strlen(dest);
    int slash = n > 0 && dest[n - 1] == '/', single = r->folder && r->no_subfolders && r->format == &writer_mbox;
    if (n == 0)
        cli_usage_error("DEST is empty");
    if (strcmp(dest, "-") == 0 && !single)
        cli_usage_error("standard output takes an mbox of one folder: --folder FOLDER --no-subfolders");
    if (strcmp(dest, "-") == 0 && cli.json)
        cli_usage_error("--json and the mail cannot both go to standard output");
    r->writer.one_file = r->format->single_file || (single && !slash && !(stat(dest, &st) == 0 && S_ISDIR(st.st_mode)));
    r->dest = cli_strdup(dest);
    while (n > 1 && r->dest[n - 1] == '/')
        r->dest[--n] = 0;
    r->writer.dest = r->dest;
}

static int add_folder(void *arg, const char *path, int depth, const cubby_folder *f)
{
    struct request *r = arg;
    if (depth > 0 && r->no_subfolders)
        return 0;
    r->folders = cli_realloc(r->folders, (r->count + 1) * sizeof *r->folders);
    r->folders[r->count++] = (struct writer_folder){.path = cli_strdup(path), .id = f->id, .special_use = f->special_use, .recent_uid = f->recent_uid,
                                                    .uidvalidity = f->uidvalidity, .uidnext = f->uidnext, .messages = f->messages, .bytes = f->bytes};
    return 0;
}

static int list_folders(struct request *r, cubby_store *store)
{
    cubby_snapshot *snap = NULL;
    cubby_folder f;
    int rc = cli_snapshot(store, &snap), code = 0;
    if (rc == CLI_OK && r->folder) {
        rc = cli_folder(store, snap, r->folder, &f);
        char *path = rc == CLI_OK ? cli_path_of(snap, f.id) : NULL; /* INBOX as it is written */
        if (rc == CLI_OK)
            add_folder(r, path ? path : r->folder, 0, &f);
        free(path);
        if (rc == CLI_OK && !r->no_subfolders)
            code = cli_walk(snap, f.id, add_folder, r);
    } else if (rc == CLI_OK) {
        code = cli_walk(snap, CUBBY_ROOT, add_folder, r);
    }
    cubby_snapshot_end(&snap);
    return code < 0 ? cli_store_error(store, code) : rc;
}

/* Everything that would be overwritten is found before anything is written. */
static int check_folders(const struct request *r, struct writer *w)
{
    int rc = CLI_OK;
    for (size_t i = 0; i < r->count; i++) {
        int one = w->format->check(w, &r->folders[i]);
        rc = one != CLI_OK ? one : rc;
    }
    if (rc != CLI_OK)
        cli_hint("nothing was written; --force replaces files%s", r->format == &writer_mbox ? ", - is standard output" : "");
    return rc;
}

/* A file over one of the store's own would destroy mail. 1 if the destination, or where it will be made, is in the store. */
static int in_store(const char *dest, const char *store)
{
    char *parent = cli_strdup(dest), *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = 0;
    char *root = realpath(store, NULL), *at = realpath(dest, NULL);
    if (!at)
        at = realpath(slash ? parent : ".", NULL);
    size_t n = root ? strlen(root) : 0;
    int inside = n > 1 && at && strncmp(at, root, n) == 0 && (at[n] == '/' || !at[n]);
    free(parent);
    free(root);
    free(at);
    return inside;
}

static int make_destination(const struct request *r)
{
    struct stat st;
    if (r->writer.one_file || mkdir(r->dest, 0777) == 0)
        return CLI_OK;
    if (errno == EEXIST && stat(r->dest, &st) == 0 && S_ISDIR(st.st_mode))
        return CLI_OK;
    if (errno == EEXIST) {
        cli_error("%s: is a file; to write one file, name a folder: --folder FOLDER --no-subfolders", r->dest);
        return CLI_FAIL;
    }
    return cli_system_error(r->dest);
}

/* ---- the report ---------------------------------------------------------------------------------------------------------------------- */

static void print_total(const struct request *r, const struct export_totals *t, const struct writer *w, double seconds)
{
    char size[24];
    if (cli.json) {
        json_begin("total");
        json_uint("expected", t->expected);
        json_uint("exported", t->exported);
        json_uint("failed", t->failed);
        json_uint("files", w->files);
        json_uint("bytes", t->bytes);
        json_double("seconds", seconds);
        json_uint("line_ends_added", w->line_ends_added);
        json_uint("without_keywords", w->without_keywords);
        json_uint("discarded", t->discarded);
        json_end();
        return;
    }
    FILE *to = strcmp(r->dest, "-") == 0 ? stderr : stdout;
    if (cli.quiet)
        return;
    fprintf(to, "exported %" PRIu64 " of %" PRIu64 " messages, %s, to %" PRIu64 " file%s in %.1f s", t->exported, t->expected,
            text_size(t->bytes, size, sizeof size), w->files, w->files == 1 ? "" : "s", seconds);
    if (w->line_ends_added)
        fprintf(to, "; %" PRIu64 " did not end with a line end and got one", w->line_ends_added);
    if (w->without_keywords)
        fprintf(to, "; %" PRIu64 " lost keywords: the format has no room for more", w->without_keywords);
    if (t->failed)
        fprintf(to, "; %" PRIu64 " failed", t->failed);
    if (t->discarded)
        fprintf(to, "; %" PRIu64 " more were in files that were not finished, and are gone", t->discarded);
    fprintf(to, "\n");
}

static int export(struct request *r, cubby_store *store)
{
    struct export_totals totals;
    struct writer *w = NULL;
    int64_t began = cli_now_ms();
    int rc = list_folders(r, store);
    if (rc == CLI_OK)
        rc = r->format->open(&r->writer, &w);
    if (rc == CLI_OK)
        rc = check_folders(r, w);
    if (rc == CLI_OK)
        rc = make_destination(r);
    if (rc == CLI_OK) {
        rc = export_run(store, w, r->folders, r->count, &r->export, &totals);
        if ((rc == CLI_OK || rc == CLI_NEGATIVE) && !r->writer.one_file && !r->writer.verbatim) {
            int kept = keepsake_write(store, r->dest, r->folders, r->count);
            rc = kept == CLI_OK ? rc : kept;
        }
        print_total(r, &totals, w, (double)(cli_now_ms() - began) / 1000);
    }
    writer_close(&w);
    return rc;
}

int cmd_export(int argc, char **argv)
{
    struct request r = {.format = &writer_mbox};
    cubby_store *store = NULL;
    cli.stopped = "stopped; files that were finished are kept; to write all of them, give the same command with --force";
    read_options(argc, argv, &r);
    char **args = cli_arguments(argc, argv, 2, 2);
    int rc = CLI_OK;
    find_destination(&r, args[1]);
    if (strcmp(r.dest, "-") != 0 && in_store(r.dest, args[0])) {
        cli_error("%s: is inside of the store", r.dest);
        cli_hint("name a destination that is not");
        rc = CLI_FAIL;
    }
    outfile_keep_out(args[0]); /* also where a folder's directory comes to lie below the destination */
    if (rc == CLI_OK)
        rc = cli_open(args[0], 0, &store);
    if (rc == CLI_OK)
        rc = cli_close(&store, NULL, export(&r, store));
    for (size_t i = 0; i < r.count; i++)
        free((char *)(uintptr_t)r.folders[i].path);
    free(r.folders);
    free(r.dest);
    return rc;
}
