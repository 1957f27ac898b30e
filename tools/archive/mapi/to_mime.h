/* to_mime.h - an RFC 822 message made of a MAPI object, and the state beside it. The mapping stands in cubby-pst(5). */
#ifndef CUBBY_TOOLS_MAPI_TO_MIME_H
#define CUBBY_TOOLS_MAPI_TO_MIME_H

#include "archive/mapi/mapi.h"
#include "cli.h"

struct to_mime;

/* Begins a message; msg stays the caller's and outlives the stream. Never fails: what cannot be read is a loss and the message says so.
 * The same object gives the same bytes, whenever and however often. */
struct to_mime *to_mime_open(struct mapi_object *msg);
void to_mime_close(struct to_mime **m);

/* The next bytes of the message, up to n (n > 0); 0 at its end. Line ends are CRLF, except in an original that an export kept.
 * Memory does not depend on the size of bodies and attachments. */
size_t to_mime_read(struct to_mime *m, void *buf, size_t n);

/* What could not be carried, in one line each ("attachment 3 \"x.doc\": ..."), known when the message was read to its end; NULL behind the
 * last one. At most TO_MIME_LOSSES_MAX are named, the last then tells how many more there are. */
#define TO_MIME_LOSSES_MAX 100
const char *to_mime_loss(const struct to_mime *m, size_t i);

/* Flags, keywords (categories, and $Forwarded, $MDNSent and so on) and internaldate. */
struct mapi_state {
    struct cli_flags flags; /* released with mapi_state_release */
    int has_date;
    int64_t date; /* seconds since 1970, UTC: delivery, else submission, creation, modification */
    int associated; /* not a message of the user's but of Outlook's (hidden in the folder): not to be imported */
};
void mapi_state_of(struct mapi_object *msg, struct mapi_state *out);
void mapi_state_release(struct mapi_state *s);

#endif
