/* What is made of items that are not mail, and of what nobody knows: text. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "archive/mapi/codepage.h"
#include "archive/mapi/header.h"
#include "archive/mapi/own.h"

/* One occurrence of a series that was changed: embedded in the series. */
#define EXCEPTION "IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"

/* Numbers in mapi_set_log and mapi_set_address. */
enum { LOG_TYPE = 0x8700, LOG_START = 0x8706, LOG_MINUTES = 0x8707, LOG_END = 0x8708, LIST_MEMBERS = 0x8055, LIST_ONE_OFFS = 0x8054 };
enum { MEMBERS_MAX = 20000, PROPERTIES_MAX = 500, VALUE_MAX = 4096, REPORTED_MAX = 10000 };

static int begins(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

/* The class itself or one below it. */
static int is(const char *s, const char *class)
{
    return begins(s, class) && (s[strlen(class)] == 0 || s[strlen(class)] == '.');
}

enum item_kind item_kind_of(const char *c)
{
    static const struct {
        const char *class;
        enum item_kind kind;
    } t[] = {
        {"IPM.Note.SMIME.MultipartSigned", ITEM_SIGNED},
        {"IPM.Note.SMIME", ITEM_SMIME},
        {"IPM.Note", ITEM_NOTE},
        {"IPM.Post", ITEM_NOTE},
        {"IPM.Document", ITEM_NOTE},
        {"IPM.Sharing", ITEM_NOTE},
        {"IPM.Resend", ITEM_NOTE},
        {"IPM.Recall", ITEM_NOTE},
        {"IPM.Outlook.Recall", ITEM_NOTE},
        {"IPM.TaskRequest", ITEM_NOTE},
        {"IPM.Appointment", ITEM_APPOINTMENT},
        {EXCEPTION, ITEM_APPOINTMENT},
        {"IPM.Schedule.Meeting", ITEM_MEETING},
        {"IPM.Contact", ITEM_CONTACT},
        {"IPM.Task", ITEM_TASK},
        {"IPM.StickyNote", ITEM_STICKY},
        {"IPM.Activity", ITEM_JOURNAL},
        {"IPM.DistList", ITEM_DISTLIST},
        {"IPM.Report", ITEM_REPORT},
        {"REPORT", ITEM_REPORT},
    };
    if (!*c || strcasecmp(c, "IPM") == 0)
        return ITEM_NOTE;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        if (is(c, t[i].class))
            return t[i].kind;
    }
    return ITEM_OTHER;
}

/* ---- lines -------------------------------------------------------------------------------------------------------------------------------- */

static void add(struct text *out, const char *s)
{
    text_add(out, s, strlen(s));
}

static void named_line(struct text *out, const char *name, const struct text *value)
{
    if (!value->len)
        return;
    add(out, name);
    add(out, ": ");
    for (size_t i = 0; i < value->len; i++)
        text_byte(out, (unsigned char)value->data[i] < 0x20 || value->data[i] == 0x7f ? ' ' : value->data[i]);
    add(out, "\r\n");
}

static void date_line(struct text *out, const char *name, int64_t seconds)
{
    struct text t = {0};
    header_date_value(&t, seconds);
    named_line(out, name, &t);
    text_release(&t);
}

static void text_line(struct mapi_object *msg, struct text *out, const char *name, uint16_t id)
{
    struct text t = {0};
    mapi_text(msg, id, TEXT_MAX, &t);
    named_line(out, name, &t);
    text_release(&t);
}

/* ---- journal, lists ------------------------------------------------------------------------------------------------------------------------ */

static void journal(struct mapi_object *msg, struct text *out)
{
    struct text t = {0};
    int64_t seconds, minutes = named_int(msg, mapi_set_log, LOG_MINUTES, -1);
    char buf[32];
    named_text(msg, mapi_set_log, LOG_TYPE, &t);
    named_line(out, "Journal entry", &t);
    if (named_time(msg, mapi_set_log, LOG_START, &seconds))
        date_line(out, "Start", seconds);
    if (named_time(msg, mapi_set_log, LOG_END, &seconds))
        date_line(out, "End", seconds);
    if (minutes >= 0) {
        snprintf(buf, sizeof buf, "Minutes: %lld\r\n", (long long)minutes);
        add(out, buf);
    }
    text_release(&t);
}

