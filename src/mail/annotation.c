#include "mail/annotation.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "base/varint.h"
#include "mail/apply.h"
#include "mail/folder.h"
#include "mail/folder_row.h"

/* ---- records ----------------------------------------------------------------------------------------------------------------------- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* '/' and components: ASCII without control characters and wildcards, none empty. */
static int is_entry(const char *p, size_t n)
{
    if (n < 2 || n > CUBBY__ANNOTATION_ENTRY_MAX || p[0] != '/' || p[n - 1] == '/')
        return 0;
    for (size_t i = 0; i < n; i++)
        if (p[i] < ' ' || p[i] > '~' || p[i] == '*' || p[i] == '%' || p[i] != lower(p[i]) || (i && p[i] == '/' && p[i - 1] == '/'))
            return 0;
    return 1;
}

void cubby__annotation_encode(const struct cubby__annotation_rec *r, struct cubby__buf *out)
{
    cubby__buf_varint(out, r->folder);
    cubby__buf_varint(out, 0); /* everybody */
    cubby__buf_varint(out, r->entry_len);
    cubby__buf_add(out, r->entry, r->entry_len);
    cubby__buf_byte(out, r->set ? 1 : 0);
    if (r->set)
        cubby__buf_add(out, r->value, r->value_len);
}

int cubby__annotation_decode(const uint8_t *p, size_t n, struct cubby__annotation_rec *r)
{
    struct cubby__reader in = cubby__reader(p, n);
    *r = (struct cubby__annotation_rec){0};
    r->folder = cubby__read_max(&in, CUBBY__NUMBER_MAX);
    uint64_t principal = cubby__read_varint(&in);
    r->entry_len = cubby__read_max(&in, CUBBY__ANNOTATION_ENTRY_MAX);
    r->entry = (const char *)cubby__read_bytes(&in, r->entry_len);
    r->set = (int)cubby__read_max(&in, 1);
    r->value_len = cubby__read_left(&in);
    r->value = cubby__read_bytes(&in, r->value_len);
    if (in.bad || principal || !is_entry(r->entry, r->entry_len))
        return CUBBY_ECORRUPT;
    return r->value_len > (r->set ? (size_t)CUBBY_ANNOTATION_MAX : 0) ? CUBBY_ECORRUPT : CUBBY_OK;
}

/* ---- reading ----------------------------------------------------------------------------------------------------------------------- */

static size_t key_of(uint8_t *key, uint64_t folder, const char *entry, size_t len)
{
    key[0] = CUBBY__KS_ANNOTATION;
    size_t n = 1 + cubby__keynum_put(key + 1, folder);
    n += cubby__keynum_put(key + n, 0);
    if (len)
        memcpy(key + n, entry, len);
    return n + len;
}

/* Lower case into out; its length, 0: not an entry's name. */
static size_t make_entry(const char *entry, char out[CUBBY__ANNOTATION_ENTRY_MAX + 1])
{
    size_t n = strnlen(entry, CUBBY__ANNOTATION_ENTRY_MAX + 1);
    if (n > CUBBY__ANNOTATION_ENTRY_MAX)
        return 0;
    for (size_t i = 0; i < n; i++)
        out[i] = lower(entry[i]);
    out[n] = 0;
    return is_entry(out, n) ? n : 0;
}

static int bad_entry(cubby_error *err)
{
    return cubby__fail(err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET,
                       "an annotation's name is like /shared/comment: ASCII, at most %d bytes, no * and no %%", CUBBY__ANNOTATION_ENTRY_MAX);
}

/* A row's value: varint commit, then the annotation's. */
static int row_value(struct cubby__view *view, const uint8_t *row, size_t n, const uint8_t **value, size_t *len)
{
    struct cubby__reader in = cubby__reader(row, n);
    (void)cubby__read_varint(&in);
    *len = cubby__read_left(&in);
    *value = cubby__read_bytes(&in, *len);
    return in.bad ? cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "an annotation's row breaks its format") : CUBBY_OK;
}

int cubby__annotation_get(struct cubby__view *view, uint64_t folder, const char *entry, uint8_t *buf, const uint8_t **value, size_t *len)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    char name[CUBBY__ANNOTATION_ENTRY_MAX + 1];
    size_t n = make_entry(entry, name);
    if (!n)
        return bad_entry(view->err);
    int rc = cubby__view_get(view, key, key_of(key, folder, name, n), buf, &n);
    return rc ? rc : row_value(view, buf, n, value, len);
}

