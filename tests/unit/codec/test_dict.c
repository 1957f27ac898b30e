#include <string.h>

#include "base/hash.h"
#include "codec/codec.h"
#include "format/format.h"
#include "unit/unit.h"

/* The dictionary is part of the format: whoever changes it makes stores unreadable. */
START_TEST(never_changes)
{
    ck_assert_uint_eq(cubby__header_dict_len, 8172);
    ck_assert_uint_eq(cubby__hash64(cubby__header_dict, cubby__header_dict_len, 0), 10733299790817659979ull);
}
END_TEST

START_TEST(is_plain_text)
{
    for (size_t i = 0; i < cubby__header_dict_len; i++) {
        unsigned char c = cubby__header_dict[i];
        ck_assert_msg((c >= 32 && c < 127) || c == '\n' || c == '\r' || c == '\t', "byte %zu: %u", i, c);
    }
}
END_TEST

/* A block made by the first version must be readable for ever. */
START_TEST(old_block)
{
    static const unsigned char block[] = {0x0d, 0x32, 0x02, 0x06, 0x92, 0x00, 0x0c, 0x2a, 0x01, 0x06, 0x8e, 0x03, 0x03, 0xbc, 0x00,
                                          0x05, 0x4c, 0x00, 0xa0, 0x52, 0x65, 0x3a, 0x20, 0x6c, 0x75, 0x6e, 0x63, 0x68, 0x0a};
    static const char want[] = "MIME-Version: 1.0\nContent-Type: text/plain; charset=\"utf-8\"\nSubject: Re: lunch\n";
    char out[sizeof want - 1];
    ck_assert_int_eq(cubby__decompress(CUBBY__CODEC_LZ4_DICT, block, sizeof block, out, sizeof out), 0);
    ck_assert_mem_eq(out, want, sizeof out);
}
END_TEST

UNIT_MAIN("codec/dict", never_changes, is_plain_text, old_block)
