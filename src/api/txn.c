/* txn.c - transactions, and every change that is made in one. */
#include "api/api.h"
#include "base/alloc.h"
#include "base/error.h"
#include "mail/entry.h"
#include "mail/flags.h"

struct cubby_txn {
    cubby_store *store;
    struct cubby__txn *t;
    cubby_error err;
    cubby_snapshot snap;
    uint64_t token;
    unsigned flags;
    int spoiled; /* what a change failed with, if it may have been left half done: nothing but abort from then on */
};

/* ---- life ---- */

int cubby_txn_begin(cubby_store *store, unsigned flags, cubby_txn **out)
{
    if (!cubby__api_usable(store) || !out)
        return cubby__api_invalid(store, "no store, or nowhere to put the transaction");
    if (flags & ~(unsigned)CUBBY_LAZY)
        return cubby__api_invalid(store, "unknown flags of cubby_txn_begin");
    cubby_txn *txn = cubby__calloc(1, sizeof *txn);
    if (!txn)
        return cubby__api_nomem(store);
    int rc = cubby__txn_begin(store->s, flags, &txn->t, &txn->err);
    if (rc) {
        cubby__api_end(store, &txn->err, rc);
        cubby__free(txn);
        return rc;
    }
    txn->store = txn->snap.store = store;
    txn->snap.view = cubby__txn_view(txn->t);
    txn->flags = flags;
    pthread_mutex_lock(&store->mutex);
    txn->token = ++store->txns;
    pthread_mutex_unlock(&store->mutex);
    *out = txn;
    return 0;
}

int cubby_txn_commit(cubby_txn **txn, uint64_t *modseq)
{
    if (!txn || !*txn)
        return CUBBY_EINVAL;
    cubby_txn *t = *txn;
    int rc = t->spoiled;
    cubby__api_snapshot_release(&t->snap);
    if (rc)
        cubby__txn_abort(&t->t);
    else
        rc = cubby__txn_commit(&t->t, modseq);
    cubby__api_end(t->store, &t->err, rc);
    cubby__free(t);
    *txn = NULL;
    return rc;
}

void cubby_txn_abort(cubby_txn **txn)
{
    if (!txn || !*txn)
        return;
    cubby__api_snapshot_release(&(*txn)->snap);
    cubby__txn_abort(&(*txn)->t);
    cubby__free(*txn);
    *txn = NULL;
}

cubby_snapshot *cubby_txn_snapshot(cubby_txn *txn)
{
    return txn ? &txn->snap : NULL;
}

uint64_t cubby_txn_modseq(const cubby_txn *txn)
{
    return txn ? cubby__txn_number(txn->t) : 0;
}

/* ---- before and after a change ---- */

static int invalid(cubby_txn *txn, const char *what)
{
    return cubby__api_invalid(txn ? txn->store : NULL, what);
}

/* Whether the transaction takes changes of this kind at all. */
static int start(cubby_txn *txn, int lazy_too)
{
    if (!txn || !cubby__api_usable(txn->store))
        return CUBBY_EINVAL;
    if (txn->flags & CUBBY_LAZY && !lazy_too)
        return invalid(txn, "a lazy transaction changes flags and nothing else");
    txn->err.code = 0;
    if (!txn->spoiled)
        return 0;
    cubby_error err;
    return cubby__api_end(txn->store, &err,
                          cubby__fail(&err, txn->spoiled, NULL, CUBBY__NO_OFFSET, "an earlier change failed: the transaction can only be aborted"));
}

static int end(cubby_txn *txn, int rc)
{
    if (rc == CUBBY_EIO || rc == CUBBY_ENOMEM || rc == CUBBY_ENOSPC || rc == CUBBY_ECORRUPT)
        txn->spoiled = rc;
    return cubby__api_end(txn->store, &txn->err, rc);
}

/* ---- folders ---- */

int cubby_folder_create(cubby_txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t *id)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    if (!name)
        return invalid(txn, "no name");
    uint64_t made = 0;
    rc = end(txn, cubby__folder_create(txn->t, parent, name, name_len, &made));
    if (!rc && id)
        *id = made;
    return rc;
}

int cubby_folder_rename(cubby_txn *txn, uint64_t id, uint64_t new_parent, const char *name, size_t name_len)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    if (!name)
        return invalid(txn, "no name");
    return end(txn, cubby__folder_rename(txn->t, id, new_parent, name, name_len));
}

