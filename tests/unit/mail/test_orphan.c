#include "mail/orphan.h"

#include "mail/object.h"
#include "mail/records.h"
#include "mail/tomb.h"
#include "unit/fault_vfs.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* An OBJECT of no bytes, as a torn commit has it. */
static void torn_object(struct cubby__orphans *o, uint64_t id, uint64_t commit)
{
    const struct cubby__object object = {.id = id, .sent_date = INT64_MIN};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__object_encode(&object, NULL, &b);
    const struct cubby__record rec = {.type = CUBBY__REC_OBJECT, .commit = commit, .payload = b.data, .len = b.len};
    ck_assert_int_eq(cubby__orphans_add(o, &rec), 0);
    cubby__buf_release(&b);
}

static void torn_entry(struct cubby__orphans *o, uint64_t object, uint64_t commit)
{
    const struct cubby__entry_rec e = {.folder = 1, .uid = 1, .object = object};
    const struct cubby__keywords none = {.count = 0};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__entry_encode(&e, &none, &b);
    const struct cubby__record rec = {.type = CUBBY__REC_ENTRY, .commit = commit, .payload = b.data, .len = b.len};
    ck_assert_int_eq(cubby__orphans_add(o, &rec), 0);
    cubby__buf_release(&b);
}

static void torn_piece(struct cubby__orphans *o, uint64_t id, uint64_t commit, uint8_t kind)
{
    const struct cubby__record rec = {.type = CUBBY__REC_PIECE, .commit = commit, .piece = {.id = id, .orig_len = 5, .kind = kind}};
    ck_assert_int_eq(cubby__orphans_add(o, &rec), 0);
}

static void settle(struct cubby__orphans *o)
{
    MUST(cubby__orphans_settle(o, look(st)));
    unlook(st);
}

/* Without an entry of its own commit, in the state, and named by nobody. */
START_TEST(objects_without_entry)
{
    struct cubby__orphans o = {0};
    uint64_t id[4];
    state_begin(st);
    begin(st);
    for (int i = 0; i < 4; i++)
        id[i] = log_object(st, (unsigned)i);
    MUST(cubby__entry_add(st->txn, 1, id[3], NULL, NULL));
    uint64_t at = commit(st);
    for (int i = 0; i < 4; i++)
        torn_object(&o, id[i], at);
    torn_object(&o, 999, at); /* of a torn tail */
    torn_entry(&o, id[1], at);
    torn_entry(&o, id[2], at + 1); /* of another commit: its own may have been lost */
    settle(&o);
    ck_assert_uint_eq(o.count, 2);
    ck_assert_uint_eq(o.at[0].id, id[0]);
    ck_assert_uint_eq(o.at[1].id, id[2]);
    cubby__orphans_forget(&o);
    settle(&o);
    ck_assert_uint_eq(o.count, 0);
    cubby__orphans_release(&o);
    state_end(st);
}
END_TEST

