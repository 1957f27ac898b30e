/* apply_folder.c - the handlers of FOLDER and MARK: folders with their names, and what is known of their numbers. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "mail/apply.h"
#include "mail/changes.h"
#include "mail/folder_row.h"
#include "mail/name.h"
#include "mail/walk.h"

/* ---- names ---- */

static int drop_name(struct cubby__txn *txn, const struct cubby__folder_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    size_t len = cubby__folder_shown_name(row, name);
    return cubby__apply_del(txn, key, cubby__key_name(key, row->parent, name, len));
}

/* The row of the name under which a folder is shown. *other: the folder that had it, 0: none. */
static int take_name(struct cubby__txn *txn, const struct cubby__folder_row *row, uint64_t *other)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__VARINT_MAX];
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    size_t len = cubby__folder_shown_name(row, name);
    int rc = cubby__name_get(cubby__txn_view(txn), row->parent, name, len, other);
    if (rc < 0)
        return rc;
    if (rc == CUBBY_DONE || *other == row->rec.id)
        *other = 0;
    return cubby__txn_put(txn, key, cubby__key_name(key, row->parent, name, len), value, cubby__varint_put(value, row->rec.id));
}

/* Gives a folder its name under row->parent; one that is somebody else's becomes name~id. A folder that is really called so makes way: it is displaced in
 * its turn, and that ends, for none of two has the other's number. */
static int put_name(struct cubby__txn *txn, struct cubby__folder_row *row)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row next;
    uint64_t other;
    int rc = cubby__name_get(cubby__txn_view(txn), row->parent, row->rec.name, row->rec.name_len, &other);
    if (rc < 0)
        return rc;
    row->displaced = rc == CUBBY_OK && other != row->rec.id;
    rc = take_name(txn, row, &other);
    while (!rc && other) {
        rc = cubby__folder_row_need(cubby__txn_view(txn), other, buf, &next);
        next.displaced = 1;
        if (!rc)
            rc = cubby__folder_row_put(txn, other, &next);
        if (!rc)
            rc = take_name(txn, &next, &other);
    }
    return rc;
}

/* The parent that the record names, or the root, if that is not there (its record was lost) or is below the folder itself. */
static int real_parent(struct cubby__txn *txn, const struct cubby__folder_rec *rec, uint64_t *out)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    unsigned depth = 0;
    *out = 0;
    for (uint64_t id = rec->parent; id; id = row.parent) {
        if (id == rec->id || ++depth > CUBBY__DEPTH_MAX)
            return CUBBY_OK;
        int rc = cubby__folder_row_get(cubby__txn_view(txn), id, buf, &row);
        if (rc < 0)
            return rc;
        if (rc == CUBBY_DONE || row.dead)
            return CUBBY_OK;
    }
    *out = rec->parent;
    return CUBBY_OK;
}

/* ---- changes of folders: KS_CHANGE under folder 0, one row a folder ---- */

static int move_change(struct cubby__txn *txn, uint64_t id, uint64_t before, uint64_t now, uint64_t created, int deleted)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    if (before != now) { /* 0: there is none, or that of a folder that was not known before its messages were */
        int rc = cubby__apply_del(txn, key, cubby__key_folder_change(key, before, id));
        if (rc)
            return rc;
    }
    return cubby__txn_put(txn, key, cubby__key_folder_change(key, now, id), value, cubby__change_folder(value, now, created, deleted));
}

/* ---- deleting ---- */

/* Children of a folder that is going can only be there after damage: they come to the top. */
static int free_children(struct cubby__txn *txn, uint64_t id)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX], key[CUBBY__TREE_KEY_MAX];
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    struct cubby__folder_row row;
    uint64_t child;
    size_t len;
    int rc;
    while (!(rc = cubby__name_next(view, id, NULL, 0, name, &len, &child))) {
        rc = cubby__folder_row_need(view, child, buf, &row);
        if (!rc)
            rc = cubby__apply_del(txn, key, cubby__key_name(key, id, name, len));
        row.parent = 0;
        if (!rc)
            rc = put_name(txn, &row);
        if (!rc)
            rc = cubby__folder_row_put(txn, child, &row);
        if (rc)
            return rc;
    }
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

