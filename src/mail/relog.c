/* relog.c - compares what the index says with what the segments say, and logs again what the segments have lost.
 *
 * Others may write meanwhile. So each transaction looks at the index as it is then. A commit after `known` may be in the index and not in the segments
 * without being lost: they were read before it was there. Anything else may be logged once too often without harm, for it is as the index says at
 * that moment. */
#include "mail/relog.h"

#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "mail/annotation.h"
#include "mail/folder_row.h"
#include "mail/records.h"
#include "mail/tomb.h"
#include "mail/walk.h"

struct relog {
    struct cubby__store *s;
    struct cubby__view theirs; /* what the segments say */
    struct cubby__txn *txn;    /* in its view: what the index says */
    uint64_t known;            /* last commit that was there before the segments were read */
    struct cubby__buf scratch;
    int entries_only;          /* the index may not know of what is not in it */
    struct cubby__tombs tombs; /* of the segments */
    uint64_t *records;
    cubby_error *err;
};

static int log_scratch(struct relog *r, uint8_t type)
{
    int rc = r->scratch.failed ? cubby__fail_mem(r->err) : cubby__txn_log(r->txn, type, 0, r->scratch.data, r->scratch.len);
    *r->records += !rc;
    cubby__buf_clear(&r->scratch);
    return rc;
}

/* ---- folders ---- */

static int log_folder(struct relog *r, uint64_t id, const struct cubby__folder_row *row)
{
    struct cubby__folder_rec rec = row->rec;
    if (row->dead)
        rec = (struct cubby__folder_rec){.id = id, .deleted = 1};
    else
        rec.created = cubby__folder_created(row);
    cubby__folder_encode(&rec, &r->scratch);
    return log_scratch(r, CUBBY__REC_FOLDER);
}

static int log_mark(struct relog *r, uint64_t id, const struct cubby__folder_row *row)
{
    const struct cubby__mark_rec mark = {id, row->uidnext, row->highestmodseq, row->tombstone_floor, row->recent_uid};
    cubby__mark_encode(&mark, &r->scratch);
    return log_scratch(r, CUBBY__REC_MARK);
}

static int same_folder(const struct cubby__folder_row *a, const struct cubby__folder_row *b)
{
    const struct cubby__folder_rec *x = &a->rec, *y = &b->rec;
    if (a->dead || b->dead)
        return a->dead == b->dead;
    return a->parent == b->parent && a->displaced == b->displaced && x->uidvalidity == y->uidvalidity && x->special_use == y->special_use &&
           x->name_len == y->name_len && memcmp(x->name, y->name, x->name_len) == 0;
}

static int relog_folder(struct relog *r, uint64_t id, const struct cubby__folder_row *row)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row other;
    int rc = cubby__folder_row_get(&r->theirs, id, buf, &other);
    if (rc < 0)
        return rc;
    int known = rc == CUBBY_OK;
    rc = known && same_folder(row, &other) ? CUBBY_OK : log_folder(r, id, row);
    if (!rc && !row->dead && !(known && other.recent_uid >= row->recent_uid && other.tombstone_floor >= row->tombstone_floor && other.uidnext >= row->uidnext &&
                               other.highestmodseq >= row->highestmodseq))
        rc = log_mark(r, id, row);
    return rc;
}

/* ---- keywords, subscriptions, annotations ---- */

static int relog_small(struct relog *r, struct cubby__slice k, struct cubby__slice v)
{
    struct cubby__reader value = cubby__reader(v.p, v.n);
    uint64_t id;
    cubby__read_varint(&value); /* the commit */
    if (k.p[0] == CUBBY__KS_KEYWORD) {
        if (!cubby__keynum_get(k.p + 1, k.n - 1, &id) || value.bad)
            return CUBBY_OK;
        cubby__keyword_encode(&(struct cubby__keyword_rec){(uint16_t)id, (const char *)value.p, cubby__read_left(&value)}, &r->scratch);
        return log_scratch(r, CUBBY__REC_KEYWORD);
    }
    cubby__subscription_encode(&(struct cubby__subscription_rec){1, (const char *)k.p + 1, k.n - 1}, &r->scratch);
    return log_scratch(r, CUBBY__REC_SUBSCRIPTION);
}

struct row {
    uint8_t key[CUBBY__TREE_KEY_MAX + 1], value[CUBBY__TREE_VALUE_MAX];
    size_t key_len, value_len;
};

