/* write_message.h - messages of a PST file on their way out: the message object with its recipients and attachments. */
#ifndef CUBBY_TOOLS_PST_WRITE_MESSAGE_H
#define CUBBY_TOOLS_PST_WRITE_MESSAGE_H

#include "archive/pst/write_ltp.h"

/* What all messages of a file share. */
struct pstw_context {
    struct pstw *w;
    uint32_t next_message; /* index of node ids */
    uint64_t change;       /* counts what was written: change numbers, row versions */
    uint8_t uid[16];       /* of the store */
};

struct pstw_message;

struct pstw_message *pstw_message_new(struct pstw_context *c);
void pstw_message_drop(struct pstw_message **m);
struct pstw_context *pstw_message_context(const struct pstw_message *m);
struct pstw_object *pstw_message_object(const struct pstw_message *m); /* for its properties */

/* type: 1 To, 2 Cc, 3 Bcc. UTF-8, without line ends. */
void pstw_recipient(struct pstw_message *m, int type, const char *name, const char *address);
/* A one-off EntryID for an address, into out, appended. */
void pstw_one_off(struct text *out, const char *name, const char *address);

/* Begins an attachment, whose properties and values are then set; one at a time. pstw_attachment_end adds it: method is one of MAPI_ATTACH_... */
struct pstw_object *pstw_attachment(struct pstw_message *m);
void pstw_attachment_end(struct pstw_message *m, struct pstw_object **o, int method, int hidden);
/* Makes a message that is ended the content of an attachment. */
void pstw_attachment_embed(struct pstw_message *m, struct pstw_object *attachment, struct pstw_message **inner);

size_t pstw_attachments(const struct pstw_message *m);
int pstw_attachments_seen(const struct pstw_message *m); /* one that is not hidden */

/* Writes it as a node of the file. table: its row goes there. Adds what every message has. */
void pstw_message_end(struct pstw_message **m, uint32_t nid, uint32_t parent, struct pstw_table *table);

extern const uint32_t pstw_recipient_columns[], pstw_attachment_columns[];
extern const size_t pstw_recipient_column_count, pstw_attachment_column_count;
/* Of them, those that a template table has. */
#define PSTW_RECIPIENT_TEMPLATE 12
#define PSTW_ATTACHMENT_TEMPLATE 4

#endif
