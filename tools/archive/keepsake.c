#include "archive/keepsake.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "archive/names.h"
#include "archive/outfile.h"
#include "archive/sidefile.h"
#include "archive/source.h"
#include "cli.h"

#define FIRST_LINE "cubby-folders 1"
#define KEPT_MAX   (32u << 20) /* bytes in memory, of all files read */

/* ---- writing ------------------------------------------------------------------------------------------------------------------------- */

static void add(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

/* Bytes of any kind: %XX for '%', control characters and what is not ASCII. */
static void add_bytes(struct text *t, const void *p, size_t n)
{
    char hex[4];
    for (const unsigned char *c = p, *end = c + n; c < end; c++) {
        snprintf(hex, sizeof hex, "%%%02X", *c);
        if (*c >= ' ' && *c < 0x7f && *c != '%')
            text_byte(t, (char)*c);
        else
            add(t, hex);
    }
}

/* A folder path as cubby_subscription_next gives paths. */
static void subscription_key(const char *path, struct text *out)
{
    char name[256];
    size_t len;
    while (cli_path_next(&path, name, &len) == 0) {
        text_add(out, name, len);
        text_byte(out, 0);
    }
}

static int is_subscribed(cubby_snapshot *snap, const char *path)
{
    struct text key = {0};
    const char *found, *all = NULL;
    size_t len, all_len = 0;
    int yes = 0;
    subscription_key(path, &key);
    while (!yes && cubby_subscription_next(snap, all, all_len, &found, &len) == 0) {
        yes = len == key.len && memcmp(found, key.data, len) == 0;
        all = found;
        all_len = len;
    }
    text_release(&key);
    return yes;
}

static int add_annotations(cubby_snapshot *snap, uint64_t folder, struct text *line)
{
    struct text after = {0};
    const char *entry;
    const void *value;
    size_t len;
    int rc;
    while ((rc = cubby_annotation_next(snap, folder, after.data, &entry, &value, &len)) == 0) {
        add(line, "\t");
        add_bytes(line, entry, strlen(entry));
        add(line, "=");
        add_bytes(line, value, len);
        text_clear(&after);
        add(&after, entry);
    }
    text_release(&after);
    return rc == CUBBY_DONE ? 0 : rc;
}

static int folder_line(cubby_snapshot *snap, const struct writer_folder *f, struct text *line)
{
    char buf[96];
    text_clear(line);
    add_bytes(line, f->path, strlen(f->path));
    snprintf(buf, sizeof buf, "\tuidvalidity=%" PRIu32, f->uidvalidity);
    add(line, buf);
    if (f->special_use) {
        add(line, "\tspecial=");
        add(line, cli_special_format(f->special_use, buf, sizeof buf));
    }
    if (is_subscribed(snap, f->path))
        add(line, "\tsubscribed");
    int rc = add_annotations(snap, f->id, line);
    add(line, "\n");
    return rc;
}

static int written_now(const struct writer_folder *folders, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(folders[i].path, path) == 0)
            return 1;
    return 0;
}

/* Lines of folders that an export before this one wrote. */
static int keep_others(struct outfile *f, const struct keepsakes *old, const struct writer_folder *folders, size_t count)
{
    struct text line = {0};
    int failed = 0;
    for (size_t i = 0; i < old->count && !failed; i++) {
        if (written_now(folders, count, old->list[i].path))
            continue;
        text_clear(&line);
        add_bytes(&line, old->list[i].path, strlen(old->list[i].path));
        add(&line, old->list[i].line);
        add(&line, "\n");
        failed = outfile_write(f, line.data, line.len) != 0;
    }
    text_release(&line);
    return failed;
}

/* The file that is there is replaced: what it says must be known. */
static int read_old(struct keepsakes *old, const char *dest, const char *path)
{
    int e = keepsakes_read(old, dest, "");
    if (e == EINTR)
        return CLI_INTERRUPTED;
    if (e)
        cli_error("%s: %s", path, source_strerror(e));
    return e ? CLI_FAIL : CLI_OK;
}

