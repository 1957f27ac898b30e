#include "mail/apply.h"

#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "mail/definitions.h"
#include "mail/folder_row.h"
#include "mail/keyword.h"

int cubby__apply_broken(struct cubby__txn *txn, const struct cubby__record *rec, const char *what)
{
    return cubby__fail(cubby__txn_err(txn), CUBBY_ECORRUPT, NULL, rec->place.off, "the %s record of commit %llu in segment %u breaks its format",
                       what, (unsigned long long)rec->commit, rec->place.seg);
}

int cubby__apply_del(struct cubby__txn *txn, const void *key, size_t key_len)
{
    int rc = cubby__txn_del(txn, key, key_len);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* ---- KEYWORD, SUBSCRIPTION ---- */

/* The first definition of a number stands, and the first number of a name. */
static int apply_keyword(struct cubby__txn *txn, const struct cubby__record *rec)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__view *view = cubby__txn_view(txn);
    struct cubby__keyword_rec k;
    size_t n;
    if (cubby__keyword_decode(rec->payload, rec->len, &k) || !cubby__keyword_valid(k.name, k.name_len))
        return cubby__apply_broken(txn, rec, "KEYWORD");
    cubby__raise(&cubby__txn_floors(txn)->keyword, k.id);
    int rc = cubby__view_get(view, key, cubby__key_keyword(key, k.id), value, &n);
    if (rc != CUBBY_DONE)
        return rc;
    n = cubby__varint_put(value, rec->commit);
    memcpy(value + n, k.name, k.name_len);
    rc = cubby__txn_put(txn, key, cubby__key_keyword(key, k.id), value, n + k.name_len);
    if (rc)
        return rc;
    size_t key_len = cubby__key_keyword_name(key, k.name, k.name_len);
    rc = cubby__view_get(view, key, key_len, value, &n);
    return rc == CUBBY_DONE ? cubby__txn_put(txn, key, key_len, value, cubby__varint_put(value, k.id)) : rc;
}

static int apply_subscription(struct cubby__txn *txn, const struct cubby__record *rec)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__subscription_rec s;
    size_t n;
    if (cubby__subscription_decode(rec->payload, rec->len, &s))
        return cubby__apply_broken(txn, rec, "SUBSCRIPTION");
    key[0] = CUBBY__KS_SUBSCRIPTION;
    memcpy(key + 1, s.path, s.path_len);
    if (!s.on)
        return cubby__apply_del(txn, key, 1 + s.path_len);
    int rc = cubby__view_get(cubby__txn_view(txn), key, 1 + s.path_len, value, &n);
    return rc == CUBBY_DONE ? cubby__txn_put(txn, key, 1 + s.path_len, value, cubby__varint_put(value, rec->commit)) : rc;
}

/* ---- the table ---- */

static int apply(struct cubby__txn *txn, const struct cubby__record *rec)
{
    switch (rec->type) {
    case CUBBY__REC_FOLDER:
        return cubby__apply_folder(txn, rec);
    case CUBBY__REC_MARK:
        return cubby__apply_mark(txn, rec);
    case CUBBY__REC_OBJECT:
        return cubby__apply_object(txn, rec);
    case CUBBY__REC_PIECE:
        return cubby__apply_piece(txn, rec);
    case CUBBY__REC_ENTRY:
        return cubby__apply_entry(txn, rec);
    case CUBBY__REC_FLAGS:
        return cubby__apply_flags(txn, rec);
    case CUBBY__REC_EXPUNGE:
        return cubby__apply_expunge(txn, rec);
    case CUBBY__REC_KEYWORD:
        return apply_keyword(txn, rec);
    case CUBBY__REC_SUBSCRIPTION:
        return apply_subscription(txn, rec);
    case CUBBY__REC_ANNOTATION:
        return cubby__apply_annotation(txn, rec);
    default:
        return CUBBY_DONE;
    }
}

/* Also for a store whose INBOX was lost. */
static int create(struct cubby__txn *txn)
{
    uint64_t id;
    int rc = cubby__name_get(cubby__txn_view(txn), CUBBY_ROOT, CUBBY__INBOX, sizeof CUBBY__INBOX - 1, &id);
    return rc != CUBBY_DONE ? rc : cubby__folder_create_anyway(txn, CUBBY__INBOX, sizeof CUBBY__INBOX - 1, NULL);
}

/* ---- damage ---- */

static int damage(struct cubby__txn *txn, uint64_t records)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    uint64_t id = 0;
    int rc;
    while (!(rc = cubby__folder_row_next(cubby__txn_view(txn), &id, buf, &row))) {
        const uint64_t room = CUBBY__UID_MAX + 1ull - row.uidnext;
        if (row.dead)
            continue;
        row.uidnext += records < room ? records : room;
        rc = cubby__folder_row_put(txn, id, &row);
        if (rc)
            return rc;
    }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* The end of a folder. */
static int shrinks(uint8_t type, const void *payload, size_t len)
{
    struct cubby__folder_rec rec;
    return type == CUBBY__REC_FOLDER && cubby__folder_decode(payload, len, &rec) == 0 && rec.deleted;
}

const struct cubby__handlers cubby__mail_handlers = {apply, cubby__definitions, create, damage, shrinks, cubby__uidnexts};
