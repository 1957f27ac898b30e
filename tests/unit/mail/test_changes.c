#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* Changes since a modseq as text: "+uid" new, "~uid" changed, "-first:last" vanished. */
static void changes(uint64_t folder, uint64_t since, const char *want)
{
    char got[4000] = "", one[40];
    struct cubby__changes c;
    cubby_change x;
    uint64_t before = 0;
    int rc;
    MUST(cubby__changes_open(look(st), folder, since, &c));
    while (!(rc = cubby__changes_next(&c, &x))) {
        if (x.kind == CUBBY_CHANGE_VANISHED)
            snprintf(one, sizeof one, "-%u:%u ", x.uid, x.uid_last);
        else
            snprintf(one, sizeof one, "%c%u ", x.kind == CUBBY_CHANGE_NEW ? '+' : '~', x.uid);
        strcat(got, one);
        ck_assert_uint_gt(x.modseq, since);
        ck_assert_uint_ge(x.modseq, before);
        before = x.modseq;
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    RETURNS(cubby__changes_next(&c, &x), CUBBY_DONE); /* and stays there */
    cubby__changes_close(&c);
    unlook(st);
    ck_assert_str_eq(got, want);
}

static void flag(const char *set, uint32_t flags)
{
    cubby_uidset *u = uids(set);
    MUST(cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_ADD, flags, NULL, 0, NULL));
    cubby_uidset_free(&u);
}

static void expunge(const char *set)
{
    cubby_uidset *u = uids(set);
    MUST(cubby__entry_expunge(st->txn, 1, u, 0, NULL));
    cubby_uidset_free(&u);
}

START_TEST(since)
{
    uint64_t other;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, 0, "o", 1, &other));
    uint64_t m0 = commit(st);
    uint64_t m1 = fill(st, 1, 5);
    fill(st, other, 3);
    begin(st);
    flag("2:3", CUBBY_SEEN);
    uint64_t m2 = commit(st);
    begin(st);
    expunge("1,4:5");
    add(st, 1, NULL);
    uint64_t m3 = commit(st);
    changes(1, 0, "+2 +3 -1:1 -4:5 +6 ");
    changes(1, m0, "+2 +3 -1:1 -4:5 +6 ");
    changes(1, m1, "~2 ~3 -1:1 -4:5 +6 ");
    changes(1, m2, "-1:1 -4:5 +6 ");
    changes(1, m3, "");
    changes(1, m3 + 1000, "");
    changes(1, UINT64_MAX, "");
    changes(other, 0, "+1 +2 +3 ");
    begin(st);
    flag("3,6", CUBBY_FLAGGED);
    commit(st);
    changes(1, m2, "-1:1 -4:5 ~3 +6 ");
    same_after_rebuild(st);
    changes(1, m2, "-1:1 -4:5 ~3 +6 ");
    changes(1, m3, "~3 ~6 ");
    struct cubby__changes c;
    RETURNS(cubby__changes_open(look(st), 77, 0, &c), CUBBY_ENOENT);
    unlook(st);
    state_end(st);
}
END_TEST

START_TEST(state_now)
{
    static const char *const keywords[] = {"x", "y"};
    cubby_uidset *u = uids("1");
    struct cubby__changes c;
    cubby_change x;
    state_begin(st);
    uint64_t created = fill(st, 1, 1);
    begin(st);
    MUST(cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_ADD, CUBBY_DRAFT, keywords, 2, NULL));
    uint64_t m = commit(st);
    MUST(cubby__changes_open(look(st), 1, created, &c));
    MUST(cubby__changes_next(&c, &x));
    ck_assert_int_eq(x.kind, CUBBY_CHANGE_FLAGS);
    ck_assert_uint_eq(x.uid, 1);
    ck_assert_uint_eq(x.uid_last, 1);
    ck_assert_uint_eq(x.modseq, m);
    ck_assert_uint_eq(x.created_modseq, created);
    ck_assert_uint_eq(x.flags, CUBBY_DRAFT);
    ck_assert_uint_eq(x.keyword_count, 2);
    ck_assert_uint_eq(x.keywords[0], 1);
    ck_assert_uint_eq(x.keywords[1], 2);
    cubby__changes_close(&c);
    unlook(st);
    cubby_uidset_free(&u);
    state_end(st);
}
END_TEST

