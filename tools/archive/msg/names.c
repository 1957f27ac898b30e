/* The map of named properties in a .msg file: ids to names and back. */
#include <string.h>

#include "archive/mapi/codepage.h"
#include "archive/msg/own.h"

enum { STREAM_MAX = 4 << 20, ENTRY = 8, GUID = 16, FIRST_ID = 0x8000, OF_STREAM = 3 };

uint32_t msg_get32(const void *q)
{
    const uint8_t *p = q;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

int msg_stream(const struct cfb *c, uint32_t storage, const char *name, size_t max, struct text *out)
{
    uint32_t e = cfb_find(c, storage, name);
    struct cfb_place place = {0};
    char buf[4096];
    if (e == CFB_NONE || cfb_is_storage(c, e))
        return -1;
    uint64_t size = cfb_size(c, e) < max ? cfb_size(c, e) : max;
    for (uint64_t at = 0; at < size;) {
        int64_t got = cfb_read(c, e, &place, at, buf, size - at < sizeof buf ? (size_t)(size - at) : sizeof buf);
        if (got <= 0)
            return -1;
        text_add(out, buf, (size_t)got);
        at += (uint64_t)got;
    }
    return 0;
}

void msg_names_load(const struct cfb *c, struct msg_names *out)
{
    uint32_t storage = cfb_find(c, CFB_ROOT, "__nameid_version1.0");
    memset(out, 0, sizeof *out);
    if (storage == CFB_NONE)
        return;
    msg_stream(c, storage, "__substg1.0_00020102", STREAM_MAX, &out->sets);
    msg_stream(c, storage, "__substg1.0_00030102", 0x8000 * ENTRY, &out->entries);
    msg_stream(c, storage, "__substg1.0_00040102", STREAM_MAX, &out->strings);
}

void msg_names_release(struct msg_names *n)
{
    text_release(&n->sets);
    text_release(&n->entries);
    text_release(&n->strings);
}

static const uint8_t *set_of(const struct msg_names *n, unsigned index)
{
    if (index == 1)
        return mapi_set_mapi;
    if (index == 2)
        return mapi_set_public_strings;
    size_t at = (size_t)(index - OF_STREAM) * GUID;
    return index >= OF_STREAM && at + GUID <= n->sets.len ? (const uint8_t *)n->sets.data + at : NULL;
}

/* A string of the map as UTF-8; 0: there is none. */
static int string_at(const struct msg_names *n, uint32_t at, struct text *out)
{
    if (at > n->strings.len || n->strings.len - at < 4)
        return 0;
    uint32_t len = msg_get32(n->strings.data + at);
    if (len > n->strings.len - at - 4 || len > 1024)
        return 0;
    codepage_decode(CODEPAGE_UTF16, n->strings.data + at + 4, len, out);
    return out->len > 0;
}

struct name_entry {
    uint32_t number;
    unsigned set, is_string, index;
};

static struct name_entry entry_at(const struct msg_names *n, size_t i)
{
    const char *p = n->entries.data + i * ENTRY;
    uint32_t word = msg_get32(p + 4);
    return (struct name_entry){msg_get32(p), (word & 0xffff) >> 1, word & 1, word >> 16};
}

uint16_t msg_names_find(const struct msg_names *n, const uint8_t set[16], uint32_t number, const char *name)
{
    for (size_t i = 0; i < n->entries.len / ENTRY; i++) {
        struct name_entry e = entry_at(n, i);
        const uint8_t *s = set_of(n, e.set);
        if (!s || memcmp(s, set, GUID) != 0 || e.index > 0x7ffe || e.is_string != (name != NULL))
            continue;
        struct text t = {0};
        int same = name ? string_at(n, e.number, &t) && strcmp(t.data, name) == 0 : e.number == number;
        text_release(&t);
        if (same)
            return (uint16_t)(FIRST_ID + e.index);
    }
    return 0;
}

int msg_names_get(const struct msg_names *n, uint16_t id, struct mapi_name *out)
{
    *out = (struct mapi_name){.number = 0};
    for (size_t i = 0; i < n->entries.len / ENTRY; i++) {
        struct name_entry e = entry_at(n, i);
        const uint8_t *s = set_of(n, e.set);
        if (FIRST_ID + e.index != id || !s)
            continue;
        struct text t = {0};
        int ok = !e.is_string || string_at(n, e.number, &t);
        memcpy(out->set, s, GUID);
        if (e.is_string && ok) {
            size_t len = t.len < sizeof out->name ? t.len : sizeof out->name - 1;
            memcpy(out->name, t.data, len);
            out->name[len] = 0;
        } else {
            out->number = e.number;
        }
        text_release(&t);
        return ok;
    }
    return 0;
}
