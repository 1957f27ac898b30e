/* Directories: our own exports (A.mbox beside A/B.mbox), Thunderbird's (A, A.msf, A.sbd/B), Apple's (A.mbox/mbox, A.mbox/Messages/N.emlx),
 * Maildir (cur and new; subfolders as .A.B or as directories) and directories of message files. */
#include "archive/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "archive/detect.h"
#include "archive/maildir/folder.h"
#include "archive/mutf7.h"
#include "archive/names.h"
#include "archive/source.h"
#include "cli.h"
#include "text.h"

#define DEPTH_MAX 200

struct walk {
    struct tree *tree;
    const struct tree_options *o;
    int depth;
    int no_subfolders;
    int apple;         /* the next directory is a mailbox of Apple's: its mbox was taken already */
    size_t messages;   /* directories of message files found */
    struct empty *empty; /* directories: folders without messages, if there are any with */
    size_t empty_count;
};

struct empty {
    char *path;
    const char *folder;
};

/* Where a directory's mailboxes go. */
struct place {
    const char *folder; /* path of the folder above, "" at the top; borrowed from the tree's places */
    const char *own;    /* folder of messages that lie in the directory itself; NULL: the one above */
    const char *carry;  /* start of a name that goes on inside of this directory */
};

static void walk(struct walk *w, const char *dir, const struct place *at);

static char *join(const char *a, const char *sep, const char *b)
{
    return cli_printf("%s%s%s", a, *a ? sep : "", b);
}

static int wanted(const struct walk *w, const struct reader_format *f)
{
    return f && (!w->o->format || w->o->format == f);
}

/* ---- folders ----------------------------------------------------------------------------------------------------------------------- */

/* The folder of a file or directory named `name` (len bytes) below `at`. */
static const char *below(struct walk *w, const struct place *at, const char *name, size_t len)
{
    struct text raw = {0};
    text_add(&raw, at->carry, strlen(at->carry));
    names_unescape(name, len, &raw);
    const char *folder = places_below(w->tree->places, at->folder, raw.data ? raw.data : "", raw.len);
    text_release(&raw);
    return folder;
}

static struct tree_file *add(struct tree *t, const char *path, const char *folder, const struct reader_format *format, int error, uint64_t size)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->files = cli_realloc(t->files, t->cap * sizeof *t->files);
    }
    struct tree_file *f = &t->files[t->count];
    *f = (struct tree_file){cli_strdup(path), folder, format, error, size};
    t->count++;
    t->bytes += size;
    return f;
}

static void ignore(struct walk *w, const char *path)
{
    w->tree->ignored++;
    if (cli.verbose)
        cli_note("%s: not a mailbox, left out", path);
}

/* Does the archive have folders of its own? Then it goes to the folder above. */
static int has_folders(const struct reader_format *f)
{
    return strcmp(f->name, "pst") == 0;
}

static void file_in_directory(struct walk *w, const char *path, const char *name, const struct place *at, uint64_t size)
{
    const struct reader_format *format = detect_found(path, name);
    if (!wanted(w, format)) {
        ignore(w, path);
        return;
    }
    add(w->tree, path, has_folders(format) ? at->folder : below(w, at, name, names_stem(name)), format, 0, size);
}

/* ---- Maildir ----------------------------------------------------------------------------------------------------------------------- */

/* Size of a message by its name (S=), else by looking. */
static uint64_t message_size(int dir, const char *name)
{
    struct stat st;
    const char *size = strstr(name, ",S=");
    if (size)
        return strtoull(size + 3, NULL, 10);
    return fstatat(dir, name, &st, 0) == 0 ? (uint64_t)st.st_size : 0;
}

static uint64_t messages_size(const char *maildir, const char *sub)
{
    char *path = join(maildir, "/", sub);
    DIR *d = opendir(path);
    uint64_t size = 0;
    for (struct dirent *e; d && !cli_interrupted && (e = readdir(d));)
        size += *e->d_name == '.' ? 0 : message_size(dirfd(d), e->d_name);
    if (d)
        closedir(d);
    free(path);
    return size;
}

