/* Calendar, contacts, lists, reports, and what nobody knows. */
#include <stdio.h>

#include "archive/mapi/own.h"
#include "mapi_util.h"
#include "unit/unit.h"

#define has(t, what)  ck_assert_msg(strstr((t).data, what) != NULL, "no %s in:\n%.3000s", what, (t).data)
#define hasnt(t, what) ck_assert_msg(strstr((t).data, what) == NULL, "%s in:\n%.3000s", what, (t).data)

static struct fake *item(const char *class)
{
    struct fake *f = fake_new();
    set_text(f, MAPI_P_MESSAGE_CLASS, class);
    set_text(f, MAPI_P_SUBJECT, "One; two");
    set_text(f, MAPI_P_SENDER_NAME, "Ann");
    set_text(f, MAPI_P_SENDER_SMTP, "ann@example.org");
    return f;
}

static void put(struct text *t, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        text_byte(t, (char)(v >> 8 * i));
}

#define DAY(days_since_1970) ((uint32_t)(194074560 + (days_since_1970) * 1440))

struct blob {
    unsigned frequency, type, period, days, nth, end_type, count;
    uint32_t deleted, start, end;
};

static struct text blob(const struct blob *b)
{
    struct text t = {0};
    put(&t, 0x30043004, 4);
    put(&t, b->frequency, 2);
    put(&t, b->type, 2);
    put(&t, 0, 2);
    put(&t, 0, 4);
    put(&t, b->period, 4);
    put(&t, 0, 4);
    if (b->type)
        put(&t, b->days, 4);
    if (b->type == 3)
        put(&t, b->nth, 4);
    put(&t, b->end_type, 4);
    put(&t, b->count, 4);
    put(&t, 0, 4);
    put(&t, b->deleted != 0, 4);
    if (b->deleted)
        put(&t, b->deleted, 4);
    put(&t, 0, 4);
    put(&t, b->start, 4);
    put(&t, b->end, 4);
    put(&t, 0x3006, 4);
    put(&t, 0x3009, 4);
    put(&t, 600, 4); /* 10:00 to 11:30 */
    put(&t, 690, 4);
    put(&t, 0, 2);
    return t;
}

