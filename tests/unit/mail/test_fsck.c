#include "mail/fsck.h"

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

UNIT_MAIN("mail/fsck", an_index_that_rots_meanwhile, uidvalidity_of_a_displaced_folder)
