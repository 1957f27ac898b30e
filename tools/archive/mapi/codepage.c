#include "archive/mapi/codepage.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* iconv NULL: not one character set, or none that this system converts. charset NULL: mail gets it as UTF-8. */
static const struct page {
    uint32_t number;
    const char *charset, *iconv;
} pages[] = {
    {437, "ibm437", "CP437"},
    {708, NULL, "ASMO-708"},
    {720, NULL, "CP720"},
    {737, NULL, "CP737"},
    {775, "ibm775", "CP775"},
    {850, "ibm850", "CP850"},
    {852, "ibm852", "CP852"},
    {855, "ibm855", "CP855"},
    {857, "ibm857", "CP857"},
    {858, NULL, "CP858"},
    {860, "ibm860", "CP860"},
    {861, "ibm861", "CP861"},
    {862, "ibm862", "CP862"},
    {863, "ibm863", "CP863"},
    {864, "ibm864", "CP864"},
    {865, "ibm865", "CP865"},
    {866, "ibm866", "CP866"},
    {869, "ibm869", "CP869"},
    {874, "windows-874", "CP874"},
    {932, "shift_jis", "CP932"},
    {936, "gb2312", "CP936"},
    {949, "ks_c_5601-1987", "CP949"},
    {950, "big5", "CP950"},
    {1200, NULL, "UTF-16LE"},
    {1201, NULL, "UTF-16BE"},
    {1250, "windows-1250", "CP1250"},
    {1251, "windows-1251", "CP1251"},
    {1252, "windows-1252", "CP1252"},
    {1253, "windows-1253", "CP1253"},
    {1254, "windows-1254", "CP1254"},
    {1255, "windows-1255", "CP1255"},
    {1256, "windows-1256", "CP1256"},
    {1257, "windows-1257", "CP1257"},
    {1258, "windows-1258", "CP1258"},
    {1361, NULL, "JOHAB"},
    {10000, "macintosh", "MACINTOSH"},
    {10007, NULL, "MAC-CYRILLIC"},
    {12000, NULL, "UTF-32LE"},
    {12001, NULL, "UTF-32BE"},
    {20127, "us-ascii", "ASCII"},
    {20866, "koi8-r", "KOI8-R"},
    {20932, "euc-jp", "EUC-JP"},
    {20936, "gb2312", "CP936"},
    {20949, "ks_c_5601-1987", "CP949"},
    {21866, "koi8-u", "KOI8-U"},
    {28591, "iso-8859-1", "ISO-8859-1"},
    {28592, "iso-8859-2", "ISO-8859-2"},
    {28593, "iso-8859-3", "ISO-8859-3"},
    {28594, "iso-8859-4", "ISO-8859-4"},
    {28595, "iso-8859-5", "ISO-8859-5"},
    {28596, "iso-8859-6", "ISO-8859-6"},
    {28597, "iso-8859-7", "ISO-8859-7"},
    {28598, "iso-8859-8", "ISO-8859-8"},
    {28599, "iso-8859-9", "ISO-8859-9"},
    {28600, "iso-8859-10", "ISO-8859-10"},
    {28601, "iso-8859-11", "ISO-8859-11"},
    {28603, "iso-8859-13", "ISO-8859-13"},
    {28604, "iso-8859-14", "ISO-8859-14"},
    {28605, "iso-8859-15", "ISO-8859-15"},
    {28606, "iso-8859-16", "ISO-8859-16"},
    {38598, "iso-8859-8-i", "ISO-8859-8"},
    {50220, "iso-2022-jp", "ISO-2022-JP"},
    {50221, "iso-2022-jp", "ISO-2022-JP"},
    {50222, "iso-2022-jp", "ISO-2022-JP"},
    {50225, "iso-2022-kr", "ISO-2022-KR"},
    {50227, NULL, "ISO-2022-CN"},
    {51932, "euc-jp", "EUC-JP"},
    {51936, "gb2312", "CP936"},
    {51949, "euc-kr", "EUC-KR"},
    {54936, "gb18030", "GB18030"},
    {65000, NULL, "UTF-7"},
    {65001, "utf-8", "UTF-8"},
};

static const struct page *page_find(uint32_t number)
{
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        if (pages[i].number == number)
            return &pages[i];
    }
    return NULL;
}

const char *codepage_charset(uint32_t codepage)
{
    const struct page *p = page_find(codepage);
    return p ? p->charset : NULL;
}

