#include "mail/fsck.h"

#include "store/internal.h"
#include "unit/fault_vfs.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

enum { MESSAGES = 2000 };

/* A leaf of the index that holds piece rows does not verify any more. */
static int spoil_piece_rows(void)
{
    const cubby_vfs *vfs = st->o.vfs;
    uint8_t page[CUBBY__PAGE_SIZE];
    cubby_file *f;
    int spoiled = 0;
    ck_assert_int_eq(vfs->open(vfs->ctx, "/s/index", CUBBY_OPEN_WRITE, &f), 0);
    for (uint64_t off = 2 * sizeof page; !spoiled && vfs->pread(vfs->ctx, f, page, sizeof page, off) == sizeof page; off += sizeof page) {
        size_t cell = page[32] | (size_t)page[33] << 8;
        if (page[24] || cell < 40 || cell > sizeof page - 8)
            continue;
        size_t key = cell + 1 + (page[cell] >= 0x80);
        key += 1 + (page[key] >= 0x80);
        if (page[key] != CUBBY__KS_PIECE)
            continue;
        page[sizeof page - 1] ^= 1;
        ck_assert_int_eq(vfs->pwrite(vfs->ctx, f, page + sizeof page - 1, 1, off + sizeof page - 1), 0);
        spoiled++;
    }
    vfs->close(vfs->ctx, f);
    return spoiled;
}

static int at_folders(void *arg, const cubby_finding *f)
{
    int *spoiled = arg;
    if (!*spoiled && strcmp(f->code, "UIDVALIDITY_RAISED") == 0)
        *spoiled = spoil_piece_rows();
    return 0;
}

static int ignore(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 0;
}

struct stop {
    const char *at;
    int count;
};

static int stop_there(void *arg, const cubby_finding *f)
{
    struct stop *s = arg;
    s->count += s->at && strcmp(f->code, s->at) == 0;
    return s->at && strcmp(f->code, s->at) == 0;
}

static int count_it(void *arg, const cubby_finding *f)
{
    stop_there(arg, f);
    return 0;
}

static void zero(uint32_t seg, uint64_t from, uint64_t to)
{
    const cubby_vfs *vfs = st->o.vfs;
    char path[64];
    cubby_file *f;
    uint8_t *zeros = calloc(1, to - from);
    snprintf(path, sizeof path, "/s/segments/%08u.seg", seg);
    MUST(vfs->open(vfs->ctx, path, CUBBY_OPEN_WRITE, &f));
    MUST(vfs->pwrite(vfs->ctx, f, zeros, to - from, from));
    vfs->close(vfs->ctx, f);
    free(zeros);
}

/* A store that has lost something in the middle, and its index: closed. */
static void hurt_and_close(void)
{
    static const uint8_t zeros[64];
    cubby_file *f;
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    const cubby_vfs *vfs = st->o.vfs;
    MUST(vfs->unlink(vfs->ctx, "/s/index"));
    MUST(vfs->open(vfs->ctx, "/s/segments/00000002.seg", CUBBY_OPEN_WRITE, &f));
    MUST(vfs->pwrite(vfs->ctx, f, zeros, sizeof zeros, 8000));
    vfs->close(vfs->ctx, f);
    st->o.notice = NULL;
}

static void open_again(void)
{
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
}

/* The index may be lost at any moment, also in the middle of a repair: that costs no message. */
START_TEST(an_index_that_rots_meanwhile)
{
    cubby_repair_result result;
    uint64_t id;
    int spoiled = 0;
    state_begin(st);
    st->o.segment_bytes = 64 << 10;
    state_reopen(st, 0);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    commit(st);
    for (int i = 0; i < MESSAGES / 100; i++)
        fill(st, id, 100);
    hurt_and_close();
    st->o.cache_bytes = 1;
    int rc = cubby__fsck_repair("/s", &st->o, 0, ignore, at_folders, &spoiled, &result, &st->err);
    ck_assert_int_gt(spoiled, 0);
    RETURNS(rc, CUBBY_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(st->err.path, CUBBY__FILE_INDEX));
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    ck_assert_uint_eq(result.left, 0);
    open_again();
    ck_assert_uint_ge(folder_of(st, id).messages, MESSAGES - 2);
    state_end(st);
}
END_TEST

