/* Numbers that counting does not reach, under right checksums: such as are above 2^63 - 1 are no numbers; one just below ends all changes, but nothing that is
 * acknowledged is lost, and what is there can be read. */
#include "store/commit.h"
#include "store/repair_file.h"
#include "unit/store/segment_util.h"

static void made(struct bed *b)
{
    bed_begin_with(b, 4096, 3000);
    kv_store_many(b, 0, 80, 100);
    bed_close(b);
}

static void takes_no_change(struct bed *b)
{
    char value[101] = "";
    memset(value, 'a' + 79 % 26, 100);
    MUST(bed_try_open(b, 0));
    REFUSES(kv_store(b, "one", "more"), CUBBY_ELIMIT);
    ck_assert_ptr_nonnull(strstr(b->err.message, "2^63"));
    REFUSES(kv_store_in(b->s, "one", "more", CUBBY_LAZY, NULL, &b->err), CUBBY_ELIMIT);
    ck_assert_str_eq(kv_look(b, "k0079"), value);
    bed_close(b);
    struct findings x = bed_check(b);
    ck_assert_str_eq(x.codes, "NUMBERS_USED_UP ");
    ck_assert_int_eq(x.n, 0);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    bed_close(b);
}

static uint64_t *number_of(struct cubby__floors *f, int i)
{
    uint64_t *const of[] = {&f->commit, &f->object, &f->piece, &f->folder, &f->thread};
    return of[i];
}

static void forge_floor(struct bed *b, uint32_t seg, int i, uint64_t number)
{
    struct cubby__seg_header h = header_of(b, seg);
    *number_of(&h.floors, i) = number;
    write_header(b, seg_path(seg), &h);
    cubby__seg_header_release(&h);
}

START_TEST(the_last_number_of_each)
{
    for (int i = 0; i < 5; i++) {
        struct bed bed, *b = &bed;
        made(b);
        bed_unlink(b, "/s/index");
        forge_floor(b, bed_last_segment(b), i, CUBBY__NUMBER_MAX);
        takes_no_change(b);
        bed_end(b);
    }
}
END_TEST

/* Enough for whatever is begun: what was acknowledged is there after a crash, which takes numbers, too. */
START_TEST(as_far_as_they_go)
{
    struct bed bed, dead, *b = &bed;
    made(b);
    bed_unlink(b, "/s/index");
    forge_floor(b, bed_last_segment(b), 0, CUBBY__NUMBER_MAX - (1 << 30) - 2);
    bed_open(b);
    int rc, stored = 0;
    while ((rc = kv_store_in(b->s, "lazy", "one", CUBBY_LAZY, NULL, &b->err)) == 0)
        ck_assert_int_lt(stored++, 3);
    ck_assert_int_eq(rc, CUBBY_ELIMIT);
    ck_assert_int_gt(stored, 0);
    bed_copy(b, &dead);
    bed_end(b);
    b = &dead;
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "lazy"), "one");
    bed_close(b);
    bed_end(b);
}
END_TEST

/* Damage takes numbers, but not more than there are. */
START_TEST(damage_above_them)
{
    struct bed bed, *b = &bed;
    made(b);
    bed_unlink(b, "/s/index");
    for (int i = 0; i < 5; i++)
        forge_floor(b, 3, i, CUBBY__NUMBER_MAX - 1);
    bed_truncate(b, seg_path(4), bed_size(b, seg_path(4)) - 800);
    MUST(bed_try_open(b, 0));
    REFUSES(kv_store(b, "one", "more"), CUBBY_ELIMIT);
    for (int i = 0; i < 5; i++)
        ck_assert_uint_eq(*number_of(&b->s->floors, i), CUBBY__NUMBER_MAX);
    bed_close(b);
    bed_end(b);
}
END_TEST

