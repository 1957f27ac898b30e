/* test_relog_rows.c - each kind of record that may be lost from the segments while the index knows what it said (mail/relog.c), and rows that mean nothing. */
#include "fault/fault_table.c" /* every call: unit tests link no objects but layers */
#include "mail/annotation.h"
#include "mail/relog.h"
#include "store/internal.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* What was there before: two folders with messages, one of them flagged, a subscription, annotations. */
static uint64_t fa, fb;

static void flag(uint64_t folder, const char *set, unsigned flags, const char *keyword)
{
    cubby_uidset *u = uids(set);
    MUST(cubby__flags_change(st->txn, folder, u, CUBBY_FLAGS_REPLACE, flags, &keyword, keyword ? 1 : 0, NULL));
    cubby_uidset_free(&u);
}

static void base(void)
{
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &fa));
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &fb));
    MUST(cubby__subscribe(st->txn, "old\0", 4, 1));
    MUST(cubby__annotation_set(st->txn, fa, "/note", "text", 4));
    MUST(cubby__annotation_set(st->txn, fa, "/other", "text", 4));
    commit(st);
    fill(st, fa, 5);
    fill(st, fb, 2);
    begin(st);
    flag(fa, "2", CUBBY_SEEN, "$one");
    flag(fa, "3", CUBBY_SEEN, "$two");
    commit(st);
}

/* ---- what is done then, and whether it is so ---- */

static int has_folder(struct cubby__view *v, uint64_t parent, const char *name)
{
    uint64_t id;
    return cubby__name_get(v, parent, name, strlen(name), &id) == 0;
}

static int is_annotated(struct cubby__view *v, uint64_t folder, const char *entry, const char *want)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    const uint8_t *value;
    size_t len;
    int rc = cubby__annotation_get(v, folder, entry, buf, &value, &len);
    return want ? rc == 0 && len == strlen(want) && memcmp(value, want, len) == 0 : rc == CUBBY_DONE;
}

static int is_subscribed(struct cubby__view *v, const char *want)
{
    char path[CUBBY__TREE_KEY_MAX + 1];
    size_t len;
    for (int rc = cubby__subscription_next(v, NULL, 0, path, &len); rc == 0; rc = cubby__subscription_next(v, path, len, path, &len))
        if (len == strlen(want) + 1 && memcmp(path, want, len) == 0)
            return 1;
    return 0;
}

static int get_row(struct cubby__view *v, uint64_t folder, uint32_t uid, struct cubby__message_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t n;
    int rc = cubby__view_get(v, key, cubby__key_message(key, folder, uid), value, &n);
    return rc ? rc : cubby__message_row_decode(value, n, row);
}

static int has_keyword(struct cubby__view *v, uint64_t folder, uint32_t uid, const char *name)
{
    struct cubby__message_row row;
    uint16_t id;
    if (cubby__keyword_find(v, name, &id) != 0 || get_row(v, folder, uid, &row) != 0)
        return 0;
    for (size_t i = 0; i < row.keywords.count; i++)
        if (row.keywords.id[i] == id)
            return 1;
    return 0;
}

