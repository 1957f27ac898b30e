/* RTF to the HTML or text in it. What a group sets ends with the group. Text comes as bytes in the code page of its font, or as \u with
 * so many bytes behind it as \uc says, for readers that know no Unicode. */
#include "archive/mapi/rtf.h"

#include <stdlib.h>
#include <string.h>

#include "archive/mapi/codepage.h"
#include "cli.h"

enum { GROUPS_MAX = 1000, FONTS_MAX = 4096, WORD_MAX_LEN = 32, BYTES_MAX = 4096 };
enum { IN_TEXT, IN_ESCAPE, IN_WORD, IN_NUMBER, IN_HEX, IN_BINARY };

struct group {
    uint8_t skip;    /* nothing in it is shown */
    uint8_t tag;     /* the source of an HTML tag */
    uint8_t htmlrtf; /* what RTF readers show instead of HTML */
    uint8_t fonttbl;
    uint8_t fresh;   /* nothing has come yet: the next word may name a destination */
    uint8_t star;    /* \* came: a destination that is not known is skipped */
    uint8_t uc;
    uint16_t page;
};

struct rtf {
    struct flow f;
    enum rtf_kind kind;
    struct group *groups;
    size_t depth, cap, beyond; /* beyond: groups that were not entered, because there are too many */
    uint16_t fonts[FONTS_MAX]; /* code page, 0: the document's */
    size_t font;               /* that the font table defines now */
    uint16_t page;             /* of the document */
    int state;
    char word[WORD_MAX_LEN + 1];
    size_t word_len;
    int has_number, negative;
    uint32_t number;
    int hex, hex_digits;
    uint32_t binary;           /* bytes of \bin left */
    uint32_t ignore;           /* characters for readers without Unicode */
    uint32_t high;             /* first half of a surrogate pair */
    char bytes[BYTES_MAX];     /* text in the code page of the decoder */
    size_t bytes_len;
    struct decoder *decoder;   /* may hold the first half of a character behind them */
    uint16_t decoder_page;
    int closed;
};

static struct group *now(struct rtf *r)
{
    return &r->groups[r->depth];
}

static int shown(struct rtf *r)
{
    struct group *g = now(r);
    if (r->closed || g->skip || g->fonttbl)
        return 0;
    return r->kind != RTF_HTML || g->tag || !g->htmlrtf;
}

static void flush_bytes(struct rtf *r)
{
    if (r->bytes_len)
        decoder_add(r->decoder, r->bytes, r->bytes_len, &r->f.out);
    r->bytes_len = 0;
}

/* Something else than bytes follows. */
static void flush(struct rtf *r)
{
    flush_bytes(r);
    if (r->decoder)
        decoder_end(r->decoder, &r->f.out);
    if (r->high)
        text_rune(&r->f.out, 0xfffd);
    r->high = 0;
}

static void use_page(struct rtf *r, uint16_t page)
{
    if (r->decoder && page == r->decoder_page)
        return;
    decoder_free(&r->decoder);
    r->decoder = decoder_new(page);
    r->decoder_page = page;
}

static void put_byte(struct rtf *r, uint8_t c)
{
    now(r)->fresh = 0;
    if (r->ignore) {
        r->ignore--;
        return;
    }
    if (!shown(r) || !c) /* no text holds a NUL */
        return;
    uint16_t page = now(r)->tag || !now(r)->page ? r->page : now(r)->page;
    if (!r->decoder || page != r->decoder_page || r->high)
        flush(r);
    else if (r->bytes_len == BYTES_MAX)
        flush_bytes(r);
    use_page(r, page);
    r->bytes[r->bytes_len++] = (char)c;
}

static void put_rune(struct rtf *r, uint32_t c)
{
    if (!shown(r))
        return;
    if (c >= 0xdc00 && c < 0xe000) {
        c = r->high ? 0x10000 + ((r->high - 0xd800) << 10) + (c - 0xdc00) : 0xfffd;
        r->high = 0;
    }
    flush(r);
    if (c >= 0xd800 && c < 0xdc00) {
        r->high = c;
        return;
    }
    text_rune(&r->f.out, c && c < 0x110000 ? c : 0xfffd);
}

static void put(struct rtf *r, const char *s)
{
    if (!shown(r))
        return;
    flush(r);
    text_add(&r->f.out, s, strlen(s));
}

/* ---- words -------------------------------------------------------------------------------------------------------------------------- */

