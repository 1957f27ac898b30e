/* Reading: a window over the file moves forward; the message's bytes are handed out from it without a copy.
 *
 * Nothing is handed out that may still turn out not to be content: the empty line before what may become a postmark, and the '>' of
 * what may become a quoted line. These few bytes stay in the window until more was read. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/mbox.h"
#include "cli.h"

#define WINDOW     (1024 * 1024)
#define HEADER_MAX (64 * 1024) /* Content-Length is looked for in so many bytes */
#define LENGTH_OFF 4           /* the postmark may begin so far behind where Content-Length leads: line ends not counted by the writer */
#define LOOK_MAX   (1 + LENGTH_OFF + POSTMARK_LINE_MAX + 2)
#define FIND_BLOCK 4096
#define RUN_MAX    64 /* '>' held back at most */

enum { BEFORE, INSIDE, AT_POSTMARK, AT_END };
enum { CUT_MORE, CUT_POSTMARK, CUT_QUOTE, CUT_END };

struct mbox {
    struct source *src;
    uint8_t *buf;
    size_t pos, end; /* the window: buf[pos..end) is not yet used */
    uint64_t base;   /* offset in the file of buf[0] */
    int eof;
    int dialect, crlf;
    int state;
    int line_start;   /* pos is at the start of a line */
    int in_quote_run; /* pos is behind the start of a line and some '>' */
    int trusted;      /* the next postmark was found by Content-Length: at `target`, nowhere before */
    uint64_t target;
    int first; /* the next postmark is the first of the file */
    struct mbox_counts counts;
    char error[256];
};

struct cut {
    int kind;
    size_t stop; /* content goes up to here */
    size_t next; /* then the window goes on here */
};

const char *const mbox_dialect_names[] = {"auto", "o", "rd", "cl", "cl2", NULL};

/* ---- the window ------------------------------------------------------------------------------------------------------------------- */

static int refill(struct mbox *m)
{
    memmove(m->buf, m->buf + m->pos, m->end - m->pos);
    m->base += m->pos;
    m->end -= m->pos;
    m->pos = 0;
    int64_t got = source_read(m->src, m->buf + m->end, WINDOW - m->end);
    if (got < 0) {
        snprintf(m->error, sizeof m->error, "%s", source_error(m->src));
        return -1;
    }
    m->eof = got == 0;
    m->end += (size_t)got;
    return 0;
}

static int want(struct mbox *m, size_t n)
{
    while (m->end - m->pos < n && !m->eof)
        if (refill(m) != 0)
            return -1;
    return 0;
}

/* Bytes at an offset of the file, from the window or, in a plain file, from beyond it. Number of bytes; -1: out of reach. */
static int64_t look(struct mbox *m, uint64_t offset, uint8_t *out, size_t n)
{
    if (offset >= m->base && (offset + n <= m->base + m->end || m->eof)) {
        uint64_t have = m->base + m->end;
        if (offset >= have)
            return 0;
        if (n > have - offset)
            n = (size_t)(have - offset);
        memcpy(out, m->buf + (offset - m->base), n);
        return (int64_t)n;
    }
    return source_seekable(m->src) ? source_peek(m->src, offset, out, n) : -1;
}

const uint8_t *mbox_find_from(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 5) { /* in blocks: sanitizers look at all that memmem might read, for every hit */
        size_t n = end - p < FIND_BLOCK ? (size_t)(end - p) : FIND_BLOCK;
        const uint8_t *found = memmem(p, n, "From ", 5);
        if (found)
            return found;
        p += n - 4;
    }
    return NULL;
}

static size_t line_length(const uint8_t *p, size_t n) /* without the line end */
{
    const uint8_t *nl = memchr(p, '\n', n);
    size_t len = nl ? (size_t)(nl - p) : n;
    return len && nl && p[len - 1] == '\r' ? len - 1 : len;
}

/* ---- Content-Length ----------------------------------------------------------------------------------------------------------------- */

/* Reads a header that starts at buf[at]: 1 if it has a Content-Length, with the place behind the header. */
static int content_length(const struct mbox *m, size_t at, uint64_t *length, size_t *body)
{
    size_t stop = m->end - at > HEADER_MAX ? at + HEADER_MAX : m->end;
    int found = 0;
    while (at < stop) {
        const uint8_t *line = m->buf + at, *nl = memchr(line, '\n', stop - at);
        if (!nl)
            return 0;
        size_t len = (size_t)(nl - line);
        at += len + 1;
        if (len == 0 || (len == 1 && *line == '\r')) {
            *body = at;
            return found;
        }
        if (len > 15 && strncasecmp((const char *)line, "Content-Length:", 15) == 0) {
            char text[24] = "";
            memcpy(text, line + 15, len - 15 < sizeof text - 1 ? len - 15 : sizeof text - 1);
            char *rest;
            unsigned long long v = strtoull(text, &rest, 10);
            found = rest != text && v < UINT64_C(1) << 48 && !strchr(text, '-');
            *length = v;
        }
    }
    return 0;
}

