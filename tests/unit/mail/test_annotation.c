#include "mail/annotation.h"

#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

static void set(uint64_t folder, const char *entry, const char *value)
{
    MUST(cubby__annotation_set(st->txn, folder, entry, value, value ? strlen(value) : 0));
}

/* All of a folder: "entry=value;" each. */
static void are(uint64_t folder, const char *want)
{
    char got[2000] = "", entry[CUBBY__ANNOTATION_ENTRY_MAX + 1] = "";
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    const uint8_t *value;
    size_t len;
    int rc;
    look(st);
    while (!(rc = cubby__annotation_next(&st->view, folder, *entry ? entry : NULL, entry, buf, &value, &len)))
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s=%.*s;", entry, (int)len, (const char *)value);
    ck_assert_int_eq(rc, CUBBY_DONE);
    unlook(st);
    ck_assert_str_eq(got, want);
}

START_TEST(set_get_remove)
{
    uint64_t a, b;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &a));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &b));
    set(a, "/shared/comment", "one");
    set(a, "/Shared/Vendor/x", "two");
    set(b, "/shared/comment", "");
    uint64_t modseq = commit(st);
    are(a, "/shared/comment=one;/shared/vendor/x=two;");
    are(b, "/shared/comment=;");
    begin(st);
    set(a, "/SHARED/COMMENT", "one"); /* as it is: nothing is written */
    set(b, "/shared/nothing", NULL);
    ck_assert_uint_eq(commit(st), modseq);
    begin(st);
    set(a, "/shared/comment", "three");
    set(a, "/shared/vendor/x", NULL);
    ck_assert_uint_eq(commit(st), modseq + 1);
    ck_assert_uint_eq(folder_of(st, a).highestmodseq, modseq + 1); /* RFC 7162, 3.2 */
    ck_assert_uint_eq(folder_of(st, b).highestmodseq, modseq);
    are(a, "/shared/comment=three;");
    same_after_rebuild(st);
    are(a, "/shared/comment=three;");
    are(b, "/shared/comment=;");
    begin(st);
    MUST(cubby__folder_delete(st->txn, a)); /* its annotations go with it */
    commit(st);
    are(a, "");
    are(b, "/shared/comment=;");
    same_after_rebuild(st);
    are(a, "");
    state_end(st);
}
END_TEST

