#include "archive/postmark.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "calendar.h"

#define TOKENS_MAX 40

struct token {
    const char *p;
    size_t n;
};

struct moment {
    int64_t year;
    int month, day, hour, minute, second;
    int has_zone, zone;
};

static const char weekdays[] = "SunMonTueWedThuFriSat";
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void postmark_date(int64_t seconds, char *buf)
{
    const int64_t first = calendar_days(0, 1, 1) * 86400, last = calendar_days(10000, 1, 1) * 86400 - 1;
    seconds = seconds < first ? first : seconds > last ? last : seconds;
    int64_t days = seconds >= 0 ? seconds / 86400 : (seconds - 86399) / 86400;
    unsigned rest = (unsigned)(seconds - days * 86400);
    int64_t year;
    int month, day;
    calendar_date(days, &year, &month, &day);
    int weekday = (int)(((days + 4) % 7 + 7) % 7);
    snprintf(buf, POSTMARK_DATE, "%.3s %.3s %2d %02u:%02u:%02u %04d", weekdays + 3 * weekday, months + 3 * (month - 1), day, rest / 3600,
             rest / 60 % 60, rest % 60, (int)year);
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int is_alpha(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* Number of words, TOKENS_MAX + 1 if there are more. */
static size_t split(const char *p, size_t n, struct token *out)
{
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        if (is_blank(p[i])) {
            i++;
            continue;
        }
        size_t start = i;
        while (i < n && !is_blank(p[i]))
            i++;
        if (count == TOKENS_MAX)
            return TOKENS_MAX + 1;
        out[count++] = (struct token){p + start, i - start};
    }
    return count;
}

/* Digits only, min to max of them: their value, else -1. */
static int number(const char *p, size_t n, size_t min, size_t max)
{
    int v = 0;
    if (n < min || n > max)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(p[i]))
            return -1;
        v = v * 10 + (p[i] - '0');
    }
    return v;
}

static int in_names(struct token t, const char *names, int count)
{
    for (int i = 0; t.n == 3 && i < count; i++)
        if (strncasecmp(t.p, names + 3 * i, 3) == 0)
            return i + 1;
    return 0;
}

static int is_weekday(struct token t)
{
    if (t.n == 4 && t.p[3] == ',')
        t.n = 3;
    return in_names(t, weekdays, 7);
}

/* H:MM[:SS[.fraction]] */
static int clock_time(const char *p, size_t n, struct moment *m)
{
    const char *colon = memchr(p, ':', n);
    if (!colon)
        return 0;
    size_t left = n - (size_t)(colon - p) - 1;
    m->hour = number(p, (size_t)(colon - p), 1, 2);
    m->minute = left >= 2 ? number(colon + 1, 2, 2, 2) : -1;
    m->second = 0;
    if (m->hour < 0 || m->hour > 23 || m->minute < 0 || m->minute > 59)
        return 0;
    if (left == 2)
        return 1;
    if (left < 5 || colon[3] != ':')
        return 0;
    m->second = number(colon + 4, 2, 2, 2);
    if (m->second < 0 || m->second > 60)
        return 0;
    for (size_t i = 5; i < left; i++)
        if (!is_digit(colon[1 + i]) && !(i == 5 && colon[1 + i] == '.'))
            return 0;
    return 1;
}

static const struct {
    char name[7];
    int16_t minutes;
} zones[] = {{"UTC", 0},    {"GMT", 0},    {"UT", 0},     {"Z", 0},      {"WET", 0},    {"WEST", 60},  {"BST", 60},   {"CET", 60},
             {"MET", 60},   {"CEST", 120}, {"MEST", 120}, {"EET", 120},  {"EEST", 180}, {"MSK", 180},  {"JST", 540},  {"EST", -300},
             {"EDT", -240}, {"CST", -360}, {"CDT", -300}, {"MST", -420}, {"MDT", -360}, {"PST", -480}, {"PDT", -420},
             {"WETDST", 60}, {"METDST", 120}, {"EETDST", 180}};