/* Two folders of one name, which is so long that no number fits behind it: both have clients that must be told. */
START_TEST(uidvalidity_of_a_displaced_folder)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby_repair_result result;
    char name[CUBBY__NAME_MAX];
    uint64_t id;
    memset(name, 'x', sizeof name);
    state_begin(st);
    st->o.segment_bytes = 16 << 10;
    state_reopen(st, 0);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name, sizeof name, &id));
    const struct cubby__folder_rec twin = {.id = id + 1, .uidvalidity = folder_of(st, 1).uidvalidity + 9, .name = name, .name_len = sizeof name};
    cubby__folder_encode(&twin, &b);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_FOLDER, 0, b.data, b.len));
    cubby__buf_release(&b);
    commit(st);
    for (int i = 0; i < 10; i++)
        fill(st, id + 1, 20);
    uint32_t first = folder_of(st, id).uidvalidity, second = folder_of(st, id + 1).uidvalidity;
    hurt_and_close();
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    open_again();
    ck_assert_uint_gt(folder_of(st, id).uidvalidity, first);
    ck_assert_uint_gt(folder_of(st, id + 1).uidvalidity, second);
    state_end(st);
}
END_TEST

/* The same, and nothing else is wrong: no record can say it better, so it stays displaced, and the repair says that something is left. */
START_TEST(a_displaced_folder_that_stays_so)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby_repair_result result;
    char name[CUBBY__NAME_MAX];
    uint64_t id;
    memset(name, 'x', sizeof name);
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, name, sizeof name, &id));
    const struct cubby__folder_rec twin = {.id = id + 1, .uidvalidity = 99, .name = name, .name_len = sizeof name};
    cubby__folder_encode(&twin, &b);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_FOLDER, 0, b.data, b.len));
    cubby__buf_release(&b);
    commit(st);
    fill(st, id + 1, 3);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.notice = NULL;
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    ck_assert(result.findings == 1 && result.left == 1);
    open_again();
    ck_assert(folder_of(st, id + 1).uidvalidity == 99 && folder_of(st, id + 1).messages == 3);
    state_end(st);
}
END_TEST

/* There is no higher one, and all that is known may be wrong: clients that hold the last one keep it, and lost+found, which is made now, has it, too. */
START_TEST(the_last_uidvalidity)
{
    cubby_repair_result result;
    struct stop expunged = {"UIDS_EXPUNGED", 0};
    struct cubby__folder found;
    state_begin(st);
    st->o.segment_bytes = 16 << 10;
    state_reopen(st, 0);
    begin(st);
    MUST(cubby__folder_set_uidvalidity(st->txn, 1, UINT32_MAX));
    commit(st);
    const struct cubby__published before = st->s->pending;
    fill(st, 1, 1);
    const struct cubby__published after = st->s->pending;
    for (int i = 0; i < 10; i++)
        fill(st, 1, 20);
    hurt_and_close();
    zero((uint32_t)before.seg, before.seg_off, after.seg_off);
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, count_it, &expunged, &result, &st->err));
    ck_assert(result.findings && !result.left);
    ck_assert_int_eq(expunged.count, 1); /* P6: for want of another uidvalidity */
    open_again();
    ck_assert_uint_eq(folder_of(st, 1).uidvalidity, UINT32_MAX);
    MUST(cubby__folder_find(look(st), CUBBY_ROOT, "lost+found", 10, &found));
    ck_assert_uint_eq(found.f.uidvalidity, UINT32_MAX);
    unlook(st);
    begin(st); /* others need a new one */
    RETURNS(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, NULL), CUBBY_ELIMIT);
    cubby__txn_abort(&st->txn);
    state_end(st);
}
END_TEST

static int64_t clock_ns;

static int64_t wrong_clock(void *ctx)
{
    (void)ctx;
    return clock_ns;
}

/* A clock that cannot be right uses up no numbers: there must be some for folders to come. */
START_TEST(uidvalidity_beside_a_wrong_clock)
{
    static const int64_t clocks[] = {-1000000000000, 5000000000 * 1000000000};
    cubby_repair_result result;
    for (size_t i = 0; i < sizeof clocks / sizeof *clocks; i++) {
        state_begin(st);
        st->o.segment_bytes = 16 << 10;
        state_reopen(st, 0);
        for (int n = 0; n < 10; n++)
            fill(st, 1, 20);
        uint32_t before = folder_of(st, 1).uidvalidity;
        hurt_and_close();
        cubby_vfs vfs = *st->o.vfs;
        vfs.now_ns = wrong_clock;
        st->o.vfs = &vfs;
        clock_ns = clocks[i];
        MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
        ck_assert(result.findings && !result.left);
        open_again();
        ck_assert_uint_gt(folder_of(st, 1).uidvalidity, before);
        ck_assert_uint_lt(folder_of(st, 1).uidvalidity, before + 1000);
        state_end(st);
    }
}
END_TEST

