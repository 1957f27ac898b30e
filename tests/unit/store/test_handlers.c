/* Handlers of the layer above that fail, definitions and DAMAGE records of other versions, rows that are not what they should be: what recovery makes of them. */
#include "log/frame.h"
#include "store/commit.h"
#include "store/recover.h"
#include "unit/store/store_util.h"

static int calls_left; /* of a handler, before it fails */

static int due(void)
{
    return calls_left-- == 0;
}

static int open_as(struct bed *b, const struct cubby__handlers *h)
{
    memset(&b->err, 0, sizeof b->err);
    return cubby__store_open("/s", &b->o, h, &b->s, &b->err);
}

static void sound(struct bed *b)
{
    bed_rebuild_is_equal(b);
    bed_clean(b);
}

/* ---- handlers that fail ---- */

static int apply_sometimes(struct cubby__txn *t, const struct cubby__record *rec)
{
    return due() ? cubby__fail_mem(cubby__txn_err(t)) : kv_apply(t, rec);
}

static const struct cubby__handlers sometimes = {.apply = apply_sometimes, .define = kv_define, .create = kv_create, .damage = kv_damage};

/* Of a rebuild: definitions and records. */
START_TEST(a_record_that_cannot_be_applied)
{
    struct bed bed, *b = &bed;
    int n = 0, rc = -1;
    bed_begin_with(b, 4096, 0);
    kv_store_many(b, 0, 60, 100);
    ck_assert_uint_ge(bed_last_segment(b), 2);
    struct cubby__buf want = kv_dump(b);
    bed_close(b);
    for (; rc != 0; n++) {
        bed_unlink(b, "/s/index");
        calls_left = n;
        rc = open_as(b, &sometimes);
        ck_assert(rc == 0 || rc == CUBBY_ENOMEM);
        ck_assert(rc == 0 || b->err.code == CUBBY_ENOMEM);
        if (rc == 0)
            bed_close(b);
    }
    ck_assert_int_gt(n, 60);
    bed_open(b);
    same_rows(want, kv_dump(b));
    sound(b);
    bed_end(b);
}
END_TEST

static int damage_sometimes(struct cubby__txn *t, uint64_t records)
{
    return due() ? cubby__fail_mem(cubby__txn_err(t)) : kv_damage(t, records);
}

static const struct cubby__handlers no_damage = {.apply = kv_apply, .define = kv_define, .create = kv_create, .damage = damage_sometimes};

