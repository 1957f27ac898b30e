/* source.h - the bytes of an archive file, decompressed on the way: gzip, xz, zstd and bzip2 are known by their first bytes. */
#ifndef CUBBY_TOOLS_SOURCE_H
#define CUBBY_TOOLS_SOURCE_H

#include <stddef.h>
#include <stdint.h>

struct source;

/* path "-" is standard input. NULL on failure, with errno. */
struct source *source_open(const char *path);
/* A file that was found in a directory: it must be a regular one, and a link is followed only if root, the user or the owner of the file made
 * it. So nobody can have others' files read as his mail, or keep an import waiting for a pipe. NULL: errno, see source_strerror. */
struct source *source_open_found(const char *path);
int source_open_found_fd(const char *path); /* its descriptor, or -1 */
/* The same, only looking; 0 or -1 with errno. */
int source_check_found(const char *path);
/* strerror, with words of its own for what the two above refuse. */
const char *source_strerror(int code);
void source_close(struct source **s);

/* Up to n bytes, in order; 0 at the end; -1: the file cannot be read on, source_error says why. The bytes before are good. */
int64_t source_read(struct source *s, void *buf, size_t n);
const char *source_error(const struct source *s);

/* Bytes of the file itself: taken so far, and in all (0: unknown). For progress, and for errors in compressed files. */
uint64_t source_taken(const struct source *s);
uint64_t source_size(const struct source *s);
/* "", "gzip", ... ; known after the first read. */
const char *source_compression(const struct source *s);

/* Can source_peek be used? Only for plain files. */
int source_seekable(const struct source *s);
/* Bytes from anywhere in a plain file; the place of source_read stays. Number of bytes, -1 on failure. */
int64_t source_peek(struct source *s, uint64_t offset, void *buf, size_t n);
/* Moves source_read; 0 or -1. Only for plain files. */
int source_seek(struct source *s, uint64_t offset);

#endif
