#include "mail/incoming.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "codec/codec.h"
#include "mime/header.h"
#include "mime/structure.h"

/* Bytes hashed and scanned at a time while the end of the header is looked for: they are still in the cache when they are compressed. */
#define HEADER_STEP (16u << 10)

/* Groups shorter than this are not worth the dictionary: most MIME structures are a dozen bytes. */
#define GROUP_MIN 48

enum state { OPEN, FINISHED, FAILED };

/* A finished piece: its stored bytes begin at `off` of the spool or of `stored`. */
struct ready {
    struct cubby__piece piece;
    uint32_t crlf_len, stored_len;
    uint64_t off;
};

struct cubby__incoming {
    struct cubby__store *store;
    struct cubby__hasher *hasher;
    struct cubby__scanner *scanner;
    struct cubby__codec *codec;
    enum state state;
    int failure;           /* code, in state FAILED */
    int header_open;       /* the header's end has not been seen, nor the limit reached */
    struct cubby__buf header, list, rest, runs;
    struct cubby__buf stage; /* bytes of a piece that is not full yet */
    int last;              /* byte before the one that comes next in a piece, -1: none */
    struct cubby__buf stored;
    struct cubby__spool *spool;
    struct ready *pieces;  /* [0]: the rest group, if has_rest */
    size_t count, cap;
    size_t spooled;        /* of these, the first so many are in the spool */
    int has_rest;
    struct cubby__buf list_stored, structure, structure_stored;
    struct cubby__object object;
    struct cubby__piece_ref *refs; /* as many as pieces */
    size_t refs_cap;
    struct cubby__buf payload;
    uint64_t logged_token, logged_object; /* 0: not logged */
};

static int fail(struct cubby__incoming *in, int rc, cubby_error *err)
{
    in->state = FAILED;
    in->failure = rc;
    return rc == CUBBY_ENOMEM ? cubby__fail_mem(err) : rc;
}

/* ---- pieces ------------------------------------------------------------------------------------------------------------------------ */

/* Line feeds without a carriage return before them: what CRLF line ends would add. Counts in short inner loops, so that the compiler makes vectors
 * of them. */
static uint32_t bare_lf(const uint8_t *p, size_t n, int before)
{
    if (!n)
        return 0;
    uint32_t count = p[0] == '\n' && before != '\r';
    size_t i = 1;
    for (; i + 64 <= n; i += 64) {
        uint8_t some = 0;
        for (size_t j = 0; j < 64; j++)
            some = (uint8_t)(some + ((p[i + j] == '\n') & (p[i + j - 1] != '\r')));
        count += some;
    }
    for (; i < n; i++)
        count += (p[i] == '\n') & (p[i - 1] != '\r');
    return count;
}

static struct ready *new_piece(struct cubby__incoming *in)
{
    struct ready *p = cubby__grow(in->pieces, in->count, &in->cap, sizeof *p);
    if (!p)
        return NULL;
    in->pieces = p;
    return &in->pieces[in->count++];
}

/* What is stored of the pieces so far leaves memory. */
static int spill(struct cubby__incoming *in, cubby_error *err)
{
    uint64_t off;
    int rc = in->spool ? 0 : cubby__spool_new(in->store, &in->spool, err);
    if (!rc)
        rc = cubby__spool_add(in->spool, in->stored.data, in->stored.len, &off, err);
    if (rc)
        return rc;
    for (; in->spooled < in->count; in->spooled++)
        in->pieces[in->spooled].off += off;
    cubby__buf_clear(&in->stored);
    return 0;
}

static int add_piece(struct cubby__incoming *in, uint8_t kind, uint8_t codec, const uint8_t *p, size_t n, cubby_error *err)
{
    struct ready *r = new_piece(in);
    uint8_t *out = r ? cubby__buf_reserve(&in->stored, cubby__compress_bound(n)) : NULL;
    if (!out)
        return CUBBY_ENOMEM;
    r->piece = (struct cubby__piece){.orig_len = (uint32_t)n, .kind = kind};
    r->stored_len = (uint32_t)cubby__compress(in->codec, codec, p, n, out, &r->piece.codec);
    r->off = in->stored.len;
    struct cubby__hash128 h = cubby__hash128(p, n);
    memcpy(r->piece.hash, h.b, sizeof h.b);
    in->stored.len += r->stored_len;
    r->crlf_len = (uint32_t)n;
    if (kind == CUBBY__PIECE_BODY) {
        r->crlf_len += bare_lf(p, n, in->last);
        in->last = p[n - 1];
    }
    return in->stored.len > CUBBY__MESSAGE_MEMORY ? spill(in, err) : 0;
}

