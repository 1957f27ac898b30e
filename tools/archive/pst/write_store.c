#include "archive/pst/write_store.h"

#include <string.h>

#include "archive/mapi/props.h"
#include "archive/pst/bytes.h"
#include "archive/pst/code.h"
#include "cli.h"

#define TAG(id, type) ((uint32_t)(id) << 16 | (uint32_t)(type))

/* References to a block are counted in 16 bits. */
#define SHARES_MAX 60000

/* ---- tables that every file has ------------------------------------------------------------------------------------------------------- */

static const uint32_t hierarchy[] = {0x0e300102, 0x0e330014, 0x0e340102, 0x0e380003, 0x3001001f, 0x36020003, 0x36030003,
                                     0x360a000b, 0x3613001f, 0x66350003, 0x66360003};
static const uint32_t contents[] = {0x00170003, 0x001a001f, 0x00360003, 0x0037001f, 0x00390040, 0x0042001f, 0x0057000b, 0x0058000b, 0x0070001f,
                                    0x00710102, 0x0e03001f, 0x0e04001f, 0x0e060040, 0x0e070003, 0x0e080003, 0x0e170003, 0x0e300102, 0x0e330014,
                                    0x0e340102, 0x0e380003, 0x0e3c0102, 0x0e3d0102, 0x10970003, 0x30080040, 0x30130102, 0x65c60003};
static const uint32_t fai[] = {0x001a001f, 0x0e070003, 0x0e170003, 0x3001001f, 0x6800001f, 0x6803000b, 0x68051003,
                               0x682f001f, 0x70030003, 0x70040102, 0x70050102, 0x7006001f, 0x70070003};
static const uint32_t search[] = {0x00170003, 0x001a001f, 0x00360003, 0x0037001f, 0x0042001f, 0x0057000b, 0x0058000b, 0x0e03001f, 0x0e04001f,
                                  0x0e05001f, 0x0e060040, 0x0e070003, 0x0e080003, 0x0e170003, 0x0e2a000b, 0x30080040, 0x67f10003};
static const uint32_t receive[] = {0x001a001f, 0x66050003};
static const uint32_t outgoing[] = {0x00390040, 0x0e100003, 0x0e140003};
static const uint32_t change_history[] = {0x0e330014, 0x0e370102, 0x0e380003};
static const uint32_t replication[] = {0x001a001f, 0x0e300102, 0x0e310102, 0x0e330014, 0x0e340102, 0x0e380003, 0x0e3e0102};
static const uint32_t tracking[] = {0x0e330014, 0x30070040};

#define COLUMNS(c) (c), sizeof(c) / sizeof *(c)

static const struct {
    const uint32_t *columns;
    size_t count;
} folder_tables[PSTW_EMPTY_TABLES] = {{COLUMNS(hierarchy)}, {COLUMNS(contents)}, {COLUMNS(fai)}};

struct pstw_table *pstw_folder_table(struct pstw *w, int kind)
{
    return pstw_table_new(w, folder_tables[kind].columns, folder_tables[kind].count);
}

static void end_table(struct pstw *w, uint32_t nid, struct pstw_table *t)
{
    struct pstw_node node;
    pstw_table_end(&t, &node);
    pstw_node(w, nid, node.data, node.sub, 0);
}

static void empty_table(struct pstw *w, uint32_t nid, const uint32_t *columns, size_t count)
{
    end_table(w, nid, pstw_table_new(w, columns, count));
}

void pstw_write_templates(struct pstw *w, struct pstw_templates *t)
{
    static const uint32_t nids[PSTW_EMPTY_TABLES] = {0x60d, 0x60e, 0x60f};
    struct pstw_node node;
    for (int i = 0; i < PSTW_EMPTY_TABLES; i++) {
        struct pstw_table *table = pstw_folder_table(w, i);
        pstw_table_end(&table, &node);
        pstw_node(w, nids[i], node.data, 0, 0);
        t->table[i].data = node.data;
        t->table[i].uses = 1;
    }
    empty_table(w, 0x610, COLUMNS(search));
    empty_table(w, PST_NID_ATTACHMENTS, pstw_attachment_columns, PSTW_ATTACHMENT_TEMPLATE);
    empty_table(w, PST_NID_RECIPIENTS, pstw_recipient_columns, PSTW_RECIPIENT_TEMPLATE);
    empty_table(w, 0x64c, COLUMNS(outgoing));
    empty_table(w, 0x6b6, COLUMNS(change_history));
    empty_table(w, 0x6d7, COLUMNS(replication));
    empty_table(w, 0x6f8, COLUMNS(tracking));
}

