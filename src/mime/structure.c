/* The scanner: lines go by once, each looked at as little as possible.
 *
 *  S1  What comes out does not depend on how the bytes were cut into calls. A line whose beginning may matter is held until HOLD bytes of it
 *      or its end are there; of a longer line only these first bytes matter, and it is no boundary line.
 *  S2  A line of a body costs one memchr; only one that begins with "--" is compared with the open boundaries, by hash.
 *  S3  A part ends where the line break before its enclosing boundary begins. Whatever is in a part is cut to that part, so that
 *      parts nest even if an empty line or a closing line is shared with a boundary. */
#include "mime/structure.h"

#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "format/format.h"
#include "mime/ascii.h"
#include "mime/content.h"

#define HOLD  1000         /* a field name must be found in so many bytes of a line, and a boundary line be shorter */
#define BLOCK (32u << 10)  /* bytes looked at twice while they are in the first cache */
#define LONG_LINE 998      /* RFC 5322 2.1.1 */

/* An open part. Frame 0 is the message, the last one the part that the next byte belongs to. */
struct frame {
    uint32_t part;
    uint8_t header_done, digest, listens; /* listens: boundary lines of this multipart are looked for */
    uint64_t body_lf; /* line ends before its body */
    uint64_t hash;    /* of the boundary */
    uint64_t mask;    /* a bit for each boundary open here or further out */
    size_t boundary_len;
    uint8_t boundary[CUBBY__BOUNDARY_MAX];
};

enum capture { CAPTURE_NO, CAPTURE_FIELD, CAPTURE_TYPE, CAPTURE_ENCODING };

struct scanner_line {
    uint64_t start; /* of the line at hand */
    uint8_t inside; /* its beginning has been dealt with */
    uint8_t before; /* last byte before those at hand */
    uint8_t prev_eol; /* bytes of the line end before it: 0, 1, 2 */
    size_t held;
    uint8_t hold[HOLD];
};

struct cubby__scanner {
    uint64_t pos; /* bytes taken so far */
    uint64_t lf, crlf, cr;
    uint64_t header_len;
    uint8_t header_done, traits, in_header, stopped, failed;
    uint8_t capture, has_type, has_encoding, field_too_long;
    struct scanner_line line;
    struct cubby__content_type type; /* of the header at hand */
    struct cubby__buf field, fields;
    cubby_part *parts;
    size_t count, cap;
    uint16_t depth;
    struct frame frames[CUBBY__MIME_DEPTH_MAX + 1];
};

/* ---- parts -------------------------------------------------------------------------------------------------------------------- */

static cubby_part *grow_parts(struct cubby__scanner *s)
{
    cubby_part *parts = cubby__grow(s->parts, s->count, &s->cap, sizeof *parts);
    if (!parts) {
        s->failed = 1;
        return NULL;
    }
    s->parts = parts;
    return &s->parts[s->count++];
}

/* A new part whose header begins at `offset`, inside the last frame (if there is one). The caller has looked at the limits. */
static void open_part(struct cubby__scanner *s, uint64_t offset)
{
    cubby_part *p = grow_parts(s);
    if (!p)
        return;
    uint32_t part = (uint32_t)(s->count - 1);
    uint64_t mask = 0;
    memset(p, 0, sizeof *p);
    if (part) {
        p->parent = s->frames[s->depth].part;
        p->depth = ++s->depth;
        mask = s->frames[s->depth - 1].mask;
    }
    p->header_offset = offset;
    struct frame *f = &s->frames[s->depth];
    f->part = part;
    f->header_done = f->digest = f->listens = 0;
    f->mask = mask;
    s->in_header = 1;
    s->capture = CAPTURE_NO;
    s->has_type = s->has_encoding = 0;
    s->type.kind = CUBBY_PART_LEAF;
}

/* Ends the parts of the frames from `first` on at `end`, with `lf` line ends before that (S3). */
static void close_frames(struct cubby__scanner *s, unsigned first, uint64_t end, uint64_t lf)
{
    for (unsigned i = first; i <= s->depth; i++) {
        struct frame *f = &s->frames[i];
        cubby_part *p = &s->parts[f->part];
        uint64_t least = f->header_done ? p->body_offset : p->header_offset;
        if (i == first && end < least)
            end = least;
        if (p->header_offset > end)
            p->header_offset = end;
        if (!f->header_done || p->body_offset > end)
            p->body_offset = end;
        p->header_len = p->body_offset - p->header_offset;
        p->body_len = end - p->body_offset;
        p->body_lines = p->body_len ? lf - f->body_lf : 0;
    }
    s->in_header = 0;
}

