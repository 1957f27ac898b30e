/* Shows, sets and removes annotations of folders. */
#include "cli.h"

#include <string.h>

#include "json.h"
#include "text.h"

static const struct option options[] = {{"remove", no_argument, NULL, 'r'}, {NULL, 0, NULL, 0}};

static void print(const char *entry, const void *value, size_t len, int alone)
{
    struct text t = {0};
    if (cli.json) {
        json_begin(NULL);
        json_str("entry", entry);
        json_bytes("value", value, len);
        json_end();
        return;
    }
    text_safe(&t, value, len);
    if (!alone)
        printf("%s\t", entry);
    printf("%s\n", t.data ? t.data : "");
    text_release(&t);
}

/* entry NULL: all. */
static int show(cubby_store *store, cubby_snapshot *snap, const char *path, const char *entry)
{
    struct text after = {0};
    cubby_folder f;
    const char *name;
    const void *value;
    size_t len;
    int rc = cli_folder(store, snap, path, &f), r = 0;
    if (rc != CLI_OK)
        return rc;
    if (entry) {
        r = cubby_annotation_get(snap, f.id, entry, &value, &len);
        if (r == 0)
            print(entry, value, len, 1);
        if (r == CUBBY_DONE && !cli.json)
            cli_error("%s: has no annotation %s", path, entry);
        return r < 0 ? cli_store_error(store, r) : r == 0 ? CLI_OK : CLI_NEGATIVE;
    }
    while ((r = cubby_annotation_next(snap, f.id, after.data, &name, &value, &len)) == 0) {
        print(name, value, len, 0);
        text_clear(&after);
        text_add(&after, name, strlen(name));
    }
    text_release(&after);
    return r < 0 ? cli_store_error(store, r) : CLI_OK;
}

/* value NULL: removed. */
static int change(cubby_store *store, const char *path, const char *entry, const char *value)
{
    cubby_txn *txn = NULL;
    cubby_folder f;
    uint64_t modseq;
    int rc = cli_begin(store, 0, &txn);
    if (rc == CLI_OK)
        rc = cli_folder(store, cubby_txn_snapshot(txn), path, &f);
    if (rc == CLI_OK) {
        int r = cubby_annotation_set(txn, f.id, entry, value, value ? strlen(value) : 0);
        rc = r < 0 ? cli_store_error(store, r) : CLI_OK;
    }
    if (rc == CLI_OK)
        rc = cli_commit(store, &txn, &modseq);
    cubby_txn_abort(&txn);
    if (rc == CLI_OK && cli.json) {
        json_begin(NULL);
        json_uint("modseq", modseq);
        json_end();
    }
    return rc;
}

int cmd_annotate(int argc, char **argv)
{
    cubby_store *store = NULL;
    cubby_snapshot *snap = NULL;
    int remove = 0;
    while (cli_option(argc, argv, "", options) != -1)
        remove = 1;
    char **args = cli_arguments(argc, argv, remove ? 3 : 2, remove ? 3 : 4);
    int count = (int)(argv + argc - args), changes = remove || count == 4;
    int rc = changes ? cli_open(args[0], 0, &store) : cli_open_view(args[0], &store, &snap);
    if (rc != CLI_OK)
        return rc;
    rc = changes ? change(store, args[1], args[2], remove ? NULL : args[3]) : show(store, snap, args[1], count > 2 ? args[2] : NULL);
    return cli_close(&store, &snap, rc);
}
