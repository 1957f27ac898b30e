#include "unit/api/api_fixture.h"

static uint64_t count(struct fixture *f)
{
    cubby_snapshot *snap;
    cubby_folder inbox;
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_folder_get(snap, f->inbox, &inbox));
    cubby_snapshot_end(&snap);
    return inbox.messages;
}

START_TEST(commit_and_abort)
{
    struct fixture fx, *f = &fx;
    cubby_txn *txn;
    cubby_folder inbox;
    uint64_t modseq, number;
    uint32_t uid;
    fixture_begin(f);
    cubby_message *m = fixture_message(f, "Subject: x\n\nbody\n");
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_add(txn, f->inbox, m, NULL, NULL));
    cubby_snapshot *snap = cubby_txn_snapshot(txn);
    must(cubby_folder_get(snap, f->inbox, &inbox));
    ck_assert_uint_eq(inbox.messages, 1); /* sees its own changes */
    cubby_snapshot_end(&snap);            /* does no harm */
    cubby_txn_abort(&txn);
    ck_assert_ptr_null(txn);
    ck_assert_uint_eq(count(f), 0);
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_add(txn, f->inbox, m, NULL, &uid));
    must(cubby_add(txn, f->inbox, m, NULL, &uid));
    number = cubby_txn_modseq(txn);
    must(cubby_txn_commit(&txn, &modseq));
    ck_assert_uint_eq(modseq, number);
    ck_assert_uint_eq(uid, 2);
    ck_assert_uint_eq(count(f), 2);
    cubby_stat stat;
    must(cubby_store_stat(f->s, &stat));
    ck_assert_uint_eq(stat.objects, 1); /* both adds share it */
    cubby_message_free(&m);
    fixture_end(f);
}
END_TEST

