#include "mail/orphan.h"

#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "mail/object.h"
#include "mail/records.h"
#include "mail/row.h"

static int push(struct cubby__orphans *o, const struct cubby__orphan *item)
{
    if (o->count == o->cap) {
        size_t cap = o->cap ? o->cap * 2 : 16;
        struct cubby__orphan *at = cubby__realloc(o->at, cap * sizeof *at);
        if (!at)
            return CUBBY_ENOMEM;
        o->at = at;
        o->cap = cap;
    }
    o->at[o->count++] = *item;
    return CUBBY_OK;
}

int cubby__orphans_add(struct cubby__orphans *o, const struct cubby__record *rec)
{
    struct cubby__orphan x = {.type = rec->type, .commit = rec->commit, .place = rec->place};
    struct cubby__keywords keywords;
    struct cubby__entry_rec entry;
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
        if (cubby__entry_decode(rec->payload, rec->len, &entry, &keywords))
            return CUBBY_OK;
        x.id = entry.object;
        break;
    default:
        return CUBBY_OK;
    }
    return push(o, &x);
}

void cubby__orphans_release(struct cubby__orphans *o)
{
    cubby__free(o->at);
    memset(o, 0, sizeof *o);
}

/* The object has an ENTRY of its own commit: whatever became of that, it was there. */
static int has_entry(const struct cubby__orphans *o, const struct cubby__orphan *object)
{
    for (size_t i = (size_t)(object - o->at) + 1; i < o->count && o->at[i].commit == object->commit; i++)
        if (o->at[i].type == CUBBY__REC_ENTRY && o->at[i].id == object->id)
            return 1;
    return 0;
}

static int settle(struct cubby__orphans *o, struct cubby__orphan *x, struct cubby__view *view)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    if (x->type == CUBBY__REC_ENTRY || (x->type == CUBBY__REC_OBJECT && has_entry(o, x))) {
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
    for (size_t i = o->count; i-- > 0 && !rc;) /* from the end, for an OBJECT looks at what comes behind it */
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
