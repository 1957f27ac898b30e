#include "archive/msg/cfb.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"

enum { HEADER = 512, ENTRY = 128, MINI_SHIFT = 6, HEADER_FATS = 109, ENTRIES_MAX = 2000000, NAME_UNITS = 32 };
enum { TYPE_NONE = 0, TYPE_STORAGE = 1, TYPE_STREAM = 2, TYPE_ROOT = 5 };
#define SECTOR_MAX 0xfffffffau /* above: end of chain, free and so on */

struct entry {
    uint64_t size;
    uint32_t left, right, child, start;
    uint32_t first, next; /* of the lists made from the tree */
    char name[NAME_UNITS];
    uint8_t type, listed;
};

struct cfb {
    int fd;
    uint64_t file_size;
    unsigned shift; /* of sectors */
    uint32_t sectors;
    uint32_t *fat, fat_count;
    uint32_t *mini_fat, mini_count;
    uint32_t *mini_sectors, mini_sector_count; /* of the stream that holds the small ones */
    uint32_t cutoff;
    struct entry *entries;
    uint32_t entry_count;
    char *error;
    size_t error_size;
};

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static unsigned get16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static int fail(struct cfb *c, const char *what)
{
    snprintf(c->error, c->error_size, "%s", what);
    return -1;
}

