#include "archive/eml/emlx.h"

#include <stdlib.h>
#include <string.h>

/* Bits of the integer "flags". */
#define EMLX_READ      (UINT64_C(1) << 0)
#define EMLX_DELETED   (UINT64_C(1) << 1)
#define EMLX_ANSWERED  (UINT64_C(1) << 2)
#define EMLX_FLAGGED   (UINT64_C(1) << 4)
#define EMLX_DRAFT     (UINT64_C(1) << 6)
#define EMLX_FORWARDED (UINT64_C(1) << 8)
#define EMLX_JUNK      (UINT64_C(1) << 24)
#define EMLX_NOT_JUNK  (UINT64_C(1) << 25)

int emlx_first_line(const char *p, size_t n, uint64_t *length, size_t *start)
{
    size_t i = 0;
    uint64_t v = 0;
    while (i < n && (p[i] == ' ' || p[i] == '\t'))
        i++;
    size_t digits = i;
    for (; i < n && i - digits < 18 && p[i] >= '0' && p[i] <= '9'; i++)
        v = v * 10 + (uint64_t)(p[i] - '0');
    if (i == digits)
        return 0;
    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r'))
        i++;
    if (i == n || p[i] != '\n')
        return 0;
    *length = v;
    *start = i + 1;
    return 1;
}

/* The number behind <key>NAME</key>. */
static int number_of(const char *plist, size_t n, const char *key, double *out)
{
    const char *p = memmem(plist, n, key, strlen(key)), *end = plist + n;
    char digits[40];
    size_t len = 0;
    if (!p)
        return 0;
    p += strlen(key);
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    const char *close = p < end && *p == '<' ? memchr(p, '>', (size_t)(end - p)) : NULL;
    if (!close || (strncmp(p, "<integer", 8) != 0 && strncmp(p, "<real", 5) != 0))
        return 0;
    for (p = close + 1; p < end && len < sizeof digits - 1 && *p != '<'; p++)
        digits[len++] = *p;
    digits[len] = 0;
    char *rest;
    *out = strtod(digits, &rest);
    return rest > digits && *out >= -1e15 && *out <= 1e15;
}

static void add(struct cli_flags *f, const char *keyword)
{
    cli_flag_add(f, keyword, strlen(keyword));
}

void emlx_state_of(const char *plist, size_t n, struct emlx_state *out)
{
    double v;
    *out = (struct emlx_state){.flags = CLI_FLAGS_INIT};
    if (number_of(plist, n, "<key>date-received</key>", &v)) {
        out->has_date = 1;
        out->date = (int64_t)v;
    }
    if (!number_of(plist, n, "<key>flags</key>", &v) || v < 0)
        return;
    uint64_t bits = (uint64_t)v;
    out->has_flags = 1;
    out->flags.system = (bits & EMLX_READ ? CUBBY_SEEN : 0u) | (bits & EMLX_DELETED ? CUBBY_DELETED : 0u) |
                        (bits & EMLX_ANSWERED ? CUBBY_ANSWERED : 0u) | (bits & EMLX_FLAGGED ? CUBBY_FLAGGED : 0u) |
                        (bits & EMLX_DRAFT ? CUBBY_DRAFT : 0u);
    if (bits & EMLX_FORWARDED)
        add(&out->flags, "$Forwarded");
    if (bits & (EMLX_JUNK | EMLX_NOT_JUNK))
        add(&out->flags, bits & EMLX_JUNK ? "$Junk" : "$NotJunk");
    cli_flags_sort(&out->flags);
}