START_TEST(below_the_tombstone_floor)
{
    struct cubby__changes c;
    cubby_change x;
    struct cubby__buf b = CUBBY__BUF_INIT;
    state_begin(st);
    uint64_t m = fill(st, 1, 2);
    begin(st);
    expunge("1");
    uint64_t gone = commit(st);
    begin(st);
    cubby__mark_encode(&(struct cubby__mark_rec){.folder = 1, .tombstone_floor = gone}, &b);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_MARK, 0, b.data, b.len));
    commit(st);
    cubby__buf_release(&b);
    ck_assert_uint_eq(folder_of(st, 1).tombstone_floor, gone);
    MUST(cubby__changes_open(look(st), 1, m, &c));
    MUST(cubby__changes_next(&c, &x));
    ck_assert_int_eq(x.kind, CUBBY_CHANGE_VANISHED);
    ck_assert_int_eq(x.exact, 0);
    cubby__changes_close(&c);
    unlook(st);
    state_end(st);
}
END_TEST

START_TEST(values)
{
    struct cubby__message_row row = {.flags = CUBBY_SEEN, .modseq = 20, .created = 15, .keywords = {{4, 7}, 2}};
    struct cubby__keywords k;
    uint8_t p[CUBBY__TREE_VALUE_MAX + 1];
    cubby_change x;
    size_t n = cubby__change_message(p, &row);
    static const uint8_t want[] = {0x21, 5, 3, 0x48};
    ck_assert_uint_eq(n, sizeof want);
    ck_assert_mem_eq(p, want, sizeof want);
    MUST(cubby__change_decode(p, n, 20, 9, &k, &x));
    ck_assert_uint_eq(x.created_modseq, 15);
    ck_assert_uint_eq(x.keyword_count, 2);
    for (size_t cut = 0; cut < n; cut++)
        RETURNS(cubby__change_decode(p, cut, 20, 9, &k, &x), CUBBY_ECORRUPT);
    RETURNS(cubby__change_decode(p, n, 4, 9, &k, &x), CUBBY_ECORRUPT); /* created before the beginning */
    p[n] = 0;
    RETURNS(cubby__change_decode(p, n + 1, 20, 9, &k, &x), CUBBY_ECORRUPT);
    n = cubby__change_vanished(p, 9, 300);
    static const uint8_t gone[] = {0x40, 0xa3, 2};
    ck_assert_uint_eq(n, sizeof gone);
    ck_assert_mem_eq(p, gone, sizeof gone);
    MUST(cubby__change_decode(p, n, 20, 9, &k, &x));
    ck_assert_uint_eq(x.uid_last, 300);
    RETURNS(cubby__change_decode(p, n, 20, UINT32_MAX - 290, &k, &x), CUBBY_ECORRUPT); /* beyond the last uid */
    RETURNS(cubby__change_decode(p, n - 1, 20, 9, &k, &x), CUBBY_ECORRUPT);
    ck_assert_uint_eq(cubby__change_folder(p, 20, 15, 0), 2);
    ck_assert_uint_eq(p[0], 0x80);
    RETURNS(cubby__change_decode(p, 2, 20, 9, &k, &x), CUBBY_ECORRUPT); /* not of a message */
    ck_assert_uint_eq(cubby__change_folder(p, 20, 15, 1), 1);
    RETURNS(cubby__change_decode(p, 0, 20, 9, &k, &x), CUBBY_ECORRUPT);
}
END_TEST

UNIT_MAIN("mail/changes", since, state_now, below_the_tombstone_floor, values)
