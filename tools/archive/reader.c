#include "archive/reader.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const struct reader_format *const reader_formats[] = {&reader_mbox, &reader_maildir, &reader_eml, &reader_msg, &reader_pst, NULL};

const struct reader_format *reader_format_named(const char *name)
{
    for (size_t i = 0; reader_formats[i]; i++)
        if (strcmp(reader_formats[i]->name, name) == 0)
            return reader_formats[i];
    return NULL;
}

void reader_item_release(struct reader_item *item)
{
    free(item->name);
    free(item->reason);
    free(item->folder);
    free(item->original);
    cli_flags_release(&item->flags);
    *item = (struct reader_item){.kind = item->kind};
}

void reader_close(struct reader **r)
{
    if (!*r)
        return;
    free((*r)->note);
    (*r)->format->close(*r);
    *r = NULL;
}

int reader_fail(struct reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->error, sizeof r->error, fmt, args);
    va_end(args);
    return -1;
}
