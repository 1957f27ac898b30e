/* apply_entry.c - the handlers of OBJECT, PIECE and ENTRY: messages, their bytes, and their places in folders. */
#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "mail/apply.h"
#include "mail/changes.h"
#include "mail/folder_row.h"
#include "mail/object.h"
#include "mail/walk.h"

static int broken_row(struct cubby__view *view, const char *what, uint64_t id)
{
    return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of %s %llu breaks its format", what,
                       (unsigned long long)id);
}

/* ---- PIECE ---- */

static int get_piece(struct cubby__txn *txn, uint64_t id, struct cubby__piece_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__view *view = cubby__txn_view(txn);
    size_t len;
    int rc = cubby__view_get(view, key, cubby__key_piece(key, id), value, &len);
    if (!rc && cubby__piece_row_decode(value, len, row))
        rc = broken_row(view, "piece", id);
    return rc;
}

static int put_piece(struct cubby__txn *txn, uint64_t id, const struct cubby__piece_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    return cubby__txn_put(txn, key, cubby__key_piece(key, id), value, cubby__piece_row_encode(row, value));
}

int cubby__apply_piece(struct cubby__txn *txn, const struct cubby__record *rec)
{
    struct cubby__piece_row row = {.place = rec->place, .orig_len = rec->piece.orig_len}, before;
    if (!rec->piece.id || rec->piece.orig_len > CUBBY__PIECE_MAX)
        return cubby__apply_broken(txn, rec, "PIECE");
    cubby__raise(&cubby__txn_floors(txn)->piece, rec->piece.id);
    int rc = get_piece(txn, rec->piece.id, &before);
    return rc == CUBBY_DONE ? put_piece(txn, rec->piece.id, &row) : rc;
}

/* One more object names the piece; the first one has its bytes. A missing piece was lost: reading the message will say so. */
static int name_piece(struct cubby__txn *txn, uint64_t id, uint64_t *stored)
{
    struct cubby__piece_row row;
    cubby__raise(&cubby__txn_floors(txn)->piece, id);
    int rc = get_piece(txn, id, &row);
    if (rc)
        return rc == CUBBY_DONE ? CUBBY_OK : rc;
    if (!row.refs++)
        *stored += cubby__frame_size(CUBBY__REC_PIECE, row.place.len);
    return put_piece(txn, id, &row);
}

/* ---- OBJECT ---- */

static int get_object(struct cubby__txn *txn, uint64_t id, struct cubby__object_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__view *view = cubby__txn_view(txn);
    size_t len;
    int rc = cubby__view_get(view, key, cubby__key_object(key, id), value, &len);
    if (!rc && cubby__object_row_decode(value, len, row))
        rc = broken_row(view, "object", id);
    return rc;
}

static int put_object(struct cubby__txn *txn, uint64_t id, const struct cubby__object_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    return cubby__txn_put(txn, key, cubby__key_object(key, id), value, cubby__object_row_encode(row, value));
}

int cubby__apply_object(struct cubby__txn *txn, const struct cubby__record *rec)
{
    struct cubby__object o;
    struct cubby__object_row row;
    struct cubby__piece_ref ref;
    if (cubby__object_decode(rec->payload, rec->len, &o) || !o.id)
        return cubby__apply_broken(txn, rec, "OBJECT");
    cubby__raise(&cubby__txn_floors(txn)->object, o.id);
    cubby__raise(&cubby__txn_floors(txn)->thread, o.thread);
    int rc = get_object(txn, o.id, &row);
    if (rc != CUBBY_DONE)
        return rc; /* a repeat */
    row = (struct cubby__object_row){.place = rec->place, .size = o.crlf_size, .original = o.size, .sent_date = o.sent_date, .thread = o.thread};
    row.stored = cubby__frame_size(CUBBY__REC_OBJECT, (uint32_t)rec->len);
    rc = o.rest_piece ? name_piece(txn, o.rest_piece, &row.stored) : CUBBY_OK;
    for (size_t pos = 0; !rc && cubby__object_piece(&o, &pos, &ref);)
        rc = name_piece(txn, ref.id, &row.stored);
    if (!rc)
        rc = put_object(txn, o.id, &row);
    return rc ? rc : cubby__txn_account(txn, rec->place.seg, 0, (int64_t)row.stored);
}

