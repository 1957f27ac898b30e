/* Dates: RFC 3339, in and out. */
#include "text.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calendar.h"

struct parts {
    int64_t year;
    int month, day, hour, minute, second;
};

static struct parts split(int64_t seconds, int zone_minutes)
{
    struct parts p;
    int64_t days = seconds / 86400, rest = seconds % 86400 + zone_minutes * 60;
    days += rest >= 0 ? rest / 86400 : -((86399 - rest) / 86400);
    rest = ((rest % 86400) + 86400) % 86400;
    calendar_date(days, &p.year, &p.month, &p.day);
    p.hour = (int)(rest / 3600);
    p.minute = (int)(rest / 60 % 60);
    p.second = (int)(rest % 60);
    return p;
}

const char *text_date(int64_t seconds, int zone, char *buf, size_t n)
{
    struct parts p = split(seconds, zone);
    char offset[16] = "Z";
    if (zone)
        snprintf(offset, sizeof offset, "%c%02d:%02d", zone < 0 ? '-' : '+', abs(zone) / 60, abs(zone) % 60);
    snprintf(buf, n, "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d%s", p.year, p.month, p.day, p.hour, p.minute, p.second, offset);
    return buf;
}

const char *text_date_short(int64_t seconds, int zone, char *buf, size_t n)
{
    struct parts p = split(seconds, zone);
    snprintf(buf, n, "%04" PRId64 "-%02d-%02d %02d:%02d", p.year, p.month, p.day, p.hour, p.minute);
    return buf;
}

/* Exactly n digits. */
static int digits(const char **s, int n, int *out)
{
    int v = 0;
    for (int i = 0; i < n; i++, (*s)++) {
        if (!isdigit((unsigned char)**s))
            return -1;
        v = v * 10 + (**s - '0');
    }
    *out = v;
    return 0;
}

static int expect(const char **s, char c)
{
    if (**s != c)
        return -1;
    (*s)++;
    return 0;
}

static int parse_zone(const char **s, int *zone)
{
    int hours, minutes, sign = **s == '-' ? -1 : 1;
    *zone = 0;
    if (!**s)
        return 0;
    if (**s == 'Z' || **s == 'z') {
        (*s)++;
        return 0;
    }
    if (**s != '+' && **s != '-')
        return -1;
    (*s)++;
    if (digits(s, 2, &hours) != 0 || expect(s, ':') != 0 || digits(s, 2, &minutes) != 0 || hours > 23 || minutes > 59)
        return -1;
    *zone = sign * (hours * 60 + minutes);
    return 0;
}

static int parse_time(const char **s, struct parts *p, int *zone)
{
    if (digits(s, 2, &p->hour) != 0 || expect(s, ':') != 0 || digits(s, 2, &p->minute) != 0)
        return -1;
    if (**s == ':' && (expect(s, ':') != 0 || digits(s, 2, &p->second) != 0))
        return -1;
    if (**s == '.') {
        (*s)++;
        if (!isdigit((unsigned char)**s))
            return -1;
        while (isdigit((unsigned char)**s))
            (*s)++;
    }
    if (p->hour > 23 || p->minute > 59 || p->second > 60)
        return -1;
    return parse_zone(s, zone);
}

int text_date_parse(const char *s, int64_t *seconds, int16_t *zone_minutes)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct parts p = {0};
    int year, zone = 0;
    if (digits(&s, 4, &year) != 0 || expect(&s, '-') != 0 || digits(&s, 2, &p.month) != 0 || expect(&s, '-') != 0 || digits(&s, 2, &p.day) != 0)
        return -1;
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    if (p.month < 1 || p.month > 12 || p.day < 1 || p.day > lengths[p.month - 1] + (p.month == 2 && leap))
        return -1;
    if (*s && strchr("Tt ", *s)) {
        s++;
        if (parse_time(&s, &p, &zone) != 0)
            return -1;
    }
    if (*s)
        return -1;
    *seconds = calendar_days(year, p.month, p.day) * 86400 + p.hour * 3600 + p.minute * 60 + p.second - zone * 60;
    *zone_minutes = (int16_t)zone;
    return 0;
}
