/* reader.h - positional reads of one message: any range costs the pieces that hold it. */
#ifndef CUBBY_MAIL_READER_H
#define CUBBY_MAIL_READER_H

#include <stddef.h>
#include <stdint.h>

#include "cubby.h"
#include "mail/fetch.h"
#include "store/store.h"

struct cubby__msgreader {
    struct cubby__fetch fetch;
    uint64_t folder;
    uint32_t uid;
    struct cubby__piece_ref *refs; /* made at the first read behind the header, with ... */
    uint64_t *ends;                /* ... the offset in the message behind each piece */
    uint8_t *cache;                /* one decompressed piece */
    size_t cached;                 /* its index + 1, 0: none */
    int mismatch;                  /* verify read every byte, and they are not those that came in */
};

/* Reads the OBJECT. DONE: the uid is not there. ENOENT: the folder is not. After a failure there is nothing to close. */
int cubby__msgreader_open(struct cubby__msgreader *r, struct cubby__view *view, uint64_t folder, uint32_t uid);
void cubby__msgreader_close(struct cubby__msgreader *r);

/* Up to n bytes from offset, as they came. *got is how many are good, with an error too. */
int cubby__msgreader_read(struct cubby__msgreader *r, uint64_t offset, void *buf, size_t n, size_t *got);
/* Every byte against the hash. */
int cubby__msgreader_verify(struct cubby__msgreader *r);
int cubby__msgreader_parts(struct cubby__msgreader *r, const cubby_part **parts, size_t *count);

#endif
