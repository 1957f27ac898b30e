#include "tree/node.h"

#include "unit/tree/tree_util.h"

static struct cubby__slice str(const char *s)
{
    return (struct cubby__slice){(const uint8_t *)s, strlen(s)};
}

static int put(uint8_t *d, unsigned i, const char *key, size_t value_len)
{
    static const uint8_t value[CUBBY__TREE_VALUE_MAX] = {'v'};
    uint8_t *cell = cubby__node_make(d, i, cubby__leaf_encoded_len(strlen(key), value_len));
    if (cell)
        cubby__leaf_encode(cell, str(key), (struct cubby__slice){value, value_len});
    return cell != NULL;
}

static void expect_ok(const uint8_t *d)
{
    const char *problem = cubby__node_problem(d, 1);
    ck_assert_msg(!problem, "%s", problem);
    problem = cubby__node_order_problem(d);
    ck_assert_msg(!problem, "%s", problem);
    problem = cubby__node_rest_problem(d);
    ck_assert_msg(!problem, "%s", problem);
}

static void three(uint8_t *d)
{
    cubby__node_init(d, 9, 4, 0);
    put(d, 0, "banana", 10);
    put(d, 1, "cherry", 200);
    put(d, 0, "apple", 0);
}

START_TEST(insert_find_remove)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    int exact;
    three(d);
    expect_ok(d);
    ck_assert_uint_eq(cubby__node_count(d), 3);
    ck_assert_uint_eq(cubby__leaf_find(d, str("banana"), &exact), 1);
    ck_assert_int_eq(exact, 1);
    ck_assert_uint_eq(cubby__leaf_find(d, str("bananas"), &exact), 2);
    ck_assert_int_eq(exact, 0);
    ck_assert_uint_eq(cubby__leaf_find(d, str("a"), &exact), 0);
    ck_assert_uint_eq(cubby__leaf_find(d, str("d"), &exact), 3);
    ck_assert_uint_eq(cubby__leaf_cell(d, 2).value.n, 200);
    size_t used = cubby__node_used(d);
    cubby__node_remove(d, 1); /* leaves a hole */
    expect_ok(d);
    ck_assert_uint_eq(cubby__node_used(d), used - 2 - (1 + 1 + 6 + 10));
    ck_assert_uint_eq(cubby__leaf_find(d, str("banana"), &exact), 1);
    ck_assert_int_eq(exact, 0);
    cubby__node_remove(d, 0);
    cubby__node_remove(d, 0);
    ck_assert_uint_eq(cubby__node_used(d), 0);
}
END_TEST

START_TEST(holes_are_used_and_cleared)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    char key[8];
    unsigned n = 0;
    cubby__node_init(d, 9, 4, 0);
    for (; snprintf(key, sizeof key, "k%04u", n), put(d, n, key, 90); n++)
        ;
    ck_assert_uint_ge(n, 40);
    for (unsigned i = n; i-- > 0;)
        if (i % 2)
            cubby__node_remove(d, i);
    expect_ok(d); /* nothing of the removed cells is left */
    ck_assert_int_eq(put(d, cubby__node_count(d), "z", 1000), 1); /* no gap is that wide: the page is compacted */
    expect_ok(d);
    for (unsigned i = 0; i + 1 < cubby__node_count(d); i++) {
        snprintf(key, sizeof key, "k%04u", 2 * i);
        ck_assert_int_eq(cubby__key_cmp(cubby__leaf_cell(d, i).key, str(key)), 0);
    }
}
END_TEST

START_TEST(two_largest_cells_fit)
{
    uint8_t d[CUBBY__PAGE_SIZE], key[CUBBY__TREE_KEY_MAX + 1];
    memset(key, 'k', sizeof key);
    key[CUBBY__TREE_KEY_MAX] = 0;
    cubby__node_init(d, 9, 4, 0);
    ck_assert_int_eq(put(d, 0, (char *)key, CUBBY__TREE_VALUE_MAX), 1);
    key[0] = 'z';
    ck_assert_int_eq(put(d, 1, (char *)key, CUBBY__TREE_VALUE_MAX), 1);
    expect_ok(d);
    key[0] = 'a';
    ck_assert_int_eq(put(d, 0, (char *)key, CUBBY__TREE_VALUE_MAX), 0);
    expect_ok(d);
}
END_TEST

