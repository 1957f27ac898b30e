/* test_fsck_check.c - a check whose store does not hold still, and one that finds more than it can hold back (mail/fsck_check.c). */
#include "mail/fsck.h"
#include "store/internal.h"
#include "unit/fault_vfs.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

struct told {
    int n, notes;
    const char *stop;
    char last[40], codes[400]; /* each code once */
};

static int note(void *arg, const cubby_finding *f)
{
    struct told *t = arg;
    t->n += f->severity != CUBBY_NOTE;
    t->notes += f->severity == CUBBY_NOTE;
    snprintf(t->last, sizeof t->last, "%s", f->code);
    ck_assert(f->file && *f->detail);
    if (!strstr(t->codes, f->code))
        snprintf(t->codes + strlen(t->codes), sizeof t->codes - strlen(t->codes), "%s ", f->code);
    return t->stop && strcmp(t->stop, f->code) == 0;
}

/* ---- others, who come and go all the while ---- */

struct visitor {
    struct fault *fault; /* what the check reads through; NULL: as it is */
    int visits, busy;
    int harms; /* that visit does harm to each page of the index, after one that does nothing; who comes behind it waits for the look to end */
    int harmed;
};

static void hurt(const char *path, uint64_t off);

static void hurt_index(void)
{
    cubby_vfs_stat i;
    MUST(st->o.vfs->stat(st->o.vfs->ctx, "/s/index", &i));
    for (uint64_t off = 2 * CUBBY__PAGE_SIZE; off < i.size; off += CUBBY__PAGE_SIZE)
        hurt("/s/index", off + 100);
}

static void somebody_writes(struct visitor *v)
{
    cubby_options o = st->o;
    v->busy = 1;
    MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    fill(st, 1, 1);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_checkpoint(st->s, &st->err)); /* what else it did may lie within room that was there before */
    MUST(cubby__store_close(&st->s, &st->err));
    v->busy = 0;
}

static int visit(void *arg, uint64_t done, uint64_t total)
{
    struct visitor *v = arg;
    if (v->busy || done != total || !total)
        return 0;
    v->visits++;
    if (v->visits + 1 == v->harms)
        return 0;
    if (v->visits == v->harms) {
        hurt_index();
        v->harmed = 1;
        return 0;
    }
    somebody_writes(v);
    if (v->fault && !v->harms)
        fault_set(v->fault, FAULT_PREAD, "index", 0, -EIO, 0);
    return 0;
}

/* The check looks whether it was alone. */
static void at_the_end(void *arg, enum fault_op op, const char *path)
{
    struct visitor *v = arg;
    if (!v->busy && v->harmed && op == FAULT_LIST && strstr(path, "segments")) {
        v->harmed = 0;
        somebody_writes(v);
    }
}

static int check(struct visitor *v, struct told *t, cubby_check_result *r)
{
    cubby_options o = st->o;
    if (v) {
        o.progress = visit;
        o.progress_arg = v;
        o.cache_bytes = v->harms ? 1 : 0;
        if (v->fault)
            o.vfs = &v->fault->vfs;
    }
    memset(r, 0, sizeof *r);
    memset(&st->err, 0, sizeof st->err);
    t->n = t->notes = 0;
    t->codes[0] = t->last[0] = '\0';
    return cubby__fsck_check("/s", &o, 0, note, t, r, &st->err);
}

static void closed(void)
{
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.notice = NULL;
}

static void hurt(const char *path, uint64_t off)
{
    file_flip(st->o.vfs, path, off, 1);
}

