#include "unit/heap.h"
#include "unit/mail/state_fixture.h"

#define CREATE(parent, name, id) cubby__folder_create(st->txn, parent, name, strlen(name), id)
#define RENAME(id, parent, name) cubby__folder_rename(st->txn, id, parent, name, strlen(name))
#define FIND(view, parent, name, f) cubby__folder_find(view, parent, name, strlen(name), f)

static struct state the_state, *const st = &the_state;

START_TEST(inbox_is_there)
{
    struct cubby__folder f;
    state_begin(st);
    MUST(FIND(look(st), CUBBY_ROOT, "inBox", &f));
    ck_assert_uint_eq(f.f.id, 1);
    ck_assert_str_eq(f.f.name, "INBOX");
    ck_assert_uint_eq(f.f.name_len, 5);
    ck_assert_uint_eq(f.f.parent, CUBBY_ROOT);
    ck_assert_uint_ne(f.f.uidvalidity, 0);
    ck_assert_uint_eq(f.f.uidnext, 1);
    ck_assert_uint_eq(f.f.recent_uid, 1);
    ck_assert_uint_eq(f.f.created_modseq, f.f.props_modseq);
    ck_assert_uint_eq(f.f.highestmodseq, f.f.created_modseq);
    unlook(st);
    begin(st);
    RETURNS(CREATE(0, "INBOX", NULL), CUBBY_EEXIST);
    RETURNS(CREATE(0, "Inbox", NULL), CUBBY_EEXIST);
    RETURNS(RENAME(1, 0, "Other"), CUBBY_EINVAL);
    RETURNS(cubby__folder_delete(st->txn, 1), CUBBY_EINVAL);
    commit(st);
    state_end(st);
}
END_TEST

