/* folders.h - the folders of a store as an import sees them: paths, special uses, each folder once. */
#ifndef CUBBY_TOOLS_PST_FOLDERS_H
#define CUBBY_TOOLS_PST_FOLDERS_H

#include "archive/pst/store.h"

struct pst_folder {
    uint32_t nid;
    char *path;           /* as reader_item.folder */
    int only_if_used;     /* the folder that all others are in, or one that the writer of the file had to make: none of the user's unless
                           * it holds messages */
    char *original;       /* its name where the path says another one; NULL */
    uint32_t special_use; /* CUBBY_USE_... */
};

struct pst_folders; /* a walk over them, parents first */

struct pst_folders *pst_folders_new(struct pst_store *s);
void pst_folders_free(struct pst_folders **f);
/* Was it given already? */
int pst_folders_given(const struct pst_folders *f, uint32_t nid);
/* 1; 0 at the end. Borrowed until the next call. */
int pst_folders_next(struct pst_folders *f, const struct pst_folder **out);

#endif