/* A commit of this number behind the end of the log, with what its COMMIT says. */
static void forge_commit(struct bed *b, uint64_t number, uint64_t durable, uint64_t ceiling)
{
    struct cubby__framer f = {0};
    bed_open(b);
    const struct cubby__published *p = &b->s->pending;
    struct cubby__seed seed = {b->s->ident.salt, p->seg_nonce};
    struct cubby__commit c = {.prev = p->commit, .durable_through = durable == UINT64_MAX ? number : durable, .ceiling = ceiling};
    uint32_t seg = (uint32_t)p->seg;
    cubby__framer_init(&f, &seed, p->seg_off, number);
    MUST(cubby__framer_commit(&f, &c, p->chain));
    bed_close(b);
    struct places last;
    frames_of(b, seg, &last);
    ck_assert_uint_eq(last.end, f.base);
    bed_write(b, seg_path(seg), f.base, f.buf.data, f.buf.len);
    cubby__framer_release(&f);
    bed_quiet(b);
}

START_TEST(the_last_commit_there_can_be)
{
    struct bed bed, *b = &bed;
    made(b);
    forge_commit(b, CUBBY__NUMBER_MAX, 0, 0);
    takes_no_change(b);
    bed_end(b);
}
END_TEST

START_TEST(no_commit_at_all)
{
    static const struct {
        uint64_t number, durable, ceiling;
    } of[] = {{CUBBY__NUMBER_MAX + 1ull, 0, 0}, {UINT64_MAX, 0, 0}, {200, UINT64_MAX - 1, 0}, {200, UINT64_MAX, 0}, {200, 201, 0}, {200, 0, UINT64_MAX}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct bed bed, *b = &bed;
        made(b);
        forge_commit(b, of[i].number, of[i].durable, of[i].ceiling);
        bed_open(b);
        ck_assert_ptr_nonnull(strstr(b->notice, "torn tail"));
        ck_assert_uint_lt(b->s->pending.commit, 200);
        MUST(kv_store(b, "goes", "on"));
        bed_rebuild_is_equal(b);
        bed_close(b);
        bed_clean(b);
        bed_end(b);
    }
}
END_TEST

/* A row of the index that says so is damage of the index. */
START_TEST(a_state_row_of_such_numbers)
{
    struct bed bed, *b = &bed;
    made(b);
    bed_open(b);
    struct cubby__txn *t;
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "a", "b", 1));
    struct cubby__floors f = {.thread = CUBBY__NUMBER_MAX + 1ull};
    struct cubby__root root = {0};
    MUST(cubby__floors_store(b->s, &f, &b->err));
    cubby__tree_commit(b->s->pager, &root);
    REFUSES(cubby__floors_load(b->s, &root, &f, &b->err), CUBBY_ECORRUPT);
    ck_assert_ptr_nonnull(strstr(b->err.message, "2^63"));
    cubby__txn_abort(&t);
    b->s->latched = 1; /* it does not go on from there */
    bed_close(b);
    bed_end(b);
}
END_TEST

/* Nothing is written whose header could not be read again. */
START_TEST(a_header_that_cannot_hold_them)
{
    struct bed bed, *b = &bed;
    struct cubby__repairs t = {0};
    made(b);
    struct cubby__seg_header h = header_of(b, 3);
    MUST(bed_try_open(b, CUBBY_REBUILD));
    const struct cubby__floors f = {.thread = CUBBY__NUMBER_MAX + 1ull};
    REFUSES(cubby__mend_header(b->s, 3, h.nonce, &f, 0, &t, &b->err), CUBBY_ELIMIT);
    ck_assert_ptr_nonnull(strstr(b->err.message, "2^63"));
    cubby__seg_header_release(&h);
    bed_close(b);
    bed_clean(b);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/numbers", the_last_number_of_each, as_far_as_they_go, damage_above_them, the_last_commit_there_can_be, no_commit_at_all,
          a_state_row_of_such_numbers, a_header_that_cannot_hold_them)
