/* scan.h - scanning a message in tests: in one chunk or in many, with what must hold for every structure. */
#ifndef CUBBY_TESTS_MIME_SCAN_H
#define CUBBY_TESTS_MIME_SCAN_H

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "format/format.h"
#include "mime/structure.h"
#include "unit/unit.h"

/* Parts nest, stand in order, and lie in the message; message parts have one child. */
static inline void check_sane(const struct cubby__structure *s)
{
    ck_assert_uint_ge(s->count, 1);
    ck_assert_uint_le(s->count, CUBBY__MIME_PARTS_MAX);
    ck_assert_uint_eq(s->parts[0].header_offset, 0);
    ck_assert_uint_eq(s->parts[0].body_offset + s->parts[0].body_len, s->size);
    ck_assert_uint_eq(s->parts[0].header_len, s->header_len);
    for (size_t i = 0; i < s->count; i++) {
        const cubby_part *p = &s->parts[i], *up = &s->parts[p->parent];
        int ok = p->body_offset == p->header_offset + p->header_len && p->body_lines <= p->body_len;
        if (i) {
            ok = ok && p->parent < i && p->depth == up->depth + 1 && p->depth <= CUBBY__MIME_DEPTH_MAX && up->kind != CUBBY_PART_LEAF;
            ok = ok && p->header_offset >= up->body_offset && p->body_offset + p->body_len <= up->body_offset + up->body_len;
            ok = ok && p->header_offset >= s->parts[i - 1].header_offset;
        }
        if (p->kind == CUBBY_PART_MESSAGE)
            ok = ok && i + 1 < s->count && s->parts[i + 1].parent == i && s->parts[i + 1].header_offset == p->body_offset;
        ck_assert_msg(ok, "part %zu of %zu", i, s->count);
    }
}

static inline void check_same(const struct cubby__structure *a, const struct cubby__structure *b)
{
    ck_assert_uint_eq(a->count, b->count);
    ck_assert_uint_eq(a->size, b->size);
    ck_assert_uint_eq(a->crlf_size, b->crlf_size);
    ck_assert_uint_eq(a->header_len, b->header_len);
    ck_assert_uint_eq(a->eol, b->eol);
    ck_assert_uint_eq(a->traits, b->traits);
    for (size_t i = 0; i < a->count; i++) {
        cubby_part p = a->parts[i], q = b->parts[i];
        int same = p.parent == q.parent && p.depth == q.depth && p.kind == q.kind && p.encoding == q.encoding && p.header_offset == q.header_offset &&
                   p.header_len == q.header_len && p.body_offset == q.body_offset && p.body_len == q.body_len && p.body_lines == q.body_lines &&
                   p.fields_len == q.fields_len && (!p.fields_len || !memcmp(p.fields, q.fields, p.fields_len));
        ck_assert_msg(same, "part %zu", i);
    }
}

/* What comes out of encode and decode; owner: the caller, cubby__free on the parts. `bytes` holds the fields. */
static inline struct cubby__structure code_again(const struct cubby__structure *s, struct cubby__buf *bytes)
{
    struct cubby__structure out = *s;
    cubby_part *parts;
    cubby__structure_encode(s, bytes);
    ck_assert_int_eq(bytes->failed, 0);
    ck_assert_int_eq(cubby__structure_decode(bytes->data, bytes->len, s->size, &parts, &out.count), 0);
    out.parts = parts;
    return out;
}

static inline void check_code(const struct cubby__structure *s)
{
    struct cubby__buf bytes = CUBBY__BUF_INIT;
    struct cubby__structure again = code_again(s, &bytes);
    check_same(s, &again);
    cubby__free((void *)again.parts);
    cubby__buf_release(&bytes);
}

/* One chunk; *out lives until the scanner is reset. */
static inline void scan(struct cubby__scanner *s, const void *data, size_t n, struct cubby__structure *out)
{
    cubby__scanner_reset(s);
    ck_assert_int_eq(cubby__scanner_add(s, data, n), 0);
    ck_assert_int_eq(cubby__scanner_end(s, out), 0);
    check_sane(out);
}

/* Cut in two at `cut`, and the second half in chunks of `step` bytes. The bytes are copied to blocks of their own size, so that a sanitizer sees
 * every step too far. */
static inline void scan_cut(struct cubby__scanner *s, const uint8_t *data, size_t n, size_t cut, size_t step, struct cubby__structure *out)
{
    cubby__scanner_reset(s);
    for (size_t at = 0, take; at < n; at += take) {
        take = at < cut ? cut - at : n - at < step ? n - at : step;
        uint8_t *copy = malloc(take);
        memcpy(copy, data + at, take);
        ck_assert_int_eq(cubby__scanner_add(s, copy, take), 0);
        free(copy);
    }
    ck_assert_int_eq(cubby__scanner_end(s, out), 0);
}

/* The same whatever the chunks: one byte at a time, and cut at every place (every `stride`th). */
static inline void check_chunks(const uint8_t *data, size_t n, size_t stride)
{
    struct cubby__scanner *a = cubby__scanner_new(), *b = cubby__scanner_new();
    struct cubby__structure whole, cut;
    scan(a, data, n, &whole);
    check_code(&whole);
    scan_cut(b, data, n, 0, 1, &cut);
    check_same(&whole, &cut);
    for (size_t at = 0; at <= n; at += stride) {
        scan_cut(b, data, n, at, n, &cut);
        check_same(&whole, &cut);
        scan_cut(b, data, n, at, 7, &cut);
        check_same(&whole, &cut);
    }
    cubby__scanner_free(&a);
    cubby__scanner_free(&b);
}

#endif