/* Without entries the bytes of an object are retained, with one they are live. */
static int add_ref(struct cubby__txn *txn, uint64_t id, struct cubby__object_row *row, int add)
{
    uint64_t before = row->refs;
    int rc = CUBBY_OK;
    if (add < 0 && !before)
        return cubby__fail(cubby__txn_err(txn), CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET,
                           "too few references of object %llu are counted", (unsigned long long)id);
    row->refs = add > 0 ? before + 1 : before - 1;
    int64_t live = (row->refs != 0) - (before != 0);
    if (live)
        rc = cubby__txn_account(txn, row->place.seg, live * (int64_t)row->stored, -live * (int64_t)row->stored);
    return rc ? rc : put_object(txn, id, row);
}

/* ---- ENTRY ---- */

static int put_entry(struct cubby__txn *txn, uint64_t folder, uint32_t uid, const struct cubby__message_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    int rc = cubby__txn_put(txn, key, cubby__key_message(key, folder, uid), value, cubby__message_row_encode(row, value));
    if (!rc)
        rc = cubby__txn_put(txn, key, cubby__key_entry(key, row->object, folder, uid), value, 0);
    if (!rc)
        rc = cubby__txn_put(txn, key, cubby__key_change(key, folder, row->modseq, uid), value, cubby__change_message(value, row));
    return rc;
}

int cubby__entry_forget(struct cubby__txn *txn, uint64_t folder, uint32_t uid, const struct cubby__message_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    struct cubby__object_row object;
    int rc = cubby__apply_del(txn, key, cubby__key_message(key, folder, uid));
    if (!rc)
        rc = cubby__apply_del(txn, key, cubby__key_entry(key, row->object, folder, uid));
    if (!rc)
        rc = get_object(txn, row->object, &object);
    return rc ? (rc == CUBBY_DONE ? CUBBY_OK : rc) : add_ref(txn, row->object, &object, -1);
}

/* The change under the cursor, of a key that begins so; CUBBY_DONE: it is another's. */
static int change_at(const struct cubby__cursor *c, const uint8_t *key, size_t prefix, cubby_change *out)
{
    struct cubby__slice at = cubby__cursor_key(c), v = cubby__cursor_value(c);
    struct cubby__keywords k;
    if (at.n < prefix + 4 || memcmp(at.p, key, prefix) != 0)
        return CUBBY_DONE;
    return cubby__change_decode(v.p, v.n, UINT64_MAX, cubby__get32be(at.p + at.n - 4), &k, out);
}

static int has_vanished(const cubby_change *x, uint32_t uid)
{
    return x->kind == CUBBY_CHANGE_VANISHED && x->uid <= uid && uid <= x->uid_last;
}

/* Of this commit, which may have as many rows as there are messages, few are read: none is a message's between the uid and where the range begins that
 * has it. */
static int find_in_commit(struct cubby__cursor *c, uint64_t folder, uint32_t uid, uint64_t commit)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    cubby_change x;
    size_t len = cubby__key_change(key, folder, commit, uid);
    int rc = cubby__cursor_seek_back(c, key, len);
    for (; !rc; rc = cubby__cursor_prev(c)) {
        rc = change_at(c, key, len - 4, &x);
        if (!rc && has_vanished(&x, uid))
            return CUBBY_OK;
        if (rc || x.kind != CUBBY_CHANGE_VANISHED)
            break;
    }
    return rc < 0 ? rc : CUBBY_DONE;
}

static int find_behind(struct cubby__cursor *c, uint64_t folder, uint32_t uid, uint64_t commit)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    cubby_change x;
    size_t len = cubby__key_change(key, folder, commit + 1, 0);
    size_t prefix = 2u + key[1]; /* keyspace and folder */
    int rc = cubby__cursor_seek(c, key, len);
    while (!rc && !(rc = change_at(c, key, prefix, &x)) && !has_vanished(&x, uid))
        rc = cubby__cursor_next(c);
    return rc;
}