/* The bounds are met: from here on nothing but the part at hand. */
static void stop(struct cubby__scanner *s)
{
    s->stopped = 1;
    s->type.kind = CUBBY_PART_LEAF;
}

/* ---- header ------------------------------------------------------------------------------------------------------------------- */

/* What is to be kept of a field, by the beginning of its first line; *value is the offset behind the colon. */
static enum capture classify(const uint8_t *p, size_t n, int first_part)
{
    if (n < 9 || ascii_fold(p[0]) != 'c' || p[7] != '-' || !ascii_equal(p, "content-", 8))
        return CAPTURE_NO;
    size_t len = 8, at;
    while (len < n && p[len] > 32 && p[len] < 127 && p[len] != ':')
        len++;
    for (at = len; at < n && ascii_blank(p[at]);)
        at++;
    if (at == n || p[at] != ':')
        return CAPTURE_NO;
    if (len == 12 && ascii_equal(p + 8, "type", 4))
        return CAPTURE_TYPE;
    if (len == 25 && ascii_equal(p + 8, "transfer-encoding", 17))
        return CAPTURE_ENCODING;
    return first_part ? CAPTURE_NO : CAPTURE_FIELD;
}

static void add_to_field(struct cubby__scanner *s, const uint8_t *p, size_t n)
{
    if (s->field.len + n > CUBBY__MIME_FIELDS_MAX)
        s->field_too_long = 1;
    else
        cubby__buf_add(&s->field, p, n);
    s->failed |= (uint8_t)s->field.failed;
}

/* Keeps the raw field with its part; without room for it the part keeps none, and is the last one. */
static void keep_field(struct cubby__scanner *s, cubby_part *p)
{
    if (s->field_too_long || s->fields.len + s->field.len > CUBBY__MIME_FIELDS_MAX) {
        s->fields.len -= p->fields_len;
        p->fields_len = 0;
        stop(s);
        return;
    }
    cubby__buf_add(&s->fields, s->field.data, s->field.len);
    p->fields_len += s->field.len;
    s->failed |= (uint8_t)s->fields.failed;
}

static void end_field(struct cubby__scanner *s)
{
    enum capture what = s->capture;
    s->capture = CAPTURE_NO;
    if (what == CAPTURE_NO || s->failed)
        return;
    cubby_part *p = &s->parts[s->frames[s->depth].part];
    const uint8_t *colon = memchr(s->field.data, ':', s->field.len);
    size_t len = colon ? (size_t)(s->field.data + s->field.len - colon) - 1 : 0;
    if (what == CAPTURE_TYPE && !s->has_type) {
        s->has_type = 1;
        if (!s->stopped && colon && !s->field_too_long)
            cubby__content_type_parse(colon + 1, len, &s->type);
    }
    if (what == CAPTURE_ENCODING && !s->has_encoding) {
        s->has_encoding = 1;
        p->encoding = colon && !s->field_too_long ? cubby__content_encoding_parse(colon + 1, len) : CUBBY_CTE_OTHER;
    }
    if (p != s->parts && !s->stopped)
        keep_field(s, p);
}

static uint64_t mask_bit(uint64_t hash)
{
    return 1ull << (hash & 63);
}

static void listen_for(struct frame *f, const struct cubby__content_type *type)
{
    f->listens = 1;
    f->digest = type->digest;
    f->boundary_len = type->boundary_len;
    memcpy(f->boundary, type->boundary, type->boundary_len);
    f->hash = cubby__hash64(f->boundary, f->boundary_len, 0);
    f->mask |= mask_bit(f->hash);
}

