#include "mail/definitions.h"

#include "base/error.h"
#include "base/key.h"
#include "mail/folder_row.h"
#include "mail/keyword.h"
#include "mail/records.h"

struct work {
    struct cubby__buf *defs, scratch;
    size_t whole;  /* of defs: definitions that fit */
    uint64_t size; /* counted as in CUBBY__DEFINITIONS_MAX */
};

/* DONE: no more of them. */
typedef int (*row_fn)(struct work *w, struct cubby__slice k, struct cubby__slice v);

static int each_row(struct cubby__view *view, uint8_t keyspace, row_fn fn, struct work *w)
{
    struct cubby__cursor c;
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, &keyspace, 1);
    for (; !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.p[0] != keyspace)
            break;
        rc = fn(w, k, cubby__cursor_value(&c));
        if (rc == CUBBY_ECORRUPT)
            cubby__fail(view->err, rc, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a row of the index breaks its format");
        if (rc)
            break;
    }
    cubby__cursor_release(&c);
    return rc < 0 ? rc : CUBBY_OK;
}

/* ---- what they are ---- */

static int add(struct work *w, uint8_t type, uint64_t commit, const void *payload, size_t len)
{
    if (w->scratch.failed)
        return CUBBY_ENOMEM;
    cubby__define(w->defs, type, commit, payload, len);
    cubby__buf_clear(&w->scratch);
    if (w->defs->failed)
        return CUBBY_ENOMEM;
    if (w->defs->len > CUBBY__SEG_HEADER_MAX - CUBBY__SEG_HEADER_FIXED) {
        w->defs->len = w->whole;
        return CUBBY_DONE;
    }
    w->whole = w->defs->len;
    return CUBBY_OK;
}

static int define_folder(struct work *w, struct cubby__slice k, struct cubby__slice v)
{
    struct cubby__folder_row row;
    int rc = cubby__folder_row_decode(v.p, v.n, &row);
    (void)k;
    if (rc || row.dead)
        return rc;
    rc = add(w, CUBBY__REC_FOLDER, row.commit, row.payload, row.payload_len);
    cubby__mark_encode(&(struct cubby__mark_rec){row.rec.id, row.uidnext, row.highestmodseq, row.tombstone_floor, row.recent_uid}, &w->scratch);
    return rc ? rc : add(w, CUBBY__REC_MARK, row.highestmodseq, w->scratch.data, w->scratch.len);
}

static int define_keyword(struct work *w, struct cubby__slice k, struct cubby__slice v)
{
    struct cubby__reader value = cubby__reader(v.p, v.n);
    uint64_t commit = cubby__read_varint(&value), id;
    if (!cubby__keynum_get(k.p + 1, k.n - 1, &id) || value.bad)
        return CUBBY_ECORRUPT;
    cubby__keyword_encode(&(struct cubby__keyword_rec){(uint16_t)id, (const char *)value.p, cubby__read_left(&value)}, &w->scratch);
    return add(w, CUBBY__REC_KEYWORD, commit, w->scratch.data, w->scratch.len);
}

static int define_subscription(struct work *w, struct cubby__slice k, struct cubby__slice v)
{
    struct cubby__reader value = cubby__reader(v.p, v.n);
    uint64_t commit = cubby__read_varint(&value);
    if (value.bad)
        return CUBBY_ECORRUPT;
    cubby__subscription_encode(&(struct cubby__subscription_rec){1, (const char *)k.p + 1, k.n - 1}, &w->scratch);
    return add(w, CUBBY__REC_SUBSCRIPTION, commit, w->scratch.data, w->scratch.len);
}

int cubby__definitions(struct cubby__view *view, struct cubby__buf *defs)
{
    struct work w = {.defs = defs, .scratch = CUBBY__BUF_INIT, .whole = defs->len};
    int rc = each_row(view, CUBBY__KS_KEYWORD, define_keyword, &w);
    if (!rc)
        rc = each_row(view, CUBBY__KS_FOLDER, define_folder, &w);
    if (!rc)
        rc = each_row(view, CUBBY__KS_SUBSCRIPTION, define_subscription, &w);
    cubby__buf_release(&w.scratch);
    return rc == CUBBY_ENOMEM ? cubby__fail_mem(view->err) : rc;
}

static int define_uidnext(struct work *w, struct cubby__slice k, struct cubby__slice v)
{
    struct cubby__folder_row row;
    int rc = cubby__folder_row_decode(v.p, v.n, &row);
    (void)k;
    if (rc || row.dead)
        return rc;
    cubby__mark_encode(&(struct cubby__mark_rec){.folder = row.rec.id, .uidnext = row.uidnext}, &w->scratch);
    return add(w, CUBBY__REC_MARK, 0, w->scratch.data, w->scratch.len);
}

/* Not the modseqs: a client that knows the highest would hear nothing of what is gone. */
int cubby__uidnexts(struct cubby__view *view, struct cubby__buf *defs)
{
    struct work w = {.defs = defs, .scratch = CUBBY__BUF_INIT, .whole = defs->len};
    int rc = each_row(view, CUBBY__KS_FOLDER, define_uidnext, &w);
    cubby__buf_release(&w.scratch);
    return rc == CUBBY_ENOMEM ? cubby__fail_mem(view->err) : rc;
}

/* ---- whether there is room for more ---- */

static int measure_folder(struct work *w, struct cubby__slice k, struct cubby__slice v)
{
    struct cubby__folder_row row;
    (void)k;
    if (!cubby__folder_row_decode(v.p, v.n, &row) && !row.dead) /* what breaks its format is for fsck to tell */
        w->size += CUBBY__DEFINITION_FOLDER + row.rec.name_len;
    return CUBBY_OK;
}

static int measure_subscription(struct work *w, struct cubby__slice k, struct cubby__slice v)
{
    (void)v;
    w->size += CUBBY__DEFINITION_SUBSCRIPTION + k.n - 1;
    return CUBBY_OK;
}

static int measure(struct cubby__view *view, uint64_t *size)
{
    struct work w = {.size = 0};
    int rc = each_row(view, CUBBY__KS_FOLDER, measure_folder, &w);
    if (!rc)
        rc = each_row(view, CUBBY__KS_SUBSCRIPTION, measure_subscription, &w);
    *size = w.size;
    return rc;
}

int cubby__definitions_room(struct cubby__txn *txn, size_t more)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint64_t *known = cubby__txn_memo(txn); /* what there was, and has been added since; what has gone counts when it matters */
    int rc = CUBBY_OK;
    if (!*known || *known + more > CUBBY__DEFINITIONS_MAX)
        rc = measure(view, known);
    if (!rc && *known + more > CUBBY__DEFINITIONS_MAX)
        rc = cubby__fail(view->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET,
                         "the names of all folders and subscriptions may take %u bytes, with %d for each folder and %d for each subscription",
                         (unsigned)CUBBY__DEFINITIONS_MAX, CUBBY__DEFINITION_FOLDER, CUBBY__DEFINITION_SUBSCRIPTION);
    if (!rc)
        *known += more;
    return rc;
}
