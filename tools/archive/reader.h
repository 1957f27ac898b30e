/* reader.h - an archive as a stream of folders and messages, whatever its format.
 *
 * A format is a table of functions. One thread opens an archive, asks for the next item and reads its bytes piece by piece; parsing, hashing
 * and compressing are for others (pipeline.h), so a reader does no more than it must. Memory is bounded, whatever the length of a message.
 *
 *     open, then next until it returns non-zero; behind every READER_MESSAGE read until it returns non-zero
 *
 * A reader that is asked for the next item before the last one was read to its end passes over the rest. */
#ifndef CUBBY_TOOLS_READER_H
#define CUBBY_TOOLS_READER_H

#include <stddef.h>
#include <stdint.h>

#include "cli.h"

struct reader_options {
    int dialect;             /* of mbox: MBOX_... */
    const char *password;    /* NULL: none was given */
    int may_ask;             /* for one, on a terminal */
    int recover;             /* also messages that no folder lists any more: pst */
};

enum {
    READER_FOLDER,  /* what follows belongs to this folder; comes before the first message */
    READER_MESSAGE,
    READER_FAILED   /* one message that cannot be read; the rest goes on */
};

/* Strings are the item's own (malloc), released with reader_item_release. */
struct reader_item {
    int kind;
    uint64_t number;  /* 1, 2, ... in the archive: for reports */
    uint64_t offset;  /* of the message in its file, or what else leads a human to it; 0: nothing */
    char *name;       /* the message's own file, if it is not the archive's; NULL */
    char *reason;     /* READER_FAILED: one line */

    /* READER_FOLDER: components with '/' between them and %2F and %25 inside, as cli_path_escape writes them, else the bytes that the archive
     * has (they are cleaned later). Relative to the folder that the archive goes to; "": that one. An archive's inbox is INBOX. */
    char *folder;
    char *original;       /* name of the last component in the archive, if `folder` does not say it (an inbox of another name); NULL */
    uint32_t special_use; /* CUBBY_USE_... */
    uint32_t uidvalidity; /* 0: unknown */
    uint64_t uidnext;     /* 0: unknown */

    /* READER_MESSAGE: the state, as far as the archive has it */
    int has_flags;           /* else the message's header says them (Status and friends) */
    struct cli_flags flags;
    int has_date, has_zone;  /* else the header says it */
    int64_t date;
    int16_t zone;            /* minutes east of UTC */
    uint32_t uid;            /* for --keep-uids; 0: unknown */

    int again;         /* open_at leads to it once more */
    uint64_t token[2]; /* what the reader needs for that */
};

void reader_item_release(struct reader_item *item);

struct reader_format;

/* What all readers begin with. */
struct reader {
    const struct reader_format *format;
    const struct reader_options *options; /* borrowed */
    char error[320];                      /* why open, next or read failed: one line, without the path */
    char *note;                           /* when read returned 1: what the message lost on its way, one line (malloc), for whoever takes
                                           * it and sets it to NULL. NULL: nothing */
};

struct reader_format {
    const char *name; /* a value of --format */
    /* *out is made in any case and to be closed. 0, or -1: not such an archive, or not readable. */
    int (*open)(const char *path, const struct reader_options *o, struct reader **out);
    /* A reader that stands in front of the bytes of one message that another reader of the same path gave (item->again): only read and
     * close are called. NULL: no message can be read again. */
    int (*open_at)(const char *path, const struct reader_options *o, const struct reader_item *item, struct reader **out);
    /* Fills in out, which is all zeros before. 0; 1 at the end; -1: the archive cannot be read on, at out->offset. */
    int (*next)(struct reader *r, struct reader_item *out);
    /* The message's next bytes, at least one, which live until the next call. 0; 1 at its end; -1: it is not whole. */
    int (*read)(struct reader *r, const uint8_t **p, size_t *n);
    /* How far it is, in bytes of the archive's size on disk: for progress. */
    uint64_t (*taken)(const struct reader *r);
    void (*close)(struct reader *r);
};

/* The table of all formats that can be read; NULL ends. */
extern const struct reader_format *const reader_formats[];
const struct reader_format *reader_format_named(const char *name); /* NULL: there is none */

extern const struct reader_format reader_mbox, reader_maildir, reader_eml, reader_msg, reader_pst;

void reader_close(struct reader **r);
/* Prints into r->error; returns -1. */
int reader_fail(struct reader *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The password for an archive that wants one: the one given, else asked for on the terminal (once; it is kept). NULL: there is none. */
const char *reader_password(const struct reader_options *o, const char *path);
/* The first line of a file, "-": of standard input. Owner: the caller, free(). NULL: there is none, which was printed. */
char *password_from_file(const char *path);

#endif
