/* An index that cannot be synced, once or ever: no store depends on it, and the next checkpoints are of another file (index.c, X7 and X8; renew.c). */
#include "store/commit.h"
#include "store/index.h"
#include "unit/heap.h"
#include "unit/store/store_util.h"

enum { ROWS = 150, STEP = 4000 };

static struct cubby__store *second_of(struct bed *b)
{
    struct cubby__store *s;
    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &s, &b->err));
    return s;
}

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
}

/* Rows, and the sync of the checkpoint behind one of them that fails. */
static void with_a_failed_sync(struct bed *b, int which)
{
    bed_begin_with(b, 0, STEP);
    fault_set(&b->fault, FAULT_SYNC, "/s/index", which, -EIO, 0);
    for (int i = 0; b->fault.hits == 0; i++)
        kv_store_many(b, i, i + 1, 100);
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_UNSYNCED_OFF), cubby__pager_nonce(b->s->pager));
}

/* Rows, and a checkpoint that is asked for, of which a sync fails. Returns the nonce of the index. */
static uint64_t with_a_failed_checkpoint(struct bed *b, int rows, int which)
{
    bed_begin_with(b, 0, 1u << 30);
    kv_store_many(b, 0, rows, 100);
    fault_set(&b->fault, FAULT_SYNC, "/s/index", which, -EIO, 0);
    ck_assert_int_eq(cubby__store_checkpoint(b->s, &b->err), CUBBY_EIO);
    return cubby__pager_nonce(b->s->pager);
}

/* So many that the next checkpoint is due. */
static void more_rows(struct bed *b)
{
    kv_store_many(b, 200, 200 + STEP / 100, 100);
}

static void goes_on(struct bed *b, uint64_t old_nonce)
{
    struct cubby__published p;
    cubby__read_published(b->s, &p);
    ck_assert_uint_ne(p.index_nonce, old_nonce);
    ck_assert_uint_eq(p.index_nonce, cubby__pager_nonce(b->s->pager));
    ck_assert_uint_lt(p.replay_bytes, 2 * STEP);
    ck_assert_int_eq(bed_exists(b, "/s/tmp/new-index"), 0);
    ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), 0);
    uint64_t seq = p.checkpoint_seq;
    more_rows(b);
    cubby__read_published(b->s, &p);
    ck_assert_uint_gt(p.checkpoint_seq, seq); /* an ordinary one */
    bed_quiet(b);
    sound(b);
    bed_close(b);
    bed_open(b);
    ck_assert_str_eq(b->notice, "");
    ck_assert_str_ne(kv_look(b, "k0201"), "");
    sound(b);
    bed_end(b);
}

START_TEST(after_one_failed_sync)
{
    for (int which = 0; which < 6; which++) {
        struct bed bed, *b = &bed;
        struct cubby__view v;
        with_a_failed_sync(b, which);
        uint64_t nonce = cubby__pager_nonce(b->s->pager);
        struct cubby__store *second = second_of(b);
        MUST(cubby__view_begin(second, &v, &b->err));
        struct cubby__buf before = kv_dump_view(&v);
        more_rows(b);
        same_rows(kv_dump_view(&v), before); /* X3 */
        cubby__view_end(&v);
        same_rows(kv_dump(b), kv_dump_of(second));
        ck_assert_uint_eq(cubby__pager_nonce(second->pager), cubby__pager_nonce(b->s->pager));
        MUST(kv_store_in(second, "theirs", "x", 0, NULL, &b->err));
        ck_assert_str_eq(kv_look(b, "theirs"), "x");
        MUST(cubby__store_close(&second, &b->err));
        goes_on(b, nonce);
    }
}
END_TEST

/* What the index before says to have been synced is evidence, until the name of the copy is sure to be there. */
START_TEST(evidence_stays)
{
    for (int fails = 0; fails < 2; fails++) {
        struct bed bed, *b = &bed;
        with_a_failed_sync(b, 0);
        bed_write(b, "/s/tmp/old-index", 0, "evidence", 8);
        uint64_t nonce = cubby__pager_nonce(b->s->pager);
        if (fails)
            fault_set(&b->fault, FAULT_DIRSYNC, "/s", 0, -EIO, 0);
        more_rows(b);
        ck_assert(!fails || b->fault.hits == 1);
        ck_assert_uint_ne(cubby__pager_nonce(b->s->pager), nonce);
        ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), fails);
        if (fails)
            bed_unlink(b, "/s/tmp/old-index");
        goes_on(b, nonce);
    }
}
END_TEST

