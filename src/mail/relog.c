#include "mail/relog.h"

#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "mail/annotation.h"
#include "mail/folder_row.h"
#include "mail/records.h"
#include "mail/walk.h"

struct relog {
    struct cubby__store *s;
    struct cubby__view mine, theirs; /* the index; the segments */
    struct cubby__txn *txn;
    struct cubby__buf scratch;
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

/* Everything from the folders to the subscriptions, row by row. The rows are of `mine`, which does not change. */
static int relog_definitions(struct relog *r)
{
    static const uint8_t first = CUBBY__KS_FOLDER;
    uint8_t value[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct cubby__cursor c;
    uint64_t id;
    size_t len;
    cubby__view_cursor(&r->mine, &c);
    int rc = cubby__cursor_seek(&c, &first, 1);
    for (; !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        if (k.p[0] > CUBBY__KS_SUBSCRIPTION)
            break;
        if (k.p[0] == CUBBY__KS_FOLDER && cubby__keynum_get(k.p + 1, k.n - 1, &id) && !cubby__folder_row_decode(v.p, v.n, &row))
            rc = relog_folder(r, id, &row);
        else if ((k.p[0] == CUBBY__KS_KEYWORD || k.p[0] == CUBBY__KS_SUBSCRIPTION) && (rc = cubby__view_get(&r->theirs, k.p, k.n, value, &len)) == CUBBY_DONE)
            rc = relog_small(r, k, v);
        if (rc)
            break;
    }
    cubby__cursor_release(&c);
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
        rc = cubby__view_get(&r->mine, k.p, k.n, value, &len);
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

/* What a has and b has not, or not so: as it is in `mine`, which is a or b. */
static int relog_annotations(struct relog *r, uint64_t folder, struct cubby__view *a, struct cubby__view *b)
{
    char after[CUBBY__ANNOTATION_ENTRY_MAX + 1], entry[CUBBY__ANNOTATION_ENTRY_MAX + 1];
    uint8_t buf[CUBBY__TREE_VALUE_MAX], other[CUBBY__TREE_VALUE_MAX];
    const uint8_t *value, *theirs;
    size_t len, their_len;
    int rc;
    for (*after = '\0'; !(rc = cubby__annotation_next(a, folder, *after ? after : NULL, entry, buf, &value, &len)); memcpy(after, entry, sizeof after)) {
        rc = cubby__annotation_get(b, folder, entry, other, &theirs, &their_len);
        if (rc == CUBBY_DONE || (!rc && a == &r->mine && (len != their_len || memcmp(value, theirs, len) != 0)))
            rc = log_annotation(r, folder, entry, a == &r->mine, value, len);
        if (rc)
            return rc;
    }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* ---- messages ---- */

static int log_expunge(struct relog *r, uint64_t folder, uint32_t uid)
{
    struct cubby__ranges s = {0};
    uint8_t bytes[2 * CUBBY__VARINT_MAX];
    cubby__expunge_head(folder, cubby__txn_now(r->txn), &r->scratch);
    cubby__buf_add(&r->scratch, bytes, cubby__range_put(&s, uid, uid, bytes));
    return log_scratch(r, CUBBY__REC_EXPUNGE);
}

/* Its object is there, or its entry says nothing. */
static int log_entry(struct relog *r, uint64_t folder, uint32_t uid, const struct cubby__message_row *row)
{
    const struct cubby__entry_rec rec = {.folder = folder, .uid = uid, .object = row->object, .internaldate = row->internaldate, .save_date = row->save_date,
                                         .zone = row->zone, .flags = row->flags};
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    int rc = cubby__view_get(&r->theirs, key, cubby__key_object(key, row->object), value, &len);
    if (rc)
        return rc == CUBBY_DONE ? log_expunge(r, folder, uid) : rc;
    cubby__entry_encode(&rec, &row->keywords, &r->scratch);
    return log_scratch(r, CUBBY__REC_ENTRY);
}

static int log_flags(struct relog *r, uint64_t folder, uint32_t uid, const struct cubby__message_row *row)
{
    struct cubby__ranges s = {0};
    uint8_t bytes[CUBBY__KEYWORDS_BYTES + 2 * CUBBY__VARINT_MAX];
    cubby__flags_head(folder, &r->scratch);
    cubby__buf_byte(&r->scratch, row->flags);
    cubby__buf_add(&r->scratch, bytes, cubby__keywords_put(&row->keywords, bytes));
    cubby__buf_varint(&r->scratch, 1);
    cubby__buf_add(&r->scratch, bytes, cubby__range_put(&s, uid, uid, bytes));
    return log_scratch(r, CUBBY__REC_FLAGS);
}

static int same_flags(const struct cubby__message_row *a, const struct cubby__message_row *b)
{
    return a->flags == b->flags && a->keywords.count == b->keywords.count &&
           memcmp(a->keywords.id, b->keywords.id, a->keywords.count * sizeof *a->keywords.id) == 0;
}

/* Messages of the batch beside those of the segments from b->uid[0] (or *from) to `last`. */
static int relog_batch(struct relog *r, uint64_t folder, const struct cubby__batch *b, uint64_t from, uint64_t last)
{
    struct cubby__message_row row, other;
    struct cubby__walk w;
    size_t i = 0;
    cubby__walk_open(&w, &r->theirs, folder, NULL, (uint32_t)from, (uint32_t)last);
    int more = cubby__walk_next(&w), rc = more < 0 ? more : CUBBY_OK;
    while (!rc && (i < b->count || more == CUBBY_OK)) {
        int d = i == b->count ? 1 : more ? -1 : (b->uid[i] > w.uid) - (b->uid[i] < w.uid);
        if (d <= 0)
            rc = cubby__batch_row(b, i, &r->mine, folder, &row);
        if (!rc && d < 0)
            rc = log_entry(r, folder, b->uid[i], &row);
        else if (!rc && d > 0)
            rc = log_expunge(r, folder, w.uid);
        else if (!rc && !(rc = cubby__walk_row(&r->theirs, w.value, folder, w.uid, &other)) && !same_flags(&row, &other))
            rc = log_flags(r, folder, w.uid, &row);
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

/* In steps: neither memory nor a transaction grows with the folder. */
static int relog_messages(struct relog *r, uint64_t folder)
{
    struct cubby__batch b = {.next = 0};
    int rc = CUBBY_OK;
    for (uint64_t from = 1; !rc && from <= CUBBY__UID_MAX;) {
        rc = cubby__batch_read(&b, &r->mine, folder, NULL, CUBBY__UID_MAX);
        if (rc < 0)
            break;
        size_t count = rc == CUBBY_OK ? b.count : 0;
        b.count = count;
        uint64_t last = count == CUBBY__BATCH ? b.uid[count - 1] : CUBBY__UID_MAX;
        rc = cubby__txn_begin(r->s, 0, &r->txn, r->err);
        if (!rc)
            rc = end_txn(r, relog_batch(r, folder, &b, from, last));
        from = last + 1;
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

static int relog(struct relog *r)
{
    uint64_t id = 0;
    int rc = cubby__txn_begin(r->s, 0, &r->txn, r->err);
    if (rc)
        return rc;
    rc = relog_definitions(r);
    if (!rc)
        rc = relog_unsubscribed(r);
    rc = end_txn(r, rc);
    while (!rc && !(rc = next_live(&r->mine, &id))) {
        rc = cubby__txn_begin(r->s, 0, &r->txn, r->err);
        if (rc)
            return rc;
        rc = relog_annotations(r, id, &r->mine, &r->theirs);
        if (!rc)
            rc = relog_annotations(r, id, &r->theirs, &r->mine);
        rc = end_txn(r, rc);
        if (!rc)
            rc = relog_messages(r, id);
    }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

int cubby__relog(struct cubby__store *s, struct cubby__store *fresh, uint64_t *records, cubby_error *err)
{
    struct relog r = {.s = s, .scratch = CUBBY__BUF_INIT, .records = records, .err = err};
    *records = 0;
    int rc = cubby__view_begin(s, &r.mine, err);
    if (!rc)
        rc = cubby__view_begin(fresh, &r.theirs, err);
    if (!rc)
        rc = relog(&r);
    if (r.theirs.link)
        cubby__view_end(&r.theirs);
    if (r.mine.link)
        cubby__view_end(&r.mine);
    cubby__buf_release(&r.scratch);
    return rc;
}
