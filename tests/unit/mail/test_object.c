#include "mail/object.h"

#include <string.h>

#include "unit/unit.h"

static const struct cubby__piece_ref two[] = {{9, CUBBY__PIECE_MAX, CUBBY__PIECE_MAX + 100}, {4, 1, 2}};

/* An object with something in every field. */
static struct cubby__object full(void)
{
    struct cubby__object o = {.id = 5,
                              .thread = 3,
                              .sent_date = -7,
                              .eol = CUBBY_EOL_MIXED,
                              .traits = 31,
                              .hash = "0123456789abcde",
                              .header_len = 40,
                              .stored_header = 30,
                              .runs = (const uint8_t *)"\x05\x14\x05",
                              .runs_len = 3,
                              .list_codec = CUBBY__CODEC_LZ4_DICT,
                              .list_orig_len = 20,
                              .list = (const uint8_t *)"listlist",
                              .list_len = 8,
                              .rest_piece = 8,
                              .rest_orig_len = 10,
                              .piece_count = 2,
                              .structure = (const uint8_t *)"sss",
                              .structure_len = 3,
                              .structure_codec = CUBBY__CODEC_STORED,
                              .structure_orig_len = 3};
    o.size = 30 + CUBBY__PIECE_MAX + 1;
    o.crlf_size = o.size + 103;
    return o;
}

static struct cubby__buf encoded(const struct cubby__object *o, const struct cubby__piece_ref *refs)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__object_encode(o, refs, &b);
    ck_assert_int_eq(b.failed, 0);
    return b;
}

static void check_same(const struct cubby__object *a, const struct cubby__object *b)
{
    ck_assert_uint_eq(a->id, b->id);
    ck_assert_uint_eq(a->thread, b->thread);
    ck_assert_uint_eq(a->size, b->size);
    ck_assert_uint_eq(a->crlf_size, b->crlf_size);
    ck_assert_int_eq(a->sent_date, b->sent_date);
    ck_assert_uint_eq(a->eol, b->eol);
    ck_assert_uint_eq(a->traits, b->traits);
    ck_assert_mem_eq(a->hash, b->hash, 16);
    ck_assert_uint_eq(a->header_len, b->header_len);
    ck_assert_uint_eq(a->stored_header, b->stored_header);
    ck_assert_uint_eq(a->runs_len, b->runs_len);
    ck_assert_uint_eq(a->list_codec, b->list_codec);
    ck_assert_uint_eq(a->list_orig_len, b->list_orig_len);
    ck_assert_uint_eq(a->list_len, b->list_len);
    ck_assert_uint_eq(a->rest_piece, b->rest_piece);
    ck_assert_uint_eq(a->rest_orig_len, b->rest_orig_len);
    ck_assert_uint_eq(a->piece_count, b->piece_count);
    ck_assert_uint_eq(a->structure_len, b->structure_len);
    ck_assert_uint_eq(a->structure_codec, b->structure_codec);
    ck_assert_uint_eq(a->structure_orig_len, b->structure_orig_len);
    if (a->runs_len)
        ck_assert_mem_eq(a->runs, b->runs, a->runs_len);
    if (a->list_len)
        ck_assert_mem_eq(a->list, b->list, a->list_len);
    if (a->structure_len)
        ck_assert_mem_eq(a->structure, b->structure, a->structure_len);
}

static int refused(const struct cubby__object *o, const struct cubby__piece_ref *refs)
{
    struct cubby__object out;
    struct cubby__buf b = encoded(o, refs);
    int rc = cubby__object_decode(b.data, b.len, &out);
    cubby__buf_release(&b);
    return rc == CUBBY_ECORRUPT;
}

START_TEST(round_trip)
{
    struct cubby__object o = full(), out;
    struct cubby__buf b = encoded(&o, two);
    ck_assert_int_eq(cubby__object_decode(b.data, b.len, &out), 0);
    check_same(&o, &out);
    struct cubby__piece_ref ref;
    size_t pos = 0;
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(cubby__object_piece(&out, &pos, &ref), 1);
        ck_assert_uint_eq(ref.id, two[i].id);
        ck_assert_uint_eq(ref.orig_len, two[i].orig_len);
        ck_assert_uint_eq(ref.crlf_len, two[i].crlf_len);
    }
    ck_assert_int_eq(cubby__object_piece(&out, &pos, &ref), 0);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(empty_message)
{
    struct cubby__object o = {.id = 1, .sent_date = INT64_MIN}, out;
    struct cubby__buf b = encoded(&o, NULL);
    ck_assert_int_eq(cubby__object_decode(b.data, b.len, &out), 0);
    check_same(&o, &out);
    size_t pos = 0;
    struct cubby__piece_ref ref;
    ck_assert_int_eq(cubby__object_piece(&out, &pos, &ref), 0);
    cubby__buf_release(&b);
}
END_TEST

