/* check.h - is a PST file what the format says, down to the last bit? Errors are what Outlook or its repair program would stumble over;
 * warnings are what no reader minds. Memory: 16 bytes a block, two bits for every 64 bytes of the file. */
#ifndef CUBBY_TOOLS_PST_CHECK_H
#define CUBBY_TOOLS_PST_CHECK_H

#include "archive/pst/store.h"

enum { PST_CHECK_WARNING = PST_WARNING, PST_CHECK_ERROR = PST_DAMAGE };

struct pst_checked {
    char format[40]; /* "Unicode", ... */
    unsigned version, crypt;
    int password; /* one is set */
    uint64_t bytes, pages, blocks, nodes, folders, messages, associated, attachments, embedded;
    uint64_t free; /* bytes that no page or block takes */
    uint64_t errors, warnings;
};

typedef void (*pst_check_fn)(void *arg, int severity, uint64_t offset, const char *text);
/* Called now and then; non-zero: stop. */
typedef int (*pst_check_progress)(void *arg, uint64_t done, uint64_t total);

/* 0: it was looked at, see out->errors. -1: it is no PST file or cannot be read at all; error says why (one line) and *offset where.
 * 1: stopped. */
int pst_check(const char *path, pst_check_fn tell, pst_check_progress progress, void *arg, struct pst_checked *out, char error[256],
              uint64_t *offset);

#endif
