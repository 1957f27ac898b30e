/* The header of a message as properties. */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "archive/digest.h"
#include "archive/field.h"
#include "archive/mapi/codepage.h"
#include "archive/mapi/from_mime.h"
#include "archive/mapi/props.h"
#include "archive/pst/bytes.h"
#include "archive/pst/write_store.h"

#define TAG(id, type) ((uint32_t)(id) << 16 | (uint32_t)(type))
#define STRING(id) TAG(id, MAPI_STRING)
#define BINARY(id) TAG(id, MAPI_BINARY)
#define INT(id)    TAG(id, MAPI_INT32)
#define TIME(id)   TAG(id, MAPI_TIME)

/* Outlook takes no longer subject; lists of names are cut in the object, not in the recipient table. IDS_MAX fits a heap item twice. */
enum { SUBJECT_UNITS = 250, NAMES_MAX = 1000, IDS_MAX = 16384, RECIPIENTS_MAX = 10000 };

struct head {
    struct pstw_object *o;
    const char *p;
    size_t n;
    struct text work;
};

static void set_text(struct head *h, uint16_t id, const struct text *t)
{
    pstw_set_text(h->o, STRING(id), t->data ? t->data : "", t->len);
}

/* 100 ns since 1601. */
static uint64_t file_time(int64_t seconds)
{
    const int64_t gap = 11644473600;
    if (seconds < -gap)
        return 0;
    return seconds > 253402300799 ? (uint64_t)(253402300799 + gap) * 10000000 : (uint64_t)(seconds + gap) * 10000000;
}

/* A field's value, decoded and clean, in h->work. */
static int value_of(struct head *h, const char *name, size_t max)
{
    struct field f;
    if (!field_find(h->p, h->n, name, &f))
        return 0;
    mime_words(f.value, f.value_len, &h->work);
    mime_clean(&h->work, max);
    return h->work.len > 0;
}

/* ---- subject --------------------------------------------------------------------------------------------------------------------------- */

/* Bytes of "Re: " and the like: up to three letters, a colon, a blank. */
static size_t prefix_of(const struct text *t)
{
    size_t n = 0;
    while (n < 3 && n < t->len && isalpha((unsigned char)t->data[n]))
        n++;
    return n > 0 && n + 1 < t->len && t->data[n] == ':' && t->data[n + 1] == ' ' ? n + 2 : 0;
}

/* Cuts to so many units of UTF-16. */
static void cut_units(struct text *t, size_t units)
{
    size_t i = 0;
    while (i < t->len) {
        uint32_t code;
        size_t used = text_next(t->data + i, t->len - i, &code), need = code >= 0x10000 ? 2 : 1;
        if (units < need)
            break;
        units -= need;
        i += used;
    }
    t->len = i;
    if (t->data)
        t->data[i] = 0;
}

static void set_subject(struct head *h, struct text *topic)
{
    struct text marked = {0};
    value_of(h, "Subject", 4096);
    cut_units(&h->work, SUBJECT_UNITS);
    size_t prefix = h->work.len ? prefix_of(&h->work) : 0;
    text_byte(&marked, 1);
    text_byte(&marked, (char)(prefix + 1));
    text_add(&marked, h->work.data ? h->work.data : "", h->work.len);
    if (h->work.len)
        set_text(h, MAPI_P_SUBJECT, &marked);
    else
        pstw_set_text(h->o, STRING(MAPI_P_SUBJECT), "", 0);
    if (prefix)
        pstw_set_text(h->o, STRING(MAPI_P_SUBJECT_PREFIX), h->work.data, prefix);
    if (h->work.len > prefix)
        text_add(topic, h->work.data + prefix, h->work.len - prefix);
    pstw_set_text(h->o, STRING(MAPI_P_CONVERSATION_TOPIC), topic->data ? topic->data : "", topic->len);
    text_release(&marked);
}

/* ---- people ------------------------------------------------------------------------------------------------------------------------------ */

struct one {
    struct text name, address;
    int found;
};

static void take_first(void *arg, const char *name, const char *address)
{
    struct one *one = arg;
    if (one->found)
        return;
    one->found = 1;
    text_add(&one->name, *name ? name : address, strlen(*name ? name : address));
    text_add(&one->address, address, strlen(address));
}

struct sender_ids {
    uint16_t name, type, address, entryid, key, smtp;
};

static void set_sender(struct head *h, const struct one *one, const struct sender_ids *ids)
{
    struct text entry = {0}, key = {0};
    pstw_one_off(&entry, one->name.data, one->address.data);
    text_add(&key, "SMTP:", 5);
    for (size_t i = 0; i <= one->address.len; i++)
        text_byte(&key, (char)toupper((unsigned char)one->address.data[i]));
    set_text(h, ids->name, &one->name);
    pstw_set_text(h->o, STRING(ids->type), "SMTP", 4);
    set_text(h, ids->address, &one->address);
    set_text(h, ids->smtp, &one->address);
    pstw_set_bytes(h->o, BINARY(ids->entryid), entry.data, entry.len);
    pstw_set_bytes(h->o, BINARY(ids->key), key.data, key.len);
    text_release(&entry);
    text_release(&key);
}