static void branch_add(uint8_t *d, unsigned i, uint64_t page, const char *key)
{
    uint8_t cell[CUBBY__BRANCH_CELL_MAX];
    size_t n = cubby__branch_encode(cell, page, page * 11, str(key));
    memcpy(cubby__node_make(d, i, n), cell, n);
}

START_TEST(branches)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    cubby__node_init(d, 9, 4, 1);
    branch_add(d, 0, 20, "");
    branch_add(d, 1, 21, "g");
    branch_add(d, 2, 22, "pq");
    expect_ok(d);
    ck_assert_uint_eq(cubby__branch_find(d, str("a")), 0);
    ck_assert_uint_eq(cubby__branch_find(d, str("g")), 1);
    ck_assert_uint_eq(cubby__branch_find(d, str("pp")), 1);
    ck_assert_uint_eq(cubby__branch_find(d, str("pqr")), 2);
    cubby__branch_set(d, 1, 31, 99);
    ck_assert_uint_eq(cubby__branch_page(d, 1), 31);
    ck_assert_uint_eq(cubby__branch_sum(d, 1), 99);
    cubby__branch_remove(d, 0); /* the next one takes over everything below */
    expect_ok(d);
    ck_assert_uint_eq(cubby__branch_page(d, 0), 31);
    ck_assert_uint_eq(cubby__branch_key(d, 0).n, 0);
    ck_assert_uint_eq(cubby__branch_find(d, str("a")), 0);
    cubby__branch_remove(d, 0);
    cubby__branch_remove(d, 0);
    ck_assert_uint_eq(cubby__node_count(d), 0);
}
END_TEST

START_TEST(an_unflushed_child_is_a_problem_on_disk)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    cubby__node_init(d, 9, 4, 1);
    branch_add(d, 0, 20, "");
    ck_assert_ptr_null(cubby__node_problem(d, 0));
    cubby__branch_set(d, 0, 20, 0);
    ck_assert_ptr_nonnull(cubby__node_problem(d, 0));
    ck_assert_ptr_null(cubby__node_problem(d, 1));
    cubby__branch_set(d, 0, 1, 5); /* a meta slot */
    ck_assert_ptr_nonnull(cubby__node_problem(d, 1));
}
END_TEST

/* A problem, each made by one change to a sound page. */
static void expect_bad(unsigned off, unsigned width, unsigned value)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    three(d);
    if (width == 1)
        d[off] = (uint8_t)value;
    else
        cubby__put16(d + off, (uint16_t)value);
    ck_assert_msg(cubby__node_problem(d, 0) != NULL, "%u at %u", value, off);
}

START_TEST(hostile_headers_and_cells)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    three(d);
    unsigned cell = cubby__get16(d + CUBBY__TREE_SLOTS_OFF + 2 * 2); /* cherry, 200 */
    expect_bad(CUBBY__TREE_LEVEL_OFF, 1, CUBBY__TREE_DEPTH_MAX);
    expect_bad(CUBBY__TREE_LEVEL_OFF, 1, 1);     /* leaf cells are no branch cells */
    expect_bad(CUBBY__TREE_LEVEL_OFF + 1, 1, 1); /* reserved */
    expect_bad(CUBBY__TREE_COUNT_OFF, 2, 0);
    expect_bad(CUBBY__TREE_COUNT_OFF, 2, 2); /* the cells do not add up */
    expect_bad(CUBBY__TREE_COUNT_OFF, 2, 4); /* a slot of zero */
    expect_bad(CUBBY__TREE_COUNT_OFF, 2, 0xffff);
    expect_bad(CUBBY__TREE_CELLS_OFF, 2, 0);
    expect_bad(CUBBY__TREE_CELLS_OFF, 2, 30);
    expect_bad(CUBBY__TREE_CELLS_OFF, 2, CUBBY__PAGE_SIZE);
    expect_bad(CUBBY__TREE_CELLS_OFF, 2, 0xffff);
    expect_bad(CUBBY__TREE_FREE_OFF, 2, 1);
    expect_bad(CUBBY__TREE_FREE_OFF, 2, 0xffff);
    expect_bad(CUBBY__TREE_SLOTS_OFF, 2, 0);
    expect_bad(CUBBY__TREE_SLOTS_OFF, 2, CUBBY__PAGE_SIZE);
    expect_bad(CUBBY__TREE_SLOTS_OFF, 2, CUBBY__PAGE_SIZE - 1);
    expect_bad(CUBBY__TREE_SLOTS_OFF, 2, 0xffff);
    expect_bad(cell, 1, 0);    /* an empty key */
    expect_bad(cell, 1, 0xff); /* a key longer than may be */
    expect_bad(cell, 1, 7);
    expect_bad(cell + 2, 1, 0);    /* 200 is written in two bytes: not the shortest form */
    expect_bad(cell + 2, 1, 0x80); /* three bytes */
    expect_bad(cell + 2, 1, 0x7f); /* a value longer than may be */
}
END_TEST

