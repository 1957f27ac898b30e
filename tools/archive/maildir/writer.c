/* Maildir++: DEST is INBOX, DEST/.A.B the folder A/B. Dates are the files' times and in their names, flags letters in the names, keywords in
 * dovecot-keywords, uids in dovecot-uidlist. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/filenames.h"
#include "archive/maildir/folder.h"
#include "archive/manyfiles.h"
#include "cli.h"

/* Files that were in the folder before, by name. */
struct there {
    struct there_file {
        char *name;
        const char *sub; /* "new" or "cur" */
    } *files;
    size_t count;
};

struct maildir_out {
    struct writer base;
    struct manyfiles files;
    struct filenames *names;
    struct maildir_folder folder;
    uint32_t uidvalidity, recent_uid;
    struct there there;
    int64_t date; /* of the message in hand */
    uint32_t uid;
    char name[MAILDIR_NAME];
};

static struct maildir_out *self(struct writer *w)
{
    return (struct maildir_out *)w;
}

static int maildir_out_open(const struct writer_options *o, struct writer **out)
{
    struct maildir_out *m = cli_malloc(sizeof *m);
    *m = (struct maildir_out){.base = {.format = &writer_maildir, .o = o}, .files = MANYFILES_INIT(o->force), .folder.list = OUTFILE_INIT,
                             .names = filenames_new(o->dest)};
    *out = &m->base;
    return CLI_OK;
}

/* cur or new of a folder; NULL if it is not there yet, or cannot be read: then *rc is an exit code, printed. */
static DIR *open_there(const char *path, const char *sub, int *rc)
{
    char *dir = cli_printf("%s/%s", path, sub);
    DIR *d = opendir(dir);
    if (!d && errno != ENOENT && errno != EINVAL && errno != ENAMETOOLONG) /* a name that the file system does not take is not there */
        *rc = cli_system_error(dir);
    free(dir);
    return d;
}

/* CLI_OK: no; or an exit code, printed. */
static int holds_files(const char *path, const char *sub)
{
    int found = 0, rc = CLI_OK;
    DIR *d = open_there(path, sub, &rc);
    for (struct dirent *e; d && !found && (e = readdir(d));)
        found = *e->d_name != '.';
    if (d)
        closedir(d);
    if (found)
        cli_error("%s: holds messages already", path);
    return found ? CLI_FAIL : rc;
}

static int maildir_out_check(struct writer *w, const struct writer_folder *f)
{
    char *sub = maildir_directory(f->path);
    if (!sub) {
        cli_error("%s: its name is too long for a directory of a Maildir", f->path);
        return CLI_FAIL;
    }
    char *path = cli_printf("%s%s", w->o->dest, sub);
    int rc = w->o->force ? CLI_OK : holds_files(path, "cur");
    if (rc == CLI_OK && !w->o->force)
        rc = holds_files(path, "new");
    free(path);
    free(sub);
    return rc;
}

/* ---- folders ------------------------------------------------------------------------------------------------------------------------- */

static void add_there(struct there *t, const char *name, const char *sub)
{
    if ((t->count & (t->count - 1)) == 0)
        t->files = cli_realloc(t->files, (t->count ? t->count * 2 : 1) * sizeof *t->files);
    t->files[t->count++] = (struct there_file){cli_strdup(name), sub};
}

static void forget_there(struct there *t)
{
    for (size_t i = 0; i < t->count; i++)
        free(t->files[i].name);
    free(t->files);
    *t = (struct there){0};
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct there_file *)a)->name, ((const struct there_file *)b)->name);
}

/* What is not seen would be written a second time. CLI_OK or an exit code, printed. */
static int list_there(struct maildir_out *m)
{
    static const char *const subs[] = {"new", "cur"};
    int rc = CLI_OK;
    for (int i = 0; m->base.o->force && rc == CLI_OK && i < 2; i++) {
        DIR *d = open_there(m->folder.path, subs[i], &rc);
        for (struct dirent *e; d && (e = readdir(d));)
            if (*e->d_name != '.')
                add_there(&m->there, e->d_name, subs[i]);
        if (d)
            closedir(d);
    }
    if (m->there.count)
        qsort(m->there.files, m->there.count, sizeof *m->there.files, by_name);
    return rc;
}

/* The file that has this base name, or NULL; owner: the caller. */
static char *find_there(struct maildir_out *m, const char *base)
{
    size_t low = 0, high = m->there.count, len = strlen(base);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(m->there.files[mid].name, base) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    const struct there_file *f = low < m->there.count ? &m->there.files[low] : NULL;
    if (!f || strncmp(f->name, base, len) != 0 || maildir_base(f->name) != len)
        return NULL;
    return cli_printf("%s/%s/%s", m->folder.path, f->sub, f->name);
}

/* Messages first: a list may name no file that is not there. */
static int end_folder(struct maildir_out *m)
{
    int rc = CLI_OK;
    if (m->folder.path) {
        rc = manyfiles_flush(&m->files);
        if (rc == CLI_OK)
            rc = maildir_folder_end(&m->folder);
    }
    manyfiles_count(&m->files, &m->base);
    maildir_folder_release(&m->folder);
    forget_there(&m->there);
    return rc;
}

