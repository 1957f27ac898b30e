#include "log/frame.h"

#include <string.h>

#include "base/bytes.h"
#include "unit/log/log_util.h"

static const struct cubby__seed seed = {1234, 5678};

static struct cubby__frame object_frame(void)
{
    return (struct cubby__frame){.type = CUBBY__REC_OBJECT, .flags = CUBBY__FRAME_COMPATIBLE, .len = 100, .commit = 7, .paysum = 0xdeadbeef};
}

static struct cubby__frame piece_frame(void)
{
    struct cubby__frame f = {.type = CUBBY__REC_PIECE, .len = 3000, .commit = 9, .paysum = 1};
    f.piece = (struct cubby__piece){.id = 55, .orig_len = CUBBY__PIECE_MAX, .codec = CUBBY__CODEC_LZ4, .kind = CUBBY__PIECE_REST};
    memset(f.piece.hash, 0x5a, sizeof f.piece.hash);
    return f;
}

static void same(const struct cubby__frame *a, const struct cubby__frame *b)
{
    ck_assert(a->type == b->type && a->flags == b->flags && a->len == b->len && a->commit == b->commit && a->paysum == b->paysum);
    if (a->type != CUBBY__REC_PIECE)
        return;
    ck_assert(a->piece.id == b->piece.id && a->piece.orig_len == b->piece.orig_len && a->piece.codec == b->piece.codec && a->piece.kind == b->piece.kind);
    ck_assert_mem_eq(a->piece.hash, b->piece.hash, 16);
}

START_TEST(sizes)
{
    ck_assert_uint_eq(cubby__frame_header_size(CUBBY__REC_OBJECT), CUBBY__FRAME_SIZE);
    ck_assert_uint_eq(cubby__frame_header_size(CUBBY__REC_PIECE), CUBBY__PIECE_FRAME_SIZE);
    ck_assert_uint_eq(cubby__frame_size(CUBBY__REC_OBJECT, 0), 32);
    ck_assert_uint_eq(cubby__frame_size(CUBBY__REC_OBJECT, 1), 40);
    ck_assert_uint_eq(cubby__frame_size(CUBBY__REC_OBJECT, 8), 40);
    ck_assert_uint_eq(cubby__frame_size(CUBBY__REC_PIECE, 9), 80);
    ck_assert_uint_eq(cubby__frame_size(CUBBY__REC_PIECE, UINT32_MAX), 64 + (1ull << 32));
    ck_assert_uint_eq(cubby__replay_size(CUBBY__REC_OBJECT, 9), 48);
    ck_assert_uint_eq(cubby__replay_size(CUBBY__REC_PIECE, 9), CUBBY__PIECE_FRAME_SIZE);
}
END_TEST

START_TEST(round_trip)
{
    struct cubby__frame frames[2] = {object_frame(), piece_frame()}, out;
    for (int i = 0; i < 2; i++) {
        uint8_t b[CUBBY__PIECE_FRAME_SIZE] = {0};
        size_t n = cubby__frame_encode(&frames[i], &seed, 4096, b);
        ck_assert_uint_eq(n, cubby__frame_header_size(frames[i].type));
        ck_assert_int_eq(cubby__frame_decode(b, n, &seed, 4096, &out), 0);
        same(&frames[i], &out);
        for (size_t avail = 0; avail < n; avail++)
            ck_assert_int_eq(cubby__frame_decode(b, avail, &seed, 4096, &out), avail ? CUBBY_ECORRUPT : CUBBY_DONE);
    }
}
END_TEST

START_TEST(every_flipped_bit_is_refused)
{
    struct cubby__frame frames[2] = {object_frame(), piece_frame()}, out;
    for (int i = 0; i < 2; i++) {
        uint8_t b[CUBBY__PIECE_FRAME_SIZE] = {0};
        size_t n = cubby__frame_encode(&frames[i], &seed, 512, b);
        for (size_t bit = 0; bit < n * 8; bit++) {
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
            ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 512, &out), CUBBY_ECORRUPT);
            b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}
END_TEST

