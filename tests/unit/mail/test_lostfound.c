#include "mail/lostfound.h"

#include "mail/fetch.h"
#include "mail/object.h"
#include "unit/fault_vfs.h"
#include "unit/heap.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;
static struct cubby__repairs told;
static struct cubby__lostfound lf;
static char last[300];
static int stop_at; /* the nth thing that is told; 0: none */

static int tell(void *arg, const cubby_finding *f)
{
    (void)arg;
    snprintf(last, sizeof last, "%s %s", f->code, f->detail);
    return stop_at && told.count == (uint64_t)stop_at;
}

static void begins(void)
{
    state_begin(st);
    told = (struct cubby__repairs){.fn = tell};
    lf = (struct cubby__lostfound){.store = st->s, .told = &told, .err = &st->err};
    last[0] = '\0';
    stop_at = 0;
}

static void ends(void)
{
    cubby__lostfound_release(&lf);
    state_end(st);
}

/* lost+found; 0: there is none. */
static uint64_t found_folder(void)
{
    uint64_t id;
    int rc = cubby__name_get(look(st), CUBBY_ROOT, CUBBY__LOST_FOUND, sizeof CUBBY__LOST_FOUND - 1, &id);
    unlook(st);
    return rc ? 0 : id;
}

/* The bytes of a message. */
static const char *text_of(uint64_t folder, uint32_t uid)
{
    static char text[2000];
    struct cubby__message_row row;
    struct cubby__piece_ref ref;
    struct cubby__fetch f;
    const uint8_t *p;
    size_t n, len = 0;
    MUST(row_of(st, folder, uid, &row));
    cubby__fetch_init(&f, look(st));
    MUST(cubby__fetch_object(&f, row.object, &row.place));
    MUST(cubby__fetch_header(&f, &p, &n));
    ck_assert_uint_lt(n, sizeof text / 2);
    memcpy(text, p, len = n);
    for (size_t pos = 0; cubby__object_piece(&f.object, &pos, &ref); len += ref.orig_len) {
        ck_assert_uint_lt(len + ref.orig_len, sizeof text);
        MUST(cubby__fetch_piece(&f, &ref, CUBBY__PIECE_BODY, (uint8_t *)text + len));
    }
    text[len] = '\0';
    cubby__fetch_release(&f);
    unlook(st);
    return text;
}

static int has(uint64_t folder, uint32_t uid, const char *part)
{
    return strstr(text_of(folder, uid), part) != NULL;
}

static void hurt(const struct cubby__place *place, uint64_t skip)
{
    char path[64];
    snprintf(path, sizeof path, "/s/segments/%08u.seg", place->seg);
    file_flip(st->o.vfs, path, place->off + skip, 1);
}

