#include "archive/filenames.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "archive/names.h"
#include "archive/outfile.h"
#include "cli.h"

enum { BUCKETS = 1024, CLASH = -1 };

/* What a folder got: `key` is its path and the ending. */
struct given {
    struct given *next;
    char *key, *path;
};

struct made {
    struct made *next;
    dev_t device;
    ino_t file;
    char *path;
};

struct filenames {
    const char *dest;
    int colons; /* 1: names can hold them, 0: they cannot, -1: not known */
    struct given *given[BUCKETS];
    struct made *made[BUCKETS];
};

struct filenames *filenames_new(const char *dest)
{
    struct filenames *f = cli_malloc(sizeof *f);
    *f = (struct filenames){.dest = dest, .colons = -1};
    return f;
}

void filenames_free(struct filenames **ff)
{
    struct filenames *f = *ff;
    *ff = NULL;
    for (size_t i = 0; f && i < BUCKETS; i++) {
        for (struct given *g = f->given[i], *next; g; g = next) {
            next = g->next;
            free(g->key);
            free(g->path);
            free(g);
        }
        for (struct made *m = f->made[i], *next; m; m = next) {
            next = m->next;
            free(m->path);
            free(m);
        }
    }
    free(f);
}

/* ---- what was made ------------------------------------------------------------------------------------------------------------------- */

static struct made **bucket_of(struct filenames *f, const struct stat *st)
{
    const uint64_t id[2] = {(uint64_t)st->st_dev, (uint64_t)st->st_ino};
    return &f->made[XXH3_64bits(id, sizeof id) % BUCKETS];
}

/* The path under which this was made; NULL: it was not. */
static const char *maker(struct filenames *f, const struct stat *st)
{
    const struct made *m = *bucket_of(f, st);
    while (m && (m->device != st->st_dev || m->file != st->st_ino))
        m = m->next;
    return m ? m->path : NULL;
}

int filenames_made(struct filenames *f, const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    const char *before = maker(f, &st);
    if (before)
        return strcmp(before, path) != 0;
    struct made **at = bucket_of(f, &st), *m = cli_malloc(sizeof *m);
    *m = (struct made){*at, st.st_dev, st.st_ino, cli_strdup(path)};
    *at = m;
    return 0;
}

/* ---- names --------------------------------------------------------------------------------------------------------------------------- */

int filenames_takes_colons(struct filenames *f)
{
    struct stat st;
    if (f->colons >= 0 || stat(f->dest, &st) != 0)
        return f->colons != 0;
    char *path = cli_printf("%s/.cubby-%d:?", f->dest, (int)getpid());
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0) {
        close(fd);
        unlink(path);
    }
    free(path);
    return f->colons = fd >= 0;
}

/* A component as a file name; `escaped`: so many bytes of it as %XX. */
static void encode(struct filenames *f, const char *name, size_t len, size_t escaped, struct text *out)
{
    int how = names_is_portable(name, len) || filenames_takes_colons(f) ? 0 : NAMES_PORTABLE;
    names_encode_as(name, len, escaped, how, out);
}

static void start_at(const struct filenames *f, struct text *path)
{
    text_add(path, f->dest, strlen(f->dest));
}

void filenames_plain(struct filenames *f, const char *folder, const char *ending, struct text *out)
{
    char name[256];
    size_t len;
    start_at(f, out);
    while (cli_path_next(&folder, name, &len) == 0) {
        text_byte(out, '/');
        encode(f, name, len, 0, out);
    }
    text_add(out, ending, strlen(ending));
}

/* Makes the directories of path[from..) up to each '/', with `last` path itself too. CLI_OK, CLASH: one of them is another folder's, or an exit
 * code, printed. */
static int make_directories(struct filenames *f, const char *path, size_t from, int last)
{
    char *copy = cli_strdup(path), *at = copy + from;
    int rc = CLI_OK;
    while (rc == CLI_OK && (at = strchrnul(at + 1, '/')) && (*at || last)) {
        char end = *at;
        *at = 0;
        rc = outfile_make_directory(copy);
        if (rc == CLI_OK && filenames_made(f, copy))
            rc = CLASH;
        *at = end;
        if (!end)
            break;
    }
    free(copy);
    return rc;
}

/* Is there something that another folder's mail went to? */
static int is_others(struct filenames *f, const char *path)
{
    struct stat st;
    const char *before = lstat(path, &st) == 0 ? maker(f, &st) : NULL;
    return before && strcmp(before, path) != 0;
}

/* Appends the component to path, which is there. ending NULL: a directory, which is made. */
static int append(struct filenames *f, const char *name, size_t len, const char *ending, struct text *path)
{
    size_t from = path->len;
    int rc = CLASH;
    for (size_t escaped = 0; rc == CLASH && escaped <= len; escaped++) {
        path->len = from;
        text_byte(path, '/');
        encode(f, name, len, escaped, path);
        text_add(path, ending ? ending : "", ending ? strlen(ending) : 0);
        rc = make_directories(f, path->data, from, !ending);
        if (rc == CLI_OK && ending && is_others(f, path->data))
            rc = CLASH;
    }
    if (rc != CLASH)
        return rc;
    cli_error("%s: this export has written another folder there", path->data);
    return CLI_FAIL;
}

static struct given **given_at(struct filenames *f, const char *key)
{
    struct given **g = &f->given[XXH3_64bits(key, strlen(key)) % BUCKETS];
    while (*g && strcmp((*g)->key, key) != 0)
        g = &(*g)->next;
    return g;
}

/* Appends what the folder got, or gives it something. */
static int place(struct filenames *f, const char *folder, const char *ending, struct text *path)
{
    char name[256], *key = cli_printf("%s/%s", folder, ending ? ending : "");
    const char *slash = strrchr(folder, '/'), *last = slash ? slash + 1 : folder;
    char *above = cli_printf("%.*s", slash ? (int)(slash - folder) : 0, folder);
    struct given **g = given_at(f, key);
    size_t len;
    int rc = CLI_OK;
    if (*g) {
        text_add(path, (*g)->path, strlen((*g)->path));
    } else {
        rc = *above ? place(f, above, NULL, path) : (start_at(f, path), CLI_OK);
        if (rc == CLI_OK && cli_path_next(&last, name, &len) == 0)
            rc = append(f, name, len, ending, path);
    }
    if (rc == CLI_OK && !*(g = given_at(f, key))) {
        *g = cli_malloc(sizeof **g);
        **g = (struct given){NULL, cli_strdup(key), cli_strdup(path->data)};
    }
    free(above);
    free(key);
    return rc;
}

static int give(struct filenames *f, const char *folder, const char *ending, const char **out)
{
    struct text path = {0};
    char *key = cli_printf("%s/%s", folder, ending ? ending : "");
    int rc = place(f, folder, ending, &path);
    const struct given *g = rc == CLI_OK ? *given_at(f, key) : NULL;
    *out = g ? g->path : NULL;
    free(key);
    text_release(&path);
    return rc;
}

int filenames_directory(struct filenames *f, const char *folder, const char **out)
{
    return give(f, folder, NULL, out);
}

int filenames_file(struct filenames *f, const char *folder, const char *ending, const char **out)
{
    return give(f, folder, ending, out);
}