/* Body bytes, at most what the piece in hand still takes. A whole piece is compressed from where it stands. */
static int take_body(struct cubby__incoming *in, const uint8_t *p, size_t n, cubby_error *err)
{
    if (!in->stage.len && n == CUBBY__PIECE_MAX)
        return add_piece(in, CUBBY__PIECE_BODY, CUBBY__CODEC_LZ4, p, n, err);
    cubby__buf_add(&in->stage, p, n);
    if (in->stage.failed)
        return CUBBY_ENOMEM;
    if (in->stage.len < CUBBY__PIECE_MAX)
        return 0;
    int rc = add_piece(in, CUBBY__PIECE_BODY, CUBBY__CODEC_LZ4, in->stage.data, in->stage.len, err);
    cubby__buf_clear(&in->stage);
    return rc;
}

/* ---- the header -------------------------------------------------------------------------------------------------------------------- */

static void split(struct cubby__incoming *in, size_t len)
{
    cubby__buf_clear(&in->list);
    cubby__buf_clear(&in->rest);
    cubby__buf_clear(&in->runs);
    cubby__header_split(in->header.data, len, &in->list, &in->rest, &in->runs);
}

/* The first `len` of the collected bytes are the header as it is stored; what was collected behind them is body. */
static int close_header(struct cubby__incoming *in, size_t len, cubby_error *err)
{
    split(in, len);
    if (in->rest.len > CUBBY__PIECE_MAX) /* the rest is one piece */
        split(in, len = CUBBY__PIECE_MAX);
    if (in->list.failed || in->rest.failed || in->runs.failed)
        return CUBBY_ENOMEM;
    in->header_open = 0;
    in->object.stored_header = (uint32_t)len;
    in->last = len ? in->header.data[len - 1] : -1;
    in->has_rest = in->rest.len > 0;
    int rc = in->has_rest ? add_piece(in, CUBBY__PIECE_REST, CUBBY__CODEC_LZ4_DICT, in->rest.data, in->rest.len, err) : 0;
    while (!rc && len < in->header.len) {
        size_t n = in->header.len - len < CUBBY__PIECE_MAX ? in->header.len - len : CUBBY__PIECE_MAX;
        rc = take_body(in, in->header.data + len, n, err);
        len += n;
    }
    return rc;
}

/* Takes what belongs to the header of n scanned bytes; *used says how many. */
static int take_header(struct cubby__incoming *in, const uint8_t *p, size_t n, size_t *used, cubby_error *err)
{
    uint64_t end = UINT64_MAX;
    cubby__scanner_header_done(in->scanner, &end);
    size_t room = CUBBY__HEADER_STORED_MAX - in->header.len;
    size_t want = n < room ? n : room;
    if (end < in->header.len + want)
        want = end < in->header.len ? 0 : (size_t)end - in->header.len;
    cubby__buf_add(&in->header, p, want);
    *used = want;
    if (in->header.failed)
        return CUBBY_ENOMEM;
    if (end <= in->header.len || in->header.len == CUBBY__HEADER_STORED_MAX)
        return close_header(in, end < in->header.len ? (size_t)end : in->header.len, err);
    return 0;
}

/* ---- bytes in ---------------------------------------------------------------------------------------------------------------------- */

static int feed(struct cubby__incoming *in, const uint8_t *p, size_t n)
{
    cubby__hasher_add(in->hasher, p, n);
    return cubby__scanner_add(in->scanner, p, n);
}

/* [0, used) of the chunk is taken; [used, fed) is hashed and scanned. */
static int take_chunk(struct cubby__incoming *in, const uint8_t *p, size_t n, cubby_error *err)
{
    size_t used = 0, fed = 0;
    while (used < n) {
        size_t step = in->header_open ? HEADER_STEP : CUBBY__PIECE_MAX - in->stage.len;
        size_t end = n - used < step ? n : used + step;
        int rc = fed < end ? feed(in, p + fed, end - fed) : 0;
        if (fed < end)
            fed = end;
        if (rc)
            return rc;
        size_t took = end - used;
        if (in->header_open)
            rc = take_header(in, p + used, end - used, &took, err);
        else
            rc = take_body(in, p + used, end - used, err);
        if (rc)
            return rc;
        used += took;
    }
    return 0;
}

