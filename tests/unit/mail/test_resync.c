#include "mail/resync.h"

#include "mail/records.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* Folder "a" with uids 1 to 10, of which 3 and 4 are expunged, and uid 20. */
static uint64_t with_holes(void)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    uint64_t id;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    commit(st);
    for (int i = 0; i < 10; i++)
        fill(st, id, 1);
    cubby_uidset *set = uids("3:4");
    begin(st);
    MUST(cubby__entry_expunge(st->txn, id, set, 0, NULL));
    commit(st);
    cubby_uidset_free(&set);
    o.uid = 20;
    begin(st);
    add(st, id, &o);
    commit(st);
    return id;
}

/* The uids that have vanished since then. */
static void vanished(uint64_t id, uint64_t since, const char *text)
{
    struct cubby__changes c;
    cubby_change x;
    cubby_uidset *set;
    MUST(cubby_uidset_new(&set));
    MUST(cubby__changes_open(look(st), id, since, &c));
    while (cubby__changes_next(&c, &x) == 0)
        if (x.kind == CUBBY_CHANGE_VANISHED)
            MUST(cubby_uidset_add(set, x.uid, x.uid_last));
    cubby__changes_close(&c);
    unlook(st);
    is_set(set, text);
}

static void mark(uint64_t id, uint64_t uidnext)
{
    const struct cubby__mark_rec m = {id, uidnext, 0, 0, 0};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__mark_encode(&m, &b);
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_MARK, 0, b.data, b.len));
    commit(st);
    cubby__buf_release(&b);
}

START_TEST(uids_without_explanation)
{
    uint64_t ranges, id = with_holes();
    mark(id, 31); /* as damage raises it */
    cubby_folder before = folder_of(st, id);
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 2);
    vanished(id, before.highestmodseq, "11:19,21:30");
    cubby_folder after = folder_of(st, id);
    ck_assert_uint_gt(after.highestmodseq, before.highestmodseq);
    ck_assert_uint_eq(after.uidnext, 31);
    ck_assert_uint_eq(after.messages, 9);
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 0);
    ck_assert_uint_eq(folder_of(st, id).highestmodseq, after.highestmodseq);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* To the last uid that there is; and folders that are not there. */
START_TEST(uids_to_the_end)
{
    uint64_t ranges, id = with_holes();
    mark(id, CUBBY__UID_MAX + 1ull);
    uint64_t since = folder_of(st, id).highestmodseq;
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 2);
    vanished(id, since, "11:19,21:4294967295");
    MUST(cubby__resync_uids(st->s, 99, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 0);
    begin(st);
    MUST(cubby__folder_delete(st->txn, id));
    commit(st);
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 0);
    state_end(st);
}
END_TEST

/* Tombstones that overlap, of expunges that were repeated, in any order. */
START_TEST(uids_overlapping_tombstones)
{
    static const uint32_t ranges_of[][2] = {{15, 18}, {11, 12}, {11, 16}, {17, 17}};
    uint64_t ranges, id = with_holes();
    for (size_t i = 0; i < 4; i++) {
        struct cubby__buf b = CUBBY__BUF_INIT;
        struct cubby__ranges s = {0};
        uint8_t bytes[2 * CUBBY__VARINT_MAX];
        cubby__expunge_head(id, 0, &b);
        cubby__buf_add(&b, bytes, cubby__range_put(&s, ranges_of[i][0], ranges_of[i][1], bytes));
        begin(st);
        MUST(cubby__txn_log(st->txn, CUBBY__REC_EXPUNGE, 0, b.data, b.len));
        commit(st);
        cubby__buf_release(&b);
    }
    uint64_t since = folder_of(st, id).highestmodseq;
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    vanished(id, since, "19");
    state_end(st);
}
END_TEST

static uint64_t modseq_of(uint64_t id, uint32_t uid)
{
    struct cubby__message_row row;
    MUST(row_of(st, id, uid, &row));
    return row.modseq;
}

START_TEST(flags_up_to_a_commit)
{
    const struct cubby__unnamed none = {.any = 0};
    uint64_t count, id = with_holes();
    uint64_t through = modseq_of(id, 6), later = modseq_of(id, 7);
    MUST(cubby__resync_flags(st->s, id, through, &none, &count, &st->err));
    ck_assert_uint_eq(count, 4); /* 1, 2, 5, 6 */
    ck_assert_uint_gt(modseq_of(id, 1), later);
    ck_assert_uint_gt(modseq_of(id, 6), later);
    ck_assert_uint_eq(modseq_of(id, 7), later);
    MUST(cubby__resync_flags(st->s, id, through, &none, &count, &st->err));
    ck_assert_uint_eq(count, 0);
    MUST(cubby__resync_flags(st->s, 99, through, &none, &count, &st->err));
    ck_assert_uint_eq(count, 0);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* More than one step of messages, with flags that alternate. */
START_TEST(flags_of_many)
{
    const struct cubby__unnamed none = {.any = 0};
    uint64_t id, count;
    cubby_add_options o = CUBBY_ADD_INIT;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    uint64_t object = log_object(st, 1);
    for (uint32_t i = 0; i < 20000; i++) {
        o.flags = i % 3 ? CUBBY_SEEN : 0;
        MUST(cubby__entry_add(st->txn, id, object, &o, NULL));
    }
    uint64_t at = commit(st);
    MUST(cubby__resync_flags(st->s, id, at, &none, &count, &st->err));
    ck_assert_uint_eq(count, 20000);
    ck_assert_uint_gt(modseq_of(id, 20000), at);
    ck_assert_uint_eq(folder_of(st, id).unseen, 6667);
    state_end(st);
}
END_TEST

/* A keyword whose name is lost: its messages are told of, others not. */
START_TEST(flags_without_name)
{
    struct cubby__unnamed unnamed;
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    struct cubby__keywords k = {.count = 1, .id = {3}};
    uint8_t bytes[CUBBY__KEYWORDS_BYTES + 2 * CUBBY__VARINT_MAX];
    uint64_t count, id = with_holes();
    MUST(cubby__unnamed_keywords(st->s, &unnamed, &st->err));
    ck_assert_int_eq(unnamed.any, 0);
    cubby__flags_head(id, &b);
    cubby__buf_byte(&b, 0);
    cubby__buf_add(&b, bytes, cubby__keywords_put(&k, bytes));
    cubby__buf_varint(&b, 1);
    cubby__buf_add(&b, bytes, cubby__range_put(&s, 5, 6, bytes));
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_FLAGS, 0, b.data, b.len));
    uint64_t at = commit(st);
    cubby__buf_release(&b);
    MUST(cubby__unnamed_keywords(st->s, &unnamed, &st->err));
    ck_assert_int_eq(unnamed.any, 1);
    MUST(cubby__resync_flags(st->s, id, 0, &unnamed, &count, &st->err));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_gt(modseq_of(id, 5), at);
    ck_assert_uint_lt(modseq_of(id, 7), at);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/resync", uids_without_explanation, uids_to_the_end, uids_overlapping_tombstones, flags_up_to_a_commit, flags_of_many, flags_without_name)