static void add_maildir(struct walk *w, const char *path, const char *folder)
{
    add(w->tree, path, folder, &reader_maildir, 0, messages_size(path, "cur") + messages_size(path, "new"));
}

/* A directory name of a Maildir server; one that is not in its encoding stands for itself. */
static const char *maildir_below(struct walk *w, const char *parent, const char *name, size_t len)
{
    struct text raw = {0};
    if (mutf7_decode(name, len, &raw) != 0)
        text_add(&raw, name, len);
    const char *folder = places_below(w->tree->places, parent, raw.data ? raw.data : "", raw.len);
    text_release(&raw);
    return folder;
}

/* A name that an export cut: the folder is the one of .cubby-folders that gets this name. NULL: it is none. */
static const char *cut_name(struct walk *w, const char *top, const char *name)
{
    size_t len = strlen(name), skip = *top ? strlen(top) + 1 : 0;
    const struct keepsakes *k = &w->tree->kept;
    const char *found = NULL;
    for (size_t i = 0; len > 9 && name[len - 9] == '~' && !found && i < k->count; i++) {
        const char *path = strlen(k->list[i].path) > skip ? k->list[i].path + skip : "INBOX";
        char *directory = maildir_directory(path);
        if (directory && strcmp(directory + (*directory == '/'), name) == 0)
            found = places_path(w->tree->places, top, path);
        free(directory);
    }
    return found;
}

