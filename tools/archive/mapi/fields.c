/* The header of a message: the fields it was sent with, as far as Outlook kept them, then what they lack, from properties. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/field.h"
#include "archive/mapi/header.h"
#include "archive/mapi/own.h"
#include "archive/mapi/to_mime.h"
#include "cli.h"

/* ---- losses ----------------------------------------------------------------------------------------------------------------------------- */

void losses_add(struct losses *l, const char *fmt, ...)
{
    char buf[400];
    va_list args;
    if (l->count + 1 >= TO_MIME_LOSSES_MAX) {
        if (l->more++ == 0) {
            l->lines = cli_realloc(l->lines, (l->count + 1) * sizeof *l->lines);
            l->lines[l->count++] = NULL;
        }
        free(l->lines[l->count - 1]);
        l->lines[l->count - 1] = cli_printf("and %llu more", (unsigned long long)l->more);
        return;
    }
    va_start(args, fmt);
    vsnprintf(buf, sizeof buf, fmt, args);
    va_end(args);
    for (char *p = buf; *p; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' ';
    }
    l->lines = cli_realloc(l->lines, (l->count + 1) * sizeof *l->lines);
    l->lines[l->count++] = cli_strdup(buf);
}

void losses_release(struct losses *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->lines[i]);
    free(l->lines);
    *l = (struct losses){0};
}

/* ---- named properties ------------------------------------------------------------------------------------------------------------------- */

int64_t named_int(struct mapi_object *o, const uint8_t set[16], uint32_t number, int64_t otherwise)
{
    struct mapi_prop p;
    return mapi_find_named(o, set, number, NULL, &p) == 1 ? mapi_int_of(&p, otherwise) : otherwise;
}

int named_time(struct mapi_object *o, const uint8_t set[16], uint32_t number, int64_t *seconds)
{
    struct mapi_prop p;
    *seconds = 0;
    return mapi_find_named(o, set, number, NULL, &p) == 1 && mapi_time_of(&p, seconds);
}

int named_text(struct mapi_object *o, const uint8_t set[16], uint32_t number, struct text *out)
{
    struct mapi_prop p;
    return mapi_find_named(o, set, number, NULL, &p) == 1 && mapi_text_of(o, &p, TEXT_MAX, out) == 1;
}

int named_bytes(struct mapi_object *o, const uint8_t set[16], uint32_t number, size_t max, struct text *out)
{
    struct mapi_prop p;
    return mapi_find_named(o, set, number, NULL, &p) == 1 && p.type == MAPI_BINARY && mapi_bytes_of(o, &p, max, out) == 1;
}

/* ---- single values ---------------------------------------------------------------------------------------------------------------------- */

void subject_get(struct mapi_object *msg, struct text *out)
{
    struct text t = {0};
    size_t skip = 0;
    if (mapi_text(msg, MAPI_P_SUBJECT, TEXT_MAX, &t) != 1 || t.len == 0) {
        text_clear(&t);
        if (mapi_text(msg, MAPI_P_SUBJECT_PREFIX, NAME_MAX_BYTES, &t) == 1 && t.len && t.data[0] == 1)
            text_clear(&t);
        mapi_text(msg, MAPI_P_NORMALIZED_SUBJECT, TEXT_MAX, &t);
    }
    if (t.len && t.data[0] == 1) {
        uint32_t code;
        skip = 1;
        if (t.len > 1)
            skip += text_next(t.data + 1, t.len - 1, &code);
    }
    if (t.len > skip)
        text_add(out, t.data + skip, t.len - skip);
    text_release(&t);
}

void categories_each(struct mapi_object *msg, void (*fn)(void *arg, const char *name, size_t n), void *arg)
{
    struct mapi_prop p, e;
    if (mapi_find_named(msg, mapi_set_public_strings, 0, MAPI_NAME_KEYWORDS, &p) != 1)
        return;
    int multi = p.type & MAPI_MULTI;
    for (uint32_t i = 0; i < (multi ? p.count : 1) && i < 1000; i++) {
        struct text t = {0};
        if (!multi)
            e = p;
        if ((!multi || msg->ops->element(msg, &p, i, &e) == 1) && mapi_text_of(msg, &e, NAME_MAX_BYTES, &t) == 1) {
            header_clean(&t);
            if (t.len)
                fn(arg, t.data, t.len);
        }
        text_release(&t);
    }
}