int codepage_known(uint32_t codepage)
{
    return page_find(codepage) != NULL;
}

struct decoder {
    iconv_t cd;
    size_t unit;      /* bytes that a wrong character takes */
    char held[32];    /* the beginning of a character */
    size_t held_len;
    uint64_t bad;
};

struct decoder *decoder_new(uint32_t codepage)
{
    const struct page *p = page_find(codepage);
    struct decoder *d = cli_malloc(sizeof *d);
    *d = (struct decoder){.unit = 1};
    d->cd = iconv_open("UTF-8", p ? p->iconv : "CP1252");
    if (d->cd == (iconv_t)-1) {
        d->cd = iconv_open("UTF-8", "ISO-8859-1"); /* glibc has this one built in */
        p = NULL;
    }
    if (d->cd == (iconv_t)-1)
        cli_no_memory();
    if (p && (p->number == 1200 || p->number == 1201))
        d->unit = 2;
    if (p && (p->number == 12000 || p->number == 12001))
        d->unit = 4;
    return d;
}

void decoder_free(struct decoder **d)
{
    if (*d) {
        iconv_close((*d)->cd);
        free(*d);
    }
    *d = NULL;
}

uint64_t decoder_bad(const struct decoder *d)
{
    return d->bad;
}

static void bad(struct decoder *d, struct text *out)
{
    text_rune(out, 0xfffd);
    d->bad++;
}

/* Converts in[0..n); returns bytes left over: the beginning of a character. */
static size_t convert(struct decoder *d, char *in, size_t n, struct text *out)
{
    while (n) {
        char buf[2048], *o = buf;
        size_t room = sizeof buf;
        size_t rc = iconv(d->cd, &in, &n, &o, &room);
        int e = errno;
        text_add(out, buf, (size_t)(o - buf));
        if (rc != (size_t)-1 || e == E2BIG)
            continue;
        if (e == EINVAL && n < sizeof d->held)
            return n;
        size_t skip = d->unit < n ? d->unit : n;
        in += skip;
        n -= skip;
        bad(d, out);
        iconv(d->cd, NULL, NULL, NULL, NULL);
    }
    return 0;
}

void decoder_add(struct decoder *d, const void *p, size_t n, struct text *out)
{
    const char *in = p;
    while (n) {
        char buf[4096];
        size_t take = sizeof buf - d->held_len < n ? sizeof buf - d->held_len : n;
        memcpy(buf, d->held, d->held_len);
        memcpy(buf + d->held_len, in, take);
        size_t all = d->held_len + take;
        in += take;
        n -= take;
        size_t left = convert(d, buf, all, out);
        memcpy(d->held, buf + all - left, left);
        d->held_len = left;
    }
}

void decoder_end(struct decoder *d, struct text *out)
{
    if (d->held_len)
        bad(d, out);
    d->held_len = 0;
    iconv(d->cd, NULL, NULL, NULL, NULL);
}

/* state: bytes that must still come, and the range of the next in the upper bytes (0: any continuation). */
int utf8_valid(const void *p, size_t n, uint32_t *state)
{
    const uint8_t *s = p;
    for (size_t i = 0; i < n; i++) {
        uint32_t more = *state & 0xff, low = *state >> 8 & 0xff, high = *state >> 16;
        if (more) {
            if (s[i] < (low ? low : 0x80) || s[i] > (high ? high : 0xbf))
                return 0;
            *state = more - 1;
        } else if (s[i] >= 0x80) {
            if (s[i] < 0xc2 || s[i] > 0xf4)
                return 0;
            *state = s[i] < 0xe0 ? 1 : s[i] < 0xf0 ? 2 : 3;
            low = s[i] == 0xe0 ? 0xa0 : s[i] == 0xf0 ? 0x90 : 0;
            high = s[i] == 0xed ? 0x9f : s[i] == 0xf4 ? 0x8f : 0;
            *state |= low << 8 | high << 16;
        }
    }
    return 1;
}

void codepage_decode(uint32_t codepage, const void *p, size_t n, struct text *out)
{
    uint32_t state = 0;
    if (!codepage_known(codepage))
        codepage = utf8_valid(p, n, &state) && !state ? CODEPAGE_UTF8 : CODEPAGE_WESTERN;
    struct decoder *d = decoder_new(codepage);
    decoder_add(d, p, n, out);
    decoder_end(d, out);
    decoder_free(&d);
}
