/* Coming to a store where others are, were, or are just coming: locks, the shared page, reader slots (shared.c, S1 to S6). */
#include "store/commit.h"
#include "unit/store/store_util.h"

static int open_with(struct bed *b, unsigned flags, struct cubby__store **s)
{
    cubby_options o = b->o;
    o.flags = flags;
    memset(&b->err, 0, sizeof b->err);
    return cubby__store_open("/s", &o, &kv_handlers, s, &b->err);
}

/* A handle that only reads: what slot it has, -1: it reads as if it were alone. */
static int reads_with(struct bed *b)
{
    struct cubby__store *s;
    MUST(open_with(b, CUBBY_READ_ONLY, &s));
    int slot = s->slot;
    ck_assert_str_eq(kv_look_in(s, "k0004"), kv_look(b, "k0004"));
    MUST(cubby__store_close(&s, &b->err));
    return slot;
}

static void opened(struct bed *b)
{
    bed_begin(b);
    kv_store_many(b, 0, 5, 30);
}

static void sound(struct bed *b)
{
    bed_clean(b);
    bed_rebuild_is_equal(b);
}

/* ---- the first one ---- */

static void ready_at_last(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    (void)path;
    if (op == FAULT_SLEEP && b->fault.calls[op] == 5)
        cubby__shared_set(b->s, CUBBY__SHARED_READY_OFF, CUBBY__SHARED_READY);
}

/* Somebody is attached, and the page does not say that it is ready: whoever comes waits, for 10 s at most. */
START_TEST(a_page_that_is_not_ready)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    opened(b);
    cubby__shared_set(b->s, CUBBY__SHARED_READY_OFF, 0);
    REFUSES(open_with(b, 0, &second), CUBBY_EBUSY);
    ck_assert_int_ge(b->fault.calls[FAULT_SLEEP], 1000);
    ck_assert_int_eq(reads_with(b), -1); /* nobody who is there has a part in it */
    b->fault.calls[FAULT_SLEEP] = 0;
    b->fault.hook = ready_at_last;
    b->fault.hook_arg = b;
    MUST(open_with(b, 0, &second));
    b->fault.hook = NULL;
    ck_assert_int_eq(b->fault.calls[FAULT_SLEEP], 5);
    MUST(kv_store_in(second, "both", "here", 0, NULL, &b->err));
    ck_assert_str_eq(kv_look(b, "both"), "here");
    MUST(cubby__store_close(&second, &b->err));
    sound(b);
    bed_end(b);
}
END_TEST

/* ... and another one is setting it up: it has the lock alone. */
START_TEST(somebody_sets_it_up)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    cubby_file *f;
    opened(b);
    bed_close(b);
    MUST(b->vfs->open(b->vfs->ctx, "/s/cubby.id", CUBBY_OPEN_WRITE, &f));
    MUST(b->vfs->lock(b->vfs->ctx, f, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_EXCLUSIVE));
    REFUSES(open_with(b, 0, &second), CUBBY_EBUSY);
    MUST(open_with(b, CUBBY_READ_ONLY, &second)); /* waited, too, and then alone */
    ck_assert_int_eq(second->slot, -1);
    ck_assert_str_ne(kv_look_in(second, "k0004"), "");
    MUST(cubby__store_close(&second, &b->err));
    b->vfs->close(b->vfs->ctx, f);
    bed_open(b);
    sound(b);
    bed_end(b);
}
END_TEST

static int stop_third(void *arg, uint64_t done, uint64_t total)
{
    ck_assert_uint_eq(done + total, 0);
    return ++*(int *)arg == 3;
}

static int snapshot_of(struct bed *b, struct cubby__store *s)
{
    struct cubby__view v;
    memset(&b->err, 0, sizeof b->err);
    int rc = cubby__view_begin(s, &v, &b->err);
    if (rc == 0)
        cubby__view_end(&v);
    return rc;
}

