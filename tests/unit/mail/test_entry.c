#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

START_TEST(add_and_count)
{
    static const char *const keywords[] = {"$Work", "a"};
    cubby_add_options o = CUBBY_ADD_INIT;
    struct cubby__message_row row;
    state_begin(st);
    begin(st);
    ck_assert_uint_eq(add(st, 1, NULL), 1);
    o.flags = CUBBY_SEEN | CUBBY_DELETED;
    o.keywords = keywords;
    o.keyword_count = 2;
    o.internaldate = -5;
    o.internaldate_zone = -1439;
    o.has_date = 1;
    ck_assert_uint_eq(add(st, 1, &o), 2);
    int64_t now = cubby__txn_now(st->txn);
    uint64_t modseq = commit(st);
    MUST(row_of(st, 1, 1, &row));
    ck_assert_uint_eq(row.flags, 0);
    ck_assert_uint_eq(row.keywords.count, 0);
    ck_assert_int_eq(row.internaldate, now);
    ck_assert_int_eq(row.save_date, now);
    ck_assert_int_eq(row.sent_date, now); /* the message has no Date */
    ck_assert_uint_eq(row.modseq, modseq);
    ck_assert_uint_eq(row.created, modseq);
    uint64_t size = row.size;
    MUST(row_of(st, 1, 2, &row));
    ck_assert_uint_eq(row.flags, CUBBY_SEEN | CUBBY_DELETED);
    ck_assert_uint_eq(row.keywords.count, 2);
    ck_assert_int_eq(row.internaldate, -5);
    ck_assert_int_eq(row.zone, -1439);
    ck_assert_int_eq(row.save_date, now);
    cubby_folder f = folder_of(st, 1);
    ck_assert_uint_eq(f.messages, 2);
    ck_assert_uint_eq(f.unseen, 1);
    ck_assert_uint_eq(f.deleted, 1);
    ck_assert_uint_eq(f.bytes, size + row.size);
    ck_assert_uint_eq(f.deleted_bytes, row.size);
    ck_assert_uint_eq(f.uidnext, 3);
    ck_assert_uint_eq(f.highestmodseq, modseq);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

START_TEST(the_date_of_the_message)
{
    static const char text[] = "Date: Thu, 01 Jan 1970 01:00:10 +0100\r\n\r\n";
    struct cubby__message_row row;
    uint64_t object;
    state_begin(st);
    begin(st);
    MUST(cubby__incoming_write(st->in, text, sizeof text - 1, &st->err));
    MUST(cubby__incoming_finish(st->in, &st->err));
    MUST(cubby__incoming_log(st->in, st->txn, st->token, &object));
    MUST(cubby__entry_add(st->txn, 1, object, NULL, NULL));
    commit(st);
    MUST(row_of(st, 1, 1, &row));
    ck_assert_int_eq(row.sent_date, 10);
    state_end(st);
}
END_TEST

START_TEST(refusals_change_nothing)
{
    static const char *const bad[] = {"no atom"};
    cubby_add_options o = CUBBY_ADD_INIT;
    state_begin(st);
    uint64_t before = fill(st, 1, 5);
    begin(st);
    RETURNS(cubby__entry_check(st->txn, 7, NULL), CUBBY_ENOENT);
    RETURNS(cubby__entry_add(st->txn, 1, 999, NULL, NULL), CUBBY_ENOENT);
    o.flags = 32;
    RETURNS(cubby__entry_check(st->txn, 1, &o), CUBBY_EINVAL);
    o = (cubby_add_options)CUBBY_ADD_INIT;
    o.uid = 5;
    RETURNS(cubby__entry_check(st->txn, 1, &o), CUBBY_EINVAL);
    o = (cubby_add_options)CUBBY_ADD_INIT;
    o.has_date = 1;
    o.internaldate_zone = 1440;
    RETURNS(cubby__entry_check(st->txn, 1, &o), CUBBY_EINVAL);
    o = (cubby_add_options)CUBBY_ADD_INIT;
    o.keywords = bad;
    o.keyword_count = 1;
    RETURNS(cubby__entry_check(st->txn, 1, &o), CUBBY_EINVAL);
    ck_assert_uint_eq(commit(st), before);
    state_end(st);
}
END_TEST

START_TEST(uids_run_out)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    cubby_uidset *set = uids("1,4294967295"), *from = NULL, *to = NULL;
    uint64_t other;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, 0, "other", 5, &other));
    add(st, 1, NULL);
    o.uid = UINT32_MAX;
    ck_assert_uint_eq(add(st, 1, &o), UINT32_MAX);
    RETURNS(cubby__entry_check(st->txn, 1, NULL), CUBBY_ELIMIT);
    RETURNS(cubby__entry_copy(st->txn, 1, set, 1, NULL, NULL), CUBBY_ELIMIT);
    o.uid = UINT32_MAX - 1;
    add(st, other, &o);
    RETURNS(cubby__entry_move(st->txn, 1, set, other, &from, &to), CUBBY_ELIMIT); /* room for one, and there are two */
    ck_assert_ptr_null(from);
    uint64_t modseq = commit(st);
    ck_assert_uint_eq(folder_of(st, 1).uidnext, 1ull << 32);
    ck_assert_uint_eq(folder_of(st, other).messages, 1);
    ck_assert_uint_eq(folder_of(st, other).highestmodseq, modseq);
    cubby_uidset_free(&set);
    begin(st);
    set = uids("4294967295");
    MUST(cubby__entry_move(st->txn, 1, set, other, &from, &to));
    is_set(from, "4294967295");
    is_set(to, "4294967295");
    RETURNS(cubby__entry_check(st->txn, 1, NULL), CUBBY_ELIMIT); /* a uid is never given again */
    commit(st);
    same_after_rebuild(st);
    begin(st);
    RETURNS(cubby__entry_check(st->txn, 1, NULL), CUBBY_ELIMIT);
    commit(st);
    cubby_uidset_free(&set);
    state_end(st);
}
END_TEST

