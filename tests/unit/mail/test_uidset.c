#include "mail/uidset.h"

#include <stdio.h>
#include <string.h>

#include "unit/unit.h"

/* The set as text, compared. */
static void expect(const cubby_uidset *set, const char *text)
{
    char *s;
    ck_assert_int_eq(cubby_uidset_format(set, &s), 0);
    ck_assert_str_eq(s, text);
    cubby_string_free(&s);
    ck_assert_ptr_null(s);
}

static void parses(const char *text, uint32_t max, const char *as)
{
    cubby_uidset *set;
    ck_assert_int_eq(cubby_uidset_parse(text, max, &set), 0);
    expect(set, as);
    cubby_uidset_free(&set);
    ck_assert_ptr_null(set);
}

START_TEST(parse)
{
    parses("1", 9, "1");
    parses("1:5,9,12:*", 20, "1:5,9,12:20");
    parses("5:1", 9, "1:5");
    parses("*:4", 9, "4:9");
    parses("12:*", 3, "3:12");
    parses("*", 7, "7");
    parses("3,1,2", 9, "1:3");
    parses("1:3,2:9,20,10", 9, "1:10,20");
    parses("9:12,1:20,5", 9, "1:20");
    parses("4294967295", 9, "4294967295");
    parses("4294967295,4294967290:4294967295,1", 9, "1,4294967290:4294967295");
}
END_TEST

START_TEST(parse_in_an_empty_folder)
{
    parses("*", 0, "");
    parses("5:*", 0, "1:5");
}
END_TEST

START_TEST(refuses)
{
    static const char *const bad[] = {"", ",", "1,", ",1", "0", "01", "1:", ":1", "1:2:3", "a", "1 ", " 1", "-1", "1,,2", "4294967296",
                                      "99999999999999999999", "1:**", "**"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cubby_uidset *set = NULL;
        ck_assert_msg(cubby_uidset_parse(bad[i], 10, &set) == CUBBY_EINVAL, "\"%s\"", bad[i]);
        ck_assert_ptr_null(set);
    }
}
END_TEST

START_TEST(refuses_bad_ranges)
{
    cubby_uidset *set;
    ck_assert_int_eq(cubby_uidset_new(&set), 0);
    ck_assert_int_eq(cubby_uidset_add(set, 0, 3), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_uidset_add(set, 4, 3), CUBBY_EINVAL);
    ck_assert_uint_eq(cubby_uidset_ranges(set), 0);
    cubby_uidset_free(&set);
}
END_TEST

