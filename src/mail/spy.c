#include "mail/spy.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "mail/apply.h"
#include "mail/folder_row.h"

static int add(void *array, size_t *count, size_t *cap, size_t size, const void *item)
{
    void **p = array;
    void *grown = cubby__grow(*p, *count, cap, size);
    if (!grown)
        return CUBBY_ENOMEM;
    *p = grown;
    memcpy((char *)grown + (*count)++ * size, item, size);
    return CUBBY_OK;
}

static int note_entry(struct cubby__txn *txn, struct cubby__spy *spy, const struct cubby__record *rec)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__keywords keywords;
    struct cubby__entry_rec e;
    size_t len;
    int rc = cubby__entry_decode(rec->payload, rec->len, &e, &keywords);
    if (!rc) /* the handler has decoded it, too */
        rc = cubby__view_get(cubby__txn_view(txn), key, cubby__key_object(key, e.object), value, &len);
    if (rc != CUBBY_DONE)
        return rc;
    const struct cubby__lost_entry lost = {e.folder, e.object, rec->commit, e.uid, rec->place};
    return add(&spy->entries, &spy->entry_count, &spy->entry_cap, sizeof lost, &lost) ? cubby__fail_mem(cubby__txn_err(txn)) : CUBBY_OK;
}

static int apply(struct cubby__txn *txn, const struct cubby__record *rec)
{
    struct cubby__spy *spy = (struct cubby__spy *)(void *)(uintptr_t)cubby__txn_handlers(txn);
    int rc = cubby__mail_handlers.apply(txn, rec);
    if (rc == CUBBY_OK && rec->type == CUBBY__REC_ENTRY)
        return note_entry(txn, spy, rec);
    if (rc == CUBBY_ECORRUPT && !cubby__txn_err(txn)->path[0] && rec->place.len) { /* the record, not the index; and not a definition in a header */
        const struct cubby__misfit m = {rec->place, rec->commit, rec->type};
        if (add(&spy->broken, &spy->broken_count, &spy->broken_cap, sizeof m, &m))
            return cubby__fail_mem(cubby__txn_err(txn));
    }
    return rc;
}

void cubby__spy_init(struct cubby__spy *spy)
{
    memset(spy, 0, sizeof *spy);
    spy->h = cubby__mail_handlers;
    spy->h.apply = apply;
}

void cubby__spy_forget(struct cubby__spy *spy)
{
    spy->entry_count = spy->broken_count = 0;
}

void cubby__spy_release(struct cubby__spy *spy)
{
    cubby__free(spy->entries);
    cubby__free(spy->broken);
    cubby__spy_init(spy);
}

static int by_folder_and_uid(const void *a, const void *b)
{
    const struct cubby__lost_entry *x = a, *y = b;
    if (x->folder != y->folder)
        return x->folder < y->folder ? -1 : 1;
    if (x->uid != y->uid)
        return x->uid < y->uid ? -1 : 1;
    return (x->commit > y->commit) - (x->commit < y->commit);
}

void cubby__spy_sort(struct cubby__spy *spy)
{
    struct cubby__lost_entry *e = spy->entries;
    size_t kept = 0;
    if (spy->entry_count)
        qsort(e, spy->entry_count, sizeof *e, by_folder_and_uid);
    for (size_t i = 0; i < spy->entry_count; i++) {
        int again = kept && e[kept - 1].folder == e[i].folder && e[kept - 1].uid == e[i].uid;
        e[again ? kept - 1 : kept++] = e[i];
    }
    spy->entry_count = kept;
}

int cubby__spy_has(const struct cubby__spy *spy, uint64_t folder, uint32_t uid)
{
    size_t low = 0, high = spy->entry_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct cubby__lost_entry *e = &spy->entries[mid];
        if (e->folder < folder || (e->folder == folder && e->uid < uid))
            low = mid + 1;
        else
            high = mid;
    }
    return low < spy->entry_count && spy->entries[low].folder == folder && spy->entries[low].uid == uid;
}

int cubby__spy_still_lost(struct cubby__view *view, struct cubby__tombs *tombs, const struct cubby__lost_entry *e)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    struct cubby__folder_row row;
    size_t len;
    int rc = cubby__folder_row_get(view, e->folder, value, &row);
    if (rc || row.dead)
        return rc < 0 ? rc : CUBBY_DONE;
    rc = cubby__view_get(view, key, cubby__key_message(key, e->folder, e->uid), value, &len);
    if (rc != CUBBY_DONE)
        return rc < 0 ? rc : CUBBY_DONE;
    rc = cubby__tombs_of(tombs, view, e->folder);
    return rc ? rc : cubby__tombs_have(tombs, e->uid) ? CUBBY_DONE : CUBBY_OK;
}
