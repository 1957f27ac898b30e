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
    int visits, looks, busy;
};

static int visit(void *arg, uint64_t done, uint64_t total)
{
    struct visitor *v = arg;
    if (v->busy || done != total || !total)
        return 0;
    v->busy = 1;
    cubby_options o = st->o;
    o.progress = NULL;
    MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    fill(st, 1, 1);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_checkpoint(st->s, &st->err)); /* what else it did may lie within room that was there before */
    MUST(cubby__store_close(&st->s, &st->err));
    v->busy = 0;
    v->visits++;
    if (v->fault)
        fault_set(v->fault, FAULT_PREAD, "index", 0, -EIO, 0);
    return 0;
}

static int check(struct visitor *v, struct told *t, cubby_check_result *r)
{
    cubby_options o = st->o;
    if (v) {
        o.progress = visit;
        o.progress_arg = v;
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
    const cubby_vfs *vfs = st->o.vfs;
    uint8_t c;
    cubby_file *f;
    MUST(vfs->open(vfs->ctx, path, CUBBY_OPEN_WRITE, &f));
    ck_assert_int_eq(vfs->pread(vfs->ctx, f, &c, 1, off), 1);
    c ^= 1;
    MUST(vfs->pwrite(vfs->ctx, f, &c, 1, off));
    vfs->close(vfs->ctx, f);
}

/* Nothing can be said of a store that is another one each time: then nothing is, and not for ever. */
START_TEST(never_quiet)
{
    struct visitor v = {NULL, 0, 0, 0};
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
    struct visitor v = {NULL, 0, 0, 0};
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

UNIT_MAIN("mail/fsck_check", never_quiet, more_than_is_held)
