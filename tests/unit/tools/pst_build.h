/* pst_build.h - small PST files made by hand, with every checksum right: what is wrong in them was put there by a test. */
#ifndef CUBBY_TESTS_PST_BUILD_H
#define CUBBY_TESTS_PST_BUILD_H

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "archive/pst/bytes.h"
#include "archive/pst/code.h"
#include "archive/pst/format.h"
#include "unit/unit.h"

enum { BUILD_SIZE = 0x42400, BUILD_BLOCKS = 200, BUILD_NODES = 120 };

struct build_block {
    uint64_t bid, ib;
    uint32_t len, extent, refs;
};
struct build_node {
    uint32_t nid, parent;
    uint64_t data, sub;
};
struct build {
    uint8_t *p;
    uint64_t at; /* next free place */
    int crypt;
    uint64_t next_bid, next_page;
    struct build_block blocks[BUILD_BLOCKS];
    size_t block_count;
    struct build_node nodes[BUILD_NODES];
    size_t node_count;
    uint64_t nbt, bbt; /* places of the roots, after build_end */
};

static inline const char *build_path(void)
{
    static char path[256];
    const char *dir = getenv("TEST_TMP");
    snprintf(path, sizeof path, "%s/pst-%d", dir ? dir : "/tmp", (int)getpid());
    return path;
}

static inline void build_begin(struct build *b)
{
    memset(b, 0, sizeof *b);
    b->p = calloc(1, BUILD_SIZE);
    b->at = PST_AMAP_AT + 2 * PST_PAGE_SIZE;
    b->crypt = PST_CRYPT_PERMUTE;
    b->next_bid = 4;
    b->next_page = 1;
}

static inline void build_release(struct build *b)
{
    free(b->p);
    b->p = NULL;
    unlink(build_path());
}

static inline uint64_t build_take(struct build *b, uint64_t len, uint64_t align)
{
    uint64_t at = (b->at + align - 1) / align * align;
    b->at = at + len;
    ck_assert_uint_le(b->at, BUILD_SIZE);
    return at;
}

/* The trailer's checksum and signature as they have to be; for blocks changed later. */
static inline void build_seal_block(struct build *b, const struct build_block *x)
{
    uint8_t *t = b->p + x->ib + x->extent - PST_BLOCK_TRAILER;
    pst_put16(t, (uint16_t)x->len);
    pst_put16(t + 2, pst_signature(x->ib, x->bid));
    pst_put32(t + 4, pst_crc(0, b->p + x->ib, x->len));
    pst_put64(t + 8, x->bid);
}

static inline void build_seal_page(struct build *b, uint64_t ib, int type, uint64_t bid)
{
    uint8_t *t = b->p + ib + 496;
    int map = type >= PST_PAGE_FMAP && type <= PST_PAGE_FPMAP;
    t[0] = t[1] = (uint8_t)type;
    pst_put16(t + 2, map ? 0 : pst_signature(ib, bid));
    pst_put32(t + 4, pst_crc(0, b->p + ib, 496));
    pst_put64(t + 8, bid);
}

/* Changed since: its checksum is put right again. */
static inline void build_fix_page(struct build *b, uint64_t ib)
{
    pst_put32(b->p + ib + 496 + 4, pst_crc(0, b->p + ib, 496));
}

static inline uint64_t build_block(struct build *b, const void *data, size_t n, int internal)
{
    ck_assert_uint_lt(b->block_count, BUILD_BLOCKS);
    struct build_block *x = &b->blocks[b->block_count++];
    x->bid = b->next_bid | (internal ? PST_BID_INTERNAL : 0);
    b->next_bid += 4;
    x->len = (uint32_t)n;
    x->extent = (uint32_t)((n + PST_BLOCK_TRAILER + 63) / 64 * 64);
    x->ib = build_take(b, x->extent, 64);
    x->refs = 2;
    if (n)
        memcpy(b->p + x->ib, data, n);
    if (!internal)
        pst_encode(b->crypt, x->bid, b->p + x->ib, n);
    build_seal_block(b, x);
    return x->bid;
}

