/* Appointments and meetings as VEVENT, tasks as VTODO. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "archive/mapi/header.h"
#include "archive/mapi/own.h"

/* Numbers in mapi_set_appointment, mapi_set_meeting and mapi_set_task. */
enum {
    SEQUENCE = 0x8201, BUSY_STATUS = 0x8205, LOCATION = 0x8208, START = 0x820d, END = 0x820e, ALL_DAY = 0x8215, RECURRENCE = 0x8216,
    REPLACED_TIME = 0x8228, TIME_ZONE = 0x8233,
    GLOBAL_ID = 0x0003, CLEAN_GLOBAL_ID = 0x0023,
    TASK_STATUS = 0x8101, TASK_PERCENT = 0x8102, TASK_START = 0x8104, TASK_DUE = 0x8105, TASK_COMPLETED = 0x810f, TASK_RECURRENCE = 0x8116,
};
enum { GLOBAL_ID_DATE = 16, GLOBAL_ID_DATA = 40, ZONE_SIZE = 48, DESCRIPTION_MAX = 65536, BLOB_MAX = 1 << 20, ATTENDEES_MAX = 10000 };

struct making {
    struct mapi_object *msg;
    struct losses *losses;
    struct text *out;
    struct text line;
    int all_day;
    const char *zone; /* TZID, NULL: UTC */
};

static void put(struct making *m, const char *s)
{
    text_add(&m->line, s, strlen(s));
}

static void end(struct making *m)
{
    ical_line(m->out, m->line.data ? m->line.data : "", m->line.len);
    text_clear(&m->line);
}

static void line(struct making *m, const char *s)
{
    put(m, s);
    end(m);
}

static void date(struct making *m, int64_t seconds)
{
    size_t before = m->line.len;
    ical_time(&m->line, seconds, 0);
    m->line.len = before + 8;
    m->line.data[m->line.len] = 0;
}

/* NAME;TZID=...:time, local if there is a zone. */
static void when(struct making *m, const char *name, int64_t seconds)
{
    put(m, name);
    if (m->all_day) {
        put(m, ";VALUE=DATE:");
        date(m, seconds);
    } else {
        if (m->zone) {
            put(m, ";TZID=");
            put(m, m->zone);
        }
        put(m, ":");
        ical_time(&m->line, seconds, !m->zone);
    }
    end(m);
}

/* ---- who ---------------------------------------------------------------------------------------------------------------------------------- */

static void person(struct making *m, const char *name, const char *parameters, const struct address *a)
{
    put(m, name);
    put(m, parameters);
    if (a->name.len) {
        put(m, ";CN=\"");
        for (size_t i = 0; i < a->name.len; i++)
            text_byte(&m->line, a->name.data[i] == '"' ? '\'' : a->name.data[i]);
        put(m, "\"");
    }
    put(m, ":mailto:");
    if (a->addr.len)
        text_add(&m->line, a->addr.data, a->addr.len);
    else
        put(m, "unknown@invalid");
    end(m);
}

static const char *participation(int64_t status)
{
    return status == 2 ? "TENTATIVE" : status == 3 ? "ACCEPTED" : status == 4 ? "DECLINED" : "NEEDS-ACTION";
}

/* Returns 1 if it was the organizer. */
static int attendee(struct making *m, struct mapi_object *r, int only_organizer)
{
    static const char *const roles[] = {"REQ-PARTICIPANT", "REQ-PARTICIPANT", "OPT-PARTICIPANT", "NON-PARTICIPANT"};
    struct address a;
    char parameters[120];
    int64_t type = mapi_int(r, MAPI_P_RECIPIENT_TYPE, 1) & 15;
    int organizer = (mapi_int(r, MAPI_P_RECIPIENT_FLAGS, 0) & 2) != 0;
    snprintf(parameters, sizeof parameters, ";ROLE=%s;PARTSTAT=%s%s", roles[type < 4 ? type : 1],
             participation(mapi_int(r, MAPI_P_RECIPIENT_TRACK_STATUS, 0)), type == 3 ? ";CUTYPE=RESOURCE" : "");
    if (address_get(r, &address_recipient, &a)) {
        if (only_organizer)
            person(m, "ORGANIZER", "", &a);
        else if (!organizer)
            person(m, "ATTENDEE", parameters, &a);
    }
    address_release(&a);
    return organizer;
}

