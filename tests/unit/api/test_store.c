#include "unit/api/api_fixture.h"

START_TEST(create_and_open)
{
    struct fixture fx, *f = &fx;
    cubby_error err;
    cubby_store *s = NULL;
    fixture_begin(f);
    ck_assert_int_eq(cubby_create("/s", &f->o, &err), CUBBY_EEXIST);
    ck_assert_int_eq(err.code, CUBBY_EEXIST);
    ck_assert_int_eq(cubby_open("/nowhere", &f->o, &s, &err), CUBBY_ENOENT);
    ck_assert_ptr_null(s);
    f->o.flags = CUBBY_CREATE;
    ck_assert_int_eq(cubby_open("/nowhere", &f->o, &s, &err), 0);
    ck_assert_int_eq(cubby_is_read_only(s), 0);
    ck_assert_int_eq(cubby_close(&s), 0);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(cubby_close(&s), 0);
    ck_assert_int_eq(cubby_close(NULL), 0);
    f->o.flags = CUBBY_READ_ONLY | CUBBY_ON_NETWORK;
    ck_assert_int_eq(cubby_open("/nowhere", &f->o, &s, NULL), 0);
    ck_assert_int_eq(cubby_is_read_only(s), 1);
    cubby_txn *txn = NULL;
    ck_assert_int_eq(cubby_txn_begin(s, 0, &txn), CUBBY_EACCES);
    ck_assert_ptr_null(txn);
    ck_assert_int_eq(cubby_close(&s), 0);
    fixture_end(f);
}
END_TEST

START_TEST(arguments)
{
    struct fixture fx, *f = &fx;
    cubby_error err;
    cubby_store *s = NULL;
    fixture_begin(f);
    cubby_options o = f->o;
    ck_assert_int_eq(cubby_open(NULL, &o, &s, &err), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_open("", &o, &s, &err), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_open("/s", &o, NULL, &err), CUBBY_EINVAL);
    o.version = 99;
    ck_assert_int_eq(cubby_open("/s", &o, &s, &err), CUBBY_EINVAL);
    ck_assert_str_ne(err.message, "");
    o.version = CUBBY_OPTIONS_VERSION, o.flags = 1u << 20;
    ck_assert_int_eq(cubby_create("/s", &o, &err), CUBBY_EINVAL);
    o.flags = CUBBY_READ_ONLY | CUBBY_CREATE;
    ck_assert_int_eq(cubby_open("/s", &o, &s, &err), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_sync(NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_checkpoint(NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_is_read_only(NULL), 1);
    cubby_stat stat;
    ck_assert_int_eq(cubby_store_stat(NULL, &stat), CUBBY_EINVAL);
    refuses(cubby_store_stat(f->s, NULL), CUBBY_EINVAL);
    cubby_last_error(NULL, &err);
    cubby_last_error(f->s, NULL);
    fixture_end(f);
}
END_TEST

START_TEST(stat_counts)
{
    struct fixture fx, *f = &fx;
    cubby_stat stat;
    fixture_begin(f);
    fixture_add(f, "Subject: one\n\nbody\n", NULL);
    fixture_add(f, "Subject: two\n\nbodies\n", NULL);
    must(cubby_sync(f->s));
    must(cubby_checkpoint(f->s));
    must(cubby_store_stat(f->s, &stat));
    ck_assert_uint_eq(stat.folders, 1);
    ck_assert_uint_eq(stat.messages, 2);
    ck_assert_uint_eq(stat.objects, 2);
    ck_assert_uint_eq(stat.original_bytes, strlen("Subject: one\n\nbody\nSubject: two\n\nbodies\n"));
    ck_assert_uint_ge(stat.segments, 1);
    ck_assert_uint_gt(stat.live_bytes, 0);
    ck_assert_uint_eq(stat.body_reads, 0);
    fixture_end(f);
}
END_TEST

static int count(void *arg, const cubby_finding *finding)
{
    (void)finding;
    ++*(int *)arg;
    return 0;
}

START_TEST(check)
{
    struct fixture fx, *f = &fx;
    cubby_error err = {0};
    cubby_check_result r;
    int found = 0;
    fixture_begin(f);
    fixture_add(f, "Subject: one\n\nbody\n", NULL);
    ck_assert_msg(cubby_check("/s", &f->o, CUBBY_CHECK_FULL, count, &found, &r, &err) == 0, "%s", err.message);
    ck_assert_uint_eq(r.findings, 0);
    ck_assert_uint_eq(r.messages, 1);
    ck_assert_int_eq(cubby_check("/s", &f->o, 0, NULL, NULL, NULL, NULL), 0);
    ck_assert_int_eq(cubby_check("/s", &f->o, 8, NULL, NULL, NULL, &err), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_check("/nowhere", &f->o, 0, NULL, NULL, NULL, &err), CUBBY_ENOENT);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/store", create_and_open, arguments, stat_counts, check)
