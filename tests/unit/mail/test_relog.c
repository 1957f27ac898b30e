#include "mail/relog.h"

#include "mail/annotation.h"
#include "mail/subscription.h"
#include "store/internal.h"
#include "unit/fault_vfs.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* A folder with sixty messages and a uidvalidity taken over, in several segments. The index knows all of it. */
static uint64_t several_segments(void)
{
    uint64_t id;
    state_begin(st);
    st->o.segment_bytes = 4096;
    state_reopen(st, 0);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    MUST(cubby__folder_take_uidvalidity(st->txn, id, 77));
    commit(st);
    for (int i = 0; i < 60; i++)
        fill(st, id, 1);
    ck_assert_uint_gt(st->s->pending.seg, 2);
    state_reopen(st, 0);
    return id;
}

/* Others go on while a repair asks the index: what they have done since the segments were read is not undone. */
START_TEST(beside_a_writer)
{
    struct cubby__message_row row;
    uint64_t records, id = several_segments();
    file_zero(st->o.vfs, "/s/segments/00000002.seg", 2048, 512);
    uint64_t known = st->s->pending.commit;
    struct cubby__store *fresh = state_of_segments(st);
    cubby_uidset *set = uids("60");
    fill(st, id, 1);
    begin(st);
    MUST(cubby__entry_expunge(st->txn, id, set, 0, NULL));
    commit(st);
    cubby_uidset_free(&set);
    MUST(cubby__relog(st->s, fresh, known, &records, &st->err));
    MUST(cubby__store_close(&fresh, &st->err));
    MUST(row_of(st, id, 61, &row));
    RETURNS(row_of(st, id, 60, &row), CUBBY_DONE);
    state_reopen(st, CUBBY_REBUILD);
    MUST(row_of(st, id, 61, &row));
    RETURNS(row_of(st, id, 60, &row), CUBBY_DONE);
    state_end(st);
}
END_TEST

/* What the store itself remembers is told again like what folders have. */
START_TEST(annotations_of_the_store)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    const uint8_t *value;
    size_t len;
    uint64_t records, known;
    several_segments();
    known = st->s->pending.commit;
    file_zero(st->o.vfs, "/s/segments/00000001.seg", 1200, 800);
    struct cubby__store *fresh = state_of_segments(st);
    struct cubby__view view;
    MUST(cubby__view_begin(fresh, &view, &st->err));
    RETURNS(cubby__annotation_get(&view, CUBBY_ROOT, "/cubby/taken/77", buf, &value, &len), CUBBY_DONE);
    cubby__view_end(&view);
    MUST(cubby__relog(st->s, fresh, known, &records, &st->err));
    MUST(cubby__store_close(&fresh, &st->err));
    state_reopen(st, CUBBY_REBUILD);
    MUST(cubby__annotation_get(look(st), CUBBY_ROOT, "/cubby/taken/77", buf, &value, &len));
    unlook(st);
    state_end(st);
}
END_TEST

static void flag(uint64_t id, int how)
{
    cubby_uidset *set = uids("7"), *changed;
    begin(st);
    MUST(cubby__flags_change(st->txn, id, set, how, CUBBY_SEEN, NULL, 0, &changed));
    commit(st);
    cubby_uidset_free(&changed);
    cubby_uidset_free(&set);
}

/* Flags that went and came back: a client that has seen them go must hear that they are there. */
START_TEST(flags_that_came_back)
{
    struct cubby__message_row row;
    uint64_t records, id = several_segments();
    flag(id, CUBBY_FLAGS_ADD);
    struct cubby__store *fresh = state_of_segments(st); /* what follows is lost */
    flag(id, CUBBY_FLAGS_REMOVE);
    flag(id, CUBBY_FLAGS_ADD);
    uint64_t known = st->s->pending.commit;
    MUST(cubby__relog(st->s, fresh, known, &records, &st->err));
    MUST(cubby__store_close(&fresh, &st->err));
    MUST(row_of(st, id, 7, &row));
    ck_assert_uint_eq(row.flags, CUBBY_SEEN);
    ck_assert_uint_gt(row.modseq, known);
    state_end(st);
}
END_TEST

