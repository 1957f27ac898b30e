/* manyfiles.h - many small files that get their names when they are on stable storage: some hundreds at a time, with one sync. */
#ifndef CUBBY_TOOLS_MANYFILES_H
#define CUBBY_TOOLS_MANYFILES_H

#include <stddef.h>
#include <stdint.h>

struct manyfiles {
    int fd; /* of the file in hand; -1: none */
    struct manyfiles_pending {
        char *temp, *final, *old; /* old: a file that this one stands for, NULL: none */
        uint64_t size;
    } *pending; /* the last one is in hand while fd is open */
    size_t count, cap;
    int replace;
    uint64_t named;         /* files that have got their names */
    uint64_t pending_bytes; /* sum of `size` */
};
#define MANYFILES_INIT(replace) {-1, NULL, 0, 0, replace, 0, 0}

struct writer;

/* Begins a file under the name `temp`, which is on the same file system as `final` and nobody else's; names what is pending if that is much.
 * `size`: of the message, for the count of what has no name yet. Takes both strings and `old` over. All return CLI_OK or an exit code, printed. */
int manyfiles_begin(struct manyfiles *m, uint64_t size, char *temp, char *final, char *old);
int manyfiles_write(struct manyfiles *m, const void *p, size_t n);
/* Its modification time, as near as the file system can say it. */
int manyfiles_end(struct manyfiles *m, int64_t mtime);
void manyfiles_cancel(struct manyfiles *m);
/* Syncs and names what is pending. */
int manyfiles_flush(struct manyfiles *m);
/* Tells w what has its name and what has not; the file in hand is neither. */
void manyfiles_count(const struct manyfiles *m, struct writer *w);
/* Removes what has no name yet. */
void manyfiles_release(struct manyfiles *m);

#endif