int cubby__incoming_write(struct cubby__incoming *in, const void *data, size_t n, cubby_error *err)
{
    if (in->state == FAILED)
        return cubby__fail(err, in->failure, NULL, CUBBY__NO_OFFSET, "the message was spoiled by an earlier failure");
    if (in->state == FINISHED)
        return cubby__fail(err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "the message is finished");
    int rc = take_chunk(in, data, n, err);
    return rc ? fail(in, rc, err) : 0;
}

/* ---- the end ----------------------------------------------------------------------------------------------------------------------- */

static int compress_group(struct cubby__incoming *in, const struct cubby__buf *from, struct cubby__buf *to, uint8_t *codec)
{
    cubby__buf_clear(to);
    uint8_t *out = cubby__buf_reserve(to, cubby__compress_bound(from->len) + 1); /* never NULL */
    if (!out)
        return CUBBY_ENOMEM;
    uint8_t want = from->len < GROUP_MIN ? CUBBY__CODEC_STORED : CUBBY__CODEC_LZ4_DICT;
    to->len = cubby__compress(in->codec, want, from->data, from->len, out, codec);
    return 0;
}

static void find_date(struct cubby__incoming *in)
{
    const uint8_t *value;
    size_t len;
    int16_t zone;
    in->object.sent_date = CUBBY__NO_DATE;
    if (cubby__header_find(in->list.data, in->list.len, "Date", &value, &len)
        && cubby__date_parse(value, len, &in->object.sent_date, &zone))
        in->object.sent_date = CUBBY__NO_DATE;
}

static int describe(struct cubby__incoming *in, const struct cubby__structure *s)
{
    struct cubby__object *o = &in->object;
    cubby__buf_clear(&in->structure);
    cubby__structure_encode(s, &in->structure);
    if (in->structure.failed)
        return CUBBY_ENOMEM;
    int rc = compress_group(in, &in->list, &in->list_stored, &o->list_codec);
    if (!rc)
        rc = compress_group(in, &in->structure, &in->structure_stored, &o->structure_codec);
    if (rc)
        return rc;
    o->size = s->size;
    o->crlf_size = s->crlf_size;
    o->header_len = s->header_len > o->stored_header ? s->header_len : o->stored_header;
    o->eol = s->eol;
    o->traits = s->traits;
    struct cubby__hash128 h = cubby__hasher_end(in->hasher);
    memcpy(o->hash, h.b, sizeof h.b);
    find_date(in);
    return 0;
}

/* Everything of the OBJECT but its ids. */
static void fill_object(struct cubby__incoming *in)
{
    struct cubby__object *o = &in->object;
    o->runs = in->runs.data;
    o->runs_len = in->runs.len;
    o->list_orig_len = (uint32_t)in->list.len;
    o->list = in->list_stored.data;
    o->list_len = in->list_stored.len;
    o->rest_orig_len = (uint32_t)in->rest.len;
    o->piece_count = in->count - (size_t)in->has_rest;
    o->structure = in->structure_stored.data;
    o->structure_len = in->structure_stored.len;
    o->structure_orig_len = (uint32_t)in->structure.len;
}

static int finish(struct cubby__incoming *in, cubby_error *err)
{
    struct cubby__structure s;
    int rc = cubby__scanner_end(in->scanner, &s);
    if (!rc && in->header_open) /* the message ends inside its header */
        rc = close_header(in, s.header_len < in->header.len ? (size_t)s.header_len : in->header.len, err);
    if (!rc && in->stage.len)
        rc = add_piece(in, CUBBY__PIECE_BODY, CUBBY__CODEC_LZ4, in->stage.data, in->stage.len, err);
    if (!rc)
        rc = describe(in, &s);
    if (rc)
        return rc;
    fill_object(in);
    in->state = FINISHED;
    return 0;
}

int cubby__incoming_finish(struct cubby__incoming *in, cubby_error *err)
{
    if (in->state == FINISHED)
        return 0;
    if (in->state == FAILED)
        return cubby__fail(err, in->failure, NULL, CUBBY__NO_OFFSET, "the message was spoiled by an earlier failure");
    int rc = finish(in, err);
    return rc ? fail(in, rc, err) : 0;
}

int cubby__incoming_finished(const struct cubby__incoming *in)
{
    return in->state == FINISHED;
}

const struct cubby__object *cubby__incoming_object(const struct cubby__incoming *in)
{
    return &in->object;
}

const uint8_t *cubby__incoming_list(const struct cubby__incoming *in, size_t *len)
{
    *len = in->list.len;
    return in->list.data ? in->list.data : (const uint8_t *)"";
}

/* ---- into a transaction -------------------------------------------------------------------------------------------------------------- */

