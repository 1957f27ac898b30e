/* The message store: what it says about itself, its folders, and the messages in them. */
#include "archive/pst/store.h"

#include <stdlib.h>
#include <string.h>

#include "archive/mapi/codepage.h"
#include "archive/pst/bytes.h"
#include "archive/pst/code.h"

enum {
    P_NAME = 0x3001,
    P_TOP = 0x35E0,
    P_OUTBOX = 0x35E2,
    P_DELETED = 0x35E3,
    P_SENT = 0x35E4,
    P_SEARCH = 0x35E7,
    P_DRAFTS = 0x36D7,
    P_MORE_FOLDERS = 0x36D8, /* a list: the fifth is for junk */
    P_CODEPAGE = 0x3FFD,
    P_PASSWORD = 0x67FF,
};
enum { NID_RECEIVE = 0x62B, COLUMN_CLASS = 0x001A, COLUMN_FOLDER = 0x66050003, ENTRY_ID = 24, NAME_MAX_BYTES = 2048 };

/* ---- the store --------------------------------------------------------------------------------------------------------------------- */

static int open_pc(struct pst *p, uint32_t nid, struct pst_pc *out)
{
    struct pst_node node;
    int rc = pst_find_node(p, nid, &node);
    if (rc == 0)
        rc = pst_fail(p, 0, "node 0x%x is not there", nid);
    return rc < 0 ? -1 : pst_pc_open(p, &node, out);
}

/* Entry ids of the store's own objects end with the id of the node. */
static uint32_t folder_of(struct pst_pc *pc, uint16_t id)
{
    uint8_t entry[ENTRY_ID];
    if (pst_pc_bytes(pc, id, entry, sizeof entry) != ENTRY_ID)
        return 0;
    uint32_t nid = pst_get32(entry + 20);
    return PST_NID_TYPE(nid) == PST_NT_FOLDER ? nid : 0;
}

static uint32_t junk_of(struct pst_pc *pc)
{
    const struct pst_prop *x = pst_pc_find(pc, P_MORE_FOLDERS);
    uint8_t v[4 + 6 * 4 + ENTRY_ID];
    if (!x || x->type != (PST_PT_MULTI | PST_PT_BINARY) || pst_value_read(&pc->heap, x->value, 0, v, 28) != 28 || pst_get32(v) < 5)
        return 0;
    if (pst_value_read(&pc->heap, x->value, pst_get32(v + 20), v, ENTRY_ID) != ENTRY_ID || PST_NID_TYPE(pst_get32(v + 20)) != PST_NT_FOLDER)
        return 0;
    return pst_get32(v + 20);
}

static void read_store(struct pst_store *s)
{
    struct pst_pc pc;
    if (open_pc(s->p, PST_NID_STORE, &pc) < 0) {
        pst_tell_error(s->p, "the message store");
        return;
    }
    s->top = folder_of(&pc, P_TOP);
    s->outbox = folder_of(&pc, P_OUTBOX);
    s->deleted = folder_of(&pc, P_DELETED);
    s->sent = folder_of(&pc, P_SENT);
    s->search = folder_of(&pc, P_SEARCH);
    s->codepage = (uint32_t)pst_pc_int(&pc, P_CODEPAGE, 0);
    s->password = (uint32_t)pst_pc_int(&pc, P_PASSWORD, 0);
    if (s->p->header.client == PST_CLIENT_OST && s->password == UINT32_MAX)
        s->password = 0;
    pst_pc_close(&pc);
}

/* The inbox is where the table says that messages of any class are received; the root stands for "none". */
static void read_receive(struct pst_store *s)
{
    struct pst_node node;
    struct pst_tc *t = cli_malloc(sizeof *t);
    struct pst_bth rows;
    uint64_t id;
    const uint8_t *value, *row;
    if (pst_find_node(s->p, NID_RECEIVE, &node) == 1 && pst_tc_open(s->p, &node, t) == 0) {
        const struct pst_column *folder = pst_tc_column(t, COLUMN_FOLDER), *class = pst_tc_column(t, COLUMN_CLASS << 16 | PST_PT_STRING);
        class = class ? class : pst_tc_column(t, COLUMN_CLASS << 16 | PST_PT_STRING8);
        if (folder && class && folder->width == 4 && class->width == 4 && pst_tc_index(t, &rows) == 0) {
            while (!s->inbox && pst_bth_next(&rows, &id, &value) == 1) {
                uint64_t size = 1;
                if (pst_tc_row(t, pst_tc_row_number(&rows, value), &row) < 0 || !pst_tc_has(t, row, folder))
                    continue;
                uint32_t nid = pst_get32(row + folder->at), name = pst_get32(row + class->at);
                if (pst_tc_has(t, row, class) && pst_value_size(&t->heap, name, &size) < 0)
                    continue;
                if (!size && nid != PST_NID_ROOT && PST_NID_TYPE(nid) == PST_NT_FOLDER)
                    s->inbox = nid;
            }
        }
        pst_tc_close(t);
    }
    free(t);
}