START_TEST(patterns)
{
    static const struct {
        struct blob b;
        const char *rule;
    } t[] = {
        {{0x200a, 0, 1440, 0, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=DAILY"},
        {{0x200a, 0, 2880, 0, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=DAILY;INTERVAL=2"},
        {{0x200a, 1, 1, 0x3e, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"},
        {{0x200b, 1, 2, 0x14, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=WEEKLY;INTERVAL=2;BYDAY=TU,TH"},
        {{0x200c, 2, 1, 15, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=MONTHLY;BYMONTHDAY=15"},
        {{0x200c, 2, 1, 30, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1"},
        {{0x200c, 3, 3, 0x04, 5, 0x2023, 0, 0, DAY(1), 0}, "FREQ=MONTHLY;INTERVAL=3;BYDAY=TU;BYSETPOS=-1"},
        {{0x200c, 4, 1, 31, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=MONTHLY;BYMONTHDAY=-1"},
        {{0x200d, 2, 12, 2, 0, 0x2023, 0, 0, DAY(1), 0}, "FREQ=YEARLY;BYMONTHDAY=2;BYMONTH=1"},
        {{0x200d, 3, 24, 0x02, 1, 0x2023, 0, 0, DAY(60), 0}, "FREQ=YEARLY;INTERVAL=2;BYDAY=MO;BYSETPOS=1;BYMONTH=3"},
        {{0x200a, 0, 0, 0, 0, 0x2023, 0, 0, DAY(1), 0}, NULL},
        {{0x200b, 1, 1, 0, 0, 0x2023, 0, 0, DAY(1), 0}, NULL},
        {{0x200c, 3, 1, 2, 6, 0x2023, 0, 0, DAY(1), 0}, NULL},
        {{0x200c, 10, 1, 2, 0, 0x2023, 0, 0, DAY(1), 0}, NULL},
        {{0x200e, 0, 1440, 0, 0, 0x2023, 0, 0, DAY(1), 0}, NULL},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct text b = blob(&t[i].b);
        struct recurrence r;
        int ok = recurrence_parse((const uint8_t *)b.data, b.len, &r);
        ck_assert_int_eq(ok, t[i].rule != NULL);
        if (ok) {
            ck_assert_str_eq(r.rule.data, t[i].rule);
            ck_assert_int_eq(r.end - r.start, 5400);
            recurrence_release(&r);
        }
        for (size_t n = 0; n < b.len - 18; n++) /* the times of day may be missing, nothing before them */
            ck_assert_int_eq(recurrence_parse((const uint8_t *)b.data, n, &r), 0);
        text_release(&b);
    }
}
END_TEST

static void named_set(struct fake *f, const uint8_t *set, uint32_t number, uint16_t type, uint64_t value)
{
    set_int(f, name_it(f, set, number, NULL), type, value);
}

static uint64_t filetime(int64_t seconds)
{
    return (uint64_t)(seconds + 11644473600) * 10000000;
}

START_TEST(meetings)
{
    struct fake *f = item("IPM.Schedule.Meeting.Request");
    static const char goid[56] = "\x04\0\0\0\x82\0\xe0\0\x74\xc5\xb7\x10\x1a\x82\xe0\x08\x07\xe8\x01\x02";
    set_text(f, MAPI_P_BODY, "a, b\r\nc");
    named_set(f, mapi_set_appointment, 0x820d, MAPI_TIME, filetime(1704103200));
    named_set(f, mapi_set_appointment, 0x820e, MAPI_TIME, filetime(1704106800));
    set_text(f, name_it(f, mapi_set_appointment, 0x8208, NULL), "Room");
    set_bytes(f, name_it(f, mapi_set_meeting, 3, NULL), MAPI_BINARY, goid, sizeof goid);
    add_recipient(f, 1, "Bob", "bob@example.org");
    set_int(add_recipient(f, 2, "Carol \"C\"", "carol@example.org"), MAPI_P_RECIPIENT_TRACK_STATUS, MAPI_INT32, 3);
    add_recipient(f, 3, "Room", "room@example.org");
    struct text t = made(f, 4096, NULL);
    has(t, "Content-Type: text/calendar; charset=utf-8; method=REQUEST\r\n");
    has(t, "To: Bob <bob@example.org>, Room <room@example.org>\r\n");
    has(t, "\r\nUID:040000008200E00074C5B7101A82E00800000000");
    has(t, "\r\nRECURRENCE-ID;VALUE=DATE:20240102\r\n");
    has(t, "\r\nDTSTART:20240101T100000Z\r\nDTEND:20240101T110000Z\r\nSUMMARY:One\\; two\r\nDESCRIPTION:a\\, b\\nc\r\nLOCATION:Room\r\n");
    has(t, "\r\nORGANIZER;CN=\"Ann\":mailto:ann@example.org\r\n");
    has(t, "\r\nATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=ACCEPTED;CN=\"Carol 'C'\":mailto:carol\r\n @example.org\r\n");
    has(t, "CUTYPE=RESOURCE");
    text_release(&t);
    fake_free(f);
    f = item("IPM.Schedule.Meeting.Resp.Neg");
    add_recipient(f, 1, "Boss", "boss@example.org");
    t = made(f, 4096, NULL);
    has(t, "METHOD:REPLY\r\n");
    has(t, "ORGANIZER;CN=\"Boss\":mailto:boss@example.org\r\nATTENDEE;PARTSTAT=DECLINED;CN=\"Ann\":mailto:ann@example.org\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(series)
{
    struct fake *f = item("IPM.Appointment");
    /* Berlin: one hour before UTC, summer time from the last Sunday in March at 2 to the last in October at 3 */
    struct text zone = {0}, losses = {0};
    put(&zone, (uint32_t)-60, 4);
    put(&zone, 0, 4);
    put(&zone, (uint32_t)-60, 4);
    static const unsigned changes[2][4] = {{10, 0, 5, 3}, {3, 0, 5, 2}};
    for (int i = 0; i < 2; i++) {
        put(&zone, 0, 2);
        put(&zone, 0, 2);
        for (int k = 0; k < 4; k++)
            put(&zone, changes[i][k], 2);
        put(&zone, 0, 6);
    }
    struct blob b = {0x200b, 1, 1, 2, 0, 0x2021, 0, DAY(19730), DAY(19723), DAY(19744)};
    struct text r = blob(&b);
    named_set(f, mapi_set_appointment, 0x820d, MAPI_TIME, filetime(1704099600));
    set_bytes(f, name_it(f, mapi_set_appointment, 0x8216, NULL), MAPI_BINARY, r.data, r.len);
    set_bytes(f, name_it(f, mapi_set_appointment, 0x8233, NULL), MAPI_BINARY, zone.data, zone.len);
    struct text t = made(f, 4096, &losses);
    has(t, "BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\n");
    has(t, "BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n");
    has(t, "DTSTART;TZID=Outlook:20240101T100000\r\nDTEND;TZID=Outlook:20240101T113000\r\n"
           "RRULE:FREQ=WEEKLY;BYDAY=MO;UNTIL=20240122T100000Z\r\nEXDATE;TZID=Outlook:20240108T100000\r\n");
    ck_assert_str_eq(losses.data, "");
    text_release(&t);
    fake_free(f);
    f = item("IPM.Appointment");
    named_set(f, mapi_set_appointment, 0x8215, MAPI_BOOL, 1);
    named_set(f, mapi_set_appointment, 0x820d, MAPI_TIME, filetime(1704063600)); /* midnight in Berlin */
    named_set(f, mapi_set_appointment, 0x820e, MAPI_TIME, filetime(1704150000));
    r.data[4] = 0x0f;
    set_bytes(f, name_it(f, mapi_set_appointment, 0x8216, NULL), MAPI_BINARY, r.data, r.len);
    t = made(f, 4096, &losses);
    has(t, "DTSTART;VALUE=DATE:20240101\r\nDTEND;VALUE=DATE:20240102\r\n");
    ck_assert_str_eq(losses.data, "the pattern of a series: it is of an unknown kind|");
    text_release(&t);
    text_release(&losses);
    text_release(&r);
    text_release(&zone);
    fake_free(f);
    f = item("IPM.OLE.CLASS.{00061055-0000-0000-C000-000000000046}"); /* one changed occurrence */
    named_set(f, mapi_set_appointment, 0x8228, MAPI_TIME, filetime(1704099600));
    t = made(f, 4096, NULL);
    has(t, "RECURRENCE-ID:20240101T090000Z\r\n");
    text_release(&t);
    fake_free(f);
}
END_TEST

START_TEST(contacts_and_lists)
{
    struct fake *f = item("IPM.Contact");
    set_text(f, MAPI_P_DISPLAY_NAME, "J\xc3\xbcrgen Klein");
    set_text(f, MAPI_P_SURNAME, "Klein");
    set_text(f, MAPI_P_GIVEN_NAME, "J\xc3\xbcrgen");
    set_text(f, MAPI_P_MOBILE_PHONE, "1;2");
    set_text(f, name_it(f, mapi_set_address, 0x8083, NULL), "j@k\r\nX-Evil:1");
    set_time(f, MAPI_P_BIRTHDAY, 1704063600);
    struct text t = made(f, 4096, NULL);
    has(t, "Content-Type: text/vcard; charset=utf-8\r\nContent-Disposition: inline; filename=contact.vcf\r\n");
    has(t, "FN:J=C3=BCrgen Klein\r\nN:Klein;J=C3=BCrgen;;;\r\n");
    has(t, "EMAIL;TYPE=3DINTERNET:j@k X-Evil:1\r\nTEL;TYPE=3DCELL,VOICE:1\\;2\r\n");
    has(t, "BDAY:20240101\r\n");
    text_release(&t);
    fake_free(f);
    f = item("IPM.DistList");
    static const char one[] = "\0\0\0\0\x81\x2b\x1f\xa4\xbe\xa3\x10\x19\x9d\x6e\0\xdd\x01\x0f\x54\x02\0\0\x01\x10One\0SMTP\0one@off\0";
    struct fake_prop *p = set_int(f, name_it(f, mapi_set_address, 0x8054, NULL), MAPI_BINARY | MAPI_MULTI, 0);
    p->elements = calloc(2, sizeof *p->elements);
    p->count = 2;
    text_add(&p->elements[0], one, sizeof one - 1);
    text_add(&p->elements[1], "junk", 4);
    struct text losses = {0};
    t = made(f, 4096, &losses);
    has(t, "Members:\r\n  One <one@off>\r\n  and 1 that are named elsewhere only\r\n");
    ck_assert_str_eq(losses.data, "1 members of a list, which are kept elsewhere|");
    text_release(&t);
    text_release(&losses);
    fake_free(f);
}
END_TEST

START_TEST(tasks_journals_reports_others)
{
    struct fake *f = item("IPM.Task");
    double half = 0.5;
    uint64_t bits;
    memcpy(&bits, &half, 8);
    named_set(f, mapi_set_task, 0x8101, MAPI_INT32, 1);
    named_set(f, mapi_set_task, 0x8102, MAPI_FLOAT64, bits);
    named_set(f, mapi_set_task, 0x8105, MAPI_TIME, filetime(1704067200));
    struct text t = made(f, 4096, NULL);
    has(t, "BEGIN:VTODO\r\n");
    has(t, "DUE;VALUE=DATE:20240101\r\n");
    has(t, "PERCENT-COMPLETE:50\r\nSTATUS:IN-PROCESS\r\n");
    text_release(&t);
    fake_free(f);
    f = item("IPM.Activity");
    set_text(f, name_it(f, mapi_set_log, 0x8700, NULL), "Phone call");
    named_set(f, mapi_set_log, 0x8707, MAPI_INT32, 7);
    t = made(f, 4096, NULL);
    has(t, "Journal entry: Phone call\r\nMinutes: 7\r\n");
    text_release(&t);
    fake_free(f);
    f = item("REPORT.IPM.Note.NDR");
    struct fake *r = add_recipient(f, 1, "Bob", "bob@example.org");
    set_int(r, MAPI_P_NDR_STATUS, MAPI_INT32, 511);
    set_text(r, MAPI_P_SUPPLEMENTARY_INFO, "no such user");
    t = made(f, 4096, NULL);
    has(t, "Recipient:\r\n  Bob <bob@example.org>\r\nStatus: 511 (reason -1, diagnostic -1)\r\nDetails: no such user\r\n");
    text_release(&t);
    fake_free(f);
    f = item("IPM.Unheard.Of");
    struct text losses = {0};
    set_text(f, name_it(f, mapi_set_public_strings, 0, "Colour"), "red");
    named_set(f, mapi_set_note, 0x8b00, MAPI_INT32, 3);
    t = made(f, 4096, &losses);
    has(t, "Class: IPM.Unheard.Of\r\n");
    has(t, "Colour: red\r\n0x8b00/0006200e: 3\r\n");
    has(losses, "unknown class");
    text_release(&t);
    text_release(&losses);
    fake_free(f);
}
END_TEST

UNIT_MAIN("tools/mapi_item", patterns, meetings, series, contacts_and_lists, tasks_journals_reports_others)
