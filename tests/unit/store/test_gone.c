/* A store that is removed, moved or replaced while it is open, and handles in forked children (shared.c, S6 and S7). */
#include <sys/wait.h>
#include <unistd.h>

#include "store/commit.h"
#include "unit/store/store_util.h"

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
}

/* ---- removed, moved, replaced ---- */

START_TEST(cubby_id_has_lost_its_name)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct cubby__view v;
    struct cubby__store *reader, *second;
    uint64_t commit;
    cubby_options o;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    o = b->o;
    o.flags = CUBBY_READ_ONLY;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &reader, &b->err));
    ck_assert_int_ge(reader->slot, 0);
    MUST(cubby__view_begin(b->s, &v, &b->err)); /* from before */
    bed_unlink(b, "/s/cubby.id");
    struct cubby__store *const both[] = {b->s, reader};
    for (int i = 0; i < 2; i++) {
        struct cubby__view w;
        REFUSES(cubby__view_begin(both[i], &w, &b->err), CUBBY_ESTALE);
        cubby__view_end(&w); /* of one that never began */
        REFUSES(cubby__view_begin_all(both[i], &w, &b->err), CUBBY_ESTALE);
        REFUSES(cubby__index_is_whole(both[i], &commit, &b->err), CUBBY_ESTALE);
    }
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ESTALE);
    REFUSES(cubby__store_checkpoint(b->s, &b->err), CUBBY_ESTALE);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct kv_row r;
    MUST(kv_get(&v, "k0004", buf, &r)); /* what is open can be read */
    cubby__view_end(&v);
    ck_assert_int_eq(b->s->users, 0);
    REFUSES(cubby__store_close(&b->s, &b->err), CUBBY_ESTALE); /* nothing is written where it does not belong */
    MUST(cubby__store_close(&reader, &b->err));
    ck_assert_int_eq(cubby__store_open("/s", &b->o, &kv_handlers, &second, &b->err), CUBBY_ENOTSTORE);
    bed_end(b);
}
END_TEST

/* The name leads to another file, or to none; that nobody can tell is no reason to stop. */
START_TEST(cubby_id_is_somewhere_else)
{
    struct bed bed, other, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    bed_copy(b, &other);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/cubby.id", "/s/away"));
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ESTALE);
    ck_assert_str_ne(kv_look(b, "k0004"), "");
    bed_copy_file(&other, b, "/s/cubby.id"); /* another store took the place */
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ESTALE);
    bed_unlink(b, "/s/cubby.id");
    MUST(b->vfs->rename(b->vfs->ctx, "/s/away", "/s/cubby.id"));
    MUST(kv_store(b, "back", "again"));
    static const struct {
        enum fault_op op;
        int rc, found;
    } looks[] = {{FAULT_STAT, -EIO, 1}, {FAULT_STAT, -ENOTDIR, 0}, {FAULT_STAT, -ENOENT, 0}, {FAULT_FSTAT, -EIO, 1}};
    for (size_t i = 0; i < sizeof looks / sizeof *looks; i++) {
        fault_set(&b->fault, looks[i].op, "cubby.id", 0, looks[i].rc, 1);
        int rc = kv_store(b, "look", "x");
        ck_assert_int_eq(rc, looks[i].found ? 0 : CUBBY_ESTALE);
        ck_assert_int_gt(b->fault.hits, 0);
        b->fault.rc = 0;
    }
    fault_set(&b->fault, FAULT_FSTAT, "cubby.id", 0, -EIO, 0);
    ck_assert_str_eq(kv_look(b, "look"), "x");
    ck_assert_int_eq(b->fault.hits, 1);
    sound(b);
    bed_end(b);
    b = &other;
    bed_end(b);
}
END_TEST

static const cubby_vfs *same;

static int on_another_device(void *ctx, const char *path, cubby_vfs_stat *out)
{
    (void)ctx;
    int rc = same->stat(same->ctx, path, out);
    out->device++;
    return rc;
}

