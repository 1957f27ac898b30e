/* The file: header, problems, raw reads. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "archive/pst/bytes.h"
#include "archive/pst/cache.h"
#include "archive/pst/code.h"
#include "archive/pst/ndb.h"
#include "cli.h"

static const struct pst_shape shapes[] = {
    {.kind = PST_ANSI, .name = "ANSI", .page = 512, .body = 500, .meta = 496, .id = 4, .inner = 12, .node = 16, .block = 12, .trailer = 12,
     .payload = 8180, .slot = 64, .dlist_at = PST_DLIST_AT, .amap_at = PST_AMAP_AT, .amap_from = 4, .amap_bytes = PST_AMAP_BYTES,
     .amap_span = PST_AMAP_SPAN, .hid_index_bits = 11, .sub_header = 4},
    {.kind = PST_UNICODE, .name = "Unicode", .page = 512, .body = 496, .meta = 488, .id = 8, .inner = 24, .node = 32, .block = 24, .trailer = 16,
     .payload = PST_BLOCK_MAX, .slot = PST_SLOT, .dlist_at = PST_DLIST_AT, .amap_at = PST_AMAP_AT, .amap_from = 0, .amap_bytes = PST_AMAP_BYTES,
     .amap_span = PST_AMAP_SPAN, .hid_index_bits = 11, .sub_header = 8},
    {.kind = PST_BIG, .name = "Unicode with 4 KiB pages", .page = 4096, .body = 4072, .meta = 4056, .id = 8, .inner = 24, .node = 32, .block = 24,
     .trailer = 24, .payload = 65512, .slot = 512, .dlist_at = 0x21000, .amap_at = 0x22000, .amap_from = 0, .amap_bytes = 4072,
     .amap_span = 0xFE8000, .hid_index_bits = 14, .sub_header = 8},
};

/* ---- errors and problems ----------------------------------------------------------------------------------------------------------- */

const char *pst_error(const struct pst *p)
{
    return p->error;
}

uint64_t pst_error_at(const struct pst *p)
{
    return p->error_at;
}

void pst_set_error(struct pst *p, uint64_t offset, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->error, sizeof p->error, fmt, ap);
    va_end(ap);
    p->error_at = offset;
}

static int was_told(struct pst *p, uint64_t offset, const char *text)
{
    uint64_t key = offset * 0x9E3779B97F4A7C15u;
    for (; *text; text++)
        key = (key ^ (uint8_t)*text) * 0x100000001B3u;
    uint64_t *slot = &p->told[key >> 56];
    int told = *slot == key;
    *slot = key;
    return told;
}

void pst_tell(struct pst *p, int severity, uint64_t offset, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    if (!p->problem)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (!was_told(p, offset, text))
        p->problem(p->problem_arg, severity, offset, text);
}

void pst_tell_error(struct pst *p, const char *fmt, ...)
{
    char what[200];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    pst_tell(p, PST_DAMAGE, p->error_at, "%s: %s", what, p->error);
}