/* That may be a rebuild that takes long: everybody waits for it as long as the options say, and until progress says no. The reader reads then as if it
 * were alone, opened before that or now. */
START_TEST(a_wait_as_it_was_asked_for)
{
    static const struct {
        uint32_t ms;
        int64_t least, most;
    } cases[] = {{UINT32_MAX, 0, 0}, {50, 50, 60}, {30000, 30000, 30010}};
    struct bed bed, *b = &bed;
    cubby_file *f;
    opened(b);
    bed_close(b);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cubby__store *before, *now = NULL;
        int asked = 0;
        b->o.lock_timeout_ms = cases[i].ms;
        MUST(open_with(b, CUBBY_READ_ONLY, &before));
        MUST(b->vfs->open(b->vfs->ctx, "/s/cubby.id", CUBBY_OPEN_WRITE, &f));
        MUST(b->vfs->lock(b->vfs->ctx, f, CUBBY__LOCK_ATTACH, 1, CUBBY_LOCK_EXCLUSIVE));
        for (int who = 0; who < 3; who++) {
            int64_t began = b->vfs->ticks_ms(b->vfs->ctx);
            int rc = who == 2 ? snapshot_of(b, before) : open_with(b, who ? CUBBY_READ_ONLY : 0, &now);
            int64_t took = b->vfs->ticks_ms(b->vfs->ctx) - began;
            ck_assert_int_eq(rc, who == 0 ? CUBBY_EBUSY : 0);
            ck_assert_msg(took >= cases[i].least && took <= cases[i].most, "%u ms: %d waits %lld ms", cases[i].ms, who, (long long)took);
            if (who == 1)
                MUST(cubby__store_close(&now, &b->err));
        }
        MUST(cubby__store_close(&before, &b->err));
        b->o.progress = stop_third;
        b->o.progress_arg = &asked;
        for (int who = 0; who < 2 && cases[i].ms != UINT32_MAX; who++, asked = 0) {
            REFUSES(open_with(b, who ? CUBBY_READ_ONLY : 0, &now), CUBBY_ECANCEL);
            ck_assert_int_eq(asked, 3);
        }
        b->o.progress = NULL;
        b->vfs->close(b->vfs->ctx, f);
    }
    b->o.lock_timeout_ms = 0;
    bed_open(b);
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- locks that fail, or that there are none of ---- */

