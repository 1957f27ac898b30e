#include "mime/header.h"

#include <string.h>

#include "base/varint.h"
#include "cubby.h"
#include "mime/ascii.h"

/* Bytes of a field name (RFC 5322: printable ASCII but the colon). */
static inline int is_name_byte(uint8_t c)
{
    return c > 32 && c < 127 && c != ':';
}

/* Offset behind the line that `at` is in. */
static inline size_t line_end(const uint8_t *header, size_t len, size_t at)
{
    const uint8_t *lf = memchr(header + at, '\n', len - at);
    return lf ? (size_t)(lf - header) + 1 : len;
}

static inline int is_empty_line(const uint8_t *line, size_t len)
{
    return line[0] == '\n' || (line[0] == '\r' && len > 1 && line[1] == '\n');
}

int cubby__field_next(const uint8_t *header, size_t len, size_t *pos, struct cubby__field *out)
{
    size_t start = *pos, at = start;
    if (start >= len)
        return 0;
    while (at < len && is_name_byte(header[at]))
        at++;
    out->start = start;
    out->name_len = at - start;
    while (at < len && ascii_blank(header[at]))
        at++;
    if (at < len && header[at] == ':' && out->name_len) {
        out->value = ++at;
    } else {
        out->value = at = start;
        out->name_len = 0;
    }
    out->end = at < len ? line_end(header, len, at) : len;
    if (!is_empty_line(header + start, len - start))
        while (out->end < len && ascii_blank(header[out->end]))
            out->end = line_end(header, len, out->end);
    *pos = out->end;
    return 1;
}

/* The list fields by the length of their names; Content-* and List-* go by their beginning. */
#define LIST_NAME_MAX 31
#define LIST_PER_LENGTH 5
static const char list_names[LIST_NAME_MAX + 1][LIST_PER_LENGTH][LIST_NAME_MAX + 1] = {
    [2] = {"to", "cc"},
    [3] = {"bcc"},
    [4] = {"from", "date"},
    [5] = {"lines"},
    [6] = {"sender"},
    [7] = {"subject", "x-label"},
    [8] = {"reply-to", "priority"},
    [10] = {"message-id", "references", "x-priority", "importance", "newsgroups"},
    [11] = {"in-reply-to"},
    [12] = {"mime-version", "delivered-to", "chat-version"},
    [13] = {"x-original-to"},
    [16] = {"mail-followup-to"},
    [17] = {"x-k9mail-identity"},
    [25] = {"x-uniform-type-identifier"},
    [27] = {"disposition-notification-to"},
    [31] = {"x-universally-unique-identifier"},
};

int cubby__is_list_field(const void *name, size_t len)
{
    const uint8_t *p = name;
    if (len < 2)
        return 0;
    if (len >= 5 && p[4] == '-' && ascii_equal(p, "list-", 5))
        return 1;
    if (len >= 8 && p[7] == '-' && ascii_equal(p, "content-", 8))
        return 1;
    if (len > LIST_NAME_MAX)
        return 0;
    for (size_t i = 0; i < LIST_PER_LENGTH && list_names[len][i][0]; i++)
        if (ascii_equal(p, list_names[len][i], len))
            return 1;
    return 0;
}

void cubby__header_split(const uint8_t *header, size_t len, struct cubby__buf *list, struct cubby__buf *rest, struct cubby__buf *runs)
{
    struct cubby__field f;
    size_t pos = 0, run = 0;
    int group = 0; /* 0: rest, which comes first */
    while (cubby__field_next(header, len, &pos, &f)) {
        int g = f.name_len && cubby__is_list_field(header + f.start, f.name_len);
        if (g == group)
            continue;
        if (f.start > run)
            cubby__buf_add(group ? list : rest, header + run, f.start - run);
        cubby__buf_varint(runs, f.start - run);
        run = f.start;
        group = g;
    }
    if (run < len) {
        cubby__buf_add(group ? list : rest, header + run, len - run);
        cubby__buf_varint(runs, len - run);
    }
}

int cubby__header_join(const uint8_t *list, size_t list_len, const uint8_t *rest, size_t rest_len, const uint8_t *runs, size_t runs_len,
                       struct cubby__buf *out)
{
    struct cubby__reader in[2] = {cubby__reader(rest, rest_len), cubby__reader(list, list_len)}, r = cubby__reader(runs, runs_len);
    size_t start = out->len;
    uint64_t n = 1;
    for (unsigned i = 0; cubby__read_left(&r); i++) {
        n = cubby__read_varint(&r);
        if (r.bad || (n == 0 && i > 0) || n > cubby__read_left(&in[i & 1]))
            goto corrupt;
        if (n)
            cubby__buf_add(out, cubby__read_bytes(&in[i & 1], (size_t)n), (size_t)n);
    }
    if (out->failed)
        return CUBBY_ENOMEM;
    if (n && !cubby__read_left(&in[0]) && !cubby__read_left(&in[1]))
        return 0;
corrupt:
    out->len = start;
    return CUBBY_ECORRUPT;
}

int cubby__header_find(const uint8_t *header, size_t len, const char *name, const uint8_t **value, size_t *value_len)
{
    size_t want = strlen(name), pos = 0;
    struct cubby__field f;
    while (cubby__field_next(header, len, &pos, &f)) {
        if (f.name_len != want || !want)
            continue;
        size_t i = 0;
        while (i < want && ascii_fold(header[f.start + i]) == ascii_fold((uint8_t)name[i]))
            i++;
        if (i < want)
            continue;
        while (f.value < f.end && ascii_space(header[f.value]))
            f.value++;
        while (f.end > f.value && ascii_space(header[f.end - 1]))
            f.end--;
        *value = header + f.value;
        *value_len = f.end - f.value;
        return 1;
    }
    return 0;
}
