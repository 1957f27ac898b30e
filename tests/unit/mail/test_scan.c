#include "mail/scan.h"

#include <stdio.h>

#include "mail/fetch.h"
#include "unit/mail/msg_fixture.h"

/* Uids 1, 4, 7, ... 3 * MANY - 2: enough for several index pages; flags by number. */
enum { MANY = 400 };

static uint32_t uid_of(int i)
{
    return (uint32_t)(3 * i + 1);
}

static uint32_t flags_of(int i)
{
    return (i % 2 ? CUBBY_SEEN : 0) | (i % 3 ? CUBBY_FLAGGED : 0) | (i % 5 ? 0 : CUBBY_DELETED);
}

static void fill(struct fixture *f)
{
    struct cubby__txn *txn;
    fixture_begin(f);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    for (int i = 0; i < MANY; i++) {
        char text[200];
        int n = snprintf(text, sizeof text, "Received: by %d\nSubject: message %d\nFrom: a@b\n\nbody %d\n", i, i, i);
        cubby_add_options o = CUBBY_ADD_INIT;
        static const char *const words[] = {"one", "two"};
        o.flags = flags_of(i);
        o.uid = uid_of(i);
        o.has_date = 1;
        o.internaldate = 1000 + i;
        o.internaldate_zone = -90;
        o.keywords = words;
        o.keyword_count = (size_t)i % 3;
        fixture_feed(f, text, (size_t)n, 0);
        f->token++;
        ck_assert_uint_eq(fixture_put(f, txn, &o), uid_of(i));
    }
    must(cubby__txn_commit(&txn, NULL));
}

/* Every row that a plain loop would choose must come, in order, and no other. */
static void check_scan(struct fixture *f, const cubby_scan_options *o)
{
    struct cubby__view view;
    struct cubby__scan *s;
    const cubby_row *row;
    uint64_t left = o->limit ? o->limit : UINT64_MAX;
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__scan_open(&view, f->inbox, o, &s));
    for (int k = 0; k < MANY && left; k++) {
        int i = o->reverse ? MANY - 1 - k : k;
        if (o->uids && !cubby_uidset_has(o->uids, uid_of(i)))
            continue;
        if ((flags_of(i) & o->flags_set) != o->flags_set || flags_of(i) & o->flags_clear)
            continue;
        must(cubby__scan_next(s, &row));
        ck_assert_uint_eq(row->uid, uid_of(i));
        ck_assert_uint_eq(row->flags, flags_of(i));
        ck_assert_uint_eq(row->keyword_count, (size_t)i % 3);
        ck_assert_int_eq(row->internaldate, 1000 + i);
        ck_assert_int_eq(row->internaldate_zone, -90);
        left--;
    }
    ck_assert_int_eq(cubby__scan_next(s, &row), CUBBY_DONE);
    ck_assert_int_eq(cubby__scan_next(s, &row), CUBBY_DONE);
    cubby__scan_close(&s);
    cubby__view_end(&view);
}

START_TEST(filters)
{
    struct fixture fx, *f = &fx;
    fill(f);
    for (int reverse = 0; reverse < 2; reverse++) {
        cubby_scan_options o = CUBBY_SCAN_INIT;
        o.reverse = reverse;
        check_scan(f, &o);
        o.limit = 7;
        check_scan(f, &o);
        o.flags_set = CUBBY_SEEN | CUBBY_FLAGGED;
        check_scan(f, &o);
        o.limit = 0;
        o.flags_clear = CUBBY_DELETED;
        check_scan(f, &o);
        o.flags_set = 0;
        check_scan(f, &o);
    }
    fixture_end(f);
}
END_TEST

START_TEST(uid_sets)
{
    static const char *const sets[] = {"1",       "2",      "1:5",           "4294967295", "1:4294967295",    "1,4,7,10,13,900:1000,1198",
                                       "2:3,5:6", "100:99", "1,600,1190:1300", "5,8,11,14", "20,40,60:64,1196", "1200:1300"};
    struct fixture fx, *f = &fx;
    fill(f);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        cubby_scan_options o = CUBBY_SCAN_INIT;
        cubby_uidset *set;
        must(cubby_uidset_parse(sets[i], uid_of(MANY - 1), &set));
        o.uids = set;
        for (o.reverse = 0; o.reverse < 2; o.reverse++) {
            o.limit = 0;
            check_scan(f, &o);
            o.limit = 3;
            check_scan(f, &o);
        }
        cubby_uidset_free(&set);
    }
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_uidset *empty;
    must(cubby_uidset_new(&empty));
    o.uids = empty;
    for (o.reverse = 0; o.reverse < 2; o.reverse++)
        check_scan(f, &o);
    cubby_uidset_free(&empty);
    fixture_end(f);
}
END_TEST

START_TEST(since)
{
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    struct cubby__scan *s;
    const cubby_row *row;
    fill(f);
    must(cubby__view_begin(f->s, &view, &f->err));
    cubby_scan_options o = CUBBY_SCAN_INIT;
    o.since = view.commit;
    cubby__view_end(&view);
    cubby_add_options add = CUBBY_ADD_INIT;
    uint32_t uid = fixture_add(f, "later\n", 6, &add);
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__scan_open(&view, f->inbox, &o, &s));
    must(cubby__scan_next(s, &row));
    ck_assert_uint_eq(row->uid, uid);
    ck_assert_uint_eq(row->modseq, view.commit);
    ck_assert_int_eq(cubby__scan_next(s, &row), CUBBY_DONE);
    cubby__scan_close(&s);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

