#include "log/ident.h"

#include <string.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hash.h"

void cubby__ident_encode(const struct cubby__ident *id, uint8_t out[CUBBY__ID_SIZE])
{
    memcpy(out + CUBBY__ID_MAGIC_OFF, CUBBY__ID_MAGIC, 8);
    cubby__put32(out + CUBBY__ID_VERSION_OFF, CUBBY__FORMAT_VERSION);
    cubby__put32(out + CUBBY__ID_COMPAT_OFF, id->compat);
    cubby__put32(out + CUBBY__ID_ROCOMPAT_OFF, id->rocompat);
    cubby__put32(out + CUBBY__ID_INCOMPAT_OFF, id->incompat);
    memcpy(out + CUBBY__ID_UUID_OFF, id->uuid, 16);
    memcpy(out + CUBBY__ID_ACCOUNT_OFF, id->account, 16);
    cubby__put64(out + CUBBY__ID_SALT_OFF, id->salt);
    cubby__put64(out + CUBBY__ID_EPOCH_OFF, id->epoch);
    cubby__put64(out + CUBBY__ID_CREATED_OFF, (uint64_t)id->created_ns);
    cubby__put64(out + CUBBY__ID_CHECKSUM_OFF, cubby__hash64(out, CUBBY__ID_CHECKSUM_OFF, 0));
}

void cubby__ident_encode_file(const struct cubby__ident *id, uint8_t out[CUBBY__ID_FILE_SIZE])
{
    memset(out, 0, CUBBY__ID_FILE_SIZE);
    for (int i = 0; i < CUBBY__ID_COPIES; i++)
        cubby__ident_encode(id, out + i * CUBBY__PAGE_SIZE);
}

int cubby__ident_decode(const uint8_t *p, struct cubby__ident *out, const char *path, uint64_t offset, cubby_error *err)
{
    if (memcmp(p + CUBBY__ID_MAGIC_OFF, CUBBY__ID_MAGIC, 8) != 0)
        return cubby__fail(err, CUBBY_ENOTSTORE, path, offset, "not a cubby store: no identity block");
    uint32_t version = cubby__get32(p + CUBBY__ID_VERSION_OFF);
    if (cubby__get64(p + CUBBY__ID_CHECKSUM_OFF) != cubby__hash64(p, CUBBY__ID_CHECKSUM_OFF, 0))
        return cubby__fail(err, CUBBY_ECORRUPT, path, offset, "the identity block does not match its checksum");
    if (version != CUBBY__FORMAT_VERSION)
        return cubby__fail(err, CUBBY_EVERSION, path, offset, "format version %u, this library knows only version %u", version, CUBBY__FORMAT_VERSION);
    out->compat = cubby__get32(p + CUBBY__ID_COMPAT_OFF);
    out->rocompat = cubby__get32(p + CUBBY__ID_ROCOMPAT_OFF);
    out->incompat = cubby__get32(p + CUBBY__ID_INCOMPAT_OFF);
    if (out->incompat)
        return cubby__fail(err, CUBBY_EVERSION, path, offset, "uses features 0x%x that this library does not know", out->incompat);
    memcpy(out->uuid, p + CUBBY__ID_UUID_OFF, 16);
    memcpy(out->account, p + CUBBY__ID_ACCOUNT_OFF, 16);
    out->salt = cubby__get64(p + CUBBY__ID_SALT_OFF);
    out->epoch = cubby__get64(p + CUBBY__ID_EPOCH_OFF);
    out->created_ns = (int64_t)cubby__get64(p + CUBBY__ID_CREATED_OFF);
    return 0;
}