/* Whatever page of the index cannot be read: it ends, and tells all of it when it can be. */
START_TEST(an_index_that_cannot_be_read)
{
    struct cubby__message_row row;
    struct fault fault;
    uint64_t records, other, id = several_segments();
    int failed = 0;
    begin(st);
    for (int i = 0; i < 150; i++) { /* so that the index has many pages */
        char name[100];
        snprintf(name, sizeof name, "/%090d", i);
        MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name + 1, 90, &other));
        MUST(cubby__subscribe(st->txn, name + 1, 91, 1));
        MUST(cubby__annotation_set(st->txn, id, name, name, 90));
    }
    commit(st);
    fill(st, id, 300);
    file_zero(st->o.vfs, "/s/segments/00000002.seg", 2048, 512);
    struct cubby__store *fresh = state_of_segments(st);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    fault_init(&fault, st->o.vfs);
    cubby_options o = st->o;
    o.vfs = &fault.vfs;
    o.cache_bytes = 1;
    for (int n = 0, hits = 1; hits; n += 1 + n / 100) {
        MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &st->s, &st->err));
        fault_set(&fault, FAULT_PREAD, "index", n, -EIO, 0);
        int rc = cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err);
        hits = fault.hits;
        fault_set(&fault, FAULT_PREAD, "", 0, 0, 0);
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_EIO), "%d: %d %s", n, rc, st->err.message);
        failed += rc != 0;
        MUST(cubby__store_close(&st->s, &st->err));
    }
    ck_assert_int_gt(failed, 20);
    MUST(cubby__store_close(&fresh, &st->err));
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    state_reopen(st, CUBBY_REBUILD);
    for (uint32_t uid = 1; uid <= 60; uid++) /* those whose objects are lost are expunged, and the others are there */
        ck_assert_int_ge(row_of(st, id, uid, &row), 0);
    ck_assert_uint_gt(folder_of(st, id).messages, 350);
    state_end(st);
}
END_TEST

/* As many rows of each kind that pages of the index have to go before they are looked at again, with messages that have objects in common. */
static uint64_t many_rows(void)
{
    uint64_t other, copies, id = several_segments();
    char name[100];
    cubby_uidset *all = uids("1:60");
    begin(st);
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof name, "%090d", i);
        MUST(cubby__subscribe(st->txn, name, 91, 1));
        if (i < 300)
            MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name, 90, &other));
    }
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "copies", 6, &copies));
    MUST(cubby__entry_copy(st->txn, id, all, copies, NULL, NULL));
    commit(st);
    fill(st, id, 300);
    cubby_uidset_free(&all);
    return id;
}

/* Two stores that began alike; what is compared with has lost some messages, whose objects it has. Both close; this one's file system and options
 * become the second's. */
static uint64_t two_alike(struct state *theirs)
{
    uint64_t id = many_rows();
    cubby_uidset *some = uids("1:20,50:60");
    begin(st);
    MUST(cubby__entry_expunge(st->txn, id, some, 0, NULL));
    commit(st);
    cubby_uidset_free(&some);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    *theirs = *st;
    many_rows();
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    return id;
}

