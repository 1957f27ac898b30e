/* attach.h - what an attachment is called and how it goes into mail. */
#ifndef CUBBY_TOOLS_MAPI_ATTACH_H
#define CUBBY_TOOLS_MAPI_ATTACH_H

#include "archive/mapi/flow.h"
#include "archive/mapi/own.h"

enum attach_form {
    ATTACH_DATA,    /* bytes */
    ATTACH_MESSAGE, /* bytes that are a message and can stand as one */
    ATTACH_OBJECT,  /* an embedded message */
    ATTACH_LINK,    /* not in the file: a text tells where it was */
    ATTACH_MISSING  /* should be in the file and is not */
};

struct attach {
    enum attach_form form;
    int64_t method;
    struct mapi_prop data;         /* ATTACH_DATA, ATTACH_MESSAGE */
    struct text name;              /* "" if it has none */
    struct text type;              /* type/subtype */
    struct text cid, location, link;
    int is_hidden;
    int says_attachment;           /* by its disposition */
};
void attach_read(struct mapi_object *a, struct attach *out);
/* Before attach_head: a type that fits how the data is written. May read all of the data, to see whether it is a message. */
void attach_settle(struct mapi_object *a, struct attach *out);
void attach_release(struct attach *a);
/* The header of its part, with the empty line. */
void attach_head(const struct attach *a, int is_inline, struct text *out);
/* The text that stands for what is not in the file. */
void attach_note(const struct attach *a, const char *why, struct text *out);

/* The MIME entity that a signed message's attachment holds: its fields that describe it (appended to head, with Content-Type) and where
 * what follows them begins. 0: it holds none. */
int attach_entity(struct mapi_object *a, const struct attach *at, struct text *head, uint64_t *offset);

#endif