static void check_extras(const cubby_row *row, int i)
{
    char list[100], header[200];
    int n = snprintf(list, sizeof list, "Subject: message %d\nFrom: a@b\n", i);
    int h = snprintf(header, sizeof header, "Received: by %d\nSubject: message %d\nFrom: a@b\n\n", i, i);
    ck_assert_int_eq(row->damage, 0);
    ck_assert_uint_eq(row->list_header_len, (size_t)n);
    ck_assert_mem_eq(row->list_header, list, (size_t)n);
    ck_assert_uint_eq(row->header_bytes_len, (size_t)h);
    ck_assert_mem_eq(row->header, header, (size_t)h);
    ck_assert_uint_eq(row->header_len, (size_t)h);
    ck_assert_uint_eq(row->part_count, 1);
    ck_assert_uint_eq(row->parts[0].body_offset, (size_t)h);
    ck_assert_uint_eq(row->eol, CUBBY_EOL_LF);
}

/* Of a long header a scan has the beginning, and says so. */
START_TEST(long_headers)
{
    static char mail[200000];
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    struct cubby__scan *s;
    const cubby_row *row;
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_add_options add = CUBBY_ADD_INIT;
    size_t n = 0;
    fixture_begin(f);
    while (n < sizeof mail - 100)
        n += (size_t)sprintf(mail + n, "X-Trace: %zu\n", n);
    n += (size_t)sprintf(mail + n, "Subject: behind it all\n\n");
    fixture_add(f, mail, n, &add);
    fixture_add(f, "Subject: short\n\n", 16, &add);
    must(cubby__view_begin(f->s, &view, &f->err));
    o.want = CUBBY_WANT_LIST | CUBBY_WANT_HEADER;
    must(cubby__scan_open(&view, f->inbox, &o, &s));
    must(cubby__scan_next(s, &row));
    ck_assert_int_ne(row->traits & CUBBY_HAS_LONG_HEADER, 0);
    ck_assert_uint_eq(row->header_len, n);
    ck_assert_uint_lt(row->header_bytes_len, n);
    ck_assert_uint_eq(row->list_header_len, 0);
    must(cubby__scan_next(s, &row));
    ck_assert_int_eq(row->traits & CUBBY_HAS_LONG_HEADER, 0);
    ck_assert_uint_eq(row->header_bytes_len, row->header_len);
    cubby__scan_close(&s);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

START_TEST(extras_without_bodies)
{
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    struct cubby__scan *s;
    const cubby_row *row;
    cubby_stat before = {0}, after = {0};
    fill(f);
    cubby_scan_options o = CUBBY_SCAN_INIT;
    o.want = CUBBY_WANT_OBJECT | CUBBY_WANT_LIST | CUBBY_WANT_HEADER | CUBBY_WANT_PARTS;
    must(cubby__store_get_stat(f->s, &before, &f->err));
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__scan_open(&view, f->inbox, &o, &s));
    for (int i = 0; i < MANY; i++) {
        must(cubby__scan_next(s, &row));
        check_extras(row, i);
    }
    cubby__scan_close(&s);
    must(cubby__store_get_stat(f->s, &after, &f->err));
    ck_assert_uint_eq(after.body_reads, before.body_reads);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

START_TEST(damage_costs_one_row)
{
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    struct cubby__scan *s;
    struct cubby__message_row m;
    const cubby_row *row;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    fill(f);
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__view_get(&view, key, cubby__key_message(key, f->inbox, uid_of(10)), value, &len));
    must(cubby__message_row_decode(value, len, &m));
    char path[64];
    snprintf(path, sizeof path, "/s/segments/%08u.seg", m.place.seg);
    fixture_damage(f, path, m.place.off + CUBBY__FRAME_SIZE + 3);
    cubby_scan_options o = CUBBY_SCAN_INIT;
    o.want = CUBBY_WANT_LIST;
    must(cubby__scan_open(&view, f->inbox, &o, &s));
    for (int i = 0; i < MANY; i++) {
        must(cubby__scan_next(s, &row));
        ck_assert_uint_eq(row->uid, uid_of(i));
        ck_assert_int_eq(row->damage, i == 10 ? CUBBY_ECORRUPT : 0);
        ck_assert_int_eq(row->list_header != NULL, i != 10);
        ck_assert_uint_eq(row->list_header_len > 0, i != 10);
    }
    cubby__scan_close(&s);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

START_TEST(single_rows)
{
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    struct cubby__scan *state = NULL;
    const cubby_row *row;
    fill(f);
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__scan_row(&view, f->inbox, uid_of(5), 15, &state, &row));
    check_extras(row, 5);
    must(cubby__scan_row(&view, f->inbox, uid_of(6), 0, &state, &row));
    ck_assert_uint_eq(row->uid, uid_of(6));
    ck_assert_uint_eq(row->flags, flags_of(6));
    ck_assert_ptr_null(row->list_header);
    ck_assert_int_eq(cubby__scan_row(&view, f->inbox, uid_of(6) + 1, 0, &state, &row), CUBBY_DONE);
    ck_assert_int_eq(cubby__scan_row(&view, f->inbox + 77, 1, 0, &state, &row), CUBBY_ENOENT);
    cubby__scan_close(&state);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

START_TEST(no_such_folder)
{
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    struct cubby__scan *s;
    fixture_begin(f);
    must(cubby__view_begin(f->s, &view, &f->err));
    ck_assert_int_eq(cubby__scan_open(&view, f->inbox + 1, NULL, &s), CUBBY_ENOENT);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("mail/scan", filters, uid_sets, since, long_headers, extras_without_bodies, damage_costs_one_row, single_rows, no_such_folder)
