#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* Uids of the rows of a set, as text. */
static void walks(const char *set, uint32_t first, uint32_t last, const char *want)
{
    cubby_uidset *u = set ? uids(set) : NULL, *got;
    struct cubby__message_row row;
    struct cubby__walk w;
    int rc;
    MUST(cubby_uidset_new(&got));
    cubby__walk_open(&w, look(st), 1, u, first, last);
    while (!(rc = cubby__walk_next(&w))) {
        ck_assert(!got->count || w.uid > got->range[got->count - 1].last);
        MUST(cubby__message_row_decode(w.value.p, w.value.n, &row));
        MUST(cubby_uidset_add(got, w.uid, w.uid));
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    cubby__walk_close(&w);
    unlook(st);
    cubby_uidset_free(&u);
    is_set(got, want);
}

static void at(uint32_t uid, uint64_t folder)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    o.uid = uid;
    add(st, folder, &o);
}

START_TEST(walk)
{
    uint64_t other;
    state_begin(st);
    walks(NULL, 1, UINT32_MAX, "");
    begin(st);
    MUST(cubby__folder_create(st->txn, 0, "o", 1, &other));
    for (uint32_t uid = 1; uid <= 40; uid++)
        at(uid, 1);
    at(100, 1);
    at(5000, 1);
    at(UINT32_MAX, 1);
    at(7, other);
    commit(st);
    walks(NULL, 1, UINT32_MAX, "1:40,100,5000,4294967295");
    walks(NULL, 39, 100, "39:40,100");
    walks(NULL, 41, 99, "");
    walks("1:4294967295", 1, UINT32_MAX, "1:40,100,5000,4294967295");
    walks("3,5,7,30:35,4000:6000,4294967295", 1, UINT32_MAX, "3,5,7,30:35,5000,4294967295");
    walks("3,5,7,30:35,4000:6000", 6, 31, "7,30:31");
    walks("50:60,200:300", 1, UINT32_MAX, "");
    walks("41:99,101:4999", 1, UINT32_MAX, "");
    walks("1", 2, UINT32_MAX, "");
    walks("4294967295", 1, UINT32_MAX, "4294967295");
    state_end(st);
}
END_TEST

START_TEST(batches)
{
    struct cubby__batch b = {.next = 0};
    struct cubby__message_row row;
    size_t total = 0, rounds = 0;
    uint32_t before = 0;
    int rc;
    state_begin(st);
    fill(st, 1, 2 * CUBBY__BATCH + 10);
    look(st);
    while (!(rc = cubby__batch_read(&b, &st->view, 1, NULL, 2 * CUBBY__BATCH + 5))) {
        for (size_t i = 0; i < b.count; i++) {
            MUST(cubby__batch_row(&b, i, &st->view, 1, &row));
            ck_assert_uint_eq(b.uid[i], before + 1);
            before = b.uid[i];
        }
        total += b.count;
        rounds++;
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    ck_assert_uint_eq(total, 2 * CUBBY__BATCH + 5);
    ck_assert_uint_eq(rounds, 3);
    cubby__batch_release(&b);
    unlook(st);
    state_end(st);
}
END_TEST

START_TEST(a_broken_row)
{
    struct cubby__message_row row;
    state_begin(st);
    look(st);
    RETURNS(cubby__walk_row(&st->view, (struct cubby__slice){(const uint8_t *)"\xff", 1}, 1, 7, &row), CUBBY_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(st->err.message, "uid 7"));
    ck_assert_str_eq(st->err.path, "index");
    unlook(st);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/walk", walk, batches, a_broken_row)
