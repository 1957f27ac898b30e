/* Contacts as vCard 3.0, which more programs read than 4.0. */
#include <string.h>

#include "archive/mapi/header.h"
#include "archive/mapi/own.h"

/* Numbers in mapi_set_address. */
enum { FILE_UNDER = 0x8005, WORK_STREET = 0x8045, WORK_CITY, WORK_STATE, WORK_CODE, WORK_COUNTRY, WORK_BOX, IM_ADDRESS = 0x8062 };
static const uint16_t emails[3] = {0x8080, 0x8090, 0x80a0}; /* name; +2 type, +3 address, +4 original name */
enum { NOTE_MAX = 65536 };

struct making {
    struct mapi_object *msg;
    struct text *out;
    struct text line;
    size_t filled; /* components with a value */
};

static void put(struct making *m, const char *s)
{
    text_add(&m->line, s, strlen(s));
}

static void end(struct making *m)
{
    ical_line(m->out, m->line.data, m->line.len);
    text_clear(&m->line);
    m->filled = 0;
}

static void value(struct making *m, const struct text *t)
{
    if (t->len) {
        ical_escape(&m->line, t->data, t->len);
        m->filled++;
    }
}

/* A component, of a property or a named one. */
static void part(struct making *m, uint16_t id, uint32_t number)
{
    struct text t = {0};
    if (id)
        mapi_text(m->msg, id, NAME_MAX_BYTES, &t);
    if (!t.len && number)
        named_text(m->msg, mapi_set_address, number, &t);
    value(m, &t);
    text_release(&t);
}

static void one(struct making *m, const char *name, uint16_t id, uint32_t number)
{
    put(m, name);
    put(m, ":");
    part(m, id, number);
    if (m->filled)
        end(m);
    text_clear(&m->line);
}

static void name(struct making *m)
{
    static const uint16_t ids[] = {MAPI_P_SURNAME, MAPI_P_GIVEN_NAME, MAPI_P_MIDDLE_NAME, MAPI_P_NAME_PREFIX, MAPI_P_GENERATION};
    struct text t = {0};
    mapi_text(m->msg, MAPI_P_DISPLAY_NAME, NAME_MAX_BYTES, &t);
    if (!t.len)
        subject_get(m->msg, &t);
    if (!t.len)
        named_text(m->msg, mapi_set_address, FILE_UNDER, &t);
    if (!t.len)
        mapi_text(m->msg, MAPI_P_COMPANY_NAME, NAME_MAX_BYTES, &t);
    ical_text(m->out, "FN", t.data ? t.data : "", t.len);
    put(m, "N:");
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        if (i)
            put(m, ";");
        part(m, ids[i], 0);
    }
    end(m);
    text_release(&t);
}

static void address(struct making *m, const char *type, const uint16_t ids[6], const uint32_t numbers[6])
{
    put(m, "ADR;TYPE=");
    put(m, type);
    put(m, ":");
    for (int i = 0; i < 7; i++) { /* box, extended address, street, city, state, code, country */
        if (i)
            put(m, ";");
        if (i != 1)
            part(m, ids[i ? i - 1 : 0], numbers ? numbers[i ? i - 1 : 0] : 0);
    }
    if (m->filled)
        end(m);
    text_clear(&m->line);
}

static void addresses(struct making *m)
{
    static const uint16_t home[6] = {0, MAPI_P_HOME_STREET, MAPI_P_HOME_CITY, MAPI_P_HOME_STATE, MAPI_P_HOME_POSTAL_CODE, MAPI_P_HOME_COUNTRY};
    static const uint16_t other[6] = {0, MAPI_P_OTHER_STREET, MAPI_P_OTHER_CITY, MAPI_P_OTHER_STATE, MAPI_P_OTHER_POSTAL_CODE, MAPI_P_OTHER_COUNTRY};
    static const uint16_t work[6] = {MAPI_P_BUSINESS_POST_OFFICE_BOX, MAPI_P_BUSINESS_STREET, MAPI_P_BUSINESS_CITY, MAPI_P_BUSINESS_STATE,
                                     MAPI_P_BUSINESS_POSTAL_CODE, MAPI_P_BUSINESS_COUNTRY};
    static const uint32_t work_named[6] = {WORK_BOX, WORK_STREET, WORK_CITY, WORK_STATE, WORK_CODE, WORK_COUNTRY};
    address(m, "WORK", work, work_named);
    address(m, "HOME", home, NULL);
    address(m, "POSTAL", other, NULL);
}

