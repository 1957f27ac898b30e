/* block.h - the lines that an export puts before a message so that an import can restore its state: Status, X-Status, X-Keywords and
 * X-Cubby. The grammar stands in cubby-mbox(5). */
#ifndef CUBBY_TOOLS_BLOCK_H
#define CUBBY_TOOLS_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "archive/writer.h"
#include "cli.h"
#include "text.h"

enum { BLOCK_ADDED_NONE = 0, BLOCK_ADDED_LF = 1, BLOCK_ADDED_CRLF = 2 };

struct block {
    size_t len; /* bytes of the block itself; set by block_parse */
    uint32_t uid;
    int64_t date;
    int16_t zone;
    uint8_t hash[16];       /* of the message behind it, without what `added` names */
    int added;              /* BLOCK_ADDED_...: the line end that the export put behind a message without one */
    struct cli_flags flags; /* released with cli_flags_release */
};

/* Appends the block; keywords as names. crlf: the line ends of the message. */
void block_format(struct text *out, const struct block *b, const char *const *keywords, size_t keyword_count, int crlf);

/* The same for a message that is exported. ends: a line end will be put behind one that does not end with one. */
void block_of_message(struct text *out, const struct writer_message *m, int crlf, int ends);

/* 1 if p begins with a block that is whole within n bytes; only then out is filled in. Whether its hash is right is for the caller to see. */
int block_parse(const char *p, size_t n, struct block *out);

#endif
