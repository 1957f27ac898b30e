#include "mail/tomb.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "mail/changes.h"

static int add(struct cubby__tombs *t, uint32_t first, uint32_t last)
{
    struct cubby__range *at = cubby__grow(t->at, t->count, &t->cap, sizeof *at);
    if (!at)
        return CUBBY_ENOMEM;
    t->at = at;
    t->at[t->count++] = (struct cubby__range){first, last};
    return CUBBY_OK;
}

static int by_first(const void *a, const void *b)
{
    const struct cubby__range *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

/* They come in the order of modseqs, and after damage some overlap. */
static void put_in_order(struct cubby__tombs *t)
{
    size_t kept = 0;
    if (t->count)
        qsort(t->at, t->count, sizeof *t->at, by_first);
    for (size_t i = 0; i < t->count; i++) {
        struct cubby__range *before = kept ? &t->at[kept - 1] : NULL;
        if (!before || t->at[i].first > (uint64_t)before->last + 1)
            t->at[kept++] = t->at[i];
        else if (t->at[i].last > before->last)
            before->last = t->at[i].last;
    }
    t->count = kept;
}

int cubby__tombs_of(struct cubby__tombs *t, struct cubby__view *view, uint64_t folder)
{
    struct cubby__changes c;
    cubby_change x;
    if (t->folder == folder)
        return CUBBY_OK;
    t->count = 0;
    t->folder = 0;
    int rc = cubby__changes_open(view, folder, 0, &c);
    if (rc)
        return rc;
    while (!(rc = cubby__changes_next(&c, &x)))
        if (x.kind == CUBBY_CHANGE_VANISHED && add(t, x.uid, x.uid_last)) {
            rc = cubby__fail_mem(view->err);
            break;
        }
    cubby__changes_close(&c);
    if (rc != CUBBY_DONE)
        return rc;
    put_in_order(t);
    t->folder = folder;
    return CUBBY_OK;
}

size_t cubby__tombs_seek(const struct cubby__tombs *t, uint64_t uid)
{
    return cubby__range_seek(t->at, t->count, uid);
}

int cubby__tombs_have(const struct cubby__tombs *t, uint32_t uid)
{
    return cubby__range_has(t->at, t->count, uid);
}

void cubby__tombs_release(struct cubby__tombs *t)
{
    cubby__free(t->at);
    memset(t, 0, sizeof *t);
}