/* ---- the header it was sent with -------------------------------------------------------------------------------------------------------- */

enum { FROM, SENDER, REPLY_TO, TO, CC, BCC, DATE, SUBJECT, MESSAGE_ID, IN_REPLY_TO, REFERENCES, IMPORTANCE, X_PRIORITY, PRIORITY, SENSITIVITY,
       THREAD_TOPIC, THREAD_INDEX, KEYWORDS, RECEIPT, X_UNSENT, MESSAGE_FLAG, CLASS, FIELDS };
static const char *const names[FIELDS] = {
    "From", "Sender", "Reply-To", "To", "Cc", "Bcc", "Date", "Subject", "Message-ID", "In-Reply-To", "References", "Importance", "X-Priority",
    "Priority", "Sensitivity", "Thread-Topic", "Thread-Index", "Keywords", "Disposition-Notification-To", "X-Unsent", "X-Message-Flag",
    "X-MAPI-Message-Class",
};

/* Fields about the body, which is written anew; X-Cubby would be taken for ours. */
static const char *const dropped[] = {
    "MIME-Version", "Content-Type", "Content-Transfer-Encoding", "Content-Disposition", "Content-ID", "Content-Description", "Content-Length",
    "Content-MD5", "Content-Location", "Content-Base", "Content-Features", "Content-Duration", "X-MS-TNEF-Correlator", "X-Cubby", NULL,
};

static int is_dropped(const struct field *f)
{
    for (size_t i = 0; dropped[i]; i++) {
        if (field_is(f, dropped[i]))
            return 1;
    }
    return 0;
}

static void note_seen(const struct field *f, uint32_t *seen)
{
    for (unsigned i = 0; i < FIELDS; i++) {
        if (field_is(f, names[i]))
            *seen |= 1u << i;
    }
}

static int blank_value(const struct field *f)
{
    return strspn(f->value, " \t\r\n") >= f->value_len;
}

/* An address field that holds none: names alone, or those of an Exchange server. */
static int holds_no_address(const struct field *f)
{
    static const int which[] = {FROM, SENDER, TO, CC, BCC};
    int is_list = 0;
    for (size_t i = 0; i < sizeof which / sizeof *which; i++)
        is_list = is_list || field_is(f, names[which[i]]);
    if (!is_list || memchr(f->value, ';', f->value_len)) /* "undisclosed-recipients:;" */
        return 0;
    for (size_t i = 0; i + 4 < f->value_len; i++) {
        if (strncasecmp(f->value + i, "</O=", 4) == 0)
            return 1;
    }
    return !memchr(f->value, '@', f->value_len);
}

/* Do the properties have what such a field should hold? */
static int is_known_better(struct mapi_object *msg, const struct field *f)
{
    int type = field_is(f, names[TO]) ? 1 : field_is(f, names[CC]) ? 2 : field_is(f, names[BCC]) ? 3 : 0, found = 0;
    struct address a = {{0}, {0}};
    if (!type) {
        found = address_from(msg, &a) && a.addr.len;
        address_release(&a);
        return found;
    }
    int64_t n = msg->ops->recipients(msg);
    for (int64_t i = 0; i < n && i < RECIPIENTS_MAX && !found; i++) {
        struct mapi_object *r = NULL;
        if (msg->ops->recipient(msg, (size_t)i, &r) == 0 && (mapi_int(r, MAPI_P_RECIPIENT_TYPE, 1) & 15) == type) {
            found = address_get(r, &address_recipient, &a) && a.addr.len;
            address_release(&a);
        }
        mapi_close(&r);
    }
    return found;
}

/* The fields that were kept. *seen: which of `names` are there. */
static void transport(struct mapi_object *msg, struct losses *l, struct text *out, uint32_t *seen)
{
    struct text t = {0};
    struct field f;
    size_t pos = 0;
    int rc = mapi_text(msg, MAPI_P_TRANSPORT_HEADERS, TEXT_MAX * 4, &t);
    if (rc < 0)
        losses_add(l, "the header as it was sent: %s", msg->ops->error(msg));
    while (pos < t.len && strchr(" \t\r\n", t.data[pos]))
        pos++;
    while (pos < t.len && field_next(t.data, t.len, &pos, &f)) {
        if (is_dropped(&f) || (blank_value(&f) && !field_is(&f, names[SUBJECT])))
            continue;
        if (holds_no_address(&f) && is_known_better(msg, &f))
            continue;
        note_seen(&f, seen);
        header_field(out, f.name, f.name_len, f.value, f.value_len);
    }
    text_release(&t);
}

