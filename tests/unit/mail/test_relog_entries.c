/* test_relog_entries.c - an index that knows a part: what it has and the segments have not is logged, and nothing follows from what it has not (mail/relog.c). */
#include "mail/relog.h"

#include "store/internal.h"
#include "unit/heap.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

static void expunge(uint64_t id, const char *text)
{
    cubby_uidset *set = uids(text);
    begin(st);
    MUST(cubby__entry_expunge(st->txn, id, set, 0, NULL));
    commit(st);
    cubby_uidset_free(&set);
}

/* A folder with ten messages; its id. */
static uint64_t made(void)
{
    uint64_t id;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    MUST(cubby__subscribe(st->txn, "a", 2, 1));
    commit(st);
    fill(st, id, 10);
    return id;
}

static void put_away(struct state *to)
{
    cubby__incoming_free(&st->in);
    *to = *st;
}

static uint64_t relog(struct cubby__store *theirs, int (*how)(struct cubby__store *, struct cubby__store *, uint64_t, uint64_t *, cubby_error *))
{
    uint64_t records;
    MUST(how(st->s, theirs, st->s->pending.commit, &records, &st->err));
    return records;
}

/* The segments have a uid, a flag and a subscription that the index has not, and know of an expunge that it does not know. */
START_TEST(what_the_index_has_not)
{
    struct cubby__message_row row;
    struct state theirs;
    uint64_t id = made();
    expunge(id, "7");
    put_away(&theirs);
    made();
    expunge(id, "3");
    begin(st);
    MUST(cubby__subscribe(st->txn, "a", 2, 0));
    commit(st);
    ck_assert_uint_eq(relog(theirs.s, cubby__relog_entries), 0);
    MUST(row_of(st, id, 7, &row));
    ck_assert_uint_gt(relog(theirs.s, cubby__relog), 2); /* as if it knew all */
    cubby__store_close(&theirs.s, NULL);
    cubby__memfs_free(&theirs.fs);
    state_end(st);
}
END_TEST

/* A copy, and a whole folder of copies, that the segments have not. */
START_TEST(what_the_segments_have_not)
{
    struct state theirs;
    uint64_t other, id = made();
    cubby_uidset *some = uids("2:4");
    put_away(&theirs);
    made();
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &other));
    MUST(cubby__entry_copy(st->txn, id, some, other, NULL, NULL));
    MUST(cubby__entry_copy(st->txn, id, some, id, NULL, NULL));
    commit(st);
    cubby_uidset_free(&some);
    ck_assert_uint_eq(relog(theirs.s, cubby__relog_entries), 1 + 3 + 3);
    ck_assert_uint_eq(folder_of(st, id).messages, 13);
    ck_assert_uint_eq(folder_of(st, other).messages, 3);
    cubby__store_close(&theirs.s, NULL);
    cubby__memfs_free(&theirs.fs);
    state_end(st);
}
END_TEST

/* A folder that the segments know to be deleted stays so, and a message whose object they have not is not expunged. */
START_TEST(what_is_gone)
{
    struct cubby__message_row row;
    struct state theirs;
    uint64_t other, id = made();
    cubby_uidset *some = uids("2:4");
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &other));
    commit(st);
    begin(st);
    MUST(cubby__folder_delete(st->txn, other));
    commit(st);
    put_away(&theirs);
    made();
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &other));
    MUST(cubby__entry_copy(st->txn, id, some, other, NULL, NULL));
    commit(st);
    cubby_uidset_free(&some);
    fill(st, id, 1);
    ck_assert_uint_eq(relog(theirs.s, cubby__relog_entries), 0);
    MUST(row_of(st, id, 11, &row));
    cubby__store_close(&theirs.s, NULL);
    cubby__memfs_free(&theirs.fs);
    state_end(st);
}
END_TEST

/* A folder of which the index knows no record: of its name and place nothing can be said, so nothing is. */
START_TEST(a_folder_on_made_up_ground)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__message_row message;
    struct cubby__folder_row row;
    struct state theirs;
    uint64_t id = made();
    put_away(&theirs);
    made();
    MUST(row_of(st, id, 2, &message));
    const struct cubby__entry_rec rec = {.folder = id + 5, .uid = 1, .object = message.object};
    cubby__entry_encode(&rec, &message.keywords, &b);
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_ENTRY, 0, b.data, b.len));
    commit(st);
    cubby__buf_release(&b);
    MUST(cubby__folder_row_get(look(st), id + 5, buf, &row));
    unlook(st);
    ck_assert(!row.commit && row.messages == 1);
    ck_assert_uint_eq(relog(theirs.s, cubby__relog_entries), 0);
    cubby__store_close(&theirs.s, NULL);
    cubby__memfs_free(&theirs.fs);
    state_end(st);
}
END_TEST

/* A row under a key that is not its own: the index is not to be believed. */
START_TEST(a_folder_under_a_wrong_key)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct state theirs;
    uint64_t records, id = made();
    put_away(&theirs);
    made();
    begin(st);
    MUST(cubby__folder_row_get(cubby__txn_view(st->txn), id, buf, &row));
    MUST(cubby__folder_row_put(st->txn, id + 5, &row));
    add(st, id, NULL); /* without a record there is no commit */
    commit(st);
    RETURNS(cubby__relog_entries(st->s, theirs.s, st->s->pending.commit, &records, &st->err), CUBBY_ECORRUPT);
    ck_assert_int_eq(st->err.code, CUBBY_ECORRUPT);
    ck_assert_uint_eq(records, 0);
    cubby__store_close(&theirs.s, NULL);
    cubby__memfs_free(&theirs.fs);
    state_end(st);
}
END_TEST

/* Whatever finds no memory, a uid that the segments know to be expunged does not come back. */
START_TEST(no_memory)
{
    struct cubby__message_row row;
    struct state theirs;
    uint64_t records, id = made();
    int failed = 0;
    expunge(id, "7");
    put_away(&theirs);
    made();
    heap_install();
    for (int n = 0, hits = 1; hits; n++) {
        heap_fail(n, 0);
        int rc = cubby__relog_entries(st->s, theirs.s, st->s->pending.commit, &records, &st->err);
        hits = heap_works();
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_ENOMEM), "%d: %d %s", n, rc, st->err.message);
        ck_assert_uint_eq(records, 0);
        failed += rc != 0;
    }
    ck_assert_int_gt(failed, 1);
    MUST(row_of(st, id, 7, &row));
    cubby__store_close(&theirs.s, NULL);
    cubby__memfs_free(&theirs.fs);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/relog_entries", what_the_index_has_not, what_the_segments_have_not, what_is_gone, a_folder_on_made_up_ground,
          a_folder_under_a_wrong_key, no_memory)
