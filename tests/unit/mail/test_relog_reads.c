/* test_relog_reads.c - a read of the index that fails while it is asked (mail/relog.c): the caller is told, or it did not matter. */
#include "mail/relog.h"

#include "store/internal.h"
#include "unit/fault_vfs.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

static void changes(uint64_t id)
{
    cubby_uidset *some = uids("3:9,40"), *others = uids("11:30"), *changed;
    begin(st);
    MUST(cubby__entry_expunge(st->txn, id, some, 0, NULL));
    MUST(cubby__flags_change(st->txn, id, others, CUBBY_FLAGS_ADD, CUBBY_SEEN, NULL, 0, &changed));
    MUST(cubby__subscribe(st->txn, "here", 5, 1));
    commit(st);
    cubby_uidset_free(&changed);
    cubby_uidset_free(&others);
    cubby_uidset_free(&some);
}

/* Closed: a folder in several segments, of which one does not say any more what the index knows. */
static void made(void)
{
    uint64_t id;
    state_begin(st);
    st->o.segment_bytes = 4096;
    state_reopen(st, 0);
    begin(st);
    MUST(cubby__folder_create(st->txn, CUBBY_ROOT, "a", 1, &id));
    commit(st);
    for (int i = 0; i < 60; i++) {
        fill(st, id, 12);
        if (i == 25)
            changes(id);
    }
    ck_assert_uint_gt(st->s->pending.seg, 4);
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    for (int i = 2; i < 5; i++) {
        char path[64];
        snprintf(path, sizeof path, "/s/segments/%08d.seg", i);
        file_zero(st->o.vfs, path, 2048, 1024);
    }
}

/* Asks the index, of which the nth read fails. Then all that the segments say, if it was said that this is all. */
static int ask(struct fault *fault, int n, uint64_t *records, struct cubby__buf *all)
{
    struct cubby__store *fresh = state_of_segments(st);
    cubby_options o = st->o;
    o.vfs = &fault->vfs;
    o.cache_bytes = 1;
    MUST(cubby__store_open("/s", &o, &cubby__mail_handlers, &st->s, &st->err));
    fault_set(fault, FAULT_PREAD, "index", n, -EIO, 0);
    int rc = cubby__relog(st->s, fresh, st->s->pending.commit, records, &st->err);
    fault->rc = 0;
    MUST(cubby__store_close(&st->s, &st->err));
    MUST(cubby__store_close(&fresh, &st->err));
    st->o.flags = CUBBY_REBUILD;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    picture(look(st), all);
    unlook(st);
    MUST(cubby__store_close(&st->s, &st->err));
    return rc;
}

START_TEST(every_read)
{
    struct cubby__buf all = CUBBY__BUF_INIT, want = CUBBY__BUF_INIT;
    struct fault fault;
    uint64_t records, known = 0;
    int failed = 0;
    for (int n = -1, hits = 1; hits; n++) {
        made();
        fault_init(&fault, st->o.vfs);
        int rc = ask(&fault, n < 0 ? 1 << 30 : n, &records, n < 0 ? &want : &all);
        hits = n < 0 || fault.hits;
        ck_assert_msg(rc == 0 || (hits && rc == CUBBY_EIO), "read %d: %d %s", n, rc, st->err.message);
        if (n < 0)
            known = records;
        else if (rc == 0)
            ck_assert_msg(records == known && all.len == want.len && memcmp(all.data, want.data, want.len) == 0, "read %d: %d of %d records", n,
                          (int)records, (int)known);
        failed += rc != 0;
        cubby__memfs_free(&st->fs);
    }
    ck_assert_uint_gt(known, 5);
    ck_assert_int_gt(failed, 12);
    cubby__buf_release(&all);
    cubby__buf_release(&want);
}
END_TEST

UNIT_MAIN("mail/relog_reads", every_read)
