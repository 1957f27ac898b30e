#include "store/segstat.h"

#include "base/varint.h"
#include "unit/store/store_util.h"

START_TEST(decode)
{
    uint8_t b[2 * CUBBY__VARINT_MAX];
    struct cubby__segstat st;
    size_t n = cubby__varint_put(b, 300);
    n += cubby__varint_put(b + n, UINT64_MAX);
    ck_assert_int_eq(cubby__segstat_decode(b, n, &st), 0);
    ck_assert(st.live == 300 && st.retained == UINT64_MAX);
    for (size_t k = 0; k < n; k++)
        ck_assert_int_eq(cubby__segstat_decode(b, k, &st), CUBBY_ECORRUPT);
    memset(b, 0xff, sizeof b);
    ck_assert_int_eq(cubby__segstat_decode(b, sizeof b, &st), CUBBY_ECORRUPT);
}
END_TEST

/* What a segment holds follows the records; what is given back is gone. */
START_TEST(accounts)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    uint8_t key[16] = {CUBBY__KS_SEGMENT}, value[CUBBY__TREE_VALUE_MAX];
    struct cubby__segstat st;
    struct cubby__view v;
    size_t key_len = 1 + cubby__keynum_put(key + 1, 7), n;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "a", "b", 1));
    MUST(cubby__txn_account(t, 7, 1000, 10));
    MUST(cubby__txn_account(t, 7, -400, 500));
    MUST(cubby__txn_account(t, 7, 0, -10));
    MUST(cubby__txn_commit(&t, NULL));
    MUST(cubby__view_begin(b->s, &v, &b->err));
    MUST(cubby__view_get(&v, key, key_len, value, &n));
    cubby__view_end(&v);
    MUST(cubby__segstat_decode(value, n, &st));
    ck_assert(st.live == 600 && st.retained == 500);
    bed_end(b);
}
END_TEST

START_TEST(a_row_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    uint8_t key[16] = {CUBBY__KS_SEGMENT};
    size_t key_len = 1 + cubby__keynum_put(key + 1, 7);
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(cubby__txn_put(t, key, key_len, "\xff", 1));
    REFUSES(cubby__txn_account(t, 7, 1, 1), CUBBY_ECORRUPT);
    cubby__txn_abort(&t);
    bed_end(b);
}
END_TEST

START_TEST(a_page_that_cannot_be_read)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "a", "b", 1));
    for (uint32_t i = 1; i <= 20000; i++)
        MUST(cubby__txn_account(t, i, 1000, 10));
    MUST(cubby__txn_commit(&t, NULL));
    MUST(cubby__store_checkpoint(b->s, &b->err)); /* these rows are of no record */
    bed_close(b);
    b->o.cache_bytes = 1;
    bed_open(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    fault_set(&b->fault, FAULT_PREAD, "index", 0, -EIO, 0);
    uint32_t seg = 0;
    int rc;
    do /* some pages it has read before */
        rc = cubby__txn_account(t, seg += 50, 1, 1);
    while (rc == 0 && seg < 20000);
    ck_assert(rc == CUBBY_EIO && b->err.code == CUBBY_EIO);
    MUST(cubby__txn_account(t, seg, 1, 1));
    cubby__txn_abort(&t);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/segstat", decode, accounts, a_row_that_cannot_be_read, a_page_that_cannot_be_read)
