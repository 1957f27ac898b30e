#include "archive/pst/write_ndb.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/code.h"
#include "archive/pst/format.h"
#include "archive/pst/write_btree.h"
#include "cli.h"

enum { SLOTS = PST_AMAP_BYTES * 8, RING = 4 };

struct placed {
    uint64_t bid;
    uint32_t at; /* in the interval */
    uint16_t cb;
};

/* One allocation interval on its way to the file. */
struct interval {
    uint64_t number;
    uint32_t used;        /* bytes, from its start */
    size_t count, sealed; /* blocks; so many of them are encoded and have their trailers */
    uint8_t map[PST_AMAP_BYTES];
    uint8_t data[PST_AMAP_SPAN];
    struct placed blocks[SLOTS];
};

struct mark {
    uint64_t number, used_slots, next_page;
    uint32_t used;
    size_t count;
    uint8_t map[PST_AMAP_BYTES];
    uint64_t blocks, nodes;
};

struct shared {
    uint64_t bid;
    uint32_t more;
};

struct pstw {
    struct outfile *out;
    int crypt;
    atomic_int failed;
    struct interval *ring[RING];
    struct interval *now; /* of the ring */
    uint64_t used_slots;
    uint64_t next_page; /* id of the next page */
    struct spool blocks, nodes;
    struct shared *shared;
    size_t shared_count;
    uint8_t *few; /* nodes of other kinds than messages, unsorted */
    size_t few_count;
    struct mark mark;
    /* the thread that seals and writes */
    pthread_t thread;
    int started;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t given, written; /* intervals; given - written lie between */
    int stop;
};

enum { NODE_RECORD = 32, BLOCK_RECORD = 8 };

static void fail(struct pstw *ndb, int error)
{
    int none = 0;
    atomic_compare_exchange_strong(&ndb->failed, &none, error ? error : EIO);
}

int pstw_failed(struct pstw *ndb)
{
    return atomic_load(&ndb->failed);
}

/* ---- pages --------------------------------------------------------------------------------------------------------------------------- */

size_t pstw_interval_head(uint64_t n)
{
    int pmap = n % PST_PMAP_EVERY == 0;
    int fmap = n >= PST_FMAP_FIRST && (n - PST_FMAP_FIRST) % PST_FMAP_EVERY == 0;
    int fpmap = n >= PST_FPMAP_FIRST && (n - PST_FPMAP_FIRST) % PST_FPMAP_EVERY == 0;
    return PST_PAGE_SIZE * (size_t)(1 + pmap + (fmap || fpmap));
}

static uint64_t interval_offset(uint64_t n)
{
    return PST_AMAP_AT + n * PST_AMAP_SPAN;
}

/* The trailer of a page whose body is filled in. The maps have no signature, and their place for an id. */
static void seal_page(uint8_t *page, int type, uint64_t offset, uint64_t bid)
{
    uint8_t *t = page + PST_AMAP_BYTES;
    int plain = type >= PST_PAGE_FMAP && type <= PST_PAGE_FPMAP;
    t[0] = t[1] = (uint8_t)type;
    pst_put16(t + 2, plain ? 0 : pst_signature(offset, bid));
    pst_put32(t + 4, pst_crc(0, page, PST_AMAP_BYTES));
    pst_put64(t + 8, plain ? offset : bid);
}

static void seal_heads(struct interval *v)
{
    uint64_t offset = interval_offset(v->number);
    int at = PST_PAGE_SIZE;
    memcpy(v->data, v->map, PST_AMAP_BYTES);
    seal_page(v->data, PST_PAGE_AMAP, offset, 0);
    if (v->number % PST_PMAP_EVERY == 0) {
        memset(v->data + at, 0xff, PST_AMAP_BYTES);
        seal_page(v->data + at, PST_PAGE_PMAP, offset + (uint64_t)at, 0);
        at += PST_PAGE_SIZE;
    }
    if (pstw_interval_head(v->number) > (size_t)at) {
        int fmap = (v->number - PST_FMAP_FIRST) % PST_FMAP_EVERY == 0;
        memset(v->data + at, 0xff, PST_AMAP_BYTES);
        seal_page(v->data + at, fmap ? PST_PAGE_FMAP : PST_PAGE_FPMAP, offset + (uint64_t)at, 0);
    }
}

