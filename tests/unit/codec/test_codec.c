#include "codec/codec.h"

#include <string.h>

#include "base/alloc.h"
#include "cubby.h"
#include "format/format.h"
#include "unit/unit.h"

static const uint8_t codecs[] = {CUBBY__CODEC_STORED, CUBBY__CODEC_LZ4, CUBBY__CODEC_LZ4_DICT};

/* There and back; returns the stored length. `out` has no byte more than promised. */
static size_t round_trip_of(struct cubby__codec *c, uint8_t codec, const uint8_t *in, size_t n, uint8_t *used)
{
    size_t room = cubby__compress_bound(n);
    uint8_t *out = malloc(room + !room), *back = malloc(n + !n);
    size_t len = cubby__compress(c, codec, in, n, out, used);
    ck_assert_uint_le(len, room);
    ck_assert(*used == codec || *used == CUBBY__CODEC_STORED);
    ck_assert(*used == CUBBY__CODEC_STORED ? len == n : len <= n - n / 16);
    out = realloc(out, len + !len);
    ck_assert_int_eq(cubby__decompress(*used, out, len, back, n), 0);
    if (n)
        ck_assert_mem_eq(back, in, n);
    free(out);
    free(back);
    return len;
}

static void fill(uint8_t *p, size_t n, int kind)
{
    uint32_t r = 12345;
    for (size_t i = 0; i < n; i++) {
        r = r * 1664525 + 1013904223;
        p[i] = kind == 0 ? 'a' : kind == 1 ? (uint8_t)(r >> 24) : (uint8_t)"the quick brown fox jumps "[(i + (r >> 30)) % 26];
    }
}

START_TEST(round_trip)
{
    static const size_t sizes[] = {0, 1, 2, 12, 13, 15, 16, 17, 31, 100, 1000, 65535, 65536, 65537,
                                   CUBBY__PIECE_MAX, CUBBY__PIECE_MAX * 8, CUBBY__PIECE_MAX * 8 + 1};
    struct cubby__codec *c = cubby__codec_new();
    uint8_t *in = malloc(CUBBY__PIECE_MAX * 8 + 1), used;
    for (int kind = 0; kind < 3; kind++) {
        fill(in, CUBBY__PIECE_MAX * 8 + 1, kind);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t k = 0; k < sizeof codecs; k++)
                round_trip_of(c, codecs[k], in, sizes[i], &used);
    }
    fill(in, 1000, 0);
    ck_assert_uint_lt(round_trip_of(c, CUBBY__CODEC_LZ4, in, 1000, &used), 50);
    ck_assert_uint_eq(used, CUBBY__CODEC_LZ4);
    fill(in, 1000, 1);
    ck_assert_uint_eq(round_trip_of(c, CUBBY__CODEC_LZ4, in, 1000, &used), 1000);
    ck_assert_uint_eq(used, CUBBY__CODEC_STORED);
    fill(in, 1000, 0);
    ck_assert_uint_eq(round_trip_of(c, CUBBY__CODEC_STORED, in, 1000, &used), 1000);
    ck_assert_uint_eq(round_trip_of(c, 77, in, 1000, &used), 1000); /* asked for what it does not know: stored */
    cubby__codec_free(&c);
    ck_assert_ptr_null(c);
    free(in);
}
END_TEST

/* Worth it only if a sixteenth is saved: 14 of 16 zeros are not, in LZ4, but some hundred are. */
START_TEST(small_gain_is_stored)
{
    struct cubby__codec *c = cubby__codec_new();
    uint8_t in[4096], used;
    int stored = 0, packed = 0;
    for (size_t repeated = 0; repeated < sizeof in; repeated += 8) {
        fill(in, sizeof in, 1);
        memset(in, 0, repeated);
        size_t n = round_trip_of(c, CUBBY__CODEC_LZ4, in, sizeof in, &used);
        ck_assert(used == CUBBY__CODEC_STORED || n <= sizeof in - sizeof in / 16);
        stored += used == CUBBY__CODEC_STORED;
        packed += used == CUBBY__CODEC_LZ4;
        ck_assert_msg(repeated > 200 || used == CUBBY__CODEC_STORED, "%zu", repeated);
        ck_assert_msg(repeated < 400 || used == CUBBY__CODEC_LZ4, "%zu", repeated);
    }
    ck_assert(stored > 0 && packed > 0);
    cubby__codec_free(&c);
}
END_TEST

