/* Directories: our own exports (A.mbox beside A/B.mbox), Thunderbird's (A, A.msf, A.sbd/B) and Apple's (A.mbox/mbox). */
#include "archive/tree.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "archive/names.h"
#include "archive/postmark.h"
#include "archive/source.h"
#include "cli.h"

#define DEPTH_MAX 200

struct walk {
    struct tree *tree;
    int no_subfolders;
    int depth;
    int folders_only; /* the next directory is a mailbox of Apple's: only what lies below it is wanted */
};

/* Where a directory's mailboxes go. */
struct place {
    const char *folder;   /* path of the folder above, "" at the top */
    const char *original; /* the same before cleaning */
    const char *carry;    /* start of a name that goes on inside of this directory */
};

static void walk(struct walk *w, const char *dir, const struct place *at);

static char *join(const char *a, const char *sep, const char *b)
{
    return cli_printf("%s%s%s", a, *a ? sep : "", b);
}

/* ---- folders ----------------------------------------------------------------------------------------------------------------------- */

/* The folder of a file or directory named `name` (len bytes) below `at`. Owner: the caller, both strings. */
static void below(const struct place *at, const char *name, size_t len, struct place *out)
{
    struct text raw = {0}, clean = {0};
    text_add(&raw, at->carry, strlen(at->carry));
    text_add(&raw, name, len);
    names_decode(raw.data, raw.len, &clean);
    if (!*at->folder && clean.len == 5 && strncasecmp(clean.data, "INBOX", 5) == 0) {
        memcpy(clean.data, "INBOX", 5);
        text_clear(&raw);
        text_add(&raw, "INBOX", 5);
    }
    char *escaped = cli_path_escape(clean.data, clean.len);
    *out = (struct place){join(at->folder, "/", escaped), join(at->original, "/", raw.data), ""};
    free(escaped);
    text_release(&raw);
    text_release(&clean);
}

static void place_release(struct place *p)
{
    free((char *)p->folder);
    free((char *)p->original);
}

/* Two names that became one folder only by cleaning are told apart by a number; the same name twice is the same folder. */
static char *unique(const struct tree *t, const char *folder, const char *original)
{
    char *name = cli_strdup(folder);
    for (int number = 2;; number++) {
        size_t i = 0;
        while (i < t->count && (strcmp(t->files[i].folder, name) != 0 || strcmp(t->files[i].original, original) == 0))
            i++;
        if (i == t->count)
            return name;
        free(name);
        name = cli_printf("%s (%d)", folder, number);
    }
}

static void add(struct tree *t, const char *path, const struct place *p, int error, uint64_t size)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->files = cli_realloc(t->files, t->cap * sizeof *t->files);
    }
    struct tree_file *f = &t->files[t->count];
    *f = (struct tree_file){cli_strdup(path), unique(t, p->folder, p->original), cli_strdup(p->original), error, size};
    t->count++;
    t->bytes += size;
}

static void add_below(struct tree *t, const char *path, const struct place *at, const char *name, size_t len, int error, uint64_t size)
{
    struct place p;
    below(at, name, len, &p);
    add(t, path, &p, error, size);
    place_release(&p);
}

/* ---- files in directories -------------------------------------------------------------------------------------------------------- */

static int exists(const char *path, const char *ending)
{
    struct stat st;
    char *other = join(path, "", ending);
    int yes = stat(other, &st) == 0;
    free(other);
    return yes;
}

static int never_mail(const char *name, size_t len)
{
    static const char *const endings[] = {".msf", ".dat", ".html", ".json", ".sqlite", ".lock", ".log", ".ini", ".plist", ".emlx", NULL};
    for (int i = 0; endings[i]; i++)
        if (names_ends(name, len, endings[i]))
            return 1;
    return 0;
}

/* Does it begin like an mbox? Files without an ending must show what they are; an empty one may be a folder without messages. */
static int looks_like_mbox(const char *path, const char *name)
{
    char head[4096];
    struct postmark mark;
    struct source *s = source_open(path);
    if (!s)
        return 1; /* the error is told when it is read */
    int64_t n = source_read(s, head, sizeof head);
    source_close(&s);
    if (n <= 0)
        return n == 0 && (exists(path, ".msf") || exists(path, ".sbd") || !strchr(name, '.'));
    size_t i = n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < (size_t)n && (head[i] == '\n' || head[i] == '\r'))
        i++;
    const char *nl = memchr(head + i, '\n', (size_t)n - i);
    size_t len = nl ? (size_t)(nl - head) - i : (size_t)n - i;
    return postmark_parse_first(head + i, len, &mark) != POSTMARK_NONE;
}