static void do_create(void) { uint64_t id; MUST(cubby__folder_create(st->txn, fa, "new", 3, &id)); }
static int is_created(struct cubby__view *v) { return has_folder(v, fa, "new"); }
static void do_rename(void) { MUST(cubby__folder_rename(st->txn, fb, CUBBY_ROOT, "c", 1)); }
static int is_renamed(struct cubby__view *v) { return has_folder(v, CUBBY_ROOT, "c") && !has_folder(v, CUBBY_ROOT, "b"); }
static void do_lengthen(void) { MUST(cubby__folder_rename(st->txn, fb, CUBBY_ROOT, "longer", 6)); }
static int is_longer(struct cubby__view *v) { return has_folder(v, CUBBY_ROOT, "longer"); }
static void do_move(void) { MUST(cubby__folder_rename(st->txn, fb, fa, "b", 1)); }
static int is_moved(struct cubby__view *v) { return has_folder(v, fa, "b") && !has_folder(v, CUBBY_ROOT, "b"); }
static void do_delete(void) { MUST(cubby__folder_delete(st->txn, fb)); }
static int is_deleted(struct cubby__view *v) { return !has_folder(v, CUBBY_ROOT, "b"); }
static void do_number(void) { MUST(cubby__folder_set_uidvalidity(st->txn, fb, 4000000000u)); }
static int is_numbered(struct cubby__view *v)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    return cubby__folder_row_get(v, fb, buf, &row) == 0 && row.rec.uidvalidity == 4000000000u;
}
static void do_special(void) { MUST(cubby__folder_set_special(st->txn, fb, CUBBY_USE_SENT)); }
static int is_special(struct cubby__view *v)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    return cubby__folder_row_get(v, fb, buf, &row) == 0 && row.rec.special_use == CUBBY_USE_SENT;
}
static void do_claim(void) { uint32_t first; MUST(cubby__recent_claim(st->txn, fb, &first)); }
static int is_claimed(struct cubby__view *v)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    return cubby__folder_row_get(v, fb, buf, &row) == 0 && row.recent_uid == 3;
}
static void do_forget(void) /* what vanished before the first commit is known no more */
{
    struct cubby__buf mark = CUBBY__BUF_INIT;
    cubby__mark_encode(&(struct cubby__mark_rec){.folder = fb, .tombstone_floor = 1}, &mark);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_MARK, 0, mark.data, mark.len));
    cubby__buf_release(&mark);
}
static int is_forgotten(struct cubby__view *v)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    return cubby__folder_row_get(v, fb, buf, &row) == 0 && row.tombstone_floor == 1;
}
static void do_subscribe(void) { MUST(cubby__subscribe(st->txn, "new\0", 4, 1)); }
static int is_new_subscribed(struct cubby__view *v) { return is_subscribed(v, "new"); }
static void do_unsubscribe(void) { MUST(cubby__subscribe(st->txn, "old\0", 4, 0)); }
static int is_unsubscribed(struct cubby__view *v) { return !is_subscribed(v, "old"); }
static void do_annotate(void) { MUST(cubby__annotation_set(st->txn, fb, "/b", "new", 3)); }
static int is_b_annotated(struct cubby__view *v) { return is_annotated(v, fb, "/b", "new"); }
static void do_change_note(void) { MUST(cubby__annotation_set(st->txn, fa, "/note", "next", 4)); }
static int is_note_changed(struct cubby__view *v) { return is_annotated(v, fa, "/note", "next"); }
static void do_lengthen_note(void) { MUST(cubby__annotation_set(st->txn, fa, "/note", "much longer", 11)); }
static int is_note_longer(struct cubby__view *v) { return is_annotated(v, fa, "/note", "much longer"); }
static void do_remove_note(void) { MUST(cubby__annotation_set(st->txn, fa, "/note", NULL, 0)); }
static int is_note_gone(struct cubby__view *v) { return is_annotated(v, fa, "/note", NULL) && is_annotated(v, fa, "/other", "text"); }
static void do_expunge(void)
{
    cubby_uidset *u = uids("4:5");
    MUST(cubby__entry_expunge(st->txn, fa, u, 0, NULL));
    cubby_uidset_free(&u);
}
static int is_expunged(struct cubby__view *v)
{
    struct cubby__message_row row;
    return get_row(v, fa, 3, &row) == 0 && get_row(v, fa, 4, &row) == CUBBY_DONE && get_row(v, fa, 5, &row) == CUBBY_DONE;
}
static void do_flag(void) { flag(fa, "1", CUBBY_ANSWERED, NULL); }
static int is_flagged(struct cubby__view *v)
{
    struct cubby__message_row row;
    return get_row(v, fa, 1, &row) == 0 && row.flags == CUBBY_ANSWERED;
}
static void do_keyword(void) { flag(fa, "1", 0, "$three"); }
static int has_three(struct cubby__view *v) { return has_keyword(v, fa, 1, "$three"); }
static void do_swap_keyword(void) { flag(fa, "2", CUBBY_SEEN, "$two"); } /* one for another: as many as before */
static int has_two(struct cubby__view *v) { return has_keyword(v, fa, 2, "$two") && !has_keyword(v, fa, 2, "$one"); }
static void do_copy(void)
{
    cubby_uidset *u = uids("1:3");
    MUST(cubby__entry_copy(st->txn, fa, u, fb, NULL, NULL));
    cubby_uidset_free(&u);
}
static int is_copied(struct cubby__view *v)
{
    struct cubby__message_row row;
    return get_row(v, fb, 3, &row) == 0 && get_row(v, fb, 5, &row) == 0 && has_keyword(v, fb, 4, "$one");
}

