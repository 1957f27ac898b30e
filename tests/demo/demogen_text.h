/* demogen_text.h - the lower half of demogen.c: random numbers, growing text, words, charsets, transfer encodings. */
#ifndef CUBBY_DEMOGEN_TEXT_H
#define CUBBY_DEMOGEN_TEXT_H

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- random numbers ---- */

static uint64_t rng;

static uint64_t next(void) /* splitmix64 */
{
    uint64_t z = rng += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

static unsigned below(unsigned n)
{
    return (unsigned)((next() >> 32) * n >> 32);
}

static int percent(unsigned p)
{
    return below(100) < p;
}

/* Somewhere in [1 << low, 1 << high), small ones as likely as large ones. */
static unsigned size_between(unsigned low, unsigned high)
{
    unsigned e = low + below(high - low);
    return (1u << e) + below(1u << e);
}

/* ---- growing text ---- */

struct text {
    char *p;
    size_t n, cap;
};

static void *checked(void *p)
{
    if (!p) {
        fputs("demogen: out of memory\n", stderr);
        exit(1);
    }
    return p;
}

static char *extend(struct text *t, size_t n)
{
    if (t->cap - t->n < n)
        t->p = checked(realloc(t->p, t->cap = (t->cap + n) * 2));
    t->n += n;
    return t->p + t->n - n;
}

static void put(struct text *t, const char *s, size_t n)
{
    memcpy(extend(t, n), s, n);
}

static void puts_to(struct text *t, const char *s)
{
    put(t, s, strlen(s));
}

__attribute__((format(printf, 2, 3))) static void fmt(struct text *t, const char *f, ...)
{
    char line[2048];
    va_list ap;
    va_start(ap, f);
    int n = vsnprintf(line, sizeof line, f, ap);
    va_end(ap);
    put(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* ---- words ---- */

struct words {
    const char *text;
    const char *word[400];
    uint8_t len[400];
    unsigned count;
};

static struct words english = {
    .text =
        "the to and of a in that is it for we on this be with not you have are as if at but or can from they will an by so all there which "
        "when what would one about no some more just do has out only them up then like than other time new now very our also should been "
        "into "
        "could your work who first because how its these any see after use way well may need where most back think over such make even "
        "here "
        "two much before still too good same last find between each does never under must off might around again while part both own "
        "another "
        "place system point long few those always something next number made find group right small however different against end case "
        "fact "
        "question problem during without year change important available important result build release version patch test branch merge "
        "review "
        "commit server client message folder mailbox index segment header delivery queue timeout cache buffer thread kernel driver package "
        "update upgrade install config option default value string array pointer memory leak crash trace debug report issue ticket "
        "customer "
        "invoice order payment shipping account contract meeting agenda minutes schedule deadline budget project proposal estimate "
        "estimate "
        "department office room floor building travel hotel flight train station airport weekend holiday monday tuesday thursday friday "
        "morning "
        "afternoon evening week month quarter season spring summer autumn winter garden kitchen recipe bread butter coffee water river "
        "mountain "
        "forest valley weather storm light paper letter book chapter story picture camera music concert theatre museum school lesson "
        "teacher "
        "student exam library language grammar translation draft document table figure section appendix reference summary conclusion "
        "thanks "
        "regards hello sorry please perhaps probably certainly actually usually sometimes rarely quickly slowly carefully simply directly "
        "together separately already yesterday tomorrow today tonight soon later early finally again further closer better worse easier "
        "harder"};
static struct words latin = {.text = "Grüße für über können müssen Änderung größer schön Straße Tür früh später natürlich Übersicht gehört "
                                     "außerdem nächste Büro und der die "
                                     "das mit von ist nicht auf été déjà après être problème équipe réunion reçu façon où à très les des "
                                     "pour avec dans sur merci détails "
                                     "señor mañana también más información año atención días según así qué será está por los las una del "
                                     "para como pero fråga många måste "
                                     "från även åter hjälp ændring først også på søndag"};
static struct words russian = {.text = "привет спасибо пожалуйста сегодня завтра письмо сообщение работа проект система сервер почта "
                                       "вопрос ответ время новый первый большой "
                                       "после перед можно нужно если когда только очень хорошо плохо есть был будет это который мы вы они "
                                       "для что как так еще уже все снова"};
static struct words japanese = {.text = "ありがとう おねがいします こんにちは メール サーバー よろしく きょう あした しごと テスト "
                                        "プログラム ファイル また です ます ました "
                                        "について および それでは データ システム ください かくにん れんらく いつも おせわに なって "
                                        "おります フォルダ メッセージ、 から まで"};
static struct words first_names = {.text = "Alma Bruno Carla Dario Edda Falk Greta Hanno Ilse Jonas Karin Lena Milo Nora Otto Petra Quinn "
                                           "Rosa Sven Tilda Ulf Vera Wim Xenia Yann "
                                           "Zora Anouk Basil Celia Denis Elif Femi Goran Hana Imre Jana"};
static struct words last_names = {
    .text = "Abelard Birkholm Castellan Dornfeld Elsmere Fairwater Grünwald Hollister Ibarra Jessop Kettering Lindqvist Marchetti Norrby "
            "Okonedo "
            "Pettigrew Quillfeld Rosendahl Søndergaard Tamsin Underhill Vasquez Whitlock Xanthos Yarrow Zielinski Ådahl Brontë Núñez"};
static struct words domains = {
    .text = "example.org example.net example.com mail.example.org lists.example.net corp.example.com staff.example.org"};

static void split(struct words *w)
{
    for (const char *p = w->text; *p; p += *p == ' ') {
        size_t n = strcspn(p, " ");
        w->word[w->count] = p;
        w->len[w->count++] = (uint8_t)n;
        p += n;
    }
}

/* Early words are more frequent, as in any language. */
static unsigned pick(const struct words *w)
{
    uint64_t r = next();
    return (unsigned)(((r >> 40) * (r & 0xffffff) >> 24) * w->count >> 24);
}

static void add_word(struct text *t, const struct words *w)
{
    unsigned i = pick(w);
    put(t, w->word[i], w->len[i]);
}

/* ---- prose ---- */

struct line_state {
    size_t start; /* of the line in the text */
};

static void wrap(struct text *t, struct line_state *l, unsigned width)
{
    if (t->n - l->start > width) {
        put(t, "\n", 1);
        l->start = t->n;
    } else {
        put(t, " ", 1);
    }
}

static void paragraph(struct text *t, const struct words *w, unsigned width)
{
    struct line_state l = {t->n};
    if (below(150) == 0)
        puts_to(t, percent(50) ? "From here on, " : ">From what I remember, ");
    for (unsigned sentences = 2 + below(5); sentences--;) {
        for (unsigned words = 5 + below(14), i = 0; i < words; i++) {
            size_t at = t->n;
            add_word(t, w);
            if (i == 0 && t->p[at] >= 'a' && t->p[at] <= 'z')
                t->p[at] = (char)(t->p[at] - 32);
            if (i + 1 < words && below(12) == 0)
                put(t, ",", 1);
            if (i + 1 < words)
                wrap(t, &l, width);
        }
        put(t, percent(92) ? "." : "?", 1);
        if (sentences)
            wrap(t, &l, width);
    }
    puts_to(t, "\n\n");
}

static void prose(struct text *t, const struct words *w, size_t bytes)
{
    size_t end = t->n + bytes;
    do
        paragraph(t, w, 64);
    while (t->n < end);
}

/* Every line of s with "> " before it. */
static void quote(struct text *t, const char *s)
{
    while (*s) {
        size_t n = strcspn(s, "\n");
        put(t, *s == '>' ? ">" : "> ", *s == '>' ? 1 : 2);
        put(t, s, n);
        put(t, "\n", 1);
        s += n + (s[n] == '\n');
    }
}

/* ---- charsets and transfer encodings ---- */

enum charset { ASCII, UTF8, LATIN1, KOI8, JIS };
static const char *const charset_name[] = {"us-ascii", "utf-8", "iso-8859-1", "koi8-r", "iso-2022-jp"};

static unsigned char koi8_of(unsigned cyrillic) /* from U+0430 */
{
    static const unsigned char lower[] =
        "\xc1\xc2\xd7\xc7\xc4\xc5\xd6\xda\xc9\xca\xcb\xcc\xcd\xce\xcf\xd0\xd2\xd3\xd4\xd5\xc6\xc8\xc3\xde\xdb\xdd\xdf\xd9\xd8"
        "\xdc\xc0\xd1";
    return cyrillic < 32 ? lower[cyrillic] : '?';
}

static unsigned jis_of(unsigned u)
{
    if (u >= 0x3041 && u <= 0x3093)
        return 0x2421 + u - 0x3041;
    if (u >= 0x30a1 && u <= 0x30f6)
        return 0x2521 + u - 0x30a1;
    return u == 0x30fc ? 0x213c : u == 0x3001 ? 0x2122 : 0x2123;
}

/* UTF-8 to another charset. Only what the word lists hold is known. */
static void recode(struct text *t, const char *s, size_t n, enum charset to)
{
    int in_jis = 0;
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x80 || to <= UTF8) {
            if (in_jis)
                puts_to(t, "\x1b(B");
            in_jis = 0;
            put(t, s + i++, 1);
        } else if (c < 0xe0) {
            unsigned u = (unsigned)(c & 31) << 6 | (s[i + 1] & 63);
            char b = (char)(to == KOI8 ? koi8_of(u - 0x430) : u);
            put(t, &b, 1);
            i += 2;
        } else {
            unsigned j = jis_of((unsigned)(c & 15) << 12 | (unsigned)(s[i + 1] & 63) << 6 | (s[i + 2] & 63));
            if (!in_jis)
                puts_to(t, "\x1b$B");
            in_jis = 1;
            put(t, (char[]){(char)(j >> 8), (char)j}, 2);
            i += 3;
        }
    }
    if (in_jis)
        puts_to(t, "\x1b(B");
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_line(struct text *t, const unsigned char *s, size_t n)
{
    char *p = extend(t, (n + 2) / 3 * 4);
    for (; n >= 3; n -= 3, s += 3, p += 4) {
        unsigned v = (unsigned)s[0] << 16 | (unsigned)s[1] << 8 | s[2];
        p[0] = alphabet[v >> 18];
        p[1] = alphabet[v >> 12 & 63];
        p[2] = alphabet[v >> 6 & 63];
        p[3] = alphabet[v & 63];
    }
    if (n) {
        unsigned v = (unsigned)s[0] << 16 | (n > 1 ? (unsigned)s[1] << 8 : 0);
        p[0] = alphabet[v >> 18];
        p[1] = alphabet[v >> 12 & 63];
        p[2] = n > 1 ? alphabet[v >> 6 & 63] : '=';
        p[3] = '=';
    }
}

static void base64(struct text *t, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i += 57) {
        base64_line(t, (const unsigned char *)s + i, n - i < 57 ? n - i : 57);
        put(t, "\n", 1);
    }
}

static void quoted_printable(struct text *t, const char *s, size_t n)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t column = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        int plain = c != '=' && c >= 32 && c < 127 && !(c == ' ' && (i + 1 == n || s[i + 1] == '\n'));
        char *p = extend(t, 6);
        char *at = p;
        if (c != '\n' && column + (plain ? 1 : 3) > 75) {
            *at++ = '=';
            *at++ = '\n';
            column = 0;
        }
        column = c == '\n' ? 0 : column + (plain ? 1 : 3);
        if (plain || c == '\n') {
            *at++ = (char)c;
        } else {
            *at++ = '=';
            *at++ = hex[c >> 4];
            *at++ = hex[c & 15];
        }
        t->n -= (size_t)(p + 6 - at);
    }
}

