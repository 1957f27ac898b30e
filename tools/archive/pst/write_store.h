/* write_store.h - what every PST file has beside its mail: the store object, named properties, templates and Outlook's own tables. */
#ifndef CUBBY_TOOLS_PST_WRITE_STORE_H
#define CUBBY_TOOLS_PST_WRITE_STORE_H

#include "archive/pst/write_message.h"

enum { PSTW_IPM = 0x8022, PSTW_FINDER = 0x8042, PSTW_DELETED = 0x8062, PSTW_SPAM_SEARCH = 0x2223 };

/* ---- named properties -------------------------------------------------------------------------------------------------------------------- */

/* Their ids in the files that are written here. */
enum {
    PSTW_N_FLAG_REQUEST = 0x8007,
    PSTW_N_KEYWORDS = 0x8009,
    PSTW_N_ORIGINAL = 0x800b,
    PSTW_N_HASH,
    PSTW_N_UID,
    PSTW_N_DATE,
    PSTW_N_ZONE,
    PSTW_N_FLAGS,
    PSTW_N_OWN_KEYWORDS,
    PSTW_N_FOLDER,
    PSTW_N_USE
};
void pstw_write_names(struct pstw *w);

/* ---- folders -------------------------------------------------------------------------------------------------------------------------------- */

/* Tables without rows are all the same, so that folders share them. */
enum { PSTW_HIERARCHY, PSTW_CONTENTS, PSTW_FAI, PSTW_EMPTY_TABLES };
struct pstw_templates {
    struct {
        uint64_t data;
        uint32_t uses;
    } table[PSTW_EMPTY_TABLES];
};

struct pstw_table *pstw_folder_table(struct pstw *w, int kind);

struct pstw_folder {
    uint32_t nid, parent; /* node ids */
    const char *name;     /* UTF-8 */
    const char *path;     /* in the store; NULL: it is none of the store's */
    uint32_t special_use;
    uint32_t count, unread;
    int subfolders;
    const char *class_name; /* NULL: IPF.Note */
    const char *comment;    /* NULL */
    uint32_t drafts, junk;  /* node ids that Outlook looks for in the root folder and in the inbox; 0: none */
};
/* The node of a folder. */
void pstw_write_folder(struct pstw_context *c, const struct pstw_folder *f);
/* Its row in its parent's table. */
void pstw_folder_row(struct pstw_context *c, struct pstw_table *hierarchy, const struct pstw_folder *f);
/* One of a folder's tables; table NULL: without rows. */
void pstw_write_folder_table(struct pstw_context *c, struct pstw_templates *t, uint32_t folder, int kind, struct pstw_table **table);

/* ---- the store ------------------------------------------------------------------------------------------------------------------------------ */

struct pstw_store {
    const char *name;
    const char *password; /* NULL */
    uint32_t sent;        /* node ids of folders; 0: none */
};
/* The store object, all templates and tables. What folders use of the templates is written by pstw_write_templates, before them. */
void pstw_write_templates(struct pstw *w, struct pstw_templates *t);
void pstw_write_store(struct pstw_context *c, const struct pstw_store *s);

#endif