START_TEST(create_and_find)
{
    struct cubby__folder f;
    uint64_t a, b, c;
    state_begin(st);
    begin(st);
    MUST(CREATE(0, "a", &a));
    MUST(CREATE(a, "b", &b));
    MUST(CREATE(a, "inbox", &c)); /* only at the top is it INBOX */
    ck_assert_uint_eq(a, 2);
    ck_assert_uint_eq(b, 3);
    RETURNS(CREATE(0, "a", NULL), CUBBY_EEXIST);
    RETURNS(CREATE(0, "", NULL), CUBBY_EINVAL);
    RETURNS(CREATE(0, "x\ny", NULL), CUBBY_EINVAL);
    RETURNS(CREATE(77, "x", NULL), CUBBY_ENOENT);
    MUST(FIND(cubby__txn_view(st->txn), a, "b", &f)); /* before the commit, inside */
    uint64_t modseq = commit(st);
    MUST(FIND(look(st), a, "b", &f));
    ck_assert_uint_eq(f.f.id, b);
    ck_assert_uint_eq(f.f.created_modseq, modseq);
    RETURNS(FIND(&st->view, a, "B", &f), CUBBY_DONE);
    RETURNS(FIND(&st->view, 0, "b", &f), CUBBY_DONE);
    RETURNS(FIND(&st->view, 0, "x\ny", &f), CUBBY_DONE);
    RETURNS(cubby__folder_get(&st->view, 99, &f), CUBBY_DONE);
    unlook(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

START_TEST(names_are_normalized)
{
    struct cubby__folder f;
    uint64_t id;
    state_begin(st);
    begin(st);
    MUST(CREATE(0, "Entwu\xcc\x88rfe", &id));
    RETURNS(CREATE(0, "Entw\xc3\xbcrfe", NULL), CUBBY_EEXIST);
    commit(st);
    MUST(FIND(look(st), 0, "Entw\xc3\xbcrfe", &f));
    ck_assert_str_eq(f.f.name, "Entw\xc3\xbcrfe");
    MUST(FIND(&st->view, 0, "Entwu\xcc\x88rfe", &f));
    ck_assert_uint_eq(f.f.id, id);
    unlook(st);
    state_end(st);
}
END_TEST

/* All children in order, with no repetition. */
static void children(struct cubby__view *view, uint64_t parent, const char *want)
{
    char got[2000] = "", after[CUBBY__FOLDER_NAME_MAX + 1];
    struct cubby__folder f;
    size_t len = 0;
    int rc;
    while (!(rc = cubby__folder_next(view, parent, after, len, &f))) {
        strcat(strcat(got, f.f.name), " ");
        memcpy(after, f.f.name, len = f.f.name_len);
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    ck_assert_str_eq(got, want);
}

START_TEST(next)
{
    static const char *const names[] = {"zz", "a", "ab", "b", "a b", "~"};
    struct cubby__folder f;
    uint64_t a;
    state_begin(st);
    begin(st);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        MUST(CREATE(0, names[i], NULL));
    MUST(FIND(cubby__txn_view(st->txn), 0, "a", &f));
    a = f.f.id;
    MUST(CREATE(a, "child", NULL));
    commit(st);
    children(look(st), 0, "INBOX a a b ab b zz ~ ");
    children(&st->view, a, "child ");
    children(&st->view, 999, "");
    MUST(cubby__folder_next(&st->view, 0, "aa", 2, &f)); /* behind a name that is not there */
    ck_assert_str_eq(f.f.name, "ab");
    char lengthy[1000];
    memset(lengthy, 'a', sizeof lengthy);
    MUST(cubby__folder_next(&st->view, 0, lengthy, sizeof lengthy, &f));
    ck_assert_str_eq(f.f.name, "ab");
    unlook(st);
    state_end(st);
}
END_TEST

/* ---- a change that fails half-way, then a walk over what there is: it ends, and meets every folder once but for the one that was to change ---- */

enum { MANY = 200, LONG = 200 }; /* several pages of rows, and of names */

static uint64_t many[MANY], parent_of_few;

static char *long_name(unsigned number, char c)
{
    static char name[LONG + 1];
    memset(name, c, LONG);
    memcpy(name, &(char[4]){(char)('0' + number / 100), (char)('0' + number / 10 % 10), (char)('0' + number % 10), c}, 4);
    return name;
}

static unsigned meets(uint64_t parent, uint64_t id, unsigned *times)
{
    char after[CUBBY__FOLDER_NAME_MAX + 1];
    struct cubby__folder f;
    size_t len = 0;
    unsigned count = 0;
    int rc;
    *times = 0;
    while (!(rc = cubby__folder_next(cubby__txn_view(st->txn), parent, after, len, &f))) {
        ck_assert_uint_le(++count, 2 * MANY);
        ck_assert(len == 0 || strcmp(after, f.name) < 0);
        *times += f.f.id == id;
        memcpy(after, f.name, (len = f.f.name_len) + 1);
    }
    ck_assert_int_eq(rc, CUBBY_DONE);
    return count - *times;
}

static int rename_up(void) { return RENAME(many[MANY / 2], CUBBY_ROOT, long_name(999, 'z')); }
static int rename_down(void) { return RENAME(many[MANY / 2], CUBBY_ROOT, long_name(0, 'A')); }
static int move_down(void) { return RENAME(many[MANY / 2], parent_of_few, long_name(5, 'm')); }
static int make(void) { return CREATE(CUBBY_ROOT, long_name(MANY / 2, 'A'), NULL); }
static int unmake(void) { return cubby__folder_delete(st->txn, many[MANY / 2]); }

/* 0: it takes fewer allocations. */
static int fails_at(int n, int (*change)(void), unsigned *failures)
{
    unsigned top, below;
    struct cubby__folder f;
    uint64_t id = many[MANY / 2];
    begin(st);
    heap_fail(n, 0);
    int rc = change(), hits = heap_works();
    if (change == make)
        id = MANY + 3; /* INBOX and the parent are the others */
    if (hits && rc) { /* some it can do without */
        RETURNS(rc, CUBBY_ENOMEM);
        ++*failures;
        ck_assert_uint_eq(meets(CUBBY_ROOT, id, &top), MANY + 2 - (change != make));
        ck_assert_uint_eq(meets(parent_of_few, id, &below), 0);
        ck_assert_uint_le(top + below, 1);
        ck_assert_int_ge(FIND(cubby__txn_view(st->txn), CUBBY_ROOT, long_name(999, 'z'), &f), CUBBY_OK);
    }
    cubby__txn_abort(&st->txn);
    return hits;
}

START_TEST(a_walk_after_a_failure)
{
    int (*const changes[])(void) = {rename_up, rename_down, move_down, make, unmake};
    heap_install();
    state_begin(st);
    begin(st);
    for (unsigned i = 0; i < MANY; i++)
        MUST(CREATE(CUBBY_ROOT, long_name(i, 'f'), &many[i]));
    MUST(CREATE(CUBBY_ROOT, "parent", &parent_of_few));
    commit(st);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        unsigned failures = 0;
        for (int n = 0; fails_at(n, changes[i], &failures);)
            n++;
        ck_assert_uint_ge(failures, 4);
    }
    state_end(st);
}
END_TEST

/* What no change writes: a name that leads to a folder of another name, or under another parent. It is not shown, and does not send a walk back. */
START_TEST(a_name_that_is_not_the_folders)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__VARINT_MAX];
    struct cubby__folder f;
    uint64_t a;
    for (int i = 0; i < 3; i++) {
        static const char *const name[] = {"x", "a", "x"};
        state_begin(st);
        begin(st);
        MUST(CREATE(CUBBY_ROOT, "a", &a));
        const uint64_t parent[] = {CUBBY_ROOT, a, 99}, leads_to[] = {a, a, 77};
        MUST(cubby__txn_put(st->txn, key, cubby__key_name(key, parent[i], name[i], 1), value, cubby__varint_put(value, leads_to[i])));
        RETURNS(FIND(cubby__txn_view(st->txn), parent[i], name[i], &f), CUBBY_ECORRUPT);
        commit(st);
        RETURNS(FIND(look(st), parent[i], name[i], &f), CUBBY_ECORRUPT);
        RETURNS(cubby__folder_next(&st->view, parent[i], "b", parent[i] == CUBBY_ROOT, &f), CUBBY_ECORRUPT);
        MUST(FIND(&st->view, CUBBY_ROOT, "a", &f));
        unlook(st);
        state_end(st);
    }
}
END_TEST

