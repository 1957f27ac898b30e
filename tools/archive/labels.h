/* labels.h - X-Gmail-Labels, which Google's export of a mailbox ("Takeout") puts into every message. */
#ifndef CUBBY_TOOLS_LABELS_H
#define CUBBY_TOOLS_LABELS_H

#include <stddef.h>

#include "cli.h"

enum { LABELS_IGNORE = 0, LABELS_FOLDERS = 1, LABELS_KEYWORDS = 2 };
extern const char *const labels_modes[]; /* their names; NULL ends */

struct labels {
    char **folders; /* paths, as in cli_path_make */
    size_t count;
    int left_out; /* there were more than LABELS_MAX */
};
#define LABELS_MAX 500

/* Flags (\Seen unless Unread, \Flagged, \Draft), keywords and, with LABELS_FOLDERS, folders. Without the field nothing is touched. */
void labels_of_header(const char *header, size_t len, int mode, struct cli_flags *flags, struct labels *out);
void labels_release(struct labels *l);

#endif