static int first_address(struct head *h, const char *name, struct one *one)
{
    struct field f;
    if (field_find(h->p, h->n, name, &f))
        mime_addresses(f.value, f.value_len, take_first, one);
    return one->found;
}

static void set_senders(struct head *h)
{
    static const struct sender_ids sender = {MAPI_P_SENDER_NAME, MAPI_P_SENDER_ADDRTYPE, MAPI_P_SENDER_ADDRESS,
                                             MAPI_P_SENDER_ENTRYID, MAPI_P_SENDER_SEARCH_KEY, MAPI_P_SENDER_SMTP};
    static const struct sender_ids from = {MAPI_P_REPRESENTING_NAME, MAPI_P_REPRESENTING_ADDRTYPE, MAPI_P_REPRESENTING_ADDRESS,
                                           MAPI_P_REPRESENTING_ENTRYID, MAPI_P_REPRESENTING_SEARCH_KEY, MAPI_P_REPRESENTING_SMTP};
    struct one author = {0}, agent = {0};
    int has_author = first_address(h, "From", &author), has_agent = first_address(h, "Sender", &agent);
    if (has_author || has_agent)
        set_sender(h, has_author ? &author : &agent, &from);
    if (has_author || has_agent)
        set_sender(h, has_agent ? &agent : &author, &sender);
    text_release(&author.name);
    text_release(&author.address);
    text_release(&agent.name);
    text_release(&agent.address);
}

struct list {
    struct pstw_message *m;
    int type;
    size_t count;
    struct text names;
};

static void add_recipient(void *arg, const char *name, const char *address)
{
    struct list *l = arg;
    const char *shown = *name ? name : address;
    if (l->count++ >= RECIPIENTS_MAX)
        return;
    pstw_recipient(l->m, l->type, shown, address);
    if (l->names.len > NAMES_MAX)
        return;
    if (l->names.len)
        text_add(&l->names, "; ", 2);
    text_add(&l->names, shown, strlen(shown));
}

/* All fields of the name: some programs write several. */
static void set_recipients(struct head *h, struct pstw_message *m, const char *name, int type, uint16_t display)
{
    struct list l = {.m = m, .type = type};
    struct field f;
    size_t pos = 0;
    while (field_next(h->p, h->n, &pos, &f))
        if (field_is(&f, name))
            mime_addresses(f.value, f.value_len, add_recipient, &l);
    mime_clean(&l.names, NAMES_MAX);
    set_text(h, display, &l.names);
    text_release(&l.names);
}

/* ---- ids, threads ---------------------------------------------------------------------------------------------------------------------- */

/* What the whole conversation has in common: the first id that the header names. */
static void conversation_id(struct head *h, const struct text *topic, uint8_t out[16])
{
    if (!value_of(h, "References", IDS_MAX) && !value_of(h, "In-Reply-To", IDS_MAX) && !value_of(h, "Message-ID", IDS_MAX)) {
        digest_of(topic->data ? topic->data : "", topic->len, out);
        return;
    }
    const char *end = memchr(h->work.data, '>', h->work.len);
    digest_of(h->work.data, end ? (size_t)(end - h->work.data) : h->work.len, out);
}

static void set_ids(struct head *h, const struct text *topic, int64_t date)
{
    static const struct {
        const char *name;
        uint16_t id;
    } fields[] = {{"Message-ID", MAPI_P_INTERNET_MESSAGE_ID}, {"In-Reply-To", MAPI_P_IN_REPLY_TO}, {"References", MAPI_P_INTERNET_REFERENCES}};
    uint8_t index[22] = {1}, key[16];
    uint64_t time = file_time(date);
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (value_of(h, fields[i].name, IDS_MAX))
            set_text(h, fields[i].id, &h->work);
    for (int i = 0; i < 5; i++)
        index[1 + i] = (uint8_t)(time >> (48 - 8 * i));
    conversation_id(h, topic, index + 6);
    pstw_set_bytes(h->o, BINARY(MAPI_P_CONVERSATION_INDEX), index, sizeof index);
    digest_of(h->p, h->n, key);
    pstw_set_bytes(h->o, BINARY(MAPI_P_SEARCH_KEY), key, sizeof key);
}

/* ---- importance ----------------------------------------------------------------------------------------------------------------------- */

static int importance(struct head *h)
{
    if (value_of(h, "Importance", 20))
        return strncasecmp(h->work.data, "high", 4) == 0 ? 2 : strncasecmp(h->work.data, "low", 3) == 0 ? 0 : 1;
    if (value_of(h, "X-Priority", 20) && h->work.data[0] >= '1' && h->work.data[0] <= '5')
        return h->work.data[0] < '3' ? 2 : h->work.data[0] > '3' ? 0 : 1;
    return 1;
}

static uint32_t sensitivity(struct head *h)
{
    static const char *const names[] = {"", "personal", "private", "company-confidential"};
    if (value_of(h, "Sensitivity", 40))
        for (uint32_t i = 1; i < 4; i++)
            if (strcasecmp(h->work.data, names[i]) == 0)
                return i;
    return 0;
}