static void put_junk(const uint8_t *key, size_t n)
{
    begin(st);
    MUST(cubby__txn_put(st->txn, key, n, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
    log_object(st, 1); /* so that there is something to commit */
    commit(st);
}

/* ---- messages ---- */

/* Not even the record that names its parts can be read: what is left is that there was one. */
START_TEST(a_message_of_nothing)
{
    struct cubby__message_row row;
    begins();
    fill(st, 1, 2);
    MUST(row_of(st, 1, 1, &row));
    hurt(&row.place, CUBBY__FRAME_SIZE + 4);
    MUST(cubby__lost_message(&lf, 1, 1));
    RETURNS(row_of(st, 1, 1, &row), CUBBY_DONE);
    MUST(row_of(st, 1, 2, &row));
    ck_assert(has(found_folder(), 1, "Subject: [a message that was lost]") && has(found_folder(), 1, "uid 1 in folder 1"));
    ck_assert_ptr_nonnull(strstr(last, " 0 bytes could be read"));
    MUST(cubby__lost_message(&lf, 1, 1)); /* expunged meanwhile: nothing is made of it */
    ck_assert_uint_eq(told.count, 1);
    ck_assert_uint_eq(folder_of(st, found_folder()).messages, 1);
    ends();
}
END_TEST

/* An OBJECT whose list fields do not decompress. */
START_TEST(a_message_without_header)
{
    static const uint8_t junk[4] = {0xff, 0xff, 0xff, 0xff};
    struct cubby__object o;
    struct cubby__buf b = CUBBY__BUF_INIT;
    struct cubby__message_row row;
    uint64_t object;
    begins();
    begin(st);
    cubby__incoming_reset(st->in);
    MUST(cubby__incoming_write(st->in, "Subject: x\n\nthe body\n", 21, &st->err));
    MUST(cubby__incoming_finish(st->in, &st->err));
    MUST(cubby__incoming_log(st->in, st->txn, ++st->token, &object));
    uint32_t uid;
    MUST(cubby__entry_add(st->txn, 1, object, NULL, &uid));
    commit(st);
    MUST(row_of(st, 1, uid, &row));
    struct cubby__fetch f;
    struct cubby__piece_ref refs[4];
    size_t n = 0;
    cubby__fetch_init(&f, look(st));
    MUST(cubby__fetch_object(&f, object, &row.place));
    o = f.object;
    for (size_t pos = 0; cubby__object_piece(&f.object, &pos, &refs[n]);)
        n++;
    o.id = object + 1;
    o.list_codec = 1;
    o.list = junk;
    o.list_len = sizeof junk;
    cubby__object_encode(&o, refs, &b);
    cubby__fetch_release(&f);
    unlook(st);
    begin(st);
    cubby__txn_floors(st->txn)->object++;
    MUST(cubby__txn_log(st->txn, CUBBY__REC_OBJECT, 0, b.data, b.len));
    MUST(cubby__entry_add(st->txn, 1, object + 1, NULL, &uid));
    commit(st);
    cubby__buf_release(&b);
    MUST(cubby__lost_message(&lf, 1, uid));
    RETURNS(row_of(st, 1, uid, &row), CUBBY_DONE);
    ck_assert(has(found_folder(), 1, "X-Cubby-Salvage: what could be read of uid 2 in folder 1\n\nthe body\n") && !has(found_folder(), 1, "Subject"));
    ends();
}
END_TEST

/* A row that breaks its format is the index's fault, and costs no message. */
START_TEST(a_row_that_means_nothing)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    begins();
    fill(st, 1, 2);
    put_junk(key, cubby__key_message(key, 1, 2));
    RETURNS(cubby__lost_message(&lf, 1, 2), CUBBY_ECORRUPT);
    ck_assert_str_eq(st->err.path, CUBBY__FILE_INDEX);
    ck_assert(!found_folder() && !told.count);
    ends();
}
END_TEST

/* ---- what earlier runs have put there ---- */

/* Found again, so it is not put there twice; what of it cannot be read any more is not compared. */
START_TEST(once_and_again)
{
    struct cubby__message_row row, first;
    begins();
    fill(st, 1, 3);
    for (uint32_t uid = 1; uid <= 3; uid++) {
        MUST(row_of(st, 1, uid, &row));
        hurt(&row.place, CUBBY__FRAME_SIZE + 4);
    }
    MUST(cubby__lost_message(&lf, 1, 1));
    MUST(cubby__lost_message(&lf, 1, 2));
    uint64_t id = found_folder();
    MUST(row_of(st, id, 1, &first));
    hurt(&first.place, CUBBY__FRAME_SIZE + 4);
    cubby__lostfound_release(&lf); /* the next run */
    MUST(cubby__lost_message(&lf, 1, 3));
    ck_assert_uint_eq(folder_of(st, id).messages, 3);
    ck_assert_uint_eq(lf.seen_count, 1);
    ends();
}
END_TEST

static void orphan_piece(struct cubby__orphan *o, uint64_t id, uint32_t orig_len)
{
    *o = (struct cubby__orphan){.type = CUBBY__REC_PIECE, .kind = CUBBY__PIECE_BODY, .orig_len = orig_len, .id = id, .commit = 9};
}

START_TEST(pieces_once_and_again)
{
    struct cubby__orphan at[3];
    struct cubby__orphans all = {.at = at, .count = 3};
    size_t pos, first;
    begins();
    orphan_piece(&at[0], 900, CUBBY__PIECE_MAX + 1); /* as no repair makes it up */
    orphan_piece(&at[1], 901, 70 << 10);             /* too long to be written while others wait */
    at[1].commit = 10;
    orphan_piece(&at[2], 902, 5);
    at[2].commit = 11;
    for (int run = 0; run < 2; run++) {
        for (pos = 0; cubby__orphans_next(&all, &pos, &first);) {
            MUST(cubby__lost_pieces(&lf, &all, first, &pos));
            ck_assert_uint_eq(pos, first ? 3 : 1); /* the second one begins a transaction, the third shares it */
        }
        uint64_t id = found_folder();
        ck_assert_uint_eq(folder_of(st, id).messages, 3);
        ck_assert(has(id, 1, "bytes of this message were lost here") && has(id, 1, "(commit 9)") && has(id, 3, "[5 bytes of this message"));
        cubby__lostfound_release(&lf);
    }
    ck_assert_uint_eq(told.count, 6);
    ends();
}
END_TEST

/* A row of lost+found that means nothing, or no memory: then nothing is put there, and the message stays where it is. */
START_TEST(what_is_there_cannot_be_read)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    struct cubby__message_row row;
    begins();
    fill(st, 1, 2);
    MUST(cubby__lost_message(&lf, 1, 1));
    uint64_t id = found_folder();
    put_junk(key, cubby__key_message(key, id, 1));
    cubby__lostfound_release(&lf);
    RETURNS(cubby__lost_message(&lf, 1, 2), CUBBY_ECORRUPT);
    ck_assert(!lf.seen_read && !lf.seen);
    MUST(row_of(st, 1, 2, &row));
    ends();
}
END_TEST