/* Whatever the bytes are, looking at them stays inside the page (run under ASan), and what passes can be used. */
START_TEST(random_damage_is_safe)
{
    uint8_t good[CUBBY__PAGE_SIZE], *d = malloc(CUBBY__PAGE_SIZE);
    int passed = 0, exact;
    for (uint64_t round = 0; round < 20000; round++) {
        three(good);
        memcpy(d, good, CUBBY__PAGE_SIZE);
        unsigned cells = cubby__get16(d + CUBBY__TREE_CELLS_OFF);
        for (uint64_t n = 0; n < 1 + round % 3; n++) {
            uint64_t r = mix(round * 8 + n);
            unsigned at = r % 2 ? 24 + (unsigned)(r >> 8) % 14 : cells + (unsigned)(r >> 8) % (CUBBY__PAGE_SIZE - cells);
            d[at] = (uint8_t)(r >> 40);
        }
        if (cubby__node_problem(d, 0))
            continue;
        passed++;
        cubby__node_rest_problem(d);
        if (!cubby__node_order_problem(d) && cubby__node_level(d) == 0) {
            cubby__leaf_find(d, str("banana"), &exact);
            put(d, 1, "new", 1000);
            while (cubby__node_count(d))
                cubby__node_remove(d, 0);
        }
    }
    ck_assert_int_gt(passed, 0);
    free(d);
}
END_TEST

/* Cell i becomes one of a key of 3 bytes and a value, len bytes in all, at off. Bytes that it takes from other cells are theirs, too. */
static void lay(uint8_t *d, unsigned i, unsigned off, unsigned len)
{
    cubby__put16(d + CUBBY__TREE_SLOTS_OFF + 2 * i, (uint16_t)off);
    d[off] = 3;
    d[off + 1] = (uint8_t)(len - 5);
}

START_TEST(problems_that_only_a_change_meets)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    three(d);
    uint16_t first = cubby__get16(d + CUBBY__TREE_SLOTS_OFF);
    cubby__put16(d + CUBBY__TREE_SLOTS_OFF, cubby__get16(d + CUBBY__TREE_SLOTS_OFF + 2));
    cubby__put16(d + CUBBY__TREE_SLOTS_OFF + 2, first);
    ck_assert_ptr_null(cubby__node_problem(d, 0));
    ck_assert_str_eq(cubby__node_order_problem(d), "keys are out of order");
    three(d);
    cubby__put16(d + CUBBY__TREE_SLOTS_OFF, cubby__get16(d + CUBBY__TREE_SLOTS_OFF + 2)); /* twice the same */
    cubby__put16(d + CUBBY__TREE_FREE_OFF, 0);
    size_t used = 0;
    for (unsigned i = 0; i < 3; i++)
        used += cubby__node_cell_len(d, i);
    cubby__put16(d + CUBBY__TREE_CELLS_OFF, (uint16_t)(CUBBY__PAGE_SIZE - used));
    ck_assert_ptr_null(cubby__node_problem(d, 0));
    ck_assert_str_eq(cubby__node_order_problem(d), "cells overlap");
    three(d);
    d[100] = 1;
    ck_assert_ptr_null(cubby__node_problem(d, 0));
    ck_assert_ptr_null(cubby__node_order_problem(d));
    ck_assert_str_eq(cubby__node_rest_problem(d), "unused bytes are not zero");
}
END_TEST