/* Where the other special folders are stands in the root folder and in the inbox. */
static void read_more(struct pst_store *s, uint32_t nid)
{
    struct pst_pc pc;
    if (!nid || open_pc(s->p, nid, &pc) < 0)
        return;
    if (!s->drafts)
        s->drafts = folder_of(&pc, P_DRAFTS);
    if (!s->junk)
        s->junk = junk_of(&pc);
    pst_pc_close(&pc);
}

void pst_store_open(struct pst *p, struct pst_store *out)
{
    struct pst_node node;
    *out = (struct pst_store){.p = p};
    pst_names_load(p, &out->names);
    read_store(out);
    read_receive(out);
    read_more(out, PST_NID_ROOT);
    read_more(out, out->inbox);
    /* Caches of Exchange mailboxes do not name it. */
    if (!out->top && out->inbox && pst_find_node(p, out->inbox, &node) == 1 && PST_NID_TYPE(node.parent) == PST_NT_FOLDER)
        out->top = node.parent;
    if (!out->top || pst_find_node(p, out->top, &node) != 1)
        out->top = PST_NID_ROOT;
}

void pst_store_close(struct pst_store *s)
{
    pst_names_free(&s->names);
}

int pst_store_password(const struct pst_store *s, const char *password)
{
    static const uint32_t pages[] = {1252, 1251, 1250};
    if (!s->password)
        return 1;
    if (!password)
        return 0;
    if (pst_crc(0, password, strlen(password)) == s->password)
        return 1;
    /* The checksum is that of the bytes on the machine that set it. */
    for (size_t page = 0; page < sizeof pages / sizeof *pages; page++) {
        struct text one = {0}, bytes = {0};
        for (const char *c = password; *c;) {
            uint32_t want, got = 0;
            c += text_next(c, strlen(c), &want);
            int b = 1;
            for (; b < 256; b++) {
                uint8_t byte = (uint8_t)b;
                text_clear(&one);
                codepage_decode(pages[page], &byte, 1, &one);
                if (one.len && text_next(one.data, one.len, &got) == one.len && got == want)
                    break;
            }
            text_byte(&bytes, (char)(b < 256 ? b : '?'));
        }
        int same = pst_crc(0, bytes.data ? bytes.data : "", bytes.len) == s->password;
        text_release(&one);
        text_release(&bytes);
        if (same)
            return 1;
    }
    return 0;
}

/* ---- folders ----------------------------------------------------------------------------------------------------------------------- */

static void add_id(struct pst_ids *v, uint32_t id)
{
    if (v->count == v->cap) {
        v->cap = v->cap ? 2 * v->cap : 32;
        v->ids = cli_realloc(v->ids, v->cap * sizeof *v->ids);
    }
    v->ids[v->count++] = id;
}

void pst_ids_free(struct pst_ids *v)
{
    free(v->ids);
    *v = (struct pst_ids){0};
}

/* Text up to its first NUL, as UTF-8. */
static void decode_text(uint32_t codepage, const uint8_t *p, size_t n, struct text *out)
{
    size_t width = codepage == CODEPAGE_UTF16 ? 2 : 1, end = 0;
    while (end + width <= n && (p[end] || p[end + width - 1]))
        end += width;
    codepage_decode(codepage, p, end, out);
}

void pst_folder_name(struct pst_store *s, uint32_t nid, struct text *out)
{
    struct pst_pc pc;
    uint8_t raw[NAME_MAX_BYTES];
    size_t before = out->len;
    if (open_pc(s->p, nid, &pc) < 0) {
        pst_tell_error(s->p, "folder 0x%x", nid);
    } else {
        const struct pst_prop *x = pst_pc_find(&pc, P_NAME);
        int64_t n = x && (x->type == PST_PT_STRING || x->type == PST_PT_STRING8) ? pst_value_read(&pc.heap, x->value, 0, raw, sizeof raw) : 0;
        if (n > 0)
            decode_text(x->type == PST_PT_STRING ? CODEPAGE_UTF16 : s->codepage, raw, (size_t)n, out);
        pst_pc_close(&pc);
    }
    if (out->len == before) {
        char name[32];
        snprintf(name, sizeof name, "Folder 0x%x", nid);
        text_add(out, name, strlen(name));
    }
}

/* -1: the table is broken, what was read of it is in out. */
static int table_children(struct pst_store *s, uint32_t nid, struct pst_ids *out)
{
    uint32_t table = PST_NID(PST_NID_INDEX(nid), PST_NT_HIERARCHY);
    struct pst_tc *t = cli_malloc(sizeof *t);
    struct pst_node node;
    struct pst_bth rows;
    uint64_t id;
    const uint8_t *value;
    int rc = pst_find_node(s->p, table, &node);
    if (rc == 0)
        rc = pst_fail(s->p, 0, "node 0x%x is not there", table);
    if (rc > 0)
        rc = pst_tc_open(s->p, &node, t);
    if (rc == 0) {
        rc = pst_tc_index(t, &rows);
        while (rc >= 0 && (rc = pst_bth_next(&rows, &id, &value)) == 1)
            if (PST_NID_TYPE(id) == PST_NT_FOLDER)
                add_id(out, (uint32_t)id);
        pst_tc_close(t);
    }
    free(t);
    return rc;
}