static void phones(struct making *m)
{
    static const struct {
        uint16_t id;
        const char *name;
    } t[] = {
        {MAPI_P_BUSINESS_PHONE, "TEL;TYPE=WORK,VOICE"}, {MAPI_P_BUSINESS_PHONE_2, "TEL;TYPE=WORK,VOICE"}, {MAPI_P_HOME_PHONE, "TEL;TYPE=HOME,VOICE"},
        {MAPI_P_HOME_PHONE_2, "TEL;TYPE=HOME,VOICE"},   {MAPI_P_MOBILE_PHONE, "TEL;TYPE=CELL,VOICE"},     {MAPI_P_PRIMARY_PHONE, "TEL;TYPE=PREF,VOICE"},
        {MAPI_P_OTHER_PHONE, "TEL;TYPE=VOICE"},         {MAPI_P_PAGER, "TEL;TYPE=PAGER"},                 {MAPI_P_BUSINESS_FAX, "TEL;TYPE=WORK,FAX"},
        {MAPI_P_HOME_FAX, "TEL;TYPE=HOME,FAX"},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++)
        one(m, t[i].name, t[i].id, 0);
}

static void mails(struct making *m)
{
    for (size_t i = 0; i < 3; i++) {
        struct text t = {0}, type = {0};
        named_text(m->msg, mapi_set_address, emails[i] + 2u, &type);
        named_text(m->msg, mapi_set_address, emails[i] + 3u, &t);
        if (!t.len || !memchr(t.data, '@', t.len)) { /* of another system: what it is called as */
            struct text original = {0};
            named_text(m->msg, mapi_set_address, emails[i] + 4u, &original);
            if (original.len && memchr(original.data, '@', original.len)) {
                text_clear(&t);
                text_add(&t, original.data, original.len);
            }
            text_release(&original);
        }
        header_clean(&t);
        if (t.len) {
            put(m, memchr(t.data, '@', t.len) ? "EMAIL;TYPE=INTERNET:" : "EMAIL:");
            value(m, &t);
            end(m);
        }
        text_release(&t);
        text_release(&type);
    }
}

static void day(struct making *m, const char *name, uint16_t id)
{
    int64_t seconds;
    if (!mapi_time(m->msg, id, &seconds))
        return;
    seconds += 43200; /* local midnight in UTC: the nearest one */
    put(m, name);
    ical_time(&m->line, seconds, 0);
    m->line.len = strlen(name) + 8;
    m->line.data[m->line.len] = 0;
    end(m);
}

static void category(void *arg, const char *text, size_t n)
{
    struct making *m = arg;
    put(m, m->filled++ ? "," : "CATEGORIES:");
    ical_escape(&m->line, text, n);
}

void item_contact(struct mapi_object *msg, struct losses *l, struct item_part *out)
{
    struct making m = {.msg = msg, .out = &out->data};
    struct text t = {0};
    (void)l;
    out->type = "text/vcard; charset=utf-8";
    out->filename = "contact.vcf";
    ical_line(m.out, "BEGIN:VCARD", 11);
    ical_line(m.out, "VERSION:3.0", 11);
    name(&m);
    one(&m, "NICKNAME", MAPI_P_NICKNAME, 0);
    put(&m, "ORG:");
    part(&m, MAPI_P_COMPANY_NAME, 0);
    put(&m, ";");
    part(&m, MAPI_P_DEPARTMENT, 0);
    if (m.filled)
        end(&m);
    text_clear(&m.line);
    one(&m, "TITLE", MAPI_P_TITLE, 0);
    one(&m, "ROLE", MAPI_P_PROFESSION, 0);
    mails(&m);
    phones(&m);
    addresses(&m);
    one(&m, "URL;TYPE=WORK", MAPI_P_BUSINESS_HOME_PAGE, 0);
    one(&m, "URL;TYPE=HOME", MAPI_P_PERSONAL_HOME_PAGE, 0);
    one(&m, "IMPP", 0, IM_ADDRESS);
    day(&m, "BDAY:", MAPI_P_BIRTHDAY);
    day(&m, "X-ANNIVERSARY:", MAPI_P_WEDDING_ANNIVERSARY);
    one(&m, "X-SPOUSE", MAPI_P_SPOUSE_NAME, 0);
    categories_each(msg, category, &m);
    if (m.filled)
        end(&m);
    if (mapi_text(msg, MAPI_P_BODY, NOTE_MAX, &t) == 1 && t.len)
        ical_text(m.out, "NOTE", t.data, t.len);
    ical_line(m.out, "END:VCARD", 9);
    text_release(&m.line);
    text_release(&t);
}
