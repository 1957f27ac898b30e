/* Checks a store. The check changes nothing; --repair puts right what it finds, --rebuild-index only builds the index anew. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

enum { OPT_FULL = 1, OPT_REBUILD, OPT_REPAIR };

struct check {
    const char *path;
    unsigned flags;
    int silent;
    uint64_t notes, findings, index_findings;
    struct folder_name {
        uint64_t id;
        char *path;
    } *names; /* of all folders, as they were when a finding first asked for one */
    size_t name_count, name_cap, last_name; /* findings come by folder */
    int names_tried;
    struct cli_bar bar;
    uint64_t done, total; /* as told last */
};

/* ---- findings --------------------------------------------------------------------------------------------------------------------- */

static int keep_name(void *arg, const char *path, int depth, const cubby_folder *folder)
{
    struct check *c = arg;
    (void)depth;
    if (c->name_count == c->name_cap) {
        c->name_cap = c->name_cap ? 2 * c->name_cap : 64;
        c->names = cli_realloc(c->names, c->name_cap * sizeof *c->names);
    }
    c->names[c->name_count++] = (struct folder_name){folder->id, cli_strdup(path)};
    return 0;
}

/* All at once, for the store must not stay open: a repair comes next, perhaps. Silent: the check says what is wrong. */
static void read_names(struct check *c)
{
    cubby_options options = CUBBY_OPTIONS_INIT;
    cubby_store *store = NULL;
    cubby_snapshot *snap = NULL;
    options.flags = CUBBY_READ_ONLY;
    if (cubby_open(c->path, &options, &store, NULL) == 0 && cubby_snapshot_begin(store, &snap) == 0)
        cli_walk(snap, CUBBY_ROOT, keep_name, c);
    cubby_snapshot_end(&snap);
    cubby_close(&store);
}

static void free_names(struct check *c)
{
    for (size_t i = 0; i < c->name_count; i++)
        free(c->names[i].path);
    free(c->names);
    c->names = NULL;
    c->name_count = c->name_cap = c->last_name = 0;
}

/* Path of a folder, or "#7" if the store cannot tell; owner: the caller. */
static char *folder_path(struct check *c, uint64_t folder)
{
    if (!c->names_tried)
        read_names(c);
    c->names_tried = 1;
    for (size_t i = 0, at = c->last_name; i < c->name_count; i++, at = (at + 1) % c->name_count)
        if (c->names[at].id == folder)
            return cli_strdup(c->names[c->last_name = at].path);
    return cli_printf("#%" PRIu64, folder);
}

static const char *severity_name(int severity)
{
    return severity == CUBBY_ERROR ? "error" : severity == CUBBY_WARNING ? "warning" : "note";
}

static void finding_json(struct check *c, const cubby_finding *f, const char *event)
{
    json_begin(event);
    json_str("code", f->code);
    json_str("severity", severity_name(f->severity));
    json_str("file", f->file && *f->file ? f->file : NULL);
    if (f->offset == UINT64_MAX)
        json_null("offset");
    else
        json_uint("offset", f->offset);
    if (f->folder) {
        char *path = folder_path(c, f->folder);
        json_str("folder", path);
        free(path);
    } else {
        json_null("folder");
    }
    if (f->uid)
        json_uint("uid", f->uid);
    else
        json_null("uid");
    json_str("detail", f->detail);
    json_end();
}

static void finding_text(struct check *c, const cubby_finding *f, const char *event)
{
    struct text t = {0};
    char number[32];
    text_add(&t, event, strlen(event));
    text_byte(&t, ' ');
    text_add(&t, f->code, strlen(f->code));
    if (f->file && *f->file) {
        text_byte(&t, ' ');
        text_safe(&t, f->file, strlen(f->file));
        if (f->offset != UINT64_MAX)
            text_add(&t, number, (size_t)snprintf(number, sizeof number, "@%" PRIu64, f->offset));
    }
    if (f->folder) {
        char *path = folder_path(c, f->folder);
        text_byte(&t, ' ');
        text_safe(&t, path, strlen(path));
        free(path);
        if (f->uid)
            text_add(&t, number, (size_t)snprintf(number, sizeof number, "/%" PRIu32, f->uid));
    }
    text_add(&t, ": ", 2);
    if (f->detail)
        text_safe(&t, f->detail, strlen(f->detail));
    puts(t.data);
    text_release(&t);
}

static int found(void *arg, const cubby_finding *f)
{
    struct check *c = arg;
    if (f->severity == CUBBY_NOTE) {
        c->notes++;
    } else {
        c->findings++;
        c->index_findings += f->file && strcmp(f->file, "index") == 0;
    }
    if (c->silent || (f->severity == CUBBY_NOTE && cli.quiet))
        return cli_interrupted != 0;
    cli_bar_clear(&c->bar);
    if (cli.json)
        finding_json(c, f, "finding");
    else
        finding_text(c, f, severity_name(f->severity));
    return cli_interrupted != 0;
}

/* What a repair has done. */
static int done(void *arg, const cubby_finding *f)
{
    struct check *c = arg;
    cli_bar_clear(&c->bar);
    if (cli.json)
        finding_json(c, f, "repair");
    else if (!cli.quiet)
        finding_text(c, f, "repair");
    return 0; /* it may be stopped between its steps, by the progress function */
}

/* ---- the run ------------------------------------------------------------------------------------------------------------------------ */

/* Segments are read, then the state is built anew from them, then messages are read: each time it begins anew. */
static int progress(void *arg, uint64_t done, uint64_t total)
{
    struct check *c = arg;
    if (total && (done < c->done || total != c->total))
        c->bar.start_ms = cli_now_ms();
    if (total) {
        c->done = done;
        c->total = total;
    }
    return cli_bar_update(&c->bar, done, total);
}