/* Does a postmark or the end of the file stand where a message's Content-Length leads? Then 1, and where. */
static int leads_to_postmark(struct mbox *m, uint64_t offset, uint64_t *target)
{
    uint8_t w[LOOK_MAX];
    int64_t n = look(m, offset - 1, w, sizeof w);
    for (int64_t i = 1; i <= 1 + LENGTH_OFF && i < n; i++) {
        struct postmark mark;
        if (w[i - 1] == '\n' && postmark_parse((char *)w + i, line_length(w + i, (size_t)(n - i)), &mark) != POSTMARK_NONE) {
            *target = offset - 1 + (uint64_t)i;
            return 1;
        }
    }
    if (n < 1 || n > 1 + LENGTH_OFF)
        return 0;
    for (int64_t i = 1; i < n; i++)
        if (w[i] != '\n' && w[i] != '\r')
            return 0;
    *target = UINT64_MAX; /* the end of the file */
    return 1;
}

/* At the start of a message: finds out whether its Content-Length can be trusted. */
static void use_length(struct mbox *m)
{
    uint64_t length;
    size_t body;
    (void)want(m, HEADER_MAX); /* an error comes again when the bytes are needed */
    if (!content_length(m, m->pos, &length, &body))
        return;
    uint64_t end = m->base + body + length, reach = end - m->base - m->pos + LOOK_MAX;
    if (!source_seekable(m->src) && reach <= WINDOW)
        (void)want(m, (size_t)reach);
    m->trusted = leads_to_postmark(m, end, &m->target);
    m->counts.by_length += (unsigned)m->trusted;
}

/* ---- which dialect -------------------------------------------------------------------------------------------------------------------- */

struct evidence {
    uint64_t messages, lengths; /* of these, with a Content-Length that leads to a postmark */
    int bare, quoted;           /* lines "From " and ">From " inside of the latter */
};

static void look_for_quotes(const struct mbox *m, size_t from, size_t to, struct evidence *e)
{
    const uint8_t *p = m->buf + from, *end = m->buf + to, *f;
    for (const uint8_t *at = p; (f = mbox_find_from(at, end)); at = f + 5) {
        const uint8_t *q = f;
        while (q > p && q[-1] == '>')
            q--;
        if (q > p && q[-1] == '\n')
            *(q < f ? &e->quoted : &e->bare) = 1;
    }
}

/* The next strict postmark in the window from `at` on; m->end if there is none. */
static size_t next_strict(const struct mbox *m, size_t at)
{
    const uint8_t *end = m->buf + m->end, *f;
    struct postmark mark;
    for (const uint8_t *p = m->buf + at; (f = mbox_find_from(p, end)); p = f + 5)
        if (f[-1] == '\n' && postmark_parse((const char *)f, line_length(f, (size_t)(end - f)), &mark) == POSTMARK_STRICT)
            return (size_t)(f - m->buf);
    return m->end;
}

/* Walks over the messages in the first window. */
static void gather(struct mbox *m, size_t at, struct evidence *e)
{
    while (at < m->end) {
        const uint8_t *nl = memchr(m->buf + at, '\n', m->end - at);
        if (!nl)
            return;
        at = (size_t)(nl - m->buf) + 1;
        uint64_t length, target;
        size_t body;
        if (content_length(m, at, &length, &body) && leads_to_postmark(m, m->base + body + length, &target)) {
            size_t stop = target < m->base + m->end ? (size_t)(target - m->base) : m->end;
            look_for_quotes(m, body - 1, stop, e);
            e->messages++;
            e->lengths++;
            at = stop;
        } else {
            at = next_strict(m, at);
            e->messages += at < m->end || m->eof;
        }
    }
}

static int find_dialect(struct mbox *m)
{
    struct evidence e = {0};
    gather(m, m->pos, &e);
    if (e.lengths * 2 <= e.messages)
        return MBOX_RD;
    return e.quoted && !e.bare ? MBOX_CL : MBOX_CL2;
}

/* ---- opening -------------------------------------------------------------------------------------------------------------------------- */

static struct mbox *new_reader(struct source *s, int dialect)
{
    struct mbox *m = cli_malloc(sizeof *m);
    memset(m, 0, sizeof *m);
    m->src = s;
    m->buf = cli_malloc(WINDOW);
    m->dialect = dialect;
    m->first = 1;
    m->state = BEFORE;
    return m;
}