START_TEST(no_set)
{
    cubby_uidset *set = NULL;
    uint32_t first = 7, last = 7;
    char *text = NULL;
    ck_assert_int_eq(cubby_uidset_new(NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_uidset_parse(NULL, 1, &set), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_uidset_parse("1", 1, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_uidset_add(NULL, 1, 1), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_uidset_has(NULL, 1), 0);
    ck_assert_uint_eq(cubby_uidset_count(NULL), 0);
    ck_assert_uint_eq(cubby_uidset_ranges(NULL), 0);
    ck_assert_int_eq(cubby_uidset_format(NULL, &text), CUBBY_EINVAL);
    cubby_uidset_range(NULL, 0, &first, &last);
    ck_assert(first == 0 && last == 0);
    ck_assert_int_eq(cubby_uidset_new(&set), 0);
    cubby_uidset_range(set, 0, NULL, NULL);
    ck_assert_int_eq(cubby_uidset_format(set, NULL), CUBBY_EINVAL);
    cubby_uidset_free(&set);
}
END_TEST

/* Random additions against a plain array of booleans. */
START_TEST(adds_like_a_bitmap)
{
    enum { N = 200 };
    srandom(7);
    for (int round = 0; round < 500; round++) {
        uint8_t has[N + 2] = {0};
        cubby_uidset *set;
        ck_assert_int_eq(cubby_uidset_new(&set), 0);
        for (int i = 0; i < 1 + round % 60; i++) {
            uint32_t a = 1 + (uint32_t)random() % N, b = a + (uint32_t)random() % 9;
            if (b > N)
                b = N;
            ck_assert_int_eq(cubby_uidset_add(set, a, b), 0);
            memset(has + a, 1, b - a + 1);
        }
        uint64_t count = 0;
        size_t ranges = 0;
        for (uint32_t u = 0; u <= N + 1; u++) {
            ck_assert_int_eq(cubby_uidset_has(set, u), has[u]);
            count += has[u];
            ranges += has[u] && !has[u - 1];
        }
        ck_assert_uint_eq(cubby_uidset_count(set), count);
        ck_assert_uint_eq(cubby_uidset_ranges(set), ranges);
        for (size_t i = 1; i < ranges; i++) {
            uint32_t first, last, first2, last2;
            cubby_uidset_range(set, i - 1, &first, &last);
            cubby_uidset_range(set, i, &first2, &last2);
            ck_assert_uint_gt(first2, last + 1);
        }
        cubby_uidset_free(&set);
    }
}
END_TEST

START_TEST(the_ends)
{
    cubby_uidset *set;
    uint32_t first, last;
    ck_assert_int_eq(cubby_uidset_new(&set), 0);
    ck_assert_int_eq(cubby_uidset_add(set, UINT32_MAX, UINT32_MAX), 0);
    ck_assert_int_eq(cubby_uidset_add(set, 1, 1), 0);
    expect(set, "1,4294967295");
    ck_assert_int_eq(cubby_uidset_add(set, UINT32_MAX - 1, UINT32_MAX - 1), 0);
    expect(set, "1,4294967294:4294967295");
    ck_assert_int_eq(cubby_uidset_add(set, 1, UINT32_MAX), 0);
    ck_assert_uint_eq(cubby_uidset_count(set), UINT32_MAX);
    ck_assert_int_eq(cubby_uidset_has(set, 0), 0);
    cubby_uidset_range(set, 0, &first, &last);
    ck_assert_uint_eq(first, 1);
    ck_assert_uint_eq(last, UINT32_MAX);
    cubby_uidset_range(set, 1, &first, &last); /* no such range */
    ck_assert_uint_eq(first + last, 0);
    cubby_uidset_free(&set);
}
END_TEST

/* A hostile order must not take quadratic time: 400,000 ranges, descending. */
START_TEST(descending)
{
    enum { N = 400000 };
    char *text = malloc(12 * N), *p = text;
    ck_assert_ptr_nonnull(text);
    for (int i = N; i > 0; i--)
        p += sprintf(p, "%d,", 2 * i);
    p[-1] = 0;
    cubby_uidset *set;
    ck_assert_int_eq(cubby_uidset_parse(text, 1, &set), 0);
    ck_assert_uint_eq(cubby_uidset_ranges(set), N);
    ck_assert_uint_eq(cubby_uidset_count(set), N);
    cubby_uidset_free(&set);
    free(text);
}
END_TEST

START_TEST(seek)
{
    cubby_uidset *set;
    ck_assert_int_eq(cubby_uidset_parse("5:7,10,20:30", 99, &set), 0);
    ck_assert_uint_eq(cubby__uidset_seek(set, 1), 0);
    ck_assert_uint_eq(cubby__uidset_seek(set, 7), 0);
    ck_assert_uint_eq(cubby__uidset_seek(set, 8), 1);
    ck_assert_uint_eq(cubby__uidset_seek(set, 30), 2);
    ck_assert_uint_eq(cubby__uidset_seek(set, 31), 3);
    cubby_uidset_free(&set);
}
END_TEST

START_TEST(freeing_nothing)
{
    cubby_uidset *set = NULL;
    char *s = NULL;
    cubby_uidset_free(&set);
    cubby_uidset_free(NULL);
    cubby_string_free(&s);
    cubby_string_free(NULL);
}
END_TEST

UNIT_MAIN("mail/uidset", parse, parse_in_an_empty_folder, refuses, refuses_bad_ranges, no_set, adds_like_a_bitmap, the_ends, descending, seek,
          freeing_nothing)
