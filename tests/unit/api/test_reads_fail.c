/* A read of the index fails once, inside a transaction: what was asked for fails, or is done as a whole. */
#include <errno.h>
#include <stdio.h>

#include "unit/api/api_fixture.h"
#include "unit/fault_vfs.h"

enum { MESSAGES = 600 };

static uint64_t folder_with_messages(struct fixture *f)
{
    cubby_txn *txn;
    uint64_t id;
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_folder_create(txn, CUBBY_ROOT, "x", 1, &id));
    for (int i = 0; i < MESSAGES; i++) {
        char text[64];
        snprintf(text, sizeof text, "Subject: %d\n\nbody\n", i);
        cubby_message *m = fixture_message(f, text);
        must(cubby_add(txn, id, m, NULL, NULL));
        cubby_message_free(&m);
    }
    must(cubby_txn_commit(&txn, NULL));
    return id;
}

static int told(void *arg, const cubby_finding *finding)
{
    snprintf(arg, 200, "%s %.150s", finding->code, finding->detail);
    return 1;
}

/* Nothing of it stays in memory, so each step reads. */
static int delete_with(int at)
{
    struct fixture fixture, *f = &fixture;
    struct fault x;
    cubby_txn *txn;
    cubby_check_result r;
    char why[200] = "";
    fixture_begin(f);
    uint64_t id = folder_with_messages(f);
    must(cubby_close(&f->s));
    fault_init(&x, f->o.vfs);
    cubby_options o = f->o;
    o.vfs = &x.vfs;
    o.cache_bytes = 1;
    ck_assert_int_eq(cubby_open("/s", &o, &f->s, NULL), 0);
    must(cubby_txn_begin(f->s, 0, &txn));
    fault_set(&x, FAULT_PREAD, "index", at, -EIO, 0);
    int rc = cubby_folder_delete(txn, id), hit = x.hits;
    x.rc = 0;
    int committed = cubby_txn_commit(&txn, NULL);
    ck_assert_msg(rc == 0 ? committed == 0 : rc == CUBBY_EIO && hit && committed != 0, "read %d: delete %d, commit %d", at, rc, committed);
    must(cubby_close(&f->s));
    ck_assert_int_eq(cubby_check("/s", &f->o, 0, told, why, &r, NULL), 0);
    ck_assert_msg(r.findings == 0, "read %d: %s", at, why);
    cubby__memfs_free(&f->fs);
    return hit;
}

START_TEST(deleting_a_folder)
{
    int at = 0;
    while (delete_with(at))
        at++;
    ck_assert_int_gt(at, 5);
}
END_TEST

UNIT_MAIN("api/reads_fail", deleting_a_folder)