static uint64_t refs_of(uint64_t object)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__object_row row;
    size_t n;
    MUST(cubby__view_get(look(st), key, cubby__key_object(key, object), value, &n));
    unlook(st);
    MUST(cubby__object_row_decode(value, n, &row));
    return row.refs;
}

static void bytes_are(uint64_t live, uint64_t retained)
{
    cubby_stat stat;
    MUST(cubby__store_get_stat(st->s, &stat, &st->err));
    ck_assert_uint_eq(stat.live_bytes, live);
    ck_assert_uint_eq(stat.retained_bytes, retained);
}

START_TEST(copy)
{
    static const char *const keywords[] = {"k"};
    cubby_add_options o = CUBBY_ADD_INIT;
    cubby_uidset *set = uids("2:9"), *from, *to;
    struct cubby__message_row a, b;
    cubby_stat before;
    uint64_t other;
    state_begin(st);
    o.flags = CUBBY_ANSWERED;
    o.keywords = keywords;
    o.keyword_count = 1;
    o.has_date = 1;
    o.internaldate = 77;
    begin(st);
    MUST(cubby__folder_create(st->txn, 0, "other", 5, &other));
    for (int i = 0; i < 3; i++)
        add(st, 1, &o);
    o.uid = 20;
    add(st, other, &o);
    commit(st);
    MUST(cubby__store_get_stat(st->s, &before, &st->err));
    begin(st);
    MUST(cubby__entry_copy(st->txn, 1, set, other, &from, &to));
    uint64_t modseq = commit(st);
    is_set(from, "2:3");
    is_set(to, "21:22");
    MUST(row_of(st, 1, 3, &a));
    MUST(row_of(st, other, 22, &b));
    ck_assert_uint_eq(a.object, b.object);
    ck_assert_uint_eq(refs_of(a.object), 2);
    ck_assert_uint_eq(b.flags, CUBBY_ANSWERED);
    ck_assert_uint_eq(b.keywords.count, 1);
    ck_assert_int_eq(b.internaldate, 77);
    ck_assert_uint_eq(b.created, modseq);
    ck_assert_uint_eq(b.size, a.size);
    ck_assert_uint_lt(a.modseq, modseq);
    ck_assert_uint_eq(folder_of(st, other).messages, 3);
    bytes_are(before.live_bytes, before.retained_bytes);
    same_after_rebuild(st);
    cubby_uidset_free(&set);
    state_end(st);
}
END_TEST

START_TEST(copy_to_the_same_folder)
{
    cubby_uidset *set = uids("1:4294967295"), *from, *to;
    state_begin(st);
    fill(st, 1, 600);
    begin(st);
    MUST(cubby__entry_copy(st->txn, 1, set, 1, &from, &to)); /* more than one batch, and it ends */
    commit(st);
    is_set(from, "1:600");
    is_set(to, "601:1200");
    ck_assert_uint_eq(folder_of(st, 1).messages, 1200);
    begin(st);
    MUST(cubby__entry_move(st->txn, 1, set, 1, NULL, NULL));
    commit(st);
    ck_assert_uint_eq(folder_of(st, 1).messages, 1200);
    ck_assert_uint_eq(folder_of(st, 1).uidnext, 2401);
    same_after_rebuild(st);
    cubby_uidset_free(&set);
    state_end(st);
}
END_TEST

