#include "result.h"

#include <inttypes.h>

#include "cli.h"
#include "json.h"

/* "3 messages flagged: 1:3, modseq 13", or {"modseq":13,"uids":"1:3","new_uids":"7:9","uidvalidity":1}; new_uids may be NULL. Returns
 * the exit code. */
static int print(const char *done, uint64_t modseq, const cubby_uidset *uids, const cubby_uidset *new_uids, uint32_t uidvalidity)
{
    char *from = NULL, *to = NULL;
    int r = cubby_uidset_format(uids, &from);
    if (r == 0 && new_uids)
        r = cubby_uidset_format(new_uids, &to);
    if (r != 0)
        return cli_store_error(NULL, r);
    uint64_t count = cubby_uidset_count(uids);
    if (cli.json) {
        json_begin(NULL);
        json_uint("modseq", modseq);
        json_str("uids", from);
        if (to) {
            json_str("new_uids", to);
            json_uint("uidvalidity", uidvalidity);
        }
        json_end();
    } else if (!cli.quiet) {
        printf("%" PRIu64 " message%s %s%s%s%s%s, modseq %" PRIu64 "\n", count, count == 1 ? "" : "s", done, count ? ": " : "", from,
               to && count ? " -> " : "", to ? to : "", modseq);
    }
    cubby_string_free(&from);
    cubby_string_free(&to);
    return CLI_OK;
}

static int prepare(struct work *w, const char *path, const char *uids)
{
    cubby_snapshot *snap = cubby_txn_snapshot(w->txn);
    int rc = cli_folder(w->store, snap, path, &w->folder);
    if (rc == CLI_OK)
        rc = cli_uids(w->store, snap, w->folder.id, uids, &w->uids);
    if (rc != CLI_OK)
        return rc;
    int any = cli_uids_any(snap, w->folder.id, w->uids);
    if (any < 0)
        return cli_store_error(w->store, any);
    if (any == 0) {
        cli_error("%s: there is no message with a uid in %s", path, uids);
        return CLI_NEGATIVE;
    }
    return CLI_OK;
}

int work_run(const char *path, const char *folder, const char *uids, const char *done, work_fn act, void *arg)
{
    struct work w = {.done = done};
    uint64_t modseq;
    int rc = cli_open(path, 0, &w.store);
    if (rc != CLI_OK)
        return rc;
    rc = cli_begin(w.store, 0, &w.txn);
    if (rc == CLI_OK)
        rc = prepare(&w, folder, uids);
    if (rc == CLI_OK)
        rc = act(&w, arg);
    if (rc == CLI_OK)
        rc = cli_commit(w.store, &w.txn, &modseq);
    if (rc == CLI_OK)
        rc = print(w.done, modseq, w.changed, w.new_uids, w.uidvalidity);
    cubby_txn_abort(&w.txn);
    cubby_uidset_free(&w.uids);
    cubby_uidset_free(&w.changed);
    cubby_uidset_free(&w.new_uids);
    return cli_close(&w.store, NULL, rc);
}
