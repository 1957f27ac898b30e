#include "tree/alloc.h"

#include "unit/tree/tree_util.h"

#define NO_READER UINT64_MAX

static uint64_t free_pages(const struct cubby__page_alloc *a)
{
    return atomic_load(&a->free_pages);
}

static void protect1(struct cubby__page_alloc *a, uint64_t commit, uint64_t oldest_reader)
{
    ck_assert_int_eq(cubby__alloc_protect(a, &commit, 1, oldest_reader), 0);
}

START_TEST(a_new_file_grows)
{
    struct cubby__page_alloc a;
    cubby__alloc_init(&a, 2);
    ck_assert_uint_eq(cubby__alloc_take(&a), 2);
    ck_assert_uint_eq(cubby__alloc_take(&a), 3);
    cubby__alloc_give(&a, 2);
    ck_assert_uint_eq(cubby__alloc_take(&a), 2);
    ck_assert_uint_eq(cubby__alloc_take(&a), 4);
    cubby__alloc_release(&a);
}
END_TEST

START_TEST(nothing_is_reused_before_somebody_says_what_is_in_use)
{
    struct cubby__page_alloc a;
    cubby__alloc_init(&a, 10);
    cubby__alloc_retire(&a, (struct cubby__span){3, 1, 5});
    ck_assert_uint_eq(cubby__alloc_take(&a), 10);
    protect1(&a, 5, NO_READER);
    ck_assert_uint_eq(cubby__alloc_take(&a), 3);
    cubby__alloc_release(&a);
}
END_TEST

/* Is a page with lifetime [birth, death) taken if `commit` and all from `oldest` on are in use? */
static int taken(uint64_t birth, uint64_t death, uint64_t commit, uint64_t oldest)
{
    struct cubby__page_alloc a;
    cubby__alloc_init(&a, 10);
    cubby__alloc_retire(&a, (struct cubby__span){3, birth, death});
    protect1(&a, commit, oldest);
    uint64_t page = cubby__alloc_take(&a);
    cubby__alloc_release(&a);
    return page == 3;
}

START_TEST(the_rule_at_its_edges)
{
    ck_assert_int_eq(taken(5, 9, 4, NO_READER), 1);
    ck_assert_int_eq(taken(5, 9, 5, NO_READER), 0);
    ck_assert_int_eq(taken(5, 9, 8, NO_READER), 0);
    ck_assert_int_eq(taken(5, 9, 9, NO_READER), 1);
    ck_assert_int_eq(taken(5, 9, 20, 8), 0);
    ck_assert_int_eq(taken(5, 9, 20, 9), 1);
    ck_assert_int_eq(taken(5, 9, 20, 1), 0);
    ck_assert_int_eq(taken(5, 9, 6, 10), 0);
    ck_assert_int_eq(taken(5, 5, 5, NO_READER), 1); /* no version had it */
}
END_TEST

START_TEST(holders_let_go)
{
    struct cubby__page_alloc a;
    cubby__alloc_init(&a, 10);
    cubby__alloc_retire(&a, (struct cubby__span){3, 1, 7});
    cubby__alloc_retire(&a, (struct cubby__span){4, 6, 7});
    cubby__alloc_retire(&a, (struct cubby__span){5, 1, 20});
    uint64_t both[] = {6, 3}; /* any order */
    ck_assert_int_eq(cubby__alloc_protect(&a, both, 2, 15), 0);
    ck_assert_uint_eq(cubby__alloc_take(&a), 10);
    protect1(&a, 6, 15); /* page 3 is still held, by another */
    ck_assert_uint_eq(cubby__alloc_take(&a), 11);
    protect1(&a, 7, 15);
    ck_assert_uint_eq(cubby__alloc_take(&a), 3);
    ck_assert_uint_eq(cubby__alloc_take(&a), 4);
    ck_assert_uint_eq(cubby__alloc_take(&a), 12);
    ck_assert_uint_eq(free_pages(&a), 1);
    protect1(&a, 7, 20); /* the readers got past it, a checkpoint did not */
    ck_assert_uint_eq(cubby__alloc_take(&a), 13);
    protect1(&a, 20, 20);
    ck_assert_uint_eq(cubby__alloc_take(&a), 5);
    ck_assert_uint_eq(free_pages(&a), 0);
    cubby__alloc_release(&a);
}
END_TEST

