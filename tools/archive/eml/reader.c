/* A directory of files with one message each, or one such file: .eml, .emlx, .msg. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/detect.h"
#include "archive/eml/emlx.h"
#include "archive/names.h"
#include "archive/reader.h"
#include "archive/source.h"

#define CHUNK     (256u << 10)
#define PLIST_MAX (64u << 10)

struct eml_reader {
    struct reader base;
    char *dir;             /* NULL: a single file */
    struct dirent **files; /* NULL: a single file */
    char *single;
    size_t count, at;
    int begun;
    int found;            /* in a directory, not named by the user */
    struct source *src;   /* of the message in hand */
    uint64_t left;        /* bytes of it to come; UINT64_MAX: up to the end of the file */
    struct reader *inner; /* a reader of another format that has it */
    uint8_t *buf;
    uint64_t taken;
};

static struct eml_reader *self(struct reader *r)
{
    return (struct eml_reader *)r;
}

static struct eml_reader *new_reader(const struct reader_options *o, struct reader **out)
{
    struct eml_reader *r = cli_malloc(sizeof *r);
    *r = (struct eml_reader){.base = {.format = &reader_eml, .options = o}, .buf = cli_malloc(CHUNK)};
    *out = &r->base;
    return r;
}

static int is_message(const struct dirent *e)
{
    return e->d_name[0] != '.' && e->d_type != DT_DIR && detect_is_message(e->d_name, strlen(e->d_name));
}

/* The number at the front of a name, without zeros; *len is 0 if there is none. */
static const char *number_of(const char *name, size_t *len)
{
    name += strspn(name, "0");
    *len = strspn(name, "0123456789");
    return name;
}

/* By bytes, but numbers at the front as numbers: the uids of an export, which may outgrow their zeros, and the names that Apple gives. */
static int by_number(const struct dirent **a, const struct dirent **b)
{
    size_t m, n;
    const char *x = number_of((*a)->d_name, &m), *y = number_of((*b)->d_name, &n);
    int both = (m || x != (*a)->d_name) && (n || y != (*b)->d_name);
    int order = !both ? 0 : m != n ? (m < n ? -1 : 1) : memcmp(x, y, m);
    return order ? order : strcmp((*a)->d_name, (*b)->d_name);
}

static int eml_open(const char *path, const struct reader_options *o, struct reader **out)
{
    struct eml_reader *r = new_reader(o, out);
    struct stat st = {0};
    if (strcmp(path, "-") != 0 && stat(path, &st) != 0)
        return reader_fail(*out, "%s", strerror(errno));
    if (strcmp(path, "-") == 0 || !S_ISDIR(st.st_mode)) {
        r->single = cli_strdup(path);
        r->count = 1;
        return 0;
    }
    int n = scandir(path, &r->files, is_message, by_number);
    if (n < 0)
        return reader_fail(*out, "%s", strerror(errno));
    r->dir = cli_strdup(path);
    r->found = 1;
    r->count = (size_t)n;
    return 0;
}

/* ---- one message --------------------------------------------------------------------------------------------------------------------- */

static void end_message(struct eml_reader *r)
{
    source_close(&r->src);
    reader_close(&r->inner);
    r->left = UINT64_MAX;
}

/* A message that another format has: its first one. */
static int begin_inner(struct eml_reader *r, const char *path, const char *format, struct reader_item *out)
{
    const struct reader_format *f = reader_format_named(format);
    struct reader_item item = {0};
    int rc = f ? 0 : reader_fail(&r->base, "this version cannot read such files");
    if (f && (rc = f->open(path, r->base.options, &r->inner)) == 0) {
        while ((rc = f->next(r->inner, &item)) == 0 && item.kind == READER_FOLDER)
            reader_item_release(&item);
    }
    if (r->inner && rc != 0)
        reader_fail(&r->base, "%s", rc > 0 ? "holds no message" : r->inner->error);
    if (rc == 0 && item.kind == READER_FAILED)
        rc = reader_fail(&r->base, "%s", item.reason ? item.reason : "cannot be read");
    if (rc != 0) {
        reader_item_release(&item);
        return -1;
    }
    free(item.name);
    item.name = out->name;
    item.number = out->number;
    item.offset = 0;
    item.again = 1;
    *out = item;
    return 0;
}

/* Reads the first line and what stands behind the message, and goes to its first byte. */
static int begin_emlx(struct eml_reader *r, struct reader_item *out)
{
    struct emlx_state state;
    uint64_t length;
    size_t start;
    int64_t n = source_peek(r->src, 0, r->buf, 64);
    if (!source_seekable(r->src) || n < 0 || !emlx_first_line((char *)r->buf, (size_t)n, &length, &start))
        return reader_fail(&r->base, "does not begin with the length of its message, as an .emlx file must");
    n = source_peek(r->src, start + length, r->buf, PLIST_MAX);
    emlx_state_of((char *)r->buf, n > 0 ? (size_t)n : 0, &state);
    if (source_seek(r->src, start) != 0)
        return reader_fail(&r->base, "%s", strerror(errno));
    r->left = length;
    cli_flags_release(&out->flags);
    out->has_flags = state.has_flags;
    out->flags = state.flags;
    out->has_date = state.has_date;
    out->date = state.date;
    return 0;
}