/* A directory that is no other folder's, though the file system may take names for equal that are not. NULL: *rc is set. */
static char *own_directory(struct maildir_out *m, const char *folder, int *rc)
{
    size_t letters = strlen(folder);
    for (size_t escaped = 0; escaped <= letters; escaped++) {
        char *sub = maildir_directory_as(folder, escaped, !filenames_takes_colons(m->names)), *path = sub ? cli_printf("%s%s", m->base.o->dest, sub) : NULL;
        *rc = path ? outfile_make_directory(path) : CLI_FAIL;
        int taken = *rc == CLI_OK && filenames_made(m->names, path);
        free(sub);
        if (*rc == CLI_OK && !taken)
            return path;
        free(path);
        if (*rc != CLI_OK)
            return NULL;
    }
    cli_error("%s: this export has written another folder to its directory", folder);
    *rc = CLI_FAIL;
    return NULL;
}

static int maildir_out_folder(struct writer *w, const struct writer_folder *f)
{
    struct maildir_out *m = self(w);
    int rc = end_folder(m);
    if (rc != CLI_OK)
        return rc;
    int inbox = strcasecmp(f->path, "INBOX") == 0;
    char *own = inbox ? cli_strdup(w->o->dest) : own_directory(m, f->path, &rc);
    if (!own)
        return rc;
    rc = maildir_folder_begin(&m->folder, own, inbox, f);
    if (rc == CLI_OK && !inbox) { /* what marks a folder of Maildir++ */
        struct outfile mark = OUTFILE_INIT;
        char *path = cli_printf("%s/maildirfolder", m->folder.path);
        rc = outfile_open(&mark, path);
        if (rc == CLI_OK)
            rc = outfile_commit(&mark, 1);
        outfile_release(&mark);
        free(path);
    }
    m->uidvalidity = f->uidvalidity;
    m->recent_uid = f->recent_uid;
    return rc == CLI_OK ? list_there(m) : rc;
}

/* The directory is an account's, even if it holds INBOX alone: servers keep this file there. */
static int mark_account(struct maildir_out *m)
{
    struct outfile f = OUTFILE_INIT;
    struct stat st;
    char *path = cli_printf("%s/subscriptions", m->base.o->dest);
    int rc = CLI_OK;
    if (lstat(path, &st) != 0) {
        rc = outfile_open(&f, path);
        if (rc == CLI_OK)
            rc = outfile_commit(&f, 0);
        outfile_release(&f);
    }
    free(path);
    return rc;
}

/* INBOX's directories are there even if it was not asked for: without them the others are no Maildir. */
static int make_account(struct maildir_out *m)
{
    static const char *const subs[] = {"cur", "new", "tmp"};
    int rc = mark_account(m);
    for (size_t i = 0; rc == CLI_OK && i < sizeof subs / sizeof *subs; i++) {
        char *path = cli_printf("%s/%s", m->base.o->dest, subs[i]);
        rc = outfile_make_directory(path);
        free(path);
    }
    return rc;
}

static int maildir_out_finish(struct writer *w)
{
    int rc = end_folder(self(w));
    return rc == CLI_OK ? make_account(self(w)) : rc;
}

static void maildir_out_close(struct writer *w)
{
    struct maildir_out *m = self(w);
    manyfiles_release(&m->files);
    maildir_folder_release(&m->folder);
    forget_there(&m->there);
    filenames_free(&m->names);
    free(m);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------ */

static int maildir_out_begin(struct writer *w, const struct writer_message *msg)
{
    struct maildir_out *m = self(w);
    char letters[40];
    const char *path = m->folder.path;
    w->without_keywords += (unsigned)maildir_letters(&m->folder, msg, letters);
    maildir_name(m->name, msg->date, msg->zone, m->uidvalidity, msg->uid, msg->size, msg->rfc822_size);
    m->date = msg->date;
    m->uid = msg->uid;
    int new = !*letters && msg->uid >= m->recent_uid;
    char *final = new ? cli_printf("%s/new/%s", path, m->name)
                      : cli_printf("%s/cur/%s%c2,%s", path, m->name, filenames_takes_colons(m->names) ? ':' : ';', letters);
    char *temp = cli_printf("%s/tmp/%s.%d", path, m->name, (int)getpid());
    int rc = manyfiles_begin(&m->files, msg->size, temp, final, find_there(m, m->name));
    manyfiles_count(&m->files, w);
    return rc;
}

static int maildir_out_write(struct writer *w, const void *p, size_t n)
{
    return manyfiles_write(&self(w)->files, p, n);
}

static int maildir_out_end(struct writer *w)
{
    struct maildir_out *m = self(w);
    int rc = maildir_folder_add(&m->folder, m->uid, m->name);
    if (rc == CLI_OK)
        rc = manyfiles_end(&m->files, m->date);
    manyfiles_count(&m->files, w);
    return rc;
}

static int maildir_out_cancel(struct writer *w)
{
    if (self(w)->files.fd >= 0)
        manyfiles_cancel(&self(w)->files);
    return CLI_OK;
}

const struct writer_format writer_maildir = {"maildir", 0, maildir_out_open, maildir_out_check, maildir_out_folder, maildir_out_begin,
                                             maildir_out_write, maildir_out_end, maildir_out_cancel, maildir_out_finish, maildir_out_close};
