#include "mail/records.h"

#include <string.h>

static int ends_well(const struct cubby__reader *r)
{
    return cubby__read_complete(r) ? CUBBY_OK : CUBBY_ECORRUPT;
}

/* ---- FOLDER ---- */

void cubby__folder_encode(const struct cubby__folder_rec *r, struct cubby__buf *out)
{
    cubby__buf_varint(out, r->id);
    cubby__buf_byte(out, r->deleted ? 1 : 0);
    if (r->deleted)
        return;
    cubby__buf_varint(out, r->parent);
    cubby__buf_varint(out, r->uidvalidity);
    cubby__buf_varint(out, r->special_use);
    cubby__buf_varint(out, r->attributes);
    cubby__buf_varint(out, r->created);
    cubby__buf_varint(out, r->name_len);
    cubby__buf_add(out, r->name, r->name_len);
    cubby__buf_varint(out, r->ext_len);
    cubby__buf_add(out, r->ext, r->ext_len);
}

int cubby__folder_decode(const uint8_t *p, size_t n, struct cubby__folder_rec *r)
{
    struct cubby__reader in = cubby__reader(p, n);
    memset(r, 0, sizeof *r);
    r->id = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    r->deleted = (int)cubby__read_max(&in, 1);
    if (!r->id)
        return CUBBY_ECORRUPT;
    if (r->deleted)
        return ends_well(&in);
    r->parent = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    r->uidvalidity = (uint32_t)cubby__read_max(&in, UINT32_MAX);
    r->special_use = (uint32_t)cubby__read_max(&in, UINT32_MAX);
    r->attributes = cubby__read_varint(&in);
    r->created = cubby__read_varint(&in);
    r->name_len = (size_t)cubby__read_max(&in, CUBBY__NAME_MAX);
    r->name = (const char *)cubby__read_bytes(&in, r->name_len);
    r->ext_len = (size_t)cubby__read_max(&in, CUBBY__FOLDER_EXT_MAX);
    r->ext = cubby__read_bytes(&in, r->ext_len);
    if (!r->name_len || !r->uidvalidity)
        return CUBBY_ECORRUPT;
    return ends_well(&in);
}

/* ---- MARK ---- */

void cubby__mark_encode(const struct cubby__mark_rec *r, struct cubby__buf *out)
{
    cubby__buf_varint(out, r->folder);
    cubby__buf_varint(out, r->uidnext);
    cubby__buf_varint(out, r->highestmodseq);
    cubby__buf_varint(out, r->tombstone_floor);
    cubby__buf_varint(out, r->recent_uid);
}

int cubby__mark_decode(const uint8_t *p, size_t n, struct cubby__mark_rec *r)
{
    struct cubby__reader in = cubby__reader(p, n);
    r->folder = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    r->uidnext = cubby__read_max(&in, CUBBY__UID_MAX + 1ull);
    r->highestmodseq = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    r->tombstone_floor = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    r->recent_uid = cubby__read_max(&in, CUBBY__UID_MAX + 1ull);
    return r->folder ? ends_well(&in) : CUBBY_ECORRUPT;
}

/* ---- keywords ---- */

static size_t keywords_list(const struct cubby__keywords *k, uint8_t *p)
{
    size_t n = cubby__varint_put(p, k->count << 1);
    uint16_t before = 0;
    for (size_t i = 0; i < k->count; i++) {
        n += cubby__varint_put(p + n, (uint64_t)k->id[i] - before);
        before = k->id[i];
    }
    return n;
}

static size_t keywords_bitmap(const struct cubby__keywords *k, uint8_t *p)
{
    size_t bytes = (k->id[k->count - 1] + 7u) / 8;
    size_t n = cubby__varint_put(p, bytes << 1 | 1);
    memset(p + n, 0, bytes);
    for (size_t i = 0; i < k->count; i++)
        p[n + (k->id[i] - 1u) / 8] |= (uint8_t)(1u << (k->id[i] - 1u) % 8);
    return n + bytes;
}

size_t cubby__keywords_put(const struct cubby__keywords *k, uint8_t *p)
{
    size_t list = 1; /* a difference takes two bytes only from 128 on */
    for (size_t i = 0; i < k->count; i++)
        list += k->id[i] - (i ? k->id[i - 1] : 0) < 128 ? 1 : 2;
    if (k->count >= 64)
        list++;
    if (!k->count || list <= 1 + (k->id[k->count - 1] + 7u) / 8)
        return keywords_list(k, p);
    return keywords_bitmap(k, p);
}

