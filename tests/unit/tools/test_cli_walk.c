/* Folders that damage has given the same name: the second is called by it with its id behind, and that may be longer than a name can be. */
#include <stdio.h>
#include <string.h>

#include "../../../tools/cli.h"
#include "mail/apply.h"
#include "mail/records.h"
#include "unit/unit.h"

static void log_folder(struct cubby__txn *txn, uint64_t id, uint64_t parent, const char *name)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__folder_encode(&(struct cubby__folder_rec){.id = id, .parent = parent, .uidvalidity = (uint32_t)id, .name = name, .name_len = strlen(name)}, &b);
    ck_assert_int_eq(cubby__txn_log_buf(txn, CUBBY__REC_FOLDER, &b), 0);
}

static void make_twins(const char *dir, const char *name)
{
    struct cubby__store *s;
    struct cubby__txn *txn;
    cubby_error err;
    ck_assert_int_eq(cubby__store_create(dir, NULL, &cubby__mail_handlers, &err), 0);
    ck_assert_int_eq(cubby__store_open(dir, NULL, &cubby__mail_handlers, &s, &err), 0);
    ck_assert_int_eq(cubby__txn_begin(s, 0, &txn, &err), 0);
    log_folder(txn, 10, CUBBY_ROOT, name);
    log_folder(txn, 11, CUBBY_ROOT, name);
    log_folder(txn, 12, 11, "below");
    ck_assert_int_eq(cubby__txn_commit(&txn, NULL), 0);
    ck_assert_int_eq(cubby__store_close(&s, &err), 0);
}

static int collect(void *arg, const char *path, int depth, const cubby_folder *f)
{
    uint64_t *seen = arg;
    (void)depth;
    ck_assert_uint_lt(*seen, 1000); /* of INBOX and these three */
    *seen = *seen * 10 + (f->id == 1 ? 1 : f->id - 8);
    if (f->id == 11)
        ck_assert_str_eq(path + strlen(path) - 3, "~11");
    return 0;
}

START_TEST(each_folder_once)
{
    char dir[] = "/tmp/cubby-walk.XXXXXX", command[64], name[256];
    cubby_store *s;
    cubby_snapshot *snap;
    uint64_t seen = 0;
    memset(name, 'n', 255);
    name[255] = 0;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    make_twins(dir, name);
    ck_assert_int_eq(cubby_open(dir, NULL, &s, NULL), 0);
    ck_assert_int_eq(cubby_snapshot_begin(s, &snap), 0);
    ck_assert_int_eq(cli_walk(snap, CUBBY_ROOT, collect, &seen), 0);
    ck_assert_uint_eq(seen, 1234);
    cubby_snapshot_end(&snap);
    ck_assert_int_eq(cubby_close(&s), 0);
    snprintf(command, sizeof command, "rm -r %s", dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

UNIT_MAIN("tools/cli_walk", each_folder_once)
