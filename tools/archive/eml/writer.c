/* Directories of .eml files: DEST/A/B/UID SUBJECT.eml. Unless asked for the bytes alone, each begins with the block that an import restores the
 * state from. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/block.h"
#include "archive/detect.h"
#include "archive/field.h"
#include "archive/filenames.h"
#include "archive/manyfiles.h"
#include "archive/mbox.h"
#include "archive/writer.h"
#include "cli.h"

#define SUBJECT_MAX 80

struct eml_out {
    struct writer base;
    struct manyfiles files;
    struct filenames *names;
    const char *dir; /* of the folder in hand */
    struct text block, subject;
    int64_t date; /* of the message in hand */
};

static struct eml_out *self(struct writer *w)
{
    return (struct eml_out *)w;
}

static int eml_out_open(const struct writer_options *o, struct writer **out)
{
    struct eml_out *e = cli_malloc(sizeof *e);
    *e = (struct eml_out){.base = {.format = &writer_eml, .o = o}, .files = MANYFILES_INIT(o->force), .names = filenames_new(o->dest)};
    *out = &e->base;
    return CLI_OK;
}

static int eml_out_check(struct writer *w, const struct writer_folder *f)
{
    struct text path = {0};
    filenames_plain(self(w)->names, f->path, "", &path);
    DIR *d = w->o->force ? NULL : opendir(path.data);
    int full = 0;
    for (struct dirent *e; d && !full && (e = readdir(d));)
        full = detect_is_message(e->d_name, strlen(e->d_name));
    if (d)
        closedir(d);
    if (full)
        cli_error("%s: holds messages already", path.data);
    text_release(&path);
    return full ? CLI_FAIL : CLI_OK;
}

static int end_folder(struct eml_out *e)
{
    int rc = manyfiles_flush(&e->files);
    manyfiles_count(&e->files, &e->base);
    e->dir = NULL;
    return rc;
}

static int eml_out_folder(struct writer *w, const struct writer_folder *f)
{
    struct eml_out *e = self(w);
    int rc = end_folder(e);
    return rc == CLI_OK ? filenames_directory(e->names, f->path, &e->dir) : rc;
}

static int eml_out_finish(struct writer *w)
{
    return end_folder(self(w));
}

static void eml_out_close(struct writer *w)
{
    struct eml_out *e = self(w);
    manyfiles_release(&e->files);
    text_release(&e->block);
    text_release(&e->subject);
    filenames_free(&e->names);
    free(e);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------ */

/* Letters, digits and what no file system minds. */
static int is_plain(uint32_t c)
{
    if (c >= 0xa0)
        return c != 0xfffd && text_rune_width(c) > 0;
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c && strchr(" -+,.()[]", (int)c));
}

/* The rest becomes one '_', or goes. */
static void clean_subject(const struct text *subject, char out[SUBJECT_MAX + 1])
{
    size_t len = 0;
    for (size_t i = 0, n; i < subject->len; i += n) {
        uint32_t code;
        n = text_next(subject->data + i, subject->len - i, &code);
        if (!code || len + n > SUBJECT_MAX)
            break;
        if (is_plain(code) && !(len == 0 && code == ' ')) {
            memcpy(out + len, subject->data + i, n);
            len += n;
        } else if (len && out[len - 1] != '_') {
            out[len++] = '_';
        }
    }
    while (len && strchr(" ._", out[len - 1]))
        len--;
    out[len] = 0;
}

static char *name_of(struct eml_out *e, const struct writer_message *m)
{
    struct field f;
    char subject[SUBJECT_MAX + 1] = "";
    struct text safe = {0}; /* nor what turns the direction of text around: it could hide the ending */
    text_clear(&e->subject);
    if (field_find((const char *)m->head, m->head_len, "Subject", &f))
        text_decode(&e->subject, f.value, f.value_len);
    text_safe(&safe, e->subject.data ? e->subject.data : "", e->subject.len);
    clean_subject(&safe, subject);
    text_release(&safe);
    return cli_printf("%s/%08u%s%s.eml", e->dir, (unsigned)m->uid, *subject ? " " : "", subject);
}

static int eml_out_begin(struct writer *w, const struct writer_message *m)
{
    struct eml_out *e = self(w);
    text_clear(&e->block);
    if (!w->o->verbatim)
        block_of_message(&e->block, m, mbox_message_is_crlf(m->head, m->head_len, m->tail, m->tail_len), 0);
    e->date = m->date;
    int rc = manyfiles_begin(&e->files, m->size, cli_printf("%s/.cubby-%u-%d", e->dir, (unsigned)m->uid, (int)getpid()), name_of(e, m), NULL);
    manyfiles_count(&e->files, w);
    return rc == CLI_OK && e->block.len ? manyfiles_write(&e->files, e->block.data, e->block.len) : rc;
}

static int eml_out_write(struct writer *w, const void *p, size_t n)
{
    return manyfiles_write(&self(w)->files, p, n);
}

static int eml_out_end(struct writer *w)
{
    int rc = manyfiles_end(&self(w)->files, self(w)->date);
    manyfiles_count(&self(w)->files, w);
    return rc;
}

static int eml_out_cancel(struct writer *w)
{
    if (self(w)->files.fd >= 0)
        manyfiles_cancel(&self(w)->files);
    return CLI_OK;
}

const struct writer_format writer_eml = {"eml", 0, eml_out_open, eml_out_check, eml_out_folder, eml_out_begin, eml_out_write, eml_out_end,
                                         eml_out_cancel, eml_out_finish, eml_out_close};
