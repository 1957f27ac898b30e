/* Expunges messages. */
#include "cli.h"

#include "result.h"

enum { OPT_DELETED = 1 };

static int act(struct work *w, void *arg)
{
    int r = cubby_expunge(w->txn, w->folder.id, w->uids, *(int *)arg, &w->changed);
    return r == 0 ? CLI_OK : cli_store_error(w->store, r);
}

int cmd_rm(int argc, char **argv)
{
    static const struct option own[] = {{"deleted", no_argument, NULL, OPT_DELETED}, {0}};
    int only_deleted = 0;
    while (cli_option(argc, argv, "", own) != -1)
        only_deleted = 1;
    char **args = cli_arguments(argc, argv, 3, 3);
    return work_run(args[0], args[1], args[2], "expunged", act, &only_deleted);
}
