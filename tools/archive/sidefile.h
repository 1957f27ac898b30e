/* sidefile.h - the small text files that programs keep beside mail: lists of uids, of keywords, of folders. */
#ifndef CUBBY_TOOLS_SIDEFILE_H
#define CUBBY_TOOLS_SIDEFILE_H

/* Calls take for each line, without its end, until it returns non-zero; a line lives until then. What is opened is what source_open_found
 * takes, so nothing is waited for. 0, also if there is no such file; else an errno, see source_strerror: EFBIG if a line is longer than 1 MiB,
 * EINTR if the program was asked to stop. */
int sidefile_read(const char *path, int (*take)(void *arg, char *line), void *arg);

#endif
