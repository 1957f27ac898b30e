/* write_folders.h - the folders of a PST file on their way out. */
#ifndef CUBBY_TOOLS_PST_WRITE_FOLDERS_H
#define CUBBY_TOOLS_PST_WRITE_FOLDERS_H

#include "archive/pst/write_store.h"

/* A folder's table of contents has so many heap blocks at most; then a folder "NAME (2)" goes on. */
#define PSTW_FOLDER_BLOCKS 60000u

struct pstw_folders;

struct pstw_folders *pstw_folders_new(struct pstw_context *c, int own_properties);
void pstw_folders_free(struct pstw_folders **f);

/* Tells of a folder before any is begun: so that the right one becomes Outlook's Deleted Items. */
void pstw_folders_plan(struct pstw_folders *f, const char *path, uint32_t special_use);
/* Ends the folder at hand and begins one: its parents are made if they are not there. 0, or -1: there are too many. */
int pstw_folders_begin(struct pstw_folders *f, const char *path, uint32_t special_use);

/* Ends a message: it goes to the folder at hand. block_limit: PSTW_FOLDER_BLOCKS but in tests. 0 or -1 as above. */
int pstw_folders_message(struct pstw_folders *f, struct pstw_message **m, int unread, size_t block_limit);

/* Ends all folders and writes them; the store's fields are filled in where folders say them. next: the next free index of a folder. */
void pstw_folders_end(struct pstw_folders *f, struct pstw_store *store, uint32_t *next);

#endif
