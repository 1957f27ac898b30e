#include "mail/row_scan.h"

#include "base/varint.h"
#include "mail/object.h"
#include "mail/records.h"

/* A varint of up to five bytes without a call: nearly all of a row's. What is not plain goes the slow way, which also refuses. */
static inline uint64_t get(struct cubby__reader *r)
{
    const uint8_t *p = r->p;
    if (r->end - p < 5)
        return cubby__read_varint(r);
    uint64_t v = p[0] & 0x7f;
    unsigned n = 1;
    for (; n < 5 && p[n - 1] >= 0x80; n++)
        v |= (uint64_t)(p[n] & 0x7f) << (7 * n);
    if (p[n - 1] >= 0x80 || (n > 1 && !p[n - 1]))
        return cubby__read_varint_slow(r);
    r->p = p + n;
    return v;
}

static inline int64_t get_signed(struct cubby__reader *r)
{
    return cubby__unzigzag(get(r));
}

static inline int64_t get_delta(struct cubby__reader *r, int64_t base)
{
    return (int64_t)((uint64_t)get_signed(r) + (uint64_t)base);
}

int cubby__message_row_scan(const uint8_t *p, size_t n, cubby_row *row, struct cubby__keywords *k, struct cubby__place *place)
{
    if (!n || *p & ~(CUBBY_FLAGS_ALL | CUBBY__HAS_KEYWORDS))
        return CUBBY_ECORRUPT;
    struct cubby__reader r = cubby__reader(p + 1, n - 1);
    row->flags = *p & CUBBY_FLAGS_ALL;
    row->modseq = get(&r);
    uint64_t age = get(&r);
    row->created_modseq = row->modseq - age;
    row->internaldate = get_signed(&r);
    int64_t zone = get_signed(&r);
    row->internaldate_zone = (int16_t)zone;
    row->save_date = get_delta(&r, row->internaldate);
    row->sent_date = get_delta(&r, row->internaldate);
    if (row->sent_date == CUBBY__NO_DATE)
        row->sent_date = row->internaldate;
    row->size = get(&r);
    row->object = get(&r);
    get(&r); /* thread */
    uint64_t seg = get(&r), off = get(&r), len = get(&r);
    *place = (struct cubby__place){(uint32_t)seg, (uint32_t)len, off};
    k->count = 0;
    if (*p & CUBBY__HAS_KEYWORDS)
        cubby__keywords_read(&r, k);
    row->keywords = k->id;
    row->keyword_count = k->count;
    int sane = age <= row->modseq && zone == row->internaldate_zone && seg <= UINT32_MAX && len <= UINT32_MAX && !(*p & CUBBY__HAS_KEYWORDS) == !k->count;
    return sane && !r.bad && !cubby__read_left(&r) ? 0 : CUBBY_ECORRUPT;
}