/* An XBLOCK or XXBLOCK. */
static inline uint64_t build_list(struct build *b, int level, const uint64_t *bids, size_t count, uint32_t total)
{
    uint8_t buf[PST_BLOCK_MAX];
    buf[0] = PST_BLOCK_X;
    buf[1] = (uint8_t)level;
    pst_put16(buf + 2, (uint16_t)count);
    pst_put32(buf + 4, total);
    for (size_t i = 0; i < count; i++)
        pst_put64(buf + 8 + 8 * i, bids[i]);
    return build_block(b, buf, 8 + 8 * count, 1);
}

/* An SLBLOCK. */
static inline uint64_t build_subnodes(struct build *b, const struct build_node *subs, size_t count)
{
    uint8_t buf[PST_BLOCK_MAX] = {PST_BLOCK_S, 0};
    pst_put16(buf + 2, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        pst_put64(buf + 8 + 24 * i, subs[i].nid);
        pst_put64(buf + 16 + 24 * i, subs[i].data);
        pst_put64(buf + 24 + 24 * i, subs[i].sub);
    }
    return build_block(b, buf, 8 + 24 * count, 1);
}

static inline void build_node(struct build *b, uint32_t nid, uint64_t data, uint64_t sub, uint32_t parent)
{
    ck_assert_uint_lt(b->node_count, BUILD_NODES);
    size_t i = b->node_count++;
    for (; i && b->nodes[i - 1].nid > nid; i--)
        b->nodes[i] = b->nodes[i - 1];
    b->nodes[i] = (struct build_node){nid, parent, data, sub};
}

/* ---- heaps --------------------------------------------------------------------------------------------------------------------------- */

struct build_heap {
    uint8_t p[PST_BLOCK_MAX];
    uint32_t used;
    uint16_t ends[400];
    unsigned count;
};

static inline void build_heap_begin(struct build_heap *h)
{
    memset(h, 0, sizeof *h);
    h->used = 12;
    h->ends[0] = 12;
}

static inline uint32_t build_item(struct build_heap *h, const void *p, size_t n)
{
    memcpy(h->p + h->used, p, n);
    h->used += (uint32_t)n;
    h->ends[++h->count] = (uint16_t)h->used;
    return (uint32_t)h->count << 5;
}

static inline uint64_t build_heap_end(struct build *b, struct build_heap *h, int client, uint32_t root)
{
    uint32_t map = (h->used + 1) & ~1u;
    pst_put16(h->p, (uint16_t)map);
    h->p[2] = PST_HN_SIGNATURE;
    h->p[3] = (uint8_t)client;
    pst_put32(h->p + 4, root);
    pst_put16(h->p + map, (uint16_t)h->count);
    pst_put16(h->p + map + 2, 0);
    for (unsigned i = 0; i <= h->count; i++)
        pst_put16(h->p + map + 4 + 2 * i, h->ends[i]);
    return build_block(b, h->p, map + 4 + 2 * (h->count + 1), 0);
}

static inline uint32_t build_bth(struct build_heap *h, unsigned key, unsigned value, unsigned levels, uint32_t root)
{
    uint8_t head[8] = {PST_HN_BTH, (uint8_t)key, (uint8_t)value, (uint8_t)levels};
    pst_put32(head + 4, root);
    return build_item(h, head, sizeof head);
}

/* ---- properties and tables ------------------------------------------------------------------------------------------------------------- */

struct build_prop {
    uint16_t id, type;
    uint32_t value;   /* of numbers */
    const char *text; /* of strings, as ASCII; or the bytes of what lies in the heap, `size` of them */
    size_t size;
};

static inline uint32_t build_text(struct build_heap *h, const char *text)
{
    uint8_t wide[512];
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        wide[2 * i] = (uint8_t)text[i];
        wide[2 * i + 1] = 0;
    }
    return n ? build_item(h, wide, 2 * n) : 0;
}

