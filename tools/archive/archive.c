#include "archive/archive.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/source.h"
#include "cli.h"
#include "text.h"

const struct reader_format *archive_format(const char *text)
{
    struct text known = {0};
    const struct reader_format *f = reader_format_named(text);
    if (f || strcmp(text, "auto") == 0)
        return f;
    text_add(&known, "auto", 4);
    for (size_t i = 0; reader_formats[i]; i++) {
        text_byte(&known, ' ');
        text_add(&known, reader_formats[i]->name, strlen(reader_formats[i]->name));
    }
    cli_usage_error("--format: '%s' is not one of: %s", text, known.data);
}

const char *archive_password_file(const char *path)
{
    char *password = password_from_file(path);
    if (!password)
        exit(CLI_FAIL);
    return password;
}

void archive_check_folder(const char *option, const char *path)
{
    char name[256];
    size_t len;
    int rc;
    const char *at = path;
    while ((rc = cli_path_next(&at, name, &len)) == 0)
        ;
    if (rc != CUBBY_DONE || !*path)
        cli_usage_error("%s: '%s' is not a folder path: components of 1 to 255 bytes with '/' between them", option, path);
}

int archive_none_there(const struct tree *t)
{
    if (t->count == 0)
        cli_error("no mailbox found in the sources (files left out: %" PRIu64 "; -v names them)", t->ignored);
    for (size_t i = 0; i < t->count; i++)
        if (!t->files[i].error)
            return 0;
    for (size_t i = 0; i < t->count; i++)
        cli_error("%s: %s", t->files[i].path, source_strerror(t->files[i].error));
    return 1;
}