START_TEST(move_and_expunge)
{
    cubby_uidset *set = uids("1,3:4,99"), *from, *to, *gone;
    struct cubby__message_row row;
    cubby_stat before, after;
    uint64_t other;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, 0, "other", 5, &other));
    commit(st);
    fill(st, 1, 5);
    MUST(cubby__store_get_stat(st->s, &before, &st->err));
    ck_assert_uint_eq(before.retained_bytes, 0);
    begin(st);
    MUST(cubby__entry_move(st->txn, 1, set, other, &from, &to));
    uint64_t modseq = commit(st);
    is_set(from, "1,3:4");
    is_set(to, "1:3");
    ck_assert_uint_eq(folder_of(st, 1).messages, 2);
    ck_assert_uint_eq(folder_of(st, other).messages, 3);
    ck_assert_uint_eq(folder_of(st, 1).highestmodseq, modseq);
    bytes_are(before.live_bytes, 0); /* nothing went */
    RETURNS(row_of(st, 1, 3, &row), CUBBY_DONE);
    MUST(row_of(st, other, 2, &row));
    uint64_t object = row.object;
    ck_assert_uint_eq(refs_of(object), 1);
    cubby_uidset_free(&set);
    set = uids("1:4294967295");
    begin(st);
    MUST(cubby__entry_expunge(st->txn, other, set, 0, &gone));
    commit(st);
    is_set(gone, "1:3");
    ck_assert_uint_eq(refs_of(object), 0);
    cubby_folder f = folder_of(st, other);
    ck_assert_uint_eq(f.messages + f.bytes + f.unseen, 0);
    MUST(cubby__store_get_stat(st->s, &after, &st->err));
    ck_assert_uint_gt(after.retained_bytes, 0);
    ck_assert_uint_eq(after.live_bytes + after.retained_bytes, before.live_bytes);
    same_after_rebuild(st);
    bytes_are(after.live_bytes, after.retained_bytes);
    cubby_uidset_free(&set);
    state_end(st);
}
END_TEST

START_TEST(expunge_deleted_only)
{
    cubby_uidset *set = uids("2,4"), *all = uids("1:4294967295"), *gone;
    state_begin(st);
    uint64_t filled = fill(st, 1, 5);
    begin(st);
    MUST(cubby__entry_expunge(st->txn, 1, all, 1, &gone));
    is_set(gone, "");
    ck_assert_uint_eq(commit(st), filled); /* nothing to do writes nothing */
    begin(st);
    MUST(cubby__flags_change(st->txn, 1, set, CUBBY_FLAGS_ADD, CUBBY_DELETED, NULL, 0, NULL));
    MUST(cubby__entry_expunge(st->txn, 1, all, 1, &gone)); /* what was flagged in this transaction */
    uint64_t modseq = commit(st);
    is_set(gone, "2,4");
    cubby_folder f = folder_of(st, 1);
    ck_assert_uint_eq(f.messages, 3);
    ck_assert_uint_eq(f.deleted, 0);
    ck_assert_uint_eq(f.deleted_bytes, 0);
    ck_assert_uint_eq(f.highestmodseq, modseq);
    begin(st);
    RETURNS(cubby__entry_expunge(st->txn, 9, all, 0, NULL), CUBBY_ENOENT);
    RETURNS(cubby__entry_expunge(st->txn, 1, NULL, 0, NULL), CUBBY_EINVAL);
    RETURNS(cubby__entry_copy(st->txn, 9, all, 1, NULL, NULL), CUBBY_ENOENT);
    RETURNS(cubby__entry_copy(st->txn, 1, all, 9, NULL, NULL), CUBBY_ENOENT);
    RETURNS(cubby__entry_move(st->txn, 1, NULL, 1, NULL, NULL), CUBBY_EINVAL);
    commit(st);
    same_after_rebuild(st);
    cubby_uidset_free(&set);
    cubby_uidset_free(&all);
    state_end(st);
}
END_TEST

START_TEST(added_and_expunged_in_one_commit)
{
    cubby_uidset *set = uids("1");
    state_begin(st);
    begin(st);
    add(st, 1, NULL);
    MUST(cubby__entry_expunge(st->txn, 1, set, 0, NULL));
    add(st, 1, NULL);
    commit(st);
    ck_assert_uint_eq(folder_of(st, 1).messages, 1);
    ck_assert_uint_eq(folder_of(st, 1).uidnext, 3);
    same_after_rebuild(st);
    cubby_uidset_free(&set);
    state_end(st);
}
END_TEST

START_TEST(abort_leaves_nothing)
{
    struct cubby__buf before = CUBBY__BUF_INIT, after = CUBBY__BUF_INIT;
    cubby_uidset *all = uids("1:4294967295");
    state_begin(st);
    fill(st, 1, 10);
    picture(look(st), &before);
    unlook(st);
    begin(st);
    add(st, 1, NULL);
    MUST(cubby__entry_expunge(st->txn, 1, all, 0, NULL));
    MUST(cubby__folder_create(st->txn, 0, "x", 1, NULL));
    cubby__txn_abort(&st->txn);
    picture(look(st), &after);
    unlook(st);
    ck_assert_uint_eq(before.len, after.len);
    ck_assert_mem_eq(before.data, after.data, before.len);
    begin(st);
    ck_assert_uint_eq(add(st, 1, NULL), 11);
    commit(st);
    cubby__buf_release(&before);
    cubby__buf_release(&after);
    cubby_uidset_free(&all);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/entry", add_and_count, the_date_of_the_message, refusals_change_nothing, uids_run_out, copy, copy_to_the_same_folder,
          move_and_expunge, expunge_deleted_only, added_and_expunged_in_one_commit, abort_leaves_nothing)