/* ---- and what it lacks ---------------------------------------------------------------------------------------------------------------- */

struct making {
    struct mapi_object *msg;
    enum item_kind kind;
    struct losses *losses;
    struct text *out;
    uint32_t seen;
};

static int lacks(const struct making *m, int field)
{
    return !(m->seen & 1u << field);
}

static void list_add(struct header_list *list, const struct address *a)
{
    static const char nobody[] = "unknown@invalid"; /* a name without an address */
    if (a->addr.len)
        header_list_add(list, a->name.data ? a->name.data : "", a->name.len, a->addr.data, a->addr.len);
    else
        header_list_add(list, a->name.data, a->name.len, nobody, sizeof nobody - 1);
}

static void one_address(struct making *m, int field, const struct address *a)
{
    struct header_list list = {.out = m->out, .name = names[field]};
    list_add(&list, a);
    header_list_end(&list);
}

static void add_from(struct making *m)
{
    struct address from, sender;
    int has = address_from(m->msg, &from);
    if (has && lacks(m, FROM))
        one_address(m, FROM, &from);
    if (address_get_known(m->msg, &address_sender, &sender) && has && sender.addr.len && lacks(m, SENDER) && lacks(m, FROM) &&
        (sender.addr.len != from.addr.len || strcasecmp(sender.addr.data, from.addr.data) != 0))
        one_address(m, SENDER, &sender);
    if (has && from.addr.len && lacks(m, RECEIPT) && lacks(m, FROM) && mapi_int(m->msg, MAPI_P_READ_RECEIPT_REQUESTED, 0) == 1)
        one_address(m, RECEIPT, &from);
    address_release(&from);
    address_release(&sender);
}

static int field_of_type(const struct making *m, int64_t type)
{
    if (m->kind == ITEM_APPOINTMENT || m->kind == ITEM_MEETING)
        return type == 2 ? CC : TO; /* 3 are rooms and equipment */
    return type == 2 ? CC : type == 3 ? BCC : TO;
}

static void add_recipients(struct making *m)
{
    struct text lists[3] = {{0}, {0}, {0}};
    struct header_list list[3];
    int64_t n = m->msg->ops->recipients(m->msg);
    if (n < 0)
        losses_add(m->losses, "recipients: %s", m->msg->ops->error(m->msg));
    for (int i = 0; i < 3; i++)
        list[i] = (struct header_list){.out = &lists[i], .name = names[TO + i]};
    for (int64_t i = 0; i < n && i < RECIPIENTS_MAX; i++) {
        struct mapi_object *r;
        struct address a;
        if (m->msg->ops->recipient(m->msg, (size_t)i, &r) != 0) {
            losses_add(m->losses, "recipient %lld: %s", (long long)i + 1, m->msg->ops->error(m->msg));
            mapi_close(&r);
            continue;
        }
        int64_t type = mapi_int(r, MAPI_P_RECIPIENT_TYPE, 1) & 15;
        int field = field_of_type(m, type);
        int has = address_get(r, &address_recipient, &a);
        if (!a.name.len && has)
            mapi_text(r, MAPI_P_RECIPIENT_DISPLAY_NAME, NAME_MAX_BYTES, &a.name);
        if (has && type != 0 && lacks(m, field))
            list_add(&list[field - TO], &a);
        address_release(&a);
        mapi_close(&r);
    }
    if (n > RECIPIENTS_MAX)
        losses_add(m->losses, "%lld recipients more than %d", (long long)n - RECIPIENTS_MAX, RECIPIENTS_MAX);
    for (int i = 0; i < 3; i++) {
        header_list_end(&list[i]);
        text_add(m->out, lists[i].data ? lists[i].data : "", lists[i].len);
        if (list[i].count)
            m->seen |= 1u << (TO + i);
        text_release(&lists[i]);
    }
}