static int skip_empty_lines(struct mbox *m)
{
    for (;;) {
        while (m->pos < m->end && (m->buf[m->pos] == '\n' || m->buf[m->pos] == '\r'))
            m->pos++;
        if (m->pos < m->end || m->eof)
            return 0;
        if (refill(m) != 0)
            return -1;
    }
}

int mbox_open(struct source *s, int dialect, struct mbox **out)
{
    struct mbox *m = *out = new_reader(s, dialect);
    struct postmark mark;
    if (want(m, WINDOW) != 0 && m->end == 0) /* what was read before a read error is used; the error comes again */
        return -1;
    if (m->end >= 3 && memcmp(m->buf, "\xef\xbb\xbf", 3) == 0) /* the mark that some editors put before UTF-8 */
        m->pos = 3;
    if (skip_empty_lines(m) != 0)
        return -1;
    if (m->pos == m->end)
        return 1;
    size_t n = m->end - m->pos;
    size_t line = line_length(m->buf + m->pos, n < POSTMARK_LINE_MAX + 2 ? n : POSTMARK_LINE_MAX + 2);
    if (postmark_parse_first((char *)m->buf + m->pos, line, &mark) == POSTMARK_NONE) {
        snprintf(m->error, sizeof m->error, "not an mbox: no `From ' line at the start");
        return -1;
    }
    m->crlf = mbox_line_is_crlf(m->buf + m->pos, n);
    m->state = AT_POSTMARK;
    if (dialect == MBOX_AUTO)
        m->dialect = find_dialect(m);
    return 0;
}

int mbox_open_at(struct source *s, int dialect, const struct mbox_item *item, struct mbox **out)
{
    struct mbox *m = *out = new_reader(s, dialect);
    m->base = item->offset;
    m->state = AT_POSTMARK;
    if (source_seek(s, item->offset) == 0)
        return 0;
    snprintf(m->error, sizeof m->error, "cannot be read from the middle");
    return -1;
}

void mbox_close(struct mbox **m)
{
    if (!*m)
        return;
    free((*m)->buf);
    free(*m);
    *m = NULL;
}

/* ---- cutting ---------------------------------------------------------------------------------------------------------------------------- */

/* Where the empty line begins that ends at x; x if there is none. */
static size_t empty_line(const struct mbox *m, size_t x)
{
    if (x == m->pos || m->buf[x - 1] != '\n')
        return x;
    size_t y = x - 1;
    if (y > m->pos && m->buf[y - 1] == '\r')
        y--;
    int starts = y > m->pos ? m->buf[y - 1] == '\n' : m->line_start;
    return starts ? y : x;
}

static int unquotes(const struct mbox *m)
{
    return m->dialect == MBOX_RD || m->dialect == MBOX_CL;
}

/* Is the line "From " at f a postmark? -1: more bytes are needed to say. */
static int is_postmark(struct mbox *m, size_t f)
{
    uint64_t offset = m->base + f;
    struct postmark mark;
    if (m->trusted && offset <= m->target)
        return offset == m->target;
    size_t n = m->end - f < POSTMARK_LINE_MAX + 2 ? m->end - f : POSTMARK_LINE_MAX + 2;
    if (n < POSTMARK_LINE_MAX + 2 && !m->eof && !memchr(m->buf + f, '\n', n))
        return -1;
    int kind = postmark_parse((char *)m->buf + f, line_length(m->buf + f, n), &mark);
    return kind == POSTMARK_STRICT || (kind == POSTMARK_LOOSE && empty_line(m, f) < f);
}

/* The last line in the window is incomplete: may it become a postmark, a quoted line or an empty line? */
static int may_become(const struct mbox *m, const uint8_t *p, size_t n, size_t *run)
{
    *run = 0;
    if (n == 1 && *p == '\r')
        return 1;
    while (*run < n && p[*run] == '>')
        ++*run;
    if (*run && !unquotes(m))
        return 0;
    return n - *run < 5 && memcmp(p + *run, "From ", n - *run) == 0;
}

/* No more "From " in the window: how far is it content for sure? */
static struct cut cut_tail(const struct mbox *m)
{
    size_t end = m->end, run;
    if (m->eof)
        return (struct cut){CUT_END, empty_line(m, end), end};
    const uint8_t *nl = memrchr(m->buf + m->pos, '\n', end - m->pos);
    if (!nl && !m->line_start && !m->in_quote_run)
        return (struct cut){CUT_MORE, end, end};
    size_t line = nl ? (size_t)(nl - m->buf) + 1 : m->pos;
    if (!may_become(m, m->buf + line, end - line, &run))
        return (struct cut){CUT_MORE, end, end};
    if (run > RUN_MAX) /* a long run is let go but for its last one: the first to be dropped could be any */
        return (struct cut){CUT_QUOTE, line + run - 1, line + run - 1};
    size_t stop = empty_line(m, line);
    return (struct cut){CUT_MORE, stop, stop};
}

