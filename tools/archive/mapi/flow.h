/* flow.h - bytes on their way from a property to a message, in pieces: each flow reads the one before it. */
#ifndef CUBBY_TOOLS_MAPI_FLOW_H
#define CUBBY_TOOLS_MAPI_FLOW_H

#include "archive/mapi/mapi.h"

/* A flow is read through `out`: what its `step` made and nobody took. Flows made by flow_new are closed with all those before them. */
struct flow {
    /* Takes a piece from `before` and appends what becomes of it to f->out, which may be nothing; 0: there is nothing more to come. */
    int (*step)(struct flow *f);
    void (*release)(struct flow *f); /* of what the type itself holds; may be NULL */
    struct flow *before;             /* owned; may be NULL */
    struct text out;
    size_t taken;                    /* bytes of out that were read */
    int ended;
    char error[160];                 /* "" or why bytes are missing or wrong: the first failure from here on upward */
};

/* Memory of `size` bytes (struct flow first), zeroed. */
void *flow_new(size_t size, struct flow *before, int (*step)(struct flow *), void (*release)(struct flow *));
void flow_close(struct flow **f);
/* Up to n bytes, 0 at the end. */
size_t flow_read(struct flow *f, void *buf, size_t n);
/* Borrowed bytes until the next call on this flow; 0 at the end. */
size_t flow_next(struct flow *f, const uint8_t **p);
/* All up to a limit, appended; 1 if there was more. */
int flow_all(struct flow *f, size_t max, struct text *out);
void flow_fail(struct flow *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The failure of this flow or one before it; NULL: none. */
const char *flow_error(const struct flow *f);

/* ---- kinds ------------------------------------------------------------------------------------------------------------------------ */

/* The bytes of a value; the object outlives the flow. cut_nul: up to the first NUL (NUL character, for MAPI_STRING). */
struct flow *flow_value(struct mapi_object *o, const struct mapi_prop *p, int cut_nul);
/* All of them from an offset on. */
struct flow *flow_value_from(struct mapi_object *o, const struct mapi_prop *p, uint64_t offset);
struct flow *flow_bytes(const void *p, size_t n); /* copied */
/* To UTF-8; a code page that is not known is taken as windows-1252. */
struct flow *flow_utf8(struct flow *before, uint32_t codepage);
/* Line ends CRLF, LF or CR to CRLF, and one behind a last line that has none. */
struct flow *flow_lines(struct flow *before);
/* Without the NULs at the end. */
struct flow *flow_trim(struct flow *before);
/* Lines of 76 letters, with CRLF behind the last one. */
struct flow *flow_base64(struct flow *before);
/* Text whose line ends are CRLF. What comes out holds no FLOW_BOUNDARY_LINE. */
struct flow *flow_quoted(struct flow *before);

/* Our boundaries begin so, and neither base64 nor quoted-printable has a line that does. */
#define FLOW_BOUNDARY_LINE "--=_"

/* What text is, for the choice of an encoding. */
struct flow_look {
    uint64_t bytes, high, nuls, longest; /* high: above 0x7e or control characters; longest line */
    uint64_t ink;                        /* not blank */
    int line_ends;                       /* all are CRLF */
    int marks;                           /* lines that begin as our boundaries do */
    int utf8;
};
void flow_look(struct flow *f, struct flow_look *out);

#endif
