#include "mail/mailcheck.h"

#include <stdio.h>

#include "mail/folder_row.h"
#include "mail/totals.h"
#include "store/internal.h"
#include "unit/fault_vfs.h"
#include "unit/mail/msg_fixture.h"
#include "unit/mail/nasty.h"

struct found {
    int count, stop;
    char code[32], detail[300], file[100];
    uint64_t folder;
    uint32_t uid;
    cubby_check_result r;
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

static int check(struct fixture *f, unsigned flags, struct found *found)
{
    *found = (struct found){.stop = found->stop};
    return cubby__mail_check(f->s, flags, note, found, &found->r, &f->err);
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
    fill(f);
    must(check(f, CUBBY_CHECK_FULL, &found));
    ck_assert_int_eq(found.count, 0);
    ck_assert_uint_eq(found.r.findings, 0);
    ck_assert_uint_eq(found.r.messages, NASTY_SMALL);
    fixture_end(f);
}
END_TEST

START_TEST(counters)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
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
    must(check(f, 0, &found));
    ck_assert_int_eq(found.count, 1);
    ck_assert_str_eq(found.code, "FOLDER_COUNTERS");
    ck_assert_uint_eq(found.folder, f->inbox);
    ck_assert_ptr_nonnull(strstr(found.detail, "unseen"));
    ck_assert_uint_eq(found.r.findings, 1);
    found.stop = 1;
    ck_assert_int_eq(check(f, 0, &found), CUBBY_ECANCEL);
    fixture_end(f);
}
END_TEST

START_TEST(unreadable)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
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
    must(check(f, 0, &found)); /* bodies are not looked at */
    ck_assert_int_eq(found.count, 0);
    must(check(f, CUBBY_CHECK_FULL, &found));
    ck_assert_int_eq(found.count, 1);
    ck_assert_str_eq(found.code, "MESSAGE_UNREADABLE");
    ck_assert_str_eq(found.file, path + 3);
    ck_assert_uint_eq(found.folder, f->inbox);
    ck_assert_uint_eq(found.uid, 12);
    ck_assert_uint_eq(found.r.messages, NASTY_SMALL);
    fixture_end(f);
}
END_TEST

/* A message whose OBJECT says another hash. */
START_TEST(hash)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    fixture_begin(f);
    fixture_feed(f, "X: y\n\nbody\n", 11, 0);
    ((struct cubby__object *)cubby__incoming_object(f->in))->hash[0] ^= 1;
    struct cubby__txn *txn;
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    f->token++;
    fixture_put(f, txn, NULL);
    must(cubby__txn_commit(&txn, NULL));
    must(check(f, CUBBY_CHECK_FULL, &found));
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

/* ---- rows that say what they should not ---- */

/* Puts that row, in a commit that says something else. */
static void put_row(struct fixture *f, const uint8_t *key, size_t key_len, const void *value, size_t len)
{
    static int commits;
    char name[32];
    struct cubby__txn *txn;
    uint64_t id;
    snprintf(name, sizeof name, "commit %d", ++commits);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__folder_create(txn, CUBBY_ROOT, name, strlen(name), &id));
    must(cubby__txn_put(txn, key, key_len, value, len));
    must(cubby__txn_commit(&txn, NULL));
}

static void change_inbox(struct fixture *f, uint64_t highestmodseq, uint64_t uidnext)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct cubby__view view;
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__folder_row_get(&view, f->inbox, value, &row));
    cubby__view_end(&view);
    uint8_t out[CUBBY__TREE_VALUE_MAX];
    row.highestmodseq = highestmodseq ? highestmodseq : row.highestmodseq;
    row.uidnext = (uint32_t)uidnext;
    put_row(f, key, cubby__key_folder(key, f->inbox), out, cubby__folder_row_encode(&row, out));
}

/* More is right: messages are expunged. Less is not. */
START_TEST(numbers_that_are_too_low)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    fill(f);
    change_inbox(f, 1u << 30, 1000000);
    must(check(f, 0, &found));
    ck_assert_uint_eq(found.r.findings, 0);
    change_inbox(f, 1, 2);
    must(check(f, 0, &found));
    ck_assert_uint_eq(found.r.findings, 2);
    ck_assert_str_eq(found.code, "FOLDER_COUNTERS");
    fixture_end(f);
}
END_TEST