/* A folder whose message 7 was expunged; the segments do not say so any more, the index does. Closed. */
static uint64_t lost_expunge(void)
{
    uint64_t id;
    cubby_uidset *set = uids("7");
    state_begin(st);
    st->o.segment_bytes = 16 << 10;
    state_reopen(st, 0);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    commit(st);
    fill(st, id, 20);
    const struct cubby__published before = st->s->pending;
    begin(st);
    MUST(cubby__entry_expunge(st->txn, id, set, 0, NULL));
    commit(st);
    const struct cubby__published after = st->s->pending;
    ck_assert_uint_eq(before.seg, after.seg);
    for (int i = 0; i < 10; i++)
        fill(st, id, 20);
    ck_assert_uint_gt(st->s->pending.seg, after.seg);
    cubby_uidset_free(&set);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    zero((uint32_t)before.seg, before.seg_off, after.seg_off);
    return id;
}

/* An index that was sound when a message was copied, and followed the log over damage since: the copy stays, though the segments do not know of it. */
START_TEST(an_index_that_followed_damage)
{
    struct cubby__message_row row;
    cubby_repair_result result;
    cubby_uidset *set = uids("5");
    uint64_t id;
    state_begin(st);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    commit(st);
    fill(st, 1, 20);
    const struct cubby__published before = st->s->pending;
    begin(st);
    MUST(cubby__entry_copy(st->txn, 1, set, id, NULL, NULL));
    commit(st);
    const struct cubby__published copied = st->s->pending;
    begin(st);
    MUST(cubby__entry_expunge(st->txn, 1, set, 0, NULL));
    commit(st);
    MUST(cubby__store_checkpoint(st->s, &st->err));
    fill(st, 1, 1);
    const struct cubby__published after = st->s->pending;
    fill(st, 1, 1);
    const struct cubby__published later = st->s->pending;
    fill(st, 1, 5);
    cubby_uidset_free(&set);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.notice = NULL;
    ck_assert(before.seg == later.seg && later.checkpoint_commit < after.commit);
    zero((uint32_t)before.seg, before.seg_off, copied.seg_off);
    zero((uint32_t)after.seg, after.seg_off, later.seg_off);
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    ck_assert(result.findings && !result.left);
    open_again();
    MUST(row_of(st, id, 1, &row));
    RETURNS(row_of(st, 1, 5, &row), CUBBY_DONE);
    ck_assert_uint_eq(folder_of(st, id).messages, 1);
    state_end(st);
}
END_TEST

struct thief {
    struct fault fault;
    int after; /* reads of the index; then it is gone */
};

static void steal(void *arg, enum fault_op op, const char *path)
{
    struct thief *t = arg;
    if (op == FAULT_PREAD && strcmp(path, "/s/index") == 0 && t->after-- == 0)
        t->fault.under->unlink(t->fault.under->ctx, path);
}

/* Anybody may remove the index, at any moment. Then no client is left with a uidvalidity under which a message comes back that it knows to be gone. */
START_TEST(an_index_that_is_removed_meanwhile)
{
    struct cubby__message_row row;
    cubby_repair_result result;
    int kept = 0, raised = 0;
    for (int n = 0, done = 0; !done; n++) {
        struct thief thief = {.after = n};
        uint64_t id = lost_expunge();
        MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
        uint32_t before = folder_of(st, id).uidvalidity;
        MUST(cubby__store_close(&st->s, &st->err));
        fault_init(&thief.fault, st->o.vfs);
        thief.fault.hook = steal;
        thief.fault.hook_arg = &thief;
        st->o.vfs = &thief.fault.vfs;
        st->o.notice = NULL;
        MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
        ck_assert(result.findings && !result.left);
        done = thief.after >= 0;
        st->o.vfs = thief.fault.under;
        open_again();
        int there = row_of(st, id, 7, &row), same = folder_of(st, id).uidvalidity == before;
        ck_assert_msg(!same || there == CUBBY_DONE, "without the index from read %d on", n);
        *(same ? &kept : &raised) += 1;
        state_end(st);
    }
    ck_assert_int_gt(kept, 0);
    ck_assert_int_gt(raised, 3);
}
END_TEST

