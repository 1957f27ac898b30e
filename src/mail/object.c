#include "mail/object.h"

#include <string.h>

#include "base/varint.h"
#include "format/format.h"

/* The byte behind the ids: line ends, traits, and whether a date follows. */
#define EOL_BITS    2
#define EOL_MASK    3u
#define TRAITS_MASK 31u
#define HAS_DATE    0x80u

/* Stored length and codec of a group share a varint. */
#define CODEC_BITS 2
#define CODEC_MASK 3u

static void put_group(struct cubby__buf *out, uint32_t orig_len, uint8_t codec, size_t len)
{
    cubby__buf_varint(out, orig_len);
    if (orig_len)
        cubby__buf_varint(out, (uint64_t)len << CODEC_BITS | codec);
}

void cubby__object_encode(const struct cubby__object *o, const struct cubby__piece_ref *refs, struct cubby__buf *out)
{
    int has_date = o->sent_date != CUBBY__NO_DATE;
    cubby__buf_varint(out, o->id);
    cubby__buf_varint(out, o->thread);
    cubby__buf_byte(out, (uint8_t)(o->eol | o->traits << EOL_BITS | (has_date ? HAS_DATE : 0)));
    if (has_date)
        cubby__buf_signed(out, o->sent_date);
    cubby__buf_varint(out, o->size);
    cubby__buf_varint(out, o->crlf_size - o->size);
    cubby__buf_add(out, o->hash, sizeof o->hash);
    cubby__buf_varint(out, o->header_len - o->stored_header);
    put_group(out, o->list_orig_len, o->list_codec, o->list_len);
    cubby__buf_varint(out, o->rest_orig_len);
    if (o->rest_orig_len)
        cubby__buf_varint(out, o->rest_piece);
    put_group(out, o->structure_orig_len, o->structure_codec, o->structure_len);
    cubby__buf_varint(out, o->runs_len);
    cubby__buf_varint(out, o->piece_count);
    cubby__buf_add(out, o->runs, o->runs_len);
    cubby__buf_add(out, o->list, o->list_len);
    cubby__buf_add(out, o->structure, o->structure_len);
    for (uint64_t i = 0; i < o->piece_count; i++) {
        cubby__buf_signed(out, (int64_t)(refs[i].id - o->rest_piece));
        cubby__buf_varint(out, refs[i].orig_len);
        cubby__buf_varint(out, refs[i].crlf_len - refs[i].orig_len);
    }
}

static void read_group(struct cubby__reader *r, uint32_t max, uint32_t *orig_len, uint8_t *codec, size_t *len)
{
    *orig_len = (uint32_t)cubby__read_max(r, max);
    *codec = CUBBY__CODEC_STORED;
    *len = 0;
    if (!*orig_len)
        return;
    uint64_t v = cubby__read_max(r, (uint64_t)max << CODEC_BITS | CODEC_MASK);
    *codec = v & CODEC_MASK;
    *len = (size_t)(v >> CODEC_BITS);
    if (*codec > CUBBY__CODEC_LZ4_DICT || *len > *orig_len || (*codec == CUBBY__CODEC_STORED && *len != *orig_len))
        r->bad = 1;
}

static void read_identity(struct cubby__reader *r, struct cubby__object *o)
{
    o->id = cubby__read_max(r, CUBBY__NUMBER_MAX);
    o->thread = cubby__read_max(r, CUBBY__NUMBER_MAX);
    uint8_t bits = cubby__read_byte(r);
    o->eol = bits & EOL_MASK;
    o->traits = bits >> EOL_BITS & TRAITS_MASK;
    o->sent_date = bits & HAS_DATE ? cubby__read_signed(r) : CUBBY__NO_DATE;
    o->size = cubby__read_max(r, INT64_MAX / 2);
    o->crlf_size = o->size + cubby__read_max(r, o->size); /* a line end grows by one byte at most */
    const uint8_t *hash = cubby__read_bytes(r, sizeof o->hash);
    if (hash)
        memcpy(o->hash, hash, sizeof o->hash);
    /* One encoding a value: a date is present or it is not. */
    if (!o->id || (bits & HAS_DATE && o->sent_date == CUBBY__NO_DATE))
        r->bad = 1;
}

static void read_header(struct cubby__reader *r, struct cubby__object *o)
{
    uint64_t behind = cubby__read_max(r, o->size);
    read_group(r, CUBBY__HEADER_STORED_MAX, &o->list_orig_len, &o->list_codec, &o->list_len);
    o->rest_orig_len = (uint32_t)cubby__read_max(r, CUBBY__PIECE_MAX);
    o->rest_piece = o->rest_orig_len ? cubby__read_max(r, CUBBY__NUMBER_MAX) : 0;
    o->stored_header = o->list_orig_len + o->rest_orig_len;
    o->header_len = behind + o->stored_header;
    if (o->stored_header > CUBBY__HEADER_STORED_MAX || o->header_len > o->size || (o->rest_orig_len && !o->rest_piece))
        r->bad = 1;
}

int cubby__object_piece(const struct cubby__object *o, size_t *pos, struct cubby__piece_ref *out)
{
    if (*pos >= o->pieces_len)
        return 0;
    struct cubby__reader r = cubby__reader(o->pieces + *pos, o->pieces_len - *pos);
    out->id = o->rest_piece + (uint64_t)cubby__read_signed(&r);
    out->orig_len = (uint32_t)cubby__read_max(&r, CUBBY__PIECE_MAX);
    out->crlf_len = out->orig_len + (uint32_t)cubby__read_max(&r, out->orig_len);
    *pos = r.bad ? o->pieces_len : (size_t)(r.p - o->pieces);
    return !r.bad;
}

/* The references must use up their bytes, be as many as said, and give exactly the message behind its stored header. */
static int pieces_add_up(const struct cubby__object *o)
{
    struct cubby__piece_ref ref;
    uint64_t count = 0, bytes = o->stored_header, grown = 0;
    size_t pos = 0, used = 0;
    while (cubby__object_piece(o, &pos, &ref)) {
        if (!ref.id || ref.id > CUBBY__NUMBER_MAX || !ref.orig_len)
            return 0;
        count++;
        bytes += ref.orig_len;
        grown += ref.crlf_len - ref.orig_len;
        used = pos;
    }
    return used == o->pieces_len && count == o->piece_count && bytes == o->size && grown <= o->crlf_size - o->size;
}

int cubby__object_decode(const uint8_t *p, size_t n, struct cubby__object *o)
{
    struct cubby__reader r = cubby__reader(p, n);
    read_identity(&r, o);
    read_header(&r, o);
    read_group(&r, CUBBY__STRUCTURE_MAX, &o->structure_orig_len, &o->structure_codec, &o->structure_len);
    o->runs_len = (size_t)cubby__read_max(&r, n);
    o->piece_count = cubby__read_max(&r, n);
    o->runs = cubby__read_bytes(&r, o->runs_len);
    o->list = cubby__read_bytes(&r, o->list_len);
    o->structure = cubby__read_bytes(&r, o->structure_len);
    o->pieces_len = cubby__read_left(&r);
    o->pieces = r.p;
    return r.bad || !pieces_add_up(o) ? CUBBY_ECORRUPT : 0;
}
