/* scenario_dump.c - the whole logical state of a store as text. Made for every disk that a test looks at, so it does without printf. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "crash/scenario.h"

#define NOT_COMPARED " saved " /* what stands behind it, up to the next space, depends on the clock */

static char *room(struct dump *d, size_t n)
{
    if (d->len + n + 1 > d->cap) {
        d->cap = (d->len + n + 1) * 2 + 1024;
        d->text = realloc(d->text, d->cap);
        if (!d->text)
            abort();
    }
    return d->text + d->len;
}

static void put_text(struct dump *d, const char *p, size_t n)
{
    char *to = room(d, n);
    memcpy(to, p, n);
    to[n] = '\0';
    d->len += n;
}

static void put(struct dump *d, const char *label, uint64_t v)
{
    char digits[20];
    size_t n = sizeof digits;
    put_text(d, label, strlen(label));
    do
        digits[--n] = (char)('0' + v % 10);
    while (v /= 10);
    put_text(d, digits + n, sizeof digits - n);
}

static void put_signed(struct dump *d, const char *label, int64_t v)
{
    put_text(d, label, strlen(label));
    put(d, v < 0 ? "-" : "", v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

static void put_hex(struct dump *d, const char *label, const uint8_t *p, size_t n)
{
    static const char hex[] = "0123456789abcdef";
    put_text(d, label, strlen(label));
    char *to = room(d, 2 * n);
    for (size_t i = 0; i < n; i++) {
        *to++ = hex[p[i] >> 4];
        *to++ = hex[p[i] & 15];
    }
    *to = '\0';
    d->len += 2 * n;
}

static void put_keywords(struct dump *d, const uint16_t *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        put(d, " k", k[i]);
}

/* What comes out, hashed here, and whether that is what the row says. */
static int put_bytes(cubby_snapshot *snap, uint64_t folder, const cubby_row *row, struct dump *d)
{
    static const size_t chunk = 64 * 1024;
    cubby_reader *r = NULL;
    int rc = cubby_reader_open(snap, folder, row->uid, &r);
    uint64_t size = rc == 0 ? cubby_reader_size(r) : 0, off = 0;
    uint8_t small[4096], *buf = size <= sizeof small ? small : malloc((size_t)size);
    if (!buf)
        abort();
    while (rc == 0 && off < size) {
        size_t got = 0, want = size - off < chunk ? (size_t)(size - off) : chunk;
        rc = cubby_reader_read(r, off, buf + off, want, &got);
        off += got;
        if (rc == 0 && got == 0)
            break;
    }
    struct cubby__hash128 h = cubby__hash128(buf, (size_t)off);
    if (rc == 0) {
        put(d, " bytes ", off);
        put_hex(d, " hash ", h.b, sizeof h.b);
        put_text(d, memcmp(h.b, row->hash, sizeof h.b) == 0 && off == row->original_size ? " whole\n" : " WRONG BYTES\n",
                 memcmp(h.b, row->hash, sizeof h.b) == 0 && off == row->original_size ? 7 : 13);
    }
    if (buf != small)
        free(buf);
    cubby_reader_close(&r);
    return rc;
}

static int put_row(cubby_snapshot *snap, uint64_t folder, const cubby_row *row, struct dump *d)
{
    put(d, " row ", row->uid);
    put(d, " flags ", row->flags);
    put_keywords(d, row->keywords, row->keyword_count);
    put(d, " modseq ", row->modseq);
    put(d, " created ", row->created_modseq);
    put_signed(d, " date ", row->internaldate);
    put_signed(d, " zone ", row->internaldate_zone);
    put_signed(d, NOT_COMPARED, row->save_date);
    put_signed(d, " sent ", row->sent_date);
    put(d, " size ", row->size);
    put(d, " object ", row->object);
    put(d, " header ", row->header_len);
    put(d, " traits ", row->eol * 256u + row->traits);
    if (row->damage)
        return row->damage;
    return put_bytes(snap, folder, row, d);
}

static int put_rows(cubby_snapshot *snap, uint64_t folder, struct dump *d)
{
    cubby_scan_options o = CUBBY_SCAN_INIT;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    o.want = CUBBY_WANT_OBJECT;
    int rc = cubby_scan_open(snap, folder, &o, &scan);
    while (rc == 0 && (rc = cubby_scan_next(scan, &row)) == 0)
        rc = put_row(snap, folder, row, d);
    cubby_scan_close(&scan);
    return rc == CUBBY_DONE ? 0 : rc;
}

static int put_changes(cubby_snapshot *snap, uint64_t folder, struct dump *d)
{
    cubby_changes *c = NULL;
    cubby_change ch;
    int rc = cubby_changes_open(snap, folder, 0, &c);
    while (rc == 0 && (rc = cubby_changes_next(c, &ch)) == 0) {
        put(d, " change ", (uint64_t)ch.kind);
        put(d, " ", ch.uid);
        put(d, "-", ch.kind == CUBBY_CHANGE_VANISHED ? ch.uid_last : ch.uid);
        put(d, " modseq ", ch.modseq);
        put_text(d, "\n", 1);
    }
    cubby_changes_close(&c);
    return rc == CUBBY_DONE ? 0 : rc;
}

static int put_annotations(cubby_snapshot *snap, uint64_t folder, struct dump *d)
{
    char after[256];
    const char *entry = NULL;
    const void *value;
    size_t len;
    int rc;
    while ((rc = cubby_annotation_next(snap, folder, entry, &entry, &value, &len)) == 0 && strlen(entry) < sizeof after) {
        struct cubby__hash128 h = cubby__hash128(value, len);
        put_text(d, " annotation ", 12);
        put_text(d, entry, strlen(entry));
        put(d, " bytes ", len);
        put_hex(d, " hash ", h.b, sizeof h.b);
        put_text(d, "\n", 1);
        strcpy(after, entry);
        entry = after;
    }
    return rc == CUBBY_DONE ? 0 : rc;
}

static int put_folder(cubby_snapshot *snap, const cubby_folder *f, struct dump *d)
{
    put(d, "folder ", f->id);
    put(d, " parent ", f->parent);
    put_text(d, " name ", 6);
    put_text(d, f->name, f->name_len);
    put(d, " special ", f->special_use);
    put(d, " uidvalidity ", f->uidvalidity);
    put(d, " uidnext ", f->uidnext);
    put(d, " recent ", f->recent_uid);
    put(d, " highest ", f->highestmodseq);
    put(d, " props ", f->props_modseq);
    put(d, " created ", f->created_modseq);
    put(d, " messages ", f->messages);
    put(d, " unseen ", f->unseen);
    put(d, " deleted ", f->deleted);
    put(d, " bytes ", f->bytes);
    put(d, " ", f->deleted_bytes);
    put(d, " floor ", f->tombstone_floor);
    put_text(d, "\n", 1);
    uint64_t id = f->id;
    int rc = put_rows(snap, id, d);
    if (rc == 0)
        rc = put_changes(snap, id, d);
    return rc == 0 ? put_annotations(snap, id, d) : rc;
}

static int put_folders(cubby_snapshot *snap, uint64_t parent, struct dump *d)
{
    char after[256] = "";
    size_t len = 0;
    cubby_folder f;
    int rc;
    while ((rc = cubby_folder_next(snap, parent, after, len, &f)) == 0) {
        uint64_t id = f.id;
        memcpy(after, f.name, len = f.name_len);
        rc = put_folder(snap, &f, d);
        if (rc == 0)
            rc = put_folders(snap, id, d);
        if (rc != 0)
            return rc;
    }
    return rc == CUBBY_DONE ? 0 : rc;
}

static int put_names(cubby_snapshot *snap, struct dump *d)
{
    char after[512];
    const char *name;
    size_t len = 0;
    int rc = 0;
    for (uint16_t i = 1; rc == 0; i++) /* numbers are given in order */
        if ((rc = cubby_keyword_name(snap, i, &name)) == 0) {
            put(d, "keyword ", i);
            put_text(d, " ", 1);
            put_text(d, name, strlen(name));
            put_text(d, "\n", 1);
        }
    if (rc != CUBBY_DONE)
        return rc;
    while ((rc = cubby_subscription_next(snap, after, len, &name, &len)) == 0 && len <= sizeof after) {
        memcpy(after, name, len);
        put_hex(d, "subscribed ", (const uint8_t *)after, len);
        put_text(d, "\n", 1);
    }
    return rc == CUBBY_DONE ? 0 : rc;
}

int dump_snapshot(cubby_snapshot *snap, struct dump *d)
{
    d->len = 0;
    put(d, "modseq ", cubby_snapshot_modseq(snap));
    put_text(d, "\n", 1);
    int rc = put_folders(snap, CUBBY_ROOT, d);
    return rc == 0 ? put_names(snap, d) : rc;
}

int dump_store(cubby_store *s, struct dump *d)
{
    cubby_snapshot *snap;
    int rc = cubby_snapshot_begin(s, &snap);
    if (rc != 0)
        return rc;
    rc = dump_snapshot(snap, d);
    cubby_snapshot_end(&snap);
    return rc;
}

void dump_free(struct dump *d)
{
    free(d->text);
    *d = (struct dump){0};
}

/* Behind the value at p that is not compared. */
static size_t skip(const struct dump *d, size_t at)
{
    while (at < d->len && d->text[at] != ' ' && d->text[at] != '\n')
        at++;
    return at;
}

/* Where they differ: 1 and both places, or 0. */
static int differ(const struct dump *a, const struct dump *b, size_t *at_a, size_t *at_b)
{
    size_t i = 0, k = 0, n = strlen(NOT_COMPARED);
    while (i < a->len && k < b->len) {
        const char *next = memmem(a->text + i, a->len - i, NOT_COMPARED, n);
        size_t run = next ? (size_t)(next - (a->text + i)) + n : a->len - i;
        if (run > b->len - k || memcmp(a->text + i, b->text + k, run) != 0) {
            while (i < a->len && k < b->len && a->text[i] == b->text[k])
                i++, k++;
            break;
        }
        i = next ? skip(a, i + run) : i + run;
        k = next ? skip(b, k + run) : k + run;
    }
    *at_a = i;
    *at_b = k;
    return i < a->len || k < b->len;
}

int dump_same(const struct dump *a, const struct dump *b)
{
    size_t i, k;
    return a->text && b->text && ((a->len == b->len && memcmp(a->text, b->text, a->len) == 0) || !differ(a, b, &i, &k));
}

static size_t line_start(const struct dump *d, size_t at)
{
    while (at > 0 && d->text[at - 1] != '\n')
        at--;
    return at;
}

void dump_difference(const struct dump *expected, const struct dump *found, char *out, size_t size)
{
    size_t i = 0, k = 0;
    if (!expected->text || !found->text) {
        snprintf(out, size, "there is no state to compare with");
        return;
    }
    differ(expected, found, &i, &k);
    i = line_start(expected, i);
    k = line_start(found, k);
    snprintf(out, size, "expected '%.*s', found '%.*s'", (int)strcspn(expected->text + i, "\n"), expected->text + i, (int)strcspn(found->text + k, "\n"),
             found->text + k);
}
