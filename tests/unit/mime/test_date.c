#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "cubby.h"
#include "mime/header.h"
#include "unit/mime/linear.h"
#include "unit/unit.h"

static void check(const char *text, int64_t want, int zone)
{
    int64_t seconds = 42;
    int16_t minutes = 42;
    int rc = cubby__date_parse(text, strlen(text), &seconds, &minutes);
    ck_assert_msg(rc == 0, "refused: %s", text);
    ck_assert_msg(seconds == want, "%s: %lld, not %lld", text, (long long)seconds, (long long)want);
    ck_assert_msg(minutes == zone, "%s: zone %d, not %d", text, minutes, zone);
}

#define NOV5 1036490400 /* 2002-11-05 10:00:00 UTC */

START_TEST(modern)
{
    check("Tue, 5 Nov 2002 10:00:00 +0000", NOV5, 0);
    check("Tue, 05 Nov 2002 10:00:00 +0100", NOV5 - 3600, 60);
    check("5 Nov 2002 10:00 -0330", NOV5 + 12600, -210);
    check("Thu, 1 Jan 1970 00:00:00 +0000", 0, 0);
    check("Wed, 31 Dec 1969 23:59:59 +0000", -1, 0);
    check("Tue, 29 Feb 2000 00:00:00 +0000", 951782400, 0);
    check("Mon, 1 Jan 0001 00:00:00 +0000", -62135596800, 0);
    check("Fri, 31 Dec 9999 23:59:59 +0000", 253402300799, 0);
    check("1 Mar 2100 00:00:00 +0000", 4107542400, 0);
    check("31 Dec 2016 23:59:60 +0000", 1483228800, 0); /* a leap second */
    check("5 Nov 2002 10:00:00 +2359", NOV5 - 1439 * 60, 1439);
    check("5 Nov 2002 10:00:00 -2359", NOV5 + 1439 * 60, -1439);
    check("5 Nov 2002 10:00:00 +01:00", NOV5 - 3600, 60);
    check("5 Nov 2002 10:00:00.123456 +0000", NOV5, 0);
}
END_TEST

START_TEST(obsolete)
{
    check("Tue, 5 Nov 02 10:00:00 GMT", NOV5, 0);
    check("5 Nov 102 10:00:00 UT", NOV5, 0);
    check("5 Nov 2002 10:00:00 Z", NOV5, 0);
    check("5 Nov 2002 10:00:00 EST", NOV5 + 5 * 3600, -300);
    check("5 Nov 2002 10:00:00 edt", NOV5 + 4 * 3600, -240);
    check("5 Nov 2002 10:00:00 PDT", NOV5 + 7 * 3600, -420);
    check("5 Nov 2002 10:00:00 PST", NOV5 + 8 * 3600, -480);
    check("5 Nov 2002 10:00:00 A", NOV5, 0); /* military zones are -0000 */
    check("5 Nov 2002 10:00:00 CET", NOV5, 0);
    check("5 Nov 2002 10:00:00 -0000", NOV5, 0);
    check("5 Nov 2002 10:00:00", NOV5, 0);
    check("5 Nov 49 00:00 GMT", 2519683200, 0);
    check("5 Nov 50 00:00 GMT", -604540800, 0);
    check(" \r\n Tue (a (nested \\) (comment))) , (x)5(y)Nov(z)2002 10 (:) : 00 : 00 (\\() +0000 (UTC) \r\n", NOV5, 0);
    check("Foo, 5 Nov 2002 10:00:00 +0000", NOV5, 0); /* a wrong weekday */
    check("Sat 5 November 2002 10:00:00 +0000", NOV5, 0);
    check(", 5 Nov 2002 10:00:00 +0000", NOV5, 0);
    check("5 Nov 2002 10:00:00 GMT+0100", NOV5 - 3600, 60);
    check("5 Nov 2002 10:00:00 +0100 MET", NOV5 - 3600, 60);
    check("5 Nov 2002 9:0:0 +0000", NOV5 - 3600, 0);
    check("5 Nov 2002 10:00:00 +0000 (never closed", NOV5, 0);
}
END_TEST

START_TEST(other_forms)
{
    check("Tuesday, 05-Nov-02 10:00:00 GMT", NOV5, 0);
    check("05-Nov-2002 10:00:00 +0000", NOV5, 0);
    check("Tue Nov  5 10:00:00 2002", NOV5, 0);
    check("Sat Nov  5 10:00:00 2002", NOV5, 0);
    check("Tue Nov 5 10:00 2002", NOV5, 0);
    check("Tue Nov  5 10:00:00 EST 2002", NOV5 + 5 * 3600, -300);
    check("Tue Nov  5 10:00:00 -0500 2002", NOV5 + 5 * 3600, -300);
    check("Tue Nov  5 10:00:00 2002 +0100", NOV5 - 3600, 60);
    check("Nov 5, 2002 10:00:00 +0000", NOV5, 0);
    check("Tue, Nov 5, 2002, 10:00:00", NOV5, 0);
}
END_TEST

