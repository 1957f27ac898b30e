/* Makes, renames, deletes, subscribes folders. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

struct work {
    cubby_store *store;
    cubby_txn *txn;
    int recursive;
    uint64_t id; /* of the folder, for the report; 0: none */
};

/* An exit code for a library call on a folder, with a message that names it. */
static int told(struct work *w, int r, const char *path)
{
    switch (r) {
    case 0:
        return CLI_OK;
    case CUBBY_EEXIST:
        cli_error("there is a folder '%s' already", path);
        return CLI_NEGATIVE;
    case CUBBY_EHASCHILD:
        cli_error("the folder '%s' has folders below it", path);
        cli_hint("`cubby folder delete -r` deletes them with it");
        return CLI_NEGATIVE;
    case CUBBY_EINVAL:
        cli_error("'%s': a folder cannot have this name or go there, or it is INBOX", path);
        cli_hint("see `cubby help limits`");
        return CLI_USAGE;
    default:
        cli_error("folder '%s':", path);
        return cli_store_error(w->store, r);
    }
}

static int find(struct work *w, const char *path, cubby_folder *out)
{
    return cli_folder(w->store, cubby_txn_snapshot(w->txn), path, out);
}

static int create(struct work *w, char **args)
{
    cubby_folder f;
    int r = cli_path_find(cubby_txn_snapshot(w->txn), args[0], &f);
    if (r == 0)
        return told(w, CUBBY_EEXIST, args[0]);
    if (r == CUBBY_DONE)
        r = cli_path_make(w->txn, args[0], &w->id);
    return told(w, r, args[0]);
}

/* The folder that is to hold `path`, made if it is missing, and the last component. */
static int make_parent(struct work *w, const char *path, uint64_t *parent, char *name, size_t *len)
{
    const char *slash = strrchr(path, '/'), *last = slash ? slash + 1 : path;
    int r = 0;
    *parent = CUBBY_ROOT;
    if (slash) {
        char *above = cli_printf("%.*s", (int)(slash - path), path);
        r = cli_path_make(w->txn, above, parent);
        free(above);
    }
    if (r == 0)
        r = cli_path_next(&last, name, len);
    return r == CUBBY_DONE ? CUBBY_EINVAL : r;
}

static int rename_folder(struct work *w, char **args)
{
    cubby_folder f;
    uint64_t parent;
    char name[256];
    size_t len;
    int rc = find(w, args[0], &f);
    if (rc != CLI_OK)
        return rc;
    w->id = f.id;
    int r = make_parent(w, args[1], &parent, name, &len);
    if (r == 0)
        r = cubby_folder_rename(w->txn, w->id, parent, name, len);
    return told(w, r, args[1]);
}

/* Children first. */
static int delete_tree(struct work *w, uint64_t id)
{
    cubby_folder child;
    int r = 0;
    while (w->recursive && r == 0) {
        r = cubby_folder_next(cubby_txn_snapshot(w->txn), id, "", 0, &child);
        if (r == 0)
            r = delete_tree(w, child.id);
    }
    return r < 0 ? r : cubby_folder_delete(w->txn, id);
}

static int delete_folder(struct work *w, char **args)
{
    cubby_folder f;
    int rc = find(w, args[0], &f);
    return rc == CLI_OK ? told(w, delete_tree(w, f.id), args[0]) : rc;
}

static int subscribed(struct work *w, const char *path, int on)
{
    struct text components = {0};
    const char *rest = path;
    char name[256];
    size_t len;
    int r;
    while ((r = cli_path_next(&rest, name, &len)) == 0)
        text_add(&components, name, len + 1); /* with its NUL */
    r = r != CUBBY_DONE || components.len == 0 ? CUBBY_EINVAL : cubby_subscribe(w->txn, components.data, components.len, on);
    text_release(&components);
    return told(w, r == CUBBY_DONE ? 0 : r, path);
}

static int subscribe(struct work *w, char **args)
{
    return subscribed(w, args[0], 1);
}

static int unsubscribe(struct work *w, char **args)
{
    return subscribed(w, args[0], 0);
}

static int special(struct work *w, char **args)
{
    cubby_folder f;
    uint32_t uses = 0, bit;
    for (char **a = args + 1; *a; a++) {
        if (strcmp(*a, "none") == 0 && a == args + 1 && !a[1])
            continue;
        if (cli_special_parse(*a, &bit) != 0)
            cli_usage_error("'%s' is no special use: \\All \\Archive \\Drafts \\Flagged \\Junk \\Sent \\Trash \\Important, or none", *a);
        uses |= bit;
    }
    int rc = find(w, args[0], &f);
    if (rc != CLI_OK)
        return rc;
    w->id = f.id;
    return told(w, cubby_folder_set_special(w->txn, f.id, uses), args[0]);
}

/* ---- the verbs ------------------------------------------------------------------------------------------------------------------- */

static const struct verb {
    const char *name, *done;
    int (*run)(struct work *w, char **args);
    int args_min, args_max; /* behind STORE */
    int each;               /* once for every argument */
} verbs[] = {
    {"create", "created", create, 1, -1, 1},
    {"rename", "renamed", rename_folder, 2, 2, 0},
    {"delete", "deleted", delete_folder, 1, -1, 1},
    {"subscribe", "subscribed", subscribe, 1, -1, 1},
    {"unsubscribe", "unsubscribed", unsubscribe, 1, -1, 1},
    {"special", "changed", special, 2, -1, 0},
};

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    cli_usage_error("'%s' is none of create, rename, delete, subscribe, unsubscribe, special", name);
}

/* One line a folder. All of them were done in one commit. */
static void report(const struct verb *v, const char *path, uint64_t id, uint64_t modseq)
{
    if (cli.json) {
        json_begin(v->done);
        json_str("folder", path);
        if (id)
            json_uint("id", id);
        json_uint("modseq", modseq);
        json_end();
    } else if (cli.verbose) {
        printf("%s: %s, modseq %" PRIu64 "\n", path, v->done, modseq);
    }
}

static int run_verb(struct work *w, const struct verb *v, char **args, int count)
{
    uint64_t modseq, *ids = cli_malloc((size_t)count * sizeof *ids);
    int n = v->each ? count : 1, rc = cli_begin(w->store, 0, &w->txn);
    for (int i = 0; rc == CLI_OK && i < n; i++) {
        w->id = 0;
        rc = v->run(w, args + i);
        ids[i] = w->id;
    }
    if (rc == CLI_OK)
        rc = cli_commit(w->store, &w->txn, &modseq);
    for (int i = 0; rc == CLI_OK && i < n; i++)
        report(v, v->run == rename_folder ? args[1] : args[i], ids[i], modseq);
    cubby_txn_abort(&w->txn);
    free(ids);
    return rc;
}

int cmd_folder(int argc, char **argv)
{
    static const struct option own[] = {{"recursive", no_argument, NULL, 'r'}, {0}};
    struct work w = {0};
    while (cli_option(argc, argv, "r", own) != -1)
        w.recursive = 1;
    char **args = cli_arguments(argc, argv, 1, -1);
    const struct verb *v = find_verb(args[0]);
    args = cli_arguments(argc, argv, v->args_min + 2, v->args_max < 0 ? -1 : v->args_max + 2);
    if (w.recursive && v->run != delete_folder)
        cli_usage_error("-r goes with `folder delete` only");
    int rc = cli_open(args[1], 0, &w.store);
    if (rc != CLI_OK)
        return rc;
    rc = run_verb(&w, v, args + 2, argc - optind - 2);
    return cli_close(&w.store, NULL, rc);
}
