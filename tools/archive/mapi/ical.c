/* Lines of iCalendar and vCard: at most 75 bytes, longer ones go on behind a line end and a blank. */
#include <stdio.h>
#include <string.h>

#include "archive/mapi/own.h"
#include "calendar.h"

void ical_line(struct text *out, const char *line, size_t n)
{
    size_t column = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t step = text_next(line + i, n - i, &code);
        if (column + step > 75) {
            text_add(out, "\r\n ", 3);
            column = 1;
        }
        if (code >= 0x20 && code != 0x7f)
            text_rune(out, code);
        column += step;
        i += step;
    }
    text_add(out, "\r\n", 2);
}

void ical_escape(struct text *out, const char *value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (value[i] == '\r' && i + 1 < n && value[i + 1] == '\n')
            continue;
        if (value[i] == '\n' || value[i] == '\r') {
            text_add(out, "\\n", 2);
            continue;
        }
        if (value[i] == '\\' || value[i] == ';' || value[i] == ',')
            text_byte(out, '\\');
        text_byte(out, value[i]);
    }
}

void ical_text(struct text *out, const char *name, const char *value, size_t n)
{
    struct text t = {0};
    text_add(&t, name, strlen(name));
    text_byte(&t, ':');
    ical_escape(&t, value, n);
    ical_line(out, t.data, t.len);
    text_release(&t);
}

void ical_time(struct text *out, int64_t seconds, int utc)
{
    int64_t day = seconds / 86400 - (seconds % 86400 < 0), rest = seconds - day * 86400, year;
    int month, mday;
    char buf[64];
    calendar_date(day, &year, &month, &mday);
    int n = snprintf(buf, sizeof buf, "%04d%02d%02dT%02d%02d%02d%s", (int)year, month, mday, (int)(rest / 3600), (int)(rest / 60 % 60),
                     (int)(rest % 60), utc ? "Z" : "");
    text_add(out, buf, (size_t)n);
}