/* ".A.B" */
static const char *dotted(struct walk *w, const char *parent, const char *name)
{
    const char *above = parent, *cut = cut_name(w, parent, name);
    if (cut)
        return cut;
    for (const char *p = name + 1, *dot; *p; p = *dot ? dot + 1 : dot) {
        dot = strchrnul(p, '.');
        if (dot > p)
            parent = maildir_below(w, parent, p, (size_t)(dot - p));
    }
    return parent == above ? maildir_below(w, parent, name, strlen(name)) : parent; /* dots alone */
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int maildir_child(const struct dirent *e)
{
    const char *n = e->d_name;
    return strcmp(n, ".") != 0 && strcmp(n, "..") != 0 && strcmp(n, "cur") != 0 && strcmp(n, "new") != 0 && strcmp(n, "tmp") != 0;
}

/* A directory that is left out because it is a link, which might lead in a circle. */
static void leave_link(struct walk *w, const char *path)
{
    w->tree->ignored++;
    cli_note("%s: a link to a directory, left out", path);
}

static int is_link_to_directory(const char *path)
{
    struct stat link, st;
    return lstat(path, &link) == 0 && S_ISLNK(link.st_mode) && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int is_real_directory(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void maildir_children(struct walk *w, const char *path, const char *top);

static void maildir_child_of(struct walk *w, const char *child, const char *name, const char *top)
{
    if (is_link_to_directory(child))
        leave_link(w, child);
    if (!is_real_directory(child))
        return;
    int is = detect_maildir(child), error = is < 0 ? errno : 0;
    if (!is && *name == '.')
        return;
    const char *folder = *name == '.' ? dotted(w, top, name) : maildir_below(w, top, name, strlen(name));
    if (is > 0)
        add_maildir(w, child, folder);
    if (is < 0)
        add(w->tree, child, folder, &reader_maildir, error, 0);
    else if (*name != '.')
        maildir_children(w, child, folder);
}

/* What lies beside cur and new. */
static void maildir_children(struct walk *w, const char *path, const char *top)
{
    struct dirent **list = NULL;
    int n = w->depth < DEPTH_MAX ? scandir(path, &list, maildir_child, by_bytes) : (errno = ELOOP, -1);
    if (n < 0) {
        add(w->tree, path, *top ? top : "INBOX", &reader_maildir, errno, 0);
        return;
    }
    w->depth++;
    for (int i = 0; i < n; i++) {
        char *child = join(path, "/", list[i]->d_name);
        if (!cli_interrupted)
            maildir_child_of(w, child, list[i]->d_name, top);
        free(child);
        free(list[i]);
    }
    free(list);
    w->depth--;
}

/* Are there folders among it, or what may be one? Only looking. */
static int has_children(struct walk *w, const char *path)
{
    struct dirent **list = NULL;
    int found = 0, n = w->depth < DEPTH_MAX ? scandir(path, &list, maildir_child, by_bytes) : 0;
    w->depth++;
    for (int i = 0; i < n; i++) {
        char *child = join(path, "/", list[i]->d_name);
        if (!found && !cli_interrupted && is_real_directory(child))
            found = detect_maildir(child) != 0 || (*list[i]->d_name != '.' && has_children(w, child));
        free(child);
        free(list[i]);
    }
    free(list);
    w->depth--;
    return found;
}

/* Is it the Maildir of an account, whose own messages are those of INBOX? By its name, its subfolders, or what servers keep in one. */
static int is_account(struct walk *w, const char *path, const char *name)
{
    static const char *const names[] = {"Maildir", ".maildir", "mail", "INBOX", NULL};
    static const char *const kept[] = {"subscriptions", "courierimapsubscribed", "maildirsize", "dovecot-uidvalidity", NULL};
    struct stat st;
    for (int i = 0; names[i]; i++)
        if (strcasecmp(name, names[i]) == 0)
            return 1;
    for (int i = 0; kept[i]; i++) {
        char *file = join(path, "/", kept[i]);
        int there = stat(file, &st) == 0;
        free(file);
        if (there)
            return 1;
    }
    return has_children(w, path);
}

/* A Maildir named on the command line. */
static void maildir_source(struct walk *w, const char *path, const char *name, const struct place *top, int alone)
{
    int account = is_account(w, path, name), children = account && !w->no_subfolders && has_children(w, path);
    const char *folder = alone && *top->folder && !children ? top->folder : account ? below(w, top, "INBOX", 5) : below(w, top, name, strlen(name));
    add_maildir(w, path, folder);
    if (!w->no_subfolders) /* also if there are none: it tells what it could not look at */
        maildir_children(w, path, top->folder);
}

/* ---- directories ------------------------------------------------------------------------------------------------------------------- */

/* NAME.mbox/mbox */
static int apple_mbox(const char *path, char **out, struct stat *st)
{
    *out = join(path, "/", "mbox");
    if (names_ends(path, strlen(path), ".mbox") && stat(*out, st) == 0 && source_check_found(*out) == 0)
        return 1;
    free(*out);
    return 0;
}

/* NAME.mbox with Messages somewhere below: what Mail keeps and newer exports hold. */
static int is_apple_part(const char *name)
{
    size_t n = strlen(name);
    int uuid = n == 36 && name[8] == '-' && name[13] == '-' && name[18] == '-' && name[23] == '-';
    return strcmp(name, "Messages") == 0 || strcmp(name, "Data") == 0 || uuid || (n == 1 && *name >= '0' && *name <= '9');
}

static int is_apple(const char *path, const char *name)
{
    struct dirent **list = NULL;
    int yes = 0, n = names_ends(name, strlen(name), ".mbox") ? scandir(path, &list, NULL, by_bytes) : 0;
    for (int i = 0; i < n; i++) {
        yes |= strcmp(list[i]->d_name, "mbox") == 0 || is_apple_part(list[i]->d_name);
        free(list[i]);
    }
    if (n > 0)
        free(list);
    return yes;
}

/* A mailbox of Apple's for `folder`: its mbox, its message files, and what lies below. */
static void apple_directory(struct walk *w, const char *path, const char *folder)
{
    struct stat st;
    struct place p = {folder, folder, ""};
    char *mbox;
    if (apple_mbox(path, &mbox, &st)) {
        if (wanted(w, &reader_mbox))
            add(w->tree, mbox, folder, &reader_mbox, 0, (uint64_t)st.st_size);
        free(mbox);
    }
    w->apple = 1;
    walk(w, path, &p);
    w->apple = 0;
}

static void ordinary_directory(struct walk *w, const char *path, const char *name, const struct place *at)
{
    size_t len = strlen(name);
    int is = wanted(w, &reader_maildir) ? detect_maildir(path) : 0, error = errno;
    const char *folder = below(w, at, name, is <= 0 && names_ends(name, len, ".sbd") ? len - 4 : len);
    if (is > 0) {
        add_maildir(w, path, folder);
        maildir_children(w, path, folder);
    } else if (is < 0 && error == EPERM) {
        add(w->tree, path, folder, &reader_maildir, error, 0);
    } else {
        walk(w, path, &(struct place){folder, folder, ""});
    }
}

static void directory_in_directory(struct walk *w, const char *path, const char *name, const struct place *at, int apple)
{
    size_t len = strlen(name);
    if (apple && is_apple_part(name)) {
        w->apple = 1;
        walk(w, path, at);
        w->apple = 0;
    } else if (name[len - 1] == '%') {
        struct text carry = {0};
        text_add(&carry, at->carry, strlen(at->carry));
        names_unescape(name, len - 1, &carry);
        walk(w, path, &(struct place){at->folder, NULL, carry.data});
        text_release(&carry);
    } else if (is_apple(path, name) && !(apple && w->no_subfolders)) {
        apple_directory(w, path, below(w, at, name, len - 5));
    } else if (!w->no_subfolders) {
        ordinary_directory(w, path, name, at);
    }
}

static void remember_empty(struct walk *w, const char *dir, const char *folder)
{
    w->empty = cli_realloc(w->empty, (w->empty_count + 1) * sizeof *w->empty);
    w->empty[w->empty_count++] = (struct empty){cli_strdup(dir), folder};
}

/* One entry of a directory. Returns the size of a message file, which is one of many; -1: it was something else. */
static int64_t entry(struct walk *w, const char *dir, const char *name, const struct place *at, int apple)
{
    char *path = join(dir, "/", name);
    struct stat st, link;
    int64_t size = -1;
    int there = stat(path, &st) == 0 && lstat(path, &link) == 0, message = detect_is_message(name, strlen(name)) && wanted(w, &reader_eml);
    if (!message && (!there || (S_ISREG(st.st_mode) && source_check_found(path) != 0)))
        add(w->tree, path, below(w, at, name, names_stem(name)), &reader_mbox, errno, 0);
    else if (message && !(there && S_ISDIR(st.st_mode))) /* what is wrong with it its reader says */
        size = there && S_ISREG(st.st_mode) ? st.st_size : 0;
    else if (S_ISREG(st.st_mode) && !apple)
        file_in_directory(w, path, name, at, (uint64_t)st.st_size);
    else if (S_ISDIR(st.st_mode) && !S_ISLNK(link.st_mode))
        directory_in_directory(w, path, name, at, apple);
    else if (S_ISDIR(st.st_mode) && !w->no_subfolders)
        leave_link(w, path);
    free(path);
    return size;
}

static int visible(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

static void walk(struct walk *w, const char *dir, const struct place *at)
{
    struct dirent **list = NULL;
    int apple = w->apple, messages = 0;
    uint64_t size = 0;
    int n = w->depth < DEPTH_MAX ? scandir(dir, &list, visible, by_bytes) : (errno = ELOOP, -1);
    const char *own = at->own ? at->own : at->folder;
    w->apple = 0;
    if (n < 0) {
        add(w->tree, dir, own, &reader_mbox, errno, 0);
        return;
    }
    w->depth++;
    for (int i = 0; i < n; i++) {
        int64_t one = cli_interrupted ? -1 : entry(w, dir, list[i]->d_name, at, apple);
        messages |= one >= 0;
        size += one > 0 ? (uint64_t)one : 0;
        free(list[i]);
    }
    free(list);
    w->depth--;
    if (messages) {
        add(w->tree, dir, own, &reader_eml, 0, size);
        w->messages++;
    } else if (n == 0 && own && *own && w->depth > 0 && wanted(w, &reader_eml)) {
        remember_empty(w, dir, own);
    }
}

/* ---- sources ------------------------------------------------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* One mailbox named on the command line: to `into` itself if it is the only source. */
static const char *source_folder(struct walk *w, const char *name, size_t len, const struct place *top, int alone)
{
    return alone && *top->folder ? top->folder : below(w, top, name, len);
}

static size_t message_stem(const char *name)
{
    size_t n = names_stem(name);
    static const char *const endings[] = {".eml", ".emlx", ".msg", ".pst", ".ost", NULL};
    for (int i = 0; endings[i]; i++)
        if (names_ends(name, n, endings[i]))
            return n - strlen(endings[i]);
    return n;
}

static void file_source(struct walk *w, const char *path, const char *name, const struct place *top, int alone, const struct stat *st)
{
    const struct reader_format *f = w->o->format ? w->o->format : detect_source(path);
    const char *folder = has_folders(f) ? top->folder : source_folder(w, name, message_stem(name), top, alone);
    add(w->tree, path, folder, f, 0, S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0);
}

/* A file that is not read leaves folders without what it says: it counts as a source that failed. */
static void read_keepsakes(struct walk *w, const char *path, const struct place *top)
{
    int error = keepsakes_read(&w->tree->kept, path, top->folder);
    char *file = join(path, "/", KEEPSAKE_NAME);
    if (error)
        add(w->tree, file, top->folder, &reader_mbox, error, 0);
    free(file);
}

static void directory_source(struct walk *w, const char *path, const char *name, const struct place *top, int alone)
{
    struct place p = *top;
    read_keepsakes(w, path, top);
    int is = wanted(w, &reader_maildir) ? detect_maildir(path) : 0;
    if (is > 0) {
        maildir_source(w, path, name, top, alone);
        return;
    }
    if (is < 0 && errno == EPERM) {
        add(w->tree, path, source_folder(w, name, strlen(name), top, alone), &reader_maildir, EPERM, 0);
        return;
    }
    if (is_apple(path, name)) {
        apple_directory(w, path, source_folder(w, name, strlen(name) - 5, top, alone));
        return;
    }
    p.own = source_folder(w, name, strlen(name), top, alone);
    walk(w, path, &p);
}

static void empty_folders(struct walk *w)
{
    for (size_t i = 0; i < w->empty_count; i++) {
        if (w->messages || w->o->format == &reader_eml || w->tree->kept.count) /* or an export says that folders are */
            add(w->tree, w->empty[i].path, w->empty[i].folder, &reader_eml, 0, 0);
        free(w->empty[i].path);
    }
    free(w->empty);
}

static void scan_source(struct tree *t, const char *source, const struct place *top, int alone, const struct tree_options *o)
{
    struct walk w = {.tree = t, .o = o, .no_subfolders = o->no_subfolders};
    struct stat st;
    if (strcmp(source, "-") == 0) {
        add(t, source, source_folder(&w, "INBOX", 5, top, alone), o->format ? o->format : &reader_mbox, 0, 0);
        return;
    }
    char *path = cli_strdup(source), *whole = NULL;
    for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = 0;
    const char *name = base_name(path);
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        whole = realpath(path, NULL);
        name = whole && whole[1] ? base_name(whole) : "INBOX";
    }
    if (stat(path, &st) != 0)
        add(t, source, source_folder(&w, name, message_stem(name), top, alone), &reader_mbox, errno, 0);
    else if (S_ISDIR(st.st_mode))
        directory_source(&w, path, name, top, alone);
    else
        file_source(&w, path, name, top, alone, &st);
    empty_folders(&w);
    free(whole);
    free(path);
}

void tree_scan(struct tree *t, char *const *sources, size_t count, const struct tree_options *o)
{
    t->places = places_new();
    struct place top = {o->into ? o->into : "", NULL, ""};
    for (size_t i = 0; i < count; i++)
        scan_source(t, sources[i], &top, count == 1, o);
}

void tree_release(struct tree *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->files[i].path);
    free(t->files);
    places_free(&t->places);
    keepsakes_release(&t->kept);
    *t = (struct tree)TREE_INIT;
}
