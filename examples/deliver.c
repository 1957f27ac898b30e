/* deliver.c - what an LMTP server does with a message: store it durably, and only then say so.
 *
 * usage: deliver STORE [FOLDER] <message
 *
 * FOLDER is at the top level, INBOX by default, and is made if it is missing. Prints "uidvalidity uid modseq". Exit status: 0 it is on
 * stable storage, 75 try again later (EX_TEMPFAIL), 64 usage.
 *
 *     cc deliver.c $(pkg-config --cflags --libs cubby) -o deliver */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cubby.h>

enum { USAGE = 64, TEMPFAIL = 75 };

/* The library never prints: what went wrong is asked for. */
static int later(cubby_store *store, const char *what, int rc)
{
    cubby_error e = {0};
    if (store)
        cubby_last_error(store, &e);
    fprintf(stderr, "deliver: %s: %s%s%s\n", what, cubby_strerror(rc), e.message[0] ? ": " : "", e.message);
    return TEMPFAIL;
}

/* The message is parsed, hashed and compressed while it comes in; no lock is held, however slow the sender is. */
static int read_message(cubby_message *m)
{
    char buf[65536];
    ssize_t n;
    int rc = 0;
    while (rc == 0 && (n = read(STDIN_FILENO, buf, sizeof buf)) != 0) {
        if (n > 0)
            rc = cubby_message_write(m, buf, (size_t)n);
        else if (errno != EINTR)
            rc = CUBBY_EIO;
    }
    return rc ? rc : cubby_message_finish(m);
}

/* A transaction sees its own changes: the folder that it makes can be used at once. */
static int find_or_create(cubby_txn *txn, const char *name, cubby_folder *folder)
{
    cubby_snapshot *now = cubby_txn_snapshot(txn);
    uint64_t id;
    int rc = cubby_folder_find(now, CUBBY_ROOT, name, strlen(name), folder);
    if (rc != CUBBY_DONE)
        return rc;
    rc = cubby_folder_create(txn, CUBBY_ROOT, name, strlen(name), &id);
    return rc ? rc : cubby_folder_get(now, id, folder);
}

static int add(cubby_store *store, const char *name, cubby_message *m)
{
    cubby_txn *txn = NULL;
    cubby_folder folder;
    uint32_t uid;
    uint64_t modseq;
    int rc = cubby_txn_begin(store, 0, &txn); /* waits for the writer lock, here at most 30 s */
    if (rc == 0)
        rc = find_or_create(txn, name, &folder);
    if (rc == 0)
        rc = cubby_add(txn, folder.id, m, NULL, &uid); /* no options: no flags, internal date is now */
    if (rc == 0)
        rc = cubby_txn_commit(&txn, &modseq); /* returns when it is on stable storage; threads share one sync */
    cubby_txn_abort(&txn);                    /* does nothing after a commit */
    if (rc == 0)
        printf("%" PRIu32 " %" PRIu32 " %" PRIu64 "\n", folder.uidvalidity, uid, modseq);
    /* After CUBBY_EUNKNOWN it may be there or not: the sender comes again, and twice is better than never. */
    return rc ? later(store, name, rc) : 0;
}

int main(int argc, char **argv)
{
    cubby_options options = CUBBY_OPTIONS_INIT;
    cubby_store *store = NULL;
    cubby_message *m = NULL;
    cubby_error e;
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: deliver STORE [FOLDER] <message\n");
        return USAGE;
    }
    options.flags = CUBBY_CREATE;
    options.lock_timeout_ms = 30000;
    int rc = cubby_open(argv[1], &options, &store, &e), status;
    if (rc != 0) {
        fprintf(stderr, "deliver: %s: %s: %s\n", argv[1], cubby_strerror(rc), e.message);
        return TEMPFAIL;
    }
    rc = cubby_message_new(store, &m);
    if (rc == 0)
        rc = read_message(m);
    status = rc ? later(store, "message", rc) : add(store, argc == 3 ? argv[2] : "INBOX", m);
    cubby_message_free(&m);
    cubby_close(&store); /* no acknowledged commit depends on what it returns */
    return status;
}
