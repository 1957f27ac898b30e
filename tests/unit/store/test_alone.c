/* A handle that only reads, with nobody to attach to: what it sees of those who come and go (alone.c, A1 to A3). */
#include <limits.h>
#include <pthread.h>

#include "unit/heap.h"
#include "unit/store/store_util.h"

static struct cubby__store *open_alone(struct bed *b, unsigned flags)
{
    cubby_options o = b->o;
    struct cubby__store *s;
    o.flags = CUBBY_READ_ONLY | flags;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &s, &b->err));
    ck_assert_int_eq(s->slot, -1);
    return s;
}

static void die(struct bed *b)
{
    cubby__store_free(b->s);
    b->s = NULL;
}

/* A store that nobody has open, with a row. */
static struct cubby__store *left_alone(struct bed *b, unsigned flags)
{
    bed_begin(b);
    MUST(kv_store(b, "row", "old"));
    bed_close(b);
    return open_alone(b, flags);
}

/* The same with a handle that may not attach. */
static struct cubby__store *left_without_permission(struct bed *b)
{
    bed_begin(b);
    MUST(kv_store(b, "row", "old"));
    bed_close(b);
    fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 0);
    struct cubby__store *s = open_alone(b, 0);
    ck_assert(b->fault.hits == 1 && !s->may_attach);
    return s;
}

static void ends(struct bed *b, struct cubby__store *s)
{
    MUST(cubby__store_close(&s, &b->err));
    if (!b->s)
        bed_open(b);
    bed_clean(b);
    bed_rebuild_is_equal(b);
    bed_end(b);
}

static const char *look_at(const struct cubby__view *v, const char *key)
{
    static char value[256];
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct kv_row r;
    int rc = kv_get(v, key, buf, &r);
    snprintf(value, sizeof value, "%.*s", rc == 0 ? (int)r.len : 0, rc == 0 ? (const char *)r.value : "");
    return rc == CUBBY_ESTALE ? "too old" : rc < 0 ? "damaged" : value;
}

/* ---- those who come, and those who were here ---- */

START_TEST(somebody_comes)
{
    struct bed bed, *b = &bed;
    struct cubby__store *s = left_alone(b, 0);
    ck_assert_str_eq(kv_look_in(s, "row"), "old");
    ck_assert_int_eq(s->slot, -1);
    bed_open(b);
    MUST(kv_store(b, "row", "new"));
    ck_assert_str_eq(kv_look_in(s, "row"), "new");
    ck_assert_int_ge(s->slot, 0); /* from now on it is protected */
    bed_close(b);
    ck_assert_str_eq(kv_look_in(s, "row"), "new");
    bed_open(b);
    MUST(kv_store(b, "row", "newer"));
    ck_assert_str_eq(kv_look_in(s, "row"), "newer");
    ends(b, s);
}
END_TEST

/* However they left: with a checkpoint and a PROOF, with neither, or in the middle of a commit. */
START_TEST(somebody_was_here)
{
    static const char *const value[] = {"first", "second", "third", "fourth"};
    struct bed bed, *b = &bed;
    struct cubby__store *s = left_alone(b, 0);
    uint8_t torn[40];
    memset(torn, 7, sizeof torn);
    for (int i = 0; i < 4; i++) {
        bed_open(b);
        MUST(kv_store(b, "row", value[i]));
        uint64_t end = b->s->pending.seg_off;
        char name[64];
        snprintf(name, sizeof name, "/s/segments/%08llu.seg", (unsigned long long)b->s->pending.seg);
        if (i == 1)
            MUST(cubby__store_checkpoint(b->s, &b->err));
        if (i < 2)
            bed_close(b);
        else
            die(b);
        if (i == 3 && bed_exists(b, name))
            bed_write(b, name, end, torn, sizeof torn);
        ck_assert_str_eq(kv_look_in(s, "row"), value[i]);
        ck_assert_int_eq(s->slot, -1);
        ck_assert_str_eq(kv_look_in(s, "row"), value[i]);
    }
    ends(b, s);
}
END_TEST

/* A look costs a look: without others nothing is opened again. */
START_TEST(nobody_comes)
{
    struct bed bed, *b = &bed;
    struct cubby__store *s = left_alone(b, 0);
    struct cubby__pager *pager = s->pager;
    memset(b->fault.calls, 0, sizeof b->fault.calls);
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(kv_look_in(s, "row"), "old");
    ck_assert_ptr_eq(s->pager, pager);
    ck_assert_int_eq(b->fault.calls[FAULT_OPEN], 0);
    ends(b, s);
}
END_TEST