/* A piece of a header: as it is if it is ASCII, else as encoded words of at most 40 bytes. */
static void header_text(struct text *t, const char *s, size_t n, enum charset cs)
{
    int ascii = 1;
    for (size_t i = 0; i < n; i++)
        ascii &= (unsigned char)s[i] < 0x80;
    if (ascii) {
        put(t, s, n);
        return;
    }
    for (size_t i = 0; i < n;) {
        size_t k = n - i < 30 ? n - i : 30;
        while (i + k < n && ((unsigned char)s[i + k] & 0xc0) == 0x80)
            k--;
        struct text piece = {0};
        recode(&piece, s + i, k, cs);
        fmt(t, "%s=?%s?B?", i ? "\n " : "", charset_name[cs]);
        base64_line(t, (unsigned char *)piece.p, piece.n);
        puts_to(t, "?=");
        free(piece.p);
        i += k;
    }
}

enum encoding { BITS7, BITS8, QP, BASE64 };
static const char *const encoding_name[] = {"7bit", "8bit", "quoted-printable", "base64"};

/* Type, encoding, an empty line, the body; s is UTF-8. */
static void text_part(struct text *t, const char *type, enum charset cs, enum encoding enc, const struct text *s)
{
    static struct text coded;
    coded.n = 0;
    if (cs > UTF8)
        recode(&coded, s->p, s->n, cs);
    const struct text *b = cs > UTF8 ? &coded : s;
    fmt(t, "Content-Type: %s; charset=%s\nContent-Transfer-Encoding: %s\n\n", type, charset_name[cs], encoding_name[enc]);
    if (enc == QP)
        quoted_printable(t, b->p, b->n);
    else if (enc == BASE64)
        base64(t, b->p, b->n);
    else
        put(t, b->p, b->n);
}

#endif
