#include <limits.h>
#include <time.h>

#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

/* A record to its handler, as replay would hand it over. */
static int apply(uint8_t type, uint64_t commit, const void *payload, size_t len)
{
    const struct cubby__record rec = {.type = type, .commit = commit, .place = {1, (uint32_t)len, 4096}, .payload = payload, .len = len};
    return cubby__mail_handlers.apply(st->txn, &rec);
}

static int apply_folder(uint64_t commit, struct cubby__folder_rec rec)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    if (!rec.uidvalidity)
        rec.uidvalidity = 9;
    rec.name_len = rec.name ? strlen(rec.name) : 0;
    cubby__folder_encode(&rec, &b);
    int rc = apply(CUBBY__REC_FOLDER, commit, b.data, b.len);
    cubby__buf_release(&b);
    return rc;
}

static int apply_entry(uint64_t commit, uint64_t folder, uint32_t uid, uint64_t object)
{
    const struct cubby__entry_rec rec = {.folder = folder, .uid = uid, .object = object};
    const struct cubby__keywords none = {.count = 0};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__entry_encode(&rec, &none, &b);
    int rc = apply(CUBBY__REC_ENTRY, commit, b.data, b.len);
    cubby__buf_release(&b);
    return rc;
}

static int apply_flags(uint64_t commit, uint64_t folder, uint32_t first, uint32_t last, uint8_t flags)
{
    struct cubby__ranges s = {0};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__flags_head(folder, &b);
    cubby__buf_byte(&b, flags);
    cubby__buf_byte(&b, 0);
    cubby__buf_byte(&b, 1);
    cubby__range_put(&s, first, last, &b);
    int rc = apply(CUBBY__REC_FLAGS, commit, b.data, b.len);
    cubby__buf_release(&b);
    return rc;
}

static int apply_expunge(uint64_t commit, uint64_t folder, uint32_t first, uint32_t last)
{
    struct cubby__ranges s = {0};
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__expunge_head(folder, 0, &b);
    cubby__range_put(&s, first, last, &b);
    int rc = apply(CUBBY__REC_EXPUNGE, commit, b.data, b.len);
    cubby__buf_release(&b);
    return rc;
}

/* Of the running transaction. */
static cubby_folder folder_now(uint64_t id)
{
    static struct cubby__folder f; /* the name is in it */
    MUST(cubby__folder_get(cubby__txn_view(st->txn), id, &f));
    return f.f;
}

static int is_there(uint64_t parent, const char *name)
{
    struct cubby__folder f;
    return cubby__folder_find(cubby__txn_view(st->txn), parent, name, strlen(name), &f) == 0 ? (int)f.f.id : 0;
}

static void picture_now(struct cubby__buf *b)
{
    picture(cubby__txn_view(st->txn), b);
}

static void same_picture(struct cubby__buf *a)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    picture_now(&b);
    ck_assert_uint_eq(a->len, b.len);
    ck_assert_int_eq(memcmp(a->data, b.data, b.len), 0);
    cubby__buf_release(&b);
}

/* ---- what records may not do ---- */

START_TEST(broken_records_put_nothing)
{
    static const uint8_t types[] = {CUBBY__REC_FOLDER, CUBBY__REC_MARK, CUBBY__REC_OBJECT, CUBBY__REC_ENTRY, CUBBY__REC_FLAGS,
                                    CUBBY__REC_EXPUNGE, CUBBY__REC_KEYWORD, CUBBY__REC_SUBSCRIPTION, CUBBY__REC_ANNOTATION};
    struct cubby__buf before = CUBBY__BUF_INIT;
    uint8_t junk[40];
    state_begin(st);
    fill(st, 1, 3);
    begin(st);
    picture_now(&before);
    for (size_t i = 0; i < sizeof types; i++) {
        st->err = (cubby_error){0};
        RETURNS(apply(types[i], 9, "", 0), CUBBY_ECORRUPT);
        ck_assert_str_eq(st->err.path, ""); /* the record is at fault, not the index */
        ck_assert_uint_eq(st->err.offset, 4096);
        memset(junk, 0xff, sizeof junk);
        RETURNS(apply(types[i], 9, junk, sizeof junk), CUBBY_ECORRUPT);
    }
    RETURNS(apply(CUBBY__REC_KEYWORD, 9, "\x01""a b", 4), CUBBY_ECORRUPT);
    RETURNS(apply(CUBBY__REC_FLAGS, 9, "\x01\x00\x01\x00\x02\x01\x00\x01\x00", 9), CUBBY_ECORRUPT); /* the second range is adjacent */
    RETURNS(apply(CUBBY__REC_EXPUNGE, 9, "\x01\x00\x01\x00\x01\x00", 6), CUBBY_ECORRUPT);
    RETURNS(apply(CUBBY__REC_EXPUNGE, 9, "\x01\x00\x01", 3), CUBBY_ECORRUPT);
    same_picture(&before);
    const struct cubby__record piece = {.type = CUBBY__REC_PIECE, .commit = 9, .piece = {.id = 0}};
    RETURNS(cubby__mail_handlers.apply(st->txn, &piece), CUBBY_ECORRUPT);
    const struct cubby__record large = {.type = CUBBY__REC_PIECE, .commit = 9, .piece = {.id = 5, .orig_len = CUBBY__PIECE_MAX + 1}};
    RETURNS(cubby__mail_handlers.apply(st->txn, &large), CUBBY_ECORRUPT);
    RETURNS(apply(99, 9, "", 0), CUBBY_DONE); /* not a type of mail's */
    cubby__txn_abort(&st->txn);
    cubby__buf_release(&before);
    state_end(st);
}
END_TEST