/* ---- intervals ------------------------------------------------------------------------------------------------------------------------- */

static size_t block_space(size_t cb)
{
    return (cb + PST_BLOCK_TRAILER + PST_SLOT - 1) / PST_SLOT * PST_SLOT;
}

static void seal(struct interval *v, int crypt)
{
    for (; v->sealed < v->count; v->sealed++) {
        const struct placed *b = &v->blocks[v->sealed];
        uint8_t *p = v->data + b->at, *t = p + block_space(b->cb) - PST_BLOCK_TRAILER;
        if (!(b->bid & PST_BID_INTERNAL))
            pst_encode(crypt, b->bid, p, b->cb);
        pst_put16(t, b->cb);
        pst_put16(t + 2, pst_signature(interval_offset(v->number) + b->at, b->bid));
        pst_put32(t + 4, pst_crc(0, p, b->cb));
        pst_put64(t + 8, b->bid);
    }
    seal_heads(v);
}

static void *write_intervals(void *arg)
{
    struct pstw *ndb = arg;
    pthread_mutex_lock(&ndb->lock);
    for (;;) {
        while (ndb->written == ndb->given && !ndb->stop)
            pthread_cond_wait(&ndb->changed, &ndb->lock);
        if (ndb->written == ndb->given)
            break;
        struct interval *v = ndb->ring[ndb->written % RING];
        pthread_mutex_unlock(&ndb->lock);
        seal(v, ndb->crypt);
        if (pstw_failed(ndb) == 0 && outfile_write(ndb->out, v->data, sizeof v->data) != 0)
            fail(ndb, errno);
        pthread_mutex_lock(&ndb->lock);
        ndb->written++;
        pthread_cond_broadcast(&ndb->changed);
    }
    pthread_mutex_unlock(&ndb->lock);
    return NULL;
}

/* Waits until so many intervals, or fewer, are between here and the file. */
static void drain(struct pstw *ndb, uint64_t most)
{
    pthread_mutex_lock(&ndb->lock);
    while (ndb->given - ndb->written > most)
        pthread_cond_wait(&ndb->changed, &ndb->lock);
    pthread_mutex_unlock(&ndb->lock);
}

static void take(struct pstw *ndb, uint32_t at, size_t n)
{
    for (size_t slot = at / PST_SLOT; slot < (at + n) / PST_SLOT; slot++)
        ndb->now->map[slot / 8] |= (uint8_t)(0x80 >> slot % 8);
    ndb->used_slots += n / PST_SLOT;
}

static void begin_interval(struct pstw *ndb, uint64_t number)
{
    struct interval *v = ndb->ring[ndb->given % RING];
    v->number = number;
    v->count = v->sealed = 0;
    memset(v->map, 0, sizeof v->map);
    memset(v->data, 0, sizeof v->data);
    v->used = (uint32_t)pstw_interval_head(number);
    ndb->now = v;
    take(ndb, 0, v->used);
}

static void give(struct pstw *ndb)
{
    drain(ndb, RING - 2); /* the next one of the ring is free then */
    pthread_mutex_lock(&ndb->lock);
    ndb->given++;
    pthread_cond_broadcast(&ndb->changed);
    pthread_mutex_unlock(&ndb->lock);
}

/* Room for n bytes in the interval at hand, or the next one: its place there. */
static uint32_t allocate(struct pstw *ndb, size_t n, uint32_t align)
{
    uint32_t at = (ndb->now->used + align - 1) / align * align;
    if (at + n > PST_AMAP_SPAN) {
        uint64_t next = ndb->now->number + 1;
        give(ndb);
        begin_interval(ndb, next);
        at = (ndb->now->used + align - 1) / align * align;
    }
    ndb->now->used = at + (uint32_t)n;
    take(ndb, at, n);
    return at;
}

