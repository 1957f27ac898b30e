#include "mail/keyword.h"

#include <string.h>

#include "base/error.h"
#include "base/key.h"
#include "mail/records.h"

/* RFC 9051: an atom, which is printable ASCII but for these. */
int cubby__keyword_valid(const char *name, size_t len)
{
    if (!len || len > CUBBY__KEYWORD_LEN_MAX)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] >= 0x7f || strchr("(){%*\"\\]", name[i]))
            return 0;
    return 1;
}

size_t cubby__key_keyword(uint8_t *buf, uint16_t id)
{
    buf[0] = CUBBY__KS_KEYWORD;
    return 1 + cubby__keynum_put(buf + 1, id);
}

size_t cubby__key_keyword_name(uint8_t *buf, const char *name, size_t len)
{
    buf[0] = CUBBY__KS_KEYWORD_NAME;
    for (size_t i = 0; i < len; i++)
        buf[1 + i] = (uint8_t)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] | 0x20 : name[i]);
    return 1 + len;
}

static int broken(struct cubby__view *view)
{
    return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a keyword row breaks its format");
}

/* Value: the commit of the record, and the name. */
int cubby__keyword_name(struct cubby__view *view, uint16_t id, char *out)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t n;
    int rc = cubby__view_get(view, key, cubby__key_keyword(key, id), value, &n);
    if (rc)
        return rc;
    struct cubby__reader r = cubby__reader(value, n);
    cubby__read_varint(&r);
    size_t len = cubby__read_left(&r);
    if (!len || len > CUBBY__KEYWORD_LEN_MAX)
        return broken(view);
    memcpy(out, r.p, len);
    out[len] = 0;
    return CUBBY_OK;
}

static int find(struct cubby__view *view, const char *name, size_t len, uint16_t *out)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t n;
    int rc = cubby__view_get(view, key, cubby__key_keyword_name(key, name, len), value, &n);
    if (rc)
        return rc;
    struct cubby__reader r = cubby__reader(value, n);
    *out = (uint16_t)cubby__read_max(&r, CUBBY__KEYWORDS_MAX);
    return !cubby__read_complete(&r) || !*out ? broken(view) : CUBBY_OK;
}

int cubby__keyword_find(struct cubby__view *view, const char *name, uint16_t *out)
{
    size_t len = strlen(name);
    return cubby__keyword_valid(name, len) ? find(view, name, len, out) : CUBBY_DONE;
}

/* ---- names to numbers ---- */

/* Keeps them sorted and each once. */
static void insert(struct cubby__keywords *k, uint16_t id)
{
    size_t at = 0;
    while (at < k->count && k->id[at] < id)
        at++;
    if (at < k->count && k->id[at] == id)
        return;
    memmove(k->id + at + 1, k->id + at, (k->count - at) * sizeof *k->id);
    k->id[at] = id;
    k->count++;
}

static int invalid(struct cubby__view *view)
{
    return cubby__fail(view->err, CUBBY_EINVAL, NULL, CUBBY__NO_OFFSET, "a keyword is an atom of 1 to %d ASCII characters", CUBBY__KEYWORD_LEN_MAX);
}

static int same_name(const char *a, const char *b)
{
    uint8_t x[CUBBY__TREE_KEY_MAX], y[CUBBY__TREE_KEY_MAX];
    size_t n = cubby__key_keyword_name(x, a, strlen(a));
    return cubby__key_keyword_name(y, b, strlen(b)) == n && memcmp(x, y, n) == 0;
}

/* Names that the store has not, each once however it is spelled; more than it can have are not told apart. */
struct unknown {
    const char *name[CUBBY__KEYWORDS_MAX + 1];
    size_t count;
};

static void add_unknown(struct unknown *u, const char *name)
{
    size_t i = 0;
    while (i < u->count && !same_name(u->name[i], name))
        i++;
    if (i == u->count && i <= CUBBY__KEYWORDS_MAX)
        u->name[u->count++] = name;
}

int cubby__keywords_resolve(struct cubby__view *view, const char *const *names, size_t count, struct cubby__keywords *out, size_t *unknown)
{
    struct unknown u;
    out->count = 0;
    u.count = 0;
    if (unknown)
        *unknown = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = names[i] ? strlen(names[i]) : 0;
        uint16_t id;
        if (!cubby__keyword_valid(names[i], len))
            return invalid(view);
        int rc = find(view, names[i], len, &id);
        if (rc < 0)
            return rc;
        if (rc == CUBBY_OK)
            insert(out, id);
        else
            add_unknown(&u, names[i]);
    }
    if (unknown)
        *unknown = u.count;
    return CUBBY_OK;
}

static int make(struct cubby__txn *txn, const char *name, uint16_t *id)
{
    const uint64_t floor = cubby__txn_floors(txn)->keyword;
    struct cubby__keyword_rec rec = {.name = name, .name_len = strlen(name)};
    struct cubby__buf b = CUBBY__BUF_INIT;
    if (floor >= CUBBY__KEYWORDS_MAX)
        return cubby__fail(cubby__txn_err(txn), CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "a store has at most %d keywords", CUBBY__KEYWORDS_MAX);
    *id = rec.id = (uint16_t)(floor + 1);
    cubby__keyword_encode(&rec, &b);
    return cubby__txn_log_buf(txn, CUBBY__REC_KEYWORD, &b);
}

int cubby__keywords_check(struct cubby__txn *txn, const char *const *names, size_t count, struct cubby__keywords *out, size_t *unknown)
{
    int rc = cubby__keywords_resolve(cubby__txn_view(txn), names, count, out, unknown);
    if (!rc && *unknown > CUBBY__KEYWORDS_MAX - cubby__txn_floors(txn)->keyword)
        rc = cubby__fail(cubby__txn_err(txn), CUBBY_ELIMIT, NULL, CUBBY__NO_OFFSET, "a store has at most %d keywords", CUBBY__KEYWORDS_MAX);
    return rc;
}

int cubby__keywords_make(struct cubby__txn *txn, const char *const *names, size_t count, struct cubby__keywords *out)
{
    size_t unknown;
    int rc = cubby__keywords_check(txn, names, count, out, &unknown);
    for (size_t i = 0; i < count && unknown && !rc; i++) {
        uint16_t id = 0;
        rc = find(cubby__txn_view(txn), names[i], strlen(names[i]), &id);
        if (rc == CUBBY_DONE)
            rc = make(txn, names[i], &id);
        if (!rc)
            insert(out, id);
    }
    return rc;
}
