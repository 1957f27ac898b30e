#include "mail/incoming.h"

#include <stdio.h>
#include <sys/resource.h>

#include "base/hash.h"
#include "mime/header.h"
#include "unit/mail/msg_fixture.h"
#include "unit/mail/nasty.h"

/* What CRLF line ends make of it. */
static uint64_t crlf_size(const uint8_t *p, size_t n)
{
    uint64_t size = n;
    for (size_t i = 0; i < n; i++)
        size += p[i] == '\n' && (!i || p[i - 1] != '\r');
    return size;
}

static void check_fed(struct fixture *f, const uint8_t *p, size_t n)
{
    const struct cubby__object *o = cubby__incoming_object(f->in);
    struct cubby__hash128 h = cubby__hash128(p, n);
    ck_assert_int_eq(cubby__incoming_finished(f->in), 1);
    ck_assert_uint_eq(o->size, n);
    ck_assert_uint_eq(o->crlf_size, crlf_size(p, n));
    ck_assert_mem_eq(o->hash, h.b, sizeof h.b);
    ck_assert_uint_le(o->stored_header, o->header_len);
    ck_assert_uint_le(o->header_len, n);
    ck_assert_uint_le(o->stored_header, CUBBY__HEADER_STORED_MAX);
    ck_assert_uint_eq(o->list_orig_len + o->rest_orig_len, o->stored_header);
    ck_assert_uint_le(o->rest_orig_len, CUBBY__PIECE_MAX);
}

/* The OBJECT that goes into the log, with fixed ids, in a transaction that is then given up. */
static struct cubby__buf logged(struct fixture *f)
{
    struct cubby__txn *txn;
    struct cubby__buf b = CUBBY__BUF_INIT;
    uint64_t object;
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__incoming_log(f->in, txn, ++f->token, &object));
    const struct cubby__object *o = cubby__incoming_object(f->in);
    cubby__buf_varint(&b, o->id);
    cubby__buf_varint(&b, o->piece_count);
    cubby__buf_varint(&b, o->rest_piece);
    cubby__buf_add(&b, o->hash, 16);
    cubby__buf_add(&b, o->list, o->list_len);
    cubby__buf_add(&b, o->runs, o->runs_len);
    cubby__buf_add(&b, o->structure, o->structure_len);
    cubby__txn_abort(&txn);
    return b;
}

/* However a message is cut on its way in, the same is stored. */
static void check_chunks(struct fixture *f, const uint8_t *p, size_t n)
{
    static const size_t chunks[] = {1, 7, 4096, 65536, 300000};
    fixture_feed(f, p, n, 0);
    check_fed(f, p, n);
    struct cubby__buf whole = logged(f);
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        fixture_feed(f, p, n, chunks[i]);
        check_fed(f, p, n);
        struct cubby__buf other = logged(f);
        ck_assert_uint_eq(other.len, whole.len);
        ck_assert_mem_eq(other.data, whole.data, whole.len);
        cubby__buf_release(&other);
    }
    cubby__buf_release(&whole);
}

START_TEST(small)
{
    struct fixture f;
    fixture_begin(&f);
    for (size_t i = 0; i < NASTY_SMALL; i++)
        check_chunks(&f, (const uint8_t *)nasty_small[i].bytes, nasty_small[i].len);
    fixture_end(&f);
}
END_TEST

START_TEST(large)
{
    struct fixture f;
    fixture_begin(&f);
    for (int i = 0; i < NASTY_LARGE; i++) {
        struct cubby__buf b = nasty_large(i);
        check_chunks(&f, b.data, b.len);
        cubby__buf_release(&b);
    }
    fixture_end(&f);
}
END_TEST

START_TEST(list_fields_and_date)
{
    static const char text[] = "X-First: 1\nDate: Thu, 1 Jan 1970 00:01:00 +0000\nX-Second: 2\nSubject: s\n folded\n\nbody\n";
    struct fixture fx, *f = &fx;
    size_t len;
    fixture_begin(f);
    fixture_feed(f, text, sizeof text - 1, 0);
    const char *list = (const char *)cubby__incoming_list(f->in, &len);
    ck_assert_uint_eq(len, strlen("Date: Thu, 1 Jan 1970 00:01:00 +0000\nSubject: s\n folded\n"));
    ck_assert_mem_eq(list, "Date: Thu, 1 Jan 1970 00:01:00 +0000\nSubject: s\n folded\n", len);
    ck_assert_int_eq(cubby__incoming_object(f->in)->sent_date, 60);
    fixture_feed(f, "Date: never\n\n", 13, 0);
    ck_assert_int_eq(cubby__incoming_object(f->in)->sent_date, INT64_MIN);
    fixture_feed(f, "\nDate: Thu, 1 Jan 1970 00:01:00 +0000\n", 39, 0); /* that is body */
    ck_assert_int_eq(cubby__incoming_object(f->in)->sent_date, INT64_MIN);
    fixture_end(f);
}
END_TEST

