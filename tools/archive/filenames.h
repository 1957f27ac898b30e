/* filenames.h - the files and directories of an export that stand for folders: each folder has its own, whatever the file system takes for equal.
 *
 * A/B is DEST/A/B, encoded as names.h says. Where the file system says that such a file or directory is one that this export has made for another
 * folder (it takes `a` and `A` for one, or a directory is mounted twice), letters are written as %XX, which an import decodes. */
#ifndef CUBBY_TOOLS_FILENAMES_H
#define CUBBY_TOOLS_FILENAMES_H

#include <stddef.h>
#include <sys/types.h>

#include "text.h"

struct filenames;

/* dest need not exist yet; borrowed. */
struct filenames *filenames_new(const char *dest);
void filenames_free(struct filenames **f);

/* The path that a folder gets if nothing is in its way, appended; nothing is made. */
void filenames_plain(struct filenames *f, const char *folder, const char *ending, struct text *out);

/* CLI_OK or an exit code, printed. *out lives as long as f; the same folder gets the same path.
 * Makes the directory of a folder, and those that it is in; no link is followed below dest. */
int filenames_directory(struct filenames *f, const char *folder, const char **out);
/* Makes the directories that the folder's file is in. */
int filenames_file(struct filenames *f, const char *folder, const char *ending, const char **out);

/* Notes that the export has made this file or directory. 1: it had made it before, under another name. */
int filenames_made(struct filenames *f, const char *path);
/* Can names hold ':' and the like there? 0 on file systems of Windows. dest exists. */
int filenames_takes_colons(struct filenames *f);

#endif