/* To the row behind this one, copied, for changes follow. DONE: there is none. */
static int next_row(struct cubby__view *view, struct row *at)
{
    struct cubby__cursor c;
    cubby__view_cursor(view, &c);
    at->key[at->key_len] = 0; /* no key lies between one and the same with a zero behind it */
    int rc = cubby__cursor_seek(&c, at->key, at->key_len + 1);
    if (!rc) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        memcpy(at->key, k.p, at->key_len = k.n);
        memcpy(at->value, v.p, at->value_len = v.n);
    }
    cubby__cursor_release(&c);
    return rc;
}

/* Everything from the folders to the subscriptions, row by row. */
static int relog_definitions(struct relog *r)
{
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    struct row at = {.key = {CUBBY__KS_FOLDER}, .key_len = 1};
    struct cubby__folder_row row;
    uint64_t id;
    size_t len;
    int rc;
    while (!(rc = next_row(cubby__txn_view(r->txn), &at)) && at.key[0] <= CUBBY__KS_SUBSCRIPTION) {
        if (at.key[0] == CUBBY__KS_FOLDER && cubby__keynum_get(at.key + 1, at.key_len - 1, &id) && !cubby__folder_row_decode(at.value, at.value_len, &row))
            rc = relog_folder(r, id, &row);
        else if ((at.key[0] == CUBBY__KS_KEYWORD || at.key[0] == CUBBY__KS_SUBSCRIPTION) &&
                 (rc = cubby__view_get(&r->theirs, at.key, at.key_len, value, &len)) == CUBBY_DONE)
            rc = relog_small(r, (struct cubby__slice){at.key, at.key_len}, (struct cubby__slice){at.value, at.value_len});
        if (rc)
            break;
    }
    return rc < 0 ? rc : CUBBY_OK;
}

/* A subscription that was taken back, and the segments do not say so any more. */
static int relog_unsubscribed(struct relog *r)
{
    static const uint8_t first = CUBBY__KS_SUBSCRIPTION;
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    struct cubby__cursor c;
    size_t len;
    cubby__view_cursor(&r->theirs, &c);
    int rc = cubby__cursor_seek(&c, &first, 1);
    for (; !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.p[0] != CUBBY__KS_SUBSCRIPTION)
            break;
        rc = cubby__view_get(cubby__txn_view(r->txn), k.p, k.n, value, &len);
        if (rc == CUBBY_DONE) {
            cubby__subscription_encode(&(struct cubby__subscription_rec){0, (const char *)k.p + 1, k.n - 1}, &r->scratch);
            rc = log_scratch(r, CUBBY__REC_SUBSCRIPTION);
        }
        if (rc)
            break;
    }
    cubby__cursor_release(&c);
    return rc < 0 ? rc : CUBBY_OK;
}

static int log_annotation(struct relog *r, uint64_t folder, const char *entry, int set, const uint8_t *value, size_t len)
{
    const struct cubby__annotation_rec rec = {.folder = folder, .entry = entry, .entry_len = strlen(entry), .set = set, .value = value,
                                              .value_len = set ? len : 0};
    cubby__annotation_encode(&rec, &r->scratch);
    return log_scratch(r, CUBBY__REC_ANNOTATION);
}