/* Whichever page cannot be read of what is compared with, or of the index, while neither keeps many: an error, and with no fault all is told. */
START_TEST(pages_that_cannot_be_read)
{
    struct state theirs;
    uint64_t failed[2] = {0, 0}, told[2] = {0, 0};
    struct fault fault[2]; /* theirs, ours */
    struct cubby__store *other;
    uint64_t records;
    two_alike(&theirs);
    fault_init(&fault[0], theirs.o.vfs);
    fault_init(&fault[1], st->o.vfs);
    theirs.o.vfs = &fault[0].vfs;
    st->o.vfs = &fault[1].vfs;
    theirs.o.cache_bytes = st->o.cache_bytes = 1;
    for (int who = 0; who < 2; who++)
        for (int n = 0, hits = 1; hits; n++) {
            MUST(cubby__store_open("/s", &theirs.o, &cubby__mail_handlers, &other, &st->err));
            MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
            fault_set(&fault[who], FAULT_PREAD, "index", n, -EIO, 0);
            int rc = cubby__relog(st->s, other, st->s->pending.commit, &records, &st->err);
            hits = fault[who].hits;
            fault_set(&fault[who], FAULT_PREAD, "", 0, 0, 0);
            ck_assert_msg(rc == 0 || (hits && rc == CUBBY_EIO), "%d, %d: %d %s", who, n, rc, st->err.message);
            failed[who] += rc != 0;
            told[who] = records;
            MUST(cubby__store_close(&st->s, &st->err));
            MUST(cubby__store_close(&other, &st->err));
        }
    ck_assert(failed[0] > 30 && failed[1] > 30);
    ck_assert(told[0] >= 31 && told[0] == told[1]);
    cubby__memfs_free(&theirs.fs);
    cubby__memfs_free(&st->fs);
}
END_TEST

/* What is compared with goes away: nothing can be said. */
START_TEST(nothing_to_compare_with)
{
    struct state theirs;
    struct cubby__store *other;
    uint64_t records = 77;
    two_alike(&theirs);
    MUST(cubby__store_open("/s", &theirs.o, &cubby__mail_handlers, &other, &st->err));
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(theirs.o.vfs->unlink(theirs.o.vfs->ctx, "/s/" CUBBY__FILE_ID));
    RETURNS(cubby__relog(st->s, other, st->s->pending.commit, &records, &st->err), CUBBY_ESTALE);
    ck_assert_uint_eq(records, 0);
    MUST(cubby__store_close(&st->s, &st->err));
    cubby__store_close(&other, NULL);
    cubby__memfs_free(&theirs.fs);
    cubby__memfs_free(&st->fs);
}
END_TEST

/* Flags that went and came back since the segments were read: those who did it have told it. */
START_TEST(flags_that_others_set)
{
    struct cubby__message_row row;
    uint64_t records, id = several_segments();
    flag(id, CUBBY_FLAGS_ADD);
    uint64_t known = st->s->pending.commit;
    struct cubby__store *fresh = state_of_segments(st);
    flag(id, CUBBY_FLAGS_REMOVE);
    flag(id, CUBBY_FLAGS_ADD);
    uint64_t now = st->s->pending.commit;
    MUST(cubby__relog(st->s, fresh, known, &records, &st->err));
    MUST(cubby__store_close(&fresh, &st->err));
    MUST(row_of(st, id, 7, &row));
    ck_assert_uint_eq(row.modseq, now);
    state_end(st);
}
END_TEST

START_TEST(flags_that_others_took)
{
    struct cubby__message_row row;
    uint64_t records, id = several_segments();
    flag(id, CUBBY_FLAGS_ADD);
    uint64_t known = st->s->pending.commit;
    struct cubby__store *fresh = state_of_segments(st);
    flag(id, CUBBY_FLAGS_REMOVE);
    MUST(cubby__relog(st->s, fresh, known, &records, &st->err));
    MUST(cubby__store_close(&fresh, &st->err));
    for (int rebuilt = 0; rebuilt < 2; rebuilt++) {
        MUST(row_of(st, id, 7, &row));
        ck_assert_uint_eq(row.flags, 0);
        state_reopen(st, CUBBY_REBUILD);
    }
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/relog", beside_a_writer, annotations_of_the_store, flags_that_came_back, flags_that_others_set, flags_that_others_took,
          an_index_that_cannot_be_read, pages_that_cannot_be_read, nothing_to_compare_with)
