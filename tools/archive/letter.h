/* letter.h - what an archive says about one message: its bytes, flags, date. */
#ifndef CUBBY_TOOLS_LETTER_H
#define CUBBY_TOOLS_LETTER_H

#include "archive/block.h"
#include "archive/labels.h"
#include "archive/reader.h"

struct letter {
    const uint8_t *p; /* the message, without a block that is true to it; borrowed */
    size_t n;
    uint8_t hash[16];       /* of it */
    int restored;           /* a block was taken off: flags and date are what it says */
    struct cli_flags flags; /* released with letter_release */
    int has_date;
    int64_t date;
    int16_t zone;
    uint32_t uid;           /* that it had; 0: unknown */
    struct labels labels;   /* folders that it goes to instead of the archive's; none: that one */
};

/* raw: the bytes of the message as the archive has them. The item's flags are taken over. labels: LABELS_... */
void letter_decode(const uint8_t *raw, size_t n, struct reader_item *item, int labels, struct letter *out);
void letter_release(struct letter *l);

/* The parts of that, for messages that do not lie in memory: state from the block (NULL: from the item and the head of the message). */
void letter_state(const char *head, size_t n, struct reader_item *item, struct block *block, int labels, struct letter *out);

#endif
