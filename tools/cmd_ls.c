/* Lists folders, as a tree. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

struct listing {
    int details, indent; /* indent: 1 below the folder that was asked for */
    size_t name_width;
    struct text line;
};

static void print_json(const char *path, const cubby_folder *f)
{
    char special[96];
    json_begin(NULL);
    json_str("path", path);
    json_uint("messages", f->messages);
    json_uint("unseen", f->unseen);
    json_uint("deleted", f->deleted);
    json_uint("bytes", f->bytes);
    json_uint("uidvalidity", f->uidvalidity);
    json_uint("uidnext", f->uidnext);
    json_uint("highestmodseq", f->highestmodseq);
    json_str("special", f->special_use ? cli_special_format(f->special_use, special, sizeof special) : NULL);
    json_array("quota");
    json_array_end();
    json_uint("id", f->id);
    json_end();
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static size_t label_width(const char *path, int depth)
{
    const char *name = last_component(path);
    return (size_t)depth * 2 + text_width(name, strlen(name));
}

static int measure(void *arg, const char *path, int depth, const cubby_folder *f)
{
    struct listing *l = arg;
    (void)f;
    size_t w = label_width(path, depth + l->indent);
    if (w > l->name_width)
        l->name_width = w;
    return cli_interrupted ? CUBBY_ECANCEL : 0;
}

static void heading(const struct listing *l)
{
    printf("%-*s %9s %9s %8s %7s", (int)l->name_width, "folder", "messages", "unseen", "deleted", "size");
    if (l->details)
        printf(" %11s %10s %10s  %s", "uidvalidity", "uidnext", "modseq", "special");
    putchar('\n');
}

static int print(void *arg, const char *path, int depth, const cubby_folder *f)
{
    struct listing *l = arg;
    char size[16], special[96];
    if (cli_interrupted)
        return CUBBY_ECANCEL;
    if (cli.json) {
        print_json(path, f);
        return 0;
    }
    const char *name = last_component(path);
    depth += l->indent;
    text_clear(&l->line);
    for (int i = 0; i < depth; i++)
        text_add(&l->line, "  ", 2);
    text_column(&l->line, name, strlen(name), l->name_width - (size_t)depth * 2);
    printf("%s %9" PRIu64 " %9" PRIu64 " %8" PRIu64 " %7s", l->line.data, f->messages, f->unseen, f->deleted,
           text_size(f->bytes, size, sizeof size));
    if (l->details)
        printf(" %11" PRIu32 " %10" PRIu64 " %10" PRIu64 "  %s", f->uidvalidity, f->uidnext, f->highestmodseq,
               cli_special_format(f->special_use, special, sizeof special));
    putchar('\n');
    return 0;
}

/* One pass over the folder, if it is not the root, and all below it. */
static int pass(cubby_snapshot *snap, const char *path, const cubby_folder *top, cli_walk_fn fn, struct listing *l)
{
    l->indent = 0;
    int r = path ? fn(l, path, 0, top) : 0;
    l->indent = path != NULL;
    return r == 0 ? cli_walk(snap, top->id, fn, l) : r;
}

static int list(cubby_store *store, cubby_snapshot *snap, const char *wanted, struct listing *l)
{
    cubby_folder top = {.id = CUBBY_ROOT};
    char *path = NULL;
    int r = 0;
    if (wanted) {
        int rc = cli_folder(store, snap, wanted, &top);
        if (rc != CLI_OK)
            return rc;
        path = cli_path_of(snap, top.id);
        if (!path)
            return cli_store_error(store, CUBBY_ECORRUPT);
    }
    if (!cli.json) {
        l->name_width = strlen("folder");
        r = pass(snap, path, &top, measure, l);
        heading(l);
    }
    if (r == 0)
        r = pass(snap, path, &top, print, l);
    free(path);
    return r < 0 ? cli_store_error(store, r) : CLI_OK;
}

int cmd_ls(int argc, char **argv)
{
    static const struct option own[] = {{"long", no_argument, NULL, 'l'}, {0}};
    struct listing l = {0};
    cubby_store *store = NULL;
    cubby_snapshot *snap = NULL;
    while (cli_option(argc, argv, "l", own) != -1)
        l.details = 1;
    char **args = cli_arguments(argc, argv, 1, 2);
    int rc = cli_open_view(args[0], &store, &snap);
    if (rc != CLI_OK)
        return rc;
    rc = list(store, snap, args[1], &l);
    text_release(&l.line);
    return cli_close(&store, &snap, rc);
}
