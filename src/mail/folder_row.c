#include "mail/folder_row.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/key.h"

/* First byte of the value. */
#define LIVE      0
#define DISPLACED 1
#define DEAD      2

size_t cubby__folder_row_encode(const struct cubby__folder_row *row, uint8_t *buf)
{
    const uint64_t numbers[] = {row->parent,  row->uidnext, row->recent_uid, row->highestmodseq, row->tombstone_floor, row->messages,
                                row->unseen, row->deleted, row->bytes,      row->deleted_bytes};
    size_t n = 0;
    buf[n++] = row->dead ? DEAD : row->displaced ? DISPLACED : LIVE;
    n += cubby__varint_put(buf + n, row->commit);
    if (row->dead)
        return n;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        n += cubby__varint_put(buf + n, numbers[i]);
    memcpy(buf + n, row->payload, row->payload_len);
    return n + row->payload_len;
}

int cubby__folder_row_decode(const uint8_t *p, size_t n, struct cubby__folder_row *row)
{
    uint64_t *const numbers[] = {&row->parent, &row->uidnext, &row->recent_uid, &row->highestmodseq, &row->tombstone_floor,
                                 &row->messages, &row->unseen, &row->deleted,   &row->bytes,         &row->deleted_bytes};
    struct cubby__reader r = cubby__reader(p, n);
    memset(row, 0, sizeof *row);
    uint64_t kind = cubby__read_max(&r, DEAD);
    row->dead = kind == DEAD;
    row->displaced = kind == DISPLACED;
    row->commit = cubby__read_varint(&r);
    if (row->dead)
        return cubby__read_complete(&r) ? CUBBY_OK : CUBBY_ECORRUPT;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = cubby__read_varint(&r);
    row->payload_len = cubby__read_left(&r);
    row->payload = cubby__read_bytes(&r, row->payload_len);
    if (r.bad || cubby__folder_decode(row->payload, row->payload_len, &row->rec) || row->rec.deleted)
        return CUBBY_ECORRUPT;
    return row->uidnext > CUBBY__UID_MAX + 1ull ? CUBBY_ECORRUPT : CUBBY_OK;
}

int cubby__folder_row_get(struct cubby__view *view, uint64_t id, uint8_t *buf, struct cubby__folder_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    size_t len;
    int rc = cubby__view_get(view, key, cubby__key_folder(key, id), buf, &len);
    if (rc)
        return rc;
    rc = cubby__folder_row_decode(buf, len, row);
    if (!rc && !row->dead && row->rec.id != id)
        rc = CUBBY_ECORRUPT;
    if (rc)
        cubby__fail(view->err, rc, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of folder %llu breaks its format", (unsigned long long)id);
    return rc;
}

int cubby__folder_row_next(struct cubby__view *view, uint64_t *id, uint8_t *buf, struct cubby__folder_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    struct cubby__cursor c;
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, key, cubby__key_folder(key, *id + 1));
    if (!rc) {
        struct cubby__slice k = cubby__cursor_key(&c), v = cubby__cursor_value(&c);
        if (k.p[0] != CUBBY__KS_FOLDER)
            rc = CUBBY_DONE;
        else if (!cubby__keynum_get(k.p + 1, k.n - 1, id) || v.n > CUBBY__TREE_VALUE_MAX)
            rc = cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of a folder breaks its format");
        else
            rc = cubby__folder_row_decode(memcpy(buf, v.p, v.n), v.n, row);
    }
    cubby__cursor_release(&c);
    return rc;
}

int cubby__folder_row_put(struct cubby__txn *txn, uint64_t id, const struct cubby__folder_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    return cubby__txn_put(txn, key, cubby__key_folder(key, id), value, cubby__folder_row_encode(row, value));
}

int cubby__folder_row_need(struct cubby__view *view, uint64_t id, uint8_t *buf, struct cubby__folder_row *row)
{
    int rc = cubby__folder_row_get(view, id, buf, row);
    if (rc == CUBBY_DONE || (!rc && row->dead))
        return cubby__fail(view->err, CUBBY_ENOENT, NULL, CUBBY__NO_OFFSET, "no folder %llu", (unsigned long long)id);
    return rc;
}

