/* fuzz_mime.c - any bytes as a message: cut into chunks it has the structure that it has in one, what is encoded is decoded, its header
 * splits and joins; and any bytes as an encoded structure, as runs of a header, as a date, as a Content-Type: refused or sound. The first
 * byte seeds the cuts. */
#include "base/alloc.h"
#include "format/format.h"
#include "fuzz/fuzz.h"
#include "mime/content.h"
#include "mime/header.h"
#include "mime/structure.h"

static void must_nest(const cubby_part *parts, size_t count, uint64_t size)
{
    must(count >= 1 && count <= CUBBY__MIME_PARTS_MAX && parts[0].header_offset == 0 && parts[0].body_offset + parts[0].body_len == size);
    for (size_t i = 0; i < count; i++) {
        const cubby_part *p = &parts[i], *up = &parts[p->parent];
        must(p->body_offset == p->header_offset + p->header_len && p->body_lines <= p->body_len);
        must(i == 0 || (p->parent < i && up->kind != CUBBY_PART_LEAF && p->depth == up->depth + 1 && p->depth <= CUBBY__MIME_DEPTH_MAX));
        must(i == 0 || (p->header_offset >= up->body_offset && p->body_offset + p->body_len <= up->body_offset + up->body_len));
    }
}

static void must_equal(const struct cubby__structure *a, const cubby_part *parts, size_t count)
{
    must(a->count == count);
    for (size_t i = 0; i < count; i++) {
        const cubby_part *p = &a->parts[i], *q = &parts[i];
        must(p->parent == q->parent && p->depth == q->depth && p->kind == q->kind && p->encoding == q->encoding);
        must(p->header_offset == q->header_offset && p->header_len == q->header_len && p->body_offset == q->body_offset);
        must(p->body_len == q->body_len && p->body_lines == q->body_lines && p->fields_len == q->fields_len);
        must(!p->fields_len || !memcmp(p->fields, q->fields, p->fields_len));
    }
}

static void scan_in_chunks(struct cubby__scanner *s, const uint8_t *data, size_t n, uint32_t seed, struct cubby__structure *out)
{
    for (size_t take; n; data += take, n -= take) {
        seed = seed * 1664525 + 1013904223;
        take = 1 + (seed >> 8) % (seed & 0x80000000 ? 7 : 1500);
        take = take < n ? take : n;
        uint8_t *copy = malloc(take);
        must(copy != NULL);
        memcpy(copy, data, take);
        must(cubby__scanner_add(s, copy, take) == 0);
        free(copy);
    }
    must(cubby__scanner_end(s, out) == 0);
}

static void as_message(const uint8_t *data, size_t n, uint32_t seed)
{
    struct cubby__scanner *a = cubby__scanner_new(), *b = cubby__scanner_new();
    struct cubby__structure whole, cut;
    struct cubby__buf bytes = CUBBY__BUF_INIT;
    cubby_part *parts;
    size_t count;
    must(a && b && cubby__scanner_add(a, data, n) == 0 && cubby__scanner_end(a, &whole) == 0);
    scan_in_chunks(b, data, n, seed, &cut);
    must(whole.size == n && cut.size == n && whole.crlf_size == cut.crlf_size && whole.crlf_size >= n && whole.header_len == cut.header_len);
    must(whole.eol == cut.eol && whole.traits == cut.traits);
    must_nest(whole.parts, whole.count, n);
    must_equal(&whole, cut.parts, cut.count);
    cubby__structure_encode(&whole, &bytes);
    must(cubby__structure_decode(bytes.data, bytes.len, n, &parts, &count) == 0);
    must_equal(&whole, parts, count);
    cubby__free(parts);
    cubby__buf_release(&bytes);
    cubby__scanner_free(&a);
    cubby__scanner_free(&b);
}

static void as_header(const uint8_t *data, size_t n)
{
    struct cubby__buf list = CUBBY__BUF_INIT, rest = CUBBY__BUF_INIT, runs = CUBBY__BUF_INIT, joined = CUBBY__BUF_INIT;
    cubby__header_split(data, n, &list, &rest, &runs);
    must(cubby__header_join(list.data, list.len, rest.data, rest.len, runs.data, runs.len, &joined) == 0);
    must(joined.len == n && (!n || !memcmp(joined.data, data, n)));
    cubby__buf_clear(&joined);
    cubby__header_join(list.data, list.len, rest.data, rest.len, data, n, &joined);
    cubby__buf_release(&list);
    cubby__buf_release(&rest);
    cubby__buf_release(&runs);
    cubby__buf_release(&joined);
}

static void as_value(const uint8_t *data, size_t n)
{
    struct cubby__content_type type;
    int64_t seconds;
    int16_t zone = 0;
    cubby__content_type_parse(data, n, &type);
    must((type.kind == CUBBY_PART_MULTIPART) == (type.boundary_len > 0));
    must(cubby__content_encoding_parse(data, n) <= CUBBY_CTE_OTHER);
    if (cubby__date_parse(data, n, &seconds, &zone) == 0)
        must(zone > -1440 && zone < 1440 && seconds > -62135683200 && seconds < 253402387200);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    cubby_part *parts;
    size_t count;
    as_message(data, n, n ? data[0] : 0);
    as_header(data, n);
    as_value(data, n);
    if (cubby__structure_decode(data, n, 1 << 20, &parts, &count) == 0) {
        must_nest(parts, count, 1 << 20);
        cubby__free(parts);
    }
    return 0;
}
