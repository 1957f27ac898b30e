#include "mail/entry.h"

#include "base/error.h"
#include "mail/expunge.h"
#include "mail/folder_row.h"
#include "mail/keyword.h"
#include "mail/uidset.h"
#include "mail/walk.h"

static int invalid(struct cubby__view *view, const char *what)
{
    return cubby__fail(view->err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "%s", what);
}

static int full(struct cubby__view *view, uint64_t folder)
{
    return cubby__fail(view->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "the uids of folder %llu are used up", (unsigned long long)folder);
}

/* ---- adding ---- */

static int check_options(struct cubby__view *view, const struct cubby__folder_row *row, const cubby_add_options *o)
{
    if (o->flags & ~CUBBY_FLAGS_ALL)
        return invalid(view, "no such system flag");
    if (o->has_date && (o->internaldate_zone < -CUBBY__ZONE_MAX || o->internaldate_zone > CUBBY__ZONE_MAX))
        return invalid(view, "a zone is at most 1439 minutes from UTC");
    if (o->uid && o->uid < row->uidnext)
        return invalid(view, "a new message cannot have a uid below uidnext");
    return CUBBY_OK;
}

static int check(struct cubby__txn *txn, uint64_t folder, const cubby_add_options *o, struct cubby__keywords *k, uint64_t *uidnext)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    size_t unknown;
    int rc = cubby__folder_row_need(view, folder, buf, &row);
    if (rc)
        return rc;
    *uidnext = row.uidnext;
    k->count = 0;
    if (o && (rc = check_options(view, &row, o)) == 0)
        rc = cubby__keywords_check(txn, o->keywords, o->keyword_count, k, &unknown);
    if (rc)
        return rc;
    return row.uidnext > CUBBY__UID_MAX ? full(view, folder) : CUBBY_OK;
}

int cubby__entry_check(struct cubby__txn *txn, uint64_t folder, const cubby_add_options *options)
{
    struct cubby__keywords k;
    uint64_t uidnext;
    return check(txn, folder, options, &k, &uidnext);
}

static int log_entry(struct cubby__txn *txn, const struct cubby__entry_rec *rec, const struct cubby__keywords *k, struct cubby__buf *scratch)
{
    cubby__buf_clear(scratch);
    cubby__entry_encode(rec, k, scratch);
    return scratch->failed ? cubby__fail_mem(cubby__txn_err(txn)) : cubby__txn_log(txn, CUBBY__REC_ENTRY, 0, scratch->data, scratch->len);
}

static int need_object(struct cubby__view *view, uint64_t object)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    int rc = cubby__view_get(view, key, cubby__key_object(key, object), value, &len);
    if (rc == CUBBY_DONE)
        return cubby__fail(view->err, CUBBY_ENOENT, NULL, CUBBY__NO_OFFSET, "no object %llu", (unsigned long long)object);
    return rc;
}

int cubby__entry_add(struct cubby__txn *txn, uint64_t folder, uint64_t object, const cubby_add_options *o, uint32_t *uid)
{
    struct cubby__entry_rec rec = {.folder = folder, .object = object, .save_date = cubby__txn_now(txn)};
    struct cubby__buf scratch = CUBBY__BUF_INIT;
    struct cubby__keywords k;
    uint64_t uidnext;
    int rc = check(txn, folder, o, &k, &uidnext);
    if (!rc)
        rc = need_object(cubby__txn_view(txn), object);
    if (!rc && o && o->keyword_count)
        rc = cubby__keywords_make(txn, o->keywords, o->keyword_count, &k);
    if (rc)
        return rc;
    rec.uid = o && o->uid ? o->uid : (uint32_t)uidnext;
    rec.flags = o ? (uint8_t)o->flags : 0;
    rec.internaldate = o && o->has_date ? o->internaldate : rec.save_date;
    rec.zone = o && o->has_date ? o->internaldate_zone : 0;
    rc = log_entry(txn, &rec, &k, &scratch);
    cubby__buf_release(&scratch);
    if (!rc && uid)
        *uid = rec.uid;
    return rc;
}

/* ---- expunging ---- */

static int log_expunge(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *gone)
{
    struct cubby__expunge_writer w = {.txn = txn, .folder = folder};
    int rc = CUBBY_OK;
    for (size_t i = 0; i < gone->count && !rc; i++)
        rc = cubby__expunge_add(&w, gone->range[i].first, gone->range[i].last);
    return cubby__expunge_end(&w, rc);
}