/* Behind the empty line: what the part is, and its first child if it is a message. */
static void end_header(struct cubby__scanner *s, uint64_t body)
{
    struct frame *f = &s->frames[s->depth];
    cubby_part *p = &s->parts[f->part];
    f->header_done = 1;
    f->body_lf = s->lf + 1;
    p->body_offset = body;
    s->in_header = 0;
    if (f->part == 0) {
        s->header_len = body;
        s->header_done = 1;
    }
    if (!s->has_type && s->depth && s->frames[s->depth - 1].digest)
        s->type.kind = CUBBY_PART_MESSAGE;
    if (s->stopped || s->depth == CUBBY__MIME_DEPTH_MAX)
        return;
    if (s->type.kind == CUBBY_PART_MULTIPART) {
        p->kind = CUBBY_PART_MULTIPART;
        listen_for(f, &s->type);
    } else if (s->type.kind == CUBBY_PART_MESSAGE && p->encoding <= CUBBY_CTE_BINARY && s->count < CUBBY__MIME_PARTS_MAX) {
        p->kind = CUBBY_PART_MESSAGE;
        open_part(s, body);
    }
}

/* A line of a header, or the first bytes of a long one. */
static void header_line(struct cubby__scanner *s, const uint8_t *p, size_t n)
{
    if (p[0] == '\n' || (p[0] == '\r' && n > 1 && p[1] == '\n')) {
        end_field(s);
        end_header(s, s->line.start + n);
    } else if (!ascii_blank(p[0])) {
        end_field(s);
        s->capture = (uint8_t)classify(p, n < HOLD ? n : HOLD, s->depth == 0);
        s->field_too_long = 0;
        cubby__buf_clear(&s->field);
    }
    if (s->capture)
        add_to_field(s, p, n);
}

/* ---- boundaries --------------------------------------------------------------------------------------------------------------- */

static int is_boundary(const struct frame *f, uint64_t hash, const uint8_t *p, size_t n)
{
    return f->listens && f->hash == hash && f->boundary_len == n && !memcmp(f->boundary, p, n);
}

/* The innermost frame whose boundary is p (behind the "--", without trailing white space), or -1. */
static int find_boundary(const struct cubby__scanner *s, const uint8_t *p, size_t n, int *closes)
{
    int may_close = n > 2 && p[n - 1] == '-' && p[n - 2] == '-';
    uint64_t hash = cubby__hash64(p, n, 0), inner = may_close ? cubby__hash64(p, n - 2, 0) : hash;
    if (!(s->frames[s->depth].mask & (mask_bit(hash) | mask_bit(inner))))
        return -1;
    for (int i = s->depth; i >= 0; i--) {
        const struct frame *f = &s->frames[i];
        *closes = may_close && is_boundary(f, inner, p, n - 2);
        if (*closes || is_boundary(f, hash, p, n))
            return i;
    }
    return -1;
}

/* A whole line that begins with "--", perhaps without a line end because the message ends. 1 if it was a boundary. */
static int boundary_line(struct cubby__scanner *s, const uint8_t *p, size_t n)
{
    size_t len = n;
    int closes;
    if (s->stopped || n >= HOLD)
        return 0;
    while (len > 2 && ascii_space(p[len - 1]))
        len--;
    int at = len > 2 ? find_boundary(s, p + 2, len - 2, &closes) : -1;
    if (at < 0)
        return 0;
    if (!closes && s->count == CUBBY__MIME_PARTS_MAX) {
        stop(s);
        return 0;
    }
    if (s->in_header)
        end_field(s);
    if (at < s->depth)
        close_frames(s, (unsigned)at + 1, s->line.start - s->line.prev_eol, s->lf - (s->line.prev_eol > 0));
    s->depth = (uint16_t)at;
    s->in_header = 0;
    struct frame *f = &s->frames[at];
    if (closes) {
        f->listens = 0;
        f->mask = at ? s->frames[at - 1].mask : 0;
    } else {
        open_part(s, s->line.start + n);
    }
    return 1;
}

static inline int may_be_boundary(const uint8_t *p, size_t n)
{
    return n > 2 && p[0] == '-' && p[1] == '-';
}

/* A line, its end included, or the first HOLD bytes and more of a long one. */
static void take_line(struct cubby__scanner *s, const uint8_t *p, size_t n)
{
    if (may_be_boundary(p, n) && s->frames[s->depth].mask && boundary_line(s, p, n))
        return;
    if (s->in_header)
        header_line(s, p, n);
}

/* ---- bytes -------------------------------------------------------------------------------------------------------------------- */

/* The line ends with the LF at s->pos - 1; `cr`: the byte before it is a CR. */
static inline void end_line(struct cubby__scanner *s, int cr)
{
    s->lf++;
    s->crlf += (unsigned)cr;
    s->line.prev_eol = (uint8_t)(1 + cr);
    if (s->pos - s->line.start > LONG_LINE + 1 + (unsigned)cr)
        s->traits |= CUBBY_HAS_LONG_LINE;
    s->line.start = s->pos;
    s->line.inside = 0;
}