/* The last commit of the log is not there any more. */
static void cut_last_commit(void)
{
    enum { LESS = 200 }; /* than that and what proves it */
    const cubby_vfs *vfs = st->o.vfs;
    cubby_vfs_stat s;
    cubby_file *f;
    uint8_t c = 0;
    char path[64], next[64] = "/s/segments/00000001.seg";
    for (int i = 2; vfs->stat(vfs->ctx, next, &s) == 0; i++) {
        memcpy(path, next, sizeof path);
        snprintf(next, sizeof next, "/s/segments/%08d.seg", i);
    }
    MUST(vfs->open(vfs->ctx, path, CUBBY_OPEN_WRITE, &f));
    MUST(vfs->fstat(vfs->ctx, f, &s));
    for (; !c; s.size--)
        ck_assert_int_eq(vfs->pread(vfs->ctx, f, &c, 1, s.size - 1), 1);
    MUST(vfs->truncate(vfs->ctx, f, s.size - LESS));
    vfs->close(vfs->ctx, f);
}

static int cut_then(void *arg, const cubby_finding *f)
{
    int *cut = arg;
    if (!*cut && strcmp(f->code, "RELOGGED") == 0) {
        cut_last_commit();
        *cut = 1;
    }
    return 0;
}

/* The index knew all that was lost, and then the end of the log goes, too: what stood there nobody knows, so clients are told. */
START_TEST(an_end_that_goes_meanwhile)
{
    struct cubby__message_row row;
    cubby_repair_result result;
    for (int cut = 0; cut < 2; cut++) {
        uint64_t id = lost_expunge();
        int done = !cut;
        MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
        uint32_t before = folder_of(st, id).uidvalidity;
        MUST(cubby__store_close(&st->s, &st->err));
        st->o.notice = NULL;
        MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, cut_then, &done, &result, &st->err));
        ck_assert(done && result.findings && !result.left);
        open_again();
        ck_assert_int_eq(folder_of(st, id).uidvalidity > before, cut);
        if (!cut)
            RETURNS(row_of(st, id, 7, &row), CUBBY_DONE);
        state_end(st);
    }
}
END_TEST

static void close_without_index(void)
{
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    MUST(st->o.vfs->unlink(st->o.vfs->ctx, "/s/index"));
    st->o.notice = NULL;
}

enum { MANY = 300 };

/* More messages without object than one transaction sees to; whoever is told of the first batch says stop, and the next run goes on. */
START_TEST(many_lost_messages)
{
    cubby_repair_result result;
    struct stop s = {"MESSAGE_GONE", 0};
    uint64_t object[MANY];
    state_begin(st);
    begin(st);
    for (unsigned i = 0; i < MANY; i++)
        object[i] = log_object(st, i);
    uint64_t from = st->s->pending.seg_off;
    commit(st);
    uint64_t to = st->s->pending.seg_off;
    begin(st);
    for (unsigned i = 0; i < MANY; i++)
        MUST(cubby__entry_add(st->txn, 1, object[i], NULL, NULL));
    commit(st);
    fill(st, 1, 1);
    close_without_index();
    zero(1, from, to);
    RETURNS(cubby__fsck_repair("/s", &st->o, 0, ignore, stop_there, &s, &result, &st->err), CUBBY_ECANCEL);
    ck_assert_int_eq(s.count, 1);
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    ck_assert_uint_eq(result.left, 0);
    open_again();
    ck_assert_uint_eq(folder_of(st, 1).messages, 1);
    state_end(st);
}
END_TEST

/* More objects without entry than one transaction sees to: all of them are in lost+found then. Some have no header, or nothing at all. */
START_TEST(many_lost_entries)
{
    cubby_repair_result result;
    uint64_t id, found;
    state_begin(st);
    begin(st);
    for (unsigned i = 0; i < MANY; i++)
        log_object(st, i);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "gone", 4, &id));
    commit(st);
    uint64_t end = st->s->pending.seg_off;
    begin(st);
    for (int i = 0; i < 3; i++) {
        static const char *const texts[] = {"", "\n", "Subject: x\n"};
        cubby__incoming_reset(st->in);
        MUST(cubby__incoming_write(st->in, texts[i], strlen(texts[i]), &st->err));
        MUST(cubby__incoming_finish(st->in, &st->err));
        MUST(cubby__incoming_log(st->in, st->txn, ++st->token, &id));
        MUST(cubby__entry_add(st->txn, 1, id, NULL, NULL));
    }
    commit(st);
    close_without_index();
    zero(1, end - 200, end - 100); /* in the folder's record, and what ends the commit */
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    ck_assert_uint_eq(result.left, 0);
    open_again();
    MUST(cubby__name_get(look(st), CUBBY_ROOT, "lost+found", 10, &found));
    unlook(st);
    ck_assert_uint_ge(folder_of(st, found).messages, MANY - 1);
    ck_assert_uint_eq(folder_of(st, 1).messages, 3);
    state_end(st);
}
END_TEST