static int drop_messages(struct cubby__txn *txn, uint64_t id)
{
    struct cubby__batch b = {.next = 0};
    struct cubby__message_row row;
    int rc = CUBBY_OK;
    while (!rc && !(rc = cubby__batch_read(&b, cubby__txn_view(txn), id, NULL, CUBBY__UID_MAX)))
        for (size_t i = 0; i < b.count && !rc; i++) {
            rc = cubby__batch_row(&b, i, cubby__txn_view(txn), id, &row);
            if (!rc)
                rc = cubby__entry_forget(txn, id, b.uid[i], &row);
        }
    cubby__batch_release(&b);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* Copies the keys that begin with the prefix, one length byte before each, as many as fit. */
static int read_keys(struct cubby__view *view, const uint8_t *prefix, size_t n, uint8_t *out, size_t cap, size_t *len)
{
    struct cubby__cursor c;
    *len = 0;
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, prefix, n);
    for (; !rc; rc = cubby__cursor_next(&c)) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.n < n || memcmp(k.p, prefix, n) != 0 || k.n > UINT8_MAX || *len + 1 + k.n > cap)
            break;
        out[(*len)++] = (uint8_t)k.n;
        memcpy(out + *len, k.p, k.n);
        *len += k.n;
    }
    cubby__cursor_release(&c);
    return rc < 0 ? rc : CUBBY_OK;
}

/* All rows of a keyspace whose keys begin with the folder. */
static int drop_rows(struct cubby__txn *txn, uint8_t keyspace, uint64_t id)
{
    uint8_t prefix[1 + CUBBY__KEYNUM_MAX], keys[4096];
    prefix[0] = keyspace;
    size_t len, n = 1 + cubby__keynum_put(prefix + 1, id);
    for (;;) {
        int rc = read_keys(cubby__txn_view(txn), prefix, n, keys, sizeof keys, &len);
        for (size_t at = 0; at < len && !rc; at += 1u + keys[at])
            rc = cubby__apply_del(txn, keys + at + 1, keys[at]);
        if (rc || !len)
            return rc;
    }
}

/* Leaves a row that says so, for ever. */
static int bury(struct cubby__txn *txn, const struct cubby__record *rec, uint64_t id, const struct cubby__folder_row *row)
{
    const struct cubby__folder_row dead = {.dead = 1, .commit = rec->commit};
    int rc = CUBBY_OK;
    if (row)
        rc = free_children(txn, id);
    if (row && !rc)
        rc = drop_name(txn, row);
    if (row && !rc)
        rc = drop_messages(txn, id);
    if (row && !rc)
        rc = drop_rows(txn, CUBBY__KS_CHANGE, id);
    if (row && !rc)
        rc = drop_rows(txn, CUBBY__KS_ANNOTATION, id);
    if (!rc)
        rc = move_change(txn, id, row ? row->commit : 0, rec->commit, 0, 1);
    return rc ? rc : cubby__folder_row_put(txn, id, &dead);
}

/* ---- the handlers ---- */

static int place_folder(struct cubby__txn *txn, const struct cubby__record *rec, const struct cubby__folder_rec *f, struct cubby__folder_row *row)
{
    struct cubby__folder_row before = *row;
    uint64_t parent;
    int rc = real_parent(txn, f, &parent);
    if (rc)
        return rc;
    row->parent = parent;
    row->commit = rec->commit;
    row->rec = *f;
    row->payload = rec->payload;
    row->payload_len = rec->len;
    if (before.payload)
        rc = drop_name(txn, &before);
    else
        row->highestmodseq = cubby__folder_created(row);
    if (!rc)
        rc = put_name(txn, row);
    if (!rc)
        rc = move_change(txn, f->id, before.commit, rec->commit, cubby__folder_created(row), 0);
    if (!rc)
        rc = cubby__folder_row_put(txn, f->id, row);
    if (!rc && (row->displaced || parent != f->parent))
        cubby__txn_misplaced(txn, rec, row->displaced ? "its name is another folder's" : "its parent folder is missing");
    return rc;
}