START_TEST(a_system_that_fails)
{
    static const struct {
        enum fault_op op;
        const char *on;
        int rc;
    } cases[] = {{FAULT_LOCK, "cubby.id", -EIO}, {FAULT_LOCK_TEST, "cubby.id", -EIO}, {FAULT_MAP, "cubby.id", -EIO}};
    for (int first = 0; first < 2; first++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
            for (int after = 0; after < 6; after++) {
                struct bed bed, *b = &bed;
                struct cubby__store *second = NULL;
                opened(b);
                if (first)
                    bed_close(b);
                fault_set(&b->fault, cases[i].op, cases[i].on, after, cases[i].rc, 0);
                int rc = open_with(b, first || i == 0 ? 0 : CUBBY_READ_ONLY, &second), hits = b->fault.hits;
                ck_assert_int_eq(rc, hits ? CUBBY_EIO : 0);
                b->fault.rc = 0;
                if (rc == 0)
                    MUST(cubby__store_close(&second, &b->err));
                if (first)
                    bed_open(b);
                MUST(kv_store(b, "goes", "on"));
                ck_assert_uint_eq(cubby__oldest_reader(b->s, 1u << 30, 0), 1u << 30);
                sound(b);
                bed_end(b);
                if (!hits)
                    break;
            }
}
END_TEST

/* Readers do without locks where there are none: then nobody is attached. */
START_TEST(a_file_system_without_locks)
{
    static const int none[] = {-ENOLCK, -EOPNOTSUPP, -ENOSYS, -EINVAL, -EAGAIN};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        for (int both = 0; both < 2; both++) { /* the question fails, or the lock */
            struct bed bed, *b = &bed;
            opened(b);
            fault_set(&b->fault, both ? FAULT_LOCK : FAULT_LOCK_TEST, "cubby.id", 0, none[i], 1);
            ck_assert_int_eq(reads_with(b), -1);
            ck_assert_int_gt(b->fault.hits, 0);
            b->fault.rc = 0;
            ck_assert_int_ge(reads_with(b), 1);
            bed_end(b);
        }
}
END_TEST

/* A table that has no locks of directories. */
START_TEST(no_locks_of_directories)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    bed_init(b);
    b->fault.vfs.lock_dir = NULL;
    MUST(cubby__store_create("/s", &b->o, &kv_handlers, &b->err));
    bed_open(b);
    kv_store_many(b, 0, 5, 30);
    ck_assert_ptr_null(b->s->dir_lock);
    MUST(open_with(b, 0, &second));
    MUST(kv_store_in(second, "both", "here", 0, NULL, &b->err));
    MUST(kv_store(b, "both", "again"));
    b->fault.vfs.lock_dir = fault_lock_dir;
    ck_assert_int_ge(reads_with(b), 2); /* one that knows its directory beside one that does not */
    MUST(cubby__store_close(&second, &b->err));
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- twins ---- */

static int twin; /* the directory is another one, and cubby.id has a name in both */

static int fstat_of_twins(void *ctx, cubby_file *f, cubby_vfs_stat *out)
{
    int rc = fault_fstat(ctx, f, out);
    if (strstr(fault_file(f)->path, "cubby.id"))
        out->links = 2;
    else if (strcmp(fault_file(f)->path, "/s") == 0)
        out->inode += (uint64_t)twin;
    return rc;
}

/* A copy by hard links is neither used beside the store nor after it. */
START_TEST(a_copy_of_links)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    opened(b);
    b->fault.vfs.fstat = fstat_of_twins;
    bed_close(b);
    twin = 0;
    bed_open(b); /* the same again */
    twin = 1;
    REFUSES(open_with(b, 0, &second), CUBBY_EBUSY);
    ck_assert_ptr_nonnull(strstr(b->err.message, "it is open"));
    ck_assert_int_eq(reads_with(b), -1);
    twin = 0;
    bed_close(b);
    twin = 1;
    REFUSES(open_with(b, 0, &second), CUBBY_EBUSY);
    ck_assert_ptr_nonnull(strstr(b->err.message, "it was last open"));
    twin = 0;
    bed_open(b);
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- reader slots ---- */

START_TEST(no_slot_is_left)
{
    struct bed bed, *b = &bed;
    struct cubby__store *second;
    cubby_file *f;
    opened(b);
    MUST(b->vfs->open(b->vfs->ctx, "/s/cubby.id", CUBBY_OPEN_WRITE, &f));
    MUST(b->vfs->lock(b->vfs->ctx, f, CUBBY__LOCK_SLOT + 1, CUBBY__SHARED_SLOTS - 1, CUBBY_LOCK_EXCLUSIVE));
    REFUSES(open_with(b, 0, &second), CUBBY_EBUSY);
    ck_assert_int_eq(reads_with(b), -1);
    b->vfs->close(b->vfs->ctx, f);
    ck_assert_int_eq(reads_with(b), 1);
    sound(b);
    bed_end(b);
}
END_TEST

/* The index has gone under those who are attached: a reader lets go of its slot and builds one in memory. */
START_TEST(a_reader_that_finds_no_index)
{
    struct bed bed, *b = &bed;
    opened(b);
    bed_unlink(b, "/s/index");
    ck_assert_int_eq(reads_with(b), -1);
    ck_assert_int_eq(bed_exists(b, "/s/index"), 0);
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1u << 30, 0), 1u << 30);
    MUST(kv_store(b, "goes", "on"));
    ck_assert_int_ge(reads_with(b), 1);
    sound(b);
    bed_end(b);
}
END_TEST

