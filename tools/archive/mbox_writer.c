/* mbox as a destination: a file for each folder. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/block.h"
#include "archive/filenames.h"
#include "archive/mbox.h"
#include "archive/outfile.h"
#include "archive/writer.h"
#include "cli.h"

struct mbox_out {
    struct writer base;
    struct mbox_writer writer;
    struct outfile out;
    struct filenames *names;
    const char *file; /* of the folder in hand; NULL: none yet */
    struct text block;
    uint64_t start, added_before, size; /* of the message in hand */
};

static struct mbox_out *self(struct writer *w)
{
    return (struct mbox_out *)w;
}

static int mbox_out_open(const struct writer_options *o, struct writer **out)
{
    struct mbox_out *m = cli_malloc(sizeof *m);
    *m = (struct mbox_out){.base = {.format = &writer_mbox, .o = o}, .out = OUTFILE_INIT, .names = filenames_new(o->dest)};
    *out = &m->base;
    return CLI_OK;
}

static int mbox_out_check(struct writer *w, const struct writer_folder *f)
{
    struct stat st;
    struct text path = {0};
    int rc = CLI_OK;
    if (w->o->one_file)
        text_add(&path, w->o->dest, strlen(w->o->dest));
    else
        filenames_plain(self(w)->names, f->path, ".mbox", &path);
    const char *file = path.data;
    if (strcmp(file, "-") != 0 && lstat(file, &st) == 0) {
        int replaceable = S_ISREG(st.st_mode) || S_ISLNK(st.st_mode); /* a device such as /dev/null is not to become a file */
        if (!w->o->force || !replaceable) {
            cli_error("%s: %s", file, replaceable ? "is there already" : "is no file that could be replaced");
            rc = CLI_FAIL;
        }
    }
    text_release(&path);
    return rc;
}

/* ---- files --------------------------------------------------------------------------------------------------------------------------- */

static int end_folder(struct mbox_out *m)
{
    int rc = m->file ? outfile_commit(&m->out, m->base.o->force) : CLI_OK;
    if (m->file && rc == CLI_OK) {
        m->base.files++;
        filenames_made(m->names, m->file);
        m->base.open_messages = m->base.open_bytes = 0;
    }
    m->base.line_ends_added += m->writer.line_ends_added;
    m->writer.line_ends_added = 0;
    outfile_release(&m->out);
    m->file = NULL;
    return rc;
}

static int mbox_out_folder(struct writer *w, const struct writer_folder *f)
{
    struct mbox_out *m = self(w);
    int rc = end_folder(m);
    if (rc != CLI_OK)
        return rc;
    m->file = w->o->dest;
    if (!w->o->one_file)
        rc = filenames_file(m->names, f->path, ".mbox", &m->file);
    if (rc == CLI_OK)
        rc = outfile_open(&m->out, m->file);
    mbox_writer_init(&m->writer, outfile_write, &m->out);
    return rc;
}

static int mbox_out_finish(struct writer *w)
{
    return end_folder(self(w));
}

static void mbox_out_close(struct writer *w)
{
    struct mbox_out *m = self(w);
    outfile_release(&m->out);
    text_release(&m->block);
    filenames_free(&m->names);
    free(m);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------ */

static int sent(struct mbox_out *m, int failed)
{
    if (!failed)
        return CLI_OK;
    return cli_interrupted == SIGPIPE ? CLI_INTERRUPTED : cli_system_error(m->file);
}

static int mbox_out_begin(struct writer *w, const struct writer_message *msg)
{
    struct mbox_out *m = self(w);
    int crlf = mbox_message_is_crlf(msg->head, msg->head_len, msg->tail, msg->tail_len);
    m->start = outfile_tell(&m->out);
    m->added_before = m->writer.line_ends_added;
    m->size = msg->size;
    text_clear(&m->block);
    if (!w->o->verbatim)
        block_of_message(&m->block, msg, crlf, 1);
    return sent(m, mbox_write_begin(&m->writer, msg->head, msg->head_len, crlf, msg->date) != 0 ||
                       (m->block.len && mbox_write(&m->writer, m->block.data, m->block.len) != 0));
}

static int mbox_out_write(struct writer *w, const void *p, size_t n)
{
    return sent(self(w), mbox_write(&self(w)->writer, p, n) != 0);
}

static int mbox_out_end(struct writer *w)
{
    struct mbox_out *m = self(w);
    int rc = sent(m, mbox_write_end(&m->writer) != 0 || outfile_pass_on(&m->out) != 0);
    if (rc == CLI_OK && m->out.seekable) { /* what went to standard output is out of our hands */
        w->open_messages++;
        w->open_bytes += m->size;
    }
    return rc;
}

static int mbox_out_cancel(struct writer *w)
{
    struct mbox_out *m = self(w);
    m->writer.line_ends_added = m->added_before;
    if (outfile_cut(&m->out, m->start) == 0)
        return CLI_OK;
    cli_error("standard output ends in the middle of a message that could not be read to its end");
    return CLI_FAIL;
}

const struct writer_format writer_mbox = {"mbox", 0, mbox_out_open, mbox_out_check, mbox_out_folder, mbox_out_begin, mbox_out_write, mbox_out_end,
                                          mbox_out_cancel, mbox_out_finish, mbox_out_close};
