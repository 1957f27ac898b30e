/* mbox as an archive of one folder. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "archive/mbox.h"
#include "archive/reader.h"

struct mbox_reader {
    struct reader base;
    struct source *src;
    struct mbox *mbox;
    int begun;  /* the folder was given */
    int broken; /* the file could not be read on, which was told */
    int empty;
};

static struct mbox_reader *self(struct reader *r)
{
    return (struct mbox_reader *)r;
}

static int open_source(const char *path, const struct reader_options *o, struct reader **out)
{
    struct mbox_reader *r = cli_malloc(sizeof *r);
    *r = (struct mbox_reader){.base = {.format = &reader_mbox, .options = o}};
    *out = &r->base;
    r->src = source_open(path);
    return r->src ? 0 : reader_fail(*out, "%s", strerror(errno));
}

static int mbox_reader_open(const char *path, const struct reader_options *o, struct reader **out)
{
    if (open_source(path, o, out) != 0)
        return -1;
    struct mbox_reader *r = self(*out);
    int rc = mbox_open(r->src, o->dialect, &r->mbox);
    r->empty = rc == 1;
    return rc < 0 ? reader_fail(*out, "%s", mbox_error(r->mbox)) : 0;
}

static int mbox_reader_open_at(const char *path, const struct reader_options *o, const struct reader_item *item, struct reader **out)
{
    struct mbox_item at = {.offset = item->offset, .number = item->number};
    if (open_source(path, o, out) != 0)
        return -1;
    struct mbox_reader *r = self(*out);
    if (mbox_open_at(r->src, (int)item->token[0], &at, &r->mbox) == 0 && mbox_next(r->mbox, &at) == 0)
        return 0;
    return reader_fail(*out, "%s", mbox_error(r->mbox));
}

static int mbox_reader_next(struct reader *base, struct reader_item *out)
{
    struct mbox_reader *r = self(base);
    struct mbox_item item;
    if (!r->begun) {
        r->begun = 1;
        out->kind = READER_FOLDER;
        out->folder = cli_strdup("");
        return 0;
    }
    int rc = r->empty || r->broken ? 1 : mbox_next(r->mbox, &item);
    if (rc < 0) {
        r->broken = 1;
        out->offset = mbox_offset(r->mbox);
        return reader_fail(base, "%s", mbox_error(r->mbox));
    }
    if (rc == 0)
        *out = (struct reader_item){.kind = READER_MESSAGE, .number = item.number, .offset = item.offset, .has_date = item.has_date,
                                    .has_zone = item.has_zone, .date = item.date, .zone = item.zone, .again = source_seekable(r->src),
                                    .token = {(uint64_t)mbox_dialect(r->mbox)}};
    return rc;
}

static int mbox_reader_read(struct reader *base, const uint8_t **p, size_t *n)
{
    struct mbox_reader *r = self(base);
    int rc = mbox_read(r->mbox, p, n);
    if (rc >= 0)
        return rc;
    r->broken = 1;
    return reader_fail(base, "%s", mbox_error(r->mbox));
}

static uint64_t mbox_reader_taken(const struct reader *base)
{
    const struct mbox_reader *r = (const struct mbox_reader *)base;
    return r->src ? source_taken(r->src) : 0;
}

static void mbox_reader_close(struct reader *base)
{
    struct mbox_reader *r = self(base);
    mbox_close(&r->mbox);
    source_close(&r->src);
    free(r);
}

const struct reader_format reader_mbox = {
    "mbox", mbox_reader_open, mbox_reader_open_at, mbox_reader_next, mbox_reader_read, mbox_reader_taken, mbox_reader_close};
