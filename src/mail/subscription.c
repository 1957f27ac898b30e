#include "mail/subscription.h"

#include <string.h>

#include "base/error.h"
#include "mail/definitions.h"
#include "mail/name.h"
#include "mail/records.h"

static size_t key_of(uint8_t *key, const char *path, size_t len)
{
    key[0] = CUBBY__KS_SUBSCRIPTION;
    if (len)
        memcpy(key + 1, path, len);
    return 1 + len;
}

int cubby__subscription_next(struct cubby__view *view, const char *after, size_t after_len, char *path, size_t *path_len)
{
    uint8_t key[CUBBY__TREE_KEY_MAX];
    struct cubby__cursor c;
    size_t len = key_of(key, after, after_len < CUBBY__SUBSCRIPTION_MAX ? after_len : CUBBY__SUBSCRIPTION_MAX);
    cubby__view_cursor(view, &c);
    int rc = cubby__cursor_seek(&c, key, len);
    if (!rc && len > 1) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.n == len && memcmp(k.p, key, len) == 0)
            rc = cubby__cursor_next(&c);
    }
    if (!rc) {
        struct cubby__slice k = cubby__cursor_key(&c);
        if (k.p[0] == CUBBY__KS_SUBSCRIPTION && k.n > 1 && k.n <= CUBBY__TREE_KEY_MAX) {
            *path_len = k.n - 1;
            memcpy(path, k.p + 1, *path_len);
            path[*path_len] = 0;
        } else {
            rc = CUBBY_DONE;
        }
    }
    cubby__cursor_release(&c);
    return rc;
}

/* Each component by the rules for names, in NFC. */
static int make_path(const char *path, size_t len, char *out, size_t *out_len)
{
    unsigned depth = 0;
    *out_len = 0;
    if (!path || !len || path[len - 1])
        return CUBBY_EINVAL;
    for (size_t at = 0; at < len;) {
        struct cubby__name name;
        size_t n = strlen(path + at); /* ends at the last NUL at the latest */
        int rc = cubby__name_make(depth, path + at, n, &name);
        if (rc)
            return rc;
        if (++depth > CUBBY__DEPTH_MAX || *out_len + name.len + 1 > CUBBY__SUBSCRIPTION_MAX)
            return CUBBY_ELIMIT;
        memcpy(out + *out_len, name.bytes, name.len + 1);
        *out_len += name.len + 1;
        at += n + 1;
    }
    return CUBBY_OK;
}

int cubby__subscribe(struct cubby__txn *txn, const char *path, size_t path_len, int on)
{
    struct cubby__view *view = cubby__txn_view(txn);
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    char made[CUBBY__SUBSCRIPTION_MAX];
    struct cubby__subscription_rec rec = {.on = on != 0, .path = made};
    int rc = make_path(path, path_len, made, &rec.path_len);
    if (rc)
        return cubby__fail(view->err, rc, NULL, CUBBY__NO_OFFSET, rc == CUBBY_ELIMIT ? "a subscribed path has at most %d bytes"
                           : "a path is folder names, each followed by a NUL", CUBBY__SUBSCRIPTION_MAX);
    size_t n;
    rc = cubby__view_get(view, key, key_of(key, made, rec.path_len), value, &n);
    if (rc < 0)
        return rc;
    if ((rc == CUBBY_OK) == (on != 0))
        return CUBBY_OK;
    if (on && (rc = cubby__definitions_room(txn, CUBBY__DEFINITION_SUBSCRIPTION + rec.path_len)) != 0)
        return rc;
    struct cubby__buf b = CUBBY__BUF_INIT;
    cubby__subscription_encode(&rec, &b);
    return cubby__txn_log_buf(txn, CUBBY__REC_SUBSCRIPTION, &b);
}
