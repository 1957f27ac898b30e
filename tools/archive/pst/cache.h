/* cache.h - the pages and blocks that were read last. */
#ifndef CUBBY_TOOLS_PST_CACHE_H
#define CUBBY_TOOLS_PST_CACHE_H

#include "archive/pst/ndb.h"

enum { PST_CACHED_PAGES = 256, PST_CACHED_BLOCKS = 64 };

struct pst_cache {
    struct pst_page *pages[PST_CACHED_PAGES]; /* by their offset */
    struct pst_block blocks[PST_CACHED_BLOCKS];
    uint64_t clock;
};

struct pst_cache *pst_cache_new(void);
void pst_cache_free(struct pst_cache **c);

#endif
