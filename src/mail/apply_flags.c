/* apply_flags.c - the handlers of FLAGS and EXPUNGE, which name ranges of uids. */
#include <string.h>

#include "mail/apply.h"
#include "mail/changes.h"
#include "mail/folder_row.h"
#include "mail/walk.h"

/* One record at work on one folder. */
struct work {
    struct cubby__txn *txn;
    const struct cubby__record *rec;
    uint64_t id;
    struct cubby__folder_row folder;
    struct cubby__batch batch;
    struct cubby__message_row row; /* the present one */
    uint8_t flags;                 /* of the run */
    struct cubby__keywords keywords;
};

typedef int (*row_fn)(struct work *w, uint32_t uid);

/* Calls fn for each row of the range; w->row is decoded. Rows are read in batches, as no cursor may be open while the tree changes. */
static int each_row(struct work *w, uint32_t first, uint32_t last, row_fn fn)
{
    struct cubby__batch *b = &w->batch;
    int rc;
    b->next = first;
    while (!(rc = cubby__batch_read(b, cubby__txn_view(w->txn), w->id, NULL, last)))
        for (size_t i = 0; i < b->count; i++) {
            rc = cubby__batch_row(b, i, cubby__txn_view(w->txn), w->id, &w->row);
            if (!rc)
                rc = fn(w, b->uid[i]);
            if (rc)
                return rc;
        }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* The folder's row; DONE if there is nothing to do, because it is unknown (reported) or deleted. */
static int start(struct work *w, struct cubby__txn *txn, const struct cubby__record *rec, uint64_t folder, uint8_t *buf)
{
    w->txn = txn;
    w->rec = rec;
    w->id = folder;
    w->batch.bytes = CUBBY__BUF_INIT;
    cubby__raise(&cubby__txn_floors(txn)->folder, folder);
    int rc = cubby__folder_row_get(cubby__txn_view(txn), folder, buf, &w->folder);
    if (rc == CUBBY_DONE)
        cubby__txn_misplaced(txn, rec, "its folder is missing");
    return rc ? rc : w->folder.dead ? CUBBY_DONE : CUBBY_OK;
}

static int finish(struct work *w, int rc)
{
    cubby__batch_release(&w->batch);
    if (rc)
        return rc == CUBBY_DONE ? CUBBY_OK : rc;
    cubby__raise(&w->folder.highestmodseq, w->rec->commit);
    return cubby__folder_row_put(w->txn, w->id, &w->folder);
}

/* ---- FLAGS ---- */

static int flag_row(struct work *w, uint32_t uid)
{
    struct cubby__message_row *row = &w->row;
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    uint64_t before = row->modseq, now = w->rec->commit;
    int rc = CUBBY_OK;
    if (now < before || (now == before && row->flags == w->flags && cubby__same_keywords(&row->keywords, &w->keywords)))
        return CUBBY_OK;
    cubby__folder_count(&w->folder, row->flags, row->size, -1);
    cubby__folder_count(&w->folder, w->flags, row->size, 1);
    row->flags = w->flags;
    row->modseq = now;
    row->keywords.count = w->keywords.count;
    memcpy(row->keywords.id, w->keywords.id, w->keywords.count * sizeof *w->keywords.id);
    if (now != before)
        rc = cubby__apply_del(w->txn, key, cubby__key_change(key, w->id, before, uid));
    if (!rc)
        rc = cubby__txn_put(w->txn, key, cubby__key_message(key, w->id, uid), value, cubby__message_row_encode(row, value));
    if (!rc)
        rc = cubby__txn_put(w->txn, key, cubby__key_change(key, w->id, now, uid), value, cubby__change_message(value, row));
    return rc;
}

static int flag_run(struct work *w, struct cubby__reader *runs, uint64_t ranges)
{
    struct cubby__ranges s = {0};
    int rc = CUBBY_OK;
    if (w->keywords.count)
        cubby__raise(&cubby__txn_floors(w->txn)->keyword, w->keywords.id[w->keywords.count - 1]);
    while (ranges-- && !rc) {
        uint32_t first, last;
        cubby__range_read(&s, runs, &first, &last);
        rc = each_row(w, first, last, flag_row);
    }
    return rc;
}

int cubby__apply_flags(struct cubby__txn *txn, const struct cubby__record *rec)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__reader runs;
    struct work w;
    uint64_t folder, principal, ranges;
    if (cubby__flags_decode(rec->payload, rec->len, &folder, &principal, &runs) || cubby__flags_valid(runs))
        return cubby__apply_broken(txn, rec, "FLAGS");
    if (principal)
        return CUBBY_OK; /* reserved: flags of one user in a shared folder */
    int rc = start(&w, txn, rec, folder, buf);
    if (rc)
        return finish(&w, rc);
    while (!rc && !(rc = cubby__flags_run(&runs, &w.flags, &w.keywords, &ranges)))
        rc = flag_run(&w, &runs, ranges);
    return finish(&w, rc == CUBBY_DONE ? CUBBY_OK : rc);
}

/* ---- EXPUNGE ---- */

static int expunge_row(struct work *w, uint32_t uid)
{
    const struct cubby__message_row *row = &w->row;
    uint8_t key[CUBBY__TREE_KEY_MAX];
    int rc = cubby__apply_del(w->txn, key, cubby__key_change(key, w->id, row->modseq, uid));
    if (rc)
        return rc;
    cubby__folder_count(&w->folder, row->flags, row->size, -1);
    return cubby__entry_forget(w->txn, w->id, uid, row);
}

static int expunge_range(struct work *w, uint32_t first, uint32_t last)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    int rc = each_row(w, first, last, expunge_row);
    cubby__raise(&w->folder.uidnext, last + 1ull);
    if (rc)
        return rc;
    size_t len = cubby__key_change(key, w->id, w->rec->commit, first);
    return cubby__txn_put(w->txn, key, len, value, cubby__change_vanished(value, first, last));
}

static int ranges_valid(struct cubby__reader r)
{
    struct cubby__ranges s = {0};
    uint32_t first, last;
    while (cubby__read_left(&r))
        cubby__range_read(&s, &r, &first, &last);
    return !r.bad;
}

int cubby__apply_expunge(struct cubby__txn *txn, const struct cubby__record *rec)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__ranges s = {0};
    struct cubby__reader r;
    struct work w;
    uint64_t folder;
    int64_t time;
    if (cubby__expunge_decode(rec->payload, rec->len, &folder, &time, &r) || !ranges_valid(r))
        return cubby__apply_broken(txn, rec, "EXPUNGE");
    int rc = start(&w, txn, rec, folder, buf);
    while (!rc && cubby__read_left(&r)) {
        uint32_t first, last;
        cubby__range_read(&s, &r, &first, &last);
        rc = expunge_range(&w, first, last);
    }
    return finish(&w, rc);
}