START_TEST(without_memory)
{
    struct cubby__message_row row;
    int refused = 0;
    heap_install();
    begins();
    fill(st, 1, 2);
    MUST(cubby__lost_message(&lf, 1, 1));
    for (int n = 0, hits = 1; hits; n++) {
        cubby__lostfound_release(&lf);
        heap_fail(n, 0);
        int rc = cubby__lost_message(&lf, 1, 2);
        hits = heap_works();
        ck_assert_msg(rc == 0 || (hits && (rc == CUBBY_ENOMEM || rc == CUBBY_EUNKNOWN)), "%d: %d %s", n, rc, st->err.message);
        refused += rc != 0;
        if (rc == CUBBY_ENOMEM)
            MUST(row_of(st, 1, 2, &row));
        if (!rc)
            break;
    }
    ck_assert_int_gt(refused, 10);
    RETURNS(row_of(st, 1, 2, &row), CUBBY_DONE);
    ck_assert_uint_eq(folder_of(st, found_folder()).messages, 2);
    ends();
}
END_TEST

/* What costs a message, and what only an index or a try. */
START_TEST(what_is_lost_for_good)
{
    begins();
    look(st);
    ck_assert(cubby__lost_for_good(&st->view, CUBBY_ENOENT) && cubby__lost_for_good(&st->view, CUBBY_DONE) && cubby__lost_for_good(&st->view, CUBBY_ECORRUPT));
    ck_assert(!cubby__lost_for_good(&st->view, CUBBY_OK) && !cubby__lost_for_good(&st->view, CUBBY_EIO) && !cubby__lost_for_good(&st->view, CUBBY_ENOMEM));
    unlook(st);
    ends();
}
END_TEST

/* ---- many ---- */

enum { PIECES = CUBBY__LOST_BATCH + 44 };

static struct cubby__orphan pieces[PIECES];

static struct cubby__orphans some_pieces(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        orphan_piece(&pieces[i], 900 + i, 5);
        pieces[i].commit = 9 + i;
    }
    return (struct cubby__orphans){.at = pieces, .count = count};
}

