#include "transfer.h"

#include "cli.h"
#include "result.h"

struct transfer {
    const char *target;
    transfer_fn fn;
};

static int act(struct work *w, void *arg)
{
    const struct transfer *t = arg;
    cubby_folder target;
    int rc = cli_folder(w->store, cubby_txn_snapshot(w->txn), t->target, &target);
    if (rc != CLI_OK)
        return rc;
    w->uidvalidity = target.uidvalidity;
    int r = t->fn(w->txn, w->folder.id, w->uids, target.id, &w->changed, &w->new_uids);
    return r == 0 ? CLI_OK : cli_store_error(w->store, r);
}

int transfer_command(int argc, char **argv, const char *done, transfer_fn fn)
{
    while (cli_option(argc, argv, "", NULL) != -1)
        ;
    char **args = cli_arguments(argc, argv, 4, 4);
    struct transfer t = {args[3], fn};
    return work_run(args[0], args[1], args[2], done, act, &t);
}
