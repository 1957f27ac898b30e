/* The map of named properties. */
#include <string.h>

#include "archive/mapi/props.h"
#include "archive/pst/bytes.h"
#include "archive/pst/code.h"
#include "archive/pst/own.h"
#include "archive/pst/write_store.h"

/* Numbers of property sets: 1 PS_MAPI, 2 PS_PUBLIC_STRINGS, then those of the list in the file. */
enum { PUBLIC = 2, COMMON = 3, HEADERS = 4, OWN = 5, BUCKETS = 251 };

/* Readers refuse files without any name by number, or without any by string. */
static const struct name {
    int set;
    uint32_t number;
    const char *string;
} names[] = {
    {COMMON, 0x8501, NULL}, {COMMON, 0x8502, NULL}, {COMMON, 0x8503, NULL}, {COMMON, 0x8506, NULL}, {COMMON, 0x8514, NULL},
    {COMMON, 0x8516, NULL}, {COMMON, 0x8517, NULL}, {COMMON, 0x8530, NULL}, {COMMON, 0x8580, NULL},
    {PUBLIC, 0, MAPI_NAME_KEYWORDS}, {HEADERS, 0, "content-class"},
    {OWN, 0, MAPI_NAME_ORIGINAL}, {OWN, 0, MAPI_NAME_ORIGINAL_HASH}, {OWN, 0, PST_OWN_UID}, {OWN, 0, PST_OWN_DATE}, {OWN, 0, PST_OWN_ZONE},
    {OWN, 0, PST_OWN_FLAGS}, {OWN, 0, PST_OWN_KEYWORDS}, {OWN, 0, PST_OWN_FOLDER}, {OWN, 0, PST_OWN_USE},
};
enum { NAMES = sizeof names / sizeof *names };
_Static_assert(PSTW_N_USE == 0x8000 + NAMES - 1, "ids are places in the list");

/* Appends the string's entry to the stream, and returns its hash. */
static uint32_t add_string(struct text *strings, const char *s)
{
    struct text wide = {0};
    uint8_t n[4];
    pstw_utf16(&wide, s, strlen(s));
    pst_put32(n, (uint32_t)wide.len);
    text_add(strings, n, sizeof n);
    text_add(strings, wide.data, wide.len);
    while (strings->len % 4)
        text_byte(strings, 0);
    uint32_t hash = pst_crc(0, wide.data, wide.len);
    text_release(&wide);
    return hash;
}

void pstw_write_names(struct pstw *w)
{
    struct pstw_object *o = pstw_object_new(w);
    struct text entries = {0}, strings = {0}, buckets[BUCKETS] = {{0}};
    struct pstw_node node;
    uint8_t guids[3 * 16], record[8];
    for (size_t i = 0; i < NAMES; i++) {
        uint32_t kind = (uint32_t)names[i].set << 1 | (names[i].string != NULL), v = names[i].number, at = (uint32_t)strings.len;
        if (names[i].string)
            v = add_string(&strings, names[i].string);
        pst_put32(record, names[i].string ? at : v);
        pst_put16(record + 4, (uint16_t)kind);
        pst_put16(record + 6, (uint16_t)i);
        text_add(&entries, record, sizeof record);
        pst_put32(record, v);
        text_add(&buckets[(v ^ kind) % BUCKETS], record, sizeof record);
    }
    memcpy(guids, mapi_set_common, 16);
    memcpy(guids + 16, mapi_set_internet_headers, 16);
    memcpy(guids + 32, mapi_set_cubby, 16);
    pstw_set32(o, 0x00010003, BUCKETS);
    pstw_set_bytes(o, 0x00020102, guids, sizeof guids);
    pstw_set_bytes(o, 0x00030102, entries.data, entries.len);
    pstw_set_bytes(o, 0x00040102, strings.data, strings.len);
    for (uint32_t b = 0; b < BUCKETS; b++) {
        if (buckets[b].len)
            pstw_set_bytes(o, (0x1000 + b) << 16 | MAPI_BINARY, buckets[b].data, buckets[b].len);
        text_release(&buckets[b]);
    }
    pstw_object_end(&o, 0, &node, NULL);
    pstw_node(w, PST_NID_NAMES, node.data, node.sub, 0);
    text_release(&entries);
    text_release(&strings);
}
