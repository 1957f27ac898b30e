/* archive.h - options that the commands for archives share. */
#ifndef CUBBY_TOOLS_ARCHIVE_H
#define CUBBY_TOOLS_ARCHIVE_H

#include "archive/tree.h"

/* A value of --format for reading: NULL is auto. Leaves with a usage error. */
const struct reader_format *archive_format(const char *text);
/* Checks a folder path given on the command line; leaves with a usage error. */
void archive_check_folder(const char *option, const char *path);
/* No source can be looked at: says so and returns 1. */
int archive_none_there(const struct tree *t);
/* The first line of a file, "-": of standard input; owner: the caller, for ever. Leaves if there is none. */
const char *archive_password_file(const char *path);

#endif
