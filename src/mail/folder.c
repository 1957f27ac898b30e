#include "mail/folder.h"

#include <string.h>

#include "base/error.h"
#include "mail/annotation.h"
#include "mail/definitions.h"
#include "mail/folder_row.h"
#include "mail/name.h"

#define USES_ALL 255u /* CUBBY_USE_... */

/* ---- reading ---- */

static void show(const struct cubby__folder_row *row, struct cubby__folder *out)
{
    cubby_folder *f = &out->f;
    memset(f, 0, sizeof *f);
    f->id = row->rec.id;
    f->parent = row->parent;
    f->name = out->name;
    f->name_len = cubby__folder_shown_name(row, out->name);
    f->special_use = row->rec.special_use;
    f->uidvalidity = row->rec.uidvalidity;
    f->uidnext = row->uidnext;
    f->recent_uid = row->recent_uid > UINT32_MAX ? UINT32_MAX : (uint32_t)row->recent_uid;
    f->highestmodseq = row->highestmodseq;
    f->props_modseq = row->commit;
    f->created_modseq = cubby__folder_created(row);
    f->messages = row->messages;
    f->unseen = row->unseen;
    f->deleted = row->deleted;
    f->bytes = row->bytes;
    f->deleted_bytes = row->deleted_bytes;
    f->tombstone_floor = row->tombstone_floor;
}

int cubby__folder_get(struct cubby__view *view, uint64_t id, struct cubby__folder *out)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_get(view, id, buf, &row);
    if (rc)
        return rc;
    if (row.dead)
        return CUBBY_DONE;
    show(&row, out);
    return CUBBY_OK;
}

/* A name row leads to a live folder of that name, always; so a walk goes forward, and meets each folder once. DONE: a change of this transaction failed
 * half-way, and left it without. */
static int get_named(struct cubby__view *view, uint64_t parent, const char *name, size_t len, uint64_t id, struct cubby__folder *out)
{
    int rc = cubby__folder_get(view, id, out);
    if (!rc && (out->f.parent != parent || out->f.name_len != len || memcmp(out->name, name, len) != 0))
        rc = CUBBY_DONE;
    if (rc != CUBBY_DONE || (view->txn && cubby__txn_spoiled(view->txn)))
        return rc;
    return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a name in the index leads to no folder of that name");
}

int cubby__folder_find(struct cubby__view *view, uint64_t parent, const char *name, size_t name_len, struct cubby__folder *out)
{
    struct cubby__name n;
    uint64_t id;
    int rc = cubby__name_make(parent, name, name_len, &n);
    if (rc)
        return rc == CUBBY_EINVAL ? CUBBY_DONE : rc;
    rc = cubby__name_get(view, parent, n.bytes, n.len, &id);
    return rc ? rc : get_named(view, parent, n.bytes, n.len, id, out);
}

int cubby__folder_next(struct cubby__view *view, uint64_t parent, const char *after, size_t after_len, struct cubby__folder *out)
{
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    size_t len;
    uint64_t id;
    int rc;
    do {
        rc = cubby__name_next(view, parent, after, after_len, name, &len, &id);
        if (rc)
            return rc;
        rc = get_named(view, parent, name, len, id, out);
        after = name;
        after_len = len;
    } while (rc == CUBBY_DONE);
    return rc;
}

int cubby__folder_totals(struct cubby__view *view, uint64_t *folders, uint64_t *messages)
{
    const uint8_t first = CUBBY__KS_FOLDER;
    struct cubby__folder_row row;
    struct cubby__cursor c;
    *folders = *messages = 0;
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, &first, 1);
    for (; !rc && cubby__cursor_key(&c).p[0] == first; rc = cubby__cursor_next(&c)) {
        struct cubby__slice v = cubby__cursor_value(&c);
        rc = cubby__folder_row_decode(v.p, v.n, &row);
        if (rc)
            break;
        *folders += !row.dead;
        *messages += row.messages;
    }
    cubby__cursor_release(&c);
    return rc == CUBBY_DONE ? CUBBY_OK : rc;
}

/* ---- where a folder stands ---- */

/* Folders from id up to the top, id included: 0 for the root. ENOENT if there is no such folder. EINVAL if `not_below` is one of them. */
static int depth_of(struct cubby__view *view, uint64_t id, uint64_t not_below, unsigned *depth)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    for (*depth = 0; id; id = row.parent) {
        if (id == not_below)
            return cubby__fail(view->err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "a folder cannot be moved into itself");
        int rc = cubby__folder_row_need(view, id, buf, &row);
        if (rc)
            return rc;
        if (++*depth > CUBBY__DEPTH_MAX)
            return cubby__fail(view->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "folders may be at most %d deep", CUBBY__DEPTH_MAX);
    }
    return CUBBY_OK;
}