static void read_list(struct cubby__reader *r, struct cubby__keywords *k, size_t count)
{
    uint64_t id = 0;
    k->count = 0;
    for (size_t i = 0; i < count && !r->bad; i++) {
        uint64_t step = cubby__read_max(r, CUBBY__KEYWORDS_MAX - id);
        id += step;
        if (!step)
            r->bad = 1;
        k->id[i] = (uint16_t)id;
    }
    k->count = r->bad ? 0 : count;
}

static void read_bitmap(struct cubby__reader *r, struct cubby__keywords *k, size_t bytes)
{
    const uint8_t *p = cubby__read_bytes(r, bytes);
    k->count = 0;
    if (!p || !bytes || !p[bytes - 1]) {
        r->bad = 1;
        return;
    }
    for (size_t i = 0; i < bytes; i++)
        for (unsigned bits = p[i]; bits; bits &= bits - 1)
            k->id[k->count++] = (uint16_t)(8 * i + (unsigned)__builtin_ctz(bits) + 1);
}

void cubby__keywords_read(struct cubby__reader *r, struct cubby__keywords *k)
{
    uint64_t head = cubby__read_max(r, CUBBY__KEYWORDS_MAX << 1);
    if (!(head & 1))
        read_list(r, k, (size_t)(head >> 1));
    else if (head >> 1 <= CUBBY__KEYWORDS_MAX / 8)
        read_bitmap(r, k, (size_t)(head >> 1));
    else
        r->bad = 1, k->count = 0;
}

static void buf_keywords(const struct cubby__keywords *k, struct cubby__buf *out)
{
    uint8_t p[CUBBY__KEYWORDS_BYTES];
    cubby__buf_add(out, p, cubby__keywords_put(k, p));
}

/* ---- ENTRY ---- */

void cubby__entry_encode(const struct cubby__entry_rec *r, const struct cubby__keywords *k, struct cubby__buf *out)
{
    cubby__buf_varint(out, r->folder);
    cubby__buf_varint(out, r->uid);
    cubby__buf_varint(out, r->object);
    cubby__buf_signed(out, r->internaldate);
    cubby__buf_signed(out, r->zone);
    cubby__buf_signed(out, r->save_date);
    cubby__buf_byte(out, r->flags);
    buf_keywords(k, out);
    cubby__buf_varint(out, r->ext_len);
    cubby__buf_add(out, r->ext, r->ext_len);
}

static uint8_t read_flags(struct cubby__reader *in)
{
    const uint8_t *p = cubby__read_bytes(in, 1);
    if (p && !(*p & ~CUBBY_FLAGS_ALL))
        return *p;
    in->bad = 1;
    return 0;
}

int cubby__entry_decode(const uint8_t *p, size_t n, struct cubby__entry_rec *r, struct cubby__keywords *k)
{
    struct cubby__reader in = cubby__reader(p, n);
    r->folder = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    r->uid = (uint32_t)cubby__read_max(&in, CUBBY__UID_MAX);
    r->object = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    r->internaldate = cubby__read_signed(&in);
    int64_t zone = cubby__read_signed(&in);
    r->save_date = cubby__read_signed(&in);
    r->flags = read_flags(&in);
    cubby__keywords_read(&in, k);
    r->ext_len = (size_t)cubby__read_varint(&in);
    r->ext = cubby__read_bytes(&in, r->ext_len);
    if (!r->folder || !r->uid || !r->object || zone < INT16_MIN || zone > INT16_MAX)
        return CUBBY_ECORRUPT;
    r->zone = (int16_t)zone;
    return ends_well(&in);
}

/* ---- KEYWORD, SUBSCRIPTION ---- */

void cubby__keyword_encode(const struct cubby__keyword_rec *r, struct cubby__buf *out)
{
    cubby__buf_varint(out, r->id);
    cubby__buf_add(out, r->name, r->name_len);
}

int cubby__keyword_decode(const uint8_t *p, size_t n, struct cubby__keyword_rec *r)
{
    struct cubby__reader in = cubby__reader(p, n);
    r->id = (uint16_t)cubby__read_max(&in, CUBBY__KEYWORDS_MAX);
    r->name_len = cubby__read_left(&in);
    r->name = (const char *)cubby__read_bytes(&in, r->name_len);
    if (in.bad || !r->id || !r->name_len || r->name_len > CUBBY__KEYWORD_LEN_MAX)
        return CUBBY_ECORRUPT;
    return memchr(r->name, 0, r->name_len) ? CUBBY_ECORRUPT : CUBBY_OK;
}