static void put_junk(const uint8_t *key, size_t n)
{
    begin(st);
    MUST(cubby__txn_put(st->txn, key, n, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
    log_object(st, 1); /* so that there is something to commit */
    commit(st);
}

/* Records, and rows, that mean nothing: the ones are passed over, the others end it, and all is as it was. */
START_TEST(what_means_nothing)
{
    static const uint8_t junk[12] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t types[] = {CUBBY__REC_OBJECT, CUBBY__REC_ENTRY, CUBBY__REC_FLAGS};
    struct cubby__orphans o = {0};
    uint8_t key[CUBBY__TREE_KEY_MAX];
    state_begin(st);
    for (size_t i = 0; i < sizeof types; i++)
        ck_assert_int_eq(cubby__orphans_add(&o, &(struct cubby__record){.type = types[i], .payload = junk, .len = sizeof junk}), 0);
    ck_assert(o.count == 0 && o.entry_count == 0);
    put_junk(key, cubby__key_object(key, 900));
    put_junk(key, cubby__key_piece(key, 900));
    torn_object(&o, 1, 5);
    torn_object(&o, 900, 5);
    torn_object(&o, 2, 5);
    RETURNS(cubby__orphans_settle(&o, look(st)), CUBBY_ECORRUPT);
    ck_assert_uint_eq(o.count, 3);
    cubby__orphans_forget(&o);
    torn_piece(&o, 900, 5, CUBBY__PIECE_BODY);
    RETURNS(cubby__orphans_settle(&o, &st->view), CUBBY_ECORRUPT);
    ck_assert_int_eq(st->err.code, CUBBY_ECORRUPT);
    unlook(st);
    cubby__orphans_release(&o);
    state_end(st);
}
END_TEST

/* What cannot be read now has not been found to have no home. */
START_TEST(an_index_that_cannot_be_read)
{
    struct cubby__orphans o = {0};
    struct fault fault;
    state_begin(st);
    begin(st);
    for (unsigned i = 0; i < 500; i++)
        log_object(st, i);
    uint64_t at = commit(st);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    fault_init(&fault, st->o.vfs);
    st->o.vfs = &fault.vfs;
    st->o.cache_bytes = 1;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    for (uint64_t id = 1; id <= 500; id++)
        torn_object(&o, id, at);
    look(st);
    fault_set(&fault, FAULT_PREAD, "index", 0, -EIO, 0);
    RETURNS(cubby__orphans_settle(&o, &st->view), CUBBY_EIO);
    ck_assert_uint_eq(o.count, 500);
    MUST(cubby__orphans_settle(&o, &st->view));
    ck_assert_uint_eq(o.count, 500);
    unlook(st);
    cubby__orphans_release(&o);
    MUST(cubby__store_close(&st->s, &st->err));
    cubby__memfs_free(&st->fs);
}
END_TEST

/* Pieces behind each other are one message; a rest group begins another. */
START_TEST(runs_of_pieces)
{
    static const uint8_t kinds[] = {CUBBY__PIECE_BODY, CUBBY__PIECE_BODY, CUBBY__PIECE_REST, CUBBY__PIECE_BODY};
    struct cubby__orphans o = {0};
    size_t pos = 0, first;
    for (uint64_t i = 0; i < 4; i++)
        torn_piece(&o, i + 1, 7, kinds[i]);
    torn_piece(&o, 5, 8, CUBBY__PIECE_BODY);
    torn_object(&o, 6, 8);
    static const size_t ends[] = {2, 4, 5, 6};
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(cubby__orphans_next(&o, &pos, &first), 1);
        ck_assert_uint_eq(first, i ? ends[i - 1] : 0);
        ck_assert_uint_eq(pos, ends[i]);
    }
    ck_assert_int_eq(cubby__orphans_next(&o, &pos, &first), 0);
    cubby__orphans_release(&o);
}
END_TEST

/* A commit of very many messages, whose entries stand behind all objects: with a search from each object on this would take minutes. */
START_TEST(very_many)
{
    enum { MANY = 100000 };
    struct cubby__orphans o = {0};
    state_begin(st);
    for (uint64_t i = 1; i <= MANY; i++)
        torn_object(&o, i, 9);
    for (uint64_t i = MANY; i >= 1; i--)
        torn_entry(&o, i, 9);
    settle(&o);
    ck_assert_uint_eq(o.count, 0);
    cubby__orphans_release(&o);
    state_end(st);
}
END_TEST

static void expunge(uint32_t first, uint32_t last)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    cubby__expunge_head(1, 0, &b);
    cubby__range_put(&s, first, last, &b);
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_EXPUNGE, 0, b.data, b.len));
    commit(st);
    cubby__buf_release(&b);
}

START_TEST(tombs)
{
    static const uint32_t there[] = {3, 4, 8, 9, 10, 20, UINT32_MAX}, gone[] = {1, 2, 5, 7, 11, 19, 21, UINT32_MAX - 1};
    struct cubby__tombs t = {0};
    state_begin(st);
    expunge(20, 20);
    expunge(8, 9);
    expunge(3, 4);
    expunge(9, 10); /* overlaps, as after damage */
    expunge(UINT32_MAX, UINT32_MAX);
    expunge(3, 3);
    MUST(cubby__tombs_of(&t, look(st), 1));
    ck_assert_uint_eq(t.count, 4);
    for (size_t i = 0; i < sizeof there / sizeof *there; i++)
        ck_assert_int_eq(cubby__tombs_have(&t, there[i]), 1);
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++)
        ck_assert_int_eq(cubby__tombs_have(&t, gone[i]), 0);
    unlook(st);
    for (uint32_t i = 0; i < 150; i++) /* more than there was room for at first */
        expunge(1000 + 2 * i, 1000 + 2 * i);
    cubby__tombs_release(&t);
    MUST(cubby__tombs_of(&t, look(st), 1));
    ck_assert_uint_eq(t.count, 154);
    for (uint32_t i = 0; i < 150; i++)
        ck_assert(cubby__tombs_have(&t, 1000 + 2 * i) && !cubby__tombs_have(&t, 1001 + 2 * i));
    RETURNS(cubby__tombs_of(&t, &st->view, 99), CUBBY_ENOENT);
    ck_assert_int_eq(cubby__tombs_have(&t, 3), 0);
    MUST(cubby__tombs_of(&t, &st->view, 1));
    ck_assert_int_eq(cubby__tombs_have(&t, 3), 1);
    unlook(st);
    cubby__tombs_release(&t);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/orphan", objects_without_entry, what_means_nothing, an_index_that_cannot_be_read, runs_of_pieces, very_many, tombs)
