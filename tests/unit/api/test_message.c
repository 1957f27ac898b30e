#include "unit/api/api_fixture.h"

START_TEST(life)
{
    struct fixture fx, *f = &fx;
    cubby_message *m;
    size_t len;
    fixture_begin(f);
    must(cubby_message_new(f->s, &m));
    ck_assert_uint_eq(cubby_message_size(m), 0);
    ck_assert_ptr_null(cubby_message_hash(m));
    ck_assert_ptr_null(cubby_message_list_header(m, &len));
    must(cubby_message_write(m, "To: x\n", 6));
    must(cubby_message_write(m, NULL, 0));
    must(cubby_message_write(m, "\nbody", 5));
    must(cubby_message_finish(m));
    ck_assert_uint_eq(cubby_message_size(m), 11);
    ck_assert_ptr_nonnull(cubby_message_hash(m));
    ck_assert_mem_eq(cubby_message_list_header(m, &len), "To: x\n", 6);
    ck_assert_uint_eq(len, 6);
    refuses(cubby_message_write(m, "x", 1), CUBBY_EINVAL);
    cubby_message_reset(m);
    must(cubby_message_write(m, "x", 1));
    must(cubby_message_finish(m));
    ck_assert_uint_eq(cubby_message_size(m), 1);
    cubby_message_free(&m);
    cubby_message_free(&m);
    fixture_end(f);
}
END_TEST

START_TEST(arguments)
{
    struct fixture fx, *f = &fx;
    cubby_message *m = NULL;
    fixture_begin(f);
    ck_assert_int_eq(cubby_message_new(NULL, &m), CUBBY_EINVAL);
    refuses(cubby_message_new(f->s, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_message_write(NULL, "x", 1), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_message_finish(NULL), CUBBY_EINVAL);
    must(cubby_message_new(f->s, &m));
    refuses(cubby_message_write(m, NULL, 1), CUBBY_EINVAL);
    cubby_message_free(&m);
    cubby_message_free(NULL);
    cubby_message_reset(NULL);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/message", life, arguments)