/* The figures are those of the same state. */
START_TEST(figures)
{
    struct bed bed, *b = &bed;
    struct cubby__store *s = left_alone(b, 0);
    cubby_stat before, after, theirs;
    MUST(cubby__store_get_stat(s, &before, &b->err));
    bed_open(b);
    kv_store_many(b, 0, 50, 100);
    for (int joined = 1; joined >= 0; joined--) {
        MUST(cubby__store_get_stat(b->s, &theirs, &b->err));
        if (!joined)
            bed_close(b);
        MUST(cubby__store_get_stat(s, &after, &b->err));
        ck_assert_uint_eq(after.last_commit, theirs.last_commit);
        ck_assert_uint_eq(after.live_bytes, theirs.live_bytes);
    }
    ck_assert_uint_gt(after.last_commit, before.last_commit);
    ends(b, s);
}
END_TEST

/* ---- snapshots that it holds ---- */

/* They stay what they are, for as long as their pages do. */
START_TEST(held_snapshots)
{
    for (int attached = 0; attached < 2; attached++) {
        struct bed bed, *b = &bed;
        struct cubby__store *s = left_alone(b, 0);
        struct cubby__view old, middle, now;
        MUST(cubby__view_begin(s, &old, &b->err));
        bed_open(b);
        MUST(kv_store(b, "row", "new"));
        if (!attached)
            bed_close(b);
        MUST(cubby__view_begin(s, &middle, &b->err));
        ck_assert_int_eq(s->slot >= 0, attached);
        ck_assert_str_eq(look_at(&old, "row"), "old");
        ck_assert_str_eq(look_at(&middle, "row"), "new");
        ck_assert_uint_lt(old.commit, middle.commit);
        if (!attached)
            bed_open(b);
        b->s->o.checkpoint_bytes = 1000;
        kv_store_many(b, 0, 300, 100);
        if (!attached)
            bed_close(b);
        MUST(cubby__view_begin(s, &now, &b->err));
        ck_assert_str_eq(look_at(&now, "row"), "new");
        ck_assert_str_ne(look_at(&now, "k0299"), "");
        ck_assert_str_ne(look_at(&old, "k0000"), "damaged");
        const char *later = look_at(&middle, "k0299"); /* without a slot its pages may have been used again */
        ck_assert(strcmp(later, "") == 0 || (!attached && strcmp(later, "too old") == 0));
        cubby__view_end(&middle);
        cubby__view_end(&now);
        cubby__view_end(&old);
        ends(b, s);
    }
}
END_TEST

/* A slot protects what was begun with it, whatever was begun before there was one. */
START_TEST(protected_from_then_on)
{
    struct bed bed, *b = &bed;
    struct cubby__store *s = left_alone(b, 0);
    struct cubby__view old, v;
    MUST(cubby__view_begin(s, &old, &b->err));
    bed_open(b);
    kv_store_many(b, 0, 300, 100);
    MUST(cubby__view_begin(s, &v, &b->err));
    ck_assert_uint_eq(cubby__slot_get(s), v.commit + 1);
    cubby__view_end(&old);
    ck_assert_uint_eq(cubby__slot_get(s), v.commit + 1);
    for (int i = 0; i < 10; i++) {
        kv_store_many(b, 0, 300, 90);
        MUST(cubby__store_checkpoint(b->s, &b->err));
    }
    for (int i = 0; i < 300; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%04d", i);
        ck_assert_uint_eq(strlen(look_at(&v, key)), 100);
    }
    cubby__view_end(&v);
    ck_assert_uint_eq(cubby__slot_get(s), 0);
    ends(b, s);
}
END_TEST

/* ---- those who may not, or shall not ---- */

/* Without the right to write cubby.id nobody attaches: each snapshot is what the files say. */
START_TEST(without_permission)
{
    struct bed bed, *b = &bed;
    bed_begin(b);
    MUST(kv_store(b, "row", "old"));
    fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 0);
    struct cubby__store *s = open_alone(b, 0);
    ck_assert_int_eq(b->fault.hits, 1);
    ck_assert_str_eq(kv_look_in(s, "row"), "old");
    MUST(kv_store(b, "row", "new"));
    ck_assert_str_eq(kv_look_in(s, "row"), "new");
    MUST(kv_store(b, "row", "newer"));
    ck_assert_str_eq(kv_look_in(s, "row"), "newer");
    ck_assert_int_eq(s->slot, -1);
    bed_close(b);
    ck_assert_str_eq(kv_look_in(s, "row"), "newer");
    ends(b, s);
}
END_TEST