/* An index whose pages verify, with a row that means nothing: it is not asked any more, and the segments alone must do. */
START_TEST(an_index_that_says_nonsense)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    cubby_repair_result result;
    state_begin(st);
    st->o.segment_bytes = 16 << 10;
    state_reopen(st, 0);
    for (int i = 0; i < 10; i++)
        fill(st, 1, 20);
    begin(st);
    MUST(cubby__txn_put(st->txn, key, cubby__key_message(key, 1, 199), "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11));
    add(st, 1, NULL);
    commit(st);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.notice = NULL;
    zero(2, 8000, 8064);
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    ck_assert(result.findings && !result.left);
    open_again();
    ck_assert_uint_ge(folder_of(st, 1).messages, 199);
    state_end(st);
}
END_TEST

/* Two messages beside each other cannot be read; who is told of the first says stop. */
START_TEST(two_unreadable_messages)
{
    struct cubby__message_row row[2];
    cubby_repair_result result;
    struct stop s = {"MESSAGE_SAVED", 0};
    state_begin(st);
    fill(st, 1, 5);
    MUST(row_of(st, 1, 2, &row[0]));
    MUST(row_of(st, 1, 3, &row[1]));
    fill(st, 1, 1);
    close_without_index();
    for (int i = 0; i < 2; i++) /* the pieces, which stand before their object */
        zero(1, row[i].place.off - 24, row[i].place.off - 8);
    RETURNS(cubby__fsck_repair("/s", &st->o, CUBBY_CHECK_FULL, ignore, stop_there, &s, &result, &st->err), CUBBY_ECANCEL);
    ck_assert_int_eq(s.count, 1);
    MUST(cubby__fsck_repair("/s", &st->o, CUBBY_CHECK_FULL, ignore, ignore, NULL, &result, &st->err));
    ck_assert_uint_eq(result.left, 0);
    open_again();
    ck_assert_uint_eq(folder_of(st, 1).messages, 4);
    state_end(st);
}
END_TEST

/* Others who write while the second check reads, each time it is done. */
struct visitor {
    int visits, away;
};

static int visit(void *arg, uint64_t done, uint64_t total)
{
    struct visitor *v = arg;
    if (v->away || done != total || !total)
        return 0;
    v->away = 1;
    open_again();
    fill(st, 1, 1);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_checkpoint(st->s, &st->err));
    MUST(cubby__store_close(&st->s, &st->err));
    v->away = 0;
    v->visits++;
    return 0;
}

static int let_them_come(void *arg, const cubby_finding *f)
{
    if (strcmp(f->code, "INDEX_BUILT") == 0)
        ((struct visitor *)arg)->away = 0;
    return 0;
}

static int only_notes(void *arg, const cubby_finding *f)
{
    return f->severity == CUBBY_NOTE ? let_them_come(arg, f) : 0;
}

/* The check behind a repair can say nothing: then nobody is told that nothing is left. */
START_TEST(never_quiet_behind_a_repair)
{
    struct visitor v = {0, 1};
    cubby_repair_result result;
    state_begin(st);
    fill(st, 1, 20);
    close_without_index();
    zero(1, 2000, 2100);
    cubby_options o = st->o;
    o.progress = visit;
    o.progress_arg = &v;
    MUST(cubby__fsck_repair("/s", &o, 0, only_notes, let_them_come, &v, &result, &st->err));
    ck_assert_int_ge(v.visits, 6);
    ck_assert(result.findings && result.left == result.findings && result.fixed == 0);
    MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &result, &st->err));
    ck_assert(!result.findings && !result.left);
    cubby__memfs_free(&st->fs);
}
END_TEST

UNIT_MAIN("mail/fsck", an_index_that_rots_meanwhile, uidvalidity_of_a_displaced_folder, a_displaced_folder_that_stays_so, the_last_uidvalidity,
          uidvalidity_beside_a_wrong_clock, many_lost_messages, many_lost_entries, an_index_that_says_nonsense,
          an_index_that_followed_damage, an_index_that_is_removed_meanwhile, an_end_that_goes_meanwhile, two_unreadable_messages,
          never_quiet_behind_a_repair)