START_TEST(many_short_pieces)
{
    size_t pos = 0, first;
    begins();
    struct cubby__orphans all = some_pieces(PIECES);
    ck_assert_int_eq(cubby__orphans_next(&all, &pos, &first), 1);
    MUST(cubby__lost_pieces(&lf, &all, first, &pos));
    ck_assert_uint_eq(pos, CUBBY__LOST_BATCH);
    ck_assert_uint_eq(told.count, CUBBY__LOST_BATCH);
    ck_assert_uint_eq(folder_of(st, found_folder()).messages, CUBBY__LOST_BATCH);
    ck_assert_int_eq(cubby__orphans_next(&all, &pos, &first), 1);
    MUST(cubby__lost_pieces(&lf, &all, first, &pos));
    ck_assert_uint_eq(pos, PIECES);
    ck_assert_uint_eq(folder_of(st, found_folder()).messages, PIECES);
    ends();
}
END_TEST

/* A piece that cannot be read now is not lost: none of the batch is put there, also not the ones before it. */
START_TEST(pieces_that_cannot_be_read_now)
{
    struct cubby__message_row row;
    struct cubby__piece_ref ref;
    struct cubby__fetch f;
    struct fault fault;
    int failed = 0;
    begins();
    fill(st, 1, 3);
    struct cubby__orphans all = some_pieces(3);
    for (uint32_t i = 0; i < 3; i++) {
        size_t pos = 0;
        MUST(row_of(st, 1, i + 1, &row));
        cubby__fetch_init(&f, look(st));
        MUST(cubby__fetch_object(&f, row.object, &row.place));
        ck_assert(cubby__object_piece(&f.object, &pos, &ref));
        pieces[i].id = ref.id;
        pieces[i].orig_len = ref.orig_len;
        cubby__fetch_release(&f);
        unlook(st);
    }
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    fault_init(&fault, st->o.vfs);
    st->o.vfs = &fault.vfs;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    lf.store = st->s;
    for (int n = 0, hits = 1; hits; n++) {
        size_t pos = 0, first;
        ck_assert_int_eq(cubby__orphans_next(&all, &pos, &first), 1);
        fault_set(&fault, FAULT_PREAD, ".seg", n, -EIO, 0);
        int rc = cubby__lost_pieces(&lf, &all, first, &pos);
        hits = fault.hits;
        fault_set(&fault, FAULT_PREAD, "", 0, 0, 0);
        ck_assert_int_eq(rc, hits ? CUBBY_EIO : CUBBY_OK);
        ck_assert(!rc || !found_folder());
        failed += hits;
    }
    ck_assert_int_ge(failed, 3);
    ck_assert_uint_eq(folder_of(st, found_folder()).messages, 3);
    cubby__lostfound_release(&lf);
    MUST(cubby__store_close(&st->s, &st->err));
    cubby__memfs_free(&st->fs);
}
END_TEST

/* All that one transaction sees to, or nothing of it, whatever fails. */
START_TEST(pieces_without_memory)
{
    int refused = 0;
    heap_install();
    begins();
    struct cubby__orphans all = some_pieces(4);
    for (int n = 0, hits = 1; hits; n++) {
        size_t pos = 0, first;
        ck_assert_int_eq(cubby__orphans_next(&all, &pos, &first), 1);
        cubby__lostfound_release(&lf);
        heap_fail(n, 0);
        int rc = cubby__lost_pieces(&lf, &all, first, &pos);
        hits = heap_works();
        ck_assert_msg(rc == 0 || (hits && (rc == CUBBY_ENOMEM || rc == CUBBY_EUNKNOWN)), "%d: %d %s", n, rc, st->err.message);
        uint64_t id = found_folder();
        ck_assert(rc != 0 || folder_of(st, id).messages == 4);
        ck_assert(rc != CUBBY_ENOMEM || !id || folder_of(st, id).messages == 0);
        refused += rc != 0;
        if (id)
            break;
    }
    ck_assert_int_gt(refused, 10);
    ends();
}
END_TEST

