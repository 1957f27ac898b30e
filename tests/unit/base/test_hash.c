/* Hashes fed in pieces are those of the whole, and their memory comes from the hooks like all other. */
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#include "cubby.h"
#include "unit/unit.h"

static int allowed, held;

static void *counted_malloc(size_t n)
{
    void *p = allowed > 0 ? malloc(n + 8) : NULL;
    allowed -= p != NULL;
    held += p != NULL;
    return p ? (char *)p + 8 : NULL; /* not aligned to more than it has to be */
}

static void *counted_realloc(void *p, size_t n)
{
    (void)p;
    (void)n;
    return NULL;
}

static void counted_free(void *p)
{
    held -= p != NULL;
    free(p ? (char *)p - 8 : NULL);
}

static void hash_in_pieces(struct cubby__hasher *h, const uint8_t *p, size_t n, size_t piece)
{
    for (size_t at = 0; at < n; at += piece)
        cubby__hasher_add(h, p + at, n - at < piece ? n - at : piece);
}

START_TEST(pieces_make_the_whole)
{
    enum { BYTES = 5000 };
    static const size_t pieces[] = {1, 7, 64, 255, 256, 257, 1024, BYTES};
    uint8_t bytes[BYTES];
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(i * i >> 3);
    struct cubby__hasher *h = cubby__hasher_new();
    ck_assert_ptr_nonnull(h);
    for (size_t n = 0; n <= BYTES; n += n < 600 ? 1 : 311) {
        struct cubby__hash128 whole = cubby__hash128(bytes, n);
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            cubby__hasher_reset(h);
            hash_in_pieces(h, bytes, n, pieces[i]);
            struct cubby__hash128 got = cubby__hasher_end(h);
            ck_assert_mem_eq(got.b, whole.b, sizeof got.b);
        }
    }
    cubby__hasher_free(&h);
    ck_assert_ptr_null(h);
    cubby__hasher_free(&h);
}
END_TEST

START_TEST(memory_comes_from_the_hooks)
{
    static const cubby_allocator counted = {counted_malloc, counted_realloc, counted_free};
    cubby_set_allocator(&counted);
    allowed = held = 0;
    ck_assert_ptr_null(cubby__hasher_new());
    allowed = 1;
    struct cubby__hasher *h = cubby__hasher_new();
    ck_assert_ptr_nonnull(h);
    ck_assert_int_eq(held, 1);
    cubby__hasher_add(h, "abc", 3);
    struct cubby__hash128 got = cubby__hasher_end(h), want = cubby__hash128("abc", 3);
    ck_assert_mem_eq(got.b, want.b, sizeof got.b);
    cubby__hasher_free(&h);
    ck_assert_int_eq(held, 0);
    cubby_set_allocator(NULL);
}
END_TEST

UNIT_MAIN("base/hash", pieces_make_the_whole, memory_comes_from_the_hooks)
