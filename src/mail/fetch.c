#include "mail/fetch.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/error.h"
#include "codec/codec.h"
#include "mail/row.h"
#include "mime/header.h"
#include "mime/structure.h"

int cubby__fetch_corrupt(const struct cubby__view *view, const struct cubby__place *place, const char *what, uint64_t id)
{
    char name[CUBBY__SEGNAME_MAX];
    cubby__fail(view->err, CUBBY_ECORRUPT, cubby__segname(place->seg, name), place->off, "%s %llu", what, (unsigned long long)id);
    return CUBBY_ECORRUPT;
}

void cubby__fetch_init(struct cubby__fetch *f, const struct cubby__view *view)
{
    memset(f, 0, sizeof *f);
    f->view = view;
}

static void forget(struct cubby__fetch *f)
{
    cubby__free(f->parts);
    f->parts = NULL;
    f->part_count = 0;
    f->has_list = f->has_header = f->has_structure = 0;
}

void cubby__fetch_release(struct cubby__fetch *f)
{
    forget(f);
    cubby__buf_release(&f->frame);
    cubby__buf_release(&f->piece);
    cubby__buf_release(&f->list);
    cubby__buf_release(&f->rest);
    cubby__buf_release(&f->header);
    cubby__buf_release(&f->structure);
}

int cubby__fetch_object(struct cubby__fetch *f, uint64_t id, const struct cubby__place *place)
{
    const uint8_t *payload;
    forget(f);
    f->place = *place;
    int rc = cubby__view_read(f->view, place, CUBBY__REC_OBJECT, &f->frame, &payload, NULL);
    if (rc)
        return rc;
    if (cubby__object_decode(payload, place->len, &f->object))
        return cubby__fetch_corrupt(f->view, place, "the record breaks its format: object", id);
    if (f->object.id != id)
        return cubby__fetch_corrupt(f->view, place, "another object stands where the index has object", id);
    return 0;
}

/* Nothing in buf, and room for n bytes, which may be 0: not NULL all the same. */
static uint8_t *empty(struct cubby__buf *buf, size_t n)
{
    cubby__buf_clear(buf);
    return cubby__buf_reserve(buf, n + 1);
}

static int inflate(struct cubby__fetch *f, uint8_t codec, const uint8_t *in, size_t n, uint32_t orig_len, struct cubby__buf *buf)
{
    uint8_t *out = empty(buf, orig_len);
    if (!out)
        return cubby__fail_mem(f->view->err);
    buf->len = orig_len;
    if (cubby__decompress(codec, in, n, out, orig_len))
        return cubby__fetch_corrupt(f->view, &f->place, "a group does not decompress: object", f->object.id);
    return 0;
}

int cubby__fetch_list(struct cubby__fetch *f, const uint8_t **out, size_t *len)
{
    const struct cubby__object *o = &f->object;
    if (!f->has_list) {
        int rc = inflate(f, o->list_codec, o->list, o->list_len, o->list_orig_len, &f->list);
        if (rc)
            return rc;
        f->has_list = 1;
    }
    *out = f->list.data;
    *len = f->list.len;
    return 0;
}

static int make_header(struct cubby__fetch *f)
{
    const struct cubby__object *o = &f->object;
    const uint8_t *list;
    size_t list_len;
    int rc = cubby__fetch_list(f, &list, &list_len);
    if (rc)
        return rc;
    if (!empty(&f->rest, o->rest_orig_len) || !empty(&f->header, o->stored_header))
        return cubby__fail_mem(f->view->err);
    f->rest.len = o->rest_orig_len;
    struct cubby__piece_ref ref = {o->rest_piece, o->rest_orig_len, 0};
    if (o->rest_piece && (rc = cubby__fetch_piece(f, &ref, CUBBY__PIECE_REST, f->rest.data)))
        return rc;
    rc = cubby__header_join(list, list_len, f->rest.data, f->rest.len, o->runs, o->runs_len, &f->header);
    if (rc == CUBBY_ECORRUPT)
        return cubby__fetch_corrupt(f->view, &f->place, "the header groups do not join: object", o->id);
    return rc ? cubby__fail_mem(f->view->err) : 0;
}