START_TEST(nonsense)
{
    static const char *const bad[] = {
        "", " ", "x", "Tue", "Tue,", "5", "5 Nov", "5 Nov 2002", "5 Nov 2002 10", "5 Nov 2002 10:", "(5 Nov 2002 10:00:00 +0000)",
        "32 Nov 2002 10:00 +0000", "31 Nov 2002 10:00 +0000", "0 Nov 2002 10:00 +0000", "29 Feb 2001 10:00 +0000", "29 Feb 1900 10:00 +0000",
        "5 Nox 2002 10:00 +0000", "5 No 2002 10:00 +0000", "5 Novembers 2002 10:00 +0000", "5 Nov 0000 10:00 +0000", "5 Nov 20002 10:00 +0000",
        "5 Nov 2 10:00 +0000", "5 Nov 2002 24:00 +0000", "5 Nov 2002 10:60 +0000", "5 Nov 2002 10:00:61 +0000", "5 Nov 2002 100:00 +0000",
        "5 Nov 2002 10:00:00 +2400", "5 Nov 2002 10:00:00 +0060", "5 Nov 2002 10:00:00 +100", "5 Nov 2002 10:00:00 +10000",
        "5 Nov 2002 10:00:00 +", "5 Nov 2002 10:00:00 0100", "5 Nov 2002 10:00:00 +0100 +0100", "5 Nov 2002 10:00:00 +0000 !",
        "5 Nov 2002 10:00:00 +-0500", "-5 Nov 2002 10:00 +0000", "2002-11-05T10:00:00Z", "Tue Nov 5 10:00:00", "Tue Nov 5 10:00:00 +0100",
        "99999999999999999999 Nov 2002 10:00", "5 Nov 2002 10:00:00 +0000\x01", "Tue Tue 5 Nov 2002 10:00"};
    int64_t seconds = 42;
    int16_t minutes = 42;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(cubby__date_parse(bad[i], strlen(bad[i]), &seconds, &minutes) == CUBBY_EINVAL, "accepted: %s", bad[i]);
    ck_assert_int_eq(cubby__date_parse("5 Nov 2002 10:00 \0", 18, &seconds, &minutes), CUBBY_EINVAL);
    ck_assert_int_eq(cubby__date_parse(NULL, 0, &seconds, &minutes), CUBBY_EINVAL);
    ck_assert_int_eq(seconds, 42);
    ck_assert_int_eq(minutes, 42);
}
END_TEST

/* Every cut of a date is read or refused, never more than its bytes. */
START_TEST(cut_short)
{
    static const char *const dates[] = {"Tue, 5 Nov 2002 10:00:00.5 GMT+0100 (a\\) b)", "Tue Nov  5 10:00:00 -0500 2002 EST"};
    for (size_t i = 0; i < 2; i++) {
        for (size_t n = 0; n <= strlen(dates[i]); n++) {
            char *copy = malloc(n + !n);
            int64_t seconds;
            int16_t minutes;
            memcpy(copy, dates[i], n);
            cubby__date_parse(copy, n, &seconds, &minutes);
            free(copy);
        }
    }
}
END_TEST

/* Against the C library, day after day. */
START_TEST(every_day)
{
    static const char names[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (int64_t day = -719162; day < 2932896; day += 17) {
        time_t t = (time_t)(day * 86400 + 3661);
        struct tm tm;
        char text[64];
        gmtime_r(&t, &tm);
        snprintf(text, sizeof text, "%d %s %04d %02d:%02d:%02d +0000", tm.tm_mday, names[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
                 tm.tm_sec);
        check(text, (int64_t)t, 0);
    }
}
END_TEST

static void parse_it(void *text)
{
    struct cubby__buf *b = text;
    int64_t seconds;
    int16_t minutes;
    cubby__date_parse(b->data, b->len, &seconds, &minutes);
}

static struct cubby__buf repeat(const char *head, const char *repeated, size_t times)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__buf_add(&b, head, strlen(head));
    for (size_t i = 0; i < times; i++)
        cubby__buf_add(&b, repeated, strlen(repeated));
    return b;
}

START_TEST(time_is_linear)
{
    static const char *const repeated[] = {"(", "()", "(\\", " ", "a", "1", " Z", "("};
    static const char *const heads[] = {"", "5 Nov 2002 10:00:00 ", "5 Nov 2002 10:00:00 ", "5", "", "", "5 Nov 2002 10:00:00 ", "Nov 5 10:00"};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        struct cubby__buf once = repeat(heads[i], repeated[i], 500000), twice = repeat(heads[i], repeated[i], 1000000);
        ck_assert_msg(is_linear(parse_it, &once, &twice), "case %zu", i);
        cubby__buf_release(&once);
        cubby__buf_release(&twice);
    }
}
END_TEST

UNIT_MAIN("mime/date", modern, obsolete, other_forms, nonsense, cut_short, every_day, time_is_linear)