/* Levels of folders from id down, id included, but no more than `limit` of them are looked at. */
static int height_of(struct cubby__view *view, uint64_t id, unsigned limit, unsigned *height)
{
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    size_t len = 0;
    uint64_t child;
    int rc;
    *height = 1;
    if (limit <= 1)
        return CUBBY_OK;
    while (*height < limit && !(rc = cubby__name_next(view, id, name, len, name, &len, &child))) {
        unsigned below;
        rc = height_of(view, child, limit - 1, &below);
        if (rc)
            return rc;
        if (below + 1 > *height)
            *height = below + 1;
    }
    return *height < limit && rc != CUBBY_DONE ? rc : CUBBY_OK;
}

/* Whether the folder id with all below it (0: one that is yet to be made) may come under parent. */
static int check_depth(struct cubby__view *view, uint64_t id, uint64_t parent)
{
    unsigned depth, height = 1;
    int rc = depth_of(view, parent, id, &depth);
    if (!rc && id)
        rc = height_of(view, id, CUBBY__DEPTH_MAX + 1 - depth, &height);
    if (!rc && depth + height > CUBBY__DEPTH_MAX)
        rc = cubby__fail(view->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "folders may be at most %d deep", CUBBY__DEPTH_MAX);
    return rc;
}

static int check_name(struct cubby__view *view, uint64_t parent, const char *name, size_t len, struct cubby__name *out)
{
    int rc = cubby__name_make(parent, name, len, out);
    if (rc == CUBBY_EINVAL)
        return cubby__fail(view->err, rc, NULL, CUBBY__NO_OFFSET,
                           "a folder name has 1 to %d bytes of UTF-8 without control characters", CUBBY__NAME_MAX);
    return rc;
}

/* EEXIST, unless the name is free or the folder's own. */
static int check_free(struct cubby__view *view, uint64_t id, uint64_t parent, const struct cubby__name *name)
{
    uint64_t other;
    int rc = cubby__name_get(view, parent, name->bytes, name->len, &other);
    if (rc)
        return rc == CUBBY_DONE ? CUBBY_OK : rc;
    return other == id ? CUBBY_OK : cubby__fail(view->err, CUBBY_EEXIST, NULL, CUBBY__NO_OFFSET, "there is a folder of that name");
}

/* ---- changing ---- */

static int log_folder(struct cubby__txn *txn, const struct cubby__folder_rec *rec)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__folder_encode(rec, &b);
    return cubby__txn_log_buf(txn, CUBBY__REC_FOLDER, &b);
}

uint64_t cubby__next_uidvalidity(struct cubby__txn *txn)
{
    uint64_t least = cubby__txn_floors(txn)->uidvalidity + 1;
    int64_t now = cubby__txn_now(txn);
    return now > 0 && (uint64_t)now > least && now <= (int64_t)UINT32_MAX ? (uint64_t)now : least;
}

static int check_new(struct cubby__view *view, uint64_t parent, const char *name, size_t name_len, struct cubby__name *out)
{
    int rc = check_name(view, parent, name, name_len, out);
    if (!rc)
        rc = check_depth(view, 0, parent);
    return rc ? rc : check_free(view, 0, parent, out);
}

static int create(struct cubby__txn *txn, uint64_t parent, const struct cubby__name *name, uint32_t uidvalidity, uint64_t *id)
{
    struct cubby__folder_rec rec = {.id = cubby__txn_floors(txn)->folder + 1, .parent = parent, .uidvalidity = uidvalidity, .name = name->bytes,
                                    .name_len = name->len};
    int rc = log_folder(txn, &rec);
    if (!rc && id)
        *id = rec.id;
    return rc;
}

int cubby__folder_create(struct cubby__txn *txn, uint64_t parent, const char *name, size_t name_len, uint64_t *id)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint64_t next = cubby__next_uidvalidity(txn);
    struct cubby__name n;
    int rc = check_new(view, parent, name, name_len, &n);
    if (!rc && next > UINT32_MAX)
        rc = cubby__fail(view->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "all uidvalidities are used up");
    if (!rc)
        rc = cubby__definitions_room(txn, CUBBY__DEFINITION_FOLDER + n.len);
    return rc ? rc : create(txn, parent, &n, (uint32_t)next, id);
}

