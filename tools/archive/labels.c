#include "archive/labels.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "archive/field.h"
#include "archive/mutf7.h"
#include "archive/names.h"
#include "text.h"

const char *const labels_modes[] = {"ignore", "folders", "keywords", NULL};

/* Labels of Google's own that are state rather than places. */
static const struct system_label {
    const char *name;
    uint32_t flag;       /* set */
    const char *keyword; /* set; NULL: none */
    const char *folder;  /* NULL: none */
} system_labels[] = {
    {"Inbox", 0, NULL, "INBOX"},         {"Unread", 0, NULL, NULL},     {"Opened", 0, NULL, NULL},
    {"Starred", CUBBY_FLAGGED, NULL, NULL}, {"Important", 0, "$Important", NULL}, {"Draft", CUBBY_DRAFT, NULL, "Drafts"},
    {"Drafts", CUBBY_DRAFT, NULL, "Drafts"}, {"Spam", 0, "$Junk", "Spam"},  {"Archived", 0, NULL, NULL},
};

static const struct system_label *system_label(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof system_labels / sizeof *system_labels; i++)
        if (strlen(system_labels[i].name) == len && strncasecmp(system_labels[i].name, name, len) == 0)
            return &system_labels[i];
    return NULL;
}

static void add_folder(struct labels *out, char *path)
{
    for (size_t i = 0; i < out->count; i++)
        if (strcmp(out->folders[i], path) == 0) {
            free(path);
            return;
        }
    out->folders = cli_realloc(out->folders, (out->count + 1) * sizeof *out->folders);
    out->folders[out->count++] = path;
}

/* "A/B" is B in A. */
static char *folder_path(const char *p, size_t n)
{
    struct text path = {0}, clean = {0};
    for (size_t at = 0, len; at < n; at += len + 1) {
        const char *slash = memchr(p + at, '/', n - at);
        len = slash ? (size_t)(slash - p) - at : n - at;
        if (len == 0)
            continue;
        text_clear(&clean);
        names_clean(p + at, len, &clean);
        char *escaped = cli_path_escape(clean.data, clean.len);
        if (path.len)
            text_byte(&path, '/');
        text_add(&path, escaped, strlen(escaped));
        free(escaped);
    }
    if (!path.len)
        text_byte(&path, '_');
    text_release(&clean);
    return path.data;
}

/* A keyword is an atom: the label in modified UTF-7, with '_' for what an atom may not hold. */
static void add_keyword(struct cli_flags *flags, const char *p, size_t n)
{
    struct text t = {0};
    mutf7_encode(p, n, "", &t);
    for (size_t i = 0; i < t.len; i++)
        if (t.data[i] <= ' ' || strchr("(){%*\"\\]", t.data[i]))
            t.data[i] = '_';
    cli_flag_add(flags, t.data ? t.data : "", t.len); /* one that is too long is dropped */
    text_release(&t);
}

static void one_label(const char *p, size_t n, int mode, struct cli_flags *flags, struct labels *out, int *unread)
{
    const struct system_label *s = system_label(p, n);
    *unread |= n == 6 && strncasecmp(p, "Unread", 6) == 0;
    if (s) {
        flags->system |= s->flag;
        if (s->keyword)
            cli_flag_add(flags, s->keyword, strlen(s->keyword));
        if (s->folder && mode == LABELS_FOLDERS)
            add_folder(out, cli_strdup(s->folder));
    } else if (mode == LABELS_KEYWORDS || (n > 9 && strncasecmp(p, "Category ", 9) == 0)) {
        add_keyword(flags, p, n);
    } else {
        add_folder(out, folder_path(p, n));
    }
}

/* The next label of a list with commas; one in quotes may hold them. 0 at the end. */
static int next_label(const char **p, const char *end, struct text *label)
{
    text_clear(label);
    while (*p < end && (**p == ',' || **p == ' ' || **p == '\t'))
        ++*p;
    if (*p == end)
        return 0;
    int quoted = **p == '"';
    for (*p += quoted; *p < end && **p != (quoted ? '"' : ','); ++*p) {
        if (quoted && **p == '\\' && *p + 1 < end)
            ++*p;
        text_byte(label, **p);
    }
    if (quoted && *p < end)
        ++*p;
    while (!quoted && label->len && label->data[label->len - 1] == ' ')
        label->data[--label->len] = 0;
    return 1;
}

void labels_of_header(const char *header, size_t len, int mode, struct cli_flags *flags, struct labels *out)
{
    struct field f;
    struct text all = {0}, label = {0};
    int unread = 0;
    if (mode == LABELS_IGNORE || !field_find(header, len, "X-Gmail-Labels", &f))
        return;
    text_decode(&all, f.value, f.value_len);
    const char *p = all.data ? all.data : "", *end = p + all.len;
    while (next_label(&p, end, &label))
        if (label.len)
            one_label(label.data, label.len, mode, flags, out, &unread);
    flags->system |= unread ? 0 : CUBBY_SEEN;
    cli_flags_sort(flags);
    text_release(&all);
    text_release(&label);
}

void labels_release(struct labels *l)
{
    for (size_t i = 0; i < l->count; i++)
        free(l->folders[i]);
    free(l->folders);
    *l = (struct labels){NULL, 0};
}
