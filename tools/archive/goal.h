/* goal.h - the folders of a store that an import puts messages into, each found or made once. */
#ifndef CUBBY_TOOLS_GOAL_H
#define CUBBY_TOOLS_GOAL_H

#include <stddef.h>
#include <stdint.h>

#include "archive/tree.h"
#include "cubby.h"

/* The annotation that keeps what an archive called a folder. */
#define GOAL_ORIGINAL_NAME "/shared/vendor/cubby/original-name"

struct goal {
    char *path;
    uint64_t id;  /* 0: not yet made */
    int code;     /* CUBBY_E...: why it cannot be made; 0 */
    int counted;
    uint64_t learned; /* the importer's: the transaction in which its messages were last learned */
    uint32_t special_use, uidvalidity; /* what it is to get if it is new; 0: nothing */
};

struct goals {
    struct goal **list;
    size_t count, last;
    uint64_t unmade;
};

/* The goal of this path; lives until the end. */
struct goal *goals_get(struct goals *g, const char *path);
/* An id that no folder has, for a folder that would be made. */
uint64_t goals_unmade_id(struct goals *g);
void goals_release(struct goals *g);

/* Finds or makes the folder: then with its special use, with the archive's uidvalidity (keep_uids), and what each new folder on the way
 * had elsewhere: its name, as an annotation, and what an export kept of it, with keep_uids also the uidvalidity. INBOX, which is there always, gets
 * what was kept of it as long as it is as a new store has it. 0 or an error code. */
int goal_make(cubby_txn *txn, const struct tree *tree, int keep_uids, struct goal *g);

#endif
