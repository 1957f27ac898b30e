/* A compound file (version 3) with the entries of one storage: header, allocation tables, directory, table of small streams, the small
 * streams, the others. All places are known from the sizes, so any piece of it can be made at any time. */
#include <stdlib.h>
#include <string.h>

#include "archive/msg/own.h"
#include "cli.h"

enum { SECTOR = 512, MINI = 64, CUTOFF = 4096, PER_SECTOR = SECTOR / 4, ENTRY = 128, HEADER_FATS = 109, ENTRIES_MAX = 20000, DEPTH_MAX = 64 };
#define FREE    0xffffffffu
#define END     0xfffffffeu
#define FAT     0xfffffffdu
#define DIFAT   0xfffffffcu

struct item {
    uint32_t entry;      /* in the file that is read; CFB_NONE: the root */
    uint32_t child, right;
    uint64_t size;
    uint32_t start;      /* sector, or small sector */
    int is_storage;
};

struct cfb_copy {
    const struct cfb *c;
    struct item *items;
    size_t count, cap;
    int broken;              /* too many entries, or too large */
    uint32_t fats, difats, dirs, mini_fats, minis; /* sectors of each kind */
    uint32_t mini_units;     /* small sectors in use */
    uint32_t sectors;
    struct cfb_place place;
    uint32_t place_of;
};

/* ---- layout ------------------------------------------------------------------------------------------------------------------------------- */

static uint32_t add_item(struct cfb_copy *k, uint32_t entry, int is_storage)
{
    if (k->count == ENTRIES_MAX) {
        k->broken = 1;
        return CFB_NONE;
    }
    if (k->count == k->cap) {
        k->cap = k->cap ? k->cap * 2 : 32;
        k->items = cli_realloc(k->items, k->cap * sizeof *k->items);
    }
    k->items[k->count] = (struct item){.entry = entry, .child = FREE, .right = FREE, .start = END, .is_storage = is_storage};
    if (!is_storage)
        k->items[k->count].size = cfb_size(k->c, entry);
    return (uint32_t)k->count++;
}

/* Children hang to the right of one another: a tree without balance, in the order they have. */
static void add_children(struct cfb_copy *k, uint32_t storage, uint32_t item, int depth)
{
    uint32_t last = CFB_NONE;
    if (depth > DEPTH_MAX) {
        k->broken = 1;
        return;
    }
    for (uint32_t e = cfb_first(k->c, storage); e != CFB_NONE && !k->broken; e = cfb_next(k->c, e)) {
        uint32_t i = add_item(k, e, cfb_is_storage(k->c, e));
        if (i == CFB_NONE)
            return;
        if (last == CFB_NONE)
            k->items[item].child = i;
        else
            k->items[last].right = i;
        last = i;
        if (k->items[i].is_storage)
            add_children(k, e, i, depth + 1);
    }
}

static uint32_t parts(uint64_t size, uint32_t each)
{
    return (uint32_t)((size + each - 1) / each);
}

static int is_small(const struct item *i)
{
    return !i->is_storage && i->size > 0 && i->size < CUTOFF;
}

static void lay_out(struct cfb_copy *k)
{
    uint64_t big = 0;
    for (size_t i = 0; i < k->count; i++) {
        struct item *it = &k->items[i];
        if (is_small(it)) {
            it->start = k->mini_units;
            k->mini_units += parts(it->size, MINI);
        } else if (!it->is_storage) {
            big += parts(it->size, SECTOR);
        }
    }
    k->dirs = parts((uint64_t)k->count * ENTRY, SECTOR);
    k->mini_fats = parts((uint64_t)k->mini_units * 4, SECTOR);
    k->minis = parts((uint64_t)k->mini_units * MINI, SECTOR);
    uint64_t all, fats = 1, difats = 0;
    for (;;) { /* the tables describe themselves too */
        all = k->dirs + k->mini_fats + k->minis + big + fats + difats;
        uint64_t need = (all + PER_SECTOR - 1) / PER_SECTOR;
        uint64_t lists = need > HEADER_FATS ? (need - HEADER_FATS + PER_SECTOR - 2) / (PER_SECTOR - 1) : 0;
        if (need == fats && lists == difats)
            break;
        fats = need > fats ? need : fats + (need != fats);
        difats = lists;
    }
    k->broken |= all > 0x3fffff; /* 2 GB */
    k->fats = (uint32_t)fats;
    k->difats = (uint32_t)difats;
    k->sectors = (uint32_t)all;
    uint32_t at = k->fats + k->difats + k->dirs + k->mini_fats + k->minis;
    for (size_t i = 0; i < k->count; i++) {
        struct item *it = &k->items[i];
        if (!it->is_storage && it->size >= CUTOFF) {
            it->start = at;
            at += parts(it->size, SECTOR);
        }
    }
}

