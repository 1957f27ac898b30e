/* ident.h - the identity of a store: the block in cubby.id, repeated in every segment header (FORMAT.md 3). */
#ifndef CUBBY_LOG_IDENT_H
#define CUBBY_LOG_IDENT_H

#include <stdint.h>

#include "cubby.h"
#include "format/format.h"

struct cubby__ident {
    uint8_t uuid[16], account[16];
    uint64_t salt, epoch;
    int64_t created_ns;
    uint32_t compat, rocompat, incompat; /* feature bits */
};

void cubby__ident_encode(const struct cubby__ident *id, uint8_t out[CUBBY__ID_SIZE]);
/* All of cubby.id: both copies, and a shared page of zeros. */
void cubby__ident_encode_file(const struct cubby__ident *id, uint8_t out[CUBBY__ID_FILE_SIZE]);
/* ENOTSTORE: no identity block. EVERSION: another version, or features that must be known. ECORRUPT. *err names path. */
int cubby__ident_decode(const uint8_t *p, struct cubby__ident *out, const char *path, uint64_t offset, cubby_error *err);

#endif
