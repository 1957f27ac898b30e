/* stray.h - files of segments/ that are none of the log's (FORMAT.md 9). */
#ifndef CUBBY_STORE_STRAY_H
#define CUBBY_STORE_STRAY_H

#include "store/internal.h"

/* As cubby__log_list: *count of them are the log's; *strays (may be NULL) follow that are far behind it, and no segments of it. */
int cubby__segments(struct cubby__store *s, uint32_t **numbers, size_t *count, size_t *strays, cubby_error *err);

/* Which segment of this store is the file at `path`, as its header says? 0: what is damaged, is no file, or is another store's. *size: its bytes. */
int cubby__segment_in(struct cubby__store *s, const char *path, uint32_t *number, uint64_t *size, cubby_error *err);

/* 1: what has the name of this segment is no regular file, and so nothing of any store. */
int cubby__is_stranger(struct cubby__store *s, uint32_t seg, cubby_error *err);

/* 1: it is a segment of this store under another's name, and its own is free (or a stranger's), or has one like it: a repair will give it back. numbers: of
 * all files. */
int cubby__is_misnamed(struct cubby__store *s, const uint32_t *numbers, size_t count, uint32_t name, cubby_error *err);

#endif
