/* field.h - the header fields of a message that lies in memory, whole or in part. */
#ifndef CUBBY_TOOLS_FIELD_H
#define CUBBY_TOOLS_FIELD_H

#include <stddef.h>

struct field { /* borrowed from the header */
    const char *name, *value; /* the value keeps its folding, but not its last line end */
    size_t name_len, value_len;
};

/* The next field from *pos on (0 at first). 1, or 0 at the end of the header. Lines that are no field are passed over. */
int field_next(const char *header, size_t len, size_t *pos, struct field *out);
int field_is(const struct field *f, const char *name); /* in any case */
/* The first one of that name. */
int field_find(const char *header, size_t len, const char *name, struct field *out);

#endif