START_TEST(rows_that_mean_nothing)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    uint8_t key[CUBBY__TREE_KEY_MAX];
    fill(f);
    key[0] = CUBBY__KS_FOLDER; /* behind all folders: a key that is none */
    key[1] = key[2] = 9;
    put_row(f, key, 3, "junk", 4);
    must(check(f, CUBBY_CHECK_FULL, &found));
    ck_assert_uint_eq(found.r.findings, 0);
    ck_assert_uint_eq(found.r.messages, NASTY_SMALL);
    put_row(f, key, cubby__key_message(key, f->inbox, 2), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11);
    must(check(f, 0, &found));
    ck_assert_uint_eq(found.r.findings, 1);
    ck_assert_str_eq(found.code, "FOLDER_UNREADABLE");
    ck_assert_uint_eq(found.folder, f->inbox);
    fixture_end(f);
}
END_TEST

/* So many that to open the store does not read all pages of them. */
static void many_folders(struct fixture *f)
{
    struct cubby__txn *txn;
    char name[100];
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    for (int i = 0; i < 600; i++) {
        snprintf(name, sizeof name, "%080d", i);
        must(cubby__folder_create(txn, CUBBY_ROOT, name, 80, NULL));
    }
    must(cubby__txn_commit(&txn, NULL));
}

/* The index itself: what cannot be found cannot be checked, and that is told. */
START_TEST(a_page_that_does_not_verify)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    cubby_vfs_stat st;
    fill(f);
    many_folders(f);
    must(cubby__store_checkpoint(f->s, &f->err));
    fixture_close(f);
    f->o.flags = CUBBY_READ_ONLY;
    f->o.cache_bytes = 1;
    must(cubby__store_open("/s", &f->o, &cubby__mail_handlers, &f->s, &f->err));
    must(f->o.vfs->stat(f->o.vfs->ctx, "/s/index", &st));
    for (uint64_t off = CUBBY__META_SLOTS * CUBBY__PAGE_SIZE; off < st.size; off += CUBBY__PAGE_SIZE)
        fixture_damage(f, "/s/index", off + CUBBY__PAGE_SIZE - 1);
    must(check(f, CUBBY_CHECK_FULL, &found));
    ck_assert_uint_ge(found.r.findings, 1);
    ck_assert_str_eq(found.code, "FOLDER_UNREADABLE");
    ck_assert_uint_eq(found.folder, 0); /* the last one: nothing behind it can be found */
    found.stop = 1;
    ck_assert_int_eq(check(f, 0, &found), CUBBY_ECANCEL);
    cubby__store_close(&f->s, NULL);
    cubby__memfs_free(&f->fs);
}
END_TEST

/* ---- long checks ---- */

/* A store, and in f->in a message of more bytes than are read through one snapshot. */
static void begin_with_long_message(struct fixture *f)
{
    size_t n = 65u << 20;
    uint8_t *text = malloc(n);
    memset(text, '\n', n);
    fixture_begin(f);
    fixture_feed(f, text, n, 1 << 20);
    free(text);
}

/* More than is read through one snapshot: the check goes on with another where it was, and ends behind the last uid that there may be. */
START_TEST(many_bytes)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    struct cubby__txn *txn;
    uint64_t object;
    uint32_t uid;
    begin_with_long_message(f);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__incoming_log(f->in, txn, ++f->token, &object));
    for (int i = 0; i < 3; i++)
        must(cubby__entry_add(txn, f->inbox, object, NULL, &uid));
    must(cubby__txn_commit(&txn, NULL));
    change_inbox(f, 0, CUBBY__UID_MAX);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__entry_add(txn, f->inbox, object, NULL, &uid));
    must(cubby__txn_commit(&txn, NULL));
    ck_assert_uint_eq(uid, CUBBY__UID_MAX);
    fixture_close(f);
    fixture_damage(f, "/s/segments/00000001.seg", 2048); /* in its first piece: none of them is read to the end */
    fixture_open(f);
    must(check(f, CUBBY_CHECK_FULL, &found));
    ck_assert_uint_eq(found.r.messages, 4);
    ck_assert_uint_eq(found.r.findings, 4);
    ck_assert_str_eq(found.code, "MESSAGE_UNREADABLE");
    ck_assert_uint_eq(found.uid, CUBBY__UID_MAX);
    fixture_end(f);
}
END_TEST