static void attendees(struct making *m, int only_first_as_organizer)
{
    int64_t n = m->msg->ops->recipients(m->msg);
    for (int64_t i = 0; i < n && i < ATTENDEES_MAX; i++) {
        struct mapi_object *r = NULL;
        if (m->msg->ops->recipient(m->msg, (size_t)i, &r) == 0) {
            attendee(m, r, only_first_as_organizer);
            if (only_first_as_organizer)
                i = n;
        }
        mapi_close(&r);
    }
}

/* An answer comes from the attendee and goes to the organizer. */
static void people(struct making *m, const char *answer)
{
    struct address from;
    char parameters[64];
    if (answer)
        attendees(m, 1);
    if (address_from(m->msg, &from)) {
        snprintf(parameters, sizeof parameters, ";PARTSTAT=%s", answer ? answer : "");
        if (answer)
            person(m, "ATTENDEE", parameters, &from);
        else if (m->msg->ops->recipients(m->msg) > 0)
            person(m, "ORGANIZER", "", &from);
    }
    address_release(&from);
    if (!answer)
        attendees(m, 0);
}

/* ---- identity ------------------------------------------------------------------------------------------------------------------------------ */

/* The id that other programs gave it stands behind a mark; else the whole object id, without the day of an occurrence, is the id. */
static void uid(struct making *m)
{
    static const char mark[] = "vCal-Uid\1\0\0";
    struct text t = {0};
    char hex[3];
    put(m, "UID:");
    int global = (named_bytes(m->msg, mapi_set_meeting, CLEAN_GLOBAL_ID, 1024, &t) && t.len) ||
                 (named_bytes(m->msg, mapi_set_meeting, GLOBAL_ID, 1024, &t) && t.len);
    if (!global)
        mapi_bytes(m->msg, MAPI_P_SEARCH_KEY, 64, &t);
    size_t data = GLOBAL_ID_DATA + sizeof mark;
    if (global && t.len > data && memcmp(t.data + GLOBAL_ID_DATA, mark, sizeof mark) == 0) {
        for (size_t i = data; i < t.len && t.data[i]; i++)
            text_byte(&m->line, t.data[i]);
    } else {
        for (size_t i = 0; i < t.len; i++) {
            int day = global && i >= GLOBAL_ID_DATE && i < GLOBAL_ID_DATE + 4;
            snprintf(hex, sizeof hex, "%02X", day ? 0 : (unsigned char)t.data[i]);
            put(m, hex);
        }
    }
    if (!t.len)
        put(m, "unknown");
    end(m);
    text_release(&t);
}

/* The day that the message is about, if it is one occurrence of a series. */
static void occurrence(struct making *m)
{
    struct text t = {0};
    int64_t seconds;
    if (named_time(m->msg, mapi_set_appointment, REPLACED_TIME, &seconds)) {
        put(m, "RECURRENCE-ID:");
        ical_time(&m->line, seconds, 1);
        end(m);
    } else if (named_bytes(m->msg, mapi_set_meeting, GLOBAL_ID, 1024, &t) && t.len >= GLOBAL_ID_DATA) {
        const uint8_t *p = (const uint8_t *)t.data + GLOBAL_ID_DATE;
        int year = p[0] << 8 | p[1];
        char buf[64];
        if (year && p[2] >= 1 && p[2] <= 12 && p[3] >= 1 && p[3] <= 31) {
            snprintf(buf, sizeof buf, "RECURRENCE-ID;VALUE=DATE:%04d%02d%02d", year, p[2], p[3]);
            line(m, buf);
        }
    }
    text_release(&t);
}

/* ---- time zone ------------------------------------------------------------------------------------------------------------------------------ */

