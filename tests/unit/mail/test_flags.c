#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* Changes flags in a commit of its own; returns the changed uids as text expects them, and the modseq. */
static uint64_t flag(const char *set, int how, uint32_t flags, const char *const *keywords, size_t count, const char *changed)
{
    cubby_uidset *u = uids(set), *c;
    begin(st);
    MUST(cubby__flags_change(st->txn, 1, u, how, flags, keywords, count, &c));
    uint64_t modseq = commit(st);
    is_set(c, changed);
    cubby_uidset_free(&u);
    return modseq;
}

static void is(uint32_t uid, uint8_t flags, size_t keywords, uint64_t modseq)
{
    struct cubby__message_row row;
    MUST(row_of(st, 1, uid, &row));
    ck_assert_uint_eq(row.flags, flags);
    ck_assert_uint_eq(row.keywords.count, keywords);
    ck_assert_uint_eq(row.modseq, modseq);
}

START_TEST(add_remove_replace)
{
    static const char *const ab[] = {"a", "b"}, *const c[] = {"c"};
    state_begin(st);
    uint64_t m0 = fill(st, 1, 6);
    uint64_t m1 = flag("2:4", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, "2:4");
    is(1, 0, 0, m0);
    is(2, CUBBY_SEEN, 0, m1);
    ck_assert_uint_eq(folder_of(st, 1).unseen, 3);
    uint64_t m2 = flag("1:6", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, "1,5:6"); /* the others have it already */
    is(2, CUBBY_SEEN, 0, m1);
    is(1, CUBBY_SEEN, 0, m2);
    ck_assert_uint_eq(flag("1:6", CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, ""), m2);
    uint64_t m3 = flag("1:2", CUBBY_FLAGS_ADD, CUBBY_DELETED, ab, 2, "1:2");
    is(1, CUBBY_SEEN | CUBBY_DELETED, 2, m3);
    ck_assert_uint_eq(folder_of(st, 1).deleted, 2);
    uint64_t m4 = flag("1:3", CUBBY_FLAGS_REMOVE, CUBBY_SEEN, ab, 1, "1:3");
    is(1, CUBBY_DELETED, 1, m4);
    is(3, 0, 0, m4);
    uint64_t m5 = flag("1:6", CUBBY_FLAGS_REPLACE, CUBBY_FLAGGED, c, 1, "1:6");
    for (uint32_t uid = 1; uid <= 6; uid++)
        is(uid, CUBBY_FLAGGED, 1, m5);
    ck_assert_uint_eq(flag("1:6", CUBBY_FLAGS_REPLACE, CUBBY_FLAGGED, c, 1, ""), m5);
    uint64_t m6 = flag("6", CUBBY_FLAGS_REPLACE, 0, NULL, 0, "6");
    is(6, 0, 0, m6);
    cubby_folder f = folder_of(st, 1);
    ck_assert_uint_eq(f.unseen, 6);
    ck_assert_uint_eq(f.deleted + f.deleted_bytes, 0);
    ck_assert_uint_eq(f.highestmodseq, m6);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

START_TEST(no_ops_write_nothing)
{
    static const char *const novel[] = {"novel"};
    uint16_t id;
    state_begin(st);
    uint64_t m = fill(st, 1, 3);
    ck_assert_uint_eq(flag("10:20", CUBBY_FLAGS_ADD, CUBBY_SEEN, novel, 1, ""), m); /* nobody there: no keyword is made */
    ck_assert_uint_eq(flag("1:3", CUBBY_FLAGS_REMOVE, CUBBY_SEEN, novel, 1, ""), m);
    ck_assert_uint_eq(flag("1:3", CUBBY_FLAGS_ADD, 0, NULL, 0, ""), m);
    RETURNS(cubby__keyword_find(look(st), "novel", &id), CUBBY_DONE);
    unlook(st);
    ck_assert_uint_gt(flag("3", CUBBY_FLAGS_ADD, 0, novel, 1, "3"), m);
    state_end(st);
}
END_TEST

START_TEST(refuses)
{
    static const char *const bad[] = {"no atom"};
    cubby_uidset *u = uids("1:3"), *c = NULL;
    state_begin(st);
    uint64_t m = fill(st, 1, 3);
    begin(st);
    RETURNS(cubby__flags_change(st->txn, 1, u, 3, 1, NULL, 0, &c), CUBBY_EINVAL);
    RETURNS(cubby__flags_change(st->txn, 1, u, -1, 1, NULL, 0, &c), CUBBY_EINVAL);
    RETURNS(cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_ADD, 32, NULL, 0, &c), CUBBY_EINVAL);
    RETURNS(cubby__flags_change(st->txn, 1, NULL, CUBBY_FLAGS_ADD, 1, NULL, 0, &c), CUBBY_EINVAL);
    RETURNS(cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_ADD, 1, bad, 1, &c), CUBBY_EINVAL);
    RETURNS(cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_REMOVE, 1, bad, 1, &c), CUBBY_EINVAL);
    RETURNS(cubby__flags_change(st->txn, 4, u, CUBBY_FLAGS_ADD, 1, NULL, 0, &c), CUBBY_ENOENT);
    ck_assert_ptr_null(c);
    ck_assert_uint_eq(commit(st), m);
    cubby_uidset_free(&u);
    state_end(st);
}
END_TEST

/* Many different sets at once: every message has keywords of its own, and all get one flag more. */
START_TEST(many_sets)
{
    enum { N = 700 };
    cubby_uidset *all = uids("1:4294967295"), *changed;
    struct cubby__message_row row;
    state_begin(st);
    begin(st);
    for (int i = 0; i < N; i++) {
        char names[10][8];
        const char *k[10];
        cubby_add_options o = CUBBY_ADD_INIT;
        for (int b = 0; b < 10; b++)
            if (i >> b & 1) {
                snprintf(names[b], sizeof names[b], "k%d", b);
                k[o.keyword_count++] = names[b];
            }
        o.keywords = k;
        add(st, 1, &o);
    }
    commit(st);
    begin(st);
    MUST(cubby__flags_change(st->txn, 1, all, CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, &changed));
    uint64_t modseq = commit(st);
    is_set(changed, "1:700");
    for (uint32_t uid = 1; uid <= N; uid++) {
        MUST(row_of(st, 1, uid, &row));
        ck_assert_uint_eq(row.modseq, modseq);
        ck_assert_uint_eq(row.keywords.count, (size_t)__builtin_popcount(uid - 1));
    }
    same_after_rebuild(st);
    cubby_uidset_free(&all);
    state_end(st);
}
END_TEST

START_TEST(twice_in_one_commit)
{
    cubby_uidset *u = uids("1:2"), *v = uids("2:3");
    state_begin(st);
    fill(st, 1, 3);
    begin(st);
    MUST(cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, NULL));
    MUST(cubby__flags_change(st->txn, 1, v, CUBBY_FLAGS_REPLACE, CUBBY_DRAFT, NULL, 0, NULL)); /* the later one stands */
    uint64_t m = commit(st);
    is(1, CUBBY_SEEN, 0, m);
    is(2, CUBBY_DRAFT, 0, m);
    is(3, CUBBY_DRAFT, 0, m);
    same_after_rebuild(st);
    is(2, CUBBY_DRAFT, 0, m);
    cubby_uidset_free(&u);
    cubby_uidset_free(&v);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/flags", add_remove_replace, no_ops_write_nothing, refuses, many_sets, twice_in_one_commit)
