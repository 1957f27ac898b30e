/* mbox.h - reading and writing mbox files: messages one behind the other, each behind a postmark ("From SENDER DATE").
 *
 * What is cut off and what stays is in cubby-mbox(5). The reader takes bounded memory whatever the length of messages and lines. */
#ifndef CUBBY_TOOLS_MBOX_H
#define CUBBY_TOOLS_MBOX_H

#include <stddef.h>
#include <stdint.h>

#include "archive/postmark.h"
#include "archive/source.h"

/* o: lines stand as they are. rd: one '>' is taken off every line ">+From ". cl: as rd, and Content-Length leads to the next postmark.
 * cl2: as o, with Content-Length. */
enum { MBOX_AUTO = 0, MBOX_O = 1, MBOX_RD = 2, MBOX_CL = 3, MBOX_CL2 = 4 };
extern const char *const mbox_dialect_names[]; /* "auto", "o", ...; NULL ends */

/* ---- reading --------------------------------------------------------------------------------------------------------------------- */

struct mbox;

struct mbox_item {
    uint64_t offset;      /* of the postmark, in the (decompressed) file */
    uint64_t body_offset; /* of the message behind it */
    uint64_t number;      /* 1, 2, ... */
    int has_date, has_zone;
    int64_t date;
    int16_t zone;
};

struct mbox_counts {
    uint64_t messages;
    uint64_t loose;     /* postmarks that count only because of their place */
    uint64_t glued;     /* postmarks without an empty line before them */
    uint64_t quoted;    /* lines that lost a '>' */
    uint64_t bare;      /* lines "From " that are no postmarks: content */
    uint64_t by_length; /* messages whose Content-Length led to the next postmark */
};

/* Reads the first bytes of the source, which must stay open as long as the reader; *out is made in any case and to be closed. 0;
 * 1: the file is empty; -1: not an mbox, or not readable: mbox_error. */
int mbox_open(struct source *s, int dialect, struct mbox **out);
/* A reader that begins with the message whose postmark stands at item->offset of a plain file, as another reader said. */
int mbox_open_at(struct source *s, int dialect, const struct mbox_item *item, struct mbox **out);
void mbox_close(struct mbox **m);

/* The next message (what is left of the one before is passed over). 0, 1 at the end, -1 on a read error. */
int mbox_next(struct mbox *m, struct mbox_item *out);
/* Its next bytes, which live until the next call. 0, 1 at the end of the message, -1 on a read error: the message is incomplete. */
int mbox_read(struct mbox *m, const uint8_t **p, size_t *n);

int mbox_dialect(const struct mbox *m); /* as it was found out: never MBOX_AUTO */
int mbox_is_crlf(const struct mbox *m); /* the first line ends with CRLF */
const char *mbox_error(const struct mbox *m);
uint64_t mbox_offset(const struct mbox *m); /* bytes taken so far */
const struct mbox_counts *mbox_counts(const struct mbox *m);

/* The first "From " in p..end, or NULL. */
const uint8_t *mbox_find_from(const uint8_t *p, const uint8_t *end);

/* ---- writing --------------------------------------------------------------------------------------------------------------------- */

/* Gets the bytes; non-zero stops the writer and is returned. */
typedef int (*mbox_sink_fn)(void *arg, const void *p, size_t n);

/* Writes mboxrd. Start with mbox_writer_init; no release is needed. */
struct mbox_writer {
    mbox_sink_fn sink;
    void *arg;
    int crlf;          /* line ends of postmark and empty line: those of the message */
    int line_start;    /* the next byte of the message is at the start of a line, or behind a '>' there */
    size_t held;       /* so many letters of "From " were seen there and are not yet written */
    int last;          /* last byte of the message; -1: none yet */
    uint64_t line_ends_added;
};
void mbox_writer_init(struct mbox_writer *w, mbox_sink_fn sink, void *arg);

/* Begins a message: its postmark. head: its first bytes, as many as there are at hand: they tell the sender (Return-Path, else From,
 * else MAILER-DAEMON). crlf: the line ends of the message, for the postmark and the empty line. */
int mbox_write_begin(struct mbox_writer *w, const void *head, size_t head_len, int crlf, int64_t date);
int mbox_write(struct mbox_writer *w, const void *p, size_t n);
/* Adds the missing last line end, if it is missing, and the empty line. */
int mbox_write_end(struct mbox_writer *w);

/* 1 if the first line ends with CRLF. */
int mbox_line_is_crlf(const void *p, size_t n);
/* Has a message CRLF line ends? Its first line, and its last unless that has no line end at all. tail: its last two bytes, or all. */
int mbox_message_is_crlf(const void *head, size_t head_len, const void *tail, size_t tail_len);

#endif
