/* Dates of messages: RFC 5322 3.3 and 4.3, and what else stands in Date fields and From_ lines:
 *
 *   [weekday[,]] 5 Nov 2002 10:00[:00[.5]] [zone]         RFC 5322, old and new
 *   Tuesday, 05-Nov-02 10:00:00 GMT                       RFC 850
 *   [weekday] Nov  5 10:00:00 [zone] 2002 [zone]          asctime, From_ lines
 *   [weekday,] Nov 5, 2002 10:00:00 [zone]
 *
 * Comments and white space may stand between any two words. */
#include <string.h>

#include "cubby.h"
#include "mime/ascii.h"
#include "mime/header.h"

struct date {
    int year, month, day, hour, minute, second, zone;
    int has_zone, has_offset; /* named; as a number */
};

/* The next byte; 0, which is no part of a date, at the end. */
static uint8_t peek(const struct ascii_text *t)
{
    return t->p < t->end ? *t->p : 0;
}

/* The character and what may follow it, or nothing. */
static int take_char(struct ascii_text *t, char c)
{
    if (peek(t) != (uint8_t)c)
        return 0;
    t->p++;
    ascii_skip_cfws(t);
    return 1;
}

/* 1 to max digits; returns how many, or 0. */
static int take_number(struct ascii_text *t, int max, int *out)
{
    int n = 0, v = 0;
    for (; t->p < t->end && ascii_digit(*t->p); n++) {
        if (n == max)
            return 0;
        v = v * 10 + (*t->p++ - '0');
    }
    if (n) {
        *out = v;
        ascii_skip_cfws(t);
    }
    return n;
}

/* A word of letters; its length, 0 if there is none. */
static size_t take_word(struct ascii_text *t, const uint8_t **word)
{
    *word = t->p;
    while (t->p < t->end && ascii_alpha(*t->p))
        t->p++;
    size_t n = (size_t)(t->p - *word);
    if (n)
        ascii_skip_cfws(t);
    return n;
}

/* 1 to 12 for a month's name or at least its first three letters, else 0. */
static int month_of(const uint8_t *word, size_t n)
{
    static const char names[12][10] = {"january", "february", "march", "april", "may", "june",
                                       "july", "august", "september", "october", "november", "december"};
    for (int i = 0; i < 12 && n >= 3; i++)
        if (n <= strlen(names[i]) && ascii_equal(word, names[i], n))
            return i + 1;
    return 0;
}

static int take_month(struct ascii_text *t, int *month)
{
    const uint8_t *word;
    size_t n = take_word(t, &word);
    *month = month_of(word, n);
    return *month != 0;
}

/* RFC 5322 4.3: two digits are 1950 to 2049, three count from 1900. */
static int take_year(struct ascii_text *t, int *year)
{
    int n = take_number(t, 4, year);
    if (n == 2)
        *year += *year < 50 ? 2000 : 1900;
    else if (n == 3)
        *year += 1900;
    return n >= 2 && *year >= 1;
}

static int take_time(struct ascii_text *t, struct date *d)
{
    if (!take_number(t, 2, &d->hour) || !take_char(t, ':') || !take_number(t, 2, &d->minute))
        return 0;
    d->second = 0;
    if (take_char(t, ':')) {
        if (!take_number(t, 2, &d->second))
            return 0;
        if (peek(t) == '.') /* a fraction does not count */
            for (t->p++; t->p < t->end && ascii_digit(*t->p);)
                t->p++;
        ascii_skip_cfws(t);
    }
    return d->hour < 24 && d->minute < 60 && d->second <= 60; /* a leap second is the one after it */
}

/* +hhmm or +hh:mm */
static int take_offset(struct ascii_text *t, struct date *d)
{
    int sign = peek(t) == '-' ? -1 : 1, hours = 0, minutes = 0;
    if (d->has_offset || (peek(t) != '+' && peek(t) != '-'))
        return 0;
    t->p++;
    const uint8_t *start = t->p;
    while (t->p < t->end && ascii_digit(*t->p) && t->p - start < 2)
        hours = hours * 10 + (*t->p++ - '0');
    if (t->p - start != 2)
        return 0;
    if (peek(t) == ':')
        t->p++;
    if (take_number(t, 2, &minutes) != 2 || hours > 23 || minutes > 59)
        return 0;
    d->zone = sign * (hours * 60 + minutes);
    d->has_zone = d->has_offset = 1;
    return 1;
}

