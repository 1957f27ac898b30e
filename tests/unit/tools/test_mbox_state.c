#include "archive/state.h"

#include "archive/field.h"
#include "mbox_util.h"

static char *flags_of(const char *header)
{
    static char out[400];
    struct cli_flags f = CLI_FLAGS_INIT;
    state_of_header(header, strlen(header), &f);
    int n = snprintf(out, sizeof out, "%u", f.system);
    for (size_t i = 0; i < f.keyword_count; i++)
        n += snprintf(out + n, sizeof out - (size_t)n, " %s", f.keywords[i]);
    cli_flags_release(&f);
    return out;
}

START_TEST(unix_fields)
{
    ck_assert_str_eq(flags_of("Status: RO\n\n"), "1");
    ck_assert_str_eq(flags_of("Status: O\nX-Status: AFTD\n\n"), "30");
    ck_assert_str_eq(flags_of("STATUS:R\r\nx-status: A\r\n\r\n"), "3");
    ck_assert_str_eq(flags_of("Status: O\nStatus: RO\n\n"), "0");
    ck_assert_str_eq(flags_of("Subject: x\n\nStatus: RO\n"), "0");
    ck_assert_str_eq(flags_of("X-Keywords: b a  B\n c\t$d\n\n"), "0 $d a b c");
    ck_assert_str_eq(flags_of("X-Keywords: (bad) 50% \"q\" \\Seen \\x ok\n\n"), "0 ok");
}
END_TEST

START_TEST(mozilla_fields)
{
    ck_assert_str_eq(flags_of("X-Mozilla-Status: 0001\n\n"), "1");
    ck_assert_str_eq(flags_of("X-Mozilla-Status: 1007\n\n"), "7 $Forwarded");
    ck_assert_str_eq(flags_of("X-Mozilla-Status: 0009\nX-Mozilla-Status2: 02800000\n\n"), "9 $Label1 $MDNSent");
    ck_assert_str_eq(flags_of("X-Mozilla-Status2: 0a200000\n\n"), "8 $Label5");
    ck_assert_str_eq(flags_of("X-Mozilla-Status2: 0E000000\n\n"), "0");
    ck_assert_str_eq(flags_of("X-Mozilla-Keys: $label2 NonJunk                              \n\n"), "0 $label2 NonJunk");
    ck_assert_str_eq(flags_of("X-Mozilla-Status: xyz\nX-Mozilla-Keys:\n\n"), "0");
}
END_TEST

START_TEST(fields)
{
    static const char h[] = "A: 1\r\nnot a field\nB:2\n\tmore\n C\n: no name\nD :x\nE:\n\nF: body\n";
    struct field f;
    size_t pos = 0;
    char out[200] = "";
    while (field_next(h, sizeof h - 1, &pos, &f))
        snprintf(out + strlen(out), sizeof out - strlen(out), "[%.*s|%.*s]", (int)f.name_len, f.name, (int)f.value_len, f.value);
    ck_assert_str_eq(out, "[A| 1][B|2\n\tmore\n C][E|]");
    for (size_t n = 0; n < sizeof h; n++) /* cut anywhere: no reading beyond */
        for (pos = 0; field_next(h, n, &pos, &f);)
            ck_assert(f.value + f.value_len <= h + n);
}
END_TEST

UNIT_MAIN("tools/mbox_state", unix_fields, mozilla_fields, fields)
