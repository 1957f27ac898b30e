#include "archive/mapi/body.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/mapi/codepage.h"
#include "cli.h"
#include "text.h"

enum { CIDS_MAX = 4096, CID_MAX = 255 };

enum body_encoding encoding_for(const struct flow_look *look)
{
    if (look->nuls || look->high > look->bytes / 6)
        return ENCODING_BASE64;
    return look->high || look->longest > 998 || look->marks ? ENCODING_QUOTED : ENCODING_7BIT;
}

const char *encoding_name(enum body_encoding e)
{
    return e == ENCODING_BASE64 ? "base64" : e == ENCODING_QUOTED ? "quoted-printable" : "7bit";
}

/* ---- flows ------------------------------------------------------------------------------------------------------------------------------ */

/* The text with line ends CRLF, not encoded. */
static struct flow *text_flow(struct mapi_object *msg, const struct body *b)
{
    struct flow *f = flow_value(msg, &b->prop, b->source == SOURCE_VALUE && b->prop.type != MAPI_BINARY);
    if (b->source != SOURCE_VALUE)
        f = flow_lzfu(f);
    if (b->source == SOURCE_RTF_ITSELF)
        return flow_trim(f);
    if (b->source == SOURCE_RTF_TEXT)
        f = flow_rtf(f, b->rtf);
    else if (b->codepage)
        f = flow_utf8(f, b->codepage);
    return flow_lines(f);
}

struct flow *body_flow(struct mapi_object *msg, const struct body *b)
{
    struct flow *f = text_flow(msg, b);
    if (b->encoding == ENCODING_BASE64)
        return flow_base64(f);
    return b->encoding == ENCODING_QUOTED ? flow_quoted(f) : f;
}

void body_head(const struct bodies *all, int which, struct text *out)
{
    static const char *const types[BODIES] = {"text/plain", "text/html", "text/rtf"};
    const struct body *b = &all->of[which];
    char buf[200];
    int n = snprintf(buf, sizeof buf, "Content-Type: %s%s%s\r\nContent-Transfer-Encoding: %s\r\n\r\n", types[which], b->charset ? "; charset=" : "",
                     b->charset ? b->charset : "", encoding_name(b->encoding));
    text_add(out, buf, (size_t)n);
}

/* ---- content ids in HTML ------------------------------------------------------------------------------------------------------------------ */

static uint64_t cid_hash(const char *p, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)tolower((unsigned char)p[i])) * 1099511628211u;
    return h;
}

static void cid_add(struct bodies *b, const char *p, size_t n)
{
    char cid[CID_MAX];
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '%' && i + 2 < n && text_hex(p[i + 1]) >= 0 && text_hex(p[i + 2]) >= 0) {
            cid[len++] = (char)(text_hex(p[i + 1]) * 16 + text_hex(p[i + 2]));
            i += 2;
        } else {
            cid[len++] = p[i];
        }
    }
    if (b->cid_count == CIDS_MAX)
        return;
    if ((b->cid_count & (b->cid_count - 1)) == 0)
        b->cids = cli_realloc(b->cids, (b->cid_count ? b->cid_count * 2 : 1) * sizeof *b->cids);
    b->cids[b->cid_count++] = cid_hash(cid, len);
}

int bodies_refer(const struct bodies *b, const char *cid, size_t n)
{
    uint64_t h = cid_hash(cid, n);
    for (size_t i = 0; i < b->cid_count; i++) {
        if (b->cids[i] == h)
            return 1;
    }
    return 0;
}

void bodies_find_cids(struct mapi_object *msg, struct bodies *b)
{
    static const char word[] = "cid:";
    if (b->of[BODY_HTML].source == SOURCE_NONE)
        return;
    struct flow *f = text_flow(msg, &b->of[BODY_HTML]);
    char cid[CID_MAX];
    const uint8_t *p;
    size_t seen = 0, len = 0;
    for (size_t n; (n = flow_next(f, &p)) != 0;) {
        for (size_t i = 0; i < n; i++) {
            char c = (char)p[i];
            if (seen < 4) {
                seen = tolower((unsigned char)c) == word[seen] ? seen + 1 : tolower((unsigned char)c) == 'c';
            } else if (len < CID_MAX && (unsigned char)c > 0x20 && !strchr("\"'<>()&", c)) {
                cid[len++] = c;
            } else {
                if (len)
                    cid_add(b, cid, len);
                seen = len = 0;
            }
        }
    }
    flow_close(&f);
}

/* ---- finding ------------------------------------------------------------------------------------------------------------------------------ */

static void look(struct mapi_object *msg, struct body *b, struct flow_look *out, struct text *error)
{
    struct flow *f = text_flow(msg, b);
    flow_look(f, out);
    if (error && flow_error(f))
        text_add(error, flow_error(f), strlen(flow_error(f)));
    flow_close(&f);
    b->encoding = encoding_for(out);
}

static void tell(struct losses *l, const char *what, const struct text *error)
{
    if (error->len)
        losses_add(l, "%s: %s", what, error->data);
}

static int find(struct mapi_object *msg, uint16_t id, const char *what, struct losses *l, struct mapi_prop *p)
{
    int rc = mapi_find(msg, id, p);
    if (rc < 0)
        losses_add(l, "%s: %s", what, msg->ops->error(msg));
    return rc == 1 && p->size > 0;
}

