#include "mail/resync.h"

#include "base/error.h"
#include "mail/records.h"
#include "unit/fault_vfs.h"
#include "unit/heap.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* Folder "a" with uids 1 to 10, of which 3 and 4 are expunged, and uid 20. */
static uint64_t with_holes(void)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    uint64_t id;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    commit(st);
    for (int i = 0; i < 10; i++)
        fill(st, id, 1);
    cubby_uidset *set = uids("3:4");
    begin(st);
    MUST(cubby__entry_expunge(st->txn, id, set, 0, NULL));
    commit(st);
    cubby_uidset_free(&set);
    o.uid = 20;
    begin(st);
    add(st, id, &o);
    commit(st);
    return id;
}

/* The uids that have vanished since then. */
static void vanished(uint64_t id, uint64_t since, const char *text)
{
    struct cubby__changes c;
    cubby_change x;
    cubby_uidset *set;
    MUST(cubby_uidset_new(&set));
    MUST(cubby__changes_open(look(st), id, since, &c));
    while (cubby__changes_next(&c, &x) == 0)
        if (x.kind == CUBBY_CHANGE_VANISHED)
            MUST(cubby_uidset_add(set, x.uid, x.uid_last));
    cubby__changes_close(&c);
    unlook(st);
    is_set(set, text);
}

static void mark(uint64_t id, uint64_t uidnext)
{
    const struct cubby__mark_rec m = {id, uidnext, 0, 0, 0};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__mark_encode(&m, &b);
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_MARK, 0, b.data, b.len));
    commit(st);
    cubby__buf_release(&b);
}

START_TEST(uids_without_explanation)
{
    uint64_t ranges, id = with_holes();
    mark(id, 31); /* as damage raises it */
    cubby_folder before = folder_of(st, id);
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 2);
    vanished(id, before.highestmodseq, "11:19,21:30");
    cubby_folder after = folder_of(st, id);
    ck_assert_uint_gt(after.highestmodseq, before.highestmodseq);
    ck_assert_uint_eq(after.uidnext, 31);
    ck_assert_uint_eq(after.messages, 9);
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 0);
    ck_assert_uint_eq(folder_of(st, id).highestmodseq, after.highestmodseq);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* To the last uid that there is; and folders that are not there. */
START_TEST(uids_to_the_end)
{
    uint64_t ranges, id = with_holes();
    mark(id, CUBBY__UID_MAX + 1ull);
    uint64_t since = folder_of(st, id).highestmodseq;
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 2);
    vanished(id, since, "11:19,21:4294967295");
    MUST(cubby__resync_uids(st->s, 99, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 0);
    begin(st);
    MUST(cubby__folder_delete(st->txn, id));
    commit(st);
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 0);
    state_end(st);
}
END_TEST

/* Tombstones that overlap, of expunges that were repeated, in any order. */
START_TEST(uids_overlapping_tombstones)
{
    static const uint32_t ranges_of[][2] = {{15, 18}, {11, 12}, {11, 16}, {17, 17}};
    uint64_t ranges, id = with_holes();
    for (size_t i = 0; i < 4; i++) {
        struct cubby__buf b = CUBBY__BUF_INIT;
        struct cubby__ranges s = {0};
        cubby__expunge_head(id, 0, &b);
        cubby__range_put(&s, ranges_of[i][0], ranges_of[i][1], &b);
        begin(st);
        MUST(cubby__txn_log(st->txn, CUBBY__REC_EXPUNGE, 0, b.data, b.len));
        commit(st);
        cubby__buf_release(&b);
    }
    uint64_t since = folder_of(st, id).highestmodseq;
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    vanished(id, since, "19");
    state_end(st);
}
END_TEST

static void log_expunged(uint64_t id, uint32_t uid)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    cubby__expunge_head(id, 0, &b);
    cubby__range_put(&s, uid, uid, &b);
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_EXPUNGE, 0, b.data, b.len));
    commit(st);
    cubby__buf_release(&b);
}

/* A tombstone behind the gap does not end it. */
START_TEST(uids_before_a_tombstone)
{
    uint64_t ranges, id = with_holes();
    log_expunged(id, 25);
    mark(id, 31);
    uint64_t since = folder_of(st, id).highestmodseq;
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, 3);
    vanished(id, since, "11:19,21:24,26:30");
    state_end(st);
}
END_TEST

enum { APART = 212000, TOMB = 130, STEP = 16516 }; /* 5 bytes for each stretch, and room for all below the last uid */

static int refuse_expunges, expunges;
static uint32_t longest;

static int refuse(struct cubby__txn *txn, const struct cubby__record *rec)
{
    if (rec->type == CUBBY__REC_EXPUNGE && refuse_expunges)
        return cubby__fail_mem(cubby__txn_err(txn));
    expunges += rec->type == CUBBY__REC_EXPUNGE;
    longest = rec->len > longest ? (uint32_t)rec->len : longest;
    return cubby__mail_handlers.apply(txn, rec);
}

