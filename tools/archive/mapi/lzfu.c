/* Compressed RTF: a header of 16 bytes (size of what follows it and 12 of its own bytes, size of the RTF, kind, checksum), then runs of
 * eight tokens behind a byte of flags, lowest bit first: a byte, or a reference of two bytes into a ring of 4096 that begins with RTF
 * that is likely. A reference to the place that is written next is the end. */
#include <string.h>
#include <zlib.h>

#include "archive/mapi/rtf.h"

#define RING 4096
#define HEADER 16
#define KIND_LZFU 0x75465a4cu
#define KIND_PLAIN 0x414c454du

static const char preset[] = "{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript "
                             "\\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n"
                             "\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

struct lzfu {
    struct flow f;
    uint8_t header[HEADER];
    size_t header_len;
    uint32_t kind, crc, expected_crc;
    uint64_t left, room; /* input that belongs to it; output that may come */
    uint8_t ring[RING];
    size_t at;
    int flags, bits;     /* flags left in this run */
    int first;           /* first byte of a reference; -1: none */
    int done;
};

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void start(struct lzfu *z)
{
    uint32_t size = get32(z->header);
    z->room = get32(z->header + 4);
    z->kind = get32(z->header + 8);
    z->expected_crc = get32(z->header + 12);
    z->left = size < HEADER - 4 ? 0 : size - (HEADER - 4);
    if (z->kind == KIND_PLAIN) {
        z->left = z->left < z->room ? z->left : z->room;
    } else if (z->kind != KIND_LZFU) {
        flow_fail(&z->f, "the RTF body is of an unknown kind");
        z->done = 1;
    }
    memcpy(z->ring, preset, sizeof preset - 1);
    memset(z->ring + sizeof preset - 1, ' ', RING - (sizeof preset - 1));
    z->at = sizeof preset - 1;
    z->crc = 0xffffffff;
    z->first = -1;
}

static void emit(struct lzfu *z, uint8_t c)
{
    if (z->room) {
        text_byte(&z->f.out, (char)c);
        z->room--;
    }
    z->ring[z->at] = c;
    z->at = (z->at + 1) % RING;
}

static void token_byte(struct lzfu *z, uint8_t c)
{
    if (z->first >= 0) {
        size_t ref = (size_t)z->first << 8 | c, from = ref >> 4, n = (ref & 15) + 2;
        z->first = -1;
        if (from == z->at)
            z->done = 1;
        for (size_t i = 0; i < n && !z->done; i++)
            emit(z, z->ring[(from + i) % RING]);
    } else if (z->bits == 0) {
        z->flags = c;
        z->bits = 8;
        return;
    } else if (z->flags & 1) {
        z->first = c;
        return;
    } else {
        emit(z, c);
    }
    z->flags >>= 1;
    z->bits--;
}

/* The checksum is of everything that belongs to it, also behind the end mark. */
static void finish(struct lzfu *z)
{
    if (z->header_len < HEADER || (z->left && !z->done && z->room)) /* some writers count a few bytes too many */
        flow_fail(&z->f, "the RTF body ends too soon");
    else if (z->kind == KIND_LZFU && z->left == 0 && (uint32_t)~z->crc != z->expected_crc)
        flow_fail(&z->f, "the checksum of the RTF body is wrong");
}

static int lzfu_step(struct flow *f)
{
    struct lzfu *z = (struct lzfu *)f;
    const uint8_t *p;
    size_t n = flow_next(f->before, &p), i = 0;
    if (n == 0) {
        finish(z);
        return 0;
    }
    while (z->header_len < HEADER && i < n) {
        z->header[z->header_len++] = p[i++];
        if (z->header_len == HEADER)
            start(z);
    }
    if (z->header_len < HEADER)
        return 1;
    size_t take = n - i < z->left ? n - i : (size_t)z->left;
    z->left -= take;
    if (z->kind == KIND_PLAIN) {
        text_add(&f->out, p + i, take);
        return 1;
    }
    z->crc = (uint32_t)crc32(z->crc, p + i, (unsigned)take);
    for (size_t end = i + take; i < end && !z->done; i++)
        token_byte(z, p[i]);
    return 1;
}

struct flow *flow_lzfu(struct flow *before)
{
    return flow_new(sizeof(struct lzfu), before, lzfu_step, NULL);
}