/* Nothing is due before as much has been written as for any checkpoint; and lazy commits are synced first. */
START_TEST(not_before_it_is_due)
{
    struct bed bed, *b = &bed;
    uint64_t nonce = with_a_failed_checkpoint(b, 20, 0);
    kv_store_many(b, 20, 60, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    ck_assert_uint_eq(cubby__pager_nonce(b->s->pager), nonce);
    ck_assert_uint_lt(b->s->pending.checkpoint_commit, b->s->pending.commit);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err)); /* announces the ceiling */
    MUST(kv_store_in(b->s, "lazy", "1", CUBBY_LAZY, NULL, &b->err));
    ck_assert_uint_lt(b->s->pending.durable, b->s->pending.commit);
    b->s->o.checkpoint_bytes = STEP;
    MUST(kv_store_in(b->s, "lazy", "2", CUBBY_LAZY, NULL, &b->err));
    ck_assert_uint_ne(cubby__pager_nonce(b->s->pager), nonce);
    ck_assert_str_eq(kv_look(b, "lazy"), "2");
    goes_on(b, nonce);
}
END_TEST

START_TEST(when_a_checkpoint_is_asked_for)
{
    struct bed bed, *b = &bed;
    uint64_t nonce = with_a_failed_checkpoint(b, 60, 1);
    b->s->o.checkpoint_bytes = STEP;
    MUST(cubby__store_checkpoint(b->s, &b->err));
    ck_assert_uint_eq(b->s->pending.checkpoint_commit, b->s->pending.commit);
    goes_on(b, nonce);
}
END_TEST

/* X4: a version that no checkpoint can name waits for the next commit. */
START_TEST(numbers_without_a_commit)
{
    struct bed bed, *b = &bed;
    with_a_failed_sync(b, 0);
    uint64_t nonce = cubby__pager_nonce(b->s->pager);
    cubby__note_synced(b->s);
    ck_assert_uint_eq(b->s->pending.durable, b->s->pending.commit);
    b->s->pending.root_commit = b->s->pending.commit + 1;
    MUST(cubby__index_renew(b->s, &b->err));
    ck_assert_uint_eq(cubby__pager_nonce(b->s->pager), nonce);
    b->s->pending.root_commit = b->s->pending.commit;
    more_rows(b);
    goes_on(b, nonce);
}
END_TEST

/* Whatever fails, the old index stays; what a copy could not be made of is told. */
START_TEST(copies_that_fail)
{
    static const struct {
        enum fault_op op;
        const char *on;
        int after, rc;
    } at[] = {{FAULT_RANDOM, "", 0, -EIO}, {FAULT_OPEN, "new-index", 0, -EACCES}, {FAULT_PWRITE, "new-index", 0, -ENOSPC}, {FAULT_PWRITE, "new-index", 1, -ENOSPC},
              {FAULT_PWRITE, "new-index", 2, -EIO}, {FAULT_PREAD, "new-index", 0, -EIO}, {FAULT_SYNC, "new-index", 0, -EIO}, {FAULT_SYNC, "new-index", 1, -EIO},
              {FAULT_RENAME, "/s/index", 0, -EIO}, {FAULT_OPEN, "/s/index", 0, -EIO}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct bed bed, *b = &bed;
        with_a_failed_sync(b, 1);
        struct cubby__store *second = second_of(b);
        uint64_t nonce = cubby__pager_nonce(b->s->pager);
        bed_quiet(b);
        fault_set(&b->fault, at[i].op, at[i].on, at[i].after, at[i].rc, 0);
        for (int k = 0; k < 100 && b->fault.hits == 0; k++)
            kv_store_many(b, k, k + 1, 100);
        ck_assert_msg(b->fault.hits == 1, "%zu", i);
        ck_assert_ptr_nonnull(strstr(b->notice, "no copy of the index"));
        ck_assert_int_eq(bed_exists(b, "/s/tmp/new-index"), 0);
        sound(b);
        ck_assert_str_ne(kv_look_in(second, "k0000"), "");
        MUST(kv_store_in(second, "theirs", "x", 0, NULL, &b->err));
        ck_assert_str_eq(kv_look(b, "theirs"), "x");
        MUST(cubby__store_close(&second, &b->err));
        for (int k = 0; k < 30; k++) /* it is tried again */
            more_rows(b);
        goes_on(b, nonce);
    }
}
END_TEST

