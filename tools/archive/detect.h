/* detect.h - what a file or directory is, by its content. */
#ifndef CUBBY_TOOLS_DETECT_H
#define CUBBY_TOOLS_DETECT_H

#include "archive/reader.h"

/* The format of a file that was named by the user: a file of no known kind is an mbox that will say what is wrong with it. */
const struct reader_format *detect_source(const char *path);
/* Of a file found in a directory; NULL: nothing that holds mail. name: its last component. */
const struct reader_format *detect_found(const char *path, const char *name);
/* Is it a file with one message, by its name (.eml, .emlx, .msg, and compressed)? */
int detect_is_message(const char *name, size_t len);
/* Has the directory what a Maildir has: cur and new? 1, 0, or -1: that cannot be found out, with errno. */
int detect_maildir(const char *path);

#endif
