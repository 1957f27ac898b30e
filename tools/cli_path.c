/* Folder paths: "A/B", with %2F and %25 for '/' and '%' inside a component. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

#include "text.h"

enum { NAME_MAX_BYTES = 255 };

/* Bytes of the escape at s ("%2F", "%25"), 0 if there is none; any other '%' stands for itself. */
static size_t escape_at(const char *s, char *c)
{
    if (s[0] != '%' || s[1] != '2')
        return 0;
    if (s[2] == 'F' || s[2] == 'f')
        *c = '/';
    else if (s[2] == '5')
        *c = '%';
    else
        return 0;
    return 3;
}

int cli_path_next(const char **path, char *buf, size_t *len)
{
    const char *s = *path;
    size_t n = 0;
    if (!*s)
        return CUBBY_DONE;
    while (*s && *s != '/') {
        char c = *s;
        size_t used = escape_at(s, &c);
        if (n == NAME_MAX_BYTES)
            return CUBBY_EINVAL;
        buf[n++] = c;
        s += used ? used : 1;
    }
    if (n == 0 || (*s == '/' && !s[1]))
        return CUBBY_EINVAL;
    buf[n] = 0;
    *len = n;
    *path = *s ? s + 1 : s;
    return 0;
}

/* The whole path is looked at first: "a//b" is no path, whether or not there is an "a", and nothing is made of it. */
static int is_path(const char *path)
{
    char name[NAME_MAX_BYTES + 1];
    size_t len;
    int r = *path ? 0 : CUBBY_EINVAL;
    while (r == 0)
        r = cli_path_next(&path, name, &len);
    return r == CUBBY_DONE;
}

int cli_path_find(cubby_snapshot *snap, const char *path, cubby_folder *out)
{
    char name[NAME_MAX_BYTES + 1];
    size_t len;
    uint64_t parent = CUBBY_ROOT;
    if (!is_path(path))
        return CUBBY_EINVAL;
    for (;;) {
        int r = cli_path_next(&path, name, &len);
        if (r == CUBBY_DONE)
            return 0;
        if (r == 0)
            r = cubby_folder_find(snap, parent, name, len, out);
        if (r != 0)
            return r;
        parent = out->id;
    }
}

int cli_folder(cubby_store *store, cubby_snapshot *snap, const char *path, cubby_folder *out)
{
    int r = cli_path_find(snap, path, out);
    if (r == 0)
        return CLI_OK;
    if (r == CUBBY_EINVAL) {
        cli_error("'%s' is not a folder path: components of 1 to 255 bytes with '/' between them", path);
        return CLI_USAGE;
    }
    if (r != CUBBY_DONE)
        return cli_store_error(store, r);
    cli_error("there is no folder '%s'", path);
    cli_hint("`cubby ls STORE` shows the folders, `cubby folder create STORE FOLDER` makes one");
    return CLI_NEGATIVE;
}

int cli_path_make(cubby_txn *txn, const char *path, uint64_t *id)
{
    char name[NAME_MAX_BYTES + 1];
    size_t len;
    uint64_t at = CUBBY_ROOT;
    if (!is_path(path))
        return CUBBY_EINVAL;
    for (;;) {
        cubby_folder f;
        int r = cli_path_next(&path, name, &len);
        if (r == CUBBY_DONE) {
            *id = at;
            return 0;
        }
        if (r == 0)
            r = cubby_folder_find(cubby_txn_snapshot(txn), at, name, len, &f);
        if (r == CUBBY_DONE)
            r = cubby_folder_create(txn, at, name, len, &f.id);
        if (r != 0)
            return r;
        at = f.id;
    }
}

static void escaped(struct text *out, const char *name, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '/')
            text_add(out, "%2F", 3);
        else if (name[i] == '%')
            text_add(out, "%25", 3);
        else
            text_byte(out, name[i]);
    }
}

char *cli_path_escape(const char *name, size_t len)
{
    struct text t = {0};
    escaped(&t, name, len);
    text_add(&t, "", 0);
    return t.data;
}

char *cli_path_of(cubby_snapshot *snap, uint64_t folder)
{
    char *path = NULL;
    for (int depth = 0; folder != CUBBY_ROOT; depth++) {
        cubby_folder f;
        if (depth > 1000 || cubby_folder_get(snap, folder, &f) != 0) {
            free(path);
            return NULL;
        }
        char *name = cli_path_escape(f.name, f.name_len);
        char *longer = path ? cli_printf("%s/%s", name, path) : cli_strdup(name);
        free(name);
        free(path);
        path = longer;
        folder = f.parent;
    }
    return path;
}

static int walk(cubby_snapshot *snap, uint64_t parent, struct text *path, int depth, cli_walk_fn fn, void *arg)
{
    char after[CUBBY_FOLDER_NAME_MAX + 1]; /* all of it: behind a part of it the same one would come again */
    size_t after_len = 0, base = path->len;
    for (;;) {
        cubby_folder f;
        int r = cubby_folder_next(snap, parent, after, after_len, &f);
        if (r != 0)
            return r == CUBBY_DONE ? 0 : r;
        after_len = f.name_len < CUBBY_FOLDER_NAME_MAX ? f.name_len : CUBBY_FOLDER_NAME_MAX;
        memcpy(after, f.name, after_len);
        if (base)
            text_byte(path, '/');
        escaped(path, after, after_len);
        f.name = after;
        r = fn(arg, path->data, depth, &f);
        if (r == 0 && depth < 1000)
            r = walk(snap, f.id, path, depth + 1, fn, arg);
        if (r != 0)
            return r;
        path->len = base;
    }
}

int cli_walk(cubby_snapshot *snap, uint64_t root, cli_walk_fn fn, void *arg)
{
    struct text path = {0};
    if (root != CUBBY_ROOT) {
        char *p = cli_path_of(snap, root);
        if (!p)
            return CUBBY_ECORRUPT;
        text_add(&path, p, strlen(p));
        free(p);
    }
    int r = walk(snap, root, &path, 0, fn, arg);
    text_release(&path);
    return r;
}