/* More of a line whose beginning has been dealt with. */
static const uint8_t *rest_of_line(struct cubby__scanner *s, const uint8_t *p, const uint8_t *end)
{
    const uint8_t *lf = memchr(p, '\n', (size_t)(end - p)), *stop = lf ? lf + 1 : end;
    if (s->capture && s->in_header)
        add_to_field(s, p, (size_t)(stop - p));
    s->pos += (size_t)(stop - p);
    if (lf)
        end_line(s, (lf > p ? lf[-1] : s->line.before) == '\r');
    return stop;
}

static void take_held(struct cubby__scanner *s, int complete)
{
    struct scanner_line *l = &s->line;
    size_t n = l->held;
    l->held = 0;
    take_line(s, l->hold, n);
    l->inside = 1;
    l->before = l->hold[n - 1];
    if (complete)
        end_line(s, n > 1 && l->hold[n - 2] == '\r');
}

/* More of a line that is held. */
static const uint8_t *hold_more(struct cubby__scanner *s, const uint8_t *p, const uint8_t *end)
{
    size_t n = (size_t)(end - p), room = HOLD - s->line.held;
    if (n > room)
        n = room;
    const uint8_t *lf = memchr(p, '\n', n);
    if (lf)
        n = (size_t)(lf - p) + 1;
    memcpy(s->line.hold + s->line.held, p, n);
    s->line.held += n;
    s->pos += n;
    if (lf || s->line.held == HOLD)
        take_held(s, lf != NULL);
    return p + n;
}

/* A line of which the block has only the beginning. */
static const uint8_t *part_line(struct cubby__scanner *s, const uint8_t *p, const uint8_t *end)
{
    size_t n = (size_t)(end - p);
    int matters = s->in_header || (p[0] == '-' && (n == 1 || p[1] == '-'));
    if (matters && n < HOLD)
        return hold_more(s, p, end);
    take_line(s, p, n);
    s->line.inside = 1;
    s->pos += n;
    return end;
}

/* Whole lines of a body; returns where it stopped: at a header, at a line that is not whole, or at the end. */
static const uint8_t *body_lines(struct cubby__scanner *s, const uint8_t *p, const uint8_t *end)
{
    int listening = s->frames[s->depth].mask != 0;
    while (p < end) {
        const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf)
            return part_line(s, p, end);
        size_t n = (size_t)(lf - p) + 1;
        int found = listening && may_be_boundary(p, n) && boundary_line(s, p, n);
        s->pos += n;
        end_line(s, n > 1 && lf[-1] == '\r');
        p += n;
        if (found)
            break;
    }
    return p;
}

static const uint8_t *header_lines(struct cubby__scanner *s, const uint8_t *p, const uint8_t *end)
{
    while (p < end && s->in_header) {
        const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
        if (!lf)
            return part_line(s, p, end);
        size_t n = (size_t)(lf - p) + 1;
        take_line(s, p, n);
        s->pos += n;
        end_line(s, n > 1 && lf[-1] == '\r');
        p += n;
    }
    return p;
}

typedef uint8_t vec __attribute__((vector_size(16)));

struct seen {
    uint64_t cr;
    uint8_t nul, high;
};

/* Looks for CR, NUL and 8-bit bytes, sixteen at a time; the lanes that count CRs are emptied before they can overflow. */
static void look(const uint8_t *p, size_t n, struct seen *out)
{
    vec any = {0}, nul = {0};
    while (n >= sizeof(vec)) {
        size_t steps = n / sizeof(vec) < 255 ? n / sizeof(vec) : 255;
        vec cr = {0};
        for (size_t i = 0; i < steps; i++, p += sizeof(vec)) {
            vec v;
            memcpy(&v, p, sizeof v);
            any |= v;
            nul |= (vec)(v == 0);
            cr -= (vec)(v == '\r');
        }
        for (size_t i = 0; i < sizeof(vec); i++)
            out->cr += cr[i];
        n -= steps * sizeof(vec);
    }
    for (size_t i = 0; i < sizeof(vec); i++) {
        out->high |= any[i] & 0x80;
        out->nul |= nul[i];
    }
    for (; n; n--, p++) {
        out->cr += *p == '\r';
        out->nul |= *p == 0;
        out->high |= *p & 0x80;
    }
}