/* Names only, when there is no table: what the message shows. */
static void add_displayed(struct making *m)
{
    static const uint16_t ids[] = {MAPI_P_DISPLAY_TO, MAPI_P_DISPLAY_CC, MAPI_P_DISPLAY_BCC};
    if (m->seen & (1u << TO | 1u << CC | 1u << BCC))
        return;
    for (int i = 0; i < 3; i++) {
        struct text t = {0};
        struct header_list list = {.out = m->out, .name = names[TO + i]};
        mapi_text(m->msg, ids[i], TEXT_MAX, &t);
        char *save = NULL;
        for (char *p = t.data ? strtok_r(t.data, ";", &save) : NULL; p; p = strtok_r(NULL, ";", &save)) {
            struct address a = {0};
            text_add(&a.name, p, strlen(p));
            header_clean(&a.name);
            if (a.name.len && memchr(a.name.data, '@', a.name.len) && !memchr(a.name.data, ' ', a.name.len))
                text_add(&a.addr, a.name.data, a.name.len);
            if (a.name.len)
                list_add(&list, &a);
            address_release(&a);
        }
        header_list_end(&list);
        text_release(&t);
    }
}

static uint32_t get32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A list of EntryIDs: how many, bytes in all, then for each its length and itself, filled to a multiple of four. */
static void add_reply_to(struct making *m)
{
    struct text t = {0};
    struct header_list list = {.out = m->out, .name = names[REPLY_TO]};
    if (lacks(m, REPLY_TO) && mapi_bytes(m->msg, MAPI_P_REPLY_ENTRIES, TEXT_MAX, &t) == 1 && t.len >= 8) {
        const uint8_t *p = (const uint8_t *)t.data;
        uint32_t count = get32(p);
        for (size_t at = 8; count-- && at + 4 <= t.len;) {
            size_t len = get32(p + at);
            struct address a = {0};
            at += 4;
            if (len > t.len - at)
                break;
            if (address_of_entryid(p + at, len, &a) && a.addr.len)
                list_add(&list, &a);
            address_release(&a);
            at += (len + 3) & ~(size_t)3;
        }
    }
    header_list_end(&list);
    text_release(&t);
}

static void add_date(struct making *m)
{
    static const uint16_t ids[] = {MAPI_P_CLIENT_SUBMIT_TIME, MAPI_P_DELIVERY_TIME, MAPI_P_CREATION_TIME, MAPI_P_MODIFICATION_TIME};
    int64_t seconds;
    for (size_t i = 0; lacks(m, DATE) && i < sizeof ids / sizeof *ids; i++) {
        if (mapi_time(m->msg, ids[i], &seconds)) {
            header_date(m->out, names[DATE], seconds);
            return;
        }
    }
}

static void add_text(struct making *m, int field, uint16_t id, int structured)
{
    struct text t = {0};
    if (lacks(m, field))
        mapi_text(m->msg, id, TEXT_MAX, &t);
    if (t.len && structured)
        header_raw(m->out, names[field], t.data, t.len);
    else if (t.len)
        header_text(m->out, names[field], t.data, t.len);
    text_release(&t);
}

static void add_message_id(struct making *m)
{
    struct text t = {0}, id = {0};
    if (lacks(m, MESSAGE_ID) && mapi_text(m->msg, MAPI_P_INTERNET_MESSAGE_ID, NAME_MAX_BYTES, &t) == 1 && t.len) {
        header_raw(m->out, names[MESSAGE_ID], t.data, t.len);
    } else if (lacks(m, MESSAGE_ID) && mapi_bytes(m->msg, MAPI_P_SEARCH_KEY, 64, &t) == 1 && t.len) {
        char hex[3];
        text_byte(&id, '<');
        for (size_t i = 0; i < t.len; i++) {
            snprintf(hex, sizeof hex, "%02x", (unsigned char)t.data[i]);
            text_add(&id, hex, 2);
        }
        text_add(&id, "@outlook.invalid>", 17);
        header_raw(m->out, names[MESSAGE_ID], id.data, id.len);
    }
    text_release(&t);
    text_release(&id);
}

