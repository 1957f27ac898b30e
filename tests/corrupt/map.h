/* map.h - what every byte of a sound store is for, and which bytes a message depends on. */
#ifndef CUBBY_TESTS_CORRUPT_MAP_H
#define CUBBY_TESTS_CORRUPT_MAP_H

#include "corrupt/content.h"
#include "corrupt/image.h"

/* The order is that of the report. */
enum region {
    R_IDENTITY, R_ID_REST, R_SHARED, R_HEADER, R_FRAME, R_TAIL, R_PROOF, R_PADDING, R_AHEAD, R_META, R_META_OLD, R_META_REST, R_PAGE, R_FREE, R_BEHIND, REGIONS
};

/* What must come of a flipped bit there. */
enum due { SILENT_OK, NOTED, FOUND };

struct region_kind {
    const char *name;
    enum due due;
};
extern const struct region_kind region_kinds[REGIONS];

struct range {
    int file; /* of the image */
    size_t from, to;
};

/* A frame, without its padding, or the headers of a segment. */
struct frame {
    int file;
    size_t off, end;
    uint8_t type;
    uint64_t commit;
    const uint8_t *payload;
    uint32_t len;
    uint64_t piece;  /* its id */
    uint64_t proves; /* that this commit had been synced */
};

enum { RANGES = 16, FRAMES = 400 };

struct map {
    const struct image *im;
    uint8_t *region[IMAGE_FILES]; /* a byte a byte */
    struct range needs[MESSAGES][RANGES]; /* of message i of the content: if these bytes are as they were, it must be readable */
    int need_count[MESSAGES];
    uint64_t commit[MESSAGES]; /* that it came with: if nothing proves it, it is there whole or not at all, and only behind whole ones */
    struct frame frames[FRAMES];          /* in the order of the log */
    int frame_count;
    uint64_t proven;     /* the last commit that anything in the image proves */
    uint64_t checkpoint; /* the commit of the index's checkpoint, 0: there is no index */
    size_t slot;         /* where in the index that stands */
};

/* What a damaged store, of the same files, still has of the sound one. */
struct rest {
    uint64_t lowest;   /* the first commit of which a byte has changed; UINT64_MAX: none has */
    uint64_t highest;  /* the last one; 0 */
    uint64_t vouched;  /* the last commit that what is left proves */
    int blank;         /* from that first byte on nothing but zeros is left in that file, and no file behind it */
    int headers;       /* segments that have a sound header */
    int id_changed, index_changed, log_changed;
    int slot_changed;  /* the index's checkpoint: an older one, or none, steps in */
    enum due due;      /* what must come of it, by the regions that changed and what vouches for them */
    int healthy[MESSAGES]; /* nothing that the message needs has changed */
};

/* Ends the test if the image is not as sample.h says. */
void map_make(const struct image *im, const struct content *c, struct map *out);
void map_drop(struct map *m);
void map_compare(const struct map *m, const struct image *im, struct rest *out);

#endif