static int has_id(const struct pst_ids *v, size_t count, uint32_t id)
{
    for (size_t i = 0; i < count; i++)
        if (v->ids[i] == id)
            return 1;
    return 0;
}

void pst_folder_children(struct pst_store *s, uint32_t nid, struct pst_ids *out)
{
    struct pst_walk w;
    const uint8_t *entry;
    int rc;
    if (table_children(s, nid, out) == 0)
        return;
    pst_tell_error(s->p, "folder 0x%x: the list of its folders", nid);
    size_t listed = out->count;
    pst_walk_begin(&w, s->p, PST_PAGE_NBT, 0);
    while ((rc = pst_walk_next(&w, &entry)) != 0) {
        struct pst_node node;
        if (rc < 0) {
            pst_miss(s->p, s->p->error_at, "nodes: %.120s", s->p->error);
            continue;
        }
        pst_node_of(s->p, entry, &node);
        if (PST_NID_TYPE(node.nid) == PST_NT_FOLDER && node.parent == nid && node.nid != nid && !has_id(out, listed, node.nid))
            add_id(out, node.nid);
    }
}

/* ---- messages of a folder ------------------------------------------------------------------------------------------------------------ */

enum { FIND_TABLE, IN_TABLE, IN_NODES, AT_END };

static void scan_nodes(struct pst_listing *l)
{
    pst_tell_error(l->s->p, "folder 0x%x: the list of its messages", l->folder);
    pst_walk_begin(&l->nodes, l->s->p, PST_PAGE_NBT, 0);
    l->stage = IN_NODES;
}

static int open_table(struct pst_listing *l)
{
    uint32_t nid = PST_NID(PST_NID_INDEX(l->folder), l->type == PST_NT_FAI ? PST_NT_FAI_CONTENTS : PST_NT_CONTENTS);
    struct pst_node node;
    int rc = pst_find_node(l->s->p, nid, &node);
    if (rc == 0)
        rc = pst_fail(l->s->p, 0, "node 0x%x is not there", nid);
    if (rc < 0 || pst_tc_open(l->s->p, &node, &l->table) < 0)
        return -1;
    l->stage = IN_TABLE;
    return pst_tc_index(&l->table, &l->rows);
}

static int next_in_table(struct pst_listing *l, struct pst_node *out)
{
    uint64_t id;
    const uint8_t *value;
    int rc;
    while ((rc = pst_bth_next(&l->rows, &id, &value)) == 1) {
        uint32_t nid = (uint32_t)id;
        if (PST_NID_TYPE(nid) != (uint32_t)l->type || pst_bits_set(l->seen, PST_NID_INDEX(nid)))
            continue;
        rc = pst_find_node(l->s->p, nid, out);
        if (rc > 0)
            return 1;
        out->nid = nid;
        return rc < 0 ? -1 : pst_fail(l->s->p, 0, "message 0x%x is listed in folder 0x%x, but is not in the file", nid, l->folder);
    }
    if (rc < 0)
        scan_nodes(l);
    else
        l->stage = AT_END;
    return 0;
}

static int next_node(struct pst_listing *l, struct pst_node *out)
{
    const uint8_t *entry;
    int rc;
    while ((rc = pst_walk_next(&l->nodes, &entry)) != 0) {
        if (rc < 0) {
            pst_tell_error(l->s->p, "nodes");
            pst_miss(l->s->p, l->s->p->error_at, "nodes: %.120s", l->s->p->error);
            continue;
        }
        pst_node_of(l->s->p, entry, out);
        if (PST_NID_TYPE(out->nid) == (uint32_t)l->type && (!l->folder || out->parent == l->folder) &&
            !pst_bits_set(l->seen, PST_NID_INDEX(out->nid)))
            return 1;
    }
    l->stage = AT_END;
    return 0;
}

void pst_listing_begin(struct pst_listing *l, struct pst_store *s, uint32_t folder, int type, struct pst_bits *seen)
{
    memset(l, 0, sizeof *l);
    l->s = s;
    l->folder = folder;
    l->type = type;
    l->seen = seen;
    if (!folder) {
        l->stage = IN_NODES;
        pst_walk_begin(&l->nodes, s->p, PST_PAGE_NBT, 0);
    }
}

int pst_listing_next(struct pst_listing *l, struct pst_node *out)
{
    int rc = 0;
    *out = (struct pst_node){0};
    if (l->stage == FIND_TABLE && open_table(l) < 0)
        scan_nodes(l);
    if (l->stage == IN_TABLE)
        rc = next_in_table(l, out);
    if (!rc && l->stage == IN_NODES)
        rc = next_node(l, out);
    return rc;
}

void pst_listing_end(struct pst_listing *l)
{
    if (l->table.heap.p)
        pst_tc_close(&l->table);
    l->stage = AT_END;
}
