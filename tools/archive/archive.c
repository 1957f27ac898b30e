#include "archive/archive.h"

#include <inttypes.h>
#include <string.h>

#include "cli.h"

int archive_format(const char *text)
{
    static const char *const names[] = {"auto", "mbox", "maildir", "eml", "pst", NULL};
    int which = cli_choice("--format", text, names);
    if (which <= 1)
        return CLI_OK;
    cli_error("--format %s: not supported by this version", names[which]);
    cli_hint("mbox is: `cubby help %s`", cli.command ? cli.command : "import");
    return CLI_FAIL;
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
        cli_error("%s: %s", t->files[i].path, strerror(t->files[i].error));
    return 1;
}
