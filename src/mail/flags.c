#include "mail/flags.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "mail/folder_row.h"
#include "mail/keyword.h"
#include "mail/uidset.h"
#include "mail/walk.h"

/* What each message gets. Many messages, few different sets of flags: a set is bytes as a run of the record has them (system flags, keywords). */
struct set {
    uint32_t off, len; /* in bytes */
    uint32_t count;    /* messages that get it */
    uint32_t start;    /* of its messages in the order by set */
};

struct plan {
    int how;
    uint8_t flags;
    struct cubby__keywords keywords;
    struct cubby__buf bytes, sets; /* struct set */
    struct cubby__buf uids, of;    /* uint32_t each: message, index of its set */
    uint32_t *table;               /* hash of a set -> its index + 1; a power of two */
    size_t table_size, set_count;
};

static void release(struct plan *p)
{
    cubby__buf_release(&p->bytes);
    cubby__buf_release(&p->sets);
    cubby__buf_release(&p->uids);
    cubby__buf_release(&p->of);
    cubby__free(p->table);
}

static struct set *set_at(struct plan *p, size_t i)
{
    return (struct set *)(void *)p->sets.data + i;
}

/* ---- sets ---- */

/* The slot of a set in the table: its own or a free one. */
static uint32_t *slot_of(struct plan *p, const uint8_t *bytes, size_t n)
{
    size_t i = cubby__hash64(bytes, n, 0) & (p->table_size - 1);
    for (; p->table[i]; i = (i + 1) & (p->table_size - 1)) {
        const struct set *s = set_at(p, p->table[i] - 1);
        if (s->len == n && memcmp(p->bytes.data + s->off, bytes, n) == 0)
            break;
    }
    return &p->table[i];
}

static int grow_table(struct plan *p)
{
    size_t size = p->table_size ? 2 * p->table_size : 64;
    uint32_t *table = cubby__calloc(size, sizeof *table);
    if (!table)
        return CUBBY_ENOMEM;
    cubby__free(p->table);
    p->table = table;
    p->table_size = size;
    for (size_t i = 0; i < p->set_count; i++) {
        const struct set *s = set_at(p, i);
        *slot_of(p, p->bytes.data + s->off, s->len) = (uint32_t)i + 1;
    }
    return CUBBY_OK;
}

static int find_set(struct plan *p, const uint8_t *bytes, size_t n, uint32_t *index)
{
    if (2 * (p->set_count + 1) > p->table_size && grow_table(p))
        return CUBBY_ENOMEM;
    uint32_t *slot = slot_of(p, bytes, n);
    if (!*slot) {
        const struct set s = {.off = (uint32_t)p->bytes.len, .len = (uint32_t)n};
        cubby__buf_add(&p->bytes, bytes, n);
        cubby__buf_add(&p->sets, &s, sizeof s);
        if (p->bytes.failed || p->sets.failed)
            return CUBBY_ENOMEM;
        *slot = (uint32_t)++p->set_count;
    }
    *index = *slot - 1;
    return CUBBY_OK;
}

/* ---- what a message gets ---- */

/* a and (add) or (remove) b; both sorted. Returns whether that is not a. */
static int merge(struct cubby__keywords *a, const struct cubby__keywords *b, int add)
{
    struct cubby__keywords out;
    size_t i = 0, j = 0;
    out.count = 0;
    while (i < a->count || (add && j < b->count)) {
        if (j == b->count || (i < a->count && a->id[i] < b->id[j])) {
            out.id[out.count++] = a->id[i++];
        } else if (i == a->count || b->id[j] < a->id[i]) {
            if (add)
                out.id[out.count++] = b->id[j];
            j++;
        } else {
            if (add)
                out.id[out.count++] = a->id[i];
            i++;
            j++;
        }
    }
    if (out.count == a->count)
        return 0;
    memcpy(a->id, out.id, out.count * sizeof *out.id);
    a->count = out.count;
    return 1;
}

