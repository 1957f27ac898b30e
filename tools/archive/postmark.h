/* postmark.h - the line that begins a message in an mbox: "From SENDER DATE". */
#ifndef CUBBY_TOOLS_POSTMARK_H
#define CUBBY_TOOLS_POSTMARK_H

#include <stddef.h>
#include <stdint.h>

/* How sure it is that a line is a postmark. A STRICT one has weekday, month, day, time and year in that order and separates
 * messages wherever it stands; a LOOSE one ("From - ", no date, other forms of date) only behind an empty line or where
 * an mbox begins. */
enum { POSTMARK_NONE = 0, POSTMARK_LOOSE = 1, POSTMARK_STRICT = 2 };

/* Longer lines are no postmarks. */
#define POSTMARK_LINE_MAX 4096

struct postmark {
    const char *sender; /* into the line; may hold blanks; "" is possible in a loose one */
    size_t sender_len;
    int has_date;
    int64_t date; /* seconds since 1970, UTC */
    int has_zone; /* else the date was taken as UTC */
    int16_t zone; /* minutes east of UTC */
};

/* line without its line end. out is filled in for LOOSE and STRICT. */
int postmark_parse(const char *line, size_t len, struct postmark *out);

/* The same for the first line of a file: "From " and any word is a postmark there, at least LOOSE. */
int postmark_parse_first(const char *line, size_t len, struct postmark *out);

/* "Sat Jan  2 01:29:12 2021", UTC, into buf of POSTMARK_DATE bytes. Years beyond 9999 or before 0 become the nearest that fits. */
#define POSTMARK_DATE 32
void postmark_date(int64_t seconds, char *buf);

#endif
