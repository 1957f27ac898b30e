#include "unit/api/api_fixture.h"

START_TEST(folders)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    cubby_folder a, b;
    cubby_txn *txn;
    uint64_t id;
    fixture_begin(f);
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_folder_create(txn, CUBBY_ROOT, "Lists", 5, &id));
    must(cubby_subscribe(txn, "Lists", 6, 1));
    must(cubby_txn_commit(&txn, NULL));
    must(cubby_snapshot_begin(f->s, &snap));
    ck_assert_uint_gt(cubby_snapshot_modseq(snap), 0);
    must(cubby_folder_get(snap, id, &a));
    ck_assert_str_eq(a.name, "Lists");
    must(cubby_folder_next(snap, CUBBY_ROOT, NULL, 0, &a));
    ck_assert_str_eq(a.name, "INBOX");
    must(cubby_folder_next(snap, CUBBY_ROOT, a.name, a.name_len, &b)); /* behind a name that it gave itself */
    ck_assert_str_eq(b.name, "Lists");
    ck_assert_int_eq(cubby_folder_next(snap, CUBBY_ROOT, b.name, b.name_len, &a), CUBBY_DONE);
    ck_assert_int_eq(cubby_folder_get(snap, id + 9, &a), CUBBY_DONE);
    const char *path;
    size_t len;
    must(cubby_subscription_next(snap, NULL, 0, &path, &len));
    ck_assert_uint_eq(len, 6);
    ck_assert_mem_eq(path, "Lists", 6);
    ck_assert_int_eq(cubby_subscription_next(snap, path, len, &path, &len), CUBBY_DONE);
    refuses(cubby_folder_find(snap, CUBBY_ROOT, NULL, 0, &a), CUBBY_EINVAL);
    refuses(cubby_folder_get(snap, 1, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_folder_get(NULL, 1, &a), CUBBY_EINVAL);
    cubby_snapshot_end(&snap);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

START_TEST(keywords)
{
    static const char *const words[] = {"$Forwarded", "work"};
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    cubby_add_options o = CUBBY_ADD_INIT;
    const cubby_row *row;
    const char *first, *name;
    uint16_t id;
    fixture_begin(f);
    o.keywords = words, o.keyword_count = 2;
    uint32_t uid = fixture_add(f, "x", &o);
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_row_get(snap, f->inbox, uid, 0, &row));
    ck_assert_uint_eq(row->keyword_count, 2);
    must(cubby_keyword_find(snap, "WORK", &id));
    must(cubby_keyword_name(snap, id, &first));
    ck_assert_str_eq(first, "work");
    for (int i = 0; i < 2000; i++) { /* names live as long as the snapshot */
        int rc = cubby_keyword_name(snap, (uint16_t)i, &name);
        ck_assert(rc == 0 || rc == CUBBY_DONE);
    }
    ck_assert_str_eq(first, "work");
    ck_assert_int_eq(cubby_keyword_find(snap, "nobody", &id), CUBBY_DONE);
    ck_assert_int_eq(cubby_keyword_name(snap, UINT16_MAX, &name), CUBBY_DONE);
    refuses(cubby_keyword_name(snap, 1, NULL), CUBBY_EINVAL);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

START_TEST(rows)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    const cubby_row *row;
    fixture_begin(f);
    uint32_t uid = fixture_add(f, "X: 1\nSubject: s\n\nbody", NULL);
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_row_get(snap, f->inbox, uid, CUBBY_WANT_LIST, &row));
    ck_assert_mem_eq(row->list_header, "Subject: s\n", row->list_header_len);
    ck_assert_int_eq(cubby_row_get(snap, f->inbox, uid + 1, 0, &row), CUBBY_DONE);
    refuses(cubby_row_get(snap, f->inbox, uid, 16, &row), CUBBY_EINVAL);
    refuses(cubby_row_get(snap, f->inbox + 5, uid, 0, &row), CUBBY_ENOENT);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

START_TEST(a_snapshot_does_not_change)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    const cubby_row *row;
    cubby_folder folder;
    fixture_begin(f);
    fixture_add(f, "one", NULL);
    must(cubby_snapshot_begin(f->s, &snap));
    uint32_t uid = fixture_add(f, "two", NULL);
    ck_assert_int_eq(cubby_row_get(snap, f->inbox, uid, 0, &row), CUBBY_DONE);
    must(cubby_folder_get(snap, f->inbox, &folder));
    ck_assert_uint_eq(folder.messages, 1);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/snapshot", folders, keywords, rows, a_snapshot_does_not_change)