/* +hhmm or +hh:mm; `p` begins with the sign. */
static int offset_zone(const char *p, size_t n, struct moment *m)
{
    int hours = n >= 3 ? number(p + 1, 2, 2, 2) : -1;
    int minutes = n == 5 ? number(p + 3, 2, 2, 2) : n == 6 && p[3] == ':' ? number(p + 4, 2, 2, 2) : -1;
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return 0;
    m->has_zone = 1;
    m->zone = (*p == '-' ? -1 : 1) * (hours * 60 + minutes);
    return 1;
}

/* An offset, or a name of up to six letters ("METDST"); one that nobody knows counts as UTC. "MET DST" is two words. */
static int zone(struct token t, struct moment *m)
{
    if (t.n > 2 && t.p[0] == '(' && t.p[t.n - 1] == ')')
        t = (struct token){t.p + 1, t.n - 2};
    if (t.n && (t.p[0] == '+' || t.p[0] == '-'))
        return offset_zone(t.p, t.n, m);
    if (!t.n || t.n > 6)
        return 0;
    for (size_t i = 0; i < t.n; i++)
        if (!is_alpha(t.p[i]))
            return 0;
    if (t.n == 3 && strncasecmp(t.p, "DST", 3) == 0 && m->has_zone) {
        m->zone += 60;
        return 1;
    }
    for (size_t i = 0; i < sizeof zones / sizeof *zones && !m->has_zone; i++)
        if (strlen(zones[i].name) == t.n && strncasecmp(zones[i].name, t.p, t.n) == 0) {
            m->has_zone = 1;
            m->zone = zones[i].minutes;
        }
    return 1;
}

static int day_of(struct token t, struct moment *m)
{
    m->day = number(t.p, t.n, 1, 2);
    return m->day >= 1 && m->day <= 31;
}

static int year_of(struct token t, struct moment *m)
{
    m->year = number(t.p, t.n, 4, 4);
    return m->year >= 0;
}

/* Nothing more but what UUCP adds: "remote from HOST". */
static int at_end(const struct token *t, size_t n, size_t i)
{
    if (i + 3 == n && t[i].n == 6 && t[i + 1].n == 4 && memcmp(t[i].p, "remote", 6) == 0 && memcmp(t[i + 1].p, "from", 4) == 0)
        return 1;
    return i == n;
}

/* Up to two words of zone from *i on. */
static void take_zone(const struct token *t, size_t n, size_t *i, struct moment *m)
{
    for (int k = 0; k < 2 && !at_end(t, n, *i) && zone(t[*i], m); k++)
        ++*i;
}

/* month day time [zone] year [zone], the end */
static int asctime_rest(const struct token *t, size_t n, size_t i, struct moment *m)
{
    *m = (struct moment){0};
    if (n < i + 4 || !(m->month = in_names(t[i], months, 12)) || !day_of(t[i + 1], m) || !clock_time(t[i + 2].p, t[i + 2].n, m))
        return 0;
    i += 3;
    take_zone(t, n, &i, m);
    if (i == n || !year_of(t[i], m))
        return 0;
    i++;
    if (!m->has_zone)
        take_zone(t, n, &i, m);
    return at_end(t, n, i);
}

/* day month year time [zone], the end: a date as in a header */
static int header_date(const struct token *t, size_t n, size_t i, struct moment *m)
{
    *m = (struct moment){0};
    if (n < i + 4 || !day_of(t[i], m) || !(m->month = in_names(t[i + 1], months, 12)) || !year_of(t[i + 2], m) ||
        !clock_time(t[i + 3].p, t[i + 3].n, m))
        return 0;
    i += 4;
    take_zone(t, n, &i, m);
    return at_end(t, n, i);
}