static const struct {
    void (*act)(void);
    int (*is_so)(struct cubby__view *v);
} kinds[] = {
    {do_create, is_created}, {do_rename, is_renamed}, {do_lengthen, is_longer}, {do_move, is_moved}, {do_delete, is_deleted}, {do_number, is_numbered},
    {do_special, is_special}, {do_claim, is_claimed}, {do_subscribe, is_new_subscribed}, {do_unsubscribe, is_unsubscribed}, {do_annotate, is_b_annotated},
    {do_change_note, is_note_changed}, {do_lengthen_note, is_note_longer}, {do_remove_note, is_note_gone}, {do_expunge, is_expunged}, {do_flag, is_flagged},
    {do_keyword, has_three}, {do_swap_keyword, has_two}, {do_copy, is_copied}, {do_forget, is_forgotten},
};
enum { KINDS = sizeof kinds / sizeof *kinds };

static int is_so(struct cubby__store *s, int i)
{
    struct cubby__view view;
    MUST(cubby__view_begin(s, &view, &st->err));
    int so = kinds[i].is_so(&view);
    cubby__view_end(&view);
    return so;
}

/* One commit, of which the segments lose everything. */
static void act_and_lose(int i)
{
    begin(st);
    kinds[i].act();
    uint64_t from = st->s->pending.seg_off;
    commit(st);
    uint64_t to = st->s->pending.seg_off;
    fill(st, 1, 1);
    ck_assert(st->s->pending.seg == 1 && to > from);
    file_zero(st->o.vfs, "/s/segments/00000001.seg", from, to - from);
}

/* The segments have lost that commit, and nothing else; the index told it again: it is so in a rebuilt one. */
static void lose_and_tell(int i)
{
    uint64_t records;
    base();
    act_and_lose(i);
    struct cubby__store *fresh = state_of_segments(st);
    ck_assert_msg(is_so(st->s, i), "kind %d never was", i);
    ck_assert_msg(!is_so(fresh, i), "kind %d is not lost", i);
    MUST(cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err));
    ck_assert_uint_gt(records, 0);
    MUST(cubby__store_close(&fresh, &st->err));
    fresh = state_of_segments(st);
    ck_assert_msg(is_so(fresh, i), "kind %d is not told again", i);
    MUST(cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err)); /* nothing is left to tell */
    ck_assert_msg(records == 0, "kind %d: %d records", i, (int)records);
    MUST(cubby__store_close(&fresh, &st->err));
    state_end(st);
}

START_TEST(each_kind)
{
    for (int i = 0; i < KINDS; i++)
        lose_and_tell(i);
}
END_TEST

/* Kinds that do not contradict each other. */
static const int together[] = {0, 1, 6, 7, 8, 9, 10, 12, 14, 15, 18, 17};
enum { TOGETHER = sizeof together / sizeof *together };

/* Without memory it ends in time, wherever that is; and with it all is told. */
START_TEST(without_memory)
{
    uint64_t records, hits = 1;
    heap_install();
    base();
    for (int i = 0; i < TOGETHER; i++)
        act_and_lose(together[i]);
    struct cubby__store *fresh = state_of_segments(st);
    for (int i = 0; i < TOGETHER; i++)
        ck_assert_msg(is_so(st->s, together[i]) && !is_so(fresh, together[i]), "kind %d: %d %d", together[i], is_so(st->s, together[i]), is_so(fresh, together[i]));
    for (uint64_t n = 1; hits; n++) {
        heap_arm(n, 0);
        int rc = cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err);
        heap_disarm();
        hits = heap_hits();
        ck_assert_msg(rc == 0 || (hits && (rc == CUBBY_ENOMEM || rc == CUBBY_ELATCHED || rc == CUBBY_EUNKNOWN)), "%d: %d", (int)n, rc);
        n += n / 50; /* the first ones are all of them, of the many others some */
    }
    MUST(cubby__store_close(&fresh, &st->err));
    fresh = state_of_segments(st);
    for (int i = 0; i < TOGETHER; i++)
        ck_assert_msg(is_so(fresh, together[i]), "kind %d", together[i]);
    MUST(cubby__store_close(&fresh, &st->err));
    state_end(st);
}
END_TEST