int cubby__apply_folder(struct cubby__txn *txn, const struct cubby__record *rec)
{
    struct cubby__folder_row row = {.uidnext = 1, .recent_uid = 1};
    struct cubby__folder_rec f;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    if (cubby__folder_decode(rec->payload, rec->len, &f))
        return cubby__apply_broken(txn, rec, "FOLDER");
    struct cubby__floors *floors = cubby__txn_floors(txn);
    cubby__raise(&floors->folder, f.id > f.parent ? f.id : f.parent);
    cubby__raise(&floors->uidvalidity, f.uidvalidity);
    int rc = cubby__folder_row_get(cubby__txn_view(txn), f.id, buf, &row);
    if (rc < 0)
        return rc;
    int known = rc == CUBBY_OK;
    if (known && (row.dead || rec->commit < row.commit)) /* of two in one commit the later one stands */
        return CUBBY_OK;
    if (f.deleted)
        return bury(txn, rec, f.id, known ? &row : NULL);
    if (known && row.payload_len == rec->len && memcmp(row.payload, rec->payload, rec->len) == 0 &&
        ((rec->commit == row.commit && !rec->again) || (!row.displaced && row.parent == f.parent)))
        return CUBBY_OK; /* a repeat; a later record of one that could not have its place is not: a repair logs it again, word for word */
    return place_folder(txn, rec, &f, &row);
}

/* The FOLDER record was lost, its messages were not: they stay under a name of ours, with a uidvalidity that nobody has seen, until a record that
 * says more turns up (any commit is higher than 0). */
int cubby__apply_lost_folder(struct cubby__txn *txn, const struct cubby__record *rec, uint64_t id)
{
    char name[64];
    struct cubby__buf payload = CUBBY__BUF_INIT;
    struct cubby__folder_rec f = {.id = id, .name = name};
    uint64_t uidvalidity = cubby__txn_floors(txn)->uidvalidity + 1;
    f.uidvalidity = uidvalidity > UINT32_MAX ? UINT32_MAX : (uint32_t)uidvalidity;
    f.name_len = (size_t)snprintf(name, sizeof name, "lost+found-%llu", (unsigned long long)id);
    cubby__folder_encode(&f, &payload);
    struct cubby__record folder = {.type = CUBBY__REC_FOLDER, .place = rec->place, .payload = payload.data, .len = payload.len};
    int rc = payload.failed ? cubby__fail_mem(cubby__txn_err(txn)) : cubby__apply_folder(txn, &folder);
    cubby__buf_release(&payload);
    cubby__txn_misplaced(txn, rec, "its folder is missing; such messages are in lost+found");
    return rc;
}

int cubby__apply_mark(struct cubby__txn *txn, const struct cubby__record *rec)
{
    struct cubby__folder_row row;
    struct cubby__mark_rec m;
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    if (cubby__mark_decode(rec->payload, rec->len, &m))
        return cubby__apply_broken(txn, rec, "MARK");
    cubby__raise(&cubby__txn_floors(txn)->folder, m.folder);
    int rc = cubby__folder_row_get(cubby__txn_view(txn), m.folder, buf, &row);
    if (rc == CUBBY_DONE) {
        cubby__txn_misplaced(txn, rec, "no such folder");
        return CUBBY_OK;
    }
    if (rc || row.dead || (m.uidnext <= row.uidnext && m.highestmodseq <= row.highestmodseq && m.tombstone_floor <= row.tombstone_floor &&
                           m.recent_uid <= row.recent_uid))
        return rc;
    cubby__raise(&row.uidnext, m.uidnext);
    cubby__raise(&row.highestmodseq, m.highestmodseq);
    cubby__raise(&row.tombstone_floor, m.tombstone_floor);
    cubby__raise(&row.recent_uid, m.recent_uid);
    return cubby__folder_row_put(txn, m.folder, &row);
}
