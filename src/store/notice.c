/* notice.c - telling the embedder what an operator should know (cubby_options.notice). */
#include <stdarg.h>
#include <stdio.h>

#include "store/internal.h"

void cubby__notice(struct cubby__store *s, const char *fmt, ...)
{
    char line[512];
    if (!s->o.notice)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    s->o.notice(s->o.notice_arg, line);
}