/* No more than one transaction sees to. */
START_TEST(more_than_a_batch)
{
    struct cubby__orphan o[CUBBY__LOST_BATCH + 10] = {{0}};
    struct cubby__lost_entry e[CUBBY__LOST_BATCH + 10] = {{0}};
    begins();
    begin(st);
    for (size_t i = 0; i < CUBBY__LOST_BATCH + 10; i++) {
        o[i].id = log_object(st, (unsigned)i);
        e[i].folder = 1;
        e[i].uid = 1 + 2 * (uint32_t)i;
    }
    commit(st);
    MUST(cubby__lost_objects(&lf, o, CUBBY__LOST_BATCH + 10));
    ck_assert_uint_eq(folder_of(st, found_folder()).messages, CUBBY__LOST_BATCH);
    ck_assert_uint_eq(told.count, CUBBY__LOST_BATCH);
    MUST(cubby__lost_uids(&lf, e, CUBBY__LOST_BATCH + 10));
    ck_assert_uint_eq(told.count, 2 * CUBBY__LOST_BATCH);
    ck_assert_ptr_nonnull(strstr(last, "uid 511 "));
    ends();
}
END_TEST

/* Of some uids a message is there again; and whoever is told says stop, which takes nothing back. */
START_TEST(some_uids)
{
    static const struct cubby__lost_entry e[] = {{.folder = 1, .uid = 50}, {.folder = 1, .uid = 2}, {.folder = 1, .uid = 60}, {.folder = 1, .uid = 70}};
    begins();
    fill(st, 1, 3);
    stop_at = 2;
    RETURNS(cubby__lost_uids(&lf, e, 4), CUBBY_ECANCEL);
    ck_assert_uint_eq(told.count, 2);
    ck_assert_ptr_nonnull(strstr(last, "MESSAGE_GONE uid 60 "));
    ck_assert_uint_eq(folder_of(st, 1).messages, 3);
    cubby__tombs_release(&lf.tombs);
    MUST(cubby__lost_uids(&lf, e, 4)); /* all are known to be gone */
    ck_assert_uint_eq(told.count, 2);
    ends();
}
END_TEST

/* A folder's row that breaks its format: none of them is expunged. */
START_TEST(uids_of_a_broken_folder)
{
    static const struct cubby__lost_entry e[] = {{.folder = 1, .uid = 50}, {.folder = 2, .uid = 2}, {.folder = 3, .uid = 2}};
    uint8_t key[CUBBY__TREE_KEY_MAX];
    begins();
    put_junk(key, cubby__key_folder(key, 2));
    uint64_t was = folder_of(st, 1).highestmodseq;
    RETURNS(cubby__lost_uids(&lf, e, 3), CUBBY_ECORRUPT);
    ck_assert_uint_eq(folder_of(st, 1).highestmodseq, was);
    ck_assert_uint_eq(told.count, 0);
    ends();
}
END_TEST

/* ---- no uid is left ---- */

/* A folder at the top whose next uid is this: mail was imported with its uids. */
static uint64_t folder_with(const char *name, uint64_t uidnext)
{
    uint64_t id;
    cubby_add_options o = CUBBY_ADD_INIT;
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name, strlen(name), &id));
    o.uid = (uint32_t)(uidnext - 1);
    ck_assert_uint_eq(add(st, id, &o), uidnext - 1);
    return id;
}

static uint64_t folder_called(const char *name)
{
    uint64_t id;
    int rc = cubby__name_get(look(st), CUBBY_ROOT, name, strlen(name), &id);
    unlook(st);
    return rc ? 0 : id;
}

static void spoil(uint32_t uid)
{
    struct cubby__message_row row;
    MUST(row_of(st, 1, uid, &row));
    hurt(&row.place, CUBBY__FRAME_SIZE + 4);
}

START_TEST(a_full_folder)
{
    struct cubby__orphan o;
    size_t pos = 0, first;
    begins();
    fill(st, 1, 3);
    begin(st);
    uint64_t full = folder_with("lost+found", CUBBY__UID_MAX + 1ull), user = folder_with("lost+found-2", 2);
    o = (struct cubby__orphan){.type = CUBBY__REC_OBJECT, .id = log_object(st, 7)};
    commit(st);
    spoil(1);
    MUST(cubby__lost_message(&lf, 1, 1));
    ck_assert_ptr_nonnull(strstr(last, "it is uid 1 of lost+found_2"));
    uint64_t id = folder_called("lost+found_2");
    ck_assert(id && has(id, 1, "uid 1 in folder 1"));
    MUST(cubby__lost_objects(&lf, &o, 1));
    ck_assert_ptr_nonnull(strstr(last, "is uid 2 of lost+found_2"));
    struct cubby__orphans all = some_pieces(2);
    ck_assert_int_eq(cubby__orphans_next(&all, &pos, &first), 1);
    MUST(cubby__lost_pieces(&lf, &all, first, &pos));
    ck_assert_ptr_nonnull(strstr(last, "are in lost+found_2"));
    ck_assert_uint_eq(folder_of(st, id).messages, 4);
    ck_assert(folder_of(st, full).messages == 1 && folder_of(st, user).messages == 1);
    ends();
}
END_TEST

