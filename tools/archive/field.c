#include "archive/field.h"

#include <string.h>
#include <strings.h>

/* Length of the line at p with its line end; *text without. */
static size_t line_at(const char *p, size_t n, size_t *text)
{
    const char *nl = memchr(p, '\n', n);
    size_t len = nl ? (size_t)(nl - p) : n;
    *text = nl && len && p[len - 1] == '\r' ? len - 1 : len;
    return nl ? len + 1 : n;
}

static size_t name_length(const char *p, size_t n)
{
    size_t len = 0;
    while (len < n && p[len] > ' ' && p[len] < 0x7f && p[len] != ':')
        len++;
    return len && len < n && p[len] == ':' ? len : 0;
}

int field_next(const char *header, size_t len, size_t *pos, struct field *out)
{
    while (*pos < len) {
        const char *line = header + *pos;
        size_t text, more, step = line_at(line, len - *pos, &text);
        if (text == 0)
            return 0;
        *pos += step;
        size_t name = name_length(line, text);
        if (!name)
            continue;
        size_t end = text;
        while (*pos < len && (header[*pos] == ' ' || header[*pos] == '\t')) {
            size_t at = *pos;
            *pos += line_at(header + at, len - at, &more);
            end = (size_t)(header + at - line) + more;
        }
        *out = (struct field){line, line + name + 1, name, end - name - 1};
        return 1;
    }
    return 0;
}

int field_is(const struct field *f, const char *name)
{
    return strlen(name) == f->name_len && strncasecmp(f->name, name, f->name_len) == 0;
}

int field_find(const char *header, size_t len, const char *name, struct field *out)
{
    size_t pos = 0;
    while (field_next(header, len, &pos, out))
        if (field_is(out, name))
            return 1;
    return 0;
}