/* Its snapshots are what the others have published, not what it makes of a log that moves: nothing is told, and no number jumps. */
START_TEST(beside_a_writer)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 3000, 2000);
    MUST(kv_store(b, "row", "old"));
    fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 0);
    struct cubby__store *s = open_alone(b, 0), *writer = b->s;
    bed_quiet(b);
    for (int i = 0; i < 300; i++) {
        struct cubby__view v;
        kv_store_many(b, i % 40, i % 40 + 1, 100);
        MUST(cubby__view_begin(s, &v, &b->err));
        ck_assert_uint_eq(v.commit, writer->pending.commit);
        cubby__view_end(&v);
        b->s = s;
        uint64_t counter = kv_counter(b);
        b->s = writer;
        ck_assert_uint_eq(counter, kv_counter(b));
    }
    ck_assert_uint_gt(writer->pending.seg, 5);
    same_rows(kv_dump(b), kv_dump_of(s));
    ck_assert_str_eq(b->notice, "");
    ck_assert_int_eq(s->slot, -1);
    ends(b, s);
}
END_TEST

static void somebody_writes(void *arg, enum fault_op op, const char *path)
{
    struct bed *b = arg;
    if (op != FAULT_LIST || !strstr(path, "segments"))
        return;
    b->fault.hook = NULL;
    cubby_options o = b->o;
    o.vfs = b->vfs;
    MUST(cubby__store_open("/s", &o, &kv_handlers, &b->s, &b->err));
    kv_store_many(b, 0, 100, 100);
}

/* Somebody comes between its look and its reading; and has gone again, or not. */
START_TEST(others_while_it_opens)
{
    for (int gone = 0; gone < 2; gone++)
        for (int permitted = 0; permitted < 2; permitted++) {
            struct bed bed, *b = &bed;
            bed_begin_with(b, 3000, 2000);
            MUST(kv_store(b, "row", "old"));
            bed_close(b);
            if (!permitted)
                fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 0);
            struct cubby__store *s = open_alone(b, 0);
            bed_open(b);
            MUST(kv_store(b, "row", "new"));
            bed_close(b);
            bed_quiet(b);
            b->fault.hook = somebody_writes;
            b->fault.hook_arg = b;
            ck_assert_str_eq(kv_look_in(s, "row"), "new");
            ck_assert_ptr_null(b->fault.hook);
            if (gone)
                bed_close(b);
            ck_assert_uint_eq(strlen(kv_look_in(s, "k0099")), 100);
            ck_assert_str_eq(b->notice, "");
            ends(b, s);
        }
}
END_TEST

/* What happens while it reads the page beside others, each time that it does: after each look whether they are there, SHARED_CURRENT is read, then the page,
 * then SHARED_CURRENT. */
struct moment {
    struct bed *b;
    struct cubby__store *writer;
    enum { MOVES_BEFORE_PAGE, MOVES_BEHIND_PAGE, NOT_READY, CUT_SHORT, NO_INDEX, MOMENTS } kind;
    int reads, times, left; /* so many times more */
};

static void at_that_moment(void *arg, enum fault_op op, const char *path)
{
    struct moment *m = arg;
    struct bed *b = m->b;
    if (!strstr(path, "cubby.id") || (op != FAULT_LOCK_TEST && op != FAULT_PREAD))
        return;
    if (op == FAULT_LOCK_TEST) {
        m->reads = 0;
        cubby__shared_set(m->writer, CUBBY__SHARED_READY_OFF, CUBBY__SHARED_READY);
        if (!m->left && bed_exists(b, "/s/elsewhere"))
            MUST(b->vfs->rename(b->vfs->ctx, "/s/elsewhere", "/s/index"));
        return;
    }
    if (++m->reads != (m->kind == MOVES_BEHIND_PAGE ? 3 : 2) || !m->left)
        return;
    char value[16];
    m->left--;
    m->times++;
    snprintf(value, sizeof value, "%d", m->times);
    b->fault.hook = NULL; /* what comes now is not the reader's */
    switch (m->kind) {
    case NOT_READY: cubby__shared_set(m->writer, CUBBY__SHARED_READY_OFF, 0); break;
    case CUT_SHORT: fault_set(&b->fault, FAULT_PREAD, "cubby.id", 0, -EIO, 0); break;
    case NO_INDEX:
        if (bed_exists(b, "/s/index"))
            MUST(b->vfs->rename(b->vfs->ctx, "/s/index", "/s/elsewhere"));
        break;
    default: MUST(kv_store_in(m->writer, "row", value, 0, NULL, &b->err));
    }
    b->fault.hook = at_that_moment;
}

