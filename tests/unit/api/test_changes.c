#include "unit/api/api_fixture.h"

START_TEST(changes)
{
    struct fixture fx, *f = &fx;
    cubby_snapshot *snap;
    cubby_changes *c = NULL;
    cubby_change change;
    fixture_begin(f);
    uint32_t uid = fixture_add(f, "x", NULL);
    must(cubby_snapshot_begin(f->s, &snap));
    must(cubby_changes_open(snap, f->inbox, 0, &c));
    must(cubby_changes_next(c, &change));
    ck_assert_int_eq(change.kind, CUBBY_CHANGE_NEW);
    ck_assert_uint_eq(change.uid, uid);
    ck_assert_uint_eq(change.modseq, cubby_snapshot_modseq(snap));
    ck_assert_int_eq(cubby_changes_next(c, &change), CUBBY_DONE);
    refuses(cubby_changes_next(c, NULL), CUBBY_EINVAL);
    ck_assert_int_eq(cubby_changes_next(NULL, &change), CUBBY_EINVAL);
    cubby_changes_close(&c);
    ck_assert_ptr_null(c);
    cubby_changes_close(&c);
    ck_assert_int_eq(cubby_changes_open(NULL, f->inbox, 0, &c), CUBBY_EINVAL);
    refuses(cubby_changes_open(snap, f->inbox, 0, NULL), CUBBY_EINVAL);
    refuses(cubby_changes_open(snap, f->inbox + 1, 0, &c), CUBBY_ENOENT);
    cubby_snapshot_end(&snap);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("api/changes", changes)