/* S4: a slot is changed only from what it was last seen to be. */
START_TEST(slots_are_exchanged)
{
    struct bed bed, *b = &bed;
    struct cubby__view v;
    opened(b);
    MUST(cubby__view_begin(b->s, &v, &b->err));
    uint64_t is = cubby__slot_get(b->s);
    ck_assert_uint_eq(is, v.commit + 1);
    ck_assert_int_eq(cubby__slot_swap(b->s, is + 1, 77), 0);
    ck_assert_uint_eq(cubby__slot_get(b->s), is);
    ck_assert_int_ne(cubby__slot_swap(b->s, is, is + 1), 0);
    ck_assert_uint_eq(cubby__slot_get(b->s), is + 1);
    cubby__view_end(&v);
    ck_assert_uint_eq(cubby__slot_get(b->s), 0);
    bed_end(b);
}
END_TEST

static struct cubby__store *mover;
static uint64_t moves_to;

/* When the writer asks whether the owner of a slot lives. */
static void owner_moves(void *arg, enum fault_op op, const char *path)
{
    (void)arg;
    (void)path;
    if (op == FAULT_LOCK_TEST && moves_to) {
        cubby__slot_set(mover, moves_to);
        moves_to = 0;
    }
}

/* The owner goes on to a newer snapshot at the moment when the old one is to be revoked: that one is not. */
START_TEST(an_owner_that_moves_on)
{
    struct bed bed, *b = &bed;
    opened(b);
    MUST(open_with(b, 0, &mover));
    b->fault.hook = owner_moves;
    cubby__slot_set(mover, 10 + 1);
    moves_to = 60 + 1;
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1000, 50), 60);
    ck_assert_uint_eq(cubby__slot_get(mover), 60 + 1);
    moves_to = 20 + 1; /* not far enough */
    cubby__slot_set(mover, 10 + 1);
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1000, 50), 50);
    ck_assert_uint_eq(cubby__slot_get(mover), 50 + 1);
    moves_to = 0;
    /* what protects everything is not revoked */
    cubby__slot_set(mover, CUBBY__SLOT_ALL);
    ck_assert_uint_eq(cubby__oldest_reader(b->s, 1000, 50), 0);
    ck_assert_uint_eq(cubby__slot_get(mover), CUBBY__SLOT_ALL);
    cubby__slot_set(mover, 0);
    b->fault.hook = NULL;
    MUST(cubby__store_close(&mover, &b->err));
    sound(b);
    bed_end(b);
}
END_TEST

/* A mark from the future, of a clock that has begun anew: nothing is ripe for that. */
START_TEST(a_clock_that_goes_back)
{
    struct bed bed, *b = &bed;
    opened(b);
    cubby__shared_set(b->s, CUBBY__SHARED_RIPE_OFF, 0);
    cubby__shared_set(b->s, CUBBY__SHARED_MARK_OFF, 99);
    cubby__shared_set(b->s, CUBBY__SHARED_MARK_TIME_OFF, (uint64_t)1 << 60);
    ck_assert_uint_eq(cubby__ripe(b->s, 7), 0);
    ck_assert_uint_eq(cubby__shared_get(b->s, CUBBY__SHARED_MARK_OFF), 7);
    b->vfs->sleep_ms(b->vfs->ctx, 3600 * 1000);
    ck_assert_uint_eq(cubby__ripe(b->s, 8), 7);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/attach", a_page_that_is_not_ready, somebody_sets_it_up, a_wait_as_it_was_asked_for, a_system_that_fails, a_file_system_without_locks, no_locks_of_directories,
          a_copy_of_links, no_slot_is_left, a_reader_that_finds_no_index, slots_are_exchanged, an_owner_that_moves_on, a_clock_that_goes_back)
