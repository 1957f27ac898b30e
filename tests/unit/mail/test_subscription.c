#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

#define SUBSCRIBE(path, on) cubby__subscribe(st->txn, path, sizeof path - 1, on)

/* All paths, with / for NUL. */
static void are(const char *want)
{
    char got[1000] = "", path[CUBBY__SUBSCRIPTION_MAX + 1];
    size_t len = 0, at = 0;
    int rc;
    look(st);
    while (!(rc = cubby__subscription_next(&st->view, path, len, path, &len))) {
        for (size_t i = 0; i < len; i++)
            got[at++] = path[i] ? path[i] : '/';
        got[at++] = ' ';
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    unlook(st);
    ck_assert_str_eq(got, want);
}

START_TEST(on_and_off)
{
    state_begin(st);
    are("");
    begin(st);
    MUST(SUBSCRIBE("b\0", 1));
    MUST(SUBSCRIBE("a\0c\0", 1));
    MUST(SUBSCRIBE("inbox\0", 1));
    MUST(SUBSCRIBE("a\0inbox\0", 1));
    uint64_t modseq = commit(st);
    are("INBOX/ a/c/ a/inbox/ b/ ");
    begin(st);
    MUST(SUBSCRIBE("b\0", 1)); /* as it is: nothing is written */
    MUST(SUBSCRIBE("x\0", 0));
    ck_assert_uint_eq(commit(st), modseq);
    begin(st);
    MUST(SUBSCRIBE("a\0c\0", 0));
    commit(st);
    are("INBOX/ a/inbox/ b/ ");
    same_after_rebuild(st);
    are("INBOX/ a/inbox/ b/ ");
    begin(st);
    MUST(SUBSCRIBE("a\0c\0", 1));
    MUST(SUBSCRIBE("a\0c\0", 0)); /* both in one commit: the later one stands */
    MUST(SUBSCRIBE("b\0", 0));
    MUST(SUBSCRIBE("b\0", 1));
    commit(st);
    are("INBOX/ a/inbox/ b/ ");
    same_after_rebuild(st);
    are("INBOX/ a/inbox/ b/ ");
    state_end(st);
}
END_TEST

START_TEST(refuses)
{
    char deep[2 * 65];
    char lengthy[600];
    state_begin(st);
    begin(st);
    RETURNS(cubby__subscribe(st->txn, NULL, 0, 1), CUBBY_EINVAL);
    RETURNS(SUBSCRIBE("", 1), CUBBY_EINVAL);
    RETURNS(SUBSCRIBE("a", 1), CUBBY_EINVAL);        /* no NUL behind it */
    RETURNS(SUBSCRIBE("\0", 1), CUBBY_EINVAL);       /* an empty component */
    RETURNS(SUBSCRIBE("a\0\0", 1), CUBBY_EINVAL);
    RETURNS(SUBSCRIBE("a\nb\0", 1), CUBBY_EINVAL);
    RETURNS(SUBSCRIBE("\xff\0", 1), CUBBY_EINVAL);
    for (size_t i = 0; i < sizeof deep; i++)
        deep[i] = i % 2 ? 0 : 'd';
    MUST(cubby__subscribe(st->txn, deep, 128, 1));
    RETURNS(cubby__subscribe(st->txn, deep, 130, 1), CUBBY_ELIMIT);
    memset(lengthy, 'x', sizeof lengthy);
    lengthy[255] = lengthy[510] = lengthy[512] = 0;
    MUST(cubby__subscribe(st->txn, lengthy, 511, 1)); /* the longest */
    RETURNS(cubby__subscribe(st->txn, lengthy, 513, 1), CUBBY_ELIMIT);
    commit(st);
    state_end(st);
}
END_TEST

START_TEST(next_behind_anything)
{
    char path[CUBBY__SUBSCRIPTION_MAX + 1], lengthy[2000];
    size_t len;
    state_begin(st);
    begin(st);
    MUST(SUBSCRIBE("m\0", 1));
    commit(st);
    look(st);
    MUST(cubby__subscription_next(&st->view, "a", 1, path, &len));
    ck_assert_uint_eq(len, 2);
    RETURNS(cubby__subscription_next(&st->view, "m\0", 2, path, &len), CUBBY_DONE);
    RETURNS(cubby__subscription_next(&st->view, "z", 1, path, &len), CUBBY_DONE);
    memset(lengthy, 'l', sizeof lengthy);
    MUST(cubby__subscription_next(&st->view, lengthy, sizeof lengthy, path, &len));
    unlook(st);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/subscription", on_and_off, refuses, next_behind_anything)