/* ---- blocks, nodes ------------------------------------------------------------------------------------------------------------------ */

uint64_t pstw_block(struct pstw *ndb, const void *p, size_t n, int internal)
{
    uint64_t bid = (ndb->blocks.count + 1) * 4 | (internal ? PST_BID_INTERNAL : 0);
    uint8_t record[BLOCK_RECORD];
    uint32_t at = allocate(ndb, block_space(n), PST_SLOT);
    struct interval *v = ndb->now;
    memcpy(v->data + at, p, n);
    v->blocks[v->count++] = (struct placed){bid, at, (uint16_t)n};
    pst_put32(record, (uint32_t)((interval_offset(v->number) + at) / PST_SLOT));
    pst_put16(record + 4, (uint16_t)n);
    pst_put16(record + 6, internal ? 1 : 0);
    int rc = spool_add(&ndb->blocks, ndb->out->path, record);
    if (rc != 0)
        fail(ndb, rc);
    return bid;
}

void pstw_share(struct pstw *ndb, uint64_t bid, uint32_t more)
{
    for (size_t i = 0; i < ndb->shared_count; i++)
        if (ndb->shared[i].bid == bid) {
            ndb->shared[i].more += more;
            return;
        }
    ndb->shared = cli_realloc(ndb->shared, (ndb->shared_count + 1) * sizeof *ndb->shared);
    ndb->shared[ndb->shared_count++] = (struct shared){bid, more};
}

static uint16_t references(const struct pstw *ndb, uint64_t bid)
{
    for (size_t i = 0; i < ndb->shared_count; i++)
        if (ndb->shared[i].bid == bid)
            return ndb->shared[i].more > UINT16_MAX - 2 ? UINT16_MAX : (uint16_t)(2 + ndb->shared[i].more);
    return 2;
}

void pstw_node(struct pstw *ndb, uint32_t nid, uint64_t data, uint64_t sub, uint32_t parent)
{
    uint8_t record[NODE_RECORD] = {0};
    pst_put64(record, nid);
    pst_put64(record + 8, data);
    pst_put64(record + 16, sub);
    pst_put32(record + 24, parent);
    if (PST_NID_TYPE(nid) == PST_NT_MESSAGE) {
        int rc = spool_add(&ndb->nodes, ndb->out->path, record);
        if (rc != 0)
            fail(ndb, rc);
        return;
    }
    if ((ndb->few_count & (ndb->few_count - 1)) == 0)
        ndb->few = cli_realloc(ndb->few, (ndb->few_count ? ndb->few_count * 2 : 1) * NODE_RECORD);
    memcpy(ndb->few + ndb->few_count++ * NODE_RECORD, record, NODE_RECORD);
}

/* ---- taking back --------------------------------------------------------------------------------------------------------------------- */

void pstw_mark(struct pstw *ndb)
{
    struct mark *m = &ndb->mark;
    *m = (struct mark){.number = ndb->now->number, .used_slots = ndb->used_slots, .next_page = ndb->next_page, .used = ndb->now->used,
                       .count = ndb->now->count, .blocks = ndb->blocks.count, .nodes = ndb->nodes.count};
    memcpy(m->map, ndb->now->map, sizeof m->map);
}

/* The interval of the mark is in the file already: it is taken from there again, sealed as it is. */
static void reread(struct pstw *ndb)
{
    uint64_t offset = interval_offset(ndb->mark.number);
    drain(ndb, 0);
    struct interval *v = ndb->now;
    if (pstw_failed(ndb) != 0)
        return;
    if (outfile_read(ndb->out, offset, v->data, sizeof v->data) != 0 || outfile_cut(ndb->out, offset) != 0)
        fail(ndb, errno);
    v->number = ndb->mark.number;
    v->sealed = ndb->mark.count;
}