/* What cannot be read ends a check; what it had found until then is told. */
START_TEST(found_before_it_failed)
{
    struct fault fault;
    const cubby_vfs *under;
    int failed = 0, hits = 1;
    state_begin(st);
    fill(st, 1, 5);
    closed();
    hurt("/s/segments/00000001.seg", 2000);
    under = st->o.vfs;
    fault_init(&fault, under);
    for (int after = 0; hits; after++) {
        struct told t = {.stop = NULL};
        cubby_check_result r;
        fault_set(&fault, FAULT_PREAD, ".seg", after, -EIO, 0);
        st->o.vfs = &fault.vfs;
        int rc = cubby__fsck_check("/s", &st->o, 0, note, &t, &r, &st->err);
        hits = fault.hits;
        fault.rc = 0;
        ck_assert_msg(hits ? rc == 0 || rc == CUBBY_EIO : rc == 0, "read %d: %d", after, rc);
        ck_assert_msg((uint64_t)t.n == r.findings, "read %d: %d %s", after, t.n, t.codes);
        failed += rc == CUBBY_EIO && t.n;
    }
    ck_assert_int_gt(failed, 0);
    st->o.vfs = under;
    cubby__memfs_free(&st->fs);
}
END_TEST

/* Nothing can be said of a store that is another one each time: then nothing is, and not for ever. */
START_TEST(never_quiet)
{
    struct visitor v = {.fault = NULL};
    struct told t = {.stop = NULL};
    struct fault fault;
    cubby_check_result r;
    state_begin(st);
    fill(st, 1, 5);
    closed();
    MUST(check(&v, &t, &r));
    ck_assert_str_eq(t.codes, "CHECK_DISTURBED ");
    ck_assert(t.notes == 1 && r.findings == 0);
    ck_assert_int_ge(v.visits, 6);
    ck_assert_int_le(v.visits, 20);
    t.stop = "CHECK_DISTURBED";
    RETURNS(check(&v, &t, &r), CUBBY_ECANCEL);
    ck_assert_int_eq(st->err.code, CUBBY_ECANCEL);
    t.stop = NULL;
    fault_init(&fault, st->o.vfs); /* what fails fails all the same */
    v.fault = &fault;
    RETURNS(check(&v, &t, &r), CUBBY_EIO);
    ck_assert_str_eq(t.codes, "");
    fault.rc = 0;
    MUST(check(NULL, &t, &r)); /* it is quiet now */
    ck_assert_str_eq(t.codes, "");
    ck_assert_uint_ge(r.messages, 11);
    cubby__memfs_free(&st->fs);
}
END_TEST

/* An index breaks under the last look, and then somebody writes: nothing is said of that look, for it was not alone. */
START_TEST(never_quiet_and_harmed)
{
    struct visitor quiet = {.fault = NULL};
    struct told t = {.stop = NULL};
    struct fault fault;
    cubby_check_result r;
    state_begin(st);
    for (int i = 0; i < 10; i++)
        fill(st, 1, 200);
    closed();
    MUST(check(&quiet, &t, &r));
    fault_init(&fault, st->o.vfs);
    struct visitor v = {.fault = &fault, .harms = quiet.visits};
    fault.hook = at_the_end;
    fault.hook_arg = &v;
    MUST(check(&v, &t, &r));
    ck_assert_int_eq(v.visits, v.harms);
    ck_assert_int_eq(v.harmed, 0);
    ck_assert_str_eq(t.codes, "CHECK_DISTURBED ");
    ck_assert_uint_eq(r.findings, 0);
    fault.hook = NULL;
    MUST(check(NULL, &t, &r)); /* who wrote has found it, and made it anew */
    ck_assert_str_eq(t.codes, "");
    cubby__memfs_free(&st->fs);
}
END_TEST

/* ---- more findings than are held back ---- */

enum { MESSAGES = 300 };

/* Of each frame of the first segment: what is to become of it. */
static void hurt_frames(void (*fn)(const struct cubby__frame *f, uint64_t off, int nth))
{
    const cubby_vfs *vfs = st->o.vfs;
    struct cubby__seg_header h;
    struct cubby__frame frame;
    cubby_vfs_stat s;
    cubby_file *f;
    int nth[256] = {0};
    MUST(vfs->open(vfs->ctx, "/s/segments/00000001.seg", CUBBY_OPEN_READ, &f));
    MUST(vfs->fstat(vfs->ctx, f, &s));
    uint8_t *p = malloc(s.size);
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, p, s.size, 0), (int64_t)s.size);
    MUST(cubby__seg_header_read(vfs, f, "", &h, &st->err));
    vfs->close(vfs->ctx, f);
    struct cubby__seed seed = {h.ident.salt, h.nonce};
    for (uint64_t off = h.frames; off < s.size && cubby__frame_decode(p + off, (size_t)(s.size - off), &seed, off, &frame) == 0;
         off += cubby__frame_size(frame.type, frame.len))
        fn(&frame, off, ++nth[frame.type]);
    cubby__seg_header_release(&h);
    free(p);
}