/* Properties in ascending order. */
static inline uint64_t build_pc(struct build *b, const struct build_prop *props, size_t count)
{
    struct build_heap h;
    uint8_t records[8 * 60] = {0};
    build_heap_begin(&h);
    build_bth(&h, 2, 6, 0, count ? 0x40 : 0);
    uint32_t leaf = count ? build_item(&h, records, 8 * count) : 0; /* filled in below */
    for (size_t i = 0; i < count; i++) {
        uint32_t value = props[i].value;
        if (props[i].text)
            value = props[i].type == PST_PT_STRING ? build_text(&h, props[i].text) : build_item(&h, props[i].text, props[i].size);
        pst_put16(records + 8 * i, props[i].id);
        pst_put16(records + 8 * i + 2, props[i].type);
        pst_put32(records + 8 * i + 4, value);
    }
    if (leaf)
        memcpy(h.p + h.ends[1], records, 8 * count);
    return build_heap_end(b, &h, PST_HN_PC, 0x20);
}

/* A table with the columns of row id and version, and of one property of 4 bytes more (tag 0: none). */
static inline uint64_t build_table(struct build *b, const uint32_t *ids, size_t count, uint32_t tag, const uint32_t *values)
{
    struct build_heap h;
    unsigned columns = tag ? 3 : 2;
    uint16_t row = (uint16_t)(4 * columns + 1);
    uint8_t info[22 + 24] = {PST_HN_TC, (uint8_t)columns}, index[8 * 60], rows[13 * 60] = {0};
    build_heap_begin(&h);
    build_bth(&h, 4, 4, 0, count ? 0x60 : 0);
    pst_put16(info + 2, (uint16_t)(4 * columns));
    pst_put16(info + 4, (uint16_t)(4 * columns));
    pst_put16(info + 6, (uint16_t)(4 * columns));
    pst_put16(info + 8, row);
    pst_put32(info + 10, 0x20);
    pst_put32(info + 14, count ? 0x80 : 0);
    for (unsigned c = 0, i = 0; c < columns; c++, i++) {
        uint8_t *x = info + 22 + 8 * i;
        uint32_t what = tag && c == 0 ? tag : c == columns - 2 ? 0x67F20003 : 0x67F30003;
        unsigned place = what == tag ? 2 : what == 0x67F20003 ? 0 : 1;
        pst_put32(x, what);
        pst_put16(x + 4, (uint16_t)(4 * place));
        x[6] = 4;
        x[7] = (uint8_t)place;
    }
    build_item(&h, info, 22 + 8 * columns);
    for (size_t i = 0; i < count; i++) {
        pst_put32(index + 8 * i, ids[i]);
        pst_put32(index + 8 * i + 4, (uint32_t)i);
        pst_put32(rows + row * i, ids[i]);
        pst_put32(rows + row * i + 4, (uint32_t)i + 1);
        if (tag)
            pst_put32(rows + row * i + 8, values[i]);
        rows[row * i + 4 * columns] = tag ? 0xE0 : 0xC0;
    }
    if (count) {
        build_item(&h, index, 8 * count);
        build_item(&h, rows, row * count);
    }
    return build_heap_end(b, &h, PST_HN_TC, 0x40);
}

/* ---- the rest of the file ---------------------------------------------------------------------------------------------------------------- */

static inline uint64_t build_page(struct build *b, int type, const uint8_t *entries, size_t count, size_t size, int level, uint64_t *bid)
{
    uint64_t ib = build_take(b, PST_PAGE_SIZE, PST_PAGE_SIZE);
    memcpy(b->p + ib, entries, count * size);
    b->p[ib + 488] = (uint8_t)count;
    b->p[ib + 489] = (uint8_t)(488 / size);
    b->p[ib + 490] = (uint8_t)size;
    b->p[ib + 491] = (uint8_t)level;
    *bid = b->next_page++;
    build_seal_page(b, ib, type, *bid);
    return ib;
}

static inline uint64_t build_tree(struct build *b, int type, const uint8_t *entries, size_t count, size_t size, uint64_t *bid)
{
    uint8_t inner[20 * 24];
    size_t most = 488 / size, pages = 0;
    if (count <= most)
        return build_page(b, type, entries, count, size, 0, bid);
    for (size_t i = 0; i < count; i += most, pages++) {
        uint64_t id, ib = build_page(b, type, entries + i * size, count - i < most ? count - i : most, size, 0, &id);
        ck_assert_uint_lt(pages, 20);
        memcpy(inner + 24 * pages, entries + i * size, 8);
        pst_put64(inner + 24 * pages + 8, id);
        pst_put64(inner + 24 * pages + 16, ib);
    }
    return build_page(b, type, inner, pages, 24, 1, bid);
}

