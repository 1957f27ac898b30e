/* Explains a command, or the limits. */
#include "cli.h"

#include <string.h>

static const char limits[] =
    "a store            one directory; any number of readers, one writer at a time\n"
    "message            any bytes, up to what the file system holds\n"
    "folder name        1 to 255 bytes of UTF-8 in NFC, no control characters\n"
    "folder depth       64\n"
    "folders a store    as many as have names of 3.6 MiB, with 100 bytes for each: 30000 with names of 20 bytes\n"
    "subscriptions      in the same 3.6 MiB, with 16 bytes for each\n"
    "uid                1 to 4294967295; a folder takes no more messages when they are used up\n"
    "keyword            an IMAP atom of 1 to 255 ASCII characters, the same in any case\n"
    "keywords a store   1024\n"
    "MIME parts         10000 a message, 100 deep; what lies beyond is one part\n"
    "header             256 KiB are kept apart for scans, 128 KiB if as many are fields that lists do not show; the rest is stored with the body\n"
    "internal date      any second, zone up to 23:59 east or west\n"
    "readers            448 open handles at a time\n"
    "segments           99999999, of at most 64 MiB unless one transaction is larger\n"
    "file systems       local ones; not NFS, SMB, AFS, Ceph, Lustre, GFS2 or OCFS2\n";

static const char common[] = "  -q, --quiet                          only errors on standard error\n"
                             "  -v, --verbose                        say more\n"
                             "  --json                               JSON Lines instead of text\n"
                             "  --progress=auto|always|never         the progress bar of long work\n"
                             "  --wait SECONDS                       for the writer lock (10)\n"
                             "  -h, --help                           this text\n";

static const char exits[] = "\nExit codes: 0 ok, 1 negative answer or some items failed, 4 problems left, 8 operational error, 16 usage,\n"
                            "130 stopped.\n";

static void overview(void)
{
    puts("usage: cubby COMMAND [OPTION...] STORE [ARGUMENT...]\n");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        printf("  %-15s %s\n", c->name, c->summary);
    puts("\n`cubby help COMMAND` explains one of them, `cubby help limits` shows what has a bound.");
    puts("Folders are paths such as INBOX or Lists/man, with %2F for a '/' and %25 for a '%' in a name.");
    fputs(exits, stdout);
}

/* `folder` has a synopsis line per verb; of the others the first line is the synopsis and the rest are options. */
static void explain(const struct cli_command *c)
{
    const char *line = c->usage, *end = strchr(line, '\n');
    int verbs = c->run == cmd_folder;
    printf("usage: cubby %s %.*s\n", c->name, (int)(end ? end - line : (long)strlen(line)), line);
    if (!verbs)
        printf("\ncubby %s %s.\n\n", c->name, c->summary);
    while (end) {
        line = end + 1;
        end = strchr(line, '\n');
        printf(verbs ? "       cubby folder %.*s\n" : "  %.*s\n", (int)(end ? end - line : (long)strlen(line)), line);
    }
    if (verbs)
        printf("\ncubby %s %s.\n\n", c->name, c->summary);
    fputs(common, stdout);
    printf("\nMore: man cubby-%s\n", c->name);
}

int cli_help(const char *name)
{
    const struct cli_command *c = cli_command_find(name);
    if (!c)
        cli_usage_error("there is no command '%s'", name);
    explain(c);
    return CLI_OK;
}

int cmd_help(int argc, char **argv)
{
    while (cli_option(argc, argv, "", NULL) != -1)
        ;
    char **args = cli_arguments(argc, argv, 0, 1);
    if (args[0] && strcmp(args[0], "limits") == 0)
        fputs(limits, stdout);
    else if (args[0])
        return cli_help(args[0]);
    else
        overview();
    return CLI_OK;
}
