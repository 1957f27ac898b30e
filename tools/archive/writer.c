#include "archive/writer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "archive/pst/write.h"

const struct writer_format *const writer_formats[] = {&writer_mbox, &writer_maildir, &writer_eml, &writer_pst, NULL};

const struct writer_format *writer_format_named(const char *name)
{
    for (size_t i = 0; writer_formats[i]; i++)
        if (strcmp(writer_formats[i]->name, name) == 0)
            return writer_formats[i];
    return NULL;
}

void writer_close(struct writer **w)
{
    if (!*w)
        return;
    (*w)->format->close(*w);
    *w = NULL;
}

int writer_refuse(struct writer *w, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(w->reason, sizeof w->reason, fmt, args);
    va_end(args);
    return WRITER_REFUSED;
}
