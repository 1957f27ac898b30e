/* write.h - a PST file as a destination of exports: Unicode, written once, from its start to its end. cubby-pst(5) says what it holds. */
#ifndef CUBBY_TOOLS_PST_WRITE_H
#define CUBBY_TOOLS_PST_WRITE_H

#include <stddef.h>

#include "archive/writer.h"

extern const struct writer_format writer_pst;

/* For tests: what is set before open. */
struct pst_write_limits {
    int crypt;            /* PST_CRYPT_... */
    size_t folder_blocks; /* heap blocks of a folder's table before it goes on in another */
};
extern struct pst_write_limits pst_write_limits;

#endif
