#include "archive/pst/write_message.h"

#include <stdlib.h>
#include <string.h>

#include "archive/mapi/props.h"
#include "archive/pst/bytes.h"
#include "cli.h"

#define TAG(id, type) ((uint32_t)(id) << 16 | (uint32_t)(type))
#define INT(id)    TAG(id, MAPI_INT32)
#define BOOL(id)   TAG(id, MAPI_BOOL)
#define STRING(id) TAG(id, MAPI_STRING)
#define BINARY(id) TAG(id, MAPI_BINARY)

const uint32_t pstw_recipient_columns[] = {
    0x0c150003, 0x0e0f000b, 0x0ff90102, 0x0ffe0003, 0x0fff0102, 0x3001001f, 0x3002001f, 0x3003001f, 0x300b0102, 0x39000003, 0x39ff001f,
    0x3a40000b, 0x39fe001f, 0x5ff6001f, 0x5ff70102, 0x5ffd0003, 0x5fff0003,
};
const size_t pstw_recipient_column_count = sizeof pstw_recipient_columns / sizeof *pstw_recipient_columns;

const uint32_t pstw_attachment_columns[] = {
    0x0e200003, 0x3704001f, 0x37050003, 0x370b0003, 0x3001001f, 0x3703001f, 0x3707001f, 0x370e001f, 0x3712001f, 0x37140003, 0x7ffe000b,
};
const size_t pstw_attachment_column_count = sizeof pstw_attachment_columns / sizeof *pstw_attachment_columns;

/* Outlook begins there. */
enum { FIRST_ATTACHMENT = 0x401 };

struct pstw_message {
    struct pstw_context *c;
    struct pstw_object *object;
    struct pstw_table *recipients, *attachments;
    uint32_t recipient_count;
    size_t attachment_count;
    int seen;
};

struct pstw_message *pstw_message_new(struct pstw_context *c)
{
    struct pstw_message *m = cli_malloc(sizeof *m);
    *m = (struct pstw_message){.c = c, .object = pstw_object_new(c->w)};
    return m;
}

struct pstw_context *pstw_message_context(const struct pstw_message *m)
{
    return m->c;
}

struct pstw_object *pstw_message_object(const struct pstw_message *m)
{
    return m->object;
}

/* What tables hold was partly written; a rollback takes it back. */
static void drop_table(struct pstw_table **t)
{
    struct pstw_node node;
    if (*t)
        pstw_table_end(t, &node);
}

void pstw_message_drop(struct pstw_message **handle)
{
    struct pstw_message *m = *handle;
    if (!m)
        return;
    drop_table(&m->recipients);
    drop_table(&m->attachments);
    pstw_object_free(&m->object);
    free(m);
    *handle = NULL;
}

/* ---- recipients ----------------------------------------------------------------------------------------------------------------------- */

void pstw_one_off(struct text *out, const char *name, const char *address)
{
    static const uint8_t version[4] = {0, 0, 1, 0x90}; /* always 1, Unicode, not TNEF */
    text_add(out, "\0\0\0", 4);
    text_add(out, mapi_oneoff_provider, 16);
    text_add(out, version, 4);
    pstw_utf16(out, name, strlen(name));
    text_add(out, "\0", 2);
    pstw_utf16(out, "SMTP", 4);
    text_add(out, "\0", 2);
    pstw_utf16(out, address, strlen(address));
    text_add(out, "\0", 2);
}

static struct pstw_table *recipients(struct pstw_message *m)
{
    if (!m->recipients)
        m->recipients = pstw_table_new(m->c->w, pstw_recipient_columns, pstw_recipient_column_count);
    return m->recipients;
}

void pstw_recipient(struct pstw_message *m, int type, const char *name, const char *address)
{
    struct pstw_table *t = recipients(m);
    struct text id = {0}, key = {0};
    pstw_one_off(&id, name, address);
    text_add(&key, "SMTP:", 5);
    for (const char *p = address; *p; p++)
        text_byte(&key, *p >= 'a' && *p <= 'z' ? (char)(*p - 32) : *p);
    pstw_row(t, ++m->recipient_count, (uint32_t)++m->c->change);
    pstw_row32(t, INT(MAPI_P_RECIPIENT_TYPE), (uint32_t)type);
    pstw_row32(t, BOOL(MAPI_P_RESPONSIBILITY), 1);
    pstw_row_bytes(t, BINARY(MAPI_P_RECORD_KEY), id.data, id.len);
    pstw_row32(t, INT(MAPI_P_OBJECT_TYPE), 6);
    pstw_row_bytes(t, BINARY(MAPI_P_ENTRYID), id.data, id.len);
    pstw_row_text(t, STRING(MAPI_P_DISPLAY_NAME), name, strlen(name));
    pstw_row_text(t, STRING(MAPI_P_ADDRTYPE), "SMTP", 4);
    pstw_row_text(t, STRING(MAPI_P_EMAIL_ADDRESS), address, strlen(address));
    pstw_row_bytes(t, BINARY(MAPI_P_SEARCH_KEY), key.data, key.len + 1);
    pstw_row32(t, INT(MAPI_P_DISPLAY_TYPE), 0);
    pstw_row_text(t, STRING(MAPI_P_DISPLAY_NAME_7BIT), name, strlen(name));
    pstw_row32(t, BOOL(MAPI_P_SEND_RICH_INFO), 0);
    pstw_row_text(t, STRING(MAPI_P_SMTP_ADDRESS), address, strlen(address));
    pstw_row_text(t, STRING(MAPI_P_RECIPIENT_DISPLAY_NAME), name, strlen(name));
    pstw_row_bytes(t, BINARY(MAPI_P_RECIPIENT_ENTRYID), id.data, id.len);
    pstw_row32(t, INT(MAPI_P_RECIPIENT_FLAGS), 1);
    pstw_row32(t, INT(MAPI_P_RECIPIENT_TRACK_STATUS), 0);
    pstw_row_end(t);
    text_release(&id);
    text_release(&key);
}