/* So many stretches that a record does not hold them; and one that is refused ends it. */
START_TEST(uids_in_several_records)
{
    struct cubby__handlers h = cubby__mail_handlers;
    uint64_t ranges, id = with_holes();
    cubby_add_options o = CUBBY_ADD_INIT;
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    cubby__expunge_head(id, 0, &b);
    for (uint32_t i = 0; i < APART; i++)
        cubby__range_put(&s, 21 + i * STEP, 20 + i * STEP + TOMB, &b);
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_EXPUNGE, 0, b.data, b.len));
    commit(st);
    cubby__buf_release(&b);
    o.uid = 21 + (uint32_t)APART * STEP; /* what lies before it is found while messages are read */
    begin(st);
    add(st, id, &o);
    commit(st);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    h.apply = refuse;
    MUST(cubby__store_open("/s", &st->o, &h, &st->s, &st->err));
    refuse_expunges = 1;
    RETURNS(cubby__resync_uids(st->s, id, &ranges, &st->err), CUBBY_ENOMEM);
    ck_assert_uint_eq(ranges, 0);
    refuse_expunges = 0;
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err));
    ck_assert_uint_eq(ranges, APART + 1);
    ck_assert(expunges == 2 && longest < CUBBY__RECORD_SPLIT + 64);
    MUST(cubby__resync_uids(st->s, id, &ranges, &st->err)); /* each of the two says what is meant */
    ck_assert_uint_eq(ranges, 0);
    MUST(cubby__store_close(&st->s, &st->err));
    cubby__memfs_free(&st->fs);
}
END_TEST

static uint64_t modseq_of(uint64_t id, uint32_t uid)
{
    struct cubby__message_row row;
    MUST(row_of(st, id, uid, &row));
    return row.modseq;
}

START_TEST(flags_up_to_a_commit)
{
    const struct cubby__unnamed none = {.any = 0};
    uint64_t count, id = with_holes();
    uint64_t through = modseq_of(id, 6), later = modseq_of(id, 7);
    MUST(cubby__resync_flags(st->s, id, through, &none, &count, &st->err));
    ck_assert_uint_eq(count, 4); /* 1, 2, 5, 6 */
    ck_assert_uint_gt(modseq_of(id, 1), later);
    ck_assert_uint_gt(modseq_of(id, 6), later);
    ck_assert_uint_eq(modseq_of(id, 7), later);
    MUST(cubby__resync_flags(st->s, id, through, &none, &count, &st->err));
    ck_assert_uint_eq(count, 0);
    MUST(cubby__resync_flags(st->s, 99, through, &none, &count, &st->err));
    ck_assert_uint_eq(count, 0);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* More than one step of messages, with flags that alternate. */
START_TEST(flags_of_many)
{
    const struct cubby__unnamed none = {.any = 0};
    uint64_t id, count;
    cubby_add_options o = CUBBY_ADD_INIT;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    uint64_t object = log_object(st, 1);
    for (uint32_t i = 0; i < 20000; i++) {
        o.flags = i % 3 ? CUBBY_SEEN : 0;
        MUST(cubby__entry_add(st->txn, id, object, &o, NULL));
    }
    uint64_t at = commit(st);
    MUST(cubby__resync_flags(st->s, id, at, &none, &count, &st->err));
    ck_assert_uint_eq(count, 20000);
    ck_assert_uint_gt(modseq_of(id, 20000), at);
    ck_assert_uint_eq(folder_of(st, id).unseen, 6667);
    state_end(st);
}
END_TEST

/* A keyword whose name is lost: its messages are told of, others not. */
START_TEST(flags_without_name)
{
    struct cubby__unnamed unnamed;
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__ranges s = {0};
    struct cubby__keywords k = {.count = 1, .id = {3}};
    uint8_t bytes[CUBBY__KEYWORDS_BYTES + 2 * CUBBY__VARINT_MAX];
    uint64_t count, id = with_holes();
    MUST(cubby__unnamed_keywords(st->s, &unnamed, &st->err));
    ck_assert_int_eq(unnamed.any, 0);
    cubby__flags_head(id, &b);
    cubby__buf_byte(&b, 0);
    cubby__buf_add(&b, bytes, cubby__keywords_put(&k, bytes));
    cubby__buf_varint(&b, 1);
    cubby__range_put(&s, 5, 6, &b);
    begin(st);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_FLAGS, 0, b.data, b.len));
    uint64_t at = commit(st);
    cubby__buf_release(&b);
    MUST(cubby__unnamed_keywords(st->s, &unnamed, &st->err));
    ck_assert_int_eq(unnamed.any, 1);
    MUST(cubby__resync_flags(st->s, id, 0, &unnamed, &count, &st->err));
    ck_assert_uint_eq(count, 2);
    ck_assert_uint_gt(modseq_of(id, 5), at);
    ck_assert_uint_lt(modseq_of(id, 7), at);
    state_end(st);
}
END_TEST

static void set_flags(uint64_t id, const char *set, unsigned flags, const char *a, const char *b)
{
    const char *keywords[] = {a, b};
    cubby_uidset *u = uids(set);
    begin(st);
    MUST(cubby__flags_change(st->txn, id, u, CUBBY_FLAGS_REPLACE, flags, keywords, b ? 2 : a ? 1 : 0, NULL));
    commit(st);
    cubby_uidset_free(&u);
}