START_TEST(message_over_several_transactions)
{
    struct fixture fx, *f = &fx;
    cubby_txn *txn;
    cubby_snapshot *snap;
    cubby_reader *r;
    fixture_begin(f);
    cubby_message *m = fixture_message(f, "Subject: x\nX: y\n\nbody\n");
    for (uint32_t i = 0; i < 6; i++) {
        must(cubby_txn_begin(f->s, 0, &txn));
        must(cubby_add(txn, f->inbox, m, NULL, NULL));
        if (i % 2)
            must(cubby_txn_commit(&txn, NULL));
        else
            cubby_txn_abort(&txn);
    }
    cubby_message_free(&m);
    must(cubby_snapshot_begin(f->s, &snap));
    for (uint32_t uid = 1; uid <= 3; uid++) {
        must(cubby_reader_open(snap, f->inbox, uid, &r));
        must(cubby_reader_verify(r));
        cubby_reader_close(&r);
    }
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

START_TEST(refusals_change_nothing)
{
    struct fixture fx, *f = &fx;
    cubby_txn *txn;
    cubby_add_options o = CUBBY_ADD_INIT;
    fixture_begin(f);
    cubby_message *m = fixture_message(f, "x"), *open;
    must(cubby_message_new(f->s, &open));
    must(cubby_txn_begin(f->s, 0, &txn));
    refuses(cubby_add(txn, f->inbox, NULL, NULL, NULL), CUBBY_EINVAL);
    refuses(cubby_add(txn, f->inbox, open, NULL, NULL), CUBBY_EINVAL);
    refuses(cubby_add(txn, f->inbox + 1, m, NULL, NULL), CUBBY_ENOENT);
    o.version = 7;
    refuses(cubby_add(txn, f->inbox, m, &o, NULL), CUBBY_EINVAL);
    o = (cubby_add_options)CUBBY_ADD_INIT, o.flags = 32;
    refuses(cubby_add(txn, f->inbox, m, &o, NULL), CUBBY_EINVAL);
    o = (cubby_add_options)CUBBY_ADD_INIT, o.keyword_count = 1;
    refuses(cubby_add(txn, f->inbox, m, &o, NULL), CUBBY_EINVAL);
    o = (cubby_add_options)CUBBY_ADD_INIT, o.has_date = 1, o.internaldate_zone = 1440;
    refuses(cubby_add(txn, f->inbox, m, &o, NULL), CUBBY_EINVAL);
    must(cubby_txn_commit(&txn, NULL));
    ck_assert_uint_eq(count(f), 0);
    cubby_stat stat;
    must(cubby_store_stat(f->s, &stat));
    ck_assert_uint_eq(stat.objects, 0);
    cubby_message_free(&m);
    cubby_message_free(&open);
    fixture_end(f);
}
END_TEST

START_TEST(arguments)
{
    struct fixture fx, *f = &fx;
    cubby_txn *txn = NULL;
    cubby_uidset *set;
    uint64_t id;
    fixture_begin(f);
    ck_assert_int_eq(cubby_txn_begin(NULL, 0, &txn), CUBBY_EINVAL);
    refuses(cubby_txn_begin(f->s, 0, NULL), CUBBY_EINVAL);
    refuses(cubby_txn_begin(f->s, 2, &txn), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_txn_commit(&txn, NULL), CUBBY_EINVAL);
    cubby_txn_abort(&txn);
    cubby_txn_abort(NULL);
    ck_assert_ptr_null(cubby_txn_snapshot(NULL));
    ck_assert_uint_eq(cubby_txn_modseq(NULL), 0);
    ck_assert_int_eq(cubby_folder_create(NULL, 0, "x", 1, &id), CUBBY_EINVAL);
    must(cubby_uidset_new(&set));
    must(cubby_txn_begin(f->s, 0, &txn));
    refuses(cubby_folder_create(txn, CUBBY_ROOT, NULL, 0, &id), CUBBY_EINVAL);
    refuses(cubby_folder_rename(txn, f->inbox, CUBBY_ROOT, NULL, 0), CUBBY_EINVAL);
    refuses(cubby_folder_rename(txn, f->inbox, CUBBY_ROOT, "x", 1), CUBBY_EINVAL);
    refuses(cubby_folder_delete(txn, f->inbox), CUBBY_EINVAL);
    refuses(cubby_folder_set_special(txn, f->inbox, 256), CUBBY_EINVAL);
    refuses(cubby_subscribe(txn, NULL, 0, 1), CUBBY_EINVAL);
    refuses(cubby_flag(txn, f->inbox, NULL, 0, 0, NULL, 0, NULL), CUBBY_EINVAL);
    refuses(cubby_flag(txn, f->inbox, set, 3, 0, NULL, 0, NULL), CUBBY_EINVAL);
    refuses(cubby_flag(txn, f->inbox, set, 0, 64, NULL, 0, NULL), CUBBY_EINVAL);
    refuses(cubby_flag(txn, f->inbox, set, 0, 0, NULL, 1, NULL), CUBBY_EINVAL);
    refuses(cubby_copy(txn, f->inbox, NULL, f->inbox, NULL, NULL), CUBBY_EINVAL);
    refuses(cubby_move(txn, f->inbox, NULL, f->inbox, NULL, NULL), CUBBY_EINVAL);
    refuses(cubby_expunge(txn, f->inbox, NULL, 0, NULL), CUBBY_EINVAL);
    refuses(cubby_recent_claim(txn, f->inbox, NULL), CUBBY_EINVAL);
    cubby_txn_abort(&txn);
    cubby_uidset_free(&set);
    fixture_end(f);
}
END_TEST

START_TEST(lazy_changes_flags_only)
{
    struct fixture fx, *f = &fx;
    cubby_txn *txn;
    cubby_uidset *set, *changed;
    fixture_begin(f);
    uint32_t uid = fixture_add(f, "x", NULL);
    cubby_message *m = fixture_message(f, "y");
    must(cubby_uidset_new(&set));
    must(cubby_uidset_add(set, uid, uid));
    must(cubby_txn_begin(f->s, CUBBY_LAZY, &txn));
    refuses(cubby_add(txn, f->inbox, m, NULL, NULL), CUBBY_EINVAL);
    refuses(cubby_expunge(txn, f->inbox, set, 0, NULL), CUBBY_EINVAL);
    must(cubby_flag(txn, f->inbox, set, CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, &changed));
    ck_assert_uint_eq(cubby_uidset_count(changed), 1);
    must(cubby_txn_commit(&txn, NULL));
    cubby_uidset_free(&changed);
    cubby_uidset_free(&set);
    cubby_message_free(&m);
    fixture_end(f);
}
END_TEST

/* What a transaction that changes nothing would have been numbered is somebody else's: a server that has told it would miss that. */
START_TEST(the_modseq_of_a_view)
{
    struct fixture fx, *f = &fx;
    cubby_txn *txn;
    uint64_t before, modseq;
    uint32_t first;
    fixture_begin(f);
    fixture_add(f, "x", NULL);
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_recent_claim(txn, f->inbox, &first));
    ck_assert_uint_eq(cubby_snapshot_modseq(cubby_txn_snapshot(txn)), cubby_txn_modseq(txn));
    must(cubby_txn_commit(&txn, &modseq));
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_recent_claim(txn, f->inbox, &first)); /* there is nothing new */
    before = cubby_snapshot_modseq(cubby_txn_snapshot(txn));
    ck_assert_uint_eq(before, modseq);
    ck_assert_uint_gt(cubby_txn_modseq(txn), modseq);
    must(cubby_txn_commit(&txn, &modseq));
    ck_assert_uint_eq(modseq, before);
    fixture_end(f);
}
END_TEST

START_TEST(copy_move_expunge)
{
    struct fixture fx, *f = &fx;
    cubby_txn *txn;
    cubby_uidset *set, *from, *to, *gone;
    uint64_t target;
    uint32_t first;
    fixture_begin(f);
    uint32_t a = fixture_add(f, "one", NULL), b = fixture_add(f, "two", NULL);
    must(cubby_uidset_new(&set));
    must(cubby_uidset_add(set, a, b));
    must(cubby_txn_begin(f->s, 0, &txn));
    must(cubby_folder_create(txn, CUBBY_ROOT, "Target", 6, &target));
    must(cubby_copy(txn, f->inbox, set, target, &from, &to));
    ck_assert_uint_eq(cubby_uidset_count(to), 2);
    cubby_uidset_free(&from);
    cubby_uidset_free(&to);
    must(cubby_expunge(txn, target, set, 0, &gone));
    ck_assert_uint_eq(cubby_uidset_count(gone), 2);
    cubby_uidset_free(&gone);
    must(cubby_move(txn, f->inbox, set, target, NULL, NULL));
    must(cubby_recent_claim(txn, target, &first));
    must(cubby_txn_commit(&txn, NULL));
    ck_assert_uint_eq(count(f), 0);
    cubby_uidset_free(&set);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/txn", commit_and_abort, message_over_several_transactions, refusals_change_nothing, arguments, lazy_changes_flags_only,
          the_modseq_of_a_view, copy_move_expunge)