/* Y4: the more there is to copy the seldomer. */
START_TEST(copies_are_not_made_in_vain_all_the_time)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 64 << 20, STEP);
    kv_store_many(b, 0, 2000, 100);
    fault_set(&b->fault, FAULT_SYNC, "index", 0, -EIO, 1);
    for (int i = 0; i < 40; i++)
        more_rows(b);
    uint64_t size = b->s->pending.file_pages * CUBBY__PAGE_SIZE;
    ck_assert_int_ge(b->fault.hits, 3);
    ck_assert_uint_le((uint64_t)b->fault.hits, 3 + b->s->pending.replay_bytes / size);
    b->fault.rc = 0;
    sound(b);
    bed_end(b);
}
END_TEST

/* Those of the latest commits: all that were written. */
static void lose_pages(struct bed *b)
{
    for (uint64_t off = 8192; off + 4096 <= bed_size(b, "/s/index"); off += 4096)
        bed_flip(b, "/s/index", off + 50, 1);
}

/* The copy is read again: pages that the failed sync has lost are found out. */
START_TEST(a_copy_of_lost_pages)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin_with(b, 0, 1u << 30);
    kv_store_many(b, 0, ROWS, 100);
    fault_set(&b->fault, FAULT_SYNC, "/s/index", 0, -EIO, 0);
    ck_assert_int_eq(cubby__store_checkpoint(b->s, &b->err), CUBBY_EIO);
    uint64_t nonce = cubby__pager_nonce(b->s->pager);
    lose_pages(b);
    b->s->o.checkpoint_bytes = STEP;
    fault_set(&b->fault, FAULT_OPEN, "/s/index", 0, -EIO, 1); /* and another cannot be made */
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_EIO);
    b->fault.rc = 0;
    MUST(kv_store(b, "goes", "on"));
    ck_assert_str_eq(kv_look(b, "goes"), "on");
    ck_assert_ptr_nonnull(strstr(b->notice, "no copy of the index"));
    b->o.checkpoint_bytes = STEP;
    goes_on(b, nonce);
}
END_TEST

static int third_leaf(void *arg, uint64_t page, uint32_t level, const char *problem)
{
    uint64_t *found = arg; /* how many there were, which one it is */
    (void)problem;
    if (level == 0 && ++found[0] == 3)
        found[1] = page;
    return 0;
}

/* An open cannot make sure that what a writer that died has left is on the disk. */
START_TEST(an_open_that_cannot_sync)
{
    for (int lost = 0; lost < 2; lost++) {
        struct bed bed, copy, *b = &bed;
        uint64_t leaf[2] = {0};
        bed_begin_with(b, 0, STEP);
        kv_store_many(b, 0, ROWS, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        struct cubby__root root = cubby__published_root(&b->s->pending);
        MUST(cubby__tree_check(b->s->pager, &root, third_leaf, leaf, &b->err));
        MUST(kv_store(b, "zzz", "x"));
        bed_copy(b, &copy);
        bed_end(b);
        b = &copy;
        if (lost) /* a page that an open does not read */
            bed_flip(b, "/s/index", leaf[1] * CUBBY__PAGE_SIZE + 50, 1);
        fault_set(&b->fault, FAULT_SYNC, "/s/index", 0, -EIO, 0);
        bed_open(b);
        ck_assert_int_eq(b->fault.hits, 1);
        ck_assert_ptr_nonnull(strstr(b->notice, "cannot be synced"));
        ck_assert_int_eq(strstr(b->notice, "no copy of the index") != NULL, lost);
        ck_assert_int_eq(strstr(b->notice, "built anew") != NULL, lost);
        ck_assert_uint_eq(b->s->pending.checkpoint_commit, b->s->pending.commit);
        more_rows(b);
        goes_on(b, 0);
    }
}
END_TEST

/* What stands before the copy fails, and is told to whom it concerns: lazy commits cannot be synced. */
START_TEST(a_log_that_cannot_be_synced)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    uint64_t nonce = with_a_failed_checkpoint(b, 60, 0);
    MUST(kv_store_in(b->s, "lazy", "0", CUBBY_LAZY, NULL, &b->err)); /* announces the ceiling */
    MUST(kv_store_in(b->s, "lazy", "1", CUBBY_LAZY, NULL, &b->err));
    b->o.checkpoint_bytes = b->s->o.checkpoint_bytes = STEP;
    fault_set(&b->fault, FAULT_SYNC, "segments", 0, -EIO, 0);
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ELATCHED);
    ck_assert_int_eq(b->fault.hits, 1);
    ck_assert_uint_eq(cubby__pager_nonce(b->s->pager), nonce);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_str_eq(kv_look(b, "lazy"), "1");
    more_rows(b);
    goes_on(b, nonce);
}
END_TEST

