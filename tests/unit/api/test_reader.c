#include "unit/api/api_fixture.h"

static const char text[] = "Subject: s\nX-Rest: 1\n\nthe body\n";

START_TEST(reads)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    cubby_reader *r = NULL;
    char buf[100];
    size_t got, count;
    fixture_begin(f);
    uint32_t uid = fixture_add(f, text, NULL);
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_reader_open(snap, f->inbox, uid, &r));
    ck_assert_uint_eq(cubby_reader_size(r), strlen(text));
    ck_assert_ptr_nonnull(cubby_reader_hash(r));
    must(cubby_reader_read(r, 0, buf, sizeof buf, &got));
    ck_assert_uint_eq(got, strlen(text));
    ck_assert_mem_eq(buf, text, got);
    must(cubby_reader_verify(r));
    const cubby_part *parts = cubby_reader_parts(r, &count);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(parts[0].body_offset, strlen("Subject: s\nX-Rest: 1\n\n"));
    refuses(cubby_reader_read(r, 0, NULL, 1, &got), CUBBY_EINVAL);
    refuses(cubby_reader_read(r, 0, buf, 1, NULL), CUBBY_EINVAL);
    cubby_reader_close(&r);
    ck_assert_ptr_null(r);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

START_TEST(arguments)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    cubby_reader *r = NULL;
    size_t n = 7;
    fixture_begin(f);
    must(cubby_snapshot_begin(f->s, &snap));
    ck_assert_int_eq(cubby_reader_open(NULL, f->inbox, 1, &r), CUBBY_EINVAL);
    refuses(cubby_reader_open(snap, f->inbox, 1, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_reader_open(snap, f->inbox, 1, &r), CUBBY_DONE);
    ck_assert_ptr_null(r);
    ck_assert_uint_eq(cubby_reader_size(NULL), 0);
    ck_assert_ptr_null(cubby_reader_hash(NULL));
    ck_assert_ptr_null(cubby_reader_parts(NULL, &n));
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(cubby_reader_verify(NULL), CUBBY_EINVAL);
    uint32_t uid = fixture_add(f, "Subject: x\n\nbody\n", NULL);
    cubby_snapshot_end(&snap);
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_reader_open(snap, f->inbox, uid, &r));
    for (uint64_t at = 0; at < 30; at += 6) { /* no bytes need no place */
        n = 7;
        must(cubby_reader_read(r, at, NULL, 0, &n));
        ck_assert_uint_eq(n, 0);
    }
    refuses(cubby_reader_read(r, 0, NULL, 1, &n), CUBBY_EINVAL);
    cubby_reader_close(&r);
    cubby_reader_close(NULL);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/reader", reads, arguments)
