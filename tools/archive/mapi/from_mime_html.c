/* The character set of HTML whose MIME header does not name it. */
#include <string.h>
#include <strings.h>

#include "archive/mapi/codepage.h"
#include "archive/mapi/from_mime.h"

enum { CODEPAGE_UTF16_BE = 1201, CODEPAGE_UTF7 = 65000 };

void mime_html_add(struct mime_html *h, const char *p, size_t n)
{
    size_t room = sizeof h->head - h->head_len, k = n < room ? n : room;
    memcpy(h->head + h->head_len, p, k);
    h->head_len += k;
    for (size_t i = 0; i < n && !h->high; i++)
        h->high = (p[i] & 0x80) != 0;
    if (!h->broken)
        h->broken = !utf8_valid(p, n, &h->state);
}

/* The first of a few letters, whatever their case, from `at` on; n: there is none. */
static size_t seek(const char *p, size_t at, size_t n, const char *what)
{
    size_t len = strlen(what);
    for (; at + len <= n; at++)
        if (strncasecmp(p + at, what, len) == 0)
            return at;
    return n;
}

/* <meta charset=NAME>, or content="text/html; charset=NAME". */
static uint32_t named_in(const char *tag, size_t n)
{
    char name[48];
    size_t at = seek(tag, 0, n, "charset"), len = 0;
    if (at == n)
        return 0;
    for (at += strlen("charset"); at < n && strchr(" \t\r\n=\"'", tag[at]); at++)
        ;
    while (at < n && len + 1 < sizeof name && !strchr(" \t\r\n\"';/>", tag[at]))
        name[len++] = tag[at++];
    name[len] = 0;
    return mime_codepage(name);
}

static uint32_t named(const struct mime_html *h)
{
    for (size_t at = 0; (at = seek(h->head, at, h->head_len, "<meta")) < h->head_len; at++) {
        const char *end = memchr(h->head + at, '>', h->head_len - at);
        uint32_t codepage = named_in(h->head + at, end ? (size_t)(end - h->head) - at : h->head_len - at);
        if (codepage)
            return codepage;
    }
    return 0;
}

uint32_t mime_html_codepage(const struct mime_html *h, const char *charset)
{
    uint32_t codepage = mime_codepage(charset);
    if (codepage && (codepage != CODEPAGE_ASCII || !h->high))
        return codepage;
    codepage = named(h);
    /* Who could read a name in it did not read two bytes a letter; and nobody takes UTF-7 from HTML. */
    if (codepage && codepage != CODEPAGE_UTF16 && codepage != CODEPAGE_UTF16_BE && codepage != CODEPAGE_UTF7 &&
        (codepage != CODEPAGE_ASCII || !h->high))
        return codepage;
    return h->broken || h->state ? CODEPAGE_WESTERN : CODEPAGE_UTF8;
}