int cubby__fetch_header(struct cubby__fetch *f, const uint8_t **out, size_t *len)
{
    if (!f->has_header) {
        int rc = make_header(f);
        if (rc)
            return rc;
        f->has_header = 1;
    }
    *out = f->header.data;
    *len = f->header.len;
    return 0;
}

int cubby__fetch_parts(struct cubby__fetch *f, const cubby_part **out, size_t *count)
{
    const struct cubby__object *o = &f->object;
    if (!f->has_structure) {
        int rc = inflate(f, o->structure_codec, o->structure, o->structure_len, o->structure_orig_len, &f->structure);
        if (rc)
            return rc;
        rc = cubby__structure_decode(f->structure.data, f->structure.len, o->size, &f->parts, &f->part_count);
        if (rc == CUBBY_ECORRUPT)
            return cubby__fetch_corrupt(f->view, &f->place, "the MIME structure breaks its format: object", o->id);
        if (rc)
            return cubby__fail_mem(f->view->err);
        f->has_structure = 1;
    }
    *out = f->parts;
    *count = f->part_count;
    return 0;
}

static int piece_place(struct cubby__fetch *f, const struct cubby__piece_ref *ref, struct cubby__place *place)
{
    uint8_t key[CUBBY__TREE_KEY_MAX], value[CUBBY__TREE_VALUE_MAX];
    size_t len;
    struct cubby__piece_row row;
    int rc = cubby__view_get(f->view, key, cubby__key_piece(key, ref->id), value, &len);
    if (rc == CUBBY_DONE)
        return cubby__fetch_corrupt(f->view, &f->place, "the object names a piece that is nowhere: piece", ref->id);
    if (rc)
        return rc;
    if (cubby__piece_row_decode(value, len, &row) || row.orig_len != ref->orig_len)
        return cubby__fetch_corrupt(f->view, &f->place, "the index entry breaks its format: piece", ref->id);
    *place = row.place;
    return 0;
}

int cubby__fetch_piece(struct cubby__fetch *f, const struct cubby__piece_ref *ref, uint8_t kind, uint8_t *out)
{
    struct cubby__place place;
    struct cubby__piece piece;
    const uint8_t *payload;
    int rc = piece_place(f, ref, &place);
    if (rc)
        return rc;
    if (kind == CUBBY__PIECE_BODY)
        cubby__store_count_body_read(f->view->store);
    rc = cubby__view_read(f->view, &place, CUBBY__REC_PIECE, &f->piece, &payload, &piece);
    if (rc)
        return rc;
    if (piece.id != ref->id || piece.kind != kind || piece.orig_len != ref->orig_len)
        return cubby__fetch_corrupt(f->view, &place, "another piece stands where the index has piece", ref->id);
    if (cubby__decompress(piece.codec, payload, place.len, out, piece.orig_len))
        return cubby__fetch_corrupt(f->view, &place, "the content does not decompress: piece", ref->id);
    return 0;
}

static int whole_piece(struct cubby__fetch *f, const struct cubby__piece_ref *ref, uint8_t kind, const struct cubby__suspects *suspects, uint8_t *room)
{
    struct cubby__place place;
    int rc = piece_place(f, ref, &place);
    return rc || !suspects->has(suspects->arg, place.seg) ? rc : cubby__fetch_piece(f, ref, kind, room);
}

int cubby__fetch_whole(struct cubby__fetch *f, uint64_t id, const struct cubby__place *place, const struct cubby__suspects *suspects, uint8_t *room)
{
    struct cubby__piece_ref ref;
    int rc = cubby__fetch_object(f, id, place);
    if (!rc && f->object.rest_piece)
        rc = whole_piece(f, &(struct cubby__piece_ref){f->object.rest_piece, f->object.rest_orig_len, 0}, CUBBY__PIECE_REST, suspects, room);
    for (size_t pos = 0; !rc && cubby__object_piece(&f->object, &pos, &ref);)
        rc = whole_piece(f, &ref, CUBBY__PIECE_BODY, suspects, room);
    return rc;
}
