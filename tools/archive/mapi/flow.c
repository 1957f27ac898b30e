#include "archive/mapi/flow.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/mapi/codepage.h"
#include "cli.h"

void *flow_new(size_t size, struct flow *before, int (*step)(struct flow *), void (*release)(struct flow *))
{
    struct flow *f = cli_malloc(size);
    memset(f, 0, size);
    f->step = step;
    f->release = release;
    f->before = before;
    return f;
}

void flow_close(struct flow **f)
{
    while (*f) {
        struct flow *gone = *f;
        *f = gone->before;
        if (gone->release)
            gone->release(gone);
        text_release(&gone->out);
        free(gone);
    }
}

void flow_fail(struct flow *f, const char *fmt, ...)
{
    va_list args;
    if (f->error[0])
        return;
    va_start(args, fmt);
    vsnprintf(f->error, sizeof f->error, fmt, args);
    va_end(args);
}

const char *flow_error(const struct flow *f)
{
    const char *error = NULL;
    for (; f; f = f->before) {
        if (f->error[0])
            error = f->error;
    }
    return error;
}

static size_t fill(struct flow *f)
{
    if (f->taken == f->out.len) {
        text_clear(&f->out);
        f->taken = 0;
        while (f->out.len == 0 && !f->ended)
            f->ended = !f->step(f);
    }
    return f->out.len - f->taken;
}

size_t flow_next(struct flow *f, const uint8_t **p)
{
    size_t n = fill(f);
    *p = n ? (const uint8_t *)f->out.data + f->taken : NULL;
    f->taken = f->out.len;
    return n;
}

size_t flow_read(struct flow *f, void *buf, size_t n)
{
    size_t have = fill(f);
    n = n < have ? n : have;
    if (n)
        memcpy(buf, f->out.data + f->taken, n);
    f->taken += n;
    return n;
}

int flow_all(struct flow *f, size_t max, struct text *out)
{
    const uint8_t *p;
    for (size_t n, all = 0; (n = flow_next(f, &p)) != 0; all += n) {
        if (n > max - all) {
            text_add(out, p, max - all);
            return 1;
        }
        text_add(out, p, n);
    }
    return 0;
}

/* ---- values ----------------------------------------------------------------------------------------------------------------------- */

struct value {
    struct flow f;
    struct mapi_object *object;
    struct mapi_prop prop;
    uint64_t at;
    int cut;
};

static size_t before_nul(const char *p, size_t n, size_t width)
{
    for (size_t i = 0; i + width <= n; i += width) {
        if (p[i] == 0 && (width == 1 || p[i + 1] == 0))
            return i;
    }
    return n;
}

static int value_step(struct flow *f)
{
    struct value *v = (struct value *)f;
    char buf[16384];
    if (v->at >= v->prop.size)
        return 0;
    size_t n = v->prop.size - v->at < sizeof buf ? (size_t)(v->prop.size - v->at) : sizeof buf;
    int64_t got = v->object->ops->read(v->object, &v->prop, v->at, buf, n);
    if (got <= 0) {
        flow_fail(f, "%s at byte %llu", v->object->ops->error(v->object), (unsigned long long)v->at);
        return 0;
    }
    v->at += (uint64_t)got;
    size_t use = v->cut ? before_nul(buf, (size_t)got, v->prop.type == MAPI_STRING ? 2 : 1) : (size_t)got;
    text_add(&f->out, buf, use);
    return use == (size_t)got;
}

struct flow *flow_value(struct mapi_object *o, const struct mapi_prop *p, int cut_nul)
{
    struct value *v = flow_new(sizeof *v, NULL, value_step, NULL);
    v->object = o;
    v->prop = *p;
    v->cut = cut_nul;
    return &v->f;
}

struct flow *flow_value_from(struct mapi_object *o, const struct mapi_prop *p, uint64_t offset)
{
    struct flow *f = flow_value(o, p, 0);
    ((struct value *)f)->at = offset;
    return f;
}

static int nothing(struct flow *f)
{
    (void)f;
    return 0;
}