static int32_t get32(const uint8_t *p)
{
    return (int32_t)(p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}

static unsigned get16(const uint8_t *p)
{
    return p[0] | (unsigned)p[1] << 8;
}

static void offset(struct making *m, const char *name, int32_t minutes)
{
    char buf[64];
    snprintf(buf, sizeof buf, "%s:%c%02d%02d", name, minutes < 0 ? '-' : '+', (minutes < 0 ? -minutes : minutes) / 60,
             (minutes < 0 ? -minutes : minutes) % 60);
    line(m, buf);
}

/* One half of the year: the change to it is on a weekday of a month (5: the last one). */
static void half(struct making *m, const char *name, const uint8_t *change, int32_t from, int32_t to)
{
    static const char days[7][3] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
    unsigned month = get16(change + 2), weekday = get16(change + 4), nth = get16(change + 6), hour = get16(change + 8), minute = get16(change + 10);
    char buf[96];
    int changes = month >= 1 && month <= 12 && weekday < 7 && nth >= 1 && nth <= 5;
    put(m, "BEGIN:");
    line(m, name);
    snprintf(buf, sizeof buf, "DTSTART:16010101T%02u%02u00", hour % 24, minute % 60);
    line(m, buf);
    if (changes) {
        snprintf(buf, sizeof buf, "RRULE:FREQ=YEARLY;BYDAY=%s%u%s;BYMONTH=%u", nth == 5 ? "-" : "", nth == 5 ? 1 : nth, days[weekday], month);
        line(m, buf);
    }
    offset(m, "TZOFFSETFROM", from);
    offset(m, "TZOFFSETTO", to);
    put(m, "END:");
    line(m, name);
}

/* The zone of a series. 1: written, and *bias is minutes from local standard time to UTC. */
static int zone(struct making *m, int32_t *bias)
{
    struct text t = {0};
    int ok = named_bytes(m->msg, mapi_set_appointment, TIME_ZONE, ZONE_SIZE, &t) && t.len == ZONE_SIZE;
    *bias = 0;
    if (ok) {
        const uint8_t *p = (const uint8_t *)t.data;
        int32_t base = get32(p), standard = get32(p + 4), daylight = get32(p + 8);
        ok = base >= -1440 && base <= 1440 && standard >= -1440 && standard <= 1440 && daylight >= -1440 && daylight <= 1440;
        if (ok) {
            int has_daylight = get16(p + 14 + 2) != 0;
            m->zone = "Outlook";
            line(m, "BEGIN:VTIMEZONE");
            line(m, "TZID:Outlook");
            half(m, "STANDARD", p + 14, -(base + (has_daylight ? daylight : standard)), -(base + standard));
            if (has_daylight)
                half(m, "DAYLIGHT", p + 32, -(base + standard), -(base + daylight));
            line(m, "END:VTIMEZONE");
            *bias = base + standard;
        }
    }
    text_release(&t);
    return ok;
}

/* ---- lines of both --------------------------------------------------------------------------------------------------------------------------- */

static void text_of_message(struct making *m)
{
    struct text t = {0};
    subject_get(m->msg, &t);
    ical_text(m->out, "SUMMARY", t.data ? t.data : "", t.len);
    text_clear(&t);
    if (mapi_text(m->msg, MAPI_P_BODY, DESCRIPTION_MAX, &t) == 1 && t.len)
        ical_text(m->out, "DESCRIPTION", t.data, t.len);
    text_release(&t);
}

static void category(void *arg, const char *name, size_t n)
{
    struct making *m = arg;
    put(m, m->line.len ? "," : "CATEGORIES:");
    ical_escape(&m->line, name, n);
}

static void marks(struct making *m)
{
    static const char *const classes[] = {NULL, "PRIVATE", "PRIVATE", "CONFIDENTIAL"};
    int64_t sensitivity = mapi_int(m->msg, MAPI_P_SENSITIVITY, 0), importance = mapi_int(m->msg, MAPI_P_IMPORTANCE, 1);
    categories_each(m->msg, category, m);
    if (m->line.len)
        end(m);
    if (sensitivity > 0 && sensitivity < 4) {
        put(m, "CLASS:");
        line(m, classes[sensitivity]);
    }
    if (importance == 2 || importance == 0)
        line(m, importance == 2 ? "PRIORITY:1" : "PRIORITY:9");
}

static void stamp(struct making *m)
{
    static const uint16_t ids[] = {MAPI_P_MODIFICATION_TIME, MAPI_P_CLIENT_SUBMIT_TIME, MAPI_P_CREATION_TIME, MAPI_P_DELIVERY_TIME};
    int64_t seconds = 0;
    for (size_t i = 0; i < sizeof ids / sizeof *ids && !mapi_time(m->msg, ids[i], &seconds); i++)
        ;
    put(m, "DTSTAMP:");
    ical_time(&m->line, seconds, 1);
    end(m);
}

static void rule(struct making *m, const struct recurrence *r, int32_t bias)
{
    char buf[64];
    put(m, "RRULE:");
    text_add(&m->line, r->rule.data, r->rule.len);
    if (r->count) {
        snprintf(buf, sizeof buf, ";COUNT=%u", r->count);
        put(m, buf);
    } else if (r->has_until && m->all_day) {
        put(m, ";UNTIL=");
        date(m, r->until);
    } else if (r->has_until) { /* an hour more, for summer time: the next occurrence is further off */
        put(m, ";UNTIL=");
        ical_time(&m->line, r->until + (r->start % 86400 + 86400) % 86400 + bias * 60 + 3600, 1);
    }
    end(m);
    for (size_t i = 0; i < r->deleted_count; i++)
        when(m, "EXDATE", r->deleted[i] + (m->all_day ? 0 : (r->start % 86400 + 86400) % 86400));
}

static int recurrence(struct making *m, const uint8_t set[16], uint32_t number, struct recurrence *out)
{
    struct text t = {0};
    *out = (struct recurrence){0};
    int there = named_bytes(m->msg, set, number, BLOB_MAX, &t) && t.len;
    int ok = there && recurrence_parse((const uint8_t *)t.data, t.len, out);
    if (there && !ok)
        losses_add(m->losses, "the pattern of a series: it is of an unknown kind");
    if (ok && out->changed && m->msg->ops->attachments(m->msg) < out->changed) /* they are embedded items */
        losses_add(m->losses, "%u changed occurrences of a series", out->changed);
    text_release(&t);
    return ok;
}

/* ---- events ----------------------------------------------------------------------------------------------------------------------------------- */

/* All-day events are stored as local midnights in UTC: the nearest midnight is the day. */
static int64_t nearest_day(int64_t seconds)
{
    int64_t t = seconds + 43200;
    return t - ((t % 86400) + 86400) % 86400;
}

static void event_times(struct making *m, const struct recurrence *series)
{
    int64_t start, stop;
    int has_start = named_time(m->msg, mapi_set_appointment, START, &start) || mapi_time(m->msg, MAPI_P_START_DATE, &start) ||
                    named_time(m->msg, mapi_set_common, MAPI_N_COMMON_START, &start);
    int has_stop = named_time(m->msg, mapi_set_appointment, END, &stop) || mapi_time(m->msg, MAPI_P_END_DATE, &stop) ||
                   named_time(m->msg, mapi_set_common, MAPI_N_COMMON_END, &stop);
    if (m->all_day) {
        start = nearest_day(start);
        stop = nearest_day(stop);
    }
    if (series && (m->zone || m->all_day)) {
        start = series->start;
        stop = series->end;
        has_start = has_stop = 1;
    }
    if (has_start)
        when(m, "DTSTART", start);
    if (has_stop && stop >= start && !(m->all_day && stop == start))
        when(m, "DTEND", stop);
}

static void event(struct making *m, const char *answer, int cancelled)
{
    struct recurrence series;
    struct text t = {0};
    char buf[64];
    int32_t bias = 0;
    m->all_day = named_int(m->msg, mapi_set_appointment, ALL_DAY, 0) != 0;
    int repeats = recurrence(m, mapi_set_appointment, RECURRENCE, &series);
    if (repeats && !m->all_day)
        zone(m, &bias);
    line(m, "BEGIN:VEVENT");
    uid(m);
    if (!repeats)
        occurrence(m);
    stamp(m);
    event_times(m, repeats ? &series : NULL);
    if (repeats)
        rule(m, &series, bias);
    text_of_message(m);
    if (named_text(m->msg, mapi_set_appointment, LOCATION, &t) && t.len)
        ical_text(m->out, "LOCATION", t.data, t.len);
    people(m, answer);
    marks(m);
    int64_t sequence = named_int(m->msg, mapi_set_appointment, SEQUENCE, 0), busy = named_int(m->msg, mapi_set_appointment, BUSY_STATUS, 2);
    snprintf(buf, sizeof buf, "SEQUENCE:%lld", (long long)(sequence > 0 ? sequence : 0));
    line(m, buf);
    line(m, busy == 0 ? "TRANSP:TRANSPARENT" : "TRANSP:OPAQUE");
    if (cancelled)
        line(m, "STATUS:CANCELLED");
    if (named_int(m->msg, mapi_set_common, MAPI_N_REMINDER_SET, 0)) {
        int64_t minutes = named_int(m->msg, mapi_set_common, MAPI_N_REMINDER_DELTA, 15);
        snprintf(buf, sizeof buf, "TRIGGER:-PT%lldM", (long long)(minutes >= 0 && minutes < 1000000 ? minutes : 15));
        line(m, "BEGIN:VALARM");
        line(m, "ACTION:DISPLAY");
        line(m, "DESCRIPTION:Reminder");
        line(m, buf);
        line(m, "END:VALARM");
    }
    line(m, "END:VEVENT");
    recurrence_release(&series);
    text_release(&t);
}

/* ---- tasks ------------------------------------------------------------------------------------------------------------------------------------ */

static void task_state(struct making *m)
{
    static const char *const states[] = {"NEEDS-ACTION", "IN-PROCESS", "COMPLETED", "NEEDS-ACTION", "NEEDS-ACTION"};
    struct mapi_prop p;
    int64_t status = named_int(m->msg, mapi_set_task, TASK_STATUS, 0), seconds;
    double part = 0;
    char buf[64];
    if (mapi_find_named(m->msg, mapi_set_task, TASK_PERCENT, NULL, &p) == 1 && p.type == MAPI_FLOAT64)
        memcpy(&part, &p.value, sizeof part);
    snprintf(buf, sizeof buf, "PERCENT-COMPLETE:%d", part > 0 && part <= 1 ? (int)(part * 100 + 0.5) : 0);
    line(m, buf);
    put(m, "STATUS:");
    line(m, states[status >= 0 && status < 5 ? status : 0]);
    if (named_time(m->msg, mapi_set_task, TASK_COMPLETED, &seconds)) {
        put(m, "COMPLETED:");
        ical_time(&m->line, seconds, 1);
        end(m);
    }
}

static void task(struct making *m)
{
    struct recurrence series;
    int64_t seconds;
    m->all_day = 1;
    int repeats = recurrence(m, mapi_set_task, TASK_RECURRENCE, &series);
    line(m, "BEGIN:VTODO");
    uid(m);
    stamp(m);
    if (named_time(m->msg, mapi_set_task, TASK_START, &seconds))
        when(m, "DTSTART", nearest_day(seconds));
    if (named_time(m->msg, mapi_set_task, TASK_DUE, &seconds))
        when(m, "DUE", nearest_day(seconds));
    if (repeats)
        rule(m, &series, 0);
    text_of_message(m);
    task_state(m);
    marks(m);
    line(m, "END:VTODO");
    recurrence_release(&series);
}

/* ------------------------------------------------------------------------------------------------------------------------------------------------ */

static int begins(const struct text *t, const char *with)
{
    return t->len >= strlen(with) && strncasecmp(t->data, with, strlen(with)) == 0;
}

void item_calendar(enum item_kind kind, struct mapi_object *msg, struct losses *l, struct item_part *out)
{
    struct making m = {.msg = msg, .losses = l, .out = &out->data};
    struct text class = {0};
    const char *answer = NULL;
    mapi_text(msg, MAPI_P_MESSAGE_CLASS, NAME_MAX_BYTES, &class);
    int cancelled = begins(&class, "IPM.Schedule.Meeting.Canceled");
    if (begins(&class, "IPM.Schedule.Meeting.Resp."))
        answer = begins(&class, "IPM.Schedule.Meeting.Resp.Pos") ? "ACCEPTED" : begins(&class, "IPM.Schedule.Meeting.Resp.Neg") ? "DECLINED" : "TENTATIVE";
    out->alternative = 1;
    out->filename = kind == ITEM_TASK ? "task.ics" : "event.ics";
    const char *method = kind != ITEM_MEETING ? "PUBLISH" : answer ? "REPLY" : cancelled ? "CANCEL" : "REQUEST";
    out->type = kind != ITEM_MEETING ? "text/calendar; charset=utf-8; method=PUBLISH"
                : answer             ? "text/calendar; charset=utf-8; method=REPLY"
                : cancelled          ? "text/calendar; charset=utf-8; method=CANCEL"
                                     : "text/calendar; charset=utf-8; method=REQUEST";
    line(&m, "BEGIN:VCALENDAR");
    line(&m, "PRODID:-//cubby//EN");
    line(&m, "VERSION:2.0");
    put(&m, "METHOD:");
    line(&m, method);
    if (kind == ITEM_TASK)
        task(&m);
    else
        event(&m, answer, cancelled);
    line(&m, "END:VCALENDAR");
    text_release(&m.line);
    text_release(&class);
}
