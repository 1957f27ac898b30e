/* The binary form of "every second Tuesday": a pattern, an end, days left out, then the times of day. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/mapi/own.h"
#include "calendar.h"
#include "cli.h"

enum { VERSION = 0x3004, VERSION_2 = 0x3006 };
enum { DAILY = 0x200a, WEEKLY = 0x200b, MONTHLY = 0x200c, YEARLY = 0x200d };
enum { PATTERN_DAY = 0, PATTERN_WEEK = 1, PATTERN_MONTH = 2, PATTERN_NTH = 3, PATTERN_MONTH_END = 4 };
enum { END_BY_DATE = 0x2021, END_AFTER = 0x2022 };
enum { EXCEPTIONS_MAX = 10000, DAY = 1440 };
#define MINUTES_1601 194074560 /* from 1601-01-01 to 1970-01-01 */
#define NO_END_DATE 0x5ae980df

struct reader {
    const uint8_t *p;
    size_t n, at;
    int bad;
};

static uint32_t get(struct reader *r, size_t bytes)
{
    uint32_t v = 0;
    if (r->bad || r->n - r->at < bytes) {
        r->bad = 1;
        return 0;
    }
    for (size_t i = bytes; i-- > 0;)
        v = v << 8 | r->p[r->at + i];
    r->at += bytes;
    return v;
}

static int64_t seconds(uint32_t minutes)
{
    return ((int64_t)minutes - MINUTES_1601) * 60;
}

static void add(struct text *out, const char *s)
{
    text_add(out, s, strlen(s));
}

static void number(struct text *out, const char *name, uint32_t v)
{
    char buf[64];
    text_add(out, buf, (size_t)snprintf(buf, sizeof buf, ";%s=%u", name, v));
}

static void weekdays(struct text *out, uint32_t mask)
{
    static const char names[7][3] = {"SU", "MO", "TU", "WE", "TH", "FR", "SA"};
    const char *before = ";BYDAY=";
    for (int i = 0; i < 7; i++) {
        if (mask & 1u << i) {
            add(out, before);
            add(out, names[i]);
            before = ",";
        }
    }
}

/* A day that a short month does not have is its last one. */
static void month_day(struct text *out, uint32_t day)
{
    char buf[64];
    number(out, "BYMONTHDAY", day < 28 ? day : 28);
    for (uint32_t d = 29; d <= day && d <= 31; d++)
        text_add(out, buf, (size_t)snprintf(buf, sizeof buf, ",%u", d));
    if (day > 28)
        add(out, ";BYSETPOS=-1");
}

struct pattern {
    uint32_t frequency, type, period, days, nth;
};

static int rule_of_week(const struct pattern *p, struct text *out)
{
    add(out, "FREQ=WEEKLY");
    /* Every working day is a daily frequency with a pattern of weekdays. */
    if (p->frequency == WEEKLY && p->period > 1)
        number(out, "INTERVAL", p->period);
    weekdays(out, p->days);
    return p->days != 0 && p->days < 128;
}

static int rule_of_month(const struct pattern *p, struct text *out)
{
    int yearly = p->frequency == YEARLY && p->period % 12 == 0;
    uint32_t interval = yearly ? p->period / 12 : p->period;
    add(out, yearly ? "FREQ=YEARLY" : "FREQ=MONTHLY");
    if (interval > 1)
        number(out, "INTERVAL", interval);
    if (p->type == PATTERN_MONTH && p->days >= 1 && p->days <= 31) {
        month_day(out, p->days);
    } else if (p->type == PATTERN_MONTH_END) {
        add(out, ";BYMONTHDAY=-1");
    } else if (p->type == PATTERN_NTH && p->days && p->days < 128 && p->nth >= 1 && p->nth <= 5) {
        weekdays(out, p->days);
        if (p->nth == 5)
            add(out, ";BYSETPOS=-1");
        else
            number(out, "BYSETPOS", p->nth);
    } else {
        return 0;
    }
    return interval > 0;
}

static int make_rule(const struct pattern *p, struct text *out)
{
    if (p->frequency == DAILY && p->type == PATTERN_DAY) {
        add(out, "FREQ=DAILY");
        if (p->period > DAY)
            number(out, "INTERVAL", p->period / DAY);
        return p->period >= DAY && p->period % DAY == 0;
    }
    if ((p->frequency == DAILY || p->frequency == WEEKLY) && p->type == PATTERN_WEEK)
        return rule_of_week(p, out);
    return (p->frequency == MONTHLY || p->frequency == YEARLY) && rule_of_month(p, out);
}

static void deleted(struct reader *r, struct recurrence *out)
{
    uint32_t n = get(r, 4);
    if (n > EXCEPTIONS_MAX || n > (r->n - r->at) / 4) {
        r->bad = 1;
        return;
    }
    out->deleted = cli_malloc((n + 1) * sizeof *out->deleted);
    for (uint32_t i = 0; i < n; i++)
        out->deleted[out->deleted_count++] = seconds(get(r, 4));
}

static void end_of(struct recurrence *out, uint32_t end_type, uint32_t count, uint32_t end_date)
{
    if (end_type == END_AFTER && count) {
        out->count = count;
    } else if (end_type == END_BY_DATE && end_date != NO_END_DATE) {
        out->has_until = 1;
        out->until = seconds(end_date);
    }
}

static int parse(struct reader *r, struct recurrence *out)
{
    struct pattern p = {0};
    int version = get(r, 2) == VERSION && get(r, 2) == VERSION;
    p.frequency = get(r, 2);
    p.type = get(r, 2);
    uint32_t calendar = get(r, 2);
    get(r, 4);
    p.period = get(r, 4);
    get(r, 4);
    if (p.type != PATTERN_DAY)
        p.days = get(r, 4);
    if (p.type == PATTERN_NTH)
        p.nth = get(r, 4);
    uint32_t end_type = get(r, 4), count = get(r, 4);
    get(r, 4); /* first day of the week */
    deleted(r, out);
    out->changed = get(r, 4);
    if (out->changed > EXCEPTIONS_MAX)
        return 0;
    for (uint32_t i = 0; i < out->changed; i++)
        get(r, 4);
    uint32_t start = get(r, 4), end_date = get(r, 4);
    end_of(out, end_type, count, end_date);
    out->start = seconds(start);
    out->end = out->start;
    if (r->bad || !version || calendar > 1 || !make_rule(&p, &out->rule))
        return 0;
    if (p.frequency == YEARLY && p.period % 12 == 0) {
        int64_t year;
        int month, day;
        calendar_date(out->start / 86400 - (out->start % 86400 < 0), &year, &month, &day);
        number(&out->rule, "BYMONTH", (uint32_t)month);
    }
    struct reader times = *r; /* tasks have none */
    if (get(&times, 4) == VERSION_2) {
        get(&times, 4);
        uint32_t from = get(&times, 4), to = get(&times, 4);
        if (!times.bad && from < DAY && to < 1000 * DAY) {
            out->end = out->start + (int64_t)to * 60;
            out->start += (int64_t)from * 60;
        }
    }
    return 1;
}

int recurrence_parse(const uint8_t *p, size_t n, struct recurrence *out)
{
    struct reader r = {.p = p, .n = n};
    *out = (struct recurrence){0};
    if (parse(&r, out))
        return 1;
    recurrence_release(out);
    return 0;
}

void recurrence_release(struct recurrence *r)
{
    text_release(&r->rule);
    free(r->deleted);
    *r = (struct recurrence){0};
}