/* Two cells, at every distance from each other and from where words of bits begin: they overlap exactly if they have a byte in common. */
START_TEST(cells_that_overlap_by_any_number_of_bytes)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    for (unsigned a = 3000; a < 3070; a++)
        for (unsigned gap = 5; gap < 140; gap++) {
            cubby__node_init(d, 9, 4, 0);
            cubby__put16(d + CUBBY__TREE_COUNT_OFF, 2);
            lay(d, 0, a, 70);
            lay(d, 1, a + gap, 20);
            d[a + gap + 2] = 'z'; /* the keys ascend: the second one begins higher */
            const char *problem = cubby__node_order_problem(d);
            EXPECT(gap < 70 ? problem && !strcmp(problem, "cells overlap") : !problem);
            cubby__put16(d + CUBBY__TREE_SLOTS_OFF, (uint16_t)(a + gap));
            cubby__put16(d + CUBBY__TREE_SLOTS_OFF + 2, (uint16_t)a);
            problem = cubby__node_order_problem(d);
            EXPECT(problem && !strcmp(problem, gap < 70 ? "cells overlap" : "keys are out of order"));
        }
}
END_TEST

static const char *leaf_bounds(const char *low, const char *high)
{
    static uint8_t d[CUBBY__PAGE_SIZE];
    struct cubby__bounds b = {0};
    three(d);
    if (low)
        b.low = str(low);
    if (high)
        b.high = str(high);
    return cubby__node_bounds_problem(d, b);
}

START_TEST(bounds)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    ck_assert_ptr_null(leaf_bounds(NULL, NULL)); /* apple, banana, cherry */
    ck_assert_ptr_null(leaf_bounds("apple", "cherry."));
    ck_assert_ptr_nonnull(leaf_bounds("apple.", NULL));
    ck_assert_ptr_nonnull(leaf_bounds(NULL, "cherry"));
    cubby__node_init(d, 9, 4, 1);
    branch_add(d, 0, 20, "");
    struct cubby__bounds b = {str("g"), str("p")}, inner = cubby__branch_bounds(d, 0, b);
    ck_assert_ptr_null(cubby__node_bounds_problem(d, b)); /* the empty key stands for any */
    ck_assert_int_eq(cubby__key_cmp(inner.low, b.low) | cubby__key_cmp(inner.high, b.high), 0);
    branch_add(d, 1, 21, "h");
    branch_add(d, 2, 22, "k");
    ck_assert_ptr_null(cubby__node_bounds_problem(d, b));
    ck_assert_ptr_nonnull(cubby__node_bounds_problem(d, (struct cubby__bounds){str("i"), b.high}));
    ck_assert_ptr_nonnull(cubby__node_bounds_problem(d, (struct cubby__bounds){b.low, str("k")}));
    inner = cubby__branch_bounds(d, 1, b);
    ck_assert_int_eq(cubby__key_cmp(inner.low, str("h")) | cubby__key_cmp(inner.high, str("k")), 0);
}
END_TEST

START_TEST(checksum_depends_on_everything)
{
    uint8_t d[CUBBY__PAGE_SIZE];
    three(d);
    uint64_t sum = cubby__node_sum(d, 9, SALT);
    ck_assert_uint_ne(sum, cubby__node_sum(d, 10, SALT));
    ck_assert_uint_ne(sum, cubby__node_sum(d, 9, SALT + 1));
    d[CUBBY__TREE_SUM_OFF]++;
    ck_assert_uint_eq(sum, cubby__node_sum(d, 9, SALT)); /* but on itself */
    d[CUBBY__PAGE_SIZE - 1]++;
    ck_assert_uint_ne(sum, cubby__node_sum(d, 9, SALT));
}
END_TEST

UNIT_MAIN("tree/node", insert_find_remove, holes_are_used_and_cleared, two_largest_cells_fit, branches, an_unflushed_child_is_a_problem_on_disk,
          hostile_headers_and_cells, random_damage_is_safe, problems_that_only_a_change_meets, cells_that_overlap_by_any_number_of_bytes, bounds,
          checksum_depends_on_everything)
