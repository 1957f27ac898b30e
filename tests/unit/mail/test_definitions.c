/* test_definitions.c - folders and subscriptions are refused before a segment's header is too short for them; a log whose records were forged goes on. */
#include "mail/definitions.h"

#include "mail/records.h"
#include "store/commit.h"
#include "store/internal.h"
#include "unit/heap.h"
#include "unit/mail/state_fixture.h"

static struct state the_state, *const st = &the_state;

enum { LONG = 255, FITS = CUBBY__DEFINITIONS_MAX / (CUBBY__DEFINITION_FOLDER + LONG) };

static int create(int n, size_t len, uint64_t *id)
{
    char name[LONG + 1];
    memset(name, 'n', sizeof name);
    name[snprintf(name, sizeof name, "%d", n)] = '-';
    return cubby__folder_create(st->txn, CUBBY_ROOT, name, len, id);
}

static int subscribe(int n)
{
    char path[CUBBY__SUBSCRIPTION_MAX];
    size_t len = (size_t)snprintf(path, sizeof path, "%d", n);
    memset(path + len, 's', LONG - len);
    memset(path + LONG, 's', sizeof path - LONG);
    path[LONG] = path[sizeof path - 1] = 0;
    return cubby__subscribe(st->txn, path, sizeof path, 1);
}

/* Those that the header of a segment would get now, from the last commit. */
static size_t defined(size_t *folders)
{
    struct cubby__buf defs = CUBBY__BUF_INIT;
    MUST(cubby__definitions(look(st), &defs));
    unlook(st);
    struct cubby__reader r = cubby__reader(defs.data, defs.len);
    *folders = 0;
    while (cubby__read_left(&r)) {
        *folders += cubby__read_byte(&r) == CUBBY__REC_FOLDER;
        cubby__read_varint(&r);
        cubby__read_bytes(&r, (size_t)cubby__read_varint(&r));
    }
    ck_assert_int_eq(r.bad, 0);
    ck_assert_uint_le(defs.len, CUBBY__SEG_HEADER_MAX - CUBBY__SEG_HEADER_FIXED);
    size_t len = defs.len;
    cubby__buf_release(&defs);
    return len;
}

START_TEST(folders_that_fit)
{
    uint64_t id = 0, last = 0;
    size_t count;
    int made = 0, rc = 0;
    state_begin(st);
    while (!rc) {
        begin(st);
        for (int i = 0; i < 1000 && !(rc = create(made, LONG, &id)); i++, made++)
            last = id;
        commit(st);
    }
    RETURNS(rc, CUBBY_ELIMIT);
    ck_assert_int_ge(made, FITS - 1); /* INBOX is there, too */
    ck_assert_int_le(made, FITS);
    defined(&count);
    ck_assert_uint_eq(count, (size_t)made + 1);
    begin(st);
    RETURNS(subscribe(1), CUBBY_ELIMIT);
    RETURNS(create(made, LONG, &id), CUBBY_ELIMIT);
    MUST(cubby__folder_delete(st->txn, last));
    MUST(create(made, 20, &last)); /* what is deleted makes room at once */
    char name[LONG];
    memset(name, 'r', sizeof name);
    MUST(cubby__folder_rename(st->txn, last, CUBBY_ROOT, name, 10));
    MUST(cubby__folder_rename(st->txn, last, CUBBY_ROOT, name, LONG));
    RETURNS(create(made + 1, LONG, &id), CUBBY_ELIMIT);
    MUST(cubby__folder_delete(st->txn, last));
    MUST(cubby__folder_delete(st->txn, last - 2));
    MUST(cubby__folder_delete(st->txn, last - 3));
    MUST(subscribe(1));
    MUST(create(made + 1, 20, &id));
    int n = 2;
    while (!(rc = subscribe(n)))
        n++;
    RETURNS(rc, CUBBY_ELIMIT);
    memset(name, 'x', sizeof name);
    RETURNS(cubby__folder_rename(st->txn, id, CUBBY_ROOT, name, LONG), CUBBY_ELIMIT);
    commit(st);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.segment_bytes = 4096; /* each transaction finds the segment full */
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    uint32_t before = (uint32_t)st->s->pending.seg;
    fill(st, 1, 60);
    fill(st, 1, 1);
    ck_assert_uint_gt(st->s->pending.seg, before);
    ck_assert_int_eq(st->notices, 0);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.segment_bytes = 0; /* it is filled with as much again, at least */
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    ck_assert_uint_gt(st->s->pending.seg_frames, 4 << 20);
    ck_assert_uint_ge(cubby__capacity(st->s), st->s->pending.seg_frames);
    state_end(st);
}
END_TEST

/* More than any store lets in: what a header holds is whole definitions, and the next segment begins. */
START_TEST(more_than_fit)
{
    char name[LONG];
    size_t count;
    state_begin(st);
    for (int i = 0; i < 20000; i++) {
        struct cubby__buf b = CUBBY__BUF_INIT;
        if (i % 1000 == 0)
            begin(st);
        memset(name, 'f', sizeof name);
        name[snprintf(name, sizeof name, "%d", i)] = '-';
        cubby__folder_encode(&(struct cubby__folder_rec){.id = (uint64_t)i + 10, .uidvalidity = 7, .name = name, .name_len = LONG}, &b);
        MUST(cubby__txn_log(st->txn, CUBBY__REC_FOLDER, 0, b.data, b.len));
        cubby__buf_release(&b);
        if (i % 1000 == 999)
            commit(st);
    }
    size_t len = defined(&count);
    ck_assert_uint_gt(len, CUBBY__SEG_HEADER_MAX - 600);
    ck_assert_uint_lt(count, 20000);
    begin(st);
    uint64_t id;
    RETURNS(create(1, 1, &id), CUBBY_ELIMIT);
    cubby__txn_abort(&st->txn);
    MUST(cubby__store_close(&st->s, &st->err));
    st->o.segment_bytes = 4096;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    uint32_t before = (uint32_t)st->s->pending.seg;
    fill(st, 1, 60);
    fill(st, 1, 1);
    ck_assert_uint_gt(st->s->pending.seg, before);
    state_end(st);
}
END_TEST