/* Neighbours with other flags, or as many other keywords: each keeps its own. */
START_TEST(flags_of_neighbours)
{
    const struct cubby__unnamed none = {.any = 0};
    struct cubby__message_row before[11], after;
    uint64_t count, id = with_holes();
    set_flags(id, "5", CUBBY_SEEN, "$one", NULL);
    set_flags(id, "6", CUBBY_SEEN, "$two", NULL);
    set_flags(id, "7", CUBBY_SEEN, "$one", "$two");
    set_flags(id, "8:9", 0, "$one", "$two");
    for (uint32_t uid = 5; uid <= 10; uid++)
        MUST(row_of(st, id, uid, &before[uid]));
    MUST(cubby__resync_flags(st->s, id, modseq_of(id, 9), &none, &count, &st->err));
    ck_assert_uint_eq(count, 9);
    for (uint32_t uid = 5; uid <= 10; uid++) {
        MUST(row_of(st, id, uid, &after));
        ck_assert(after.modseq > before[uid].modseq && after.flags == before[uid].flags && after.keywords.count == before[uid].keywords.count);
        ck_assert_mem_eq(after.keywords.id, before[uid].keywords.id, after.keywords.count * sizeof *after.keywords.id);
    }
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* A row that breaks its format ends it; what comes behind it is not told of alone. */
START_TEST(flags_that_mean_nothing)
{
    const struct cubby__unnamed none = {.any = 0};
    uint8_t key[CUBBY__TREE_KEY_MAX];
    uint64_t count, id = with_holes();
    uint64_t last = modseq_of(id, 20), was = modseq_of(id, 1);
    begin(st);
    MUST(cubby__txn_put(st->txn, key, cubby__key_message(key, id, 7), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
    log_object(st, 1);
    commit(st);
    RETURNS(cubby__resync_flags(st->s, id, last, &none, &count, &st->err), CUBBY_ECORRUPT);
    ck_assert_uint_eq(modseq_of(id, 1), was);
    state_end(st);
}
END_TEST

/* Each allocation fails in turn: nothing is half told. */
START_TEST(flags_without_memory)
{
    const struct cubby__unnamed none = {.any = 0};
    uint64_t count, was;
    int refused = 0;
    heap_install();
    uint64_t id = with_holes();
    uint64_t last = was = modseq_of(id, 20);
    for (int n = 0, hits = 1; hits; n++) {
        heap_fail(n, 0);
        int rc = cubby__resync_flags(st->s, id, last, &none, &count, &st->err);
        hits = heap_works();
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_ENOMEM), "%d: %d %s", n, rc, st->err.message);
        if (rc)
            ck_assert_uint_eq(modseq_of(id, 20), was);
        refused += rc != 0;
    }
    ck_assert_int_gt(refused, 1);
    ck_assert_uint_gt(modseq_of(id, 20), was);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* More numbers given than there may be: damage says so. And an index that cannot be read now. */
START_TEST(keywords_beyond_the_last)
{
    struct cubby__unnamed unnamed;
    struct fault fault;
    uint64_t id = with_holes();
    int failed = 0;
    set_flags(id, "5", 0, "$one", NULL);
    begin(st);
    cubby__txn_floors(st->txn)->keyword = CUBBY__KEYWORDS_MAX + 5;
    for (int i = 0; i < 300; i++) {
        char name[100];
        uint64_t other;
        snprintf(name, sizeof name, "%090d", i);
        MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name, 90, &other));
        log_object(st, (unsigned)i);
    }
    commit(st);
    MUST(cubby__unnamed_keywords(st->s, &unnamed, &st->err));
    ck_assert(unnamed.any && !(unnamed.bit[0] & 2) && unnamed.bit[CUBBY__KEYWORDS_MAX / 8] & 1u << CUBBY__KEYWORDS_MAX % 8);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    fault_init(&fault, st->o.vfs);
    st->o.vfs = &fault.vfs;
    st->o.cache_bytes = 1;
    for (int n = 0, hits = 1; hits; n++) {
        MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
        fault_set(&fault, FAULT_PREAD, "index", n, -EIO, 0);
        int rc = cubby__unnamed_keywords(st->s, &unnamed, &st->err);
        hits = fault.hits;
        fault_set(&fault, FAULT_PREAD, "", 0, 0, 0);
        ck_assert_int_eq(rc, hits ? CUBBY_EIO : CUBBY_OK);
        failed += hits;
        cubby__store_close(&st->s, NULL);
    }
    ck_assert_int_ge(failed, 1);
    cubby__memfs_free(&st->fs);
}
END_TEST

UNIT_MAIN("mail/resync", uids_without_explanation, uids_to_the_end, uids_overlapping_tombstones, uids_before_a_tombstone, uids_in_several_records,
          flags_up_to_a_commit, flags_of_many, flags_without_name, flags_of_neighbours, flags_that_mean_nothing, flags_without_memory,
          keywords_beyond_the_last)
