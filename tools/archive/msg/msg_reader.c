/* The format "msg" of an import: a file with one message. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/mapi/to_mime.h"
#include "archive/msg/msg.h"
#include "archive/reader.h"

enum { PIECE = 65536 };

/* A file can name the same bytes again and again. No honest one becomes a message so much larger than it is: compressed RTF grows to nine
 * times its size at most, base64 and quoted-printable to three times. */
#define GROWTH_MAX 32
#define GROWTH_FREE ((uint64_t)64 << 20)

struct msg_reader {
    struct reader base;
    struct msg_file *file;
    struct mapi_object *message;
    struct to_mime *mime;
    uint64_t size, made;
    int given; /* the folder, then the message */
    uint8_t buf[PIECE];
};

static struct msg_reader *self(struct reader *r)
{
    return (struct msg_reader *)r;
}

static int msg_reader_open(const char *path, const struct reader_options *o, struct reader **out)
{
    struct msg_reader *r = cli_malloc(sizeof *r);
    char error[200];
    struct stat st;
    memset(r, 0, sizeof *r);
    r->base.format = &reader_msg;
    r->base.options = o;
    *out = &r->base;
    r->file = msg_open(path, error, sizeof error);
    if (!r->file)
        return reader_fail(&r->base, "%s", error);
    r->message = msg_message(r->file);
    r->size = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    return 0;
}

static int msg_reader_open_at(const char *path, const struct reader_options *o, const struct reader_item *item, struct reader **out)
{
    (void)item;
    int rc = msg_reader_open(path, o, out);
    if (rc == 0)
        self(*out)->mime = to_mime_open(self(*out)->message);
    return rc;
}

static void fill_in(struct msg_reader *r, struct reader_item *out)
{
    struct mapi_state state;
    mapi_state_of(r->message, &state);
    out->kind = READER_MESSAGE;
    out->number = 1;
    out->has_flags = 1;
    out->flags = state.flags;
    state.flags = (struct cli_flags)CLI_FLAGS_INIT;
    out->has_date = state.has_date;
    out->date = state.date;
    out->again = 1;
    mapi_state_release(&state);
}

static int msg_reader_next(struct reader *base, struct reader_item *out)
{
    struct msg_reader *r = self(base);
    if (r->given >= 2)
        return 1;
    if (r->given++ == 0) {
        out->kind = READER_FOLDER;
        out->folder = cli_strdup("");
        return 0;
    }
    fill_in(r, out);
    r->mime = to_mime_open(r->message);
    return 0;
}

/* "attachment 2: ...; attachment 3: ...", cut to a sensible length. */
static void tell_losses(struct msg_reader *r)
{
    struct text t = {0};
    const char *loss;
    for (size_t i = 0; (loss = to_mime_loss(r->mime, i)) != NULL && t.len < 600; i++) {
        if (i)
            text_add(&t, "; ", 2);
        text_add(&t, loss, strlen(loss));
    }
    if (t.len && !r->base.note)
        r->base.note = cli_strdup(t.data);
    text_release(&t);
}

static int msg_reader_read(struct reader *base, const uint8_t **p, size_t *n)
{
    struct msg_reader *r = self(base);
    *p = r->buf;
    *n = r->mime ? to_mime_read(r->mime, r->buf, sizeof r->buf) : 0;
    r->made += *n;
    if (r->made > GROWTH_FREE && r->made / GROWTH_MAX > r->size)
        return reader_fail(base, "the message would be more than %d times as large as its file", GROWTH_MAX);
    if (*n)
        return 0;
    if (r->mime)
        tell_losses(r);
    to_mime_close(&r->mime);
    return 1;
}

static uint64_t msg_reader_taken(const struct reader *base)
{
    const struct msg_reader *r = (const struct msg_reader *)base;
    return r->given >= 2 ? r->size : 0;
}

static void msg_reader_close(struct reader *base)
{
    struct msg_reader *r = self(base);
    to_mime_close(&r->mime);
    mapi_close(&r->message);
    msg_close(&r->file);
    free(r);
}

const struct reader_format reader_msg = {
    .name = "msg", .open = msg_reader_open, .open_at = msg_reader_open_at, .next = msg_reader_next, .read = msg_reader_read,
    .taken = msg_reader_taken, .close = msg_reader_close,
};