/* The row that the cursor stands on, if it is one of the folder's. */
static int take_row(struct cubby__view *view, struct cubby__cursor *c, const uint8_t *key, size_t base, char *entry, uint8_t *buf,
                    const uint8_t **value, size_t *len)
{
    struct cubby__slice k = cubby__cursor_key(c), v = cubby__cursor_value(c);
    if (k.n <= base || memcmp(k.p, key, base) != 0)
        return CUBBY_DONE;
    if (k.n - base > CUBBY__ANNOTATION_ENTRY_MAX || v.n > CUBBY__TREE_VALUE_MAX)
        return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "an annotation's row breaks its format");
    memcpy(entry, k.p + base, k.n - base);
    entry[k.n - base] = 0;
    memcpy(buf, v.p, v.n);
    return row_value(view, buf, v.n, value, len);
}

int cubby__annotation_next(struct cubby__view *view, uint64_t folder, const char *after, char *entry, uint8_t *buf, const uint8_t **value, size_t *len)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    struct cubby__cursor c;
    size_t behind = after ? strnlen(after, CUBBY__ANNOTATION_ENTRY_MAX) : 0;
    size_t base = key_of(key, folder, NULL, 0), n = key_of(key, folder, after, behind);
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, key, n);
    if (!rc && behind) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.n == n && memcmp(k.p, key, n) == 0)
            rc = cubby__cursor_next(&c);
    }
    if (!rc)
        rc = take_row(view, &c, key, base, entry, buf, value, len);
    cubby__cursor_release(&c);
    return rc;
}

/* ---- changing ---------------------------------------------------------------------------------------------------------------------- */

static int log_annotation(struct cubby__txn *txn, const struct cubby__annotation_rec *rec)
{
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__annotation_encode(rec, &b);
    return cubby__txn_log_buf(txn, CUBBY__REC_ANNOTATION, &b);
}

/* What is so already is not written again. */
static int set(struct cubby__txn *txn, uint64_t folder, const char *entry, const void *value, size_t len)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    char name[CUBBY__ANNOTATION_ENTRY_MAX + 1];
    const uint8_t *old = NULL;
    size_t old_len = 0, n = make_entry(entry, name);
    if (!n)
        return bad_entry(view->err);
    if (value && len > CUBBY_ANNOTATION_MAX)
        return cubby__fail(view->err, CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "an annotation has at most %d bytes", CUBBY_ANNOTATION_MAX);
    int rc = cubby__annotation_get(view, folder, name, buf, &old, &old_len);
    if (rc < 0)
        return rc;
    if (value ? rc == CUBBY_OK && old_len == len && (!len || memcmp(old, value, len) == 0) : rc == CUBBY_DONE)
        return CUBBY_OK;
    return log_annotation(txn, &(struct cubby__annotation_rec){folder, name, n, value != NULL, value, value ? len : 0});
}

int cubby__annotation_set(struct cubby__txn *txn, uint64_t folder, const char *entry, const void *value, size_t len)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_need(cubby__txn_view(txn), folder, buf, &row);
    return rc ? rc : set(txn, folder, entry, value, len);
}

static int put_annotation(struct cubby__txn *txn, const struct cubby__record *rec, const struct cubby__annotation_rec *a)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t key_len = key_of(key, a->folder, a->entry, a->entry_len);
    if (!a->set)
        return cubby__apply_del(txn, key, key_len);
    size_t n = cubby__varint_put(value, rec->commit);
    if (a->value_len)
        memcpy(value + n, a->value, a->value_len);
    return cubby__txn_put(txn, key, key_len, value, n + a->value_len);
}

/* Of a folder that is deleted nothing stays; of one whose FOLDER record was lost there is nothing to hang it on. */
int cubby__apply_annotation(struct cubby__txn *txn, const struct cubby__record *rec)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__annotation_rec a;
    struct cubby__folder_row row;
    if (cubby__annotation_decode(rec->payload, rec->len, &a))
        return cubby__apply_broken(txn, rec, "ANNOTATION");
    if (!a.folder)
        return put_annotation(txn, rec, &a);
    int rc = cubby__folder_row_get(cubby__txn_view(txn), a.folder, buf, &row);
    if (rc == CUBBY_DONE)
        cubby__txn_misplaced(txn, rec, "no such folder");
    if (rc || row.dead)
        return rc < 0 ? rc : CUBBY_OK;
    rc = put_annotation(txn, rec, &a);
    cubby__raise(&row.highestmodseq, rec->commit); /* RFC 7162, 3.2 */
    return rc ? rc : cubby__folder_row_put(txn, a.folder, &row);
}

