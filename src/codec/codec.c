#include "codec/codec.h"

#include <lz4.h>
#include <string.h>

#include "base/alloc.h"
#include "cubby.h"
#include "format/format.h"

#define CONTENT_MAX ((size_t)CUBBY__PIECE_MAX * 8)

/* Filling LZ4's tables from the dictionary takes longer than copying tables filled once. */
struct cubby__codec {
    LZ4_stream_t work;
    LZ4_stream_t dict; /* filled by the first use of the dictionary, never changed after that */
    int has_dict;
};

struct cubby__codec *cubby__codec_new(void)
{
    struct cubby__codec *c = cubby__malloc(sizeof *c);
    if (c)
        c->has_dict = 0;
    return c;
}

void cubby__codec_free(struct cubby__codec **c)
{
    cubby__free(*c);
    *c = NULL;
}

size_t cubby__compress_bound(size_t n)
{
    return n; /* LZ4 is not given more room than storing takes */
}

static int compress_with_dict(struct cubby__codec *c, const void *in, int n, void *out, int room)
{
    if (!c->has_dict) {
        LZ4_initStream(&c->dict, sizeof c->dict);
        LZ4_loadDict(&c->dict, (const char *)cubby__header_dict, (int)cubby__header_dict_len);
        c->has_dict = 1;
    }
    memcpy(&c->work, &c->dict, sizeof c->work);
    return LZ4_compress_fast_continue(&c->work, in, out, n, room, 1);
}

size_t cubby__compress(struct cubby__codec *c, uint8_t codec, const void *in, size_t n, uint8_t *out, uint8_t *used)
{
    int room = n <= CONTENT_MAX ? (int)(n - (n + 15) / 16) : 0, len = 0;
    if (room > 0 && codec == CUBBY__CODEC_LZ4)
        len = LZ4_compress_fast_extState(&c->work, in, (char *)out, (int)n, room, 1);
    else if (room > 0 && codec == CUBBY__CODEC_LZ4_DICT)
        len = compress_with_dict(c, in, (int)n, out, room);
    if (len > 0) {
        *used = codec;
        return (size_t)len;
    }
    if (n)
        memcpy(out, in, n);
    *used = CUBBY__CODEC_STORED;
    return n;
}

int cubby__decompress(uint8_t codec, const void *in, size_t n, void *out, size_t orig_len)
{
    int len = -1;
    if (codec == CUBBY__CODEC_STORED) {
        if (n != orig_len)
            return CUBBY_ECORRUPT;
        if (n)
            memcpy(out, in, n);
        return 0;
    }
    if (n == 0 || n >= orig_len || orig_len > CONTENT_MAX)
        return CUBBY_ECORRUPT;
    if (codec == CUBBY__CODEC_LZ4)
        len = LZ4_decompress_safe(in, out, (int)n, (int)orig_len);
    else if (codec == CUBBY__CODEC_LZ4_DICT)
        len = LZ4_decompress_safe_usingDict(in, out, (int)n, (int)orig_len, (const char *)cubby__header_dict, (int)cubby__header_dict_len);
    return len >= 0 && (size_t)len == orig_len ? 0 : CUBBY_ECORRUPT;
}
