/* test_fsck_again.c - a repair that cannot end fails before clients hear of it (mail/fsck_repair.c): else they would read all folders anew for each attempt. */
#include "mail/fsck.h"
#include "store/internal.h"
#include "unit/fault_vfs.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;
static struct fault fault;
static uint64_t folder;

static int ignore(void *arg, const cubby_finding *f)
{
    (void)arg;
    (void)f;
    return 0;
}

static void close_it(void)
{
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
}

/* Several segments, and no index that knows what is in them. */
static void made(void)
{
    state_begin(st);
    close_it();
    st->o.segment_bytes = 4096;
    st->o.notice = NULL;
    fault_init(&fault, st->o.vfs);
    st->o.vfs = &fault.vfs;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &folder));
    commit(st);
    while (st->s->pending.seg < 5)
        fill(st, folder, 5);
}

static uint32_t uidvalidity(void)
{
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    uint32_t u = folder_of(st, folder).uidvalidity;
    MUST(cubby__store_close(&st->s, &st->err));
    return u;
}

/* ---- what is done to segment 2 ---- */

static const cubby_vfs *vfs(void)
{
    return st->o.vfs;
}

static void is_gone(void)
{
    MUST(vfs()->unlink(vfs()->ctx, "/s/segments/00000002.seg"));
}

static void is_a_folder(void)
{
    is_gone();
    MUST(vfs()->mkdir(vfs()->ctx, "/s/segments/00000002.seg"));
}

static void a_folder_is_last(void)
{
    MUST(vfs()->mkdir(vfs()->ctx, "/s/segments/00000009.seg"));
}

static void zero(uint64_t from, uint64_t to)
{
    cubby_vfs_stat size;
    cubby_file *f;
    uint8_t *zeros = calloc(1, 1 << 20);
    MUST(vfs()->open(vfs()->ctx, "/s/segments/00000002.seg", CUBBY_OPEN_WRITE, &f));
    MUST(vfs()->fstat(vfs()->ctx, f, &size));
    to = to < size.size ? to : size.size;
    MUST(vfs()->pwrite(vfs()->ctx, f, zeros, (size_t)(to - from), from));
    vfs()->close(vfs()->ctx, f);
    free(zeros);
}

static void is_nothing(void)
{
    zero(0, 1 << 20);
}

static void is_hurt(void)
{
    zero(2000, 2100);
}

static int blind(struct cubby__txn *txn, const struct cubby__record *rec)
{
    (void)txn;
    (void)rec;
    return 0;
}

/* A record that verifies and says nothing: only an index that is built anew finds it. Nobody knows what an EXPUNGE took away. */
static void says_nonsense(void)
{
    static const uint8_t junk[20] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct cubby__handlers h = cubby__mail_handlers;
    struct cubby__txn *txn;
    h.apply = blind;
    MUST(cubby__store_open("/s", &st->o, &h, &st->s, &st->err));
    MUST(cubby__txn_begin(st->s, 0, &txn, &st->err));
    MUST(cubby__txn_log(txn, CUBBY__REC_EXPUNGE, 0, junk, sizeof junk));
    MUST(cubby__txn_commit(&txn, NULL));
    MUST(cubby__store_close(&st->s, &st->err));
}

/* ---- */

static const struct obstacle {
    const char *name;
    void (*damage)(void);
    enum fault_op op;
    const char *on;
    int rc;
} obstacles[] = {
    {"a folder that stays where it is", is_a_folder, FAULT_RENAME, "quarantine/00000002.seg", -EBUSY},
    {"and one behind the end", a_folder_is_last, FAULT_RENAME, "quarantine/00000009.seg", -EACCES},
    {"no room to keep what has no header", is_nothing, FAULT_PWRITE, "tmp/quarantine", -ENOSPC},
    {"no leave to keep it", is_nothing, FAULT_MKDIR, "quarantine", -EACCES},
    {"nor to write there", is_nothing, FAULT_OPEN, "tmp/quarantine", -EACCES},
    {"no leave to make a new one", is_gone, FAULT_OPEN, "tmp/00000002.seg", -EACCES},
    {"nor to give it a name", is_gone, FAULT_OPEN, "segments/trial", -EACCES},
    {"no room to keep what is copied", is_hurt, FAULT_PWRITE, "tmp/quarantine", -ENOSPC},
    {"no room to keep what only a new index finds", says_nonsense, FAULT_PWRITE, "tmp/quarantine", -ENOSPC},
};

START_TEST(nothing_is_logged_in_vain)
{
    for (size_t i = 0; i < sizeof obstacles / sizeof *obstacles; i++) {
        const struct obstacle *x = &obstacles[i];
        cubby_repair_result r;
        made();
        close_it();
        x->damage();
        MUST(vfs()->unlink(vfs()->ctx, "/s/index"));
        const uint32_t before = uidvalidity();
        for (int run = 0; run < 2; run++) {
            fault_set(&fault, x->op, x->on, 0, x->rc, 1);
            int rc = cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &r, &st->err);
            fault.rc = 0;
            ck_assert_msg(rc < 0 && fault.hits, "%s: %d, %d times", x->name, rc, fault.hits);
            ck_assert_msg(uidvalidity() == before, "%s: clients read anew", x->name);
        }
        MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &r, &st->err));
        ck_assert_msg(r.findings && !r.left, "%s: %d of %d left", x->name, (int)r.left, (int)r.findings);
        const uint32_t after = uidvalidity();
        ck_assert_msg(after > before, "%s", x->name);
        MUST(cubby__fsck_repair("/s", &st->o, 0, ignore, ignore, NULL, &r, &st->err));
        ck_assert_uint_eq(r.findings, 0);
        ck_assert_uint_eq(uidvalidity(), after);
        ck_assert_int_ne(vfs()->unlink(vfs()->ctx, "/s/segments/trial"), 0);
        cubby__memfs_free(&st->fs);
    }
}
END_TEST

UNIT_MAIN("mail/fsck_again", nothing_is_logged_in_vain)