/* It fills up in the middle: with room for a whole transaction, and then without. What was put there before is known still. */
START_TEST(a_folder_that_fills_up)
{
    cubby_add_options o = CUBBY_ADD_INIT;
    struct cubby__orphan batch[CUBBY__LOST_BATCH] = {{0}};
    struct cubby__orphans all = some_pieces(1);
    size_t pos = 0, first;
    begins();
    begin(st);
    uint64_t id = folder_with("lost+found", CUBBY__UID_MAX - CUBBY__LOST_BATCH);
    for (size_t i = 0; i < CUBBY__LOST_BATCH; i++)
        batch[i] = (struct cubby__orphan){.type = CUBBY__REC_OBJECT, .id = log_object(st, (unsigned)i)};
    commit(st);
    ck_assert_int_eq(cubby__orphans_next(&all, &pos, &first), 1);
    MUST(cubby__lost_pieces(&lf, &all, first, &pos));
    ck_assert_uint_eq(folder_of(st, id).uidnext, CUBBY__UID_MAX - CUBBY__LOST_BATCH + 1);
    MUST(cubby__lost_objects(&lf, batch, CUBBY__LOST_BATCH));
    ck_assert_uint_eq(folder_of(st, id).uidnext, CUBBY__UID_MAX + 1ull);
    ck_assert_ptr_null(strstr(last, "lost+found_2"));
    MUST(cubby__lost_objects(&lf, batch, 1));
    ck_assert_ptr_nonnull(strstr(last, "uid 1 of lost+found_2"));
    cubby__lostfound_release(&lf); /* the next run */
    pos = 0;
    ck_assert_int_eq(cubby__orphans_next(&all, &pos, &first), 1);
    MUST(cubby__lost_pieces(&lf, &all, first, &pos));
    ck_assert(folder_of(st, id).messages == CUBBY__LOST_BATCH + 2 && folder_of(st, folder_called("lost+found_2")).messages == 1);
    begin(st);
    o.uid = CUBBY__UID_MAX - CUBBY__LOST_BATCH + 1; /* one too few */
    add(st, folder_called("lost+found_2"), &o);
    commit(st);
    MUST(cubby__lost_objects(&lf, batch, 1));
    ck_assert_ptr_nonnull(strstr(last, "uid 1 of lost+found_3"));
    ends();
}
END_TEST

START_TEST(all_are_full)
{
    struct cubby__message_row row;
    char name[40] = CUBBY__LOST_FOUND;
    begins();
    fill(st, 1, 1);
    begin(st);
    for (int i = 1; i <= CUBBY__LOST_FOLDERS; snprintf(name, sizeof name, "%s_%d", CUBBY__LOST_FOUND, ++i))
        folder_with(name, CUBBY__UID_MAX + 1ull);
    commit(st);
    spoil(1);
    RETURNS(cubby__lost_message(&lf, 1, 1), CUBBY_ELIMIT);
    ck_assert_ptr_nonnull(strstr(st->err.message, "lost+found"));
    MUST(row_of(st, 1, 1, &row));
    ends();
}
END_TEST

UNIT_MAIN("mail/lostfound", a_message_of_nothing, a_message_without_header, a_row_that_means_nothing, once_and_again, pieces_once_and_again,
          what_is_there_cannot_be_read, without_memory, what_is_lost_for_good, many_short_pieces,
          pieces_that_cannot_be_read_now, pieces_without_memory, a_full_folder, a_folder_that_fills_up, all_are_full, more_than_a_batch, some_uids, uids_of_a_broken_folder)
