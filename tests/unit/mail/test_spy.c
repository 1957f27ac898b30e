#include "mail/spy.h"

#include "mail/records.h"
#include "unit/fault_vfs.h"
#include "unit/heap.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;
static struct cubby__spy spy;

/* The store, with these handlers. */
static void watched(void)
{
    state_begin(st);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    cubby__spy_init(&spy);
    MUST(cubby__store_open("/s", &st->o, &spy.h, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
}

static void unwatched(void)
{
    state_end(st);
    cubby__spy_release(&spy);
    ck_assert(!spy.entries && !spy.broken);
}

static int fail_at = -1; /* this allocation of the handler, -1: none */

static int apply(const struct cubby__record *rec)
{
    if (fail_at >= 0)
        heap_fail(fail_at, 0);
    return spy.h.apply(st->txn, rec);
}

static int apply_entry(uint64_t folder, uint32_t uid, uint64_t object, uint64_t commit)
{
    const struct cubby__entry_rec e = {.folder = folder, .uid = uid, .object = object};
    const struct cubby__keywords none = {.count = 0};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__entry_encode(&e, &none, &b);
    const struct cubby__record rec = {.type = CUBBY__REC_ENTRY, .commit = commit, .payload = b.data, .len = b.len, .place = {1, (uint32_t)b.len, 8000}};
    int rc = apply(&rec);
    cubby__buf_release(&b);
    return rc;
}

static int apply_junk(uint8_t type, uint32_t len)
{
    static const uint8_t junk[20] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const struct cubby__record rec = {.type = type, .commit = 7, .payload = junk, .len = sizeof junk, .place = {3, len, 4000}};
    return apply(&rec);
}

/* Entries without object, many of them, and in any order. */
START_TEST(lost_entries)
{
    enum { LOST = 50 };
    watched();
    begin(st);
    uint64_t there = log_object(st, 1);
    MUST(apply_entry(1, 5, there, 2));
    ck_assert_uint_eq(spy.entry_count, 0);
    for (uint32_t i = 0; i < LOST; i++)
        MUST(apply_entry(i % 2 ? 1 : 9, 1000 - i / 4, 900 + i, 60 - i));
    ck_assert_uint_eq(spy.entry_count, LOST);
    cubby__spy_sort(&spy);
    ck_assert_uint_eq(spy.entry_count, LOST / 2 + 1); /* two or one of each uid */
    for (size_t i = 1; i < spy.entry_count; i++) {
        const struct cubby__lost_entry *a = &spy.entries[i - 1], *b = &spy.entries[i];
        ck_assert(a->folder < b->folder || (a->folder == b->folder && a->uid < b->uid));
    }
    for (size_t i = 0; i < spy.entry_count; i++) { /* the one of the later commit */
        const struct cubby__lost_entry *a = &spy.entries[i];
        uint32_t nth = 4 * (1000 - a->uid) + (a->folder == 1);
        ck_assert_uint_eq(a->commit, 60 - nth);
        ck_assert_uint_eq(a->object, 900 + nth);
    }
    cubby__spy_forget(&spy);
    ck_assert_uint_eq(spy.entry_count, 0);
    cubby__spy_sort(&spy);
    cubby__txn_abort(&st->txn);
    unwatched();
}
END_TEST

/* A record that breaks its format is kept in mind; a row that does is no fault of the record, and a definition in a header has no place of its own. */
START_TEST(broken_records)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    watched();
    fill(st, 1, 3);
    begin(st);
    for (uint32_t i = 0; i < 40; i++)
        RETURNS(apply_junk(CUBBY__REC_KEYWORD, 20), CUBBY_ECORRUPT);
    ck_assert_uint_eq(spy.broken_count, 40);
    ck_assert(spy.broken[39].place.seg == 3 && spy.broken[39].place.off == 4000 && spy.broken[39].type == CUBBY__REC_KEYWORD && spy.broken[39].commit == 7);
    RETURNS(apply_junk(CUBBY__REC_KEYWORD, 0), CUBBY_ECORRUPT);
    ck_assert_uint_eq(spy.broken_count, 40);
    MUST(cubby__txn_put(st->txn, key, cubby__key_folder(key, 1), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
    RETURNS(apply_entry(1, 77, 1, 7), CUBBY_ECORRUPT);
    ck_assert_str_ne(st->err.path, "");
    ck_assert_uint_eq(spy.broken_count, 40);
    cubby__txn_abort(&st->txn);
    unwatched();
}
END_TEST

/* No memory for what is to be remembered: the record is not taken for sound. */
START_TEST(without_memory)
{
    int refused = 0;
    heap_install();
    watched();
    begin(st);
    for (int kind = 0; kind < 2; kind++)
        for (int n = 0, hits = 1; hits; n++) {
            cubby__spy_release(&spy);
            fail_at = n;
            int rc = kind ? apply_junk(CUBBY__REC_KEYWORD, 20) : apply_entry(1, 10 + (uint32_t)n, 900, 7);
            hits = heap_works();
            ck_assert_int_eq(rc, hits ? CUBBY_ENOMEM : kind ? CUBBY_ECORRUPT : CUBBY_OK);
            ck_assert_uint_eq(spy.entry_count + spy.broken_count, hits ? 0 : 1);
            refused += hits;
        }
    fail_at = -1;
    ck_assert_int_ge(refused, 2);
    cubby__txn_abort(&st->txn);
    unwatched();
}
END_TEST

static int still_lost(uint64_t folder, uint32_t uid)
{
    const struct cubby__lost_entry e = {.folder = folder, .uid = uid};
    struct cubby__tombs tombs = {0};
    int rc = cubby__spy_still_lost(look(st), &tombs, &e);
    unlook(st);
    cubby__tombs_release(&tombs);
    return rc;
}

START_TEST(what_is_still_lost)
{
    uint64_t dead, bad;
    uint8_t key[CUBBY__TREE_KEY_MAX];
    watched();
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "dead", 4, &dead));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "bad", 3, &bad));
    commit(st);
    fill(st, 1, 3);
    cubby_uidset *set = uids("2");
    begin(st);
    MUST(cubby__folder_delete(st->txn, dead));
    MUST(cubby__entry_expunge(st->txn, 1, set, 0, NULL));
    MUST(cubby__txn_put(st->txn, key, cubby__key_folder(key, bad), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
    commit(st);
    cubby_uidset_free(&set);
    RETURNS(still_lost(1, 1), CUBBY_DONE);   /* it is there */
    RETURNS(still_lost(1, 2), CUBBY_DONE);   /* it was expunged */
    RETURNS(still_lost(1, 50), CUBBY_OK);
    RETURNS(still_lost(dead, 50), CUBBY_DONE);
    RETURNS(still_lost(777, 50), CUBBY_DONE); /* no such folder */
    RETURNS(still_lost(bad, 50), CUBBY_ECORRUPT);
    unwatched();
}
END_TEST

/* Whatever page of the index cannot be read: nothing is said of the entry then. */
START_TEST(an_index_that_cannot_be_read)
{
    struct fault fault;
    uint64_t id;
    int failed = 0;
    state_begin(st);
    begin(st);
    for (int i = 0; i < 300; i++) {
        char name[100];
        snprintf(name, sizeof name, "%090d", i);
        MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name, 90, &id));
    }
    uint64_t object = log_object(st, 1);
    for (int i = 0; i < 3000; i++)
        MUST(cubby__entry_add(st->txn, id, object, NULL, NULL));
    commit(st);
    state_reopen(st, 0);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    fault_init(&fault, st->o.vfs);
    st->o.vfs = &fault.vfs;
    st->o.cache_bytes = 1;
    for (int n = 0, hits = 1; hits; n++) {
        MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
        struct cubby__lost_entry e = {.folder = id, .uid = 100000};
        struct cubby__tombs tombs = {0};
        look(st);
        fault_set(&fault, FAULT_PREAD, "index", n, -EIO, 0);
        int rc = cubby__spy_still_lost(&st->view, &tombs, &e);
        hits = fault.hits;
        fault_set(&fault, FAULT_PREAD, "", 0, 0, 0);
        ck_assert_int_eq(rc, hits ? CUBBY_EIO : CUBBY_OK);
        failed += hits;
        unlook(st);
        cubby__tombs_release(&tombs);
        MUST(cubby__store_close(&st->s, &st->err));
    }
    ck_assert_int_ge(failed, 3); /* the folder, the message, the expunged */
    cubby__memfs_free(&st->fs);
}
END_TEST

UNIT_MAIN("mail/spy", lost_entries, broken_records, without_memory, what_is_still_lost, an_index_that_cannot_be_read)