/* What stands for a character: in text, and in HTML (NULL: the same). */
static const struct symbol {
    const char *word, *text, *html;
} symbols[] = {
    {"par", "\r\n", NULL},
    {"line", "\r\n", NULL},
    {"sect", "\r\n", NULL},
    {"page", "\r\n", NULL},
    {"row", "\r\n", NULL},
    {"nestrow", "\r\n", NULL},
    {"cell", "\t", NULL},
    {"nestcell", "\t", NULL},
    {"tab", "\t", NULL},
    {"lquote", "\xe2\x80\x98", "&lsquo;"},
    {"rquote", "\xe2\x80\x99", "&rsquo;"},
    {"ldblquote", "\xe2\x80\x9c", "&ldquo;"},
    {"rdblquote", "\xe2\x80\x9d", "&rdquo;"},
    {"bullet", "\xe2\x80\xa2", "&bull;"},
    {"endash", "\xe2\x80\x93", "&ndash;"},
    {"emdash", "\xe2\x80\x94", "&mdash;"},
    {"enspace", "\xe2\x80\x82", "&ensp;"},
    {"emspace", "\xe2\x80\x83", "&emsp;"},
    {"qmspace", "\xe2\x80\x85", "&#8197;"},
    {"zwj", "\xe2\x80\x8d", "&zwj;"},
    {"zwnj", "\xe2\x80\x8c", "&zwnj;"},
};

static const char *const hidden[] = {
    "colortbl", "stylesheet", "info", "pict", "object", "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf",
    "footnote", "annotation", "xe", "tc", "rxe", "txe", "filetbl", "revtbl", "listtable", "listoverridetable", "themedata", "datastore",
    "generator", "fldinst", "objdata", "nonshppict", "private", "template", "buptim", "creatim", "printim", "revtim",
};

static uint16_t page_of_charset(uint32_t charset)
{
    static const struct {
        uint8_t charset;
        uint16_t page;
    } t[] = {
        {77, 10000}, {128, 932}, {129, 949}, {130, 1361}, {134, 936}, {136, 950}, {161, 1253}, {162, 1254}, {163, 1258},
        {177, 1255}, {178, 1256}, {186, 1257}, {204, 1251}, {222, 874}, {238, 1250}, {254, 437}, {255, 850},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        if (t[i].charset == charset)
            return t[i].page;
    }
    return 0;
}

static int is(const struct rtf *r, const char *word)
{
    return strcmp(r->word, word) == 0;
}

/* Words that begin a group of their own kind. 1: done. */
static int destination(struct rtf *r)
{
    struct group *g = now(r);
    if (is(r, "fonttbl"))
        g->fonttbl = 1;
    else if (is(r, "htmltag"))
        g->tag = r->kind == RTF_HTML;
    else if (is(r, "mhtmltag"))
        g->skip = 1;
    else if (is(r, "pntext") || is(r, "listtext"))
        g->skip = r->kind != RTF_PLAIN;
    else
        return 0;
    if (is(r, "htmltag") && r->kind != RTF_HTML)
        g->skip = 1;
    return 1;
}

static int is_hidden(const struct rtf *r)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++) {
        if (is(r, hidden[i]))
            return 1;
    }
    return 0;
}

static void font_word(struct rtf *r)
{
    uint16_t page = 0;
    if (is(r, "f")) {
        r->font = r->number;
        return;
    }
    if (is(r, "fcharset"))
        page = page_of_charset(r->number);
    else if (is(r, "cpg") && r->number < 0x10000)
        page = (uint16_t)r->number;
    if (page && r->font < FONTS_MAX)
        r->fonts[r->font] = page;
}

static void format_word(struct rtf *r)
{
    struct group *g = now(r);
    if (is(r, "f"))
        g->page = r->number < FONTS_MAX ? r->fonts[r->number] : 0;
    else if (is(r, "plain"))
        g->page = 0;
    else if (is(r, "uc"))
        g->uc = r->number < 16 ? (uint8_t)r->number : 16;
    else if (is(r, "ansicpg") && r->number > 0 && r->number < 0x10000)
        r->page = (uint16_t)r->number;
    else if (is(r, "mac"))
        r->page = 10000;
    else if (is(r, "pc"))
        r->page = 437;
    else if (is(r, "pca"))
        r->page = 850;
    else if (is(r, "htmlrtf"))
        g->htmlrtf = !r->has_number || r->number;
}

static void symbol_word(struct rtf *r)
{
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        if (!is(r, symbols[i].word))
            continue;
        if (r->ignore)
            r->ignore--;
        else
            put(r, r->kind == RTF_HTML && symbols[i].html ? symbols[i].html : symbols[i].text);
        return;
    }
}

static void end_word(struct rtf *r)
{
    struct group *g = now(r);
    r->word[r->word_len] = 0;
    int fresh = g->fresh, star = g->star;
    g->fresh = g->star = 0;
    if (is(r, "u") && r->has_number) {
        uint32_t c = r->negative ? 65536 - (r->number & 0xffff) : r->number;
        r->ignore = g->uc;
        put_rune(r, c);
    } else if (is(r, "bin")) {
        r->binary = r->negative ? 0 : r->number;
        r->state = r->binary ? IN_BINARY : IN_TEXT;
    } else if (fresh && destination(r)) {
        return;
    } else if (star || (fresh && is_hidden(r))) {
        g->skip = 1;
    } else if (g->fonttbl) {
        font_word(r);
    } else {
        format_word(r);
        symbol_word(r);
    }
}

/* ---- groups and bytes ----------------------------------------------------------------------------------------------------------------- */