/* Nothing but one kind is lost, and each single allocation fails: all of it is told by the one that has memory. */
START_TEST(each_kind_without_memory)
{
    heap_install();
    for (int i = 0; i < KINDS; i++) {
        uint64_t records, hits = 1;
        base();
        act_and_lose(i);
        struct cubby__store *fresh = state_of_segments(st);
        for (uint64_t n = 1; hits; n++) {
            heap_arm(n, 0);
            int rc = cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err);
            heap_disarm();
            hits = heap_hits();
            ck_assert_msg(rc == 0 || (hits && rc == CUBBY_ENOMEM), "kind %d, %d: %d", i, (int)n, rc);
        }
        MUST(cubby__store_close(&fresh, &st->err));
        fresh = state_of_segments(st);
        ck_assert_msg(is_so(fresh, i), "kind %d", i);
        MUST(cubby__store_close(&fresh, &st->err));
        state_end(st);
    }
}
END_TEST

/* More messages than are looked at together. */
START_TEST(many_messages)
{
    uint64_t records;
    struct cubby__message_row row;
    base();
    fill(st, fa, 700);
    act_and_lose(14);
    act_and_lose(18);
    struct cubby__store *fresh = state_of_segments(st);
    MUST(cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err));
    ck_assert_uint_lt(records, 20);
    MUST(cubby__store_close(&fresh, &st->err));
    fresh = state_of_segments(st);
    ck_assert(is_so(fresh, 14) && is_so(fresh, 18));
    struct cubby__view view;
    MUST(cubby__view_begin(fresh, &view, &st->err));
    ck_assert(get_row(&view, fa, 705, &row) == 0 && get_row(&view, fa, 300, &row) == 0);
    cubby__view_end(&view);
    MUST(cubby__store_close(&fresh, &st->err));
    state_end(st);
}
END_TEST

/* ---- others, at any moment ---- */

static struct {
    struct cubby__store *other;
    uint64_t locks, at;
} visitor;

static void visit(const char *call, const char *path)
{
    struct cubby__txn *txn;
    (void)path;
    if (strcmp(call, "lock") != 0 || ++visitor.locks != visitor.at)
        return;
    MUST(cubby__txn_begin(visitor.other, 0, &txn, &st->err));
    MUST(cubby__folder_delete(txn, fb));
    MUST(cubby__txn_commit(&txn, NULL));
}

/* A folder that somebody deletes, whenever that is, stays so. */
START_TEST(deleted_meanwhile)
{
    visitor.at = 0;
    do {
        uint64_t records;
        base();
        act_and_lose(18);
        cubby__incoming_free(&st->in);
        MUST(cubby__store_close(&st->s, &st->err));
        struct fault_table *table = fault_table_new(st->o.vfs);
        cubby_options o = st->o;
        o.vfs = fault_table_vfs(table);
        MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &visitor.other, &st->err));
        MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &st->s, &st->err));
        struct cubby__store *fresh = state_of_segments(st);
        visitor.locks = 0;
        visitor.at++;
        fault_watch = visit;
        int rc = cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err);
        fault_watch = NULL;
        ck_assert_msg(rc == 0, "%d: %d %s", (int)visitor.at, rc, st->err.message);
        MUST(cubby__store_close(&fresh, &st->err));
        MUST(cubby__store_close(&visitor.other, &st->err));
        fresh = state_of_segments(st);
        struct cubby__view view;
        MUST(cubby__view_begin(fresh, &view, &st->err));
        ck_assert_int_eq(has_folder(&view, CUBBY_ROOT, "b"), visitor.locks < visitor.at);
        cubby__view_end(&view);
        MUST(cubby__store_close(&fresh, &st->err));
        MUST(cubby__store_close(&st->s, &st->err));
        cubby__memfs_free(&st->fs);
        fault_table_free(&table);
    } while (visitor.locks >= visitor.at);
    ck_assert_uint_gt(visitor.at, 4);
}
END_TEST

/* ---- rows that mean nothing ---- */

static const uint8_t junk[] = "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";

static void put(struct cubby__store *s, const uint8_t *key, size_t n)
{
    struct cubby__txn *txn;
    uint64_t id;
    MUST(cubby__txn_begin(s, 0, &txn, &st->err));
    MUST(cubby__folder_create(txn, CUBBY_ROOT, "so that there is something to commit", 36, &id));
    MUST(cubby__txn_put(txn, key, n, junk, 12));
    MUST(cubby__txn_commit(&txn, NULL));
}

