/* The whole logical state as canonical JSON Lines: equal states give equal bytes, whatever the segments and the index look like.
 *
 * Order: store; folders by id; keywords by number; subscriptions; annotations by folder and name; then per folder, by id, its entries by uid
 * and its tombstones by modseq. Nothing here depends on places on disk, on how records are cut into ranges, or on numbers that were given and left. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"
#include "text.h"

enum { KEYWORD_MAX = 1024 };

struct dump {
    cubby_store *store;
    cubby_snapshot *snap;
    uint64_t *folders; /* ids */
    size_t count, cap;
    uint64_t modseq; /* highest in use */
    uint64_t damaged;
};

/* ---- folders ------------------------------------------------------------------------------------------------------------------------ */

static uint64_t highest(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static int collect(void *arg, const char *path, int depth, const cubby_folder *f)
{
    struct dump *d = arg;
    (void)path;
    (void)depth;
    if (d->count == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 64;
        d->folders = cli_realloc(d->folders, d->cap * sizeof *d->folders);
    }
    d->folders[d->count++] = f->id;
    d->modseq = highest(d->modseq, highest(f->highestmodseq, highest(f->props_modseq, f->created_modseq)));
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void print_folder(const cubby_folder *f)
{
    char special[96];
    json_begin(NULL);
    json_uint("folder", f->id);
    json_uint("parent", f->parent);
    json_bytes("name", f->name, f->name_len);
    json_uint("uidvalidity", f->uidvalidity);
    json_uint("uidnext", f->uidnext);
    json_str("special", f->special_use ? cli_special_format(f->special_use, special, sizeof special) : NULL);
    json_uint("highestmodseq", f->highestmodseq);
    json_uint("messages", f->messages);
    json_uint("unseen", f->unseen);
    json_uint("deleted", f->deleted);
    json_uint("bytes", f->bytes);
    json_uint("deleted_bytes", f->deleted_bytes);
    json_uint("props_modseq", f->props_modseq);
    json_uint("created", f->created_modseq);
    json_uint("tombstone_floor", f->tombstone_floor);
    json_uint("recent_uid", f->recent_uid);
    json_end();
}

static int dump_annotations(struct dump *d, uint64_t folder)
{
    struct text after = {0};
    const char *entry;
    const void *value;
    size_t len;
    int r;
    while ((r = cubby_annotation_next(d->snap, folder, after.data, &entry, &value, &len)) == 0) {
        json_begin(NULL);
        json_uint("annotation", folder);
        json_str("entry", entry);
        json_bytes("value", value, len);
        json_end();
        text_clear(&after);
        text_add(&after, entry, strlen(entry));
    }
    text_release(&after);
    return r == CUBBY_DONE ? 0 : r;
}

static int dump_folders(struct dump *d)
{
    int r = cli_walk(d->snap, CUBBY_ROOT, collect, d);
    if (r != 0)
        return r;
    if (d->count)
        qsort(d->folders, d->count, sizeof *d->folders, by_number);
    json_begin(NULL);
    json_str("store", "cubby");
    json_uint("format", CLI_FORMAT_VERSION);
    json_uint("modseq", d->modseq);
    json_end();
    for (size_t i = 0; i < d->count; i++) {
        cubby_folder f;
        r = cubby_folder_get(d->snap, d->folders[i], &f);
        if (r != 0)
            return r < 0 ? r : CUBBY_ECORRUPT;
        print_folder(&f);
    }
    return 0;
}

/* ---- keywords, subscriptions ------------------------------------------------------------------------------------------------------ */

static int dump_keywords(struct dump *d)
{
    for (unsigned id = 1; id <= KEYWORD_MAX; id++) {
        const char *name;
        int r = cubby_keyword_name(d->snap, (uint16_t)id, &name);
        if (r < 0)
            return r;
        if (r == CUBBY_DONE)
            continue;
        json_begin(NULL);
        json_uint("keyword", id);
        json_str("name", name);
        json_end();
    }
    return 0;
}

static void print_subscription(const char *path, size_t len)
{
    struct text t = {0};
    for (const char *s = path, *end = path + len; s < end;) {
        size_t n = strnlen(s, (size_t)(end - s));
        char *name = cli_path_escape(s, n);
        if (s > path)
            text_byte(&t, '/');
        text_add(&t, name, strlen(name));
        free(name);
        s += n + 1;
    }
    json_begin(NULL);
    json_bytes("subscribed", t.data ? t.data : "", t.len);
    json_end();
    text_release(&t);
}

static int dump_subscriptions(struct dump *d)
{
    struct text after = {0};
    const char *path;
    size_t len;
    int r;
    while ((r = cubby_subscription_next(d->snap, after.data ? after.data : "", after.len, &path, &len)) == 0) {
        text_clear(&after);
        text_add(&after, path, len);
        print_subscription(after.data, after.len);
    }
    text_release(&after);
    return r == CUBBY_DONE ? 0 : r;
}

/* ---- entries, tombstones ------------------------------------------------------------------------------------------------------------ */

static int print_entry(struct dump *d, uint64_t folder, const cubby_row *row)
{
    char date[TEXT_DATE];
    const char *const *names;
    size_t n;
    int r = cli_row_flags(d->snap, row->flags, row->keywords, row->keyword_count, &names, &n);
    if (r != 0)
        return r;
    json_begin(NULL);
    json_array("entry");
    json_uint(NULL, folder);
    json_uint(NULL, row->uid);
    json_array_end();
    json_uint("object", row->object);
    if (row->damage)
        json_null("hash");
    else
        json_hex("hash", row->hash, sizeof row->hash);
    json_uint("size", row->size);
    json_str("internaldate", text_date(row->internaldate, row->internaldate_zone, date, sizeof date));
    json_array("flags");
    for (size_t i = 0; i < n; i++)
        json_str(NULL, names[i]);
    json_array_end();
    json_uint("modseq", row->modseq);
    json_uint("created", row->created_modseq);
    json_end();
    return 0;
}

static int dump_entries(struct dump *d, uint64_t folder)
{
    cubby_scan_options options = CUBBY_SCAN_INIT;
    cubby_scan *scan = NULL;
    const cubby_row *row;
    options.want = CUBBY_WANT_OBJECT;
    int r = cubby_scan_open(d->snap, folder, &options, &scan);
    while (r == 0 && (r = cubby_scan_next(scan, &row)) == 0) {
        if (row->damage) {
            d->damaged++;
            cli_error("folder %" PRIu64 ", uid %" PRIu32 ": the hash could not be read: %s", folder, row->uid, cubby_strerror(row->damage));
        }
        r = cli_interrupted ? CUBBY_ECANCEL : print_entry(d, folder, row);
    }
    cubby_scan_close(&scan);
    return r == CUBBY_DONE ? 0 : r;
}

static int print_tombstones(uint64_t folder, uint64_t modseq, const cubby_uidset *uids)
{
    char *text = NULL;
    if (cubby_uidset_count(uids) == 0)
        return 0;
    int r = cubby_uidset_format(uids, &text);
    if (r != 0)
        return r;
    json_begin(NULL);
    json_uint("expunged", folder);
    json_str("uids", text);
    json_uint("modseq", modseq);
    json_end();
    cubby_string_free(&text);
    return 0;
}

/* A line a modseq: the set does not depend on how the ranges are cut. Below the floor tombstones are not state. */
static int dump_tombstones(struct dump *d, uint64_t folder)
{
    cubby_folder f;
    cubby_changes *changes = NULL;
    cubby_uidset *uids = NULL;
    cubby_change c;
    uint64_t modseq = 0;
    int r = cubby_folder_get(d->snap, folder, &f);
    if (r == 0)
        r = cubby_uidset_new(&uids);
    if (r == 0)
        r = cubby_changes_open(d->snap, folder, f.tombstone_floor, &changes);
    while (r == 0 && (r = cubby_changes_next(changes, &c)) == 0) {
        if (c.kind != CUBBY_CHANGE_VANISHED)
            continue;
        if (c.modseq != modseq) {
            r = print_tombstones(folder, modseq, uids);
            cubby_uidset_free(&uids);
            modseq = c.modseq;
            r = r == 0 ? cubby_uidset_new(&uids) : r;
        }
        if (r == 0)
            r = cli_interrupted ? CUBBY_ECANCEL : cubby_uidset_add(uids, c.uid, c.uid_last);
    }
    if (r == CUBBY_DONE)
        r = print_tombstones(folder, modseq, uids);
    cubby_changes_close(&changes);
    cubby_uidset_free(&uids);
    return r;
}

/* ---- the command ---------------------------------------------------------------------------------------------------------------------- */

static int dump_all(struct dump *d)
{
    int r = dump_folders(d);
    if (r == 0)
        r = dump_keywords(d);
    if (r == 0)
        r = dump_subscriptions(d);
    for (size_t i = 0; r == 0 && i < d->count; i++)
        r = dump_annotations(d, d->folders[i]);
    for (size_t i = 0; r == 0 && i < d->count; i++) {
        r = dump_entries(d, d->folders[i]);
        if (r == 0)
            r = dump_tombstones(d, d->folders[i]);
    }
    free(d->folders);
    return r;
}

int cmd_dump(int argc, char **argv)
{
    struct dump d = {0};
    while (cli_option(argc, argv, "", NULL) != -1)
        ;
    char **args = cli_arguments(argc, argv, 1, 1);
    int rc = cli_open_view(args[0], &d.store, &d.snap);
    if (rc != CLI_OK)
        return rc;
    int r = dump_all(&d);
    if (r < 0)
        rc = cli_store_error(d.store, r);
    else if (d.damaged)
        rc = CLI_NEGATIVE;
    return cli_close(&d.store, &d.snap, rc);
}
