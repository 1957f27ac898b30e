/* log.h - the segments of one store: reading frames, and appending. How one is made: segmake.h.
 *
 * Reading is thread-safe. Appending belongs to whoever holds the store's writer lock. */
#ifndef CUBBY_LOG_LOG_H
#define CUBBY_LOG_LOG_H

#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"
#include "log/frame.h"
#include "log/header.h"

struct cubby__log;

/* dir is copied. Owner: the caller. */
int cubby__log_new(const cubby_vfs *vfs, const char *dir, const struct cubby__ident *ident, int writable, struct cubby__log **out, cubby_error *err);
void cubby__log_free(struct cubby__log **log);
/* What it was made with; the directory as long as it lives. */
const cubby_vfs *cubby__log_vfs(const struct cubby__log *log);
const char *cubby__log_dir(const struct cubby__log *log);

/* ---- reading ---- */

/* Segments are opened when they are first needed and stay open. Who is about to read them anew closes them first: a repair, or people who bring a file back,
 * put another in the place of one. Reads that are under way go on with the file they have. */
void cubby__log_forget(struct cubby__log *log);

/* Reads the frame at place into *buf (reused) and verifies header, type, and payload; one that does not verify is looked for again where the file has been
 * replaced. *payload points into buf. ECORRUPT names file and offset. */
int cubby__log_read(struct cubby__log *log, const struct cubby__place *place, uint8_t type, struct cubby__buf *buf, const uint8_t **payload,
                    struct cubby__piece *piece, cubby_error *err);

/* Bytes of a segment, for scans. *got < n only at its end. */
int cubby__log_pread(struct cubby__log *log, uint32_t seg, void *p, size_t n, uint64_t off, size_t *got, cubby_error *err);
int cubby__log_size(struct cubby__log *log, uint32_t seg, uint64_t *size, cubby_error *err);
/* *end: behind the last byte that is not zero, at least `least`. From there to *size, the size of the file, stand zeros that were written ahead. */
int cubby__log_written(struct cubby__log *log, uint32_t seg, uint64_t least, uint64_t *end, uint64_t *size, cubby_error *err);
/* The header, read and verified: its identity must be the store's, its number that of its name. The caller releases it. ENOENT. */
int cubby__log_header(struct cubby__log *log, uint32_t seg, struct cubby__seg_header *out, cubby_error *err);
/* The numbers of all files in segments/, ascending. Owner: the caller (cubby__free). On failure NULL and 0. ENOENT: there is no such directory;
 * ECORRUPT: it is something else. */
int cubby__log_list(struct cubby__log *log, uint32_t **numbers, size_t *count, cubby_error *err);

/* ---- writing ---- */

/* A new segment that is open already. The file is the log's from now on, also on failure. */
int cubby__log_take(struct cubby__log *log, uint32_t seg, uint64_t nonce, cubby_file *file, cubby_error *err);
/* Writes n bytes at off (appending, or into the zeros). */
int cubby__log_write(struct cubby__log *log, uint32_t seg, const void *p, size_t n, uint64_t off, cubby_error *err);
/* Room for bytes to come, which are zeros until then (cubby_vfs.allocate). CUBBY_DONE: the file system does not do that. */
int cubby__log_allocate(struct cubby__log *log, uint32_t seg, uint64_t off, uint64_t n, cubby_error *err);
int cubby__log_sync(struct cubby__log *log, uint32_t seg, cubby_error *err);
/* Cuts the zeros behind an accepted end; never below it. Best effort. */
void cubby__log_trim(struct cubby__log *log, uint32_t seg, uint64_t end);

#endif
