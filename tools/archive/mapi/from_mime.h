/* from_mime.h - an RFC 822 message as a MAPI object: the other direction of to_mime.h. The mapping stands in cubby-pst(5). */
#ifndef CUBBY_TOOLS_MAPI_FROM_MIME_H
#define CUBBY_TOOLS_MAPI_FROM_MIME_H

#include "archive/pst/write_message.h"
#include "cubby.h"

/* The bytes of a message and its structure, as a cubby_reader has them. */
struct mime_source {
    const uint8_t *whole; /* all of it; NULL: it is read */
    int (*read)(void *arg, uint64_t offset, void *buf, size_t n, size_t *got); /* 0 or an error */
    void *arg;
    uint64_t size;
    const cubby_part *parts;
    size_t part_count;
    /* of from_mime; NULL and 0 at first, released with mime_source_release */
    uint8_t *window;
    uint64_t window_at;
    size_t window_len;
};
void mime_source_release(struct mime_source *s);

/* What the message itself does not say. */
struct mime_state {
    uint32_t flags; /* CUBBY_SEEN ... */
    const char *const *keywords;
    size_t keyword_count;
    int64_t date; /* internal date */
};

/* Fills in m, which stays the caller's. 0, or the error of a read. */
int from_mime(struct mime_source *s, const struct mime_state *state, struct pstw_message *m);

/* ---- of its parts --------------------------------------------------------------------------------------------------------------------- */

/* "text/plain", in lower case, from a Content-Type value; "" if there is none. */
void mime_type(const char *value, size_t n, char *out, size_t room);
/* A parameter of Content-Type or Content-Disposition, decoded (RFC 2231, 2047) to UTF-8; replaces out. 1 or 0. */
int mime_param(const char *value, size_t n, const char *name, struct text *out);

/* A field's value with its encoded words decoded: UTF-8; replaces out. */
void mime_words(const char *value, size_t n, struct text *out);

/* Calls fn for each address of a field's value: UTF-8 without control characters, name "" if there is none. */
typedef void (*mime_address_fn)(void *arg, const char *name, const char *address);
void mime_addresses(const char *value, size_t n, mime_address_fn fn, void *arg);

/* Control characters become blanks; blanks at both ends go. At most `max` bytes stay, whole characters. */
void mime_clean(struct text *t, size_t max);

/* Properties from a header: everything but the body's. state: NULL in embedded messages. */
void mime_head(struct pstw_message *m, const char *header, size_t n, const struct mime_state *state);

/* Content-Transfer-Encoding, in pieces. encoding: CUBBY_CTE_...; starts with {encoding}. */
struct mime_decoder {
    int encoding;
    uint32_t bits;
    int have, ended;     /* base64 */
    struct text line;    /* base64: behind padding */
    char held[3];        /* quoted-printable: "=" or "=X" cut at the end of a piece */
    size_t held_len;
    struct text blanks;  /* quoted-printable: white space that goes if the line ends behind it */
};
void mime_decode(struct mime_decoder *d, const uint8_t *p, size_t n, struct text *out);
void mime_decode_end(struct mime_decoder *d, struct text *out);

/* Text in a charset, in pieces, to UTF-16LE with CRLF line ends and without NULs. charset: "" or unknown: UTF-8 where it is, else windows-1252. */
struct mime_charset;
struct mime_charset *mime_charset_new(const char *charset);
void mime_charset_add(struct mime_charset *c, const char *p, size_t n, struct text *out);
void mime_charset_end(struct mime_charset **c, struct text *out);
/* The same at once, to UTF-8; line ends stay. Appended. */
void mime_utf8(const char *charset, const char *p, size_t n, struct text *out);
/* Windows code page of a charset; 0: unknown. */
uint32_t mime_codepage(const char *charset);

/* HTML, in pieces. Begins as zeros. */
struct mime_html {
    char head[1024]; /* where a <meta> may name the character set */
    size_t head_len;
    uint32_t state; /* utf8_valid's */
    int high, broken; /* there are bytes that are not ASCII; not UTF-8 */
};
void mime_html_add(struct mime_html *h, const char *p, size_t n);
/* Its code page: charset, as the MIME header says; if that is "" or unknown, what the HTML names; else UTF-8 where it is that, else windows-1252. */
uint32_t mime_html_codepage(const struct mime_html *h, const char *charset);

#endif