/* A folder that the segments say is deleted, and the index has: it has it back. */
START_TEST(deleted_in_theirs)
{
    struct cubby__store *other;
    struct cubby__txn *txn;
    uint64_t records;
    base();
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    struct cubby__memfs *fs = st->fs;
    cubby_options o = st->o;
    base();
    MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &other, &st->err));
    MUST(cubby__txn_begin(other, 0, &txn, &st->err));
    MUST(cubby__folder_delete(txn, fb));
    MUST(cubby__txn_commit(&txn, NULL));
    MUST(cubby__relog(st->s, other, st->s->pending.commit, &records, &st->err));
    ck_assert_uint_ge(records, 3); /* the folder, and its two messages */
    MUST(cubby__store_close(&other, &st->err));
    cubby__memfs_free(&fs);
    state_end(st);
}
END_TEST

/* A folder whose name is another one's, only because the segments have lost that it was renamed: both have their names again. */
START_TEST(displaced_in_theirs)
{
    struct cubby__view view;
    uint64_t records;
    base();
    act_and_lose(1);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "b", 1, &fb));
    commit(st);
    struct cubby__store *fresh = state_of_segments(st);
    MUST(cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err));
    MUST(cubby__store_close(&fresh, &st->err));
    fresh = state_of_segments(st);
    MUST(cubby__view_begin(fresh, &view, &st->err));
    ck_assert(has_folder(&view, CUBBY_ROOT, "b") && has_folder(&view, CUBBY_ROOT, "c"));
    cubby__view_end(&view);
    MUST(cubby__relog(st->s, fresh, st->s->pending.commit, &records, &st->err));
    ck_assert_uint_eq(records, 0);
    MUST(cubby__store_close(&fresh, &st->err));
    state_end(st);
}
END_TEST

/* Of the kinds that relog looks at; the row of message 2, and keys that are too short or too long. */
static size_t some_key(int i, uint8_t *key)
{
    key[0] = CUBBY__KS_KEYWORD;
    switch (i) {
    case 0: return cubby__key_folder(key, fb);
    case 1: return cubby__key_message(key, fa, 2);
    case 2: return cubby__key_keyword(key, 77);
    case 3: key[1] = 9; key[2] = 9; return 3;
    case 4: key[0] = CUBBY__KS_FOLDER; key[1] = 9; key[2] = 9; return 3;
    case 5: key[0] = CUBBY__KS_MESSAGE; key[1] = 9; return 2;
    default: return cubby__key_object(key, 2);
    }
}

/* In what is compared with: an error, and nothing is told of what cannot be compared. In the index itself: the same, or the row is passed over. */
START_TEST(rows_that_mean_nothing)
{
    static const int in_theirs[] = {CUBBY_ECORRUPT, CUBBY_ECORRUPT, 0, 0, 0, 0, 0}, in_ours[] = {0, CUBBY_ECORRUPT, 0, 0, 0, 0, 0};
    struct cubby__store *other;
    uint8_t key[CUBBY__TREE_KEY_MAX];
    for (int i = 0; i < 14; i++) {
        uint64_t records = 77;
        struct cubby__memfs *fs;
        base();
        cubby__incoming_free(&st->in);
        MUST(cubby__store_close(&st->s, &st->err));
        fs = st->fs; /* the same once more */
        const cubby_vfs *vfs = st->o.vfs;
        base();
        cubby_options o = st->o;
        o.vfs = vfs;
        MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &other, &st->err));
        put(i < 7 ? other : st->s, key, some_key(i % 7, key));
        int rc = cubby__relog(st->s, other, st->s->pending.commit, &records, &st->err);
        ck_assert_msg(rc == (i < 7 ? in_theirs : in_ours)[i % 7], "%d: %d %s", i, rc, st->err.message);
        ck_assert_uint_lt(records, 20);
        MUST(cubby__store_close(&other, &st->err));
        cubby__memfs_free(&fs);
        state_end(st);
    }
}
END_TEST

UNIT_MAIN("mail/relog_rows", each_kind, without_memory, each_kind_without_memory, many_messages, deleted_meanwhile, deleted_in_theirs,
          displaced_in_theirs, rows_that_mean_nothing)