/* What a has and b has not, or not so: as it is in the index, which is a or b. */
static int relog_annotations(struct relog *r, uint64_t folder, struct cubby__view *a, struct cubby__view *b)
{
    char after[CUBBY__ANNOTATION_ENTRY_MAX + 1], entry[CUBBY__ANNOTATION_ENTRY_MAX + 1];
    uint8_t buf[CUBBY__TREE_VALUE_MAX], other[CUBBY__TREE_VALUE_MAX];
    const uint8_t *value, *theirs;
    size_t len, their_len;
    int rc, set = b == &r->theirs;
    for (*after = '\0'; !(rc = cubby__annotation_next(a, folder, *after ? after : NULL, entry, buf, &value, &len)); memcpy(after, entry, sizeof after)) {
        rc = cubby__annotation_get(b, folder, entry, other, &theirs, &their_len);
        if (rc == CUBBY_DONE || (!rc && set && (len != their_len || memcmp(value, theirs, len) != 0)))
            rc = log_annotation(r, folder, entry, set, value, len);
        if (rc)
            return rc;
    }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* ---- messages ---- */

static int log_expunge(struct relog *r, uint64_t folder, uint32_t uid)
{
    cubby__expunge_encode(folder, cubby__txn_now(r->txn), uid, &r->scratch);
    return log_scratch(r, CUBBY__REC_EXPUNGE);
}

/* Its object is there, or its entry says nothing. */
static int log_entry(struct relog *r, uint64_t folder, uint32_t uid, const struct cubby__message_row *row)
{
    if (r->entries_only) {
        int rc = cubby__tombs_of(&r->tombs, &r->theirs, folder);
        if (rc && rc != CUBBY_ENOENT)
            return rc;
        if (!rc && cubby__tombs_have(&r->tombs, uid))
            return CUBBY_OK;
    }
    const struct cubby__entry_rec rec = {.folder = folder, .uid = uid, .object = row->object, .internaldate = row->internaldate, .save_date = row->save_date,
                                         .zone = row->zone, .flags = row->flags};
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    int rc = cubby__view_get(&r->theirs, key, cubby__key_object(key, row->object), value, &len);
    if (rc)
        return rc != CUBBY_DONE ? rc : r->entries_only ? CUBBY_OK : log_expunge(r, folder, uid);
    cubby__entry_encode(&rec, &row->keywords, &r->scratch);
    return log_scratch(r, CUBBY__REC_ENTRY);
}

static int log_flags(struct relog *r, uint64_t folder, uint32_t uid, const struct cubby__message_row *row)
{
    cubby__flags_head(folder, &r->scratch);
    cubby__flags_run_put(row->flags, &row->keywords, uid, uid, &r->scratch);
    return log_scratch(r, CUBBY__REC_FLAGS);
}

/* A message of which the segments say nothing. What came behind `known` they cannot know yet. */
static int relog_missing(struct relog *r, uint64_t folder, uint32_t uid, const struct cubby__message_row *row)
{
    return row->created <= r->known ? log_entry(r, folder, uid, row) : CUBBY_OK;
}

/* One that the index has not: it was expunged, if the index knows all. */
static int relog_gone(struct relog *r, uint64_t folder, uint32_t uid)
{
    return r->entries_only ? CUBBY_OK : log_expunge(r, folder, uid);
}

/* One that both have: its flags are as in the index, which is asked later than the segments were read. */
static int relog_changed(struct relog *r, uint64_t folder, uint32_t uid, const struct cubby__message_row *row, struct cubby__slice theirs)
{
    struct cubby__message_row other;
    if (r->entries_only)
        return CUBBY_OK;
    int rc = cubby__walk_row(&r->theirs, theirs, folder, uid, &other);
    if (rc)
        return rc;
    int newer = row->modseq > other.modseq && row->modseq <= r->known;
    return newer || !cubby__same_flags(row, &other) ? log_flags(r, folder, uid, row) : CUBBY_OK;
}

/* Messages of the batch, which are all that the index has from uid `from` to `last`, beside those of the segments. */
static int relog_batch(struct relog *r, uint64_t folder, const struct cubby__batch *b, uint64_t from, uint64_t last)
{
    struct cubby__message_row row;
    struct cubby__walk w;
    size_t i = 0;
    cubby__walk_open(&w, &r->theirs, folder, NULL, (uint32_t)from, (uint32_t)last);
    int more = cubby__walk_next(&w), rc = more < 0 ? more : CUBBY_OK;
    while (!rc && (i < b->count || more == CUBBY_OK)) {
        /* below 0: the index alone has the next uid; above: the segments alone; 0: both */
        int d = i == b->count ? 1 : more ? -1 : (b->uid[i] > w.uid) - (b->uid[i] < w.uid);
        if (d <= 0)
            rc = cubby__batch_row(b, i, cubby__txn_view(r->txn), folder, &row);
        if (!rc)
            rc = d < 0 ? relog_missing(r, folder, b->uid[i], &row) : d > 0 ? relog_gone(r, folder, w.uid) : relog_changed(r, folder, w.uid, &row, w.value);
        i += d <= 0;
        if (d >= 0 && !rc && (more = cubby__walk_next(&w)) < 0)
            rc = more;
    }
    cubby__walk_close(&w);
    return rc;
}

static int end_txn(struct relog *r, int rc)
{
    if (!rc)
        return cubby__txn_commit(&r->txn, NULL);
    cubby__txn_abort(&r->txn);
    return rc;
}

/* Up to a batch of the folder's messages behind *next - 1. */
static int relog_step(struct relog *r, uint64_t folder, struct cubby__batch *b, uint64_t *next)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct cubby__view *view = cubby__txn_view(r->txn);
    uint64_t from = *next;
    *next = CUBBY__UID_MAX + 1ull;
    int rc = cubby__folder_row_get(view, folder, buf, &row);
    if (rc || row.dead) /* deleted meanwhile */
        return rc < 0 ? rc : CUBBY_OK;
    rc = cubby__batch_read(b, view, folder, NULL, CUBBY__UID_MAX);
    if (rc < 0)
        return rc;
    uint64_t last = b->count == CUBBY__BATCH ? b->uid[b->count - 1] : CUBBY__UID_MAX;
    *next = last + 1;
    return relog_batch(r, folder, b, from, last);
}