static void date_of_file(struct eml_reader *r, struct reader_item *out)
{
    struct stat st;
    if (strcmp(out->name, "-") == 0 || stat(out->name, &st) != 0)
        return;
    r->taken += (uint64_t)st.st_size;
    out->has_date = 1;
    out->date = st.st_mtime;
}

/* out->name is set. 0, or -1: base.error. */
static int begin_message(struct eml_reader *r, struct reader_item *out)
{
    const char *name = out->name;
    size_t len = strlen(name);
    end_message(r);
    date_of_file(r, out);
    if (r->found && names_ends(name, len, ".msg") && source_check_found(name) != 0)
        return reader_fail(&r->base, "%s", source_strerror(errno));
    if (names_ends(name, len, ".msg"))
        return begin_inner(r, name, "msg", out);
    r->src = r->found ? source_open_found(name) : source_open(name);
    if (!r->src)
        return reader_fail(&r->base, "%s", source_strerror(errno));
    return names_ends(name, len, ".emlx") ? begin_emlx(r, out) : 0;
}

static int eml_open_at(const char *path, const struct reader_options *o, const struct reader_item *item, struct reader **out)
{
    struct eml_reader *r = new_reader(o, out);
    struct reader_item again = {.name = cli_strdup(item->name)};
    r->found = strcmp(path, item->name) != 0;
    int rc = begin_message(r, &again);
    reader_item_release(&again);
    return rc;
}

/* ---- the stream ---------------------------------------------------------------------------------------------------------------------- */

static int eml_next(struct reader *base, struct reader_item *out)
{
    struct eml_reader *r = self(base);
    if (!r->begun) {
        r->begun = 1;
        out->kind = READER_FOLDER;
        out->folder = cli_strdup("");
        return 0;
    }
    end_message(r);
    if (r->at == r->count)
        return 1;
    *out = (struct reader_item){.kind = READER_MESSAGE, .number = r->at + 1, .again = !r->single || strcmp(r->single, "-") != 0};
    out->name = r->single ? cli_strdup(r->single) : cli_printf("%s/%s", r->dir, r->files[r->at]->d_name);
    r->at++;
    if (begin_message(r, out) != 0) {
        out->kind = READER_FAILED;
        out->reason = cli_strdup(base->error);
    }
    return 0;
}

static int read_inner(struct eml_reader *r, const uint8_t **p, size_t *n)
{
    int rc = r->inner->format->read(r->inner, p, n);
    if (rc < 0)
        return reader_fail(&r->base, "%s", r->inner->error);
    if (rc == 1) {
        free(r->base.note);
        r->base.note = r->inner->note;
        r->inner->note = NULL;
    }
    return rc;
}

/* Mail keeps big attachments of a message that it did not load whole in other files. */
static void note_partial(struct eml_reader *r)
{
    const char *name = r->single ? r->single : r->files[r->at - 1]->d_name;
    if (r->at && names_ends(name, strlen(name), ".partial.emlx") && !r->base.note)
        r->base.note = cli_strdup("a part of a message: what is missing here Mail kept in other files, or on the server");
}

static int eml_read(struct reader *base, const uint8_t **p, size_t *n)
{
    struct eml_reader *r = self(base);
    if (r->inner)
        return read_inner(r, p, n);
    int64_t got = r->left ? source_read(r->src, r->buf, r->left < CHUNK ? (size_t)r->left : CHUNK) : 0;
    if (got < 0)
        return reader_fail(base, "%s", source_error(r->src));
    if (got == 0 && r->left && r->left != UINT64_MAX)
        return reader_fail(base, "the file ends before the message does");
    if (got == 0 && r->count)
        note_partial(r);
    r->left -= r->left == UINT64_MAX ? 0 : (uint64_t)got;
    *p = r->buf;
    *n = (size_t)got;
    return got == 0;
}

static uint64_t eml_taken(const struct reader *base)
{
    return ((const struct eml_reader *)base)->taken;
}

static void eml_close(struct reader *base)
{
    struct eml_reader *r = self(base);
    end_message(r);
    for (size_t i = 0; r->files && i < r->count; i++)
        free(r->files[i]);
    free(r->files);
    free(r->single);
    free(r->dir);
    free(r->buf);
    free(r);
}

const struct reader_format reader_eml = {"eml", eml_open, eml_open_at, eml_next, eml_read, eml_taken, eml_close};
