/* store.h - the message store in a PST file: its folders, their messages, and messages as MAPI objects. */
#ifndef CUBBY_TOOLS_PST_STORE_H
#define CUBBY_TOOLS_PST_STORE_H

#include "archive/mapi/mapi.h"
#include "archive/pst/bits.h"
#include "archive/pst/ltp.h"

struct pst_store {
    struct pst *p;
    struct pst_names names;
    uint32_t codepage; /* of 8-bit strings; 0: not said */
    uint32_t password; /* its checksum; 0: none is set */
    uint32_t top;      /* the folder whose children are the user's */
    uint32_t inbox, deleted, sent, outbox, drafts, junk, search; /* folders; 0: not said */
    uint64_t opened;   /* objects of the message that is read: bounded */
    uint64_t given;    /* bytes of values: files that refer to the same blocks again and again do not give without end */
};

/* The store of an opened file; what is not readable of it is told, and done without. */
void pst_store_open(struct pst *p, struct pst_store *out);
void pst_store_close(struct pst_store *s);
/* 1: the password fits, or none is set; NULL: none was given. */
int pst_store_password(const struct pst_store *s, const char *password);

/* ---- messages (object.c) --------------------------------------------------------------------------------------------------------- */

/* A message, also one of another class: its node. -1: nothing of it can be read (*out NULL), see pst_error. */
int pst_message_open(struct pst_store *s, const struct pst_node *node, struct mapi_object **out);

/* ---- folders --------------------------------------------------------------------------------------------------------------------- */

/* Node ids, in the order of the file. */
struct pst_ids {
    uint32_t *ids;
    size_t count, cap;
};
void pst_ids_free(struct pst_ids *v);

/* The folder's name as UTF-8, appended; the number of its node if it has none. */
void pst_folder_name(struct pst_store *s, uint32_t nid, struct text *out);
/* The folders in a folder: its table; what is not in a broken table is found by the parents of nodes. */
void pst_folder_children(struct pst_store *s, uint32_t nid, struct pst_ids *out);

/* The messages of a folder, one after the other, without a list of them in memory. Ids that are set in `seen` are passed over, ids that are
 * given are set: no message comes twice. */
struct pst_listing {
    struct pst_store *s;
    uint32_t folder;      /* 0: of any, without looking for a table */
    int type;             /* PST_NT_MESSAGE or PST_NT_FAI */
    struct pst_bits *seen;
    int stage;
    struct pst_tc table;
    struct pst_bth rows;
    struct pst_walk nodes; /* the fallback */
};
void pst_listing_begin(struct pst_listing *l, struct pst_store *s, uint32_t folder, int type, struct pst_bits *seen);
/* 1 with the node; 0 at the end; -1: *out names a message that is listed but is not there. */
int pst_listing_next(struct pst_listing *l, struct pst_node *out);
void pst_listing_end(struct pst_listing *l);

#endif
