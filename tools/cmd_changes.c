/* What is new, changed or gone in a folder since a modseq. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

enum { OPT_SINCE = 1 };

struct request {
    cubby_store *store;
    cubby_snapshot *snap;
    uint64_t since;
};

static void print_flags(const char *const *names, size_t n)
{
    if (cli.json)
        json_array("flags");
    for (size_t i = 0; i < n; i++) {
        if (cli.json)
            json_str(NULL, names[i]);
        else
            printf(" %s", names[i]);
    }
    if (cli.json)
        json_array_end();
    else
        putchar('\n');
}

static void print_vanished(const char *path, const cubby_change *c)
{
    char range[32];
    if (c->uid == c->uid_last)
        snprintf(range, sizeof range, "%" PRIu32, c->uid);
    else
        snprintf(range, sizeof range, "%" PRIu32 ":%" PRIu32, c->uid, c->uid_last);
    if (!cli.json) {
        printf("%10" PRIu64 "  vanished  %s  %s%s\n", c->modseq, path, range, c->exact ? "" : " (or earlier)");
        return;
    }
    json_begin("vanished");
    json_str("folder", path);
    json_str("uids", range);
    json_uint("modseq", c->modseq);
    json_bool("exact", c->exact);
    json_end();
}

static int print_change(cubby_snapshot *snap, const char *path, const cubby_change *c)
{
    const char *const *names;
    size_t n;
    if (c->kind == CUBBY_CHANGE_VANISHED) {
        print_vanished(path, c);
        return 0;
    }
    const char *event = c->kind == CUBBY_CHANGE_NEW ? "new" : "changed";
    int r = cli_row_flags(snap, c->flags, c->keywords, c->keyword_count, &names, &n);
    if (r != 0)
        return r;
    if (!cli.json) {
        printf("%10" PRIu64 "  %-8s  %s  %" PRIu32 " ", c->modseq, event, path, c->uid);
        print_flags(names, n);
        return 0;
    }
    json_begin(event);
    json_str("folder", path);
    json_uint("uid", c->uid);
    json_uint("modseq", c->modseq);
    print_flags(names, n);
    json_end();
    return 0;
}

static int folder_changes(void *arg, const char *path, int depth, const cubby_folder *f)
{
    struct request *q = arg;
    cubby_changes *changes = NULL;
    cubby_change c;
    struct text shown = {0};
    (void)depth;
    if (f->highestmodseq <= q->since)
        return 0;
    if (cli.json)
        text_add(&shown, path, strlen(path));
    else
        text_safe(&shown, path, strlen(path));
    int r = cubby_changes_open(q->snap, f->id, q->since, &changes);
    while (r == 0 && (r = cubby_changes_next(changes, &c)) == 0) {
        r = print_change(q->snap, shown.data, &c);
        if (r == 0 && cli_interrupted)
            r = CUBBY_ECANCEL;
    }
    cubby_changes_close(&changes);
    text_release(&shown);
    return r == CUBBY_DONE ? 0 : r;
}

static int print_changes(struct request *q, const char *wanted)
{
    cubby_folder f;
    int r = 0;
    if (wanted) {
        int rc = cli_folder(q->store, q->snap, wanted, &f);
        if (rc != CLI_OK)
            return rc;
        char *path = cli_path_of(q->snap, f.id);
        if (path)
            r = folder_changes(q, path, 0, &f);
        else
            r = CUBBY_ECORRUPT;
        free(path);
    } else {
        r = cli_walk(q->snap, CUBBY_ROOT, folder_changes, q);
    }
    if (r < 0)
        return cli_store_error(q->store, r);
    uint64_t state = cubby_snapshot_modseq(q->snap);
    if (cli.json) {
        json_begin("state");
        json_uint("modseq", state);
        json_end();
    } else {
        printf("%10" PRIu64 "  state\n", state);
    }
    return CLI_OK;
}

int cmd_changes(int argc, char **argv)
{
    static const struct option own[] = {{"since", required_argument, NULL, OPT_SINCE}, {0}};
    struct request q = {0};
    while (cli_option(argc, argv, "", own) != -1)
        q.since = cli_number("--since", optarg, UINT64_MAX);
    char **args = cli_arguments(argc, argv, 1, 2);
    int rc = cli_open_view(args[0], &q.store, &q.snap);
    if (rc != CLI_OK)
        return rc;
    rc = print_changes(&q, args[1]);
    return cli_close(&q.store, &q.snap, rc);
}