START_TEST(random_bytes)
{
    srandom(11);
    state_begin(st);
    fill(st, 1, 3);
    begin(st);
    for (int i = 0; i < 30000; i++) {
        uint8_t p[24];
        size_t n = (size_t)random() % sizeof p;
        for (size_t j = 0; j < n; j++)
            p[j] = (uint8_t)(random() & (i & 1 ? 0xff : 7));
        int rc = apply((uint8_t)(CUBBY__REC_FOLDER + random() % 9), 10 + (uint64_t)random() % 5, p, n);
        ck_assert_msg(rc == 0 || rc == CUBBY_ECORRUPT, "%d: %s", rc, st->err.message);
        ck_assert_str_eq(rc ? st->err.path : "", "");
    }
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

/* ---- repeats and stale records ---- */

START_TEST(repeats)
{
    struct cubby__buf before = CUBBY__BUF_INIT;
    cubby_uidset *u = uids("2");
    struct cubby__message_row row;
    state_begin(st);
    uint64_t m1 = fill(st, 1, 3);
    MUST(row_of(st, 1, 1, &row));
    uint64_t first = row.object;
    begin(st);
    MUST(cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, NULL));
    uint64_t m2 = commit(st);
    begin(st);
    MUST(cubby__entry_expunge(st->txn, 1, u, 0, NULL));
    uint64_t m3 = commit(st);
    begin(st);
    picture_now(&before);
    MUST(apply_entry(m1, 1, 1, first));          /* is there */
    MUST(apply_entry(m1, 1, 2, first + 1));      /* expunged since */
    MUST(apply_flags(m2, 1, 2, 2, CUBBY_SEEN));  /* nobody there */
    MUST(apply_expunge(m3, 1, 2, 2));
    same_picture(&before);
    ck_assert_int_eq(st->notices, 0);
    MUST(apply_entry(m1 + 50, 1, 1, first + 2)); /* another message under a uid that is taken */
    ck_assert_int_eq(st->notices, 1);
    same_picture(&before);
    cubby__txn_abort(&st->txn);
    cubby__buf_release(&before);
    cubby_uidset_free(&u);
    state_end(st);
}
END_TEST

