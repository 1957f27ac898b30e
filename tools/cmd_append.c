/* Adds one message, from a file or standard input. */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"

enum { OPT_FLAGS = 1, OPT_DATE };

struct request {
    struct cli_flags flags;
    int has_date;
    int64_t date;
    int16_t zone;
};

/* Streams the file into the message: no lock is held meanwhile. */
static int read_message(cubby_store *store, int fd, const char *name, cubby_message *m)
{
    enum { CHUNK = 256 << 10 };
    char *buf = cli_malloc(CHUNK);
    int rc = CLI_OK;
    while (rc == CLI_OK) {
        ssize_t n = read(fd, buf, CHUNK);
        if (cli_interrupted)
            rc = CLI_INTERRUPTED;
        else if (n < 0 && errno != EINTR)
            rc = cli_system_error(name);
        if (n == 0)
            break;
        if (n < 0)
            continue;
        int r = cubby_message_write(m, buf, (size_t)n);
        if (r != 0)
            rc = cli_store_error(store, r);
    }
    free(buf);
    if (rc != CLI_OK)
        return rc;
    int r = cubby_message_finish(m);
    return r == 0 ? CLI_OK : cli_store_error(store, r);
}

static void print_result(uint32_t uidvalidity, uint32_t uid, uint64_t modseq)
{
    if (!cli.json) {
        printf("%" PRIu32 " %" PRIu32 " %" PRIu64 "\n", uidvalidity, uid, modseq);
        return;
    }
    json_begin(NULL);
    json_uint("uidvalidity", uidvalidity);
    json_uint("uid", uid);
    json_uint("modseq", modseq);
    json_end();
}

static int add_message(cubby_store *store, const char *path, cubby_message *m, const struct request *q)
{
    cubby_add_options options = CUBBY_ADD_INIT;
    cubby_txn *txn = NULL;
    cubby_folder folder;
    uint32_t uid;
    uint64_t modseq;
    options.flags = q->flags.system;
    options.keywords = (const char *const *)q->flags.keywords;
    options.keyword_count = q->flags.keyword_count;
    options.internaldate = q->date;
    options.internaldate_zone = q->zone;
    options.has_date = q->has_date;
    int rc = cli_begin(store, 0, &txn);
    if (rc == CLI_OK)
        rc = cli_folder(store, cubby_txn_snapshot(txn), path, &folder);
    if (rc == CLI_OK) {
        int r = cubby_add(txn, folder.id, m, &options, &uid);
        rc = r == 0 ? CLI_OK : cli_store_error(store, r);
    }
    if (rc == CLI_OK)
        rc = cli_commit(store, &txn, &modseq);
    if (rc == CLI_OK)
        print_result(folder.uidvalidity, uid, modseq);
    cubby_txn_abort(&txn);
    return rc;
}

static int append(cubby_store *store, const char *folder, const char *file, const struct request *q)
{
    int standard = strcmp(file, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return cli_system_error(file);
    cubby_message *m = NULL;
    int r = cubby_message_new(store, &m);
    int rc = r == 0 ? read_message(store, fd, standard ? "standard input" : file, m) : cli_store_error(store, r);
    if (!standard)
        close(fd);
    if (rc == CLI_OK)
        rc = add_message(store, folder, m, q);
    cubby_message_free(&m);
    return rc;
}

/* Before anything is read: a folder that is not there need not wait for standard input. */
static int check_folder(cubby_store *store, const char *path)
{
    cubby_snapshot *snap = NULL;
    cubby_folder folder;
    int rc = cli_snapshot(store, &snap);
    if (rc == CLI_OK)
        rc = cli_folder(store, snap, path, &folder);
    cubby_snapshot_end(&snap);
    return rc;
}

int cmd_append(int argc, char **argv)
{
    static const struct option own[] = {{"flags", required_argument, NULL, OPT_FLAGS}, {"date", required_argument, NULL, OPT_DATE}, {0}};
    struct request q = {.flags = CLI_FLAGS_INIT};
    cubby_store *store = NULL;
    for (int o; (o = cli_option(argc, argv, "", own)) != -1;) {
        if (o == OPT_DATE) {
            cli_date("--date", optarg, &q.date, &q.zone);
            q.has_date = 1;
        } else if (cli_flags_add(&q.flags, optarg) != 0) {
            cli_usage_error("--flags: '%s' holds something that is no flag", optarg);
        }
    }
    char **args = cli_arguments(argc, argv, 2, 3);
    cli_flags_sort(&q.flags);
    int rc = cli_open(args[0], 0, &store);
    if (rc != CLI_OK)
        return rc;
    rc = check_folder(store, args[1]);
    if (rc == CLI_OK)
        rc = append(store, args[1], args[2] ? args[2] : "-", &q);
    cli_flags_release(&q.flags);
    return cli_close(&store, NULL, rc);
}