static void add_subject(struct making *m)
{
    struct text t = {0};
    if (lacks(m, SUBJECT)) {
        subject_get(m->msg, &t);
        if (t.len)
            header_text(m->out, names[SUBJECT], t.data, t.len);
    }
    text_release(&t);
}

static void add_fixed(struct making *m, int field, const char *value)
{
    if (value && lacks(m, field))
        header_raw(m->out, names[field], value, strlen(value));
}

static void add_levels(struct making *m)
{
    static const char *const sensitivity[] = {NULL, "Personal", "Private", "Company-Confidential"};
    int64_t importance = mapi_int(m->msg, MAPI_P_IMPORTANCE, 1), s = mapi_int(m->msg, MAPI_P_SENSITIVITY, 0);
    if (lacks(m, X_PRIORITY) && lacks(m, PRIORITY))
        add_fixed(m, IMPORTANCE, importance == 2 ? "high" : importance == 0 ? "low" : NULL);
    if (lacks(m, IMPORTANCE) && lacks(m, PRIORITY))
        add_fixed(m, X_PRIORITY, importance == 2 ? "1" : importance == 0 ? "5" : NULL);
    add_fixed(m, SENSITIVITY, s > 0 && s < 4 ? sensitivity[s] : NULL);
}

static void category(void *arg, const char *name, size_t n)
{
    struct text *t = arg;
    if (t->len)
        text_add(t, ", ", 2);
    text_add(t, name, n);
}

static void add_thread(struct making *m)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct text t = {0}, b = {0};
    add_text(m, THREAD_TOPIC, MAPI_P_CONVERSATION_TOPIC, 0);
    if (lacks(m, THREAD_INDEX) && mapi_bytes(m->msg, MAPI_P_CONVERSATION_INDEX, NAME_MAX_BYTES, &t) == 1) {
        for (size_t i = 0; i < t.len; i += 3) {
            const uint8_t *p = (const uint8_t *)t.data + i;
            size_t n = t.len - i;
            uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)(n > 1 ? p[1] : 0) << 8 | (n > 2 ? p[2] : 0);
            text_byte(&b, letters[v >> 18]);
            text_byte(&b, letters[v >> 12 & 63]);
            text_byte(&b, n > 1 ? letters[v >> 6 & 63] : '=');
            text_byte(&b, n > 2 ? letters[v & 63] : '=');
        }
        if (b.len)
            header_raw(m->out, names[THREAD_INDEX], b.data, b.len);
    }
    text_release(&t);
    text_release(&b);
}

static void add_marks(struct making *m)
{
    struct text t = {0};
    if (lacks(m, KEYWORDS)) {
        categories_each(m->msg, category, &t);
        if (t.len)
            header_text(m->out, names[KEYWORDS], t.data, t.len);
    }
    text_clear(&t);
    if (lacks(m, MESSAGE_FLAG) && named_text(m->msg, mapi_set_common, MAPI_N_FLAG_REQUEST, &t) && t.len)
        header_text(m->out, names[MESSAGE_FLAG], t.data, t.len);
    if (mapi_int(m->msg, MAPI_P_MESSAGE_FLAGS, 0) & MAPI_FLAG_UNSENT && m->kind == ITEM_NOTE)
        add_fixed(m, X_UNSENT, "1");
    text_clear(&t);
    mapi_text(m->msg, MAPI_P_MESSAGE_CLASS, NAME_MAX_BYTES, &t);
    header_clean(&t);
    if (t.len && strcasecmp(t.data, "IPM.Note") != 0)
        add_fixed(m, CLASS, t.data);
    text_release(&t);
}

void fields_make(struct mapi_object *msg, enum item_kind kind, struct losses *l, struct text *out)
{
    struct making m = {.msg = msg, .kind = kind, .losses = l, .out = out};
    transport(msg, l, out, &m.seen);
    add_from(&m);
    add_reply_to(&m);
    add_recipients(&m);
    add_displayed(&m);
    add_date(&m);
    add_subject(&m);
    add_message_id(&m);
    add_text(&m, IN_REPLY_TO, MAPI_P_IN_REPLY_TO, 1);
    add_text(&m, REFERENCES, MAPI_P_INTERNET_REFERENCES, 1);
    add_levels(&m);
    add_thread(&m);
    add_marks(&m);
}
