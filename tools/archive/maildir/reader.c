/* One directory with cur and new: the messages of one folder. Subfolders are found by tree.c. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/maildir/folder.h"
#include "archive/maildir/names.h"
#include "archive/maildir/uidlist.h"
#include "archive/reader.h"
#include "archive/source.h"

#define CHUNK (256u << 10)

struct file {
    char *name; /* "cur/NAME" */
    uint32_t uid;
    int64_t time; /* that its name begins with */
};

struct maildir_reader {
    struct reader base;
    char *path;
    struct file *files;
    size_t count, at;
    struct uidlist uids; /* without entries: the files have them */
    struct maildir_keywords keywords;
    int keywords_error, uids_error; /* errno: that file is there but cannot be read; 0 */
    uint64_t given; /* items */
    int begun;
    struct source *src; /* of the message in hand */
    uint8_t *buf;
    uint64_t taken;
};

static struct maildir_reader *self(struct reader *r)
{
    return (struct maildir_reader *)r;
}

/* ---- the list ------------------------------------------------------------------------------------------------------------------------ */

static void add_file(struct maildir_reader *r, const char *sub, const char *name)
{
    if ((r->count & (r->count - 1)) == 0)
        r->files = cli_realloc(r->files, (r->count ? r->count * 2 : 1) * sizeof *r->files);
    r->files[r->count++] = (struct file){cli_printf("%s/%s", sub, name), 0, strtoll(name, NULL, 10)};
}

static int list(struct maildir_reader *r, const char *sub)
{
    char *path = cli_printf("%s/%s", r->path, sub);
    DIR *d = opendir(path);
    struct dirent *e;
    free(path);
    if (!d)
        return reader_fail(&r->base, "%s: %s", sub, strerror(errno));
    while (errno = 0, !cli_interrupted && (e = readdir(d)))
        if (*e->d_name != '.')
            add_file(r, sub, e->d_name);
    int code = errno;
    closedir(d);
    return code ? reader_fail(&r->base, "%s: %s", sub, strerror(code)) : 0;
}

/* Those with uids first, by uid; then by age. */
static int by_order(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    if (x->uid != y->uid)
        return !x->uid ? 1 : !y->uid ? -1 : x->uid < y->uid ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return strcmp(x->name + 4, y->name + 4);
}

/* ---- uids ---------------------------------------------------------------------------------------------------------------------------- */

/* Names without their flags, as strcmp would have it. */
static int compare_base(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return c ? c : (a_len > b_len) - (a_len < b_len);
}

static int by_base(const void *a, const void *b)
{
    const char *x = ((const struct file *)a)->name + 4, *y = ((const struct file *)b)->name + 4;
    return compare_base(x, maildir_base(x), y, maildir_base(y));
}