START_TEST(stale_and_misplaced_frames_do_not_verify)
{
    struct cubby__frame f = object_frame(), out;
    uint8_t b[CUBBY__FRAME_SIZE];
    cubby__frame_encode(&f, &seed, 512, b);
    struct cubby__seed other_nonce = {seed.salt, seed.nonce + 1}, other_salt = {seed.salt + 1, seed.nonce}, swapped = {seed.nonce, seed.salt};
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &other_nonce, 512, &out), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &other_salt, 512, &out), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &swapped, 512, &out), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 520, &out), CUBBY_ECORRUPT);
    cubby__put64(b + CUBBY__FRAME_COMMIT_OFF, f.commit + 1);
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 512, &out), CUBBY_ECORRUPT);
    /* the payload's checksum has the same seeds */
    uint64_t sum = cubby__payload_sum("abc", 3, &seed, 512, 7);
    ck_assert(sum != cubby__payload_sum("abc", 3, &other_nonce, 512, 7));
    ck_assert(sum != cubby__payload_sum("abc", 3, &other_salt, 512, 7));
    ck_assert(sum != cubby__payload_sum("abc", 3, &seed, 520, 7));
    ck_assert(sum != cubby__payload_sum("abc", 3, &seed, 512, 8));
    ck_assert(sum != cubby__payload_sum("abd", 3, &seed, 512, 7));
    ck_assert(sum != cubby__payload_sum("abc", 2, &seed, 512, 7));
    ck_assert(sum == cubby__payload_sum("abc", 3, &seed, 512, 7));
}
END_TEST

START_TEST(lengths_beyond_the_limits)
{
    struct cubby__frame f = object_frame(), p = piece_frame(), out;
    uint8_t b[CUBBY__PIECE_FRAME_SIZE] = {0};
    f.len = CUBBY__FRAME_LEN_MAX;
    cubby__frame_encode(&f, &seed, 0, b);
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 0, &out), 0);
    f.len = CUBBY__FRAME_LEN_MAX + 1;
    cubby__frame_encode(&f, &seed, 0, b);
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 0, &out), CUBBY_ECORRUPT);
    p.piece.orig_len = CUBBY__PIECE_MAX + CUBBY__HEADER_STORED_MAX + 1;
    cubby__frame_encode(&p, &seed, 0, b);
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 0, &out), CUBBY_ECORRUPT);
}
END_TEST

START_TEST(zeros_are_no_damage)
{
    uint8_t b[CUBBY__PIECE_FRAME_SIZE] = {0};
    struct cubby__frame out;
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 0, &out), CUBBY_DONE);
    for (size_t avail = 0; avail < CUBBY__FRAME_SIZE; avail++)
        ck_assert_int_eq(cubby__frame_decode(b, avail, &seed, 0, &out), CUBBY_DONE);
    for (size_t i = 0; i < CUBBY__FRAME_SIZE; i++) {
        b[i] = 1;
        ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 0, &out), CUBBY_ECORRUPT);
        b[i] = 0;
    }
    b[CUBBY__FRAME_SIZE] = 1; /* behind the header */
    ck_assert_int_eq(cubby__frame_decode(b, sizeof b, &seed, 0, &out), CUBBY_DONE);
}
END_TEST

START_TEST(chains)
{
    struct cubby__buf h = CUBBY__BUF_INIT;
    cubby__buf_add(&h, "0123456789", 10);
    uint64_t c = cubby__chain(5, &h, &seed);
    ck_assert(c == cubby__chain(5, &h, &seed));
    ck_assert(c != cubby__chain(6, &h, &seed));
    h.data[9] ^= 1;
    ck_assert(c != cubby__chain(5, &h, &seed));
    h.data[9] ^= 1;
    h.len--;
    ck_assert(c != cubby__chain(5, &h, &seed));
    cubby__buf_release(&h);
    struct cubby__buf empty = CUBBY__BUF_INIT;
    ck_assert(cubby__chain(1, &empty, &seed) != cubby__chain(2, &empty, &seed));
}
END_TEST

START_TEST(commit_payload)
{
    struct cubby__commit c = {1, 2, 3, CUBBY__NUMBER_MAX, 5, -6}, out;
    uint8_t b[CUBBY__COMMIT_LEN + 1];
    cubby__commit_encode(&c, b);
    ck_assert_int_eq(cubby__commit_decode(b, CUBBY__COMMIT_LEN, &out), 0);
    ck_assert(out.chain == 1 && out.prev == 2 && out.durable_through == 3 && out.ceiling == CUBBY__NUMBER_MAX && out.bytes == 5 && out.time_ns == -6);
    const struct cubby__commit too_much[] = {{.prev = CUBBY__NUMBER_MAX + 1ull}, {.durable_through = CUBBY__NUMBER_MAX + 1ull}, {.ceiling = UINT64_MAX}};
    for (size_t i = 0; i < 3; i++) {
        cubby__commit_encode(&too_much[i], b);
        ck_assert_int_eq(cubby__commit_decode(b, CUBBY__COMMIT_LEN, &out), CUBBY_ECORRUPT);
    }
    for (size_t n = 0; n <= sizeof b; n++)
        if (n != CUBBY__COMMIT_LEN)
            ck_assert_int_eq(cubby__commit_decode(b, n, &out), CUBBY_ECORRUPT);
}
END_TEST