/* ---- taking over a uidvalidity --------------------------------------------------------------------------------------------------------
 *
 * No uidvalidity is given twice. Those above the highest ever given are new. Those below the first that this store gave (it counts
 * upwards from there) are new unless they were taken over before, which annotations of the store remember for ever. Of those between
 * nobody knows. */

#define TAKEN "/cubby/taken/"
#define FIRST "/cubby/first-uidvalidity"

/* The first uidvalidity that this store gave: INBOX's, as the first commit of the store says, or as was remembered when another record took the place of
 * that one. If it was lost, no number counts as lower. */
static int first_given(struct cubby__view *view, uint32_t *out)
{
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    const uint8_t *value;
    size_t len;
    uint64_t id;
    int rc = cubby__annotation_get(view, CUBBY_ROOT, FIRST, buf, &value, &len);
    if (rc == CUBBY_OK) {
        struct cubby__reader in = cubby__reader(value, len);
        *out = (uint32_t)cubby__read_max(&in, UINT32_MAX);
        return in.bad ? (*out = 0, CUBBY_OK) : CUBBY_OK; /* 0: none is below */
    }
    if (rc == CUBBY_DONE)
        rc = cubby__name_get(view, CUBBY_ROOT, CUBBY__INBOX, sizeof CUBBY__INBOX - 1, &id);
    if (rc == CUBBY_OK)
        rc = cubby__folder_row_need(view, id, buf, &row);
    if (rc < 0)
        return rc;
    *out = rc == CUBBY_OK && row.commit == 1 ? row.rec.uidvalidity : 0;
    return CUBBY_OK;
}

static int remember(struct cubby__txn *txn, uint32_t first)
{
    uint8_t value[CUBBY__VARINT_MAX];
    return set(txn, CUBBY_ROOT, FIRST, value, cubby__varint_put(value, first));
}

int cubby__remember_first_uidvalidity(struct cubby__txn *txn)
{
    uint32_t first;
    int rc = first_given(cubby__txn_view(txn), &first);
    return rc ? rc : remember(txn, first);
}

/* OK if it was never given, and is remembered from now on. */
static int claim(struct cubby__txn *txn, uint32_t uidvalidity)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    char entry[40];
    const uint8_t *value;
    size_t len;
    uint32_t first;
    int rc = first_given(view, &first);
    if (rc)
        return rc;
    if (uidvalidity > cubby__txn_floors(txn)->uidvalidity)
        return remember(txn, first); /* before INBOX gets another */
    snprintf(entry, sizeof entry, TAKEN "%u", (unsigned)uidvalidity);
    rc = cubby__annotation_get(view, CUBBY_ROOT, entry, buf, &value, &len);
    if (rc < 0)
        return rc;
    if (rc == CUBBY_OK || uidvalidity >= first)
        return cubby__fail(view->err, CUBBY_ECONFLICT, NULL, CUBBY__NO_OFFSET, "the uidvalidity %u was, or may have been, given before",
                           (unsigned)uidvalidity);
    rc = remember(txn, first);
    return rc ? rc : set(txn, CUBBY_ROOT, entry, "", 0);
}

int cubby__folder_take_uidvalidity(struct cubby__txn *txn, uint64_t id, uint32_t uidvalidity)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t buf[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    int rc = cubby__folder_row_need(view, id, buf, &row);
    if (rc || row.rec.uidvalidity == uidvalidity)
        return rc;
    if (!uidvalidity || uidvalidity > CUBBY__UIDVALIDITY_LAST)
        return cubby__fail(view->err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "a uidvalidity is at least 1 and leaves room for others");
    if (row.uidnext != 1)
        return cubby__fail(view->err, CUBBY_ECONFLICT, NULL, CUBBY__NO_OFFSET, "folder %llu has given uids already", (unsigned long long)id);
    rc = claim(txn, uidvalidity);
    return rc ? rc : cubby__folder_set_uidvalidity(txn, id, uidvalidity);
}