/* The uids that are there, or of these the ones with \Deleted. */
static int present(struct cubby__view *view, uint64_t folder, const cubby_uidset *uids, int only_deleted, cubby_uidset *out)
{
    struct cubby__walk w;
    int rc;
    cubby__walk_open(&w, view, folder, uids, 1, CUBBY__UID_MAX);
    while (!(rc = cubby__walk_next(&w))) {
        if (only_deleted && !(w.value.n && w.value.p[0] & CUBBY_DELETED))
            continue;
        rc = cubby_uidset_add(out, w.uid, w.uid);
        if (rc) {
            cubby__fail_mem(view->err);
            break;
        }
    }
    cubby__walk_close(&w);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* Gives a set to the caller who wants it. */
static void hand_over(int rc, cubby_uidset *set, cubby_uidset **out)
{
    if (!rc && out)
        *out = set;
    else
        cubby_uidset_free(&set);
}

int cubby__entry_expunge(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, int only_deleted, cubby_uidset **gone)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    cubby_uidset *set;
    int rc = uids ? cubby__folder_row_need(view, folder, buf, &row) : invalid(view, "a set of uids is needed");
    if (rc)
        return rc;
    if (cubby_uidset_new(&set))
        return cubby__fail_mem(view->err);
    rc = present(view, folder, uids, only_deleted, set);
    if (!rc)
        rc = log_expunge(txn, folder, set);
    hand_over(rc, set, gone);
    return rc;
}

/* ---- copying and moving ---- */

struct copy {
    struct cubby__txn *txn;
    uint64_t folder, target;
    const cubby_uidset *uids;
    uint32_t last;    /* uid of the source: what a copy to the same folder adds is not copied again */
    uint64_t uidnext; /* of the target */
    cubby_uidset *from, *to;
    struct cubby__batch batch;
    struct cubby__buf scratch;
};

/* Whether the target has uids for all; counted only if that is not plain. */
static int check_room(struct copy *c, const struct cubby__folder_row *source)
{
    struct cubby__view *view = cubby__txn_view(c->txn);
    uint64_t room = CUBBY__UID_MAX + 1ull - c->uidnext, count = 0;
    struct cubby__walk w;
    int rc;
    if (source->messages <= room)
        return CUBBY_OK;
    cubby__walk_open(&w, view, c->folder, c->uids, 1, c->last);
    while (!(rc = cubby__walk_next(&w)) && count <= room)
        count++;
    cubby__walk_close(&w);
    return rc < 0 ? rc : count > room ? full(view, c->target) : CUBBY_OK;
}

static int open_copy(struct copy *c)
{
    struct cubby__view *view = cubby__txn_view(c->txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    if (!c->uids)
        return invalid(view, "a set of uids is needed");
    int rc = cubby__folder_row_need(view, c->target, buf, &row);
    if (rc)
        return rc;
    c->uidnext = row.uidnext;
    rc = cubby__folder_row_need(view, c->folder, buf, &row);
    if (rc)
        return rc;
    c->last = (uint32_t)(row.uidnext - 1);
    return check_room(c, &row);
}

static int copy_row(struct copy *c, uint32_t uid, const struct cubby__message_row *row)
{
    const struct cubby__entry_rec rec = {.folder = c->target,
                                         .uid = (uint32_t)c->uidnext,
                                         .object = row->object,
                                         .internaldate = row->internaldate,
                                         .save_date = cubby__txn_now(c->txn),
                                         .zone = row->zone,
                                         .flags = row->flags};
    int rc = log_entry(c->txn, &rec, &row->keywords, &c->scratch);
    if (rc)
        return rc;
    c->uidnext++;
    if (cubby_uidset_add(c->from, uid, uid) || cubby_uidset_add(c->to, rec.uid, rec.uid))
        return cubby__fail_mem(cubby__txn_err(c->txn));
    return CUBBY_OK;
}

static int copy_rows(struct copy *c)
{
    struct cubby__view *view = cubby__txn_view(c->txn);
    struct cubby__batch *b = &c->batch;
    struct cubby__message_row row;
    int rc;
    if (cubby_uidset_new(&c->from) || cubby_uidset_new(&c->to))
        return cubby__fail_mem(view->err);
    while (!(rc = cubby__batch_read(b, view, c->folder, c->uids, c->last)))
        for (size_t i = 0; i < b->count; i++) {
            rc = cubby__batch_row(b, i, view, c->folder, &row);
            if (!rc)
                rc = copy_row(c, b->uid[i], &row);
            if (rc)
                return rc;
        }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

static int copy(struct copy *c, int move, cubby_uidset **from, cubby_uidset **to)
{
    int rc = open_copy(c);
    if (!rc)
        rc = copy_rows(c);
    if (!rc && move)
        rc = log_expunge(c->txn, c->folder, c->from);
    cubby__batch_release(&c->batch);
    cubby__buf_release(&c->scratch);
    hand_over(rc, c->from, from);
    hand_over(rc, c->to, to);
    return rc;
}

int cubby__entry_copy(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to)
{
    struct copy c = {.txn = txn, .folder = folder, .target = target, .uids = uids};
    return copy(&c, 0, from, to);
}

int cubby__entry_move(struct cubby__txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to)
{
    struct copy c = {.txn = txn, .folder = folder, .target = target, .uids = uids};
    return copy(&c, 1, from, to);
}