/* The example of FORMAT.md. */
START_TEST(bytes)
{
    static const struct cubby__piece_ref ref = {12, 70, 72};
    struct cubby__object o = {.id = 7, .size = 100, .crlf_size = 105, .sent_date = 86400, .eol = CUBBY_EOL_LF, .header_len = 30, .stored_header = 30,
                              .runs = (const uint8_t *)"\x0a\x14", .runs_len = 2, .list_codec = CUBBY__CODEC_STORED, .list_orig_len = 20,
                              .list = (const uint8_t *)"Subject: cubby test\n", .list_len = 20, .rest_piece = 11, .rest_orig_len = 10,
                              .piece_count = 1, .structure = (const uint8_t *)"\x01\x02\x03\x04", .structure_len = 4,
                              .structure_codec = CUBBY__CODEC_STORED, .structure_orig_len = 4};
    memset(o.hash, 0xaa, sizeof o.hash);
    static const uint8_t want[] = {
        0x07, 0x00, 0x81, 0x80, 0xc6, 0x0a, 0x64, 0x05,                                                 /* ids, what, date, sizes */
        0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, /* hash */
        0x00, 0x14, 0x50, 0x0a, 0x0b, 0x04, 0x10, 0x02, 0x01,                                           /* header, groups, counts */
        0x0a, 0x14,                                                                                     /* runs */
        'S', 'u', 'b', 'j', 'e', 'c', 't', ':', ' ', 'c', 'u', 'b', 'b', 'y', ' ', 't', 'e', 's', 't', '\n',
        0x01, 0x02, 0x03, 0x04,                                                                         /* structure */
        0x02, 0x46, 0x02,                                                                               /* the piece */
    };
    struct cubby__buf b = encoded(&o, &ref);
    ck_assert_uint_eq(b.len, sizeof want);
    ck_assert_mem_eq(b.data, want, sizeof want);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(every_cut_is_refused)
{
    struct cubby__object o = full(), out;
    struct cubby__buf b = encoded(&o, two);
    for (size_t n = 0; n < b.len; n++)
        ck_assert_int_eq(cubby__object_decode(b.data, n, &out), CUBBY_ECORRUPT);
    cubby__buf_byte(&b, 0);
    ck_assert_int_eq(cubby__object_decode(b.data, b.len, &out), CUBBY_ECORRUPT);
    cubby__buf_release(&b);
}
END_TEST

START_TEST(nonsense_is_refused)
{
    struct cubby__object o = full();
    ck_assert_int_eq(refused(&o, two), 0);
    o.id = 0;
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.size++, o.crlf_size++; /* the pieces do not add up */
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.crlf_size = o.size + 100; /* they grow by more than the message */
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.crlf_size = 2 * o.size + 1;
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.header_len = o.size + 1;
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.rest_piece = 0;
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.list_orig_len = CUBBY__HEADER_STORED_MAX + 1;
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.list_codec = 3;
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.structure_orig_len = CUBBY__STRUCTURE_MAX + 1;
    ck_assert_int_eq(refused(&o, two), 1);
    o = full(), o.structure_orig_len = 4; /* stored, but of another length */
    ck_assert_int_eq(refused(&o, two), 1);
    struct cubby__piece_ref refs[2] = {two[0], two[1]};
    refs[1].id = 0;
    o = full();
    ck_assert_int_eq(refused(&o, refs), 1);
    refs[1] = two[1], refs[0].orig_len++, refs[1].orig_len = 0, refs[1].crlf_len = 0; /* too long, and one of nothing */
    ck_assert_int_eq(refused(&o, refs), 1);
}
END_TEST

/* Whatever is accepted is bounded, and is what the encoder makes of it. */
static void check_accepted(const uint8_t *p, size_t n)
{
    struct cubby__object o;
    if (cubby__object_decode(p, n, &o))
        return;
    struct cubby__piece_ref *refs = malloc((o.piece_count + 1) * sizeof *refs);
    size_t pos = 0;
    uint64_t count = 0, bytes = o.stored_header;
    while (cubby__object_piece(&o, &pos, &refs[count]))
        bytes += refs[count++].orig_len;
    ck_assert_uint_eq(count, o.piece_count);
    ck_assert_uint_eq(bytes, o.size);
    ck_assert_uint_le(o.list_orig_len, CUBBY__HEADER_STORED_MAX);
    ck_assert_uint_le(o.structure_orig_len, CUBBY__STRUCTURE_MAX);
    struct cubby__buf b = encoded(&o, refs);
    ck_assert_uint_eq(b.len, n);
    ck_assert_mem_eq(b.data, p, n);
    cubby__buf_release(&b);
    free(refs);
}

START_TEST(mutations)
{
    struct cubby__object o = full();
    struct cubby__buf b = encoded(&o, two);
    uint64_t seed = 1;
    for (int i = 0; i < 200000; i++) {
        uint8_t *p = malloc(b.len); /* its own, so that a sanitizer sees every step outside */
        size_t n = b.len;
        memcpy(p, b.data, n);
        for (int k = 0; k <= i % 3; k++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            p[(seed >> 33) % n] = (uint8_t)(seed >> 24);
        }
        if (i % 5 == 0)
            n = (seed >> 40) % n;
        check_accepted(p, n);
        free(p);
    }
    cubby__buf_release(&b);
}
END_TEST

UNIT_MAIN("mail/object", round_trip, empty_message, bytes, every_cut_is_refused, nonsense_is_refused, mutations)
