#include "mail/apply.h"

#include <string.h>

#include "base/error.h"
#include "base/key.h"
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

/* ---- definitions: what a new segment's header repeats ---- */

static void define_folder(const struct cubby__folder_row *row, struct cubby__buf *defs, struct cubby__buf *scratch)
{
    const struct cubby__mark_rec mark = {row->rec.id, row->uidnext, row->highestmodseq, row->tombstone_floor, row->recent_uid};
    cubby__define(defs, CUBBY__REC_FOLDER, row->commit, row->payload, row->payload_len);
    cubby__buf_clear(scratch);
    cubby__mark_encode(&mark, scratch);
    if (!scratch->failed)
        cubby__define(defs, CUBBY__REC_MARK, row->highestmodseq, scratch->data, scratch->len);
}

/* A row of one of the three keyspaces that hold definitions, as the record that it came from. */
static int define_row(struct cubby__slice k, struct cubby__slice v, struct cubby__buf *defs, struct cubby__buf *scratch)
{
    struct cubby__folder_row row;
    if (k.p[0] == CUBBY__KS_FOLDER) {
        int rc = cubby__folder_row_decode(v.p, v.n, &row);
        if (!rc && !row.dead)
            define_folder(&row, defs, scratch);
        return rc;
    }
    struct cubby__reader value = cubby__reader(v.p, v.n);
    uint64_t commit = cubby__read_varint(&value), id;
    cubby__buf_clear(scratch);
    if (k.p[0] == CUBBY__KS_KEYWORD) {
        if (!cubby__keynum_get(k.p + 1, k.n - 1, &id))
            return CUBBY_ECORRUPT;
        cubby__keyword_encode(&(struct cubby__keyword_rec){(uint16_t)id, (const char *)value.p, cubby__read_left(&value)}, scratch);
        cubby__define(defs, CUBBY__REC_KEYWORD, commit, scratch->data, scratch->len);
    } else if (k.p[0] == CUBBY__KS_SUBSCRIPTION) {
        cubby__subscription_encode(&(struct cubby__subscription_rec){1, (const char *)k.p + 1, k.n - 1}, scratch);
        cubby__define(defs, CUBBY__REC_SUBSCRIPTION, commit, scratch->data, scratch->len);
    }
    return value.bad ? CUBBY_ECORRUPT : CUBBY_OK;
}

static int define(struct cubby__view *view, struct cubby__buf *defs)
{
    const uint8_t first = CUBBY__KS_FOLDER;
    struct cubby__buf scratch = CUBBY__BUF_INIT;
    struct cubby__cursor c;
    int rc;
    cubby__view_cursor(view, &c);
    for (rc = cubby__cursor_seek(&c, &first, 1); !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.p[0] > CUBBY__KS_SUBSCRIPTION)
            break;
        if (k.p[0] != CUBBY__KS_NAME && k.p[0] != CUBBY__KS_KEYWORD_NAME)
            rc = define_row(k, cubby__cursor_value(&c), defs, &scratch);
        if (rc) {
            cubby__fail(view->err, rc, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a row of the index breaks its format");
            break;
        }
    }
    cubby__cursor_release(&c);
    int failed = defs->failed || scratch.failed;
    cubby__buf_release(&scratch);
    return rc < 0 ? rc : failed ? cubby__fail_mem(view->err) : CUBBY_OK;
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

const struct cubby__handlers cubby__mail_handlers = {apply, define, create, damage, shrinks};
