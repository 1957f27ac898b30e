/* fuzz_decode.c - any bytes as content in base64 or quoted-printable, as text in a charset, as a header value with encoded words, parameters and addresses, as
 * HTML that names its charset: what it means is the same in one piece and in many, no longer than the input allows, and UTF-8; and what is encoded in base64
 * is decoded again. The first byte is which, the second seeds the cuts. */
#include "archive/mapi/flow.h"
#include "archive/mapi/from_mime.h"
#include "fuzz/fuzz.h"

static const char *const charsets[] = {"", "utf-8", "us-ascii", "iso-8859-1", "windows-1252", "koi8-r", "utf-16", "utf-16be", "utf-7", "iso-2022-jp", "gb2312", "no such"};
enum { CHARSETS = sizeof charsets / sizeof *charsets };

static const char *bytes_of(const struct text *t)
{
    return t->data ? t->data : "";
}

static void must_equal(const struct text *a, const struct text *b)
{
    must(a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len)));
}

static void must_be_utf8(const struct text *t)
{
    for (size_t i = 0, used; i < t->len; i += used) {
        uint32_t c;
        used = text_next(t->data + i, t->len - i, &c);
        must(used >= 1 && i + used <= t->len);
    }
}

/* UTF-16 with a sign that stands for something that is none. */
static int has_errors(const struct text *t)
{
    for (size_t i = 0; i + 1 < t->len; i += 2)
        if ((uint8_t)t->data[i] == 0xfd && (uint8_t)t->data[i + 1] == 0xff)
            return 1;
    return 0;
}

/* The length of the next piece of n bytes. */
static size_t piece(uint32_t *seed, size_t n)
{
    *seed = *seed * 1664525 + 1013904223;
    size_t some = 1 + (*seed >> 8) % (*seed & 0x80000000 ? 3 : 100);
    return some < n ? some : n;
}

static void as_content(struct input in, int encoding, uint32_t seed)
{
    struct mime_decoder a = {.encoding = encoding}, b = {.encoding = encoding};
    struct text whole = {0}, cut = {0};
    mime_decode(&a, in.p, in.n, &whole);
    mime_decode_end(&a, &whole);
    must(whole.len <= in.n * 2 + 4);
    while (in.n) {
        struct input some = take_bytes(&in, piece(&seed, in.n));
        uint8_t *copy = exact_copy(some.p, some.n);
        mime_decode(&b, copy, some.n, &cut);
        free(copy);
    }
    mime_decode_end(&b, &cut);
    must_equal(&whole, &cut);
    text_release(&whole);
    text_release(&cut);
}

static void as_text(struct input in, const char *charset, uint32_t seed)
{
    struct text whole = {0}, cut = {0}, utf8 = {0};
    struct mime_charset *a = mime_charset_new(charset), *b = mime_charset_new(charset);
    mime_utf8(charset, (const char *)in.p, in.n, &utf8);
    must_be_utf8(&utf8);
    mime_charset_add(a, (const char *)in.p, in.n, &whole);
    mime_charset_end(&a, &whole);
    while (in.n) {
        struct input some = take_bytes(&in, piece(&seed, in.n));
        char *copy = exact_copy(some.p, some.n);
        mime_charset_add(b, copy, some.n, &cut);
        free(copy);
    }
    mime_charset_end(&b, &cut);
    must(whole.len % 2 == 0 && cut.len % 2 == 0);
    /* Without a charset the first piece with other letters than ASCII decides; and what glibc makes of half a surrogate in UTF-7 depends on where it is cut. */
    if (mime_codepage(charset) && !(strcmp(charset, "utf-7") == 0 && (has_errors(&whole) || has_errors(&cut))))
        must_equal(&whole, &cut);
    text_release(&whole);
    text_release(&cut);
    text_release(&utf8);
}

static void an_address(void *arg, const char *name, const char *address)
{
    must(++*(size_t *)arg < 100000 && !strpbrk(name, "\r\n") && !strpbrk(address, "\r\n"));
}

static void as_value(struct input in)
{
    static const char *const names[] = {"charset", "name", "filename", "boundary"};
    struct text t = {0};
    char type[40], *value = exact_copy(in.p, in.n);
    size_t addresses = 0;
    mime_words(value, in.n, &t);
    must_be_utf8(&t);
    mime_clean(&t, 50);
    must(t.len <= 50);
    must_be_utf8(&t);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (mime_param(value, in.n, names[i], &t))
            must_be_utf8(&t);
    mime_type(value, in.n, type, sizeof type);
    must(strlen(type) < sizeof type);
    mime_addresses(value, in.n, an_address, &addresses);
    must(addresses <= in.n + 1);
    text_release(&t);
    free(value);
}

static void as_html(struct input in, const char *charset, uint32_t seed)
{
    struct mime_html a = {0}, b = {0};
    mime_html_add(&a, (const char *)in.p, in.n);
    while (in.n) {
        struct input some = take_bytes(&in, piece(&seed, in.n));
        char *copy = exact_copy(some.p, some.n);
        mime_html_add(&b, copy, some.n);
        free(copy);
    }
    must(mime_html_codepage(&a, charset) == mime_html_codepage(&b, charset) && mime_html_codepage(&a, charset) != 0);
}

static void there_and_back(struct input in)
{
    struct flow *f = flow_base64(flow_bytes(in.p, in.n));
    struct mime_decoder d = {.encoding = CUBBY_CTE_BASE64};
    struct text letters = {0}, back = {0};
    must(flow_all(f, in.n * 2 + 100, &letters) == 0 && !flow_error(f));
    mime_decode(&d, (const uint8_t *)bytes_of(&letters), letters.len, &back);
    mime_decode_end(&d, &back);
    must(back.len == in.n && (!in.n || !memcmp(back.data, in.p, in.n)));
    flow_close(&f);
    text_release(&letters);
    text_release(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    unsigned which = (unsigned)take(&in, 1);
    uint32_t seed = (uint32_t)take(&in, 1);
    switch (which % 6) {
    case 0: as_content(in, CUBBY_CTE_BASE64, seed); break;
    case 1: as_content(in, CUBBY_CTE_QP, seed); break;
    case 2: as_text(in, charsets[which / 6 % CHARSETS], seed); break;
    case 3: as_value(in); break;
    case 4: as_html(in, charsets[which / 6 % CHARSETS], seed); break;
    default: there_and_back(in); break;
    }
    return 0;
}
