#include "mail/row.h"

#include <string.h>

#include "base/bytes.h"
#include "base/key.h"
#include "mail/object.h"
#include "mail/records.h"

static size_t put_signed(uint8_t *p, int64_t v)
{
    return cubby__varint_put(p, cubby__zigzag(v));
}

/* Times of one message lie close together: they are kept as differences, which wrap around rather than overflow. */
static size_t put_delta(uint8_t *p, int64_t v, int64_t base)
{
    return put_signed(p, (int64_t)((uint64_t)v - (uint64_t)base));
}

static int64_t read_delta(struct cubby__reader *r, int64_t base)
{
    return (int64_t)((uint64_t)cubby__read_signed(r) + (uint64_t)base);
}

static size_t put_place(uint8_t *p, const struct cubby__place *place)
{
    size_t n = cubby__varint_put(p, place->seg);
    n += cubby__varint_put(p + n, place->off);
    return n + cubby__varint_put(p + n, place->len);
}

static void read_place(struct cubby__reader *r, struct cubby__place *place)
{
    place->seg = (uint32_t)cubby__read_max(r, UINT32_MAX);
    place->off = cubby__read_varint(r);
    place->len = (uint32_t)cubby__read_max(r, UINT32_MAX);
}

static int read_end(const struct cubby__reader *r)
{
    return cubby__read_complete(r) ? CUBBY_OK : CUBBY_ECORRUPT;
}

int cubby__same_keywords(const struct cubby__keywords *a, const struct cubby__keywords *b)
{
    return a->count == b->count && memcmp(a->id, b->id, a->count * sizeof *a->id) == 0;
}

int cubby__same_flags(const struct cubby__message_row *a, const struct cubby__message_row *b)
{
    return a->flags == b->flags && cubby__same_keywords(&a->keywords, &b->keywords);
}

size_t cubby__message_row_encode(const struct cubby__message_row *row, uint8_t *buf)
{
    size_t n = 0;
    buf[n++] = (uint8_t)(row->flags | (row->keywords.count ? CUBBY__HAS_KEYWORDS : 0));
    n += cubby__varint_put(buf + n, row->modseq);
    n += cubby__varint_put(buf + n, row->modseq - row->created);
    n += put_signed(buf + n, row->internaldate);
    n += put_signed(buf + n, row->zone);
    n += put_delta(buf + n, row->save_date, row->internaldate);
    n += put_delta(buf + n, row->sent_date, row->internaldate);
    n += cubby__varint_put(buf + n, row->size);
    n += cubby__varint_put(buf + n, row->object);
    n += cubby__varint_put(buf + n, row->thread);
    n += put_place(buf + n, &row->place);
    if (row->keywords.count)
        n += cubby__keywords_put(&row->keywords, buf + n);
    return n;
}

int cubby__message_row_decode(const uint8_t *p, size_t n, struct cubby__message_row *row)
{
    struct cubby__reader r = cubby__reader(p, n);
    const uint8_t *head = cubby__read_bytes(&r, 1);
    if (!head || *head & ~(CUBBY_FLAGS_ALL | CUBBY__HAS_KEYWORDS))
        return CUBBY_ECORRUPT;
    row->flags = *head & CUBBY_FLAGS_ALL;
    row->modseq = cubby__read_varint(&r);
    row->created = row->modseq - cubby__read_max(&r, row->modseq);
    row->internaldate = cubby__read_signed(&r);
    int64_t zone = cubby__read_signed(&r);
    row->save_date = read_delta(&r, row->internaldate);
    row->sent_date = read_delta(&r, row->internaldate);
    row->size = cubby__read_varint(&r);
    row->object = cubby__read_varint(&r);
    row->thread = cubby__read_varint(&r);
    read_place(&r, &row->place);
    row->keywords.count = 0;
    if (*head & CUBBY__HAS_KEYWORDS)
        cubby__keywords_read(&r, &row->keywords);
    if (zone < INT16_MIN || zone > INT16_MAX || (*head & CUBBY__HAS_KEYWORDS && !row->keywords.count))
        return CUBBY_ECORRUPT;
    row->zone = (int16_t)zone;
    return read_end(&r);
}

size_t cubby__object_row_encode(const struct cubby__object_row *row, uint8_t *buf)
{
    size_t n = put_place(buf, &row->place);
    n += cubby__varint_put(buf + n, row->refs);
    n += cubby__varint_put(buf + n, row->stored);
    n += cubby__varint_put(buf + n, row->size);
    n += cubby__varint_put(buf + n, row->original);
    n += cubby__varint_put(buf + n, row->thread);
    if (row->sent_date != CUBBY__NO_DATE)
        n += put_signed(buf + n, row->sent_date);
    return n;
}

int cubby__object_row_decode(const uint8_t *p, size_t n, struct cubby__object_row *row)
{
    struct cubby__reader r = cubby__reader(p, n);
    read_place(&r, &row->place);
    row->refs = cubby__read_varint(&r);
    row->stored = cubby__read_varint(&r);
    row->size = cubby__read_varint(&r);
    row->original = cubby__read_varint(&r);
    row->thread = cubby__read_varint(&r);
    row->sent_date = cubby__read_left(&r) ? cubby__read_signed(&r) : CUBBY__NO_DATE;
    return read_end(&r);
}

size_t cubby__piece_row_encode(const struct cubby__piece_row *row, uint8_t *buf)
{
    size_t n = put_place(buf, &row->place);
    n += cubby__varint_put(buf + n, row->refs);
    return n + cubby__varint_put(buf + n, row->orig_len);
}

int cubby__piece_row_decode(const uint8_t *p, size_t n, struct cubby__piece_row *row)
{
    struct cubby__reader r = cubby__reader(p, n);
    read_place(&r, &row->place);
    row->refs = cubby__read_varint(&r);
    row->orig_len = (uint32_t)cubby__read_max(&r, UINT32_MAX);
    return read_end(&r);
}

size_t cubby__key_message(uint8_t *buf, uint64_t folder, uint32_t uid)
{
    buf[0] = CUBBY__KS_MESSAGE;
    size_t n = 1 + cubby__keynum_put(buf + 1, folder);
    cubby__put32be(buf + n, uid);
    return n + 4;
}

size_t cubby__key_object(uint8_t *buf, uint64_t object)
{
    buf[0] = CUBBY__KS_OBJECT;
    return 1 + cubby__keynum_put(buf + 1, object);
}

size_t cubby__key_entry(uint8_t *buf, uint64_t object, uint64_t folder, uint32_t uid)
{
    buf[0] = CUBBY__KS_ENTRY;
    size_t n = 1 + cubby__keynum_put(buf + 1, object);
    n += cubby__keynum_put(buf + n, folder);
    cubby__put32be(buf + n, uid);
    return n + 4;
}

size_t cubby__key_piece(uint8_t *buf, uint64_t piece)
{
    buf[0] = CUBBY__KS_PIECE;
    return 1 + cubby__keynum_put(buf + 1, piece);
}