int keepsake_write(cubby_store *store, const char *dest, const struct writer_folder *folders, size_t count)
{
    struct outfile f = OUTFILE_INIT;
    struct keepsakes old = {NULL, 0, 0};
    struct text line = {0};
    cubby_snapshot *snap = NULL;
    char *path = cli_printf("%s/" KEEPSAKE_NAME, dest);
    int rc = read_old(&old, dest, path), code = 0, failed = 0;
    if (rc == CLI_OK)
        rc = cli_snapshot(store, &snap);
    if (rc == CLI_OK)
        rc = outfile_open(&f, path);
    if (rc == CLI_OK)
        failed = outfile_write(&f, FIRST_LINE "\n", sizeof FIRST_LINE) != 0 || keep_others(&f, &old, folders, count);
    for (size_t i = 0; rc == CLI_OK && i < count && !failed && code == 0; i++) {
        code = folder_line(snap, &folders[i], &line);
        failed = code == 0 && outfile_write(&f, line.data, line.len) != 0;
    }
    if (rc == CLI_OK)
        rc = code < 0 ? cli_store_error(store, code) : failed ? cli_system_error(path) : outfile_commit(&f, 1);
    cubby_snapshot_end(&snap);
    outfile_release(&f);
    keepsakes_release(&old);
    text_release(&line);
    free(path);
    return rc;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------------------- */

struct reading {
    struct keepsakes *k;
    const char *top;
    int good; /* the first line is ours */
    int code;
};

/* "PATH\t..." */
static int take_line(void *arg, char *line)
{
    struct reading *r = arg;
    struct keepsakes *k = r->k;
    const char *tab = strchrnul(line, '\t');
    struct text path = {0};
    if (!r->good)
        return !(r->good = strcmp(line, FIRST_LINE) == 0);
    names_unescape(line, (size_t)(tab - line), &path);
    if (path.len) {
        if ((k->count & (k->count - 1)) == 0)
            k->list = cli_realloc(k->list, (k->count ? k->count * 2 : 1) * sizeof *k->list);
        k->list[k->count++] = (struct keepsake){cli_printf("%s%s%s", r->top, *r->top ? "/" : "", path.data), cli_strdup(tab)};
        k->bytes += 64 + strlen(r->top) + path.len + strlen(tab);
    }
    text_release(&path);
    r->code = k->bytes > KEPT_MAX ? EFBIG : 0;
    return r->code;
}

int keepsakes_read(struct keepsakes *k, const char *dir, const char *top)
{
    struct reading r = {k, top, 0, 0};
    char *path = cli_printf("%s/" KEEPSAKE_NAME, dir);
    int e = sidefile_read(path, take_line, &r);
    free(path);
    return e ? e : r.code;
}

void keepsakes_release(struct keepsakes *k)
{
    for (size_t i = 0; i < k->count; i++) {
        free(k->list[i].path);
        free(k->list[i].line);
    }
    free(k->list);
    *k = (struct keepsakes){NULL, 0, 0};
}

static const struct keepsake *find(const struct keepsakes *k, const char *path)
{
    for (size_t i = 0; i < k->count; i++)
        if (strcmp(k->list[i].path, path) == 0)
            return &k->list[i];
    return NULL;
}

/* The value of a word NAME=VALUE; 0: it is another one. */
static int value_of(const char *word, size_t len, const char *name, const char **value)
{
    size_t n = strlen(name);
    *value = word + n;
    return len >= n && memcmp(word, name, n) == 0;
}

uint32_t keepsakes_uidvalidity(const struct keepsakes *k, const char *path)
{
    const struct keepsake *kept = find(k, path);
    const char *at = kept ? strstr(kept->line, "\tuidvalidity=") : NULL;
    unsigned long long v = at ? strtoull(at + 13, NULL, 10) : 0;
    return v <= UINT32_MAX ? (uint32_t)v : 0;
}

static int restore_special(cubby_txn *txn, uint64_t id, const char *p, size_t len)
{
    uint32_t all = 0, one;
    char name[24];
    for (size_t i = 0, n; i < len; i += n + 1) {
        for (n = 0; i + n < len && p[i + n] != ' '; n++)
            ;
        if (n >= sizeof name)
            continue;
        memcpy(name, p + i, n);
        name[n] = 0;
        all |= cli_special_parse(name, &one) == 0 ? one : 0;
    }
    return all ? cubby_folder_set_special(txn, id, all) : 0;
}

/* What this version cannot take, of a file that somebody may have edited, is left out. */
static int restore_annotation(cubby_txn *txn, uint64_t id, const char *word, size_t len)
{
    const char *equals = memchr(word, '=', len);
    struct text name = {0}, value = {0};
    int rc = 0;
    if (equals && *word == '/') {
        names_unescape(word, (size_t)(equals - word), &name);
        names_unescape(equals + 1, (size_t)(word + len - equals) - 1, &value);
        rc = cubby_annotation_set(txn, id, name.data, value.data ? value.data : "", value.len);
    }
    text_release(&name);
    text_release(&value);
    return rc == CUBBY_EINVAL || rc == CUBBY_ELIMIT ? 0 : rc;
}

static int restore_word(cubby_txn *txn, const char *path, uint64_t id, const char *word, size_t len)
{
    struct text key = {0};
    const char *value;
    int rc = 0;
    if (value_of(word, len, "special=", &value))
        return restore_special(txn, id, value, len - 8);
    if (len != 10 || memcmp(word, "subscribed", 10) != 0)
        return restore_annotation(txn, id, word, len);
    subscription_key(path, &key);
    rc = cubby_subscribe(txn, key.data ? key.data : "", key.len, 1);
    text_release(&key);
    return rc == CUBBY_EINVAL || rc == CUBBY_ELIMIT ? 0 : rc;
}

int keepsakes_restore(const struct keepsakes *k, cubby_txn *txn, const char *path, uint64_t id)
{
    const struct keepsake *kept = find(k, path);
    int rc = 0;
    for (const char *p = kept ? kept->line : ""; rc == 0 && *p == '\t';) {
        const char *end = strchrnul(p + 1, '\t');
        rc = restore_word(txn, path, id, p + 1, (size_t)(end - p) - 1);
        p = end;
    }
    return rc;
}