/* Numbers that were lost cannot be passed over: then there is no recovery. A flip, the end of a sealed segment, the end of the log. */
START_TEST(damage_that_cannot_be_told)
{
    for (int kind = 0; kind < 3; kind++) {
        struct bed bed, whole, *b = &bed;
        bed_begin_with(b, 4096, 0);
        kv_store_many(b, 0, 3, 100);
        uint64_t at = b->s->pending.seg_off;
        kv_store_many(b, 3, 60, 100);
        MUST(cubby__store_checkpoint(b->s, &b->err));
        bed_close(b);
        if (kind == 0)
            bed_flip(b, seg_path(1), at + 40, 1);
        else
            bed_truncate(b, seg_path(kind == 1 ? 1 : bed_last_segment(b)), at);
        if (kind < 2)
            bed_unlink(b, "/s/index");
        bed_copy(b, &whole);
        struct bed *hurt = b;
        b = &whole;
        calls_left = 1000;
        MUST(open_as(b, &no_damage));
        int calls = 1000 - calls_left;
        ck_assert_int_gt(calls, 0);
        bed_end(b);
        b = hurt;
        for (int n = 0; n < calls; n++) {
            calls_left = n;
            REFUSES(open_as(b, &no_damage), CUBBY_ENOMEM);
        }
        bed_open(b);
        ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
        ck_assert_uint_gt(kv_counter(b), 1);
        MUST(kv_store(b, "goes", "on"));
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
}
END_TEST

static int define_sometimes(struct cubby__view *view, struct cubby__buf *defs)
{
    return due() ? cubby__fail_mem(view->err) : kv_define(view, defs);
}

static const struct cubby__handlers no_definitions = {.apply = kv_apply, .define = define_sometimes, .create = kv_create, .damage = kv_damage};

START_TEST(a_header_without_definitions)
{
    struct bed bed, dead, *b = &bed;
    bed_begin_with(b, 4096, 0);
    bed_close(b);
    MUST(open_as(b, &no_definitions));
    calls_left = 0;
    while (!cubby__is_full(b->s))
        MUST(kv_store(b, "full", "a value that is as long as it needs to be, and not longer"));
    REFUSES(kv_store(b, "rolls", "x"), CUBBY_ENOMEM);
    MUST(kv_store(b, "rolls", "x"));
    ck_assert_uint_eq(bed_last_segment(b), 2);
    bed_copy(b, &dead);
    bed_end(b);
    b = &dead;
    calls_left = 0;
    REFUSES(open_as(b, &no_definitions), CUBBY_ENOMEM); /* of the successor */
    bed_open(b);
    ck_assert_str_eq(kv_look(b, "rolls"), "x");
    sound(b);
    bed_end(b);
}
END_TEST

static int define_too_much(struct cubby__view *view, struct cubby__buf *defs)
{
    (void)view;
    return cubby__buf_extend(defs, CUBBY__SEG_HEADER_MAX) ? 0 : CUBBY_ENOMEM;
}

static const struct cubby__handlers too_much = {.apply = kv_apply, .define = define_too_much, .create = kv_create, .damage = kv_damage};

/* No header can hold what the folders need: the log goes on where it is, and asks again after a while. */
START_TEST(definitions_beyond_the_limit)
{
    struct bed bed, *b = &bed;
    bed_begin_with(b, 4096, 0);
    bed_close(b);
    MUST(open_as(b, &too_much));
    for (int i = 0; i < 30; i++)
        kv_store_many(b, i, i + 1, 300);
    ck_assert_uint_eq(bed_last_segment(b), 1);
    ck_assert_int_eq(cubby__is_full(b->s), 1);
    ck_assert_int_gt(b->s->roll_again_ms, 0);
    b->s->handlers = &kv_handlers;
    b->vfs->sleep_ms(b->vfs->ctx, 2000);
    MUST(kv_store(b, "rolls", "x"));
    ck_assert_uint_eq(bed_last_segment(b), 2);
    sound(b);
    bed_end(b);
}
END_TEST

/* ---- definitions that are not what they should be ---- */

enum rubbish { SHORT, BAD_RECORD, RUBBISH };
static enum rubbish rubbish;

static int define_rubbish(struct cubby__view *view, struct cubby__buf *defs)
{
    cubby__define(defs, CUBBY__REC_MARK, view->commit, "12345678", rubbish == BAD_RECORD ? 3 : 8);
    if (rubbish == BAD_RECORD)
        return kv_define(view, defs);
    cubby__buf_byte(defs, CUBBY__REC_MARK);
    cubby__buf_varint(defs, view->commit);
    cubby__buf_varint(defs, 1000); /* bytes that are not there */
    return 0;
}

static const struct cubby__handlers rubbish_handlers = {.apply = kv_apply, .define = define_rubbish, .create = kv_create, .damage = kv_damage};

/* What can be read of them counts, the rest is left out. */
START_TEST(definitions_that_break_their_format)
{
    for (rubbish = 0; rubbish < RUBBISH; rubbish++) {
        struct bed bed, *b = &bed;
        struct cubby__txn *t;
        bed_begin_with(b, 4096, 0);
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        MUST(kv_mark(t, 5));
        MUST(cubby__txn_commit(&t, NULL));
        bed_close(b);
        MUST(open_as(b, &rubbish_handlers));
        while (bed_last_segment(b) < 2)
            MUST(kv_store(b, "full", "a value that is as long as it needs to be, and not longer"));
        MUST(kv_store(b, "second", "x"));
        bed_close(b);
        bed_unlink(b, "/s/index");
        bed_open(b);
        ck_assert_uint_eq(kv_counter(b), rubbish == BAD_RECORD ? 5 : cubby__get64("12345678"));
        ck_assert_str_eq(kv_look(b, "second"), "x");
        MUST(kv_store(b, "goes", "on"));
        bed_end(b);
    }
}
END_TEST

/* ---- DAMAGE records ---- */

static int accept_all(struct cubby__txn *t, const struct cubby__record *rec)
{
    return rec->type == CUBBY__REC_DAMAGE ? 0 : kv_apply(t, rec);
}

static const struct cubby__handlers careless = {.apply = accept_all, .define = kv_define, .create = kv_create, .damage = kv_damage};

static const uint64_t most = CUBBY__SEG_CAPACITY_MAX / CUBBY__FRAME_SIZE + 1;

/* Of kinds and numbers that are not ours: as much as they could say. */
START_TEST(damage_of_other_versions)
{
    static const struct {
        uint8_t payload[12];
        size_t len;
        uint64_t pieces, objects; /* how far they are raised; 0: not */
    } cases[] = {{"", 0, 2, 2},
                 {{CUBBY__DAMAGE_CONTENT}, 1, most, most},
                 {{CUBBY__DAMAGE_CONTENT, 7}, 2, 7, 0},
                 {{CUBBY__DAMAGE_CUT, 0}, 2, 0, 0},
                 {{CUBBY__DAMAGE_CUT, 9}, 2, 9, 9},
                 {{99, 9}, 2, 9, 9},
                 {{CUBBY__DAMAGE_CUT, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, 8, most, most}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed bed, dead, *b = &bed;
        struct cubby__framer f = {0};
        uint64_t off;
        bed_init(b);
        MUST(cubby__store_create("/s", &b->o, &careless, &b->err));
        MUST(open_as(b, &careless));
        MUST(kv_store(b, "before", "x"));
        struct cubby__seed seed = {b->s->ident.salt, b->s->pending.seg_nonce};
        cubby__framer_init(&f, &seed, b->s->pending.seg_off, b->s->pending.commit);
        MUST(cubby__framer_add(&f, CUBBY__REC_DAMAGE, 0, cases[i].payload, (uint32_t)cases[i].len, NULL, &off));
        bed_write(b, seg_path(1), f.base, f.buf.data, f.buf.len); /* as a repair does */
        cubby__framer_release(&f);
        bed_copy(b, &dead);
        bed_end(b);
        b = &dead;
        bed_unlink(b, "/s/index");
        bed_open(b);
        ck_assert_msg(b->s->floors.piece == cases[i].pieces, "%zu: %llu", i, (unsigned long long)b->s->floors.piece);
        ck_assert_msg(b->s->floors.object == cases[i].objects, "%zu: %llu", i, (unsigned long long)b->s->floors.object);
        ck_assert_str_eq(kv_look(b, "before"), "x");
        MUST(kv_store(b, "goes", "on"));
        bed_rebuild_is_equal(b);
        bed_end(b);
    }
}
END_TEST

/* Numbers for folders to come are left, however often damage is met. */
START_TEST(the_last_uidvalidities)
{
    static const uint64_t are[] = {0, CUBBY__UIDVALIDITY_LAST - 1, CUBBY__UIDVALIDITY_LAST, CUBBY__UIDVALIDITY_LAST + 5, UINT32_MAX};
    for (size_t i = 0; i < sizeof are / sizeof *are; i++) {
        struct bed bed, *b = &bed;
        struct cubby__txn *t;
        bed_begin_with(b, 4096, 0);
        MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
        cubby__txn_floors(t)->uidvalidity = are[i];
        MUST(kv_put(t, "high", "x", 1));
        MUST(cubby__txn_commit(&t, NULL));
        while (bed_last_segment(b) < 2) /* the next header says it again */
            MUST(kv_store(b, "full", "a value that is as long as it needs to be, and not longer"));
        uint64_t at = b->s->pending.seg_off;
        kv_store_many(b, 0, 3, 100);
        bed_close(b);
        bed_flip(b, seg_path(2), at + 40, 1);
        bed_unlink(b, "/s/index");
        bed_open(b);
        ck_assert_ptr_nonnull(strstr(b->notice, "damage"));
        uint64_t is = b->s->floors.uidvalidity;
        ck_assert_uint_ge(is, are[i]);
        ck_assert_uint_le(is, are[i] > CUBBY__UIDVALIDITY_LAST ? are[i] : CUBBY__UIDVALIDITY_LAST);
        ck_assert_int_eq(is > are[i], are[i] < CUBBY__UIDVALIDITY_LAST);
        bed_end(b);
    }
}
END_TEST

/* ---- rows that are not what they should be ---- */

START_TEST(a_state_row_of_another_length)
{
    static const uint8_t key[1] = {CUBBY__KS_STATE};
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    struct cubby__floors f;
    bed_begin(b);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(cubby__txn_put(t, key, sizeof key, "short", 5));
    struct cubby__root root = cubby__view_root(cubby__txn_view(t));
    memset(&f, 1, sizeof f);
    REFUSES(cubby__floors_load(b->s, &root, &f, &b->err), CUBBY_ECORRUPT);
    ck_assert_str_eq(b->err.path, CUBBY__FILE_INDEX);
    ck_assert_uint_eq(f.commit, 0);
    cubby__txn_abort(&t);
    bed_end(b);
}
END_TEST

START_TEST(a_segment_row_that_breaks_its_format)
{
    static const uint8_t key[2] = {CUBBY__KS_SEGMENT, 77};
    struct bed bed, *b = &bed;
    struct cubby__txn *t;
    bed_begin(b);
    kv_store_many(b, 0, 5, 100);
    uint64_t live = cubby__live_bytes(b->s);
    ck_assert_uint_gt(live, 0);
    MUST(cubby__txn_begin(b->s, 0, &t, &b->err));
    MUST(kv_put(t, "a", "b", 1));
    MUST(cubby__txn_put(t, key, sizeof key, "\xff", 1));
    MUST(cubby__txn_commit(&t, NULL));
    ck_assert_uint_gt(cubby__live_bytes(b->s), live); /* the others count */
    ck_assert_uint_lt(cubby__live_bytes(b->s), live + 100);
    bed_end(b);
}
END_TEST

/* ---- handlers that read ---- */

static int reads;

static int apply_and_read(struct cubby__txn *t, const struct cubby__record *rec)
{
    struct cubby__buf buf = CUBBY__BUF_INIT;
    const uint8_t *payload;
    int rc = 0;
    if (rec->type == CUBBY__REC_ANNOTATION) { /* what is applied can be read where it says */
        rc = cubby__view_read(cubby__txn_view(t), &rec->place, rec->type, &buf, &payload, NULL);
        if (rc == 0)
            ck_assert_mem_eq(payload, rec->payload, rec->len);
        reads += rc == 0;
    }
    cubby__buf_release(&buf);
    return rc ? rc : kv_apply(t, rec);
}

static const struct cubby__handlers readers = {.apply = apply_and_read, .define = kv_define, .create = kv_create, .damage = kv_damage};

START_TEST(records_are_read_where_they_are)
{
    struct bed bed, dead, *b = &bed;
    bed_init(b);
    MUST(cubby__store_create("/s", &b->o, &readers, &b->err));
    MUST(open_as(b, &readers));
    reads = 0;
    kv_store_many(b, 0, 10, 100);
    ck_assert_int_eq(reads, 10); /* in the transaction */
    bed_copy(b, &dead);
    bed_end(b);
    b = &dead;
    reads = 0;
    MUST(open_as(b, &readers));
    ck_assert_int_eq(reads, 10); /* in the replay, and of the successor */
    ck_assert_uint_eq(bed_last_segment(b), 2);
    bed_end(b);
}
END_TEST

UNIT_MAIN("store/handlers", a_record_that_cannot_be_applied, damage_that_cannot_be_told, a_header_without_definitions, definitions_beyond_the_limit,
          definitions_that_break_their_format, damage_of_other_versions, the_last_uidvalidities, a_state_row_of_another_length,
          a_segment_row_that_breaks_its_format, records_are_read_where_they_are)