void cubby__folder_count(struct cubby__folder_row *row, uint8_t flags, uint64_t size, int by)
{
    const uint64_t n = (uint64_t)(int64_t)by; /* -1 wraps around */
    row->messages += n;
    row->bytes += n * size;
    row->unseen += flags & CUBBY_SEEN ? 0 : n;
    if (flags & CUBBY_DELETED) {
        row->deleted += n;
        row->deleted_bytes += n * size;
    }
}

uint64_t cubby__folder_created(const struct cubby__folder_row *row)
{
    return row->rec.created ? row->rec.created : row->commit;
}

size_t cubby__folder_shown_name(const struct cubby__folder_row *row, char *out)
{
    size_t n = row->rec.name_len;
    memcpy(out, row->rec.name, n);
    if (row->displaced) {
        char digits[20];
        size_t count = 0;
        for (uint64_t id = row->rec.id; id || !count; id /= 10)
            digits[count++] = (char)('0' + id % 10);
        out[n++] = '~';
        while (count)
            out[n++] = digits[--count];
    }
    out[n] = 0;
    return n;
}

/* ---- keys ---- */

size_t cubby__key_folder(uint8_t *buf, uint64_t id)
{
    buf[0] = CUBBY__KS_FOLDER;
    return 1 + cubby__keynum_put(buf + 1, id);
}

size_t cubby__key_name(uint8_t *buf, uint64_t parent, const char *name, size_t len)
{
    buf[0] = CUBBY__KS_NAME;
    size_t n = 1 + cubby__keynum_put(buf + 1, parent);
    if (len)
        memcpy(buf + n, name, len);
    return n + len;
}

size_t cubby__key_change(uint8_t *buf, uint64_t folder, uint64_t modseq, uint32_t uid)
{
    buf[0] = CUBBY__KS_CHANGE;
    size_t n = 1 + cubby__keynum_put(buf + 1, folder);
    n += cubby__keynum_put(buf + n, modseq);
    cubby__put32be(buf + n, uid);
    return n + 4;
}

size_t cubby__key_folder_change(uint8_t *buf, uint64_t modseq, uint64_t folder)
{
    buf[0] = CUBBY__KS_CHANGE;
    size_t n = 1 + cubby__keynum_put(buf + 1, 0);
    n += cubby__keynum_put(buf + n, modseq);
    return n + cubby__keynum_put(buf + n, folder);
}

/* ---- names ---- */

static int read_id(struct cubby__view *view, const uint8_t *p, size_t n, uint64_t *id)
{
    struct cubby__reader r = cubby__reader(p, n);
    *id = cubby__read_varint(&r);
    if (!cubby__read_complete(&r) || !*id)
        return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a name row breaks its format");
    return CUBBY_OK;
}

int cubby__name_get(struct cubby__view *view, uint64_t parent, const char *name, size_t len, uint64_t *id)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t n;
    int rc = cubby__view_get(view, key, cubby__key_name(key, parent, name, len), value, &n);
    return rc ? rc : read_id(view, value, n, id);
}

/* Takes the row under the cursor, if it is a child of the parent whose prefix is given. */
static int take_name(struct cubby__view *view, const struct cubby__cursor *c, const uint8_t *prefix, size_t prefix_len, char *name, size_t *name_len,
                     uint64_t *id)
{
    struct cubby__slice k = cubby__cursor_key(c), v = cubby__cursor_value(c);
    if (k.n <= prefix_len || memcmp(k.p, prefix, prefix_len) != 0)
        return CUBBY_DONE;
    *name_len = k.n - prefix_len;
    if (*name_len > CUBBY__FOLDER_NAME_MAX)
        return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a name row breaks its format");
    memcpy(name, k.p + prefix_len, *name_len);
    return read_id(view, v.p, v.n, id);
}

int cubby__name_next(struct cubby__view *view, uint64_t parent, const char *after, size_t after_len, char *name, size_t *name_len, uint64_t *id)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    struct cubby__cursor c;
    if (after_len > CUBBY__FOLDER_NAME_MAX + 1) /* longer than any: only where it begins matters */
        after_len = CUBBY__FOLDER_NAME_MAX + 1;
    size_t prefix_len = cubby__key_name(key, parent, NULL, 0);
    size_t len = cubby__key_name(key, parent, after, after_len);
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, key, len);
    if (!rc && after_len) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.n == len && memcmp(k.p, key, len) == 0)
            rc = cubby__cursor_next(&c);
    }
    if (!rc)
        rc = take_name(view, &c, key, prefix_len, name, name_len, id);
    cubby__cursor_release(&c);
    return rc;
}
