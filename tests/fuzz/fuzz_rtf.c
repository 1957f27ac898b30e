/* fuzz_rtf.c - any bytes as compressed RTF and as RTF: both come to an end, in memory that the input bounds, and what comes out of RTF is UTF-8 without
 * NULs. The first byte: bit 0 through the decompression, bits 1 and 2 the kind of RTF. */
#include "archive/mapi/rtf.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct input in = {data, n};
    unsigned how = (unsigned)take(&in, 1);
    struct flow *f = flow_bytes(in.p, in.n);
    struct text out = {0};
    if (how & 1)
        f = flow_lzfu(f);
    if (how & 6)
        f = flow_rtf(f, (enum rtf_kind)(how >> 1 & 3));
    int more = flow_all(f, 32 << 20, &out);
    must(!more); /* a byte gives at most a few kilobytes */
    flow_error(f);
    if (how & 6)
        for (size_t i = 0, used; i < out.len; i += used) {
            uint32_t c;
            used = text_next(out.data + i, out.len - i, &c);
            must(c != 0 && (c != 0xfffd || used == 3));
        }
    rtf_kind((const char *)in.p, in.n);
    flow_close(&f);
    text_release(&out);
    return 0;
}
