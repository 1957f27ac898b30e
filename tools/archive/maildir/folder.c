#include "archive/maildir/folder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xxhash.h>

#include "archive/mutf7.h"
#include "archive/sidefile.h"
#include "archive/source.h"
#include "cli.h"
#include "text.h"

#define NAME_MAX_BYTES 255

/* "/.A.B" of names of which up to `most` bytes are taken, whole characters; letters that the first `escaped` bytes of the last one hold are
 * encoded like those that are not ASCII. The length of the name. */
static size_t directory_of(const char *folder, size_t most, size_t escaped, const char *never, struct text *t)
{
    char name[256], also[32 + sizeof name];
    size_t len;
    text_clear(t);
    text_byte(t, '/');
    while (cli_path_next(&folder, name, &len) == 0) {
        size_t n = len < most ? len : most;
        while (n < len && n > 1 && ((unsigned char)name[n] & 0xc0) == 0x80)
            n--;
        snprintf(also, sizeof also, "./%s%.*s", never, *folder ? 0 : (int)(escaped < len ? escaped : len), name);
        text_byte(t, '.');
        mutf7_encode(name, n, also, t);
    }
    return t->len - 1;
}

char *maildir_directory(const char *folder)
{
    return maildir_directory_as(folder, 0, 0);
}

char *maildir_directory_as(const char *folder, size_t escaped, int windows)
{
    const char *never = windows ? "<>:\"\\|?* " : "";
    struct text t = {0};
    char mark[16];
    if (strcasecmp(folder, "INBOX") == 0)
        return cli_strdup("");
    if (directory_of(folder, NAME_MAX_BYTES, escaped, never, &t) <= NAME_MAX_BYTES)
        return t.data;
    int n = snprintf(mark, sizeof mark, "~%08x", (unsigned)XXH3_64bits(folder, strlen(folder)));
    for (size_t most = NAME_MAX_BYTES; most > 3; most--) /* 4 bytes are any character */
        if (directory_of(folder, most, escaped, never, &t) + (size_t)n <= NAME_MAX_BYTES) {
            text_add(&t, mark, (size_t)n);
            return t.data;
        }
    text_release(&t);
    return NULL;
}

/* ---- keywords ------------------------------------------------------------------------------------------------------------------------ */

static int take_keyword(void *arg, char *line)
{
    struct maildir_keywords *k = arg;
    char *name;
    unsigned long n = strtoul(line, &name, 10);
    name[strcspn(name, "\r")] = 0;
    if (name > line && *name == ' ' && n < 26 && !k->name[n] && strlen(name) <= NAME_MAX_BYTES)
        k->name[n] = cli_strdup(name + 1);
    return 0;
}

int maildir_keywords_read(const char *folder, struct maildir_keywords *out)
{
    char *path = cli_printf("%s/dovecot-keywords", folder);
    *out = (struct maildir_keywords){{NULL}};
    int e = sidefile_read(path, take_keyword, out);
    free(path);
    return e;
}

void maildir_keywords_release(struct maildir_keywords *k)
{
    for (size_t i = 0; i < 26; i++)
        free(k->name[i]);
    *k = (struct maildir_keywords){{NULL}};
}

/* 0 to 25, -1: there are too many. */
static int keyword_letter(struct maildir_folder *d, const char *keyword)
{
    int i = 0;
    while (i < 26 && d->keywords.name[i] && strcasecmp(d->keywords.name[i], keyword) != 0)
        i++;
    if (i == 26)
        return -1;
    if (!d->keywords.name[i]) {
        d->keywords.name[i] = cli_strdup(keyword);
        d->keywords_changed = 1;
    }
    return i;
}

/* Letters in alphabetical order, as the format wants them. */
int maildir_letters(struct maildir_folder *d, const struct writer_message *m, char *buf)
{
    static const struct {
        char letter;
        uint32_t flag;
    } known[] = {{'D', CUBBY_DRAFT}, {'F', CUBBY_FLAGGED}, {'P', 0}, {'R', CUBBY_ANSWERED}, {'S', CUBBY_SEEN}, {'T', CUBBY_DELETED}};
    int used[26] = {0}, forwarded = 0, lost = 0;
    for (size_t i = 0; i < m->keyword_count; i++) {
        int is = strcasecmp(m->keywords[i], "$Forwarded") == 0, letter = is ? -1 : keyword_letter(d, m->keywords[i]);
        forwarded |= is;
        lost |= !is && letter < 0;
        if (letter >= 0)
            used[letter] = 1;
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].flag ? (m->flags & known[i].flag) != 0 : forwarded)
            *buf++ = known[i].letter;
    for (int i = 0; i < 26; i++)
        if (used[i])
            *buf++ = (char)('a' + i);
    *buf = 0;
    return lost;
}

