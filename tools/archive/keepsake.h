/* keepsake.h - what mail files cannot say about folders, kept beside an export: the file .cubby-folders in its directory. A line a folder, behind
 * the first line "cubby-folders 1": its path, then uidvalidity=N, special=..., subscribed, and annotations NAME=VALUE, with tabs between them and
 * %XX for what would not be seen. An import restores it for folders that it makes. */
#ifndef CUBBY_TOOLS_KEEPSAKE_H
#define CUBBY_TOOLS_KEEPSAKE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/writer.h"
#include "cubby.h"
#include "text.h"

/* Writes or completes the file of an export to directory dest. CLI_OK or an exit code, printed. */
int keepsake_write(cubby_store *store, const char *dest, const struct writer_folder *folders, size_t count);

/* Lines of all files read so far, by the path that the folder gets in the store. */
struct keepsakes {
    struct keepsake {
        char *path;
        char *line; /* what stands behind the path */
    } *list;
    size_t count, bytes;
};

#define KEEPSAKE_NAME ".cubby-folders"

/* Reads the file of a directory, if there is one; its folders go below `top` ("": the top of the store). 0 or an errno, see sidefile_read. */
int keepsakes_read(struct keepsakes *k, const char *dir, const char *top);
void keepsakes_release(struct keepsakes *k);

/* Gives a folder that was just made what was kept of it; 0 or an error code. */
int keepsakes_restore(const struct keepsakes *k, cubby_txn *txn, const char *path, uint64_t id);
uint32_t keepsakes_uidvalidity(const struct keepsakes *k, const char *path); /* 0: unknown */

#endif