struct cfb_copy *cfb_copy_new(const struct cfb *c, uint32_t storage)
{
    struct cfb_copy *k = cli_malloc(sizeof *k);
    *k = (struct cfb_copy){.c = c, .place_of = CFB_NONE};
    add_item(k, CFB_NONE, 1);
    add_children(k, storage, 0, 0);
    if (!k->broken)
        lay_out(k);
    return k;
}

void cfb_copy_free(struct cfb_copy **k)
{
    if (*k)
        free((*k)->items);
    free(*k);
    *k = NULL;
}

uint64_t cfb_copy_size(const struct cfb_copy *k)
{
    return k->broken ? 0 : (uint64_t)SECTOR * (1 + k->sectors);
}

/* ---- sectors ------------------------------------------------------------------------------------------------------------------------------ */

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v);
    put16(p + 2, v >> 16);
}

/* First sectors: tables, then their lists, directory, table of the small ones, small ones, others. */
static uint32_t difat_at(const struct cfb_copy *k)
{
    return k->fats;
}

static uint32_t dir_at(const struct cfb_copy *k)
{
    return difat_at(k) + k->difats;
}

static uint32_t mini_fat_at(const struct cfb_copy *k)
{
    return dir_at(k) + k->dirs;
}

static uint32_t mini_at(const struct cfb_copy *k)
{
    return mini_fat_at(k) + k->mini_fats;
}

static void make_header(const struct cfb_copy *k, uint8_t *b)
{
    static const uint8_t magic[8] = {0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1};
    memset(b, 0, SECTOR);
    memcpy(b, magic, sizeof magic);
    put16(b + 24, 0x3e);
    put16(b + 26, 3);
    put16(b + 28, 0xfffe);
    put16(b + 30, 9);
    put16(b + 32, 6);
    put32(b + 44, k->fats);
    put32(b + 48, dir_at(k));
    put32(b + 56, CUTOFF);
    put32(b + 60, k->mini_fats ? mini_fat_at(k) : END);
    put32(b + 64, k->mini_fats);
    put32(b + 68, k->difats ? difat_at(k) : END);
    put32(b + 72, k->difats);
    for (uint32_t i = 0; i < HEADER_FATS; i++)
        put32(b + 76 + 4 * (size_t)i, i < k->fats ? i : FREE);
}

/* The item whose sectors hold this one; NULL: none. Items of that kind start in ascending order. */
static const struct item *item_at(const struct cfb_copy *k, uint32_t sector, int small)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct item *it = &k->items[i];
        if (it->is_storage || it->size == 0 || is_small(it) != small)
            continue;
        if (sector >= it->start && sector - it->start < parts(it->size, small ? MINI : SECTOR))
            return it;
    }
    return NULL;
}

/* What the table says of a sector in a run that begins at `first`. */
static uint32_t next_in(uint32_t sector, uint32_t first, uint32_t count)
{
    return sector + 1 < first + count ? sector + 1 : END;
}

static uint32_t fat_of(const struct cfb_copy *k, uint32_t s, const struct item **hint)
{
    if (s >= k->sectors)
        return FREE;
    if (s < k->fats)
        return FAT;
    if (s < dir_at(k))
        return DIFAT;
    if (s < mini_fat_at(k))
        return next_in(s, dir_at(k), k->dirs);
    if (s < mini_at(k))
        return next_in(s, mini_fat_at(k), k->mini_fats);
    if (s < mini_at(k) + k->minis)
        return next_in(s, mini_at(k), k->minis);
    if (!*hint || s < (*hint)->start || s - (*hint)->start >= parts((*hint)->size, SECTOR))
        *hint = item_at(k, s, 0);
    return *hint ? next_in(s, (*hint)->start, parts((*hint)->size, SECTOR)) : FREE;
}

