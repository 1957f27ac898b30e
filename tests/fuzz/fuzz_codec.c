/* fuzz_codec.c - bytes through the compressor and back without change, with every codec; and any bytes as compressed ones: exactly as many as were
 * promised, or refused. The first byte is the codec, two more the length promised. */
#include "codec/codec.h"
#include "cubby.h"
#include "format/format.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct cubby__codec *codec;
    struct input in = {data, n};
    uint8_t kind = (uint8_t)(take(&in, 1) % 4), used = 0xff;
    size_t promised = take(&in, 2) * 2;
    uint8_t *copy = exact_copy(in.p, in.n), *out = malloc(promised + 1);
    if (!codec)
        must((codec = cubby__codec_new()) != NULL);
    int rc = cubby__decompress(kind, copy, in.n, out, promised);
    must(rc == 0 || rc == CUBBY_ECORRUPT);
    must(kind != CUBBY__CODEC_STORED || (rc == 0) == (promised == in.n));
    must(kind <= CUBBY__CODEC_LZ4_DICT || rc != 0);
    if (kind == CUBBY__CODEC_LZ4 || kind == CUBBY__CODEC_LZ4_DICT) {
        uint8_t *packed = malloc(cubby__compress_bound(in.n) + 1), *back = malloc(in.n + 1);
        size_t len = cubby__compress(codec, kind, copy, in.n, packed, &used);
        must(len <= cubby__compress_bound(in.n) && (used == kind || used == CUBBY__CODEC_STORED));
        uint8_t *exact = exact_copy(packed, len);
        must(cubby__decompress(used, exact, len, back, in.n) == 0 && (!in.n || !memcmp(back, copy, in.n)));
        must(!len || cubby__decompress(used, exact, len - 1, back, in.n) != 0);
        free(exact);
        free(packed);
        free(back);
    }
    free(copy);
    free(out);
    return 0;
}