void pst_miss(struct pst *p, uint64_t offset, const char *fmt, ...)
{
    va_list ap;
    if (*p->missing)
        return;
    va_start(ap, fmt);
    vsnprintf(p->missing, sizeof p->missing, fmt, ap);
    va_end(ap);
    p->missing_at = offset;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------------------------- */

int pst_pread(struct pst *p, uint64_t offset, void *buf, size_t n)
{
    if (offset > p->size || n > p->size - offset)
        return pst_fail(p, offset, "the file ends before it");
    for (size_t got = 0; got < n;) {
        ssize_t k = pread(p->fd, (uint8_t *)buf + got, n - got, (off_t)(offset + got));
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return pst_fail(p, offset, "%s", k < 0 ? strerror(errno) : "the file has become shorter");
        got += (size_t)k;
    }
    return 0;
}

uint64_t pst_id(const struct pst *p, const uint8_t *q)
{
    return p->shape->id == 4 ? pst_get32(q) : pst_get64(q);
}

/* ---- the header -------------------------------------------------------------------------------------------------------------------- */

static struct pst_ref ref_of(const struct pst *p, const uint8_t *q)
{
    return (struct pst_ref){pst_id(p, q), pst_id(p, q + p->shape->id)};
}

static void decode_ansi(struct pst *p, const uint8_t *h)
{
    struct pst_header *out = &p->header;
    out->next_block = pst_get32(h + 24);
    out->next_page = pst_get32(h + 28);
    for (int i = 0; i < 32; i++)
        out->nids[i] = pst_get32(h + 36 + 4 * i);
    out->eof = pst_get32(h + 168);
    out->amap_last = pst_get32(h + 172);
    out->amap_free = pst_get32(h + 176);
    out->nbt = ref_of(p, h + 184);
    out->bbt = ref_of(p, h + 192);
    out->amap_valid = h[200];
    out->crypt = h[461];
}

static void decode_unicode(struct pst *p, const uint8_t *h)
{
    struct pst_header *out = &p->header;
    out->next_page = pst_get64(h + 32);
    for (int i = 0; i < 32; i++)
        out->nids[i] = pst_get32(h + 44 + 4 * i);
    out->eof = pst_get64(h + 184);
    out->amap_last = pst_get64(h + 192);
    out->amap_free = pst_get64(h + 200);
    out->nbt = ref_of(p, h + 216);
    out->bbt = ref_of(p, h + 232);
    out->amap_valid = h[248];
    out->crypt = h[513];
    out->next_block = pst_get64(h + 516);
}

static const struct pst_shape *shape_of(unsigned version)
{
    if (version == 14 || version == 15)
        return &shapes[PST_ANSI];
    if (version == 36)
        return &shapes[PST_BIG];
    return version >= 20 && version <= 23 ? &shapes[PST_UNICODE] : NULL;
}

static void check_header(struct pst *p, const uint8_t *h)
{
    int ansi = p->shape->kind == PST_ANSI;
    if (pst_crc(0, h + 8, PST_CRC_PARTIAL) != pst_get32(h + 4))
        pst_tell(p, PST_DAMAGE, 4, "the header's first checksum is wrong");
    if (!ansi && pst_crc(0, h + 8, PST_CRC_FULL) != pst_get32(h + 524))
        pst_tell(p, PST_DAMAGE, 524, "the header's second checksum is wrong");
    if (h[ansi ? 460 : 512] != PST_SENTINEL)
        pst_tell(p, PST_DAMAGE, ansi ? 460 : 512, "the header's sentinel is not 0x80");
    if (p->header.eof != p->size)
        pst_tell(p, PST_DAMAGE, ansi ? 168 : 184, "the header says the file has %llu bytes, it has %llu", (unsigned long long)p->header.eof,
                 (unsigned long long)p->size);
    if (p->header.eof > p->size)
        pst_miss(p, p->size, "the file is cut off: it had %llu bytes", (unsigned long long)p->header.eof);
}

static int read_header(struct pst *p)
{
    uint8_t h[PST_HEADER_SIZE];
    if (p->size < sizeof h || pst_pread(p, 0, h, sizeof h) < 0)
        return p->size < sizeof h ? pst_fail(p, 0, "the file is too short for a PST file") : -1;
    if (pst_get32(h) != PST_MAGIC)
        return pst_fail(p, 0, "not a PST file");
    p->header.client = pst_get16(h + 8);
    p->header.version = pst_get16(h + 10);
    if (p->header.client != PST_CLIENT_PST && p->header.client != PST_CLIENT_OST)
        return pst_fail(p, 8, "an Outlook file of another kind (client 0x%04x)", p->header.client);
    p->shape = shape_of(p->header.version);
    if (!p->shape)
        return pst_fail(p, 10, p->header.version == 37 ? "protected by Windows Information Protection (version 37)" : "version %u is not known",
                        p->header.version);
    if (p->shape->kind == PST_ANSI)
        decode_ansi(p, h);
    else
        decode_unicode(p, h);
    if (p->header.crypt > PST_CRYPT_CYCLIC)
        return pst_fail(p, p->shape->kind == PST_ANSI ? 461 : 513,
                        p->header.crypt == 0x10 ? "protected by Windows Information Protection" : "encoding %u is not known", p->header.crypt);
    check_header(p, h);
    return 0;
}

static int open_file(struct pst *p, const char *path)
{
    struct stat st;
    if (strcmp(path, "-") == 0)
        return pst_fail(p, 0, "cannot be read from a pipe: name a file");
    p->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (p->fd < 0 || fstat(p->fd, &st) < 0)
        return pst_fail(p, 0, "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return pst_fail(p, 0, "not a regular file, as an Outlook file must be");
    p->size = (uint64_t)st.st_size;
    return 0;
}

int pst_open(const char *path, pst_problem_fn problem, void *arg, struct pst **out)
{
    struct pst *p = cli_malloc(sizeof *p);
    memset(p, 0, sizeof *p);
    p->shape = &shapes[PST_UNICODE];
    p->problem = problem;
    p->problem_arg = arg;
    p->cache = pst_cache_new();
    *out = p;
    return open_file(p, path) < 0 ? -1 : read_header(p);
}

void pst_close(struct pst **p)
{
    if (!*p)
        return;
    pst_cache_free(&(*p)->cache);
    if ((*p)->fd >= 0)
        close((*p)->fd);
    free(*p);
    *p = NULL;
}