static inline void build_maps(struct build *b)
{
    uint8_t *map = b->p + PST_AMAP_AT;
    uint64_t used = (b->at - PST_AMAP_AT + 63) / 64, clear;
    memset(map, 0, PST_PAGE_SIZE);
    for (uint64_t i = 0; i < used; i++)
        map[i / 8] |= (uint8_t)(0x80 >> i % 8);
    clear = PST_AMAP_BYTES * 8 - used;
    build_seal_page(b, PST_AMAP_AT, PST_PAGE_AMAP, PST_AMAP_AT);
    memset(map + PST_PAGE_SIZE, 0xFF, 496);
    build_seal_page(b, PST_AMAP_AT + PST_PAGE_SIZE, PST_PAGE_PMAP, PST_AMAP_AT + PST_PAGE_SIZE);
    pst_put64(b->p + 200, clear * 64);
}

static inline void build_seal_header(struct build *b)
{
    pst_put32(b->p + 4, pst_crc(0, b->p + 8, PST_CRC_PARTIAL));
    pst_put32(b->p + 524, pst_crc(0, b->p + 8, PST_CRC_FULL));
}

/* B-trees, maps, header. */
static inline void build_end(struct build *b)
{
    uint8_t blocks[BUILD_BLOCKS * 24] = {0}, nodes[BUILD_NODES * 32] = {0}, *h = b->p;
    uint64_t nbt_bid, bbt_bid;
    if (b->at % PST_PAGE_SIZE) { /* the room up to the first page: a block that a node owns */
        uint8_t filler[512] = {0};
        uint64_t room = PST_PAGE_SIZE - b->at % PST_PAGE_SIZE;
        build_node(b, PST_NID(0x3FF, PST_NT_LTP), build_block(b, filler, room - PST_BLOCK_TRAILER, 0), 0, 0);
    }
    for (size_t i = 0; i < b->node_count; i++) {
        pst_put64(nodes + 32 * i, b->nodes[i].nid);
        pst_put64(nodes + 32 * i + 8, b->nodes[i].data);
        pst_put64(nodes + 32 * i + 16, b->nodes[i].sub);
        pst_put32(nodes + 32 * i + 24, b->nodes[i].parent);
    }
    for (size_t i = 0; i < b->block_count; i++) {
        const struct build_block *x = &b->blocks[i];
        pst_put64(blocks + 24 * i, x->bid);
        pst_put64(blocks + 24 * i + 8, x->ib);
        pst_put16(blocks + 24 * i + 16, (uint16_t)x->len);
        pst_put16(blocks + 24 * i + 18, (uint16_t)x->refs);
    }
    b->bbt = build_tree(b, PST_PAGE_BBT, blocks, b->block_count, 24, &bbt_bid);
    b->nbt = build_tree(b, PST_PAGE_NBT, nodes, b->node_count, 32, &nbt_bid);
    build_maps(b);
    memcpy(h, "!BDN", 4);
    pst_put16(h + 8, PST_CLIENT_PST);
    pst_put16(h + 10, 23);
    pst_put16(h + 12, 19);
    h[14] = h[15] = 1;
    pst_put64(h + 32, b->next_page);
    for (int i = 0; i < 32; i++)
        pst_put32(h + 44 + 4 * i, 0x20000);
    pst_put64(h + 184, BUILD_SIZE);
    pst_put64(h + 192, PST_AMAP_AT);
    pst_put64(h + 216, nbt_bid);
    pst_put64(h + 224, b->nbt);
    pst_put64(h + 232, bbt_bid);
    pst_put64(h + 240, b->bbt);
    h[248] = 2;
    h[512] = PST_SENTINEL;
    h[513] = (uint8_t)b->crypt;
    pst_put64(h + 516, b->next_bid);
    build_seal_header(b);
}

