/* cubby - the command table. Each command is a file, cmd_NAME.c. */
#include "cli.h"

#include <string.h>

static const struct cli_command table[] = {
    {"init", cmd_init, "STORE", "makes an empty store with INBOX"},
    {"import", cmd_import,
     "[OPTION...] STORE SOURCE...\n"
     "--format auto|mbox|maildir|eml|msg|pst  what the sources are\n"
     "--mbox auto|o|rd|cl|cl2              dialect of mbox files\n"
     "--into FOLDER                        put everything there\n"
     "--no-subfolders                      only the folder itself, not what is below it\n"
     "--dups skip|add|merge                what to do with a message that is there already\n"
     "--dups-scope folder|store            where it counts as being there\n"
     "--gmail-labels folders|keywords|ignore  what Google's labels become\n"
     "--keep-uids                          keep uids and uidvalidity, where the archive has them\n"
     "--password P, --password-file FILE   of a protected archive\n"
     "--recover                            of a PST, also what no folder lists any more\n"
     "--dry-run                            change nothing, say what would be done",
     "brings mail in from mbox, Maildir, message files, PST, and trees of them"},
    {"export", cmd_export,
     "[OPTION...] STORE DEST\n"
     "--format mbox|maildir|eml|pst        what to write\n"
     "--folder FOLDER                      only this folder and what is below it\n"
     "--no-subfolders                      ... without what is below it\n"
     "--uids SET                           only these, of one folder\n"
     "--since DATE, --before DATE          only messages with an internal date in between\n"
     "--verbatim                           no block with flags and dates\n"
     "--password P, --password-file FILE   protect the archive\n"
     "--force                              replace files that are there",
     "writes mail out as mbox, Maildir, message files or PST"},
    {"verify", cmd_verify,
     "[OPTION...] STORE SOURCE...\n"
     "--format auto|mbox|maildir|eml|msg|pst  what the sources are\n"
     "--mbox auto|o|rd|cl|cl2              dialect of mbox files\n"
     "--into FOLDER                        where they were put\n"
     "--no-subfolders                      only the folder itself, not what is below it\n"
     "--dups-scope folder|store            where a message counts as being there\n"
     "--password P, --password-file FILE   of a protected archive",
     "compares an archive with the store, message by message"},
    {"check-archive", cmd_check_archive,
     "[OPTION...] FILE...\n"
     "--format auto|mbox|pst               what the files are\n"
     "--mbox auto|o|rd|cl|cl2              dialect of mbox files",
     "checks an archive by itself"},
    {"ls", cmd_ls,
     "[-l] STORE [FOLDER]\n"
     "-l, --long                           uidvalidity, uidnext, highestmodseq and special uses too",
     "shows the folder tree with its counters"},
    {"scan", cmd_scan,
     "[OPTION...] STORE FOLDER\n"
     "--fields NAME,...                    these header fields\n"
     "--header                             the whole header\n"
     "--flags                              only uid, modseq and flags: the index alone is read\n"
     "--uids SET                           only these uids\n"
     "--since MODSEQ                       only messages changed after that modseq\n"
     "--unseen                             only messages without \\Seen\n"
     "--reverse                            highest uid first\n"
     "--limit N                            at most N messages",
     "lists messages from their headers"},
    {"cat", cmd_cat,
     "[OPTION...] STORE FOLDER UID\n"
     "--part N.N                           the body of this part, numbered as in IMAP\n"
     "--header                             the header (of the message, or of the part)\n"
     "--crlf, --lf                         with these line ends",
     "prints a message or a part of it, to the byte"},
    {"append", cmd_append,
     "[OPTION...] STORE FOLDER [FILE]\n"
     "--flags FLAG,...                     flags and keywords of the message\n"
     "--date DATE                          its internal date (RFC 3339); now if not given",
     "adds one message; prints uidvalidity, uid and modseq"},
    {"flag", cmd_flag, "STORE FOLDER SET (+|-|=)FLAG...", "adds, removes or replaces flags and keywords"},
    {"cp", cmd_cp, "STORE FOLDER SET FOLDER2", "copies messages to another folder"},
    {"mv", cmd_mv, "STORE FOLDER SET FOLDER2", "moves messages to another folder"},
    {"rm", cmd_rm,
     "[--deleted] STORE FOLDER SET\n"
     "--deleted                            only those with \\Deleted",
     "expunges messages"},
    {"folder", cmd_folder,
     "create STORE FOLDER...\n"
     "rename STORE FOLDER NEW\n"
     "delete [-r] STORE FOLDER...          -r, --recursive: with what is below it\n"
     "subscribe STORE FOLDER...\n"
     "unsubscribe STORE FOLDER...\n"
     "special STORE FOLDER USE...          \\Sent \\Drafts \\Trash \\Junk \\Archive \\All \\Flagged \\Important, or none",
     "makes, renames and deletes folders"},
    {"annotate", cmd_annotate,
     "STORE FOLDER [ENTRY [VALUE]]\n"
     "--remove                             remove the entry",
     "shows and changes a folder's annotations"},
    {"changes", cmd_changes,
     "[--since MODSEQ] STORE [FOLDER]\n"
     "--since MODSEQ                       what changed after that modseq (0: all)",
     "tells what is new, changed or gone, and the state to ask from next"},
    {"stat", cmd_stat, "STORE", "shows what the store holds and what it takes"},
    {"fsck", cmd_fsck,
     "[--repair] [--full] [--rebuild-index] STORE\n"
     "--full                               decode and hash every message too\n"
     "--rebuild-index                      then build the index anew from the segments\n"
     "--repair                             put right what is found: nothing is deleted, see cubby-fsck(1)",
     "checks a store, and repairs it on demand"},
    {"dump", cmd_dump, "STORE", "prints the whole logical state: equal states give equal bytes"},
    {"version", cmd_version, "", "shows the versions of the program, the library and the format"},
    {"help", cmd_help, "[COMMAND|limits]", "explains a command, or the limits"},
    {0},
};