void pstw_rollback(struct pstw *ndb)
{
    const struct mark *m = &ndb->mark;
    if (ndb->now->number != m->number)
        reread(ndb);
    struct interval *v = ndb->now;
    v->used = m->used;
    v->count = m->count;
    memcpy(v->map, m->map, sizeof v->map);
    memset(v->data + v->used, 0, sizeof v->data - v->used);
    ndb->used_slots = m->used_slots;
    ndb->next_page = m->next_page;
    int rc = spool_cut(&ndb->blocks, m->blocks);
    if (rc == 0)
        rc = spool_cut(&ndb->nodes, m->nodes);
    if (rc != 0)
        fail(ndb, rc);
}

/* ---- the end --------------------------------------------------------------------------------------------------------------------------- */

/* A page of a B-tree: its place in the file. */
static uint64_t put_page(void *arg, int type, uint8_t *page, uint64_t *bid)
{
    struct pstw *ndb = arg;
    uint32_t at = allocate(ndb, PST_PAGE_SIZE, PST_PAGE_SIZE);
    uint64_t offset = interval_offset(ndb->now->number) + at;
    *bid = ndb->next_page++;
    seal_page(page, type, offset, *bid);
    memcpy(ndb->now->data + at, page, PST_PAGE_SIZE);
    return offset;
}

enum { BATCH = 512 };

static void write_block_tree(struct pstw *ndb, struct btree_root *root)
{
    struct btree *t = btree_new(PST_PAGE_BBT, 24, put_page, ndb);
    uint8_t records[BATCH * BLOCK_RECORD];
    int64_t got = 0;
    for (uint64_t k = 0; k < ndb->blocks.count && (got = spool_read(&ndb->blocks, k, records, BATCH)) > 0; k += (uint64_t)got)
        for (int64_t i = 0; i < got; i++) {
            const uint8_t *r = records + i * BLOCK_RECORD;
            uint64_t bid = (k + (uint64_t)i + 1) * 4 | (pst_get16(r + 6) ? PST_BID_INTERNAL : 0);
            uint8_t entry[24] = {0};
            pst_put64(entry, bid);
            pst_put64(entry + 8, (uint64_t)pst_get32(r) * PST_SLOT);
            pst_put16(entry + 16, pst_get16(r + 4));
            pst_put16(entry + 18, references(ndb, bid));
            btree_add(t, bid, entry);
        }
    if (got < 0)
        fail(ndb, EIO);
    btree_finish(&t, root);
}

static int compare_nodes(const void *a, const void *b)
{
    uint64_t x = pst_get64(a), y = pst_get64(b);
    return x < y ? -1 : x > y;
}

/* Both kinds, merged. */
static void write_node_tree(struct pstw *ndb, struct btree_root *root)
{
    struct btree *t = btree_new(PST_PAGE_NBT, NODE_RECORD, put_page, ndb);
    uint8_t records[BATCH * NODE_RECORD];
    int64_t got = 0;
    size_t few = 0;
    if (ndb->few_count)
        qsort(ndb->few, ndb->few_count, NODE_RECORD, compare_nodes);
    for (uint64_t k = 0; k < ndb->nodes.count && (got = spool_read(&ndb->nodes, k, records, BATCH)) > 0; k += (uint64_t)got)
        for (int64_t i = 0; i < got; i++) {
            const uint8_t *r = records + i * NODE_RECORD;
            for (; few < ndb->few_count && compare_nodes(ndb->few + few * NODE_RECORD, r) < 0; few++)
                btree_add(t, pst_get64(ndb->few + few * NODE_RECORD), ndb->few + few * NODE_RECORD);
            btree_add(t, pst_get64(r), r);
        }
    for (; few < ndb->few_count; few++)
        btree_add(t, pst_get64(ndb->few + few * NODE_RECORD), ndb->few + few * NODE_RECORD);
    if (got < 0)
        fail(ndb, EIO);
    btree_finish(&t, root);
}

