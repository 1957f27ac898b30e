#include "archive/detect.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/field.h"
#include "archive/names.h"
#include "archive/postmark.h"
#include "archive/source.h"

static int exists(const char *path, const char *ending)
{
    struct stat st;
    char *other = cli_printf("%s%s", path, ending);
    int yes = stat(other, &st) == 0;
    free(other);
    return yes;
}

/* 1, 0, or -1: it cannot be found out, with errno. Not through a link that somebody else made. */
static int is_directory(const char *path, const char *name)
{
    char *other = cli_printf("%s/%s", path, name);
    int e = source_check_found(other) == 0 ? 0 : errno;
    free(other);
    errno = e;
    return e == EISDIR ? 1 : e == 0 || e == ENOENT || e == ENOTDIR || e == ENXIO ? 0 : -1;
}

int detect_maildir(const char *path)
{
    int is = is_directory(path, "cur");
    return is > 0 ? is_directory(path, "new") : is;
}

int detect_is_message(const char *name, size_t len)
{
    static const char *const packed[] = {".gz", ".xz", ".zst", ".bz2", NULL};
    for (int i = 0; packed[i]; i++)
        if (names_ends(name, len, packed[i])) {
            len -= strlen(packed[i]);
            break;
        }
    return names_ends(name, len, ".eml") || names_ends(name, len, ".emlx") || names_ends(name, len, ".msg");
}

/* ---- by content ---------------------------------------------------------------------------------------------------------------------- */

/* The first bytes, decompressed; -1: cannot be read. */
static int64_t head_of(const char *path, char *head, size_t size)
{
    struct source *s = source_open(path);
    int64_t n = s ? source_read(s, head, size) : -1;
    source_close(&s);
    return n;
}

static const struct reader_format *by_magic(const char *head, size_t n)
{
    static const struct {
        const char *magic, *format;
        size_t len;
    } known[] = {{"!BDN", "pst", 4}, {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "msg", 8}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (n >= known[i].len && memcmp(head, known[i].magic, known[i].len) == 0)
            return reader_format_named(known[i].format);
    return NULL;
}

static int begins_like_mbox(const char *head, size_t n)
{
    struct postmark mark;
    size_t i = n >= 3 && memcmp(head, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < n && (head[i] == '\n' || head[i] == '\r'))
        i++;
    const char *nl = memchr(head + i, '\n', n - i);
    size_t len = nl ? (size_t)(nl - head) - i : n - i;
    return postmark_parse_first(head + i, len, &mark) != POSTMARK_NONE;
}

/* Two header fields at least, from the first line on. */
static int begins_like_message(const char *head, size_t n)
{
    struct field f;
    size_t pos = 0;
    return field_next(head, n, &pos, &f) && f.name == head && field_next(head, n, &pos, &f);
}

/* What is read from a pipe to look at it would be missing later. */
static int is_stream(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode);
}

const struct reader_format *detect_source(const char *path)
{
    char head[4096];
    int64_t n = strcmp(path, "-") == 0 || is_stream(path) ? 0 : head_of(path, head, sizeof head);
    const struct reader_format *f = n > 0 ? by_magic(head, (size_t)n) : NULL;
    if (f || n < 0)
        return f ? f : &reader_mbox;
    if (detect_is_message(path, strlen(path)))
        return &reader_eml;
    return n && !begins_like_mbox(head, (size_t)n) && begins_like_message(head, (size_t)n) ? &reader_eml : &reader_mbox;
}

/* ---- in directories ------------------------------------------------------------------------------------------------------------------ */

static int never_mail(const char *name, size_t len)
{
    static const char *const endings[] = {".msf", ".dat", ".html", ".json", ".sqlite", ".lock", ".log", ".ini", ".plist", NULL};
    for (int i = 0; endings[i]; i++)
        if (names_ends(name, len, endings[i]))
            return 1;
    return 0;
}

/* Files without an ending must show what they are; an empty one may be a folder without messages. */
static const struct reader_format *by_head(const char *path, const char *name)
{
    char head[4096];
    int64_t n = head_of(path, head, sizeof head);
    if (n < 0)
        return &reader_mbox; /* the error is told when it is read */
    if (n == 0)
        return exists(path, ".msf") || exists(path, ".sbd") || !strchr(name, '.') ? &reader_mbox : NULL;
    const struct reader_format *f = by_magic(head, (size_t)n);
    return f ? f : begins_like_mbox(head, (size_t)n) ? &reader_mbox : NULL;
}

const struct reader_format *detect_found(const char *path, const char *name)
{
    size_t len = strlen(name), stem = names_stem(name);
    if (detect_is_message(name, len))
        return &reader_eml;
    if (stem < len && names_ends(name, stem + 5 < len ? stem + 5 : len, ".mbox"))
        return &reader_mbox;
    return never_mail(name, len) ? NULL : by_head(path, name);
}