static struct cut find_cut(struct mbox *m)
{
    const uint8_t *b = m->buf, *found;
    for (size_t at = m->pos; (found = mbox_find_from(b + at, b + m->end));) {
        size_t f = (size_t)(found - b), q = f;
        while (q > m->pos && b[q - 1] == '>')
            q--;
        at = f + 5;
        if (!(q > m->pos ? b[q - 1] == '\n' : m->line_start || (m->in_quote_run && q < f)))
            continue;
        if (q < f) {
            if (!unquotes(m))
                continue;
            m->counts.quoted++;
            return (struct cut){CUT_QUOTE, f - 1, f};
        }
        int is = is_postmark(m, f);
        if (is > 0)
            return (struct cut){CUT_POSTMARK, empty_line(m, f), f};
        if (is < 0)
            return (struct cut){CUT_MORE, empty_line(m, f), empty_line(m, f)};
        m->counts.bare++;
    }
    return cut_tail(m);
}

/* ---- messages ------------------------------------------------------------------------------------------------------------------------------ */

int mbox_read(struct mbox *m, const uint8_t **p, size_t *n)
{
    while (m->state == INSIDE) {
        struct cut c = find_cut(m);
        size_t from = m->pos;
        if (c.kind == CUT_POSTMARK) {
            m->state = AT_POSTMARK;
            m->counts.glued += c.stop == c.next;
        } else if (c.kind == CUT_END) {
            m->state = AT_END;
        }
        if (c.stop > from || c.kind == CUT_QUOTE) {
            m->line_start = c.kind != CUT_QUOTE && m->buf[c.stop - 1] == '\n';
            m->in_quote_run = c.kind == CUT_QUOTE && c.stop == c.next;
        }
        m->pos = c.next;
        if (c.stop > from) {
            *p = m->buf + from;
            *n = c.stop - from;
            return 0;
        }
        if (c.kind == CUT_MORE && refill(m) != 0)
            return -1;
    }
    return 1;
}

static int take_postmark(struct mbox *m, struct mbox_item *out)
{
    struct postmark mark = {0};
    if (want(m, POSTMARK_LINE_MAX + 2) != 0 && m->pos == m->end)
        return -1;
    size_t n = m->end - m->pos < POSTMARK_LINE_MAX + 2 ? m->end - m->pos : POSTMARK_LINE_MAX + 2;
    char *line = (char *)m->buf + m->pos;
    size_t len = line_length(m->buf + m->pos, n);
    int kind = m->first ? postmark_parse_first(line, len, &mark) : postmark_parse(line, len, &mark);
    const uint8_t *nl = memchr(line, '\n', n);
    *out = (struct mbox_item){.offset = m->base + m->pos, .number = ++m->counts.messages, .has_date = mark.has_date,
                              .has_zone = mark.has_zone, .date = mark.date, .zone = mark.zone};
    m->counts.loose += kind == POSTMARK_LOOSE;
    m->pos += nl ? (size_t)(nl - m->buf) + 1 - m->pos : n;
    out->body_offset = m->base + m->pos;
    m->first = 0;
    return 0;
}

int mbox_next(struct mbox *m, struct mbox_item *out)
{
    const uint8_t *p;
    size_t n;
    int rc = 0;
    while (m->state == INSIDE && (rc = mbox_read(m, &p, &n)) == 0)
        ;
    if (rc < 0)
        return -1;
    if (m->state != AT_POSTMARK)
        return 1;
    if (take_postmark(m, out) != 0)
        return -1;
    m->state = INSIDE;
    m->line_start = 1;
    m->in_quote_run = m->trusted = 0;
    if (m->dialect == MBOX_CL || m->dialect == MBOX_CL2)
        use_length(m);
    return 0;
}

int mbox_dialect(const struct mbox *m)
{
    return m->dialect;
}

int mbox_is_crlf(const struct mbox *m)
{
    return m->crlf;
}

const char *mbox_error(const struct mbox *m)
{
    return m->error;
}

uint64_t mbox_offset(const struct mbox *m)
{
    return m->base + m->pos;
}

const struct mbox_counts *mbox_counts(const struct mbox *m)
{
    return &m->counts;
}
