/* result.h - what commands that change messages print. */
#ifndef CUBBY_TOOLS_RESULT_H
#define CUBBY_TOOLS_RESULT_H

#include "cubby.h"

/* A command on messages of a folder: opens the store and a transaction, finds the folder and the uids, calls `act`, commits, prints. */
struct work {
    cubby_store *store;
    cubby_txn *txn;
    cubby_folder folder;
    cubby_uidset *uids;
    cubby_uidset *changed, *new_uids; /* filled by act */
    uint32_t uidvalidity;             /* of the folder with new_uids */
    const char *done;                 /* "copied", for the text */
};

/* Returns an exit code; an error has been printed. */
typedef int (*work_fn)(struct work *w, void *arg);
int work_run(const char *store, const char *folder, const char *uids, const char *done, work_fn act, void *arg);

#endif
