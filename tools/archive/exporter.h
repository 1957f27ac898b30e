/* exporter.h - writes the messages of folders to mbox files. */
#ifndef CUBBY_TOOLS_EXPORTER_H
#define CUBBY_TOOLS_EXPORTER_H

#include <stdint.h>

#include "cubby.h"

struct export_options {
    const char *uids;          /* NULL: all */
    int has_since, has_before;
    int64_t since, before;     /* internaldate: since <= date < before */
    int verbatim;              /* no X-Cubby block */
    int force;                 /* replace files */
};

struct export_totals {
    uint64_t expected, exported, failed, files;
    uint64_t bytes; /* of the exported messages, as they are stored */
    uint64_t line_ends_added;
};

struct export_folder {
    char *path;       /* of the folder */
    char *file;       /* to be written; "-" is standard output */
    uint64_t id;
    uint64_t uidnext; /* what comes later is left out */
    uint64_t bytes;   /* for the progress bar */
};

/* The files' directories are made, below base. Failures are told as they come. Returns the exit code. */
int export_run(cubby_store *store, const char *base, const struct export_folder *folders, size_t count, const struct export_options *o,
               struct export_totals *totals);

#endif