static void begin(struct check *c, cubby_options *options, unsigned flags)
{
    cli_store_options(options, flags);
    cli_bar_begin(&c->bar, "checking", CLI_ITEMS);
    options->progress = progress;
    options->progress_arg = c;
    options->notice = NULL; /* the check reports it as a finding */
}

static int end(struct check *c, int r, cubby_error *err)
{
    cli_bar_clear(&c->bar);
    free_names(c);
    if (r == 0)
        return CLI_OK;
    err->code = r;
    if (!err->path[0])
        snprintf(err->path, sizeof err->path, "%s", c->path);
    if (r == CUBBY_ECORRUPT) { /* what to do says the message: to run this command is no advice here */
        cli_error("%s: %s", err->path, err->message);
        return CLI_FAIL;
    }
    int rc = cli_report(err);
    return rc == CLI_INTERRUPTED ? rc : CLI_FAIL;
}

static int run_check(struct check *c, cubby_check_result *result)
{
    cubby_options options;
    cubby_error err = {.offset = UINT64_MAX};
    begin(c, &options, CUBBY_READ_ONLY);
    return end(c, cubby_check(c->path, &options, c->flags, found, c, result, &err), &err);
}

/* Names of folders are those of before the repair: it may give them new ones. */
static int run_repair(struct check *c, cubby_check_result *result, uint64_t *fixed, uint64_t *left)
{
    cubby_options options;
    cubby_error err = {.offset = UINT64_MAX};
    cubby_repair_result r = {0};
    begin(c, &options, 0);
    int rc = end(c, cubby_repair(c->path, &options, c->flags, found, done, c, &r, &err), &err);
    result->messages = r.messages;
    if (rc == CLI_OK) /* else as many as were told */
        c->findings = r.findings;
    *fixed = r.fixed;
    *left = r.left;
    return rc;
}

/* Builds the index anew and looks again; *fixed and *left are counted. */
static int rebuild(const struct check *before, uint64_t *fixed, uint64_t *left)
{
    struct check after = {.path = before->path, .silent = 1, .names_tried = 1};
    cubby_store *store = NULL;
    cubby_check_result result = {0};
    int rc = cli_open(before->path, CUBBY_REBUILD, &store);
    if (rc != CLI_OK)
        return rc;
    if (cubby_is_read_only(store)) {
        cli_error("%s: the store may not be written, so its index stays as it is", before->path);
        return cli_close(&store, NULL, CLI_FAIL);
    }
    rc = cli_close(&store, NULL, CLI_OK);
    if (rc == CLI_OK)
        rc = run_check(&after, &result);
    *fixed = before->index_findings - (after.index_findings < before->index_findings ? after.index_findings : before->index_findings);
    *left = before->findings - *fixed;
    return rc;
}

/* Also of a run that failed: then the counts are of what it had come to. */
static void print_total(const struct check *c, const cubby_check_result *result, uint64_t fixed, uint64_t left, double seconds, int complete)
{
    if (cli.json) {
        json_begin("total");
        json_uint("findings", c->findings);
        json_uint("fixed", fixed);
        json_uint("left", left);
        json_uint("messages", result->messages);
        json_double("seconds", seconds);
        json_uint("notes", c->notes);
        json_bool("complete", complete);
        json_end();
    } else if (!cli.quiet && complete) {
        printf("%" PRIu64 " messages, %" PRIu64 " findings, %" PRIu64 " fixed, %" PRIu64 " left, %" PRIu64 " notes, %.2f s\n", result->messages,
               c->findings, fixed, left, c->notes, seconds);
    }
}

int cmd_fsck(int argc, char **argv)
{
    static const struct option own[] = {
        {"full", no_argument, NULL, OPT_FULL}, {"rebuild-index", no_argument, NULL, OPT_REBUILD}, {"repair", no_argument, NULL, OPT_REPAIR}, {0}};
    struct check c = {0};
    cubby_check_result result = {0};
    int wish_rebuild = 0, wish_repair = 0;
    uint64_t fixed = 0;
    for (int o; (o = cli_option(argc, argv, "", own)) != -1;) {
        c.flags |= o == OPT_FULL ? CUBBY_CHECK_FULL : 0;
        wish_rebuild |= o == OPT_REBUILD;
        wish_repair |= o == OPT_REPAIR;
    }
    c.path = cli_arguments(argc, argv, 1, 1)[0];
    int64_t start = cli_now_ms();
    uint64_t left = 0;
    int rc = wish_repair ? run_repair(&c, &result, &fixed, &left) : run_check(&c, &result);
    if (!wish_repair)
        left = c.findings;
    int more = c.findings > c.index_findings; /* that an index may be needed for */
    if (rc == CLI_OK && wish_rebuild && !wish_repair && more)
        cli_note("%s: the index stays as it is: it may know what is lost elsewhere, and --repair asks it before it builds another", c.path);
    else if (rc == CLI_OK && wish_rebuild && !(wish_repair && c.findings))
        rc = rebuild(&c, &fixed, &left);
    if (rc != CLI_OK)
        left = c.findings > fixed ? c.findings - fixed : 0;
    print_total(&c, &result, fixed, left, (double)(cli_now_ms() - start) / 1000, rc == CLI_OK);
    if (rc != CLI_OK)
        return rc;
    if (left && !wish_repair && !cli.json)
        cli_hint("`cubby fsck --repair STORE` mends what can be mended; cubby-fsck(1) says of each code how, and what may be lost");
    return left ? CLI_LEFT : fixed ? CLI_NEGATIVE : CLI_OK;
}
