/* exporter.h - reads the messages of folders, proves them, and hands them to a writer. */
#ifndef CUBBY_TOOLS_EXPORTER_H
#define CUBBY_TOOLS_EXPORTER_H

#include <stdint.h>

#include "archive/writer.h"
#include "cubby.h"

struct export_options {
    const char *uids;          /* NULL: all */
    int has_since, has_before;
    int64_t since, before;     /* internaldate: since <= date < before */
};

struct export_totals {
    uint64_t expected, exported, failed; /* expected = exported + failed, also of an export that ends early */
    uint64_t bytes;    /* of the exported messages, as they are stored */
    uint64_t discarded; /* messages that were written when the export was stopped, to files that are gone with it; counted nowhere else */
};

/* What comes to a folder behind its uidnext is left out; so is, from then on, a folder that is deleted meanwhile, with a note. Failures are told
 * as they come. Returns the exit code; the writer is not closed. */
int export_run(cubby_store *store, struct writer *w, const struct writer_folder *folders, size_t count, const struct export_options *o,
               struct export_totals *totals);

#endif
