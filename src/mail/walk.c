#include "mail/walk.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"

/* Rows to step over one by one before a new descent from the root is cheaper. */
#define STEPS 8

void cubby__walk_open(struct cubby__walk *w, const struct cubby__view *view, uint64_t folder, const cubby_uidset *uids, uint32_t first,
                      uint32_t last)
{
    w->prefix_len = cubby__key_message(w->key, folder, 0) - 4;
    w->uids = uids;
    w->range = uids ? cubby__uidset_seek(uids, first) : 0;
    w->next = first;
    w->last = last;
    w->uid = 0;
    cubby__view_cursor(view, &w->cursor);
}

void cubby__walk_close(struct cubby__walk *w)
{
    cubby__cursor_release(&w->cursor);
}

/* Raises `next` to a uid that is wanted. */
static int wanted(struct cubby__walk *w)
{
    if (w->uids) {
        while (w->range < w->uids->count && w->uids->range[w->range].last < w->next)
            w->range++;
        if (w->range == w->uids->count)
            return CUBBY_DONE;
        if (w->uids->range[w->range].first > w->next)
            w->next = w->uids->range[w->range].first;
    }
    return w->next > w->last ? CUBBY_DONE : CUBBY_OK;
}

/* The uid under the cursor; DONE if that is no row of this folder. */
static int look(struct cubby__walk *w)
{
    struct cubby__slice k = cubby__cursor_key(&w->cursor);
    if (k.n != w->prefix_len + 4 || memcmp(k.p, w->key, w->prefix_len) != 0)
        return CUBBY_DONE;
    w->uid = cubby__get32be(k.p + w->prefix_len);
    return CUBBY_OK;
}

/* Steps on to the first row with a uid >= next, if it is near. */
static int step(struct cubby__walk *w)
{
    for (int i = 0; i < STEPS && w->uid < w->next; i++) {
        int rc = cubby__cursor_next(&w->cursor);
        if (!rc)
            rc = look(w);
        if (rc)
            return rc;
    }
    return CUBBY_OK;
}

/* To the first row with a uid >= next. */
static int reach(struct cubby__walk *w)
{
    if (w->uid) {
        int rc = step(w);
        if (rc || w->uid >= w->next)
            return rc;
    }
    cubby__put32be(w->key + w->prefix_len, (uint32_t)w->next);
    int rc = cubby__cursor_seek(&w->cursor, w->key, w->prefix_len + 4);
    return rc ? rc : look(w);
}

int cubby__walk_next(struct cubby__walk *w)
{
    for (;;) {
        int rc = wanted(w);
        if (!rc)
            rc = reach(w);
        if (rc)
            return rc;
        if (w->uid <= w->next) { /* a wanted one */
            w->next = w->uid + 1ull;
            w->value = cubby__cursor_value(&w->cursor);
            return CUBBY_OK;
        }
        w->next = w->uid; /* there is nothing before it */
    }
}

int cubby__batch_read(struct cubby__batch *b, const struct cubby__view *view, uint64_t folder, const cubby_uidset *uids, uint32_t last)
{
    struct cubby__walk w;
    int rc = CUBBY_OK;
    b->count = 0;
    cubby__buf_clear(&b->bytes);
    if (b->next > last)
        return CUBBY_DONE;
    cubby__walk_open(&w, view, folder, uids, (uint32_t)b->next, last);
    while (b->count < CUBBY__BATCH && !(rc = cubby__walk_next(&w))) {
        b->uid[b->count] = w.uid;
        b->off[b->count++] = (uint32_t)b->bytes.len;
        cubby__buf_add(&b->bytes, w.value.p, w.value.n);
        b->next = w.uid + 1ull;
    }
    cubby__walk_close(&w);
    b->off[b->count] = (uint32_t)b->bytes.len;
    if (b->bytes.failed)
        return cubby__fail_mem(view->err);
    return rc < 0 ? rc : b->count ? CUBBY_OK : CUBBY_DONE;
}

int cubby__batch_row(const struct cubby__batch *b, size_t i, const struct cubby__view *view, uint64_t folder, struct cubby__message_row *row)
{
    const struct cubby__slice value = {b->bytes.data + b->off[i], b->off[i + 1] - b->off[i]};
    return cubby__walk_row(view, value, folder, b->uid[i], row);
}

int cubby__walk_row(const struct cubby__view *view, struct cubby__slice value, uint64_t folder, uint32_t uid, struct cubby__message_row *row)
{
    if (!cubby__message_row_decode(value.p, value.n, row))
        return CUBBY_OK;
    return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "the row of uid %u in folder %llu breaks its format", uid,
                       (unsigned long long)folder);
}

int cubby__message_row_get(struct cubby__view *view, uint64_t folder, uint32_t uid, struct cubby__message_row *row)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    int rc = cubby__view_get(view, key, cubby__key_message(key, folder, uid), value, &len);
    return rc ? rc : cubby__walk_row(view, (struct cubby__slice){value, len}, folder, uid, row);
}

void cubby__batch_release(struct cubby__batch *b)
{
    cubby__buf_release(&b->bytes);
}