/* ---- an index built from a header alone ---- */

static uint64_t make(uint64_t parent, const char *name)
{
    uint64_t id;
    MUST(cubby__folder_create(st->txn, parent, name, strlen(name), &id));
    return id;
}

static void move(uint64_t id, uint64_t parent, const char *name)
{
    MUST(cubby__folder_rename(st->txn, id, parent, name, strlen(name)));
}

static void forge(uint64_t id, uint64_t parent, const char *name)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__folder_encode(&(struct cubby__folder_rec){.id = id, .parent = parent, .uidvalidity = 7, .name = name, .name_len = strlen(name)}, &b);
    MUST(cubby__txn_log(st->txn, CUBBY__REC_FOLDER, 0, b.data, b.len));
    cubby__buf_release(&b);
}

/* Three segments, or more: folders, what became of them, and the last with a header that knows. */
static void make_history(int cycle)
{
    state_begin(st);
    st->o.segment_bytes = 4096;
    state_reopen(st, 0);
    begin(st);
    uint64_t child = make(0, "child"), x = make(0, "x"), y = make(0, "y");
    commit(st);
    fill(st, 1, 60);
    begin(st);
    move(child, make(0, "parent"), "child");
    move(x, 0, "t");
    move(y, 0, "x");
    move(x, 0, "y");
    if (cycle) {
        forge(20, 21, "one");
        forge(21, 20, "two");
    }
    commit(st);
    fill(st, 1, 60);
    fill(st, 1, 1);
}

/* Without the index, and with the first and the last segment alone, as a repair may find it. */
static void lose(void)
{
    char path[64];
    uint32_t last = (uint32_t)st->s->pending.seg;
    cubby__incoming_free(&st->in);
    MUST(cubby__store_close(&st->s, &st->err));
    ck_assert_uint_ge(last, 3);
    for (uint32_t n = 2; n < last; n++) {
        snprintf(path, sizeof path, "/s/segments/%08u.seg", n);
        ck_assert_int_eq(st->o.vfs->unlink(st->o.vfs->ctx, path), 0);
    }
    ck_assert_int_eq(st->o.vfs->unlink(st->o.vfs->ctx, "/s/index"), 0);
}

static uint64_t parent_of(const char *name, uint64_t parent)
{
    struct cubby__folder f;
    int rc = cubby__folder_find(&st->view, parent, name, strlen(name), &f);
    return rc ? 0 : f.f.id;
}

START_TEST(folders_that_wait_for_others)
{
    make_history(0);
    lose();
    st->notices = 0;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    look(st);
    ck_assert_uint_eq(parent_of("parent", 0), 5);
    ck_assert_uint_eq(parent_of("child", 5), 2);
    ck_assert_uint_eq(parent_of("x", 0), 4);
    ck_assert_uint_eq(parent_of("y", 0), 3);
    unlook(st);
    ck_assert_int_eq(st->notices, 1); /* segments are missing; no folder is */
    state_end(st);
}
END_TEST

START_TEST(folders_that_wait_in_vain)
{
    make_history(1);
    lose();
    st->notices = 0;
    MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
    MUST(cubby__incoming_new(st->s, &st->in, &st->err));
    look(st);
    ck_assert_uint_eq(parent_of("one", 0), 20); /* each below the other cannot be */
    ck_assert_uint_eq(parent_of("two", 20), 21);
    ck_assert_uint_eq(parent_of("child", 5), 2);
    unlook(st);
    ck_assert_int_eq(st->notices, 2);
    state_end(st);
}
END_TEST

/* Nothing leaks (the sanitizer looks), and what opens then has all of it. */
START_TEST(out_of_memory_while_they_wait)
{
    heap_install();
    for (int n = 0;; n++) {
        make_history(0);
        lose();
        heap_fail(n, 0);
        int rc = cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err);
        int hits = heap_works();
        ck_assert_msg(rc == 0 || rc == CUBBY_ENOMEM, "allocation %d: %d %s", n, rc, st->err.message);
        if (rc)
            MUST(cubby__store_open("/s", &st->o, &cubby__mail_handlers, &st->s, &st->err));
        MUST(cubby__incoming_new(st->s, &st->in, &st->err));
        look(st);
        ck_assert_uint_eq(parent_of("child", 5), 2);
        ck_assert_uint_eq(parent_of("x", 0), 4);
        unlook(st);
        state_end(st);
        if (!hits)
            break;
        ck_assert_int_lt(n, 5000);
    }
}
END_TEST

UNIT_MAIN("mail/definitions", folders_that_fit, more_than_fit, folders_that_wait_for_others, folders_that_wait_in_vain, out_of_memory_while_they_wait)