START_TEST(failed_commits_give_nothing_up)
{
    struct cubby__page_alloc a;
    cubby__alloc_init(&a, 10);
    protect1(&a, 9, NO_READER);
    cubby__alloc_retire_unsettled(&a, (struct cubby__span){3, 1, 5});
    ck_assert_uint_eq(cubby__alloc_take(&a), 10);
    cubby__alloc_revive(&a);
    cubby__alloc_settle(&a);
    ck_assert_uint_eq(cubby__alloc_take(&a), 11);
    ck_assert_uint_eq(free_pages(&a), 0);
    cubby__alloc_retire_unsettled(&a, (struct cubby__span){4, 1, 5});
    cubby__alloc_settle(&a);
    cubby__alloc_revive(&a);
    ck_assert_uint_eq(cubby__alloc_take(&a), 4);
    cubby__alloc_release(&a);
}
END_TEST

START_TEST(walked_versions_hold_only_what_they_reach)
{
    struct cubby__page_alloc a;
    uint64_t walked[] = {50, 40}, with_stranger[] = {50, 40, 45};
    cubby__alloc_init(&a, 2);
    ck_assert_int_eq(cubby__alloc_reset(&a, 10, walked, 2), 0);
    cubby__alloc_retire(&a, (struct cubby__span){3, CUBBY__BIRTH_UNREACHED, 50});
    cubby__alloc_retire(&a, (struct cubby__span){4, 1, 50}); /* reached by 40 only */
    cubby__alloc_protect(&a, with_stranger, 3, NO_READER);
    ck_assert_uint_eq(cubby__alloc_take(&a), 10); /* who knows what 45 reaches */
    cubby__alloc_protect(&a, walked, 2, NO_READER);
    ck_assert_uint_eq(cubby__alloc_take(&a), 3);
    ck_assert_uint_eq(cubby__alloc_take(&a), 11);
    protect1(&a, 50, NO_READER);
    ck_assert_uint_eq(cubby__alloc_take(&a), 4);
    cubby__alloc_release(&a);
}
END_TEST

/* Against the rule itself: many lifetimes, versions that come and go. */
START_TEST(random_lifetimes)
{
    struct cubby__page_alloc a;
    struct cubby__span spans[400];
    int out[400] = {0};
    uint64_t r = 7, commits[6] = {0}, oldest = 0;
    cubby__alloc_init(&a, 1000);
    for (unsigned i = 0; i < 400; i++) {
        r = mix(r + 1);
        spans[i] = (struct cubby__span){2 + i, 1 + r % 300, 0};
        spans[i].death = spans[i].birth + r / 1000 % 100;
        cubby__alloc_retire(&a, spans[i]);
    }
    for (uint64_t now = 1; now < 500; now += 3) {
        oldest = now > 40 ? now - 40 : 0;
        for (unsigned i = 0; i < 6; i++)
            if (mix(now + i) % 4 == 0)
                commits[i] = mix(now * i + 1) % (now + 1);
        ck_assert_int_eq(cubby__alloc_protect(&a, commits, 6, oldest), 0);
        for (;;) {
            uint64_t page = cubby__alloc_take(&a);
            if (page >= 1000)
                break;
            struct cubby__span s = spans[page - 2];
            EXPECT(!out[page - 2] && s.death <= oldest);
            for (unsigned i = 0; i < 6; i++)
                EXPECT(commits[i] < s.birth || commits[i] >= s.death);
            out[page - 2] = 1;
        }
        for (unsigned i = 0; i < 400; i++) { /* and none was kept back for nothing */
            int held = spans[i].death > oldest;
            for (unsigned j = 0; j < 6; j++)
                held |= spans[i].birth <= commits[j] && commits[j] < spans[i].death;
            EXPECT(held || out[i]);
        }
    }
    cubby__alloc_protect(&a, NULL, 0, NO_READER);
    for (unsigned i = 0; i < 400; i++)
        out[i] || (cubby__alloc_take(&a) < 1000 ? 0 : (ck_abort_msg("lost"), 0));
    ck_assert_uint_eq(free_pages(&a), 0);
    cubby__alloc_release(&a);
}
END_TEST

UNIT_MAIN("tree/alloc", a_new_file_grows, nothing_is_reused_before_somebody_says_what_is_in_use, the_rule_at_its_edges, holders_let_go,
          failed_commits_give_nothing_up, walked_versions_hold_only_what_they_reach, random_lifetimes)
