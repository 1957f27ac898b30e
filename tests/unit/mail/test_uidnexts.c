/* test_uidnexts.c - the uidnexts of an index that is thrown away: no uid is given twice, however many the segments have lost. */
#include "base/alloc.h"
#include "mail/definitions.h"
#include "unit/heap.h"
#include "unit/mail/state_fixture.h"

#define SEGMENT "/s/segments/00000001.seg"

static struct state the_state, *const st = &the_state;

static void put_mark(const struct cubby__mark_rec *m)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__mark_encode(m, &b);
    MUST(cubby__txn_log_buf(st->txn, CUBBY__REC_MARK, &b));
}

static uint64_t create(const char *name)
{
    uint64_t id;
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name, strlen(name), &id));
    return id;
}

/* *at is set behind the MARK that stands there; all in it but folder and uidnext is 0. */
static struct cubby__mark_rec mark_at(const struct cubby__buf *b, size_t *at)
{
    struct cubby__reader in = cubby__reader(b->data + *at, b->len - *at);
    struct cubby__mark_rec m;
    ck_assert_uint_eq(cubby__read_byte(&in), CUBBY__REC_MARK);
    ck_assert_uint_eq(cubby__read_varint(&in), 0);
    size_t len = (size_t)cubby__read_varint(&in);
    ck_assert_int_eq(cubby__mark_decode(cubby__read_bytes(&in, len), len, &m), 0);
    ck_assert_uint_eq(m.highestmodseq | m.tombstone_floor | m.recent_uid, 0);
    *at = b->len - cubby__read_left(&in);
    return m;
}

START_TEST(of_each_folder)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__mark_rec m;
    size_t at = 0;
    state_begin(st);
    begin(st);
    uint64_t gone = create("gone"), other = create("other");
    commit(st);
    fill(st, gone, 3);
    fill(st, other, 2);
    fill(st, 1, 5);
    begin(st);
    MUST(cubby__folder_delete(st->txn, gone));
    commit(st);
    MUST(cubby__uidnexts(look(st), &b));
    unlook(st);
    m = mark_at(&b, &at);
    ck_assert(m.folder == 1 && m.uidnext == 6);
    m = mark_at(&b, &at);
    ck_assert(m.folder == other && m.uidnext == 3);
    ck_assert_uint_eq(at, b.len);
    cubby__buf_release(&b);
    state_end(st);
}
END_TEST

/* What stands before a row that breaks its format counts. */
START_TEST(as_far_as_they_can_be_read)
{
    static const uint8_t row[3] = {CUBBY__KS_FOLDER, 1, 9}, value[1] = {7};
    struct cubby__buf b = CUBBY__BUF_INIT;
    size_t at = 0;
    state_begin(st);
    fill(st, 1, 5);
    begin(st);
    MUST(cubby__txn_put(st->txn, row, sizeof row, value, sizeof value));
    create("other");
    commit(st);
    RETURNS(cubby__uidnexts(look(st), &b), CUBBY_ECORRUPT);
    unlook(st);
    ck_assert_uint_eq(mark_at(&b, &at).uidnext, 6);
    cubby__buf_release(&b);
    heap_install();
    for (int n = 0, hits = 1; hits; n++) {
        struct cubby__buf c = CUBBY__BUF_INIT;
        look(st);
        heap_fail(n, 0);
        int rc = cubby__uidnexts(&st->view, &c);
        hits = heap_works();
        ck_assert_int_eq(rc, hits ? CUBBY_ENOMEM : CUBBY_ECORRUPT);
        unlook(st);
        cubby__buf_release(&c);
    }
    state_end(st);
}
END_TEST

static uint8_t *kept;
static size_t kept_len;

static void keep_segment(void)
{
    cubby_vfs_stat f;
    MUST(st->o.vfs->stat(st->o.vfs->ctx, SEGMENT, &f));
    kept_len = (size_t)f.size;
    kept = malloc(kept_len);
    file_read(st->o.vfs, SEGMENT, 0, kept, kept_len);
}

static void close_it(void)
{
    MUST(cubby__store_checkpoint(st->s, &st->err));
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
}

/* The segment as it was when it was kept is the last one again. */
static void restore_and_open(void)
{
    st->o.vfs->unlink(st->o.vfs->ctx, "/s/segments/00000002.seg");
    file_truncate(st->o.vfs, SEGMENT, 0);
    file_write(st->o.vfs, SEGMENT, 0, kept, kept_len);
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
}

/* A bulk import is lost, of more messages than a segment has room for; and a folder that was made then. */
START_TEST(many_are_lost)
{
    enum { MANY = 50u << 20 };
    state_begin(st);
    begin(st);
    uint64_t other = create("other");
    commit(st);
    fill(st, 1, 3);
    uint64_t before = folder_of(st, 1).highestmodseq;
    close_it();
    keep_segment();
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    begin(st);
    put_mark(&(struct cubby__mark_rec){.folder = 1, .uidnext = MANY, .highestmodseq = 1000});
    uint64_t lost = create("lost");
    commit(st);
    fill(st, lost, 2);
    uint32_t last = 0, uidvalidity = folder_of(st, lost).uidvalidity;
    for (int round = 0; round < 3; round++) {
        fill(st, other, 1);
        uint64_t uidnext = folder_of(st, 1).uidnext, of_other = folder_of(st, other).uidnext;
        close_it();
        restore_and_open();
        ck_assert_uint_ge(folder_of(st, 1).uidnext, uidnext + (2u << 20));
        ck_assert_uint_ge(folder_of(st, other).uidnext, of_other + (2u << 20));
        ck_assert_uint_eq(folder_of(st, 1).highestmodseq, before);
        ck_assert_uint_eq(folder_of(st, 1).messages, 3);
        begin(st);
        uint32_t uid = add(st, 1, NULL);
        ck_assert(uid >= MANY && uid > last);
        uint64_t id = create("lost");
        commit(st);
        ck_assert_uint_gt(id, lost);
        ck_assert_uint_gt(folder_of(st, id).uidvalidity, uidvalidity);
        last = uid;
        lost = id;
        uidvalidity = folder_of(st, id).uidvalidity;
    }
    struct cubby__store *fresh = state_of_segments(st);
    struct cubby__folder f;
    struct cubby__view view;
    MUST(cubby__view_begin(fresh, &view, &st->err));
    MUST(cubby__folder_get(&view, 1, &f));
    ck_assert_uint_eq(f.f.uidnext, last + 1);
    cubby__view_end(&view);
    MUST(cubby__store_close(&fresh, &st->err));
    state_end(st);
    free(kept);
}
END_TEST

/* All uids of a folder were given; folders that are not there do not matter. */
START_TEST(as_high_as_can_be)
{
    state_begin(st);
    fill(st, 1, 3);
    close_it();
    keep_segment();
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    begin(st);
    put_mark(&(struct cubby__mark_rec){.folder = 1, .uidnext = CUBBY__UID_MAX + 1ull});
    commit(st);
    close_it();
    restore_and_open();
    ck_assert_uint_eq(folder_of(st, 1).uidnext, CUBBY__UID_MAX + 1ull);
    begin(st);
    uint64_t id = create("next");
    ck_assert_uint_eq(add(st, id, NULL), 1);
    commit(st);
    state_end(st);
    free(kept);
}
END_TEST

UNIT_MAIN("mail/uidnexts", of_each_folder, as_far_as_they_can_be_read, many_are_lost, as_high_as_can_be)