static void hurt_some(const struct cubby__frame *f, uint64_t off, int nth)
{
    int last_folder = f->type == CUBBY__REC_FOLDER && nth == 2, entry = f->type == CUBBY__REC_ENTRY && nth == MESSAGES + 4;
    int objects = f->type == CUBBY__REC_OBJECT && (nth == MESSAGES + 1 || nth == MESSAGES + 2);
    if (f->type == CUBBY__REC_PIECE || objects || entry || last_folder)
        hurt("/s/segments/00000001.seg", off + cubby__frame_header_size(f->type) + f->len / 2);
}

static int blind(struct cubby__txn *txn, const struct cubby__record *rec)
{
    (void)txn;
    (void)rec;
    return 0;
}

static void log_junk(void)
{
    static const uint8_t junk[20] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct cubby__handlers h = cubby__mail_handlers;
    struct cubby__txn *txn;
    h.apply = blind;
    MUST(cubby__store_open("/s", &st->o, &h, &st->s, &st->err));
    MUST(cubby__txn_begin(st->s, 0, &txn, &st->err));
    MUST(cubby__txn_log(txn, CUBBY__REC_KEYWORD, 0, junk, sizeof junk));
    MUST(cubby__txn_commit(&txn, NULL));
    MUST(cubby__store_close(&st->s, &st->err));
}

static void badly_hurt(void)
{
    uint64_t id;
    state_begin(st);
    st->o.segment_bytes = 16 << 20;
    state_reopen(st, 0);
    fill(st, 1, MESSAGES);
    for (int i = 0; i < 4; i++)
        fill(st, 1, 1);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "late", 4, &id));
    commit(st);
    fill(st, id, 2);
    closed();
    log_junk();
    log_junk();
    hurt_frames(hurt_some);
}

/* What is held back has room for so much; then it is told, and what comes after as it comes, and at each of it somebody may say stop. */
START_TEST(more_than_is_held)
{
    static const char *const codes[] = {"FRAME_DAMAGED", "RECORD_BROKEN", "ENTRY_ORPHAN", "OBJECT_ORPHAN", "FOLDER_LOST"};
    struct visitor v = {.fault = NULL};
    struct told t = {.stop = NULL};
    cubby_check_result r;
    badly_hurt();
    MUST(check(NULL, &t, &r));
    ck_assert_int_gt(t.n, 256);
    ck_assert_uint_eq(r.findings, (uint64_t)t.n);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        ck_assert_msg(strstr(t.codes, codes[i]), "%s is not among %s", codes[i], t.codes);
    int all = t.n;
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        t.stop = codes[i];
        RETURNS(check(NULL, &t, &r), CUBBY_ECANCEL);
        ck_assert_str_eq(t.last, codes[i]);
        ck_assert_int_le(t.n, all);
    }
    t.stop = NULL;
    MUST(check(&v, &t, &r)); /* told already: that others were there does not take it back */
    ck_assert_int_ge(t.n, 256);
    ck_assert_int_gt(v.visits, 0);
    ck_assert_ptr_null(strstr(t.codes, "CHECK_DISTURBED"));
    cubby__memfs_free(&st->fs);
}
END_TEST

