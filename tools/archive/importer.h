/* importer.h - brings the messages of archive files into folders: one reader, several workers, and one thread, the caller's, that adds
 * what they made, in the order of the files, a transaction for every few megabytes. */
#ifndef CUBBY_TOOLS_IMPORTER_H
#define CUBBY_TOOLS_IMPORTER_H

#include <stdint.h>

#include "archive/pipeline.h"
#include "archive/tree.h"
#include "cubby.h"

enum { DUPS_SKIP = 0, DUPS_ADD = 1, DUPS_MERGE = 2 };

struct import_options {
    struct reader_options reader;
    const char *into; /* folder for labels; NULL: the top */
    int dups;         /* DUPS_... */
    int any_folder;   /* a duplicate is one wherever it is in the store */
    int labels;       /* LABELS_... */
    int keep_uids;    /* uids and uidvalidity of the archive, where they can be had */
    int dry_run;
};

/* expected = imported + skipped + failed. */
struct import_totals {
    uint64_t expected, imported, skipped, failed;
    uint64_t merged;           /* of the skipped: flags were added */
    uint64_t folders;          /* that messages were meant for */
    uint64_t bytes;            /* of the imported */
    uint64_t restored;         /* of the imported: with state from an X-Cubby block */
    uint64_t incomplete;       /* of the imported: something of them was lost, which was told */
    uint64_t renumbered;       /* of the imported: with keep_uids, but with another uid */
    uint64_t copies;           /* beyond the first folder, by labels */
    uint64_t refused;          /* archives that could not be read at all; each counts as one failed item */
    uint64_t without_keywords; /* messages that lost some: the store holds no more, or the message has too many */
};

/* Failures are told as they come, as JSON or on stderr. Returns the exit code; the totals are right whatever it is. store may be NULL if
 * dry_run is set: nothing is there. */
int import_run(cubby_store *store, const struct tree *tree, const struct import_options *o, struct import_totals *totals);

/* What happened to one message or archive, "failed" or "incomplete": one line of JSON, or text on stderr. */
void import_tell(const char *event, const struct job *job, const char *reason);

#endif
