#include "mail/mailcheck.h"

#include <stdio.h>

#include "mail/folder_row.h"
#include "mail/totals.h"
#include "unit/mail/msg_fixture.h"
#include "unit/mail/nasty.h"

struct found {
    int count, stop;
    char code[32], detail[300], file[100];
    uint64_t folder;
    uint32_t uid;
};

static int note(void *arg, const cubby_finding *f)
{
    struct found *found = arg;
    found->count++;
    snprintf(found->code, sizeof found->code, "%s", f->code);
    snprintf(found->detail, sizeof found->detail, "%s", f->detail);
    snprintf(found->file, sizeof found->file, "%s", f->file);
    found->folder = f->folder;
    found->uid = f->uid;
    return found->stop;
}

static int check(struct fixture *f, unsigned flags, struct found *found, cubby_check_result *result)
{
    int stop = found->stop;
    memset(found, 0, sizeof *found);
    memset(result, 0, sizeof *result);
    found->stop = stop;
    return cubby__mail_check(f->s, flags, note, found, result, &f->err);
}

static void fill(struct fixture *f)
{
    fixture_begin(f);
    for (size_t i = 0; i < NASTY_SMALL; i++)
        fixture_add(f, nasty_small[i].bytes, nasty_small[i].len, NULL);
}

START_TEST(sound)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    cubby_check_result r;
    fill(f);
    must(check(f, CUBBY_CHECK_FULL, &found, &r));
    ck_assert_int_eq(found.count, 0);
    ck_assert_uint_eq(r.findings, 0);
    ck_assert_uint_eq(r.messages, NASTY_SMALL);
    fixture_end(f);
}
END_TEST

START_TEST(counters)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    cubby_check_result r;
    struct cubby__txn *txn;
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    fill(f);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__folder_row_get(cubby__txn_view(txn), f->inbox, value, &row));
    row.unseen++;
    must(cubby__folder_row_put(txn, f->inbox, &row));
    fixture_feed(f, "so that there is something to commit\n", 37, 0);
    f->token++;
    fixture_put(f, txn, NULL);
    must(cubby__txn_commit(&txn, NULL));
    must(check(f, 0, &found, &r));
    ck_assert_int_eq(found.count, 1);
    ck_assert_str_eq(found.code, "FOLDER_COUNTERS");
    ck_assert_uint_eq(found.folder, f->inbox);
    ck_assert_ptr_nonnull(strstr(found.detail, "unseen"));
    ck_assert_uint_eq(r.findings, 1);
    found.stop = 1;
    ck_assert_int_eq(check(f, 0, &found, &r), CUBBY_ECANCEL);
    fixture_end(f);
}
END_TEST

START_TEST(unreadable)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    cubby_check_result r;
    struct cubby__view view;
    struct cubby__message_row m;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    char path[64];
    size_t len;
    fill(f);
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__view_get(&view, key, cubby__key_message(key, f->inbox, 12), value, &len));
    must(cubby__message_row_decode(value, len, &m));
    cubby__view_end(&view);
    snprintf(path, sizeof path, "/s/segments/%08u.seg", m.place.seg);
    fixture_damage(f, path, m.place.off + CUBBY__FRAME_SIZE + 3);
    must(check(f, 0, &found, &r)); /* bodies are not looked at */
    ck_assert_int_eq(found.count, 0);
    must(check(f, CUBBY_CHECK_FULL, &found, &r));
    ck_assert_int_eq(found.count, 1);
    ck_assert_str_eq(found.code, "MESSAGE_UNREADABLE");
    ck_assert_str_eq(found.file, path + 3);
    ck_assert_uint_eq(found.folder, f->inbox);
    ck_assert_uint_eq(found.uid, 12);
    ck_assert_uint_eq(r.messages, NASTY_SMALL);
    fixture_end(f);
}
END_TEST

/* A message whose OBJECT says another hash. */
START_TEST(hash)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    cubby_check_result r;
    fixture_begin(f);
    fixture_feed(f, "X: y\n\nbody\n", 11, 0);
    ((struct cubby__object *)cubby__incoming_object(f->in))->hash[0] ^= 1;
    struct cubby__txn *txn;
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    f->token++;
    fixture_put(f, txn, NULL);
    must(cubby__txn_commit(&txn, NULL));
    must(check(f, CUBBY_CHECK_FULL, &found, &r));
    ck_assert_int_eq(found.count, 1);
    ck_assert_str_eq(found.code, "MESSAGE_HASH");
    ck_assert_uint_eq(found.uid, 1);
    fixture_end(f);
}
END_TEST

START_TEST(totals)
{
    struct fixture fx, *f = &fx;
    struct cubby__view view;
    uint64_t objects, bytes, want = 0;
    fill(f);
    for (size_t i = 0; i < NASTY_SMALL; i++)
        want += nasty_small[i].len;
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__object_totals(&view, &objects, &bytes));
    ck_assert_uint_eq(objects, NASTY_SMALL);
    ck_assert_uint_eq(bytes, want);
    cubby__view_end(&view);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("mail/mailcheck", sound, counters, unreadable, hash, totals)
