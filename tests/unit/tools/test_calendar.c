#include "calendar.h"

#include "unit/unit.h"

START_TEST(there_and_back)
{
    for (int64_t d = -800000; d < 3000000; d += 13) {
        int64_t y;
        int m, day;
        calendar_date(d, &y, &m, &day);
        ck_assert(m >= 1 && m <= 12 && day >= 1 && day <= 31);
        ck_assert_int_eq(calendar_days(y, m, day), d);
    }
}
END_TEST

/* Leap years: of each fourth year, not of each hundredth, but of each four hundredth; before 1970 and before Christ, too. */
START_TEST(known_days)
{
    static const struct {
        int64_t year;
        int month, day;
        int64_t days;
    } t[] = {{1970, 1, 1, 0},     {1969, 12, 31, -1},  {1972, 2, 29, 789},   {1972, 3, 1, 790},      {2000, 2, 29, 11016},
             {2000, 3, 1, 11017}, {1900, 3, 1, -25508}, {1900, 2, 28, -25509}, {2100, 3, 1, 47541},  {2100, 2, 28, 47540},
             {0, 3, 1, -719468},  {0, 2, 29, -719469}, {-1, 12, 31, -719529}};
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        int64_t year;
        int month, day;
        ck_assert_int_eq(calendar_days(t[i].year, t[i].month, t[i].day), t[i].days);
        calendar_date(t[i].days, &year, &month, &day);
        ck_assert(year == t[i].year && month == t[i].month && day == t[i].day);
    }
}
END_TEST

UNIT_MAIN("tools/calendar", there_and_back, known_days)