static int write_keywords(struct maildir_folder *d)
{
    struct outfile f = OUTFILE_INIT;
    char *path = cli_printf("%s/dovecot-keywords", d->path);
    int rc = outfile_open(&f, path), wrote = 0;
    for (int i = 0; rc == CLI_OK && i < 26; i++) {
        char number[16];
        if (!d->keywords.name[i])
            continue;
        snprintf(number, sizeof number, "%d ", i);
        wrote |= outfile_write(&f, number, strlen(number)) || outfile_write(&f, d->keywords.name[i], strlen(d->keywords.name[i])) ||
                 outfile_write(&f, "\n", 1);
    }
    if (rc == CLI_OK)
        rc = wrote ? cli_system_error(path) : outfile_commit(&f, 1);
    outfile_release(&f);
    free(path);
    return rc;
}

/* ---- the list of uids ------------------------------------------------------------------------------------------------------------------ */

static int by_uid(const void *a, const void *b)
{
    uint32_t x = ((const struct uidlist_entry *)a)->uid, y = ((const struct uidlist_entry *)b)->uid;
    return x < y ? -1 : x > y;
}

static int list_line(struct maildir_folder *d, uint32_t uid, const char *base)
{
    char line[MAILDIR_NAME + 300];
    int n = snprintf(line, sizeof line, "%" PRIu32 " :%s\n", uid, base);
    return n > 0 && (size_t)n < sizeof line && outfile_write(&d->list, line, (size_t)n) == 0 ? CLI_OK : cli_system_error(d->list.path);
}

/* A file that is to be written anew must be known, or what it says would be lost. CLI_OK or an exit code, printed. */
static int must_know(const char *folder, const char *name, int e)
{
    if (e && e != EINTR)
        cli_error("%s/%s: %s", folder, name, source_strerror(e));
    return e == 0 ? CLI_OK : e == EINTR ? CLI_INTERRUPTED : CLI_FAIL;
}

static int begin_list(struct maildir_folder *d, const struct writer_folder *f)
{
    char *path = cli_printf("%s/dovecot-uidlist", d->path), header[120];
    int rc = must_know(d->path, "dovecot-uidlist", uidlist_read(path, &d->old));
    d->keeps_list = d->old.uidvalidity && d->old.uidvalidity != f->uidvalidity;
    if (d->old.count)
        qsort(d->old.entries, d->old.count, sizeof *d->old.entries, by_uid);
    uint64_t next = d->old.uidnext > f->uidnext ? d->old.uidnext : f->uidnext;
    int n = snprintf(header, sizeof header, "3 V%" PRIu32 " N%" PRIu64 "\n", f->uidvalidity, next);
    if (rc == CLI_OK && !d->keeps_list)
        rc = outfile_open(&d->list, path);
    if (rc == CLI_OK && !d->keeps_list && outfile_write(&d->list, header, (size_t)n) != 0)
        rc = cli_system_error(path);
    free(path);
    return rc;
}

/* Entries that were there, up to and including `uid`, which stands for a newer file of the same uid. */
static int old_entries(struct maildir_folder *d, uint64_t uid)
{
    int rc = CLI_OK;
    for (; rc == CLI_OK && d->old_at < d->old.count && d->old.entries[d->old_at].uid <= uid; d->old_at++)
        if (d->old.entries[d->old_at].uid < uid)
            rc = list_line(d, d->old.entries[d->old_at].uid, d->old.entries[d->old_at].base);
    return rc;
}

int maildir_folder_add(struct maildir_folder *d, uint32_t uid, const char *base)
{
    if (d->keeps_list)
        return CLI_OK;
    int rc = old_entries(d, uid);
    return rc == CLI_OK ? list_line(d, uid, base) : rc;
}

/* ---- the folder ------------------------------------------------------------------------------------------------------------------------ */

int maildir_folder_begin(struct maildir_folder *d, char *path, int top, const struct writer_folder *f)
{
    static const char *const subs[] = {"/cur", "/new", "/tmp"};
    int rc = top ? CLI_OK : outfile_make_directory(path);
    *d = (struct maildir_folder){.path = path, .list = OUTFILE_INIT};
    for (size_t i = 0; rc == CLI_OK && i < sizeof subs / sizeof *subs; i++) {
        char *sub = cli_printf("%s%s", path, subs[i]);
        rc = outfile_make_directory(sub);
        free(sub);
    }
    if (rc == CLI_OK)
        rc = must_know(path, "dovecot-keywords", maildir_keywords_read(path, &d->keywords));
    return rc == CLI_OK ? begin_list(d, f) : rc;
}

int maildir_folder_end(struct maildir_folder *d)
{
    int rc = d->keywords_changed ? write_keywords(d) : CLI_OK;
    if (rc == CLI_OK && !d->keeps_list)
        rc = old_entries(d, UINT64_MAX);
    if (rc == CLI_OK && !d->keeps_list)
        rc = outfile_commit(&d->list, 1);
    return rc;
}

void maildir_folder_release(struct maildir_folder *d)
{
    outfile_release(&d->list);
    uidlist_release(&d->old);
    maildir_keywords_release(&d->keywords);
    free(d->path);
    d->path = NULL;
}