START_TEST(rename_moves_the_subtree)
{
    struct cubby__folder f;
    uint64_t a, b, c;
    state_begin(st);
    begin(st);
    MUST(CREATE(0, "a", &a));
    MUST(CREATE(a, "b", &b));
    MUST(CREATE(b, "c", &c));
    uint64_t made = commit(st);
    cubby_folder before = folder_of(st, b);
    begin(st);
    RETURNS(RENAME(a, b, "a"), CUBBY_EINVAL); /* into itself */
    RETURNS(RENAME(a, c, "a"), CUBBY_EINVAL);
    RETURNS(RENAME(a, a, "a"), CUBBY_EINVAL);
    RETURNS(RENAME(b, 0, "a"), CUBBY_EEXIST);
    RETURNS(RENAME(b, 0, "inbox"), CUBBY_EEXIST);
    RETURNS(RENAME(b, 0, ""), CUBBY_EINVAL);
    RETURNS(RENAME(b, 88, "x"), CUBBY_ENOENT);
    RETURNS(RENAME(88, 0, "x"), CUBBY_ENOENT);
    MUST(RENAME(b, 0, "moved"));
    uint64_t modseq = commit(st);
    MUST(FIND(look(st), 0, "moved", &f));
    ck_assert_uint_eq(f.f.id, b);
    ck_assert_uint_eq(f.f.uidvalidity, before.uidvalidity);
    ck_assert_uint_eq(f.f.props_modseq, modseq);
    ck_assert_uint_eq(f.f.created_modseq, made);
    ck_assert_uint_eq(f.f.highestmodseq, before.highestmodseq);
    RETURNS(FIND(&st->view, a, "b", &f), CUBBY_DONE);
    MUST(FIND(&st->view, b, "c", &f));
    unlook(st);
    begin(st);
    MUST(RENAME(b, 0, "moved")); /* as it is: nothing is written */
    ck_assert_uint_eq(commit(st), modseq);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

START_TEST(created_and_renamed_in_one_commit)
{
    struct cubby__folder f;
    uint64_t a;
    state_begin(st);
    begin(st);
    MUST(CREATE(0, "a", &a));
    MUST(RENAME(a, 0, "b"));
    MUST(cubby__folder_set_special(st->txn, a, CUBBY_USE_TRASH));
    uint64_t modseq = commit(st);
    children(look(st), 0, "INBOX b ");
    MUST(cubby__folder_get(&st->view, a, &f));
    ck_assert_uint_eq(f.f.created_modseq, modseq);
    ck_assert_uint_eq(f.f.special_use, CUBBY_USE_TRASH);
    unlook(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

START_TEST(depth)
{
    uint64_t id = 0, top = 0, other, below;
    state_begin(st);
    begin(st);
    for (int i = 0; i < CUBBY__DEPTH_MAX; i++) {
        MUST(CREATE(id, "d", &id));
        if (!top)
            top = id;
    }
    RETURNS(CREATE(id, "d", NULL), CUBBY_ELIMIT);
    MUST(CREATE(0, "other", &other));
    RETURNS(RENAME(top, other, "d"), CUBBY_ELIMIT); /* would push the lowest out */
    MUST(CREATE(other, "below", &below));
    struct cubby__folder f;
    MUST(cubby__folder_get(cubby__txn_view(st->txn), id, &f));
    uint64_t parent = f.f.parent;
    RETURNS(RENAME(other, parent, "two levels"), CUBBY_ELIMIT);
    MUST(RENAME(below, parent, "one level"));
    commit(st);
    state_end(st);
}
END_TEST

START_TEST(delete)
{
    struct cubby__folder f;
    struct cubby__message_row row;
    uint64_t a, b, again;
    state_begin(st);
    begin(st);
    MUST(CREATE(0, "a", &a));
    MUST(CREATE(a, "b", &b));
    commit(st);
    uint32_t validity = folder_of(st, a).uidvalidity;
    fill(st, a, 600); /* more than a batch of rows or of keys */
    fill(st, 1, 2);
    begin(st);
    RETURNS(cubby__folder_delete(st->txn, a), CUBBY_EHASCHILD);
    RETURNS(cubby__folder_delete(st->txn, 99), CUBBY_ENOENT);
    MUST(cubby__folder_delete(st->txn, b));
    MUST(cubby__folder_delete(st->txn, a));
    RETURNS(cubby__folder_delete(st->txn, a), CUBBY_ENOENT);
    commit(st);
    RETURNS(cubby__folder_get(look(st), a, &f), CUBBY_DONE);
    RETURNS(FIND(&st->view, 0, "a", &f), CUBBY_DONE);
    children(&st->view, 0, "INBOX ");
    unlook(st);
    RETURNS(row_of(st, a, 1, &row), CUBBY_DONE);
    RETURNS(row_of(st, 1, 1, &row), 0);
    uint64_t folders, messages;
    MUST(cubby__folder_totals(look(st), &folders, &messages));
    ck_assert_uint_eq(folders, 1);
    ck_assert_uint_eq(messages, 2);
    /* nothing under its id is left */
    static const uint8_t spaces[] = {CUBBY__KS_MESSAGE, CUBBY__KS_CHANGE, CUBBY__KS_NAME};
    for (size_t i = 0; i < sizeof spaces; i++) {
        uint8_t prefix[10] = {spaces[i]};
        size_t n = cubby__key_folder(prefix, a);
        struct cubby__cursor c;
        prefix[0] = spaces[i];
        cubby__view_cursor(&st->view, &c);
        ck_assert(cubby__cursor_seek(&c, prefix, n) != 0 || memcmp(cubby__cursor_key(&c).p, prefix, n) != 0);
        cubby__cursor_release(&c);
    }
    unlook(st);
    begin(st);
    MUST(CREATE(0, "a", &again));
    commit(st);
    ck_assert_uint_gt(again, b);
    ck_assert_uint_gt(folder_of(st, again).uidvalidity, validity);
    same_after_rebuild(st);
    begin(st);
    MUST(CREATE(0, "later", &again));
    ck_assert_uint_eq(again, 5);
    commit(st);
    state_end(st);
}
END_TEST

START_TEST(uidvalidity_always_rises)
{
    uint32_t last = 0;
    state_begin(st);
    last = folder_of(st, 1).uidvalidity;
    for (int i = 0; i < 20; i++) {
        char name[16];
        uint64_t id;
        begin(st);
        snprintf(name, sizeof name, "f%d", i);
        MUST(CREATE(0, name, &id));
        commit(st);
        ck_assert_uint_gt(folder_of(st, id).uidvalidity, last);
        last = folder_of(st, id).uidvalidity;
        if (i % 7 == 6)
            state_reopen(st, i % 2 ? CUBBY_REBUILD : 0);
    }
    state_end(st);
}
END_TEST

START_TEST(special_use)
{
    state_begin(st);
    begin(st);
    RETURNS(cubby__folder_set_special(st->txn, 1, 256), CUBBY_EINVAL);
    RETURNS(cubby__folder_set_special(st->txn, 9, 1), CUBBY_ENOENT);
    MUST(cubby__folder_set_special(st->txn, 1, CUBBY_USE_ALL | CUBBY_USE_IMPORTANT));
    uint64_t modseq = commit(st);
    ck_assert_uint_eq(folder_of(st, 1).special_use, CUBBY_USE_ALL | CUBBY_USE_IMPORTANT);
    ck_assert_uint_eq(folder_of(st, 1).props_modseq, modseq);
    begin(st);
    MUST(cubby__folder_set_special(st->txn, 1, CUBBY_USE_ALL | CUBBY_USE_IMPORTANT));
    ck_assert_uint_eq(commit(st), modseq);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* Under folder 0: one row a folder, at its last change. */
START_TEST(changes_of_folders)
{
    uint64_t a, b;
    state_begin(st);
    begin(st);
    MUST(CREATE(0, "a", &a));
    MUST(CREATE(0, "b", &b));
    uint64_t made = commit(st);
    begin(st);
    MUST(RENAME(b, a, "b"));
    uint64_t moved = commit(st);
    fill(st, a, 1); /* is no change of the folder itself */
    begin(st);
    MUST(cubby__folder_delete(st->txn, b));
    uint64_t deleted = commit(st);
    const struct {
        uint64_t modseq, folder;
        uint8_t value[3];
        size_t len;
        int there;
    } rows[] = {{made, a, {0x80, 0}, 2, 1}, {made, b, {0}, 0, 0}, {moved, b, {0}, 0, 0}, {deleted, b, {0x81}, 1, 1}};
    look(st);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
        size_t n;
        int rc = cubby__view_get(&st->view, key, cubby__key_folder_change(key, rows[i].modseq, rows[i].folder), value, &n);
        ck_assert_int_eq(rc, rows[i].there ? 0 : CUBBY_DONE);
        if (rows[i].there) {
            ck_assert_uint_eq(n, rows[i].len);
            ck_assert_mem_eq(value, rows[i].value, n);
        }
    }
    unlook(st);
    same_after_rebuild(st);
    state_end(st);
}
END_TEST

/* The row's bytes, as FORMAT.md shows them, and hostile ones. */
START_TEST(row)
{
    static const uint8_t payload[] = {2, 0, 0, 9, 0x20, 0, 0, 1, 'S', 0}, no_uid[] = {0, 1, 0};
    struct cubby__folder_row r = {.commit = 300, .uidnext = 8, .recent_uid = 1, .highestmodseq = 301, .messages = 5, .unseen = 2, .bytes = 1000,
                                  .payload = payload, .payload_len = sizeof payload},
                             back;
    uint8_t p[CUBBY__TREE_VALUE_MAX];
    static const uint8_t want[] = {0, 0xac, 2, 0, 8, 1, 0xad, 2, 0, 5, 2, 0, 0xe8, 7, 0, 2, 0, 0, 9, 0x20, 0, 0, 1, 'S', 0};
    size_t n = cubby__folder_row_encode(&r, p);
    ck_assert_uint_eq(n, sizeof want);
    ck_assert_mem_eq(p, want, n);
    MUST(cubby__folder_row_decode(p, n, &back));
    ck_assert_uint_eq(back.unseen, 2);
    ck_assert_uint_eq(back.rec.special_use, CUBBY_USE_SENT);
    for (size_t cut = 0; cut < n; cut++)
        RETURNS(cubby__folder_row_decode(p, cut, &back), CUBBY_ECORRUPT);
    p[0] = 3;
    RETURNS(cubby__folder_row_decode(p, n, &back), CUBBY_ECORRUPT);
    RETURNS(cubby__folder_row_decode(no_uid, sizeof no_uid, &back), CUBBY_ECORRUPT);
    r.displaced = 1;
    n = cubby__folder_row_encode(&r, p);
    MUST(cubby__folder_row_decode(p, n, &back));
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    ck_assert_uint_eq(cubby__folder_shown_name(&back, name), 3);
    ck_assert_str_eq(name, "S~2");
    r.dead = 1;
    ck_assert_uint_eq(n = cubby__folder_row_encode(&r, p), 3);
    MUST(cubby__folder_row_decode(p, n, &back));
    ck_assert_int_eq(back.dead, 1);
    RETURNS(cubby__folder_row_decode(p, 4, &back), CUBBY_ECORRUPT);
}
END_TEST

START_TEST(recent)
{
    uint32_t first;
    state_begin(st);
    uint64_t filled = fill(st, 1, 3);
    begin(st);
    MUST(cubby__recent_claim(st->txn, 1, &first));
    ck_assert_uint_eq(first, 1);
    MUST(cubby__recent_claim(st->txn, 1, &first));
    ck_assert_uint_eq(first, 4);
    RETURNS(cubby__recent_claim(st->txn, 5, &first), CUBBY_ENOENT);
    commit(st);
    ck_assert_uint_eq(folder_of(st, 1).recent_uid, 4);
    ck_assert_uint_eq(folder_of(st, 1).highestmodseq, filled);
    same_after_rebuild(st);
    ck_assert_uint_eq(folder_of(st, 1).recent_uid, 4);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/folder", inbox_is_there, create_and_find, names_are_normalized, next, a_walk_after_a_failure,
          a_name_that_is_not_the_folders, rename_moves_the_subtree, created_and_renamed_in_one_commit,
          depth, delete, uidvalidity_always_rises, special_use, changes_of_folders, row, recent)