struct flow *flow_bytes(const void *p, size_t n)
{
    struct flow *f = flow_new(sizeof *f, NULL, nothing, NULL);
    text_add(&f->out, p, n);
    return f;
}

/* ---- characters and lines ----------------------------------------------------------------------------------------------------------- */

struct utf8 {
    struct flow f;
    struct decoder *decoder;
};

static int utf8_step(struct flow *f)
{
    struct utf8 *u = (struct utf8 *)f;
    const uint8_t *p;
    size_t n = flow_next(f->before, &p);
    if (n)
        decoder_add(u->decoder, p, n, &f->out);
    else
        decoder_end(u->decoder, &f->out);
    return n != 0;
}

static void utf8_release(struct flow *f)
{
    decoder_free(&((struct utf8 *)f)->decoder);
}

struct flow *flow_utf8(struct flow *before, uint32_t codepage)
{
    struct utf8 *u = flow_new(sizeof *u, before, utf8_step, utf8_release);
    u->decoder = decoder_new(codepage);
    return &u->f;
}

struct lines {
    struct flow f;
    int cr;   /* the byte before was CR: its line end is written */
    int open; /* the last line has no end yet */
};

static int lines_step(struct flow *f)
{
    struct lines *l = (struct lines *)f;
    const uint8_t *p;
    size_t n = flow_next(f->before, &p);
    if (n == 0) {
        if (l->open)
            text_add(&f->out, "\r\n", 2);
        return 0;
    }
    for (size_t i = 0; i < n;) {
        if (p[i] == '\r' || p[i] == '\n') {
            if (p[i] == '\r' || !l->cr)
                text_add(&f->out, "\r\n", 2);
            l->cr = p[i++] == '\r';
            l->open = 0;
            continue;
        }
        size_t k = i;
        while (k < n && p[k] != '\r' && p[k] != '\n')
            k++;
        text_add(&f->out, p + i, k - i);
        l->cr = 0;
        l->open = 1;
        i = k;
    }
    return 1;
}

struct flow *flow_lines(struct flow *before)
{
    return flow_new(sizeof(struct lines), before, lines_step, NULL);
}

struct trim {
    struct flow f;
    uint64_t nuls; /* came and wait for something behind them */
};

static int trim_step(struct flow *f)
{
    static const char zeros[4096];
    struct trim *t = (struct trim *)f;
    const uint8_t *p;
    size_t n = flow_next(f->before, &p), end = n;
    while (end && p[end - 1] == 0)
        end--;
    if (end && t->nuls) { /* they first, a piece at a time; what came is taken again */
        size_t some = t->nuls < sizeof zeros ? (size_t)t->nuls : sizeof zeros;
        text_add(&f->out, zeros, some);
        t->nuls -= some;
        f->before->taken -= n;
        return 1;
    }
    text_add(&f->out, p, end);
    t->nuls += n - end;
    return n != 0;
}

struct flow *flow_trim(struct flow *before)
{
    return flow_new(sizeof(struct trim), before, trim_step, NULL);
}

/* ---- encodings ---------------------------------------------------------------------------------------------------------------------- */

struct base64 {
    struct flow f;
    uint8_t line[57]; /* of input: 76 letters */
    size_t len;
};

static void base64_line(struct base64 *b)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char out[80];
    size_t o = 0;
    for (size_t i = 0; i < b->len; i += 3) {
        size_t n = b->len - i;
        uint32_t v = (uint32_t)b->line[i] << 16 | (uint32_t)(n > 1 ? b->line[i + 1] : 0) << 8 | (n > 2 ? b->line[i + 2] : 0);
        out[o++] = letters[v >> 18];
        out[o++] = letters[v >> 12 & 63];
        out[o++] = n > 1 ? letters[v >> 6 & 63] : '=';
        out[o++] = n > 2 ? letters[v & 63] : '=';
    }
    out[o++] = '\r';
    out[o++] = '\n';
    text_add(&b->f.out, out, o);
    b->len = 0;
}

