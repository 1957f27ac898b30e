/* write_ndb.h - the lowest layer of a PST file that is written once, from its start to its end: blocks, allocation maps, B-trees, header.
 *
 * Blocks go to the file in the order in which they come. One allocation interval (248 KB) is filled in memory; a thread of its own
 * encodes, sums up and writes those that are full. The B-trees are made at the end, from what temporary files without a name hold.
 *
 * Failures stick: after one nothing is written any more, and pstw_failed says so. */
#ifndef CUBBY_TOOLS_PST_WRITE_NDB_H
#define CUBBY_TOOLS_PST_WRITE_NDB_H

#include <stddef.h>
#include <stdint.h>

#include "archive/outfile.h"

struct pstw;

/* out: opened and empty, seekable; borrowed. crypt: PST_CRYPT_... */
struct pstw *pstw_new(struct outfile *out, int crypt);
void pstw_free(struct pstw **ndb);

/* errno of the first failure, 0: none. */
int pstw_failed(struct pstw *ndb);

/* Writes a block of 1 to PST_BLOCK_MAX bytes; its id. internal: of the kinds that hold ids. It counts as referred to once. */
uint64_t pstw_block(struct pstw *ndb, const void *p, size_t n, int internal);
/* So many more references to a block than one. */
void pstw_share(struct pstw *ndb, uint64_t bid, uint32_t more);
/* A node. Those of messages come in ascending order, all others in any. */
void pstw_node(struct pstw *ndb, uint32_t nid, uint64_t data, uint64_t sub, uint32_t parent);

/* A place to come back to: what was written behind it is undone as if it had never been. One at a time. */
void pstw_mark(struct pstw *ndb);
void pstw_rollback(struct pstw *ndb);

/* next_index: for each type of node the next free index. Writes what is left: 0 or an errno. */
int pstw_finish(struct pstw *ndb, const uint32_t next_index[32]);

/* Bytes of an allocation interval's own pages: AMap, PMap, FMap or FPMap. */
size_t pstw_interval_head(uint64_t n);

/* ---- spools: records in a temporary file without a name ------------------------------------------------------------------------------ */

struct spool {
    int fd; /* -1: all of it is in buf */
    uint8_t *buf;
    size_t len, size; /* of buf; of a record */
    uint64_t count;   /* of all records */
};
/* near: a path; the file, when it has to be, is made in that directory. 0 or an errno. */
void spool_init(struct spool *s, size_t record_size);
int spool_add(struct spool *s, const char *near, const void *record);
/* Keeps the first `count` records. */
int spool_cut(struct spool *s, uint64_t count);
/* Up to `most` records from `first` on into out; how many, or -1. */
int64_t spool_read(struct spool *s, uint64_t first, void *out, size_t most);
void spool_free(struct spool *s);

#endif
