/* Random transactions of several operations, some of them lazy, some aborted; small segments and checkpoints, so that there are many.
 * usage: driver STORE SEED TRANSACTIONS KILL
 * After each transaction the process kills itself with a chance of one in KILL (0: never). Exits 1 if an operation fails that must not. */
#include "cubby.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LENGTH(a) (sizeof(a) / sizeof(a)[0])
enum { FOLDERS_MAX = 200, BODY_MAX = 300000 };
enum operation { FLAG, CLAIM, ADD, ADD_MORE, COPY, MOVE, EXPUNGE, CREATE, RENAME, DELETE, SPECIAL, ANNOTATE, SUBSCRIBE, OPERATIONS };

static const char *KEYWORDS[] = {"a", "b", "$Junk", "$Forwarded", "c4", "c5", "c6", "c7", "c8", "c9", "ca", "cb", "cc", "cd", "ce", "cf"};
static uint64_t random_state;

static unsigned roll(unsigned n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (unsigned)((random_state >> 11) % n);
}

struct run {
    cubby_store *store;
    cubby_message *message;
    cubby_txn *txn;
    uint64_t folders[FOLDERS_MAX];
    unsigned folder_count;
    const char *keywords[3];
    size_t keyword_count;
};

static void list_folders(struct run *r, cubby_snapshot *snapshot, uint64_t parent)
{
    cubby_folder f;
    char after[sizeof f.name] = "";
    size_t len = 0;
    while (r->folder_count < FOLDERS_MAX && cubby_folder_next(snapshot, parent, after, len, &f) == CUBBY_OK) {
        len = f.name_len;
        memcpy(after, f.name, len);
        r->folders[r->folder_count++] = f.id;
        list_folders(r, snapshot, f.id);
    }
}

static uint64_t any_folder(struct run *r) { return r->folders[roll(r->folder_count)]; }

static int make_message(struct run *r)
{
    static char body[BODY_MAX];
    char header[300];
    const char *date = roll(3) ? "Fri, 21 Nov 1997 09:55:06 -0600" : "rubbish";
    size_t len = roll(20) ? roll(2000) : roll(BODY_MAX);
    int n = snprintf(header, sizeof header, "From: a%u@b\nSubject: s%u\nDate: %s\nX-R: %u\n\n", roll(99), roll(1000), date, roll(100000));
    for (size_t i = 0; i < len; i++)
        body[i] = (char)(roll(2) ? 'x' : roll(256));
    int rc = r->message ? (cubby_message_reset(r->message), CUBBY_OK) : cubby_message_new(r->store, &r->message);
    if (!rc)
        rc = cubby_message_write(r->message, header, (size_t)n);
    if (!rc)
        rc = cubby_message_write(r->message, body, len);
    return rc ? rc : cubby_message_finish(r->message);
}

static int add(struct run *r, uint64_t folder, uint32_t uidnext)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    uint32_t uid = 0;
    o.flags = (uint8_t)roll(32);
    o.keywords = r->keywords;
    o.keyword_count = r->keyword_count;
    o.internaldate = (int64_t)roll(2000000000) - 1000000000;
    o.internaldate_zone = (int16_t)((int)roll(2879) - 1439);
    o.has_date = (int)roll(2);
    if (roll(8) == 0)
        o.uid = uidnext + roll(5) + (roll(20) ? 0 : 100000);
    return cubby_add(r->txn, folder, r->message, &o, &uid);
}

static int create(struct run *r, uint64_t parent, const char *name)
{
    uint64_t id = 0;
    if (r->folder_count == FOLDERS_MAX)
        return CUBBY_OK;
    int rc = cubby_folder_create(r->txn, roll(2) ? CUBBY_ROOT : parent, name, strlen(name), &id);
    if (rc)
        return rc;
    r->folders[r->folder_count++] = id;
    return roll(3) ? CUBBY_OK : cubby_folder_set_uidvalidity(r->txn, id, 1000 + roll(100000));
}

static int delete_folder(struct run *r, uint64_t folder)
{
    if (roll(3) || cubby_folder_delete(r->txn, folder) != CUBBY_OK)
        return CUBBY_OK;
    for (unsigned i = 0; i < r->folder_count; i++)
        if (r->folders[i] == folder)
            r->folders[i--] = r->folders[--r->folder_count];
    return CUBBY_OK;
}

static void some_uids(cubby_uidset *set, uint32_t uidnext)
{
    for (unsigned n = roll(4) + 1; n; n--) {
        uint32_t first = 1 + roll(uidnext > 1000 ? 1000 : uidnext);
        if (uidnext > 1000 && roll(2))
            first = uidnext - 1 - roll(50);
        cubby_uidset_add(set, first, first + roll(2) * roll(30));
    }
}