static void make_header(const struct pstw *ndb, const uint32_t next_index[32], const struct btree_root *nbt, const struct btree_root *bbt,
                        uint8_t h[PST_HEADER_SIZE])
{
    uint64_t intervals = ndb->now->number + 1;
    memset(h, 0, PST_HEADER_SIZE);
    pst_put32(h, PST_MAGIC);
    pst_put16(h + 8, PST_CLIENT_PST);
    pst_put16(h + 10, 23);
    pst_put16(h + 12, 19);
    h[14] = h[15] = 1;
    pst_put64(h + 32, ndb->next_page);
    pst_put32(h + 40, next_index[0]); /* above all row versions */
    for (int i = 0; i < 32; i++)
        pst_put32(h + 44 + 4 * i, i == 0 ? 0x400 : next_index[i]);
    pst_put64(h + 184, interval_offset(intervals));
    pst_put64(h + 192, interval_offset(intervals - 1));
    pst_put64(h + 200, (intervals * SLOTS - ndb->used_slots) * PST_SLOT);
    pst_put64(h + 216, nbt->bid);
    pst_put64(h + 224, nbt->offset);
    pst_put64(h + 232, bbt->bid);
    pst_put64(h + 240, bbt->offset);
    h[248] = 2;
    memset(h + 256, 0xff, 256);
    h[512] = PST_SENTINEL;
    h[513] = (uint8_t)ndb->crypt;
    pst_put64(h + 516, (ndb->blocks.count + 1) * 4);
    pst_put32(h + 4, pst_crc(0, h + 8, PST_CRC_PARTIAL));
    pst_put32(h + 524, pst_crc(0, h + 8, PST_CRC_FULL));
}

int pstw_finish(struct pstw *ndb, const uint32_t next_index[32])
{
    struct btree_root nbt = {0}, bbt = {0};
    uint8_t header[PST_HEADER_SIZE], list[PST_PAGE_SIZE] = {0};
    write_node_tree(ndb, &nbt);
    write_block_tree(ndb, &bbt);
    make_header(ndb, next_index, &nbt, &bbt, header);
    give(ndb);
    drain(ndb, 0);
    seal_page(list, PST_PAGE_DLIST, PST_DLIST_AT, ndb->next_page);
    if (pstw_failed(ndb) == 0 && (outfile_patch(ndb->out, PST_DLIST_AT, list, sizeof list) != 0 ||
                                     outfile_patch(ndb->out, 0, header, sizeof header) != 0))
        fail(ndb, errno);
    return pstw_failed(ndb);
}

/* ---- begin, end ---------------------------------------------------------------------------------------------------------------------- */

struct pstw *pstw_new(struct outfile *out, int crypt)
{
    struct pstw *ndb = cli_malloc(sizeof *ndb);
    memset(ndb, 0, sizeof *ndb);
    ndb->out = out;
    ndb->crypt = crypt;
    ndb->next_page = 1;
    spool_init(&ndb->blocks, BLOCK_RECORD);
    spool_init(&ndb->nodes, NODE_RECORD);
    for (int i = 0; i < RING; i++)
        ndb->ring[i] = cli_malloc(sizeof *ndb->ring[i]);
    begin_interval(ndb, 0);
    if (outfile_write(out, ndb->now->data + PST_AMAP_SPAN - PST_AMAP_AT, PST_AMAP_AT) != 0) /* zeros; the header comes last */
        fail(ndb, errno);
    pthread_mutex_init(&ndb->lock, NULL);
    pthread_cond_init(&ndb->changed, NULL);
    int rc = pthread_create(&ndb->thread, NULL, write_intervals, ndb);
    ndb->started = rc == 0;
    if (rc != 0)
        cli_no_memory();
    return ndb;
}

void pstw_free(struct pstw **handle)
{
    struct pstw *ndb = *handle;
    if (!ndb)
        return;
    pthread_mutex_lock(&ndb->lock);
    ndb->stop = 1;
    pthread_cond_broadcast(&ndb->changed);
    pthread_mutex_unlock(&ndb->lock);
    if (ndb->started)
        pthread_join(ndb->thread, NULL);
    pthread_cond_destroy(&ndb->changed);
    pthread_mutex_destroy(&ndb->lock);
    spool_free(&ndb->blocks);
    spool_free(&ndb->nodes);
    for (int i = 0; i < RING; i++)
        free(ndb->ring[i]);
    free(ndb->shared);
    free(ndb->few);
    free(ndb);
    *handle = NULL;
}