static int replace(struct cubby__keywords *a, const struct cubby__keywords *b)
{
    if (cubby__same_keywords(a, b))
        return 0;
    memcpy(a->id, b->id, b->count * sizeof *b->id);
    a->count = b->count;
    return 1;
}

/* Changes the row as asked; returns whether it is another one now. */
static int change(const struct plan *p, struct cubby__message_row *row)
{
    uint8_t before = row->flags;
    switch (p->how) {
    case CUBBY_FLAGS_ADD:
        row->flags |= p->flags;
        return (p->keywords.count && merge(&row->keywords, &p->keywords, 1)) | (row->flags != before);
    case CUBBY_FLAGS_REMOVE:
        row->flags &= (uint8_t)~p->flags;
        return (p->keywords.count && row->keywords.count && merge(&row->keywords, &p->keywords, 0)) | (row->flags != before);
    default:
        row->flags = p->flags;
        return replace(&row->keywords, &p->keywords) | (row->flags != before);
    }
}

static int plan_row(struct plan *p, struct cubby__message_row *row, uint32_t uid, cubby_uidset *changed)
{
    uint8_t bytes[1 + CUBBY__KEYWORDS_BYTES];
    uint32_t index;
    if (!change(p, row))
        return CUBBY_OK;
    bytes[0] = row->flags;
    int rc = find_set(p, bytes, 1 + cubby__keywords_put(&row->keywords, bytes + 1), &index);
    if (rc)
        return rc;
    set_at(p, index)->count++;
    cubby__buf_add(&p->uids, &uid, sizeof uid);
    cubby__buf_add(&p->of, &index, sizeof index);
    return p->uids.failed || p->of.failed ? CUBBY_ENOMEM : cubby_uidset_add(changed, uid, uid);
}

static int plan_rows(struct plan *p, struct cubby__view *view, uint64_t folder, const cubby_uidset *uids, cubby_uidset *changed)
{
    struct cubby__message_row row;
    struct cubby__walk w;
    int rc;
    cubby__walk_open(&w, view, folder, uids, 1, CUBBY__UID_MAX);
    while (!(rc = cubby__walk_next(&w))) {
        rc = cubby__walk_row(view, w.value, folder, w.uid, &row);
        if (!rc && (rc = plan_row(p, &row, w.uid, changed)) == CUBBY_ENOMEM)
            cubby__fail_mem(view->err);
        if (rc)
            break;
    }
    cubby__walk_close(&w);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* ---- the record ---- */

/* Orders the messages by set, ascending in each: a counting sort. */
static uint32_t *order(struct plan *p)
{
    const uint32_t *uids = (const uint32_t *)(const void *)p->uids.data, *of = (const uint32_t *)(const void *)p->of.data;
    size_t n = p->uids.len / sizeof *uids;
    uint32_t *out = cubby__malloc(n * sizeof *out), start = 0;
    if (!out)
        return NULL;
    for (size_t i = 0; i < p->set_count; i++) {
        set_at(p, i)->start = start;
        start += set_at(p, i)->count;
        set_at(p, i)->count = 0;
    }
    for (size_t i = 0; i < n; i++) {
        struct set *s = set_at(p, of[i]);
        out[s->start + s->count++] = uids[i];
    }
    return out;
}

struct writer {
    struct cubby__txn *txn;
    uint64_t folder;
    struct cubby__buf record, ranges;
    size_t range_count;
};

static int flush(struct writer *w)
{
    int rc = CUBBY_OK;
    if (w->record.failed || w->ranges.failed)
        return cubby__fail_mem(cubby__txn_err(w->txn));
    if (w->record.len)
        rc = cubby__txn_log(w->txn, CUBBY__REC_FLAGS, 0, w->record.data, w->record.len);
    cubby__buf_clear(&w->record);
    return rc;
}

static void end_run(struct writer *w, const uint8_t *set, size_t n)
{
    if (!w->range_count)
        return;
    if (!w->record.len)
        cubby__flags_head(w->folder, &w->record);
    cubby__buf_add(&w->record, set, n);
    cubby__buf_varint(&w->record, w->range_count);
    cubby__buf_add(&w->record, w->ranges.data, w->ranges.len);
    w->record.failed |= w->ranges.failed; /* which the clearing forgets */
    cubby__buf_clear(&w->ranges);
    w->range_count = 0;
}

static int write_run(struct writer *w, const uint32_t *uids, size_t count, const uint8_t *set, size_t n)
{
    struct cubby__ranges s = {0};
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && uids[end] == uids[end - 1] + 1;)
            end++;
        cubby__range_put(&s, uids[i], uids[end - 1], &w->ranges);
        w->range_count++;
        if (w->record.len + w->ranges.len < CUBBY__RECORD_SPLIT)
            continue;
        end_run(w, set, n);
        s.last = 0;
        int rc = flush(w);
        if (rc)
            return rc;
    }
    end_run(w, set, n);
    return CUBBY_OK;
}