/* An entry of the list: whatever it holds, nothing is kept but for files that are there. */
static void take_uid(void *arg, const char *base, uint32_t uid)
{
    struct maildir_reader *r = arg;
    size_t low = 0, high = r->count, len = strlen(base);
    while (low < high) {
        size_t mid = (low + high) / 2;
        const char *name = r->files[mid].name + 4;
        if (compare_base(name, maildir_base(name), base, len) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    for (; low < r->count && strncmp(r->files[low].name + 4, base, len) == 0 && maildir_base(r->files[low].name + 4) == len; low++)
        if (!r->files[low].uid)
            r->files[low].uid = uid;
}

static void read_uids(struct maildir_reader *r)
{
    char *path = cli_printf("%s/dovecot-uidlist", r->path);
    if (r->count)
        qsort(r->files, r->count, sizeof *r->files, by_base);
    r->uids_error = uidlist_each(path, &r->uids, take_uid, r);
    free(path);
}

static int maildir_open(const char *path, const struct reader_options *o, struct reader **out)
{
    struct maildir_reader *r = cli_malloc(sizeof *r);
    *r = (struct maildir_reader){.base = {.format = &reader_maildir, .options = o}, .path = cli_strdup(path), .buf = cli_malloc(CHUNK)};
    *out = &r->base;
    r->keywords_error = maildir_keywords_read(path, &r->keywords);
    if (list(r, "new") != 0 || list(r, "cur") != 0)
        return -1;
    read_uids(r);
    if (r->count)
        qsort(r->files, r->count, sizeof *r->files, by_order);
    return 0;
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------ */

/* A mail program may have changed the flags, and so the name, of a file since the directory was read. */
static char *find_again(struct maildir_reader *r, const char *name)
{
    const char *base = name + 4;
    size_t len = maildir_base(base);
    char *dir = cli_printf("%s/cur", r->path), *found = NULL;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && !found && (e = readdir(d));)
        if (maildir_base(e->d_name) == len && memcmp(e->d_name, base, len) == 0)
            found = cli_printf("cur/%s", e->d_name);
    if (d)
        closedir(d);
    free(dir);
    return found;
}

static struct source *open_file(struct maildir_reader *r, char **name, char **path)
{
    *path = cli_printf("%s/%s", r->path, *name);
    struct source *s = source_open_found(*path);
    char *now = !s && errno == ENOENT ? find_again(r, *name) : NULL;
    if (!now)
        return s;
    free(*path);
    free(*name);
    *name = now;
    *path = cli_printf("%s/%s", r->path, now);
    return source_open_found(*path);
}

/* What an export wrote is the message itself; else it may be compressed. */
static void begin_bytes(struct source *s, const char *name)
{
    int64_t date;
    int16_t zone;
    if (maildir_date(name, &date, &zone))
        (void)source_seek(s, 0);
}

static void describe(struct maildir_reader *r, const struct file *f, struct reader_item *out)
{
    struct stat st;
    out->uid = f->uid;
    out->has_flags = 1;
    maildir_flags(f->name + 4, &r->keywords, &out->flags);
    out->again = 1;
    out->has_date = out->has_zone = maildir_date(f->name + 4, &out->date, &out->zone);
    if (stat(out->name, &st) != 0)
        return;
    r->taken += (uint64_t)st.st_size;
    if (!out->has_date) {
        out->has_date = 1;
        out->date = st.st_mtime;
    }
}

/* A file beside the messages that was not read counts as an item that failed: the messages go without what it says. */
static int lost_file(struct maildir_reader *r, const char *name, int *error, struct reader_item *out)
{
    *out = (struct reader_item){.kind = READER_FAILED, .number = ++r->given, .name = cli_printf("%s/%s", r->path, name),
                                .reason = cli_strdup(source_strerror(*error))};
    *error = 0;
    return 0;
}

static int maildir_next(struct reader *base, struct reader_item *out)
{
    struct maildir_reader *r = self(base);
    source_close(&r->src);
    if (!r->begun) {
        r->begun = 1;
        *out = (struct reader_item){.kind = READER_FOLDER, .folder = cli_strdup(""), .uidvalidity = r->uids.uidvalidity, .uidnext = r->uids.uidnext};
        return 0;
    }
    if (r->uids_error)
        return lost_file(r, "dovecot-uidlist", &r->uids_error, out);
    if (r->keywords_error)
        return lost_file(r, "dovecot-keywords", &r->keywords_error, out);
    if (r->at == r->count)
        return 1;
    struct file *f = &r->files[r->at++];
    *out = (struct reader_item){.kind = READER_MESSAGE, .number = ++r->given};
    r->src = open_file(r, &f->name, &out->name);
    if (!r->src) {
        out->kind = READER_FAILED;
        out->reason = cli_strdup(source_strerror(errno));
        return 0;
    }
    begin_bytes(r->src, f->name + 4);
    describe(r, f, out);
    return 0;
}

static int maildir_read(struct reader *base, const uint8_t **p, size_t *n)
{
    struct maildir_reader *r = self(base);
    int64_t got = source_read(r->src, r->buf, CHUNK);
    if (got < 0)
        return reader_fail(base, "%s", source_error(r->src));
    *p = r->buf;
    *n = (size_t)got;
    return got == 0;
}

static int maildir_open_at(const char *path, const struct reader_options *o, const struct reader_item *item, struct reader **out)
{
    struct maildir_reader *r = cli_malloc(sizeof *r);
    (void)path;
    *r = (struct maildir_reader){.base = {.format = &reader_maildir, .options = o}, .buf = cli_malloc(CHUNK)};
    *out = &r->base;
    r->src = source_open_found(item->name);
    if (!r->src)
        return reader_fail(*out, "%s", source_strerror(errno));
    const char *slash = strrchr(item->name, '/');
    begin_bytes(r->src, slash ? slash + 1 : item->name);
    return 0;
}

static uint64_t maildir_taken(const struct reader *base)
{
    return ((const struct maildir_reader *)base)->taken;
}

static void maildir_close(struct reader *base)
{
    struct maildir_reader *r = self(base);
    source_close(&r->src);
    for (size_t i = 0; i < r->count; i++)
        free(r->files[i].name);
    maildir_keywords_release(&r->keywords);
    uidlist_release(&r->uids);
    free(r->files);
    free(r->path);
    free(r->buf);
    free(r);
}

const struct reader_format reader_maildir = {"maildir", maildir_open, maildir_open_at, maildir_next, maildir_read, maildir_taken, maildir_close};
