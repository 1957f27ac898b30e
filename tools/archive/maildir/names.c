#include "archive/maildir/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The mark that follows date and zone in names of ours. */
static const char mark[] = "cubby";

static const char *flags_at(const char *name)
{
    for (size_t n = strlen(name), i = n; i-- > 0;)
        if (strchr(":;!", name[i]) && name[i + 1] == '2' && name[i + 2] == ',')
            return name + i;
    return NULL;
}

size_t maildir_base(const char *name)
{
    const char *flags = flags_at(name);
    return flags ? (size_t)(flags - name) : strlen(name);
}

void maildir_flags(const char *name, const struct maildir_keywords *k, struct cli_flags *out)
{
    static const struct {
        char letter;
        uint32_t flag;
    } known[] = {{'R', CUBBY_ANSWERED}, {'S', CUBBY_SEEN}, {'T', CUBBY_DELETED}, {'D', CUBBY_DRAFT}, {'F', CUBBY_FLAGGED}};
    const char *p = flags_at(name);
    for (p = p ? p + 3 : ""; *p && *p != ','; p++) {
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (known[i].letter == *p)
                out->system |= known[i].flag;
        const char *keyword = *p == 'P' ? "$Forwarded" : *p >= 'a' && *p <= 'z' && k ? k->name[*p - 'a'] : NULL;
        if (keyword)
            cli_flag_add(out, keyword, strlen(keyword)); /* what is no keyword is passed over */
    }
    cli_flags_sort(out);
}

/* "SECONDS.Z+0100.cubbyVALIDITY.UID,S=...,W=..." */
void maildir_name(char *buf, int64_t date, int16_t zone, uint32_t uidvalidity, uint32_t uid, uint64_t size, uint64_t rfc822_size)
{
    int east = zone < 0 ? -zone : zone;
    snprintf(buf, MAILDIR_NAME, "%" PRId64 ".Z%c%02d%02d.%s%" PRIu32 ".%" PRIu32 ",S=%" PRIu64 ",W=%" PRIu64, date, zone < 0 ? '-' : '+', east / 60,
             east % 60, mark, uidvalidity, uid, size, rfc822_size);
}

int maildir_date(const char *name, int64_t *date, int16_t *zone)
{
    char *p;
    long long seconds = strtoll(name, &p, 10);
    if (p == name || strncmp(p, ".Z", 2) != 0 || (p[2] != '+' && p[2] != '-'))
        return 0;
    char *end;
    long hhmm = strtol(p + 3, &end, 10);
    if (end != p + 7 || *end != '.' || strncmp(end + 1, mark, strlen(mark)) != 0 || hhmm < 0 || hhmm / 100 > 23 || hhmm % 100 > 59)
        return 0;
    *date = seconds;
    *zone = (int16_t)((p[2] == '-' ? -1 : 1) * (hhmm / 100 * 60 + hhmm % 100));
    return 1;
}
