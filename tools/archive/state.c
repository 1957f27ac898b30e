#include "archive/state.h"

#include <string.h>

#include "archive/field.h"
#include "text.h"

enum { STATUS, X_STATUS, X_KEYWORDS, MOZILLA_STATUS, MOZILLA_STATUS2, MOZILLA_KEYS, FIELDS };

static const char *const names[FIELDS] = {"Status", "X-Status", "X-Keywords", "X-Mozilla-Status", "X-Mozilla-Status2", "X-Mozilla-Keys"};

/* Bits of X-Mozilla-Status (four hex digits). */
enum { MOZ_READ = 0x0001, MOZ_REPLIED = 0x0002, MOZ_MARKED = 0x0004, MOZ_EXPUNGED = 0x0008, MOZ_FORWARDED = 0x1000 };
/* Bits of X-Mozilla-Status2 (eight hex digits); a label is a number from 1 to 5, 0 is none. */
enum { MOZ2_IMAP_DELETED = 0x00200000, MOZ2_RECEIPT_SENT = 0x00800000, MOZ2_LABEL_SHIFT = 25, MOZ2_LABEL_MASK = 7 };

uint32_t state_of_letters(const char *p, size_t n)
{
    static const struct {
        char letter;
        uint32_t flag;
    } letters[] = {{'R', CUBBY_SEEN}, {'A', CUBBY_ANSWERED}, {'F', CUBBY_FLAGGED}, {'T', CUBBY_DRAFT}, {'D', CUBBY_DELETED}};
    uint32_t flags = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < sizeof letters / sizeof *letters; k++)
            if (p[i] == letters[k].letter)
                flags |= letters[k].flag;
    return flags;
}

static uint32_t hex(const char *p, size_t n)
{
    uint32_t v = 0;
    size_t i = 0;
    while (i < n && (p[i] == ' ' || p[i] == '\t'))
        i++;
    for (; i < n; i++) {
        int digit = text_hex(p[i]);
        if (digit < 0)
            break;
        v = v << 4 | (uint32_t)digit;
    }
    return v;
}

static void add(struct cli_flags *out, const char *keyword)
{
    cli_flag_add(out, keyword, strlen(keyword));
}

static void mozilla(uint32_t v, struct cli_flags *out)
{
    out->system |= (v & MOZ_READ ? CUBBY_SEEN : 0) | (v & MOZ_REPLIED ? CUBBY_ANSWERED : 0) | (v & MOZ_MARKED ? CUBBY_FLAGGED : 0) |
                   (v & MOZ_EXPUNGED ? CUBBY_DELETED : 0);
    if (v & MOZ_FORWARDED)
        add(out, "$Forwarded");
}

static void mozilla2(uint32_t v, struct cli_flags *out)
{
    static const char *const labels[8] = {NULL, "$Label1", "$Label2", "$Label3", "$Label4", "$Label5", NULL, NULL};
    const char *label = labels[v >> MOZ2_LABEL_SHIFT & MOZ2_LABEL_MASK];
    if (v & MOZ2_IMAP_DELETED)
        out->system |= CUBBY_DELETED;
    if (v & MOZ2_RECEIPT_SENT)
        add(out, "$MDNSent");
    if (label)
        add(out, label);
}

static int is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void words(const char *p, size_t n, struct cli_flags *out)
{
    for (size_t i = 0; i < n;) {
        size_t start = i;
        while (i < n && !is_space(p[i]))
            i++;
        if (i > start && p[start] != '\\') /* a keyword, never a system flag */
            cli_flag_add(out, p + start, i - start);
        i++;
    }
}

static void apply(int which, const struct field *f, struct cli_flags *out)
{
    if (which == STATUS || which == X_STATUS)
        out->system |= state_of_letters(f->value, f->value_len);
    else if (which == MOZILLA_STATUS)
        mozilla(hex(f->value, f->value_len), out);
    else if (which == MOZILLA_STATUS2)
        mozilla2(hex(f->value, f->value_len), out);
    else
        words(f->value, f->value_len, out);
}

void state_of_header(const char *header, size_t len, struct cli_flags *out)
{
    struct field f;
    size_t pos = 0;
    unsigned seen = 0;
    while (field_next(header, len, &pos, &f)) {
        if ((*f.name | 0x20) != 'x' && (*f.name | 0x20) != 's')
            continue;
        for (int i = 0; i < FIELDS; i++)
            if (!(seen & 1u << i) && field_is(&f, names[i])) {
                seen |= 1u << i;
                apply(i, &f, out);
            }
    }
    cli_flags_sort(out);
}
