#include "mail/name.h"

#include <string.h>

#include "cubby.h"
#include "mail/nfc.h"

size_t cubby__utf8_get(const uint8_t *p, size_t n, uint32_t *c)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    if (!len || len > n)
        return 0;
    uint32_t v = len == 1 ? p[0] : p[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        return 0;
    *c = v;
    return len;
}

size_t cubby__utf8_put(uint32_t c, uint8_t *p)
{
    if (c < 0x80) {
        p[0] = (uint8_t)c;
        return 1;
    }
    size_t len = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, c >>= 6)
        p[i] = (uint8_t)(0x80 | (c & 0x3f));
    p[0] = (uint8_t)(0xf00u >> len | c);
    return len;
}

static int is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0);
}

int cubby__name_is_inbox(uint64_t parent, const char *name, size_t len)
{
    static const char inbox[] = "inbox";
    if (parent || len != 5)
        return 0;
    for (size_t i = 0; i < 5; i++)
        if ((name[i] | 0x20) != inbox[i])
            return 0;
    return 1;
}

/* Composing shortens a name, so that one that is too long may still fit; four times the limit is more than any can lose. */
#define RAW_MAX (4 * CUBBY__NAME_MAX)

int cubby__name_make(uint64_t parent, const char *name, size_t len, struct cubby__name *out)
{
    uint32_t c[RAW_MAX];
    size_t count = 0, left = len;
    if (!name || !len || len > RAW_MAX)
        return CUBBY_EINVAL;
    for (const uint8_t *p = (const uint8_t *)name; left; count++) {
        size_t n = cubby__utf8_get(p, left, &c[count]);
        if (!n || is_control(c[count]))
            return CUBBY_EINVAL;
        p += n;
        left -= n;
    }
    int rc = cubby__nfc(c, count, (uint8_t *)out->bytes, CUBBY__NAME_MAX, &out->len);
    if (rc)
        return rc;
    if (cubby__name_is_inbox(parent, out->bytes, out->len))
        memcpy(out->bytes, "INBOX", 5);
    out->bytes[out->len] = 0;
    return CUBBY_OK;
}