/* Once, it looks again; for ever, it reads the files as they are, in the end. Either way it sees what was acknowledged, and is attached to nothing. */
START_TEST(what_moves_under_it)
{
    for (int kind = 0; kind < MOMENTS; kind++)
        for (int forever = 0; forever < 2; forever++) {
            struct bed bed, *b = &bed;
            char want[16];
            struct cubby__store *s = left_without_permission(b);
            bed_open(b);
            MUST(kv_store(b, "row", "0"));
            struct moment m = {.b = b, .writer = b->s, .kind = kind, .reads = 9, .left = forever ? INT_MAX : 1}; /* no look yet */
            b->fault.hook = at_that_moment;
            b->fault.hook_arg = &m;
            struct cubby__view v;
            int rc = cubby__view_begin(s, &v, &b->err);
            b->fault.hook = NULL;
            b->fault.rc = 0;
            ck_assert_msg(rc == 0, "%d %d: %d %s", kind, forever, rc, b->err.message);
            snprintf(want, sizeof want, "%d", kind <= MOVES_BEHIND_PAGE ? m.times : 0);
            ck_assert_str_eq(look_at(&v, "row"), want);
            ck_assert_uint_eq(v.commit, b->s->pending.commit);
            ck_assert_msg(m.times == (forever ? 400 : 1), "%d %d: %d times", kind, forever, m.times); /* 4 rounds of 100 */
            ck_assert(s->slot == -1 && !s->shared_mapped);
            cubby__view_end(&v);
            cubby__shared_set(b->s, CUBBY__SHARED_READY_OFF, CUBBY__SHARED_READY);
            if (bed_exists(b, "/s/elsewhere"))
                MUST(b->vfs->rename(b->vfs->ctx, "/s/elsewhere", "/s/index"));
            MUST(kv_store(b, "row", "new"));
            ck_assert_str_eq(kv_look_in(s, "row"), "new");
            ends(b, s);
        }
}
END_TEST

/* Who has joined others whose index is gone leaves them again, with its slot and its locks, and comes back when there is one. */
START_TEST(others_without_an_index)
{
    for (int opening = 0; opening < 2; opening++) {
        struct bed bed, *b = &bed;
        struct cubby__store *s = NULL;
        bed_begin(b);
        MUST(kv_store(b, "row", "old"));
        bed_close(b);
        if (!opening)
            s = open_alone(b, 0);
        bed_open(b);
        MUST(kv_store(b, "row", "new"));
        MUST(b->vfs->rename(b->vfs->ctx, "/s/index", "/s/elsewhere"));
        if (opening)
            s = open_alone(b, 0);
        ck_assert_str_eq(kv_look_in(s, "row"), "new");
        ck_assert(s->slot == -1 && !s->shared_mapped && !s->dir_lock);
        MUST(b->vfs->rename(b->vfs->ctx, "/s/elsewhere", "/s/index"));
        ck_assert_str_eq(kv_look_in(s, "row"), "new");
        ck_assert_int_eq(s->slot, b->s->slot + 1); /* the first that is free: none was kept */
        MUST(kv_store(b, "row", "newer"));
        ck_assert_str_eq(kv_look_in(s, "row"), "newer");
        ends(b, s);
    }
}
END_TEST

/* Others come and go all day, and there is always a snapshot: what none reads any more is closed. */
START_TEST(old_pagers)
{
    struct bed bed, *b = &bed;
    struct cubby__store *s = left_alone(b, 0);
    struct cubby__view v[2];
    MUST(cubby__view_begin(s, &v[0], &b->err));
    for (int i = 1; i < 50; i++) {
        bed_open(b);
        MUST(kv_store(b, "row", i % 2 ? "odd" : "even"));
        bed_close(b);
        MUST(cubby__view_begin(s, &v[i % 2], &b->err));
        ck_assert_str_eq(look_at(&v[i % 2], "row"), i % 2 ? "odd" : "even");
        cubby__view_end(&v[(i + 1) % 2]);
        ck_assert_uint_le(s->old_pager_count, 1);
    }
    cubby__view_end(&v[1]);
    ends(b, s);
}
END_TEST