static void member(struct text *out, const struct address *a)
{
    add(out, "  ");
    text_add(out, a->name.data ? a->name.data : "", a->name.len);
    if (a->addr.len) {
        add(out, a->name.len ? " <" : "<");
        text_add(out, a->addr.data, a->addr.len);
        add(out, ">");
    }
    add(out, "\r\n");
}

static void members(struct mapi_object *msg, struct losses *l, struct text *out)
{
    struct mapi_prop p, e;
    int rc = mapi_find_named(msg, mapi_set_address, LIST_ONE_OFFS, NULL, &p);
    if (rc != 1)
        rc = mapi_find_named(msg, mapi_set_address, LIST_MEMBERS, NULL, &p);
    if (rc != 1 || p.type != (MAPI_BINARY | MAPI_MULTI)) {
        add(out, "Members: none are kept here\r\n");
        return;
    }
    add(out, "Members:\r\n");
    uint32_t unknown = 0;
    for (uint32_t i = 0; i < p.count && i < MEMBERS_MAX; i++) {
        struct text t = {0};
        struct address a = {0};
        if (msg->ops->element(msg, &p, i, &e) == 1 && mapi_bytes_of(msg, &e, VALUE_MAX, &t) == 1 &&
            address_of_entryid((const uint8_t *)t.data, t.len, &a))
            member(out, &a);
        else
            unknown++;
        address_release(&a);
        text_release(&t);
    }
    unknown += p.count > MEMBERS_MAX ? p.count - MEMBERS_MAX : 0;
    if (unknown) {
        char buf[96];
        snprintf(buf, sizeof buf, "  and %u that are named elsewhere only\r\n", unknown);
        add(out, buf);
        losses_add(l, "%u members of a list, which are kept elsewhere", unknown);
    }
}

/* ---- reports ---------------------------------------------------------------------------------------------------------------------------------- */

static void reported(struct mapi_object *r, struct text *out)
{
    struct address a;
    int64_t seconds, status = mapi_int(r, MAPI_P_NDR_STATUS, -1), reason = mapi_int(r, MAPI_P_NDR_REASON, -1),
                     diagnostic = mapi_int(r, MAPI_P_NDR_DIAGNOSTIC, -1);
    char buf[120];
    if (address_get(r, &address_recipient, &a)) {
        add(out, "Recipient:\r\n");
        member(out, &a);
    }
    if (status >= 0) { /* 5.1.1 is kept as 511 */
        snprintf(buf, sizeof buf, "Status: %lld (reason %lld, diagnostic %lld)\r\n", (long long)status, (long long)reason, (long long)diagnostic);
        add(out, buf);
    }
    if (mapi_time(r, MAPI_P_REPORT_TIME, &seconds))
        date_line(out, "Time", seconds);
    text_line(r, out, "Remote server", MAPI_P_REMOTE_MTA);
    text_line(r, out, "Details", MAPI_P_SUPPLEMENTARY_INFO);
    text_line(r, out, "Text", MAPI_P_REPORT_TEXT);
    address_release(&a);
}

static void report(struct mapi_object *msg, struct text *out)
{
    int64_t seconds, n = msg->ops->recipients(msg);
    text_line(msg, out, "Report", MAPI_P_MESSAGE_CLASS);
    text_line(msg, out, "About", MAPI_P_ORIGINAL_SUBJECT);
    if (mapi_time(msg, MAPI_P_REPORT_TIME, &seconds))
        date_line(out, "Time", seconds);
    text_line(msg, out, "Text", MAPI_P_REPORT_TEXT);
    for (int64_t i = 0; i < n && i < REPORTED_MAX; i++) {
        struct mapi_object *r = NULL;
        if (msg->ops->recipient(msg, (size_t)i, &r) == 0)
            reported(r, out);
        mapi_close(&r);
    }
}

/* ---- what nobody knows ------------------------------------------------------------------------------------------------------------------------ */

