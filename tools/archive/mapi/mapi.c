#include "archive/mapi/mapi.h"

#include "archive/mapi/codepage.h"

#define UNIX_EPOCH 11644473600 /* 1970-01-01 in seconds since 1601-01-01 */
#define TICKS 10000000
#define YEAR_10000 253402300800

const uint8_t mapi_set_public_strings[16] = MAPI_SET_(0x00020329);
const uint8_t mapi_set_internet_headers[16] = MAPI_SET_(0x00020386);
const uint8_t mapi_set_mapi[16] = MAPI_SET_(0x00020328);
const uint8_t mapi_set_common[16] = MAPI_SET_(0x00062008);
const uint8_t mapi_set_appointment[16] = MAPI_SET_(0x00062002);
const uint8_t mapi_set_task[16] = MAPI_SET_(0x00062003);
const uint8_t mapi_set_address[16] = MAPI_SET_(0x00062004);
const uint8_t mapi_set_log[16] = MAPI_SET_(0x0006200a);
const uint8_t mapi_set_note[16] = MAPI_SET_(0x0006200e);
const uint8_t mapi_set_meeting[16] = {0x90, 0xda, 0xd8, 0x6e, 0x0b, 0x45, 0x1b, 0x10, 0x98, 0xda, 0x00, 0xaa, 0x00, 0x3f, 0x13, 0x05};
const uint8_t mapi_set_cubby[16] = {0xd9, 0x0d, 0xe8, 0x51, 0x34, 0x5a, 0x54, 0x4b, 0x9c, 0x3c, 0x6d, 0x8e, 0x3f, 0xf9, 0x2d, 0x1b};
const uint8_t mapi_oneoff_provider[16] = {0x81, 0x2b, 0x1f, 0xa4, 0xbe, 0xa3, 0x10, 0x19, 0x9d, 0x6e, 0x00, 0xdd, 0x01, 0x0f, 0x54, 0x02};

void mapi_close(struct mapi_object **o)
{
    if (*o)
        (*o)->ops->close(*o);
    *o = NULL;
}

int mapi_find(struct mapi_object *o, uint16_t id, struct mapi_prop *out)
{
    for (size_t i = 0;; i++) {
        int rc = o->ops->at(o, i, out);
        if (rc == 0)
            break;
        if (out->id == id)
            return rc;
    }
    *out = (struct mapi_prop){0};
    return 0;
}

int mapi_find_named(struct mapi_object *o, const uint8_t set[16], uint32_t number, const char *name, struct mapi_prop *out)
{
    uint16_t id = o->ops->named(o, set, number, name);
    *out = (struct mapi_prop){0};
    return id ? mapi_find(o, id, out) : 0;
}

int64_t mapi_int_of(const struct mapi_prop *p, int64_t otherwise)
{
    switch (p->type) {
    case MAPI_INT16:
        return (int16_t)p->value;
    case MAPI_INT32:
        return (int32_t)p->value;
    case MAPI_INT64:
        return (int64_t)p->value;
    case MAPI_BOOL:
        return (p->value & 0xffff) != 0;
    default:
        return otherwise;
    }
}

int64_t mapi_int(struct mapi_object *o, uint16_t id, int64_t otherwise)
{
    struct mapi_prop p;
    return mapi_find(o, id, &p) == 1 ? mapi_int_of(&p, otherwise) : otherwise;
}

int mapi_time_of(const struct mapi_prop *p, int64_t *seconds)
{
    *seconds = 0;
    if (p->type != MAPI_TIME || p->value == 0 || p->value / TICKS >= (uint64_t)(YEAR_10000 + UNIX_EPOCH))
        return 0;
    *seconds = (int64_t)(p->value / TICKS) - UNIX_EPOCH;
    return 1;
}

int mapi_time(struct mapi_object *o, uint16_t id, int64_t *seconds)
{
    struct mapi_prop p;
    *seconds = 0;
    return mapi_find(o, id, &p) == 1 && mapi_time_of(&p, seconds);
}

int mapi_bytes_of(struct mapi_object *o, const struct mapi_prop *p, size_t max, struct text *out)
{
    char buf[8192];
    uint64_t end = p->size < max ? p->size : max;
    for (uint64_t at = 0; at < end;) {
        size_t n = end - at < sizeof buf ? (size_t)(end - at) : sizeof buf;
        int64_t got = o->ops->read(o, p, at, buf, n);
        if (got <= 0)
            return -1;
        text_add(out, buf, (size_t)got);
        at += (uint64_t)got;
    }
    return 1;
}

int mapi_bytes(struct mapi_object *o, uint16_t id, size_t max, struct text *out)
{
    struct mapi_prop p;
    int rc = mapi_find(o, id, &p);
    return rc == 1 ? mapi_bytes_of(o, &p, max, out) : rc;
}

static size_t until_nul(const char *p, size_t n, size_t width)
{
    size_t i = 0;
    for (; i + width <= n; i += width) {
        if (p[i] == 0 && (width == 1 || p[i + 1] == 0))
            return i;
    }
    return width == 1 ? i : n;
}

int mapi_text_of(struct mapi_object *o, const struct mapi_prop *p, size_t max, struct text *out)
{
    if (p->type != MAPI_STRING && p->type != MAPI_STRING8)
        return 0;
    struct text raw = {0};
    int rc = mapi_bytes_of(o, p, max, &raw), wide = p->type == MAPI_STRING;
    if (raw.len)
        codepage_decode(wide ? CODEPAGE_UTF16 : o->ops->codepage(o), raw.data, until_nul(raw.data, raw.len, wide ? 2 : 1), out);
    text_release(&raw);
    return rc;
}

int mapi_text(struct mapi_object *o, uint16_t id, size_t max, struct text *out)
{
    struct mapi_prop p;
    int rc = mapi_find(o, id, &p);
    return rc == 1 ? mapi_text_of(o, &p, max, out) : rc;
}
