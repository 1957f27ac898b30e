#include "unit/store/store_util.h"

START_TEST(add_and_read)
{
    struct bed bed, *b = &bed;
    struct cubby__spool *sp, *more;
    uint64_t off[3];
    char buf[16];
    bed_begin(b);
    MUST(cubby__spool_new(b->s, &sp, &b->err));
    MUST(cubby__spool_add(sp, "0123456789", 10, &off[0], &b->err));
    MUST(cubby__spool_add(sp, "", 0, &off[1], &b->err));
    MUST(cubby__spool_add(sp, "abc", 3, &off[2], &b->err));
    ck_assert(off[0] == 0 && off[1] == 10 && off[2] == 10);
    MUST(cubby__spool_read(sp, 8, buf, 5, &b->err));
    ck_assert_mem_eq(buf, "89abc", 5);
    REFUSES(cubby__spool_read(sp, 9, buf, 5, &b->err), CUBBY_EIO);
    more = cubby__spool_ref(sp);
    cubby__spool_unref(&sp);
    ck_assert_ptr_null(sp);
    MUST(cubby__spool_read(more, 0, buf, 3, &b->err));
    cubby__spool_unref(&more);
    cubby__spool_unref(&more);
    bed_end(b); /* memfs would find the file open */
}
END_TEST

static int any(void *arg, const char *name)
{
    (void)name;
    ++*(int *)arg;
    return 0;
}

START_TEST(leaves_no_name)
{
    struct bed bed, *b = &bed;
    struct cubby__spool *sp[3];
    int names = 0;
    bed_begin(b);
    for (int i = 0; i < 3; i++)
        MUST(cubby__spool_new(b->s, &sp[i], &b->err));
    MUST(b->vfs->list(b->vfs->ctx, "/s/tmp", any, &names));
    ck_assert_int_eq(names, 0);
    for (int i = 0; i < 3; i++)
        cubby__spool_unref(&sp[i]);
    bed_end(b);
}
END_TEST

START_TEST(failures)
{
    struct bed bed, *b = &bed;
    struct cubby__spool *sp = NULL;
    struct cubby__txn *t;
    uint64_t off;
    char buf[4];
    bed_begin(b);
    fault_set(&b->fault, FAULT_OPEN, "tmp", 0, -ENOSPC, 0);
    REFUSES(cubby__spool_new(b->s, &sp, &b->err), CUBBY_ENOSPC);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/tmp", "/s/gone")); /* no room for tmp/: that is what is told */
    fault_set(&b->fault, FAULT_MKDIR, "tmp", 0, -ENOSPC, 0);
    REFUSES(cubby__spool_new(b->s, &sp, &b->err), CUBBY_ENOSPC);
    fault_set(&b->fault, FAULT_RANDOM, "", 0, -EIO, 0);
    REFUSES(cubby__spool_new(b->s, &sp, &b->err), CUBBY_EIO);
    MUST(cubby__spool_new(b->s, &sp, &b->err));
    fault_set(&b->fault, FAULT_PWRITE, "spool", 0, -ENOSPC, 0);
    REFUSES(cubby__spool_add(sp, "abcd", 4, &off, &b->err), CUBBY_ENOSPC);
    MUST(cubby__spool_add(sp, "abcd", 4, &off, &b->err));
    ck_assert_uint_eq(off, 0);
    fault_set(&b->fault, FAULT_PREAD, "spool", 0, -EIO, 0);
    REFUSES(cubby__spool_read(sp, 0, buf, 4, &b->err), CUBBY_EIO);
    /* while the piece is framed: the transaction is spoiled; while it is appended: nothing of it happened, either */
    struct cubby__piece piece = {.id = 1};
    struct cubby__content c = {.spool = sp, .off = off, .len = 4};
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    fault_set(&b->fault, FAULT_PREAD, "spool", 0, -EIO, 0);
    REFUSES(cubby__txn_log_piece(t, &piece, &c), CUBBY_EIO);
    ck_assert_int_eq(cubby__txn_commit(&t, NULL), CUBBY_EIO);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(cubby__txn_log_piece(t, &piece, &c));
    MUST(cubby__txn_commit(&t, NULL));
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(cubby__txn_log_piece(t, &piece, &c));
    fault_set(&b->fault, FAULT_PREAD, "spool", 0, -EIO, 0);
    REFUSES(cubby__txn_commit(&t, NULL), CUBBY_EIO);
    cubby__spool_unref(&sp);
    bed_close(b);
    bed_open(b);
    bed_rebuild_is_equal(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/spool", add_and_read, leaves_no_name, failures)
