/* fuzz_text.c - any bytes as a header value (encoded words in base64 and quoted-printable, charsets), as a sender, a date, a size; as what a terminal
 * shows: never a control character, exactly as wide as the column. */
#include "fuzz/fuzz.h"
#include "text.h"

static void must_be_safe(const struct text *t)
{
    for (size_t i = 0, used; i < t->len; i += used) {
        uint32_t c;
        used = text_next(t->data + i, t->len - i, &c);
        must(used >= 1 && i + used <= t->len && c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && !(c >= 0x202a && c <= 0x202e));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct text decoded = {0}, sender = {0}, shown = {0};
    struct input in = {data, n};
    size_t width = take(&in, 1) % 100;
    char *p = string_copy(in.p, in.n), buf[64];
    int64_t seconds;
    int16_t zone;
    text_decode(&decoded, p, in.n);
    must(decoded.len <= in.n * 4 + 16);
    text_sender(&sender, decoded.data ? decoded.data : "", decoded.len);
    text_column(&shown, decoded.data ? decoded.data : "", decoded.len, width);
    must(text_width(shown.data ? shown.data : "", shown.len) == width);
    must_be_safe(&shown);
    text_clear(&shown);
    text_safe(&shown, p, in.n);
    must_be_safe(&shown);
    if (text_date_parse(p, &seconds, &zone) == 0) {
        int64_t again;
        int16_t zone_again;
        text_date(seconds, zone, buf, sizeof buf);
        must(text_date_parse(buf, &again, &zone_again) == 0 && again == seconds && zone_again == zone);
    }
    text_release(&decoded);
    text_release(&sender);
    text_release(&shown);
    free(p);
    return 0;
}