void cubby__subscription_encode(const struct cubby__subscription_rec *r, struct cubby__buf *out)
{
    cubby__buf_byte(out, r->on ? 1 : 0);
    cubby__buf_add(out, r->path, r->path_len);
}

int cubby__subscription_decode(const uint8_t *p, size_t n, struct cubby__subscription_rec *r)
{
    struct cubby__reader in = cubby__reader(p, n);
    r->on = (int)cubby__read_max(&in, 1);
    r->path_len = cubby__read_left(&in);
    r->path = (const char *)cubby__read_bytes(&in, r->path_len);
    if (in.bad || !r->path_len || r->path_len > CUBBY__TREE_KEY_MAX - 1)
        return CUBBY_ECORRUPT;
    return r->path[r->path_len - 1] ? CUBBY_ECORRUPT : CUBBY_OK;
}

/* ---- uid ranges ---- */

void cubby__range_put(struct cubby__ranges *s, uint32_t first, uint32_t last, struct cubby__buf *out)
{
    cubby__buf_varint(out, first - s->last);
    cubby__buf_varint(out, last - first);
    s->last = last;
}

void cubby__range_read(struct cubby__ranges *s, struct cubby__reader *r, uint32_t *first, uint32_t *last)
{
    uint64_t gap = cubby__read_max(r, CUBBY__UID_MAX - s->last);
    uint64_t start = s->last + gap;
    uint64_t more = cubby__read_max(r, CUBBY__UID_MAX - start);
    if (!gap || (s->last && gap < 2))
        r->bad = 1;
    *first = (uint32_t)start;
    *last = (uint32_t)(start + more);
    s->last = *last;
}

/* ---- FLAGS ---- */

void cubby__flags_head(uint64_t folder, struct cubby__buf *out)
{
    cubby__buf_varint(out, folder);
    cubby__buf_varint(out, 0);
}

void cubby__flags_run_put(uint8_t flags, const struct cubby__keywords *k, uint32_t first, uint32_t last, struct cubby__buf *out)
{
    struct cubby__ranges s = {0};
    cubby__buf_byte(out, flags);
    buf_keywords(k, out);
    cubby__buf_varint(out, 1);
    cubby__range_put(&s, first, last, out);
}

int cubby__flags_decode(const uint8_t *p, size_t n, uint64_t *folder, uint64_t *principal, struct cubby__reader *runs)
{
    *runs = cubby__reader(p, n);
    *folder = cubby__read_max(runs, CUBBY__NUMBER_MAX);
    *principal = cubby__read_varint(runs);
    return runs->bad || !*folder ? CUBBY_ECORRUPT : CUBBY_OK;
}

int cubby__flags_run(struct cubby__reader *runs, uint8_t *flags, struct cubby__keywords *k, uint64_t *ranges)
{
    if (!runs->bad && !cubby__read_left(runs))
        return CUBBY_DONE;
    *flags = read_flags(runs);
    cubby__keywords_read(runs, k);
    *ranges = cubby__read_varint(runs);
    return runs->bad ? CUBBY_ECORRUPT : CUBBY_OK;
}

int cubby__flags_valid(struct cubby__reader runs)
{
    struct cubby__keywords k;
    uint8_t flags;
    uint64_t ranges;
    int rc;
    while (!(rc = cubby__flags_run(&runs, &flags, &k, &ranges))) {
        struct cubby__ranges s = {0};
        uint32_t first, last;
        while (ranges-- && !runs.bad)
            cubby__range_read(&s, &runs, &first, &last);
    }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* ---- EXPUNGE ---- */

void cubby__expunge_head(uint64_t folder, int64_t time, struct cubby__buf *out)
{
    cubby__buf_varint(out, folder);
    cubby__buf_signed(out, time);
}

void cubby__expunge_encode(uint64_t folder, int64_t time, uint32_t uid, struct cubby__buf *out)
{
    struct cubby__ranges s = {0};
    cubby__expunge_head(folder, time, out);
    cubby__range_put(&s, uid, uid, out);
}

int cubby__expunge_decode(const uint8_t *p, size_t n, uint64_t *folder, int64_t *time, struct cubby__reader *ranges)
{
    *ranges = cubby__reader(p, n);
    *folder = cubby__read_max(ranges, CUBBY__NUMBER_MAX);
    *time = cubby__read_signed(ranges);
    return ranges->bad || !*folder ? CUBBY_ECORRUPT : CUBBY_OK;
}