/* Damage in more segments than there was room for at first. */
START_TEST(many_segments_are_hurt)
{
    struct told t = {.stop = NULL};
    cubby_check_result r;
    char path[64];
    uint32_t last;
    state_begin(st);
    st->o.segment_bytes = 4096;
    state_reopen(st, 0);
    for (int i = 0; i < 60 || st->s->pending.seg < 40; i++)
        fill(st, 1, 4);
    last = (uint32_t)st->s->pending.seg;
    closed();
    for (uint32_t seg = 1; seg <= last; seg++) {
        snprintf(path, sizeof path, "/s/segments/%08u.seg", seg);
        hurt(path, 2500);
    }
    MUST(check(NULL, &t, &r));
    ck_assert_ptr_nonnull(strstr(t.codes, "FRAME_DAMAGED"));
    ck_assert_int_ge(t.n, 40);
    cubby__memfs_free(&st->fs);
}
END_TEST

static void hurt_first_object(const struct cubby__frame *f, uint64_t off, int nth)
{
    if (f->type == CUBBY__REC_OBJECT && nth == 1)
        hurt("/s/segments/00000001.seg", off + cubby__frame_header_size(f->type) + f->len / 2);
}

/* What the checkpoint knows of folders that were deleted before it, and since then, is nothing that was lost. */
START_TEST(deleted_folders_in_the_checkpoint)
{
    static const char *const names[] = {"before", "since"};
    static const uint8_t junk[4] = {0xff, 0xff, 0xff, 0xff};
    for (int broken = 0; broken < 2; broken++) {
        uint8_t key[CUBBY__TREE_KEY_MAX];
        struct told t = {.stop = NULL};
        cubby_check_result r;
        uint64_t id[2];
        state_begin(st);
        st->o.checkpoint_bytes = 1 << 30;
        state_reopen(st, 0);
        fill(st, 1, 20);
        for (int i = 0; i < 2; i++) {
            begin(st);
            MUST(cubby__folder_create(st->txn, CUBBY_ROOT, names[i], strlen(names[i]), &id[i]));
            commit(st);
            fill(st, id[i], 3);
        }
        for (int i = 0; i < 2; i++) {
            begin(st);
            MUST(cubby__folder_delete(st->txn, id[i]));
            if (!i && broken) /* a row that nobody can read says nothing, and hides no damage */
                MUST(cubby__txn_put(st->txn, key, cubby__key_folder(key, 2 + id[1]), junk, sizeof junk));
            commit(st);
            if (!i)
                MUST(cubby__store_checkpoint(st->s, &st->err));
        }
        closed();
        hurt_frames(hurt_first_object);
        MUST(check(NULL, &t, &r));
        ck_assert_ptr_nonnull(strstr(t.codes, "FRAME_DAMAGED"));
        ck_assert_msg(!strstr(t.codes, "MESSAGE_LOST"), "%s", t.codes);
        cubby__memfs_free(&st->fs);
    }
}
END_TEST

/* The same while somebody has the store open, and has deleted one since the last checkpoint; or its row there is nobody's any more. */
START_TEST(a_folder_deleted_since_the_checkpoint)
{
    static const uint8_t junk[4] = {0xff, 0xff, 0xff, 0xff};
    for (int broken = 0; broken < 2; broken++) {
        uint8_t key[CUBBY__TREE_KEY_MAX];
        struct told t = {.stop = NULL};
        cubby_check_result r;
        uint64_t id;
        state_begin(st);
        st->o.checkpoint_bytes = 1 << 30;
        st->o.notice = NULL;
        state_reopen(st, 0);
        fill(st, 1, 20);
        begin(st);
        MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "since", 5, &id));
        commit(st);
        fill(st, id, 3);
        MUST(cubby__store_checkpoint(st->s, &st->err));
        begin(st);
        if (broken)
            MUST(cubby__txn_put(st->txn, key, cubby__key_folder(key, id), junk, sizeof junk));
        else
            MUST(cubby__folder_delete(st->txn, id));
        add(st, 1, NULL);
        commit(st);
        hurt_frames(hurt_first_object);
        MUST(check(NULL, &t, &r));
        ck_assert_ptr_nonnull(strstr(t.codes, "FRAME_DAMAGED"));
        ck_assert_msg(!strstr(t.codes, "MESSAGE_LOST"), "%s", t.codes);
        state_end(st);
    }
}
END_TEST