START_TEST(write_behind_the_end)
{
    struct fixture fx, *f = &fx;
    fixture_begin(f);
    fixture_feed(f, "x", 1, 0);
    ck_assert_int_eq(cubby__incoming_write(f->in, "y", 1, &f->err), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__incoming_finish(f->in, &f->err), 0); /* again: no harm */
    ck_assert_uint_eq(cubby__incoming_object(f->in)->size, 1);
    cubby__incoming_reset(f->in);
    ck_assert_int_eq(cubby__incoming_finished(f->in), 0);
    fixture_end(f);
}
END_TEST

START_TEST(one_object_a_transaction)
{
    struct fixture fx, *f = &fx;
    struct cubby__txn *txn;
    uint64_t a, b, c;
    fixture_begin(f);
    fixture_feed(f, "X-Rest: 1\n\nbody\n", 16, 0);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    must(cubby__incoming_log(f->in, txn, 1, &a));
    must(cubby__incoming_log(f->in, txn, 1, &b));
    ck_assert_uint_eq(a, b);
    ck_assert_uint_eq(cubby__txn_floors(txn)->object, a);
    cubby__txn_abort(&txn);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err)); /* what the other one did is gone */
    ck_assert_uint_lt(cubby__txn_floors(txn)->object, a);
    must(cubby__incoming_log(f->in, txn, 2, &c));
    ck_assert_uint_eq(cubby__txn_floors(txn)->object, c);
    cubby__txn_abort(&txn);
    fixture_end(f);
}
END_TEST

/* What was added stays with the transaction, in memory or in the spool. */
START_TEST(reset_before_commit)
{
    struct fixture fx, *f = &fx;
    struct cubby__txn *txn;
    struct cubby__view view;
    struct cubby__msgreader r;
    struct cubby__buf large = nasty_large(16);
    fixture_begin(f);
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    for (int i = 0; i < 3; i++) {
        f->token++;
        fixture_feed(f, large.data, large.len - (size_t)i, 0);
        fixture_put(f, txn, NULL);
        f->token++;
        fixture_feed(f, "Subject: small\n\nbody\n", 22, 0);
        fixture_put(f, txn, NULL);
    }
    cubby__incoming_reset(f->in);
    must(cubby__txn_commit(&txn, NULL));
    must(cubby__view_begin(f->s, &view, &f->err));
    for (uint32_t uid = 1; uid <= 6; uid++) {
        must(cubby__msgreader_open(&r, &view, f->inbox, uid));
        ck_assert_uint_eq(r.fetch.object.size, uid % 2 ? large.len - uid / 2 : 22);
        must(cubby__msgreader_verify(&r));
        cubby__msgreader_close(&r);
    }
    cubby__view_end(&view);
    cubby__buf_release(&large);
    fixture_end(f);
}
END_TEST

static long left = -1; /* allocations until one fails; -1: none does */

static void *failing_malloc(size_t n)
{
    return left >= 0 && left-- == 0 ? NULL : malloc(n);
}

static void *failing_realloc(void *p, size_t n)
{
    return left >= 0 && left-- == 0 ? NULL : realloc(p, n);
}

/* Feeds and finishes; ENOMEM leaves a message that says so until it is reset. */
static int feed_hungry(struct fixture *f, const struct cubby__buf *b)
{
    struct cubby__incoming *in;
    int rc = cubby__incoming_new(f->s, &in, &f->err);
    if (rc)
        return rc;
    rc = cubby__incoming_write(in, b->data, b->len, &f->err);
    if (!rc)
        rc = cubby__incoming_finish(in, &f->err);
    if (rc) {
        ck_assert_int_eq(cubby__incoming_write(in, "x", 1, &f->err), rc);
        ck_assert_int_eq(cubby__incoming_finish(in, &f->err), rc);
        left = -1;
        cubby__incoming_reset(in);
        must(cubby__incoming_write(in, b->data, b->len, &f->err));
        must(cubby__incoming_finish(in, &f->err));
    }
    cubby__incoming_free(&in);
    return rc;
}

