/* cfb.h - compound files: a tree of storages and streams in one file, versions 3 and 4. Read only, and of any file: chains and trees that
 * lead in circles or outside end there. Memory: the allocation tables (1/128 of the file) and the directory. */
#ifndef CUBBY_TOOLS_MSG_CFB_H
#define CUBBY_TOOLS_MSG_CFB_H

#include <stddef.h>
#include <stdint.h>

#define CFB_NONE UINT32_MAX
#define CFB_ROOT 0

struct cfb;

/* fd stays the caller's and must stay open. NULL on failure, with the reason in error. */
struct cfb *cfb_open(int fd, char *error, size_t error_size);
void cfb_close(struct cfb **c);

/* Entries are numbers. The first in a storage and the next beside one, CFB_NONE at the end; in the order of their names. */
uint32_t cfb_first(const struct cfb *c, uint32_t storage);
uint32_t cfb_next(const struct cfb *c, uint32_t entry);
uint32_t cfb_find(const struct cfb *c, uint32_t storage, const char *name);
const char *cfb_name(const struct cfb *c, uint32_t entry); /* other letters than ASCII as '?' */
int cfb_is_storage(const struct cfb *c, uint32_t entry);
uint64_t cfb_size(const struct cfb *c, uint32_t entry); /* of a stream: at most the file's */

/* Where a stream was read last: begin with {0}, one for each stream. */
struct cfb_place {
    uint32_t sector;
    uint64_t index; /* of that sector in the chain */
    int valid;
};
/* min(n, size - offset) bytes, 0 at or behind the end; -1: the chain does not hold them, or the file cannot be read. */
int64_t cfb_read(const struct cfb *c, uint32_t entry, struct cfb_place *place, uint64_t offset, void *buf, size_t n);

#endif
