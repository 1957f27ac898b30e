/* Flags, special uses and uid sets, as IMAP writes them. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct cli_flag_name cli_flag_names[] = {
    {CUBBY_SEEN, "\\Seen"},       {CUBBY_ANSWERED, "\\Answered"}, {CUBBY_FLAGGED, "\\Flagged"},
    {CUBBY_DELETED, "\\Deleted"}, {CUBBY_DRAFT, "\\Draft"},       {0, NULL},
};

static const struct cli_flag_name special_names[] = {
    {CUBBY_USE_ALL, "\\All"},   {CUBBY_USE_ARCHIVE, "\\Archive"}, {CUBBY_USE_DRAFTS, "\\Drafts"}, {CUBBY_USE_FLAGGED, "\\Flagged"},
    {CUBBY_USE_JUNK, "\\Junk"}, {CUBBY_USE_SENT, "\\Sent"},       {CUBBY_USE_TRASH, "\\Trash"},   {CUBBY_USE_IMPORTANT, "\\Important"},
    {0, NULL},
};

/* ---- flags ------------------------------------------------------------------------------------------------------------------------ */

static int is_atom(const char *s, size_t len)
{
    if (len == 0 || len > 255)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (s[i] <= 0x20 || s[i] >= 0x7f || strchr("(){%*\"\\]", s[i]))
            return 0;
    return 1;
}

int cli_flag_add(struct cli_flags *f, const char *text, size_t len)
{
    if (len && text[0] == '\\') {
        for (const struct cli_flag_name *n = cli_flag_names; n->name; n++) {
            if (strlen(n->name) == len && strncasecmp(n->name, text, len) == 0) {
                f->system |= n->bit;
                return 0;
            }
        }
        return CUBBY_EINVAL;
    }
    if (!is_atom(text, len))
        return CUBBY_EINVAL;
    if (f->keyword_count >= 2 * CLI_KEYWORDS_MAX) /* all the same, or too many */
        cli_flags_sort(f);
    if (f->left_out)
        return CUBBY_ELIMIT;
    f->keywords = cli_realloc(f->keywords, (f->keyword_count + 1) * sizeof *f->keywords);
    char *word = cli_malloc(len + 1);
    memcpy(word, text, len);
    word[len] = 0;
    f->keywords[f->keyword_count++] = word;
    return 0;
}

int cli_flags_add(struct cli_flags *f, const char *list)
{
    static const char separators[] = " \t,()";
    while (*(list += strspn(list, separators))) {
        size_t len = strcspn(list, separators);
        int r = cli_flag_add(f, list, len);
        if (r != 0)
            return r;
        list += len;
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcasecmp(*(char *const *)a, *(char *const *)b);
}

void cli_flags_sort(struct cli_flags *f)
{
    size_t kept = 0;
    if (f->keyword_count)
        qsort(f->keywords, f->keyword_count, sizeof *f->keywords, by_name);
    for (size_t i = 0; i < f->keyword_count; i++) {
        if (kept && strcasecmp(f->keywords[kept - 1], f->keywords[i]) == 0)
            free(f->keywords[i]);
        else
            f->keywords[kept++] = f->keywords[i];
    }
    f->left_out |= kept > CLI_KEYWORDS_MAX;
    while (kept > CLI_KEYWORDS_MAX)
        free(f->keywords[--kept]);
    f->keyword_count = kept;
}

void cli_flags_release(struct cli_flags *f)
{
    for (size_t i = 0; i < f->keyword_count; i++)
        free(f->keywords[i]);
    free(f->keywords);
    *f = (struct cli_flags)CLI_FLAGS_INIT;
}

int cli_row_flags(cubby_snapshot *snap, uint32_t flags, const uint16_t *keywords, size_t keyword_count, const char *const **out, size_t *count)
{
    static const char **names;
    static char (*unknown)[16];
    static size_t cap;
    size_t n = 0, system;
    if (!names || keyword_count + 5 > cap) {
        cap = keyword_count + 64;
        names = cli_realloc(names, cap * sizeof *names);
        unknown = cli_realloc(unknown, cap * sizeof *unknown);
    }
    for (const struct cli_flag_name *f = cli_flag_names; f->name; f++)
        if (flags & f->bit)
            names[n++] = f->name;
    system = n;
    for (size_t i = 0; i < keyword_count; i++) {
        int r = cubby_keyword_name(snap, keywords[i], &names[n]);
        if (r < 0)
            return r;
        if (r == CUBBY_DONE) {
            snprintf(unknown[i], sizeof unknown[i], "unknown-%u", keywords[i]);
            names[n] = unknown[i];
        }
        n++;
    }
    if (n - system > 1)
        qsort(names + system, n - system, sizeof *names, by_name);
    *out = names;
    *count = n;
    return 0;
}

/* ---- special uses ------------------------------------------------------------------------------------------------------------------ */

const char *cli_special_format(uint32_t special_use, char *buf, size_t n)
{
    size_t len = 0;
    buf[0] = 0;
    for (const struct cli_flag_name *f = special_names; f->name && len < n; f++)
        if (special_use & f->bit)
            len += (size_t)snprintf(buf + len, n - len, "%s%s", len ? " " : "", f->name);
    return buf;
}

int cli_special_parse(const char *text, uint32_t *out)
{
    if (*text == '\\')
        text++;
    for (const struct cli_flag_name *f = special_names; f->name; f++) {
        if (strcasecmp(f->name + 1, text) == 0) {
            *out = f->bit;
            return 0;
        }
    }
    return CUBBY_EINVAL;
}

/* ---- uid sets ---------------------------------------------------------------------------------------------------------------------- */

/* The uid that a scan with these options meets first; *uid stays 0 if there is none. */
static int first_uid(cubby_snapshot *snap, uint64_t folder, const cubby_scan_options *options, uint32_t *uid)
{
    cubby_scan *scan = NULL;
    const cubby_row *row;
    int r = cubby_scan_open(snap, folder, options, &scan);
    if (r == 0)
        r = cubby_scan_next(scan, &row);
    if (r == 0)
        *uid = row->uid;
    cubby_scan_close(&scan);
    return r < 0 ? r : 0;
}

int cli_uids(cubby_store *store, cubby_snapshot *snap, uint64_t folder, const char *text, cubby_uidset **out)
{
    cubby_scan_options options = CUBBY_SCAN_INIT;
    uint32_t max = 0;
    options.reverse = 1;
    options.limit = 1;
    int r = strchr(text, '*') ? first_uid(snap, folder, &options, &max) : 0;
    if (r < 0)
        return cli_store_error(store, r);
    r = cubby_uidset_parse(text, max ? max : 1, out); /* in an empty folder any uid will do for '*' */
    if (r == 0)
        return CLI_OK;
    if (r != CUBBY_EINVAL)
        return cli_store_error(store, r);
    cli_error("'%s' is not a uid set (such as 7, 1:5 or 1:5,9,12:*)", text);
    return CLI_USAGE;
}

int cli_uids_any(cubby_snapshot *snap, uint64_t folder, const cubby_uidset *uids)
{
    cubby_scan_options options = CUBBY_SCAN_INIT;
    uint32_t uid = 0;
    options.uids = uids;
    options.limit = 1;
    int r = first_uid(snap, folder, &options, &uid);
    return r < 0 ? r : uid != 0;
}