START_TEST(every_allocation_may_fail)
{
    static const cubby_allocator failing = {failing_malloc, failing_realloc, free};
    struct fixture fx, *f = &fx;
    struct cubby__buf b = nasty_large(16);
    fixture_begin(f);
    cubby_set_allocator(&failing);
    int rc = CUBBY_ENOMEM, rounds = 0;
    for (; rc; rounds++) {
        left = rounds;
        rc = feed_hungry(f, &b);
        ck_assert(rc == 0 || rc == CUBBY_ENOMEM);
    }
    left = -1;
    ck_assert_int_gt(rounds, 20);
    cubby_set_allocator(NULL);
    cubby__buf_release(&b);
    fixture_end(f);
}
END_TEST

static long resident_kib(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_maxrss;
}

/* 64 KiB blocks that compress to about a quarter, each another one. */
static void fill(uint8_t *p, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        if (i % 256 < 64)
            seed = seed * 6364136223846793005u + 1442695040888963407u;
        p[i] = i % 77 == 0 ? '\n' : i % 256 < 64 ? (uint8_t)(' ' + (seed >> 33) % 90) : p[i - 64];
    }
}

/* On a real disk, because the one of the other tests is memory. */
START_TEST(large_in_little_memory)
{
    enum { BLOCKS = 3200, BLOCK = 65536 };
    static uint8_t block[BLOCK], back[BLOCK];
    static const char head[] = "Subject: 200 MiB\n\n";
    struct fixture fx = {0}, *f = &fx;
    char dir[] = "/tmp/cubby-incoming.XXXXXX", path[64], command[96];
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/s", dir);
    f->o = (cubby_options)CUBBY_OPTIONS_INIT;
    must(cubby__store_create(path, &f->o, &cubby__mail_handlers, &f->err));
    must(cubby__store_open(path, &f->o, &cubby__mail_handlers, &f->s, &f->err));
    must(cubby__incoming_new(f->s, &f->in, &f->err));
    struct cubby__view view;
    struct cubby__folder inbox;
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__folder_find(&view, CUBBY_ROOT, "INBOX", 5, &inbox));
    cubby__view_end(&view);
    f->inbox = inbox.f.id;

    long before = resident_kib();
    must(cubby__incoming_write(f->in, head, sizeof head - 1, &f->err));
    for (int i = 0; i < BLOCKS; i++) {
        fill(block, BLOCK, (uint64_t)i);
        must(cubby__incoming_write(f->in, block, BLOCK, &f->err));
    }
    must(cubby__incoming_finish(f->in, &f->err));
    struct cubby__txn *txn;
    must(cubby__txn_begin(f->s, 0, &txn, &f->err));
    uint32_t uid = fixture_put(f, txn, NULL);
    must(cubby__txn_commit(&txn, NULL));
    struct cubby__msgreader r;
    must(cubby__view_begin(f->s, &view, &f->err));
    must(cubby__msgreader_open(&r, &view, f->inbox, uid));
    ck_assert_uint_eq(r.fetch.object.size, sizeof head - 1 + (uint64_t)BLOCKS * BLOCK);
    for (int i = BLOCKS - 1; i >= 0; i -= 41) {
        size_t got;
        fill(block, BLOCK, (uint64_t)i);
        must(cubby__msgreader_read(&r, sizeof head - 1 + (uint64_t)i * BLOCK, back, BLOCK, &got));
        ck_assert_uint_eq(got, BLOCK);
        ck_assert_mem_eq(back, block, BLOCK);
    }
    must(cubby__msgreader_verify(&r));
    long grown = resident_kib() - before;
    cubby__msgreader_close(&r);
    cubby__view_end(&view);
    fixture_close(f);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    ck_assert_int_lt(grown, 10 * 1024);
#else
    (void)grown;
#endif
}
END_TEST

UNIT_MAIN("mail/incoming", small, large, list_fields_and_date, write_behind_the_end, one_object_a_transaction, reset_before_commit,
          every_allocation_may_fail, large_in_little_memory)
