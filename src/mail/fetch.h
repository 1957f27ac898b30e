/* fetch.h - one message's OBJECT and what it gives without its body: list fields, header, MIME structure. Buffers are kept from
 * message to message; each part is made when it is first asked for. */
#ifndef CUBBY_MAIL_FETCH_H
#define CUBBY_MAIL_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "cubby.h"
#include "mail/object.h"
#include "store/store.h"

struct cubby__fetch {
    const struct cubby__view *view;
    struct cubby__place place;
    struct cubby__object object; /* borrows from frame */
    struct cubby__buf frame, piece, list, rest, header, structure;
    cubby_part *parts;
    size_t part_count;
    int has_list, has_header, has_structure;
};

/* Borrows the view until release. Nothing is read yet. */
void cubby__fetch_init(struct cubby__fetch *f, const struct cubby__view *view);
void cubby__fetch_release(struct cubby__fetch *f);

/* Reads the OBJECT frame of object `id` at `place`: one read. What earlier calls gave is gone. ECORRUPT. */
int cubby__fetch_object(struct cubby__fetch *f, uint64_t id, const struct cubby__place *place);

/* Of the object read last; borrowed until the next cubby__fetch_object. The header is what is stored as such: all of it unless it is enormous
 * (object.stored_header). It costs one more read, of the rest piece. */
int cubby__fetch_list(struct cubby__fetch *f, const uint8_t **out, size_t *len);
int cubby__fetch_header(struct cubby__fetch *f, const uint8_t **out, size_t *len);
int cubby__fetch_parts(struct cubby__fetch *f, const cubby_part **out, size_t *count);

/* Reads a piece, proves that it is the one meant, and decompresses its ref->orig_len bytes to out. kind: CUBBY__PIECE_... */
int cubby__fetch_piece(struct cubby__fetch *f, const struct cubby__piece_ref *ref, uint8_t kind, uint8_t *out);

/* Segments that something may be wrong with. */
struct cubby__suspects {
    int (*has)(const void *arg, uint32_t seg);
    const void *arg;
};
/* Reads an OBJECT frame, and of its pieces those in suspect segments: 0 if the message is all there. room: CUBBY__PIECE_MAX bytes. */
int cubby__fetch_whole(struct cubby__fetch *f, uint64_t id, const struct cubby__place *place, const struct cubby__suspects *suspects, uint8_t *room);

/* ECORRUPT with the segment file and offset of a frame. */
int cubby__fetch_corrupt(const struct cubby__view *view, const struct cubby__place *place, const char *what, uint64_t id);

#endif
