/* variant.h - one of the two things that a big message with a block can turn out to be: all its bytes, or those behind the block. Which it is
 * shows at the end only, so both are fed. */
#ifndef CUBBY_TOOLS_VARIANT_H
#define CUBBY_TOOLS_VARIANT_H

#include "archive/block.h"
#include "archive/digest.h"
#include "cubby.h"

struct variant {
    cubby_store *store;
    cubby_message *message;
    struct digest *digest;
    uint64_t size;
    uint8_t held[2]; /* last bytes, held back if `hold` */
    size_t hold, held_len;
    int code; /* CUBBY_E..., of the message */
};

/* store NULL: its bytes are only hashed. reuse: a message to be filled anew, or NULL. hold: so many bytes at the end (0 to 2) do not count. */
void variant_begin(struct variant *v, cubby_store *store, cubby_message *reuse, size_t hold);
void variant_add(struct variant *v, const uint8_t *p, size_t n);
/* Is it what the block was written for? */
int variant_matches(const struct variant *v, const struct block *b);

/* An empty message: a new one, or *m made empty. */
int variant_fresh_message(cubby_store *store, cubby_message **m);

#endif
