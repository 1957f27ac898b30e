/* FORMAT.md "MIME structure": the parts of a message as bytes. */
#include "base/alloc.h"
#include "base/varint.h"
#include "format/format.h"
#include "mime/structure.h"

/* A part's tag: bits 0-1 kind, 2-4 encoding, 5-7 levels from the part before up to the one whose next child this is the
 * sibling of: 0 a child of the part before, 1 its sibling, ...; LEVELS_MORE: a varint with the levels beyond follows. */
#define TAG_ENCODING_SHIFT 2
#define TAG_LEVELS_SHIFT   5
#define LEVELS_MORE        7
#define PART_BYTES_MIN     4 /* tag, header_len, body_lines, fields_len and, unless it is a message's child, two more */

static uint64_t part_end(const cubby_part *p)
{
    return p->body_offset + p->body_len;
}

/* The part before `next` that is its sibling, or whose first child it is: the one where its header may begin at the earliest. */
static const cubby_part *sibling_before(const cubby_part *parts, size_t next, uint64_t levels)
{
    const cubby_part *p = &parts[next - 1];
    for (; levels > 1; levels--)
        p = &parts[p->parent];
    return p;
}

static void encode_part(const cubby_part *parts, size_t i, struct cubby__buf *out)
{
    const cubby_part *p = &parts[i], *parent = &parts[p->parent];
    unsigned levels = i ? parts[i - 1].depth + 1u - p->depth : 0;
    unsigned tag = p->kind | (unsigned)p->encoding << TAG_ENCODING_SHIFT;
    cubby__buf_byte(out, (uint8_t)(tag | (levels < LEVELS_MORE ? levels : LEVELS_MORE) << TAG_LEVELS_SHIFT));
    if (levels >= LEVELS_MORE)
        cubby__buf_varint(out, levels - LEVELS_MORE);
    if (i && parent->kind == CUBBY_PART_MULTIPART) {
        uint64_t from = levels ? part_end(sibling_before(parts, i, levels)) : parent->body_offset;
        cubby__buf_varint(out, p->header_offset - from);
        cubby__buf_varint(out, p->body_len);
    }
    cubby__buf_varint(out, p->header_len);
    cubby__buf_varint(out, p->body_lines);
    if (i) {
        cubby__buf_varint(out, p->fields_len);
        cubby__buf_add(out, p->fields, p->fields_len);
    }
}

void cubby__structure_encode(const struct cubby__structure *s, struct cubby__buf *out)
{
    cubby__buf_varint(out, s->count - 1);
    for (size_t i = 0; i < s->count; i++)
        encode_part(s->parts, i, out);
}

struct decoder {
    struct cubby__reader r;
    cubby_part *parts;
    size_t fields; /* bytes so far */
};

/* Finds the parent of part i; *from is where the part may begin. 0 if there cannot be such a part there. */
static int decode_place(struct decoder *d, size_t i, uint64_t levels, uint64_t *from)
{
    const cubby_part *before = &d->parts[i - 1];
    cubby_part *p = &d->parts[i];
    if (levels > before->depth || (levels ? before->kind == CUBBY_PART_MESSAGE : before->kind == CUBBY_PART_LEAF))
        return 0;
    const cubby_part *sibling = sibling_before(d->parts, i, levels);
    p->parent = levels ? sibling->parent : (uint32_t)(i - 1);
    const cubby_part *parent = &d->parts[p->parent];
    if (levels && parent->kind != CUBBY_PART_MULTIPART)
        return 0; /* a message has one child */
    p->depth = (uint16_t)(parent->depth + 1);
    *from = levels ? part_end(sibling) : parent->body_offset;
    return p->depth <= CUBBY__MIME_DEPTH_MAX;
}

/* A length that must fit into what is left. */
static uint64_t decode_len(struct cubby__reader *r, uint64_t *left)
{
    uint64_t n = cubby__read_max(r, *left);
    *left -= n;
    return n;
}

static int decode_part(struct decoder *d, size_t i, uint64_t size)
{
    cubby_part *p = &d->parts[i];
    struct cubby__reader *r = &d->r;
    const uint8_t *tag = cubby__read_bytes(r, 1);
    if (!tag)
        return 0;
    p->kind = *tag & 3;
    p->encoding = *tag >> TAG_ENCODING_SHIFT & 7;
    uint64_t levels = *tag >> TAG_LEVELS_SHIFT, from = 0, left = size;
    if (levels == LEVELS_MORE)
        levels += cubby__read_max(r, CUBBY__MIME_DEPTH_MAX);
    if (p->kind > CUBBY_PART_MESSAGE || p->encoding > CUBBY_CTE_OTHER || (i ? !decode_place(d, i, levels, &from) : levels > 0))
        return 0;
    if (i)
        left = part_end(&d->parts[p->parent]) - from;
    p->header_offset = from;
    if (i && d->parts[p->parent].kind == CUBBY_PART_MULTIPART) {
        p->header_offset += decode_len(r, &left);
        p->body_len = decode_len(r, &left);
        p->header_len = decode_len(r, &left);
    } else {
        p->header_len = decode_len(r, &left);
        p->body_len = left;
    }
    p->body_offset = p->header_offset + p->header_len;
    p->body_lines = cubby__read_max(r, p->body_len);
    if (i) {
        p->fields_len = (size_t)cubby__read_max(r, CUBBY__MIME_FIELDS_MAX - d->fields);
        d->fields += p->fields_len;
        const uint8_t *fields = cubby__read_bytes(r, p->fields_len);
        p->fields = p->fields_len ? (const char *)fields : NULL;
    }
    return !r->bad;
}

int cubby__structure_decode(const uint8_t *in, size_t n, uint64_t size, cubby_part **parts, size_t *count)
{
    if (n == 0)
        return CUBBY_ECORRUPT;
    struct decoder d = {cubby__reader(in, n), NULL, 0};
    size_t total = (size_t)cubby__read_max(&d.r, CUBBY__MIME_PARTS_MAX - 1) + 1;
    if (d.r.bad || total - 1 > cubby__read_left(&d.r) / PART_BYTES_MIN)
        return CUBBY_ECORRUPT;
    d.parts = cubby__calloc(total, sizeof *d.parts);
    if (!d.parts)
        return CUBBY_ENOMEM;
    size_t i = 0;
    while (i < total && decode_part(&d, i, size))
        i++;
    if (i < total || cubby__read_left(&d.r) || d.parts[total - 1].kind == CUBBY_PART_MESSAGE) {
        cubby__free(d.parts);
        return CUBBY_ECORRUPT;
    }
    *parts = d.parts;
    *count = total;
    return 0;
}