static int count_lost(void *arg, const cubby_finding *f)
{
    int *lost = arg;
    *lost += strcmp(f->code, "MESSAGE_LOST") == 0 && f->uid && strstr(f->detail, "nor its folder, which was called late");
    return 0;
}

/* The end of the log is gone, and with it a folder: only the checkpoint knows of its messages. */
START_TEST(a_folder_that_only_the_checkpoint_knows)
{
    cubby_check_result r = {0};
    uint64_t id;
    int lost = 0;
    state_begin(st);
    fill(st, 1, 20);
    uint64_t end = st->s->pending.seg_off;
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "late", 4, &id));
    commit(st);
    fill(st, id, 3);
    MUST(cubby__store_checkpoint(st->s, &st->err));
    ck_assert_uint_eq(st->s->pending.seg, 1);
    closed();
    file_truncate(st->o.vfs, "/s/segments/00000001.seg", end);
    MUST(cubby__fsck_check("/s", &st->o, 0, count_lost, &lost, &r, &st->err));
    ck_assert_int_eq(lost, 3);
    cubby__memfs_free(&st->fs);
}
END_TEST

/* ---- files that change under a check ---- */

struct thief {
    struct fault fault;
    enum fault_op op; /* call number `after` of it on a path with `on` finds ... */
    const char *on;
    int after;
    void (*takes)(void); /* ... what this left */
};

static void steal(void *arg, enum fault_op op, const char *path)
{
    struct thief *t = arg;
    if (op == t->op && strstr(path, t->on) && t->after-- == 0)
        t->takes();
}

static void no_index(void)
{
    st->o.vfs->unlink(st->o.vfs->ctx, "/s/index");
}

static void empty_index(void)
{
    no_index();
    file_zero(st->o.vfs, "/s/index", 0, 4 * CUBBY__PAGE_SIZE);
}

static void empty_segment(void)
{
    file_truncate(st->o.vfs, "/s/segments/00000001.seg", 0);
}

/* The index is removed or replaced, or a segment emptied, at any moment: the check ends, and what is damaged all the while is told. */
START_TEST(files_that_change_meanwhile)
{
    static const struct { enum fault_op op; const char *on; void (*takes)(void); } kinds[] = {
        {FAULT_OPEN, "/s/index", no_index}, {FAULT_OPEN, "/s/index", empty_index}, {FAULT_LIST, "segments", empty_segment}};
    for (size_t i = 0; i < 3; i++)
        for (int n = 0, done = 0; !done; n++) {
            struct thief thief = {.op = kinds[i].op, .on = kinds[i].on, .takes = kinds[i].takes, .after = n};
            struct told t = {.stop = NULL};
            cubby_check_result r = {0};
            state_begin(st);
            fill(st, 1, 20);
            closed();
            hurt_frames(hurt_first_object);
            fault_init(&thief.fault, st->o.vfs);
            thief.fault.hook = steal;
            thief.fault.hook_arg = &thief;
            cubby_options o = st->o;
            o.vfs = &thief.fault.vfs;
            int rc = cubby__fsck_check("/s", &o, 0, note, &t, &r, &st->err);
            done = thief.after >= 0;
            ck_assert_msg(rc == 0, "%zu %d: %d %s", i, n, rc, st->err.message);
            ck_assert_msg(i == 2 ? r.findings > 0 : strstr(t.codes, "FRAME_DAMAGED") != NULL, "%zu %d: %s", i, n, t.codes);
            cubby__memfs_free(&st->fs);
        }
}
END_TEST

UNIT_MAIN("mail/fsck_check", found_before_it_failed, never_quiet, never_quiet_and_harmed, more_than_is_held, many_segments_are_hurt,
          deleted_folders_in_the_checkpoint, a_folder_deleted_since_the_checkpoint, a_folder_that_only_the_checkpoint_knows,
          files_that_change_meanwhile)