/* YYYY-MM-DD and a time, joined by T or a blank, [zone], the end */
static int iso_date(const struct token *t, size_t n, size_t i, struct moment *m)
{
    *m = (struct moment){0};
    const char *p = t[i].p;
    if (t[i].n < 10 || p[4] != '-' || p[7] != '-')
        return 0;
    m->year = number(p, 4, 4, 4);
    m->month = number(p + 5, 2, 2, 2);
    m->day = number(p + 8, 2, 2, 2);
    if (m->year < 0 || m->month < 1 || m->month > 12 || m->day < 1 || m->day > 31)
        return 0;
    struct token time = {p + 11, t[i].n - 11};
    i++;
    if (t[i - 1].n == 10)
        time = i < n ? t[i++] : (struct token){p, 0};
    else if (p[10] != 'T' && p[10] != 't')
        return 0;
    size_t len = 0; /* of the time, without a zone behind it */
    while (len < time.n && (is_digit(time.p[len]) || time.p[len] == ':' || time.p[len] == '.'))
        len++;
    if (!clock_time(time.p, len, m) || (len < time.n && !zone((struct token){time.p + len, time.n - len}, m)))
        return 0;
    if (!m->has_zone)
        take_zone(t, n, &i, m);
    return at_end(t, n, i);
}

static int64_t seconds_of(const struct moment *m)
{
    return calendar_days(m->year, m->month, m->day) * 86400 + m->hour * 3600 + m->minute * 60 + m->second - m->zone * 60;
}

/* The sender of a postmark without a date: "-", an address, the daemon. Not "From bob@example.org:" as in quoted text. */
static int stands_alone(struct token t)
{
    if ((t.n == 1 && *t.p == '-') || (t.n == 2 && memcmp(t.p, "<>", 2) == 0) || (t.n == 13 && strncasecmp(t.p, "MAILER-DAEMON", 13) == 0))
        return 1;
    const char *at = memchr(t.p, '@', t.n);
    return at && at > t.p && at + 1 < t.p + t.n && !strchr(":;,.!?)\"'", t.p[t.n - 1]);
}

/* Finds a date behind the sender; words 0..*at are the sender. */
static int find_date(const struct token *t, size_t n, size_t *at, struct moment *m)
{
    for (size_t i = 1; i < n; i++)
        if (is_weekday(t[i]) && t[i].n == 3 && asctime_rest(t, n, i + 1, m)) {
            *at = i;
            return POSTMARK_STRICT;
        }
    for (size_t i = 0; i < n; i++) {
        size_t d = i + (is_weekday(t[i]) && i + 1 < n); /* the weekday may be missing */
        if (asctime_rest(t, n, d, m) || header_date(t, n, d, m) || iso_date(t, n, d, m)) {
            *at = i;
            return POSTMARK_LOOSE;
        }
    }
    return POSTMARK_NONE;
}

int postmark_parse(const char *line, size_t len, struct postmark *out)
{
    struct token t[TOKENS_MAX];
    if (len < 5 || len > POSTMARK_LINE_MAX || memcmp(line, "From ", 5) != 0)
        return POSTMARK_NONE;
    size_t n = split(line + 5, len - 5, t), at = n;
    if (n == 0 || n > TOKENS_MAX)
        return POSTMARK_NONE;
    struct moment m;
    int kind = find_date(t, n, &at, &m);
    if (kind == POSTMARK_NONE && !(n == 1 && stands_alone(t[0])))
        return POSTMARK_NONE;
    *out = (struct postmark){.sender = t[0].p, .sender_len = at ? (size_t)(t[at - 1].p + t[at - 1].n - t[0].p) : 0};
    if (kind != POSTMARK_NONE) {
        out->has_date = 1;
        out->date = seconds_of(&m);
        out->has_zone = m.has_zone;
        out->zone = (int16_t)m.zone;
    }
    return kind == POSTMARK_STRICT ? POSTMARK_STRICT : POSTMARK_LOOSE;
}

int postmark_parse_first(const char *line, size_t len, struct postmark *out)
{
    int kind = postmark_parse(line, len, out);
    if (kind != POSTMARK_NONE || len < 6 || len > POSTMARK_LINE_MAX || memcmp(line, "From ", 5) != 0)
        return kind;
    const char *p = line + 5, *end = line + len;
    while (p < end && is_blank(*p))
        p++;
    if (p == end)
        return POSTMARK_NONE;
    *out = (struct postmark){.sender = p};
    while (p + out->sender_len < end && !is_blank(p[out->sender_len]))
        out->sender_len++;
    return POSTMARK_LOOSE;
}
