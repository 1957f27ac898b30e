/* Annotations, and taking over uids and uidvalidity, through the public interface. */
#include "unit/api/api_fixture.h"

static struct fixture fixture, *const f = &fixture;

static cubby_txn *begin(void)
{
    cubby_txn *txn;
    must(cubby_txn_begin(f->s, 0, &txn));
    return txn;
}

START_TEST(annotations)
{
    cubby_snapshot *snap;
    const char *entry = NULL;
    const void *value = NULL;
    size_t len = 99;
    fixture_begin(f);
    cubby_txn *txn = begin();
    must(cubby_annotation_set(txn, f->inbox, "/Shared/b", "two", 3));
    must(cubby_annotation_set(txn, f->inbox, "/shared/a", "", 0));
    ck_assert_int_eq(cubby_annotation_get(cubby_txn_snapshot(txn), f->inbox, "/shared/B", &value, &len), 0); /* its own changes are seen */
    ck_assert_uint_eq(len, 3);
    refuses(cubby_annotation_set(txn, f->inbox, "b", "x", 1), CUBBY_EINVAL);
    refuses(cubby_annotation_set(txn, f->inbox, NULL, "x", 1), CUBBY_EINVAL);
    refuses(cubby_annotation_set(txn, 0, "/shared/b", "x", 1), CUBBY_EINVAL); /* the store's own are the engine's */
    refuses(cubby_annotation_set(txn, 99, "/shared/b", "x", 1), CUBBY_ENOENT);
    must(cubby_txn_commit(&txn, NULL));
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_annotation_next(snap, f->inbox, NULL, &entry, &value, &len));
    ck_assert_str_eq(entry, "/shared/a");
    ck_assert_uint_eq(len, 0);
    must(cubby_annotation_next(snap, f->inbox, entry, &entry, &value, &len)); /* from what it gave itself */
    ck_assert_str_eq(entry, "/shared/b");
    ck_assert_int_eq(memcmp(value, "two", 3), 0);
    ck_assert_int_eq(cubby_annotation_next(snap, f->inbox, "/shared/b", &entry, &value, &len), CUBBY_DONE);
    ck_assert_int_eq(cubby_annotation_get(snap, f->inbox, "/shared/c", &value, &len), CUBBY_DONE);
    refuses(cubby_annotation_get(snap, f->inbox, "*", &value, &len), CUBBY_EINVAL);
    refuses(cubby_annotation_get(snap, 0, "/shared/a", &value, &len), CUBBY_EINVAL);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

/* A message with a uid of the caller's. */
static int add(cubby_txn *txn, uint32_t uid, uint32_t *got)
{
    cubby_message *m = NULL;
    cubby_add_options a = CUBBY_ADD_INIT;
    a.uid = uid;
    must(cubby_message_new(f->s, &m));
    must(cubby_message_write(m, "a: b\n\n", 6));
    must(cubby_message_finish(m));
    int rc = cubby_add(txn, f->inbox, m, &a, got);
    cubby_message_free(&m);
    return rc;
}

START_TEST(uids_from_elsewhere)
{
    cubby_snapshot *snap;
    cubby_folder folder;
    uint32_t uid = 0;
    fixture_begin(f);
    cubby_txn *txn = begin();
    must(cubby_folder_set_uidvalidity(txn, f->inbox, 1275660208));
    must(add(txn, 500, &uid));
    ck_assert_uint_eq(uid, 500);
    refuses(add(txn, 500, &uid), CUBBY_EINVAL);
    must(add(txn, 0, &uid));
    ck_assert_uint_eq(uid, 501);
    refuses(cubby_folder_set_uidvalidity(txn, f->inbox, 5), CUBBY_ECONFLICT);
    refuses(cubby_folder_set_uidvalidity(txn, f->inbox, 0), CUBBY_EINVAL);
    must(cubby_txn_commit(&txn, NULL));
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_folder_get(snap, f->inbox, &folder));
    ck_assert_uint_eq(folder.uidvalidity, 1275660208);
    ck_assert_uint_eq(folder.uidnext, 502);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/annotation", annotations, uids_from_elsewhere)
