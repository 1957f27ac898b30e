/* txn.c - a transaction while it is being built: records, their keys, its floors. How it becomes durable is commit.c's business. */
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/key.h"
#include "base/varint.h"
#include "store/internal.h"

enum { NUMBERS_OF_A_TXN = 1 << 30 }; /* and of a lazy one's ceiling: more than either takes */

/* ---- floors: the row of the state keyspace ---- */

static const uint8_t floors_key[1] = {CUBBY__KS_STATE};

int cubby__floors_of(struct cubby__pager *p, const struct cubby__root *root, struct cubby__floors *out, cubby_error *err)
{
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    memset(out, 0, sizeof *out);
    int rc = cubby__tree_get(p, root, floors_key, sizeof floors_key, value, &len, err);
    if (rc == CUBBY_DONE)
        return 0;
    if (rc == 0 && len != 64)
        rc = cubby__fail(err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the state row has %zu bytes, not 64", len);
    if (rc == 0)
        cubby__floors_decode(value, out);
    if (rc == 0 && !cubby__floors_fit(out))
        rc = cubby__fail(err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the state row has a number above 2^63 - 1");
    return rc;
}

int cubby__floors_load(struct cubby__store *s, const struct cubby__root *root, struct cubby__floors *out, cubby_error *err)
{
    return cubby__floors_of(s->pager, root, out, err);
}

int cubby__floors_store(struct cubby__store *s, const struct cubby__floors *f, cubby_error *err)
{
    uint8_t value[64];
    cubby__floors_encode(f, value);
    return cubby__tree_put(s->pager, floors_key, sizeof floors_key, value, sizeof value, err);
}

int cubby__numbers_left(const struct cubby__floors *f)
{
    const uint64_t v[] = {f->commit, f->object, f->piece, f->folder, f->thread};
    for (size_t i = 0; i < sizeof v / sizeof *v; i++)
        if (v[i] > CUBBY__NUMBER_MAX - NUMBERS_OF_A_TXN)
            return 0;
    return 1;
}

/* ---- small things ---- */

struct cubby__view *cubby__txn_view(struct cubby__txn *txn)
{
    return &txn->view;
}

cubby_error *cubby__txn_err(struct cubby__txn *txn)
{
    return txn->err;
}

uint64_t cubby__txn_number(const struct cubby__txn *txn)
{
    return txn->number;
}

int cubby__txn_spoiled(const struct cubby__txn *txn)
{
    return txn->spoiled;
}

int64_t cubby__txn_now(const struct cubby__txn *txn)
{
    return txn->now;
}

const struct cubby__handlers *cubby__txn_handlers(const struct cubby__txn *txn)
{
    return txn->store->handlers;
}

uint64_t *cubby__txn_memo(struct cubby__txn *txn)
{
    return &txn->memo;
}

struct cubby__floors *cubby__txn_floors(struct cubby__txn *txn)
{
    return &txn->floors;
}

static int spoil(struct cubby__txn *txn, int rc)
{
    if (rc < 0 && !txn->replay)
        txn->spoiled = rc;
    return rc;
}

int cubby__txn_put(struct cubby__txn *txn, const void *key, size_t key_len, const void *value, size_t value_len)
{
    txn->rows++;
    return spoil(txn, cubby__tree_put(txn->store->pager, key, key_len, value, value_len, txn->err));
}

int cubby__txn_del(struct cubby__txn *txn, const void *key, size_t key_len)
{
    txn->rows++;
    return spoil(txn, cubby__tree_del(txn->store->pager, key, key_len, txn->err));
}

void cubby__txn_misplaced(struct cubby__txn *txn, const struct cubby__record *rec, const char *why)
{
    if (!rec->place.off) { /* a definition: replay.c tries it again, and tells what is left */
        txn->misplaced++;
        return;
    }
    cubby__notice(txn->store, "segment %u, offset %llu: a record of type %u has no place: %s", rec->place.seg, (unsigned long long)rec->place.off, rec->type,
                  why);
}

/* ---- records ---- */

/* A record of a type that this library does not know but may carry along: its place is kept, so that it is never lost sight of. */
static int carry(struct cubby__txn *txn, const struct cubby__record *rec)
{
    uint8_t key[1 + 3 * CUBBY__KEYNUM_MAX], value[4 * CUBBY__VARINT_MAX];
    size_t n = 0, len = 0;
    key[n++] = CUBBY__KS_CARRIED;
    n += cubby__keynum_put(key + n, rec->type);
    n += cubby__keynum_put(key + n, rec->commit);
    n += cubby__keynum_put(key + n, rec->place.off);
    len += cubby__varint_put(value + len, rec->place.seg);
    len += cubby__varint_put(value + len, rec->place.off);
    len += cubby__varint_put(value + len, rec->place.len);
    return cubby__txn_put(txn, key, n, value, len);
}

int cubby__apply(struct cubby__txn *txn, const struct cubby__record *rec)
{
    if (rec->commit > txn->floors.commit)
        txn->floors.commit = rec->commit;
    if (rec->type == CUBBY__REC_STORE)
        return 0; /* says who the account is; cubby.id and every segment header say so too */
    int rc = txn->store->handlers->apply(txn, rec);
    if (rc != CUBBY_DONE)
        return rc;
    if (rec->flags & CUBBY__FRAME_COMPATIBLE)
        return carry(txn, rec);
    return cubby__fail(txn->err, CUBBY_EVERSION, NULL, rec->place.off, "segment %u holds a record of type %u, which this library does not know",
                       rec->place.seg, rec->type);
}

/* EXPUNGE and what goes with it; a flag must be set before a message is expunged. */
static int only_shrinks(const struct cubby__txn *txn, uint8_t type, const void *payload, size_t len)
{
    const struct cubby__handlers *h = txn->store->handlers;
    switch (type) {
    case CUBBY__REC_FLAGS:
    case CUBBY__REC_MARK:
    case CUBBY__REC_EXPUNGE:
        return 1;
    default:
        return h->shrinks && h->shrinks(type, payload, len);
    }
}

int cubby__txn_log(struct cubby__txn *txn, uint8_t type, uint8_t flags, const void *payload, size_t len)
{
    if (txn->spoiled)
        return txn->spoiled;
    if (len > CUBBY__FRAME_LEN_MAX)
        return cubby__fail(txn->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "a record of %zu bytes is too long", len);
    struct cubby__record rec = {.type = type, .flags = flags, .commit = txn->number, .payload = payload, .len = len};
    int rc = cubby__framer_add(&txn->node->framer, type, flags, payload, (uint32_t)len, NULL, &rec.place.off);
    if (rc != 0)
        return spoil(txn, cubby__fail_mem(txn->err));
    rec.place.seg = (uint32_t)txn->store->pending.seg;
    rec.place.len = (uint32_t)len;
    if (type != CUBBY__REC_FLAGS && type != CUBBY__REC_MARK)
        txn->lazy_ok = 0;
    txn->grows |= !only_shrinks(txn, type, payload, len);
    return spoil(txn, cubby__apply(txn, &rec));
}

int cubby__txn_log_buf(struct cubby__txn *txn, uint8_t type, struct cubby__buf *payload)
{
    int rc = payload->failed ? cubby__fail_mem(txn->err) : cubby__txn_log(txn, type, 0, payload->data, payload->len);
    cubby__buf_release(payload);
    return rc;
}

static int keep_spool(struct cubby__txn *txn, struct cubby__spool *sp)
{
    struct cubby__commit_node *n = txn->node;
    if (n->spool_count && n->spools[n->spool_count - 1] == sp)
        return 0;
    struct cubby__spool **p = cubby__grow(n->spools, n->spool_count, &n->spool_cap, sizeof(struct cubby__spool *));
    if (!p)
        return cubby__fail_mem(txn->err);
    n->spools = p;
    n->spools[n->spool_count++] = cubby__spool_ref(sp);
    return 0;
}

/* The payload stays in the spool; it is read once here, for its checksum, and once when it is written to the log. */
static int log_spooled(struct cubby__txn *txn, const struct cubby__piece *piece, const struct cubby__content *c, uint64_t *off)
{
    struct cubby__framer *f = &txn->node->framer;
    uint8_t *p = cubby__malloc(c->len);
    if (!p)
        return cubby__fail_mem(txn->err);
    int rc = cubby__spool_read(c->spool, c->off, p, c->len, txn->err);
    if (rc == 0 && (rc = keep_spool(txn, c->spool)) == 0) {
        uint64_t sum = cubby__payload_sum(p, c->len, &f->seed, cubby__framer_end(f), f->commit);
        if (cubby__framer_add_outside(f, piece, c->spool, c->off, c->len, sum, off) != 0)
            rc = cubby__fail_mem(txn->err);
    }
    cubby__free(p);
    return rc;
}

int cubby__txn_log_piece(struct cubby__txn *txn, const struct cubby__piece *piece, const struct cubby__content *c)
{
    if (txn->spoiled)
        return txn->spoiled;
    struct cubby__record rec = {.type = CUBBY__REC_PIECE, .commit = txn->number, .len = c->len, .piece = *piece};
    int rc;
    if (c->mem)
        rc = cubby__framer_add(&txn->node->framer, CUBBY__REC_PIECE, 0, c->mem, c->len, piece, &rec.place.off) ? cubby__fail_mem(txn->err) : 0;
    else
        rc = log_spooled(txn, piece, c, &rec.place.off);
    if (rc != 0)
        return spoil(txn, rc);
    rec.place.seg = (uint32_t)txn->store->pending.seg;
    rec.place.len = c->len;
    txn->lazy_ok = 0;
    txn->grows = 1;
    return spoil(txn, cubby__apply(txn, &rec));
}

/* ---- definitions ---- */

void cubby__define(struct cubby__buf *defs, uint8_t type, uint64_t commit, const void *payload, size_t len)
{
    cubby__buf_byte(defs, type);
    cubby__buf_varint(defs, commit);
    cubby__buf_varint(defs, len);
    cubby__buf_add(defs, payload, len);
}