START_TEST(stale_folders)
{
    state_begin(st);
    begin(st);
    MUST(apply_folder(50, (struct cubby__folder_rec){.id = 5, .name = "new"}));
    MUST(apply_folder(40, (struct cubby__folder_rec){.id = 5, .name = "old", .created = 30}));
    ck_assert_int_eq(is_there(0, "new"), 5);
    ck_assert_int_eq(is_there(0, "old"), 0);
    MUST(apply_folder(60, (struct cubby__folder_rec){.id = 5, .deleted = 1}));
    MUST(apply_folder(70, (struct cubby__folder_rec){.id = 5, .name = "again"})); /* dead for ever */
    ck_assert_int_eq(is_there(0, "again"), 0);
    MUST(apply_entry(71, 5, 1, 1));
    MUST(apply_flags(72, 5, 1, 9, 1));
    MUST(apply_expunge(73, 5, 1, 9));
    ck_assert_int_eq(st->notices, 0); /* and nothing misplaced either */
    MUST(apply_folder(80, (struct cubby__folder_rec){.id = 6, .deleted = 1})); /* of which nothing else is known */
    MUST(apply_folder(70, (struct cubby__folder_rec){.id = 6, .name = "late"}));
    ck_assert_int_eq(is_there(0, "late"), 0);
    ck_assert_uint_ge(cubby__txn_floors(st->txn)->folder, 6);
    ck_assert_uint_ge(cubby__txn_floors(st->txn)->uidvalidity, 9);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

START_TEST(older_flags_do_not_win)
{
    struct cubby__message_row row;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t n;
    state_begin(st);
    fill(st, 1, 3);
    begin(st);
    MUST(apply_flags(90, 1, 1, 2, CUBBY_SEEN));
    MUST(apply_flags(80, 1, 2, 3, CUBBY_DRAFT));
    for (uint32_t uid = 1; uid <= 3; uid++) {
        MUST(cubby__view_get(cubby__txn_view(st->txn), key, cubby__key_message(key, 1, uid), value, &n));
        MUST(cubby__message_row_decode(value, n, &row));
        ck_assert_uint_eq(row.flags, uid < 3 ? CUBBY_SEEN : CUBBY_DRAFT);
        ck_assert_uint_eq(row.modseq, uid < 3 ? 90 : 80);
    }
    ck_assert_uint_eq(folder_now(1).unseen, 1);
    ck_assert_uint_eq(folder_now(1).highestmodseq, 90);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

/* ---- what is missing after damage ---- */

/* Rows that say when this folder changed. */
static int folder_changes(uint64_t id)
{
    struct cubby__cursor c;
    uint8_t from[CUBBY__TREE_KEY_MAX], at[CUBBY__TREE_KEY_MAX];
    size_t n = cubby__key_folder_change(from, 0, 0);
    int found = 0;
    cubby__view_cursor(cubby__txn_view(st->txn), &c);
    int rc = cubby__cursor_seek(&c, from, n);
    for (; rc == 0; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.p[0] != from[0])
            break;
        for (uint64_t commit = 0; commit < 100; commit++)
            found += k.n == cubby__key_folder_change(at, commit, id) && memcmp(k.p, at, k.n) == 0;
    }
    cubby__cursor_release(&c);
    return found;
}

START_TEST(misplaced)
{
    state_begin(st);
    fill(st, 1, 1);
    begin(st);
    MUST(apply_entry(50, 7, 3, 1)); /* no folder */
    ck_assert_int_eq(st->notices, 1);
    MUST(apply_entry(51, 1, 9, 4711)); /* no object: but the uid has been given */
    ck_assert_int_eq(st->notices, 2);
    cubby_folder f = folder_now(1);
    ck_assert_uint_eq(f.messages, 1);
    ck_assert_uint_eq(f.uidnext, 10);
    ck_assert_uint_eq(f.highestmodseq, 51);
    ck_assert_uint_eq(cubby__txn_floors(st->txn)->object, 4711);
    ck_assert_uint_ge(cubby__txn_floors(st->txn)->folder, 7);
    MUST(apply_flags(52, 8, 1, 2, 1));
    MUST(apply_expunge(53, 8, 1, 2));
    ck_assert_int_eq(st->notices, 4);
    ck_assert_int_eq(is_there(0, "lost+found-7"), 7); /* the message without a folder has one */
    ck_assert_uint_eq(folder_now(7).messages, 1);
    MUST(apply_folder(40, (struct cubby__folder_rec){.id = 7, .name = "found", .uidvalidity = 9})); /* its record turns up: it stands, however old */
    ck_assert_int_eq(is_there(0, "found"), 7);
    ck_assert_int_eq(folder_changes(7), 1);
    ck_assert_uint_eq(folder_now(7).uidvalidity, 9);
    ck_assert_uint_eq(folder_now(7).messages, 1);
    MUST(apply_flags(54, 1, 5, 7, 1)); /* nobody there */
    MUST(apply_expunge(55, 1, 20, 30)); /* nor there: but the uids had been given */
    f = folder_now(1);
    ck_assert_uint_eq(f.uidnext, 31);
    ck_assert_uint_eq(f.messages, 1);
    MUST(apply_entry(50, 1, 25, 1)); /* comes late: the tombstone absorbs it */
    ck_assert_uint_eq(folder_now(1).messages, 1);
    MUST(apply_entry(56, 1, 15, 1)); /* below uidnext, and free */
    ck_assert_uint_eq(folder_now(1).messages, 2);
    ck_assert_int_eq(st->notices, 4);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

START_TEST(folders_after_damage)
{
    state_begin(st);
    begin(st);
    MUST(apply_folder(50, (struct cubby__folder_rec){.id = 5, .name = "a"}));
    MUST(apply_folder(51, (struct cubby__folder_rec){.id = 6, .name = "a"})); /* that the first was renamed is lost */
    ck_assert_int_eq(st->notices, 1);
    ck_assert_int_eq(is_there(0, "a"), 5);
    ck_assert_int_eq(is_there(0, "a~6"), 6);
    MUST(apply_folder(52, (struct cubby__folder_rec){.id = 7, .parent = 30, .name = "child"})); /* its parent is lost */
    ck_assert_int_eq(is_there(0, "child"), 7);
    MUST(apply_folder(53, (struct cubby__folder_rec){.id = 5, .parent = 6, .name = "a"}));
    MUST(apply_folder(54, (struct cubby__folder_rec){.id = 6, .parent = 5, .name = "a"})); /* a cycle: the last goes to the top */
    ck_assert_int_eq(is_there(6, "a"), 5);
    ck_assert_int_eq(is_there(0, "a"), 6);
    ck_assert_int_eq(is_there(0, "a~6"), 0);
    MUST(apply_folder(55, (struct cubby__folder_rec){.id = 8, .name = "b"}));
    MUST(apply_folder(56, (struct cubby__folder_rec){.id = 9, .parent = 8, .name = "a"}));
    MUST(apply_folder(57, (struct cubby__folder_rec){.id = 8, .deleted = 1})); /* that its child went elsewhere is lost */
    ck_assert_int_eq(is_there(0, "a~9"), 9);
    MUST(apply_folder(58, (struct cubby__folder_rec){.id = 9, .name = "free again"}));
    ck_assert_int_eq(is_there(0, "free again"), 9);
    ck_assert_int_eq(is_there(0, "a~9"), 0);
    /* a folder with such a name can be put right */
    MUST(apply_folder(59, (struct cubby__folder_rec){.id = 10, .name = "free again"}));
    ck_assert_int_eq(is_there(0, "free again~10"), 10);
    MUST(apply_folder(60, (struct cubby__folder_rec){.id = 10, .name = "c"}));
    ck_assert_int_eq(is_there(0, "c"), 10);
    ck_assert_int_eq(is_there(0, "free again~10"), 0);
    /* definitions name a child before its parent; a repair says the same again, in a commit of its own */
    MUST(apply_folder(61, (struct cubby__folder_rec){.id = 11, .parent = 12, .name = "child first"}));
    MUST(apply_folder(62, (struct cubby__folder_rec){.id = 12, .name = "parent"}));
    MUST(apply_folder(61, (struct cubby__folder_rec){.id = 11, .parent = 12, .name = "child first"}));
    ck_assert_int_eq(is_there(0, "child first"), 11);
    MUST(apply_folder(63, (struct cubby__folder_rec){.id = 11, .parent = 12, .name = "child first"}));
    ck_assert_int_eq(is_there(12, "child first"), 11);
    ck_assert_int_eq(is_there(0, "child first"), 0);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

/* A name made up after damage may be what a folder is really called: that one makes way, and so on; each stays where its row says. */
START_TEST(made_up_names)
{
    state_begin(st);
    begin(st);
    MUST(apply_folder(50, (struct cubby__folder_rec){.id = 5, .name = "a~8"}));
    MUST(apply_folder(50, (struct cubby__folder_rec){.id = 6, .name = "a~8~5"}));
    MUST(apply_folder(50, (struct cubby__folder_rec){.id = 7, .name = "a"}));
    MUST(apply_folder(51, (struct cubby__folder_rec){.id = 8, .name = "a"})); /* that the one before was renamed is lost */
    ck_assert_int_eq(is_there(0, "a"), 7);
    ck_assert_int_eq(is_there(0, "a~8"), 8);
    ck_assert_int_eq(is_there(0, "a~8~5"), 5);
    ck_assert_int_eq(is_there(0, "a~8~5~6"), 6);
    for (uint64_t id = 5; id <= 8; id++)
        ck_assert_int_eq(is_there(0, folder_now(id).name), (int)id);
    MUST(apply_folder(52, (struct cubby__folder_rec){.id = 7, .name = "b"}));
    MUST(apply_folder(53, (struct cubby__folder_rec){.id = 8, .name = "a"})); /* word for word again, as a repair says it */
    MUST(apply_folder(53, (struct cubby__folder_rec){.id = 5, .name = "a~8"}));
    MUST(apply_folder(53, (struct cubby__folder_rec){.id = 6, .name = "a~8~5"}));
    ck_assert_int_eq(is_there(0, "a"), 8);
    ck_assert_int_eq(is_there(0, "a~8"), 5);
    ck_assert_int_eq(is_there(0, "a~8~5"), 6);
    ck_assert_int_eq(is_there(0, "a~8~5~6"), 0);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

START_TEST(damage_raises_uidnext)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    uint64_t other, gone;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, 0, "gone", 4, &gone));
    MUST(cubby__folder_create(st->txn, 0, "other", 5, &other));
    MUST(cubby__folder_delete(st->txn, gone));
    o.uid = UINT32_MAX - 3;
    add(st, other, &o);
    MUST(cubby__mail_handlers.damage(st->txn, 100));
    ck_assert_uint_eq(folder_now(1).uidnext, 101);
    ck_assert_uint_eq(folder_now(other).uidnext, 1ull << 32);
    MUST(cubby__mail_handlers.damage(st->txn, UINT64_MAX));
    ck_assert_uint_eq(folder_now(1).uidnext, 1ull << 32);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

static double entries_after_damage(uint32_t count)
{
    struct cubby__message_row row;
    state_begin(st);
    fill(st, 1, 1);
    MUST(row_of(st, 1, 1, &row));
    begin(st);
    MUST(cubby__mail_handlers.damage(st->txn, 1000000));
    clock_t start = clock();
    for (uint32_t uid = 2; uid < 2 + count; uid++)
        MUST(apply_entry(90, 1, uid, row.object));
    double spent = (double)(clock() - start) / CLOCKS_PER_SEC;
    ck_assert_uint_eq(folder_now(1).messages, count + 1);
    ck_assert_uint_eq(folder_now(1).uidnext, 1000002);
    cubby__txn_abort(&st->txn);
    state_end(st);
    return spent;
}

/* Whether a uid below uidnext has vanished is asked of few rows, however many the commit has. */
START_TEST(a_large_commit_after_damage)
{
    double once = entries_after_damage(5000), four = entries_after_damage(20000);
    ck_assert_msg(four < 0.2 + 10 * once, "%.2f s, four times as many %.2f s", once, four);
}
END_TEST

/* A commit may have expunged what it added, in ranges that lie within each other even; a repeat brings nothing back. */
START_TEST(expunged_in_the_same_commit)
{
    struct cubby__message_row row;
    struct cubby__buf before = CUBBY__BUF_INIT;
    state_begin(st);
    fill(st, 1, 1);
    MUST(row_of(st, 1, 1, &row));
    begin(st);
    for (uint32_t uid = 2; uid <= 20; uid++)
        MUST(apply_entry(90, 1, uid, row.object));
    MUST(apply_expunge(90, 1, 5, 12));
    MUST(apply_expunge(90, 1, 7, 8));
    MUST(apply_expunge(90, 1, 15, 15));
    MUST(apply_expunge(91, 1, 18, 19));
    ck_assert_uint_eq(folder_now(1).messages, 20 - 8 - 1 - 2);
    picture_now(&before);
    for (uint32_t uid = 2; uid <= 20; uid++)
        MUST(apply_entry(90, 1, uid, row.object));
    same_picture(&before);
    cubby__txn_abort(&st->txn);
    cubby__buf_release(&before);
    state_end(st);
}
END_TEST

START_TEST(inbox_again)
{
    state_begin(st);
    begin(st);
    MUST(cubby__mail_handlers.create(st->txn)); /* is there: nothing to do */
    ck_assert_uint_eq(cubby__txn_floors(st->txn)->folder, 1);
    MUST(apply_folder(50, (struct cubby__folder_rec){.id = 1, .deleted = 1}));
    ck_assert_int_eq(is_there(0, "INBOX"), 0);
    MUST(cubby__mail_handlers.create(st->txn));
    ck_assert_int_eq(is_there(0, "INBOX"), 2);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

/* ---- out of memory ---- */

static long allocations_left;

static void *scarce_malloc(size_t n)
{
    return allocations_left-- > 0 ? malloc(n) : NULL;
}

static void *scarce_realloc(void *p, size_t n)
{
    return allocations_left-- > 0 ? realloc(p, n) : NULL;
}

enum { SCARCE_OPERATIONS = 8 };

static int scarce(int what, const cubby_uidset *u, cubby_uidset **a, cubby_uidset **b)
{
    static const char *const keywords[] = {"new"};
    uint64_t id;
    switch (what) {
    case 0:
        return cubby__flags_change(st->txn, 1, u, CUBBY_FLAGS_ADD, CUBBY_SEEN, keywords, 1, a);
    case 1:
        return cubby__entry_copy(st->txn, 1, u, 1, a, b);
    case 2:
        return cubby__entry_move(st->txn, 1, u, 1, a, b);
    case 3:
        return cubby__entry_expunge(st->txn, 1, u, 0, a);
    case 4:
        return cubby__folder_create(st->txn, 0, "e\xcc\x81", 3, &id);
    case 5:
        return cubby__subscribe(st->txn, "e\xcc\x81", 4, 1);
    case 6:
        return cubby__recent_claim(st->txn, 1, &(uint32_t){0});
    default:
        return cubby__entry_add(st->txn, 1, 1, NULL, NULL);
    }
}

/* Each operation with every allocation failing once: ENOMEM, nothing leaked (the sanitizer looks), and after the abort all is as it was. */
START_TEST(out_of_memory)
{
    const cubby_allocator scarce_allocator = {scarce_malloc, scarce_realloc, free};
    cubby_uidset *u = uids("1:20"), *a, *b;
    struct cubby__buf before = CUBBY__BUF_INIT;
    allocations_left = LONG_MAX;
    cubby_set_allocator(&scarce_allocator);
    state_begin(st);
    fill(st, 1, 30);
    picture(look(st), &before);
    unlook(st);
    for (int what = 0; what < SCARCE_OPERATIONS; what++)
        for (long n = 0;; n++) {
            a = b = NULL;
            begin(st);
            allocations_left = n;
            int rc = scarce(what, u, &a, &b);
            allocations_left = LONG_MAX;
            cubby_uidset_free(&a);
            cubby_uidset_free(&b);
            cubby__txn_abort(&st->txn);
            if (!rc)
                break;
            ck_assert_msg(rc == CUBBY_ENOMEM, "operation %d, allocation %ld: %d %s", what, n, rc, st->err.message);
            begin(st);
            same_picture(&before);
            cubby__txn_abort(&st->txn);
            ck_assert_int_lt(n, 10000);
        }
    state_end(st);
    cubby__buf_release(&before);
    cubby_uidset_free(&u);
    cubby_set_allocator(NULL);
}
END_TEST

/* ---- definitions ---- */

static void apply_definitions(const struct cubby__buf *defs)
{
    struct cubby__reader r = cubby__reader(defs->data, defs->len);
    while (cubby__read_left(&r)) {
        uint8_t type = *cubby__read_bytes(&r, 1);
        uint64_t commit = cubby__read_varint(&r);
        size_t len = (size_t)cubby__read_varint(&r);
        MUST(apply(type, commit, cubby__read_bytes(&r, len), len));
    }
    ck_assert_int_eq(r.bad, 0);
}

START_TEST(definitions)
{
    static const char *const keywords[] = {"One", "two"};
    struct cubby__buf defs = CUBBY__BUF_INIT, again = CUBBY__BUF_INIT, before = CUBBY__BUF_INIT;
    struct cubby__keywords k;
    uint64_t a, b;
    uint32_t first;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, 0, "a", 1, &a));
    MUST(cubby__folder_create(st->txn, a, "b", 1, &b));
    MUST(cubby__folder_create(st->txn, 0, "gone", 4, NULL));
    MUST(cubby__folder_delete(st->txn, b + 1));
    MUST(cubby__keywords_make(st->txn, keywords, 2, &k));
    MUST(cubby__subscribe(st->txn, "a\0b", 4, 1));
    commit(st);
    fill(st, b, 5);
    begin(st);
    MUST(cubby__recent_claim(st->txn, b, &first));
    MUST(cubby__folder_rename(st->txn, b, 0, "b2", 2));
    commit(st);
    MUST(cubby__mail_handlers.define(look(st), &defs));
    unlook(st);
    cubby_folder was = folder_of(st, b);
    begin(st);
    picture_now(&before);
    apply_definitions(&defs); /* over what they were made from: nothing changes */
    same_picture(&before);
    cubby__txn_abort(&st->txn);
    ck_assert_int_eq(st->notices, 0);
    state_end(st);

    state_begin(st); /* and to an empty store: all but the messages is there again */
    begin(st);
    apply_definitions(&defs);
    cubby_folder f = folder_now(b);
    ck_assert_str_eq(f.name, "b2");
    ck_assert_uint_eq(f.uidvalidity, was.uidvalidity);
    ck_assert_uint_eq(f.uidnext, was.uidnext);
    ck_assert_uint_eq(f.recent_uid, was.recent_uid);
    ck_assert_uint_eq(f.highestmodseq, was.highestmodseq);
    ck_assert_uint_eq(f.props_modseq, was.props_modseq);
    ck_assert_uint_eq(f.created_modseq, was.created_modseq);
    ck_assert_uint_eq(f.messages, 0);
    MUST(cubby__mail_handlers.define(cubby__txn_view(st->txn), &again));
    ck_assert_uint_eq(again.len, defs.len);
    ck_assert_mem_eq(again.data, defs.data, defs.len);
    cubby__txn_abort(&st->txn);
    state_end(st);
    cubby__buf_release(&defs);
    cubby__buf_release(&again);
    cubby__buf_release(&before);
}
END_TEST

/* ---- random operations against a model ---- */

enum { FOLDERS = 3, MAX_UID = 3000 };

struct model {
    struct {
        int there;
        uint8_t flags;
        uint64_t keywords, modseq, created, object;
    } m[FOLDERS][MAX_UID];
    uint64_t gone[FOLDERS][MAX_UID]; /* modseq of the expunge */
    uint64_t id[FOLDERS];
    uint32_t next[FOLDERS];
};

static const char *const names[] = {"k1", "k2", "k3", "k4", "k5", "k6"};

static cubby_uidset *some_uids(uint32_t next)
{
    cubby_uidset *u;
    MUST(cubby_uidset_new(&u));
    for (int i = (int)(random() % 5); i >= 0; i--) {
        uint32_t a = 1 + (uint32_t)random() % (next + 3), b = a + (uint32_t)random() % (1 + random() % 40);
        MUST(cubby_uidset_add(u, a, b));
    }
    return u;
}

static void random_flags(struct model *o, int f, uint64_t now)
{
    cubby_uidset *u = some_uids(o->next[f]), *changed;
    int how = (int)(random() % 3);
    uint32_t flags = (uint32_t)random() % 32;
    size_t at = (size_t)random() % 5, count = (size_t)random() % 3;
    uint64_t bits = ((1u << count) - 1) << at;
    if (at + count > 6)
        count = 0, bits = 0;
    MUST(cubby__flags_change(st->txn, o->id[f], u, how, flags, names + at, count, &changed));
    for (uint32_t uid = 1; uid < o->next[f]; uid++) {
        uint64_t k = o->m[f][uid].keywords, k2 = how == CUBBY_FLAGS_ADD ? k | bits : how == CUBBY_FLAGS_REMOVE ? k & ~bits : bits;
        uint8_t g = o->m[f][uid].flags, g2 = (uint8_t)(how == CUBBY_FLAGS_ADD ? g | flags : how == CUBBY_FLAGS_REMOVE ? g & ~flags : flags);
        int differs = o->m[f][uid].there && cubby_uidset_has(u, uid) && (k != k2 || g != g2);
        ck_assert_int_eq(cubby_uidset_has(changed, uid), differs);
        if (!differs)
            continue;
        o->m[f][uid].keywords = k2;
        o->m[f][uid].flags = g2;
        o->m[f][uid].modseq = now;
    }
    cubby_uidset_free(&u);
    cubby_uidset_free(&changed);
}

static void random_add(struct model *o, int f, uint64_t now)
{
    for (int i = (int)(random() % 9); i > 0 && o->next[f] < MAX_UID; i--) {
        cubby_add_options options = CUBBY_ADD_INIT;
        options.flags = (uint32_t)random() % 32;
        uint64_t object = log_object(st, (unsigned)random());
        uint32_t uid;
        MUST(cubby__entry_add(st->txn, o->id[f], object, &options, &uid));
        ck_assert_uint_eq(uid, o->next[f]);
        o->next[f]++;
        o->m[f][uid].there = 1;
        o->m[f][uid].flags = (uint8_t)options.flags;
        o->m[f][uid].modseq = o->m[f][uid].created = now;
        o->m[f][uid].object = object;
    }
}

static void take(struct model *o, int f, uint32_t uid, uint64_t now)
{
    o->m[f][uid].there = 0;
    o->gone[f][uid] = now;
}

static void random_expunge(struct model *o, int f, uint64_t now)
{
    cubby_uidset *u = some_uids(o->next[f]), *gone;
    int only = (int)(random() % 2);
    MUST(cubby__entry_expunge(st->txn, o->id[f], u, only, &gone));
    for (uint32_t uid = 1; uid < o->next[f]; uid++) {
        int goes = o->m[f][uid].there && cubby_uidset_has(u, uid) && (!only || o->m[f][uid].flags & CUBBY_DELETED);
        ck_assert_int_eq(cubby_uidset_has(gone, uid), goes);
        if (goes)
            take(o, f, uid, now);
    }
    cubby_uidset_free(&u);
    cubby_uidset_free(&gone);
}

static void random_copy(struct model *o, int f, uint64_t now)
{
    int t = (int)(random() % FOLDERS), move = (int)(random() % 2);
    if (o->next[t] + o->next[f] >= MAX_UID)
        return;
    cubby_uidset *u = some_uids(o->next[f]), *from, *to;
    uint32_t last = o->next[f];
    MUST((move ? cubby__entry_move : cubby__entry_copy)(st->txn, o->id[f], u, o->id[t], &from, &to));
    for (uint32_t uid = 1; uid < last; uid++) {
        int goes = o->m[f][uid].there && cubby_uidset_has(u, uid);
        ck_assert_int_eq(cubby_uidset_has(from, uid), goes);
        if (!goes)
            continue;
        o->m[t][o->next[t]] = o->m[f][uid];
        o->m[t][o->next[t]].modseq = o->m[t][o->next[t]].created = now;
        o->next[t]++;
        if (move)
            take(o, f, uid, now);
    }
    cubby_uidset_free(&u);
    cubby_uidset_free(&from);
    cubby_uidset_free(&to);
}

static void check_rows(const struct model *o, int f)
{
    cubby_folder have = folder_of(st, o->id[f]);
    uint64_t messages = 0, unseen = 0, deleted = 0, bytes = 0, deleted_bytes = 0;
    struct cubby__message_row row;
    struct cubby__walk w;
    cubby__walk_open(&w, look(st), o->id[f], NULL, 1, UINT32_MAX);
    for (uint32_t uid = 1; uid < o->next[f]; uid++) {
        if (!o->m[f][uid].there)
            continue;
        MUST(cubby__walk_next(&w));
        ck_assert_uint_eq(w.uid, uid);
        MUST(cubby__walk_row(&st->view, w.value, o->id[f], uid, &row));
        uint64_t keywords = 0;
        for (size_t i = 0; i < row.keywords.count; i++) {
            char name[CUBBY__KEYWORD_LEN_MAX + 1];
            MUST(cubby__keyword_name(&st->view, row.keywords.id[i], name));
            keywords |= 1u << (name[1] - '1');
        }
        ck_assert_uint_eq(row.flags, o->m[f][uid].flags);
        ck_assert_uint_eq(keywords, o->m[f][uid].keywords);
        ck_assert_uint_eq(row.modseq, o->m[f][uid].modseq);
        ck_assert_uint_eq(row.created, o->m[f][uid].created);
        ck_assert_uint_eq(row.object, o->m[f][uid].object);
        messages++;
        unseen += !(row.flags & CUBBY_SEEN);
        bytes += row.size;
        deleted += row.flags & CUBBY_DELETED ? 1 : 0;
        deleted_bytes += row.flags & CUBBY_DELETED ? row.size : 0;
    }
    RETURNS(cubby__walk_next(&w), CUBBY_DONE);
    cubby__walk_close(&w);
    unlook(st);
    ck_assert_uint_eq(have.messages, messages);
    ck_assert_uint_eq(have.unseen, unseen);
    ck_assert_uint_eq(have.bytes, bytes);
    ck_assert_uint_eq(have.deleted, deleted);
    ck_assert_uint_eq(have.deleted_bytes, deleted_bytes);
    ck_assert_uint_eq(have.uidnext, o->next[f]);
}

static void check_changes(const struct model *o, int f, uint64_t since)
{
    static uint8_t seen[MAX_UID];
    struct cubby__changes c;
    cubby_change x;
    int rc;
    memset(seen, 0, sizeof seen);
    MUST(cubby__changes_open(look(st), o->id[f], since, &c));
    while (!(rc = cubby__changes_next(&c, &x)))
        for (uint32_t uid = x.uid; uid <= x.uid_last; uid++) {
            ck_assert_uint_eq(seen[uid]++, 0);
            ck_assert_uint_eq(x.modseq, x.kind == CUBBY_CHANGE_VANISHED ? o->gone[f][uid] : o->m[f][uid].modseq);
            ck_assert_int_eq(x.kind == CUBBY_CHANGE_VANISHED, !o->m[f][uid].there);
            ck_assert_int_eq(x.kind == CUBBY_CHANGE_NEW, o->m[f][uid].there && o->m[f][uid].created > since);
        }
    ck_assert_int_eq(rc, CUBBY_DONE);
    cubby__changes_close(&c);
    unlook(st);
    for (uint32_t uid = 1; uid < o->next[f]; uid++)
        ck_assert_int_eq(seen[uid], (o->m[f][uid].there ? o->m[f][uid].modseq : o->gone[f][uid]) > since);
}

START_TEST(random_operations)
{
    static struct model o;
    state_begin(st);
    begin(st);
    for (int f = 0; f < FOLDERS; f++) {
        char name[2] = {(char)('a' + f), 0};
        MUST(cubby__folder_create(st->txn, 0, name, 1, &o.id[f]));
        o.next[f] = 1;
    }
    commit(st);
    srandom(5);
    for (int round = 0; round < 400; round++) {
        begin(st);
        uint64_t now = cubby__txn_number(st->txn), last;
        for (int i = (int)(random() % 4); i >= 0; i--) {
            int f = (int)(random() % FOLDERS), what = (int)(random() % 8);
            if (what < 3)
                random_add(&o, f, now);
            else if (what < 6)
                random_flags(&o, f, now);
            else if (what < 7)
                random_expunge(&o, f, now);
            else
                random_copy(&o, f, now);
        }
        last = commit(st);
        ck_assert_uint_le(last, now);
        if (round % 40 == 39)
            same_after_rebuild(st);
        else if (round % 40 == 20)
            state_reopen(st, 0);
        for (int f = 0; f < FOLDERS && round % 5 == 4; f++) {
            check_rows(&o, f);
            check_changes(&o, f, (uint64_t)random() % (last + 1));
        }
    }
    ck_assert_int_eq(st->notices, 0);
    state_end(st);
}
END_TEST

UNIT_MAIN("mail/apply", broken_records_put_nothing, random_bytes, repeats, stale_folders, older_flags_do_not_win, misplaced, folders_after_damage,
          made_up_names, damage_raises_uidnext, a_large_commit_after_damage, expunged_in_the_same_commit, inbox_again, out_of_memory, definitions, random_operations)
