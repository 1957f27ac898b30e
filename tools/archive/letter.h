/* letter.h - what an archive says about one message: its bytes, flags, date. */
#ifndef CUBBY_TOOLS_LETTER_H
#define CUBBY_TOOLS_LETTER_H

#include "archive/block.h"
#include "archive/mbox.h"

struct letter {
    const uint8_t *p; /* the message, without a block that is true to it; borrowed */
    size_t n;
    uint8_t hash[16];       /* of it */
    int restored;           /* a block was taken off: flags and date are what it says */
    struct cli_flags flags; /* released with letter_release */
    int has_date;
    int64_t date;
    int16_t zone;
};

/* raw: the bytes of the message as the archive has them. */
void letter_decode(const uint8_t *raw, size_t n, const struct mbox_item *item, struct letter *out);
void letter_release(struct letter *l);

/* The parts of that, for messages that do not lie in memory: flags and date from the block (NULL: from the head of the message). */
void letter_state(const char *head, size_t n, const struct mbox_item *item, struct block *block, struct letter *out);

#endif