static struct bed *dying;
static struct bed dead;
static int copied;

static void die_here(void *arg, enum fault_op op, const char *path)
{
    (void)arg;
    if (op == FAULT_DIRSYNC && strcmp(path, "/s") == 0 && !copied++)
        bed_copy(dying, &dead);
}

/* Killed behind the renaming. */
START_TEST(a_writer_that_dies_there)
{
    struct bed bed, *b = &bed;
    with_a_failed_sync(b, 0);
    dying = b;
    copied = 0;
    b->fault.hook = die_here;
    more_rows(b);
    b->fault.hook = NULL;
    ck_assert_int_eq(copied, 1);
    bed_end(b);
    b = &dead;
    bed_open(b);
    ck_assert_str_eq(b->notice, "");
    ck_assert_str_ne(kv_look(b, "k0000"), "");
    MUST(kv_store(b, "goes", "on"));
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- never ---- */

static int rows_there(struct bed *b)
{
    int n = 0;
    char key[16];
    while (snprintf(key, sizeof key, "k%04d", n) > 0 && strlen(kv_look(b, key)) == 100)
        n++;
    return n;
}

/* The log alone says everything. how: 0 ordinary; 1 left by a kill; 2 the index is gone, too; 3 both. */
START_TEST(a_disk_that_never_syncs_the_index)
{
    for (int how = 0; how < 4; how++) {
        struct bed bed, next, *b = &bed;
        bed_begin_with(b, 16384, STEP);
        fault_set(&b->fault, FAULT_SYNC, "index", 0, -EIO, 1);
        for (int round = 0, rows = 0; round < 5; round++, rows += 30) {
            ck_assert_int_eq(rows_there(b), rows);
            kv_store_many(b, rows, rows + 30, 100);
            struct cubby__store *second = second_of(b);
            MUST(kv_store_in(second, "theirs", "x", 0, NULL, &b->err));
            same_rows(kv_dump(b), kv_dump_of(second));
            ck_assert_uint_eq(cubby__pager_nonce(second->pager), cubby__pager_nonce(b->s->pager)); /* nobody builds one after the other */
            if (how & 1)
                bed_copy(b, &next);
            MUST(cubby__store_close(&second, &b->err));
            bed_close(b);
            if (how & 1) {
                bed_end(b);
                bed = next;
                b->vfs = cubby__memfs_vfs(b->fs);
                fault_init(&b->fault, b->vfs);
                b->o.vfs = &b->fault.vfs;
                b->o.notice_arg = b;
                fault_set(&b->fault, FAULT_SYNC, "index", 0, -EIO, 1);
            }
            if (how & 2)
                bed_unlink(b, "/s/index");
            bed_open(b);
            ck_assert_int_eq(cubby__store_read_only(b->s), 0);
        }
        ck_assert_int_eq(rows_there(b), 150);
        sound(b);
        b->fault.rc = 0; /* the disk is mended */
        int rows = 150;
        for (; b->s->pending.checkpoint_commit < 150 && rows < 2000; rows++)
            kv_store_many(b, rows, rows + 1, 100);
        ck_assert_int_lt(rows, 2000);
        bed_quiet(b);
        bed_close(b);
        bed_open(b);
        ck_assert_str_eq(b->notice, "");
        ck_assert_int_eq(rows_there(b), rows);
        sound(b);
        bed_end(b);
    }
}
END_TEST

/* ... nor when the store is made. */
START_TEST(a_store_made_there)
{
    struct bed bed, *b = &bed;
    bed_init(b);
    fault_set(&b->fault, FAULT_SYNC, "index", 0, -EIO, 1);
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    for (int i = 0; i < 3; i++) {
        bed_open(b);
        kv_store_many(b, i, i + 1, 100);
        bed_clean(b);
        bed_close(b);
    }
    b->fault.rc = 0;
    bed_open(b);
    ck_assert_int_eq(rows_there(b), 3);
    ck_assert_uint_eq(b->s->pending.checkpoint_commit, b->s->pending.commit);
    sound(b);
    bed_end(b);
}
END_TEST

/* X6: what the index knew is not lost with the checkpoint that fails. */
START_TEST(evidence_beside_an_index_without_a_checkpoint)
{
    struct bed bed, copy, *b = &bed;
    bed_begin(b);
    kv_store_many(b, 0, 20, 100);
    MUST(cubby__store_checkpoint(b->s, &b->err));
    uint64_t end = b->s->pending.seg_off, commit = b->s->pending.commit, next;
    bed_close(b);
    bed_copy(b, &copy);
    bed_end(b);
    b = &copy;
    fault_set(&b->fault, FAULT_SYNC, "index", 0, -EIO, 1);
    MUST(bed_try_open(b, CUBBY_REBUILD)); /* the log is sound still */
    ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), 1);
    bed_close(b);
    bed_truncate(b, seg_path(1), end - 200);
    for (int i = 0; i < 2; i++) {
        bed_quiet(b);
        bed_open(b);
        ck_assert_int_eq(strstr(b->notice, "had been synced") != NULL, i == 0); /* then the log says so itself */
        ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), 1);
        bed_close(b);
    }
    b->fault.rc = 0;
    bed_open(b);
    ck_assert_int_eq(bed_exists(b, "/s/tmp/old-index"), 0);
    MUST(kv_store_in(b->s, "goes", "on", 0, &next, &b->err));
    ck_assert_uint_gt(next, commit);
    bed_rebuild_is_equal(b);
    bed_end(b);
}
END_TEST