/* ---- attachments ---------------------------------------------------------------------------------------------------------------------- */

struct pstw_object *pstw_attachment(struct pstw_message *m)
{
    return pstw_object_new(m->c->w);
}

void pstw_attachment_end(struct pstw_message *m, struct pstw_object **handle, int method, int hidden)
{
    struct pstw_object *o = *handle;
    struct pstw_node node;
    uint32_t nid = PST_NID(FIRST_ATTACHMENT + m->attachment_count, PST_NT_ATTACHMENT);
    if (!m->attachments)
        m->attachments = pstw_table_new(m->c->w, pstw_attachment_columns, pstw_attachment_column_count);
    pstw_set32(o, INT(MAPI_P_ATTACH_METHOD), (uint32_t)method);
    pstw_set32(o, INT(MAPI_P_RENDERING_POSITION), 0xffffffff);
    pstw_set32(o, INT(MAPI_P_ATTACH_NUM), (uint32_t)m->attachment_count++);
    if (hidden)
        pstw_set32(o, BOOL(MAPI_P_ATTACHMENT_HIDDEN), 1);
    m->seen |= !hidden;
    pstw_row(m->attachments, nid, (uint32_t)++m->c->change);
    pstw_row_object(m->attachments, o);
    uint32_t size;
    pstw_object_end(handle, MAPI_P_ATTACH_SIZE, &node, &size);
    pstw_row32(m->attachments, INT(MAPI_P_ATTACH_SIZE), size);
    pstw_row_end(m->attachments);
    pstw_object_sub(m->object, nid, &node);
}

size_t pstw_attachments(const struct pstw_message *m)
{
    return m->attachment_count;
}

int pstw_attachments_seen(const struct pstw_message *m)
{
    return m->seen;
}

/* ---- the end --------------------------------------------------------------------------------------------------------------------------- */

/* Writes the tables and the object; row: NULL or a table that gets the columns. */
static void finish(struct pstw_message **handle, uint32_t nid, struct pstw_table *row, struct pstw_node *out)
{
    struct pstw_message *m = *handle;
    struct pstw_node node;
    uint32_t size;
    recipients(m); /* every message has the table */
    pstw_table_end(&m->recipients, &node);
    pstw_object_sub(m->object, PST_NID_RECIPIENTS, &node);
    if (m->attachments) {
        pstw_table_end(&m->attachments, &node);
        pstw_object_sub(m->object, PST_NID_ATTACHMENTS, &node);
    }
    if (row) {
        pstw_row(row, nid, (uint32_t)++m->c->change);
        pstw_row_object(row, m->object);
    }
    pstw_object_end(&m->object, MAPI_P_MESSAGE_SIZE, out, &size);
    if (row)
        pstw_row32(row, INT(MAPI_P_MESSAGE_SIZE), size);
    free(m);
    *handle = NULL;
}

void pstw_attachment_embed(struct pstw_message *m, struct pstw_object *attachment, struct pstw_message **inner)
{
    struct pstw_node node;
    uint32_t nid = PST_NID(m->c->next_message++, PST_NT_MESSAGE);
    finish(inner, nid, NULL, &node);
    pstw_set_object(attachment, TAG(MAPI_P_ATTACH_DATA, MAPI_OBJECT), nid, &node);
}

/* What a row has beyond the message's own properties. */
static void complete_row(struct pstw_context *c, struct pstw_table *t, uint32_t nid, const uint8_t conversation[16])
{
    uint8_t history[24] = {1}, item[16] = {0};
    memcpy(history + 4, c->uid, 16);
    history[20] = 1;
    memcpy(item, c->uid, 12);
    pst_put32(item + 12, nid);
    pstw_row32(t, BOOL(MAPI_P_TO_ME), 0);
    pstw_row32(t, BOOL(MAPI_P_CC_ME), 0);
    pstw_row_bytes(t, BINARY(MAPI_P_REPL_ITEM_ID), item, sizeof item);
    pstw_row64(t, TAG(MAPI_P_REPL_CHANGENUM, MAPI_INT64), ++c->change);
    pstw_row_bytes(t, BINARY(MAPI_P_REPL_VERSION_HISTORY), history, sizeof history);
    pstw_row32(t, INT(MAPI_P_REPL_FLAGS), 0);
    if (conversation)
        pstw_row_bytes(t, BINARY(MAPI_P_CONVERSATION_ID), conversation, 16);
}

void pstw_message_end(struct pstw_message **handle, uint32_t nid, uint32_t parent, struct pstw_table *table)
{
    struct pstw_context *c = (*handle)->c;
    struct pstw_node node;
    uint8_t conversation[16];
    size_t n;
    const uint8_t *index = pstw_get((*handle)->object, BINARY(MAPI_P_CONVERSATION_INDEX), &n);
    int has = index && n >= 22;
    if (has)
        memcpy(conversation, index + 6, 16);
    finish(handle, nid, table, &node);
    complete_row(c, table, nid, has ? conversation : NULL);
    pstw_row_end(table);
    pstw_node(c->w, nid, node.data, node.sub, parent);
}