/* What the framer lines up, read back frame by frame. */
START_TEST(framer)
{
    struct cubby__framer f = {0};
    struct cubby__piece piece = piece_frame().piece;
    struct cubby__frame out;
    uint64_t a, b, c, outside_sum = 77;
    cubby__framer_init(&f, &seed, 1024, 12);
    ck_assert_uint_eq(cubby__framer_end(&f), 1024);
    ck_assert_int_eq(cubby__framer_add(&f, CUBBY__REC_ENTRY, 1, "hello", 5, NULL, &a), 0);
    ck_assert_uint_eq(a, 1024);
    ck_assert_int_eq(cubby__framer_add_outside(&f, &piece, &f, 99, 1001, outside_sum, &b), 0);
    ck_assert_uint_eq(b, 1024 + 40);
    ck_assert_uint_eq(cubby__framer_end(&f), 1024 + 40 + cubby__frame_size(CUBBY__REC_PIECE, 1001));
    ck_assert_int_eq(cubby__framer_add(&f, CUBBY__REC_ENTRY, 0, NULL, 0, NULL, &c), 0);
    ck_assert_uint_eq(c, 1024 + 40 + cubby__frame_size(CUBBY__REC_PIECE, 1001));
    ck_assert_uint_eq(f.record_bytes, 40 + CUBBY__PIECE_FRAME_SIZE + 32); /* a replay does not look at a piece's content */
    ck_assert_uint_eq(f.outside, 1001);
    ck_assert_uint_eq(f.extent_count, 1);
    ck_assert_uint_eq(f.extents[0].at, 40 + CUBBY__PIECE_FRAME_SIZE);
    ck_assert(f.extents[0].source == &f && f.extents[0].off == 99 && f.extents[0].len == 1001);

    ck_assert_int_eq(cubby__frame_decode(f.buf.data, f.buf.len, &seed, a, &out), 0);
    ck_assert(out.type == CUBBY__REC_ENTRY && out.flags == 1 && out.len == 5 && out.commit == 12);
    ck_assert_uint_eq(out.paysum, cubby__payload_sum("hello", 5, &seed, a, 12));
    ck_assert_mem_eq(f.buf.data + 32, "hello\0\0\0", 8); /* padded */
    ck_assert_int_eq(cubby__frame_decode(f.buf.data + 40, f.buf.len - 40, &seed, b, &out), 0);
    ck_assert(out.paysum == outside_sum && out.piece.id == 55 && out.len == 1001);

    struct cubby__commit commit = {.prev = 11, .durable_through = 10}, decoded;
    uint64_t want = cubby__chain(4321, &f.headers, &seed), bytes = cubby__framer_end(&f) - 1024, at = cubby__framer_end(&f);
    size_t in = f.buf.len;
    ck_assert_uint_eq(f.headers.len, 32 + 64 + 32);
    ck_assert_int_eq(cubby__framer_commit(&f, &commit, 4321), 0);
    ck_assert_uint_eq(commit.chain, want);
    ck_assert_uint_eq(commit.bytes, bytes);
    ck_assert_uint_eq(f.headers.len, 32 + 64 + 32); /* its own header is no part of the chain */
    ck_assert_int_eq(cubby__frame_decode(f.buf.data + in, f.buf.len - in, &seed, at, &out), 0);
    ck_assert_int_eq(out.type, CUBBY__REC_COMMIT);
    ck_assert_int_eq(cubby__commit_decode(f.buf.data + in + 32, out.len, &decoded), 0);
    ck_assert(decoded.chain == want && decoded.bytes == bytes && decoded.prev == 11 && decoded.durable_through == 10);

    cubby__framer_init(&f, &seed, 8, 13); /* as new, memory kept */
    ck_assert_uint_eq(cubby__framer_end(&f), 8);
    ck_assert(f.buf.len == 0 && f.headers.len == 0 && f.extent_count == 0 && f.outside == 0 && f.record_bytes == 0);
    cubby__framer_release(&f);
}
END_TEST

START_TEST(many_extents)
{
    struct cubby__framer f = {0};
    struct cubby__piece piece = {.id = 1};
    uint64_t off, want = 0;
    cubby__framer_init(&f, &seed, 0, 1);
    for (uint32_t i = 0; i < 100; i++) {
        ck_assert_int_eq(cubby__framer_add_outside(&f, &piece, NULL, i, i, 0, &off), 0);
        ck_assert_uint_eq(off, want);
        want += cubby__frame_size(CUBBY__REC_PIECE, i);
    }
    ck_assert_uint_eq(f.extent_count, 100);
    ck_assert_uint_eq(cubby__framer_end(&f), want);
    cubby__framer_release(&f);
}
END_TEST

UNIT_MAIN("log/frame", sizes, round_trip, every_flipped_bit_is_refused, stale_and_misplaced_frames_do_not_verify, lengths_beyond_the_limits,
          zeros_are_no_damage, chains, commit_payload, framer, many_extents)