/* In steps: neither memory nor a transaction grows with the folder. */
static int relog_messages(struct relog *r, uint64_t folder)
{
    struct cubby__batch b = {.next = 0};
    int rc = CUBBY_OK;
    for (uint64_t next = 1; !rc && next <= CUBBY__UID_MAX;) {
        rc = cubby__txn_begin(r->s, 0, &r->txn, r->err);
        if (!rc)
            rc = end_txn(r, relog_step(r, folder, &b, &next));
    }
    cubby__batch_release(&b);
    return rc;
}

static int next_live(struct cubby__view *view, uint64_t *id)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    struct cubby__folder_row row;
    struct cubby__cursor c;
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, key, cubby__key_folder(key, *id + 1));
    for (; !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        if (k.p[0] != CUBBY__KS_FOLDER || !cubby__keynum_get(k.p + 1, k.n - 1, id))
            rc = CUBBY_DONE;
        else if (!cubby__folder_row_decode(v.p, v.n, &row) && !row.dead)
            break;
        if (rc)
            break;
    }
    cubby__cursor_release(&c);
    return rc;
}

/* Both ways; folder 0 has those of the store. */
static int relog_folder_annotations(struct relog *r, uint64_t folder)
{
    int rc = relog_annotations(r, folder, cubby__txn_view(r->txn), &r->theirs);
    return rc ? rc : relog_annotations(r, folder, &r->theirs, cubby__txn_view(r->txn));
}

/* *wanted: its entries may be logged. One that the segments do not know at all is logged first; one that they know to be deleted stays so. */
static int need_folder(struct relog *r, uint64_t id, int *wanted)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_get(&r->theirs, id, buf, &row);
    *wanted = rc == CUBBY_OK && !row.dead;
    if (rc != CUBBY_DONE)
        return rc;
    rc = cubby__folder_row_get(cubby__txn_view(r->txn), id, buf, &row);
    *wanted = !rc && row.commit;
    return *wanted ? log_folder(r, id, &row) : rc < 0 ? rc : CUBBY_OK;
}

/* The folder behind *id. DONE: there is none. */
static int relog_next_folder(struct relog *r, uint64_t *id)
{
    int wanted = 1;
    int rc = cubby__txn_begin(r->s, 0, &r->txn, r->err);
    if (rc)
        return rc;
    rc = next_live(cubby__txn_view(r->txn), id);
    if (!rc)
        rc = r->entries_only ? need_folder(r, *id, &wanted) : relog_folder_annotations(r, *id);
    rc = end_txn(r, rc);
    return rc || !wanted ? rc : relog_messages(r, *id);
}

static int relog_store(struct relog *r)
{
    int rc = cubby__txn_begin(r->s, 0, &r->txn, r->err);
    if (rc)
        return rc;
    rc = relog_definitions(r);
    if (!rc)
        rc = relog_unsubscribed(r);
    if (!rc)
        rc = relog_folder_annotations(r, CUBBY_ROOT);
    return end_txn(r, rc);
}

static int relog(struct relog *r)
{
    uint64_t id = CUBBY_ROOT;
    int rc = r->entries_only ? CUBBY_OK : relog_store(r);
    while (!rc)
        rc = relog_next_folder(r, &id);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

static int run(struct cubby__store *s, struct cubby__store *fresh, uint64_t known, int entries_only, uint64_t *records, cubby_error *err)
{
    struct relog r = {.s = s, .scratch = CUBBY__BUF_INIT, .known = known, .entries_only = entries_only, .records = records, .err = err};
    *records = 0;
    int rc = cubby__view_begin(fresh, &r.theirs, err);
    if (!rc)
        rc = relog(&r);
    if (r.theirs.link)
        cubby__view_end(&r.theirs);
    cubby__tombs_release(&r.tombs);
    cubby__buf_release(&r.scratch);
    return rc;
}

int cubby__relog(struct cubby__store *s, struct cubby__store *fresh, uint64_t known, uint64_t *records, cubby_error *err)
{
    return run(s, fresh, known, 0, records, err);
}

int cubby__relog_entries(struct cubby__store *s, struct cubby__store *fresh, uint64_t known, uint64_t *records, cubby_error *err)
{
    return run(s, fresh, known, 1, records, err);
}