/* An index that cannot be read now: what is behind that page is not said to be sound. */
START_TEST(an_index_that_cannot_be_read)
{
    struct fixture fx, *f = &fx;
    struct found found = {0};
    struct fault fault;
    fill(f);
    many_folders(f);
    fixture_close(f);
    fault_init(&fault, f->o.vfs);
    f->o.vfs = &fault.vfs;
    f->o.cache_bytes = 1;
    must(cubby__store_open("/s", &f->o, &cubby__mail_handlers, &f->s, &f->err));
    fault_set(&fault, FAULT_PREAD, "index", 0, -EIO, 1);
    must(check(f, CUBBY_CHECK_FULL, &found));
    fault_set(&fault, FAULT_PREAD, "", 0, 0, 0);
    ck_assert_uint_ge(found.r.findings, 1);
    ck_assert_str_eq(found.code, "FOLDER_UNREADABLE");
    ck_assert_uint_eq(found.folder, 0);
    must(check(f, CUBBY_CHECK_FULL, &found));
    ck_assert_uint_eq(found.r.findings, 0);
    ck_assert_uint_eq(found.r.messages, NASTY_SMALL);
    must(cubby__store_close(&f->s, &f->err));
    cubby__memfs_free(&f->fs);
}
END_TEST

static struct fixture *fixture_now;
static uint64_t to_delete;

static int delete_at_first(void *arg, uint64_t done, uint64_t total)
{
    struct fixture *f = fixture_now;
    struct cubby__txn *txn;
    (void)total;
    if (done != 1)
        return 0;
    ++*(int *)arg;
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__folder_delete(txn, to_delete));
    must(cubby__txn_commit(&txn, NULL));
    return 0;
}

/* A folder of so many bytes that it is read through two snapshots, deleted between them. */
START_TEST(deleted_between_snapshots)
{
    struct fixture fx, *f = fixture_now = &fx;
    struct found found = {0};
    struct cubby__txn *txn;
    uint64_t object;
    int calls = 0;
    begin_with_long_message(f);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__folder_create(txn, CUBBY_ROOT, "x", 1, &to_delete));
    must(cubby__incoming_log(f->in, txn, ++f->token, &object));
    for (int i = 0; i < 2; i++)
        must(cubby__entry_add(txn, to_delete, object, NULL, NULL));
    must(cubby__txn_commit(&txn, NULL));
    fixture_close(f);
    fixture_damage(f, "/s/segments/00000001.seg", 2048); /* in its first piece: none is read to the end */
    fixture_open(f);
    must(cubby__mail_check_told(f->s, CUBBY_CHECK_FULL, NULL, note, &found, delete_at_first, &calls, &found.r, &f->err));
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_eq(found.r.messages, 2);
    ck_assert_uint_eq(found.r.findings, 1); /* of the one that was read */
    ck_assert_str_eq(found.code, "MESSAGE_UNREADABLE");
    fixture_end(f);
}
END_TEST

static int delete_it(void *arg, const cubby_finding *finding)
{
    struct fixture *f = fixture_now;
    struct cubby__txn *txn;
    ++*(int *)arg;
    ck_assert_str_eq(finding->code, "FOLDER_COUNTERS");
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__folder_delete(txn, to_delete));
    must(cubby__txn_commit(&txn, NULL));
    return 0;
}

/* A folder that is deleted between its counters and its messages has none. */
START_TEST(deleted_meanwhile)
{
    struct fixture fx, *f = fixture_now = &fx;
    cubby_check_result r = {0};
    struct cubby__txn *txn;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX], out[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct cubby__view view;
    int calls = 0;
    fill(f);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__folder_create(txn, CUBBY_ROOT, "x", 1, &to_delete));
    must(cubby__txn_commit(&txn, NULL));
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__folder_row_get(&view, to_delete, value, &row));
    row.unseen++;
    put_row(f, key, cubby__key_folder(key, to_delete), out, cubby__folder_row_encode(&row, out));
    cubby__view_end(&view);
    must(cubby__mail_check(f->s, CUBBY_CHECK_FULL, delete_it, &calls, &r, &f->err));
    ck_assert_int_eq(calls, 1);
    ck_assert_uint_eq(r.messages, NASTY_SMALL);
    fixture_end(f);
}
END_TEST

UNIT_MAIN("mail/mailcheck", sound, counters, unreadable, hash, totals, numbers_that_are_too_low, rows_that_mean_nothing, a_page_that_does_not_verify,
          many_bytes,
          an_index_that_cannot_be_read, deleted_between_snapshots, deleted_meanwhile)
