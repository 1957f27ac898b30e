/* calendar.h - days and dates of the Gregorian calendar, before its time too. */
#ifndef CUBBY_TOOLS_CALENDAR_H
#define CUBBY_TOOLS_CALENDAR_H

#include <stdint.h>

/* Days since 1970-01-01 of a date, and back. month: 1 to 12, day: from 1 on. */
int64_t calendar_days(int64_t year, int month, int day);
void calendar_date(int64_t days, int64_t *year, int *month, int *day);

#endif
