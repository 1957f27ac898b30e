#include "mail/orphan.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "mail/object.h"
#include "mail/records.h"
#include "mail/row.h"

static int add_entry(struct cubby__orphans *o, const struct cubby__record *rec)
{
    struct cubby__keywords keywords;
    struct cubby__entry_rec entry;
    if (cubby__entry_decode(rec->payload, rec->len, &entry, &keywords))
        return CUBBY_OK;
    struct cubby__torn_entry *entries = cubby__grow(o->entries, o->entry_count, &o->entry_cap, sizeof *entries);
    if (!entries)
        return CUBBY_ENOMEM;
    o->entries = entries;
    o->entries[o->entry_count++] = (struct cubby__torn_entry){rec->commit, entry.object};
    return CUBBY_OK;
}

int cubby__orphans_add(struct cubby__orphans *o, const struct cubby__record *rec)
{
    struct cubby__orphan x = {.type = rec->type, .commit = rec->commit, .place = rec->place};
    struct cubby__object object;
    switch (rec->type) {
    case CUBBY__REC_PIECE:
        x.id = rec->piece.id;
        x.kind = rec->piece.kind;
        x.orig_len = rec->piece.orig_len;
        break;
    case CUBBY__REC_OBJECT:
        if (cubby__object_decode(rec->payload, rec->len, &object))
            return CUBBY_OK;
        x.id = object.id;
        break;
    case CUBBY__REC_ENTRY:
        return add_entry(o, rec);
    default:
        return CUBBY_OK;
    }
    struct cubby__orphan *at = cubby__grow(o->at, o->count, &o->cap, sizeof *at);
    if (!at)
        return CUBBY_ENOMEM;
    o->at = at;
    o->at[o->count++] = x;
    return CUBBY_OK;
}

void cubby__orphans_forget(struct cubby__orphans *o)
{
    o->count = o->entry_count = 0;
}

void cubby__orphans_release(struct cubby__orphans *o)
{
    cubby__free(o->at);
    cubby__free(o->entries);
    memset(o, 0, sizeof *o);
}

static int by_commit_and_object(const void *a, const void *b)
{
    const struct cubby__torn_entry *x = a, *y = b;
    if (x->commit != y->commit)
        return x->commit < y->commit ? -1 : 1;
    return (x->object > y->object) - (x->object < y->object);
}

/* The object has an ENTRY of its own commit: whatever became of that, it was there. */
static int has_entry(const struct cubby__orphans *o, const struct cubby__orphan *object)
{
    const struct cubby__torn_entry key = {object->commit, object->id};
    return o->entry_count && bsearch(&key, o->entries, o->entry_count, sizeof key, by_commit_and_object);
}

static int settle(const struct cubby__orphans *o, struct cubby__orphan *x, struct cubby__view *view)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    if (x->type == CUBBY__REC_OBJECT && has_entry(o, x)) {
        x->dropped = 1;
        return CUBBY_OK;
    }
    size_t n = x->type == CUBBY__REC_PIECE ? cubby__key_piece(key, x->id) : cubby__key_object(key, x->id);
    int rc = cubby__view_get(view, key, n, value, &len);
    if (rc) { /* of a torn tail, which nobody was told of */
        x->dropped = 1;
        return rc == CUBBY_DONE ? CUBBY_OK : rc;
    }
    struct cubby__object_row object = {0};
    struct cubby__piece_row piece = {0};
    if (x->type == CUBBY__REC_PIECE ? cubby__piece_row_decode(value, len, &piece) : cubby__object_row_decode(value, len, &object))
        return cubby__fail(view->err, CUBBY_ECORRUPT, CUBBY__FILE_INDEX, CUBBY__NO_OFFSET, "a row breaks its format");
    x->dropped = (x->type == CUBBY__REC_PIECE ? piece.refs : object.refs) != 0;
    return CUBBY_OK;
}

int cubby__orphans_settle(struct cubby__orphans *o, struct cubby__view *view)
{
    int rc = CUBBY_OK;
    if (o->entry_count)
        qsort(o->entries, o->entry_count, sizeof *o->entries, by_commit_and_object);
    for (size_t i = 0; i < o->count && !rc; i++)
        rc = settle(o, &o->at[i], view);
    size_t kept = 0;
    for (size_t i = 0; i < o->count && !rc; i++)
        if (!o->at[i].dropped)
            o->at[kept++] = o->at[i];
    if (!rc)
        o->count = kept;
    return rc;
}

int cubby__orphans_next(const struct cubby__orphans *o, size_t *pos, size_t *first)
{
    if (*pos >= o->count)
        return 0;
    const struct cubby__orphan *x = &o->at[*pos];
    *first = (*pos)++;
    while (x->type == CUBBY__REC_PIECE && *pos < o->count && o->at[*pos].type == CUBBY__REC_PIECE && o->at[*pos].commit == x->commit &&
           o->at[*pos].kind != CUBBY__PIECE_REST)
        ++*pos;
    return 1;
}