static const char header[] = "From: A <a@example.com>\nTo: B <b@example.org>\nSubject: Re: lunch\nDate: Mon, 2 Feb 2026 10:11:12 +0100\n"
                             "Message-ID: <1@example.com>\nMIME-Version: 1.0\nContent-Type: text/plain; charset=\"utf-8\"\n"
                             "Content-Transfer-Encoding: quoted-printable\n";

START_TEST(dictionary_helps)
{
    struct cubby__codec *c = cubby__codec_new();
    uint8_t used;
    size_t plain = round_trip_of(c, CUBBY__CODEC_LZ4, (const uint8_t *)header, sizeof header - 1, &used);
    size_t with = round_trip_of(c, CUBBY__CODEC_LZ4_DICT, (const uint8_t *)header, sizeof header - 1, &used);
    ck_assert_uint_eq(used, CUBBY__CODEC_LZ4_DICT);
    ck_assert_uint_lt(with * 4, plain * 3);
    for (int i = 0; i < 3; i++) /* the tables of the dictionary stay as they are */
        ck_assert_uint_eq(round_trip_of(c, CUBBY__CODEC_LZ4_DICT, (const uint8_t *)header, sizeof header - 1, &used), with);
    cubby__codec_free(&c);
}
END_TEST

/* Every cut and every changed byte of a block, in blocks of their own size: the length is kept or the block refused. */
START_TEST(hostile_blocks)
{
    struct cubby__codec *c = cubby__codec_new();
    uint8_t packed[1024], used;
    for (size_t k = 1; k < sizeof codecs; k++) {
        size_t n = cubby__compress(c, codecs[k], header, sizeof header - 1, packed, &used), orig = sizeof header - 1;
        ck_assert_uint_eq(used, codecs[k]);
        for (size_t cut = 0; cut < n; cut++) {
            uint8_t *copy = malloc(cut + !cut), *out = malloc(orig);
            memcpy(copy, packed, cut);
            ck_assert_int_eq(cubby__decompress(used, copy, cut, out, orig), CUBBY_ECORRUPT);
            free(copy);
            free(out);
        }
        for (size_t i = 0; i < n * 256; i++) {
            uint8_t *copy = malloc(n), *out = malloc(orig);
            memcpy(copy, packed, n);
            copy[i / 256] = (uint8_t)i;
            int rc = cubby__decompress(used, copy, n, out, orig);
            ck_assert(rc == 0 || rc == CUBBY_ECORRUPT);
            free(copy);
            free(out);
        }
        uint8_t out[1024];
        ck_assert_int_eq(cubby__decompress(used, packed, n, out, orig - 1), CUBBY_ECORRUPT);
        ck_assert_int_eq(cubby__decompress(used, packed, n, out, orig + 1), CUBBY_ECORRUPT);
    }
    cubby__codec_free(&c);
}
END_TEST

START_TEST(refused)
{
    uint8_t out[16];
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_STORED, "abc", 3, out, 4), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_STORED, "abc", 3, out, 2), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_STORED, NULL, 0, NULL, 0), 0);
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_LZ4, "", 0, out, 1), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_LZ4, "\0", 1, out, 0), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_LZ4, "\x10""a", 2, out, 1), CUBBY_ECORRUPT); /* larger than what it holds */
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_LZ4, "abc", 3, out, SIZE_MAX), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__decompress(3, "abc", 3, out, 16), CUBBY_ECORRUPT);
    ck_assert_int_eq(cubby__decompress(255, "abc", 3, out, 3), CUBBY_ECORRUPT);
}
END_TEST

static void *no_memory(size_t n)
{
    (void)n;
    return NULL;
}

START_TEST(out_of_memory)
{
    static const cubby_allocator none = {no_memory, realloc, free};
    cubby_set_allocator(&none);
    struct cubby__codec *c = cubby__codec_new();
    ck_assert_ptr_null(c);
    cubby__codec_free(&c);
    cubby_set_allocator(NULL);
}
END_TEST

UNIT_MAIN("codec/codec", round_trip, small_gain_is_stored, dictionary_helps, hostile_blocks, refused, out_of_memory)