static void file_in_directory(struct walk *w, const char *path, const char *name, const struct place *at, uint64_t size)
{
    size_t len = strlen(name), stem = names_stem(name);
    int named = stem < len && names_ends(name, stem + 5 < len ? stem + 5 : len, ".mbox");
    if (!named && (never_mail(name, len) || !looks_like_mbox(path, name))) {
        w->tree->ignored++;
        if (cli.verbose)
            cli_note("%s: not a mailbox, left out", path);
        return;
    }
    add_below(w->tree, path, at, name, stem, 0, size);
}

/* ---- directories ------------------------------------------------------------------------------------------------------------------- */

/* NAME.mbox/mbox */
static int apple_mbox(const char *path, char **out, struct stat *st)
{
    *out = join(path, "/", "mbox");
    if (names_ends(path, strlen(path), ".mbox") && stat(*out, st) == 0 && S_ISREG(st->st_mode))
        return 1;
    free(*out);
    return 0;
}

static void directory_in_directory(struct walk *w, const char *path, const char *name, const struct place *at)
{
    size_t len = strlen(name);
    struct place p;
    struct stat st;
    char *mbox;
    int apple = apple_mbox(path, &mbox, &st);
    if (apple) {
        add_below(w->tree, mbox, at, name, len - 5, 0, (uint64_t)st.st_size);
        free(mbox);
    } else if (name[len - 1] == '%') {
        char *carry = cli_printf("%s%.*s", at->carry, (int)len - 1, name);
        p = (struct place){at->folder, at->original, carry};
        walk(w, path, &p);
        free(carry);
        return;
    }
    if (w->no_subfolders)
        return;
    below(at, name, apple ? len - 5 : names_ends(name, len, ".sbd") ? len - 4 : len, &p);
    w->folders_only = apple;
    walk(w, path, &p);
    place_release(&p);
}

static void entry(struct walk *w, const char *dir, const char *name, const struct place *at, int folders_only)
{
    char *path = join(dir, "/", name);
    struct stat st, link;
    if (stat(path, &st) != 0 || lstat(path, &link) != 0)
        add_below(w->tree, path, at, name, names_stem(name), errno, 0);
    else if (S_ISREG(st.st_mode) && !folders_only)
        file_in_directory(w, path, name, at, (uint64_t)st.st_size);
    else if (S_ISDIR(st.st_mode) && !S_ISLNK(link.st_mode)) /* a link might lead in a circle */
        directory_in_directory(w, path, name, at);
    free(path);
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void walk(struct walk *w, const char *dir, const struct place *at)
{
    struct dirent **list;
    int folders_only = w->folders_only;
    w->folders_only = 0;
    int n = w->depth < DEPTH_MAX ? scandir(dir, &list, visible, by_bytes) : (errno = ELOOP, -1);
    if (n < 0) {
        add(w->tree, dir, at, errno, 0);
        return;
    }
    w->depth++;
    for (int i = 0; i < n; i++) {
        if (!cli_interrupted)
            entry(w, dir, list[i]->d_name, at, folders_only);
        free(list[i]);
    }
    free(list);
    w->depth--;
}

/* ---- sources ------------------------------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* One mailbox named on the command line: to `into` itself if it is the only source. */
static void add_source(struct tree *t, const char *path, const char *name, size_t len, const struct place *top, int alone, int error,
                       uint64_t size)
{
    if (alone && *top->folder)
        add(t, path, top, error, size);
    else
        add_below(t, path, top, name, len, error, size);
}

static void scan_source(struct tree *t, const char *source, const struct place *top, int alone, int no_subfolders)
{
    struct walk w = {t, no_subfolders, 0, 0};
    struct stat st;
    if (strcmp(source, "-") == 0) {
        add_source(t, source, "INBOX", 5, top, alone, 0, 0);
        return;
    }
    char *path = cli_strdup(source), *mbox;
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = 0;
    const char *name = base_name(path);
    if (stat(path, &st) != 0) {
        add_source(t, source, name, names_stem(name), top, alone, errno, 0);
    } else if (!S_ISDIR(st.st_mode)) {
        add_source(t, source, name, names_stem(name), top, alone, 0, S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0);
    } else if (apple_mbox(path, &mbox, &st)) {
        struct place p;
        add_source(t, mbox, name, strlen(name) - 5, top, alone, 0, (uint64_t)st.st_size);
        free(mbox);
        below(top, name, strlen(name) - 5, &p);
        w.folders_only = 1;
        if (!no_subfolders)
            walk(&w, path, alone && *top->folder ? top : &p);
        place_release(&p);
    } else {
        walk(&w, path, top);
    }
    free(path);
}

void tree_scan(struct tree *t, char *const *sources, size_t count, const char *into, int no_subfolders)
{
    struct place top = {into ? into : "", "", ""};
    for (size_t i = 0; i < count; i++)
        scan_source(t, sources[i], &top, count == 1, no_subfolders);
}

void tree_release(struct tree *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->files[i].path);
        free(t->files[i].folder);
        free(t->files[i].original);
    }
    free(t->files);
    *t = (struct tree)TREE_INIT;
}