START_TEST(cubby_id_is_on_another_device)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    same = b->vfs;
    b->fault.vfs.stat = on_another_device; /* with the same number */
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_ESTALE);
    b->fault.vfs.stat = fault_stat;
    MUST(kv_store(b, "back", "again"));
    bed_end(b);
}
END_TEST

static void move_away(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    if (op != FAULT_PWRITE || !strstr(path, "segments"))
        return;
    b->fault.hook = NULL;
    MUST(b->vfs->rename(b->vfs->ctx, "/s/cubby.id", "/s/away"));
}

/* An append fails, and no segment can be made where the store is no more: nobody knows. */
START_TEST(moved_while_a_commit_fails)
{
    struct bed bed, *b = &bed;
    struct cubby__published p;
    int n = 0;
    bed_begin(b);
    do {
        kv_store_many(b, n, n + 1, 30);
        n++;
        cubby__read_published(b->s, &p);
    } while (p.zeroed < p.seg_off + 8192 + 1000); /* until a small commit needs no more zeros ahead */
    b->fault.hook_arg = b;
    b->fault.hook = move_away;
    fault_set(&b->fault, FAULT_PWRITE, "segments", 0, -EIO, 0);
    REFUSES(kv_store(b, "lost?", "x"), CUBBY_EUNKNOWN);
    ck_assert_ptr_null(b->fault.hook);
    REFUSES(kv_store(b, "gone", "x"), CUBBY_ESTALE);
    MUST(b->vfs->rename(b->vfs->ctx, "/s/away", "/s/cubby.id"));
    MUST(kv_store(b, "back", "again"));
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- forked children ---- */

static int child_is_refused(struct bed *b, struct cubby__store *reader, struct cubby__view *v)
{
    struct cubby__txn *t;
    struct cubby__view w;
    uint64_t slot = cubby__slot_get(reader);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct kv_row r;
    REFUSES(cubby__txn_begin(b->s, 0, &t, &b->err), CUBBY_EINVAL);
    REFUSES(cubby__view_begin(b->s, &w, &b->err), CUBBY_EINVAL);
    REFUSES(cubby__store_sync(b->s, &b->err), CUBBY_EINVAL);
    REFUSES(cubby__store_checkpoint(b->s, &b->err), CUBBY_EINVAL);
    ck_assert_int_eq(kv_get(v, "k0004", buf, &r), 0);
    cubby__view_end(v); /* its slot is the parent's */
    ck_assert_uint_eq(cubby__slot_get(reader), slot);
    cubby__slot_set(reader, 0);
    ck_assert_uint_eq(cubby__slot_get(reader), slot);
    cubby__writer_unlock(b->s); /* so is the lock */
    MUST(cubby__store_close(&reader, &b->err));
    MUST(cubby__store_close(&b->s, &b->err));
    return 0;
}

START_TEST(a_child_may_only_let_go)
{
    struct bed bed, *b = &bed;
    struct cubby__store *reader;
    struct cubby__view v;
    int status;
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
    MUST(cubby__store_open("/s", &b->o, &kv_handlers, &reader, &b->err));
    MUST(cubby__view_begin(reader, &v, &b->err));
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0)
        exit(child_is_refused(b, reader, &v));
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    cubby__view_end(&v);
    MUST(kv_store(b, "goes", "on"));
    MUST(cubby__store_close(&reader, &b->err));
    sound(b);
    bed_end(b);
}
END_TEST

/* A child that writes to a transaction begun before the fork: it is not committed there. */
START_TEST(a_transaction_in_a_child)
{
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    int status;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "whose", "mine", 4));
    pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        REFUSES(cubby__txn_commit(&t, NULL), CUBBY_EINVAL);
        exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    MUST(cubby__txn_commit(&t, NULL));
    ck_assert_str_eq(kv_look(b, "whose"), "mine");
    sound(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/gone", cubby_id_has_lost_its_name, cubby_id_is_somewhere_else, cubby_id_is_on_another_device, moved_while_a_commit_fails,
          a_child_may_only_let_go, a_transaction_in_a_child)