static int read_at(const struct cfb *c, uint64_t offset, void *buf, size_t n)
{
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(c->fd, (char *)buf + done, n - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

/* A sector that the file's end cuts is filled with zeros, as writers that leave the last one short mean it. */
static int read_sector(const struct cfb *c, uint32_t sector, size_t from, void *buf, size_t n)
{
    uint64_t at = (((uint64_t)sector + 1) << c->shift) + from;
    if (sector >= c->sectors)
        return -1;
    size_t have = at >= c->file_size ? 0 : c->file_size - at < n ? (size_t)(c->file_size - at) : n;
    memset((char *)buf + have, 0, n - have);
    return read_at(c, at, buf, have);
}

/* ---- allocation tables -------------------------------------------------------------------------------------------------------------------- */

static size_t per_sector(const struct cfb *c)
{
    return (size_t)1 << (c->shift - 2);
}

static int add_fat(struct cfb *c, uint32_t sector)
{
    uint8_t buf[4096];
    size_t n = per_sector(c);
    if (c->fat_count >= c->sectors + n)
        return 0; /* it covers the file already */
    if (read_sector(c, sector, 0, buf, n * 4) != 0)
        return -1;
    c->fat = cli_realloc(c->fat, (c->fat_count + n) * sizeof *c->fat);
    for (size_t i = 0; i < n; i++)
        c->fat[c->fat_count++] = get32(buf + i * 4);
    return 0;
}

/* The table's own sectors: 109 in the header, more in a chain of sectors whose last number leads on. */
static int load_fat(struct cfb *c, const uint8_t *header)
{
    uint8_t buf[4096];
    uint32_t left = get32(header + 44), next = get32(header + 68), steps = 0;
    for (size_t i = 0; i < HEADER_FATS && left; i++, left--) {
        uint32_t s = get32(header + 76 + i * 4);
        if (s < SECTOR_MAX && add_fat(c, s) != 0)
            return fail(c, "its allocation table lies outside of it");
    }
    while (left && next < SECTOR_MAX) {
        if (steps++ > c->sectors || read_sector(c, next, 0, buf, (size_t)1 << c->shift) != 0)
            return fail(c, "its list of allocation tables is broken");
        for (size_t i = 0; i + 1 < per_sector(c) && left; i++, left--) {
            uint32_t s = get32(buf + i * 4);
            if (s < SECTOR_MAX && add_fat(c, s) != 0)
                return fail(c, "its allocation table lies outside of it");
        }
        next = get32(buf + (per_sector(c) - 1) * 4);
    }
    return 0;
}

static uint32_t fat_next(const struct cfb *c, uint32_t sector)
{
    uint32_t next = sector < c->fat_count ? c->fat[sector] : CFB_NONE;
    return next < SECTOR_MAX && next < c->sectors ? next : CFB_NONE;
}

/* The sectors of a chain, at most `most`. */
static uint32_t *chain(const struct cfb *c, uint32_t start, uint32_t most, uint32_t *count)
{
    uint32_t *out = NULL, cap = 0;
    *count = 0;
    for (uint32_t s = start < c->sectors ? start : CFB_NONE; s != CFB_NONE && *count < most; s = fat_next(c, s)) {
        if (*count == cap) {
            cap = cap ? cap * 2 : 64;
            out = cli_realloc(out, cap * sizeof *out);
        }
        out[(*count)++] = s;
    }
    return out;
}

static void load_mini_fat(struct cfb *c, const uint8_t *header)
{
    uint32_t count, most = get32(header + 64);
    uint32_t *sectors = chain(c, get32(header + 60), most < c->sectors ? most : c->sectors, &count);
    uint8_t buf[4096];
    c->mini_fat = cli_malloc(((size_t)count * per_sector(c) + 1) * sizeof *c->mini_fat);
    for (uint32_t i = 0; i < count && read_sector(c, sectors[i], 0, buf, (size_t)1 << c->shift) == 0; i++) {
        for (size_t k = 0; k < per_sector(c); k++)
            c->mini_fat[c->mini_count++] = get32(buf + k * 4);
    }
    free(sectors);
}

/* ---- directory ---------------------------------------------------------------------------------------------------------------------------- */

static void decode_entry(const struct cfb *c, const uint8_t *p, struct entry *e)
{
    unsigned len = get16(p + 64);
    *e = (struct entry){.type = p[66], .left = get32(p + 68), .right = get32(p + 72), .child = get32(p + 76), .start = get32(p + 116)};
    e->first = e->next = CFB_NONE;
    e->size = get32(p + 120) | (c->shift == 9 ? 0 : (uint64_t)get32(p + 124) << 32);
    unsigned units = len >= 2 && len <= 2 * NAME_UNITS ? len / 2 - 1 : 0;
    for (unsigned i = 0; i < units; i++) {
        unsigned u = get16(p + 2 * i);
        e->name[i] = u > 0x20 && u < 0x7f ? (char)u : u == 0x20 ? ' ' : '?';
    }
}

static int load_directory(struct cfb *c, uint32_t start)
{
    uint32_t count, each = (uint32_t)1 << (c->shift - 7);
    uint32_t *sectors = chain(c, start, ENTRIES_MAX / each, &count);
    uint8_t buf[4096];
    c->entries = cli_malloc(((size_t)count * each + 1) * sizeof *c->entries);
    for (uint32_t i = 0; i < count && read_sector(c, sectors[i], 0, buf, (size_t)1 << c->shift) == 0; i++) {
        for (uint32_t k = 0; k < each; k++)
            decode_entry(c, buf + (size_t)k * ENTRY, &c->entries[c->entry_count++]);
    }
    free(sectors);
    if (c->entry_count == 0 || c->entries[0].type != TYPE_ROOT)
        return fail(c, "it has no directory");
    return 0;
}

struct stack {
    uint32_t *items;
    size_t count, cap;
};

static void push(struct stack *s, uint32_t v)
{
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->items = cli_realloc(s->items, s->cap * sizeof *s->items);
    }
    s->items[s->count++] = v;
}

/* The children of one storage from their tree into a list, in order. Each entry is listed once in the whole file, so no circle ends the
 * walk too late. Storages found are pushed to `storages`. */
static void list_children(struct cfb *c, uint32_t storage, struct stack *way, struct stack *storages)
{
    uint32_t *tail = &c->entries[storage].first, at = c->entries[storage].child;
    way->count = 0;
    while (at < c->entry_count || way->count) {
        while (at < c->entry_count && !c->entries[at].listed && at != CFB_ROOT) {
            c->entries[at].listed = 1;
            push(way, at);
            at = c->entries[at].left;
        }
        if (!way->count)
            return;
        uint32_t e = way->items[--way->count];
        if (c->entries[e].type == TYPE_STORAGE || c->entries[e].type == TYPE_STREAM) {
            *tail = e;
            tail = &c->entries[e].next;
            if (c->entries[e].type == TYPE_STORAGE)
                push(storages, e);
        }
        at = c->entries[e].right;
    }
}

static void list_all(struct cfb *c)
{
    struct stack way = {0}, storages = {0};
    push(&storages, CFB_ROOT);
    for (size_t i = 0; i < storages.count; i++)
        list_children(c, storages.items[i], &way, &storages);
    free(way.items);
    free(storages.items);
}

/* ---- opening ------------------------------------------------------------------------------------------------------------------------------- */

static int load(struct cfb *c)
{
    static const uint8_t magic[8] = {0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1};
    uint8_t header[HEADER];
    struct stat st;
    if (fstat(c->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return fail(c, "not a file");
    c->file_size = (uint64_t)st.st_size;
    if (c->file_size < HEADER || read_at(c, 0, header, HEADER) != 0 || memcmp(header, magic, sizeof magic) != 0)
        return fail(c, "not a compound file");
    unsigned version = get16(header + 26);
    c->shift = get16(header + 30);
    c->cutoff = get32(header + 56);
    if (get16(header + 28) != 0xfffe || (version != 3 && version != 4) || (c->shift != 9 && c->shift != 12) || get16(header + 32) != MINI_SHIFT ||
        c->cutoff != 4096)
        return fail(c, "a compound file of an unknown version");
    uint64_t sectors = (c->file_size + ((uint64_t)1 << c->shift) - 1) >> c->shift;
    if (sectors > SECTOR_MAX)
        return fail(c, "too large for a compound file");
    c->sectors = sectors ? (uint32_t)sectors - 1 : 0;
    if (load_fat(c, header) != 0 || load_directory(c, get32(header + 48)) != 0)
        return -1;
    load_mini_fat(c, header);
    c->mini_sectors = chain(c, c->entries[CFB_ROOT].start, c->sectors, &c->mini_sector_count);
    list_all(c);
    return 0;
}

struct cfb *cfb_open(int fd, char *error, size_t error_size)
{
    struct cfb *c = cli_malloc(sizeof *c);
    *c = (struct cfb){.fd = fd, .error = error, .error_size = error_size};
    error[0] = 0;
    if (load(c) != 0)
        cfb_close(&c);
    return c;
}

void cfb_close(struct cfb **c)
{
    if (!*c)
        return;
    free((*c)->fat);
    free((*c)->mini_fat);
    free((*c)->mini_sectors);
    free((*c)->entries);
    free(*c);
    *c = NULL;
}

/* ---- entries ------------------------------------------------------------------------------------------------------------------------------- */

uint32_t cfb_first(const struct cfb *c, uint32_t storage)
{
    return storage < c->entry_count ? c->entries[storage].first : CFB_NONE;
}

uint32_t cfb_next(const struct cfb *c, uint32_t entry)
{
    return entry < c->entry_count ? c->entries[entry].next : CFB_NONE;
}

const char *cfb_name(const struct cfb *c, uint32_t entry)
{
    return entry < c->entry_count ? c->entries[entry].name : "";
}

int cfb_is_storage(const struct cfb *c, uint32_t entry)
{
    return entry < c->entry_count && c->entries[entry].type != TYPE_STREAM;
}

uint64_t cfb_size(const struct cfb *c, uint32_t entry)
{
    uint64_t size = entry < c->entry_count && c->entries[entry].type == TYPE_STREAM ? c->entries[entry].size : 0;
    return size < c->file_size ? size : c->file_size;
}

uint32_t cfb_find(const struct cfb *c, uint32_t storage, const char *name)
{
    uint32_t e = cfb_first(c, storage);
    while (e != CFB_NONE && strcmp(cfb_name(c, e), name) != 0)
        e = cfb_next(c, e);
    return e;
}

/* ---- streams ------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t mini_next(const struct cfb *c, uint32_t s)
{
    return s < c->mini_count && c->mini_fat[s] < SECTOR_MAX ? c->mini_fat[s] : CFB_NONE;
}

/* A piece within one sector, small or not. */
static int read_piece(const struct cfb *c, int mini, uint32_t sector, size_t from, void *buf, size_t n)
{
    if (!mini)
        return read_sector(c, sector, from, buf, n);
    uint64_t at = ((uint64_t)sector << MINI_SHIFT) + from;
    uint64_t index = at >> c->shift;
    if (index >= c->mini_sector_count)
        return -1;
    return read_sector(c, c->mini_sectors[index], (size_t)(at & (((uint64_t)1 << c->shift) - 1)), buf, n);
}

int64_t cfb_read(const struct cfb *c, uint32_t entry, struct cfb_place *place, uint64_t offset, void *buf, size_t n)
{
    uint64_t size = cfb_size(c, entry);
    if (offset >= size)
        return 0;
    n = size - offset < n ? (size_t)(size - offset) : n;
    int mini = size < c->cutoff;
    unsigned shift = mini ? MINI_SHIFT : c->shift;
    uint64_t want = offset >> shift;
    if (!place->valid || place->index > want)
        *place = (struct cfb_place){.sector = c->entries[entry].start, .valid = 1};
    for (size_t done = 0; done < n;) {
        while (place->index < want && place->sector != CFB_NONE) {
            place->sector = mini ? mini_next(c, place->sector) : fat_next(c, place->sector);
            place->index++;
        }
        size_t from = (size_t)((offset + done) & (((uint64_t)1 << shift) - 1)), room = ((size_t)1 << shift) - from;
        size_t take = n - done < room ? n - done : room;
        if (place->sector == CFB_NONE || read_piece(c, mini, place->sector, from, (char *)buf + done, take) != 0) {
            place->valid = 0;
            return -1;
        }
        done += take;
        want++;
    }
    return (int64_t)n;
}