static int log_plan(struct plan *p, struct cubby__txn *txn, uint64_t folder)
{
    struct writer w = {.txn = txn, .folder = folder};
    uint32_t *uids = order(p);
    int rc = CUBBY_OK;
    if (!uids)
        return cubby__fail_mem(cubby__txn_err(txn));
    for (size_t i = 0; i < p->set_count && !rc; i++) {
        const struct set *s = set_at(p, i);
        rc = write_run(&w, uids + s->start, s->count, p->bytes.data + s->off, s->len);
    }
    if (!rc)
        rc = flush(&w);
    cubby__free(uids);
    cubby__buf_release(&w.record);
    cubby__buf_release(&w.ranges);
    return rc;
}

/* ---- the operation ---- */

static int any_row(struct cubby__view *view, uint64_t folder, const cubby_uidset *uids)
{
    struct cubby__walk w;
    cubby__walk_open(&w, view, folder, uids, 1, CUBBY__UID_MAX);
    int rc = cubby__walk_next(&w);
    cubby__walk_close(&w);
    return rc;
}

/* Numbers of the keywords; those that are new are made only if a message is there to have them: DONE if none is. */
static int plan_keywords(struct plan *p, struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, const char *const *names, size_t count)
{
    size_t unknown;
    if (p->how == CUBBY_FLAGS_REMOVE)
        return cubby__keywords_resolve(cubby__txn_view(txn), names, count, &p->keywords, NULL);
    int rc = cubby__keywords_check(txn, names, count, &p->keywords, &unknown);
    if (rc || !unknown)
        return rc;
    rc = any_row(cubby__txn_view(txn), folder, uids);
    return rc ? rc : cubby__keywords_make(txn, names, count, &p->keywords);
}

static int check(struct cubby__view *view, uint64_t folder, const cubby_uidset *uids, int how, uint32_t flags)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    if (!uids || how < CUBBY_FLAGS_ADD || how > CUBBY_FLAGS_REPLACE || flags & ~CUBBY_FLAGS_ALL)
        return cubby__fail(view->err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "no such change of flags");
    return cubby__folder_row_need(view, folder, buf, &row);
}

int cubby__flags_change(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, int how, uint32_t flags, const char *const *keywords,
                        size_t keyword_count, cubby_uidset **changed)
{
    struct cubby__view *view = cubby__txn_view(txn);
    cubby_uidset *set = NULL;
    int rc = check(view, folder, uids, how, flags);
    if (rc)
        return rc;
    struct plan p = {.how = how, .flags = (uint8_t)flags};
    if (cubby_uidset_new(&set))
        return cubby__fail_mem(view->err);
    rc = plan_keywords(&p, txn, folder, uids, keywords, keyword_count);
    if (!rc)
        rc = plan_rows(&p, view, folder, uids, set);
    if (!rc && set->count)
        rc = log_plan(&p, txn, folder);
    if (rc == CUBBY_DONE)
        rc = CUBBY_OK;
    release(&p);
    if (!rc && changed)
        *changed = set;
    else
        cubby_uidset_free(&set);
    return rc;
}