/* ---- folders ---------------------------------------------------------------------------------------------------------------------------- */

/* The EntryID of a folder. */
static void entry_id(const struct pstw_context *c, uint32_t nid, uint8_t out[24])
{
    memset(out, 0, 4);
    memcpy(out + 4, c->uid, 16);
    pst_put32(out + 20, nid);
}

static struct pstw_object *folder_object(struct pstw_context *c, const struct pstw_folder *f)
{
    struct pstw_object *o = pstw_object_new(c->w);
    const char *class_name = f->class_name ? f->class_name : "IPF.Note";
    pstw_set_text(o, TAG(MAPI_P_DISPLAY_NAME, MAPI_STRING), f->name, strlen(f->name));
    pstw_set32(o, TAG(MAPI_P_CONTENT_COUNT, MAPI_INT32), f->count);
    pstw_set32(o, TAG(MAPI_P_CONTENT_UNREAD, MAPI_INT32), f->unread);
    pstw_set32(o, TAG(MAPI_P_SUBFOLDERS, MAPI_BOOL), f->subfolders != 0);
    pstw_set_text(o, TAG(MAPI_P_CONTAINER_CLASS, MAPI_STRING), class_name, strlen(class_name));
    return o;
}

static void set_entry_id(struct pstw_context *c, struct pstw_object *o, uint16_t id, uint32_t nid)
{
    uint8_t entry[24];
    entry_id(c, nid, entry);
    pstw_set_bytes(o, TAG(id, MAPI_BINARY), entry, sizeof entry);
}

/* PidTagAdditionalRenEntryIds: five entries, of which the last is the junk folder's. */
static void set_junk(struct pstw_context *c, struct pstw_object *o, uint32_t nid)
{
    uint8_t list[4 + 5 * 4 + 24];
    pst_put32(list, 5);
    for (int i = 0; i < 5; i++)
        pst_put32(list + 4 + 4 * i, 24);
    entry_id(c, nid, list + 24);
    pstw_set_bytes(o, TAG(0x36d8, MAPI_BINARY | MAPI_MULTI), list, sizeof list);
}

void pstw_write_folder(struct pstw_context *c, const struct pstw_folder *f)
{
    struct pstw_object *o = folder_object(c, f);
    struct pstw_node node;
    if (f->drafts)
        set_entry_id(c, o, 0x36d7, f->drafts);
    if (f->junk)
        set_junk(c, o, f->junk);
    if (f->comment)
        pstw_set_text(o, TAG(MAPI_P_COMMENT, MAPI_STRING), f->comment, strlen(f->comment));
    if (f->path) {
        pstw_set_text(o, TAG(PSTW_N_FOLDER, MAPI_STRING), f->path, strlen(f->path));
        pstw_set32(o, TAG(PSTW_N_USE, MAPI_INT32), f->special_use);
    }
    pstw_object_end(&o, 0, &node, NULL);
    pstw_node(c->w, f->nid, node.data, node.sub, f->parent);
}

void pstw_folder_row(struct pstw_context *c, struct pstw_table *t, const struct pstw_folder *f)
{
    struct pstw_object *o = folder_object(c, f);
    uint8_t history[24] = {1}, item[16];
    memcpy(history + 4, c->uid, 16);
    history[20] = 1;
    memcpy(item, c->uid, 12);
    pst_put32(item + 12, f->nid);
    pstw_row(t, f->nid, (uint32_t)++c->change);
    pstw_row_object(t, o);
    pstw_row_bytes(t, TAG(MAPI_P_REPL_ITEM_ID, MAPI_BINARY), item, sizeof item);
    pstw_row64(t, TAG(MAPI_P_REPL_CHANGENUM, MAPI_INT64), ++c->change);
    pstw_row_bytes(t, TAG(MAPI_P_REPL_VERSION_HISTORY, MAPI_BINARY), history, sizeof history);
    pstw_row32(t, TAG(MAPI_P_REPL_FLAGS, MAPI_INT32), 0);
    pstw_row_end(t);
    pstw_object_free(&o);
}

/* A block that many nodes name; a new one when it is named as often as can be counted. */
static uint64_t shared_table(struct pstw *w, struct pstw_templates *t, int kind)
{
    struct pstw_node node;
    if (t->table[kind].uses >= SHARES_MAX) {
        struct pstw_table *table = pstw_folder_table(w, kind);
        pstw_table_end(&table, &node);
        t->table[kind].data = node.data;
        t->table[kind].uses = 0;
    } else {
        pstw_share(w, t->table[kind].data, 1);
    }
    t->table[kind].uses++;
    return t->table[kind].data;
}