static inline void build_write(const struct build *b, size_t n)
{
    int fd = open(build_path(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq((int)write(fd, b->p, n), (int)n);
    close(fd);
}

/* ---- a whole store -------------------------------------------------------------------------------------------------------------------------- */

enum { BUILD_TOP = 0x8022, BUILD_FOLDER = 0x8042, BUILD_MESSAGE = 0x200024, BUILD_PASSWORD = 0x67FF };

static inline void build_folder(struct build *b, uint32_t nid, uint32_t parent, const char *name, const uint32_t *children, size_t child_count,
                                const uint32_t *messages, const uint32_t *flags, size_t message_count)
{
    uint32_t unread = 0;
    for (size_t i = 0; i < message_count; i++)
        unread += !(flags[i] & 1);
    const struct build_prop props[] = {{0x3001, PST_PT_STRING, 0, name, 0},
                                       {0x3602, PST_PT_INT32, (uint32_t)message_count, NULL, 0},
                                       {0x3603, PST_PT_INT32, unread, NULL, 0},
                                       {0x360A, PST_PT_BOOLEAN, child_count > 0, NULL, 0}};
    build_node(b, nid, build_pc(b, props, 4), 0, parent);
    build_node(b, nid + 11, build_table(b, children, child_count, 0, NULL), 0, 0);
    build_node(b, nid + 12, build_table(b, messages, message_count, 0x0E070003, flags), 0, 0);
    build_node(b, nid + 13, build_table(b, NULL, 0, 0, NULL), 0, 0);
}

static inline void build_names(struct build *b)
{
    static const char set[16] = {0x29, 3, 2, 0, 0, 0, 0, 0, (char)0xC0, 0, 0, 0, 0, 0, 0, 0x47};
    static const uint8_t entries[16] = {0x34, 0x12, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 5, 0, 1, 0};
    static const uint8_t strings[12] = {8, 0, 0, 0, 'K', 0, 'e', 0, 'y', 0, 's', 0};
    const struct build_prop props[] = {{1, PST_PT_INT32, 251, NULL, 0},
                                       {2, PST_PT_BINARY, 0, set, 16},
                                       {3, PST_PT_BINARY, 0, (const char *)entries, 16},
                                       {4, PST_PT_BINARY, 0, (const char *)strings, 12}};
    build_node(b, PST_NID_NAMES, build_pc(b, props, 4), 0, 0);
}

/* Store, names, root, the top folder and a folder "Letters" with `count` messages of nids BUILD_MESSAGE, + 32, ...; they are the caller's. */
static inline void build_store(struct build *b, uint32_t password, size_t count)
{
    char key[16] = "a store's key..", entry[24] = {0};
    uint32_t top = BUILD_TOP, folder = BUILD_FOLDER, messages[20], flags[20];
    memcpy(entry + 4, key, 16);
    pst_put32((uint8_t *)entry + 20, BUILD_TOP);
    const struct build_prop props[] = {{0x0FF9, PST_PT_BINARY, 0, key, 16},
                                       {0x35E0, PST_PT_BINARY, 0, entry, 24},
                                       {0x67FF, PST_PT_INT32, password, NULL, 0}};
    build_node(b, PST_NID_STORE, build_pc(b, props, 3), 0, 0);
    build_names(b);
    for (size_t i = 0; i < count; i++) {
        messages[i] = (uint32_t)(BUILD_MESSAGE + 32 * i);
        flags[i] = i & 1;
    }
    build_folder(b, PST_NID_ROOT, PST_NID_ROOT, "", &top, 1, NULL, NULL, 0);
    build_folder(b, BUILD_TOP, PST_NID_ROOT, "Top", &folder, 1, NULL, NULL, 0);
    build_folder(b, BUILD_FOLDER, BUILD_TOP, "Letters", NULL, 0, messages, flags, count);
}

static inline void build_message(struct build *b, size_t i, const char *subject)
{
    const struct build_prop props[] = {{0x001A, PST_PT_STRING, 0, "IPM.Note", 0},
                                       {0x0037, PST_PT_STRING, 0, subject, 0},
                                       {0x0E07, PST_PT_INT32, (uint32_t)(i & 1), NULL, 0}};
    struct build_node recipients = {PST_NID_RECIPIENTS, 0, 0, 0};
    uint64_t pc = build_pc(b, props, 3);
    recipients.data = build_table(b, NULL, 0, 0, NULL);
    build_node(b, (uint32_t)(BUILD_MESSAGE + 32 * i), pc, build_subnodes(b, &recipients, 1), BUILD_FOLDER);
}

#endif