static uint32_t mini_fat_of(const struct cfb_copy *k, uint32_t s, const struct item **hint)
{
    if (s >= k->mini_units)
        return FREE;
    if (!*hint || s < (*hint)->start || s - (*hint)->start >= parts((*hint)->size, MINI))
        *hint = item_at(k, s, 1);
    return *hint ? next_in(s, (*hint)->start, parts((*hint)->size, MINI)) : FREE;
}

static void make_entry(const struct cfb_copy *k, size_t i, uint8_t *b)
{
    memset(b, 0, ENTRY);
    put32(b + 68, FREE);
    put32(b + 72, FREE);
    put32(b + 76, FREE);
    if (i >= k->count)
        return;
    const struct item *it = &k->items[i];
    const char *name = i ? cfb_name(k->c, it->entry) : "Root Entry";
    size_t len = strlen(name);
    for (size_t n = 0; n < len; n++)
        b[2 * n] = (uint8_t)name[n];
    put16(b + 64, (uint32_t)(2 * len + 2));
    b[66] = i == 0 ? 5 : it->is_storage ? 1 : 2;
    b[67] = 1;
    put32(b + 72, it->right);
    put32(b + 76, it->child);
    put32(b + 116, i == 0 && k->minis ? mini_at(k) : it->is_storage ? (i ? 0 : END) : it->start);
    put32(b + 120, i == 0 ? k->mini_units * MINI : (uint32_t)it->size);
}

static int stream_piece(struct cfb_copy *k, const struct item *it, uint64_t offset, uint8_t *b, size_t n)
{
    if (k->place_of != it->entry)
        k->place = (struct cfb_place){0};
    k->place_of = it->entry;
    return cfb_read(k->c, it->entry, &k->place, offset, b, n) < 0 ? -1 : 0;
}

static int make_sector(struct cfb_copy *k, uint32_t s, uint8_t *b)
{
    const struct item *hint = NULL;
    memset(b, 0, SECTOR);
    if (s < k->fats) {
        for (uint32_t i = 0; i < PER_SECTOR; i++)
            put32(b + 4 * (size_t)i, fat_of(k, s * PER_SECTOR + i, &hint));
    } else if (s < dir_at(k)) {
        uint32_t list = s - difat_at(k), first = HEADER_FATS + list * (PER_SECTOR - 1);
        for (uint32_t i = 0; i + 1 < PER_SECTOR; i++)
            put32(b + 4 * (size_t)i, first + i < k->fats ? first + i : FREE);
        put32(b + SECTOR - 4, list + 1 < k->difats ? s + 1 : END);
    } else if (s < mini_fat_at(k)) {
        for (size_t i = 0; i < SECTOR / ENTRY; i++)
            make_entry(k, (size_t)(s - dir_at(k)) * (SECTOR / ENTRY) + i, b + i * ENTRY);
    } else if (s < mini_at(k)) {
        for (uint32_t i = 0; i < PER_SECTOR; i++)
            put32(b + 4 * (size_t)i, mini_fat_of(k, (s - mini_fat_at(k)) * PER_SECTOR + i, &hint));
    } else if (s < mini_at(k) + k->minis) {
        for (uint32_t i = 0; i < SECTOR / MINI; i++) {
            uint32_t unit = (s - mini_at(k)) * (SECTOR / MINI) + i;
            const struct item *it = item_at(k, unit, 1);
            if (it && stream_piece(k, it, (uint64_t)(unit - it->start) * MINI, b + (size_t)i * MINI, MINI) != 0)
                return -1;
        }
    } else {
        const struct item *it = item_at(k, s, 0);
        return it ? stream_piece(k, it, (uint64_t)(s - it->start) * SECTOR, b, SECTOR) : 0;
    }
    return 0;
}

int64_t cfb_copy_read(struct cfb_copy *k, uint64_t offset, void *buf, size_t n)
{
    uint64_t size = cfb_copy_size(k);
    if (offset >= size)
        return 0;
    n = size - offset < n ? (size_t)(size - offset) : n;
    for (size_t done = 0; done < n;) {
        uint8_t b[SECTOR];
        uint64_t sector = (offset + done) / SECTOR;
        size_t from = (offset + done) % SECTOR, take = SECTOR - from < n - done ? SECTOR - from : n - done;
        if (sector == 0)
            make_header(k, b);
        else if (make_sector(k, (uint32_t)sector - 1, b) != 0)
            return -1;
        memcpy((char *)buf + done, b + from, take);
        done += take;
    }
    return (int64_t)n;
}
