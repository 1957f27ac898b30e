/* The map of named properties: node 0x61. */
#include <stdlib.h>
#include <string.h>

#include "archive/pst/bytes.h"
#include "archive/pst/ltp.h"
#include "cli.h"

enum { ENTRY = 8, MAX_ENTRIES = 0x8000, MAX_STRINGS = 4 << 20, FIRST_ID = 0x8000, FIRST_SET = 3 };

/* MS-PST 2.4.7: the two sets that have no place in the stream. */
static const uint8_t set_mapi[16] = {0x28, 0x03, 0x02, 0x00, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};
static const uint8_t set_public[16] = {0x29, 0x03, 0x02, 0x00, 0, 0, 0, 0, 0xC0, 0, 0, 0, 0, 0, 0, 0x46};

static uint8_t *stream(struct pst_pc *pc, uint16_t id, size_t max, size_t *len)
{
    const struct pst_prop *x = pst_pc_find(pc, id);
    uint64_t size = 0;
    uint8_t *data = NULL;
    *len = 0;
    if (!x || x->type != PST_PT_BINARY || pst_value_size(&pc->heap, x->value, &size) < 0)
        return NULL;
    size = size < max ? size : max;
    while (*len < size) { /* as much as is really there */
        size_t step = size - *len < 65536 ? (size_t)size - *len : 65536;
        data = cli_realloc(data, *len + step);
        int64_t got = pst_value_read(&pc->heap, x->value, *len, data + *len, step);
        if (got <= 0) {
            pst_tell_error(pc->heap.p, "names of properties");
            break;
        }
        *len += (size_t)got;
    }
    return data;
}

void pst_names_load(struct pst *p, struct pst_names *out)
{
    struct pst_node node;
    struct pst_pc pc;
    *out = (struct pst_names){0};
    int rc = pst_find_node(p, PST_NID_NAMES, &node);
    if (rc == 0)
        pst_set_error(p, 0, "node 0x%x is not there", PST_NID_NAMES);
    if (rc <= 0 || pst_pc_open(p, &node, &pc) < 0) {
        pst_tell_error(p, "names of properties");
        return;
    }
    out->sets = stream(&pc, 2, (size_t)MAX_ENTRIES * 16, &out->sets_len);
    out->entries = stream(&pc, 3, (size_t)MAX_ENTRIES * ENTRY, &out->entries_len);
    out->strings = stream(&pc, 4, MAX_STRINGS, &out->strings_len);
    pst_pc_close(&pc);
}

void pst_names_free(struct pst_names *n)
{
    free(n->sets);
    free(n->entries);
    free(n->strings);
    *n = (struct pst_names){0};
}

static const uint8_t *set_of(const struct pst_names *n, unsigned index)
{
    if (index == 1)
        return set_mapi;
    if (index == 2)
        return set_public;
    size_t at = index < FIRST_SET ? n->sets_len : (size_t)(index - FIRST_SET) * 16;
    return at + 16 <= n->sets_len ? n->sets + at : NULL;
}

static const uint8_t *string_of(const struct pst_names *n, uint32_t at, size_t *len)
{
    *len = 0;
    if (!n->strings || at > n->strings_len || n->strings_len - at < 4)
        return NULL;
    uint32_t size = pst_get32(n->strings + at);
    if (size > n->strings_len - at - 4)
        return NULL;
    *len = size;
    return n->strings + at + 4;
}

static int same_name(const uint8_t *wide, size_t len, const char *name)
{
    size_t i = 0;
    for (; name[i] && 2 * i + 1 < len; i++)
        if (wide[2 * i] != (uint8_t)name[i] || wide[2 * i + 1])
            return 0;
    return !name[i] && 2 * i == len;
}

uint16_t pst_names_find(const struct pst_names *n, const uint8_t set[16], uint32_t number, const char *name)
{
    for (size_t at = 0; n->entries && at + ENTRY <= n->entries_len; at += ENTRY) {
        const uint8_t *e = n->entries + at;
        unsigned w = pst_get16(e + 4), id = pst_get16(e + 6);
        size_t len;
        if ((w & 1) != (name != NULL) || id >= FIRST_ID || (!name && pst_get32(e) != number))
            continue;
        const uint8_t *its = set_of(n, w >> 1), *wide = name ? string_of(n, pst_get32(e), &len) : NULL;
        if (its && memcmp(its, set, 16) == 0 && (!name || (wide && same_name(wide, len, name))))
            return (uint16_t)(FIRST_ID + id);
    }
    return 0;
}

int pst_names_get(const struct pst_names *n, uint16_t id, uint8_t set[16], uint32_t *number, const uint8_t **name, size_t *len)
{
    *number = 0;
    *name = NULL;
    *len = 0;
    for (size_t at = 0; n->entries && id >= FIRST_ID && at + ENTRY <= n->entries_len; at += ENTRY) {
        const uint8_t *e = n->entries + at;
        unsigned w = pst_get16(e + 4);
        if (pst_get16(e + 6) != id - FIRST_ID)
            continue;
        const uint8_t *its = set_of(n, w >> 1);
        if (!its)
            return 0;
        memcpy(set, its, 16);
        if (w & 1)
            *name = string_of(n, pst_get32(e), len);
        else
            *number = pst_get32(e);
        return !(w & 1) || *name;
    }
    return 0;
}