START_TEST(refuses)
{
    static const char *const wrong[] = {"", "/", "x", "shared/x", "/a/", "/a//b", "/a*", "/a%", "/\x01", "/\xc3\xa4"};
    char longest[CUBBY__ANNOTATION_ENTRY_MAX + 2], value[CUBBY_ANNOTATION_MAX + 1] = "";
    state_begin(st);
    begin(st);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        RETURNS(cubby__annotation_set(st->txn, 1, wrong[i], "x", 1), CUBBY_EINVAL);
    memset(longest, 'a', sizeof longest);
    longest[0] = '/';
    longest[CUBBY__ANNOTATION_ENTRY_MAX + 1] = 0;
    RETURNS(cubby__annotation_set(st->txn, 1, longest, "x", 1), CUBBY_EINVAL);
    longest[CUBBY__ANNOTATION_ENTRY_MAX] = 0;
    MUST(cubby__annotation_set(st->txn, 1, longest, value, CUBBY_ANNOTATION_MAX));
    RETURNS(cubby__annotation_set(st->txn, 1, "/x", value, CUBBY_ANNOTATION_MAX + 1), CUBBY_ELIMIT);
    RETURNS(cubby__annotation_set(st->txn, 99, "/x", "y", 1), CUBBY_ENOENT);
    commit(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

START_TEST(records)
{
    struct cubby__annotation_rec r = {2, "/shared/comment", 15, 1, (const uint8_t *)"hi", 2}, back;
    static const uint8_t bytes[] = "\x02\x00\x0f/shared/comment\x01hi";
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__annotation_encode(&r, &b);
    ck_assert_uint_eq(b.len, sizeof bytes - 1);
    ck_assert_int_eq(memcmp(b.data, bytes, b.len), 0);
    ck_assert_int_eq(cubby__annotation_decode(b.data, b.len, &back), 0);
    ck_assert_uint_eq(back.folder, 2);
    ck_assert_uint_eq(back.entry_len, 15);
    ck_assert_uint_eq(back.value_len, 2);
    for (size_t n = 0; n < 19; n++)
        ck_assert_int_eq(cubby__annotation_decode(b.data, n, &back), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__annotation_decode(b.data, 19, &back), 0); /* set to nothing */
    b.data[18] = 0;
    ck_assert_int_eq(cubby__annotation_decode(b.data, 19, &back), 0); /* removed */
    ck_assert_int_eq(cubby__annotation_decode(b.data, 20, &back), CUBBY_ECORRUPT);
    b.data[18] = 2;
    ck_assert_int_eq(cubby__annotation_decode(b.data, b.len, &back), CUBBY_ECORRUPT);
    b.data[18] = 1;
    b.data[4] = 'S'; /* not in lower case */
    ck_assert_int_eq(cubby__annotation_decode(b.data, b.len, &back), CUBBY_ECORRUPT);
    b.data[4] = 's';
    b.data[1] = 1; /* a principal */
    ck_assert_int_eq(cubby__annotation_decode(b.data, b.len, &back), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

/* ---- taking over a uidvalidity ---- */

static uint32_t validity(uint64_t id)
{
    return folder_of(st, id).uidvalidity;
}

START_TEST(uidvalidity)
{
    uint64_t a, b, c;
    state_begin(st);
    uint32_t first = validity(1);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &a));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &b));
    MUST(cubby__folder_take_uidvalidity(st->txn, 1, 7)); /* INBOX too */
    MUST(cubby__folder_take_uidvalidity(st->txn, a, 100));
    MUST(cubby__folder_take_uidvalidity(st->txn, a, 100)); /* it has that */
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, 100), CUBBY_ECONFLICT);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, 0), CUBBY_EINVAL);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, UINT32_MAX), CUBBY_EINVAL);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, first), CUBBY_ECONFLICT); /* INBOX had it */
    RETURNS(cubby__folder_take_uidvalidity(st->txn, 99, 5), CUBBY_ENOENT);
    commit(st);
    ck_assert_uint_eq(validity(1), 7);
    ck_assert_uint_eq(validity(a), 100);
    same_after_rebuild(st);
    ck_assert_uint_eq(validity(a), 100);
    begin(st);
    MUST(cubby__folder_delete(st->txn, a));
    commit(st);
    same_after_rebuild(st);
    begin(st);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, 100), CUBBY_ECONFLICT); /* remembered though its folder is gone */
    MUST(cubby__folder_take_uidvalidity(st->txn, b, first + 1000)); /* above all that were given */
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "c", 1, &c));
    commit(st);
    ck_assert_uint_eq(validity(b), first + 1000);
    ck_assert_uint_gt(validity(c), first + 1000);
    fill(st, b, 1);
    begin(st);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, 55), CUBBY_ECONFLICT); /* it gave a uid */
    commit(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* INBOX takes over a higher one first: what the store gave between its first number and that one was given all the same. */
START_TEST(uidvalidity_of_inbox)
{
    uint64_t a, b;
    state_begin(st);
    uint32_t first = validity(1);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &a));
    commit(st);
    uint32_t second = validity(a);
    ck_assert_uint_gt(second, first);
    begin(st);
    MUST(cubby__folder_take_uidvalidity(st->txn, 1, second + 1000));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &b));
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, second), CUBBY_ECONFLICT);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, first), CUBBY_ECONFLICT);
    MUST(cubby__folder_take_uidvalidity(st->txn, b, first - 1));
    commit(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* What is refused leaves nothing behind: a commit of nothing else takes no number. */
START_TEST(a_refused_uidvalidity)
{
    uint64_t a, modseq;
    state_begin(st);
    uint32_t first = validity(1);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &a));
    modseq = commit(st);
    begin(st);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, a, first), CUBBY_ECONFLICT);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, a, 0), CUBBY_EINVAL);
    ck_assert_uint_eq(commit(st), modseq);
    begin(st);
    MUST(cubby__folder_take_uidvalidity(st->txn, a, first - 1));
    ck_assert_uint_gt(commit(st), modseq);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* Another record takes the place of INBOX's first one, the only one that says where the store began to count. */
START_TEST(uidvalidity_after_a_special_use_of_inbox)
{
    uint64_t a, b;
    state_begin(st);
    uint32_t first = validity(1);
    begin(st);
    MUST(cubby__folder_set_special(st->txn, 1, CUBBY_USE_IMPORTANT));
    commit(st);
    same_after_rebuild(st);
    begin(st);
    MUST(cubby__folder_set_special(st->txn, 1, 0));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &a));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &b));
    MUST(cubby__folder_take_uidvalidity(st->txn, a, first - 1));
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, first - 1), CUBBY_ECONFLICT);
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, first), CUBBY_ECONFLICT);
    MUST(cubby__folder_take_uidvalidity(st->txn, 1, 5));
    MUST(cubby__folder_take_uidvalidity(st->txn, b, first - 2));
    commit(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* Between the first number and the highest nobody knows which were given: all count as given. */
START_TEST(uidvalidities_in_a_gap)
{
    uint64_t a, b;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &a));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &b));
    MUST(cubby__folder_take_uidvalidity(st->txn, a, 3000000000u));
    RETURNS(cubby__folder_take_uidvalidity(st->txn, b, 2900000000u), CUBBY_ECONFLICT);
    MUST(cubby__folder_take_uidvalidity(st->txn, b, 3100000000u));
    commit(st);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/annotation", set_get_remove, refuses, records, uidvalidity, uidvalidity_of_inbox, a_refused_uidvalidity,
          uidvalidity_after_a_special_use_of_inbox, uidvalidities_in_a_gap)
