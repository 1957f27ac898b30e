/* vfs_mem.h - the table of cubby_vfs.h over memory: a tree of files that nobody else sees. For tests: nothing else uses it.
 *
 * The current directory is the root; "." and ".." work, symbolic links do not exist. Like POSIX otherwise: an unlinked file lives on
 * while it is open or mapped. Memory from map() is seen by all opens of the file and by pread and pwrite; ranges mapped of one file must be
 * equal, nested in the first one, or disjoint (-EINVAL). sync and dirsync do nothing. Thread-safe. */
#ifndef CUBBY_OS_VFS_MEM_H
#define CUBBY_OS_VFS_MEM_H

#include <stdint.h>

#include "cubby_vfs.h"

struct cubby__memfs;

struct cubby__memfs *cubby__memfs_new(void); /* NULL: out of memory */
/* All files must be closed and unmapped. */
void cubby__memfs_free(struct cubby__memfs **fs);
/* Borrowed: lives as long as fs. */
const cubby_vfs *cubby__memfs_vfs(struct cubby__memfs *fs);

/* From now on time stands still but for sleep_ms and a microsecond a look, and random bytes follow from seed. By default both are the system's. */
void cubby__memfs_deterministic(struct cubby__memfs *fs, uint64_t seed);

#endif
