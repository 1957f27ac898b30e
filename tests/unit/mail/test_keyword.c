#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

START_TEST(valid)
{
    static const char *const good[] = {"a", "$Forwarded", "NonJunk", "x!#&'+,-./:;<=>?@[^_`|}~", "0"};
    static const char *const bad[] = {"", " ", "a b", "a(b", "a)", "{", "%", "*", "\"", "\\Seen", "]", "\x7f", "\x1f", "caf\xc3\xa9", "\n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(cubby__keyword_valid(good[i], strlen(good[i])) == 1, "%s", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(cubby__keyword_valid(bad[i], strlen(bad[i])) == 0, "%s", bad[i]);
    ck_assert_int_eq(cubby__keyword_valid("a\0b", 3), 0);
    char longest[256];
    memset(longest, 'k', sizeof longest);
    ck_assert_int_eq(cubby__keyword_valid(longest, 255), 1);
    ck_assert_int_eq(cubby__keyword_valid(longest, 256), 0);
}
END_TEST

START_TEST(first_spelling_stays)
{
    static const char *const names[] = {"$Label1", "Work", "wORK"};
    struct cubby__keywords k;
    char name[CUBBY__KEYWORD_LEN_MAX + 1];
    uint16_t id;
    state_begin(st);
    begin(st);
    MUST(cubby__keywords_make(st->txn, names, 3, &k));
    ck_assert_uint_eq(k.count, 2);
    ck_assert_uint_eq(k.id[0], 1);
    ck_assert_uint_eq(k.id[1], 2);
    commit(st);
    same_after_rebuild(st);
    MUST(cubby__keyword_find(look(st), "WORK", &id));
    ck_assert_uint_eq(id, 2);
    MUST(cubby__keyword_name(&st->view, 2, name));
    ck_assert_str_eq(name, "Work");
    RETURNS(cubby__keyword_name(&st->view, 3, name), CUBBY_DONE);
    RETURNS(cubby__keyword_find(&st->view, "nobody", &id), CUBBY_DONE);
    RETURNS(cubby__keyword_find(&st->view, "no atom", &id), CUBBY_DONE);
    unlook(st);
    state_end(st);
}
END_TEST

START_TEST(resolve)
{
    static const char *const names[] = {"b", "a", "B", "new"}, *const bad[] = {"a", "x y"};
    struct cubby__keywords k;
    size_t unknown;
    state_begin(st);
    begin(st);
    MUST(cubby__keywords_make(st->txn, names, 2, &k));
    MUST(cubby__keywords_resolve(cubby__txn_view(st->txn), names, 4, &k, &unknown));
    ck_assert_uint_eq(k.count, 2);
    ck_assert_uint_eq(unknown, 1);
    RETURNS(cubby__keywords_resolve(cubby__txn_view(st->txn), bad, 2, &k, &unknown), CUBBY_EINVAL);
    RETURNS(cubby__keywords_make(st->txn, bad, 2, &k), CUBBY_EINVAL);
    MUST(cubby__keywords_make(st->txn, NULL, 0, &k));
    ck_assert_uint_eq(k.count, 0);
    commit(st);
    state_end(st);
}
END_TEST

START_TEST(limit)
{
    char name[16];
    const char *one[] = {name};
    const char *const two[] = {"last", "one too many"};
    const char *const more[] = {"last", "toomany"};
    const char *const often[] = {"last", "Last", "last"};
    struct cubby__keywords k;
    state_begin(st);
    begin(st);
    for (int i = 1; i < CUBBY__KEYWORDS_MAX; i++) {
        snprintf(name, sizeof name, "k%d", i);
        MUST(cubby__keywords_make(st->txn, one, 1, &k));
    }
    RETURNS(cubby__keywords_make(st->txn, two, 2, &k), CUBBY_EINVAL);
    RETURNS(cubby__keywords_make(st->txn, more, 2, &k), CUBBY_ELIMIT); /* and neither is made */
    uint16_t id;
    RETURNS(cubby__keyword_find(cubby__txn_view(st->txn), "last", &id), CUBBY_DONE);
    MUST(cubby__keywords_make(st->txn, often, 3, &k)); /* which are one */
    ck_assert_uint_eq(k.count, 1);
    ck_assert_uint_eq(k.id[0], CUBBY__KEYWORDS_MAX);
    RETURNS(cubby__keywords_make(st->txn, more, 2, &k), CUBBY_ELIMIT);
    commit(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/keyword", valid, first_spelling_stays, resolve, limit)
