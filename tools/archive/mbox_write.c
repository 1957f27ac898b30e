/* Writing: mboxrd. Every line that is "From " behind any number of '>' gets one more. */
#include <stdio.h>
#include <string.h>

#include "archive/field.h"
#include "archive/mbox.h"

#define SENDER_MAX 256

static const char from[] = "From ";

void mbox_writer_init(struct mbox_writer *w, mbox_sink_fn sink, void *arg)
{
    *w = (struct mbox_writer){.sink = sink, .arg = arg};
}

int mbox_line_is_crlf(const void *p, size_t n)
{
    const char *nl = n ? memchr(p, '\n', n) : NULL;
    return nl && nl > (const char *)p && nl[-1] == '\r';
}

/* ---- the postmark -------------------------------------------------------------------------------------------------------------------- */

static int is_word(char c)
{
    return (unsigned char)c > ' ' && c != 0x7f && c != '<' && c != '>' && c != ',' && c != ';';
}

/* What stands in <...>, else the first word with an '@'. */
static size_t address(const char *p, size_t n, char *out)
{
    const char *open = memrchr(p, '<', n), *start = open ? open + 1 : p, *end = p + n;
    for (; start < end; start++) {
        size_t len = 0;
        while (start + len < end && is_word(start[len]))
            len++;
        if (len && len < SENDER_MAX && (open || memchr(start, '@', len))) {
            memcpy(out, start, len);
            return len;
        }
        if (open)
            return 0;
        start += len;
    }
    return 0;
}

static size_t sender(const char *head, size_t n, char *out)
{
    static const char *const names[] = {"Return-Path", "From"};
    for (size_t i = 0; i < 2; i++) {
        struct field f;
        size_t used;
        if (field_find(head, n, names[i], &f) && (used = address(f.value, f.value_len, out)))
            return used;
    }
    memcpy(out, "MAILER-DAEMON", 13);
    return 13;
}

int mbox_message_is_crlf(const void *head, size_t head_len, const void *tail, size_t tail_len)
{
    const char *last = tail;
    int open = tail_len == 0 || last[tail_len - 1] != '\n';
    return mbox_line_is_crlf(head, head_len) && (open || (tail_len >= 2 && last[tail_len - 2] == '\r'));
}

int mbox_write_begin(struct mbox_writer *w, const void *head, size_t head_len, int crlf, int64_t date)
{
    char line[5 + SENDER_MAX + 1 + POSTMARK_DATE + 2], when[POSTMARK_DATE];
    memcpy(line, from, 5);
    size_t n = 5 + sender(head, head_len, line + 5);
    postmark_date(date, when);
    w->crlf = crlf;
    w->line_start = 1;
    w->held = 0;
    w->last = -1;
    n += (size_t)snprintf(line + n, sizeof line - n, " %s%s", when, w->crlf ? "\r\n" : "\n");
    return w->sink(w->arg, line, n);
}

/* ---- the message --------------------------------------------------------------------------------------------------------------------- */

/* Letters of "From " were held back at the end of the last chunk: now it can be seen what they are. */
static int release_held(struct mbox_writer *w, const char **p, size_t *n)
{
    while (*n && w->held < 5 && **p == from[w->held]) {
        w->held++;
        ++*p;
        --*n;
    }
    if (w->held < 5 && *n == 0)
        return 0;
    size_t held = w->held;
    w->held = 0;
    w->line_start = 0;
    return held == 5 ? w->sink(w->arg, ">From ", 6) : w->sink(w->arg, from, held);
}

/* Writes p..end, which holds no whole "From " that needs a '>'; keeps letters back that may become one. */
static int write_tail(struct mbox_writer *w, const char *p, const char *end)
{
    const char *nl = memrchr(p, '\n', (size_t)(end - p));
    const char *line = nl ? nl + 1 : w->line_start ? p : end, *q = line;
    int starts = nl || w->line_start;
    while (q < end && *q == '>')
        q++;
    size_t letters = (size_t)(end - q);
    w->line_start = starts && letters < 5 && memcmp(q, from, letters) == 0;
    w->held = w->line_start ? letters : 0;
    end -= w->held;
    return end > p ? w->sink(w->arg, p, (size_t)(end - p)) : 0;
}

int mbox_write(struct mbox_writer *w, const void *data, size_t n)
{
    const char *p = data;
    int rc;
    if (n == 0)
        return 0;
    w->last = (unsigned char)p[n - 1];
    if (w->held && ((rc = release_held(w, &p, &n)) != 0 || n == 0))
        return rc;
    const char *end = p + n, *f;
    for (const char *at = p; (f = (const char *)mbox_find_from((const uint8_t *)at, (const uint8_t *)end)); at = f + 5) {
        const char *q = f;
        while (q > p && q[-1] == '>')
            q--;
        if (!(q > p ? q[-1] == '\n' : w->line_start))
            continue;
        if ((f > p && (rc = w->sink(w->arg, p, (size_t)(f - p))) != 0) || (rc = w->sink(w->arg, ">", 1)) != 0)
            return rc;
        p = f;
        w->line_start = 0;
    }
    return write_tail(w, p, end);
}

int mbox_write_end(struct mbox_writer *w)
{
    const char *eol = w->crlf ? "\r\n" : "\n";
    size_t n = w->crlf ? 2 : 1;
    int rc = w->held ? w->sink(w->arg, from, w->held) : 0;
    w->held = 0;
    if (rc == 0 && w->last >= 0 && w->last != '\n') {
        w->line_ends_added++;
        rc = w->sink(w->arg, eol, n);
    }
    return rc ? rc : w->sink(w->arg, eol, n);
}