static int base64_step(struct flow *f)
{
    struct base64 *b = (struct base64 *)f;
    const uint8_t *p;
    size_t n = flow_next(f->before, &p);
    if (n == 0) {
        if (b->len)
            base64_line(b);
        return 0;
    }
    for (size_t i = 0; i < n;) {
        size_t take = sizeof b->line - b->len < n - i ? sizeof b->line - b->len : n - i;
        memcpy(b->line + b->len, p + i, take);
        b->len += take;
        i += take;
        if (b->len == sizeof b->line)
            base64_line(b);
    }
    return 1;
}

struct flow *flow_base64(struct flow *before)
{
    return flow_new(sizeof(struct base64), before, base64_step, NULL);
}

struct quoted {
    struct flow f;
    size_t column;
    int blank; /* a space or tab waits: a line must not end with it */
    int cr;    /* a CR waits for its LF */
};

static void quoted_byte(struct quoted *q, int c, int escape)
{
    char b[4];
    size_t n = escape ? 3 : 1;
    if (q->column + n > 75) {
        text_add(&q->f.out, "=\r\n", 3);
        q->column = 0;
    }
    if (escape)
        snprintf(b, sizeof b, "=%02X", (unsigned)c);
    else
        b[0] = (char)c;
    text_add(&q->f.out, b, n);
    q->column += n;
}

static void quoted_flush(struct quoted *q, int line_end)
{
    if (q->blank)
        quoted_byte(q, q->blank, line_end);
    q->blank = 0;
}

static void quoted_one(struct quoted *q, int c)
{
    if (q->cr) {
        q->cr = 0;
        quoted_flush(q, c == '\n');
        if (c == '\n') {
            text_add(&q->f.out, "\r\n", 2);
            q->column = 0;
            return;
        }
        quoted_byte(q, '\r', 1);
    }
    if (c == '\r') {
        q->cr = 1;
        return;
    }
    quoted_flush(q, 0);
    if (c == ' ' || c == '\t')
        q->blank = c;
    else
        quoted_byte(q, c, c < 0x20 || c > 0x7e || c == '=');
}

static int quoted_step(struct flow *f)
{
    struct quoted *q = (struct quoted *)f;
    const uint8_t *p;
    size_t n = flow_next(f->before, &p);
    for (size_t i = 0; i < n; i++)
        quoted_one(q, p[i]);
    if (n == 0) {
        quoted_flush(q, 1);
        if (q->cr)
            quoted_byte(q, '\r', 1);
        if (q->column)
            text_add(&f->out, "=\r\n", 3); /* a soft one: the text has no line end there */
    }
    return n != 0;
}

struct flow *flow_quoted(struct flow *before)
{
    return flow_new(sizeof(struct quoted), before, quoted_step, NULL);
}

/* One byte; same: so many bytes of the mark are at the start of this line, or its size: other text. */
static void look_at(struct flow_look *l, uint8_t c, uint64_t *line, size_t *same, uint8_t *last)
{
    static const char mark[] = FLOW_BOUNDARY_LINE;
    l->nuls += c == 0;
    l->high += c > 0x7e || (c < 0x20 && c != '\r' && c != '\n' && c != '\t');
    l->ink += c > 0x20;
    l->line_ends = l->line_ends && (c == '\n') == (*last == '\r');
    *last = c;
    if (c == '\n') {
        *line = *same = 0;
        return;
    }
    l->longest = ++*line > l->longest ? *line : l->longest;
    *same = *same < sizeof mark - 1 && c == (uint8_t)mark[*same] ? *same + 1 : sizeof mark;
    l->marks |= *same == sizeof mark - 1;
}

void flow_look(struct flow *f, struct flow_look *out)
{
    const uint8_t *p;
    uint32_t state = 0;
    uint64_t line = 0;
    size_t same = 0;
    uint8_t last = 0;
    *out = (struct flow_look){.utf8 = 1, .line_ends = 1};
    for (size_t n; (n = flow_next(f, &p)) != 0;) {
        out->bytes += n;
        out->utf8 = out->utf8 && utf8_valid(p, n, &state);
        for (size_t i = 0; i < n; i++)
            look_at(out, p[i], &line, &same, &last);
    }
    out->utf8 = out->utf8 && state == 0;
    out->line_ends = out->line_ends && last != '\r';
}
