/* outfile.h - a file that is written under a temporary name and gets its own when it is whole. */
#ifndef CUBBY_TOOLS_OUTFILE_H
#define CUBBY_TOOLS_OUTFILE_H

#include <stddef.h>
#include <stdint.h>

struct outfile {
    int fd; /* -1: none */
    int seekable; /* a file; else standard output */
    char *path;
    char *temp; /* NULL: it has no name yet, so nothing of it is left wherever the process ends */
    uint8_t *buf;
    size_t len;
    uint64_t offset; /* of buf[0] */
};
#define OUTFILE_INIT {-1, 0, NULL, NULL, NULL, 0, 0}

/* Makes a directory, or finds one that is no link. 0 or an exit code, printed. */
int outfile_make_directory(const char *path);
/* Nothing is to be written into this directory: outfile_make_directory does not find it. */
void outfile_keep_out(const char *directory);
/* A file without a name in the directory of path, where the file system has such; else one whose name is in *temp (the caller frees it). -1 with errno. */
int outfile_make(const char *path, char **temp);
/* rename, but without `replace` only if the new name is free. 0, or -1 with errno. */
int outfile_rename(const char *from, const char *to, int replace);

/* path "-" is standard output. 0 or an exit code, printed. */
int outfile_open(struct outfile *f, const char *path);
/* An mbox_sink_fn: 0, or -1 with errno. */
int outfile_write(void *outfile, const void *p, size_t n);
/* Bytes written so far; takes back what came after an offset. -1: standard output cannot. */
uint64_t outfile_tell(const struct outfile *f);
/* Standard output gets at once what was written; files wait. 0, or -1 with errno. */
int outfile_pass_on(struct outfile *f);
int outfile_cut(struct outfile *f, uint64_t offset);
/* Bytes that were written before: read them, or replace them. n at once or -1. Not on standard output. */
int outfile_read(struct outfile *f, uint64_t offset, void *p, size_t n);
int outfile_patch(struct outfile *f, uint64_t offset, const void *p, size_t n);
/* Syncs it, gives it its name, and syncs the directory; without `replace` only if the name is free. 0 or an exit code, printed. */
int outfile_commit(struct outfile *f, int replace);
/* Removes it if it was not committed; always to be called. */
void outfile_release(struct outfile *f);

#endif