/* Announced, and not there yet. */
static const char *const later[] = {"undelete", "watch",   "quota", "acl",      "search",  "large", "detach",
                                    "compact",  "erase",   "maintain", "backup", "restore",  "load",    "upgrade"};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits that make one name of the other (Levenshtein). */
static size_t distance(const char *a, const char *b)
{
    size_t row[32], n = strlen(b);
    if (n > 31)
        return 99;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (; *a; a++) {
        size_t diagonal = row[0];
        row[0]++;
        for (size_t j = 1; j <= n; j++) {
            size_t change = diagonal + (b[j - 1] != *a);
            diagonal = row[j];
            row[j] = least(change, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

static int unknown(const char *name)
{
    const char *best = NULL;
    size_t best_distance = 4;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (strcmp(later[i], name) == 0)
            cli_usage_error("'%s' is not in this version", name);
    for (const struct cli_command *c = table; c->name; c++) {
        size_t d = distance(name, c->name);
        if (d < best_distance) {
            best_distance = d;
            best = c->name;
        }
    }
    if (best && best_distance < strlen(best))
        cli_usage_error("there is no command '%s'; did you mean '%s'?", name, best);
    cli_usage_error("there is no command '%s'", name);
}

int main(int argc, char **argv)
{
    static char out_buffer[1 << 16];
    cli_standard_files();
    cli_commands = table;
    setvbuf(stdout, out_buffer, _IOFBF, sizeof out_buffer);
    cli_signals();
    const char *name = argc > 1 ? argv[1] : NULL;
    if (!name)
        cli_usage_error("a command is missing");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    const struct cli_command *c = cli_command_find(name);
    if (!c)
        return unknown(name);
    cli.command = c->name;
    argv[1] = (char *)c->name;
    return cli_finish(c->run(argc - 1, argv + 1));
}