/* OK: an EXPUNGE of this commit or a later one has the uid. DONE: none has. */
static int find_tombstone(struct cubby__view *view, uint64_t folder, uint32_t uid, uint64_t commit)
{
    struct cubby__cursor c;
    cubby__view_cursor(view, &c);
    int rc = find_in_commit(&c, folder, uid, commit);
    if (rc == CUBBY_DONE)
        rc = find_behind(&c, folder, uid, commit);
    cubby__cursor_release(&c);
    return rc;
}

/* For a uid below uidnext, which only repeats and damage bring: OK if it is free and may be filled, DONE if there is nothing to do. */
static int check_uid(struct cubby__txn *txn, const struct cubby__record *rec, const struct cubby__entry_rec *e)
{
    struct cubby__view *view = cubby__txn_view(txn);
    struct cubby__message_row row;
    int rc = cubby__message_row_get(view, e->folder, e->uid, &row);
    if (rc == CUBBY_DONE) {
        rc = find_tombstone(view, e->folder, e->uid, rec->commit);
        return rc < 0 ? rc : rc == CUBBY_DONE ? CUBBY_OK : CUBBY_DONE;
    }
    if (!rc && row.created != rec->commit)
        cubby__txn_misplaced(txn, rec, "its uid is another message's");
    return rc ? rc : CUBBY_DONE;
}

static void fill_row(struct cubby__message_row *row, const struct cubby__record *rec, const struct cubby__entry_rec *e,
                     const struct cubby__object_row *object)
{
    row->flags = e->flags;
    row->zone = e->zone;
    row->modseq = row->created = rec->commit;
    row->internaldate = e->internaldate;
    row->save_date = e->save_date;
    row->sent_date = object->sent_date == CUBBY__NO_DATE ? e->internaldate : object->sent_date;
    row->size = object->size;
    row->object = e->object;
    row->thread = object->thread;
    row->place = object->place;
}

static void raise_entry_floors(struct cubby__txn *txn, const struct cubby__entry_rec *e, const struct cubby__keywords *k)
{
    struct cubby__floors *floors = cubby__txn_floors(txn);
    cubby__raise(&floors->folder, e->folder);
    cubby__raise(&floors->object, e->object);
    if (k->count)
        cubby__raise(&floors->keyword, k->id[k->count - 1]);
}

/* The uid and the modseq have been given, whatever has become of the object. */
static int place_entry(struct cubby__txn *txn, const struct cubby__record *rec, const struct cubby__entry_rec *e, struct cubby__folder_row *folder,
                       struct cubby__message_row *row)
{
    struct cubby__object_row object;
    cubby__raise(&folder->uidnext, e->uid + 1ull);
    cubby__raise(&folder->highestmodseq, rec->commit);
    int rc = get_object(txn, e->object, &object);
    if (rc == CUBBY_DONE) {
        cubby__txn_misplaced(txn, rec, "its object is missing");
        return cubby__folder_row_put(txn, e->folder, folder);
    }
    if (rc)
        return rc;
    fill_row(row, rec, e, &object);
    cubby__folder_count(folder, row->flags, row->size, 1);
    rc = put_entry(txn, e->folder, e->uid, row);
    if (!rc)
        rc = add_ref(txn, e->object, &object, 1);
    return rc ? rc : cubby__folder_row_put(txn, e->folder, folder);
}

int cubby__apply_entry(struct cubby__txn *txn, const struct cubby__record *rec)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row folder;
    struct cubby__message_row row;
    struct cubby__entry_rec e;
    if (cubby__entry_decode(rec->payload, rec->len, &e, &row.keywords))
        return cubby__apply_broken(txn, rec, "ENTRY");
    raise_entry_floors(txn, &e, &row.keywords);
    int rc = cubby__folder_row_get(cubby__txn_view(txn), e.folder, buf, &folder);
    if (rc == CUBBY_DONE && (rc = cubby__apply_lost_folder(txn, rec, e.folder)) == CUBBY_OK)
        rc = cubby__folder_row_get(cubby__txn_view(txn), e.folder, buf, &folder);
    if (rc || folder.dead)
        return rc;
    if (e.uid < folder.uidnext && (rc = check_uid(txn, rec, &e)) != 0)
        return rc == CUBBY_DONE ? CUBBY_OK : rc;
    return place_entry(txn, rec, &e, &folder, &row);
}