static void open_group(struct rtf *r)
{
    r->ignore = 0;
    if (r->depth + 1 >= GROUPS_MAX) {
        r->beyond++;
        return;
    }
    if (r->depth + 1 >= r->cap) {
        r->cap *= 2;
        r->groups = cli_realloc(r->groups, r->cap * sizeof *r->groups);
    }
    r->groups[r->depth + 1] = r->groups[r->depth];
    r->depth++;
    now(r)->fresh = 1;
    now(r)->star = 0;
}

static void close_group(struct rtf *r)
{
    r->ignore = 0;
    if (r->beyond)
        r->beyond--;
    else if (r->depth)
        r->depth--;
    if (r->depth == 0)
        r->closed = 1; /* what follows is no RTF */
}

static void escape(struct rtf *r, uint8_t c)
{
    r->state = IN_TEXT;
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        r->state = IN_WORD;
        r->word[0] = (char)c;
        r->word_len = 1;
        r->has_number = r->negative = 0;
        r->number = 0;
    } else if (c == '\'') {
        r->state = IN_HEX;
        r->hex = r->hex_digits = 0;
    } else if (c == '*') {
        now(r)->star = 1;
    } else if (c == '{' || c == '}' || c == '\\') {
        put_byte(r, c);
    } else if (r->ignore) {
        r->ignore--;
    } else if (c == '~') {
        put(r, r->kind == RTF_HTML ? "&nbsp;" : "\xc2\xa0");
    } else if (c == '_') {
        put(r, r->kind == RTF_HTML ? "&#8209;" : "\xe2\x80\x91");
    } else if (c == '-') {
        put(r, r->kind == RTF_HTML ? "&shy;" : "");
    } else if (c == '\r' || c == '\n') {
        put(r, "\r\n");
    } else if (c == '\t') {
        put(r, "\t");
    }
}

static void text_one(struct rtf *r, uint8_t c)
{
    if (c == '\\')
        r->state = IN_ESCAPE;
    else if (c == '{')
        open_group(r);
    else if (c == '}')
        close_group(r);
    else if (c != '\r' && c != '\n' && c != 0)
        put_byte(r, c);
}

/* Returns 0 if the byte is to be looked at again, as text. */
static int word_one(struct rtf *r, uint8_t c)
{
    int letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (r->state == IN_WORD && letter) {
        if (r->word_len < WORD_MAX_LEN)
            r->word[r->word_len++] = (char)c;
        return 1;
    }
    if (r->state == IN_WORD && c == '-') {
        r->negative = 1;
        r->state = IN_NUMBER;
        return 1;
    }
    if (c >= '0' && c <= '9') {
        r->state = IN_NUMBER;
        r->has_number = 1;
        r->number = r->number > 100000000 ? r->number : r->number * 10 + (uint32_t)(c - '0');
        return 1;
    }
    r->state = IN_TEXT;
    end_word(r);
    return c == ' ';
}

static void hex_one(struct rtf *r, uint8_t c)
{
    int v = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (v < 0) {
        r->state = IN_TEXT;
        text_one(r, c);
        return;
    }
    r->hex = r->hex * 16 + v;
    if (++r->hex_digits == 2) {
        r->state = IN_TEXT;
        put_byte(r, (uint8_t)r->hex);
    }
}

static void one(struct rtf *r, uint8_t c)
{
    switch (r->state) {
    case IN_ESCAPE:
        escape(r, c);
        break;
    case IN_WORD:
    case IN_NUMBER:
        if (word_one(r, c))
            break;
        one(r, c); /* at most once: the state is another now */
        break;
    case IN_HEX:
        hex_one(r, c);
        break;
    case IN_BINARY:
        if (--r->binary == 0)
            r->state = IN_TEXT;
        break;
    default:
        text_one(r, c);
    }
}

static int rtf_step(struct flow *f)
{
    struct rtf *r = (struct rtf *)f;
    const uint8_t *p;
    size_t n = flow_next(f->before, &p);
    for (size_t i = 0; i < n; i++)
        one(r, p[i]);
    if (n == 0)
        flush(r);
    return n != 0;
}

static void rtf_release(struct flow *f)
{
    decoder_free(&((struct rtf *)f)->decoder);
    free(((struct rtf *)f)->groups);
}

struct flow *flow_rtf(struct flow *before, enum rtf_kind kind)
{
    struct rtf *r = flow_new(sizeof *r, before, rtf_step, rtf_release);
    r->kind = kind;
    r->cap = 16;
    r->groups = cli_malloc(r->cap * sizeof *r->groups);
    r->groups[0] = (struct group){.uc = 1};
    r->page = CODEPAGE_WESTERN;
    return &r->f;
}

static int has(const char *p, size_t n, const char *word)
{
    return memmem(p, n, word, strlen(word)) != NULL;
}

enum rtf_kind rtf_kind(const char *p, size_t n)
{
    n = n < 1024 ? n : 1024;
    if (n < 5 || memcmp(p, "{\\rtf", 5) != 0)
        return RTF_NONE;
    if (has(p, n, "\\fromhtml1"))
        return RTF_HTML;
    return has(p, n, "\\fromtext") ? RTF_TEXT : RTF_PLAIN;
}
