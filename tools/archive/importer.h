/* importer.h - brings the messages of archive files into folders: one reader, several workers, and one thread, the caller's, that adds
 * what they made, in the order of the files, a transaction for every few megabytes. */
#ifndef CUBBY_TOOLS_IMPORTER_H
#define CUBBY_TOOLS_IMPORTER_H

#include <stdint.h>

#include "archive/tree.h"
#include "cubby.h"

enum { DUPS_SKIP = 0, DUPS_ADD = 1, DUPS_MERGE = 2 };

struct import_options {
    int dialect;     /* MBOX_... */
    int dups;        /* DUPS_... */
    int any_folder;  /* a duplicate is one wherever it is in the store */
    int dry_run;
};

/* expected = imported + skipped + failed. */
struct import_totals {
    uint64_t expected, imported, skipped, failed;
    uint64_t merged;           /* of the skipped: flags were added */
    uint64_t folders;          /* that messages were meant for */
    uint64_t bytes;            /* of the imported */
    uint64_t restored;         /* of the imported: with state from an X-Cubby block */
    uint64_t refused;          /* files that could not be read at all; each counts as one failed item */
    uint64_t without_keywords; /* imported without their keywords, because the store holds no more */
};

/* Failures are told as they come, as JSON or on stderr. Returns the exit code; the totals are right whatever it is. store may be NULL if
 * dry_run is set: nothing is there. */
int import_run(cubby_store *store, const struct tree *tree, const struct import_options *o, struct import_totals *totals);

/* "failed" events: one line of JSON, or text on stderr. item 0: the file itself. */
void import_tell_failure(const struct tree_file *file, uint64_t offset, uint64_t item, const char *reason);

#endif
