#include "unit/api/api_fixture.h"

START_TEST(arguments)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    cubby_scan_options o = CUBBY_SCAN_INIT;
    fixture_begin(f);
    must(cubby_snapshot_begin(f->s, &snap));
    ck_assert_int_eq(cubby_scan_open(NULL, f->inbox, NULL, &scan), CUBBY_EINVAL);
    refuses(cubby_scan_open(snap, f->inbox, NULL, NULL), CUBBY_EINVAL);
    o.version = 2;
    refuses(cubby_scan_open(snap, f->inbox, &o, &scan), CUBBY_EINVAL);
    o = (cubby_scan_options)CUBBY_SCAN_INIT, o.want = 16;
    refuses(cubby_scan_open(snap, f->inbox, &o, &scan), CUBBY_EINVAL);
    o = (cubby_scan_options)CUBBY_SCAN_INIT, o.flags_clear = 32;
    refuses(cubby_scan_open(snap, f->inbox, &o, &scan), CUBBY_EINVAL);
    refuses(cubby_scan_open(snap, f->inbox + 1, NULL, &scan), CUBBY_ENOENT);
    ck_assert_ptr_null(scan);
    must(cubby_scan_open(snap, f->inbox, NULL, &scan));
    refuses(cubby_scan_next(scan, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_scan_next(scan, &row), CUBBY_DONE);
    ck_assert_int_eq(cubby_scan_next(NULL, &row), CUBBY_EINVAL);
    cubby_scan_close(&scan);
    cubby_scan_close(&scan);
    cubby_scan_close(NULL);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

START_TEST(rows)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    cubby_scan *scan;
    const cubby_row *row;
    cubby_scan_options o = CUBBY_SCAN_INIT;
    fixture_begin(f);
    for (int i = 0; i < 5; i++)
        fixture_add(f, "Subject: s\n\nbody\n", NULL);
    must(cubby_snapshot_begin(f->s, &snap));
    o.want = CUBBY_WANT_LIST | CUBBY_WANT_PARTS;
    o.reverse = 1;
    must(cubby_scan_open(snap, f->inbox, &o, &scan));
    for (uint32_t uid = 5; uid; uid--) {
        must(cubby_scan_next(scan, &row));
        ck_assert_uint_eq(row->uid, uid);
        ck_assert_uint_eq(row->list_header_len, 11);
        ck_assert_uint_eq(row->part_count, 1);
    }
    ck_assert_int_eq(cubby_scan_next(scan, &row), CUBBY_DONE);
    cubby_scan_close(&scan);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/scan", arguments, rows)