/* ---- the header as it is -------------------------------------------------------------------------------------------------------------- */

static void set_header(struct head *h)
{
    struct text wide = {0};
    struct mime_charset *c = mime_charset_new("");
    mime_charset_add(c, h->p, h->n, &wide);
    mime_charset_end(&c, &wide);
    while (wide.len < 8 || memcmp(wide.data + wide.len - 8, "\r\0\n\0\r\0\n\0", 8) != 0)
        text_add(&wide, "\r\0\n\0", 4);
    pstw_set_bytes(h->o, STRING(MAPI_P_TRANSPORT_HEADERS), wide.data, wide.len);
    text_release(&wide);
}

/* ---- state ------------------------------------------------------------------------------------------------------------------------------ */

static int has_keyword(const struct mime_state *s, const char *name)
{
    for (size_t i = 0; i < s->keyword_count; i++)
        if (strcasecmp(s->keywords[i], name) == 0)
            return 1;
    return 0;
}

/* Keywords that begin with '$' are states that programs know; the others are what people call categories. */
static void set_categories(struct head *h, const struct mime_state *s)
{
    const char *list[1024];
    size_t count = 0;
    for (size_t i = 0; i < s->keyword_count && count < 1024; i++)
        if (s->keywords[i][0] != '$')
            list[count++] = s->keywords[i];
    if (count)
        pstw_set_texts(h->o, TAG(PSTW_N_KEYWORDS, MAPI_STRING | MAPI_MULTI), list, count);
}

static void set_verb(struct head *h, uint32_t icon, uint32_t verb, int64_t date)
{
    pstw_set32(h->o, INT(MAPI_P_ICON_INDEX), icon);
    pstw_set32(h->o, INT(MAPI_P_LAST_VERB), verb);
    pstw_set64(h->o, TIME(MAPI_P_LAST_VERB_TIME), file_time(date));
}

static void set_state(struct head *h, const struct mime_state *s)
{
    if (s->flags & CUBBY_ANSWERED)
        set_verb(h, MAPI_ICON_REPLIED, MAPI_VERB_REPLY, s->date);
    else if (has_keyword(s, "$Forwarded"))
        set_verb(h, MAPI_ICON_FORWARDED, MAPI_VERB_FORWARD, s->date);
    if (s->flags & CUBBY_FLAGGED) {
        pstw_set32(h->o, INT(MAPI_P_FLAG_STATUS), 2);
        pstw_set32(h->o, INT(MAPI_P_FOLLOWUP_ICON), 6);
        pstw_set32(h->o, INT(MAPI_P_TODO_FLAGS), 1);
        pstw_set_text(h->o, TAG(PSTW_N_FLAG_REQUEST, MAPI_STRING), "Follow up", 9);
    }
    set_categories(h, s);
}

static void set_dates(struct head *h, const struct mime_state *s, int64_t *sent)
{
    struct field f;
    int16_t zone;
    int has = field_find(h->p, h->n, "Date", &f) && cubby_date_parse(f.value, f.value_len, sent, &zone) == 0;
    if (!has)
        *sent = s ? s->date : 0;
    if (has || s)
        pstw_set64(h->o, TIME(MAPI_P_CLIENT_SUBMIT_TIME), file_time(*sent));
    int64_t came = s ? s->date : *sent;
    if (has || s) {
        pstw_set64(h->o, TIME(MAPI_P_DELIVERY_TIME), file_time(came));
        pstw_set64(h->o, TIME(MAPI_P_CREATION_TIME), file_time(came));
        pstw_set64(h->o, TIME(MAPI_P_MODIFICATION_TIME), file_time(came));
    }
}

void mime_head(struct pstw_message *m, const char *header, size_t n, const struct mime_state *state)
{
    struct head h = {.o = pstw_message_object(m), .p = header, .n = n};
    struct text topic = {0};
    int64_t sent = 0;
    int level = importance(&h);
    pstw_set_text(h.o, STRING(MAPI_P_MESSAGE_CLASS), "IPM.Note", 8);
    pstw_set32(h.o, INT(MAPI_P_IMPORTANCE), (uint32_t)level);
    pstw_set32(h.o, INT(MAPI_P_PRIORITY), (uint32_t)(level - 1));
    pstw_set32(h.o, INT(MAPI_P_SENSITIVITY), sensitivity(&h));
    pstw_set32(h.o, INT(MAPI_P_MESSAGE_STATUS), 0);
    pstw_set32(h.o, INT(MAPI_P_INTERNET_CODEPAGE), CODEPAGE_UTF8);
    set_dates(&h, state, &sent);
    set_subject(&h, &topic);
    set_senders(&h);
    set_recipients(&h, m, "To", 1, MAPI_P_DISPLAY_TO);
    set_recipients(&h, m, "Cc", 2, MAPI_P_DISPLAY_CC);
    set_recipients(&h, m, "Bcc", 3, MAPI_P_DISPLAY_BCC);
    set_ids(&h, &topic, sent);
    set_header(&h);
    if (state)
        set_state(&h, state);
    text_release(&topic);
    text_release(&h.work);
}