/* Hours of the zones that RFC 5322 4.3 gives a meaning; every other name means "unknown", which is counted as UTC. */
static int zone_of(const uint8_t *word, size_t n)
{
    static const struct {
        char name[4];
        int8_t hours;
    } zones[] = {{"est", -5}, {"edt", -4}, {"cst", -6}, {"cdt", -5}, {"mst", -7}, {"mdt", -6}, {"pst", -8}, {"pdt", -7}};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++)
        if (n == 3 && ascii_equal(word, zones[i].name, 3))
            return zones[i].hours * 60;
    return 0;
}

/* A numeric zone, a name, or a name with a number behind it (GMT+0100): the number counts. 0 if what stands there is no zone. */
static int take_zone(struct ascii_text *t, struct date *d)
{
    const uint8_t *word;
    size_t n = take_word(t, &word);
    if (n && !d->has_zone) {
        d->zone = zone_of(word, n);
        d->has_zone = 1;
    }
    if (peek(t) == '+' || peek(t) == '-')
        return take_offset(t, d);
    return n > 0;
}

static int take_day_first(struct ascii_text *t, struct date *d)
{
    if (!take_number(t, 2, &d->day))
        return 0;
    take_char(t, '-');
    if (!take_month(t, &d->month))
        return 0;
    take_char(t, '-');
    take_char(t, ',');
    return take_year(t, &d->year) && (take_char(t, ','), take_time(t, d));
}

/* Behind the month; the year stands before the time or behind it. */
static int take_month_first(struct ascii_text *t, struct date *d)
{
    if (!take_number(t, 2, &d->day))
        return 0;
    take_char(t, ',');
    struct ascii_text ahead = *t;
    if (take_time(t, d))
        return (ascii_digit(peek(t)) || take_zone(t, d)) && take_year(t, &d->year);
    *t = ahead;
    return take_year(t, &d->year) && (take_char(t, ','), take_time(t, d));
}

/* A weekday (any word: wrong ones are common) may stand in front. */
static int take_date(struct ascii_text *t, struct date *d)
{
    const uint8_t *word;
    ascii_skip_cfws(t);
    size_t n = take_word(t, &word);
    d->month = month_of(word, n);
    if (n && !d->month) {
        take_char(t, '.');
        take_char(t, ',');
        if (ascii_digit(peek(t)))
            return take_day_first(t, d);
        return take_month(t, &d->month) && take_month_first(t, d);
    }
    take_char(t, ','); /* an empty weekday */
    return n ? take_month_first(t, d) : take_day_first(t, d);
}

static int days_in_month(int year, int month)
{
    static const uint8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

/* Days from 1970-01-01 in the Gregorian calendar, counting years from March so that the leap day comes last. */
static int64_t days_since_epoch(int year, int month, int day)
{
    int64_t y = year - (month <= 2), m = (month + 9) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1 - 719468;
}

int cubby__date_parse(const void *text, size_t len, int64_t *seconds, int16_t *zone_minutes)
{
    if (len == 0)
        return CUBBY_EINVAL;
    struct ascii_text t = {text, (const uint8_t *)text + len};
    struct date d = {0, 0, 0, 0, 0, 0, 0, 0, 0};
    if (!take_date(&t, &d))
        return CUBBY_EINVAL;
    while (t.p < t.end) /* a zone and its name once more, as some programs write it */
        if (!take_zone(&t, &d))
            return CUBBY_EINVAL;
    if (d.day < 1 || d.day > days_in_month(d.year, d.month))
        return CUBBY_EINVAL;
    *seconds = days_since_epoch(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second - d.zone * 60;
    *zone_minutes = (int16_t)d.zone;
    return 0;
}