int cubby__folder_create_anyway(struct cubby__txn *txn, const char *name, size_t name_len, uint64_t *id)
{
    uint64_t next = cubby__next_uidvalidity(txn);
    struct cubby__name n;
    int rc = check_new(cubby__txn_view(txn), CUBBY_ROOT, name, name_len, &n);
    return rc ? rc : create(txn, CUBBY_ROOT, &n, next > UINT32_MAX ? UINT32_MAX : (uint32_t)next, id);
}

/* The record that changes a folder starts from what it is. */
static struct cubby__folder_rec present(const struct cubby__folder_row *row)
{
    struct cubby__folder_rec rec = row->rec;
    rec.parent = row->parent;
    rec.created = cubby__folder_created(row);
    return rec;
}

static int is_inbox(const struct cubby__folder_row *row)
{
    return !row->displaced && cubby__name_is_inbox(row->parent, row->rec.name, row->rec.name_len);
}

static int not_inbox(struct cubby__view *view, const struct cubby__folder_row *row, const char *what)
{
    if (is_inbox(row))
        return cubby__fail(view->err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "INBOX cannot be %s", what);
    return CUBBY_OK;
}

int cubby__folder_rename(struct cubby__txn *txn, uint64_t id, uint64_t new_parent, const char *name, size_t name_len)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    struct cubby__name n;
    int rc = cubby__folder_row_need(view, id, buf, &row);
    if (!rc)
        rc = not_inbox(view, &row, "renamed");
    if (!rc)
        rc = check_name(view, new_parent, name, name_len, &n);
    if (!rc && row.parent != new_parent)
        rc = check_depth(view, id, new_parent);
    if (!rc)
        rc = check_free(view, id, new_parent, &n);
    if (rc)
        return rc;
    if (row.parent == new_parent && !row.displaced && row.rec.name_len == n.len && memcmp(row.rec.name, n.bytes, n.len) == 0)
        return CUBBY_OK;
    if (n.len > row.rec.name_len && (rc = cubby__definitions_room(txn, n.len - row.rec.name_len)) != 0)
        return rc;
    struct cubby__folder_rec rec = present(&row);
    rec.parent = new_parent;
    rec.name = n.bytes;
    rec.name_len = n.len;
    return log_folder(txn, &rec);
}

int cubby__folder_delete(struct cubby__txn *txn, uint64_t id)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    char name[CUBBY__FOLDER_NAME_MAX + 1];
    struct cubby__folder_row row;
    size_t len;
    uint64_t child;
    int rc = cubby__folder_row_need(view, id, buf, &row);
    if (!rc)
        rc = not_inbox(view, &row, "deleted");
    if (rc)
        return rc;
    rc = cubby__name_next(view, id, NULL, 0, name, &len, &child);
    if (rc != CUBBY_DONE)
        return rc ? rc : cubby__fail(view->err, CUBBY_EHASCHILD, NULL, CUBBY__NO_OFFSET, "folder %llu has subfolders", (unsigned long long)id);
    struct cubby__folder_rec rec = {.id = id, .deleted = 1};
    return log_folder(txn, &rec);
}

int cubby__folder_set_special(struct cubby__txn *txn, uint64_t id, uint32_t special_use)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    if (special_use & ~USES_ALL)
        return cubby__fail(view->err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "no such special use");
    int rc = cubby__folder_row_need(view, id, buf, &row);
    if (rc || row.rec.special_use == special_use)
        return rc;
    if (is_inbox(&row))
        rc = cubby__remember_first_uidvalidity(txn);
    if (rc)
        return rc;
    struct cubby__folder_rec rec = present(&row);
    rec.special_use = special_use;
    return log_folder(txn, &rec);
}

int cubby__folder_set_uidvalidity(struct cubby__txn *txn, uint64_t id, uint32_t uidvalidity)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_need(cubby__txn_view(txn), id, buf, &row);
    if (rc)
        return rc;
    struct cubby__folder_rec rec = present(&row);
    rec.uidvalidity = uidvalidity;
    return log_folder(txn, &rec);
}

int cubby__recent_claim(struct cubby__txn *txn, uint64_t id, uint32_t *first)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_need(view, id, buf, &row);
    if (rc)
        return rc;
    const uint32_t recent = row.recent_uid > UINT32_MAX ? UINT32_MAX : (uint32_t)row.recent_uid;
    if (row.recent_uid < row.uidnext) {
        const struct cubby__mark_rec mark = {.folder = id, .recent_uid = row.uidnext};
        struct cubby__buf b = CUBBY__BUF_INIT;
        cubby__mark_encode(&mark, &b);
        rc = cubby__txn_log_buf(txn, CUBBY__REC_MARK, &b);
    }
    if (!rc)
        *first = recent;
    return rc;
}
