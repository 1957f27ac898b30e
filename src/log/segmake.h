/* segmake.h - a new segment: made in tmp/, complete and synced before it has its name. For whoever holds the store's writer lock. */
#ifndef CUBBY_LOG_SEGMAKE_H
#define CUBBY_LOG_SEGMAKE_H

#include "log/log.h"

/* Segment h->number: begin; add what stands behind the header (framed for its place) and pad, or neither; end, which writes the header, syncs the file, gives
 * it its name and syncs the directory. When end returns 0 the segment exists for good. h->nonce is the caller's; h lives until the end, its definitions
 * are whole at the beginning. */
struct cubby__seg_maker;
int cubby__seg_make_begin(struct cubby__log *log, struct cubby__seg_header *h, struct cubby__seg_maker **out, cubby_error *err);
/* The same, but the file `spare` (a path) becomes the segment: for a disk without space for another. It is zeroed first, and is *size bytes long at least.
 * On failure it may be gone. */
int cubby__seg_make_reuse(struct cubby__log *log, struct cubby__seg_header *h, const char *spare, uint64_t *size, struct cubby__seg_maker **out,
                          cubby_error *err);
/* Bytes behind the header and what was added before. */
int cubby__seg_make_add(struct cubby__seg_maker *m, const void *p, size_t n, cubby_error *err);
/* n zeros behind what was added: room that is taken before the segment counts. */
int cubby__seg_make_pad(struct cubby__seg_maker *m, size_t n, cubby_error *err);
/* proven_commit goes into the header, which is written last, with the length. Ends the maker in any case. On an error *named says whether the
 * segment may exist all the same: then nothing may be appended to its predecessor any more. */
int cubby__seg_make_end(struct cubby__seg_maker **m, uint64_t proven_commit, int *named, cubby_error *err);
void cubby__seg_make_abort(struct cubby__seg_maker **m);

#endif