static int log_piece(struct cubby__incoming *in, struct cubby__txn *txn, size_t i)
{
    struct ready *r = &in->pieces[i];
    struct cubby__content content = {.len = r->stored_len};
    if (i < in->spooled) {
        content.spool = in->spool;
        content.off = r->off;
    } else {
        content.mem = in->stored.data + r->off;
    }
    r->piece.id = cubby__txn_floors(txn)->piece + 1;
    return cubby__txn_log_piece(txn, &r->piece, &content);
}

static int log_pieces(struct cubby__incoming *in, struct cubby__txn *txn)
{
    for (size_t i = 0; i < in->count; i++) {
        int rc = log_piece(in, txn, i);
        if (rc)
            return rc;
    }
    return 0;
}

static int encode(struct cubby__incoming *in, uint64_t id)
{
    struct cubby__object *o = &in->object;
    if (in->count > in->refs_cap) {
        struct cubby__piece_ref *refs = cubby__realloc(in->refs, in->cap * sizeof *refs);
        if (!refs)
            return CUBBY_ENOMEM;
        in->refs = refs;
        in->refs_cap = in->cap;
    }
    for (size_t i = 0; i < o->piece_count; i++) {
        const struct ready *body = &in->pieces[in->has_rest + i];
        in->refs[i] = (struct cubby__piece_ref){body->piece.id, body->piece.orig_len, body->crlf_len};
    }
    o->id = id;
    o->rest_piece = in->has_rest ? in->pieces[0].piece.id : 0;
    cubby__buf_clear(&in->payload);
    cubby__object_encode(o, in->refs, &in->payload);
    return in->payload.failed ? CUBBY_ENOMEM : 0;
}

int cubby__incoming_log(struct cubby__incoming *in, struct cubby__txn *txn, uint64_t token, uint64_t *object)
{
    if (in->logged_token == token && in->logged_object) {
        *object = in->logged_object;
        return 0;
    }
    int rc = log_pieces(in, txn);
    if (rc)
        return rc;
    uint64_t id = cubby__txn_floors(txn)->object + 1;
    rc = encode(in, id);
    if (rc)
        return cubby__fail_mem(cubby__txn_err(txn));
    rc = cubby__txn_log(txn, CUBBY__REC_OBJECT, 0, in->payload.data, in->payload.len);
    if (rc)
        return rc;
    in->logged_token = token;
    *object = in->logged_object = id;
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------------------------ */

void cubby__incoming_reset(struct cubby__incoming *in)
{
    cubby__hasher_reset(in->hasher);
    cubby__scanner_reset(in->scanner);
    if (in->spool)
        cubby__spool_unref(&in->spool); /* a transaction that logged it has its own reference */
    cubby__buf_clear(&in->header);
    cubby__buf_clear(&in->list);
    cubby__buf_clear(&in->rest);
    cubby__buf_clear(&in->runs);
    cubby__buf_clear(&in->stage);
    cubby__buf_clear(&in->stored);
    cubby__buf_clear(&in->payload);
    memset(&in->object, 0, sizeof in->object);
    in->state = OPEN;
    in->failure = 0;
    in->header_open = 1;
    in->last = -1;
    in->count = in->spooled = 0;
    in->has_rest = 0;
    in->logged_token = in->logged_object = 0;
}

int cubby__incoming_new(struct cubby__store *s, struct cubby__incoming **out, cubby_error *err)
{
    struct cubby__incoming *in = cubby__calloc(1, sizeof *in);
    if (!in)
        return cubby__fail_mem(err);
    in->store = s;
    in->hasher = cubby__hasher_new();
    in->scanner = cubby__scanner_new();
    in->codec = cubby__codec_new();
    if (!in->hasher || !in->scanner || !in->codec) {
        cubby__incoming_free(&in);
        return cubby__fail_mem(err);
    }
    cubby__incoming_reset(in);
    *out = in;
    return 0;
}

void cubby__incoming_free(struct cubby__incoming **in)
{
    struct cubby__incoming *m = *in;
    if (!m)
        return;
    struct cubby__buf *bufs[] = {&m->header, &m->list, &m->rest, &m->runs, &m->stage, &m->stored, &m->list_stored,
                                 &m->structure, &m->structure_stored, &m->payload};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++)
        cubby__buf_release(bufs[i]);
    if (m->hasher)
        cubby__hasher_free(&m->hasher);
    cubby__scanner_free(&m->scanner);
    cubby__codec_free(&m->codec);
    if (m->spool)
        cubby__spool_unref(&m->spool);
    cubby__free(m->pieces);
    cubby__free(m->refs);
    cubby__free(m);
    *in = NULL;
}