static int operate(struct run *r, enum operation op, uint64_t folder, uint64_t other, const cubby_uidset *uids, uint32_t uidnext)
{
    char name[40], entry[40];
    uint32_t first = 0;
    snprintf(name, sizeof name, "n%u", roll(60));
    snprintf(entry, sizeof entry, "/shared/c%u", roll(5));
    switch (op) {
    case FLAG: return cubby_flag(r->txn, folder, uids, (int)roll(3), (uint8_t)roll(32), r->keywords, r->keyword_count, NULL);
    case CLAIM: return cubby_recent_claim(r->txn, folder, &first);
    case ADD:
    case ADD_MORE: return add(r, folder, uidnext);
    case COPY: return cubby_copy(r->txn, folder, uids, other, NULL, NULL);
    case MOVE: return cubby_move(r->txn, folder, uids, other, NULL, NULL);
    case EXPUNGE: return cubby_expunge(r->txn, folder, uids, (int)roll(2), NULL);
    case CREATE: return create(r, folder, name);
    case RENAME: return cubby_folder_rename(r->txn, folder, roll(2) ? CUBBY_ROOT : other, name, strlen(name));
    case DELETE: return delete_folder(r, folder);
    case SPECIAL: return cubby_folder_set_special(r->txn, folder, roll(256));
    case ANNOTATE: return cubby_annotation_set(r->txn, folder, entry, roll(3) ? name : NULL, strlen(name));
    default: return cubby_subscribe(r->txn, name, strlen(name) + 1, (int)roll(2));
    }
}

static int failed(const char *what, int rc)
{
    if (rc == CUBBY_EIO || rc == CUBBY_ENOMEM || rc == CUBBY_ENOSPC || rc == CUBBY_ECORRUPT) {
        printf("%s: %d\n", what, rc);
        return 1;
    }
    return 0; /* a name that is taken, a folder below itself: such things happen here */
}

static int one_operation(struct run *r, int lazy)
{
    cubby_folder f;
    cubby_uidset *uids = NULL;
    uint64_t folder = any_folder(r);
    if (cubby_folder_get(cubby_txn_snapshot(r->txn), folder, &f) != CUBBY_OK || cubby_uidset_new(&uids) != CUBBY_OK)
        return 0;
    some_uids(uids, f.uidnext);
    r->keyword_count = roll(4);
    for (size_t i = 0; i < LENGTH(r->keywords); i++)
        r->keywords[i] = KEYWORDS[roll(LENGTH(KEYWORDS))];
    int rc = operate(r, (enum operation)roll(lazy ? CLAIM + 1 : OPERATIONS), folder, any_folder(r), uids, f.uidnext);
    cubby_uidset_free(&uids);
    return failed("operation", rc);
}

static int transaction(struct run *r, unsigned kill_chance)
{
    int bad = failed("message", make_message(r)), lazy = roll(3) == 0;
    int rc = cubby_txn_begin(r->store, lazy ? CUBBY_LAZY : 0, &r->txn);
    if (rc)
        return printf("begin: %d\n", rc), 1;
    r->folder_count = 0;
    list_folders(r, cubby_txn_snapshot(r->txn), CUBBY_ROOT);
    for (unsigned n = 1 + roll(6); n; n--)
        bad |= one_operation(r, lazy);
    if (roll(15) == 0)
        cubby_txn_abort(&r->txn);
    else
        bad |= failed("commit", cubby_txn_commit(&r->txn, NULL));
    if (kill_chance && roll(kill_chance) == 0)
        kill(getpid(), SIGKILL);
    return bad;
}

int main(int argc, char **argv)
{
    struct run r = {0};
    cubby_options o = CUBBY_OPTIONS_INIT;
    int bad = 0;
    if (argc != 5)
        return 2;
    random_state = strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15ull + 1;
    o.flags = CUBBY_CREATE;
    o.segment_bytes = (uint64_t)(32 + roll(300)) * 1024;
    o.checkpoint_bytes = 1024u * (4 + roll(64));
    int rc = cubby_open(argv[1], &o, &r.store, NULL);
    if (rc)
        return printf("open: %d\n", rc), 1;
    for (int n = atoi(argv[3]); n > 0; n--)
        bad |= transaction(&r, (unsigned)atoi(argv[4]));
    cubby_message_free(&r.message);
    return cubby_close(&r.store) != CUBBY_OK || bad;
}