void pstw_write_folder_table(struct pstw_context *c, struct pstw_templates *t, uint32_t folder, int kind, struct pstw_table **table)
{
    static const int types[PSTW_EMPTY_TABLES] = {PST_NT_HIERARCHY, PST_NT_CONTENTS, PST_NT_FAI_CONTENTS};
    uint32_t nid = PST_NID(PST_NID_INDEX(folder), types[kind]);
    if (table && *table) {
        end_table(c->w, nid, *table);
        *table = NULL;
    } else {
        pstw_node(c->w, nid, shared_table(c->w, t, kind), 0, 0);
    }
}

/* ---- the store ----------------------------------------------------------------------------------------------------------------------------- */

static void write_object(struct pstw_context *c, const struct pstw_store *s)
{
    struct pstw_object *o = pstw_object_new(c->w);
    struct pstw_node node;
    uint8_t history[24] = {1};
    memcpy(history + 4, c->uid, 16);
    history[20] = 1;
    pstw_set_bytes(o, TAG(MAPI_P_REPL_VERSION_HISTORY, MAPI_BINARY), history, sizeof history);
    pstw_set32(o, TAG(MAPI_P_REPL_FLAGS, MAPI_INT32), 0);
    pstw_set_bytes(o, TAG(MAPI_P_RECORD_KEY, MAPI_BINARY), c->uid, sizeof c->uid);
    pstw_set_text(o, TAG(MAPI_P_DISPLAY_NAME, MAPI_STRING), s->name, strlen(s->name));
    pstw_set32(o, TAG(MAPI_P_VALID_FOLDER_MASK, MAPI_INT32), s->sent ? 0x99 : 0x89);
    set_entry_id(c, o, MAPI_P_IPM_SUBTREE_ENTRYID, PSTW_IPM);
    set_entry_id(c, o, MAPI_P_IPM_WASTEBASKET_ENTRYID, PSTW_DELETED);
    set_entry_id(c, o, MAPI_P_FINDER_ENTRYID, PSTW_FINDER);
    if (s->sent)
        set_entry_id(c, o, 0x35e4, s->sent);
    pstw_set32(o, 0x6633000b, 1);
    pstw_set32(o, TAG(MAPI_P_STORE_TYPE, MAPI_INT32), 0x000e000d);
    pstw_set32(o, TAG(MAPI_P_PST_PASSWORD, MAPI_INT32), s->password ? pst_crc(0, s->password, strlen(s->password)) : 0);
    pstw_object_end(&o, 0, &node, NULL);
    pstw_node(c->w, PST_NID_STORE, node.data, node.sub, 0);
}

/* The search that Outlook keeps for spam, and what belongs to searching. */
static void write_searches(struct pstw_context *c)
{
    static const struct pstw_folder spam = {.nid = PSTW_SPAM_SEARCH, .parent = PST_NID_ROOT, .name = "SPAM Search Folder 2"};
    struct pstw_object *o = pstw_object_new(c->w);
    struct pstw_node node;
    uint8_t list[4];
    pst_put32(list, PSTW_SPAM_SEARCH);
    pstw_node(c->w, 0x1e1, 0, 0, 0);
    pstw_node(c->w, 0x201, pstw_block(c->w, list, sizeof list, 0), 0, 0);
    pstw_node(c->w, 0x261, 0, 0, 0);
    pstw_node(c->w, 0xec1, 0, 0, 0);
    pstw_write_folder(c, &spam);
    pstw_node(c->w, 0x2226, 0, 0, 0);
    pstw_set32(o, 0x660b0003, 0);
    pstw_object_end(&o, 0, &node, NULL);
    pstw_node(c->w, 0x2227, node.data, node.sub, 0);
    empty_table(c->w, 0x2230, COLUMNS(search));
}

void pstw_write_store(struct pstw_context *c, const struct pstw_store *s)
{
    struct pstw_table *t = pstw_table_new(c->w, COLUMNS(receive));
    write_object(c, s);
    pstw_write_names(c->w);
    write_searches(c);
    pstw_row(t, 1, (uint32_t)++c->change);
    pstw_row_text(t, 0x001a001f, "", 0);
    pstw_row32(t, 0x66050003, PST_NID_ROOT);
    pstw_row_end(t);
    end_table(c->w, 0x62b, t);
}