int cubby_folder_delete(cubby_txn *txn, uint64_t id)
{
    int rc = start(txn, 0);
    return rc ? rc : end(txn, cubby__folder_delete(txn->t, id));
}

int cubby_folder_set_special(cubby_txn *txn, uint64_t id, uint32_t special_use)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    if (special_use & ~(2u * CUBBY_USE_IMPORTANT - 1))
        return invalid(txn, "unknown special use");
    return end(txn, cubby__folder_set_special(txn->t, id, special_use));
}

int cubby_folder_set_uidvalidity(cubby_txn *txn, uint64_t id, uint32_t uidvalidity)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    return end(txn, cubby__folder_take_uidvalidity(txn->t, id, uidvalidity));
}

int cubby_annotation_set(cubby_txn *txn, uint64_t folder, const char *entry, const void *value, size_t len)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    if (!folder || !entry)
        return invalid(txn, "no folder, or no name of an annotation");
    return end(txn, cubby__annotation_set(txn->t, folder, entry, value, len));
}

int cubby_subscribe(cubby_txn *txn, const char *path, size_t path_len, int on)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    if (!path)
        return invalid(txn, "no path");
    return end(txn, cubby__subscribe(txn->t, path, path_len, on != 0));
}

/* ---- messages ---- */

static int check_add(cubby_txn *txn, const cubby_message *m, const cubby_add_options *o)
{
    if (!m || m->store != txn->store || !cubby__incoming_finished(m->in))
        return invalid(txn, "not a finished message of this store");
    if (!o)
        return 0;
    if (o->version != CUBBY_ADD_VERSION)
        return invalid(txn, "unknown version of cubby_add_options");
    if (o->flags & ~CUBBY_FLAGS_ALL)
        return invalid(txn, "unknown system flags");
    if (!o->keywords && o->keyword_count)
        return invalid(txn, "no keywords");
    if (o->has_date && (o->internaldate_zone < -CUBBY__ZONE_MAX || o->internaldate_zone > CUBBY__ZONE_MAX))
        return invalid(txn, "the zone of the internal date is outside a day");
    return 0;
}

int cubby_add(cubby_txn *txn, uint64_t folder, cubby_message *m, const cubby_add_options *options, uint32_t *uid)
{
    int rc = start(txn, 0);
    if (!rc)
        rc = check_add(txn, m, options);
    if (rc)
        return rc;
    uint64_t object;
    rc = cubby__entry_check(txn->t, folder, options);
    if (!rc)
        rc = cubby__incoming_log(m->in, txn->t, txn->token, &object);
    if (!rc)
        rc = cubby__entry_add(txn->t, folder, object, options, uid);
    return end(txn, rc);
}

int cubby_flag(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, int how, uint32_t flags, const char *const *keywords, size_t keyword_count,
               cubby_uidset **changed)
{
    int rc = start(txn, 1);
    if (rc)
        return rc;
    if (!uids || (!keywords && keyword_count))
        return invalid(txn, "no uids, or no keywords");
    if (how != CUBBY_FLAGS_ADD && how != CUBBY_FLAGS_REMOVE && how != CUBBY_FLAGS_REPLACE)
        return invalid(txn, "neither add nor remove nor replace");
    if (flags & ~CUBBY_FLAGS_ALL)
        return invalid(txn, "unknown system flags");
    return end(txn, cubby__flags_change(txn->t, folder, uids, how, flags, keywords, keyword_count, changed));
}

int cubby_copy(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    return uids ? end(txn, cubby__entry_copy(txn->t, folder, uids, target, from, to)) : invalid(txn, "no uids");
}

int cubby_move(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, uint64_t target, cubby_uidset **from, cubby_uidset **to)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    return uids ? end(txn, cubby__entry_move(txn->t, folder, uids, target, from, to)) : invalid(txn, "no uids");
}

int cubby_expunge(cubby_txn *txn, uint64_t folder, const cubby_uidset *uids, int only_deleted, cubby_uidset **gone)
{
    int rc = start(txn, 0);
    if (rc)
        return rc;
    return uids ? end(txn, cubby__entry_expunge(txn->t, folder, uids, only_deleted, gone)) : invalid(txn, "no uids");
}

int cubby_recent_claim(cubby_txn *txn, uint64_t folder, uint32_t *first)
{
    int rc = start(txn, 1);
    if (rc)
        return rc;
    return first ? end(txn, cubby__recent_claim(txn->t, folder, first)) : invalid(txn, "nowhere to put the uid");
}