/* All slots are taken: it goes on without one. */
START_TEST(no_slot_is_left)
{
    struct bed bed, *b = &bed;
    struct cubby__store *s = left_alone(b, 0);
    cubby_file *f;
    bed_open(b);
    MUST(b->vfs->open(b->vfs->ctx, "/s/cubby.id", CUBBY_OPEN_WRITE, &f));
    for (uint64_t i = 1; i < CUBBY__SHARED_SLOTS; i++)
        MUST(b->vfs->lock(b->vfs->ctx, f, CUBBY__LOCK_SLOT + i, 1, CUBBY_LOCK_EXCLUSIVE));
    MUST(kv_store(b, "row", "new"));
    ck_assert_str_eq(kv_look_in(s, "row"), "new");
    ck_assert_int_eq(s->slot, -1);
    struct cubby__pager *pager = s->pager;
    ck_assert_str_eq(kv_look_in(s, "row"), "new");
    ck_assert_ptr_eq(s->pager, pager); /* nothing is new */
    b->vfs->close(b->vfs->ctx, f);
    ck_assert_str_eq(kv_look_in(s, "row"), "new");
    ck_assert_int_ge(s->slot, 0);
    ends(b, s);
}
END_TEST

/* A check is of one state; and whoever asked for an index of his own keeps it. */
START_TEST(as_opened)
{
    static const unsigned flags[] = {CUBBY__AS_OPENED, CUBBY_REBUILD};
    for (int i = 0; i < 2; i++) {
        struct bed bed, *b = &bed;
        struct cubby__store *s = left_alone(b, flags[i]);
        bed_open(b);
        MUST(kv_store(b, "row", "new"));
        ck_assert_str_eq(kv_look_in(s, "row"), "old");
        ck_assert_int_eq(s->slot, -1);
        ends(b, s);
    }
}
END_TEST

/* ---- failures ---- */

/* Whatever fails on the way is told, and changes nothing: what is held goes on, and the next snapshot looks again. */
START_TEST(failures)
{
    static const enum fault_op ops[] = {FAULT_OPEN, FAULT_PREAD, FAULT_FSTAT, FAULT_LOCK, FAULT_LOCK_TEST, FAULT_MAP, FAULT_RANDOM, FAULT_LIST};
    for (int kind = 0; kind < 3; kind++) /* they have gone, they are there, and it may not attach */
        for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
            for (int after = 0, hits = 1; hits; after++) {
                struct bed bed, *b = &bed;
                struct cubby__view old, now;
                struct cubby__store *s = kind < 2 ? left_alone(b, 0) : left_without_permission(b);
                MUST(cubby__view_begin(s, &old, &b->err));
                bed_open(b);
                MUST(kv_store(b, "row", "new"));
                if (kind == 0)
                    bed_close(b);
                fault_set(&b->fault, ops[i], "", after, -EIO, 0);
                int rc = cubby__view_begin(s, &now, &b->err);
                hits = b->fault.hits;
                b->fault.rc = 0;
                if (rc == 0) {
                    const char *row = look_at(&now, "row"); /* the first look, which finds SHARED_CURRENT, may say that nobody came */
                    ck_assert_msg(strcmp(row, "new") == 0 || (hits && after == 0 && strcmp(row, "old") == 0), "op %d after %d: %s", ops[i], after, row);
                    cubby__view_end(&now);
                }
                ck_assert(rc == 0 || (hits && b->err.message[0]));
                ck_assert_str_eq(look_at(&old, "row"), "old");
                ck_assert_str_eq(kv_look_in(s, "row"), "new");
                cubby__view_end(&old);
                ends(b, s);
            }
}
END_TEST

START_TEST(out_of_memory)
{
    heap_install();
    for (int kind = 0; kind < 3; kind++) /* they have gone, they are there, and it may not attach */
        for (int n = 0, hits = 1; hits; n++) {
            struct bed bed, *b = &bed;
            struct cubby__view old, now;
            struct cubby__store *s = kind < 2 ? left_alone(b, 0) : left_without_permission(b);
            MUST(cubby__view_begin(s, &old, &b->err));
            bed_open(b);
            MUST(kv_store(b, "row", "new"));
            if (kind == 0)
                bed_close(b);
            heap_fail(n, 0);
            int rc = cubby__view_begin(s, &now, &b->err);
            hits = heap_works();
            ck_assert(rc == 0 || rc == CUBBY_ENOMEM);
            if (rc == 0) {
                ck_assert_str_eq(look_at(&now, "row"), "new");
                cubby__view_end(&now);
            }
            ck_assert_str_eq(look_at(&old, "row"), "old");
            ck_assert_str_eq(kv_look_in(s, "row"), "new");
            cubby__view_end(&old);
            ends(b, s);
        }
}
END_TEST

