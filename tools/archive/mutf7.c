#include "archive/mutf7.h"

#include <stdint.h>
#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

/* ---- decoding ------------------------------------------------------------------------------------------------------------------------ */

/* UTF-16 units become characters; a half of a pair waits for the other. */
static int put_unit(struct text *out, uint32_t unit, uint32_t *high)
{
    if (*high) {
        if (unit < 0xdc00 || unit > 0xdfff)
            return -1;
        text_rune(out, 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00));
        *high = 0;
    } else if (unit >= 0xd800 && unit <= 0xdbff) {
        *high = unit;
    } else if (unit >= 0xdc00 && unit <= 0xdfff) {
        return -1;
    } else {
        text_rune(out, unit);
    }
    return 0;
}

/* What stands between '&' and '-'. */
static int decode_run(const char *p, size_t n, struct text *out)
{
    uint32_t bits = 0, high = 0;
    int have = 0;
    for (size_t i = 0; i < n; i++) {
        const char *at = p[i] ? strchr(alphabet, p[i]) : NULL;
        if (!at)
            return -1;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        have += 6;
        if (have >= 16) {
            have -= 16;
            if (put_unit(out, bits >> have & 0xffff, &high) != 0)
                return -1;
            bits &= (1u << have) - 1;
        }
    }
    return have < 6 && bits == 0 && !high ? 0 : -1;
}

int mutf7_decode(const char *p, size_t n, struct text *out)
{
    size_t before = out->len;
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)p[i] < ' ' || (unsigned char)p[i] > '~')
            goto wrong;
        if (p[i] != '&') {
            text_byte(out, p[i]);
            continue;
        }
        const char *end = memchr(p + i, '-', n - i);
        if (!end)
            goto wrong;
        size_t run = (size_t)(end - p) - i - 1;
        if (run == 0)
            text_byte(out, '&');
        else if (decode_run(p + i + 1, run, out) != 0)
            goto wrong;
        i += run + 1;
    }
    return 0;
wrong:
    if (out->data)
        out->data[before] = 0;
    out->len = before;
    return -1;
}

/* ---- encoding ------------------------------------------------------------------------------------------------------------------------ */

struct run {
    struct text *out;
    uint32_t bits;
    int have, open;
};

static void run_unit(struct run *r, uint32_t unit)
{
    if (!r->open)
        text_byte(r->out, '&');
    r->open = 1;
    r->bits = r->bits << 16 | unit;
    for (r->have += 16; r->have >= 6; r->have -= 6)
        text_byte(r->out, alphabet[r->bits >> (r->have - 6) & 63]);
    r->bits &= (1u << r->have) - 1;
}

static void run_end(struct run *r)
{
    if (!r->open)
        return;
    if (r->have)
        text_byte(r->out, alphabet[r->bits << (6 - r->have) & 63]);
    text_byte(r->out, '-');
    r->bits = 0;
    r->have = r->open = 0;
}

void mutf7_encode(const char *p, size_t n, const char *also, struct text *out)
{
    struct run r = {.out = out};
    for (size_t i = 0, used; i < n; i += used) {
        uint32_t code;
        used = text_next(p + i, n - i, &code);
        if (code >= ' ' && code <= '~' && !strchr(also, (int)code)) {
            run_end(&r);
            text_byte(out, (char)code);
            if (code == '&')
                text_byte(out, '-');
        } else if (code >= 0x10000) {
            run_unit(&r, 0xd800 + ((code - 0x10000) >> 10));
            run_unit(&r, 0xdc00 + ((code - 0x10000) & 0x3ff));
        } else {
            run_unit(&r, code);
        }
    }
    run_end(&r);
}