static void property_name(struct mapi_object *msg, uint16_t id, struct text *out)
{
    struct mapi_name name;
    char buf[64];
    if (id >= 0x8000 && msg->ops->name_of(msg, id, &name) == 1) {
        if (name.name[0])
            add(out, name.name);
        else
            snprintf(buf, sizeof buf, "0x%04x/%02x%02x%02x%02x", name.number, name.set[3], name.set[2], name.set[1], name.set[0]);
        if (!name.name[0])
            add(out, buf);
    } else {
        snprintf(buf, sizeof buf, "0x%04x", id);
        add(out, buf);
    }
}

/* 1: the value is in out. */
static int property_value(struct mapi_object *msg, const struct mapi_prop *p, struct text *out)
{
    int64_t seconds;
    char buf[64];
    switch (p->type) {
    case MAPI_STRING:
    case MAPI_STRING8:
        return mapi_text_of(msg, p, VALUE_MAX, out) == 1;
    case MAPI_TIME:
        if (!mapi_time_of(p, &seconds))
            return 0;
        header_date_value(out, seconds);
        return 1;
    case MAPI_BINARY:
    case MAPI_OBJECT:
        snprintf(buf, sizeof buf, "(%llu bytes)", (unsigned long long)p->size);
        break;
    case MAPI_INT16:
    case MAPI_INT32:
    case MAPI_INT64:
    case MAPI_BOOL:
        snprintf(buf, sizeof buf, "%lld", (long long)mapi_int_of(p, 0));
        break;
    default:
        if (!(p->type & MAPI_MULTI))
            return 0;
        snprintf(buf, sizeof buf, "(%u values)", p->count);
    }
    add(out, buf);
    return 1;
}

static int is_elsewhere(uint16_t id)
{
    static const uint16_t ids[] = {MAPI_P_BODY, MAPI_P_HTML, MAPI_P_RTF, MAPI_P_TRANSPORT_HEADERS, MAPI_P_MESSAGE_CLASS};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (ids[i] == id)
            return 1;
    }
    return 0;
}

static void all_properties(struct mapi_object *msg, struct losses *l, struct text *out)
{
    struct mapi_prop p;
    size_t shown = 0;
    add(out, "This item is not mail. What it holds:\r\n\r\n");
    text_line(msg, out, "Class", MAPI_P_MESSAGE_CLASS);
    for (size_t i = 0;; i++) {
        int rc = msg->ops->at(msg, i, &p);
        if (rc == 0)
            break;
        if (rc < 0 || is_elsewhere(p.id))
            continue;
        if (shown++ == PROPERTIES_MAX) {
            losses_add(l, "more than %d properties", PROPERTIES_MAX);
            break;
        }
        struct text name = {0}, value = {0};
        property_name(msg, p.id, &name);
        if (property_value(msg, &p, &value))
            named_line(out, name.data, &value);
        text_release(&name);
        text_release(&value);
    }
    losses_add(l, "an item of an unknown class: its binary values");
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------ */

static void item_text(enum item_kind kind, struct mapi_object *msg, struct losses *l, struct item_part *out)
{
    out->type = "text/plain; charset=utf-8";
    if (kind == ITEM_JOURNAL)
        journal(msg, &out->data);
    else if (kind == ITEM_DISTLIST)
        members(msg, l, &out->data);
    else if (kind == ITEM_REPORT)
        report(msg, &out->data);
    else
        all_properties(msg, l, &out->data);
}

void item_part_make(enum item_kind kind, struct mapi_object *msg, struct losses *l, struct item_part *out)
{
    *out = (struct item_part){0};
    switch (kind) {
    case ITEM_APPOINTMENT:
    case ITEM_MEETING:
    case ITEM_TASK:
        item_calendar(kind, msg, l, out);
        break;
    case ITEM_CONTACT:
        item_contact(msg, l, out);
        break;
    case ITEM_JOURNAL:
    case ITEM_DISTLIST:
    case ITEM_REPORT:
    case ITEM_OTHER:
        item_text(kind, msg, l, out);
        break;
    default:
        break; /* mail, and sticky notes, which are a subject and a text */
    }
}