START_TEST(out_of_memory_when_opened)
{
    heap_install();
    for (int kind = 0; kind < 3; kind++)
        for (int n = 0, hits = 1; hits; n++) {
            struct bed bed, *b = &bed;
            struct cubby__store *s = NULL;
            cubby_options o;
            bed_begin(b);
            MUST(kv_store(b, "row", "new"));
            if (kind == 0)
                bed_close(b);
            if (kind == 2)
                fault_set(&b->fault, FAULT_OPEN, "cubby.id", 0, -EACCES, 0);
            o = b->o;
            o.flags = CUBBY_READ_ONLY;
            heap_fail(n, 0);
            int rc = cubby__store_open("/s", &o, &kv_handlers, &s, &b->err);
            hits = heap_works();
            b->fault.rc = 0;
            ck_assert(rc == 0 || (rc == CUBBY_ENOMEM && hits));
            if (rc == 0)
                ck_assert_str_eq(kv_look_in(s, "row"), "new");
            if (rc == 0)
                ends(b, s);
            else
                bed_end(b);
        }
}
END_TEST

/* ---- threads of one handle ---- */

struct crowd {
    struct cubby__store *s;
    atomic_uint_fast64_t acknowledged;
    atomic_int stop, wrong, snapshots;
};

static void *reads(void *arg)
{
    struct crowd *c = arg;
    uint64_t last = 0;
    while (!atomic_load(&c->stop)) {
        struct cubby__view v;
        cubby_error err;
        uint64_t acknowledged = atomic_load(&c->acknowledged);
        if (cubby__view_begin(c->s, &v, &err) != 0) {
            atomic_fetch_add(&c->wrong, 1);
            break;
        }
        uint8_t buf[CUBBY__TREE_VALUE_MAX];
        struct kv_row r = {0};
        int rc = kv_get(&v, "row", buf, &r);
        atomic_fetch_add(&c->wrong, v.commit < acknowledged || v.commit < last || (rc != 0 && rc != CUBBY_ESTALE) || (rc == 0 && r.commit > v.commit));
        last = v.commit;
        cubby__view_end(&v);
        atomic_fetch_add(&c->snapshots, 1);
    }
    return NULL;
}

START_TEST(threads)
{
    enum { THREADS = 3 };
    for (int round = 0; round < 10; round++) {
        struct bed bed, *b = &bed;
        bed_begin(b);
        MUST(kv_store(b, "row", "old"));
        bed_close(b);
        b->o.vfs = b->vfs; /* the one that fails counts calls, and has no lock for that */
        struct crowd c = {.s = open_alone(b, 0)};
        pthread_t t[THREADS];
        for (int i = 0; i < THREADS; i++)
            ck_assert_int_eq(pthread_create(&t[i], NULL, reads, &c), 0);
        for (int i = 0; i < 6; i++) {
            uint64_t modseq;
            bed_open(b);
            b->s->o.checkpoint_bytes = 500;
            for (int n = 0; n < 20; n++) {
                MUST(kv_store_in(b->s, "row", "new", 0, &modseq, &b->err));
                atomic_store(&c.acknowledged, modseq);
            }
            if (i % 2)
                bed_close(b);
            else
                die(b);
        }
        while (atomic_load(&c.snapshots) < 100 && !atomic_load(&c.wrong))
            ;
        atomic_store(&c.stop, 1);
        for (int i = 0; i < THREADS; i++)
            pthread_join(t[i], NULL);
        ck_assert_int_eq(atomic_load(&c.wrong), 0);
        ends(b, c.s);
    }
}
END_TEST

UNIT_MAIN("store/alone", somebody_comes, somebody_was_here, nobody_comes, figures, held_snapshots, protected_from_then_on, without_permission, beside_a_writer,
          others_while_it_opens, what_moves_under_it, others_without_an_index, old_pagers, no_slot_is_left, as_opened, failures,
          out_of_memory, out_of_memory_when_opened, threads)