static void take_block(struct cubby__scanner *s, const uint8_t *p, size_t n)
{
    const uint8_t *at = p, *end = p + n;
    uint64_t start = s->pos;
    int was_header = !s->header_done;
    while (at < end && !s->failed) {
        if (s->line.held)
            at = hold_more(s, at, end);
        else if (s->line.inside)
            at = rest_of_line(s, at, end);
        else
            at = s->in_header ? header_lines(s, at, end) : body_lines(s, at, end);
    }
    s->line.before = p[n - 1];
    size_t head = !was_header ? 0 : s->header_done ? (size_t)(s->header_len - start) : n;
    struct seen in_header = {0, 0, 0}, in_body = {0, 0, 0};
    look(p, head, &in_header);
    look(p + head, n - head, &in_body);
    s->cr += in_header.cr + in_body.cr;
    s->traits |= (in_header.nul | in_body.nul ? CUBBY_HAS_NUL : 0) | (in_header.high ? CUBBY_HAS_8BIT_HEADER : 0) |
                 (in_body.high ? CUBBY_HAS_8BIT_BODY : 0);
}

/* ---- interface ---------------------------------------------------------------------------------------------------------------- */

struct cubby__scanner *cubby__scanner_new(void)
{
    struct cubby__scanner *s = cubby__malloc(sizeof *s);
    if (!s)
        return NULL;
    s->field = s->fields = CUBBY__BUF_INIT;
    s->parts = NULL;
    s->cap = 0;
    cubby__scanner_reset(s);
    if (s->failed)
        cubby__scanner_free(&s);
    return s;
}

void cubby__scanner_reset(struct cubby__scanner *s)
{
    s->pos = s->lf = s->crlf = s->cr = s->header_len = 0;
    s->header_done = s->traits = s->stopped = s->failed = 0;
    s->field_too_long = 0;
    s->line.start = s->line.held = 0;
    s->line.inside = s->line.before = s->line.prev_eol = 0;
    cubby__buf_clear(&s->field);
    cubby__buf_clear(&s->fields);
    s->count = 0;
    s->depth = 0;
    open_part(s, 0);
}

void cubby__scanner_free(struct cubby__scanner **s)
{
    if (!*s)
        return;
    cubby__buf_release(&(*s)->field);
    cubby__buf_release(&(*s)->fields);
    cubby__free((*s)->parts);
    cubby__free(*s);
    *s = NULL;
}

int cubby__scanner_add(struct cubby__scanner *s, const void *data, size_t n)
{
    const uint8_t *p = data;
    while (n && !s->failed) {
        size_t take = n < BLOCK ? n : BLOCK;
        take_block(s, p, take);
        p += take;
        n -= take;
    }
    return s->failed ? CUBBY_ENOMEM : 0;
}

int cubby__scanner_header_done(const struct cubby__scanner *s, uint64_t *len)
{
    if (s->header_done)
        *len = s->header_len;
    return s->header_done;
}

static uint8_t kind_of_eol(const struct cubby__scanner *s)
{
    if (!s->lf)
        return CUBBY_EOL_NONE;
    return s->crlf == s->lf ? CUBBY_EOL_CRLF : s->crlf ? CUBBY_EOL_MIXED : CUBBY_EOL_LF;
}

int cubby__scanner_end(struct cubby__scanner *s, struct cubby__structure *out)
{
    if (s->line.held)
        take_held(s, 0);
    if (s->in_header)
        end_field(s);
    if (s->failed)
        return CUBBY_ENOMEM;
    if (s->pos - s->line.start > LONG_LINE)
        s->traits |= CUBBY_HAS_LONG_LINE;
    close_frames(s, 0, s->pos, s->lf);
    for (size_t i = 0, at = 0; i < s->count; i++) {
        cubby_part *p = &s->parts[i];
        p->fields = p->fields_len ? (const char *)s->fields.data + at : NULL;
        at += p->fields_len;
    }
    *out = (struct cubby__structure){s->parts, s->count, s->pos, s->pos + s->lf - s->crlf, s->parts[0].header_len, kind_of_eol(s), s->traits};
    out->traits |= s->cr > s->crlf ? CUBBY_HAS_BARE_CR : 0;
    return 0;
}