/* Every allocation of a transaction that makes a copy fails in turn. */
START_TEST(no_memory_for_a_copy)
{
    int without = 0;
    for (int after = 0, hits = 1; hits; after++) {
        struct bed bed, *b = &bed;
        struct cubby__txn *t;
        bed_begin_with(b, 0, 1u << 30);
        kv_store_many(b, 0, 60, 100);
        fault_set(&b->fault, FAULT_SYNC, "/s/index", 0, -EIO, 0);
        ck_assert_int_eq(cubby__store_checkpoint(b->s, &b->err), CUBBY_EIO);
        uint64_t nonce = cubby__pager_nonce(b->s->pager);
        b->o.checkpoint_bytes = b->s->o.checkpoint_bytes = STEP;
        heap_fail(after, 0);
        int rc = cubby__txn_begin(b->s, 0, &t, &b->err);
        hits = heap_works();
        ck_assert(rc == 0 || rc == CUBBY_ENOMEM);
        if (rc == 0)
            cubby__txn_abort(&t);
        without += cubby__pager_nonce(b->s->pager) == nonce;
        for (int i = 0; i < 30; i++)
            more_rows(b);
        goes_on(b, nonce);
    }
    ck_assert_int_gt(without, 5);
}
END_TEST

int main(void)
{
    const TTest *const tests[] = {after_one_failed_sync, evidence_stays, not_before_it_is_due, when_a_checkpoint_is_asked_for, numbers_without_a_commit,
                                  copies_that_fail, copies_are_not_made_in_vain_all_the_time, a_copy_of_lost_pages, an_open_that_cannot_sync,
                                  a_log_that_cannot_be_synced, a_writer_that_dies_there, a_disk_that_never_syncs_the_index, a_store_made_there,
                                  evidence_beside_an_index_without_a_checkpoint, no_memory_for_a_copy};
    heap_install();
    return unit_run("store/renew", tests, sizeof tests / sizeof *tests);
}
