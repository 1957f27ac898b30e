/* writer.h - an archive that is being written, whatever its format: folders, and messages with their state.
 *
 *     open; check for every folder; then for each folder: folder, and begin, write..., end (or cancel) for each message; finish; close
 *
 * The functions return CLI_OK, WRITER_REFUSED, or an exit code that ends the export, after having printed why. Nothing that is not finished is
 * left behind by close. */
#ifndef CUBBY_TOOLS_WRITER_H
#define CUBBY_TOOLS_WRITER_H

#include <stddef.h>
#include <stdint.h>

#define WRITER_REFUSED (-1) /* begin, write, end: this message cannot be in such an archive (reason says why); the rest goes on */

struct writer_options {
    const char *dest;     /* without '/' at its end; "-": standard output */
    int one_file;         /* mbox: dest is the file itself */
    int verbatim;         /* messages as they are, without X-Cubby */
    int force;            /* replace what is there */
    const char *password; /* NULL: none */
};

struct writer_folder { /* borrowed until the next folder */
    const char *path;  /* as in cli_path_next */
    uint64_t id;
    uint32_t special_use, uidvalidity, recent_uid;
    uint64_t uidnext, messages, bytes;
};

struct writer_message { /* borrowed until end or cancel */
    uint32_t uid;
    uint32_t flags;               /* CUBBY_SEEN ... */
    const char *const *keywords;
    size_t keyword_count;
    int64_t date;
    int16_t zone;
    uint64_t size;                /* bytes that write will bring */
    uint64_t rfc822_size;         /* the same with CRLF line ends */
    const uint8_t *hash;          /* 16 bytes */
    const uint8_t *head;          /* its first bytes: all of it up to 1 MiB */
    size_t head_len;
    uint8_t tail[2];              /* its last bytes */
    size_t tail_len;
    struct cubby_reader *reader;  /* the same message, any range of it, with its MIME structure */
};

struct writer_format;

struct writer { /* what all writers begin with */
    const struct writer_format *format;
    const struct writer_options *o;
    uint64_t files;            /* written and whole */
    uint64_t open_messages, open_bytes; /* ended, but in files without their names: gone if the export stops now. Not of single files */
    uint64_t line_ends_added;
    uint64_t without_keywords; /* messages that lost keywords, because the format has no room for them */
    char reason[320];          /* for WRITER_REFUSED */
};

struct writer_format {
    const char *name; /* a value of --format */
    int single_file;  /* all folders go to one file: DEST */
    /* *out is made in any case and to be closed. Writes nothing yet. */
    int (*open)(const struct writer_options *o, struct writer **out);
    /* Could this folder be written? Called for all of them before the first byte; prints what is in the way. */
    int (*check)(struct writer *w, const struct writer_folder *f);
    int (*folder)(struct writer *w, const struct writer_folder *f);
    int (*begin)(struct writer *w, const struct writer_message *m);
    int (*write)(struct writer *w, const void *p, size_t n);
    int (*end)(struct writer *w);
    /* Takes back what came since begin. An exit code if that cannot be. */
    int (*cancel)(struct writer *w);
    /* All is whole: makes it durable and gives it its names. Folders whose successor has begun may have got theirs already. */
    int (*finish)(struct writer *w);
    void (*close)(struct writer *w);
};

extern const struct writer_format *const writer_formats[]; /* NULL ends */
const struct writer_format *writer_format_named(const char *name);

extern const struct writer_format writer_mbox, writer_maildir, writer_eml;

void writer_close(struct writer **w);
/* Prints into w->reason; returns WRITER_REFUSED. */
int writer_refuse(struct writer *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