static void find_plain(struct mapi_object *msg, struct losses *l, struct bodies *out)
{
    struct body *b = &out->of[BODY_PLAIN];
    struct flow_look seen;
    struct text error = {0};
    if (!find(msg, MAPI_P_BODY, "the text", l, &b->prop) || (b->prop.type != MAPI_STRING && b->prop.type != MAPI_STRING8))
        return;
    b->source = SOURCE_VALUE;
    if (b->prop.type == MAPI_STRING) {
        b->codepage = CODEPAGE_UTF16;
    } else {
        b->codepage = msg->ops->codepage(msg);
        if (!codepage_known(b->codepage)) { /* bytes that are valid UTF-8 are that */
            b->codepage = 0;
            look(msg, b, &seen, NULL);
            b->codepage = seen.utf8 ? CODEPAGE_UTF8 : CODEPAGE_WESTERN;
        }
    }
    look(msg, b, &seen, &error);
    tell(l, "the text", &error);
    b->charset = seen.high ? "utf-8" : "us-ascii";
    text_release(&error);
}

/* The code page of HTML as bytes; what the message says of it may be wrong. */
static uint32_t html_codepage(struct mapi_object *msg, const struct body *b, const struct flow_look *seen)
{
    int64_t said = mapi_int(msg, MAPI_P_INTERNET_CODEPAGE, 0);
    uint32_t page = said > 0 && said < 0x10000 ? (uint32_t)said : 0;
    if (b->prop.type == MAPI_STRING8 && !codepage_known(page))
        page = msg->ops->codepage(msg);
    if (page == CODEPAGE_ASCII && seen->high)
        page = 0;
    if (!codepage_known(page))
        page = seen->utf8 ? CODEPAGE_UTF8 : codepage_known(msg->ops->codepage(msg)) ? msg->ops->codepage(msg) : CODEPAGE_WESTERN;
    return page;
}

static void find_html(struct mapi_object *msg, struct losses *l, struct bodies *out)
{
    struct body *b = &out->of[BODY_HTML];
    struct flow_look seen;
    struct text error = {0};
    if (!find(msg, MAPI_P_HTML, "the HTML", l, &b->prop))
        return;
    if (b->prop.type != MAPI_BINARY && b->prop.type != MAPI_STRING && b->prop.type != MAPI_STRING8)
        return;
    b->source = SOURCE_VALUE;
    if (b->prop.type == MAPI_STRING) {
        b->codepage = CODEPAGE_UTF16;
    } else {
        look(msg, b, &seen, NULL);
        uint32_t page = html_codepage(msg, b, &seen);
        b->charset = codepage_charset(page);
        b->codepage = b->charset ? 0 : page;
    }
    look(msg, b, &seen, &error);
    tell(l, "the HTML", &error);
    if (!b->charset)
        b->charset = "utf-8";
    if (!seen.ink)
        b->source = SOURCE_NONE;
    text_release(&error);
}

static int has(const struct bodies *b, int which)
{
    return b->of[which].source != SOURCE_NONE;
}

/* RTF is looked at only where it says what no other body says. */
static void find_rtf(struct mapi_object *msg, struct losses *l, struct bodies *out)
{
    struct body rtf = {.source = SOURCE_RTF_ITSELF};
    struct text start = {0}, error = {0};
    struct flow_look seen;
    if (has(out, BODY_HTML) || !find(msg, MAPI_P_RTF, "the RTF", l, &rtf.prop) || rtf.prop.type != MAPI_BINARY)
        return;
    struct flow *f = text_flow(msg, &rtf);
    flow_all(f, 4096, &start);
    flow_close(&f);
    rtf.rtf = rtf_kind(start.data ? start.data : "", start.len);
    struct body text = rtf;
    text.source = SOURCE_RTF_TEXT;
    text.charset = "utf-8";
    look(msg, &text, &seen, &error);
    tell(l, "the RTF", &error);
    if (rtf.rtf == RTF_HTML && seen.ink) {
        out->of[BODY_HTML] = text;
    } else if (rtf.rtf != RTF_NONE && rtf.rtf != RTF_HTML) {
        if (!has(out, BODY_PLAIN) && seen.ink)
            out->of[BODY_PLAIN] = text;
        if (rtf.rtf == RTF_PLAIN && seen.ink && !error.len) {
            look(msg, &rtf, &seen, NULL);
            out->of[BODY_RTF] = rtf;
            if (rtf.encoding == ENCODING_7BIT && !seen.line_ends)
                out->of[BODY_RTF].encoding = ENCODING_BASE64;
        }
    } else if (rtf.rtf == RTF_NONE && !error.len && start.len) {
        losses_add(l, "the RTF: it is none");
    }
    text_release(&start);
    text_release(&error);
}

void bodies_find(struct mapi_object *msg, struct losses *l, struct bodies *out)
{
    *out = (struct bodies){0};
    find_plain(msg, l, out);
    find_html(msg, l, out);
    find_rtf(msg, l, out);
}

void bodies_release(struct bodies *b)
{
    free(b->cids);
    *b = (struct bodies){0};
}
