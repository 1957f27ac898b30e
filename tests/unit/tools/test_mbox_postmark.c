#include "archive/postmark.h"

#include <stdio.h>
#include <string.h>

#include "unit/unit.h"

static int kind(const char *line, struct postmark *m)
{
    return postmark_parse(line, strlen(line), m);
}

START_TEST(strict_ones)
{
    static const struct {
        const char *line, *sender;
        int64_t date;
        int has_zone, zone;
    } t[] = {
        {"From a@b.c Sat Jan  2 01:29:12 2021", "a@b.c", 1609550952, 0, 0},
        {"From cras@irccrew.org  Tue Jul 23 19:39:23 2002", "cras@irccrew.org", 1027453163, 0, 0},
        {"From - Mon Jun  3 12:50:27 1996", "-", 833806227, 0, 0},
        {"From a Mon Jun 3 12:50 1996", "a", 833806200, 0, 0},
        {"From a Mon Jun 3 12:50:00 EST 1996", "a", 833824200, 1, -300},
        {"From a Mon Jun 3 12:50:00 +0200 1996", "a", 833799000, 1, 120},
        {"From a Mon Jun 3 12:50:00 1996 -0130", "a", 833811600, 1, -90},
        {"From a Mon Jun 3 12:50:00 MET DST 1996", "a", 833799000, 1, 120},
        {"From a Tue Jul  7 20:33:03 1998 WETDST", "a", 899839983, 1, 60},
        {"From a Mon Jun 3 12:50:00 1996 remote from host", "a", 833806200, 0, 0},
        {"From a Mon Jun 3 12:50:00 1996 METDST remote from host", "a", 833799000, 1, 120},
        {"From \"John Doe\"@b Mon Jun 3 12:50:00 1996  ", "\"John Doe\"@b", 833806200, 0, 0},
        {"From Mon Mon Jun 3 12:50:00 1996", "Mon", 833806200, 0, 0},
        {"From a Mon Feb 29 00:00:00 2000", "a", 951782400, 0, 0},
        {"From a Thu Jan  1 00:00:00 1970", "a", 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct postmark m;
        ck_assert_msg(kind(t[i].line, &m) == POSTMARK_STRICT, "%s", t[i].line);
        ck_assert_msg(m.has_date && m.date == t[i].date, "%s: %lld", t[i].line, (long long)m.date);
        ck_assert_int_eq(m.has_zone, t[i].has_zone);
        ck_assert_int_eq(m.zone, t[i].zone);
        ck_assert_uint_eq(m.sender_len, strlen(t[i].sender));
        ck_assert_int_eq(memcmp(m.sender, t[i].sender, m.sender_len), 0);
    }
}
END_TEST

START_TEST(loose_ones)
{
    static const struct {
        const char *line;
        int has_date;
        int64_t date;
    } t[] = {
        {"From - ", 0, 0},
        {"From -", 0, 0},
        {"From a@b", 0, 0},
        {"From MAILER-DAEMON", 0, 0},
        {"From <>", 0, 0},
        {"From a@b 2021-01-02 01:29:12", 1, 1609550952},
        {"From a@b 2021-01-02T01:29:12Z", 1, 1609550952},
        {"From a@b 2021-01-02T01:29:12+01:00", 1, 1609547352},
        {"From a@b 2021-01-02 01:29:12.5 +0100", 1, 1609547352},
        {"From a@b Sat, 2 Jan 2021 01:29:12 +0000", 1, 1609550952},
        {"From a@b 2 Jan 2021 01:29:12 GMT", 1, 1609550952},
        {"From a@b Jan 2 01:29:12 2021", 1, 1609550952},
        {"From Sat Jan  2 01:29:12 2021", 1, 1609550952},
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct postmark m;
        ck_assert_msg(kind(t[i].line, &m) == POSTMARK_LOOSE, "%s", t[i].line);
        ck_assert_msg(m.has_date == t[i].has_date && m.date == t[i].date, "%s: %lld", t[i].line, (long long)m.date);
    }
}
END_TEST

START_TEST(no_postmarks)
{
    static const char *const t[] = {
        "", "From", "From ", "From  ", "from a@b Sat Jan  2 01:29:12 2021", ">From a@b Sat Jan  2 01:29:12 2021",
        "From: a@b", "From maildir-storage.c, line 325:", "From mutt's documentation...", "From TODO:", "From Russia with love",
        "From bob@example.org:", "From bob@example.org,", "From bob@example.org wrote", "From @", "From a@",
        "From a Sat Jan  2 01:29:12 2021 was a nice day", "From a Sat Jan 32 01:29:12 2021", "From a Sat Jan 2 24:29:12 2021",
        "From a Sat Jan 2 01:60:12 2021", "From a Sat Jan 2 01:29:12 21", "From a Sam Jan 2 01:29:12 2021x",
        "From a Sat Jun 2021", "From a 2021-13-02 01:29:12", "From a 2021-01-02", "From a 2021-01-02X01:29:12",
        "From one two three", "From a Sat Jan 2 01:29:12 +99x9 2021", "From a Sat Jan 2 1:2:3 2021",
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct postmark m;
        ck_assert_msg(kind(t[i], &m) == POSTMARK_NONE, "'%s'", t[i]);
    }
}
END_TEST

START_TEST(at_the_start_of_a_file)
{
    struct postmark m;
    ck_assert_int_eq(postmark_parse_first("From bounce", 11, &m), POSTMARK_LOOSE);
    ck_assert_uint_eq(m.sender_len, 6);
    ck_assert_int_eq(m.has_date, 0);
    ck_assert_int_eq(postmark_parse_first("From ", 5, &m), POSTMARK_NONE);
    ck_assert_int_eq(postmark_parse_first("From: a", 7, &m), POSTMARK_NONE);
    ck_assert_int_eq(postmark_parse_first("From a Sat Jan  2 01:29:12 2021", 31, &m), POSTMARK_STRICT);
}
END_TEST

START_TEST(long_and_odd_lines)
{
    struct postmark m;
    size_t n = POSTMARK_LINE_MAX;
    char *line = malloc(n + 1);
    memcpy(line, "From ", 5);
    for (size_t i = 5; i < n; i++)
        line[i] = i & 1 ? 'a' : ' ';
    ck_assert_int_eq(postmark_parse(line, n, &m), POSTMARK_NONE);
    memset(line + 5, 'a', n - 5);
    memcpy(line + n - 25, " Sat Jan  2 01:29:12 2021", 25);
    ck_assert_int_eq(postmark_parse(line, n, &m), POSTMARK_STRICT);
    line[n] = ' ';
    ck_assert_int_eq(postmark_parse(line, n + 1, &m), POSTMARK_NONE);
    free(line);
    ck_assert_int_eq(postmark_parse("From a\0b@c", 10, &m), POSTMARK_LOOSE);
}
END_TEST

START_TEST(dates_out_and_in)
{
    static const int64_t t[] = {0, 1609550952, -1, -2208988800, 253402300799, 951782399, 951782400, 4107542400};
    char buf[POSTMARK_DATE], line[64];
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct postmark m;
        postmark_date(t[i], buf);
        int n = snprintf(line, sizeof line, "From x %s", buf);
        ck_assert_msg(postmark_parse(line, (size_t)n, &m) == POSTMARK_STRICT && m.date == t[i], "%s", line);
    }
    postmark_date(1609550952, buf);
    ck_assert_str_eq(buf, "Sat Jan  2 01:29:12 2021");
    postmark_date(INT64_MAX, buf);
    ck_assert_str_eq(buf, "Fri Dec 31 23:59:59 9999");
    postmark_date(INT64_MIN, buf);
    ck_assert_str_eq(buf, "Sat Jan  1 00:00:00 0000");
}
END_TEST

UNIT_MAIN("tools/mbox_postmark", strict_ones, loose_ones, no_postmarks, at_the_start_of_a_file, long_and_odd_lines, dates_out_and_in)
